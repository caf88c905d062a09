//! `mfatrail store`: what a store holds, whether it is sound, and what failed once more.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table};

use super::archive::{options, rfc3339, selection};
use super::args::{ArchiveArgs, AwsArgs};
use super::exit::{CliError, Status};
use super::scan::{LIMITS, open, store_error, visit, warn};
use super::{put, say};
use crate::report::terminal_text;
use crate::source::{Selection, Source};
use crate::store::{self, Index, ObjectRow, Run, RunKind, Sink, Store};
use crate::units::{self, plural};

/// Show what the evidence store covers: accounts, regions, days, gaps, failures and size
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct StoreArgs {
    /// The evidence store
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE", global = true)]
    store: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<StoreCommand>,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Verify every file: bytes, columns, rows, and what they say of each other
    #[command(after_long_help = CHECK_HELP)]
    Check,
    /// Read again what could not be read
    #[command(after_long_help = RETRY_HELP)]
    Retry(Box<RetryArgs>),
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

pub(super) fn run(args: &StoreArgs, now: DateTime<Utc>) -> Result<Status, CliError> {
    let dir = args.store.as_deref().ok_or_else(|| {
        CliError::Usage("`--store` is missing\n  hint: give --store DIR, or set MFATRAIL_STORE".to_owned())
    })?;
    match &args.command {
        None => show(dir),
        Some(StoreCommand::Check) => check(dir),
        Some(StoreCommand::Retry(args)) => retry(dir, args, now),
    }
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

fn show(dir: &Path) -> Result<Status, CliError> {
    let mut store = Store::open(dir).map_err(store_error)?;
    let (lines, sum) = store.consistently(coverage).map_err(store_error)?;
    let runs = store.consistently(|store| store.runs()).map_err(store_error)?;
    let (files, bytes) = store.size();
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
    if let Some(run) = runs.iter().rev().find(|run| run.kind == RunKind::Scan) {
        let began = rfc3339(run.started_at);
        put(&format!("{}; the last scan began at {began}", plural(runs.len(), "run", "runs")))?;
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
    for ((account, region), line) in &lines {
        let day = |day: Option<&NaiveDate>| day.map_or_else(|| "-".to_owned(), ToString::to_string);
        table.add_row([
            terminal_text(account),
            terminal_text(region),
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
    if sum.failed > 0 {
        say(&format!(
            "warning: {} could not be read\n  hint: `mfatrail store retry` reads them again",
            plural(sum.failed, "object", "objects")
        ));
    }
    Ok(if sum.failed > 0 { Status::Incomplete } else { Status::Done })
}

type Lines = BTreeMap<(String, String), Line>;

fn coverage(store: &Store) -> Result<(Lines, Line), store::StoreError> {
    let (mut lines, mut sum) = (Lines::new(), Line::default());
    store.objects(None, &mut |row| {
        sum.add(&row);
        // Other products' files show nothing of what is covered.
        if row.status != store::Status::Skipped {
            let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            lines.entry((text(&row.account), text(&row.region))).or_default().add(&row);
        }
    })?;
    Ok((lines, sum))
}

fn check(dir: &Path) -> Result<Status, CliError> {
    let mut store = Store::open(dir).map_err(store_error)?;
    let checked = store.consistently(store::check).map_err(store_error)?;
    for problem in &checked.problems {
        put(&terminal_text(problem))?;
    }
    say(&format!(
        "{} with {} checked, {}",
        plural(checked.files, "file", "files"),
        plural(checked.rows, "row", "rows"),
        plural(checked.problems.len(), "problem", "problems")
    ));
    if checked.problems.is_empty() {
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
    }
}

fn retry(dir: &Path, args: &RetryArgs, now: DateTime<Utc>) -> Result<Status, CliError> {
    let wanted = selection(&args.archive, None, None)?;
    let options = options(&args.archive, &args.aws)?;
    // A store is not made by asking for what failed in it.
    Store::open(dir).map_err(store_error)?;
    let writer = open(dir, "mfatrail store retry", now)?;
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
        let source = Source::parse(row.location.as_ref()).map_err(CliError::failed)?;
        // What is gone stays a failure.
        if names_an_object(&source) && source.check().is_ok() {
            sources.push(source);
            names.insert(row.location, row.name);
        }
    }
    let run = Run {
        run: writer.next(),
        kind: RunKind::Retry,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: now,
        sources: String::new(),
        selection: wanted,
        commit: writer.next() - 1,
    };
    let locations: HashSet<String> = names.keys().cloned().collect();
    let known = |object: &crate::source::ObjectRef| !locations.contains(&store::location(object));
    let sink = Sink::new(writer, index, LIMITS, run, names).map_err(store_error)?;
    let (kept, scanned, _) = visit(sink, &sources, &Selection::default(), &options, &known, None)?;
    warn(&scanned);
    let read = scanned.coverage.objects_read;
    let left = (all as u64).saturating_sub(read + scanned.coverage.objects_skipped);
    say(&format!(
        "{read} of {} read now, with {}; {left} still cannot be read",
        plural(all, "object", "objects"),
        plural(kept.events, "event", "events")
    ));
    Ok(if left > 0 { Status::Incomplete } else { Status::Done })
}
