//! The windows of some principals of a store: those that new events touch, and whoever these hang together with, analyzed as a
//! report over the whole store would.
//!
//! Whose an event is follows from all events of a group ([`crate::store::EventQuery`]). What class a window has follows also from what its opening's
//! caller did to others: to a caller's calls belong the groups that they are in. So three rounds are made:
//!
//! 1. the groups of the new events;
//! 2. the groups in which their callers opened something, since these calls count there, too;
//! 3. whatever else the callers did that opened something in these groups: it is needed, and what is concluded of it is not used
//!    unless one of these callers did it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Error, coverage};
use crate::cloudtrail::{Actor, ActorKind};
use crate::contract::{LifecycleEvent, Period, Window};
use crate::evidence::Range;
use crate::exposure::{self, Input};
use crate::incident::derive::Tags;
use crate::inputs::{Approval, Detection, Settings};
use crate::inventory::{self, IamState};
use crate::mfa::{self, Action, Conflict, Event, Text, user_name};
use crate::names::Pattern;
use crate::store::{EventQuery, Key, Spans, Store, StoreError};
use crate::trace::Context;

/// An event: its account and its id.
pub type EventKey = (String, String);

/// Whom a look at a store is about, and what beside the store it rests on.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The new events; `None` for all that there are.
    pub touched: Option<&'q BTreeSet<EventKey>>,
    /// The period that is looked at; `None` for all that the store covers.
    pub period: Option<Period>,
    /// Up to when windows are measured; `None` for the last delivery, but no later than `now`.
    pub as_of: Option<DateTime<Utc>>,
    /// The time at which it is asked.
    pub now: DateTime<Utc>,
    /// IAM state.
    pub iam: Option<&'q IamState>,
    /// Approvals.
    pub approvals: &'q [Approval],
    /// Detections.
    pub detections: &'q [Detection],
    /// The policy in force.
    pub settings: &'q Settings,
}

/// What is known of the principals that were asked about, as a report over the whole store has it.
#[derive(Debug, Default)]
pub struct Examined {
    /// Their windows that an event opened.
    pub windows: Vec<Window>,
    /// The lifecycle events of the callers that were looked at, and of the principals.
    pub lifecycle: Vec<LifecycleEvent>,
    /// The events that these are of, and every change of a trail.
    pub events: Vec<Event>,
    /// Of which events everything is known that follows from them: whatever else was told of these is not so. Where all
    /// events were asked for, that is so of all that ever was told, of events too that are not in the store any more.
    pub scope: BTreeSet<EventKey>,
    /// When the events happened that windows name as evidence, as far as the store has them.
    pub times: BTreeMap<EventKey, DateTime<Utc>>,
    /// Events of which several records say different things.
    pub conflicts: Vec<Conflict>,
    /// Objects of the store that could not be read, or not whole.
    pub failures: Vec<(String, String)>,
    /// Up to when windows are measured.
    pub as_of: DateTime<Utc>,
}

/// Analyzes the principals that are asked about. `spans` is kept from one look at a store to the next.
///
/// # Errors
/// When the store cannot be read, or the analysis finds itself at odds with itself.
pub fn examine(store: &Store, spans: &mut Spans, question: &Question<'_>) -> Result<Examined, Error> {
    let reach = Reach::new(store, spans, question).map_err(Error::failed)?;
    let LinkedEvents { mut events, whole, callers, failures, recalled } =
        gather(store, question).map_err(Error::failed)?;
    let originals = originals(&events);
    let mut conflicts = mfa::fold(&mut events);
    conflicts.extend(recalled);
    let empty = Context::default();
    let given = Input {
        events: &[],
        context: &empty,
        iam: question.iam,
        covered: &reach.covered,
        approvals: question.approvals,
        detections: question.detections,
        settings: question.settings,
        period: reach.period,
        as_of: reach.as_of,
    };
    let mut wanted = exposure::wanted(&Input { events: &events, ..given.clone() }).map_err(Error::failed)?;
    let range = Arc::new(Range {
        from: Some(reach.period.from - TimeDelta::seconds(question.settings.lookback_s)),
        until: question.as_of,
        accounts: Vec::new(),
        regions: Vec::new(),
    });
    let mut context = store.context(&range, &originals, &mut wanted).map_err(Error::failed)?;
    conflicts.append(&mut context.conflicts);
    conflicts.extend(mfa::contest(&mut events, &context.calls));
    let input = Input { events: &events, context: &context, ..given };
    let analysis = exposure::analyse(&input).map_err(Error::failed)?;
    let known = |account: &str, id: &str| whole.contains(&(account.to_owned(), id.to_owned()));
    let by_caller = |event: &Event| callers.iter().any(|caller| is_same(caller, &event.actor));
    let mut scope: BTreeSet<EventKey> = events
        .iter()
        .filter(|event| {
            let trail = matches!(event.action, Action::TrailChanged { .. });
            trail || question.touched.is_none() || known(&event.account, &event.id) || by_caller(event)
        })
        .flat_map(|event| {
            let ids = event.lineage.addenda.iter().map(Text::as_str).chain([event.id.as_str()]);
            ids.map(|id| (event.account.to_string(), id.to_owned()))
        })
        .collect();
    // A new event that is not here any more was in an object that has been overwritten since: nothing follows from it.
    scope.extend(question.touched.into_iter().flatten().cloned());
    let is_in = |account: &str, id: &str| scope.contains(&(account.to_owned(), id.to_owned()));
    let opened = |window: &Window| window.opened_by_event.as_ref().is_some_and(|id| is_in(&window.account, id));
    let windows: Vec<Window> = analysis.windows.into_iter().filter(opened).collect();
    Ok(Examined {
        times: times(&windows, &events, &context),
        windows,
        lifecycle: analysis.events.into_iter().filter(|event| is_in(&event.account, &event.event_id)).collect(),
        events,
        scope,
        conflicts,
        failures,
        as_of: reach.as_of,
    })
}

/// When the events happened that windows name as evidence.
fn times(windows: &[Window], events: &[Event], context: &Context) -> BTreeMap<EventKey, DateTime<Utc>> {
    let reasons = windows.iter().flat_map(|window| window.reasons.iter().map(move |reason| (window, reason)));
    let named: BTreeSet<(&str, &str)> = reasons
        .flat_map(|(window, reason)| reason.event_ids.iter().map(|id| (window.account.as_str(), id.as_str())))
        .collect();
    let events = events.iter().map(|event| (event.account.as_str(), event.id.as_str(), event.time));
    let calls = context.calls.iter().map(|call| (&*call.account, &*call.event_id, call.time));
    let named = events.chain(calls).filter(|(account, id, _)| named.contains(&(account, id)));
    named.map(|(account, id, time)| ((account.to_owned(), id.to_owned()), time)).collect()
}

/// How far the store reaches.
struct Reach {
    as_of: DateTime<Utc>,
    period: Period,
    covered: BTreeMap<String, [DateTime<Utc>; 2]>,
}

impl Reach {
    fn new(store: &Store, spans: &mut Spans, question: &Question<'_>) -> Result<Self, StoreError> {
        let scanned = store.spans(spans)?;
        let latest = scanned.latest_delivery.max(scanned.coverage.last_record);
        let as_of = question.as_of.or(latest.map(|latest| latest.min(question.now))).unwrap_or(question.now);
        let first = scanned.accounts.values().filter_map(|span| span.first).min();
        let period = question
            .period
            .unwrap_or_else(|| Period { from: first.unwrap_or(as_of).min(as_of), to: as_of + TimeDelta::seconds(1) });
        let covered = coverage::covered(&scanned, as_of, question.as_of.is_none());
        Ok(Self { as_of: as_of.max(period.from), period, covered })
    }
}

/// By account and id, which event a record says again.
fn originals(events: &[Event]) -> HashMap<EventKey, String> {
    let said = |event: &Event| Some(((event.account.to_string(), event.id.clone()), event.lineage.original.clone()?));
    events.iter().filter_map(said).collect()
}

struct LinkedEvents {
    /// All that is needed, copies included.
    events: Vec<Event>,
    /// Those of the groups of which all windows are asked for.
    whole: BTreeSet<EventKey>,
    /// The callers of which everything is here that they did.
    callers: Vec<Actor>,
    failures: Vec<(String, String)>,
    recalled: Vec<Conflict>,
}

fn gather(store: &Store, question: &Question<'_>) -> Result<LinkedEvents, StoreError> {
    let ties = || question.iam.map(ties).unwrap_or_default();
    let found = store.gather(&EventQuery { events: question.touched, ties: ties(), ..EventQuery::default() })?;
    let (mut events, failures, mut recalled) = (found.events, found.failures, found.recalled);
    let Some(touched) = question.touched else {
        return Ok(LinkedEvents { events, whole: BTreeSet::new(), callers: Vec::new(), failures, recalled });
    };
    let is_new = |event: &&Event| touched.contains(&(event.account.to_string(), event.id.clone()));
    // What counts where else its caller opened something: as one of several principals, a failure before, a thing made meanwhile; or
    // it tells who is behind a root session.
    let counts = |event: &&Event| {
        let assumes = matches!(event.action, Action::RootAssumed { .. });
        opens(event) || event.failure.is_some() || event.action.makes() || assumes
    };
    let new = callers(events.iter().filter(is_new).filter(counts), &events);
    let names: Vec<Pattern> = OPENINGS.iter().map(|name| Pattern::new(name)).collect();
    events.extend(by(store, &new, Some(&names), ties())?);
    let whole: BTreeSet<EventKey> = events.iter().map(|event| (event.account.to_string(), event.id.clone())).collect();
    let callers = callers(events.iter().filter(opens), &events);
    events.extend(by(store, &callers, None, ties())?);
    recalled.sort();
    recalled.dedup();
    Ok(LinkedEvents { events, whole, callers, failures, recalled })
}

/// The names of events that may open a window.
const OPENINGS: [&str; 7] = [
    "DeactivateMFADevice",
    "DeleteMfaDeviceForUser",
    "DeleteVirtualMFADevice",
    "CreateLoginProfile",
    "DetachUserPolicy",
    "DeleteUserPolicy",
    "PutUserPolicy",
];

/// Whether an event may open a window, or is a refused deactivation.
fn opens(event: &&Event) -> bool {
    matches!(
        event.action,
        Action::DeviceDeactivated { .. }
            | Action::DeviceDeleted { .. }
            | Action::PasswordCreated
            | Action::PolicyDetached { .. }
            | Action::PolicyDeleted { .. }
            | Action::PolicyPut { .. }
    )
}

/// Who made these calls; who assumed a root session, of its calls.
fn callers<'e>(made: impl Iterator<Item = &'e Event>, events: &[Event]) -> Vec<Actor> {
    let mut assumed = HashMap::new();
    for event in events {
        if let Action::RootAssumed { access_key: Some(key), .. } = &event.action {
            assumed.insert(key.as_str(), event.actor.as_ref());
        }
    }
    let behind = |actor: &'e Actor| actor.access_key.as_deref().and_then(|key| assumed.get(key).copied());
    let mut callers = BTreeSet::new();
    for event in made {
        let one = behind(&event.actor).filter(|_| event.actor.kind == ActorKind::AssumedRoot).unwrap_or(&event.actor);
        callers.insert(Actor { access_key: None, ..one.clone() });
    }
    callers.into_iter().collect()
}

/// The events of the groups in which one of these callers did something.
fn by(
    store: &Store,
    callers: &[Actor],
    names: Option<&[Pattern]>,
    ties: Vec<Vec<Key>>,
) -> Result<Vec<Event>, StoreError> {
    if callers.is_empty() {
        return Ok(Vec::new());
    }
    let means = |actor: &Actor| callers.iter().any(|caller| is_same(caller, actor));
    let query = EventQuery { actor: Some(Box::new(means)), names, ties, ..EventQuery::default() };
    Ok(store.gather(&query)?.events)
}

/// Whether two callers are, or may be, one: of users, failed sign-ins tell the name alone.
fn is_same(one: &Actor, other: &Actor) -> bool {
    let named = |actor: &Actor| user_name(actor).map(str::to_lowercase);
    let user = one.kind == ActorKind::IamUser && other.kind == ActorKind::IamUser && one.account == other.account;
    one.same_as(other) || (user && named(one).is_some() && named(one) == named(other))
}

/// What IAM knows to be of one user: names, ids and devices that belong together without an event that says so.
#[must_use]
pub fn ties(state: &IamState) -> Vec<Vec<Key>> {
    let mut ties = Vec::new();
    for (account, state) in &state.accounts {
        for user in &state.users {
            let mut tie = vec![Key::Name(account.clone(), user.name.clone())];
            tie.extend(user.id.clone().map(|id| Key::Id(account.clone(), id)));
            let devices = user.devices.iter().flatten();
            tie.extend(devices.map(|device| Key::Device(account.clone(), device.serial.clone())));
            ties.push(tie);
        }
        for listed in state.virtual_devices.iter().flatten() {
            let device = Key::Device(account.clone(), listed.device.serial.clone());
            let owner = match &listed.owner {
                Some(inventory::DeviceOwner::Root) => Key::Root(account.clone()),
                Some(inventory::DeviceOwner::User { name, .. }) => Key::Name(account.clone(), name.clone()),
                None => continue,
            };
            ties.push(vec![device, owner]);
        }
    }
    ties
}

/// The tags of IAM users, as rules of severity want them.
#[must_use]
pub fn tags(state: &IamState) -> Tags {
    let mut tags = Tags::new();
    for (account, state) in &state.accounts {
        for user in &state.users {
            tags.extend(user.tags.clone().map(|tags| ((account.clone(), user.name.clone()), tags)));
        }
    }
    tags
}
