//! The trace's calls by whom they are and about whom, and where an actor was seen before: the look-back behind
//! `new_source` and `foreign_enrolment`.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::ops::Range;
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
    by: HashMap<EntityId, Own<'c>>,
    about: HashMap<EntityId, Vec<&'c Call>>,
    /// By users of whom no event tells: by account and what the record calls them.
    by_strangers: HashMap<(&'c str, &'c str), Vec<&'c Call>>,
    /// By sessions of `AssumeRoot`, by access key.
    by_assumed: HashMap<&'c str, Vec<&'c Call>>,
    sightings: HashMap<&'c str, Vec<&'c Sighting>>,
    people: HashMap<String, People>,
    /// What was asked of actors that are no principals.
    seen: Memo<Seen>,
    counted: Memo<Option<Counted>>,
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
            counted: Memo::default(),
            readings: OnceCell::new(),
            sweeps: Memo::default(),
        };
        for call in &calls.all {
            let assumed = call.actor.access_key.as_deref().filter(|_| ledger.is_assumed_root(&call.actor));
            match (assumed, ledger.entity_of(&call.actor, &call.account, call.time)) {
                (Some(key), _) => calls.by_assumed.entry(key).or_default().push(call),
                (None, Some(entity)) => calls.by.entry(entity).or_default().calls.push(call),
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
        self.by.get(&entity).map_or(&[], |own| between(&own.calls, from, to))
    }

    /// The calls about the principal in `[from, to)`, by whomever.
    pub(super) fn about(&self, entity: EntityId, from: DateTime<Utc>, to: DateTime<Utc>) -> &[&'c Call] {
        self.about.get(&entity).map_or(&[], |calls| between(calls, from, to))
    }

    /// How many calls of an actor there are in `[from, to)`, and how many of them write; `None` where the calls of its kind are not
    /// kept one by one.
    pub(super) fn count(&self, who: Who<'_>, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<[usize; 2]> {
        let actor = match who {
            Who::Entity(entity) => {
                let own = self.by.get(&entity);
                return Some(
                    own.map_or([0, 0], |own| own.writes().count(range(&own.calls, |call| call.time, from, to))),
                );
            }
            Who::Actor(actor) => actor,
        };
        let counted = self.counted.of(&known_as(actor), || {
            let calls = self.of(actor);
            let times = |calls: &Vec<&Call>| calls.iter().map(|call| call.time).collect();
            let counted = calls.as_ref().map(|calls| Counted { times: times(calls), writes: Writes::new(calls) });
            (counted, calls.map_or(0, |calls| calls.len()))
        });
        (*counted).as_ref().map(|counted| counted.writes.count(range(&counted.times, |time| *time, from, to)))
    }

    /// The calls of an actor that is no principal, in order of time; `None` where the calls of its kind are not kept one by one.
    fn of(&self, actor: &Actor) -> Option<Vec<&'c Call>> {
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
        let actor = match who {
            Who::Entity(entity) => {
                let own = self.by.get(&entity);
                return own.map_or((false, false), |own| own.sights().touch(&own.calls, source_ip, between));
            }
            Who::Actor(actor) => actor,
        };
        let seen = self.seen.of(&known_as(actor), || {
            let seen = self.seen_of(actor);
            let times = seen.anywhere.0.len();
            (seen, times)
        });
        (seen.anywhere.touch(between), seen.at.get(&source_ip).is_some_and(|there| there.touch(between)))
    }

    fn seen_of(&self, actor: &Actor) -> Seen {
        match sighting_key(actor) {
            // A sighting is one day's first and last call: only a look-back that begins and ends inside that day could fall
            // between them, and then the calls of the day count as seen.
            Some(key) => {
                let seen = self.sightings.get(key).into_iter().flatten();
                let seen = seen.map(|sighting| (address(&sighting.source_ip), [sighting.first, sighting.last], true));
                Seen::new(seen.filter_map(|(address, interval, is_known)| Some((address?, interval, is_known))))
            }
            None => {
                let calls = self.of(actor).unwrap_or_default();
                Seen::new(calls.iter().filter_map(|call| {
                    let (address, is_known) = sight(call)?;
                    Some((address, [call.time; 2], is_known))
                }))
            }
        }
    }
}

/// Where a call shows that its caller was, if anywhere, and whether that makes the address known: what is contradicted makes none known,
/// and yet whoever it is was seen.
fn sight(call: &Call) -> Option<(IpAddr, bool)> {
    let source_ip = call.source_ip.as_deref().filter(|_| !call.failed)?;
    Some((address(source_ip)?, !call.lineage.is_disputed))
}

/// Under what an actor's calls are found: an access key is what a session of `AssumeRoot` is known by, and nobody else.
fn known_as(actor: &Actor) -> Actor {
    match actor.kind {
        ActorKind::AssumedRoot => Actor { access_key: actor.access_key.clone(), ..alike(actor) },
        _ => alike(actor),
    }
}

/// A principal's calls in order of time, and what is asked of them for each of its windows, found once: other than of callers, of whom
/// anybody makes as many as he likes, it is less than the calls themselves.
#[derive(Debug, Default)]
struct Own<'c> {
    calls: Vec<&'c Call>,
    writes: OnceCell<Writes>,
    sights: OnceCell<Sights>,
}

impl Own<'_> {
    fn writes(&self) -> &Writes {
        self.writes.get_or_init(|| Writes::new(&self.calls))
    }

    fn sights(&self) -> &Sights {
        self.sights.get_or_init(|| Sights::new(&self.calls))
    }
}

/// When the calls of an actor were, in order, and which of them write.
#[derive(Debug)]
struct Counted {
    times: Vec<DateTime<Utc>>,
    writes: Writes,
}

/// Of calls in order of time, the places of those that write.
#[derive(Debug)]
struct Writes(Vec<usize>);

impl Writes {
    fn new(calls: &[&Call]) -> Self {
        Self(calls.iter().enumerate().filter(|(_, call)| !call.read_only).map(|(place, _)| place).collect())
    }

    /// How many calls those of a range are, and how many of them write.
    fn count(&self, range: Range<usize>) -> [usize; 2] {
        let before = |place: usize| self.0.partition_point(|write| *write < place);
        [range.len(), before(range.end) - before(range.start)]
    }
}

/// Of calls in order of time, the places of those that show where their caller was.
#[derive(Debug)]
struct Sights {
    anywhere: Vec<usize>,
    /// Of those that make an address known.
    at: HashMap<IpAddr, Vec<usize>>,
}

impl Sights {
    fn new(calls: &[&Call]) -> Self {
        let (mut anywhere, mut at) = (Vec::new(), HashMap::<IpAddr, Vec<usize>>::new());
        for (place, call) in calls.iter().enumerate() {
            let Some((address, is_known)) = sight(call) else { continue };
            anywhere.push(place);
            if is_known {
                at.entry(address).or_default().push(place);
            }
        }
        Self { anywhere, at }
    }

    /// Whether any of the same calls in `[from, to)` was seen at all, and whether at `source_ip`.
    fn touch(&self, calls: &[&Call], source_ip: IpAddr, [from, to]: [DateTime<Utc>; 2]) -> (bool, bool) {
        let time = |place: usize| calls.get(place).map(|call| call.time);
        let touch = |places: &Vec<usize>| {
            let next = places.partition_point(|place| time(*place).is_some_and(|time| time < from));
            places.get(next).and_then(|place| time(*place)).is_some_and(|time| time < to)
        };
        (touch(&self.anywhere), self.at.get(&source_ip).is_some_and(touch))
    }
}

/// When and where an actor was seen.
#[derive(Debug)]
struct Seen {
    anywhere: Times,
    at: HashMap<IpAddr, Times>,
}

impl Seen {
    /// Of addresses, with an interval each, and whether it makes the address known.
    fn new(seen: impl Iterator<Item = (IpAddr, [DateTime<Utc>; 2], bool)>) -> Self {
        let (mut anywhere, mut at) = (Vec::new(), HashMap::<IpAddr, Vec<_>>::new());
        for (address, interval, is_known) in seen {
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
    calls.get(range(calls, |call| call.time, from, to)).unwrap_or_default()
}

/// The places of what is in `[from, to)`, of `all` in order of time.
fn range<T>(all: &[T], time: impl Fn(&T) -> DateTime<Utc>, from: DateTime<Utc>, to: DateTime<Utc>) -> Range<usize> {
    let start = all.partition_point(|one| time(one) < from);
    start..all.partition_point(|one| time(one) < to).max(start)
}
