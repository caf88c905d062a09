//! Who called what from where, for everything that is no lifecycle event: activity in windows, addresses seen before,
//! and calls about a principal that show that somebody noticed.

use chrono::{DateTime, Utc};

use crate::cloudtrail::Actor;

/// One call or sign-in, as far as the figures need it.
///
/// Kept for every call by an IAM user, a root user or an Identity Center user, and for every IAM call about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `eventID`.
    pub event_id: String,
    /// `eventTime`.
    pub time: DateTime<Utc>,
    /// `recipientAccountId`.
    pub account: String,
    /// Who called.
    pub actor: Actor,
    /// `sourceIPAddress`.
    pub source_ip: Option<String>,
    /// `eventSource`.
    pub service: String,
    /// `eventName`.
    pub name: String,
    /// Whether the call only reads.
    pub read_only: bool,
    /// Whether it was refused, or the sign-in failed.
    pub failed: bool,
    /// Whether the session was MFA-authenticated.
    pub session_mfa: Option<bool>,
    /// For a console sign-in, `MFAUsed`.
    pub sign_in_mfa: Option<bool>,
    /// The IAM user that the call is about: `requestParameters.userName` of an `iam.amazonaws.com` call, in
    /// lower case; `aws root user` for the root user.
    pub about_user: Option<String>,
}

/// That an actor other than a user was seen at an address: all its calls of one UTC day, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The actor's `principalId`, else its ARN.
    pub actor: String,
    /// `sourceIPAddress`.
    pub source_ip: String,
    /// The first call of that day.
    pub first: DateTime<Utc>,
    /// The last call of that day.
    pub last: DateTime<Utc>,
}

/// What the trace tells about the principals and actors of the windows. More than is needed does no harm: the analysis
/// picks what it wants; the same call given twice counts once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// Calls.
    pub calls: Vec<Call>,
    /// Sightings of roles, services and the rest.
    pub sightings: Vec<Sighting>,
}
