//! `mfatrail scan`.

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::Args;

use super::archive::{Rates, archive, place, range, say_plan, selection, sources};
use super::args::{ArchiveArgs, AwsArgs, CacheArgs};
use super::exit::Status;
use super::messages::{NOTHING_READ, outcomes, say_failures};
use super::{Printed, inform, put_json, say, verify};
use crate::app::scan::{LIMITS, ScanOutcome, ScanRequest, plan, scan};
use crate::app::{Error, Run};
use crate::source::Shard;
use crate::store::Place;
use crate::units;

/// Read an archive into an evidence store
///
/// Reads only objects that are not in the store yet, by location, entity tag and size, so late deliveries are found whenever they
/// arrive. A scan can be stopped at any time: what is committed stays, and the next scan continues from there.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct ScanArgs {
    /// The archive: s3://bucket/prefix, a directory or a file
    #[arg(value_name = "SOURCE", required = true)]
    pub(super) sources: Vec<OsString>,

    /// The evidence store, a directory or s3://bucket/prefix; created if missing
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE", help_heading = "Store")]
    pub(super) store: PathBuf,

    #[command(flatten, next_help_heading = "Store")]
    cache: CacheArgs,

    /// Read only this shard of the archive, such as 3/8: N scans with shards 1/N to N/N, into one store, read all of it
    #[arg(
        long,
        value_name = "I/N",
        default_value = "1/1",
        hide_default_value = true,
        conflicts_with = "verify",
        help_heading = "Store"
    )]
    shard: Shard,

    /// Commit after this many objects: a scan that is stopped loses at most this many
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(LIMITS.objects).unwrap_or(NonZeroUsize::MIN), help_heading = "Store")]
    commit_every: NonZeroUsize,

    /// Say what would be read: objects, bytes, requests to S3, their price and about how long it takes; read nothing but one object
    /// of each bucket
    #[arg(long, conflicts_with = "verify", help_heading = "Store")]
    dry_run: bool,

    /// With --dry-run, the time for this many machines with two processors each [default: 1, 8 and 64]
    #[arg(long, value_name = "N", requires = "dry_run", conflicts_with = "shard", help_heading = "Store")]
    machines: Option<NonZeroU32>,

    /// Verify the archive against CloudTrail's digest files while reading it, and store the result for every object
    #[arg(long, help_heading = "Store")]
    pub(super) verify: bool,

    /// With --verify, CloudTrail's public keys, as `aws cloudtrail list-public-keys` prints them; may be repeated
    /// [default: fetch them from CloudTrail]
    #[arg(long, value_name = "FILE", requires = "verify", help_heading = "Store")]
    pub(super) public_keys: Vec<PathBuf>,

    /// Only date folders from this day on
    #[arg(long, value_name = "TIME", help_heading = "Range")]
    from: Option<String>,

    /// Only date folders before this time, extended by --delivery-slack
    #[arg(long, value_name = "TIME", help_heading = "Range")]
    to: Option<String>,

    /// Print the result as text on standard error, or as JSON on standard output
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    format: Printed,

    #[command(flatten)]
    pub(super) archive: ArchiveArgs,

    #[command(flatten)]
    pub(super) aws: AwsArgs,
}

const HELP: &str = "\
A TIME is a date (2026-10-01, today, yesterday), a time with its zone (2026-10-01T08:00Z, 2026-10-01 10:00:00+02:00) or an age
(36h, 7d, 2w). Everything is UTC. All records of an object in range are stored, whatever their time.

With --verify, the bytes that are parsed are also hashed and compared with the digests, and the result is printed as by
`mfatrail verify`. Objects in the store that are not verified yet are read again; verified ones are not.

With --shard, an object belongs to a shard by a hash of its key below SOURCE, whatever else the archive holds. All N scans must have
the same SOURCE and range: give times, not ages. Until all have ended, reports from the store are incomplete and name the shards that
are missing. An archive is verified as a whole, not by shards.

Examples:
  mfatrail scan fixtures/archive --store evidence
  mfatrail scan fixtures/archive --store evidence --format json
  mfatrail scan fixtures/archive --store evidence --from 2026-10-01 --to 2026-11-01
  mfatrail scan s3://trail-bucket --store evidence --from 40d --dry-run --machines 16
  MFATRAIL_STORE=evidence mfatrail scan s3://trail-bucket --from 40d
  mfatrail scan s3://trail-bucket --from 40d --to 2h --store evidence --verify
  mfatrail scan s3://trail-bucket --from 2026-01-01 --store s3://evidence-bucket/mfatrail --shard 3/8

Exit status, the first that applies: 2 wrong usage; 4 the run failed; 3 done, but an object in range could not be read, there
was none, or with --verify not everything in range is proven; 0 done.";

pub(super) fn run(args: &ScanArgs, run: Run<'_>) -> Result<Status, Error> {
    let [from, to] = range(args.from.as_deref(), args.to.as_deref(), run.now)?;
    let sources = sources(&args.sources)?;
    let mut archive = archive(sources, &args.archive, &args.aws)?;
    archive.options.shard = args.shard;
    let request = ScanRequest {
        store: place(&args.store, &args.cache, &archive.options.s3)?,
        selection: selection(&args.archive, from, to)?,
        commit_every: args.commit_every.get(),
        verify: args.verify,
        public_keys: args.public_keys.clone(),
        proven: None,
    };
    if args.dry_run {
        let is_shared = args.shard == Shard::WHOLE;
        let plan = plan(&request.store, &archive, &request.selection)?;
        return say_plan(&plan, &request.selection, Rates::SCAN, args.machines, is_shared);
    }
    let outcome = scan(&request, &archive, run)?;
    warn(&outcome);
    match args.format {
        Printed::Text => summarize(&outcome, &request.store),
        Printed::Json => put_json(&outcome.document(&request.store))?,
    }
    Ok(Status::of(outcome.complete))
}

fn warn(outcome: &ScanOutcome) {
    say_failures(&outcome.scanned.coverage.failures);
    if outcome.failed_before > 0 {
        say(&format!(
            "warning: {} damaged when an earlier scan read them\n  hint: `mfatrail store` counts them; `mfatrail store retry` reads them again",
            units::plural(outcome.failed_before, "object was", "objects were")
        ));
    }
    if outcome.ingested.replaced > 0 {
        say(&format!(
            "warning: {} overwritten in the archive after being read, which CloudTrail never does",
            units::plural(outcome.ingested.replaced, "object was", "objects were")
        ));
    }
    if outcome.is_empty() {
        say(NOTHING_READ);
    }
}

fn summarize(outcome: &ScanOutcome, store: &Place) {
    let elsewhere = match outcome.scanned.objects_elsewhere {
        0 => String::new(),
        elsewhere => format!("; {} in other shards", units::count(elsewhere)),
    };
    inform(&format!(
        "{} read {}; {} already in the store{elsewhere}",
        units::plural(outcome.scanned.coverage.objects_read, "object", "objects"),
        outcomes(&outcome.scanned),
        units::count(outcome.scanned.objects_known),
    ));
    inform(&format!("stored {} in `{}`", units::plural(outcome.ingested.events, "event", "events"), store));
    if let Some(verification) = &outcome.verification {
        say(&verify::text(verification));
    }
}
