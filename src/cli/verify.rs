//! `mfatrail verify`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::archive::{check_places, options, range, rfc3339, selection, sources};
use super::args::{ArchiveArgs, AwsArgs};
use super::exit::{CliError, Status};
use super::{Printed, THIS, interrupt, progress, put, put_json, say};
use crate::aws::Connection;
use crate::cloudtrail::{Names, Query};
use crate::contract::{ReadFailure, Tool};
use crate::digest::{
    self, Bounds, CAUSES, Causes, ChainId, Checker, Code, Finding, Gather, Proof, PublicKeys, Severity, TrailSummary,
    Verification,
};
use crate::pipeline::{self, Options, Scanned};
use crate::report::terminal_text;
use crate::source::{ObjectRef, Product, Selection, Source};
use crate::units;

/// How many findings of a kind, and how many trails, are shown; `--format json` has all.
const SHOWN: usize = 20;

/// How far the listing reaches before the range: a digest of the range's first hour can name a log of the day before.
const BEFORE: TimeDelta = TimeDelta::days(1);

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
--to 2h. With --from and --to the chains must reach from the one to the other.

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

/// What was asked for, checked.
pub(super) struct Plan<'a> {
    pub(super) sources: &'a [Source],
    /// What to list, without the time before the range.
    pub(super) selection: &'a Selection,
    pub(super) options: &'a Options<'static>,
    pub(super) bounds: Bounds,
    pub(super) now: DateTime<Utc>,
}

pub(super) fn run(args: &VerifyArgs, now: DateTime<Utc>) -> Result<Status, CliError> {
    let [from, to] = range(args.from.as_deref(), args.to.as_deref(), now)?;
    let sources = sources(&args.sources)?;
    if sources.contains(&Source::Stdin) {
        return Err(CliError::Usage(
            "standard input holds no digests\n  hint: give the bucket or the folder in which CloudTrail-Digest lies beside CloudTrail".to_owned(),
        ));
    }
    let keys = read_keys(&args.public_keys)?;
    let selection = selection(&args.archive, from, to)?;
    let options = options(&args.archive, &args.aws)?;
    check_places(&sources, None, &selection, &options)?;
    let plan = Plan { sources: &sources, selection: &selection, options: &options, bounds: Bounds { from, to }, now };
    let Proven { proof, failures, .. } = prove(&plan, keys)?;
    let outcome = check(&plan, &proof, failures)?;
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
    Ok(if outcome.whole { Status::Done } else { Status::Incomplete })
}

/// Lists and reads objects of one product.
pub(super) fn scan<V: pipeline::Visitor>(
    plan: &Plan<'_>,
    selection: &Selection,
    options: &Options<'_>,
    make: &(dyn Fn() -> V + Sync),
) -> Result<(V, Scanned), CliError> {
    let found = progress::shown(&options.progress, || pipeline::scan(plan.sources, selection, options, make))
        .map_err(CliError::failed)?;
    if found.1.stopped {
        return Err(interrupt::stopped(&found.1, "nothing was printed, for a part of a chain proves nothing"));
    }
    Ok(found)
}

/// The keys of the files that were given; `None` where CloudTrail is to be asked.
pub(super) fn read_keys(files: &[PathBuf]) -> Result<Option<PublicKeys>, CliError> {
    let mut keys = PublicKeys::default();
    for file in files {
        keys.read(file).map_err(|error| CliError::Usage(format!("`--public-keys`: {error}")))?;
    }
    Ok((!files.is_empty()).then_some(keys))
}

/// What the digests prove.
pub(super) struct Proven {
    pub(super) proof: Arc<Proof>,
    /// Digests that could not be read.
    pub(super) failures: Vec<ReadFailure>,
    pub(super) keys: PublicKeys,
}

/// Digests that were judged, and the keys that they were judged by.
pub(super) struct Signed {
    pub(super) proof: Arc<Proof>,
    pub(super) keys: PublicKeys,
}

impl Proven {
    /// Without what is of no use later.
    pub(super) fn signed(&self) -> Signed {
        Signed { proof: Arc::clone(&self.proof), keys: self.keys.clone() }
    }
}

/// Reads and judges the digests; gives what of them could not be read besides.
pub(super) fn prove(plan: &Plan<'_>, keys: Option<PublicKeys>) -> Result<Proven, CliError> {
    let selection = Selection { product: Some(Product::Digest), ..widened(plan) };
    let options = Options { progress: Arc::default(), ..plan.options.clone() };
    let (gather, scanned) = scan(plan, &selection, &options, &Gather::default)?;
    let keys = match keys {
        Some(keys) => keys,
        None => ask(&gather, &plan.options.s3.connection, plan.now)?,
    };
    let proof = Arc::new(Proof::new(gather, &keys, plan.bounds));
    Ok(Proven { proof, failures: scanned.coverage.failures, keys })
}

pub(super) fn widened(plan: &Plan<'_>) -> Selection {
    Selection { from: plan.selection.from.map(|from| from - BEFORE), ..plan.selection.clone() }
}

/// The keys of the digests' regions, and if they do not suffice, of their trails' home regions.
fn ask(gather: &Gather, connection: &Connection, now: DateTime<Utc>) -> Result<PublicKeys, CliError> {
    let digests = || gather.chains().flat_map(|(_, digests)| digests);
    let Some(from) = digests().map(|digest| digest.start).min() else { return Ok(PublicKeys::default()) };
    let to = digests().map(|digest| digest.end).max().unwrap_or(from).max(now) + TimeDelta::hours(2);
    let from = from - TimeDelta::hours(1);
    let mut keys = PublicKeys::default();
    let mut asked = BTreeSet::new();
    for regions in [by_digests(gather, |chain| &chain.region), by_digests(gather, |chain| &chain.home_region)] {
        let more: Vec<String> = regions.into_iter().filter(|region| asked.insert(region.clone())).collect();
        if digests().any(|digest| !keys.knows(&digest.fingerprint)) {
            keys.extend(digest::read_live(connection, &more, from, to).map_err(CliError::failed)?);
        }
    }
    Ok(keys)
}

/// Regions by their digests, those with the most first.
fn by_digests(gather: &Gather, region: impl Fn(&ChainId) -> &String) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (chain, digests) in gather.chains() {
        *counts.entry(region(chain).clone()).or_default() += digests.len();
    }
    let mut regions: Vec<(String, usize)> = counts.into_iter().collect();
    regions.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    regions.into_iter().map(|(region, _)| region).collect()
}

fn check(plan: &Plan<'_>, proof: &Arc<Proof>, mut failures: Vec<ReadFailure>) -> Result<Verification, CliError> {
    let selection = Selection { product: Some(Product::Log), ..widened(plan) };
    let unwanted = |object: &ObjectRef| !Checker::wants(proof, object);
    let options = Options { known: Some(&unwanted), progress: Arc::default(), ..plan.options.clone() };
    let (checker, logs) = scan(plan, &selection, &options, &|| Checker::new(Arc::clone(proof)))?;
    failures.extend(logs.coverage.failures);
    failures.sort();
    failures.dedup();
    let until = plan.bounds.to.map(|to| to.min(plan.now));
    let mut outcome = checker.finish(&failures, &selection, until);
    explain(plan, proof, &mut outcome)?;
    Ok(outcome)
}

/// Looks into the logs of the hours without digests, once more, for the few events that can tell why there are none.
pub(super) fn explain(plan: &Plan<'_>, proof: &Arc<Proof>, outcome: &mut Verification) -> Result<(), CliError> {
    let gaps = outcome.unexplained();
    if gaps.is_empty() {
        return Ok(());
    }
    let unwanted = |object: &ObjectRef| {
        let delivered = object.key.delivered_at;
        !delivered.is_none_or(|time| gaps.iter().any(|(from, to)| (*from..=*to + BEFORE).contains(&time)))
    };
    let selection = Selection { product: Some(Product::Log), ..widened(plan) };
    let options = Options {
        known: Some(&unwanted),
        only: Some(Arc::new(Query::named(&Names::new(CAUSES)))),
        progress: Arc::default(),
        ..plan.options.clone()
    };
    let (causes, _) = scan(plan, &selection, &options, &|| Causes::new(Arc::clone(proof)))?;
    outcome.explain(&causes.finish());
    Ok(())
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
    let _ = writeln!(out, "{verdict}: {counts}");
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
