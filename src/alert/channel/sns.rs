//! A topic of Amazon SNS: a message for each transition, to whoever subscribed: a document for programs, text for people, and attributes
//! that filter policies of subscriptions can choose by.
//!
//! SNS does not tell a repetition, but for a FIFO topic, within five minutes.

use serde::Deserialize;
use serde_json::json;

use super::aws::{Access, complaint, outcome, publish};
use super::document::document;
use super::{Channel, Opening, sms};
use crate::alert::ascii::ascii;
use crate::alert::limit::{Limit, fit, line};
use crate::alert::{Alert, Delivery, Fact, Outcome, plain};
use crate::arn::Arn;
use crate::aws::signed::{Caller, SNS};

/// The most bytes of a message: SNS takes 256 KiB with its attributes.
const ROOM: usize = 250_000;
/// `Subject`: less than a hundred characters of ASCII.
const SUBJECT: Limit = Limit::Bytes(99);
/// What an alert is cut to that is larger than a message: all of it escaped, twice where JSON is in JSON, below [`ROOM`].
const PARAGRAPH: Limit = Limit::Bytes(4000);
const LABEL: Limit = Limit::Bytes(100);
const VALUE: Limit = Limit::Bytes(1000);
const FACTS: usize = 30;
const LINKS: usize = 10;
const LONGEST_LINK: usize = 1500;
const MEMBERS: usize = 200;

/// The ARN of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Topic {
    arn: String,
    region: String,
}

impl TryFrom<String> for Topic {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_name = |text: &str| {
            let name = text.strip_suffix(".fifo").unwrap_or(text);
            (1..=256).contains(&text.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let region = Arn::parse(&text)
            .filter(|arn| arn.service == "sns" && is_account(arn.account) && is_name(arn.resource))
            .map(|arn| arn.region.to_owned())
            .filter(|region| !region.is_empty());
        match region {
            Some(region) => Ok(Self { arn: text, region }),
            None => Err(format!(
                "`{text}` is not the ARN of a topic (hint: write it like \"arn:aws:sns:eu-west-1:111122223333:mfa\")"
            )),
        }
    }
}

impl Topic {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    fn is_fifo(&self) -> bool {
        self.arn.ends_with(".fifo")
    }
}

/// What a `[[channel]]` of the kind `sns` has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The topic.
    pub topic: Topic,
    /// How AWS is reached.
    #[serde(default)]
    pub aws: Access,
    /// Another address than that of SNS in the topic's region.
    pub url: Option<String>,
}

impl Settings {
    pub(super) fn open(&self, opening: &Opening<'_>) -> Result<Sns, String> {
        let caller = self.aws.caller(opening.into(), Some(&self.topic.region), SNS.service, self.url.as_deref())?;
        Ok(Sns { caller, topic: self.topic.clone() })
    }
}

/// A message: in the form that lets each protocol of a subscription have its own.
fn message(delivery: &Delivery<'_>) -> Result<String, serde_json::Error> {
    let whole = structure(delivery)?;
    if whole.len() <= ROOM {
        return Ok(whole);
    }
    structure(&Delivery { alert: &shortened(delivery.alert), ..*delivery })
}

fn structure(delivery: &Delivery<'_>) -> Result<String, serde_json::Error> {
    let text = format!("{}\n\n{}", plain::heading(delivery.alert, PARAGRAPH), plain::body(delivery, false));
    let messages = json!({
        "default": serde_json::to_string(&document(delivery))?,
        "email": text,
        "sms": sms::text(delivery, 1),
    });
    Ok(messages.to_string())
}

/// An alert without what has no room: it says so.
fn shortened(alert: &Alert) -> Alert {
    let mut short = alert.clone();
    let text = &mut short.text;
    for paragraph in [&mut text.title, &mut text.summary, &mut text.next_step] {
        *paragraph = line(paragraph, PARAGRAPH);
    }
    let left_out = text.facts.len().saturating_sub(FACTS);
    text.facts.truncate(FACTS);
    for Fact { label, value } in &mut text.facts {
        (*label, *value) = (line(label, LABEL), line(value, VALUE));
    }
    let mut missing = Vec::new();
    if left_out > 0 {
        missing.push(plain::left_out(left_out));
    }
    if short.window.take().is_some() {
        missing.push("the window's details are left out".to_owned());
    }
    if let Some(members) = short.members.as_mut().filter(|members| members.len() > MEMBERS) {
        missing.push(format!("{} more members left out", members.len() - MEMBERS));
        members.truncate(MEMBERS);
    }
    let value = missing.join(", ");
    text.facts.push(Fact { label: "Larger than a message".to_owned(), value });
    text.links.retain(|link| link.url.len() <= LONGEST_LINK);
    text.links.truncate(LINKS);
    for link in &mut text.links {
        link.label = line(&link.label, LABEL);
    }
    short
}

/// What filter policies of subscriptions can choose by.
fn attributes(alert: &Alert) -> Vec<(&'static str, &str)> {
    let class = alert.class.as_deref().map(|class| ("class", class));
    [
        ("severity", alert.severity.name()),
        ("kind", alert.kind.name()),
        ("transition", alert.transition.name()),
        ("account", alert.account.as_str()),
        ("test", if alert.test { "true" } else { "false" }),
    ]
    .into_iter()
    .chain(class)
    .filter(|(_, value)| !value.is_empty())
    .collect()
}

/// The parameters of `Publish`.
fn parameters(topic: &Topic, delivery: &Delivery<'_>) -> Result<Vec<(String, String)>, serde_json::Error> {
    let alert = delivery.alert;
    let mut all = vec![
        ("TopicArn".to_owned(), topic.arn.clone()),
        ("Message".to_owned(), message(delivery)?),
        ("MessageStructure".to_owned(), "json".to_owned()),
    ];
    let subject = fit(plain::heading(alert, PARAGRAPH).trim_start(), SUBJECT, ascii);
    if !subject.is_empty() {
        all.push(("Subject".to_owned(), subject));
    }
    for (n, (name, value)) in attributes(alert).into_iter().enumerate() {
        let entry = format!("MessageAttributes.entry.{}", n + 1);
        all.push((format!("{entry}.Name"), name.to_owned()));
        all.push((format!("{entry}.Value.DataType"), "String".to_owned()));
        all.push((format!("{entry}.Value.StringValue"), line(value, LABEL)));
    }
    if topic.is_fifo() {
        // Of one incident, one after the other.
        all.push(("MessageGroupId".to_owned(), alert.key.clone()));
        all.push(("MessageDeduplicationId".to_owned(), format!("{}/{}", alert.key, alert.sequence)));
    }
    Ok(all)
}

/// A topic.
#[derive(Debug)]
pub(super) struct Sns {
    caller: Caller,
    topic: Topic,
}

impl Sns {
    fn tell(&self, delivery: &Delivery<'_>) -> Result<Outcome, Outcome> {
        let all =
            parameters(&self.topic, delivery).map_err(|error| Outcome::Permanent { reason: error.to_string() })?;
        let id = publish(&self.caller, &all).map_err(|error| outcome(&error, delivery.now))?;
        Ok(Outcome::Delivered { reference: Some(delivery.reference.map_or(id, str::to_owned)), note: None })
    }
}

impl Channel for Sns {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        self.tell(delivery).unwrap_or_else(|outcome| outcome)
    }

    /// A FIFO topic does, but for five minutes only.
    fn tells_repetitions(&self) -> bool {
        false
    }

    /// Whether the topic is there, and somebody subscribed.
    fn check(&mut self) -> Result<(), String> {
        let path = |name| ["GetTopicAttributesResult", "Attributes", "entry", name];
        let asked = self.caller.query(&SNS, "GetTopicAttributes", &[("TopicArn", &self.topic.arn)]);
        let found = asked.and_then(|answer| Ok((answer.texts(&path("key"))?, answer.texts(&path("value"))?)));
        let (keys, values) = found.map_err(|error| complaint(&error, "sns:GetTopicAttributes"))?;
        let number =
            |name: &str| keys.iter().zip(&values).find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        match number("SubscriptionsConfirmed") {
            Some("0") => Err(format!(
                "nobody has subscribed to its topic, and nobody would be told (hint: {} of its subscriptions wait for a confirmation)",
                number("SubscriptionsPending").unwrap_or("0")
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::alert::channel::samples::{alert, delivery, fact, hostile};

    fn topic(name: &str) -> Topic {
        Topic::try_from(format!("arn:aws:sns:eu-west-1:111122223333:{name}")).unwrap()
    }

    fn sent(topic: &Topic, delivery: &Delivery<'_>) -> Vec<(String, String)> {
        parameters(topic, delivery).unwrap()
    }

    fn value<'a>(sent: &'a [(String, String)], name: &str) -> &'a str {
        sent.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    #[test]
    fn a_message_says_everything_to_programs_and_people() {
        let alert = alert();
        let sent = sent(&topic("mfa"), &delivery(&alert));
        assert_eq!(value(&sent, "Subject"), alert.text.title);
        let message: Value = serde_json::from_str(value(&sent, "Message")).unwrap();
        let document: Value = serde_json::from_str(message["default"].as_str().unwrap()).unwrap();
        assert_eq!(
            (document["schema"].as_str(), document["key"].as_str()),
            (Some("mfatrail.alert/1"), Some(&*alert.key))
        );
        let text = message["email"].as_str().unwrap();
        assert!(text.starts_with(&alert.text.title) && text.contains("Actor: arn:aws:iam"), "{text}");
        assert!(message["sms"].as_str().unwrap().len() <= 160);
        let pairs: Vec<_> = sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        for (n, (name, value)) in [
            ("severity", "error"),
            ("kind", "window"),
            ("transition", "opened"),
            ("account", "111122223333"),
            ("test", "false"),
            ("class", "unexplained"),
        ]
        .into_iter()
        .enumerate()
        {
            let entry = format!("MessageAttributes.entry.{}", n + 1);
            assert!(pairs.contains(&(&*format!("{entry}.Name"), name)), "{name} {pairs:?}");
            assert!(pairs.contains(&(&*format!("{entry}.Value.StringValue"), value)), "{value} {pairs:?}");
        }
        assert!(!pairs.iter().any(|(name, _)| name.starts_with("MessageGroup")));
    }

    #[test]
    fn a_fifo_topic_keeps_the_order_of_an_incident() {
        let alert = alert();
        let sent = sent(&topic("mfa.fifo"), &delivery(&alert));
        assert_eq!(value(&sent, "MessageGroupId"), alert.key);
        assert_eq!(value(&sent, "MessageDeduplicationId"), format!("{}/1", alert.key));
        assert!(format!("{}/{}", "x".repeat(101), u64::MAX).len() <= 128, "of the longest key");
    }

    #[test]
    fn whatever_a_stranger_wrote_is_below_the_limits() {
        for text in hostile() {
            let mut alert = alert();
            for own in [&mut alert.text.title, &mut alert.text.summary, &mut alert.text.next_step, &mut alert.subject] {
                own.clone_from(&text);
            }
            alert.class = Some(text.clone());
            alert.account.clone_from(&text);
            alert.text.facts = (0..200).map(|n| fact(&format!("{n}{text}"), &text)).collect();
            alert.window = Some(json!({"text": text.repeat(3)}));
            alert.members = Some(vec!["mfatrail:111122223333:x".repeat(4); 5000]);
            let sent = sent(&topic("mfa"), &Delivery { repetition: true, ..delivery(&alert) });
            let bytes: usize = sent.iter().map(|(name, value)| name.len() + value.len()).sum();
            assert!(bytes < 256 << 10, "{bytes} of {:?}", text.chars().take(20).collect::<String>());
            let subject = value(&sent, "Subject");
            assert!(subject.len() < 100 && subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{subject}");
            assert!(!subject.starts_with(' '));
            let message: Value = serde_json::from_str(value(&sent, "Message")).unwrap();
            let all = message["email"].as_str().unwrap();
            assert!(all.contains("170 more facts left out") && all.contains(plain::REPETITION), "{}", all.len());
            assert!(!all.contains(['\u{202e}', '\u{7}', '\r']));
        }
    }

    #[test]
    fn only_a_topic_is_one() {
        for arn in [
            "arn:aws:sns:eu-west-1:111122223333:mfa",
            "arn:aws-us-gov:sns:us-gov-west-1:111122223333:mfa.fifo",
            "arn:aws-cn:sns:cn-north-1:111122223333:m_f-a",
        ] {
            assert!(Topic::try_from(arn.to_owned()).is_ok(), "{arn}");
        }
        for wrong in [
            "mfa",
            "",
            "arn:aws:sqs:eu-west-1:111122223333:mfa",
            "arn:aws:sns::111122223333:mfa",
            "arn:aws:sns:eu-west-1:1:mfa",
            "arn:aws:sns:eu-west-1:111122223333:",
            "arn:aws:sns:eu-west-1:111122223333:mfa:0a1b2c3d-0000-4000-8000-000000000001",
        ] {
            assert!(Topic::try_from(wrong.to_owned()).is_err_and(|why| why.contains("hint")), "{wrong}");
        }
    }
}
