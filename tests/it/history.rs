//! The auditor's history, from the outside: the real binary on stores of the fixtures and of histories made up here.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use mfatrail::app;
use mfatrail::app::history::{self, HistoryRequest, Subject};
use mfatrail::table::typed::Format;
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;
use serde_json::{Value, json};

use crate::support::run::{self, Ran, mfatrail, root};

const ACCOUNT: &str = "111122223333";

/// A store, and what is asked of it.
struct Home(tempfile::TempDir);

impl Home {
    /// Of records in one object.
    fn of(records: &[Value]) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let archive = home.0.path().join("archive");
        fs::create_dir_all(&archive).unwrap();
        fs::write(archive.join("records.json"), json!({ "Records": records }).to_string()).unwrap();
        home.scan(&archive);
        home
    }

    fn fixtures() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.scan(&root().join("fixtures/archive"));
        home
    }

    fn scan(&self, archive: &Path) {
        let ran: Ran = mfatrail().arg("scan").arg(archive).arg("--store").arg(self.store()).output().unwrap().into();
        assert_eq!(ran.status, 0, "{}", ran.stderr);
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }

    fn ran(&self, arguments: &[&str]) -> Ran {
        mfatrail().arg("history").args(arguments).env("MFATRAIL_STORE", self.store()).output().unwrap().into()
    }

    fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        let ran = self.ran(&[arguments, &["--format", "json"]].concat());
        assert_eq!(ran.status, 0, "{arguments:?}: {}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }
}

fn values<'r>(rows: &'r [Value], name: &str) -> Vec<&'r str> {
    rows.iter().map(|row| row[name].as_str().unwrap_or("-")).collect()
}

#[test]
fn a_library_asks_without_a_command_line() {
    let home = Home::fixtures();
    let run = app::Run::silent("2026-11-27T00:00:00Z".parse().unwrap());
    let asked = |subject: Subject| HistoryRequest {
        subject,
        columns: subject.columns(&[], false).unwrap(),
        users: vec!["jonas.lind".to_owned()],
        ..HistoryRequest::default()
    };
    let at = "2026-10-15T00:00:00Z".parse().unwrap();
    for (subject, arguments) in [
        (Subject::Events, &["--user", "jonas.lind"][..]),
        (Subject::Spans, &["--user", "jonas.lind", "--spans"]),
        (Subject::At(at), &["--user", "jonas.lind", "--as-of", "2026-10-15"]),
    ] {
        let answer = history::ask(home.store(), &asked(subject), None, run).unwrap();
        assert!(answer.is_complete() && answer.unknown.is_empty() && answer.reach().is_some(), "{subject:?}");
        let (count, mut text) = (answer.table.rows(), Vec::new());
        answer.table.write(Format::Json, &[], &mut text).unwrap();
        let rows: Vec<Value> = serde_json::from_slice(&text).unwrap();
        assert_eq!(rows, home.rows(arguments), "{subject:?}");
        assert!(count > 0 && count == rows.len(), "{subject:?}");
    }

    let misspelt = HistoryRequest { users: vec!["jonas.lin".to_owned()], ..HistoryRequest::default() };
    let answer = history::ask(home.store(), &misspelt, None, run).unwrap();
    let [name] = answer.unknown.as_slice() else { panic!("{:?}", answer.unknown) };
    assert_eq!((name.flag, name.value.as_str()), ("--user", "jonas.lin"));
    assert!(name.near.contains(&"jonas.lind".to_owned()), "{:?}", name.near);

    let absent = HistoryRequest { accounts: vec!["999999999999".to_owned()], ..HistoryRequest::default() };
    assert!(matches!(history::ask(home.store(), &absent, None, run), Err(app::Error::Input(_))));
    let nowhere = home.0.path().join("nowhere");
    assert!(matches!(history::ask(&nowhere, &absent, None, run), Err(app::Error::Input(_))));
}

/// An IAM call at a time of 2026-10, by an administrator.
fn call(id: &str, time: &str, name: &str, parameters: Value) -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:nora",
            "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/HelpDesk/nora"),
            "accountId": ACCOUNT,
        },
        "eventTime": format!("2026-10-{time}Z"),
        "eventSource": "iam.amazonaws.com",
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.7",
        "requestParameters": parameters,
        "eventID": id,
        "recipientAccountId": ACCOUNT,
    })
}

fn created(id: &str, time: &str, user: &str, unique: &str) -> Value {
    let mut record = call(id, time, "CreateUser", json!({ "userName": user }));
    record["responseElements"] = json!({ "user": { "userName": user, "userId": unique } });
    record
}

fn device(id: &str, time: &str, name: &str, user: &str, serial: &str) -> Value {
    call(id, time, name, json!({ "userName": user, "serialNumber": serial }))
}

/// anna becomes beth and goes; another anna comes; a hardware token goes from one to the other.
fn annas() -> Vec<Value> {
    let mut refused = device("refused", "05T09:00:00", "DeactivateMFADevice", "beth", "GAHT0001");
    refused["errorCode"] = json!("AccessDenied");
    vec![
        created("born-1", "01T08:00:00", "anna", "AIDAONE"),
        call("password-1", "01T08:30:00", "CreateLoginProfile", json!({ "userName": "anna" })),
        device("on-1", "01T09:00:00", "EnableMFADevice", "anna", "GAHT0001"),
        call("renamed", "03T09:00:00", "UpdateUser", json!({ "userName": "anna", "newUserName": "beth" })),
        refused,
        device("off-1", "10T09:00:00", "DeactivateMFADevice", "beth", "GAHT0001"),
        call("gone", "10T09:00:30", "DeleteUser", json!({ "userName": "beth" })),
        created("born-2", "12T08:00:00", "anna", "AIDATWO"),
        call("password-2", "12T08:30:00", "CreateLoginProfile", json!({ "userName": "anna" })),
        device("on-2", "12T09:00:00", "EnableMFADevice", "anna", "GAHT0001"),
        device("on-3", "13T09:00:00", "EnableMFADevice", "anna", "arn:aws:iam::111122223333:mfa/anna-phone"),
        device("off-2", "14T09:00:00", "DeactivateMFADevice", "anna", "GAHT0001"),
        device("off-x", "14T10:00:00", "DeactivateMFADevice", "carl", "GAHT0009"),
    ]
}

#[test]
fn a_user_is_followed_across_renames_and_told_from_its_successor() {
    let home = Home::of(&annas());
    let of_anna = home.rows(&["--user", "anna"]);
    assert_eq!(values(&of_anna, "event_id"), ["on-1", "refused", "off-1", "on-2", "on-3", "off-2"]);
    assert_eq!(values(&of_anna, "principal"), ["beth", "beth", "beth", "anna", "anna", "anna"]);
    let ids = ["AIDAONE", "AIDAONE", "AIDAONE", "AIDATWO", "AIDATWO", "AIDATWO"];
    assert_eq!(values(&of_anna, "principal_id"), ids);
    assert_eq!(values(&home.rows(&["--user", "BETH"]), "event_id"), ["on-1", "refused", "off-1"]);
    assert_eq!(values(&home.rows(&["--user", "AIDATWO"]), "event_id"), ["on-2", "on-3", "off-2"]);

    let [refused, off] = [&of_anna[1], &of_anna[2]];
    assert_eq!((refused["outcome"].as_str(), refused["error_code"].as_str()), (Some("failed"), Some("AccessDenied")));
    assert_eq!(refused["window"], Value::Null);
    assert_eq!(off["remaining_devices"], 0);
    assert_eq!(off["close_reason"], "user_deleted");
    assert_eq!(off["closed_at"], "2026-10-10T09:00:30Z");
    assert_eq!(off["duration_s"], 30);
    // IAM deletes no user that has a password: its removal is missing, and the window may have ended before.
    assert_eq!(off["certainty"], "possible");
    assert_eq!(off["objects"], json!(["records.json"]));
    assert_eq!(of_anna[5]["remaining_devices"], 1);
    assert_eq!(of_anna[5]["window"], Value::Null);

    // Any extracted event can be asked for; an open window has no end.
    let passwords = home.rows(&["--event", "CreateLoginProfile", "--user", "anna"]);
    assert_eq!(values(&passwords, "window"), ["never_enrolled", "never_enrolled"]);
    let open = home.rows(&["--user", "carl"]);
    assert_eq!(values(&open, "close_reason"), ["open"]);
    assert_eq!(open[0]["closed_at"], Value::Null);
}

#[test]
fn a_device_is_followed_from_owner_to_owner() {
    let home = Home::of(&annas());
    let spans = home.rows(&["--device", "GAHT0001"]);
    let edges = |name: &str| values(&spans, name).join(" ");
    assert_eq!(edges("principal_id"), "AIDAONE AIDATWO");
    assert_eq!(edges("enabled_event_id"), "on-1 on-2");
    assert_eq!(edges("removed_event_id"), "off-1 off-2");
    assert_eq!(edges("removed_at"), "2026-10-10T09:00:00Z 2026-10-14T09:00:00Z");

    // By the name at its end; still there. One whose enrolment was not seen says so.
    let phone = home.rows(&["--device", "anna-phone"]);
    assert_eq!(values(&phone, "removed_by"), ["active"]);
    assert_eq!(phone[0]["removed_at"], Value::Null);
    let unseen = home.rows(&["--spans", "--user", "carl"]);
    assert_eq!(values(&unseen, "enabled_by"), ["unknown"]);
    assert_eq!(unseen[0]["enabled_at"], Value::Null);
    assert_eq!(unseen[0]["removed_at"], "2026-10-14T10:00:00Z");
    // With a range, those that reach into it.
    let later = home.rows(&["--spans", "--from", "2026-10-11", "--to", "2026-10-13"]);
    assert_eq!(values(&later, "removed_event_id"), ["off-2", "off-x"]);
}

#[test]
fn a_moment_shows_what_somebody_had_and_whether_that_is_all() {
    let home = Home::of(&annas());
    let at = |moment: &str| home.rows(&["--user", "anna", "--as-of", moment]);
    let none = at("2026-10-01T08:45:00Z");
    assert_eq!((&none[0]["has_device"], &none[0]["complete"]), (&json!(false), &json!(true)));
    assert_eq!(none[0]["event_id"], "born-1");
    for (moment, devices) in [
        ("2026-10-01T09:00:00Z", vec!["on-1"]),
        ("2026-10-10T08:59:59Z", vec!["on-1"]),
        ("2026-10-13T10:00:00Z", vec!["on-2", "on-3"]),
        ("2026-10-14T09:00:00Z", vec!["on-3"]),
    ] {
        let rows = at(moment);
        let ids: BTreeSet<&str> = values(&rows, "event_id").into_iter().collect();
        assert_eq!(ids, devices.into_iter().collect(), "{moment}");
        assert!(rows.iter().all(|row| row["has_device"] == true && row["complete"] == true), "{moment}: {rows:?}");
    }
    // After its last deactivation, before its deletion: nothing, and that shows it.
    assert_eq!(values(&at("2026-10-10T09:00:10Z"), "event_id"), ["off-1"]);
    assert!(at("2026-10-11").is_empty());
    // carl's creation was not seen.
    let carl = home.rows(&["--user", "carl", "--as-of", "2026-10-14T10:00:00Z"]);
    assert_eq!((&carl[0]["has_device"], &carl[0]["complete"]), (&Value::Null, &json!(false)));
    // Nothing is known of what comes after the last record.
    assert_eq!(at("2026-10-20")[0]["complete"], false);
}

/// Before the first record nobody knows who was there: a user of the same name may have been deleted before.
#[test]
fn before_the_first_record_everything_is_unknown() {
    let home = Home::of(&annas());
    for arguments in
        [&[][..], &["--user", "anna"], &["--user", "nobody"], &["--account", ACCOUNT], &["--device", "GAHT0001"]]
    {
        for (moment, known) in [("2026-09-01", false), ("2026-10-01T07:59:59Z", false), ("2026-10-01T08:00:00Z", true)]
        {
            let ran = home.ran(&[arguments, &["--as-of", moment, "--format", "json"]].concat());
            let rows: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
            let unknown = rows.iter().filter(|row| row["why"].as_str().unwrap().starts_with("unknown: ")).count();
            let want = if known { (0, false) } else { (3, true) };
            assert_eq!((ran.status, unknown > 0), want, "{arguments:?} {moment}: {}", ran.stderr);
            assert_eq!(ran.stderr.contains("unknown who had which device at that time"), !known, "{}", ran.stderr);
            let open = |row: &Value| row["has_device"].is_null() && row["complete"] == false;
            assert!(known || rows.iter().all(open), "{rows:?}");
        }
    }
    let table = home.ran(&["--as-of", "2026-09-01"]).stdout;
    assert!(table.contains("unknown"), "{table}");
    // One account's records begin later than the other's.
    let mut records = annas();
    let mut other = created("other", "20T08:00:00", "zoe", "AIDAZOE");
    other["recipientAccountId"] = json!("444455556666");
    records.push(other);
    let home = Home::of(&records);
    let ran = home.ran(&["--as-of", "2026-10-13T10:00:00Z", "--format", "json"]);
    assert!(
        ran.status == 3 && ran.stderr.contains("account 444455556666") && !ran.stderr.contains(ACCOUNT),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("\"on-2\""), "{}", ran.stdout);
    let ran = home.ran(&["--as-of", "2026-10-13T10:00:00Z", "--account", ACCOUNT]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}

#[test]
fn an_actor_is_shown_with_what_it_did_to_others() {
    let mut records = annas();
    let mut own =
        device("own", "15T09:00:00", "DeactivateMFADevice", "anna", "arn:aws:iam::111122223333:mfa/anna-phone");
    own["userIdentity"] = json!({
        "type": "IAMUser", "principalId": "AIDATWO", "userName": "anna", "accountId": ACCOUNT,
        "arn": format!("arn:aws:iam::{ACCOUNT}:user/anna"),
    });
    let mut other = device("other", "15T09:30:00", "DeactivateMFADevice", "dora", "GAHT0044");
    other["userIdentity"] = own["userIdentity"].clone();
    records.extend([own, other]);
    let home = Home::of(&records);
    assert_eq!(values(&home.rows(&["--actor", "anna"]), "event_id"), ["other"]);
    for name in ["HelpDesk", "nora", "AROAEXAMPLE"] {
        let rows = home.rows(&["--actor", name, "--event", "DeactivateMFADevice"]);
        assert_eq!(values(&rows, "event_id"), ["refused", "off-1", "off-2", "off-x"], "{name}");
    }
    let own = home.rows(&["--user", "anna", "--from", "2026-10-15"]);
    assert_eq!(own[0]["by_itself"], true);
    assert_eq!(own[0]["certainty"], "confirmed");
}

#[test]
fn a_deactivation_names_the_ticket_that_allowed_it() {
    let home = Home::of(&annas());
    let file = home.0.path().join("approvals.csv");
    let text = "ticket,account,user,approver,valid_from,valid_to\n\
                CHG-0,111122223333,anna,olga,2026-10-10T00:00:00Z,2026-10-11T00:00:00Z\n\
                CHG-1,111122223333,beth,olga,2026-10-10T00:00:00Z,2026-10-11T00:00:00Z\n\
                CHG-2,111122223333,beth,nora,2026-10-10T08:00:00Z,2026-10-11T00:00:00Z\n\
                CHG-3,111122223333,beth,olga,2026-10-14T00:00:00Z,2026-10-15T00:00:00Z\n";
    fs::write(&file, text).unwrap();
    let rows = home.rows(&["--event", "DeactivateMFADevice", "--approvals", file.to_str().unwrap()]);
    // It was called beth then; anna was its name once, nora made the call, and who was deactivated later is another.
    assert_eq!(values(&rows, "ticket"), ["-", "CHG-1", "-", "-"]);
    assert_eq!(rows[1]["approver"], "olga");
}

/// A history and a report of the same events say the same.
#[test]
fn the_history_is_what_a_report_says() {
    let home = Home::fixtures();
    let store = home.store();
    let arguments = ["--store", store.to_str().unwrap(), "--from", "2026-09-01", "--to", "2026-12-01"];
    let (ran, out) = run::report(&[&arguments[..], &["--format", "json"]].concat(), "report");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let report = run::json(&out);
    let rows = home.rows(&[]);
    let events = report["events"].as_array().unwrap();
    assert_eq!(rows.len(), events.len());
    assert!(rows.len() > 70);
    for (row, event) in rows.iter().zip(events) {
        for (mine, theirs) in [
            ("event_id", "/event_id"),
            ("time", "/event_time"),
            ("event", "/event_name"),
            ("outcome", "/outcome"),
            ("account", "/account"),
            ("principal", "/principal/name"),
            ("principal_id", "/principal/id"),
            ("device", "/device"),
            ("actor", "/actor"),
            ("actor_mfa", "/actor_mfa"),
            ("remaining_devices", "/remaining_devices"),
            ("objects", "/objects"),
        ] {
            // A report knows more ids: it looks at the calls of those who lost a device.
            if mine == "principal_id" && row[mine].is_null() {
                continue;
            }
            let theirs = event.pointer(theirs).unwrap_or(&Value::Null);
            assert_eq!(&row[mine], theirs, "{mine} of {}", row["event_id"]);
        }
        let opened =
            |window: &&Value| window["opened_by_event"] == row["event_id"] && window["account"] == row["account"];
        let window = report["windows"].as_array().unwrap().iter().find(opened);
        assert_eq!(row["window"], window.map_or(Value::Null, |window| window["kind"].clone()));
        if let Some(window) = window {
            assert_eq!(row["closed_at"], window["closed_at"], "{}", row["event_id"]);
            assert_eq!(row["certainty"], window["certainty"]);
            if !window["closed_at"].is_null() {
                assert_eq!(row["close_reason"], window["close_reason"]);
                assert_eq!(row["duration_s"], window["duration_s"]);
            }
        }
    }
}

/// What is read for a narrow question gives the rows that everything gives.
#[test]
fn a_narrow_question_is_answered_as_a_broad_one_would() {
    for home in [Home::fixtures(), Home::of(&annas())] {
        let all = home.rows(&[]);
        let spans = home.rows(&["--spans"]);
        let names: BTreeSet<&str> = all.iter().filter_map(|row| row["principal"].as_str()).collect();
        assert!(names.len() >= 3);
        for (place, name) in names.iter().enumerate().filter(|(place, _)| place % 3 == 0) {
            let rows = home.rows(&["--user", name]);
            assert!(rows.iter().any(|row| row["principal"] == **name), "{name}");
            for row in all.iter().filter(|row| row["principal"] == **name) {
                assert!(rows.contains(row), "{name}: {row}");
            }
            assert!(rows.iter().all(|row| all.contains(row)), "{name}");
            let own = home.rows(&["--user", name, "--spans"]);
            assert!(own.iter().all(|span| spans.contains(span)), "{place} {name}");
        }
        let middle = home.rows(&["--from", "2026-10-10", "--to", "2026-10-20"]);
        let inside = |row: &&Value| ("2026-10-10".."2026-10-20").contains(&row["time"].as_str().unwrap());
        assert_eq!(middle, all.iter().filter(inside).cloned().collect::<Vec<_>>());
    }
}

#[test]
fn sql_changes_nothing_and_its_faults_are_explained() {
    let home = Home::of(&annas());
    for statement in [
        "DROP TABLE events",
        "DELETE FROM events",
        "CREATE TABLE x AS SELECT 1",
        "",
        "SELECT nosuch FROM events",
        "SELECT 1; SELECT 2",
        "SELECT * FROM read_csv('Cargo.toml')",
    ] {
        let ran = home.ran(&["--sql", statement]);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{statement}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint: the tables are events, calls, sightings, objects, runs"), "{}", ran.stderr);
    }
    assert_eq!(home.rows(&["--sql", "SELECT count(*) AS n FROM events"])[0]["n"], annas().len());
}

#[test]
fn a_misspelled_column_is_looked_for_in_the_tables_of_from() {
    let home = Home::of(&annas());
    let said = |statement: &str| home.ran(&["--sql", statement]).stderr;
    let one = said("SELECT event_nam FROM events");
    assert!(one.contains("no column `event_nam`; there is event_name, event_id, event_time\n"), "{one}");
    let two = said("SELECT event_nam FROM events, calls");
    assert!(two.contains("there is calls.event_name, events.event_name, "), "{two}");
    let alias = said("SELECT c.event_nam FROM calls AS c");
    assert!(alias.contains("no column `c.event_nam`; there is calls.event_name"), "{alias}");
}

#[test]
fn sql_reaches_no_file() {
    let home = Home::of(&annas());
    let folder = home.0.path();
    fs::write(folder.join("secret.csv"), "word\nsesame\n").unwrap();
    fs::write(folder.join("secret.json"), "{\"word\":\"sesame\"}\n").unwrap();
    let names = || {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let (csv, lines) = (folder.join("secret.csv"), folder.join("secret.json"));
    let (csv, lines) = (csv.display(), lines.display());
    let parquet = folder.join("store/events/*/*/*.parquet");
    for statement in [
        format!("SELECT * FROM read_csv('{csv}')"),
        format!("SELECT * FROM READ_CSV('{csv}')"),
        format!("SELECT * FROM \"read_csv\"('{csv}')"),
        format!("FROM read_csv('{csv}')"),
        format!("SELECT * FROM read_json('{lines}')"),
        format!("SELECT * FROM read_ndjson('{lines}')"),
        format!("SELECT * FROM read_ipc('{csv}')"),
        format!("SELECT * FROM read_parquet('{}')", parquet.display()),
        format!("SELECT * FROM scan_csv('{csv}')"),
        format!("SELECT * FROM '{csv}'"),
        format!("SELECT * FROM \"{csv}\""),
        "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')".to_owned(),
        "SELECT * FROM read_parquet('s3://example/x.parquet')".to_owned(),
        format!("WITH x AS (SELECT * FROM read_csv('{csv}')) SELECT * FROM x"),
        format!("SELECT * FROM events WHERE event_name IN (SELECT word FROM read_csv('{csv}'))"),
        format!("SELECT 1 UNION ALL SELECT word FROM read_csv('{csv}')"),
        format!("SELECT * FROM events JOIN read_csv('{csv}') ON true"),
        format!("EXPLAIN SELECT * FROM read_csv('{csv}')"),
        format!("EXPLAIN ANALYZE CREATE TABLE x AS SELECT * FROM read_csv('{csv}')"),
        format!("SELECT * INTO '{}/out.csv' FROM events", folder.display()),
        format!("SELECT * FROM events INTO OUTFILE '{}/out.csv'", folder.display()),
        format!("COPY events TO '{}/out.csv'", folder.display()),
        format!("WITH x AS (SELECT 1) COPY events TO '{}/out.csv'", folder.display()),
        format!("SELECT 1; COPY events TO '{}/out.csv'", folder.display()),
        format!("ATTACH '{csv}' AS x"),
        format!("SELECT load_extension('{csv}')"),
        format!("SELECT readfile('{csv}'), pg_read_file('{csv}')"),
        "SELECT getenv('HOME')".to_owned(),
        "WITH x AS (SELECT 1 AS a) DELETE FROM events".to_owned(),
        "WITH x AS (SELECT 1 AS a) INSERT INTO events SELECT * FROM events".to_owned(),
        "WITH x AS (SELECT 1 AS a) UPDATE events SET event_name = 'x'".to_owned(),
    ] {
        let ran = home.ran(&["--sql", &statement]);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{statement}: {}", ran.stderr);
        assert!(!ran.stderr.contains("sesame"), "{statement}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint: the tables are events, calls, sightings, objects, runs"), "{}", ran.stderr);
    }
    assert_eq!(names(), before);
    assert_eq!(home.rows(&["--sql", "SELECT count(*) AS n FROM events"])[0]["n"], annas().len());
}

/// polars panics at some of these, and a stack has an end.
#[test]
fn whatever_the_statement_it_has_an_answer_or_a_fault() {
    let home = Home::of(&annas());
    for statement in [
        "SELECT COLUMNS('(') FROM events".to_owned(),
        "SELECT event_time + INTERVAL '999999999 years' AS x FROM events".to_owned(),
        "SELECT REGEXP_LIKE(event_name, '(((a{1000}){1000}){1000})') FROM events".to_owned(),
        format!("SELECT 1{} AS x", "+1".repeat(20_000)),
        format!("SELECT {}1{} AS x", "(".repeat(2000), ")".repeat(2000)),
        format!("{}SELECT 1", "SELECT 1 UNION ALL ".repeat(5000)),
    ] {
        let ran = home.ran(&["--sql", &statement]);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{statement:.60}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: `--sql`: ") && !ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
    // Longer than people write.
    for statement in [
        format!("SELECT 1{} AS x", "+1".repeat(1200)),
        format!("SELECT count(*) AS x FROM events WHERE event_name = ''{}", " OR mfa_used".repeat(300)),
        format!("SELECT count(*) AS x FROM events WHERE {}mfa_used", "NOT ".repeat(20)),
        format!("{}SELECT 1 AS x", "SELECT 1 AS x UNION ALL ".repeat(60)),
    ] {
        let ran = home.ran(&["--sql", &statement, "--format", "json"]);
        assert_eq!(ran.status, 0, "{statement:.60}: {}", ran.stderr);
    }
}

/// What a question names is compared, never executed; what a record holds is a value.
#[test]
fn texts_are_never_statements() {
    const HOSTILE: [&str; 8] = [
        "x' OR 1=1 --",
        "x' OR '1'='1",
        "'; DROP TABLE events; --",
        "\" OR \"\" = \"",
        "' UNION SELECT * FROM read_csv('/etc/passwd') --",
        "%",
        "$(touch pwned) `touch pwned` ${HOME}",
        "\\' OR 1=1 /*",
    ];
    let plain = Home::of(&annas());
    for text in HOSTILE {
        for flag in ["--user", "--device", "--actor", "--event"] {
            let ran = plain.ran(&[flag, text, "--format", "json"]);
            assert_eq!(
                (ran.status, ran.stdout.replace('\n', "")),
                (0, "[]".to_owned()),
                "{flag} {text}: {}",
                ran.stderr
            );
            assert!(ran.stderr.contains("warning: no event in the store has"), "{flag} {text}: {}", ran.stderr);
        }
        let ran = plain.ran(&["--account", text, "--format", "json"]);
        let printed = ran.stdout.replace('\n', "");
        assert!(matches!((ran.status, printed.as_str()), (0, "[]") | (2, "")), "{text}: {printed} {}", ran.stderr);
    }
    let mut records = annas();
    for text in HOSTILE {
        let mut record = annas()[2].clone();
        record["eventID"] = json!(format!("of {text}"));
        record["requestParameters"]["userName"] = json!(text);
        records.push(record);
    }
    let home = Home::of(&records);
    for text in HOSTILE {
        let rows = home.rows(&["--user", text]);
        assert_eq!(values(&rows, "principal"), [text]);
        assert_eq!(values(&rows, "event_id"), [format!("of {text}")]);
        let quoted = text.replace('\'', "''");
        let found = home.rows(&["--sql", &format!("SELECT event_id FROM events WHERE target_name = '{quoted}'")]);
        assert_eq!(values(&found, "event_id"), [format!("of {text}")]);
    }
    assert_eq!(home.rows(&["--user", "anna"]).len(), plain.rows(&["--user", "anna"]).len());
    assert_eq!(home.rows(&["--sql", "SELECT count(*) AS n FROM events"])[0]["n"], records.len());
}

#[test]
fn every_format_has_the_same_rows() {
    let home = Home::of(&annas());
    let rows = home.rows(&[]);
    let lines = home.ran(&["--format", "ndjson"]).stdout;
    let parsed: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(parsed, rows);
    assert_eq!(home.ran(&["--format", "csv"]).stdout.lines().count(), rows.len() + 1);
    let output =
        mfatrail().args(["history", "--format", "parquet"]).env("MFATRAIL_STORE", home.store()).output().unwrap();
    let frame = ParquetReader::new(Cursor::new(output.stdout)).finish().unwrap();
    assert_eq!(frame.height(), rows.len());
    let ids = home.ran(&["--format", "csv", "--fields", "event_id,outcome"]).stdout;
    assert!(ids.starts_with("event_id,outcome\non-1,success\n"), "{ids}");
}

/// What is not known, what is empty, times, days and numbers, in every format.
#[test]
fn values_of_a_statement_are_as_documented() {
    let home = Home::of(&annas());
    let statement = "SELECT NULL AS n, '' AS empty, 'a,\"b\"' AS q, '=1+1' AS formula, 1/3 AS third, 9007199254740993 AS big, -5 AS less, \
        TRUE AS yes, DATE '2026-10-14' AS day, TIMESTAMP '2026-10-14T02:00:00Z' AS t, TIMESTAMP '2026-10-14 02:00:00.25' AS u";
    let printed = |format: &str| {
        let ran = home.ran(&["--sql", statement, "--format", format]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, "1 row\n"));
        ran.stdout
    };
    let row = r#"{"n":null,"empty":"","q":"a,\"b\"","formula":"=1+1","third":0.3333333333333333,"big":9007199254740993,"less":-5,"yes":true,"day":"2026-10-14","t":"2026-10-14T02:00:00Z","u":"2026-10-14T02:00:00.250Z"}"#;
    assert_eq!(printed("ndjson"), format!("{row}\n"));
    assert_eq!(printed("json"), format!("[\n{row}\n]\n"));
    assert_eq!(
        printed("csv"),
        "n,empty,q,formula,third,big,less,yes,day,t,u\n,\"\",\"a,\"\"b\"\"\",'=1+1,0.3333333333333333,9007199254740993,-5,true,\
         2026-10-14,2026-10-14T02:00:00Z,2026-10-14T02:00:00.250Z\n"
    );
    let output = mfatrail()
        .args(["history", "--sql", statement, "--format", "parquet"])
        .env("MFATRAIL_STORE", home.store())
        .output()
        .unwrap();
    let frame = ParquetReader::new(Cursor::new(output.stdout)).finish().unwrap();
    let kinds: Vec<String> = frame.columns().iter().map(|column| column.dtype().to_string()).collect();
    assert_eq!(
        kinds,
        ["str", "str", "str", "str", "f64", "i64", "i64", "bool", "date", "datetime[μs]", "datetime[μs]"]
    );
    // The same question has the same answer, row for row.
    let asked = ["--sql", "SELECT event_name, count(*) AS n FROM events GROUP BY event_name", "--format", "csv"];
    assert_eq!(home.ran(&asked).stdout, home.ran(&asked).stdout);
    // Columns of one name are told apart; a second of one name that was given is refused.
    let joined = home.rows(&["--sql", "SELECT e.account, o.account FROM events e JOIN objects o USING (object_id)"]);
    assert!(joined.iter().all(|row| row["account"] == ACCOUNT && row["o.account"].is_null()), "{joined:?}");
}

#[test]
fn text_from_the_logs_moves_no_terminal() {
    let mut records = annas();
    records[2]["requestParameters"]["serialNumber"] = json!("=cmd()\u{1b}[2J\u{202e}x");
    let home = Home::of(&records);
    let table = home.ran(&[]).stdout;
    assert!(table.contains("=cmd()\\u{1b}[2J\\u{202e}x") && !table.contains('\u{1b}'), "{table}");
    assert!(home.ran(&["--format", "csv"]).stdout.contains(",'=cmd()"));
}

#[test]
fn what_is_wrong_is_said_once_and_with_a_way_out() {
    let home = Home::of(&annas());
    let nowhere = home.0.path().join("nowhere");
    let absent: Ran = mfatrail().arg("history").arg("--store").arg(&nowhere).output().unwrap().into();
    assert_eq!(absent.status, 2);
    assert!(absent.stderr.contains("no evidence store") && absent.stderr.contains("hint: "), "{}", absent.stderr);
    let without: Ran = mfatrail().arg("history").output().unwrap().into();
    assert!(without.status == 2 && without.stderr.contains("set MFATRAIL_STORE"), "{}", without.stderr);
    for (arguments, text) in [
        (&["--from", "2026-10-02", "--to", "2026-10-01"][..], "hint: swap them"),
        (&["--from", "tomorrow"][..], "`--from`"),
        (&["--fields", "nosuch"][..], "there is no column `nosuch`"),
        (&["--fields", "time,time"][..], "given twice"),
    ] {
        let ran = home.ran(arguments);
        assert!(ran.status == 2 && ran.stderr.contains(text), "{arguments:?}: {}", ran.stderr);
    }
    for (arguments, hint) in [
        (["--user", "ana"], "did you mean anna?"),
        (["--device", "GAHT001"], "did you mean GAHT0001"),
        (["--event", "EnableMFADevise"], "EnableMFADevice"),
    ] {
        let ran = home.ran(&arguments);
        assert!(ran.status == 0 && ran.stderr.contains("warning: no event in the store has"), "{}", ran.stderr);
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("note: the store has records of 1 account from 2026-10-01T08:00:00Z"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn what_could_not_be_read_is_named() {
    let home = Home::of(&annas());
    let archive = home.0.path().join("damaged");
    fs::create_dir_all(&archive).unwrap();
    fs::write(archive.join("broken.json"), "{\"Records\":[").unwrap();
    let ran: Ran = mfatrail().arg("scan").arg(&archive).arg("--store").arg(home.store()).output().unwrap().into();
    assert_eq!(ran.status, 3);
    let ran = home.ran(&["--user", "anna"]);
    assert_eq!(ran.status, 3);
    assert!(ran.stderr.contains("broken.json") && ran.stderr.contains("store retry"), "{}", ran.stderr);
    // Tables have no row for what could not be read either.
    let ran = home.ran(&["--sql", "SELECT count(*) AS n FROM events WHERE event_name = 'DeleteUser'"]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("broken.json") && ran.stderr.contains("store retry"), "{}", ran.stderr);
}

/// With DuckDB, which comes from PyPI.
mod online {
    use super::*;
    use crate::support::duckdb;

    #[test]
    fn sql_counts_what_duckdb_counts() {
        let home = Home::fixtures();
        let statement = |events: &str| {
            format!(
                "SELECT event_name, count(*) AS n FROM {events} WHERE event_time >= '2026-10-05' GROUP BY event_name ORDER BY event_name"
            )
        };
        let rows = home.rows(&["--sql", &statement("events")]);
        let ours: Vec<String> =
            rows.iter().map(|row| format!("{}\t{}", row["event_name"].as_str().unwrap(), row["n"])).collect();
        let theirs = duckdb::query(&statement("read_parquet('store/events/*/*/*.parquet')"), home.0.path());
        assert_eq!(ours, theirs);
        assert!(ours.len() > 10);
        let joined = "SELECT count(*) AS n FROM events e JOIN objects o USING (object_id) WHERE o.status = 'read'";
        assert_eq!(
            home.rows(&["--sql", joined])[0]["n"],
            home.rows(&["--sql", "SELECT count(*) AS n FROM events"])[0]["n"]
        );
        for table in ["calls", "sightings", "objects", "runs"] {
            assert_eq!(home.rows(&["--sql", &format!("SELECT count(*) AS n FROM {table}")]).len(), 1, "{table}");
        }
        assert_eq!(values(&home.rows(&["--sql", "SELECT kind FROM runs"]), "kind"), ["scan", "end"]);
    }
}
