//! D(t): the set of active devices of one principal at any moment.
//!
//! Every device leaves *markers*: it was enabled, seen in use, deactivated, or IAM lists it, or IAM's complete list
//! lacks it. Between two markers its state is what both allow. Where they contradict each other an event is missing:
//! that becomes a reconciliation finding, and the device counts as enabled by the later marker at the latest.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::ledger::{Entity, IamEntry, Kept};
use crate::contract::{FindingCode, PrincipalKind};
use crate::inventory::{AccountState, Device, DeviceOwner, IamState};
use crate::mfa::{Action, Event};

/// A point in the order of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// An event, by its index.
    Event(usize),
    /// An enrolment that only IAM dates: among the events of its second where an enrolment stands.
    Enrolment(DateTime<Utc>),
    /// IAM's state: after all events of its second.
    Snapshot(DateTime<Utc>),
}

/// One interval in which a device was active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) serial: String,
    /// `None`: since before anything that is known.
    pub(super) from: Option<Point>,
    /// The first point at which it is no longer active; `None`: still active.
    pub(super) to: Option<Point>,
    /// The enrolment was not seen: the device must have been enabled after this moment and before `from`.
    pub(super) unseen_after: Option<DateTime<Utc>>,
}

/// A contradiction: an event is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) device: Option<String>,
    pub(super) code: FindingCode,
    pub(super) between: [DateTime<Utc>; 2],
}

/// All devices of one principal.
#[derive(Debug)]
pub(super) struct Devices {
    pub(super) spans: Vec<Span>,
    pub(super) missing: Vec<Missing>,
    complete: Known,
    /// `EnableDate`s of enrolments that no event tells of.
    dated: Vec<DateTime<Utc>>,
}

/// When the set of known devices is known to be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// IAM told all, and the events before and after follow from that.
    Always,
    /// The user's creation was seen, at this event.
    Since(usize),
    Never,
}

/// What bounds the search for missing events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The first record of the account that was read; `None` where none was.
    pub(super) covered: Option<[DateTime<Utc>; 2]>,
    /// The start of what was asked for.
    pub(super) read_from: DateTime<Utc>,
}

impl Devices {
    /// Derives all spans from an entity's events and from IAM state.
    pub(super) fn new(events: &[Kept<'_>], entity: &Entity<'_>, iam: Option<&IamState>, bounds: Bounds) -> Self {
        let told = iam.map(|iam| (iam.taken_at, Told::of(entity, iam)));
        let mut tracker = Tracker {
            events,
            entity,
            bounds,
            devices: BTreeMap::new(),
            spans: Vec::new(),
            missing: Vec::new(),
            dated: Vec::new(),
        };
        let mut words = told.as_ref().map_or_else(Vec::new, |(taken_at, told)| told.words(events, entity, *taken_at));
        words.reverse();
        for &index in &entity.events {
            let Some(event) = events.get(index).filter(|event| event.succeeded()) else { continue };
            let due = |(at, word): &mut (DateTime<Utc>, Word<'_>)| match word {
                Word::Enabled(_) => enrolled_before(*at, event),
                Word::Snapshot(_) => *at < event.time,
            };
            while let Some((at, word)) = words.pop_if(due) {
                tracker.word(at, word);
            }
            tracker.event(index, event);
        }
        while let Some((at, word)) = words.pop() {
            tracker.word(at, word);
        }
        // What happened between an older snapshot and the first event that was read is not known.
        let all_told = told.is_some_and(|(taken_at, told)| told.complete && taken_at >= bounds.read_from);
        let complete = match (all_told, entity.created) {
            (true, _) => Known::Always,
            (false, Some(created)) => Known::Since(created),
            (false, None) => Known::Never,
        };
        let Tracker { devices, mut spans, missing, dated, .. } = tracker;
        spans.extend(devices.into_iter().filter_map(|(serial, state)| match state {
            State::Active { from, unseen_after, .. } => Some(Span { serial, from, to: None, unseen_after }),
            State::Inactive { .. } => None,
        }));
        Self { spans, missing, complete, dated }
    }

    /// How many devices are known to be active right before (`after = false`) or after the event at `index`.
    pub(super) fn active(&self, events: &[Kept<'_>], index: usize, after: bool) -> usize {
        self.spans.iter().filter(|span| span.covers(events, index, after)).count()
    }

    /// Since when the set of known devices is known to be whole.
    pub(super) fn known(&self) -> Known {
        self.complete
    }

    /// Whether all devices are known at the event at `index`.
    pub(super) fn complete_at(&self, index: usize) -> bool {
        match self.complete {
            Known::Always => true,
            Known::Since(created) => created <= index,
            Known::Never => false,
        }
    }

    /// Whether a device that is seen in use later, but not its enrolment, may have been active at the event at `index`.
    pub(super) fn may_hide_one(&self, events: &[Kept<'_>], index: usize) -> bool {
        let time = |index: usize| events.get(index).map(|event| event.time);
        self.spans.iter().any(|span| match (span.unseen_after, span.from) {
            (Some(after), Some(Point::Event(seen))) => seen > index && time(index).is_some_and(|at| after < at),
            _ => false,
        })
    }

    /// Whether a device was ever active before the event at `index`.
    pub(super) fn had_any_before(&self, events: &[Kept<'_>], index: usize) -> bool {
        self.spans.iter().any(|span| span.from.is_none_or(|from| reached(events, from, index, false)))
    }

    /// The span whose missing enrolment the event at `index` gives away.
    pub(super) fn given_away_by(&self, index: usize) -> bool {
        self.spans.iter().any(|span| span.unseen_after.is_some() && span.from == Some(Point::Event(index)))
    }

    /// The first enrolment that only IAM dates, after the event at `after`, and before the one at `before` if given.
    pub(super) fn dated_enrolment(
        &self,
        events: &[Kept<'_>],
        after: usize,
        before: Option<usize>,
    ) -> Option<DateTime<Utc>> {
        let stands_before = |at: DateTime<Utc>, index: usize| reached(events, Point::Enrolment(at), index, true);
        let fits =
            |at: &DateTime<Utc>| !stands_before(*at, after) && before.is_none_or(|before| stands_before(*at, before));
        self.dated.iter().copied().filter(fits).min()
    }
}

impl Span {
    fn covers(&self, events: &[Kept<'_>], index: usize, after: bool) -> bool {
        self.from.is_none_or(|from| reached(events, from, index, after) || (!after && self.starts_unseen_at(index)))
            && !self.to.is_some_and(|to| reached(events, to, index, after))
    }

    /// An event that gives a missing enrolment away found the device active already.
    fn starts_unseen_at(&self, index: usize) -> bool {
        self.unseen_after.is_some() && self.from == Some(Point::Event(index))
    }
}

/// Whether `point` lies at or before the event at `index`; with `after = false`, strictly before it.
fn reached(events: &[Kept<'_>], point: Point, index: usize, after: bool) -> bool {
    match point {
        Point::Event(at) => at < index || (after && at == index),
        Point::Enrolment(at) => events.get(index).is_some_and(|event| enrolled_before(at, event)),
        Point::Snapshot(at) => events.get(index).is_some_and(|event| at < event.time),
    }
}

/// Whether an enrolment at `at` stands before `event`.
fn enrolled_before(at: DateTime<Utc>, event: &Event) -> bool {
    let rank = Action::DeviceEnabled { serial: None }.rank();
    at < event.time || (at == event.time && rank < event.action.rank())
}

/// What IAM tells of one principal's devices.
#[derive(Debug, Default)]
struct Told {
    /// Devices that IAM lists for it.
    listed: Vec<Device>,
    /// Whether it has at least one.
    any: Option<bool>,
    /// Whether `listed` is all.
    complete: bool,
    /// Whether `listed` holds all virtual ones.
    complete_virtual: bool,
}

/// What IAM says of one moment.
#[derive(Debug, Clone, Copy)]
enum Word<'t> {
    /// A device's `EnableDate`.
    Enabled(&'t str),
    /// The state itself.
    Snapshot(&'t Told),
}

/// How much earlier than its event IAM may date an enrolment: two clocks of one second each.
const CLOCKS: TimeDelta = TimeDelta::seconds(2);

impl Told {
    /// IAM's words in order of time.
    fn words<'t>(
        &'t self,
        events: &[Kept<'_>],
        entity: &Entity<'_>,
        taken_at: DateTime<Utc>,
    ) -> Vec<(DateTime<Utc>, Word<'t>)> {
        let own = || entity.events.iter().filter_map(|index| events.get(*index)).filter(|event| event.succeeded());
        let has_event = |serial: &str, at: DateTime<Utc>| {
            own().any(|event| {
                matches!(&event.action, Action::DeviceEnabled { serial: Some(enabled) } if enabled == serial)
                    && at <= event.time
                    && event.time <= (at + CLOCKS).min(taken_at)
            })
        };
        let mut words: Vec<(DateTime<Utc>, Word<'t>)> = self
            .listed
            .iter()
            .filter_map(|device| Some((device.serial.as_str(), device.enabled_at.filter(|at| *at <= taken_at)?)))
            .filter(|(serial, at)| !has_event(serial, *at))
            .map(|(serial, at)| (at, Word::Enabled(serial)))
            .collect();
        words.sort_by_key(|(at, _)| *at);
        words.push((taken_at, Word::Snapshot(self)));
        words
    }

    fn of(entity: &Entity<'_>, iam: &IamState) -> Self {
        let Some(state) = iam.accounts.get(&entity.account) else { return Self::default() };
        let assigned = virtual_devices_of(entity, state);
        let complete_virtual = assigned.is_some();
        let mut listed = assigned.unwrap_or_default();
        let (any, all) = match entity.iam {
            // A user that is not there any more says nothing of the devices it had.
            IamEntry::Untold | IamEntry::Gone => return Self::default(),
            IamEntry::Root(root) => (root.mfa_active, None),
            IamEntry::User(user) => (user.mfa_active, user.devices.as_ref()),
        };
        if let Some(all) = all {
            return Self { any: Some(!all.is_empty()), listed: all.clone(), complete: true, complete_virtual };
        }
        if any == Some(false) && listed.is_empty() {
            return Self { any, complete: true, ..Self::default() };
        }
        listed.sort();
        Self { any: any.map(|any| any || !listed.is_empty()), listed, complete: false, complete_virtual }
    }
}

fn virtual_devices_of(entity: &Entity<'_>, state: &AccountState) -> Option<Vec<Device>> {
    let mine = |owner: &DeviceOwner| match (entity.kind, owner) {
        (PrincipalKind::Root, DeviceOwner::Root) => true,
        (PrincipalKind::IamUser, DeviceOwner::User { name, id }) => match (id, &entity.id) {
            (Some(theirs), Some(mine)) => theirs == mine,
            _ => name.eq_ignore_ascii_case(entity.name()),
        },
        _ => false,
    };
    let listed = state.virtual_devices.as_ref()?;
    Some(
        listed
            .iter()
            .filter(|listed| listed.owner.as_ref().is_some_and(mine))
            .map(|listed| listed.device.clone())
            .collect(),
    )
}

/// What is known of one device while the markers are walked.
#[derive(Debug, Clone)]
enum State {
    Active { from: Option<Point>, unseen_after: Option<DateTime<Utc>>, last: DateTime<Utc> },
    Inactive { since: DateTime<Utc> },
}

struct Tracker<'e, 'a> {
    events: &'e [Kept<'e>],
    entity: &'e Entity<'a>,
    bounds: Bounds,
    devices: BTreeMap<String, State>,
    spans: Vec<Span>,
    missing: Vec<Missing>,
    dated: Vec<DateTime<Utc>>,
}

impl Tracker<'_, '_> {
    fn event(&mut self, index: usize, event: &Event) {
        match &event.action {
            Action::DeviceEnabled { serial } => {
                // An enrolment that names no device (Identity Center's may not) still protects.
                let serial = serial.clone().unwrap_or_else(|| anonymous(&event.id));
                self.enabled(serial, index, event.time);
            }
            Action::DeviceResynced { serial: Some(serial) }
            | Action::SessionToken { serial }
            | Action::ConsoleLogin { mfa_used: Some(true), serial: Some(serial) } => {
                self.in_use(serial, index, event.time);
            }
            Action::DeviceDeactivated { serial } => {
                let serial = serial.clone().or_else(|| self.only_active()).unwrap_or_else(|| anonymous(&event.id));
                self.in_use(&serial, index, event.time);
                self.close(&serial, Point::Event(index), event.time);
            }
            _ => {}
        }
    }

    /// IAM enables no device twice: where it was active already, its deactivation was not seen, and this begins anew.
    fn enabled(&mut self, serial: String, index: usize, time: DateTime<Utc>) {
        let from = Some(Point::Event(index));
        let before = self.devices.insert(serial.clone(), State::Active { from, unseen_after: None, last: time });
        if let Some(State::Active { from, unseen_after, .. }) = before {
            self.spans.push(Span { serial, from, to: Some(Point::Event(index)), unseen_after });
        }
    }

    /// The device is active at this event, whether or not its enrolment was seen.
    fn in_use(&mut self, serial: &str, index: usize, time: DateTime<Utc>) {
        match self.devices.get_mut(serial) {
            Some(State::Active { last, .. }) => *last = time,
            Some(State::Inactive { since }) => {
                let since = *since;
                self.unseen_enrolment(serial, since, Point::Event(index), time);
            }
            None => {
                // The enrolment that named no device may have been this one.
                let anonymous = self.devices.keys().find(|known| is_anonymous(known)).cloned();
                if let Some(state) = anonymous.and_then(|known| self.devices.remove(&known)) {
                    self.devices.insert(serial.to_owned(), state);
                } else if let Some(created) = self.created_at() {
                    self.unseen_enrolment(serial, created, Point::Event(index), time);
                } else {
                    let state = State::Active { from: None, unseen_after: None, last: time };
                    self.devices.insert(serial.to_owned(), state);
                }
            }
        }
    }

    fn unseen_enrolment(&mut self, serial: &str, since: DateTime<Utc>, from: Point, until: DateTime<Utc>) {
        self.missing.push(Missing {
            device: (!is_anonymous(serial)).then(|| serial.to_owned()),
            code: FindingCode::EnableNotInArchive,
            between: [since, until],
        });
        self.devices
            .insert(serial.to_owned(), State::Active { from: Some(from), unseen_after: Some(since), last: until });
    }

    fn close(&mut self, serial: &str, to: Point, time: DateTime<Utc>) {
        let state = self.devices.insert(serial.to_owned(), State::Inactive { since: time });
        if let Some(State::Active { from, unseen_after, .. }) = state {
            self.spans.push(Span { serial: serial.to_owned(), from, to: Some(to), unseen_after });
        }
    }

    fn only_active(&self) -> Option<String> {
        let mut active = self.devices.iter().filter(|(_, state)| matches!(state, State::Active { .. }));
        active.next().map(|(serial, _)| serial.clone())
    }

    fn created_at(&self) -> Option<DateTime<Utc>> {
        self.events.get(self.entity.created?).map(|event| event.time)
    }

    fn word(&mut self, at: DateTime<Utc>, word: Word<'_>) {
        match word {
            Word::Enabled(serial) => self.enabled_by_iam(serial, at),
            Word::Snapshot(told) => self.snapshot(at, told),
        }
    }

    /// What IAM lists, and what its complete lists lack.
    fn snapshot(&mut self, taken_at: DateTime<Utc>, told: &Told) {
        for device in &told.listed {
            self.listed(&device.serial, taken_at);
        }
        let lacking: Vec<(String, DateTime<Utc>)> = self
            .devices
            .iter()
            .filter_map(|(serial, state)| match state {
                State::Active { last, .. }
                    if !told.listed.iter().any(|device| device.serial == *serial)
                        && !is_anonymous(serial)
                        && (told.complete || (told.complete_virtual && serial.contains(":mfa/"))) =>
                {
                    Some((serial.clone(), *last))
                }
                _ => None,
            })
            .collect();
        for (serial, last) in lacking {
            self.missing.push(Missing {
                device: Some(serial.clone()),
                code: FindingCode::DeactivateNotInArchive,
                between: [last, taken_at],
            });
            self.close(&serial, Point::Snapshot(taken_at), taken_at);
        }
        if told.complete && told.listed.is_empty() {
            // Whatever had no name is gone too.
            let anonymous: Vec<String> = self.devices.keys().filter(|serial| is_anonymous(serial)).cloned().collect();
            for serial in anonymous {
                self.close(&serial, Point::Snapshot(taken_at), taken_at);
            }
        }
        if told.any == Some(true) && self.only_active().is_none() {
            self.unseen_device(taken_at);
        }
    }

    /// IAM says that the device was enabled at this moment, and no event of that moment does.
    fn enabled_by_iam(&mut self, serial: &str, at: DateTime<Utc>) {
        let created = self.created_at().filter(|created| *created <= at);
        let since = match self.devices.get(serial) {
            Some(State::Active { .. }) => return,
            Some(State::Inactive { since }) => Some(*since),
            None => created,
        };
        self.dated.push(at);
        let known = self.last_known_before(at);
        let known = match since {
            Some(since) => Some(known.map_or(since, |known| known.max(since))),
            None => known.filter(|_| self.bounds.covers(at)),
        };
        if let Some(known) = known {
            self.unseen_enrolment(serial, known, Point::Enrolment(at), at);
        } else {
            // Before the archive: normal.
            let state = State::Active { from: Some(Point::Enrolment(at)), unseen_after: None, last: at };
            self.devices.insert(serial.to_owned(), state);
        }
    }

    /// IAM lists the device as active now.
    fn listed(&mut self, serial: &str, taken_at: DateTime<Utc>) {
        let since = match self.devices.get(serial) {
            Some(State::Active { .. }) => return,
            Some(State::Inactive { since }) => Some(*since),
            None => self.created_at().filter(|created| *created <= taken_at),
        };
        if let Some(since) = since {
            let known = self.last_known_before(taken_at).map_or(since, |known| known.max(since));
            self.unseen_enrolment(serial, known, Point::Snapshot(taken_at), taken_at);
        } else {
            let state = State::Active { from: None, unseen_after: None, last: taken_at };
            self.devices.insert(serial.to_owned(), state);
        }
    }

    /// IAM says that the principal has a device, and nothing tells which: it was there all the time, unless all
    /// devices were known at some moment.
    fn unseen_device(&mut self, taken_at: DateTime<Utc>) {
        let serial = anonymous("unseen");
        if let Some(created) = self.created_at() {
            let known = self.last_known_before(taken_at).map_or(created, |known| known.max(created));
            self.unseen_enrolment(&serial, known, Point::Snapshot(taken_at), taken_at);
        } else {
            self.devices.insert(serial, State::Active { from: None, unseen_after: None, last: taken_at });
        }
    }

    /// The last moment at or before `at` at which the principal's devices are known: it enabled or lost one, or the first
    /// record of the account was written.
    fn last_known_before(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let events = self.entity.events.iter().filter_map(|index| self.events.get(*index));
        let changes =
            |action: &Action| matches!(action, Action::DeviceEnabled { .. } | Action::DeviceDeactivated { .. });
        let own = events
            .filter(|event| event.succeeded() && changes(&event.action) && event.time <= at)
            .map(|event| event.time)
            .max();
        own.or_else(|| self.bounds.start().filter(|start| *start <= at))
    }
}

impl Bounds {
    pub(super) fn start(&self) -> Option<DateTime<Utc>> {
        self.covered.map(|[first, _]| first.max(self.read_from))
    }

    /// Whether an event at `at` would have been read.
    fn covers(&self, at: DateTime<Utc>) -> bool {
        self.covered.is_some_and(|[first, last]| first.max(self.read_from) <= at && at <= last)
    }
}

/// A device that no record names.
fn anonymous(what: &str) -> String {
    format!("?{what}")
}

fn is_anonymous(serial: &str) -> bool {
    serial.starts_with('?')
}
