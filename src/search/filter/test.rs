//! One value of one filter.

use std::sync::Arc;

use ipnet::IpNet;
use memchr::memmem::Finder;

use super::{By, FilterError, address};
use crate::arn::{self, Arn, is_arn};
use crate::cloudtrail::{self, ActorKind, Literals, Record};
use crate::lineage::{Family, NAMES};
use crate::mfa::EXTRACTED;
use crate::names::Pattern;
use crate::{mfa, partition};

/// The user name that IAM gives for calls about the root user's devices.
const ROOT_USER: &str = mfa::ROOT_USER_NAME;

#[derive(Debug, Clone)]
pub(super) enum Test {
    EventName(Pattern),
    /// A name without a dot is also that of AWS's service, in whatever partition.
    EventSource(Pattern, Option<String>),
    User(Pattern),
    Root,
    PrincipalId(Pattern),
    Role(Role),
    AccessKey(Pattern),
    Ip(IpNet),
    /// Addresses as they are written.
    Address(Pattern),
    ErrorCode(Pattern),
    Failed(bool),
    Text(Box<Finder<'static>>),
    Reading(bool),
    Family(Arc<Family>),
    /// One of the events that hand out credentials, or make what outlasts a session.
    Link,
    /// An event by its id.
    Event(String),
}

#[derive(Debug, Clone)]
pub(super) enum Role {
    Name(Pattern),
    Arn { arn: Pattern, account: Pattern, name: Pattern },
}

/// What the text of every record that a test holds for has.
pub(super) struct Clue {
    /// One of these, in a string, a key or a number.
    pub(super) literals: Vec<String>,
    /// Whether the case of letters does not matter.
    pub(super) any_case: bool,
    /// How common they are, by the kind of the test: the rarest is searched for.
    pub(super) common: usize,
}

impl Test {
    pub(super) fn new(by: By, value: &str) -> Result<Self, FilterError> {
        let refuse = |reason, hint| {
            let value = value.to_owned();
            Err(FilterError { flag: by.flag(), value, reason, hint })
        };
        if value.is_empty() {
            return refuse("is empty", "omit the option to search all records");
        }
        if by != By::Text && value.trim() != value {
            return refuse("has leading or trailing white space", "no such value has any");
        }
        if matches!(by, By::EventName | By::EventSource | By::Error)
            && value.contains(['[', ']', '{', '}', '|', '^', '$', '\\'])
        {
            return refuse(
                "is not a pattern",
                "`*` matches any characters and `?` matches one; repeat the option for several values",
            );
        }
        let pattern = Pattern::new(value);
        Ok(match by {
            By::EventName => Self::EventName(event_name(value)),
            By::EventSource => {
                let service = (!value.contains(['.', '*', '?'])).then(|| value.to_ascii_lowercase());
                Self::EventSource(pattern, service)
            }
            By::User if value.eq_ignore_ascii_case("root") => Self::Root,
            By::User if is_arn(value) => {
                return refuse("is an ARN", "use the user's name; `--account` distinguishes users with the same name");
            }
            By::User => Self::User(pattern),
            By::PrincipalId if value.contains('/') || is_arn(value) => {
                return refuse(
                    "is not a unique ID",
                    "use an ID such as AIDAEXAMPLE, AROAEXAMPLE or AROAEXAMPLE:session",
                );
            }
            By::PrincipalId => Self::PrincipalId(Pattern::id(value)),
            By::Role if is_arn(value) => match Role::arn(value) {
                Some(role) => Self::Role(role),
                None => {
                    return refuse(
                        "is not the ARN of a role",
                        "use arn:aws:iam::111122223333:role/Name, or just the name",
                    );
                }
            },
            By::Role => Self::Role(Role::Name(pattern)),
            By::AccessKey if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*?".contains(&byte)) => {
                return refuse("is not an access key ID", "use the ID, such as AKIAIOSFODNN7EXAMPLE, not the secret");
            }
            By::AccessKey => Self::AccessKey(Pattern::id(value)),
            By::Ip if is_address_pattern(value) => Self::Address(pattern),
            By::Ip => match address::parse(value) {
                Some(range) => Self::Ip(range),
                None if value == "AWS Internal" || partition::service(value).is_some() => {
                    return refuse(
                        "is the name of a service, not an address",
                        "use `--text`; calls that AWS makes on somebody's behalf have no address",
                    );
                }
                None => {
                    return refuse(
                        "is neither an address nor a range",
                        "write it like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32",
                    );
                }
            },
            By::Error if value == "any" => Self::Failed(true),
            By::Error if value == "none" => Self::Failed(false),
            By::Error => Self::ErrorCode(pattern),
            By::Text => Self::Text(Box::new(Finder::new(value).into_owned())),
        })
    }

    pub(super) fn matches(&self, record: &Record<'_, '_>) -> bool {
        let text = |path: &[&str]| record.text(path);
        match self {
            Self::EventName(name) => name.matches(record.name),
            Self::EventSource(source, service) => {
                source.matches(record.source)
                    || service.as_deref().is_some_and(|service| partition::service(record.source) == Some(service))
            }
            Self::User(name) => {
                let own = text(&["userIdentity", "userName"]).or_else(|| caller_name(record));
                let session = text(&["userIdentity", "principalId"]).and_then(|id| Some(id.split_once(':')?.1));
                [own, session].into_iter().flatten().any(|known| name.matches(known))
                    || text(&["requestParameters", "userName"]).is_some_and(|about| name.matches(about))
                    || mfa::named_user(record).is_some_and(|about| name.matches(&about))
            }
            Self::Root => {
                record.caller().kind == ActorKind::Root
                    || text(&["userIdentity", "userName"]).is_some_and(|name| name.eq_ignore_ascii_case("root"))
                    || text(&["requestParameters", "userName"])
                        .is_some_and(|name| name == ROOT_USER || name.eq_ignore_ascii_case("root"))
                    || mfa::named_user(record).is_some_and(|name| name == ROOT_USER)
            }
            Self::PrincipalId(id) => [&["userIdentity", "principalId"][..], &["userIdentity", "onBehalfOf", "userId"]]
                .into_iter()
                .filter_map(text)
                .any(|known| id.matches(known) || known.split_once(':').is_some_and(|(role, _)| id.matches(role))),
            Self::Role(role) => role.matches(record),
            Self::AccessKey(key) => [
                &["userIdentity", "accessKeyId"][..],
                &["requestParameters", "accessKeyId"],
                &["responseElements", "accessKey", "accessKeyId"],
                &["responseElements", "credentials", "accessKeyId"],
            ]
            .into_iter()
            .filter_map(text)
            .any(|known| key.matches(known)),
            Self::Address(pattern) => text(&["sourceIPAddress"])
                .is_some_and(|text| cloudtrail::address(text).is_some() && pattern.matches(text)),
            Self::Ip(range) => {
                text(&["sourceIPAddress"]).and_then(cloudtrail::address).is_some_and(|address| range.contains(&address))
            }
            Self::ErrorCode(code) => record.error_code().is_some_and(|known| code.matches(known)),
            Self::Failed(failed) => record.failed() == *failed,
            Self::Text(text) => record.mentions(text),
            Self::Reading(reading) => record.read_only() == *reading,
            Self::Family(family) => family.concerns(record),
            Self::Link => NAMES.contains(&record.name),
            Self::Event(id) => record.id() == *id || record.original() == Some(id),
        }
    }

    /// Whether nothing but events of this service passes.
    pub(super) fn is_of_service(&self, service: &str) -> bool {
        match self {
            Self::EventSource(source, _) => {
                source.name().is_some_and(|source| source == service || partition::service(source) == Some(service))
            }
            _ => false,
        }
    }

    /// The event names, where it is nothing but these.
    pub(super) fn event_names(&self) -> Option<Vec<&str>> {
        match self {
            Self::EventName(name) => name.name().map(|name| vec![name]),
            Self::Link => Some(NAMES.to_vec()),
            _ => None,
        }
    }

    pub(super) fn clue(&self) -> Option<Clue> {
        if let Some((common, pattern)) = self.pattern() {
            return Some(Clue { literals: vec![literal(pattern)], any_case: pattern.any_case(), common });
        }
        let (common, literals) = match self {
            Self::Family(family) => {
                return Some(Clue { literals: family.literals(), any_case: family.any_case(), common: 0 });
            }
            Self::Link => (3, NAMES.iter().map(|name| (*name).to_owned()).collect()),
            // A record without an id bears none that could be searched for.
            Self::Event(id) if id.starts_with("sha256-") => return None,
            Self::Event(id) => (1, vec![id.clone()]),
            Self::Ip(range) if range.prefix_len() == range.max_prefix_len() => (4, address::literals(range)?),
            Self::Text(text) => (6, vec![String::from_utf8(text.needle().to_vec()).ok()?]),
            Self::Ip(range) => (9, address::literals(range)?),
            // The key of a code, and the word of a sign-in that failed.
            Self::Failed(true) => (12, ["errorCode", "Failure"].map(str::to_owned).to_vec()),
            Self::Root => {
                // In its type, in its ARN, and in the name that IAM gives it.
                return Some(Clue { literals: vec!["root".to_owned()], any_case: true, common: 9 });
            }
            _ => return None,
        };
        Some(Clue { literals, any_case: false, common })
    }

    /// The pattern of a test that is one, and how common its matches are.
    fn pattern(&self) -> Option<(usize, &Pattern)> {
        Some(match self {
            Self::AccessKey(key) => (1, key),
            Self::PrincipalId(id) => (2, id),
            Self::EventName(name) => (how_common(name), name),
            Self::Address(address) => (4, address),
            Self::User(name) => (5, name),
            Self::Role(Role::Name(name) | Role::Arn { name, .. }) => (7, name),
            Self::ErrorCode(code) => (8, code),
            Self::EventSource(source, _) => (13, source),
            _ => return None,
        })
    }
}

/// The names that evidence is extracted from are searched for as CloudTrail writes them, which is faster; services have
/// others in more than one spelling (`CreateDBInstance`, `CreateDbInstance`).
fn event_name(value: &str) -> Pattern {
    let known = EXTRACTED.iter().flat_map(|(_, names)| names.iter()).find(|name| name.eq_ignore_ascii_case(value));
    known.map_or_else(|| Pattern::new(value), |name| Pattern::id(name))
}

fn begins_with(name: &str, verb: &str) -> bool {
    name.get(..verb.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(verb))
}

/// How common events of a name are: reading is most of what is done.
fn how_common(name: &Pattern) -> usize {
    let reads = ["get", "list", "describe", "head", "lookup", "assume", "decrypt"];
    match name.name() {
        None => 11,
        Some(name) if reads.iter().any(|verb| begins_with(name, verb)) => 10,
        Some(_) => 3,
    }
}

/// Of what all texts that match hold, the part that is the rarest to all appearances.
fn literal(pattern: &Pattern) -> String {
    pattern.parts().rev().max_by_key(|part| Literals::searchable(part)).unwrap_or_default().to_owned()
}

/// Whether a value is an address with wildcards.
fn is_address_pattern(value: &str) -> bool {
    value.contains(['*', '?']) && value.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:*?".contains(&byte))
}

/// The user's or session's name in the caller's ARN, for records that do not bear it apart.
fn caller_name<'r>(record: &Record<'r, '_>) -> Option<&'r str> {
    let (kind, path) = Arn::parse(record.text(&["userIdentity", "arn"])?)?.resource.split_once('/')?;
    matches!(kind, "user" | "assumed-role" | "federated-user").then(|| arn::name(path))
}

impl Role {
    fn arn(text: &str) -> Option<Self> {
        let arn = Arn::parse(text).filter(|arn| arn.service == "iam" && arn.region.is_empty())?;
        let name = Some(arn::name(arn.resource_of("role")?)).filter(|name| !name.is_empty())?;
        Some(Self::Arn { arn: Pattern::new(text), account: Pattern::new(arn.account), name: Pattern::new(name) })
    }

    fn matches(&self, record: &Record<'_, '_>) -> bool {
        let text = |path: &[&str]| record.text(path);
        let issuer = |key| {
            let role = text(&["userIdentity", "sessionContext", "sessionIssuer", "type"]) == Some("Role");
            text(&["userIdentity", "sessionContext", "sessionIssuer", key]).filter(|_| role)
        };
        let asked = text(&["requestParameters", "roleArn"]);
        let named = text(&["requestParameters", "roleName"]);
        let session = text(&["userIdentity", "arn"]).and_then(|arn| Arn::parse(arn)?.role_session());
        match self {
            Self::Name(pattern) => {
                let asked = asked.and_then(|arn| Arn::parse(arn)?.resource_of("role")).map(arn::name);
                [issuer("userName"), session.map(|session| session.role), asked, named]
                    .into_iter()
                    .flatten()
                    .any(|name| pattern.matches(name))
            }
            Self::Arn { arn, account, name } => {
                let of = |own: &str, role: &str| account.matches(own) && name.matches(role);
                [issuer("arn"), asked, text(&["userIdentity", "arn"])]
                    .into_iter()
                    .flatten()
                    .any(|known| arn.matches(known))
                    // A session's ARN lacks the role's path, and so does a call about it.
                    || session.is_some_and(|session| of(session.account, session.role))
                        && issuer("arn").is_none_or(|known| arn.matches(known))
                    || record.account().zip(named).is_some_and(|(own, role)| of(own, role))
            }
        }
    }
}
