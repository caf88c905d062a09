//! When a deactivation was noticed: reported by somebody's alert, else inferred from the archive.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::classify::Facts;
use super::windows::Draft;
use crate::cloudtrail::{Actor, ActorKind};
use crate::contract::{Detected, DetectionKind};
use crate::inputs::{Detection, DetectionSubject};
use crate::trace::Call;

/// How many principals one actor reads within [`SWEEP_SPAN`] for it to be a sweep, which notices nothing.
const SWEEP: usize = 5;
pub(super) const SWEEP_SPAN: TimeDelta = TimeDelta::minutes(10);

/// The first detection of a window's opening. Only a deactivation can be noticed by a look at the principal: there are
/// many reasons to look at a user that was just created.
pub(super) fn detect(
    facts: Facts<'_>,
    draft: &Draft,
    detections: &[Detection],
    by_deactivation: bool,
) -> Option<Detected> {
    reported(facts, draft, detections).or_else(|| inferred(facts, draft).filter(|_| by_deactivation))
}

/// Which detections speak of a window: by the opening event's id, else by principal and time.
pub(super) fn speaks_of(facts: Facts<'_>, draft: &Draft, detection: &Detection) -> bool {
    let (Some(opening), Some(entity)) =
        (draft.opened.and_then(|opened| facts.ledger.events.get(opened)), facts.ledger.entities.get(draft.entity))
    else {
        return false;
    };
    if detection.detected_at < draft.opened_at {
        return false;
    }
    match &detection.subject {
        DetectionSubject::Event(id) => *id == opening.id,
        DetectionSubject::Principal { account, user } => {
            let [_, end] = draft.time(facts.as_of);
            *account == entity.account && entity.is_ever_called(user) && detection.detected_at < end
        }
    }
}

fn reported(facts: Facts<'_>, draft: &Draft, detections: &[Detection]) -> Option<Detected> {
    let first = detections
        .iter()
        .filter(|detection| speaks_of(facts, draft, detection))
        .min_by_key(|detection| (detection.detected_at, &detection.source, &detection.reference))?;
    Some(Detected {
        at: first.detected_at,
        kind: DetectionKind::Reported,
        source: first.source.clone(),
        reference: first.reference.clone(),
        time_to_detect_s: (first.detected_at - draft.opened_at).num_seconds(),
    })
}

/// The first call about the principal, at or after the deactivation and before the window's end, by someone who is
/// neither the principal nor the deactivation's actor nor an AWS service.
fn inferred(facts: Facts<'_>, draft: &Draft) -> Option<Detected> {
    let ledger = facts.ledger;
    let opening = ledger.events.get(draft.opened?)?;
    let entity = ledger.entities.get(draft.entity)?;
    let [from, to] = draft.time(facts.as_of);
    let notices = |actor: &Actor, account: &str, time: DateTime<Utc>| {
        let actor = ledger.caller(actor);
        let anybody = actor.id.is_some() || actor.arn.is_some() || actor.name.is_some();
        anybody
            && actor.kind != ActorKind::Service
            && !actor.same_as(&opening.actor)
            && !ledger.is_entity(entity, actor, account, time)
    };
    let calls = facts
        .calls
        .about(draft.entity, from, to)
        .iter()
        .filter(|call| call.event_id != opening.id && notices(&call.actor, &call.account, call.time))
        .filter(|call| !(call.read_only && is_sweep(facts, call)))
        .map(|call| (call.time, call.event_id.as_str(), ledger.caller(&call.actor)));
    let events = entity
        .events
        .iter()
        .filter_map(|index| ledger.events.get(*index))
        .filter(|event| from <= event.time && event.time < to)
        .filter(|event| event.id != opening.id && notices(&event.actor, &event.account, event.time))
        .map(|event| (event.time, event.id.as_str(), &event.actor));
    let (at, reference, actor) = calls.chain(events).min_by_key(|(time, id, _)| (*time, *id))?;
    Some(Detected {
        at,
        kind: DetectionKind::Inferred,
        source: actor.display(),
        reference: reference.to_owned(),
        time_to_detect_s: (at - draft.opened_at).num_seconds(),
    })
}

/// Whether a reading call is one of a sweep: its actor read five or more principals within ten minutes that hold it.
fn is_sweep(facts: Facts<'_>, call: &Call) -> bool {
    let near: Vec<&&Call> = facts
        .calls
        .all(call.time - SWEEP_SPAN, call.time + SWEEP_SPAN + TimeDelta::seconds(1))
        .iter()
        .filter(|other| other.read_only && other.about_user.is_some() && other.actor.same_as(&call.actor))
        .collect();
    near.iter().filter(|first| first.time <= call.time && call.time <= first.time + SWEEP_SPAN).any(|first| {
        let principals: BTreeSet<(&str, &str)> = near
            .iter()
            .filter(|other| first.time <= other.time && other.time <= first.time + SWEEP_SPAN)
            .filter_map(|other| Some((&*other.account, other.about_user.as_deref()?)))
            .collect();
        principals.len() >= SWEEP
    })
}
