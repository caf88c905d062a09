//! What weakened the evidence itself: changes of trails, and how long each lasted.

use chrono::{DateTime, Utc};

use crate::arn;
use crate::contract::{Gap, Period};
use crate::mfa::{Action, Event};

/// A successful change of a trail that weakens it, or may: which of its settings `UpdateTrail` and `PutEventSelectors` changed is
/// not extracted.
#[derive(Debug, Clone, Copy)]
pub struct Weakening<'e> {
    /// The change.
    pub event: &'e Event,
    /// The `StartLogging` of the same trail that ended it; `None` where it lasts, and for changes that are of a moment.
    pub resumed: Option<&'e Event>,
}

impl Weakening<'_> {
    /// Whether nothing is recorded from then on: the trail was stopped or deleted.
    #[must_use]
    pub fn stops(&self) -> bool {
        matches!(self.event.name.as_str(), "StopLogging" | "DeleteTrail")
    }
}

/// The changes that weakened trails up to a moment, in order of time.
#[must_use]
pub fn weakenings(events: &[Event], until: DateTime<Utc>) -> Vec<Weakening<'_>> {
    let mut changes: Vec<&Event> = events
        .iter()
        .filter(|event| event.succeeded() && event.time <= until && matches!(event.action, Action::TrailChanged { .. }))
        .collect();
    changes.sort_by(|a, b| a.order().cmp(&b.order()));
    let mut found = Vec::new();
    for (index, event) in changes.iter().enumerate().filter(|(_, event)| event.name != "StartLogging") {
        let mut change = Weakening { event, resumed: None };
        if change.stops() {
            let mut later = changes.iter().skip(index + 1);
            change.resumed = later.find(|later| later.name == "StartLogging" && is_same(later, event)).copied();
        }
        found.push(change);
    }
    found
}

/// The changes as intervals of a period that ends at `end`.
#[must_use]
pub fn gaps(events: &[Event], period: Period, end: DateTime<Utc>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for change in weakenings(events, end) {
        let event = change.event;
        let until = if change.stops() { change.resumed.map_or(end, |resumed| resumed.time) } else { event.time };
        if until >= period.from && event.time < end {
            gaps.push(Gap {
                account: event.account.to_string(),
                region: None,
                from: event.time,
                to: until,
                cause: event.name.to_string(),
                event_id: Some(event.id.clone()),
            });
        }
    }
    gaps
}

/// A trail is named by its name or its ARN.
fn is_same(one: &Event, other: &Event) -> bool {
    one.account == other.account && trail(one) == trail(other)
}

fn trail(event: &Event) -> &str {
    match &event.action {
        Action::TrailChanged { trail: Some(trail) } => arn::name(trail),
        _ => "",
    }
}
