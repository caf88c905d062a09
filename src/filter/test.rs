//! One value of one filter.

use std::sync::Arc;

use ipnet::IpNet;
use memchr::memmem::Finder;

use super::pattern::Pattern;
use super::{By, FilterError, Sessions, address};
use crate::cloudtrail::{self, ActorKind, Record};
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
    PrincipalId(String),
    Role(Role),
    AccessKey(String),
    Ip(IpNet),
    ErrorCode(Pattern),
    Failed(bool),
    Text(Box<Finder<'static>>),
    Reading(bool),
    Session(Arc<Sessions>),
}

#[derive(Debug, Clone)]
pub(super) enum Role {
    Name(Pattern),
    Arn { arn: String, account: String, name: String },
}

/// What the text of every record that a test holds for has.
pub(super) struct Clue {
    /// One of these, in a string, a key or a number.
    pub(super) literals: Vec<String>,
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
            return refuse("is empty", "leave the option out to look at all records");
        }
        if by != By::Text && value.trim() != value {
            return refuse("has white space around it", "no such value has any");
        }
        if matches!(by, By::EventName | By::EventSource | By::Error)
            && value.contains(['[', ']', '{', '}', '|', '^', '$', '\\'])
        {
            return refuse(
                "is no pattern",
                "`*` stands for any characters and `?` for one; repeat the option for several values",
            );
        }
        let pattern = Pattern::new(value);
        Ok(match by {
            By::EventName => Self::EventName(pattern),
            By::EventSource => {
                let service = (!value.contains(['.', '*', '?'])).then(|| value.to_owned());
                Self::EventSource(pattern, service)
            }
            By::User if value == "root" => Self::Root,
            By::User if value.starts_with("arn:") => {
                return refuse("is an ARN", "give the user's name; `--account` tells users of one name apart");
            }
            By::User => Self::User(pattern),
            By::PrincipalId if value.contains(['*', '?', '/']) || value.starts_with("arn:") => {
                return refuse("is no unique id", "give an id such as AIDAEXAMPLE, AROAEXAMPLE or AROAEXAMPLE:session");
            }
            By::PrincipalId => Self::PrincipalId(value.to_owned()),
            By::Role if value.starts_with("arn:") => match Role::arn(value) {
                Some(role) => Self::Role(role),
                None => {
                    return refuse("is no role's ARN", "give arn:aws:iam::111122223333:role/Name, or the name alone");
                }
            },
            By::Role => Self::Role(Role::Name(pattern)),
            By::AccessKey if !value.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                return refuse("is no access key's id", "give the id, such as AKIAIOSFODNN7EXAMPLE, not the secret");
            }
            By::AccessKey => Self::AccessKey(value.to_owned()),
            By::Ip => match address::parse(value) {
                Some(range) => Self::Ip(range),
                None if value == "AWS Internal" || partition::service(value).is_some() => {
                    return refuse(
                        "is the name of a service, not an address",
                        "use `--text` with it; no address is known of calls that AWS made for somebody",
                    );
                }
                None => {
                    return refuse(
                        "is neither an address nor a range",
                        "give 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32",
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
                    || text(&["userIdentity", "userName"]) == Some("root")
                    || text(&["requestParameters", "userName"]).is_some_and(|name| name == ROOT_USER || name == "root")
                    || mfa::named_user(record).is_some_and(|name| name == ROOT_USER)
            }
            Self::PrincipalId(id) => [&["userIdentity", "principalId"][..], &["userIdentity", "onBehalfOf", "userId"]]
                .into_iter()
                .filter_map(text)
                .any(|known| {
                    known.strip_prefix(id.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
                }),
            Self::Role(role) => role.matches(record),
            Self::AccessKey(key) => [
                &["userIdentity", "accessKeyId"][..],
                &["requestParameters", "accessKeyId"],
                &["responseElements", "accessKey", "accessKeyId"],
                &["responseElements", "credentials", "accessKeyId"],
            ]
            .into_iter()
            .filter_map(text)
            .any(|known| known == key),
            Self::Ip(range) => {
                text(&["sourceIPAddress"]).and_then(cloudtrail::address).is_some_and(|address| range.contains(&address))
            }
            Self::ErrorCode(code) => record.error_code().is_some_and(|known| code.matches(known)),
            Self::Failed(failed) => record.failed() == *failed,
            Self::Text(text) => record.mentions(text),
            Self::Reading(reading) => record.read_only() == *reading,
            Self::Session(sessions) => sessions.made(record),
        }
    }

    /// Whether nothing but events of this service passes.
    pub(super) fn is_of_service(&self, service: &str) -> bool {
        match self {
            Self::EventSource(Pattern::Exact(source), _) => {
                source == service || partition::service(source) == Some(service)
            }
            _ => false,
        }
    }

    /// The event name, where it is one.
    pub(super) fn event_name(&self) -> Option<&str> {
        match self {
            Self::EventName(Pattern::Exact(name)) => Some(name),
            _ => None,
        }
    }

    pub(super) fn clue(&self) -> Option<Clue> {
        let (common, literals) = match self {
            Self::Session(sessions) => (0, sessions.literals()),
            Self::AccessKey(key) => (1, vec![key.clone()]),
            Self::PrincipalId(id) => (2, vec![id.clone()]),
            // Reading is most of what is done.
            Self::EventName(name @ Pattern::Exact(exact)) => {
                let reads = ["Get", "List", "Describe", "Head", "Lookup", "Assume", "Decrypt"];
                (if reads.iter().any(|verb| exact.starts_with(verb)) { 10 } else { 3 }, vec![name.literal()])
            }
            Self::Ip(range) if range.prefix_len() == range.max_prefix_len() => (4, address::literals(range)?),
            Self::User(name) => (5, vec![name.literal()]),
            Self::Text(text) => (6, vec![String::from_utf8(text.needle().to_vec()).ok()?]),
            Self::Role(role) => (7, vec![role.literal()]),
            Self::ErrorCode(code) => (8, vec![code.literal()]),
            Self::Ip(range) => (9, address::literals(range)?),
            Self::Root => (9, ["Root", "root", ROOT_USER].map(str::to_owned).to_vec()),
            Self::EventName(name) => (11, vec![name.literal()]),
            // The key of a code, and the word of a sign-in that failed.
            Self::Failed(true) => (12, ["errorCode", "Failure"].map(str::to_owned).to_vec()),
            Self::EventSource(source, _) => (13, vec![source.literal()]),
            Self::Failed(false) | Self::Reading(_) => return None,
        };
        Some(Clue { literals, common })
    }
}

/// The user's or session's name in the caller's ARN, for records that do not bear it apart.
fn caller_name<'r>(record: &Record<'r, '_>) -> Option<&'r str> {
    let arn = record.text(&["userIdentity", "arn"])?;
    let (kind, path) = arn.rsplit(':').next()?.split_once('/')?;
    matches!(kind, "user" | "assumed-role" | "federated-user").then(|| path.rsplit('/').next())?
}

impl Role {
    fn arn(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [_, _, "iam", "", account, resource] = parts.as_slice() else { return None };
        let name = resource.strip_prefix("role/")?.rsplit('/').next().filter(|name| !name.is_empty())?;
        Some(Self::Arn { arn: text.to_owned(), account: (*account).to_owned(), name: name.to_owned() })
    }

    fn matches(&self, record: &Record<'_, '_>) -> bool {
        let text = |path: &[&str]| record.text(path);
        let issuer = |key| {
            let role = text(&["userIdentity", "sessionContext", "sessionIssuer", "type"]) == Some("Role");
            text(&["userIdentity", "sessionContext", "sessionIssuer", key]).filter(|_| role)
        };
        let asked = text(&["requestParameters", "roleArn"]);
        let named = text(&["requestParameters", "roleName"]);
        let session = text(&["userIdentity", "arn"]).and_then(session_role);
        match self {
            Self::Name(pattern) => {
                let asked = asked.filter(|arn| arn.contains(":role/")).and_then(|arn| arn.rsplit('/').next());
                [issuer("userName"), session.map(|(_, name)| name), asked, named]
                    .into_iter()
                    .flatten()
                    .any(|name| pattern.matches(name))
            }
            Self::Arn { arn, account, name } => {
                [issuer("arn"), asked, text(&["userIdentity", "arn"])].into_iter().flatten().any(|known| known == arn)
                    // A session's ARN lacks the role's path, and so does a call about it.
                    || session == Some((account, name)) && issuer("arn").is_none_or(|known| known == arn)
                    || named == Some(name) && record.account() == Some(account)
            }
        }
    }

    fn literal(&self) -> String {
        match self {
            Self::Name(pattern) => pattern.literal(),
            Self::Arn { name, .. } => name.clone(),
        }
    }
}

/// Account and role of a session's ARN.
fn session_role(arn: &str) -> Option<(&str, &str)> {
    let (before, resource) = arn.rsplit_once(":assumed-role/")?;
    Some((before.rsplit(':').next()?, resource.split('/').next()?))
}
