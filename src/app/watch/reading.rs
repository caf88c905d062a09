//! What came is read into the store: archives that are polled.

use std::path::Path;

use chrono::{DateTime, Utc};

use crate::app::scan::{LIMITS, fill, holder, store_error};
use crate::app::{Error, Run};
use crate::causes::with_causes;
use crate::contract::ReadFailure;
use crate::pipeline::{Options, Scanned};
use crate::source::{ObjectRef, Selection, Source};
use crate::store::{self, IngestSummary, RunKind, Session};

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
        let noted =
            |number| store::Run { sources: sources.join("\n"), ..store::Run::new(RunKind::Watch, number, run.now) };
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
                let known = |object: &ObjectRef| index.has(object);
                for (source, selection) in archives {
                    match fill(sink, std::slice::from_ref(source), selection, options, &known, None) {
                        Ok((_, scanned)) => outcome.count(scanned),
                        Err(error) => {
                            let error = with_causes(&error);
                            outcome.failures.push(ReadFailure { object: source.shown(), error });
                        }
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
