//! `mfatrail scan`.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::archive::{archive, range, say_plan, selection, sources};
use super::args::{ArchiveArgs, AwsArgs};
use super::exit::Status;
use super::{Printed, put_json, say, verify as printed};
use crate::app::archive::check_places;
use crate::app::scan::{Done, LIMITS, into_store, plan};
use crate::app::{Error, Run, THIS, integrity, verify};
use crate::contract::{ReadFailure, Tool};
use crate::digest::{Bounds, Verification};
use crate::escape::terminal as terminal_text;
use crate::pipeline::Scanned;
use crate::store::Limits;
use crate::units;

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

    /// Say what would be read: objects, bytes, requests to S3 and their price; read nothing but one object of each bucket
    #[arg(long, conflicts_with = "verify", help_heading = "Store")]
    dry_run: bool,

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
  mfatrail scan s3://trail-bucket --store evidence --from 40d --dry-run
  MFATRAIL_STORE=evidence mfatrail scan s3://trail-bucket --from 40d
  mfatrail scan s3://trail-bucket --from 40d --to 2h --store evidence --verify

Exit status, the first that applies: 2 wrong usage; 4 the run failed; 3 done, but an object in range could not be read, or
nothing at all was, or with --verify not everything in range is proven; 0 done.";

pub(super) fn run(args: &ScanArgs, run: Run<'_>) -> Result<Status, Error> {
    let [from, to] = range(args.from.as_deref(), args.to.as_deref(), run.now)?;
    let sources = sources(&args.sources)?;
    let selection = selection(&args.archive, from, to)?;
    let archive = archive(sources, &args.archive, &args.aws)?;
    let limits = Limits { objects: args.commit_every.get(), ..LIMITS };
    let keys = verify::read_keys(&args.public_keys)?;
    let task = verify::Task { archive: &archive, selection: &selection, bounds: Bounds { from, to }, until: to, run };
    check_places(&archive, None, &selection)?;
    if args.dry_run {
        return say_plan(&plan(&args.store, &archive, &selection)?, &selection);
    }
    let proven = args.verify.then(|| verify::prove(&task, keys)).transpose()?;
    let proof = proven.as_ref().map(|proven| &proven.proof);
    let mut done = into_store(&args.store, &archive, &selection, limits, proof, run)?;
    let checked = done.checker.take().zip(proven);
    let outcome = checked
        .map(|(checker, proven)| {
            let coverage = &done.scanned.coverage;
            let told = coverage.last_record.max(done.remembered);
            integrity::outcome(&task, checker, proven.failures, &coverage.failures, told)
        })
        .transpose()?;
    let status = Status::of(done.complete(outcome.as_ref()));
    warn_of(&done);
    match args.format {
        Printed::Text => {
            summarize(&done, &args.store);
            if let Some(outcome) = &outcome {
                say(&printed::text(outcome));
            }
        }
        Printed::Json => put_json(&document(&done, &args.store, outcome.as_ref(), status))?,
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

pub(super) fn warn(scanned: &Scanned) {
    let coverage = &scanned.coverage;
    for failure in coverage.failures.iter().take(NAMED) {
        say(&format!("warning: {}: {}", terminal_text(&failure.object), terminal_text(&failure.error)));
    }
    if coverage.failures.len() > NAMED {
        say(&format!("warning: and {} more", coverage.failures.len() - NAMED));
    }
}

fn document<'d>(done: &'d Done, dir: &Path, outcome: Option<&'d Verification>, status: Status) -> Document<'d> {
    let coverage = &done.scanned.coverage;
    Document {
        schema: "mfatrail.scan/1",
        tool: THIS,
        store: dir.display().to_string(),
        complete: status == Status::Done,
        objects_listed: coverage.objects_listed,
        objects_read: coverage.objects_read,
        objects_failed: coverage.objects_failed,
        objects_skipped: coverage.objects_skipped,
        objects_known: done.scanned.objects_known,
        objects_known_failed: done.known_failures,
        objects_replaced: done.kept.replaced,
        bytes_compressed: coverage.bytes_compressed,
        bytes_raw: coverage.bytes_raw,
        records: coverage.records,
        events: done.kept.events,
        failures: &coverage.failures,
        verification: outcome,
    }
}

fn warn_of(done: &Done) {
    warn(&done.scanned);
    if done.known_failures > 0 {
        say(&format!(
            "warning: {} found damaged by an earlier scan\n  hint: `mfatrail store` counts them, `mfatrail store retry` reads them again",
            units::plural(done.known_failures, "object was", "objects were")
        ));
    }
    if done.kept.replaced > 0 {
        say(&format!(
            "warning: {} overwritten in the archive after being read, which CloudTrail never does",
            units::plural(done.kept.replaced, "object was", "objects were")
        ));
    }
    if !done.anything() {
        say("warning: no object at all was read: that shows nothing, not that nothing happened");
    }
}

fn summarize(done: &Done, dir: &Path) {
    let coverage = &done.scanned.coverage;
    let passed_over = passed_over(&done.scanned);
    say(&format!(
        "{} read ({}, {} inflated), {} failed, {} skipped by intent{passed_over}; {} known before and not read again",
        units::plural(coverage.objects_read, "object", "objects"),
        units::readable_size(coverage.bytes_compressed),
        units::readable_size(coverage.bytes_raw),
        units::count(coverage.objects_failed),
        units::count(coverage.objects_skipped),
        units::count(done.scanned.objects_known),
    ));
    say(&format!("{} kept in `{}`", units::plural(done.kept.events, "event", "events"), dir.display()));
}

/// What of the objects read is no record, and was passed over by design.
pub(super) fn passed_over(scanned: &Scanned) -> String {
    let (one, many) = ("Insight record or control message", "Insight records and control messages");
    match scanned.records_passed_over {
        0 => String::new(),
        count => format!(", {} passed over", units::plural(count, one, many)),
    }
}
