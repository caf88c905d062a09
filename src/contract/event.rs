//! Lifecycle events, and the events that windows name.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::integrity::Integrity;
use super::principal::Principal;
use super::whole_seconds;

/// An event that a window names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// `eventID`.
    pub event_id: String,
    /// `eventName`.
    pub event_name: String,
    /// `eventTime`.
    #[serde(serialize_with = "whole_seconds::one")]
    pub event_time: DateTime<Utc>,
    /// `recipientAccountId`.
    pub account: String,
    /// Who made the call.
    pub actor: String,
    /// The objects that hold the record, sorted.
    pub objects: Vec<String>,
    /// SHA-256 of these objects' bytes as stored, hexadecimal, in the same order; `None` of what came by standard
    /// input, and of what could not be read a second time as before.
    pub sha256: Vec<Option<String>>,
}

/// A lifecycle event of the period.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LifecycleEvent {
    /// `eventID`.
    pub event_id: String,
    /// `eventTime`.
    #[serde(serialize_with = "whole_seconds::one")]
    pub event_time: DateTime<Utc>,
    /// `eventName`.
    pub event_name: String,
    /// Ids of the records that say it again (`addendum.originalEventID`), and whose fields it has since.
    pub addenda: Vec<String>,
    /// Whether it had its effect.
    pub outcome: Outcome,
    /// `errorCode` of an attempt.
    pub error_code: Option<String>,
    /// `recipientAccountId`.
    pub account: String,
    /// `awsRegion`.
    pub region: String,
    /// Whose device; `None` where nothing tells.
    pub principal: Option<Principal>,
    /// Serial number.
    pub device: Option<String>,
    /// Who made the call.
    pub actor: String,
    /// Whether its session was MFA-authenticated.
    pub actor_mfa: Option<bool>,
    /// From where.
    pub source_ip: Option<String>,
    /// Attacker-controlled text.
    pub user_agent: Option<String>,
    /// For deactivations: how many known devices remained.
    pub remaining_devices: Option<usize>,
    /// The objects that hold the record, sorted.
    pub objects: Vec<String>,
    /// What is known of these objects, the worst of them; absent where digests were not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrity: Option<Integrity>,
}

/// Whether a call had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Outcome {
    Success,
    Failed,
}

impl Outcome {
    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
        }
    }
}
