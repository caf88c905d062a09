//! Where IAM and the archive disagree.

use chrono::{DateTime, Utc};

use super::devices::{Bounds, Missing};
use super::figures::has_mfa;
use super::ledger::{Entity, IamEntry, Kept, Ledger};
use super::windows::Draft;
use crate::contract::{CloseReason, Finding, FindingCode};
use crate::inventory::IamState;
use crate::mfa::Action;

/// The findings of one principal: its missing events, else that nothing explains its being without MFA.
pub(super) fn principal_findings(
    events: &[Kept<'_>],
    entity: &Entity<'_>,
    missing: &[Missing],
    windows: &[Draft],
    iam: Option<&IamState>,
    bounds: Bounds,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = missing
        .iter()
        .map(|missing| Finding {
            account: entity.account.clone(),
            principal: Some(entity.principal()),
            device: missing.device.clone(),
            finding: missing.code,
            between: missing.between,
        })
        .collect();
    if let (Some(iam), IamEntry::Gone, Some(last)) = (iam, &entity.iam, entity.last_seen(events)) {
        findings.push(Finding {
            account: entity.account.clone(),
            principal: Some(entity.principal()),
            device: None,
            finding: FindingCode::DeleteNotInArchive,
            between: [last.min(iam.taken_at), iam.taken_at],
        });
    }
    let explained = findings.iter().any(|finding| finding.finding == FindingCode::DeactivateNotInArchive);
    if let (Some(iam), false) = (iam, explained)
        && without_mfa(entity, iam)
        && !windows.iter().any(|window| explains(window, iam.taken_at))
    {
        findings.push(Finding {
            account: entity.account.clone(),
            principal: Some(entity.principal()),
            device: None,
            finding: FindingCode::WithoutMfaUnexplained,
            between: [since(entity, bounds).min(iam.taken_at), iam.taken_at],
        });
    }
    findings
}

/// A console user whom IAM shows without any device.
fn without_mfa(entity: &Entity<'_>, iam: &IamState) -> bool {
    match (&entity.iam, iam.accounts.get(&entity.account)) {
        (IamEntry::User(user), Some(account)) => user.password == Some(true) && has_mfa(account, user) == Some(false),
        _ => false,
    }
}

/// A window that is open at the snapshot, or that a deny of everything closed, says why there is no MFA.
fn explains(window: &Draft, taken_at: DateTime<Utc>) -> bool {
    window.opened_at <= taken_at
        && window.close.is_none_or(|close| close.at > taken_at || close.reason == CloseReason::Denied)
}

fn since(entity: &Entity<'_>, bounds: Bounds) -> DateTime<Utc> {
    let created = match entity.iam {
        IamEntry::User(user) => user.created_at,
        _ => None,
    };
    let covered = bounds.start().unwrap_or(bounds.read_from);
    created.map_or(covered, |created| created.max(covered))
}

/// Virtual devices that IAM shows assigned to nobody.
pub(super) fn ownerless(ledger: &Ledger<'_>, iam: &IamState, bounds: impl Fn(&str) -> Bounds) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (account, state) in &iam.accounts {
        let nobody = state.virtual_devices.iter().flatten().filter(|listed| listed.owner.is_none());
        for listed in nobody {
            let serial = listed.device.serial.as_str();
            let created = ledger.events.iter().rev().find(|event| {
                event.account == *account
                    && event.time <= iam.taken_at
                    && event.succeeded()
                    && matches!(&event.action, Action::DeviceCreated { serial: Some(created) } if created == serial)
            });
            let bounds = bounds(account);
            let from = created.map_or_else(|| bounds.start().unwrap_or(bounds.read_from), |event| event.time);
            findings.push(Finding {
                account: account.clone(),
                principal: None,
                device: Some(serial.to_owned()),
                finding: FindingCode::DeviceWithoutOwner,
                between: [from.min(iam.taken_at), iam.taken_at],
            });
        }
    }
    findings
}
