//! What the channels of a watch are told of a run of the runbook: that it is over, and how.

use chrono::{DateTime, Utc};

use super::Outcome;
use crate::alert::{Alert, Fact, Text};
use crate::app::watch::announce::Channels;
use crate::device::journal::Begin;
use crate::device::plan::Situation;
use crate::incident::{Kind, Severity, State, Transition};

/// Tells the channels whose routes take it; gives what was not delivered.
pub fn tell(channels: &mut Channels, begin: &Begin, outcome: &Outcome, run: &str, now: DateTime<Utc>) -> Vec<String> {
    let opened = alert(begin, outcome, run, now);
    let untold = channels.of(&opened).into_iter().filter_map(|name| {
        let problem = channels.tell(&name, &opened, false, now)?;
        Some(format!("channel `{name}` was not told: {}", problem.reason))
    });
    untold.collect()
}

fn alert(begin: &Begin, outcome: &Outcome, run: &str, now: DateTime<Utc>) -> Alert {
    let fact = |label: &str, value: String| Fact { label: label.to_owned(), value };
    let what = match begin.situation {
        Situation::Lost => "lost",
        Situation::Stolen => "stolen",
        Situation::Replaced => "replaced",
        Situation::OutOfSync => "out of sync",
    };
    let mut facts = vec![fact("Caller", begin.caller.clone())];
    facts.extend(begin.ticket.iter().map(|ticket| fact("Ticket", ticket.clone())));
    facts.extend(begin.approver.iter().map(|approver| fact("Approver", approver.clone())));
    facts.extend(begin.plan.steps.iter().map(|step| fact("Done", step.call.line())));
    facts.extend(outcome.differences.iter().map(|difference| fact("Not as planned", difference.clone())));
    let as_planned = outcome.differences.is_empty();
    let end = if as_planned { "IAM shows what was planned." } else { "Not everything is as planned." };
    Alert {
        key: format!("mfatrail:{}:respond:{run}", begin.account),
        sequence: 1,
        transition: Transition::Opened,
        state: State::Open,
        kind: Kind::Window,
        severity: if as_planned { Severity::Info } else { Severity::Error },
        at: now,
        account: begin.account.clone(),
        class: None,
        subject: begin.user.clone(),
        owner: None,
        text: Text {
            title: format!("Runbook: MFA device of user {} {what} (account {})", begin.user, begin.account),
            summary: format!(
                "{} ran the runbook for user {}, whose MFA device is {what}{}. {end}",
                begin.caller,
                begin.user,
                begin.ticket.as_deref().map_or_else(String::new, |ticket| format!(" (ticket {ticket})")),
            ),
            facts,
            next_step: begin
                .plan
                .notes
                .first()
                .cloned()
                .unwrap_or_else(|| "No further step is known to be needed.".to_owned()),
            links: Vec::new(),
        },
        window: None,
        members: None,
        acknowledged_by: None,
        test: false,
    }
}
