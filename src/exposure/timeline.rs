//! What is proven of one yes-or-no fact over time: a device is active, there is a console password, everything is denied.
//!
//! A success proves what AWS demands for it, before and after; IAM's state proves it at its moment. What is proven holds
//! in both directions, up to the next proof. Where two neighbors contradict each other an event is missing between
//! them, and the fact is unknown there.

use chrono::{DateTime, Utc};

use super::ids::Id as _;
use super::ledger::{EventId, Events};
use crate::contract::FindingCode;
use crate::inventory::AsOf;
use crate::mfa::{Action, Event};

/// A place in the order of everything: events by time, meaning and id; an enrollment that IAM dates stands where an
/// enrollment stands in its second, IAM's state after all events of its second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) time: DateTime<Utc>,
    /// Twice the rank of an event's action, so that an enrollment known by its date alone has a place between two.
    rank: u8,
    index: usize,
}

impl Key {
    pub(super) fn event(events: &Events<'_>, index: EventId) -> Option<Self> {
        let event = events.get(index)?;
        Some(Self { time: event.time, rank: event.action.rank() * 2, index: index.place() })
    }

    pub(super) fn enrollment(time: DateTime<Utc>) -> Self {
        Self { time, rank: Action::DeviceEnabled { serial: None }.rank() * 2 + 1, index: 0 }
    }

    pub(super) fn snapshot(time: DateTime<Utc>) -> Self {
        Self { time, rank: u8::MAX, index: 0 }
    }
}

/// What a proof comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// An event, by its index.
    Event(EventId),
    /// `EnableDate`.
    Date,
    /// IAM's state.
    Iam,
}

/// What is proven right before and right after one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) key: Key,
    pub(super) before: Option<bool>,
    pub(super) after: Option<bool>,
    pub(super) basis: Basis,
}

impl Proof {
    /// The fact does not change there.
    pub(super) fn constant(key: Key, value: bool, basis: Basis) -> Self {
        Self { key, before: Some(value), after: Some(value), basis }
    }
}

/// A place (0: right before an event, 1: right after it, 2: from there on), and whether the fact is known to hold from it on.
pub(super) type Step = ((Key, u8), bool);

/// The proofs of one fact, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Timeline(Vec<Proof>);

impl Timeline {
    /// `start` is where reading began: what happened between an older word of IAM and that is not known, so that the word
    /// holds no longer, and hides nothing that came later.
    pub(super) fn new(mut proofs: Vec<Proof>, start: DateTime<Utc>) -> Self {
        if proofs.iter().any(|proof| proof.basis == Basis::Iam && proof.key.time < start) {
            let key = Key { time: start, rank: 0, index: 0 };
            proofs.push(Proof { key, before: None, after: None, basis: Basis::Iam });
        }
        proofs.sort_by_key(|proof| proof.key);
        Self(proofs)
    }

    pub(super) fn proofs(&self) -> &[Proof] {
        &self.0
    }

    /// The fact right before the place, or right after it; `None` where nothing proves it, or where proofs disagree.
    pub(super) fn state(&self, key: Key, after: bool) -> Option<bool> {
        let here = self.0.binary_search_by_key(&key, |proof| proof.key).ok().and_then(|place| self.0.get(place));
        // Disputed is only what lies between two proofs: at its own place a proof's word holds.
        if let Some(own) = here.and_then(|proof| if after { proof.after } else { proof.before }) {
            return Some(own);
        }
        let split = self.0.partition_point(|proof| proof.key < key || (after && proof.key == key));
        let (earlier, later) = self.0.split_at(split);
        let earlier = earlier.last().and_then(|proof| proof.after);
        let later = later.first().and_then(|proof| proof.before);
        match (earlier, later) {
            (Some(one), Some(other)) => (one == other).then_some(one),
            (one, other) => one.or(other),
        }
    }

    /// Whether the fact is known to hold before all proofs, and then right before the place of each, right after it, and from
    /// there on to the next: what [`Self::state`] says, of all places at once.
    pub(super) fn steps(&self) -> (bool, Vec<Step>) {
        let holds = |state: Option<bool>| state == Some(true);
        let mut steps = Vec::new();
        let mut chunks = self.0.chunk_by(|one, other| one.key == other.key).peekable();
        while let Some(chunk) = chunks.next() {
            let Some(last) = chunk.last() else { continue };
            let next = chunks.peek().and_then(|next| next.first()).and_then(|proof| proof.before);
            let between = match (last.after, next) {
                (Some(one), Some(other)) => (one == other).then_some(one),
                (one, other) => one.or(other),
            };
            let around = [self.state(last.key, false), self.state(last.key, true), between].map(holds);
            steps.extend((0..).zip(around).map(|(rank, state)| ((last.key, rank), state)));
        }
        (holds(self.0.first().and_then(|proof| proof.before)), steps)
    }

    /// Neighbors that contradict each other.
    pub(super) fn contradictions(&self) -> impl Iterator<Item = (Proof, Proof)> {
        self.0.windows(2).filter_map(|pair| {
            let [one, other] = pair else { return None };
            one.after.zip(other.before).filter(|(one, other)| one != other).map(|_| (*one, *other))
        })
    }

    /// The first place right before or after which the fact is proven to hold.
    pub(super) fn first(&self) -> Option<Key> {
        let holds = |proof: &&Proof| proof.before == Some(true) || proof.after == Some(true);
        self.0.iter().find(holds).map(|proof| proof.key)
    }
}

/// A contradiction: an event is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) device: Option<String>,
    pub(super) code: FindingCode,
    pub(super) between: [DateTime<Utc>; 2],
    /// Whether it lies between the archive's word and IAM's, and exposed the principal: it was given a password, or a denial
    /// ended.
    pub(super) exposes: bool,
}

impl Missing {
    pub(super) fn new(device: Option<String>, code: FindingCode, between: [DateTime<Utc>; 2]) -> Self {
        Self { device, code, between, exposes: false }
    }
}

/// Where IAM's fact stands among `events`, those that change the fact: at its latest moment. Where one of them lies between
/// its earliest and its latest moment the fact may be of before or after that one, and tells nothing.
pub(super) fn fact_key<'e>(as_of: AsOf, mut events: impl Iterator<Item = &'e Event>) -> Option<Key> {
    let ambiguous = |event: &Event| as_of.earliest < event.time && event.time <= as_of.latest;
    let ambiguous = as_of.earliest < as_of.latest && events.any(ambiguous);
    (!ambiguous).then(|| Key::snapshot(as_of.latest))
}
