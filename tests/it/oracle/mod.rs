//! The specification's sections 4 to 7 a second time: slow, obvious, and written without a look at the first.
//!
//! Windows, means and classes are arithmetic, and arithmetic is tested best by doing it twice. Nothing here is clever: what is
//! proven of a device, of a password and of a deny is a list of proofs in order of time, and every question goes through
//! all of it again.
//!
//! | file | what it answers |
//! | --- | --- |
//! | `people` | who bore a name when, and what IAM says about whom |
//! | `proofs` | what a success or IAM proves, and where two proofs contradict each other |
//! | `windows` | one principal's life, event by event |
//! | `meaning` | class, signals, detection, activity |
//!
//! Where evidence contradicts itself in a way that the specification leaves open, the oracle says so ([`Doubts`])
//! instead of insisting on one reading; such principals are left out of the comparison, never of the invariants.

mod meaning;
pub mod naive;
mod people;
mod proofs;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use mfatrail::contract::{
    ByClass, Class, CloseReason, CloseStat, Deactivations, DetectStat, Exposure, Figures, Finding, FindingCode,
    KindFigures, LeftoverDevice, LifecycleEvent, MfaCoverage, Outcome, PrincipalKind, Standing, Stat, Window,
    WindowKind,
};
use mfatrail::exposure::{Analysis, Input};
use mfatrail::inventory::{AccountState, DeviceOwner, RootState, UserState};
use mfatrail::mfa::{Action, Event};
use mfatrail::trace::Call;

use people::{Binding, Life};

pub type Time = DateTime<Utc>;
/// A place in the order of everything: time, rank, id.
pub type Spot = (Time, u8, String);

/// IAM's facts come after all events of their second.
const FACT: u8 = 250;
/// What is asked at a moment comes after all facts of its second.
const LATEST: u8 = 255;

/// What the specification does not decide for this input.
#[derive(Debug, Default)]
pub struct Doubts {
    /// Account and latest name of principals whose evidence contradicts itself, and why.
    pub principals: BTreeMap<(String, String), &'static str>,
    /// Opening events whose class hangs on a reading.
    pub classes: BTreeSet<String>,
}

impl Doubts {
    pub fn none(&self) -> bool {
        self.principals.is_empty() && self.classes.is_empty()
    }
}

struct Oracle<'a> {
    input: &'a Input<'a>,
    events: Vec<&'a Event>,
    /// The principal of each event.
    about: Vec<Option<usize>>,
    calls: Vec<&'a Call>,
    lives: Vec<Life>,
    bindings: Vec<Binding>,
    doubtful: BTreeMap<usize, &'static str>,
}

fn pos(event: &Event) -> Spot {
    (event.time, event.action.rank(), event.id.clone())
}

fn moment(time: Time) -> Spot {
    (time, LATEST, String::new())
}

/// What the specification says about `input`, and what it leaves open.
pub fn judge(input: &Input<'_>) -> (Analysis, Doubts) {
    let oracle = Oracle::new(input);
    let mut doubts = Doubts::default();
    let mut windows = Vec::new();
    let mut reconciliation = Vec::new();
    let mut effects = Effects::default();
    for life in 0..oracle.lives.len() {
        let tale = oracle.walk(life);
        if let Some(why) = oracle.doubtful.get(&life) {
            doubts.principals.insert((oracle.lives[life].account.clone(), oracle.name(life)), why);
        }
        effects.left += tale.effects.left;
        effects.no_password += tale.effects.no_password;
        effects.denied += tale.effects.denied;
        reconciliation.extend(tale.findings);
        for (window, opening) in tale.windows {
            let (window, doubtful) = oracle.dress(life, window, opening);
            if doubtful && let Some(id) = &window.opened_by_event {
                doubts.classes.insert(id.clone());
            }
            windows.push(window);
        }
    }
    let (leftover_devices, ownerless) = oracle.leftovers();
    reconciliation.extend(ownerless);
    reconciliation.sort();
    reconciliation.dedup();
    let figures = oracle.figures(&windows, &effects);
    windows.retain(|w| oracle.is_listed(w));
    windows.sort_by_key(|w| {
        let standing = w.kind == WindowKind::Standing;
        let root = w.principal.kind == PrincipalKind::Root;
        let who = standing.then(|| (w.account.clone(), !root, w.principal.name.clone()));
        (!standing, who, w.opened_at, w.opened_by_event.clone())
    });
    let events = oracle.lifecycle();
    (Analysis { windows, events, reconciliation, leftover_devices, figures, notices: Vec::new() }, doubts)
}

/// Deactivations of the period that opened no window, and why not.
#[derive(Default)]
struct Effects {
    left: usize,
    no_password: usize,
    denied: usize,
}

/// Until when an exposure is proven, or goes on.
fn end(window: &Window, as_of: Time) -> Time {
    match window.close_reason {
        Some(CloseReason::EndedUnseen) => window.proven_to(),
        _ => window.closed_at.unwrap_or(as_of),
    }
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
            doubtful: BTreeMap::new(),
        };
        oracle.tell_lives();
        oracle.tell_iam();
        oracle
    }

    /// The first moment that was read.
    fn lookback(&self) -> Time {
        self.input.period.from - Duration::seconds(self.input.settings.lookback_s)
    }

    /// The first record of an account, not before the look-back.
    fn first_record(&self, account: &str) -> Option<Time> {
        Some(self.input.covered.get(account)?[0].max(self.lookback()))
    }

    /// The successful events about a principal, in order.
    fn history(&self, life: usize) -> Vec<&'a Event> {
        (0..self.events.len())
            .filter(|&i| self.about[i] == Some(life) && self.events[i].succeeded())
            .map(|i| self.events[i])
            .collect()
    }

    fn is_listed(&self, window: &Window) -> bool {
        let period = &self.input.period;
        if window.kind == WindowKind::Standing && window.is_open() {
            return true;
        }
        let opened = window.proven_from();
        opened < period.to && (end(window, self.input.as_of) > period.from || opened >= period.from)
    }

    // ------------------------------------------------------------------------------------------------ devices of nobody

    fn leftovers(&self) -> (Vec<LeftoverDevice>, Vec<Finding>) {
        let (mut leftovers, mut ownerless) = (Vec::new(), Vec::new());
        let Some(iam) = self.input.iam else { return (leftovers, ownerless) };
        for (account, state) in &iam.accounts {
            let at = state.as_of.map_or(iam.taken_at, |a| a.latest);
            for entity in state.virtual_devices.iter().flatten() {
                let serial = &entity.device.serial;
                let nobody = match &entity.owner {
                    None => true,
                    Some(DeviceOwner::Root) => false,
                    Some(DeviceOwner::User { name, .. }) => {
                        state.users_complete && !state.users.iter().any(|u| u.name.eq_ignore_ascii_case(name))
                    }
                };
                if !nobody {
                    continue;
                }
                // the last word of the archive on the device
                let last = (0..self.events.len()).rev().find(|&i| {
                    let e = self.events[i];
                    e.account == *account
                        && e.succeeded()
                        && e.time <= at
                        && e.action.serial() == Some(serial)
                        && !matches!(e.action, Action::DeviceTagged { .. } | Action::DeviceUntagged { .. })
                });
                let cause = last.and_then(|i| match self.events[i].action {
                    Action::DeviceCreated { .. } => Some((i, "never_enabled")),
                    Action::DeviceDeactivated { .. } => Some((i, "deactivated")),
                    _ => None,
                });
                // that it is still somebody's by the archive is that one's finding
                let somebodys = last.is_some_and(|i| {
                    matches!(
                        self.events[i].action,
                        Action::DeviceEnabled { .. }
                            | Action::DeviceResynced { .. }
                            | Action::ConsoleLogin { .. }
                            | Action::SessionToken { .. }
                    )
                });
                match cause {
                    Some((i, cause)) if entity.owner.is_none() => leftovers.push(LeftoverDevice {
                        account: account.clone(),
                        device: serial.clone(),
                        cause,
                        principal: self.about[i].filter(|_| cause == "deactivated").map(|life| self.principal(life)),
                        event_id: self.events[i].id.clone(),
                        since: self.events[i].time,
                    }),
                    _ if somebodys && entity.owner.is_none() => {}
                    _ => ownerless.push(Finding {
                        account: account.clone(),
                        principal: None,
                        device: Some(serial.clone()),
                        finding: FindingCode::DeviceWithoutOwner,
                        between: [
                            last.map(|i| self.events[i].time).or(self.first_record(account)).unwrap_or(at).min(at),
                            at,
                        ],
                    }),
                }
            }
        }
        leftovers.sort();
        (leftovers, ownerless)
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
                    event_name: e.name.to_string(),
                    addenda: Vec::new(),
                    outcome: if e.succeeded() { Outcome::Success } else { Outcome::Failed },
                    error_code: e.failure.as_ref().and_then(|f| f.code.as_deref().map(str::to_owned)),
                    account: e.account.to_string(),
                    region: e.region.to_string(),
                    principal: self.about[i].map(|life| self.principal(life)),
                    device: e.action.serial().map(str::to_owned),
                    actor: e.actor.display(),
                    actor_mfa: meaning::session_mfa(e),
                    source_ip: e.source_ip.as_deref().map(str::to_owned),
                    user_agent: e.user_agent.as_deref().map(str::to_owned),
                    remaining_devices: self.about[i].filter(|_| deactivated).map(|life| self.remaining(life, &pos(e))),
                    objects: e.objects.to_strings(),
                    integrity: None,
                }
            })
            .collect()
    }

    fn figures(&self, windows: &[Window], effects: &Effects) -> Figures {
        let period = &self.input.period;
        let opened_within = |w: &&Window| w.opened_at.is_some_and(|at| period.contains(at));
        let cohort: Vec<&Window> = windows.iter().filter(|w| w.class.is_some()).filter(opened_within).collect();
        let bad: Vec<&Window> = cohort.iter().copied().filter(|w| w.legitimate == Some(false)).collect();
        let enrolment: Vec<&Window> =
            windows.iter().filter(|w| w.kind == WindowKind::NeverEnrolled).filter(opened_within).collect();
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
        let failed = self.events.iter().filter(|e| {
            matches!(e.action, Action::DeviceDeactivated { .. }) && !e.succeeded() && period.contains(e.time)
        });
        let iam = KindFigures {
            mttd: detect(&cohort),
            mttd_not_legitimate: detect(&bad),
            mttr: close(&cohort),
            mttr_not_legitimate: close(&bad),
            delivery: stat(
                cohort.iter().filter_map(|w| Some((w.delivered_at? - w.opened_at?).num_seconds())).collect(),
            ),
            enrolment: close(&enrolment),
            deactivations: Deactivations {
                total: cohort.len() + effects.left + effects.no_password + effects.denied,
                opened_window: cohort.len(),
                legitimate: cohort.len() - bad.len(),
                not_legitimate: bad.len(),
                left_another_device: effects.left,
                no_password: effects.no_password,
                denied: effects.denied,
                failed_attempts: failed.count(),
                by_class,
            },
            exposure: self.exposure(windows),
        };
        Figures { iam, identity_center: None, mfa_coverage: self.coverage() }
    }

    fn exposure(&self, windows: &[Window]) -> Exposure {
        let period = &self.input.period;
        let as_of = self.input.as_of;
        let of = |kind: WindowKind| windows.iter().filter(move |w| w.kind == kind);
        #[expect(clippy::cast_precision_loss, reason = "seconds of a month")]
        let hours = |kind: WindowKind| {
            let inside = of(kind).map(|w| {
                let to = end(w, as_of).min(period.to);
                (to - w.proven_from().max(period.from)).num_seconds().max(0)
            });
            inside.sum::<i64>() as f64 / 3600.0
        };
        let goes_on_past = |w: &Window, time: Time| w.is_open() || end(w, as_of) > time;
        Exposure {
            principal_hours: hours(WindowKind::Removed),
            open_at_end: of(WindowKind::Removed)
                .filter(|w| w.proven_from() < period.to && goes_on_past(w, period.to))
                .count(),
            carried_in: of(WindowKind::Removed)
                .filter(|w| w.proven_from() < period.from && goes_on_past(w, period.from))
                .count(),
            standing: Standing {
                // open now, or at the period's end
                open: of(WindowKind::Standing)
                    .filter(|w| w.is_open() || w.proven_from() < period.to && goes_on_past(w, period.to))
                    .count(),
                principal_hours: hours(WindowKind::Standing),
            },
        }
    }

    fn coverage(&self) -> Option<MfaCoverage> {
        let iam = self.input.iam?;
        let users: Vec<(&AccountState, &UserState)> =
            iam.accounts.values().flat_map(|a| a.users.iter().map(move |u| (a, u))).collect();
        let has = |a: &AccountState, u: &UserState| {
            let assigned = a.virtual_devices.iter().flatten().any(|listed| match &listed.owner {
                Some(DeviceOwner::User { name, .. }) => name.eq_ignore_ascii_case(&u.name),
                _ => false,
            });
            u.devices.as_ref().map(|d| !d.is_empty()).or(assigned.then_some(true)).or(u.mfa_active)
        };
        let count = |wanted: &dyn Fn(&AccountState, &UserState) -> Option<bool>| {
            users.iter().map(|(a, u)| wanted(a, u)).sum_option()
        };
        let roots = |wanted: &dyn Fn(&RootState) -> Option<bool>| {
            iam.accounts.values().map(|a| wanted(a.root.as_ref()?)).sum_option()
        };
        Some(MfaCoverage {
            users: Some(users.len()),
            users_with_mfa: count(&|a, u| has(a, u)),
            console_users: count(&|_, u| u.password),
            console_users_with_mfa: count(&|a, u| Some(u.password? && has(a, u)?)),
            users_mfa_enforced: count(&|_, u| u.mfa_enforced),
            users_with_mfa_and_enforced: count(&|a, u| Some(u.mfa_enforced? && has(a, u)?)),
            roots: roots(&|_| Some(true)),
            roots_with_mfa: roots(&|root| root.mfa_active),
            roots_without_credentials: roots(&|root| Some(!root.password? && root.active_access_keys? == 0)),
            accounts: Some(iam.accounts.len()),
            accounts_in_report: Some(
                self.input.covered.keys().chain(iam.accounts.keys()).collect::<BTreeSet<_>>().len(),
            ),
            taken_at: Some(iam.taken_at),
            ..MfaCoverage::default()
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

fn detect(windows: &[&Window]) -> DetectStat {
    let times: Vec<i64> = windows.iter().filter_map(|w| w.detection.as_ref()).map(|d| d.time_to_detect_s).collect();
    DetectStat { undetected: windows.len() - times.len(), stat: stat(times) }
}

/// Over the closed; what ended unseen is neither closed nor open.
fn close(windows: &[&Window]) -> CloseStat {
    let times: Vec<i64> = windows.iter().filter(|w| w.closed_at.is_some()).map(|w| w.duration_s).collect();
    CloseStat { open: windows.iter().filter(|w| w.is_open()).count(), stat: stat(times) }
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
