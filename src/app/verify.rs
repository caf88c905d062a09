//! What CloudTrail's digests prove of an archive.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::archive::check_places;
use super::{Archive, Error, Run, THIS, stopped};
use crate::aws::Connection;
use crate::cloudtrail::{Names, Query};
use crate::contract::{ReadFailure, Tool};
use crate::digest::{
    self, Bounds, CAUSES, Causes, ChainId, Checker, DigestReader, Horizon, Proof, PublicKeys, Verification,
};
use crate::pipeline::{self, Options, Scanned};
use crate::source::{ObjectRef, Product, Selection, Source};

/// How far the listing reaches before the range: a digest of the range's first hour can name a log of the day before.
const BEFORE: TimeDelta = TimeDelta::days(1);

/// How far it reaches after the range at least: the digest of the range's last hour, and the one after it, which may name
/// the logs of the last minutes.
const AFTER: TimeDelta = TimeDelta::hours(3);

/// What a verification proved.
#[derive(Debug)]
pub struct Verified {
    /// The result.
    pub outcome: Verification,
    /// Many small pieces that are of no use any more: a process that ends need not give them back one by one.
    pub remains: Remains,
}

/// What a verification was made of.
#[derive(Debug)]
pub struct Remains {
    _proof: Arc<Proof>,
}

/// A [`Verification`] as a document for other programs: `mfatrail verify --format json`.
#[derive(Debug, Serialize)]
pub struct VerifyDocument<'v> {
    schema: &'static str,
    tool: Tool,
    #[serde(flatten)]
    outcome: &'v Verification,
}

/// The document of a verification.
#[must_use]
pub fn document(outcome: &Verification) -> VerifyDocument<'_> {
    VerifyDocument { schema: "mfatrail.verify/1", tool: THIS, outcome }
}

/// Verifies an archive by CloudTrail's digests: what `selection` lists, which was delivered in its range. `public_keys` are files of
/// CloudTrail's public keys; without any CloudTrail is asked.
///
/// # Errors
/// [`Error::Input`] where a file of keys is wrong, or the archive has no such account or region; [`Error::Failed`] where the archive
/// cannot be listed or CloudTrail cannot be reached; [`Error::Stopped`]. What is not proven is no error: the outcome has a finding.
pub fn verify(
    archive: &Archive,
    selection: &Selection,
    public_keys: &[PathBuf],
    run: Run<'_>,
) -> Result<Verified, Error> {
    if archive.sources.contains(&Source::Stdin) {
        return Err(Error::Input(
            "standard input holds no digests\n  hint: name the bucket or the folder that has CloudTrail-Digest beside CloudTrail".to_owned(),
        ));
    }
    let keys = read_keys(public_keys)?;
    check_places(archive, None, selection)?;
    let bounds = Bounds { from: selection.from, to: selection.to };
    let task = Task { archive, selection, bounds, until: selection.to, run };
    let Proven { proof, failures, .. } = prove(&task, keys)?;
    let outcome = check(&task, &proof, failures)?;
    Ok(Verified { outcome, remains: Remains { _proof: proof } })
}

/// What of an archive is verified.
pub(crate) struct Task<'a> {
    pub(crate) archive: &'a Archive,
    /// What to list, without the time before the range.
    pub(crate) selection: &'a Selection,
    pub(crate) bounds: Bounds,
    /// Up to when there must be digests, where that was asked for.
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) run: Run<'a>,
}

impl Task<'_> {
    /// Up to when there must be digests; `told` is the latest moment that records, or a store, tell of.
    pub(crate) fn horizon(&self, told: Option<DateTime<Utc>>) -> Horizon {
        let now = self.run.now;
        Horizon { until: self.until.map(|until| until.min(now)), now, told }
    }
}

/// Lists and reads objects of one product.
pub(crate) fn scan<V: pipeline::Visitor>(
    task: &Task<'_>,
    selection: &Selection,
    options: &Options<'_>,
    make: &(dyn Fn() -> V + Sync),
) -> Result<(V, Scanned), Error> {
    let scan = || pipeline::scan(&task.archive.sources, selection, options, make);
    let found = task.run.scanning(&options.progress, scan)?;
    if found.1.stopped {
        return Err(stopped(&found.1, "nothing was printed, because an incomplete chain proves nothing"));
    }
    Ok(found)
}

/// The keys of the files that were given; `None` where CloudTrail is to be asked.
pub(crate) fn read_keys(files: &[PathBuf]) -> Result<Option<PublicKeys>, Error> {
    let mut keys = PublicKeys::default();
    for file in files {
        keys.read(file).map_err(|error| Error::Input(format!("`--public-keys`: {error}")))?;
    }
    Ok((!files.is_empty()).then_some(keys))
}

/// What the digests prove.
pub(crate) struct Proven {
    pub(crate) proof: Arc<Proof>,
    /// Digests that could not be read.
    pub(crate) failures: Vec<ReadFailure>,
    pub(crate) keys: PublicKeys,
}

/// Digests that were judged, and the keys that they were judged by.
pub(crate) struct Signed {
    pub(crate) proof: Arc<Proof>,
    pub(crate) keys: PublicKeys,
}

impl Proven {
    /// Without what is of no use later.
    pub(crate) fn signed(self) -> Signed {
        Signed { proof: self.proof, keys: self.keys }
    }
}

/// Reads and judges the digests; gives what of them could not be read besides.
pub(crate) fn prove(task: &Task<'_>, keys: Option<PublicKeys>) -> Result<Proven, Error> {
    let selection = Selection { product: Some(Product::Digest), ..widened(task) };
    let options = Options { progress: Arc::default(), ..task.archive.options.clone() };
    let (gather, scanned) = scan(task, &selection, &options, &DigestReader::default)?;
    let gather = gather.with_earlier(options.progress.folders.earlier());
    let keys = match keys {
        Some(keys) => keys,
        None => ask(&gather, &task.archive.options.s3.connection, task.run.now)?,
    };
    let proof = Arc::new(Proof::new(gather, &keys, task.bounds));
    Ok(Proven { proof, failures: scanned.coverage.failures, keys })
}

pub(crate) fn widened(task: &Task<'_>) -> Selection {
    let slack = task.selection.slack.max(AFTER);
    Selection { from: task.selection.from.map(|from| from - BEFORE), slack, ..task.selection.clone() }
}

/// The keys of the digests' regions, and if they do not suffice, of their trails' home regions.
fn ask(gather: &DigestReader, connection: &Connection, now: DateTime<Utc>) -> Result<PublicKeys, Error> {
    let digests = || gather.chains().flat_map(|(_, digests)| digests);
    let Some(from) = digests().map(|digest| digest.start).min() else { return Ok(PublicKeys::default()) };
    let to = digests().map(|digest| digest.end).max().unwrap_or(from).max(now) + TimeDelta::hours(2);
    let from = from - TimeDelta::hours(1);
    let mut keys = PublicKeys::default();
    let mut asked = BTreeSet::new();
    for regions in [by_digests(gather, |chain| &chain.region), by_digests(gather, |chain| &chain.home_region)] {
        let more: Vec<String> = regions.into_iter().filter(|region| asked.insert(region.clone())).collect();
        if digests().any(|digest| !keys.knows(&digest.fingerprint)) {
            keys.extend(digest::read_live(connection, &more, from, to).map_err(Error::failed)?);
        }
    }
    Ok(keys)
}

/// Regions by their digests, those with the most first.
fn by_digests(gather: &DigestReader, region: impl Fn(&ChainId) -> &String) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (chain, digests) in gather.chains() {
        *counts.entry(region(chain).clone()).or_default() += digests.len();
    }
    let mut regions: Vec<(String, usize)> = counts.into_iter().collect();
    regions.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    regions.into_iter().map(|(region, _)| region).collect()
}

/// Reads the logs, and compares them with what the digests prove.
fn check(task: &Task<'_>, proof: &Arc<Proof>, mut failures: Vec<ReadFailure>) -> Result<Verification, Error> {
    let selection = Selection { product: Some(Product::Log), ..widened(task) };
    let unwanted = |object: &ObjectRef| !Checker::wants(proof, object);
    let options = Options { known: Some(&unwanted), progress: Arc::default(), ..task.archive.options.clone() };
    let (checker, logs) = scan(task, &selection, &options, &|| Checker::new(Arc::clone(proof)))?;
    failures.extend(logs.coverage.failures);
    failures.sort();
    failures.dedup();
    let mut outcome = checker.finish(&failures, &selection, &task.horizon(None));
    explain(task, proof, &mut outcome)?;
    Ok(outcome)
}

/// Looks into the logs of the hours without digests, once more, for the few events that can tell why there are none.
pub(crate) fn explain(task: &Task<'_>, proof: &Arc<Proof>, outcome: &mut Verification) -> Result<(), Error> {
    let gaps = outcome.unexplained();
    if gaps.is_empty() {
        return Ok(());
    }
    let unwanted = |object: &ObjectRef| {
        let delivered = object.key.delivered_at;
        !delivered.is_none_or(|time| gaps.iter().any(|(from, to)| (*from..=*to + BEFORE).contains(&time)))
    };
    let selection = Selection { product: Some(Product::Log), ..widened(task) };
    let options = Options {
        known: Some(&unwanted),
        only: Some(Arc::new(Query::named(&Names::new(CAUSES)))),
        progress: Arc::default(),
        ..task.archive.options.clone()
    };
    let (causes, _) = scan(task, &selection, &options, &|| Causes::new(Arc::clone(proof)))?;
    outcome.explain(&causes.finish());
    Ok(())
}
