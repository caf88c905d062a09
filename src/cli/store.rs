//! `mfatrail store`: what a store holds, whether it is sound, and what failed once more.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::archive::{archive, selection};
use super::args::{ArchiveArgs, AwsArgs};
use super::exit::Status;
use super::scan::warn;
use super::{Printed, put, put_json, say};
use crate::app::archive::check_places;
use crate::app::scan::{LIMITS, open, store_error, visit};
use crate::app::{Archive, Error, Run, THIS, rfc3339};
use crate::contract::Tool;
use crate::escape::terminal as terminal_text;
use crate::source::{Selection, Source};
use crate::store::{self, BatchSink, Checked, Index, ObjectRow, RunKind, Store};
use crate::units::{self, plural};

/// Show what the evidence store covers: accounts, regions, days, gaps, failures and size
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct StoreArgs {
    /// The evidence store
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE", global = true)]
    store: Option<PathBuf>,

    /// How to print what the store covers
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Printed,

    #[command(subcommand)]
    command: Option<StoreCommand>,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Verify every file: bytes, columns, rows, and what they say of each other
    #[command(after_long_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Read again what could not be read
    #[command(after_long_help = RETRY_HELP)]
    Retry(Box<RetryArgs>),
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// How to print what was found
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
What could not even be listed is not retried: scan its source again.

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

/// `store --format json`.
#[derive(Serialize)]
struct Covered<'s> {
    schema: &'static str,
    tool: Tool,
    store: String,
    files: usize,
    bytes: u64,
    objects_read: u64,
    objects_failed: u64,
    objects_skipped: u64,
    objects_replaced: u64,
    records: u64,
    events: u64,
    runs: usize,
    last_scan_at: Option<DateTime<Utc>>,
    coverage: Vec<Region<'s>>,
}

/// One account's region; `null` where the objects' names tell neither.
#[derive(Serialize)]
struct Region<'s> {
    account: Option<&'s str>,
    region: Option<&'s str>,
    first_day: Option<NaiveDate>,
    last_day: Option<NaiveDate>,
    days_without_objects: u64,
    objects_read: u64,
    objects_failed: u64,
    records: u64,
    events: u64,
    bytes: u64,
}

/// `store check --format json`.
#[derive(Serialize)]
struct Soundness<'c> {
    schema: &'static str,
    tool: Tool,
    store: String,
    sound: bool,
    files: u64,
    rows: u64,
    flaws: &'c [store::Flaw],
}

/// What is there of one account's region.
#[derive(Default)]
struct Line {
    days: BTreeSet<NaiveDate>,
    read: u64,
    failed: u64,
    skipped: u64,
    replaced: u64,
    records: u64,
    events: u64,
    bytes: u64,
}

impl Line {
    fn add(&mut self, row: &ObjectRow) {
        match row.status {
            store::Status::Read => self.read += 1,
            store::Status::Failed => self.failed += 1,
            store::Status::Skipped => self.skipped += 1,
            store::Status::Replaced => self.replaced += 1,
        }
        if matches!(row.status, store::Status::Read | store::Status::Failed) {
            self.days.extend(row.day);
        }
        self.records += row.records;
        self.events += row.events;
        self.bytes += row.stored_bytes;
    }

    fn of<'s>(&self, account: &'s Option<String>, region: &'s Option<String>) -> Region<'s> {
        Region {
            account: account.as_deref(),
            region: region.as_deref(),
            first_day: self.days.first().copied(),
            last_day: self.days.last().copied(),
            days_without_objects: self.gaps(),
            objects_read: self.read,
            objects_failed: self.failed,
            records: self.records,
            events: self.events,
            bytes: self.bytes,
        }
    }

    /// Days without any object between the first and the last.
    fn gaps(&self) -> u64 {
        match (self.days.first(), self.days.last()) {
            (Some(first), Some(last)) => {
                let all = last.signed_duration_since(*first).num_days() + 1;
                u64::try_from(all).unwrap_or_default().saturating_sub(self.days.len() as u64)
            }
            _ => 0,
        }
    }
}

fn show(dir: &Path, format: Printed) -> Result<Status, Error> {
    let mut store = Store::open(dir).map_err(store_error)?;
    let (lines, sum) = store.consistently(coverage).map_err(store_error)?;
    let runs = store.consistently(|store| store.runs()).map_err(store_error)?;
    let last = runs.iter().rev().find(|run| run.kind == RunKind::Scan).map(|run| run.started_at);
    match format {
        Printed::Text => show_text(dir, store.size(), (&lines, &sum), (runs.len(), last))?,
        Printed::Json => {
            let (files, bytes) = store.size();
            put_json(&Covered {
                schema: "mfatrail.store/1",
                tool: THIS,
                store: dir.display().to_string(),
                files,
                bytes,
                objects_read: sum.read,
                objects_failed: sum.failed,
                objects_skipped: sum.skipped,
                objects_replaced: sum.replaced,
                records: sum.records,
                events: sum.events,
                runs: runs.len(),
                last_scan_at: last,
                coverage: lines.iter().map(|((account, region), line)| line.of(account, region)).collect(),
            })?;
        }
    }
    if sum.failed > 0 {
        say(&format!(
            "warning: {} could not be read\n  hint: `mfatrail store retry` reads them again",
            plural(sum.failed, "object", "objects")
        ));
    }
    Ok(if sum.failed > 0 { Status::Incomplete } else { Status::Done })
}

fn show_text(
    dir: &Path,
    (files, bytes): (usize, u64),
    (lines, sum): (&Lines, &Line),
    (runs, last): (usize, Option<DateTime<Utc>>),
) -> Result<(), Error> {
    put(&format!(
        "{}: {}, {}; {} read, {} failed, {} skipped by intent, {} replaced; {}, {}",
        dir.display(),
        plural(files, "file", "files"),
        units::readable_size(bytes),
        plural(sum.read, "object", "objects"),
        sum.failed,
        sum.skipped,
        sum.replaced,
        plural(sum.records, "record", "records"),
        plural(sum.events, "event", "events"),
    ))?;
    if let Some(last) = last {
        put(&format!("{}; the last scan began at {}", plural(runs, "run", "runs"), rfc3339(last)))?;
    }
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header([
        "account",
        "region",
        "first day",
        "last day",
        "days without",
        "read",
        "failed",
        "records",
        "events",
        "bytes",
    ]);
    for column in table.column_iter_mut().skip(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for ((account, region), line) in lines {
        let day = |day: Option<&NaiveDate>| day.map_or_else(|| "-".to_owned(), ToString::to_string);
        table.add_row([
            terminal_text(account.as_deref().unwrap_or("-")),
            terminal_text(region.as_deref().unwrap_or("-")),
            day(line.days.first()),
            day(line.days.last()),
            line.gaps().to_string(),
            line.read.to_string(),
            line.failed.to_string(),
            line.records.to_string(),
            line.events.to_string(),
            units::readable_size(line.bytes),
        ]);
    }
    for line in table.lines() {
        put(line.trim_end())?;
    }
    Ok(())
}

/// By account and region, where the objects' names tell them.
type Lines = BTreeMap<(Option<String>, Option<String>), Line>;

fn coverage(store: &Store) -> Result<(Lines, Line), store::StoreError> {
    let (mut lines, mut sum) = (Lines::new(), Line::default());
    store.objects(None, &mut |row| {
        sum.add(&row);
        // Other products' files show nothing of what is covered.
        if row.status != store::Status::Skipped {
            lines.entry((row.account.clone(), row.region.clone())).or_default().add(&row);
        }
    })?;
    Ok((lines, sum))
}

/// How many consequences of one flaw are shown; `--format json` has all.
const SHOWN: usize = 10;

fn check(dir: &Path, format: Printed) -> Result<Status, Error> {
    let mut store = Store::open(dir).map_err(store_error)?;
    let Checked { files, rows, flaws } = store.consistently(store::check).map_err(store_error)?;
    match format {
        Printed::Text => flaws.iter().try_for_each(put_flaw)?,
        Printed::Json => put_json(&Soundness {
            schema: "mfatrail.store-check/1",
            tool: THIS,
            store: dir.display().to_string(),
            sound: flaws.is_empty(),
            files,
            rows,
            flaws: &flaws,
        })?,
    }
    say(&format!(
        "{} with {} checked, {}",
        plural(files, "file", "files"),
        plural(rows, "row", "rows"),
        plural(flaws.len(), "problem", "problems")
    ));
    if flaws.is_empty() {
        return Ok(Status::Done);
    }
    say("  hint: restore the files that are named from a copy of the store; or scan the archive into a new one");
    Ok(Status::Incomplete)
}

/// Whether a location is one object. A store may come from a stranger: it sends nobody through a disk or a bucket, and has nobody
/// wait for a pipe.
fn names_an_object(source: &Source) -> bool {
    match source {
        Source::Stdin => false,
        Source::Local(path) => path.is_file(),
        Source::S3 { prefix, .. } => !prefix.is_empty() && !prefix.ends_with('/'),
        Source::Objects { .. } => true,
    }
}

fn put_flaw(flaw: &store::Flaw) -> Result<(), Error> {
    put(&terminal_text(&flaw.what))?;
    for consequence in flaw.consequences.iter().take(SHOWN) {
        put(&format!("  therefore {}", terminal_text(consequence)))?;
    }
    match flaw.consequences.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => put(&format!("  and {more} more (hint: --format json names all)")),
    }
}

fn retry(dir: &Path, args: &RetryArgs, run: Run<'_>) -> Result<Status, Error> {
    let wanted = selection(&args.archive, None, None)?;
    let archive = archive(Vec::new(), &args.archive, &args.aws)?;
    // A store is not made by asking for what failed in it.
    Store::open(dir).map_err(store_error)?;
    check_places(&archive, Some(dir), &wanted)?;
    let writer = open(dir, "mfatrail store retry", run.now)?;
    let store = Store::open(dir).map_err(store_error)?;
    let index = Arc::new(Index::read(&store).map_err(store_error)?);
    let mut failed = Vec::new();
    store
        .objects(None, &mut |row| {
            if row.status == store::Status::Failed && wanted.includes(&row.key()) {
                failed.push(row);
            }
        })
        .map_err(store_error)?;
    let all = failed.len();
    let (mut sources, mut names) = (Vec::new(), HashMap::new());
    for row in failed.into_iter().filter(|row| !row.unlisted()) {
        let source = Source::parse(row.location.as_ref()).map_err(Error::failed)?;
        // What is gone stays a failure.
        if names_an_object(&source) && source.check().is_ok() {
            sources.push(source);
            names.insert(row.location, row.name);
        }
    }
    let noted = store::Run { selection: wanted, ..store::Run::new(RunKind::Retry, writer.next(), run.now) };
    let archive = Archive { sources, ..archive };
    let locations: HashSet<String> = names.keys().cloned().collect();
    let known = |object: &crate::source::ObjectRef| !locations.contains(&store::location(object));
    let sink = BatchSink::new(writer, index, LIMITS, noted, names).map_err(store_error)?;
    let (kept, scanned, _) = visit(sink, &archive, &Selection::default(), &known, None, run)?;
    warn(&scanned);
    let read = scanned.coverage.objects_read;
    let left = (all as u64).saturating_sub(read + scanned.coverage.objects_skipped);
    say(&format!(
        "{read} of {} read now, with {}; {left} still cannot be read",
        plural(all, "object", "objects"),
        plural(kept.events, "event", "events")
    ));
    Ok(Status::of(left == 0))
}
