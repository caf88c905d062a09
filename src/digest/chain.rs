//! From digests to proof: chains are put together, signatures checked, and it is settled which digests can be believed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    ChainId, Code, Digest, DigestReader, Finding, PublicKeys,
    file::{end_in_name, lies_at, tail},
    log_index::{DigestedLog, Index, State},
};
use crate::source::{Earlier, KeyInfo};
use crate::units::plural;

/// The range that is verified; open where nothing was said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The first moment.
    pub from: Option<DateTime<Utc>>,
    /// The first moment after it.
    pub to: Option<DateTime<Utc>>,
}

impl Bounds {
    /// Whether an interval touches the range.
    #[must_use]
    pub fn touches(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        self.from.is_none_or(|start| to > start) && self.to.is_none_or(|end| from < end)
    }

    /// Whether a moment is in the range.
    #[must_use]
    pub fn has(&self, time: DateTime<Utc>) -> bool {
        self.from.is_none_or(|start| time >= start) && self.to.is_none_or(|end| time < end)
    }

    /// Whether a log was delivered outside the range. Nobody signs a name: only where its time and its folder agree is
    /// it believed. It tells the minute of delivery.
    #[must_use]
    pub fn lack(&self, key: &KeyInfo) -> bool {
        key.delivered_at
            .is_some_and(|time| key.day == Some(time.date_naive()) && !self.touches(time, time + TimeDelta::minutes(1)))
    }

    /// The same of a digest, by the end of its hour.
    fn lack_digest(&self, object: &str) -> bool {
        end_in_name(object).is_some_and(|end| {
            KeyInfo::parse(object).day == Some(end.date_naive()) && !self.touches(end - TimeDelta::hours(1), end)
        })
    }

    /// Whether an object that could not be read is no matter.
    pub(super) fn lack_object(&self, object: &str) -> bool {
        self.lack_digest(object) || self.lack(&KeyInfo::parse(object))
    }
}

/// Whether a digest can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Its signature holds, or a proven digest names its hash.
    Proven,
    /// Nothing proves it, nothing speaks against it.
    Unproven,
    /// It was changed.
    Failed,
}

/// The digests of a trail, account and region, in order of time.
#[derive(Debug)]
pub struct Chain {
    /// Whose.
    pub id: ChainId,
    /// By their end.
    pub digests: Vec<Digest>,
}

/// What the digests prove.
#[derive(Debug)]
pub struct Proof {
    pub(super) chains: Vec<Chain>,
    pub(super) named: Index,
    pub(super) findings: Vec<Finding>,
    pub(super) bounds: Bounds,
    /// By a digest's number: whether it can be believed, whether it is in range, its chain.
    pub(super) facts: Vec<Fact>,
    /// Hours with a digest, by account and region.
    pub(super) covered: Places,
    /// Those with a proven one.
    proven: Places,
    /// Accounts and regions that had digests before the listing begins.
    pub(super) earlier: Earlier,
}

/// By account and region.
type Places = HashMap<String, HashMap<String, Covered>>;

#[derive(Debug, Clone, Copy)]
pub(super) struct Fact {
    pub(super) trust: Trust,
    pub(super) in_range: bool,
    pub(super) chain: usize,
    /// Its place in the chain.
    pub(super) at: usize,
}

/// The times of which there are digests, in order, without overlap.
#[derive(Debug, Default)]
pub(super) struct Covered(Vec<(DateTime<Utc>, DateTime<Utc>)>);

impl Covered {
    pub(super) fn has(&self, time: DateTime<Utc>) -> bool {
        let after = self.0.partition_point(|(start, _)| *start <= time);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, end)| time < *end)
    }

    pub(super) fn end(&self) -> Option<DateTime<Utc>> {
        self.0.last().map(|(_, end)| *end)
    }

    fn join(&mut self) {
        self.0.sort_unstable();
        self.0.dedup_by(|next, kept| {
            let touches = next.0 <= kept.1;
            if touches {
                kept.1 = kept.1.max(next.1);
            }
            touches
        });
    }
}

/// What the check of a digest's signature gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signature {
    Holds,
    /// One that holds is elsewhere, but the digest's own does not.
    HoldsElsewhere,
    Wrong,
    KeyUnknown,
    Unavailable,
}

impl Proof {
    /// Judges the digests.
    #[must_use]
    pub fn new(gather: DigestReader, keys: &PublicKeys, bounds: Bounds) -> Self {
        let DigestReader { chains, mut named, signatures, mut findings, next, earlier, .. } = gather;
        // The listing reaches further than the range, and what is wrong there is no matter.
        findings.retain(|finding| finding.object.as_deref().is_none_or(|object| !bounds.lack_digest(object)));
        let mut copies = HashSet::new();
        let chains: Vec<Chain> = chains
            .into_iter()
            .map(|(id, mut digests)| {
                for digest in &mut digests {
                    if let Some(signature) = signatures.get(digest.name.as_ref()) {
                        digest.signature.get_or_insert_with(|| signature.clone());
                    }
                    if !lies_at(&digest.name, &digest.bucket, &digest.object)
                        && bounds.touches(digest.start, digest.end)
                    {
                        let text = format!("it says that it was delivered to s3://{}/{}", digest.bucket, digest.object);
                        findings.push(Finding::chain(Code::DigestMoved, &id, 1, text).at(&digest.name));
                    }
                }
                digests.sort_by(|a, b| {
                    let order = |digest: &Digest| (digest.end, digest.start, digest.hash);
                    order(a).cmp(&order(b)).then_with(|| (&a.object, &a.name).cmp(&(&b.object, &b.name)))
                });
                digests.dedup_by(|next, kept| {
                    let same = next.hash == kept.hash;
                    if same {
                        copies.insert(next.number);
                        kept.signature = kept.signature.take().or(next.signature.take());
                    }
                    same
                });
                Chain { id, digests }
            })
            .collect();
        named.seal(|digest| !copies.contains(&digest));
        findings.extend(keys.silent().filter_map(|(region, reason)| silent(region, reason, &chains, keys, bounds)));
        let unknown = Fact { trust: Trust::Unproven, in_range: false, chain: 0, at: 0 };
        let mut facts = vec![unknown; usize::try_from(next).unwrap_or_default()];
        for (at, chain) in chains.iter().enumerate() {
            let links = link(chain, bounds, &mut findings);
            let trusts = judge(chain, &links, keys, bounds, &mut findings);
            for (place, (digest, trust)) in chain.digests.iter().zip(trusts).enumerate() {
                if let Some(fact) = facts.get_mut(usize::try_from(digest.number).unwrap_or(usize::MAX)) {
                    let in_range = bounds.touches(digest.start, digest.end);
                    *fact = Fact { trust, in_range, chain: at, at: place };
                }
            }
        }
        let covered = places(&chains, &|_digest| true);
        let trust = |number: u32| facts.get(usize::try_from(number).unwrap_or(usize::MAX)).map(|fact| fact.trust);
        let proven = places(&chains, &|digest| trust(digest.number) == Some(Trust::Proven));
        Self { chains, named, findings, bounds, facts, covered, proven, earlier }
    }

    /// The chains.
    #[must_use]
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// Whether a digest can be believed.
    #[must_use]
    pub fn trust(&self, digest: &Digest) -> Trust {
        self.fact(digest.number).trust
    }

    /// Notes that a log is what its digests name: an earlier scan compared these very bytes.
    pub fn vouch(&self, object: &str) {
        for (log, _) in self.named.find(object).filter(|(_, here)| *here) {
            log.note(State::Same);
        }
    }

    /// Of digests, by name: the fingerprint of the key that signed each, and its signature in hexadecimal, from wherever
    /// there is one.
    #[must_use]
    pub fn signatures(&self, names: &BTreeSet<String>) -> BTreeMap<String, (String, Option<String>)> {
        let mut found = BTreeMap::new();
        for chain in &self.chains {
            for (at, digest) in chain.digests.iter().enumerate().filter(|(_, one)| names.contains(one.name.as_ref())) {
                let later = chain.digests.get(at + 1..).unwrap_or_default().iter();
                let previous = later.filter_map(|next| next.previous.as_ref());
                let mut elsewhere = previous.filter(|named| tail(&named.object) == tail(&digest.object));
                let signature =
                    digest.signature.as_deref().or_else(|| elsewhere.find_map(|named| named.signature.as_deref()));
                let fingerprint = digest.fingerprint.to_ascii_lowercase();
                found.insert(digest.name.to_string(), (fingerprint, signature.map(crate::hash::hex)));
            }
        }
        found
    }

    pub(super) fn digest(&self, number: u32) -> Option<&Digest> {
        let fact = self.fact(number);
        self.chains.get(fact.chain)?.digests.get(fact.at)
    }

    pub(super) fn fact(&self, digest: u32) -> Fact {
        let unknown = Fact { trust: Trust::Unproven, in_range: false, chain: usize::MAX, at: usize::MAX };
        self.facts.get(usize::try_from(digest).unwrap_or(usize::MAX)).copied().unwrap_or(unknown)
    }

    /// Whether a log that a digest names is to be looked at: it was delivered in the range, which the digest after it may
    /// tell, or the digest's hour is in it.
    pub(super) fn has_log(&self, log: &DigestedLog) -> bool {
        self.fact(log.digest).in_range || self.named.delivered(log).is_some_and(|time| self.bounds.has(time))
    }

    pub(super) fn covered(&self, account: &str, region: &str) -> Option<&Covered> {
        self.covered.get(account)?.get(region)
    }

    pub(super) fn proven(&self, account: &str, region: &str) -> Option<&Covered> {
        self.proven.get(account)?.get(region)
    }
}

/// The hours of some digests.
fn places(chains: &[Chain], wanted: &dyn Fn(&Digest) -> bool) -> Places {
    let mut places = Places::new();
    for chain in chains.iter().filter(|chain| !chain.id.backfill) {
        let regions = places.entry(chain.id.account.clone()).or_default();
        let times = regions.entry(chain.id.region.clone()).or_default();
        let digests = chain.digests.iter().filter(|digest| wanted(digest));
        times.0.extend(digests.map(|digest| (digest.start, digest.end)));
    }
    places.values_mut().flat_map(HashMap::values_mut).for_each(Covered::join);
    places
}

/// That a region did not tell its keys, where digests in range need one that nobody told.
fn silent(region: &str, reason: &str, chains: &[Chain], keys: &PublicKeys, bounds: Bounds) -> Option<Finding> {
    let concerned = chains.iter().filter(|chain| chain.id.region == region || chain.id.home_region == region);
    let digests = concerned.flat_map(|chain| &chain.digests);
    let unknown = |digest: &&Digest| bounds.touches(digest.start, digest.end) && !keys.knows(&digest.fingerprint);
    let count = u64::try_from(digests.filter(unknown).count()).unwrap_or(u64::MAX);
    let text = format!(
        "{} in range with an unknown key: {reason} (hint: allow `cloudtrail:ListPublicKeys`, or use --public-keys FILE with the output of `aws cloudtrail list-public-keys --region {region} --start-time T --end-time T`)",
        plural(count, "digest", "digests")
    );
    (count > 0).then(|| Finding::region(Code::KeysUnavailable, region, text))
}

/// For each digest, those that name it as the one before them. What breaks the chain is told.
fn link(chain: &Chain, bounds: Bounds, findings: &mut Vec<Finding>) -> Vec<Vec<usize>> {
    let digests = &chain.digests;
    let mut by_key: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, digest) in digests.iter().enumerate() {
        by_key.entry(tail(&digest.object)).or_default().push(at);
    }
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); digests.len()];
    // Digests that are named and not there, each of which counts once.
    let mut gone: HashSet<&str> = HashSet::new();
    for (at, digest) in digests.iter().enumerate() {
        let earlier = digests.get(..at).unwrap_or_default();
        let key = tail(&digest.object);
        let before = earlier.iter().rfind(|before| tail(&before.object) != key);
        let Some(previous) = &digest.previous else {
            begins(chain, digest, before, bounds, findings);
            continue;
        };
        let named: Vec<usize> = by_key.get(tail(&previous.object)).into_iter().flatten().copied().collect();
        let named: Vec<usize> = named.into_iter().filter(|named| *named < at).collect();
        let moved =
            previous.bucket.as_ref() != digest.bucket.as_ref() || prefix(&previous.object) != prefix(&digest.object);
        let Some(last) = named.last() else {
            if !gone.insert(tail(&previous.object)) {
                continue;
            }
            missing(chain, digest, before, moved, bounds, findings);
            continue;
        };
        for (passed, over) in earlier.iter().enumerate().skip(last + 1) {
            if tail(&over.object) != key
                && next.get(passed).is_none_or(Vec::is_empty)
                && bounds.touches(over.start, over.end)
            {
                let text = format!("the next digest, {}, refers to a different previous digest", digest.object);
                findings.push(Finding::chain(Code::DigestUnlinked, &chain.id, 1, text).at(&over.name));
            }
        }
        if moved && bounds.touches(digest.start, digest.end) {
            let text = format!("from s3://{}/{}", previous.bucket, prefix(&previous.object));
            findings.push(Finding::chain(Code::TrailMovedHere, &chain.id, 1, text).at(&digest.name));
        }
        for named in named {
            if let Some(next) = next.get_mut(named) {
                next.push(at);
            }
        }
    }
    next
}

/// What lies before `AWSLogs` in a key.
fn prefix(object: &str) -> &str {
    object.strip_suffix(tail(object)).unwrap_or_default()
}

fn begins(chain: &Chain, digest: &Digest, before: Option<&Digest>, bounds: Bounds, findings: &mut Vec<Finding>) {
    let finding = |code, text: &str| Finding::chain(code, &chain.id, 1, text).at(&digest.name);
    match before {
        // Two chains at once cannot be told apart, and a restart without a pause leaves no time uncovered.
        Some(before) => {
            let from = before.end.min(digest.start);
            if bounds.touches(from, digest.start.max(from + TimeDelta::seconds(1))) {
                let text =
                    "the digest has no previous digest: validation was off, or the trail was stopped or created again";
                findings.push(finding(Code::ChainRestart, text).between(Some(from), Some(digest.start)));
            }
        }
        None if chain.id.backfill => {}
        None => start(chain, digest, "the first digest: nothing before it is proven", bounds, findings),
    }
}

/// The first digest of a chain here, where nothing says that one is missing in the range.
fn start(chain: &Chain, digest: &Digest, text: &str, bounds: Bounds, findings: &mut Vec<Finding>) {
    let late = bounds.from.filter(|from| digest.start > *from);
    if bounds.to.is_some_and(|to| digest.start >= to) {
        return;
    }
    let code = if late.is_some() { Code::ChainBegins } else { Code::ChainStart };
    if late.is_some() || bounds.from.is_none() {
        let finding = Finding::chain(code, &chain.id, 1, text).at(&digest.name);
        findings.push(finding.between(late, Some(digest.start)));
    }
}

fn missing(
    chain: &Chain,
    digest: &Digest,
    before: Option<&Digest>,
    moved: bool,
    bounds: Bounds,
    findings: &mut Vec<Finding>,
) {
    let Some(previous) = &digest.previous else { return };
    let gap = before.map(|before| before.end).or(bounds.from.filter(|from| *from < digest.start));
    let Some(from) = gap else {
        if !chain.id.backfill && bounds.from.is_none() {
            let text = format!("an earlier one, {}, is missing", previous.object);
            start(chain, digest, &text, bounds, findings);
        }
        return;
    };
    if !bounds.touches(from, digest.start) && digest.start != from {
        return;
    }
    if moved {
        let (bucket, prefix) = (&previous.bucket, prefix(&previous.object));
        let text = format!("the digests before it are in s3://{bucket}/{prefix} (hint: add it as a SOURCE)");
        let finding = Finding::chain(Code::TrailMoved, &chain.id, 1, text).at(&digest.name);
        findings.push(finding.between(Some(from), Some(digest.start)));
        return;
    }
    // Backfilled ones come as they come.
    let step = before.map_or_else(|| length(digest), |before| length(before).max(length(digest)));
    let count = if chain.id.backfill { 1 } else { steps(digest.start - from + step / 2, step) };
    let text = match count {
        1 => format!("named by {}", digest.object),
        _ => format!("about {count} in a row; the last one is referred to by {}", digest.object),
    };
    let finding = Finding::chain(Code::DigestMissing, &chain.id, count, text);
    let name = format!("s3://{}/{}", previous.bucket, previous.object);
    findings.push(finding.at(&name).between(Some(from), Some(digest.start)));
}

/// The time of which a digest tells: an hour.
pub(super) fn length(digest: &Digest) -> TimeDelta {
    digest.end - digest.start
}

/// How many digests of this length a time without any has room for, and one at least.
pub(super) fn steps(gap: TimeDelta, length: TimeDelta) -> u64 {
    let count = gap.num_seconds() / length.num_seconds().max(1);
    u64::try_from(count).unwrap_or(0).max(1)
}

/// What the signature of a digest gives. Where the next digest is proven and tells both the hash of this one and its
/// signature, CloudTrail has said itself that they belong together, and the same bytes are as good as the mathematics:
/// so of a whole chain only the end is computed.
fn signature_of(chain: &Chain, digest: &Digest, next: &[usize], trust: &[Trust], keys: &PublicKeys) -> Signature {
    let told = next.iter().filter(|next| trust.get(**next) == Some(&Trust::Proven));
    let mut told = told.filter_map(|next| chain.digests.get(*next)?.previous.as_ref());
    let implied = told.any(|told| {
        let own = digest.signature.as_ref();
        told.hash == Some(digest.hash)
            && told.signature.is_some()
            && own.is_none_or(|own| told.signature.as_ref() == Some(own))
    });
    if implied && keys.knows(&digest.fingerprint) { Signature::Holds } else { check(chain, digest, next, keys) }
}

fn check(chain: &Chain, digest: &Digest, next: &[usize], keys: &PublicKeys) -> Signature {
    if !keys.knows(&digest.fingerprint) {
        return Signature::KeyUnknown;
    }
    let signed = digest.signed();
    let holds = |signature: &[u8]| keys.holds(&digest.fingerprint, &signed, signature) == Some(true);
    let elsewhere = || {
        let next = next.iter().filter_map(|next| chain.digests.get(*next)?.previous.as_ref()?.signature.as_deref());
        next.map(holds).fold(None, |any, one| Some(any.unwrap_or(false) || one))
    };
    match digest.signature.as_deref().map(holds) {
        Some(true) => Signature::Holds,
        Some(false) if elsewhere() == Some(true) => Signature::HoldsElsewhere,
        Some(false) => Signature::Wrong,
        None => match elsewhere() {
            Some(true) => Signature::Holds,
            Some(false) => Signature::Wrong,
            None => Signature::Unavailable,
        },
    }
}

/// Settles what can be believed, from the newest back: a proven digest also proves the one that it names.
fn judge(
    chain: &Chain,
    links: &[Vec<usize>],
    keys: &PublicKeys,
    bounds: Bounds,
    findings: &mut Vec<Finding>,
) -> Vec<Trust> {
    let mut trust = vec![Trust::Unproven; chain.digests.len()];
    for (at, (digest, next)) in chain.digests.iter().zip(links).enumerate().rev() {
        let signature = signature_of(chain, digest, next, &trust, keys);
        let in_range = bounds.touches(digest.start, digest.end);
        let mut tell = |code, object: &str, text: String| {
            if in_range {
                findings.push(Finding::chain(code, &chain.id, 1, text).at(object));
            }
        };
        let mut named = None;
        for next in next.iter() {
            let Some(other) = chain.digests.get(*next) else { continue };
            let proven = trust.get(*next) == Some(&Trust::Proven);
            let same = other.previous.as_ref().and_then(|previous| previous.hash) == Some(digest.hash);
            if same {
                named = named.or(proven.then_some(true));
            } else if signature == Signature::Holds && !proven {
                // The signature speaks for this one, so it is the other that lies.
                tell(Code::DigestAltered, &other.name, format!("its hash is not that of {}", digest.object));
            } else {
                named = Some(false);
                tell(Code::DigestAltered, &digest.name, format!("{} names another hash", other.object));
            }
        }
        let verdict = match (signature, named) {
            (_, Some(false)) | (Signature::Wrong, _) => Trust::Failed,
            (Signature::Holds | Signature::HoldsElsewhere, _) | (_, Some(true)) => Trust::Proven,
            (Signature::KeyUnknown | Signature::Unavailable, None) => Trust::Unproven,
        };
        match signature {
            Signature::Holds => {}
            Signature::HoldsElsewhere => tell(
                Code::DigestSignatureWrong,
                &digest.name,
                "its own signature is invalid, though the signature in the next digest is valid".to_owned(),
            ),
            Signature::Wrong => tell(
                Code::DigestSignatureWrong,
                &digest.name,
                "the signature does not match these bytes, this location and this key".to_owned(),
            ),
            Signature::KeyUnknown => tell(
                Code::DigestKeyUnknown,
                &digest.name,
                format!(
                    "no public key with the fingerprint {} (hint: add --public-keys for {} at that time)",
                    digest.fingerprint, chain.id.region
                ),
            ),
            Signature::Unavailable => tell(
                Code::DigestSignatureUnavailable,
                &digest.name,
                format!(
                    "neither in metadata nor in the next digest (hint: aws s3api head-object --bucket {} --key {} > {}.signature; or end the range with --to {})",
                    digest.bucket,
                    digest.object,
                    digest.name.rsplit('/').next().unwrap_or_default(),
                    digest.start.format("%Y-%m-%dT%H:%M:%SZ"),
                ),
            ),
        }
        if let Some(slot) = trust.get_mut(at) {
            *slot = verdict;
        }
    }
    trust
}
