//! What is known of a principal's console password, of a denial of everything, and of its access keys at a moment.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::devices::Bounds;
use super::ledger::{Entity, EventId, IamEntry, Ledger};
use super::timeline::{Basis, Key, Missing, Proof, Timeline, fact_key};
use crate::cloudtrail::ActorKind;
use crate::contract::{ConsolePassword, FindingCode};
use crate::inventory::{self, AsOf, IamState};
use crate::mfa::{Action, Event};

/// Whether there was a password, and whether everything was denied, as far as events and IAM prove it.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    password: Timeline,
    denial: Timeline,
    /// Of every managed policy that denies everything: whether it was attached.
    attachments: Vec<Timeline>,
    access_keys: AccessKeys,
}

impl Credentials {
    pub(super) fn new(ledger: &Ledger<'_>, entity: &Entity<'_>, iam: Option<&IamState>, bounds: Bounds) -> Self {
        let from = bounds.from();
        Self {
            password: Timeline::new(password_proofs(ledger, entity, iam), from),
            denial: Timeline::new(denial_proofs(ledger, entity, iam), from),
            attachments: attachments(ledger, entity, iam)
                .into_iter()
                .map(|proofs| Timeline::new(proofs, from))
                .collect(),
            access_keys: AccessKeys::new(ledger, entity, iam),
        }
    }

    /// Whether the principal is known to have no console password right before the place, or right after it.
    pub(super) fn without_password(&self, key: Key, after: bool) -> bool {
        self.password.state(key, after) == Some(false)
    }

    /// What a window says of the password at its opening.
    pub(super) fn password(&self, key: Key) -> ConsolePassword {
        match self.password.state(key, true) {
            Some(true) => ConsolePassword::Yes,
            Some(false) => ConsolePassword::No,
            None => ConsolePassword::Unknown,
        }
    }

    /// Whether a policy is known to deny everything right before the place, or right after it.
    pub(super) fn denied(&self, key: Key, after: bool) -> bool {
        self.denial.state(key, after) == Some(true)
    }

    /// Where events contradict each other, or IAM.
    pub(super) fn missing(&self) -> Vec<Missing> {
        let of = |timeline: &Timeline, disagrees: FindingCode, protects: bool| -> Vec<Missing> {
            timeline
                .contradictions()
                .map(|(earlier, later)| {
                    let with_iam = [earlier.basis, later.basis].contains(&Basis::Iam);
                    let code = if with_iam { disagrees } else { FindingCode::StateContradicts };
                    let exposes = later.basis == Basis::Iam && earlier.after == Some(protects);
                    Missing { exposes, ..Missing::new(None, code, [earlier.key.time, later.key.time]) }
                })
                .collect()
        };
        // What another policy denied meanwhile does not explain how this one was attached, nor when.
        let attachments = self.attachments.iter().flat_map(|one| of(one, FindingCode::DenyDisagrees, true));
        let attachments: BTreeMap<DateTime<Utc>, Missing> = attachments.map(|one| (one.between[1], one)).collect();
        let mut missing = of(&self.password, FindingCode::PasswordDisagrees, false);
        let denials = of(&self.denial, FindingCode::DenyDisagrees, true).into_iter();
        missing.extend(denials.filter(|one| !attachments.contains_key(&one.between[1])));
        missing.extend(attachments.into_values());
        missing
    }

    /// How many access keys were active at the place: IAM's count with the key events in between undone, or counted from the
    /// user's creation; `None` where neither is known.
    pub(super) fn active_access_keys(&self, key: Key) -> Option<u32> {
        let keys = &self.access_keys;
        let count = match keys.told {
            Some((count, at)) => i64::from(count) + keys.active(key) - keys.active(at),
            None if keys.created.is_some_and(|created| created <= key) => keys.active(key),
            None => return None,
        };
        u32::try_from(count.max(0)).ok()
    }

    /// The last moment at or before the place at which a password or a denial came or went.
    pub(super) fn last_change(&self, key: Key) -> Option<Key> {
        let changes = [&self.password, &self.denial].into_iter().flat_map(|timeline| timeline.proofs());
        let changes = changes.filter(|proof| proof.key <= key && proof.before != proof.after && proof.after.is_some());
        changes.map(|proof| proof.key).max()
    }
}

/// What an event proves of the password before and after it. A success proves what AWS demands for it: IAM makes no second
/// password, and changes, uses and removes only one that there is.
fn password_proof(event: &Event) -> Option<(Option<bool>, Option<bool>)> {
    match event.action {
        Action::UserCreated => Some((None, Some(false))),
        Action::UserDeleted => Some((Some(false), Some(false))),
        Action::PasswordCreated => Some((Some(false), Some(true))),
        Action::PasswordReset | Action::PasswordChanged => Some((Some(true), Some(true))),
        Action::ConsoleLogin { .. } if matches!(event.actor.kind, ActorKind::IamUser | ActorKind::Root) => {
            Some((Some(true), Some(true)))
        }
        Action::PasswordRemoved => Some((Some(true), Some(false))),
        _ => None,
    }
}

fn password_proofs(ledger: &Ledger<'_>, entity: &Entity<'_>, iam: Option<&IamState>) -> Vec<Proof> {
    let mut proofs: Vec<Proof> = own(ledger, entity)
        .filter_map(|(index, event)| {
            let (before, after) = password_proof(event)?;
            // What is contradicted proves no more than that there is a password.
            let (before, after) = match event.is_disputed() {
                true => (None, Some(after.filter(|present| *present)?)),
                false => (before, after),
            };
            Some(Proof { key: Key::event(&ledger.events, index)?, before, after, basis: Basis::Event(index) })
        })
        .collect();
    let told = match entity.iam {
        IamEntry::User(user) => user.password.map(|password| (password, user.password_as_of)),
        IamEntry::Root(root) => root.password.map(|password| (password, root.password_as_of)),
        IamEntry::Untold | IamEntry::Gone => None,
    };
    if let Some(((password, as_of), iam)) = told.zip(iam) {
        let changes = own(ledger, entity).map(|(_, event)| event);
        let changes = changes.filter(|event| matches!(event.action, Action::PasswordCreated | Action::PasswordRemoved));
        let key = fact_key(as_of.unwrap_or_else(|| iam.as_of(&entity.account)), changes);
        proofs.extend(key.map(|key| Proof::constant(key, password, Basis::Iam)));
    }
    proofs
}

/// Which policies an event makes deny everything, or takes that from.
enum Denial {
    Begins(String),
    /// Whether it is proven to have been in force.
    Ends(String, bool),
}

fn denial(event: &Event) -> Option<Denial> {
    let inline = |name: &Option<String>| format!("inline:{}", name.as_deref().unwrap_or_default());
    let managed = |arn: &str| format!("managed:{arn}");
    match &event.action {
        Action::PolicyAttached { arn: Some(arn) } if inventory::is_deny_all_arn(arn) => {
            Some(Denial::Begins(managed(arn)))
        }
        // IAM detaches only what is attached.
        Action::PolicyDetached { arn: Some(arn) } if inventory::is_deny_all_arn(arn) => {
            Some(Denial::Ends(managed(arn), true))
        }
        Action::PolicyPut { policy, document } => {
            match document.as_deref().and_then(inventory::denies_everything) == Some(true) {
                true => Some(Denial::Begins(inline(policy))),
                false => Some(Denial::Ends(inline(policy), false)),
            }
        }
        Action::PolicyDeleted { policy } => Some(Denial::Ends(inline(policy), false)),
        _ => None,
    }
}

fn denial_proofs(ledger: &Ledger<'_>, entity: &Entity<'_>, iam: Option<&IamState>) -> Vec<Proof> {
    let mut proofs = Vec::new();
    let mut in_force: BTreeSet<String> = BTreeSet::new();
    for (index, event) in own(ledger, entity) {
        let Some(key) = Key::event(&ledger.events, index) else { continue };
        let (before, after) = match denial(event) {
            Some(Denial::Begins(policy)) => {
                in_force.insert(policy);
                (None, Some(true))
            }
            Some(Denial::Ends(policy, proven)) if in_force.remove(&policy) || proven => {
                (Some(true), Some(!in_force.is_empty()))
            }
            _ if event.action == Action::UserCreated => (None, Some(false)),
            _ => continue,
        };
        let before = before.filter(|_| !event.is_disputed());
        proofs.push(Proof { key, before, after, basis: Basis::Event(index) });
    }
    proofs.extend(told_denial(ledger, entity, iam));
    proofs
}

/// IAM's word on whether everything is denied.
fn told_denial(ledger: &Ledger<'_>, entity: &Entity<'_>, iam: Option<&IamState>) -> Option<Proof> {
    let (IamEntry::User(user), Some(iam)) = (&entity.iam, iam) else { return None };
    let changes = own(ledger, entity).map(|(_, event)| event).filter(|event| denial(event).is_some());
    let (denied, key) = user.denied.zip(fact_key(iam.as_of(&entity.account), changes))?;
    Some(Proof::constant(key, denied, Basis::Iam))
}

/// By creation, attachment and detachment, which IAM refuses for what is not attached.
fn attachments(ledger: &Ledger<'_>, entity: &Entity<'_>, iam: Option<&IamState>) -> Vec<Vec<Proof>> {
    let mut proofs: BTreeMap<&str, Vec<Proof>> = BTreeMap::new();
    for (index, event) in own(ledger, entity) {
        let (arn, before, after) = match &event.action {
            Action::PolicyAttached { arn: Some(arn) } => (arn, None, true),
            Action::PolicyDetached { arn: Some(arn) } => (arn, Some(true).filter(|_| !event.is_disputed()), false),
            _ => continue,
        };
        if inventory::is_deny_all_arn(arn) {
            let key = Key::event(&ledger.events, index);
            let proof = key.map(|key| Proof { key, before, after: Some(after), basis: Basis::Event(index) });
            proofs.entry(arn).or_default().extend(proof);
        }
    }
    let created = entity.created.and_then(|index| {
        Some(Proof {
            key: Key::event(&ledger.events, index)?,
            before: None,
            after: Some(false),
            basis: Basis::Event(index),
        })
    });
    // That nothing is denied is a word on every policy.
    let free = told_denial(ledger, entity, iam).filter(|told| told.after == Some(false));
    proofs.into_values().map(|own| own.into_iter().chain(created).chain(free).collect()).collect()
}

fn own<'l>(ledger: &'l Ledger<'_>, entity: &'l Entity<'_>) -> impl DoubleEndedIterator<Item = (EventId, &'l Event)> {
    let events = entity.events.iter().filter_map(|index| Some((*index, &**ledger.events.get(*index)?)));
    events.filter(|(_, event)| event.succeeded())
}

/// IAM's count of active access keys, and when it was true.
fn told_keys(entity: &Entity<'_>, iam: &IamState) -> Option<(u32, AsOf)> {
    let (count, as_of) = match entity.iam {
        IamEntry::User(user) => (user.active_access_keys?, user.access_keys_as_of),
        IamEntry::Root(root) => (root.active_access_keys?, root.access_keys_as_of),
        IamEntry::Untold | IamEntry::Gone => return None,
    };
    Some((count, as_of.unwrap_or_else(|| iam.as_of(&entity.account))))
}

/// How many access keys were active when.
#[derive(Debug, Default)]
struct AccessKeys {
    /// IAM's count, and the place at which it was true.
    told: Option<(u32, Key)>,
    /// The user's creation.
    created: Option<Key>,
    /// By events alone, in order: from which place on how many were active.
    steps: Vec<(Key, i64)>,
    /// How many were active before all of these.
    first: i64,
}

impl AccessKeys {
    fn new(ledger: &Ledger<'_>, entity: &Entity<'_>, iam: Option<&IamState>) -> Self {
        let mut histories: BTreeMap<&str, Vec<(Key, bool, bool)>> = BTreeMap::new();
        let mut changes = Vec::new();
        for (at, event) in own(ledger, entity) {
            if let Some((key, before, after)) = of_key(event)
                && let Some(at) = Key::event(&ledger.events, at)
            {
                histories.entry(key).or_default().push((at, before, after));
                changes.push(event);
            }
        }
        let told = iam.and_then(|iam| told_keys(entity, iam));
        let told = told.and_then(|(count, as_of)| Some((count, fact_key(as_of, changes.iter().copied())?)));
        let created = entity.created.and_then(|index| Key::event(&ledger.events, index));
        Self::of(histories.values().map(Vec::as_slice), told, created)
    }

    /// By what each event of each key, in order, tells of it before and after.
    fn of<'h>(
        histories: impl Iterator<Item = &'h [(Key, bool, bool)]>,
        told: Option<(u32, Key)>,
        created: Option<Key>,
    ) -> Self {
        let (mut first, mut steps) = (0, Vec::new());
        for history in histories {
            let mut active = history.first().is_some_and(|(_, before, _)| *before);
            first += i64::from(active);
            for (key, _, after) in history {
                steps.push((*key, i64::from(*after) - i64::from(active)));
                active = *after;
            }
        }
        steps.sort_by_key(|(key, _)| *key);
        let mut active = first;
        for (_, step) in &mut steps {
            active += *step;
            *step = active;
        }
        Self { told, created, steps, first }
    }

    /// After the events at or before the place.
    fn active(&self, until: Key) -> i64 {
        let after = self.steps.partition_point(|(key, _)| *key <= until);
        after.checked_sub(1).and_then(|last| self.steps.get(last)).map_or(self.first, |(_, active)| *active)
    }
}

/// Of which key an event is, and whether that was active before and is after: only an active one is deactivated, and what is deleted
/// was there.
fn of_key(event: &Event) -> Option<(&str, bool, bool)> {
    match &event.action {
        Action::AccessKeyCreated { key: Some(key) } => Some((key, false, true)),
        Action::AccessKeyUpdated { key: Some(key), active } => Some((key, !active, *active)),
        Action::AccessKeyDeleted { key: Some(key) } => Some((key, true, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a key is active after those of its events that lie at or before a place: by a look at all of them.
    fn plain(history: &[(Key, bool, bool)], until: Key) -> bool {
        let last = history.iter().rev().find(|(at, ..)| *at <= until);
        last.map_or_else(|| history.first().is_some_and(|(_, before, _)| *before), |(_, _, after)| *after)
    }

    proptest! {
        #[test]
        fn active_keys_are_counted_as_by_a_look_at_each(
            // When, of which key, and what it shows: created, deactivated, activated, deleted.
            events in prop::collection::vec((0_i64..9, 0_usize..3, 0_usize..4), 0..12),
            second in -1_i64..10,
        ) {
            let at = |second: i64| Key::snapshot(DateTime::from_timestamp(1_790_000_000 + second, 0).unwrap());
            let mut events = events;
            events.sort_by_key(|(second, ..)| *second);
            let mut histories: BTreeMap<usize, Vec<(Key, bool, bool)>> = BTreeMap::new();
            for (second, key, what) in &events {
                let (before, after) = [(false, true), (true, false), (false, true), (true, false)][*what];
                histories.entry(*key).or_default().push((at(*second), before, after));
            }
            let keys = AccessKeys::of(histories.values().map(Vec::as_slice), None, None);
            let counted: i64 = histories.values().map(|history| i64::from(plain(history, at(second)))).sum();
            prop_assert_eq!(keys.active(at(second)), counted);
        }
    }
}
