//! What the channels of a watch are told of a run of the runbook: that it is over, and how.

use chrono::{DateTime, Utc};

use super::Outcome;
use crate::alert::channel::Channel;
use crate::alert::{Alert, Delivery, Fact, Text, route};
use crate::app::Error;
use crate::app::watch::{config, open_channels};
use crate::aws::Connection;
use crate::device::journal::Begin;
use crate::device::plan::Situation;
use crate::incident::Outcome as Delivered;
use crate::incident::{Kind, Severity, State, Transition};

/// The channels of a configuration, ready before anything is changed.
pub struct Channels {
    config: config::Config,
    channels: Vec<Box<dyn Channel>>,
}

impl Channels {
    /// Reads the configuration, and opens its channels.
    ///
    /// # Errors
    /// When it is wrong, or a secret is not there.
    pub fn open(path: &std::path::Path, aws: &Connection) -> Result<Self, Error> {
        let config = config::read(path)?;
        let channels = open_channels(&config.channels, aws)?;
        Ok(Self { config, channels })
    }

    /// Tells the channels whose routes take it; gives what was not delivered. Each gets an opening and its end at once, so that nothing
    /// stays open in a channel that keeps incidents.
    pub fn tell(&mut self, begin: &Begin, outcome: &Outcome, run: &str, now: DateTime<Utc>) -> Vec<String> {
        let opened = alert(begin, outcome, run, now);
        let resolved =
            Alert { sequence: 2, transition: Transition::Resolved, state: State::Resolved, ..opened.clone() };
        let names: Vec<&str> = self.config.channels.iter().map(|entry| entry.name.as_str()).collect();
        let told = route::channels(&self.config.routes, &names, &opened);
        let mut problems = Vec::new();
        for (name, channel) in names.iter().zip(&mut self.channels).filter(|(name, _)| told.contains(name)) {
            let mut reference = None;
            for alert in [&opened, &resolved] {
                let delivery = Delivery { alert, reference: reference.as_deref(), repetition: false, now };
                match channel.deliver(&delivery) {
                    Delivered::Delivered { reference: given, .. } => reference = given.or(reference),
                    Delivered::RepeatAfter { reason, .. }
                    | Delivered::Partial { reason, .. }
                    | Delivered::Permanent { reason }
                    | Delivered::Unknown { reason, .. } => {
                        problems.push(format!("channel `{name}` was not told: {reason}"));
                        break;
                    }
                }
            }
        }
        problems
    }
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
