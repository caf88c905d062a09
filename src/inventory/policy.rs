//! What a user's policies mean for MFA: whether they enforce it, whether they make the user privileged, and whether one
//! document denies or allows everything.
//!
//! Enforcement is not found by recognizing a few well-known texts, because many texts look like one of them and do not
//! enforce: conditions are evaluated for the two kinds of request that come without MFA. One is signed with a long-term
//! access key, which carries neither `aws:MultiFactorAuthPresent` nor `aws:MultiFactorAuthAge`; the other comes from a
//! console or token session without MFA, which carries `aws:MultiFactorAuthPresent` as `false`. Policies enforce MFA
//! where both kinds are refused everything but MFA self-service, and a request with MFA is not.
//!
//! What cannot be judged from identity policies counts as not enforcing: a deny that has another condition beside, or
//! names resources, or lists more than MFA self-service as exempt. Service control policies, resource policies and
//! permissions boundaries are not in the inputs and are not considered, neither for enforcement nor for privileges.
//!
//! Of a single call every document can be asked, service control policies and resource policies included ([`Policy::says`]): the answer
//! has three values, for a condition may be about what is not known.

use serde_json::Value;

use crate::arn::Arn;
use crate::names::Pattern;

/// What a user may do without MFA under a policy that enforces it: enroll a device, see that it worked, change an
/// expired password (IAM demands that before anything else), and get a session that carries MFA. Reading the account's
/// password rules, name and summary is what the console's security page does before it shows the enrolment. Anything
/// that takes a device away is no self-service: a stolen password must not be able to undo MFA.
const SELF_SERVICE: [&str; 17] = [
    "iam:changepassword",
    "iam:createvirtualmfadevice",
    "iam:enablemfadevice",
    "iam:getaccountpasswordpolicy",
    "iam:getaccountsummary",
    "iam:getloginprofile",
    "iam:getmfadevice",
    "iam:getuser",
    "iam:listaccountaliases",
    "iam:listmfadevices",
    "iam:listmfadevicetags",
    "iam:listusers",
    "iam:listvirtualmfadevices",
    "iam:resyncmfadevice",
    "iam:tagmfadevice",
    "sts:getcalleridentity",
    "sts:getsessiontoken",
];

/// Every IAM action whose name holds `MFADevice`: only for these can a pattern with a wildcard be told to be harmless.
const MFA_DEVICE_ACTIONS: [&str; 11] = [
    "iam:createvirtualmfadevice",
    "iam:deactivatemfadevice",
    "iam:deletevirtualmfadevice",
    "iam:enablemfadevice",
    "iam:getmfadevice",
    "iam:listmfadevices",
    "iam:listmfadevicetags",
    "iam:listvirtualmfadevices",
    "iam:resyncmfadevice",
    "iam:tagmfadevice",
    "iam:untagmfadevice",
];

/// An action that no pattern names: what matches it matches all of IAM.
const ANY_IAM_ACTION: &str = "iam:~~~~~~~~~~~~";

/// A parsed policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    statements: Vec<Statement>,
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// `Sid`, where it has one.
    pub(crate) sid: Option<String>,
    pub(crate) allow: bool,
    actions: Scope,
    resources: Scope,
    pub(crate) conditions: Vec<Condition>,
    principals: Principals,
}

/// Whom a statement of a resource policy is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Principals {
    /// An identity's policy names nobody: it is about whom it is attached to.
    Holder,
    /// Kinds (`service`, `aws`) and names in lower case.
    Named(Vec<(String, String)>),
    /// `NotPrincipal`, or what is not understood.
    Unclear,
}

/// A call of which a policy is asked: its action and the ARN of its resource, both in lower case, who calls, and what is known of its
/// condition keys (in lower case): a value, or that the call does not carry the key. Of other keys nothing is known.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    /// A service's name, where a service calls by a resource policy.
    pub(crate) service: Option<&'a str>,
    pub(crate) keys: Vec<(&'a str, Option<&'a str>)>,
}

/// What a document says of a call; `None` where that hangs on what is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) allows: Option<bool>,
    pub(crate) denies: Option<bool>,
}

/// Whether one of two holds, of three values.
pub(crate) const fn either(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

/// Whether any of them holds, of three values.
pub(crate) fn any_of(told: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut any = Some(false);
    for one in told {
        any = either(any, one);
    }
    any
}

/// Whether all of them hold, of three values.
pub(crate) fn all_of(told: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for one in told {
        all = both(all, one);
    }
    all
}

/// Whether both hold, of three values.
pub(crate) const fn both(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// A list of patterns, in lower case, or everything but such a list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Only(Vec<String>),
    AllBut(Vec<String>),
}

/// One condition of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    /// The operator in lower case, without its `IfExists`.
    pub(crate) operator: String,
    if_exists: bool,
    /// The condition key in lower case.
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

/// A kind of request, as far as MFA conditions can tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// Signed with a long-term access key: no MFA key at all.
    LongTermKey,
    /// From a session without MFA.
    SessionWithoutMfa,
    /// From a session that has just been authenticated with MFA.
    WithMfa,
}

const WITHOUT_MFA: [Request; 2] = [Request::LongTermKey, Request::SessionWithoutMfa];

impl Request {
    /// What it carries of MFA.
    pub(crate) const fn keys(self) -> [(&'static str, Option<&'static str>); 2] {
        let (present, age) = match self {
            Self::LongTermKey => (None, None),
            Self::SessionWithoutMfa => (Some("false"), None),
            Self::WithMfa => (Some("true"), Some("0")),
        };
        [(MFA_PRESENT, present), (MFA_AGE, age)]
    }
}

const MFA_PRESENT: &str = "aws:multifactorauthpresent";
const MFA_AGE: &str = "aws:multifactorauthage";

/// What is known of one policy that applies to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Applied {
    /// Its document.
    Known(Policy),
    /// An AWS managed policy whose document is not at hand. AWS's own policies grant without asking for MFA, and those
    /// that grant everything are known by name.
    AwsManaged,
    /// A customer's policy whose document is not at hand: it may grant or deny anything.
    Unknown,
}

/// An attached managed policy, by its ARN and, where the input has it, its document.
pub(crate) fn attached(arn: &str, document: Option<Policy>) -> Applied {
    match document.or_else(|| built_in(arn)) {
        Some(policy) => Applied::Known(policy),
        None if aws_managed(arn).is_some() => Applied::AwsManaged,
        None => Applied::Unknown,
    }
}

/// What some policies come to together. Every answer hangs on whether any of them has some property: so those of a group are
/// looked at once, however many users are in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// By the request of [`WITHOUT_MFA`].
    denies_until_mfa: [bool; WITHOUT_MFA.len()],
    grants_only_with_mfa: [bool; WITHOUT_MFA.len()],
    grants_beyond_self_service: [bool; WITHOUT_MFA.len()],
    allows_iam_in_full: bool,
    denies_everything: bool,
    aws_managed: bool,
    /// Whether a document is not at hand.
    pub(crate) unknown: bool,
}

impl Effects {
    /// Of policies of which nothing is at hand.
    pub(crate) const UNKNOWN: Self = Self {
        denies_until_mfa: [false; WITHOUT_MFA.len()],
        grants_only_with_mfa: [false; WITHOUT_MFA.len()],
        grants_beyond_self_service: [false; WITHOUT_MFA.len()],
        allows_iam_in_full: false,
        denies_everything: false,
        aws_managed: false,
        unknown: true,
    };

    pub(crate) fn of(applied: &Applied) -> Self {
        match applied {
            Applied::Known(policy) => Self::of_policy(policy),
            Applied::AwsManaged => Self { aws_managed: true, ..Self::default() },
            Applied::Unknown => Self::UNKNOWN,
        }
    }

    pub(crate) fn of_policy(policy: &Policy) -> Self {
        let any = |holds: fn(&Statement, Request) -> bool| {
            WITHOUT_MFA.map(|request| policy.statements.iter().any(|statement| holds(statement, request)))
        };
        Self {
            denies_until_mfa: any(Statement::denies_until_mfa),
            grants_only_with_mfa: any(Statement::grants_only_with_mfa),
            grants_beyond_self_service: any(Statement::grants_beyond_self_service),
            allows_iam_in_full: policy.statements.iter().any(Statement::allows_iam_in_full),
            denies_everything: policy.denies_everything(),
            ..Self::default()
        }
    }

    /// Of these policies and of others.
    pub(crate) fn and(self, other: Self) -> Self {
        let either = |one: [bool; WITHOUT_MFA.len()], other: [bool; WITHOUT_MFA.len()]| {
            let mut both = one.into_iter().zip(other).map(|(one, other)| one || other);
            one.map(|_| both.next() == Some(true))
        };
        Self {
            denies_until_mfa: either(self.denies_until_mfa, other.denies_until_mfa),
            grants_only_with_mfa: either(self.grants_only_with_mfa, other.grants_only_with_mfa),
            grants_beyond_self_service: either(self.grants_beyond_self_service, other.grants_beyond_self_service),
            allows_iam_in_full: self.allows_iam_in_full || other.allows_iam_in_full,
            denies_everything: self.denies_everything || other.denies_everything,
            aws_managed: self.aws_managed || other.aws_managed,
            unknown: self.unknown || other.unknown,
        }
    }

    /// Whether the policies that apply to a user refuse it everything but MFA self-service as long as it has no MFA.
    /// `None` where that hangs on a document that is not at hand.
    pub(crate) fn mfa_enforced(self) -> Option<bool> {
        if self.denies_until_mfa.into_iter().all(|denied| denied) {
            return Some(true);
        }
        let grants = self.grants_only_with_mfa.into_iter().zip(self.grants_beyond_self_service);
        let not_granted = grants.map(|(with_mfa, beyond)| !self.aws_managed && with_mfa && !beyond);
        let refused = self.denies_until_mfa.into_iter().zip(not_granted).all(|(denied, not)| denied || not);
        // A document that is not at hand can turn either answer: by a deny into yes, by a grant into no.
        (!self.unknown).then_some(refused)
    }

    /// Whether the policies that apply to a user allow every action, or all of IAM, on every resource. Conditions on the
    /// grant do not make it less of one, for they are met by whoever knows them; denies are not set off against it, because
    /// the question is what the principal is, not what it can do in the hour of its containment. `PowerUserAccess`, which
    /// leaves out IAM, is not privileged in this sense. `None` where it hangs on a document that is not at hand.
    pub(crate) fn privileged(self) -> Option<bool> {
        if self.allows_iam_in_full { Some(true) } else { (!self.unknown).then_some(false) }
    }

    /// Whether one of the policies denies every action on every resource without condition; `None` where that cannot be told
    /// of all of them and none is known to. AWSDenyAll is known by name, and is the only one of AWS's own.
    pub(crate) fn denied(self) -> Option<bool> {
        if self.denies_everything { Some(true) } else { (!self.unknown).then_some(false) }
    }
}

/// Whether a policy document denies every action on every resource without condition. `None` where `document` is no
/// policy. Takes JSON text, URL-encoded or not.
#[must_use]
pub fn denies_everything(document: &str) -> Option<bool> {
    Some(Policy::parse_text(document)?.denies_everything())
}

/// Whether a policy document allows every action on every resource, with or without condition. `None` where `document`
/// is no policy. Takes JSON text, URL-encoded or not.
#[must_use]
pub fn allows_everything(document: &str) -> Option<bool> {
    let policy = Policy::parse_text(document)?;
    Some(
        policy.statements.iter().any(|statement| {
            statement.allow && statement.actions.is_everything() && statement.resources.is_everything()
        }),
    )
}

/// Whether `arn` is AWS's own `AWSDenyAll`, in any partition.
#[must_use]
pub fn is_deny_all_arn(arn: &str) -> bool {
    aws_managed(arn).is_some_and(|name| name.eq_ignore_ascii_case("AWSDenyAll"))
}

/// Whether `arn` is AWS's own `AdministratorAccess`, in any partition.
#[must_use]
pub fn is_full_access_arn(arn: &str) -> bool {
    aws_managed(arn).is_some_and(|name| name.eq_ignore_ascii_case("AdministratorAccess"))
}

/// The path and name of an AWS managed policy: what follows `arn:<partition>:iam::aws:policy/`.
fn aws_managed(arn: &str) -> Option<&str> {
    let arn = Arn::parse(arn)?;
    let known = !arn.partition.is_empty() && (arn.service, arn.region, arn.account) == ("iam", "", "aws");
    if known { arn.resource_of("policy") } else { None }
}

/// AWS managed policies that decide something here. Their documents are not always in the authorization details.
fn built_in(arn: &str) -> Option<Policy> {
    let (allow, actions) = match aws_managed(arn)? {
        "AdministratorAccess" => (true, vec!["*"]),
        "AWSDenyAll" => (false, vec!["*"]),
        "IAMFullAccess" => (true, vec!["iam:*"]),
        "IAMUserChangePassword" => (true, vec!["iam:changepassword", "iam:getaccountpasswordpolicy"]),
        _ => return None,
    };
    let statement = Statement {
        sid: None,
        allow,
        actions: Scope::Only(actions.into_iter().map(str::to_owned).collect()),
        resources: Scope::Only(vec!["*".to_owned()]),
        conditions: Vec::new(),
        principals: Principals::Holder,
    };
    Some(Policy { statements: vec![statement] })
}

impl Policy {
    /// From a JSON object, or from a string that holds one, URL-encoded as the API sends it or plain. `None` where it
    /// is not a policy.
    pub(crate) fn parse(document: &Value) -> Option<Self> {
        match document {
            Value::String(text) => Self::parse_text(text),
            Value::Object(_) => Self::from_object(document),
            _ => None,
        }
    }

    /// From text, URL-encoded or plain.
    pub(crate) fn parse_text(text: &str) -> Option<Self> {
        let text = text.trim();
        let document: Value = if text.starts_with('{') {
            serde_json::from_str(text).ok()?
        } else {
            serde_json::from_str(&percent_decode(text)?).ok()?
        };
        Self::from_object(&document)
    }

    /// The statements, in their order.
    pub(crate) fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// What the document says of a call.
    pub(crate) fn says(&self, call: &Call<'_>) -> Said {
        let any = |allow: bool| {
            let own = self.statements.iter().filter(|statement| statement.allow == allow);
            any_of(own.map(|statement| statement.applies(call)))
        };
        Said { allows: any(true), denies: any(false) }
    }

    fn denies_everything(&self) -> bool {
        self.statements.iter().any(|statement| {
            !statement.allow
                && statement.conditions.is_empty()
                && statement.actions.is_everything()
                && statement.resources.is_everything()
        })
    }

    fn from_object(document: &Value) -> Option<Self> {
        let statements = match field(document, "Statement")? {
            Value::Array(list) => list.iter().map(Statement::parse).collect::<Option<Vec<_>>>()?,
            one => vec![Statement::parse(one)?],
        };
        Some(Self { statements })
    }
}

impl Statement {
    fn parse(statement: &Value) -> Option<Self> {
        let allow = match field(statement, "Effect")?.as_str()? {
            "Allow" => true,
            "Deny" => false,
            _ => return None,
        };
        let principals = match (field(statement, "Principal"), field(statement, "NotPrincipal")) {
            (None, None) => Principals::Holder,
            (Some(named), None) => principals(named).map_or(Principals::Unclear, Principals::Named),
            _ => Principals::Unclear,
        };
        let scope = |only, all_but| match (field(statement, only), field(statement, all_but)) {
            (Some(list), None) => Some(Scope::Only(patterns(list)?)),
            (None, Some(list)) => Some(Scope::AllBut(patterns(list)?)),
            _ => None,
        };
        Some(Self {
            sid: field(statement, "Sid").and_then(Value::as_str).map(str::to_owned),
            allow,
            actions: scope("Action", "NotAction")?,
            resources: scope("Resource", "NotResource")?,
            conditions: field(statement, "Condition").map_or(Some(Vec::new()), conditions)?,
            principals,
        })
    }

    /// Whether it is about a call; `None` where that hangs on what is not known.
    pub(crate) fn applies(&self, call: &Call<'_>) -> Option<bool> {
        let conditions = self.conditions.iter().map(|condition| condition.holds_with(&call.keys));
        both(self.is_about(call), all_of(conditions))
    }

    /// Whether it is about a call, conditions aside.
    pub(crate) fn is_about(&self, call: &Call<'_>) -> Option<bool> {
        let of_caller = match (&self.principals, call.service) {
            (Principals::Holder, None) => Some(true),
            (Principals::Named(list), Some(service)) => {
                Some(list.iter().any(|(kind, name)| name == "*" || (kind == "service" && name == service)))
            }
            _ => None,
        };
        let of_call =
            both(self.actions.holds(call.action, &call.keys), self.resources.holds(call.resource, &call.keys));
        both(of_caller, of_call)
    }

    /// The patterns of actions that it leaves out (`NotAction`), in lower case.
    pub(crate) fn exempt_actions(&self) -> Option<&[String]> {
        match &self.actions {
            Scope::AllBut(list) => Some(list),
            Scope::Only(_) => None,
        }
    }

    /// Whether it refuses calls for want of MFA, of whatever actions.
    pub(crate) fn is_mfa_guard(&self) -> bool {
        let without = |request| self.conditions.iter().all(|condition| condition.holds(request) != Some(false));
        !self.allow
            && WITHOUT_MFA.into_iter().any(without)
            && self.conditions.iter().any(|condition| condition.holds(Request::WithMfa) == Some(false))
    }

    /// Denies the request everything but MFA self-service for want of MFA: with MFA it would not.
    fn denies_until_mfa(&self, request: Request) -> bool {
        !self.allow
            && self.resources.is_everything()
            && match &self.actions {
                Scope::Only(_) => self.actions.is_everything(),
                Scope::AllBut(exempt) => exempt.iter().all(|pattern| is_self_service(pattern)),
            }
            && self.conditions.iter().all(|condition| condition.holds(request) == Some(true))
            && self.conditions.iter().any(|condition| condition.holds(Request::WithMfa) == Some(false))
    }

    /// Whether the statement may grant the request more than MFA self-service. Conditions that say nothing of MFA are
    /// taken to be met.
    fn grants_beyond_self_service(&self, request: Request) -> bool {
        let beyond = match &self.actions {
            Scope::Only(actions) => !actions.iter().all(|pattern| is_self_service(pattern)),
            Scope::AllBut(_) => true,
        };
        self.allow && beyond && self.conditions.iter().all(|condition| condition.holds(request) != Some(false))
    }

    /// A grant that the request does not get and that the same request with MFA may get.
    fn grants_only_with_mfa(&self, request: Request) -> bool {
        self.grants_beyond_self_service(Request::WithMfa) && !self.grants_beyond_self_service(request)
    }

    fn allows_iam_in_full(&self) -> bool {
        let covers = |patterns: &[String]| patterns.iter().any(|pattern| includes(pattern, ANY_IAM_ACTION));
        self.allow
            && self.resources.is_everything()
            && match &self.actions {
                Scope::Only(actions) => covers(actions),
                Scope::AllBut(exempt) => !covers(exempt),
            }
    }
}

impl Scope {
    /// Whether a name in lower case is within; `None` where a policy variable that is not known decides.
    fn holds(&self, name: &str, keys: &[(&str, Option<&str>)]) -> Option<bool> {
        let (list, within) = match self {
            Self::Only(list) => (list, true),
            Self::AllBut(list) => (list, false),
        };
        let any = any_of(list.iter().map(|pattern| is_like(pattern, name, keys)));
        any.map(|any| any == within)
    }

    /// Everything, literally: `*`, or for actions `*:*`, a `*` repeated being one; or all but nothing.
    fn is_everything(&self) -> bool {
        let stars = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte == b'*');
        match self {
            Self::Only(list) => list.iter().any(|pattern| {
                stars(pattern)
                    || pattern.split_once(':').is_some_and(|(service, action)| stars(service) && stars(action))
            }),
            Self::AllBut(list) => list.is_empty(),
        }
    }
}

impl Condition {
    /// Whether the condition holds for a request; `None` where it is about something else than MFA, or written so that
    /// it cannot be relied on.
    fn holds(&self, request: Request) -> Option<bool> {
        self.holds_with(&request.keys())
    }

    /// Whether the condition holds, by what is known of keys; `None` where nothing is known of its key, or where it is written so that
    /// it cannot be relied on. `ForAllValues` and `ForAnyValue` are for keys of many values; an MFA key has one or none,
    /// and none satisfies the former: it works as `IfExists` does. The latter is not relied on.
    pub(crate) fn holds_with(&self, keys: &[(&str, Option<&str>)]) -> Option<bool> {
        let (_, present) = *keys.iter().find(|(key, _)| *key == self.key)?;
        if self.operator == "null" {
            return Some(self.values.iter().any(|value| value.eq_ignore_ascii_case("true") == present.is_none()));
        }
        let (operator, absent) = match self.operator.strip_prefix("forallvalues:") {
            Some(operator) => (operator, true),
            None => (self.operator.as_str(), self.if_exists),
        };
        let (operator, negated) = match Self::negation(operator) {
            Some(plain) => (plain, true),
            None => (operator, false),
        };
        let of_mfa = [MFA_PRESENT, MFA_AGE].contains(&self.key.as_str());
        let compare: fn(&str, &str) -> Option<bool> = match operator {
            "bool" => |have, want| Some(have.eq_ignore_ascii_case(want)),
            "numericlessthan" => |have, want| Some(number(have)? < number(want)?),
            "numericlessthanequals" => |have, want| Some(number(have)? <= number(want)?),
            "numericgreaterthan" => |have, want| Some(number(have)? > number(want)?),
            "numericgreaterthanequals" => |have, want| Some(number(have)? >= number(want)?),
            "stringequals" if !of_mfa => |have, want| Some(have == want),
            "stringequalsignorecase" if !of_mfa => |have, want| Some(have.eq_ignore_ascii_case(want)),
            "stringlike" if !of_mfa => |have, want| Some(includes(want, have)),
            "arnequals" | "arnlike" if !of_mfa => |have, want| Some(is_arn_like(want, have)),
            _ => return None,
        };
        // A key that is absent is unlike everything.
        let Some(have) = present else { return Some(absent || negated) };
        let compare = |want: &String| if want.contains("${") { None } else { compare(have, want) };
        let results: Option<Vec<bool>> = self.values.iter().map(compare).collect();
        Some(results?.contains(&true) != negated)
    }

    /// The operator that one negates.
    fn negation(operator: &str) -> Option<&'static str> {
        Some(match operator {
            "stringnotequals" => "stringequals",
            "stringnotequalsignorecase" => "stringequalsignorecase",
            "stringnotlike" => "stringlike",
            "arnnotequals" => "arnequals",
            "arnnotlike" => "arnlike",
            _ => return None,
        })
    }

    /// Whether it holds for everything but its values: what it names are exceptions.
    pub(crate) fn is_exception(&self) -> bool {
        Self::negation(&self.operator).is_some()
    }
}

/// Whether an ARN is like a pattern, part by part: an asterisk does not go over a colon but in the last.
fn is_arn_like(pattern: &str, arn: &str) -> bool {
    let (wanted, parts): (Vec<&str>, Vec<&str>) = (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    if wanted.len() < 6 {
        includes(pattern, arn)
    } else {
        wanted.len() == parts.len() && wanted.iter().zip(&parts).all(|(want, part)| includes(want, part))
    }
}

/// Whether a name is like a pattern, both in lower case, the pattern's variables filled in; `None` where one that is not known decides.
fn is_like(pattern: &str, name: &str, keys: &[(&str, Option<&str>)]) -> Option<bool> {
    let (mut filled, mut rest, mut unknown) = (String::with_capacity(pattern.len()), pattern, false);
    while let Some((before, after)) = rest.split_once("${") {
        let (variable, after) = after.split_once('}').unwrap_or((after, ""));
        let value = keys.iter().find(|(key, _)| *key == variable).and_then(|(_, value)| *value);
        unknown |= value.is_none();
        filled.push_str(before);
        filled.push_str(&value.map_or_else(|| "*".to_owned(), str::to_lowercase));
        rest = after;
    }
    filled.push_str(rest);
    let is_like = includes(&filled, name);
    if is_like && unknown { None } else { Some(is_like) }
}

/// Who is named: everybody, or kinds and names.
fn principals(named: &Value) -> Option<Vec<(String, String)>> {
    if let Value::String(all) = named {
        return Some(vec![("aws".to_owned(), all.to_lowercase())]);
    }
    let mut list = Vec::new();
    for (kind, names) in named.as_object()? {
        list.extend(patterns(names)?.into_iter().map(|name| (kind.to_lowercase(), name)));
    }
    Some(list)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

fn is_self_service(pattern: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        return SELF_SERVICE.contains(&pattern);
    }
    // Only where the literal part pins the action down is it known what a wildcard can stand for.
    pattern.starts_with("iam:")
        && pattern.contains("mfadevice")
        && MFA_DEVICE_ACTIONS.iter().filter(|action| includes(pattern, action)).all(|a| SELF_SERVICE.contains(a))
}

/// A member of a JSON object, its name in any letter case: IAM takes `action` for `Action`.
fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let object = object.as_object()?;
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

fn patterns(list: &Value) -> Option<Vec<String>> {
    match list {
        Value::String(one) => Some(vec![one.to_lowercase()]),
        Value::Array(many) => many.iter().map(|item| Some(item.as_str()?.to_lowercase())).collect(),
        _ => None,
    }
}

fn conditions(block: &Value) -> Option<Vec<Condition>> {
    let mut conditions = Vec::new();
    for (operator, tests) in block.as_object()? {
        let operator = operator.to_lowercase();
        let (operator, if_exists) = match operator.strip_suffix("ifexists") {
            Some(bare) => (bare.to_owned(), true),
            None => (operator, false),
        };
        for (key, values) in tests.as_object()? {
            let values = match values {
                Value::Array(many) => many.iter().map(scalar).collect::<Option<Vec<_>>>()?,
                one => vec![scalar(one)?],
            };
            conditions.push(Condition { operator: operator.clone(), if_exists, key: key.to_lowercase(), values });
        }
    }
    Some(conditions)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Whether a pattern, with `*` and `?`, includes `text` as a whole, as IAM compares them. Case matters here: actions are in lower case.
fn includes(pattern: &str, text: &str) -> bool {
    Pattern::id(pattern).matches(text)
}

/// RFC 3986 decoding, as IAM encodes documents: `+` is a plus sign.
fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn together(policies: &[Applied]) -> Effects {
        policies.iter().map(Effects::of).fold(Effects::default(), Effects::and)
    }

    fn mfa_enforced(policies: &[Applied]) -> Option<bool> {
        together(policies).mfa_enforced()
    }

    fn privileged(policies: &[Applied]) -> Option<bool> {
        together(policies).privileged()
    }

    const SELF_LIST: [&str; 7] = [
        "iam:CreateVirtualMFADevice",
        "iam:EnableMFADevice",
        "iam:GetUser",
        "iam:ListMFADevices",
        "iam:ListVirtualMFADevices",
        "iam:ResyncMFADevice",
        "sts:GetSessionToken",
    ];

    fn known(statements: Value) -> Applied {
        let document = json!({"Version": "2012-10-17", "Statement": statements});
        Applied::Known(Policy::parse(&document).expect("a policy"))
    }

    fn deny(condition: Value) -> Value {
        json!({"Effect": "Deny", "NotAction": SELF_LIST, "Resource": "*", "Condition": condition})
    }

    fn allow(condition: Value) -> Value {
        json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition})
    }

    fn present(operator: &str, value: Value) -> Value {
        json!({operator: {"aws:MultiFactorAuthPresent": value}})
    }

    #[test]
    fn what_enforces_mfa_and_what_only_looks_so() {
        let grant = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        let enroll =
            json!({"Effect": "Allow", "Action": ["iam:EnableMFADevice", "iam:ListMFADevices"], "Resource": "*"});
        let with_not_action = |list: Value| {
            json!({"Effect": "Deny", "NotAction": list, "Resource": "*",
                   "Condition": present("BoolIfExists", json!("false"))})
        };
        let cases = [
            ("deny, BoolIfExists false", json!([deny(present("BoolIfExists", json!("false"))), grant]), true),
            ("the value as a bool", json!([deny(present("BoolIfExists", json!(false)))]), true),
            ("the value as a list", json!([deny(present("BoolIfExists", json!(["false"])))]), true),
            ("one statement, no list", deny(present("BoolIfExists", json!("false"))), true),
            (
                "letter case of operator, key and value",
                json!([deny(json!({"boolifexists": {"AWS:multifactorauthpresent": "False"}}))]),
                true,
            ),
            (
                "deny Action *",
                json!([{"Effect": "Deny", "Action": ["*"], "Resource": ["*"],
                        "Condition": present("BoolIfExists", json!("false"))}]),
                true,
            ),
            ("deny, Bool false: long-term keys pass", json!([deny(present("Bool", json!("false"))), grant]), false),
            ("deny, Null true: sessions without MFA pass", json!([deny(present("Null", json!("true"))), grant]), false),
            (
                "deny, Null true and Bool false in two statements",
                json!([deny(present("Null", json!("true"))), deny(present("Bool", json!("false"))), grant]),
                true,
            ),
            (
                "deny, Null true and Bool false in one statement: never both",
                json!([
                    deny(json!({"Null": {"aws:MultiFactorAuthPresent": true},
                                   "Bool": {"aws:MultiFactorAuthPresent": false}})),
                    grant
                ]),
                false,
            ),
            ("allow, Bool true on every grant", json!([allow(present("Bool", json!("true")))]), true),
            (
                "allow, Bool true, and self-service without",
                json!([allow(present("Bool", json!("true"))), enroll]),
                true,
            ),
            ("allow, Bool true, and a grant without", json!([allow(present("Bool", json!("true"))), grant]), false),
            (
                "allow, Bool true and an address",
                json!([allow(json!({"Bool": {"aws:MultiFactorAuthPresent": "true"},
                                    "IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}))]),
                true,
            ),
            ("allow, BoolIfExists true: keys pass", json!([allow(present("BoolIfExists", json!("true")))]), false),
            (
                "allow, age below an hour",
                json!([allow(json!({"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}))]),
                true,
            ),
            (
                "allow, age below an hour if it exists",
                json!([allow(json!({"NumericLessThanIfExists": {"aws:MultiFactorAuthAge": 3600}}))]),
                false,
            ),
            (
                "deny, age above an hour if it exists",
                json!([deny(json!({"NumericGreaterThanIfExists": {"aws:MultiFactorAuthAge": "3600"}})), grant]),
                true,
            ),
            (
                "deny, age above an hour: no age, no deny",
                json!([deny(json!({"NumericGreaterThan": {"aws:MultiFactorAuthAge": "3600"}})), grant]),
                false,
            ),
            ("deny, no age", json!([deny(json!({"Null": {"aws:MultiFactorAuthAge": "true"}})), grant]), true),
            ("deny, ForAllValues", json!([deny(present("ForAllValues:Bool", json!("false"))), grant]), true),
            (
                "deny, ForAllValues, IfExists",
                json!([deny(present("ForAllValues:BoolIfExists", json!("false"))), grant]),
                true,
            ),
            ("allow, ForAllValues", json!([allow(present("ForAllValues:Bool", json!("true")))]), false),
            (
                "deny with another condition beside",
                json!([
                    deny(json!({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"},
                                   "NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}})),
                    grant
                ]),
                false,
            ),
            (
                "deny on some resources",
                json!([{"Effect": "Deny", "Action": "*", "Resource": "arn:aws:s3:::example",
                        "Condition": present("BoolIfExists", json!("false"))}, grant]),
                false,
            ),
            (
                "deny on all resources but some",
                json!([{"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::example",
                        "Condition": present("BoolIfExists", json!("false"))}, grant]),
                false,
            ),
            (
                "deny of some actions",
                json!([{"Effect": "Deny", "Action": ["ec2:*", "s3:*"], "Resource": "*",
                        "Condition": present("BoolIfExists", json!("false"))}, grant]),
                false,
            ),
            ("deny everything, always", json!([{"Effect": "Deny", "Action": "*", "Resource": "*"}, grant]), false),
            ("deny with MFA too", json!([deny(present("BoolIfExists", json!(["true", "false"]))), grant]), false),
            ("deny of those with MFA", json!([deny(present("Bool", json!("true"))), grant]), false),
            ("a grant and nothing else", json!([grant]), false),
            ("no grant at all", json!([]), false),
            ("exempt: deactivation", with_not_action(json!(["iam:ListMFADevices", "iam:DeactivateMFADevice"])), false),
            ("exempt: deletion", with_not_action(json!(["iam:DeleteVirtualMFADevice"])), false),
            ("exempt: all of IAM", with_not_action(json!("iam:*")), false),
            ("exempt: everything", with_not_action(json!("*")), false),
            ("exempt: every MFA action", with_not_action(json!(["iam:*MFA*"])), false),
            ("exempt: every MFA device action", with_not_action(json!(["iam:*MFADevice*"])), false),
            ("exempt: reading devices", with_not_action(json!(["iam:List*MFADevices", "iam:GetMFADevice*"])), true),
            ("exempt: all reads", with_not_action(json!(["iam:List*"])), false),
            ("exempt: assuming roles", with_not_action(json!(["sts:AssumeRole", "iam:GetUser"])), false),
            ("exempt: another service", with_not_action(json!(["s3:GetObject", "iam:GetUser"])), false),
            (
                "exempt: variants that AWS documents",
                with_not_action(json!(["iam:ChangePassword", "iam:GetAccountPasswordPolicy", "iam:GetMFADevice"])),
                true,
            ),
        ];
        for (name, statements, enforced) in cases {
            assert_eq!(mfa_enforced(&[known(statements)]), Some(enforced), "{name}");
        }
    }

    #[test]
    fn enforcement_over_several_policies() {
        let guard = known(json!([deny(present("BoolIfExists", json!("false")))]));
        let half_a = known(json!([deny(present("Bool", json!("false")))]));
        let half_b = known(json!([deny(present("Null", json!(true)))]));
        let conditioned = known(json!([allow(present("Bool", json!("true")))]));
        let admin = attached("arn:aws:iam::aws:policy/AdministratorAccess", None);
        let change = attached("arn:aws:iam::aws:policy/IAMUserChangePassword", None);
        let read_only = attached("arn:aws:iam::aws:policy/ReadOnlyAccess", None);
        let own = attached("arn:aws:iam::111122223333:policy/example", None);
        assert_eq!(read_only, Applied::AwsManaged);
        assert_eq!(own, Applied::Unknown);

        assert_eq!(mfa_enforced(&[]), Some(false));
        assert_eq!(mfa_enforced(&[guard.clone(), admin.clone()]), Some(true));
        assert_eq!(mfa_enforced(&[guard, own.clone()]), Some(true), "a deny holds whatever else there is");
        assert_eq!(mfa_enforced(&[half_a, half_b]), Some(true));
        assert_eq!(mfa_enforced(&[conditioned.clone(), change]), Some(true));
        assert_eq!(mfa_enforced(&[conditioned.clone(), read_only]), Some(false));
        assert_eq!(mfa_enforced(&[conditioned.clone(), admin]), Some(false));
        assert_eq!(mfa_enforced(&[conditioned, own]), None);
    }

    #[test]
    fn who_is_privileged() {
        let grant = |action: Value| known(json!([{"Effect": "Allow", "Action": action, "Resource": "*"}]));
        let all_but = |action: Value| known(json!([{"Effect": "Allow", "NotAction": action, "Resource": ["*"]}]));
        let cases = [
            ("everything", grant(json!("*")), true),
            ("everything, with a service", grant(json!(["*:*"])), true),
            ("all of IAM", grant(json!(["s3:GetObject", "IAM:*"])), true),
            ("some of IAM", grant(json!(["iam:Get*", "iam:List*"])), false),
            ("another service", grant(json!("s3:*")), false),
            ("everything but IAM", all_but(json!(["iam:*", "organizations:*"])), false),
            ("everything but another service", all_but(json!("s3:*")), true),
            (
                "on one resource",
                known(json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::example"})),
                false,
            ),
            (
                "a condition does not change it",
                known(json!({"Effect": "Allow", "Action": "*", "Resource": "*",
                             "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}})),
                true,
            ),
            ("a deny is no grant", known(json!({"Effect": "Deny", "Action": "*", "Resource": "*"})), false),
            ("AdministratorAccess", attached("arn:aws-cn:iam::aws:policy/AdministratorAccess", None), true),
            ("IAMFullAccess", attached("arn:aws-us-gov:iam::aws:policy/IAMFullAccess", None), true),
            ("PowerUserAccess", attached("arn:aws:iam::aws:policy/PowerUserAccess", None), false),
        ];
        for (name, policy, expected) in cases {
            assert_eq!(privileged(&[policy]), Some(expected), "{name}");
        }
        let own = attached("arn:aws:iam::111122223333:policy/AdministratorAccess", None);
        assert_eq!(privileged(std::slice::from_ref(&own)), None, "a customer's policy of that name is not AWS's");
        assert_eq!(privileged(&[own, grant(json!("*"))]), Some(true));
        assert_eq!(privileged(&[]), Some(false));
    }

    #[test]
    fn documents_that_deny_or_allow_everything() {
        let deny_all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
        let encoded = "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Deny%22%2C%22Action%22%3A%5B%22%2A%22%5D%2C%22Resource%22%3A%22%2A%22%7D%7D";
        let conditional = r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-01-01T00:00:00Z"}}}}"#;
        let partial = r#"{"Statement":{"Effect":"Deny","NotAction":"iam:GetUser","Resource":"*"}}"#;
        let admin = r#"{"Statement":[{"Sid":"x","Effect":"Allow","Action":["*"],"Resource":["*"]}]}"#;
        assert_eq!(denies_everything(deny_all), Some(true));
        assert_eq!(denies_everything(encoded), Some(true));
        assert_eq!(denies_everything(conditional), Some(false));
        assert_eq!(denies_everything(partial), Some(false));
        assert_eq!(denies_everything(admin), Some(false));
        assert_eq!(allows_everything(admin), Some(true));
        assert_eq!(allows_everything(deny_all), Some(false));
        for text in ["", "no policy", "{}", "[]", "%zz", r#"{"Statement":[{"Effect":"Maybe"}]}"#, "{\"Statement\":"] {
            assert_eq!(denies_everything(text), None, "{text}");
            assert_eq!(allows_everything(text), None, "{text}");
        }
    }

    #[test]
    fn managed_policies_are_known_in_every_partition() {
        assert!(is_deny_all_arn("arn:aws:iam::aws:policy/AWSDenyAll"));
        assert!(is_deny_all_arn("arn:aws-us-gov:iam::aws:policy/AWSDenyAll"));
        assert!(!is_deny_all_arn("arn:aws:iam::111122223333:policy/AWSDenyAll"));
        assert!(is_full_access_arn("arn:aws-cn:iam::aws:policy/AdministratorAccess"));
        assert!(!is_full_access_arn("arn:aws:iam::111122223333:policy/AdministratorAccess"));
        assert!(!is_full_access_arn("AdministratorAccess"));
    }

    #[test]
    fn wildcards() {
        assert!(includes("iam:*mfa*", "iam:deactivatemfadevice"));
        assert!(includes("iam:get?ser", "iam:getuser"));
        assert!(includes("*", ""));
        assert!(!includes("iam:get*", "iam:listusers"));
        assert!(!includes("iam:getuser", "iam:getuserpolicy"));
        assert!(!includes("", "x"));
        let hostile = "*a".repeat(200);
        assert!(!includes(&hostile, &"a".repeat(150)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", pattern in "[a*?]{0,12}", name in "[ab]{0,12}") {
            let _ = denies_everything(&text);
            let _ = allows_everything(&format!("%7B{text}"));
            let _ = is_deny_all_arn(&text);
            // The obvious recursion says the same.
            prop_assert_eq!(includes(&pattern, &name), slow(pattern.as_bytes(), name.as_bytes()));
        }
    }

    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => slow(rest, text) || (!text.is_empty() && slow(pattern, &text[1..])),
            ([b'?', rest @ ..], [_, tail @ ..]) => slow(rest, tail),
            ([one, rest @ ..], [other, tail @ ..]) => one == other && slow(rest, tail),
            _ => false,
        }
    }
}
