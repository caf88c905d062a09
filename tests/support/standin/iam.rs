//! IAM and STS by the query protocol, as far as devices, passwords, keys and inline policies go: a form comes in, XML goes out. As strict
//! as IAM is where it matters here: TOTP codes are checked by RFC 6238, names are taken, what is in use is not deleted, what is refused
//! is refused in IAM's words; and a call without a user's name does to the caller what it says. It notes the records that CloudTrail
//! would write.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{Answer, Api, Request};
use crate::support::percent;

pub const ACCOUNT: &str = "111122223333";
/// The time by which codes are checked, in seconds.
pub const CLOCK: u64 = 1_792_000_000;
/// How long a code is shown, in seconds.
const STEP: u64 = 30;
/// How many codes IAM looks at to either side when a device is enabled, and when it is resynchronized.
const NEAR: i64 = 3;
const FAR: i64 = 2000;

/// What changes nothing.
const READS: [&str; 12] = [
    "GetCallerIdentity",
    "GetUser",
    "ListUsers",
    "ListMFADevices",
    "ListVirtualMFADevices",
    "ListMFADeviceTags",
    "GetLoginProfile",
    "ListAccessKeys",
    "GetAccessKeyLastUsed",
    "ListGroupsForUser",
    "GetUserPolicy",
    "AssumeRole",
];

/// Calls that are about the caller where no user is named.
pub const ABOUT_THE_CALLER: [&str; 7] = [
    "EnableMFADevice",
    "ResyncMFADevice",
    "DeactivateMFADevice",
    "UpdateAccessKey",
    "UpdateLoginProfile",
    "DeleteLoginProfile",
    "PutUserPolicy",
];

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// Serial numbers, and by how many codes each device's clock is off as far as IAM knows.
    pub devices: BTreeMap<String, i64>,
    /// And whether it must be changed.
    pub password: Option<(String, bool)>,
    /// Whether each is active.
    pub keys: BTreeMap<String, bool>,
    pub policies: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entity {
    pub seed: Vec<u8>,
    pub tags: BTreeMap<String, String>,
}

pub struct Iam {
    /// The ARN of who calls.
    pub caller: String,
    pub users: BTreeMap<String, User>,
    pub entities: BTreeMap<String, Entity>,
    /// Only these are allowed; `None` for all.
    pub allowed: Option<BTreeSet<String>>,
    /// Denied by a service control policy.
    pub scp: BTreeSet<String>,
    /// Denied by a policy of the caller's.
    pub denied: BTreeSet<String>,
    /// How often an action is answered by EntityTemporarilyUnmodifiable.
    pub busy: BTreeMap<String, u32>,
    /// How often anything is throttled.
    pub throttled: u32,
    /// What CloudTrail would write.
    pub records: Vec<Value>,
    made: u8,
}

pub fn serial(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:mfa/{name}")
}

/// The form of a request.
pub fn form(request: &Request) -> BTreeMap<String, String> {
    let text = String::from_utf8(request.body.clone()).unwrap().replace('+', "%20");
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (percent::decode(name), percent::decode(value))).collect()
}

/// The action of a request.
pub fn action(request: &Request) -> String {
    form(request).remove("Action").unwrap_or_default()
}

pub fn changes(request: &Request) -> bool {
    !READS.contains(&action(request).as_str())
}

/// The code of a seed at a time (RFC 6238, six digits, SHA-1).
pub fn code(seed: &[u8], time: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, seed);
    let tag = hmac::sign(&key, &(time / STEP).to_be_bytes());
    let bytes = tag.as_ref();
    let start = usize::from(bytes[19] & 0xf);
    let number = u32::from_be_bytes([bytes[start] & 0x7f, bytes[start + 1], bytes[start + 2], bytes[start + 3]]);
    format!("{:06}", number % 1_000_000)
}

/// Two consecutive codes, as standard input has them; `off` codes away from the clock.
pub fn codes(seed: &[u8], off: i64) -> String {
    let time = CLOCK.checked_add_signed(off * STEP as i64).unwrap();
    format!("{}\n{}\n", code(seed, time - STEP), code(seed, time))
}

pub fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let letter = |bits: &[u8]| {
        let text = format!("{:0<5}", std::str::from_utf8(bits).unwrap());
        char::from(LETTERS[usize::from_str_radix(&text, 2).unwrap()])
    };
    bits.as_bytes().chunks(5).map(letter).collect()
}

#[expect(clippy::disallowed_methods, reason = "records bear the time at which the binary calls")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

type Outcome = Result<String, (u16, &'static str, String)>;

fn absent(what: &str) -> (u16, &'static str, String) {
    (404, "NoSuchEntity", format!("{what} cannot be found."))
}

impl Iam {
    /// An account with an administrator who calls.
    pub fn new() -> Self {
        let mut iam = Self {
            caller: format!("arn:aws:iam::{ACCOUNT}:user/admin"),
            users: BTreeMap::new(),
            entities: BTreeMap::new(),
            allowed: None,
            scp: BTreeSet::new(),
            denied: BTreeSet::new(),
            busy: BTreeMap::new(),
            throttled: 0,
            records: Vec::new(),
            made: 0,
        };
        for (name, devices, password) in [
            ("admin", &["mfa/admin"][..], true),
            ("alice", &["mfa/alice"], true),
            ("bob", &["mfa/bob", "u2f/user/bob/key-ABCDEFGHIJKLMNOPQRSTUVWXYZ"], true),
            ("carol", &[], true),
            ("dave", &["GAHT12345678"], false),
            ("erin", &["u2f/user/erin/key-ABCDEFGHIJKLMNOPQRSTUVWXYZ"], true),
        ] {
            let mut user = User {
                password: password.then(|| ("an-0ld-Passw0rd!".to_owned(), false)),
                keys: BTreeMap::from([(format!("AKIA{}EXAMPLE", name.to_uppercase()), true)]),
                ..User::default()
            };
            for device in devices {
                let serial = if device.contains('/') {
                    format!("arn:aws:iam::{ACCOUNT}:{device}")
                } else {
                    (*device).to_owned()
                };
                if device.starts_with("mfa/") {
                    iam.add(&serial);
                }
                user.devices.insert(serial, 0);
            }
            iam.users.insert(name.to_owned(), user);
        }
        iam.add(&serial("carol"));
        iam
    }

    fn add(&mut self, serial: &str) {
        self.made += 1;
        self.entities.insert(serial.to_owned(), Entity { seed: vec![self.made; 20], tags: BTreeMap::new() });
    }

    fn owner(&self, serial: &str) -> Option<&String> {
        self.users.iter().find(|(_, user)| user.devices.contains_key(serial)).map(|(name, _)| name)
    }

    fn arn(name: &str) -> String {
        format!("arn:aws:iam::{ACCOUNT}:user/{name}")
    }

    fn user_xml(name: &str) -> String {
        format!(
            "<Path>/</Path><UserName>{}</UserName><UserId>AIDA{}</UserId><Arn>{}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>",
            xml(name),
            name.to_uppercase(),
            xml(&Self::arn(name))
        )
    }

    fn refusal(&mut self, action: &str, resource: &str) -> Option<(u16, &'static str, String)> {
        if self.throttled > 0 {
            self.throttled -= 1;
            return Some((400, "Throttling", "Rate exceeded".to_owned()));
        }
        let because = if self.scp.contains(action) {
            "with an explicit deny in a service control policy".to_owned()
        } else if self.denied.contains(action) {
            "with an explicit deny in an identity-based policy".to_owned()
        } else if self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&format!("iam:{action}"))) {
            format!("because no identity-based policy allows the iam:{action} action")
        } else {
            let left = self.busy.get_mut(action).filter(|left| **left > 0)?;
            *left -= 1;
            let message =
                format!("Login Profile for User {resource} cannot be modified while login profile is being created.");
            return Some((409, "EntityTemporarilyUnmodifiable", message));
        };
        let message = format!(
            "User: {} is not authorized to perform: iam:{action} on resource: {resource} {because}",
            self.caller
        );
        Some((403, "AccessDenied", message))
    }

    fn act(&mut self, action: &str, form: &BTreeMap<String, String>) -> Outcome {
        let given = |name: &str| form.get(name).cloned();
        let needed =
            |name: &str| given(name).ok_or_else(|| (400, "ValidationError", format!("{name} must not be null")));
        let caller = self.caller.rsplit('/').next().unwrap_or_default().to_owned();
        let name = given("UserName").unwrap_or(caller);
        if let Some(refusal) = self.refusal(action, &format!("user {name}")) {
            return Err(refusal);
        }
        let is_about_a_user = ABOUT_THE_CALLER.contains(&action)
            || ["GetUser", "ListMFADevices", "GetLoginProfile", "ListAccessKeys", "ListGroupsForUser", "GetUserPolicy"]
                .contains(&action);
        if is_about_a_user && !self.users.contains_key(&name) {
            return Err(absent(&format!("The user with name {name}")));
        }
        let mut user = self.users.get(&name).cloned().unwrap_or_default();
        let members =
            |all: Vec<String>| all.into_iter().map(|one| format!("<member>{one}</member>")).collect::<String>();
        let date = "2026-01-02T03:04:05Z";
        let answer = match action {
            "GetUser" => format!("<User>{}</User>", Self::user_xml(&name)),
            "ListUsers" => {
                let all = members(self.users.keys().map(|name| Self::user_xml(name)).collect());
                format!("<Users>{all}</Users><IsTruncated>false</IsTruncated>")
            }
            "ListMFADevices" => {
                let one = |serial: &String| {
                    format!(
                        "<UserName>{name}</UserName><SerialNumber>{serial}</SerialNumber><EnableDate>{date}</EnableDate>"
                    )
                };
                let all = members(user.devices.keys().map(one).collect());
                format!("<MFADevices>{all}</MFADevices><IsTruncated>false</IsTruncated>")
            }
            "ListVirtualMFADevices" => {
                let one = |serial: &String| {
                    let owner = self.owner(serial).map_or_else(String::new, |owner| {
                        format!("<EnableDate>{date}</EnableDate><User>{}</User>", Self::user_xml(owner))
                    });
                    format!("<SerialNumber>{serial}</SerialNumber>{owner}")
                };
                let all = members(self.entities.keys().map(one).collect());
                format!("<VirtualMFADevices>{all}</VirtualMFADevices><IsTruncated>false</IsTruncated>")
            }
            "ListMFADeviceTags" => {
                let entity = self.entities.get(&needed("SerialNumber")?).ok_or_else(|| absent("The device"))?;
                let one =
                    |(key, value): (&String, &String)| format!("<Key>{}</Key><Value>{}</Value>", xml(key), xml(value));
                format!(
                    "<Tags>{}</Tags><IsTruncated>false</IsTruncated>",
                    members(entity.tags.iter().map(one).collect())
                )
            }
            "GetLoginProfile" => {
                let (_, reset) = user.password.as_ref().ok_or_else(|| absent("Login Profile"))?;
                format!(
                    "<LoginProfile><UserName>{name}</UserName><CreateDate>{date}</CreateDate>\
                     <PasswordResetRequired>{reset}</PasswordResetRequired></LoginProfile>"
                )
            }
            "ListAccessKeys" => {
                let one = |(id, active): (&String, &bool)| {
                    let status = if *active { "Active" } else { "Inactive" };
                    format!("<UserName>{name}</UserName><AccessKeyId>{id}</AccessKeyId><Status>{status}</Status>")
                };
                let all = members(user.keys.iter().map(one).collect());
                format!("<AccessKeyMetadata>{all}</AccessKeyMetadata><IsTruncated>false</IsTruncated>")
            }
            "GetAccessKeyLastUsed" => "<AccessKeyLastUsed><ServiceName>s3</ServiceName><Region>us-east-1</Region>\
                 <LastUsedDate>2026-03-01T00:00:00Z</LastUsedDate></AccessKeyLastUsed>"
                .to_owned(),
            "ListGroupsForUser" => "<Groups/><IsTruncated>false</IsTruncated>".to_owned(),
            "GetUserPolicy" => {
                let policy = needed("PolicyName")?;
                let document = user.policies.get(&policy).ok_or_else(|| absent("The user policy"))?;
                let encoded: String = document.bytes().map(|byte| format!("%{byte:02X}")).collect();
                format!(
                    "<UserName>{name}</UserName><PolicyName>{policy}</PolicyName><PolicyDocument>{encoded}</PolicyDocument>"
                )
            }
            "CreateVirtualMFADevice" => {
                let serial = serial(&needed("VirtualMFADeviceName")?);
                if self.entities.contains_key(&serial) {
                    return Err((
                        409,
                        "EntityAlreadyExists",
                        "MFADevice entity at the same path and name already exists.".to_owned(),
                    ));
                }
                self.add(&serial);
                let entity = self.entities.get_mut(&serial).unwrap();
                entity.tags.extend(tags(form));
                let seed = STANDARD.encode(base32(&entity.seed));
                let png = STANDARD.encode(b"\x89PNG an image of the seed");
                format!(
                    "<VirtualMFADevice><SerialNumber>{serial}</SerialNumber><Base32StringSeed>{seed}</Base32StringSeed>\
                     <QRCodePNG>{png}</QRCodePNG></VirtualMFADevice>"
                )
            }
            "EnableMFADevice" => {
                let serial = needed("SerialNumber")?;
                if let Some(owner) = self.owner(&serial) {
                    let message = format!("MFADevice already in use by {owner}.");
                    return Err((409, "EntityAlreadyExists", message));
                }
                let off = self.off(&serial, &needed("AuthenticationCode1")?, &needed("AuthenticationCode2")?)?;
                // Codes that come late assign the device all the same, and IAM takes no others of it.
                if off.abs() > FAR / 2 {
                    return Err(wrong_codes());
                }
                if off.abs() > NEAR {
                    user.devices.insert(serial, 0);
                    self.users.insert(name, user);
                    return Err(wrong_codes());
                }
                user.devices.insert(serial, off);
                String::new()
            }
            "ResyncMFADevice" => {
                let serial = needed("SerialNumber")?;
                if !user.devices.contains_key(&serial) {
                    return Err(absent("The MFA device"));
                }
                let off = self.off(&serial, &needed("AuthenticationCode1")?, &needed("AuthenticationCode2")?)?;
                user.devices.insert(serial, off);
                String::new()
            }
            "DeactivateMFADevice" => {
                let serial = needed("SerialNumber")?;
                user.devices.remove(&serial).ok_or_else(|| absent("The MFA device"))?;
                String::new()
            }
            "DeleteVirtualMFADevice" => {
                let serial = needed("SerialNumber")?;
                if self.owner(&serial).is_some() {
                    return Err((409, "DeleteConflict", "MFA VirtualDevice in use. Must deactivate first.".to_owned()));
                }
                self.entities.remove(&serial).ok_or_else(|| absent("VirtualMFADevice"))?;
                String::new()
            }
            "TagMFADevice" => {
                let entity = self.entities.get_mut(&needed("SerialNumber")?).ok_or_else(|| absent("The device"))?;
                entity.tags.extend(tags(form));
                String::new()
            }
            "UntagMFADevice" => {
                let entity = self.entities.get_mut(&needed("SerialNumber")?).ok_or_else(|| absent("The device"))?;
                for (_, key) in form.iter().filter(|(name, _)| name.starts_with("TagKeys.member.")) {
                    entity.tags.remove(key);
                }
                String::new()
            }
            "UpdateAccessKey" => {
                let active = needed("Status")? == "Active";
                *user.keys.get_mut(&needed("AccessKeyId")?).ok_or_else(|| absent("The Access Key"))? = active;
                String::new()
            }
            "PutUserPolicy" => {
                let document = needed("PolicyDocument")?;
                if serde_json::from_str::<Value>(&document).is_err() {
                    return Err((400, "MalformedPolicyDocument", "Syntax errors in policy.".to_owned()));
                }
                user.policies.insert(needed("PolicyName")?, document);
                String::new()
            }
            "UpdateLoginProfile" => {
                if user.password.is_none() {
                    return Err(absent("Login Profile for User"));
                }
                let password = needed("Password")?;
                if password.len() < 14 {
                    return Err((
                        400,
                        "PasswordPolicyViolation",
                        "Password should have a minimum length of 14".to_owned(),
                    ));
                }
                user.password = Some((password, given("PasswordResetRequired").as_deref() == Some("true")));
                String::new()
            }
            "DeleteLoginProfile" => {
                user.password.take().ok_or_else(|| absent("Login Profile for User"))?;
                String::new()
            }
            other => {
                return Err((400, "InvalidAction", format!("Could not find operation {other} for version 2010-05-08")));
            }
        };
        if ABOUT_THE_CALLER.contains(&action) {
            self.users.insert(name, user);
        }
        Ok(answer)
    }

    /// By how many codes a device is off, by two consecutive ones.
    fn off(&self, serial: &str, first: &str, second: &str) -> Result<i64, (u16, &'static str, String)> {
        // A token's seed is its maker's secret: it is the bytes of its serial number here.
        let seed = match self.entities.get(serial) {
            Some(entity) => entity.seed.clone(),
            None if serial.starts_with("arn:") => return Err(absent("VirtualMFADevice")),
            None => serial.as_bytes().to_vec(),
        };
        let at = |off: i64| code(&seed, CLOCK.checked_add_signed(off * STEP as i64).unwrap());
        let mut offs = (-FAR..=FAR).filter(|off| at(off - 1) == first && at(*off) == second);
        let nearest = offs.by_ref().min_by_key(|off| off.abs());
        nearest.ok_or_else(wrong_codes)
    }

    fn record(&mut self, action: &str, form: &BTreeMap<String, String>, outcome: &Outcome) {
        let names = [
            ("UserName", "userName"),
            ("SerialNumber", "serialNumber"),
            ("VirtualMFADeviceName", "virtualMFADeviceName"),
            ("AccessKeyId", "accessKeyId"),
            ("Status", "status"),
            ("PolicyName", "policyName"),
            ("PolicyDocument", "policyDocument"),
        ];
        let mut parameters: serde_json::Map<String, Value> = names
            .iter()
            .filter_map(|(wire, name)| Some(((*name).to_owned(), Value::from(form.get(*wire)?.clone()))))
            .collect();
        if action == "UpdateLoginProfile" {
            parameters.insert("passwordResetRequired".to_owned(), Value::from(true));
        }
        let id = self.records.len();
        let mut record = json!({
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "IAMUser", "principalId": "AIDAADMIN", "arn": self.caller, "accountId": ACCOUNT,
                "accessKeyId": "ASIAADMINEXAMPLE", "userName": self.caller.rsplit('/').next(),
                "sessionContext": { "attributes": { "creationDate": "2026-01-01T00:00:00Z", "mfaAuthenticated": "true" } },
            },
            "eventTime": now().to_rfc3339_opts(SecondsFormat::Secs, true),
            "eventSource": "iam.amazonaws.com", "eventName": action, "awsRegion": "us-east-1",
            "sourceIPAddress": "192.0.2.10", "userAgent": "aws-sdk-rust/1.3",
            "requestParameters": parameters, "responseElements": null, "requestID": format!("request-{id}"),
            "eventID": format!("0a1b2c3d-0000-4000-8000-{id:012}"), "readOnly": false, "eventType": "AwsApiCall",
            "managementEvent": true, "recipientAccountId": ACCOUNT, "eventCategory": "Management",
        });
        if let Err((_, code, message)) = outcome {
            let denied = *code == "AccessDenied";
            record["errorCode"] = Value::from(if denied { (*code).to_owned() } else { format!("{code}Exception") });
            record["errorMessage"] = Value::from(message.clone());
            if denied {
                record["requestParameters"] = Value::Null;
            }
        }
        self.records.push(record);
    }
}

fn wrong_codes() -> (u16, &'static str, String) {
    (403, "InvalidAuthenticationCode", "Authentication code for device is not valid.".to_owned())
}

/// `Tags.member.N.Key` and `.Value`.
fn tags(form: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let keys = form.iter().filter(|(name, _)| name.starts_with("Tags.member.") && name.ends_with(".Key"));
    keys.map(|(name, key)| (key.clone(), form[&name.replace(".Key", ".Value")].clone())).collect()
}

impl Api for Iam {
    fn answer(&mut self, request: &Request) -> Answer {
        let form = form(request);
        let action = form.get("Action").cloned().unwrap_or_default();
        let xml_answer =
            |status, body: String| Answer { status, headers: vec![("Content-Type", "text/xml".to_owned())], body };
        if !request.header("authorization").starts_with("AWS4-HMAC-SHA256 ") {
            return xml_answer(
                403,
                "<ErrorResponse><Error><Code>MissingAuthenticationToken</Code></Error></ErrorResponse>".to_owned(),
            );
        }
        if action == "GetCallerIdentity" {
            let body = format!(
                "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>{}</Arn>\
                 <UserId>AIDAADMIN</UserId><Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
                self.caller
            );
            return xml_answer(200, body);
        }
        let outcome = match form.get("Version").map(String::as_str) {
            Some("2010-05-08") => self.act(&action, &form),
            _ => Err((400, "InvalidAction", "there is no such version".to_owned())),
        };
        let throttled = matches!(&outcome, Err((_, "Throttling", _)));
        if !READS.contains(&action.as_str()) && !throttled {
            self.record(&action, &form, &outcome);
        }
        let end = "<ResponseMetadata><RequestId>7</RequestId></ResponseMetadata>";
        let space = "xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"";
        match outcome {
            Ok(inner) if inner.is_empty() => {
                xml_answer(200, format!("<{action}Response {space}>{end}</{action}Response>"))
            }
            Ok(inner) => xml_answer(
                200,
                format!("<{action}Response {space}><{action}Result>{inner}</{action}Result>{end}</{action}Response>"),
            ),
            Err((status, code, message)) => xml_answer(
                status,
                format!(
                    "<ErrorResponse {space}><Error><Type>Sender</Type><Code>{code}</Code><Message>{}</Message></Error>\
                     <RequestId>7</RequestId></ErrorResponse>",
                    xml(&message)
                ),
            ),
        }
    }
}

#[test]
fn codes_are_those_of_the_standard() {
    // RFC 6238, appendix B, the last six digits.
    for (time, expected) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
        assert_eq!(code(b"12345678901234567890", time), expected);
    }
    // RFC 4648, 10.
    assert_eq!(base32(b"fooba"), "MZXW6YTB");
}
