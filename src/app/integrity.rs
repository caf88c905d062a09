//! What a report's evidence is worth, where the archive is verified while it is read.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Error, rfc3339, verify};
use crate::contract::{
    ArchiveIntegrity, Gap, Integrity, Notice, NoticeCode, Period, ReadFailure, Report, StoredIntegrity, Window,
};
use crate::digest::{Checker, Code, Severity, State, Verification};
use crate::exposure::{self, Inconsistent, Input};
use crate::mfa::Event;
use crate::units::{count, plural};

/// The outcome of the comparison that ran beside the report's own scan; `told` is the latest moment that its records, or
/// the store, tell of.
pub(crate) fn outcome(
    task: &verify::Task<'_>,
    checker: Checker,
    mut failures: Vec<ReadFailure>,
    read: &[ReadFailure],
    told: Option<DateTime<Utc>>,
) -> Result<Verification, Error> {
    let proof = checker.proof();
    failures.extend_from_slice(read);
    let mut outcome = checker.finish(&failures, task.selection, &task.horizon(told));
    verify::explain(task, &proof, &mut outcome)?;
    Ok(outcome)
}

/// By account and event: the worst of the objects that hold it.
pub(crate) type ByEvent = BTreeMap<(String, String), Integrity>;

/// What is known of every event.
pub(crate) fn by_event(events: &[Event], objects: &BTreeMap<String, Integrity>) -> ByEvent {
    let mut known = ByEvent::new();
    for event in events {
        for integrity in event.objects.iter().filter_map(|object| objects.get(object.as_str())) {
            let worst = known.entry((event.account.to_string(), event.id.clone())).or_insert(*integrity);
            *worst = (*worst).max(*integrity);
        }
    }
    known
}

/// What a report says of its integrity, beside windows and events. A bundle carries it: it is of the whole archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IntegrityStatement {
    /// Whether nothing speaks against it.
    pub(crate) whole: bool,
    /// For `coverage.integrity`.
    value: ArchiveIntegrity,
    /// Hours of the period that are not proven.
    gaps: Vec<Gap>,
    /// Why it is not whole.
    notice: Option<String>,
}

impl IntegrityStatement {
    /// What is concluded of the period, and from what, without what is counted.
    pub(crate) fn verdict(&self) -> impl Serialize {
        let findings = match &self.value {
            ArchiveIntegrity::Verified(outcome) => {
                outcome.findings.iter().map(|finding| finding.text.clone()).collect()
            }
            ArchiveIntegrity::Stored(_) => Vec::new(),
        };
        (self.whole, self.gaps.clone(), findings)
    }
}

/// Of a verification that ran beside the report's own scan.
pub(crate) fn integrity_statement(outcome: &Verification, period: Period, as_of: DateTime<Utc>) -> IntegrityStatement {
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
            "the archive's integrity could not be verified: {} of {}, {} of {} ({})",
            count(outcome.digests_proven),
            plural(outcome.digests, "digest", "digests"),
            count(outcome.logs.verified),
            plural(outcome.logs.named, "log", "logs"),
            what.join(", ")
        )
    });
    IntegrityStatement { whole: outcome.whole, value: ArchiveIntegrity::Verified(outcome.clone()), gaps, notice }
}

/// Of what earlier scans verified: the store knows objects, and not the hours of digests or what they miss. `None` where
/// no scan verified anything.
pub(crate) fn stored(judged: StoredIntegrity, disproved_at: Option<DateTime<Utc>>) -> Option<IntegrityStatement> {
    let StoredIntegrity { verified, unsigned, failed, unknown: _, disproved } = judged;
    if verified + unsigned + failed == 0 && !disproved {
        return None;
    }
    let why = [(failed, "not what CloudTrail signed"), (unsigned, "named by no proven digest")];
    let why: Vec<String> = why
        .into_iter()
        .filter(|(objects, _)| *objects > 0)
        .map(|(objects, what)| {
            format!("{} {what}", plural(objects, "object in the store is", "objects in the store are"))
        })
        .collect();
    let objects = (!why.is_empty()).then(|| format!("{}; `mfatrail scan --verify` names them", why.join(", ")));
    let whole = disproved_at.map(|at| {
        format!(
            "the verification that began at {} has not proven the archive: log files may be missing; `mfatrail verify` names what is, and a `scan --verify` of the same sources and range that proves it ends this notice",
            rfc3339(at)
        )
    });
    let notice: Vec<String> = whole.into_iter().chain(objects).collect();
    let notice = (!notice.is_empty()).then(|| notice.join("; "));
    // What no digest names may be too new for one: where a window rests on it, that is told by itself.
    Some(IntegrityStatement {
        whole: failed == 0 && !disproved,
        value: ArchiveIntegrity::Stored(judged),
        gaps: Vec::new(),
        notice,
    })
}

/// The windows by the records alone that no digest was asked for or that a proven one names; `None` where these are all.
///
/// # Errors
/// As of [`exposure::analyse`].
pub(crate) fn proven_windows(input: &Input<'_>, integrity: &ByEvent) -> Result<Option<Vec<Window>>, Inconsistent> {
    let of = |event: &Event| integrity.get(&(event.account.to_string(), event.id.clone()));
    let is_proven =
        |event: &&Event| event.lineage.verified || of(event).is_none_or(|worst| *worst == Integrity::Verified);
    if input.context.is_proven() && input.events.iter().all(|event| is_proven(&event)) {
        return Ok(None);
    }
    let events: Vec<Event> = input.events.iter().filter(is_proven).cloned().collect();
    let context = input.context.without_unproven();
    let analysis = exposure::analyse(&Input { events: &events, context: &context, ..input.clone() })?;
    Ok(Some(analysis.windows))
}

/// Whether two windows conclude the same. What was done meanwhile is no conclusion: it goes on until the last hour, which no
/// digest proves yet.
fn agree(one: &Window, other: &Window) -> bool {
    let aside = Window {
        integrity: one.integrity,
        active_access_keys: one.active_access_keys,
        activity: one.activity.clone(),
        ..other.clone()
    };
    *one == aside
}

/// The window among others that is of the same opening.
fn counterpart<'w>(of: &Window, windows: &'w [Window]) -> Option<&'w Window> {
    let mut same = windows.iter().filter(|window| {
        (&window.account, &window.opened_by_event, window.kind) == (&of.account, &of.opened_by_event, of.kind)
            && (of.opened_by_event.is_some() || window.principal == of.principal)
    });
    same.next()
}

/// What there is to say of windows that are other ones by proven records alone.
fn unproven(report: &Report, proven: &[Window]) -> Vec<Notice> {
    let told = |window: &Window| match (window.closed_at, window.close_reason) {
        (Some(at), Some(reason)) => format!("closed at {} ({})", rfc3339(at), reason.name()),
        (_, Some(reason)) => format!("over ({})", reason.name()),
        (_, None) => "open".to_owned(),
    };
    let classed = |window: &Window| window.class.map_or_else(String::new, |class| format!(", {}", class.name()));
    let mut notices = Vec::new();
    for window in proven {
        let other = counterpart(window, &report.windows);
        if other.is_some_and(|other| agree(window, other)) {
            continue;
        }
        let opened = match (&window.opened_by_event, window.opened_at) {
            (Some(event), Some(at)) => format!("opened by event {event} at {}", rfc3339(at)),
            _ => "that IAM shows".to_owned(),
        };
        let shown = other.map_or_else(
            || "here there is none".to_owned(),
            |other| format!("here it is {}{}", told(other), classed(other)),
        );
        notices.push(Notice {
            code: NoticeCode::RestsOnUnproven,
            text: format!(
                "account {}, {}: based only on records that digests prove, the window {opened} is {}{}; {shown}, based on records that no digest proves",
                window.account,
                window.principal.name,
                told(window),
                classed(window),
            ),
        });
    }
    notices
}

/// Whether no window rests on records that no digest proves.
pub(crate) fn rests_on_proof(report: &Report) -> bool {
    report.notices.iter().all(|notice| notice.code != NoticeCode::RestsOnUnproven)
}

/// Writes it all into the report; `proven` are the windows by proven records alone, where there are others.
pub(crate) fn tell(report: &mut Report, told: &IntegrityStatement, events: &ByEvent, proven: Option<&[Window]>) {
    let of = |account: &str, event: &str| events.get(&(account.to_owned(), event.to_owned())).copied();
    for event in &mut report.events {
        event.integrity = of(&event.account, &event.event_id);
    }
    for window in &mut report.windows {
        let closed = window.closed_by_event.as_deref().and_then(|event| of(&window.account, event));
        window.integrity = window.opened_by_event.as_ref().and_then(|id| of(&window.account, id)).max(closed);
    }
    if let Some(proven) = proven {
        let notices = unproven(report, proven);
        for window in &mut report.windows {
            let stands = counterpart(window, proven).is_some_and(|other| agree(window, other));
            if window.integrity == Some(Integrity::Verified) && !stands {
                window.integrity = Some(Integrity::Unsigned);
            }
        }
        report.notices.extend(notices);
        report.notices.sort();
    }
    report.coverage.gaps.extend(told.gaps.iter().cloned());
    report.coverage.gaps.sort();
    if let Some(text) = &told.notice {
        report.notices.push(Notice { code: NoticeCode::IntegrityNotWhole, text: text.clone() });
        report.notices.sort();
    }
    report.coverage.integrity = Some(told.value.clone());
}
