//! One CloudTrail record, borrowed from the parsed document.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use simd_json::prelude::*;

use super::{
    container::Origin,
    identity::{Actor, ActorKind},
};

/// A parsed JSON value of a record, borrowed from the document's tape.
pub type Value<'tape, 'input> = simd_json::tape::Value<'tape, 'input>;

/// One element of `Records[]`.
///
/// Only the envelope is looked at eagerly; everything else is read from the tape when an extractor asks for it.
#[derive(Clone, Copy)]
pub struct Record<'tape, 'input> {
    value: Value<'tape, 'input>,
    origin: Option<&'tape Origin<'tape>>,
    /// `eventTime`, whole seconds, UTC.
    pub time: DateTime<Utc>,
    /// `eventSource`, such as `iam.amazonaws.com`.
    pub source: &'tape str,
    /// `eventName`, such as `DeactivateMFADevice`.
    pub name: &'tape str,
}

/// Why one record of an otherwise readable object could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum RecordError {
    /// The element is no JSON object.
    #[error("not a JSON object")]
    NotAnObject,
    /// A field that every record has is absent or no string.
    #[error("no `{0}`")]
    Missing(&'static str),
    /// `eventTime` is not an RFC 3339 time.
    #[error("`eventTime` is no RFC 3339 time")]
    BadTime,
    /// The text is no JSON, or holds a number that no machine number can hold.
    #[error("not valid JSON")]
    BadJson,
    /// One record larger than any that CloudTrail writes.
    #[error("larger than {0} bytes, which no record is")]
    TooLarge(usize),
}

impl std::fmt::Debug for Record<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("time", &self.time)
            .field("source", &self.source)
            .field("name", &self.name)
            .finish()
    }
}

impl<'tape, 'input> Record<'tape, 'input> {
    /// Reads the envelope of one element of `Records[]`.
    ///
    /// # Errors
    /// When the element is no object, or lacks `eventTime`, `eventSource` or `eventName`.
    pub fn new(value: Value<'tape, 'input>) -> Result<Self, RecordError> {
        if !value.is_object() {
            return Err(RecordError::NotAnObject);
        }
        let text = |key: &'static str| value.get(key).and_then(|v| v.into_string()).ok_or(RecordError::Missing(key));
        let time = text("eventTime")?;
        let time = DateTime::parse_from_rfc3339(time).map_err(|_source| RecordError::BadTime)?.with_timezone(&Utc);
        Ok(Self { value, origin: None, time, source: text("eventSource")?, name: text("eventName")? })
    }

    pub(super) fn of(self, origin: &'tape Origin<'tape>) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// The record's own bytes, as they stand in its document, line breaks and all; of a record within a string, the
    /// text of that string. `None` for a record that was not read from an object.
    #[must_use]
    pub fn raw(&self) -> Option<&'tape [u8]> {
        // Every record has this string, and it is never empty.
        self.origin?.object_around(self.value.get("eventTime")?.into_string()?)
    }

    /// The value at `path`, or `None` where a step is absent or `null`.
    #[must_use]
    pub fn get(&self, path: &[&str]) -> Option<Value<'tape, 'input>> {
        let mut value = self.value;
        for step in path {
            value = value.get(*step)?;
        }
        (!value.is_null()).then_some(value)
    }

    /// The string at `path`; empty strings, which old records use for "absent", are `None`.
    #[must_use]
    pub fn text(&self, path: &[&str]) -> Option<&'tape str> {
        self.get(path)?.into_string().filter(|text| !text.is_empty())
    }

    /// The boolean at `path`, written as a boolean or as one of the strings `true` and `false` in any case.
    #[must_use]
    pub fn flag(&self, path: &[&str]) -> Option<bool> {
        let value = self.get(path)?;
        value.as_bool().or_else(|| match value.as_str()?.to_ascii_lowercase().as_str() {
            "true" | "yes" => Some(true),
            "false" | "no" => Some(false),
            _ => None,
        })
    }

    /// `eventID`; for a record without one, `sha256-` and a digest of its contents, so that a copy of it in another
    /// object has the same.
    #[must_use]
    pub fn id(&self) -> Cow<'tape, str> {
        self.text(&["eventID"]).map_or_else(|| Cow::Owned(self.fingerprint()), Cow::Borrowed)
    }

    /// White space and the way characters are escaped do not count. An explicit stack, for a record may be nested as
    /// deep as its sender liked.
    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut text = |kind: u8, text: &str| {
            hash.update([kind]);
            hash.update(text.len().to_be_bytes());
            hash.update(text);
        };
        let mut stack = vec![(None, self.value)];
        while let Some((key, value)) = stack.pop() {
            if let Some(key) = key {
                text(b'k', key);
            }
            if let Some(array) = value.as_array() {
                text(b'[', &array.len().to_string());
                stack.extend(array.iter().map(|element| (None, element)));
            } else if let Some(object) = value.as_object() {
                text(b'{', &object.len().to_string());
                stack.extend(object.iter().map(|(key, member)| (Some(key), member)));
            } else if let Some(string) = value.as_str() {
                text(b'"', string);
            } else if let Some(flag) = value.as_bool() {
                text(b'b', if flag { "true" } else { "false" });
            } else if let Some(number) = value.as_i64() {
                text(b'n', &number.to_string());
            } else if let Some(number) = value.as_u64() {
                text(b'n', &number.to_string());
            } else if let Some(number) = value.as_f64() {
                text(b'n', &number.to_string());
            } else {
                text(b'0', "");
            }
        }
        let digest = hash.finalize();
        digest.iter().fold("sha256-".to_owned(), |id, byte| id + &format!("{byte:02x}"))
    }

    /// Whose record it is: `recipientAccountId`, else the caller's account.
    #[must_use]
    pub fn account(&self) -> Option<&'tape str> {
        self.text(&["recipientAccountId"]).or_else(|| self.text(&["userIdentity", "accountId"]))
    }

    /// The error code of a refused call. A failed sign-in bears none: see [`Record::failed`].
    #[must_use]
    pub fn error_code(&self) -> Option<&'tape str> {
        self.text(&["errorCode"])
    }

    /// Whether the call was refused or the sign-in failed. Sign-ins tell it in `responseElements.<eventName>`.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.error_code().is_some()
            || self.text(&["responseElements", self.name]).is_some_and(|outcome| outcome == "Failure")
    }

    /// Whether the call only reads. Records before version 1.06 do not tell; there the verb of the name decides.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.flag(&["readOnly"]).unwrap_or_else(|| {
            ["Get", "List", "Describe", "Head", "Lookup", "Check"].iter().any(|verb| self.name.starts_with(verb))
        })
    }

    /// Whether the calling session was authenticated with MFA.
    ///
    /// `mfaAuthenticated` is a string, and absent for long-term keys, which cannot be MFA-authenticated: `false` for
    /// users and the root user then, `None` for every other caller.
    #[must_use]
    pub fn session_mfa(&self, kind: ActorKind) -> Option<bool> {
        self.flag(&["userIdentity", "sessionContext", "attributes", "mfaAuthenticated"])
            .or_else(|| matches!(kind, ActorKind::IamUser | ActorKind::Root).then_some(false))
    }

    /// Who made the call.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let field = |name: &str| self.text(&["userIdentity", name]);
        let on_behalf_of = self.text(&["userIdentity", "onBehalfOf", "userId"]);
        let kind = match field("type") {
            Some("Root") if self.flag(&["userIdentity", "sessionContext", "assumedRoot"]) == Some(true) => {
                ActorKind::AssumedRoot
            }
            Some("Root") => ActorKind::Root,
            Some("IAMUser") => ActorKind::IamUser,
            Some("AssumedRole" | "Role" | "FederatedUser" | "SAMLUser" | "WebIdentityUser") => ActorKind::AssumedRole,
            Some("AWSService") => ActorKind::Service,
            Some("IdentityCenterUser") => ActorKind::IdentityCenter,
            None if field("invokedBy").is_some() => ActorKind::Service,
            _ => ActorKind::Other,
        };
        Actor {
            kind,
            account: field("accountId").map(str::to_owned),
            id: on_behalf_of.or_else(|| field("principalId")).map(str::to_owned),
            name: field("userName").map(str::to_owned),
            arn: field("arn")
                .or_else(|| if kind == ActorKind::Service { field("invokedBy") } else { None })
                .map(str::to_owned),
            access_key: field("accessKeyId").map(str::to_owned),
        }
    }
}
