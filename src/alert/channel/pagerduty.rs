//! PagerDuty by its Events API v2: an alert for each incident, by a key that makes a repetition harmless.
//!
//! An event of the same `dedup_key` is added to the alert that is open, and opens a new one where it was resolved: so nothing but an
//! opening is sent of what is over. An acknowledgment or a resolve of what is not open is dropped there without an error.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::address::{Address, joined};
use super::line::{Line, post};
use super::{Channel, Opening};
use crate::alert::limit::{Limit, line};
use crate::alert::plain;
use crate::alert::secret::{Secret, SecretRef};
use crate::alert::{Alert, Delivery, Outcome};
use crate::incident::{State, Transition};

/// The address of the service region that PagerDuty calls US; that of the EU is `https://events.eu.pagerduty.com`.
const URL: &str = "https://events.pagerduty.com";
const PATH: &str = "/v2/enqueue";
/// `payload.summary`, by the API's document.
const SUMMARY: Limit = Limit::Chars(1024);
/// A value and a label in `custom_details`: with [`FACTS`] of the longest, all of it escaped in JSON, below the 512 KB of an event.
const DETAIL: Limit = Limit::Bytes(2000);
const LABEL: Limit = Limit::Bytes(200);
/// The most facts that are sent.
const FACTS: usize = 80;
/// The longest address of a link.
const LONGEST_LINK: usize = 2000;
/// The length of an integration key.
const KEY: usize = 32;

/// What a `[[channel]]` of the kind `pagerduty` has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The integration key of a service or of an orchestration (Events API v2).
    pub routing_key: SecretRef,
    /// The address of the service region; that of the US unless set.
    #[serde(default = "url")]
    pub url: Address,
}

fn url() -> Address {
    Address::Open(URL.to_owned())
}

impl Settings {
    pub(super) fn open(&self, opening: &Opening<'_>) -> Result<PagerDuty, String> {
        let routing_key = self.routing_key.resolve(opening.vault)?;
        let (url, address) = self.url.open(opening.vault)?;
        let secrets: Vec<Secret> = address.into_iter().chain([routing_key.clone()]).collect();
        Ok(PagerDuty { line: Line::new(opening.deadline, &secrets)?, url: joined(&url, PATH), routing_key })
    }

    pub(super) fn secrets(&self) -> Vec<&SecretRef> {
        self.url.secret().into_iter().chain([&self.routing_key]).collect()
    }
}

/// One event.
#[derive(Debug, Serialize)]
struct Event<'a> {
    routing_key: &'a str,
    event_action: Action,
    dedup_key: &'a str,
    #[serde(flatten)]
    trigger: Option<Trigger<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Trigger,
    Acknowledge,
    Resolve,
}

/// What a trigger has more.
#[derive(Debug, Serialize)]
struct Trigger<'a> {
    payload: Payload<'a>,
    client: &'static str,
    links: Vec<Link>,
}

#[derive(Debug, Serialize)]
struct Payload<'a> {
    summary: String,
    source: &'a str,
    severity: &'static str,
    timestamp: String,
    component: String,
    group: &'a str,
    class: &'a str,
    custom_details: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct Link {
    href: String,
    text: String,
}

/// What PagerDuty is told of a transition, in this order. An acknowledgment alone carries no text, so what is different is
/// triggered before it. Of what is over, nothing but that: an update would open it anew.
fn actions(alert: &Alert) -> &'static [Action] {
    match alert.transition {
        Transition::Resolved | Transition::Withdrawn => &[Action::Resolve],
        _ if alert.state.is_ended() && alert.transition == Transition::Updated => &[],
        _ if alert.state == State::Acknowledged => &[Action::Trigger, Action::Acknowledge],
        _ => &[Action::Trigger],
    }
}

fn body<'a>(delivery: &Delivery<'a>, action: Action, routing_key: &'a str) -> Event<'a> {
    let alert = delivery.alert;
    let trigger = (action == Action::Trigger).then(|| Trigger {
        payload: payload(delivery),
        client: "mfatrail",
        links: alert
            .text
            .links
            .iter()
            .filter(|link| link.url.len() <= LONGEST_LINK)
            .map(|link| Link { href: link.url.clone(), text: line(&link.label, LABEL) })
            .collect(),
    });
    Event { routing_key, event_action: action, dedup_key: &alert.key, trigger }
}

fn payload<'a>(delivery: &Delivery<'a>) -> Payload<'a> {
    let alert = delivery.alert;
    Payload {
        summary: plain::heading(alert, SUMMARY),
        source: &alert.account,
        severity: alert.severity.name(),
        timestamp: alert.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        component: line(&alert.subject, LABEL),
        group: &alert.account,
        class: alert.class.as_deref().unwrap_or(alert.kind.name()),
        custom_details: details(delivery),
    }
}

/// What happened, what to do, and the facts by their labels, in their order.
fn details(delivery: &Delivery<'_>) -> Map<String, Value> {
    let text = &delivery.alert.text;
    let mut details = Map::new();
    let mut add = |label: &str, value: &str| details.insert(line(label, LABEL), line(value, DETAIL).into());
    for notice in plain::notices(delivery, true) {
        add("Note", notice);
    }
    add("What happened", &text.summary);
    add("Next step", &text.next_step);
    for fact in text.facts.iter().take(FACTS) {
        add(&fact.label, &fact.value);
    }
    if text.facts.len() > FACTS {
        add("Left out", &format!("{} more facts", text.facts.len() - FACTS));
    }
    details
}

/// The answer to an event.
#[derive(Debug, Deserialize)]
struct Answer {
    status: String,
    dedup_key: String,
}

/// A service of PagerDuty's.
#[derive(Debug)]
pub(super) struct PagerDuty {
    line: Line,
    url: String,
    routing_key: Secret,
}

impl PagerDuty {
    fn tell(&self, delivery: &Delivery<'_>) -> Result<Outcome, Outcome> {
        let alert = delivery.alert;
        let actions = actions(alert);
        for action in actions {
            self.enqueue(delivery, *action)?;
        }
        let note = actions
            .is_empty()
            .then(|| "not sent: PagerDuty has it as resolved, and an update would open it anew".to_owned());
        Ok(Outcome::Delivered { reference: Some(alert.key.clone()), note })
    }

    fn enqueue(&self, delivery: &Delivery<'_>, action: Action) -> Result<(), Outcome> {
        let event = body(delivery, action, self.routing_key.expose());
        let response = self.line.send(&post(&self.url, &[], &event)?, delivery.now)?;
        let answer: Answer = self.line.json(&response)?;
        if response.status == 202 && answer.status == "success" && answer.dedup_key == delivery.alert.key {
            return Ok(());
        }
        Err(Outcome::Unknown {
            wait: None,
            reason: format!("the answer does not say that the event was taken: {}", self.line.reason(&response)),
        })
    }
}

impl Channel for PagerDuty {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        self.tell(delivery).unwrap_or_else(|outcome| outcome)
    }

    /// By its `dedup_key`.
    fn tells_repetitions(&self) -> bool {
        true
    }

    /// Whether the key can be one, and PagerDuty can be reached: only an event shows whether it takes the key.
    fn check(&mut self) -> Result<(), String> {
        let key = self.routing_key.expose();
        if key.len() != KEY || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!(
                "its `routing_key` is not {KEY} letters and digits (hint: take the integration key of an \"Events API v2\" integration)"
            ));
        }
        self.line.reach(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::samples::{alert, delivery, hostile};
    use crate::incident::Severity;

    fn json(alert: &Alert, action: Action) -> Value {
        serde_json::to_value(body(&delivery(alert), action, "key")).unwrap()
    }

    #[test]
    fn a_trigger_says_everything_and_a_resolve_only_which() {
        let alert = alert();
        let event = json(&alert, Action::Trigger);
        assert_eq!(event["dedup_key"], alert.key);
        assert_eq!(event["payload"]["summary"], alert.text.title);
        assert_eq!(event["payload"]["severity"], "error");
        assert_eq!(event["payload"]["custom_details"]["Actor"], "arn:aws:iam::111122223333:user/mallory");
        assert_eq!(event["links"][0]["text"], "alice in the IAM console");
        let resolve = json(&alert, Action::Resolve);
        assert_eq!(resolve.as_object().map(Map::len), Some(3), "{resolve}");
    }

    #[test]
    fn what_is_over_is_not_opened_anew() {
        use Action::{Acknowledge, Resolve, Trigger};
        for (transition, state, expected) in [
            (Transition::Opened, State::Open, &[Trigger][..]),
            (Transition::Opened, State::Resolved, &[Trigger]),
            (Transition::Updated, State::Open, &[Trigger]),
            (Transition::Updated, State::Acknowledged, &[Trigger, Acknowledge]),
            (Transition::Updated, State::Resolved, &[]),
            (Transition::Updated, State::Withdrawn, &[]),
            (Transition::Resolved, State::Resolved, &[Resolve]),
            (Transition::Withdrawn, State::Withdrawn, &[Resolve]),
        ] {
            assert_eq!(actions(&Alert { transition, state, ..alert() }), expected, "{transition:?} {state:?}");
        }
    }

    #[test]
    fn whatever_a_stranger_wrote_is_below_the_limits() {
        for text in hostile() {
            let mut alert = alert();
            alert.subject.clone_from(&text);
            alert.text.title.clone_from(&text);
            alert.text.summary.clone_from(&text);
            alert.text.facts = (0..200).map(|n| super::super::samples::fact(&format!("{n}{text}"), &text)).collect();
            let event = json(&alert, Action::Trigger);
            assert!(SUMMARY.allows(event["payload"]["summary"].as_str().unwrap()));
            let bytes = serde_json::to_vec(&event).unwrap();
            assert!(bytes.len() < 512_000, "{} of {:?}", bytes.len(), text.chars().take(20).collect::<String>());
            assert!(!String::from_utf8(bytes).unwrap().contains(['\u{202e}', '\u{200b}', '\u{7}']));
            assert_eq!(event["payload"]["custom_details"]["Left out"], "120 more facts");
        }
    }

    #[test]
    fn severities_are_those_of_the_api() {
        for (severity, name) in [
            (Severity::Critical, "critical"),
            (Severity::Error, "error"),
            (Severity::Warning, "warning"),
            (Severity::Info, "info"),
        ] {
            assert_eq!(json(&Alert { severity, ..alert() }, Action::Trigger)["payload"]["severity"], name);
        }
    }
}
