//! When a deactivation was noticed: reported by somebody's alert, else inferred from the archive.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::approvals::means;
use super::classify::Facts;
use super::ledger::{Entity, EntityId, IamEntry};
use super::timeline::Key;
use super::windows::Draft;
use crate::cloudtrail::Actor;
use crate::contract::{Detected, DetectionKind};
use crate::inputs::{Detection, DetectionSubject};
use crate::mfa::Event;
use crate::names::Pattern;
use crate::trace::Call;

/// How many principals one actor reads within [`SWEEP_SPAN`] for it to be a sweep, which notices nothing.
pub(super) const SWEEP: usize = 5;
/// In an account with fewer console users all of them are enough, if they are as many as this: who reads one user looks at
/// that one.
const SMALLEST_SWEEP: usize = 2;
pub(super) const SWEEP_SPAN: TimeDelta = TimeDelta::minutes(10);

/// The first detection of a window's opening. Only a deactivation can be noticed by a look at the principal: there are
/// many reasons to look at a user that was just created.
pub(super) fn detect(facts: Facts<'_>, draft: &Draft, by_deactivation: bool) -> Option<Detected> {
    reported(facts, draft).or_else(|| inferred(facts, draft).filter(|_| by_deactivation))
}

/// The detections that speak of a window, with their numbers, in order.
pub(super) fn alerts<'f>(facts: Facts<'f>, draft: &Draft) -> Vec<(usize, &'f Detection)> {
    let opening = draft.opened.and_then(|opened| facts.ledger.events.get(opened));
    let entity = facts.ledger.entities.get(draft.entity);
    let Some((opening, entity)) = opening.zip(entity) else { return Vec::new() };
    let own = facts.alerts.of(opening, entity).into_iter();
    own.filter(|(_, detection)| speaks_of(facts, draft, detection)).collect()
}

/// Whether a detection speaks of a window: by the opening event's id, else by time and the name that the principal bears then.
fn speaks_of(facts: Facts<'_>, draft: &Draft, detection: &Detection) -> bool {
    let (Some(opening), Some(entity)) =
        (draft.opened.and_then(|opened| facts.ledger.events.get(opened)), facts.ledger.entities.get(draft.entity))
    else {
        return false;
    };
    if detection.detected_at < draft.opened_at {
        return false;
    }
    match &detection.subject {
        DetectionSubject::Event(id) => opening.has_id(id),
        DetectionSubject::Principal { account, user } => {
            let [_, end] = draft.time(facts.as_of);
            *account == entity.account && means(user, entity, detection.detected_at) && detection.detected_at < end
        }
    }
}

fn reported(facts: Facts<'_>, draft: &Draft) -> Option<Detected> {
    let own = alerts(facts, draft).into_iter().map(|(_, detection)| detection);
    let first = own.min_by_key(|detection| (detection.detected_at, &detection.source, &detection.reference))?;
    Some(Detected {
        at: first.detected_at,
        kind: DetectionKind::Reported,
        source: first.source.clone(),
        reference: first.reference.clone(),
        time_to_detect_s: (first.detected_at - draft.opened_at).num_seconds(),
    })
}

/// The first successful call about the principal, at or after the deactivation and before the window's end, by somebody who
/// can notice something.
fn inferred(facts: Facts<'_>, draft: &Draft) -> Option<Detected> {
    let ledger = facts.ledger;
    let opening = ledger.events.get(draft.opened?)?;
    let watch = Watch::new(facts, ledger.entities.get(draft.entity)?, opening);
    let [from, to] = draft.time(facts.as_of);
    let mut calls = facts.calls.about(draft.entity, from, to).iter();
    let call = calls
        .find(|call| {
            let tells = !call.failed && !call.lineage.is_disputed && !opening.has_id(&call.event_id);
            tells && watch.notices(&call.actor, &call.account, call.time) && !(call.read_only && is_sweep(facts, call))
        })
        .map(|call| (call.time, call.event_id.as_str(), ledger.caller(&call.actor)));
    let own = &watch.entity.events;
    let before = own.partition_point(|index| ledger.events.get(*index).is_some_and(|event| event.time < from));
    let events = own
        .iter()
        .skip(before)
        .filter_map(|index| ledger.events.get(*index))
        .take_while(|event| event.time < to)
        .filter(|event| event.succeeded() && event.lineage.dispute.is_none() && event.id != opening.id)
        .filter(|event| watch.notices(&event.actor, &event.account, event.time))
        .map(|event| (event.time, event.id.as_str(), &*event.actor));
    let (at, reference, actor) = call.into_iter().chain(events).min_by_key(|(time, id, _)| (*time, *id))?;
    Some(Detected {
        at,
        kind: DetectionKind::Inferred,
        source: actor.display(),
        reference: reference.to_owned(),
        time_to_detect_s: (at - draft.opened_at).num_seconds(),
    })
}

/// Who can notice a deactivation: neither the principal, nor the deactivation's actor, nor AWS, nor whom the policy leaves
/// out.
struct Watch<'f> {
    facts: Facts<'f>,
    entity: &'f Entity<'f>,
    opening: &'f Event,
    left_out: Vec<Pattern>,
}

impl<'f> Watch<'f> {
    fn new(facts: Facts<'f>, entity: &'f Entity<'f>, opening: &'f Event) -> Self {
        Self { facts, entity, opening, left_out: Pattern::all(&facts.settings.not_detectors) }
    }

    fn notices(&self, actor: &Actor, account: &str, time: DateTime<Utc>) -> bool {
        let ledger = self.facts.ledger;
        let principal = ledger.is_entity(self.entity, actor, account, time);
        let actor = ledger.caller(actor);
        let anybody = actor.id.is_some() || actor.arn.is_some() || actor.name.is_some();
        anybody && !principal && !actor.is_aws() && !is_same(actor, &self.opening.actor) && !self.leaves_out(actor)
    }

    fn leaves_out(&self, actor: &Actor) -> bool {
        if self.left_out.is_empty() {
            return false;
        }
        let role = actor.role_arn();
        let arns = [actor.arn.as_deref(), actor.issuer.as_deref(), role.as_deref()];
        self.left_out.iter().any(|pattern| arns.iter().flatten().any(|arn| pattern.matches(arn)))
    }
}

/// Whether two callers are one; a session of `AssumeRoot` is whoever assumed it.
pub(super) fn is_same(one: &Actor, other: &Actor) -> bool {
    one.same_as(other) || (one.id.is_some() && one.id == other.id && one.arn == other.arn)
}

/// Whether a reading call is one of a sweep: within ten minutes that hold it its actor read five or more principals, or in an
/// account with fewer console users all of these.
pub(super) fn is_sweep(facts: Facts<'_>, call: &Call) -> bool {
    facts.calls.sweeps(call, || reads_many(facts, call))
}

fn reads_many(facts: Facts<'_>, call: &Call) -> bool {
    let until = call.time + SWEEP_SPAN + TimeDelta::seconds(1);
    let near = facts.calls.readings(&call.actor, call.time - SWEEP_SPAN, until);
    // Of many calls about one user in one second each says what all say.
    let near: BTreeSet<(DateTime<Utc>, (&str, &str))> =
        near.into_iter().filter_map(|one| Some((one.time, (&*one.account, one.about_user.as_deref()?)))).collect();
    let firsts: BTreeSet<DateTime<Utc>> = near.iter().map(|(time, _)| *time).collect();
    let few = few_console_users(facts, call);
    firsts.range(call.time - SWEEP_SPAN..=call.time).any(|first| {
        let within = near.range((*first, ("", ""))..).take_while(|(time, _)| *time <= *first + SWEEP_SPAN);
        let mut principals = BTreeSet::new();
        if within.map(|(_, principal)| principals.insert(*principal)).filter(|new| *new).take(SWEEP).count() == SWEEP {
            return true;
        }
        let all =
            |users: &BTreeSet<String>| users.iter().all(|user| principals.contains(&(&*call.account, user.as_str())));
        few.as_ref().is_some_and(all)
    })
}

/// The names, in lower case, of all users of a call's account that may have a console password then, where these are so few
/// that to read them all is a sweep: by IAM's list, or else as far as the archive knows them.
pub(super) fn few_console_users(facts: Facts<'_>, call: &Call) -> Option<BTreeSet<String>> {
    let people = facts.calls.people(&call.account)?;
    let listed = facts.iam.and_then(|iam| iam.accounts.get(&*call.account)).is_some_and(|state| state.users_complete);
    let mut users = BTreeSet::new();
    for id in &people.entities {
        users.extend(console_name(facts, *id, call.time, listed).map(str::to_lowercase));
        if users.len() >= SWEEP {
            return None;
        }
    }
    if !listed {
        users.extend(people.strangers.iter().cloned());
    }
    (SMALLEST_SWEEP..SWEEP).contains(&users.len()).then_some(users)
}

/// What an entity is called at a moment, where it may have a console password then; with IAM's list, only if that has it.
fn console_name(facts: Facts<'_>, id: EntityId, at: DateTime<Utc>, listed: bool) -> Option<&str> {
    let entity = facts.ledger.entities.get(id)?;
    let span = entity
        .names
        .iter()
        .rfind(|span| span.from.is_none_or(|from| from <= at) && span.to.is_none_or(|to| at <= to))?;
    let has_none = match entity.iam {
        IamEntry::User(user) => user.password == Some(false) || user.created_at.is_some_and(|created| at < created),
        _ if listed => true,
        _ => facts.credentials.get(id).is_some_and(|known| known.without_password(Key::snapshot(at), true)),
    };
    (!has_none).then_some(span.name.as_str())
}
