//! What calls make, change and take away that outlasts them: keys, passwords, users, roles, policies, devices, trails.

use serde::{Deserialize, Serialize};

use crate::cloudtrail::{ActorKind, Record};
use crate::mfa;

/// What kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThingKind {
    /// A long-term access key.
    AccessKey,
    /// An IAM user.
    User,
    /// A console password (login profile).
    Password,
    /// A role.
    Role,
    /// Who may assume a role.
    TrustPolicy,
    /// A policy of a user, attached or inline.
    UserPolicy,
    /// A policy of a role, attached or inline.
    RolePolicy,
    /// A policy of a group, attached or inline.
    GroupPolicy,
    /// A user's membership in a group.
    Membership,
    /// An MFA device that is enabled for a user.
    Device,
    /// A service-specific credential, as CodeCommit has it.
    ServiceCredential,
    /// An SSH key of a user.
    SshKey,
    /// A signing certificate of a user.
    SigningCertificate,
    /// An identity provider.
    Provider,
    /// A trail that records.
    Trail,
}

/// What became of a thing by a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is there now.
    Made,
    /// It is another now.
    Changed,
    /// It is there and cannot be used.
    Disabled,
    /// It is gone.
    Removed,
}

use Action::{Changed, Made, Removed};
use ThingKind::{
    AccessKey, Device, GroupPolicy, Membership, Password, Provider, Role, RolePolicy, ServiceCredential,
    SigningCertificate, SshKey, Trail, TrustPolicy, User, UserPolicy,
};

const IAM: &str = "iam.amazonaws.com";
const CLOUDTRAIL: &str = "cloudtrail.amazonaws.com";
const SIGN_IN: &str = "signin.amazonaws.com";

/// Source, event name, and what it does to which kind of thing. Source: IAM and CloudTrail API references.
const CHANGES: &[(&str, &str, ThingKind, Action)] = &[
    (IAM, "CreateAccessKey", AccessKey, Made),
    (IAM, "UpdateAccessKey", AccessKey, Changed),
    (IAM, "DeleteAccessKey", AccessKey, Removed),
    (IAM, "CreateUser", User, Made),
    (IAM, "UpdateUser", User, Changed),
    (IAM, "DeleteUser", User, Removed),
    (IAM, "CreateLoginProfile", Password, Made),
    (IAM, "UpdateLoginProfile", Password, Changed),
    (IAM, "ChangePassword", Password, Changed),
    (IAM, "DeleteLoginProfile", Password, Removed),
    (SIGN_IN, "PasswordRecoveryCompleted", Password, Changed),
    (IAM, "CreateRole", Role, Made),
    (IAM, "DeleteRole", Role, Removed),
    (IAM, "UpdateAssumeRolePolicy", TrustPolicy, Changed),
    (IAM, "AttachUserPolicy", UserPolicy, Made),
    (IAM, "PutUserPolicy", UserPolicy, Made),
    (IAM, "DetachUserPolicy", UserPolicy, Removed),
    (IAM, "DeleteUserPolicy", UserPolicy, Removed),
    (IAM, "AttachRolePolicy", RolePolicy, Made),
    (IAM, "PutRolePolicy", RolePolicy, Made),
    (IAM, "DetachRolePolicy", RolePolicy, Removed),
    (IAM, "DeleteRolePolicy", RolePolicy, Removed),
    (IAM, "AttachGroupPolicy", GroupPolicy, Made),
    (IAM, "PutGroupPolicy", GroupPolicy, Made),
    (IAM, "DetachGroupPolicy", GroupPolicy, Removed),
    (IAM, "DeleteGroupPolicy", GroupPolicy, Removed),
    (IAM, "AddUserToGroup", Membership, Made),
    (IAM, "RemoveUserFromGroup", Membership, Removed),
    (IAM, "EnableMFADevice", Device, Made),
    (IAM, "DeactivateMFADevice", Device, Removed),
    (IAM, "CreateServiceSpecificCredential", ServiceCredential, Made),
    (IAM, "DeleteServiceSpecificCredential", ServiceCredential, Removed),
    (IAM, "UploadSSHPublicKey", SshKey, Made),
    (IAM, "DeleteSSHPublicKey", SshKey, Removed),
    (IAM, "UploadSigningCertificate", SigningCertificate, Made),
    (IAM, "DeleteSigningCertificate", SigningCertificate, Removed),
    (IAM, "CreateSAMLProvider", Provider, Made),
    (IAM, "UpdateSAMLProvider", Provider, Changed),
    (IAM, "DeleteSAMLProvider", Provider, Removed),
    (IAM, "CreateOpenIDConnectProvider", Provider, Made),
    (IAM, "DeleteOpenIDConnectProvider", Provider, Removed),
    (CLOUDTRAIL, "CreateTrail", Trail, Made),
    (CLOUDTRAIL, "StartLogging", Trail, Made),
    (CLOUDTRAIL, "StopLogging", Trail, Removed),
    (CLOUDTRAIL, "DeleteTrail", Trail, Removed),
];

/// The names of all events that hand out credentials, or make, change or take away what outlasts a session.
pub const NAMES: &[&str] = &[
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "GetSessionToken",
    "GetFederationToken",
    "ConsoleLogin",
    "SwitchRole",
    "CreateOAuth2Token",
    "CreateAccessKey",
    "UpdateAccessKey",
    "DeleteAccessKey",
    "CreateUser",
    "UpdateUser",
    "DeleteUser",
    "CreateLoginProfile",
    "UpdateLoginProfile",
    "ChangePassword",
    "DeleteLoginProfile",
    "PasswordRecoveryCompleted",
    "CreateRole",
    "DeleteRole",
    "UpdateAssumeRolePolicy",
    "AttachUserPolicy",
    "PutUserPolicy",
    "DetachUserPolicy",
    "DeleteUserPolicy",
    "AttachRolePolicy",
    "PutRolePolicy",
    "DetachRolePolicy",
    "DeleteRolePolicy",
    "AttachGroupPolicy",
    "PutGroupPolicy",
    "DetachGroupPolicy",
    "DeleteGroupPolicy",
    "AddUserToGroup",
    "RemoveUserFromGroup",
    "EnableMFADevice",
    "DeactivateMFADevice",
    "CreateServiceSpecificCredential",
    "DeleteServiceSpecificCredential",
    "UploadSSHPublicKey",
    "DeleteSSHPublicKey",
    "UploadSigningCertificate",
    "DeleteSigningCertificate",
    "CreateSAMLProvider",
    "UpdateSAMLProvider",
    "DeleteSAMLProvider",
    "CreateOpenIDConnectProvider",
    "DeleteOpenIDConnectProvider",
    "CreateTrail",
    "StartLogging",
    "StopLogging",
    "DeleteTrail",
];

/// A thing, by what names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thing {
    /// Its kind.
    pub kind: ThingKind,
    /// Its account; `None` where the record does not tell.
    pub account: Option<String>,
    /// The key's id, the user's or the role's name, the policy's name or ARN, the device's serial; empty for a password.
    pub name: String,
    /// The user, role or group that has it.
    pub owner: Option<String>,
    /// Its unique id, where the call that made it tells.
    pub id: Option<String>,
}

impl Thing {
    /// What a call does to which thing, whether or not it succeeded; `None` where it is about none.
    pub(super) fn of(record: &Record<'_, '_>) -> Option<(Action, Self)> {
        let (_, _, kind, action) =
            CHANGES.iter().find(|(source, name, ..)| *name == record.name && *source == record.source)?;
        let asked = |key: &str| record.text(&["requestParameters", key]);
        let answer = |path: [&str; 2]| record.text(&["responseElements", path[0], path[1]]);
        let user = || user_of(record);
        let named = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let (name, owner) = match kind {
            AccessKey => (named(answer(["accessKey", "accessKeyId"]).or_else(|| asked("accessKeyId"))), user()),
            User | Password => (String::new(), user()),
            Role | TrustPolicy => (String::new(), asked("roleName").map(str::to_owned)),
            UserPolicy => (named(asked("policyArn").or_else(|| asked("policyName"))), user()),
            RolePolicy => {
                (named(asked("policyArn").or_else(|| asked("policyName"))), asked("roleName").map(str::to_owned))
            }
            GroupPolicy => {
                (named(asked("policyArn").or_else(|| asked("policyName"))), asked("groupName").map(str::to_owned))
            }
            Membership => (named(asked("groupName")), user()),
            Device => (named(asked("serialNumber")), user()),
            ServiceCredential => (
                named(
                    answer(["serviceSpecificCredential", "serviceSpecificCredentialId"])
                        .or_else(|| asked("serviceSpecificCredentialId")),
                ),
                user(),
            ),
            SshKey => (named(answer(["sSHPublicKey", "sSHPublicKeyId"]).or_else(|| asked("sSHPublicKeyId"))), user()),
            SigningCertificate => {
                (named(answer(["certificate", "certificateId"]).or_else(|| asked("certificateId"))), user())
            }
            Provider => {
                let made = ["sAMLProviderArn", "openIDConnectProviderArn"];
                let told = made.iter().find_map(|key| record.text(&["responseElements", key]).or_else(|| asked(key)));
                (named(told), None)
            }
            Trail => (named(asked("name").map(crate::arn::name)), None),
        };
        let id = answer(["user", "userId"]).or_else(|| answer(["role", "roleId"])).map(str::to_owned);
        let off = *kind == AccessKey && asked("status").is_some_and(|status| status.eq_ignore_ascii_case("inactive"));
        let account = record.account().map(str::to_owned);
        let thing = Self { kind: *kind, account, name, owner, id };
        Some((if off { Action::Disabled } else { *action }, thing))
    }

    /// Whether both are one thing.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.kind == other.kind && self.account == other.account && self.name == other.name && self.has_owner_of(other)
    }

    /// Whether both belong to one user, role or group of one account.
    #[must_use]
    pub fn has_owner_of(&self, other: &Self) -> bool {
        let lower = |owner: &Option<String>| owner.as_deref().map(str::to_ascii_lowercase);
        self.account == other.account && lower(&self.owner) == lower(&other.owner)
    }

    /// In words: `access key AKIA… of user alice`.
    #[must_use]
    pub fn label(&self) -> String {
        let Self { kind, name, .. } = self;
        let owner = self.owner.as_deref().unwrap_or("unknown");
        let user = if owner == "root" { "the root user".to_owned() } else { format!("user {owner}") };
        match kind {
            AccessKey => format!("access key {name} of {user}"),
            User => user,
            Password => format!("console password of {user}"),
            Role => format!("role {owner}"),
            TrustPolicy => format!("trust policy of role {owner}"),
            UserPolicy => format!("policy {name} of {user}"),
            RolePolicy => format!("policy {name} of role {owner}"),
            GroupPolicy => format!("policy {name} of group {owner}"),
            Membership => format!("membership of {user} in group {name}"),
            Device => format!("MFA device {name} of {user}"),
            ServiceCredential => format!("service-specific credential {name} of {user}"),
            SshKey => format!("SSH key {name} of {user}"),
            SigningCertificate => format!("signing certificate {name} of {user}"),
            Provider => format!("identity provider {name}"),
            Trail => format!("trail {name}"),
        }
    }
}

/// The user that a call of IAM is about: the one that it names, else the caller; `root` is the root user.
fn user_of(record: &Record<'_, '_>) -> Option<String> {
    if let Some(name) = mfa::named_user(record) {
        return Some(if name == mfa::ROOT_USER_NAME { "root".to_owned() } else { name });
    }
    let actor = record.actor();
    match actor.kind {
        ActorKind::Root | ActorKind::AssumedRoot => Some("root".to_owned()),
        ActorKind::IamUser => mfa::user_name(&actor).map(str::to_owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_among_the_names() {
        for (_, name, ..) in CHANGES {
            assert!(NAMES.contains(name), "{name}");
        }
    }
}
