//! What a principal did while it was without MFA, and what the actor of the opening call did meanwhile.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::calls::Who;
use super::classify::Facts;
use super::ledger::{EntityId, EventId, IamEntry};
use super::signals::Thing;
use super::windows::Draft;
use crate::cloudtrail::{Actor, ActorKind, address};
use crate::contract::{Activity, ActorActivity, Made};
use crate::inventory::{AsOf, Device, UserState};
use crate::mfa::{Action, Event, Target};

/// So many things that an actor made are told of with a window, and how many more there are: each of its windows would else tell of
/// all that it made.
const MADE: usize = 20;

/// The principal's own calls and sign-ins from the opening, its own opening call included, up to the close; of an open
/// window up to and with `as_of`.
pub(super) fn activity(facts: Facts<'_>, draft: &Draft) -> Activity {
    let mut activity = Activity::default();
    let (mut addresses, mut services) = (BTreeSet::new(), BTreeSet::new());
    let [from, to] = draft.time(facts.as_of);
    for call in facts.calls.by(draft.entity, from, to) {
        activity.events += 1;
        activity.errors += usize::from(call.failed);
        activity.writes += usize::from(!call.read_only);
        let signed_in = &*call.name == "ConsoleLogin" && !call.failed;
        activity.console_logins_without_mfa += usize::from(signed_in && call.sign_in_mfa == Some(false));
        addresses.extend(call.source_ip.as_deref().and_then(address).map(|address| address.to_string()));
        services.insert(&*call.service);
    }
    activity.source_ips = addresses.into_iter().collect();
    activity.services = services.into_iter().map(str::to_owned).collect();
    let opening = draft.opened.and_then(|opened| facts.ledger.events.get(opened));
    activity.by_actor = opening.and_then(|opening| by_actor(facts, opening, [from, to]));
    activity
}

/// What the actor of a window's opening call did in `[from, to)`; `None` where the record does not tell who it was.
fn by_actor(facts: Facts<'_>, opening: &Event, [from, to]: [DateTime<Utc>; 2]) -> Option<ActorActivity> {
    let Actor { id, arn, name, .. } = &*opening.actor;
    if [id, arn, name].iter().all(|text| text.is_none()) && opening.actor.kind != ActorKind::Root {
        return None;
    }
    let ledger = facts.ledger;
    let who = ledger.entity_of(&opening.actor, &opening.account, opening.time);
    let calls = facts.calls.count(who.map_or(Who::Actor(&opening.actor), Who::Entity), from, to);
    let makings = ledger.makings_by(&opening.actor, who, [from, to]);
    let end = makings.partition_point(|index| ledger.events.get(*index).is_some_and(|event| event.time < to));
    let listed = makings.iter().take(end.min(MADE)).filter_map(|index| Some((*index, ledger.events.get(*index)?)));
    Some(ActorActivity {
        events: calls.map(|[events, _]| events),
        writes: calls.map(|[_, writes]| writes),
        made: listed.filter_map(|(index, event)| made(facts, index, event)).collect(),
        made_left_out: end.saturating_sub(MADE),
    })
}

/// What an event made that may outlive the window.
fn made(facts: Facts<'_>, index: EventId, event: &Event) -> Option<Made> {
    let owner = owner(facts, index);
    let user = name_of(facts, event, owner);
    let of_user = |what: Option<&String>| format!("{} of {user}", what.map_or("unknown", String::as_str));
    let (what, id) = match &event.action {
        Action::AccessKeyCreated { key } => ("access_key", key.clone().unwrap_or_else(|| of_user(None))),
        Action::PasswordCreated | Action::PasswordReset => ("password", user),
        Action::PolicyAttached { arn } => ("policy", of_user(arn.as_ref())),
        Action::PolicyPut { policy, .. } => ("policy", of_user(policy.as_ref())),
        Action::GroupChanged { group, added: true } => ("group_membership", of_user(group.as_ref())),
        Action::UserCreated => ("user", user),
        Action::DeviceEnabled { serial } => ("device", serial.clone().unwrap_or_else(|| of_user(None))),
        _ => return None,
    };
    let still_there = owner.and_then(|owner| still_there(facts, index, event, owner));
    Some(Made { event_id: event.id.clone(), at: event.time, what, id, still_there })
}

fn owner(facts: Facts<'_>, index: EventId) -> Option<EntityId> {
    facts.ledger.owners.get(index).copied().flatten()
}

/// Whom an event is about, by the name of then.
fn name_of(facts: Facts<'_>, event: &Event, owner: Option<EntityId>) -> String {
    if let Target::User { name: Some(name), .. } = &event.target {
        return name.clone();
    }
    owner.and_then(|id| facts.ledger.entities.get(id)).map_or("unknown", |entity| entity.name()).to_owned()
}

/// Whether what an event made stands at `as_of`: no later event took it away, and IAM, where it was asked later, has it. `None`
/// where a key or a device is not named, so that nothing can be told of it.
fn still_there(facts: Facts<'_>, index: EventId, event: &Event, owner: EntityId) -> Option<bool> {
    if matches!(event.action, Action::AccessKeyCreated { key: None } | Action::DeviceEnabled { serial: None }) {
        return None;
    }
    let entity = facts.ledger.entities.get(owner)?;
    if is_taken_away(facts, index, event, owner) {
        return Some(false);
    }
    match (&entity.iam, facts.iam) {
        (IamEntry::Gone, Some(iam)) => Some(!told_later(facts, event, iam.users_as_of(&entity.account))),
        (IamEntry::User(user), Some(iam)) => in_iam(facts, user, event, iam.as_of(&entity.account)),
        _ => Some(true),
    }
}

/// Whether a later event up to `as_of` took away what an event made.
pub(super) fn is_taken_away(facts: Facts<'_>, index: EventId, event: &Event, owner: EntityId) -> bool {
    let find = || {
        let things = [Some(Thing::User), Thing::of(&event.action)];
        let mut later = things.into_iter().flatten().flat_map(|thing| {
            let later = facts.ledger.removals_of(owner, thing, index);
            later.take_while(|later| later.time <= facts.as_of)
        });
        (later.any(|later| takes_away(later, event)), 1)
    };
    *facts.ledger.signals().taken_away.of(&index, find)
}

/// Whether IAM said something after the event, and not after `as_of`.
fn told_later(facts: Facts<'_>, event: &Event, said: AsOf) -> bool {
    event.time < said.earliest && said.latest <= facts.as_of
}

/// What IAM says of it, where that is of a later moment than the event; its lists are of `listed`.
fn in_iam(facts: Facts<'_>, user: &UserState, event: &Event, listed: AsOf) -> Option<bool> {
    let counts = |said: Option<AsOf>| told_later(facts, event, said.unwrap_or(listed));
    match &event.action {
        Action::PasswordCreated | Action::PasswordReset if counts(user.password_as_of) => {
            Some(user.password != Some(false))
        }
        Action::DeviceEnabled { serial } if counts(None) => {
            let lacks = |devices: &Vec<Device>| !devices.iter().any(|device| Some(&device.serial) == serial.as_ref());
            Some(!user.devices.as_ref().is_some_and(lacks))
        }
        // Inactive or deleted: IAM's inputs do not list keys.
        Action::AccessKeyCreated { .. } if counts(user.access_keys_as_of) && user.active_access_keys == Some(0) => None,
        _ => Some(true),
    }
}

/// Whether a later event about the same principal takes away what `made` made.
pub(super) fn takes_away(later: &Event, made: &Event) -> bool {
    match (&later.action, &made.action) {
        (Action::UserDeleted, _) | (Action::PasswordRemoved, Action::PasswordCreated | Action::PasswordReset) => true,
        // Somebody else's password took its place.
        (Action::PasswordReset, Action::PasswordCreated | Action::PasswordReset) => !later.actor.same_as(&made.actor),
        (Action::AccessKeyDeleted { key }, Action::AccessKeyCreated { key: made }) => key == made,
        (Action::PolicyDetached { arn }, Action::PolicyAttached { arn: made }) => arn == made,
        (
            Action::PolicyDeleted { policy } | Action::PolicyPut { policy, .. },
            Action::PolicyPut { policy: made, .. },
        ) => policy == made,
        (Action::GroupChanged { group, added: false }, Action::GroupChanged { group: made, .. }) => group == made,
        (Action::DeviceDeactivated { serial }, Action::DeviceEnabled { serial: made }) => serial == made,
        _ => false,
    }
}
