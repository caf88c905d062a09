//! Whether a store is what its log says: every file's bytes, columns and rows, and what the rows say of each other.
//!
//! One damaged file contradicts many rows elsewhere. These are told as what follows from it, so that there are as many
//! flaws as things to put right.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use serde::Serialize;

use super::file::Entry;
use super::frame;
use super::id::{id_of, location_key};
use super::lock::{self, Holder, LOCK};
use super::log::{self, COMMITS, MARK, STAGING};
use super::notes::Run;
use super::place::Place;
use super::read::{Store, read_file};
use super::rows::{CallRow, EventRow, ObjectRow, SightingRow, Status};
use super::schema::Dataset;
use super::tables::month_of_path;
use super::write::Writer;
use super::{StoreError, count, io_error};
use crate::cloudtrail::{Record, Scratch, for_each_record};
use crate::disk::{Folder, Kind};
use crate::mfa::Lineage;
use crate::units::plural;

/// What was checked, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Files.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
    /// What is wrong, in order of the files.
    pub flaws: Vec<Flaw>,
}

/// Something wrong, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// The file by its path in the store; `None` where rows contradict each other and no file is damaged.
    pub file: Option<String>,
    /// What is wrong, in one sentence.
    pub what: String,
    /// What else is wrong because of it, a sentence each.
    pub consequences: Vec<String>,
}

/// What an object's row says of its rows elsewhere, and what is there.
#[derive(Debug, Default)]
struct Tally {
    said: [u64; 3],
    found: [u64; 3],
    name: String,
    /// The file of its row.
    path: String,
}

/// What is wrong with the record that is kept with an event.
fn of_record(row: &EventRow, scratch: &mut Scratch) -> Option<&'static str> {
    let mut told = Vec::new();
    let text = row.record.as_deref().unwrap_or_default();
    let read = for_each_record(text.as_bytes(), scratch, &mut |_, record| {
        let lineage = |record: &Record<'_, '_>| (Some(record.content()), record.original().map(str::to_owned));
        told.extend(record.map(|record| (record.id().into_owned(), lineage(&record))));
    });
    let Lineage { content, original, .. } = &row.event.lineage;
    match (read, told.as_slice()) {
        (Err(_), _) => Some("its record is no JSON"),
        (Ok(_), [(id, _)]) if *id != row.event.id => Some("its record belongs to another event"),
        (Ok(_), [(_, lineage)]) if (&lineage.0, &lineage.1) == (content, original) => None,
        (Ok(_), [_]) => Some("its record does not match its row"),
        (Ok(_), _) => Some("its record belongs to another event"),
    }
}

/// The tables whose rows refer to an object, in the order of [`Tally`]'s counts.
const REFERRING: [Dataset; 3] = [Dataset::Events, Dataset::Calls, Dataset::Sightings];

#[derive(Debug, Default)]
struct Check {
    checked: Checked,
    /// Files that cannot be read, and why.
    unreadable: BTreeMap<String, String>,
    /// What is wrong with rows of files that can be.
    rows: BTreeMap<String, Vec<String>>,
    /// By file: how many of its rows refer to objects that no row of objects has, and to which.
    dangling: BTreeMap<String, (u64, BTreeSet<u128>)>,
    objects: HashMap<u128, Tally>,
    locations: HashSet<u128>,
    events: HashSet<(u128, u64)>,
}

/// Reads every file of the store.
///
/// # Errors
/// When the store changes while it is read.
pub fn check(store: &Store) -> Result<Checked, StoreError> {
    let mut check = Check::default();
    let files = &store.state().files;
    store.ahead(files.keys().map(String::as_str));
    // Objects first, for the others refer to them.
    for first in [true, false] {
        for (path, (entry, _)) in files {
            let dataset = Dataset::of(path);
            if first == (dataset == Some(Dataset::Objects))
                && let Err(error) = check.file(store, path, entry, dataset)
            {
                let what = error.to_string().lines().next().unwrap_or_default().to_owned();
                check.unreadable.insert(path.clone(), what);
            }
        }
    }
    // In a bucket there is nothing to follow.
    if let Place::Folder(dir) = store.place() {
        check.strangers(&log::open(dir)?, dir, store, Path::new(""))?;
    }
    Ok(check.finish())
}

/// What a repair removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Files that no commit names, in order.
    pub removed: Vec<String>,
}

/// Removes what writers left that were killed: in a folder what is not in its place, in a bucket files that no commit names and that
/// are older than a day by the clock of S3, for a younger one may be in hand.
///
/// # Errors
/// When there is no store, it cannot be written, or a folder is being written.
pub fn repair(place: &Place, holder: &Holder) -> Result<Repaired, StoreError> {
    Store::open(place)?;
    let writer = Writer::open(place, holder)?;
    let Place::Bucket(remote) = place else { return Ok(Repaired::default()) };
    let named = |path: &str| {
        let is_log = path == MARK || path.strip_prefix(COMMITS).is_some_and(|rest| rest.starts_with('/'));
        // What a watch and whoever responds leave is of no commit.
        is_log || path.starts_with(BESIDE) || writer.state().files.contains_key(path)
    };
    let left = remote.leftovers(&named)?;
    // A commit that named one of them since would have been read: who commits has written its files within the day.
    let now = Store::open(place)?;
    let removed: Vec<String> = left.into_iter().filter(|path| !now.state().files.contains_key(path)).collect();
    remote.discard(removed.iter().map(String::as_str));
    Ok(Repaired { removed })
}

/// What lies beside the tables.
const BESIDE: &str = "watch/";

/// What is wrong with the lock or a folder of the store that no log names.
fn misplaced(home: &Folder, path: &Path, kind: Kind) -> Result<Option<&'static str>, StoreError> {
    let is_lock = path == Path::new(LOCK);
    let is_folder = [STAGING, COMMITS].iter().any(|name| path == Path::new(name));
    if is_lock && kind == Kind::File {
        let file = home.file(path).and_then(|file| file.metadata()).map_err(io_error("open", path))?;
        return Ok((file.len() > lock::LARGEST).then_some("it is too large for a lock file"));
    }
    Ok(match kind {
        Kind::Folder if is_lock => Some("it is a folder, but should be the lock file"),
        Kind::File if is_folder => Some("it is a file, but should be a folder"),
        _ => None,
    })
}

impl Check {
    fn problem(&mut self, path: &str, what: impl std::fmt::Display) {
        self.rows.entry(path.to_owned()).or_default().push(what.to_string());
    }

    fn file(&mut self, store: &Store, path: &str, entry: &Entry, dataset: Option<Dataset>) -> Result<(), StoreError> {
        let (at, bytes) = read_file(store.place(), store.state(), path)?;
        self.checked.files += 1;
        // An IAM snapshot is no table.
        let Some(dataset) = dataset else { return Ok(()) };
        let rows = self.read(&at, bytes, path, dataset)?;
        self.checked.rows += rows;
        if rows != entry.rows {
            self.problem(path, format!("it has {}, but the log says {}", plural(rows, "row", "rows"), entry.rows));
        }
        Ok(())
    }

    fn read(&mut self, at: &Path, bytes: Vec<u8>, path: &str, dataset: Dataset) -> Result<u64, StoreError> {
        Ok(match dataset {
            Dataset::Objects => {
                let rows: Vec<ObjectRow> = frame::rows(at, bytes, 0)?;
                for row in &rows {
                    self.object(path, row);
                }
                count(rows.len())
            }
            Dataset::Events => {
                let rows: Vec<EventRow> = frame::rows(at, bytes, 0)?;
                let mut scratch = Scratch::default();
                for row in &rows {
                    let id = id_of(&row.object_id);
                    if !self.events.insert((id, row.number)) {
                        self.problem(path, format!("event {} is in it twice", row.event.id));
                    }
                    if let Some(problem) = of_record(row, &mut scratch) {
                        self.problem(path, format!("event {}: {problem}", row.event.id));
                    }
                    self.refer(path, 0, id);
                }
                count(rows.len())
            }
            Dataset::Calls => {
                let rows: Vec<CallRow> = frame::rows(at, bytes, 0)?;
                rows.iter().for_each(|row| self.refer(path, 1, id_of(&row.object_id)));
                count(rows.len())
            }
            Dataset::Sightings => {
                let rows: Vec<SightingRow> = frame::rows(at, bytes, 0)?;
                rows.iter().for_each(|row| self.refer(path, 2, id_of(&row.object_id)));
                count(rows.len())
            }
            Dataset::Runs => count(frame::rows::<Run>(at, bytes, 0)?.len()),
        })
    }

    fn object(&mut self, path: &str, row: &ObjectRow) {
        let said = [row.events, row.calls, row.sightings];
        let tally = Tally { said, found: [0; 3], name: row.name.clone(), path: path.to_owned() };
        if self.objects.insert(id_of(&row.object_id), tally).is_some() {
            self.problem(path, format!("object {} is in it twice", row.name));
        }
        if row.status != Status::Replaced && !self.locations.insert(location_key(&row.location)) {
            self.problem(path, format!("object {} has two current rows", row.name));
        }
        let accounts: Result<std::collections::BTreeMap<String, crate::pipeline::AccountSpan>, _> =
            serde_json::from_str(&row.accounts);
        if accounts.is_err() {
            self.problem(path, format!("object {}: `accounts` cannot be read", row.name));
        }
    }

    fn refer(&mut self, path: &str, which: usize, id: u128) {
        match self.objects.get_mut(&id) {
            Some(tally) => {
                if let Some(found) = tally.found.get_mut(which) {
                    *found += 1;
                }
            }
            None => {
                let (rows, objects) = self.dangling.entry(path.to_owned()).or_default();
                *rows += 1;
                objects.insert(id);
            }
        }
    }

    /// Names the links, pipes and devices: a store has none, and a program that reads it by its names would follow them. Those that
    /// the log lists are named already.
    fn strangers(&mut self, home: &Folder, dir: &Path, store: &Store, folder: &Path) -> Result<(), StoreError> {
        let place = dir.join(folder);
        for (name, kind) in home.list(folder).map_err(io_error("list", &place))? {
            let path = folder.join(name);
            let shown = path.to_string_lossy();
            match kind.refused() {
                None if folder.as_os_str().is_empty()
                    && let Some(why) = misplaced(home, &path, kind)? =>
                {
                    self.problem(&shown, why);
                }
                Some(refusal) if !store.state().files.contains_key(shown.as_ref()) => self.problem(&shown, refusal),
                None if kind == Kind::Folder => self.strangers(home, dir, store, &path)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts what follows from a file that cannot be read to that file.
    fn finish(mut self) -> Checked {
        let flaw = |(file, what): (&String, &String)| Flaw {
            file: Some(file.clone()),
            what: what.clone(),
            consequences: Vec::new(),
        };
        let mut flaws: Vec<Flaw> = self.unreadable.iter().map(flaw).collect();
        for (path, (rows, objects)) in &self.dangling {
            let what = format!(
                "{} to {} that no row of objects has",
                plural(*rows, "row refers", "rows refer"),
                plural(objects.len(), "object", "objects")
            );
            match cause(&mut flaws, Dataset::Objects, path) {
                Some(cause) => cause.consequences.push(format!("{path}: {what}")),
                None => self.rows.entry(path.clone()).or_default().push(what),
            }
        }
        let mut lacking: Vec<&Tally> = self.objects.values().collect();
        lacking.sort_by(|a, b| a.name.cmp(&b.name));
        for tally in lacking {
            for (table, (said, found)) in REFERRING.iter().zip(tally.said.iter().zip(tally.found)) {
                let what = format!("object {}: {found} of {}", tally.name, of_table(*said, *table));
                let cause = if found < *said { cause(&mut flaws, *table, &tally.path) } else { None };
                match cause {
                    _ if *said == found => {}
                    Some(cause) => cause.consequences.push(what),
                    None => flaws.push(Flaw { file: None, what, consequences: Vec::new() }),
                }
            }
        }
        for (path, mut wrong) in self.rows {
            wrong.sort();
            let (what, consequences) = match wrong.as_slice() {
                [only] => (format!("{path}: {only}"), Vec::new()),
                _ => (format!("{path}: {} wrong with its rows", plural(wrong.len(), "thing is", "things are")), wrong),
            };
            flaws.push(Flaw { file: Some(path), what, consequences });
        }
        flaws.sort_by(|a, b| (&a.file, &a.what).cmp(&(&b.file, &b.what)));
        Checked { flaws, ..self.checked }
    }
}

fn of_table(rows: u64, table: Dataset) -> String {
    format!("{} in {}", plural(rows, "row", "rows"), table.name())
}

/// The file of a table that cannot be read and whose rows `path` lacks: that of its month, else any.
fn cause<'f>(flaws: &'f mut [Flaw], table: Dataset, path: &str) -> Option<&'f mut Flaw> {
    let of_table = |flaw: &Flaw| flaw.file.as_deref().is_some_and(|file| Dataset::of(file) == Some(table));
    let of_month = |flaw: &Flaw| flaw.file.as_deref().is_some_and(|file| month_of_path(file) == month_of_path(path));
    let place = flaws.iter().position(|flaw| of_table(flaw) && of_month(flaw));
    let place = place.or_else(|| flaws.iter().position(of_table))?;
    flaws.get_mut(place)
}
