//! Whose event is it: the ledger of principals and of devices' owners.
//!
//! A user's name is not its identity. Names move by renames, and a user deleted and created again under one name is
//! another principal. The ledger replays the events in order and gives each the principal that bore the name *then*;
//! unique ids, where a record tells one, win over names. IAM state is joined at its own moment.

use std::cell::{LazyCell, OnceCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Inconsistent;
use super::ids::Table;
pub(super) use super::ids::{EntityId, EventId};
use super::index::Signals;
use super::listed::Listed;
use crate::cloudtrail::{Actor, ActorKind};
use crate::contract::{Principal, PrincipalKind};
use crate::inventory::{AsOf, DeviceOwner, IamState, RootState, UserState};
pub(super) use crate::mfa::LedgerEvent;
use crate::mfa::{self, Action, Event, Target, user_id, user_name};
pub(super) use crate::trace::ABOUT_ROOT;
use crate::trace::Call;

/// Principals.
pub(super) type Entities<'a> = Table<EntityId, Entity<'a>>;

/// Events in order.
pub(super) type Events<'a> = Table<EventId, LedgerEvent<'a>>;

/// Whose each event is.
type Owners = Table<EventId, Option<EntityId>>;

/// A principal, from its creation to its deletion.
#[derive(Debug, Clone)]
pub(super) struct Entity<'a> {
    pub(super) account: String,
    pub(super) kind: PrincipalKind,
    pub(super) id: Option<String>,
    /// Its names in order, each with the interval in which it bore it; `None` is unbounded.
    pub(super) names: Vec<NameSpan>,
    /// Where its creation was seen.
    pub(super) created: Option<EventId>,
    /// Where its deletion was seen.
    pub(super) deleted: Option<EventId>,
    /// Where its name was given to another while it bore it by all that was seen: the last moment at which it was seen, and
    /// the moment of that event.
    pub(super) displaced: Option<[DateTime<Utc>; 2]>,
    /// Where it bears a name that another had left, and its creation was not seen: the moment at which that one left it,
    /// and the moment at which this one was first seen.
    pub(super) renewed: Option<[DateTime<Utc>; 2]>,
    /// When it last made a call that succeeded.
    acted: Option<DateTime<Utc>>,
    /// The first and the last event that names it.
    seen: Option<[DateTime<Utc>; 2]>,
    /// Its events, successful and failed, as indices into the ledger's events.
    pub(super) events: Vec<EventId>,
    pub(super) iam: IamEntry<'a>,
}

/// One name of an entity.
#[derive(Debug, Clone)]
pub(super) struct NameSpan {
    pub(super) name: String,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
}

/// What IAM state tells of an entity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum IamEntry<'a> {
    /// No IAM state covers it.
    Untold,
    /// IAM's complete list of users lacks it.
    Gone,
    User(&'a UserState),
    Root(&'a RootState),
}

/// A successful event that names a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) index: EventId,
    /// Whose the device was at the event; `None` where its entity was made or deleted, and so was nobody's.
    pub(super) owner: Option<EntityId>,
}

/// Events in order, each with its principal.
#[derive(Debug)]
pub(super) struct Ledger<'a> {
    pub(super) events: Events<'a>,
    pub(super) owners: Owners,
    pub(super) entities: Entities<'a>,
    /// IAM's snapshot time.
    pub(super) taken_at: Option<DateTime<Utc>>,
    iam: Option<&'a IamState>,
    pub(super) listed: Listed<'a>,
    /// By account and serial number of a device, what shows that it was nobody's or somebody's.
    uses: HashMap<(String, String), Vec<Use>>,
    /// What a window hangs on, where it is asked for.
    pub(super) signals: OnceCell<Signals>,
    /// Who is behind the access keys of `AssumeRoot` sessions.
    assumed_roots: BTreeMap<String, Arc<Actor>>,
    directory: Directory,
}

/// Where to look for a caller: a name has had several bearers, an id has one.
#[derive(Debug, Default)]
struct Directory {
    /// By account and then by name, in lower case.
    by_name: HashMap<String, HashMap<String, Named>>,
    /// By account and then by id, so that a call's are looked up without a copy.
    by_id: HashMap<String, HashMap<String, EntityId>>,
    roots: HashMap<String, EntityId>,
    identity_center: HashMap<String, EntityId>,
}

impl Directory {
    fn new(entities: &Entities<'_>) -> Self {
        let mut directory = Self::default();
        for (id, entity) in entities.iter() {
            let account = || entity.account.clone();
            match entity.kind {
                PrincipalKind::Root => {
                    directory.roots.insert(account(), id);
                }
                PrincipalKind::IdentityCenter => {
                    directory.identity_center.extend(entity.id.clone().map(|user| (user, id)));
                }
                PrincipalKind::IamUser => {
                    directory.by_id.entry(account()).or_default().extend(entity.id.clone().map(|unique| (unique, id)));
                    let by_name = directory.by_name.entry(account()).or_default();
                    for NameSpan { name, from, to } in &entity.names {
                        let bearer = Bearer { from: *from, to: *to, id, last: *to };
                        let named = by_name.entry(name.to_ascii_lowercase()).or_default();
                        named.without_id.0.extend(entity.id.is_none().then_some(bearer));
                        named.all.0.push(bearer);
                    }
                }
            }
        }
        for named in directory.by_name.values_mut().flat_map(HashMap::values_mut) {
            named.all.sort();
            named.without_id.sort();
        }
        directory
    }

    /// Who bore a name.
    fn named(&self, account: &str, name: &str) -> Option<&Named> {
        self.by_name.get(account)?.get(&name.to_ascii_lowercase())
    }
}

/// Who bore a name: all, and those of whom no id is known.
#[derive(Debug, Default)]
struct Named {
    all: Bearers,
    without_id: Bearers,
}

/// Who bore a name when: of thousands that bore it in turn, none but those of a moment is looked at for it.
#[derive(Debug, Default)]
struct Bearers(Vec<Bearer>);

/// One of them; `None` is unbounded.
#[derive(Debug, Clone, Copy)]
struct Bearer {
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    id: EntityId,
    /// The latest end of this one and of all before it.
    last: Option<DateTime<Utc>>,
}

impl Bearers {
    fn sort(&mut self) {
        self.0.sort_by_key(|bearer| bearer.from);
        let mut last = Some(DateTime::<Utc>::MIN_UTC);
        for bearer in &mut self.0 {
            last = last.zip(bearer.to).map(|(last, to)| last.max(to));
            bearer.last = last;
        }
    }

    /// Both ends count, as of [`Entity::is_called`].
    fn at(&self, time: DateTime<Utc>) -> impl Iterator<Item = EntityId> {
        let begun = self.0.partition_point(|bearer| bearer.from.is_none_or(|from| from <= time));
        let lasts = move |end: &Option<DateTime<Utc>>| end.is_none_or(|end| time <= end);
        let begun = self.0.get(..begun).unwrap_or_default().iter().rev();
        begun
            .take_while(move |bearer| lasts(&bearer.last))
            .filter(move |bearer| lasts(&bearer.to))
            .map(|bearer| bearer.id)
    }
}

impl Entity<'_> {
    /// The name that the report shows: the latest.
    pub(super) fn name(&self) -> &str {
        self.names.last().map_or("", |span| span.name.as_str())
    }

    pub(super) fn principal(&self) -> Principal {
        Principal { kind: self.kind, name: self.name().to_owned(), id: self.id.clone() }
    }

    /// Whether the entity bore `name` at `time`. Both ends count: a rename and a call under the old name can share a
    /// second.
    pub(super) fn is_called(&self, name: &str, time: DateTime<Utc>) -> bool {
        self.names.iter().any(|span| {
            span.name.eq_ignore_ascii_case(name)
                && span.from.is_none_or(|from| from <= time)
                && span.to.is_none_or(|to| time <= to)
        })
    }

    /// When a successful call last proved that it was there; `None` where no event is about it.
    pub(super) fn last_seen(&self, events: &Events<'_>) -> Option<DateTime<Utc>> {
        let own = self.events.iter().filter_map(|index| events.get(*index));
        // A device's deletion tells nothing of whose it was.
        let own = own.filter(|event| event.succeeded() && event.target != Target::DeviceOnly);
        let own = own.map(|event| event.time).max()?;
        Some(self.acted.map_or(own, |acted| acted.max(own)))
    }
}

impl<'a> Ledger<'a> {
    /// Replays `events`, given in any order and with duplicates, and joins `iam`.
    ///
    /// `calls` are looked at for the unique ids that their users tell: a name may be another user's by then.
    pub(super) fn new(events: impl Iterator<Item = &'a Event>, calls: &[Call], iam: Option<&'a IamState>) -> Self {
        let mut events = in_order(events);
        let assumed_roots = attribute_assumed_root(&mut events);
        let events = Events::from(events);
        let mut replay = Replay::default();
        let mut owners: Owners = Table::with_capacity(events.len());
        let mut introductions = introductions(calls);
        for (index, event) in events.iter() {
            while let Some((time, (account, name, id))) = introductions.pop_if(|(time, _)| *time < event.time) {
                replay.introduce(account, name, id, time);
            }
            let owner = replay.apply(index, event);
            replay.see(owner, event.time);
            owners.push(owner);
        }
        while let Some((time, (account, name, id))) = introductions.pop() {
            replay.introduce(account, name, id, time);
        }
        if let Some(iam) = iam {
            replay.identify(iam);
        }
        let mut entities = replay.finish(&mut owners);
        if let Some(iam) = iam {
            join(&mut entities, &events, iam);
        }
        let listed = Listed::new(iam);
        own_devices(&events, &mut owners, &entities, &listed);
        for (index, owner) in owners.iter() {
            if let Some(entity) = owner.and_then(|id| entities.get_mut(id)) {
                entity.events.push(index);
            }
        }
        let directory = Directory::new(&entities);
        let uses = uses(&events, &owners);
        let taken_at = iam.map(|iam| iam.taken_at);
        let mut ledger = Self {
            events,
            owners,
            entities,
            taken_at,
            iam,
            listed,
            uses,
            signals: OnceCell::new(),
            assumed_roots,
            directory,
        };
        ledger.note_actors();
        ledger
    }

    /// Who made a call that succeeded was there.
    fn note_actors(&mut self) {
        let acted: Vec<(EntityId, DateTime<Utc>)> = self
            .events
            .values()
            .filter(|event| event.succeeded())
            .filter_map(|event| Some((self.entity_of(&event.actor, &event.account, event.time)?, event.time)))
            .collect();
        for (id, time) in acted {
            if let Some(entity) = self.entities.get_mut(id) {
                entity.acted = entity.acted.max(Some(time));
            }
        }
    }

    /// Whether every principal and every event that was asked for was there.
    ///
    /// # Errors
    /// Where one was not: something was left out then.
    pub(super) fn check(&self) -> Result<(), Inconsistent> {
        let sound = self.events.is_sound() && self.owners.is_sound() && self.entities.is_sound();
        if sound { Ok(()) } else { Err(Inconsistent) }
    }

    /// What shows whose a device was, in order of the events.
    pub(super) fn uses_of(&self, account: &str, serial: &str) -> &[Use] {
        self.uses.get(&(account.to_owned(), serial.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Whether IAM's whole list of users, read after its deletion, lacks the entity.
    pub(super) fn lacks(&self, entity: &Entity<'_>) -> bool {
        let deletion = entity.deleted.and_then(|index| self.events.get(index));
        self.iam.zip(deletion).is_some_and(|(iam, deletion)| {
            iam.accounts.get(&entity.account).is_some_and(|state| state.users_complete)
                && deletion.time <= iam.users_as_of(&entity.account).earliest
        })
    }

    /// The principal that a caller is.
    pub(super) fn entity_of(&self, actor: &Actor, account: &str, time: DateTime<Utc>) -> Option<EntityId> {
        let (certain, named) = self.candidates(actor, account, time);
        let is = |id: &EntityId| self.is(*id, actor, account);
        certain.filter(is).or_else(|| named.filter(is).min())
    }

    /// Every principal that a caller may be: a name that moves is two principals' for a second.
    pub(super) fn entities_of(&self, actor: &Actor, account: &str, time: DateTime<Utc>) -> BTreeSet<EntityId> {
        let (certain, named) = self.candidates(actor, account, time);
        certain.into_iter().chain(named).filter(|id| self.is(*id, actor, account)).collect()
    }

    /// Whether one of the candidates is the caller.
    fn is(&self, id: EntityId, actor: &Actor, account: &str) -> bool {
        self.entities.get(id).is_some_and(|entity| self.is_one(entity, actor, account, || true))
    }

    /// Who bears a caller's id, and who bore its name at that moment and may be it.
    fn candidates(
        &self,
        actor: &Actor,
        account: &str,
        time: DateTime<Utc>,
    ) -> (Option<EntityId>, impl Iterator<Item = EntityId>) {
        let (mut certain, mut name) = (None, None);
        match actor.kind {
            ActorKind::Root => certain = self.directory.roots.get(account),
            ActorKind::IdentityCenter => {
                certain = actor.id.as_ref().and_then(|id| self.directory.identity_center.get(id));
            }
            ActorKind::IamUser => {
                let ids = self.directory.by_id.get(account);
                certain = user_id(actor).and_then(|id| ids?.get(id));
                name = user_name(actor);
            }
            _ => {}
        }
        // Thousands may have borne a name with an id each: whoever tells one is none of them.
        let has_id = user_id(actor).is_some();
        let bearers = name.and_then(|name| self.directory.named(account, name));
        let bearers = bearers.map(|named| if has_id { &named.without_id } else { &named.all });
        (certain.copied(), bearers.into_iter().flat_map(move |bearers| bearers.at(time)))
    }

    /// The principal that a call is about, by its parameters.
    pub(super) fn entity_about(&self, call: &Call) -> Option<EntityId> {
        let about = call.about_user.as_deref()?;
        if about == ABOUT_ROOT {
            return self.directory.roots.get(&*call.account).copied();
        }
        self.directory.named(&call.account, about)?.all.at(call.time).min()
    }

    /// Who really called: `AssumeRoot` sessions appear as the member account's root user.
    pub(super) fn caller<'s>(&'s self, actor: &'s Actor) -> &'s Actor {
        let key = actor.access_key.as_ref().filter(|_| actor.kind == ActorKind::Root);
        key.and_then(|key| self.assumed_roots.get(key)).map_or(actor, Arc::as_ref)
    }

    /// Whether a caller that appears as a root user is a session of `AssumeRoot`.
    pub(super) fn is_assumed_root(&self, actor: &Actor) -> bool {
        actor.kind == ActorKind::Root
            && actor.access_key.as_ref().is_some_and(|key| self.assumed_roots.contains_key(key))
    }

    /// Whether `actor`, calling at `time` in `account`, is the entity itself.
    pub(super) fn is_entity(&self, entity: &Entity<'_>, actor: &Actor, account: &str, time: DateTime<Utc>) -> bool {
        self.is_one(entity, actor, account, || user_name(actor).is_some_and(|name| entity.is_called(name, time)))
    }

    /// The same, where `is_called` tells whether the entity bore the caller's name.
    fn is_one(&self, entity: &Entity<'_>, actor: &Actor, account: &str, is_called: impl FnOnce() -> bool) -> bool {
        match entity.kind {
            PrincipalKind::Root => {
                actor.kind == ActorKind::Root && account == entity.account && !self.is_assumed_root(actor)
            }
            PrincipalKind::IdentityCenter => actor.kind == ActorKind::IdentityCenter && actor.id == entity.id,
            PrincipalKind::IamUser => {
                actor.kind == ActorKind::IamUser
                    && account == entity.account
                    && actor.account.as_deref().is_none_or(|home| home == entity.account)
                    && match (user_id(actor), &entity.id) {
                        (Some(mine), Some(theirs)) => mine == *theirs,
                        _ => is_called(),
                    }
            }
        }
    }
}

/// What shows whose devices were: the events that name one and succeeded, but for those that tell nothing of it.
fn uses(events: &Events<'_>, owners: &Owners) -> HashMap<(String, String), Vec<Use>> {
    let removes = |action: &Action| matches!(action, Action::DeviceDeactivated { .. } | Action::DeviceDeleted { .. });
    let named = |event: &LedgerEvent<'_>| {
        let serial = event.action.serial().filter(|_| event.succeeded())?;
        Some((event.account.to_string(), serial.to_owned()))
    };
    let removals = events.values().filter(|event| removes(&event.action));
    let removals: HashSet<_> = removals.filter_map(|event| Some((named(event)?, event.time))).collect();
    let mut uses: HashMap<(String, String), Vec<Use>> = HashMap::new();
    for ((index, event), owner) in events.iter().zip(owners.values()) {
        let Some(device) = named(event) else { continue };
        let shows = match &event.action {
            Action::DeviceTagged { .. } | Action::DeviceUntagged { .. } => None,
            Action::ConsoleLogin { mfa_used, .. } if *mfa_used != Some(true) => None,
            Action::DeviceDeleted { .. } => Some(None),
            // The order within a second is not known: made, or removed and made again.
            Action::DeviceCreated { .. } if removals.contains(&(device.clone(), event.time)) => None,
            Action::DeviceCreated { .. } => Some(None),
            _ => owner.map(Some),
        };
        if let Some(owner) = shows {
            uses.entry(device).or_default().push(Use { index, owner });
        }
    }
    uses
}

/// Sorts, and leaves every event once: one in two objects is held by both.
fn in_order<'a>(events: impl Iterator<Item = &'a Event>) -> Vec<LedgerEvent<'a>> {
    let mut events: Vec<LedgerEvent<'_>> = events.map(LedgerEvent::new).collect();
    mfa::fold(&mut events);
    events.sort_by(|a, b| a.order().cmp(&b.order()));
    events
}

/// Calls of `AssumeRoot` sessions appear as the member account's root user. They are joined by access key, and are the
/// doing of whoever assumed it. Returns who is behind which access key.
fn attribute_assumed_root(events: &mut [LedgerEvent<'_>]) -> BTreeMap<String, Arc<Actor>> {
    let assumed: BTreeMap<String, (Arc<Actor>, Option<bool>)> = events
        .iter()
        .filter(|event| event.succeeded())
        .filter_map(|event| match &event.action {
            Action::RootAssumed { access_key: Some(key), .. } => {
                Some((key.clone(), (event.actor.clone(), event.actor_mfa)))
            }
            _ => None,
        })
        .collect();
    for event in events.iter_mut().filter(|event| event.actor.kind == ActorKind::Root) {
        let Some((who, mfa)) = event.actor.access_key.as_ref().and_then(|key| assumed.get(key)) else { continue };
        let event = event.to_mut();
        let access_key = event.actor.access_key.clone();
        event.actor = Arc::new(Actor { kind: ActorKind::AssumedRoot, access_key, ..Actor::clone(who) });
        event.actor_mfa = *mfa;
    }
    assumed.into_iter().map(|(key, (actor, _))| (key, actor)).collect()
}

/// Account, name and unique id of a user that made a call, and when it first did.
type Introduction<'c> = (DateTime<Utc>, (&'c str, &'c str, &'c str));

/// Every user that made a call, the earliest last, to be popped.
fn introductions(calls: &[Call]) -> Vec<Introduction<'_>> {
    let mut first: HashMap<(&str, &str, &str), DateTime<Utc>> = HashMap::new();
    for call in calls.iter().filter(|call| call.actor.kind == ActorKind::IamUser) {
        let home = call.actor.account.as_deref().is_none_or(|home| home == &*call.account);
        if let (true, Some(name), Some(id)) = (home, user_name(&call.actor), user_id(&call.actor)) {
            let time = first.entry((&*call.account, name, id)).or_insert(call.time);
            *time = call.time.min(*time);
        }
    }
    let mut introductions: Vec<_> = first.into_iter().map(|(who, time)| (time, who)).collect();
    introductions.sort_by(|a, b| b.cmp(a));
    introductions
}

/// The replay of names.
#[derive(Debug, Default)]
struct Replay<'a> {
    entities: Entities<'a>,
    /// Who bears a name (lower case: IAM's names are unique without regard to case) now.
    named: HashMap<(String, String), EntityId>,
    by_id: HashMap<(String, String), EntityId>,
    roots: HashMap<String, EntityId>,
    identity_center: HashMap<(Option<String>, String), EntityId>,
    /// Who bore a name until just now, for calls of the same second.
    left: HashMap<(String, String), (EntityId, DateTime<Utc>)>,
    /// Entities that turned out to be others.
    same: BTreeMap<EntityId, EntityId>,
}

impl<'a> Replay<'a> {
    /// The event's principal as its own record tells it, after its effect on names.
    fn apply(&mut self, index: EventId, event: &Event) -> Option<EntityId> {
        match &event.target {
            Target::Nobody | Target::DeviceOnly => None,
            Target::Root => Some(self.root(&event.account)),
            Target::IdentityCenter { store, user } => {
                let known = self.identity_center.get(&(store.clone(), user.clone())).copied();
                Some(known.unwrap_or_else(|| {
                    let id = self.add(&event.account, PrincipalKind::IdentityCenter, user, Some(user.clone()), None);
                    self.identity_center.insert((store.clone(), user.clone()), id);
                    id
                }))
            }
            Target::User { name, id } => self.user(index, event, name.as_deref(), id.as_deref()),
        }
    }

    /// A user of this name and id made an ordinary call.
    fn introduce(&mut self, account: &str, name: &str, id: &str, time: DateTime<Utc>) {
        let entity = self.resolve(account, Some(name), Some(id), time);
        self.see(entity, time);
    }

    fn root(&mut self, account: &str) -> EntityId {
        if let Some(id) = self.roots.get(account) {
            return *id;
        }
        let id = self.add(account, PrincipalKind::Root, "root", None, None);
        self.roots.insert(account.to_owned(), id);
        id
    }

    fn user(&mut self, index: EventId, event: &Event, name: Option<&str>, id: Option<&str>) -> Option<EntityId> {
        let account = event.account.as_str();
        // A creation that is contradicted takes nobody's name away.
        let taken = || name.is_some_and(|name| self.named.contains_key(&(account.to_owned(), name.to_lowercase())));
        if event.action == Action::UserCreated && event.succeeded() && !(event.is_disputed() && taken()) {
            let name = name?;
            self.displace(account, name, event.time);
            self.release(account, name, event.time);
            let entity = self.add(account, PrincipalKind::IamUser, name, id.map(str::to_owned), Some(event.time));
            self.entities.get_mut(entity)?.created = Some(index);
            self.bear(account, name, entity);
            return Some(entity);
        }
        let entity = match name.filter(|_| event.action == Action::UserDeleted) {
            Some(name) => self.deleted_now(account, name, event.time),
            None => None,
        };
        let entity = match entity {
            Some(entity) => entity,
            None => self.resolve(account, name, id, event.time)?,
        };
        if event.succeeded() {
            match &event.action {
                Action::UserDeleted => {
                    let current = self.entities.get(entity)?.name().to_owned();
                    if self.named.get(&(account.to_owned(), current.to_lowercase())) == Some(&entity) {
                        self.release(account, &current, event.time);
                    }
                    self.entities.get_mut(entity)?.deleted = Some(index);
                }
                Action::UserRenamed { new_name } => {
                    let current = self.entities.get(entity)?.name().to_owned();
                    self.release(account, &current, event.time);
                    self.displace(account, new_name, event.time);
                    self.release(account, new_name, event.time);
                    let span = NameSpan { name: new_name.clone(), from: Some(event.time), to: None };
                    self.entities.get_mut(entity)?.names.push(span);
                    self.bear(account, new_name, entity);
                }
                _ => {}
            }
        }
        Some(entity)
    }

    /// Whom a deletion means in the very second in which another user of that name was created: the one before, for a
    /// name that is taken cannot be given.
    fn deleted_now(&self, account: &str, name: &str, time: DateTime<Utc>) -> Option<EntityId> {
        let key = (account.to_owned(), name.to_lowercase());
        let successor = self.entities.get(*self.named.get(&key)?)?;
        let born = successor.names.first().and_then(|span| span.from);
        let (before, left_at) = self.left.get(&key).copied()?;
        (successor.created.is_some() && born == Some(time) && left_at == time).then_some(before)
    }

    /// The entity that bears `name`, or has `id`, at this point of the replay; a new one where nobody does.
    fn resolve(
        &mut self,
        account: &str,
        name: Option<&str>,
        id: Option<&str>,
        time: DateTime<Utc>,
    ) -> Option<EntityId> {
        if let Some(id) = id
            && let Some(entity) = self.by_id.get(&(account.to_owned(), id.to_owned())).copied()
        {
            if let Some(name) = name {
                self.renamed_unseen(account, entity, name, time);
            }
            return Some(entity);
        }
        let Some(name) = name else {
            return Some(self.add(account, PrincipalKind::IamUser, id?, id.map(str::to_owned), None));
        };
        let key = (account.to_owned(), name.to_lowercase());
        let mut before = self.left.get(&key).map(|(_, left_at)| *left_at);
        if let Some(entity) = self.named.get(&key).copied() {
            match (id, self.entities.get(entity)?.id.as_deref()) {
                // Another id under the name: deleted and created again, unseen.
                (Some(id), Some(known)) if id != known => {
                    before = self.entities.get(entity)?.seen.map(|[_, last]| last);
                    self.release(account, name, time);
                }
                (Some(id), None) => {
                    self.entities.get_mut(entity)?.id = Some(id.to_owned());
                    self.by_id.insert((account.to_owned(), id.to_owned()), entity);
                    return Some(entity);
                }
                _ => return Some(entity),
            }
        } else if let Some((left, left_at)) = self.left.get(&key).copied()
            && left_at == time
            && let Some(entity) = self.entities.get_mut(left)
            && (id.is_none() || entity.id.is_none())
        {
            // A call in the very second in which the name was left: made before.
            if let Some(id) = id {
                entity.id = Some(id.to_owned());
                self.by_id.insert((account.to_owned(), id.to_owned()), left);
            }
            return Some(left);
        }
        let entity = self.add(account, PrincipalKind::IamUser, name, id.map(str::to_owned), None);
        self.entities.get_mut(entity)?.renewed = before.filter(|before| *before < time).map(|before| [before, time]);
        self.bear(account, name, entity);
        Some(entity)
    }

    /// A user known by its id appears under a name that it is not known to bear: the rename was not seen.
    fn renamed_unseen(&mut self, account: &str, id: EntityId, name: &str, time: DateTime<Utc>) {
        let Some(entity) = self.entities.get(id) else { return };
        let current = entity.name().to_owned();
        if current.eq_ignore_ascii_case(name) || entity.deleted.is_some() || entity.is_called(name, time) {
            return;
        }
        let bearer = self.named.get(&(account.to_owned(), name.to_lowercase())).copied();
        let from = bearer.and_then(|bearer| self.unite(id, bearer)).unwrap_or(time);
        self.release(account, &current, from);
        self.release(account, name, time);
        if let Some(entity) = self.entities.get_mut(id) {
            entity.names.push(NameSpan { name: name.to_owned(), from: Some(from), to: None });
        }
        self.bear(account, name, id);
    }

    /// Calls about a name that tell no id made an entity of their own; now the name turns out to belong to one that is
    /// known by its id, and was not seen since. Then they were about that one. Returns since when.
    fn unite(&mut self, known: EntityId, nameless: EntityId) -> Option<DateTime<Utc>> {
        let (one, other) = (self.entities.get(known)?, self.entities.get(nameless)?);
        let [since, until] = other.seen?;
        let fits = known != nameless
            && other.id.is_none()
            && other.created.is_none()
            && other.deleted.is_none()
            && one.deleted.is_none()
            && one.seen.is_none_or(|[_, last]| last <= since);
        if !fits {
            return None;
        }
        self.same.insert(nameless, known);
        self.see(Some(known), until);
        Some(since)
    }

    /// Unites what IAM tells to be one: a user known by its id, and calls about the name that IAM gives it.
    fn identify(&mut self, iam: &IamState) {
        for (account, state) in &iam.accounts {
            for user in &state.users {
                let Some(id) = &user.id else { continue };
                if let Some(known) = self.by_id.get(&(account.clone(), id.clone())).copied() {
                    self.renamed_unseen(account, known, &user.name, iam.users_as_of(account).latest);
                }
            }
        }
    }

    fn see(&mut self, entity: Option<EntityId>, time: DateTime<Utc>) {
        if let Some(entity) = entity.and_then(|id| self.entities.get_mut(id)) {
            entity.seen = Some(entity.seen.map_or([time; 2], |[first, last]| [first.min(time), last.max(time)]));
        }
    }

    /// Leaves out the entities that turned out to be others, and gives their events to those.
    fn finish(self, owners: &mut Owners) -> Entities<'a> {
        let Self { mut entities, same, .. } = self;
        let places: Table<EntityId, EntityId> = entities.retain(|id| !same.contains_key(&id));
        for owner in owners.values_mut() {
            *owner = owner.and_then(|mut id| {
                while let Some(known) = same.get(&id) {
                    id = *known;
                }
                places.get(id).copied()
            });
        }
        entities.note(&places);
        entities
    }

    fn bear(&mut self, account: &str, name: &str, entity: EntityId) {
        self.named.insert((account.to_owned(), name.to_lowercase()), entity);
    }

    /// `name` is given to another: IAM demands that nobody bears it, so that its bearer was deleted or renamed unseen.
    fn displace(&mut self, account: &str, name: &str, time: DateTime<Utc>) {
        let bearer = self.named.get(&(account.to_owned(), name.to_lowercase()));
        if let Some(entity) = bearer.and_then(|id| self.entities.get_mut(*id))
            && let Some([_, last]) = entity.seen
            && last < time
        {
            entity.displaced = Some([last, time]);
        }
    }

    /// Nobody bears `name` from now on.
    fn release(&mut self, account: &str, name: &str, time: DateTime<Utc>) {
        let key = (account.to_owned(), name.to_lowercase());
        let Some(entity) = self.named.remove(&key) else { return };
        self.left.insert(key, (entity, time));
        if let Some(span) = self.entities.get_mut(entity).and_then(|entity| entity.names.last_mut()) {
            span.to = Some(time);
        }
    }

    fn add(
        &mut self,
        account: &str,
        kind: PrincipalKind,
        name: &str,
        id: Option<String>,
        from: Option<DateTime<Utc>>,
    ) -> EntityId {
        if let Some(id) = id.as_ref().filter(|_| kind == PrincipalKind::IamUser) {
            self.by_id.insert((account.to_owned(), id.clone()), self.entities.next());
        }
        self.entities.push(new_entity(account, kind, name, id, from))
    }
}

pub(super) fn new_entity<'a>(
    account: &str,
    kind: PrincipalKind,
    name: &str,
    id: Option<String>,
    from: Option<DateTime<Utc>>,
) -> Entity<'a> {
    Entity {
        account: account.to_owned(),
        kind,
        id,
        names: vec![NameSpan { name: name.to_owned(), from, to: None }],
        created: None,
        deleted: None,
        displaced: None,
        renewed: None,
        acted: None,
        seen: None,
        events: Vec::new(),
        iam: IamEntry::Untold,
    }
}

/// Gives every entity what IAM tells of it, and adds those that only IAM knows.
fn join<'a>(entities: &mut Entities<'a>, events: &Events<'_>, iam: &'a IamState) -> Places {
    let mut places = Places::new(entities);
    for (account, state) in &iam.accounts {
        let AsOf { earliest, latest: taken_at } = iam.users_as_of(account);
        let lives = |entity: &Entity<'_>| {
            let deleted = entity.deleted.and_then(|index| events.get(index));
            deleted.is_none_or(|deletion| deletion.time > earliest)
        };
        // Where a name changes hands within the interval in which IAM was asked, the list may tell of either.
        let within = |time: Option<DateTime<Utc>>| time.is_some_and(|time| earliest < time && time <= taken_at);
        let known = places.accounts.get(account).into_iter().flat_map(|account| &account.users);
        let spans = known.filter_map(|id| entities.get(*id)).flat_map(|entity| &entity.names);
        let spans = spans.filter(|span| within(span.from) || within(span.to));
        let mut change_hands: HashSet<String> = spans.map(|span| span.name.to_ascii_lowercase()).collect();
        let mut matched = BTreeSet::new();
        for user in &state.users {
            if user.id.is_none() && change_hands.contains(&user.name.to_ascii_lowercase()) {
                continue;
            }
            let by_id = user.id.as_ref().and_then(|id| places.with_id(account, id));
            let is = |entity: &Entity<'_>| {
                entity.is_called(&user.name, taken_at)
                    && (entity.id.is_none() || user.id.is_none())
                    // Seen before this user was created: another of the same name.
                    && user.created_at.zip(entity.seen).is_none_or(|(created, [first, _])| created <= first)
                    && lives(entity)
            };
            // Backwards: of two that shared the name in turn, the later one is there.
            let by_name = || places.named(account, &user.name).rev().find(|id| entities.get(*id).is_some_and(is));
            let found = by_id.or_else(by_name).unwrap_or_else(|| {
                entities.push(new_entity(account, PrincipalKind::IamUser, &user.name, user.id.clone(), None))
            });
            matched.insert(found);
            let Some(entity) = entities.get_mut(found) else { continue };
            entity.iam = IamEntry::User(user);
            entity.id = entity.id.take().or_else(|| user.id.clone());
            if let Some(last) = entity.names.last_mut()
                && last.from.is_none_or(|from| from <= taken_at)
                && last.name != user.name
            {
                if last.name.eq_ignore_ascii_case(&user.name) {
                    last.name.clone_from(&user.name);
                } else if entity.seen.is_some_and(|[_, last]| last > taken_at) {
                    // Seen under another name since.
                    let to = Some(taken_at);
                    entity.names.insert(0, NameSpan { name: user.name.clone(), from: None, to });
                    change_hands.extend(within(to).then(|| user.name.to_ascii_lowercase()));
                } else {
                    entity.names.push(NameSpan { name: user.name.clone(), from: None, to: None });
                }
            }
            places.add(found, entity);
        }
        if state.users_complete {
            let users = places.users(account);
            let doubtful = |id: EntityId| {
                let names = entities.get(id).map_or(&[][..], |entity| &entity.names);
                names.iter().any(|span| change_hands.contains(&span.name.to_ascii_lowercase()))
            };
            let doubtful: BTreeSet<EntityId> = users.iter().copied().filter(|id| doubtful(*id)).collect();
            for id in users.iter().filter(|id| !matched.contains(id) && !doubtful.contains(id)) {
                let Some(entity) = entities.get_mut(*id) else { continue };
                // Who was created since IAM was first asked, or seen only later, may be of after it, and whose deletion was seen before it is no
                // longer IAM's to tell of.
                let until = if entity.created.is_none() { taken_at } else { earliest };
                let before = entity.seen.is_some_and(|[first, _]| first <= until);
                // Its name is another's, and that is a finding already.
                let displaced = entity.displaced.zip(entity.seen).is_some_and(|([_, until], [_, last])| last <= until);
                if before && lives(entity) && !displaced {
                    entity.iam = IamEntry::Gone;
                }
            }
        }
        if let Some(root) = &state.root {
            let found = places
                .root(account)
                .unwrap_or_else(|| entities.push(new_entity(account, PrincipalKind::Root, "root", None, None)));
            if let Some(entity) = entities.get_mut(found) {
                entity.iam = IamEntry::Root(root);
            }
        }
    }
    places
}

/// Where entities are found by what IAM tells of them: of thousands of users none is looked for among all.
#[derive(Default)]
struct Places {
    accounts: HashMap<String, PlacesOfAccount>,
    #[cfg(test)]
    looks: std::cell::Cell<usize>,
}

/// Those of one account.
#[derive(Default)]
struct PlacesOfAccount {
    /// The first that has an id, of whatever kind.
    by_id: HashMap<String, EntityId>,
    users: BTreeSet<EntityId>,
    /// Users by any name that they ever bore, in lower case.
    by_name: HashMap<String, BTreeSet<EntityId>>,
    root: Option<EntityId>,
}

impl Places {
    fn new(entities: &Entities<'_>) -> Self {
        let mut places = Self::default();
        entities.iter().for_each(|(id, entity)| places.add(id, entity));
        places
    }

    /// Adds an entity, or the names and the id that it has got.
    fn add(&mut self, id: EntityId, entity: &Entity<'_>) {
        let account = self.accounts.entry(entity.account.clone()).or_default();
        if let Some(own) = &entity.id {
            account.by_id.entry(own.clone()).or_insert(id);
        }
        match entity.kind {
            PrincipalKind::IamUser => {
                account.users.insert(id);
                for span in &entity.names {
                    account.by_name.entry(span.name.to_ascii_lowercase()).or_default().insert(id);
                }
            }
            PrincipalKind::Root => {
                account.root.get_or_insert(id);
            }
            PrincipalKind::IdentityCenter => {}
        }
    }

    fn with_id(&self, account: &str, id: &str) -> Option<EntityId> {
        self.accounts.get(account)?.by_id.get(id).copied()
    }

    /// Users that bear a name or bore it, in order.
    fn named(&self, account: &str, name: &str) -> impl DoubleEndedIterator<Item = EntityId> {
        let by_name = self.accounts.get(account).map(|account| &account.by_name);
        let named = by_name.and_then(|by_name| by_name.get(&name.to_ascii_lowercase()));
        #[cfg(test)]
        self.looks.set(self.looks.get() + named.map_or(1, BTreeSet::len));
        named.into_iter().flatten().copied()
    }

    fn users(&self, account: &str) -> BTreeSet<EntityId> {
        self.accounts.get(account).map(|account| account.users.clone()).unwrap_or_default()
    }

    fn root(&self, account: &str) -> Option<EntityId> {
        self.accounts.get(account)?.root
    }
}

/// Gives events that name only a device to the device's owner: whoever last had it, else whoever has it next, else
/// whom IAM says.
fn own_devices(events: &Events<'_>, owners: &mut Owners, entities: &Entities<'_>, listed: &Listed<'_>) {
    let mut uses: HashMap<(&str, &str), Vec<(EventId, EntityId)>> = HashMap::new();
    for (index, event) in events.iter() {
        let binds = !matches!(event.action, Action::DeviceCreated { .. });
        if let (true, true, Some(serial), Some(owner)) =
            (binds, event.succeeded(), event.action.serial(), owners.get(index).copied().flatten())
        {
            uses.entry((event.account.as_str(), serial)).or_default().push((index, owner));
        }
    }
    let in_iam = LazyCell::new(|| InIam::new(entities));
    for (index, event) in events.iter() {
        if event.target != Target::DeviceOnly {
            continue;
        }
        let Some(serial) = event.action.serial() else { continue };
        let known = uses.get(&(event.account.as_str(), serial)).map_or(&[][..], Vec::as_slice);
        let before = known.partition_point(|(at, _)| *at < index).checked_sub(1).and_then(|last| known.get(last));
        let nearest = before.or_else(|| known.first()).map(|(_, owner)| *owner);
        if let Some(slot) = owners.get_mut(index) {
            *slot = nearest.or_else(|| in_iam.owner(&event.account, serial, listed));
        }
    }
}

/// The first entity that IAM knows by an account's root user, a user's name in lower case, or a device in a user's own list.
struct InIam<'e> {
    roots: HashMap<&'e str, EntityId>,
    users: HashMap<(&'e str, String), EntityId>,
    holders: HashMap<(&'e str, &'e str), EntityId>,
}

impl<'e> InIam<'e> {
    fn new(entities: &'e Entities<'_>) -> Self {
        let mut known = Self { roots: HashMap::new(), users: HashMap::new(), holders: HashMap::new() };
        for (id, entity) in entities.iter() {
            let account = entity.account.as_str();
            match entity.iam {
                IamEntry::Root(_) => {
                    known.roots.entry(account).or_insert(id);
                }
                IamEntry::User(user) => {
                    known.users.entry((account, user.name.to_ascii_lowercase())).or_insert(id);
                    for device in user.devices.iter().flatten() {
                        known.holders.entry((account, &device.serial)).or_insert(id);
                    }
                }
                IamEntry::Untold | IamEntry::Gone => {}
            }
        }
        known
    }

    fn owner(&self, account: &str, serial: &str, listed: &Listed<'_>) -> Option<EntityId> {
        let owner = listed.virtual_devices(account, serial).next().and_then(|listed| listed.owner.as_ref());
        let found = match owner {
            Some(DeviceOwner::Root) => self.roots.get(account),
            Some(DeviceOwner::User { name, .. }) => self.users.get(&(account, name.to_ascii_lowercase())),
            None => self.holders.get(&(account, serial)),
        };
        found.copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inventory::AccountState;

    const ACCOUNT: &str = "111122223333";

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + second, 0).unwrap_or_default()
    }

    fn state(users: impl Iterator<Item = usize>) -> IamState {
        let user = |number: usize| UserState {
            name: format!("User-{number}"),
            id: number.is_multiple_of(3).then(|| format!("AIDA{number}")),
            created_at: number.is_multiple_of(5).then(|| at(0)),
            ..UserState::default()
        };
        let account =
            AccountState { users: users.map(user).collect(), users_complete: true, ..AccountState::default() };
        IamState { taken_at: at(10_000), accounts: [(ACCOUNT.to_owned(), account)].into(), missing: Vec::new() }
    }

    /// Users of events, every third by its id and some twice under one name; and how often names were looked at while IAM's
    /// users were matched with them.
    fn joined(count: usize, iam: &IamState) -> (Entities<'_>, usize) {
        let entity = |number: usize| {
            let id = number.is_multiple_of(3).then(|| format!("AIDA{number}"));
            let mut entity = new_entity(ACCOUNT, PrincipalKind::IamUser, &format!("user-{number}"), id, None);
            entity.seen = Some([at(1), at(2)]);
            entity
        };
        let mut entities: Entities<'_> = (0..count).chain(0..count / 10).map(entity).collect::<Vec<_>>().into();
        let looks = join(&mut entities, &Events::default(), iam).looks.get();
        (entities, looks)
    }

    proptest! {
        #[test]
        fn who_bore_a_name_is_found_as_by_a_look_at_all(
            spans in prop::collection::vec((prop::option::of(0_i64..9), prop::option::of(0_i64..9), 0_usize..4, 0_usize..3), 0..12),
            second in -1_i64..10,
        ) {
            let mut entities: Entities<'_> = (0..4)
                .map(|number| {
                    let id = (number % 2 == 0).then(|| format!("AIDA{number}"));
                    new_entity(ACCOUNT, PrincipalKind::IamUser, &format!("own-{number}"), id, Some(at(100)))
                })
                .collect::<Vec<_>>()
                .into();
            let ids: Vec<EntityId> = entities.iter().map(|(id, _)| id).collect();
            for (from, to, entity, name) in spans {
                let span = NameSpan { name: ["a", "A", "b"][name].to_owned(), from: from.map(at), to: to.map(at) };
                entities.get_mut(ids[entity]).unwrap().names.push(span);
            }
            let directory = Directory::new(&entities);
            for name in ["a", "A", "b", "c"] {
                let plain = || entities.iter().filter(|(_, entity)| entity.is_called(name, at(second)));
                let named = directory.named(ACCOUNT, name);
                let found = |bearers: fn(&Named) -> &Bearers| -> BTreeSet<EntityId> {
                    named.map(|named| bearers(named).at(at(second)).collect()).unwrap_or_default()
                };
                prop_assert_eq!(found(|named| &named.all), plain().map(|(id, _)| id).collect::<BTreeSet<_>>());
                let without = plain().filter(|(_, entity)| entity.id.is_none()).map(|(id, _)| id);
                prop_assert_eq!(found(|named| &named.without_id), without.collect::<BTreeSet<_>>());
            }
        }
    }

    #[test]
    fn users_are_matched_in_linear_time() {
        let looks = |count: usize| joined(count, &state(0..count)).1;
        let (few, many) = (looks(200), looks(2_000));
        assert!((1..=12 * few).contains(&many), "{few} looks, of ten times as many users {many}");
    }

    #[test]
    fn each_user_is_matched_with_the_one_that_bears_its_name_or_id() {
        let iam = state(50..150);
        let (entities, _) = joined(100, &iam);
        assert_eq!(entities.len(), 110 + 50, "what only IAM knows is added");
        for (place, entity) in entities.values().enumerate() {
            let number: usize =
                entity.name().rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default();
            match entity.iam {
                IamEntry::User(user) => {
                    assert_eq!(user.name, format!("User-{number}"));
                    assert_eq!(entity.id.is_some(), number.is_multiple_of(3));
                }
                IamEntry::Gone => assert!(number < 50 && place < 110, "{number}"),
                other => panic!("{number}: {other:?}"),
            }
        }
    }
}
