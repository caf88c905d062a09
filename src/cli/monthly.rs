//! `mfatrail monthly`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::archive::{archive, connection, delivery_slack, place, sources, time};
use super::args::{ArchiveArgs, AwsArgs, CacheArgs, FormatArg, PdfArgs};
use super::exit::Status;
use super::report::{generated_at, is_live, signer};
use super::{Printed, named_file, plain, put, put_json, say};
use crate::app::fail_on::FailOn;
use crate::app::monthly::{Destination, MonthlyOutcome, MonthlyRequest, Step, monthly};
use crate::app::request::{IamSource, ReportRequest};
use crate::app::{Error, Run, THIS, rfc3339};
use crate::aws::Connection;
use crate::contract::{Period, Tool};
use crate::source::Source;
use crate::source::s3::S3Options;
use crate::units;

/// Report on a month, from the scan to the message: what a scheduler runs
///
/// Scans the archive into the store, saves IAM state and guardrails, makes the report with its evidence bundle and what changed since
/// the months before, copies the files and tells the channels of a watch. Every step is done once: run it again, and it goes on where it
/// was, or says that nothing has changed. SOURCE may be the name of an archive of mfatrail.toml, and is that archive where it has only
/// one.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct MonthlyArgs {
    /// The archive: a name from mfatrail.toml, s3://bucket/prefix or a directory. Without it the store is used as it is
    #[arg(value_name = "SOURCE")]
    pub(super) sources: Vec<OsString>,

    /// The evidence store; made where there is none
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE", help_heading = "Archive")]
    store: PathBuf,

    #[command(flatten, next_help_heading = "Archive")]
    cache: CacheArgs,

    /// A calendar month that is over, UTC: 2026-10, or `last`
    #[arg(long, value_name = "MONTH", default_value = "last", help_heading = "Period")]
    month: String,

    /// IAM state: "live" saves a snapshot in the store, once for each month; "store" takes the first snapshot after the month; or
    /// files, as for `mfatrail report`
    #[arg(long, value_name = "live|store|DIR|FILE", help_heading = "Inputs")]
    pub(super) iam: Option<OsString>,

    /// When the AWS CLI output in --iam was created
    #[arg(long, value_name = "TIME", requires = "iam", help_heading = "Inputs")]
    iam_as_of: Option<String>,

    /// The role to assume in each account of the archive, for --iam live and --posture live
    #[arg(long, value_name = "NAME", help_heading = "Inputs")]
    pub(super) iam_role: Option<String>,

    /// Approvals, as for `mfatrail report`
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    approvals: Option<PathBuf>,

    /// Detections, as for `mfatrail report`
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    detections: Option<PathBuf>,

    /// Settings, as for `mfatrail report`
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    policy: Option<PathBuf>,

    /// Accepted risks, as for `mfatrail report`
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    exceptions: Option<PathBuf>,

    /// Guardrails: "live" asks AWS once for each month, or a file of `mfatrail posture --format json`
    #[arg(long, value_name = "live|FILE", help_heading = "Inputs")]
    posture: Option<PathBuf>,

    /// Verify the archive against CloudTrail's digest files while reading it
    #[arg(long, help_heading = "Inputs")]
    pub(super) verify: bool,

    /// With --verify, CloudTrail's public keys; may be repeated [default: fetch them from CloudTrail]
    #[arg(long, value_name = "FILE", requires = "verify", help_heading = "Inputs")]
    pub(super) public_keys: Vec<PathBuf>,

    /// Ask AWS again, and make the report again
    #[arg(long, help_heading = "Inputs")]
    again: bool,

    /// The folder of all months: each has a folder of its own in it, such as 2026-10
    #[arg(long, value_name = "DIR", default_value = "mfatrail-months", help_heading = "Output")]
    into: PathBuf,

    /// Write only these formats, as for `mfatrail report`
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', help_heading = "Output")]
    format: Vec<FormatArg>,

    /// Also write a page for each account
    #[arg(long, help_heading = "Output")]
    per_account: bool,

    #[command(flatten, next_help_heading = "Output")]
    pdf: PdfArgs,

    /// Sign the report's manifest and the bundle, as for `mfatrail report`
    #[arg(long, value_name = "FILE|ARN", help_heading = "Output")]
    pub(super) sign_key: Option<PathBuf>,

    /// Do not write an evidence bundle
    #[arg(long, help_heading = "Output")]
    no_bundle: bool,

    /// Copy the month's files to s3://bucket/prefix/MONTH/, and delete there what was copied earlier and is no longer part of the
    /// month. What was not copied by this command is not touched
    #[arg(long, value_name = "S3", help_heading = "Output")]
    deliver: Option<OsString>,

    /// Tell the channels of this configuration of `mfatrail watch` how the month stands
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) watch_config: Option<PathBuf>,

    /// Print what was done as text on standard error, with the folder's path on standard output; or as one JSON document on standard
    /// output
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    summary: Printed,

    /// Exit with status 1 if one of these conditions holds, as for `mfatrail report`
    #[arg(long, value_name = "WHAT", value_delimiter = ',', help_heading = "Output")]
    fail_on: Vec<FailOn>,

    #[command(flatten)]
    pub(super) archive: ArchiveArgs,

    #[command(flatten)]
    pub(super) aws: AwsArgs,
}

const HELP: &str = "\
docs/monthly.md says what each step keeps, and how cron, systemd and EventBridge run it.

Examples:
  mfatrail monthly fixtures/archive --month 2026-10 --store evidence --into out/months
  mfatrail monthly prod --config examples/mfatrail.toml --month 2026-10 --store evidence --into out/prod
  mfatrail monthly s3://trail-bucket --store evidence --iam live --iam-role Auditor --posture live --verify
  mfatrail monthly s3://trail-bucket --store evidence --deliver s3://audit-reports/mfa --fail-on open-window

Exit status, the first that applies: 2 wrong usage, malformed input, or another run works on the month; 4 a step failed, and the
next run tries it again; 3 done, but the evidence is incomplete; 1 done, and a --fail-on condition holds; 0 done.";

impl MonthlyArgs {
    /// The store, and where copies go: both are written.
    pub(super) fn stores(&self) -> Vec<(PathBuf, bool)> {
        let copies = self.deliver.as_ref().map(|to| (PathBuf::from(to), true));
        std::iter::once((self.store.clone(), true)).chain(copies).collect()
    }

    /// Whether guardrails are asked for now.
    pub(super) fn asks_guardrails(&self) -> bool {
        self.posture.as_deref().is_some_and(is_live)
    }
}

pub(super) fn run(args: &MonthlyArgs, run: Run<'_>) -> Result<Status, Error> {
    named_file("--into", &args.into)?;
    let period = period(&args.month, run.now)?;
    let archive = archive(sources(&args.sources)?, &args.archive, &args.aws)?;
    let request = MonthlyRequest {
        report: report(args, period, run.now)?,
        into: args.into.clone(),
        bundle: !args.no_bundle,
        printer: args.pdf.printer()?,
        signer: signer(args.sign_key.as_deref(), &archive)?.map(Arc::new),
        again: args.again,
        deliver: args.deliver.as_deref().map(|to| destination(to, period, &archive.options.s3)).transpose()?,
        watch_config: args.watch_config.clone(),
        fail_on: args.fail_on.clone(),
        generated_at: generated_at(run.now)?,
    };
    let outcome = monthly(request, &archive, run)?;
    let status = status(&outcome);
    outcome.headline.iter().flatten().filter(|text| !text.is_empty()).for_each(|text| say(&plain(text)));
    outcome.found.iter().for_each(|why| say(why));
    shown(args, period, &outcome, status)?;
    outcome.failure().map_or(Ok(status), |failure| {
        Err(Error::Failed(format!(
            "the month is not done: {failure}\n  hint: run it again; what is done is not done twice"
        )))
    })
}

fn status(outcome: &MonthlyOutcome) -> Status {
    match (outcome.complete, outcome.found.is_empty()) {
        (false, _) => Status::Incomplete,
        (true, false) => Status::Found,
        (true, true) => Status::Done,
    }
}

/// `--summary json`.
#[derive(Serialize)]
struct Shown<'o> {
    schema: &'static str,
    tool: Tool,
    month: String,
    /// The month's folder.
    folder: String,
    /// The exit status.
    status: u8,
    complete: bool,
    found: &'o [String],
    steps: &'o [Step],
}

fn shown(args: &MonthlyArgs, period: Period, outcome: &MonthlyOutcome, status: Status) -> Result<(), Error> {
    if args.summary == Printed::Text {
        return put(&outcome.folder.display().to_string());
    }
    put_json(&Shown {
        schema: "mfatrail.monthly-run/1",
        tool: THIS,
        month: period.from.format("%Y-%m").to_string(),
        folder: outcome.folder.display().to_string(),
        status: if outcome.failure().is_some() { 4 } else { status.code() },
        complete: outcome.complete,
        found: &outcome.found,
        steps: &outcome.steps,
    })
}

/// A month that is over: one that is under way would be another every day.
fn period(month: &str, now: DateTime<Utc>) -> Result<Period, Error> {
    let [from, to] = units::parse_month(month, now).map_err(|error| Error::Input(format!("`--month`: {error}")))?;
    if to > now {
        return Err(Error::Input(format!(
            "`--month`: `{month}` is not over: now is `{}`\n  hint: `--month last` is the month before; `mfatrail report` reports on one that is under way",
            rfc3339(now)
        )));
    }
    Ok(Period { from, to })
}

fn report(args: &MonthlyArgs, period: Period, now: DateTime<Utc>) -> Result<ReportRequest, Error> {
    let live = args.asks_guardrails();
    let iam = args.iam.clone().map(|iam| IamSource::from(PathBuf::from(iam)));
    if args.iam_role.is_some() && !live && !matches!(iam, Some(IamSource::Live)) {
        return Err(Error::Input(
            "`--iam-role`: nothing is asked by this role\n  hint: add `--iam live` or `--posture live`".to_owned(),
        ));
    }
    let moment = |flag, text: &Option<String>| text.as_deref().map(|text| time(flag, text, now)).transpose();
    Ok(ReportRequest {
        iam,
        iam_as_of: moment("--iam-as-of", &args.iam_as_of)?,
        approvals: args.approvals.clone(),
        detections: args.detections.clone(),
        policy: args.policy.clone(),
        posture: args.posture.clone().filter(|file| !is_live(file)),
        posture_live: live,
        exceptions: args.exceptions.clone(),
        formats: args.format.iter().map(|format| format.format()).collect(),
        per_account: args.per_account,
        accounts: args.archive.accounts.clone(),
        regions: args.archive.regions.clone(),
        delivery_slack: delivery_slack(&args.archive)?,
        iam_role: args.iam_role.clone(),
        store: Some(place(&args.store, &args.cache, &connection(&args.aws)?.s3)?),
        verify: args.verify,
        public_keys: args.public_keys.clone(),
        ..ReportRequest::new(period)
    })
}

/// Where copies go. The role of the archive reads the archive.
fn destination(to: &std::ffi::OsStr, period: Period, s3: &S3Options) -> Result<Destination, Error> {
    let Ok(Source::S3 { bucket, prefix }) = Source::parse(to) else {
        return Err(Error::Input(format!(
            "`--deliver`: `{}` is not a place in S3\n  hint: write it like s3://bucket/prefix; the files are in `--into` in any case",
            Path::new(to).display()
        )));
    };
    let connection = Connection { role_arn: None, external_id: None, ..s3.connection.clone() };
    let month = period.from.format("%Y-%m");
    Ok(Destination {
        bucket,
        prefix: format!("{}/{month}", prefix.trim_matches('/')),
        options: S3Options { connection, request_payer: false, ..s3.clone() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_must_be_over() {
        let now: DateTime<Utc> = "2026-11-01T00:00:00Z".parse().expect("a time");
        for (month, from) in [("last", "2026-10-01"), ("2026-10", "2026-10-01"), ("2025-12", "2025-12-01")] {
            let period = period(month, now).expect(month);
            assert_eq!(period.from.format("%Y-%m-%d").to_string(), from);
        }
        for month in ["2026-11", "this", "2027-01", "October", "2026-13"] {
            assert!(period(month, now).expect_err(month).message().contains("`--month`"), "{month}");
        }
    }
}
