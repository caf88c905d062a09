//! What to do next: steps that exist today, and the command that shows the whole story.

use crate::contract::advice::{ASSIGN, Exposure, after, exposed, quoted};
use crate::contract::{PrincipalKind, playbook};
use crate::incident::diff::Step;
use crate::incident::{Incident, Kind, Transition};

/// What to do about a transition.
pub(super) fn next_step(step: &Step, store: &str) -> String {
    let incident = &step.entry.incident;
    let more = history(incident, store).map_or_else(String::new, |command| format!(" Full history: `{command}`"));
    let advice = match (step.transition, incident.kind) {
        (Transition::Withdrawn, _) => return "No step is needed for this incident.".to_owned(),
        (Transition::Resolved, Kind::Window | Kind::Burst) => after(who(incident), incident.class).to_owned(),
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
        (_, Kind::Window | Kind::Burst) if incident.resolution.is_some() => {
            after(who(incident), incident.class).to_owned()
        }
        (_, Kind::Window) => exposed(&exposure(incident)),
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

/// What the one is whom an incident is about; `None` for several.
fn who(incident: &Incident) -> Option<PrincipalKind> {
    incident.principal.as_ref().map(|principal| principal.kind)
}

/// Whom an incident is about, as advice takes it.
fn exposure(incident: &Incident) -> Exposure<'_> {
    Exposure {
        account: &incident.account,
        principal: incident.principal.as_ref(),
        owner: incident.owner.as_deref(),
        class: incident.class,
        enrolling: incident.due_at > incident.opened_at,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Class;

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
}
