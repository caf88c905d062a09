//! The trace's calls by whom they are and about whom, and where an actor was seen before: the look-back behind
//! `new_source` and `foreign_enrolment`.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use super::ledger::{EntityId, Ledger};
use crate::cloudtrail::Actor;
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
    sightings: HashMap<&'c str, Vec<&'c Sighting>>,
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
    /// Trails deliver a call as often as there are trails; it counts once.
    pub(super) fn new(ledger: &Ledger<'_>, context: &'c Context) -> Self {
        let mut unique: BTreeMap<(DateTime<Utc>, &str, &str), &Call> = BTreeMap::new();
        for call in &context.calls {
            unique.entry((call.time, call.event_id.as_str(), &*call.account)).or_insert(call);
        }
        let mut calls = Self {
            all: unique.into_values().collect(),
            by: HashMap::new(),
            about: HashMap::new(),
            by_strangers: HashMap::new(),
            sightings: HashMap::new(),
        };
        for call in &calls.all {
            match ledger.entity_of(&call.actor, &call.account, call.time) {
                Some(entity) => calls.by.entry(entity).or_default().push(call),
                None => calls.by_strangers.entry(stranger(call)).or_default().push(call),
            }
            if let Some(entity) = ledger.entity_about(call) {
                calls.about.entry(entity).or_default().push(call);
            }
        }
        for sighting in &context.sightings {
            calls.sightings.entry(&*sighting.actor).or_default().push(sighting);
        }
        calls
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

    /// Whether `who` was seen at all in `[from, to)`, and whether it was seen at `source_ip`.
    pub(super) fn seen(&self, who: Who<'_>, source_ip: &str, [from, to]: [DateTime<Utc>; 2]) -> (bool, bool) {
        let among = |calls: &[&Call]| {
            (!calls.is_empty(), calls.iter().any(|call| call.source_ip.as_deref() == Some(source_ip)))
        };
        match who {
            Who::Entity(entity) => among(self.by(entity, from, to)),
            Who::Actor(actor) => match sighting_key(actor) {
                None => {
                    let account = actor.account.as_deref().unwrap_or_default();
                    let calls = self.by_strangers.get(&(account, called(actor))).map_or(&[][..], Vec::as_slice);
                    let own = between(calls, from, to).iter().copied().filter(|call| call.actor.same_as(actor));
                    among(&own.collect::<Vec<_>>())
                }
                Some(key) => {
                    // A sighting is one day's first and last call: only a look-back that begins and ends inside that
                    // day could fall between them, and then the calls of the day count as seen.
                    let seen = self.sightings.get(key).into_iter().flatten();
                    let seen = seen.filter(|sighting| sighting.first < to && sighting.last >= from);
                    seen.fold((false, false), |(_, there), sighting| (true, there || *sighting.source_ip == *source_ip))
                }
            },
        }
    }
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
