//! A webhook of one's own: one signed POST for each transition.

use aws_lc_rs::hmac;
use hyper::Method;
use serde::{Deserialize, Serialize};

use super::answer::refusal;
use super::{Channel, address, client};
use crate::alert::secret::{Secret, SecretRef};
use crate::alert::{Alert, Delivery, Outcome, SCHEMA};
use crate::hash::hex;
use crate::http::{Client, Request};

/// What a `[[channel]]` of the kind `webhook` has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where alerts are posted to.
    pub url: String,
    /// By which they are signed.
    pub secret: SecretRef,
}

/// The body.
#[derive(Serialize)]
struct Body<'a> {
    schema: &'static str,
    key: &'a str,
    sequence: u64,
    transition: crate::incident::Transition,
    kind: crate::incident::Kind,
    severity: crate::incident::Severity,
    title: &'a str,
    text: &'a str,
    next_step: &'a str,
    at: String,
    window: &'a Option<serde_json::Value>,
    members: &'a Option<Vec<String>>,
    test: bool,
    repetition: bool,
}

/// A webhook.
#[derive(Debug)]
pub(super) struct Webhook {
    client: Client,
    url: String,
    secret: Secret,
}

impl Settings {
    pub(super) fn open(&self) -> Result<Webhook, String> {
        address(&self.url)?;
        Ok(Webhook { client: client()?, url: self.url.clone(), secret: self.secret.resolve()? })
    }
}

fn body(alert: &Alert, repetition: bool) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Body {
        schema: SCHEMA,
        key: &alert.key,
        sequence: alert.sequence,
        transition: alert.transition,
        kind: alert.kind,
        severity: alert.severity,
        title: &alert.text.title,
        text: &alert.text.summary,
        next_step: &alert.text.next_step,
        at: alert.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        window: &alert.window,
        members: &alert.members,
        test: alert.test,
        repetition,
    })
}

/// `t=<unix seconds>,v1=<HMAC-SHA256 of "t.body", hexadecimal>`.
fn signature(secret: &Secret, seconds: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let signed = [format!("{seconds}.").as_bytes(), body].concat();
    format!("t={seconds},v1={}", hex(hmac::sign(&key, &signed).as_ref()))
}

impl Channel for Webhook {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        let alert = delivery.alert;
        let body = match body(alert, delivery.repetition) {
            Ok(body) => body,
            Err(error) => return Outcome::Permanent { reason: error.to_string() },
        };
        let headers = [
            ("Content-Type", "application/json".to_owned()),
            ("Idempotency-Key", format!("{}/{}", alert.key, alert.sequence)),
            ("X-Mfatrail-Signature", signature(&self.secret, delivery.now.timestamp(), &body)),
        ];
        let answer = self.client.send(&Request {
            method: Method::POST,
            url: self.url.clone(),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            body,
        });
        refusal(&answer, delivery.now).unwrap_or(Outcome::Delivered { reference: None, note: None })
    }

    /// By its `Idempotency-Key`.
    fn tells_repetitions(&self) -> bool {
        true
    }

    /// Nothing more can be told without a delivery.
    fn check(&mut self) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_signed_with_its_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "key\n").unwrap();
        let reference = SecretRef::try_from(format!("file:{}", file.path().display())).unwrap();
        // By `printf '1790000000.{}' | openssl dgst -sha256 -hmac key`.
        assert_eq!(
            signature(&reference.resolve().unwrap(), 1_790_000_000, b"{}"),
            "t=1790000000,v1=099d33989336226b12c85da813adf6100e1bbab1e91bede9a41ddeb7882d66b8"
        );
    }
}
