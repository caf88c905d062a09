//! What the user typed that several commands share, and the report's many options. Nothing is derived here: see
//! [`super::archive`], [`super::report`] and [`super::iam`] for what is made of it.

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Printed;
use crate::app::Error;
use crate::app::fail_on::FailOn;
use crate::app::printer::Printer;
use crate::report::{Format, Paper};

/// Report on a period: exposure windows, MTTD, MTTR, and the evidence for them
///
/// Reads the archive, reconstructs every principal's MFA state, joins it with IAM state and writes a folder with index.html,
/// report.md, report.json, report.xlsx, windows.csv, events.csv and MANIFEST.sha256. The folder's path goes to standard
/// output, a summary to standard error.
#[derive(Debug, Args)]
#[command(after_long_help = REPORT_HELP)]
pub(super) struct ReportArgs {
    /// The archive: s3://bucket/prefix, a directory, a file, or - for standard input. With --store it is first scanned into the
    /// store, and is optional
    #[arg(value_name = "SOURCE", required_unless_present_any = ["store", "from_bundle"])]
    pub(super) sources: Vec<OsString>,

    /// Report from this evidence store, a directory or s3://bucket/prefix, on everything it holds
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE", help_heading = "Archive")]
    pub(super) store: Option<PathBuf>,

    #[command(flatten, next_help_heading = "Archive")]
    pub(super) cache: CacheArgs,

    /// With SOURCE and --store, report on SOURCE only, not on everything else in the store
    #[arg(long, requires_all = ["sources", "store"], help_heading = "Archive")]
    pub(super) only_source: bool,

    #[command(flatten)]
    pub(super) period: PeriodArgs,

    /// Measure open windows to this time, and ignore everything later [default: the time of the IAM state, else the latest
    /// delivery among the objects read]
    #[arg(long, value_name = "TIME", help_heading = "Period")]
    pub(super) as_of: Option<String>,

    /// IAM state: "live", a directory of AWS CLI output (for several accounts, one folder per account ID), a file from
    /// `mfatrail iam snapshot`, or "store" for the latest snapshot in --store (with --as-of, the latest one taken by then)
    #[arg(long, value_name = "live|store|DIR|FILE", help_heading = "Inputs")]
    pub(super) iam: Option<OsString>,

    /// When the AWS CLI output in --iam was created: the files carry no timestamp
    #[arg(long, value_name = "TIME", requires = "iam", help_heading = "Inputs")]
    pub(super) iam_as_of: Option<String>,

    /// With --iam live, the role to assume in each account of the archive
    #[arg(long, value_name = "NAME", help_heading = "Inputs")]
    pub(super) iam_role: Option<String>,

    /// Approvals, CSV (commas, semicolons or tabs) or JSON: ticket, account, user, approver, valid_from, valid_to
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    pub(super) approvals: Option<PathBuf>,

    /// Detections, CSV (commas, semicolons or tabs) or JSON: detected_at, source, reference, and event_id, or account
    /// and user
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    pub(super) detections: Option<PathBuf>,

    /// Settings, TOML: grace periods, look-back, takeover signals and their threshold, owner tags, actors that do not count as
    /// detectors
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    pub(super) policy: Option<PathBuf>,

    /// Guardrails: "live", or a file of `mfatrail posture --format json`, as a section of the report. Live, the accounts are those
    /// of --account, by the role of --iam-role, else that of the credentials
    #[arg(long, value_name = "live|FILE", help_heading = "Inputs")]
    pub(super) posture: Option<PathBuf>,

    /// Accepted risks, CSV (commas, semicolons or tabs) or JSON: account, user or guardrail, accepted_by, reason, valid_until,
    /// reference. They are shown beside what they are about, and change no figure
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    pub(super) exceptions: Option<PathBuf>,

    /// An earlier report, its folder or its report.json: for the trend, and for what changed since the latest of them; may be
    /// repeated
    #[arg(long, value_name = "FILE|DIR", help_heading = "Inputs")]
    pub(super) previous: Vec<PathBuf>,

    /// Verify the archive against CloudTrail's digest files while reading it, and show the integrity status of the evidence for
    /// every window and event
    #[arg(long, help_heading = "Inputs")]
    pub(super) verify: bool,

    /// With --verify, CloudTrail's public keys, as `aws cloudtrail list-public-keys` prints them; may be repeated
    /// [default: fetch them from CloudTrail]
    #[arg(long, value_name = "FILE", requires = "verify", help_heading = "Inputs")]
    pub(super) public_keys: Vec<PathBuf>,

    /// The report's folder [default: mfatrail-report- and the period]. An earlier report in it is replaced, anything else is not
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(super) out: Option<PathBuf>,

    /// Write only these formats [default: html, md, json, csv, xlsx, and txt with --previous]
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', help_heading = "Output")]
    pub(super) format: Vec<FormatArg>,

    #[command(flatten, next_help_heading = "Output")]
    pub(super) pdf: PdfArgs,

    /// Sign the report's manifest, and the bundle, with this SSH key (by `ssh-keygen`) or this key in AWS KMS. A signature stands in a
    /// file of its own, MANIFEST.sha256.sig or .sig.json; `mfatrail bundle verify` checks it
    #[arg(long, value_name = "FILE|ARN", help_heading = "Output")]
    pub(super) sign_key: Option<PathBuf>,

    /// Also write a page for each account, linked from index.html
    #[arg(long, help_heading = "Output")]
    pub(super) per_account: bool,

    /// Replace names, addresses, account IDs, devices, user agents and object keys with pseudonyms in every file
    #[arg(long, help_heading = "Output")]
    pub(super) redact: bool,

    /// With --redact, a file with a secret of at least 16 bytes: the same secret gives the same pseudonyms in every report
    #[arg(long, value_name = "FILE", requires = "redact", help_heading = "Output")]
    pub(super) redact_key: Option<PathBuf>,

    /// Also write an evidence bundle: a zip file of the report and everything needed to reproduce it elsewhere with
    /// --from-bundle. It contains names, addresses and policies
    #[arg(long, value_name = "FILE", conflicts_with_all = ["redact", "dry_run"], help_heading = "Output")]
    pub(super) bundle: Option<PathBuf>,

    /// With --bundle, include the cited log objects; with --verify, also the digest files that prove them
    #[arg(long, requires = "bundle", requires = "sources", help_heading = "Output")]
    pub(super) with_objects: bool,

    /// Print the summary as text on standard error, with the folder's path on standard output; or as one JSON document,
    /// including the path, on standard output
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(super) summary: Printed,

    /// Exit with status 1 if one of these conditions holds, and print each that does: open-window, not-legitimate,
    /// suspected-takeover, undetected, reconciliation, gap, stopped-trail, expired-exception, coverage<PERCENT, mttr>AGE, mttd>AGE
    #[arg(long, value_name = "WHAT", value_delimiter = ',', help_heading = "Output")]
    pub(super) fail_on: Vec<FailOn>,

    /// Show what would be read: objects, bytes, requests to S3, their price and about how long it takes. Reads nothing, except one
    /// object per bucket to check permissions
    #[arg(long, help_heading = "Output")]
    pub(super) dry_run: bool,

    #[command(flatten)]
    pub(super) archive: ArchiveArgs,

    #[command(flatten)]
    pub(super) aws: AwsArgs,
}

const REPORT_HELP: &str = "\
A TIME is a date (2026-10-01, today, yesterday), a time with its zone (2026-10-01T08:00Z, 2026-10-01 10:00:00+02:00) or an age
(36h, 7d, 2w). Everything is UTC. --to is the exclusive end, and the only time that may be in the future. A report on several
whole months has a part for each month, and the trend. If SOURCE_DATE_EPOCH is set, generated_at is that time.

Examples:
  mfatrail report fixtures/archive --month 2026-10 --iam fixtures/iam --iam-as-of 2026-11-02 --out out/report
  mfatrail report --store evidence --month 2026-10 --iam fixtures/iam --iam-as-of 2026-11-02 --out out/from-store
  mfatrail report s3://trail-bucket --month last --iam live --iam-role Auditor --fail-on open-window
  mfatrail report s3://trail-bucket/prefix --from 36h --account 111122223333 --dry-run
  mfatrail report s3://trail-bucket --from 2026-01 --to 2026-07 --per-account --pdf
  mfatrail report fixtures/archive --month 2026-10 --redact --format html,json --out out/shared
  mfatrail report fixtures/archive --month 2026-10 --out out/report --bundle report.zip --with-objects
  mfatrail report --from-bundle report.zip --out out/again
  mfatrail report --store evidence --month last --summary json | jq .figures.mttr.mean_s
  zcat *.json.gz | mfatrail report - --from 2026-10-01 --to 2026-10-08

Exit status, the first that applies: 2 wrong usage or malformed input; 4 the run failed; 3 done, but the evidence is
incomplete; 1 done, and a --fail-on condition holds; 0 done.";

#[derive(Debug, Args)]
#[group(id = "period", required = true, multiple = true)]
pub(super) struct PeriodArgs {
    /// A calendar month, UTC: 2026-10, `last`, or `this` for the current one
    #[arg(long, value_name = "MONTH", conflicts_with_all = ["from", "to"], help_heading = "Period")]
    pub(super) month: Option<String>,

    /// The start of the period; a month (2026-01) means its start
    #[arg(long, value_name = "TIME", help_heading = "Period")]
    pub(super) from: Option<String>,

    /// Check an evidence bundle and reproduce its report, offline. The only other options are --out and --summary
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["month", "from", "to", "sources", "as_of", "iam", "approvals", "detections", "policy", "posture",
            "exceptions", "previous", "only_source", "verify", "bundle", "format", "pdf", "per_account", "redact", "fail_on", "dry_run", "accounts",
            "regions"],
        help_heading = "Period"
    )]
    pub(super) from_bundle: Option<PathBuf>,

    /// The exclusive end of the period: --from 2026-01 --to 2026-07 is January to June [default: now]
    #[arg(long, value_name = "TIME", requires = "from", help_heading = "Period")]
    pub(super) to: Option<String>,
}

/// What --format names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatArg {
    /// index.html
    Html,
    /// report.md
    Md,
    /// report.json
    Json,
    /// windows.csv and events.csv
    Csv,
    /// report.xlsx
    Xlsx,
    /// changes.txt, with --previous: what changed, as plain text for a mail
    Txt,
    /// findings.ocsf.jsonl: OCSF 1.3.0, one finding a line
    Ocsf,
    /// findings.asff.json: for `aws securityhub batch-import-findings`
    Asff,
    /// report.sarif: SARIF 2.1.0
    Sarif,
    /// junit.xml: for CI servers
    Junit,
}

impl FormatArg {
    pub(super) const fn format(self) -> Format {
        match self {
            Self::Html => Format::Html,
            Self::Md => Format::Markdown,
            Self::Json => Format::Json,
            Self::Csv => Format::Csv,
            Self::Xlsx => Format::Xlsx,
            Self::Txt => Format::Text,
            Self::Ocsf => Format::Ocsf,
            Self::Asff => Format::Asff,
            Self::Sarif => Format::Sarif,
            Self::Junit => Format::Junit,
        }
    }
}

/// A report on paper.
#[derive(Debug, Args)]
pub(super) struct PdfArgs {
    /// Also write report.pdf: the page, printed by an installed Chromium. If that fails, the other files are still written, and
    /// the exit status is 4
    #[arg(long)]
    pdf: bool,

    /// With --pdf, the browser [default: the first Chromium or Chrome on the PATH]
    #[arg(long, value_name = "PATH", requires = "pdf")]
    chromium: Option<PathBuf>,

    /// With --pdf, the paper size
    #[arg(long, value_name = "SIZE", requires = "pdf", default_value = "a4")]
    paper: PaperArg,
}

impl PdfArgs {
    /// What prints, if anything is to be printed.
    pub(super) fn printer(&self) -> Result<Option<Printer>, Error> {
        let paper = match self.paper {
            PaperArg::A4 => Paper::A4,
            PaperArg::Letter => Paper::Letter,
        };
        self.pdf.then(|| Printer::new(self.chromium.as_deref(), paper)).transpose()
    }
}

/// What --paper names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PaperArg {
    A4,
    Letter,
}

#[derive(Debug, Args)]
pub(super) struct ArchiveArgs {
    /// Read only this account's folders; may be repeated
    #[arg(long = "account", value_name = "ID", help_heading = "Archive")]
    pub(super) accounts: Vec<String>,

    /// Read only this region's folders; may be repeated. IAM events are recorded in one region per partition (us-east-1,
    /// us-gov-west-1, cn-north-1, eusc-de-east-1, us-iso-east-1, us-isob-east-1)
    #[arg(long = "region", value_name = "REGION", help_heading = "Archive")]
    pub(super) regions: Vec<String>,

    /// Allowance for late delivery: the listing extends this far past the end of the range
    #[arg(long, value_name = "DURATION", default_value = "1d", help_heading = "Archive")]
    pub(super) delivery_slack: String,

    /// Refuse objects that inflate to more than this size
    #[arg(long, value_name = "SIZE", default_value = "96MiB", help_heading = "Archive")]
    pub(super) inflate_limit: String,

    /// Decode on this many threads [default: one per core]
    #[arg(long, value_name = "N", help_heading = "Archive")]
    pub(super) threads: Option<NonZeroUsize>,
}

#[derive(Debug, Args)]
pub(super) struct AwsArgs {
    /// A profile from the AWS CLI's configuration
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub(super) profile: Option<String>,

    /// The region of the bucket and of AWS calls [default: AWS_REGION, the profile's, else us-east-1]
    #[arg(long, value_name = "REGION", help_heading = "AWS")]
    pub(super) aws_region: Option<String>,

    /// A custom endpoint, addressed path-style [also: AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_IAM]
    #[arg(long, value_name = "URL", help_heading = "AWS")]
    pub(super) endpoint_url: Option<String>,

    /// The role to assume for reading the archive
    #[arg(long, value_name = "ARN", help_heading = "AWS")]
    pub(super) role_arn: Option<String>,

    /// The external ID that the role requires
    #[arg(long, value_name = "ID", requires = "role_arn", help_heading = "AWS")]
    pub(super) external_id: Option<String>,

    /// Accept requester-pays charges
    #[arg(long, help_heading = "AWS")]
    pub(super) request_payer: bool,

    /// Time out an S3 request after this long without data
    #[arg(long, value_name = "DURATION", default_value = "20s", hide_short_help = true, help_heading = "AWS")]
    pub(super) s3_timeout: String,

    /// Maximum number of attempts for a failed S3 request or an interrupted download, with pauses from 0.5 s that double
    #[arg(long, value_name = "N", default_value = "8", hide_short_help = true, help_heading = "AWS")]
    pub(super) s3_attempts: NonZeroU32,

    /// The most requests to S3 in flight [default: tuned automatically, 512 at most]
    #[arg(long, value_name = "N", hide_short_help = true, help_heading = "AWS")]
    pub(super) s3_requests: Option<NonZeroUsize>,

    /// Threads that get objects from S3 [default: one for four processors]
    #[arg(long, value_name = "N", hide_short_help = true, help_heading = "AWS")]
    pub(super) s3_threads: Option<NonZeroUsize>,

    /// How objects are got from S3: `direct` takes less CPU time, and leaves errors to the SDK; `sdk` is the SDK alone
    #[arg(long, value_enum, default_value_t = Getting::Direct, hide_short_help = true, help_heading = "AWS")]
    pub(super) s3_get: Getting,
}

/// How a store in a bucket is reached, by commands that read nothing else there.
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    #[command(flatten)]
    pub(super) cache: CacheArgs,

    /// With --store s3://bucket/prefix, a profile of the AWS CLI's configuration
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub(super) profile: Option<String>,

    /// With --store s3://bucket/prefix, the bucket's region [default: AWS_REGION, the profile's, else us-east-1]
    #[arg(long, value_name = "REGION", help_heading = "AWS")]
    pub(super) aws_region: Option<String>,

    /// With --store s3://bucket/prefix, another endpoint, addressed path-style [also: AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3]
    #[arg(long, value_name = "URL", help_heading = "AWS")]
    pub(super) endpoint_url: Option<String>,
}

/// Where copies of the files of a store in a bucket are.
#[derive(Debug, Args)]
pub(super) struct CacheArgs {
    /// With --store s3://bucket/prefix, a folder for copies of its files, which are checked by their hashes; `none` for no copies
    /// [default: mfatrail in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE_CACHE")]
    pub(super) store_cache: Option<PathBuf>,
}

/// How objects are got from S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Getting {
    /// By mfatrail's own HTTP requests.
    Direct,
    /// By the SDK.
    Sdk,
}

/// Save the current IAM state for later reports
///
/// Reads users, MFA devices, policies, groups, tags, the credential report and the account summary, and writes one JSON file
/// for --iam of a later report. Whatever the permissions do not allow is left out, and named.
#[derive(Debug, Args)]
#[command(after_long_help = SNAPSHOT_HELP)]
#[command(group(clap::ArgGroup::new("place").required(true).multiple(true).args(["out", "store"])))]
pub(super) struct SnapshotArgs {
    /// The file to write. An earlier snapshot is replaced, anything else is not
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,

    /// Save it in this evidence store, for `report --iam store` and for the trend
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE")]
    pub(super) store: Option<PathBuf>,

    #[command(flatten)]
    pub(super) cache: CacheArgs,

    /// The role to assume in each --account
    #[arg(long, value_name = "NAME", requires = "accounts")]
    pub(super) iam_role: Option<String>,

    /// With --iam-role, an account to read; may be repeated
    #[arg(long = "account", id = "accounts", value_name = "ID", requires = "iam_role")]
    pub(super) accounts: Vec<String>,

    /// A profile from the AWS CLI's configuration
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub(super) profile: Option<String>,

    /// The region to call AWS in [default: AWS_REGION, the profile's, else us-east-1]
    #[arg(long, value_name = "REGION", help_heading = "AWS")]
    pub(super) aws_region: Option<String>,

    /// A custom endpoint [also: AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_IAM]
    #[arg(long, value_name = "URL", help_heading = "AWS")]
    pub(super) endpoint_url: Option<String>,
}

const SNAPSHOT_HELP: &str = "\
Permissions, all read-only (the statement ReadIamState of docs/iam-policy.json): iam:GetUser, iam:ListUsers, iam:ListMFADevices,
iam:ListVirtualMFADevices, iam:ListAccessKeys, iam:GetLoginProfile, iam:GetAccountSummary, iam:GetAccountAuthorizationDetails,
iam:GenerateCredentialReport, iam:GetCredentialReport. With --iam-role, the role needs them, and the caller sts:AssumeRole.

Examples:
  mfatrail iam snapshot --out iam-2026-11-02.json
  mfatrail iam snapshot --store evidence
  mfatrail iam snapshot --iam-role Auditor --account 111122223333 --account 444455556666 --out iam.json";
