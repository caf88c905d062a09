//! `mfatrail respond` against a strict stand-in for IAM: every situation, every refusal, a kill at every step, and the report of the
//! archive that its calls would have made.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::device::{changing, command, hold_names, run};
use crate::standin::iam::{ACCOUNT, Iam, action, base32, changes, codes, serial};
use crate::standin::{Fault, StandIn};
use crate::support::run::{Ran, finish, mfatrail};
use crate::support::s3::S3;

const KEY_OF_BOB: &str = "arn:aws:iam::111122223333:u2f/user/bob/key-ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// What channels sign by.
const SECRET: &str = "hunter2hunter2hunter2hunter2hunt";
const RECORD: [&str; 6] = ["--ticket", "INC-4711", "--approver", "jane.roe", "--approvals-out", "approvals.csv"];

fn apply<'a>(user: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["respond", user], arguments, &["--apply", "--confirm", user, "--patience", "30s"]].concat()
}

fn respond(standin: &StandIn<Iam>, folder: &Path, user: &str, arguments: &[&str], input: &str) -> Ran {
    run(standin, folder, &apply(user, arguments), input)
}

/// What IAM has, but for what chance decides.
fn state(standin: &StandIn<Iam>) -> (BTreeMap<String, String>, BTreeSet<String>) {
    standin.with(|iam| {
        let user = |user: &crate::standin::iam::User| {
            let reset = user.password.as_ref().map(|(_, reset)| *reset);
            format!("{:?} {reset:?} {:?} {:?}", user.devices, user.keys, user.policies.keys())
        };
        let users = iam.users.iter().map(|(name, one)| (name.clone(), user(one))).collect();
        (users, iam.entities.keys().cloned().collect())
    })
}

#[test]
fn each_situation_ends_as_planned_and_is_done_once() {
    let cases: [(&str, &[&str], &[&str]); 7] = [
        ("alice", &["--lost"], &["DeactivateMFADevice", "DeleteVirtualMFADevice"]),
        ("dave", &["--lost"], &["DeactivateMFADevice"]),
        ("erin", &["--lost", "--remove-password"], &["DeleteLoginProfile", "DeactivateMFADevice"]),
        (
            "alice",
            &["--stolen", "--password-out", "password"],
            &[
                "UpdateAccessKey",
                "PutUserPolicy",
                "UpdateLoginProfile",
                "DeactivateMFADevice",
                "DeleteVirtualMFADevice",
            ],
        ),
        ("dave", &["--stolen"], &["UpdateAccessKey", "PutUserPolicy", "DeactivateMFADevice"]),
        ("bob", &["--replaced", "--serial", KEY_OF_BOB], &["DeactivateMFADevice"]),
        ("alice", &["--out-of-sync"], &["ResyncMFADevice"]),
    ];
    for (user, arguments, expected) in cases {
        let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
        let seed =
            standin.with(|iam| iam.entities.get(&serial(user)).map(|entity| entity.seed.clone()).unwrap_or_default());
        let before = state(&standin);
        let planned = run(&standin, folder.path(), &[&["respond", user], arguments].concat(), "");
        assert_eq!(planned.status, 0, "{}", planned.stderr);
        assert_eq!(planned.stdout.matches("\naws iam ").count(), expected.len(), "{}", planned.stdout);
        assert_eq!((changing(&standin).len(), state(&standin)), (0, before), "without --apply");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a plan leaves no file");
        let done = respond(&standin, folder.path(), user, &[arguments, &["-vvv"]].concat(), &codes(&seed, 25));
        assert_eq!(done.status, 0, "{user} {arguments:?}: {}", done.stderr);
        assert_eq!(changing(&standin), expected, "{user} {arguments:?}");
        hold_names(&standin, user);
        let again = respond(&standin, folder.path(), user, arguments, &codes(&seed, 25));
        assert!(again.status == 0 && again.stderr.contains("nothing has changed since"), "{}", again.stderr);
        assert_eq!(changing(&standin).len(), expected.len(), "the second run");
        let password = standin.with(|iam| iam.users[user].password.clone());
        let log = std::fs::read_to_string(folder.path().join("mfatrail-respond.jsonl")).unwrap();
        let mut secrets = vec![base32(&seed), "hunter2".to_owned()];
        secrets.extend(codes(&seed, 25).lines().map(str::to_owned));
        if arguments.contains(&"--password-out") {
            let path = folder.path().join("password");
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let (password, reset) = password.unwrap();
            assert_eq!((std::fs::read_to_string(path).unwrap().trim_end(), reset), (password.as_str(), true));
            secrets.push(password);
        }
        let shown =
            [planned.stdout, planned.stderr, done.stdout, done.stderr, again.stdout, again.stderr, log].concat();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            assert!(!shown.contains(secret.as_str()), "{user} {arguments:?} shows {secret}: {shown}");
        }
    }
}

#[test]
fn every_case_that_is_not_done_has_a_clear_answer() {
    let cases: [(&str, &[&str], &str); 16] = [
        ("root", &["--lost"], "assume-root"),
        ("AWS ROOT USER", &["--stolen"], "assume-root"),
        ("admin", &["--lost"], "give --self"),
        ("bob", &["--lost"], "has 2 devices, and none is named"),
        ("carol", &["--lost"], "blocks an enrollment under that name"),
        ("zoe", &["--lost"], "has no user `zoe`"),
        ("erin", &["--out-of-sync"], "never out of sync"),
        ("bob", &["--out-of-sync", "--serial", KEY_OF_BOB], "never out of sync"),
        ("alice", &["--lost", "--serial", "arn:aws:iam::111122223333:mfa/bob"], "is a device of bob, not of alice"),
        ("alice", &["--lost", "--serial", "arn:aws:iam::111122223333:mfa/carol"], "is not assigned to anyone"),
        ("alice", &["--lost", "--serial", "GAHT00000000"], "has no device `GAHT00000000`"),
        ("alice", &["--replaced"], "no other device is active"),
        ("alice", &["--stolen"], "--password-out FILE"),
        ("alice", &["--lost", "--ticket", "A", "--approver", "admin"], "is who makes the calls"),
        ("alice", &["--lost", "--ticket", "A", "--approver", "Alice@example.com"], "or whose MFA it is"),
        ("alice", &["--lost", "--resume"], "has no run for user alice"),
    ];
    let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    for (user, arguments, why) in cases {
        let ran = respond(&standin, folder.path(), user, arguments, "");
        assert!(ran.status == 2 && ran.stderr.contains(why), "{user} {arguments:?}: {}", ran.stderr);
    }
    assert_eq!(changing(&standin), Vec::<String>::new());
    let own = respond(&standin, folder.path(), "admin", &["--lost", "--self"], "");
    assert_eq!(own.status, 0, "{}", own.stderr);
    // Where there is no password none is asked for, and none is set.
    let dave = respond(&standin, folder.path(), "dave", &["--stolen", "--password-out", "password"], "");
    assert!(dave.status == 0 && dave.stderr.contains("no console password"), "{}", dave.stderr);
    assert!(!folder.path().join("password").exists());
}

#[test]
fn what_stands_in_the_way_is_named_and_gone_round_later() {
    type Bar = fn(&mut Iam);
    let bars: [(Bar, Bar, &str); 3] = [
        (
            |iam| iam.scp.extend(["DeactivateMFADevice".to_owned()]),
            |iam| iam.scp.clear(),
            "a service control policy of the organization stands in the way",
        ),
        (
            |iam| iam.denied.extend(["DeleteVirtualMFADevice".to_owned()]),
            |iam| iam.denied.clear(),
            "a deny in a policy of the caller stands in the way",
        ),
        (
            |iam| iam.busy.extend([("DeactivateMFADevice".to_owned(), 100)]),
            |iam| iam.busy.clear(),
            "EntityTemporarilyUnmodifiable",
        ),
    ];
    for (bar, clear, why) in bars {
        let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
        standin.with(bar);
        // It is waited out, which has no end here.
        let briefly = ["respond", "alice", "--lost", "--apply", "--confirm", "alice", "--patience", "2s"];
        let ran = run(&standin, folder.path(), &briefly, "");
        assert!(ran.status == 4 && ran.stderr.contains(why) && ran.stderr.contains("--resume"), "{}", ran.stderr);
        standin.with(clear);
        let anew = respond(&standin, folder.path(), "alice", &["--lost"], "");
        assert!(anew.status == 2 && anew.stderr.contains("did not finish"), "{}", anew.stderr);
        let on = respond(&standin, folder.path(), "alice", &["--lost", "--resume"], "");
        assert_eq!(on.status, 0, "{}", on.stderr);
        assert!(
            standin.with(|iam| iam.users["alice"].devices.is_empty() && !iam.entities.contains_key(&serial("alice")))
        );
    }
}

#[test]
fn throttling_pauses_and_lost_answers_are_waited_out() {
    let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    standin.with(|iam| {
        iam.throttled = 2;
        iam.busy.insert("DeactivateMFADevice".to_owned(), 1);
    });
    let ran = respond(&standin, folder.path(), "alice", &["--lost"], "");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("IAM is still working on it"), "{}", ran.stderr);
    // The first change is done, and its answer never comes.
    let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    let first = first_change("alice", &["--lost"]);
    standin.script(std::iter::repeat_n(Fault::Pass, first).chain([Fault::Silence(true)]));
    let ran = respond(&standin, folder.path(), "alice", &["--lost"], "");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing left to do: aws iam deactivate-mfa-device"), "{}", ran.stderr);
}

/// Which request of a run is the first that changes something, from 0.
fn first_change(user: &str, arguments: &[&str]) -> usize {
    changing_requests(user, arguments)[0]
}

fn changing_requests(user: &str, arguments: &[&str]) -> Vec<usize> {
    let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    assert_eq!(respond(&standin, folder.path(), user, arguments, "").status, 0);
    let requests = standin.requests();
    requests.iter().enumerate().filter(|(_, request)| changes(request)).map(|(number, _)| number).collect()
}

#[test]
fn a_run_that_is_killed_at_any_step_is_resumed_to_the_same_end() {
    let arguments = [&["--stolen", "--password-out", "password"], &RECORD[..]].concat();
    let changes = changing_requests("alice", &arguments);
    assert_eq!(changes.len(), 5);
    let (whole, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    assert_eq!(respond(&whole, folder.path(), "alice", &arguments, "").status, 0);
    let expected = state(&whole);
    // At each change, before or after it was done; and while IAM is read again at the end.
    let moments =
        changes.iter().flat_map(|number| [(*number, false), (*number, true)]).chain([(changes[4] + 2, false)]);
    for (number, is_done) in moments {
        let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
        standin.script(std::iter::repeat_n(Fault::Pass, number).chain([Fault::Silence(is_done)]));
        let mut child = command(&standin, folder.path(), &apply("alice", &arguments)).spawn().unwrap();
        while standin.requests().len() <= number {
            assert!(child.try_wait().unwrap().is_none(), "it ended before request {number}");
            sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let on = respond(&standin, folder.path(), "alice", &[&arguments[..], &["--resume"]].concat(), "");
        assert_eq!(on.status, 0, "killed at {number}: {}", on.stderr);
        assert_eq!(state(&standin), expected, "killed at {number}, done: {is_done}");
        let password = std::fs::read_to_string(folder.path().join("password")).unwrap();
        assert_eq!(standin.with(|iam| iam.users["alice"].password.clone().unwrap().0), password.trim_end());
        let approvals = std::fs::read_to_string(folder.path().join("approvals.csv")).unwrap();
        assert_eq!(approvals.lines().count(), 2, "{approvals}");
        let count = changing(&standin).len();
        let again = respond(&standin, folder.path(), "alice", &arguments, "");
        assert!(again.status == 0 && changing(&standin).len() == count, "{}", again.stderr);
    }
}

#[test]
fn a_report_of_what_was_done_classes_it_approved() {
    for arguments in [&["--lost"][..], &["--stolen", "--password-out", "password"]] {
        let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
        let done = respond(&standin, folder.path(), "alice", &[arguments, &RECORD].concat(), "");
        assert_eq!(done.status, 0, "{}", done.stderr);
        let mut records = standin.with(|iam| iam.records.clone());
        let mut earlier = records[0].clone();
        let parameters = json!({ "userName": "alice", "serialNumber": serial("alice") });
        earlier["eventName"] = json!("EnableMFADevice");
        earlier["requestParameters"] = parameters;
        earlier["eventID"] = json!("0a1b2c3d-0000-4000-8000-ffffffffffff");
        let at: chrono::DateTime<chrono::Utc> = earlier["eventTime"].as_str().unwrap().parse().unwrap();
        earlier["eventTime"] = json!((at - chrono::TimeDelta::hours(20)).to_rfc3339().replace("+00:00", "Z"));
        records.insert(0, earlier);
        std::fs::write(folder.path().join("records.json"), json!({ "Records": records }).to_string()).unwrap();
        let mut report = mfatrail();
        // The period's end does not belong to it, and of the calls the last may have been made on the next day.
        let to = (at + chrono::TimeDelta::days(2)).format("%Y-%m-%d").to_string();
        report.current_dir(folder.path()).args(["report", "records.json", "--from", "2d", "--to", &to]);
        report.args(["--approvals", "approvals.csv"]);
        let ran = finish(report.args(["--format", "json", "--out", "report"]));
        assert!([0, 3].contains(&ran.status), "{}", ran.stderr);
        let text = std::fs::read_to_string(folder.path().join("report/report.json")).unwrap();
        let report: Value = serde_json::from_str(&text).unwrap();
        let windows = report["windows"].as_array().unwrap();
        assert_eq!(windows.len(), 1, "{report:#}");
        assert_eq!(windows[0]["class"], "approved", "{:#}", windows[0]);
    }
}

/// A record about a user's device, so many hours ago, as those that IAM's calls leave.
fn record_of(like: &Value, name: &str, user: &str, id: u64, hours: i64) -> Value {
    let at: chrono::DateTime<chrono::Utc> = like["eventTime"].as_str().unwrap().parse().unwrap();
    let mut record = like.clone();
    record["eventName"] = json!(name);
    record["eventID"] = json!(format!("0a1b2c3d-0000-4000-8000-{id:012}"));
    record["requestParameters"] = json!({ "userName": user, "serialNumber": serial(user) });
    record["eventTime"] = json!((at - chrono::TimeDelta::hours(hours)).to_rfc3339().replace("+00:00", "Z"));
    record
}

/// The approval of a response goes to a store in a bucket, too, and a report over it reads it.
#[test]
#[expect(clippy::disallowed_methods, reason = "records bear the time at which the binary calls")]
fn a_store_in_a_bucket_takes_the_approval() {
    let (standin, folder, s3) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap(), S3::start());
    const STORE: &str = "s3://evidence-bucket/team/evidence";
    let ran = |arguments: &[&str]| {
        let mut command = mfatrail();
        command
            .current_dir(folder.path())
            .args(arguments)
            .env("AWS_ENDPOINT_URL_S3", &s3.url)
            .env("AWS_ENDPOINT_URL_IAM", &standin.url)
            .env("AWS_ENDPOINT_URL_STS", &standin.url)
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "hunter2")
            .env("MFATRAIL_STORE_CACHE", "none");
        let ran = finish(&mut command);
        assert!([0, 3].contains(&ran.status), "{arguments:?}: {}", ran.stderr);
        ran
    };
    let (other, elsewhere) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    assert_eq!(respond(&other, elsewhere.path(), "alice", &["--lost"], "").status, 0);
    let like = other.with(|iam| iam.records[0].clone());
    let scanned = |name: &str, records: &[Value]| {
        std::fs::write(folder.path().join(name), json!({ "Records": records }).to_string()).unwrap();
        ran(&["scan", name, "--store", STORE]);
    };
    scanned("before.json", &[record_of(&like, "EnableMFADevice", "alice", 2, 20)]);
    let record = ["--ticket", "INC-4711", "--approver", "jane.roe", "--store", STORE];
    ran(&[&apply("alice", &["--lost"])[..], &record].concat());
    let text = String::from_utf8(s3.get("team/evidence/watch/approvals.csv").unwrap()).unwrap();
    assert!(
        text.starts_with(
            "ticket,account,user,approver,valid_from,valid_to\n\"INC-4711\",\"111122223333\",\"alice\",\"jane.roe\","
        ),
        "{text}"
    );
    scanned("after.json", &standin.with(|iam| iam.records.clone()));
    let to = (chrono::Utc::now() + chrono::TimeDelta::days(1)).format("%Y-%m-%d").to_string();
    ran(&["report", "--store", STORE, "--from", "2d", "--to", &to, "--format", "json", "--out", "out"]);
    let report = std::fs::read_to_string(folder.path().join("out/report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["windows"][0]["approval"]["ticket"], "INC-4711");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "records bear the time at which the binary calls")]
fn a_store_shows_the_open_window_and_takes_the_approval() {
    let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name);
    let ran = |arguments: &[&str]| {
        let ran = finish(mfatrail().current_dir(folder.path()).args(arguments));
        assert!([0, 3].contains(&ran.status), "{arguments:?}: {}", ran.stderr);
        ran
    };
    let scanned = |name: &str, records: &[Value]| {
        std::fs::write(path(name), json!({ "Records": records }).to_string()).unwrap();
        ran(&["scan", name, "--store", "store"]);
    };
    let planned = |user: &str| run(&standin, folder.path(), &["respond", user, "--lost", "--store", "store"], "");
    let none = planned("alice");
    assert!(none.status == 2 && none.stderr.contains("no evidence store"), "{}", none.stderr);
    // What a first call leaves is the pattern of all records.
    let (other, elsewhere) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    assert_eq!(respond(&other, elsewhere.path(), "alice", &["--lost"], "").status, 0);
    let like = other.with(|iam| iam.records[0].clone());
    let mut foreign = record_of(&like, "EnableMFADevice", "alice", 1, 30);
    foreign["recipientAccountId"] = json!("444455556666");
    scanned("foreign.json", &[foreign]);
    let unknown = planned("alice");
    assert!(unknown.status == 0 && unknown.stderr.contains("open window: not known"), "{}", unknown.stderr);
    let lost = record_of(&like, "DeactivateMFADevice", "dave", 4, 3);
    let enabled = |user: &str, id: u64| record_of(&like, "EnableMFADevice", user, id, 20);
    scanned("before.json", &[enabled("alice", 2), enabled("dave", 3), lost.clone()]);
    let since = format!("open window: without MFA since {} (unexplained", lost["eventTime"].as_str().unwrap());
    let open = planned("dave");
    assert!(open.status == 0 && open.stderr.contains(&since), "{}", open.stderr);
    let shut = planned("alice");
    assert!(
        shut.status == 0 && shut.stderr.contains("open window: none, by the store's records up to"),
        "{}",
        shut.stderr
    );
    assert!(!path("store/watch").exists(), "a plan leaves nothing in the store");
    // The approval is in the store, and what was done is approved in whatever comes from it.
    let arguments = ["--lost", "--ticket", "INC-4711", "--approver", "jane.roe", "--store", "store"];
    let done = respond(&standin, folder.path(), "alice", &arguments, "");
    assert_eq!(done.status, 0, "{}", done.stderr);
    scanned("after.json", &standin.with(|iam| iam.records.clone()));
    let to = (chrono::Utc::now() + chrono::TimeDelta::days(1)).format("%Y-%m-%d").to_string();
    let period = ["--from", "2d", "--to", &to, "--format", "json"];
    ran(&[&["report", "--store", "store", "--out", "out", "--bundle", "out.zip"], &period[..]].concat());
    let text = std::fs::read_to_string(path("out/report.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let of = |user: &str| {
        let windows = report["windows"].as_array().unwrap().iter();
        let own: Vec<&Value> = windows.filter(|window| window["principal"]["name"] == user).collect();
        assert_eq!(own.len(), 1, "{own:#?}");
        own[0].clone()
    };
    assert_eq!((&of("alice")["class"], &of("alice")["approval"]["ticket"]), (&json!("approved"), &json!("INC-4711")));
    assert_eq!(of("dave")["class"], "unexplained");
    let inputs = report["inputs"].as_array().unwrap();
    assert!(inputs.iter().any(|one| one["path"] == "watch/approvals.csv" && one["kind"] == "approvals"), "{inputs:?}");
    ran(&["report", "--from-bundle", "out.zip", "--out", "again"]);
    assert_eq!(std::fs::read_to_string(path("again/report.json")).unwrap(), text, "the bundle has it too");
    let history = ran(&["history", "--store", "store", "--user", "alice", "--format", "json"]);
    assert!(history.stdout.contains("INC-4711"), "{}", history.stdout);
    let channel =
        "[[channel]]\nname = \"soc\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\nsecret = \"env:SOC\"\n";
    std::fs::write(path("watch.toml"), format!("[[input]]\nkind = \"archive\"\nsource = \"empty\"\n{channel}"))
        .unwrap();
    let replay = ["watch", "replay", "--config", "watch.toml", "--store", "store", "--from", "2d", "--format", "json"];
    let replayed = ran(&replay);
    let replayed: Value = serde_json::from_str(&replayed.stdout).unwrap();
    let alerts = replayed["alerts"].as_array().unwrap().iter().filter(|alert| alert["subject"] == "alice");
    let classes: Vec<&Value> = alerts.map(|alert| &alert["class"]).collect();
    assert_eq!(classes, ["approved"], "{replayed:#}");
    // What is no file of approvals makes no report: what was approved would be called unexplained.
    std::fs::write(path("store/watch/approvals.csv"), "what,is,this\n").unwrap();
    let wrong =
        finish(mfatrail().current_dir(folder.path()).args(["report", "--store", "store", "--out", "no"]).args(period));
    assert!(wrong.status == 2 && wrong.stderr.contains("approvals.csv"), "{}", wrong.stderr);
}

#[test]
fn the_policy_that_is_printed_is_just_enough() {
    let respond_lines: [(&str, &[&str]); 4] = [
        ("alice", &["--lost"]),
        ("alice", &["--stolen", "--password-out", "password"]),
        ("erin", &["--lost", "--remove-password"]),
        ("alice", &["--out-of-sync"]),
    ];
    for (user, arguments) in respond_lines {
        let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
        let mut generate = mfatrail();
        generate.args(["generate", "iam-policy", "--", "respond", user]).args(arguments).args(["--account", ACCOUNT]);
        let printed = finish(&mut generate);
        assert_eq!(printed.status, 0, "{}", printed.stderr);
        let policy: Value = serde_json::from_str(&printed.stdout).unwrap();
        let statements = policy["Statement"].as_array().unwrap();
        let allowed: BTreeSet<String> = statements
            .iter()
            .flat_map(|statement| statement["Action"].as_array().unwrap())
            .map(|action| action.as_str().unwrap().to_owned())
            .collect();
        standin.with(|iam| iam.allowed = Some(allowed.clone()));
        let seed = standin.with(|iam| iam.entities[&serial("alice")].seed.clone());
        let ran = respond(&standin, folder.path(), user, arguments, &codes(&seed, 0));
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert!(!ran.stderr.contains("was refused"), "{}", ran.stderr);
        let called: BTreeSet<String> =
            standin.requests().iter().map(|request| format!("iam:{}", action(request))).collect();
        let called: BTreeSet<String> = called.into_iter().filter(|name| name != "iam:GetCallerIdentity").collect();
        let unused: Vec<&String> = allowed.difference(&called).collect();
        // A passkey has nothing to delete, which the command line does not tell.
        assert!(unused.is_empty() || (user == "erin" && unused == ["iam:DeleteVirtualMFADevice"]), "{unused:?}");
    }
}

#[test]
fn channels_are_told_when_a_run_is_over() {
    use crate::standin::webhook::Webhook;
    let (standin, folder) = (StandIn::start(Iam::new()), tempfile::tempdir().unwrap());
    let receiver = StandIn::start(Webhook::new(SECRET));
    std::fs::write(folder.path().join("secret"), SECRET).unwrap();
    let secret = folder.path().join("secret");
    let config = format!(
        "[[input]]\nkind = \"archive\"\nsource = \"archive\"\n[[channel]]\nname = \"soc\"\nkind = \"webhook\"\nurl = \"{}/hook\"\nsecret = \"file:{}\"\n",
        receiver.url,
        secret.display()
    );
    std::fs::write(folder.path().join("watch.toml"), config).unwrap();
    let ran =
        respond(&standin, folder.path(), "alice", &["--lost", "--ticket", "INC-1", "--watch-config", "watch.toml"], "");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let told: Vec<Value> = receiver.requests().iter().filter_map(|request| request.json()).collect();
    let transitions: Vec<&str> = told.iter().filter_map(|alert| alert["transition"].as_str()).collect();
    assert_eq!(transitions, ["opened", "resolved"]);
    assert!(told[0].to_string().contains("INC-1"), "{:#}", told[0]);
    std::fs::write(folder.path().join("watch.toml"), "[[channel]]\nname = \"soc\"\nkind = \"carrier pigeon\"\n")
        .unwrap();
    let wrong = respond(&standin, folder.path(), "dave", &["--lost", "--watch-config", "watch.toml"], "");
    assert!(wrong.status == 2 && standin.with(|iam| iam.users["dave"].devices.len()) == 1, "{}", wrong.stderr);
}

/// Against a server of somebody else's.
mod online {
    use super::*;
    use crate::support::moto::Moto;

    #[test]
    fn moto_agrees_on_a_lost_device() {
        let moto = Moto::start();
        moto.iam("Action=CreateUser&UserName=ada&Version=2010-05-08");
        moto.iam("Action=CreateVirtualMFADevice&VirtualMFADeviceName=ada&Version=2010-05-08");
        let device = "arn:aws:iam::123456789012:mfa/ada";
        let enable = format!(
            "Action=EnableMFADevice&UserName=ada&SerialNumber={device}&AuthenticationCode1=000000&AuthenticationCode2=000001&\
             Version=2010-05-08"
        );
        moto.iam(&enable);
        let folder = tempfile::tempdir().unwrap();
        let mut command = mfatrail();
        command.current_dir(folder.path()).args(["respond", "ada", "--lost", "--apply", "--confirm", "ada"]);
        command.args(["--endpoint-url", &moto.endpoint()]).env("AWS_ACCESS_KEY_ID", "testing");
        command.env("AWS_SECRET_ACCESS_KEY", "testing").env("AWS_REGION", "us-east-1");
        let ran = finish(&mut command);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let mut list = mfatrail();
        list.args(["device", "list", "--endpoint-url", &moto.endpoint()]).env("AWS_ACCESS_KEY_ID", "testing");
        let left = finish(list.env("AWS_SECRET_ACCESS_KEY", "testing").env("AWS_REGION", "us-east-1"));
        assert!(left.status == 0 && !left.stdout.contains(device), "{}{}", left.stdout, left.stderr);
    }
}
