//! One row as a record of CloudTrail: every field that OCSF keeps, where CloudTrail has it.

use serde_json::{Map, Value};

use super::OcsfError;
use super::cell::Cell;
use crate::escape;

/// The columns that a record is made of.
pub(super) const COLUMNS: [&str; 14] = [
    "metadata",
    "time",
    "time_dt",
    "cloud",
    "api",
    "actor",
    "user",
    "src_endpoint",
    "dst_endpoint",
    "http_request",
    "unmapped",
    "mfa",
    "is_mfa",
    "status",
];

/// What a record of the Identity Center has as its kind of caller.
const IDENTITY_CENTER: &str = "IdentityCenterUser";

/// So deep is a path at most; what is below is one name.
const DEPTH: usize = 8;

/// So many bytes of texts are in one row at most. CloudTrail writes no record of more than 256 KB.
const LARGEST: usize = 2 << 20;

/// What stands where a record had no request id.
const NO_ID: &str = "''";

/// Which way of laying out a record: the meaning of `uid` is another in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// OCSF 1.0.0-rc.2: source version 1.
    One,
    /// OCSF 1.1.0: source version 2.
    Two,
}

/// A column of the row at hand.
type Column<'c, 'a> = &'c dyn Fn(&str) -> Option<Cell<'a>>;

/// The record of a row, which is the `row`th of its file.
///
/// # Errors
/// When it is of another version, or no event of CloudTrail's.
pub(super) fn of(column: Column<'_, '_>, row: usize) -> Result<Map<String, Value>, OcsfError> {
    let text = |name: &str, path: &[&str]| column(name)?.at(path)?.text();
    if COLUMNS.iter().filter_map(|name| column(name)).map(|cell| cell.weight(LARGEST)).sum::<usize>() > LARGEST {
        return Err(OcsfError::Record { row, most: LARGEST });
    }
    let version = version(text("metadata", &["version"]), row)?;
    if let Some(product) = text("metadata", &["product", "name"]).filter(|product| *product != "CloudTrail") {
        return Err(OcsfError::Product { row, found: shown(product) });
    }
    let mut record = Map::new();
    if let Some(unmapped) = column("unmapped") {
        unmapped.pairs().into_iter().for_each(|(path, value)| lay_unmapped(&mut record, path, value));
    }
    for (path, name, from) in [
        (&["eventID"][..], "metadata", &["uid"][..]),
        (&["eventVersion"], "metadata", &["product", "version"]),
        (&["eventType"], "metadata", &["event_code"]),
        (&["eventSource"], "api", &["service", "name"]),
        (&["eventName"], "api", &["operation"]),
        (&["apiVersion"], "api", &["version"]),
        (&["errorCode"], "api", &["response", "error"]),
        (&["errorMessage"], "api", &["response", "message"]),
        (&["awsRegion"], "cloud", &["region"]),
        (&["sourceIPAddress"], "src_endpoint", &["domain"]),
        (&["sourceIPAddress"], "src_endpoint", &["ip"]),
        (&["vpcEndpointId"], "src_endpoint", &["uid"]),
        (&["userAgent"], "http_request", &["user_agent"]),
        (&["additionalEventData", "LoginTo"], "dst_endpoint", &["svc_name"]),
    ] {
        lay_text(&mut record, path, text(name, from));
    }
    let time = column("time").and_then(Cell::moment).or_else(|| column("time_dt").and_then(Cell::moment));
    lay_text(&mut record, &["eventTime"], time.map(seconds).as_deref());
    lay_text(&mut record, &["requestID"], text("api", &["request", "uid"]).filter(|id| *id != NO_ID));
    let category = text("metadata", &["product", "feature", "name"]);
    lay_text(&mut record, &["eventCategory"], category.filter(|name| !name.contains([',', ' '])));
    if !record.contains_key("recipientAccountId") {
        lay_text(&mut record, &["recipientAccountId"], text("cloud", &["account", "uid"]));
    }
    lay_caller(&mut record, version, column);
    lay_session(&mut record, version, column);
    lay_parameters(&mut record, version, column);
    lay_outcome(&mut record, version, column);
    Ok(record)
}

fn version(found: Option<&str>, row: usize) -> Result<Version, OcsfError> {
    match found {
        Some("1.0.0-rc.2") => Ok(Version::One),
        Some("1.1.0") => Ok(Version::Two),
        found => Err(OcsfError::Version { row, found: found.map_or_else(|| "without a version".to_owned(), shown) }),
    }
}

/// A stranger's text in a message.
fn shown(text: &str) -> String {
    format!("`{}`", escape::cut(&escape::visible(text), 40))
}

fn seconds(time: chrono::DateTime<chrono::Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn lay_caller(record: &mut Map<String, Value>, version: Version, column: Column<'_, '_>) {
    let of = |path: &[&str]| column("actor")?.at(path)?.text();
    let kind = of(&["user", "type"]);
    let (arn, id, account) = match version {
        Version::One => (&["user", "uuid"], &["user", "uid"], &["user", "account_uid"][..]),
        Version::Two => (&["user", "uid"], &["user", "uid_alt"], &["user", "account", "uid"][..]),
    };
    let is_portal = kind == Some(IDENTITY_CENTER);
    let (id_at, key_at) = match is_portal {
        true => (&["userIdentity", "onBehalfOf", "userId"][..], "credentialId"),
        false => (&["userIdentity", "principalId"][..], "accessKeyId"),
    };
    lay_text(record, &["userIdentity", "type"], kind);
    lay_text(record, &["userIdentity", "arn"], of(arn));
    lay_text(record, id_at, of(id));
    lay_text(record, &["userIdentity", "accountId"], of(account));
    lay_text(record, &["userIdentity", "userName"], of(&["user", "name"]));
    lay_text(record, &["userIdentity", key_at], of(&["user", "credential_uid"]));
    lay_text(record, &["userIdentity", "invokedBy"], of(&["invoked_by"]));
    lay_text(record, &["userIdentity", "identityProvider"], of(&["idp", "name"]));
    if is_portal {
        lay_text(record, &["userIdentity", "onBehalfOf", "identityStoreArn"], of(&["idp", "uid"]));
    }
}

fn lay_session(record: &mut Map<String, Value>, version: Version, column: Column<'_, '_>) {
    let session = column("actor").and_then(|actor| actor.member("session"));
    let of = |name: &str| session?.member(name);
    let mfa = of(if version == Version::One { "mfa" } else { "is_mfa" }).and_then(Cell::flag);
    let created = of("created_time").or_else(|| of("created_time_dt")).and_then(Cell::moment);
    let attributes = ["userIdentity", "sessionContext", "attributes"];
    let [context, session, attributes] = attributes;
    lay_text(record, &[context, session, attributes, "mfaAuthenticated"], mfa.map(word));
    lay_text(record, &[context, session, attributes, "creationDate"], created.map(seconds).as_deref());
    lay_text(record, &[context, session, "sessionIssuer", "arn"], of("issuer").and_then(Cell::text));
    let sign_in = column(if version == Version::One { "mfa" } else { "is_mfa" }).and_then(Cell::flag);
    let signs_in = record.get("eventName").is_some_and(|name| name == "ConsoleLogin");
    let used = sign_in.filter(|_| signs_in).map(|used| if used { "Yes" } else { "No" });
    lay_text(record, &["additionalEventData", "MFAUsed"], used);
}

/// As CloudTrail writes flags of sessions.
fn word(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

/// What was asked for, and what was answered: a whole object in the second version; in the first its members are among what is not
/// mapped, but for the name and the id of the user that a call is about.
fn lay_parameters(record: &mut Map<String, Value>, version: Version, column: Column<'_, '_>) {
    for (part, of) in [("requestParameters", "request"), ("responseElements", "response")] {
        let data = column("api").and_then(|api| api.at(&[of, "data"])).and_then(Cell::text);
        if let Some(object) = data.and_then(object) {
            record.insert(part.to_owned(), object);
        }
    }
    let is_about_user = version == Version::One
        && record.get("eventSource").is_some_and(|source| source == "iam.amazonaws.com")
        && record.get("eventName").and_then(Value::as_str).is_some_and(is_about_user);
    if !is_about_user {
        return;
    }
    let user = |name: &str| column("user")?.member(name)?.text();
    let path = ["requestParameters", "userName"];
    if get(record, &path).is_none() {
        lay_text(record, &path, user("name"));
    }
    // Else it is the caller's.
    let id = user("uid").filter(|id| id.starts_with("AIDA"));
    if record.get("eventName").is_some_and(|name| name == "CreateUser") {
        lay_text(record, &["responseElements", "user", "userId"], id);
    }
}

/// Whether a call of IAM is about a user or its devices, keys and password: of calls about roles the same column has the role.
fn is_about_user(operation: &str) -> bool {
    [
        "User",
        "MFADevice",
        "LoginProfile",
        "AccessKey",
        "ChangePassword",
        "SSHPublicKey",
        "SigningCertificate",
        "ServiceSpecific",
    ]
    .iter()
    .any(|word| operation.contains(word))
}

/// A failure that has no error code, which is that of a sign-in: without it the call would pass for a successful one.
fn lay_outcome(record: &mut Map<String, Value>, version: Version, column: Column<'_, '_>) {
    let Some(status) = column("status").and_then(Cell::text) else { return };
    let Some(name) = record.get("eventName").and_then(Value::as_str).map(str::to_owned) else { return };
    let is_told = version == Version::Two && get(record, &["responseElements", &name]).is_some();
    let fails = status.eq_ignore_ascii_case("failure") && !record.contains_key("errorCode");
    if fails || (name == "ConsoleLogin" && !is_told) {
        lay_text(record, &["responseElements", &name], Some(if fails { "Failure" } else { status }));
    }
}

/// The object that a text holds.
fn object(text: &str) -> Option<Value> {
    text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten().filter(Value::is_object)
}

/// Lays what has no column of its own: its key is its path, its value a text. An object is JSON; a policy's document is JSON in the record,
/// too, and stays a text.
fn lay_unmapped(record: &mut Map<String, Value>, path: &str, value: &str) {
    let mut path: Vec<&str> = path.splitn(DEPTH, '.').collect();
    path.retain(|name| !name.is_empty());
    let value = match path.last() {
        Some(&"policyDocument") => None,
        _ => object(value),
    }
    .unwrap_or_else(|| Value::String(value.to_owned()));
    lay(record, &path, value);
}

fn lay_text(record: &mut Map<String, Value>, path: &[&str], text: Option<&str>) {
    if let Some(text) = text {
        lay(record, path, Value::String(text.to_owned()));
    }
}

/// Puts a value at a path; where something that is no object stands on the way, that gives way.
fn lay(record: &mut Map<String, Value>, path: &[&str], value: Value) {
    let Some((last, folders)) = path.split_last() else { return };
    let mut at = record;
    for folder in folders {
        let inner = at.entry(*folder).or_insert_with(|| Value::Object(Map::new()));
        if !inner.is_object() {
            *inner = Value::Object(Map::new());
        }
        let Value::Object(inner) = inner else { return };
        at = inner;
    }
    at.insert((*last).to_owned(), value);
}

fn get<'r>(record: &'r Map<String, Value>, path: &[&str]) -> Option<&'r Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(record.get(*first)?, |value, name| value.get(*name)).filter(|value| !value.is_null())
}
