//! What came is read into the store: archives that are polled.

use std::path::Path;

use chrono::{DateTime, Utc};

use crate::app::scan::{LIMITS, holder, store_error};
use crate::app::{Error, Run};
use crate::contract::ReadFailure;
use crate::pipeline::{self, Options, Scanned};
use crate::source::{ObjectRef, Selection, Source};
use crate::store::{self, BatchSink, Index, IngestSummary, RunKind, Session, StoreVisitor};

/// An archive, and what of it is to be looked through.
pub(super) type Polled = (Source, Selection);

/// What became of a round.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What the store has now and had not before.
    pub(super) ingested: IngestSummary,
    /// Archives that could not be read at all, and objects that could not be read, or not whole.
    pub(super) failures: Vec<ReadFailure>,
    /// Objects read.
    pub(super) objects: u64,
    /// Records in them.
    pub(super) records: u64,
}

/// Reads into one store.
#[derive(Debug)]
pub(super) struct Reading {
    session: Session,
    options: Options<'static>,
}

impl Reading {
    /// Opens the store, which nobody else may write from now on.
    pub(super) fn open(dir: &Path, sources: &[String], options: Options<'static>, run: Run<'_>) -> Result<Self, Error> {
        let noted = |number| store::Run {
            run: number,
            kind: RunKind::Watch,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: run.now,
            sources: sources.join("\n"),
            selection: Selection::default(),
            commit: number - 1,
        };
        let session = Session::open(dir, &holder("mfatrail watch", run.now), noted).map_err(store_error)?;
        Ok(Self { session, options })
    }

    /// The store as it is now.
    pub(super) fn store(&self) -> Result<store::Store, Error> {
        self.session.store().map_err(store_error)
    }

    /// Reads what is new. What cannot be read now is told, and is tried again in the next round.
    ///
    /// # Errors
    /// Where the store cannot be written: nothing more can be kept.
    pub(super) fn read(&mut self, archives: &[Polled], now: DateTime<Utc>) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let options = &self.options;
        let ((), ingested) = self
            .session
            .ingest(LIMITS, now, |sink, index| {
                for (source, selection) in archives {
                    match scan(sink, index, source, selection, options) {
                        Ok(scanned) => outcome.count(scanned),
                        Err(error) => outcome.failures.push(ReadFailure { object: source.shown(), error }),
                    }
                }
            })
            .map_err(store_error)?;
        outcome.ingested = ingested;
        Ok(outcome)
    }
}

impl Outcome {
    fn count(&mut self, scanned: Scanned) {
        self.objects += scanned.coverage.objects_read;
        self.records += scanned.coverage.records;
        self.failures.extend(scanned.coverage.failures);
    }
}

fn scan(
    sink: &BatchSink,
    index: &Index,
    source: &Source,
    selection: &Selection,
    options: &Options<'static>,
) -> Result<Scanned, String> {
    let known = |object: &ObjectRef| index.has(object);
    let skipped = |object: &ObjectRef| sink.skipped(object);
    let options = Options { known: Some(&known), skipped: Some(&skipped), ..options.clone() };
    let scanned = pipeline::scan(std::slice::from_ref(source), selection, &options, &|| StoreVisitor::new(sink));
    scanned.map(|(_visitor, scanned)| scanned).map_err(|error| Error::failed(error).message().to_owned())
}
