//! One object's records: a few callers, busy in bursts, as in real files.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::{
    calls::{Call, GLOBAL, REGIONAL},
    random::Random,
    world::{Account, GLOBAL_REGION, SERVICES},
};

const AGENTS: [&str; 10] = [
    "Boto3/1.40.61 md/Botocore#1.40.61 ua/2.1 os/linux#6.1.150-174.273.amzn2023.x86_64 md/arch#x86_64 lang/python#3.13.7 md/pyimpl#CPython exec-env/AWS_Lambda_python3.13 m/Z,b,D cfg/retry-mode#standard Botocore/1.40.61",
    "aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1 md/GOOS#linux md/GOARCH#arm64 api/ec2#1.254.1 m/E,g,n",
    "APN/1.0 HashiCorp/1.0 Terraform/1.13.3 (+https://www.terraform.io) terraform-provider-aws/6.15.0 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1 md/GOOS#linux md/GOARCH#amd64 api/iam#1.47.6",
    "aws-cli/2.31.9 md/awscrt#0.27.6 ua/2.1 os/macos#25.0.0 md/arch#arm64 lang/python#3.13.7 md/pyimpl#CPython m/Z,AA,b,E cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#s3.cp",
    "aws-sdk-java/2.34.8 md/io#sync md/http#Apache ua/2.1 api/DynamoDB#2.34.8 os/Linux#6.1.150 lang/java#21.0.8 md/OpenJDK_64-Bit_Server_VM#21.0.8+9-LTS md/vendor#Amazon.com_Inc. md/en_US m/D,N",
    "aws-sdk-nodejs/2.1692.0 linux/v22.20.0 exec-env/AWS_ECS_FARGATE promise",
    "amazon-ssm-agent/3.3.987.0 aws-sdk-go/1.55.5 (go1.24.6; linux; amd64)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "[S3Console/0.4, aws-internal/3 aws-sdk-java/1.12.750 Linux/5.10.244 OpenJDK_64-Bit_Server_VM/25.462-b08 java/1.8.0_462 vendor/Oracle_Corporation cfg/retry-mode/standard]",
    "karpenter.sh-1.7.1 aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1 md/GOOS#linux md/GOARCH#amd64 api/ec2#1.254.1",
];

const SERVICE_HOSTS: [&str; 8] = [
    "lambda.amazonaws.com",
    "ecs-tasks.amazonaws.com",
    "autoscaling.amazonaws.com",
    "config.amazonaws.com",
    "delivery.logs.amazonaws.com",
    "ssm.amazonaws.com",
    "elasticloadbalancing.amazonaws.com",
    "events.amazonaws.com",
];

/// Who calls.
struct Caller {
    /// `userIdentity`, JSON.
    identity: String,
    address: String,
    agent: &'static str,
    /// Whether an AWS service calls for itself: no TLS details then.
    service: bool,
    /// What it works on: a caller keeps to its own.
    subject: Subject,
}

/// The resources that a caller touches.
struct Subject {
    service: &'static str,
    resources: Random,
}

/// Where and when an object's records were made.
pub struct Place<'w> {
    pub account: &'w Account,
    pub region: &'static str,
    pub delivered_at: DateTime<Utc>,
}

/// Why a record was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To be found.
    Planted,
    /// Not to be found.
    Decoy,
    /// A call of another service by the same name: who asks for the name alone finds it, and rightly.
    DecoyOfAnotherSource,
}

/// A record that is put in on purpose: all of it but what every record has.
pub struct Special {
    pub kind: Kind,
    pub id: String,
    pub source: &'static str,
    pub name: &'static str,
    pub user: String,
    pub agent: Option<String>,
    pub parameters: String,
    pub response: String,
    pub time: DateTime<Utc>,
}

/// Writes the records of one object.
pub struct Writer<'w> {
    place: Place<'w>,
    random: Random,
    callers: Vec<Caller>,
    /// What was called last, and by whom.
    last: Option<(&'static Call, usize)>,
}

impl<'w> Writer<'w> {
    pub fn new(place: Place<'w>, mut random: Random, records: usize) -> Self {
        // Few callers make most of a file, and large files have more of them.
        let most = ((records as f64).sqrt() * 1.3) as usize + 2;
        let callers = (0..1 + random.below(most)).map(|_| Caller::new(&place, &mut random)).collect();
        Self { place, random, callers, last: None }
    }

    /// When a call was made that was delivered with this object: CloudTrail takes some minutes.
    pub fn time(random: &mut Random, delivered_at: DateTime<Utc>) -> DateTime<Utc> {
        delivered_at - TimeDelta::seconds(120 + random.below(420) as i64)
    }

    /// A record as it comes.
    pub fn ordinary(&mut self, json: &mut String) {
        if self.place.region == GLOBAL_REGION && self.random.below(10_000) < 10 {
            return self.sign_in(json);
        }
        let (call, caller) = match self.last {
            // Programs page through lists, and do to many things what they do to one.
            Some(last) if self.random.below(100) < 50 => last,
            _ => {
                let at = self.random.unit();
                (self.call(), (at * at * self.callers.len() as f64) as usize)
            }
        };
        self.last = Some((call, caller));
        let Caller { identity, address, agent, service, subject } = &mut self.callers[caller];
        let time = Self::time(&mut self.random, self.place.delivered_at);
        let read_only = ["Get", "List", "Describe", "BatchGet", "Decrypt", "GenerateDataKey", "AssumeRole"]
            .iter()
            .any(|verb| call.name.starts_with(verb));
        envelope(json, identity, time, call.source, call.name, self.place.region, address, agent);
        let failed = !*service && self.random.below(1000) < 36;
        let mut fill = Fill { place: &self.place, random: &mut self.random, subject };
        if failed {
            let verb = call.name.trim_end_matches(|end: char| end.is_ascii_digit() || end == 'v');
            let prefix = call.source.trim_end_matches(".amazonaws.com");
            fill.text(json, r#","errorCode":"AccessDenied","errorMessage":"User: arn:aws:sts::$account:assumed-role/$role/$service is not authorized to perform: "#);
            let _ = write!(
                json,
                "{prefix}:{verb} on resource: * because no identity-based policy allows the {prefix}:{verb} action\""
            );
        }
        json.push_str(r#","requestParameters":"#);
        // IAM leaves out the parameters of calls that it refuses.
        fill.text(json, if failed && prefix_is_iam(call) { "null" } else { call.parameters });
        json.push_str(r#","responseElements":"#);
        fill.text(json, if failed { "null" } else { call.response });
        if call.source.starts_with("s3.") {
            fill.text(json, r#","additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"SSEApplied":"SSE_KMS","AuthenticationMethod":"AuthHeader","x-amz-id-2":"$s52","bytesTransferredOut":$n}"#);
        }
        fill.text(json, r#","requestID":"$uuid","eventID":"$uuid","readOnly":"#);
        json.push_str(if read_only { "true" } else { "false" });
        fill.text(json, call.extra);
        let data = matches!((call.source, call.name), ("s3.amazonaws.com", "PutObject" | "GetObject") | (_, "GetItem"));
        let category = if data { "Data" } else { "Management" };
        let _ = write!(
            json,
            r#","eventType":"AwsApiCall","managementEvent":{},"recipientAccountId":"{}""#,
            !data, self.place.account.id
        );
        if *service {
            let _ = write!(json, r#","eventCategory":"{category}"}}"#);
        } else {
            let host = call.source.trim_end_matches(".amazonaws.com");
            let _ = write!(
                json,
                r#","eventCategory":"{category}","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{host}.{}.amazonaws.com"}}}}"#,
                self.place.region
            );
        }
    }

    fn call(&mut self) -> &'static Call {
        let lists: &[&'static [Call]] =
            if self.place.region == GLOBAL_REGION { &[REGIONAL, GLOBAL] } else { &[REGIONAL] };
        let calls = || lists.iter().copied().flatten();
        let total: u32 = calls().map(|call| call.weight).sum();
        let mut at = self.random.below(total as usize) as u32;
        for call in calls() {
            if at < call.weight {
                return call;
            }
            at -= call.weight;
        }
        unreachable!("the weights sum up to their total")
    }

    /// The sign-in page: rare, and of another shape.
    fn sign_in(&mut self, json: &mut String) {
        let time = Self::time(&mut self.random, self.place.delivered_at);
        let account = self.place.account;
        let user = self.random.favorite(&account.users);
        let address = self.random.pick(&account.addresses);
        let identity = format!(
            r#"{{"type":"IAMUser","principalId":"{}","arn":"arn:aws:iam::{account}:user/{name}","accountId":"{account}","userName":"{name}"}}"#,
            user.id,
            account = account.id,
            name = user.name
        );
        let check = self.random.below(3) == 0;
        let name = if check { "CheckMfa" } else { "ConsoleLogin" };
        envelope(json, &identity, time, "signin.amazonaws.com", name, self.place.region, address, AGENTS[7]);
        let outcome = if self.random.below(12) == 0 { "Failure" } else { "Success" };
        let with_mfa = self.random.below(10) < 7;
        json.push_str(r#","requestParameters":null,"responseElements":{""#);
        let _ = write!(json, r#"{name}":"{outcome}"}},"additionalEventData":"#);
        if check {
            json.push_str(r#"{"MfaType":"Virtual MFA"}"#);
        } else {
            json.push_str(r#"{"LoginTo":"https://us-east-1.console.aws.amazon.com/console/home?hashArgs=%23&isauthcode=true","MobileVersion":"No","#);
            if with_mfa {
                let _ = write!(json, r#""MFAIdentifier":"arn:aws:iam::{}:mfa/{}","#, account.id, user.name);
            }
            let _ = write!(json, r#""MFAUsed":"{}"}}"#, if with_mfa { "Yes" } else { "No" });
        }
        json.push_str(r#","eventID":""#);
        self.random.uuid(json);
        let _ = write!(
            json,
            r#"","readOnly":false,"eventType":"AwsConsoleSignIn","managementEvent":true,"recipientAccountId":"{}","eventCategory":"Management","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"signin.aws.amazon.com"}}}}"#,
            account.id
        );
    }

    /// A planted event or a decoy.
    pub fn special(&mut self, json: &mut String, special: &Special) {
        let account = self.place.account.id;
        let identity = format!(
            r#"{{"type":"IAMUser","principalId":"{}","arn":"arn:aws:iam::{account}:user/{user}","accountId":"{account}","accessKeyId":"ASIA{}","userName":"{user}","sessionContext":{{"attributes":{{"creationDate":"{}","mfaAuthenticated":"true"}}}}}}"#,
            unique_id("AIDA", &special.user, 17),
            unique_id("", &special.id, 16),
            stamp(special.time - TimeDelta::minutes(20)),
            user = special.user
        );
        let agent = special.agent.as_deref().unwrap_or(AGENTS[7]);
        envelope(json, &identity, special.time, special.source, special.name, self.place.region, "203.0.113.77", agent);
        let _ = write!(
            json,
            r#","requestParameters":{},"responseElements":{},"requestID":""#,
            special.parameters, special.response
        );
        self.random.uuid(json);
        let _ = write!(
            json,
            r#"","eventID":"{}","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"{account}","eventCategory":"Management","sessionCredentialFromConsole":"true"}}"#,
            special.id
        );
    }
}

fn prefix_is_iam(call: &Call) -> bool {
    call.source == "iam.amazonaws.com"
}

pub fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The same id for the same text.
fn unique_id(prefix: &str, text: &str, length: usize) -> String {
    let sum = text.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut id = prefix.to_owned();
    Random::new(sum, 0).base32(&mut id, length);
    id
}

#[expect(clippy::too_many_arguments, reason = "the fields of a record in their order")]
fn envelope(
    json: &mut String,
    identity: &str,
    time: DateTime<Utc>,
    source: &str,
    name: &str,
    region: &str,
    address: &str,
    agent: &str,
) {
    let _ = write!(
        json,
        r#"{{"eventVersion":"1.11","userIdentity":{identity},"eventTime":"{}","eventSource":"{source}","eventName":"{name}","awsRegion":"{region}","sourceIPAddress":"{address}","userAgent":"{agent}""#,
        stamp(time)
    );
}

impl Caller {
    fn new(place: &Place<'_>, random: &mut Random) -> Self {
        let mut resources = Random::new(random.next(), 0);
        let service = *random.favorite(&SERVICES);
        let account = place.account;
        let started = stamp(place.delivered_at - TimeDelta::seconds(700 + random.below(20_000) as i64));
        let mut key = String::new();
        random.base32(&mut key, 16);
        let (mut identity, mut address) = (String::new(), String::new());
        let mut agent = AGENTS[random.below(7)];
        let kind = random.below(1000);
        match kind {
            0..600 => {
                let role = random.favorite(&account.roles);
                let session = match random.below(3) {
                    0 => format!("i-0{:016x}", random.next()),
                    1 => format!("{service}-worker"),
                    _ => format!("{:032x}", u128::from(random.next()) << 64 | u128::from(random.next())),
                };
                let _ = write!(
                    identity,
                    r#"{{"type":"AssumedRole","principalId":"{id}:{session}","arn":"arn:aws:sts::{account}:assumed-role/{name}/{session}","accountId":"{account}","accessKeyId":"ASIA{key}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"{id}","arn":"arn:aws:iam::{account}:role/{name}","accountId":"{account}","userName":"{name}"}},"webIdFederationData":{{}},"attributes":{{"creationDate":"{started}","mfaAuthenticated":"false"}},"ec2RoleDelivery":"2.0"}},"inScopeOf":{{"issuerType":"AWS::Lambda::Function","credentialsIssuedTo":"arn:aws:lambda:{region}:{account}:function:{service}-worker"}}}}"#,
                    region = place.region,
                    id = role.id,
                    name = role.name,
                    account = account.id
                );
                let _ = write!(address, "10.0.{}.{}", resources.below(16), resources.below(250));
            }
            600..680 => {
                let user = random.favorite(&account.users);
                agent = AGENTS[7 + random.below(2)];
                address.push_str(random.favorite(&account.addresses).as_str());
                let _ = write!(
                    identity,
                    r#"{{"type":"AssumedRole","principalId":"AROA5EXAMPLESSOROLE01:{name}@example.com","arn":"arn:aws:sts::{account}:assumed-role/AWSReservedSSO_PowerUser_0a1b2c3d4e5f6071/{name}@example.com","accountId":"{account}","accessKeyId":"ASIA{key}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROA5EXAMPLESSOROLE01","arn":"arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_PowerUser_0a1b2c3d4e5f6071","accountId":"{account}","userName":"AWSReservedSSO_PowerUser_0a1b2c3d4e5f6071"}},"attributes":{{"creationDate":"{started}","mfaAuthenticated":"false"}}}}}}"#,
                    name = user.name,
                    account = account.id
                );
            }
            680..800 => {
                let host = *random.favorite(&SERVICE_HOSTS);
                let _ = write!(identity, r#"{{"type":"AWSService","invokedBy":"{host}"}}"#);
                address.push_str(host);
                agent = host;
            }
            800..977 => {
                let user = random.favorite(&account.users);
                address.push_str(random.favorite(&account.addresses).as_str());
                let long_term = user.name.starts_with("svc-") || random.below(3) == 0;
                let prefix = if long_term { "AKIA" } else { "ASIA" };
                let _ = write!(
                    identity,
                    r#"{{"type":"IAMUser","principalId":"{}","arn":"arn:aws:iam::{account}:user/{name}","accountId":"{account}","accessKeyId":"{prefix}{key}","userName":"{name}""#,
                    user.id,
                    name = user.name,
                    account = account.id
                );
                if !long_term {
                    let mfa = random.below(4) > 0;
                    let _ = write!(
                        identity,
                        r#","sessionContext":{{"attributes":{{"creationDate":"{started}","mfaAuthenticated":"{mfa}"}}}}"#
                    );
                }
                identity.push('}');
            }
            977..998 => {
                address.push_str(random.favorite(&account.addresses).as_str());
                let _ = write!(
                    identity,
                    r#"{{"type":"FederatedUser","principalId":"{account}:{service}-broker","arn":"arn:aws:sts::{account}:federated-user/{service}-broker","accountId":"{account}","accessKeyId":"ASIA{key}","sessionContext":{{"sessionIssuer":{{"type":"IAMUser","principalId":"{}","arn":"arn:aws:iam::{account}:user/{name}","accountId":"{account}","userName":"{name}"}},"attributes":{{"creationDate":"{started}","mfaAuthenticated":"false"}}}}}}"#,
                    account.users[4].id,
                    name = account.users[4].name,
                    account = account.id
                );
            }
            _ => {
                address.push_str(&account.addresses[0]);
                agent = AGENTS[7];
                let _ = write!(
                    identity,
                    r#"{{"type":"Root","principalId":"{account}","arn":"arn:aws:iam::{account}:root","accountId":"{account}","accessKeyId":"ASIA{key}","sessionContext":{{"attributes":{{"creationDate":"{started}","mfaAuthenticated":"true"}}}}}}"#,
                    account = account.id
                );
            }
        }
        Self { identity, address, agent, service: (680..800).contains(&kind), subject: Subject { service, resources } }
    }
}

/// Fills in the `$names` of a text.
struct Fill<'f, 'w> {
    place: &'f Place<'w>,
    random: &'f mut Random,
    subject: &'f mut Subject,
}

impl Fill<'_, '_> {
    fn text(&mut self, into: &mut String, text: &str) {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            into.push_str(before);
            let braced = after.strip_prefix('{');
            let name = braced.unwrap_or(after);
            let end = name.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit()).unwrap_or(name.len());
            let (name, mut tail) = name.split_at(end);
            if braced.is_some() {
                tail = tail.trim_start_matches('}');
            }
            if name.is_empty() {
                into.push('$');
            } else {
                self.name(into, name);
            }
            rest = tail;
        }
        into.push_str(rest);
    }

    fn name(&mut self, into: &mut String, name: &str) {
        let account = self.place.account;
        let random = &mut *self.random;
        // Few values at a time, and other ones from caller to caller.
        let mut own = Random::new(self.subject.resources.below(6) as u64, account.id.len() as u64);
        let own = &mut own;
        match name {
            "account" => into.push_str(account.id),
            "region" => into.push_str(self.place.region),
            "service" => into.push_str(self.subject.service),
            "uuid" => random.uuid(into),
            "user" => into.push_str(&random.favorite(&account.users).name),
            "role" => {
                let _ = write!(into, "{}-task", self.subject.service);
            }
            "bucket" => into.push_str(own.favorite(&account.buckets).as_str()),
            "function" => into.push_str(own.favorite(&account.functions).as_str()),
            "table" => into.push_str(own.favorite(&account.tables).as_str()),
            "cmk" => into.push_str(own.favorite(&account.keys).as_str()),
            "instance" => into.push_str(own.favorite(&account.instances).as_str()),
            "interface" => into.push_str(own.favorite(&account.interfaces).as_str()),
            "subnet" => into.push_str(own.favorite(&account.subnets).as_str()),
            "group" => into.push_str(own.favorite(&account.groups).as_str()),
            "vpc" => into.push_str(own.favorite(&account.networks).as_str()),
            "image" => into.push_str(own.favorite(&account.images).as_str()),
            "object" => {
                let day = self.place.delivered_at.format("%d");
                let _ = write!(into, "{}/year=2026/month=10/day={day}/part-", self.subject.service);
                let part = random.below(100_000);
                let _ = write!(into, "{part:05}.snappy.parquet");
            }
            "private" => {
                let _ = write!(into, "10.0.{}.{}", own.below(16), own.below(250));
            }
            "day" => {
                let _ = write!(into, "{}", self.place.delivered_at.format("%d"));
            }
            "n" => {
                let _ = write!(into, "{}", random.below(100_000));
            }
            "nn" => {
                let _ = write!(into, "{}", 10 + random.below(50));
            }
            "token" => random.text(into, BASE64, 380),
            _ => {
                let length = name[1..].parse().expect("a kind and a length");
                match &name[..1] {
                    "h" => random.hex(into, length),
                    "b" => random.base32(into, length),
                    "s" => random.text(into, BASE64, length),
                    _ => unreachable!("no such name: {name}"),
                }
            }
        }
    }
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
