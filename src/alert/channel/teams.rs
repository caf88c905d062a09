//! Microsoft Teams by a workflow that takes webhooks ("Send webhook alerts to a channel"): an Adaptive Card for each transition.
//! Nothing that was sent can be updated or asked for.
//!
//! Text is in `TextRun`s, which know no Markdown; a `TextBlock` or a `FactSet` would take `**` and `[x](y)` of a name for markup.

use serde::Deserialize;
use serde_json::{Value, json};

use super::address::checked;
use super::line::{Line, post};
use super::{Channel, Opening};
use crate::alert::limit::{Limit, first, line};
use crate::alert::secret::{Secret, SecretRef};
use crate::alert::{Delivery, Outcome, plain};

/// The most bytes of a message: Teams takes about 28 KB.
const ROOM: usize = 26_000;
/// A title.
const TITLE: Limit = Limit::Bytes(400);
/// What happened, and what to do.
const PARAGRAPH: Limit = Limit::Bytes(3000);
/// The label and the value of a fact.
const FACT: Limit = Limit::Bytes(1000);
/// The longest address of a link, and how many there are: a card shows six buttons at most.
const LONGEST_LINK: usize = 1500;
const LINKS: usize = 4;

/// What a `[[channel]]` of the kind `teams` has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the workflow's address is, which is the secret: whoever knows it can post.
    pub webhook: SecretRef,
}

impl Settings {
    pub(super) fn open(&self, opening: &Opening<'_>) -> Result<Teams, String> {
        let webhook = self.webhook.resolve(opening.vault)?;
        checked(webhook.expose(), &format!("the address in `{}`", self.webhook))?;
        Ok(Teams { line: Line::new(opening.deadline, std::slice::from_ref(&webhook))?, webhook })
    }

    pub(super) fn secrets(&self) -> Vec<&SecretRef> {
        vec![&self.webhook]
    }
}

fn body(delivery: &Delivery<'_>) -> Value {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card(delivery),
        }],
    })
}

fn card(delivery: &Delivery<'_>) -> Value {
    let text = &delivery.alert.text;
    let heading = run(&plain::heading(delivery.alert, TITLE), json!({"size": "large", "weight": "bolder"}));
    let mut blocks = vec![paragraph(&[heading], "default")];
    for notice in plain::notices(delivery, false) {
        blocks.push(paragraph(&[run(notice, json!({"italic": true}))], "default"));
    }
    blocks.push(paragraph(&[run(&line(&text.summary, PARAGRAPH), json!({}))], "default"));
    blocks.push(paragraph(&[bold("Next step: "), run(&line(&text.next_step, PARAGRAPH), json!({}))], "default"));
    let links = text.links.iter().filter(|link| link.url.len() <= LONGEST_LINK).take(LINKS);
    let actions: Vec<Value> = links
        .map(|link| json!({"type": "Action.OpenUrl", "title": literal(&line(&link.label, TITLE)), "url": link.url}))
        .collect();
    let used: usize = blocks.iter().chain(&actions).map(size).sum();
    let facts = text.facts.iter().map(|fact| {
        let label = bold(&format!("{}: ", line(&fact.label, FACT)));
        paragraph(&[label, run(&line(&fact.value, FACT), json!({}))], "none")
    });
    let (facts, left_out) = first(facts, ROOM.saturating_sub(used), size);
    blocks.extend(facts);
    if left_out > 0 {
        blocks.push(paragraph(&[run(&plain::left_out(left_out), json!({"italic": true}))], "none"));
    }
    json!({
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": blocks,
        "actions": actions,
    })
}

fn size(value: &Value) -> usize {
    value.to_string().len() + 1
}

fn paragraph(inlines: &[Value], spacing: &str) -> Value {
    json!({"type": "RichTextBlock", "inlines": inlines, "spacing": spacing})
}

fn bold(text: &str) -> Value {
    run(text, json!({"weight": "bolder"}))
}

/// A text as it is, in a style.
fn run(text: &str, mut style: Value) -> Value {
    if let Some(style) = style.as_object_mut() {
        style.insert("type".to_owned(), "TextRun".into());
        style.insert("text".to_owned(), literal(text).into());
    }
    style
}

/// Without the functions of cards, `{{DATE(…)}}` and `{{TIME(…)}}`, which have no escape; a card's text is not empty.
fn literal(text: &str) -> String {
    if text.is_empty() { "–".to_owned() } else { text.replace("{{", "{ {") }
}

/// A channel of Teams.
#[derive(Debug)]
pub(super) struct Teams {
    line: Line,
    webhook: Secret,
}

impl Teams {
    fn tell(&self, delivery: &Delivery<'_>) -> Result<Outcome, Outcome> {
        let request = post(self.webhook.expose(), &[], &body(delivery))?;
        let response = self.line.send(&request, delivery.now)?;
        // A workflow that takes it answers 202 and nothing more. A page comes from something before it, such as a sign-in.
        let page = response.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        if response.status == 202 || (response.body.is_empty() && !page) {
            return Ok(Outcome::Delivered { reference: None, note: None });
        }
        Err(Outcome::Unknown {
            wait: None,
            reason: format!("the answer is not what a workflow gives: {}", self.line.reason(&response)),
        })
    }
}

impl Channel for Teams {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        self.tell(delivery).unwrap_or_else(|outcome| outcome)
    }

    fn tells_repetitions(&self) -> bool {
        false
    }

    /// Nothing more can be told without a delivery.
    fn check(&mut self) -> Result<(), String> {
        self.line.reach(self.webhook.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::samples::{alert, delivery, fact, hostile};

    #[test]
    fn a_card_says_everything() {
        let alert = alert();
        let text = body(&delivery(&alert)).to_string();
        for part in
            [alert.text.title.as_str(), "mallory removed", "Ask alice", "User agent: ", "aws-cli/2", "Action.OpenUrl"]
        {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(!text.contains("left out") && !text.contains("repetition"));
        let again = body(&Delivery { repetition: true, ..delivery(&alert) }).to_string();
        assert!(again.contains(plain::REPETITION), "{again}");
    }

    /// Every text of a card.
    fn texts(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                assert!(!matches!(object.get("type").and_then(Value::as_str), Some("TextBlock" | "FactSet")));
                for (key, value) in object {
                    match value {
                        Value::String(text) if matches!(key.as_str(), "text" | "title") => into.push(text.clone()),
                        other => texts(other, into),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| texts(value, into)),
            _ => {}
        }
    }

    #[test]
    fn whatever_a_stranger_wrote_is_text_below_the_limits() {
        for text in hostile() {
            let mut alert = alert();
            alert.text.title.clone_from(&text);
            alert.text.summary.clone_from(&text);
            alert.text.next_step.clone_from(&text);
            alert.text.links[0].label.clone_from(&text);
            alert.text.facts = (0..200).map(|_| fact(&text, &text)).collect();
            let body = body(&delivery(&alert));
            assert!(body.to_string().len() < 28_000, "{}", body.to_string().len());
            let mut shown = Vec::new();
            texts(&body, &mut shown);
            assert!(shown.iter().all(|text| !text.is_empty() && !text.contains("{{")), "{shown:?}");
            assert!(!body.to_string().contains(['\u{202e}', '\u{200b}', '\u{7}']));
            assert!(shown.iter().any(|text| text.ends_with("left out")) || text.len() < 60, "{shown:?}");
        }
    }
}
