//! Exposure windows of one principal: when one opens, and what closes it.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::credentials;
use super::devices::{Devices, Missing, Point};
use super::ledger::{Entity, EntityId, Ledger};
use crate::contract::{Certainty, CloseReason, FindingCode, WindowKind};
use crate::inventory;
use crate::mfa::{Action, Event};

/// A window, before anything is said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) entity: EntityId,
    pub(super) kind: WindowKind,
    /// The opening event.
    pub(super) opened: usize,
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
    pub(super) at: DateTime<Utc>,
    pub(super) event: Option<usize>,
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
    pub(super) event: usize,
    /// How many known devices remained.
    pub(super) remaining: usize,
    pub(super) effect: Effect,
}

/// What the replay of one principal gives.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    pub(super) windows: Vec<Draft>,
    pub(super) deactivations: Vec<Deactivation>,
    pub(super) missing: Vec<Missing>,
}

/// Replays one principal's events.
pub(super) fn replay(ledger: &Ledger<'_>, id: EntityId, entity: &Entity<'_>, devices: &Devices) -> Replayed {
    let mut machine = Machine {
        ledger,
        id,
        entity,
        devices,
        open: None,
        denies: BTreeSet::new(),
        replayed: Replayed { missing: devices.missing.clone(), ..Replayed::default() },
    };
    for &index in &entity.events {
        if let Some(event) = ledger.events.get(index).filter(|event| event.succeeded()) {
            machine.close_by_iam_before(Some(index));
            machine.step(index, event);
        }
    }
    machine.close_by_iam_before(None);
    machine.replayed.windows.extend(machine.open.take());
    machine.replayed
}

struct Machine<'e, 'a> {
    ledger: &'e Ledger<'a>,
    id: EntityId,
    entity: &'e Entity<'a>,
    devices: &'e Devices,
    open: Option<Draft>,
    /// The policies that deny the user everything now.
    denies: BTreeSet<String>,
    replayed: Replayed,
}

impl Machine<'_, '_> {
    fn step(&mut self, index: usize, event: &Event) {
        if self.devices.given_away_by(index) {
            self.close(Close { at: event.time, event: Some(index), reason: CloseReason::SeenInUse });
        }
        let closes = |reason| Close { at: event.time, event: Some(index), reason };
        match &event.action {
            Action::DeviceDeactivated { .. } => self.deactivated(index, event),
            Action::DeviceEnabled { .. } => self.close(closes(CloseReason::Reenabled)),
            Action::UserDeleted => self.close(closes(CloseReason::UserDeleted)),
            Action::PasswordRemoved => self.close(closes(CloseReason::PasswordRemoved)),
            Action::PasswordCreated => self.password_created(index, event),
            Action::PolicyAttached { arn: Some(arn) } if inventory::is_deny_all_arn(arn) => {
                self.denies.insert(managed(arn));
                self.close(closes(CloseReason::Denied));
            }
            Action::PolicyPut { policy: name, document } => {
                let name = inline(name.as_deref());
                if document.as_deref().and_then(inventory::denies_everything) == Some(true) {
                    self.denies.insert(name);
                    self.close(closes(CloseReason::Denied));
                } else {
                    self.deny_removed(&name, index, event);
                }
            }
            Action::PolicyDetached { arn: Some(arn) } => self.deny_removed(&managed(arn), index, event),
            Action::PolicyDeleted { policy } => self.deny_removed(&inline(policy.as_deref()), index, event),
            _ => {}
        }
    }

    fn deactivated(&mut self, index: usize, event: &Event) {
        // A device is taken from a principal that was thought to have none: it was enrolled unseen.
        if self.devices.active(&self.ledger.events, index, false) > 0 {
            self.close(Close { at: event.time, event: Some(index), reason: CloseReason::SeenInUse });
        }
        let remaining = self.devices.active(&self.ledger.events, index, true);
        let effect = if remaining > 0 {
            Effect::LeftAnotherDevice
        } else if credentials::known_without_password(self.ledger, self.entity, index) {
            Effect::NoPassword
        } else {
            self.open(WindowKind::Removed, index, event);
            Effect::OpenedWindow
        };
        self.replayed.deactivations.push(Deactivation { entity: self.id, event: index, remaining, effect });
    }

    /// A password for a principal without a device: the first one, or given back.
    fn password_created(&mut self, index: usize, event: &Event) {
        if self.open.is_some() || self.devices.active(&self.ledger.events, index, true) > 0 {
            return;
        }
        if self.devices.had_any_before(&self.ledger.events, index) {
            self.open(WindowKind::Removed, index, event);
        } else if self.devices.complete_at(index) {
            self.open(WindowKind::NeverEnrolled, index, event);
        }
    }

    fn deny_removed(&mut self, name: &str, index: usize, event: &Event) {
        if !self.denies.remove(name) || !self.denies.is_empty() || self.open.is_some() {
            return;
        }
        let Some(last) = self.replayed.windows.last() else { return };
        let ended_by_deny = last.close.is_some_and(|close| close.reason == CloseReason::Denied);
        if ended_by_deny
            && self.devices.active(&self.ledger.events, index, true) == 0
            && !credentials::known_without_password(self.ledger, self.entity, index)
        {
            self.open(last.kind, index, event);
        }
    }

    fn open(&mut self, kind: WindowKind, index: usize, event: &Event) {
        let certain = self.devices.complete_at(index) && !self.devices.may_hide_one(&self.ledger.events, index);
        let certainty = if certain { Certainty::Confirmed } else { Certainty::Possible };
        if self.open.is_none() {
            let entity = self.id;
            self.open = Some(Draft { entity, kind, opened: index, opened_at: event.time, certainty, close: None });
        }
    }

    fn close(&mut self, close: Close) {
        if let Some(mut window) = self.open.take() {
            window.close = Some(close);
            self.replayed.windows.push(window);
        }
    }

    /// IAM shows a device enabled after the opening, and no event tells of it: the window ended then, and the missing
    /// enrolment is a finding.
    fn close_by_iam_before(&mut self, index: Option<usize>) {
        let Some((opened, opened_at)) = self.open.as_ref().map(|window| (window.opened, window.opened_at)) else {
            return;
        };
        let Some(at) = self.devices.dated_enrolment(&self.ledger.events, opened, index) else { return };
        self.close(Close { at, event: None, reason: CloseReason::SeenInIam });
        if !self.replayed.missing.iter().any(|missing| missing.between[1] == at) {
            let device = self.devices.spans.iter().find(|span| span.from == Some(Point::Enrolment(at)));
            self.replayed.missing.push(Missing {
                device: device.map(|span| span.serial.clone()),
                code: FindingCode::EnableNotInArchive,
                between: [opened_at, at],
            });
        }
    }
}

fn managed(arn: &str) -> String {
    format!("managed:{arn}")
}

fn inline(name: Option<&str>) -> String {
    format!("inline:{}", name.unwrap_or_default())
}
