//! Zendesk's Ticketing API, as developer.zendesk.com says: an `Idempotency-Key` gives the first answer again, for the same body alone; a
//! closed ticket cannot be changed, and only one can be followed up; an external id is not unique.

use serde_json::{Value, json};

use super::{Answer, Api, Request};

#[derive(Debug, Clone)]
pub struct Ticket {
    pub id: u64,
    pub fields: Value,
    /// Its comments: the text, and whether customers see it.
    pub comments: Vec<(String, bool)>,
}

impl Ticket {
    pub fn status(&self) -> &str {
        self.fields["status"].as_str().unwrap()
    }
}

pub struct Zendesk {
    pub user: String,
    pub secret: String,
    pub tokens: Vec<String>,
    pub granted: usize,
    pub tickets: Vec<Ticket>,
    /// Whether the keys of earlier requests are forgotten, as after two hours.
    pub forgets: bool,
    keys: Vec<(String, Vec<u8>, u64)>,
}

fn error(status: u16, code: &str, description: &str) -> Answer {
    Answer::json(status, &json!({"error": code, "description": description, "details": {}}))
}

impl Zendesk {
    pub fn new(user: &str, secret: &str) -> Self {
        Self {
            user: user.to_owned(),
            secret: secret.to_owned(),
            tokens: Vec::new(),
            granted: 0,
            tickets: Vec::new(),
            forgets: false,
            keys: Vec::new(),
        }
    }

    fn grant(&mut self, request: &Request) -> Answer {
        let body = request.json().unwrap_or_default();
        let is_known = body["client_id"] == "client" && body["client_secret"] == self.secret.as_str();
        let valid = body["expires_in"].as_u64().unwrap_or(301);
        if body["grant_type"] != "client_credentials" || !is_known || valid <= 300 || valid >= 172_800 {
            return Answer::json(
                401,
                &json!({"error": "invalid_client", "error_description": "Client authentication failed"}),
            );
        }
        self.granted += 1;
        let token = format!("{}-token-{}", self.secret, self.granted);
        self.tokens = vec![token.clone()];
        Answer::json(
            200,
            &json!({"access_token": token, "token_type": "bearer", "scope": body["scope"], "expires_in": valid}),
        )
    }

    fn is_known(&self, request: &Request) -> bool {
        let basic =
            request.basic().is_some_and(|(user, token)| user == format!("{}/token", self.user) && token == self.secret);
        let bearer = request.header("authorization").strip_prefix("Bearer ");
        basic || bearer.is_some_and(|own| self.tokens.iter().any(|one| one == own))
    }

    fn shown(ticket: &Ticket) -> Value {
        json!({"id": ticket.id, "status": ticket.fields["status"], "external_id": ticket.fields["external_id"], "priority": ticket.fields["priority"]})
    }

    /// What is wrong with what is sent, of a ticket that is new or not.
    fn wrong(ticket: &Value, is_new: bool) -> Option<&'static str> {
        let one_of = |name: &str, all: &[&str]| ticket[name].is_null() || all.iter().any(|own| ticket[name] == *own);
        let comment = &ticket["comment"];
        let length = comment["body"].as_str().unwrap_or_default().len();
        let tags = ticket["tags"].as_array().into_iter().flatten();
        match () {
            () if !ticket.is_object() => Some("no ticket"),
            () if length == 0 || length > 65_536 => Some("comment: cannot be blank, and not longer than 64 KB"),
            () if comment["public"] != false => Some("a customer would be mailed"),
            () if !one_of("priority", &["urgent", "high", "normal", "low"]) => Some("priority: is not valid"),
            () if !one_of("status", &["new", "open", "pending", "hold", "solved"]) => Some("status: is not valid"),
            () if is_new
                && ticket["subject"].as_str().is_none_or(|subject| subject.is_empty() || subject.contains('\n')) =>
            {
                Some("subject")
            }
            () if !is_new && !ticket["tags"].is_null() => Some("the tags of others would be gone"),
            () if tags.clone().any(|tag| tag.as_str().is_none_or(|tag| tag.contains(' '))) => Some("tags"),
            () => None,
        }
    }

    fn create(&mut self, request: &Request, body: &Value) -> Answer {
        let key = request.header("idempotency-key").to_owned();
        if key.is_empty() || key.len() > 255 {
            return error(400, "IdempotentRequestError", "no key");
        }
        let earlier = self.keys.iter().find(|(own, ..)| *own == key && !self.forgets);
        if let Some((_, body, id)) = earlier {
            if *body != request.body {
                return error(
                    400,
                    "IdempotentRequestError",
                    "Request parameters were changed for the same Idempotency-Key",
                );
            }
            let ticket = self.tickets.iter().find(|ticket| ticket.id == *id).unwrap();
            let mut answer = Answer::json(201, &json!({"ticket": Self::shown(ticket)}));
            answer.headers.push(("x-idempotency-lookup", "hit".to_owned()));
            return answer;
        }
        let ticket = &body["ticket"];
        let source = ticket["via_followup_source_id"].as_u64();
        let is_closed = |id: u64| self.tickets.iter().any(|ticket| ticket.id == id && ticket.status() == "closed");
        if let Some(wrong) =
            Self::wrong(ticket, true).or(source.filter(|id| !is_closed(*id)).map(|_| "not a closed ticket"))
        {
            return error(422, "RecordInvalid", wrong);
        }
        let id = 35_436 + self.tickets.len() as u64;
        let comments = vec![(ticket["comment"]["body"].as_str().unwrap().to_owned(), false)];
        self.tickets.push(Ticket { id, fields: ticket.clone(), comments });
        self.keys.push((key, request.body.clone(), id));
        Answer::json(201, &json!({"ticket": Self::shown(self.tickets.last().unwrap())}))
    }

    fn update(&mut self, at: usize, body: &Value) -> Answer {
        let change = &body["ticket"];
        if self.tickets[at].status() == "closed" {
            return error(422, "RecordInvalid", "Status: closed prevents ticket update");
        }
        if let Some(wrong) = Self::wrong(change, false) {
            return error(422, "RecordInvalid", wrong);
        }
        let ticket = &mut self.tickets[at];
        ticket.comments.push((change["comment"]["body"].as_str().unwrap().to_owned(), false));
        for name in ["status", "priority"] {
            if !change[name].is_null() {
                ticket.fields[name] = change[name].clone();
            }
        }
        Answer::json(200, &json!({"ticket": Self::shown(ticket)}))
    }
}

impl Api for Zendesk {
    fn answer(&mut self, request: &Request) -> Answer {
        if request.path == "/oauth/tokens" && request.method == "POST" {
            return self.grant(request);
        }
        if !self.is_known(request) {
            return Answer::json(401, &json!({"error": "Couldn't authenticate you"}));
        }
        let Some(path) = request.path.strip_prefix("/api/v2/tickets") else {
            return error(404, "InvalidEndpoint", "Not found");
        };
        let mut parts = path.split('/').skip(1);
        let (id, what) = (parts.next().unwrap_or_default(), parts.next());
        let at = self.tickets.iter().position(|ticket| ticket.id.to_string() == id);
        match (request.method.as_str(), id, at, what) {
            ("GET", "", ..) => {
                let wanted = request.query.get("external_id").cloned().unwrap_or_default();
                let own = self.tickets.iter().filter(|ticket| ticket.fields["external_id"] == wanted.as_str());
                Answer::json(200, &json!({"tickets": own.map(Self::shown).collect::<Vec<_>>(), "next_page": null}))
            }
            ("POST", "", ..) => match request.json() {
                Some(body) => self.create(request, &body),
                None => error(400, "InvalidJSON", ""),
            },
            (_, _, None, _) => error(404, "RecordNotFound", "Not found"),
            ("GET", _, Some(at), None) => Answer::json(200, &json!({"ticket": Self::shown(&self.tickets[at])})),
            ("GET", _, Some(at), Some("comments")) => {
                let comments = self.tickets[at].comments.iter().rev();
                let comments: Vec<Value> =
                    comments.map(|(body, public)| json!({"body": body, "public": public})).collect();
                Answer::json(200, &json!({"comments": comments}))
            }
            ("PUT", _, Some(at), None) => self.update(at, &request.json().unwrap_or_default()),
            _ => error(405, "MethodNotAllowed", ""),
        }
    }
}
