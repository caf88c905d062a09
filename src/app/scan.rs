//! Reading an archive into an evidence store.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};

use super::{Archive, Error, Run, rfc3339, stopped};
use crate::contract::{Integrity, Notice, NoticeCode, Period};
use crate::digest::{Checker, Proof, Verification};
use crate::pipeline::{self, Options, Plan, Scanned};
use crate::source::{ObjectRef, Selection, Source, SourceError};
use crate::store::{
    self, BatchSink, Found, Holder, Index, IngestSummary, Limits, RunKind, Store, StoreError, StoreVisitor, Writer,
};
use crate::units;

/// A commit costs a few flushes to the disk: so much work is worth one, and so much a killed run loses at most.
pub const LIMITS: Limits = Limits { objects: 2000, bytes: 16 << 20 };

/// How many of the objects that a notice is about are named.
const NAMED: usize = 20;

/// What a scan into a store did.
pub(crate) struct Done {
    pub(crate) kept: IngestSummary,
    pub(crate) scanned: Scanned,
    /// Objects in range that an earlier scan found damaged.
    pub(crate) known_failures: u64,
    /// What the digests say of what was read, where that was asked.
    pub(crate) checker: Option<Checker>,
    /// Of what earlier scans read of the same sources, the latest delivery.
    pub(crate) remembered: Option<DateTime<Utc>>,
}

/// Reads what the store does not have.
pub(crate) fn into_store(
    dir: &Path,
    archive: &Archive,
    selection: &Selection,
    limits: Limits,
    proof: Option<&Arc<Proof>>,
    run: Run<'_>,
) -> Result<Done, Error> {
    let sources = &archive.sources;
    if sources.contains(&Source::Stdin) {
        return Err(Error::Input(
            "standard input cannot be scanned into a store: nothing tells whether the store has it\n  hint: save it to a file, and scan that".to_owned(),
        ));
    }
    let sources_text = source_lines(sources);
    let writer = open(dir, &format!("mfatrail scan {}", sources_text.replace('\n', " ")), run.now)?;
    let store = Store::open(dir).map_err(store_error)?;
    let roots: Vec<String> = sources.iter().map(Source::root).collect();
    let mut remembered: Option<DateTime<Utc>> = None;
    let index = Index::read_noting(&store, &mut |row| {
        // Without a time in its name, all that tells of a delivery is when a copy was written.
        let delivered = row.delivered_at.filter(|time| row.day == Some(time.date_naive()));
        if proof.is_some() && delivered > remembered && row.status == store::Status::Read {
            let asked = selection.includes(&row.key()) && roots.iter().any(|root| lies_in(&row.location, root));
            remembered = if asked { delivered } else { remembered };
        }
    });
    let index = Arc::new(index.map_err(store_error)?);
    let noted = store::Run {
        sources: sources_text,
        selection: selection.clone(),
        ..store::Run::new(RunKind::Scan, writer.next(), run.now)
    };
    let known_failures = AtomicU64::new(0);
    let known = |object: &ObjectRef| {
        let mut known = index.has(object);
        if let Some(proof) = proof.filter(|_| known) {
            known = index.seen(object).is_some_and(|seen| seen.integrity == Some(Integrity::Verified));
            if known {
                proof.vouch(&object.name);
            }
        }
        if known && index.seen(object).is_some_and(|seen| seen.status == store::Status::Failed) {
            known_failures.fetch_add(1, Ordering::Relaxed);
        }
        known
    };
    let sink = BatchSink::new(writer, Arc::clone(&index), limits, noted, HashMap::new()).map_err(store_error)?;
    let (kept, scanned, checker) = visit(sink, archive, selection, &known, proof, run)?;
    Ok(Done { kept, scanned, known_failures: known_failures.into_inner(), checker, remembered })
}

/// What [`into_store`] would read: what the store does not have, where there is one.
pub(crate) fn plan(dir: &Path, archive: &Archive, selection: &Selection) -> Result<Plan, Error> {
    let index = match Store::open(dir) {
        Ok(store) => Some(Index::read(&store).map_err(store_error)?),
        Err(StoreError::Absent(_)) => None,
        Err(error) => return Err(store_error(error)),
    };
    let known = |object: &ObjectRef| index.as_ref().is_some_and(|index| index.has(object));
    let options = Options { known: Some(&known), ..archive.options.clone() };
    pipeline::plan(&archive.sources, selection, &options).map_err(Error::failed)
}

/// Reads what is not `known` into a sink.
pub(crate) fn visit(
    sink: BatchSink,
    archive: &Archive,
    selection: &Selection,
    known: &(dyn Fn(&ObjectRef) -> bool + Sync),
    proof: Option<&Arc<Proof>>,
    run: Run<'_>,
) -> Result<(IngestSummary, Scanned, Option<Checker>), Error> {
    let Archive { sources, options } = archive;
    let scanned = run.scanning(&options.progress, || fill(&sink, sources, selection, options, known, proof));
    // What was read before a source failed is kept: the next scan continues from there.
    let (checker, scanned) = match scanned {
        Ok((checker, scanned)) => (checker, Ok(scanned)),
        Err(error) => (None, Err(error)),
    };
    let whole = scanned.as_ref().is_ok_and(|scanned| !scanned.stopped);
    let (kept, _writer) = sink.finish(whole).map_err(store_error)?;
    let scanned = scanned?;
    if scanned.stopped {
        return Err(stopped(&scanned, "what was read is in the store, and the next scan continues from there"));
    }
    Ok((kept, scanned, checker))
}

/// Reads what is not `known` into a sink that goes on.
pub(crate) fn fill(
    sink: &BatchSink,
    sources: &[Source],
    selection: &Selection,
    options: &Options<'static>,
    known: &(dyn Fn(&ObjectRef) -> bool + Sync),
    proof: Option<&Arc<Proof>>,
) -> Result<(Option<Checker>, Scanned), SourceError> {
    let skipped = |object: &ObjectRef| sink.skipped(object);
    let options = Options { known: Some(known), skipped: Some(&skipped), ..options.clone() };
    let make = || StoreVisitor::new(sink).checked(proof.map(|proof| Checker::new(Arc::clone(proof))));
    let (visitor, scanned) = pipeline::scan(sources, selection, &options, &make)?;
    Ok((visitor.into_checker(), scanned))
}

/// Opens a store for writing.
pub(crate) fn open(dir: &Path, command: &str, now: DateTime<Utc>) -> Result<Writer, Error> {
    Writer::open(dir, &holder(command, now)).map_err(store_error)
}

/// Who writes.
pub(crate) fn holder(command: &str, now: DateTime<Utc>) -> Holder {
    Holder::this(command.to_owned(), now)
}

/// A folder that is no store, or none that this build reads, is a wrong argument; everything else is a failure.
pub(crate) fn store_error(error: StoreError) -> Error {
    match error {
        StoreError::Absent(_) | StoreError::Occupied { .. } | StoreError::Schema { .. } => Error::input(error),
        _ => Error::failed(error),
    }
}

/// Whether a location is that of a source, or lies in its folder.
fn lies_in(location: &str, root: &str) -> bool {
    let root = root.trim_end_matches('/');
    location.strip_prefix(root).is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

/// The sources as the log of runs has them, one a line.
fn source_lines(sources: &[Source]) -> String {
    let mut lines: Vec<String> = sources.iter().map(Source::root).collect();
    lines.sort();
    lines.join("\n")
}

/// Notes that a period was reported on, so that a later report can say what has changed. A store that cannot be written to
/// now serves for reports all the same.
pub(crate) fn note_report(dir: &Path, selection: &Selection, period: Period, commit: u64, run: Run<'_>) {
    let noted = open(dir, "mfatrail report", run.now).and_then(|mut writer| {
        let noted = store::Run {
            selection: Selection { from: Some(period.from), to: Some(period.to), ..selection.clone() },
            commit,
            ..store::Run::new(RunKind::Report, writer.next(), run.now)
        };
        store::record(&mut writer, noted).map_err(store_error)
    });
    if let Err(error) = noted {
        let reason = error.message().lines().next().unwrap_or_default().to_owned();
        run.observer.warn(&format!(
            "this report is not noted in the store: a later one will not say what has changed since: {reason}"
        ));
    }
}

/// What a report from a store must say that one from the archive has no reason to.
pub(crate) fn notices(found: &Found) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Some(arrived) = &found.arrived {
        notices.push(Notice {
            code: NoticeCode::Restatement,
            text: format!(
                "this restates the report of {}: since then arrived {}, with {}",
                rfc3339(arrived.reported_at),
                some(&arrived.objects, "object", "objects", "of this period"),
                some(&arrived.events, "extracted event", "extracted events", "of this period"),
            ),
        });
    }
    if !found.beside.is_empty() {
        notices.push(Notice {
            code: NoticeCode::OtherSources,
            text: format!(
                "the store holds {}: this report covers them, too (hint: `--only-source` leaves them out)",
                some(&found.beside, "object", "objects", "that SOURCE does not have")
            ),
        });
    }
    if !found.replaced.is_empty() {
        notices.push(Notice {
            code: NoticeCode::ObjectReplaced,
            text: format!(
                "{} overwritten in the archive after the store had read it, which CloudTrail never does: this report shows what is there now, the store keeps both",
                some(&found.replaced, "object was", "objects were", "")
            ),
        });
    }
    notices
}

/// A number of things, and the names of the first.
fn some(names: &[String], one: &str, many: &str, which: &str) -> String {
    let what = if names.len() == 1 { one } else { many };
    let space = if which.is_empty() { "" } else { " " };
    match names {
        [] => format!("no {one}{space}{which}"),
        _ => {
            let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
            let named: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
            format!("{} {what}{space}{which} ({}{more})", units::count(names.len() as u64), named.join(", "))
        }
    }
}

impl Done {
    /// Whether there was anything in range.
    pub(crate) fn anything(&self) -> bool {
        self.scanned.coverage.objects_read > 0 || self.scanned.objects_known > 0
    }

    /// Whether everything in range was read, by this scan or earlier ones, and proven where that was asked.
    pub(crate) fn complete(&self, outcome: Option<&Verification>) -> bool {
        let read = self.scanned.coverage.failures.is_empty() && self.known_failures == 0;
        self.anything() && read && outcome.is_none_or(|outcome| outcome.whole)
    }
}
