//! What the ledger has of incidents, against what is derived now: what is to be stored, and what is to be told.
//!
//! An incident keeps the key under which it was first told of, because channels know it by that. Which event opened it may change
//! all the same: a deletion arrives before the deactivation that it goes with, an older opening arrives late. Then what is known by
//! the old event goes on as what it is by now (an update), and nothing is opened a second time. Where two that were told of turn
//! out to be one, the older one goes on, and the other is withdrawn and names it. An incident is withdrawn without a successor
//! where a late event shows that there was nothing, and opened again where another shows that it was not over.
//!
//! Members of a burst are not told of one by one. One that was told of before it became a member says so once and is still
//! resolved where it was opened.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{Incident, Kind, State, Transition};

/// What the ledger has of one incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key under which it was first known.
    pub key: String,
    /// How far it is.
    pub state: State,
    /// The number of its last transition; 0 where nobody was told of it.
    pub sequence: u64,
    /// Who looks after it.
    pub acknowledged_by: Option<String>,
    /// What is known of it, with the keys of the ledger for its members and its burst.
    pub incident: Incident,
}

/// A transition that is to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What changed.
    pub transition: Transition,
    /// When, by the events; where no event tells, the moment at which it became known.
    pub at: DateTime<Utc>,
    /// The incident as it is with this transition; its `sequence` is the transition's.
    pub entry: Entry,
    /// What was told before; `None` where it is opened.
    pub before: Option<Incident>,
    /// Of one that was withdrawn, the key of the incident that it turned out to be.
    pub successor: Option<String>,
}

impl Step {
    /// Whether it is opened once more.
    #[must_use]
    pub const fn is_reopening(&self) -> bool {
        matches!(self.transition, Transition::Opened) && self.entry.sequence > 1
    }
}

/// What changes in the ledger.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// The entries that are new or different, in order of key.
    pub entries: Vec<Entry>,
    /// What is to be told, in this order.
    pub steps: Vec<Step>,
}

/// Of which events the derived incidents are. Whatever the ledger has of these events and is not derived from them is withdrawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Scope {
    /// All that there are.
    All,
    /// Those of these accounts and ids.
    Events(BTreeSet<(String, String)>),
}

impl Scope {
    /// Whether an incident would have been derived.
    #[must_use]
    pub fn covers(&self, incident: &Incident) -> bool {
        match self {
            Self::All => true,
            Self::Events(events) => events.contains(&(incident.account.clone(), incident.event_id.clone())),
        }
    }
}

/// Compares. `told_from` is the moment from which on people are told: of what was due before, the state alone is kept. `now` is
/// the moment at which all this became known.
#[must_use]
pub fn diff(
    known: &[Entry],
    derived: &[Incident],
    scope: &Scope,
    told_from: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Changes {
    let matched = Matched::new(known, derived, scope);
    let mut changes = Changes::default();
    let keys = matched.keys(known, derived);
    for (index, incident) in derived.iter().enumerate() {
        let before = matched.entry_of.get(&index).and_then(|entry| known.get(*entry));
        let incident = with_keys(incident, &keys);
        let key = keys.get(&incident.key()).cloned().unwrap_or_else(|| incident.key());
        Teller { told_from, now, changes: &mut changes }.tell(key, before, incident);
    }
    for (index, entry) in known.iter().enumerate().filter(|(_, entry)| entry.state != State::Withdrawn) {
        if matched.entries.contains(&index) || !scope.covers(&entry.incident) {
            continue;
        }
        let successor = derived.iter().find(|incident| continues(&entry.incident, incident));
        let successor = successor.and_then(|incident| keys.get(&incident.key()).cloned());
        Teller { told_from, now, changes: &mut changes }.withdraw(entry, successor);
    }
    changes.entries.sort_by(|a, b| a.key.cmp(&b.key));
    changes
}

/// Which entry is which derived incident.
struct Matched {
    /// By the derived incident's place, the entry's.
    entry_of: BTreeMap<usize, usize>,
    entries: BTreeSet<usize>,
}

impl Matched {
    fn new(known: &[Entry], derived: &[Incident], scope: &Scope) -> Self {
        let mut matched = Self { entry_of: BTreeMap::new(), entries: BTreeSet::new() };
        let live = |entry: &Entry| entry.state != State::Withdrawn;
        // First by the key that it would have, then by the event that opened it, then by what it goes on from.
        matched.add_by(known, derived, &|entry| live(entry).then(|| entry.key.clone()));
        matched.add_by(known, derived, &|entry| live(entry).then(|| entry.incident.key()));
        let mut rest: Vec<(usize, &Entry)> = known
            .iter()
            .enumerate()
            .filter(|(index, entry)| live(entry) && !matched.entries.contains(index) && scope.covers(&entry.incident))
            .collect();
        // Whoever was told of first goes on.
        rest.sort_by_key(|(_, entry)| (entry.sequence == 0, entry.incident.opened_at, &entry.key));
        for (index, entry) in rest {
            let free = derived.iter().enumerate().filter(|(place, _)| !matched.entry_of.contains_key(place));
            let next = free.filter(|(_, incident)| continues(&entry.incident, incident)).map(|(place, _)| place).next();
            if let Some(place) = next {
                matched.add(place, index);
            }
        }
        matched.add_by(known, derived, &|entry| (!live(entry)).then(|| entry.key.clone()));
        matched
    }

    fn add(&mut self, derived: usize, entry: usize) {
        self.entry_of.insert(derived, entry);
        self.entries.insert(entry);
    }

    fn add_by(&mut self, known: &[Entry], derived: &[Incident], key: &dyn Fn(&Entry) -> Option<String>) {
        let free = known.iter().enumerate().filter(|(index, _)| !self.entries.contains(index));
        let by_key: BTreeMap<String, usize> = free.filter_map(|(index, entry)| Some((key(entry)?, index))).collect();
        for (place, incident) in derived.iter().enumerate() {
            if let Some(entry) = by_key.get(&incident.key()).filter(|_| !self.entry_of.contains_key(&place)) {
                self.add(place, *entry);
            }
        }
    }

    /// By the key that an incident would have, the one that it has.
    fn keys(&self, known: &[Entry], derived: &[Incident]) -> BTreeMap<String, String> {
        let key = |(place, incident): (usize, &Incident)| {
            let entry = self.entry_of.get(&place).and_then(|entry| known.get(*entry));
            (incident.key(), entry.map_or_else(|| incident.key(), |entry| entry.key.clone()))
        };
        derived.iter().enumerate().map(key).collect()
    }
}

fn with_keys(incident: &Incident, keys: &BTreeMap<String, String>) -> Incident {
    let known = |key: &String| keys.get(key).unwrap_or(key).clone();
    Incident {
        members: incident.members.iter().map(known).collect(),
        part_of: incident.part_of.as_ref().map(known),
        ..incident.clone()
    }
}

/// Whether what was known as `before` is what is known as `after` now: the same thing about the same one at the same time, opened
/// by another event.
fn continues(before: &Incident, after: &Incident) -> bool {
    let ends = |incident: &Incident| match (&incident.kind, &incident.resolution) {
        (Kind::Window, None) => None,
        (Kind::Window, Some(end)) => Some(end.at.unwrap_or(incident.opened_at)),
        _ => Some(incident.due_at),
    };
    let reaches = |one: &Incident, other: &Incident| ends(one).is_none_or(|end| other.opened_at <= end);
    let same = match before.kind {
        Kind::Window => is_same_principal(before, after),
        Kind::Attempts | Kind::Burst => before.actor == after.actor,
        Kind::Evidence => false,
    };
    (before.kind, &before.account) == (after.kind, &after.account)
        && same
        && reaches(before, after)
        && reaches(after, before)
}

fn is_same_principal(one: &Incident, other: &Incident) -> bool {
    let (Some(one), Some(other)) = (&one.principal, &other.principal) else { return false };
    let by_name = || one.name.eq_ignore_ascii_case(&other.name);
    one.kind == other.kind && one.id.as_ref().zip(other.id.as_ref()).map_or_else(by_name, |(one, other)| one == other)
}

/// Whether what people know of it is different now. What changes with every call, such as the activity in a window, is stored and
/// not told.
fn is_worth_telling(before: &Incident, after: &Incident) -> bool {
    let told = |one: &Incident| {
        let Incident { class, severity, ticket, owner, privileged, overdue, event_id, members, resolution, .. } =
            one.clone();
        (class, severity, ticket, owner, privileged, overdue, event_id, members, resolution)
    };
    // A member's changes are its burst's.
    before.part_of != after.part_of || (after.part_of.is_none() && told(before) != told(after))
}

struct Teller<'c> {
    told_from: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    changes: &'c mut Changes,
}

impl Teller<'_> {
    fn tell(&mut self, key: String, before: Option<&Entry>, incident: Incident) {
        let state = if incident.resolution.is_some() { State::Resolved } else { State::Open };
        let told = before.filter(|before| before.sequence > 0);
        let Some(told) = told else { return self.first(key, before, incident, state) };
        let mut entry = Entry { incident, ..told.clone() };
        let over = told.state.is_ended();
        match (over, state.is_ended()) {
            (false, true) => self.step(&mut entry, Transition::Resolved, state, Some(&told.incident)),
            (true, _) if told.state == State::Withdrawn || !state.is_ended() => {
                entry.acknowledged_by = None;
                self.step(&mut entry, Transition::Opened, State::Open, Some(&told.incident));
                if state.is_ended() {
                    let before = entry.incident.clone();
                    self.step(&mut entry, Transition::Resolved, state, Some(&before));
                }
            }
            _ if is_worth_telling(&told.incident, &entry.incident) => {
                self.step(&mut entry, Transition::Updated, told.state, Some(&told.incident));
            }
            _ => {}
        }
        if entry != *told {
            self.changes.entries.push(entry);
        }
    }

    /// What nobody was told of so far.
    fn first(&mut self, key: String, before: Option<&Entry>, incident: Incident, state: State) {
        let silent = incident.part_of.is_some() || self.told_from.is_some_and(|from| incident.due_at < from);
        let acknowledged_by = before.and_then(|before| before.acknowledged_by.clone()).filter(|_| !state.is_ended());
        let state = if acknowledged_by.is_some() { State::Acknowledged } else { state };
        let mut entry = Entry { key, state, sequence: 0, acknowledged_by, incident };
        if !silent {
            self.step(&mut entry, Transition::Opened, State::Open, None);
            if state.is_ended() {
                let opened = entry.incident.clone();
                self.step(&mut entry, Transition::Resolved, state, Some(&opened));
            }
        }
        if before != Some(&entry) {
            self.changes.entries.push(entry);
        }
    }

    fn withdraw(&mut self, entry: &Entry, successor: Option<String>) {
        let mut withdrawn = Entry { state: State::Withdrawn, ..entry.clone() };
        if entry.sequence > 0 {
            self.step(&mut withdrawn, Transition::Withdrawn, State::Withdrawn, Some(&entry.incident));
            if let Some(step) = self.changes.steps.last_mut() {
                step.successor = successor;
            }
        }
        self.changes.entries.push(withdrawn);
    }

    fn step(&mut self, entry: &mut Entry, transition: Transition, state: State, before: Option<&Incident>) {
        entry.sequence += 1;
        entry.state = state;
        let at = match transition {
            Transition::Opened if entry.sequence == 1 => Some(entry.incident.due_at),
            Transition::Resolved => entry.incident.resolution.as_ref().and_then(|end| end.at),
            _ => None,
        };
        self.changes.steps.push(Step {
            transition,
            at: at.unwrap_or(self.now),
            entry: entry.clone(),
            before: before.cloned(),
            successor: None,
        });
    }
}
