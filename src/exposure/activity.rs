//! What a principal did while it was without MFA.

use std::collections::BTreeSet;

use super::classify::Facts;
use super::windows::Draft;
use crate::contract::Activity;

/// The principal's own calls and sign-ins from the opening, its own opening call included, up to the close; of an open
/// window up to and with `as_of`.
pub(super) fn activity(facts: Facts<'_>, draft: &Draft) -> Activity {
    let mut activity = Activity::default();
    let (mut addresses, mut services) = (BTreeSet::new(), BTreeSet::new());
    let [from, to] = draft.time(facts.as_of);
    for call in facts.calls.by(draft.entity, from, to) {
        activity.events += 1;
        activity.errors += usize::from(call.failed);
        activity.writes += usize::from(!call.read_only);
        let signed_in = &*call.name == "ConsoleLogin" && !call.failed;
        activity.console_logins_without_mfa += usize::from(signed_in && call.sign_in_mfa == Some(false));
        addresses.extend(call.source_ip.as_deref());
        services.insert(&*call.service);
    }
    activity.source_ips = addresses.into_iter().map(str::to_owned).collect();
    activity.services = services.into_iter().map(str::to_owned).collect();
    activity
}
