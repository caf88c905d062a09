//! `mfatrail history`: an auditor's questions, answered from the evidence store.

use std::io::{self, BufWriter, ErrorKind, IsTerminal};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::archive::{place_alone, range, time};
use super::args::PlaceArgs;
use super::exit::Status;
use super::messages::{say_hidden_columns, say_unknown};
use super::{inform, pager, say, sql_shell, terminal};
use crate::app::history::{HistoryAnswer, HistoryRequest, Subject, ask, select, unreadable};
use crate::app::{Error, Run, coverage, rfc3339};
use crate::escape::terminal as terminal_text;
use crate::table::typed::{Answer, AnswerError, Format};
use crate::units::plural;

/// How many of the objects that could not be read are named.
const NAMED: usize = 5;

/// Answer an auditor's questions from the evidence store: what happened to whose MFA, who had which device when
///
/// Without further options, lists every lifecycle event in the store, including attempts, in order of time. --device or --spans
/// shows who had which device from when to when; --as-of shows which devices everybody had at that time. Every row cites the
/// event, or the IAM snapshot in the store, that shows it, and the objects that contain the event. Unknown values are empty or
/// marked as unknown; nothing is guessed.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct HistoryArgs {
    /// The evidence store: a directory or s3://bucket/prefix
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE")]
    pub(super) store: Option<PathBuf>,

    #[command(flatten)]
    place: PlaceArgs,

    /// About this user, under any name it has had, or by unique ID; `root` is the root user. Filters may be repeated
    #[arg(long = "user", value_name = "NAME", help_heading = "Filters")]
    users: Vec<String>,

    /// About principals of this account
    #[arg(long = "account", value_name = "ID", help_heading = "Filters")]
    accounts: Vec<String>,

    /// What this actor did to others: a user, a role, a session, a unique ID or an ARN; `root` is the root user
    #[arg(long = "actor", value_name = "NAME", help_heading = "Filters")]
    actors: Vec<String>,

    /// This device: its serial number, its ARN, or the name at the end of the ARN
    #[arg(long = "device", value_name = "SERIAL", help_heading = "Filters")]
    devices: Vec<String>,

    /// Extracted events of this name, such as DeactivateMFADevice or CreateLoginProfile
    #[arg(long = "event", value_name = "NAME", help_heading = "Filters")]
    events: Vec<String>,

    /// From this time on
    #[arg(long, value_name = "TIME", help_heading = "Filters")]
    from: Option<String>,

    /// Before this time
    #[arg(long, value_name = "TIME", help_heading = "Filters")]
    to: Option<String>,

    /// Who had which device from when to when, instead of events; implied by --device alone
    #[arg(long, conflicts_with_all = ["as_of", "actors", "events"], help_heading = "Questions")]
    spans: bool,

    /// Which devices everybody had at this time, and whether the list is complete
    #[arg(long, value_name = "TIME", conflicts_with_all = ["actors", "events", "from", "to"], help_heading = "Questions")]
    as_of: Option<String>,

    /// Run a SQL statement over the tables events, calls, sightings, objects and runs: SELECT, SHOW TABLES, DESCRIBE table. Without a
    /// statement, open a shell, or read statements from standard input, each ending with a semicolon
    #[arg(
        long,
        value_name = "SELECT …",
        num_args = 0..=1,
        conflicts_with_all = ["users", "accounts", "actors", "devices", "events", "from", "to", "spans", "as_of", "approvals", "fields"],
        help_heading = "Questions"
    )]
    #[expect(clippy::option_option, reason = "clap's way to an option whose value may be left out")]
    sql: Option<Option<String>>,

    /// Approvals, CSV or JSON: ticket, account, user, approver, valid_from, valid_to
    #[arg(long, value_name = "FILE", conflicts_with_all = ["spans", "as_of"], help_heading = "Questions")]
    approvals: Option<PathBuf>,

    /// Print only these columns
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Output")]
    fields: Vec<String>,

    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    format: FormatArg,
}

const HELP: &str = "\
A TIME is a date (2026-10-01, today, yesterday), a time with its zone (2026-10-01T08:00Z, 2026-10-01 10:00:00+02:00) or an age
(36h, 7d, 2w). Everything is UTC, and --to is the exclusive end. Different filters must all match;
of a repeated filter, one value must match. Values are case-insensitive; `*` matches any characters, `?` matches one.

A user is shown under its latest name. A user that was deleted and one created later under the same name are different users,
distinguished by their IDs. IDs and names come from the extracted events and from the IAM snapshot in the store (the latest;
with --as-of, the latest one taken by then). The class of a window depends on calls from the whole archive: see a report.

A table shows the columns that fit the terminal; the other formats have all of them, and --fields chooses. SQL sees the tables
described in docs/evidence-schema.md, including rows from objects that have since been overwritten in the archive; times are
UTC, and can be compared with strings such as '2026-10-01'.

Examples:
  mfatrail history --store evidence --event DeactivateMFADevice --from 2026-10-01 --to 2026-11-01
  mfatrail history --store evidence --user jonas.lind --format json
  mfatrail history --store evidence --actor HelpDesk --approvals fixtures/approvals.csv
  mfatrail history --store evidence --device jonas-phone
  mfatrail history --store evidence --account 111122223333 --as-of 2026-10-15
  mfatrail history --store evidence --spans --format csv > devices.csv
  mfatrail history --store evidence --sql
  mfatrail history --store evidence --sql 'DESCRIBE events'
  mfatrail history --store evidence --sql 'SELECT event_name, count(*) AS n FROM events GROUP BY event_name ORDER BY n DESC'

Exit status, the first that applies: 2 wrong usage or malformed input; 4 the run failed; 3 done, but objects in the store
could not be read, records of one event contradict each other (not with --sql), or --as-of is before an account's first record; 0 done,
whether or not anything was found.";

/// What --format names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// Table for reading
    Table,
    /// One JSON array
    Json,
    /// JSON lines
    Ndjson,
    /// CSV with a header
    Csv,
    /// Parquet
    Parquet,
}

pub(super) fn run(args: &HistoryArgs, run: Run<'_>) -> Result<Status, Error> {
    let format = format(args.format)?;
    let dir = args.store.as_deref().ok_or_else(|| {
        Error::Input("`--store` is missing\n  hint: give --store DIR, or set MFATRAIL_STORE".to_owned())
    })?;
    let store = place_alone(dir, &args.place)?;
    let request = request(args, format, run)?;
    if let Some(statement) = &args.sql {
        // Before any answer: an empty one would be taken for "nothing happened".
        let failures = unreadable(&store)?;
        say_failures(&failures);
        let asked = |statement: &str| {
            let answer = select(&store, statement)?;
            let rows = answer.rows();
            give(answer, format, &[])?;
            inform(&plural(rows, "row", "rows"));
            Ok(())
        };
        match statement {
            Some(statement) => asked(statement)?,
            None => sql_shell::run(&asked, matches!(format, Format::Json | Format::Parquet))?,
        }
        return Ok(Status::of(failures.is_empty()));
    }
    let answer = ask(&store, &request, args.approvals.as_deref(), run)?;
    say_unrecorded(&answer, request.subject);
    answer.unknown.iter().for_each(|name| say_unknown("no event in the store", name));
    let room = if args.fields.is_empty() { request.subject.room() } else { &[] };
    let (rows, complete, reach) = (answer.table.rows(), answer.is_complete(), reach(&answer));
    give(answer.table, format, room)?;
    inform(&format!("{}, from {} in the store", plural(rows, "row", "rows"), plural(answer.events, "event", "events")));
    if rows == 0 && !matches!(request.subject, Subject::At(_)) {
        say(&reach);
    }
    coverage::warn(&answer.contested, run);
    say_failures(&answer.failures);
    Ok(Status::of(complete))
}

fn request(args: &HistoryArgs, format: Format, run: Run<'_>) -> Result<HistoryRequest, Error> {
    let [from, to] = range(args.from.as_deref(), args.to.as_deref(), run.now)?;
    let only_device = !args.devices.is_empty() && args.actors.is_empty() && args.events.is_empty();
    let subject = match args.as_of.as_deref().map(|text| time("--as-of", text, run.now)).transpose()? {
        Some(at) => Subject::At(at),
        None if args.spans || only_device => Subject::Spans,
        None => Subject::Events,
    };
    Ok(HistoryRequest {
        subject,
        columns: subject.columns(&args.fields, matches!(format, Format::Table(_)))?,
        accounts: args.accounts.clone(),
        users: args.users.clone(),
        actors: args.actors.clone(),
        devices: args.devices.clone(),
        events: args.events.clone(),
        from,
        to,
    })
}

/// Says of which accounts nothing is known at the moment, for no record is so old. Silence would be taken for "nobody had a device".
fn say_unrecorded(answer: &HistoryAnswer, subject: Subject) {
    for (account, first) in answer.unrecorded().take(NAMED) {
        let (account, first) = (terminal_text(account), first.map(rfc3339).unwrap_or_default());
        say(&format!(
            "warning: account {account}: unknown who had which device at that time; its first record in the store is from {first}"
        ));
    }
    if answer.unrecorded.len() > NAMED {
        say(&format!("warning: and {} more accounts", answer.unrecorded.len() - NAMED));
    }
    if matches!(subject, Subject::At(_)) && answer.is_of_nothing() {
        say("warning: unknown who had which device at that time: the store has no records");
    }
}

fn format(format: FormatArg) -> Result<Format, Error> {
    Ok(match format {
        FormatArg::Table => Format::Table(terminal::output_width()),
        FormatArg::Json => Format::Json,
        FormatArg::Ndjson => Format::NdJson,
        FormatArg::Csv => Format::Csv,
        FormatArg::Parquet if io::stdout().is_terminal() => {
            return Err(Error::Input(
                "`--format parquet` is binary, and standard output is a terminal\n  hint: redirect it to a file: … --format parquet > answer.parquet".to_owned(),
            ));
        }
        FormatArg::Parquet => Format::Parquet,
    })
}

/// Prints an answer; `room` ranks the columns that a narrow terminal may lack.
fn give(answer: Answer, format: Format, room: &'static [&'static str]) -> Result<(), Error> {
    let written = match format {
        Format::Table(_) => pager::through(|out| answer.write(format, room, BufWriter::with_capacity(1 << 16, out))),
        _ => answer.write(format, room, BufWriter::with_capacity(1 << 16, io::stdout().lock())),
    };
    match written {
        // A reader that has had enough is no failure.
        Err(AnswerError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Error::failed(error)),
        Ok(columns) => {
            say_hidden_columns(&columns);
            Ok(())
        }
    }
}

/// What an empty answer rests on: of what the store does not cover it shows nothing.
fn reach(answer: &HistoryAnswer) -> String {
    match answer.reach() {
        Some([first, last]) => format!(
            "note: the store has records of {} from {} to {}; an empty answer says nothing about other accounts and times",
            plural(answer.covered.len(), "account", "accounts"),
            rfc3339(first),
            rfc3339(last)
        ),
        None => "note: the store has no records, so an empty answer is not evidence that nothing happened".to_owned(),
    }
}

/// Says what the answer lacks.
fn say_failures(failures: &[(String, String)]) {
    for (object, error) in failures.iter().take(NAMED) {
        say(&format!("warning: {}: {}", terminal_text(object), terminal_text(error)));
    }
    if !failures.is_empty() {
        say(&format!(
            "warning: {} could not be read completely: records may be missing from the answer\n  hint: `mfatrail store retry` reads them again",
            plural(failures.len(), "object", "objects")
        ));
    }
}
