//! Windows: what opened and closed them, their class, who noticed, what was done meanwhile.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::exemption::Exemption;
use super::figures::ByClass;
use super::integrity::Integrity;
use super::principal::{Principal, PrincipalKind};
use super::whole_seconds;

/// Why a principal that should have MFA has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// Accepted risks that are about it; absent where none is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exemption>,
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

/// The section of the playbook about somebody without MFA: the file in this program's repository, and the anchor. `None` where no section
/// is.
#[must_use]
pub const fn playbook(who: PrincipalKind, class: Option<Class>) -> Option<&'static str> {
    match (class, who) {
        (_, PrincipalKind::Root) => Some("docs/playbook.md#root-user"),
        (Some(Class::Approved | Class::Offboarding), _) => None,
        (Some(Class::SuspectedTakeover | Class::Unexplained), _) => Some("docs/playbook.md#suspected-takeover"),
        (Some(Class::Replacement | Class::Workaround), _) => Some("docs/playbook.md#replaced"),
        (None, _) => None,
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
    /// How many more it made, later ones, that are not in `made`.
    #[serde(skip_serializing_if = "is_none")]
    pub made_left_out: usize,
}

/// What is left out where it is nothing.
fn is_none(count: &usize) -> bool {
    *count == 0
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
