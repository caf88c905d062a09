//! A bot: one message for each incident, updated with each transition, and a reply in its thread for each but the first.
//!
//! Whether a message whose answer was lost was posted is told by Slack: each bears the incident's key and the transition's number as
//! metadata (docs.slack.dev, "Message metadata"), which the channel's history gives back. Where the bot may not read it, what is sent
//! again says that it may be a repetition.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::address::{encoded, joined};
use super::super::line::{Line, complaint, post};
use super::super::{Channel, Opening};
use super::{Bot, blocks};
use crate::alert::secret::Secret;
use crate::alert::{Delivery, Outcome};
use crate::http::{Request, Response};

/// The type of the metadata.
const EVENT: &str = "mfatrail_alert";
/// How many messages a page of a history has, and how many pages are read.
const PAGE: usize = 200;
const PAGES: usize = 25;
/// How long before an event a message about it cannot have been posted: clocks differ.
const SKEW: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// Where a message is: `C0123456789/1700000000.000100`, the ledger's reference.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    channel: String,
    ts: String,
}

impl Place {
    fn read(reference: &str) -> Option<Self> {
        let (channel, ts) = reference.split_once('/')?;
        Some(Self { channel: channel.to_owned(), ts: ts.to_owned() })
    }

    fn reference(&self) -> String {
        format!("{}/{}", self.channel, self.ts)
    }
}

/// What Slack answers, with the parts that any method used here has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    ok: bool,
    error: String,
    /// Which scope is missing.
    needed: Option<String>,
    channel: Option<String>,
    ts: Option<String>,
    user_id: Option<String>,
    messages: Vec<Message>,
    has_more: bool,
    response_metadata: Next,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Next {
    next_cursor: String,
}

/// A message of a history.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    ts: String,
    user: String,
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    event_type: String,
    event_payload: Value,
}

/// Why a call did not do what it should.
struct Refusal {
    /// Slack's word for it; empty where Slack said nothing.
    code: String,
    outcome: Outcome,
}

impl From<Outcome> for Refusal {
    fn from(outcome: Outcome) -> Self {
        Self { code: String::new(), outcome }
    }
}

/// What a history says of an earlier attempt.
enum Earlier {
    /// It arrived: where it is, and the number of the transition that it tells.
    Message(Place, Option<u64>),
    /// It did not.
    Nothing,
    /// The history cannot be read that far.
    NotKnown(String),
}

/// A bot that posts.
#[derive(Debug)]
pub(super) struct Posting {
    line: Line,
    url: String,
    channel: String,
    token: Secret,
}

impl Posting {
    pub(super) fn open(bot: &Bot, opening: &Opening<'_>) -> Result<Self, String> {
        let token = bot.token.resolve(opening.vault)?;
        let (url, address) = bot.url.open(opening.vault)?;
        let secrets: Vec<Secret> = address.into_iter().chain([token.clone()]).collect();
        let line = Line::new(opening.deadline, &secrets)?;
        Ok(Self { line, url: url.trim_end_matches('/').to_owned(), channel: bot.channel.clone(), token })
    }

    fn tell(&self, delivery: &Delivery<'_>) -> Result<Outcome, Refusal> {
        match delivery.reference.and_then(Place::read) {
            Some(place) => self.follow(delivery, &place),
            None if !delivery.repetition => self.begin(delivery, true, None),
            None => match self.search(delivery, None)? {
                Earlier::Message(place, number) if number == Some(delivery.alert.sequence) => {
                    Ok(delivered(&place, None))
                }
                Earlier::Message(place, _) => self.follow(delivery, &place),
                Earlier::Nothing => self.begin(delivery, true, None),
                Earlier::NotKnown(why) => self.begin(delivery, false, Some(why)),
            },
        }
    }

    /// Posts the message that will be updated.
    fn begin(&self, delivery: &Delivery<'_>, is_sure: bool, note: Option<String>) -> Result<Outcome, Refusal> {
        let mut body = self.message(delivery, blocks::message(delivery, is_sure), is_sure);
        match self.post(delivery, &body) {
            Err(Refusal { code, .. }) if matches!(code.as_str(), "msg_blocks_too_long" | "invalid_blocks") => {
                // Better without blocks than not at all.
                body["blocks"] = json!([]);
                let note = format!("Slack refused the blocks of the message ({code}); it was posted as text");
                Ok(delivered(&self.post(delivery, &body)?, Some(note)))
            }
            place => Ok(delivered(&place?, note)),
        }
    }

    /// Updates the message, and tells in its thread what is new.
    fn follow(&self, delivery: &Delivery<'_>, place: &Place) -> Result<Outcome, Refusal> {
        let mut update = self.message(delivery, blocks::message(delivery, true), true);
        update["channel"] = place.channel.as_str().into();
        update["ts"] = place.ts.as_str().into();
        let note = match self.call(delivery, "chat.update", &update) {
            Ok(_updated) => None,
            Err(Refusal { code, .. }) if code == "message_not_found" => {
                let note = "the earlier message is gone from Slack; a new one was posted".to_owned();
                return self.begin(delivery, true, Some(note));
            }
            Err(Refusal { code, .. }) if is_uneditable(&code) => {
                Some(format!("Slack does not let the message be edited ({code}); its thread has what is new"))
            }
            Err(refusal) => return Err(refusal),
        };
        let (is_sure, note) = if delivery.repetition {
            match self.search(delivery, Some(place))? {
                Earlier::Message(..) => return Ok(delivered(place, note)),
                Earlier::Nothing => (true, note),
                Earlier::NotKnown(why) => (false, Some(why)),
            }
        } else {
            (true, note)
        };
        let mut reply = self.message(delivery, blocks::head(delivery, is_sure), is_sure);
        reply["channel"] = place.channel.as_str().into();
        reply["thread_ts"] = place.ts.as_str().into();
        // What cannot be seen in the message has to be seen in the channel.
        reply["reply_broadcast"] = note.is_some().into();
        self.post(delivery, &reply)?;
        Ok(delivered(place, note))
    }

    fn message(&self, delivery: &Delivery<'_>, blocks: Vec<Value>, is_sure: bool) -> Value {
        json!({
            "channel": self.channel,
            "text": blocks::fallback(delivery, is_sure),
            "blocks": blocks,
            "mrkdwn": false,
            "parse": "none",
            "unfurl_links": false,
            "unfurl_media": false,
            "metadata": {
                "event_type": EVENT,
                "event_payload": {"key": delivery.alert.key, "sequence": delivery.alert.sequence},
            },
        })
    }

    fn post(&self, delivery: &Delivery<'_>, body: &Value) -> Result<Place, Refusal> {
        let answer = self.call(delivery, "chat.postMessage", body)?;
        match (answer.channel, answer.ts) {
            // As Slack returns them: what was sent may be another name of the channel.
            (Some(channel), Some(ts)) => Ok(Place { channel, ts }),
            _ => Err(unknown("Slack did not say where the message is").into()),
        }
    }

    /// Looks in the channel for the message of an incident, or in its thread for the reply that tells a transition: the newest first,
    /// not earlier than what it tells.
    fn search(&self, delivery: &Delivery<'_>, thread: Option<&Place>) -> Result<Earlier, Refusal> {
        match self.look(delivery, thread) {
            // Whatever the reason, what is sent is more important than whether it is sent twice.
            Err(Refusal { outcome: Outcome::Permanent { reason }, .. }) => Ok(Earlier::NotKnown(format!(
                "whether an earlier attempt arrived could not be looked up, so the message says so: {reason}"
            ))),
            result => result,
        }
    }

    fn look(&self, delivery: &Delivery<'_>, thread: Option<&Place>) -> Result<Earlier, Refusal> {
        let own = self.call(delivery, "auth.test", &json!({}))?.user_id;
        let alert = delivery.alert;
        let oldest = (alert.at.min(delivery.now) - SKEW).timestamp().max(0);
        let mut cursor = String::new();
        for _page in 0..PAGES {
            let (method, of) = match thread {
                Some(place) => ("conversations.replies", format!("channel={}&ts={}", place.channel, place.ts)),
                None => ("conversations.history", format!("channel={}", self.channel)),
            };
            let query =
                format!("{of}&oldest={oldest}&limit={PAGE}&include_all_metadata=true&cursor={}", encoded(&cursor));
            let answer = self.get(delivery, method, &query)?;
            for message in answer.messages {
                let payload = &message.metadata.event_payload;
                let number = payload["sequence"].as_u64();
                // Anybody who may post can post metadata.
                let is_own =
                    own.as_ref().is_none_or(|own| *own == message.user) && message.metadata.event_type == EVENT;
                let is_it = thread.is_none_or(|place| place.ts != message.ts && number == Some(alert.sequence));
                if is_own && is_it && payload["key"].as_str() == Some(&alert.key) {
                    return Ok(Earlier::Message(Place { channel: self.channel.clone(), ts: message.ts }, number));
                }
            }
            cursor = answer.response_metadata.next_cursor;
            if cursor.is_empty() || !answer.has_more {
                return Ok(Earlier::Nothing);
            }
        }
        Ok(Earlier::NotKnown(format!(
            "whether an earlier attempt arrived is not known, so the message says so: it is not in the latest {} messages",
            PAGE * PAGES
        )))
    }

    fn call(&self, delivery: &Delivery<'_>, method: &str, body: &Value) -> Result<Answer, Refusal> {
        self.ask(&post(&self.method(method), &[("Authorization", &self.bearer())], body)?, delivery.now)
    }

    fn get(&self, delivery: &Delivery<'_>, method: &str, query: &str) -> Result<Answer, Refusal> {
        self.ask(&self.query(method, query), delivery.now)
    }

    fn query(&self, method: &str, query: &str) -> Request {
        let headers = vec![("Authorization".to_owned(), self.bearer())];
        Request { url: format!("{}?{query}", self.method(method)), headers, ..Request::default() }
    }

    fn method(&self, name: &str) -> String {
        joined(&self.url, &format!("/{name}"))
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token.expose())
    }

    /// Slack answers 200 for what it refuses, too.
    fn ask(&self, request: &Request, now: chrono::DateTime<chrono::Utc>) -> Result<Answer, Refusal> {
        let response = self.line.send(request, now)?;
        let answer: Answer = self.line.json(&response)?;
        if answer.ok {
            return Ok(answer);
        }
        let outcome = match answer.error.as_str() {
            "" => unknown(&format!("the answer is not Slack's: {}", self.line.reason(&response))),
            code => self.refused(code, answer.needed.as_deref(), &response, now),
        };
        Err(Refusal { code: answer.error, outcome })
    }

    fn refused(
        &self,
        code: &str,
        needed: Option<&str>,
        response: &Response,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Outcome {
        let shown = self.line.quote(code);
        let scope = self.line.quote(needed.unwrap_or_default());
        let reason = match code {
            "missing_scope" => {
                format!("Slack refuses it: {shown} (hint: add the scope {scope} to the app, and install it again)")
            }
            "not_in_channel" | "channel_not_found" => {
                format!("Slack refuses it: {shown} (hint: check `channel`, and invite the bot into it)")
            }
            "is_archived" => format!("Slack refuses it: {shown} (hint: unarchive the channel, or choose another)"),
            "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
                format!("Slack refuses it: {shown} (hint: check `token`)")
            }
            _ => format!("Slack refuses it: {shown}"),
        };
        let wait = self.line.wait(response, now);
        match code {
            "ratelimited" | "rate_limited" | "service_unavailable" | "request_timeout" | "team_added_to_org" => {
                Outcome::RepeatAfter { wait, reason }
            }
            // "It's possible some aspect of the operation succeeded before the error was raised."
            "internal_error" | "fatal_error" => Outcome::Unknown { wait, reason },
            _ => Outcome::Permanent { reason },
        }
    }

    fn looked(&self) -> Result<(), Refusal> {
        let now = chrono::DateTime::UNIX_EPOCH;
        let auth = [("Authorization", self.bearer())];
        let auth = auth.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.ask(&post(&self.method("auth.test"), &auth, &json!({}))?, now)?;
        self.ask(&self.query("conversations.history", &format!("channel={}&limit=1", self.channel)), now)?;
        Ok(())
    }
}

fn delivered(place: &Place, note: Option<String>) -> Outcome {
    Outcome::Delivered { reference: Some(place.reference()), note }
}

fn unknown(reason: &str) -> Outcome {
    Outcome::Unknown { wait: None, reason: reason.to_owned() }
}

/// Whether the message is there and stays as it is.
fn is_uneditable(code: &str) -> bool {
    matches!(code, "cant_update_message" | "edit_window_closed" | "msg_blocks_too_long" | "invalid_blocks")
}

impl Channel for Posting {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        self.tell(delivery).unwrap_or_else(|refusal| refusal.outcome)
    }

    /// By the channel's history; where the bot may not read it, a message that is sent again says that it may be a repetition.
    fn tells_repetitions(&self) -> bool {
        true
    }

    /// Whether the token is accepted and the channel's history can be read; whether the bot may post, only a message shows.
    fn check(&mut self) -> Result<(), String> {
        self.looked().map_err(|refusal| complaint(refusal.outcome))
    }
}
