//! Service control policies: is the deactivation of MFA devices denied, to whom not, and does it stay possible for those who must?
//!
//! A deny at any level is in force below it; an allow is needed at every level. Whom a deny reaches is found by asking it of callers that
//! no policy names: a user with a long-term key, a user's session without MFA, and a role's session. Conditions that only make
//! exceptions (`…NotLike`, `…NotEquals`) of what is not known count as exceptions, and are listed. The management account is never
//! restricted. Sources: AWS Organizations user guide, "SCP evaluation" and "Service control policies (SCPs)".

use super::{Opinion, some};
use crate::contract::{PostureCheck, PostureCode};
use crate::inventory::{Call, Condition, Request, Statement, all_of, any_of, both, either};
use crate::posture::calls::quoted;
use crate::posture::facts::{ControlPolicy, Facts, Level, Organization};

/// The calls that take a device away; the first alone ends its protection.
const ACTIONS: [&str; 2] = ["iam:deactivatemfadevice", "iam:deletevirtualmfadevice"];
/// Calls by which the guardrails themselves are undone.
const SIBLINGS: [(&str, &str); 5] = [
    ("cloudtrail:stoplogging", "cloudtrail:StopLogging"),
    ("cloudtrail:deletetrail", "cloudtrail:DeleteTrail"),
    ("cloudtrail:puteventselectors", "cloudtrail:PutEventSelectors"),
    ("events:disablerule", "events:DisableRule"),
    ("events:removetargets", "events:RemoveTargets"),
];
/// A name that no policy has: what matches it matches every one.
const ANYBODY: &str = "~~~~~~~~~~~~";
/// A policy that denies the removal of devices to everybody but a role for emergencies.
const GOOD_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"DenyMfaRemoval","Effect":"Deny","Action":["iam:DeactivateMFADevice","iam:DeleteVirtualMFADevice"],"Resource":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:*:iam::*:role/MfaBreakGlass"}}}]}"#;

/// Where calls about the organization are made.
const MANAGEMENT: &str = "# in the organization's management account:";

/// A caller that no policy names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    UserWithKey,
    UserWithoutMfa,
    RoleSession,
}

const CALLERS: [Caller; 3] = [Caller::UserWithKey, Caller::UserWithoutMfa, Caller::RoleSession];

impl Caller {
    const fn words(self) -> &'static str {
        match self {
            Self::UserWithKey => "a user with an access key",
            Self::UserWithoutMfa => "a user's session without MFA",
            Self::RoleSession => "any role's session",
        }
    }

    const fn request(self) -> Request {
        match self {
            Self::UserWithKey => Request::LongTermKey,
            Self::UserWithoutMfa | Self::RoleSession => Request::SessionWithoutMfa,
        }
    }

    fn arn(self, facts: &Facts) -> String {
        let kind = if self == Self::RoleSession { "role" } else { "user" };
        format!("arn:{}:iam::{}:{kind}/{ANYBODY}", facts.partition, facts.account)
    }
}

pub(super) fn checks(facts: &Facts) -> Vec<PostureCheck> {
    let both = |deny: Opinion, rotation: Opinion| {
        vec![deny.check(facts, PostureCode::ScpDeny, None), rotation.check(facts, PostureCode::ScpRotation, None)]
    };
    let organization = match &facts.organization {
        Err(gap) => return both(Opinion::gap(gap), Opinion::gap(gap)),
        Ok(None) => {
            let deny = "the account is in no organization, so no service control policy can deny anything to its administrators";
            // An account that creates the organization becomes its management account, which no such policy restricts.
            let fix = format!(
                "{MANAGEMENT}\naws organizations invite-account-to-organization --target Id={},Type=ACCOUNT\n# in this account:\naws organizations accept-handshake --handshake-id HANDSHAKE-ID",
                facts.account
            );
            return both(Opinion::fail(deny, fix), Opinion::pass("no service control policy is in force"));
        }
        Ok(Some(organization)) => organization,
    };
    if organization.management == facts.account {
        return vec![management(facts).check(facts, PostureCode::ScpManagement, None)];
    }
    match (&organization.policies_enabled, &organization.levels) {
        (Err(gap), _) | (_, Err(gap)) => both(Opinion::gap(gap), Opinion::gap(gap)),
        (Ok(false), _) => {
            let fix = format!(
                "{MANAGEMENT}\naws organizations enable-policy-type --root-id ROOT-ID --policy-type SERVICE_CONTROL_POLICY\n{}",
                create()
            );
            both(
                Opinion::fail("service control policies are not enabled in the organization", fix),
                Opinion::pass("no service control policy is in force"),
            )
        }
        (Ok(true), Ok(levels)) => both(deny(facts, levels), rotation(facts, levels)),
    }
}

fn create() -> String {
    format!(
        "aws organizations create-policy --type SERVICE_CONTROL_POLICY --name DenyMfaRemoval --description 'Deny the removal of MFA devices' --content {}\naws organizations attach-policy --policy-id POLICY-ID --target-id ROOT-OR-UNIT-OR-ACCOUNT-ID",
        quoted(GOOD_POLICY)
    )
}

/// The management account has users only a policy of its own could hold.
fn management(facts: &Facts) -> Opinion {
    let iam = match &facts.iam {
        Err(gap) => return Opinion::gap(gap),
        Ok(iam) if !iam.state.users_complete => {
            return Opinion::unknown("the list of the account's users is not known");
        }
        Ok(iam) => iam,
    };
    let known = |user: &&crate::inventory::UserState| user.mfa_active == Some(true);
    let users: Vec<String> = iam.state.users.iter().filter(known).map(|user| user.name.clone()).collect();
    let unknown = iam.state.users.iter().filter(|user| user.mfa_active.is_none()).count();
    match users.first() {
        Some(first) => Opinion::fail(
            format!(
                "no service control policy restricts this account, and {} of its users have MFA devices that any administrator can remove: {}",
                users.len(),
                some(&users)
            ),
            format!(
                "aws iam put-user-policy --user-name {} --policy-name RequireMfaToRemoveDevices --policy-document {}",
                quoted(first),
                quoted(super::GUARD)
            ),
        ),
        None if unknown > 0 => {
            Opinion::unknown(format!("whether {unknown} of its users have MFA devices is not known"))
        }
        None => Opinion::pass("it has no IAM users with MFA devices; no service control policy restricts it"),
    }
}

/// All policies, each once.
fn policies(levels: &[Level]) -> Vec<&ControlPolicy> {
    let mut all: Vec<&ControlPolicy> = levels.iter().flat_map(|level| &level.policies).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all.dedup_by(|a, b| a.id == b.id);
    all
}

fn call<'a>(action: &'a str, resource: &'a str, keys: Vec<(&'a str, Option<&'a str>)>) -> Call<'a> {
    Call { action, resource, service: None, keys }
}

/// A user in lower case, as resources of policies are compared.
fn anybody(facts: &Facts) -> String {
    format!("arn:{}:iam::{}:user/{ANYBODY}", facts.partition, facts.account)
}

/// What is known of a caller's keys.
fn keys<'a>(facts: &'a Facts, caller: Caller, arn: &'a str) -> Vec<(&'a str, Option<&'a str>)> {
    let mut keys: Vec<(&str, Option<&str>)> = caller.request().keys().into();
    keys.extend([
        ("aws:principalarn", Some(arn)),
        ("aws:principalaccount", Some(facts.account.as_str())),
        ("aws:principaltype", Some(if caller == Caller::RoleSession { "AssumedRole" } else { "User" })),
        ("aws:principalisawsservice", Some("false")),
        ("aws:viaawsservice", Some("false")),
    ]);
    keys
}

/// Whether a statement denies a call to a caller; exceptions of what is not known are exceptions.
fn reaches(statement: &Statement, call: &Call<'_>) -> Option<bool> {
    let holds = |condition: &Condition| match condition.holds_with(&call.keys) {
        None if condition.is_exception() => Some(true),
        told => told,
    };
    both(statement.is_about(call), all_of(statement.conditions.iter().map(holds)))
}

/// Whether an action is denied to a caller by any policy, or allowed by none of a level.
fn denied(facts: &Facts, levels: &[Level], action: &str, caller: Caller) -> Option<bool> {
    let (arn, resource) = (caller.arn(facts), anybody(facts));
    let call = call(action, &resource, keys(facts, caller, &arn));
    let mut denied = Some(false);
    for level in levels {
        let mut allowed = Some(false);
        for policy in &level.policies {
            let Ok(document) = &policy.document else {
                (denied, allowed) = (either(denied, None), either(allowed, None));
                continue;
            };
            for statement in document.statements() {
                if statement.allow {
                    allowed = either(allowed, statement.applies(&call));
                } else {
                    denied = either(denied, reaches(statement, &call));
                }
            }
        }
        denied = either(denied, allowed.map(|allowed| !allowed));
    }
    denied
}

fn deny(facts: &Facts, levels: &[Level]) -> Opinion {
    let of = |caller: &Caller| (*caller, denied(facts, levels, ACTIONS[0], *caller));
    let answers: Vec<(Caller, Option<bool>)> = CALLERS.iter().map(of).collect();
    let about = statements(facts, levels);
    let resource = about.first().map(|(policy, _)| format!("{} ({})", policy.name, policy.id));
    let opinion = if answers.iter().all(|(_, denied)| *denied == Some(true)) {
        Opinion::pass(format!("{}{}", exceptions(&about), siblings(facts, levels)))
    } else if let Some((caller, _)) = answers.iter().find(|(_, denied)| *denied == Some(false)) {
        let reason = match about.first() {
            None => "no service control policy denies `iam:DeactivateMFADevice`".to_owned(),
            Some((policy, statement)) => {
                let conditions = conditions(statement);
                let but = if conditions.is_empty() { String::new() } else { format!(" ({conditions})") };
                format!("the policy `{}` denies it, but not to {}{but}", policy.name, caller.words())
            }
        };
        Opinion::fail(reason, format!("{MANAGEMENT}\n{}", create()))
    } else {
        let unread = policies(levels).into_iter().find_map(|policy| policy.document.as_ref().err());
        let why = unread.map_or_else(
            || match about.first() {
                Some((policy, statement)) => format!(
                    "whom the policy `{}` denies it depends on conditions that are not known: {}",
                    policy.name,
                    conditions(statement)
                ),
                None => "what the policies allow depends on conditions that are not known".to_owned(),
            },
            |gap| gap.0.clone(),
        );
        Opinion::unknown(why)
    };
    Opinion { resource, ..opinion }
}

/// The statements that deny the deactivation of devices, whatever their conditions.
fn statements<'l>(facts: &Facts, levels: &'l [Level]) -> Vec<(&'l ControlPolicy, &'l Statement)> {
    let resource = anybody(facts);
    let call = call(ACTIONS[0], &resource, Vec::new());
    let mut all = Vec::new();
    for policy in policies(levels) {
        let statements = policy.document.iter().flat_map(|document| document.statements());
        all.extend(statements.filter(|one| !one.allow && one.is_about(&call) != Some(false)).map(|one| (policy, one)));
    }
    all
}

/// In words what the denials leave out.
fn exceptions(about: &[(&ControlPolicy, &Statement)]) -> String {
    match about.iter().find(|(_, statement)| statement.conditions.is_empty()).or_else(|| about.first()) {
        None => "no policy allows it, so it is denied to everybody".to_owned(),
        Some((policy, statement)) if statement.conditions.is_empty() => {
            format!("the policy `{}` denies it to everybody, without condition", policy.name)
        }
        Some((policy, statement)) => {
            format!("the policy `{}` denies it; conditions: {}", policy.name, conditions(statement))
        }
    }
}

fn conditions(statement: &Statement) -> String {
    let one =
        |condition: &Condition| format!("{} {} {}", condition.key, condition.operator, condition.values.join(", "));
    statement.conditions.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What else should be denied, and is not.
fn siblings(facts: &Facts, levels: &[Level]) -> String {
    let open = |action: &str| denied(facts, levels, action, Caller::RoleSession) == Some(false);
    let mut names: Vec<&str> = SIBLINGS.iter().filter(|(action, _)| open(action)).map(|(_, name)| *name).collect();
    if open(ACTIONS[1]) {
        names.insert(0, "iam:DeleteVirtualMFADevice");
    }
    if names.is_empty() { String::new() } else { format!(". Not denied: {}", names.join(", ")) }
}

fn rotation(facts: &Facts, levels: &[Level]) -> Opinion {
    let resource = anybody(facts);
    let call = call(ACTIONS[0], &resource, Vec::new());
    let blocks = |statement: &Statement| {
        !statement.allow && statement.conditions.is_empty() && statement.is_about(&call) == Some(true)
    };
    for policy in policies(levels) {
        let statements = policy.document.as_ref().map(|document| document.statements());
        if statements.unwrap_or_default().iter().any(blocks) {
            let reason = format!(
                "the policy `{}` denies it without any exception: no help desk can replace a lost device, and no account with a device can be closed",
                policy.name
            );
            let fix = format!(
                "{MANAGEMENT}\naws organizations update-policy --policy-id {} --content {}",
                quoted(&policy.id),
                quoted(GOOD_POLICY)
            );
            return Opinion::fail(reason, fix).of(format!("{} ({})", policy.name, policy.id));
        }
    }
    if let Some(gap) = policies(levels).into_iter().find_map(|policy| policy.document.as_ref().err()) {
        return Opinion::gap(gap);
    }
    let allowed_nowhere = levels.iter().find(|level| {
        let mut statements =
            level.policies.iter().flat_map(|policy| policy.document.iter().flat_map(|document| document.statements()));
        !statements.any(|statement| statement.allow && statement.is_about(&call) != Some(false))
    });
    match allowed_nowhere {
        Some(level) => Opinion::fail(
            format!(
                "no policy of `{}` allows `iam:DeactivateMFADevice`, so nobody can replace a lost device",
                level.id
            ),
            format!(
                "{MANAGEMENT}\naws organizations attach-policy --policy-id p-FullAWSAccess --target-id {}",
                quoted(&level.id)
            ),
        )
        .of(&level.id),
        None => Opinion::pass("whoever is exempt, or has MFA, can replace a lost device"),
    }
}

/// What the account's service control policies deny to one of its users, for the checks of its own policies; `Some(false)` where none
/// is in force.
pub(super) fn denies(facts: &Facts, call: &Call<'_>) -> Option<bool> {
    let organization: &Organization = match &facts.organization {
        Err(_) => return None,
        Ok(None) => return Some(false),
        Ok(Some(organization)) => organization,
    };
    if organization.management == facts.account || organization.policies_enabled == Ok(false) {
        return Some(false);
    }
    let levels = organization.levels.as_ref().ok()?;
    let of = |policy: &ControlPolicy| policy.document.as_ref().ok().and_then(|document| document.says(call).denies);
    any_of(policies(levels).into_iter().map(of))
}
