//! Reading an archive into an evidence store.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::archive::check_places;
use super::{Archive, Error, Run, THIS, integrity, rfc3339, stopped, store_error, verify};
use crate::contract::{Integrity, Notice, NoticeCode, Period, ReadFailure, Tool};
use crate::digest::{Bounds, Checker, Proof, Verification};
use crate::pipeline::{self, Options, Plan, Scanned};
use crate::source::{ObjectRef, Selection, Shard, Source, SourceError};
use crate::store::{
    self, BatchSink, Holder, Index, IngestSummary, Limits, Place, RunKind, Store, StoreError, StoreVisitor,
    StoredEvidence, Writer,
};
use crate::units;

/// A commit costs a few flushes to the disk: so much work is worth one, and so much a killed run loses at most.
pub const LIMITS: Limits = Limits { objects: 2000, bytes: 16 << 20 };

/// How many of the objects that a notice is about are named.
const NAMED: usize = 20;

/// What is read into which store.
#[derive(Debug, Clone)]
pub struct ScanRequest {
    /// The store; created if missing.
    pub store: Place,
    /// What of the archive is read.
    pub selection: Selection,
    /// After how many objects what was read is committed.
    pub commit_every: usize,
    /// Whether the archive is verified by CloudTrail's digests while it is read.
    pub verify: bool,
    /// With `verify`, files of CloudTrail's public keys; empty to ask CloudTrail.
    pub public_keys: Vec<PathBuf>,
    /// With `verify`, the time of which everything must be proven, where that is not all of the selection: what is missing outside of it
    /// is no fault, and the archive must reach its end.
    pub proven: Option<Period>,
}

/// What a scan read and stored.
#[derive(Debug)]
pub struct ScanOutcome {
    /// Whether everything in range was read, by this scan or earlier ones, and proven where that was asked.
    pub complete: bool,
    /// What was read now.
    pub scanned: Scanned,
    /// What was stored.
    pub ingested: IngestSummary,
    /// Objects in range that an earlier scan could not read, or not whole.
    pub failed_before: u64,
    /// What the digests prove, where that was asked.
    pub verification: Option<Verification>,
}

/// `mfatrail scan --format json`.
#[derive(Debug, Serialize)]
pub struct ScanDocument<'d> {
    schema: &'static str,
    tool: Tool,
    store: String,
    /// Whether everything in range was read, by this scan or earlier ones, and proven where that was asked.
    complete: bool,
    objects_listed: u64,
    objects_read: u64,
    objects_failed: u64,
    objects_skipped: u64,
    /// Read by earlier scans.
    objects_known: u64,
    /// Of these, found damaged.
    objects_known_failed: u64,
    /// In other shards than the one that was read.
    objects_elsewhere: u64,
    /// Overwritten in the archive after being read.
    objects_replaced: u64,
    bytes_compressed: u64,
    bytes_raw: u64,
    records: u64,
    events: u64,
    failures: &'d [ReadFailure],
    /// As `mfatrail verify --format json` has it; `null` where it was not asked.
    verification: Option<&'d Verification>,
}

impl ScanOutcome {
    /// Whether there was nothing in range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let scanned = &self.scanned;
        scanned.coverage.objects_read + scanned.objects_known + scanned.objects_elsewhere == 0
    }

    /// As a document for other programs.
    #[must_use]
    pub fn document(&self, store: &Place) -> ScanDocument<'_> {
        let coverage = &self.scanned.coverage;
        ScanDocument {
            schema: "mfatrail.scan/1",
            tool: THIS,
            store: store.to_string(),
            complete: self.complete,
            objects_listed: coverage.objects_listed,
            objects_read: coverage.objects_read,
            objects_failed: coverage.objects_failed,
            objects_skipped: coverage.objects_skipped,
            objects_known: self.scanned.objects_known,
            objects_known_failed: self.failed_before,
            objects_elsewhere: self.scanned.objects_elsewhere,
            objects_replaced: self.ingested.replaced,
            bytes_compressed: coverage.bytes_compressed,
            bytes_raw: coverage.bytes_raw,
            records: coverage.records,
            events: self.ingested.events,
            failures: &coverage.failures,
            verification: self.verification.as_ref(),
        }
    }
}

/// Reads what of an archive the store does not have.
///
/// # Errors
/// [`Error::Input`] where the request is wrong, or the archive has no such account or region; [`Error::Failed`] where the archive
/// cannot be listed, or the store cannot be written; [`Error::Stopped`]. An object that cannot be read is no error: the outcome
/// names it, and is not complete.
pub fn scan(request: &ScanRequest, archive: &Archive, run: Run<'_>) -> Result<ScanOutcome, Error> {
    let selection = &request.selection;
    let limits = Limits { objects: request.commit_every, ..LIMITS };
    let keys = verify::read_keys(&request.public_keys)?;
    let bounds = match request.proven {
        Some(period) => Bounds { from: Some(period.from), to: Some(period.to) },
        None => Bounds { from: selection.from, to: selection.to },
    };
    let until = bounds.to;
    let task = verify::Task { archive, selection, bounds, until, run };
    check_places(archive, None, selection)?;
    let proven = request.verify.then(|| verify::prove(&task, keys)).transpose()?;
    let proof = proven.as_ref().map(|proven| &proven.proof);
    if proof.is_some() {
        note_unproven(&request.store, &task)?;
    }
    let Ingested { ingested, scanned, failed_before, checker, remembered } =
        into_store(&request.store, archive, selection, limits, proof, run)?;
    let verification = checker
        .zip(proven)
        .map(|(checker, proven)| {
            let latest = scanned.coverage.last_record.max(remembered);
            integrity::outcome(&task, checker, proven.failures, &scanned.coverage.failures, latest)
        })
        .transpose()?;
    if verification.as_ref().is_some_and(|verification| verification.whole) {
        note_proven(&request.store, &task);
    }
    let read = scanned.coverage.failures.is_empty() && failed_before == 0;
    let outcome = ScanOutcome { complete: read, scanned, ingested, failed_before, verification };
    let proven = outcome.verification.as_ref().is_none_or(|verification| verification.whole);
    Ok(ScanOutcome { complete: read && proven && !outcome.is_empty(), ..outcome })
}

/// What was read into a store.
pub(crate) struct Ingested {
    pub(crate) ingested: IngestSummary,
    pub(crate) scanned: Scanned,
    /// Objects in range that an earlier scan could not read, or not whole.
    pub(crate) failed_before: u64,
    /// What the digests say of what was read, where that was asked.
    pub(crate) checker: Option<Checker>,
    /// The latest delivery among what earlier scans read of the same sources.
    pub(crate) remembered: Option<DateTime<Utc>>,
}

/// Reads what the store does not have.
pub(crate) fn into_store(
    store: &Place,
    archive: &Archive,
    selection: &Selection,
    limits: Limits,
    proof: Option<&Arc<Proof>>,
    run: Run<'_>,
) -> Result<Ingested, Error> {
    let sources = &archive.sources;
    if sources.contains(&Source::Stdin) {
        return Err(Error::Input(
            "standard input cannot be scanned into a store, which identifies objects by name\n  hint: save it to a file, and scan the file".to_owned(),
        ));
    }
    let sources_text = source_lines(sources);
    let writer = open(store, &format!("mfatrail scan {}", sources_text.replace('\n', " ")), run.now)?;
    let mut store = Store::open(store).map_err(store_error)?;
    let roots: Vec<String> = sources.iter().map(Source::root).collect();
    let read = store.consistently(|store| {
        let mut remembered: Option<DateTime<Utc>> = None;
        let index = Index::read_noting(store, &mut |row| {
            // Without a time in its name, all that tells of a delivery is when a copy was written.
            let delivered = row.delivered_at.filter(|time| row.day == Some(time.date_naive()));
            if proof.is_some() && delivered > remembered && row.status == store::Status::Read {
                let asked = selection.includes(&row.key()) && roots.iter().any(|root| lies_in(&row.location, root));
                remembered = if asked { delivered } else { remembered };
            }
        })?;
        Ok((index, remembered))
    });
    let (index, remembered) = read.map_err(store_error)?;
    let index = Arc::new(index);
    let noted = store::Run {
        sources: sources_text,
        selection: selection.clone(),
        shard: Some(archive.options.shard),
        ..store::Run::new(RunKind::Scan, writer.next(), run.now)
    };
    let failed_before = AtomicU64::new(0);
    let known = |object: &ObjectRef| {
        let mut known = index.has(object);
        if let Some(proof) = proof.filter(|_| known) {
            known = index.seen(object).is_some_and(|seen| seen.integrity == Some(Integrity::Verified));
            if known {
                proof.vouch(&object.name);
            }
        }
        if known && index.seen(object).is_some_and(|seen| seen.status == store::Status::Failed) {
            failed_before.fetch_add(1, Ordering::Relaxed);
        }
        known
    };
    let sink = BatchSink::new(writer, Arc::clone(&index), limits, noted, HashMap::new()).map_err(store_error)?;
    let (ingested, scanned, checker) = visit(sink, archive, selection, &known, proof, run)?;
    Ok(Ingested { ingested, scanned, failed_before: failed_before.into_inner(), checker, remembered })
}

/// What [`into_store`] would read: what the store does not have, where there is one.
pub(crate) fn plan(store: &Place, archive: &Archive, selection: &Selection) -> Result<Plan, Error> {
    check_places(archive, None, selection)?;
    let index = match Store::open(store) {
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
    let finished = scanned.as_ref().is_ok_and(|scanned| !scanned.stopped);
    let (ingested, _writer) = sink.finish(finished).map_err(store_error)?;
    let scanned = scanned?;
    if scanned.stopped {
        return Err(stopped(&scanned, "what was read is in the store; the next scan continues from there"));
    }
    Ok((ingested, scanned, checker))
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
pub(crate) fn open(store: &Place, command: &str, now: DateTime<Utc>) -> Result<Writer, Error> {
    Writer::open(store, &holder(command, now)).map_err(store_error)
}

/// Who writes.
pub(crate) fn holder(command: &str, now: DateTime<Utc>) -> Holder {
    Holder::this(command.to_owned(), now)
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

/// Notes in the store, before anything is read, that the digests have not proven what is verified now. Of what is missing the store has
/// no row: a report from it would know nothing of that, and nothing of a verification that was cut short.
pub(crate) fn note_unproven(place: &Place, task: &verify::Task<'_>) -> Result<(), Error> {
    note_outcome(place, task, RunKind::Unproven)
}

/// Notes that they have. A store that cannot be written to now serves for reports all the same: they say too little, and not too much.
pub(crate) fn note_proven(place: &Place, task: &verify::Task<'_>) {
    if let Err(error) = note_outcome(place, task, RunKind::Proven) {
        let reason = error.message().lines().next().unwrap_or_default().to_owned();
        task.run.observer.warn(&format!(
            "the store could not be told that the archive is proven, so reports from it will say that it is not: {reason}"
        ));
    }
}

fn note_outcome(place: &Place, task: &verify::Task<'_>, kind: RunKind) -> Result<(), Error> {
    let mut writer = open(place, "mfatrail scan", task.run.now)?;
    let outcome = store::Run {
        sources: source_lines(&task.archive.sources),
        // Of what comes later nothing was said.
        selection: Selection {
            from: task.bounds.from,
            to: task.bounds.to.or(Some(task.run.now)),
            ..task.selection.clone()
        },
        shard: Some(Shard::WHOLE),
        ..store::Run::new(kind, writer.next(), task.run.now)
    };
    store::record(&mut writer, outcome).map(drop).map_err(store_error)
}

/// Notes that a period was reported on, so that a later report can say what has changed. A store that cannot be written to
/// now serves for reports all the same.
pub(crate) fn note_report(store: &Place, selection: &Selection, period: Period, commit: u64, run: Run<'_>) {
    let noted = open(store, "mfatrail report", run.now).and_then(|mut writer| {
        let noted = store::Run {
            selection: Selection { from: Some(period.from), to: Some(period.to), ..selection.clone() },
            commit,
            ..store::Run::new(RunKind::Report, writer.next(), run.now)
        };
        store::record(&mut writer, noted).map(drop).map_err(store_error)
    });
    if let Err(error) = noted {
        let reason = error.message().lines().next().unwrap_or_default().to_owned();
        run.observer.warn(&format!(
            "this report could not be recorded in the store, so a later one will not show what has changed since: {reason}"
        ));
    }
}

/// What a report from a store must say that one from the archive has no reason to.
pub(crate) fn notices(found: &StoredEvidence) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Some(arrived) = &found.arrived {
        notices.push(Notice {
            code: NoticeCode::Restatement,
            text: format!(
                "this supersedes the report of {}: {}, with {}, arrived since",
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
                "the store has {}, which this report also covers (hint: `--only-source` excludes them)",
                some(&found.beside, "object", "objects", "not in SOURCE")
            ),
        });
    }
    if !found.replaced.is_empty() {
        notices.push(Notice {
            code: NoticeCode::ObjectReplaced,
            text: format!(
                "{} overwritten in the archive after being stored, which CloudTrail never does: {}",
                some(&found.replaced, "object was", "objects were", ""),
                recalled(found),
            ),
        });
    }
    notices
}

/// What of overwritten objects counts.
fn recalled(found: &StoredEvidence) -> String {
    let lost: Vec<String> = [(found.recalled.len(), "event", "events"), (found.recalled_calls, "call", "calls")]
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| units::plural(count as u64, one, many))
        .collect();
    if lost.is_empty() {
        "this report uses the current version, and the store has both".to_owned()
    } else {
        format!(
            "the current version lacks {} that the store has of the earlier one, which still count unless they are favorable for the user. (An export that is written again without its oldest records does this too: give each export a file of its own)",
            lost.join(" and ")
        )
    }
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
