//! A line to an API that knows who is asking: by a header that stays, or by a token (OAuth 2) that is fetched, kept while it is valid, and
//! renewed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::address::encoded;
use super::line::Line;
use crate::alert::Outcome;
use crate::alert::secret::Secret;
use crate::http::{Request, Response};

/// How long before its end a token is renewed.
const EARLY: TimeDelta = TimeDelta::seconds(60);
/// How long a token is kept whose answer does not say how long it is valid, in seconds.
const UNSAID: i64 = 300;
/// The longest that one is kept, in seconds.
const LONGEST: i64 = 86_400;

/// Who is asking.
pub(super) enum Identity {
    /// A header and its value.
    Header(&'static str, String),
    /// Whoever this request gives a token to.
    Token(Request),
}

impl Identity {
    /// A user and a password, or what stands for one; and what no reason may show of them.
    pub(super) fn basic(user: &str, password: &Secret) -> (Self, Vec<Secret>) {
        let both = STANDARD.encode(format!("{user}:{}", password.expose()));
        let secrets = Secret::new(&both).into_iter().chain([password.clone()]).collect();
        (Self::Header("Authorization", format!("Basic {both}")), secrets)
    }
}

/// A token.
struct Token {
    header: String,
    until: DateTime<Utc>,
}

/// The answer that has one.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<i64>,
}

/// A line and who is asking.
pub(super) struct Session {
    pub(super) line: Line,
    identity: Identity,
    token: Option<Token>,
}

impl Session {
    pub(super) const fn new(line: Line, identity: Identity) -> Self {
        Self { line, identity, token: None }
    }

    /// Sends, and gives the answer, whatever its status is. A token that is not accepted any more is renewed once.
    pub(super) fn exchange(&mut self, request: &Request, now: DateTime<Utc>) -> Result<Response, Outcome> {
        let fresh = self.token.is_none();
        let signed = self.signed(request, now)?;
        let response = self.line.exchange(&signed)?;
        if response.status != 401 || fresh || !matches!(self.identity, Identity::Token(_)) {
            return Ok(response);
        }
        self.token = None;
        let signed = self.signed(request, now)?;
        self.line.exchange(&signed)
    }

    /// Sends, and gives an answer of 2xx.
    pub(super) fn send(&mut self, request: &Request, now: DateTime<Utc>) -> Result<Response, Outcome> {
        let response = self.exchange(request, now)?;
        if (200..300).contains(&response.status) { Ok(response) } else { Err(self.line.refusal(&response, now)) }
    }

    /// Whether a token can be had, where there is one.
    pub(super) fn sign_in(&mut self, now: DateTime<Utc>) -> Result<(), Outcome> {
        self.signed(&Request::default(), now).map(|_signed| ())
    }

    fn signed(&mut self, request: &Request, now: DateTime<Utc>) -> Result<Request, Outcome> {
        let (name, value) = match &self.identity {
            Identity::Header(name, value) => (*name, value.clone()),
            Identity::Token(grant) => {
                if self.token.as_ref().is_none_or(|token| token.until <= now) {
                    let granted: Granted = self.line.json(&self.line.send(grant, now)?)?;
                    let seconds = granted.expires_in.unwrap_or(UNSAID).clamp(0, LONGEST);
                    let until = now + TimeDelta::seconds(seconds) - EARLY.min(TimeDelta::seconds(seconds / 2));
                    let secret = Secret::new(&granted.access_token).map_err(|wrong| Outcome::Unknown {
                        wait: None,
                        reason: format!("the token that was given {wrong}"),
                    })?;
                    self.line.hide(&secret);
                    self.token = Some(Token { header: format!("Bearer {}", secret.expose()), until });
                }
                ("Authorization", self.token.as_ref().map(|token| token.header.clone()).unwrap_or_default())
            }
        };
        let mut signed = request.clone();
        signed.headers.push((name.to_owned(), value));
        Ok(signed)
    }
}

/// A form, as `application/x-www-form-urlencoded` has it.
pub(super) fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&").into_bytes()
}
