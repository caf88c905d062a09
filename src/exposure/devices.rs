//! D(t): the set of active devices of one principal at any moment.
//!
//! Every device has a timeline of what is proven of it: it was enabled, in use, deactivated, enabled for somebody
//! else, its entity was made or deleted, its user was created or deleted, IAM lists it, or IAM's complete list lacks it.
//! Between two proofs its state is what both allow. Where they contradict each other an event is missing: that becomes
//! a reconciliation finding, and in its interval the device counts as absent, which is the worse for the principal.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::ledger::{Entity, EntityId, EventId, IamEntry, Ledger, Use};
use super::timeline::{Basis, Key, Missing, Proof, Timeline, fact_key};
use crate::arn::Arn;
use crate::contract::{FindingCode, PrincipalKind};
use crate::inventory::{AccountState, AsOf, Device, DeviceOwner, IamState, UserState};
use crate::mfa::{Action, Event};

/// A point at which a device's state is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// An event, by its index.
    Event(EventId),
    /// An enrollment that only IAM dates.
    Enrolment(DateTime<Utc>),
    /// IAM's state.
    Snapshot(DateTime<Utc>),
}

impl From<Proof> for Point {
    fn from(proof: Proof) -> Self {
        match proof.basis {
            Basis::Event(index) => Self::Event(index),
            Basis::Date => Self::Enrolment(proof.key.time),
            Basis::Iam => Self::Snapshot(proof.key.time),
        }
    }
}

/// One interval in which a device was active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) serial: String,
    /// `None`: since before anything that is known.
    pub(super) from: Option<Point>,
    /// The first point at which it is no longer active; `None`: still active.
    pub(super) to: Option<Point>,
    /// The enrollment was not seen: the device must have been enabled after this moment and before `from`.
    pub(super) unseen_after: Option<DateTime<Utc>>,
    /// The removal was not seen: it lies before `to`.
    pub(super) removed_unseen: bool,
}

/// All devices of one principal.
#[derive(Debug)]
pub(super) struct Devices {
    pub(super) spans: Vec<Span>,
    pub(super) missing: Vec<Missing>,
    timelines: BTreeMap<String, Timeline>,
    together: Together,
    complete: Completeness,
    /// Enrollments that no event tells of, by their `EnableDate`.
    dated: Vec<Key>,
    /// Where IAM says that there is a device which no input names.
    unseen: Option<Key>,
    /// Where IAM says that there is none.
    none: Option<Key>,
}

/// When the set of known devices is known to be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completeness {
    /// All were known at one moment, and the events before and after follow from that.
    Always,
    /// The user's creation was seen, at this event.
    Since(EventId),
    Never,
}

/// What bounds the search for missing events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Of the account: `eventTime` of the first record that was read, and up to when the evidence reaches; `None` where
    /// nothing was read.
    pub(super) covered: Option<[DateTime<Utc>; 2]>,
    /// The start of what was asked for.
    pub(super) read_from: DateTime<Utc>,
}

impl Bounds {
    pub(super) fn start(&self) -> Option<DateTime<Utc>> {
        self.covered.map(|[first, _]| first.max(self.read_from))
    }

    /// Since when everything was read.
    pub(super) fn from(&self) -> DateTime<Utc> {
        self.start().unwrap_or(self.read_from)
    }

    /// Whether an event at `at` would have been read.
    fn covers(&self, at: DateTime<Utc>) -> bool {
        self.covered.is_some_and(|[first, last]| first.max(self.read_from) <= at && at <= last)
    }
}

impl Devices {
    /// Derives all that is proven from the ledger's events and from IAM state.
    pub(super) fn new(
        ledger: &Ledger<'_>,
        id: EntityId,
        entity: &Entity<'_>,
        iam: Option<&IamState>,
        bounds: Bounds,
    ) -> Self {
        let reader = Reader { ledger, id, entity, facts: Facts::of(ledger, entity, iam), bounds };
        let mut devices = Self {
            spans: Vec::new(),
            missing: Vec::new(),
            timelines: reader.timelines(),
            together: Together::default(),
            complete: Completeness::Never,
            dated: Vec::new(),
            unseen: None,
            none: reader.facts.none,
        };
        devices.together = Together::new(&devices.timelines);
        for (serial, timeline) in &devices.timelines {
            let missing = reader.missing(serial, timeline);
            devices.spans.extend(spans(serial, timeline, &missing));
            devices.missing.extend(missing);
            devices
                .dated
                .extend(timeline.proofs().iter().filter(|proof| proof.basis == Basis::Date).map(|proof| proof.key));
        }
        let unseen = reader.facts.some.filter(|key| devices.active(*key, true) == 0 && !devices.disputed_at(*key));
        // Where the archive tells nothing of its devices, the user's deletion still proves that there was none at its end.
        let unseen = unseen.map(|key| (key, reader.empty_since(key.time)));
        if let Some((key, since)) = unseen.filter(|(key, since)| since.is_some() || reader.deleted_after(*key)) {
            devices.unseen = Some(key);
            let unnamed = reader.unseen_timeline(key);
            devices.missing.extend(reader.missing(UNSEEN, &unnamed));
            devices.spans.extend(spans(UNSEEN, &unnamed, &devices.missing));
            devices.timelines.insert(UNSEEN.to_owned(), unnamed);
            devices.together = Together::new(&devices.timelines);
            let between = since.map(|since| [since, key.time]);
            devices.missing.extend(between.map(|between| Missing::new(None, FindingCode::UnseenDevice, between)));
        }
        devices.complete = match (devices.unseen, reader.known_whole(), entity.created) {
            (Some(_), ..) => Completeness::Never,
            (None, true, _) => Completeness::Always,
            (None, false, Some(created)) => Completeness::Since(created),
            (None, false, None) => Completeness::Never,
        };
        devices
    }

    /// How many devices are known to be active right before the place (`after = false`) or right after it.
    pub(super) fn active(&self, key: Key, after: bool) -> usize {
        self.together.active(key, after)
    }

    /// Whether what is proven of a device before the place and after it contradict each other: it may have been active there.
    fn disputed_at(&self, key: Key) -> bool {
        let around = |(earlier, later): (Proof, Proof)| earlier.key < key && key < later.key;
        self.timelines.values().any(|timeline| timeline.contradictions().any(around))
    }

    /// Since when the set of known devices is known to be whole.
    pub(super) fn known(&self) -> Completeness {
        self.complete
    }

    /// Whether all devices are known at the event at `index`.
    pub(super) fn complete_at(&self, index: EventId) -> bool {
        match self.complete {
            Completeness::Always => true,
            Completeness::Since(created) => created <= index,
            Completeness::Never => false,
        }
    }

    /// Whether a device was ever active before the place.
    pub(super) fn had_any_before(&self, key: Key) -> bool {
        self.together.first.is_some_and(|first| first < key) || self.active(key, false) > 0
    }

    /// Whether the event at `index` gives a missing enrollment away: it finds a device active that was not.
    pub(super) fn given_away_by(&self, index: EventId) -> bool {
        self.together.given_away.contains(&index)
    }

    /// Enrollments that only IAM dates, in order.
    pub(super) fn dated(&self) -> &[Key] {
        &self.dated
    }

    /// The serial number of the device that IAM says was enabled there.
    pub(super) fn enabled_at(&self, key: Key) -> Option<&str> {
        self.together.dated.get(&key).map(String::as_str)
    }

    /// The last place at or before `key` at which a device came or went.
    pub(super) fn last_change(&self, key: Key) -> Option<Key> {
        self.together.changes.range(..=key).next_back().copied()
    }

    /// Where IAM says that there is a device which no input names.
    pub(super) fn unseen(&self) -> Option<Key> {
        self.unseen
    }

    /// Where IAM shows the principal without any device.
    pub(super) fn shown_without(&self) -> Option<Key> {
        self.none
    }

    /// Events that prove that a device was taken away before, unseen: from then on the principal is without it.
    pub(super) fn lost_unseen(&self) -> Vec<(Key, EventId)> {
        let contradictions = self.timelines.values().flat_map(Timeline::contradictions);
        let lost = contradictions.filter(|(earlier, later)| earlier.after == Some(true) && later.after == Some(false));
        let by_event = |(_, later): (Proof, Proof)| match later.basis {
            Basis::Event(index) => Some((later.key, index)),
            Basis::Date | Basis::Iam => None,
        };
        lost.filter_map(by_event).collect()
    }
}

/// What all devices together come to, so that none is asked at every event: a record can name as many as its writer likes.
#[derive(Debug, Default)]
struct Together {
    /// From a place on, so many devices are known to be active; before all places it is the first count.
    active: Vec<(Option<(Key, u8)>, usize)>,
    /// The first place at which one is known to be active.
    first: Option<Key>,
    /// Where one came or went.
    changes: BTreeSet<Key>,
    /// Events that find a device active that was not.
    given_away: BTreeSet<EventId>,
    /// The first device whose enrollment IAM dates to a place.
    dated: BTreeMap<Key, String>,
}

impl Together {
    fn new(timelines: &BTreeMap<String, Timeline>) -> Self {
        let mut together = Self { first: timelines.values().filter_map(Timeline::first).min(), ..Self::default() };
        let mut count = 0;
        let mut steps = Vec::new();
        for (serial, timeline) in timelines {
            let (mut active, own) = timeline.steps();
            count += usize::from(active);
            for (place, now) in own {
                if now != active {
                    steps.push((place, now));
                    active = now;
                }
            }
            for proof in timeline.proofs() {
                if proof.before.zip(proof.after).is_some_and(|(before, after)| before != after) {
                    together.changes.insert(proof.key);
                }
                if proof.basis == Basis::Date {
                    together.dated.entry(proof.key).or_insert_with(|| serial.clone());
                }
            }
            let given_away = timeline.contradictions().filter(|(_, later)| later.before == Some(true));
            together.given_away.extend(given_away.filter_map(|(_, later)| match later.basis {
                Basis::Event(index) => Some(index),
                Basis::Date | Basis::Iam => None,
            }));
        }
        // Most principals have hardly any, and there may be many of them.
        together.active.reserve_exact(1 + steps.len());
        together.active.push((None, count));
        steps.sort_unstable();
        for (place, now) in steps {
            count = if now { count + 1 } else { count.saturating_sub(1) };
            together.active.push((Some(place), count));
        }
        together
    }

    fn active(&self, key: Key, after: bool) -> usize {
        let place = Some((key, u8::from(after)));
        let behind = self.active.partition_point(|(from, _)| *from <= place);
        behind.checked_sub(1).and_then(|last| self.active.get(last)).map_or(0, |(_, count)| *count)
    }
}

/// What IAM tells of one principal's devices, each at its place.
#[derive(Debug, Default)]
struct Facts {
    /// Devices that IAM lists for it, in order of serial number.
    listed: Vec<Device>,
    /// Where `listed` holds all.
    all: Option<Key>,
    /// Where `listed` holds all virtual ones.
    all_virtual: Option<Key>,
    /// Where `listed` was read.
    read: Option<Key>,
    /// Where it has at least one.
    some: Option<Key>,
    /// Where it has none.
    none: Option<Key>,
    /// By serial number where devices were enrolled for another: right before that they were nobody's.
    others: BTreeMap<String, Vec<Key>>,
}

impl Facts {
    fn of(ledger: &Ledger<'_>, entity: &Entity<'_>, iam: Option<&IamState>) -> Self {
        let Some((iam, state)) = iam.and_then(|iam| Some((iam, iam.accounts.get(&entity.account)?))) else {
            return Self::default();
        };
        let lists = iam.as_of(&entity.account);
        // What was said before a deletion holds, and nothing after.
        let deleted = entity.deleted.and_then(|index| ledger.events.get(index)).map(|event| &**event);
        let place = |as_of: Option<AsOf>| {
            let key = fact_key(as_of.unwrap_or(lists), changes(ledger, entity).chain(deleted))?;
            deleted.is_none_or(|deletion| key.time < deletion.time).then_some(key)
        };
        let all = match entity.iam {
            IamEntry::User(user) => user.devices.as_ref(),
            _ => None,
        };
        let (active, active_as_of) = match entity.iam {
            IamEntry::Root(root) => (root.mfa_active, root.mfa_active_as_of),
            IamEntry::User(user) => (user.mfa_active, user.mfa_active_as_of),
            IamEntry::Untold | IamEntry::Gone => (None, None),
        };
        let read = place(None);
        let assigned = virtual_devices_of(ledger, entity, state, lists);
        let all_virtual = read.filter(|_| assigned.is_some());
        let mine: BTreeSet<&str> = assigned.iter().flatten().map(|device| device.serial.as_str()).collect();
        // Only of devices that the principal's own events name: an account may have thousands of others.
        let own = entity.events.iter().filter_map(|index| ledger.events.get(*index)?.action.serial());
        let own: BTreeSet<&str> = own.collect();
        let itself = |user: &UserState| matches!(entity.iam, IamEntry::User(own) if std::ptr::eq(own, user));
        let mut others: BTreeMap<String, Vec<Key>> = BTreeMap::new();
        for serial in own {
            let elsewhere = ledger.listed.virtual_devices(&entity.account, serial);
            let elsewhere = elsewhere.filter(|listed| listed.owner.is_some() && !mine.contains(serial));
            let of_users = ledger.listed.holders(&entity.account, serial).iter().filter(|(user, _)| !itself(user));
            let devices = elsewhere.map(|listed| &listed.device).chain(of_users.map(|(_, device)| *device));
            let enabled = devices.filter_map(|device| device.enabled_at);
            let keys = enabled.filter(|at| read.is_some_and(|read| *at <= read.time)).map(Key::enrollment);
            others.entry(serial.to_owned()).or_default().extend(keys);
        }
        let mut listed: Vec<Device> = match all {
            Some(all) => all.clone(),
            None => assigned.unwrap_or_default(),
        };
        listed.retain(|_| read.is_some());
        listed.sort_by(|a, b| a.serial.cmp(&b.serial));
        let at = active.zip(place(active_as_of));
        // A list is more than a word: that a device is enabled before is not denied by a report.
        let contradicted =
            |at: &Key| listed.iter().any(|device| device.enabled_at.is_some_and(|enabled| enabled <= at.time));
        let none = match all {
            Some(all) => read.filter(|_| all.is_empty()),
            None => at.filter(|(active, at)| !active && !contradicted(at)).map(|(_, at)| at),
        };
        let some = at.filter(|(active, _)| *active).map(|(_, at)| at);
        Self { listed, all: read.filter(|_| all.is_some()), all_virtual, read, some, none, others }
    }
}

/// The principal's successful events that change its devices.
fn changes<'l>(ledger: &'l Ledger<'_>, entity: &'l Entity<'_>) -> impl Iterator<Item = &'l Event> {
    let own = entity.events.iter().filter_map(|index| ledger.events.get(*index)).map(|event| &**event);
    own.filter(|event| {
        event.succeeded() && matches!(event.action, Action::DeviceEnabled { .. } | Action::DeviceDeactivated { .. })
    })
}

/// The devices that the list assigns to the principal: to its id, or to the name that it bore when the list was read.
fn virtual_devices_of(
    ledger: &Ledger<'_>,
    entity: &Entity<'_>,
    state: &AccountState,
    lists: AsOf,
) -> Option<Vec<Device>> {
    if state.virtual_devices.is_none() || entity.kind == PrincipalKind::IdentityCenter {
        return None;
    }
    let mine = |owner: &DeviceOwner| match (entity.kind, owner) {
        (PrincipalKind::Root, DeviceOwner::Root) => true,
        (PrincipalKind::IamUser, DeviceOwner::User { name, id }) => match (id, &entity.id) {
            (Some(theirs), Some(mine)) => theirs == mine,
            _ => [lists.earliest, lists.latest].into_iter().any(|time| entity.is_called(name, time)),
        },
        _ => false,
    };
    let names = entity.names.iter().map(|span| span.name.as_str());
    let listed = ledger.listed.perhaps_of(&entity.account, entity.kind, entity.id.as_deref(), names);
    Some(listed.filter(|listed| listed.owner.as_ref().is_some_and(mine)).map(|listed| listed.device.clone()).collect())
}

/// Whether a serial number is a virtual device's, whose ARN says so.
fn is_virtual(serial: &str) -> bool {
    Arn::parse(serial).is_some_and(|arn| arn.resource_of("mfa").is_some())
}

/// What an event proves of the device that it names, for the principal that it is about.
fn own_proof(action: &Action) -> Option<(bool, bool)> {
    match action {
        Action::DeviceEnabled { .. } => Some((false, true)),
        Action::DeviceDeactivated { .. } => Some((true, false)),
        Action::DeviceResynced { .. }
        | Action::SessionToken { .. }
        | Action::ConsoleLogin { mfa_used: Some(true), .. } => Some((true, true)),
        _ => None,
    }
}

/// How much earlier or later than its event IAM may date an enrollment: two clocks of one second each.
const CLOCKS: TimeDelta = TimeDelta::seconds(2);

struct Reader<'e, 'a> {
    ledger: &'e Ledger<'a>,
    id: EntityId,
    entity: &'e Entity<'a>,
    facts: Facts,
    bounds: Bounds,
}

impl Reader<'_, '_> {
    fn own(&self) -> impl Iterator<Item = (EventId, &Event)> {
        let events = self.entity.events.iter().filter_map(|index| Some((*index, &**self.ledger.events.get(*index)?)));
        events.filter(|(_, event)| event.succeeded())
    }

    fn proof(&self, index: EventId, before: Option<bool>, after: Option<bool>) -> Option<Proof> {
        let key = Key::event(&self.ledger.events, index)?;
        Some(Proof { key, before, after, basis: Basis::Event(index) })
    }

    fn timelines(&self) -> BTreeMap<String, Timeline> {
        let mut proofs = self.own_proofs();
        for device in &self.facts.listed {
            proofs.entry(device.serial.clone()).or_default();
        }
        let whole = self.whole_proofs();
        let timelines = proofs.into_iter().map(|(serial, mut own)| {
            let elsewhere = self.facts.others.get(&serial).into_iter().flatten();
            let of_iam = self.iam_proofs(&serial, &own);
            own.extend(elsewhere.map(|key| Proof::constant(*key, false, Basis::Iam)));
            own.extend(of_iam);
            own.extend(&whole);
            own.extend(self.foreign_proofs(&serial, own.iter().map(|proof| proof.key)));
            (serial, Timeline::new(own, self.bounds.from()))
        });
        timelines.collect()
    }

    /// By the principal's own events. An enrollment that names no device (Identity Center's may not) still protects: the
    /// next device that is seen in use is taken for it.
    fn own_proofs(&self) -> BTreeMap<String, Vec<Proof>> {
        let mut proofs: BTreeMap<String, Vec<Proof>> = BTreeMap::new();
        let mut active: BTreeSet<String> = BTreeSet::new();
        for (index, event) in self.own() {
            let Some((before, after)) = own_proof(&event.action) else { continue };
            let serial = match (event.action.serial(), &event.action) {
                (Some(serial), _) => serial.to_owned(),
                (None, Action::DeviceDeactivated { .. }) => {
                    active.first().cloned().unwrap_or_else(|| anonymous(&event.id))
                }
                (None, Action::DeviceEnabled { .. }) => anonymous(&event.id),
                (None, _) => continue,
            };
            if before
                && !proofs.contains_key(&serial)
                && let Some(unnamed) =
                    active.range(ANONYMOUS.to_string()..).next().filter(|known| is_anonymous(known)).cloned()
            {
                active.remove(&unnamed);
                let own = proofs.remove(&unnamed).unwrap_or_default();
                proofs.insert(serial.clone(), own);
            }
            if after {
                active.insert(serial.clone())
            } else {
                active.remove(&serial)
            };
            // What is contradicted proves nothing of before: that would find an enrollment that nobody saw.
            let before = Some(before).filter(|_| !event.is_disputed());
            proofs.entry(serial).or_default().extend(self.proof(index, before, Some(after)));
        }
        proofs
    }

    /// By what others did with the device, and by its entity's making and deletion: then it is nobody's. Between two of the
    /// `others`, the places of all that is proven else, the first and the last of these tell what all tell: a thousand users of one
    /// device would else each have the proofs of all.
    fn foreign_proofs(&self, serial: &str, others: impl Iterator<Item = Key>) -> Vec<Proof> {
        let uses = self.ledger.uses_of(&self.entity.account, serial);
        let key = |one: &Use| Key::event(&self.ledger.events, one.index);
        let mut bounds: Vec<usize> =
            others.map(|other| uses.partition_point(|one| key(one).is_some_and(|key| key <= other))).collect();
        bounds.extend([0, uses.len()]);
        bounds.sort_unstable();
        bounds.dedup();
        let foreign = |one: &&Use| one.owner != Some(self.id);
        let mut proofs = Vec::new();
        for between in bounds.windows(2).filter_map(|pair| uses.get(*pair.first()?..*pair.last()?)) {
            let first = between.iter().find(foreign);
            let last = between.iter().rfind(foreign).filter(|last| Some(*last) != first);
            let indices = first.into_iter().chain(last).map(|one| one.index);
            proofs.extend(indices.filter_map(|index| self.proof(index, Some(false), Some(false))));
        }
        proofs
    }

    /// By the user's creation and deletion, and by IAM's word that there is no device.
    fn whole_proofs(&self) -> Vec<Proof> {
        let created = self.entity.created.and_then(|index| self.proof(index, None, Some(false)));
        let deleted = self.entity.deleted.and_then(|index| self.proof(index, Some(false), Some(false)));
        let none = self.facts.none.map(|key| Proof::constant(key, false, Basis::Iam));
        created.into_iter().chain(deleted).chain(none).collect()
    }

    /// By IAM's lists, which hold the device or lack it.
    fn iam_proofs(&self, serial: &str, own: &[Proof]) -> Vec<Proof> {
        let Facts { listed, all, all_virtual, read, none, .. } = &self.facts;
        let place = listed.partition_point(|device| device.serial.as_str() < serial);
        if let Some(device) = listed.get(place).filter(|device| device.serial == serial) {
            let date = device.enabled_at.filter(|at| read.is_some_and(|read| *at <= read.time));
            let date = date.filter(|at| !self.has_enrollment(own, *at)).map(Key::enrollment);
            let date = date.map(|key| Proof { key, before: Some(false), after: Some(true), basis: Basis::Date });
            return date.into_iter().chain(read.map(|key| Proof::constant(key, true, Basis::Iam))).collect();
        }
        let lacking = all.or(all_virtual.filter(|_| is_virtual(serial)));
        let lacking = lacking.filter(|key| !is_anonymous(serial) && Some(*key) != *none);
        lacking.map(|key| Proof::constant(key, false, Basis::Iam)).into_iter().collect()
    }

    /// Whether the archive has the enrollment that IAM dates.
    fn has_enrollment(&self, own: &[Proof], at: DateTime<Utc>) -> bool {
        own.iter().any(|proof| {
            (proof.before, proof.after) == (Some(false), Some(true)) && (proof.key.time - at).abs() <= CLOCKS
        })
    }

    fn known_whole(&self) -> bool {
        let told = [self.facts.all, self.facts.none].into_iter().flatten();
        // What happened between an older snapshot and the first event that was read is not known.
        told.map(|key| key.time).any(|time| time >= self.bounds.read_from) || self.entity.deleted.is_some()
    }

    fn missing(&self, serial: &str, timeline: &Timeline) -> Vec<Missing> {
        let device = (!is_anonymous(serial)).then(|| serial.to_owned());
        let finding = |code: FindingCode, from: DateTime<Utc>, to: DateTime<Utc>| {
            Missing::new(device.clone(), code, [from.min(to), to])
        };
        let contradicting = timeline.contradictions().map(|(earlier, later)| {
            let code = self.code(earlier, later);
            let from = match (code, later.basis) {
                (FindingCode::EnableNotInArchive, Basis::Iam) => {
                    self.after_last_change(earlier.key.time, later.key.time)
                }
                _ => earlier.key.time,
            };
            finding(code, from, later.key.time)
        });
        let mut missing: Vec<Missing> = contradicting.collect();
        let dated = timeline.proofs().iter().enumerate().filter(|(_, proof)| proof.basis == Basis::Date);
        for (place, proof) in dated {
            let at = proof.key.time;
            let earlier = place.checked_sub(1).and_then(|before| timeline.proofs().get(before));
            match earlier {
                // A contradiction: named already.
                Some(earlier) if earlier.after == Some(true) => {}
                Some(earlier) => missing.push(finding(FindingCode::EnableNotInArchive, earlier.key.time, at)),
                // Before the archive: normal.
                None if !self.bounds.covers(at) => {}
                None => missing.push(finding(FindingCode::EnableNotInArchive, at, at)),
            }
        }
        missing
    }

    fn code(&self, earlier: Proof, later: Proof) -> FindingCode {
        match (earlier.after, later.basis) {
            (Some(false), _) | (_, Basis::Date) => FindingCode::EnableNotInArchive,
            (_, Basis::Iam) => FindingCode::DeactivateNotInArchive,
            (_, Basis::Event(index)) if self.entity.deleted == Some(index) && self.ledger.lacks(self.entity) => {
                FindingCode::DeactivateNotInArchive
            }
            (_, Basis::Event(_)) => FindingCode::StateContradicts,
        }
    }

    /// The last moment before `at` at which the principal's devices are known: it enabled or lost one, or the first record
    /// of the account was written.
    fn last_change_before(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let own = changes(self.ledger, self.entity).map(|event| event.time).filter(|time| *time <= at).max();
        own.or_else(|| self.bounds.start().filter(|start| *start <= at))
    }

    fn after_last_change(&self, since: DateTime<Utc>, at: DateTime<Utc>) -> DateTime<Utc> {
        self.last_change_before(at).map_or(since, |known| known.max(since))
    }

    /// The device that IAM says is there at `key`, and nothing names: before nothing is known of it.
    fn unseen_timeline(&self, key: Key) -> Timeline {
        let mut proofs = self.whole_proofs();
        proofs.push(Proof { key, before: None, after: Some(true), basis: Basis::Iam });
        proofs.extend(self.facts.all.filter(|all| *all > key).map(|all| Proof::constant(all, false, Basis::Iam)));
        Timeline::new(proofs, self.bounds.from())
    }

    /// Whether the user's deletion was seen after the place.
    fn deleted_after(&self, key: Key) -> bool {
        let deletion = self.entity.deleted.and_then(|index| Key::event(&self.ledger.events, index));
        deletion.is_some_and(|deletion| key < deletion)
    }

    /// Since when the archive has the principal without any device at `at`: its last removal, or the user's creation; `None`
    /// where the archive tells nothing of its devices.
    fn empty_since(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let empties = |action: &Action| matches!(action, Action::DeviceDeactivated { .. } | Action::UserCreated);
        self.own().filter(|(_, event)| empties(&event.action) && event.time <= at).map(|(_, event)| event.time).max()
    }
}

/// The intervals in which a device was active; in the interval of a finding it is not.
fn spans(serial: &str, timeline: &Timeline, missing: &[Missing]) -> Vec<Span> {
    let mut spans = Vec::new();
    let span = |from: Option<Point>, unseen_after: Option<DateTime<Utc>>| Span {
        serial: serial.to_owned(),
        from,
        to: None,
        unseen_after,
        removed_unseen: false,
    };
    let mut open: Option<Span> = None;
    let mut earlier: Option<Proof> = None;
    for proof in timeline.proofs() {
        let before = earlier.and_then(|earlier| earlier.after);
        match (open.take(), proof.before) {
            (Some(active), Some(false)) => {
                spans.push(Span { to: Some(Point::from(*proof)), removed_unseen: true, ..active });
            }
            (None, Some(true)) if before == Some(false) => {
                open = Some(span(Some(Point::from(*proof)), earlier.map(|earlier| earlier.key.time)));
            }
            (None, Some(true)) => open = Some(span(None, None)),
            (active, _) => open = active,
        }
        match (open.take(), proof.after) {
            (Some(active), Some(false)) => spans.push(Span { to: Some(Point::from(*proof)), ..active }),
            (None, Some(true)) => {
                let dated = |missing: &&Missing| {
                    proof.basis == Basis::Date
                        && missing.device.as_deref() == Some(serial)
                        && missing.between[1] == proof.key.time
                };
                let unseen_after = missing.iter().find(dated).map(|missing| missing.between[0]);
                open = Some(span(Some(Point::from(*proof)), unseen_after));
            }
            (active, _) => open = active,
        }
        earlier = Some(*proof);
    }
    spans.extend(open);
    spans
}

/// The device that IAM's `mfa_active` alone tells of.
const UNSEEN: &str = "?unseen";

/// What the name of a device begins with that no record names.
const ANONYMOUS: char = '?';

fn anonymous(what: &str) -> String {
    format!("{ANONYMOUS}{what}")
}

fn is_anonymous(serial: &str) -> bool {
    serial.starts_with(ANONYMOUS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cloudtrail::{Actor, ActorKind};
    use crate::exposure::ids::Id as _;
    use crate::mfa::{Failure, Lineage, Names, Target, Text};

    fn proofs() -> impl Strategy<Value = Vec<Proof>> {
        let word = || prop::option::of(any::<bool>());
        let proof = (0_i64..6, any::<bool>(), word(), word(), 0_usize..3);
        let proof = proof.prop_map(|(second, dated, before, after, basis)| {
            let time = DateTime::from_timestamp(second, 0).unwrap_or_default();
            let key = if dated { Key::enrollment(time) } else { Key::snapshot(time) };
            let basis = [Basis::Date, Basis::Iam, Basis::Event(EventId::from_place(7))][basis];
            Proof { key, before, after, basis }
        });
        prop::collection::vec(proof, 0..6)
    }

    /// When who did what with which device, and whether it failed.
    type Deed = (i64, usize, usize, usize, bool);
    type Holding = (usize, usize, i64);

    /// Three users, two devices: who did what with which, second by second, and what IAM lists after some of them.
    #[derive(Debug, Clone)]
    struct Story {
        deeds: Vec<Deed>,
        /// When, and who has which device since when.
        listed: Option<(i64, Vec<Holding>)>,
    }

    fn story() -> impl Strategy<Value = Story> {
        let deed = (0_i64..12, 0_usize..3, 0_usize..2, 0_usize..8, prop::bool::weighted(0.1));
        let listed = (0_i64..14, prop::collection::vec((0_usize..3, 0_usize..2, 0_i64..12), 0..4));
        (prop::collection::vec(deed, 0..24), prop::option::of(listed))
            .prop_map(|(deeds, listed)| Story { deeds, listed })
    }

    const ACCOUNT: &str = "111122223333";

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + second, 0).unwrap_or_default()
    }

    impl Story {
        fn events(&self) -> Vec<Event> {
            let event = |(number, (second, user, device, what, failed)): (usize, &Deed)| {
                let serial = Some(format!("arn:aws:iam::{ACCOUNT}:mfa/{device}"));
                let user = Target::User { name: Some(format!("user-{user}")), id: None };
                let (action, target) = match what {
                    0 | 1 => (Action::DeviceEnabled { serial }, user),
                    2 | 3 => (Action::DeviceDeactivated { serial }, user),
                    4 => (Action::DeviceResynced { serial }, user),
                    5 => (Action::DeviceCreated { serial }, Target::Nobody),
                    6 => (Action::DeviceDeleted { serial }, Target::DeviceOnly),
                    _ => (Action::UserDeleted, user),
                };
                let actor = Actor {
                    kind: ActorKind::Other,
                    account: None,
                    id: None,
                    name: None,
                    arn: None,
                    access_key: None,
                    issuer: None,
                };
                let failure = failed.then(|| Failure { code: None, message: None }.into());
                Event {
                    id: number.to_string(),
                    time: at(*second),
                    account: ACCOUNT.into(),
                    region: Text::default(),
                    source: Text::default(),
                    name: Text::default(),
                    action,
                    target,
                    actor: actor.into(),
                    actor_mfa: None,
                    source_ip: None,
                    user_agent: None,
                    failure,
                    objects: Names::default(),
                    delivered_at: None,
                    lineage: Lineage::default(),
                }
            };
            self.deeds.iter().enumerate().map(event).collect()
        }

        fn iam(&self) -> Option<IamState> {
            let (second, devices) = self.listed.as_ref()?;
            let user = |user: usize| UserState {
                name: format!("user-{user}"),
                devices: Some(
                    devices
                        .iter()
                        .filter(|(owner, ..)| *owner == user)
                        .map(|(_, device, enabled)| Device {
                            serial: format!("arn:aws:iam::{ACCOUNT}:mfa/{device}"),
                            enabled_at: Some(at(*enabled)),
                        })
                        .collect(),
                ),
                ..UserState::default()
            };
            let account = AccountState { users: (0..3).map(user).collect(), ..AccountState::default() };
            Some(IamState {
                taken_at: at(*second),
                accounts: [(ACCOUNT.to_owned(), account)].into(),
                missing: Vec::new(),
            })
        }
    }

    impl Reader<'_, '_> {
        /// What a device's timeline is with everything that others did with it.
        fn plain_timeline(&self, serial: &str, mut own: Vec<Proof>) -> Timeline {
            let events = &self.ledger.events;
            let named = |event: &Event| event.succeeded() && event.action.serial() == Some(serial);
            let removes =
                |action: &Action| matches!(action, Action::DeviceDeactivated { .. } | Action::DeviceDeleted { .. });
            let removed = |time: DateTime<Utc>| {
                events.values().any(|event| named(event) && removes(&event.action) && event.time == time)
            };
            let of_nobody = |event: &Event, owner: Option<EntityId>| match event.action {
                Action::DeviceDeleted { .. } => true,
                Action::DeviceCreated { .. } => !removed(event.time),
                _ => owner.is_some_and(|owner| owner != self.id),
            };
            let nobody = events.iter().zip(self.ledger.owners.values());
            let nobody = nobody.filter(|((_, event), owner)| named(event) && of_nobody(event, **owner));
            own.extend(nobody.filter_map(|((index, _), _)| self.proof(index, Some(false), Some(false))));
            let elsewhere = self.facts.others.get(serial).into_iter().flatten();
            own.extend(elsewhere.map(|key| Proof::constant(*key, false, Basis::Iam)));
            own.extend(self.iam_proofs(serial, &own));
            own.extend(self.whole_proofs());
            Timeline::new(own, self.bounds.from())
        }
    }

    proptest! {
        /// Of what others did with a device, the first and the last between two places tell what all tell.
        #[test]
        fn a_timeline_says_what_it_says_with_all_that_others_did(story in story(), from in 0_i64..6) {
            let (events, iam) = (story.events(), story.iam());
            let ledger = Ledger::new(events.iter(), &[], iam.as_ref());
            let bounds = Bounds { covered: Some([at(0), at(12)]), read_from: at(from) };
            let keys = || ledger.events.iter().filter_map(|(index, _)| Key::event(&ledger.events, index));
            for (id, entity) in ledger.entities.iter() {
                let facts = Facts::of(&ledger, entity, iam.as_ref());
                let reader = Reader { ledger: &ledger, id, entity, facts, bounds };
                let mut own = reader.own_proofs();
                let timelines = reader.timelines();
                let plain: BTreeMap<String, Timeline> = timelines
                    .keys()
                    .map(|serial| (serial.clone(), reader.plain_timeline(serial, own.remove(serial).unwrap_or_default())))
                    .collect();
                for (serial, timeline) in &timelines {
                    let plain = &plain[serial];
                    let contradictions = |of: &Timeline| of.contradictions().collect::<Vec<_>>();
                    prop_assert_eq!(contradictions(timeline), contradictions(plain));
                    let (missing, all) = (reader.missing(serial, timeline), reader.missing(serial, plain));
                    prop_assert_eq!(&missing, &all);
                    prop_assert_eq!(spans(serial, timeline, &missing), spans(serial, plain, &all));
                    for key in keys() {
                        let states = |of: &Timeline| [false, true].map(|after| of.state(key, after));
                        prop_assert_eq!(states(timeline), states(plain), "{} {:?}", serial, key);
                    }
                }
                let [sparse, whole] = [Together::new(&timelines), Together::new(&plain)];
                prop_assert_eq!(sparse.first, whole.first);
                prop_assert_eq!(&sparse.changes, &whole.changes);
                prop_assert_eq!(&sparse.given_away, &whole.given_away);
                for key in keys() {
                    let active = |of: &Together| [false, true].map(|after| of.active(key, after));
                    prop_assert_eq!(active(&sparse), active(&whole));
                }
            }
        }

        /// What is kept of all devices together is what each says for itself.
        #[test]
        fn all_devices_together_are_each_of_them(devices in prop::collection::vec(proofs(), 0..4)) {
            let start = DateTime::<Utc>::MIN_UTC;
            let timelines: BTreeMap<String, Timeline> =
                devices.into_iter().enumerate().map(|(n, own)| (n.to_string(), Timeline::new(own, start))).collect();
            let together = Together::new(&timelines);
            let times = (-1..7).filter_map(|second| DateTime::from_timestamp(second, 0));
            for key in times.flat_map(|time| [Key::enrollment(time), Key::snapshot(time)]) {
                for after in [false, true] {
                    let active = timelines.values().filter(|one| one.state(key, after) == Some(true)).count();
                    prop_assert_eq!(together.active(key, after), active, "{:?} {}", key, after);
                }
                let proofs = || timelines.values().flat_map(|one| one.proofs().iter());
                let holds = |proof: &&Proof| proof.before == Some(true) || proof.after == Some(true);
                let before = proofs().filter(holds).any(|proof| proof.key < key);
                prop_assert_eq!(together.first.is_some_and(|first| first < key), before);
                let changes = proofs().filter(|proof| proof.before.zip(proof.after).is_some_and(|(b, a)| b != a));
                let last = changes.map(|proof| proof.key).filter(|change| *change <= key).max();
                prop_assert_eq!(together.changes.range(..=key).next_back().copied(), last);
            }
        }
    }
}
