//! Credentials that belong together, and which calls were made with them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::credential::{Credential, LONGEST, NEAR, Person, Session};
use super::holder::Holder;
use super::link::Link;
use crate::arn::Arn;
use crate::cloudtrail::{ActorKind, Record};

/// How a member belongs to what was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// It was asked about.
    Subject,
    /// It changed the credentials of the user who was asked about.
    Actor,
    /// It led there.
    Before,
    /// It came of one of the others.
    After,
}

/// One credential of a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it is.
    pub credential: Credential,
    /// How it belongs.
    pub relation: Relation,
    /// The member whose call made it.
    pub parent: Option<usize>,
    /// The call that made it.
    pub made_by: Option<Link>,
    /// From when on its calls belong; `None` for all.
    pub from: Option<DateTime<Utc>>,
    /// Until when.
    pub until: Option<DateTime<Utc>>,
    /// Whether the call that made it lies too far back to be followed.
    pub is_old: bool,
    /// How many callers the records say to have made it: more than one of them is a lie, and all are followed.
    pub claims: usize,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Family {
    pub(super) members: Vec<Member>,
    pub(super) keys: BTreeMap<String, usize>,
    pub(super) ids: BTreeMap<String, Vec<(DateTime<Utc>, usize)>>,
    people: Vec<usize>,
    roles: Vec<usize>,
    /// Keys of other sessions that have an id of the family's.
    pub(super) others: BTreeSet<String>,
    /// Whether there are more than were taken in.
    pub(super) is_cut: bool,
}

impl Family {
    /// All of them, in the order in which they were met.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether there are more of them than are followed.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Takes one in that is not there.
    pub(super) fn add(&mut self, member: Member) -> usize {
        let place = self.members.len();
        match &member.credential {
            Credential::Key(key) => {
                self.keys.insert(key.clone(), place);
            }
            Credential::Session(session) => self.bind(session, place),
            Credential::User(_) => self.people.push(place),
            Credential::Role { .. } => self.roles.push(place),
            Credential::Password(_) => {}
        }
        self.members.push(member);
        place
    }

    /// Lets a session's key and id lead to a member.
    pub(super) fn bind(&mut self, session: &Session, place: usize) {
        if let Some(key) = &session.key {
            self.keys.entry(key.clone()).or_insert(place);
        }
        if let Some(id) = &session.id {
            self.ids.entry(id.clone()).or_default().push((session.begun, place));
        }
    }

    /// The member that a call was made with.
    #[must_use]
    pub fn member_of(&self, holder: &Holder, at: DateTime<Utc>) -> Option<usize> {
        if holder.is_from_another_account() || holder.is_service() {
            return None;
        }
        let key = holder.actor.access_key.as_deref();
        if let Some(place) = key.and_then(|key| self.keys.get(key)) {
            return self.holds(*place, at);
        }
        let session = if key.is_some_and(|key| self.others.contains(key)) { None } else { self.session_of(holder, at) };
        session
            .or_else(|| self.people.iter().copied().find(|place| self.is_person(*place, holder, at)))
            .or_else(|| self.roles.iter().copied().find(|place| self.is_of_role(*place, holder, at)))
    }

    fn holds(&self, place: usize, at: DateTime<Utc>) -> Option<usize> {
        let member = self.members.get(place)?;
        let begun = member.from.is_none_or(|from| at >= from);
        (begun && member.until.is_none_or(|until| at < until)).then_some(place)
    }

    fn session_of(&self, holder: &Holder, at: DateTime<Utc>) -> Option<usize> {
        let id = holder.actor.id.as_deref()?;
        let known = self.ids.get(id)?;
        match holder.begun {
            Some(begun) => {
                let near = known.iter().map(|(own, place)| ((*own - begun).abs(), *place));
                near.filter(|(apart, _)| *apart <= NEAR).min().map(|(_, place)| place)
            }
            // Of a user's calls without a beginning are those with long-term keys; of a role's, all are of sessions.
            None if id.contains(':') => {
                let before = known.iter().filter(|(own, _)| *own <= at && at - *own <= LONGEST);
                before.max().map(|(_, place)| *place)
            }
            None => None,
        }
    }

    fn is_person(&self, place: usize, holder: &Holder, at: DateTime<Utc>) -> bool {
        let Some(Credential::User(person)) = self.members.get(place).map(|member| &member.credential) else {
            return false;
        };
        let actor = &holder.actor;
        let is = match actor.kind {
            ActorKind::Root => person.is_root() && person.is(actor.account.as_deref(), Some("root"), None),
            ActorKind::IamUser if person.is_root() => false,
            ActorKind::IamUser => person.is(actor.account.as_deref(), holder.user(), actor.id.as_deref()),
            _ => false,
        };
        is && self.holds(place, at).is_some()
    }

    fn is_of_role(&self, place: usize, holder: &Holder, at: DateTime<Utc>) -> bool {
        let Some(Credential::Role { account, name, id }) = self.members.get(place).map(|member| &member.credential)
        else {
            return false;
        };
        let actor = &holder.actor;
        if actor.kind != ActorKind::AssumedRole {
            return false;
        }
        let own_id = actor.id.as_deref().and_then(|id| Some(id.split_once(':')?.0));
        let is = match (id.as_deref(), own_id) {
            (Some(id), Some(own)) => id == own,
            _ => {
                let session = actor.arn.as_deref().and_then(|arn| Arn::parse(arn)?.role_session());
                session.is_some_and(|session| {
                    session.role.eq_ignore_ascii_case(name)
                        && account.as_deref().is_none_or(|own| own == session.account)
                })
            }
        };
        is && self.holds(place, at).is_some()
    }

    /// Whether a record is a call by a member, or handed out one's credentials.
    #[must_use]
    pub fn concerns(&self, record: &Record<'_, '_>) -> bool {
        self.member_of(&Holder::of(record), record.time).is_some() || self.made_in(record).is_some()
    }

    /// The member that a record made: by the key that it handed out, or as the session that a sign-in began.
    #[must_use]
    pub fn made_in(&self, record: &Record<'_, '_>) -> Option<usize> {
        if record.failed() {
            return None;
        }
        let keys = [
            &["responseElements", "credentials", "accessKeyId"][..],
            &["responseElements", "accessKey", "accessKeyId"],
        ];
        let handed_out = keys.iter().find_map(|path| self.keys.get(record.text(path)?));
        handed_out.copied().or_else(|| self.signed_in(record))
    }

    fn signed_in(&self, record: &Record<'_, '_>) -> Option<usize> {
        let known = self.ids.get(Link::signed_in(record)?)?;
        let near = known.iter().map(|(begun, place)| ((*begun - record.time).abs(), *place));
        near.filter(|(apart, _)| *apart <= NEAR).min().map(|(_, place)| place)
    }

    /// Texts of which one is in every record of the family's: keys, ids, names. Of a root user's session, whose id is that of its
    /// account, the moments at which it may have begun.
    #[must_use]
    pub fn literals(&self) -> Vec<String> {
        let mut all: BTreeSet<String> = self.keys.keys().cloned().collect();
        for (id, sessions) in &self.ids {
            if id.bytes().all(|byte| byte.is_ascii_digit()) {
                all.extend(sessions.iter().flat_map(|(begun, _)| moments(*begun)));
            } else {
                all.insert(id.clone());
            }
        }
        for member in &self.members {
            match &member.credential {
                Credential::User(Person { name, id, .. }) | Credential::Role { name, id, .. } => {
                    all.extend(id.iter().chain([name]).cloned());
                }
                Credential::Key(_) | Credential::Session(_) | Credential::Password(_) => {}
            }
        }
        all.into_iter().collect()
    }

    /// Whether the case of the literals' letters does not matter, as with names.
    #[must_use]
    pub fn any_case(&self) -> bool {
        self.members.iter().any(|member| matches!(member.credential, Credential::User(_) | Credential::Role { .. }))
    }

    /// How many sessions, keys and whatever else there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// The seconds at which a session may have begun, as records write them.
fn moments(begun: DateTime<Utc>) -> impl Iterator<Item = String> {
    let most = NEAR.num_seconds();
    (-most..=most).map(move |second| (begun + TimeDelta::seconds(second)).to_rfc3339_opts(SecondsFormat::Secs, true))
}
