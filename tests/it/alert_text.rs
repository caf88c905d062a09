//! What an alert says: every kind and transition, as a snapshot that people read.

use chrono::TimeDelta;
use mfatrail::alert::Alert;
use mfatrail::alert::text::{Setting, alert};
use mfatrail::contract::{Certainty, Class, ConsolePassword, Principal, PrincipalKind};
use mfatrail::incident::diff::{Entry, Step};
use mfatrail::incident::{Incident, Kind, Resolution, Severity, Signal, State, Ticket, Transition};

use crate::ledger::{incident, resolved};

fn step(transition: Transition, sequence: u64, before: Option<Incident>, incident: &Incident) -> Step {
    let state = match transition {
        Transition::Opened | Transition::Updated if incident.resolution.is_none() => State::Open,
        Transition::Withdrawn => State::Withdrawn,
        Transition::Opened => State::Open,
        Transition::Updated | Transition::Resolved => State::Resolved,
    };
    let end = incident.resolution.as_ref().and_then(|end| end.at);
    let at = if transition == Transition::Resolved { end } else { Some(incident.due_at) };
    let entry = Entry { key: incident.key(), state, sequence, acknowledged_by: None, incident: incident.clone() };
    Step { transition, at: at.unwrap_or(incident.due_at), entry, before, successor: None }
}

fn said(step: &Step, members: &[Incident]) -> Alert {
    let now = step.at + TimeDelta::seconds(252);
    alert(step, Setting { now, store: "evidence", members })
}

fn shown(name: &str, step: &Step, members: &[Incident]) -> String {
    let text = said(step, members).text;
    let mut out = format!("=== {name}\n# {}\n{}\n", text.title, text.summary);
    for fact in &text.facts {
        out += &format!("  {}: {}\n", fact.label, fact.value);
    }
    out += &format!("Next: {}\n", text.next_step);
    for link in &text.links {
        out += &format!("[{}] {}\n", link.label, link.url);
    }
    out + "\n"
}

fn ended(incident: &Incident, reason: &str) -> Incident {
    let mut ended = resolved(incident);
    if let Some(end) = &mut ended.resolution {
        end.reason = reason.to_owned();
    }
    ended
}

fn with(rule: &str) -> Signal {
    Signal { rule: rule.to_owned(), event_ids: vec!["event-1".to_owned()] }
}

#[test]
fn windows() {
    let ann = incident("ann");
    let takeover = Incident {
        severity: Severity::Critical,
        class: Some(Class::SuspectedTakeover),
        reasons: ["suspected_takeover", "actor_without_mfa", "new_source", "persistence"].map(with).into(),
        actor_mfa: Some(false),
        privileged: Some(true),
        ..ann.clone()
    };
    let unknown = Incident {
        owner: None,
        privileged: None,
        console_password: Some(ConsolePassword::Unknown),
        active_access_keys: None,
        certainty: Some(Certainty::Possible),
        actor_mfa: None,
        source_ip: None,
        user_agent: None,
        region: None,
        delivered_at: None,
        objects: Vec::new(),
        device: None,
        ..ann.clone()
    };
    let approved = Incident {
        severity: Severity::Info,
        class: Some(Class::Approved),
        ticket: Some(Ticket { ticket: "CHG-17".to_owned(), approver: "lead@example.com".to_owned() }),
        ..ann.clone()
    };
    let root = Incident {
        severity: Severity::Critical,
        principal: Some(Principal { kind: PrincipalKind::Root, name: "root".to_owned(), id: None }),
        actor: Some("arn:aws-us-gov:iam::111122223333:root".to_owned()),
        region: Some("us-gov-west-1".to_owned()),
        ..ann.clone()
    };
    let never = Incident {
        event_name: "CreateLoginProfile".to_owned(),
        due_at: ann.opened_at + TimeDelta::days(1),
        severity: Severity::Warning,
        class: None,
        device: None,
        window: Some(serde_json::json!({"kind": "never_enrolled"})),
        ..ann.clone()
    };
    let again = Incident { event_name: "DetachUserPolicy".to_owned(), class: None, device: None, ..ann.clone() };
    let overdue = Incident { overdue: true, ..ann.clone() };
    let workaround =
        Incident { class: Some(Class::Workaround), severity: Severity::Warning, overdue: true, ..ann.clone() };
    let member = Incident { part_of: Some("mfatrail:111122223333:event-ann:burst".to_owned()), ..ann.clone() };
    let mut acknowledged = step(Transition::Updated, 2, Some(ann.clone()), &ann);
    acknowledged.entry.state = State::Acknowledged;
    acknowledged.entry.acknowledged_by = Some("dana".to_owned());
    let mut merged = step(Transition::Withdrawn, 2, Some(ann.clone()), &ann);
    merged.successor = Some("mfatrail:111122223333:event-old".to_owned());
    let unseen = ended(&ann, "ended_unseen");
    let unseen = Incident { resolution: unseen.resolution.map(|end| Resolution { at: None, ..end }), ..ann.clone() };
    let opened = |incident: &Incident| step(Transition::Opened, 1, None, incident);
    let updated = |before: &Incident, after: &Incident| step(Transition::Updated, 2, Some(before.clone()), after);
    let over = |incident: &Incident| step(Transition::Resolved, 2, Some(ann.clone()), incident);
    let all = [
        ("removed", opened(&ann)),
        ("opened and over at once", opened(&ended(&ann, "reenabled"))),
        ("suspected takeover", opened(&takeover)),
        ("little is known", opened(&unknown)),
        ("approved", opened(&approved)),
        ("root", opened(&root)),
        ("never enrolled", opened(&never)),
        ("exposed again", opened(&again)),
        ("reopened", step(Transition::Opened, 3, Some(ended(&ann, "reenabled")), &ann)),
        ("becomes a takeover", updated(&ann, &takeover)),
        ("becomes approved", updated(&ann, &approved)),
        ("becomes overdue", updated(&ann, &overdue)),
        ("becomes a workaround", updated(&overdue, &workaround)),
        ("becomes part of a burst", updated(&ann, &member)),
        ("an older opening", updated(&Incident { event_id: "event-late".to_owned(), ..ann.clone() }, &ann)),
        ("acknowledged", acknowledged),
        ("updated after its end", updated(&ended(&ann, "reenabled"), &ended(&takeover, "reenabled"))),
        ("enabled again", over(&ended(&ann, "reenabled"))),
        ("enabled again after a takeover", over(&ended(&takeover, "reenabled"))),
        ("enabled again with a ticket", over(&ended(&approved, "reenabled"))),
        ("user deleted", over(&ended(&ann, "user_deleted"))),
        ("password removed", over(&ended(&ann, "password_removed"))),
        ("denied", over(&ended(&ann, "denied"))),
        ("seen in IAM", over(&ended(&ann, "seen_in_iam"))),
        ("seen in use", over(&ended(&ann, "seen_in_use"))),
        ("ended unseen", over(&unseen)),
        ("withdrawn", step(Transition::Withdrawn, 2, Some(ann.clone()), &ann)),
        ("merged", merged),
    ];
    insta::assert_snapshot!(all.iter().map(|(name, step)| shown(name, step, &[])).collect::<String>());
}

#[test]
fn other_kinds() {
    let members = ["ann", "bob", "cid"].map(incident);
    let burst = Incident {
        kind: Kind::Burst,
        principal: None,
        device: None,
        due_at: members[0].opened_at + TimeDelta::minutes(4),
        members: members.iter().map(Incident::key).collect(),
        window: None,
        events: 3,
        ..incident("ann")
    };
    let attempts = Incident {
        kind: Kind::Attempts,
        class: None,
        due_at: members[0].opened_at + TimeDelta::minutes(20),
        window: None,
        events: 5,
        ..incident("ann")
    };
    let trail = |name: &str| Incident {
        kind: Kind::Evidence,
        event_name: name.to_owned(),
        principal: None,
        class: None,
        window: None,
        device: Some("arn:aws:cloudtrail:us-east-1:111122223333:trail/main".to_owned()),
        ..incident("trail")
    };
    let opened = |incident: &Incident| step(Transition::Opened, 1, None, incident);
    let over = |incident: &Incident, reason: &str| {
        step(Transition::Resolved, 2, Some(incident.clone()), &ended(incident, reason))
    };
    let grown = Incident { members: burst.members.iter().take(2).cloned().collect(), ..burst.clone() };
    let all = [
        ("burst", opened(&burst)),
        ("burst grows", step(Transition::Updated, 2, Some(grown), &burst)),
        ("burst over", over(&burst, "members_resolved")),
        ("attempts", opened(&attempts)),
        ("attempts of several", opened(&Incident { principal: None, ..attempts.clone() })),
        ("attempts over", over(&attempts, "quiet")),
        ("trail stopped", opened(&trail("StopLogging"))),
        ("trail deleted", opened(&trail("DeleteTrail"))),
        ("trail changed", opened(&trail("PutEventSelectors"))),
        (
            "trail stopped by a stranger",
            opened(&Incident { device: Some("x$(reboot) `id`".to_owned()), ..trail("StopLogging") }),
        ),
        ("logging again", over(&trail("StopLogging"), "logging_resumed")),
        ("not followed up", {
            let end = ended(&trail("PutEventSelectors"), "not_followed_up");
            let resolution = end.resolution.clone().map(|end| Resolution { event_id: None, ..end });
            step(Transition::Resolved, 2, Some(trail("PutEventSelectors")), &Incident { resolution, ..end })
        }),
    ];
    insta::assert_snapshot!(all.iter().map(|(name, step)| shown(name, step, &members)).collect::<String>());
}

/// What a webhook gets is what the document says, and the same bytes each time.
#[test]
fn an_alert_is_read_back_as_it_was_written() {
    let alert = said(&step(Transition::Opened, 1, None, &incident("ann")), &[]);
    let text = serde_json::to_string(&alert).unwrap();
    let read: Alert = serde_json::from_str(&text).unwrap();
    assert_eq!(read, alert);
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
}
