//! What a refused call of IAM was about. CloudTrail drops the parameters of a call that IAM did not authorize, so that
//! only `errorMessage` names the user or the device; of calls that failed for another reason it keeps them.
//!
//! Messages that were seen, with names made up:
//!
//! - `User: arn:aws:iam::111122223333:user/bob is not authorized to perform: iam:DeactivateMFADevice on resource: user alice
//!   because no identity-based policy allows the iam:DeactivateMFADevice action`, also `… with an explicit deny in a
//!   service control policy`, or with nothing behind the resource (before 2022)
//! - `… on resource: user nullbob …`: the call named no user, and means its caller, `bob`; other calls have `user bob` then,
//!   or `user` and nothing
//! - `… on resource: *`: of the root user
//! - `… on resource: arn:aws:iam::111122223333:mfa/alice-phone …`: creation and deletion of virtual devices
//! - `… on resource: arn:aws:iam::111122223333:user/alice …`: `CreateUser`, and all calls of former years
//! - `Login Profile for User alice cannot be found.`, `The user with name alice cannot be found.`: other failures

use super::event::{Action, Failure, ROOT_USER_NAME};
use crate::arn::{self, Arn, is_arn};

/// What a message names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named<'m> {
    /// A user, as the message writes it: its name, a path before it or not; empty where the call named none.
    User(&'m str),
    /// The account's root user.
    Root,
    /// The serial number of a device.
    Device(&'m str),
    /// `*`: anything.
    Anything,
    /// Nothing, or something else than a user or a device.
    Nothing,
}

impl<'m> Named<'m> {
    /// Reads a message.
    pub(super) fn of(message: &'m str) -> Self {
        if let Some((_, resource)) = message.split_once(" on resource: ") {
            return Self::resource(resource);
        }
        let user = ["The user with name ", "Login Profile for User "].iter().find_map(|start| {
            let (name, rest) = message.strip_prefix(start)?.split_once(' ')?;
            rest.starts_with("cannot be ").then_some(name)
        });
        user.map_or(Self::Nothing, Self::User)
    }

    /// Reads what follows `on resource: `; neither names nor ARNs of IAM hold white space.
    fn resource(text: &'m str) -> Self {
        let word = |text: &'m str| text.split(char::is_whitespace).next().unwrap_or_default();
        if let Some(name) = text.strip_prefix("user ") {
            return if name.starts_with(ROOT_USER_NAME) { Self::Root } else { Self::User(word(name)) };
        }
        let resource = word(text);
        let within = match Arn::parse(resource) {
            Some(arn) => arn.resource,
            None if is_arn(resource) => "",
            None => resource,
        };
        let user = within.strip_prefix("user/").filter(|path| !path.is_empty() && !path.ends_with('/'));
        match user {
            Some(path) => Self::User(path),
            None if within == "root" => Self::Root,
            None if resource == "*" => Self::Anything,
            None if ["mfa/", "u2f/", "sms-mfa/"].iter().any(|kind| within.starts_with(kind)) => Self::Device(resource),
            None => Self::Nothing,
        }
    }
}

/// Whether a call failed for want of permission: then its parameters are in the message alone. Services spell the code
/// `AccessDenied`, `AccessDeniedException` and `Client.UnauthorizedOperation`.
pub(super) fn is_unauthorized(failure: &Failure) -> bool {
    failure.code.as_deref().is_some_and(|code| code.starts_with("AccessDenied") || code.contains("Unauthorized"))
}

/// Whether IAM's call names no user and can mean nobody but its caller.
pub(super) fn is_own(action: &Action) -> bool {
    matches!(action, Action::PasswordChanged | Action::DeviceCreated { .. })
}

/// Whether a name as a message has it is the caller's own: `bob`, `/staff/bob`, or `nullbob`, which IAM writes where the
/// call named nobody.
pub(super) fn is_callers(name: &str, own: &str) -> bool {
    let bare = arn::name(name);
    bare.eq_ignore_ascii_case(own)
        || name.strip_prefix("null").is_some_and(|rest| arn::name(rest).eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_users_and_devices() {
        let refused = |resource: &str| {
            format!(
                "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: iam:X on resource: {resource}"
            )
        };
        let (mfa, u2f) =
            ("arn:aws-us-gov:iam::111122223333:mfa/staff/phone", "arn:aws:iam::111122223333:u2f/root/key-A2");
        for (resource, named) in [
            ("user alice", Named::User("alice")),
            ("user a+b=c,d.e@f_g-h", Named::User("a+b=c,d.e@f_g-h")),
            ("user /staff/alice", Named::User("/staff/alice")),
            ("user staff/alice", Named::User("staff/alice")),
            ("user nullbob", Named::User("nullbob")),
            ("user ", Named::User("")),
            ("user AWS ROOT USER", Named::Root),
            ("user/alice", Named::User("alice")),
            ("arn:aws:iam::111122223333:user/alice", Named::User("alice")),
            ("arn:aws-cn:iam::111122223333:user/staff/alice", Named::User("staff/alice")),
            ("arn:aws:iam::111122223333:user/", Named::Nothing),
            ("arn:aws-iso-b:iam::111122223333:root", Named::Root),
            ("*", Named::Anything),
            (mfa, Named::Device(mfa)),
            (u2f, Named::Device(u2f)),
            ("group staff", Named::Nothing),
            ("arn:aws:iam::111122223333:group/mfa/staff", Named::Nothing),
            ("policy arn:aws:iam::111122223333:policy/user/alice version v2", Named::Nothing),
            ("", Named::Nothing),
        ] {
            for end in [
                "",
                " because no identity-based policy allows the iam:X action",
                " with an explicit deny",
                " with an explicit deny in a service control policy: arn:aws:organizations::444455556666:policy/o-a/service_control_policy/p-a",
                "\n\tstatus code: 403, request id: 4f",
            ] {
                assert_eq!(Named::of(&refused(&format!("{resource}{end}"))), named, "{resource}{end}");
            }
        }
        for (message, named) in [
            ("The user with name alice cannot be found.", Named::User("alice")),
            ("Login Profile for User alice cannot be found.", Named::User("alice")),
            (
                "Login Profile for User alice cannot be modified while login profile is being created.",
                Named::User("alice"),
            ),
            ("The role with name alice cannot be found.", Named::Nothing),
            ("Cannot exceed quota for AccessKeysPerUser: 2", Named::Nothing),
            ("Must specify userName when calling with non-User credentials", Named::Nothing),
            (
                "To complete this action, please ensure that you are authenticated with an MFA device that is enabled for this user.",
                Named::Nothing,
            ),
        ] {
            assert_eq!(Named::of(message), named, "{message}");
        }
    }

    #[test]
    fn a_callers_own_name_is_known_behind_null_and_paths() {
        for (name, own) in [
            ("bob", "bob"),
            ("Bob", "bob"),
            ("nullbob", "bob"),
            ("null_bob.x", "_bob.x"),
            ("/staff/bob", "bob"),
            ("staff/bob", "bob"),
            ("null/staff/bob", "bob"),
            ("nullstaff/bob", "bob"),
            ("nullo", "nullo"),
            ("nullnullo", "nullo"),
        ] {
            assert!(is_callers(name, own), "{name} {own}");
        }
        for (name, own) in [("alice", "bob"), ("nullalice", "bob"), ("bob/alice", "bob"), ("null", "bob"), ("", "bob")]
        {
            assert!(!is_callers(name, own), "{name} {own}");
        }
    }
}
