//! Which records are one event: its copies in several objects, and the records that say it again with more.
//!
//! Whoever can write one object into an archive could take an event away by a record that bears its id. So records of one id are
//! one event only where their JSON values are equal. Otherwise all are kept, as a [`Conflict`], but for this: what lies in an
//! object that a digest proves outweighs what does not. A record whose `addendum` names another is that event, with the later
//! record's fields; one that takes back what the other says was done does not pass for an update.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::{Deref, Range};

use chrono::{DateTime, Utc};

use super::Event;
use super::event::Dispute;

/// Of so many things that are said of one act an update can be one: more say that somebody plays with it.
const LOOKED_AT: usize = 16;

/// What a record says was done, as far as it is kept.
pub trait Logged: Sized {
    /// Account and id.
    fn identity(&self) -> (&str, &str);
    /// The id of the record that this one says again.
    fn original(&self) -> Option<&str>;
    /// Any order that tells unequal contents of one identity apart.
    fn compare(&self, other: &Self) -> Ordering;
    /// Whether the contents of two records of one identity are equal, as far as is known.
    fn same(&self, other: &Self) -> bool;
    /// The objects that hold it.
    fn objects(&self) -> BTreeSet<String>;
    /// Whether a proven digest names one of them.
    fn is_verified(&self) -> bool;
    /// When it was delivered, and when it was done.
    fn at(&self) -> (Option<DateTime<Utc>>, DateTime<Utc>);
    /// Takes in a copy.
    fn absorb(&mut self, copy: &Self);
    /// Whether an update says less of what was done, or something else.
    fn is_taken_back_by(&self, update: &Self) -> bool;
    /// Takes over the fields of an update; the id stays.
    fn update(&mut self, update: Self);
    /// Takes the id of the event that it says something else of, and says none again.
    fn stand_beside(&mut self, id: &str);
    /// Marks what is said in several ways.
    fn dispute(variants: &mut [Self]);
}

/// Several records of one event that say different things.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// Its account.
    pub account: String,
    /// Its id.
    pub event_id: String,
    /// The objects that hold the records.
    pub objects: BTreeSet<String>,
    /// Those of them whose records count: all, or the ones that a digest proves.
    pub kept: BTreeSet<String>,
}

/// Leaves every event once, or once for each of the things that are said of it. The order is that of ids and accounts.
pub fn fold<T: Logged>(all: &mut Vec<T>) -> Vec<Conflict> {
    sort(all);
    absorb_copies(all);
    let acts = acts(all);
    if acts.is_empty() {
        return Vec::new();
    }
    let mut apart: BTreeMap<&(String, String), Vec<(usize, T)>> = BTreeMap::new();
    for (place, one) in std::mem::take(all).into_iter().enumerate() {
        match acts.get(&place) {
            None => all.push(one),
            Some((act, depth)) => apart.entry(act).or_default().push((*depth, one)),
        }
    }
    let mut conflicts = Vec::new();
    for ((account, _), records) in apart {
        conflicts.extend(retain(account, settled(records), all));
    }
    conflicts.sort();
    sort(all);
    conflicts
}

/// Leaves one of neighbors that bear one identity and say the same.
fn absorb_copies<T: Logged>(sorted: &mut Vec<T>) {
    sorted.dedup_by(|again, first| {
        let copy = first.identity() == again.identity() && first.same(again);
        if copy {
            first.absorb(again);
        }
        copy
    });
}

/// What bears one identity: events, by their places, and ordinary calls.
struct Shared<'c, C> {
    places: Vec<usize>,
    calls: &'c [C],
}

impl<C> Default for Shared<'_, C> {
    fn default() -> Self {
        Self { places: Vec::new(), calls: &[] }
    }
}

/// Sets events against what else bears their ids: records of other calls, of which no event is made. Where only one of the two is
/// proven by a digest it counts; otherwise both do, and the event makes nothing better. The `calls` are as [`fold`] leaves them: in
/// order of ids, so that those of an event are found without a look at all.
pub fn contest<C: Logged + Said>(events: &mut Vec<Event>, calls: &[C]) -> Vec<Conflict> {
    let mut shared: BTreeMap<(String, String), Shared<'_, C>> = BTreeMap::new();
    for (number, event) in events.iter().enumerate() {
        let (account, id) = event.identity();
        let bearers = bearers(calls, account, id);
        if bearers.is_empty() {
            continue;
        }
        let shared = shared.entry((account.to_owned(), id.to_owned())).or_default();
        shared.calls = calls.get(bearers).unwrap_or_default();
        shared.places.push(number);
    }
    let (mut conflicts, mut outweighed) = (Vec::new(), HashSet::new());
    for ((account, event_id), Shared { places, calls }) in shared {
        let own: Vec<&Event> = places.iter().filter_map(|place| events.get(*place)).collect();
        let deeds: BTreeSet<(i64, &str, &str)> = own.iter().map(|event| event.deed()).collect();
        let others: Vec<&C> = calls.iter().filter(|call| !deeds.contains(&call.deed())).collect();
        if others.is_empty() {
            continue;
        }
        let proven = [own.iter().any(|event| event.lineage.verified), others.iter().any(|call| call.is_verified())];
        let [event_counts, call_counts] = if proven[0] == proven[1] { [true; 2] } else { proven };
        let of_events: BTreeSet<String> = own.iter().flat_map(|event| event.objects.to_strings()).collect();
        let of_calls: BTreeSet<String> = others.iter().flat_map(|call| call.objects()).collect();
        let kept = [(event_counts, &of_events), (call_counts, &of_calls)];
        conflicts.push(Conflict {
            kept: kept.into_iter().filter(|(counts, _)| *counts).flat_map(|(_, objects)| objects.clone()).collect(),
            objects: of_events.union(&of_calls).cloned().collect(),
            account,
            event_id,
        });
        if !event_counts {
            outweighed.extend(places);
        } else if call_counts {
            for place in places {
                if let Some(event) = events.get_mut(place) {
                    event.lineage.dispute.get_or_insert(Dispute::Effect);
                }
            }
        }
    }
    let mut place = 0;
    events.retain(|_| {
        place += 1;
        !outweighed.contains(&(place - 1))
    });
    conflicts
}

/// What was done, and when, as far as every record tells it.
pub trait Said {
    /// Seconds since 1970, `eventSource` and `eventName`.
    fn deed(&self) -> (i64, &str, &str);
}

impl Said for Event {
    fn deed(&self) -> (i64, &str, &str) {
        (self.time.timestamp(), &self.source, &self.name)
    }
}

/// An event's id and account, in the order in which events are looked up.
fn place<T: Logged>(of: &T) -> (&str, &str) {
    let (account, id) = of.identity();
    (id, account)
}

/// Sorts by id, account and content. Ids mostly differ at their beginnings, so these are compared first, as numbers: the texts of
/// many calls lie far from each other.
fn sort<T: Logged>(all: &mut [T]) {
    fn beginning(id: &str) -> u128 {
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(id.bytes()).for_each(|(to, from)| *to = from);
        u128::from_be_bytes(bytes)
    }
    all.sort_by_cached_key(|one| beginning(one.identity().1));
    for alike in all.chunk_by_mut(|a, b| beginning(a.identity().1) == beginning(b.identity().1)) {
        alike.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.compare(b)));
    }
}

/// Account and id of an act, and how many records lie between a record and the first one.
type Place = ((String, String), usize);

/// What takes a closer look: records that say another again, those that they say again, and those that share an id.
fn acts<T: Logged>(folded: &[T]) -> HashMap<usize, Place> {
    let mut acts: HashMap<usize, Place> = HashMap::new();
    for (place, pair) in folded.windows(2).enumerate() {
        if let [one, other] = pair
            && one.identity() == other.identity()
        {
            let (account, id) = one.identity();
            for place in [place, place + 1] {
                acts.entry(place).or_insert_with(|| ((account.to_owned(), id.to_owned()), 0));
            }
        }
    }
    let mut roots = Roots { folded, known: HashMap::new() };
    // Where several records share an id, none of them is believed to be another's.
    roots.known.extend(acts.iter().map(|(place, own)| (*place, Some(own.clone()))));
    for (place, one) in folded.iter().enumerate() {
        if one.original().is_some() && !acts.contains_key(&place) {
            roots.find(place);
        }
    }
    for (place, found) in roots.known {
        acts.extend(found.map(|found| (place, found)));
    }
    let said_again: BTreeSet<(String, String)> = acts.values().map(|(act, _)| act.clone()).collect();
    for act in said_again {
        for place in bearers(folded, &act.0, &act.1) {
            acts.entry(place).or_insert_with(|| (act.clone(), 0));
        }
    }
    acts
}

/// The places of an identity's records.
fn bearers<T: Logged>(folded: &[T], account: &str, id: &str) -> Range<usize> {
    let start = folded.partition_point(|one| place(one) < (id, account));
    let end = folded.partition_point(|one| place(one) <= (id, account));
    start..end
}

/// Which record is the first of those that say one act.
struct Roots<'f, T> {
    folded: &'f [T],
    /// `None` for those that lead back to themselves.
    known: HashMap<usize, Option<Place>>,
}

impl<T: Logged> Roots<'_, T> {
    /// Follows a record to the first one that it says again, there or not.
    fn find(&mut self, place: usize) {
        let (mut way, mut on_the_way) = (vec![place], HashSet::from([place]));
        let end = loop {
            let Some(last) = way.last().copied() else { return };
            if let Some(known) = self.known.get(&last) {
                way.pop();
                break known.clone();
            }
            let Some(one) = self.folded.get(last) else { return };
            let (account, id) = one.identity();
            let Some(original) = one.original() else {
                way.pop();
                break Some(((account.to_owned(), id.to_owned()), 0));
            };
            let before = bearers(self.folded, account, original);
            if before.is_empty() {
                break Some(((account.to_owned(), original.to_owned()), 0));
            }
            if !on_the_way.insert(before.start) {
                break None;
            }
            way.push(before.start);
        };
        for (above, place) in way.into_iter().rev().enumerate() {
            let found = end.as_ref().map(|(act, depth)| (act.clone(), depth + above + 1));
            self.known.insert(place, found);
        }
    }
}

/// The records of one act, the updates taken in: what is left says different things.
fn settled<T: Logged>(mut records: Vec<(usize, T)>) -> Vec<T> {
    records.sort_by(|(depth, a), (other, b)| {
        let late = |one: &T| (one.at().0.is_none(), one.at());
        let by_time = (depth, late(a)).cmp(&(other, late(b)));
        by_time.then_with(|| a.identity().cmp(&b.identity())).then_with(|| a.compare(b))
    });
    let mut variants: Vec<T> = Vec::new();
    for (depth, record) in records {
        let takes = |old: &&mut T| !old.is_taken_back_by(&record) && (record.is_verified() || !old.is_verified());
        match variants.iter_mut().rev().take(if depth > 0 { LOOKED_AT } else { 0 }).find(takes) {
            Some(old) => old.update(record),
            None => variants.push(record),
        }
    }
    variants
}

/// Keeps what counts of the things that are said of one act.
fn retain<T: Logged>(account: &str, mut variants: Vec<T>, all: &mut Vec<T>) -> Option<Conflict> {
    let id = variants.first()?.identity().1.to_owned();
    let several = variants.len() > 1;
    let objects = variants.iter().flat_map(Logged::objects).collect();
    if several {
        variants.iter_mut().for_each(|variant| variant.stand_beside(&id));
        // An update can make one of them say what another says.
        variants.sort_by(T::compare);
        absorb_copies(&mut variants);
    }
    if several && variants.iter().any(Logged::is_verified) {
        variants.retain(Logged::is_verified);
    }
    let kept = variants.iter().flat_map(Logged::objects).collect();
    if variants.len() > 1 {
        T::dispute(&mut variants);
    }
    all.append(&mut variants);
    several.then(|| Conflict { account: account.to_owned(), event_id: id, objects, kept })
}

/// An event as it was given, or what was made of it.
#[derive(Debug, Clone)]
pub struct LedgerEvent<'a> {
    given: &'a Event,
    own: Option<Box<Event>>,
}

impl<'a> LedgerEvent<'a> {
    /// As it was given.
    #[must_use]
    pub fn new(given: &'a Event) -> Self {
        Self { given, own: None }
    }

    /// To be changed.
    pub fn to_mut(&mut self) -> &mut Event {
        self.own.get_or_insert_with(|| Box::new(self.given.clone()))
    }
}

impl Deref for LedgerEvent<'_> {
    type Target = Event;

    fn deref(&self) -> &Event {
        self.own.as_deref().unwrap_or(self.given)
    }
}

/// What is an event, or stands for one.
pub trait Holds {
    /// The event.
    fn event(&self) -> &Event;
    /// The same, to be changed.
    fn event_mut(&mut self) -> &mut Event;
}

impl Holds for Event {
    fn event(&self) -> &Event {
        self
    }

    fn event_mut(&mut self) -> &mut Event {
        self
    }
}

impl Holds for LedgerEvent<'_> {
    fn event(&self) -> &Event {
        self
    }

    fn event_mut(&mut self) -> &mut Event {
        self.to_mut()
    }
}

/// When two records of an event were first delivered. An object's name says it, which anybody can give to a copy: that of an object
/// which a digest proves outweighs another.
fn delivery(one: &Event, other: &Event) -> Option<DateTime<Utc>> {
    match (one.lineage.verified, other.lineage.verified) {
        (true, false) => one.delivered_at,
        (false, true) => other.delivered_at,
        _ => [one.delivered_at, other.delivered_at].into_iter().flatten().min(),
    }
}

impl<T: Holds> Logged for T {
    fn identity(&self) -> (&str, &str) {
        (&self.event().account, &self.event().id)
    }

    fn original(&self) -> Option<&str> {
        self.event().lineage.original.as_deref()
    }

    fn compare(&self, other: &Self) -> Ordering {
        let key = |of: &Self| (of.event().lineage.content, of.event().time, of.event().objects.first().cloned());
        key(self).cmp(&key(other))
    }

    fn same(&self, other: &Self) -> bool {
        let (one, other) = (self.event(), other.event());
        match (one.lineage.content, other.lineage.content) {
            (Some(mine), Some(theirs)) if mine == theirs => true,
            _ if one.lineage.partial || other.lineage.partial => one.agrees(other),
            (Some(_), Some(_)) => false,
            _ => one.says_the_same(other),
        }
    }

    fn objects(&self) -> BTreeSet<String> {
        self.event().objects.to_strings().into_iter().collect()
    }

    fn is_verified(&self) -> bool {
        self.event().lineage.verified
    }

    fn at(&self) -> (Option<DateTime<Utc>>, DateTime<Utc>) {
        (self.event().delivered_at, self.event().time)
    }

    fn absorb(&mut self, copy: &Self) {
        let (event, copy) = (self.event_mut(), copy.event());
        if event.lineage.partial && !copy.lineage.partial {
            event.take_over(copy);
        }
        event.objects.extend(copy.objects.iter().cloned());
        event.delivered_at = delivery(event, copy);
        event.lineage.content = event.lineage.content.or(copy.lineage.content);
        event.lineage.verified |= copy.lineage.verified;
        // What is in dispute of one only is settled by the other.
        event.lineage.dispute = event.lineage.dispute.filter(|_| copy.lineage.dispute.is_some());
        event.lineage.addenda.extend(copy.lineage.addenda.iter().cloned());
    }

    fn is_taken_back_by(&self, update: &Self) -> bool {
        let (old, new) = (self.event(), update.event());
        let place = |event: &Event| (event.time, event.source.clone(), event.name.clone());
        let done = old.failure.is_some()
            || (new.failure.is_none()
                && (old.action == new.action
                    || (old.action.serial().is_none() && old.action.rank() == new.action.rank())));
        place(old) != place(new) || !done || !old.target.may_be(&new.target)
    }

    fn update(&mut self, update: Self) {
        let mut new = update.event().clone();
        let old = self.event_mut();
        // What was gathered grows by one record at a time, and is not put together anew for each.
        let addenda = std::mem::replace(&mut new.lineage.addenda, std::mem::take(&mut old.lineage.addenda));
        new.lineage.addenda.extend(addenda.iter().cloned());
        new.lineage.addenda.insert(std::mem::replace(&mut new.id, std::mem::take(&mut old.id)));
        new.lineage.original = old.lineage.original.take();
        let objects = std::mem::replace(&mut new.objects, std::mem::take(&mut old.objects));
        new.objects.extend(objects.iter().cloned());
        new.delivered_at = delivery(old, &new);
        *old = new;
    }

    fn stand_beside(&mut self, id: &str) {
        // What stands there already need not be copied to be changed.
        if self.event().id == id && self.event().lineage.original.is_none() {
            return;
        }
        let event = self.event_mut();
        let own = std::mem::replace(&mut event.id, id.to_owned());
        if own != id {
            event.lineage.addenda.insert(own);
        }
        event.lineage.original = None;
    }

    /// Of those that tell of one effect the first counts; where not all tell of one, what is told counts if it makes things worse.
    fn dispute(variants: &mut [Self]) {
        let worst = |of: &Self| of.event().actor_mfa.map_or(1, |mfa| if mfa { 2 } else { 0 });
        variants.sort_by(|a, b| worst(a).cmp(&worst(b)).then_with(|| a.compare(b)));
        let effect = |of: &Self| {
            let Event { time, action, target, failure, .. } = of.event();
            format!("{time:?} {action:?} {target:?} {}", failure.is_some())
        };
        let effects: BTreeSet<String> = variants.iter().map(effect).collect();
        let first = if effects.len() == 1 { Dispute::Details } else { Dispute::Effect };
        let mut seen = BTreeSet::new();
        for variant in variants {
            let new = seen.insert(effect(variant));
            let dispute = Some(if new { first } else { Dispute::Repeated });
            if variant.event().lineage.dispute != dispute {
                variant.event_mut().lineage.dispute = dispute;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cloudtrail::{Actor, ActorKind};
    use crate::mfa::{Action, Lineage, Target, Text};

    fn event(id: &str, original: Option<&str>, content: u128, object: &str) -> Event {
        let actor = Actor {
            kind: ActorKind::Other,
            account: None,
            id: None,
            name: None,
            arn: None,
            access_key: None,
            issuer: None,
        };
        Event {
            id: id.to_owned(),
            time: DateTime::from_timestamp(1_790_000_000, 0).expect("a time"),
            account: "111122223333".into(),
            region: Text::default(),
            source: "iam.amazonaws.com".into(),
            name: "DeactivateMFADevice".into(),
            action: Action::DeviceDeactivated { serial: Some(format!("s{}", content / 2)) },
            target: Target::Nobody,
            actor: actor.into(),
            actor_mfa: None,
            source_ip: None,
            user_agent: None,
            failure: None,
            objects: [object].into_iter().collect(),
            delivered_at: None,
            lineage: Lineage { content: Some(content), original: original.map(str::to_owned), ..Lineage::default() },
        }
    }

    fn folded(mut events: Vec<Event>) -> (Vec<Event>, Vec<Conflict>) {
        let conflicts = fold(&mut events);
        (events, conflicts)
    }

    #[test]
    fn a_long_chain_a_long_ring_and_many_of_one_id_take_no_long_time() {
        const MANY: u32 = 20_000;
        let name = |n: u32| format!("{:08x}", n.wrapping_mul(0x9e37_79b9));
        let link = |n: u32, to: u32| event(&name(n), Some(&name(to)), 0, "o");
        let mut chain: Vec<Event> = (1..MANY).map(|n| link(n, n - 1)).collect();
        chain.push(event(&name(0), None, 0, "o"));
        let (all, conflicts) = folded(chain);
        assert_eq!((all.len(), conflicts.len()), (1, 0));
        assert_eq!((&all[0].id, all[0].lineage.addenda.len()), (&name(0), MANY as usize - 1));
        let (all, conflicts) = folded((0..MANY).map(|n| link(n, (n + 1) % MANY)).collect());
        assert_eq!((all.len(), conflicts.len()), (MANY as usize, 0), "none is the first");
        let one_id = (0..MANY).map(|n| event("one", None, n.into(), "o"));
        let of_it = (0..MANY).map(|n| event(&name(n), Some("one"), u128::from(n) + u128::from(MANY), "o"));
        let (_, conflicts) = folded(one_id.chain(of_it).collect());
        assert_eq!(conflicts.len(), 1);
    }

    #[test]
    fn an_update_that_makes_two_variants_equal_leaves_one_event_and_the_conflict() {
        let records =
            vec![event("e3", Some("e3"), 2, "a"), event("e3", Some("e3"), 3, "b"), event("e0", Some("e3"), 2, "c")];
        let (all, conflicts) = folded(records);
        assert_eq!((all.len(), conflicts.len()), (1, 1), "{all:?}");
        assert_eq!(conflicts[0].objects, ["a", "b", "c"].map(str::to_owned).into());
        assert_eq!(folded(all.clone()).0, all);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_order_does_not_matter(
            records in prop::collection::vec((0..5_usize, prop::option::of(0..6_usize), 0..5_u128, 0..3_usize, any::<bool>()), 0..9),
            seed in any::<u64>(),
        ) {
            let mut events = Vec::new();
            for (id, original, content, object, verified) in records {
                let original = original.map(|original| format!("e{original}"));
                // The addendum is part of the content.
                let content = content + 100 * original.as_ref().map_or(0, |original| u128::from(original.as_bytes()[1]));
                let mut event = event(&format!("e{id}"), original.as_deref(), content, &format!("o{object}"));
                event.lineage.verified = verified && object == 0;
                events.push(event);
            }
            let (all, conflicts) = folded(events.clone());
            let mut shuffled = events.clone();
            let by = |event: &Event| {
                let key = format!("{seed}{event:?}");
                key.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
            };
            shuffled.sort_by_key(by);
            prop_assert_eq!(&folded(shuffled), &(all.clone(), conflicts.clone()), "in another order");
            let (again, same) = folded(all.clone());
            prop_assert_eq!(again, all.clone(), "a second time");
            prop_assert!(same.iter().all(|conflict| conflicts.iter().any(|known| known.event_id == conflict.event_id)));
            // Every record is in an event or in a conflict, with its object.
            for event in &events {
                let object = event.objects.first().expect("one");
                let kept = all.iter().any(|one| one.has_id(&event.id) && one.objects.contains(object));
                let named = conflicts.iter().any(|conflict| conflict.objects.contains(object.as_str()));
                prop_assert!(kept || named, "{event:?}");
            }
            // What is said in several ways is named.
            for pair in all.windows(2) {
                if pair[0].id == pair[1].id {
                    prop_assert!(conflicts.iter().any(|conflict| conflict.event_id == pair[0].id));
                    prop_assert!(pair.iter().all(|event| event.lineage.dispute.is_some()));
                }
            }
            // Nothing that no digest proves outweighs what one proves.
            for conflict in conflicts.iter().filter(|conflict| conflict.kept != conflict.objects) {
                let mut left = all.iter().filter(|event| event.id == conflict.event_id);
                prop_assert!(left.all(|event| event.lineage.verified));
            }
        }
    }
}
