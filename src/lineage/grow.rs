//! From the credentials that are asked about to all that belong to them: those that led there, and those that came of them.

use chrono::{DateTime, Utc};

use super::credential::{Credential, NEAR, Person, Session};
use super::family::{Family, Member, Relation};
use super::index::Index;
use super::link::Link;
use super::thing::{Action, Thing, ThingKind};
use crate::cloudtrail::ActorKind;

/// What to begin with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed {
    /// The credential.
    pub credential: Credential,
    /// How it belongs to what was asked.
    pub relation: Relation,
    /// The call that made it, where that is why it is followed.
    pub made_by: Option<Link>,
}

/// How far a family is followed.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Whether what led to the seeds belongs to it.
    pub is_traced_back: bool,
    /// Who made a long-term key or a user before this moment is not followed, and what an earlier long-term key did before it does
    /// not belong to it.
    pub since: Option<DateTime<Utc>>,
    /// How many members it may have.
    pub most: usize,
}

impl Seed {
    /// What a call handed out or made, where that lets somebody call AWS.
    #[must_use]
    pub fn product(link: &Link) -> Option<Self> {
        let credential = match (&link.grant, link.done()) {
            (Some(session), _) => Credential::Session(session.clone()),
            (None, Some((action, thing))) => product(action, thing)?,
            (None, None) => return None,
        };
        Some(Self { credential, relation: Relation::After, made_by: Some(link.clone()) })
    }
}

/// The credential that a thing is, or has.
fn product(action: Action, thing: &Thing) -> Option<Credential> {
    let Thing { kind, account, name, owner, id } = thing;
    let person = || Some(Person { account: account.clone(), name: owner.clone()?, id: id.clone() });
    Some(match (kind, action) {
        (ThingKind::AccessKey, Action::Made) if !name.is_empty() => Credential::Key(name.clone()),
        (ThingKind::User, Action::Made) => Credential::User(person()?),
        (ThingKind::Password, Action::Made | Action::Changed) => Credential::Password(person()?),
        (ThingKind::Role, Action::Made) => {
            Credential::Role { account: account.clone(), name: owner.clone()?, id: id.clone() }
        }
        _ => return None,
    })
}

impl Family {
    /// All that belongs to the seeds, by links in order of time. Every credential is taken in once, so that chains that lead back
    /// into themselves end.
    #[must_use]
    pub fn grow(seeds: &[Seed], links: &[Link], bounds: Bounds) -> Self {
        let mut growth = Growth { family: Self::default(), index: Index::new(links), bounds };
        for seed in seeds {
            let Seed { credential, relation, made_by } = seed.clone();
            growth.take_in(Member {
                from: made_by.as_ref().map(|link| link.at),
                made_by,
                ..member(credential, relation)
            });
        }
        let mut next = 0;
        while next < growth.family.members.len() {
            if bounds.is_traced_back {
                growth.ascend(next);
            }
            growth.descend(next);
            next += 1;
        }
        growth.name_others();
        growth.family
    }
}

fn member(credential: Credential, relation: Relation) -> Member {
    Member { credential, relation, parent: None, made_by: None, from: None, until: None, is_old: false, claims: 0 }
}

struct Growth<'l> {
    family: Family,
    index: Index<'l>,
    bounds: Bounds,
}

impl<'l> Growth<'l> {
    fn link(&self, place: usize) -> Option<&'l Link> {
        self.index.links.get(place)
    }

    /// The member that has a credential; a new one where none has.
    fn take_in(&mut self, new: Member) -> Option<usize> {
        if let Some(place) = self.place_of(&new.credential) {
            if let Credential::Session(session) = &new.credential {
                self.family.bind(session, place);
            }
            return Some(place);
        }
        if self.family.members.len() >= self.bounds.most {
            self.family.is_cut = true;
            return None;
        }
        Some(self.family.add(new))
    }

    fn place_of(&self, credential: &Credential) -> Option<usize> {
        match credential {
            Credential::Key(key) => self.family.keys.get(key).copied(),
            Credential::Session(session) => self.place_of_session(session),
            other => self.family.members.iter().position(|member| member.credential == *other),
        }
    }

    /// Sessions of one id that began at one time are one, unless calls handed out the keys of both.
    fn place_of_session(&self, session: &Session) -> Option<usize> {
        if let Some(place) = session.key.as_deref().and_then(|key| self.family.keys.get(key)) {
            return Some(*place);
        }
        let granted = |key: &Option<String>| key.as_deref().is_some_and(|key| self.index.is_granted(key));
        let known = self.family.ids.get(session.id.as_deref()?)?;
        let near = known.iter().filter(|(begun, _)| (*begun - session.begun).abs() <= NEAR).map(|(_, place)| *place);
        near.into_iter().find(|place| match self.family.members.get(*place).map(|member| &member.credential) {
            Some(Credential::Session(known)) => !(granted(&known.key) && granted(&session.key)),
            _ => false,
        })
    }

    /// What led to a member: the call that made it, and whoever called. Where records of several callers say that they made it, the
    /// first counts, and all of them are followed.
    fn ascend(&mut self, place: usize) {
        let Some(own) = self.family.members.get(place).cloned() else { return };
        let makers: Vec<Link> =
            self.makers_of(&own).into_iter().filter_map(|maker| self.link(maker)).cloned().collect();
        let known = own.made_by.as_ref().filter(|_| own.parent.is_some());
        let Some(link) = known.or(makers.first()).or(own.made_by.as_ref()).cloned() else { return };
        let lasting = own.parent.is_none() && !matches!(own.credential, Credential::Session(_));
        let is_old = lasting && self.bounds.since.is_some_and(|since| link.at < since);
        let others: Vec<&Link> = makers.iter().filter(|other| !is_old && is_rival(other, &link)).collect();
        let parent = if is_old { None } else { own.parent.or_else(|| self.holder_of(&link, place)) };
        for other in &others {
            self.holder_of(other, place);
        }
        if let Some(own) = self.family.members.get_mut(place) {
            own.is_old = is_old;
            own.parent = parent.filter(|parent| *parent != place);
            own.made_by = Some(link);
            own.claims = 1 + others.len();
        }
    }

    /// The calls that made a member, by what the records say, in order of time.
    fn makers_of(&self, own: &Member) -> Vec<usize> {
        match &own.credential {
            Credential::Session(session) => self.index.makers_of(session),
            Credential::Key(key) => self.index.makers_of_key(key).to_vec(),
            Credential::User(person) => self.maker_of_user(person).into_iter().collect(),
            Credential::Password(_) | Credential::Role { .. } => Vec::new(),
        }
    }

    /// The member that made a call; one that is not there led to what the call made.
    fn holder_of(&mut self, link: &Link, made: usize) -> Option<usize> {
        if let Some(known) = self.family.member_of(&link.holder, link.at) {
            return Some(known).filter(|known| *known != made);
        }
        if link.is_sign_in() {
            return self.password_of(link);
        }
        let credential = link.holder.credential()?;
        let from = self.bounds.since.filter(|_| matches!(credential, Credential::Key(_)));
        self.take_in(Member { from, ..member(credential, Relation::Before) })
    }

    /// The password that a user signed in with, where somebody else had set it: a person's own sessions before lead nowhere.
    fn password_of(&mut self, link: &Link) -> Option<usize> {
        let name = link.holder.user()?;
        let account = link.holder.actor.account.clone();
        let person = Person { account, name: name.to_owned(), id: None };
        let sets = |other: &&'l Link| {
            other.at <= link.at
                && other.holder.user().is_none_or(|setter| !setter.eq_ignore_ascii_case(name))
                && self.bounds.since.is_none_or(|since| other.at >= since)
                && other.done().is_some_and(|(action, thing)| {
                    thing.kind == ThingKind::Password
                        && action != Action::Removed
                        && person.is(thing.account.as_deref(), thing.owner.as_deref(), None)
                })
        };
        let set = self.index.about(name).filter_map(|place| self.link(place)).filter(sets).last()?;
        let credential = Credential::Password(person);
        let until = self.end_of(&credential, set);
        let new = member(credential, Relation::Before);
        self.take_in(Member { made_by: Some(set.clone()), from: Some(set.at), until, ..new })
    }

    fn maker_of_user(&self, person: &Person) -> Option<usize> {
        let made = |place: &usize| {
            self.link(*place).and_then(Link::done).is_some_and(|(action, thing)| {
                (action, thing.kind) == (Action::Made, ThingKind::User)
                    && person.is(thing.account.as_deref(), thing.owner.as_deref(), thing.id.as_deref())
            })
        };
        self.index.about(&person.name).find(made)
    }

    /// What a member's calls made.
    fn descend(&mut self, place: usize) {
        let Some(own) = self.family.members.get(place).cloned() else { return };
        for link in self.index.by(&own.credential) {
            let Some(link) = self.link(link) else { continue };
            let is_own = match &own.credential {
                Credential::Password(person) => signs_in(&own, person, link),
                _ => self.family.member_of(&link.holder, link.at) == Some(place) || self.is_sign_in_of(place, link),
            };
            if is_own {
                self.born(place, link);
            }
        }
    }

    /// Whether a sign-in, which belongs to the session that it begins, is one of a user who is followed.
    fn is_sign_in_of(&self, place: usize, link: &Link) -> bool {
        match self.family.members.get(place).map(|member| &member.credential) {
            Some(Credential::User(person)) if link.is_sign_in() => {
                let actor = &link.holder.actor;
                let name = link.holder.user().or(person.is_root().then_some("root"));
                link.holder.actor.kind != ActorKind::AssumedRole
                    && person.is(actor.account.as_deref(), name, actor.id.as_deref())
                    && (link.holder.user().is_some() || actor.kind == ActorKind::Root)
            }
            _ => false,
        }
    }

    fn born(&mut self, parent: usize, link: &'l Link) {
        let Some(Seed { credential, made_by, .. }) = Seed::product(link) else { return };
        let until = self.end_of(&credential, link);
        let new =
            Member { parent: Some(parent), made_by, from: Some(link.at), until, ..member(credential, Relation::After) };
        let new = match &new.credential {
            // Its calls are told by key, or by its beginning.
            Credential::Session(_) => Member { from: None, ..new },
            _ => new,
        };
        let Some(place) = self.take_in(new) else { return };
        if place == parent {
            return;
        }
        // One that was asked about, and came of another that belongs to it.
        if let Some(known) = self.family.members.get_mut(place).filter(|known| known.parent.is_none() && !known.is_old)
        {
            known.made_by.get_or_insert_with(|| link.clone());
            known.parent = Some(parent);
        }
    }

    /// When a password is another's again: somebody else set or removed it, or the user is gone.
    fn end_of(&self, credential: &Credential, link: &Link) -> Option<DateTime<Utc>> {
        let Credential::Password(person) = credential else { return None };
        let ends = |other: &&Link| {
            other.at > link.at
                && other.done().is_some_and(|(action, thing)| {
                    let (kind, same) = (thing.kind, person.is(thing.account.as_deref(), thing.owner.as_deref(), None));
                    let gone = action == Action::Removed && matches!(kind, ThingKind::Password | ThingKind::User);
                    let set = kind == ThingKind::Password && !other.holder.actor.same_as(&link.holder.actor);
                    same && (gone || set)
                })
        };
        self.index.about(&person.name).filter_map(|place| self.link(place)).find(ends).map(|other| other.at)
    }

    /// Names the keys of other sessions that bear an id of the family's.
    fn name_others(&mut self) {
        let family = &self.family;
        let keys = family.ids.keys().flat_map(|id| self.index.keys_of(id));
        let others = keys.filter(|key| !family.keys.contains_key(*key)).map(str::to_owned).collect();
        self.family.others = others;
    }
}

/// Whether two calls that say to have made one thing are of two callers; the copy that another account got of a call is none.
fn is_rival(other: &Link, link: &Link) -> bool {
    let (one, two) = (&link.holder.actor, &other.holder.actor);
    !other.holder.is_from_another_account() && (one.access_key != two.access_key || one.id != two.id)
}

/// Whether a sign-in was made with a password, while that was the member's.
fn signs_in(own: &Member, person: &Person, link: &Link) -> bool {
    let actor = &link.holder.actor;
    let name = if person.is_root() { (actor.kind == ActorKind::Root).then_some("root") } else { link.holder.user() };
    link.name == "ConsoleLogin"
        && !link.failed
        && name.is_some()
        && own.from.is_none_or(|from| link.at >= from)
        && own.until.is_none_or(|until| link.at < until)
        && person.is(actor.account.as_deref(), name, actor.id.as_deref())
}
