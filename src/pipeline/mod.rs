//! From sources to visited records: list, fetch, inflate, parse, count.
//!
//! ```text
//! disk lister ─┐                 ┌─ worker: read, inflate, parse, visit ─┐
//!              ├─ bounded queue ─┤                                       ├─ merged
//! S3 runtime ──┘                 └─ worker                              ─┘
//! ```
//!
//! Listing runs beside decoding. S3 has one thread with an asynchronous runtime: fetching small objects is waiting, and
//! costs less on one thread than on several. Decoding is rayon's; the two meet in [`scan`] alone. An error of one object
//! is counted and named, and never stops the rest; nothing is kept per object, so memory does not grow with the archive.
//! Which worker gets which object is chance: everything that is merged must not depend on it.

mod stages;
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
    cloudtrail::{Contents, Names, Record},
    contract::ReadFailure,
    inflate,
    source::{ObjectRef, s3::S3Options},
};

pub use stages::{plan, scan};
pub use stats::{AccountSpan, Scanned};

/// What is done with the records. Every worker has its own; they are merged in any order, and so must not depend on it.
pub trait Visitor: Send {
    /// Takes one usable record of an object. All records of an object go to one visitor, in the object's order.
    fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>);

    /// Told after the last record of an object that was read.
    fn finished(&mut self, _object: &Arc<ObjectRef>, _contents: &Contents) {}

    /// Takes in what another worker's visitor has.
    fn merge(&mut self, other: Self);
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
pub type Known<'k> = &'k (dyn Fn(&ObjectRef) -> bool + Sync);

/// How to scan.
#[derive(Clone)]
pub struct Options<'o> {
    /// Decoding threads; 0 for one per processor.
    pub threads: usize,
    /// The most bytes that one object may have, as stored and inflated.
    pub object_limit: usize,
    /// How to reach S3.
    pub s3: S3Options,
    /// Objects for which this holds are not read again; they are counted apart, and are not among the listed.
    pub known: Option<Known<'o>>,
    /// Visit only records of these names; then the rest need not be parsed, nor is it counted.
    pub only: Option<Arc<Names>>,
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
            known: None,
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
    /// Objects skipped by intent.
    pub skipped: u64,
    /// Objects that an earlier scan has read.
    pub known: u64,
    /// What could not be looked at, in order of name.
    pub failures: Vec<ReadFailure>,
}
