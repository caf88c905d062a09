//! What to do next.

use std::collections::BTreeSet;

use crate::arn::Arn;
use crate::contract::advice::{quoted, stolen};
use crate::contract::trace::{Trace, TraceEffect, TraceStep};

/// The steps, in the order in which they are best taken: first what still lets somebody in.
pub(super) fn steps(trace: &Trace) -> Vec<TraceStep> {
    let mut steps = Vec::new();
    let mut standing: Vec<&TraceEffect> = trace.effects.iter().filter(|effect| effect.standing == "stands").collect();
    // The runbook removes its user's device: whose that is must be known before.
    standing.sort_by_key(|effect| (effect.kind, effect.action) != ("mfa_device", "made"));
    steps.extend(standing.into_iter().filter_map(of_effect));
    steps.extend(affected_users(trace));
    steps.extend(roles(trace));
    steps.extend(trace.mfa_removals.iter().filter(|removal| removal.reenabled.is_none()).map(|removal| {
        let account = removal.account.as_deref().unwrap_or_default();
        let command = match removal.user.as_str() {
            "root" => None,
            user => quoted(user).zip(quoted(account)),
        };
        TraceStep {
            text: format!("have an MFA device assigned to {} again", user_words(&removal.user)),
            command: command.map(|(user, account)| format!("mfatrail device list --user {user} --account {account}")),
        }
    }));
    let mut seen = BTreeSet::new();
    steps.retain(|step| seen.insert(step.command.clone().unwrap_or_else(|| step.text.clone())));
    steps
}

fn step(text: impl Into<String>, command: Option<String>) -> TraceStep {
    TraceStep { text: text.into(), command }
}

fn user_words(user: &str) -> String {
    if user == "root" { "the root user".to_owned() } else { format!("user {user}") }
}

/// What the runbook for stolen credentials does to a user.
fn compromised(user: &str) -> String {
    format!(
        "treat {user} as compromised: disable its access keys, revoke its sessions, reset its password and remove its MFA device"
    )
}

fn of_effect(effect: &TraceEffect) -> Option<TraceStep> {
    let account = effect.account.as_deref().map_or_else(String::new, |account| format!(" (account {account})"));
    let owner = effect.owner.as_deref().and_then(quoted);
    let name = quoted(&effect.name);
    let iam = |call: &str, rest: Option<String>| rest.map(|rest| format!("aws iam {call} {rest}"));
    let of_user = || owner.as_ref().zip(name.as_ref());
    let label = &effect.label;
    match (effect.kind, effect.action) {
        ("access_key", "made") => Some(step(
            format!("deactivate the {label}{account}"),
            iam(
                "update-access-key",
                of_user().map(|(user, key)| format!("--user-name {user} --access-key-id {key} --status Inactive")),
            ),
        )),
        ("user", "made") => Some(step(
            format!("{}{account}", compromised(&format!("{label}, who was created during these events,"))),
            stolen(effect.owner.as_deref()?, effect.account.as_deref().unwrap_or_default()),
        )),
        ("password", "made" | "changed") => {
            let user = effect.owner.as_deref()?;
            Some(step(
                format!("{}{account}", compromised(&user_words(user))),
                stolen(user, effect.account.as_deref().unwrap_or_default()),
            ))
        }
        ("role", "made") => Some(step(
            format!("check {label}, which was created during these events, and delete it{account}"),
            iam("get-role", owner.map(|role| format!("--role-name {role}"))),
        )),
        ("trust_policy", _) => Some(step(
            format!("check who is allowed to assume the role: see the {label}{account}"),
            iam("get-role", owner.map(|role| format!("--role-name {role}"))),
        )),
        ("mfa_device", "made") => Some(step(
            format!("find out who owns {label}, which was enrolled during these events{account}"),
            iam("list-mfa-devices", owner.map(|user| format!("--user-name {user}"))),
        )),
        ("trail", "removed") => Some(step(
            format!("restart logging of the {label}{account}"),
            name.map(|name| format!("aws cloudtrail start-logging --name {name}")),
        )),
        (_, "made" | "changed") => {
            Some(step(format!("review the {label}, and revert it if it was not intended{account}"), None))
        }
        _ => None,
    }
}

/// Users whose own credentials were used.
fn affected_users(trace: &Trace) -> Vec<TraceStep> {
    let made: BTreeSet<&str> = trace
        .effects
        .iter()
        .filter(|effect| effect.kind == "user")
        .filter_map(|effect| effect.owner.as_deref())
        .collect();
    let mut users = BTreeSet::new();
    for event in trace.events.iter().filter(|event| event.relation != "about") {
        let Some(arn) = Arn::parse(&event.actor) else { continue };
        if let Some(path) = arn.resource_of("user") {
            users.insert((arn.account, crate::arn::name(path)));
        }
    }
    let users = users.into_iter().filter(|(_, name)| !made.contains(name)).map(|(account, name)| {
        step(
            format!("if {name} did not make these calls, {} (account {account})", compromised(&format!("user {name}"))),
            stolen(name, account),
        )
    });
    users.collect()
}

/// Roles whose sessions may last.
fn roles(trace: &Trace) -> Vec<TraceStep> {
    let mut roles = BTreeSet::new();
    for event in trace.events.iter().filter(|event| event.relation == "by") {
        if let Some(session) = Arn::parse(&event.actor).and_then(|arn| arn.role_session()) {
            roles.insert((session.account.to_owned(), session.role.to_owned()));
        }
    }
    let steps = roles.into_iter().map(|(account, role)| {
        let text = format!(
            "if the role's legitimate user did not make these calls, revoke the sessions of role {role} in account {account} (IAM console > Roles > the role > Revoke sessions)"
        );
        step(text, None)
    });
    steps.collect()
}
