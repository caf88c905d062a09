//! From sources to visited records: list, fetch, inflate, walk or parse, count.
//!
//! ```text
//! disk lister ─┐                 ┌─ worker: read, inflate, parse, visit ─┐
//!              ├─ bounded queue ─┤                                       ├─ merged
//! S3 runtime ──┘                 └─ worker                              ─┘
//! ```
//!
//! Listing runs beside decoding. S3 has a thread with an asynchronous runtime, and more of them where there are
//! many processors: fetching small objects is waiting, and costs less on few threads. Decoding is rayon's; the two meet in [`scan()`] alone. An error of one object
//! is counted and named, and never stops the rest; nothing is kept per object, so memory does not grow with the archive.
//! Which worker gets which object is chance: everything that is merged must not depend on it.

mod decode;
mod fetch;
mod level;
mod list;
mod queue;
mod scan;
mod stats;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use crate::{
    cloudtrail::{Brief, Contents, Envelope, Query, Record},
    contract::ReadFailure,
    inflate::{self, InflateError, Inflated},
    source::{Folders, ObjectRef, Shard, s3::S3Options},
};

pub use list::places;
pub use scan::{plan, scan};
pub use stats::{AccountSpan, Scanned};

/// What is done with the records. Every worker has its own; they are merged in any order, and so must not depend on it.
///
/// All records of an object go to one visitor, in the object's order: parsed, or, where the visitor said that this will
/// do, by their envelopes.
pub trait Visitor: Send {
    /// Whether it is content with envelopes at times; without, every record is parsed.
    const ENVELOPES: bool = false;

    /// Looks at an object's bytes, before its records are looked for; tells what is to be done with them.
    fn bytes(&mut self, _object: &Arc<ObjectRef>, _bytes: &Bytes<'_>) -> Next {
        Next::Visit
    }

    /// Takes an object's bytes, the first `length` of the buffer, for which [`Visitor::bytes`] said [`Next::Keep`].
    fn keep(&mut self, _object: &Arc<ObjectRef>, _buffer: Vec<u8>, _length: usize) {}

    /// Asked before each object, which promises to have `length` bytes: whoever keeps buffers may give a better one than
    /// the one at hand. What is in it does not matter.
    fn buffer(&mut self, _length: usize, at_hand: Vec<u8>) -> Vec<u8> {
        at_hand
    }

    /// Told of an object that could not be inflated. It is counted and named as failed besides.
    fn damaged(&mut self, _object: &Arc<ObjectRef>, _error: &InflateError) {}

    /// Takes one usable record of an object.
    fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>);

    /// What is to be done with this record by its envelope, `None` where that will not do. It depends on the record alone.
    fn brief(&self, _envelope: &Envelope<'_>) -> Option<Brief> {
        None
    }

    /// Takes one usable record for which [`Visitor::brief`] said `brief`.
    fn envelope(&mut self, _object: &Arc<ObjectRef>, _envelope: &Envelope<'_>, _brief: Brief) {}

    /// How many records of the object that was just read it left out, for they are more than it can keep of one object: that
    /// makes the evidence incomplete. Begins anew with each object.
    fn surplus(&mut self) -> usize {
        0
    }

    /// Told after the last record of an object that was read.
    fn finished(&mut self, _object: &Arc<ObjectRef>, _contents: &Contents) {}

    /// Whether it wants to be told what became of every single object. That costs a count per object, and a hash of
    /// its bytes.
    const OUTCOMES: bool = false;

    /// Told what became of an object, after its last record; only with [`Visitor::OUTCOMES`].
    fn outcome(&mut self, _outcome: Outcome<'_>) {}

    /// Whether nothing more is worth doing, because what was visited could not be kept.
    fn gave_up(&self) -> bool {
        false
    }

    /// Told that there are no more objects for it.
    fn ended(&mut self) {}

    /// Takes in what another worker's visitor has.
    fn merge(&mut self, other: Self);
}

/// What is to be done with an object's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Its records are visited.
    Visit,
    /// Nothing more: its records are not looked for.
    Pass,
    /// Nothing more either, but the visitor keeps the bytes.
    Keep,
}

/// What became of one object.
#[derive(Debug)]
pub struct Outcome<'o> {
    /// The object; `None` for something that could not even be listed, and has a name only.
    pub object: Option<&'o ObjectRef>,
    /// What the scan counted of this object alone. Exactly one of its objects is read, failed or skipped.
    pub scanned: Scanned,
    /// SHA-256 of its bytes as stored; `None` where they could not be had.
    pub sha256: Option<[u8; 32]>,
}

/// The bytes of an object.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'b> {
    /// Inflated: exactly what is parsed.
    pub inflated: Inflated<'b>,
    /// The signature in S3's metadata of the object.
    pub signature: Option<&'b str>,
}

/// How far a scan is; the caller may look at it from another thread.
#[derive(Debug, Default)]
pub struct Progress {
    /// Objects listed that are to be read.
    pub listed: AtomicU64,
    /// Their bytes as stored, as the listing tells them.
    pub listed_bytes: AtomicU64,
    /// Whether these two grow no more.
    pub listing_done: AtomicBool,
    /// Objects read or failed.
    pub finished: AtomicU64,
    /// Their bytes as stored.
    pub bytes: AtomicU64,
    /// How far the listing is.
    pub folders: Folders,
}

/// How another thread ends a scan early. Objects that are being decoded are finished, nothing more is begun, and what was
/// read so far is handed out with [`Scanned::stopped`] set.
#[derive(Debug, Default)]
pub struct Stop {
    asked: AtomicBool,
    told: Notify,
}

impl Stop {
    /// Asks for it; cannot be taken back.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.told.notify_waiters();
    }

    /// Whether it was asked for.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Ends when it is asked for.
    async fn wait(&self) {
        let mut told = pin!(self.told.notified());
        // Before the look, so that nothing is missed between the two.
        told.as_mut().enable();
        if !self.asked() {
            told.await;
        }
    }
}

/// Whether an object was read by an earlier scan.
pub type IsKnown<'k> = &'k (dyn Fn(&ObjectRef) -> bool + Sync);

/// Told of an object.
pub type OnObject<'t> = &'t (dyn Fn(&ObjectRef) + Sync);

/// How to scan.
#[derive(Clone)]
pub struct Options<'o> {
    /// Decoding threads; 0 for one per processor.
    pub threads: usize,
    /// The most bytes that one object may have, as stored and inflated.
    pub object_limit: usize,
    /// How to reach S3.
    pub s3: S3Options,
    /// Which of the objects in range are read at all; the others are counted apart, and are not among the listed.
    pub shard: Shard,
    /// Objects for which this holds are not read again; they are counted apart, and are not among the listed.
    pub known: Option<IsKnown<'o>>,
    /// Told of every object that is skipped for its key, by the thread that lists.
    pub skipped: Option<OnObject<'o>>,
    /// Visit only the records that this wants; then the rest need not be parsed, nor is it counted.
    pub only: Option<Arc<Query>>,
    /// Kept up to date during the scan.
    pub progress: Arc<Progress>,
    /// Ends the scan early.
    pub stop: Arc<Stop>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            threads: 0,
            object_limit: inflate::DEFAULT_LIMIT,
            s3: S3Options::default(),
            shard: Shard::WHOLE,
            known: None,
            skipped: None,
            only: None,
            progress: Arc::default(),
            stop: Arc::default(),
        }
    }
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("threads", &self.threads)
            .field("object_limit", &self.object_limit)
            .field("s3", &self.s3)
            .finish_non_exhaustive()
    }
}

/// What a scan would read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Objects that would be read; standard input counts as one.
    pub objects: u64,
    /// Their bytes as stored.
    pub bytes: u64,
    /// Objects deliberately skipped.
    pub skipped: u64,
    /// Objects that an earlier scan has read.
    pub known: u64,
    /// Objects in range that are in other shards.
    pub elsewhere: u64,
    /// Requests to S3 that the listing took, as the reading will take them again.
    pub lists: u64,
    /// Requests to S3 that the reading will take, if none has to be repeated: one an object.
    pub gets: u64,
    /// What could not be looked at, in order of name; and of each bucket the smallest object, where it cannot be read.
    pub failures: Vec<ReadFailure>,
}
