//! An alert as a mail: a subject, a text and HTML that say the same, for every channel that sends mail; and what makes a window one
//! thread.
//!
//! The HTML loads nothing, has no script and only inline styles, as mail clients need it. Everything that a stranger chose is escaped by the
//! template and cut before.

use std::time::{Duration, SystemTime};

use askama::Template;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use super::limit::{Limit, first, line};
use super::{Alert, Delivery, plain};
use crate::hash::{hex, sha256};
use crate::incident::{Severity, State, Transition};

/// A subject: one that a list of mails shows, and far below the 998 bytes of a header's line.
const SUBJECT: Limit = Limit::Chars(180);
/// What happened, and what to do.
const PARAGRAPH: Limit = Limit::Chars(3000);
/// A label, and a value.
const LABEL: Limit = Limit::Chars(200);
const VALUE: Limit = Limit::Chars(1000);
/// The most bytes of all facts: some clients cut a mail off at about 100 KB.
const FACTS: usize = 40_000;
/// The longest address of a link, and the most links.
const LONGEST_LINK: usize = 2000;
const LINKS: usize = 10;

/// Whom a mail is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// Those who look after incidents.
    Team,
    /// The owner of the user, who is asked whether that was intended.
    Owner,
}

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// One line.
    pub subject: String,
    /// The text of those who read no HTML.
    pub text: String,
    /// The HTML.
    pub html: String,
}

/// Who sends a mail, and to whom an answer goes.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'s> {
    /// From whom.
    pub from: &'s Mailbox,
    /// Where answers go, if not there.
    pub reply_to: Option<&'s Mailbox>,
}

/// The parts of an alert, each in one line and not too long; not yet escaped.
struct Parts {
    title: String,
    notices: Vec<String>,
    summary: String,
    advice: String,
    /// A command that ends the next step.
    command: Option<String>,
    facts: Vec<(String, String)>,
    left_out: Option<String>,
    links: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Page<'p> {
    subject: &'p str,
    color: &'static str,
    status: String,
    parts: &'p Parts,
    key: &'p str,
    sequence: u64,
}

impl Mail {
    /// The mail of a delivery.
    #[must_use]
    pub fn new(delivery: &Delivery<'_>, audience: Audience) -> Self {
        let alert = delivery.alert;
        let parts = Parts::new(delivery, audience);
        let subject = subject(alert, audience);
        let page = Page {
            subject: &subject,
            color: color(alert),
            status: format!("{} · {}", severity(alert.severity), state(alert)),
            parts: &parts,
            key: &alert.key,
            sequence: alert.sequence,
        };
        // A template of texts alone cannot fail; were it to, the text part still says everything.
        let html = page.render().unwrap_or_default();
        Self { text: parts.text(alert), subject, html }
    }

    /// The whole mail (RFC 5322) with its headers, in 7-bit lines.
    ///
    /// # Errors
    /// When there is nobody to send it to.
    pub fn message(
        &self,
        delivery: &Delivery<'_>,
        sender: Sender<'_>,
        audience: Audience,
        to: &[Mailbox],
    ) -> Result<Vec<u8>, String> {
        let alert = delivery.alert;
        let domain = sender.from.email.domain();
        let at = u64::try_from(delivery.now.timestamp()).unwrap_or_default();
        let mut builder = lettre::Message::builder()
            .from(sender.from.clone())
            .subject(&self.subject)
            .date(SystemTime::UNIX_EPOCH + Duration::from_secs(at))
            .message_id(Some(message_id(alert, audience, domain)));
        for one in to {
            builder = builder.to(one.clone());
        }
        if let Some(reply_to) = sender.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        if alert.sequence > 1 {
            let thread = thread_id(alert, audience, domain);
            builder = builder.in_reply_to(thread.clone()).references(thread);
        }
        for (name, value) in headers() {
            let value = HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
            builder = builder.raw_header(value);
        }
        let body = MultiPart::alternative_plain_html(self.text.clone(), self.html.clone());
        builder.multipart(body).map(|message| message.formatted()).map_err(|error| error.to_string())
    }
}

/// Headers that keep robots from answering: RFC 3834, and what Exchange reads.
#[must_use]
pub const fn headers() -> [(&'static str, &'static str); 2] {
    [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")]
}

/// The identity of a mail, of the incident and the transition alone: what is sent again has it again, and a mailbox may tell.
#[must_use]
pub fn message_id(alert: &Alert, audience: Audience, domain: &str) -> String {
    identity(alert, alert.sequence, audience, domain)
}

/// The identity of an incident's first mail, to which the later ones answer.
#[must_use]
pub fn thread_id(alert: &Alert, audience: Audience, domain: &str) -> String {
    identity(alert, 1, audience, domain)
}

fn identity(alert: &Alert, sequence: u64, audience: Audience, domain: &str) -> String {
    let digest = hex(&sha256(alert.key.as_bytes()));
    let incident = digest.get(..32).unwrap_or_default();
    let owner = if audience == Audience::Owner { ".owner" } else { "" };
    format!("<mfatrail.{incident}.{sequence}{owner}@{domain}>")
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::Error => "Error",
        Severity::Warning => "Warning",
        Severity::Info => "Info",
    }
}

fn state(alert: &Alert) -> &'static str {
    match alert.state {
        State::Open => "open",
        State::Acknowledged => "acknowledged",
        State::Resolved => "resolved",
        State::Withdrawn => "withdrawn",
    }
}

/// The color of the bar and of what belongs to it, dark enough to be read on white.
fn color(alert: &Alert) -> &'static str {
    match (alert.state.is_ended(), alert.severity) {
        // Not green: that it is over does not say that all is well.
        (true, _) => "#52606d",
        (false, Severity::Critical) => "#a61b1b",
        (false, Severity::Error) => "#b4480f",
        (false, Severity::Warning) => "#8a6100",
        (false, Severity::Info) => "#2c5f9e",
    }
}

fn subject(alert: &Alert, audience: Audience) -> String {
    let asks = if is_question(alert, audience) { "Was this you? " } else { "" };
    let test = if alert.test { "[Test] " } else { "" };
    let severity = severity(alert.severity);
    // A title may begin with the severity already.
    let title = alert.text.title.strip_prefix(&format!("{severity}: ")).unwrap_or(&alert.text.title);
    line(&format!("[{severity}] {test}{asks}{title}"), SUBJECT)
}

/// Whether an owner is asked, and not only told how it went on.
fn is_question(alert: &Alert, audience: Audience) -> bool {
    audience == Audience::Owner && alert.transition == Transition::Opened && !alert.state.is_ended()
}

/// What an owner is told first.
fn to_owner(alert: &Alert) -> String {
    let about = line(&alert.subject, LABEL);
    let asks = if is_question(alert, Audience::Owner) {
        "Was this you, or did you know of it? If not, tell your security team now."
    } else {
        "You were asked about this incident earlier; this is how it went on."
    };
    format!("You receive this because you are recorded as the owner of {about}. {asks}")
}

impl Parts {
    fn new(delivery: &Delivery<'_>, audience: Audience) -> Self {
        let alert = delivery.alert;
        let text = &alert.text;
        let mut notices: Vec<String> = plain::notices(delivery, false).into_iter().map(str::to_owned).collect();
        if audience == Audience::Owner {
            notices.push(to_owner(alert));
        }
        let facts = text.facts.iter().map(|fact| (line(&fact.label, LABEL), line(&fact.value, VALUE)));
        let (facts, left_out) = first(facts, FACTS, |(label, value)| label.len() + value.len());
        let (advice, command) = split(&text.next_step);
        let links = text.links.iter().filter(|link| link.url.starts_with("https://") && link.url.len() <= LONGEST_LINK);
        Self {
            title: plain::heading(alert, PARAGRAPH),
            notices,
            summary: line(&text.summary, PARAGRAPH),
            advice: line(advice, PARAGRAPH),
            command: command.map(|command| line(command, PARAGRAPH)),
            facts,
            left_out: (left_out > 0).then(|| plain::left_out(left_out)),
            links: links.take(LINKS).map(|link| (line(&link.label, LABEL), line(&link.url, PARAGRAPH))).collect(),
        }
    }

    fn text(&self, alert: &Alert) -> String {
        let next = match &self.command {
            Some(command) => format!("Next step: {}\n\n    {command}", self.advice),
            None => format!("Next step: {}", self.advice),
        };
        let mut paragraphs = vec![self.title.clone()];
        paragraphs.extend(self.notices.iter().cloned());
        paragraphs.extend([self.summary.clone(), next]);
        let pairs = |pairs: &[(String, String)]| {
            let lines: Vec<String> = pairs.iter().map(|(label, value)| format!("{label}: {value}")).collect();
            lines.join("\n")
        };
        paragraphs.push(pairs(&self.facts));
        paragraphs.extend(self.left_out.clone());
        paragraphs.push(pairs(&self.links));
        paragraphs.push(format!("Sent by mfatrail watch. Incident {}, message {}.", alert.key, alert.sequence));
        paragraphs.retain(|paragraph| !paragraph.is_empty());
        format!("{}\n", paragraphs.join("\n\n"))
    }
}

/// A next step and the command at its end, in backticks, which no command of ours has in it.
fn split(next_step: &str) -> (&str, Option<&str>) {
    let command = next_step.strip_suffix('`').and_then(|text| text.rsplit_once('`'));
    match command {
        Some((advice, command)) if !command.is_empty() => (advice.trim_end(), Some(command)),
        _ => (next_step, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::samples::{alert, delivery, fact, hostile};
    use crate::alert::plain::REPETITION;

    fn mail(alert: &Alert) -> Mail {
        Mail::new(&delivery(alert), Audience::Team)
    }

    #[test]
    fn a_mail_says_in_text_and_in_html_the_same() {
        let mut alert = alert();
        alert.text.next_step = "Ask alice. Full history: `mfatrail history --store s --user alice`".to_owned();
        let mail = mail(&alert);
        assert_eq!(mail.subject, "[Error] MFA removed from user alice (account 111122223333)");
        for part in [
            "mallory removed the last",
            "Ask alice. Full history:",
            "mfatrail history --store s --user alice",
            "aws-cli/2",
            "alice in the IAM console",
            "https://us-east-1.console.aws.amazon.com/iam/home#/users/details/alice",
            &alert.key,
        ] {
            assert!(mail.text.contains(part) && mail.html.contains(part), "{part}");
        }
        assert!(mail.html.contains(">mfatrail history --store s --user alice</pre>"));
        assert!(!mail.html.contains("<img") && !mail.html.contains("<script") && !mail.html.contains("<link"));
    }

    #[test]
    fn severity_state_and_marks_are_seen_first() {
        let mut alert = alert();
        for (severity, word) in
            [(Severity::Critical, "[Critical] "), (Severity::Warning, "[Warning] "), (Severity::Info, "[Info] ")]
        {
            alert.severity = severity;
            assert!(mail(&alert).subject.starts_with(word));
        }
        alert.severity = Severity::Critical;
        let title = std::mem::replace(&mut alert.text.title, "Critical: MFA removed".to_owned());
        assert_eq!(mail(&alert).subject, "[Critical] MFA removed");
        (alert.text.title, alert.severity) = (title, Severity::Info);
        alert.test = true;
        let again = Mail::new(&Delivery { repetition: true, ..delivery(&alert) }, Audience::Team);
        assert!(again.subject.starts_with("[Info] [Test] MFA removed"), "{}", again.subject);
        assert!(again.text.contains(REPETITION) && again.html.contains(REPETITION));
        alert.state = State::Resolved;
        assert!(mail(&alert).html.contains("Info · resolved") && mail(&alert).html.contains("#52606d"));
    }

    #[test]
    fn an_owner_is_asked_once_and_then_told() {
        let mut alert = alert();
        let asked = Mail::new(&delivery(&alert), Audience::Owner);
        assert!(
            asked.subject.starts_with("[Error] Was this you? MFA removed") && asked.text.contains("Was this you, or")
        );
        alert.transition = Transition::Resolved;
        alert.state = State::Resolved;
        let told = Mail::new(&delivery(&alert), Audience::Owner);
        assert!(!told.text.contains("Was this you") && told.text.contains("how it went on"), "{}", told.text);
        assert_ne!(message_id(&alert, Audience::Owner, "x"), message_id(&alert, Audience::Team, "x"));
    }

    #[test]
    fn nothing_of_a_stranger_is_markup_a_line_or_a_header() {
        let from: Mailbox = "mfatrail <mfatrail@example.com>".parse().unwrap();
        for text in hostile() {
            let mut alert = alert();
            alert.text.title.clone_from(&text);
            alert.text.summary.clone_from(&text);
            alert.text.next_step.clone_from(&text);
            alert.subject.clone_from(&text);
            alert.text.facts = (0..100).map(|_| fact(&text, &text)).collect();
            let delivery = delivery(&alert);
            let mail = Mail::new(&delivery, Audience::Owner);
            let tags = mail.html.matches('<').count();
            let plain = Mail::new(
                &super::super::channel::samples::delivery(&super::super::channel::samples::alert()),
                Audience::Owner,
            );
            let shown = mail.html.matches("<th ").count();
            let expected = plain.html.matches('<').count() + (shown - 3) * 6;
            assert!(tags.abs_diff(expected) <= 2, "{tags} {expected} {}", text.chars().take(40).collect::<String>());
            assert!(!mail.subject.contains(['\r', '\n', '\u{202e}']) && SUBJECT.allows(&mail.subject));
            assert!(
                mail.text.len() < 600_000 && mail.html.len() < 1_200_000,
                "{} {}",
                mail.text.len(),
                mail.html.len()
            );
            let sender = Sender { from: &from, reply_to: None };
            let message = mail.message(&delivery, sender, Audience::Team, std::slice::from_ref(&from)).unwrap();
            assert!(message.is_ascii() && message.split(|byte| *byte == b'\n').all(|line| line.len() < 998));
            let message = String::from_utf8(message).unwrap();
            let head = message.split_once("\r\n\r\n").unwrap().0;
            let names = head.lines().filter(|line| !line.starts_with([' ', '\t']));
            let names: Vec<&str> = names.map(|line| line.split_once(':').unwrap().0).collect();
            assert_eq!(
                names,
                [
                    "From",
                    "Subject",
                    "Date",
                    "Message-ID",
                    "To",
                    "Auto-Submitted",
                    "X-Auto-Response-Suppress",
                    "MIME-Version",
                    "Content-Type"
                ]
            );
        }
    }

    #[test]
    fn a_window_is_one_thread_and_a_repetition_has_the_same_identity() {
        let from: Mailbox = "mfatrail@example.com".parse().unwrap();
        let sender = Sender { from: &from, reply_to: Some(&from) };
        let mut alert = alert();
        let raw = |delivery: &Delivery<'_>| {
            let mail = Mail::new(delivery, Audience::Team);
            String::from_utf8(mail.message(delivery, sender, Audience::Team, std::slice::from_ref(&from)).unwrap())
                .unwrap()
        };
        let own = |text: &str, name: &str| {
            text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
        };
        let first = raw(&delivery(&alert));
        let again = raw(&Delivery { repetition: true, ..delivery(&alert) });
        assert_eq!(own(&first, "Message-ID"), own(&again, "Message-ID"));
        assert!(own(&first, "References").is_none() && own(&first, "Reply-To").is_some());
        alert.sequence = 2;
        let next = raw(&delivery(&alert));
        assert_eq!(own(&next, "References"), own(&first, "Message-ID"));
        assert_eq!(own(&next, "In-Reply-To"), own(&first, "Message-ID"));
        assert_ne!(own(&next, "Message-ID"), own(&first, "Message-ID"));
    }
}
