//! By which credentials a call was made, as far as its record tells.

use chrono::{DateTime, Utc};

use super::credential::{Credential, Session};
use crate::cloudtrail::{Actor, ActorKind, Record};
use crate::mfa;

/// A caller and its credentials.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Who.
    pub actor: Actor,
    /// `userIdentity.type`.
    pub kind: String,
    /// `sessionContext.attributes.creationDate`: when the session began. Long-term keys have none.
    pub begun: Option<DateTime<Utc>>,
    /// Whether the session was authenticated with MFA, where that says something.
    pub mfa: Option<bool>,
}

impl Holder {
    /// The caller of a record.
    #[must_use]
    pub fn of(record: &Record<'_, '_>) -> Self {
        let actor = record.actor();
        let begun = record.text(&["userIdentity", "sessionContext", "attributes", "creationDate"]);
        Self {
            kind: record.text(&["userIdentity", "type"]).unwrap_or_default().to_owned(),
            begun: begun
                .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
                .map(|begun| begun.with_timezone(&Utc)),
            mfa: record.session_mfa(actor.kind),
            actor,
        }
    }

    /// Whether the record is the copy that the account of a role gets of a call from another account: such a copy has no
    /// credentials of the caller.
    #[must_use]
    pub fn is_from_another_account(&self) -> bool {
        self.kind == "AWSAccount"
    }

    /// Whether AWS itself called.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.actor.kind == ActorKind::Service
    }

    /// The name of the IAM user, of an IAM user alone.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        mfa::user_name(&self.actor).filter(|_| self.actor.kind == ActorKind::IamUser)
    }

    /// The credentials of the call: a session, or a long-term key; `None` where the record has neither, as with a sign-in.
    #[must_use]
    pub fn credential(&self) -> Option<Credential> {
        if self.is_from_another_account() || self.is_service() {
            return None;
        }
        let key = self.actor.access_key.clone();
        match (self.begun, key) {
            (Some(begun), key) => {
                let id = self.actor.id.clone();
                (key.is_some() || id.is_some()).then_some(Credential::Session(Session { key, id, begun }))
            }
            (None, Some(key)) => Some(Credential::Key(key)),
            (None, None) => None,
        }
    }
}
