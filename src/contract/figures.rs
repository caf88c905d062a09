//! The figures: of a report, of an account, of a period of the trend.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::period::Period;
use super::whole_seconds;

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
