//! Whether a store is what its log says: every file's bytes, columns and rows, and what the rows say of each other.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::frame;
use super::index::{id_of, location_key};
use super::log::{self, Entry};
use super::notes::Run;
use super::read::{Store, read_file};
use super::rows::{CallRow, EventRow, ObjectRow, SightingRow, Status};
use super::schema::Dataset;
use super::{StoreError, count, io_error};
use crate::cloudtrail::{Scratch, for_each_record};
use crate::disk::{Folder, Kind};

/// What was checked, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Files.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
    /// What is wrong, a sentence each.
    pub problems: Vec<String>,
}

/// What an object's row says of its rows elsewhere, and what is there.
#[derive(Debug, Default)]
struct Tally {
    said: [u64; 3],
    found: [u64; 3],
    name: String,
}

/// What is wrong with the record that is kept with an event.
fn of_record(row: &EventRow, scratch: &mut Scratch) -> Option<&'static str> {
    let mut ids = Vec::new();
    let text = row.record.as_deref().unwrap_or_default();
    let read = for_each_record(text.as_bytes(), scratch, &mut |_, record| {
        ids.extend(record.map(|record| record.id().into_owned()));
    });
    match read {
        Err(_) => Some("its record is no JSON"),
        Ok(_) if ids != [row.event.id.as_str()] => Some("its record is another's"),
        Ok(_) => None,
    }
}

#[derive(Debug, Default)]
struct Check {
    checked: Checked,
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
    // Objects first, for the others refer to them.
    for first in [true, false] {
        for (path, (entry, _)) in files {
            let dataset = Dataset::of(path);
            if first == (dataset == Some(Dataset::Objects))
                && let Err(error) = check.file(store, path, entry, dataset)
            {
                check.checked.problems.push(error.to_string().lines().next().unwrap_or_default().to_owned());
            }
        }
    }
    check.compare();
    check.strangers(&log::open(store.dir())?, store, Path::new(""))?;
    check.checked.problems.sort();
    Ok(check.checked)
}

impl Check {
    fn problem(&mut self, path: &str, what: impl std::fmt::Display) {
        self.checked.problems.push(format!("{path}: {what}"));
    }

    fn file(&mut self, store: &Store, path: &str, entry: &Entry, dataset: Option<Dataset>) -> Result<(), StoreError> {
        let (at, bytes) = read_file(store.dir(), store.state(), path)?;
        self.checked.files += 1;
        // An IAM snapshot is no table.
        let Some(dataset) = dataset else { return Ok(()) };
        let rows = self.read(&at, bytes, path, dataset)?;
        self.checked.rows += rows;
        if rows != entry.rows {
            self.problem(path, format!("it has {rows} rows, and the log says {}", entry.rows));
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
        let tally = Tally { said, found: [0; 3], name: row.name.clone() };
        if self.objects.insert(id_of(&row.object_id), tally).is_some() {
            self.problem(path, format!("object {} is in it twice", row.name));
        }
        if row.status != Status::Replaced && !self.locations.insert(location_key(&row.location)) {
            self.problem(path, format!("object {} has two rows that count", row.name));
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
            None => self.problem(path, format!("a row refers to object {id:032x}, which is in no row of objects")),
        }
    }

    /// Names the links, pipes and devices: a store has none, and a program that reads it by its names would follow them. Those that
    /// the log lists are named already.
    fn strangers(&mut self, home: &Folder, store: &Store, folder: &Path) -> Result<(), StoreError> {
        let place = store.dir().join(folder);
        for (name, kind) in home.list(folder).map_err(io_error("list", &place))? {
            let path = folder.join(name);
            let shown = path.to_string_lossy();
            match kind.refused() {
                Some(refusal) if !store.state().files.contains_key(shown.as_ref()) => self.problem(&shown, refusal),
                None if kind == Kind::Folder => self.strangers(home, store, &path)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn compare(&mut self) {
        for tally in self.objects.values() {
            for ((said, found), what) in tally.said.iter().zip(tally.found).zip(["events", "calls", "sightings"]) {
                if *said != found {
                    let name = &tally.name;
                    self.checked.problems.push(format!("object {name}: {found} rows in {what}, and it had {said}"));
                }
            }
        }
    }
}
