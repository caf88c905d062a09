//! Where IAM and the archive disagree.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::devices::{Bounds, Devices};
use super::ledger::{Entity, EventId, IamEntry, Ledger};
use super::timeline::Missing;
use crate::contract::{Finding, FindingCode, LeftoverDevice};
use crate::inventory::{AccountState, DeviceOwner, IamState, UserState, VirtualDevice};
use crate::mfa::{Action, Event};

/// The findings of one principal: its missing events, and that IAM lacks it without its deletion having been seen.
pub(super) fn principal_findings(
    ledger: &Ledger<'_>,
    entity: &Entity<'_>,
    missing: &[Missing],
    iam: Option<&IamState>,
) -> Vec<Finding> {
    let finding = |device: Option<String>, finding: FindingCode, between: [DateTime<Utc>; 2]| Finding {
        account: entity.account.clone(),
        principal: Some(entity.principal()),
        device,
        finding,
        between,
    };
    let mut findings: Vec<Finding> =
        missing.iter().map(|missing| finding(missing.device.clone(), missing.code, missing.between)).collect();
    if let (Some(iam), IamEntry::Gone, Some(last)) = (iam, &entity.iam, entity.last_seen(&ledger.events)) {
        let taken_at = iam.users_as_of(&entity.account).latest;
        findings.push(finding(None, FindingCode::DeleteNotInArchive, [last.min(taken_at), taken_at]));
    }
    findings
}

/// Up to when it is known whether the principal is without MFA: the evidence's end, or a later snapshot that shows it so.
pub(super) fn last_evidence(devices: &Devices, bounds: Bounds) -> Option<DateTime<Utc>> {
    let shown = devices.shown_without().map(|key| key.time);
    bounds.covered.map(|[_, last]| last).max(shown)
}

/// Virtual devices that IAM shows assigned to nobody. Where the archive explains how that came about, nothing is missing:
/// they are left over. Else, and where the one that IAM names does not exist, it is a finding.
pub(super) fn ownerless(
    ledger: &Ledger<'_>,
    iam: &IamState,
    bounds: impl Fn(&str) -> Bounds,
    findings: &mut Vec<Finding>,
    leftovers: &mut Vec<LeftoverDevice>,
) {
    for (account, state) in &iam.accounts {
        let taken_at = iam.as_of(account).latest;
        let history = device_history(ledger, account, taken_at);
        for listed in state.virtual_devices.iter().flatten() {
            let serial = listed.device.serial.as_str();
            let last = history.get(serial).copied();
            let cause = match &listed.owner {
                None => last.and_then(|(index, event)| explained(ledger, account, index, event, serial)),
                Some(_) if has_owner(ledger, account, state, listed) => continue,
                Some(_) => None,
            };
            if let Some(leftover) = cause {
                leftovers.push(leftover);
            } else if listed.owner.is_some() || !was_somebodys(last) {
                let bounds = bounds(account);
                let from = last.map(|(_, event)| event.time).or_else(|| bounds.start()).unwrap_or(bounds.read_from);
                findings.push(Finding {
                    account: account.clone(),
                    principal: None,
                    device: Some(serial.to_owned()),
                    finding: FindingCode::DeviceWithoutOwner,
                    between: [from.min(taken_at), taken_at],
                });
            }
        }
    }
}

/// The last successful event by which each device was made, assigned, used or taken away.
fn device_history<'l>(
    ledger: &'l Ledger<'_>,
    account: &str,
    until: DateTime<Utc>,
) -> BTreeMap<&'l str, (EventId, &'l Event)> {
    let mut last = BTreeMap::new();
    for (index, event) in ledger.events.iter() {
        let tells = is_somebodys(&event.action)
            || matches!(
                event.action,
                Action::DeviceCreated { .. } | Action::DeviceDeactivated { .. } | Action::DeviceDeleted { .. }
            );
        if let Some(serial) = event.action.serial().filter(|_| tells && event.succeeded())
            && event.account == account
            && event.time <= until
        {
            last.insert(serial, (index, &**event));
        }
    }
    last
}

fn explained(
    ledger: &Ledger<'_>,
    account: &str,
    index: EventId,
    event: &Event,
    serial: &str,
) -> Option<LeftoverDevice> {
    let (cause, owner) = match event.action {
        Action::DeviceCreated { .. } => ("never_enabled", None),
        Action::DeviceDeactivated { .. } => ("deactivated", ledger.owners.get(index).copied().flatten()),
        _ => return None,
    };
    Some(LeftoverDevice {
        account: account.to_owned(),
        device: serial.to_owned(),
        cause,
        principal: owner.and_then(|owner| ledger.entities.get(owner)).map(Entity::principal),
        event_id: event.id.clone(),
        since: event.time,
    })
}

/// Whether the archive has the device as somebody's: that it is not is then a finding about that one.
fn was_somebodys(last: Option<(EventId, &Event)>) -> bool {
    last.is_some_and(|(_, event)| is_somebodys(&event.action))
}

/// What proves that the device is assigned: its enrollment, and every use of it.
fn is_somebodys(action: &Action) -> bool {
    matches!(
        action,
        Action::DeviceEnabled { .. }
            | Action::DeviceResynced { .. }
            | Action::SessionToken { .. }
            | Action::ConsoleLogin { mfa_used: Some(true), .. }
    )
}

/// Whether the user that IAM names exists, as far as IAM's list of users is whole.
fn has_owner(ledger: &Ledger<'_>, account: &str, state: &AccountState, listed: &VirtualDevice) -> bool {
    match &listed.owner {
        Some(DeviceOwner::User { name, id }) if state.users_complete => {
            let same_id =
                |user: &&UserState| id.as_ref().zip(user.id.as_ref()).is_none_or(|(theirs, ours)| theirs == ours);
            ledger.listed.users(account, name).iter().any(same_id)
        }
        _ => true,
    }
}
