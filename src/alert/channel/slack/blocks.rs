//! A message in blocks of rich text, whose elements are text and never markup: there is nothing to escape in them. `mrkdwn` has no
//! escape for `*`, `_`, `~` and backticks.
//!
//! Slack counts the characters of all blocks of a message together, in a way that no document describes: 13,297 were the most in blocks
//! of one kind (slackapi/bolt-js#2509), and less where there are more blocks (#2867). Here all of the JSON is below 10,000 bytes.

use serde_json::{Value, json};

use crate::alert::limit::{Limit, first, fit, line};
use crate::alert::{Delivery, markup, plain};

/// The most bytes of all blocks.
const ROOM: usize = 10_000;
/// What is left of it for the line that says how much was left out, and for the frames of facts and links.
const FRAMES: usize = 500;
/// A title.
const TITLE: Limit = Limit::Bytes(300);
/// What happened.
const SUMMARY: Limit = Limit::Bytes(1500);
/// What to do next.
const NEXT_STEP: Limit = Limit::Bytes(1000);
/// The label and the value of a fact.
const FACT: Limit = Limit::Bytes(400);
/// The longest address of a link, and how many there are.
const LONGEST_LINK: usize = 800;
const LINKS: usize = 3;

/// All that an alert says.
pub(super) fn message(delivery: &Delivery<'_>, tells_repetitions: bool) -> Vec<Value> {
    let text = &delivery.alert.text;
    let mut blocks = head(delivery, tells_repetitions);
    blocks.push(rich(&[bold("Next step: "), plain_text(&line(&text.next_step, NEXT_STEP))]));
    let links = text.links.iter().filter(|link| link.url.len() <= LONGEST_LINK).take(LINKS);
    let links: Vec<Value> = links
        .flat_map(|link| {
            let label = line(&link.label, FACT);
            [json!({"type": "link", "url": link.url, "text": shown(&label)}), plain_text("\n")]
        })
        .collect();
    let used: usize = blocks.iter().chain(&links).map(size).sum();
    let facts = text.facts.iter().map(|fact| {
        let label = bold(&format!("{}: ", line(&fact.label, FACT)));
        [label, plain_text(&format!("{}\n", shown(&line(&fact.value, FACT))))]
    });
    let pair = |pair: &[Value; 2]| pair.iter().map(size).sum();
    let (facts, left_out) = first(facts, ROOM.saturating_sub(FRAMES + used), pair);
    let mut facts: Vec<Value> = facts.into_iter().flatten().collect();
    if left_out > 0 {
        facts.push(plain_text(&plain::left_out(left_out)));
    }
    blocks.extend([facts, links].into_iter().filter(|elements| !elements.is_empty()).map(|elements| rich(&elements)));
    blocks
}

/// The title, what has to be said about the message itself, and what happened: what stands in a thread, too.
pub(super) fn head(delivery: &Delivery<'_>, tells_repetitions: bool) -> Vec<Value> {
    let mut blocks = vec![rich(&[bold(&plain::heading(delivery.alert, TITLE))])];
    let notices = plain::notices(delivery, tells_repetitions).into_iter();
    blocks.extend(notices.map(|notice| rich(&[json!({"type": "text", "text": notice, "style": {"italic": true}})])));
    blocks.push(rich(&[plain_text(&line(&delivery.alert.text.summary, SUMMARY))]));
    blocks
}

/// The text of a message for notifications, and for where blocks cannot be shown.
pub(super) fn fallback(delivery: &Delivery<'_>, tells_repetitions: bool) -> String {
    let own = plain::notices(delivery, tells_repetitions).into_iter().map(str::to_owned);
    let title = plain::heading(delivery.alert, TITLE);
    let parts = [title, delivery.alert.text.summary.clone()];
    let parts = parts.iter().map(|part| fit(part, SUMMARY, markup::slack));
    own.chain(parts).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn size(value: &Value) -> usize {
    value.to_string().len() + 1
}

fn rich(elements: &[Value]) -> Value {
    json!({"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]})
}

fn plain_text(text: &str) -> Value {
    json!({"type": "text", "text": shown(text)})
}

fn bold(text: &str) -> Value {
    json!({"type": "text", "text": shown(text), "style": {"bold": true}})
}

/// Slack takes no empty text.
fn shown(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::samples::{alert, delivery, fact, hostile};

    #[test]
    fn a_message_says_everything() {
        let alert = alert();
        let text = Value::from(message(&delivery(&alert), true)).to_string();
        for part in [
            alert.text.title.as_str(),
            "mallory removed",
            "Ask alice",
            "User agent: ",
            "aws-cli/2",
            "in the IAM console",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(!text.contains("left out") && !text.contains("repetition"));
        let again = Delivery { repetition: true, ..delivery(&alert) };
        assert!(Value::from(message(&again, false)).to_string().contains(plain::REPETITION));
        assert!(fallback(&again, false).starts_with(plain::REPETITION));
        assert!(!fallback(&again, true).contains(plain::REPETITION));
    }

    /// All elements are rich text, and none is empty.
    fn texts(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                let kind = object["type"].as_str().unwrap();
                assert!(matches!(kind, "rich_text" | "rich_text_section" | "text" | "link"), "{kind}");
                into.extend(object.get("text").and_then(Value::as_str).map(str::to_owned));
                object.get("elements").into_iter().for_each(|elements| texts(elements, into));
            }
            Value::Array(values) => values.iter().for_each(|value| texts(value, into)),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn whatever_a_stranger_wrote_is_text_below_the_limits() {
        for text in hostile() {
            let mut alert = alert();
            alert.text.title.clone_from(&text);
            alert.text.summary.clone_from(&text);
            alert.text.next_step.clone_from(&text);
            alert.text.links =
                (0..9).map(|_| crate::alert::Link { label: text.clone(), ..alert.text.links[0].clone() }).collect();
            alert.text.facts = (0..200).map(|_| fact(&text, &text)).collect();
            let again = Delivery { repetition: true, ..delivery(&alert) };
            let blocks = Value::from(message(&again, false));
            assert!(blocks.to_string().len() < ROOM, "{}", blocks.to_string().len());
            let mut shown = Vec::new();
            texts(&blocks, &mut shown);
            assert!(shown.iter().all(|text| !text.is_empty()) && shown.iter().any(|text| text.ends_with("left out")));
            assert!(!blocks.to_string().contains(['\u{202e}', '\u{200b}', '\u{7}']));
            let fallback = fallback(&again, false);
            assert!(fallback.len() < 4000 && !fallback.contains(['<', '>', '\u{202e}', '\u{7}']), "{fallback}");
            let entities = fallback.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
            assert!(!entities.contains('&'), "{fallback}");
        }
    }
}
