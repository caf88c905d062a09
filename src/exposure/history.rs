//! The auditor's questions, answered by the same replay as a report's windows: what happened to whose devices, who had
//! which device when, and what somebody had at a moment. Pure functions: no clock, no I/O.
//!
//! A report looks at a period and its look-back; this looks at all events that it is given. What is not known is not
//! guessed: an edge that no event and no IAM state tells is an [`Edge`] that says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::Inconsistent;
use super::approvals::{self, Approvals};
use super::devices::{Bounds, Completeness, Devices, Point, Span};
use super::ledger::{Entity, EventId, Ledger};
use super::windows::{self, Draft};
use crate::arn;
use crate::cloudtrail::{Actor, ActorKind};
use crate::contract::{Certainty, CloseReason, Outcome, Principal, PrincipalKind, WindowKind};
use crate::inputs::Approval;
use crate::inventory::IamState;
use crate::mfa::{Action, Event, ROOT_NAMES, user_name};
use crate::names::Pattern;

/// What is asked for. Of one kind any value will do, and all kinds that are given must hold.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// Account ids.
    pub accounts: Vec<Pattern>,
    /// Names that the principal bore at any time, or its unique id.
    pub users: Vec<Pattern>,
    /// Who did it: see [`is_actor`]. What somebody did to its own devices is left out.
    pub actors: Vec<Pattern>,
    /// Serial numbers, or what follows the last slash of one: see [`is_device`].
    pub devices: Vec<Pattern>,
    /// Event names; none for every lifecycle event.
    pub events: Vec<Pattern>,
    /// The first moment.
    pub from: Option<DateTime<Utc>>,
    /// The first moment after it.
    pub to: Option<DateTime<Utc>>,
}

/// One event; or that IAM's snapshot shows somebody without MFA and no event says since when.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    /// `eventTime`, or the snapshot's time.
    pub time: DateTime<Utc>,
    /// `recipientAccountId`.
    pub account: String,
    /// Whose it is, under its latest name.
    pub principal: Option<Principal>,
    /// `eventName`; `None` where IAM's snapshot alone tells.
    pub event_name: Option<String>,
    /// Whether it had its effect.
    pub outcome: Option<Outcome>,
    /// `errorCode`.
    pub error_code: Option<String>,
    /// The device that it names.
    pub device: Option<String>,
    /// Of a deactivation, how many known devices remained.
    pub remaining_devices: Option<usize>,
    /// Who called.
    pub actor: Option<String>,
    /// Whether with MFA.
    pub actor_mfa: Option<bool>,
    /// Whether the principal did it itself; `None` where no principal is known.
    pub by_itself: Option<bool>,
    /// `sourceIPAddress`.
    pub source_ip: Option<String>,
    /// The ticket that covers a deactivation, and who approved it.
    pub approval: Option<(String, String)>,
    /// The window that it opened.
    pub window: Option<Opened>,
    /// `eventID`.
    pub event_id: Option<String>,
    /// The objects that hold the record, sorted.
    pub objects: Vec<String>,
    /// Ids of the records that say it again, and whose fields it has since.
    pub addenda: Vec<String>,
}

/// The window that an event opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Its kind.
    pub kind: WindowKind,
    /// Whether an unseen device may remain.
    pub certainty: Certainty,
    /// For a standing window, the earliest moment at which it is proven: it opened then or before.
    pub open_since_before: Option<DateTime<Utc>>,
    /// When it closed; `None` while it is open, and where it ended unseen.
    pub closed_at: Option<DateTime<Utc>>,
    /// What closed it; `None` while it is open.
    pub close_reason: Option<CloseReason>,
}

impl From<&Draft> for Opened {
    fn from(draft: &Draft) -> Self {
        Self {
            kind: draft.kind,
            certainty: draft.certainty,
            open_since_before: draft.opened.is_none().then_some(draft.opened_at),
            closed_at: draft.close.filter(|close| close.reason != CloseReason::EndedUnseen).map(|close| close.at),
            close_reason: draft.close.map(|close| close.reason),
        }
    }
}

/// How one end of a span is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By an event.
    Event,
    /// By the user's deletion.
    UserDeleted,
    /// By the date, or the absence, that IAM tells.
    Iam,
    /// It happened between two moments, and the event is missing.
    Missing,
    /// Nothing tells.
    Unknown,
    /// Not ended, as far as is known.
    Active,
}

impl How {
    /// The word in the answer.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::UserDeleted => "user_deleted",
            Self::Iam => "iam",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Active => "active",
        }
    }
}

/// An event that shows something, and the objects that hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cited {
    /// `eventID`.
    pub event_id: String,
    /// The objects that hold the record, sorted.
    pub objects: Vec<String>,
}

impl Cited {
    fn of(event: &Event) -> Self {
        Self { event_id: event.id.clone(), objects: event.objects.to_strings() }
    }
}

/// One end of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// When, where that is known.
    pub at: Option<DateTime<Utc>>,
    /// How it is known.
    pub how: How,
    /// The event that shows it; of an unknown beginning the first that shows the device.
    pub by: Option<Cited>,
}

/// That a principal had a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Had {
    /// Its account.
    pub account: String,
    /// Who.
    pub principal: Principal,
    /// Which; `None` where no record names it.
    pub device: Option<String>,
    /// Since when.
    pub enabled: Edge,
    /// Until when.
    pub removed: Edge,
}

/// What a principal had at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its account.
    pub account: String,
    /// Who; `None` of an account of which nothing is known at that moment: neither who was in it nor what they had.
    pub principal: Option<Principal>,
    /// Whether there is a device in this row; a principal without any has one row, too.
    pub has_device: Option<bool>,
    /// Which; `None` where no record names it.
    pub device: Option<String>,
    /// Since when.
    pub enabled: Option<Edge>,
    /// Whether all of its devices at that moment are known.
    pub complete: bool,
    /// Why, or why not.
    pub why: &'static str,
    /// What shows it.
    pub by: Option<Cited>,
    /// Whether IAM's state shows it.
    pub in_iam: bool,
}

/// Whether `wanted` means `actor`: its name, its unique id, its ARN, the name of its role or of its session; `root` is a
/// root user.
#[must_use]
pub fn is_actor(actor: &Actor, wanted: &Pattern) -> bool {
    let same = |known: Option<&str>| known.is_some_and(|known| wanted.matches(known));
    let part = |arn: &str| arn.split_once('/').is_some_and(|(_, path)| path.split('/').any(|part| same(Some(part))));
    same(user_name(actor))
        || same(actor.id.as_deref())
        || same(actor.arn.as_deref())
        || actor
            .id
            .as_deref()
            .and_then(|id| id.split_once(':'))
            .is_some_and(|(id, session)| wanted.matches(id) || wanted.matches(session))
        || (actor.kind == ActorKind::AssumedRole && actor.arn.as_deref().is_some_and(part))
        || (matches!(actor.kind, ActorKind::Root | ActorKind::AssumedRoot) && wanted.matches("root"))
        || wanted.matches(&actor.display())
}

/// Whether `wanted` means the device: its serial number or ARN, or what follows the last slash.
#[must_use]
pub fn is_device(serial: &str, wanted: &Pattern) -> bool {
    wanted.matches(serial) || wanted.matches(arn::name(serial))
}

/// Whether `wanted` means the principal, under any of its names, or by its unique id.
fn is_principal(entity: &Entity<'_>, wanted: &Pattern) -> bool {
    let id = entity.id.as_deref().is_some_and(|id| wanted.matches(id));
    id || match entity.kind {
        PrincipalKind::Root => ROOT_NAMES.iter().any(|name| wanted.matches(name)),
        PrincipalKind::IamUser => entity.names.iter().any(|span| wanted.matches(&span.name)),
        PrincipalKind::IdentityCenter => wanted.matches(entity.name()),
    }
}

/// All that is known, replayed once.
#[derive(Debug)]
pub struct History<'a> {
    ledger: Ledger<'a>,
    iam: Option<&'a IamState>,
    covered: &'a BTreeMap<String, [DateTime<Utc>; 2]>,
    /// The accounts that IAM's state is of.
    told: BTreeSet<&'a str>,
}

/// What events led to.
#[derive(Default)]
struct Effects {
    /// Of deactivations, how many known devices remained.
    remaining: HashMap<EventId, usize>,
    /// The windows that events opened.
    opened: HashMap<EventId, Draft>,
}

/// The first success that names each device of a principal, who may have as many as a writer of records likes.
type First<'l> = HashMap<&'l str, &'l Event>;

/// Why nothing is known of a moment.
const BEFORE: &str = "unknown: the time is before the account's first record in the store";

impl<'a> History<'a> {
    /// Of events in any order, duplicates allowed; `covered` says, per account, of when the first and the last record are.
    #[must_use]
    pub fn new(
        events: &'a [Event],
        iam: Option<&'a IamState>,
        covered: &'a BTreeMap<String, [DateTime<Utc>; 2]>,
    ) -> Self {
        let ledger = Ledger::new(events.iter(), &[], iam);
        let told = iam.iter().flat_map(|state| state.accounts.keys().map(String::as_str)).collect();
        Self { ledger, iam, covered, told }
    }

    fn bounds(&self, entity: &Entity<'_>) -> Bounds {
        Bounds { covered: self.covered.get(&entity.account).copied(), read_from: DateTime::<Utc>::MIN_UTC }
    }

    /// What the events of all principals led to, and the windows that no event opened.
    fn effects(&self) -> (Effects, Vec<Draft>) {
        let (mut effects, mut standing) = (Effects::default(), Vec::new());
        for (id, entity) in self.ledger.entities.iter() {
            let replayed = windows::replay(&self.ledger, id, entity, self.iam, self.bounds(entity));
            effects.remaining.extend(replayed.deactivations.iter().map(|one| (one.event, one.remaining)));
            standing.extend(replayed.windows.iter().filter(|draft| draft.opened.is_none()).cloned());
            effects.opened.extend(replayed.windows.into_iter().filter_map(|draft| Some((draft.opened?, draft))));
        }
        (effects, standing)
    }

    /// Whether all that was answered is told of every principal and event that it is about.
    ///
    /// # Errors
    /// Where one was not found.
    pub fn check(&self) -> Result<(), Inconsistent> {
        self.ledger.check()
    }

    fn owner(&self, index: EventId) -> Option<&Entity<'a>> {
        self.ledger.entities.get((*self.ledger.owners.get(index)?)?)
    }

    /// The events that are asked for, in order of time, each when it is asked for: there may be as many as the store has.
    pub fn events<'h>(
        &'h self,
        question: &'h Question,
        approvals: &'h [Approval],
    ) -> impl Iterator<Item = Happened> + 'h {
        let (effects, mut standing) = self.effects();
        standing.sort_by_key(|draft| draft.key.time);
        let standing = standing.into_iter().filter_map(|draft| self.stands(question, &draft));
        let approvals = Approvals::of_all(approvals);
        let events = self.ledger.events.iter().filter_map(move |(index, event)| {
            let entity = self.owner(index);
            let by_itself =
                entity.map(|entity| self.ledger.is_entity(entity, &event.actor, &event.account, event.time));
            let wanted = question.wants(event, entity, by_itself);
            wanted.then(|| Self::happened(&effects, (index, event), entity, by_itself, &approvals))
        });
        let (mut standing, mut events) = (standing.peekable(), events.peekable());
        std::iter::from_fn(move || match (events.peek(), standing.peek()) {
            (Some(event), Some(stands)) if stands.time < event.time => standing.next(),
            (Some(_), _) => events.next(),
            (None, _) => standing.next(),
        })
    }

    /// Whom IAM shows without MFA, where nothing but that is asked for that could be said of it.
    fn stands(&self, question: &Question, draft: &Draft) -> Option<Happened> {
        let entity = self.ledger.entities.get(draft.entity)?;
        let ended = draft.close.map(|close| close.at);
        let wanted = question.events.is_empty()
            && question.actors.is_empty()
            && question.devices.is_empty()
            && question.is_about(entity)
            && question.to.is_none_or(|to| draft.opened_at < to)
            && question.from.is_none_or(|from| ended.is_none_or(|ended| ended > from));
        wanted.then(|| Happened {
            time: draft.key.time,
            account: entity.account.clone(),
            principal: Some(entity.principal()),
            event_name: None,
            outcome: None,
            error_code: None,
            device: None,
            remaining_devices: None,
            actor: None,
            actor_mfa: None,
            by_itself: None,
            source_ip: None,
            approval: None,
            window: Some(Opened::from(draft)),
            event_id: None,
            objects: Vec::new(),
            addenda: Vec::new(),
        })
    }

    fn happened(
        effects: &Effects,
        (index, event): (EventId, &Event),
        entity: Option<&Entity<'_>>,
        by_itself: Option<bool>,
        tickets: &Approvals<'_>,
    ) -> Happened {
        let deactivates = matches!(event.action, Action::DeviceDeactivated { .. });
        let approval = entity
            .filter(|_| deactivates)
            .and_then(|entity| approvals::approval(tickets, entity, event))
            .map(|approval| (approval.ticket.clone(), approval.approver.clone()));
        let window = effects.opened.get(&index).map(Opened::from);
        let Cited { event_id, objects } = Cited::of(event);
        Happened {
            time: event.time,
            account: event.account.to_string(),
            principal: entity.map(Entity::principal),
            event_name: Some(event.name.to_string()),
            outcome: Some(if event.failure.is_none() { Outcome::Success } else { Outcome::Failed }),
            error_code: event.failure.as_ref().and_then(|failure| failure.code.as_deref().map(str::to_owned)),
            device: event.action.serial().map(str::to_owned),
            remaining_devices: effects.remaining.get(&index).copied(),
            actor: Some(event.actor.display()),
            actor_mfa: event.actor_mfa,
            by_itself,
            source_ip: event.source_ip.as_deref().map(str::to_owned),
            approval,
            window,
            event_id: Some(event_id),
            objects,
            addenda: event.lineage.addenda.to_strings(),
        }
    }

    /// The principals that a question is about, with their devices.
    fn entities(&self, question: &Question) -> impl Iterator<Item = (&Entity<'a>, Devices)> {
        let about = self.ledger.entities.iter().filter(|(_, entity)| question.is_about(entity));
        about.map(|(id, entity)| (entity, Devices::new(&self.ledger, id, entity, self.iam, self.bounds(entity))))
    }

    /// Who had which device when, in order of account, principal and time, or where devices are named of device and time. Of the question the names of events and the
    /// actors say nothing of it.
    #[must_use]
    pub fn devices(&self, question: &Question) -> Vec<Had> {
        let mut rows = Vec::new();
        for (entity, devices) in self.entities(question) {
            let first = self.first(entity);
            for span in &devices.spans {
                let wanted = question.devices.is_empty()
                    || question.devices.iter().any(|device| is_device(&span.serial, device));
                let had = self.had(entity, &first, span);
                let ended = question.from.is_some_and(|from| had.removed.at.is_some_and(|at| at <= from));
                let later = question.to.is_some_and(|to| had.enabled.at.is_some_and(|at| at >= to));
                if wanted && !ended && !later {
                    rows.push(had);
                }
            }
        }
        // Of one device its owners in turn, of one owner its devices.
        let by_device = !question.devices.is_empty();
        rows.sort_by(|one, other| {
            let [one, other] = [one, other].map(|had| {
                let device = had.device.as_deref();
                let (first, last) = if by_device { (device, None) } else { (None, device) };
                let owner = (!by_device).then_some(&had.principal);
                (&had.account, first, owner, had.enabled.at, had.removed.at, &had.principal, last)
            });
            one.cmp(&other)
        });
        rows
    }

    fn first(&self, entity: &Entity<'_>) -> First<'_> {
        let mut first = First::new();
        let own = entity.events.iter().filter_map(|index| Some(&**self.ledger.events.get(*index)?));
        for event in own.filter(|event| event.succeeded()) {
            if let Some(serial) = event.action.serial() {
                first.entry(serial).or_insert(event);
            }
        }
        first
    }

    fn had(&self, entity: &Entity<'_>, first: &First<'_>, span: &Span) -> Had {
        Had {
            account: entity.account.clone(),
            principal: entity.principal(),
            device: (!span.serial.starts_with('?')).then(|| span.serial.clone()),
            enabled: self.enabled(first, span),
            removed: self.removed(entity, span),
        }
    }

    fn enabled(&self, first: &First<'_>, span: &Span) -> Edge {
        match span.from {
            Some(Point::Event(index)) => {
                let event = self.ledger.events.get(index);
                let by = event.map(|event| Cited::of(event));
                match span.unseen_after {
                    Some(_) => Edge { at: None, how: How::Missing, by },
                    None => Edge { at: event.map(|event| event.time), how: How::Event, by },
                }
            }
            Some(Point::Enrolment(at)) => Edge { at: Some(at), how: How::Iam, by: None },
            Some(Point::Snapshot(_)) => Edge { at: None, how: How::Missing, by: None },
            None => {
                let by = first.get(span.serial.as_str()).map(|event| Cited::of(event));
                Edge { at: None, how: How::Unknown, by }
            }
        }
    }

    fn removed(&self, entity: &Entity<'_>, span: &Span) -> Edge {
        let deletion = entity.deleted.and_then(|index| self.ledger.events.get(index));
        match span.to {
            Some(Point::Event(index)) => {
                let event = self.ledger.events.get(index);
                let by = event.map(|event| Cited::of(event));
                // A success proves that it was removed before, unseen.
                if span.removed_unseen {
                    Edge { at: None, how: How::Missing, by }
                } else {
                    Edge { at: event.map(|event| event.time), how: How::Event, by }
                }
            }
            Some(Point::Enrolment(_) | Point::Snapshot(_)) => Edge { at: None, how: How::Missing, by: None },
            None => match deletion {
                Some(event) => Edge { at: Some(event.time), how: How::UserDeleted, by: Some(Cited::of(event)) },
                None => Edge { at: None, how: How::Active, by: None },
            },
        }
    }

    /// What the principals had at a moment, those included that had nothing; not those that were not there yet, or any more.
    /// Of an account whose first record is later, a row without a principal says that there is more that nobody knows: whoever was
    /// deleted before that record is in none.
    #[must_use]
    pub fn at(&self, question: &Question, moment: DateTime<Utc>) -> Vec<Held> {
        let time = |index: EventId| self.ledger.events.get(index).map(|event| event.time);
        let mut rows = Vec::new();
        for (entity, devices) in self.entities(question) {
            let born = entity.created.and_then(time).is_none_or(|at| at <= moment);
            let lives = entity.deleted.and_then(time).is_none_or(|at| at > moment);
            if born && lives {
                self.held(entity, &devices, moment, &mut rows);
            }
        }
        rows.sort_by(|one, other| {
            let [one, other] = [one, other].map(|held| (&held.account, &held.principal, &held.device));
            one.cmp(&other)
        });
        rows.retain(|held| {
            question.devices.is_empty()
                || held
                    .device
                    .as_ref()
                    .is_some_and(|serial| question.devices.iter().any(|device| is_device(serial, device)))
        });
        let unknown = self
            .covered
            .iter()
            .filter(|(account, _)| !self.reaches(account, moment) && means(&question.accounts, account));
        rows.extend(unknown.map(|(account, _)| Held {
            account: account.clone(),
            principal: None,
            has_device: None,
            device: None,
            enabled: None,
            complete: false,
            why: BEFORE,
            by: None,
            in_iam: false,
        }));
        rows
    }

    /// Whether the account's records begin before a moment, or IAM was asked at it: what happened between a snapshot and a first record
    /// after it, no event tells.
    fn reaches(&self, account: &str, moment: DateTime<Utc>) -> bool {
        self.covered.get(account).is_some_and(|[first, _]| *first <= moment) || self.told_at(account) == Some(moment)
    }

    /// When IAM was asked, where it was asked about this account.
    fn told_at(&self, account: &str) -> Option<DateTime<Utc>> {
        self.ledger.taken_at.filter(|_| self.told.contains(account))
    }

    fn held(&self, entity: &Entity<'_>, devices: &Devices, moment: DateTime<Utc>, rows: &mut Vec<Held>) {
        let time = |point: Point| match point {
            Point::Event(index) => self.ledger.events.get(index).map(|event| event.time),
            Point::Enrolment(at) | Point::Snapshot(at) => Some(at),
        };
        let begun = |span: &Span| span.from.and_then(time).is_none_or(|from| from <= moment);
        let ended = |span: &Span| span.to.and_then(time).is_some_and(|to| to <= moment);
        let hidden = devices
            .spans
            .iter()
            .any(|span| !begun(span) && !ended(span) && span.unseen_after.is_some_and(|after| after <= moment));
        let (complete, why) = self.completeness(entity, devices, moment, hidden);
        let row = Held {
            account: entity.account.clone(),
            principal: Some(entity.principal()),
            has_device: None,
            device: None,
            enabled: None,
            complete,
            why,
            by: None,
            in_iam: false,
        };
        let before = rows.len();
        let reaches = self.reaches(&entity.account, moment);
        let first = self.first(entity);
        for span in devices.spans.iter().filter(|span| begun(span) && !ended(span)) {
            let had = self.had(entity, &first, span);
            let by = had.enabled.by.clone();
            rows.push(Held {
                // Since when it had a device whose enrollment was not seen, no record tells.
                has_device: (span.from.is_some() || reaches).then_some(true),
                device: had.device,
                in_iam: by.is_none(),
                by,
                enabled: Some(had.enabled),
                ..row.clone()
            });
        }
        if rows.len() == before {
            // That nothing is there is shown by what took the last away, or by the beginning.
            let own = entity.events.iter().rev().filter_map(|index| self.ledger.events.get(*index));
            let by = own
                .filter(|event| event.succeeded() && event.time <= moment)
                .find(|event| matches!(event.action, Action::DeviceDeactivated { .. } | Action::UserCreated))
                .map(|event| Cited::of(event));
            let in_iam = complete && by.is_none();
            rows.push(Held { has_device: complete.then_some(false), by, in_iam, ..row });
        }
    }

    fn completeness(
        &self,
        entity: &Entity<'_>,
        devices: &Devices,
        moment: DateTime<Utc>,
        hidden: bool,
    ) -> (bool, &'static str) {
        let covered = self.covered.get(&entity.account).copied();
        let taken_at = self.ledger.taken_at;
        let last = covered.map(|[_, last]| last).max(taken_at.filter(|_| devices.known() == Completeness::Always));
        if hidden {
            return (false, "a device was enabled before or after this time without an event");
        }
        if last.is_none_or(|last| moment > last) {
            return (false, "the time is after the last record that was read");
        }
        if !self.reaches(&entity.account, moment) {
            return (false, BEFORE);
        }
        match devices.known() {
            Completeness::Always => (true, "IAM listed all devices, and events show the rest"),
            Completeness::Since(index) => {
                let created = self.ledger.events.get(index).is_some_and(|event| event.time <= moment);
                match created {
                    true => (true, "an event shows the user's creation, and all events since are known"),
                    false => (false, "an event shows the user's creation at a later time"),
                }
            }
            Completeness::Never => (false, "no event shows the user's creation, and IAM did not list all devices"),
        }
    }
}

/// Whether one of the patterns means `name`; without any, all do.
fn means(patterns: &[Pattern], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
}

impl Question {
    fn is_about(&self, entity: &Entity<'_>) -> bool {
        means(&self.accounts, &entity.account)
            && (self.users.is_empty() || self.users.iter().any(|user| is_principal(entity, user)))
    }

    fn wants(&self, event: &Event, entity: Option<&Entity<'_>>, by_itself: Option<bool>) -> bool {
        let serial = event.action.serial();
        (if self.events.is_empty() { event.action.is_lifecycle() } else { means(&self.events, &event.name) })
            && self.from.is_none_or(|from| from <= event.time)
            && self.to.is_none_or(|to| event.time < to)
            && means(&self.accounts, &event.account)
            && (self.users.is_empty() || entity.is_some_and(|entity| self.is_about(entity)))
            && (self.devices.is_empty()
                || serial.is_some_and(|serial| self.devices.iter().any(|device| is_device(serial, device))))
            && (self.actors.is_empty()
                || (by_itself != Some(true) && self.actors.iter().any(|text| is_actor(&event.actor, text))))
    }
}
