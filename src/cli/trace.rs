//! `mfatrail trace`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::archive::{archive, place, range, selection, sources, time};
use super::args::{ArchiveArgs, AwsArgs, CacheArgs};
use super::exit::Status;
use super::{inform, put, put_json, say, show};
use crate::app::trace::{Question, TraceRequest, trace};
use crate::app::{Error, Run};
use crate::contract::trace::Trace;
use crate::report::{trace_html, trace_text, trace_timeline_csv, trace_timeline_jsonl};
use crate::units::{self, plural, readable_size};

/// Trace an event, a user or a key: the sessions that led there, those that followed, what they did and made, and what still stands
///
/// Reads the archive twice: once for the calls that hand out credentials or create users, keys and roles, and once for what was done
/// with those that belong together. What is not known comes first.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
#[command(group(clap::ArgGroup::new("question").required(true).args(["event", "window", "user", "access_key"])))]
pub(super) struct TraceArgs {
    /// The archive: s3://bucket/prefix, a directory or a file
    #[arg(value_name = "SOURCE", required = true)]
    pub(super) sources: Vec<OsString>,

    /// The `eventID` of a record: who made the call, and what belongs to it
    #[arg(long, value_name = "ID", help_heading = "What to trace")]
    event: Option<String>,

    /// A window of a report or an incident of a watch: its opening event, or mfatrail:ACCOUNT:EVENT
    #[arg(long, value_name = "ID", help_heading = "What to trace")]
    window: Option<String>,

    /// An IAM user, by name or ARN, and whoever removed its MFA or changed its credentials; `root` is the root user
    #[arg(long, value_name = "USER", help_heading = "What to trace")]
    user: Option<String>,

    /// An access key ID, long-term or temporary
    #[arg(long, value_name = "ID", help_heading = "What to trace")]
    access_key: Option<String>,

    /// Only records from this time on, by eventTime
    #[arg(long, value_name = "TIME", help_heading = "What to trace")]
    from: Option<String>,

    /// Only records before this time
    #[arg(long, value_name = "TIME", help_heading = "What to trace")]
    to: Option<String>,

    /// How long before the event, or before the user lost MFA, a key or a user may have been created for its creator to be followed
    #[arg(long, value_name = "DURATION", default_value = "3d", help_heading = "What to trace")]
    reach: String,

    /// Compare what was created with IAM state: a snapshot of `mfatrail iam snapshot`, or a folder of the AWS CLI's files
    #[arg(long, value_name = "FILE|DIR", help_heading = "Inputs")]
    iam: Option<PathBuf>,

    /// When the AWS CLI's files of IAM state were made
    #[arg(long, value_name = "TIME", requires = "iam", help_heading = "Inputs")]
    iam_as_of: Option<String>,

    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    format: FormatArg,

    /// With --event or --window and without --from, look up in this evidence store when the event happened, and read the archive from
    /// shortly before that on
    #[arg(long, value_name = "DIR", help_heading = "Archive")]
    pub(super) store: Option<PathBuf>,

    #[command(flatten, next_help_heading = "Archive")]
    pub(super) cache: CacheArgs,

    #[command(flatten)]
    pub(super) archive: ArchiveArgs,

    #[command(flatten)]
    pub(super) aws: AwsArgs,
}

const HELP: &str = "\
A TIME is a date (2026-10-01, today, yesterday), a time with its zone (2026-10-01T08:00Z, 2026-10-01 10:00:00+02:00) or an age
(36h, 7d, 2w). Everything is UTC. Without --from the whole archive is read. --account and --region limit what is read, and with it
how far a chain can be followed: to name one of several users of one name, give the ARN.

A call belongs to a session by its access key, or by the session's ID if it began when the credentials were issued. From what is asked
about, sessions are followed back to the key or the sign-in that they began with, and all that came of these is followed forward:
sessions, access keys, passwords, users and roles. Whoever created a key or a user longer ago than --reach is named, not followed.

Examples:
  mfatrail trace fixtures/archive --access-key AKIACYCXYR6QKKIMVNUW --from 2026-10-01
  mfatrail trace fixtures/archive --event f7ec58ac-b3c4-4967-9791-6c388dfd1988 --format timeline-csv
  mfatrail trace fixtures/archive --event f7ec58ac-b3c4-4967-9791-6c388dfd1988 --store evidence
  mfatrail trace s3://trail-bucket --user felix.moreau --from yesterday
  mfatrail trace s3://trail-bucket --from 7d --access-key AKIAIOSFODNN7EXAMPLE --format json | jq .unknowns

Exit status, the first that applies: 2 wrong usage; 4 the run failed; 3 done, but not everything could be read or followed, where a
session came from is not known, or nothing of what was asked about was found; 0 done.";

/// What --format names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// The story as text
    Text,
    /// One JSON document
    Json,
    /// A page by itself
    Html,
    /// A timeline for Timesketch, CSV
    TimelineCsv,
    /// A timeline for Timesketch, JSON lines
    TimelineJsonl,
}

pub(super) fn run(args: &TraceArgs, run: Run<'_>) -> Result<Status, Error> {
    let [from, to] = range(args.from.as_deref(), args.to.as_deref(), run.now)?;
    let reach = units::parse_duration(&args.reach).map_err(|error| Error::Input(format!("`--reach`: {error}")))?;
    let iam_as_of = args.iam_as_of.as_deref().map(|text| time("--iam-as-of", text, run.now)).transpose()?;
    if args.iam.as_deref().is_some_and(|iam| iam == Path::new("live")) {
        let hint = "save it with `mfatrail iam snapshot`, and give that file";
        return Err(Error::Input(format!("`--iam live`: a trace makes no calls to IAM\n  hint: {hint}")));
    }
    let archive = archive(sources(&args.sources)?, &args.archive, &args.aws)?;
    let store = args.store.as_deref().map(|store| place(store, &args.cache, &archive.options.s3)).transpose()?;
    let request = TraceRequest {
        selection: selection(&args.archive, from, to)?,
        question: question(args)?,
        reach,
        iam: args.iam.clone(),
        iam_as_of,
        store,
    };
    let traced = trace(&request, &archive, run)?;
    match args.format {
        FormatArg::Text => show(&trace_text(&traced))?,
        FormatArg::Json => put_json(&traced)?,
        FormatArg::Html => put(&trace_html(&traced).map_err(Error::failed)?)?,
        FormatArg::TimelineCsv => put(trace_timeline_csv(&traced).trim_end())?,
        FormatArg::TimelineJsonl => put(trace_timeline_jsonl(&traced).map_err(Error::failed)?.trim_end())?,
    }
    summarize(&traced);
    Ok(Status::of(traced.complete))
}

fn question(args: &TraceArgs) -> Result<Question, Error> {
    let TraceArgs { event, window, user, access_key, .. } = args;
    if let Some(id) = event {
        return Question::event_of("--event", id);
    }
    if let Some(id) = window {
        return Question::window_of(id);
    }
    if let Some(user) = user {
        return Question::user_of(user);
    }
    Question::access_key_of(access_key.as_deref().unwrap_or_default())
}

fn summarize(trace: &Trace) {
    let coverage = &trace.coverage;
    let tell = if trace.complete { inform } else { say };
    tell(&format!(
        "{} of {}, in {} over the archive; {} of {} read ({}, {} inflated), {} failed, {} deliberately skipped",
        plural(trace.events.len(), "event", "events"),
        plural(trace.credentials.len(), "credential", "credentials"),
        plural(coverage.passes, "pass", "passes"),
        units::count(coverage.objects_read),
        plural(coverage.objects_listed, "object", "objects"),
        readable_size(coverage.bytes_compressed),
        readable_size(coverage.bytes_raw),
        units::count(coverage.objects_failed),
        units::count(coverage.objects_skipped)
    ));
    if !trace.complete {
        say("warning: this trace is not complete: see what is not known");
    }
}
