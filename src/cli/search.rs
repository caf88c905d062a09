//! `mfatrail search`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::{Args, ValueEnum};

use super::archive::{archive, range, selection, sources};
use super::args::{ArchiveArgs, AwsArgs};
use super::exit::Status;
use super::{say, seen, terminal};
use crate::app::archive::check_places;
use crate::app::{Archive, Error, Run, coverage, stopped};
use crate::cloudtrail::Cell;
use crate::escape::terminal as terminal_text;
use crate::evidence::Range;
use crate::pipeline::{self, Scanned};
use crate::search::filter::{By, Filter, Session, Sessions};
use crate::search::hits::{Given, Hits, Order};
use crate::search::pass::Pass;
use crate::source::{PassedOver, Source};
use crate::table::print::{Columns, Counts, Format, Rows};
use crate::units;

/// How many of the objects that could not be read are named.
const NAMED: usize = 20;

/// What a table shows where nothing else is asked for.
const OVERVIEW: [&str; 7] =
    ["eventTime", "recipientAccountId", "awsRegion", "eventName", "userIdentity.arn", "sourceIPAddress", "errorCode"];

/// In this order they are given room where a terminal is too narrow for all.
const ROOM: &[&str] =
    &["eventTime", "eventName", "userIdentity.arn", "errorCode", "sourceIPAddress", "recipientAccountId", "awsRegion"];

/// Find records of any kind: who did what from where, and what their sessions went on to do
///
/// Different filters must all hold; of one that is repeated, one value must. Every event is given once, as a line: the
/// record's own bytes without its line breaks, in order of the objects' names and of the records in them, or with --sort
/// of time. Nothing is printed before everything is read. A summary goes to standard error.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct SearchArgs {
    /// Where the archive is: s3://bucket/prefix, a directory, a file, or - for standard input
    #[arg(value_name = "SOURCE", required = true)]
    pub(super) sources: Vec<OsString>,

    /// eventName, such as DeactivateMFADevice or Delete*
    #[arg(long = "event-name", value_name = "NAME", help_heading = "Filters")]
    event_names: Vec<String>,

    /// eventSource, such as iam.amazonaws.com, iam or s3*
    #[arg(long = "event-source", value_name = "SOURCE", help_heading = "Filters")]
    event_sources: Vec<String>,

    /// Calls by a user or session of this name, and calls about the user; `root` is the root user
    #[arg(long = "user", value_name = "NAME", help_heading = "Filters")]
    users: Vec<String>,

    /// Calls by a unique id: AIDA…, AROA… with all its sessions, or AROA…:session
    #[arg(long = "principal-id", value_name = "ID", help_heading = "Filters")]
    principal_ids: Vec<String>,

    /// Calls by sessions of a role, and calls that assume or change it: its name or ARN
    #[arg(long = "role", value_name = "ROLE", help_heading = "Filters")]
    roles: Vec<String>,

    /// Calls with an access key, and calls that made, changed or deleted it
    #[arg(long = "access-key", value_name = "ID", help_heading = "Filters")]
    access_keys: Vec<String>,

    /// Calls from an address, or from a range in CIDR notation, IPv4 or IPv6
    #[arg(long = "ip", value_name = "ADDRESS", help_heading = "Filters")]
    addresses: Vec<String>,

    /// errorCode, such as AccessDenied or *Denied*; `any` for all that failed, sign-ins included, `none` for the rest
    #[arg(long = "error", value_name = "CODE", help_heading = "Filters")]
    errors: Vec<String>,

    /// Records in which this text is part of any key, string (its escapes decoded) or whole number
    #[arg(long = "text", value_name = "TEXT", help_heading = "Filters")]
    texts: Vec<String>,

    /// Only calls that do not change anything
    #[arg(long, conflicts_with = "writes", help_heading = "Filters")]
    read_only: bool,

    /// Only calls that may change something
    #[arg(long, help_heading = "Filters")]
    writes: bool,

    /// Only records of this moment or later, by their eventTime
    #[arg(long, value_name = "TIME", help_heading = "Filters")]
    from: Option<String>,

    /// Only records of before this moment
    #[arg(long, value_name = "TIME", help_heading = "Filters")]
    to: Option<String>,

    /// Read every region's folders, where the filters allow only events of IAM and the range begins after 22 November 2021:
    /// since then CloudTrail records IAM in one region of a partition, and by default only that is read
    #[arg(long, conflicts_with = "regions", help_heading = "Archive")]
    all_regions: bool,

    /// Add what the sessions did that the calls found made, and their sessions in turn; implies --sort
    #[arg(long, help_heading = "Filters")]
    follow: bool,

    /// In order of time
    #[arg(long, conflicts_with = "count_by", help_heading = "Output")]
    sort: bool,

    /// Only these fields of records, such as eventTime,userIdentity.arn,resources.0.ARN
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', help_heading = "Output")]
    fields: Vec<String>,

    /// How many records there are of each value of a field, the most frequent first; of several fields, of each combination
    #[arg(long, value_name = "FIELD", value_delimiter = ',', conflicts_with = "fields", help_heading = "Output")]
    count_by: Vec<String>,

    /// How to print [default: the records as they are; with --fields or --count-by a table]
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    format: Option<FormatArg>,

    /// Print no more than the first N lines
    #[arg(long, value_name = "N", help_heading = "Output")]
    limit: Option<u64>,

    #[command(flatten)]
    pub(super) archive: ArchiveArgs,

    #[command(flatten)]
    pub(super) aws: AwsArgs,
}

const HELP: &str = "\
Times are a date (2026-10-01, today, yesterday), a time with its zone (2026-10-01T08:00Z, 2026-10-01 10:00:00+02:00) or an age
(36h, 7d, 2w). Everything is UTC. In every filter but --text `*` stands for any
characters and `?` for one. Names of events, services, users, roles and errors are compared without regard to case; unique
ids, access keys and --text are case-sensitive.

--follow needs --user, --principal-id, --role or --access-key. Of the calls that these find, those that handed out credentials
(AssumeRole and its kin, GetSessionToken, GetFederationToken) tell the sessions; their calls are found by access key, or by
the session's id where the session began just then. The other filters choose what is shown, not what is followed, and
--from, --to, --account and --region bound both. The source is read once more for every generation of sessions.

--ip compares addresses, in whatever way they are written. Calls that AWS makes for somebody have a service's name instead
(cloudformation.amazonaws.com, AWS Internal), which is not an address: --text finds these.

Where a filter names something (a name, a key, an id, an address, a text) only records that can match are parsed: in an object
that is sound gzip and begins and ends as CloudTrail writes it, damaged JSON between other records is not noticed. A report
parses everything.

Fields are keys with dots between them, and places in lists from 0. A table is put together in memory; CSV and JSON are not.

Examples:
  mfatrail search fixtures/archive --event-name DeactivateMFADevice
  mfatrail search fixtures/archive --event-name '*MFADevice' --user felix.moreau --sort --format table
  mfatrail search fixtures/archive --ip 198.51.100.0/24 --writes --fields eventTime,eventName,userIdentity.arn --format csv
  mfatrail search fixtures/archive --error any --count-by errorCode,eventName --limit 10
  mfatrail search fixtures/archive --user oscar.berg --follow --from 2026-10-14 --to 2026-10-15
  mfatrail search fixtures/archive --text AWSDenyAll --fields eventTime,requestParameters
  mfatrail search s3://trail-bucket --from 7d --access-key AKIAIOSFODNN7EXAMPLE --follow | jq -r .eventName

Exit status, the first that applies: 2 wrong usage; 4 the run failed; 3 done, but an object could not be read, nothing at
all was, or records of one event contradict each other; 0 done, whether or not something was found.";

/// What --format names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// For eyes
    Table,
    /// With a header
    Csv,
    /// One object a line
    Json,
}

pub(super) fn run(args: &SearchArgs, run: Run<'_>) -> Result<Status, Error> {
    let [from, to] = range(args.from.as_deref(), args.to.as_deref(), run.now)?;
    let filter = filter(args)?;
    let output = Output::of(args)?;
    let sources = sources(&args.sources)?;
    if args.follow {
        followable(args, &sources)?;
    }
    let mut selection = selection(&args.archive, from, to)?;
    selection.iam_only = reads_only_iam(args, &filter, from);
    if selection.iam_only {
        say(
            "note: only the region in which CloudTrail records IAM (us-east-1 in most partitions) is read (hint: --all-regions reads all)",
        );
    }
    let archive = archive(sources, &args.archive, &args.aws)?;
    check_places(&archive, None, &selection)?;
    let Archive { sources, mut options } = archive;
    let range = Arc::new(Range {
        from,
        // The range's last moment belongs to a `Range`, not to a half-open one.
        until: to.map(|to| to - TimeDelta::nanoseconds(1)),
        accounts: selection.accounts.clone(),
        regions: selection.regions.clone(),
    });
    let mut pass = |query, shown: Option<&Arc<Filter>>| {
        options.only = query;
        options.progress = Arc::default();
        let make = || Pass::new(Hits::new(Arc::clone(&range), output.columns.clone()), shown.cloned());
        run.scanning(&options.progress, || pipeline::scan(&sources, &selection, &options, &make)).and_then(whole)
    };
    let (found, followed) = if args.follow {
        let (who, rest) = filter.split();
        let shown = Arc::new(rest);
        let first = pass(Some(Arc::new(who.following(Arc::clone(&shown)))), Some(&shown))?;
        follow(first, |sessions| pass(Some(Arc::new(sessions.following(Arc::clone(&shown)))), Some(&shown)))?
    } else {
        (pass(filter.query().map(Arc::new), None)?, Followed::default())
    };
    let (Pass { mut finds, .. }, scanned) = found;
    finds.check().map_err(|error| {
        Error::Failed(format!(
            "could not keep what was found in a temporary file: {error}\n  hint: free space in the temporary directory, or set TMPDIR to another"
        ))
    })?;
    let out = BufWriter::with_capacity(1 << 16, Output::standard());
    match output.write(finds, out) {
        Ok((given, absent)) => {
            for field in absent {
                say(&format!("warning: none of the events found has `{}`", terminal_text(&field)));
            }
            let none = given.events == 0;
            let status = summary(given, followed, &scanned, run);
            if selection.iam_only {
                say_what_was_passed_over(&options.progress.folders.passed_over());
            }
            if none {
                seen::hint(&asked(args), &sources, &selection, &options, &scanned);
            }
            Ok(status)
        }
        // A reader that has had enough is no failure, and wants to hear no more.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Status::Done),
        Err(error) => Err(Error::Failed(format!("could not write what was found: {error}"))),
    }
}

/// Whether all that is asked for is in the region that records IAM. Of sessions that are followed it is not.
fn reads_only_iam(args: &SearchArgs, filter: &Filter, from: Option<DateTime<Utc>>) -> bool {
    // Before, the files of any region could hold them. Source: CloudTrail user guide, global service events.
    let since = NaiveDate::from_ymd_opt(2021, 11, 23).map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let chosen = args.all_regions || args.follow || !args.archive.regions.is_empty();
    !chosen && filter.allows_only("iam") && from.zip(since).is_some_and(|(from, since)| from >= since)
}

/// What is filtered by.
fn asked(args: &SearchArgs) -> [(By, &[String]); 9] {
    [
        (By::EventName, &args.event_names),
        (By::EventSource, &args.event_sources),
        (By::User, &args.users),
        (By::PrincipalId, &args.principal_ids),
        (By::Role, &args.roles),
        (By::AccessKey, &args.access_keys),
        (By::Ip, &args.addresses),
        (By::Error, &args.errors),
        (By::Text, &args.texts),
    ]
}

fn filter(args: &SearchArgs) -> Result<Filter, Error> {
    let mut filter = Filter::default();
    for (by, values) in asked(args) {
        filter.only(by, values).map_err(Error::input)?;
    }
    if args.read_only || args.writes {
        filter.only_reading(args.read_only);
    }
    Ok(filter)
}

/// Whether there is somebody to follow, and something to read again.
fn followable(args: &SearchArgs, sources: &[Source]) -> Result<(), Error> {
    if args.users.is_empty() && args.principal_ids.is_empty() && args.roles.is_empty() && args.access_keys.is_empty() {
        let hint = "add --user, --principal-id, --role or --access-key";
        return Err(Error::Input(format!("`--follow` needs somebody to follow\n  hint: {hint}")));
    }
    if sources.contains(&Source::Stdin) {
        let hint = "save standard input to a file, and give that";
        let reason = "`--follow` reads the source more than once, which `-` does not allow";
        return Err(Error::Input(format!("{reason}\n  hint: {hint}")));
    }
    Ok(())
}

/// What following came to.
#[derive(Debug, Clone, Copy, Default)]
struct Followed {
    sessions: usize,
    passes: usize,
}

type Found = (Pass, Scanned);

/// A pass that was not told to stop.
fn whole(found: Found) -> Result<Found, Error> {
    if found.1.stopped {
        return Err(stopped(&found.1, "nothing was printed, for what was found is not all there is"));
    }
    Ok(found)
}

/// Passes over the source until there is no session that was not followed.
fn follow(first: Found, mut pass: impl FnMut(Filter) -> Result<Found, Error>) -> Result<(Found, Followed), Error> {
    let (mut sweep, mut scanned) = first;
    let mut seen: BTreeSet<Session> = BTreeSet::new();
    let mut passes = 0;
    loop {
        let fresh: Vec<Session> = sweep.sessions.difference(&seen).cloned().collect();
        if fresh.is_empty() {
            let followed = Followed { sessions: seen.len(), passes };
            return Ok(((sweep, scanned), followed));
        }
        seen.extend(fresh.iter().cloned());
        let (more, again) = pass(Filter::sessions(fresh.into_iter().collect::<Sessions>()))?;
        pipeline::Visitor::merge(&mut sweep, more);
        passes += 1;
        // What only this pass could not read is missing as well.
        for failure in again.coverage.failures {
            if !scanned.coverage.failures.contains(&failure) {
                scanned.coverage.failures.push(failure);
            }
        }
    }
}

/// How what was found is printed.
struct Output {
    columns: Option<Arc<Columns>>,
    count: bool,
    format: Format,
    /// Columns that may be left out of a table, by their rank; none where they were asked for.
    room: &'static [&'static str],
    order: Order,
    limit: Option<u64>,
}

impl Output {
    fn of(args: &SearchArgs) -> Result<Self, Error> {
        let columns = |flag: &str, paths: &[String]| {
            Columns::new(paths).map_err(|error| Error::Input(format!("`{flag}`: {error}")))
        };
        let count = !args.count_by.is_empty();
        let columns = match args.format {
            _ if count => Some(columns("--count-by", &args.count_by)?),
            _ if !args.fields.is_empty() => Some(columns("--fields", &args.fields)?),
            Some(FormatArg::Table | FormatArg::Csv) => Some(columns("--format", &OVERVIEW.map(str::to_owned))?),
            Some(FormatArg::Json) | None => None,
        };
        let format = match args.format {
            Some(FormatArg::Json) => Format::Json,
            Some(FormatArg::Csv) => Format::Csv,
            Some(FormatArg::Table) | None => Format::Table(terminal::output_width()),
        };
        let order = if args.sort || args.follow { Order::Time } else { Order::Place };
        let room = if args.fields.is_empty() { ROOM } else { &[] };
        Ok(Self { columns: columns.map(Arc::new), count, format, room, order, limit: args.limit })
    }

    fn standard() -> impl Write {
        io::stdout().lock()
    }

    /// Gives also the fields that no event had: one of them may be misspelt.
    fn write(&self, finds: Hits, mut out: impl Write) -> io::Result<(Given, Vec<String>)> {
        let Some(columns) = &self.columns else {
            let given = finds.give(self.order, self.limit, &mut |text| {
                out.write_all(text)?;
                out.write_all(b"\n")
            })?;
            out.flush()?;
            return Ok((given, Vec::new()));
        };
        let names: Vec<String> = columns.names().map(str::to_owned).collect();
        let mut absent: BTreeSet<usize> = (0..names.len()).collect();
        let mut row = |kept: &[u8]| {
            let row = Columns::row(kept)?;
            absent.retain(|place| row.get(*place).is_none_or(|cell| *cell == Cell::Absent));
            io::Result::Ok(row)
        };
        let given = if self.count {
            let mut counts = Counts::default();
            let given = finds.give(self.order, None, &mut |kept| counts.add(row(kept)?))?;
            let head = ["count".to_owned()].into_iter().chain(names.iter().cloned()).collect();
            let mut rows = Rows::new(self.format, head, out)?;
            let limit = self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
            counts.rows().iter().take(limit).try_for_each(|row| rows.add(row))?;
            rows.finish()?;
            given
        } else {
            let mut rows = Rows::new(self.format, names.clone(), out)?.fitting(self.room);
            let given = finds.give(self.order, self.limit, &mut |kept| rows.add(&row(kept)?))?;
            say_what_lacks_room(&rows.finish()?);
            given
        };
        // Of the top level it is known that records may have them, and an error code is a thing to lack.
        let deep = |place: usize| names.get(place).filter(|name| name.contains('.')).cloned();
        let absent = if given.given == 0 { Vec::new() } else { absent.into_iter().filter_map(deep).collect() };
        Ok((given, absent))
    }
}

/// Names the columns that a terminal is too narrow for.
pub(super) fn say_what_lacks_room(columns: &[String]) {
    if !columns.is_empty() {
        let columns = columns.join(", ");
        say(&format!(
            "not shown for lack of room: {columns}\n  hint: `--fields` chooses columns, and `--format csv` has all"
        ));
    }
}

/// Of which regions nothing was read, and whose trails may have nothing of IAM at all.
fn say_what_was_passed_over(passed: &PassedOver) {
    let regions: Vec<String> = passed.regions.iter().map(|region| terminal_text(region)).collect();
    if !regions.is_empty() {
        let count = units::plural(regions.len(), "other region was", "other regions were");
        say(&format!("{count} passed over, where CloudTrail records nothing of IAM: {}", regions.join(", ")));
    }
    if !passed.accounts.is_empty() {
        let accounts: Vec<String> = passed.accounts.iter().map(|account| terminal_text(account)).collect();
        say(&format!(
            "warning: nothing of IAM's region is there of {}: a trail of a single region has no event of IAM\n  hint: `--all-regions` reads what there is of them",
            accounts.join(", ")
        ));
    }
}

fn summary(given: Given, followed: Followed, scanned: &Scanned, run: Run<'_>) -> Status {
    let coverage = &scanned.coverage;
    for failure in coverage.failures.iter().take(NAMED) {
        say(&format!("warning: {}: {}", terminal_text(&failure.object), terminal_text(&failure.error)));
    }
    if coverage.failures.len() > NAMED {
        say(&format!("warning: and {} more", coverage.failures.len() - NAMED));
    }
    let copies = match given.copies {
        0 => String::new(),
        copies => format!(", {} omitted", units::plural(copies, "duplicate", "duplicates")),
    };
    let limited = if given.given < given.events { format!(" ({} printed)", given.given) } else { String::new() };
    let passed_over = super::scan::passed_over(scanned);
    let sessions = match followed.sessions {
        0 => String::new(),
        sessions => format!(
            ", {} followed in {}",
            units::plural(sessions, "session", "sessions"),
            units::plural(followed.passes, "more pass", "more passes")
        ),
    };
    say(&format!(
        "{} found{limited}{copies}{sessions}; {} of {} read ({}, {} inflated), {} failed, {} skipped by intent{passed_over}",
        units::plural(given.events, "event", "events"),
        units::count(coverage.objects_read),
        units::plural(coverage.objects_listed, "object", "objects"),
        units::readable_size(coverage.bytes_compressed),
        units::readable_size(coverage.bytes_raw),
        units::count(coverage.objects_failed),
        units::count(coverage.objects_skipped),
    ));
    if coverage.objects_read == 0 {
        say("warning: no object at all was read: that shows nothing, not that nothing happened");
    }
    let conflicts = coverage::by_event(given.conflicts);
    coverage::warn(&conflicts, run);
    let complete = scanned.coverage.objects_read > 0 && scanned.coverage.failures.is_empty() && conflicts.is_empty();
    Status::of(complete)
}
