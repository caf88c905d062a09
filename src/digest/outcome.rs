//! What a verification gives: counts, chains, findings, and the one word that matters.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    About, Cause, Chain, Checker, Code, Digest, Finding, Hours, LogCounts, Proof, Severity, State, TrailSummary, Trust,
    Verification,
    chain::{length, steps},
    log_index::State as LogState,
};
use crate::{
    contract::ReadFailure,
    source::{KeyInfo, Selection},
    units::plural,
};

/// How long after a chain's last digest the next one may still be under way: an hour, and its delivery.
const LATE: TimeDelta = TimeDelta::hours(2);

const DAY: TimeDelta = TimeDelta::days(1);

/// Up to when there must be digests.
#[derive(Debug, Clone, Copy)]
pub struct Horizon {
    /// The moment that was asked for; without it, what the archive tells of itself.
    pub until: Option<DateTime<Utc>>,
    /// The present.
    pub now: DateTime<Utc>,
    /// The latest moment that anything beside digests and names of logs tells of: a record's time, an earlier scan.
    pub told: Option<DateTime<Utc>>,
}

impl Horizon {
    /// Whether what happened before a moment may still be on its way.
    fn is_recent(&self, time: DateTime<Utc>) -> bool {
        time + LATE > self.now
    }

    /// Whether digests that end with `last` reach a moment that was asked for: wholly, if it is long past.
    fn reaches(&self, last: &Digest, until: DateTime<Utc>) -> bool {
        last.end >= until || (self.is_recent(until) && last.end + LATE >= until)
    }

    /// Whether they reach a moment of which something else tells: what would be the next digest was not complete then.
    fn is_abreast(&self, last: &Digest, told: DateTime<Utc>) -> bool {
        last.end + length(last) > told || (self.is_recent(told) && last.end + LATE >= told)
    }
}

impl Checker {
    /// Puts everything together. `failures` are the objects that neither pass could read, `selection` what the second
    /// one listed.
    #[must_use]
    pub fn finish(self, failures: &[ReadFailure], selection: &Selection, horizon: &Horizon) -> Verification {
        let proof = &*self.proof;
        let mut findings = proof.findings.clone();
        findings.extend(self.findings);
        let told: BTreeSet<String> = findings
            .iter()
            .filter(|finding| unreadable(finding.code))
            .filter_map(|finding| finding.object.clone())
            .collect();
        for failure in failures.iter().filter(|failure| !told.contains(&failure.object)) {
            if proof.bounds.lack_object(&failure.object) {
                continue;
            }
            let named = || proof.named.find(&failure.object).filter(|(_, here)| *here);
            // Its bytes are those that were signed; that they are no sound JSON is another matter.
            if named().any(|(log, _)| log.state() == LogState::Same) {
                continue;
            }
            findings.push(Finding::object(Code::LogUnreadable, &failure.object, &*failure.error));
            named().for_each(|(log, _)| log.note(LogState::Bad));
        }
        let hours = hours(proof);
        let mut trails = summaries(proof);
        let logs = LogCounts { bytes: self.bytes, ..count_logs(proof, selection, &mut trails, &mut findings) };
        for ((account, region, code), unnamed) in self.unnamed {
            let text = match &unnamed.example {
                Some(example) => format!("for example {example}"),
                None => String::new(),
            };
            findings.push(Finding {
                code,
                account,
                region,
                trail: None,
                from: unnamed.first,
                to: unnamed.last,
                object: None,
                count: unnamed.count,
                event_id: None,
                text,
            });
        }
        let reached = ends(proof).map(|(_, last)| last.end).max();
        let told = [self.latest, reached, horizon.told].into_iter().flatten().max();
        let told = told.map(|told| told.min(horizon.now)).map(|told| proof.bounds.to.map_or(told, |to| told.min(to)));
        findings.extend(ended(proof, horizon, told));
        let absent = absent(proof, selection, &findings, horizon.until.or(told));
        findings.extend(absent);
        let trails: Vec<TrailSummary> = trails.into_iter().flatten().collect();
        let mut outcome = Verification {
            whole: false,
            from: proof.bounds.from,
            to: proof.bounds.to,
            proven_until: proven_until(proof),
            digests: trails.iter().map(|trail| trail.digests).sum(),
            digests_proven: trails.iter().map(|trail| trail.digests_proven).sum(),
            logs,
            trails,
            hours,
            counts: BTreeMap::new(),
            findings,
        };
        outcome.settle();
        outcome
    }
}

impl Verification {
    /// Names the events that tell why chains begin, begin anew or end.
    pub fn explain(&mut self, causes: &[Cause]) {
        for finding in &mut self.findings {
            let Some((from, to)) = asked(finding) else { continue };
            let made = finding.code == Code::ChainBegins;
            let by = |cause: &&Cause| {
                // A trail logs within hours, and an organization's trail reaches a new account within its first day.
                let soon = !made || matches!(cause.about, About::Account(_)) || cause.time >= from + DAY - LATE;
                cause.creates() == made && cause.is_about(finding) && (from..=to).contains(&cause.time) && soon
            };
            let last = causes.iter().filter(by).max_by_key(|cause| (cause.time, &cause.event_id));
            let Some(cause) = last else { continue };
            finding.text = format!("{}; {cause}", finding.text);
            finding.event_id = Some(cause.event_id.clone());
            if made {
                finding.code = match cause.about {
                    About::Trail(_) => Code::TrailCreated,
                    About::Account(_) => Code::AccountCreated,
                };
            } else if cause.stops() {
                finding.code = Code::LoggingStopped;
            }
        }
        self.settle();
    }

    /// Intervals in which an event may tell why.
    #[must_use]
    pub fn unexplained(&self) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
        self.findings.iter().filter_map(asked).collect()
    }

    fn settle(&mut self) {
        self.findings.sort();
        self.findings.dedup();
        self.counts.clear();
        for finding in &self.findings {
            *self.counts.entry(finding.code.as_str()).or_default() += finding.count;
        }
        let broken = self.findings.iter().any(|finding| finding.code.severity() == Severity::Broken);
        self.whole = !broken && self.digests_proven > 0 && self.digests_proven == self.digests;
    }
}

/// When the event happened that tells why, if one does.
fn asked(finding: &Finding) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let (from, to) = (finding.from?, finding.to?);
    match finding.code {
        Code::ChainRestart | Code::DigestMissingNewest => Some((from - LATE, to)),
        Code::ChainBegins => Some((to - DAY, to + LATE)),
        _ => None,
    }
}

fn unreadable(code: Code) -> bool {
    matches!(code, Code::DigestUnreadable | Code::LogDamaged | Code::LogSurplus)
}

/// By chain; `None` where nothing of it is in range.
fn summaries(proof: &Proof) -> Vec<Option<TrailSummary>> {
    let summary = |chain: &super::Chain| {
        let in_range = || chain.digests.iter().filter(|digest| proof.fact(digest.number).in_range);
        let proven = in_range().filter(|digest| proof.trust(digest) == Trust::Proven).count();
        Some(TrailSummary {
            account: chain.id.account.clone(),
            region: chain.id.region.clone(),
            trail: chain.id.trail.clone(),
            home_region: chain.id.home_region.clone(),
            backfill: chain.id.backfill,
            from: in_range().map(|digest| digest.start).min()?,
            to: in_range().map(|digest| digest.end).max()?,
            digests: in_range().map(|_| 1).sum(),
            digests_proven: u64::try_from(proven).unwrap_or(u64::MAX),
            logs: 0,
            logs_verified: 0,
        })
    };
    proof.chains.iter().map(summary).collect()
}

/// By account and region, what is known of the time from the first to the last digest in range, and of the range.
fn hours(proof: &Proof) -> Vec<Hours> {
    // Digests with a log that is not as named.
    let bad: BTreeSet<u32> =
        proof.named.all().iter().filter(|log| log.state() != LogState::Same).map(|log| log.digest).collect();
    let mut places: BTreeMap<(&str, &str), Vec<&super::Digest>> = BTreeMap::new();
    for chain in proof.chains.iter().filter(|chain| !chain.id.backfill) {
        let digests = chain.digests.iter().filter(|digest| proof.fact(digest.number).in_range);
        places.entry((&chain.id.account, &chain.id.region)).or_default().extend(digests);
    }
    let mut hours: Vec<Hours> = Vec::new();
    for ((account, region), mut digests) in places {
        digests.sort_by_key(|digest| (digest.start, digest.end));
        let first = proof.bounds.from.or_else(|| digests.iter().map(|digest| digest.start).min());
        let Some(mut at) = first else { continue };
        let mut add = |from, to, state, logs, quiet| {
            if from >= to {
                return;
            }
            match hours.last_mut() {
                Some(last)
                    if last.state == state && last.to == from && last.account == account && last.region == region =>
                {
                    last.to = to;
                    last.logs += logs;
                    last.quiet += quiet;
                }
                _ => hours.push(Hours {
                    account: account.to_owned(),
                    region: region.to_owned(),
                    from,
                    to,
                    state,
                    logs,
                    quiet,
                }),
            }
        };
        for digest in digests {
            add(at, digest.start, State::Unknown, 0, 0);
            let sound = proof.trust(digest) == Trust::Proven && !bad.contains(&digest.number);
            let state = if sound { State::Proven } else { State::Broken };
            // Two trails at once: what the second one says of the same time counts, the time itself only once.
            add(digest.start.max(at), digest.end, state, digest.logs, u64::from(digest.logs == 0));
            at = at.max(digest.end);
        }
        if let Some(to) = proof.bounds.to {
            add(at, to, State::Unknown, 0, 0);
        }
    }
    hours
}

fn count_logs(
    proof: &Proof,
    selection: &Selection,
    trails: &mut [Option<TrailSummary>],
    findings: &mut Vec<Finding>,
) -> LogCounts {
    let mut counts = LogCounts::default();
    // By chain.
    let mut unproven: BTreeMap<usize, u64> = BTreeMap::new();
    let mut unlisted: BTreeMap<usize, u64> = BTreeMap::new();
    for log in proof.named.all() {
        let fact = proof.fact(log.digest);
        if !proof.has_log(log) {
            continue;
        }
        counts.named += 1;
        let mut trail = trails.get_mut(fact.chain).and_then(Option::as_mut);
        if let Some(trail) = &mut trail {
            trail.logs += 1;
        }
        match (log.state(), fact.trust) {
            (LogState::Same, Trust::Proven) => {
                counts.verified += 1;
                if let Some(trail) = &mut trail {
                    trail.logs_verified += 1;
                }
            }
            (LogState::Same, _) => *unproven.entry(fact.chain).or_default() += 1,
            (LogState::Bad, _) => {}
            (LogState::Unseen, _) => {
                let path = proof.named.path(log);
                if selection.includes(&KeyInfo::parse(&path)) {
                    let trail = trail.map(|trail| trail.trail.clone());
                    let text = "a digest lists it, but it is missing";
                    let name = format!("s3://{path}");
                    findings.push(Finding { trail, ..Finding::object(Code::LogMissing, &name, text) });
                } else {
                    *unlisted.entry(fact.chain).or_default() += 1;
                }
            }
        }
    }
    let mut tell = |code, counts: BTreeMap<usize, u64>, text: &str| {
        for (chain, count) in counts {
            let Some(chain) = proof.chains.get(chain) else { continue };
            findings.push(Finding::chain(code, &chain.id, count, text));
        }
    };
    tell(Code::LogUnproven, unproven, "they match the digest, but the digest is not proven");
    tell(
        Code::LogNotLookedAt,
        unlisted,
        "listed in digests, but outside the accounts, regions and days that were read",
    );
    for trail in trails.iter().flatten().filter(|trail| trail.backfill) {
        let logs = plural(trail.logs, "log", "logs");
        let text = format!("they list {logs} delivered too late for the digest of their own hour");
        findings.push(Finding {
            code: Code::Backfill,
            account: Some(trail.account.clone()),
            region: Some(trail.region.clone()),
            trail: Some(trail.trail.clone()),
            from: Some(trail.from),
            to: Some(trail.to),
            object: None,
            count: trail.digests,
            event_id: None,
            text,
        });
    }
    counts
}

/// The last digest of each chain.
fn ends(proof: &Proof) -> impl Iterator<Item = (&Chain, &Digest)> {
    let chains = proof.chains.iter().filter(|chain| !chain.id.backfill);
    chains.filter_map(|chain| Some((chain, chain.digests.last()?)))
}

/// By account and region the end of the last proven digest in range, and of these the earliest.
fn proven_until(proof: &Proof) -> Option<DateTime<Utc>> {
    let mut places: BTreeMap<(&str, &str), DateTime<Utc>> = BTreeMap::new();
    for chain in proof.chains.iter().filter(|chain| !chain.id.backfill) {
        let proven = |digest: &&Digest| proof.trust(digest) == Trust::Proven && proof.fact(digest.number).in_range;
        let Some(last) = chain.digests.iter().filter(proven).map(|digest| digest.end).max() else { continue };
        let end = places.entry((&chain.id.account, &chain.id.region)).or_insert(last);
        *end = (*end).max(last);
    }
    places.into_values().min()
}

/// Chains that end before they should: before the moment that was asked for, or before what else is `told` of.
fn ended(proof: &Proof, horizon: &Horizon, told: Option<DateTime<Utc>>) -> impl Iterator<Item = Finding> {
    ends(proof).filter_map(move |(chain, last)| {
        let short = horizon.until.filter(|until| !horizon.reaches(last, *until));
        let behind = told.filter(|told| !horizon.is_abreast(last, *told));
        let until = short.max(behind)?;
        if !proof.bounds.touches(last.end, until) {
            return None;
        }
        let from = proof.bounds.from.map_or(last.end, |from| from.max(last.end));
        let until = proof.bounds.to.map_or(until, |to| to.min(until));
        let missing = plural(steps(until - from, length(last)), "digest is", "digests are");
        let text =
            format!("no digest after {}: about {missing} missing, or the trail was stopped or deleted", last.object);
        Some(Finding::chain(Code::DigestMissingNewest, &chain.id, 1, text).between(Some(from), Some(until)))
    })
}

/// Accounts and regions that have no digest in the range at all: of those that were asked for, and of those that had
/// digests before it. What `findings` tell of already is not told twice.
fn absent(proof: &Proof, selection: &Selection, findings: &[Finding], until: Option<DateTime<Utc>>) -> Vec<Finding> {
    let chains = proof.chains.iter().filter(|chain| !chain.id.backfill);
    let in_range = chains.filter(|chain| chain.digests.iter().any(|digest| proof.fact(digest.number).in_range));
    let mut known: BTreeSet<(&str, &str)> = in_range.map(|chain| (&*chain.id.account, &*chain.id.region)).collect();
    let chains = [Code::NoDigests, Code::DigestMissingNewest];
    let told = findings.iter().filter(|finding| chains.contains(&finding.code));
    known.extend(told.filter_map(|finding| finding.account.as_deref().zip(finding.region.as_deref())));
    let mut absent = Vec::new();
    let mut tell = |account: Option<&str>, region: Option<&str>, text: String| {
        absent.push(Finding {
            code: Code::DigestsAbsent,
            account: account.map(str::to_owned),
            region: region.map(str::to_owned),
            trail: None,
            from: proof.bounds.from,
            to: until,
            object: None,
            count: 1,
            event_id: None,
            text,
        });
    };
    let earlier =
        proof.earlier.iter().flat_map(|(account, regions)| regions.iter().map(move |region| (account, region)));
    for (account, region) in earlier {
        if selection.has_account(account) && selection.has_region(region) && known.insert((account, region)) {
            let text = "its digests end before the range begins: later ones were removed, or it is no longer logged";
            tell(Some(account), Some(region), text.to_owned());
        }
    }
    let asked = "it was requested, but has neither digests nor logs".to_owned();
    for account in &selection.accounts {
        if !known.iter().any(|(known, _)| known == account) {
            tell(Some(account), None, asked.clone());
        }
    }
    for region in &selection.regions {
        if !known.iter().any(|(_, known)| known == region) {
            tell(None, Some(region), asked.clone());
        }
    }
    for account in selection.accounts.iter().filter(|account| known.iter().any(|(known, _)| known == account)) {
        for region in selection.regions.iter().filter(|region| known.iter().any(|(_, known)| known == region)) {
            if !known.contains(&(account, region)) {
                tell(Some(account), Some(region), asked.clone());
            }
        }
    }
    absent
}
