//! IAM: who may remove a device without MFA, the root user, leftover devices, and whether users have owners.

use super::{Expectations, GUARD, Opinion, some};
use crate::contract::{PostureCheck, PostureCode};
use crate::inventory::{
    Applied, Call, DetailedUser, Details, Grants, Policy, Request, UserState, attached, both, either,
};
use crate::posture::calls::{file_name, quoted};
use crate::posture::facts::{Facts, Iam};

const ACTION: &str = "iam:deactivatemfadevice";
/// A user that no policy names, in lower case.
const ANYBODY: &str = "~~~~~~~~~~~~";
/// The feature of IAM by which root credentials of member accounts are managed.
const ROOT_CREDENTIALS: &str = "RootCredentialsManagement";

pub(super) fn checks(facts: &Facts, expected: &Expectations) -> Vec<PostureCheck> {
    let mut opinions: Vec<(PostureCode, Opinion)> = Vec::new();
    match &facts.iam {
        Err(gap) => {
            let codes = [
                PostureCode::RootMfa,
                PostureCode::RootCredentials,
                PostureCode::RemovalWithoutMfa,
                PostureCode::GuardHole,
                PostureCode::LeftoverDevice,
                PostureCode::OwnerTag,
            ];
            opinions.extend(codes.into_iter().map(|code| (code, Opinion::gap(gap))));
        }
        Ok(iam) => {
            opinions.push((PostureCode::RootMfa, root_mfa(facts, iam)));
            opinions.push((PostureCode::RootCredentials, root_credentials(facts, iam)));
            opinions.extend(removal(facts, iam).into_iter().map(|one| (PostureCode::RemovalWithoutMfa, one)));
            opinions.extend(holes(iam).into_iter().map(|one| (PostureCode::GuardHole, one)));
            opinions.extend(leftovers(iam).into_iter().map(|one| (PostureCode::LeftoverDevice, one)));
            opinions.extend(owners(iam, expected).into_iter().map(|one| (PostureCode::OwnerTag, one)));
        }
    }
    if let Ok(Some(organization)) = &facts.organization
        && organization.management == facts.account
    {
        opinions.push((PostureCode::RootManagement, root_management(&organization.root_features)));
    }
    opinions.into_iter().map(|(code, opinion)| opinion.check(facts, code, None)).collect()
}

/// Why something of IAM is not known: the notes on what was not read that name it, else all.
fn lacks(iam: &Iam, about: &str) -> Opinion {
    let notes: Vec<&str> = iam.missing.iter().map(String::as_str).filter(|note| note.contains(about)).collect();
    let notes = if notes.is_empty() { iam.missing.iter().map(String::as_str).collect() } else { notes };
    Opinion::unknown(if notes.is_empty() { format!("{about}: not known") } else { notes.join("; ") })
}

fn central(facts: &Facts) -> Option<bool> {
    match &facts.organization {
        Ok(Some(organization)) if organization.management != facts.account => {
            organization.root_features.as_ref().ok().map(|list| list.iter().any(|one| one == ROOT_CREDENTIALS))
        }
        Ok(_) => Some(false),
        Err(_) => None,
    }
}

/// What takes the credentials of a member account's root user away.
fn assume_root(facts: &Facts) -> String {
    format!(
        "aws sts assume-root --target-principal {} --task-policy-arn arn=arn:{}:iam::aws:policy/root-task/IAMDeleteRootUserCredentials   # then, with these credentials: aws iam delete-login-profile",
        facts.account, facts.partition
    )
}

fn root_mfa(facts: &Facts, iam: &Iam) -> Opinion {
    let root = iam.state.root.as_ref();
    let arn = format!("arn:{}:iam::{}:root", facts.partition, facts.account);
    let told = root.and_then(|root| root.mfa_active);
    let none_left =
        |root: &crate::inventory::RootState| root.password == Some(false) && root.active_access_keys == Some(0);
    match (told, root) {
        (Some(true), _) => Opinion::pass("the root user has an MFA device"),
        (Some(false), Some(root)) if none_left(root) => Opinion::pass("the root user has neither a password nor access keys: there is nothing to protect"),
        (Some(false), Some(root)) if root.password.is_none() && central(facts) != Some(false) => {
            Opinion::unknown("the root user has no MFA, and whether it has a password is not known: an old credential report does not show it (hint: the account summary does)")
        }
        (Some(false), _) if central(facts) == Some(true) => {
            Opinion::fail("the root user has credentials and no MFA, although they could be managed centrally", assume_root(facts))
        }
        (Some(false), _) => Opinion::fail(
            "the root user can sign in with a password alone",
            "# there is no API for it: sign in as the root user, and register a device at https://console.aws.amazon.com/iam/home#/security_credentials",
        ),
        (None, _) => lacks(iam, "root user"),
    }
    .of(arn)
}

fn root_credentials(facts: &Facts, iam: &Iam) -> Opinion {
    let root = iam.state.root.as_ref();
    let arn = format!("arn:{}:iam::{}:root", facts.partition, facts.account);
    match root.and_then(|root| root.active_access_keys) {
        None => lacks(iam, "root user"),
        Some(0) => match (root.and_then(|root| root.password), central(facts)) {
            (Some(true), Some(true)) => Opinion::fail(
                "the root user has a password, although root access is managed centrally",
                assume_root(facts),
            ),
            (Some(false), _) => Opinion::pass("the root user has neither a password nor access keys"),
            _ => Opinion::pass("the root user has no access keys"),
        },
        Some(n) => {
            let keys = if n == 1 { "an active access key".to_owned() } else { format!("{n} active access keys") };
            let fix = if central(facts) == Some(true) {
                assume_root(facts)
            } else {
                "aws iam delete-access-key --access-key-id ACCESS-KEY-ID   # with the root user's own credentials"
                    .to_owned()
            };
            Opinion::fail(format!("the root user has {keys}, which no MFA protects"), fix)
        }
    }
    .of(arn)
}

fn root_management(features: &crate::posture::facts::Told<Vec<String>>) -> Opinion {
    match features {
        Err(gap) => Opinion::gap(gap),
        Ok(list) if list.iter().any(|one| one == ROOT_CREDENTIALS) => {
            Opinion::pass("IAM manages root credentials of member accounts")
        }
        Ok(_) => Opinion::fail(
            "each member account's root user has, or can recover, a password of its own",
            "aws organizations enable-aws-service-access --service-principal iam.amazonaws.com\naws iam enable-organizations-root-credentials-management",
        ),
    }
}

/// A policy that applies to a user, with a name for it.
struct Named {
    name: String,
    applied: Applied,
}

fn named(details: &Details, grants: &Grants, whose: &str, into: &mut Vec<Named>) {
    for inline in &grants.inline {
        let applied = inline.document.clone().map_or(Applied::Unknown, Applied::Known);
        into.push(Named { name: format!("{whose}: {}", inline.name), applied });
    }
    for arn in &grants.attached {
        let applied = attached(arn, details.policies.get(arn).cloned().flatten());
        into.push(Named { name: arn.clone(), applied });
    }
}

/// Whether a user may remove a device without MFA, and by which policies.
struct Removal {
    may: Option<bool>,
    by: Vec<String>,
}

fn removal(facts: &Facts, iam: &Iam) -> Vec<Opinion> {
    let Some(details) = &iam.details else { return vec![lacks(iam, "policies")] };
    let (mut failed, mut unknown, mut safe) = (Vec::new(), Vec::new(), 0_usize);
    for user in &details.users {
        let state = iam.state.users.iter().find(|state| state.name.eq_ignore_ascii_case(&user.listed.name.0));
        let removal = of_user(facts, details, user, state);
        let name = &user.listed.name.0;
        match removal.may {
            Some(false) => safe += 1,
            None => unknown.push(name.clone()),
            Some(true) => {
                let reason = format!("without MFA `{name}` may deactivate devices, by {}", some(&removal.by));
                let fix = format!(
                    "aws iam put-user-policy --user-name {} --policy-name RequireMfaToRemoveDevices --policy-document {}",
                    quoted(name),
                    quoted(GUARD)
                );
                failed.push(Opinion::fail(reason, fix).of(user.listed.arn.clone().unwrap_or_else(|| name.clone())));
            }
        }
    }
    if !unknown.is_empty() {
        let reason = format!(
            "whether {} may deactivate devices without MFA depends on policies or conditions that are not known",
            some(&unknown)
        );
        failed.push(Opinion::unknown(reason));
    }
    if failed.is_empty() {
        let users = if safe == 1 { "the one user".to_owned() } else { format!("none of {safe} users") };
        let may =
            if safe == 1 { "may not deactivate a device without MFA" } else { "may deactivate a device without MFA" };
        failed.push(Opinion::pass(format!("{users} {may}")));
    }
    failed
}

fn of_user(facts: &Facts, details: &Details, user: &DetailedUser, state: Option<&UserState>) -> Removal {
    let mut policies = Vec::new();
    named(details, &user.grants, "inline policy", &mut policies);
    let mut complete = true;
    for group in &user.groups {
        match details.groups.get(group) {
            Some(grants) => named(details, grants, &format!("group {}", group.0), &mut policies),
            None => complete = false,
        }
    }
    let boundary = user.boundary.as_ref().map(|arn| attached(arn, details.policies.get(arn).cloned().flatten()));
    let mut removal = Removal { may: Some(false), by: Vec::new() };
    let arn = user
        .listed
        .arn
        .clone()
        .unwrap_or_else(|| format!("arn:{}:iam::{}:user/{}", facts.partition, facts.account, user.listed.name.0));
    let own = arn.to_lowercase();
    // The condition keys of its tags. Of keys that it lacks nothing is said.
    let tags: Vec<(String, &str)> = user
        .tags
        .iter()
        .map(|(key, value)| (format!("aws:principaltag/{}", key.to_lowercase()), value.as_str()))
        .collect();
    let other = format!("arn:{}:iam::{}:user/{ANYBODY}", facts.partition, facts.account);
    for request in requests(state) {
        for resource in [&own, &other] {
            let mut keys: Vec<(&str, Option<&str>)> = request.keys().into();
            keys.extend([
                ("aws:username", Some(user.listed.name.0.as_str())),
                ("aws:principalarn", Some(arn.as_str())),
                ("aws:principaltype", Some("User")),
                ("aws:principalaccount", Some(facts.account.as_str())),
                ("aws:principalisawsservice", Some("false")),
                ("aws:viaawsservice", Some("false")),
            ]);
            keys.extend(tags.iter().map(|(key, value)| (key.as_str(), Some(*value))));
            let call = Call { action: ACTION, resource, service: None, keys };
            let may = may(facts, &call, &policies, boundary.as_ref(), complete);
            if may == Some(true) {
                let grants = policies
                    .iter()
                    .filter(|one| matches!(&one.applied, Applied::Known(policy) if grants_it(policy, &call)));
                removal.by.extend(grants.map(|one| one.name.clone()));
            }
            removal.may = either(removal.may, may);
        }
    }
    removal.by.sort();
    removal.by.dedup();
    removal
}

/// The kinds of requests without MFA that a user can make with the credentials that it has.
fn requests(state: Option<&UserState>) -> Vec<Request> {
    let password = state.is_none_or(|state| state.password != Some(false));
    let keys = state.is_none_or(|state| state.active_access_keys != Some(0));
    [(password, Request::SessionWithoutMfa), (keys, Request::LongTermKey)]
        .into_iter()
        .filter(|(can, _)| *can)
        .map(|(_, request)| request)
        .collect()
}

/// Whether a grant holds: conditions that say nothing of MFA are taken to be met.
fn grants_it(policy: &Policy, call: &Call<'_>) -> bool {
    policy.statements().iter().any(|statement| {
        let met = statement.conditions.iter().all(|condition| condition.holds_with(&call.keys) != Some(false));
        statement.allow && statement.is_about(call) != Some(false) && met
    })
}

fn may(facts: &Facts, call: &Call<'_>, policies: &[Named], boundary: Option<&Applied>, complete: bool) -> Option<bool> {
    let unread = if complete { Some(false) } else { None };
    let (mut allowed, mut denied) = (unread, either(unread, super::scp::denies(facts, call)));
    for policy in policies {
        match &policy.applied {
            Applied::Known(policy) => {
                allowed = either(allowed, Some(grants_it(policy, call)));
                denied = either(denied, policy.says(call).denies);
            }
            Applied::AwsManaged | Applied::Unknown => (allowed, denied) = (either(allowed, None), either(denied, None)),
        }
    }
    match boundary {
        None => {}
        Some(Applied::Known(policy)) => {
            allowed = both(allowed, Some(grants_it(policy, call)));
            denied = either(denied, policy.says(call).denies);
        }
        Some(_) => (allowed, denied) = (both(allowed, None), either(denied, None)),
    }
    both(allowed, denied.map(|denied| !denied))
}

/// Policies that refuse calls without MFA, and leave out the one that takes MFA away.
fn holes(iam: &Iam) -> Vec<Opinion> {
    let Some(details) = &iam.details else { return vec![lacks(iam, "policies")] };
    let (mut guards, mut unread) = (0_usize, Vec::new());
    let mut holes = Vec::new();
    let mut look = |name: String, document: Option<&Policy>, fix: String| {
        let Some(policy) = document else {
            unread.push(name);
            return;
        };
        for statement in policy.statements().iter().filter(|statement| statement.is_mfa_guard()) {
            guards += 1;
            let resource = format!("arn:aws:iam::{ANYBODY}:user/{ANYBODY}");
            let call = Call { action: ACTION, resource: &resource, service: None, keys: Vec::new() };
            let Some(exempt) = statement.exempt_actions().filter(|_| statement.is_about(&call) == Some(false)) else {
                continue;
            };
            let patterns: Vec<String> =
                exempt.iter().filter(|one| one.contains("deactivatemfadevice") || one.contains('*')).cloned().collect();
            let sid = statement.sid.as_deref().map_or_else(String::new, |sid| format!(" (statement `{sid}`)"));
            holes.push(
                Opinion::fail(
                    format!("it demands MFA of everything but {}{sid}: whoever has the password alone can remove the device", some(&patterns)),
                    fix.clone(),
                )
                .of(name.clone()),
            );
        }
    };
    for user in &details.users {
        for inline in &user.grants.inline {
            let fix = format!(
                "aws iam put-user-policy --user-name {} --policy-name {} --policy-document file://POLICY.json   # without iam:DeactivateMFADevice in NotAction",
                quoted(&user.listed.name.0),
                quoted(&inline.name)
            );
            look(format!("user {}: {}", user.listed.name.0, inline.name), inline.document.as_ref(), fix);
        }
    }
    for (group, grants) in &details.groups {
        for inline in &grants.inline {
            let fix = format!(
                "aws iam put-group-policy --group-name {} --policy-name {} --policy-document file://POLICY.json   # without iam:DeactivateMFADevice in NotAction",
                quoted(&group.0),
                quoted(&inline.name)
            );
            look(format!("group {}: {}", group.0, inline.name), inline.document.as_ref(), fix);
        }
    }
    for (arn, document) in &details.policies {
        let fix = format!(
            "aws iam create-policy-version --policy-arn {} --set-as-default --policy-document file://{}.json   # without iam:DeactivateMFADevice in NotAction",
            quoted(arn),
            quoted(&file_name(arn))
        );
        look(arn.clone(), document.as_ref(), fix);
    }
    if !unread.is_empty() {
        holes.push(Opinion::unknown(format!("the documents of {} cannot be read", some(&unread))));
    }
    if holes.is_empty() {
        holes.push(Opinion::pass(match guards {
            0 => "no policy demands MFA, so none has such an exemption".to_owned(),
            1 => "the one policy that demands MFA demands it of deactivations, too".to_owned(),
            n => format!("all {n} statements that demand MFA demand it of deactivations, too"),
        }));
    }
    holes
}

fn leftovers(iam: &Iam) -> Vec<Opinion> {
    let Some(devices) = &iam.state.virtual_devices else { return vec![lacks(iam, "virtual MFA devices")] };
    let leftover = devices.iter().filter(|device| device.owner.is_none());
    let fail = |device: &crate::inventory::VirtualDevice| {
        let serial = &device.device.serial;
        let name = file_name(serial);
        let user = iam.state.users.iter().any(|user| user.name.eq_ignore_ascii_case(&name));
        let reason = if user {
            format!("it is unassigned, and blocks the user `{name}` from enrolling a device of that name again")
        } else {
            "it is unassigned, and its name cannot be reused".to_owned()
        };
        Opinion::fail(reason, format!("aws iam delete-virtual-mfa-device --serial-number {}", quoted(serial)))
            .of(serial)
    };
    let failed: Vec<Opinion> = leftover.map(fail).collect();
    if failed.is_empty() { vec![Opinion::pass("every virtual device is assigned")] } else { failed }
}

fn owners(iam: &Iam, expected: &Expectations) -> Vec<Opinion> {
    let can_sign_in: Vec<&UserState> = iam.state.users.iter().filter(|user| user.password != Some(false)).collect();
    if !iam.state.users_complete {
        return vec![lacks(iam, "list of users")];
    }
    let mut opinions = Vec::new();
    let mut unknown = Vec::new();
    for user in can_sign_in {
        match (&user.tags, user.password) {
            (Some(tags), _)
                if expected
                    .owner_tags
                    .iter()
                    .any(|key| tags.get(key).is_some_and(|owner| !owner.trim().is_empty())) => {}
            (Some(_), Some(true)) => {
                let key = expected.owner_tags.first().map_or("owner-email", String::as_str);
                let reason = format!("`{}` can sign in, and no tag says whom to ask about it", user.name);
                let fix = format!(
                    "aws iam tag-user --user-name {} --tags Key={},Value=OWNER@EXAMPLE.COM",
                    quoted(&user.name),
                    quoted(key)
                );
                opinions.push(Opinion::fail(reason, fix).of(user.arn.clone().unwrap_or_else(|| user.name.clone())));
            }
            _ => unknown.push(user.name.clone()),
        }
    }
    if !unknown.is_empty() {
        opinions.push(Opinion::unknown(format!("tags or passwords of {} are not known", some(&unknown))));
    }
    if opinions.is_empty() {
        opinions.push(Opinion::pass("every user who can sign in has an owner"));
    }
    opinions
}
