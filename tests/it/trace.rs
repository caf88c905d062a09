//! `mfatrail trace`: five generated takeovers with a known truth, in one archive with whatever others do at the same time.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::run::{Ran, mfatrail, root};

const HOME: &str = "111122223333";
const OTHER: &str = "444455556666";

/// An archive that is being made: every call is of the attacker, or of others.
struct Archive {
    records: Vec<Value>,
    attacker: BTreeSet<String>,
    /// Seconds since the beginning.
    clock: i64,
    numbers: u32,
}

/// By which credentials a call is made.
#[derive(Clone)]
struct Caller {
    identity: Value,
    address: &'static str,
    is_attacker: bool,
}

const ATTACKER: &str = "203.0.113.66";
const OFFICE: &str = "192.0.2.10";

fn at(clock: i64) -> String {
    let start: chrono::DateTime<chrono::Utc> = "2026-10-01T08:00:00Z".parse().unwrap();
    (start + chrono::TimeDelta::seconds(clock)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Archive {
    fn new() -> Self {
        Self { records: Vec::new(), attacker: BTreeSet::new(), clock: 0, numbers: 0 }
    }

    fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    /// A call, after a while; gives its id.
    fn call(
        &mut self,
        by: &Caller,
        account: &str,
        (source, name): (&str, &str),
        asked: Value,
        answer: Value,
    ) -> String {
        self.clock += 37;
        let number = self.number();
        let id = format!("{number:08x}-0000-4000-8000-000000000000");
        if by.is_attacker {
            self.attacker.insert(id.clone());
        }
        let reads = ["Get", "List", "Describe"].iter().any(|verb| name.starts_with(verb)) && name != "GetSessionToken";
        self.records.push(json!({
            "eventVersion": "1.11", "userIdentity": by.identity, "eventTime": at(self.clock), "eventSource": format!("{source}.amazonaws.com"),
            "eventName": name, "awsRegion": "us-east-1", "sourceIPAddress": by.address, "userAgent": "aws-cli/2.31.2",
            "requestParameters": asked, "responseElements": answer, "eventID": id, "readOnly": reads, "eventType": "AwsApiCall",
            "managementEvent": true, "recipientAccountId": account, "eventCategory": "Management",
        }));
        id
    }

    fn reads(&mut self, by: &Caller, account: &str) -> String {
        self.call(by, account, ("s3", "ListBuckets"), Value::Null, Value::Null)
    }

    fn key(&mut self, user: &str, account: &str, is_attacker: bool) -> Caller {
        let number = self.number();
        user_key(user, account, &format!("AKIAEXAMPLE{number:09}"), is_attacker)
    }

    /// Signs in to the console.
    fn sign_in(&mut self, user: &str, account: &str, is_attacker: bool) -> Caller {
        let address = if is_attacker { ATTACKER } else { OFFICE };
        let identity = json!({"type": "IAMUser", "principalId": user_id(user), "arn": format!("arn:aws:iam::{account}:user/{user}"),
            "accountId": account, "userName": user});
        let by = Caller { identity: identity.clone(), address, is_attacker };
        self.call(&by, account, ("signin", "ConsoleLogin"), Value::Null, json!({"ConsoleLogin": "Success"}));
        let number = self.number();
        let mut identity = identity;
        identity["accessKeyId"] = json!(format!("ASIAEXAMPLE{number:09}"));
        identity["sessionContext"] =
            json!({"attributes": {"creationDate": at(self.clock), "mfaAuthenticated": "false"}});
        Caller { identity, address, is_attacker }
    }

    /// The console takes another key for the same session.
    fn renew(&mut self, session: &Caller) -> Caller {
        let number = self.number();
        let mut renewed = session.clone();
        renewed.identity["accessKeyId"] = json!(format!("ASIAEXAMPLE{number:09}"));
        renewed
    }

    fn assume(&mut self, by: &Caller, role: &str, account: &str, name: &str) -> Caller {
        let number = self.number();
        let key = format!("ASIAEXAMPLE{number:09}");
        let id = format!("AROA{:X>12}:{name}", role.to_uppercase());
        let asked = json!({"roleArn": format!("arn:aws:iam::{account}:role/{role}"), "roleSessionName": name});
        let answer = json!({"credentials": {"accessKeyId": key}, "assumedRoleUser": {"assumedRoleId": id,
            "arn": format!("arn:aws:sts::{account}:assumed-role/{role}/{name}")}});
        let own = by.identity["accountId"].as_str().unwrap().to_owned();
        let shared = self.call(by, &own, ("sts", "AssumeRole"), asked.clone(), answer.clone());
        if own != account {
            // The role's account gets a copy with an id of its own, and without the caller's credentials.
            let copy = Caller {
                identity: json!({"type": "AWSAccount", "principalId": by.identity["principalId"], "accountId": own}),
                ..by.clone()
            };
            self.clock -= 37;
            self.call(&copy, account, ("sts", "AssumeRole"), asked, answer);
            self.records.last_mut().unwrap()["sharedEventID"] = json!(shared);
        }
        let identity = json!({"type": "AssumedRole", "principalId": id, "arn": format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"),
            "accountId": account, "accessKeyId": key,
            "sessionContext": {"attributes": {"creationDate": at(self.clock), "mfaAuthenticated": "false"},
                "sessionIssuer": {"type": "Role", "arn": format!("arn:aws:iam::{account}:role/{role}"), "accountId": account, "userName": role,
                    "principalId": format!("AROA{:X>12}", role.to_uppercase())}}});
        Caller { identity, address: by.address, is_attacker: by.is_attacker }
    }

    fn token(&mut self, by: &Caller) -> Caller {
        let number = self.number();
        let key = format!("ASIAEXAMPLE{number:09}");
        let account = by.identity["accountId"].as_str().unwrap().to_owned();
        self.call(by, &account, ("sts", "GetSessionToken"), Value::Null, json!({"credentials": {"accessKeyId": key}}));
        let mut token = by.clone();
        token.identity["accessKeyId"] = json!(key);
        token.identity["sessionContext"] =
            json!({"attributes": {"creationDate": at(self.clock), "mfaAuthenticated": "false"}});
        token
    }

    fn create_key(&mut self, by: &Caller, user: &str, account: &str) -> Caller {
        let made = self.key(user, account, by.is_attacker);
        let answer =
            json!({"accessKey": {"accessKeyId": made.identity["accessKeyId"], "userName": user, "status": "Active"}});
        self.call(by, account, ("iam", "CreateAccessKey"), json!({"userName": user}), answer);
        made
    }

    fn create_user(&mut self, by: &Caller, user: &str, account: &str) {
        let answer = json!({"user": {"userName": user, "userId": user_id(user)}});
        self.call(by, account, ("iam", "CreateUser"), json!({"userName": user}), answer);
    }

    fn iam(&mut self, by: &Caller, account: &str, name: &str, asked: Value) -> String {
        self.call(by, account, ("iam", name), asked, Value::Null)
    }

    /// Writes it in objects of a few records each, in an order that is not that of time.
    fn write(&self, folder: &Path, shuffle: usize) {
        let mut records: Vec<&Value> = self.records.iter().collect();
        let most = records.len();
        for place in 0..most {
            records.swap(place, (place * 7 + shuffle) % most);
        }
        for (number, part) in records.chunks(9).enumerate() {
            for account in [HOME, OTHER] {
                let own: Vec<&&Value> = part.iter().filter(|record| record["recipientAccountId"] == account).collect();
                let folder = folder.join(format!("AWSLogs/{account}/CloudTrail/us-east-1/2026/10/01"));
                fs::create_dir_all(&folder).unwrap();
                let name = format!(
                    "{account}_CloudTrail_us-east-1_20261001T{:02}{:02}Z_{number:016}.json.gz",
                    number / 60 % 24,
                    number % 60
                );
                let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
                gzip.write_all(json!({"Records": own}).to_string().as_bytes()).unwrap();
                fs::write(folder.join(name), gzip.finish().unwrap()).unwrap();
            }
        }
    }
}

fn user_id(user: &str) -> String {
    format!("AIDA{:X>17}", user.to_uppercase().replace(['.', '-'], ""))
}

fn user_key(user: &str, account: &str, key: &str, is_attacker: bool) -> Caller {
    let identity = json!({"type": "IAMUser", "principalId": user_id(user), "arn": format!("arn:aws:iam::{account}:user/{user}"),
        "accountId": account, "accessKeyId": key, "userName": user});
    Caller { identity, address: if is_attacker { ATTACKER } else { OFFICE }, is_attacker }
}

/// What others do all the time: the same calls, the same roles under the same names, and the victim's own work.
fn noise(archive: &mut Archive, which: u8) {
    match which % 6 {
        0 => {
            let victim = archive.sign_in("victim", HOME, false);
            archive.reads(&victim, HOME);
            let key = archive.create_key(&victim, "victim", HOME);
            archive.reads(&key, HOME);
        }
        1 => {
            let ci = user_key("ci", HOME, "AKIAEXAMPLENOISECI00", false);
            let session = archive.assume(&ci, "Deploy", OTHER, "deploy");
            archive.reads(&session, OTHER);
        }
        2 => {
            let admin = archive.sign_in("admin", HOME, false);
            let number = archive.number();
            let name = format!("new-{number}");
            archive.create_user(&admin, &name, HOME);
            let key = archive.create_key(&admin, &name, HOME);
            archive.reads(&key, HOME);
            archive.iam(
                &admin,
                HOME,
                "DeactivateMFADevice",
                json!({"userName": name, "serialNumber": format!("arn:aws:iam::{HOME}:mfa/{name}")}),
            );
        }
        3 => {
            let victim = user_key("victim", HOME, "AKIAEXAMPLENOISEVIC0", false);
            let token = archive.token(&victim);
            archive.reads(&token, HOME);
            archive.assume(&token, "Admin", HOME, "admin");
        }
        4 => {
            let service = Caller {
                identity: json!({"type": "AWSService", "invokedBy": "lambda.amazonaws.com"}),
                address: "lambda.amazonaws.com",
                is_attacker: false,
            };
            let answer = json!({"credentials": {"accessKeyId": format!("ASIAEXAMPLENOISE{:04}", archive.numbers)},
                "assumedRoleUser": {"assumedRoleId": "AROAXXXXXXXADMIN:admin"}});
            let asked = json!({"roleArn": format!("arn:aws:iam::{HOME}:role/Admin"), "roleSessionName": "admin"});
            archive.call(&service, HOME, ("sts", "AssumeRole"), asked, answer);
        }
        _ => {
            let other = user_key("victim", OTHER, "AKIAEXAMPLENOISEOTHE", false);
            archive.reads(&other, OTHER);
        }
    }
}

/// Five takeovers. Each gives the arguments that ask about it, from its beginning, its middle and its end.
const TAKEOVERS: [&str; 5] = ["session to key", "key to user", "role chain", "console to CLI", "cross-account"];

fn takeover(archive: &mut Archive, which: &str, noises: &[u8]) -> Vec<[String; 2]> {
    let mut noises = noises.iter().copied().cycle();
    let mut others = |archive: &mut Archive| {
        if let Some(which) = noises.next() {
            noise(archive, which);
        }
    };
    others(archive);
    let event = |id: String| ["--event".to_owned(), id];
    let key =
        |caller: &Caller| ["--access-key".to_owned(), caller.identity["accessKeyId"].as_str().unwrap().to_owned()];
    match which {
        "session to key" => {
            // A session that somebody stole: its keys change as it goes.
            let session = archive.sign_in("victim", HOME, true);
            let first = archive.reads(&session, HOME);
            others(archive);
            let session = archive.renew(&session);
            let removal = archive.iam(
                &session,
                HOME,
                "DeactivateMFADevice",
                json!({"userName": "victim", "serialNumber": format!("arn:aws:iam::{HOME}:mfa/victim")}),
            );
            let made = archive.create_key(&session, "victim", HOME);
            others(archive);
            let last = archive.reads(&made, HOME);
            archive.iam(&made, HOME, "ListUsers", Value::Null);
            vec![event(first), event(removal), event(last), key(&made)]
        }
        "key to user" => {
            let stolen = archive.key("victim", HOME, true);
            let first = archive.reads(&stolen, HOME);
            archive.create_user(&stolen, "backdoor", HOME);
            others(archive);
            archive.iam(
                &stolen,
                HOME,
                "AttachUserPolicy",
                json!({"userName": "backdoor", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
            );
            archive.iam(&stolen, HOME, "CreateLoginProfile", json!({"userName": "backdoor"}));
            let made = archive.create_key(&stolen, "backdoor", HOME);
            others(archive);
            archive.reads(&made, HOME);
            let console = archive.sign_in("backdoor", HOME, true);
            let last = archive.reads(&console, HOME);
            let user = ["--user".to_owned(), "backdoor".to_owned()];
            vec![event(first), event(last), key(&stolen), key(&made), user]
        }
        "role chain" => {
            let stolen = archive.key("victim", HOME, true);
            let token = archive.token(&stolen);
            others(archive);
            let admin = archive.assume(&token, "Admin", HOME, "admin");
            let middle = archive.reads(&admin, HOME);
            let deploy = archive.assume(&admin, "Deploy", HOME, "deploy");
            others(archive);
            let audit = archive.assume(&deploy, "Audit", HOME, "audit");
            let back = archive.assume(&audit, "Admin", HOME, "admin");
            let last = archive.iam(
                &back,
                HOME,
                "UpdateAccessKey",
                json!({"userName": "admin", "accessKeyId": "AKIAEXAMPLEADMIN0000", "status": "Inactive"}),
            );
            vec![event(middle), event(last), key(&stolen), key(&deploy), key(&back)]
        }
        "console to CLI" => {
            // A password is reset for the console, and from there it goes on with a key and a token.
            let stolen = archive.key("helpdesk", HOME, true);
            archive.iam(&stolen, HOME, "UpdateLoginProfile", json!({"userName": "target"}));
            others(archive);
            let console = archive.sign_in("target", HOME, true);
            let middle = archive.reads(&console, HOME);
            let made = archive.create_key(&console, "target", HOME);
            let token = archive.token(&made);
            others(archive);
            let last = archive.reads(&token, HOME);
            vec![event(middle), event(last), key(&stolen), key(&token)]
        }
        _ => {
            let stolen = archive.key("victim", HOME, true);
            let first = archive.reads(&stolen, HOME);
            let there = archive.assume(&stolen, "Deploy", OTHER, "deploy");
            others(archive);
            let middle = archive.reads(&there, OTHER);
            archive.create_user(&there, "support", OTHER);
            let made = archive.create_key(&there, "support", OTHER);
            others(archive);
            let last = archive.reads(&made, OTHER);
            let back = archive.assume(&made, "Admin", HOME, "admin");
            archive.reads(&back, HOME);
            vec![event(first), event(middle), event(last), key(&stolen), key(&made)]
        }
    }
}

fn trace(source: &Path, arguments: &[&str]) -> Ran {
    mfatrail().arg("trace").arg(source).args(arguments).output().expect("it runs").into()
}

fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr))
}

/// The ids of what the trace says that its credentials did, or that began one.
fn done(document: &Value) -> BTreeSet<String> {
    let events = document["events"].as_array().unwrap().iter().filter(|event| event["relation"] != "about");
    events.map(|event| event["event_id"].as_str().unwrap().to_owned()).collect()
}

/// Asks all questions about a takeover.
fn hold(which: &str, noises: &[u8], shuffle: usize, threads: &str) {
    let home = tempfile::tempdir().unwrap();
    let mut archive = Archive::new();
    let questions = takeover(&mut archive, which, noises);
    noise(&mut archive, noises.first().copied().unwrap_or_default());
    archive.write(home.path(), shuffle);
    for [option, value] in questions {
        let ran = trace(home.path(), &[&option, &value, "--format", "json", "--threads", threads]);
        let document = document(&ran);
        let (done, asked) = (done(&document), format!("{which} {option} {value} {noises:?}"));
        let names = |ids: BTreeSet<&String>| -> Vec<String> {
            let of =
                |id: &String| archive.records.iter().find(|record| record["eventID"] == **id).map(Value::to_string);
            ids.into_iter().filter_map(of).collect()
        };
        assert_eq!(names(archive.attacker.difference(&done).collect()), Vec::<String>::new(), "{asked}: missing");
        assert_eq!(names(done.difference(&archive.attacker).collect()), Vec::<String>::new(), "{asked}: of others");
        let passes = document["coverage"]["passes"].as_u64().unwrap();
        assert!(passes <= 3 && ran.stderr.contains("reading the archive twice"), "{asked}: {passes} passes");
        assert_eq!((ran.status, &document["complete"]), (0, &json!(true)), "{asked}: {}", document["unknowns"]);
    }
}

#[test]
fn a_trace_finds_all_of_a_takeover_and_nothing_of_others() {
    for which in TAKEOVERS {
        for threads in ["1", "4"] {
            hold(which, &[0, 1, 2, 3, 4, 5], 3, threads);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn whatever_others_do_meanwhile(
        which in prop::sample::select(TAKEOVERS.to_vec()),
        noises in prop::collection::vec(0_u8..6, 1..8),
        shuffle in 0_usize..50,
    ) {
        hold(which, &noises, shuffle, "2");
    }
}

/// The five, each alone with its noise, as the terminal shows them.
#[test]
fn the_story_of_a_takeover_is_told() {
    for which in TAKEOVERS {
        let home = tempfile::tempdir().unwrap();
        let mut archive = Archive::new();
        let questions = takeover(&mut archive, which, &[2, 0, 1]);
        archive.write(home.path(), 5);
        let [option, value] = &questions[1];
        let ran = trace(home.path(), &[option, value]);
        insta::assert_snapshot!(which.replace(' ', "_"), ran.stdout);
    }
}

#[test]
fn the_question_at_night_takes_one_command() {
    let ran = trace(
        &root().join("fixtures/archive"),
        &["--user", "felix.moreau", "--from", "2026-10-14", "--to", "2026-10-15"],
    );
    insta::assert_snapshot!("felix", ran.stdout);
    // The sessions of the two who repaired it began before.
    assert_eq!(ran.status, 3, "{}", ran.stderr);
}

/// The archive of a takeover, and its questions.
fn made(which: &str) -> (tempfile::TempDir, Archive, Vec<[String; 2]>) {
    let home = tempfile::tempdir().unwrap();
    let mut archive = Archive::new();
    let questions = takeover(&mut archive, which, &[2, 0, 1]);
    archive.write(home.path(), 5);
    (home, archive, questions)
}

fn codes(document: &Value) -> BTreeSet<&str> {
    document["unknowns"].as_array().unwrap().iter().map(|unknown| unknown["code"].as_str().unwrap()).collect()
}

#[test]
fn timelines_have_the_columns_that_timesketch_requires() {
    let (home, archive, questions) = made("key to user");
    let [option, value] = &questions[0];
    let csv = trace(home.path(), &[option, value, "--format", "timeline-csv"]);
    let mut lines = csv.stdout.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(columns[..4], ["message", "timestamp", "datetime", "timestamp_desc"]);
    assert_eq!(lines.count(), archive.attacker.len());
    let jsonl = trace(home.path(), &[option, value, "--format", "timeline-jsonl"]);
    let mut before = String::new();
    for line in jsonl.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["message"].is_string() && event["timestamp_desc"] == "Event Time", "{line}");
        let time = event["datetime"].as_str().unwrap();
        let parsed = chrono::DateTime::parse_from_rfc3339(time).unwrap();
        assert!(time.ends_with("+00:00") && event["timestamp"] == parsed.timestamp_micros(), "{line}");
        assert!(*before <= *time, "in order of time");
        time.clone_into(&mut before);
        assert_eq!(event.as_object().unwrap().len(), columns.len());
    }
}

#[test]
fn every_form_says_the_same_for_any_number_of_threads() {
    let (home, ..) = made("cross-account");
    for format in ["text", "html", "timeline-csv", "timeline-jsonl"] {
        let of = |threads: &str| trace(home.path(), &["--user", "support", "--format", format, "--threads", threads]);
        let (one, more) = (of("1"), of("4"));
        // Of two runs, the page alone says when each was made.
        let [answer, other] =
            [&one, &more].map(|ran| ran.stdout.lines().filter(|line| !line.contains("Traced at")).collect::<Vec<_>>());
        assert_eq!(answer, other, "{format}");
        let left_out = one.stdout.lines().count() - answer.len();
        assert_eq!(left_out, usize::from(format == "html"), "{format}");
        assert!(one.stdout.contains("CreateUser") || format == "text", "{format}");
        assert_eq!(one.status, 0, "{}", one.stderr);
    }
}

#[test]
fn what_still_stands_is_told() {
    let home = tempfile::tempdir().unwrap();
    let mut archive = Archive::new();
    let stolen = archive.key("victim", HOME, true);
    archive.create_user(&stolen, "gone", HOME);
    let of_gone = archive.create_key(&stolen, "gone", HOME);
    archive.create_user(&stolen, "here", HOME);
    let inactive = archive.create_key(&stolen, "here", HOME);
    let standing = archive.create_key(&stolen, "here", HOME);
    archive.iam(&stolen, HOME, "CreateLoginProfile", json!({"userName": "here"}));
    let admin = user_key("admin", HOME, "AKIAEXAMPLEADMIN0000", false);
    let deletion = archive.iam(&admin, HOME, "DeleteUser", json!({"userName": "gone"}));
    let status = |key: &Caller, status: &str| json!({"userName": "here", "accessKeyId": key.identity["accessKeyId"], "status": status});
    archive.iam(&admin, HOME, "UpdateAccessKey", status(&inactive, "Inactive"));
    archive.iam(&admin, HOME, "UpdateAccessKey", status(&standing, "Inactive"));
    archive.iam(&admin, HOME, "UpdateAccessKey", status(&standing, "Active"));
    archive.write(home.path(), 1);
    let key = stolen.identity["accessKeyId"].as_str().unwrap();
    let ran = trace(home.path(), &["--access-key", key, "--format", "json"]);
    let document = document(&ran);
    let of = |kind: &str, name: &Value, owner: &str| {
        let all = document["effects"].as_array().unwrap();
        let own = all.iter().find(|one| one["kind"] == kind && one["name"] == *name && one["owner"] == owner);
        own.unwrap_or_else(|| panic!("{kind} {name}"))["standing"].as_str().unwrap()
    };
    let id = |key: &Caller| key.identity["accessKeyId"].clone();
    assert_eq!(of("user", &json!(""), "gone"), "ended");
    assert_eq!(of("access_key", &id(&of_gone), "gone"), "ended");
    assert_eq!(of("user", &json!(""), "here"), "stands");
    assert_eq!(of("access_key", &id(&inactive), "here"), "inactive");
    assert_eq!(of("access_key", &id(&standing), "here"), "stands");
    assert_eq!(of("password", &json!(""), "here"), "stands");
    // Whoever undid it did not do it.
    assert!(!done(&document).contains(&deletion));
    let about = document["events"].as_array().unwrap().iter().find(|event| event["event_id"] == *deletion).unwrap();
    assert_eq!((&about["relation"], &about["credential"]), (&json!("about"), &Value::Null));
    let steps = document["next_steps"].to_string();
    assert!(steps.contains("aws iam update-access-key --user-name here --access-key-id"), "{steps}");
    assert!(steps.contains("mfatrail respond here --stolen --account 111122223333"), "{steps}");
    assert!(!steps.contains("respond gone"), "{steps}");
}

#[test]
fn what_is_not_known_comes_first_and_makes_it_incomplete() {
    let (home, archive, questions) = made("role chain");
    let [option, value] = &questions[1];
    let middle = archive.records.iter().find(|record| record["eventID"] == **value).unwrap();
    let from = middle["eventTime"].as_str().unwrap();
    for (arguments, code) in [
        (vec!["--event", "no-such-event"], "not_found"),
        (vec!["--user", "nobody-at-all"], "not_found"),
        (vec!["--access-key", "AKIAEXAMPLENOWHERE00"], "not_found"),
        (vec![option, value, "--from", from], "beginning_unknown"),
        (vec![option, value, "--from", "2026-10-02"], "nothing_read"),
    ] {
        let ran = trace(home.path(), &[&arguments[..], &["--format", "json"]].concat());
        let document = document(&ran);
        assert!(codes(&document).contains(code), "{arguments:?}: {}", document["unknowns"]);
        assert_eq!((ran.status, &document["complete"]), (3, &json!(false)), "{arguments:?}");
        let text = trace(home.path(), &arguments).stdout;
        let (title, unknown) = (text.find("Trace of").unwrap(), text.find("\nNot known\n  ! ").unwrap());
        assert!(title < unknown && text.find("\nIn short").is_none_or(|answer| unknown < answer), "{text}");
    }
    // An object that cannot be read.
    let folder = home.path().join(format!("AWSLogs/{HOME}/CloudTrail/us-east-1/2026/10/01"));
    fs::write(
        folder.join(format!("{HOME}_CloudTrail_us-east-1_20261001T2300Z_0000000000000999.json.gz")),
        b"\x1f\x8b\x08broken",
    )
    .unwrap();
    let ran = trace(home.path(), &[option, value, "--format", "json"]);
    assert!(codes(&document(&ran)).contains("objects_unreadable"), "{}", ran.stdout);
    assert_eq!(ran.status, 3);
}

#[test]
fn a_session_that_left_for_an_account_that_was_not_read_is_named() {
    let home = tempfile::tempdir().unwrap();
    let mut archive = Archive::new();
    let stolen = archive.key("victim", HOME, true);
    let there = archive.assume(&stolen, "Deploy", "999900001111", "deploy");
    archive.reads(&there, "999900001111");
    archive.write(home.path(), 0);
    let key = stolen.identity["accessKeyId"].as_str().unwrap();
    let ran = trace(home.path(), &["--access-key", key, "--format", "json"]);
    let document = document(&ran);
    assert!(codes(&document).contains("account_not_read"), "{}", document["unknowns"]);
    assert_eq!(ran.status, 3);
}

#[test]
fn records_that_bear_one_id_are_all_told() {
    let (home, archive, questions) = made("role chain");
    let [_, value] = &questions[1];
    let mut forged = archive.records.iter().find(|record| record["eventID"] == **value).unwrap().clone();
    forged["userIdentity"] = user_key("admin", HOME, "AKIAEXAMPLEADMIN0000", false).identity;
    let folder = home.path().join(format!("AWSLogs/{HOME}/CloudTrail/us-east-1/2026/10/01"));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(json!({"Records": [forged]}).to_string().as_bytes()).unwrap();
    let name = format!("{HOME}_CloudTrail_us-east-1_20261001T2300Z_0000000000000999.json.gz");
    fs::write(folder.join(name), gzip.finish().unwrap()).unwrap();
    let ran = trace(home.path(), &["--event", value, "--format", "json"]);
    let document = document(&ran);
    let codes = codes(&document);
    assert!(codes.contains("conflict") && codes.contains("several_users"), "{codes:?}");
    assert_eq!(ran.status, 3);
    assert!(archive.attacker.is_subset(&done(&document)), "the forged record takes nothing away");
}

#[test]
fn one_name_in_several_accounts_or_lives_is_said_and_an_arn_tells_which() {
    let home = tempfile::tempdir().unwrap();
    let mut archive = Archive::new();
    let one = user_key("twin", HOME, "AKIAEXAMPLETWIN00001", false);
    archive.reads(&one, HOME);
    let mut other = user_key("twin", OTHER, "AKIAEXAMPLETWIN00002", false);
    other.identity["principalId"] = json!("AIDAEXAMPLEANOTHER");
    archive.reads(&other, OTHER);
    let mut again = user_key("twin", HOME, "AKIAEXAMPLETWIN00003", false);
    again.identity["principalId"] = json!("AIDAEXAMPLEREBORN");
    archive.reads(&again, HOME);
    archive.write(home.path(), 0);
    let of = |user: &str| document(&trace(home.path(), &["--user", user, "--format", "json"]));
    let all = of("TWIN");
    assert_eq!((codes(&all).contains("several_users"), done(&all).len()), (true, 3));
    let there = of(&format!("arn:aws:iam::{OTHER}:user/twin"));
    assert_eq!((codes(&there).contains("several_users"), done(&there).len()), (false, 1));
}

#[test]
fn chains_that_lead_back_into_themselves_end() {
    let home = tempfile::tempdir().unwrap();
    let mut archive = Archive::new();
    let first = archive.key("victim", HOME, true);
    let session = archive.assume(&first, "Admin", HOME, "admin");
    let second = archive.assume(&session, "Deploy", HOME, "deploy");
    // A forged record: the second handed out the first.
    let answer = json!({"credentials": {"accessKeyId": session.identity["accessKeyId"]}});
    archive.call(&second, HOME, ("sts", "AssumeRole"), Value::Null, answer);
    let key =
        |caller: &Caller| json!({"accessKey": {"accessKeyId": caller.identity["accessKeyId"], "userName": "victim"}});
    archive.call(&first, HOME, ("iam", "CreateAccessKey"), json!({"userName": "victim"}), key(&first));
    archive.write(home.path(), 0);
    for caller in [&first, &session, &second] {
        let key = caller.identity["accessKeyId"].as_str().unwrap();
        let ran = trace(home.path(), &["--access-key", key, "--format", "json"]);
        let document = document(&ran);
        assert_eq!(done(&document), archive.attacker, "{key}");
        // Two callers claim to have begun the session.
        assert!(codes(&document).contains("conflict"), "{}", document["unknowns"]);
        assert_eq!(ran.status, 3);
        let text = trace(home.path(), &["--access-key", key]);
        assert!(text.stdout.contains("Who held what"), "{}", text.stdout);
    }
}

#[test]
fn a_forged_beginning_hides_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut archive = Archive::new();
    let stolen = archive.key("victim", HOME, true);
    let innocent = user_key("admin", HOME, "AKIAEXAMPLEADMIN0000", true);
    // Before the real call, a record says that somebody else began the session.
    let answer = json!({"credentials": {"accessKeyId": "ASIAEXAMPLE000000003"}});
    archive.call(&innocent, HOME, ("sts", "AssumeRole"), Value::Null, answer);
    let session = archive.assume(&stolen, "Admin", HOME, "admin");
    assert_eq!(session.identity["accessKeyId"], "ASIAEXAMPLE000000003");
    let event = archive.reads(&session, HOME);
    archive.write(home.path(), 0);
    let ran = trace(home.path(), &["--event", &event, "--format", "json"]);
    let document = document(&ran);
    assert_eq!(done(&document), archive.attacker);
    assert!(codes(&document).contains("conflict") && ran.status == 3, "{}", document["unknowns"]);
}

#[test]
fn a_search_follows_keys_passwords_users_and_roles_in_two_passes() {
    for which in ["key to user", "role chain", "console to CLI", "cross-account"] {
        let (home, archive, questions) = made(which);
        let first = questions.iter().find(|[option, _]| option == "--access-key").unwrap();
        let ran: Ran = mfatrail()
            .arg("search")
            .arg(home.path())
            .args([&first[0], &first[1], "--follow"])
            .output()
            .expect("it runs")
            .into();
        let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["eventID"].as_str().unwrap().to_owned();
        let found: BTreeSet<String> = ran.stdout.lines().map(id).collect();
        assert_eq!(found, archive.attacker, "{which}");
        assert!(ran.stderr.contains("in 1 more pass;") && !ran.stderr.contains("omitted"), "{which}: {}", ran.stderr);
    }
}

#[test]
fn whoever_created_a_key_long_before_is_named_and_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let mut archive = Archive::new();
    let admin = archive.sign_in("admin", HOME, false);
    let made = archive.create_key(&admin, "victim", HOME);
    archive.create_user(&admin, "somebody", HOME);
    archive.clock += 10 * 86_400;
    let stolen = Caller { is_attacker: true, address: ATTACKER, ..made };
    let event = archive.reads(&stolen, HOME);
    archive.write(home.path(), 0);
    let of = |more: &[&str]| document(&trace(home.path(), &[&["--event", &event, "--format", "json"], more].concat()));
    let near = of(&[]);
    assert!(codes(&near).contains("maker_not_followed"), "{}", near["unknowns"]);
    let calls: BTreeSet<&str> =
        near["events"].as_array().unwrap().iter().map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(calls, BTreeSet::from(["ListBuckets", "CreateAccessKey"]));
    let far = of(&["--reach", "30d"]);
    assert!(!codes(&far).contains("maker_not_followed"), "{}", far["unknowns"]);
    assert!(far["events"].to_string().contains("CreateUser"));
}

#[test]
fn nothing_that_a_stranger_wrote_is_taken_for_a_command() {
    let home = tempfile::tempdir().unwrap();
    let mut archive = Archive::new();
    let hostile = "\u{1b}[31m\u{202e}=cmd<script>alert(1)</script>`id`";
    let mut stolen = archive.key("victim", HOME, true);
    stolen.identity["arn"] = json!(format!("arn:aws:iam::{HOME}:user/{hostile}"));
    let event = archive.reads(&stolen, HOME);
    archive.create_user(&stolen, hostile, HOME);
    archive.records.iter_mut().for_each(|record| record["userAgent"] = json!(hostile));
    archive.write(home.path(), 0);
    for format in ["text", "json", "html", "timeline-csv", "timeline-jsonl"] {
        let ran = trace(home.path(), &["--event", &event, "--format", format]);
        for text in [&ran.stdout, &ran.stderr] {
            assert!(text.chars().all(|c| c == '\n' || (!c.is_control() && c != '\u{202e}')), "{format}: {text}");
        }
        assert!(format != "html" || !ran.stdout.contains("<script>alert(1)"), "{format}");
        assert!(!ran.stdout.contains("respond \u{1b}") && !ran.stdout.contains("--user-name `id`"), "{format}");
        assert_eq!(ran.status, 0, "{format}: {}", ran.stderr);
    }
}

#[test]
fn iam_state_says_what_is_there() {
    let ran = trace(
        &root().join("fixtures/archive"),
        &[
            "--user",
            "felix.moreau",
            "--from",
            "2026-10-14",
            "--to",
            "2026-10-15",
            "--iam",
            "fixtures/iam",
            "--iam-as-of",
            "2026-11-02",
            "--format",
            "json",
        ],
    );
    let document = document(&ran);
    let of = |kind: &str, name: &str| {
        let all = document["effects"].as_array().unwrap();
        let own = all.iter().find(|one| {
            one["kind"] == kind && one["action"] == "made" && one["name"].as_str().unwrap().ends_with(name)
        });
        own.unwrap_or_else(|| panic!("{kind} {name}"))["iam"].clone()
    };
    assert_eq!(of("mfa_device", "felix-x"), "absent");
    assert_eq!(of("mfa_device", "felix-3"), "present");
    assert_eq!(of("password", ""), "present");
}

#[test]
fn a_window_is_traced_by_its_opening_event_or_its_incident() {
    let event = "f7ec58ac-b3c4-4967-9791-6c388dfd1988";
    let of = |option: &str, value: &str| {
        trace(&root().join("fixtures/archive"), &[option, value, "--format", "timeline-csv"]).stdout
    };
    let plain = of("--event", event);
    assert!(plain.contains("DeactivateMFADevice"), "{plain}");
    assert_eq!(of("--window", event), plain);
    assert_eq!(of("--window", &format!("mfatrail:444455556666:{event}")), plain);
}

#[test]
fn what_names_no_credentials_is_traced_by_what_it_issued_or_not_at_all() {
    let home = tempfile::tempdir().unwrap();
    let mut archive = Archive::new();
    let stolen = archive.key("victim", HOME, true);
    let session = archive.assume(&stolen, "Deploy", OTHER, "deploy");
    archive.reads(&session, OTHER);
    // The copy of the call that the role's account got.
    let copy = archive.records.iter().find(|record| record["userIdentity"]["type"] == "AWSAccount").unwrap();
    let copy = copy["eventID"].as_str().unwrap().to_owned();
    let nobody = Caller {
        identity: json!({"type": "IAMUser", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS", "accountId": HOME}),
        address: ATTACKER,
        is_attacker: false,
    };
    let failed =
        archive.call(&nobody, HOME, ("signin", "ConsoleLogin"), Value::Null, json!({"ConsoleLogin": "Failure"}));
    archive.write(home.path(), 0);
    let of = |event: &str| document(&trace(home.path(), &["--event", event, "--format", "json"]));
    assert_eq!(done(&of(&copy)), archive.attacker);
    let of_failed = of(&failed);
    assert_eq!(done(&of_failed), BTreeSet::from([failed]));
    assert!(codes(&of_failed).contains("no_credential"), "{}", of_failed["unknowns"]);
}

#[test]
fn a_store_tells_from_when_on_to_read() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("evidence");
    let archive = root().join("fixtures/archive");
    let scanned = mfatrail().arg("scan").arg(&archive).arg("--store").arg(&store).output().expect("it runs");
    assert!([0, 3].contains(&Ran::from(scanned).status));
    let event = "f7ec58ac-b3c4-4967-9791-6c388dfd1988";
    let of = |more: &[&str]| trace(&archive, &[&["--event", event, "--format", "json"], more].concat());
    let (all, by_store) = (of(&[]), of(&["--store", store.to_str().unwrap()]));
    let told = "by the store, the event happened at 2026-10-14T02:00:00Z: reading from 2026-10-11T02:00:00Z on";
    assert!(by_store.stderr.contains(told), "{}", by_store.stderr);
    let (all, by_store) = (document(&all), document(&by_store));
    assert_eq!((&all["events"], &all["credentials"]), (&by_store["events"], &by_store["credentials"]));
    let read = |document: &Value| document["coverage"]["objects_read"].as_u64().unwrap();
    assert!(read(&by_store) < read(&all), "{} of {}", read(&by_store), read(&all));
    let elsewhere = trace(&archive, &["--event", "no-such-event", "--store", store.to_str().unwrap()]);
    assert!(elsewhere.stderr.contains("the store does not have this event: reading the whole archive"));
    assert_eq!(trace(&archive, &["--event", event, "--store", "no-such-store"]).status, 2);
}

#[test]
fn what_cannot_be_traced_is_refused_before_any_work() {
    let archive = root().join("fixtures/archive");
    for (arguments, told) in [
        (&[][..], "--event"),
        (&["--user", "a", "--event", "b"], "cannot be used with"),
        (&["--user", "feli*"], "is a pattern\n  hint: a trace is about one user"),
        (&["--user", ""], "is not a user's name"),
        (&["--user", "arn:aws:sts::111122223333:assumed-role/Admin/alice"], "is not the ARN of a user\n  hint: "),
        (&["--event", ""], "`--event` is empty\n  hint: "),
        (&["--window", "mfatrail:111122223333:"], "`--window` is empty"),
        (&["--window", "8"], "windows are numbered per report"),
        (&["--window", "#8"], "or mfatrail:ACCOUNT:EVENT"),
        (&["--access-key", "AKIA/SECRET"], "is not an access key ID\n  hint: "),
        (&["--user", "a", "--reach", "soon"], "`--reach`: "),
        (&["--user", "a", "--from", "2026-10-02", "--to", "2026-10-01"], "is not before `--to`"),
        (&["--user", "a", "--iam", "live"], "`--iam live`: a trace makes no calls to IAM\n  hint: "),
        (&["--user", "a", "--iam", "no-such-folder"], "no-such-folder"),
        (&["--user", "a", "--account", "999999999999"], "`--account`"),
    ] {
        let ran = trace(&archive, arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
    }
    let ran = trace(Path::new("-"), &["--user", "a"]);
    assert!(ran.status == 2 && ran.stderr.contains("reads the source more than once"), "{}", ran.stderr);
}
