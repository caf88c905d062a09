//! How bad something is: one scale for windows, findings, notices, guardrails and incidents.

use serde::{Deserialize, Serialize};

use super::notice::NoticeCode;
use super::posture::{PostureCheck, Verdict};
use super::principal::PrincipalKind;
use super::reconciliation::FindingCode;
use super::window::{Class, CloseReason, Window, WindowKind};

/// How bad it is, from least to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Approved, or part of an offboarding.
    Info,
    /// A workaround, or a replacement that is overdue.
    Warning,
    /// Privileged, or not explained.
    Error,
    /// A suspected takeover, or the root user.
    Critical,
}

impl Severity {
    /// The name in the contract and in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// The label of a finding in the AWS Security Finding Format.
    #[must_use]
    pub const fn asff_label(self) -> &'static str {
        match self {
            Self::Info => "INFORMATIONAL",
            Self::Warning => "MEDIUM",
            Self::Error => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }
}

impl Window {
    /// How bad it is, unless a rule of a watch says otherwise.
    #[must_use]
    pub fn severity(&self) -> Severity {
        // Unexplained and enrolled again means that the new device came after the grace period.
        let returned = self.close_reason == Some(CloseReason::Reenabled);
        match (self.class, self.kind) {
            (Some(Class::SuspectedTakeover), _) => Severity::Critical,
            _ if self.principal.kind == PrincipalKind::Root => Severity::Critical,
            (Some(Class::Approved | Class::Offboarding | Class::Replacement), _) => Severity::Info,
            _ if self.privileged == Some(true) => Severity::Error,
            (Some(Class::Workaround), _) | (_, WindowKind::NeverEnrolled) => Severity::Warning,
            // Somebody who enrolled late, and nothing else speaks against it.
            (Some(Class::Unexplained), _) if returned && self.reasons.len() == 1 => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl FindingCode {
    /// How bad it is: an event is missing, and with most of them somebody may have been without MFA.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::DeviceWithoutOwner | Self::UnseenDevice | Self::DeleteNotInArchive => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl NoticeCode {
    /// How bad it is: what voids figures first.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::EventConflict
            | Self::IamNotSeen
            | Self::IntegrityNotWhole
            | Self::NothingRead
            | Self::PeriodNotCovered
            | Self::RestsOnUnproven => Severity::Error,
            Self::ApprovalNotIndependent
            | Self::AsOfBeyondEvidence
            | Self::CitedObjectChanged
            | Self::ClosedByRemover
            | Self::ExceptionExpired
            | Self::FutureTime
            | Self::IamAccountMissing
            | Self::IamInputMissing
            | Self::IamInputOld
            | Self::IamInputsDisagree
            | Self::NoIamState
            | Self::NotWatched
            | Self::ObjectReplaced
            | Self::OcsfSource
            | Self::Restatement => Severity::Warning,
            Self::ApprovalLong
            | Self::ApprovalMatchedNothing
            | Self::ApprovalNotJudged
            | Self::DetectionMatchedNothing
            | Self::ExceptionMatchedNothing
            | Self::OtherSources
            | Self::PeriodNotOver
            | Self::Selection => Severity::Info,
        }
    }
}

impl PostureCheck {
    /// How bad it is: what stands is no more than information, and what cannot be told is no comfort.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match (self.verdict, self.code.severity()) {
            (Verdict::Pass, _) => Severity::Info,
            (Verdict::CannotTell, _) => Severity::Warning,
            (Verdict::Fail, "critical") => Severity::Critical,
            (Verdict::Fail, "high") => Severity::Error,
            (Verdict::Fail, "medium") => Severity::Warning,
            (Verdict::Fail, _) => Severity::Info,
        }
    }
}
