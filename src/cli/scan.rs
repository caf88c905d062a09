//! `mfatrail scan`, and what every command does that reads into a store.

use std::collections::HashMap;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::archive::{check_places, options, range, rfc3339, selection, sources};
use super::args::{ArchiveArgs, AwsArgs};
use super::exit::{CliError, Status};
use super::{Printed, THIS, interrupt, log, progress, put_json, say, verify};
use crate::contract::{Integrity, Notice, Period, ReadFailure, Tool};
use crate::digest::{Bounds, Checker, Proof, Verification};
use crate::pipeline::{self, Options, Scanned};
use crate::report::terminal_text;
use crate::source::{ObjectRef, Selection, Source};
use crate::store::{self, Found, Holder, Index, Keep, Kept, Limits, Run, RunKind, Sink, Store, StoreError, Writer};
use crate::units;

/// A commit costs a few flushes to the disk: so much work is worth one, and so much a killed run loses at most.
pub(super) const LIMITS: Limits = Limits { objects: 2000, bytes: 16 << 20 };

/// How many of the objects that could not be read are named.
const NAMED: usize = 20;

/// Read an archive into the evidence store, once
///
/// Reads only objects that the store does not have: by location, entity tag and size, never by time, for CloudTrail delivers
/// late. A scan that was ended at any moment loses nothing that was committed, and the next one continues.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct ScanArgs {
    /// Where the archive is: s3://bucket/prefix, a directory or a file
    #[arg(value_name = "SOURCE", required = true)]
    pub(super) sources: Vec<OsString>,

    /// The evidence store; made where there is none
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE", help_heading = "Store")]
    store: PathBuf,

    /// Commit after this many objects: so many a scan that is ended loses at most
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(LIMITS.objects).unwrap_or(NonZeroUsize::MIN), help_heading = "Store")]
    commit_every: NonZeroUsize,

    /// Verify the archive by CloudTrail's digests while it is read, and keep of every object what its bytes are worth
    #[arg(long, help_heading = "Store")]
    verify: bool,

    /// With --verify, CloudTrail's public keys as `aws cloudtrail list-public-keys` prints them; may be repeated
    /// [default: ask CloudTrail]
    #[arg(long, value_name = "FILE", requires = "verify", help_heading = "Store")]
    public_keys: Vec<PathBuf>,

    /// Only the folders of this day or later
    #[arg(long, value_name = "TIME", help_heading = "Range")]
    from: Option<String>,

    /// Only the folders of before this moment, and of --delivery-slack after it
    #[arg(long, value_name = "TIME", help_heading = "Range")]
    to: Option<String>,

    /// How to print what was read: as text on standard error, or as JSON on standard output
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    format: Printed,

    #[command(flatten)]
    pub(super) archive: ArchiveArgs,

    #[command(flatten)]
    pub(super) aws: AwsArgs,
}

const HELP: &str = "\
Times are a date (2026-10-01, today, yesterday), a time with its zone (2026-10-01T08:00Z, 2026-10-01 10:00:00+02:00) or an age
(36h, 7d, 2w). Everything is UTC. Of an object in range every record is kept, whatever its time.

With --verify the very bytes that are parsed are hashed and compared with the digests, of which the result is printed as
`mfatrail verify` does. What the store has and is not verified yet is read again; what is verified is not.

Examples:
  mfatrail scan fixtures/archive --store evidence
  mfatrail scan fixtures/archive --store evidence --format json
  mfatrail scan fixtures/archive --store evidence --from 2026-10-01 --to 2026-11-01
  MFATRAIL_STORE=evidence mfatrail scan s3://trail-bucket --from 40d
  mfatrail scan s3://trail-bucket --from 40d --to 2h --store evidence --verify

Exit status, the first that applies: 2 wrong usage; 4 the run failed; 3 done, but an object in range could not be read, or
nothing at all was, or with --verify not everything in range is proven; 0 done.";

pub(super) fn run(args: &ScanArgs, now: DateTime<Utc>) -> Result<Status, CliError> {
    let [from, to] = range(args.from.as_deref(), args.to.as_deref(), now)?;
    let sources = sources(&args.sources)?;
    let selection = selection(&args.archive, from, to)?;
    let options = options(&args.archive, &args.aws)?;
    let limits = Limits { objects: args.commit_every.get(), ..LIMITS };
    let keys = verify::read_keys(&args.public_keys)?;
    let bounds = Bounds { from, to };
    let plan = verify::Plan { sources: &sources, selection: &selection, options: &options, bounds, until: to, now };
    check_places(&sources, None, &selection, &options)?;
    let proven = args.verify.then(|| verify::prove(&plan, keys)).transpose()?;
    let proof = proven.as_ref().map(|proven| &proven.proof);
    let mut done = into_store(&args.store, &sources, &selection, &options, limits, proof, now)?;
    let checked = done.checker.take().zip(proven);
    let outcome = checked
        .map(|(checker, proven)| {
            let coverage = &done.scanned.coverage;
            let told = coverage.last_record.max(done.remembered);
            super::integrity::outcome(&plan, checker, proven.failures, &coverage.failures, told)
        })
        .transpose()?;
    let status = done.status(outcome.as_ref());
    done.warn();
    match args.format {
        Printed::Text => {
            done.say(&args.store);
            if let Some(outcome) = &outcome {
                say(&verify::text(outcome));
            }
        }
        Printed::Json => put_json(&done.document(&args.store, outcome.as_ref(), status))?,
    }
    Ok(status)
}

/// `--format json`.
#[derive(Serialize)]
struct Document<'d> {
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
    /// Overwritten in the archive after being read.
    objects_replaced: u64,
    bytes_compressed: u64,
    bytes_raw: u64,
    records: u64,
    events: u64,
    failures: &'d [ReadFailure],
    /// As `mfatrail verify --format json` has it; `null` without --verify.
    verification: Option<&'d Verification>,
}

/// What a scan into a store did.
pub(super) struct Done {
    kept: Kept,
    scanned: Scanned,
    /// Objects in range that an earlier scan found damaged.
    known_failures: u64,
    /// What the digests say of what was read, where that was asked.
    pub(super) checker: Option<Checker>,
    /// Of what earlier scans read of the same sources, the latest delivery.
    remembered: Option<DateTime<Utc>>,
}

/// Reads what the store does not have.
pub(super) fn into_store(
    dir: &Path,
    sources: &[Source],
    selection: &Selection,
    options: &Options<'_>,
    limits: Limits,
    proof: Option<&Arc<Proof>>,
    now: DateTime<Utc>,
) -> Result<Done, CliError> {
    if sources.contains(&Source::Stdin) {
        return Err(CliError::Usage(
            "standard input cannot be scanned into a store: nothing tells whether the store has it\n  hint: save it to a file, and scan that".to_owned(),
        ));
    }
    let sources_text = source_lines(sources);
    let writer = open(dir, &format!("mfatrail scan {}", sources_text.replace('\n', " ")), now)?;
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
    let run = Run {
        run: writer.next(),
        kind: RunKind::Scan,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: now,
        sources: sources_text,
        selection: selection.clone(),
        commit: writer.next() - 1,
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
    let sink = Sink::new(writer, Arc::clone(&index), limits, run, HashMap::new()).map_err(store_error)?;
    let (kept, scanned, checker) = visit(sink, sources, selection, options, &known, proof)?;
    Ok(Done { kept, scanned, known_failures: known_failures.into_inner(), checker, remembered })
}

/// Reads what is not `known` into a sink.
pub(super) fn visit(
    sink: Sink,
    sources: &[Source],
    selection: &Selection,
    options: &Options<'_>,
    known: &(dyn Fn(&ObjectRef) -> bool + Sync),
    proof: Option<&Arc<Proof>>,
) -> Result<(Kept, Scanned, Option<Checker>), CliError> {
    let skipped = |object: &ObjectRef| sink.skipped(object);
    let options = Options { known: Some(known), skipped: Some(&skipped), ..options.clone() };
    let make = || Keep::new(&sink).checked(proof.map(|proof| Checker::new(Arc::clone(proof))));
    let scanned = progress::shown(&options.progress, || pipeline::scan(sources, selection, &options, &make));
    // What was read before a source failed is kept: the next scan continues from there.
    let (checker, scanned) = match scanned {
        Ok((keep, scanned)) => (keep.into_checker(), Ok(scanned)),
        Err(error) => (None, Err(error)),
    };
    let whole = scanned.as_ref().is_ok_and(|scanned| !scanned.stopped);
    let (kept, _writer) = sink.finish(whole).map_err(store_error)?;
    log::traffic_summary();
    let scanned = scanned.map_err(CliError::failed)?;
    if scanned.stopped {
        return Err(interrupt::stopped(
            &scanned,
            "what was read is in the store, and the next scan continues from there",
        ));
    }
    Ok((kept, scanned, checker))
}

/// Opens a store for writing.
pub(super) fn open(dir: &Path, command: &str, now: DateTime<Utc>) -> Result<Writer, CliError> {
    Writer::open(dir, &holder(command, now)).map_err(store_error)
}

/// Who writes.
pub(super) fn holder(command: &str, now: DateTime<Utc>) -> Holder {
    Holder { pid: std::process::id(), command: command.to_owned(), started_at: now }
}

/// A folder that is no store, or none that this build reads, is a wrong argument; everything else is a failure.
pub(super) fn store_error(error: StoreError) -> CliError {
    match error {
        StoreError::Absent(_) | StoreError::Occupied { .. } | StoreError::Schema { .. } => CliError::usage(error),
        _ => CliError::failed(error),
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
pub(super) fn note_report(dir: &Path, selection: &Selection, period: Period, commit: u64, now: DateTime<Utc>) {
    let noted = open(dir, "mfatrail report", now).and_then(|mut writer| {
        let run = Run {
            run: writer.next(),
            kind: RunKind::Report,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: now,
            sources: String::new(),
            selection: Selection { from: Some(period.from), to: Some(period.to), ..selection.clone() },
            commit,
        };
        store::record(&mut writer, run).map_err(store_error)
    });
    if let Err(error) = noted {
        let reason = error.message().lines().next().unwrap_or_default().to_owned();
        say(&format!(
            "warning: this report is not noted in the store: a later one will not say what has changed since: {reason}"
        ));
    }
}

/// What a report from a store must say that one from the archive has no reason to.
pub(super) fn notices(found: &Found) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Some(arrived) = &found.arrived {
        notices.push(Notice {
            code: "restatement",
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
            code: "other-sources",
            text: format!(
                "the store holds {}: this report covers them, too (hint: `--only-source` leaves them out)",
                some(&found.beside, "object", "objects", "that SOURCE does not have")
            ),
        });
    }
    if !found.replaced.is_empty() {
        notices.push(Notice {
            code: "object-replaced",
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

pub(super) fn warn(scanned: &Scanned) {
    let coverage = &scanned.coverage;
    for failure in coverage.failures.iter().take(NAMED) {
        say(&format!("warning: {}: {}", terminal_text(&failure.object), terminal_text(&failure.error)));
    }
    if coverage.failures.len() > NAMED {
        say(&format!("warning: and {} more", coverage.failures.len() - NAMED));
    }
}

impl Done {
    /// Whether there was anything in range.
    fn anything(&self) -> bool {
        self.scanned.coverage.objects_read > 0 || self.scanned.objects_known > 0
    }

    fn status(&self, outcome: Option<&Verification>) -> Status {
        let read = self.scanned.coverage.failures.is_empty() && self.known_failures == 0;
        let whole = outcome.is_none_or(|outcome| outcome.whole);
        if self.anything() && read && whole { Status::Done } else { Status::Incomplete }
    }

    fn document<'d>(&'d self, dir: &Path, outcome: Option<&'d Verification>, status: Status) -> Document<'d> {
        let coverage = &self.scanned.coverage;
        Document {
            schema: "mfatrail.scan/1",
            tool: THIS,
            store: dir.display().to_string(),
            complete: status == Status::Done,
            objects_listed: coverage.objects_listed,
            objects_read: coverage.objects_read,
            objects_failed: coverage.objects_failed,
            objects_skipped: coverage.objects_skipped,
            objects_known: self.scanned.objects_known,
            objects_known_failed: self.known_failures,
            objects_replaced: self.kept.replaced,
            bytes_compressed: coverage.bytes_compressed,
            bytes_raw: coverage.bytes_raw,
            records: coverage.records,
            events: self.kept.events,
            failures: &coverage.failures,
            verification: outcome,
        }
    }

    fn warn(&self) {
        warn(&self.scanned);
        if self.known_failures > 0 {
            say(&format!(
                "warning: {} found damaged by an earlier scan\n  hint: `mfatrail store` counts them, `mfatrail store retry` reads them again",
                units::plural(self.known_failures, "object was", "objects were")
            ));
        }
        if self.kept.replaced > 0 {
            say(&format!(
                "warning: {} overwritten in the archive after being read, which CloudTrail never does",
                units::plural(self.kept.replaced, "object was", "objects were")
            ));
        }
        if !self.anything() {
            say("warning: no object at all was read: that shows nothing, not that nothing happened");
        }
    }

    fn say(&self, dir: &Path) {
        let coverage = &self.scanned.coverage;
        let passed_over = passed_over(&self.scanned);
        say(&format!(
            "{} read ({}, {} inflated), {} failed, {} skipped by intent{passed_over}; {} known before and not read again",
            units::plural(coverage.objects_read, "object", "objects"),
            units::readable_size(coverage.bytes_compressed),
            units::readable_size(coverage.bytes_raw),
            units::count(coverage.objects_failed),
            units::count(coverage.objects_skipped),
            units::count(self.scanned.objects_known),
        ));
        say(&format!("{} kept in `{}`", units::plural(self.kept.events, "event", "events"), dir.display()));
    }
}

/// What of the objects read is no record, and was passed over by design.
pub(super) fn passed_over(scanned: &Scanned) -> String {
    let (one, many) = ("Insight record or control message", "Insight records and control messages");
    match scanned.records_passed_over {
        0 => String::new(),
        count => format!(", {} passed over", units::plural(count, one, many)),
    }
}
