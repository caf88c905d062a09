//! What a worker does with an object: read, inflate, walk, parse or search, visit, count.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering};

use sha2::{Digest, Sha256};

use super::{
    Bytes, Next, Options, Outcome, Visitor,
    queue::Work,
    stats::{Listing, Tally},
};
use crate::{
    cloudtrail::{
        Brief, ContainerError, Contents, Envelope, Form, Record, RecordError, Scratch, Take, Visit, for_each_record,
        is_foreign, search, skim,
    },
    inflate::{InflateError, Inflater, LARGE, promised},
    ocsf::{self, OcsfError},
    source::{ObjectRef, Product, local, s3::Fetched},
};

/// A buffer that one huge file made larger than this is given back.
const KEEP: usize = 64 << 20;

/// One decoding thread's own things.
pub(super) struct Worker<'o, V> {
    pub(super) visitor: V,
    pub(super) tally: Tally,
    options: &'o Options<'o>,
    inflater: Inflater,
    scratch: Scratch,
    file: Vec<u8>,
    /// Held by the one worker that has an object of more than [`LARGE`] bytes, so that many made to inflate hugely take no
    /// more memory than one.
    large: &'o Mutex<()>,
    turn: Option<MutexGuard<'o, ()>>,
}

impl<'o, V: Visitor> Worker<'o, V> {
    pub(super) fn new(visitor: V, options: &'o Options<'o>, large: &'o Mutex<()>) -> Self {
        Self {
            visitor,
            large,
            turn: None,
            tally: Tally::default(),
            options,
            inflater: Inflater::default(),
            scratch: Scratch::default(),
            file: Vec::new(),
        }
    }

    pub(super) fn work(&mut self, work: Work) {
        match work {
            Work::Read(objects) => {
                for object in objects {
                    if self.options.stop.asked() {
                        break;
                    }
                    let length = self.read(object);
                    self.finished(length);
                }
            }
            Work::Several(works) => {
                for work in works {
                    if self.options.stop.asked() {
                        break;
                    }
                    self.work(work);
                }
            }
            Work::Fetched(object, Fetched { bytes, signature }, _permit) => {
                let bytes = (*bytes).as_ref();
                self.object(object, bytes, signature.as_deref());
                self.finished(bytes.len());
            }
            Work::Failed(what, error) => {
                let (object, name) = match what {
                    Ok(object) => (Some(Arc::from(object)), None),
                    Err(name) => (None, Some(name)),
                };
                self.counted(object.as_ref(), None, |worker| {
                    let name = name.or_else(|| object.as_ref().map(|object| object.name.clone()));
                    worker.tally.failed(name.unwrap_or_default(), error);
                });
                self.finished(0);
            }
        }
    }

    /// Gives how many bytes it read.
    fn read(&mut self, object: ObjectRef) -> usize {
        let mut file = std::mem::take(&mut self.file);
        let Self { turn, large, .. } = self;
        let mut expect = |size| {
            if usize::try_from(size).is_ok_and(|size| size > LARGE) {
                wait_for(turn, large);
            }
        };
        let read = local::read(&object, self.options.object_limit, &mut file, &mut expect);
        let length = *read.as_ref().unwrap_or(&0);
        match read {
            Ok(length) => self.object(object, file.get(..length).unwrap_or_default(), None),
            Err(error) => {
                let object = Arc::new(object);
                self.counted(Some(&object), None, |worker| worker.tally.failed(object.name.clone(), error));
            }
        }
        if file.len() <= KEEP {
            self.file = file;
        }
        length
    }

    fn finished(&mut self, length: usize) {
        if let Some(turn) = self.turn.take() {
            // The memory first, then the turn.
            self.inflater = Inflater::default();
            drop(turn);
        }
        let progress = &self.options.progress;
        progress.finished.fetch_add(1, Ordering::Relaxed);
        progress.bytes.fetch_add(u64::try_from(length).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn object(&mut self, object: ObjectRef, bytes: &[u8], signature: Option<&str>) {
        let _span = tracing::debug_span!("object", object = ?object.name).entered();
        let object = Arc::new(object);
        self.counted(Some(&object), Some(bytes), |worker| worker.visit(&object, bytes, signature));
    }

    /// Does the work on one object, and tells the visitor what became of it, where it wants to know.
    fn counted(&mut self, object: Option<&Arc<ObjectRef>>, bytes: Option<&[u8]>, work: impl FnOnce(&mut Self)) {
        if !V::OUTCOMES {
            return work(self);
        }
        let before = std::mem::take(&mut self.tally);
        work(self);
        let own = std::mem::replace(&mut self.tally, before);
        self.tally.merge(own.clone());
        let scanned = own.finish(&Listing { listed: 1, ..Listing::default() });
        let sha256 = bytes.map(|bytes| Sha256::digest(bytes).into());
        self.visitor.outcome(Outcome { object: object.map(AsRef::as_ref), scanned, sha256 });
    }

    fn visit(&mut self, object: &Arc<ObjectRef>, bytes: &[u8], signature: Option<&str>) {
        let Self { visitor, tally, options, inflater, scratch, large, turn, .. } = self;
        inflater.buffer = visitor.buffer(promised(bytes), std::mem::take(&mut inflater.buffer));
        let mut wait = || wait_for(turn, large);
        let inflated = match inflater.inflate_in_turn(bytes, options.object_limit, &mut wait) {
            Ok(inflated) => inflated,
            Err(error) => {
                visitor.damaged(object, &error);
                return tally.failed(object.name.clone(), error.to_string());
            }
        };
        let raw = inflated.bytes;
        tracing::debug!(stored = bytes.len(), inflated = raw.len(), "read");
        let mut again = None;
        let text = inflated_again(raw, &mut again, options.object_limit, &mut wait);
        let lake = match text {
            Ok(text) if text.starts_with(ocsf::MAGIC) => Some(ocsf::File::open(text, options.object_limit)),
            _ => None,
        };
        let foreign = |text| match &lake {
            Some(file) => matches!(file, Err(OcsfError::Foreign(_))),
            None => is_foreign(text),
        };
        if object.key.product == Product::Stray && text.is_ok_and(foreign) {
            return tally.skipped();
        }
        tally.begin();
        let form = if lake.is_some() { Form::Partial } else { Form::Own };
        scratch.begin_as(object.key.account.as_deref(), form);
        let next = visitor.bytes(object, &Bytes { inflated, signature });
        if next != Next::Visit {
            tally.object(object, bytes.len(), raw.len(), &Contents::default());
        }
        match next {
            Next::Visit => {}
            Next::Pass => return,
            Next::Keep => {
                let length = raw.len();
                let members = inflated.members;
                let mut buffer = std::mem::take(&mut inflater.buffer);
                if members == 0 {
                    buffer.clear();
                    buffer.extend_from_slice(bytes);
                }
                return visitor.keep(object, buffer, length);
            }
        }
        let text = match text {
            Ok(text) => text,
            Err(error) => return tally.failed(object.name.clone(), format!("in the gzip data inside it: {error}")),
        };
        let mut visits = Visits { visitor, tally, object };
        let mut visit = |index: usize, record: Result<Record<'_, '_>, RecordError>| visits.record(index, record);
        let read = match (lake, &options.only) {
            (Some(file), _) => lake_records(file, options, scratch, &mut wait, &mut visit),
            (None, Some(query)) => whole(search(text, query, scratch, &mut visit), raw.len()),
            (None, None) if V::ENVELOPES => whole(skim(text, scratch, &mut visits), raw.len()),
            (None, None) => whole(for_each_record(text, scratch, &mut visit), raw.len()),
        };
        match read {
            Ok((contents, length)) => {
                if tally.object(object, bytes.len(), length, &contents) {
                    tally.surplus(object, visitor.surplus());
                    visitor.finished(object, &contents);
                }
            }
            Err(error) => tally.failed(object.name.clone(), error),
        }
    }
}

/// What an object held, and how many bytes of JSON that was; in words, why it gives nothing.
type ReadObject = Result<(Contents, usize), String>;

/// What an object held that is JSON of so many bytes.
fn whole(read: Result<Contents, ContainerError>, length: usize) -> ReadObject {
    read.map(|contents| (contents, length)).map_err(|error| error.to_string())
}

/// Visits the records of a lake's file, document by document.
fn lake_records(
    file: Result<ocsf::File, OcsfError>,
    options: &Options<'_>,
    scratch: &mut Scratch,
    wait: &mut dyn FnMut(),
    visit: Visit<'_>,
) -> ReadObject {
    let file = file.map_err(|error| error.to_string())?;
    if file.size() > LARGE {
        wait();
    }
    let (mut contents, mut length, mut refused) = (Contents::default(), 0, None);
    let read = file.for_each_document(&mut |document| {
        let before = contents.records + contents.unusable + contents.passed_over;
        length += document.len();
        if contents.is_cut() || refused.is_some() {
            return;
        }
        let mut visit = |index: usize, record: Result<Record<'_, '_>, RecordError>| visit(before + index, record);
        let read = match &options.only {
            Some(query) => search(document, query, scratch, &mut visit),
            None => for_each_record(document, scratch, &mut visit),
        };
        match read {
            Ok(next) => contents.add(&next),
            Err(error) => refused = Some(error),
        }
    });
    read.map_err(|error| error.to_string())?;
    match refused {
        Some(error) => Err(error.to_string()),
        None if length == 0 => Err(OcsfError::Damaged("it has no rows".to_owned()).to_string()),
        None => Ok((contents, length)),
    }
}

/// Gzip data that inflate to gzip data are inflated once more: Firehose compresses what CloudWatch Logs has compressed.
fn inflated_again<'a>(
    raw: &'a [u8],
    again: &'a mut Option<Inflater>,
    limit: usize,
    wait: &mut dyn FnMut(),
) -> Result<&'a [u8], InflateError> {
    if !raw.starts_with(&[0x1f, 0x8b]) {
        return Ok(raw);
    }
    // Both lie in memory: the limit is for the two together.
    let rest = limit.saturating_sub(raw.len());
    match again.get_or_insert_default().inflate_in_turn(raw, rest, wait) {
        Ok(inflated) => Ok(inflated.bytes),
        Err(InflateError::TooLarge { .. }) => Err(InflateError::TooLarge { limit }),
        Err(other) => Err(other),
    }
}

/// Counts the records of one object, and hands them on.
struct Visits<'w, V> {
    visitor: &'w mut V,
    tally: &'w mut Tally,
    object: &'w Arc<ObjectRef>,
}

impl<V: Visitor> Take for Visits<'_, V> {
    fn brief(&self, envelope: &Envelope<'_>) -> Option<Brief> {
        self.visitor.brief(envelope)
    }

    fn envelope(&mut self, envelope: &Envelope<'_>, brief: Brief) {
        self.tally.envelope(envelope);
        self.visitor.envelope(self.object, envelope, brief);
    }

    fn record(&mut self, _index: usize, record: Result<Record<'_, '_>, RecordError>) {
        if let Ok(record) = record {
            self.tally.record(&record);
            self.visitor.record(self.object, &record);
        }
    }
}

/// Waits for the turn to have a large object, unless it is there already.
fn wait_for<'m>(turn: &mut Option<MutexGuard<'m, ()>>, large: &'m Mutex<()>) {
    if turn.is_none() {
        *turn = Some(large.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
