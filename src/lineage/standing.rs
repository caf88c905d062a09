//! What of what was made still stands, as far as the calls tell.

use std::collections::HashMap;

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

/// A user, role or group, in one spelling: account and name.
type Owner<'l> = (Option<&'l str>, Option<String>);

/// The calls that may end something, by what they are about: few of all calls are about one thing.
#[derive(Debug)]
pub struct Endings<'l> {
    /// All calls, in order of time.
    links: &'l [Link],
    /// The places of those about a thing.
    about: HashMap<(ThingKind, &'l str, Owner<'l>), Vec<usize>>,
    /// Of those that removed a user or a role.
    gone: HashMap<(ThingKind, Owner<'l>), Vec<usize>>,
    /// Of those that made a device of a user.
    devices: HashMap<Owner<'l>, Vec<usize>>,
}

impl<'l> Endings<'l> {
    /// Of links that are in order of time.
    #[must_use]
    pub fn of(links: &'l [Link]) -> Self {
        let mut all = Self { links, about: HashMap::new(), gone: HashMap::new(), devices: HashMap::new() };
        for (place, link) in links.iter().enumerate() {
            let Some((action, thing)) = link.done() else { continue };
            let owner = owner(thing);
            if action == Action::Removed {
                all.gone.entry((thing.kind, owner.clone())).or_default().push(place);
            }
            if action == Action::Made && thing.kind == ThingKind::Device {
                all.devices.entry(owner.clone()).or_default().push(place);
            }
            all.about.entry((thing.kind, &thing.name, owner)).or_default().push(place);
        }
        all
    }

    /// How it is with what a call did.
    #[must_use]
    pub fn standing(&self, change: (Action, &'l Thing), at: &Link) -> Ending<'l> {
        let after = self.links.partition_point(|link| link.at < at.at);
        let mut last = Ending { standing: Standing::Stands, by: None };
        for link in self.candidates(change, after).filter(|link| **link != *at) {
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

    /// The calls from a place on that may have an effect on a change, in order.
    fn candidates<'s>(
        &'s self,
        (made, what): (Action, &'l Thing),
        after: usize,
    ) -> impl Iterator<Item = &'l Link> + use<'s, 'l> {
        let owner = owner(what);
        let [mut own, mut of_owner]: [&[usize]; 2] = match owner_kind(what.kind) {
            _ if made == Action::Removed && what.kind == ThingKind::Device => {
                [from(self.devices.get(&owner), after), &[]]
            }
            Some(kind) if made != Action::Removed => {
                let gone = from(self.gone.get(&(kind, owner.clone())), after);
                [from(self.about.get(&(what.kind, what.name.as_str(), owner)), after), gone]
            }
            _ => [from(self.about.get(&(what.kind, what.name.as_str(), owner)), after), &[]],
        };
        std::iter::from_fn(move || {
            let is_own = own.first().is_some_and(|place| of_owner.first().is_none_or(|other| place <= other));
            let list = if is_own { &mut own } else { &mut of_owner };
            let (first, rest) = list.split_first()?;
            *list = rest;
            self.links.get(*first)
        })
    }
}

fn owner(thing: &Thing) -> Owner<'_> {
    (thing.account.as_deref(), thing.owner.as_deref().map(str::to_ascii_lowercase))
}

/// The places of a list from one on.
fn from(places: Option<&Vec<usize>>, after: usize) -> &[usize] {
    let places = places.map_or(&[][..], Vec::as_slice);
    places.get(places.partition_point(|place| *place < after)..).unwrap_or_default()
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
    owner_kind(what.kind) == Some(gone.kind) && gone.has_owner_of(what)
}

/// With what a thing is gone, too.
fn owner_kind(kind: ThingKind) -> Option<ThingKind> {
    match kind {
        ThingKind::RolePolicy | ThingKind::TrustPolicy => Some(ThingKind::Role),
        ThingKind::Role | ThingKind::GroupPolicy | ThingKind::Provider | ThingKind::Trail => None,
        _ => Some(ThingKind::User),
    }
}
