//! A workflow of Microsoft Teams that takes webhooks: 202 for an Adaptive Card that Teams can show, and nothing by which one could be
//! found again. Whoever knows the address can post.

use serde_json::{Value, json};

use super::{Answer, Api, Request};

pub struct Teams {
    /// The path and the signature of the address.
    pub path: String,
    pub signature: String,
    /// The cards that were posted.
    pub cards: Vec<Value>,
}

impl Teams {
    pub fn new(path: &str, signature: &str) -> Self {
        Self { path: path.to_owned(), signature: signature.to_owned(), cards: Vec::new() }
    }
}

/// What is wrong with an element of a card: text that Teams would read as Markdown, and what it does not know.
fn wrong(element: &Value) -> Option<String> {
    match element["type"].as_str() {
        Some("RichTextBlock") => {
            let inlines = element["inlines"].as_array()?;
            let bad = inlines.iter().find(|run| {
                run["type"] != "TextRun"
                    || run["text"].as_str().is_none_or(|text| text.is_empty() || text.contains("{{"))
            });
            bad.map(|run| format!("inline {run}"))
        }
        other => Some(format!("element {other:?}")),
    }
}

impl Api for Teams {
    fn answer(&mut self, request: &Request) -> Answer {
        let error = |status: u16, code: &str| Answer::json(status, &json!({"error": {"code": code, "message": code}}));
        if request.path != self.path {
            return error(404, "WorkflowNotFound");
        }
        if request.query.get("sig") != Some(&self.signature) {
            return error(401, "DirectApiAuthorizationRequired");
        }
        if request.method != "POST" {
            return error(405, "MethodNotAllowed");
        }
        if request.body.len() > 28 * 1024 {
            return error(413, "RequestEntityTooLarge");
        }
        let Some(message) = request.json() else { return error(400, "InvalidRequestContent") };
        let attachment = &message["attachments"][0];
        let card = &attachment["content"];
        let elements = card["body"].as_array().into_iter().flatten();
        let wrong: Vec<String> = elements.filter_map(wrong).collect();
        let is_card = message["type"] == "message"
            && attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
            && card["type"] == "AdaptiveCard"
            && matches!(card["version"].as_str(), Some("1.2" | "1.3" | "1.4" | "1.5"));
        if !is_card || !wrong.is_empty() {
            return error(400, &format!("InvalidCard {wrong:?}"));
        }
        self.cards.push(card.clone());
        Answer { status: 202, headers: Vec::new(), body: String::new() }
    }
}
