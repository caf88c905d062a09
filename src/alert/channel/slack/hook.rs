//! An incoming webhook: a message for each transition. It gives nothing back by which one could be found or updated.

use serde_json::{Value, json};

use super::super::address::checked;
use super::super::line::{Line, post};
use super::super::{Channel, Opening};
use super::blocks;
use crate::alert::secret::{Secret, SecretRef};
use crate::alert::{Delivery, Outcome};

/// A webhook of Slack's.
#[derive(Debug)]
pub(super) struct Hook {
    line: Line,
    webhook: Secret,
}

fn body(delivery: &Delivery<'_>) -> Value {
    json!({
        "text": blocks::fallback(delivery, false),
        "blocks": blocks::message(delivery, false),
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

impl Hook {
    pub(super) fn open(webhook: &SecretRef, opening: &Opening<'_>) -> Result<Self, String> {
        let place = webhook;
        let webhook = webhook.resolve(opening.vault)?;
        checked(webhook.expose(), &format!("the address in `{place}`"))?;
        Ok(Self { line: Line::new(opening.deadline, std::slice::from_ref(&webhook))?, webhook })
    }

    fn tell(&self, delivery: &Delivery<'_>) -> Result<Outcome, Outcome> {
        let request = post(self.webhook.expose(), &[], &body(delivery))?;
        let response = self.line.exchange(&request)?;
        match response.status {
            200..300 if response.body.trim_ascii() == b"ok" => Ok(Outcome::Delivered { reference: None, note: None }),
            // Something that answers in Slack's place, such as a proxy's sign-in, or a change of its interface.
            200..300 => Err(Outcome::Unknown {
                wait: None,
                reason: format!("the answer is not Slack's `ok`: {}", self.line.reason(&response)),
            }),
            404 | 410 => Err(Outcome::Permanent {
                reason: format!(
                    "{} (hint: the webhook was removed or its channel is gone; make a new one)",
                    self.line.reason(&response)
                ),
            }),
            _ => Err(self.line.refusal(&response, delivery.now)),
        }
    }
}

impl Channel for Hook {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        self.tell(delivery).unwrap_or_else(|outcome| outcome)
    }

    fn tells_repetitions(&self) -> bool {
        false
    }

    /// Nothing more can be told without a message.
    fn check(&mut self) -> Result<(), String> {
        self.line.reach(self.webhook.expose())
    }
}
