//! The channels of alerts over real sockets, against stand-ins that are as strict as the APIs' documents.

mod aws;
mod email;
mod faults;
mod online;
mod pagerduty;
mod proxy;
mod rotation;
mod slack;
mod tickets;
mod watch;

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use mfatrail::alert::channel::{Channel, Opening, Settings};
use mfatrail::alert::secret::NoVault;
use mfatrail::alert::{Alert, Delivery, Fact, Link, Outcome, Text};
use mfatrail::aws::Connection;
use mfatrail::incident::{Kind, Severity, State, Transition};

use crate::standin::jira::Jira;
use crate::standin::pagerduty::PagerDuty;
use crate::standin::servicenow::ServiceNow;
use crate::standin::slack::{CHANNEL, Slack};
use crate::standin::teams::Teams;
use crate::standin::webhook::Webhook;
use crate::standin::zendesk::Zendesk;

/// What no text of the product may show.
const SECRET: &str = "hunter2hunter2hunter2hunter2hunt";
/// The path of an incoming webhook of Slack's.
const HOOK: &str = "/services/T0123/B0123/hunter2hunter2hunter2hunter2hunt";

/// How long a channel waits for an answer that comes, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(30);
/// And where none does: less than a stand-in is silent.
const BRIEFLY: Duration = Duration::from_secs(3);

/// When everything happens: just before the clock of the stand-ins.
fn now() -> DateTime<Utc> {
    "2026-09-21T13:30:00Z".parse().unwrap()
}

fn fact(label: &str, value: &str) -> Fact {
    Fact { label: label.to_owned(), value: value.to_owned() }
}

/// The n-th transition of Alice's incident.
fn alert(sequence: u64, transition: Transition, state: State) -> Alert {
    Alert {
        key: "mfatrail:111122223333:0a1b2c3d-0000-4000-8000-000000000001".to_owned(),
        sequence,
        transition,
        state,
        kind: Kind::Window,
        severity: Severity::Error,
        at: now(),
        account: "111122223333".to_owned(),
        class: Some("unexplained".to_owned()),
        subject: "alice".to_owned(),
        owner: None,
        text: Text {
            title: format!("Transition {sequence}: MFA of user alice (account 111122223333)"),
            summary: "At 2026-09-21T13:30:00Z, <!channel> *mallory* removed the last known MFA device.\u{202e}"
                .to_owned(),
            facts: vec![
                fact("Actor", "mallory"),
                fact("User agent", "<!here|x> &lt; {{DATE(2026-01-01T00:00:00Z)}}\r\n"),
            ],
            next_step: "Ask alice whether this was intended.".to_owned(),
            links: vec![Link {
                label: "alice in the *IAM* console".to_owned(),
                url: "https://us-east-1.console.aws.amazon.com/iam/home#/users/details/alice".to_owned(),
            }],
        },
        window: None,
        members: None,
        acknowledged_by: None,
        test: false,
    }
}

fn opened() -> Alert {
    alert(1, Transition::Opened, State::Open)
}

fn resolved() -> Alert {
    alert(2, Transition::Resolved, State::Resolved)
}

/// A secret in a file, as a reference.
fn secret(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, format!("{text}\n")).unwrap();
    format!("file:{}", path.display())
}

/// Opens a channel by its settings, as a configuration has them.
fn open(kind: &str, settings: &str) -> Box<dyn Channel> {
    open_at(kind, settings, None)
}

/// Opens a channel; AWS is at an address, if it needs that.
fn open_at(kind: &str, settings: &str, aws: Option<&str>) -> Box<dyn Channel> {
    open_within(PATIENCE, kind, settings, aws)
}

/// Opens a channel that waits so long for an answer.
fn open_within(deadline: Duration, kind: &str, settings: &str, aws: Option<&str>) -> Box<dyn Channel> {
    let settings = Settings::read(kind, toml::de::Deserializer::parse(settings).unwrap()).unwrap();
    let aws = Connection { endpoint_url: aws.map(str::to_owned), ..Connection::default() };
    settings.open(&Opening { deadline, vault: &NoVault, aws: &aws }).unwrap()
}

/// One kind of channel and its stand-in.
struct Api<A> {
    name: &'static str,
    kind: &'static str,
    fresh: fn() -> A,
    /// The settings that reach a stand-in, its secrets in a folder.
    settings: fn(&str, &Path) -> String,
    /// How often people were told of a transition, and of each whether it said that it may be a repetition.
    told: fn(&A, &Alert) -> Vec<bool>,
    /// How many requests a delivery of an incident that is known takes.
    requests: usize,
    /// What is asked once, before the first delivery.
    prepare: fn(&mut dyn Channel),
}

impl<A> Api<A> {
    fn open(&self, url: &str, folder: &Path) -> Box<dyn Channel> {
        self.open_within(PATIENCE, url, folder)
    }

    fn open_within(&self, deadline: Duration, url: &str, folder: &Path) -> Box<dyn Channel> {
        open_within(deadline, self.kind, &(self.settings)(url, folder), Some(url))
    }
}

const WEBHOOK: Api<Webhook> = Api {
    name: "webhook",
    kind: "webhook",
    fresh: || Webhook::new(SECRET),
    settings: |url, folder| format!("url = \"{url}/mfa\"\nsecret = {:?}", secret(folder, "soc", SECRET)),
    told: |api, alert| {
        let own = format!("{}/{}", alert.key, alert.sequence);
        api.done.iter().filter(|(key, _)| *key == own).map(|(_, body)| body["repetition"] == true).collect()
    },
    requests: 1,
    prepare: |_| {},
};

const PAGERDUTY: Api<PagerDuty> = Api {
    name: "pagerduty",
    kind: "pagerduty",
    fresh: || PagerDuty::new(SECRET),
    settings: |url, folder| format!("url = \"{url}\"\nrouting_key = {:?}", secret(folder, "key", SECRET)),
    // Nobody is told again of what is added to an alert that is open.
    told: |api, alert| match alert.transition {
        Transition::Opened => api.alerts.iter().map(|_| false).collect(),
        _ => api.alerts.iter().filter(|own| own.state == "resolved").map(|_| false).collect(),
    },
    requests: 1,
    prepare: |_| {},
};

const SLACK_WEBHOOK: Api<Slack> = Api {
    name: "slack webhook",
    kind: "slack",
    fresh: || Slack::new(HOOK, SECRET),
    settings: |url, folder| format!("webhook = {:?}", secret(folder, "hook", &format!("{url}{HOOK}"))),
    told: told_by_slack,
    requests: 1,
    prepare: |_| {},
};

const SLACK_BOT: Api<Slack> = Api {
    name: "slack bot",
    kind: "slack",
    fresh: || Slack::new(HOOK, SECRET),
    settings: |url, folder| {
        format!("token = {:?}\nchannel = \"{CHANNEL}\"\nurl = \"{url}/api\"", secret(folder, "token", SECRET))
    },
    told: told_by_slack,
    requests: 2,
    prepare: |_| {},
};

const TEAMS: Api<Teams> = Api {
    name: "teams",
    kind: "teams",
    fresh: || Teams::new("/workflows/0123/triggers/manual/paths/invoke", SECRET),
    settings: |url, folder| {
        let url = format!("{url}/workflows/0123/triggers/manual/paths/invoke?api-version=1&sig={SECRET}");
        format!("webhook = {:?}", secret(folder, "workflow", &url))
    },
    told: |api, alert| {
        let own = api.cards.iter().filter(|card| card.to_string().contains(&format!("Transition {}", alert.sequence)));
        own.map(|card| card.to_string().contains("Possible repetition")).collect()
    },
    requests: 1,
    prepare: |_| {},
};

const SERVICENOW: Api<ServiceNow> = Api {
    name: "servicenow",
    kind: "servicenow",
    fresh: || ServiceNow::new("mfatrail", SECRET),
    settings: |url, folder| {
        let password = secret(folder, "password", SECRET);
        format!("url = \"{url}\"\nuser = \"mfatrail\"\npassword = {password:?}\nclose_code = \"Solution provided\"")
    },
    told: |api, alert| {
        let descriptions = api.rows.iter().map(|row| row["description"].as_str());
        written(descriptions.chain(api.notes.iter().map(|(_, note)| note.as_str())), alert)
    },
    requests: 2,
    prepare: |_| {},
};

const SERVICENOW_EVENTS: Api<ServiceNow> = Api {
    name: "servicenow, events",
    kind: "servicenow",
    fresh: || ServiceNow::new("mfatrail", SECRET),
    settings: |url, folder| {
        format!("url = \"{url}\"\nmode = \"events\"\napi_key = {:?}", secret(folder, "key", SECRET))
    },
    told: |api, alert| match alert.transition {
        Transition::Opened => api.alerts.iter().map(|_| false).collect(),
        _ => api.alerts.iter().filter(|(_, severity, _)| severity == "0").map(|_| false).collect(),
    },
    requests: 1,
    prepare: |_| {},
};

const ZENDESK: Api<Zendesk> = Api {
    name: "zendesk",
    kind: "zendesk",
    fresh: || Zendesk::new("soc@example.com", SECRET),
    settings: |url, folder| {
        format!("url = \"{url}\"\nuser = \"soc@example.com\"\ntoken = {:?}", secret(folder, "token", SECRET))
    },
    told: |api, alert| {
        let comments = api.tickets.iter().flat_map(|ticket| &ticket.comments);
        written(comments.map(|(text, _)| text.as_str()), alert)
    },
    requests: 2,
    prepare: |_| {},
};

/// A first request fetches a token.
const ZENDESK_OAUTH: Api<Zendesk> = Api {
    name: "zendesk, oauth",
    settings: |url, folder| {
        let client = secret(folder, "client", SECRET);
        format!("url = \"{url}\"\nclient_id = \"client\"\nclient_secret = {client:?}")
    },
    ..ZENDESK
};

const JIRA: Api<Jira> = Api {
    name: "jira",
    kind: "jira",
    fresh: || Jira::new("soc@example.com", SECRET),
    settings: |url, folder| {
        let token = secret(folder, "token", SECRET);
        format!(
            "url = \"{url}\"\nuser = \"soc@example.com\"\ntoken = {token:?}\nproject = \"SEC\"\nresolve = \"Done\"\n\
             reopen = \"Reopen\"\nindex_lag = \"0s\""
        )
    },
    told: |api, alert| {
        let descriptions = api.issues.iter().map(|issue| &issue.fields["description"]);
        let documents = descriptions.chain(api.issues.iter().flat_map(|issue| &issue.comments));
        let texts: Vec<String> =
            documents.map(|document| crate::standin::jira::texts(document).unwrap().join("\n")).collect();
        written(texts.iter().map(String::as_str), alert)
    },
    requests: 4,
    prepare: |_| {},
};

/// Of the texts that tell a transition, whether each says that it may be a repetition.
fn written<'t>(texts: impl Iterator<Item = &'t str>, alert: &Alert) -> Vec<bool> {
    let mark = format!("mfatrail message {}/{}", alert.key, alert.sequence);
    texts.filter(|text| text.ends_with(&mark)).map(|text| text.contains("Possible repetition")).collect()
}

/// Messages that were posted about a transition, not those that were edited to tell it.
fn told_by_slack(api: &Slack, alert: &Alert) -> Vec<bool> {
    let own = format!("Transition {}", alert.sequence);
    let posted = api.messages.iter().filter(|message| message.edits == 0 && message.text.contains(&own));
    posted.map(|message| message.text.contains("Possible repetition")).collect()
}

/// Delivers as the watch does: again until it is delivered or refused, as a possible repetition from when on nobody knows.
fn insist(channel: &mut dyn Channel, alert: &Alert, reference: Option<&str>) -> Vec<Outcome> {
    let (mut outcomes, mut repetition) = (Vec::new(), false);
    let mut known = reference.map(str::to_owned);
    for _attempt in 0..5 {
        let outcome = channel.deliver(&Delivery { alert, reference: known.as_deref(), repetition, now: now() });
        repetition |= matches!(outcome, Outcome::Unknown { .. } | Outcome::Partial { unknown: true, .. });
        if let Outcome::Partial { reference, .. } = &outcome {
            known = Some(reference.clone());
        }
        let ended = matches!(outcome, Outcome::Delivered { .. } | Outcome::Permanent { .. });
        outcomes.push(outcome);
        if ended {
            break;
        }
    }
    outcomes
}

/// The reference of what was delivered.
fn reference(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Delivered { reference, .. } => reference.clone(),
        other => panic!("{other:?}"),
    }
}

/// What an outcome says, for the operator.
fn reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Delivered { note, .. } => note.as_deref().unwrap_or_default(),
        Outcome::RepeatAfter { reason, .. }
        | Outcome::Permanent { reason }
        | Outcome::Partial { reason, .. }
        | Outcome::Unknown { reason, .. } => reason,
    }
}
