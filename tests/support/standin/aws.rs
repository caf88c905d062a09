//! AWS, as far as alerts are sent to it: SNS, SES, Security Hub and STS, by their API references and as strict. Every signature is
//! computed again here, from what arrived.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::{digest, hmac};
use serde_json::{Value, json};

use super::{Answer, Api, Request};
use crate::support::percent;

pub const KEY_ID: &str = "AKIAHUNTER2EXAMPLE22";
pub const SECRET_KEY: &str = "hunter2hunter2hunter2hunter2hunter2hunt+";
pub const TOKEN: &str = "hunter2hunter2hunter2hunter2+session/token==";
/// The account of these credentials.
pub const ACCOUNT: &str = "444455556666";
pub const TOPIC: &str = "arn:aws:sns:eu-west-1:444455556666:mfa";
pub const FIFO: &str = "arn:aws:sns:eu-west-1:444455556666:mfa.fifo";
pub const FROM: &str = "mfatrail@example.com";

type Parameters = BTreeMap<String, String>;

pub struct Aws {
    /// What was published, to topics and to telephones.
    pub published: Vec<Parameters>,
    pub subscriptions: u32,
    /// Telephones that no message can be sent to.
    pub bad_numbers: BTreeSet<String>,
    pub opted_out: BTreeSet<String>,
    /// The verified numbers, where the account is in the sandbox.
    pub sandbox: Option<BTreeSet<String>>,
    /// Mails, as `SendEmail` got them.
    pub mails: Vec<Value>,
    /// Addresses that no mail can be sent to.
    pub bad_addresses: BTreeSet<String>,
    pub sending_enabled: bool,
    pub mail_sandbox: bool,
    /// Findings by account and id, and how often each was imported.
    pub findings: BTreeMap<(String, String), Value>,
    pub imports: Vec<Value>,
    pub hub_enabled: bool,
    /// Calls by action, in order, with the account that made them.
    pub calls: Vec<(String, String)>,
}

impl Aws {
    pub fn new() -> Self {
        Self {
            published: Vec::new(),
            subscriptions: 1,
            bad_numbers: BTreeSet::new(),
            opted_out: BTreeSet::new(),
            sandbox: None,
            mails: Vec::new(),
            bad_addresses: BTreeSet::new(),
            sending_enabled: true,
            mail_sandbox: false,
            findings: BTreeMap::new(),
            imports: Vec::new(),
            hub_enabled: true,
            calls: Vec::new(),
        }
    }

    /// Documents that were published to topics.
    pub fn documents(&self) -> Vec<Value> {
        let message = |sent: &Parameters| {
            let message: Value = serde_json::from_str(&sent["Message"]).unwrap();
            serde_json::from_str(message["default"].as_str().unwrap()).unwrap()
        };
        self.published.iter().filter(|sent| sent.contains_key("TopicArn")).map(message).collect()
    }

    /// Texts that were sent to telephones.
    pub fn texts(&self) -> Vec<(&str, &str)> {
        let sent = self.published.iter().filter_map(|sent| Some((sent.get("PhoneNumber")?, &sent["Message"])));
        sent.map(|(number, text)| (number.as_str(), text.as_str())).collect()
    }
}

fn xml(action: &str, result: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\"?>\n<{action}Response xmlns=\"https://example.amazonaws.com/doc/\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>0a1b2c3d</RequestId></ResponseMetadata></{action}Response>\n"
    );
    Answer { status: 200, headers: vec![("Content-Type", "text/xml".to_owned())], body }
}

/// A refusal of the query protocol.
pub fn xml_error(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(
        "<ErrorResponse xmlns=\"https://example.amazonaws.com/doc/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>0a1b2c3d</RequestId></ErrorResponse>"
    );
    Answer { status, headers: vec![("Content-Type", "text/xml".to_owned())], body }
}

/// A refusal of a REST API.
pub fn json_error(status: u16, code: &str, message: &str) -> Answer {
    let mut answer = Answer::json(status, &json!({ "message": message }));
    answer.headers.push(("x-amzn-ErrorType", format!("{code}:http://internal.amazon.com/coral/")));
    answer
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Who signed a request for which service: the account, or the code of what is wrong.
fn signer(request: &Request) -> Result<(String, String), &'static str> {
    let authorization =
        request.header("authorization").strip_prefix("AWS4-HMAC-SHA256 ").ok_or("MissingAuthenticationToken")?;
    let part = |name: &str| authorization.split(", ").find_map(|part| part.strip_prefix(name)).unwrap_or_default();
    let (credential, names, signature) = (part("Credential="), part("SignedHeaders="), part("Signature="));
    let [key_id, date, region, service, "aws4_request"] = credential.split('/').collect::<Vec<_>>()[..] else {
        return Err("IncompleteSignature");
    };
    let (secret, token, account) = match key_id.strip_prefix("ASIA") {
        Some(account) => (format!("secret of {account}"), format!("token of {account}"), account.to_owned()),
        None if key_id == KEY_ID => (SECRET_KEY.to_owned(), TOKEN.to_owned(), ACCOUNT.to_owned()),
        None => return Err("InvalidClientTokenId"),
    };
    if request.header("x-amz-security-token") != token {
        return Err("InvalidClientTokenId");
    }
    let signed: BTreeSet<&str> = names.split(';').collect();
    let needed = ["host", "x-amz-date", "x-amz-security-token"];
    let shown = request.headers.keys().filter(|name| name.starts_with("x-amz-") || *name == "content-type");
    if needed.into_iter().chain(shown.map(String::as_str)).any(|name| !signed.contains(name)) {
        return Err("SignatureDoesNotMatch");
    }
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", request.header(name))).collect();
    let query: Vec<String> =
        request.query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let path: Vec<String> = request.path.split('/').map(encoded).collect();
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{names}\n{}",
        request.method,
        path.join("/"),
        query.join("&"),
        sha256(&request.body)
    );
    let time = request.header("x-amz-date");
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let key = [date, region, service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
    let is_right = time.starts_with(date) && hex(&mac(&key, &text)) == signature;
    if is_right { Ok((account, service.to_owned())) } else { Err("SignatureDoesNotMatch") }
}

impl Api for Aws {
    fn answer(&mut self, request: &Request) -> Answer {
        let is_form = request.header("content-type").starts_with("application/x-www-form-urlencoded");
        let (account, service) = match signer(request) {
            Ok(signer) => signer,
            Err(code) if is_form => return xml_error(403, code, "the request was signed by nobody"),
            Err(code) => return json_error(403, code, "the request was signed by nobody"),
        };
        match service.as_str() {
            "sns" | "sts" if is_form && request.path == "/" && request.method == "POST" => {
                self.query(request, &account)
            }
            "ses" => self.ses(request, &account),
            "securityhub" => self.security_hub(request, &account),
            _ => json_error(404, "UnknownOperationException", "no such service"),
        }
    }
}

impl Aws {
    fn query(&mut self, request: &Request, account: &str) -> Answer {
        let body = String::from_utf8(request.body.clone()).unwrap();
        let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
        let mut form: Parameters = pairs.map(|(name, value)| (percent::decode(name), percent::decode(value))).collect();
        let (action, version) = (form.remove("Action").unwrap_or_default(), form.remove("Version").unwrap_or_default());
        self.calls.push((action.clone(), account.to_owned()));
        match (action.as_str(), version.as_str()) {
            ("GetCallerIdentity", "2011-06-15") => xml(
                &action,
                &format!(
                    "<Arn>arn:aws:iam::{account}:user/watch</Arn><UserId>AIDA</UserId><Account>{account}</Account>"
                ),
            ),
            ("AssumeRole", "2011-06-15") => {
                let Some(to) = form["RoleArn"].split(':').nth(4) else {
                    return xml_error(400, "ValidationError", "role");
                };
                xml(
                    &action,
                    &format!(
                        "<Credentials><AccessKeyId>ASIA{to}</AccessKeyId><SecretAccessKey>secret of {to}</SecretAccessKey>\
                         <SessionToken>token of {to}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
                    ),
                )
            }
            ("Publish", "2010-03-31") => self.publish(form),
            ("GetTopicAttributes", "2010-03-31") if form["TopicArn"] == TOPIC => {
                let entry = |name: &str, value: u32| format!("<entry><key>{name}</key><value>{value}</value></entry>");
                let entries = [entry("SubscriptionsConfirmed", self.subscriptions), entry("SubscriptionsPending", 3)];
                xml(&action, &format!("<Attributes>{}</Attributes>", entries.concat()))
            }
            ("GetTopicAttributes", "2010-03-31") => xml_error(404, "NotFound", "Topic does not exist"),
            ("GetSMSSandboxAccountStatus", "2010-03-31") => {
                xml(&action, &format!("<IsInSandbox>{}</IsInSandbox>", self.sandbox.is_some()))
            }
            ("ListSMSSandboxPhoneNumbers", "2010-03-31") => {
                // A page for each.
                let numbers: Vec<&String> = self.sandbox.iter().flatten().collect();
                let page = form.get("NextToken").map_or(0, |token| token.parse().unwrap());
                let member = numbers.get(page).map_or_else(String::new, |number| {
                    format!("<member><PhoneNumber>{number}</PhoneNumber><Status>Verified</Status></member>")
                });
                let next = if page + 1 < numbers.len() {
                    format!("<NextToken>{}</NextToken>", page + 1)
                } else {
                    String::new()
                };
                xml(&action, &format!("<PhoneNumbers>{member}</PhoneNumbers>{next}"))
            }
            ("CheckIfPhoneNumberIsOptedOut", "2010-03-31") => {
                xml(&action, &format!("<isOptedOut>{}</isOptedOut>", self.opted_out.contains(&form["phoneNumber"])))
            }
            _ => xml_error(400, "InvalidAction", "no such action in this version"),
        }
    }

    fn publish(&mut self, form: Parameters) -> Answer {
        let invalid = |what: &str| xml_error(400, "InvalidParameter", &format!("Invalid parameter: {what}"));
        let text = |name: &str| form.get(name).map(String::as_str);
        let Some(message) = text("Message").filter(|message| !message.is_empty()) else { return invalid("Message") };
        let size: usize = form.values().map(String::len).sum();
        if size > 256 << 10 {
            return invalid("Message too long");
        }
        if text("Subject").is_some_and(|subject| {
            subject.is_empty()
                || subject.len() >= 100
                || subject.starts_with(' ')
                || !subject.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        }) {
            return invalid("Subject");
        }
        for n in 1..=form.keys().filter(|name| name.ends_with(".Name")).count() {
            let part =
                |end: &str| text(&format!("MessageAttributes.entry.{n}.{end}")).map(str::to_owned).unwrap_or_default();
            let (name, kind, value) = (part("Name"), part("Value.DataType"), part("Value.StringValue"));
            let own = text("PhoneNumber").is_none()
                || [
                    "AWS.SNS.SMS.SMSType",
                    "AWS.SNS.SMS.SenderID",
                    "AWS.SNS.SMS.MaxPrice",
                    "AWS.MM.SMS.OriginationNumber",
                ]
                .contains(&name.as_str());
            if name.is_empty() || value.is_empty() || !matches!(kind.as_str(), "String" | "Number") || !own {
                return invalid(&format!("MessageAttributes {name}"));
            }
        }
        match (text("TopicArn"), text("PhoneNumber")) {
            (Some(TOPIC | FIFO), None) => {
                let by_protocol = serde_json::from_str::<Value>(message);
                let is_structure = text("MessageStructure") == Some("json")
                    && by_protocol.is_ok_and(|all| {
                        all["default"].is_string() && all.as_object().unwrap().values().all(Value::is_string)
                    });
                if !is_structure {
                    return invalid("Message Structure");
                }
            }
            (Some(_), None) => return xml_error(404, "NotFound", "Topic does not exist"),
            (None, Some(number)) => {
                let is_number = number.len() <= 16
                    && number.strip_prefix('+').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
                if !is_number || self.bad_numbers.contains(number) || message.len() > 1600 {
                    return invalid("PhoneNumber");
                }
            }
            _ => return invalid("TopicArn or PhoneNumber"),
        }
        if text("TopicArn") == Some(FIFO) {
            let id = |text: Option<&str>| {
                text.is_some_and(|text| {
                    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
                })
            };
            if !id(text("MessageGroupId")) || !id(text("MessageDeduplicationId")) {
                return invalid("MessageGroupId or MessageDeduplicationId");
            }
            let own = form.get("MessageDeduplicationId");
            if self.published.iter().any(|sent| sent.get("MessageDeduplicationId") == own) {
                return xml("Publish", "<MessageId>the first</MessageId>");
            }
        }
        self.published.push(form);
        xml("Publish", &format!("<MessageId>message-{}</MessageId>", self.published.len()))
    }

    fn ses(&mut self, request: &Request, account: &str) -> Answer {
        self.calls.push((format!("{} {}", request.method, request.path), account.to_owned()));
        let bad = |what: &str| json_error(400, "BadRequestException", what);
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/v2/email/account") => Answer::json(
                200,
                &json!({"SendingEnabled": self.sending_enabled, "ProductionAccessEnabled": !self.mail_sandbox}),
            ),
            ("GET", path) if path.starts_with("/v2/email/identities/") => {
                let name = percent::decode(path.trim_start_matches("/v2/email/identities/"));
                match name.as_str() {
                    FROM => {
                        Answer::json(200, &json!({"VerifiedForSendingStatus": true, "IdentityType": "EMAIL_ADDRESS"}))
                    }
                    "unverified@example.com" => Answer::json(200, &json!({"VerifiedForSendingStatus": false})),
                    _ => json_error(404, "NotFoundException", "Email identity does not exist."),
                }
            }
            ("POST", "/v2/email/outbound-emails") => {
                let Some(mail) = request.json() else { return bad("not JSON") };
                let to: Vec<&str> = mail["Destination"]["ToAddresses"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let simple = &mail["Content"]["Simple"];
                let texts = [&simple["Subject"], &simple["Body"]["Text"], &simple["Body"]["Html"]];
                if to.is_empty()
                    || to.len() > 50
                    || texts.iter().any(|text| text["Data"].as_str().is_none_or(str::is_empty))
                {
                    return bad("Missing destination or content");
                }
                if to.iter().any(|to| !to.is_ascii() || !to.contains('@')) {
                    return bad("Illegal address");
                }
                let mut names = BTreeSet::new();
                for header in simple["Headers"].as_array().into_iter().flatten() {
                    let (name, value) = (header["Name"].as_str().unwrap(), header["Value"].as_str().unwrap());
                    let kept =
                        ["message-id", "date", "from", "to", "subject", "content-type", "mime-version", "return-path"];
                    let is_text = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                    if kept.contains(&&*name.to_lowercase())
                        || !names.insert(name.to_lowercase())
                        || value.len() > 870
                        || !is_text(value)
                    {
                        return bad(&format!("header {name}"));
                    }
                }
                let from = mail["FromEmailAddress"].as_str().unwrap_or_default();
                if from != FROM && !from.ends_with(&format!("<{FROM}>")) {
                    return json_error(400, "MessageRejected", "Email address is not verified.");
                }
                if let Some(bad) = to.iter().find(|to| self.bad_addresses.contains(**to)) {
                    return json_error(400, "MessageRejected", &format!("Email address is not verified: {bad}"));
                }
                self.mails.push(mail);
                Answer::json(200, &json!({"MessageId": format!("0100-{}", self.mails.len())}))
            }
            _ => json_error(404, "UnknownOperationException", "no such path"),
        }
    }

    fn security_hub(&mut self, request: &Request, account: &str) -> Answer {
        self.calls.push((format!("{} {}", request.method, request.path), account.to_owned()));
        if !self.hub_enabled {
            return json_error(
                401,
                "InvalidAccessException",
                &format!("Account {account} is not subscribed to AWS Security Hub"),
            );
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/accounts") => {
                Answer::json(200, &json!({"HubArn": format!("arn:aws:securityhub:eu-west-1:{account}:hub/default")}))
            }
            ("POST", "/findings/import") => {
                let Some(body) = request.json() else { return json_error(400, "InvalidInputException", "not JSON") };
                let findings = body["Findings"].as_array().cloned().unwrap_or_default();
                if findings.is_empty() || findings.len() > 100 {
                    return json_error(400, "InvalidInputException", "Findings");
                }
                let mut failed = Vec::new();
                for finding in &findings {
                    match self.import(finding, account) {
                        Ok(()) => self.imports.push(finding.clone()),
                        Err(why) => {
                            failed.push(json!({"Id": finding["Id"], "ErrorCode": "InvalidInput", "ErrorMessage": why}))
                        }
                    }
                }
                let (failed_count, count) = (failed.len(), findings.len());
                Answer::json(
                    200,
                    &json!({"SuccessCount": count - failed_count, "FailedCount": failed_count, "FailedFindings": failed}),
                )
            }
            _ => json_error(404, "UnknownOperationException", "no such path"),
        }
    }

    fn import(&mut self, finding: &Value, account: &str) -> Result<(), String> {
        let text = |path: &str, most: usize| {
            let text = finding.pointer(path).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
            text.filter(|text| text.chars().count() <= most).ok_or_else(|| format!("{path} of {finding}"))
        };
        let time = |path: &str| {
            let time = chrono::DateTime::parse_from_rfc3339(text(path, 40)?);
            time.map_err(|error| format!("{path}: {error}"))
        };
        let product = format!("arn:aws:securityhub:eu-west-1:{account}:product/{account}/default");
        if text("/ProductArn", 2048)? != product || text("/AwsAccountId", 12)? != account {
            return Err(format!("not the product of {account}: {}", finding["ProductArn"]));
        }
        if text("/SchemaVersion", 10)? != "2018-10-08" {
            return Err("SchemaVersion".to_owned());
        }
        for (path, most) in [
            ("/GeneratorId", 512),
            ("/Title", 256),
            ("/Description", 1024),
            ("/Remediation/Recommendation/Text", 512),
            ("/Types/0", 256),
        ] {
            text(path, most)?;
        }
        let (created, updated) = (time("/CreatedAt")?, time("/UpdatedAt")?);
        for path in ["/Severity/Label", "/FindingProviderFields/Severity/Label"] {
            if !matches!(text(path, 20)?, "INFORMATIONAL" | "LOW" | "MEDIUM" | "HIGH" | "CRITICAL") {
                return Err(path.to_owned());
            }
        }
        if !matches!(text("/RecordState", 10)?, "ACTIVE" | "ARCHIVED") || finding.get("Workflow").is_some() {
            return Err("RecordState or Workflow".to_owned());
        }
        let fields = finding["ProductFields"].as_object().ok_or("ProductFields")?;
        let is_field = |(name, value): (&String, &Value)| {
            name.chars().count() <= 128
                && !name.starts_with("aws/")
                && value.as_str().is_some_and(|value| !value.is_empty() && value.chars().count() <= 2048)
        };
        if fields.len() > 50 || !fields.iter().all(is_field) || finding.to_string().len() > 240_000 {
            return Err("ProductFields".to_owned());
        }
        let resources =
            finding["Resources"].as_array().filter(|all| (1..=32).contains(&all.len())).ok_or("Resources")?;
        for resource in resources {
            if resource["Id"].as_str().is_none_or(|id| id.is_empty() || id.chars().count() > 512)
                || !resource["Type"].is_string()
            {
                return Err(format!("resource {resource}"));
            }
        }
        let key = (account.to_owned(), text("/Id", 512)?.to_owned());
        if let Some(known) = self.findings.get(&key) {
            let time = |name: &str| chrono::DateTime::parse_from_rfc3339(known[name].as_str().unwrap()).unwrap();
            // An update that is older than what is there is not taken.
            if updated < time("UpdatedAt") || created != time("CreatedAt") {
                return Err("an update that is older, or of another creation".to_owned());
            }
        }
        self.findings.insert(key, finding.clone());
        Ok(())
    }
}
