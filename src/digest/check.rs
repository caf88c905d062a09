//! The second pass: every log is hashed once, and compared with what the digests name.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Code, Finding, Hashed, Lanes, Proof, Trust, log_index::State};
use crate::hash::{Hash, sha256};
use crate::{
    cloudtrail::Record,
    contract::Integrity,
    inflate::{InflateError, Inflated},
    pipeline::{Bytes, Next, Visitor},
    source::{KeyInfo, ObjectRef},
};

/// A name tells the minute of delivery, its beginning; and a log that is delivered at the end of an hour may be named
/// by the next hour's digest.
const LATEST: TimeDelta = TimeDelta::minutes(5);

/// Hashes logs and compares. One for each worker.
#[derive(Debug)]
pub struct Checker {
    pub(super) proof: Arc<Proof>,
    /// Of logs that are as named.
    pub(super) bytes: u64,
    pub(super) findings: Vec<Finding>,
    /// Damaged objects, which the scan counts as failed too.
    pub(super) damaged: HashSet<String>,
    /// Logs that no digest names and no digest could: by account, region and why.
    pub(super) unnamed: BTreeMap<(Option<String>, Option<String>, Code), Unnamed>,
    /// The latest delivery that a key tells of.
    pub(super) latest: Option<DateTime<Utc>>,
    /// Of the object at hand, where it was delivered outside the range, as its name and its folder say, and no proven
    /// digest tells of that time: what it is, should it give a record of the range.
    aside: Option<Code>,
    /// Logs that are being hashed.
    lanes: Lanes<Arc<ObjectRef>>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Unnamed {
    pub(super) count: u64,
    pub(super) first: Option<DateTime<Utc>>,
    pub(super) last: Option<DateTime<Utc>>,
    /// The least name among them.
    pub(super) example: Option<String>,
}

impl Unnamed {
    fn add(&mut self, count: u64, first: Option<DateTime<Utc>>, last: Option<DateTime<Utc>>, example: &str) {
        self.count += count;
        self.first = [self.first, first].into_iter().flatten().min();
        self.last = self.last.max(last);
        if self.example.as_deref().is_none_or(|least| example < least) {
            self.example = Some(example.to_owned());
        }
    }
}

impl Checker {
    /// Compares with what `proof` names.
    #[must_use]
    pub fn new(proof: Arc<Proof>) -> Self {
        Self {
            proof,
            bytes: 0,
            findings: Vec::new(),
            damaged: HashSet::new(),
            unnamed: BTreeMap::new(),
            latest: None,
            aside: None,
            lanes: Lanes::default(),
        }
    }

    /// What it compares with.
    #[must_use]
    pub fn proof(&self) -> Arc<Proof> {
        Arc::clone(&self.proof)
    }

    /// Whether an object matters for the range: a digest of it names the object, or it was delivered in it. A log that
    /// lies elsewhere than where a digest names it is another one under its name.
    #[must_use]
    pub fn wants(proof: &Proof, object: &ObjectRef) -> bool {
        let mut named = proof.named.find(&object.name).filter(|(_, here)| *here).peekable();
        if named.peek().is_none() {
            return !proof.bounds.lack(&object.key);
        }
        named.any(|(log, _)| proof.has_log(log))
    }

    /// Hashes an object's inflated bytes and says what they are worth.
    pub fn judge(&mut self, object: &ObjectRef, inflated: &Inflated<'_>) -> Integrity {
        if !self.may_be_named(object) {
            return Integrity::Unsigned;
        }
        let first = inflated.bytes.get(..inflated.first_member).filter(|_| inflated.members > 1).map(sha256);
        let surplus = first.map(|first| (inflated.members, first));
        self.compare(object, sha256(inflated.bytes), inflated.bytes.len(), surplus)
    }

    /// Whether it takes a comparison to tell that a digest names an object; notes it where it is told already that none
    /// does.
    fn may_be_named(&mut self, object: &ObjectRef) -> bool {
        self.aside = None;
        self.latest = self.latest.max(object.key.delivered_at);
        let may = self.proof.named.may_find(&object.name);
        if !may {
            self.unnamed(object);
        }
        may
    }

    /// Says what the bytes of an object are worth, by their hash and length; where there is more than one gzip member,
    /// `surplus` is how many there are, and the hash of the first.
    fn compare(&mut self, object: &ObjectRef, hash: Hash, length: usize, surplus: Option<(usize, Hash)>) -> Integrity {
        let proof = Arc::clone(&self.proof);
        let mut named = proof.named.find(&object.name).peekable();
        if named.peek().is_none() {
            self.unnamed(object);
            return Integrity::Unsigned;
        }
        let (mut verdict, mut found, mut elsewhere) = (Integrity::Unsigned, false, None);
        let mut counted = false;
        for (log, here) in named {
            if !here {
                elsewhere = Some(proof.named.path(log));
                continue;
            }
            found = true;
            counted |= proof.has_log(log);
            let more = surplus.filter(|(_, first)| [hash, *first].contains(&log.hash));
            if let Some((members, _)) = more {
                let text = format!("{members} gzip members; CloudTrail writes one");
                self.findings.push(Finding::object(Code::LogSurplus, &object.name, text));
            } else if log.hash != hash {
                let text = "the SHA-256 of its inflated bytes is not the one in its digest";
                self.findings.push(Finding::object(Code::LogAltered, &object.name, text));
            } else {
                log.note(State::Same);
                self.bytes += u64::try_from(length).unwrap_or(u64::MAX);
                if verdict != Integrity::Failed && proof.fact(log.digest).trust == Trust::Proven {
                    verdict = Integrity::Verified;
                }
                continue;
            }
            log.note(State::Bad);
            verdict = Integrity::Failed;
        }
        if let Some(path) = elsewhere.filter(|_| !found) {
            let text = format!("its digest lists it as s3://{path}");
            self.findings.push(Finding::object(Code::LogMoved, &object.name, text));
            verdict = Integrity::Failed;
        }
        // Of those in range `finish` counts them.
        if verdict == Integrity::Unsigned && !counted {
            self.unproven(object);
        }
        verdict
    }

    /// Compares what has been hashed.
    fn compare_hashed(&mut self) {
        while let Some(Hashed { mark, hash, length }) = self.lanes.pop() {
            let _ = self.compare(&mark, hash, length, None);
        }
    }

    /// The proven digest that names an object which was found verified; of several the first by name.
    #[must_use]
    pub fn proven_by(&self, object: &str) -> Option<String> {
        let proof = &self.proof;
        let named = proof
            .named
            .find(object)
            .filter(|(log, here)| *here && log.state() == State::Same && proof.fact(log.digest).trust == Trust::Proven);
        named.filter_map(|(log, _)| proof.digest(log.digest)).map(|digest| digest.name.to_string()).min()
    }

    /// Notes an object that could not be inflated.
    pub fn broken(&mut self, object: &ObjectRef, error: &InflateError) {
        self.latest = self.latest.max(object.key.delivered_at);
        let code = match error {
            InflateError::TrailingBytes { .. } => Code::LogSurplus,
            _ => Code::LogDamaged,
        };
        self.findings.push(Finding::object(code, &object.name, error.to_string()));
        self.damaged.insert(object.name.clone());
        for (log, _) in self.proof.named.find(&object.name).filter(|(_, here)| *here) {
            log.note(State::Bad);
        }
    }

    /// Outside the range, only a digest that is not proven names it.
    fn unproven(&mut self, object: &ObjectRef) {
        let ObjectRef { key, name, .. } = object;
        let proven = key.account.as_deref().zip(key.region.as_deref());
        let proven = proven.and_then(|(account, region)| self.proof.proven(account, region));
        if key.delivered_at.zip(proven).is_some_and(|(time, proven)| proven.has(time) && proven.has(time + LATEST)) {
            let text = "no proven digest lists it, although the digests of that time are present";
            self.findings.push(Finding::object(Code::LogUnproven, name, text));
        } else {
            self.aside = Some(Code::LogUnproven);
        }
    }

    fn unnamed(&mut self, object: &ObjectRef) {
        let code = self.why_unnamed(&object.key);
        if code == Code::LogUnnamed {
            let text = "no digest lists it, although the digests of that time are present";
            self.findings.push(Finding::object(code, &object.name, text));
        } else if self.proof.bounds.lack(&object.key) {
            self.aside = Some(code);
        } else {
            self.count_unnamed(object, code);
        }
    }

    fn why_unnamed(&self, key: &KeyInfo) -> Code {
        let covered = match (&key.account, &key.region) {
            (Some(account), Some(region)) => Some(self.proof.covered(account, region)),
            _ => None,
        };
        match (covered, key.delivered_at) {
            (Some(None), _) => Code::NoDigests,
            (Some(Some(covered)), Some(time)) if !(covered.has(time) && covered.has(time + LATEST)) => {
                let newer = covered.end().is_some_and(|end| time + LATEST >= end);
                if newer { Code::LogAwaitingDigest } else { Code::LogInGap }
            }
            _ if self.proof.chains.is_empty() => Code::NoDigests,
            _ => Code::LogUnnamed,
        }
    }

    fn count_unnamed(&mut self, object: &ObjectRef, code: Code) {
        let key = &object.key;
        let at = (key.account.clone(), key.region.clone(), code);
        self.unnamed.entry(at).or_default().add(1, key.delivered_at, key.delivered_at, &object.name);
    }

    /// Whether the object that was judged last matters only if it gave a record of the range: see [`Self::gave`].
    #[must_use]
    pub fn is_aside(&self) -> bool {
        self.aside.is_some()
    }

    /// Notes a record that is used, of an object that [`Self::is_aside`]: of the range, it can be no matter whatever the
    /// name and the folder of the object say. Tells whether that is settled.
    pub fn gave(&mut self, object: &ObjectRef, seconds: i64) -> bool {
        let in_range = DateTime::from_timestamp(seconds, 0).is_some_and(|time| self.proof.bounds.has(time));
        if let Some(code) = self.aside.take_if(|_| in_range) {
            self.count_unnamed(object, code);
        }
        self.aside.is_none()
    }
}

impl Visitor for Checker {
    fn bytes(&mut self, object: &Arc<ObjectRef>, bytes: &Bytes<'_>) -> Next {
        if bytes.inflated.members > 1 || !self.lanes.takes(bytes.inflated.bytes.len()) {
            let _ = self.judge(object, &bytes.inflated);
            return Next::Pass;
        }
        if self.may_be_named(object) { Next::Keep } else { Next::Pass }
    }

    fn keep(&mut self, object: &Arc<ObjectRef>, buffer: Vec<u8>, length: usize) {
        self.lanes.add(Arc::clone(object), buffer, length);
        self.compare_hashed();
    }

    fn buffer(&mut self, length: usize, at_hand: Vec<u8>) -> Vec<u8> {
        self.lanes.buffer(length, at_hand)
    }

    fn ended(&mut self) {
        self.lanes.finish();
        self.compare_hashed();
    }

    fn damaged(&mut self, object: &Arc<ObjectRef>, error: &InflateError) {
        self.broken(object, error);
    }

    fn record(&mut self, _object: &Arc<ObjectRef>, _record: &Record<'_, '_>) {}

    fn merge(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.findings.extend(other.findings);
        self.damaged.extend(other.damaged);
        for (at, unnamed) in other.unnamed {
            let example = unnamed.example.unwrap_or_default();
            self.unnamed.entry(at).or_default().add(unnamed.count, unnamed.first, unnamed.last, &example);
        }
        self.latest = self.latest.max(other.latest);
    }
}
