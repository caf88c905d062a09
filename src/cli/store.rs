//! `mfatrail store`: what a store holds, whether it is sound, and what failed once more.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table};

use super::archive::{archive, place, place_alone, selection};
use super::args::{ArchiveArgs, AwsArgs, CacheArgs, PlaceArgs};
use super::exit::Status;
use super::messages::say_failures;
use super::{Printed, put, put_json, say};
use crate::app::store::{self, StoreCoverage};
use crate::app::{Error, Run, rfc3339};
use crate::contract::ReadFailure;
use crate::escape::terminal as terminal_text;
use crate::store::{Flaw, Place};
use crate::units::{self, plural};

/// Show what an evidence store covers: accounts, regions, days, gaps, failures and size
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct StoreArgs {
    /// The evidence store: a directory or s3://bucket/prefix
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE", global = true)]
    store: Option<PathBuf>,

    #[command(flatten)]
    place: PlaceArgs,

    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Printed,

    #[command(subcommand)]
    command: Option<StoreCommand>,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Check every file: bytes, columns, rows, and whether they agree with each other
    #[command(after_long_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Merge several stores into one, as if all had been scanned into it
    #[command(after_long_help = MERGE_HELP)]
    Merge(MergeArgs),
    /// Read the objects again that could not be read
    #[command(after_long_help = RETRY_HELP)]
    Retry(Box<RetryArgs>),
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// First remove what killed writers left behind: in a bucket, files older than a day that no commit lists
    #[arg(long)]
    repair: bool,

    #[command(flatten)]
    place: PlaceArgs,

    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Printed,
}

#[derive(Debug, Args)]
struct MergeArgs {
    /// The stores, directories or s3://bucket/prefix: the last takes over the others, and is created if missing
    #[arg(value_name = "STORE", required = true, num_args = 2..)]
    stores: Vec<PathBuf>,

    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Args)]
struct RetryArgs {
    #[command(flatten)]
    cache: CacheArgs,

    #[command(flatten)]
    pub(super) archive: ArchiveArgs,

    #[command(flatten)]
    pub(super) aws: AwsArgs,
}

const HELP: &str = "\
Examples:
  mfatrail store --store evidence
  mfatrail store --store evidence --format json
  mfatrail store check --store evidence
  mfatrail store retry --store evidence

Exit status, the first that applies: 2 wrong usage; 4 the run failed; 3 objects in the store could not be read, or the check
found damage; 0 done.";

const CHECK_HELP: &str = "\
Examples:
  mfatrail store check --store evidence
  MFATRAIL_STORE=evidence mfatrail store check";

const MERGE_HELP: &str = "\
An object that several stores hold is in the result once; of two versions of an object, the one that was read later counts. A merge
that was stopped can be run again. The stores that are merged are not changed. The result does not know which reports were made from
them.

Examples:
  mfatrail scan fixtures/archive --store evidence-1 --shard 1/2
  mfatrail scan fixtures/archive --store evidence-2 --shard 2/2
  mfatrail store merge evidence-1 evidence-2 merged";

const RETRY_HELP: &str = "\
A folder that could not be listed is not retried: scan its source again.

Examples:
  mfatrail store retry --store evidence
  mfatrail store retry --store evidence --inflate-limit 4GiB";

impl StoreArgs {
    /// The stores of the command line, and whether they are written.
    pub(super) fn stores(&self) -> Vec<(PathBuf, bool)> {
        let is_written = match &self.command {
            Some(StoreCommand::Merge(args)) => {
                let last = args.stores.len().saturating_sub(1);
                return args.stores.iter().enumerate().map(|(at, store)| (store.clone(), at == last)).collect();
            }
            Some(StoreCommand::Check(args)) => args.repair,
            Some(StoreCommand::Retry(_)) => true,
            None => false,
        };
        self.store.iter().map(|store| (store.clone(), is_written)).collect()
    }
}

pub(super) fn run(args: &StoreArgs, run: Run<'_>) -> Result<Status, Error> {
    if let Some(StoreCommand::Merge(args)) = &args.command {
        return merge(args, run);
    }
    let dir = args.store.as_deref().ok_or_else(|| {
        Error::Input("`--store` is missing\n  hint: give --store DIR, or set MFATRAIL_STORE".to_owned())
    })?;
    match &args.command {
        None => show(&place_alone(dir, &args.place)?, args.format),
        Some(_) if args.format != Printed::Text => Err(Error::Input(
            "`--format` is given before the subcommand\n  hint: `mfatrail store check --format json`".to_owned(),
        )),
        Some(StoreCommand::Check(args)) => check(&place_alone(dir, &args.place)?, args, run),
        Some(StoreCommand::Merge(args)) => merge(args, run),
        Some(StoreCommand::Retry(args)) => retry(dir, args, run),
    }
}

fn show(place: &Place, format: Printed) -> Result<Status, Error> {
    let covered = store::coverage(place)?;
    match format {
        Printed::Text => show_text(place, &covered)?,
        Printed::Json => put_json(&covered)?,
    }
    for ReadFailure { object, error } in &covered.unfinished {
        say(&terminal_text(&format!("warning: {object}: {error}")));
    }
    let failed = covered.objects_failed - covered.unfinished.len() as u64;
    if failed > 0 {
        say(&format!(
            "warning: {} could not be read\n  hint: `mfatrail store retry` reads them again",
            plural(failed, "object", "objects")
        ));
    }
    Ok(Status::of(covered.objects_failed == 0))
}

fn show_text(place: &Place, covered: &StoreCoverage) -> Result<(), Error> {
    put(&format!(
        "{}: {}, {}; {} read, {} failed, {} deliberately skipped, {} replaced; {}, {}",
        place,
        plural(covered.files, "file", "files"),
        units::readable_size(covered.bytes),
        plural(covered.objects_read, "object", "objects"),
        covered.objects_failed,
        covered.objects_skipped,
        covered.objects_replaced,
        plural(covered.records, "record", "records"),
        plural(covered.events, "event", "events"),
    ))?;
    if let Some(last) = covered.last_scan_at {
        put(&format!("{}; the last scan began at {}", plural(covered.runs, "run", "runs"), rfc3339(last)))?;
    }
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header([
        "account",
        "region",
        "first day",
        "last day",
        "days without objects",
        "read",
        "failed",
        "records",
        "events",
        "bytes",
    ]);
    for column in table.column_iter_mut().skip(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let day = |day: Option<NaiveDate>| day.map_or_else(|| "-".to_owned(), |day| day.to_string());
    for region in &covered.coverage {
        table.add_row([
            terminal_text(region.account.as_deref().unwrap_or("-")),
            terminal_text(region.region.as_deref().unwrap_or("-")),
            day(region.first_day),
            day(region.last_day),
            region.days_without_objects.to_string(),
            region.objects_read.to_string(),
            region.objects_failed.to_string(),
            region.records.to_string(),
            region.events.to_string(),
            units::readable_size(region.bytes),
        ]);
    }
    table.lines().try_for_each(|line| put(line.trim_end()))
}

/// How many consequences of one flaw are shown; `--format json` has all.
const SHOWN: usize = 10;

fn check(place: &Place, args: &CheckArgs, run: Run<'_>) -> Result<Status, Error> {
    if args.repair {
        let removed = store::repair(place, run)?;
        removed.iter().for_each(|path| say(&terminal_text(&format!("removed {path}"))));
        say(&format!("removed {} that no commit lists", plural(removed.len(), "file", "files")));
    }
    let checked = store::check(place)?;
    match args.format {
        Printed::Text => checked.flaws.iter().try_for_each(put_flaw)?,
        Printed::Json => put_json(&checked)?,
    }
    say(&format!(
        "{} with {} checked, {}",
        plural(checked.files, "file", "files"),
        plural(checked.rows, "row", "rows"),
        plural(checked.flaws.len(), "problem", "problems")
    ));
    if !checked.sound {
        say("  hint: restore the files listed above from a copy of the store, or scan the archive into a new store");
    }
    Ok(Status::of(checked.sound))
}

fn put_flaw(flaw: &Flaw) -> Result<(), Error> {
    put(&terminal_text(&flaw.what))?;
    for consequence in flaw.consequences.iter().take(SHOWN) {
        put(&format!("  therefore {}", terminal_text(consequence)))?;
    }
    match flaw.consequences.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => put(&format!("  and {more} more (hint: `--format json` lists all)")),
    }
}

fn merge(args: &MergeArgs, run: Run<'_>) -> Result<Status, Error> {
    let places: Vec<Place> =
        args.stores.iter().map(|store| place_alone(store, &args.place)).collect::<Result<_, _>>()?;
    let Some((into, from)) = places.split_last() else { return Ok(Status::Done) };
    for (place, merged) in from.iter().zip(store::merge(from, into, run)?) {
        let replaced = match merged.replaced {
            0 => String::new(),
            replaced => format!("; {} with two versions", plural(replaced, "object", "objects")),
        };
        say(&format!(
            "`{place}`: {} merged, {} already in the store{replaced}",
            plural(merged.objects, "object", "objects"),
            units::count(merged.known)
        ));
    }
    Ok(Status::Done)
}

fn retry(dir: &Path, args: &RetryArgs, run: Run<'_>) -> Result<Status, Error> {
    let selection = selection(&args.archive, None, None)?;
    let archive = archive(Vec::new(), &args.archive, &args.aws)?;
    let place = place(dir, &args.cache, &archive.options.s3)?;
    let outcome = store::retry(place, selection, archive, run)?;
    say_failures(&outcome.scanned.coverage.failures);
    say(&format!(
        "{} of {} read now, with {}; {} still cannot be read",
        outcome.scanned.coverage.objects_read,
        plural(outcome.failed_before, "object", "objects"),
        plural(outcome.events, "event", "events"),
        outcome.still_failed
    ));
    Ok(Status::of(outcome.still_failed == 0))
}
