//! What IAM state says of what was made, where it is newer than the call.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::app::rfc3339;
use crate::contract::trace::{Trace, TraceEffect, TraceGap, TraceUnknown};
use crate::inventory::{AccountState, IamState, UserState};

/// Notes it with every effect, and tells of which accounts the state knows nothing, or nothing new enough.
pub(super) fn compare(trace: &mut Trace, state: &IamState) -> Vec<TraceUnknown> {
    let mut unknown: BTreeSet<String> = BTreeSet::new();
    for effect in &mut trace.effects {
        let Some(account) = effect.account.clone() else { continue };
        let Some(known) = state.accounts.get(&account) else {
            unknown.insert(format!(
                "IAM state does not cover account {account}: what still exists there is known from calls alone"
            ));
            continue;
        };
        let taken = state.as_of(&account).earliest;
        if taken <= effect.by.at {
            unknown.insert(format!(
                "IAM state of account {account} was taken at {}, before some of the calls, so it does not show what they did",
                rfc3339(taken)
            ));
            continue;
        }
        effect.iam = says(effect, known, taken).map(|is| if is { "present" } else { "absent" });
    }
    unknown.into_iter().map(|text| TraceUnknown { code: TraceGap::IamState, text }).collect()
}

/// Whether a thing is there; `None` where the state does not tell, or told it before the call.
fn says(effect: &TraceEffect, account: &AccountState, taken: DateTime<Utc>) -> Option<bool> {
    let name = effect.owner.as_deref()?;
    let user = account.users.iter().find(|user| user.name.eq_ignore_ascii_case(name));
    let Some(user) = user else {
        let is_of_user =
            matches!(effect.kind, "user" | "password" | "access_key" | "mfa_device" | "user_policy" | "membership");
        return (account.users_complete && is_of_user && name != "root").then_some(false);
    };
    of_user(effect, user, taken)
}

fn of_user(effect: &TraceEffect, user: &UserState, taken: DateTime<Utc>) -> Option<bool> {
    let is_new = |at: Option<DateTime<Utc>>| at.unwrap_or(taken) > effect.by.at;
    match effect.kind {
        "user" => Some(true),
        "password" => user.password.filter(|_| is_new(user.password_as_of.map(|at| at.earliest))),
        // IAM state has counts of keys, and no ids.
        "access_key" => {
            let none = user.active_access_keys == Some(0) && is_new(user.access_keys_as_of.map(|at| at.earliest));
            none.then_some(false)
        }
        "mfa_device" => {
            let devices = user.devices.as_ref()?;
            Some(devices.iter().any(|device| device.serial == effect.name))
        }
        _ => None,
    }
}
