//! The specification's sections 4 to 7 a second time: slow, obvious, and written without a look at the first.
//!
//! Windows, means and classes are arithmetic, and arithmetic is tested best by doing it twice. Nothing here is clever: the
//! set of active devices is computed from scratch at every event, every signal walks over everything.
//!
//! Where evidence contradicts itself in a way that the specification leaves open, the oracle says so ([`Doubts`])
//! instead of insisting on one reading; such principals are left out of the comparison, never of the invariants.

pub mod naive;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use mfatrail::cloudtrail::{Actor, ActorKind};
use mfatrail::contract::{
    Activity, Approved, ByClass, Certainty, Class, CloseReason, CloseStat, ConsolePassword, Deactivations, DetectStat,
    Detected, DetectionKind, Exposure, Figures, Finding, FindingCode, KindFigures, LifecycleEvent, MfaCoverage,
    Outcome, Period, Principal, PrincipalKind, Reason, Stat, Window, WindowKind,
};
use mfatrail::exposure::{Analysis, Input};
use mfatrail::inputs::{DetectionSubject, Signal};
use mfatrail::inventory::{Device, DeviceOwner, UserState};
use mfatrail::mfa::{Action, Event, Target};
use mfatrail::trace::Call;

type Time = DateTime<Utc>;
/// A place in the total order of events.
type Pos = (Time, u8, String);

/// What the specification does not decide for this input.
#[derive(Debug, Default)]
pub struct Doubts {
    /// Account and latest name of principals whose evidence contradicts itself, and why.
    pub principals: BTreeMap<(String, String), &'static str>,
    /// Opening events whose class hangs on a reading.
    pub classes: BTreeSet<String>,
    /// Opening events before which only a sign-in or a change of password tells that there is one.
    pub passwords: BTreeSet<String>,
}

/// One principal, from its creation to its deletion.
struct Life {
    account: String,
    root: bool,
    names: Vec<String>,
    id: Option<String>,
    created: Option<Pos>,
    state: Option<UserState>,
    listed: Option<Vec<Device>>,
}

/// That a name meant a life from one place in the order of events to another.
struct Binding {
    account: String,
    name: String,
    from: Option<Pos>,
    to: Option<Pos>,
    life: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Enable,
    Deactivate,
    Use,
    /// IAM's `EnableDate`, of which the archive knows nothing.
    Told,
}

struct Oracle<'a> {
    input: &'a Input<'a>,
    events: Vec<&'a Event>,
    /// The principal of each event.
    about: Vec<Option<usize>>,
    calls: Vec<&'a Call>,
    lives: Vec<Life>,
    bindings: Vec<Binding>,
    taken_at: Option<Time>,
}

fn pos(event: &Event) -> Pos {
    (event.time, event.action.rank(), event.id.clone())
}

/// What the specification says about `input`, and what it leaves open.
pub fn judge(input: &Input<'_>) -> (Analysis, Doubts) {
    let oracle = Oracle::new(input);
    let mut doubts = Doubts::default();
    let mut windows = Vec::new();
    let mut reconciliation = Vec::new();
    let (mut left, mut no_password) = (0, 0);
    for life in 0..oracle.lives.len() {
        let told = oracle.walk(life);
        if let Some(why) = told.doubt {
            doubts.principals.insert((oracle.lives[life].account.clone(), oracle.name(life)), why);
        }
        left += told.left;
        no_password += told.no_password;
        reconciliation.extend(told.findings);
        for (window, opening) in told.windows {
            let (window, doubtful) = oracle.dress(life, window, opening);
            if doubtful {
                doubts.classes.insert(window.opened_by_event.clone());
            }
            let inclusive = opening.action == Action::PasswordCreated;
            if oracle.password(life, &pos(opening), inclusive) == (ConsolePassword::Unknown, true) {
                doubts.passwords.insert(window.opened_by_event.clone());
            }
            windows.push(window);
        }
    }
    if let Some(iam) = input.iam {
        for (account, state) in &iam.accounts {
            for orphan in state.virtual_devices.iter().flatten().filter(|v| v.owner.is_none()) {
                reconciliation.push(Finding {
                    account: account.clone(),
                    principal: None,
                    device: Some(orphan.device.serial.clone()),
                    finding: FindingCode::DeviceWithoutOwner,
                    between: [iam.taken_at, iam.taken_at],
                });
            }
        }
    }
    reconciliation.sort();
    reconciliation.dedup();
    let figures = oracle.figures(&windows, left, no_password);
    windows.retain(|w| touches(w, &input.period, input.as_of));
    windows.sort_by(|a, b| (a.opened_at, &a.opened_by_event).cmp(&(b.opened_at, &b.opened_by_event)));
    let events = oracle.lifecycle();
    (Analysis { windows, events, reconciliation, figures, notices: Vec::new() }, doubts)
}

fn touches(window: &Window, period: &Period, as_of: Time) -> bool {
    let end = window.closed_at.unwrap_or(as_of);
    window.opened_at < period.to && (end > period.from || window.opened_at >= period.from)
}

/// What one principal's history tells.
#[derive(Default)]
struct Told<'a> {
    windows: Vec<(Window, &'a Event)>,
    findings: Vec<Finding>,
    left: usize,
    no_password: usize,
    doubt: Option<&'static str>,
}

impl<'a> Oracle<'a> {
    fn new(input: &'a Input<'a>) -> Self {
        let first = input.period.from - Duration::seconds(input.settings.lookback_s);
        let seen = |time: Time| first <= time && time <= input.as_of;
        let mut known = BTreeSet::new();
        let mut events: Vec<&Event> =
            input.events.iter().filter(|e| seen(e.time) && known.insert((e.account.clone(), e.id.clone()))).collect();
        events.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut known = BTreeSet::new();
        let calls = input
            .context
            .calls
            .iter()
            .filter(|c| seen(c.time) && known.insert((c.account.clone(), c.event_id.clone())))
            .collect();
        let mut oracle = Self {
            input,
            events,
            about: Vec::new(),
            calls,
            lives: Vec::new(),
            bindings: Vec::new(),
            taken_at: input.iam.map(|iam| iam.taken_at),
        };
        oracle.tell_lives();
        oracle.tell_iam();
        oracle
    }

    // ------------------------------------------------------------------------------------------------ identity

    fn tell_lives(&mut self) {
        for event in self.events.clone() {
            let place = pos(event);
            if event.actor.kind == ActorKind::IamUser
                && let Some(name) = &event.actor.name
            {
                let account = event.actor.account.clone().unwrap_or_else(|| event.account.clone());
                let life = self.named(&account, name, &place);
                self.lives[life].id = self.lives[life].id.clone().or_else(|| event.actor.id.clone());
            }
            let done = event.succeeded();
            let about = match &event.target {
                Target::Root => Some(self.root(&event.account)),
                Target::User { name: Some(name), id } => {
                    if done && event.action == Action::UserCreated {
                        self.unbind(&event.account, name, &place);
                        let life = self.life(&event.account, name, false);
                        self.lives[life].created = Some(place.clone());
                        self.bind(&event.account, name, Some(place.clone()), life);
                    }
                    let life = self.named(&event.account, name, &place);
                    self.lives[life].id = self.lives[life].id.clone().or_else(|| id.clone());
                    if done && let Action::UserRenamed { new_name } = &event.action {
                        self.unbind(&event.account, name, &place);
                        self.unbind(&event.account, new_name, &place);
                        self.lives[life].names.push(new_name.clone());
                        self.bind(&event.account, new_name, Some(place.clone()), life);
                    }
                    if done && event.action == Action::UserDeleted {
                        self.unbind(&event.account, name, &place);
                    }
                    Some(life)
                }
                // the ledger: who last had a device of that serial number
                Target::DeviceOnly => (0..self.about.len())
                    .rev()
                    .find(|&i| {
                        self.events[i].account == event.account
                            && self.events[i].succeeded()
                            && self.events[i].target != Target::DeviceOnly
                            && self.events[i].action.serial().is_some()
                            && self.events[i].action.serial() == event.action.serial()
                    })
                    .and_then(|i| self.about[i]),
                _ => None,
            };
            self.about.push(about);
        }
    }

    fn life(&mut self, account: &str, name: &str, root: bool) -> usize {
        self.lives.push(Life {
            account: account.to_owned(),
            root,
            names: vec![name.to_owned()],
            id: None,
            created: None,
            state: None,
            listed: None,
        });
        self.lives.len() - 1
    }

    fn root(&mut self, account: &str) -> usize {
        match self.lives.iter().position(|l| l.root && l.account == account) {
            Some(life) => life,
            None => self.life(account, "root", true),
        }
    }

    fn bind(&mut self, account: &str, name: &str, from: Option<Pos>, life: usize) {
        self.bindings.push(Binding { account: account.to_owned(), name: name.to_lowercase(), from, to: None, life });
    }

    fn unbind(&mut self, account: &str, name: &str, place: &Pos) {
        for binding in &mut self.bindings {
            if binding.account == account && binding.name == name.to_lowercase() && binding.to.is_none() {
                binding.to = Some(place.clone());
            }
        }
    }

    /// The life that has the name now; one of unknown beginning where there is none yet.
    fn named(&mut self, account: &str, name: &str, _place: &Pos) -> usize {
        let lower = name.to_lowercase();
        let mine = |b: &&Binding| b.account == account && b.name == lower;
        if let Some(binding) = self.bindings.iter().find(|b| mine(b) && b.to.is_none()) {
            return binding.life;
        }
        let since = self.bindings.iter().filter(mine).filter_map(|b| b.to.clone()).max();
        let life = self.life(account, name, false);
        self.bind(account, name, since, life);
        life
    }

    /// Who had the name at a moment, everything of that second included.
    fn named_at(&self, account: &str, name: &str, time: Time) -> Option<usize> {
        let lower = name.to_lowercase();
        let place = (time, u8::MAX, String::new());
        self.bindings
            .iter()
            .filter(|b| b.account == account && b.name == lower)
            .find(|b| b.from.as_ref().is_none_or(|f| *f < place) && b.to.as_ref().is_none_or(|t| *t >= place))
            .map(|b| b.life)
    }

    fn tell_iam(&mut self) {
        let Some(iam) = self.input.iam else { return };
        for (account, state) in &iam.accounts {
            for user in &state.users {
                let place = (iam.taken_at, u8::MAX, String::new());
                let life = match self.named_at(account, &user.name, iam.taken_at) {
                    Some(life) => life,
                    None => self.named(account, &user.name, &place),
                };
                self.lives[life].id = self.lives[life].id.clone().or_else(|| user.id.clone());
                self.lives[life].state = Some(user.clone());
                self.lives[life].listed = user.devices.clone();
            }
            if let Some(root) = &state.root {
                let life = self.root(account);
                self.lives[life].state = Some(UserState {
                    name: "root".to_owned(),
                    mfa_active: root.mfa_active,
                    password: root.password,
                    ..UserState::default()
                });
            }
        }
    }

    fn name(&self, life: usize) -> String {
        self.lives[life].names.last().cloned().unwrap_or_default()
    }

    fn principal(&self, life: usize) -> Principal {
        let kind = if self.lives[life].root { PrincipalKind::Root } else { PrincipalKind::IamUser };
        Principal { kind, name: self.name(life), id: self.lives[life].id.clone() }
    }

    /// Whether the caller is the principal itself.
    fn is_self(&self, actor: &Actor, life: usize, time: Time) -> bool {
        let who = &self.lives[life];
        if who.root {
            return actor.kind == ActorKind::Root && actor.account.as_deref() == Some(&who.account);
        }
        if actor.kind != ActorKind::IamUser || actor.account.as_deref() != Some(&who.account) {
            return false;
        }
        match (&actor.id, &who.id) {
            (Some(theirs), Some(mine)) => theirs == mine,
            _ => actor.name.as_deref().is_some_and(|name| self.named_at(&who.account, name, time) == Some(life)),
        }
    }

    // ------------------------------------------------------------------------------------------------ D(t)

    /// The successful events about a principal, in order.
    fn history(&self, life: usize) -> Vec<&'a Event> {
        (0..self.events.len())
            .filter(|&i| self.about[i] == Some(life) && self.events[i].succeeded())
            .map(|i| self.events[i])
            .collect()
    }

    /// What IAM says of a device: `Some(Some(date))` active since, `Some(None)` not active, `None` nothing.
    fn listing(&self, life: usize, serial: &str) -> Option<Option<Time>> {
        let who = &self.lives[life];
        if let Some(list) = &who.listed {
            return Some(list.iter().find(|d| d.serial == serial).and_then(|d| d.enabled_at));
        }
        let state = who.state.as_ref()?;
        let virtuals = self.input.iam.and_then(|iam| iam.accounts.get(&who.account)?.virtual_devices.as_ref());
        if let Some(list) = virtuals
            && serial.contains(":mfa/")
        {
            return Some(self.virtuals(life, list).into_iter().find(|d| d.serial == serial).and_then(|d| d.enabled_at));
        }
        (state.mfa_active == Some(false)).then_some(None)
    }

    fn virtuals(&self, life: usize, list: &[mfatrail::inventory::VirtualDevice]) -> Vec<Device> {
        let who = &self.lives[life];
        list.iter()
            .filter(|v| match &v.owner {
                Some(DeviceOwner::Root) => who.root,
                Some(DeviceOwner::User { name, .. }) => {
                    !who.root && who.state.as_ref().is_some_and(|s| s.name.eq_ignore_ascii_case(name))
                }
                None => false,
            })
            .map(|v| v.device.clone())
            .collect()
    }

    /// Every device that anything tells of.
    fn serials(&self, life: usize) -> BTreeSet<String> {
        let who = &self.lives[life];
        let mut serials: BTreeSet<String> = self
            .history(life)
            .iter()
            .filter(|e| mark(e).is_some())
            .filter_map(|e| e.action.serial().map(str::to_owned))
            .collect();
        serials.extend(who.listed.iter().flatten().map(|d| d.serial.clone()));
        let account = self.input.iam.and_then(|iam| iam.accounts.get(&who.account));
        if let Some(list) = account.and_then(|a| a.virtual_devices.as_ref())
            && who.state.is_some()
        {
            serials.extend(self.virtuals(life, list).into_iter().map(|d| d.serial));
        }
        serials
    }

    /// What is known to have happened to one device, in order.
    fn marks(&self, life: usize, serial: &str) -> Vec<(Pos, Mark)> {
        let mut marks: Vec<(Pos, Mark)> = self
            .history(life)
            .into_iter()
            .filter(|e| e.action.serial() == Some(serial))
            .filter_map(|e| mark(e).map(|m| (pos(e), m)))
            .collect();
        if let Some(Some(date)) = self.listing(life, serial)
            && !marks.iter().any(|(p, m)| *m == Mark::Enable && p.0 == date)
        {
            marks.push(((date, 2, String::new()), Mark::Told));
            marks.sort_by(|a, b| a.0.cmp(&b.0));
        }
        marks
    }

    /// Whether a device is active just before (`after` false) or just after a place.
    fn active(&self, life: usize, serial: &str, place: &Pos, after: bool) -> bool {
        let marks = self.marks(life, serial);
        let past = marks.iter().rfind(|(p, _)| if after { p <= place } else { p < place });
        match past {
            Some((_, Mark::Deactivate)) => false,
            Some(_) => true,
            None => {
                let next = marks.iter().find(|(p, _)| if after { p > place } else { p >= place });
                let born = self.lives[life].created.as_ref().is_none_or(|c| c < place);
                born && matches!(next, Some((_, Mark::Use | Mark::Deactivate)))
            }
        }
    }

    fn active_devices(&self, life: usize, place: &Pos, after: bool) -> BTreeSet<String> {
        self.serials(life).into_iter().filter(|s| self.active(life, s, place, after)).collect()
    }

    /// Whether IAM tells of a device that neither events nor lists name.
    fn unseen(&self, life: usize) -> bool {
        let who = &self.lives[life];
        let (Some(state), Some(taken_at)) = (&who.state, self.taken_at) else { return false };
        let place = (taken_at, u8::MAX, String::new());
        state.mfa_active == Some(true) && who.listed.is_none() && self.active_devices(life, &place, true).is_empty()
    }

    fn complete(&self, life: usize) -> bool {
        let who = &self.lives[life];
        let start = self.input.period.from - Duration::seconds(self.input.settings.lookback_s);
        if self.taken_at.is_some_and(|s| s < start) {
            return who.created.is_some();
        }
        who.created.is_some() || who.listed.is_some() || who.state.as_ref().is_some_and(|s| s.mfa_active == Some(false))
    }

    // ------------------------------------------------------------------------------------------------ passwords

    /// What is known of the console password at a place; the flag tells that other evidence says more, or the contrary.
    fn password(&self, life: usize, place: &Pos, inclusive: bool) -> (ConsolePassword, bool) {
        let who = &self.lives[life];
        let history = self.history(life);
        let before = |e: &&&Event| if inclusive { pos(e) <= *place } else { pos(e) < *place };
        let profile = |e: &Event| matches!(e.action, Action::PasswordCreated | Action::PasswordRemoved);
        let last = history.iter().filter(before).rfind(|e| profile(e));
        let removed = last.is_some_and(|e| e.action == Action::PasswordRemoved);
        let never = last.is_none() && who.created.is_some();
        let state = who.state.as_ref().and_then(|s| s.password);
        let undisturbed = self.taken_at.is_some_and(|s| {
            let s = (s, u8::MAX, String::new());
            let (from, to) = if *place < s { (place, &s) } else { (&s, place) };
            !history.iter().any(|e| profile(e) && pos(e) > *from && (pos(e) < *to || inclusive && pos(e) == *to))
        });
        let none = removed || never || state == Some(false) && undisturbed;
        let given = last.is_some_and(|e| e.action == Action::PasswordCreated);
        let some = given || state == Some(true) && undisturbed;
        let basis = last.map(|e| pos(e)).or_else(|| who.created.clone());
        let proven = history.iter().filter(before).any(|e| {
            let uses =
                matches!(e.action, Action::PasswordReset | Action::PasswordChanged | Action::ConsoleLogin { .. });
            uses && basis.as_ref().is_none_or(|b| pos(e) > *b)
        });
        // Only what exists is removed, reset, changed or used: the next word tells of the time before it.
        let after = history.iter().filter(|e| if inclusive { pos(e) > *place } else { pos(e) >= *place });
        let next = after.into_iter().find_map(|e| match e.action {
            Action::PasswordCreated => Some(false),
            Action::PasswordRemoved | Action::PasswordReset | Action::PasswordChanged | Action::ConsoleLogin { .. } => {
                Some(true)
            }
            _ => None,
        });
        let some = some || proven || next == Some(true);
        let value = match (none && !given, some) {
            (true, _) => ConsolePassword::No,
            (false, true) => ConsolePassword::Yes,
            (false, false) => ConsolePassword::Unknown,
        };
        (value, none && some)
    }

    // ------------------------------------------------------------------------------------------------ windows

    fn walk(&self, life: usize) -> Told<'a> {
        let mut told = Told::default();
        let who = &self.lives[life];
        let history = self.history(life);
        let unseen = self.unseen(life);
        self.reconcile(life, &mut told);
        if unseen && who.created.is_some() {
            told.doubt = Some("IAM tells of a device of a user whose whole life was seen, the archive does not");
        }

        // every place at which something happens: events, and the dates that only IAM tells
        let mut places: Vec<(Pos, Option<&Event>, Option<String>)> =
            history.iter().map(|e| (pos(e), Some(*e), None)).collect();
        for serial in self.serials(life) {
            for (place, kind) in self.marks(life, &serial) {
                if kind == Mark::Told {
                    places.push((place, None, Some(serial.clone())));
                }
            }
        }
        places.sort_by(|a, b| a.0.cmp(&b.0));

        let mut open: Option<(Window, &'a Event)> = None;
        let mut last_closed: Option<(CloseReason, WindowKind)> = None;
        let mut denied = false;
        for (place, event, serial) in places {
            let before = self.active_devices(life, &place, false);
            let after = self.active_devices(life, &place, true);
            let empty = after.is_empty() && !unseen;
            let shut = |open: &mut Option<(Window, &'a Event)>,
                        windows: &mut Vec<(Window, &'a Event)>,
                        why: CloseReason,
                        by: Option<&Event>| {
                let (mut window, opening) = open.take()?;
                window.closed_at = Some(place.0);
                window.closed_by_event = by.map(|e| e.id.clone());
                window.close_reason = Some(why);
                window.duration_s = (place.0 - window.opened_at).num_seconds();
                let kind = window.kind;
                windows.push((window, opening));
                Some((why, kind))
            };
            let Some(event) = event else {
                // the missing enrolment lies between the window's opening and the date that IAM tells
                if let Some((window, _)) = &open {
                    for finding in &mut told.findings {
                        if finding.device == serial && finding.between[1] == place.0 {
                            finding.between[0] = window.opened_at;
                        }
                    }
                }
                shut(&mut open, &mut told.windows, CloseReason::SeenInIam, None);
                last_closed = None;
                continue;
            };
            match mark(event) {
                Some(Mark::Enable) => {
                    shut(&mut open, &mut told.windows, CloseReason::Reenabled, Some(event));
                    last_closed = None;
                }
                // a device that had been deactivated is used or deactivated again: an enrolment is missing
                Some(Mark::Use | Mark::Deactivate) if event.action.serial().is_some_and(|s| !before.contains(s)) => {
                    shut(&mut open, &mut told.windows, CloseReason::SeenInUse, Some(event));
                    last_closed = None;
                }
                _ => {}
            }
            match &event.action {
                Action::UserDeleted => {
                    shut(&mut open, &mut told.windows, CloseReason::UserDeleted, Some(event));
                }
                Action::PasswordRemoved => {
                    let closed = shut(&mut open, &mut told.windows, CloseReason::PasswordRemoved, Some(event));
                    last_closed = closed.or(last_closed);
                }
                action if denies(action) => {
                    denied = true;
                    let closed = shut(&mut open, &mut told.windows, CloseReason::Denied, Some(event));
                    last_closed = closed.or(last_closed);
                }
                action if undenies(action) => {
                    denied = false;
                    if let Some((CloseReason::Denied, kind)) = last_closed
                        && open.is_none()
                        && empty
                    {
                        if self.password(life, &place, false).0 == ConsolePassword::No {
                            told.doubt = Some("a deny is taken away from a user without password");
                        } else {
                            open = Some((self.opened(life, kind, event), event));
                        }
                    }
                }
                Action::PasswordCreated if open.is_none() && empty => {
                    if denied {
                        told.doubt = Some("a password is given to a user who is denied everything");
                    }
                    let had = self.serials(life).iter().any(|s| self.marks(life, s).iter().any(|(p, _)| *p < place));
                    if had {
                        open = Some((self.opened(life, WindowKind::Removed, event), event));
                    } else if self.complete(life) {
                        open = Some((self.opened(life, WindowKind::NeverEnrolled, event), event));
                    }
                }
                Action::DeviceDeactivated { .. } => {
                    let counted = usize::from(self.input.period.contains(event.time));
                    if !empty {
                        told.left += counted;
                    } else {
                        let (password, contradicts) = self.password(life, &place, false);
                        if contradicts && password == ConsolePassword::No {
                            told.doubt = Some("it has a password and it has none");
                        }
                        if password == ConsolePassword::No {
                            told.no_password += counted;
                        } else {
                            open = Some((self.opened(life, WindowKind::Removed, event), event));
                        }
                    }
                }
                _ => {}
            }
        }
        if let Some((mut window, opening)) = open {
            window.duration_s = (self.input.as_of - window.opened_at).num_seconds();
            told.windows.push((window, opening));
        }

        // a console user without MFA, at the snapshot, and no window to tell why
        if let (Some(state), Some(taken_at)) = (&who.state, self.taken_at)
            && state.password == Some(true)
            && (state.mfa_active == Some(false) || who.listed.as_ref().is_some_and(Vec::is_empty))
            && !told.findings.iter().any(|f| f.finding == FindingCode::DeactivateNotInArchive)
        {
            let explains = |w: &Window| w.opened_at <= taken_at && w.closed_at.is_none_or(|closed| closed > taken_at);
            if !told.windows.iter().any(|(w, _)| explains(w)) {
                if told.windows.iter().any(|(w, _)| w.opened_at <= taken_at) {
                    told.doubt = told.doubt.or(Some("a window that was closed may explain why there is no MFA"));
                }
                told.findings.push(self.finding(life, None, FindingCode::WithoutMfaUnexplained, taken_at, taken_at));
            }
        }
        told
    }

    fn reconcile(&self, life: usize, told: &mut Told<'a>) {
        let who = &self.lives[life];
        for serial in self.serials(life) {
            let marks = self.marks(life, &serial);
            for (i, (place, kind)) in marks.iter().enumerate() {
                let previous = i.checked_sub(1).map(|j| &marks[j]);
                match (kind, previous) {
                    (Mark::Use | Mark::Deactivate, Some((lost, Mark::Deactivate))) => told.findings.push(self.finding(
                        life,
                        Some(&serial),
                        FindingCode::EnableNotInArchive,
                        lost.0,
                        place.0,
                    )),
                    (Mark::Use | Mark::Deactivate, None) if who.created.is_some() => {
                        told.doubt = Some("a device of a user whose whole life was seen was never enabled");
                    }
                    (Mark::Told, before) => {
                        let covered = self.input.covered.get(&who.account);
                        let start = self.input.period.from - Duration::seconds(self.input.settings.lookback_s);
                        if covered.is_some_and(|[a, b]| *a <= place.0 && place.0 <= *b) && place.0 >= start {
                            let since = before.map_or(place.0, |(p, _)| p.0);
                            told.findings.push(self.finding(
                                life,
                                Some(&serial),
                                FindingCode::EnableNotInArchive,
                                since,
                                place.0,
                            ));
                        }
                        if before.is_some_and(|(_, m)| *m != Mark::Deactivate) {
                            told.doubt = Some("IAM tells of a later enrolment of a device that was never lost");
                        }
                    }
                    _ => {}
                }
            }
            let Some(taken_at) = self.taken_at else { continue };
            let at_snapshot = marks.iter().rfind(|(p, _)| p.0 <= taken_at);
            match (self.listing(life, &serial), at_snapshot) {
                (Some(None), Some((place, Mark::Enable | Mark::Use))) => {
                    told.findings.push(self.finding(
                        life,
                        Some(&serial),
                        FindingCode::DeactivateNotInArchive,
                        place.0,
                        taken_at,
                    ));
                    told.doubt = Some("a device was lost, and nothing tells when");
                }
                (Some(None), None) if !matches!(marks.first(), Some((_, Mark::Enable))) => {
                    told.doubt = Some("a device that IAM lacks was in use later and never enabled");
                }
                (Some(Some(_)), Some((_, Mark::Deactivate))) => {
                    told.doubt = Some("a device that IAM lists was deactivated after its date");
                }
                _ => {}
            }
        }
    }

    fn finding(&self, life: usize, device: Option<&str>, finding: FindingCode, from: Time, to: Time) -> Finding {
        Finding {
            account: self.lives[life].account.clone(),
            principal: Some(self.principal(life)),
            device: device.map(str::to_owned),
            finding,
            between: [from, to],
        }
    }

    fn opened(&self, life: usize, kind: WindowKind, by: &Event) -> Window {
        let inclusive = by.action == Action::PasswordCreated;
        let state = self.lives[life].state.as_ref();
        Window {
            kind,
            account: self.lives[life].account.clone(),
            principal: self.principal(life),
            owner: state.and_then(|s| {
                let tags = s.tags.as_ref()?;
                self.input.settings.owner_tags.iter().find_map(|key| tags.get(key).cloned())
            }),
            opened_at: by.time,
            opened_by_event: by.id.clone(),
            opened_by: by.name.clone(),
            device: by.action.serial().map(str::to_owned),
            actor: by.actor.display(),
            actor_mfa: by.actor_mfa,
            source_ip: by.source_ip.clone(),
            delivered_at: by.delivered_at,
            closed_at: None,
            closed_by_event: None,
            close_reason: None,
            duration_s: 0,
            certainty: if self.complete(life) { Certainty::Confirmed } else { Certainty::Possible },
            class: None,
            legitimate: None,
            reasons: Vec::new(),
            detection: None,
            approval: None,
            console_password: self.password(life, &pos(by), inclusive).0,
            active_access_keys: None,
            privileged: state.and_then(|s| s.privileged),
            activity: Activity::default(),
            integrity: None,
        }
    }

    // ------------------------------------------------------------------------------------------------ what hangs on a window

    /// Adds what the principal did, and for deactivations class and detection. The flag: the class hangs on a reading.
    fn dress(&self, life: usize, mut window: Window, opening: &Event) -> (Window, bool) {
        window.activity = self.activity(life, &window);
        if !matches!(opening.action, Action::DeviceDeactivated { .. }) {
            return (window, false);
        }
        let t = opening.time;
        let settings = self.input.settings;
        let history = self.history(life);
        let mut doubtful = false;

        let approval = self.input.approvals.iter().find(|a| {
            a.account == self.lives[life].account
                && self.lives[life].names.iter().any(|n| n.eq_ignore_ascii_case(&a.user))
                && a.valid_from <= t
                && t < a.valid_to
        });
        let within = |e: &Event, grace: i64| pos(e) > pos(opening) && e.time <= t + Duration::seconds(grace);
        let offboarding = history.iter().any(|e| {
            // the root user cannot be deleted, its credentials can
            let gone = e.action == Action::UserDeleted || self.lives[life].root && e.action == Action::PasswordRemoved;
            gone && within(e, settings.offboarding_grace_s)
        });
        let replaced = history.iter().any(|e| mark(e) == Some(Mark::Enable) && within(e, settings.replacement_grace_s));
        // a new device that no event tells of, within the grace: the specification speaks of enabling only
        let grace_end = t + Duration::seconds(settings.replacement_grace_s);
        let silently = matches!(window.close_reason, Some(CloseReason::SeenInIam | CloseReason::SeenInUse))
            && window.closed_at.is_some_and(|c| c <= grace_end);
        doubtful |= silently && !replaced;

        let mut signals = Vec::new();
        for signal in &settings.takeover_signals {
            let (held, open_question) = self.signal(*signal, life, &window, opening);
            doubtful |= open_question;
            if held {
                signals.push(*signal);
            }
        }
        let end = window.closed_at.unwrap_or(self.input.as_of + Duration::seconds(1));
        let unprotected = |c: &&&Call| {
            !c.failed && c.sign_in_mfa.or(c.session_mfa) == Some(false) && self.is_self(&c.actor, life, c.time)
        };
        let by_itself = self.is_self(&opening.actor, life, t);
        let works_on = self.calls.iter().filter(unprotected).any(|c| t < c.time && c.time < end);
        let same_second = self.calls.iter().filter(unprotected).any(|c| c.time == t && c.event_id != opening.id);
        doubtful |= by_itself && same_second && !works_on;

        let class = if approval.is_some() {
            Class::Approved
        } else if offboarding {
            Class::Offboarding
        } else if signals.len() >= settings.takeover_threshold {
            Class::SuspectedTakeover
        } else if replaced {
            Class::Replacement
        } else if by_itself && works_on {
            Class::Workaround
        } else {
            Class::Unexplained
        };
        window.class = Some(class);
        window.legitimate = Some(class.legitimate());
        window.reasons = signals.iter().map(|s| Reason { rule: s.name(), event_ids: vec![] }).collect();
        window.approval = approval.map(|a| Approved { ticket: a.ticket.clone(), approver: a.approver.clone() });
        let (detection, unclear) = self.detection(life, &window, opening);
        window.detection = detection;
        (window, doubtful || unclear)
    }

    fn activity(&self, life: usize, window: &Window) -> Activity {
        let end = window.closed_at.unwrap_or(self.input.as_of + Duration::seconds(1));
        let mine: Vec<&&Call> = self
            .calls
            .iter()
            .filter(|c| window.opened_at <= c.time && c.time < end && self.is_self(&c.actor, life, c.time))
            .collect();
        let sorted = |values: BTreeSet<String>| values.into_iter().collect::<Vec<_>>();
        Activity {
            events: mine.len(),
            console_logins_without_mfa: mine
                .iter()
                .filter(|c| &*c.name == "ConsoleLogin" && !c.failed && c.sign_in_mfa == Some(false))
                .count(),
            writes: mine.iter().filter(|c| !c.read_only).count(),
            errors: mine.iter().filter(|c| c.failed).count(),
            source_ips: sorted(mine.iter().filter_map(|c| c.source_ip.as_deref().map(str::to_owned)).collect()),
            services: sorted(mine.iter().map(|c| c.service.to_string()).collect()),
        }
    }

    /// The addresses at which a caller was seen in the look-back before `t`; with `failures`, refused calls count too.
    fn addresses(
        &self,
        is_it: &dyn Fn(&Call) -> bool,
        actor: Option<&Actor>,
        t: Time,
        failures: bool,
    ) -> BTreeSet<String> {
        let start = t - Duration::seconds(self.input.settings.lookback_s);
        // A look-back that was not read in full tells nothing.
        if t < self.input.period.from {
            return BTreeSet::new();
        }
        let mut seen: BTreeSet<String> = self
            .calls
            .iter()
            .filter(|c| start <= c.time && c.time < t && is_it(c) && (failures || !c.failed))
            .filter_map(|c| c.source_ip.as_deref().map(str::to_owned))
            .collect();
        if let Some(actor) = actor {
            seen.extend(
                self.input
                    .context
                    .sightings
                    .iter()
                    .filter(|s| Some(&*s.actor) == actor.id.as_deref().or(actor.arn.as_deref()))
                    .filter(|s| s.first < t && s.last >= start)
                    .map(|s| s.source_ip.to_string()),
            );
        }
        seen
    }

    /// Whether a signal holds, and whether that hangs on a reading.
    fn signal(&self, signal: Signal, life: usize, window: &Window, opening: &Event) -> (bool, bool) {
        let t = opening.time;
        let hour = Duration::hours(1);
        let actor = &opening.actor;
        let strange = |ip: &Option<String>, seen: &BTreeSet<String>| {
            !seen.is_empty() && ip.as_ref().is_some_and(|ip| !seen.contains(ip))
        };
        match signal {
            Signal::ActorWithoutMfa => {
                (matches!(actor.kind, ActorKind::IamUser | ActorKind::Root) && opening.actor_mfa == Some(false), false)
            }
            Signal::NewSource => {
                let is_it = |c: &Call| c.actor.same_as(actor);
                let held = |failures| strange(&opening.source_ip, &self.addresses(&is_it, Some(actor), t, failures));
                (held(true), held(true) != held(false))
            }
            Signal::SeveralPrincipals => {
                let others: BTreeSet<usize> = (0..self.events.len())
                    .filter(|&i| {
                        let e = self.events[i];
                        matches!(e.action, Action::DeviceDeactivated { .. })
                            && e.succeeded()
                            && e.actor.same_as(actor)
                            && (e.time - t).abs() <= hour
                    })
                    .filter_map(|i| self.about[i])
                    .filter(|other| *other != life)
                    .collect();
                (others.len() >= 2, false)
            }
            Signal::Persistence => {
                let held = self.history(life).iter().any(|e| {
                    let lasting = match &e.action {
                        Action::AccessKeyCreated { .. } | Action::PasswordCreated => true,
                        Action::PasswordReset | Action::PasswordChanged => !self.is_self(&e.actor, life, e.time),
                        Action::PolicyAttached { arn: Some(arn) } => arn.ends_with(":policy/AdministratorAccess"),
                        Action::PolicyPut { document: Some(text), .. } => everything(text, "Allow"),
                        _ => false,
                    };
                    lasting && t <= e.time && e.time <= t + hour
                });
                (held, false)
            }
            Signal::PriorFailures => {
                let held = self.events.iter().any(|e| {
                    matches!(e.action, Action::ConsoleLogin { .. } | Action::DeviceDeactivated { .. })
                        && !e.succeeded()
                        && e.actor.same_as(actor)
                        && t - hour <= e.time
                        && e.time <= t
                });
                (held, false)
            }
            Signal::ForeignEnrolment => {
                let history = self.history(life);
                let next = history.iter().find(|e| mark(e) == Some(Mark::Enable) && pos(e) > pos(opening));
                let closing = next.filter(|e| window.closed_by_event.as_ref() == Some(&e.id));
                let is_it = |c: &Call| self.is_self(&c.actor, life, c.time);
                let held = |e: Option<&&Event>, failures| {
                    e.is_some_and(|e| strange(&e.source_ip, &self.addresses(&is_it, None, t, failures)))
                };
                let value = held(next, true);
                (value, value != held(next, false) || value != held(closing, true))
            }
            Signal::RootUser => (actor.kind == ActorKind::Root, false),
        }
    }

    fn detection(&self, life: usize, window: &Window, opening: &Event) -> (Option<Detected>, bool) {
        let who = &self.lives[life];
        let end = window.closed_at.unwrap_or(self.input.as_of);
        let reported = self
            .input
            .detections
            .iter()
            .filter(|d| match &d.subject {
                DetectionSubject::Event(id) => *id == opening.id,
                DetectionSubject::Principal { account, user } => {
                    *account == who.account
                        && who.names.iter().any(|n| n.eq_ignore_ascii_case(user))
                        && opening.time <= d.detected_at
                        && d.detected_at <= end
                }
            })
            .min_by_key(|d| d.detected_at);
        let detected = |at: Time, kind, source: String, reference: String| {
            Some(Detected { at, kind, source, reference, time_to_detect_s: (at - opening.time).num_seconds() })
        };
        if let Some(d) = reported {
            return (detected(d.detected_at, DetectionKind::Reported, d.source.clone(), d.reference.clone()), false);
        }
        let inside =
            |time: Time| opening.time <= time && (time < end || window.closed_at.is_none() && time <= self.input.as_of);
        let stranger = |actor: &Actor, time: Time| {
            actor.kind != ActorKind::Service && !self.is_self(actor, life, time) && !actor.same_as(&opening.actor)
        };
        let mut found: Vec<(Time, &Actor, &str)> = Vec::new();
        let mut unclear = false;
        for call in &self.calls {
            let about = call.about_user.as_deref().is_some_and(|user| {
                *call.account == *who.account
                    && if user == "aws root user" {
                        who.root
                    } else {
                        self.named_at(&call.account, user, call.time) == Some(life)
                    }
            });
            if about && inside(call.time) && stranger(&call.actor, call.time) {
                if call.read_only && self.sweep(call, 600) {
                    unclear |= !self.sweep(call, 599);
                    continue;
                }
                found.push((call.time, &call.actor, &call.event_id));
            }
        }
        for (i, event) in self.events.iter().enumerate() {
            if self.about[i] == Some(life)
                && event.source == "iam.amazonaws.com"
                && inside(event.time)
                && stranger(&event.actor, event.time)
            {
                found.push((event.time, &event.actor, &event.id));
            }
        }
        let first = found.into_iter().min_by_key(|(time, _, id)| (*time, *id));
        (first.and_then(|(at, by, id)| detected(at, DetectionKind::Inferred, by.display(), id.to_owned())), unclear)
    }

    /// Whether the caller read five or more principals within a span that holds the call.
    fn sweep(&self, call: &Call, span_s: i64) -> bool {
        let reads: Vec<&&Call> = self
            .calls
            .iter()
            .filter(|c| c.read_only && c.about_user.is_some() && c.actor.same_as(&call.actor))
            .collect();
        reads.iter().any(|first| {
            let last = first.time + Duration::seconds(span_s);
            let users: BTreeSet<_> = reads
                .iter()
                .filter(|c| first.time <= c.time && c.time <= last)
                .map(|c| (&c.account, &c.about_user))
                .collect();
            first.time <= call.time && call.time <= last && users.len() >= 5
        })
    }

    // ------------------------------------------------------------------------------------------------ figures

    fn lifecycle(&self) -> Vec<LifecycleEvent> {
        (0..self.events.len())
            .filter(|&i| self.events[i].action.is_lifecycle() && self.input.period.contains(self.events[i].time))
            .map(|i| {
                let e = self.events[i];
                let deactivated = matches!(e.action, Action::DeviceDeactivated { .. }) && e.succeeded();
                LifecycleEvent {
                    event_id: e.id.clone(),
                    event_time: e.time,
                    event_name: e.name.clone(),
                    addenda: Vec::new(),
                    outcome: if e.succeeded() { Outcome::Success } else { Outcome::Failed },
                    error_code: e.failure.as_ref().and_then(|f| f.code.clone()),
                    account: e.account.clone(),
                    region: e.region.clone(),
                    principal: self.about[i].map(|life| self.principal(life)),
                    device: e.action.serial().map(str::to_owned),
                    actor: e.actor.display(),
                    actor_mfa: e.actor_mfa,
                    source_ip: e.source_ip.clone(),
                    user_agent: e.user_agent.clone(),
                    remaining_devices: self.about[i]
                        .filter(|_| deactivated)
                        .map(|life| self.active_devices(life, &pos(e), true).len() + usize::from(self.unseen(life))),
                    objects: e.objects.iter().cloned().collect(),
                    integrity: None,
                }
            })
            .collect()
    }

    fn figures(&self, windows: &[Window], left_another_device: usize, no_password: usize) -> Figures {
        let period = &self.input.period;
        let cohort: Vec<&Window> =
            windows.iter().filter(|w| w.class.is_some() && period.contains(w.opened_at)).collect();
        let bad: Vec<&Window> = cohort.iter().copied().filter(|w| w.legitimate == Some(false)).collect();
        let enrolment: Vec<&Window> =
            windows.iter().filter(|w| w.kind == WindowKind::NeverEnrolled && period.contains(w.opened_at)).collect();
        let mut by_class = ByClass::default();
        for window in &cohort {
            match window.class {
                Some(Class::Approved) => by_class.approved += 1,
                Some(Class::Offboarding) => by_class.offboarding += 1,
                Some(Class::SuspectedTakeover) => by_class.suspected_takeover += 1,
                Some(Class::Replacement) => by_class.replacement += 1,
                Some(Class::Workaround) => by_class.workaround += 1,
                Some(Class::Unexplained) => by_class.unexplained += 1,
                None => {}
            }
        }
        let removed: Vec<&Window> = windows.iter().filter(|w| w.kind == WindowKind::Removed).collect();
        let inside: i64 = removed
            .iter()
            .map(|w| {
                let end = w.closed_at.unwrap_or(self.input.as_of).min(period.to);
                (end - w.opened_at.max(period.from)).num_seconds().max(0)
            })
            .sum();
        let failed = self.events.iter().filter(|e| {
            matches!(e.action, Action::DeviceDeactivated { .. }) && !e.succeeded() && period.contains(e.time)
        });
        #[expect(clippy::cast_precision_loss, reason = "seconds of a month")]
        let principal_hours = inside as f64 / 3600.0;
        let iam = KindFigures {
            mttd: detect(&cohort),
            mttd_not_legitimate: detect(&bad),
            mttr: close(&cohort),
            mttr_not_legitimate: close(&bad),
            delivery: stat(cohort.iter().filter_map(|w| Some((w.delivered_at? - w.opened_at).num_seconds())).collect()),
            enrolment: close(&enrolment),
            deactivations: Deactivations {
                total: cohort.len() + left_another_device + no_password,
                opened_window: cohort.len(),
                legitimate: cohort.len() - bad.len(),
                not_legitimate: bad.len(),
                left_another_device,
                no_password,
                failed_attempts: failed.count(),
                by_class,
            },
            exposure: Exposure {
                principal_hours,
                open_at_end: removed
                    .iter()
                    .filter(|w| w.opened_at < period.to && w.closed_at.is_none_or(|c| c > period.to))
                    .count(),
                carried_in: removed
                    .iter()
                    .filter(|w| w.opened_at < period.from && w.closed_at.is_none_or(|c| c > period.from))
                    .count(),
            },
        };
        Figures { iam, identity_center: None, mfa_coverage: self.coverage() }
    }

    fn coverage(&self) -> Option<MfaCoverage> {
        let iam = self.input.iam?;
        let users: Vec<&UserState> = iam.accounts.values().flat_map(|a| &a.users).collect();
        let has = |u: &UserState| u.devices.as_ref().map(|d| !d.is_empty()).or(u.mfa_active);
        let count = |wanted: &dyn Fn(&UserState) -> Option<bool>| users.iter().map(|u| wanted(u)).sum_option();
        Some(MfaCoverage {
            users: Some(users.len()),
            users_with_mfa: count(&|u| has(u)),
            console_users: count(&|u| u.password),
            console_users_with_mfa: count(&|u| Some(u.password? && has(u)?)),
            users_mfa_enforced: count(&|u| u.mfa_enforced),
            users_with_mfa_and_enforced: count(&|u| Some(u.mfa_enforced? && has(u)?)),
            roots: Some(iam.accounts.values().filter(|a| a.root.is_some()).count()),
            roots_with_mfa: Some(
                iam.accounts.values().filter(|a| a.root.as_ref().is_some_and(|r| r.mfa_active == Some(true))).count(),
            ),
            taken_at: Some(iam.taken_at),
        })
    }
}

/// Counts the trues, and nothing at all where one is not known.
trait SumOption {
    fn sum_option(self) -> Option<usize>;
}

impl<I: Iterator<Item = Option<bool>>> SumOption for I {
    fn sum_option(self) -> Option<usize> {
        let all: Option<Vec<bool>> = self.collect();
        all.map(|all| all.into_iter().filter(|yes| *yes).count())
    }
}

/// What an event says of the device that it names.
fn mark(event: &Event) -> Option<Mark> {
    event.action.serial()?;
    match &event.action {
        Action::DeviceEnabled { .. } => Some(Mark::Enable),
        Action::DeviceDeactivated { .. } => Some(Mark::Deactivate),
        Action::DeviceResynced { .. }
        | Action::SessionToken { .. }
        | Action::ConsoleLogin { mfa_used: Some(true), .. } => Some(Mark::Use),
        _ => None,
    }
}

fn everything(document: &str, effect: &str) -> bool {
    let parsed: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
    parsed["Statement"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|s| s["Effect"] == effect && s["Action"] == "*" && s["Resource"] == "*" && s.get("Condition").is_none())
}

/// `AWSDenyAll`, or an inline policy that denies everything.
fn denies(action: &Action) -> bool {
    match action {
        Action::PolicyAttached { arn: Some(arn) } => arn.ends_with(":policy/AWSDenyAll"),
        Action::PolicyPut { document: Some(text), .. } => everything(text, "Deny"),
        _ => false,
    }
}

/// The end of such a policy; the histories name no other inline policy like it.
fn undenies(action: &Action) -> bool {
    match action {
        Action::PolicyDetached { arn: Some(arn) } => arn.ends_with(":policy/AWSDenyAll"),
        Action::PolicyDeleted { policy: Some(name) } => name == "contained",
        _ => false,
    }
}

fn detect(windows: &[&Window]) -> DetectStat {
    let times: Vec<i64> = windows.iter().filter_map(|w| w.detection.as_ref()).map(|d| d.time_to_detect_s).collect();
    DetectStat { undetected: windows.len() - times.len(), stat: stat(times) }
}

fn close(windows: &[&Window]) -> CloseStat {
    let times: Vec<i64> = windows.iter().filter(|w| w.closed_at.is_some()).map(|w| w.duration_s).collect();
    CloseStat { open: windows.len() - times.len(), stat: stat(times) }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a few months")]
fn stat(mut times: Vec<i64>) -> Stat {
    times.sort_unstable();
    let n = times.len();
    if n == 0 {
        return Stat::default();
    }
    let middle = (times[(n - 1) / 2] + times[n / 2]) as f64 / 2.0;
    Stat {
        n,
        mean_s: Some(times.iter().sum::<i64>() as f64 / n as f64),
        median_s: Some(middle),
        // nearest rank: the smallest value that at least nine tenths do not exceed
        p90_s: times.iter().find(|v| times.iter().filter(|w| w <= v).count() * 10 >= n * 9).map(|v| *v as f64),
        max_s: times.last().map(|v| *v as f64),
    }
}
