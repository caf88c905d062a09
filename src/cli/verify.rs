//! `mfatrail verify`.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::archive::{archive, range, selection, sources};
use super::args::{ArchiveArgs, AwsArgs};
use super::exit::Status;
use super::{Printed, put, put_json, say};
use crate::app::archive::check_places;
use crate::app::verify::{Proven, Task, check, prove, read_keys};
use crate::app::{Error, Run, THIS, rfc3339};
use crate::contract::Tool;
use crate::digest::{Bounds, Code, Finding, Severity, TrailSummary, Verification};
use crate::escape::terminal as terminal_text;
use crate::source::Source;
use crate::units;

/// How many findings of a kind, and how many trails, are shown; `--format json` has all.
const SHOWN: usize = 20;

/// Check an archive against CloudTrail's digest files: nothing changed, nothing missing, nothing added
///
/// Finds the digests beside the logs (CloudTrail-Digest) of all accounts, regions and trails, checks their signatures
/// and how they are chained, then hashes every log once and compares. Works on a copy on disk and without AWS, given
/// the public keys. The result goes to standard output.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct VerifyArgs {
    /// Where the archive is, digests and logs: s3://bucket/prefix, a directory or a file
    #[arg(value_name = "SOURCE", required = true)]
    pub(super) sources: Vec<OsString>,

    /// Verify logs delivered at this moment or later [default: all that is there]
    #[arg(long, value_name = "TIME", help_heading = "Range")]
    from: Option<String>,

    /// Verify logs delivered before this moment [default: all that is there]
    #[arg(long, value_name = "TIME", help_heading = "Range")]
    to: Option<String>,

    /// CloudTrail's public keys, as `aws cloudtrail list-public-keys` prints them; may be repeated, for each region has
    /// its own [default: ask CloudTrail]
    #[arg(long, value_name = "FILE", help_heading = "Inputs")]
    pub(super) public_keys: Vec<PathBuf>,

    /// How to print the result: as text every trail, the first findings of each kind, and the verdict; as JSON everything
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    format: Printed,

    #[command(flatten)]
    pub(super) archive: ArchiveArgs,

    #[command(flatten)]
    pub(super) aws: AwsArgs,
}

const HELP: &str = "\
Times are a date (2026-10-01, today, yesterday), a time with its zone (2026-10-01T08:00Z, 2026-10-01 10:00:00+02:00) or an age
(36h, 7d, 2w). Everything is UTC.

CloudTrail writes a digest an hour. The logs of the last hour are in none yet, and say so: verify up to two hours ago with
--to 2h. With --from and --to the chains must reach from the one to the other; only a --to of less than two hours ago excuses
that the newest digests are not there yet. The result names the end of the last proven digest: of anything later it says
nothing, and without --to it cannot tell whether there was more.

Names and folders are not signed. A range leaves out only what both agree on.

A digest's signature is object metadata in S3, which a copy on disk lacks. All but the newest are proven by the digest after
them; for the newest, put what `aws s3api head-object --bucket B --key K` prints into K.signature beside it, or end the range
before it. What is proven are the inflated bytes, which CloudTrail signs, and not the gzip around them.

Memory: about 1 KiB for each digest and 64 bytes for each log in range, and for each thread up to 96 MiB of logs that are
hashed side by side.

Examples:
  mfatrail verify s3://trail-bucket --from 7d --to 2h
  mfatrail verify ./copy-of-archive --public-keys keys-us-east-1.json --public-keys keys-eu-west-1.json
  mfatrail verify ./copy-of-archive --public-keys keys.json --from 2026-10-01 --to 2026-11-01 --format json

Exit status, the first that applies: 2 wrong usage or malformed input; 4 the run failed; 3 done, but not everything in range
is proven, or there was nothing to verify; 0 everything in range is proven.";

/// `--format json`.
#[derive(Serialize)]
struct Document<'v> {
    schema: &'static str,
    tool: Tool,
    #[serde(flatten)]
    outcome: &'v Verification,
}

pub(super) fn run(args: &VerifyArgs, run: Run<'_>) -> Result<Status, Error> {
    let [from, to] = range(args.from.as_deref(), args.to.as_deref(), run.now)?;
    let sources = sources(&args.sources)?;
    if sources.contains(&Source::Stdin) {
        return Err(Error::Input(
            "standard input holds no digests\n  hint: give the bucket or the folder in which CloudTrail-Digest lies beside CloudTrail".to_owned(),
        ));
    }
    let keys = read_keys(&args.public_keys)?;
    let selection = selection(&args.archive, from, to)?;
    let archive = archive(sources, &args.archive, &args.aws)?;
    check_places(&archive, None, &selection)?;
    let task = Task { archive: &archive, selection: &selection, bounds: Bounds { from, to }, until: to, run };
    let Proven { proof, failures, .. } = prove(&task, keys)?;
    let outcome = check(&task, &proof, failures)?;
    match args.format {
        Printed::Text => put(text(&outcome).trim_end())?,
        Printed::Json => {
            put_json(&Document { schema: "mfatrail.verify/1", tool: THIS, outcome: &outcome })?;
        }
    }
    if outcome.digests == 0 {
        say(
            "warning: nothing to verify: no digest of this range is there (hint: CloudTrail-Digest lies beside CloudTrail in the bucket, if the trail validates its logs)",
        );
    }
    // Digests are many small pieces. The process ends here, and gives them back at once.
    std::mem::forget(proof);
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
            let _ = writeln!(out, "  and {} more (hint: --format json names all)", findings.len() - SHOWN);
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
    let open = if outcome.whole && outcome.to.is_none() { "; whether there was more, only --to can tell" } else { "" };
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
