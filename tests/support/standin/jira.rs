//! Jira Cloud, as developer.atlassian.com says: issues with a description in the Atlassian Document Format, a search whose index is late, and
//! a workflow.

use serde_json::{Value, json};

use super::{Answer, Api, Request};

#[derive(Debug, Clone)]
pub struct Issue {
    pub id: String,
    pub key: String,
    pub fields: Value,
    pub is_done: bool,
    pub comments: Vec<Value>,
    /// How many searches do not see it yet.
    lag: usize,
}

pub struct Jira {
    pub user: String,
    pub secret: String,
    pub issues: Vec<Issue>,
    /// How many searches do not see a new issue.
    pub lag: usize,
    /// What the user is not allowed.
    pub forbidden: Option<&'static str>,
    /// The name of the transition that ends an issue.
    pub done: &'static str,
}

fn error(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({"errorMessages": [message], "errors": {}}))
}

/// All texts of a document, or nothing if Jira would not take it.
pub fn texts(document: &Value) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    if document["type"] != "doc" || document["version"] != 1 {
        return None;
    }
    for paragraph in document["content"].as_array()? {
        if paragraph["type"] != "paragraph" {
            return None;
        }
        for node in paragraph["content"].as_array()? {
            match node["type"].as_str()? {
                "text" => texts.push(node["text"].as_str().filter(|text| !text.is_empty())?.to_owned()),
                "hardBreak" => {}
                _ => return None,
            }
        }
    }
    (document.to_string().chars().count() <= 32_767).then_some(texts)
}

impl Jira {
    pub fn new(user: &str, secret: &str) -> Self {
        Self {
            user: user.to_owned(),
            secret: secret.to_owned(),
            issues: Vec::new(),
            lag: 0,
            forbidden: None,
            done: "Done",
        }
    }

    fn shown(issue: &Issue) -> Value {
        let (name, category) = if issue.is_done { ("Done", "done") } else { ("To Do", "new") };
        json!({"id": issue.id, "key": issue.key, "fields": {
            "labels": issue.fields["labels"],
            "description": issue.fields["description"],
            "status": {"name": name, "statusCategory": {"key": category}},
        }})
    }

    fn create(&mut self, body: &Value) -> Answer {
        let fields = &body["fields"];
        let summary = fields["summary"].as_str().unwrap_or_default();
        let labels = fields["labels"].as_array().into_iter().flatten();
        let mut labels = labels.map(|label| label.as_str().unwrap_or(" "));
        match () {
            () if fields["project"]["key"] != "SEC" => error(400, "project is required"),
            () if fields["issuetype"]["name"] != "Task" => error(400, "issuetype is required"),
            () if summary.is_empty() || summary.contains('\n') || summary.chars().count() > 255 => {
                error(400, "summary")
            }
            () if texts(&fields["description"]).is_none() => error(400, "INVALID_INPUT: description is not a document"),
            () if labels.any(|label| label.contains(' ') || label.len() > 255) => {
                error(400, "The label contains spaces")
            }
            () => {
                let number = self.issues.len() + 1;
                let (id, key) = (format!("{}", 10_000 + number), format!("SEC-{number}"));
                let answer = json!({"id": id, "key": key, "self": format!("https://example.atlassian.net/rest/api/3/issue/{id}")});
                self.issues.push(Issue {
                    id,
                    key,
                    fields: fields.clone(),
                    is_done: false,
                    comments: Vec::new(),
                    lag: self.lag,
                });
                Answer::json(201, &answer)
            }
        }
    }

    fn search(&mut self, body: &Value) -> Answer {
        let jql = body["jql"].as_str().unwrap_or_default();
        let label = jql
            .strip_prefix("project = \"SEC\" AND labels = \"")
            .and_then(|rest| rest.strip_suffix("\" ORDER BY created ASC"));
        let Some(label) = label.filter(|label| !label.contains('"')) else {
            return error(400, "Error in the JQL Query");
        };
        let mut found = Vec::new();
        for issue in &mut self.issues {
            let is_seen = issue.lag == 0;
            issue.lag = issue.lag.saturating_sub(1);
            if is_seen && issue.fields["labels"].as_array().unwrap().iter().any(|own| own == label) {
                found.push(Self::shown(issue));
            }
        }
        Answer::json(200, &json!({"issues": found, "isLast": true}))
    }

    fn issue(&mut self, request: &Request, at: usize, what: Option<&str>) -> Answer {
        let (is_done, done) = (self.issues[at].is_done, self.done);
        let steps: Vec<(&str, &str)> =
            if is_done { vec![("41", "Reopen")] } else { vec![("11", "Start"), ("31", done)] };
        let issue = &mut self.issues[at];
        let body = request.json().unwrap_or_default();
        match (request.method.as_str(), what) {
            ("GET", None) => Answer::json(200, &Self::shown(issue)),
            ("GET", Some("comment")) => {
                let comments: Vec<Value> =
                    issue.comments.iter().rev().map(|body| json!({"id": "1", "body": body})).collect();
                Answer::json(200, &json!({"comments": comments, "total": issue.comments.len()}))
            }
            ("POST", Some("comment")) if texts(&body["body"]).is_none() => error(400, "Comment body is not valid!"),
            ("POST", Some("comment")) => {
                issue.comments.push(body["body"].clone());
                Answer::json(201, &json!({"id": "1", "body": body["body"]}))
            }
            ("GET", Some("transitions")) => {
                let steps: Vec<Value> = steps.iter().map(|(id, name)| json!({"id": id, "name": name})).collect();
                Answer::json(200, &json!({"transitions": steps}))
            }
            ("POST", Some("transitions")) => {
                if !steps.iter().any(|(id, _)| body["transition"]["id"] == *id) {
                    return error(400, "It seems that you have tried to perform an illegal workflow operation.");
                }
                issue.is_done = body["transition"]["id"] == "31";
                Answer { status: 204, headers: Vec::new(), body: String::new() }
            }
            _ => error(405, "Method Not Allowed"),
        }
    }
}

impl Api for Jira {
    fn answer(&mut self, request: &Request) -> Answer {
        if request.basic().is_none_or(|(user, token)| user != self.user || token != self.secret) {
            return Answer::text(401, "Client must be authenticated to access this resource.");
        }
        let Some(path) = request.path.strip_prefix("/rest/api/3/") else { return error(404, "null for uri") };
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method.as_str(), &parts[..]) {
            ("GET", ["myself"]) => Answer::json(200, &json!({"accountId": "5b10a2844c20165700ede21g"})),
            ("GET", ["mypermissions"]) => {
                let asked = request.query.get("permissions").cloned().unwrap_or_default();
                let own: serde_json::Map<String, Value> = asked
                    .split(',')
                    .map(|name| (name.to_owned(), json!({"key": name, "havePermission": self.forbidden != Some(name)})))
                    .collect();
                Answer::json(200, &json!({"permissions": own}))
            }
            ("POST", ["issue"]) => self.create(&request.json().unwrap_or_default()),
            ("POST", ["search", "jql"]) => self.search(&request.json().unwrap_or_default()),
            (_, ["search"]) => {
                error(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")
            }
            (_, ["issue", id, rest @ ..]) => match self.issues.iter().position(|issue| issue.id == *id) {
                Some(at) => self.issue(request, at, rest.first().copied()),
                None => error(404, "Issue does not exist or you do not have permission to see it."),
            },
            _ => error(404, "null for uri"),
        }
    }
}
