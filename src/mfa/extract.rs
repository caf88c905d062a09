//! Which records count, and what each of them says.
//!
//! A record counts by its exact `eventSource` and `eventName` alone: the names also occur inside other records' fields.

use std::sync::Arc;

use super::event::{Action, Event, Failure, Lineage, ROOT_USER_NAME, Target};
use super::refusal::{self, Named};
use super::text::{Names, Text};
use crate::arn::{self, Arn, is_arn};
use crate::cloudtrail::{Actor, ActorKind, Record, same};

/// What a failed sign-in bears instead of a user name that does not exist.
const HIDDEN_USER_NAME: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

const IAM: &str = "iam.amazonaws.com";
const SIGN_IN: &str = "signin.amazonaws.com";
const STS: &str = "sts.amazonaws.com";
const TRAIL: &str = "cloudtrail.amazonaws.com";

/// The two event sources under which IAM Identity Center logs its users' devices.
const IDENTITY_CENTER: [&str; 2] = ["sso-directory.amazonaws.com", "identitystore.amazonaws.com"];

/// What is extracted: the event sources, each with its event names. Everything that looks for events, by whichever way, goes
/// by this table: a pair that is not in it is never extracted.
pub const EXTRACTED: &[(&str, &[&str])] = &[
    (
        IAM,
        &[
            "CreateVirtualMFADevice",
            "EnableMFADevice",
            "ResyncMFADevice",
            "DeactivateMFADevice",
            "DeleteVirtualMFADevice",
            "TagMFADevice",
            "UntagMFADevice",
            "CreateUser",
            "DeleteUser",
            "UpdateUser",
            "CreateLoginProfile",
            "UpdateLoginProfile",
            "DeleteLoginProfile",
            "ChangePassword",
            "CreateAccessKey",
            "UpdateAccessKey",
            "DeleteAccessKey",
            "AttachUserPolicy",
            "DetachUserPolicy",
            "PutUserPolicy",
            "DeleteUserPolicy",
            "AddUserToGroup",
            "RemoveUserFromGroup",
        ],
    ),
    (SIGN_IN, &["ConsoleLogin", "CheckMfa"]),
    (STS, &["GetSessionToken", "AssumeRoot"]),
    (TRAIL, &["StopLogging", "StartLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"]),
    (IDENTITY_CENTER[0], IDENTITY_CENTER_NAMES),
    (IDENTITY_CENTER[1], IDENTITY_CENTER_NAMES),
];

const IDENTITY_CENTER_NAMES: &[&str] = &[
    "StartWebAuthnDeviceRegistration",
    "StartVirtualMfaDeviceRegistration",
    "CompleteWebAuthnDeviceRegistration",
    "CompleteVirtualMfaDeviceRegistration",
    "DeleteMfaDeviceForUser",
    "UpdateMfaDeviceForUser",
];

/// Whether records of this source and name are looked at: [`EXTRACTED`] has them.
#[must_use]
pub fn is_extracted(source: &[u8], name: &[u8]) -> bool {
    EXTRACTED
        .iter()
        .find(|(known, _)| same(known.as_bytes(), source))
        .is_some_and(|(_, names)| names.iter().any(|known| same(known.as_bytes(), name)))
}

/// Maps a record to an event; `None` for the other forty-nine thousand of fifty thousand.
///
/// `object` and `delivered_at` are kept with the event, so that it can be cited.
#[must_use]
pub fn extract(record: &Record<'_, '_>) -> Option<Event> {
    if !is_extracted(record.source.as_bytes(), record.name.as_bytes()) {
        return None;
    }
    let action = action(record)?;
    let actor = record.actor();
    let failure = record.failed().then(|| Failure {
        code: record.error_code().map(Text::from),
        message: record.text(&["errorMessage"]).map(str::to_owned),
    });
    let target = target(record, &action, &actor, failure.as_ref());
    let action = name_device_of_refusal(action, failure.as_ref());
    Some(Event {
        id: record.id().into_owned(),
        time: record.time,
        account: record.account().unwrap_or_default().into(),
        region: record.text(&["awsRegion"]).unwrap_or_default().into(),
        source: record.source.into(),
        name: record.name.into(),
        action,
        target,
        actor_mfa: record.session_mfa(actor.kind),
        actor: Arc::new(actor),
        source_ip: record.text(&["sourceIPAddress"]).map(Text::from),
        user_agent: record.text(&["userAgent"]).map(Text::from),
        failure: failure.map(Box::new),
        objects: Names::default(),
        delivered_at: None,
        lineage: Lineage {
            content: Some(record.content()),
            partial: record.is_partial(),
            original: record.original().map(str::to_owned),
            ..Lineage::default()
        },
    })
}

/// What the record's call does, by source and name.
fn action(record: &Record<'_, '_>) -> Option<Action> {
    let parameter = |name: &str| record.text(&["requestParameters", name]).map(str::to_owned);
    let serial = || parameter("serialNumber");
    let key = || parameter("accessKeyId");
    Some(match (record.source, record.name) {
        (IAM, "CreateVirtualMFADevice") => Action::DeviceCreated {
            serial: record.text(&["responseElements", "virtualMFADevice", "serialNumber"]).map(str::to_owned),
        },
        (IAM, "EnableMFADevice") => Action::DeviceEnabled { serial: serial() },
        (IAM, "ResyncMFADevice") => Action::DeviceResynced { serial: serial() },
        (IAM, "DeactivateMFADevice") => Action::DeviceDeactivated { serial: serial() },
        (IAM, "DeleteVirtualMFADevice") => Action::DeviceDeleted { serial: serial() },
        (IAM, "TagMFADevice") => Action::DeviceTagged { serial: serial() },
        (IAM, "UntagMFADevice") => Action::DeviceUntagged { serial: serial() },
        (IAM, "CreateUser") => Action::UserCreated,
        (IAM, "DeleteUser") => Action::UserDeleted,
        // Without a new name it moves the user to another path only.
        (IAM, "UpdateUser") => Action::UserRenamed { new_name: parameter("newUserName")? },
        (IAM, "CreateLoginProfile") => Action::PasswordCreated,
        (IAM, "UpdateLoginProfile") => Action::PasswordReset,
        (IAM, "DeleteLoginProfile") => Action::PasswordRemoved,
        (IAM, "ChangePassword") => Action::PasswordChanged,
        (IAM, "CreateAccessKey") => Action::AccessKeyCreated {
            key: record.text(&["responseElements", "accessKey", "accessKeyId"]).map(str::to_owned),
        },
        // What became of the key is not known.
        (IAM, "UpdateAccessKey") if record.is_partial() && parameter("status").is_none() => return None,
        (IAM, "UpdateAccessKey") => Action::AccessKeyUpdated {
            key: key(),
            active: parameter("status").is_some_and(|status| status.eq_ignore_ascii_case("active")),
        },
        (IAM, "DeleteAccessKey") => Action::AccessKeyDeleted { key: key() },
        (IAM, "AttachUserPolicy") => Action::PolicyAttached { arn: parameter("policyArn") },
        (IAM, "DetachUserPolicy") => Action::PolicyDetached { arn: parameter("policyArn") },
        (IAM, "PutUserPolicy") => {
            Action::PolicyPut { policy: parameter("policyName"), document: parameter("policyDocument") }
        }
        (IAM, "DeleteUserPolicy") => Action::PolicyDeleted { policy: parameter("policyName") },
        (IAM, "AddUserToGroup") => Action::GroupChanged { group: parameter("groupName"), added: true },
        (IAM, "RemoveUserFromGroup") => Action::GroupChanged { group: parameter("groupName"), added: false },
        (SIGN_IN, "ConsoleLogin") => Action::ConsoleLogin {
            mfa_used: record.flag(&["additionalEventData", "MFAUsed"]),
            serial: record.text(&["additionalEventData", "MFAIdentifier"]).map(str::to_owned),
        },
        (SIGN_IN, "CheckMfa") => Action::MfaChecked,
        (STS, "GetSessionToken") => Action::SessionToken { serial: serial()? },
        (STS, "AssumeRoot") => Action::RootAssumed {
            target_account: parameter("targetPrincipal").map(|principal| account_of(&principal)),
            access_key: record.text(&["responseElements", "credentials", "accessKeyId"]).map(str::to_owned),
        },
        (TRAIL, "StopLogging" | "StartLogging" | "DeleteTrail") => Action::TrailChanged { trail: parameter("name") },
        (TRAIL, "UpdateTrail" | "PutEventSelectors") => {
            Action::TrailChanged { trail: parameter("name").or_else(|| parameter("trailName")) }
        }
        (source, name) if IDENTITY_CENTER.contains(&source) => identity_center_action(record, name)?,
        _ => return None,
    })
}

/// Identity Center's device events: "start" is a request, "complete" registers the device, "update" only renames it.
fn identity_center_action(record: &Record<'_, '_>, name: &str) -> Option<Action> {
    let serial = [
        ["requestParameters", "deviceId"].as_slice(),
        ["responseElements", "deviceId"].as_slice(),
        ["responseElements", "mfaDevice", "deviceId"].as_slice(),
        ["responseElements", "device", "deviceId"].as_slice(),
    ]
    .iter()
    .find_map(|path| record.text(path))
    .map(str::to_owned);
    Some(match name {
        "StartWebAuthnDeviceRegistration" | "StartVirtualMfaDeviceRegistration" => Action::DeviceCreated { serial },
        "CompleteWebAuthnDeviceRegistration" | "CompleteVirtualMfaDeviceRegistration" => {
            Action::DeviceEnabled { serial }
        }
        "DeleteMfaDeviceForUser" => Action::DeviceDeactivated { serial },
        "UpdateMfaDeviceForUser" => Action::DeviceTagged { serial },
        _ => return None,
    })
}

/// About whom the call is: `requestParameters.userName`; where that is absent, the caller; where a refused call has no
/// parameters, the user that the message names as the resource.
fn target(record: &Record<'_, '_>, action: &Action, actor: &Actor, failure: Option<&Failure>) -> Target {
    if IDENTITY_CENTER.contains(&record.source) {
        return identity_center_target(record);
    }
    match action {
        Action::TrailChanged { .. } | Action::RootAssumed { .. } => return Target::Nobody,
        Action::DeviceDeleted { .. } | Action::DeviceTagged { .. } | Action::DeviceUntagged { .. }
            if record.text(&["requestParameters", "serialNumber"]).is_some() =>
        {
            return Target::DeviceOnly;
        }
        _ => {}
    }
    if let Some(name) = record.text(&["requestParameters", "userName"]) {
        if name == ROOT_USER_NAME {
            return Target::Root;
        }
        let created_id =
            record.text(&["responseElements", "user", "userId"]).filter(|_| *action == Action::UserCreated);
        let id = created_id.map(str::to_owned).or_else(|| own_id(record, actor, name));
        return Target::User { name: Some(name.to_owned()), id };
    }
    match failure.filter(|_| record.source == IAM && !record.has_parameters()) {
        Some(failure) => target_of_refusal(record, action, actor, failure),
        None => target_is_caller(actor),
    }
}

/// The caller as whom the call is about.
fn target_is_caller(actor: &Actor) -> Target {
    match actor.kind {
        ActorKind::Root | ActorKind::AssumedRoot => Target::Root,
        ActorKind::IamUser => match user_name(actor) {
            Some(name) if name == HIDDEN_USER_NAME => Target::Nobody,
            name => match (name, user_id(actor)) {
                (None, None) => Target::Nobody,
                (name, id) => Target::User { name: name.map(str::to_owned), id: id.map(str::to_owned) },
            },
        },
        _ => Target::Nobody,
    }
}

/// The caller's own name, where it is a user of the record's account.
fn own_name<'a>(record: &Record<'_, '_>, actor: &'a Actor) -> Option<&'a str> {
    let home = actor.account.as_deref().is_none_or(|account| Some(account) == record.account());
    user_name(actor).filter(|_| home && actor.kind == ActorKind::IamUser)
}

/// The caller's unique id, where it is the user of this name.
fn own_id(record: &Record<'_, '_>, actor: &Actor, name: &str) -> Option<String> {
    own_name(record, actor)
        .filter(|own| own.eq_ignore_ascii_case(name))
        .and_then(|_own| user_id(actor))
        .map(str::to_owned)
}

fn identity_center_target(record: &Record<'_, '_>) -> Target {
    let first = |paths: &[&[&str]]| paths.iter().find_map(|path| record.text(path)).map(str::to_owned);
    let user = first(&[
        &["requestParameters", "user", "userId"],
        &["requestParameters", "userId"],
        &["userIdentity", "onBehalfOf", "userId"],
    ]);
    let store = first(&[
        &["requestParameters", "user", "directoryId"],
        &["requestParameters", "directoryId"],
        &["requestParameters", "identityStoreId"],
    ])
    .or_else(|| {
        let arn = record.text(&["userIdentity", "onBehalfOf", "identityStoreArn"])?;
        Some(arn::name(arn).to_owned())
    });
    user.map_or(Target::Nobody, |user| Target::IdentityCenter { store, user })
}

/// About whom a failed call without parameters is. Only where it was not authorized were there any: else it named nobody.
fn target_of_refusal(record: &Record<'_, '_>, action: &Action, actor: &Actor, failure: &Failure) -> Target {
    if refusal::is_own(action) {
        return target_is_caller(actor);
    }
    let root_called = matches!(actor.kind, ActorKind::Root | ActorKind::AssumedRoot);
    match failure.message.as_deref().map_or(Named::Nothing, Named::of) {
        Named::User("") => target_is_caller(actor),
        Named::User("null") if root_called => Target::Root,
        Named::User(name) => user_of_refusal(record, actor, name),
        Named::Root => Target::Root,
        Named::Device(serial) if is_roots(serial) => Target::Root,
        Named::Device(_) => Target::DeviceOnly,
        Named::Anything if root_called => Target::Root,
        Named::Nothing if !refusal::is_unauthorized(failure) => target_is_caller(actor),
        Named::Anything | Named::Nothing => Target::Nobody,
    }
}

/// Whether a serial number is a security key's of the root user, whose ARN says so.
fn is_roots(serial: &str) -> bool {
    let key = Arn::parse(serial).and_then(|arn| arn.resource_of("u2f"));
    key.is_some_and(|key| key.starts_with("root/"))
}

/// A user by the name that a message has.
fn user_of_refusal(record: &Record<'_, '_>, actor: &Actor, name: &str) -> Target {
    let own = own_name(record, actor).filter(|own| refusal::is_callers(name, own));
    let known = own.unwrap_or_else(|| arn::name(name));
    if known.is_empty() {
        return Target::Nobody;
    }
    Target::User { name: Some(known.to_owned()), id: own.and_then(|_own| user_id(actor)).map(str::to_owned) }
}

/// The name of the user that a call of IAM is about, by its parameters or by the message of its refusal; `AWS ROOT USER` is
/// the root user. `None` for the calls of other services, and where neither names one.
#[must_use]
pub fn named_user(record: &Record<'_, '_>) -> Option<String> {
    if record.source != IAM {
        return None;
    }
    if let Some(name) = record.text(&["requestParameters", "userName"]) {
        return Some(name.to_owned());
    }
    record.error_code().filter(|_| !record.has_parameters())?;
    match Named::of(record.text(&["errorMessage"])?) {
        Named::User("") => None,
        Named::User(name) => match user_of_refusal(record, &record.actor(), name) {
            Target::User { name, .. } => name,
            _ => None,
        },
        Named::Root => Some(ROOT_USER_NAME.to_owned()),
        Named::Device(_) | Named::Anything | Named::Nothing => None,
    }
}

/// A refused call has no parameters; where its message names a device as the resource, that is the device.
fn name_device_of_refusal(mut action: Action, failure: Option<&Failure>) -> Action {
    let message = failure.and_then(|failure| failure.message.as_deref());
    let Some(Named::Device(device)) = message.map(Named::of) else { return action };
    if let Action::DeviceCreated { serial }
    | Action::DeviceEnabled { serial }
    | Action::DeviceResynced { serial }
    | Action::DeviceDeactivated { serial }
    | Action::DeviceDeleted { serial }
    | Action::DeviceTagged { serial }
    | Action::DeviceUntagged { serial } = &mut action
    {
        serial.get_or_insert_with(|| device.to_owned());
    }
    action
}

/// The name of an IAM user who called: `userName`, else the last part of the ARN.
#[must_use]
pub fn user_name(actor: &Actor) -> Option<&str> {
    actor.name.as_deref().or_else(|| {
        let path = Arn::parse(actor.arn.as_deref()?)?.resource_of("user")?;
        Some(arn::name(path)).filter(|name| !name.is_empty())
    })
}

/// The unique id of an IAM user who called. Anonymized records hold other things there; only `AIDA…` is an id.
#[must_use]
pub fn user_id(actor: &Actor) -> Option<&str> {
    actor.id.as_deref().filter(|id| id.starts_with("AIDA"))
}

/// `AssumeRoot`'s `targetPrincipal` is an account id or an ARN.
fn account_of(principal: &str) -> String {
    match Arn::parse(principal) {
        Some(arn) => arn.account.to_owned(),
        None if is_arn(principal) => String::new(),
        None => principal.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloudtrail::{Names, Query, Scratch, for_each_record, search};

    /// The event of a refused call, by its name, caller, error code and message.
    fn refused(name: &str, caller: &str, code: &str, parameters: &str, message: &str) -> (Event, Option<String>) {
        let text = format!(
            r#"{{"eventTime":"2026-10-01T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"{name}","recipientAccountId":"111122223333","userIdentity":{caller},"errorCode":"{code}","errorMessage":"{message}","requestParameters":{parameters}}}"#
        );
        let mut found = None;
        for_each_record(text.as_bytes(), &mut Scratch::default(), &mut |_, record| {
            let record = record.unwrap();
            found = extract(&record).map(|event| (event, named_user(&record)));
        })
        .unwrap();
        found.unwrap()
    }

    const BOB: &str = r#"{"type":"IAMUser","principalId":"AIDABOB","arn":"arn:aws:iam::111122223333:user/staff/bob","accountId":"111122223333","userName":"bob"}"#;
    const OTHER_BOB: &str = r#"{"type":"IAMUser","principalId":"AIDAOTHER","arn":"arn:aws:iam::444455556666:user/bob","accountId":"444455556666","userName":"bob"}"#;
    const NULLO: &str = r#"{"type":"IAMUser","principalId":"AIDANULLO","arn":"arn:aws-cn:iam::111122223333:user/nullo","accountId":"111122223333"}"#;
    const ROOT: &str = r#"{"type":"Root","principalId":"111122223333","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333"}"#;
    const ROLE: &str = r#"{"type":"AssumedRole","principalId":"AROAOPS:bob","arn":"arn:aws:sts::111122223333:assumed-role/Ops/bob","accountId":"111122223333"}"#;

    fn user(name: &str, id: Option<&str>) -> Target {
        Target::User { name: Some(name.to_owned()), id: id.map(str::to_owned) }
    }

    #[test]
    fn a_refused_call_is_about_whom_its_message_names() {
        let bob = || user("bob", Some("AIDABOB"));
        let mfa = "arn:aws:iam::111122223333:mfa/phone";
        for (caller, resource, target, about) in [
            (BOB, "user alice", user("alice", None), Some("alice")),
            (BOB, "user /dev/alice", user("alice", None), Some("alice")),
            (BOB, "user dev/alice", user("alice", None), Some("alice")),
            (BOB, "user nullalice", user("nullalice", None), Some("nullalice")),
            (BOB, "user bob", bob(), Some("bob")),
            (BOB, "user Bob", bob(), Some("bob")),
            (BOB, "user nullbob", bob(), Some("bob")),
            (BOB, "user /staff/bob", bob(), Some("bob")),
            (BOB, "user nullstaff/bob", bob(), Some("bob")),
            (BOB, "user ", bob(), None),
            (OTHER_BOB, "user bob", user("bob", None), Some("bob")),
            (OTHER_BOB, "user nullbob", user("nullbob", None), Some("nullbob")),
            (NULLO, "user nullo", user("nullo", Some("AIDANULLO")), Some("nullo")),
            (NULLO, "user nullnullo", user("nullo", Some("AIDANULLO")), Some("nullo")),
            (ROLE, "user nullo", user("nullo", None), Some("nullo")),
            (ROLE, "user null", user("null", None), Some("null")),
            (ROLE, "user AWS ROOT USER", Target::Root, Some(ROOT_USER_NAME)),
            (ROLE, "arn:aws-us-gov:iam::111122223333:user/dev/alice", user("alice", None), Some("alice")),
            (ROLE, "arn:aws-eusc:iam::111122223333:root", Target::Root, Some(ROOT_USER_NAME)),
            (ROLE, "*", Target::Nobody, None),
            (BOB, "*", Target::Nobody, None),
            (ROLE, "group alice", Target::Nobody, None),
            (ROLE, mfa, Target::DeviceOnly, None),
            (ROLE, "arn:aws:iam::111122223333:mfa/x:u2f/root/key-A2", Target::DeviceOnly, None),
            (ROOT, "*", Target::Root, None),
            (ROOT, "user null", Target::Root, Some("null")),
            (ROOT, "user alice", user("alice", None), Some("alice")),
            (ROOT, "arn:aws:iam::111122223333:u2f/root/key-A2", Target::Root, None),
        ] {
            for (code, parameters, end) in [
                ("AccessDenied", "null", " because no identity-based policy allows the iam:DeactivateMFADevice action"),
                ("AccessDenied", "{}", " with an explicit deny in a service control policy"),
                ("AccessDeniedException", "null", ""),
            ] {
                let message = format!("User: x is not authorized to perform: iam:X on resource: {resource}{end}");
                for name in ["DeactivateMFADevice", "EnableMFADevice", "ResyncMFADevice", "DeleteLoginProfile"] {
                    let (event, named) = refused(name, caller, code, parameters, &message);
                    assert_eq!(event.target, target, "{name}: {caller} {message}");
                    assert_eq!(named.as_deref(), about, "{name}: {caller} {message}");
                }
            }
        }
    }

    #[test]
    fn a_refusal_that_names_nobody_is_about_nobody_but_a_call_without_a_name_is_the_callers() {
        let bob = || user("bob", Some("AIDABOB"));
        let enable = "To complete this action, please ensure that you are authenticated with an MFA device that is enabled for this user.";
        for (name, caller, code, message, target) in [
            ("EnableMFADevice", BOB, "AccessDenied", enable, Target::Nobody),
            ("CreateAccessKey", BOB, "AccessDenied", "", Target::Nobody),
            ("CreateAccessKey", BOB, "LimitExceededException", "Cannot exceed quota for AccessKeysPerUser: 2", bob()),
            ("ChangePassword", BOB, "PasswordPolicyViolationException", "", bob()),
            ("ChangePassword", BOB, "NoSuchEntityException", "Login Profile for User bob cannot be found.", bob()),
            (
                "ChangePassword",
                BOB,
                "AccessDenied",
                "User: x is not authorized to perform: iam:ChangePassword on resource: *",
                bob(),
            ),
            (
                "CreateAccessKey",
                ROLE,
                "ValidationException",
                "Must specify userName when calling with non-User credentials",
                Target::Nobody,
            ),
            (
                "DeleteLoginProfile",
                ROLE,
                "NoSuchEntityException",
                "The user with name alice cannot be found.",
                user("alice", None),
            ),
        ] {
            let (event, _) = refused(name, caller, code, "null", message);
            assert_eq!(event.target, target, "{name} {code} {message}");
        }
        // Whatever the message says, parameters that are there count.
        let denied = "User: x is not authorized to perform: iam:DeactivateMFADevice on resource: user carol";
        for code in ["NoSuchEntityException", "AccessDenied"] {
            let (event, named) = refused("DeactivateMFADevice", BOB, code, r#"{"userName":"alice"}"#, denied);
            assert_eq!((event.target, named.as_deref()), (user("alice", None), Some("alice")));
        }
    }

    #[test]
    fn the_device_of_a_refused_call_is_the_one_that_the_message_names() {
        for serial in [
            "arn:aws:iam::111122223333:mfa/alice-phone",
            "arn:aws-cn:iam::111122223333:mfa/staff/alice-phone",
            "arn:aws:iam::111122223333:mfa/root-account-mfa-device",
            "arn:aws-us-gov:iam::111122223333:u2f/user/alice/key-A2",
            "arn:aws:iam::111122223333:sms-mfa/alice",
        ] {
            for name in [
                "CreateVirtualMFADevice",
                "EnableMFADevice",
                "ResyncMFADevice",
                "DeactivateMFADevice",
                "DeleteVirtualMFADevice",
                "TagMFADevice",
                "UntagMFADevice",
            ] {
                let message = format!(
                    "User: x is not authorized to perform: iam:{name} on resource: {serial} with an explicit deny"
                );
                let (event, _) = refused(name, BOB, "AccessDenied", "null", &message);
                assert_eq!(event.action.serial(), Some(serial), "{name}");
                let creates = name == "CreateVirtualMFADevice";
                let target = if creates { user("bob", Some("AIDABOB")) } else { Target::DeviceOnly };
                assert_eq!(event.target, target, "{name}");
            }
        }
        let (event, _) =
            refused("DeleteVirtualMFADevice", ROLE, "DeleteConflictException", r#"{"serialNumber":"s"}"#, "x");
        assert_eq!((event.action.serial(), event.target), (Some("s"), Target::DeviceOnly));
    }

    /// The pairs of the specification, written out once more: a needle that is forgotten, or a pair, is missed here.
    const SPECIFIED: &str = "
        iam.amazonaws.com CreateVirtualMFADevice EnableMFADevice ResyncMFADevice DeactivateMFADevice
        iam.amazonaws.com DeleteVirtualMFADevice TagMFADevice UntagMFADevice
        iam.amazonaws.com CreateUser DeleteUser UpdateUser CreateLoginProfile UpdateLoginProfile DeleteLoginProfile
        iam.amazonaws.com ChangePassword CreateAccessKey UpdateAccessKey DeleteAccessKey AttachUserPolicy
        iam.amazonaws.com DetachUserPolicy PutUserPolicy DeleteUserPolicy AddUserToGroup RemoveUserFromGroup
        signin.amazonaws.com ConsoleLogin CheckMfa
        sts.amazonaws.com GetSessionToken AssumeRoot
        cloudtrail.amazonaws.com StopLogging StartLogging DeleteTrail UpdateTrail PutEventSelectors
        sso-directory.amazonaws.com StartWebAuthnDeviceRegistration StartVirtualMfaDeviceRegistration
        sso-directory.amazonaws.com CompleteWebAuthnDeviceRegistration CompleteVirtualMfaDeviceRegistration
        sso-directory.amazonaws.com DeleteMfaDeviceForUser UpdateMfaDeviceForUser
        identitystore.amazonaws.com StartWebAuthnDeviceRegistration StartVirtualMfaDeviceRegistration
        identitystore.amazonaws.com CompleteWebAuthnDeviceRegistration CompleteVirtualMfaDeviceRegistration
        identitystore.amazonaws.com DeleteMfaDeviceForUser UpdateMfaDeviceForUser";

    fn pairs() -> Vec<(&'static str, &'static str)> {
        let line = |line: &'static str| {
            let mut words = line.split_whitespace();
            let source = words.next();
            words.filter_map(move |name| Some((source?, name)))
        };
        SPECIFIED.lines().flat_map(line).collect()
    }

    fn document(pairs: &[(&str, &str)]) -> String {
        let record = |(source, name): &(&str, &str)| {
            format!(
                r#"{{"eventVersion":"1.11","eventTime":"2026-10-01T10:00:00Z","eventSource":"{source}","eventName":"{name}","requestParameters":{{"serialNumber":"s","newUserName":"n"}}}}"#
            )
        };
        format!(r#"{{"Records":[{}]}}"#, pairs.iter().map(record).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn every_pair_is_extracted_and_found_by_a_search() {
        let names = Names::new(EXTRACTED.iter().flat_map(|(_, names)| names.iter()));
        let filler = [("ec2.amazonaws.com", "DescribeInstances"), ("iam.amazonaws.com", "GetUser")];
        for pair in pairs() {
            let text = document(&[filler[0], pair, filler[1], pair]);
            let mut found = Vec::new();
            search(text.as_bytes(), &Query::named(&names), &mut Scratch::default(), &mut |_, record| {
                found.extend(extract(&record.unwrap()).map(|event| event.name));
            })
            .unwrap();
            assert_eq!(found, [pair.1, pair.1], "{pair:?}");
            let alone = Names::new([pair.1]);
            let mut count = 0;
            search(text.as_bytes(), &Query::named(&alone), &mut Scratch::default(), &mut |_, _| count += 1).unwrap();
            assert_eq!(count, 2, "{pair:?}");
        }
    }

    #[test]
    fn nothing_but_the_pairs_is_extracted() {
        let listed: Vec<_> =
            EXTRACTED.iter().flat_map(|(source, names)| names.iter().map(|name| (*source, *name))).collect();
        let mut sorted = listed.clone();
        sorted.sort_unstable();
        let mut specified = pairs();
        specified.sort_unstable();
        assert_eq!(sorted, specified);
        // Every name under every other source.
        let sources = ["ec2.amazonaws.com", IAM, SIGN_IN, STS, TRAIL, IDENTITY_CENTER[0]];
        let swapped: Vec<_> = listed.iter().flat_map(|(_, name)| sources.map(|source| (source, *name))).collect();
        let extracted = |text: String| {
            let mut extracted = Vec::new();
            for_each_record(text.as_bytes(), &mut Scratch::default(), &mut |_, record| {
                extracted.extend(extract(&record.unwrap()).map(|event| (event.source, event.name)));
            })
            .unwrap();
            extracted
        };
        for (source, name) in extracted(document(&swapped)) {
            assert!(listed.contains(&(source.as_str(), name.as_str())), "{source} {name}");
        }
        assert_eq!(extracted(document(&listed)).len(), listed.len(), "the table and the match agree");
    }
}
