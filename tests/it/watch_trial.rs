//! Trying a watch out: `watch test` sends two messages that say they are a test, `watch replay` shows what would be sent and sends nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::run::{Ran, root};
use crate::watch::{Receiver, SECRET, command, home, once, windows};

fn run(home: &Path, arguments: &[&str]) -> Ran {
    command(home, arguments).output().unwrap().into()
}

const TEST: [&str; 5] = ["watch", "test", "soc", "--config", "watch.toml"];

#[test]
fn a_test_says_so_and_comes_with_its_end() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let ran = run(home.path(), &TEST);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout, "opened: delivered\nresolved: delivered\n");
    let got = receiver.got();
    let bodies: Vec<Value> = got.iter().map(|one| one.json()).collect();
    let transitions: Vec<&Value> = bodies.iter().map(|body| &body["transition"]).collect();
    assert_eq!(transitions, ["opened", "resolved"]);
    for (body, sequence) in bodies.iter().zip(1..) {
        assert_eq!((&body["test"], &body["sequence"]), (&Value::from(true), &Value::from(sequence)));
        assert_eq!((&body["key"], &body["repetition"]), (&bodies[0]["key"], &Value::from(false)));
    }
    // Two tests are two incidents, and none of them is in any ledger.
    run(home.path(), &TEST);
    assert_ne!(receiver.got()[2].json()["key"], bodies[0]["key"]);
    let names: BTreeSet<String> = files(home.path()).into_keys().map(|path| path.display().to_string()).collect();
    assert_eq!(names, BTreeSet::from(["watch.toml".to_owned()]));
}

#[test]
fn what_became_of_a_test_is_shown() {
    let cases: [(&'static str, &str, usize); 4] = [
        ("403 Forbidden", "opened: refused: ", 1),
        ("503 Service Unavailable\r\nRetry-After: 7", "opened: not delivered; a watch would try it again: ", 1),
        ("500 Internal Server Error", "opened: may have arrived; a watch would try it again: ", 2),
        ("", "opened: may have arrived; a watch would try it again: ", 2),
    ];
    for (answer, opened, requests) in cases {
        let receiver = Receiver::new(move |_| Some(answer).filter(|answer| !answer.is_empty()));
        let home = home(&receiver.url);
        let ran = run(home.path(), &TEST);
        assert_eq!((ran.status, receiver.got().len()), (4, requests), "{answer}: {}", ran.stderr);
        assert!(ran.stdout.starts_with(opened), "{answer}: {}", ran.stdout);
        let unsent = "resolved: not sent, because the channel did not take the one before\n";
        assert_eq!(ran.stdout.ends_with(unsent), requests == 1, "{answer}: {}", ran.stdout);
        assert!(ran.stderr.contains("channel `soc` did not take both messages"), "{answer}: {}", ran.stderr);
        assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET));
    }
}

#[test]
fn a_test_of_what_is_not_there_sends_nothing() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let config = fs::read_to_string(home.path().join("watch.toml")).unwrap();
    let input = config.split("[[channel]]").next().unwrap();
    fs::write(home.path().join("none.toml"), input).unwrap();
    fs::write(home.path().join("absent.toml"), config.replace("SOC_SECRET", "NO_SUCH_SECRET")).unwrap();
    for (channel, file, told) in [
        ("sok", "watch.toml", "the configuration has no channel `sok`\n  hint: did you mean `soc`?"),
        ("pagerduty", "watch.toml", "no channel `pagerduty`\n  hint: the channels are soc"),
        ("soc", "none.toml", "no channel `soc`\n  hint: add a [[channel]]"),
        (
            "soc",
            "absent.toml",
            "`absent.toml`: line 5: channel `soc`: the environment has no variable `NO_SUCH_SECRET`",
        ),
        ("soc", "no-such.toml", "no-such.toml"),
    ] {
        let ran = run(home.path(), &["watch", "test", channel, "--config", file]);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{channel} {file}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{channel} {file}: {}", ran.stderr);
    }
    assert_eq!(receiver.got().len(), 0);
}

/// Every file below a folder, with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                open.push(entry);
            } else {
                all.insert(entry.strip_prefix(folder).unwrap().to_owned(), fs::read(&entry).unwrap());
            }
        }
    }
    all
}

const REPLAY: [&str; 8] = ["watch", "replay", "--config", "watch.toml", "--store", "store", "--from", "2026-10-01"];

fn alerts(ran: &Ran) -> Vec<Value> {
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["schema"], "mfatrail.replay/1");
    document["alerts"].as_array().unwrap().clone()
}

#[test]
fn a_replay_tells_what_the_report_says_and_leaves_no_trace() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let config = fs::read_to_string(home.path().join("watch.toml")).unwrap();
    // It needs no secret.
    let config = config.replace("SOC_SECRET", "NO_SUCH_SECRET");
    let more = "\n[[channel]]\nname = \"page\"\nkind = \"pagerduty\"\nrouting_key = \"file:/no/such/file\"\n\n\
                [[route]]\nseverity = [\"critical\"]\nchannels = [\"page\", \"soc\"]\n\n\
                [[route]]\nseverity = [\"warning\"]\nchannels = [\"soc\"]\n";
    fs::write(home.path().join("watch.toml"), format!("{config}{more}")).unwrap();
    let archive = root().join("fixtures/archive");
    assert_eq!(run(home.path(), &["scan", archive.to_str().unwrap(), "--store", "store"]).status, 0);
    let before = files(home.path());
    let replay = [&REPLAY[..], &["--format", "json"]].concat();
    let ran = run(home.path(), &replay);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was sent"), "{}", ran.stderr);
    assert!(files(home.path()) == before, "a file changed");
    assert_eq!(receiver.got().len(), 0);

    let alerts = alerts(&ran);
    assert!(alerts.is_sorted_by_key(|alert| alert["at"].as_str().unwrap().to_owned()), "{alerts:?}");
    let mut by_key: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for alert in &alerts {
        by_key.entry(alert["key"].as_str().unwrap()).or_default().push(alert);
        let severity = alert["severity"].as_str().unwrap();
        if alert["transition"] == "opened" {
            let told = match severity {
                "critical" => vec!["soc", "page"],
                "warning" => vec!["soc"],
                _ => Vec::new(),
            };
            assert_eq!(alert["channels"], Value::from(told), "{alert}");
        }
    }
    for told in by_key.values() {
        let numbers: Vec<u64> = told.iter().map(|alert| alert["sequence"].as_u64().unwrap()).collect();
        // What came before the period has its numbers, too.
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{told:?}");
        // Whoever was told of an opening is told how it ended, however mild that is.
        for pair in told.windows(2) {
            let channels = |alert: &Value| alert["channels"].as_array().unwrap().clone();
            assert!(channels(pair[0]).iter().all(|one| channels(pair[1]).contains(one)), "{pair:?}");
        }
    }
    let burst: BTreeSet<&str> = by_key.keys().filter_map(|key| key.strip_suffix(":burst")).collect();
    for (key, over) in windows(home.path()) {
        let Some(told) = by_key.get(key.as_str()) else {
            assert!(!burst.is_empty(), "nothing is told of {key}");
            continue;
        };
        let count = |name: &str| told.iter().filter(|alert| alert["transition"] == name).count();
        assert_eq!((count("opened"), count("resolved")), (1, usize::from(over)), "{key}: {told:?}");
    }
    let text = run(home.path(), &REPLAY);
    assert_eq!(text.stdout.lines().count(), alerts.len());
    assert!(text.stdout.contains("  -> nobody\n") && text.stdout.contains("  -> soc, page\n"), "{}", text.stdout);
}

#[test]
fn an_opening_says_what_was_known_then() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let archive = root().join("fixtures/archive");
    assert_eq!(run(home.path(), &["scan", archive.to_str().unwrap(), "--store", "store"]).status, 0);
    let ran = run(home.path(), &[&REPLAY[..], &["--format", "json"]].concat());
    let alerts = alerts(&ran);
    let of = |transition: &str| {
        let of = alerts.iter().filter(move |alert| alert["transition"] == transition);
        of.map(|alert| (alert["key"].as_str().unwrap(), alert)).collect::<BTreeMap<_, _>>()
    };
    let (opened, resolved) = (of("opened"), of("resolved"));
    let replaced: Vec<_> = resolved.iter().filter(|(_, alert)| alert["class"] == "replacement").collect();
    assert!(!replaced.is_empty(), "{alerts:?}");
    for (key, end) in replaced {
        // Nobody could know that a new device would come.
        assert_ne!(opened[key]["class"], "replacement", "{end}");
        assert!(opened[key]["at"].as_str() < end["at"].as_str(), "{end}");
    }
}

#[test]
fn parts_of_a_period_are_the_period() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let archive = root().join("fixtures/archive");
    assert_eq!(run(home.path(), &["scan", archive.to_str().unwrap(), "--store", "store"]).status, 0);
    let told = |from: &str, to: &str| {
        let period = ["--from", from, "--to", to, "--format", "json"];
        let ran = run(home.path(), &[&REPLAY[..6], &period].concat());
        assert!(ran.status == 0 || ran.status == 3, "{}", ran.stderr);
        alerts(&ran)
    };
    let whole = told("2026-10-01", "2026-11-01");
    let parts = [told("2026-10-01", "2026-10-09"), told("2026-10-09", "2026-10-20"), told("2026-10-20", "2026-11-01")];
    let facts = |alert: &Value| {
        ["at", "transition", "key", "severity", "class", "channels"].map(|name| alert[name].to_string())
    };
    let parts: Vec<_> = parts.iter().flatten().map(facts).collect();
    assert_eq!(parts, whole.iter().map(facts).collect::<Vec<_>>());
}

#[test]
fn of_a_time_without_evidence_a_replay_says_so() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let none = run(home.path(), &REPLAY);
    assert_eq!(none.status, 2, "{}", none.stderr);
    assert!(none.stderr.contains("no evidence store in `store`"), "{}", none.stderr);
    once(home.path());
    let replay = |from: &str, to: &str| run(home.path(), &[&REPLAY[..6], &["--from", from, "--to", to]].concat());
    let before = replay("2020-01-01", "2020-02-01");
    assert_eq!((before.status, before.stdout.as_str()), (3, ""), "{}", before.stderr);
    assert!(before.stderr.contains("the store has no record of this period"), "{}", before.stderr);
    let beyond = run(home.path(), &REPLAY);
    assert_eq!(beyond.status, 0, "{}", beyond.stderr);
    assert!(beyond.stderr.contains("note: the store's records reach from 20"), "{}", beyond.stderr);
    for (from, to, told) in [
        ("2026-10-02", "2026-10-01", "is not before `--to`"),
        ("2026-10-02", "2026-10-02", "is not before `--to`"),
        ("soon", "2026-10-02", "--from"),
    ] {
        let ran = replay(from, to);
        assert_eq!(ran.status, 2, "{from} {to}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{from} {to}: {}", ran.stderr);
    }
}
