//! ServiceNow: of the Table API what a record of incidents needs, and Event Management, as docs.servicenow.com says. A term of a query that
//! it does not know is ignored; a record is resolved only with a code and notes; a closed one cannot be changed; nothing is unique.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, Api, Request};

const CODES: [&str; 2] = ["Solution provided", "No resolution provided"];

pub struct ServiceNow {
    pub user: String,
    pub secret: String,
    /// Tokens that are good.
    pub tokens: Vec<String>,
    pub granted: usize,
    /// Whether the user may not read, and so not query, `correlation_id`.
    pub hides_correlation: bool,
    pub rows: Vec<BTreeMap<String, String>>,
    /// Notes, by `sys_id`, in order.
    pub notes: Vec<(String, String)>,
    /// Alerts of Event Management: `message_key`, severity, and its events.
    pub alerts: Vec<(String, String, usize)>,
}

fn error(status: u16, message: &str, detail: &str) -> Answer {
    Answer::json(status, &json!({"error": {"message": message, "detail": detail}, "status": "failure"}))
}

impl ServiceNow {
    pub fn new(user: &str, secret: &str) -> Self {
        Self {
            user: user.to_owned(),
            secret: secret.to_owned(),
            tokens: Vec::new(),
            granted: 0,
            hides_correlation: false,
            rows: Vec::new(),
            notes: Vec::new(),
            alerts: Vec::new(),
        }
    }

    pub fn set(&mut self, number: usize, name: &str, value: &str) {
        self.rows[number].insert(name.to_owned(), value.to_owned());
    }

    fn grant(&mut self, request: &Request) -> Answer {
        let form = request.form();
        let get = |name: &str| form.get(name).map_or("", String::as_str);
        let is_known = get("client_id") == "client" && get("client_secret") == self.secret;
        if request.method != "POST" || get("grant_type") != "client_credentials" || !is_known {
            return Answer::json(401, &json!({"error": "access_denied", "error_description": "access_denied"}));
        }
        self.granted += 1;
        let token = format!("{}-token-{}", self.secret, self.granted);
        self.tokens = vec![token.clone()];
        Answer::json(
            200,
            &json!({"access_token": token, "token_type": "Bearer", "expires_in": 1799, "scope": "useraccount"}),
        )
    }

    fn is_known(&self, request: &Request) -> bool {
        let basic = request.basic().is_some_and(|(user, password)| user == self.user && password == self.secret);
        let bearer = request.header("authorization").strip_prefix("Bearer ");
        basic
            || request.header("x-sn-apikey") == self.secret
            || bearer.is_some_and(|own| self.tokens.iter().any(|one| one == own))
    }

    fn shown(&self, row: &BTreeMap<String, String>, request: &Request) -> Value {
        let fields = request.query.get("sysparm_fields").cloned();
        let is_wanted = |name: &str| fields.as_ref().is_none_or(|fields| fields.split(',').any(|own| own == name));
        let hidden = |name: &str| self.hides_correlation && name == "correlation_id";
        row.iter()
            .filter(|(name, _)| is_wanted(name) && !hidden(name))
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect()
    }

    fn search(&self, request: &Request) -> Answer {
        let query = request.query.get("sysparm_query").cloned().unwrap_or_default();
        let mut rows: Vec<&BTreeMap<String, String>> = self.rows.iter().collect();
        for term in query.split('^') {
            if let Some((name, value)) = term.split_once('=')
                && matches!(name, "state" | "number" | "sys_id" | "correlation_id")
                && !(self.hides_correlation && name == "correlation_id")
            {
                rows.retain(|row| row.get(name).is_some_and(|own| own == value));
            }
        }
        let most = request.query.get("sysparm_limit").map_or(10_000, |most| most.parse().unwrap());
        let rows: Vec<Value> = rows.into_iter().take(most).map(|row| self.shown(row, request)).collect();
        Answer::json(200, &json!({"result": rows}))
    }

    /// What a change would make of a record, or why not.
    fn changed(mut row: BTreeMap<String, String>, body: &Value) -> Result<BTreeMap<String, String>, Answer> {
        for (name, value) in body.as_object().into_iter().flatten() {
            let Some(value) = value.as_str() else { return Err(error(400, "Exception while reading request", name)) };
            let most = if name == "short_description" { 160 } else { 4000 };
            if value.chars().count() > most {
                return Err(error(400, "too long: it would be cut off silently", name));
            }
            if name != "work_notes" {
                row.insert(name.clone(), value.to_owned());
            }
        }
        let has = |name: &str| row.get(name).is_some_and(|value| !value.is_empty());
        let is_code = row.get("close_code").is_some_and(|code| CODES.contains(&code.as_str()));
        if row["state"] == "6" && !(is_code && has("close_notes")) {
            let detail =
                "Error: Data Policy Exception: The following fields are mandatory: Resolution code, Resolution notes";
            return Err(error(403, "Operation Failed", detail));
        }
        Ok(row)
    }

    fn table(&mut self, request: &Request, id: &str) -> Answer {
        let at = self.rows.iter().position(|row| row["sys_id"] == id);
        let body = request.json();
        match (request.method.as_str(), at, body) {
            ("GET", None, _) if id.is_empty() => self.search(request),
            ("POST", None, Some(body)) if id.is_empty() => {
                let number = self.rows.len() + 1;
                let new = [
                    ("sys_id", format!("{number:032x}")),
                    ("number", format!("INC{number:07}")),
                    ("state", "1".to_owned()),
                ];
                let new = new.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
                match Self::changed(new, &body) {
                    Err(answer) => answer,
                    Ok(row) => {
                        self.rows.push(row.clone());
                        self.note(&row["sys_id"], &body);
                        let mut answer = Answer::json(201, &json!({"result": self.shown(&row, request)}));
                        answer.headers.push(("Location", format!("/api/now/v2/table/incident/{}", row["sys_id"])));
                        answer
                    }
                }
            }
            ("GET" | "PATCH", None, _) => {
                error(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")
            }
            ("GET", Some(at), _) => Answer::json(200, &json!({"result": self.shown(&self.rows[at], request)})),
            ("PATCH", Some(at), Some(body)) => {
                if matches!(self.rows[at]["state"].as_str(), "7" | "8") {
                    return error(403, "Operation Failed", "ACL Exception Update Failed due to security constraints");
                }
                match Self::changed(self.rows[at].clone(), &body) {
                    Err(answer) => answer,
                    Ok(row) => {
                        self.rows[at] = row.clone();
                        self.note(id, &body);
                        Answer::json(200, &json!({"result": self.shown(&row, request)}))
                    }
                }
            }
            (_, _, None) => error(400, "Exception while reading request", "The payload is not valid JSON"),
            _ => error(405, "Method not supported", ""),
        }
    }

    fn note(&mut self, id: &str, body: &Value) {
        if let Some(note) = body["work_notes"].as_str() {
            self.notes.push((id.to_owned(), note.to_owned()));
        }
    }

    fn event(&mut self, request: &Request) -> Answer {
        let body = request.json().unwrap_or_default();
        let Some(records) = body["records"].as_array() else { return error(400, "no records", "") };
        for event in records {
            let get = |name: &str| event[name].as_str().unwrap_or_default();
            let is_long = ["source", "event_class", "node", "resource", "type", "metric_name"]
                .iter()
                .any(|name| get(name).chars().count() > 100);
            let info = serde_json::from_str::<Value>(get("additional_info"));
            let time = chrono::NaiveDateTime::parse_from_str(get("time_of_event"), "%Y-%m-%d %H:%M:%S");
            let is_wrong = !matches!(get("severity"), "0" | "1" | "2" | "3" | "4" | "5")
                || !matches!(get("resolution_state"), "New" | "Closing")
                || get("message_key").is_empty();
            if is_wrong || is_long || time.is_err() || !info.is_ok_and(|info| info.is_object()) {
                return error(400, "an event that would be processed with an error", &event.to_string());
            }
            let (key, severity) = (get("message_key").to_owned(), get("severity").to_owned());
            match self.alerts.iter_mut().rfind(|(own, severity, _)| *own == key && severity != "0") {
                Some(alert) => (alert.1, alert.2) = (severity, alert.2 + 1),
                None if severity != "0" => self.alerts.push((key, severity, 1)),
                None => {}
            }
        }
        Answer::json(
            200,
            &json!({"result": {"Default Bulk Endpoint": format!("{} events were inserted", records.len())}}),
        )
    }
}

impl Api for ServiceNow {
    fn answer(&mut self, request: &Request) -> Answer {
        if request.path == "/oauth_token.do" {
            return self.grant(request);
        }
        if !self.is_known(request) {
            return error(401, "User Not Authenticated", "Required to provide Auth information");
        }
        match request.path.strip_prefix("/api/now/v2/table/incident") {
            Some(id) => self.table(request, id.trim_start_matches('/')),
            None if request.path == "/api/global/em/jsonv2" && request.method == "POST" => self.event(request),
            None => error(400, "Invalid table", ""),
        }
    }
}
