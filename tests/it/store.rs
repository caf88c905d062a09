//! The evidence store, from the outside: the real binary on the shipped fixtures and on archives with every kind of damage.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use mfatrail::store::{self, Holder, Store, Writer};
use mfatrail::table::typed::{Answer, Format};

use crate::support::run::{self, OCTOBER, Ran, mfatrail, root};
use crate::support::store::{assert_same, copy, files, gzip, rows, wait_for_lock};

/// A folder of one test, with an archive in it.
pub struct Home(pub tempfile::TempDir);

impl Home {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a copy of the fixtures, and beside them every way in which an object can be odd.
    pub fn odd() -> Self {
        let home = Self::new();
        copy(&root().join("fixtures/archive"), &home.archive(), &|_| true);
        let day = "AWSLogs/o-exampleorg/111122223333/CloudTrail/us-east-1/2026/10/09";
        let good = files(&home.archive().join(day)).remove(0);
        let bytes = fs::read(good).unwrap();
        let name = |suffix: &str| format!("{day}/111122223333_CloudTrail_us-east-1_20261009T1200Z_{suffix}.json.gz");
        home.put(&name("CUT"), &bytes[..bytes.len() - 5]);
        home.put(&name("EMPTY"), b"");
        home.put(&name("TEXT"), &gzip(b"no JSON at all"));
        home.put("AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/10/09/x.json.gz", &gzip(b"{}"));
        // The records before the damage are kept by a report, and so by a store.
        let lines = [
            record("half-1", "2026-10-09T10:00:00Z", "222233334444", "eu-west-1"),
            record("half-2", "2026-10-10T10:00:00Z", "111122223333", "us-east-1"),
        ];
        let text = format!("{}\n{}\n{{\"eventTime\":", lines[0], lines[1]);
        home.put(&name("HALF"), &gzip(text.as_bytes()));
        // Late: delivered in November, of October; and records of two accounts, regions and months in one object.
        let late = json!({"Records": [
            record("late-1", "2026-10-31T23:59:30Z", "111122223333", "us-east-1"),
            record("late-2", "2026-11-01T00:00:30Z", "222233334444", "eu-west-1"),
            role("late-3", "2026-10-31T23:59:59Z"),
            role("late-4", "2026-11-01T00:00:00Z"),
            {"eventTime": "nonsense"},
        ]});
        let november = "AWSLogs/o-exampleorg/111122223333/CloudTrail/us-east-1/2026/11/05";
        let late_name = format!("{november}/111122223333_CloudTrail_us-east-1_20261105T0100Z_LATE.json.gz");
        home.put(&late_name, &gzip(late.to_string().as_bytes()));
        // Outside the layout: without a date, always read.
        let outside = record("outside-1", "2026-10-20T12:00:00Z", "111122223333", "us-east-1");
        home.put("elsewhere/exported.json", outside.to_string().as_bytes());
        #[cfg(unix)]
        std::os::unix::fs::symlink("nowhere", home.archive().join("dangling")).unwrap();
        home
    }

    pub fn archive(&self) -> PathBuf {
        self.0.path().join("archive")
    }

    pub fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.archive().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = mfatrail();
        command.args(arguments).env("MFATRAIL_STORE", self.store());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    pub fn scan(&self, more: &[&str]) -> Ran {
        let archive = self.archive();
        let mut arguments = vec!["scan", archive.to_str().unwrap()];
        arguments.extend(more);
        self.run(&arguments)
    }

    /// `report.json` from the archive, or from the store, and the exit status.
    pub fn report(&self, from_archive: bool, arguments: &[&str]) -> (i32, Value) {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().join("report");
        let mut command = mfatrail();
        command.arg("report").args(arguments).arg("--out").arg(&folder);
        if from_archive {
            command.arg(self.archive())
        } else {
            command.arg("--store").arg(self.store())
        };
        let ran = Ran::from(command.output().unwrap());
        assert!(folder.exists(), "{}", ran.stderr);
        (ran.status, run::json(&folder))
    }

    /// Nothing else than the notices of a store may tell the two apart; gives those.
    fn assert_same_report(&self, arguments: &[&str]) -> Vec<Value> {
        let (direct_status, mut direct) = self.report(true, arguments);
        let (status, mut stored) = self.report(false, arguments);
        let own = ["restatement", "object-replaced"];
        run::without_notices(&mut direct, &own);
        let notes = run::without_notices(&mut stored, &own);
        let mut differing = Vec::new();
        for (key, value) in direct.as_object().unwrap() {
            if stored[key] != *value {
                differing.push(format!("{key}:\n{value:#}\n{:#}", stored[key]));
            }
        }
        assert!(differing.is_empty(), "{arguments:?}\n{}", differing.join("\n"));
        assert_eq!(direct_status, status, "{arguments:?}");
        notes
    }

    pub fn check(&self) {
        let checked = store::check(&Store::open(self.store()).unwrap()).unwrap();
        assert!(checked.flaws.is_empty(), "{:#?}", checked.flaws);
    }
}

fn record(id: &str, time: &str, account: &str, region: &str) -> Value {
    json!({
        "eventVersion": "1.11", "eventTime": time, "eventName": "DeactivateMFADevice", "eventID": id,
        "eventSource": "iam.amazonaws.com", "awsRegion": region, "recipientAccountId": account,
        "sourceIPAddress": "203.0.113.77", "responseElements": null,
        "userIdentity": {"type": "IAMUser", "principalId": "AIDAODD", "accountId": account, "userName": "odd",
            "arn": format!("arn:aws:iam::{account}:user/odd"), "accessKeyId": "AKIAODDODDODDODDODDO"},
        "requestParameters": {"userName": id, "serialNumber": format!("arn:aws:iam::{account}:mfa/{id}")},
    })
}

fn role(id: &str, time: &str) -> Value {
    json!({
        "eventVersion": "1.11", "eventTime": time, "eventName": "ListBuckets", "eventID": id,
        "eventSource": "s3.amazonaws.com", "awsRegion": "us-east-1", "recipientAccountId": "111122223333",
        "sourceIPAddress": "198.51.100.9", "readOnly": true,
        "userIdentity": {"type": "AssumedRole", "principalId": "AROAODD:session", "accountId": "111122223333",
            "arn": "arn:aws:sts::111122223333:assumed-role/odd/session"},
    })
}

#[test]
fn a_report_from_the_store_is_that_from_the_archive() {
    let home = Home::new();
    copy(&root().join("fixtures/archive"), &home.archive(), &|_| true);
    assert_eq!(home.scan(&[]).status, 0);
    let notes = home.assert_same_report(OCTOBER);
    assert!(notes.is_empty(), "{notes:?}");
    home.check();
}

#[test]
fn it_is_the_same_for_every_damage_and_every_selection() {
    let home = Home::odd();
    let ran = home.scan(&[]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("_CUT.json.gz: truncated gzip data"), "{}", ran.stderr);
    home.check();
    let selections: &[&[&str]] = &[
        OCTOBER,
        &["--month", "2026-10"],
        &["--month", "2026-10", "--delivery-slack", "10d", "--as-of", "2026-11-04"],
        &["--month", "2026-10", "--as-of", "2026-11-01"],
        &["--month", "2026-10", "--as-of", "2026-10-31T23:59:59Z"],
        &["--month", "2026-11"],
        &["--month", "2020-01", "--as-of", "2020-02-01"],
        &["--from", "2026-10-06T09:00:01Z", "--to", "2026-10-09T10:00:00Z", "--as-of", "2026-10-21T12:34:56Z"],
        &["--from", "2026-10-09", "--to", "2026-10-10", "--account", "111122223333"],
        &["--month", "2026-10", "--region", "eu-west-1"],
        &["--month", "2026-10", "--account", "222233334444", "--account", "000123456789"],
        &["--month", "2026-10", "--account", "444455556666", "--region", "us-east-1"],
    ];
    for selection in selections {
        home.assert_same_report(selection);
    }
}

#[test]
fn chosen_at_random_it_is_the_same() {
    let home = Home::odd();
    assert_eq!(home.scan(&["--threads", "2", "--commit-every", "40"]).status, 3);
    home.check();
    let mut random = Random(7);
    let policy = home.0.path().join("policy.toml");
    for _round in 0..12 {
        let time = |seconds: u64| {
            let start = chrono::DateTime::parse_from_rfc3339("2026-09-26T00:00:00Z").unwrap();
            let time = start + chrono::TimeDelta::seconds(i64::try_from(seconds).unwrap());
            time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true).replace("+00:00", "Z")
        };
        let from = random.below(38 * 86_400);
        let to = from + 1 + random.below(10 * 86_400);
        let as_of = time(from + 1 + random.below(20 * 86_400));
        let (from, to) = (time(from), time(to));
        fs::write(&policy, format!("lookback = \"{}d\"\n", 1 + random.below(40))).unwrap();
        let slack = format!("{}h", random.below(100));
        let mut arguments = vec!["--from", &from, "--to", &to, "--delivery-slack", &slack];
        arguments.extend(["--policy", policy.to_str().unwrap()]);
        if random.below(3) > 0 {
            arguments.extend(["--as-of", &as_of]);
        }
        if random.below(3) == 0 {
            arguments.extend(["--account", "111122223333"]);
        }
        if random.below(4) == 0 {
            arguments.extend(["--region", "us-east-1"]);
        }
        home.assert_same_report(&arguments);
    }
}

#[test]
fn a_second_scan_reads_nothing() {
    let home = Home::odd();
    let first = home.scan(&[]);
    assert!(first.stderr.contains("217 objects read"), "{}", first.stderr);
    let before = rows(&home.store());
    // What was read, and what was read and found damaged. Nothing but the link to nowhere is looked at again.
    let ran = home.scan(&[]);
    assert_eq!(ran.status, 3);
    assert!(ran.stderr.contains("0 objects read (0 B, 0 B inflated), 1 failed"), "{}", ran.stderr);
    assert!(ran.stderr.contains("; 221 already in the store"), "{}", ran.stderr);
    assert!(ran.stderr.contains("4 objects were damaged when an earlier scan read them"), "{}", ran.stderr);
    assert_same(&rows(&home.store()), &before, "after");
    // Nor does the order or the size of the commits tell anything.
    let other = Home::new();
    let archive = home.archive();
    let other_scan = |more: &[&str]| {
        let mut arguments = vec!["scan", archive.to_str().unwrap(), "--threads", "1"];
        arguments.extend(more);
        other.run(&arguments)
    };
    other_scan(&["--to", "2026-10-10", "--delivery-slack", "0s", "--commit-every", "3"]);
    other_scan(&["--account", "111122223333", "--commit-every", "10"]);
    other_scan(&[]);
    other.check();
    assert_same(&rows(&other.store()), &before, "in other steps");
}

#[test]
fn a_report_scans_its_source_first() {
    let home = Home::new();
    copy(&root().join("fixtures/archive"), &home.archive(), &|_| true);
    let out = home.0.path().join("out");
    let archive = home.archive();
    let mut arguments = vec!["report", archive.to_str().unwrap(), "--out", out.to_str().unwrap()];
    arguments.extend(OCTOBER);
    assert_eq!(home.run(&arguments).status, 0);
    assert_eq!(run::json(&out), home.report(true, OCTOBER).1);
    assert!(home.scan(&[]).stderr.starts_with("0 objects read"));
}

#[test]
fn what_arrives_late_restates_the_months_next_report() {
    let home = Home::new();
    let late = |path: &str| path.contains("/2026/10/08/");
    copy(&root().join("fixtures/archive"), &home.archive(), &|path| !late(path));
    home.scan(&[]);
    assert!(home.assert_same_report(OCTOBER).is_empty());
    assert!(home.assert_same_report(OCTOBER).is_empty(), "nothing has changed");
    copy(&root().join("fixtures/archive"), &home.archive(), &late);
    assert_eq!(home.scan(&[]).status, 0);
    let notes = home.assert_same_report(OCTOBER);
    let text = notes[0]["text"].as_str().unwrap();
    assert!(text.starts_with("this supersedes the report of 20"), "{text}");
    assert!(text.contains("objects of this period (AWSLogs/o-exampleorg/") && text.contains("20261008T"), "{text}");
    assert!(text.contains("extracted event"), "{text}");
    assert!(home.assert_same_report(OCTOBER).is_empty(), "said once");
    assert!(home.assert_same_report(&["--month", "2026-11"]).is_empty(), "and of that month only");
}

#[test]
fn an_object_that_is_overwritten_is_kept_and_named() {
    let home = Home::odd();
    home.scan(&[]);
    let day = "AWSLogs/o-exampleorg/111122223333/CloudTrail/us-east-1/2026/10/08";
    let object = files(&home.archive().join(day)).remove(0);
    // The same bytes anew are no other content.
    let bytes = fs::read(&object).unwrap();
    fs::write(&object, &bytes).unwrap();
    let before: Vec<String> = rows(&home.store()).into_iter().filter(|row| !row.starts_with("objects")).collect();
    let ran = home.scan(&[]);
    assert!(ran.stderr.contains("1 object read") && !ran.stderr.contains("overwritten"), "{}", ran.stderr);
    let after: Vec<String> = rows(&home.store()).into_iter().filter(|row| !row.starts_with("objects")).collect();
    assert_eq!(before, after);
    home.check();
    assert!(home.assert_same_report(OCTOBER).is_empty());
    // Other bytes are.
    let other = json!({"Records": [record("other", "2026-10-08T10:00:00Z", "111122223333", "us-east-1")]});
    fs::write(&object, gzip(other.to_string().as_bytes())).unwrap();
    let ran = home.scan(&[]);
    assert!(ran.stderr.contains("1 object was overwritten in the archive"), "{}", ran.stderr);
    home.check();
    let (status, report) = home.report(false, OCTOBER);
    assert_eq!(status, 3, "{}", report["notices"]);
    let of =
        |code: &str| report["notices"].as_array().unwrap().iter().find(|note| note["code"] == code).cloned().unwrap();
    let text = of("object-replaced")["text"].as_str().unwrap().to_owned();
    assert!(
        text.contains(object.file_name().unwrap().to_str().unwrap()) && text.contains("the current version lacks"),
        "{text}"
    );
    of("restatement");
    let all = rows(&home.store());
    assert!(before.iter().all(|row| all.contains(row)), "what was there is there");
}

#[test]
fn what_failed_can_be_tried_again() {
    let home = Home::odd();
    let ran = home.scan(&["--inflate-limit", "2KiB"]);
    assert_eq!(ran.status, 3);
    let shown = home.run(&["store"]);
    assert_eq!(shown.status, 3);
    assert!(shown.stderr.contains("hint: `mfatrail store retry`"), "{}", shown.stderr);
    let ran = home.run(&["store", "retry"]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("; 5 still cannot be read"), "{}", ran.stderr);
    home.check();
    // As if nothing had been.
    let fresh = Home::new();
    fresh.run(&["scan", home.archive().to_str().unwrap()]);
    assert_same(&rows(&home.store()), &rows(&fresh.store()), "after the retry");
    home.assert_same_report(OCTOBER);
    // Mended in the archive, they are read by the next scan, and what could not be listed is forgotten.
    for path in files(&home.archive()) {
        let name = path.to_str().unwrap();
        if ["_CUT.", "_EMPTY.", "_TEXT.", "_HALF."].iter().any(|bad| name.contains(bad)) {
            fs::write(&path, json!({"Records": [role("mended", "2026-10-09T10:00:00Z")]}).to_string()).unwrap();
        }
    }
    fs::remove_file(home.archive().join("dangling")).unwrap();
    let ran = home.scan(&[]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(home.run(&["store"]).status, 0);
    home.check();
    home.assert_same_report(OCTOBER);
}

#[test]
fn two_writers_are_kept_apart_and_readers_are_not() {
    let home = Home::new();
    copy(&root().join("fixtures/archive"), &home.archive(), &|path| path.contains("444455556666"));
    assert_eq!(home.scan(&[]).status, 0);
    let started_at = "2026-11-22T07:00:00Z".parse().unwrap();
    let holder = Holder { pid: 4711, command: "mfatrail scan s3://trail".to_owned(), started_at };
    let writer = Writer::open(home.store(), &holder).unwrap();
    let ran = home.scan(&[]);
    assert_eq!(ran.status, 4, "{}", ran.stderr);
    let who = "is being written by process 4711 (`mfatrail scan s3://trail`, since 2026-11-22T07:00:00Z)\n  hint: wait";
    assert!(ran.stderr.contains(who), "{}", ran.stderr);
    assert_eq!(home.run(&["store"]).status, 0);
    let out = home.0.path().join("out");
    let report = ["report", "--month", "2026-10", "--out", out.to_str().unwrap()];
    let ran = home.run(&report);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: this report could not be recorded in the store"), "{}", ran.stderr);
    drop(writer);
    wait_for_lock(&home.store());
    assert_eq!(home.scan(&[]).status, 0);
}

#[test]
fn a_full_disk_leaves_the_store_as_it_was() {
    let home = Home::new();
    copy(&root().join("fixtures/archive"), &home.archive(), &|_| true);
    assert_eq!(home.scan(&["--account", "444455556666"]).status, 0);
    let before = rows(&home.store());
    // No file may grow beyond 4 KiB, which is what a full disk looks like to a process.
    let limited = |home: &Home| {
        let mut command = Command::new("sh");
        let script = "trap '' XFSZ; ulimit -f 8; exec \"$@\"";
        command.current_dir(root()).args(["-c", script, "sh", env!("CARGO_BIN_EXE_mfatrail"), "scan"]);
        command.arg(home.archive()).arg("--store").arg(home.store());
        Ran::from(command.output().unwrap())
    };
    let ran = limited(&home);
    assert_eq!(ran.status, 4, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("error: could not write `"), "{}", ran.stderr);
    assert!(ran.stderr.contains("\n  hint: free disk space there"), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 2, "{}", ran.stderr);
    home.check();
    assert_same(&rows(&home.store()), &before, "after");
    assert_eq!(home.scan(&[]).status, 0);
    home.check();
    home.assert_same_report(OCTOBER);
}

#[test]
fn damage_in_the_store_is_named() {
    let home = Home::new();
    copy(&root().join("fixtures/archive"), &home.archive(), &|path| path.contains("444455556666"));
    home.scan(&[]);
    assert_eq!(home.run(&["store", "check"]).status, 0);
    let events = files(&home.store().join("events")).remove(0);
    let bytes = fs::read(&events).unwrap();
    let mut bad = bytes.clone();
    bad[100] ^= 1;
    fs::write(&events, &bad).unwrap();
    let ran = home.run(&["store", "check"]);
    assert_eq!(ran.status, 3);
    assert!(ran.stdout.contains("its content has changed since it was written"), "{}", ran.stdout);
    fs::write(&events, &bytes[..bytes.len() / 2]).unwrap();
    let ran = home.run(&["report", "--month", "2026-10", "--out", home.0.path().join("out").to_str().unwrap()]);
    assert_eq!(ran.status, 4);
    assert!(ran.stderr.starts_with("error: `") && ran.stderr.contains("is damaged: "), "{}", ran.stderr);
    assert!(!home.0.path().join("out").exists());
    fs::remove_file(&events).unwrap();
    let ran = home.run(&["store", "check"]);
    assert!(ran.stdout.contains("the log lists it, but it is missing"), "{}", ran.stdout);
}

/// All that a store tells, as text; or its one error.
fn told(store: &Path) -> Result<String, String> {
    let store = Store::open(store).map_err(|error| error.to_string())?;
    let mut told = Vec::new();
    for table in ["events", "calls", "sightings", "objects", "runs"] {
        let frame = store.sql(&format!("SELECT * FROM {table}")).map_err(|error| error.to_string())?;
        Answer::from(frame).write(Format::Csv, &[], &mut told).unwrap();
    }
    store.objects(None, &mut |row| told.extend(format!("{row:?}").bytes())).map_err(|error| error.to_string())?;
    told.extend(format!("{:?}", store.runs().map_err(|error| error.to_string())?).bytes());
    let iam = store.iam(None).map_err(|error| error.to_string())?;
    told.extend(iam.map(|(_, text)| text).unwrap_or_default().bytes());
    Ok(String::from_utf8(told).unwrap())
}

/// A small generator, so that a seed is a test case for ever.
fn random(state: &mut u64, end: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap() % end.max(1)
}

/// One way in which a disk, or a person, damages a file.
fn damage(bytes: &mut Vec<u8>, state: &mut u64) {
    let at = random(state, bytes.len());
    match random(state, 5) {
        0 => bytes.truncate(at),
        1 => bytes.extend_from_within(at..),
        2 => bytes.iter_mut().skip(at).take(64).for_each(|byte| *byte = 0),
        _ => bytes[at] ^= 1 << random(state, 8),
    }
}

/// A store with every kind of file in it.
fn store_of_every_kind() -> Home {
    let home = Home::new();
    copy(&root().join("fixtures/archive"), &home.archive(), &|path| path.contains("444455556666"));
    assert_eq!(home.scan(&[]).status, 0);
    let time: chrono::DateTime<chrono::Utc> = "2026-11-02T00:00:00Z".parse().unwrap();
    let holder = Holder { pid: 1, command: "test".to_owned(), started_at: time };
    let text =
        json!({"schema": "mfatrail.iam-snapshot/1", "taken_at": time, "missing": [], "accounts": {}}).to_string();
    Writer::open(home.store(), &holder).unwrap().keep_iam(time, 0, text.into_bytes()).unwrap();
    wait_for_lock(&home.store());
    home
}

#[test]
fn damage_anywhere_is_an_error_or_changes_nothing() {
    let home = store_of_every_kind();
    let sound = told(&home.store()).unwrap();
    let (mut noticed, mut state) = (0, 7);
    for path in files(&home.store()) {
        let bytes = fs::read(&path).unwrap();
        for attempt in 0..10 {
            let mut bad = bytes.clone();
            damage(&mut bad, &mut state);
            fs::write(&path, &bad).unwrap();
            match told(&home.store()) {
                Ok(told) => assert!(told == sound, "{} {attempt}", path.display()),
                Err(error) => {
                    noticed += 1;
                    assert!(
                        error.contains("store") && !error.contains("panic"),
                        "{} {attempt}: {error}",
                        path.display()
                    );
                }
            }
            if path.extension().is_some_and(|extension| extension == "parquet") && bad != bytes {
                assert!(told(&home.store()).is_err(), "{} {attempt}", path.display());
            }
        }
        fs::write(&path, &bytes).unwrap();
    }
    assert!(noticed > 50, "{noticed}");
    assert_eq!(told(&home.store()).unwrap(), sound);
}

/// Says in the log that a file's bytes are what they are.
fn seal(store: &Path, path: &Path) {
    let bytes = fs::read(path).unwrap();
    let inside = path.strip_prefix(store).unwrap().to_str().unwrap();
    for commit in files(&store.join("commits")) {
        let mut log: Value = serde_json::from_slice(&fs::read(&commit).unwrap()).unwrap();
        for entry in log["add"].as_array_mut().unwrap() {
            if entry["path"] == inside {
                entry["bytes"] = json!(bytes.len());
                entry["sha256"] = json!(mfatrail::bundle::sha256(&bytes));
            }
        }
        fs::write(&commit, log.to_string()).unwrap();
    }
}

#[test]
fn a_stranger_s_parquet_is_an_error_or_an_answer() {
    let home = store_of_every_kind();
    let (mut refused, mut state) = (0, 11);
    for path in files(&home.store()).into_iter().filter(|path| path.extension().is_some_and(|is| is == "parquet")) {
        let bytes = fs::read(&path).unwrap();
        for _attempt in 0..15 {
            let mut bad = bytes.clone();
            // What says how to read the rest is at the end.
            let from = if random(&mut state, 2) == 0 { 0 } else { bytes.len().saturating_sub(3000) };
            let mut tail = bad.split_off(from);
            damage(&mut tail, &mut state);
            bad.append(&mut tail);
            fs::write(&path, &bad).unwrap();
            seal(&home.store(), &path);
            refused += usize::from(told(&home.store()).is_err());
        }
        fs::write(&path, &bytes).unwrap();
        seal(&home.store(), &path);
    }
    assert!(refused > 50, "{refused}");
    assert!(told(&home.store()).is_ok());
}

#[test]
fn a_stranger_s_log_leads_nowhere_else() {
    let home = store_of_every_kind();
    let precious = home.0.path().join("precious");
    let log = |change: &dyn Fn(&mut Value)| {
        let commits = files(&home.store().join("commits"));
        let mut commit: Value = serde_json::from_slice(&fs::read(commits.last().unwrap()).unwrap()).unwrap();
        let number = commits.len() + 1;
        (commit["commit"], commit["add"], commit["remove"]) = (json!(number), json!([]), json!([]));
        change(&mut commit);
        fs::write(home.store().join(format!("commits/{number:08}.json")), commit.to_string()).unwrap();
        number
    };
    let absolute = precious.to_str().unwrap();
    for path in [
        "../precious",
        absolute,
        "events/../../precious",
        "iam/../../precious",
        "events//x",
        "store.json",
        "lock",
        "",
        "events\\..\\x",
    ] {
        for part in ["add", "remove"] {
            fs::write(&precious, "mine").unwrap();
            let entry = json!({"path": path, "rows": 1, "bytes": 4, "sha256": mfatrail::bundle::sha256(b"mine")});
            let number = log(&|commit| commit[part] = if part == "add" { json!([entry]) } else { json!([path]) });
            // What a commit that was interrupted has left to be moved into its place.
            let staging = home.store().join(format!("staging/{number:08}"));
            fs::create_dir_all(&staging).unwrap();
            fs::write(staging.join(path.replace('/', "!")), "theirs").ok();
            for arguments in [
                &["history"][..],
                &["store", "check"],
                &["scan", "fixtures/archive"],
                &["report", "--month", "2026-10"],
            ] {
                let ran = home.run(arguments);
                assert_eq!((ran.status, ran.stdout.as_str()), (4, ""), "{path} {part} {arguments:?}: {}", ran.stderr);
                assert!(
                    ran.stderr.contains("is damaged: it names `") && ran.stderr.contains("hint: "),
                    "{}",
                    ran.stderr
                );
            }
            assert_eq!(fs::read_to_string(&precious).unwrap(), "mine", "{path} {part}");
            fs::remove_file(home.store().join(format!("commits/{number:08}.json"))).unwrap();
            fs::remove_dir_all(&staging).unwrap();
        }
    }
    #[cfg(unix)]
    {
        let elsewhere = home.0.path().join("elsewhere");
        fs::create_dir_all(elsewhere.join("letters")).unwrap();
        fs::remove_dir(home.store().join("staging")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, home.store().join("staging")).unwrap();
        let ran = home.scan(&[]);
        assert!(ran.status == 4 && ran.stderr.contains("it is a symbolic link"), "{}", ran.stderr);
        assert!(elsewhere.join("letters").exists());
    }
}

#[test]
fn what_is_no_store_is_left_alone() {
    let home = Home::new();
    let ran = home.run(&["store"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.starts_with("error: no evidence store in `"), "{}", ran.stderr);
    assert!(ran.stderr.contains("\n  hint: `mfatrail scan SOURCE --store "), "{}", ran.stderr);
    home.put("x.json", b"[]");
    fs::create_dir(home.store()).unwrap();
    fs::write(home.store().join("notes.txt"), "mine").unwrap();
    let ran = home.scan(&[]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("is not an evidence store: it contains `notes.txt`"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(home.store()).unwrap().count(), 1);
    fs::remove_file(home.store().join("notes.txt")).unwrap();
    let ran = home.run(&["scan", "-"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("standard input cannot be scanned into a store"), "{}", ran.stderr);
    home.scan(&[]);
    for (version, hint) in [("mfatrail.store/9", "or a newer one"), ("mfatrail.store/0", "too old"), ("x", "damaged")] {
        fs::write(home.store().join("store.json"), json!({ "schema": version }).to_string()).unwrap();
        for arguments in [&["store"][..], &["scan", "fixtures/archive"]] {
            let ran = home.run(arguments);
            assert_eq!(ran.status, 2, "{}", ran.stderr);
            assert!(ran.stderr.contains(version) && ran.stderr.contains(hint), "{}", ran.stderr);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_store_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    copy(&root().join("fixtures/archive"), &home.archive(), &|path| path.contains("444455556666"));
    home.scan(&[]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for file in files(&home.store()) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        assert_eq!(mode(file.parent().unwrap()), 0o700, "{}", file.display());
    }
}

#[test]
fn many_small_files_become_one() {
    let home = Home::new();
    copy(&root().join("fixtures/archive"), &home.archive(), &|path| path.contains("/us-east-1/"));
    assert_eq!(home.scan(&["--commit-every", "5", "--threads", "2"]).status, 0);
    home.check();
    for dataset in ["events", "calls", "sightings", "objects"] {
        for month in ["09", "10", "11"] {
            let folder = home.store().join(dataset).join("year=2026").join(format!("month={month}"));
            let count = if folder.exists() { files(&folder).len() } else { 0 };
            assert!(count <= 16, "{}: {count}", folder.display());
        }
    }
    let commits = files(&home.store().join("commits"));
    assert!(commits.len() > 30, "{}", commits.len());
    assert_eq!(fs::read_dir(home.store().join("staging")).unwrap().count(), 0);
    let whole = Home::new();
    whole.run(&["scan", home.archive().to_str().unwrap()]);
    assert_same(&rows(&home.store()), &rows(&whole.store()), "made one");
    for _ in 0..20 {
        home.scan(&[]);
    }
    assert!(files(&home.store().join("runs")).len() <= 16);
    home.check();
}

/// Texts that do not compress, so that a file of few rows is large.
fn noise(state: &mut u64, bytes: usize) -> String {
    (0..bytes).map(|_| char::from(b'!' + u8::try_from(random(state, 90)).unwrap())).collect()
}

#[test]
fn an_object_with_thousands_of_events_keeps_each_with_its_record() {
    let home = Home::new();
    let records: Vec<Value> = (0..2_100)
        .map(|n| record(&format!("event-{n}"), "2026-10-09T10:00:00Z", "111122223333", "us-east-1"))
        .collect();
    home.put("all.json", json!({"Records": records}).to_string().as_bytes());
    assert_eq!(home.scan(&[]).status, 0);
    // It compares every event with the record that is kept beside it.
    home.check();
    let kept = rows(&home.store()).into_iter().filter(|row| row.starts_with("events ")).count();
    assert_eq!(kept, records.len());
}

/// Whoever writes records decides how alike they are: rows that say the same take less than a byte each.
#[test]
fn thousands_of_records_with_one_id_are_read_back() {
    let home = Home::new();
    let records: Vec<Value> = (0..14_000)
        .map(|number| {
            let mut record = record("one", "2026-10-03T00:00:00Z", "111122223333", "us-east-1");
            record["requestParameters"]["serialNumber"] = format!("arn:aws:iam::111122223333:mfa/{number}").into();
            record
        })
        .collect();
    home.put("records.json.gz", &gzip(json!({ "Records": records }).to_string().as_bytes()));
    let ran = home.scan(&[]);
    assert!(ran.status == 0 || ran.status == 3, "{}", ran.stderr);
    home.check();
    home.assert_same_report(&["--month", "2026-10"]);
}

#[test]
fn files_of_many_bytes_are_not_all_made_one() {
    let (home, mut state) = (Home::new(), 7);
    for object in 0..20 {
        let records: Vec<Value> = (0..100)
            .map(|n| {
                let mut record = record(&format!("{object}-{n}"), "2026-10-09T10:00:00Z", "111122223333", "us-east-1");
                record["userAgent"] = noise(&mut state, 1_000).into();
                record
            })
            .collect();
        home.put(&format!("{object}.json"), json!({"Records": records}).to_string().as_bytes());
    }
    assert_eq!(home.scan(&["--commit-every", "1", "--threads", "1"]).status, 0);
    home.check();
    let sizes: Vec<u64> =
        files(&home.store().join("events")).iter().map(|file| fs::metadata(file).unwrap().len()).collect();
    assert!((2..=16).contains(&sizes.len()) && sizes.iter().all(|size| *size < 3 << 20), "{sizes:?}");
    let whole = Home::new();
    whole.run(&["scan", home.archive().to_str().unwrap()]);
    assert_same(&rows(&home.store()), &rows(&whole.store()), "made one");
    let before = files(&home.store().join("events"));
    assert_eq!(home.scan(&[]).status, 0);
    assert_eq!(files(&home.store().join("events")), before, "what was made one is left as it is");
}

#[test]
fn iam_state_can_be_kept_in_the_store() {
    let home = Home::new();
    copy(&root().join("fixtures/archive"), &home.archive(), &|_| true);
    home.scan(&[]);
    let ran = home.run(&["report", "--month", "2026-10", "--iam", "store"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("has no IAM snapshot") && ran.stderr.contains("hint:"), "{}", ran.stderr);
    let snapshot = |taken_at: &str| {
        let users = json!([{"name": "kim.lee", "mfa_active": taken_at.contains("-02T")}]);
        json!({"schema": "mfatrail.iam-snapshot/1", "taken_at": taken_at, "missing": [],
            "accounts": {"111122223333": {"users": users, "users_complete": false}}})
    };
    let times = ["2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z"];
    let holder = Holder { pid: 1, command: "test".to_owned(), started_at: times[0].parse().unwrap() };
    let mut writer = Writer::open(home.store(), &holder).unwrap();
    for time in times.iter().chain(&times) {
        let text = snapshot(time).to_string().into_bytes();
        writer.keep_iam(time.parse().unwrap(), 1, text).unwrap();
    }
    drop(writer);
    wait_for_lock(&home.store());
    home.check();
    let coverage = |more: &[&str]| {
        let mut arguments = vec!["--month", "2026-10"];
        arguments.extend(more);
        let (status, report) = home.report(false, &arguments);
        assert_eq!(status, 0);
        (report["as_of"].clone(), report["figures"]["mfa_coverage"]["users_with_mfa"].clone())
    };
    let file = home.0.path().join("iam.json");
    for (time, more) in [(times[1], &[][..]), (times[0], &["--as-of", "2026-11-02T12:00:00Z"])] {
        fs::write(&file, snapshot(time).to_string()).unwrap();
        let with = |iam: &str| coverage(&[&["--iam", iam], more].concat());
        assert_eq!(with("store"), with(file.to_str().unwrap()), "{time}");
    }
    assert_eq!(coverage(&["--iam", "store"]).0, times[1]);
}

/// Numbers that look random, the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }
}

/// Killed a hundred times at random moments, of whatever it was doing, scans end with what an undisturbed one has.
#[test]
fn a_hundred_kills_lose_and_double_nothing() {
    // A month of small objects, and one that is partly kept although it fails.
    let home = Home::new();
    copy(&root().join("fixtures/archive"), &home.archive(), &|path| path.contains("/us-east-1/2026/10/"));
    let half = format!("{}\n{{", record("half", "2026-10-09T10:00:00Z", "222233334444", "eu-west-1"));
    home.put("half.json", half.as_bytes());
    let start = Instant::now();
    home.scan(&["--commit-every", "12", "--threads", "2"]);
    let whole = u64::try_from(start.elapsed().as_micros()).unwrap();
    let want = rows(&home.store());
    // Most of a scan of small objects is waiting for the disk: four at a time take half as long.
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (archive, want) = (home.archive(), &want);
            scope.spawn(move || killed_at_random(25, seed, whole, &archive, want));
        }
    });
}

/// Kills scans of `archive` until `kills` were killed; whenever one ends by itself its store must be the one wanted.
fn killed_at_random(kills: u32, seed: u64, mut whole: u64, archive: &Path, want: &[String]) {
    let mut random = Random(seed);
    let (mut killed, mut round) = (0, 0);
    let mut current = Home::new();
    while killed < kills {
        round += 1;
        assert!(round < 200, "{killed} of {round} runs were killed");
        let arguments = ["scan", archive.to_str().unwrap(), "--commit-every", "12", "--threads", "2"];
        let mut command = current.command(&arguments);
        let mut child =
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(random.below(whole)));
        let ended = child.try_wait().unwrap();
        // It may end by itself between the look and the kill, which does no harm.
        let _ = child.kill();
        child.wait().unwrap();
        match ended {
            None => {
                killed += 1;
                whole += whole / 16;
                if current.store().join("store.json").exists() {
                    current.check();
                }
            }
            Some(_) => {
                assert_same(&rows(&current.store()), want, &format!("after run {round} of seed {seed}"));
                current = Home::new();
                // Whatever else this machine had to do when the time of a whole scan was taken.
                whole -= whole / 8;
            }
        }
    }
    current.run(&["scan", archive.to_str().unwrap()]);
    current.check();
    assert_same(&rows(&current.store()), want, "at the end");
}
