//! Links by what leads to them, so that no credential looks at all of them.

use std::collections::HashMap;

use super::credential::{Credential, NEAR, Person, Session};
use super::link::Link;
use super::thing::{Action, ThingKind};
use crate::arn::{self, Arn};
use crate::cloudtrail::ActorKind;

/// Places of links, by who called and by what they handed out.
#[derive(Debug)]
pub(super) struct Index<'l> {
    pub(super) links: &'l [Link],
    by_key: HashMap<&'l str, Vec<usize>>,
    by_id: HashMap<&'l str, Vec<usize>>,
    by_user: HashMap<String, Vec<usize>>,
    by_role: HashMap<String, Vec<usize>>,
    granted_key: HashMap<&'l str, Vec<usize>>,
    granted_id: HashMap<&'l str, Vec<usize>>,
    made_key: HashMap<&'l str, Vec<usize>>,
    /// Calls that changed something of a user or a role, by its name.
    about: HashMap<String, Vec<usize>>,
}

impl<'l> Index<'l> {
    /// Of links in order of time.
    pub(super) fn new(links: &'l [Link]) -> Self {
        let mut index = Self {
            links,
            by_key: HashMap::new(),
            by_id: HashMap::new(),
            by_user: HashMap::new(),
            by_role: HashMap::new(),
            granted_key: HashMap::new(),
            granted_id: HashMap::new(),
            made_key: HashMap::new(),
            about: HashMap::new(),
        };
        for (place, link) in links.iter().enumerate() {
            index.add(place, link);
        }
        index
    }

    fn add(&mut self, place: usize, link: &'l Link) {
        let actor = &link.holder.actor;
        if let Some(key) = &actor.access_key {
            self.by_key.entry(key).or_default().push(place);
        }
        if let Some(id) = &actor.id {
            self.by_id.entry(id).or_default().push(place);
        }
        if let Some(name) = name_of_user(link) {
            self.by_user.entry(name.to_ascii_lowercase()).or_default().push(place);
        }
        if let Some(role) = role_of(link) {
            self.by_role.entry(role.to_ascii_lowercase()).or_default().push(place);
        }
        if let Some(Session { key, id, .. }) = &link.grant {
            if let Some(key) = key {
                self.granted_key.entry(key).or_default().push(place);
            }
            if let Some(id) = id {
                self.granted_id.entry(id).or_default().push(place);
            }
        }
        let Some((action, thing)) = link.done() else { return };
        if let Some(owner) = &thing.owner {
            self.about.entry(owner.to_ascii_lowercase()).or_default().push(place);
        }
        if (action, thing.kind) == (Action::Made, ThingKind::AccessKey) {
            self.made_key.entry(&thing.name).or_default().push(place);
        }
    }

    /// Links that a credential may have made, in order of time; which of them it made, the family tells.
    pub(super) fn by(&self, credential: &Credential) -> Vec<usize> {
        let mut places: Vec<usize> = match credential {
            Credential::Key(key) => self.by_key.get(key.as_str()).cloned().unwrap_or_default(),
            Credential::Session(Session { key, id, .. }) => {
                let keys = key.as_deref().and_then(|key| self.by_key.get(key));
                let ids = id.as_deref().and_then(|id| self.by_id.get(id));
                keys.into_iter().chain(ids).flatten().copied().collect()
            }
            Credential::User(person) | Credential::Password(person) => self.by_person(person),
            Credential::Role { name, .. } => self.by_role.get(&name.to_ascii_lowercase()).cloned().unwrap_or_default(),
        };
        places.sort_unstable();
        places.dedup();
        places
    }

    fn by_person(&self, person: &Person) -> Vec<usize> {
        let ids = person.id.as_deref().and_then(|id| self.by_id.get(id));
        let names = self.by_user.get(&person.name.to_ascii_lowercase());
        ids.into_iter().chain(names).flatten().copied().collect()
    }

    /// Links that changed something of the user or role of this name.
    pub(super) fn about(&self, name: &str) -> impl Iterator<Item = usize> {
        self.about.get(&name.to_ascii_lowercase()).into_iter().flatten().copied()
    }

    /// The links that made an access key of this id.
    pub(super) fn makers_of_key(&self, key: &str) -> &[usize] {
        self.made_key.get(key).map_or(&[], Vec::as_slice)
    }

    /// The links that began a session: by its key, else by its id and beginning. The caller's own record before the copy that
    /// another account got of it.
    pub(super) fn makers_of(&self, session: &Session) -> Vec<usize> {
        let by_key = session.key.as_deref().and_then(|key| self.granted_key.get(key));
        let mut places = by_key.cloned().unwrap_or_default();
        if places.is_empty() {
            let near = |place: &usize| self.begun_by(*place, session);
            let by_id = session.id.as_deref().and_then(|id| self.granted_id.get(id));
            places = by_id.into_iter().flatten().copied().filter(near).collect();
        }
        places.sort_by_key(|place| {
            (self.links.get(*place).is_none_or(|link| link.holder.credential().is_none()), *place)
        });
        places
    }

    fn begun_by(&self, place: usize, session: &Session) -> bool {
        let grant = self.links.get(place).and_then(|link| link.grant.as_ref());
        grant.is_some_and(|grant| (grant.begun - session.begun).abs() <= NEAR)
    }

    /// Whether a call handed out this key.
    pub(super) fn is_granted(&self, key: &str) -> bool {
        self.granted_key.contains_key(key)
    }

    /// Keys of all sessions of an id.
    pub(super) fn keys_of(&self, id: &str) -> impl Iterator<Item = &'l str> {
        let places = self.granted_id.get(id).into_iter().flatten();
        places.filter_map(|place| self.links.get(*place)?.grant.as_ref()?.key.as_deref())
    }
}

fn name_of_user(link: &Link) -> Option<&str> {
    match link.holder.actor.kind {
        ActorKind::Root => Some("root"),
        _ => link.holder.user(),
    }
}

/// The role of a caller's session.
fn role_of(link: &Link) -> Option<&str> {
    let actor = &link.holder.actor;
    let issuer = actor.issuer.as_deref().and_then(|issuer| Arn::parse(issuer)?.resource_of("role")).map(arn::name);
    issuer.or_else(|| Some(Arn::parse(actor.arn.as_deref()?)?.role_session()?.role))
}
