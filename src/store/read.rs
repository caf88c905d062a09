//! What a store gives: to a report, what the archive itself would have given for the same selection and range.
//!
//! A selection picks objects by what their keys say, a range picks records by their own time, account and region: both are
//! applied here as a scan applies them. One thing is kept more coarsely than the archive has it: of the calls of one role at
//! one address in one object only the first and the last of a day. A range that begins or ends between the two cuts the span
//! there, which changes no figure unless the look-back is shorter than a day; a scan folds them by day too.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use polars_core::prelude::DataFrame;

use super::frame::{self, Row};
use super::id::id_of;
use super::log::{self, State};
use super::notes::{Arrived, Run, RunKind};
use super::overwritten::Overwritten;
use super::place::Place;
use super::remote::{LARGEST, Wrong};
use super::rows::{CallRow, EventRow, ObjectRow, SightingRow, Status};
use super::scans::{self, Scans};
use super::schema::Dataset;
use super::tables::month_of_path;
use super::{StoreError, count, damaged, hex, io_error};
use crate::contract::{Coverage, CoverageDay, Integrity, Period, ReadFailure, StoredIntegrity};
use crate::disk::{self, Folder};
use crate::evidence::{Evidence, Range};
use crate::hash::sha256;
use crate::mfa::Conflict;
use crate::pipeline::{AccountSpan, Scanned};
use crate::source::{KeyInfo, Selection};
use crate::trace::{Holder, Sighting};

/// How often a reader begins anew because a writer made files one meanwhile.
const ATTEMPTS: usize = 5;

/// A store, as its log said when it was opened.
#[derive(Debug)]
pub struct Store {
    place: Place,
    state: State,
}

/// What a report asks for.
#[derive(Debug)]
pub struct EvidenceQuery {
    /// Which objects.
    pub selection: Selection,
    /// Which of their records.
    pub range: Arc<Range>,
    /// The period that is reported on.
    pub period: Period,
    /// Where the sources are that were named; none for all that the store holds.
    pub roots: Vec<String>,
    /// Whether nothing but what these hold is asked for.
    pub only_roots: bool,
}

impl EvidenceQuery {
    /// Whether an object is of a source that was named.
    fn names(&self, row: &ObjectRow) -> bool {
        self.roots.is_empty() || row.unlisted() || self.roots.iter().any(|root| is_under(&row.location, root))
    }

    /// Whether the report is to rest on an object.
    pub(super) fn includes(&self, row: &ObjectRow) -> bool {
        (row.unlisted() || self.selection.includes(&row.key())) && (!self.only_roots || self.names(row))
    }
}

/// Whether a location lies under a root. A bucket's prefix ends anywhere, a folder where a name ends.
fn is_under(location: &str, root: &str) -> bool {
    let ends =
        |rest: &str| root.starts_with("s3://") || rest.is_empty() || root.ends_with('/') || rest.starts_with('/');
    location.strip_prefix(root).is_some_and(ends)
}

/// What the store has of it.
#[derive(Debug)]
pub struct StoredEvidence {
    /// What a scan would have kept.
    pub evidence: Evidence,
    /// What a scan would have counted.
    pub scanned: Scanned,
    /// What the digests said of the objects, as far as scans verified them.
    pub judged: StoredIntegrity,
    /// When the digests last failed to prove what was selected, if no later verification proved it.
    pub disproved_at: Option<DateTime<Utc>>,
    /// Objects whose content was overwritten after it had been read, in order of name.
    pub replaced: Vec<String>,
    /// What the store has of them, and the current objects lack: events, each with its object.
    pub recalled: Vec<Conflict>,
    /// The same of calls: how many.
    pub recalled_calls: usize,
    /// Objects that the named sources do not have, in order of name; none where all are asked for.
    pub beside: Vec<String>,
    /// What changes the period since it was last reported on.
    pub arrived: Option<Arrived>,
    /// The last commit that this rests on.
    pub commit: u64,
}

/// Counts an object by what it is worth, if it was read or tried.
fn judge(judged: &mut StoredIntegrity, row: &ObjectRow) {
    let of = match row.integrity {
        _ if !matches!(row.status, Status::Read | Status::Failed) => return,
        Some(Integrity::Verified) => &mut judged.verified,
        Some(Integrity::Unsigned) => &mut judged.unsigned,
        Some(Integrity::Failed) => &mut judged.failed,
        None => &mut judged.unknown,
    };
    *of += 1;
}

/// A file's bytes, and where they were. They are those that were written, or nothing is made of them: a number that was changed
/// on the disk would be as good as any other.
pub(super) fn read_file(store: &Place, state: &State, path: &str) -> Result<(PathBuf, Vec<u8>), StoreError> {
    let place = store.join(path);
    let entry = state.files.get(path).map(|(entry, _)| entry);
    let bytes = match store {
        Place::Folder(dir) => {
            match read_any(&log::open(dir)?, state, path, entry.map_or(0, |entry| entry.bytes.min(LARGEST))) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(wrong(&place, Wrong::Absent)),
                Err(error) if matches!(disk::refusal(&error), Some(disk::Refusal::TooLarge(_))) => {
                    return Err(wrong(&place, Wrong::Other));
                }
                Err(error) => return Err(io_error("read", &place)(error)),
            }
        }
        Place::Bucket(remote) => {
            let entry = entry.ok_or_else(|| wrong(&place, Wrong::Absent))?;
            return Ok((place.clone(), remote.whole(entry)?.map_err(|what| wrong(&place, what))?));
        }
    };
    let written = entry.is_some_and(|entry| count(bytes.len()) == entry.bytes && hex(&sha256(&bytes)) == entry.sha256);
    if written { Ok((place, bytes)) } else { Err(wrong(&place, Wrong::Other)) }
}

fn wrong(place: &Path, what: Wrong) -> StoreError {
    damaged(
        place,
        match what {
            Wrong::Absent => "the log lists it, but it is missing",
            Wrong::Other => "its content has changed since it was written",
        },
    )
}

/// A file's bytes, `limit` at most, wherever it is.
fn read_any(home: &Folder, state: &State, path: &str, limit: u64) -> io::Result<Vec<u8>> {
    let [place, staged] = state.locations(path);
    // A writer may move it between the first look and the second.
    for at in [&place, &staged] {
        match home.read(at, limit) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
    }
    home.read(&place, limit)
}

impl Store {
    /// Opens a store for reading; no lock is needed.
    ///
    /// # Errors
    /// When there is none, or its log cannot be read.
    pub fn open(place: impl Into<Place>) -> Result<Self, StoreError> {
        let place = place.into();
        let state = log::load(&place)?;
        Ok(Self { place, state })
    }

    pub(super) fn of(place: impl Into<Place>, state: State) -> Self {
        Self { place: place.into(), state }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// The last commit.
    #[must_use]
    pub fn commit(&self) -> u64 {
        self.state.commit
    }

    /// Files and bytes.
    #[must_use]
    pub fn size(&self) -> (usize, u64) {
        (self.state.files.len(), self.state.files.values().map(|(entry, _)| entry.bytes).sum())
    }

    /// Does something that reads many files. A writer that makes files one takes those away that the log listed before: then
    /// the log is read again, and all is done anew.
    ///
    /// # Errors
    /// With what `work` fails with, where no writer is the reason.
    pub fn consistently<T>(&mut self, work: impl Fn(&Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut result = work(self);
        for _attempt in 1..ATTEMPTS {
            if result.is_ok() {
                break;
            }
            let state = log::load(&self.place)?;
            if state.commit == self.state.commit {
                break;
            }
            self.state = state;
            result = work(self);
        }
        result
    }

    /// Reads the rows of a data set, file by file, of all months or of some; the last `leave` columns are left out.
    pub(super) fn rows<R: Row>(
        &self,
        months: Option<[(i32, u32); 2]>,
        leave: usize,
        each: &mut dyn FnMut(R) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let paths: Vec<&str> = self.paths_within(R::DATASET, months).collect();
        self.ahead(paths.iter().copied());
        paths.into_iter().try_for_each(|path| self.rows_of(path, leave, each))
    }

    /// Reads the rows of one file; the last `leave` columns are left out.
    pub(super) fn rows_of<R: Row>(
        &self,
        path: &str,
        leave: usize,
        each: &mut dyn FnMut(R) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let columns = R::DATASET.columns();
        let names: Vec<&str> =
            columns.iter().take(columns.len().saturating_sub(leave)).map(|column| column.name).collect();
        let (at, bytes) = match leave {
            0 => read_file(&self.place, &self.state, path)?,
            _ => match self.columns_of(path, &names)? {
                (_, bytes) if frame::is_earlier(&bytes) => read_file(&self.place, &self.state, path)?,
                some => some,
            },
        };
        let since = self.state.since(path);
        frame::each_row(&at, bytes, leave, &mut |mut row: R| {
            row.committed(since);
            each(row)
        })
    }

    /// The files of a data set, of all months or of some. What bears no date is in no month, and in every range.
    pub(super) fn paths_within(&self, dataset: Dataset, months: Option<[(i32, u32); 2]>) -> impl Iterator<Item = &str> {
        self.paths(dataset).filter(move |path| {
            let month = month_of_path(path).unwrap_or_default();
            months.is_none_or(|[from, to]| month == (0, 0) || (from..=to).contains(&month))
        })
    }

    /// Says which files are read next, in this order: those of a bucket are fetched before they are asked for.
    pub(super) fn ahead<'p>(&self, paths: impl Iterator<Item = &'p str>) {
        if let Place::Bucket(remote) = &self.place {
            remote.ahead(paths.filter_map(|path| self.state.files.get(path)).map(|(entry, _)| entry));
        }
    }

    /// A file's bytes, of which those of other columns may be missing, and where they were.
    fn columns_of(&self, path: &str, names: &[&str]) -> Result<(PathBuf, Vec<u8>), StoreError> {
        match (&self.place, self.state.files.get(path)) {
            (Place::Bucket(remote), Some((entry, _))) => {
                let place = self.place.join(path);
                let bytes = remote.columns(entry, names)?.map_err(|what| wrong(&place, what))?;
                Ok((place, bytes))
            }
            _ => read_file(&self.place, &self.state, path),
        }
    }

    /// The files of a data set.
    pub(super) fn paths(&self, dataset: Dataset) -> impl Iterator<Item = &str> {
        self.state.files.keys().map(String::as_str).filter(move |path| Dataset::of(path) == Some(dataset))
    }

    /// Some columns of a file.
    pub(super) fn pick(&self, path: &str, dataset: Dataset, names: &[&str]) -> Result<DataFrame, StoreError> {
        let (at, bytes) = self.columns_of(path, names)?;
        frame::pick(&at, bytes, dataset, names)
    }

    /// Some rows of a file, without the last `leave` columns.
    pub(super) fn some_rows<R: Row>(
        &self,
        path: &str,
        leave: usize,
        wanted: &[usize],
        each: &mut dyn FnMut(R),
    ) -> Result<(), StoreError> {
        let columns = R::DATASET.columns();
        let names: Vec<&str> =
            columns.iter().take(columns.len().saturating_sub(leave)).map(|column| column.name).collect();
        let (at, mut bytes) = self.columns_of(path, &names)?;
        let mut names = names;
        let is_earlier = frame::is_earlier(&bytes);
        if is_earlier {
            bytes = read_file(&self.place, &self.state, path)?.1;
            names = columns.iter().map(|column| column.name).collect();
        }
        let frame = frame::pick(&at, bytes, R::DATASET, &names)?;
        frame::some_rows(&at, &frame, is_earlier, wanted, each)
    }

    /// Every object, or those in the folders of some months. What several shards could not list comes once.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn objects(&self, months: Option<[(i32, u32); 2]>, each: &mut dyn FnMut(ObjectRow)) -> Result<(), StoreError> {
        let mut unlisted = HashSet::new();
        self.rows(months, 0, &mut |row: ObjectRow| {
            if !row.unlisted() || unlisted.insert(row.name.clone()) {
                each(row);
            }
            Ok(())
        })
    }

    /// What scans left out that did not come to their end, and shards that were never scanned, where `asked` is for it: as rows of
    /// what could not be listed, in order of name.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn unfinished(&self, asked: Option<&Selection>) -> Result<Vec<ObjectRow>, StoreError> {
        Ok(Scans::of(&self.runs()?).unfinished(asked))
    }

    /// Sources that a verification has not proven, where `asked` is for it: as rows of what could not be read.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn unproven(&self, asked: Option<&Selection>) -> Result<Vec<ObjectRow>, StoreError> {
        Ok(scans::unproven_rows(&self.runs()?, asked))
    }

    /// What is known of some objects, which are named by their ids or their names: the name, and the SHA-256 of the bytes as
    /// stored.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn cited(&self, wanted: &BTreeSet<String>) -> Result<BTreeMap<String, (String, Option<String>)>, StoreError> {
        let mut cited = BTreeMap::new();
        for path in self.paths(Dataset::Objects) {
            let frame = self.pick(path, Dataset::Objects, &["object_id", "object", "sha256", "status"])?;
            let column = |name| frame::text(&frame, name);
            let (ids, names, hashes, states) =
                (column("object_id")?, column("object")?, column("sha256")?, column("status")?);
            for row in 0..frame.height() {
                let current = states.get(row) != Some(Status::Replaced.name());
                let (Some(id), Some(name)) = (ids.get(row), names.get(row)) else { continue };
                // By its name, an object is what is there now.
                let keys = if current { &[id, name][..] } else { &[id] };
                for key in keys.iter().copied().filter(|key| wanted.contains(*key)) {
                    cited.insert(key.to_owned(), (name.to_owned(), hashes.get(row).map(str::to_owned)));
                }
            }
        }
        Ok(cited)
    }

    /// Every run, in order.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn runs(&self) -> Result<Vec<Run>, StoreError> {
        let mut runs = Vec::new();
        self.rows(None, 0, &mut |row: Run| {
            runs.push(row);
            Ok(())
        })?;
        runs.sort_by_key(|run| run.run);
        Ok(runs)
    }

    /// The latest IAM snapshot, or the latest that was taken at `until` or before: its file and its text.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn iam(&self, until: Option<DateTime<Utc>>) -> Result<Option<(PathBuf, String)>, StoreError> {
        // A path goes on with a hyphen, which is before a tilde.
        let last = until.map(|until| super::iam_path(until) + "~");
        let mut paths = self.state.files.keys().filter(|path| path.starts_with(super::IAM));
        paths.rfind(|path| last.as_ref().is_none_or(|last| *path <= last)).map(|path| self.snapshot(path)).transpose()
    }

    /// The IAM snapshot that was taken last of those after `from` up to `to`: its file and its text.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn iam_within(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Option<(PathBuf, String)>, StoreError> {
        let [from, to] = [from, to].map(|at| super::iam_path(at) + "~");
        let mut paths = self.state.files.keys().filter(|path| from < **path && **path <= to);
        paths.next_back().map(|path| self.snapshot(path)).transpose()
    }

    /// The first IAM snapshot that was taken at a moment or after it: its file and its text.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn iam_since(&self, from: DateTime<Utc>) -> Result<Option<(PathBuf, String)>, StoreError> {
        let from = super::iam_path(from);
        let first = self.state.files.keys().find(|path| path.starts_with(super::IAM) && **path >= from);
        first.map(|path| self.snapshot(path)).transpose()
    }

    fn snapshot(&self, path: &str) -> Result<(PathBuf, String), StoreError> {
        let (at, bytes) = read_file(&self.place, &self.state, path)?;
        let text = String::from_utf8(bytes).map_err(|error| damaged(&at, error))?;
        Ok((at, text))
    }

    /// The IAM snapshot that was taken last, at `moment` or before; where there is none, the first after it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn iam_near(&self, moment: DateTime<Utc>) -> Result<Option<(PathBuf, String)>, StoreError> {
        if let Some(found) = self.iam(Some(moment))? {
            return Ok(Some(found));
        }
        let first = self.state.files.keys().find(|path| path.starts_with(super::IAM));
        first.map(|path| self.snapshot(path)).transpose()
    }

    /// Gives what a scan of the archive would have given.
    ///
    /// # Errors
    /// When a file cannot be read, or a temporary one not be written.
    pub fn evidence(&self, asked: &EvidenceQuery) -> Result<StoredEvidence, StoreError> {
        let period = asked.period;
        let runs = self.runs()?;
        let scans = Scans::of(&runs);
        let earlier = runs.iter().rev().find(|run| {
            run.kind == RunKind::Report
                && (run.selection.from, run.selection.to) == (Some(period.from), Some(period.to))
                && (&run.selection.accounts, &run.selection.regions)
                    == (&asked.selection.accounts, &asked.selection.regions)
        });
        let mut sum = Sum::default();
        scans.unfinished(Some(&asked.selection)).into_iter().for_each(|row| sum.add(row, &scans));
        // What is missing in the look-back is no fault of the period.
        let of_period = Selection { from: Some(period.from), ..asked.selection.clone() };
        let disproved_at = scans::disproved(&runs, &of_period);
        let mut judged = StoredIntegrity { disproved: disproved_at.is_some(), ..StoredIntegrity::default() };
        let mut selected: HashMap<u128, Option<Integrity>> = HashMap::new();
        let (mut replaced, mut beside, mut former) = (Vec::new(), Vec::new(), HashSet::new());
        let mut new: HashMap<u128, String> = HashMap::new();
        let days = [asked.selection.first_day(), asked.selection.last_day()];
        let months = months(days.map(|day| day.map(|day| (day.year(), day.month()))));
        self.objects(Some(months), &mut |row| {
            if !asked.includes(&row) {
                return;
            }
            let id = id_of(&row.object_id);
            if row.status == Status::Replaced {
                former.insert(id);
                replaced.push(row.name);
                return;
            }
            selected.insert(id, row.integrity);
            judge(&mut judged, &row);
            if !asked.names(&row) {
                beside.push(row.name.clone());
            }
            let of_period = row.first_record.is_some_and(|first| first < period.to)
                && row.last_record.is_some_and(|last| last >= period.from);
            if of_period && earlier.is_some_and(|run| row.commit > run.commit) {
                new.insert(id, row.name.clone());
            }
            sum.add(row, &scans);
        })?;
        replaced.sort();
        beside.sort();
        // Beside what digests were asked about, what they were not asked about is not proven.
        let was_asked = judged.verified + judged.unsigned + judged.failed > 0;
        let judgment = |of: Option<Integrity>| of.or_else(|| was_asked.then_some(Integrity::Unsigned));
        selected.values_mut().for_each(|of| *of = judgment(*of));
        let overwritten = match former.is_empty() {
            true => Overwritten::default(),
            false => self.overwritten(true, &|id| selected.contains_key(&id))?,
        };
        let (mut recalled, mut recalled_calls) = (Vec::new(), 0);

        let range = &asked.range;
        let months = months_of(range);
        let mut evidence = Evidence::new(Arc::clone(range));
        let mut arrived = Vec::new();
        // Rows of calls by earlier versions lack what the events' records tell.
        let mut originals: HashMap<(String, String), String> = HashMap::new();
        self.rows(Some(months), 1, &mut |row: EventRow| {
            let mut event = row.event;
            let id = id_of(&row.object_id);
            let current = selected.get(&id).copied();
            let Some(integrity) =
                current.or_else(|| overwritten.integrity(id).filter(|_| former.contains(&id)).map(judgment))
            else {
                return Ok(());
            };
            if range.admits(event.time, Some(&event.account), Some(&event.region)) {
                event.lineage.verified = integrity == Some(Integrity::Verified);
                if current.is_none() {
                    let Some(conflict) = overwritten.recall(id, &mut event) else { return Ok(()) };
                    recalled.push(conflict);
                }
                if new.contains_key(&id) && period.contains(event.time) {
                    arrived.push((event.time, event.id.clone()));
                }
                if let (Some(integrity), Some(object)) = (integrity, event.objects.first()) {
                    let worst = evidence.integrity.entry(object.to_string()).or_insert(integrity);
                    *worst = (*worst).max(integrity);
                }
                if let Some(original) = &event.lineage.original {
                    originals.insert((event.account.to_string(), event.id.clone()), original.clone());
                }
                evidence.events.push(event).map_err(StoreError::Temporary)?;
            }
            Ok(())
        })?;
        self.rows(Some(months), 0, &mut |row: CallRow| {
            let CallRow { mut call, region, object_id } = row;
            let id = id_of(&object_id);
            let current = selected.get(&id).copied();
            if !originals.is_empty() && call.lineage.original.is_none() {
                let original = originals.get(&(call.account.to_string(), call.event_id.clone()));
                call.lineage.original = original.map(|original| original.as_str().into());
            }
            let recalled = || {
                let integrity = overwritten.integrity_of_call(id, &call, region.as_deref());
                integrity.filter(|_| former.contains(&id)).map(judgment)
            };
            if let Some(integrity) = current.or_else(recalled)
                && range.admits(call.time, Some(&call.account), region.as_deref())
            {
                // By its id, for the names of all objects would be many: see `Store::names`.
                recalled_calls += usize::from(current.is_none());
                let holder = Holder { object: &object_id, is_verified: integrity == Some(Integrity::Verified) };
                evidence.part_of(integrity).add_call(holder, &call).map_err(StoreError::Temporary)?;
            }
            Ok(())
        })?;
        // A sighting is folded from many calls, and has no ID: those of both versions count.
        let seen_in = |id: u128| {
            let former = || overwritten.integrity(id).filter(|_| former.contains(&id)).map(judgment);
            selected.get(&id).copied().or_else(former)
        };
        self.rows(Some(months), 0, &mut |row: SightingRow| {
            let Sighting { first, last, .. } = row.sighting;
            let first = range.from.map_or(first, |from| first.max(from));
            let last = range.until.map_or(last, |until| last.min(until));
            if first <= last
                && let Some(integrity) = seen_in(id_of(&row.object_id))
                && range.admits(first, row.account.as_deref(), row.region.as_deref())
            {
                let clipped = Sighting { first, last, ..row.sighting };
                evidence.part_of(integrity).add_sighting(&clipped).map_err(StoreError::Temporary)?;
            }
            Ok(())
        })?;
        arrived.sort();
        arrived.dedup();
        let arrived = earlier.filter(|_| !new.is_empty()).map(|run| {
            let mut objects: Vec<String> = new.into_values().collect();
            objects.sort();
            Arrived { reported_at: run.started_at, objects, events: arrived.into_iter().map(|(_, id)| id).collect() }
        });
        Ok(StoredEvidence {
            evidence,
            scanned: sum.finish(scans.reach()),
            judged,
            disproved_at,
            replaced,
            recalled,
            recalled_calls,
            beside,
            arrived,
            commit: self.state.commit,
        })
    }
}

fn months([from, to]: [Option<(i32, u32)>; 2]) -> [(i32, u32); 2] {
    [from.unwrap_or((i32::MIN, 0)), to.unwrap_or((i32::MAX, 0))]
}

pub(super) fn months_of(range: &Range) -> [(i32, u32); 2] {
    let month = |time: DateTime<Utc>| (time.year(), time.month());
    months([range.from.map(month), range.until.map(month)])
}

/// Objects' counts, summed up as a scan does.
#[derive(Debug, Default)]
struct Sum {
    scanned: Scanned,
    days: BTreeMap<(String, String, NaiveDate), (u64, u64)>,
    /// The latest delivery to objects that scans of single shards read.
    sharded: Option<DateTime<Utc>>,
}

impl Sum {
    fn add(&mut self, row: ObjectRow, scans: &Scans<'_>) {
        let coverage = &mut self.scanned.coverage;
        coverage.objects_listed += 1;
        let key = match row.status {
            Status::Read => {
                coverage.objects_read += 1;
                row.key()
            }
            Status::Failed => {
                coverage.objects_failed += 1;
                KeyInfo::parse(&row.name)
            }
            Status::Skipped | Status::Replaced => {
                coverage.objects_skipped += 1;
                return;
            }
        };
        if let (Some(account), Some(region), Some(day)) = (key.account, key.region, key.day) {
            let (objects, records) = self.days.entry((account, region, day)).or_default();
            *objects += u64::from(row.status == Status::Read);
            *records += row.records;
        }
        coverage.records += row.records;
        coverage.bytes_compressed += row.stored_bytes;
        coverage.bytes_raw += row.json_bytes;
        coverage.first_record = [coverage.first_record, row.first_record].into_iter().flatten().min();
        coverage.last_record = coverage.last_record.max(row.last_record);
        coverage.failures.extend(row.error.map(|error| ReadFailure { object: row.name, error }));
        self.scanned.records_passed_over += row.records_passed_over;
        self.scanned.records_unusable += row.records_unusable;
        let latest = if scans.is_sharded(row.run) { &mut self.sharded } else { &mut self.scanned.latest_delivery };
        *latest = row.latest_delivery.max(*latest);
        // Written by this program; what is not is found by a check.
        let accounts: BTreeMap<String, AccountSpan> = serde_json::from_str(&row.accounts).unwrap_or_default();
        for (account, span) in accounts {
            self.scanned.accounts.entry(account).or_default().merge(span);
        }
    }

    /// Shards are known together up to `reach` at most.
    fn finish(mut self, reach: Option<DateTime<Utc>>) -> Scanned {
        let sharded = self.sharded.map(|latest| reach.map_or(latest, |reach| latest.min(reach)));
        self.scanned.latest_delivery = self.scanned.latest_delivery.max(sharded);
        let day = |((account, region, day), (objects, records)): ((String, String, NaiveDate), (u64, u64))| {
            CoverageDay { account, region, day: day.format("%Y-%m-%d").to_string(), objects, records }
        };
        let Coverage { failures, days, .. } = &mut self.scanned.coverage;
        failures.sort();
        *days = self.days.into_iter().map(day).collect();
        self.scanned
    }
}
