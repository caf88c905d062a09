//! Calls that hand out credentials, or make, change or take away what outlasts a session.

use chrono::{DateTime, Utc};

use super::credential::Session;
use super::holder::Holder;
use super::thing::{Action, NAMES, Thing};
use crate::cloudtrail::{Cell, Path, Record};

/// Events of sign-ins.
const SIGN_INS: [&str; 3] = ["ConsoleLogin", "SwitchRole", "CreateOAuth2Token"];

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// `eventTime`.
    pub at: DateTime<Utc>,
    /// Whose record it is.
    pub account: Option<String>,
    /// `eventID`.
    pub event_id: String,
    /// `eventName`.
    pub name: String,
    /// Who called, by which credentials.
    pub holder: Holder,
    /// `eventSource`.
    pub source: String,
    /// `awsRegion`.
    pub region: Option<String>,
    /// `sourceIPAddress`.
    pub address: Option<String>,
    /// `userAgent`.
    pub agent: Option<String>,
    /// Whether it was refused, or failed.
    pub failed: bool,
    /// The session that it handed out.
    pub grant: Option<Session>,
    /// The role that the session is of, as the call names it.
    pub role: Option<String>,
    /// How long the session lasts, in seconds, as the call asked.
    pub seconds: Option<i64>,
    /// What it did to what.
    pub change: Option<(Action, Thing)>,
}

impl Link {
    /// The link that a record is; `None` for every other call, whatever its name.
    #[must_use]
    pub fn of(record: &Record<'_, '_>) -> Option<Self> {
        Self::is(record).then(|| Self::any(record))
    }

    /// Whether a record may be a link that others lead to: its name is one of those that tell, or it handed out credentials.
    #[must_use]
    pub fn is(record: &Record<'_, '_>) -> bool {
        NAMES.contains(&record.name) || (!record.failed() && handed_out(record).is_some())
    }

    /// Any call as a link, which may hand out and change nothing.
    #[must_use]
    pub fn any(record: &Record<'_, '_>) -> Self {
        let text = |path: &[&str]| record.text(path).map(str::to_owned);
        let failed = record.failed();
        let holder = Holder::of(record);
        let seconds = text(&["requestParameters", "durationSeconds"]);
        Self {
            at: record.time,
            account: record.account().map(str::to_owned),
            event_id: record.id().into_owned(),
            name: record.name.to_owned(),
            source: record.source.to_owned(),
            region: text(&["awsRegion"]),
            address: text(&["sourceIPAddress"]),
            agent: text(&["userAgent"]),
            failed,
            grant: if failed { None } else { handed_out(record).or_else(|| sign_in(record)) },
            role: text(&["requestParameters", "roleArn"]),
            seconds: seconds.and_then(|text| text.parse().ok()).or_else(|| duration(record)),
            change: Thing::of(record),
            holder,
        }
    }

    /// The id of the session that a sign-in began; `None` for every other record.
    pub(super) fn signed_in<'r>(record: &Record<'r, '_>) -> Option<&'r str> {
        let is_sign_in = record.source == "signin.amazonaws.com" && SIGN_INS.contains(&record.name);
        record.text(&["userIdentity", "principalId"]).filter(|_| is_sign_in)
    }

    /// Whether it is a sign-in to the console or the like, which hands out no key that its record tells.
    #[must_use]
    pub fn is_sign_in(&self) -> bool {
        SIGN_INS.contains(&self.name.as_str())
    }

    /// What it did, if it did it.
    #[must_use]
    pub fn done(&self) -> Option<(Action, &Thing)> {
        self.change.as_ref().filter(|_| !self.failed).map(|(action, thing)| (*action, thing))
    }
}

/// `durationSeconds` where it is a number, as CloudTrail writes it.
fn duration(record: &Record<'_, '_>) -> Option<i64> {
    let path = Path::new("requestParameters.durationSeconds")?;
    match record.cell(&path) {
        Cell::Json(number) => number.parse().ok(),
        _ => None,
    }
}

/// Every call that gives temporary credentials tells their access key, and of a role or a federated user also the session's id.
fn handed_out(record: &Record<'_, '_>) -> Option<Session> {
    let key = record.text(&["responseElements", "credentials", "accessKeyId"])?.to_owned();
    let id = record
        .text(&["responseElements", "assumedRoleUser", "assumedRoleId"])
        .or_else(|| record.text(&["responseElements", "federatedUser", "federatedUserId"]));
    Some(Session { key: Some(key), id: id.map(str::to_owned), begun: record.time })
}

/// A sign-in begins a session of the caller's id; its keys change, and its record tells none of them.
fn sign_in(record: &Record<'_, '_>) -> Option<Session> {
    let id = Link::signed_in(record)?.to_owned();
    Some(Session { key: None, id: Some(id), begun: record.time })
}
