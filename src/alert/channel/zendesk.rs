//! Zendesk: a ticket for each incident by the Ticketing API, with private comments for what follows.
//!
//! A ticket is created with an `Idempotency-Key` and a body of the alert alone, so that a repetition within two hours creates no second one
//! (developer.zendesk.com, "Idempotency"), and is looked for by `external_id` before. A closed ticket cannot be changed: a follow-up ticket
//! is created.

use chrono::DateTime;
use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::address::{Address, encoded};
use super::line::{Line, complaint, get, post};
use super::session::{Identity, Session};
use super::ticket::{self, Desk, Found, Stage, Ticket, key, mark, tell};
use super::{Channel, Opening};
use crate::alert::limit::Limit;
use crate::alert::secret::SecretRef;
use crate::alert::{Alert, Delivery, Outcome, plain};
use crate::http::Response;
use crate::incident::{Severity, Transition};

/// A subject.
const SUBJECT: Limit = Limit::Chars(150);
/// A comment, in bytes: Zendesk takes 64 KB.
const COMMENT: usize = 40_000;
/// How long a token is asked for, in seconds: above 300, below 172,800.
const VALID: u64 = 7200;
/// How many comments of a ticket are looked at, latest first.
const COMMENTS: usize = 100;

/// What a `[[channel]]` of the kind `zendesk` has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
pub struct Settings(Keys);

/// The keys as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    url: Address,
    client_id: Option<String>,
    client_secret: Option<SecretRef>,
    user: Option<String>,
    token: Option<SecretRef>,
    group_id: Option<u64>,
    #[serde(default)]
    tags: Vec<String>,
}

impl TryFrom<Keys> for Settings {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Self, Self::Error> {
        let tag = |tag: &String| !tag.is_empty() && !tag.chars().any(|c| c.is_whitespace() || c.is_control());
        if !keys.tags.iter().all(tag) {
            return Err("a tag in `tags` is empty or has a space in it, which Zendesk does not take (hint: use `_`)");
        }
        match (&keys.client_id, &keys.client_secret, &keys.user, &keys.token) {
            (Some(_), Some(_), None, None) | (None, None, Some(_), Some(_)) => Ok(Self(keys)),
            _ => Err(
                "nothing says how to sign in, or too much does (hint: `client_id` and `client_secret` of an OAuth client; or, until \
                 30 April 2027, `user` and `token`)",
            ),
        }
    }
}

impl Settings {
    pub(super) fn open(&self, opening: &Opening<'_>) -> Result<Zendesk, String> {
        let keys = &self.0;
        let (url, address) = keys.url.open(opening.vault)?;
        let base = url.trim_end_matches('/').to_owned();
        let resolve = |secret: &Option<SecretRef>| secret.as_ref().map(|one| one.resolve(opening.vault)).transpose();
        let (identity, mut secrets) = match (resolve(&keys.client_secret)?, resolve(&keys.token)?) {
            (Some(client), _) => {
                let body = json!({
                    "grant_type": "client_credentials",
                    "client_id": keys.client_id,
                    "client_secret": client.expose(),
                    "scope": "tickets:read tickets:write",
                    "expires_in": VALID,
                });
                let grant = post(&format!("{base}/oauth/tokens"), &[], &body).map_err(complaint)?;
                (Identity::Token(grant), vec![client])
            }
            (None, Some(token)) => {
                Identity::basic(&format!("{}/token", keys.user.as_deref().unwrap_or_default()), &token)
            }
            (None, None) => return Err("it has no secret".to_owned()),
        };
        secrets.extend(address);
        let session = Session::new(Line::new(opening.deadline, &secrets)?, identity);
        Ok(Zendesk { session, api: format!("{base}/api/v2"), keys: keys.clone() })
    }

    pub(super) fn secrets(&self) -> Vec<&SecretRef> {
        let Keys { client_secret, token, .. } = &self.0;
        self.0.url.secret().into_iter().chain([client_secret, token].into_iter().flatten()).collect()
    }

    pub(super) const fn caution(&self) -> Option<&'static str> {
        if self.0.token.is_none() {
            return None;
        }
        Some(
            "Zendesk's API tokens stop working on 30 April 2027, and no new ones can be made (hint: an OAuth client with `client_id` and \
             `client_secret`)",
        )
    }
}

/// A ticket as the API shows it.
#[derive(Debug, Deserialize)]
struct Shown {
    id: u64,
    status: String,
    #[serde(default)]
    external_id: Option<String>,
}

#[derive(Deserialize)]
struct One {
    ticket: Shown,
}

#[derive(Deserialize)]
struct Many {
    tickets: Vec<Shown>,
}

#[derive(Deserialize)]
struct Comments {
    comments: Vec<Comment>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Comment {
    body: String,
    public: bool,
}

/// An account of Zendesk's.
pub(super) struct Zendesk {
    session: Session,
    api: String,
    keys: Keys,
}

const fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "urgent",
        Severity::Error => "high",
        Severity::Warning => "normal",
        Severity::Info => "low",
    }
}

/// The status that a transition leads to, from where a ticket is; none where people decide.
fn status(alert: &Alert, stage: Stage) -> Option<&'static str> {
    match stage {
        _ if alert.transition.is_end() => Some("solved"),
        Stage::Done if !alert.state.is_ended() => Some("open"),
        Stage::Open | Stage::Done | Stage::Closed => None,
    }
}

impl Shown {
    fn ticket(&self) -> Ticket {
        let stage = match self.status.as_str() {
            "closed" => Stage::Closed,
            "solved" => Stage::Done,
            _ => Stage::Open,
        };
        Ticket { id: self.id.to_string(), name: self.id.to_string(), stage, written: None }
    }
}

/// Whether an answer is the API's own refusal.
fn is_refusal(response: &Response) -> bool {
    serde_json::from_slice::<Value>(&response.body).is_ok_and(|body| !body["error"].is_null())
}

impl Zendesk {
    /// Whether a private comment of a ticket has the mark of a transition. No customer can write one.
    fn has(&mut self, delivery: &Delivery<'_>, ticket: &Ticket) -> Result<bool, Outcome> {
        let url = format!("{}/tickets/{}/comments?sort_order=desc&per_page={COMMENTS}", self.api, ticket.id);
        let response = self.session.send(&get(url), delivery.now)?;
        let Comments { comments } = self.session.line.json(&response)?;
        let mark = mark(delivery.alert);
        Ok(comments.iter().any(|comment| !comment.public && comment.body.trim_end().ends_with(&mark)))
    }

    fn body(&self, delivery: &Delivery<'_>, after: Option<&Ticket>) -> Value {
        let alert = delivery.alert;
        let mut tags = vec!["mfatrail".to_owned()];
        tags.extend(self.keys.tags.iter().cloned());
        let mut ticket = json!({
            "subject": plain::heading(alert, SUBJECT),
            "comment": {"body": ticket::text(delivery, true, COMMENT), "public": false},
            "priority": priority(alert.severity),
            "type": "incident",
            "status": if alert.state.is_ended() { "solved" } else { "open" },
            "external_id": key(alert),
            "tags": tags,
        });
        if let Some(group) = self.keys.group_id {
            ticket["group_id"] = group.into();
        }
        if let Some(after) = after.and_then(|after| after.id.parse::<u64>().ok()) {
            ticket["via_followup_source_id"] = after.into();
        }
        json!({"ticket": ticket})
    }
}

impl Desk for Zendesk {
    fn get(&mut self, delivery: &Delivery<'_>, id: &str) -> Result<Option<Ticket>, Outcome> {
        let response = self.session.exchange(&get(format!("{}/tickets/{id}", self.api)), delivery.now)?;
        match response.status {
            200..300 => {
                let One { ticket } = self.session.line.json(&response)?;
                let is_own = ticket.external_id.as_deref() == Some(&key(delivery.alert));
                Ok(is_own.then(|| ticket.ticket()))
            }
            404 if is_refusal(&response) => Ok(None),
            _ => Err(self.session.line.refusal(&response, delivery.now)),
        }
    }

    fn find(&mut self, delivery: &Delivery<'_>) -> Result<Found, Outcome> {
        let key = key(delivery.alert);
        let request = get(format!("{}/tickets?external_id={}", self.api, encoded(&key)));
        let response = self.session.send(&request, delivery.now)?;
        let Many { mut tickets } = self.session.line.json(&response)?;
        tickets.retain(|ticket| ticket.external_id.as_deref() == Some(&key));
        tickets.sort_by_key(|ticket| ticket.id);
        Ok(Found::Tickets(tickets.iter().map(Shown::ticket).collect()))
    }

    /// The body is the same whenever it is sent: so says the key that it is the same request.
    fn create(&mut self, delivery: &Delivery<'_>, _is_sure: bool, after: Option<&Ticket>) -> Result<Ticket, Outcome> {
        let follows = after.map_or_else(String::new, |after| format!("/{}", after.id));
        let idempotency = format!("{}/{}{follows}", key(delivery.alert), delivery.alert.sequence);
        let url = format!("{}/tickets", self.api);
        let request = post(
            &url,
            &[("Idempotency-Key", &idempotency), ("Accept", "application/json")],
            &self.body(delivery, after),
        )?;
        let response = self.session.send(&request, delivery.now)?;
        let One { ticket } = self.session.line.json(&response)?;
        Ok(ticket.ticket())
    }

    fn update(&mut self, delivery: &Delivery<'_>, ticket: &Ticket) -> Result<Option<String>, Outcome> {
        let alert = delivery.alert;
        if delivery.repetition && self.has(delivery, ticket)? {
            return Ok(None);
        }
        let heading = plain::heading(alert, SUBJECT);
        let text = ticket::text(delivery, true, COMMENT);
        let mut change = json!({"comment": {"body": format!("{heading}\n\n{text}"), "public": false}});
        if let Some(status) = status(alert, ticket.stage) {
            change["status"] = status.into();
        }
        if !alert.state.is_ended() && alert.transition == Transition::Updated {
            change["priority"] = priority(alert.severity).into();
        }
        let url = format!("{}/tickets/{}", self.api, ticket.id);
        let mut request = post(&url, &[("Accept", "application/json")], &json!({"ticket": change}))?;
        request.method = Method::PUT;
        let response = self.session.send(&request, delivery.now)?;
        let One { ticket: shown } = self.session.line.json(&response)?;
        let wanted = status(alert, ticket.stage).filter(|wanted| *wanted != shown.status);
        Ok(wanted.map(|wanted| {
            format!("ticket {} is not {wanted} but {}", ticket.name, self.session.line.quote(&shown.status))
        }))
    }
}

impl Channel for Zendesk {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        tell(self, delivery).unwrap_or_else(|outcome| outcome)
    }

    fn tells_repetitions(&self) -> bool {
        true
    }

    /// Whether tickets can be looked for; whether they can be written, only a ticket shows.
    fn check(&mut self) -> Result<(), String> {
        let request = get(format!("{}/tickets?external_id=mfatrail%3Acheck", self.api));
        let response = self.session.send(&request, DateTime::UNIX_EPOCH).map_err(complaint)?;
        let Many { .. } = self.session.line.json(&response).map_err(complaint)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::samples::{alert, assert_read, delivery, hostile};
    use crate::alert::secret::NoVault;

    #[test]
    fn a_slip_is_told_and_a_token_has_an_end() {
        let url = "url = \"https://example.zendesk.com\"\n";
        for (text, wrong, caution) in [
            ("client_id = \"a\"\nclient_secret = \"env:A\"\ntags = [\"soc\"]\ngroup_id = 1", None, false),
            ("user = \"a@example.com\"\ntoken = \"env:A\"", None, true),
            ("client_id = \"a\"", Some("nothing says how to sign in"), false),
            ("client_id = \"a\"\nclient_secret = \"env:A\"\ntoken = \"env:A\"", Some("or too much does"), false),
            ("user = \"a@example.com\"\ntoken = \"hunter2\"", Some("does not stand in this file"), false),
            ("user = \"a\"\ntoken = \"env:A\"\ntags = [\"a b\"]", Some("has a space"), false),
        ] {
            let read = toml::from_str::<Settings>(&format!("{url}{text}")).map_err(|error| error.message().to_owned());
            assert_read(text, &read, wrong);
            assert_eq!(read.is_ok_and(|settings| settings.caution().is_some()), caution, "{text}");
        }
    }

    #[test]
    fn what_is_sent_again_is_the_same_to_the_byte() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "secret").unwrap();
        let text = format!(
            "url = \"https://example.zendesk.com\"\nclient_id = \"a\"\nclient_secret = \"file:{}\"",
            file.path().display()
        );
        let aws = crate::aws::Connection::default();
        let opening = Opening { deadline: std::time::Duration::from_secs(1), vault: &NoVault, aws: &aws };
        let zendesk = toml::from_str::<Settings>(&text).unwrap().open(&opening).unwrap();
        for words in hostile() {
            let mut alert = alert();
            alert.text.summary.clone_from(&words);
            let first = delivery(&alert);
            let later = Delivery { repetition: true, now: DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(1), ..first };
            assert_eq!(zendesk.body(&first, None).to_string(), zendesk.body(&later, None).to_string());
        }
    }
}
