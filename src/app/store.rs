//! An evidence store by itself: what it covers, whether it is sound, and reading once more what could not be read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::archive::check_places;
use super::scan::{LIMITS, holder, open, visit};
use super::watched::{self, Watch};
use super::{Archive, Error, Run, THIS, approved, store_error};
use crate::contract::{ReadFailure, Tool};
use crate::pipeline::Scanned;
use crate::source::{ObjectRef, Selection, Source};
use crate::store::{
    self, BatchSink, Checked, Flaw, Index, Merged, ObjectRow, Place, RunKind, Status, Store, StoreError,
};

/// What a store covers: `mfatrail store --format json`.
#[derive(Debug, Clone, Serialize)]
pub struct StoreCoverage {
    schema: &'static str,
    tool: Tool,
    store: String,
    /// Its files.
    pub files: usize,
    /// Their size.
    pub bytes: u64,
    /// Objects by what became of them.
    pub objects_read: u64,
    /// Objects that could not be read completely.
    pub objects_failed: u64,
    /// Objects that are not CloudTrail logs.
    pub objects_skipped: u64,
    /// Objects that were overwritten in the archive after being read.
    pub objects_replaced: u64,
    /// Records in the objects that were read.
    pub records: u64,
    /// Extracted events.
    pub events: u64,
    /// Scans that have not ended, and shards that were never scanned; each counts among the failed objects.
    pub unfinished: Vec<ReadFailure>,
    /// Commands that wrote to the store.
    pub runs: usize,
    /// When the last scan began; `None` where there was none.
    pub last_scan_at: Option<DateTime<Utc>>,
    /// By account and region.
    pub coverage: Vec<RegionCoverage>,
}

/// What a store has of one account's region; `None` where the objects' names do not tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegionCoverage {
    /// The account id.
    pub account: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The first day with an object.
    pub first_day: Option<NaiveDate>,
    /// The last day with an object.
    pub last_day: Option<NaiveDate>,
    /// Days between these two without any object.
    pub days_without_objects: u64,
    /// Objects that were read.
    pub objects_read: u64,
    /// Objects that could not be read completely.
    pub objects_failed: u64,
    /// Records in them.
    pub records: u64,
    /// Extracted events.
    pub events: u64,
    /// The objects' size as stored.
    pub bytes: u64,
}

/// Whether a store is sound: `mfatrail store check --format json`.
#[derive(Debug, Clone, Serialize)]
pub struct StoreCheck {
    schema: &'static str,
    tool: Tool,
    store: String,
    /// Whether nothing is wrong.
    pub sound: bool,
    /// Files that were checked.
    pub files: u64,
    /// Rows that were checked.
    pub rows: u64,
    /// What is wrong, one for each thing to restore.
    pub flaws: Vec<Flaw>,
}

/// What reading failed objects once more came to.
#[derive(Debug, Clone)]
pub struct RetryOutcome {
    /// Objects in the store that could not be read before.
    pub failed_before: u64,
    /// Of these, how many still cannot be read.
    pub still_failed: u64,
    /// Extracted events of those that were read.
    pub events: u64,
    /// What was read.
    pub scanned: Scanned,
}

/// The objects' rows of one account's region, or of the whole store, summed up.
#[derive(Default)]
struct Tally {
    days: BTreeSet<NaiveDate>,
    read: u64,
    failed: u64,
    skipped: u64,
    replaced: u64,
    records: u64,
    events: u64,
    bytes: u64,
}

impl Tally {
    fn add(&mut self, row: &ObjectRow) {
        match row.status {
            Status::Read => self.read += 1,
            Status::Failed => self.failed += 1,
            Status::Skipped => self.skipped += 1,
            Status::Replaced => self.replaced += 1,
        }
        if matches!(row.status, Status::Read | Status::Failed) {
            self.days.extend(row.day);
        }
        self.records += row.records;
        self.events += row.events;
        self.bytes += row.stored_bytes;
    }

    fn coverage(&self, (account, region): (Option<String>, Option<String>)) -> RegionCoverage {
        RegionCoverage {
            account,
            region,
            first_day: self.days.first().copied(),
            last_day: self.days.last().copied(),
            days_without_objects: self.days_without_objects(),
            objects_read: self.read,
            objects_failed: self.failed,
            records: self.records,
            events: self.events,
            bytes: self.bytes,
        }
    }

    fn days_without_objects(&self) -> u64 {
        match (self.days.first(), self.days.last()) {
            (Some(first), Some(last)) => {
                let all = last.signed_duration_since(*first).num_days() + 1;
                u64::try_from(all).unwrap_or_default().saturating_sub(self.days.len() as u64)
            }
            _ => 0,
        }
    }
}

/// By account and region.
type Regions = BTreeMap<(Option<String>, Option<String>), Tally>;

fn tally(store: &Store) -> Result<(Regions, Tally), StoreError> {
    let (mut regions, mut all) = (Regions::new(), Tally::default());
    store.objects(None, &mut |row| {
        all.add(&row);
        // Other products' files cover nothing.
        if row.status != Status::Skipped {
            regions.entry((row.account.clone(), row.region.clone())).or_default().add(&row);
        }
    })?;
    Ok((regions, all))
}

/// What a store covers.
///
/// # Errors
/// [`Error::Input`] where there is no such store; [`Error::Failed`] where it cannot be read.
pub fn coverage(place: impl Into<Place>) -> Result<StoreCoverage, Error> {
    let place = place.into();
    let mut store = Store::open(&place).map_err(store_error)?;
    let (regions, mut all) = store.consistently(tally).map_err(store_error)?;
    let unfinished = store.consistently(|store| Ok([store.unfinished(None)?, store.unproven(None)?].concat()));
    let unfinished = unfinished.map_err(store_error)?;
    unfinished.iter().for_each(|row| all.add(row));
    let failure = |row: ObjectRow| ReadFailure { object: row.name, error: row.error.unwrap_or_default() };
    let runs = store.consistently(|store| store.runs()).map_err(store_error)?;
    let (files, bytes) = store.size();
    Ok(StoreCoverage {
        schema: "mfatrail.store/1",
        tool: THIS,
        store: place.to_string(),
        files,
        bytes,
        objects_read: all.read,
        objects_failed: all.failed,
        objects_skipped: all.skipped,
        objects_replaced: all.replaced,
        records: all.records,
        events: all.events,
        unfinished: unfinished.into_iter().map(failure).collect(),
        runs: runs.iter().filter(|run| !run.kind.is_note()).count(),
        last_scan_at: runs.iter().rev().find(|run| run.kind == RunKind::Scan).map(|run| run.started_at),
        coverage: regions.into_iter().map(|(place, tally)| tally.coverage(place)).collect(),
    })
}

/// Checks every file of a store.
///
/// # Errors
/// As [`coverage`]. Damage is no error: it is in the result.
pub fn check(place: impl Into<Place>) -> Result<StoreCheck, Error> {
    let place = place.into();
    let mut store = Store::open(&place).map_err(store_error)?;
    let Checked { files, rows, flaws } = store.consistently(store::check).map_err(store_error)?;
    Ok(StoreCheck {
        schema: "mfatrail.store-check/1",
        tool: THIS,
        store: place.to_string(),
        sound: flaws.is_empty(),
        files,
        rows,
        flaws,
    })
}

/// Removes what writers left that were killed, and names it.
///
/// # Errors
/// [`Error::Input`] where there is no such store; [`Error::Failed`] where it cannot be written.
pub fn repair(place: &Place, run: Run<'_>) -> Result<Vec<String>, Error> {
    let repaired = store::repair(place, &holder("mfatrail store check --repair", run.now)).map_err(store_error)?;
    Ok(repaired.removed)
}

/// Takes over what the stores `from` hold into another, which is created if missing; gives what each brought.
///
/// # Errors
/// [`Error::Input`] where one of them is no store, or is the one that takes over; [`Error::Failed`] where one cannot be read or
/// written: then the ones before it are in the result.
pub fn merge(from: &[Place], into: &Place, run: Run<'_>) -> Result<Vec<Merged>, Error> {
    if let Some(same) = from.iter().find(|from| *from == into) {
        return Err(Error::Input(format!(
            "`{same}` is both a store to merge and the store to merge into\n  hint: name another store last"
        )));
    }
    // All of them are looked at before the first is taken over.
    let stores: Vec<Store> =
        from.iter().map(|place| Store::open(place).map_err(store_error)).collect::<Result<_, _>>()?;
    let mut writer = open(into, "mfatrail store merge", run.now)?;
    let merged: Vec<Merged> = stores
        .into_iter()
        .map(|from| store::merge(from, &mut writer).map_err(store_error))
        .collect::<Result<_, _>>()?;
    from.iter().try_for_each(|from| carry_approvals(from, into))?;
    carry_watches(from, into, run)?;
    Ok(merged)
}

/// What was approved by one store is approved by the other, too.
fn carry_approvals(from: &Place, into: &Place) -> Result<(), Error> {
    approved::of_store(from)?.map_or(Ok(()), |recorded| recorded.add_to(into))
}

/// What watches of the stores noticed is noticed by the other, unless that has a ledger, which is a watch's own.
fn carry_watches(from: &[Place], into: &Place, run: Run<'_>) -> Result<(), Error> {
    let watches: Vec<Watch> = from.iter().map(watched::read).collect::<Result<_, _>>()?;
    if watches.iter().all(Watch::is_empty) {
        return Ok(());
    }
    if watched::has_ledger(into)? {
        run.observer.note(&format!(
            "`{into}` has a watch of its own, whose ledger stays as it is: what watches of the other stores delivered does not count in its reports"
        ));
        return Ok(());
    }
    let all = watches.into_iter().fold(watched::read(into)?, Watch::with);
    watched::write(&all, &[], into)
}

/// Whether a location is one object. A store may come from a stranger: it sends nobody through a disk or a bucket, and has nobody
/// wait for a pipe.
fn is_object(source: &Source) -> bool {
    match source {
        Source::Stdin => false,
        Source::Local(path) => path.is_file(),
        Source::S3 { prefix, .. } => !prefix.is_empty() && !prefix.ends_with('/'),
        Source::Objects { .. } => true,
    }
}

/// Reads the objects once more that could not be read, where `selection` includes them; `archive` says how S3 is reached, and its
/// sources do not count.
///
/// # Errors
/// As [`coverage`], and [`Error::Stopped`]. An object that cannot be read now either is no error: the result counts it.
pub fn retry(
    place: impl Into<Place>,
    selection: Selection,
    archive: Archive,
    run: Run<'_>,
) -> Result<RetryOutcome, Error> {
    let place = place.into();
    // Asking for what failed in a store does not create one.
    Store::open(&place).map_err(store_error)?;
    let archive = Archive { sources: Vec::new(), ..archive };
    check_places(&archive, Some(&place), &selection)?;
    let writer = open(&place, "mfatrail store retry", run.now)?;
    let mut store = Store::open(&place).map_err(store_error)?;
    let read = store.consistently(|store| Ok((Index::read(store)?, failed_objects(store, &selection)?)));
    let (index, failed) = read.map_err(store_error)?;
    let index = Arc::new(index);
    let failed_before = failed.len() as u64;
    let (mut sources, mut names) = (Vec::new(), HashMap::new());
    for row in failed.into_iter().filter(|row| !row.unlisted()) {
        let source = Source::parse(row.location.as_ref()).map_err(Error::failed)?;
        // What is gone stays a failure.
        if is_object(&source) && source.check().is_ok() {
            sources.push(source);
            names.insert(row.location, row.name);
        }
    }
    let noted = store::Run { selection, ..store::Run::new(RunKind::Retry, writer.next(), run.now) };
    let archive = Archive { sources, ..archive };
    let locations: HashSet<String> = names.keys().cloned().collect();
    let known = |object: &ObjectRef| !locations.contains(&store::location(object));
    let sink = BatchSink::new(writer, index, LIMITS, noted, names).map_err(store_error)?;
    let (ingested, scanned, _) = visit(sink, &archive, &Selection::default(), &known, None, run)?;
    let settled = scanned.coverage.objects_read + scanned.coverage.objects_skipped;
    let still_failed = failed_before.saturating_sub(settled);
    Ok(RetryOutcome { failed_before, still_failed, events: ingested.events, scanned })
}

fn failed_objects(store: &Store, selection: &Selection) -> Result<Vec<ObjectRow>, StoreError> {
    let mut failed = Vec::new();
    let mut add = |row: ObjectRow| {
        if row.status == Status::Failed && selection.includes(&row.key()) {
            failed.push(row);
        }
    };
    store.objects(None, &mut add)?;
    Ok(failed)
}
