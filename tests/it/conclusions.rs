//! What a report concludes about a window: approvals, detections, signals, activity. Each table has the cases of one kind.

use std::fs;

use serde_json::{Value, json};

use crate::support::run::{json as report_json, report};

const ACCOUNT: &str = "111122223333";
const HOME: &str = "203.0.113.10";

/// An IAM user as `userIdentity`, in a session with MFA.
fn user(name: &str) -> Value {
    json!({
        "type": "IAMUser", "principalId": format!("AIDA{}", name.to_uppercase()), "accountId": ACCOUNT, "userName": name,
        "arn": format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
        "sessionContext": {"attributes": {"mfaAuthenticated": "true", "creationDate": "2026-10-01T00:00:00Z"}},
    })
}

/// A session of a role, with the role's ARN if its path is given.
fn session(role: &str, name: &str, path: Option<&str>) -> Value {
    let issuer = path.map(|path| {
        json!({
            "type": "Role", "principalId": format!("AROA{}", role.to_uppercase()), "accountId": ACCOUNT, "userName": role,
            "arn": format!("arn:aws:iam::{ACCOUNT}:role/{path}{role}"),
        })
    });
    json!({
        "type": "AssumedRole", "principalId": format!("AROA{}:{name}", role.to_uppercase()), "accountId": ACCOUNT,
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}"),
        "sessionContext": {
            "attributes": {"mfaAuthenticated": "false", "creationDate": "2026-10-01T00:00:00Z"},
            "sessionIssuer": issuer.unwrap_or(json!({})),
        },
    })
}

fn root() -> Value {
    json!({
        "type": "Root", "principalId": ACCOUNT, "accountId": ACCOUNT, "arn": format!("arn:aws:iam::{ACCOUNT}:root"),
        "sessionContext": {"attributes": {"mfaAuthenticated": "true", "creationDate": "2026-10-01T00:00:00Z"}},
    })
}

fn record(time: &str, name: &str, identity: &Value, parameters: Value) -> Value {
    let reads = ["Get", "List", "Describe"].iter().any(|verb| name.starts_with(verb));
    json!({
        "eventVersion": "1.11", "eventTime": time, "eventName": name, "eventSource": "iam.amazonaws.com",
        "awsRegion": "us-east-1", "recipientAccountId": ACCOUNT, "sourceIPAddress": HOME, "readOnly": reads,
        "eventID": format!("{name} {time} {}", identity["arn"].as_str().unwrap_or("nobody")), "userIdentity": identity,
        "requestParameters": parameters, "responseElements": null,
    })
}

/// So that the report looks that far.
fn record_of_last_day(identity: &Value) -> Value {
    record("2026-10-31T23:00:00Z", "ListUsers", identity, Value::Null)
}

fn about(time: &str, name: &str, identity: &Value, who: &str) -> Value {
    record(time, name, identity, json!({ "userName": who }))
}

fn from(mut record: Value, address: &str) -> Value {
    record["sourceIPAddress"] = json!(address);
    record
}

fn failed(mut record: Value) -> Value {
    record["errorCode"] = json!("NoSuchEntityException");
    record
}

fn deactivation(time: &str, identity: &Value, who: &str) -> Value {
    let serial = format!("arn:aws:iam::{ACCOUNT}:mfa/{who}");
    record(time, "DeactivateMFADevice", identity, json!({"userName": who, "serialNumber": serial}))
}

fn enrolment(time: &str, identity: &Value, who: &str) -> Value {
    let serial = format!("arn:aws:iam::{ACCOUNT}:mfa/{who}-2");
    record(time, "EnableMFADevice", identity, json!({"userName": who, "serialNumber": serial}))
}

/// A user is made and signs in every day: it is known that it was seen, where.
fn seen(identity: &Value, address: &str) -> Vec<Value> {
    let call =
        |day: u32| from(record(&format!("2026-10-{day:02}T07:00:00Z"), "ListUsers", identity, Value::Null), address);
    (1..=4).map(call).collect()
}

/// What is given beside the archive.
#[derive(Default)]
struct Beside<'b> {
    approvals: Option<&'b str>,
    detections: Option<&'b str>,
    policy: Option<&'b str>,
    credential_report: Option<&'b str>,
}

/// The October report of some records.
fn october(records: &[Value], beside: &Beside<'_>) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("records.json"), json!({ "Records": records }).to_string()).unwrap();
    let mut arguments = vec![path("records.json"), "--month".to_owned(), "2026-10".to_owned()];
    let mut give = |flag: &str, name: &str, text: Option<&str>| {
        if let Some(text) = text {
            fs::write(path(name), text).unwrap();
            arguments.extend([flag.to_owned(), path(name)]);
        }
    };
    give("--approvals", "approvals.csv", beside.approvals);
    give("--detections", "detections.csv", beside.detections);
    give("--policy", "policy.toml", beside.policy);
    if let Some(text) = beside.credential_report {
        fs::create_dir(path("iam")).unwrap();
        fs::write(path("iam/credential-report.csv"), text).unwrap();
        arguments.extend(["--iam".to_owned(), path("iam"), "--iam-as-of".to_owned(), "2026-11-01".to_owned()]);
    }
    arguments.extend(["--format", "json"].map(str::to_owned));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (ran, out) = report(&arguments, "report");
    assert!([0, 3].contains(&ran.status), "{}", ran.stderr);
    report_json(&out)
}

/// The first window of a user.
fn window<'r>(report: &'r Value, name: &str) -> &'r Value {
    let windows = report["windows"].as_array().unwrap();
    let own = windows.iter().find(|window| window["principal"]["name"] == name && !window["opened_at"].is_null());
    own.unwrap_or_else(|| panic!("no window of {name}: {windows:#?}"))
}

fn codes(report: &Value) -> Vec<&str> {
    report["notices"].as_array().unwrap().iter().map(|notice| notice["code"].as_str().unwrap()).collect()
}

fn rules(window: &Value) -> Vec<&str> {
    window["reasons"].as_array().unwrap().iter().map(|reason| reason["rule"].as_str().unwrap()).collect()
}

const APPROVALS: &str = "ticket,account,user,approver,valid_from,valid_to\n";

fn ticket(user: &str, approver: &str) -> String {
    format!("{APPROVALS}CHG-1,{ACCOUNT},{user},{approver},2026-10-06T08:00:00Z,2026-10-06T12:00:00Z\n")
}

#[test]
fn a_ticket_is_about_the_user_who_bears_the_name_at_the_deactivation() {
    let admin = user("bob");
    let made = |time: &str, name: &str, id: &str| {
        let mut made = about(time, "CreateUser", &admin, name);
        made["responseElements"] = json!({"user": {"userName": name, "userId": id}});
        made
    };
    let renamed = |time: &str, name: &str, to: &str| {
        record(time, "UpdateUser", &admin, json!({"userName": name, "newUserName": to}))
    };
    let gone = deactivation("2026-10-06T09:00:00Z", &admin, "olga");
    // nils becomes olga, and another nils is made; nils is deleted and made again; olga becomes nils after the deactivation.
    let namesake = vec![
        renamed("2026-10-02T09:00:00Z", "nils", "olga"),
        made("2026-10-03T09:00:00Z", "nils", "AIDATWO"),
        gone.clone(),
    ];
    let later = vec![gone.clone(), renamed("2026-10-06T10:00:00Z", "olga", "nils")];
    for (records, ticket_of, who, class) in [
        (namesake.clone(), "olga", "olga", "approved"),
        (namesake.clone(), "OLGA", "olga", "approved"),
        (namesake.clone(), "user/olga", "olga", "approved"),
        (namesake.clone(), "user/people/olga", "olga", "approved"),
        (namesake.clone(), "nils", "olga", "unexplained"),
        (namesake, "role/olga", "olga", "unexplained"),
        (later.clone(), "olga", "nils", "approved"),
        (later, "nils", "nils", "unexplained"),
    ] {
        let approvals = ticket(ticket_of, "security-lead");
        let report = october(&records, &Beside { approvals: Some(&approvals), ..Beside::default() });
        let window = window(&report, who);
        assert_eq!(window["class"], class, "a ticket for {ticket_of}: {window:#?}");
        assert_eq!(codes(&report).contains(&"approval-matched-nothing"), class != "approved", "{ticket_of}");
    }
}

#[test]
fn root_is_the_root_user_and_a_user_of_that_name_is_written_otherwise() {
    let admin = user("bob");
    let mut of_root = deactivation("2026-10-06T09:00:00Z", &admin, "AWS ROOT USER");
    of_root["requestParameters"]["serialNumber"] = json!(format!("arn:aws:iam::{ACCOUNT}:mfa/root-account-mfa-device"));
    let of_user = deactivation("2026-10-06T09:00:00Z", &admin, "root");
    for (record, kind, written, matches) in [
        (&of_root, "root", "root", true),
        (&of_root, "root", "ROOT", true),
        (&of_root, "root", "<root_account>", true),
        (&of_root, "root", "AWS ROOT USER", true),
        (&of_root, "root", "user/root", false),
        (&of_user, "iam_user", "root", false),
        (&of_user, "iam_user", "user/root", true),
        (&of_user, "iam_user", "User/Root", true),
    ] {
        let approvals = ticket(written, "security-lead");
        let detections =
            format!("detected_at,source,reference,account,user\n2026-10-06T10:00:00Z,siem,A-1,{ACCOUNT},{written}\n");
        let beside = Beside { approvals: Some(&approvals), detections: Some(&detections), ..Beside::default() };
        let report = october(&[record.clone(), record_of_last_day(&admin)], &beside);
        let window = window(&report, "root");
        assert_eq!(window["principal"]["kind"], kind);
        assert_eq!(window["class"] == "approved", matches, "{written}: {window:#?}");
        assert_eq!(window["detection"]["reference"] == "A-1", matches, "{written}: {window:#?}");
    }
}

#[test]
fn an_approval_by_the_actor_or_the_principal_clears_nothing() {
    let jane = session(
        "AWSReservedSSO_Admin_0123456789abcdef",
        "jane.roe@example.com",
        Some("aws-reserved/sso.amazonaws.com/"),
    );
    for (actor, approver, independent) in [
        (user("alice"), "alice", false),
        (user("alice"), "Alice", false),
        (user("alice"), "arn:aws:iam::111122223333:user/alice", false),
        (user("alice"), "alice@example.com", false),
        (user("alice"), "bob", true),
        (user("bob"), "alice", false),
        (user("bob"), "bob", false),
        (user("bob"), "security-lead", true),
        (user("bob"), "bob; security-lead", true),
        (user("bob"), "bob; alice", false),
        (jane.clone(), "jane.roe@example.com", false),
        (jane.clone(), "jane.roe", false),
        (jane.clone(), "Jane Roe", false),
        (jane.clone(), "AWSReservedSSO_Admin_0123456789abcdef/jane.roe@example.com", false),
        (jane.clone(), "AWSReservedSSO_Admin_0123456789abcdef", false),
        (jane, "john.roe@example.com", true),
        (root(), "root", false),
        (root(), "security-lead", true),
    ] {
        let records = [deactivation("2026-10-06T09:00:00Z", &actor, "alice")];
        let approvals = ticket("alice", approver);
        // The root user is a signal; one alone is none too many here.
        let beside =
            Beside { approvals: Some(&approvals), policy: Some("takeover_threshold = 5"), ..Beside::default() };
        let report = october(&records, &beside);
        let window = window(&report, "alice");
        let case = format!("{approver} of a call by {}", actor["arn"]);
        assert_eq!(window["class"] == "approved", independent, "{case}: {window:#?}");
        assert_eq!(window["approval"].is_null(), !independent, "{case}");
        assert_eq!(codes(&report).contains(&"approval-not-independent"), !independent, "{case}");
        assert!(!codes(&report).contains(&"approval-matched-nothing"), "{case}");
    }
}

#[test]
fn of_several_tickets_the_independent_one_counts() {
    let records = [deactivation("2026-10-06T09:00:00Z", &user("alice"), "alice")];
    let approvals = format!(
        "{APPROVALS}CHG-2,{ACCOUNT},alice,alice,2026-10-06T08:30:00Z,2026-10-06T12:00:00Z\n\
         CHG-1,{ACCOUNT},alice,lead,2026-10-06T08:00:00Z,2026-10-06T12:00:00Z\n"
    );
    let report = october(&records, &Beside { approvals: Some(&approvals), ..Beside::default() });
    assert_eq!(window(&report, "alice")["approval"], json!({"ticket": "CHG-1", "approver": "lead"}));
}

#[test]
fn an_approval_does_not_clear_a_takeover() {
    let bob = user("bob");
    let gone = from(deactivation("2026-10-06T09:00:00Z", &bob, "alice"), "198.51.100.7");
    let key = about("2026-10-06T09:05:00Z", "CreateAccessKey", &bob, "alice");
    let deleted = ["DeleteLoginProfile", "DeleteUser"].map(|name| about("2026-10-06T12:00:00Z", name, &bob, "alice"));
    let new_source = || [seen(&bob, HOME), vec![gone.clone()]].concat();
    for (records, threshold, class, contested) in [
        (new_source(), 2, "approved", false),
        (new_source(), 1, "suspected_takeover", true),
        ([new_source(), vec![key.clone()]].concat(), 2, "suspected_takeover", true),
        ([new_source(), vec![key.clone()]].concat(), 3, "approved", false),
        // The later rules decide as if there were no ticket.
        ([new_source(), vec![key], deleted.to_vec()].concat(), 2, "offboarding", true),
    ] {
        let approvals = ticket("alice", "security-lead");
        let policy = format!("takeover_threshold = {threshold}");
        let report =
            october(&records, &Beside { approvals: Some(&approvals), policy: Some(&policy), ..Beside::default() });
        let window = window(&report, "alice");
        assert_eq!(window["class"], class, "{window:#?}");
        assert_eq!(rules(window).contains(&"approval_contested"), contested, "{:?}", rules(window));
        assert_eq!(window["approval"], json!({"ticket": "CHG-1", "approver": "security-lead"}));
    }
}

#[test]
fn a_long_approval_is_used_and_named() {
    for (valid_to, long) in
        [("2026-10-31T00:00:00Z", false), ("2026-10-31T00:00:01Z", true), ("2027-10-01T00:00:00Z", true)]
    {
        let approvals = format!("{APPROVALS}CHG-1,{ACCOUNT},alice,lead,2026-10-01T00:00:00Z,{valid_to}\n");
        let records = [deactivation("2026-10-06T09:00:00Z", &user("bob"), "alice")];
        let report = october(&records, &Beside { approvals: Some(&approvals), ..Beside::default() });
        assert_eq!(window(&report, "alice")["class"], "approved");
        assert_eq!(codes(&report).contains(&"approval-long"), long, "{valid_to}");
    }
}

#[test]
fn an_alert_is_about_the_user_who_bears_the_name_when_it_is_raised() {
    let admin = user("bob");
    let renamed = |time: &str| record(time, "UpdateUser", &admin, json!({"userName": "nils", "newUserName": "olga"}));
    for (renamed_at, alert_on, at, detected) in [
        ("2026-10-02T09:00:00Z", "olga", "2026-10-07T00:00:00Z", true),
        ("2026-10-02T09:00:00Z", "nils", "2026-10-07T00:00:00Z", false),
        ("2026-10-02T09:00:00Z", "olga", "2026-10-06T08:59:59Z", false),
        ("2026-10-10T09:00:00Z", "nils", "2026-10-07T00:00:00Z", true),
        ("2026-10-10T09:00:00Z", "nils", "2026-10-11T00:00:00Z", false),
        ("2026-10-10T09:00:00Z", "olga", "2026-10-11T00:00:00Z", true),
        ("2026-10-10T09:00:00Z", "olga", "2026-10-07T00:00:00Z", false),
    ] {
        let name = if renamed_at < "2026-10-06" { "olga" } else { "nils" };
        let mut records = vec![renamed(renamed_at), deactivation("2026-10-06T09:00:00Z", &admin, name)];
        records.push(record_of_last_day(&admin));
        let detections = format!("detected_at,source,reference,account,user\n{at},siem,A-1,{ACCOUNT},{alert_on}\n");
        let report = october(&records, &Beside { detections: Some(&detections), ..Beside::default() });
        let detection = &window(&report, "olga")["detection"];
        assert_eq!(
            detection["reference"] == "A-1",
            detected,
            "{alert_on} at {at}, renamed at {renamed_at}: {detection}"
        );
        assert_eq!(codes(&report).contains(&"detection-matched-nothing"), !detected);
    }
}

#[test]
fn aws_itself_and_named_scanners_detect_nothing_and_people_do() {
    let bob = user("bob");
    let service = json!({"type": "AWSService", "invokedBy": "config.amazonaws.com"});
    let nobody = json!({"accountId": ACCOUNT, "invokedBy": "access-analyzer.amazonaws.com"});
    let linked = "aws-service-role/config.amazonaws.com/";
    for (who, not_detectors, detects) in [
        (service, "", false),
        (nobody, "", false),
        (session("AWSServiceRoleForConfig", "AWSConfig-Describe", Some(linked)), "", false),
        (session("AWSServiceRoleForConfig", "AWSConfig-Describe", None), "", false),
        (
            session(
                "AWSServiceRoleForAccessAnalyzer_suffix",
                "aa",
                Some("aws-service-role/access-analyzer.amazonaws.com/"),
            ),
            "",
            false,
        ),
        // People, whatever their roles are called.
        (session("AWSServiceRoleForReal", "jane", Some("")), "", true),
        (session("AWSServiceRoleForReal", "jane", Some("people/")), "", true),
        (
            session(
                "AWSReservedSSO_Admin_0123456789abcdef",
                "jane@example.com",
                Some("aws-reserved/sso.amazonaws.com/"),
            ),
            "",
            true,
        ),
        (session("config", "aws-service-role", Some("service-role/")), "", true),
        (user("AWSServiceRoleForJane"), "", true),
        (root(), "", true),
        // Scanners that the policy names: by session, by role with and without its path, by user.
        (
            session("inventory", "lambda", Some("tools/")),
            "arn:aws:sts::111122223333:assumed-role/inventory/lambda",
            false,
        ),
        (session("inventory", "lambda", Some("tools/")), "arn:aws:sts::*:assumed-role/inventory/*", false),
        (session("inventory", "lambda", Some("tools/")), "arn:aws:iam::*:role/tools/*", false),
        (session("inventory", "lambda", Some("tools/")), "arn:aws:iam::*:role/inventory", false),
        (session("inventory", "lambda", None), "arn:aws:iam::111122223333:role/inventor?", false),
        (session("inventory", "lambda", Some("tools/")), "ARN:AWS:IAM::*:ROLE/INVENTORY", false),
        (user("scanner"), "arn:aws:iam::*:user/scan*", false),
        (session("inventory", "lambda", Some("tools/")), "arn:aws:iam::*:role/inventory-*", true),
        (session("inventory", "lambda", Some("tools/")), "arn:aws:iam::*:role/other/*", true),
        (session("inventory", "lambda", Some("tools/")), "arn:aws:iam::444455556666:role/inventory", true),
        (user("jane"), "arn:aws:iam::*:user/scan*", true),
    ] {
        let policy = format!(
            "not_detectors = [{}]",
            if not_detectors.is_empty() { String::new() } else { format!("{not_detectors:?}") }
        );
        let records = [
            deactivation("2026-10-06T09:00:00Z", &bob, "alice"),
            about("2026-10-06T10:00:00Z", "GetUser", &who, "alice"),
            about("2026-10-06T15:00:00Z", "GetUser", &user("ops"), "alice"),
        ];
        let report = october(&records, &Beside { policy: Some(&policy), ..Beside::default() });
        let expected = if detects { 3600 } else { 6 * 3600 };
        let detection = &window(&report, "alice")["detection"];
        assert_eq!(detection["time_to_detect_s"], expected, "{} {not_detectors}: {detection}", who["arn"]);
        assert_eq!(report["policy"]["not_detectors"].as_array().unwrap().is_empty(), not_detectors.is_empty());
    }
}

#[test]
fn a_refused_look_is_no_detection() {
    let records = [
        deactivation("2026-10-06T09:00:00Z", &user("bob"), "alice"),
        failed(about("2026-10-06T10:00:00Z", "GetUser", &user("ops"), "alice")),
        failed(about("2026-10-06T11:00:00Z", "DeleteLoginProfile", &user("ops"), "alice")),
        about("2026-10-06T12:00:00Z", "GetUser", &user("ops"), "alice"),
    ];
    let report = october(&records, &Beside::default());
    assert_eq!(window(&report, "alice")["detection"]["time_to_detect_s"], 3 * 3600);
}

/// A credential report of users with a console password, and of some without.
fn credentials(with: &[&str], without: &[&str]) -> String {
    let row = |name: &&str, password: bool| {
        format!("{name},arn:aws:iam::{ACCOUNT}:user/{name},2026-01-01T00:00:00+00:00,{password},false\n")
    };
    let rows = with.iter().map(|name| row(name, true)).chain(without.iter().map(|name| row(name, false)));
    format!("user,arn,user_creation_time,password_enabled,mfa_active\n{}", rows.collect::<String>())
}

#[test]
fn a_sweep_through_a_small_account_is_no_detection() {
    let scanner = session("inventory", "lambda", Some(""));
    let reads = |names: &[&str], minutes: usize| -> Vec<Value> {
        let read = |(n, name): (usize, &&str)| {
            let time = format!("2026-10-06T10:{:02}:00Z", n * minutes);
            about(&time, "ListMFADevices", &scanner, name)
        };
        names.iter().enumerate().map(read).collect()
    };
    let ten = ["alice", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    for (read, minutes, console, without, sweep) in [
        (&["alice", "carol"][..], 1, Some(&["alice", "carol"][..]), &["ci", "deploy"][..], true),
        (&["alice", "carol", "dave"], 1, Some(&["alice", "carol", "dave"]), &[], true),
        (&["carol", "dave", "erin", "alice"], 3, Some(&["alice", "carol", "dave", "erin"]), &["ci"], true),
        // Others are read, too.
        (&["ci", "alice", "carol"], 1, Some(&["alice", "carol"]), &["ci"], true),
        // One is left out, or they are read one by one, or it is somebody's only user.
        (&["alice", "carol"], 1, Some(&["alice", "carol", "dave"]), &[], false),
        (&["alice", "carol"], 11, Some(&["alice", "carol"]), &[], false),
        (&["alice"], 1, Some(&["alice"]), &["ci"], false),
        (&["alice", "b", "c", "d"], 1, Some(&ten), &[], false),
        (&["alice", "b", "c", "d", "e"], 1, Some(&ten), &[], true),
        // Without IAM state the users count that the archive knows: bob, who made the call, and whom events are about.
        (&["alice", "bob"], 1, None, &[], true),
        (&["alice"], 1, None, &[], false),
    ] {
        let mut records = vec![deactivation("2026-10-06T09:00:00Z", &user("bob"), "alice")];
        records.extend(reads(read, minutes));
        records.push(record_of_last_day(&user("bob")));
        let iam = console.map(|console| credentials(console, without));
        let report = october(&records, &Beside { credential_report: iam.as_deref(), ..Beside::default() });
        let detection = &window(&report, "alice")["detection"];
        assert_eq!(detection.is_null(), sweep, "{read:?} every {minutes} min of {console:?}: {detection}");
    }
}

#[test]
fn only_an_address_is_a_new_source() {
    let bob = user("bob");
    let role = session("admin", "jane@example.com", Some(""));
    for (actor, seen_at, came_from, new) in [
        (&bob, HOME, "198.51.100.7", true),
        (&bob, HOME, HOME, false),
        (&bob, HOME, "AWS Internal", false),
        (&bob, HOME, "cloudformation.amazonaws.com", false),
        (&bob, HOME, "ec2.amazonaws.com.cn", false),
        (&bob, "AWS Internal", "198.51.100.7", false),
        (&bob, "cloudformation.amazonaws.com", "198.51.100.7", false),
        (&bob, "2001:db8::7", "2001:DB8:0:0::7", false),
        (&bob, "2001:db8::7", "2001:db8::8", true),
        (&bob, "::ffff:203.0.113.10", HOME, false),
        (&role, HOME, "198.51.100.7", true),
        (&role, HOME, HOME, false),
        (&role, HOME, "AWS Internal", false),
        (&role, "config.amazonaws.com", "198.51.100.7", false),
    ] {
        let mut records = seen(actor, seen_at);
        records.push(from(deactivation("2026-10-06T09:00:00Z", actor, "alice"), came_from));
        let report = october(&records, &Beside::default());
        let window = window(&report, "alice");
        let case = format!("seen at {seen_at}, from {came_from}: {:?}", rules(window));
        assert_eq!(rules(window).contains(&"new_source"), new, "{case}");
    }
}

#[test]
fn a_refused_call_or_a_failed_sign_in_shows_nobody_anywhere() {
    for actor in [user("bob"), session("admin", "jane@example.com", Some(""))] {
        let mut sign_in = record("2026-10-05T07:00:00Z", "ConsoleLogin", &actor, Value::Null);
        sign_in["eventSource"] = json!("signin.amazonaws.com");
        sign_in["responseElements"] = json!({"ConsoleLogin": "Failure"});
        for there in [
            failed(record("2026-10-05T07:00:00Z", "ListUsers", &actor, Value::Null)),
            failed(about("2026-10-05T07:00:00Z", "GetUser", &actor, "carol")),
            sign_in,
        ] {
            let gone = from(deactivation("2026-10-06T09:00:00Z", &actor, "alice"), "198.51.100.7");
            let there = from(there, "198.51.100.7");
            // Seen elsewhere: it is new there, for the failure does not show that it was there before.
            let report = october(&[seen(&actor, HOME), vec![there.clone(), gone.clone()]].concat(), &Beside::default());
            assert!(rules(window(&report, "alice")).contains(&"new_source"), "{there:#}");
            // Seen nowhere: nothing can be said.
            let elsewhere = from(there, "192.0.2.1");
            let report = october(&[elsewhere, gone], &Beside::default());
            assert!(!rules(window(&report, "alice")).contains(&"new_source"));
        }
    }
}

#[test]
fn a_foreign_enrolment_is_foreign_to_whoever_enrolled() {
    let (alice, bob) = (user("alice"), user("bob"));
    let helpdesk = session("helpdesk", "jane@example.com", Some(""));
    let away = "198.51.100.7";
    for (who, seen_at, came_from, foreign) in [
        (&alice, Some(HOME), away, true),
        (&alice, Some(HOME), HOME, false),
        (&alice, None, away, false),
        (&alice, Some(HOME), "AWS Internal", false),
        (&bob, Some(away), away, false),
        (&bob, Some(HOME), away, true),
        (&bob, None, away, false),
        (&bob, Some(away), "cloudformation.amazonaws.com", false),
        (&helpdesk, Some(away), away, false),
        (&helpdesk, Some(HOME), away, true),
        (&helpdesk, None, away, false),
    ] {
        // The principal itself was seen at home.
        let mut records = if who == &alice { Vec::new() } else { seen(&alice, HOME) };
        records.extend(seen_at.map(|at| seen(who, at)).unwrap_or_default());
        records.push(deactivation("2026-10-06T09:00:00Z", &user("carol"), "alice"));
        records.push(from(enrolment("2026-10-06T09:30:00Z", who, "alice"), came_from));
        let report = october(&records, &Beside::default());
        let window = window(&report, "alice");
        let case = format!("{} seen at {seen_at:?}, from {came_from}: {:?}", who["arn"], rules(window));
        assert_eq!(rules(window).contains(&"foreign_enrolment"), foreign, "{case}");
    }
}

#[test]
fn mfa_of_an_actor_is_unknown_where_cloudtrail_does_not_tell() {
    let with = |mut identity: Value, mfa: Option<&str>| {
        identity["sessionContext"] = mfa.map_or(Value::Null, |mfa| json!({"attributes": {"mfaAuthenticated": mfa}}));
        identity
    };
    let federated = json!({
        "type": "FederatedUser", "principalId": "111122223333:ada", "accountId": ACCOUNT,
        "arn": "arn:aws:sts::111122223333:federated-user/ada",
    });
    let portal = json!({
        "type": "IdentityCenterUser", "accountId": ACCOUNT,
        "onBehalfOf": {"userId": "00000000-0000-4000-8000-000000000001", "identityStoreArn": "arn:aws:identitystore::111122223333:identitystore/d-1"},
    });
    let role = session("admin", "jane", Some(""));
    for (identity, expected) in [
        (with(user("bob"), Some("true")), json!(true)),
        (with(user("bob"), Some("false")), json!(false)),
        (with(user("bob"), None), json!(false)),
        (with(root(), Some("true")), json!(true)),
        (with(root(), Some("false")), json!(false)),
        (with(role.clone(), Some("true")), json!(true)),
        (with(role.clone(), Some("false")), Value::Null),
        (with(role, None), Value::Null),
        (with(federated.clone(), Some("false")), Value::Null),
        (with(federated, Some("true")), json!(true)),
        (with(portal, Some("false")), Value::Null),
    ] {
        let report = october(&[deactivation("2026-10-06T09:00:00Z", &identity, "alice")], &Beside::default());
        let window = window(&report, "alice");
        assert_eq!(window["actor_mfa"], expected, "{identity}");
        assert_eq!(report["events"][0]["actor_mfa"], expected, "{identity}");
        assert_eq!(rules(window).contains(&"actor_without_mfa"), expected == false, "{identity}");
    }
}

/// What the actor of the opening call made, as (what, id, still there).
fn made(window: &Value) -> Vec<(String, String, Option<bool>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let made = window["activity"]["by_actor"]["made"].as_array().unwrap();
    made.iter().map(|one| (text(&one["what"]), text(&one["id"]), one["still_there"].as_bool())).collect()
}

#[test]
fn activity_shows_what_the_actor_did_and_made() {
    let key = |mut record: Value, id: &str| {
        record["responseElements"] = json!({"accessKey": {"accessKeyId": id, "userName": "carol", "status": "Active"}});
        record
    };
    for actor in [user("bob"), session("admin", "jane@example.com", Some("")), root()] {
        let call = |time: &str, name: &str, parameters: Value| record(time, name, &actor, parameters);
        let with = |mut record: Value, actor: &Value| {
            record["userIdentity"] = actor.clone();
            record
        };
        let admin = user("carl");
        let policy = json!({"userName": "carol", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"});
        let records = [
            call("2026-10-06T08:59:59Z", "CreateUser", json!({"userName": "before"})),
            deactivation("2026-10-06T09:00:00Z", &actor, "alice"),
            key(call("2026-10-06T09:01:00Z", "CreateAccessKey", json!({"userName": "carol"})), "AKIAONE"),
            key(call("2026-10-06T09:02:00Z", "CreateAccessKey", json!({"userName": "carol"})), "AKIATWO"),
            call("2026-10-06T09:03:00Z", "CreateLoginProfile", json!({"userName": "carol"})),
            call("2026-10-06T09:04:00Z", "AttachUserPolicy", policy.clone()),
            call(
                "2026-10-06T09:05:00Z",
                "PutUserPolicy",
                json!({"userName": "carol", "policyName": "p", "policyDocument": "{}"}),
            ),
            call("2026-10-06T09:06:00Z", "AddUserToGroup", json!({"userName": "carol", "groupName": "admins"})),
            call("2026-10-06T09:07:00Z", "CreateUser", json!({"userName": "erin"})),
            enrolment("2026-10-06T09:08:00Z", &actor, "erin"),
            failed(call("2026-10-06T09:09:00Z", "CreateUser", json!({"userName": "refused"}))),
            call("2026-10-06T09:10:00Z", "ListUsers", Value::Null),
            with(call("2026-10-06T09:11:00Z", "CreateUser", json!({"userName": "by-another"})), &admin),
            // Mended in part.
            with(
                call("2026-10-06T10:00:00Z", "DeleteAccessKey", json!({"userName": "carol", "accessKeyId": "AKIAONE"})),
                &admin,
            ),
            with(call("2026-10-06T10:01:00Z", "DetachUserPolicy", policy), &admin),
            with(call("2026-10-06T10:02:00Z", "DeleteLoginProfile", json!({"userName": "carol"})), &admin),
            enrolment("2026-10-06T11:00:00Z", &admin, "alice"),
            call("2026-10-06T11:00:01Z", "CreateUser", json!({"userName": "after"})),
            with(
                call(
                    "2026-10-06T12:00:00Z",
                    "RemoveUserFromGroup",
                    json!({"userName": "carol", "groupName": "admins"}),
                ),
                &admin,
            ),
        ];
        let report = october(&records, &Beside::default());
        let window = window(&report, "alice");
        let device = format!("arn:aws:iam::{ACCOUNT}:mfa/erin-2");
        let expected = [
            ("access_key", "AKIAONE", false),
            ("access_key", "AKIATWO", true),
            ("password", "carol", false),
            ("policy", "arn:aws:iam::aws:policy/AdministratorAccess of carol", false),
            ("policy", "p of carol", true),
            ("group_membership", "admins of carol", false),
            ("user", "erin", true),
            ("device", device.as_str(), true),
        ];
        let expected: Vec<_> =
            expected.map(|(what, id, there)| (what.to_owned(), id.to_owned(), Some(there))).into_iter().collect();
        assert_eq!(made(window), expected, "{}", actor["arn"]);
        let by_actor = &window["activity"]["by_actor"];
        // The calls of a role are not kept one by one.
        let counts = if actor["type"] == "AssumedRole" { json!([null, null]) } else { json!([11, 10]) };
        assert_eq!(json!([by_actor["events"], by_actor["writes"]]), counts, "{}", actor["arn"]);
        assert_eq!(window["activity"]["events"], 0, "the principal itself did nothing");
    }
}

#[test]
fn the_principal_is_its_own_actor_and_its_addresses_are_addresses() {
    let alice = user("alice");
    let records = [
        deactivation("2026-10-06T09:00:00Z", &alice, "alice"),
        from(record("2026-10-06T10:00:00Z", "ListUsers", &alice, Value::Null), "AWS Internal"),
        from(record("2026-10-06T10:01:00Z", "ListUsers", &alice, Value::Null), "cloudformation.amazonaws.com"),
        from(record("2026-10-06T10:02:00Z", "ListUsers", &alice, Value::Null), "2001:db8::7"),
    ];
    let report = october(&records, &Beside::default());
    let activity = &window(&report, "alice")["activity"];
    assert_eq!(activity["source_ips"], json!(["2001:db8::7", HOME]));
    assert_eq!([&activity["events"], &activity["by_actor"]["events"]], [4, 4]);
    assert_eq!([&activity["writes"], &activity["by_actor"]["writes"]], [1, 1]);
}

#[test]
fn a_central_session_for_the_root_user_is_whoever_assumed_it() {
    let admin = session("central", "jane@example.com", Some(""));
    let mut assumed = record("2026-10-06T08:59:00Z", "AssumeRoot", &admin, json!({"targetPrincipal": ACCOUNT}));
    assumed["eventSource"] = json!("sts.amazonaws.com");
    assumed["responseElements"] = json!({"credentials": {"accessKeyId": "ASIAROOT"}});
    let mut task = root();
    task["accessKeyId"] = json!("ASIAROOT");
    task["sessionContext"]["attributes"]["mfaAuthenticated"] = json!("false");
    let records = [
        assumed,
        deactivation("2026-10-06T09:00:00Z", &task, "AWS ROOT USER"),
        about("2026-10-06T09:01:00Z", "GetUser", &task, "AWS ROOT USER"),
        about("2026-10-06T09:02:00Z", "GetUser", &admin, "AWS ROOT USER"),
    ];
    let report = october(&records, &Beside::default());
    let window = window(&report, "root");
    assert_eq!(window["detection"], Value::Null, "neither its own calls nor those of whoever assumed it");
    assert_eq!(window["activity"]["by_actor"]["events"], 2);
    assert_eq!(window["activity"]["events"], 0);
    assert_eq!(window["actor_mfa"], Value::Null);
    assert!(!rules(window).contains(&"actor_without_mfa"));
}

/// Ids of the events that a window names.
fn cited(window: &Value) -> Vec<String> {
    let mut ids = vec![window["opened_by_event"].clone(), window["closed_by_event"].clone()];
    ids.extend(
        window["reasons"].as_array().unwrap().iter().flat_map(|one| one["event_ids"].as_array().unwrap()).cloned(),
    );
    ids.extend(window["activity"]["by_actor"]["made"].as_array().unwrap().iter().map(|made| made["event_id"].clone()));
    if window["detection"]["kind"] == "inferred" {
        ids.push(window["detection"]["reference"].clone());
    }
    ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

#[test]
fn every_event_that_a_window_names_can_be_followed() {
    let (alice, ops) = (user("alice"), session("ops", "jane@example.com", Some("people/")));
    let mut sign_in = record("2026-10-06T09:30:00Z", "ConsoleLogin", &alice, Value::Null);
    sign_in["eventSource"] = json!("signin.amazonaws.com");
    sign_in["responseElements"] = json!({"ConsoleLogin": "Success"});
    sign_in["additionalEventData"] = json!({"MFAUsed": "No"});
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    fs::create_dir(&archive).unwrap();
    let objects = [
        vec![deactivation("2026-10-06T09:00:00Z", &alice, "alice"), sign_in],
        vec![about("2026-10-06T09:10:00Z", "CreateAccessKey", &alice, "carol")],
        // An ordinary call, which is the detection.
        vec![about("2026-10-06T15:00:00Z", "GetUser", &ops, "alice")],
        vec![
            about("2026-10-06T15:00:00Z", "GetUser", &ops, "alice"),
            enrolment("2026-10-06T16:00:00Z", &alice, "alice"),
        ],
    ];
    let mut hashes = std::collections::BTreeMap::new();
    for (number, records) in objects.iter().enumerate() {
        let text = json!({ "Records": records }).to_string();
        let name = format!("{number}.json");
        fs::write(archive.join(&name), &text).unwrap();
        let hash = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes());
        hashes.insert(name, hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    let store = folder.path().join("store");
    let plain = [archive.to_str().unwrap(), "--month", "2026-10", "--format", "json"];
    let stored = [&plain[..], &["--store", store.to_str().unwrap()]].concat();
    for arguments in [&plain[..], &stored[..]] {
        let (ran, out) = report(arguments, "report");
        assert!([0, 3].contains(&ran.status), "{}", ran.stderr);
        let report = report_json(&out);
        let window = window(&report, "alice");
        assert_eq!(window["class"], "workaround");
        let proof = report["proof"].as_array().unwrap();
        let detection = window["detection"]["reference"].as_str().unwrap();
        let ids = cited(window);
        assert!(ids.len() >= 5 && detection.starts_with("GetUser"), "{ids:?}");
        for id in &ids {
            let one = proof.iter().find(|one| one["event_id"] == *id).unwrap_or_else(|| panic!("{id} of {proof:#?}"));
            assert!(one["actor"].as_str().unwrap().starts_with("arn:aws:"), "{one}");
            let objects: Vec<&str> =
                one["objects"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            let expected = if id == detection { 2 } else { 1 };
            assert_eq!(objects.len(), expected, "{one}");
            let hash = |name: &&str| json!(hashes[name.rsplit('/').next().unwrap()]);
            assert_eq!(one["sha256"], Value::Array(objects.iter().map(hash).collect()), "{one}");
        }
    }
}

#[test]
fn a_store_tells_service_linked_roles_and_scanners_by_their_paths_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let records = [
        deactivation("2026-10-06T09:00:00Z", &user("bob"), "alice"),
        about("2026-10-06T10:00:00Z", "GetUser", &session("inventory", "lambda", Some("tools/")), "alice"),
        about("2026-10-06T11:00:00Z", "GetUser", &session("AWSServiceRoleForReal", "jane", Some("")), "alice"),
    ];
    fs::write(path("records.json"), json!({ "Records": records }).to_string()).unwrap();
    fs::write(path("policy.toml"), "not_detectors = [\"arn:aws:iam::*:role/tools/*\"]").unwrap();
    let (records, policy, store) = (path("records.json"), path("policy.toml"), path("store"));
    let arguments = [&records, "--month", "2026-10", "--format", "json", "--policy", &policy, "--store", &store];
    let (ran, out) = report(&arguments, "report");
    assert!([0, 3].contains(&ran.status), "{}", ran.stderr);
    assert_eq!(window(&report_json(&out), "alice")["detection"]["time_to_detect_s"], 2 * 3600);
}
