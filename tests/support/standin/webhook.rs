//! A receiver of mfatrail's own webhooks, by docs/channels.md: it knows the signature, and does what an `Idempotency-Key` says once.

use aws_lc_rs::hmac;
use serde_json::Value;

use super::{Answer, Api, Request};

pub struct Webhook {
    pub secret: String,
    /// What it did, by `Idempotency-Key`, in order.
    pub done: Vec<(String, Value)>,
    /// How many requests it has seen before.
    pub repeated: usize,
}

impl Webhook {
    pub fn new(secret: &str) -> Self {
        Self { secret: secret.to_owned(), done: Vec::new(), repeated: 0 }
    }

    fn is_signed(&self, request: &Request) -> bool {
        let signature = request.header("x-mfatrail-signature");
        let Some((seconds, signature)) = signature.strip_prefix("t=").and_then(|text| text.split_once(",v1=")) else {
            return false;
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        let signed = [seconds.as_bytes(), b".", &request.body].concat();
        mfatrail::hash::hex(hmac::sign(&key, &signed).as_ref()) == signature
    }
}

impl Api for Webhook {
    fn answer(&mut self, request: &Request) -> Answer {
        if request.method != "POST" {
            return Answer { status: 405, headers: Vec::new(), body: String::new() };
        }
        if !self.is_signed(request) {
            return Answer::text(401, "the signature is wrong");
        }
        let Some(body) = request.json() else { return Answer::text(400, "no JSON") };
        let key = request.header("idempotency-key").to_owned();
        if key != format!("{}/{}", body["key"].as_str().unwrap_or_default(), body["sequence"]) {
            return Answer::text(400, "another Idempotency-Key than the body's");
        }
        if self.done.iter().any(|(own, _)| *own == key) {
            self.repeated += 1;
        } else {
            self.done.push((key, body));
        }
        Answer { status: 204, headers: Vec::new(), body: String::new() }
    }
}
