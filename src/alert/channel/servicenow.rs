//! ServiceNow, in two ways: a record for each incident by the Table API, or events of Event Management, which knows repetitions by
//! `message_key` itself.
//!
//! A record is found by `correlation_id`. A query that the instance does not understand is ignored there and gives any rows, so every row's
//! `correlation_id` is compared here before anything is changed. Which transition was written last is in `correlation_display`, which is
//! set by the same request as the note: so an answer that was lost leads to no second note.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use hyper::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::address::{Address, encoded};
use super::line::{Line, complaint, get, post};
use super::session::{Identity, Session, form};
use super::ticket::{self, Desk, Found, Stage, Ticket, key, tell};
use super::{Channel, Opening};
use crate::alert::limit::{Limit, first, line};
use crate::alert::secret::{Secret, SecretRef};
use crate::alert::{Alert, Delivery, Outcome, plain};
use crate::http::{Request, Response};
use crate::incident::{Severity, Transition};

/// `short_description`.
const TITLE: Limit = Limit::Chars(160);
/// `description`, in bytes: 4,000 characters.
const DESCRIPTION: usize = 4000;
/// `work_notes` and `close_notes`, in bytes.
const NOTE: usize = 4000;
/// Fields of an event: 100 characters.
const FIELD: Limit = Limit::Chars(100);
/// All of `additional_info`, and a value in it, in bytes.
const INFO: usize = 16_000;
const VALUE: Limit = Limit::Bytes(1000);
/// How many rows of a search are read.
const ROWS: usize = 10;
/// Where events go.
const EVENTS: &str = "/api/global/em/jsonv2";
/// What stands before the number of a transition in `correlation_display`.
const DISPLAY: &str = "mfatrail message ";
/// Fields that are ours.
const OWN: [&str; 8] = [
    "correlation_id",
    "correlation_display",
    "short_description",
    "description",
    "work_notes",
    "state",
    "close_code",
    "close_notes",
];

/// What is made of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A record in a table.
    #[default]
    Table,
    /// Events.
    Events,
}

/// What a `[[channel]]` of the kind `servicenow` has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
pub struct Settings(Keys);

/// The keys as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    url: Address,
    #[serde(default)]
    mode: Mode,
    user: Option<String>,
    password: Option<SecretRef>,
    client_id: Option<String>,
    client_secret: Option<SecretRef>,
    api_key: Option<SecretRef>,
    table: Option<String>,
    close_code: Option<String>,
    close_notes: Option<String>,
    resolved_state: Option<String>,
    reopened_state: Option<String>,
    closed_states: Option<Vec<String>>,
    /// More fields of a record, as the Table API takes them.
    #[serde(default)]
    fields: BTreeMap<String, String>,
}

impl TryFrom<Keys> for Settings {
    type Error = String;

    fn try_from(keys: Keys) -> Result<Self, String> {
        let basic = keys.user.is_some() || keys.password.is_some();
        let oauth = keys.client_id.is_some() || keys.client_secret.is_some();
        let word =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let table = [&keys.table, &keys.close_code, &keys.close_notes, &keys.resolved_state, &keys.reopened_state];
        let of_table = table.iter().any(|key| key.is_some()) || keys.closed_states.is_some() || !keys.fields.is_empty();
        let ours = keys.fields.keys().find(|name| OWN.contains(&name.as_str()) || !word(name));
        let wrong = match () {
            () if keys.user.is_some() != keys.password.is_some() => {
                "`user` and `password` go together (hint: set both, or neither)"
            }
            () if keys.client_id.is_some() != keys.client_secret.is_some() => {
                "`client_id` and `client_secret` go together (hint: set both, or neither)"
            }
            () if keys.api_key.is_some() && (basic || oauth) => {
                "`api_key` is a way to sign in of its own (hint: leave the others out)"
            }
            () if keys.api_key.is_none() && !basic && !oauth => {
                "nothing says how to sign in (hint: `client_id` and `client_secret`, `user` and `password`, or `api_key`)"
            }
            () if keys.mode == Mode::Events && of_table => {
                "events have no table, close code or fields (hint: leave out `mode = \"events\"`, or these keys)"
            }
            () if keys.mode == Mode::Table && keys.close_code.is_none() => {
                "`close_code` is missing (hint: one of the instance's resolution codes, such as \"Solution provided\"; without one no \
                 record can be resolved)"
            }
            () if keys.table.as_deref().is_some_and(|table| !word(table)) => {
                "`table` is not the name of a table (hint: \"incident\")"
            }
            () => match ours {
                Some(name) => {
                    return Err(format!("`fields` cannot set `{name}` (hint: leave it out; the watch sets it)"));
                }
                None => return Ok(Self(keys)),
            },
        };
        Err(wrong.to_owned())
    }
}

impl Settings {
    pub(super) fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Channel>, String> {
        let keys = &self.0;
        let (url, address) = keys.url.open(opening.vault)?;
        let base = url.trim_end_matches('/').to_owned();
        let resolve = |secret: &Option<SecretRef>| secret.as_ref().map(|one| one.resolve(opening.vault)).transpose();
        let (password, client, api_key) =
            (resolve(&keys.password)?, resolve(&keys.client_secret)?, resolve(&keys.api_key)?);
        let (identity, mut secrets) = identity(&base, keys, password, client, api_key);
        secrets.extend(address);
        let session = Session::new(Line::new(opening.deadline, &secrets)?, identity);
        Ok(match keys.mode {
            Mode::Events => Box::new(Events { session, url: format!("{base}{EVENTS}"), base }),
            Mode::Table => {
                let table = format!("{base}/api/now/v2/table/{}", keys.table.as_deref().unwrap_or("incident"));
                Box::new(Records { session, table, keys: keys.clone() })
            }
        })
    }

    pub(super) fn secrets(&self) -> Vec<&SecretRef> {
        let Keys { password, client_secret, api_key, .. } = &self.0;
        self.0.url.secret().into_iter().chain([password, client_secret, api_key].into_iter().flatten()).collect()
    }
}

/// Who is asking; and what no reason may show.
fn identity(
    base: &str,
    keys: &Keys,
    password: Option<Secret>,
    client: Option<Secret>,
    api_key: Option<Secret>,
) -> (Identity, Vec<Secret>) {
    if let Some(key) = api_key {
        return (Identity::Header("x-sn-apikey", key.expose().to_owned()), vec![key]);
    }
    let user = keys.user.as_deref().unwrap_or_default();
    let Some(client) = client else {
        return password.map_or_else(
            || (Identity::Header("Accept", "application/json".to_owned()), Vec::new()),
            |password| Identity::basic(user, &password),
        );
    };
    let id = keys.client_id.as_deref().unwrap_or_default();
    let mut pairs = vec![("client_id", id), ("client_secret", client.expose())];
    match &password {
        Some(password) => {
            pairs.extend([("grant_type", "password"), ("username", user), ("password", password.expose())])
        }
        None => pairs.push(("grant_type", "client_credentials")),
    }
    let headers = vec![("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
    let grant = Request { method: Method::POST, url: format!("{base}/oauth_token.do"), headers, body: form(&pairs) };
    (Identity::Token(grant), [Some(client), password].into_iter().flatten().collect())
}

/// A row of a table, with the fields that are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    sys_id: String,
    number: String,
    state: String,
    correlation_id: String,
    correlation_display: String,
}

#[derive(Deserialize)]
struct Answer<T> {
    result: T,
}

/// Whether an answer is the API's own refusal.
fn is_refusal(response: &Response) -> bool {
    serde_json::from_slice::<Value>(&response.body).is_ok_and(|body| body["error"]["message"].is_string())
}

const FIELDS: &str =
    "sysparm_fields=sys_id,number,state,correlation_id,correlation_display&sysparm_exclude_reference_link=true";

/// Records of a table.
struct Records {
    session: Session,
    /// The table's address.
    table: String,
    keys: Keys,
}

impl Records {
    fn ticket(&self, row: &Row) -> Ticket {
        let is = |states: Option<&Vec<String>>, default: &[&str]| match states {
            Some(states) => states.contains(&row.state),
            None => default.contains(&row.state.as_str()),
        };
        let stage = match () {
            () if is(self.keys.closed_states.as_ref(), &["7", "8"]) => Stage::Closed,
            () if row.state == self.resolved() => Stage::Done,
            () => Stage::Open,
        };
        let written = row.correlation_display.strip_prefix(DISPLAY).and_then(|number| number.parse().ok());
        Ticket { id: row.sys_id.clone(), name: row.number.clone(), stage, written }
    }

    fn resolved(&self) -> &str {
        self.keys.resolved_state.as_deref().unwrap_or("6")
    }

    /// The fields by which a transition ends, goes on or opens again.
    fn change(&self, delivery: &Delivery<'_>, stage: Stage) -> Map<String, Value> {
        let alert = delivery.alert;
        let mut fields = Map::new();
        if alert.transition.is_end() || (alert.state.is_ended() && alert.transition == Transition::Opened) {
            let notes = self.keys.close_notes.clone().unwrap_or_else(|| line(&alert.text.title, Limit::Bytes(NOTE)));
            fields.insert("state".to_owned(), self.resolved().into());
            fields.insert("close_code".to_owned(), self.keys.close_code.clone().into());
            fields.insert("close_notes".to_owned(), notes.into());
        } else if !alert.state.is_ended() {
            let level = level(alert.severity);
            fields.insert("impact".to_owned(), level.into());
            fields.insert("urgency".to_owned(), level.into());
            if stage == Stage::Done {
                let state = self.keys.reopened_state.as_deref().unwrap_or("2");
                fields.insert("state".to_owned(), state.into());
            }
        }
        fields.insert("correlation_display".to_owned(), display(alert).into());
        fields
    }

    /// The row of an answer to a change, if it has one.
    fn changed(&self, response: &Response) -> Result<Row, Outcome> {
        let answer: Answer<Row> = self.session.line.json(response)?;
        if answer.result.sys_id.is_empty() {
            return Err(Outcome::Unknown {
                wait: None,
                reason: format!("the answer has no record: {}", self.session.line.reason(response)),
            });
        }
        Ok(answer.result)
    }

    /// A data policy may demand more than is sent.
    fn refusal(&self, response: &Response, now: DateTime<Utc>) -> Outcome {
        match self.session.line.refusal(response, now) {
            Outcome::Permanent { reason } if response.text().contains("Data Policy") => Outcome::Permanent {
                reason: format!(
                    "{reason} (hint: set what the policy demands in `close_code`, `close_notes` or `fields`)"
                ),
            },
            other => other,
        }
    }

    fn write(&mut self, request: &Request, now: DateTime<Utc>) -> Result<Row, Outcome> {
        let response = self.session.exchange(request, now)?;
        match response.status {
            200..300 => self.changed(&response),
            _ => Err(self.refusal(&response, now)),
        }
    }
}

/// `impact` and `urgency`, from which the instance computes the priority.
const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::Error => "1",
        Severity::Warning => "2",
        Severity::Info => "3",
    }
}

fn display(alert: &Alert) -> String {
    format!("{DISPLAY}{}", alert.sequence)
}

impl Desk for Records {
    fn get(&mut self, delivery: &Delivery<'_>, id: &str) -> Result<Option<Ticket>, Outcome> {
        let request = get(format!("{}/{id}?{FIELDS}", self.table));
        let response = self.session.exchange(&request, delivery.now)?;
        match response.status {
            200..300 => {
                let Answer::<Row> { result: row } = self.session.line.json(&response)?;
                let is_own = row.sys_id == id && row.correlation_id == key(delivery.alert);
                Ok(is_own.then(|| self.ticket(&row)))
            }
            // Of something else in its place, 404 would not be about the record.
            404 if is_refusal(&response) => Ok(None),
            _ => Err(self.session.line.refusal(&response, delivery.now)),
        }
    }

    fn find(&mut self, delivery: &Delivery<'_>) -> Result<Found, Outcome> {
        let key = key(delivery.alert);
        let query = encoded(&format!("correlation_id={key}^ORDERBYsys_created_on"));
        let url = format!("{}?sysparm_query={query}&{FIELDS}&sysparm_limit={ROWS}", self.table);
        let response = self.session.send(&get(url), delivery.now)?;
        let answer: Answer<Vec<Row>> = self.session.line.json(&response)?;
        let rows = answer.result;
        if rows.iter().any(|row| row.correlation_id != key) {
            return Ok(Found::NotKnown(
                "whether there is a record already is not known: the instance ignores a query for `correlation_id` (hint: let this user \
                 read the field, and set glide.invalid_query.returns_no_rows)"
                    .to_owned(),
            ));
        }
        Ok(Found::Tickets(rows.iter().map(|row| self.ticket(row)).collect()))
    }

    fn create(&mut self, delivery: &Delivery<'_>, is_sure: bool, after: Option<&Ticket>) -> Result<Ticket, Outcome> {
        let alert = delivery.alert;
        let level = level(alert.severity);
        let mut fields = self.change(delivery, Stage::Open);
        fields.extend(self.keys.fields.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))));
        for (name, value) in [
            ("short_description", plain::heading(alert, TITLE)),
            ("description", ticket::text(delivery, is_sure, DESCRIPTION)),
            ("impact", level.to_owned()),
            ("urgency", level.to_owned()),
            ("correlation_id", key(alert)),
        ] {
            if !self.keys.fields.contains_key(name) {
                fields.insert(name.to_owned(), value.into());
            }
        }
        if let Some(after) = after {
            fields.insert(
                "work_notes".to_owned(),
                format!("{} was about the same incident and is closed.", after.name).into(),
            );
        }
        let request = post(&self.table, &[("Accept", "application/json")], &fields)?;
        let row = self.write(&request, delivery.now)?;
        Ok(self.ticket(&row))
    }

    fn update(&mut self, delivery: &Delivery<'_>, ticket: &Ticket) -> Result<Option<String>, Outcome> {
        let written = ticket.written;
        if delivery.repetition && written.is_some_and(|number| number >= delivery.alert.sequence) {
            return Ok(None);
        }
        let is_sure = written.is_some() || !delivery.repetition;
        let mut fields = self.change(delivery, ticket.stage);
        fields.insert("work_notes".to_owned(), note(delivery, is_sure).into());
        let url = format!("{}/{}", self.table, ticket.id);
        let mut request = post(&url, &[("Accept", "application/json")], &fields)?;
        request.method = Method::PATCH;
        let row = self.write(&request, delivery.now)?;
        let is_wanted = fields.get("state").is_none_or(|state| state.as_str() == Some(&row.state));
        Ok((!is_wanted).then(|| {
            format!(
                "{} stays in state {}: the instance did not take the new one",
                row.number,
                self.session.line.quote(&row.state)
            )
        }))
    }
}

/// A transition as a note: its title, and its text.
fn note(delivery: &Delivery<'_>, is_sure: bool) -> String {
    let heading = plain::heading(delivery.alert, TITLE);
    let text = ticket::text(delivery, is_sure, NOTE.saturating_sub(heading.len() + 2));
    format!("{heading}\n\n{text}")
}

impl Channel for Records {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        tell(self, delivery).unwrap_or_else(|outcome| outcome)
    }

    fn tells_repetitions(&self) -> bool {
        true
    }

    /// Whether the table can be read; whether it can be written, only a record shows.
    fn check(&mut self) -> Result<(), String> {
        let request = get(format!("{}?{FIELDS}&sysparm_limit=1", self.table));
        let response = self.session.send(&request, DateTime::UNIX_EPOCH).map_err(complaint)?;
        let _rows: Answer<Vec<Row>> = self.session.line.json(&response).map_err(complaint)?;
        Ok(())
    }
}

/// Events.
struct Events {
    session: Session,
    url: String,
    base: String,
}

impl Events {
    fn tell(&mut self, delivery: &Delivery<'_>) -> Result<Outcome, Outcome> {
        let alert = delivery.alert;
        let reference = Some(key(alert));
        if alert.state.is_ended() && alert.transition == Transition::Updated {
            let note = "not sent: the alert is closed in ServiceNow, and an event would open it anew".to_owned();
            return Ok(Outcome::Delivered { reference, note: Some(note) });
        }
        let request = post(&self.url, &[("Accept", "application/json")], &json!({"records": [event(delivery)]}))?;
        let response = self.session.send(&request, delivery.now)?;
        // What stands in it is not documented; that it is JSON tells that it is not a sign-in page.
        let _answer: Value = self.session.line.json(&response)?;
        Ok(Outcome::Delivered { reference, note: None })
    }
}

fn event(delivery: &Delivery<'_>) -> Value {
    let alert = delivery.alert;
    let heading = plain::heading(alert, TITLE);
    let text = ticket::text(delivery, true, DESCRIPTION - heading.len().min(DESCRIPTION / 2) - 2);
    json!({
        "source": "mfatrail",
        "event_class": "mfatrail watch",
        "node": alert.account,
        "resource": line(&alert.subject, FIELD),
        "metric_name": alert.kind.name(),
        "type": alert.class.as_deref().unwrap_or(alert.kind.name()),
        "message_key": key(alert),
        "severity": if alert.transition.is_end() { "0" } else { weight(alert.severity) },
        "resolution_state": if alert.transition.is_end() { "Closing" } else { "New" },
        "time_of_event": alert.at.format("%Y-%m-%d %H:%M:%S").to_string(),
        "description": format!("{heading}\n\n{text}"),
        "additional_info": Value::Object(info(alert)).to_string(),
    })
}

/// From 1, critical, on; 5 would mean that all is well.
const fn weight(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "1",
        Severity::Error => "2",
        Severity::Warning => "3",
        Severity::Info => "4",
    }
}

/// The facts by their labels, as far as there is room.
fn info(alert: &Alert) -> Map<String, Value> {
    let facts = alert.text.facts.iter().map(|fact| (line(&fact.label, FIELD), line(&fact.value, VALUE)));
    let (facts, left_out) = first(facts, INFO, |(label, value)| label.len() + value.len() + 6);
    let mut info: Map<String, Value> = facts.into_iter().map(|(label, value)| (label, value.into())).collect();
    info.insert("mfatrail severity".to_owned(), alert.severity.name().into());
    info.insert("Next step".to_owned(), line(&alert.text.next_step, VALUE).into());
    if left_out > 0 {
        info.insert("Left out".to_owned(), plain::left_out(left_out).into());
    }
    info
}

impl Channel for Events {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        self.tell(delivery).unwrap_or_else(|outcome| outcome)
    }

    /// By `message_key`.
    fn tells_repetitions(&self) -> bool {
        true
    }

    /// Whether there is a connection, and with OAuth a token; whether events are taken, only an event shows.
    fn check(&mut self) -> Result<(), String> {
        self.session.line.reach(&self.base)?;
        self.session.sign_in(DateTime::UNIX_EPOCH).map_err(complaint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::samples::{alert, assert_read, delivery, fact, hostile};

    #[test]
    fn a_slip_is_told() {
        let url = "url = \"https://example.service-now.com\"\n";
        for (text, wrong) in [
            ("user = \"a\"\npassword = \"env:A\"\nclose_code = \"Solved\"", None),
            (
                "client_id = \"a\"\nclient_secret = \"env:A\"\nclose_code = \"Solved\"\nfields = {assignment_group = \"287ebd7da9fe198100f92cc8d1d2154e\"}",
                None,
            ),
            ("api_key = \"env:A\"\nmode = \"events\"", None),
            (
                "client_id = \"a\"\nclient_secret = \"env:A\"\nuser = \"b\"\npassword = \"env:B\"\nmode = \"events\"",
                None,
            ),
            ("close_code = \"Solved\"", Some("nothing says how to sign in")),
            ("user = \"a\"\nclose_code = \"Solved\"", Some("`user` and `password` go together")),
            ("client_id = \"a\"\nclose_code = \"Solved\"", Some("`client_id` and `client_secret` go together")),
            ("api_key = \"env:A\"\nuser = \"a\"\npassword = \"env:A\"", Some("a way to sign in of its own")),
            ("api_key = \"env:A\"", Some("`close_code` is missing")),
            ("api_key = \"env:A\"\nmode = \"events\"\ntable = \"incident\"", Some("events have no table")),
            ("api_key = \"env:A\"\nclose_code = \"x\"\ntable = \"incident?x\"", Some("`table` is not")),
            (
                "api_key = \"env:A\"\nclose_code = \"x\"\nfields = {correlation_id = \"1\"}",
                Some("cannot set `correlation_id`"),
            ),
            ("api_key = \"hunter2\"\nclose_code = \"x\"", Some("does not stand in this file")),
        ] {
            let read = toml::from_str::<Settings>(&format!("{url}{text}")).map_err(|error| error.message().to_owned());
            assert_read(text, &read, wrong);
        }
    }

    #[test]
    fn an_event_is_within_the_limits() {
        for text in hostile() {
            let mut alert = alert();
            alert.subject.clone_from(&text);
            alert.text.title.clone_from(&text);
            alert.text.facts = (0..100).map(|_| fact(&text, &text)).collect();
            let event = event(&delivery(&alert));
            for name in ["source", "event_class", "node", "resource", "metric_name", "type"] {
                assert!(event[name].as_str().unwrap().chars().count() <= 100, "{name}");
            }
            assert!(event["description"].as_str().unwrap().chars().count() <= DESCRIPTION);
            let info = event["additional_info"].as_str().unwrap();
            assert!(
                serde_json::from_str::<Value>(info).unwrap().is_object() && info.len() < 3 * INFO,
                "{}",
                info.len()
            );
        }
        assert_eq!(event(&delivery(&alert()))["time_of_event"], "1970-01-01 00:00:00");
    }
}
