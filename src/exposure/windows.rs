//! Exposure windows of one principal: when one opens, and what closes it.

use chrono::{DateTime, TimeDelta, Utc};

use super::credentials::Credentials;
use super::devices::{Bounds, Devices};
use super::ledger::{Entity, EntityId, EventId, IamEntry, Ledger};
use super::timeline::{Key, Missing};
use crate::contract::{Certainty, CloseReason, FindingCode, PrincipalKind, WindowKind};
use crate::inventory::IamState;
use crate::mfa::{Action, Event};

/// A window, before anything is said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) entity: EntityId,
    pub(super) kind: WindowKind,
    /// The opening event; `None` for a standing window.
    pub(super) opened: Option<EventId>,
    /// Where it opened; for a standing window where IAM shows it.
    pub(super) key: Key,
    /// When it opened; for a standing window, the earliest moment at which it is proven.
    pub(super) opened_at: DateTime<Utc>,
    pub(super) certainty: Certainty,
    pub(super) close: Option<Close>,
}

impl Draft {
    /// From the opening up to the close; of an open window up to and with `as_of`.
    pub(super) fn time(&self, as_of: DateTime<Utc>) -> [DateTime<Utc>; 2] {
        [self.opened_at, self.close.map_or(as_of + TimeDelta::seconds(1), |close| close.at)]
    }
}

/// How a window ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Close {
    /// When; of one that ended unseen, the last moment at which it is proven.
    pub(super) at: DateTime<Utc>,
    pub(super) event: Option<EventId>,
    pub(super) reason: CloseReason,
}

/// What became of one successful deactivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    OpenedWindow,
    LeftAnotherDevice,
    NoPassword,
    Denied,
}

/// A successful deactivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deactivation {
    pub(super) entity: EntityId,
    pub(super) event: EventId,
    /// How many known devices remained.
    pub(super) remaining: usize,
    pub(super) effect: Effect,
}

/// What the replay of one principal gives.
#[derive(Debug)]
pub(super) struct Replayed {
    pub(super) windows: Vec<Draft>,
    pub(super) deactivations: Vec<Deactivation>,
    pub(super) missing: Vec<Missing>,
    pub(super) devices: Devices,
    pub(super) credentials: Credentials,
}

/// Replays one principal's events.
pub(super) fn replay(
    ledger: &Ledger<'_>,
    id: EntityId,
    entity: &Entity<'_>,
    iam: Option<&IamState>,
    bounds: Bounds,
) -> Replayed {
    let devices = Devices::new(ledger, id, entity, iam, bounds);
    let credentials = Credentials::new(ledger, entity, iam, bounds);
    let mut missing = devices.missing.clone();
    missing.extend(credentials.missing());
    missing.extend(renewed(ledger, entity));
    missing.extend(displaced(entity));
    missing.extend(iam.and_then(|iam| unlisted(ledger, entity, iam, bounds)));
    let mut machine = Machine {
        ledger,
        id,
        entity,
        devices: &devices,
        credentials: &credentials,
        bounds,
        open: None,
        windows: Vec::new(),
        deactivations: Vec::new(),
        missing,
        shown_exposed: false,
    };
    for step in machine.steps(iam) {
        machine.step(step);
    }
    machine.end();
    let Machine { mut windows, deactivations, mut missing, shown_exposed, .. } = machine;
    // The missing event is the one that exposed the principal.
    for one in missing.iter_mut().filter(|one| shown_exposed && one.exposes) {
        one.code = FindingCode::WithoutMfaUnexplained;
    }
    let disputes = Disputes::new(&missing);
    for window in &mut windows {
        if disputes.concern(window) {
            window.certainty = Certainty::Possible;
        }
    }
    Replayed { windows, deactivations, missing, devices, credentials }
}

/// It bears a name that another had left, and something was done to it without its creation having been seen.
fn renewed(ledger: &Ledger<'_>, entity: &Entity<'_>) -> Option<Missing> {
    let [left_at, _] = entity.renewed?;
    let own = entity.events.iter().filter_map(|index| ledger.events.get(*index));
    let first = own.filter(|event| event.succeeded()).map(|event| event.time).min()?;
    Some(contradicts([left_at, first]))
}

/// IAM's whole list lacks it, and then something was done to it without its creation having been seen.
fn unlisted(ledger: &Ledger<'_>, entity: &Entity<'_>, iam: &IamState, bounds: Bounds) -> Option<Missing> {
    let listed_at = iam.users_as_of(&entity.account).latest;
    let lacks = iam.accounts.get(&entity.account)?.users_complete
        && entity.kind == PrincipalKind::IamUser
        && entity.iam == IamEntry::Untold
        && entity.created.is_none()
        && entity.renewed.is_none()
        && bounds.from() <= listed_at;
    let own = entity.events.iter().filter_map(|index| ledger.events.get(*index));
    let first = own.filter(|event| event.succeeded()).map(|event| event.time).min()?;
    (lacks && listed_at < first).then(|| contradicts([listed_at, first]))
}

/// Its name was given to another: its deletion or its rename is missing.
fn displaced(entity: &Entity<'_>) -> Option<Missing> {
    entity.displaced.filter(|_| entity.deleted.is_none()).map(contradicts)
}

fn contradicts(between: [DateTime<Utc>; 2]) -> Missing {
    Missing::new(None, FindingCode::StateContradicts, between)
}

/// Between which moments events are missing, in the order in which they end; each with the earliest beginning of it and all after it.
struct Disputes(Vec<[DateTime<Utc>; 2]>);

impl Disputes {
    fn new(missing: &[Missing]) -> Self {
        let mut between: Vec<[DateTime<Utc>; 2]> = missing.iter().map(|one| one.between).collect();
        between.sort_by_key(|[_, end]| *end);
        let mut earliest = DateTime::<Utc>::MAX_UTC;
        for [begin, _] in between.iter_mut().rev() {
            earliest = earliest.min(*begin);
            *begin = earliest;
        }
        Self(between)
    }

    /// Whether a finding disputes the window: its missing event lies in it, or it ended nobody knows how.
    fn concern(&self, window: &Draft) -> bool {
        let unseen = |reason| matches!(reason, CloseReason::SeenInUse | CloseReason::EndedUnseen);
        let ends = window.close.filter(|close| close.reason != CloseReason::EndedUnseen).map(|close| close.at);
        let first = self.0.partition_point(|[_, end]| *end <= window.opened_at);
        let overlaps = self.0.get(first).is_some_and(|[begin, _]| ends.is_none_or(|end| *begin < end));
        window.close.is_some_and(|close| unseen(close.reason)) || overlaps
    }
}

/// A place in a principal's history at which something may open or close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// An event of its own.
    Event(Key, EventId),
    /// An event that proves that a device was taken away before, unseen.
    Lost(Key, EventId),
    /// An enrollment that only IAM dates.
    Enrollment(Key),
    /// IAM says that there is a device which no input names.
    Unseen(Key),
    /// IAM's lists.
    Snapshot(Key),
}

impl Step {
    fn key(self) -> Key {
        match self {
            Self::Event(key, _)
            | Self::Lost(key, _)
            | Self::Enrollment(key)
            | Self::Unseen(key)
            | Self::Snapshot(key) => key,
        }
    }
}

struct Machine<'e, 'a> {
    ledger: &'e Ledger<'a>,
    id: EntityId,
    entity: &'e Entity<'a>,
    devices: &'e Devices,
    credentials: &'e Credentials,
    bounds: Bounds,
    open: Option<Draft>,
    windows: Vec<Draft>,
    deactivations: Vec<Deactivation>,
    missing: Vec<Missing>,
    /// Whether IAM shows the principal exposed.
    shown_exposed: bool,
}

impl Machine<'_, '_> {
    fn steps(&self, iam: Option<&IamState>) -> Vec<Step> {
        let events = &self.ledger.events;
        let succeeded = |index: &&EventId| events.get(**index).is_some_and(|event| event.succeeded());
        let own = self.entity.events.iter().filter(succeeded);
        let mut steps: Vec<Step> =
            own.filter_map(|index| Some(Step::Event(Key::event(events, *index)?, *index))).collect();
        let lost = self.devices.lost_unseen().into_iter().filter(|(_, index)| self.entity.deleted != Some(*index));
        steps.extend(lost.map(|(key, index)| Step::Lost(key, index)));
        steps.extend(self.devices.dated().iter().copied().map(Step::Enrollment));
        steps.extend(self.devices.unseen().map(Step::Unseen));
        let told = iam.filter(|_| self.entity.iam != IamEntry::Untold);
        steps.extend(told.map(|iam| Step::Snapshot(Key::snapshot(iam.as_of(&self.entity.account).latest))));
        steps.sort_by_key(|step| (step.key(), *step));
        steps
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Event(key, index) => {
                if let Some(event) = self.ledger.events.get(index) {
                    self.event(key, index, event);
                }
            }
            Step::Lost(key, index) => self.exposed(key, index),
            Step::Enrollment(key) => self.enrolled_unseen(key),
            Step::Unseen(_) => self.end_unseen(None),
            Step::Snapshot(key) => self.snapshot(key),
        }
    }

    fn event(&mut self, key: Key, index: EventId, event: &Event) {
        let closes = |reason| Close { at: event.time, event: Some(index), reason };
        if self.devices.given_away_by(index) {
            self.close(closes(CloseReason::SeenInUse));
        }
        match &event.action {
            Action::DeviceDeactivated { .. } => self.deactivated(key, index),
            Action::DeviceEnabled { .. } => self.close(closes(CloseReason::Reenabled)),
            Action::UserDeleted => self.close(closes(CloseReason::UserDeleted)),
            Action::PasswordRemoved => self.close(closes(CloseReason::PasswordRemoved)),
            Action::PasswordCreated => self.exposed(key, index),
            _ => match (self.credentials.denied(key, false), self.credentials.denied(key, true)) {
                (false, true) => self.close(closes(CloseReason::Denied)),
                (true, false) => self.exposed(key, index),
                _ => {}
            },
        }
    }

    fn deactivated(&mut self, key: Key, index: EventId) {
        let remaining = self.devices.active(key, true);
        let effect = if remaining > 0 {
            Effect::LeftAnotherDevice
        } else if self.credentials.without_password(key, true) {
            Effect::NoPassword
        } else if self.credentials.denied(key, true) {
            Effect::Denied
        } else {
            self.open(WindowKind::Removed, key, index);
            Effect::OpenedWindow
        };
        self.deactivations.push(Deactivation { entity: self.id, event: index, remaining, effect });
    }

    /// A password was given, or a denial of everything ended: for a principal without a device an exposure, the first one
    /// or once more.
    fn exposed(&mut self, key: Key, index: EventId) {
        if self.credentials.without_password(key, false) || self.credentials.denied(key, false) {
            self.end_unseen(None);
        }
        let protected = self.devices.active(key, true) > 0
            || self.credentials.without_password(key, true)
            || self.credentials.denied(key, true);
        if self.open.is_some() || protected {
            return;
        }
        if self.devices.had_any_before(key) {
            self.open(WindowKind::Removed, key, index);
        } else if self.devices.complete_at(index) {
            self.open(WindowKind::NeverEnrolled, key, index);
        }
    }

    fn open(&mut self, kind: WindowKind, key: Key, index: EventId) {
        let certainty = match self.devices.complete_at(index) {
            true => Certainty::Confirmed,
            false => Certainty::Possible,
        };
        if self.open.is_none() {
            let (entity, opened_at) = (self.id, key.time);
            self.open = Some(Draft { entity, kind, opened: Some(index), key, opened_at, certainty, close: None });
        }
    }

    fn close(&mut self, close: Close) {
        if let Some(mut window) = self.open.take() {
            window.close = Some(close);
            self.windows.push(window);
        }
    }

    /// The exposure is over, and nobody knows since when: at `proven` it still lasted, or at its opening.
    fn end_unseen(&mut self, proven: Option<DateTime<Utc>>) {
        if let Some(opened_at) = self.open.as_ref().map(|window| window.opened_at) {
            let at = proven.map_or(opened_at, |proven| proven.max(opened_at));
            self.close(Close { at, event: None, reason: CloseReason::EndedUnseen });
        }
    }

    /// IAM shows a device enabled after the opening, and no event tells of it: the window ended then, and the missing
    /// enrollment is a finding.
    fn enrolled_unseen(&mut self, key: Key) {
        let Some(opened_at) = self.open.as_ref().map(|window| window.opened_at) else { return };
        let at = key.time;
        self.close(Close { at, event: None, reason: CloseReason::SeenInIam });
        let device = self.devices.enabled_at(key).map(str::to_owned);
        let named = |one: &&mut Missing| one.between[1] == at && one.device == device;
        match self.missing.iter_mut().find(named) {
            Some(one) if one.between[0] == at => one.between[0] = opened_at,
            Some(one) => one.between[0] = one.between[0].max(opened_at),
            None => {
                let between = [opened_at, at];
                self.missing.push(Missing::new(device, FindingCode::EnableNotInArchive, between));
            }
        }
    }

    fn snapshot(&mut self, key: Key) {
        if self.entity.iam == IamEntry::Gone {
            self.end_unseen(self.entity.last_seen(&self.ledger.events).map(|seen| seen.min(key.time)));
        } else if self.devices.active(key, true) > 0 {
            self.end_unseen(None);
        } else {
            let standing = self.standing(key);
            self.shown_exposed = standing.is_some();
            self.open = self.open.take().or(standing);
        }
    }

    /// What IAM shows without a device, although it should have one, and no event explains.
    fn standing(&self, key: Key) -> Option<Draft> {
        let certainty = self.should_have_mfa(key)?;
        let shown = self.devices.shown_without()?;
        // What happened between an older state of IAM and the first record is not known.
        let read = self.bounds.start().is_some_and(|start| start <= shown.time);
        let certainty = if read { certainty } else { Certainty::Possible };
        if self.credentials.denied(key, true) {
            return None;
        }
        let opened_at = self.unchanged_since(key);
        Some(Draft {
            entity: self.id,
            kind: WindowKind::Standing,
            opened: None,
            key,
            opened_at,
            certainty,
            close: None,
        })
    }

    /// How certain it is that the principal has credentials that MFA should protect; `None` where it is certain that it
    /// has none.
    fn should_have_mfa(&self, key: Key) -> Option<Certainty> {
        let without = self.credentials.without_password(key, true);
        let with = self.credentials.password(key) == crate::contract::ConsolePassword::Yes;
        let (with, without) = match self.entity.iam {
            IamEntry::Root(root) => {
                let keys = root.active_access_keys;
                (with || keys.is_some_and(|keys| keys > 0), without && keys == Some(0))
            }
            IamEntry::User(user) => (with, without || user.denied_by_group == Some(true)),
            IamEntry::Untold | IamEntry::Gone => return None,
        };
        match (with, without) {
            (_, true) => None,
            (true, false) => Some(Certainty::Confirmed),
            (false, false) => Some(Certainty::Possible),
        }
    }

    /// The earliest moment up to which replaying backwards from IAM's state proves that nothing changed.
    fn unchanged_since(&self, key: Key) -> DateTime<Utc> {
        let Some(start) = self.bounds.start() else { return key.time };
        let born = match self.entity.iam {
            IamEntry::User(user) => user.created_at,
            _ => None,
        };
        let created = self.entity.created.and_then(|index| Some(self.ledger.events.get(index)?.time));
        let changed = self.credentials.last_change(key).map(|key| key.time);
        let disputed = self.missing.iter().map(|one| one.between[1]).filter(|at| *at <= key.time).max();
        let ended = self.windows.last().and_then(|window| window.close).map(|close| close.at);
        let device = self.devices.last_change(key).map(|key| key.time);
        let latest = [born, created, changed, disputed, ended, device].into_iter().flatten().max();
        latest.map_or(start, |latest| latest.max(start)).min(key.time)
    }

    fn end(&mut self) {
        if let Some([seen, _]) = self.entity.displaced.filter(|_| self.is_gone()) {
            self.end_unseen(Some(seen));
        }
        self.windows.extend(self.open.take());
    }

    /// Another bears its name, and nothing was seen of it since.
    fn is_gone(&self) -> bool {
        let since = self.entity.displaced.map(|[_, until]| until);
        let last = self.entity.last_seen(&self.ledger.events);
        self.entity.kind == PrincipalKind::IamUser && last.zip(since).is_none_or(|(last, since)| last <= since)
    }
}

/// Leaves out what begins after `as_of`, and opens again what ends after it. What IAM shows later than all that was read
/// may have come after `as_of`: it is possible then, and proven of no time before.
pub(super) fn cut(windows: &mut Vec<Draft>, as_of: DateTime<Utc>, bounds: Bounds) {
    for window in windows.iter_mut().filter(|window| window.opened.is_none() && as_of < window.key.time) {
        let unread = bounds.covered.is_none_or(|[_, end]| end < window.key.time);
        if unread && (window.opened_at <= as_of || window.opened_at == window.key.time) {
            window.opened_at = as_of;
            window.certainty = Certainty::Possible;
        }
    }
    windows.retain(|window| window.opened_at <= as_of);
    for window in windows {
        if window.close.is_some_and(|close| close.at > as_of) {
            window.close = None;
        }
    }
}
