//! What of what was made still stands, as far as the calls tell.

use super::link::Link;
use super::thing::{Action, Thing, ThingKind};

/// How it is with a thing after the last call about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No later call took it back.
    Stands,
    /// It is there, and cannot be used.
    Inactive,
    /// A later call took it back.
    Ended,
}

/// The call that ended it.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'l> {
    /// How it is with it.
    pub standing: Standing,
    /// The call, unless it stands.
    pub by: Option<&'l Link>,
}

/// How it is with what `change` did at the place `at` of the links, which are in order of time.
#[must_use]
pub fn standing<'l>(change: (Action, &Thing), at: &Link, links: &'l [Link]) -> Ending<'l> {
    let after = links.partition_point(|link| link.at < at.at);
    let mut last = Ending { standing: Standing::Stands, by: None };
    for link in links.get(after..).unwrap_or_default().iter().filter(|link| **link != *at) {
        let Some((action, thing)) = link.done() else { continue };
        if let Some(standing) = effect(change, action, thing) {
            last = Ending { standing, by: (standing != Standing::Stands).then_some(link) };
            if standing == Standing::Ended {
                break;
            }
        }
    }
    last
}

/// What a later call does to what a change made; `None` where it does nothing to it.
fn effect((made, what): (Action, &Thing), action: Action, thing: &Thing) -> Option<Standing> {
    if made == Action::Removed {
        let again = match what.kind {
            ThingKind::Device => thing.kind == ThingKind::Device && thing.has_owner_of(what),
            _ => thing.is(what),
        };
        return (again && action == Action::Made).then_some(Standing::Ended);
    }
    if action == Action::Removed && is_owner(thing, what) {
        return Some(Standing::Ended);
    }
    if !thing.is(what) {
        return None;
    }
    match action {
        Action::Removed => Some(Standing::Ended),
        Action::Disabled => Some(Standing::Inactive),
        Action::Changed if what.kind == ThingKind::AccessKey => Some(Standing::Stands),
        // Another password, or another trust policy, in its place.
        Action::Changed if matches!(what.kind, ThingKind::Password | ThingKind::TrustPolicy) => Some(Standing::Ended),
        Action::Changed | Action::Made => None,
    }
}

/// Whether what a thing belongs to is gone with it.
fn is_owner(gone: &Thing, what: &Thing) -> bool {
    let of = match what.kind {
        ThingKind::RolePolicy | ThingKind::TrustPolicy => ThingKind::Role,
        ThingKind::Role | ThingKind::GroupPolicy | ThingKind::Provider | ThingKind::Trail => return false,
        _ => ThingKind::User,
    };
    gone.kind == of && gone.has_owner_of(what)
}
