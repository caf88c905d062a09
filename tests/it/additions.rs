//! What somebody adds to an archive: forged records, objects under other names and in other forms, digests. Whatever it is, no
//! window and no event of the true archive disappears without a finding, and nothing added is called verified.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::digests::{Bucket, Signer, Stored, Trail, gzip};
use crate::support::run::{json as report_json, mfatrail};

const ACCOUNT: &str = "111122223333";
const START: &str = "2026-10-01T22:05:31Z";
const HOME: &str = "192.0.2.7";
const AWAY: &str = "198.51.100.66";
const PEOPLE: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "mallory"];

/// A user's session, with MFA or without.
fn user(name: &str, mfa: bool) -> Value {
    json!({
        "type": "IAMUser", "principalId": format!("AIDA{}", name.to_uppercase()), "accountId": ACCOUNT, "userName": name,
        "arn": format!("arn:aws:iam::{ACCOUNT}:user/{name}"), "accessKeyId": "AKIAEXAMPLE",
        "sessionContext": {"attributes": {"mfaAuthenticated": mfa.to_string(), "creationDate": "2026-10-01T20:00:00Z"}},
    })
}

fn session(role: &str) -> Value {
    json!({
        "type": "AssumedRole", "principalId": format!("AROA{}:jane", role.to_uppercase()), "accountId": ACCOUNT,
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/jane"),
        "sessionContext": {
            "attributes": {"mfaAuthenticated": "false", "creationDate": "2026-10-01T20:00:00Z"},
            "sessionIssuer": {
                "type": "Role", "principalId": format!("AROA{}", role.to_uppercase()), "accountId": ACCOUNT, "userName": role,
                "arn": format!("arn:aws:iam::{ACCOUNT}:role/{role}"),
            },
        },
    })
}

fn start() -> DateTime<Utc> {
    START.parse().unwrap()
}

fn text_of(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A call at so many minutes after the start, about a user and the device of that name.
fn call(minute: i64, name: &str, actor: Value, about: &str) -> Value {
    let source = match name {
        "ConsoleLogin" => "signin",
        _ => "iam",
    };
    let device = format!("arn:aws:iam::{ACCOUNT}:mfa/{about}");
    let parameters = match name {
        "CreateUser" | "CreateLoginProfile" | "DeleteLoginProfile" | "DeleteUser" | "GetUser" | "ListMFADevices"
        | "CreateAccessKey" => json!({"userName": about}),
        "DeleteVirtualMFADevice" => json!({"serialNumber": device}),
        "UpdateUser" => json!({"userName": about, "newUserName": format!("{about}-gone")}),
        "AttachUserPolicy" => json!({"userName": about, "policyArn": "arn:aws:iam::aws:policy/AWSDenyAll"}),
        "ConsoleLogin" | "ListUsers" => Value::Null,
        _ => json!({"userName": about, "serialNumber": device}),
    };
    let response = match name {
        "CreateUser" => json!({"user": {"userName": about, "userId": format!("AIDA{}", about.to_uppercase())}}),
        "ConsoleLogin" => json!({"ConsoleLogin": "Success"}),
        _ => Value::Null,
    };
    let mut record = json!({
        "eventVersion": "1.11", "userIdentity": actor, "eventTime": text_of(start() + TimeDelta::minutes(minute)),
        "eventSource": format!("{source}.amazonaws.com"), "eventName": name, "awsRegion": "us-east-1", "sourceIPAddress": HOME,
        "userAgent": "aws-cli/2", "requestParameters": parameters, "responseElements": response, "requestID": "r",
        "eventID": format!("t-{minute:04}-{name}-{about}"), "readOnly": name.starts_with("List") || name.starts_with("Get"),
        "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": ACCOUNT, "eventCategory": "Management",
    });
    if name == "ConsoleLogin" {
        record["additionalEventData"] = json!({"MFAUsed": "No"});
    }
    record
}

fn with(mut record: Value, members: &Value) -> Value {
    for (key, value) in members.as_object().unwrap() {
        record[key] = value.clone();
    }
    record
}

/// What happened, in order.
fn story() -> Vec<Value> {
    let admin = || user("bob", true);
    let mut records = Vec::new();
    for (n, name) in (0..).zip(["alice", "carol", "dave", "erin"]) {
        records.push(call(n, "CreateUser", admin(), name));
        records.push(call(n, "CreateLoginProfile", admin(), name));
        if name != "dave" {
            records.push(call(n + 10, "EnableMFADevice", user(name, false), name));
        }
    }
    let from = |record: Value, address: &str| with(record, &json!({"sourceIPAddress": address}));
    records.push(call(15, "EnableMFADevice", admin(), "bob"));
    records.push(call(61, "ListUsers", user("mallory", true), ""));
    records.push(call(62, "ListMFADevices", user("alice", true), "alice"));
    records.push(call(121, "ListUsers", session("ops"), ""));
    // A takeover, noticed three hours later.
    records.push(from(call(181, "DeactivateMFADevice", user("mallory", false), "alice"), AWAY));
    records.push(from(call(186, "CreateAccessKey", user("mallory", false), "alice"), AWAY));
    records.push(call(361, "GetUser", admin(), "alice"));
    // A workaround, ended.
    records.push(call(241, "DeactivateMFADevice", user("carol", true), "carol"));
    records.push(call(301, "ConsoleLogin", user("carol", false), "carol"));
    records.push(call(370, "EnableMFADevice", user("carol", false), "carol"));
    // Ended by the password's deletion.
    records.push(call(305, "DeactivateMFADevice", admin(), "erin"));
    records.push(call(425, "DeleteLoginProfile", admin(), "erin"));
    let refused = call(430, "DeactivateMFADevice", user("mallory", false), "bob");
    records.push(with(refused, &json!({"errorCode": "AccessDenied"})));
    records.push(from(call(485, "DeactivateMFADevice", session("ops"), "bob"), AWAY));
    records.push(from(call(485, "DeleteVirtualMFADevice", session("ops"), "bob"), AWAY));
    records
}

/// The true archive, signed.
struct Truth {
    bucket: Bucket,
    records: Vec<Value>,
    /// The key of a log that holds records, and of a digest.
    log: String,
    digest: String,
}

static TRUTH: LazyLock<Truth> = LazyLock::new(|| {
    let (mut bucket, records) = (Bucket::new("trail-bucket"), story());
    let mut trail = Trail::new(ACCOUNT, "us-east-1", START);
    let (mut log, mut digest) = (String::new(), String::new());
    for hour in 0..13 {
        let span = [hour, hour + 1].map(|hour| text_of(start() + TimeDelta::hours(hour)));
        let within = |record: &&Value| {
            let time = record["eventTime"].as_str().unwrap();
            span[0].as_str() <= time && time < span[1].as_str()
        };
        let texts: Vec<String> = records.iter().filter(within).map(Value::to_string).collect();
        let key = trail.log(&mut bucket, 55, &texts);
        let signed = trail.digest(&mut bucket, Signer::ours(), std::slice::from_ref(&key));
        if hour == 3 {
            (log, digest) = (key, signed);
        }
    }
    Truth { bucket, records, log, digest }
});

/// An archive on disk, and what reports say of it.
struct Disk {
    home: TempDir,
}

impl Disk {
    /// The true archive and some more objects, none in the place of another.
    fn with(added: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut bucket = TRUTH.bucket.clone();
        for (key, bytes) in added {
            let known = bucket.objects.insert(key.clone(), Stored { bytes: bytes.clone(), signature: None });
            assert!(known.is_none(), "{key} is there");
        }
        let home = tempfile::tempdir().unwrap();
        bucket.write(&home.path().join("archive"));
        fs::write(home.path().join("keys.json"), Signer::ours().printed()).unwrap();
        Self { home }
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = mfatrail().current_dir(self.home.path()).args(arguments).output().unwrap();
        let status = output.status.code().expect("not killed");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(status, 0 | 3), "{status}: {stderr}");
        (status, stderr)
    }

    fn report(&self, name: &str, arguments: &[&str]) -> Told {
        let period =
            ["--from", START, "--to", "2026-10-02T10:00:00Z", "--as-of", "2026-10-02T10:05:31Z", "--format", "json"];
        let (status, _) = self.run(&[&["report"], &period[..], &["--out", name], arguments].concat());
        let out: PathBuf = self.home.path().join(name);
        Told { status, report: report_json(&out) }
    }

    fn plain(&self, threads: &str) -> Told {
        self.report("plain", &["archive", "--threads", threads])
    }

    fn verified(&self, threads: &str) -> Told {
        self.report("verified", &["archive", "--verify", "--public-keys", "keys.json", "--threads", threads])
    }

    fn stored(&self, verify: &[&str]) -> Told {
        let store = ["--store", if verify.is_empty() { "store" } else { "verified-store" }];
        self.run(&[&["scan", "archive", "--commit-every", "1"], &store[..], verify].concat());
        self.run(&[&["store", "check"], &store[..]].concat());
        self.report("stored", &store)
    }
}

/// What a report says.
struct Told {
    status: i32,
    report: Value,
}

impl Told {
    fn list(&self, what: &str) -> &[Value] {
        self.report[what].as_array().unwrap()
    }

    fn notices(&self, code: &str) -> Vec<&str> {
        let all = self.list("notices").iter().filter(|notice| notice["code"] == code);
        all.map(|notice| notice["text"].as_str().unwrap()).collect()
    }

    /// The window of an opening event.
    fn window(&self, opening: &Value) -> Option<&Value> {
        let of = |window: &&Value| ["account", "opened_by_event"].iter().all(|key| window[*key] == opening[*key]);
        self.list("windows").iter().find(of)
    }

    fn conflicts(&self) -> BTreeSet<&str> {
        let list = self.report["coverage"]["conflicts"].as_array().unwrap().iter();
        list.map(|conflict| conflict["event_id"].as_str().unwrap()).collect()
    }
}

static TRUE_PLAIN: LazyLock<Told> = LazyLock::new(|| Disk::with(&BTreeMap::new()).plain("1"));
static TRUE_VERIFIED: LazyLock<Told> = LazyLock::new(|| Disk::with(&BTreeMap::new()).verified("1"));

/// Until when a window lasts, for comparison.
fn end(window: &Value) -> &str {
    window["closed_at"].as_str().unwrap_or("9999")
}

/// What an event says of what was done.
fn deed(event: &Value) -> Value {
    let keys = [
        "event_id",
        "event_time",
        "event_name",
        "outcome",
        "error_code",
        "account",
        "device",
        "actor",
        "actor_mfa",
        "source_ip",
        "user_agent",
    ];
    keys.iter().map(|key| ((*key).to_owned(), event[*key].clone())).collect()
}

/// What a window concludes.
fn conclusion(window: &Value) -> Value {
    let keys = [
        "kind",
        "account",
        "opened_at",
        "opened_by_event",
        "actor",
        "actor_mfa",
        "source_ip",
        "closed_at",
        "closed_by_event",
        "close_reason",
        "certainty",
        "class",
        "legitimate",
        "reasons",
        "detection",
        "console_password",
        "principal",
        "delivered_at",
    ];
    keys.iter().map(|key| ((*key).to_owned(), window[*key].clone())).collect()
}

/// No window and no event disappears without a finding: what holds where nothing is verified.
fn nothing_disappears(got: &Told, added: &[Added]) -> Result<(), String> {
    let truth = &*TRUE_PLAIN;
    for event in truth.list("events") {
        // An update may say more of an event; the act stays.
        let act = |event: &Value| ["event_time", "event_name", "outcome", "account"].map(|key| event[key].clone());
        let same = |other: &Value| other["event_id"] == event["event_id"] && act(other) == act(event);
        if !got.list("events").iter().any(same) {
            return Err(format!("an event is gone: {event}"));
        }
    }
    // A new record that could be true cannot be told from a true one without digests.
    if added.iter().any(|added| added.is_credible()) {
        return Ok(());
    }
    for window in truth.list("windows") {
        let lasts = got
            .window(window)
            .is_some_and(|other| other["opened_at"] == window["opened_at"] && end(other) >= end(window));
        if !lasts && (got.status != 3 || got.conflicts().is_empty()) {
            return Err(format!("a window is gone or shorter, with status {}: {window}", got.status));
        }
        // A user is its account and ID: a record may say that the ID has another name now.
        let whose = |other: &&Value| {
            let same = |key: &str| {
                let [one, other] = [window, *other].map(|of| &of["principal"][key]);
                !one.is_null() && one == other
            };
            other["account"] == window["account"] && (same("name") || same("id"))
        };
        let open = got
            .list("windows")
            .iter()
            .filter(whose)
            .any(|other| other["opened_at"].as_str() <= window["opened_at"].as_str() && end(other) >= end(window));
        let doubted = got.list("reconciliation").iter().filter(whose).count() > 0;
        if !lasts && !open && !doubted {
            return Err(format!("nothing tells of all of {window}: {:#?}", got.list("windows")));
        }
    }
    Ok(())
}

/// The notice of what rests on records that no digest proves.
const RESTS: &str = "rests-on-unproven";

/// Nothing added decides what is called verified, and what it changes is said.
fn nothing_unsigned_decides(got: &Told) -> Result<(), String> {
    let truth = &*TRUE_VERIFIED;
    let deeds: Vec<Value> = got.list("events").iter().map(deed).collect();
    let true_deeds: Vec<Value> = truth.list("events").iter().map(deed).collect();
    if let Some(gone) = true_deeds.iter().find(|deed| !deeds.contains(deed)) {
        return Err(format!("a verified event is gone: {gone}"));
    }
    for event in got.list("events") {
        if event["integrity"] == "verified" && !true_deeds.contains(&deed(event)) {
            return Err(format!("an added event is called verified: {event}"));
        }
    }
    let said = got.notices(RESTS);
    for window in truth.list("windows") {
        let now = got.window(window);
        if now.is_some_and(|now| conclusion(now) == conclusion(window)) {
            continue;
        }
        let about = |text: &&str| text.contains(window["opened_by_event"].as_str().unwrap());
        if !said.iter().any(about) {
            let now = now.map(conclusion);
            return Err(format!("nothing is said of how {} became {now:?}: {said:?}", conclusion(window)));
        }
        if got.status != 3 {
            return Err(format!("status {} although {window} became {now:?}", got.status));
        }
    }
    for window in got.list("windows").iter().filter(|window| window["integrity"] == "verified") {
        let true_one = truth.window(window).map(conclusion);
        if true_one != Some(conclusion(window)) {
            return Err(format!("called verified, and not true: {window}\nbut: {true_one:?}"));
        }
    }
    // A store does not know which hours have their digests: what none names may be too new for one, and is said without a status.
    if got.status != 3
        && got.notices("integrity-not-whole").is_empty()
        && ["windows", "events"].iter().any(|what| without_integrity(got, what) != without_integrity(truth, what))
    {
        return Err("something changed, the status is 0, and nothing is said".to_owned());
    }
    Ok(())
}

fn without_integrity(told: &Told, what: &str) -> Value {
    let mut list = told.report[what].clone();
    for one in list.as_array_mut().unwrap() {
        one.as_object_mut().unwrap().remove("integrity");
        one.as_object_mut().unwrap().remove("objects");
    }
    list
}

/// What is the same for a store, which lists no findings of digests.
fn core(told: &Told) -> Value {
    ["windows", "events", "figures", "reconciliation"]
        .iter()
        .map(|key| ((*key).to_owned(), told.report[*key].clone()))
        .collect()
}

// --- what is added -------------------------------------------------------------------------------------------------

/// A record that was made of a true one.
#[derive(Debug, Clone)]
struct Added {
    /// Which.
    of: usize,
    id: Id,
    changes: Vec<Change>,
    place: usize,
    form: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Id {
    Same,
    New(u8),
    /// A new one, and the addendum names the true one.
    Update(u8),
}

#[derive(Debug, Clone)]
enum Change {
    /// Seconds.
    Time(i64),
    Name(&'static str),
    User(Option<&'static str>),
    Device(&'static str),
    Error(Option<&'static str>),
    Actor(&'static str, bool),
    Session,
    Address(&'static str),
    Account(Option<&'static str>),
    Source(&'static str),
    UniqueId(&'static str),
    More,
}

impl Change {
    fn apply(&self, record: &mut Value) {
        let parameter = |record: &mut Value, key: &str, value: Value| {
            if record["requestParameters"].is_null() {
                record["requestParameters"] = json!({});
            }
            record["requestParameters"][key] = value;
        };
        match self {
            Self::Time(seconds) => {
                let time: DateTime<Utc> = record["eventTime"].as_str().unwrap().parse().unwrap();
                record["eventTime"] = json!(text_of(time + TimeDelta::seconds(*seconds)));
            }
            Self::Name(name) => {
                let about = record["requestParameters"]["userName"].as_str().unwrap_or("alice").to_owned();
                let other = call(0, name, Value::Null, &about);
                for key in ["eventName", "eventSource", "requestParameters", "responseElements", "readOnly"] {
                    record[key] = other[key].clone();
                }
            }
            Self::User(Some(name)) => parameter(record, "userName", json!(name)),
            Self::User(None) => parameter(record, "userName", Value::Null),
            Self::Device(name) => {
                parameter(record, "serialNumber", json!(format!("arn:aws:iam::{ACCOUNT}:mfa/{name}")));
            }
            Self::Error(code) => record["errorCode"] = json!(code),
            Self::Actor(name, mfa) => record["userIdentity"] = user(name, *mfa),
            Self::Session => record["userIdentity"] = session("ops"),
            Self::Address(address) => record["sourceIPAddress"] = json!(address),
            Self::Account(account) => record["recipientAccountId"] = json!(account),
            Self::Source(source) => record["eventSource"] = json!(source),
            Self::UniqueId(id) => {
                record["responseElements"] = json!({"user": {"userName": "alice", "userId": id}});
                record["userIdentity"]["principalId"] = json!(id);
            }
            Self::More => record["more"] = Value::Null,
        }
    }
}

const NAMES: [&str; 14] = [
    "EnableMFADevice",
    "DeactivateMFADevice",
    "DeleteVirtualMFADevice",
    "ResyncMFADevice",
    "CreateUser",
    "DeleteUser",
    "UpdateUser",
    "CreateLoginProfile",
    "DeleteLoginProfile",
    "AttachUserPolicy",
    "ConsoleLogin",
    "GetUser",
    "ListUsers",
    "CreateVirtualMFADevice",
];

const PLACES: usize = 9;
const FORMS: usize = 6;

impl Added {
    fn record(&self) -> Value {
        let mut record = TRUTH.records[self.of].clone();
        let own = record["eventID"].clone();
        match self.id {
            Id::Same => {}
            Id::New(n) => record["eventID"] = json!(format!("f-{n}")),
            Id::Update(n) => {
                record["eventID"] = json!(format!("f-{n}"));
                record["addendum"] = json!({"reason": "UPDATED_DATA", "originalEventID": own});
            }
        }
        self.changes.iter().for_each(|change| change.apply(&mut record));
        record
    }

    /// Whether it could have happened by all that is known without digests: it bears no id of another event.
    fn is_credible(&self) -> bool {
        !matches!(self.id, Id::Same)
    }

    fn key(&self, n: usize) -> String {
        let log = &TRUTH.log;
        let (folder, name) = log.rsplit_once('/').unwrap();
        let stem = name.rsplit_once('_').unwrap().0;
        match self.place {
            0 => format!("{folder}/{stem}_{n:016x}.json.gz"),
            1 => format!("{}/{stem}_{n:016x}.json.gz", folder.replace("/02", "/01")),
            2 => format!("{}/{stem}_{n:016x}.json.gz", folder.replace("AWSLogs", "awslogs")),
            3 => format!("records-{n}.json"),
            4 => format!("copy/{folder}/{stem}_{n:016x}.json.gz"),
            5 => format!("{}/{stem}_{n:016x}.json.gz", folder.replace("us-east-1", "eu-west-1")),
            6 => format!("{}/{stem}_{n:016x}.json.gz", folder.replace(ACCOUNT, "444455556666")),
            7 => format!("{}/{stem}_{n:016x}.json.gz", folder.replace("/CloudTrail/", "/CloudTrail-Digest/")),
            _ => format!("{folder}/.README-{n}.md"),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let record = self.record();
        let document = json!({"Records": [record]}).to_string();
        match self.form {
            0 => gzip(document.as_bytes()),
            1 => document.into_bytes(),
            2 => gzip(record.to_string().as_bytes()),
            3 => json!({"Events": [{"EventId": "x", "CloudTrailEvent": record.to_string()}]}).to_string().into_bytes(),
            4 => json!({"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": record})
                .to_string()
                .into_bytes(),
            _ => json!([record]).to_string().into_bytes(),
        }
    }
}

fn objects(added: &[Added]) -> BTreeMap<String, Vec<u8>> {
    added.iter().enumerate().map(|(n, one)| (one.key(n), one.bytes())).collect()
}

fn index(id: &str) -> usize {
    TRUTH.records.iter().position(|record| record["eventID"] == id).unwrap_or_else(|| panic!("{id}"))
}

fn check(added: &[Added], more: &BTreeMap<String, Vec<u8>>, everywhere: bool) -> Result<(), String> {
    let mut all = objects(added);
    all.extend(more.clone());
    let disk = Disk::with(&all);
    let plain = disk.plain("1");
    nothing_disappears(&plain, added)?;
    let verified = disk.verified("3");
    nothing_unsigned_decides(&verified)?;
    if !everywhere {
        return Ok(());
    }
    let same = |one: Value, other: Value, what: &str| {
        if one == other { Ok(()) } else { Err(format!("{what}\n{one:#}\n{other:#}")) }
    };
    same(disk.plain("3").report, plain.report.clone(), "many threads")?;
    same(disk.verified("1").report, verified.report.clone(), "one thread, verified")?;
    same(disk.stored(&[]).report, plain.report, "the store")?;
    let stored = disk.stored(&["--verify", "--public-keys", "keys.json"]);
    same(core(&stored), core(&verified), "the verified store")?;
    nothing_unsigned_decides(&stored).map_err(|error| format!("the verified store: {error}"))
}

const ALICE_OFF: &str = "t-0181-DeactivateMFADevice-alice";
const CAROL_OFF: &str = "t-0241-DeactivateMFADevice-carol";

/// What an attacker adds: a name, the true record that it is made of, its id, what is changed.
type Attack = (&'static str, &'static str, Id, &'static [Change]);

#[rustfmt::skip]
const ATTACKS: &[Attack] = &[
    ("an enrollment a second later", ALICE_OFF, Id::New(1), &[Change::Name("EnableMFADevice"), Change::Time(1)]),
    ("an enrollment in the same second", ALICE_OFF, Id::New(1), &[Change::Name("EnableMFADevice")]),
    ("an enrollment of another device before", ALICE_OFF, Id::New(1), &[Change::Name("EnableMFADevice"), Change::Device("spare"), Change::Time(-600)]),
    ("a deletion of the password before", ALICE_OFF, Id::New(1), &[Change::Name("DeleteLoginProfile"), Change::Time(-600)]),
    ("a denial of everything before", ALICE_OFF, Id::New(1), &[Change::Name("AttachUserPolicy"), Change::Time(-600)]),
    ("a deletion of the user after", ALICE_OFF, Id::New(1), &[Change::Name("DeleteUser"), Change::Time(60)]),
    ("a deletion of the user before", ALICE_OFF, Id::New(1), &[Change::Name("DeleteUser"), Change::Time(-60)]),
    ("another user of that name before", ALICE_OFF, Id::New(1), &[Change::Name("CreateUser"), Change::UniqueId("AIDAOTHER"), Change::Time(-60)]),
    ("another user of that name after", ALICE_OFF, Id::New(1), &[Change::Name("CreateUser"), Change::UniqueId("AIDAOTHER"), Change::Time(60)]),
    ("a rename before", ALICE_OFF, Id::New(1), &[Change::Name("UpdateUser"), Change::Time(-60)]),
    ("a rename after", ALICE_OFF, Id::New(1), &[Change::Name("UpdateUser"), Change::Time(60)]),
    ("the device given to another", ALICE_OFF, Id::New(1), &[Change::Name("EnableMFADevice"), Change::User(Some("erin")), Change::Device("alice"), Change::Time(-60)]),
    ("an earlier deactivation", ALICE_OFF, Id::New(1), &[Change::Time(-3600), Change::Address(HOME), Change::Actor("bob", true)]),
    ("a sign-in without a password", ALICE_OFF, Id::New(1), &[Change::Name("ConsoleLogin"), Change::Actor("alice", true), Change::Time(60)]),
    ("a look by somebody else", ALICE_OFF, Id::New(1), &[Change::Name("GetUser"), Change::Actor("dave", true), Change::Time(5)]),
    ("the actor at home there", ALICE_OFF, Id::New(1), &[Change::Name("ListUsers"), Change::Address(AWAY), Change::Time(-7200)]),
    ("the actor's own id taken", ALICE_OFF, Id::New(1), &[Change::Name("ListUsers"), Change::UniqueId("AIDAOTHER"), Change::Time(-60)]),
    ("the role at home there", "t-0485-DeactivateMFADevice-bob", Id::New(1), &[Change::Name("ListUsers"), Change::Time(-7200)]),
    ("a replacement within the grace", CAROL_OFF, Id::New(1), &[Change::Name("EnableMFADevice"), Change::Device("spare"), Change::Time(60)]),
    ("the same, refused", ALICE_OFF, Id::Same, &[Change::Error(Some("AccessDenied"))]),
    ("the same, an hour later", ALICE_OFF, Id::Same, &[Change::Time(3600)]),
    ("the same, of another user", ALICE_OFF, Id::Same, &[Change::User(Some("erin")), Change::Device("erin")]),
    ("the same, of another account", ALICE_OFF, Id::Same, &[Change::Account(Some("444455556666"))]),
    ("the same, an enrollment", ALICE_OFF, Id::Same, &[Change::Name("EnableMFADevice")]),
    ("the same, an ordinary call", ALICE_OFF, Id::Same, &[Change::Name("ListUsers")]),
    ("the same, of another service", ALICE_OFF, Id::Same, &[Change::Source("ec2.amazonaws.com")]),
    ("the same, with MFA from home", ALICE_OFF, Id::Same, &[Change::Actor("mallory", true), Change::Address(HOME)]),
    ("the same, copied", ALICE_OFF, Id::Same, &[]),
    ("an update, refused", ALICE_OFF, Id::Update(1), &[Change::Error(Some("AccessDenied"))]),
    ("an update, of a service that does nothing", ALICE_OFF, Id::Update(1), &[Change::Source("ec2.amazonaws.com")]),
    ("an update, with MFA from home", ALICE_OFF, Id::Update(1), &[Change::Actor("mallory", true), Change::Address(HOME)]),
    ("an update, of another user", ALICE_OFF, Id::Update(1), &[Change::User(Some("erin"))]),
    ("an update that removes the user's name", ALICE_OFF, Id::Update(1), &[Change::User(None)]),
    ("the enrollment, refused", "t-0010-EnableMFADevice-alice", Id::Same, &[Change::Error(Some("AccessDenied"))]),
    ("the enrollment, of another device", "t-0010-EnableMFADevice-alice", Id::Same, &[Change::Device("other")]),
    ("the creation, of another id", "t-0000-CreateUser-alice", Id::Same, &[Change::UniqueId("AIDAOTHER")]),
    ("the password, never made", "t-0000-CreateLoginProfile-alice", Id::Same, &[Change::Error(Some("EntityAlreadyExists"))]),
    ("an ordinary call's id, for a deletion of the password", "t-0061-ListUsers-", Id::Same, &[Change::Name("DeleteLoginProfile")]),
    ("an ordinary call's id, for an enrollment", "t-0361-GetUser-alice", Id::Same, &[Change::Name("EnableMFADevice"), Change::Time(-10_000)]),
    ("the password, of another user", "t-0002-CreateLoginProfile-dave", Id::Same, &[Change::User(Some("erin"))]),
];

#[test]
fn what_an_attacker_adds_hides_nothing() {
    let mut wrong = Vec::new();
    for (n, (what, of, id, changes)) in ATTACKS.iter().enumerate() {
        let one = Added { of: index(of), id: *id, changes: changes.to_vec(), place: n % 3, form: n % 2 };
        if let Err(error) = check(&[one], &BTreeMap::new(), n % 5 == 0) {
            wrong.push(format!("{what}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn digests_that_somebody_adds_prove_nothing() {
    let forged = Added {
        of: index(ALICE_OFF),
        id: Id::New(1),
        changes: vec![Change::Name("EnableMFADevice"), Change::Time(1)],
        place: 0,
        form: 0,
    };
    let digest = &TRUTH.digest;
    let log = forged.key(0);
    let (folder, name) = digest.rsplit_once('/').unwrap();
    let true_text = TRUTH.bucket.text(digest);
    // Of the same hour, naming the added log; signed by somebody else who says to be CloudTrail, or by nobody.
    let mut bucket = TRUTH.bucket.clone();
    bucket.objects.insert(log.clone(), Stored { bytes: forged.bytes(), signature: None });
    let trail = Trail::new(ACCOUNT, "us-east-1", "2026-10-02T01:05:31Z");
    let end = trail.now + TimeDelta::hours(1);
    let (key, text, signature) =
        trail.signed(&bucket, Signer::other(), std::slice::from_ref(&log), trail.now, end, "_more");
    let text = text.replace(&Signer::other().fingerprint, &Signer::ours().fingerprint);
    let with_sidecar = |text: &str| {
        BTreeMap::from([
            (key.clone(), gzip(text.as_bytes())),
            (format!("{key}.signature"), signature.clone().into_bytes()),
        ])
    };
    let renamed = format!("{folder}/{}", name.replace("org_trail", "second"));
    let cases = [
        ("signed by another", with_sidecar(&text)),
        ("a digest under another trail's name", [(renamed, gzip(true_text.as_bytes()))].into()),
        (
            "a digest of another day's folder",
            [(digest.replace("/2026/10/02/", "/2026/10/03/"), gzip(true_text.as_bytes()))].into(),
        ),
        ("a digest under another prefix", [(format!("copy/{digest}"), gzip(true_text.as_bytes()))].into()),
        ("no digest at all", [(format!("{folder}/x.json.gz"), b"{}".to_vec())].into()),
    ];
    for (what, more) in cases {
        check(std::slice::from_ref(&forged), &more, false).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

// --- anything ------------------------------------------------------------------------------------------------------

fn change() -> impl Strategy<Value = Change> {
    let someone = prop::sample::select(&PEOPLE[..]);
    let time = prop_oneof![Just(-1_i64), Just(1), Just(60), Just(-60), -20_000..20_000_i64];
    prop_oneof![
        3 => time.prop_map(Change::Time),
        4 => prop::sample::select(&NAMES[..]).prop_map(Change::Name),
        2 => prop::option::of(someone.clone()).prop_map(Change::User),
        2 => prop::sample::select(vec!["alice", "bob", "carol", "erin", "spare"]).prop_map(Change::Device),
        1 => prop::option::of(prop::sample::select(vec!["AccessDenied", "NoSuchEntityException"])).prop_map(Change::Error),
        1 => (someone, any::<bool>()).prop_map(|(name, mfa)| Change::Actor(name, mfa)),
        1 => Just(Change::Session),
        1 => prop::sample::select(vec![HOME, AWAY, "AWS Internal"]).prop_map(Change::Address),
        1 => prop::option::of(prop::sample::select(vec!["444455556666", ACCOUNT])).prop_map(Change::Account),
        1 => prop::sample::select(vec!["iam.amazonaws.com", "ec2.amazonaws.com", "IAM.amazonaws.com"]).prop_map(Change::Source),
        1 => prop::sample::select(vec!["AIDAOTHER", "AIDAALICE", "AIDACAROL"]).prop_map(Change::UniqueId),
        1 => Just(Change::More),
    ]
}

fn added() -> impl Strategy<Value = Added> {
    let id = prop_oneof![3 => Just(Id::Same), 3 => (0..3_u8).prop_map(Id::New), 2 => (0..3_u8).prop_map(Id::Update)];
    (0..TRUTH.records.len(), id, prop::collection::vec(change(), 0..4), 0..PLACES, 0..FORMS)
        .prop_map(|(of, id, changes, place, form)| Added { of, id, changes, place, form })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_added_hides_nothing(added in prop::collection::vec(added(), 1..4), everywhere in prop::bool::weighted(0.15)) {
        if let Err(error) = check(&added, &BTreeMap::new(), everywhere) {
            let records: Vec<String> = added.iter().map(|one| one.record().to_string()).collect();
            prop_assert!(false, "{error}\nadded: {}", records.join("\n"));
        }
    }
}

#[test]
fn the_true_archive_is_whole() {
    assert_eq!(TRUE_PLAIN.status, 0, "{:#}", TRUE_PLAIN.report["notices"]);
    assert_eq!(TRUE_VERIFIED.status, 0, "{:#}", TRUE_VERIFIED.report["coverage"]["integrity"]);
    let windows = TRUE_VERIFIED.list("windows");
    assert_eq!(windows.len(), 8, "{windows:#?}");
    assert!(windows.iter().all(|window| window["integrity"] == "verified"), "{windows:#?}");
    let classes: Vec<&str> = windows.iter().filter_map(|window| window["class"].as_str()).collect();
    assert_eq!(classes, ["suspected_takeover", "workaround", "unexplained", "unexplained"]);
}

#[test]
fn an_object_that_no_digest_names_is_said_by_a_store_too() {
    // The user's own creation once more, under an id of its own: no window is any different.
    let of_carol = |record: &&Value| record["requestParameters"]["userName"] == "carol";
    let creation = TRUTH.records.iter().filter(of_carol).find(|record| record["eventName"] == "CreateUser");
    let creation = index(creation.unwrap()["eventID"].as_str().unwrap());
    let planted = Added { of: creation, id: Id::New(0), changes: Vec::new(), place: 0, form: 0 };
    check(&[planted], &BTreeMap::new(), true).unwrap_or_else(|error| panic!("{error}"));
}
