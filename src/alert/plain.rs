//! An alert as plain text, for channels that have no more: a heading, and lines under it.

use super::limit::{Limit, first, line};
use super::{Alert, Delivery};
use crate::escape::visible;
use crate::units::plural;

/// What stands at the head of what may have been sent before.
pub const REPETITION: &str =
    "Possible repetition: whether an earlier attempt to deliver this message arrived is not known.";
/// What stands at the head of a test.
pub const TEST: &str = "This is a test of the alert channel. Nothing happened.";

/// The title in one line, of a test marked as such.
#[must_use]
pub fn heading(alert: &Alert, limit: Limit) -> String {
    let test = if alert.test { "[Test] " } else { "" };
    line(&format!("{test}{}", alert.text.title), limit)
}

/// What has to be said about the message itself, before what it says. A channel that tells repetitions by itself says nothing of
/// them.
#[must_use]
pub fn notices(delivery: &Delivery<'_>, tells_repetitions: bool) -> Vec<&'static str> {
    let test = delivery.alert.test.then_some(TEST);
    let repetition = (delivery.repetition && !tells_repetitions).then_some(REPETITION);
    [test, repetition].into_iter().flatten().collect()
}

/// `Label: value` for each fact, each one line.
#[must_use]
pub fn facts(alert: &Alert) -> Vec<String> {
    alert.text.facts.iter().map(|fact| format!("{}: {}", visible(&fact.label), visible(&fact.value))).collect()
}

/// `Label: address` for each link, each one line.
#[must_use]
pub fn links(alert: &Alert) -> Vec<String> {
    alert.text.links.iter().map(|link| format!("{}: {}", visible(&link.label), visible(&link.url))).collect()
}

/// Everything but the heading, in paragraphs: notices, what happened, what to do, facts, links.
#[must_use]
pub fn body(delivery: &Delivery<'_>, tells_repetitions: bool) -> String {
    let alert = delivery.alert;
    let own = |notice: &str| vec![notice.to_owned()];
    let mut paragraphs: Vec<Vec<String>> = notices(delivery, tells_repetitions).into_iter().map(own).collect();
    paragraphs.push(vec![visible(&alert.text.summary)]);
    paragraphs.push(vec![format!("Next step: {}", visible(&alert.text.next_step))]);
    paragraphs.push(facts(alert));
    paragraphs.push(links(alert));
    paragraphs.retain(|lines| !lines.is_empty());
    paragraphs.iter().map(|lines| lines.join("\n")).collect::<Vec<_>>().join("\n\n")
}

/// [`body`] in no more than so many bytes: paragraphs are cut, and facts without room are counted.
#[must_use]
pub fn fitted(delivery: &Delivery<'_>, room: usize) -> String {
    let text = &delivery.alert.text;
    let part = Limit::Bytes(room / 5);
    let mut head: Vec<String> = notices(delivery, false).into_iter().map(str::to_owned).collect();
    head.extend([line(&text.summary, part), format!("Next step: {}", line(&text.next_step, part))]);
    let (links, _) = first(links(delivery.alert), room / 5, |link| link.len() + 1);
    // Between paragraphs, and what may have to be said of facts that are left out.
    let used: usize = head.iter().chain(&links).map(|part| part.len() + 2).sum::<usize>() + 64;
    let facts = text.facts.iter().map(|fact| format!("{}: {}", line(&fact.label, part), line(&fact.value, part)));
    let (mut facts, without) = first(facts, room.saturating_sub(used), |fact| fact.len() + 1);
    if without > 0 {
        facts.push(left_out(without));
    }
    head.extend([facts.join("\n"), links.join("\n")]);
    head.retain(|paragraph| !paragraph.is_empty());
    head.join("\n\n")
}

/// What stands where there was no room for so many facts.
#[must_use]
pub fn left_out(facts: usize) -> String {
    format!("{} left out", plural(facts, "more fact", "more facts"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::samples::{alert, delivery, fact, hostile};

    #[test]
    fn a_body_is_in_paragraphs_and_says_first_what_it_is() {
        let mut alert = alert();
        assert!(body(&delivery(&alert), false).starts_with("At 2026-10-05T09:00:00Z, mallory"));
        alert.test = true;
        let again = Delivery { repetition: true, ..delivery(&alert) };
        let text = body(&again, false);
        assert!(text.starts_with(&format!("{TEST}\n\n{REPETITION}\n\nAt ")), "{text}");
        assert!(text.contains("\n\nNext step: Ask alice") && text.contains("\nUser agent: aws-cli/2\n\n"), "{text}");
        assert!(!body(&again, true).contains(REPETITION));
        assert!(heading(&alert, Limit::Chars(12)).starts_with("[Test] "));
    }

    #[test]
    fn no_text_of_a_stranger_makes_a_line() {
        for text in hostile() {
            let mut alert = alert();
            alert.text.facts = vec![fact(&text, &text)];
            alert.text.summary.clone_from(&text);
            let body = body(&delivery(&alert), false);
            let lines = body.lines().count();
            assert!(matches!(lines, 7 | 6), "{lines}: {}", body.chars().take(200).collect::<String>());
            assert!(!body.contains(['\u{202e}', '\u{7}', '\r']));
        }
    }
}
