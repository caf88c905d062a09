//! Faults that were found once, each with the smallest archive that shows it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::run::{Ran, json as report_json, mfatrail, report};

/// An IAM user of 111122223333 as `userIdentity`.
fn user(name: &str, id: &str) -> Value {
    json!({
        "type": "IAMUser", "principalId": id, "accountId": "111122223333", "userName": name,
        "arn": format!("arn:aws:iam::111122223333:user/{name}"),
        "sessionContext": {"attributes": {"mfaAuthenticated": "true", "creationDate": "2026-10-01T00:00:00Z"}},
    })
}

fn record(time: &str, name: &str, identity: Value, parameters: Value) -> Value {
    json!({
        "eventVersion": "1.11", "eventTime": time, "eventName": name, "eventSource": "iam.amazonaws.com",
        "awsRegion": "us-east-1", "recipientAccountId": "111122223333", "sourceIPAddress": "203.0.113.10",
        "eventID": format!("{name}-{time}"), "userIdentity": identity, "requestParameters": parameters,
        "responseElements": null,
    })
}

fn deactivation(time: &str, identity: Value) -> Value {
    let parameters = json!({"userName": "alice", "serialNumber": "arn:aws:iam::111122223333:mfa/alice"});
    record(time, "DeactivateMFADevice", identity, parameters)
}

/// The October report of some records, with a credential report of IAM if one is given.
fn october(records: &[Value], credential_report: Option<&str>) -> Value {
    let (status, report) = october_and_status(records, credential_report);
    assert_eq!(status, 0, "{}", report["notices"]);
    report
}

fn october_and_status(records: &[Value], credential_report: Option<&str>) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("records.json");
    fs::write(&archive, json!({ "Records": records }).to_string()).unwrap();
    let iam = folder.path().join("iam");
    let mut arguments = vec![archive.to_str().unwrap(), "--month", "2026-10"];
    if let Some(text) = credential_report {
        fs::create_dir(&iam).unwrap();
        fs::write(iam.join("credential-report.csv"), text).unwrap();
        arguments.extend(["--iam", iam.to_str().unwrap(), "--iam-as-of", "2026-11-01"]);
    }
    let (ran, out) = report(&arguments, "report");
    assert_eq!(ran.stdout.trim_end(), out.to_str().unwrap(), "{}", ran.stderr);
    (ran.status, report_json(&out))
}

#[test]
fn of_a_great_many_deactivations_each_names_twenty_others() {
    let one = |number: usize| {
        let parameters = json!({"userName": format!("u{number}"), "serialNumber": format!("arn:aws:iam::111122223333:mfa/u{number}")});
        let mut record = record("2026-10-06T09:00:00Z", "DeactivateMFADevice", user("bob", "AIDABOB"), parameters);
        record["eventID"] = json!(format!("event-{number}"));
        record
    };
    let records: Vec<Value> = (0..130).map(one).collect();
    let report = october(&records, None);
    let windows = report["windows"].as_array().unwrap();
    assert_eq!(windows.len(), 130);
    for window in windows {
        let reasons = window["reasons"].as_array().unwrap();
        let several = reasons.iter().find(|reason| reason.to_string().contains("several_principals")).unwrap();
        let named = several.to_string().matches("event-").count();
        assert_eq!(named, 20, "{several}");
    }
}

#[test]
fn of_a_great_many_things_that_an_actor_made_each_window_lists_twenty_and_counts_the_rest() {
    let mut records = Vec::new();
    for number in 0..30 {
        let name = format!("u{number}");
        for (event, parameters) in [
            (
                "DeactivateMFADevice",
                json!({"userName": name, "serialNumber": format!("arn:aws:iam::111122223333:mfa/{name}")}),
            ),
            ("CreateAccessKey", json!({"userName": name})),
        ] {
            let mut record = record("2026-10-06T09:00:00Z", event, user("bob", "AIDABOB"), parameters);
            record["eventID"] = json!(format!("{event}-{number}"));
            records.push(record);
        }
    }
    let report = october(&records, None);
    let windows = report["windows"].as_array().unwrap();
    assert_eq!(windows.len(), 30);
    for window in windows {
        let actor = &window["activity"]["by_actor"];
        assert_eq!(actor["made"].as_array().unwrap().len(), 20, "{actor}");
        assert_eq!(actor["made_left_out"], 10, "{actor}");
    }
}

#[test]
fn a_user_created_later_under_the_name_says_nothing_of_the_one_before() {
    let records = [deactivation("2026-10-06T09:00:00Z", user("bob", "AIDABOB"))];
    let iam = "user,arn,user_creation_time,password_enabled,mfa_active\n\
        alice,arn:aws:iam::111122223333:user/alice,2026-10-20T00:00:00+00:00,true,true\n";
    let report = october(&records, Some(iam));
    assert_eq!(report["figures"]["deactivations"]["opened_window"], 1);
    assert_eq!(report["windows"][0]["closed_at"], Value::Null);
}

#[test]
fn an_id_that_only_an_ordinary_call_tells_keeps_two_users_apart() {
    let enrolment = json!({"userName": "alice", "serialNumber": "arn:aws:iam::111122223333:mfa/alice-2"});
    let records = [
        record("2026-10-01T08:00:00Z", "GetUser", user("alice", "AIDAFIRST"), Value::Null),
        deactivation("2026-10-06T09:00:00Z", user("bob", "AIDABOB")),
        record("2026-10-20T09:00:00Z", "EnableMFADevice", user("alice", "AIDASECOND"), enrolment),
    ];
    let report = october(&records, None);
    assert_eq!(report["windows"][0]["principal"]["id"], "AIDAFIRST");
    assert_eq!(report["windows"][0]["closed_at"], Value::Null, "another user's enrolment closes nothing");
}

#[test]
fn a_deactivation_is_no_detection_of_itself() {
    let report = october(&[deactivation("2026-10-06T09:00:00Z", Value::Null)], None);
    assert_eq!(report["figures"]["mttd"]["n"], 0);
    assert_eq!(report["windows"][0]["detection"], Value::Null);
}

#[test]
fn a_deletion_and_a_creation_in_one_second_are_of_two_users() {
    let mut created =
        record("2026-10-06T09:00:00Z", "CreateUser", user("bob", "AIDABOB"), json!({"userName": "alice"}));
    created["responseElements"] = json!({"user": {"userName": "alice", "userId": "AIDASECOND"}});
    let about = json!({"userName": "alice"});
    let records = [
        deactivation("2026-10-06T08:59:50Z", user("bob", "AIDABOB")),
        // A user that can be deleted has no password any more.
        record("2026-10-06T08:59:55Z", "DeleteLoginProfile", user("bob", "AIDABOB"), about.clone()),
        created,
        record("2026-10-06T09:00:00Z", "DeleteUser", user("bob", "AIDABOB"), about.clone()),
        record("2026-10-06T09:01:00Z", "CreateLoginProfile", user("bob", "AIDABOB"), about),
    ];
    let report = october(&records, None);
    let windows = report["windows"].as_array().unwrap();
    assert_eq!(windows.len(), 2);
    assert_eq!(
        [&windows[0]["close_reason"], &windows[0]["class"]],
        [&json!("password_removed"), &json!("offboarding")]
    );
    assert_eq!([&windows[1]["kind"], &windows[1]["principal"]["id"]], [&json!("never_enrolled"), &json!("AIDASECOND")]);
}

#[test]
fn a_password_given_while_everything_is_denied_opens_a_window_when_the_denial_ends() {
    let mut created =
        record("2026-10-02T09:00:00Z", "CreateUser", user("bob", "AIDABOB"), json!({"userName": "alice"}));
    created["responseElements"] = json!({"user": {"userName": "alice", "userId": "AIDAFIRST"}});
    let deny = json!({"userName": "alice", "policyArn": "arn:aws:iam::aws:policy/AWSDenyAll"});
    let records = [
        created,
        record("2026-10-02T09:10:00Z", "AttachUserPolicy", user("bob", "AIDABOB"), deny.clone()),
        record("2026-10-02T09:30:00Z", "CreateLoginProfile", user("bob", "AIDABOB"), json!({"userName": "alice"})),
        record("2026-10-02T12:00:00Z", "DetachUserPolicy", user("bob", "AIDABOB"), deny),
    ];
    let report = october(&records, None);
    assert_eq!(report["windows"][0]["opened_at"], "2026-10-02T12:00:00Z");
    assert_eq!(report["windows"][0]["kind"], "never_enrolled");
    assert_eq!(report["windows"].as_array().unwrap().len(), 1);
}

#[test]
fn another_period_is_no_all_clear() {
    let (status, report) = october_and_status(&[deactivation("2026-11-06T09:00:00Z", user("bob", "AIDABOB"))], None);
    assert_eq!(status, 3, "nothing is known of the period");
    let notices = report["notices"].as_array().unwrap();
    let notice = notices.iter().find(|notice| notice["code"] == "period-not-covered").expect("the notice");
    let text = notice["text"].as_str().expect("a text");
    assert!(text.contains("(the records that were read are from "), "{text}");
}

fn write(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn ran(arguments: &[&str]) -> Ran {
    mfatrail().args(arguments).output().unwrap().into()
}

/// What a report, a search, a scan and a report from its store say of an archive: status, and objects read, skipped and failed.
fn of_every_command(archive: &Path) -> Vec<(i32, [u64; 3])> {
    let home = tempfile::tempdir().unwrap();
    let (archive, store) = (archive.to_str().unwrap(), home.path().join("store"));
    let store = store.to_str().unwrap();
    let counts = |out: &Path| {
        let coverage = &report_json(out)["coverage"];
        ["objects_read", "objects_skipped", "objects_failed"].map(|key| coverage[key].as_u64().unwrap())
    };
    let (reported, out) = report(&[archive, "--month", "2026-10"], "report");
    let mut told = vec![(reported.status, counts(&out))];
    let found = ran(&["search", archive, "--event-name", "DeactivateMFADevice"]);
    let number = |before: &str, after: &str| -> u64 {
        let line = found.stderr.lines().last().unwrap();
        let upto = line.split(after).next().unwrap();
        upto.rsplit(before).next().unwrap().split_whitespace().next().unwrap().parse().unwrap()
    };
    let read = number("; ", " of ");
    told.push((found.status, [read, number(", ", " skipped"), number(", ", " failed")]));
    let scanned = ran(&["scan", archive, "--store", store]);
    let (reported, out) = report(&["--store", store, "--month", "2026-10"], "report");
    // A report wants records of its period besides.
    assert!([0, reported.status].contains(&scanned.status), "{}", scanned.stderr);
    told.push((reported.status, counts(&out)));
    told
}

#[test]
fn what_is_plainly_no_log_is_skipped_by_every_command() {
    let home = tempfile::tempdir().unwrap();
    let text = json!({ "Records": [deactivation("2026-10-06T09:00:00Z", user("bob", "AIDABOB"))] }).to_string();
    let folder = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/06";
    write(home.path(), &format!("{folder}/111122223333_CloudTrail_us-east-1_20261006T0905Z_a.json"), text.as_bytes());
    for (name, bytes) in [
        (".DS_Store".to_owned(), &b"\0\0\0\x01Bud1"[..]),
        (".git/HEAD".to_owned(), b"ref: refs/heads/main"),
        ("README.md".to_owned(), b"# The archive"),
        (format!("{folder}/._a.json.gz"), b"\0\x05\x16\x07"),
        (format!("{folder}/.DS_Store"), b"\0\0\0\x01Bud1"),
        (format!("{folder}/checksums.sha256"), b"e3b0c442  a.json"),
        ("desktop.ini".to_owned(), b"[.ShellClassInfo]\r\n"),
    ] {
        write(home.path(), &name, bytes);
    }
    for told in of_every_command(home.path()) {
        assert_eq!(told, (0, [1, 7, 0]));
    }
    // The same names with logs in them are read, and what is damaged in a log's own name is damage.
    write(home.path(), &format!("{folder}/.DS_Store"), text.replace("09:00", "10:00").as_bytes());
    write(home.path(), "README.md", text.replace("09:00", "11:00").as_bytes());
    write(home.path(), &format!("{folder}/b.json.gz"), b"\0\0\0\x01Bud1");
    for told in of_every_command(home.path()) {
        assert_eq!(told, (3, [3, 5, 1]));
    }
}

#[test]
fn control_messages_alone_and_among_data_are_no_damage() {
    let home = tempfile::tempdir().unwrap();
    let control = json!({"messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": "",
        "subscriptionFilters": [], "logEvents": [{"id": "", "timestamp": 1_791_277_200_000_i64,
        "message": "CWL CONTROL MESSAGE: Checking health of destination Firehose."}]})
    .to_string();
    let record = deactivation("2026-10-06T09:00:00Z", user("bob", "AIDABOB")).to_string();
    let data = json!({"messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": "g",
        "logEvents": [{"id": "1", "message": record}]})
    .to_string();
    write(home.path(), "cwl/alone", control.as_bytes());
    for told in of_every_command(home.path()) {
        assert_eq!(told.1, [1, 0, 0]);
    }
    write(home.path(), "cwl/among", format!("{control}{data}{control}").as_bytes());
    for told in of_every_command(home.path()) {
        assert_eq!(told, (0, [2, 0, 0]));
    }
    let found = ran(&["search", home.path().to_str().unwrap()]);
    assert!(found.stderr.contains("3 Insight records and control messages ignored"), "{}", found.stderr);
}

#[test]
fn accounts_keep_their_leading_zeros_and_fall_back_to_the_folders() {
    let bob = |account: Value| {
        let mut identity = user("bob", "AIDABOB");
        identity["accountId"] = account;
        identity
    };
    for (recipient, caller, expected) in [
        (json!("000000000042"), json!("111122223333"), "000000000042"),
        (json!(42), json!("111122223333"), "000000000042"),
        (Value::Null, json!(42), "444455556666"),
        (Value::Null, json!("ANONYMOUS_PRINCIPAL"), "444455556666"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let mut record = deactivation("2026-10-06T09:00:00Z", bob(caller));
        record["recipientAccountId"] = recipient.clone();
        if recipient.is_null() {
            record.as_object_mut().unwrap().remove("recipientAccountId");
        }
        let folder = "AWSLogs/444455556666/CloudTrail/us-east-1/2026/10/06";
        write(home.path(), &format!("{folder}/a.json"), json!({ "Records": [record] }).to_string().as_bytes());
        let archive = home.path().to_str().unwrap();
        let store = tempfile::tempdir().unwrap();
        let store = store.path().join("store");
        let store = store.to_str().unwrap();
        assert_eq!(ran(&["scan", archive, "--store", store]).status, 0);
        for source in [&[archive][..], &["--store", store]] {
            let (_, out) = report(&[source, &["--month", "2026-10"]].concat(), "report");
            let report = report_json(&out);
            assert_eq!(report["events"][0]["account"], expected, "{recipient}");
            assert_eq!(report["windows"][0]["account"], expected, "{recipient}");
        }
        // A filter by account finds it. What lies in another account's folder is not listed then, so outside of all folders.
        let flat = home.path().join("flat.json");
        fs::copy(home.path().join(folder).join("a.json"), &flat).unwrap();
        let source = if expected == "444455556666" { archive } else { flat.to_str().unwrap() };
        for (account, found) in [(expected, true), ("999988887777", false)] {
            let lines =
                ran(&["search", source, "--account", account, "--fields", "recipientAccountId", "--format", "csv"]);
            assert_eq!(lines.stdout.lines().count() > 1, found, "{recipient}: {}", lines.stderr);
            if found && !recipient.is_null() {
                assert!(lines.stdout.lines().any(|line| line.contains(expected)), "{}", lines.stdout);
            }
        }
    }
}

#[test]
fn refusals_name_whom_and_what_they_were_about() {
    let refused = |time: &str, name: &str, identity: Value, resource: &str| {
        let mut record = record(time, name, identity, Value::Null);
        record["errorCode"] = "AccessDenied".into();
        record["errorMessage"] =
            format!("User: x is not authorized to perform: iam:{name} on resource: {resource} with an explicit deny in a service control policy").into();
        record
    };
    let root = json!({"type": "Root", "principalId": "111122223333", "accountId": "111122223333",
        "arn": "arn:aws:iam::111122223333:root"});
    let mfa = "arn:aws:iam::111122223333:mfa/alice";
    let enabled = record(
        "2026-10-05T09:00:00Z",
        "EnableMFADevice",
        user("alice", "AIDAALICE"),
        json!({"userName": "alice", "serialNumber": mfa}),
    );
    let (bob, nullo) = (|| user("bob", "AIDABOB"), || user("nullo", "AIDANULLO"));
    let events = [
        ("06T09:00:00", "DeactivateMFADevice", bob(), "user nullbob", "bob", Value::Null),
        ("06T09:01:00", "DeactivateMFADevice", bob(), "user /staff/alice", "alice", Value::Null),
        ("06T09:02:00", "DeactivateMFADevice", nullo(), "user nullo", "nullo", Value::Null),
        ("06T09:03:00", "DeactivateMFADevice", root, "*", "root", Value::Null),
        ("06T09:04:00", "DeleteVirtualMFADevice", bob(), mfa, "alice", json!(mfa)),
        (
            "06T09:05:00",
            "CreateVirtualMFADevice",
            bob(),
            "arn:aws:iam::111122223333:mfa/new",
            "bob",
            json!("arn:aws:iam::111122223333:mfa/new"),
        ),
        ("06T09:06:00", "CreateAccessKey", bob(), "user ", "bob", Value::Null),
    ];
    let records: Vec<Value> = [enabled]
        .into_iter()
        .chain(events.iter().map(|(time, name, identity, resource, ..)| {
            refused(&format!("2026-10-{time}Z"), name, identity.clone(), resource)
        }))
        .collect();
    let report = october(&records, None);
    let told = report["events"].as_array().unwrap();
    for (time, name, _, resource, principal, device) in &events {
        let event = told.iter().find(|event| event["event_time"] == format!("2026-10-{time}Z"));
        let Some(event) = event else {
            // Keys are listed with windows only.
            assert_eq!(*name, "CreateAccessKey");
            continue;
        };
        assert_eq!(event["principal"]["name"], *principal, "{resource}: {event}");
        assert_eq!(event["device"], *device, "{resource}: {event}");
        assert_eq!(event["outcome"], "failed");
    }
}
