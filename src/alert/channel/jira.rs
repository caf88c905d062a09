//! Jira Cloud: an issue for each incident, with comments for what follows and a transition of its workflow when it is over.
//!
//! An issue is known by its id, which the ledger keeps. One whose answer was lost is looked for by a label, in an index that is late: it
//! is looked for several times, and where it is not found, what is created says that it may be a repetition. Comments are read from the
//! issue itself, where nothing is late.

use std::time::{Duration, Instant};

use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::address::{Address, encoded};
use super::line::{Line, complaint, get, post};
use super::session::{Identity, Session};
use super::ticket::{self, Desk, Found, Stage, Ticket, key, mark, tell};
use super::{Channel, Opening};
use crate::alert::limit::Limit;
use crate::alert::secret::SecretRef;
use crate::alert::{Delivery, Outcome, plain};
use crate::http::{Request, Response};
use crate::units::read_duration;

/// `summary`.
const SUMMARY: Limit = Limit::Chars(255);
/// A description and a comment, in bytes: Jira takes 32,767 characters, with what stands around them.
const TEXT: usize = 20_000;
/// How many comments of an issue are looked at, latest first.
const COMMENTS: usize = 100;
/// How many issues of a search are read.
const ISSUES: usize = 10;
/// How often a search is repeated while the index may be late.
const SEARCHES: u32 = 4;
/// What the user has to be allowed.
const PERMISSIONS: [&str; 4] = ["BROWSE_PROJECTS", "CREATE_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES"];

/// What a `[[channel]]` of the kind `jira` has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
pub struct Settings(Keys);

/// The keys as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    url: Address,
    user: String,
    token: SecretRef,
    project: String,
    #[serde(default = "issue_type")]
    issue_type: String,
    /// The transition of the workflow that resolves an issue.
    resolve: String,
    /// The one that opens it again; without, a new issue is created.
    reopen: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
    /// How long the index of the search may be late.
    #[serde(default = "index_lag", deserialize_with = "read_duration")]
    index_lag: chrono::TimeDelta,
}

fn issue_type() -> String {
    "Task".to_owned()
}

fn index_lag() -> chrono::TimeDelta {
    chrono::TimeDelta::seconds(8)
}

impl TryFrom<Keys> for Settings {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Self, Self::Error> {
        let project = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let label = |label: &String| {
            !label.is_empty() && label.len() <= 255 && !label.chars().any(|c| c.is_whitespace() || c.is_control())
        };
        match () {
            () if keys.project.is_empty() || !keys.project.chars().all(project) => {
                Err("`project` is not the key of a project (hint: \"SEC\", which begins the keys of its issues)")
            }
            () if !keys.labels.iter().all(label) => {
                Err("a label in `labels` is empty or has a space in it (hint: use `-`)")
            }
            () if keys.index_lag > chrono::TimeDelta::minutes(1) => {
                Err("`index_lag` is longer than a minute (hint: \"8s\")")
            }
            () if keys.resolve.trim().is_empty() => {
                Err("`resolve` names no transition (hint: as the workflow calls it, such as \"Done\")")
            }
            () => Ok(Self(keys)),
        }
    }
}

impl Settings {
    pub(super) fn open(&self, opening: &Opening<'_>) -> Result<Jira, String> {
        let keys = &self.0;
        let token = keys.token.resolve(opening.vault)?;
        let (url, address) = keys.url.open(opening.vault)?;
        let (identity, mut secrets) = Identity::basic(&keys.user, &token);
        secrets.extend(address);
        let session = Session::new(Line::new(opening.deadline, &secrets)?, identity);
        Ok(Jira { session, api: format!("{}/rest/api/3", url.trim_end_matches('/')), keys: keys.clone() })
    }

    pub(super) fn secrets(&self) -> Vec<&SecretRef> {
        self.0.url.secret().into_iter().chain([&self.0.token]).collect()
    }
}

/// An issue as the API shows it.
#[derive(Debug, Deserialize)]
struct Issue {
    id: String,
    key: String,
    #[serde(default)]
    fields: Fields,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    labels: Vec<String>,
    description: Value,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    name: String,
    status_category: Category,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Category {
    key: String,
}

#[derive(Deserialize)]
struct Issues {
    issues: Vec<Issue>,
}

#[derive(Deserialize)]
struct Comments {
    comments: Vec<Comment>,
}

#[derive(Deserialize)]
struct Comment {
    #[serde(default)]
    body: Value,
}

#[derive(Deserialize)]
struct Steps {
    transitions: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    id: String,
    name: String,
}

/// A site of Jira Cloud.
pub(super) struct Jira {
    session: Session,
    api: String,
    keys: Keys,
}

/// A text as the Atlassian Document Format: a paragraph for each, and nothing in it is markup.
fn document(text: &str) -> Value {
    let paragraph = |text: &str| {
        let mut content: Vec<Value> = Vec::new();
        for line in text.split('\n') {
            if !content.is_empty() {
                content.push(json!({"type": "hardBreak"}));
            }
            if !line.is_empty() {
                content.push(json!({"type": "text", "text": line}));
            }
        }
        json!({"type": "paragraph", "content": content})
    };
    let paragraphs: Vec<Value> = text.split("\n\n").map(paragraph).collect();
    json!({"type": "doc", "version": 1, "content": paragraphs})
}

/// Whether a document has a text that is this alone.
fn holds(document: &Value, text: &str) -> bool {
    match document {
        Value::Object(node) => {
            node.get("text").is_some_and(|own| own == text) || node.get("content").is_some_and(|own| holds(own, text))
        }
        Value::Array(nodes) => nodes.iter().any(|node| holds(node, text)),
        _ => false,
    }
}

/// Whether an answer is the API's own refusal.
fn is_refusal(response: &Response) -> bool {
    serde_json::from_slice::<Value>(&response.body).is_ok_and(|body| body["errorMessages"].is_array())
}

impl Jira {
    fn request(&self, path: &str) -> Request {
        get(format!("{}{path}", self.api))
    }

    fn post(&mut self, delivery: &Delivery<'_>, path: &str, body: &Value) -> Result<Response, Outcome> {
        let request = post(&format!("{}{path}", self.api), &[("Accept", "application/json")], body)?;
        self.session.send(&request, delivery.now)
    }

    fn ticket(issue: &Issue) -> Ticket {
        let stage = if issue.fields.status.status_category.key == "done" { Stage::Done } else { Stage::Open };
        Ticket { id: issue.id.clone(), name: issue.key.clone(), stage, written: None }
    }

    fn search(&mut self, delivery: &Delivery<'_>) -> Result<Vec<Issue>, Outcome> {
        // No key and no project has a quote in it.
        let label = key(delivery.alert);
        let jql = format!("project = \"{}\" AND labels = \"{label}\" ORDER BY created ASC", self.keys.project);
        let body = json!({"jql": jql, "fields": ["labels", "status"], "maxResults": ISSUES});
        let response = self.post(delivery, "/search/jql", &body)?;
        let Issues { mut issues } = self.session.line.json(&response)?;
        issues.retain(|issue| issue.fields.labels.contains(&label));
        Ok(issues)
    }

    /// Whether a transition is in an issue already: in its description, or in a comment.
    fn has(&mut self, delivery: &Delivery<'_>, ticket: &Ticket) -> Result<bool, Outcome> {
        let mark = mark(delivery.alert);
        let response =
            self.session.send(&self.request(&format!("/issue/{}?fields=description", ticket.id)), delivery.now)?;
        let issue: Issue = self.session.line.json(&response)?;
        if holds(&issue.fields.description, &mark) {
            return Ok(true);
        }
        let path = format!("/issue/{}/comment?orderBy=-created&maxResults={COMMENTS}", ticket.id);
        let response = self.session.send(&self.request(&path), delivery.now)?;
        let Comments { comments } = self.session.line.json(&response)?;
        Ok(comments.iter().any(|comment| holds(&comment.body, &mark)))
    }

    /// Takes an issue through a transition of its workflow, by its name; what has to be said, where there is none.
    fn go(&mut self, delivery: &Delivery<'_>, ticket: &Ticket, name: &str) -> Result<Option<String>, Outcome> {
        let path = format!("/issue/{}/transitions", ticket.id);
        let response = self.session.send(&self.request(&path), delivery.now)?;
        let Steps { transitions } = self.session.line.json(&response)?;
        let Some(step) = transitions.iter().find(|step| step.name.eq_ignore_ascii_case(name.trim())) else {
            let names: Vec<String> =
                transitions.iter().map(|step| format!("\"{}\"", self.session.line.quote(&step.name))).collect();
            return Ok(Some(format!(
                "{} stays as it is: its workflow has no transition \"{name}\" from here (hint: it has {})",
                ticket.name,
                if names.is_empty() { "none for this user".to_owned() } else { names.join(", ") }
            )));
        };
        let response = self.post(delivery, &path, &json!({"transition": {"id": step.id}}))?;
        if response.status == 204 {
            return Ok(None);
        }
        Err(Outcome::Unknown {
            wait: None,
            reason: format!("the answer is not what this API gives: {}", self.session.line.reason(&response)),
        })
    }

    fn step(&self, delivery: &Delivery<'_>, ticket: &Ticket) -> Option<String> {
        match ticket.stage {
            Stage::Open if delivery.alert.state.is_ended() => Some(self.keys.resolve.clone()),
            Stage::Done if !delivery.alert.state.is_ended() => self.keys.reopen.clone(),
            Stage::Open | Stage::Done | Stage::Closed => None,
        }
    }

    /// An issue that is over, and that nothing opens again, is closed for an incident that goes on.
    fn staged(&self, delivery: &Delivery<'_>, mut ticket: Ticket) -> Ticket {
        if ticket.stage == Stage::Done && !delivery.alert.state.is_ended() && self.keys.reopen.is_none() {
            ticket.stage = Stage::Closed;
        }
        ticket
    }
}

impl Desk for Jira {
    fn get(&mut self, delivery: &Delivery<'_>, id: &str) -> Result<Option<Ticket>, Outcome> {
        let request = self.request(&format!("/issue/{}?fields=labels,status", encoded(id)));
        let response = self.session.exchange(&request, delivery.now)?;
        match response.status {
            200..300 => {
                let issue: Issue = self.session.line.json(&response)?;
                Ok(Some(self.staged(delivery, Self::ticket(&issue))))
            }
            404 if is_refusal(&response) => Ok(None),
            _ => Err(self.session.line.refusal(&response, delivery.now)),
        }
    }

    fn find(&mut self, delivery: &Delivery<'_>) -> Result<Found, Outcome> {
        let lag = self.keys.index_lag.to_std().unwrap_or_default();
        let begin = Instant::now();
        for search in 1..=SEARCHES {
            let issues = self.search(delivery)?;
            if !issues.is_empty() {
                let tickets = issues.iter().map(|issue| self.staged(delivery, Self::ticket(issue)));
                return Ok(Found::Tickets(tickets.collect()));
            }
            // What nobody may have created is not waited for.
            if !delivery.repetition {
                return Ok(Found::Tickets(Vec::new()));
            }
            let next = lag * search / SEARCHES;
            std::thread::sleep(next.checked_sub(begin.elapsed()).unwrap_or(Duration::ZERO));
        }
        Ok(Found::NotKnown(
            "whether an earlier attempt created an issue is not known, so the new one says so: the search, whose index may be late, does \
             not find any"
                .to_owned(),
        ))
    }

    fn create(&mut self, delivery: &Delivery<'_>, is_sure: bool, after: Option<&Ticket>) -> Result<Ticket, Outcome> {
        let alert = delivery.alert;
        let mut labels = vec!["mfatrail".to_owned(), key(alert)];
        labels.extend(self.keys.labels.iter().cloned());
        let text = ticket::text(delivery, is_sure, TEXT);
        let text = after
            .map_or_else(|| text.clone(), |after| format!("{} was about the same incident.\n\n{text}", after.name));
        let body = json!({"fields": {
            "project": {"key": self.keys.project},
            "issuetype": {"name": self.keys.issue_type},
            "summary": plain::heading(alert, SUMMARY),
            "description": document(&text),
            "labels": labels,
        }});
        let response = self.post(delivery, "/issue", &body)?;
        let issue: Issue = self.session.line.json(&response)?;
        Ok(Self::ticket(&issue))
    }

    fn finish(&mut self, delivery: &Delivery<'_>, ticket: &Ticket) -> Result<Option<String>, Outcome> {
        self.step(delivery, ticket).map_or(Ok(None), |name| self.go(delivery, ticket, &name))
    }

    /// The state first: that it has been changed is seen, so that an attempt that ends between the two is only half repeated.
    fn update(&mut self, delivery: &Delivery<'_>, ticket: &Ticket) -> Result<Option<String>, Outcome> {
        let note = self.finish(delivery, ticket)?;
        if delivery.repetition && self.has(delivery, ticket)? {
            return Ok(note);
        }
        let heading = plain::heading(delivery.alert, SUMMARY);
        let text = format!("{heading}\n\n{}", ticket::text(delivery, true, TEXT));
        let path = format!("/issue/{}/comment", ticket.id);
        let response = self.post(delivery, &path, &json!({"body": document(&text)}))?;
        let _comment: Comment = self.session.line.json(&response)?;
        Ok(note)
    }
}

impl Channel for Jira {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        tell(self, delivery).unwrap_or_else(|outcome| outcome)
    }

    /// But for an issue that the search does not find.
    fn tells_repetitions(&self) -> bool {
        true
    }

    /// Whether the user is known, and may do in the project what has to be done.
    fn check(&mut self) -> Result<(), String> {
        let path = format!("/mypermissions?projectKey={}&permissions={}", self.keys.project, PERMISSIONS.join(","));
        let mut ask = |path: &str| {
            let request = self.request(path);
            let response = self.session.send(&request, DateTime::UNIX_EPOCH).map_err(complaint)?;
            self.session.line.json::<Value>(&response).map_err(complaint)
        };
        ask("/myself")?;
        let allowed = ask(&path)?;
        let missing: Vec<&str> =
            PERMISSIONS.into_iter().filter(|one| allowed["permissions"][one]["havePermission"] != true).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let project = &self.keys.project;
        Err(format!(
            "the user may not do what is needed in project {project}: {} (hint: check `project`, and its permissions)",
            missing.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::samples::assert_read;

    #[test]
    fn a_slip_is_told() {
        let own = "url = \"https://example.atlassian.net\"\nuser = \"a@example.com\"\ntoken = \"env:A\"\n";
        for (text, wrong) in [
            ("project = \"SEC\"\nresolve = \"Done\"", None),
            (
                "project = \"SEC\"\nresolve = \"Done\"\nreopen = \"To Do\"\nlabels = [\"soc\"]\nindex_lag = \"2s\"\nissue_type = \"Bug\"",
                None,
            ),
            ("project = \"SEC\"", Some("missing field `resolve`")),
            ("project = \"SEC\"\nresolve = \"\"", Some("`resolve` names no transition")),
            ("project = \"SEC\\\" OR 1\"\nresolve = \"Done\"", Some("`project` is not the key")),
            ("project = \"SEC\"\nresolve = \"Done\"\nlabels = [\"a b\"]", Some("has a space")),
            ("project = \"SEC\"\nresolve = \"Done\"\nindex_lag = \"1h\"", Some("longer than a minute")),
        ] {
            let read = toml::from_str::<Settings>(&format!("{own}{text}")).map_err(|error| error.message().to_owned());
            assert_read(text, &read, wrong);
        }
    }

    #[test]
    fn a_document_has_texts_and_no_markup() {
        let own = document("*a* [b](c)\nd\n\nmark 1");
        assert_eq!(
            own["content"],
            json!([
                {"type": "paragraph", "content": [{"type": "text", "text": "*a* [b](c)"}, {"type": "hardBreak"}, {"type": "text", "text": "d"}]},
                {"type": "paragraph", "content": [{"type": "text", "text": "mark 1"}]},
            ])
        );
        assert!(holds(&own, "mark 1") && !holds(&own, "mark") && !holds(&Value::Null, "mark 1"));
    }
}
