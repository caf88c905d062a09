//! What an answer by HTTP says of a delivery: one policy for all channels.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::alert::Outcome;
use crate::escape;
use crate::http::{Error, Response};

/// How much of an answer is quoted.
const QUOTED: usize = 200;
/// The longest wait that a channel may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);

/// What came of a request that has its effect if the status is one of 2xx; `None` then.
pub(super) fn refusal(answer: &Result<Response, Error>, now: DateTime<Utc>) -> Option<Outcome> {
    Some(match answer {
        Err(Error::Invalid(reason)) => Outcome::Permanent { reason: reason.clone() },
        Err(error @ Error::NotSent(_)) => Outcome::RepeatAfter { wait: None, reason: error.to_string() },
        Err(error @ Error::Unknown(_)) => Outcome::Unknown { reason: error.to_string() },
        Ok(response) if (200..300).contains(&response.status) => return None,
        Ok(response) => {
            let reason = reason(response);
            match response.status {
                408 | 425 | 429 | 500..=599 => Outcome::RepeatAfter { wait: retry_after(response, now), reason },
                300..=399 => Outcome::Permanent { reason: format!("{reason} (hint: no redirect is followed)") },
                _ => Outcome::Permanent { reason },
            }
        }
    })
}

/// The status, and how the answer begins.
fn reason(response: &Response) -> String {
    let text = response.text();
    let begin: String = text.trim().chars().take(QUOTED).collect();
    let begin = escape::terminal(&begin).to_string();
    if begin.is_empty() {
        format!("status {}", response.status)
    } else {
        format!("status {}: {begin}", response.status)
    }
}

/// `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3).
fn retry_after(response: &Response, now: DateTime<Utc>) -> Option<Duration> {
    let value = response.header("retry-after")?.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = DateTime::parse_from_rfc2822(value).ok()?.with_timezone(&Utc);
            (at - now).to_std().unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_failures_are_told_apart() {
        let now: DateTime<Utc> = "2026-11-27T12:00:00Z".parse().unwrap();
        let answer = |status: u16, wait: Option<&str>| {
            let headers = wait.map(|wait| ("retry-after".to_owned(), wait.to_owned())).into_iter().collect();
            Ok(Response { status, headers, body: b"no\x1b[31m <b>".to_vec() })
        };
        let wait = |outcome: Option<Outcome>| match outcome {
            Some(Outcome::RepeatAfter { wait, .. }) => Some(wait.map(|wait| wait.as_secs())),
            _ => None,
        };
        assert_eq!(refusal(&answer(204, None), now), None);
        assert_eq!(wait(refusal(&answer(429, Some("30")), now)), Some(Some(30)));
        assert_eq!(wait(refusal(&answer(503, Some("Fri, 27 Nov 2026 12:01:00 GMT")), now)), Some(Some(60)));
        assert_eq!(wait(refusal(&answer(503, Some("Fri, 27 Nov 2026 11:00:00 GMT")), now)), Some(Some(0)));
        assert_eq!(wait(refusal(&answer(429, Some("999999999")), now)), Some(Some(6 * 3600)));
        assert_eq!(wait(refusal(&answer(500, Some("soon")), now)), Some(None));
        assert_eq!(wait(refusal(&Err(Error::NotSent("refused".to_owned())), now)), Some(None));
        for status in [400, 401, 403, 404, 410, 422, 302] {
            assert!(matches!(refusal(&answer(status, None), now), Some(Outcome::Permanent { .. })), "{status}");
        }
        assert!(matches!(refusal(&Err(Error::Unknown("x".to_owned())), now), Some(Outcome::Unknown { .. })));
        let Some(Outcome::Permanent { reason }) = refusal(&answer(400, None), now) else { panic!() };
        assert!(reason.starts_with("status 400: no") && !reason.contains('\x1b'), "{reason}");
    }
}
