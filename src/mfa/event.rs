//! The typed event that everything after the scan works on.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::text::{self, Names, Text};
use crate::cloudtrail::Actor;

/// The name that console calls bear in `requestParameters.userName` when the root user is meant. With its spaces it can
/// be no IAM user's name.
pub const ROOT_USER_NAME: &str = "AWS ROOT USER";

/// How the root user is called: by people, by the credential report, and by IAM where a device is the root user's.
pub const ROOT_NAMES: [&str; 3] = ["root", "<root_account>", ROOT_USER_NAME];

/// One extracted record: an MFA lifecycle event, a sign-in, or something that opens, ends or changes an exposure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `eventID`; a record without one is identified by `sha256-` and a digest of its contents.
    pub id: String,
    /// `eventTime`: when AWS took the request, whole seconds.
    pub time: DateTime<Utc>,
    /// `recipientAccountId`: whose record it is.
    pub account: Text,
    /// `awsRegion`.
    pub region: Text,
    /// `eventSource`.
    pub source: Text,
    /// `eventName`.
    pub name: Text,
    /// What was done.
    pub action: Action,
    /// About whom, as far as this record alone tells.
    pub target: Target,
    /// Who did it.
    #[serde(with = "text::actor")]
    pub actor: Arc<Actor>,
    /// Whether the actor's session was MFA-authenticated; `None` where that cannot be known.
    pub actor_mfa: Option<bool>,
    /// `sourceIPAddress`: an address, or a service's host name.
    pub source_ip: Option<Text>,
    /// `userAgent`, as sent by the client: attacker-controlled text.
    pub user_agent: Option<Text>,
    /// The failure of an attempt; `None` where the call succeeded.
    pub failure: Option<Box<Failure>>,
    /// The objects that hold the record: more than one where several trails deliver to the archive.
    pub objects: Names,
    /// When CloudTrail delivered the first of those objects; `None` for objects whose key does not tell.
    pub delivered_at: Option<DateTime<Utc>>,
    /// How its record stands to others of the same event.
    #[serde(default)]
    pub lineage: Lineage,
}

/// How a record stands to others of the same event: see [`fold`](super::fold()).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// Half of the SHA-256 of the record's JSON value; `None` where it was not kept.
    pub content: Option<u128>,
    /// Whether the record was put together from a form that does not keep all that CloudTrail wrote.
    #[serde(default)]
    pub partial: bool,
    /// `addendum.originalEventID`: the event that the record says again. `None` once it is taken in there.
    pub original: Option<String>,
    /// Ids of the records that say this event again, and were taken in.
    pub addenda: Names,
    /// Whether a proven digest names an object that holds the record.
    pub verified: bool,
    /// Set where another record of this event says something else.
    pub dispute: Option<Dispute>,
}

/// What counts of a record, where another one of the same event says something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dispute {
    /// They differ in what was done: this holds where it makes things worse.
    Effect,
    /// They differ in the rest: what was done is not in dispute.
    Details,
    /// Another one tells of what was done, and counts for this one, too.
    Repeated,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `errorCode`; `None` for a failed sign-in, which bears none.
    pub code: Option<Text>,
    /// `errorMessage`.
    pub message: Option<String>,
}

/// About whom an event is, as far as the record itself tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// An IAM user of the event's account. The id is known where the user made the call, or was created by it.
    User {
        /// The user name at that time.
        name: Option<String>,
        /// The unique id, `AIDA…`.
        id: Option<String>,
    },
    /// The root user of the event's account.
    Root,
    /// An IAM Identity Center user: identity store or directory id, and user id.
    IdentityCenter {
        /// `d-…`; `None` where the record does not tell.
        store: Option<String>,
        /// The user's GUID.
        user: String,
    },
    /// Only the device is named; its owner comes from the ledger of devices.
    DeviceOnly,
    /// The record names nobody: trail events, and refused calls whose message names no user.
    Nobody,
}

/// What an event did, or tried to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Action {
    /// A device entity was created (`CreateVirtualMFADevice`, Identity Center's `Start…Registration`): protects nobody yet.
    DeviceCreated {
        /// Serial number, where the record names it.
        serial: Option<String>,
    },
    /// A device became active for a principal.
    DeviceEnabled {
        /// Serial number, where the record names it.
        serial: Option<String>,
    },
    /// A device was resynchronized: it is active.
    DeviceResynced {
        /// Serial number, where the record names it.
        serial: Option<String>,
    },
    /// A device stopped protecting its principal.
    DeviceDeactivated {
        /// Serial number, where the record names it.
        serial: Option<String>,
    },
    /// A virtual device entity was deleted.
    DeviceDeleted {
        /// Serial number, where the record names it.
        serial: Option<String>,
    },
    /// A device was tagged.
    DeviceTagged {
        /// Serial number, where the record names it.
        serial: Option<String>,
    },
    /// A device was untagged, or renamed in Identity Center.
    DeviceUntagged {
        /// Serial number, where the record names it.
        serial: Option<String>,
    },
    /// A console sign-in.
    ConsoleLogin {
        /// `MFAUsed`.
        mfa_used: Option<bool>,
        /// `MFAIdentifier`: the serial number of the device used.
        serial: Option<String>,
    },
    /// The sign-in page asked for a second factor.
    MfaChecked,
    /// `GetSessionToken` with a serial number: the device was in use.
    SessionToken {
        /// Serial number.
        serial: String,
    },
    /// `AssumeRoot`: the access key of the session that will appear as the root user of another account.
    RootAssumed {
        /// The member account.
        target_account: Option<String>,
        /// The session's access key.
        access_key: Option<String>,
    },
    /// `CreateUser`.
    UserCreated,
    /// `DeleteUser`.
    UserDeleted,
    /// `UpdateUser` with a new name.
    UserRenamed {
        /// The name from now on.
        new_name: String,
    },
    /// `CreateLoginProfile`.
    PasswordCreated,
    /// `UpdateLoginProfile`.
    PasswordReset,
    /// `ChangePassword` (`PasswordUpdated` of old): by the principal itself.
    PasswordChanged,
    /// `DeleteLoginProfile`.
    PasswordRemoved,
    /// `CreateAccessKey`.
    AccessKeyCreated {
        /// The key, where the record names it.
        key: Option<String>,
    },
    /// `UpdateAccessKey`.
    AccessKeyUpdated {
        /// The key, where the record names it.
        key: Option<String>,
        /// Whether it is active from now on.
        active: bool,
    },
    /// `DeleteAccessKey`.
    AccessKeyDeleted {
        /// The key, where the record names it.
        key: Option<String>,
    },
    /// `AttachUserPolicy`.
    PolicyAttached {
        /// The managed policy.
        arn: Option<String>,
    },
    /// `DetachUserPolicy`.
    PolicyDetached {
        /// The managed policy.
        arn: Option<String>,
    },
    /// `PutUserPolicy`.
    PolicyPut {
        /// The inline policy's name.
        policy: Option<String>,
        /// Its document, JSON text.
        document: Option<String>,
    },
    /// `DeleteUserPolicy`.
    PolicyDeleted {
        /// The inline policy's name.
        policy: Option<String>,
    },
    /// `AddUserToGroup` or `RemoveUserFromGroup`.
    GroupChanged {
        /// The group.
        group: Option<String>,
        /// Whether the user was added.
        added: bool,
    },
    /// What weakens or restores the evidence itself: `StopLogging`, `StartLogging`, `DeleteTrail`, `UpdateTrail`, `PutEventSelectors`.
    TrailChanged {
        /// The trail's name or ARN.
        trail: Option<String>,
    },
}

impl Target {
    /// Whether a later record can have named this one more exactly.
    pub(super) fn may_be(&self, later: &Self) -> bool {
        match (self, later) {
            (Self::User { name, id }, Self::User { name: later_name, id: later_id }) => {
                (name.is_none() || name == later_name) && (id.is_none() || id == later_id)
            }
            (Self::Nobody | Self::DeviceOnly, _) => true,
            _ => self == later,
        }
    }
}

impl Action {
    /// Whether it protects a principal, or is proof that it is protected, or mends the evidence: what must not be believed of a
    /// record that another one contradicts.
    fn protects(&self, name: &str) -> bool {
        match self {
            Self::DeviceEnabled { .. }
            | Self::DeviceResynced { .. }
            | Self::MfaChecked
            | Self::SessionToken { .. }
            | Self::UserDeleted
            | Self::PasswordRemoved
            | Self::AccessKeyDeleted { .. }
            | Self::AccessKeyUpdated { active: false, .. } => true,
            Self::ConsoleLogin { mfa_used, .. } => *mfa_used != Some(false),
            Self::PolicyAttached { arn } => arn.as_deref().is_none_or(|arn| arn.ends_with("/AWSDenyAll")),
            Self::PolicyPut { document, .. } => document.as_deref().is_none_or(|text| text.contains("Deny")),
            Self::TrailChanged { .. } => name == "StartLogging",
            _ => false,
        }
    }

    /// Whether it makes what may outlast a window: keys, passwords, policies, memberships, users, devices.
    #[must_use]
    pub fn makes(&self) -> bool {
        matches!(
            self,
            Self::AccessKeyCreated { .. }
                | Self::PasswordCreated
                | Self::PasswordReset
                | Self::PolicyAttached { .. }
                | Self::PolicyPut { .. }
                | Self::GroupChanged { added: true, .. }
                | Self::UserCreated
                | Self::DeviceEnabled { .. }
        )
    }

    /// The serial number of the device that the event names.
    #[must_use]
    pub fn serial(&self) -> Option<&str> {
        match self {
            Self::DeviceCreated { serial }
            | Self::DeviceEnabled { serial }
            | Self::DeviceResynced { serial }
            | Self::DeviceDeactivated { serial }
            | Self::DeviceDeleted { serial }
            | Self::DeviceTagged { serial }
            | Self::DeviceUntagged { serial }
            | Self::ConsoleLogin { serial, .. } => serial.as_deref(),
            Self::SessionToken { serial } => Some(serial),
            _ => None,
        }
    }

    /// Whether this is a device lifecycle event (specified as: creates, enables, resynchronises, deactivates, deletes,
    /// tags or untags a device).
    #[must_use]
    pub fn is_lifecycle(&self) -> bool {
        matches!(
            self,
            Self::DeviceCreated { .. }
                | Self::DeviceEnabled { .. }
                | Self::DeviceResynced { .. }
                | Self::DeviceDeactivated { .. }
                | Self::DeviceDeleted { .. }
                | Self::DeviceTagged { .. }
                | Self::DeviceUntagged { .. }
        )
    }

    /// The rank by which events of one second are ordered: create, enable, resync, tag, deactivate, delete.
    ///
    /// CloudTrail's clock has a resolution of one second and its files no order; the console's "remove" writes the
    /// deactivation and the deletion in the same second, in either order.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::UserCreated => 0,
            Self::DeviceCreated { .. }
            | Self::PasswordCreated
            | Self::AccessKeyCreated { .. }
            | Self::RootAssumed { .. } => 1,
            Self::DeviceEnabled { .. } => 2,
            Self::DeviceResynced { .. } | Self::ConsoleLogin { .. } | Self::MfaChecked | Self::SessionToken { .. } => 3,
            Self::DeviceTagged { .. }
            | Self::DeviceUntagged { .. }
            | Self::PasswordReset
            | Self::PasswordChanged
            | Self::AccessKeyUpdated { .. }
            | Self::PolicyAttached { .. }
            | Self::PolicyPut { .. }
            | Self::GroupChanged { .. }
            | Self::TrailChanged { .. } => 4,
            Self::DeviceDeactivated { .. } => 5,
            Self::DeviceDeleted { .. }
            | Self::PasswordRemoved
            | Self::AccessKeyDeleted { .. }
            | Self::PolicyDetached { .. }
            | Self::PolicyDeleted { .. } => 6,
            Self::UserRenamed { .. } => 7,
            Self::UserDeleted => 8,
        }
    }
}

/// Whether two values are equal but for what is absent in one of them.
fn compatible(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Null, _) | (_, Value::Null) => true,
        (Value::Object(mine), Value::Object(theirs)) => {
            mine.iter().all(|(key, value)| theirs.get(key).is_none_or(|other| compatible(value, other)))
        }
        _ => one == other,
    }
}

impl Event {
    /// Whether the call had its effect. Attempts are reported but change no state; nor does what another record of the same
    /// event contradicts, unless it makes things worse.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.failure.is_none()
            && match self.lineage.dispute {
                None | Some(Dispute::Details) => true,
                Some(Dispute::Effect) => !self.action.protects(&self.name),
                Some(Dispute::Repeated) => false,
            }
    }

    /// Whether another record of the same event says that something else was done.
    #[must_use]
    pub fn is_disputed(&self) -> bool {
        self.lineage.dispute == Some(Dispute::Effect)
    }

    /// Whether it is the event of this id: its own, or that of a record that says it again.
    #[must_use]
    pub fn has_id(&self, id: &str) -> bool {
        self.id == id || self.lineage.addenda.contains(id)
    }

    /// Whether all that is kept of two records is equal, wherever they lie.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let said = |event: &Self| Self {
            objects: Names::default(),
            delivered_at: None,
            lineage: Lineage { original: event.lineage.original.clone(), ..Lineage::default() },
            ..event.clone()
        };
        said(self) == said(other)
    }

    /// Whether two records, one of which does not keep all, contradict each other in nothing: what one of them does not tell may
    /// be as the other has it.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let said = |event: &Self| {
            let objects = Names::default();
            serde_json::to_value(Self { objects, delivered_at: None, lineage: Lineage::default(), ..event.clone() })
        };
        self.lineage.original == other.lineage.original
            && matches!((said(self), said(other)), (Ok(one), Ok(other)) if compatible(&one, &other))
    }

    /// Takes what a record says that keeps all, of which this one keeps a part; whatever is known of where both lie stays.
    pub(super) fn take_over(&mut self, whole: &Self) {
        let before = std::mem::replace(self, whole.clone());
        self.objects = before.objects;
        self.delivered_at = before.delivered_at;
        self.lineage = Lineage { content: whole.lineage.content, partial: false, ..before.lineage };
    }

    /// The total order of events: time, meaning, id. It does not depend on the order of input.
    #[must_use]
    pub fn order(&self) -> (DateTime<Utc>, u8, &str, &str) {
        (self.time, self.action.rank(), &self.id, &self.account)
    }
}
