//! Shards: scans of all of them into one store are one scan, in whatever order, twice, killed; and until all have ended, every
//! answer says what is missing.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::store::Home;
use crate::support::run::{self, OCTOBER, Ran};
use crate::support::store::rows;

/// The rows, without those of what could not be listed: each shard has its own.
fn listed(store: &Path) -> Vec<String> {
    rows(store).into_iter().filter(|row| !row.contains("dangling")).collect()
}

/// Everything that a store answers, without where it is and what tells of its files and runs; `ask` runs a command on it.
pub fn answers_by(ask: &dyn Fn(&[&str]) -> Ran) -> Vec<(i32, String)> {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("report");
    let ran = ask(&[&["report"], OCTOBER, &["--out", folder.to_str().unwrap()]].concat());
    assert!(folder.exists(), "{}", ran.stderr);
    let mut report = run::json(&folder);
    // Which report came before depends on how often this is asked.
    run::without_notices(&mut report, &["restatement"]);
    let mut answers = vec![(ran.status, report.to_string())];
    for question in [
        &["history", "--format", "json"][..],
        &["history", "--user", "*", "--format", "csv"],
        &["history", "--spans", "--format", "csv"],
        &[
            "history",
            "--sql",
            "SELECT event_id, account, object, record FROM events ORDER BY event_id, account, object, record",
            "--format",
            "csv",
        ],
    ] {
        let ran = ask(question);
        // Incomplete while a shard is missing; never refused.
        assert!(matches!(ran.status, 0 | 3), "{question:?}: {}", ran.stderr);
        answers.push((ran.status, format!("{}{}", ran.stdout, ran.stderr)));
    }
    let ran = ask(&["store", "--format", "json"]);
    let mut covered: Value = serde_json::from_str(&ran.stdout).unwrap();
    for of_files in ["store", "files", "bytes", "runs", "last_scan_at"] {
        covered[of_files] = Value::Null;
    }
    answers.push((ran.status, format!("{covered}{}", ran.stderr)));
    let ran = ask(&["store", "check", "--format", "json"]);
    let check: Value = serde_json::from_str(&ran.stdout).unwrap();
    answers.push((ran.status, check["flaws"].to_string()));
    answers
}

fn answers(home: &Home) -> Vec<(i32, String)> {
    answers_by(&|arguments| home.run(arguments))
}

pub fn assert_same(got: &[(i32, String)], want: &[(i32, String)], when: &str) {
    for ((status, got), (want_status, want)) in got.iter().zip(want) {
        let differs =
            got.bytes().zip(want.bytes()).position(|(got, want)| got != want).unwrap_or(0).saturating_sub(200);
        let part = |text: &str| text.get(differs..).unwrap_or(text).chars().take(600).collect::<String>();
        assert!(
            (status, got) == (want_status, want),
            "{when}: {status}, not {want_status}\n{}\n{}",
            part(got),
            part(want)
        );
    }
}

fn assert_same_answers(home: &Home, want: &[(i32, String)], when: &str) {
    assert_same(&answers(home), want, when);
}

/// Forgets the store, and keeps the archive.
fn anew(home: &Home) {
    if home.store().exists() {
        std::fs::remove_dir_all(home.store()).unwrap();
    }
}

fn shard(home: &Home, shard: &str) -> Ran {
    home.scan(&["--shard", shard, "--commit-every", "7"])
}

fn kill(home: &Home, shard: &str, after: u64) {
    let archive = home.archive();
    let arguments = ["scan", archive.to_str().unwrap(), "--shard", shard, "--commit-every", "3"];
    let mut child = home.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(after));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn shards_into_one_store_equal_one_scan() {
    let home = Home::odd();
    home.scan(&[]);
    let (want, want_rows) = (answers(&home), listed(&home.store()));
    for (count, order, killed) in [
        (1, &[1][..], &[][..]),
        (2, &[2, 1], &[]),
        (3, &[3, 1, 3, 2, 1], &[(2, 40)]),
        (8, &[5, 1, 2, 8, 8, 7, 3, 6, 4], &[(1, 15), (6, 60), (6, 30)]),
    ] {
        anew(&home);
        for (number, after) in killed {
            kill(&home, &format!("{number}/{count}"), *after);
        }
        for number in order {
            let ran = shard(&home, &format!("{number}/{count}"));
            assert!([0, 3].contains(&ran.status), "{}", ran.stderr);
        }
        let when = format!("{count} shards");
        crate::support::store::assert_same(&listed(&home.store()), &want_rows, &when);
        assert_same_answers(&home, &want, &when);
        // A scan of everything finds nothing left to read.
        let ran = home.scan(&["--format", "json"]);
        let scan: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((&scan["objects_read"], &scan["events"]), (&0.into(), &0.into()), "{when}");
        assert_same_answers(&home, &want, &when);
    }
}

#[test]
fn a_store_that_lacks_shards_says_so_everywhere() {
    let home = Home::new();
    crate::support::store::copy(&crate::support::run::root().join("fixtures/archive"), &home.archive(), &|_| true);
    home.scan(&[]);
    let want = answers(&home);
    assert_eq!(want[0].0, 0, "{}", want[0].1);
    anew(&home);
    for number in [1, 2, 5] {
        assert_eq!(shard(&home, &format!("{number}/5")).status, 0);
    }
    let names = ["(shards 3/5 to 4/5)"];
    let (status, report) = home.report(false, OCTOBER);
    assert_eq!((status, &report["coverage"]["complete"]), (3, &false.into()));
    let failures = report["coverage"]["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1, "{failures:#?}");
    assert!(failures[0]["object"].as_str().unwrap().ends_with(names[0]), "{failures:#?}");
    for question in [&["history"][..], &["store"]] {
        let ran = home.run(question);
        assert_eq!(ran.status, 3, "{question:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("shard"), "{question:?}: {}", ran.stderr);
    }
    // A bundle carries it on.
    let bundle = home.0.path().join("bundle.zip");
    let out = home.0.path().join("out");
    let made = ["report", "--month", "2026-10", "--bundle", bundle.to_str().unwrap(), "--out", out.to_str().unwrap()];
    assert_eq!(home.run(&made).status, 3);
    let again = home.0.path().join("again");
    let ran = home.run(&["report", "--from-bundle", bundle.to_str().unwrap(), "--out", again.to_str().unwrap()]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert_eq!(
        std::fs::read(out.join("events.csv")).unwrap(),
        std::fs::read(again.join("events.csv")).unwrap(),
        "{}",
        ran.stderr
    );
    // Another number of shards does not make them good, until all of it is there.
    assert_eq!(shard(&home, "1/2").status, 0);
    assert_eq!(home.run(&["store"]).status, 3);
    assert_eq!(shard(&home, "3/5").status, 0);
    let ran = home.run(&["store"]);
    assert!(ran.stderr.contains("(shard 4/5)") && ran.stderr.contains("(shard 2/2)"), "{}", ran.stderr);
    assert_eq!(shard(&home, "2/2").status, 0);
    assert_same_answers(&home, &want, "after all");
}

#[test]
fn a_scan_that_was_killed_leaves_a_store_that_says_so() {
    let home = Home::new();
    crate::support::store::copy(&crate::support::run::root().join("fixtures/archive"), &home.archive(), &|_| true);
    home.scan(&[]);
    let want = answers(&home);
    let archive = home.archive();
    let arguments = ["scan", archive.to_str().unwrap(), "--commit-every", "1", "--threads", "1"];
    let log = home.store().join("commits/00000003.json");
    // Where this process does not run for a while it ends before it is killed.
    let killed = (0..50).any(|_| {
        anew(&home);
        let mut child = home.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while !log.exists() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap().code().is_none()
    });
    assert!(killed, "it ends too soon");
    let (status, report) = home.report(false, OCTOBER);
    assert_eq!(status, 3);
    let why = report["coverage"]["failures"][0]["error"].as_str().unwrap();
    assert!(why.starts_with("the scan that began at ") && why.ends_with("run it again"), "{why}");
    assert_eq!(home.run(&["history"]).status, 3);
    assert_eq!(home.scan(&[]).status, 0);
    assert_same_answers(&home, &want, "after it was run again");
}

#[test]
fn what_is_no_shard_is_refused() {
    let home = Home::new();
    home.put("x.json", b"{}");
    for (shard, why) in [("0/8", "numbered from 1"), ("9/8", "8/8"), ("8", "I/N"), ("1/0", "from 1 to 100000")] {
        let ran = home.scan(&["--shard", shard]);
        assert_eq!(ran.status, 2, "{shard}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{shard}: {}", ran.stderr);
        assert!(!home.store().exists());
    }
    assert_eq!(home.scan(&["--shard", "1/8", "--verify"]).status, 2);
}

#[test]
fn a_plan_is_that_of_the_shard() {
    let home = Home::new();
    crate::support::store::copy(&crate::support::run::root().join("fixtures/archive"), &home.archive(), &|_| true);
    let objects = |more: &[&str]| {
        let ran = home.scan(&[&["--dry-run"], more].concat());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        ran.stdout.split(' ').next().unwrap().replace(',', "").parse::<u64>().unwrap()
    };
    let all = objects(&[]);
    let shards: u64 = (1..=4).map(|number| objects(&["--shard", &format!("{number}/4")])).sum();
    assert_eq!(shards, all);
}

#[test]
fn stores_of_shards_are_merged_into_one() {
    let home = Home::odd();
    home.scan(&[]);
    let (want, want_rows) = (answers(&home), listed(&home.store()));
    let part = |name: &str| home.0.path().join(name).to_str().unwrap().to_owned();
    let scan = |shard: &str, store: &str| {
        let ran = home.scan(&["--shard", shard, "--commit-every", "7", "--store", &part(store)]);
        assert!([0, 3].contains(&ran.status), "{}", ran.stderr);
    };
    // One shard is in two of the stores.
    scan("1/3", "one");
    scan("2/3", "one");
    scan("2/3", "two");
    scan("3/3", "two");
    let merge = |stores: &[&str]| {
        let mut arguments = vec!["store".to_owned(), "merge".to_owned()];
        arguments.extend(stores.iter().map(|store| part(store)));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        home.run(&arguments)
    };
    anew(&home);
    let before = rows(Path::new(&part("two")));
    let ran = merge(&["one", "store"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let ran = home.run(&["store"]);
    assert!(ran.stderr.contains("(shard 3/3)"), "{}", ran.stderr);
    for again in ["once", "and again"] {
        let ran = merge(&["two", "one", "store"]);
        assert_eq!(ran.status, 0, "{again}: {}", ran.stderr);
        home.check();
        crate::support::store::assert_same(&listed(&home.store()), &want_rows, again);
        assert_same_answers(&home, &want, again);
    }
    assert_eq!(rows(Path::new(&part("two"))), before, "what is merged is not changed");
    // A scan of everything finds nothing left to read.
    let scan: Value = serde_json::from_str(&home.scan(&["--format", "json"]).stdout).unwrap();
    assert_eq!((&scan["objects_read"], &scan["events"]), (&0.into(), &0.into()));
    // An object that was overwritten between the scans of two stores: the later read counts, whichever comes first.
    let path = home.archive().join("elsewhere/exported.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("outside-1", "outside-2");
    std::fs::write(&path, text).unwrap();
    home.scan(&["--store", &part("late")]);
    home.scan(&[]);
    let want = answers(&home);
    for order in [["one", "two", "late", "store"], ["late", "two", "one", "store"]] {
        anew(&home);
        let ran = merge(&order);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("with two versions"), "{}", ran.stderr);
        home.check();
        assert_same_answers(&home, &want, &order.join(" "));
    }
    let ran = merge(&["one", "one"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    let ran = merge(&["nothing", "store"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
}
