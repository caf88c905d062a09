//! PagerDuty's Events API v2, as its document and its guides say: an event is checked, queued with 202, and opens, adds to,
//! acknowledges or resolves the alert of its `dedup_key`; what is not open is neither acknowledged nor resolved, and no error says so.

use serde_json::{Value, json};

use super::{Answer, Api, Request};

/// One alert.
#[derive(Debug, Clone)]
pub struct Alert {
    pub dedup_key: String,
    /// `triggered`, `acknowledged` or `resolved`.
    pub state: &'static str,
    /// The payloads of its triggers, in order.
    pub log: Vec<Value>,
}

pub struct PagerDuty {
    pub routing_key: String,
    /// In the order in which they were opened. Of one key several may have been, one after the other.
    pub alerts: Vec<Alert>,
}

impl PagerDuty {
    pub fn new(routing_key: &str) -> Self {
        Self { routing_key: routing_key.to_owned(), alerts: Vec::new() }
    }

    fn event(&mut self, event: &Value) -> Result<String, Vec<String>> {
        let errors = errors(event, &self.routing_key);
        if !errors.is_empty() {
            return Err(errors);
        }
        let key = event["dedup_key"].as_str().map_or_else(|| format!("own-{}", self.alerts.len()), str::to_owned);
        let open = self.alerts.iter_mut().rev().find(|alert| alert.dedup_key == key && alert.state != "resolved");
        match (event["event_action"].as_str(), open) {
            (Some("trigger"), Some(open)) => open.log.push(event["payload"].clone()),
            (Some("trigger"), None) => {
                self.alerts.push(Alert {
                    dedup_key: key.clone(),
                    state: "triggered",
                    log: vec![event["payload"].clone()],
                });
            }
            (Some("acknowledge"), Some(open)) => open.state = "acknowledged",
            (Some("resolve"), Some(open)) => open.state = "resolved",
            _ => {}
        }
        Ok(key)
    }
}

fn errors(event: &Value, routing_key: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let text = |of: &Value, name: &str| of[name].as_str().is_some_and(|text| !text.is_empty());
    if event["routing_key"] != routing_key {
        errors.push("Invalid routing key".to_owned());
    }
    if event["dedup_key"].as_str().is_some_and(|key| key.chars().count() > 255) {
        errors.push("'dedup_key' is longer than 255 characters".to_owned());
    }
    let payload = &event["payload"];
    match event["event_action"].as_str() {
        Some("trigger") => {
            errors.extend(
                ["summary", "source"]
                    .iter()
                    .filter(|name| !text(payload, name))
                    .map(|name| format!("'payload.{name}' is missing or blank")),
            );
            if payload["summary"].as_str().is_some_and(|summary| summary.chars().count() > 1024) {
                errors.push("'payload.summary' is longer than 1024 characters".to_owned());
            }
            if !matches!(payload["severity"].as_str(), Some("critical" | "error" | "warning" | "info")) {
                errors.push("'payload.severity' is invalid".to_owned());
            }
            let at = payload["timestamp"].as_str();
            if at.is_some_and(|at| chrono::DateTime::parse_from_rfc3339(at).is_err()) {
                errors.push("'payload.timestamp' is invalid".to_owned());
            }
            if !payload["custom_details"].is_object() {
                errors.push("'payload.custom_details' is not an object".to_owned());
            }
            let links = event["links"].as_array().into_iter().flatten();
            errors.extend(links.filter(|link| !text(link, "href")).map(|_| "'links' has one without href".to_owned()));
        }
        Some("acknowledge" | "resolve") if !text(event, "dedup_key") => {
            errors.push("'dedup_key' is missing".to_owned())
        }
        Some("acknowledge" | "resolve") => {}
        _ => errors.push("'event_action' is invalid".to_owned()),
    }
    errors
}

impl Api for PagerDuty {
    fn answer(&mut self, request: &Request) -> Answer {
        if request.path != "/v2/enqueue" {
            return Answer::json(404, &json!({"status": "not found"}));
        }
        if request.method != "POST" {
            return Answer { status: 405, headers: Vec::new(), body: String::new() };
        }
        let invalid = |errors: &[String]| {
            Answer::json(
                400,
                &json!({"status": "invalid event", "message": "Event object is invalid", "errors": errors}),
            )
        };
        if request.body.len() > 512 * 1024 {
            return Answer::json(413, &json!({"status": "payload too large"}));
        }
        let Some(event) = request.json() else { return invalid(&["JSON parse error".to_owned()]) };
        match self.event(&event) {
            Ok(key) => Answer::json(202, &json!({"status": "success", "message": "Event processed", "dedup_key": key})),
            Err(errors) => invalid(&errors),
        }
    }
}
