//! The trace's calls by whom they are and about whom, and where an actor was seen before: the look-back behind
//! `new_source` and `foreign_enrolment`.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::acts::{Acts, Memo, alike};
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
    /// What was asked of actors that are no principals, and of principals.
    seen: Memo<Seen>,
    seen_by: Memo<Seen, EntityId>,
    counted: Memo<Option<Counted>>,
    counted_by: Memo<Option<Counted>, EntityId>,
    /// Reading calls about users, by their places.
    readings: OnceCell<Acts<usize>>,
    sweeps: Memo<bool, (Actor, Arc<str>, DateTime<Utc>)>,
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
            seen: Memo::default(),
            seen_by: Memo::default(),
            counted: Memo::default(),
            counted_by: Memo::default(),
            readings: OnceCell::new(),
            sweeps: Memo::default(),
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

    /// The principal's own calls in `[from, to)`.
    pub(super) fn by(&self, entity: EntityId, from: DateTime<Utc>, to: DateTime<Utc>) -> &[&'c Call] {
        self.by.get(&entity).map_or(&[], |calls| between(calls, from, to))
    }

    /// The calls about the principal in `[from, to)`, by whomever.
    pub(super) fn about(&self, entity: EntityId, from: DateTime<Utc>, to: DateTime<Utc>) -> &[&'c Call] {
        self.about.get(&entity).map_or(&[], |calls| between(calls, from, to))
    }

    /// How many calls of an actor there are in `[from, to)`, and how many of them write; `None` where the calls of its kind are not
    /// kept one by one.
    pub(super) fn count(&self, who: Who<'_>, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<[usize; 2]> {
        let count = || {
            let counted = self.of(who).map(|calls| Counted::new(&calls));
            let calls = counted.as_ref().map_or(0, |counted| counted.times.len());
            (counted, calls)
        };
        let counted = match who {
            Who::Entity(entity) => self.counted_by.of(&entity, count),
            Who::Actor(actor) => self.counted.of(&known_as(actor), count),
        };
        (*counted).as_ref().map(|counted| counted.between(from, to))
    }

    /// The calls of an actor, in order of time; `None` where the calls of its kind are not kept one by one.
    fn of(&self, who: Who<'_>) -> Option<Vec<&'c Call>> {
        let actor = match who {
            Who::Entity(entity) => return Some(self.by.get(&entity).cloned().unwrap_or_default()),
            Who::Actor(actor) => actor,
        };
        if actor.kind == ActorKind::AssumedRoot {
            return Some(self.by_assumed.get(actor.access_key.as_deref()?).cloned().unwrap_or_default());
        }
        if sighting_key(actor).is_some() || !is_person(actor.kind) {
            return None;
        }
        let account = actor.account.as_deref().unwrap_or_default();
        let calls = self.by_strangers.get(&(account, called(actor))).map_or(&[][..], Vec::as_slice);
        Some(calls.iter().copied().filter(|call| call.actor.same_as(actor)).collect())
    }

    /// The reading calls about users in `[from, to)` by the actor of a call, in order of time.
    pub(super) fn readings(&self, actor: &Actor, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<&'c Call> {
        let readings = self.readings.get_or_init(|| {
            let reads = |call: &Call| call.read_only && call.about_user.is_some();
            let readings = self.all.iter().enumerate().filter(|(_, call)| reads(call));
            Acts::new(readings.map(|(place, call)| (&*call.actor, place)))
        });
        let list = readings.list(actor, |place| self.all.get(place).is_some_and(|call| call.actor.same_as(actor)));
        let time = |place: &usize| self.all.get(*place).map(|call| call.time);
        let start = list.partition_point(|place| time(place).is_some_and(|time| time < from));
        let end = list.partition_point(|place| time(place).is_some_and(|time| time < to));
        list.get(start..end).unwrap_or_default().iter().filter_map(|place| self.all.get(*place).copied()).collect()
    }

    /// Whether a call is one of a sweep, which is the same of all calls of its actor in its account and second.
    pub(super) fn sweeps(&self, call: &Call, is_sweep: impl FnOnce() -> bool) -> bool {
        *self.sweeps.of(&(alike(&call.actor), Arc::clone(&call.account), call.time), || (is_sweep(), 1))
    }

    /// Whether `who` was seen at any address at all in `[from, to)`, and whether it was seen at `source_ip`. Seen is who made a
    /// successful call that no other record contradicts; where a service's name stands for the address, nothing was seen.
    pub(super) fn seen(&self, who: Who<'_>, source_ip: IpAddr, between: [DateTime<Utc>; 2]) -> (bool, bool) {
        let find = || {
            let seen = self.seen_of(who);
            let times = seen.anywhere.0.len();
            (seen, times)
        };
        let seen = match who {
            Who::Entity(entity) => self.seen_by.of(&entity, find),
            Who::Actor(actor) => self.seen.of(&known_as(actor), find),
        };
        (seen.anywhere.touch(between), seen.at.get(&source_ip).is_some_and(|there| there.touch(between)))
    }

    fn seen_of(&self, who: Who<'_>) -> Seen {
        let key = match who {
            Who::Entity(_) => None,
            Who::Actor(actor) => sighting_key(actor),
        };
        match key {
            // A sighting is one day's first and last call: only a look-back that begins and ends inside that day could fall
            // between them, and then the calls of the day count as seen.
            Some(key) => {
                let seen = self.sightings.get(key).into_iter().flatten();
                Seen::new(seen.map(|sighting| (&*sighting.source_ip, [sighting.first, sighting.last], true)))
            }
            None => {
                let calls = self.of(who).unwrap_or_default();
                let calls = calls.iter().filter(|call| !call.failed);
                // What is contradicted makes no address known, and yet whoever it is was seen.
                let seen = calls
                    .filter_map(|call| Some((call.source_ip.as_deref()?, [call.time; 2], !call.lineage.is_disputed)));
                Seen::new(seen)
            }
        }
    }
}

/// Under what an actor's calls are found: an access key is what a session of `AssumeRoot` is known by, and nobody else.
fn known_as(actor: &Actor) -> Actor {
    match actor.kind {
        ActorKind::AssumedRoot => Actor { access_key: actor.access_key.clone(), ..alike(actor) },
        _ => alike(actor),
    }
}

/// An actor's calls in order of time.
#[derive(Debug)]
struct Counted {
    times: Vec<DateTime<Utc>>,
    /// How many of the calls before each write, and of all.
    writes: Vec<usize>,
}

impl Counted {
    fn new(calls: &[&Call]) -> Self {
        let mut writes = vec![0];
        for call in calls {
            writes.push(writes.last().copied().unwrap_or_default() + usize::from(!call.read_only));
        }
        Self { times: calls.iter().map(|call| call.time).collect(), writes }
    }

    /// Calls in `[from, to)`, and those that write.
    fn between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> [usize; 2] {
        let start = self.times.partition_point(|time| *time < from);
        let end = self.times.partition_point(|time| *time < to).max(start);
        let writes = |place: usize| self.writes.get(place).copied().unwrap_or_default();
        [end - start, writes(end) - writes(start)]
    }
}

/// When and where an actor was seen.
#[derive(Debug)]
struct Seen {
    anywhere: Times,
    at: HashMap<IpAddr, Times>,
}

impl Seen {
    /// Of what stands for addresses, with an interval each, and whether it makes the address known.
    fn new<'t>(seen: impl Iterator<Item = (&'t str, [DateTime<Utc>; 2], bool)>) -> Self {
        let (mut anywhere, mut at) = (Vec::new(), HashMap::<IpAddr, Vec<_>>::new());
        for (text, interval, is_known) in seen {
            let Some(address) = address(text) else { continue };
            anywhere.push(interval);
            if is_known {
                at.entry(address).or_default().push(interval);
            }
        }
        let at = at.into_iter().map(|(address, intervals)| (address, Times::new(intervals))).collect();
        Self { anywhere: Times::new(anywhere), at }
    }
}

/// Intervals in order of their beginnings, each with the last end of those up to it.
#[derive(Debug)]
struct Times(Vec<[DateTime<Utc>; 2]>);

impl Times {
    fn new(mut intervals: Vec<[DateTime<Utc>; 2]>) -> Self {
        intervals.sort_unstable();
        let mut last = None;
        for [_, end] in &mut intervals {
            *end = last.map_or(*end, |last| (*end).max(last));
            last = Some(*end);
        }
        Self(intervals)
    }

    /// Whether one of them lies in `[from, to)` in part.
    fn touch(&self, [from, to]: [DateTime<Utc>; 2]) -> bool {
        let begun = self.0.partition_point(|[first, _]| *first < to);
        begun.checked_sub(1).and_then(|last| self.0.get(last)).is_some_and(|[_, last]| *last >= from)
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
