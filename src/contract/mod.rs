//! The report as data: `report.json` is this, serialized; every other format says the same.
//!
//! Field names and their order are the output contract `mfatrail.report/1`. Times are UTC, durations whole or
//! fractional seconds (`_s`), exposure is in hours. `null` means "not known" or "nothing to average", never zero.

mod codes;
pub mod integrity;
mod notice;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::inputs::Settings;
pub use integrity::{ArchiveIntegrity, StoredIntegrity};
pub use notice::{Notice, NoticeCode};

/// The contract's name and version.
pub const SCHEMA: &str = "mfatrail.report/1";

/// A whole report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The program that made it.
    pub tool: Tool,
    /// When it was rendered: the only value that a clock decides.
    #[serde(serialize_with = "whole_seconds::one")]
    pub generated_at: DateTime<Utc>,
    /// The reported period, half-open.
    pub period: Period,
    /// Up to when open windows are measured.
    #[serde(serialize_with = "whole_seconds::one")]
    pub as_of: DateTime<Utc>,
    /// The headline figures.
    pub figures: Figures,
    /// Every window that touches the period, in order of opening.
    pub windows: Vec<Window>,
    /// Every lifecycle event of the period, attempts included, in order of time.
    pub events: Vec<LifecycleEvent>,
    /// Where IAM and the archive disagree.
    pub reconciliation: Vec<Finding>,
    /// Virtual devices that are assigned to nobody, as the archive explains.
    pub leftover_devices: Vec<LeftoverDevice>,
    /// What the report rests on.
    pub coverage: Coverage,
    /// What a reader must know before trusting a figure: missing inputs, regions not seen, tickets that matched nothing.
    pub notices: Vec<Notice>,
    /// The settings in force.
    pub policy: Settings,
    /// The figures of each account, in order of id.
    pub accounts: Vec<AccountFigures>,
    /// The figures of successive periods: the calendar months of a report of several, and earlier reports that were given.
    pub trend: Vec<TrendPeriod>,
    /// The events that windows name, ordinary calls included, with the objects that hold them, in order of time.
    pub proof: Vec<Proof>,
    /// The files beside the archive that it was made from.
    pub inputs: Vec<InputFile>,
    /// Whether names, addresses and account ids are pseudonyms.
    pub redacted: bool,
}

/// The figures of one account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccountFigures {
    /// The account.
    pub account: String,
    /// Its figures; its MFA coverage where IAM state tells of it.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The figures of one period of the trend: IAM users and root users.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrendPeriod {
    /// The period.
    pub period: Period,
    /// Where they are from.
    pub source: TrendSource,
    /// Up to when it is measured: its end, or the `as_of` that cuts it.
    #[serde(serialize_with = "whole_seconds::one")]
    pub measured_to: DateTime<Utc>,
    /// The figures.
    #[serde(flatten)]
    pub figures: KindFigures,
    /// MFA coverage at the last snapshot that was taken in the period or as it ended; see [`MfaCoverage::is_of`].
    pub mfa_coverage: Option<MfaCoverage>,
}

impl TrendPeriod {
    /// Whether its end is not in the figures.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.measured_to < self.period.to
    }
}

/// Where figures of the trend are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrendSource {
    /// A part of this report's period.
    ThisReport,
    /// The `report.json` of an earlier report.
    EarlierReport,
}

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

/// A file that a report was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputFile {
    /// `iam`, `approvals`, `detections`, `policy` or `previous`.
    pub kind: &'static str,
    /// Its name; within a directory of IAM state the path from there.
    pub path: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}

/// The program that made a report.
#[derive(Debug, Clone, Serialize)]
pub struct Tool {
    /// `CARGO_PKG_VERSION`.
    pub version: &'static str,
}

/// A half-open period `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// Its first moment.
    #[serde(serialize_with = "whole_seconds::one")]
    pub from: DateTime<Utc>,
    /// The first moment after it.
    #[serde(serialize_with = "whole_seconds::one")]
    pub to: DateTime<Utc>,
}

impl Period {
    /// Whether `time` lies in the period.
    #[must_use]
    pub fn contains(&self, time: DateTime<Utc>) -> bool {
        self.from <= time && time < self.to
    }
}

/// A mean never comes alone. Every field but `n` is `None` for an empty set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Stat {
    /// How many durations there were.
    pub n: usize,
    /// Arithmetic mean, seconds.
    pub mean_s: Option<f64>,
    /// Median, seconds; of an even `n` the mean of the middle two.
    pub median_s: Option<f64>,
    /// 90th percentile by nearest rank, seconds.
    pub p90_s: Option<f64>,
    /// Maximum, seconds.
    pub max_s: Option<f64>,
}

/// A statistic of times to detect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct DetectStat {
    /// Over the detected.
    #[serde(flatten)]
    pub stat: Stat,
    /// How many were not detected: never in the mean, never dropped.
    pub undetected: usize,
}

/// A statistic of times to remediate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CloseStat {
    /// Over the closed.
    #[serde(flatten)]
    pub stat: Stat,
    /// How many are open at `as_of`.
    pub open: usize,
}

/// The figures of one kind of identity.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KindFigures {
    /// Time to detect, whole cohort.
    pub mttd: DetectStat,
    /// Time to detect, the not legitimate part.
    pub mttd_not_legitimate: DetectStat,
    /// Time to remediate, whole cohort.
    pub mttr: CloseStat,
    /// Time to remediate, the not legitimate part.
    pub mttr_not_legitimate: CloseStat,
    /// From the deactivation to CloudTrail's delivery of its record: no detector on the archive can be faster.
    pub delivery: Stat,
    /// `never_enrolled` windows that opened in the period.
    pub enrolment: CloseStat,
    /// Deactivations in the period.
    pub deactivations: Deactivations,
    /// Time without MFA.
    pub exposure: Exposure,
}

/// The headline figures: IAM users and root users.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// IAM users and root users.
    #[serde(flatten)]
    pub iam: KindFigures,
    /// IAM Identity Center users, kept apart from IAM in every mean; `None` where the archive holds none of their events.
    pub identity_center: Option<KindFigures>,
    /// MFA coverage at the snapshot; `None` without IAM state.
    pub mfa_coverage: Option<MfaCoverage>,
}

/// Counts of deactivations whose `eventTime` lies in the period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deactivations {
    /// Successful ones: `opened_window + left_another_device + no_password + denied`.
    pub total: usize,
    /// Those that opened a window.
    pub opened_window: usize,
    /// Of these, legitimate by their class.
    pub legitimate: usize,
    /// Of these, not legitimate by their class.
    pub not_legitimate: usize,
    /// Those that left another device active.
    pub left_another_device: usize,
    /// Those of principals known to have no console password.
    pub no_password: usize,
    /// Those of principals to whom a policy denied everything.
    #[serde(default)]
    pub denied: usize,
    /// Attempts that failed.
    pub failed_attempts: usize,
    /// Of those that opened a window, how many per class.
    pub by_class: ByClass,
}

/// Window-opening deactivations per class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the classes; see `Class`")]
pub struct ByClass {
    pub approved: usize,
    pub offboarding: usize,
    pub suspected_takeover: usize,
    pub replacement: usize,
    pub workaround: usize,
    pub unexplained: usize,
}

/// Exposure by `removed` windows, and apart from it by `standing` ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Exposure {
    /// Principal-hours without MFA inside the period.
    pub principal_hours: f64,
    /// Windows open at the period's end.
    pub open_at_end: usize,
    /// Windows open at the period's start.
    pub carried_in: usize,
    /// What IAM shows without MFA and no event explains.
    #[serde(default)]
    pub standing: Standing,
}

/// Exposure by `standing` windows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Windows open at `as_of`; of a part of the period that ended before, at its end.
    pub open: usize,
    /// Principal-hours without MFA inside the period, as far as they are proven: from `open_since_before` on.
    pub principal_hours: f64,
}

/// MFA coverage at the snapshot. A count whose input is missing is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the definitions")]
pub struct MfaCoverage {
    pub users: Option<usize>,
    pub users_with_mfa: Option<usize>,
    pub console_users: Option<usize>,
    pub console_users_with_mfa: Option<usize>,
    pub users_mfa_enforced: Option<usize>,
    pub users_with_mfa_and_enforced: Option<usize>,
    pub roots: Option<usize>,
    pub roots_with_mfa: Option<usize>,
    /// Root users known to have neither a password nor an active access key: nothing that MFA would protect.
    #[serde(default)]
    pub roots_without_credentials: Option<usize>,
    /// Users whose policies allow everything, or all of IAM.
    #[serde(default)]
    pub privileged_users: Option<usize>,
    #[serde(default)]
    pub privileged_users_with_mfa: Option<usize>,
    /// How many accounts these counts are of.
    #[serde(default)]
    pub accounts: Option<usize>,
    /// How many accounts the report covers: where IAM state covers fewer, nothing is known of the others.
    #[serde(default)]
    pub accounts_in_report: Option<usize>,
    /// When IAM said so; reports of earlier versions do not tell.
    #[serde(default, serialize_with = "whole_seconds::optional")]
    pub taken_at: Option<DateTime<Utc>>,
}

impl MfaCoverage {
    /// Whether it tells of a period: its snapshot was taken in it, or as it ended, and never in another. The one rule for
    /// months, single or in a range, and for earlier reports; those of earlier versions do not say when it was taken.
    #[must_use]
    pub fn is_of(&self, period: Period) -> bool {
        self.taken_at.is_none_or(|at| period.from < at && at <= period.to)
    }
}

/// Whose MFA it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Principal {
    /// What kind of identity.
    pub kind: PrincipalKind,
    /// Its latest name; `root` for the root user, the user id for Identity Center.
    pub name: String,
    /// The unique id, `AIDA…` or a GUID, where known.
    pub id: Option<String>,
}

/// The kinds of principals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum PrincipalKind {
    IamUser,
    Root,
    IdentityCenter,
}

impl PrincipalKind {
    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::IamUser => "iam_user",
            Self::Root => "root",
            Self::IdentityCenter => "identity_center",
        }
    }
}

/// Why a principal that should have MFA has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// It had a device.
    Removed,
    /// It got a console password and no device yet.
    NeverEnrolled,
    /// IAM shows it without a device, and no event says since when.
    Standing,
}

impl WindowKind {
    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::NeverEnrolled => "never_enrolled",
            Self::Standing => "standing",
        }
    }
}

/// What ended a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// A device was enabled for the principal.
    Reenabled,
    /// The user was deleted.
    UserDeleted,
    /// The console password was removed.
    PasswordRemoved,
    /// A policy denied everything.
    Denied,
    /// No event, but IAM shows a device enabled after the opening.
    SeenInIam,
    /// No enrolment was seen, but a device of the principal was used or deactivated: the enrolment is missing, the
    /// window ended at this event at the latest. A reconciliation finding goes with it.
    SeenInUse,
    /// The exposure was over at the snapshot (IAM's whole list lacks the user, or shows a device), and no event says since
    /// when: `closed_at` is unknown. A reconciliation finding holds the interval.
    EndedUnseen,
}

impl CloseReason {
    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reenabled => "reenabled",
            Self::UserDeleted => "user_deleted",
            Self::PasswordRemoved => "password_removed",
            Self::Denied => "denied",
            Self::SeenInIam => "seen_in_iam",
            Self::SeenInUse => "seen_in_use",
            Self::EndedUnseen => "ended_unseen",
        }
    }
}

/// Whether an unseen device may remain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// All devices of the principal were known.
    Confirmed,
    /// An unseen device may remain.
    Possible,
}

impl Certainty {
    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Possible => "possible",
        }
    }
}

/// The class of a deactivation that opened a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the rules are documented where they are applied, in `exposure::classify`")]
pub enum Class {
    Approved,
    Offboarding,
    SuspectedTakeover,
    Replacement,
    Workaround,
    Unexplained,
}

impl Class {
    /// Every class, in the order of the rules.
    pub const ALL: [Self; 6] = [
        Self::Approved,
        Self::Offboarding,
        Self::SuspectedTakeover,
        Self::Replacement,
        Self::Workaround,
        Self::Unexplained,
    ];

    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Offboarding => "offboarding",
            Self::SuspectedTakeover => "suspected_takeover",
            Self::Replacement => "replacement",
            Self::Workaround => "workaround",
            Self::Unexplained => "unexplained",
        }
    }

    /// How many of `counts` are of this class.
    #[must_use]
    pub fn of(self, counts: &ByClass) -> usize {
        match self {
            Self::Approved => counts.approved,
            Self::Offboarding => counts.offboarding,
            Self::SuspectedTakeover => counts.suspected_takeover,
            Self::Replacement => counts.replacement,
            Self::Workaround => counts.workaround,
            Self::Unexplained => counts.unexplained,
        }
    }

    /// Whether a deactivation of this class is legitimate.
    #[must_use]
    pub fn legitimate(self) -> bool {
        matches!(self, Self::Approved | Self::Offboarding | Self::Replacement)
    }
}

/// What is known of a console password at a window's opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ConsolePassword {
    Yes,
    No,
    Unknown,
}

impl ConsolePassword {
    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// An interval in which a principal that should have MFA had none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Window {
    /// Removed or never enrolled.
    pub kind: WindowKind,
    /// The account.
    pub account: String,
    /// Whose MFA.
    pub principal: Principal,
    /// From IAM tags.
    pub owner: Option<String>,
    /// The opening event's time; `None` for a standing window.
    #[serde(serialize_with = "whole_seconds::optional")]
    pub opened_at: Option<DateTime<Utc>>,
    /// For a standing window, the earliest moment at which it is proven: it opened then or before.
    #[serde(serialize_with = "whole_seconds::optional")]
    pub open_since_before: Option<DateTime<Utc>>,
    /// The opening event's id; `None` for a standing window.
    pub opened_by_event: Option<String>,
    /// The opening event's name: a deactivation, or what brought an exposure back; `None` for a standing window.
    pub opened_by: Option<String>,
    /// The serial number of the deactivated device, where the opening event names one.
    pub device: Option<String>,
    /// Who made the opening call; `None` for a standing window.
    pub actor: Option<String>,
    /// Whether that session was MFA-authenticated.
    pub actor_mfa: Option<bool>,
    /// From where.
    pub source_ip: Option<String>,
    /// When CloudTrail delivered the opening event.
    #[serde(serialize_with = "whole_seconds::optional")]
    pub delivered_at: Option<DateTime<Utc>>,
    /// When it closed; `None` for an open window, and for one that ended unseen.
    #[serde(serialize_with = "whole_seconds::optional")]
    pub closed_at: Option<DateTime<Utc>>,
    /// The closing event's id; `None` where no event closed it.
    pub closed_by_event: Option<String>,
    /// What closed it.
    pub close_reason: Option<CloseReason>,
    /// From the opening (of a standing window, from `open_since_before`) to the close, or to `as_of`; of one that ended
    /// unseen, up to the last moment at which it is proven. Whole seconds.
    pub duration_s: i64,
    /// Whether an unseen device may remain.
    pub certainty: Certainty,
    /// Only deactivations are classified.
    pub class: Option<Class>,
    /// By the class.
    pub legitimate: Option<bool>,
    /// The rule that decided, and every signal, with their evidence.
    pub reasons: Vec<Reason>,
    /// The first detection.
    pub detection: Option<Detected>,
    /// The approval that covers it.
    pub approval: Option<Approved>,
    /// Console password at the opening.
    pub console_password: ConsolePassword,
    /// Active access keys at the opening.
    pub active_access_keys: Option<u32>,
    /// Whether the principal's policies allow everything, or all of IAM, at the snapshot.
    pub privileged: Option<bool>,
    /// What the principal did meanwhile.
    pub activity: Activity,
    /// The worst of what is known of the objects that tell of its opening and its close; absent where digests were not
    /// verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrity: Option<Integrity>,
}

impl Window {
    /// Whether the principal is still without MFA at `as_of`.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none() && self.close_reason.is_none()
    }

    /// The earliest moment at which the exposure is proven: the opening, or `open_since_before`.
    #[must_use]
    pub fn proven_from(&self) -> DateTime<Utc> {
        self.opened_at.or(self.open_since_before).unwrap_or_default()
    }

    /// The moment up to which the exposure is proven: `duration_s` after [`Self::proven_from`].
    #[must_use]
    pub fn proven_to(&self) -> DateTime<Utc> {
        self.proven_from() + chrono::TimeDelta::seconds(self.duration_s)
    }
}

/// What CloudTrail's digests say of the bytes that tell of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Integrity {
    /// A proven digest names exactly these bytes.
    Verified,
    /// No proven digest names the object.
    Unsigned,
    /// They are not the bytes that CloudTrail signed, or not where it put them.
    Failed,
}

impl Integrity {
    /// The name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unsigned => "unsigned",
            Self::Failed => "failed",
        }
    }
}

/// A rule or a signal that held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The class's or signal's name.
    pub rule: &'static str,
    /// The events that made it hold, in order of time.
    pub event_ids: Vec<String>,
}

/// How a deactivation was noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detected {
    /// When.
    #[serde(serialize_with = "whole_seconds::one")]
    pub at: DateTime<Utc>,
    /// Reported by an input, or inferred from the archive.
    pub kind: DetectionKind,
    /// The alert's source, or the inferred detector's ARN.
    pub source: String,
    /// The alert's reference, or the event's id.
    pub reference: String,
    /// From the deactivation, whole seconds.
    pub time_to_detect_s: i64,
}

/// Where a detection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectionKind {
    /// A row of `--detections`.
    Reported,
    /// A call about the principal by somebody else.
    Inferred,
}

impl DetectionKind {
    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Inferred => "inferred",
        }
    }
}

/// The approval that covers a deactivation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approved {
    /// The ticket.
    pub ticket: String,
    /// Who approved.
    pub approver: String,
}

/// What the principal itself did between a window's opening and its close.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Activity {
    /// Records of its calls and sign-ins.
    pub events: usize,
    /// Successful console sign-ins without MFA.
    pub console_logins_without_mfa: usize,
    /// Calls that are not read-only.
    pub writes: usize,
    /// Refused calls and failed sign-ins.
    pub errors: usize,
    /// From where, sorted.
    pub source_ips: Vec<String>,
    /// `eventSource`s, sorted.
    pub services: Vec<String>,
    /// What the actor of the opening call did meanwhile, the principal's own doings where that is the actor; `None` where no
    /// actor is known.
    pub by_actor: Option<ActorActivity>,
}

/// What the actor of a window's opening call did between the opening and the close.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ActorActivity {
    /// Records of its calls and sign-ins; `None` for roles and services, whose calls are not kept one by one.
    pub events: Option<usize>,
    /// Calls that are not read-only; `None` likewise.
    pub writes: Option<usize>,
    /// Keys, passwords, policies, memberships, users and devices that it made, for whomever, in order of time.
    pub made: Vec<Made>,
}

/// Something made during a window that may outlive it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Made {
    /// `eventID` of the call that made it.
    pub event_id: String,
    /// When.
    #[serde(serialize_with = "whole_seconds::one")]
    pub at: DateTime<Utc>,
    /// What: `access_key`, `password`, `policy`, `group_membership`, `user` or `device`.
    pub what: &'static str,
    /// Its id or name: the access key's id, the user whose password it is, the policy and whom it is attached to.
    pub id: String,
    /// Whether it still stands at `as_of`; `None` where that is not known.
    pub still_there: Option<bool>,
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

/// Where IAM and the archive disagree: evidence is missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The account.
    pub account: String,
    /// Whose MFA; `None` for a device without an owner.
    pub principal: Option<Principal>,
    /// The device, where one is named.
    pub device: Option<String>,
    /// What is wrong.
    pub finding: FindingCode,
    /// The interval in which the missing event must lie.
    #[serde(serialize_with = "whole_seconds::pair")]
    pub between: [DateTime<Utc>; 2],
}

/// The kinds of reconciliation findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingCode {
    /// A device is active whose enrolment lies in the covered range and was never seen.
    EnableNotInArchive,
    /// The archive's last word is an enrolment, IAM lacks the device.
    DeactivateNotInArchive,
    /// IAM shows a virtual device that is assigned to nobody who exists, or whose origin the archive does not explain.
    DeviceWithoutOwner,
    /// A console user without MFA and without a window that explains it.
    WithoutMfaUnexplained,
    /// The archive tells of a user that IAM's list lacks, and not of its deletion.
    DeleteNotInArchive,
    /// IAM's console password is not what the archive's last word on it was.
    PasswordDisagrees,
    /// IAM's denial of everything is not what the archive's last word on it was.
    DenyDisagrees,
    /// A call succeeded that IAM would have refused in the state that the archive tells.
    StateContradicts,
    /// IAM says that a device is active which no input names: it may have been there all along.
    UnseenDevice,
}

impl FindingCode {
    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EnableNotInArchive => "enable_not_in_archive",
            Self::DeactivateNotInArchive => "deactivate_not_in_archive",
            Self::DeviceWithoutOwner => "device_without_owner",
            Self::WithoutMfaUnexplained => "without_mfa_unexplained",
            Self::DeleteNotInArchive => "delete_not_in_archive",
            Self::PasswordDisagrees => "password_disagrees",
            Self::DenyDisagrees => "deny_disagrees",
            Self::StateContradicts => "state_contradicts",
            Self::UnseenDevice => "unseen_device",
        }
    }
}

/// A virtual device that is assigned to nobody, and how the archive explains it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LeftoverDevice {
    /// The account.
    pub account: String,
    /// Serial number.
    pub device: String,
    /// `never_enabled`, or `deactivated` and not deleted.
    pub cause: &'static str,
    /// Whose it was, where it was enabled.
    pub principal: Option<Principal>,
    /// The event that explains it.
    pub event_id: String,
    /// When that happened.
    #[serde(serialize_with = "whole_seconds::one")]
    pub since: DateTime<Utc>,
}

/// What was listed, read, failed and skipped: `objects_listed = objects_read + objects_failed + objects_skipped`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// Objects in range.
    pub objects_listed: u64,
    /// Read whole.
    pub objects_read: u64,
    /// Not read, or not whole: each is in `failures`.
    pub objects_failed: u64,
    /// Skipped by intent: digests, Insights and other products' files.
    pub objects_skipped: u64,
    /// Records in the objects read.
    pub records: u64,
    /// Bytes as stored.
    pub bytes_compressed: u64,
    /// Bytes of JSON.
    pub bytes_raw: u64,
    /// `eventTime` of the first record read.
    #[serde(serialize_with = "whole_seconds::optional")]
    pub first_record: Option<DateTime<Utc>>,
    /// `eventTime` of the last record read.
    #[serde(serialize_with = "whole_seconds::optional")]
    pub last_record: Option<DateTime<Utc>>,
    /// Whether everything that was listed could be read, something was, and no two records of one event contradict each other.
    pub complete: bool,
    /// Objects and records per account, region and delivery day.
    pub days: Vec<CoverageDay>,
    /// Intervals of the period without any object, and what weakened the evidence.
    pub gaps: Vec<Gap>,
    /// Events of which several records say different things, by account and id.
    pub conflicts: Vec<Conflict>,
    /// What could not be read, in order of name.
    pub failures: Vec<ReadFailure>,
    /// Filled in by digest verification; `None` where no digests were verified.
    pub integrity: Option<ArchiveIntegrity>,
}

/// Objects of one account and region, delivered on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoverageDay {
    /// Account id of the key.
    pub account: String,
    /// Region of the key.
    pub region: String,
    /// `yyyy-mm-dd`, by the key's date folders.
    pub day: String,
    /// Objects read.
    pub objects: u64,
    /// Records in them.
    pub records: u64,
}

/// An interval in which the evidence is absent or was weakened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// The account.
    pub account: String,
    /// The region; `None` for all.
    pub region: Option<String>,
    /// Its first moment.
    #[serde(serialize_with = "whole_seconds::one")]
    pub from: DateTime<Utc>,
    /// The first moment after it.
    #[serde(serialize_with = "whole_seconds::one")]
    pub to: DateTime<Utc>,
    /// `no_objects`, `iam_region_not_read`, or the name of the event that weakened the evidence, such as `StopLogging`.
    pub cause: String,
    /// The event that tells of it, where one does.
    pub event_id: Option<String>,
}

impl Gap {
    /// Whether the trail itself was stopped or deleted: then nothing was recorded, whatever happened.
    #[must_use]
    pub fn is_stopped_trail(&self) -> bool {
        matches!(self.cause.as_str(), "StopLogging" | "DeleteTrail")
    }
}

/// Several records of one id that say different things: at least one of them is not CloudTrail's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Conflict {
    /// `recipientAccountId`.
    pub account: String,
    /// `eventID`.
    pub event_id: String,
    /// The objects that hold these records, sorted.
    pub objects: Vec<String>,
    /// The objects whose records count: those that a digest proves, or else all.
    pub kept: Vec<String>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ReadFailure {
    /// The object's key or the file's path.
    pub object: String,
    /// What was wrong, where.
    pub error: String,
}

/// Times in whole seconds, as everywhere in the product: inputs may bring fractions, and a clock always does.
mod whole_seconds {
    use chrono::{DateTime, SubsecRound, Utc};
    use serde::{Serialize, Serializer};

    pub(super) fn one<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        at.trunc_subsecs(0).serialize(serializer)
    }

    pub(super) fn optional<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
        at.map(|at| at.trunc_subsecs(0)).serialize(serializer)
    }

    pub(super) fn pair<S: Serializer>(between: &[DateTime<Utc>; 2], serializer: S) -> Result<S::Ok, S::Error> {
        between.map(|at| at.trunc_subsecs(0)).serialize(serializer)
    }
}
