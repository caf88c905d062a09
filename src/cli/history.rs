//! `mfatrail history`: an auditor's questions, answered from the evidence store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, ErrorKind, IsTerminal};
use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, ValueEnum};

use super::archive::{range, time};
use super::exit::Status;
use super::search::say_what_lacks_room;
use super::seen::did_you_mean;
use super::{say, terminal};
use crate::app::archive::absent;
use crate::app::principals::ties;
use crate::app::request::account_id;
use crate::app::scan::store_error;
use crate::app::{Error, Run, coverage, inputs, rfc3339};
use crate::arn;
use crate::contract::{CloseReason, Outcome};
use crate::escape::terminal as terminal_text;
use crate::exposure::{Had, Happened, Held, History, How, Question, is_actor, is_device};
use crate::inputs::approvals;
use crate::inventory::{self, IamState};
use crate::mfa;
use crate::names::Pattern;
use crate::sql::SqlError;
use crate::store::{Dataset, EventQuery, EventSet, Store, StoreError};
use crate::table::typed::{Answer, AnswerError, Format, Values};
use crate::units::plural;

/// How many of the objects that could not be read are named.
const NAMED: usize = 5;

/// Answer an auditor's questions from the evidence store: what happened to whose MFA, who had which device when
///
/// Without further options every lifecycle event in the store, attempts included, in order of time. --device, or --spans,
/// shows instead who had which device from when to when; --as-of what everybody had at a moment. Every row cites the event,
/// or the IAM snapshot in the store, that shows it, and the objects that hold the event. What is not known is empty, or says
/// that it is unknown; nothing is guessed.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct HistoryArgs {
    /// The evidence store
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE")]
    pub(super) store: Option<PathBuf>,

    /// About this user, under any name it had, or its unique id; `root` is the root user. May be repeated, as all of these
    #[arg(long = "user", value_name = "NAME", help_heading = "Filters")]
    users: Vec<String>,

    /// About principals of this account
    #[arg(long = "account", value_name = "ID", help_heading = "Filters")]
    accounts: Vec<String>,

    /// What this actor did to others: a user, a role, a session, a unique id or an ARN; `root` is the root user
    #[arg(long = "actor", value_name = "NAME", help_heading = "Filters")]
    actors: Vec<String>,

    /// This device: its serial number or ARN, or the name at its end
    #[arg(long = "device", value_name = "SERIAL", help_heading = "Filters")]
    devices: Vec<String>,

    /// Events of this name, any extracted one, such as DeactivateMFADevice or CreateLoginProfile
    #[arg(long = "event", value_name = "NAME", help_heading = "Filters")]
    events: Vec<String>,

    /// From this moment on
    #[arg(long, value_name = "TIME", help_heading = "Filters")]
    from: Option<String>,

    /// Before this moment
    #[arg(long, value_name = "TIME", help_heading = "Filters")]
    to: Option<String>,

    /// Who had which device from when to when, instead of events; --device alone asks for it, too
    #[arg(long, conflicts_with_all = ["as_of", "actors", "events"], help_heading = "Questions")]
    spans: bool,

    /// Which devices everybody had at this moment, and whether these are all
    #[arg(long, value_name = "TIME", conflicts_with_all = ["actors", "events", "from", "to"], help_heading = "Questions")]
    as_of: Option<String>,

    /// A statement in SQL over the tables events, calls, sightings, objects and runs
    #[arg(
        long,
        value_name = "SELECT …",
        conflicts_with_all = ["users", "accounts", "actors", "devices", "events", "from", "to", "spans", "as_of", "approvals", "fields"],
        help_heading = "Questions"
    )]
    sql: Option<String>,

    /// Approvals, CSV or JSON: ticket, account, user, approver, valid_from, valid_to
    #[arg(long, value_name = "FILE", conflicts_with_all = ["spans", "as_of"], help_heading = "Questions")]
    approvals: Option<PathBuf>,

    /// Only these columns
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Output")]
    fields: Vec<String>,

    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    format: FormatArg,
}

const HELP: &str = "\
Times are a date (2026-10-01, today, yesterday), a time with its zone (2026-10-01T08:00Z, 2026-10-01 10:00:00+02:00) or an age
(36h, 7d, 2w). Everything is UTC, and --to is the exclusive end. Different filters must all
hold; of one that is repeated, one value must. Values are compared without regard to case, and `*` stands for any
characters, `?` for one.

A user is shown under its latest name. Users that had one name in turn, deleted and created again, are different users:
their ids tell them apart. Ids and names are taken from the extracted events and from the IAM snapshot in the store (the last,
with --as-of the last that was taken by then). A window's class takes the whole archive's calls: a report tells it.

A table shows the columns that fit; the other formats have all, and --fields chooses. In SQL the tables are those of
docs/evidence-schema.md, with rows of objects that were overwritten in the archive since; times are UTC, and may be compared
with texts such as '2026-10-01'.

Examples:
  mfatrail history --store evidence --event DeactivateMFADevice --from 2026-10-01 --to 2026-11-01
  mfatrail history --store evidence --user jonas.lind --format json
  mfatrail history --store evidence --actor HelpDesk --approvals fixtures/approvals.csv
  mfatrail history --store evidence --device jonas-phone
  mfatrail history --store evidence --account 111122223333 --as-of 2026-10-15
  mfatrail history --store evidence --spans --format csv > devices.csv
  mfatrail history --store evidence --sql 'SELECT event_name, count(*) AS n FROM events GROUP BY event_name ORDER BY n DESC'

Exit status, the first that applies: 2 wrong usage or malformed input; 4 the run failed; 3 done, but objects in the store
could not be read, records of one event contradict each other, or --as-of is before an account's first record; 0 done, whether or
not there is an answer.";

/// What --format names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// For eyes
    Table,
    /// An array of objects
    Json,
    /// One object a line
    Ndjson,
    /// With a header
    Csv,
    /// A Parquet file
    Parquet,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Events,
    Spans,
    At(DateTime<Utc>),
}

pub(super) fn run(args: &HistoryArgs, run: Run<'_>) -> Result<Status, Error> {
    let format = format(args.format)?;
    let dir = args.store.as_deref().ok_or_else(|| {
        Error::Input("`--store` is missing\n  hint: give --store DIR, or set MFATRAIL_STORE".to_owned())
    })?;
    let [from, to] = range(args.from.as_deref(), args.to.as_deref(), run.now)?;
    let question = Question {
        accounts: Pattern::all(&args.accounts),
        users: Pattern::all(&args.users),
        actors: Pattern::all(&args.actors),
        devices: Pattern::all(&args.devices),
        events: Pattern::all(&args.events),
        from,
        to,
    };
    let only_device = !args.devices.is_empty() && args.actors.is_empty() && args.events.is_empty();
    let kind = match args.as_of.as_deref().map(|text| time("--as-of", text, run.now)).transpose()? {
        Some(at) => Kind::At(at),
        None if args.spans || only_device => Kind::Spans,
        None => Kind::Events,
    };
    let columns = kind.columns(&args.fields, format)?;
    let approvals = inputs::rows(args.approvals.as_deref(), approvals::read, run)?;
    let mut store = Store::open(dir).map_err(store_error)?;
    check_accounts(&mut store, &args.accounts)?;
    if let Some(statement) = &args.sql {
        return sql(&mut store, statement, format);
    }
    let iam = iam(&mut store, kind)?;
    let gathered =
        store.consistently(|store| store.gather(&needed(&question, kind, iam.as_ref()))).map_err(store_error)?;
    let EventSet { mut events, covered, failures, rows } = gathered;
    let conflicts = mfa::fold(&mut events);
    let history = History::new(&events, iam.as_ref().map(|(_, state)| state), &covered);
    let cited = iam.as_ref().map(|(path, _)| path.display().to_string());
    let mut unread = false;
    let answer = match kind {
        Kind::Events => events_table(history.events(&question, &approvals), cited.as_deref()),
        Kind::Spans => spans_table(history.devices(&question), cited.as_deref()),
        Kind::At(at) => {
            let held = history.at(&question, at);
            unread = before_records(&held, &covered);
            held_table(held, cited.as_deref())
        }
    }
    .map_err(Error::failed)?;
    history.check().map_err(Error::failed)?;
    let found = answer.rows();
    if found == 0 {
        unknown(&store, args, kind)?;
    }
    let room = if args.fields.is_empty() { kind.room() } else { &[] };
    give(answer.select(columns).map_err(Error::failed)?, format, room)?;
    say(&format!("{}, from {} in the store", plural(found, "row", "rows"), plural(rows, "event", "events")));
    if found == 0 && !matches!(kind, Kind::At(_)) {
        say(&reach(&covered));
    }
    let read = told(&failures, conflicts, run);
    Ok(if unread { Status::Incomplete } else { read })
}

/// Says of which accounts nothing is known at the moment, for no record is so old; whether there are any. Silence would be taken for
/// "nobody had a device".
fn before_records(rows: &[Held], covered: &BTreeMap<String, [DateTime<Utc>; 2]>) -> bool {
    let accounts: Vec<&str> =
        rows.iter().filter(|row| row.principal.is_none()).map(|row| row.account.as_str()).collect();
    for account in accounts.iter().take(NAMED) {
        let first = covered.get(*account).map(|[first, _]| first.to_rfc3339_opts(SecondsFormat::Secs, true));
        let first = first.unwrap_or_default();
        let account = terminal_text(account);
        say(&format!(
            "warning: account {account}: who had which device then is unknown; its first record in the store is of {first}"
        ));
    }
    if accounts.len() > NAMED {
        say(&format!("warning: the same of {} more accounts", accounts.len() - NAMED));
    }
    let empty = rows.is_empty() && covered.is_empty();
    if empty {
        say("warning: who had which device then is unknown: the store has no records");
    }
    empty || !accounts.is_empty()
}

fn format(format: FormatArg) -> Result<Format, Error> {
    Ok(match format {
        FormatArg::Table => Format::Table(terminal::output_width()),
        FormatArg::Json => Format::Json,
        FormatArg::Ndjson => Format::NdJson,
        FormatArg::Csv => Format::Csv,
        FormatArg::Parquet if io::stdout().is_terminal() => {
            return Err(Error::Input(
                "`--format parquet` is no text for a terminal\n  hint: send it to a file: … --format parquet > answer.parquet".to_owned(),
            ));
        }
        FormatArg::Parquet => Format::Parquet,
    })
}

/// Prints an answer; `room` ranks the columns that a narrow terminal may lack.
fn give(answer: Answer, format: Format, room: &'static [&'static str]) -> Result<(), Error> {
    match answer.write(format, room, BufWriter::with_capacity(1 << 16, io::stdout().lock())) {
        // A reader that has had enough is no failure.
        Err(AnswerError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Error::failed(error)),
        Ok(columns) => {
            say_what_lacks_room(&columns);
            Ok(())
        }
    }
}

/// What an empty answer rests on: of what the store does not cover it shows nothing.
fn reach(covered: &BTreeMap<String, [DateTime<Utc>; 2]>) -> String {
    let first = covered.values().map(|[first, _]| first).min();
    let last = covered.values().map(|[_, last]| last).max();
    match first.zip(last) {
        Some((first, last)) => format!(
            "note: the store's records of {} reach from {} to {}; an empty answer says nothing of other accounts and times",
            plural(covered.len(), "account", "accounts"),
            rfc3339(*first),
            rfc3339(*last)
        ),
        None => "note: the store has no records: an empty answer shows nothing, not that nothing happened".to_owned(),
    }
}

/// Says what the answer lacks.
fn told(failures: &[(String, String)], conflicts: Vec<mfa::Conflict>, run: Run<'_>) -> Status {
    let contested = coverage::by_event(conflicts);
    coverage::warn(&contested, run);
    for (object, error) in failures.iter().take(NAMED) {
        say(&format!("warning: {}: {}", terminal_text(object), terminal_text(error)));
    }
    if failures.is_empty() {
        return Status::of(contested.is_empty());
    }
    say(&format!(
        "warning: {} could not be read, or not whole: what they hold is not in the answer\n  hint: `mfatrail store retry` reads them again",
        plural(failures.len(), "object", "objects")
    ));
    Status::Incomplete
}

fn sql(store: &mut Store, statement: &str, format: Format) -> Result<Status, Error> {
    let frame = store.sql(statement).map_err(|error| match error {
        SqlError::Table(error) => match error.downcast::<StoreError>() {
            Ok(error) => store_error(*error),
            Err(error) => Error::failed(SqlError::Table(error)),
        },
        error => Error::Input(format!(
            "`--sql`: {error}\n  hint: the tables are {}; docs/evidence-schema.md says what their columns mean",
            Dataset::ALL.map(Dataset::name).join(", ")
        )),
    })?;
    let answer = Answer::from(frame);
    say(&plural(answer.rows(), "row", "rows"));
    give(answer, format, &[])?;
    Ok(Status::Done)
}

/// IAM's state, and the file in the store that it is from.
fn iam(store: &mut Store, kind: Kind) -> Result<Option<(PathBuf, IamState)>, Error> {
    let found = store
        .consistently(|store| match kind {
            Kind::At(at) => store.iam_near(at),
            Kind::Events | Kind::Spans => store.iam(None),
        })
        .map_err(store_error)?;
    let Some((path, text)) = found else { return Ok(None) };
    let state = inventory::snapshot::from_text(&path.display().to_string(), &text).map_err(Error::input)?;
    Ok(Some((path, state)))
}

fn needed<'q>(question: &'q Question, kind: Kind, iam: Option<&(PathBuf, IamState)>) -> EventQuery<'q> {
    let events = matches!(kind, Kind::Events);
    EventQuery {
        accounts: &question.accounts,
        users: &question.users,
        device: (!question.devices.is_empty()).then(|| {
            let means = |serial: &str| question.devices.iter().any(|device| is_device(serial, device));
            Box::new(means) as Box<dyn Fn(&str) -> bool>
        }),
        actor: (!question.actors.is_empty()).then(|| {
            let means = |actor: &crate::cloudtrail::Actor| question.actors.iter().any(|text| is_actor(actor, text));
            Box::new(means) as Box<dyn Fn(&crate::cloudtrail::Actor) -> bool>
        }),
        names: events.then_some(question.events.as_slice()),
        events: None,
        from: question.from.filter(|_| events),
        to: question.to.filter(|_| events),
        ties: iam.map(|(_, state)| ties(state)).unwrap_or_default(),
    }
}

/// Refuses accounts that the store does not have, and what is neither an account id nor a pattern of some.
fn check_accounts(store: &mut Store, accounts: &[String]) -> Result<(), Error> {
    let of_ids = |text: &str| text.contains(['*', '?']) && text.bytes().all(|byte| b"0123456789*?".contains(&byte));
    for account in accounts.iter().filter(|account| !of_ids(account)) {
        account_id(account)?;
    }
    if accounts.is_empty() {
        return Ok(());
    }
    let mut known = store.consistently(|store| store.places()).map_err(store_error)?.accounts;
    known.extend(store.consistently(|store| store.values(Dataset::Events, "account")).map_err(store_error)?);
    let unknown = |account: &&String| !known.iter().any(|known| Pattern::new(account).matches(known));
    match accounts.iter().find(unknown) {
        Some(account) => Err(absent("--account", "account", account, &known, "store")),
        None => Ok(()),
    }
}

/// Where nothing was found, a name may be misspelt.
fn unknown(store: &Store, args: &HistoryArgs, kind: Kind) -> Result<(), Error> {
    let asked: [(&str, &[String], &[&'static str], bool); 4] = [
        ("--user", &args.users, &["target_name", "new_user_name", "target_id"], true),
        ("--actor", &args.actors, &["actor_name", "actor_arn", "actor_id"], true),
        ("--device", &args.devices, &["serial"], true),
        ("--event", &args.events, &["event_name"], matches!(kind, Kind::Events)),
    ];
    for (flag, values, columns, _) in asked.into_iter().filter(|(_, values, _, applies)| *applies && !values.is_empty())
    {
        let mut known: BTreeSet<String> = BTreeSet::new();
        for column in columns {
            let texts = store.values(Dataset::Events, column).map_err(store_error)?;
            known.extend(texts.iter().map(|text| short(flag, text)));
            known.extend(texts);
        }
        for value in values {
            let wanted = Pattern::new(value);
            let root = wanted.matches("root") && matches!(flag, "--user" | "--actor");
            if !root && !known.iter().any(|text| wanted.matches(text)) {
                let known = known.iter().map(String::as_str);
                say(&format!(
                    "warning: no event in the store has `{flag}` `{}`{}",
                    terminal_text(value),
                    did_you_mean(value, known)
                ));
            }
        }
    }
    Ok(())
}

/// The end of a device's or an actor's ARN.
fn short(flag: &str, text: &str) -> String {
    match flag {
        "--device" | "--actor" => arn::name(text).to_owned(),
        _ => text.to_owned(),
    }
}

impl Kind {
    /// All columns, and those of them that a table shows.
    fn known(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Events => (EVENTS, EVENTS_TABLE),
            Self::Spans => (SPANS, SPANS_TABLE),
            Self::At(_) => (HELD, HELD_TABLE),
        }
    }

    /// The columns of a table in the order in which a terminal gives them room.
    fn room(self) -> &'static [&'static str] {
        match self {
            Self::Events => &[
                "time",
                "principal",
                "event",
                "outcome",
                "event_id",
                "actor",
                "source_ip",
                "close_reason",
                "device",
                "objects",
            ],
            Self::Spans => &[
                "principal",
                "device",
                "enabled_at",
                "removed_at",
                "enabled_by",
                "removed_by",
                "removed_event_id",
                "enabled_event_id",
                "removed_objects",
                "enabled_objects",
            ],
            Self::At(_) => &[
                "principal",
                "has_device",
                "device",
                "complete",
                "enabled_at",
                "account",
                "event_id",
                "why",
                "iam_snapshot",
                "objects",
            ],
        }
    }

    fn columns(self, fields: &[String], format: Format) -> Result<Vec<&'static str>, Error> {
        let (all, table) = self.known();
        if fields.is_empty() {
            return Ok(if matches!(format, Format::Table(_)) { table } else { all }.to_vec());
        }
        let mut columns = Vec::new();
        for field in fields {
            let Some(column) = all.iter().find(|column| *column == field) else {
                let known = all.join(", ");
                return Err(Error::Input(format!("`--fields`: there is no `{field}`\n  hint: there is {known}")));
            };
            if columns.contains(column) {
                return Err(Error::Input(format!("`--fields`: `{field}` is given twice")));
            }
            columns.push(*column);
        }
        Ok(columns)
    }
}

const EVENTS: &[&str] = &[
    "time",
    "account",
    "principal",
    "principal_kind",
    "principal_id",
    "event",
    "outcome",
    "error_code",
    "device",
    "remaining_devices",
    "actor",
    "actor_mfa",
    "by_itself",
    "source_ip",
    "ticket",
    "approver",
    "window",
    "certainty",
    "open_since_before",
    "closed_at",
    "close_reason",
    "duration_s",
    "event_id",
    "objects",
    "addenda",
];
const EVENTS_TABLE: &[&str] = &[
    "time",
    "principal",
    "event",
    "outcome",
    "actor",
    "source_ip",
    "window",
    "close_reason",
    "device",
    "event_id",
    "objects",
];

const SPANS: &[&str] = &[
    "account",
    "principal",
    "principal_kind",
    "principal_id",
    "device",
    "enabled_at",
    "enabled_by",
    "enabled_event_id",
    "enabled_objects",
    "removed_at",
    "removed_by",
    "removed_event_id",
    "removed_objects",
    "iam_snapshot",
];
const SPANS_TABLE: &[&str] = &[
    "principal",
    "device",
    "enabled_at",
    "enabled_by",
    "removed_at",
    "removed_by",
    "enabled_event_id",
    "removed_event_id",
    "enabled_objects",
    "removed_objects",
];

const HELD: &[&str] = &[
    "account",
    "principal",
    "principal_kind",
    "principal_id",
    "has_device",
    "device",
    "enabled_at",
    "enabled_by",
    "complete",
    "why",
    "event_id",
    "objects",
    "iam_snapshot",
];
const HELD_TABLE: &[&str] = &[
    "account",
    "principal",
    "has_device",
    "device",
    "enabled_at",
    "complete",
    "why",
    "event_id",
    "iam_snapshot",
    "objects",
];

/// One value of each row.
fn text<'r, R, T: Into<String>>(rows: &'r [R], value: impl Fn(&'r R) -> Option<T>) -> Values {
    Values::Text(rows.iter().map(|row| value(row).map(Into::into)).collect())
}

fn events_table(rows: Vec<Happened>, iam: Option<&str>) -> Result<Answer, AnswerError> {
    let rows = rows.as_slice();
    let window = |row: &Happened| row.window;
    let seconds = |row: &Happened| {
        let window = row.window?;
        Some((window.closed_at? - window.open_since_before.unwrap_or(row.time)).num_seconds())
    };
    let count = |row: &Happened| row.remaining_devices.and_then(|count| i64::try_from(count).ok());
    let state = |row: &Happened| Some(row.window?.close_reason.map_or("open", CloseReason::name));
    // What no event tells is what IAM's snapshot shows.
    let objects = |row: &Happened| match (&row.event_id, iam) {
        (None, Some(snapshot)) => vec![snapshot.to_owned()],
        _ => row.objects.clone(),
    };
    let columns = vec![
        ("time", Values::Time(rows.iter().map(|row| Some(row.time)).collect())),
        ("account", text(rows, |row| Some(row.account.as_str()))),
        ("principal", text(rows, |row| Some(row.principal.as_ref()?.name.as_str()))),
        ("principal_kind", text(rows, |row| Some(row.principal.as_ref()?.kind.name()))),
        ("principal_id", text(rows, |row| row.principal.as_ref()?.id.as_deref())),
        ("event", text(rows, |row| row.event_name.as_deref())),
        ("outcome", text(rows, |row| row.outcome.map(Outcome::name))),
        ("error_code", text(rows, |row| row.error_code.as_deref())),
        ("device", text(rows, |row| row.device.as_deref())),
        ("remaining_devices", Values::Integer(rows.iter().map(count).collect())),
        ("actor", text(rows, |row| row.actor.as_deref())),
        ("actor_mfa", Values::Flag(rows.iter().map(|row| row.actor_mfa).collect())),
        ("by_itself", Values::Flag(rows.iter().map(|row| row.by_itself).collect())),
        ("source_ip", text(rows, |row| row.source_ip.as_deref())),
        ("ticket", text(rows, |row| Some(row.approval.as_ref()?.0.as_str()))),
        ("approver", text(rows, |row| Some(row.approval.as_ref()?.1.as_str()))),
        ("window", text(rows, |row| Some(window(row)?.kind.name()))),
        ("certainty", text(rows, |row| Some(window(row)?.certainty.name()))),
        ("open_since_before", Values::Time(rows.iter().map(|row| row.window?.open_since_before).collect())),
        ("closed_at", Values::Time(rows.iter().map(|row| row.window?.closed_at).collect())),
        ("close_reason", text(rows, state)),
        ("duration_s", Values::Integer(rows.iter().map(seconds).collect())),
        ("event_id", text(rows, |row| row.event_id.as_deref())),
        ("objects", Values::List(rows.iter().map(objects).collect())),
        ("addenda", Values::List(rows.iter().map(|row| row.addenda.clone()).collect())),
    ];
    Answer::new(rows.len(), columns)
}

fn spans_table(rows: Vec<Had>, iam: Option<&str>) -> Result<Answer, AnswerError> {
    let rows = rows.as_slice();
    let objects =
        |cited: &Option<crate::exposure::Cited>| cited.as_ref().map_or_else(Vec::new, |one| one.objects.clone());
    // An end without an event is one that IAM tells, but for those that nothing tells.
    let in_iam =
        |edge: &crate::exposure::Edge| edge.by.is_none() && matches!(edge.how, How::Iam | How::Missing | How::Unknown);
    let columns = vec![
        ("account", text(rows, |row| Some(row.account.as_str()))),
        ("principal", text(rows, |row| Some(row.principal.name.as_str()))),
        ("principal_kind", text(rows, |row| Some(row.principal.kind.name()))),
        ("principal_id", text(rows, |row| row.principal.id.as_deref())),
        ("device", text(rows, |row| row.device.as_deref())),
        ("enabled_at", Values::Time(rows.iter().map(|row| row.enabled.at).collect())),
        ("enabled_by", text(rows, |row| Some(row.enabled.how.name()))),
        ("enabled_event_id", text(rows, |row| Some(row.enabled.by.as_ref()?.event_id.as_str()))),
        ("enabled_objects", Values::List(rows.iter().map(|row| objects(&row.enabled.by)).collect())),
        ("removed_at", Values::Time(rows.iter().map(|row| row.removed.at).collect())),
        ("removed_by", text(rows, |row| Some(row.removed.how.name()))),
        ("removed_event_id", text(rows, |row| Some(row.removed.by.as_ref()?.event_id.as_str()))),
        ("removed_objects", Values::List(rows.iter().map(|row| objects(&row.removed.by)).collect())),
        ("iam_snapshot", text(rows, |row| iam.filter(|_| in_iam(&row.enabled) || in_iam(&row.removed)))),
    ];
    Answer::new(rows.len(), columns)
}

fn held_table(rows: Vec<Held>, iam: Option<&str>) -> Result<Answer, AnswerError> {
    let rows = rows.as_slice();
    let columns = vec![
        ("account", text(rows, |row| Some(row.account.as_str()))),
        ("principal", text(rows, |row| Some(row.principal.as_ref()?.name.as_str()))),
        ("principal_kind", text(rows, |row| Some(row.principal.as_ref()?.kind.name()))),
        ("principal_id", text(rows, |row| row.principal.as_ref()?.id.as_deref())),
        ("has_device", Values::Flag(rows.iter().map(|row| row.has_device).collect())),
        ("device", text(rows, |row| row.device.as_deref())),
        ("enabled_at", Values::Time(rows.iter().map(|row| row.enabled.as_ref()?.at).collect())),
        ("enabled_by", text(rows, |row| Some(row.enabled.as_ref()?.how.name()))),
        ("complete", Values::Flag(rows.iter().map(|row| Some(row.complete)).collect())),
        ("why", text(rows, |row| Some(row.why))),
        ("event_id", text(rows, |row| Some(row.by.as_ref()?.event_id.as_str()))),
        (
            "objects",
            Values::List(
                rows.iter().map(|row| row.by.as_ref().map_or_else(Vec::new, |by| by.objects.clone())).collect(),
            ),
        ),
        ("iam_snapshot", text(rows, |row| iam.filter(|_| row.in_iam))),
    ];
    Answer::new(rows.len(), columns)
}
