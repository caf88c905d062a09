//! What is known of a principal's console password and access keys at a moment.

use std::collections::BTreeMap;

use super::ledger::{Entity, IamEntry, Ledger};
use crate::cloudtrail::ActorKind;
use crate::contract::ConsolePassword;
use crate::mfa::{Action, Event};

/// Whether the principal is known to have no console password at the event at `index`: its deletion was seen, or the
/// user's creation was and no password since, or IAM says so and no password was made or removed in between.
pub(super) fn known_without_password(ledger: &Ledger<'_>, entity: &Entity<'_>, index: usize) -> bool {
    match last_word(ledger, entity, index) {
        Some(present) => !present,
        None => {
            entity.created.is_some_and(|created| created <= index) || iam_password(ledger, entity, index) == Some(false)
        }
    }
}

/// What a window says of the password at its opening.
pub(super) fn password(ledger: &Ledger<'_>, entity: &Entity<'_>, index: usize) -> ConsolePassword {
    if known_without_password(ledger, entity, index) {
        return ConsolePassword::No;
    }
    let known = last_word(ledger, entity, index) == Some(true)
        || iam_password(ledger, entity, index) == Some(true)
        || next_word(ledger, entity, index) == Some(true);
    if known { ConsolePassword::Yes } else { ConsolePassword::Unknown }
}

/// What an event proves of the password after it.
fn after(event: &Event) -> Option<bool> {
    match event.action {
        Action::PasswordCreated | Action::PasswordReset | Action::PasswordChanged => Some(true),
        Action::ConsoleLogin { .. } if matches!(event.actor.kind, ActorKind::IamUser | ActorKind::Root) => Some(true),
        Action::PasswordRemoved => Some(false),
        _ => None,
    }
}

fn own<'l>(ledger: &'l Ledger<'_>, entity: &'l Entity<'_>) -> impl DoubleEndedIterator<Item = (usize, &'l Event)> {
    let events = entity.events.iter().filter_map(|index| Some((*index, &**ledger.events.get(*index)?)));
    events.filter(|(_, event)| event.succeeded())
}

fn last_word(ledger: &Ledger<'_>, entity: &Entity<'_>, index: usize) -> Option<bool> {
    own(ledger, entity).filter(|(at, _)| *at <= index).filter_map(|(_, event)| after(event)).next_back()
}

/// What the first event after `index` proves of the password before it: only what exists can be changed, used or removed.
fn next_word(ledger: &Ledger<'_>, entity: &Entity<'_>, index: usize) -> Option<bool> {
    own(ledger, entity).filter(|(at, _)| *at > index).find_map(|(_, event)| match event.action {
        Action::PasswordCreated => Some(false),
        _ => after(event).map(|_| true),
    })
}

/// IAM's word, where no event between the snapshot and `index` made or removed a password.
fn iam_password(ledger: &Ledger<'_>, entity: &Entity<'_>, index: usize) -> Option<bool> {
    let (told, taken_at) = match entity.iam {
        IamEntry::User(user) => (user.password?, ledger.taken_at?),
        IamEntry::Root(root) => (root.password?, ledger.taken_at?),
        IamEntry::Untold | IamEntry::Gone => return None,
    };
    let time = ledger.events.get(index)?.time;
    let between = |at: usize, event: &Event| {
        if time <= taken_at { at > index && event.time <= taken_at } else { at <= index && event.time > taken_at }
    };
    let changed = own(ledger, entity).any(|(at, event)| {
        matches!(event.action, Action::PasswordCreated | Action::PasswordRemoved) && between(at, event)
    });
    (!changed).then_some(told)
}

/// How many access keys were active at the event at `index`: IAM's count with the key events in between undone, or
/// counted from the user's creation; `None` where neither is known.
pub(super) fn active_access_keys(ledger: &Ledger<'_>, entity: &Entity<'_>, index: usize) -> Option<u32> {
    let told = match entity.iam {
        IamEntry::User(user) => user.active_access_keys,
        IamEntry::Root(root) => root.active_access_keys,
        IamEntry::Untold | IamEntry::Gone => None,
    };
    let mut keys: BTreeMap<&str, Vec<(usize, &Event)>> = BTreeMap::new();
    for (at, event) in own(ledger, entity) {
        if let Action::AccessKeyCreated { key: Some(key) }
        | Action::AccessKeyUpdated { key: Some(key), .. }
        | Action::AccessKeyDeleted { key: Some(key) } = &event.action
        {
            keys.entry(key).or_default().push((at, event));
        }
    }
    let active = |until: &dyn Fn(usize, &Event) -> bool| -> i64 {
        keys.values().map(|history| i64::from(key_active(history, until))).sum()
    };
    let now = active(&|at, _| at <= index);
    let count = match (told, ledger.taken_at) {
        (Some(told), Some(taken_at)) => i64::from(told) + now - active(&|_, event| event.time <= taken_at),
        _ if entity.created.is_some_and(|created| created <= index) => now,
        _ => return None,
    };
    u32::try_from(count.max(0)).ok()
}

/// Whether one key was active after those of its events that `seen` admits.
fn key_active(history: &[(usize, &Event)], seen: &dyn Fn(usize, &Event) -> bool) -> bool {
    let last = history.iter().rev().find(|(at, event)| seen(*at, event));
    match (last, history.first()) {
        (Some((_, event)), _) => match event.action {
            Action::AccessKeyCreated { .. } => true,
            Action::AccessKeyUpdated { active, .. } => active,
            _ => false,
        },
        // Before its first event: only an active key is deactivated, and what is deleted was there.
        (None, Some((_, event))) => {
            matches!(event.action, Action::AccessKeyUpdated { active: false, .. } | Action::AccessKeyDeleted { .. })
        }
        (None, None) => false,
    }
}
