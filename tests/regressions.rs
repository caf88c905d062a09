//! Faults that were found once, each with the smallest archive that shows it.

#[path = "support/run.rs"]
mod run;

use std::fs;

use serde_json::{Value, json};

use run::{json as report_json, report};

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
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout.trim_end(), out.to_str().unwrap());
    report_json(&out)
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
        created,
        record("2026-10-06T09:00:00Z", "DeleteUser", user("bob", "AIDABOB"), about.clone()),
        record("2026-10-06T09:01:00Z", "CreateLoginProfile", user("bob", "AIDABOB"), about),
    ];
    let report = october(&records, None);
    let windows = report["windows"].as_array().unwrap();
    assert_eq!(windows.len(), 2);
    assert_eq!([&windows[0]["close_reason"], &windows[0]["class"]], [&json!("user_deleted"), &json!("offboarding")]);
    assert_eq!([&windows[1]["kind"], &windows[1]["principal"]["id"]], [&json!("never_enrolled"), &json!("AIDASECOND")]);
}

#[test]
fn a_password_given_while_everything_is_denied_still_opens_a_window() {
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
    assert_eq!(report["windows"][0]["opened_at"], "2026-10-02T09:30:00Z");
    assert_eq!(report["windows"].as_array().unwrap().len(), 1);
}

#[test]
fn another_period_is_no_all_clear() {
    let report = october(&[deactivation("2026-12-06T09:00:00Z", user("bob", "AIDABOB"))], None);
    let notices = report["notices"].as_array().unwrap();
    assert!(notices.iter().any(|notice| notice["code"] == "period-not-covered"), "{notices:?}");
}
