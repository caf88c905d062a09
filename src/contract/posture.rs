//! Whether the guardrails around MFA stand, per account and for the organization: `mfatrail posture --format json`, and a section of a
//! report.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::codes::codes;
use super::exemption::Exemption;
use super::whole_seconds;

/// The document's name and version.
pub const POSTURE_SCHEMA: &str = "mfatrail.posture/1";

codes! {
    /// A guardrail, the one whose absence is worst first.
    PostureCode {
        /// CloudTrail writes, and delivers what it writes.
        TrailLogging = "trail-logging", "A trail is logging and delivering";
        /// The root user has MFA.
        RootMfa = "root-mfa", "The root user has MFA";
        /// The root user has no access keys.
        RootCredentials = "root-credentials", "The root user has no credentials that it can do without";
        /// An EventBridge rule matches deactivations.
        EventRule = "eventbridge-rule", "An EventBridge rule matches the deactivation of every kind of MFA device";
        /// What the rule matches reaches somebody.
        EventTarget = "eventbridge-target", "The rule's target exists, may be delivered to and has a subscriber";
        /// No user can remove a device without MFA.
        RemovalWithoutMfa = "removal-without-mfa", "No user may deactivate an MFA device from a session without MFA";
        /// No policy that demands MFA leaves out the removal of devices.
        GuardHole = "guard-exempts-removal", "No policy that demands MFA exempts the deactivation of devices";
        /// A service control policy denies deactivations.
        ScpDeny = "scp-deny", "A service control policy denies the deactivation of MFA devices";
        /// The trail covers IAM's region, and all others.
        TrailMultiRegion = "trail-multi-region", "The trail covers every region";
        /// The trail records management events without restriction.
        TrailEvents = "trail-management-events", "The trail records all management events";
        /// Log file validation.
        TrailValidation = "trail-validation", "The trail's log files are validated";
        /// The trail writes to the archive that is scanned.
        TrailArchive = "trail-archive", "The trail writes to the archive that is scanned";
        /// The trail is the organization's.
        TrailOrganization = "trail-organization", "The trail is the organization's";
        /// An EventBridge rule matches refused deactivations.
        EventAttempts = "eventbridge-attempts", "An EventBridge rule matches refused deactivations";
        /// A metric filter counts deactivations.
        MetricFilter = "metric-filter", "A metric filter counts deactivations in the trail's log group";
        /// An alarm tells of what the metric filter counts.
        MetricAlarm = "metric-alarm", "An alarm on that metric reaches somebody";
        /// The management account has no users whom only a service control policy could hold.
        ScpManagement = "scp-management-account", "The management account, which no service control policy restricts, has no IAM users with MFA devices";
        /// What denies deactivations lets those through who must make them.
        ScpRotation = "scp-rotation", "No service control policy blocks the legitimate replacement of devices";
        /// Root access of member accounts is managed centrally.
        RootManagement = "root-management", "Root credentials of member accounts are managed centrally";
        /// No unassigned virtual device is in the way of a new one.
        LeftoverDevice = "leftover-device", "No leftover virtual device blocks re-enrollment";
        /// Users have owners.
        OwnerTag = "owner-tag", "Users who can sign in are tagged with their owner";
    }
}

impl PostureCode {
    /// How bad it is where the guardrail does not stand: `critical`, `high`, `medium` or `low`.
    #[must_use]
    pub const fn severity(self) -> &'static str {
        match self {
            Self::TrailLogging | Self::RootMfa => "critical",
            Self::RootCredentials
            | Self::EventRule
            | Self::EventTarget
            | Self::RemovalWithoutMfa
            | Self::GuardHole
            | Self::ScpDeny
            | Self::TrailMultiRegion
            | Self::TrailEvents => "high",
            Self::TrailValidation
            | Self::TrailArchive
            | Self::TrailOrganization
            | Self::EventAttempts
            | Self::MetricFilter
            | Self::MetricAlarm
            | Self::ScpManagement
            | Self::ScpRotation => "medium",
            Self::RootManagement | Self::LeftoverDevice | Self::OwnerTag => "low",
        }
    }

    /// The controls that it serves, each by framework, version and identifier.
    #[must_use]
    pub const fn controls(self) -> &'static [&'static str] {
        match self {
            Self::TrailLogging | Self::TrailMultiRegion | Self::TrailEvents => &[
                "AWS Security Hub CloudTrail.1",
                "PCI DSS 4.0.1 10.2.1.5",
                "SOC 2 (TSC 2017) CC7.2",
                "NIST SP 800-53 r5 AU-6",
                "ISO/IEC 27001:2022 A.8.15",
            ],
            Self::TrailOrganization | Self::TrailArchive => {
                &["SOC 2 (TSC 2017) CC7.2", "NIST SP 800-53 r5 AU-6", "ISO/IEC 27001:2022 A.8.15"]
            }
            Self::TrailValidation => &[
                "CIS AWS Foundations v7.0 4.2",
                "AWS Security Hub CloudTrail.4",
                "PCI DSS 4.0.1 10.3.4",
                "NIST SP 800-53 r5 SI-7(7)",
                "ISO/IEC 27001:2022 A.8.15",
            ],
            Self::RootMfa => &[
                "CIS AWS Foundations v7.0 2.5",
                "AWS Security Hub IAM.9",
                "PCI DSS 4.0.1 8.4.1",
                "NIST SP 800-53 r5 IA-2(1)",
                "ISO/IEC 27001:2022 A.8.5",
            ],
            Self::RootCredentials => &["SOC 2 (TSC 2017) CC6.1", "NIST SP 800-53 r5 IA-5", "ISO/IEC 27001:2022 A.8.5"],
            Self::RootManagement => {
                &["CIS AWS Foundations v7.0 2.1.1", "SOC 2 (TSC 2017) CC6.1", "NIST SP 800-53 r5 IA-5"]
            }
            Self::EventRule | Self::EventTarget | Self::EventAttempts | Self::MetricFilter | Self::MetricAlarm => &[
                "PCI DSS 4.0.1 10.7.2",
                "SOC 2 (TSC 2017) CC7.2",
                "NIST SP 800-53 r5 SI-4",
                "ISO/IEC 27001:2022 A.8.16",
            ],
            Self::RemovalWithoutMfa | Self::GuardHole => &[
                "PCI DSS 4.0.1 8.5.1",
                "SOC 2 (TSC 2017) CC6.1",
                "NIST SP 800-53 r5 IA-5",
                "ISO/IEC 27001:2022 A.5.17",
            ],
            Self::ScpDeny | Self::ScpManagement => &[
                "PCI DSS 4.0.1 8.5.1",
                "SOC 2 (TSC 2017) CC6.1",
                "NIST SP 800-53 r5 AC-2(1)",
                "ISO/IEC 27001:2022 A.5.15",
            ],
            Self::ScpRotation | Self::LeftoverDevice => {
                &["SOC 2 (TSC 2017) CC6.2", "NIST SP 800-53 r5 IA-5", "ISO/IEC 27001:2022 A.5.17"]
            }
            Self::OwnerTag => &["SOC 2 (TSC 2017) CC7.4", "NIST SP 800-53 r5 IR-4", "ISO/IEC 27001:2022 A.5.26"],
        }
    }
}

/// Whether a guardrail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does not.
    Fail,
    /// What decides it could not be read.
    CannotTell,
    /// It does.
    Pass,
}

impl Verdict {
    /// All, the worst first.
    pub const ALL: [Self; 3] = [Self::Fail, Self::CannotTell, Self::Pass];

    /// As the document has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::CannotTell => "cannot_tell",
            Self::Pass => "pass",
        }
    }

    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::CannotTell => "cannot tell",
            Self::Pass => "pass",
        }
    }
}

/// A guardrail of an account, and whether it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostureCheck {
    /// Which.
    pub code: PostureCode,
    /// The account's id.
    pub account: String,
    /// The region, where it is of one.
    pub region: Option<String>,
    /// What was judged: an ARN, or a name where there is none. `None` where there is nothing.
    pub resource: Option<String>,
    /// Whether it stands.
    pub verdict: Verdict,
    /// Why, in a sentence or two.
    pub reason: String,
    /// What sets it right, as commands of the AWS CLI, one a line. What the reader has to fill in stands in capitals.
    pub fix: Option<String>,
    /// The controls that it serves.
    pub controls: Vec<String>,
    /// Accepted risks that are about it, in a report; absent where none is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exemption>,
}

/// All checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posture {
    /// [`POSTURE_SCHEMA`].
    pub schema: String,
    /// When the facts were read.
    #[serde(serialize_with = "whole_seconds::one")]
    pub taken_at: DateTime<Utc>,
    /// The worst first.
    pub checks: Vec<PostureCheck>,
}

impl Posture {
    /// Of these checks, the worst first: by verdict, code, account, region and resource.
    #[must_use]
    pub fn new(taken_at: DateTime<Utc>, mut checks: Vec<PostureCheck>) -> Self {
        checks.sort_by(|a, b| {
            let key = |check: &PostureCheck| (check.verdict, check.code);
            let place = |check: &PostureCheck| (check.account.clone(), check.region.clone(), check.resource.clone());
            key(a).cmp(&key(b)).then_with(|| place(a).cmp(&place(b)))
        });
        Self { schema: POSTURE_SCHEMA.to_owned(), taken_at, checks }
    }

    /// How many checks have a verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_title_a_severity_and_controls() {
        for code in PostureCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", code.as_str());
            assert!(!code.title().ends_with('.') && code.controls().len() >= 3, "{}", code.as_str());
        }
        let severities: Vec<&str> = PostureCode::ALL.iter().map(|code| code.severity()).collect();
        let rank = |severity: &&str| ["critical", "high", "medium", "low"].iter().position(|one| one == severity);
        assert!(severities.is_sorted_by_key(rank), "the worst come first: {severities:?}");
    }

    #[test]
    fn what_fails_comes_first() {
        let check = |code, verdict, account: &str| PostureCheck {
            code,
            account: account.to_owned(),
            region: None,
            resource: None,
            verdict,
            reason: String::new(),
            fix: None,
            controls: Vec::new(),
            exceptions: Vec::new(),
        };
        let posture = Posture::new(
            DateTime::UNIX_EPOCH,
            vec![
                check(PostureCode::RootMfa, Verdict::Pass, "111122223333"),
                check(PostureCode::OwnerTag, Verdict::Fail, "111122223333"),
                check(PostureCode::RootMfa, Verdict::Fail, "444455556666"),
                check(PostureCode::RootMfa, Verdict::Fail, "111122223333"),
                check(PostureCode::TrailLogging, Verdict::CannotTell, "111122223333"),
            ],
        );
        let order: Vec<_> = posture.checks.iter().map(|check| (check.code.as_str(), &check.account[..3])).collect();
        assert_eq!(
            order,
            [
                ("root-mfa", "111"),
                ("root-mfa", "444"),
                ("owner-tag", "111"),
                ("trail-logging", "111"),
                ("root-mfa", "111")
            ]
        );
        let text = serde_json::to_string(&posture).expect("JSON");
        assert_eq!(serde_json::from_str::<Posture>(&text).expect("the same"), posture);
    }
}
