//! What IAM says at one moment, whatever it was read from.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// IAM state of one or many accounts at one moment.
///
/// Every `Option` is "not told": a credential report tells whether a user has a device, not which; the list of virtual
/// devices tells of virtual ones only. Nothing is filled in by guessing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IamState {
    /// The snapshot time. Where accounts were read one after the other, the latest of their times.
    pub taken_at: DateTime<Utc>,
    /// By account id.
    pub accounts: BTreeMap<String, AccountState>,
    /// What could not be had, for the report to say.
    pub missing: Vec<MissingInput>,
}

impl IamState {
    /// The latest moment that it tells of.
    #[must_use]
    pub fn latest(&self) -> DateTime<Utc> {
        let accounts = self.accounts.values().filter_map(|state| state.as_of);
        accounts.map(|as_of| as_of.latest).fold(self.taken_at, DateTime::max)
    }

    /// When the list of an account's users was read.
    #[must_use]
    pub fn users_as_of(&self, account: &str) -> AsOf {
        let told = self.accounts.get(account).and_then(|state| state.users_as_of);
        told.unwrap_or_else(|| self.as_of(account))
    }

    /// When the lists of an account were read.
    #[must_use]
    pub fn as_of(&self, account: &str) -> AsOf {
        self.accounts.get(account).and_then(|state| state.as_of).unwrap_or(AsOf::exactly(self.taken_at))
    }
}

/// How an input falls short.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputGap {
    /// It was not given, or could not be read.
    #[default]
    Missing,
    /// It is older than the rest.
    Old,
    /// It contradicts another one.
    Disagrees,
}

/// One input that was not there, could not be read for want of permission, or cannot be relied on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MissingInput {
    /// The account, where the input belongs to one.
    pub account: Option<String>,
    /// What is missing, such as `credential report` or `policies`.
    pub what: String,
    /// Why, and what that means for the report.
    pub why: String,
    /// How it falls short; snapshots of earlier versions do not say.
    #[serde(default)]
    pub kind: InputGap,
}

/// When IAM said something: at one moment, or at one that is only known to lie between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AsOf {
    /// The earliest moment at which it may have been said.
    pub earliest: DateTime<Utc>,
    /// The latest.
    pub latest: DateTime<Utc>,
}

impl AsOf {
    /// A moment that is known.
    #[must_use]
    pub const fn exactly(at: DateTime<Utc>) -> Self {
        Self { earliest: at, latest: at }
    }
}

/// IAM state of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// When the account's lists were read, where that is not [`IamState::taken_at`]: live, the calls for one account take
    /// a while, and those for many take longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
    /// When the list of users was read, where that is not the account's time: a credential report lists them, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_as_of: Option<AsOf>,
    /// The account's users, in order of name.
    pub users: Vec<UserState>,
    /// Whether `users` holds all users (from a credential report, authorization details or a list of users), so that
    /// a user who is not in it does not exist.
    pub users_complete: bool,
    /// The root user, where an input tells of it.
    pub root: Option<RootState>,
    /// All virtual devices (`list-virtual-mfa-devices`); `None` where that list was not read.
    pub virtual_devices: Option<Vec<VirtualDevice>>,
}

/// One IAM user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserState {
    /// The user name, in IAM's own letter case.
    pub name: String,
    /// The unique id, `AIDA…`: not in a credential report.
    pub id: Option<String>,
    /// The ARN.
    pub arn: Option<String>,
    /// When the user was created.
    pub created_at: Option<DateTime<Utc>>,
    /// Whether it has a console password.
    pub password: Option<bool>,
    /// `mfa_active`: whether it has at least one active device.
    pub mfa_active: Option<bool>,
    /// All its active devices (`list-mfa-devices`); `None` where that list was not read.
    pub devices: Option<Vec<Device>>,
    /// How many of its access keys are active.
    pub active_access_keys: Option<u32>,
    /// Its tags; `None` where tags were not read.
    pub tags: Option<BTreeMap<String, String>>,
    /// Whether a policy denies everything but MFA self-service without MFA; `None` where policies were not read.
    pub mfa_enforced: Option<bool>,
    /// Whether its policies allow every action, or all of IAM, on every resource; `None` where policies were not read.
    pub privileged: Option<bool>,
    /// Whether a policy of its own, attached or inline, denies every action on every resource without condition; `None`
    /// where policies were not read.
    #[serde(default)]
    pub denied: Option<bool>,
    /// Whether such a policy comes from one of its groups; `None` where policies were not read.
    #[serde(default)]
    pub denied_by_group: Option<bool>,
    /// When `password` was true, where that is not the account's time: a credential report is up to four hours old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_as_of: Option<AsOf>,
    /// When `mfa_active` was true, where that is not the account's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa_active_as_of: Option<AsOf>,
    /// When `active_access_keys` was true, where that is not the account's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_keys_as_of: Option<AsOf>,
}

/// The root user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootState {
    /// Whether it has at least one active device.
    pub mfa_active: Option<bool>,
    /// Whether it has a password: centrally managed member accounts have none. Credential reports of old do not tell.
    pub password: Option<bool>,
    /// How many of its access keys are active.
    pub active_access_keys: Option<u32>,
    /// When `password` was true, where that is not the account's time: a credential report is up to four hours old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_as_of: Option<AsOf>,
    /// When `mfa_active` was true, where that is not the account's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa_active_as_of: Option<AsOf>,
    /// When `active_access_keys` was true, where that is not the account's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_keys_as_of: Option<AsOf>,
}

/// An active device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Device {
    /// Serial number: an ARN for virtual and FIDO devices, a vendor's number for hardware tokens.
    pub serial: String,
    /// `EnableDate`.
    pub enabled_at: Option<DateTime<Utc>>,
}

/// A virtual device entity, assigned or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualDevice {
    /// The device.
    #[serde(flatten)]
    pub device: Device,
    /// To whom it is assigned; `None` for an entity that nobody enabled.
    pub owner: Option<DeviceOwner>,
}

/// To whom a virtual device is assigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceOwner {
    /// The root user (`User.Arn` ends with `:root`).
    Root,
    /// An IAM user.
    User {
        /// The user name.
        name: String,
        /// The unique id.
        id: Option<String>,
    },
}
