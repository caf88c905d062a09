//! What is different from an earlier report.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::codes::codes;
use super::figures::MfaCoverage;
use super::period::Period;
use super::posture::{PostureCode, Verdict};
use super::principal::Principal;
use super::whole_seconds;
use super::window::{Certainty, Class, CloseReason, WindowKind};

/// What changed since an earlier report: the latest that was given.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changes {
    /// The earlier report.
    pub since: EarlierReport,
    /// What stands against the comparison, to be read first.
    pub caveats: Vec<Caveat>,
    /// How many windows changed in which way; `None` where windows are not compared.
    pub counts: Option<WindowCounts>,
    /// Windows of either report that changed or are still open, in order of [`WindowChangeKind`] and opening.
    pub windows: Vec<WindowChange>,
    /// MFA coverage by account, in order of id: accounts of which either report tells it, and those that only one report has.
    pub accounts: Vec<AccountChange>,
    /// Guardrails whose verdict is another.
    pub guardrails: Vec<GuardrailChange>,
    /// Headline figures of both reports.
    pub figures: Vec<FigureChange>,
}

/// What an earlier report says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EarlierReport {
    /// Its period.
    pub period: Period,
    /// Up to when it measured open windows.
    #[serde(serialize_with = "whole_seconds::one")]
    pub as_of: DateTime<Utc>,
    /// When it was made.
    #[serde(serialize_with = "whole_seconds::one")]
    pub generated_at: DateTime<Utc>,
    /// The version that made it.
    pub version: String,
    /// Whether everything that it rests on was read.
    pub complete: bool,
}

codes! {
    /// What stands against a comparison, the gravest first.
    CaveatCode {
        /// The earlier report lacks evidence.
        EarlierIncomplete = "earlier-incomplete", "The earlier report is from incomplete evidence";
        /// This report lacks evidence.
        Incomplete = "incomplete", "This report is from incomplete evidence";
        /// One of them is redacted.
        Redacted = "redacted", "A redacted report cannot be compared with one that is not";
        /// They share no account.
        OtherAccounts = "other-accounts", "The earlier report is about other accounts";
        /// Accounts were added or are gone.
        AccountsDiffer = "accounts-differ", "The reports do not cover the same accounts";
        /// The settings that decide figures differ.
        PolicyDiffers = "policy-differs", "The policy settings differ";
        /// The earlier report was made before its period ended.
        EarlierPartial = "earlier-partial", "The earlier report was made before its period was over";
        /// This report was made before its period ended.
        Partial = "partial", "This report was made before its period was over";
        /// Neither is about the time between them.
        TimeBetween = "time-between", "Neither report covers the time between them";
        /// Their periods are not equally long.
        LengthDiffers = "length-differs", "The periods are not equally long";
        /// IAM state was given for one of them.
        IamStateDiffers = "iam-state-differs", "Only one of the reports has IAM state";
        /// Guardrails were checked for one of them.
        GuardrailsNotCompared = "guardrails-not-compared", "Guardrails were not checked for both reports";
        /// Another version made it.
        VersionDiffers = "version-differs", "Another version of mfatrail made the earlier report";
    }
}

/// Something that stands against a comparison.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Caveat {
    /// Its kind.
    pub code: CaveatCode,
    /// The sentence.
    pub text: String,
}

/// How many windows changed in which way. A window whose class is another counts there too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct WindowCounts {
    /// Opened since.
    pub new: usize,
    /// Opened before, and not in the earlier report.
    pub late: usize,
    /// Closed in the earlier report, and open in this one.
    pub reopened: usize,
    /// Open in the earlier report, and not in this one.
    pub missing: usize,
    /// Open in both.
    pub still_open: usize,
    /// Open in the earlier report, closed in this one.
    pub closed: usize,
    /// Of another class than in the earlier report, whatever else changed.
    pub changed_class: usize,
}

/// How a window changed, what needs a look first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowChangeKind {
    /// It opened since the earlier report.
    New,
    /// It opened before the earlier report was made, which does not have it.
    Late,
    /// It was closed in the earlier report, and is open in this one.
    Reopened,
    /// It was open in the earlier report, and this one does not have it.
    Missing,
    /// It is open in both.
    StillOpen,
    /// Nothing but its class changed.
    ChangedClass,
    /// It was open in the earlier report, and is closed in this one.
    Closed,
}

impl WindowChangeKind {
    /// All of them, in their order.
    pub const ALL: [Self; 7] =
        [Self::New, Self::Late, Self::Reopened, Self::Missing, Self::StillOpen, Self::ChangedClass, Self::Closed];

    /// The name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Late => "late",
            Self::Reopened => "reopened",
            Self::Missing => "missing",
            Self::StillOpen => "still_open",
            Self::ChangedClass => "changed_class",
            Self::Closed => "closed",
        }
    }

    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Late => "opened earlier, seen now",
            Self::Reopened => "open again",
            Self::Missing => "not in this report",
            Self::StillOpen => "still open",
            Self::ChangedClass => "other class",
            Self::Closed => "closed",
        }
    }
}

/// A window that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WindowChange {
    /// How.
    pub change: WindowChangeKind,
    /// Its number among this report's windows, from 1; `None` where it is not among them.
    pub window: Option<usize>,
    /// The account.
    pub account: String,
    /// Whose MFA.
    pub principal: Principal,
    /// Removed, never enrolled or standing.
    pub kind: WindowKind,
    /// The opening event's time; `None` for a standing window.
    #[serde(serialize_with = "whole_seconds::optional")]
    pub opened_at: Option<DateTime<Utc>>,
    /// For a standing window, the earliest moment at which it is proven.
    #[serde(serialize_with = "whole_seconds::optional")]
    pub open_since_before: Option<DateTime<Utc>>,
    /// The opening event's id; `None` for a standing window.
    pub opened_by_event: Option<String>,
    /// When it closed.
    #[serde(serialize_with = "whole_seconds::optional")]
    pub closed_at: Option<DateTime<Utc>>,
    /// What closed it.
    pub close_reason: Option<CloseReason>,
    /// Whether an unseen device may remain.
    pub certainty: Certainty,
    /// Its class in this report; of a missing window, in the earlier one.
    pub class: Option<Class>,
    /// Its class in the earlier report.
    pub class_before: Option<Class>,
}

/// MFA coverage of an account in both reports; `None` where a report does not tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountChange {
    /// The account.
    pub account: String,
    /// Whether only one of the reports has the account.
    pub membership: Membership,
    /// In the earlier report.
    pub before: Option<MfaCoverage>,
    /// In this one.
    pub now: Option<MfaCoverage>,
}

/// Which reports have an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// Both.
    Both,
    /// This one alone.
    Added,
    /// The earlier one alone.
    Gone,
}

/// The worst verdict on a guardrail in an account, in both reports; `None` where it was not checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GuardrailChange {
    /// Which.
    pub code: PostureCode,
    /// The account's id.
    pub account: String,
    /// In the earlier report.
    pub before: Option<Verdict>,
    /// In this one.
    pub now: Option<Verdict>,
}

/// A headline figure of both reports; `None` where a report has nothing to average, or does not know.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FigureChange {
    /// Which.
    pub figure: HeadlineFigure,
    /// In the earlier report.
    pub before: Option<f64>,
    /// In this one.
    pub now: Option<f64>,
}

/// The figures that are told beside the earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "`title` says it")]
pub enum HeadlineFigure {
    Deactivations,
    OpenedWindow,
    NotLegitimate,
    SuspectedTakeovers,
    MttdMeanS,
    Undetected,
    MttrMeanS,
    OpenAtEnd,
    PrincipalHours,
    Standing,
    ConsoleUsers,
    ConsoleUsersWithMfa,
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Things.
    Count,
    /// Seconds.
    Duration,
    /// Hours.
    Hours,
}

impl HeadlineFigure {
    /// For people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Deactivations => "Deactivations",
            Self::OpenedWindow => "Deactivations that opened a window",
            Self::NotLegitimate => "of these, not legitimate",
            Self::SuspectedTakeovers => "of these, suspected takeovers",
            Self::MttdMeanS => "Mean time to detect (MTTD)",
            Self::Undetected => "Not detected",
            Self::MttrMeanS => "Mean time to remediate (MTTR)",
            Self::OpenAtEnd => "Windows after device removal, open at the period's end",
            Self::PrincipalHours => "Principal-hours without MFA after device removal",
            Self::Standing => "Standing windows",
            Self::ConsoleUsers => "Console users",
            Self::ConsoleUsersWithMfa => "Console users with a device",
        }
    }

    /// What it counts.
    #[must_use]
    pub const fn measure(self) -> Measure {
        match self {
            Self::MttdMeanS | Self::MttrMeanS => Measure::Duration,
            Self::PrincipalHours => Measure::Hours,
            _ => Measure::Count,
        }
    }
}
