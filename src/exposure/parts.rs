//! The same figures over parts of a report: each account, each month; and the events that its windows name.
//!
//! The parts are cut from the windows of the whole, so that they add up to it: a window of one part is a window of the
//! report. A deactivation counts where it happened, its window may end later.

use std::collections::{BTreeSet, HashSet};

use super::calls::Calls;
use super::ledger::Ledger;
use super::windows::Deactivation;
use super::{Analysis, Input, Part, figures, figures_of};
use crate::contract::{AccountFigures, DetectionKind, MfaCoverage, Period, Proof, TrendPeriod, TrendSource, Window};

/// A month of the trend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    /// The month.
    pub period: Period,
    /// MFA coverage at the last snapshot that was kept of it.
    pub mfa_coverage: Option<MfaCoverage>,
}

/// An analysis in parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// The figures of each account, in order of id.
    pub accounts: Vec<AccountFigures>,
    /// The figures of each of the months that have begun.
    pub trend: Vec<TrendPeriod>,
    /// The events that windows name.
    pub proof: Vec<Proof>,
}

/// Cuts an analysis into its parts.
pub(super) fn parts(
    input: &Input<'_>,
    ledger: &Ledger<'_>,
    calls: &Calls<'_>,
    deactivations: &[Deactivation],
    analysis: &Analysis,
    months: &[Month],
) -> Parts {
    let of = |part: Part<'_>| figures_of(ledger, &analysis.windows, deactivations, input, part);

    let in_iam = input.iam.iter().flat_map(|iam| iam.accounts.keys());
    let seen: BTreeSet<&String> = input
        .covered
        .keys()
        .chain(in_iam)
        .chain(analysis.windows.iter().map(|window| &window.account))
        .chain(analysis.events.iter().map(|event| &event.account))
        .collect();
    let accounts = seen
        .iter()
        .copied()
        .map(|account| AccountFigures {
            account: account.clone(),
            figures: crate::contract::Figures {
                mfa_coverage: input
                    .iam
                    .and_then(|iam| Some((iam.taken_at, iam.accounts.get(account)?)))
                    .map(|(taken_at, state)| figures::coverage(taken_at, std::iter::once(state), 1)),
                ..of(Part { period: input.period, account: Some(account) })
            },
        })
        .collect();

    let given = |month: &Month| analysis.figures.mfa_coverage.filter(|coverage| coverage.is_of(month.period));
    let trend = months
        .iter()
        // Of a month that has not begun nothing is known, and zeros would say that nothing happened.
        .filter(|month| month.period.from <= input.as_of)
        .map(|month| TrendPeriod {
            period: month.period,
            source: TrendSource::ThisReport,
            measured_to: month.period.to.min(input.as_of),
            figures: of(Part { period: month.period, account: None }).iam,
            mfa_coverage: month
                .mfa_coverage
                .map(|coverage| in_report(coverage, seen.len()))
                .into_iter()
                .chain(given(month))
                .max_by_key(|coverage| coverage.taken_at),
        })
        .collect();

    Parts { accounts, trend, proof: proof(ledger, calls, &analysis.windows) }
}

/// What is known of every event that a window names: where the record lies, and who called.
fn proof(ledger: &Ledger<'_>, calls: &Calls<'_>, windows: &[Window]) -> Vec<Proof> {
    let mut sought: HashSet<(&str, &str)> = windows.iter().flat_map(events_of).collect();
    let ids: HashSet<&str> = sought.iter().map(|(_, id)| *id).collect();
    let events = ledger.events.values().filter(|event| ids.contains(event.id.as_str()));
    let mut proof: Vec<Proof> = events
        .map(|event| Proof {
            event_id: event.id.clone(),
            event_name: event.name.to_string(),
            event_time: event.time,
            account: event.account.to_string(),
            actor: event.actor.display(),
            objects: event.objects.to_strings(),
            sha256: vec![None; event.objects.len()],
        })
        .collect();
    proof.shrink_to_fit();
    let known: HashSet<(&str, &str)> = proof.iter().map(place).collect();
    let unknown = |account: &str, id: &str| !known.contains(&(account, id));
    let mut called = Vec::new();
    if sought.iter().any(|(account, id)| unknown(account, id)) {
        let others = calls.every().iter().filter(|call| ids.contains(call.event_id.as_str()));
        called.extend(others.filter(|call| unknown(&call.account, &call.event_id)).map(|call| Proof {
            event_id: call.event_id.clone(),
            event_name: call.name.to_string(),
            event_time: call.time,
            account: call.account.to_string(),
            actor: ledger.caller(&call.actor).display(),
            objects: call.lineage.objects.to_strings(),
            sha256: vec![None; call.lineage.objects.len()],
        }));
    }
    proof.extend(called);
    // What is not in the window's account is what an actor did in another one.
    let found: HashSet<(&str, &str)> = proof.iter().map(place).collect();
    sought.retain(|one| found.contains(one));
    let own: HashSet<&str> = sought.iter().map(|(_, id)| *id).collect();
    proof.retain(|proof| {
        sought.contains(&(proof.account.as_str(), proof.event_id.as_str())) || !own.contains(proof.event_id.as_str())
    });
    proof.sort_by(|one, other| (one.event_time, place(one)).cmp(&(other.event_time, place(other))));
    proof
}

/// Account and id.
fn place(proof: &Proof) -> (&str, &str) {
    (&proof.account, &proof.event_id)
}

/// Coverage of a report about so many accounts.
fn in_report(coverage: MfaCoverage, accounts: usize) -> MfaCoverage {
    MfaCoverage { accounts_in_report: coverage.accounts.map(|covered| covered.max(accounts)), ..coverage }
}

/// (account, id) of every event that a window names.
fn events_of(window: &Window) -> impl Iterator<Item = (&str, &str)> {
    let inferred = window.detection.iter().filter(|detection| detection.kind == DetectionKind::Inferred);
    window
        .opened_by_event
        .iter()
        .chain(&window.closed_by_event)
        .chain(window.reasons.iter().flat_map(|reason| &reason.event_ids))
        .chain(inferred.map(|detection| &detection.reference))
        .chain(window.activity.by_actor.iter().flat_map(|actor| &actor.made).map(|made| &made.event_id))
        .map(|id| (window.account.as_str(), id.as_str()))
}
