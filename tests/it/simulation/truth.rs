//! What is true, and what the evidence that is left contradicts: the measure of both implementations.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use mfatrail::contract::{Finding, Principal, PrincipalKind, Window};
use mfatrail::exposure::Analysis;
use mfatrail::mfa::{Action, Event};

use super::{ACCOUNTS, World};

type Time = DateTime<Utc>;

/// An interval in which a principal is truly exposed.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposed {
    /// The unique id.
    pub who: String,
    pub from: Time,
    pub to: Time,
    /// Whether it was so when the history began.
    pub from_the_start: bool,
}

/// Evidence that cannot be whole.
#[derive(Debug, Clone)]
pub struct Contradiction {
    pub who: String,
    pub from: Time,
    pub to: Time,
    pub what: String,
}

/// All exposures, up to `as_of`.
pub fn exposures(world: &World) -> Vec<Exposed> {
    let mut open: BTreeMap<String, (Time, bool)> = BTreeMap::new();
    let mut all = Vec::new();
    for (n, (time, slots)) in world.truth.iter().enumerate() {
        let now: BTreeSet<&str> = slots.iter().filter(|s| s.exposed()).map(|s| s.id.as_str()).collect();
        let over: Vec<String> = open.keys().filter(|who| !now.contains(who.as_str())).cloned().collect();
        for who in over {
            let (from, from_the_start) = open.remove(&who).unwrap();
            all.push(Exposed { who, from, to: *time, from_the_start });
        }
        for who in now {
            open.entry(who.to_owned()).or_insert((*time, n == 0));
        }
    }
    for (who, (from, from_the_start)) in open {
        all.push(Exposed { who, from, to: world.as_of, from_the_start });
    }
    all.retain(|e| e.from < e.to && e.from < world.as_of);
    for exposed in &mut all {
        exposed.to = exposed.to.min(world.as_of);
    }
    all
}

/// Whom a principal of a report may be: the one with its id, else everybody who ever bore its name.
pub fn candidates(world: &World, account: &str, principal: &Principal) -> BTreeSet<String> {
    if principal.kind == PrincipalKind::Root {
        return BTreeSet::from([account.to_owned()]);
    }
    if let Some(id) = &principal.id {
        return BTreeSet::from([id.clone()]);
    }
    let slots = world.truth.iter().flat_map(|(_, slots)| slots);
    slots
        .filter(|s| s.alive && !s.root && ACCOUNTS[s.account] == account)
        .filter(|s| s.name.eq_ignore_ascii_case(&principal.name))
        .map(|s| s.id.clone())
        .collect()
}

/// Whose a window is: that of its opening event, else the one that is exposed then, of those it may be.
pub fn owner(world: &World, window: &Window) -> BTreeSet<String> {
    match window.opened_by_event.as_ref().and_then(|id| world.whose.get(id)) {
        Some(who) => BTreeSet::from([who.clone()]),
        None => candidates(world, &window.account, &window.principal),
    }
}

pub fn end(world: &World, window: &Window) -> Time {
    if window.is_open() { world.as_of } else { window.closed_at.unwrap_or(window.proven_to()) }
}

/// What the evidence that is left says twice, and differently: a success that IAM would have refused, and facts of IAM
/// that do not follow. Everything is known by its true identity.
pub fn contradictions(world: &World) -> Vec<Contradiction> {
    let mut replay = Replay::new(world);
    let mut events: Vec<&Event> =
        world.events.iter().filter(|e| e.succeeded() && e.time >= world.read_from() && e.time <= world.as_of).collect();
    events.sort_by(|a, b| a.order().cmp(&b.order()));
    let taken_at = world.iam.as_ref().map(|iam| iam.taken_at);
    let mut told = false;
    for event in events {
        if !told && taken_at.is_some_and(|t| t < event.time) {
            replay.iam();
            told = true;
        }
        replay.event(event);
    }
    if !told {
        replay.iam();
    }
    replay.found
}

struct Replay<'a> {
    world: &'a World,
    /// Account and serial number: who had it last, or that nobody had, and when that was.
    devices: BTreeMap<(String, String), (Option<String>, Time)>,
    passwords: BTreeMap<String, (bool, Time)>,
    found: Vec<Contradiction>,
}

impl<'a> Replay<'a> {
    fn new(world: &'a World) -> Self {
        Self { world, devices: BTreeMap::new(), passwords: BTreeMap::new(), found: Vec::new() }
    }

    fn device(&mut self, account: &str, serial: &str, before: Option<&str>, after: Option<&str>, at: Time, what: &str) {
        let key = (account.to_owned(), serial.to_owned());
        if let Some((holder, since)) = self.devices.get(&key)
            && holder.as_deref() != before
        {
            let who = holder.as_deref().or(before).unwrap_or_default().to_owned();
            let what = format!("{what} of {serial}");
            self.found.push(Contradiction { who, from: *since, to: at, what });
        }
        self.devices.insert(key, (after.map(str::to_owned), at));
    }

    fn password(&mut self, who: &str, before: Option<bool>, after: bool, at: Time, what: &str) {
        if let (Some(before), Some((there, since))) = (before, self.passwords.get(who))
            && before != *there
        {
            self.found.push(Contradiction { who: who.to_owned(), from: *since, to: at, what: what.to_owned() });
        }
        self.passwords.insert(who.to_owned(), (after, at));
    }

    fn event(&mut self, event: &Event) {
        let who = self.world.whose[&event.id].clone();
        let (account, at, name) = (event.account.clone(), event.time, event.name.clone());
        if let Some(serial) = event.action.serial().map(str::to_owned) {
            let (before, after) = match &event.action {
                Action::DeviceEnabled { .. } => (None, Some(who.as_str())),
                Action::DeviceDeactivated { .. } => (Some(who.as_str()), None),
                Action::DeviceCreated { .. } | Action::DeviceDeleted { .. } => (None, None),
                Action::DeviceResynced { .. } | Action::ConsoleLogin { .. } | Action::SessionToken { .. } => {
                    (Some(who.as_str()), Some(who.as_str()))
                }
                _ => return,
            };
            self.device(&account, &serial, before, after, at, &name);
        }
        match &event.action {
            Action::PasswordCreated => self.password(&who, Some(false), true, at, &name),
            Action::PasswordRemoved => self.password(&who, Some(true), false, at, &name),
            Action::PasswordReset | Action::PasswordChanged | Action::ConsoleLogin { .. } => {
                self.password(&who, Some(true), true, at, &name);
            }
            Action::UserCreated => self.password(&who, None, false, at, &name),
            Action::UserDeleted => {
                self.password(&who, Some(false), false, at, &name);
                let held: Vec<String> = self
                    .devices
                    .iter()
                    .filter(|((a, _), (holder, _))| *a == account && holder.as_ref() == Some(&who))
                    .map(|((_, serial), _)| serial.clone())
                    .collect();
                for serial in held {
                    self.device(&account, &serial, None, None, at, &name);
                }
            }
            _ => {}
        }
    }

    /// IAM's lists, where they are of one moment.
    fn iam(&mut self) {
        let Some(iam) = self.world.iam.clone() else { return };
        for (account, state) in &iam.accounts {
            if state.as_of.is_some_and(|a| a.earliest != iam.taken_at || a.latest != iam.taken_at) {
                continue;
            }
            let at = iam.taken_at;
            for user in &state.users {
                let Some(who) = &user.id else { continue };
                if let (Some(there), None) = (user.password, user.password_as_of) {
                    self.password(who, Some(there), there, at, "IAM's password");
                }
                let Some(list) = &user.devices else { continue };
                let known = self.devices.clone();
                let held = known.iter().filter(|((a, _), (holder, _))| a == account && holder.as_ref() == Some(who));
                for ((_, serial), _) in held.filter(|((_, s), _)| !list.iter().any(|d| d.serial == *s)) {
                    self.device(account, serial, None, None, at, "IAM's list");
                }
                for device in list {
                    self.device(account, &device.serial, Some(who), Some(who), at, "IAM's list");
                }
            }
        }
    }
}

/// The findings that may be about somebody.
pub fn findings_about<'a>(world: &World, analysis: &'a Analysis, who: &str) -> Vec<&'a Finding> {
    let about = |f: &&Finding| f.principal.as_ref().is_some_and(|p| candidates(world, &f.account, p).contains(who));
    analysis.reconciliation.iter().filter(about).collect()
}

/// What of `[from, to)` lies in none of the intervals.
pub fn uncovered(from: Time, to: Time, mut intervals: Vec<(Time, Time)>) -> Vec<(Time, Time)> {
    intervals.sort_unstable();
    let mut rest = Vec::new();
    let mut at = from;
    for (a, b) in intervals {
        if at < a.min(to) {
            rest.push((at, a.min(to)));
        }
        at = at.max(b);
    }
    if at < to {
        rest.push((at, to));
    }
    rest
}
