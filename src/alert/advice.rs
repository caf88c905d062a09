//! What to do next: steps that exist today, and the command that shows the whole story.

use crate::contract::{Class, PrincipalKind, playbook};
use crate::incident::diff::Step;
use crate::incident::{Incident, Kind, Transition};

/// Where a device is assigned.
const ASSIGN: &str = "IAM console > Users > user name > Security credentials > Assign MFA device";

/// What to do about a transition.
pub(super) fn next_step(step: &Step, store: &str) -> String {
    let incident = &step.entry.incident;
    let more = history(incident, store).map_or_else(String::new, |command| format!(" Full history: `{command}`"));
    let advice = match (step.transition, incident.kind) {
        (Transition::Withdrawn, _) => return "No step is needed for this incident.".to_owned(),
        (Transition::Resolved, Kind::Window | Kind::Burst) => after(incident),
        (Transition::Resolved, Kind::Attempts) => "Find out why it was tried, if that is not known yet.".to_owned(),
        (Transition::Resolved, Kind::Evidence) if !is_undone(incident) => trail(incident),
        (Transition::Resolved, Kind::Evidence) => {
            "Find out what happened while less was recorded: these logs cannot show it.".to_owned()
        }
        (_, Kind::Attempts) => format!(
            "Ask {} why it was tried. If nobody knows, treat the caller's credentials as stolen: deactivate its access keys, \
             revoke its sessions and reset its password.",
            incident.actor.as_deref().unwrap_or("the owner of the account")
        ),
        (_, Kind::Evidence) => trail(incident),
        (_, Kind::Window | Kind::Burst) if incident.resolution.is_some() => after(incident),
        (_, Kind::Window) => exposed(incident),
        (_, Kind::Burst) => format!(
            "Ask {} whether this was intended. If not, treat the caller's credentials as stolen: deactivate its access keys, \
             revoke its sessions and reset its password. In either case, have MFA devices assigned to these users ({ASSIGN}).",
            incident.actor.as_deref().unwrap_or("the owner of the account")
        ),
    };
    format!("{advice}{more}")
}

/// The section of the playbook that says more.
pub(super) fn section(step: &Step) -> Option<&'static str> {
    let incident = &step.entry.incident;
    match incident.kind {
        _ if step.transition == Transition::Withdrawn => None,
        Kind::Window => incident.principal.as_ref().and_then(|one| playbook(one.kind, incident.class)),
        Kind::Attempts | Kind::Burst => Some("docs/playbook.md#suspected-takeover"),
        Kind::Evidence => Some("docs/playbook.md#trail-weakened"),
    }
}

/// Whether an event shows that a trail records again.
fn is_undone(incident: &Incident) -> bool {
    incident.resolution.as_ref().is_some_and(|end| end.event_id.is_some())
}

/// What is left to do when the exposure is over.
fn after(incident: &Incident) -> String {
    match incident.class {
        Some(Class::SuspectedTakeover) => {
            "MFA alone does not end a takeover: check who enrolled the new device and which keys, passwords and policies were \
             created in the meantime, and revoke the sessions."
        }
        Some(Class::Approved | Class::Offboarding | Class::Replacement) => {
            "No further step is known to be needed."
        }
        Some(Class::Workaround) => "Ask why MFA was switched off and the user kept working without it.",
        Some(Class::Unexplained) | None => "Why it happened is not explained: ask the owner, and record the reason.",
    }
    .to_owned()
}

fn exposed(incident: &Incident) -> String {
    let who = incident.who();
    let owner = incident.owner.as_deref().map_or_else(|| who.clone(), |owner| format!("{owner} (owner of {who})"));
    let root = incident.principal.as_ref().is_some_and(|principal| principal.kind == PrincipalKind::Root);
    match incident.class {
        _ if root => {
            "Sign in as the root user and assign an MFA device (account menu, Security credentials), or remove the \
            root user's credentials by central root access. Find out who used the root user, and why."
                .to_owned()
        }
        Some(Class::SuspectedTakeover) => format!(
            "Treat {who} and the caller as compromised: deactivate the access keys, reset the console password and revoke \
             the sessions in IAM, then assign a new MFA device.{} Check which keys, passwords and policies were created in the \
             meantime.",
            lock_out(incident)
        ),
        Some(Class::Approved) => {
            "A ticket covers it. Have a new MFA device assigned before the ticket ends.".to_owned()
        }
        Some(Class::Offboarding) => "Check that the user is gone, and with it its access keys.".to_owned(),
        None if incident.due_at > incident.opened_at => {
            format!("Ask {owner} to enroll an MFA device ({ASSIGN}), or remove the console password.")
        }
        Some(Class::Replacement | Class::Workaround | Class::Unexplained) | None => format!(
            "Ask {owner} whether this was intended. If not, deactivate the access keys and reset the console password. In either \
             case, have an MFA device assigned ({ASSIGN}). If the new device's name is taken, delete the old virtual device first.{}{}",
            lock_out(incident),
            leftovers(incident)
        ),
    }
}

/// An IAM user and its account as words of a command line; `None` for anybody else, and where a name cannot be typed.
fn iam_user(incident: &Incident) -> Option<(String, String)> {
    let principal = incident.principal.as_ref().filter(|principal| principal.kind == PrincipalKind::IamUser)?;
    let name = if principal.name.eq_ignore_ascii_case("root") { "user/root" } else { &principal.name };
    Some((quoted(name)?, quoted(&incident.account)?))
}

/// The runbook's command that locks everybody out who may have a user's credentials; it shows its plan first.
fn lock_out(incident: &Incident) -> String {
    let command = incident
        .principal
        .as_ref()
        .filter(|principal| principal.kind == PrincipalKind::IamUser)
        .and_then(|principal| stolen(&principal.name, &incident.account));
    command.map_or_else(String::new, |command| format!(" `{command}` shows these steps, and takes them with --apply."))
}

/// The runbook's command for a user whose credentials somebody else has; `None` where a name cannot be typed.
pub(crate) fn stolen(user: &str, account: &str) -> Option<String> {
    let user = if user.eq_ignore_ascii_case("root") { "user/root" } else { user };
    Some(format!("mfatrail respond {} --stolen --account {} --password-out FILE", quoted(user)?, quoted(account)?))
}

/// The command that shows which devices are left over.
fn leftovers(incident: &Incident) -> String {
    iam_user(incident).map_or_else(String::new, |(user, account)| {
        format!(" `mfatrail device list --user {user} --account {account}` shows what is left over.")
    })
}

fn trail(incident: &Incident) -> String {
    let trail = incident.device.as_deref().and_then(quoted);
    let region = incident.region.as_deref().and_then(quoted);
    let options = trail.map(|trail| {
        let region = region.map_or_else(String::new, |region| format!(" --region {region}"));
        format!(" --name {trail}{region}")
    });
    match (incident.event_name.as_str(), options) {
        ("StopLogging", Some(options)) => {
            format!("Unless this was intended, start it again: `aws cloudtrail start-logging{options}`.")
        }
        ("StopLogging", None) => "Unless this was intended, start it again in the CloudTrail console.".to_owned(),
        ("DeleteTrail", _) => "Unless this was intended, create the trail again, and start it.".to_owned(),
        (_, Some(options)) => {
            format!(
                "Compare the trail with what it should be: `aws cloudtrail get-trail{options}`, and its event selectors."
            )
        }
        (_, None) => "Compare the trail and its event selectors with what they should be.".to_owned(),
    }
}

/// The command that shows all that happened to the principal, or what the actor did; `None` where a name cannot be typed.
fn history(incident: &Incident, store: &str) -> Option<String> {
    let about = match (&incident.principal, &incident.actor) {
        (Some(principal), _) if incident.kind == Kind::Window => {
            format!("--user {}", quoted(principal.id.as_deref().unwrap_or(&principal.name))?)
        }
        (_, Some(actor)) if incident.kind != Kind::Evidence => format!("--actor {}", quoted(actor)?),
        _ => "--event StopLogging --event DeleteTrail --event UpdateTrail --event PutEventSelectors".to_owned(),
    };
    Some(format!("mfatrail history --store {} {about} --account {}", quoted(store)?, quoted(&incident.account)?))
}

/// A word for a shell that is what it says, whoever chose it; `None` for what no shell takes as it is.
pub(crate) fn quoted(word: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+=,.@/:%-".contains(c);
    // A backtick would end the command in the text around it.
    if word.is_empty() || word.starts_with('-') || word.chars().any(|c| c.is_control() || c == '`') {
        return None;
    }
    if word.chars().all(plain) {
        return Some(word.to_owned());
    }
    Some(format!("'{}'", word.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each section that is named is one of the document.
    #[test]
    fn every_section_is_in_the_playbook() {
        let document = include_str!("../../docs/playbook.md");
        let titles = document.lines().filter_map(|line| line.strip_prefix("## "));
        let anchors: Vec<String> = titles.map(|title| title.to_lowercase().replace(' ', "-")).collect();
        let classes = Class::ALL.iter().copied().map(Some).chain([None]);
        let of = |class| [PrincipalKind::IamUser, PrincipalKind::Root].map(|kind| playbook(kind, class));
        let named = classes.flat_map(of).flatten();
        let others = [
            "docs/playbook.md#suspected-takeover",
            "docs/playbook.md#trail-weakened",
            "docs/playbook.md#guardrail-missing",
        ];
        for section in named.chain(others) {
            let (file, anchor) = section.split_once('#').unwrap();
            assert!(file == "docs/playbook.md" && anchors.iter().any(|own| own == anchor), "{section}");
        }
    }

    #[test]
    fn a_name_never_becomes_a_command() {
        for (word, typed) in [
            ("alice", Some("alice")),
            ("arn:aws:iam::111122223333:user/a", Some("arn:aws:iam::111122223333:user/a")),
            ("a b", Some("'a b'")),
            ("$(reboot)", Some("'$(reboot)'")),
            ("`id`", None),
            ("a'; rm -rf /; '", Some(r"'a'\''; rm -rf /; '\'''")),
            ("--sql", None),
            ("a\nb", None),
            ("", None),
        ] {
            assert_eq!(quoted(word).as_deref(), typed, "{word:?}");
        }
    }
}
