//! Sessions: what credentials a call handed out, and which calls were made with them.
//!
//! Every call of STS that gives credentials tells their access key, and of a role also the session's id. A call belongs to
//! a session by its key. Some sessions change their keys as they go (the console does), and keep their id: so a call
//! also belongs to it by id, if its session began when the credentials were handed out. The id alone would not do: it is
//! that of everyone who takes this role under this name.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloudtrail::Record;

/// How far a session's beginning, as its calls tell it, may be from the call that made it.
const NEAR: TimeDelta = TimeDelta::seconds(10);

/// The longest that a session lasts, for calls that do not tell when theirs began.
const LONGEST: TimeDelta = TimeDelta::hours(36);

/// What one call handed out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    key: String,
    id: Option<String>,
    at: DateTime<Utc>,
}

impl Session {
    /// The session that a successful call made, if it made one.
    #[must_use]
    pub fn made_by(record: &Record<'_, '_>) -> Option<Self> {
        if record.failed() {
            return None;
        }
        let key = record.text(&["responseElements", "credentials", "accessKeyId"])?.to_owned();
        let id = record
            .text(&["responseElements", "assumedRoleUser", "assumedRoleId"])
            .or_else(|| record.text(&["responseElements", "federatedUser", "federatedUserId"]));
        Some(Self { key, id: id.map(str::to_owned), at: record.time })
    }
}

/// Sessions that are followed.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    keys: BTreeSet<String>,
    /// When sessions of an id began.
    ids: BTreeMap<String, BTreeSet<DateTime<Utc>>>,
}

impl FromIterator<Session> for Sessions {
    fn from_iter<I: IntoIterator<Item = Session>>(sessions: I) -> Self {
        let mut all = Self::default();
        for session in sessions {
            all.keys.insert(session.key);
            if let Some(id) = session.id {
                all.ids.entry(id).or_default().insert(session.at);
            }
        }
        all
    }
}

impl Sessions {
    /// Whether one of them made the call.
    #[must_use]
    pub fn made(&self, record: &Record<'_, '_>) -> bool {
        let text = |key: &str| record.text(&["userIdentity", key]);
        if text("accessKeyId").is_some_and(|key| self.keys.contains(key)) {
            return true;
        }
        let Some(begun) = text("principalId").and_then(|id| self.ids.get(id)) else { return false };
        let told = record.text(&["userIdentity", "sessionContext", "attributes", "creationDate"]);
        match told.and_then(|told| DateTime::parse_from_rfc3339(told).ok()) {
            Some(told) => {
                begun.range(told.with_timezone(&Utc) - NEAR..=told.with_timezone(&Utc) + NEAR).next().is_some()
            }
            None => begun.range(record.time - LONGEST..=record.time).next().is_some(),
        }
    }

    /// Keys and ids: every call of theirs holds one.
    pub(super) fn literals(&self) -> Vec<String> {
        self.keys.iter().chain(self.ids.keys()).cloned().collect()
    }
}
