//! Where IAM and the archive disagree, and the devices that are left over.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::principal::Principal;
use super::whole_seconds;

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
