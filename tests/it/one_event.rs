//! What counts as one event: copies, records that say an act again, and records that bear an id and say something else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use mfatrail::hash::{hex, sha256};
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;
use polars_io::parquet::write::{KeyValueMetadata, ParquetWriter};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::run::{Ran, json, mfatrail};
use crate::support::store as support;

const ACCOUNT: &str = "111122223333";

/// An IAM user as `userIdentity`.
fn user(name: &str) -> Value {
    json!({
        "type": "IAMUser", "principalId": format!("AIDA{}", name.to_uppercase()), "accountId": ACCOUNT, "userName": name,
        "arn": format!("arn:aws:iam::{ACCOUNT}:user/{name}"), "accessKeyId": "AKIAEXAMPLE",
    })
}

/// A call by `admin` about alice, under an id.
fn call(id: &str, time: &str, name: &str) -> Value {
    json!({
        "eventVersion": "1.11", "userIdentity": user("admin"), "eventTime": time, "eventSource": "iam.amazonaws.com",
        "eventName": name, "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.9", "userAgent": "aws-cli/2",
        "requestParameters": {"userName": "alice", "serialNumber": format!("arn:aws:iam::{ACCOUNT}:mfa/alice")},
        "responseElements": null, "requestID": "r", "eventID": id, "readOnly": name.starts_with("List"),
        "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": ACCOUNT, "eventCategory": "Management",
    })
}

/// The record with other members.
fn with(mut record: Value, members: Value) -> Value {
    let (Some(record_members), Some(new)) = (record.as_object_mut(), members.as_object()) else { panic!("objects") };
    for (key, value) in new {
        record_members.insert(key.clone(), value.clone());
    }
    record
}

/// The record under an id of its own, as one that says another again.
fn again(record: &Value, id: &str, original: &str, members: Value) -> Value {
    let addendum = json!({"reason": "UPDATED_DATA", "updatedFields": "userAgent", "originalEventID": original});
    with(with(record.clone(), json!({"eventID": id, "addendum": addendum})), members)
}

/// The record with its keys the other way round, in every object, and white space.
fn reordered(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().rev().map(|(key, value)| format!("{} : {}", json!(key), reordered(value))).collect();
            format!("{{ {} }}", members.join(" ,\n "))
        }
        Value::Array(elements) => {
            format!("[ {} ]", elements.iter().map(reordered).collect::<Vec<_>>().join(" , "))
        }
        other => other.to_string(),
    }
}

/// The key of an object of one of two trails that was delivered on a day of October.
fn key(trail: &str, day: u32, name: &str) -> String {
    format!(
        "{trail}/AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2026/10/{day:02}/{ACCOUNT}_CloudTrail_us-east-1_202610{day:02}T1005Z_{name}.json.gz"
    )
}

/// An archive: objects by key, each with its text.
struct Archive {
    home: TempDir,
}

impl Archive {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// With alice's beginnings: created, with a password and a device, on the first.
    fn of_alice() -> Self {
        let archive = Self::new();
        let records = [
            call("e-1", "2026-10-01T08:00:00Z", "CreateUser"),
            call("e-2", "2026-10-01T08:00:01Z", "CreateLoginProfile"),
            call("e-3", "2026-10-01T08:00:02Z", "EnableMFADevice"),
        ];
        archive.put(&key("one", 1, "AAAA"), &records);
        archive
    }

    fn put(&self, key: &str, records: &[Value]) {
        self.put_text(key, &json!({"Records": records}).to_string());
    }

    fn put_text(&self, key: &str, text: &str) {
        let path = self.archive().join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn archive(&self) -> PathBuf {
        self.home.path().join("archive")
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let output = mfatrail().current_dir(self.home.path()).args(arguments).output().unwrap();
        output.into()
    }

    /// The October report, by whichever way: they must say the same.
    fn report(&self) -> (i32, Value) {
        let one = self.report_by(&["archive", "--threads", "1"], "one");
        let many = self.report_by(&["archive", "--threads", "4"], "many");
        assert_eq!(many, one, "many threads");
        let ran = self.run(&["scan", "archive", "--store", "store", "--commit-every", "1"]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let checked = self.run(&["store", "check", "--store", "store"]);
        assert_eq!(checked.status, 0, "{}{}", checked.stdout, checked.stderr);
        let stored = self.report_by(&["--store", "store"], "stored");
        assert_eq!(stored, one, "the store");
        one
    }

    fn report_by(&self, arguments: &[&str], name: &str) -> (i32, Value) {
        let out = self.home.path().join(name);
        let more = ["--month", "2026-10", "--as-of", "2026-11-02", "--out", name];
        let ran = self.run(&[&["report"], arguments, &more].concat());
        assert!(matches!(ran.status, 0 | 3), "{}", ran.stderr);
        (ran.status, json(&out))
    }
}

/// Who was without MFA from when to when.
fn windows(report: &Value) -> Vec<[String; 3]> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let list = report["windows"].as_array().unwrap().iter();
    list.map(|window| [&window["principal"]["name"], &window["opened_at"], &window["closed_at"]].map(text)).collect()
}

fn conflicts(report: &Value) -> Vec<(String, Vec<String>, Vec<String>)> {
    let texts = |value: &Value| {
        let names = value.as_array().unwrap().iter().map(|name| name.as_str().unwrap().rsplit('_').next().unwrap());
        names.map(|name| name.trim_end_matches(".json.gz").to_owned()).collect()
    };
    let list = report["coverage"]["conflicts"].as_array().unwrap().iter();
    list.map(|one| {
        assert_eq!(one["account"], ACCOUNT);
        (one["event_id"].as_str().unwrap().to_owned(), texts(&one["objects"]), texts(&one["kept"]))
    })
    .collect()
}

const OFF: &str = "2026-10-05T08:00:00Z";
const ON: &str = "2026-10-06T08:00:00Z";

/// alice's window from the fifth to the sixth, beside the one before her first device.
fn first_and(opened: &[[&str; 2]]) -> Vec<[String; 3]> {
    let window = |[from, to]: [&str; 2]| ["alice", from, to].map(str::to_owned);
    let first = ["2026-10-01T08:00:01Z", "2026-10-01T08:00:02Z"];
    std::iter::once(first).chain(opened.iter().copied()).map(window).collect()
}

#[test]
fn a_record_that_says_an_act_again_is_the_same_act() {
    let off = call("e-4", OFF, "DeactivateMFADevice");
    let on = call("e-5", ON, "EnableMFADevice");
    let update = |id: &str, original: &str, agent: &str| again(&off, id, original, json!({"userAgent": agent}));
    let refused = with(off.clone(), json!({"errorCode": "AccessDenied"}));
    // Objects of days, and of the one deactivation its id, its addenda and the agent that it shows.
    type Case<'c> = (&'c str, Vec<(u32, Vec<Value>)>, (&'c str, Vec<&'c str>, &'c str));
    let cases: Vec<Case<'_>> = vec![
        ("one object", vec![(5, vec![off.clone(), update("u-1", "e-4", "one")])], ("e-4", vec!["u-1"], "one")),
        ("the update first", vec![(5, vec![update("u-1", "e-4", "one"), off.clone()])], ("e-4", vec!["u-1"], "one")),
        (
            "another day",
            vec![(5, vec![off.clone()]), (9, vec![update("u-1", "e-4", "one")])],
            ("e-4", vec!["u-1"], "one"),
        ),
        (
            "delivered before",
            vec![(7, vec![off.clone()]), (6, vec![update("u-1", "e-4", "one")])],
            ("e-4", vec!["u-1"], "one"),
        ),
        (
            "several",
            vec![
                (5, vec![off.clone()]),
                (8, vec![update("u-1", "e-4", "one")]),
                (7, vec![update("u-2", "e-4", "two")]),
            ],
            ("e-4", vec!["u-1", "u-2"], "one"),
        ),
        (
            "a chain",
            vec![
                (5, vec![off.clone()]),
                (7, vec![update("u-2", "u-1", "two")]),
                (8, vec![update("u-1", "e-4", "one")]),
            ],
            ("e-4", vec!["u-1", "u-2"], "two"),
        ),
        ("without the original", vec![(5, vec![update("u-1", "gone", "one")])], ("u-1", vec![], "one")),
        (
            "several without the original",
            vec![(5, vec![update("u-1", "gone", "one")]), (7, vec![update("u-2", "gone", "two")])],
            ("u-1", vec!["u-2"], "two"),
        ),
        ("of itself", vec![(5, vec![update("u-1", "u-1", "one")])], ("u-1", vec![], "one")),
        (
            "only late",
            vec![(5, vec![with(off.clone(), json!({"addendum": {"reason": "DELIVERY_DELAY"}}))])],
            ("e-4", vec![], "aws-cli/2"),
        ),
        (
            "refused, and then not",
            vec![(5, vec![refused.clone()]), (6, vec![update("u-1", "e-4", "one")])],
            ("e-4", vec!["u-1"], "one"),
        ),
        (
            "in two objects each",
            vec![
                (5, vec![off.clone()]),
                (6, vec![off.clone()]),
                (7, vec![update("u-1", "e-4", "one")]),
                (8, vec![update("u-1", "e-4", "one")]),
            ],
            ("e-4", vec!["u-1"], "one"),
        ),
    ];
    for (what, objects, (id, addenda, agent)) in cases {
        let archive = Archive::of_alice();
        let mut names = BTreeSet::new();
        for (day, records) in objects {
            let key = key("one", day, "DDDD");
            archive.put(&key, &records);
            names.insert(key);
        }
        archive.put(&key("one", 10, "EEEE"), std::slice::from_ref(&on));
        let (status, report) = archive.report();
        assert_eq!(status, 0, "{what}");
        assert_eq!(windows(&report), first_and(&[[OFF, ON]]), "{what}");
        assert_eq!(report["figures"]["deactivations"]["total"], 1, "{what}");
        assert_eq!(report["figures"]["deactivations"]["failed_attempts"], 0, "{what}");
        assert_eq!(report["reconciliation"], json!([]), "{what}");
        assert_eq!(report["coverage"]["conflicts"], json!([]), "{what}");
        let events: Vec<&Value> = report["events"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["event_name"] == "DeactivateMFADevice")
            .collect();
        let [event] = events.as_slice() else { panic!("{what}: {events:?}") };
        assert_eq!(
            [&event["event_id"], &event["addenda"], &event["user_agent"]],
            [&json!(id), &json!(addenda), &json!(agent)],
            "{what}"
        );
        assert_eq!(event["objects"], json!(names), "{what}");
        // The alert of a rule that saw the update is about this event.
        for id in addenda.iter().chain([&id]) {
            let alerts = archive.home.path().join("alerts.csv");
            fs::write(&alerts, format!("detected_at,source,reference,event_id\n2026-10-05T09:00:00Z,siem,A-1,{id}\n"))
                .unwrap();
            let (_, report) = archive.report_by(&["archive", "--detections", "alerts.csv"], &format!("alert-{id}"));
            assert_eq!(report["windows"][1]["detection"]["reference"], "A-1", "{what} {id}");
        }
        let found = archive.run(&["search", "archive", "--event-name", "DeactivateMFADevice"]);
        assert_eq!((found.status, found.stdout.lines().count()), (0, 1), "{what}: {}", found.stderr);
        assert_eq!(serde_json::from_str::<Value>(&found.stdout).unwrap()["userAgent"], agent, "{what}");
        let found = archive.run(&[
            "search",
            "archive",
            "--event-name",
            "DeactivateMFADevice",
            "--count-by",
            "userAgent",
            "--format",
            "csv",
        ]);
        assert_eq!(found.stdout.lines().nth(1), Some(format!("1,{agent}").as_str()), "{what}");
        let history =
            archive.run(&["history", "--store", "store", "--event", "DeactivateMFADevice", "--format", "json"]);
        let rows: Vec<Value> = serde_json::from_str(&history.stdout).unwrap();
        assert_eq!((history.status, rows.len()), (0, 1), "{what}: {}", history.stderr);
        let row = [&rows[0]["event_id"], &rows[0]["addenda"], &rows[0]["outcome"]];
        assert_eq!(row, [&json!(id), &json!(addenda), &json!("success")], "{what}");
    }
}

/// A record that bears the id of alice's deactivation, and what it is.
fn planted(name: &str) -> Value {
    let off = call("e-4", OFF, "DeactivateMFADevice");
    match name {
        "refused" => with(off, json!({"errorCode": "AccessDenied"})),
        "later" => with(off, json!({"eventTime": "2026-10-30T08:00:00Z"})),
        "earlier" => with(off, json!({"eventTime": "2026-10-04T08:00:00Z"})),
        "of another year" => with(off, json!({"eventTime": "2024-10-04T08:00:00Z"})),
        "of another user" => with(
            off,
            json!({"requestParameters": {"userName": "bob", "serialNumber": "arn:aws:iam::111122223333:mfa/bob"}}),
        ),
        "an enrolment" => with(off, json!({"eventName": "EnableMFADevice"})),
        "a deletion" => with(off, json!({"eventName": "DeleteUser"})),
        "a password removed" => with(off, json!({"eventName": "DeleteLoginProfile"})),
        "a creation" => with(off, json!({"eventName": "CreateUser"})),
        "a deny" => with(
            off,
            json!({"eventName": "AttachUserPolicy", "requestParameters": {"userName": "alice", "policyArn": "arn:aws:iam::aws:policy/AWSDenyAll"}}),
        ),
        "by herself" => with(off, json!({"userIdentity": user("alice")})),
        "with another agent" => with(off, json!({"userAgent": "other"})),
        "with one more member" => with(off, json!({"x": null})),
        "an update that takes it back" => again(&off, "u-1", "e-4", json!({"errorCode": "AccessDenied"})),
        "an update that is elsewhere" => again(&off, "u-1", "e-4", json!({"eventTime": "2025-01-01T00:00:00Z"})),
        other => panic!("{other}"),
    }
}

const PLANTED: [&str; 15] = [
    "refused",
    "later",
    "earlier",
    "of another year",
    "of another user",
    "an enrolment",
    "a deletion",
    "a password removed",
    "a creation",
    "a deny",
    "by herself",
    "with another agent",
    "with one more member",
    "an update that takes it back",
    "an update that is elsewhere",
];

#[test]
fn a_record_that_bears_the_id_of_another_takes_no_exposure_away() {
    let off = call("e-4", OFF, "DeactivateMFADevice");
    for what in PLANTED {
        // Whichever object is read first.
        for name in ["0000", "ZZZZ"] {
            let archive = Archive::of_alice();
            archive.put(&key("one", 5, "MMMM"), std::slice::from_ref(&off));
            archive.put(&key("one", 5, name), &[planted(what)]);
            let (status, report) = archive.report();
            // What is of another year a report of October does not read.
            let read = !["of another year", "an update that is elsewhere"].contains(&what);
            assert_eq!((status, &report["coverage"]["complete"]), (if read { 3 } else { 0 }, &json!(!read)), "{what}");
            let mut both = vec!["MMMM".to_owned(), name.to_owned()];
            both.sort();
            let named = [("e-4".to_owned(), both.clone(), both)];
            assert_eq!(conflicts(&report), named[usize::from(!read)..], "{what}");
            let notices = report["notices"].as_array().unwrap();
            let said: Vec<_> = notices.iter().filter(|notice| notice["code"] == "event-conflict").collect();
            assert_eq!(said.len(), usize::from(read), "{what}: {notices:?}");
            for (said, part) in said.iter().flat_map(|said| ["e-4", "MMMM", name].map(|part| (said, part))) {
                assert!(said["text"].as_str().unwrap().contains(part), "{what}: {said}");
            }
            let opened: Vec<_> =
                windows(&report).into_iter().filter(|window| window[0] == "alice" && window[2] == "-").collect();
            let from = if what == "earlier" { "2026-10-04T08:00:00Z" } else { OFF };
            assert_eq!(opened, [["alice", from, "-"].map(str::to_owned)], "{what}");
            let found =
                archive.run(&["search", "archive", "--event-source", "iam", "--from", "2024-01-01", "--text", "e-4"]);
            assert_eq!((found.status, found.stdout.lines().count()), (3, 2), "{what}: {}", found.stderr);
            assert!(found.stderr.contains("MMMM") && found.stderr.contains(name), "{what}: {}", found.stderr);
            let counted = archive.run(&[
                "search",
                "archive",
                "--text",
                "e-4",
                "--count-by",
                "recipientAccountId",
                "--format",
                "csv",
            ]);
            assert_eq!(
                (counted.status, counted.stdout.lines().nth(1)),
                (3, Some("2,111122223333")),
                "{what}: {}",
                counted.stderr
            );
            let history = archive.run(&[
                "history",
                "--store",
                "store",
                "--user",
                "alice",
                "--as-of",
                "2026-10-29",
                "--format",
                "json",
            ]);
            assert_eq!(history.status, 3, "{what}: {}", history.stderr);
            assert!(history.stderr.contains("e-4"), "{what}: {}", history.stderr);
            let rows: Vec<Value> = serde_json::from_str(&history.stdout).unwrap();
            assert!(rows.iter().all(|row| row["device"].is_null()), "{what}: {rows:?}");
        }
    }
}

/// What may stand in an object's place: its text, and whether it can be read.
fn overwritten(what: &str) -> (String, bool) {
    match what {
        "nothing" => (r#"{"Records":[]}"#.to_owned(), true),
        "damage" => ("{".to_owned(), false),
        "no bytes" => (String::new(), false),
        "another event" => {
            (json!({"Records": [call("e-9", "2026-10-07T08:00:00Z", "ListMFADevices")]}).to_string(), true)
        }
        planted => (json!({"Records": [self::planted(planted)]}).to_string(), true),
    }
}

#[test]
fn an_object_that_is_overwritten_takes_no_exposure_away() {
    let off = call("e-4", OFF, "DeactivateMFADevice");
    for what in PLANTED.into_iter().chain(["nothing", "damage", "no bytes", "another event"]) {
        let archive = Archive::of_alice();
        archive.put(&key("one", 5, "MMMM"), std::slice::from_ref(&off));
        let scan = ["scan", "archive", "--store", "store"];
        assert_eq!(archive.run(&scan).status, 0);
        let (text, is_read) = overwritten(what);
        archive.put_text(&key("one", 5, "MMMM"), &text);
        assert_eq!(archive.run(&scan).status, if is_read { 0 } else { 3 }, "{what}");
        let checked = archive.run(&["store", "check", "--store", "store"]);
        assert_eq!(checked.status, 0, "{what}: {}{}", checked.stdout, checked.stderr);
        let (status, report) = archive.report_by(&["--store", "store", "--bundle", "bundle.zip"], "stored");
        assert_eq!((status, &report["coverage"]["complete"]), (3, &json!(false)), "{what}");
        if is_read {
            let named = [("e-4".to_owned(), vec!["MMMM".to_owned()], vec!["MMMM".to_owned()])];
            assert_eq!(conflicts(&report), named, "{what}");
            let codes = report["notices"].to_string();
            assert!(codes.contains("object-replaced") && codes.contains("event-conflict"), "{what}: {codes}");
        }
        let open = |report: &Value| {
            let own = |window: &[String; 3]| window[0] == "alice" && window[2] == "-";
            windows(report).into_iter().filter(own).collect::<Vec<_>>()
        };
        let from = if what == "earlier" { "2026-10-04T08:00:00Z" } else { OFF };
        assert_eq!(open(&report), [["alice", from, "-"].map(str::to_owned)], "{what}");
        let again = archive.run(&["report", "--from-bundle", "bundle.zip", "--out", "again"]);
        assert_eq!((again.status, &json(&archive.home.path().join("again"))), (3, &report), "{what}: {}", again.stderr);
        let as_of = ["--user", "alice", "--as-of", "2026-10-29", "--format", "json"];
        let history = archive.run(&[&["history", "--store", "store"], &as_of[..]].concat());
        assert_eq!(history.status, 3, "{what}: {}", history.stderr);
        assert!(!is_read || history.stderr.contains("e-4"), "{what}: {}", history.stderr);
        let rows: Vec<Value> = serde_json::from_str(&history.stdout).unwrap();
        assert!(rows.iter().all(|row| row["device"].is_null()), "{what}: {rows:?}");
        // Restored, it is as if nothing had been, but for whatever the other content says and makes worse.
        archive.put(&key("one", 5, "MMMM"), std::slice::from_ref(&off));
        archive.run(&scan);
        let (status, report) = archive.report_by(&["--store", "store"], "restored");
        assert_eq!(open(&report), [["alice", from, "-"].map(str::to_owned)], "{what}");
        let is_of_october =
            !["nothing", "damage", "no bytes", "of another year", "an update that is elsewhere"].contains(&what);
        assert_eq!(status, if is_of_october { 3 } else { 0 }, "{what}: {}", report["notices"]);
    }
}

/// What else may be done beside overwriting, so that it is not noticed.
#[test]
fn what_was_overwritten_is_not_made_up_for_elsewhere() {
    let off = call("e-4", OFF, "DeactivateMFADevice");
    let scan = ["scan", "archive", "--store", "store"];
    let open = ["alice", OFF, "-"].map(str::to_owned);
    for what in ["a copy in a folder of another year", "a store of the version before", "twice"] {
        let archive = Archive::of_alice();
        archive.put(&key("one", 5, "MMMM"), std::slice::from_ref(&off));
        assert_eq!(archive.run(&scan).status, 0);
        archive.put(&key("one", 5, "MMMM"), &[]);
        match what {
            "twice" => {
                archive.run(&scan);
                archive.put(&key("one", 5, "MMMM"), &[call("e-9", OFF, "ListMFADevices")]);
            }
            "a store of the version before" => make_earlier(&archive.home.path().join("store")),
            _ => archive.put(&key("one", 5, "CCCC").replace("2026", "2019"), std::slice::from_ref(&off)),
        }
        assert_eq!(archive.run(&scan).status, 0, "{what}");
        let (status, report) = archive.report_by(&["--store", "store"], "stored");
        assert_eq!(status, 3, "{what}: {}", report["notices"]);
        assert!(windows(&report).contains(&open), "{what}: {:?}", windows(&report));
    }
    // Of an ordinary call, too: what alice did without MFA.
    let by_alice = |name: &str| with(call("c-1", "2026-10-05T09:00:00Z", name), json!({"userIdentity": user("alice")}));
    let archive = Archive::of_alice();
    archive.put(&key("one", 5, "MMMM"), std::slice::from_ref(&off));
    archive.put(&key("one", 5, "NNNN"), &[by_alice("ListUsers")]);
    assert_eq!(archive.run(&scan).status, 0);
    for content in [vec![by_alice("GetAccountSummary")], vec![]] {
        archive.put(&key("one", 5, "NNNN"), &content);
        assert_eq!(archive.run(&scan).status, 0);
        let (status, report) = archive.report_by(&["--store", "store"], "stored");
        assert_eq!(status, 3, "{content:?}: {}", report["notices"]);
        assert!(report["notices"].to_string().contains("object-replaced"), "{}", report["notices"]);
    }
}

/// What makes things better counts only where it is still there.
#[test]
fn what_was_overwritten_makes_nothing_better() {
    let archive = Archive::of_alice();
    archive.put(&key("one", 5, "MMMM"), &[call("e-4", OFF, "DeactivateMFADevice")]);
    archive.put(&key("one", 6, "NNNN"), &[call("e-5", ON, "EnableMFADevice")]);
    let scan = ["scan", "archive", "--store", "store"];
    assert_eq!(archive.run(&scan).status, 0);
    let (status, report) = archive.report_by(&["--store", "store"], "before");
    assert_eq!((status, windows(&report)), (0, first_and(&[[OFF, ON]])));
    archive.put(&key("one", 6, "NNNN"), &[]);
    assert_eq!(archive.run(&scan).status, 0);
    let (status, report) = archive.report_by(&["--store", "store"], "after");
    assert_eq!((status, windows(&report)), (3, first_and(&[[OFF, "-"]])));
    assert_eq!(conflicts(&report)[0].0, "e-5");
    // An object that grows takes nothing back.
    archive.put(&key("one", 6, "NNNN"), &[call("e-5", ON, "EnableMFADevice")]);
    archive.run(&scan);
    archive.put(&key("one", 6, "NNNN"), &[call("e-5", ON, "EnableMFADevice"), call("e-6", ON, "ListMFADevices")]);
    archive.run(&scan);
    let (status, report) = archive.report_by(&["--store", "store"], "grown");
    assert_eq!((status, windows(&report)), (0, first_and(&[[OFF, ON]])), "{}", report["notices"]);
}

#[test]
fn equal_records_are_one_event_however_they_are_written() {
    let off = with(
        call("e-4", OFF, "DeactivateMFADevice"),
        json!({"resources": [{"a": 1, "b": [2, {"c": "\u{e9}/\"", "d": null}]}], "userAgent": "a/b"}),
    );
    let ordinary = with(call("c-1", "2026-10-05T09:00:00Z", "ListMFADevices"), json!({"userIdentity": user("carol")}));
    let records = |text: &dyn Fn(&Value) -> String| format!(r#"{{"Records":[{},{}]}}"#, text(&off), text(&ordinary));
    let writings: [(&str, String); 5] = [
        ("the same", records(&Value::to_string)),
        ("reordered", records(&reordered)),
        ("escaped", records(&|value| value.to_string().replace('é', "\\u00e9").replace("a/b", "\\u0061\\/b"))),
        ("other numbers", records(&|value| value.to_string().replace("\"a\":1", "\"a\":1.0").replace("[2,", "[2e0,"))),
        ("a key twice", records(&|value| value.to_string().replacen('{', r#"{"userAgent":"first","#, 1))),
    ];
    for (what, text) in &writings {
        let archive = Archive::of_alice();
        archive.put_text(&key("one", 5, "MMMM"), &writings[0].1);
        archive.put_text(&key("two", 5, "TTTT"), text);
        let (status, report) = archive.report();
        assert_eq!((status, &report["coverage"]["conflicts"]), (0, &json!([])), "{what}");
        assert_eq!(report["figures"]["deactivations"]["total"], 1, "{what}");
        assert_eq!(report["windows"][1]["detection"]["reference"], "c-1", "{what}");
        for more in [&[][..], &["--fields", "eventID", "--format", "csv"]] {
            let found = archive.run(&[&["search", "archive", "--event-name", "DeactivateMFADevice"], more].concat());
            assert_eq!(
                (found.status, found.stdout.lines().count()),
                (0, 1 + more.len() / 4),
                "{what}: {}",
                found.stderr
            );
        }
    }
}

#[test]
fn an_ordinary_call_under_the_id_of_another_is_named_and_helps_nobody() {
    let off = call("e-4", OFF, "DeactivateMFADevice");
    let own = |id: &str, time: &str| {
        let own = json!({"userIdentity": user("alice"), "eventSource": "ec2.amazonaws.com", "requestParameters": null, "readOnly": true});
        with(call(id, time, "DescribeInstances"), own)
    };
    let looked = with(call("c-2", "2026-10-05T09:00:00Z", "ListMFADevices"), json!({"userIdentity": user("carol")}));
    let true_call = own("c-1", "2026-10-05T08:30:00Z");
    for (what, planted, events) in [
        ("refused", with(true_call.clone(), json!({"errorCode": "AccessDenied"})), 2),
        ("from elsewhere", with(true_call.clone(), json!({"sourceIPAddress": "198.51.100.7"})), 2),
        ("of another name", with(true_call.clone(), json!({"eventName": "RunInstances", "readOnly": false})), 2),
        ("of another user", with(true_call.clone(), json!({"userIdentity": user("dora")})), 1),
        ("an update that takes it back", again(&true_call, "c-9", "c-1", json!({"errorCode": "AccessDenied"})), 2),
        ("a look", with(looked.clone(), json!({"eventID": "c-1"})), 1),
    ] {
        let archive = Archive::of_alice();
        archive.put(&key("one", 5, "MMMM"), &[off.clone(), true_call.clone()]);
        archive.put(&key("one", 5, "PPPP"), &[planted]);
        let (status, report) = archive.report();
        let of_another = what == "of another user";
        assert_eq!(status, if of_another { 0 } else { 3 }, "{what}");
        if !of_another {
            let both = vec!["MMMM".to_owned(), "PPPP".to_owned()];
            assert_eq!(conflicts(&report), [("c-1".to_owned(), both.clone(), both)], "{what}");
        }
        assert_eq!(report["windows"][1]["activity"]["events"], events, "{what}");
        assert_eq!(report["windows"][1]["detection"], Value::Null, "{what}");
    }
    // An update is no second call.
    let archive = Archive::of_alice();
    archive.put(&key("one", 5, "MMMM"), &[off, true_call.clone(), looked.clone()]);
    let late = [again(&true_call, "c-9", "c-1", json!({})), again(&looked, "c-8", "c-2", json!({}))];
    archive.put(&key("one", 6, "PPPP"), &late);
    let (status, report) = archive.report();
    assert_eq!((status, &report["windows"][1]["activity"]["events"]), (0, &json!(1)));
    assert_eq!(report["windows"][1]["detection"]["reference"], "c-2");
}

#[test]
fn a_failed_sign_in_of_identity_center_is_a_failure() {
    let sign_in = |id: &str, name: &str, details: Value| {
        let identity = json!({"type": "IdentityCenterUser", "principalId": "", "accountId": ACCOUNT, "onBehalfOf": {"userId": "u-1"}});
        let members = json!({"eventSource": "signin.amazonaws.com", "userIdentity": identity, "requestParameters": null, "serviceEventDetails": details});
        with(call(id, OFF, name), members)
    };
    let archive = Archive::new();
    let records = [
        sign_in("s-1", "UserAuthentication", json!({"UserAuthentication": "Failure", "CredentialType": "PASSWORD"})),
        sign_in("s-2", "CredentialVerification", json!({"CredentialVerification": "Failure"})),
        sign_in("s-3", "UserAuthentication", json!({"UserAuthentication": "Success"})),
        sign_in("s-4", "UserAuthentication", json!({"CredentialVerification": "Failure"})),
        sign_in("s-5", "CredentialChallenge", Value::Null),
    ];
    archive.put(&key("one", 5, "MMMM"), &records);
    let ids = |error: &str| {
        let found = archive.run(&["search", "archive", "--error", error, "--fields", "eventID", "--format", "csv"]);
        assert_eq!(found.status, 0, "{}", found.stderr);
        found.stdout.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        (ids("any"), ids("none")),
        (vec!["s-1".into(), "s-2".into()], vec!["s-3".into(), "s-4".into(), "s-5".into()])
    );
    let ran = archive.run(&["scan", "archive", "--store", "store"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let failed = archive.run(&[
        "history",
        "--store",
        "store",
        "--sql",
        "SELECT event_id FROM calls WHERE failed ORDER BY event_id",
        "--format",
        "csv",
    ]);
    assert_eq!(failed.stdout.lines().skip(1).collect::<Vec<_>>(), ["s-1", "s-2"], "{}", failed.stderr);
}

#[test]
fn of_two_keys_of_one_name_the_last_holds_everywhere() {
    let off = call("e-4", OFF, "DeactivateMFADevice").to_string();
    let twice = |what: &str, first: &str, last: &str| {
        let member = |value: &str| format!("\"{what}\":{value}");
        let (start, _) = off.split_once(&format!("\"{what}\":")).unwrap();
        let rest = &off[start.len()..];
        let value: Value =
            serde_json::Deserializer::from_str(&rest[what.len() + 3..]).into_iter().next().unwrap().unwrap();
        off.replacen(&member(&value.to_string()), &format!("{},{}", member(first), member(last)), 1)
    };
    // What is written twice, and a search that finds the last and none that finds the first.
    let cases: [(String, [&str; 2], [&str; 2]); 8] = [
        (twice("userAgent", r#""first""#, r#""last""#), ["--text", "last"], ["--text", "first"]),
        (
            twice("eventName", r#""CreateUser""#, r#""DeleteUser""#),
            ["--event-name", "DeleteUser"],
            ["--event-name", "CreateUser"],
        ),
        (twice("sourceIPAddress", r#""192.0.2.1""#, r#""192.0.2.2""#), ["--ip", "192.0.2.2"], ["--ip", "192.0.2.1"]),
        (
            twice(
                "userIdentity",
                r#"{"type":"IAMUser","userName":"first"}"#,
                r#"{"type":"IAMUser","userName":"last"}"#,
            ),
            ["--user", "last"],
            ["--user", "first"],
        ),
        (
            off.replace(r#""userName":"admin""#, r#""userName":"first","userName":"last""#),
            ["--user", "last"],
            ["--user", "first"],
        ),
        (
            off.replace(r#""userName":"alice""#, r#""userName":"first","userName":"last""#),
            ["--user", "last"],
            ["--user", "first"],
        ),
        (
            off.replace(r#""requestID""#, r#""errorCode":"First","errorCode":"Last","requestID""#),
            ["--error", "Last"],
            ["--error", "First"],
        ),
        (
            off.replace(r#""accessKeyId":"AKIAEXAMPLE""#, r#""accessKeyId":"AKIAFIRST","accessKeyId":"AKIALAST""#),
            ["--access-key", "AKIALAST"],
            ["--access-key", "AKIAFIRST"],
        ),
    ];
    for (text, last, first) in cases {
        let archive = Archive::new();
        archive.put_text(&key("one", 5, "MMMM"), &format!(r#"{{"Records":[{text}]}}"#));
        for (by, count) in [(last, 1), (first, 0)] {
            let found = archive.run(&[&["search", "archive"], &by[..]].concat());
            assert_eq!((found.status, found.stdout.lines().count()), (0, count), "{by:?} {text}");
        }
        // A plain parser, and every column.
        let plain: Value = serde_json::from_str(&text).unwrap();
        let fields = "eventName,userAgent,sourceIPAddress,userIdentity,requestParameters,errorCode";
        let found = archive.run(&["search", "archive", "--fields", fields, "--format", "json"]);
        let row: Value = serde_json::from_str(&found.stdout).unwrap();
        for field in fields.split(',').filter(|field| !plain[*field].is_null()) {
            assert_eq!(row[field], plain[field], "{text}");
        }
        let ran = archive.run(&["scan", "archive", "--store", "store"]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let sql = "SELECT event_name, source_ip, actor_name, target_name, error_code FROM events";
        let stored = archive.run(&["history", "--store", "store", "--sql", sql, "--format", "csv"]);
        let told = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let want = [
            told(&plain["eventName"]),
            told(&plain["sourceIPAddress"]),
            told(&plain["userIdentity"]["userName"]),
            told(&plain["requestParameters"]["userName"]),
            told(&plain["errorCode"]),
        ];
        assert_eq!(stored.stdout.lines().nth(1), Some(want.join(",").as_str()), "{text}");
    }
}

#[test]
fn where_two_records_tell_of_one_opening_the_worse_one_decides() {
    let session = json!({"attributes": {"mfaAuthenticated": "true", "creationDate": "2026-10-05T07:00:00Z"}});
    let off = call("e-4", OFF, "DeactivateMFADevice");
    let harmless = with(off.clone(), json!({"userIdentity": with(user("admin"), json!({"sessionContext": session}))}));
    // From an address that was never seen, without MFA.
    let stranger = with(off, json!({"sourceIPAddress": "198.51.100.66"}));
    for name in ["0000", "ZZZZ"] {
        let archive = Archive::of_alice();
        archive
            .put(&key("one", 5, "MMMM"), &[stranger.clone(), call("e-5", "2026-10-05T08:20:00Z", "EnableMFADevice")]);
        archive.put(&key("one", 5, name), std::slice::from_ref(&harmless));
        let (status, report) = archive.report();
        assert_eq!(status, 3);
        let window = &report["windows"][1];
        assert_eq!([&window["class"], &window["actor_mfa"]], [&json!("suspected_takeover"), &json!(false)], "{window}");
        assert_eq!(window["source_ip"], "198.51.100.66");
        assert_eq!(report["figures"]["deactivations"]["total"], 1, "they agree on what was done");
        assert_eq!(report["reconciliation"], json!([]));
        assert_eq!(report["events"].as_array().unwrap().len(), 4, "and both are shown");
    }
}

/// Makes a store one of the format's second version: without the columns that came with the third.
fn make_earlier(store: &Path) {
    let mut written: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for path in support::files(store).into_iter().filter(|path| path.extension().is_some_and(|end| end == "parquet")) {
        let frame = ParquetReader::new(fs::File::open(&path).unwrap()).finish().unwrap();
        let mut frame = frame.drop_many(["original_event_id", "content"]);
        let mut bytes = Vec::new();
        let schema = vec![("mfatrail.schema".to_owned(), "mfatrail.store/2".to_owned())];
        let metadata = KeyValueMetadata::from_static(schema);
        ParquetWriter::new(&mut bytes).with_key_value_metadata(Some(metadata)).finish(&mut frame).unwrap();
        let name = path.strip_prefix(store).unwrap().to_str().unwrap().to_owned();
        written.insert(name, (bytes.len() as u64, hex(&sha256(&bytes))));
        fs::write(path, bytes).unwrap();
    }
    for path in support::files(store).into_iter().filter(|path| path.extension().is_some_and(|end| end == "json")) {
        let mut text: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        text["schema"] = json!("mfatrail.store/2");
        for entry in text["add"].as_array_mut().into_iter().flatten() {
            if let Some((bytes, sha256)) = written.get(entry["path"].as_str().unwrap()) {
                (entry["bytes"], entry["sha256"]) = (json!(bytes), json!(sha256));
            }
        }
        fs::write(path, text.to_string()).unwrap();
    }
}

#[test]
fn a_store_of_the_version_before_is_read_and_written() {
    let off = call("e-4", OFF, "DeactivateMFADevice");
    let archive = Archive::of_alice();
    archive.put(&key("one", 5, "MMMM"), std::slice::from_ref(&off));
    archive.put(&key("one", 6, "UUUU"), &[again(&off, "u-1", "e-4", json!({"userAgent": "new"}))]);
    let store = archive.home.path().join("store");
    let scan = || archive.run(&["scan", "archive", "--store", "store", "--commit-every", "1"]);
    let check = |report: &(i32, Value), what: &str| {
        let checked = archive.run(&["store", "check", "--store", "store"]);
        assert_eq!(checked.status, 0, "{what}: {}{}", checked.stdout, checked.stderr);
        let stored = archive.report_by(&["--store", "store"], "stored");
        assert_eq!(stored.0, report.0, "{what}");
        for part in ["windows", "events", "figures", "coverage"] {
            assert_eq!(stored.1[part], report.1[part], "{what}: {part}");
        }
        let history = archive.run(&["history", "--store", "store", "--user", "alice", "--format", "json"]);
        assert_eq!(history.status, report.0, "{what}: {}", history.stderr);
        let sql = "SELECT event_id, original_event_id, content FROM events WHERE content IS NULL";
        let rows = archive.run(&["history", "--store", "store", "--sql", sql, "--format", "json"]);
        assert_eq!(rows.status, 0, "{what}: {}", rows.stderr);
        serde_json::from_str::<Vec<Value>>(&rows.stdout).unwrap().len()
    };
    assert_eq!(scan().status, 0);
    make_earlier(&store);
    let report = archive.report_by(&["archive"], "source");
    assert_eq!((report.0, report.1["events"].as_array().unwrap().len()), (0, 2), "an update is no event of its own");
    assert_eq!(check(&report, "as it was"), 5, "rows that do not tell what they lack");
    // A planted record comes into the same store, which is of the third version from here on.
    archive.put(&key("one", 7, "PPPP"), &[with(off, json!({"errorCode": "AccessDenied"}))]);
    assert_eq!(scan().status, 0);
    assert_eq!(fs::read_to_string(store.join("store.json")).unwrap(), r#"{"schema":"mfatrail.store/4"}"#);
    let report = archive.report_by(&["archive"], "source");
    assert_eq!((report.0, conflicts(&report.1).len()), (3, 1));
    assert_eq!(check(&report, "with more"), 5);
}
