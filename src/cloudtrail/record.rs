//! One CloudTrail record, borrowed from the parsed document.

use std::{borrow::Cow, collections::HashMap};

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use simd_json::prelude::*;

use super::form::Form;
use super::identity::{Actor, ActorKind, Caller};
use super::origin::Origin;

/// A parsed JSON value of a record, borrowed from the document's tape.
pub type Value<'tape, 'input> = simd_json::tape::Value<'tape, 'input>;

/// One element of `Records[]`.
///
/// Only the envelope is looked at eagerly; everything else is read from the tape when an extractor asks for it.
#[derive(Clone, Copy)]
pub struct Record<'tape, 'input> {
    pub(super) value: Value<'tape, 'input>,
    fields: Fields<'tape, 'input>,
    origin: Option<&'tape Origin<'tape>>,
    /// `eventTime`, whole seconds, UTC.
    pub time: DateTime<Utc>,
    /// `eventSource`, such as `iam.amazonaws.com`.
    pub source: &'tape str,
    /// `eventName`, such as `DeactivateMFADevice`.
    pub name: &'tape str,
}

/// What every record is asked for, found in one walk over its keys: asking for them one by one walks as often.
#[derive(Clone, Copy, Default)]
struct Fields<'tape, 'input> {
    time: Option<Value<'tape, 'input>>,
    source: Option<Value<'tape, 'input>>,
    name: Option<Value<'tape, 'input>>,
    identity: Option<Value<'tape, 'input>>,
    parameters: Option<Value<'tape, 'input>>,
    source_ip: Option<Value<'tape, 'input>>,
    region: Option<Value<'tape, 'input>>,
    account: Option<Value<'tape, 'input>>,
    read_only: Option<Value<'tape, 'input>>,
    error_code: Option<Value<'tape, 'input>>,
    id: Option<Value<'tape, 'input>>,
}

/// The member `key` of an object: of two of one name the last, as with every JSON parser that makes a map.
pub(super) fn member<'tape, 'input>(object: Value<'tape, 'input>, key: &str) -> Option<Value<'tape, 'input>> {
    object.as_object()?.iter().filter(|(name, _)| *name == key).last().map(|(_, value)| value)
}

/// A number in one way of writing it: 1, 1.0 and 1e0 are one number.
fn number(value: Value<'_, '_>) -> Option<String> {
    // A float has every whole number up to here.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if let Some(whole) = value.as_i64() {
        return Some(whole.to_string());
    }
    if let Some(whole) = value.as_u64() {
        return Some(whole.to_string());
    }
    let number = value.as_f64()?;
    let whole = number.fract() == 0.0 && number.abs() <= WHOLE;
    Some(if whole { format!("{number:.0}").replace("-0", "0") } else { number.to_string() })
}

/// The members of an object in its order: of two of one name the last alone.
pub(super) fn members<'tape, 'input>(
    object: &simd_json::tape::Object<'tape, 'input>,
) -> Vec<(&'tape str, Value<'tape, 'input>)> {
    let mut members: Vec<_> = object.iter().collect();
    let mut last = HashMap::with_capacity(members.len());
    for (place, (key, _)) in members.iter().enumerate() {
        last.insert(*key, place);
    }
    if last.len() < members.len() {
        let mut place = 0..;
        members.retain(|(key, _)| last.get(key).copied() == place.next());
    }
    members
}

impl<'tape, 'input> Fields<'tape, 'input> {
    fn of(record: Value<'tape, 'input>) -> Self {
        let mut fields = Self::default();
        let Some(object) = record.as_object() else { return fields };
        for (key, value) in object.iter() {
            let field = match key {
                "eventTime" => &mut fields.time,
                "eventSource" => &mut fields.source,
                "eventName" => &mut fields.name,
                "userIdentity" => &mut fields.identity,
                "requestParameters" => &mut fields.parameters,
                "sourceIPAddress" => &mut fields.source_ip,
                "awsRegion" => &mut fields.region,
                "recipientAccountId" => &mut fields.account,
                "readOnly" => &mut fields.read_only,
                "errorCode" => &mut fields.error_code,
                "eventID" => &mut fields.id,
                _ => continue,
            };
            // As `member` has it.
            *field = Some(value);
        }
        fields
    }
}

/// RFC 3339; the form that CloudTrail writes, `2026-10-06T09:00:00Z`, by hand, for there is one in every record.
pub(super) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
    };
    if let [y1, y2, y3, y4, b'-', o1, o2, b'-', d1, d2, b'T', h1, h2, b':', m1, m2, b':', s1, s2, b'Z'] =
        text.as_bytes()
        && let (Some(year), Some(month), Some(day)) =
            (number(&[*y1, *y2, *y3, *y4]), number(&[*o1, *o2]), number(&[*d1, *d2]))
        && let (Some(hour), Some(minute), Some(second)) =
            (number(&[*h1, *h2]), number(&[*m1, *m2]), number(&[*s1, *s2]))
        && let Some(date) = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
        && let Some(time) = date.and_hms_opt(hour, minute, second)
    {
        return Some(time.and_utc());
    }
    let time = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
    // A zone can lead out of the years that are written with four digits.
    Some(time).filter(|time| (0..=9999).contains(&time.year()))
}

/// What `mfaAuthenticated` says of a caller: of a user and the root user both ways, of others only that there was MFA.
#[must_use]
pub fn mfa_of(kind: ActorKind, authenticated: Option<bool>) -> Option<bool> {
    match kind {
        ActorKind::IamUser | ActorKind::Root => Some(authenticated == Some(true)),
        _ => authenticated.filter(|mfa| *mfa),
    }
}

/// Whether a text is an account's id: twelve digits.
pub(super) fn is_account_id(text: &[u8]) -> bool {
    text.len() == ACCOUNT && text.iter().all(u8::is_ascii_digit)
}

/// Digits of an account's id.
const ACCOUNT: usize = 12;

pub(super) fn is_number(value: Value<'_, '_>) -> bool {
    value.as_u64().is_some() || value.as_i64().is_some() || value.as_f64().is_some()
}

/// The text of a record with the accounts that are numbers written as CloudTrail writes them: strings of twelve digits. Tools
/// that read an id as a number write it back without its leading zeros. `None` where none is an account's.
pub(super) fn whole_accounts(record: &[u8]) -> Option<String> {
    type Members<'t> = HashMap<String, &'t RawValue>;
    let text = std::str::from_utf8(record).ok()?;
    let members: Members<'_> = serde_json::from_str(text).ok()?;
    let identity: Option<Members<'_>> =
        members.get("userIdentity").and_then(|identity| serde_json::from_str(identity.get()).ok());
    let accounts =
        [members.get("recipientAccountId"), identity.as_ref().and_then(|identity| identity.get("accountId"))];
    let place = |number: &str| Some((number.as_ptr().addr().checked_sub(text.as_ptr().addr())?, number.len()));
    let mut found: Vec<(usize, usize, u64)> = Vec::new();
    for number in accounts.into_iter().flatten().map(|value| value.get()) {
        if let (Some(account), Some((at, length))) = (account_number(number), place(number)) {
            found.push((at, length, account));
        }
    }
    // From the end, so that the places before stay what they are.
    found.sort_unstable_by(|one, other| other.cmp(one));
    let mut whole = text.to_owned();
    for (at, length, account) in &found {
        whole.replace_range(*at..at + length, &format!("\"{account:0ACCOUNT$}\""));
    }
    (!found.is_empty()).then_some(whole)
}

/// The account that a JSON number stands for, also one with a decimal point or an exponent.
fn account_number(number: &str) -> Option<u64> {
    let account = number.parse().ok().or_else(|| {
        let float: f64 = number.parse().ok()?;
        // All whole numbers of so many digits are exact.
        (float.fract() == 0.0 && (0.0..1e12).contains(&float)).then_some(float as u64)
    });
    account.filter(|account| *account < 10_u64.pow(ACCOUNT as u32))
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
    #[error("`eventTime` is not an RFC 3339 time")]
    BadTime,
    /// The text is no JSON, or holds a number that no machine number can hold.
    #[error("not valid JSON")]
    BadJson,
    /// One record larger than any that CloudTrail writes.
    #[error("larger than {0} bytes, which is more than a record can have")]
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
        let fields = Fields::of(value);
        let text = |field: Option<Value<'tape, 'input>>, key: &'static str| {
            field.and_then(|value| value.into_string()).ok_or(RecordError::Missing(key))
        };
        let time = text(fields.time, "eventTime")?;
        let time = parse_time(time).ok_or(RecordError::BadTime)?;
        let (source, name) = (text(fields.source, "eventSource")?, text(fields.name, "eventName")?);
        Ok(Self { value, origin: None, time, source, name, fields })
    }

    pub(super) fn of(self, origin: &'tape Origin<'tape>) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// The record's own bytes, as they stand in its document, line breaks and all; of a record within a string, the
    /// text of that string. `None` for a record that was not read from an object.
    #[must_use]
    pub fn raw(&self) -> Option<&'tape [u8]> {
        // Every record has this string, and it is never empty.
        self.origin?.object_around(self.fields.time?.into_string()?)
    }

    /// Whether it was put together from a form that does not keep all that CloudTrail wrote: what is absent is not known then.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.origin.is_some_and(|origin| origin.form == Form::Partial)
    }

    /// The value at `path`, or `None` where a step is absent or `null`.
    #[must_use]
    pub fn get(&self, path: &[&str]) -> Option<Value<'tape, 'input>> {
        let (first, rest) = path.split_first()?;
        let mut value = match *first {
            "userIdentity" => self.fields.identity?,
            "requestParameters" => self.fields.parameters?,
            "sourceIPAddress" => self.fields.source_ip?,
            "awsRegion" => self.fields.region?,
            "recipientAccountId" => self.fields.account?,
            "readOnly" => self.fields.read_only?,
            "errorCode" => self.fields.error_code?,
            "eventID" => self.fields.id?,
            other => member(self.value, other)?,
        };
        for step in rest {
            value = member(value, step)?;
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
        let digest = || self.digest().iter().fold("sha256-".to_owned(), |id, byte| id + &format!("{byte:02x}"));
        self.text(&["eventID"]).map_or_else(|| Cow::Owned(digest()), Cow::Borrowed)
    }

    /// The event that the record says again, with more or with other fields: `addendum.originalEventID`.
    #[must_use]
    pub fn original(&self) -> Option<&'tape str> {
        self.text(&["addendum", "originalEventID"])
    }

    /// Half of the SHA-256 of its JSON value: equal for equal values, however they are written.
    #[must_use]
    pub fn content(&self) -> u128 {
        self.digest().first_chunk::<16>().map_or(0, |half| u128::from_be_bytes(*half))
    }

    /// White space, the order of keys and the way in which characters and numbers are written do not count. An explicit stack,
    /// for a record may be nested as deep as its sender liked.
    fn digest(&self) -> [u8; 32] {
        // Hashed at once: there are hundreds of pieces.
        let mut all = Vec::with_capacity(2048);
        let mut text = |kind: u8, text: &str| {
            all.push(kind);
            all.extend(text.len().to_le_bytes());
            all.extend(text.as_bytes());
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
                let mut members = members(&object);
                members.sort_unstable_by_key(|(key, _)| *key);
                text(b'{', &members.len().to_string());
                stack.extend(members.into_iter().map(|(key, member)| (Some(key), member)));
            } else if let Some(string) = value.as_str() {
                text(b'"', string);
            } else if let Some(flag) = value.as_bool() {
                text(b'b', if flag { "true" } else { "false" });
            } else if let Some(number) = number(value) {
                text(b'n', &number);
            } else {
                text(b'0', "");
            }
        }
        Sha256::digest(&all).into()
    }

    /// Whose record it is: `recipientAccountId`; else the account of the object's folder; else the caller's, where that is
    /// an account's id: `ANONYMOUS_PRINCIPAL`, which stands for callers that nobody knows, is not.
    #[must_use]
    pub fn account(&self) -> Option<&'tape str> {
        self.text(&["recipientAccountId"])
            .or_else(|| self.origin?.folder())
            .or_else(|| self.text(&["userIdentity", "accountId"]).filter(|account| is_account_id(account.as_bytes())))
    }

    /// Whether there is anything in `requestParameters`.
    #[must_use]
    pub fn has_parameters(&self) -> bool {
        self.get(&["requestParameters"]).is_some_and(|value| value.as_object().is_none_or(|object| !object.is_empty()))
    }

    /// The error code of a refused call. A failed sign-in bears none: see [`Record::failed`].
    #[must_use]
    pub fn error_code(&self) -> Option<&'tape str> {
        self.text(&["errorCode"])
    }

    /// Whether the call was refused or the sign-in failed. Sign-ins tell it in `responseElements.<eventName>`, those of IAM
    /// Identity Center in `serviceEventDetails.<eventName>`.
    #[must_use]
    pub fn failed(&self) -> bool {
        let outcome = |of: &str| self.text(&[of, self.name]);
        self.error_code().is_some()
            || ["responseElements", "serviceEventDetails"].iter().any(|of| outcome(of) == Some("Failure"))
    }

    /// Whether the call only reads. Records before version 1.06 do not tell; there the verb of the name decides.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.flag(&["readOnly"]).unwrap_or_else(|| Self::reads(self.name.as_bytes()))
    }

    /// Whether the verb of a name says that the call only reads.
    pub(super) fn reads(name: &[u8]) -> bool {
        ["Get", "List", "Describe", "Head", "Lookup", "Check"].iter().any(|verb| name.starts_with(verb.as_bytes()))
    }

    /// Whether the calling session was authenticated with MFA.
    ///
    /// `mfaAuthenticated` is a string, and absent for long-term keys, which cannot be MFA-authenticated: `false` for
    /// users and the root user then. For every other caller `false` says nothing, for whoever signed in elsewhere may have
    /// used a second factor there: [`mfa_of`]. Of a record that does not keep all, absence says nothing, but for a caller with a
    /// long-term key.
    #[must_use]
    pub fn session_mfa(&self, kind: ActorKind) -> Option<bool> {
        let told = self.flag(&["userIdentity", "sessionContext", "attributes", "mfaAuthenticated"]);
        let long_term = || self.text(&["userIdentity", "accessKeyId"]).is_some_and(|key| key.starts_with("AKIA"));
        if told.is_none() && self.is_partial() && !long_term() { None } else { mfa_of(kind, told) }
    }

    /// Who made the call.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.caller().to_actor()
    }

    /// Who made the call, borrowed.
    #[must_use]
    pub fn caller(&self) -> Caller<'tape> {
        let (mut type_, mut account, mut id, mut name) = (None, None, None, None);
        let (mut arn, mut access_key, mut invoked_by) = (None, None, None);
        let identity = self.get(&["userIdentity"]);
        if let Some(fields) = identity.and_then(|identity| identity.as_object()) {
            for (key, value) in fields.iter() {
                let field = match key {
                    "type" => &mut type_,
                    "accountId" => &mut account,
                    "principalId" => &mut id,
                    "userName" => &mut name,
                    "arn" => &mut arn,
                    "accessKeyId" => &mut access_key,
                    "invokedBy" => &mut invoked_by,
                    _ => continue,
                };
                *field = value.into_string().filter(|text| !text.is_empty());
            }
        }
        let kind = match type_ {
            Some("Root") if self.flag(&["userIdentity", "sessionContext", "assumedRoot"]) == Some(true) => {
                ActorKind::AssumedRoot
            }
            Some("Root") => ActorKind::Root,
            Some("IAMUser") => ActorKind::IamUser,
            Some("AssumedRole" | "Role" | "FederatedUser" | "SAMLUser" | "WebIdentityUser") => ActorKind::AssumedRole,
            Some("AWSService") => ActorKind::Service,
            Some("IdentityCenterUser") => ActorKind::IdentityCenter,
            None if invoked_by.is_some() => ActorKind::Service,
            _ => ActorKind::Other,
        };
        // Only portal users have one; for the others the look would be in vain.
        let on_behalf_of = matches!(kind, ActorKind::IdentityCenter | ActorKind::Other)
            .then(|| self.text(&["userIdentity", "onBehalfOf", "userId"]))
            .flatten();
        Caller {
            kind,
            account,
            id: on_behalf_of.or(id),
            name,
            arn: arn.or(if kind == ActorKind::Service { invoked_by } else { None }),
            access_key,
            issuer: (kind == ActorKind::AssumedRole)
                .then(|| self.text(&["userIdentity", "sessionContext", "sessionIssuer", "arn"]))
                .flatten(),
        }
    }
}
