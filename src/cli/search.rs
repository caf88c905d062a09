//! `mfatrail search`.

use std::ffi::OsString;
use std::io::{self, BufWriter, ErrorKind};

use clap::{Args, ValueEnum};

use super::archive::{archive, range, selection, sources};
use super::args::{ArchiveArgs, AwsArgs};
use super::exit::Status;
use super::messages::{read_counts, say_failures, say_hidden_columns, say_unknown};
use super::{inform, say, terminal};
use crate::app::search::{Followed, Layout, SearchRequest, Written, search, unknown_names};
use crate::app::{Error, Run, coverage};
use crate::escape::terminal as terminal_text;
use crate::pipeline::Scanned;
use crate::search::filter::By;
use crate::source::PassedOver;
use crate::table::print::Format;
use crate::units;

/// Find raw records: who did what from where, and what their sessions did next
///
/// Different filters must all match; of a repeated filter, one value must match. Each event is printed once, on a line: the
/// record as CloudTrail wrote it, without line breaks, in the order of the archive or, with --sort, of time. Nothing is
/// printed before everything has been read. A summary goes to standard error.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct SearchArgs {
    /// The archive: s3://bucket/prefix, a directory, a file, or - for standard input
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

    /// Calls by a unique ID: AIDA…, AROA… with all its sessions, or AROA…:session
    #[arg(long = "principal-id", value_name = "ID", help_heading = "Filters")]
    principal_ids: Vec<String>,

    /// Calls by sessions of a role (name or ARN), and calls that assume or change it
    #[arg(long = "role", value_name = "ROLE", help_heading = "Filters")]
    roles: Vec<String>,

    /// Calls with an access key, and calls that created, changed or deleted it
    #[arg(long = "access-key", value_name = "ID", help_heading = "Filters")]
    access_keys: Vec<String>,

    /// Calls from an IPv4 or IPv6 address or CIDR range
    #[arg(long = "ip", value_name = "ADDRESS", help_heading = "Filters")]
    addresses: Vec<String>,

    /// errorCode, such as AccessDenied or *Denied*; `any` for everything that failed, including sign-ins, `none` for the rest
    #[arg(long = "error", value_name = "CODE", help_heading = "Filters")]
    errors: Vec<String>,

    /// Records with this text in any key, string (escapes decoded) or integer
    #[arg(long = "text", value_name = "TEXT", help_heading = "Filters")]
    texts: Vec<String>,

    /// Only read-only calls
    #[arg(long, conflicts_with = "writes", help_heading = "Filters")]
    read_only: bool,

    /// Only calls that may change something
    #[arg(long, help_heading = "Filters")]
    writes: bool,

    /// Only records from this time on, by eventTime
    #[arg(long, value_name = "TIME", help_heading = "Filters")]
    from: Option<String>,

    /// Only records before this time
    #[arg(long, value_name = "TIME", help_heading = "Filters")]
    to: Option<String>,

    /// Read every region. By default, if the filters match only IAM events and --from is after November 22, 2021, only the region
    /// in which CloudTrail has recorded IAM events since then is read (one per partition)
    #[arg(long, conflicts_with = "regions", help_heading = "Archive")]
    all_regions: bool,

    /// Also find what was done with sessions, access keys, passwords, users and roles created by the matching calls, and with what
    /// those created in turn; implies --sort
    #[arg(long, help_heading = "Filters")]
    follow: bool,

    /// Sort by time
    #[arg(long, conflicts_with = "count_by", help_heading = "Output")]
    sort: bool,

    /// Print only these fields, such as eventTime,userIdentity.arn,resources.0.ARN
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', help_heading = "Output")]
    fields: Vec<String>,

    /// Count the records by the value of a field, or by the combination of several, most frequent first
    #[arg(long, value_name = "FIELD", value_delimiter = ',', conflicts_with = "fields", help_heading = "Output")]
    count_by: Vec<String>,

    /// Output format [default: the records as they are; with --fields or --count-by a table]
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    format: Option<FormatArg>,

    /// Print at most N lines
    #[arg(long, value_name = "N", help_heading = "Output")]
    limit: Option<u64>,

    #[command(flatten)]
    pub(super) archive: ArchiveArgs,

    #[command(flatten)]
    pub(super) aws: AwsArgs,
}

const HELP: &str = "\
A TIME is a date (2026-10-01, today, yesterday), a time with its zone (2026-10-01T08:00Z, 2026-10-01 10:00:00+02:00) or an age
(36h, 7d, 2w). Everything is UTC. In every filter except --text, `*` matches any characters and `?`
matches one. Names of events, services, users, roles and errors are case-insensitive; unique IDs, access keys and --text are
case-sensitive.

--follow needs --user, --principal-id, --role or --access-key. It follows what the matching calls issued (AssumeRole and its
variants, GetSessionToken, GetFederationToken) or created (access keys, console passwords, users, roles), and sign-ins. A session's
calls are found by access key, or by the session's ID if it began when the credentials were issued. The other filters choose what is
shown, not what is followed; --from, --to, --account and --region limit both. The source is read twice, whatever the length of the
chain. `mfatrail trace` tells the whole story.

--ip compares addresses, however they are written. Calls that AWS makes on somebody's behalf have the name of a service instead
(cloudformation.amazonaws.com, AWS Internal); use --text to find these.

If a filter has a value to look for (a name, a key, an ID, an address, a text), only records that can match are parsed. In an
object that is intact gzip and begins and ends as CloudTrail writes it, damaged JSON between other records is then not noticed.

A field is a path of keys, with dots between them and list positions from 0. A table is built in memory; CSV and JSON are not.

Examples:
  mfatrail search fixtures/archive --event-name DeactivateMFADevice
  mfatrail search fixtures/archive --event-name '*MFADevice' --user felix.moreau --sort --format table
  mfatrail search fixtures/archive --ip 198.51.100.0/24 --writes --fields eventTime,eventName,userIdentity.arn --format csv
  mfatrail search fixtures/archive --error any --count-by errorCode,eventName --limit 10
  mfatrail search fixtures/archive --user oscar.berg --follow --from 2026-10-14 --to 2026-10-15
  mfatrail search fixtures/archive --text AWSDenyAll --fields eventTime,requestParameters
  mfatrail search s3://trail-bucket --from 7d --access-key AKIAIOSFODNN7EXAMPLE --follow | jq -r .eventName

Exit status, the first that applies: 2 wrong usage; 4 the run failed; 3 done, but an object could not be read, no
object was read, or records of one event contradict each other; 0 done, whether or not anything was found.";

/// What --format names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// Table for reading
    Table,
    /// CSV with a header
    Csv,
    /// JSON lines
    Json,
}

pub(super) fn run(args: &SearchArgs, run: Run<'_>) -> Result<Status, Error> {
    let request = request(args, run)?;
    let archive = archive(sources(&args.sources)?, &args.archive, &args.aws)?;
    let format = match args.format {
        Some(FormatArg::Json) => Format::Json,
        Some(FormatArg::Csv) => Format::Csv,
        Some(FormatArg::Table) | None => Format::Table(terminal::output_width()),
    };
    let findings = search(&request, &archive, run)?;
    let (scanned, followed, selection) = (findings.scanned.clone(), findings.followed, findings.selection.clone());
    let passed_over = findings.passed_over.clone();
    let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let written = match findings.write(&request, format, out) {
        Ok(written) => written,
        // A reader that has had enough is no failure, and wants to hear no more.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Status::Done),
        Err(error) => return Err(Error::Failed(format!("could not write the search results: {error}"))),
    };
    say_hidden_columns(&written.hidden_columns);
    for field in &written.absent_fields {
        say(&format!("warning: no matching event has the field `{}`", terminal_text(field)));
    }
    summarize(&written, followed, &scanned);
    coverage::warn(&written.conflicts, run);
    passed_over.iter().for_each(say_passed_over);
    if written.events == 0 {
        let unknown = unknown_names(&request, &archive, &selection, &scanned);
        unknown.iter().for_each(|name| say_unknown("no record in range", name));
    }
    if followed.is_cut {
        say(
            "warning: more sessions, keys and users came of these calls than are followed\n  hint: narrow the search with --from and --to",
        );
    }
    let read = scanned.coverage.objects_read > 0 && scanned.coverage.failures.is_empty() && !followed.is_cut;
    Ok(Status::of(read && written.conflicts.is_empty()))
}

fn request(args: &SearchArgs, run: Run<'_>) -> Result<SearchRequest, Error> {
    let [from, to] = range(args.from.as_deref(), args.to.as_deref(), run.now)?;
    let layout = if !args.count_by.is_empty() {
        Layout::Counts(args.count_by.clone())
    } else if !args.fields.is_empty() {
        Layout::Fields(args.fields.clone())
    } else if matches!(args.format, Some(FormatArg::Table | FormatArg::Csv)) {
        Layout::Overview
    } else {
        Layout::Records
    };
    let filters = [
        (By::EventName, &args.event_names),
        (By::EventSource, &args.event_sources),
        (By::User, &args.users),
        (By::PrincipalId, &args.principal_ids),
        (By::Role, &args.roles),
        (By::AccessKey, &args.access_keys),
        (By::Ip, &args.addresses),
        (By::Error, &args.errors),
        (By::Text, &args.texts),
    ];
    Ok(SearchRequest {
        selection: selection(&args.archive, from, to)?,
        filters: filters.map(|(by, values)| (by, values.clone())).into(),
        read_only: (args.read_only || args.writes).then_some(args.read_only),
        all_regions: args.all_regions,
        follow: args.follow,
        layout,
        sort: args.sort,
        limit: args.limit,
    })
}

fn summarize(written: &Written, followed: Followed, scanned: &Scanned) {
    say_failures(&scanned.coverage.failures);
    let limited =
        if written.printed < written.events { format!(" ({} printed)", written.printed) } else { String::new() };
    let duplicates = match written.duplicates {
        0 => String::new(),
        count => format!(", {} omitted", units::plural(count, "duplicate", "duplicates")),
    };
    let credentials = match followed.credentials {
        0 => String::new(),
        credentials => format!(
            ", {} followed in {}",
            units::plural(credentials, "session, key or user", "sessions, keys and users"),
            units::plural(followed.passes, "more pass", "more passes")
        ),
    };
    // That there is more than is shown is no matter of taste.
    let tell = if limited.is_empty() { inform } else { say };
    tell(&format!(
        "{} found{limited}{duplicates}{credentials}; {}",
        units::plural(written.events, "event", "events"),
        read_counts(scanned)
    ));
    if scanned.coverage.objects_read == 0 {
        say(super::messages::NOTHING_READ);
    }
}

/// Of which regions nothing was read, and whose trails may have nothing of IAM at all.
fn say_passed_over(passed: &PassedOver) {
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
