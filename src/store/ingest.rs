//! What a scan puts into the store: the evidence of each object as rows, committed whenever there is enough of it.
//!
//! The evidence is gathered by [`Evidence`], object by object and, within an object, by the account and region of the records,
//! for by these a report selects. Rows of one object are always in one commit, so an object is in the store whole or not at
//! all.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::frame::{self, Row};
use super::id::{half, id_of, location_key, text_of};
use super::index::{Index, Seen};
use super::notes::Run;
use super::read::{Store, read_file};
use super::rows::{CallRow, EventRow, ObjectRow, SightingRow, Status, location, object_id, stamp};
use super::schema::Dataset;
use super::tables::{Month, Tables, folder, month_of, month_of_path};
use super::write::Writer;
use super::{StoreError, count, hex};
use crate::cloudtrail::{Brief, Envelope, Record};
use crate::contract::Integrity;
use crate::digest::Checker;
use crate::evidence::{EVENTS, Evidence, Range, brief};
use crate::inflate::InflateError;
use crate::mfa::is_extracted;
use crate::pipeline::{Bytes, Next, Outcome, Visitor};
use crate::source::{KeyInfo, ObjectRef};

/// More files than this in one folder are made one.
const MANY: usize = 16;
/// Groups whose evidence is used again: an object is nearly always of one account and region.
const SPARE: usize = 4;

/// Of one object the records of so many accounts and regions are kept.
const GROUPS: usize = if cfg!(test) { 16 } else { 10_000 };
/// Files of so many bytes are left as they are. Those that are made one have twice as many together: decoded that is ten times
/// as much.
const SMALL: u64 = 512 << 10;

/// When a commit is made: whichever comes first.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// So many objects.
    pub objects: usize,
    /// So many bytes of rows, roughly.
    pub bytes: usize,
}

/// What a scan put into the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestSummary {
    /// Commits.
    pub commits: u64,
    /// Objects, of whatever status.
    pub objects: u64,
    /// Rows of extracted events.
    pub events: u64,
    /// Objects whose content was overwritten in the archive since they were read.
    pub replaced: u64,
}

/// Rows of objects that are in no commit yet.
#[derive(Debug, Default)]
struct Pending {
    objects: Vec<ObjectRow>,
    events: Vec<EventRow>,
    calls: Vec<CallRow>,
    sightings: Vec<SightingRow>,
    bytes: usize,
    /// What this run has met, by location: sources may overlap.
    met: HashSet<u128>,
}

/// Takes the rows of all workers.
#[derive(Debug)]
pub struct BatchSink {
    pending: Mutex<Pending>,
    behind: Mutex<Committer>,
    index: Arc<Index>,
    failed: AtomicBool,
    limits: Limits,
    run: Run,
    /// Names that objects had before, by location: one that is read again keeps its own.
    names: HashMap<String, String>,
}

/// What makes the commits.
#[derive(Debug)]
struct Committer {
    writer: Writer,
    kept: IngestSummary,
    error: Option<StoreError>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BatchSink {
    /// Notes the run, and is then ready for its rows; `index` is what the store had before.
    ///
    /// # Errors
    /// When the run cannot be noted.
    pub fn new(
        mut writer: Writer,
        index: Arc<Index>,
        limits: Limits,
        run: Run,
        names: HashMap<String, String>,
    ) -> Result<Self, StoreError> {
        record(&mut writer, run.clone())?;
        Ok(Self {
            pending: Mutex::default(),
            behind: Mutex::new(Committer { writer, kept: IngestSummary::default(), error: None }),
            index,
            failed: AtomicBool::new(false),
            limits,
            run,
            names,
        })
    }

    /// Keeps an object that is skipped by intent, once.
    pub fn skipped(&self, object: &ObjectRef) {
        if self.index.seen(object).is_none() {
            let row = self.row(object, Status::Skipped);
            self.add(row, Vec::new(), Vec::new(), Vec::new());
        }
    }

    fn row(&self, object: &ObjectRef, status: Status) -> ObjectRow {
        let (location, etag) = (location(object), stamp(object));
        let name = self.names.get(&location).unwrap_or(&object.name).clone();
        let delivered_at = object.delivered_at();
        ObjectRow {
            object_id: text_of(object_id(&location, etag.as_deref(), object.size)),
            name,
            location,
            etag,
            size: object.size,
            account: object.key.account.clone(),
            region: object.key.region.clone(),
            day: object.key.day,
            delivered_at,
            ..self.empty(status)
        }
    }

    fn empty(&self, status: Status) -> ObjectRow {
        ObjectRow {
            object_id: String::new(),
            status,
            name: String::new(),
            location: String::new(),
            etag: None,
            size: 0,
            sha256: None,
            account: None,
            region: None,
            day: None,
            delivered_at: None,
            error: None,
            records: 0,
            records_unusable: 0,
            records_passed_over: 0,
            stored_bytes: 0,
            json_bytes: 0,
            first_record: None,
            last_record: None,
            latest_delivery: None,
            accounts: "{}".to_owned(),
            events: 0,
            calls: 0,
            sightings: 0,
            integrity: None,
            digest: None,
            run: self.run.run,
            commit: 0,
            read_at: Some(self.run.started_at),
        }
    }

    fn add(&self, mut object: ObjectRow, events: Vec<EventRow>, calls: Vec<CallRow>, sightings: Vec<SightingRow>) {
        object.events = count(events.len());
        object.calls = count(calls.len());
        object.sightings = count(sightings.len());
        let records: usize = events.iter().filter_map(|row| row.record.as_ref()).map(String::len).sum();
        let batch = {
            let mut pending = lock(&self.pending);
            if !pending.met.insert(location_key(&object.location)) {
                return;
            }
            // A row is some hundred bytes beside the record.
            pending.bytes += records + 400 * (1 + events.len() + calls.len()) + 200 * sightings.len();
            pending.objects.push(object);
            pending.events.extend(events);
            pending.calls.extend(calls);
            pending.sightings.extend(sightings);
            let enough = pending.objects.len() >= self.limits.objects || pending.bytes >= self.limits.bytes;
            enough.then(|| pending.take())
        };
        if let Some(batch) = batch {
            self.commit(batch);
        }
    }

    fn commit(&self, batch: Pending) {
        let mut behind = lock(&self.behind);
        if behind.error.is_some() {
            return;
        }
        if let Err(error) = behind.commit(&self.index, batch) {
            behind.error = Some(error);
            self.failed.store(true, Ordering::Relaxed);
        }
    }

    fn fail(&self, error: StoreError) {
        let mut behind = lock(&self.behind);
        behind.error.get_or_insert(error);
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Commits the rest, and where the scan came to its end, makes many small files one; gives the writer back.
    ///
    /// # Errors
    /// With the first failure, after which nothing was kept any more.
    pub fn finish(self, whole: bool) -> Result<(IngestSummary, Writer), StoreError> {
        let mut pending = self.pending.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut behind = self.behind.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = behind.error {
            return Err(error);
        }
        let rest = pending.take();
        if !rest.objects.is_empty() {
            behind.commit(&self.index, rest)?;
        }
        // What was not listed to its end does not tell what is gone, and whoever stopped it does not want to wait.
        if whole {
            behind.resolve_unlisted(&self.index, &self.run, &pending.met)?;
            compact(&mut behind.writer, MANY)?;
        }
        Ok((behind.kept, behind.writer))
    }
}

impl Pending {
    /// All rows; what was met stays.
    fn take(&mut self) -> Self {
        let met = std::mem::take(&mut self.met);
        std::mem::replace(self, Self { met, ..Self::default() })
    }

    /// Gives the rows of some objects to the objects' new ids.
    fn rename(&mut self, ids: &HashMap<String, String>) {
        for row in &mut self.events {
            if let Some(id) = ids.get(&row.object_id) {
                row.object_id.clone_from(id);
            }
        }
        let calls = self.calls.iter_mut().map(|row| &mut row.object_id);
        for object in calls.chain(self.sightings.iter_mut().map(|row| &mut row.object_id)) {
            if let Some(id) = ids.get(&**object) {
                *object = id.as_str().into();
            }
        }
    }
}

/// Notes a run.
///
/// # Errors
/// When the store cannot be written.
pub fn record(writer: &mut Writer, run: Run) -> Result<(), StoreError> {
    let mut files = Files::default();
    files.tables.add(None, &run);
    files.commit(writer)
}

/// What a commit adds and removes.
#[derive(Debug, Default)]
struct Files {
    tables: Tables,
    remove: BTreeSet<String>,
}

impl Files {
    fn commit(self, writer: &mut Writer) -> Result<(), StoreError> {
        let add = self.tables.files(writer.next())?;
        writer.commit(add, self.remove.into_iter().collect())
    }

    /// Retires a file and takes over its rows, as `change` leaves them. A file without any row that is `affected` is left as
    /// it is.
    fn rewrite<R: Row>(
        &mut self,
        writer: &Writer,
        path: &str,
        affected: &dyn Fn(&R) -> bool,
        change: &dyn Fn(R) -> Option<R>,
    ) -> Result<(), StoreError> {
        let (at, bytes) = read_file(writer.dir(), writer.state(), path)?;
        let rows = frame::rows::<R>(&at, bytes, 0)?;
        if rows.iter().any(affected) {
            self.remove.insert(path.to_owned());
            let month = month_of_path(path);
            for row in rows {
                if let Some(row) = if affected(&row) { change(row) } else { Some(row) } {
                    self.tables.add(month, &row);
                }
            }
        }
        Ok(())
    }

    /// Retires a file and takes over all of its rows.
    fn take_over<R: Row>(&mut self, writer: &Writer, path: &str) -> Result<(), StoreError> {
        let (at, bytes) = read_file(writer.dir(), writer.state(), path)?;
        self.remove.insert(path.to_owned());
        let month = month_of_path(path);
        frame::each_row(&at, bytes, 0, &mut |row: R| {
            self.tables.add(month, &row);
            Ok(())
        })
    }

    /// Drops the rows of some objects from every file of a data set.
    fn drop_rows<R: Row>(
        &mut self,
        writer: &Writer,
        object: fn(&R) -> &str,
        dropped: &HashSet<u128>,
    ) -> Result<(), StoreError> {
        let paths = writer.state().files.keys().filter(|path| Dataset::of(path) == Some(R::DATASET));
        for path in paths {
            self.rewrite(writer, path, &|row: &R| dropped.contains(&id_of(object(row))), &|_gone| None)?;
        }
        Ok(())
    }
}

/// What becomes of the earlier rows of objects that were read again.
#[derive(Debug, Default)]
struct Supersession {
    /// Rows of `objects` to drop: a newer one takes their place.
    superseded: HashSet<u128>,
    /// Objects whose content was overwritten: their rows stay, marked.
    replaced: HashSet<u128>,
    /// Objects of which all rows go, for the whole object comes again.
    dropped: HashSet<u128>,
    /// Objects with the same bytes under a new entity tag: what came again is left out, by its new id.
    same: HashSet<String>,
    /// Folders of the rows of all these.
    partitions: BTreeSet<(i32, u32)>,
}

impl Supersession {
    fn of(index: &Index, batch: &mut Pending) -> Self {
        let mut again = Self::default();
        let mut renamed = HashMap::new();
        batch.objects.retain_mut(|object| {
            let old = index.get(&object.location);
            if old.is_some_and(|old| old.is_better_than(object)) {
                return false;
            }
            let apart = name_apart(index, old, object);
            let own = std::mem::replace(&mut object.object_id, apart);
            if let Some(old) = old {
                again.add(old, object, &own);
            }
            // A content that was overwritten has come back, and all of its rows with it.
            let id = id_of(&object.object_id);
            if let Some(replaced) = index.replaced(id) {
                again.superseded.insert(id);
                again.dropped.insert(id);
                again.partitions.insert(replaced.partition);
            }
            if own != object.object_id && !again.same.contains(&own) {
                renamed.insert(own, object.object_id.clone());
            }
            true
        });
        if !renamed.is_empty() {
            batch.rename(&renamed);
        }
        again
    }

    fn add(&mut self, old: &Seen, object: &mut ObjectRow, own: &str) {
        self.partitions.insert(old.partition);
        let same_bytes = old.digest.is_some() && old.digest == half(object.sha256.as_deref());
        if old.status == Status::Read && same_bytes && object.status == Status::Read {
            self.same.insert(own.to_owned());
            object.object_id = text_of(old.object);
            self.superseded.insert(old.object);
        } else if old.status == Status::Read {
            self.replaced.insert(old.object);
        } else {
            self.superseded.insert(old.object);
            if old.has_rows {
                self.dropped.insert(old.object);
            }
        }
    }
}

/// The id of an object. Where tag and size are those of other bytes, whose rows stay, it is made of the bytes, too.
fn name_apart(index: &Index, old: Option<&Seen>, object: &ObjectRow) -> String {
    let id = id_of(&object.object_id);
    let digest = half(object.sha256.as_deref());
    let current = old.filter(|old| old.object == id && old.status == Status::Read).map(|old| old.digest);
    let taken = current.or_else(|| index.replaced(id).map(|replaced| replaced.digest));
    if taken.is_none_or(|taken| taken == digest) {
        return object.object_id.clone();
    }
    let tag = [object.etag.as_deref(), object.sha256.as_deref()].map(Option::unwrap_or_default).join(" ");
    text_of(object_id(&object.location, Some(&tag), object.size))
}

impl Committer {
    fn commit(&mut self, index: &Index, mut batch: Pending) -> Result<(), StoreError> {
        let again = Supersession::of(index, &mut batch);
        let (mut files, writer) = (Files::default(), &self.writer);
        if !again.dropped.is_empty() {
            files.drop_rows(writer, |row: &EventRow| &row.object_id, &again.dropped)?;
            files.drop_rows(writer, |row: &CallRow| &row.object_id, &again.dropped)?;
            files.drop_rows(writer, |row: &SightingRow| &row.object_id, &again.dropped)?;
        }
        // Bytes that were here before did not arrive now; and what was proven of them holds.
        let before: RefCell<HashMap<u128, ObjectRow>> = RefCell::default();
        for month in &again.partitions {
            let folder = folder(Dataset::Objects, Some(*month));
            for path in writer.state().files.keys().filter(|path| path.starts_with(&folder)) {
                let affected = |row: &ObjectRow| {
                    let id = id_of(&row.object_id);
                    again.superseded.contains(&id) || again.replaced.contains(&id)
                };
                files.rewrite(writer, path, &affected, &|row| {
                    let replaced = again.replaced.contains(&id_of(&row.object_id));
                    if !replaced && row.status == Status::Read {
                        before.borrow_mut().insert(id_of(&row.object_id), row);
                        return None;
                    }
                    replaced.then_some(ObjectRow { status: Status::Replaced, ..row })
                })?;
            }
        }
        let number = writer.next();
        let mut kept = self.kept;
        kept.commits += 1;
        kept.replaced += count(again.replaced.len());
        kept.objects += count(batch.objects.len());
        for object in batch.objects {
            let row = match before.borrow_mut().remove(&id_of(&object.object_id)) {
                Some(old) if object.integrity.is_none() => {
                    ObjectRow { commit: old.commit, integrity: old.integrity, digest: old.digest, ..object }
                }
                Some(old) => ObjectRow { commit: old.commit, ..object },
                None => ObjectRow { commit: number, ..object },
            };
            files.tables.add(Some(row.partition()), &row);
        }
        for row in batch.events.into_iter().filter(|row| !again.same.contains(&row.object_id)) {
            kept.events += 1;
            files.tables.add(month_of(row.event.time), &row);
        }
        for row in batch.calls.into_iter().filter(|row| !again.same.contains(&*row.object_id)) {
            files.tables.add(month_of(row.call.time), &row);
        }
        for row in batch.sightings.into_iter().filter(|row| !again.same.contains(&*row.object_id)) {
            files.tables.add(month_of(row.sighting.first), &row);
        }
        files.commit(&mut self.writer)?;
        self.kept = kept;
        Ok(())
    }

    /// What an earlier run of the same sources could not list, and this one could, is no failure any more.
    fn resolve_unlisted(&mut self, index: &Index, run: &Run, met: &HashSet<u128>) -> Result<(), StoreError> {
        if index.unlisted.is_empty() {
            return Ok(());
        }
        let store = Store::of(self.writer.dir(), self.writer.state().clone());
        let covered: HashSet<u64> = store.runs()?.iter().filter(|old| run.covers(old)).map(|old| old.run).collect();
        let listed = |row: &&ObjectRow| covered.contains(&row.run) && !met.contains(&location_key(&row.location));
        let resolved: HashSet<u128> = index.unlisted.iter().filter(listed).map(|row| id_of(&row.object_id)).collect();
        let mut files = Files::default();
        files.drop_rows(&self.writer, |row: &ObjectRow| &row.object_id, &resolved)?;
        files.commit(&mut self.writer)
    }
}

/// Makes the small files of every folder that has more than `many` one: a year of daily scans would leave thousands.
fn compact(writer: &mut Writer, many: usize) -> Result<(), StoreError> {
    let mut folders: BTreeMap<(Dataset, Month), Vec<(String, u64)>> = BTreeMap::new();
    for (path, (entry, _)) in &writer.state().files {
        if let Some(dataset) = Dataset::of(path).filter(|_| entry.bytes < SMALL) {
            folders.entry((dataset, month_of_path(path))).or_default().push((path.clone(), entry.bytes));
        }
    }
    for ((dataset, _), paths) in folders.into_iter().filter(|(_, paths)| paths.len() > many) {
        let (mut files, mut bytes) = (Files::default(), 0);
        for (path, more) in paths {
            if bytes > 0 && bytes + more > 2 * SMALL {
                std::mem::take(&mut files).commit(writer)?;
                bytes = 0;
            }
            match dataset {
                Dataset::Events => files.take_over::<EventRow>(writer, &path)?,
                Dataset::Calls => files.take_over::<CallRow>(writer, &path)?,
                Dataset::Sightings => files.take_over::<SightingRow>(writer, &path)?,
                Dataset::Objects => files.take_over::<ObjectRow>(writer, &path)?,
                Dataset::Runs => files.take_over::<Run>(writer, &path)?,
            }
            bytes += more;
        }
        files.commit(writer)?;
    }
    Ok(())
}

/// The visitor of a scan into a store.
#[derive(Debug)]
pub struct StoreVisitor<'s> {
    sink: &'s BatchSink,
    all: Arc<Range>,
    groups: Vec<Group>,
    /// Which of them an account and a region have, and which was asked for last.
    places: HashMap<Place, usize>,
    last: usize,
    /// Records of the object at hand that were extracted, and those that were left out.
    extracted: usize,
    left_out: usize,
    /// Of groups that were kept: what is known of the texts and callers of one object serves for the next.
    spare: Vec<Evidence>,
    /// Compares every log with what the digests name, where that was asked for.
    checker: Option<Checker>,
    /// What it said of the object at hand, and which digest proves it.
    judged: Option<(Integrity, Option<String>)>,
    /// Whether that object matters to it only if it gives a record of the range.
    aside: bool,
}

/// An account and a region.
type Place = (Option<String>, Option<String>);

/// The records of one account and region in the object at hand.
#[derive(Debug)]
struct Group {
    account: Option<Arc<str>>,
    region: Option<Arc<str>>,
    evidence: Evidence,
    /// The extracted records themselves, each with its number in the object.
    records: Vec<(u64, String)>,
}

impl<'s> StoreVisitor<'s> {
    /// Keeps everything of every object that is read.
    #[must_use]
    pub fn new(sink: &'s BatchSink) -> Self {
        Self {
            sink,
            all: Arc::default(),
            groups: Vec::new(),
            places: HashMap::new(),
            last: 0,
            extracted: 0,
            left_out: 0,
            spare: Vec::new(),
            checker: None,
            judged: None,
            aside: false,
        }
    }

    /// The same, and every log is compared with what the digests name: the very bytes that are parsed.
    #[must_use]
    pub fn checked(self, checker: Option<Checker>) -> Self {
        Self { checker, ..self }
    }

    /// What the comparison found.
    #[must_use]
    pub fn into_checker(self) -> Option<Checker> {
        self.checker
    }

    /// Notes that an object gave a record, where that is still to be known.
    fn gave(&mut self, object: &ObjectRef, seconds: i64) {
        self.aside &= !self.checker.as_mut().is_none_or(|checker| checker.gave(object, seconds));
    }

    /// The group of an account and a region; `None` where there are as many as are kept of one object.
    fn group(&mut self, account: Option<&str>, region: Option<&str>) -> Option<&mut Group> {
        let same = |group: &Group| group.account.as_deref() == account && group.region.as_deref() == region;
        if !self.groups.get(self.last).is_some_and(same) {
            let place = (account.map(str::to_owned), region.map(str::to_owned));
            self.last = match self.places.get(&place) {
                Some(known) => *known,
                None if self.groups.len() == GROUPS => {
                    self.left_out += 1;
                    return None;
                }
                None => {
                    self.places.insert(place, self.groups.len());
                    self.groups.push(Group {
                        account: account.map(Arc::from),
                        region: region.map(Arc::from),
                        evidence: self.spare.pop().unwrap_or_else(|| Evidence::new(Arc::clone(&self.all))),
                        records: Vec::new(),
                    });
                    self.groups.len() - 1
                }
            };
        }
        self.groups.get_mut(self.last)
    }
}

impl Visitor for StoreVisitor<'_> {
    const OUTCOMES: bool = true;

    const ENVELOPES: bool = true;

    fn brief(&self, envelope: &Envelope<'_>) -> Option<Brief> {
        brief(envelope)
    }

    fn envelope(&mut self, object: &Arc<ObjectRef>, envelope: &Envelope<'_>, brief: Brief) {
        if self.aside {
            self.gave(object, envelope.seconds());
        }
        let text = |bytes| std::str::from_utf8(bytes).ok().filter(|text: &&str| !text.is_empty());
        if let Some(group) = self.group(text(envelope.account()), text(envelope.region())) {
            group.evidence.envelope(object, envelope, brief);
        }
    }

    fn bytes(&mut self, object: &Arc<ObjectRef>, bytes: &Bytes<'_>) -> Next {
        self.judged = self.checker.as_mut().map(|checker| {
            let integrity = checker.judge(object, &bytes.inflated);
            let digest = (integrity == Integrity::Verified).then(|| checker.proven_by(&object.name)).flatten();
            (integrity, digest)
        });
        self.aside = self.checker.as_ref().is_some_and(Checker::is_aside);
        Next::Visit
    }

    fn damaged(&mut self, object: &Arc<ObjectRef>, error: &InflateError) {
        if let Some(checker) = &mut self.checker {
            checker.broken(object, error);
            self.judged = Some((Integrity::Failed, None));
        }
    }

    fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
        if self.aside {
            self.gave(object, record.time.timestamp());
        }
        let number = self.extracted;
        if number == EVENTS && is_extracted(record.source.as_bytes(), record.name.as_bytes()) {
            self.left_out += 1;
            return;
        }
        let Some(group) = self.group(record.account(), record.text(&["awsRegion"])) else { return };
        group.evidence.record(object, record);
        if group.evidence.events.count() > group.records.len() {
            let text = record.raw().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
            group.records.push((count(number), text));
            self.extracted += 1;
        }
    }

    fn surplus(&mut self) -> usize {
        std::mem::take(&mut self.left_out)
    }

    fn outcome(&mut self, outcome: Outcome<'_>) {
        let sink = self.sink;
        let coverage = outcome.scanned.coverage;
        let status = match (coverage.objects_read, coverage.objects_failed) {
            (1, _) => Status::Read,
            (_, 1) => Status::Failed,
            _ => Status::Skipped,
        };
        let failure = coverage.failures.into_iter().next();
        let mut row = match outcome.object {
            Some(object) => sink.row(object, status),
            None => {
                let name = failure.as_ref().map(|failure| failure.object.clone()).unwrap_or_default();
                // As a report tells of it, which has nothing but the name.
                let key = KeyInfo::parse(&name);
                ObjectRow {
                    object_id: text_of(object_id(&name, None, 0)),
                    location: name.clone(),
                    name,
                    account: key.account,
                    region: key.region,
                    day: key.day,
                    ..sink.empty(status)
                }
            }
        };
        if let Some((integrity, digest)) = self.judged.take() {
            (row.integrity, row.digest) = (Some(integrity), digest);
        }
        row.sha256 = outcome.sha256.map(|digest| hex(&digest));
        row.error = failure.map(|failure| failure.error);
        row.records = coverage.records;
        row.records_unusable = outcome.scanned.records_unusable;
        row.records_passed_over = outcome.scanned.records_passed_over;
        row.stored_bytes = coverage.bytes_compressed;
        row.json_bytes = coverage.bytes_raw;
        row.first_record = coverage.first_record;
        row.last_record = coverage.last_record;
        row.latest_delivery = outcome.scanned.latest_delivery;
        match serde_json::to_string(&outcome.scanned.accounts) {
            Ok(accounts) => row.accounts = accounts,
            Err(error) => return sink.fail(StoreError::Temporary(error.into())),
        }
        let (mut events, mut calls, mut sightings) = (Vec::new(), Vec::new(), Vec::new());
        let object_id: Arc<str> = row.object_id.as_str().into();
        (self.last, self.extracted, self.left_out) = (0, 0, 0);
        self.places.clear();
        for mut group in self.groups.drain(..) {
            let (kept, called, sighted) = match group.evidence.take() {
                Ok(rows) => rows,
                Err(error) => return sink.fail(StoreError::Temporary(error)),
            };
            for (mut event, (number, record)) in kept.into_iter().zip(group.records) {
                event.objects = BTreeSet::from([row.name.clone()]);
                events.push(EventRow {
                    event,
                    object_id: row.object_id.clone(),
                    etag: row.etag.clone(),
                    size: row.size,
                    sha256: row.sha256.clone(),
                    number,
                    record: Some(record),
                });
            }
            let Group { account, region, evidence, .. } = group;
            calls.extend(called.into_iter().map(|call| CallRow {
                call,
                region: region.clone(),
                object_id: object_id.clone(),
            }));
            sightings.extend(sighted.into_iter().map(|sighting| SightingRow {
                sighting,
                account: account.clone(),
                region: region.clone(),
                object_id: object_id.clone(),
            }));
            if self.spare.len() < SPARE {
                self.spare.push(evidence);
            }
        }
        sink.add(row, events, calls, sightings);
    }

    fn merge(&mut self, other: Self) {
        // Everything else is in the sink.
        if let (Some(checker), Some(other)) = (&mut self.checker, other.checker) {
            checker.merge(other);
        }
    }

    fn gave_up(&self) -> bool {
        self.sink.failed.load(Ordering::Relaxed)
    }
}
