//! What a window hangs on: who else was deprived of devices, what was made or tried, and what came of it. Of a great many windows
//! none looks at all events for it.

use std::hash::Hash;
use std::ops::{Deref, Range};
use std::rc::Rc;

use chrono::{DateTime, Utc};

use super::acts::{Acts, ByHash, Memo};
use super::index::{ByEntity, Signals};
use super::ledger::{Entity, EntityId, EventId, Ledger};
use crate::cloudtrail::Actor;
use crate::contract::PrincipalKind;
use crate::inventory;
use crate::mfa::{Action, Event};

/// Some events of one principal or caller, in order.
pub(super) enum Own<'l> {
    Part(&'l [EventId]),
    Found(Rc<Vec<EventId>>, Range<usize>),
}

impl Deref for Own<'_> {
    type Target = [EventId];

    fn deref(&self) -> &[EventId] {
        match self {
            Self::Part(part) => part,
            Self::Found(all, range) => all.get(range.clone()).unwrap_or_default(),
        }
    }
}

/// What a principal has, by what names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Thing {
    /// Itself.
    User,
    Password,
    AccessKey(Option<String>),
    AttachedPolicy(Option<String>),
    InlinePolicy(Option<String>),
    Group(Option<String>),
    Device(Option<String>),
}

impl Thing {
    /// What an event makes or takes away.
    pub(super) fn of(action: &Action) -> Option<Self> {
        Some(match action {
            Action::UserDeleted => Self::User,
            Action::PasswordCreated | Action::PasswordReset | Action::PasswordRemoved => Self::Password,
            Action::AccessKeyCreated { key } | Action::AccessKeyDeleted { key } => Self::AccessKey(key.clone()),
            Action::PolicyAttached { arn } | Action::PolicyDetached { arn } => Self::AttachedPolicy(arn.clone()),
            Action::PolicyPut { policy, .. } | Action::PolicyDeleted { policy } => Self::InlinePolicy(policy.clone()),
            Action::GroupChanged { group, .. } => Self::Group(group.clone()),
            Action::DeviceEnabled { serial } | Action::DeviceDeactivated { serial } => Self::Device(serial.clone()),
            _ => return None,
        })
    }
}

impl Signals {
    fn new(ledger: &Ledger<'_>) -> Self {
        let acts = |is: &dyn Fn(&Event) -> bool| {
            let events = ledger.events.iter().filter(|(_, event)| is(event));
            Acts::new(events.map(|(index, event)| (&*event.actor, index)))
        };
        let by = |is: &dyn Fn(&Event) -> bool| -> ByEntity {
            let events = ledger.events.iter().filter(|(_, event)| is(event));
            let whose = |event: &Event| ledger.entities_of(&event.actor, &event.account, event.time);
            events.flat_map(|(index, event)| whose(event).into_iter().map(move |entity| (entity, index))).collect()
        };
        let about = |is: &dyn Fn(&Entity<'_>, &Event) -> bool| -> ByEntity {
            let own = successes(ledger)
                .filter(|(_, event, owner)| ledger.entities.get(*owner).is_some_and(|entity| is(entity, event)));
            own.map(|(index, _, owner)| (owner, index)).collect()
        };
        let removals =
            successes(ledger).filter_map(|(index, event, owner)| Some(((owner, Thing::of(&event.action)?), index)));
        let disputed = ledger.events.iter().filter(|(_, event)| event.lineage.dispute.is_some());
        Self {
            deactivations: acts(&|event| deactivates(event) && event.succeeded()),
            makings: acts(&makes),
            makings_by: by(&makes),
            failures: acts(&fails),
            failures_by: by(&fails),
            enrollments: about(&|_, event| matches!(event.action, Action::DeviceEnabled { .. })),
            endings: about(&ends),
            gains: about(&|entity, event| ledger.is_gain(entity, event)),
            removals: ByHash::new(removals),
            disputed: ByHash::new(disputed.map(|(index, event)| (told(event), index))),
            taken_away: Memo::default(),
        }
    }
}

/// The successful events that are about principals.
fn successes<'l>(ledger: &'l Ledger<'_>) -> impl Iterator<Item = (EventId, &'l Event, EntityId)> {
    let events = ledger.events.iter().zip(ledger.owners.values());
    let events = events.filter_map(|((index, event), owner)| Some((index, &**event, (*owner)?)));
    events.filter(|(_, event, _)| event.succeeded())
}

fn deactivates(event: &Event) -> bool {
    matches!(event.action, Action::DeviceDeactivated { .. })
}

fn fails(event: &Event) -> bool {
    event.failure.is_some() && (deactivates(event) || matches!(event.action, Action::ConsoleLogin { .. }))
}

fn makes(event: &Event) -> bool {
    event.action.makes() && event.succeeded()
}

/// Whether a user is deleted, or the root user's password.
fn ends(entity: &Entity<'_>, event: &Event) -> bool {
    match event.action {
        Action::UserDeleted => true,
        Action::PasswordRemoved => entity.kind == PrincipalKind::Root,
        _ => false,
    }
}

/// What records of one event tell where they are not in dispute over it: the event, what was done when, and to whom.
fn told(event: &Event) -> impl Hash + PartialEq {
    let Event { account, id, time, action, target, .. } = event;
    (account, id, time, action, target)
}

impl Ledger<'_> {
    pub(super) fn signals(&self) -> &Signals {
        self.signals.get_or_init(|| Signals::new(self))
    }

    /// Whether a principal can do more by what an event made.
    pub(super) fn is_gain(&self, entity: &Entity<'_>, event: &Event) -> bool {
        match &event.action {
            Action::AccessKeyCreated { .. } | Action::PasswordCreated => true,
            Action::PasswordReset | Action::PasswordChanged => {
                !self.is_entity(entity, &event.actor, &event.account, event.time)
            }
            Action::PolicyAttached { arn } => arn.as_deref().is_some_and(inventory::is_full_access_arn),
            Action::PolicyPut { document, .. } => {
                document.as_deref().and_then(inventory::allows_everything) == Some(true)
            }
            _ => false,
        }
    }

    /// The first event of some kind about a principal after the one at `index`.
    fn next(&self, of: &ByEntity, id: EntityId, index: EventId) -> Option<(EventId, &Event)> {
        let own = of.of(id);
        let next = *own.get(own.partition_point(|one| *one <= index))?;
        Some((next, self.events.get(next)?))
    }

    /// The first device that was enabled for a principal after the event at `index`.
    pub(super) fn next_enrollment(&self, id: EntityId, index: EventId) -> Option<(EventId, &Event)> {
        self.next(&self.signals().enrollments, id, index)
    }

    /// Where a user was deleted, or the root user's password, after the event at `index`.
    pub(super) fn next_ending(&self, id: EntityId, index: EventId) -> Option<(EventId, &Event)> {
        self.next(&self.signals().endings, id, index)
    }

    /// Events about a principal after the one at `index` that make or take away a thing, in order.
    pub(super) fn removals_of(&self, id: EntityId, thing: Thing, index: EventId) -> impl Iterator<Item = &Event> {
        let sought = (id, thing);
        let known = self.signals().removals.of(&sought);
        let later = known.get(known.partition_point(|(_, one)| *one <= index)..).unwrap_or_default();
        let own = later.iter().filter(move |(_, one)| self.owners.get(*one) == Some(&Some(id)));
        own.filter_map(|(_, one)| self.events.get(*one)).map(Deref::deref)
    }

    /// The events that tell of the same as a disputed one, with their indices.
    pub(super) fn others_of<'l>(&'l self, event: &Event) -> impl Iterator<Item = (EventId, &'l Event)> {
        let same = self.signals().disputed.of(&told(event)).iter();
        let same = same.filter_map(|(_, index)| Some((*index, &**self.events.get(*index)?)));
        same.filter(move |(_, other)| told(other) == told(event))
    }

    /// The successful deactivations of `[from, to]` by a caller, in order.
    pub(super) fn deactivations_by(&self, actor: &Actor, between: [DateTime<Utc>; 2]) -> Own<'_> {
        self.acts_by(&self.signals().deactivations, actor, between)
    }

    /// What a caller made successfully in `[from, to]` that may outlast a window, in order: by the principal, where it is one.
    pub(super) fn makings_by(&self, actor: &Actor, entity: Option<EntityId>, between: [DateTime<Utc>; 2]) -> Own<'_> {
        match entity {
            Some(entity) => self.own(&self.signals().makings_by, entity, between),
            None => self.acts_by(&self.signals().makings, actor, between),
        }
    }

    /// Refused deactivations and failed sign-ins of `[from, to]` by a caller, in order: by the principal, where it is one.
    pub(super) fn failures_by(&self, actor: &Actor, entity: Option<EntityId>, between: [DateTime<Utc>; 2]) -> Own<'_> {
        match entity {
            Some(entity) => self.own(&self.signals().failures_by, entity, between),
            None => self.acts_by(&self.signals().failures, actor, between),
        }
    }

    /// What gave a principal more power in `[from, to]`, in order.
    pub(super) fn gains_of(&self, id: EntityId, between: [DateTime<Utc>; 2]) -> Own<'_> {
        self.own(&self.signals().gains, id, between)
    }

    fn own<'l>(&'l self, of: &'l ByEntity, id: EntityId, between: [DateTime<Utc>; 2]) -> Own<'l> {
        let all = of.of(id);
        Own::Part(all.get(self.within(all, between)).unwrap_or_default())
    }

    fn acts_by(&self, acts: &Acts<EventId>, actor: &Actor, between: [DateTime<Utc>; 2]) -> Own<'static> {
        let is = |index: EventId| self.events.get(index).is_some_and(|event| event.actor.same_as(actor));
        let all = acts.list(actor, is);
        let range = self.within(&all, between);
        Own::Found(all, range)
    }

    /// Of events in order those of `[from, to]`.
    fn within(&self, indices: &[EventId], [from, to]: [DateTime<Utc>; 2]) -> Range<usize> {
        let time = |index: &EventId| self.events.get(*index).map(|event| event.time);
        let start = indices.partition_point(|index| time(index).is_some_and(|time| time < from));
        let end = indices.partition_point(|index| time(index).is_some_and(|time| time <= to));
        start..end.max(start)
    }
}
