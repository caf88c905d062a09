//! The trace's calls by whom they are and about whom, and where an actor was seen before: the look-back behind
//! `new_source` and `foreign_enrolment`.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use chrono::{DateTime, Utc};

use super::ledger::{EntityId, IamEntry, Ledger};
use crate::cloudtrail::{Actor, ActorKind, address};
use crate::contract::PrincipalKind;
use crate::mfa::user_name;
use crate::trace::{Call, Context, Sighting, sighting_key};

/// Calls in order of time, each once, found by principal. Looking through all of them for every window would make a
/// report of a thousand windows take minutes.
#[derive(Debug)]
pub(super) struct Calls<'c> {
    all: Vec<&'c Call>,
    by: HashMap<EntityId, Vec<&'c Call>>,
    about: HashMap<EntityId, Vec<&'c Call>>,
    /// By users of whom no event tells: by account and what the record calls them.
    by_strangers: HashMap<(&'c str, &'c str), Vec<&'c Call>>,
    /// By sessions of `AssumeRoot`, by access key.
    by_assumed: HashMap<&'c str, Vec<&'c Call>>,
    sightings: HashMap<&'c str, Vec<&'c Sighting>>,
    people: HashMap<String, People>,
}

/// The users of an account.
#[derive(Debug, Default)]
pub(super) struct People {
    /// Those of the ledger, but for whom IAM shows without a console password.
    pub(super) entities: Vec<EntityId>,
    /// Those of whom only their calls among the events tell, by name in lower case.
    pub(super) strangers: BTreeSet<String>,
}

/// Who is looked up.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who<'w> {
    /// A principal.
    Entity(EntityId),
    /// A role session, a service, or a user that is no principal of the ledger.
    Actor(&'w Actor),
}

impl<'c> Calls<'c> {
    /// A call given twice counts once.
    pub(super) fn new(ledger: &Ledger<'_>, context: &'c Context) -> Self {
        let mut all: Vec<&Call> = context.calls.iter().collect();
        // By time first, without a look at each: they lie far from each other.
        all.sort_by_cached_key(|call| call.time);
        all.chunk_by_mut(|one, other| one.time == other.time)
            .for_each(|same| same.sort_by(|one, other| one.order(other)));
        all.dedup_by(|again, call| call.order(again).is_eq());
        let mut calls = Self {
            all,
            by: HashMap::new(),
            about: HashMap::new(),
            by_strangers: HashMap::new(),
            by_assumed: HashMap::new(),
            sightings: HashMap::new(),
            people: people(ledger),
        };
        for call in &calls.all {
            let assumed = call.actor.access_key.as_deref().filter(|_| ledger.is_assumed_root(&call.actor));
            match (assumed, ledger.entity_of(&call.actor, &call.account, call.time)) {
                (Some(key), _) => calls.by_assumed.entry(key).or_default().push(call),
                (None, Some(entity)) => calls.by.entry(entity).or_default().push(call),
                (None, None) => calls.by_strangers.entry(stranger(call)).or_default().push(call),
            }
            if let Some(entity) = ledger.entity_about(call) {
                calls.about.entry(entity).or_default().push(call);
            }
        }
        for sighting in context.sightings.iter().chain(&context.unproven_sightings) {
            calls.sightings.entry(&*sighting.actor).or_default().push(sighting);
        }
        calls
    }

    /// The users of an account; `None` where none is known.
    pub(super) fn people(&self, account: &str) -> Option<&People> {
        self.people.get(account)
    }

    /// All calls.
    pub(super) fn every(&self) -> &[&'c Call] {
        &self.all
    }

    /// All calls in `[from, to)`.
    pub(super) fn all(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> &[&'c Call] {
        between(&self.all, from, to)
    }

    /// The principal's own calls in `[from, to)`.
    pub(super) fn by(&self, entity: EntityId, from: DateTime<Utc>, to: DateTime<Utc>) -> &[&'c Call] {
        self.by.get(&entity).map_or(&[], |calls| between(calls, from, to))
    }

    /// The calls about the principal in `[from, to)`, by whomever.
    pub(super) fn about(&self, entity: EntityId, from: DateTime<Utc>, to: DateTime<Utc>) -> &[&'c Call] {
        self.about.get(&entity).map_or(&[], |calls| between(calls, from, to))
    }

    /// The calls of an actor in `[from, to)`; `None` where the calls of its kind are not kept one by one.
    pub(super) fn of(&self, who: Who<'_>, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Vec<&'c Call>> {
        let actor = match who {
            Who::Entity(entity) => return Some(self.by(entity, from, to).to_vec()),
            Who::Actor(actor) => actor,
        };
        if actor.kind == ActorKind::AssumedRoot {
            let calls = self.by_assumed.get(actor.access_key.as_deref()?).map_or(&[][..], Vec::as_slice);
            return Some(between(calls, from, to).to_vec());
        }
        if sighting_key(actor).is_some() || !is_person(actor.kind) {
            return None;
        }
        let account = actor.account.as_deref().unwrap_or_default();
        let calls = self.by_strangers.get(&(account, called(actor))).map_or(&[][..], Vec::as_slice);
        Some(between(calls, from, to).iter().copied().filter(|call| call.actor.same_as(actor)).collect())
    }

    /// Whether `who` was seen at any address at all in `[from, to)`, and whether it was seen at `source_ip`. Seen is who made a
    /// successful call that no other record contradicts; where a service's name stands for the address, nothing was seen.
    pub(super) fn seen(&self, who: Who<'_>, source_ip: IpAddr, [from, to]: [DateTime<Utc>; 2]) -> (bool, bool) {
        let among = |addresses: &mut dyn Iterator<Item = &str>| {
            addresses.filter_map(address).fold((false, false), |(_, there), seen| (true, there || seen == source_ip))
        };
        let key = match who {
            Who::Entity(_) => None,
            Who::Actor(actor) => sighting_key(actor),
        };
        match key {
            // A sighting is one day's first and last call: only a look-back that begins and ends inside that day could fall
            // between them, and then the calls of the day count as seen.
            Some(key) => {
                let seen = self.sightings.get(key).into_iter().flatten();
                let seen = seen.filter(|sighting| sighting.first < to && sighting.last >= from);
                among(&mut seen.map(|sighting| &*sighting.source_ip))
            }
            None => {
                let calls = self.of(who, from, to).unwrap_or_default();
                let of = |disputed: bool| {
                    let calls = calls.iter().filter(|call| !call.failed && (disputed || !call.lineage.is_disputed));
                    among(&mut calls.filter_map(|call| call.source_ip.as_deref()))
                };
                // What is contradicted makes no address known, and yet whoever it is was seen.
                (of(true).0, of(false).1)
            }
        }
    }
}

fn people(ledger: &Ledger<'_>) -> HashMap<String, People> {
    let mut people: HashMap<String, People> = HashMap::new();
    for (id, entity) in ledger.entities.iter() {
        let without = matches!(entity.iam, IamEntry::User(user) if user.password == Some(false));
        if entity.kind == PrincipalKind::IamUser && !without {
            people.entry(entity.account.clone()).or_default().entities.push(id);
        }
    }
    for event in ledger.events.values() {
        let (actor, account) = (&event.actor, &event.account);
        let own = actor.kind == ActorKind::IamUser && actor.account.as_ref().is_none_or(|home| home == account);
        if let Some(name) = user_name(actor).filter(|_| own && event.succeeded())
            && ledger.entity_of(actor, account, event.time).is_none()
        {
            people.entry(account.to_string()).or_default().strangers.insert(name.to_lowercase());
        }
    }
    people
}

fn is_person(kind: ActorKind) -> bool {
    matches!(kind, ActorKind::IamUser | ActorKind::Root | ActorKind::IdentityCenter)
}

fn called(actor: &Actor) -> &str {
    actor.name.as_deref().or(actor.id.as_deref()).unwrap_or_default()
}

fn stranger(call: &Call) -> (&str, &str) {
    (call.actor.account.as_deref().unwrap_or_default(), called(&call.actor))
}

/// The calls in `[from, to)` of `calls`, which are in order of time.
fn between<'s, 'c>(calls: &'s [&'c Call], from: DateTime<Utc>, to: DateTime<Utc>) -> &'s [&'c Call] {
    let start = calls.partition_point(|call| call.time < from);
    let end = calls.partition_point(|call| call.time < to);
    calls.get(start..end).unwrap_or_default()
}
