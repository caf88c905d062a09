//! What a scan puts into the store: the rows of all workers, committed whenever there is enough of them.
//!
//! Rows of one object are always in one commit, so an object is in the store whole or not at all.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::commit::{ATTEMPTS, Files, PAUSE, Pending, record};
use super::compact::{MANY, compact};
use super::id::{id_of, location_key, text_of};
use super::index::Index;
use super::notes::{Run, RunKind};
use super::read::Store;
use super::rows::{CallRow, EventRow, ObjectRow, SightingRow, Status, location, object_id, stamp};
use super::scans::covers;
use super::schema::Dataset;
use super::supersession::Supersession;
use super::tables::{folder, month_of};
use super::write::Writer;
use super::{StoreError, count};
use crate::source::{ObjectRef, Shard};

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
    /// What the store had before, and what others committed since.
    index: Arc<Index>,
    kept: IngestSummary,
    error: Option<StoreError>,
    /// The rows of objects that were committed, for whoever goes on with the same store.
    news: Option<Vec<ObjectRow>>,
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
        let run = record(&mut writer, run)?;
        Ok(Self { names, ..Self::resume(writer, index, limits, run, None) })
    }

    /// Goes on with a run that was noted before; where `news` is given, it gets the rows of the objects that are committed.
    pub(super) fn resume(
        writer: Writer,
        index: Arc<Index>,
        limits: Limits,
        run: Run,
        news: Option<Vec<ObjectRow>>,
    ) -> Self {
        Self {
            pending: Mutex::default(),
            behind: Mutex::new(Committer {
                writer,
                index: Arc::clone(&index),
                kept: IngestSummary::default(),
                error: None,
                news,
            }),
            index,
            failed: AtomicBool::new(false),
            limits,
            run,
            names: HashMap::new(),
        }
    }

    /// Keeps an object that is deliberately skipped, once.
    pub fn skipped(&self, object: &ObjectRef) {
        if self.index.seen(object).is_none() {
            let row = self.row(object, Status::Skipped);
            self.add(row, Vec::new(), Vec::new(), Vec::new());
        }
    }

    pub(super) fn row(&self, object: &ObjectRef, status: Status) -> ObjectRow {
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

    pub(super) fn empty(&self, status: Status) -> ObjectRow {
        ObjectRow { run: self.run.run, read_at: Some(self.run.started_at), ..ObjectRow::empty(status) }
    }

    /// Which shard of the sources is read.
    pub(super) fn shard(&self) -> Option<Shard> {
        self.run.shard
    }

    pub(super) fn add(
        &self,
        mut object: ObjectRow,
        events: Vec<EventRow>,
        calls: Vec<CallRow>,
        sightings: Vec<SightingRow>,
    ) {
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
        if let Err(error) = behind.commit(batch) {
            behind.error = Some(error);
            self.failed.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn fail(&self, error: StoreError) {
        let mut behind = lock(&self.behind);
        behind.error.get_or_insert(error);
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Whether a commit failed: then nothing is kept any more.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Commits the rest, and where the scan came to its end, makes many small files one; gives the writer back.
    ///
    /// # Errors
    /// With the first failure, after which nothing was kept any more.
    pub fn finish(self, whole: bool) -> Result<(IngestSummary, Writer), StoreError> {
        let Committer { writer, kept, .. } = self.ended(whole)?;
        Ok((kept, writer))
    }

    /// The same, with the rows of the objects that were committed; many small files become one.
    pub(super) fn finish_with_news(self) -> Result<(IngestSummary, Writer, Arc<Index>, Vec<ObjectRow>), StoreError> {
        let Committer { mut writer, index, kept, news, .. } = self.ended(false)?;
        compact(&mut writer, MANY)?;
        Ok((kept, writer, index, news.unwrap_or_default()))
    }

    fn ended(self, whole: bool) -> Result<Committer, StoreError> {
        let mut pending = self.pending.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut behind = self.behind.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = behind.error.take() {
            return Err(error);
        }
        let rest = pending.take();
        if !rest.objects.is_empty() {
            behind.commit(rest)?;
        }
        // What was not listed to its end does not tell what is gone, and whoever stopped it does not want to wait.
        if whole {
            behind.end(&self.run, &pending.met)?;
            compact(&mut behind.writer, MANY)?;
        }
        Ok(behind)
    }
}

impl Committer {
    fn commit(&mut self, batch: Pending) -> Result<(), StoreError> {
        if !self.writer.is_shared() {
            return self.commit_once(batch);
        }
        self.follow()?;
        self.anew(|committer| committer.commit_once(batch.clone()))
    }

    /// Does something, and again as long as others wrote what it rested on.
    fn anew(&mut self, work: impl Fn(&mut Self) -> Result<(), StoreError>) -> Result<(), StoreError> {
        for attempt in 1..ATTEMPTS {
            match work(self) {
                Ok(()) => return Ok(()),
                Err(StoreError::Raced(_)) => {}
                // What others retired meanwhile cannot be read.
                Err(error) => {
                    if !self.writer.refresh()? {
                        return Err(error);
                    }
                }
            }
            // Others come to their end meanwhile.
            std::thread::sleep(PAUSE * attempt);
            self.follow()?;
        }
        work(self)
    }

    /// Takes in which objects others committed.
    fn follow(&mut self) -> Result<(), StoreError> {
        self.writer.refresh()?;
        loop {
            let foreign = self.writer.take_foreign();
            if foreign.is_empty() {
                return Ok(());
            }
            let store = Store::of(self.writer.place(), self.writer.state().clone());
            for path in foreign {
                let index = Arc::make_mut(&mut self.index);
                let read = store.rows_of(&path, 0, &mut |row: ObjectRow| {
                    index.follow(row);
                    Ok(())
                });
                // Where it was retired meanwhile, its rows are in another file, which comes next.
                if let Err(error) = read
                    && !self.writer.refresh()?
                    && self.writer.state().files.contains_key(&path)
                {
                    return Err(error);
                }
            }
        }
    }

    fn commit_once(&mut self, mut batch: Pending) -> Result<(), StoreError> {
        if self.writer.is_shared() {
            // What another writer has read meanwhile, and as well, is there: two may have the same shard.
            batch.leave_out(&|row| self.index.holds(row));
            if batch.objects.is_empty() {
                return Ok(());
            }
        }
        let locations: HashSet<u128> = batch.objects.iter().map(|row| location_key(&row.location)).collect();
        let again = Supersession::of(&self.index, &mut batch);
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
        // Where others write, the number is known when it is done: the row is as old as the file that it is in.
        let number = if writer.is_shared() { 0 } else { writer.next() };
        let mut kept = self.kept;
        let mut news = Vec::new();
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
            if self.news.is_some() {
                news.push(row);
            }
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
        files.commit_if(&mut self.writer, &mut |store, added| {
            let mut apart = true;
            for path in added.iter().filter(|path| Dataset::of(path) == Some(Dataset::Objects)) {
                store.rows_of(path, 0, &mut |row: ObjectRow| {
                    apart &= !locations.contains(&location_key(&row.location));
                    Ok(())
                })?;
            }
            Ok(apart)
        })?;
        self.kept = kept;
        if let Some(all) = &mut self.news {
            all.append(&mut news);
        }
        Ok(())
    }

    /// Notes that a scan came to its end. What an earlier run of the same sources could not list, and this one could, is no failure any
    /// more.
    fn end(&mut self, run: &Run, met: &HashSet<u128>) -> Result<(), StoreError> {
        self.anew(|committer| committer.end_once(run, met))
    }

    fn end_once(&mut self, run: &Run, met: &HashSet<u128>) -> Result<(), StoreError> {
        let mut files = Files::default();
        if run.kind == RunKind::Scan {
            files.tables.add(None, &run.end());
        }
        if !self.index.unlisted.is_empty() {
            let store = Store::of(self.writer.place(), self.writer.state().clone());
            let covered: HashSet<u64> =
                store.runs()?.iter().filter(|old| covers(run, old)).map(|old| old.run).collect();
            let listed = |row: &&ObjectRow| covered.contains(&row.run) && !met.contains(&location_key(&row.location));
            let resolved: HashSet<u128> =
                self.index.unlisted.iter().filter(listed).map(|row| id_of(&row.object_id)).collect();
            files.drop_rows(&self.writer, |row: &ObjectRow| &row.object_id, &resolved)?;
        }
        files.commit(&mut self.writer)
    }
}
