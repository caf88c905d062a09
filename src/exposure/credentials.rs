//! What is known of a principal's console password, of a denial of everything, and of its access keys at a moment.

use std::collections::{BTreeMap, BTreeSet};

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
        let mut denials = of(&self.denial, FindingCode::DenyDisagrees, true);
        // What another policy denied meanwhile does not explain how this one was attached, nor when.
        for unattached in self.attachments.iter().flat_map(|one| of(one, FindingCode::DenyDisagrees, true)) {
            denials.retain(|one| one.between[1] != unattached.between[1]);
            denials.push(unattached);
        }
        let mut missing = of(&self.password, FindingCode::PasswordDisagrees, false);
        missing.extend(denials);
        missing
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

/// How many access keys were active at the place: IAM's count with the key events in between undone, or counted from the
/// user's creation; `None` where neither is known.
pub(super) fn active_access_keys(
    ledger: &Ledger<'_>,
    entity: &Entity<'_>,
    iam: Option<&IamState>,
    key: Key,
) -> Option<u32> {
    let mut keys: BTreeMap<&str, Vec<(Key, &Event)>> = BTreeMap::new();
    let mut changes = Vec::new();
    for (at, event) in own(ledger, entity) {
        if let Action::AccessKeyCreated { key: Some(key) }
        | Action::AccessKeyUpdated { key: Some(key), .. }
        | Action::AccessKeyDeleted { key: Some(key) } = &event.action
        {
            keys.entry(key).or_default().push((Key::event(&ledger.events, at)?, event));
            changes.push(event);
        }
    }
    let active = |until: Key| -> i64 { keys.values().map(|history| i64::from(key_active(history, until))).sum() };
    let told = iam.and_then(|iam| told_keys(entity, iam));
    let told = told.and_then(|(count, as_of)| Some((count, fact_key(as_of, changes.iter().copied())?)));
    let created = entity.created.and_then(|index| Key::event(&ledger.events, index));
    let count = match told {
        Some((count, at)) => i64::from(count) + active(key) - active(at),
        None if created.is_some_and(|created| created <= key) => active(key),
        None => return None,
    };
    u32::try_from(count.max(0)).ok()
}

/// Whether one key was active after those of its events that lie at or before `until`.
fn key_active(history: &[(Key, &Event)], until: Key) -> bool {
    let last = history.iter().rev().find(|(at, _)| *at <= until);
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
