//! A trace as data: `mfatrail trace --format json` is this, serialized; every other format says the same.
//!
//! The contract is `mfatrail.trace/1`. `null` means "not known", never "no". Credentials are named by their `number`.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{ReadFailure, Tool};

/// The schema's name.
pub const TRACE_SCHEMA: &str = "mfatrail.trace/1";

/// The whole of it.
#[derive(Debug, Clone, Serialize)]
pub struct Trace {
    /// [`TRACE_SCHEMA`].
    pub schema: &'static str,
    /// What made it.
    pub tool: Tool,
    /// When.
    pub traced_at: DateTime<Utc>,
    /// What was asked about.
    pub asked: TraceQuestion,
    /// The range that was read, by `eventTime`; `null` where it is open.
    pub from: Option<DateTime<Utc>>,
    /// Its end, excluded.
    pub to: Option<DateTime<Utc>>,
    /// Whether everything that was asked for could be read and followed.
    pub complete: bool,
    /// What is not known, the worst first.
    pub unknowns: Vec<TraceUnknown>,
    /// Whom it is about.
    pub subjects: Vec<TraceSubject>,
    /// MFA that somebody lost, by a call of the credentials below or of others.
    pub mfa_removals: Vec<MfaRemoval>,
    /// Sessions, keys, passwords, users and roles that belong together, each after the one that made it.
    pub credentials: Vec<TraceCredential>,
    /// What they made, changed or took away that outlasts a session.
    pub effects: Vec<TraceEffect>,
    /// All events, in order of time.
    pub events: Vec<TraceEvent>,
    /// How many more events there are.
    pub events_omitted: u64,
    /// What to do.
    pub next_steps: Vec<TraceStep>,
    /// What was read.
    pub coverage: TraceCoverage,
}

/// What was asked.
#[derive(Debug, Clone, Serialize)]
pub struct TraceQuestion {
    /// `event`, `user`, `access_key`.
    pub kind: &'static str,
    /// The event's id, the user's name, the key's id.
    pub value: String,
    /// The account that was named with it.
    pub account: Option<String>,
}

/// Something that is not known, or not sure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TraceUnknown {
    /// What it is, for machines.
    pub code: TraceGap,
    /// In words.
    pub text: String,
}

/// What can be unknown: those that make a trace incomplete first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceGap {
    /// Not one object was read.
    NothingRead,
    /// No record is of what was asked about.
    NotFound,
    /// Objects could not be read.
    ObjectsUnreadable,
    /// Records of one event contradict each other.
    Conflict,
    /// The region that records IAM was not read of an account.
    IamRegionNotRead,
    /// Sessions went to an account of which nothing was read.
    AccountNotRead,
    /// Where a session came from is not in what was read.
    BeginningUnknown,
    /// More credentials than are followed.
    CredentialsCut,
    /// What the last pass found was not followed.
    PassesCut,
    /// More events than are listed.
    EventsCut,
    /// Only some accounts or regions were read, as requested.
    Selection,
    /// What lies before or after the range.
    Range,
    /// A key or a user was made too long before to be followed.
    MakerNotFollowed,
    /// A role can be assumed by others than before.
    TrustChanged,
    /// A long-term key was used from several addresses.
    SharedKey,
    /// Several users bear the name.
    SeveralUsers,
    /// IAM state lacks an account, or is older than an event.
    IamState,
    /// The record names no credentials: there is nothing to follow.
    NoCredential,
}

impl TraceGap {
    /// Whether the trace is incomplete for it.
    #[must_use]
    pub fn is_incomplete(self) -> bool {
        self <= Self::EventsCut
    }
}

/// Whom a trace is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TraceSubject {
    /// The caller's account.
    pub account: Option<String>,
    /// What it is, as in `report.json`: `iam_user`, `root`, `assumed_role` …
    pub kind: &'static str,
    /// The ARN, else the name.
    pub who: String,
    /// The unique id.
    pub id: Option<String>,
}

/// A deactivated MFA device.
#[derive(Debug, Clone, Serialize)]
pub struct MfaRemoval {
    /// The event.
    pub event_id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The account.
    pub account: Option<String>,
    /// Whose MFA.
    pub user: String,
    /// The device.
    pub device: String,
    /// By whom.
    pub actor: String,
    /// With which credential.
    pub credential: Option<usize>,
    /// Whether that session was authenticated with MFA.
    pub mfa: Option<bool>,
    /// From where.
    pub address: Option<String>,
    /// The later call that enabled a device for the user.
    pub reenabled: Option<TraceCall>,
}

/// A call, as far as another one mentions it.
#[derive(Debug, Clone, Serialize)]
pub struct TraceCall {
    /// The event.
    pub event_id: String,
    /// Its name.
    pub event_name: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Whose record.
    pub account: Option<String>,
    /// By whom.
    pub actor: String,
    /// With which credential of the trace; `null` for others.
    pub credential: Option<usize>,
    /// From where.
    pub address: Option<String>,
    /// Whether the session was authenticated with MFA.
    pub mfa: Option<bool>,
}

/// A credential.
#[derive(Debug, Clone, Serialize)]
pub struct TraceCredential {
    /// From 1.
    pub number: usize,
    /// `access_key`, `session`, `user`, `password`, `role`.
    pub kind: &'static str,
    /// `subject`, `actor`, `before`, `after`.
    pub relation: &'static str,
    /// In words.
    pub label: String,
    /// The access key.
    pub access_key: Option<String>,
    /// The unique id of its calls.
    pub id: Option<String>,
    /// When a session began.
    pub begun_at: Option<DateTime<Utc>>,
    /// When it ends by the duration that was asked for, or that is the default.
    pub expires_at: Option<DateTime<Utc>>,
    /// The credential that made it.
    pub parent: Option<usize>,
    /// The call that made it.
    pub made_by: Option<TraceCall>,
    /// How many callers the records say to have made it: more than one is a contradiction.
    pub claims: usize,
    /// Whether its calls were authenticated with MFA.
    pub mfa: Option<bool>,
    /// From where it was used.
    pub addresses: Vec<TraceUse>,
    /// With what.
    pub user_agents: Vec<TraceUse>,
    /// Long-term keys of a user that were used.
    pub access_keys: Vec<TraceUse>,
    /// How many calls.
    pub calls: u64,
    /// Of these, those that may have changed something, and were not refused.
    pub changes: u64,
    /// Those that were refused.
    pub refused: u64,
    /// The first call.
    pub first_at: Option<DateTime<Utc>>,
    /// The last call.
    pub last_at: Option<DateTime<Utc>>,
}

/// An address, a user agent or a key, and how it was used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TraceUse {
    /// The address, the user agent or the key.
    pub value: String,
    /// First call.
    pub first_at: DateTime<Utc>,
    /// Last call.
    pub last_at: DateTime<Utc>,
    /// How many calls.
    pub calls: u64,
}

/// What a call did that outlasts it.
#[derive(Debug, Clone, Serialize)]
pub struct TraceEffect {
    /// `access_key`, `user`, `password`, …
    pub kind: &'static str,
    /// `made`, `changed`, `disabled`, `removed`.
    pub action: &'static str,
    /// In words.
    pub label: String,
    /// The account.
    pub account: Option<String>,
    /// The user, role or group.
    pub owner: Option<String>,
    /// The key's id, the policy, the serial.
    pub name: String,
    /// By which call.
    pub by: TraceCall,
    /// `stands`, `inactive`, `ended`, as far as the calls tell.
    pub standing: &'static str,
    /// The call that ended it.
    pub ended_by: Option<TraceCall>,
    /// What IAM state says: `present`, `absent`; `null` where it says nothing.
    pub iam: Option<&'static str>,
}

/// One event.
#[derive(Debug, Clone, Serialize)]
pub struct TraceEvent {
    /// `eventID`.
    pub event_id: String,
    /// `eventTime`.
    pub at: DateTime<Utc>,
    /// Whose record.
    pub account: Option<String>,
    /// `awsRegion`.
    pub region: Option<String>,
    /// `eventSource`.
    pub source: String,
    /// `eventName`.
    pub name: String,
    /// The credential that it is of.
    pub credential: Option<usize>,
    /// `by` the credential, that which `began` it, or `about` what it made, by somebody else.
    pub relation: &'static str,
    /// Who.
    pub actor: String,
    /// With which key.
    pub access_key: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// With what.
    pub user_agent: Option<String>,
    /// Whether the session was authenticated with MFA.
    pub mfa: Option<bool>,
    /// The error code; `Failure` of a sign-in.
    pub error: Option<String>,
    /// Whether it only reads.
    pub read_only: bool,
    /// What it is about, where the record names it.
    pub target: Option<String>,
    /// The object that holds the record.
    pub object: Option<String>,
}

/// A step to take.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TraceStep {
    /// What.
    pub text: String,
    /// A command that does it, or shows it.
    pub command: Option<String>,
}

/// What was read.
#[derive(Debug, Clone, Serialize)]
pub struct TraceCoverage {
    /// Passes over the archive.
    pub passes: usize,
    /// Objects in range.
    pub objects_listed: u64,
    /// Read.
    pub objects_read: u64,
    /// Not readable.
    pub objects_failed: u64,
    /// Deliberately skipped.
    pub objects_skipped: u64,
    /// As stored.
    pub bytes_compressed: u64,
    /// Inflated.
    pub bytes_raw: u64,
    /// What could not be read.
    pub failures: Vec<ReadFailure>,
}
