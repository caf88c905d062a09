//! `mfatrail verify`.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::archive::{archive, range, selection, sources};
use super::args::{ArchiveArgs, AwsArgs};
use super::exit::Status;
use super::{Printed, put_json, say, show};
use crate::app::verify::{Verified, document, verify};
use crate::app::{Error, Run, rfc3339};
use crate::digest::{Code, Finding, Severity, TrailSummary, Verification};
use crate::escape::terminal as terminal_text;
use crate::units;

/// How many findings of a kind, and how many trails, are shown; `--format json` has all.
const SHOWN: usize = 20;

/// Check an archive against CloudTrail's digest files: nothing changed, nothing missing, nothing added
///
/// Finds the digest files (CloudTrail-Digest) of all accounts, regions and trails next to the logs, checks their signatures and
/// their chains, then hashes and compares every log. Given the public keys, it works offline on a copy on disk. The result goes
/// to standard output.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct VerifyArgs {
    /// The archive, digest files and logs: s3://bucket/prefix, a directory or a file
    #[arg(value_name = "SOURCE", required = true)]
    pub(super) sources: Vec<OsString>,

    /// Verify logs delivered at this time or later [default: all]
    #[arg(long, value_name = "TIME", help_heading = "Range")]
    from: Option<String>,

    /// Verify logs delivered before this time [default: all]
    #[arg(long, value_name = "TIME", help_heading = "Range")]
    to: Option<String>,

    /// CloudTrail's public keys, as `aws cloudtrail list-public-keys` prints them; may be repeated, because each region has its
    /// own [default: fetch them from CloudTrail]
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    pub(super) public_keys: Vec<PathBuf>,

    /// Text lists every trail, the first findings of each kind, and the verdict; JSON has everything
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    format: Printed,

    #[command(flatten)]
    pub(super) archive: ArchiveArgs,

    #[command(flatten)]
    pub(super) aws: AwsArgs,
}

const HELP: &str = "\
A TIME is a date (2026-10-01, today, yesterday), a time with its zone (2026-10-01T08:00Z, 2026-10-01 10:00:00+02:00) or an age
(36h, 7d, 2w). Everything is UTC.

CloudTrail writes a digest file every hour, so the logs of the last hour cannot be verified yet: use --to 2h. With --from and
--to, the chains must cover the whole range; digests may be missing at its end only if --to is less than two hours ago. The
result names the end of the last proven digest and makes no statement about anything later. Without --to, it cannot tell
whether later digests are missing.

Object names and folders are not signed. A range excludes an object only if both its name and its folder are outside.

A digest's signature is object metadata in S3, which a copy on disk lacks. Each digest is also proven by the one after it; for
the newest, save the output of `aws s3api head-object --bucket B --key K` as K.signature next to it, or end the range before
it. CloudTrail signs the inflated bytes, not the gzip container, so only those are proven.

Memory: about 1 KiB per digest and 64 bytes per log in range, and up to 96 MiB per thread for logs that are hashed in parallel.

Examples:
  mfatrail verify s3://trail-bucket --from 7d --to 2h
  mfatrail verify ./copy-of-archive --public-keys keys-us-east-1.json --public-keys keys-eu-west-1.json
  mfatrail verify ./copy-of-archive --public-keys keys.json --from 2026-10-01 --to 2026-11-01 --format json

Exit status, the first that applies: 2 wrong usage or malformed input; 4 the run failed; 3 done, but not everything in range
is proven, or there was nothing to verify; 0 everything in range is proven.";

pub(super) fn run(args: &VerifyArgs, run: Run<'_>) -> Result<Status, Error> {
    let [from, to] = range(args.from.as_deref(), args.to.as_deref(), run.now)?;
    let sources = sources(&args.sources)?;
    let selection = selection(&args.archive, from, to)?;
    let archive = archive(sources, &args.archive, &args.aws)?;
    let Verified { outcome, remains } = verify(&archive, &selection, &args.public_keys, run)?;
    match args.format {
        Printed::Text => show(text(&outcome).trim_end())?,
        Printed::Json => put_json(&document(&outcome))?,
    }
    if outcome.digests == 0 {
        say(
            "warning: nothing to verify: there is no digest in this range (hint: CloudTrail writes CloudTrail-Digest beside CloudTrail if log file validation is enabled)",
        );
    }
    // Digests are many small pieces. The process ends here, and gives them back at once.
    std::mem::forget(remains);
    Ok(Status::of(outcome.whole))
}

pub(super) fn text(outcome: &Verification) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    if !outcome.trails.is_empty() {
        let _ = writeln!(out, "{}\n", table(&outcome.trails));
    }
    for code in Code::ALL {
        let findings: Vec<&Finding> = outcome.findings.iter().filter(|finding| finding.code == *code).collect();
        if findings.is_empty() {
            continue;
        }
        let count = outcome.counts.get(code.as_str()).copied().unwrap_or_default();
        let note = if code.severity() == Severity::Note { ", no fault" } else { "" };
        let _ = writeln!(out, "{} ({count}{note}): {}", code.as_str(), code.title());
        for finding in findings.iter().take(SHOWN) {
            let _ = writeln!(out, "  {}", terminal_text(&line(finding)));
        }
        if findings.len() > SHOWN {
            let _ = writeln!(out, "  and {} more (hint: `--format json` lists all)", findings.len() - SHOWN);
        }
        out.push('\n');
    }
    let Verification { digests, digests_proven, logs, .. } = outcome;
    let size = units::readable_size(logs.bytes);
    let counts = format!(
        "{} of {} proven, {} of {} verified ({size})",
        units::count(*digests_proven),
        units::plural(*digests, "digest", "digests"),
        units::count(logs.verified),
        units::plural(logs.named, "log", "logs")
    );
    let verdict = if outcome.whole {
        "WHOLE"
    } else if *digests == 0 {
        "NOTHING VERIFIED"
    } else {
        "NOT WHOLE"
    };
    let until = outcome.proven_until.map_or_else(String::new, |until| format!(", up to {}", rfc3339(until)));
    let open =
        if outcome.whole && outcome.to.is_none() { "; without `--to`, later digests may be missing" } else { "" };
    let _ = writeln!(out, "{verdict}: {counts}{until}{open}");
    out
}

/// One finding on one line.
fn line(finding: &Finding) -> String {
    let mut parts: Vec<String> = Vec::new();
    match &finding.object {
        Some(object) => parts.push(object.clone()),
        None => {
            let place = [&finding.account, &finding.region, &finding.trail].into_iter().flatten();
            let place: Vec<&str> = place.map(String::as_str).collect();
            parts.push(if place.is_empty() { "outside the layout".to_owned() } else { place.join(" ") });
        }
    }
    match (finding.from, finding.to) {
        (Some(from), Some(to)) if from == to => parts.push(rfc3339(from)),
        (Some(from), Some(to)) => parts.push(format!("{} to {}", rfc3339(from), rfc3339(to))),
        (None, Some(to)) => parts.push(rfc3339(to)),
        _ => {}
    }
    if finding.count > 1 && finding.object.is_none() {
        parts.push(units::plural(finding.count, "object", "objects"));
    }
    if !finding.text.is_empty() {
        parts.push(finding.text.clone());
    }
    parts.join(": ")
}

fn table(trails: &[TrailSummary]) -> String {
    let whole = |trail: &&TrailSummary| trail.digests == trail.digests_proven && trail.logs == trail.logs_verified;
    // Where there are many, those that are not whole stand first.
    let many = trails.len() > 2 * SHOWN;
    let shown: Vec<&TrailSummary> = if many {
        let broken = trails.iter().filter(|trail| !whole(trail));
        broken.chain(trails.iter().filter(whole)).take(SHOWN).collect()
    } else {
        trails.iter().collect()
    };
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["account", "region", "trail", "digests", "proven", "logs", "verified", "from", "to"]);
    for trail in &shown {
        let kind = if trail.backfill { " (backfill)" } else { "" };
        table.add_row([
            terminal_text(&trail.account),
            terminal_text(&trail.region),
            format!("{}{kind}", terminal_text(&trail.trail)),
            trail.digests.to_string(),
            trail.digests_proven.to_string(),
            trail.logs.to_string(),
            trail.logs_verified.to_string(),
            rfc3339(trail.from),
            rfc3339(trail.to),
        ]);
    }
    for column in 3..7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = table.trim_fmt();
    if many {
        let _ = write!(text, "\nand {} more", trails.len() - shown.len());
    }
    text
}
