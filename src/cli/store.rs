//! `mfatrail store`: what a store holds, whether it is sound, and what failed once more.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table};

use super::archive::{archive, selection};
use super::args::{ArchiveArgs, AwsArgs};
use super::exit::Status;
use super::messages::say_failures;
use super::{Printed, put, put_json, say};
use crate::app::store::{self, StoreCoverage};
use crate::app::{Error, Run, rfc3339};
use crate::escape::terminal as terminal_text;
use crate::store::Flaw;
use crate::units::{self, plural};

/// Show what an evidence store covers: accounts, regions, days, gaps, failures and size
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct StoreArgs {
    /// The evidence store
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE", global = true)]
    store: Option<PathBuf>,

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
    /// Read the objects again that could not be read
    #[command(after_long_help = RETRY_HELP)]
    Retry(Box<RetryArgs>),
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Printed,
}

#[derive(Debug, Args)]
struct RetryArgs {
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

const RETRY_HELP: &str = "\
A folder that could not be listed is not retried: scan its source again.

Examples:
  mfatrail store retry --store evidence
  mfatrail store retry --store evidence --inflate-limit 4GiB";

pub(super) fn run(args: &StoreArgs, run: Run<'_>) -> Result<Status, Error> {
    let dir = args.store.as_deref().ok_or_else(|| {
        Error::Input("`--store` is missing\n  hint: give --store DIR, or set MFATRAIL_STORE".to_owned())
    })?;
    match &args.command {
        None => show(dir, args.format),
        Some(_) if args.format != Printed::Text => Err(Error::Input(
            "`--format` is given before the subcommand\n  hint: `mfatrail store check --format json`".to_owned(),
        )),
        Some(StoreCommand::Check(args)) => check(dir, args.format),
        Some(StoreCommand::Retry(args)) => retry(dir, args, run),
    }
}

fn show(dir: &Path, format: Printed) -> Result<Status, Error> {
    let covered = store::coverage(dir)?;
    match format {
        Printed::Text => show_text(dir, &covered)?,
        Printed::Json => put_json(&covered)?,
    }
    if covered.objects_failed > 0 {
        say(&format!(
            "warning: {} could not be read\n  hint: `mfatrail store retry` reads them again",
            plural(covered.objects_failed, "object", "objects")
        ));
    }
    Ok(Status::of(covered.objects_failed == 0))
}

fn show_text(dir: &Path, covered: &StoreCoverage) -> Result<(), Error> {
    put(&format!(
        "{}: {}, {}; {} read, {} failed, {} deliberately skipped, {} replaced; {}, {}",
        dir.display(),
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

fn check(dir: &Path, format: Printed) -> Result<Status, Error> {
    let checked = store::check(dir)?;
    match format {
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

fn retry(dir: &Path, args: &RetryArgs, run: Run<'_>) -> Result<Status, Error> {
    let selection = selection(&args.archive, None, None)?;
    let archive = archive(Vec::new(), &args.archive, &args.aws)?;
    let outcome = store::retry(dir, selection, archive, run)?;
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
