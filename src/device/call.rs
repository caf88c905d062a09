//! The calls that change IAM, as data: without secrets, so that they can be shown, logged and resumed.

use serde::{Deserialize, Serialize};

/// One changing call. Those that IAM would do to the caller where no user is named have the user in their type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case", deny_unknown_fields)]
pub enum Call {
    /// Makes a virtual device that is nobody's yet.
    CreateVirtualMfaDevice {
        /// Its name.
        name: String,
        /// Keys and values.
        tags: Vec<(String, String)>,
    },
    /// Gives a device to a user. Two consecutive codes go with it.
    EnableMfaDevice {
        /// Whose it becomes.
        user: String,
        /// The device.
        serial: String,
    },
    /// Tells IAM how far a device's clock is off. Two consecutive codes go with it.
    ResyncMfaDevice {
        /// Whose it is.
        user: String,
        /// The device.
        serial: String,
    },
    /// Takes a device from its user.
    DeactivateMfaDevice {
        /// Whose it is.
        user: String,
        /// The device.
        serial: String,
    },
    /// Deletes a virtual device that is nobody's.
    DeleteVirtualMfaDevice {
        /// The device.
        serial: String,
    },
    /// Adds tags to a virtual device.
    TagMfaDevice {
        /// The device.
        serial: String,
        /// Keys and values.
        tags: Vec<(String, String)>,
    },
    /// Removes tags from a virtual device.
    UntagMfaDevice {
        /// The device.
        serial: String,
        /// Keys.
        keys: Vec<String>,
    },
    /// Makes an access key inactive.
    DeactivateAccessKey {
        /// Whose it is.
        user: String,
        /// Its id.
        key: String,
    },
    /// Writes an inline policy.
    PutUserPolicy {
        /// Whose it is.
        user: String,
        /// The policy's name.
        name: String,
        /// JSON.
        document: String,
    },
    /// Sets another console password, which must be changed at the next sign-in. The password goes with it.
    ResetPassword {
        /// Whose it is.
        user: String,
    },
    /// Removes the console password.
    DeleteLoginProfile {
        /// Whose it is.
        user: String,
    },
}

impl Call {
    /// The permission that it needs.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::CreateVirtualMfaDevice { .. } => "iam:CreateVirtualMFADevice",
            Self::EnableMfaDevice { .. } => "iam:EnableMFADevice",
            Self::ResyncMfaDevice { .. } => "iam:ResyncMFADevice",
            Self::DeactivateMfaDevice { .. } => "iam:DeactivateMFADevice",
            Self::DeleteVirtualMfaDevice { .. } => "iam:DeleteVirtualMFADevice",
            Self::TagMfaDevice { .. } => "iam:TagMFADevice",
            Self::UntagMfaDevice { .. } => "iam:UntagMFADevice",
            Self::DeactivateAccessKey { .. } => "iam:UpdateAccessKey",
            Self::PutUserPolicy { .. } => "iam:PutUserPolicy",
            Self::ResetPassword { .. } => "iam:UpdateLoginProfile",
            Self::DeleteLoginProfile { .. } => "iam:DeleteLoginProfile",
        }
    }

    /// Whether two codes of the device go with it.
    #[must_use]
    pub const fn takes_codes(&self) -> bool {
        matches!(self, Self::EnableMfaDevice { .. } | Self::ResyncMfaDevice { .. })
    }

    /// The same call as a line of the AWS CLI; what is secret stands as a word in capitals.
    #[must_use]
    pub fn line(&self) -> String {
        let codes = " --authentication-code1 CODE1 --authentication-code2 CODE2";
        let of = |user: &str, serial: &str| format!("{}{}", option("user-name", user), option("serial-number", serial));
        match self {
            Self::CreateVirtualMfaDevice { name, tags } => format!(
                "aws iam create-virtual-mfa-device{} --outfile QR_CODE.png --bootstrap-method QRCodePNG{}",
                option("virtual-mfa-device-name", name),
                if tags.is_empty() { String::new() } else { format!(" --tags{}", pairs(tags)) }
            ),
            Self::EnableMfaDevice { user, serial } => format!("aws iam enable-mfa-device{}{codes}", of(user, serial)),
            Self::ResyncMfaDevice { user, serial } => format!("aws iam resync-mfa-device{}{codes}", of(user, serial)),
            Self::DeactivateMfaDevice { user, serial } => format!("aws iam deactivate-mfa-device{}", of(user, serial)),
            Self::DeleteVirtualMfaDevice { serial } => {
                format!("aws iam delete-virtual-mfa-device{}", option("serial-number", serial))
            }
            Self::TagMfaDevice { serial, tags } => {
                format!("aws iam tag-mfa-device{} --tags{}", option("serial-number", serial), pairs(tags))
            }
            Self::UntagMfaDevice { serial, keys } => {
                let keys: String = keys.iter().map(|key| format!(" {}", word(key))).collect();
                format!("aws iam untag-mfa-device{} --tag-keys{keys}", option("serial-number", serial))
            }
            Self::DeactivateAccessKey { user, key } => format!(
                "aws iam update-access-key{}{} --status Inactive",
                option("user-name", user),
                option("access-key-id", key)
            ),
            Self::PutUserPolicy { user, name, document } => format!(
                "aws iam put-user-policy{}{}{}",
                option("user-name", user),
                option("policy-name", name),
                option("policy-document", document)
            ),
            Self::ResetPassword { user } => format!(
                "aws iam update-login-profile{} --password NEW_PASSWORD --password-reset-required",
                option("user-name", user)
            ),
            Self::DeleteLoginProfile { user } => format!("aws iam delete-login-profile{}", option("user-name", user)),
        }
    }
}

fn pairs(tags: &[(String, String)]) -> String {
    let pair = |(key, value): &(String, String)| {
        let json = serde_json::json!({ "Key": key, "Value": value });
        format!(" {}", word(&json.to_string()))
    };
    tags.iter().map(pair).collect()
}

/// ` --name value`; a value that would be taken for an option is joined to the name.
fn option(name: &str, value: &str) -> String {
    let joint = if value.starts_with('-') { '=' } else { ' ' };
    format!(" --{name}{joint}{}", word(value))
}

/// A word for a shell that is what it says, whoever chose it.
#[must_use]
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+=,.@/:-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn a_call_is_a_line_of_the_aws_cli() {
        let serial = text("arn:aws:iam::111122223333:mfa/alice");
        for (call, line) in [
            (
                Call::DeactivateMfaDevice { user: text("alice"), serial: serial.clone() },
                "aws iam deactivate-mfa-device --user-name alice --serial-number arn:aws:iam::111122223333:mfa/alice",
            ),
            (
                Call::DeactivateMfaDevice { user: text("-a"), serial: text("GAHT12345678") },
                "aws iam deactivate-mfa-device --user-name=-a --serial-number GAHT12345678",
            ),
            (
                Call::TagMfaDevice { serial, tags: vec![(text("owner"), text("it's $(x)"))] },
                "aws iam tag-mfa-device --serial-number arn:aws:iam::111122223333:mfa/alice --tags \
                 '{\"Key\":\"owner\",\"Value\":\"it'\\''s $(x)\"}'",
            ),
            (
                Call::ResetPassword { user: text("alice") },
                "aws iam update-login-profile --user-name alice --password NEW_PASSWORD --password-reset-required",
            ),
        ] {
            assert_eq!(call.line(), line);
            let json = serde_json::to_string(&call).expect("JSON");
            assert_eq!(serde_json::from_str::<Call>(&json).expect("the call"), call);
        }
    }
}
