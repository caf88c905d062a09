//! What the channels in AWS have in common: how they reach it, and what its answers mean.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::answer;
use super::redaction::Redaction;
use super::{Opening, address};
use crate::alert::Outcome;
use crate::aws::Connection;
use crate::aws::signed::{Caller, Error, Refusal, SNS, Service};

/// How a channel reaches AWS, where that differs from how the watch does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// A profile of the AWS CLI's configuration.
    pub profile: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// A role to assume.
    pub role: Option<String>,
    /// The external id that the role asks for.
    pub external_id: Option<String>,
}

/// What holds for all channels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Within<'w> {
    pub(super) aws: &'w Connection,
    pub(super) deadline: Duration,
}

impl<'o> From<&Opening<'o>> for Within<'o> {
    fn from(opening: &Opening<'o>) -> Self {
        Self { aws: opening.aws, deadline: opening.deadline }
    }
}

impl Access {
    /// A caller in a region that something in the settings says, or else in that of these settings or of the watch.
    pub(super) fn caller(
        &self,
        within: Within<'_>,
        region: Option<&str>,
        service: Service,
        url: Option<&str>,
    ) -> Result<Caller, String> {
        let own = |own: &Option<String>, other: &Option<String>| own.clone().or_else(|| other.clone());
        let connection = Connection {
            profile: own(&self.profile, &within.aws.profile),
            region: region.map(str::to_owned).or_else(|| own(&self.region, &within.aws.region)),
            endpoint_url: within.aws.endpoint_url.clone(),
            role_arn: self.role.clone(),
            external_id: self.external_id.clone(),
        };
        let caller = Caller::open(&connection, within.deadline)?;
        match url {
            Some(url) => Ok(caller.with(service, &address::checked(url, "its `url`")?)),
            None => Ok(caller),
        }
    }
}

/// What came of a request that got no answer of 2xx, or one that cannot be understood, by the policy of all channels: but AWS says by
/// a code what other services say by a status.
pub(super) fn outcome(error: &Error, now: DateTime<Utc>) -> Outcome {
    let none = Redaction::default();
    let reason = answer::quote(&error.to_string(), &none);
    match error {
        Error::Unsigned(_) => Outcome::Permanent { reason },
        Error::NoCredentials(_) => Outcome::RepeatAfter { wait: None, reason },
        Error::Http(error) => answer::failure(error, &none),
        Error::Garbage(_) => Outcome::Unknown { wait: None, reason },
        Error::Refused(refusal) if error.is_transient() && !error.may_have_acted() => {
            Outcome::RepeatAfter { wait: answer::retry_after(&refusal.response, now), reason }
        }
        Error::Refused(refusal) if error.may_have_acted() => {
            Outcome::Unknown { wait: answer::retry_after(&refusal.response, now), reason }
        }
        Error::Refused(refusal) => Outcome::Permanent { reason: format!("{reason}{}", hint(refusal)) },
    }
}

/// What to do about a refusal for good.
fn hint(refusal: &Refusal) -> &'static str {
    match refusal.code.as_deref() {
        _ if refusal.is_denied() => " (hint: `mfatrail generate iam-policy -- watch` prints what a watch needs)",
        Some("SignatureDoesNotMatch" | "InvalidSignatureException") => " (hint: the secret access key is wrong)",
        None if matches!(refusal.response.status, 300..=399) => " (hint: no redirect is followed; correct the address)",
        None => " (hint: this is not an answer from AWS: check the address)",
        Some(_) => "",
    }
}

/// Publishes by Amazon SNS, and gives the id of the message.
pub(super) fn publish(caller: &Caller, parameters: &[(String, String)]) -> Result<String, Error> {
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    caller.query(&SNS, "Publish", &parameters)?.text(&["PublishResult", "MessageId"])
}

/// What is wrong, of a check that asked what changes nothing.
pub(super) fn complaint(error: &Error, permission: &str) -> String {
    let reason = answer::quote(&error.to_string(), &Redaction::default());
    match error {
        Error::Refused(refusal) if refusal.is_denied() => {
            format!("cannot be checked: {reason} (hint: the check needs {permission})")
        }
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    #[test]
    fn nothing_that_was_not_sent_is_lost_or_marked() {
        let now = DateTime::UNIX_EPOCH;
        for (error, expected) in [
            (Error::Unsigned("x".to_owned()), "permanent"),
            (Error::NoCredentials("x".to_owned()), "later"),
            (Error::Garbage("x".to_owned()), "unknown"),
            (Error::Http(http::Error::NotSent("x".to_owned())), "later"),
            (Error::Http(http::Error::Unknown("x".to_owned())), "unknown"),
        ] {
            let told = match outcome(&error, now) {
                Outcome::Permanent { .. } => "permanent",
                Outcome::RepeatAfter { .. } => "later",
                Outcome::Unknown { .. } => "unknown",
                other => panic!("{other:?}"),
            };
            assert_eq!(told, expected, "{error:?}");
        }
    }
}
