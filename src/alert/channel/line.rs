//! A channel's line: one client, and the secrets that no reason may hold.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer;
use super::redaction::Redaction;
use crate::alert::Outcome;
use crate::alert::secret::Secret;
use crate::http::{Client, Request, Response};

/// What a channel sends by.
#[derive(Debug)]
pub(super) struct Line {
    client: Client,
    secrets: Redaction,
}

impl Line {
    /// A line that waits so long for an answer, and never quotes these secrets.
    pub(super) fn new(deadline: Duration, secrets: &[Secret]) -> Result<Self, String> {
        let client = Client::new(deadline).map_err(|error| format!("could not set up connections: {error}"))?;
        Ok(Self { client, secrets: Redaction::new(secrets) })
    }

    /// Never quotes this one either, from now on.
    pub(super) fn hide(&mut self, secret: &Secret) {
        self.secrets.add(secret);
    }

    /// Sends, and gives the answer, whatever its status is.
    pub(super) fn exchange(&self, request: &Request) -> Result<Response, Outcome> {
        self.client.send(request).map_err(|error| answer::failure(&error, &self.secrets))
    }

    /// Sends, and gives an answer of 2xx.
    pub(super) fn send(&self, request: &Request, now: DateTime<Utc>) -> Result<Response, Outcome> {
        let response = self.exchange(request)?;
        if (200..300).contains(&response.status) { Ok(response) } else { Err(self.refusal(&response, now)) }
    }

    /// What came of a request whose status is none of 2xx, by the policy of all channels.
    pub(super) fn refusal(&self, response: &Response, now: DateTime<Utc>) -> Outcome {
        answer::refusal(response, now, &self.secrets)
    }

    /// How long an answer asks to wait.
    pub(super) fn wait(&self, response: &Response, now: DateTime<Utc>) -> Option<Duration> {
        answer::retry_after(response, now)
    }

    /// The status and how the answer begins, for a reason.
    pub(super) fn reason(&self, response: &Response) -> String {
        answer::reason(response, &self.secrets)
    }

    /// A text of others, for a reason.
    pub(super) fn quote(&self, text: &str) -> String {
        answer::quote(text, &self.secrets)
    }

    /// The JSON of an answer of 2xx. One that has none comes from something else, such as a proxy: nobody knows whether the channel
    /// has what was sent.
    pub(super) fn json<T: DeserializeOwned>(&self, response: &Response) -> Result<T, Outcome> {
        serde_json::from_slice(&response.body).map_err(|_other| Outcome::Unknown {
            wait: None,
            reason: format!("the answer is not what this API gives: {}", self.reason(response)),
        })
    }

    /// Whether there is a connection to an address, and a certificate that is trusted: all that can be told without sending anything.
    pub(super) fn reach(&self, url: &str) -> Result<(), String> {
        self.client.reach(url).map_err(|error| self.secrets.cleaned(&error.to_string()))
    }
}

/// A POST of JSON with more headers.
pub(super) fn post(url: &str, headers: &[(&str, &str)], body: &impl Serialize) -> Result<Request, Outcome> {
    let body = serde_json::to_vec(body).map_err(|error| Outcome::Permanent { reason: error.to_string() })?;
    let own = [("Content-Type", "application/json; charset=utf-8")];
    let headers = own.iter().chain(headers).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Ok(Request { method: Method::POST, url: url.to_owned(), headers, body })
}

/// A GET of JSON.
pub(super) fn get(url: String) -> Request {
    let headers = vec![("Accept".to_owned(), "application/json".to_owned())];
    Request { url, headers, ..Request::default() }
}

/// What is wrong, of a check: the reason of an outcome.
pub(super) fn complaint(outcome: Outcome) -> String {
    match outcome {
        Outcome::RepeatAfter { reason, .. }
        | Outcome::Permanent { reason }
        | Outcome::Partial { reason, .. }
        | Outcome::Unknown { reason, .. } => reason,
        Outcome::Delivered { note, .. } => note.unwrap_or_default(),
    }
}
