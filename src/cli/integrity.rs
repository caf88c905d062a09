//! What a report's evidence is worth, where the archive is verified while it is read.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::exit::CliError;
use super::verify;
use crate::contract::{Gap, Integrity, Notice, Period, ReadFailure, Report};
use crate::digest::{Checker, Code, Severity, State, Verification};
use crate::mfa::Event;
use crate::store::Judged;
use crate::units::{count, plural};

/// The outcome of the comparison that ran beside the report's own scan; `told` is the latest moment that its records, or
/// the store, tell of.
pub(super) fn outcome(
    plan: &verify::Plan<'_>,
    checker: Checker,
    mut failures: Vec<ReadFailure>,
    read: &[ReadFailure],
    told: Option<DateTime<Utc>>,
) -> Result<Verification, CliError> {
    let proof = checker.proof();
    failures.extend_from_slice(read);
    let mut outcome = checker.finish(&failures, plan.selection, &plan.horizon(told));
    verify::explain(plan, &proof, &mut outcome)?;
    Ok(outcome)
}

/// By account and event: the worst of the objects that hold it.
pub(super) type ByEvent = BTreeMap<(String, String), Integrity>;

/// What is known of every event.
pub(super) fn by_event(events: &[Event], objects: &BTreeMap<String, Integrity>) -> ByEvent {
    let mut known = ByEvent::new();
    for event in events {
        for integrity in event.objects.iter().filter_map(|object| objects.get(object)) {
            let worst = known.entry((event.account.clone(), event.id.clone())).or_insert(*integrity);
            *worst = (*worst).max(*integrity);
        }
    }
    known
}

/// What a report says of its integrity, beside windows and events. A bundle carries it: it is of the whole archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    /// Whether nothing speaks against it.
    pub(super) whole: bool,
    /// For `coverage.integrity`.
    value: serde_json::Value,
    /// Hours of the period that are not proven.
    gaps: Vec<Gap>,
    /// Why it is not whole.
    notice: Option<String>,
}

/// Of a verification that ran beside the report's own scan.
pub(super) fn told(outcome: &Verification, period: Period, as_of: DateTime<Utc>) -> Result<Told, CliError> {
    let mut gaps = Vec::new();
    for hours in outcome.hours.iter().filter(|hours| hours.state != State::Proven) {
        let (from, to) = (hours.from.max(period.from), hours.to.min(period.to));
        let own = if hours.state == State::Unknown { "no_digests" } else { "not_proven" };
        // What the digests, and the logs around them, tell of a time without digests.
        let cause = outcome.findings.iter().find(|finding| {
            let here =
                finding.account.as_ref() == Some(&hours.account) && finding.region.as_ref() == Some(&hours.region);
            let chain = finding.trail.is_some() && finding.code.severity() == Severity::Broken;
            let touches = finding.from.zip(finding.to).is_some_and(|(start, end)| start < hours.to && end > hours.from);
            hours.state == State::Unknown && here && chain && touches
        });
        if from < to {
            gaps.push(Gap {
                account: hours.account.clone(),
                region: Some(hours.region.clone()),
                from,
                to,
                cause: cause.map_or(own, |finding| finding.code.as_str()).to_owned(),
                event_id: cause.and_then(|finding| finding.event_id.clone()),
            });
        }
    }
    // Where there is not one digest, there is no chain to have a gap.
    for finding in
        outcome.findings.iter().filter(|finding| matches!(finding.code, Code::NoDigests | Code::DigestsAbsent))
    {
        let Some(account) = &finding.account else { continue };
        gaps.push(Gap {
            account: account.clone(),
            region: finding.region.clone(),
            from: period.from,
            to: period.to.min(as_of),
            cause: finding.code.as_str().to_owned(),
            event_id: None,
        });
    }
    let notice = (!outcome.whole).then(|| {
        let what: Vec<String> = outcome.counts.iter().map(|(code, n)| format!("{code} {n}")).collect();
        format!(
            "the archive is not proven whole: {} of {}, {} of {} ({})",
            count(outcome.digests_proven),
            plural(outcome.digests, "digest", "digests"),
            count(outcome.logs.verified),
            plural(outcome.logs.named, "log", "logs"),
            what.join(", ")
        )
    });
    let value = serde_json::to_value(outcome).map_err(CliError::failed)?;
    Ok(Told { whole: outcome.whole, value, gaps, notice })
}

/// Of what earlier scans verified: the store knows objects, and not the hours of digests or what they miss. `None` where
/// no scan verified anything.
pub(super) fn stored(judged: Judged) -> Option<Told> {
    let Judged { verified, unsigned, failed, unknown } = judged;
    if verified + unsigned + failed == 0 {
        return None;
    }
    let value = serde_json::json!({
        "source": "store",
        "whole": null,
        "digests": null,
        "digests_proven": null,
        "logs": { "named": null, "verified": verified, "unsigned": unsigned, "failed": failed, "not_asked": unknown },
        "trails": null,
        "hours": null,
        "findings": null,
    });
    let notice = (failed > 0).then(|| {
        let objects = plural(failed, "object in the store is", "objects in the store are");
        format!("{objects} not what CloudTrail signed; `mfatrail scan --verify` names them")
    });
    Some(Told { whole: failed == 0, value, gaps: Vec::new(), notice })
}

/// Writes it all into the report.
pub(super) fn tell(report: &mut Report, told: &Told, events: &ByEvent) {
    let of = |account: &str, event: &str| events.get(&(account.to_owned(), event.to_owned())).copied();
    for event in &mut report.events {
        event.integrity = of(&event.account, &event.event_id);
    }
    for window in &mut report.windows {
        let closed = window.closed_by_event.as_deref().and_then(|event| of(&window.account, event));
        window.integrity = window.opened_by_event.as_ref().and_then(|id| of(&window.account, id)).max(closed);
    }
    report.coverage.gaps.extend(told.gaps.iter().cloned());
    report.coverage.gaps.sort();
    if let Some(text) = &told.notice {
        report.notices.push(Notice { code: "integrity-not-whole", text: text.clone() });
        report.notices.sort();
    }
    report.coverage.integrity = Some(told.value.clone());
}
