//! The same figures over parts of a report: each account, each month; and the events that its windows name.
//!
//! The parts are cut from the windows of the whole, so that they add up to it: a window of one part is a window of the
//! report. A deactivation counts where it happened, its window may end later.

use std::collections::BTreeSet;

use super::{Analysis, Input, Part, Replayed, figures, figures_of};
use crate::contract::{AccountFigures, DetectionKind, Period, Proof, TrendPeriod, TrendSource, Window};

/// What [`parts`] computes.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// The figures of each account, in order of id.
    pub accounts: Vec<AccountFigures>,
    /// The figures of each of the months.
    pub trend: Vec<TrendPeriod>,
    /// The events that windows name, as far as they are kept with their objects.
    pub proof: Vec<Proof>,
}

/// Computes the parts of an analysis of the same input.
#[must_use]
pub fn parts(input: &Input<'_>, analysis: &Analysis, months: &[Period]) -> Parts {
    let Replayed { ledger, deactivations, .. } = Replayed::new(input);
    let of = |part: Part<'_>| figures_of(&ledger, &analysis.windows, &deactivations, input, part);

    let in_iam = input.iam.iter().flat_map(|iam| iam.accounts.keys());
    let seen: BTreeSet<&String> = input
        .covered
        .keys()
        .chain(in_iam)
        .chain(analysis.windows.iter().map(|window| &window.account))
        .chain(analysis.events.iter().map(|event| &event.account))
        .collect();
    let accounts = seen
        .into_iter()
        .map(|account| AccountFigures {
            account: account.clone(),
            figures: crate::contract::Figures {
                mfa_coverage: input
                    .iam
                    .and_then(|iam| iam.accounts.get(account))
                    .map(|state| figures::coverage(std::iter::once(state))),
                ..of(Part { period: input.period, account: Some(account) })
            },
        })
        .collect();

    let trend = months
        .iter()
        .map(|month| TrendPeriod {
            period: *month,
            source: TrendSource::ThisReport,
            figures: of(Part { period: *month, account: None }).iam,
            mfa_coverage: None,
        })
        .collect();

    let named: BTreeSet<(&str, &str)> = analysis.windows.iter().flat_map(events_of).collect();
    let proof = ledger
        .events
        .iter()
        .filter(|event| named.contains(&(event.account.as_str(), event.id.as_str())))
        .map(|event| Proof {
            event_id: event.id.clone(),
            event_name: event.name.clone(),
            event_time: event.time,
            account: event.account.clone(),
            objects: event.objects.iter().cloned().collect(),
        })
        .collect();
    Parts { accounts, trend, proof }
}

/// (account, id) of every event that a window names.
fn events_of(window: &Window) -> impl Iterator<Item = (&str, &str)> {
    let inferred = window.detection.iter().filter(|detection| detection.kind == DetectionKind::Inferred);
    std::iter::once(&window.opened_by_event)
        .chain(&window.closed_by_event)
        .chain(window.reasons.iter().flat_map(|reason| &reason.event_ids))
        .chain(inferred.map(|detection| &detection.reference))
        .map(|id| (window.account.as_str(), id.as_str()))
}
