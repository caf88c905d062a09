//! What came is read into the store: archives that are polled, and what messages name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::app::scan::{LIMITS, fill, holder};
use crate::app::{Error, Run, store_error};
use crate::causes::with_causes;
use crate::contract::ReadFailure;
use crate::pipeline::{Options, Scanned};
use crate::source::{Location, ObjectRef, Selection, Source};
use crate::store::{self, IngestSummary, Place, RunKind, Session};

/// An archive, and what of it is to be looked through.
pub(super) type Polled = (Source, Selection);

/// What messages name.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Keys, by bucket.
    pub(super) objects: BTreeMap<String, BTreeSet<String>>,
    /// Files.
    pub(super) files: Vec<PathBuf>,
}

impl Named {
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.files.is_empty()
    }

    /// By bucket, so that one that cannot be read keeps no other from being read.
    fn sources(&self) -> Vec<(Option<&String>, Vec<Source>)> {
        let mut sources = Vec::new();
        for (bucket, keys) in &self.objects {
            let keys = keys.iter().cloned().collect();
            sources.push((Some(bucket), vec![Source::Objects { bucket: bucket.clone(), keys }]));
        }
        if !self.files.is_empty() {
            sources.push((None, self.files.iter().cloned().map(Source::Local).collect()));
        }
        sources
    }
}

/// What became of a round.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Of what messages name, what is there.
    pub(super) listed: BTreeSet<Location>,
    /// Of that, what the store has now, as far as it can be read at all.
    pub(super) stored: BTreeSet<Location>,
    /// Buckets that could not be asked.
    pub(super) unreachable: BTreeMap<String, String>,
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
    /// Opens the store; one in a folder nobody else may write from now on.
    pub(super) fn open(
        place: &Place,
        sources: &[String],
        options: Options<'static>,
        run: Run<'_>,
    ) -> Result<Self, Error> {
        let noted =
            |number| store::Run { sources: sources.join("\n"), ..store::Run::new(RunKind::Watch, number, run.now) };
        let session = Session::open(place, &holder("mfatrail watch", run.now), noted).map_err(store_error)?;
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
    pub(super) fn read(&mut self, archives: &[Polled], named: &Named, now: DateTime<Utc>) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let options = &self.options;
        let seen: Mutex<Vec<ObjectRef>> = Mutex::default();
        let ((), ingested) = self
            .session
            .ingest(LIMITS, now, |sink, index| {
                let known = |object: &ObjectRef| index.has(object);
                for (source, selection) in archives {
                    match fill(sink, std::slice::from_ref(source), selection, options, &known, None) {
                        Ok((_, scanned)) => outcome.count(scanned),
                        Err(error) => outcome.failed(source, with_causes(&error)),
                    }
                }
                let known = |object: &ObjectRef| {
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(object.clone());
                    index.has(object)
                };
                for (bucket, sources) in named.sources() {
                    match fill(sink, &sources, &Selection::default(), options, &known, None) {
                        Ok((_, scanned)) => outcome.count(scanned),
                        Err(error) => {
                            let error = with_causes(&error);
                            if let Some(bucket) = bucket {
                                outcome.unreachable.insert(bucket.clone(), error.clone());
                            }
                            sources.iter().for_each(|source| outcome.failed(source, error.clone()));
                        }
                    }
                }
            })
            .map_err(store_error)?;
        outcome.ingested = ingested;
        for object in seen.into_inner().unwrap_or_else(PoisonError::into_inner) {
            if self.session.index().has(&object) {
                outcome.stored.insert(object.location.clone());
            }
            outcome.listed.insert(object.location);
        }
        Ok(outcome)
    }
}

impl Outcome {
    fn failed(&mut self, source: &Source, error: String) {
        self.failures.push(ReadFailure { object: source.shown(), error });
    }

    fn count(&mut self, scanned: Scanned) {
        self.objects += scanned.coverage.objects_read;
        self.records += scanned.coverage.records;
        self.failures.extend(scanned.coverage.failures);
    }
}
