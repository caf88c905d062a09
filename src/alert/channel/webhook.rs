//! A webhook of one's own: one signed POST for each transition.

use aws_lc_rs::hmac;
use serde::Deserialize;

use super::address::Address;
use super::document::document;
use super::line::{Line, post};
use super::{Channel, Opening};
use crate::alert::secret::{Secret, SecretRef};
use crate::alert::{Delivery, Outcome};
use crate::hash::hex;
use crate::http::Request;

/// What a `[[channel]]` of the kind `webhook` has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where alerts are posted to; a reference, if the address itself is a secret.
    pub url: Address,
    /// By which they are signed.
    pub secret: SecretRef,
}

impl Settings {
    pub(super) fn open(&self, opening: &Opening<'_>) -> Result<Webhook, String> {
        let secret = self.secret.resolve(opening.vault)?;
        let (url, address) = self.url.open(opening.vault)?;
        let secrets: Vec<Secret> = address.into_iter().chain([secret.clone()]).collect();
        Ok(Webhook { line: Line::new(opening.deadline, &secrets)?, url, secret })
    }

    pub(super) fn secrets(&self) -> Vec<&SecretRef> {
        self.url.secret().into_iter().chain([&self.secret]).collect()
    }
}

/// `t=<unix seconds>,v1=<HMAC-SHA256 of "t.body", hexadecimal>`.
fn signature(secret: &Secret, seconds: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let signed = [format!("{seconds}.").as_bytes(), body].concat();
    format!("t={seconds},v1={}", hex(hmac::sign(&key, &signed).as_ref()))
}

/// A webhook.
#[derive(Debug)]
pub(super) struct Webhook {
    line: Line,
    url: String,
    secret: Secret,
}

impl Webhook {
    fn request(&self, delivery: &Delivery<'_>) -> Result<Request, Outcome> {
        let idempotency = format!("{}/{}", delivery.alert.key, delivery.alert.sequence);
        let mut request = post(&self.url, &[("Idempotency-Key", &idempotency)], &document(delivery))?;
        let signature = signature(&self.secret, delivery.now.timestamp(), &request.body);
        request.headers.push(("X-Mfatrail-Signature".to_owned(), signature));
        Ok(request)
    }

    fn tell(&self, delivery: &Delivery<'_>) -> Result<Outcome, Outcome> {
        let response = self.line.exchange(&self.request(delivery)?)?;
        match response.status {
            200..300 => Ok(Outcome::Delivered { reference: None, note: None }),
            410 => Err(Outcome::Permanent {
                reason: format!(
                    "{}: the receiver wants no more alerts (hint: remove the channel)",
                    self.line.reason(&response)
                ),
            }),
            _ => Err(self.line.refusal(&response, delivery.now)),
        }
    }
}

impl Channel for Webhook {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        self.tell(delivery).unwrap_or_else(|outcome| outcome)
    }

    /// By its `Idempotency-Key`.
    fn tells_repetitions(&self) -> bool {
        true
    }

    /// Nothing more can be told without a delivery.
    fn check(&mut self) -> Result<(), String> {
        self.line.reach(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::secret::tests::secret;

    #[test]
    fn a_body_is_signed_with_its_time() {
        // By `printf '1790000000.{}' | openssl dgst -sha256 -hmac key`.
        assert_eq!(
            signature(&secret("key"), 1_790_000_000, b"{}"),
            "t=1790000000,v1=099d33989336226b12c85da813adf6100e1bbab1e91bede9a41ddeb7882d66b8"
        );
    }
}
