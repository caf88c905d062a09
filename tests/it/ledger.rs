//! The ledger: what is written before it is sent, what becomes of it, and what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mfatrail::alert::Outcome;
use mfatrail::alert::text::{Setting, alert};
use mfatrail::contract::{Certainty, Class, ConsolePassword, Principal, PrincipalKind};
use mfatrail::incident::diff::{Entry, Scope, diff};
use mfatrail::incident::ledger::change::Recipient;
use mfatrail::incident::ledger::outbox::Due;
use mfatrail::incident::ledger::view::{Filter, Listed};
use mfatrail::incident::ledger::{Ledger, LedgerError, PLACE, TABLES, VERSION};
use mfatrail::incident::{Incident, Kind, Resolution, Severity, State};
use rusqlite::Connection;

use crate::support::run::root;

type Time = DateTime<Utc>;

pub fn time(text: &str) -> Time {
    text.parse().unwrap()
}

fn now() -> Time {
    time("2026-10-05T09:05:00Z")
}

pub fn incident(name: &str) -> Incident {
    Incident {
        kind: Kind::Window,
        account: "111122223333".to_owned(),
        event_id: format!("event-{name}"),
        event_name: "DeactivateMFADevice".to_owned(),
        opened_at: time("2026-10-05T09:00:00Z"),
        due_at: time("2026-10-05T09:00:00Z"),
        severity: Severity::Error,
        resolution: None,
        principal: Some(Principal {
            kind: PrincipalKind::IamUser,
            name: name.to_owned(),
            id: Some(format!("AIDA{}", name.to_uppercase())),
        }),
        actor: Some("arn:aws:sts::111122223333:assumed-role/HelpDesk/dana".to_owned()),
        actor_id: Some("AROAEXAMPLE:dana".to_owned()),
        actor_mfa: Some(true),
        source_ip: Some("198.51.100.7".to_owned()),
        user_agent: Some("aws-cli/2.17 <!channel>".to_owned()),
        region: Some("us-east-1".to_owned()),
        delivered_at: Some(time("2026-10-05T09:03:20Z")),
        objects: vec!["AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/05/a.json.gz".to_owned()],
        class: Some(Class::Unexplained),
        reasons: Vec::new(),
        certainty: Some(Certainty::Confirmed),
        owner: Some("team-a@example.com".to_owned()),
        privileged: Some(false),
        ticket: None,
        device: Some(format!("arn:aws:iam::111122223333:mfa/{name}-phone")),
        remaining_devices: Some(0),
        console_password: Some(ConsolePassword::Yes),
        active_access_keys: Some(1),
        overdue: false,
        window: Some(serde_json::json!({"kind": "removed", "account": "111122223333"})),
        events: 1,
        members: Vec::new(),
        part_of: None,
    }
}

pub fn resolved(incident: &Incident) -> Incident {
    let at = Some(incident.opened_at + TimeDelta::minutes(30));
    let resolution = Resolution { at, reason: "reenabled".to_owned(), event_id: Some("event-end".to_owned()) };
    Incident { resolution: Some(resolution), ..incident.clone() }
}

fn to(channels: &[&str]) -> Vec<Recipient> {
    channels.iter().map(|name| Recipient { channel: (*name).to_owned(), detects: *name == "page" }).collect()
}

/// What is derived goes through the ledger as the watch does it; gives what is told.
pub fn pass(ledger: &mut Ledger, derived: &[Incident], scope: &Scope, channels: &[&str], now: Time) -> Vec<String> {
    let change = ledger.change(now).unwrap();
    let known = change.entries(scope).unwrap();
    let changes = diff(&known, derived, scope, None, now);
    for entry in &changes.entries {
        change.store(entry).unwrap();
    }
    let mut told = Vec::new();
    for step in &changes.steps {
        let members = change.members(&step.entry.incident).unwrap();
        let alert = alert(step, Setting { now, store: "evidence", members: &members });
        change.tell(step, &serde_json::to_string(&alert).unwrap(), &to(channels)).unwrap();
        told.push(format!("{}/{} {}", step.entry.key, step.entry.sequence, step.transition.name()));
    }
    change.commit().unwrap();
    told
}

fn store() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn done(reference: &str) -> Outcome {
    Outcome::Delivered { reference: Some(reference.to_owned()), note: None }
}

fn short(due: &[Due]) -> Vec<(String, u64, bool)> {
    due.iter().map(|one| (one.key.replace("mfatrail:111122223333:event-", ""), one.sequence, one.repetition)).collect()
}

fn state(ledger: &Ledger, key: &str) -> Vec<String> {
    let sent = ledger.deliveries(&format!("mfatrail:111122223333:event-{key}")).unwrap();
    sent.iter().map(|one| format!("{} {} {} {}", one.channel, one.sequence, one.state, one.attempts)).collect()
}

#[test]
fn the_document_lists_the_columns_of_the_ledger() {
    let text = fs::read_to_string(root().join("docs/watch-ledger.md")).unwrap();
    assert!(text.contains(&format!("`user_version` is {VERSION}")));
    let home = store();
    drop(Ledger::open(home.path()).unwrap());
    let connection = Connection::open(home.path().join(PLACE)).unwrap();
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(tables.iter().filter(|name| TABLES.contains(&name.as_str())).count(), tables.len());
    for table in TABLES {
        let (_, section) = text.split_once(&format!("\n## `{table}`\n")).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let documented: Vec<(String, String)> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .map(|line| {
                let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                assert!(!cells[2].is_empty(), "{line}");
                (cells[0].trim_end_matches('`').to_owned(), cells[1].to_owned())
            })
            .collect();
        let mut columns = connection.prepare(&format!("SELECT name, type FROM pragma_table_info('{table}')")).unwrap();
        let columns: Vec<(String, String)> =
            columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
        assert_eq!(documented, columns, "{table}");
    }
}

#[test]
fn what_is_told_waits_in_the_outbox_of_each_channel() {
    let home = store();
    let mut ledger = Ledger::open(home.path()).unwrap();
    let ann = incident("ann");
    assert_eq!(pass(&mut ledger, std::slice::from_ref(&ann), &Scope::All, &["page", "soc"], now()).len(), 1);
    assert!(pass(&mut ledger, std::slice::from_ref(&ann), &Scope::All, &["page", "soc"], now()).is_empty());
    assert_eq!(pass(&mut ledger, &[resolved(&ann)], &Scope::All, &["page", "soc"], now()).len(), 1);
    assert_eq!(state(&ledger, "ann"), ["page 1 pending 0", "page 2 pending 0", "soc 1 pending 0", "soc 2 pending 0"]);

    // Nothing is resolved before it was opened, in each channel by itself.
    let due = ledger.take("page", now(), 10).unwrap();
    assert_eq!(short(&due), [("ann".to_owned(), 1, false)]);
    assert!(ledger.take("page", now(), 10).unwrap().is_empty(), "it is being sent");
    ledger.record("page", &due[0], &done("Q1"), now(), 1).unwrap();
    let due = ledger.take("page", now(), 10).unwrap();
    assert_eq!(short(&due), [("ann".to_owned(), 2, false)]);
    assert_eq!(due[0].reference.as_deref(), Some("Q1"));
    ledger.record("page", &due[0], &done("Q1"), now(), 1).unwrap();
    assert_eq!(ledger.next_due("page").unwrap(), None);
    assert_eq!(ledger.next_due("soc").unwrap(), Some(now()));
    // The bytes that are sent again are those that were sent.
    let alerts = ledger.alerts("mfatrail:111122223333:event-ann").unwrap();
    let due = ledger.take("soc", now(), 10).unwrap();
    assert_eq!(due[0].alert, alerts[0]);
    assert_eq!(ledger.oldest("soc").unwrap(), Some(now()));
}

#[test]
fn failures_wait_as_long_as_asked_and_are_given_up_after_a_day() {
    let home = store();
    let mut ledger = Ledger::open(home.path()).unwrap();
    pass(&mut ledger, &[incident("ann")], &Scope::All, &["soc"], now());
    pass(&mut ledger, &[resolved(&incident("ann"))], &Scope::All, &["soc"], now());
    let mut at = now();
    let again =
        |wait: Option<u64>| Outcome::RepeatAfter { wait: wait.map(Duration::from_secs), reason: "503".to_owned() };
    let due = ledger.take("soc", at, 1).unwrap();
    ledger.record("soc", &due[0], &again(Some(90)), at, 7).unwrap();
    assert_eq!(ledger.next_due("soc").unwrap(), Some(at + TimeDelta::seconds(90)));
    assert!(ledger.take("soc", at + TimeDelta::seconds(89), 1).unwrap().is_empty());
    let mut waits = Vec::new();
    loop {
        at = ledger.next_due("soc").unwrap().unwrap();
        let due = ledger.take("soc", at, 1).unwrap();
        if due[0].sequence == 2 {
            break;
        }
        ledger.record("soc", &due[0], &again(None), at, 7).unwrap();
        waits.extend(
            ledger.next_due("soc").unwrap().map(|next| (next - at).num_milliseconds()).filter(|wait| *wait > 0),
        );
    }
    assert!(waits.iter().all(|wait| (1_000..=900_000).contains(wait)), "{waits:?}");
    assert!(waits[6] > waits[0] && waits.len() > 90, "{waits:?}");
    assert!(at - now() >= TimeDelta::days(1) && at - now() < TimeDelta::hours(25));
    let sent = ledger.deliveries("mfatrail:111122223333:event-ann").unwrap();
    assert_eq!((sent[0].state.as_str(), sent[0].last_error.as_deref()), ("expired", Some("503")));
    assert_eq!(sent[1].state, "pending");
    // Two incidents that failed together do not come back together.
    assert_ne!(waits_of("ann", 7), waits_of("bob", 7));
    assert_ne!(waits_of("ann", 7), waits_of("ann", 8));
}

fn waits_of(name: &str, seed: u64) -> i64 {
    let home = store();
    let mut ledger = Ledger::open(home.path()).unwrap();
    pass(&mut ledger, &[incident(name)], &Scope::All, &["soc"], now());
    let due = ledger.take("soc", now(), 1).unwrap();
    ledger.record("soc", &due[0], &Outcome::Unknown { wait: None, reason: "reset".to_owned() }, now(), seed).unwrap();
    (ledger.next_due("soc").unwrap().unwrap() - now()).num_milliseconds()
}

#[test]
fn who_has_it_already_is_known_at_the_next_attempt() {
    let home = store();
    let mut ledger = Ledger::open(home.path()).unwrap();
    pass(&mut ledger, &[incident("ann")], &Scope::All, &["sms"], now());
    let mut at = now();
    for (reference, unknown) in [("one", false), ("two", true), ("three", false)] {
        let due = ledger.take("sms", at, 1).unwrap();
        let partial =
            Outcome::Partial { reference: reference.to_owned(), unknown, wait: None, reason: "429".to_owned() };
        ledger.record("sms", &due[0], &partial, at, 1).unwrap();
        at = ledger.next_due("sms").unwrap().unwrap();
        let again = ledger.take("sms", at, 1).unwrap();
        assert_eq!(again[0].reference.as_deref(), Some(reference));
        assert_eq!(again[0].repetition, reference != "one", "once unknown is unknown for good");
        ledger.give_back("sms", &again[0], at).unwrap();
    }
    let due = ledger.take("sms", at, 1).unwrap();
    ledger.record("sms", &due[0], &done("all"), at, 1).unwrap();
    assert_eq!(ledger.next_due("sms").unwrap(), None);
}

#[test]
fn what_a_channel_refuses_for_good_holds_up_nothing() {
    let home = store();
    let mut ledger = Ledger::open(home.path()).unwrap();
    let (ann, bob) = (incident("ann"), incident("bob"));
    pass(&mut ledger, &[ann.clone(), bob.clone()], &Scope::All, &["soc"], now());
    pass(&mut ledger, &[resolved(&ann), bob], &Scope::All, &["soc"], now());
    let due = ledger.take("soc", now(), 10).unwrap();
    assert_eq!(short(&due), [("ann".to_owned(), 1, false), ("bob".to_owned(), 1, false)]);
    ledger.record("soc", &due[0], &Outcome::Permanent { reason: "400".to_owned() }, now(), 1).unwrap();
    assert_eq!(short(&ledger.take("soc", now(), 10).unwrap()), [("ann".to_owned(), 2, false)]);
    let counts: BTreeMap<(String, String), u64> =
        ledger.counts().unwrap().into_iter().map(|one| ((one.what, one.state), one.n)).collect();
    let count = |what: &str, state: &str| counts.get(&(what.to_owned(), state.to_owned())).copied().unwrap_or_default();
    assert_eq!((count("deliveries", "permanent"), count("deliveries", "pending")), (1, 2));
    assert_eq!((count("incidents", "open"), count("incidents", "resolved")), (1, 1));
}

#[test]
fn what_was_being_sent_when_the_process_ended_is_a_possible_repetition() {
    let home = store();
    {
        let mut ledger = Ledger::open(home.path()).unwrap();
        pass(&mut ledger, &[incident("ann"), incident("bob")], &Scope::All, &["soc"], now());
        let due = ledger.take("soc", now(), 10).unwrap();
        // One was not sent, and is given back; the other may have been.
        ledger.give_back("soc", &due[1], now()).unwrap();
    }
    let mut ledger = Ledger::open(home.path()).unwrap();
    assert_eq!(state(&ledger, "bob"), ["soc 1 pending 0"]);
    let due = ledger.take("soc", now(), 10).unwrap();
    let mut due = short(&due);
    due.sort();
    assert_eq!(due, [("ann".to_owned(), 1, true), ("bob".to_owned(), 1, false)]);
}

#[test]
fn an_incident_is_acknowledged_once_and_its_channels_hear_of_it() {
    let home = store();
    let mut ledger = Ledger::open(home.path()).unwrap();
    pass(&mut ledger, &[incident("ann")], &Scope::All, &["page", "soc"], now());
    let key = "mfatrail:111122223333:event-ann";
    let change = ledger.change(now()).unwrap();
    let step = change.acknowledge(key, "dana").unwrap().unwrap();
    assert_eq!(change.recipients(key).unwrap(), to(&["page", "soc"]));
    change.tell(&step, "{}", &to(&["page"])).unwrap();
    assert!(change.acknowledge(key, "dana").unwrap().is_none(), "known already");
    assert!(matches!(change.acknowledge("mfatrail:1:none", "dana"), Err(LedgerError::Unknown(_))));
    change.commit().unwrap();
    // It stays so until it is over, and then it cannot be.
    assert!(pass(&mut ledger, &[incident("ann")], &Scope::All, &["page"], now()).is_empty());
    let listed = list(&ledger, &Filter { states: vec![State::Acknowledged], ..Filter::default() });
    assert_eq!(listed[0].entry.acknowledged_by.as_deref(), Some("dana"));
    assert_eq!(listed[0].acknowledged_at, Some(now()));
    pass(&mut ledger, &[resolved(&incident("ann"))], &Scope::All, &["page"], now());
    let change = ledger.change(now()).unwrap();
    assert!(matches!(change.acknowledge(key, "emil"), Err(LedgerError::Ended(..))));
}

fn list(ledger: &Ledger, filter: &Filter) -> Vec<Listed> {
    let mut all = Vec::new();
    ledger
        .incidents(filter, &mut |one| {
            all.push(one);
            Ok(())
        })
        .unwrap();
    all
}

#[test]
fn it_is_listed_and_exported() {
    let home = store();
    let mut ledger = Ledger::open(home.path()).unwrap();
    let warning = Incident { severity: Severity::Warning, ..incident("bob") };
    pass(&mut ledger, &[incident("ann"), warning], &Scope::All, &["soc"], now());
    ledger.run(now(), now() + TimeDelta::minutes(5), true).unwrap();
    let names = |filter: Filter| -> Vec<String> {
        list(&ledger, &filter).into_iter().map(|one| one.entry.incident.subject().to_owned()).collect()
    };
    assert_eq!(names(Filter::default()), ["ann", "bob"]);
    assert_eq!(names(Filter { severities: vec![Severity::Warning], told: true, ..Filter::default() }), ["bob"]);
    assert!(names(Filter { accounts: vec!["1".to_owned()], ..Filter::default() }).is_empty());
    assert!(names(Filter { to: Some(time("2026-10-05T09:00:00Z")), ..Filter::default() }).is_empty());
    assert_eq!(
        names(Filter { from: Some(time("2026-10-05T09:00:00Z")), kinds: vec![Kind::Window], ..Filter::default() })
            .len(),
        2
    );
    let mut out = Vec::new();
    ledger.export(&mut out).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(document["schema"], "mfatrail.ledger/1");
    assert_eq!(document["incidents"][0]["alerts"][0]["transition"], "opened");
    assert_eq!(document["incidents"][1]["deliveries"][0]["state"], "pending");
    assert_eq!(document["runs"][0]["stopped"], true);
}

#[test]
fn a_delivered_alert_of_a_channel_that_detects_is_a_detection() {
    let home = store();
    let mut ledger = Ledger::open(home.path()).unwrap();
    let mut members: Vec<Incident> = ["ann", "bob"].map(incident).into();
    let mut burst = Incident { kind: Kind::Burst, principal: None, members: vec![], ..incident("ann") };
    burst.members = members.iter().map(Incident::key).collect();
    for member in &mut members {
        member.part_of = Some(burst.key());
    }
    let derived = [members.clone(), vec![burst, incident("cid"), incident("zoe")]].concat();
    pass(&mut ledger, &derived, &Scope::All, &["page", "soc"], now());
    assert!(ledger.detections().unwrap().is_empty());
    for channel in ["page", "soc"] {
        for (n, due) in ledger.take(channel, now(), 10).unwrap().iter().enumerate() {
            let outcome = match due.key.ends_with("zoe") {
                true => Outcome::Permanent { reason: "400".to_owned() },
                false => done(&format!("Q{n}")),
            };
            ledger.record(channel, due, &outcome, now() + TimeDelta::seconds(1), 1).unwrap();
        }
    }
    let told: Vec<(String, String, String)> =
        ledger.detections().unwrap().into_iter().map(|one| (one.channel, one.event_id, one.reference)).collect();
    let expected = [("event-ann", "Q0"), ("event-bob", "Q0"), ("event-cid", "Q1")];
    assert_eq!(told, expected.map(|(event, reference)| ("page".to_owned(), event.to_owned(), reference.to_owned())));
}

#[test]
fn its_file_is_its_owners_and_no_link_is_followed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let home = store();
    let mut ledger = Ledger::open(home.path()).unwrap();
    pass(&mut ledger, &[incident("ann")], &Scope::All, &["soc"], now());
    for entry in fs::read_dir(home.path().join("watch")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
    let other = store();
    fs::create_dir(other.path().join("watch")).unwrap();
    symlink(home.path().join(PLACE), other.path().join(PLACE)).unwrap();
    let error = Ledger::open(other.path()).unwrap_err().to_string();
    assert!(error.contains("symbolic link"), "{error}");
    // One to the store itself is its user's own.
    let link = other.path().join("store");
    symlink(home.path(), &link).unwrap();
    assert_eq!(list(&Ledger::read(&link).unwrap().unwrap(), &Filter::default()).len(), 1);
}

fn refused(place: impl Fn(&Path)) -> String {
    let home = store();
    drop(Ledger::open(home.path()).unwrap());
    place(&home.path().join(PLACE));
    let written = Ledger::open(home.path()).unwrap_err().to_string();
    let read = Ledger::read(home.path()).unwrap_err().to_string();
    assert_eq!(written, read);
    written
}

#[test]
fn what_is_no_ledger_is_refused_with_one_error() {
    let home = store();
    assert!(Ledger::read(home.path()).unwrap().is_none());
    assert!(!home.path().join("watch").exists(), "who reads makes nothing");
    let foreign = refused(|place| fs::write(place, "detected_at,source\n").unwrap());
    assert!(foreign.contains("is not a ledger that mfatrail wrote: it is not a SQLite database"), "{foreign}");
    let execute = |sql: &'static str| move |place: &Path| Connection::open(place).unwrap().execute_batch(sql).unwrap();
    let other = refused(execute("PRAGMA application_id = 1"));
    assert!(other.contains("it is a SQLite database of another program"), "{other}");
    let newer = refused(execute("PRAGMA user_version = 7"));
    assert!(newer.contains("newer version of mfatrail (ledger version 7; this one reads 1)"), "{newer}");
    for sql in [
        "CREATE TRIGGER t AFTER INSERT ON incidents BEGIN DELETE FROM incidents; END",
        "DROP INDEX deliveries_due",
        "CREATE VIEW v AS SELECT 1",
    ] {
        let changed = refused(execute(sql));
        assert!(changed.contains("its tables are not those that mfatrail creates"), "{sql}: {changed}");
    }
}

/// A process may be killed at any moment while it makes the ledger: what it leaves holds nothing, and is no other program's.
#[test]
fn a_ledger_that_was_never_finished_is_begun_anew() {
    for begun in
        ["", "PRAGMA journal_mode = wal", "PRAGMA journal_mode = wal; CREATE TABLE t (a); DROP TABLE t; VACUUM"]
    {
        let home = store();
        fs::create_dir(home.path().join("watch")).unwrap();
        let connection = Connection::open(home.path().join(PLACE)).unwrap();
        connection.execute_batch(begun).unwrap();
        drop(connection);
        if begun.is_empty() {
            fs::write(home.path().join(PLACE), "").unwrap();
        }
        assert!(Ledger::read(home.path()).unwrap().is_none(), "{begun}");
        let mut ledger = Ledger::open(home.path()).unwrap();
        pass(&mut ledger, &[incident("ann")], &Scope::All, &["soc"], now());
        assert_eq!(list(&Ledger::read(home.path()).unwrap().unwrap(), &Filter::default()).len(), 1, "{begun}");
    }
}

#[test]
fn whoever_makes_it_at_the_same_moment_shares_it() {
    let home = store();
    std::thread::scope(|scope| {
        let openings: Vec<_> = (0..8).map(|_| scope.spawn(|| Ledger::open(home.path()).map(drop))).collect();
        openings.into_iter().for_each(|opening| opening.join().unwrap().unwrap());
    });
    assert!(list(&Ledger::read(home.path()).unwrap().unwrap(), &Filter::default()).is_empty());
}

#[test]
fn damage_is_an_error_and_never_silence() {
    let home = store();
    let mut ledger = Ledger::open(home.path()).unwrap();
    let many: Vec<Incident> = (0..200).map(|number| incident(&format!("user{number}"))).collect();
    pass(&mut ledger, &many, &Scope::All, &["soc"], now());
    drop(ledger);
    let place = home.path().join(PLACE);
    let sound = fs::read(&place).unwrap();
    let pages = sound.len() / 4096;
    assert!(pages > 20, "{pages}");
    for page in 1..pages {
        let mut bytes = sound.clone();
        bytes[page * 4096..page * 4096 + 64].fill(0xa5);
        fs::write(&place, &bytes).unwrap();
        match Ledger::read(home.path()) {
            Err(LedgerError::Damaged(..)) => {}
            other => panic!("page {page}: {other:?}"),
        }
    }
    fs::write(&place, &sound[..sound.len() / 2]).unwrap();
    assert!(matches!(Ledger::read(home.path()), Err(LedgerError::Damaged(..))));
}

/// What is asked all the time looks at no more rows the more incidents are over.
#[test]
fn nothing_grows_with_what_is_over() {
    let home = store();
    let mut ledger = Ledger::open(home.path()).unwrap();
    pass(&mut ledger, &[incident("ann")], &Scope::All, &["soc"], now());
    let connection = Connection::open(home.path().join(PLACE)).unwrap();
    for sql in [
        "SELECT min(next_try) FROM deliveries WHERE channel = 'a' AND state = 'pending' AND next_try IS NOT NULL",
        "SELECT min(created_at) FROM deliveries WHERE channel = 'a' AND state = 'pending'",
        "SELECT key FROM deliveries d WHERE d.channel = 'a' AND d.state = 'pending' AND d.next_try IS NOT NULL AND d.next_try <= 5 ORDER BY d.next_try",
        "UPDATE deliveries SET in_flight = 0 WHERE in_flight = 1",
        "SELECT 1 FROM incidents WHERE account = 'a' AND event_id = 'b'",
        "SELECT channel FROM deliveries WHERE key = 'k'",
    ] {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps: Vec<String> = plan.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        assert!(steps.iter().all(|step| step.contains(" USING ") && step.contains("INDEX")), "{sql}: {steps:?}");
    }
}

#[test]
fn two_writers_wait_for_each_other() {
    let home = store();
    let mut one = Ledger::open(home.path()).unwrap();
    let mut other = Ledger::connect(home.path()).unwrap();
    pass(&mut one, &[incident("ann")], &Scope::All, &["soc"], now());
    let change = one.change(now()).unwrap();
    let waiting = std::thread::spawn(move || {
        let change = other.change(now()).unwrap();
        let known: Vec<Entry> = change.entries(&Scope::All).unwrap();
        known.len()
    });
    std::thread::sleep(Duration::from_millis(200));
    let bob = incident("bob");
    let entry = Entry { key: bob.key(), state: State::Open, sequence: 0, acknowledged_by: None, incident: bob };
    change.store(&entry).unwrap();
    change.commit().unwrap();
    assert_eq!(waiting.join().unwrap(), 2);
}

/// SQLite opens files beside the ledger by itself: it waits for a pipe's writer, and writes to whatever they are.
#[cfg(unix)]
#[test]
fn what_lies_beside_the_ledger_is_neither_waited_for_nor_written_to() {
    let bytes = vec![b'v'; 40_000];
    for (end, kind) in
        ["wal", "shm", "journal"].iter().flat_map(|end| ["link", "name", "pipe", "folder"].map(|kind| (end, kind)))
    {
        let home = tempfile::tempdir().unwrap();
        let (store, victim) = (home.path().join("store"), home.path().join("victim"));
        fs::create_dir(&store).unwrap();
        drop(Ledger::open(&store).unwrap());
        fs::write(&victim, &bytes).unwrap();
        let place = store.join(format!("{PLACE}-{end}"));
        let _none = fs::remove_file(&place);
        match kind {
            "link" => std::os::unix::fs::symlink(&victim, &place).unwrap(),
            "name" => fs::hard_link(&victim, &place).unwrap(),
            "pipe" => {
                let made = std::process::Command::new("mkfifo").arg(&place).status().unwrap();
                assert!(made.success());
            }
            _ => fs::create_dir(&place).unwrap(),
        }
        for refused in [Ledger::open(&store).err(), Ledger::connect(&store).err(), Ledger::read(&store).err()] {
            let error = refused.map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(&format!("ledger.sqlite-{end}")), "{end} {kind}: {error}");
        }
        assert!(fs::read(&victim).unwrap() == bytes, "{end} {kind}");
    }
}
