//! What IAM says of a user and of devices at one moment.

use chrono::{DateTime, Utc};

use crate::arn::{self, Arn};

/// What a device is, by the form of its serial number (IAM User Guide, "IAM identifiers").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// `arn:…:mfa/…`: an application; an entity of its own, which stays when it is taken from its user.
    Virtual,
    /// `arn:…:u2f/…`: a passkey or a security key.
    Fido,
    /// `arn:…:sms-mfa/…`: a telephone, which IAM no longer offers.
    Sms,
    /// A bare serial number: a hardware token.
    Hardware,
}

impl DeviceKind {
    /// The kind of a serial number.
    #[must_use]
    pub fn of(serial: &str) -> Self {
        let Some(arn) = Arn::parse(serial) else { return Self::Hardware };
        match arn.resource.split('/').next() {
            Some("mfa") => Self::Virtual,
            Some("sms-mfa") => Self::Sms,
            _ => Self::Fido,
        }
    }

    /// Whether it shows codes, which go with its clock.
    #[must_use]
    pub const fn has_clock(self) -> bool {
        matches!(self, Self::Virtual | Self::Hardware)
    }

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Virtual => "virtual device",
            Self::Fido => "passkey or security key",
            Self::Sms => "SMS device",
            Self::Hardware => "hardware token",
        }
    }
}

/// A device that is somebody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its serial number or ARN.
    pub serial: String,
    /// Since when.
    pub enabled_at: Option<DateTime<Utc>>,
}

impl Device {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> DeviceKind {
        DeviceKind::of(&self.serial)
    }
}

/// A virtual device, somebody's or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Its ARN.
    pub serial: String,
    /// The ARN of whose it is; `None` for a device that is nobody's.
    pub owner: Option<String>,
    /// Since when it is somebody's.
    pub enabled_at: Option<DateTime<Utc>>,
}

impl Entity {
    /// Its name, which no second virtual device of the account can have.
    #[must_use]
    pub fn name(&self) -> &str {
        arn::name(&self.serial)
    }

    /// Whose it is, in words.
    #[must_use]
    pub fn owner_name(&self) -> Option<&str> {
        let owner = self.owner.as_deref()?;
        Some(if owner.ends_with(":root") { "the root user" } else { arn::name(owner) })
    }
}

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// Whether it can be used.
    pub active: bool,
    /// When it was used last, as far as IAM says.
    pub used_at: Option<DateTime<Utc>>,
}

/// A console password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Password {
    /// Whether it must be changed at the next sign-in.
    pub reset_required: bool,
}

/// Who makes the calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account id.
    pub account: String,
    /// The ARN.
    pub arn: String,
}

impl Caller {
    /// The partition.
    #[must_use]
    pub fn partition(&self) -> &str {
        Arn::parse(&self.arn).map_or("aws", |arn| arn.partition)
    }

    /// Whether the caller is this IAM user.
    #[must_use]
    pub fn is(&self, user_arn: &str) -> bool {
        self.arn == user_arn
    }
}

/// A user. What IAM refused to say is `None`, and named in `gaps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name, as IAM spells it.
    pub name: String,
    /// The ARN.
    pub arn: String,
    /// When the console password was used last.
    pub password_used_at: Option<DateTime<Utc>>,
    /// All devices.
    pub devices: Vec<Device>,
    /// The console password; `Some(None)` where there is none.
    pub password: Option<Option<Password>>,
    /// The access keys.
    pub keys: Option<Vec<Key>>,
    /// The groups.
    pub groups: Option<Vec<String>>,
    /// The account's virtual devices.
    pub entities: Option<Vec<Entity>>,
    /// The inline policy by which sessions are revoked; `Some(None)` where there is none.
    pub revocation: Option<Option<String>>,
    /// What IAM refused to say, and why.
    pub gaps: Vec<String>,
}

impl User {
    /// The user's device of a serial number.
    #[must_use]
    pub fn device(&self, serial: &str) -> Option<&Device> {
        self.devices.iter().find(|device| device.serial == serial)
    }

    /// The virtual device of a serial number, whoever has it.
    #[must_use]
    pub fn entity(&self, serial: &str) -> Option<&Entity> {
        self.entities.iter().flatten().find(|entity| entity.serial == serial)
    }

    /// The virtual device that is nobody's and has the user's name: it blocks an enrollment under that name.
    #[must_use]
    pub fn leftover(&self) -> Option<&Entity> {
        self.entities.iter().flatten().find(|entity| entity.owner.is_none() && entity.name() == self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_tells_what_a_device_is() {
        for (serial, kind) in [
            ("arn:aws:iam::111122223333:mfa/alice", DeviceKind::Virtual),
            ("arn:aws-cn:iam::111122223333:mfa/path/alice", DeviceKind::Virtual),
            ("arn:aws:iam::111122223333:u2f/user/alice/key-ABCDEFGHIJKLMNOPQRSTUVWXYZ", DeviceKind::Fido),
            ("arn:aws:iam::111122223333:sms-mfa/alice", DeviceKind::Sms),
            ("GAHT12345678", DeviceKind::Hardware),
        ] {
            assert_eq!(DeviceKind::of(serial), kind, "{serial}");
        }
    }
}
