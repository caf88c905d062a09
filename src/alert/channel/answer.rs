//! What an answer by HTTP says of a delivery: one policy for all channels.
//!
//! A status that says that the request was not worked on (408, 425, 429, 503) is repeated. Any other of 5xx leaves open whether it was:
//! a gateway may have passed it on, and a server may have failed after it had done what was asked. It is repeated as what may have
//! arrived.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};

use super::redaction::Redaction;
use crate::alert::Outcome;
use crate::escape;
use crate::http::{Error, Response};

/// How much of an answer is quoted, in characters.
const QUOTED: usize = 200;
/// The longest wait that a channel may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);

/// What came of a request that got no answer.
pub(super) fn failure(error: &Error, secrets: &Redaction) -> Outcome {
    let reason = secrets.cleaned(&error.to_string());
    match error {
        Error::Invalid(_) => Outcome::Permanent { reason },
        Error::NotSent(_) => Outcome::RepeatAfter { wait: None, reason },
        Error::Unknown(_) => Outcome::Unknown { wait: None, reason },
    }
}

/// What came of a request whose status is none of 2xx.
pub(super) fn refusal(response: &Response, now: DateTime<Utc>, secrets: &Redaction) -> Outcome {
    let reason = reason(response, secrets);
    let wait = retry_after(response, now);
    match response.status {
        408 | 425 | 429 | 501 | 503 | 505 => Outcome::RepeatAfter { wait, reason },
        500..=599 => Outcome::Unknown { wait, reason },
        300..=399 => {
            Outcome::Permanent { reason: format!("{reason} (hint: no redirect is followed; correct the address)") }
        }
        401 | 403 => {
            Outcome::Permanent { reason: format!("{reason} (hint: check the channel's secret and what it is allowed)") }
        }
        _ => Outcome::Permanent { reason },
    }
}

/// The status, and how the answer begins.
pub(super) fn reason(response: &Response, secrets: &Redaction) -> String {
    let text = quote(&response.text(), secrets);
    match text.as_str() {
        "" => format!("status {}", response.status),
        text => format!("status {}: {text}", response.status),
    }
}

/// How a text begins, without secrets, in one line.
pub(super) fn quote(text: &str, secrets: &Redaction) -> String {
    let cleaned = secrets.cleaned(text.trim());
    let begin: String = cleaned.chars().take(QUOTED).collect();
    let mark = if begin.len() < cleaned.len() { "…" } else { "" };
    format!("{}{mark}", escape::terminal(&begin))
}

/// `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(response: &Response, now: DateTime<Utc>) -> Option<Duration> {
    let value = response.header("retry-after")?.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        value.parse().map_or(LONGEST_WAIT, Duration::from_secs)
    } else {
        (date(value)? - now).to_std().unwrap_or_default()
    };
    Some(wait.min(LONGEST_WAIT))
}

/// A date in each of the three forms that a recipient must read (RFC 9110, 5.6.7).
fn date(text: &str) -> Option<DateTime<Utc>> {
    let rfc850 = || NaiveDateTime::parse_from_str(text.split_once(", ")?.1, "%d-%b-%y %H:%M:%S GMT").ok();
    let asctime = || NaiveDateTime::parse_from_str(text, "%a %b %e %H:%M:%S %Y").ok();
    match DateTime::parse_from_rfc2822(text) {
        Ok(date) => Some(date.with_timezone(&Utc)),
        Err(_) => rfc850().or_else(asctime).map(|date| date.and_utc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::secret::tests::secret;

    fn response(status: u16, wait: Option<&str>, body: &str) -> Response {
        let headers = wait.map(|wait| ("retry-after".to_owned(), wait.to_owned())).into_iter().collect();
        Response { status, headers, body: body.as_bytes().to_vec() }
    }

    fn outcome(status: u16, wait: Option<&str>) -> Outcome {
        let now: DateTime<Utc> = "2026-11-27T12:00:00Z".parse().unwrap();
        refusal(&response(status, wait, ""), now, &Redaction::default())
    }

    #[test]
    fn statuses_are_told_apart() {
        for status in [408, 425, 429, 501, 503, 505] {
            assert!(matches!(outcome(status, None), Outcome::RepeatAfter { wait: None, .. }), "{status}");
        }
        for status in [500, 502, 504, 507, 520, 599] {
            assert!(matches!(outcome(status, None), Outcome::Unknown { wait: None, .. }), "{status}");
        }
        for status in [301, 302, 307, 308, 400, 401, 403, 404, 405, 409, 410, 413, 422, 451, 499] {
            assert!(matches!(outcome(status, None), Outcome::Permanent { .. }), "{status}");
        }
        let none = Redaction::default();
        assert!(matches!(failure(&Error::NotSent("x".to_owned()), &none), Outcome::RepeatAfter { .. }));
        assert!(matches!(failure(&Error::Unknown("x".to_owned()), &none), Outcome::Unknown { .. }));
        assert!(matches!(failure(&Error::Invalid("x".to_owned()), &none), Outcome::Permanent { .. }));
    }

    #[test]
    fn a_wait_is_read_in_both_forms_and_bounded() {
        for (text, seconds) in [
            ("30", Some(30)),
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("Fri, 27 Nov 2026 12:01:00 GMT", Some(60)),
            ("Friday, 27-Nov-26 12:01:00 GMT", Some(60)),
            ("Fri Nov 27 12:01:00 2026", Some(60)),
            ("Fri, 27 Nov 2026 11:00:00 GMT", Some(0)),
            ("Sat, 27 Nov 2027 12:00:00 GMT", Some(6 * 3600)),
            ("999999999", Some(6 * 3600)),
            ("99999999999999999999999999", Some(6 * 3600)),
            ("soon", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
        ] {
            for status in [429, 500] {
                let (Outcome::RepeatAfter { wait, .. } | Outcome::Unknown { wait, .. }) = outcome(status, Some(text))
                else {
                    panic!("{text}")
                };
                assert_eq!(wait.map(|wait| wait.as_secs()), seconds, "{text}");
            }
        }
    }

    #[test]
    fn a_reason_is_short_harmless_and_without_secrets() {
        let secrets = Redaction::new(&[secret("hunter2hunter2")]);
        let body = format!("no\x1b[31m\n<b> {}hunter2hunter2{}", "x".repeat(190), "y".repeat(100_000));
        let reason = reason(&response(400, None, &body), &secrets);
        assert!(reason.starts_with("status 400: no\\u{1b}[31m\\n<b> xxx"), "{reason}");
        assert!(reason.ends_with('…') && reason.chars().count() < 250 && !reason.contains("hunter"), "{reason}");
        let error = failure(&Error::Unknown("hunter2hunter2 is gone".to_owned()), &secrets);
        assert_eq!(error, Outcome::Unknown { wait: None, reason: "no answer: *** is gone".to_owned() });
    }
}
