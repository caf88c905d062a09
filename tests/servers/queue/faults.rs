//! What can be wrong with a queue, a message, or what it is about.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Stage, about, key, object, of_record, record};
use crate::standin::sqs::QUEUE;
use crate::standin::{Answer, Fault};
use crate::support::run::{HANG, Ran};

const ENABLED: &str = "2026-10-05T08:00:00Z";
const LOST: &str = "2026-10-05T09:00:00Z";
const MENDED: &str = "2026-10-05T09:30:00Z";
const KEY: &str = "mfatrail:111122223333:lost";

/// Zoe enrolls, loses the device, and has another one.
fn story() -> [Value; 3] {
    [
        record("enabled", ENABLED, "EnableMFADevice", "zoe"),
        record("lost", LOST, "DeactivateMFADevice", "zoe"),
        record("mended", MENDED, "EnableMFADevice", "zoe"),
    ]
}

fn quarantined(stage: &Stage) -> Vec<Value> {
    let Ok(folder) = fs::read_dir(stage.store().join("watch/quarantine")) else { return Vec::new() };
    folder.map(|file| serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap()).collect()
}

#[test]
fn what_is_wrong_is_told_before_anything_is_done() {
    let stage = Stage::new("");
    let config = fs::read_to_string(stage.home.path().join("watch.toml")).unwrap();
    let run = |arguments: &[&str]| -> Ran { stage.command(arguments).output().unwrap().into() };
    let both = |told: &str, status: i32| {
        for arguments in [
            &["watch", "--config", "watch.toml", "--store", "store", "--once"][..],
            &["watch", "--config", "watch.toml", "--store", "store"],
            &["watch", "check", "--config", "watch.toml"],
        ] {
            let ran = run(arguments);
            assert_eq!(ran.status, status, "{told}: {}", ran.stderr);
            assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
        }
        assert!(!stage.store().exists());
    };
    for action in ["ReceiveMessage", "GetQueueAttributes", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
        stage.sqs.with(|sqs| sqs.denied = [action].into());
        let needs = "`watch.toml`: line 1: the queue `http://127.0.0.1";
        if action.starts_with('R') || action.starts_with('G') {
            for once in [&["--once"][..], &[]] {
                let ran = run(&[&["watch", "--config", "watch.toml", "--store", "store"], once].concat());
                assert!(
                    ran.status == 2 && ran.stderr.contains(needs) && ran.stderr.contains("sqs:ReceiveMessage"),
                    "{}",
                    ran.stderr
                );
            }
        }
        if !action.starts_with('R') {
            let ran = run(&["watch", "check", "--config", "watch.toml"]);
            assert!(ran.status == 2 && ran.stderr.contains(needs), "{action}: {}", ran.stderr);
        }
        assert!(!stage.store().exists());
    }
    stage.sqs.with(|sqs| sqs.denied.clear());
    fs::write(stage.home.path().join("watch.toml"), config.replace(QUEUE, "/111122223333/another")).unwrap();
    both("`watch.toml`: line 1: there is no queue", 2);
    fs::write(stage.home.path().join("watch.toml"), &config).unwrap();
    for (redrive, told) in
        [(Some(3), "goes to the dead-letter queue after 3 receives"), (None, "there is no dead-letter queue")]
    {
        stage.sqs.with(|sqs| sqs.redrive = redrive);
        let ran = run(&["watch", "check", "--config", "watch.toml"]);
        assert!(ran.status == 0 && ran.stderr.contains(told), "{}", ran.stderr);
    }
    assert!(stage.told().is_empty());
}

#[test]
fn what_is_not_understood_is_left_or_kept_and_stalls_nothing() {
    // Without dead letters it is kept in the store, after as many receives as the configuration says.
    let stage = Stage::new("quarantine_after = 2\nbuckets = [\"trail-*\"]");
    let [enabled, lost, _] = story();
    stage.sqs.with(|sqs| {
        sqs.redrive = None;
        sqs.send("hello");
        sqs.send(json!({"s3Bucket": "somebody-elses", "s3ObjectKey": ["k"]}).to_string());
        sqs.put(&key(1), object(&[enabled, lost]));
        sqs.send(about(&key(1), 0));
    });
    let ran = stage.once();
    assert_eq!((ran.status, stage.sqs.with(|sqs| sqs.left()), quarantined(&stage).len()), (3, 2, 0), "{}", ran.stderr);
    assert_eq!(stage.told()[KEY], ["opened"]);
    stage.sqs.with(|sqs| sqs.show());
    let ran = stage.once();
    assert_eq!((ran.status, stage.sqs.with(|sqs| sqs.left())), (3, 0), "{}", ran.stderr);
    let kept = quarantined(&stage);
    let has = |body: &str, reason: &str| {
        kept.iter()
            .any(|one| one["body"].as_str().unwrap().contains(body) && one["reason"].as_str().unwrap().contains(reason))
    };
    assert!(kept.len() == 2 && has("hello", "not JSON") && has("somebody-elses", "`buckets`"), "{kept:?}");
    assert_eq!(stage.once().status, 0);
    // With dead letters it becomes one of them.
    let stage = Stage::new("quarantine_after = 1");
    stage.sqs.with(|sqs| {
        sqs.redrive = Some(2);
        sqs.send("hello");
    });
    for _ in 0..3 {
        stage.once();
        stage.sqs.with(|sqs| sqs.show());
    }
    stage.sqs.with(|sqs| assert_eq!((sqs.left(), sqs.dead.len(), sqs.deletions), (0, 1, 0)));
    assert!(quarantined(&stage).is_empty());
}

#[test]
fn an_object_may_come_later_than_its_message_and_be_replaced() {
    let stage = Stage::new("");
    let [enabled, lost, mended] = story();
    stage.sqs.with(|sqs| sqs.send(about(&key(1), 0)));
    let ran = stage.once();
    assert!(ran.status == 3 && ran.stderr.contains("could not be read"), "{}", ran.stderr);
    stage.sqs.with(|sqs| {
        assert_eq!((sqs.left(), sqs.deletions), (1, 0));
        sqs.put(&key(1), object(&[enabled.clone(), lost.clone()]));
        sqs.show();
    });
    assert_eq!(stage.once().status, 0);
    assert_eq!(stage.told()[KEY], ["opened"]);
    // Another object under its key, which CloudTrail never does: what is there now counts, and both stay in the store.
    stage.sqs.with(|sqs| {
        sqs.put(&key(1), object(&[enabled, lost, mended]));
        sqs.send(about(&key(1), 1));
    });
    assert_eq!(stage.once().status, 0);
    assert_eq!(stage.told()[KEY], ["opened", "resolved"]);
    // A bucket that does not answer keeps no other from being read, and the message stays.
    stage.sqs.with(|sqs| {
        sqs.send(json!({"s3Bucket": "no-such-bucket", "s3ObjectKey": ["k"]}).to_string());
        sqs.put(&key(2), object(&[record("again", "2026-10-05T11:00:00Z", "DeactivateMFADevice", "zoe")]));
        sqs.send(about(&key(2), 2));
    });
    assert_eq!(stage.once().status, 3);
    assert_eq!(stage.told()["mfatrail:111122223333:again"], ["opened"]);
    stage.sqs.with(|sqs| assert_eq!(sqs.left(), 1));
}

#[test]
fn a_close_may_come_first_and_everything_again_afterwards() {
    let stage = Stage::new("");
    let [enabled, lost, mended] = story();
    stage.sqs.with(|sqs| sqs.send(of_record(&mended, 0)));
    assert_eq!(stage.once().status, 0);
    assert!(stage.told().is_empty());
    stage.sqs.with(|sqs| {
        sqs.send(of_record(&lost, 1));
        sqs.send(of_record(&enabled, 3));
    });
    assert_eq!(stage.once().status, 0);
    assert_eq!(stage.told()[KEY], ["opened", "resolved"]);
    for form in 0..4 {
        stage.sqs.with(|sqs| story().iter().for_each(|one| sqs.send(of_record(one, form))));
        stage.sqs.with(|sqs| {
            sqs.put(&key(form), object(&story()));
            sqs.send(about(&key(form), form));
        });
        let ran = stage.once();
        assert!(ran.status == 0 && ran.stderr.contains("0 transitions"), "{}", ran.stderr);
    }
    assert_eq!(stage.equals_the_report(), 1);
}

#[test]
fn two_inputs_that_disagree_are_a_conflict_and_the_worse_holds() {
    let stage = Stage::new("");
    let archive = stage.home.path().join("archive");
    fs::create_dir(&archive).unwrap();
    let queue = fs::read_to_string(stage.home.path().join("watch.toml")).unwrap();
    let queue = queue.split("\n[[channel]]").next().unwrap();
    stage.configure(&format!("{queue}\n[[input]]\nkind = \"archive\"\nsource = \"archive\"\n"));
    let [enabled, lost, mended] = story();
    // By one of them zoe has a device again; by the other somebody else has.
    let mut other = mended.clone();
    other["requestParameters"] =
        json!({"userName": "mallory", "serialNumber": "arn:aws:iam::111122223333:mfa/mallory"});
    fs::write(archive.join("1.json"), object(&[enabled, lost, other])).unwrap();
    stage.sqs.with(|sqs| sqs.send(of_record(&mended, 0)));
    let ran = stage.once();
    assert!(ran.status == 3 && ran.stderr.contains("contradictory records"), "{}", ran.stderr);
    let steps = stage.told()[KEY].clone();
    assert_eq!(steps.first().map(String::as_str), Some("opened"), "{steps:?}");
    let report = [
        "report",
        "--store",
        "store",
        "--from",
        "2026-10-01",
        "--to",
        "2026-12-01",
        "--format",
        "json",
        "--out",
        "out",
    ];
    let ran: Ran = stage.command(&report).output().unwrap().into();
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    let report = crate::support::run::json(&stage.home.path().join("out"));
    assert!(
        report["notices"].as_array().unwrap().iter().any(|notice| notice["code"] == "event-conflict"),
        "{}",
        report["notices"]
    );
    stage.equals_the_report();
}

#[test]
fn a_queue_that_does_not_answer_ends_nothing_and_a_signal_does() {
    let stage = Stage::new("");
    let refuse =
        |status: u16| Fault::Refuse(Answer::json(status, &json!({"__type": "InternalFailure", "message": "no"})));
    let mut child = stage
        .command(&[&super::WATCH[..], &["--listen", "127.0.0.1:0"]].concat())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !stage.sqs.requests().iter().any(|one| one.header("x-amz-target") == "AmazonSQS.ReceiveMessage") {
        assert!(begun.elapsed() < HANG && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(20));
    }
    stage.sqs.script([refuse(500), Fault::Garbage, Fault::Reset(false), refuse(503)]);
    let [enabled, lost, _] = story();
    stage.sqs.with(|sqs| {
        sqs.put(&key(1), object(&[enabled, lost]));
        sqs.send(about(&key(1), 0));
    });
    let begun = Instant::now();
    while stage.told().is_empty() {
        assert!(begun.elapsed() < HANG && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(100));
    }
    while stage.sqs.with(|sqs| sqs.left()) > 0 {
        assert!(begun.elapsed() < HANG);
        std::thread::sleep(Duration::from_millis(100));
    }
    std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let ran = crate::support::run::end(child);
    // By itself: who is ended by force has another status.
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}
