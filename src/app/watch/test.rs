//! One alert that says it is a test, and its end, to one channel: what comes of both is known before somebody loses MFA. Nothing of it
//! is in a ledger, and routes are not asked.

use chrono::{DateTime, Utc};

use super::config::{Config, meant};
use super::open_channels;
use crate::alert::text::{self, Setting};
use crate::alert::{Alert, Delivery, Outcome};
use crate::app::{Error, Run};
use crate::aws::Connection;
use crate::contract::{Certainty, ConsolePassword, Principal, PrincipalKind};
use crate::incident::diff::{Entry, Step};
use crate::incident::{Incident, Kind, Resolution, Severity, State, Transition, key_of};

/// The account that a test is about; AWS gives nobody this one.
const ACCOUNT: &str = "000000000000";
/// The user that a test is about.
const USER: &str = "mfatrail-test";
/// What a test asks people to do.
const NEXT_STEP: &str = "No step is needed: this is a test of the alert channel.";

/// What came of one of the two messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which.
    pub transition: Transition,
    /// What came of it; `None` where it was not sent, because the channel did not take the one before.
    pub outcome: Option<Outcome>,
}

/// Sends the two messages to the channel of a name; `aws` is how AWS is reached.
///
/// # Errors
/// When the configuration has no such channel, or the channel cannot be opened. What the channel answers is no error.
pub fn test(config: &Config, name: &str, aws: &Connection, run: Run<'_>) -> Result<Vec<Attempt>, Error> {
    let entry = config.channels.iter().find(|entry| entry.name == name).ok_or_else(|| unknown(config, name))?;
    let mut channels = open_channels(std::slice::from_ref(entry), aws)?;
    let now = || run.observer.now().unwrap_or(run.now);
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut reference = None;
    let [opened, resolved] = alerts(run.now);
    for channel in &mut channels {
        for alert in [&opened, &resolved] {
            let delivery = Delivery { alert, reference: reference.as_deref(), repetition: false, now: now() };
            let may_have_it = attempts.iter().all(Attempt::may_have_arrived);
            let outcome = may_have_it.then(|| channel.deliver(&delivery));
            if let Some(Outcome::Delivered { reference: Some(known), .. } | Outcome::Partial { reference: known, .. }) =
                &outcome
            {
                reference = Some(known.clone());
            }
            attempts.push(Attempt { transition: alert.transition, outcome });
        }
    }
    Ok(attempts)
}

impl Attempt {
    /// Whether the channel has it.
    #[must_use]
    pub const fn arrived(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Delivered { .. }))
    }

    const fn may_have_arrived(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Delivered { .. } | Outcome::Partial { .. } | Outcome::Unknown { .. }))
    }
}

fn unknown(config: &Config, name: &str) -> Error {
    let names: Vec<&str> = config.channels.iter().map(|entry| entry.name.as_str()).collect();
    let hint = match names.is_empty() {
        true => "add a [[channel]]: docs/channels.md has the keys of each kind".to_owned(),
        false => meant(name, names, "channels", '`'),
    };
    Error::Input(format!("the configuration has no channel `{name}`\n  hint: {hint}"))
}

/// That a user who does not exist lost MFA, and has it again. Each test has a key of its own: a channel that closed an incident may
/// refuse the same key.
fn alerts(now: DateTime<Utc>) -> [Alert; 2] {
    let event_id = format!("test-{}", now.timestamp_millis());
    let key = key_of(ACCOUNT, &event_id);
    let opened = incident(event_id, now);
    let ended = Resolution { at: Some(now), reason: "reenabled".to_owned(), event_id: None };
    let resolved = Incident { resolution: Some(ended), ..opened.clone() };
    let before = opened.clone();
    let step = |transition, state, sequence, incident, before| Step {
        transition,
        at: now,
        entry: Entry { key: key.clone(), state, sequence, acknowledged_by: None, incident },
        before,
        successor: None,
    };
    [
        step(Transition::Opened, State::Open, 1, opened, None),
        step(Transition::Resolved, State::Resolved, 2, resolved, Some(before)),
    ]
    .map(|step| {
        let mut alert = text::alert(&step, Setting { now, store: "", members: &[] });
        alert.text.next_step = NEXT_STEP.to_owned();
        alert.test = true;
        alert
    })
}

fn incident(event_id: String, now: DateTime<Utc>) -> Incident {
    Incident {
        kind: Kind::Window,
        account: ACCOUNT.to_owned(),
        event_id,
        event_name: "DeactivateMFADevice".to_owned(),
        opened_at: now,
        due_at: now,
        severity: Severity::Error,
        resolution: None,
        principal: Some(Principal { kind: PrincipalKind::IamUser, name: USER.to_owned(), id: None }),
        actor: Some(format!("arn:aws:iam::{ACCOUNT}:user/{USER}")),
        actor_id: None,
        actor_mfa: None,
        source_ip: None,
        user_agent: None,
        region: Some("us-east-1".to_owned()),
        delivered_at: None,
        objects: Vec::new(),
        class: None,
        reasons: Vec::new(),
        certainty: Some(Certainty::Possible),
        owner: None,
        privileged: None,
        ticket: None,
        device: Some(format!("arn:aws:iam::{ACCOUNT}:mfa/{USER}")),
        remaining_devices: Some(0),
        console_password: Some(ConsolePassword::Unknown),
        active_access_keys: None,
        overdue: false,
        window: None,
        events: 1,
        members: Vec::new(),
        part_of: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_messages_say_that_they_are_a_test() {
        let [opened, resolved] = alerts(DateTime::UNIX_EPOCH);
        assert_eq!((opened.sequence, opened.transition), (1, Transition::Opened));
        assert_eq!((resolved.sequence, resolved.transition), (2, Transition::Resolved));
        assert_eq!(opened.key, resolved.key);
        for alert in [&opened, &resolved] {
            assert!(alert.test && alert.key.starts_with("mfatrail:000000000000:test-"), "{alert:?}");
            assert_eq!(alert.text.next_step, NEXT_STEP);
        }
        let [later, _] = alerts(DateTime::UNIX_EPOCH + chrono::TimeDelta::milliseconds(1));
        assert_ne!(later.key, opened.key);
    }
}
