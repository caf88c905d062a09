//! A watch that is killed anywhere, with messages that still come and a channel that fails: nothing is lost, nothing is told twice
//! unsaid, and no message is deleted that is not in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use mfatrail::store::Store;
use serde_json::Value;

use super::{Chance, Stage, WATCH, about, fixtures, is_delivered, of_record};
use crate::standin::{Answer, Fault};

#[test]
fn kills_at_any_moment_lose_nothing() {
    let kills: usize = std::env::var("MFATRAIL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let stage = Stage::new("");
    let mut chance = Chance::new(99);
    let mut messages = Vec::new();
    for (number, (key, text)) in fixtures().into_iter().enumerate() {
        let records: Value = serde_json::from_str(&text).unwrap_or_default();
        for record in records["Records"].as_array().into_iter().flatten().filter(|record| is_delivered(record)) {
            if chance.below(4) == 0 {
                messages.push((of_record(record, chance.below(12)), None));
            }
        }
        messages.push((about(&key, number), Some(key.clone())));
        stage.sqs.with(|sqs| sqs.put(&key, text));
    }
    chance.shuffle(&mut messages);
    let keys: BTreeMap<String, String> =
        messages.iter().filter_map(|(body, key)| Some((body.clone(), key.clone()?))).collect();
    let total = messages.len();
    stage.sqs.with(|sqs| {
        // What a killed process had in hand comes back after three seconds.
        sqs.second = Duration::from_millis(25);
        sqs.redrive = None;
    });
    let portion = total.div_ceil(kills);
    for _ in 0..kills {
        let some: Vec<_> = messages.drain(..portion.min(messages.len())).collect();
        stage.sqs.with(|sqs| some.into_iter().for_each(|(body, _)| sqs.send(body)));
        let faults = (0..8).map(|_| match chance.below(5) {
            0 => Fault::Refuse(Answer {
                status: 503,
                headers: vec![("Retry-After", "0".to_owned())],
                body: String::new(),
            }),
            1 => Fault::Reset(true),
            2 => Fault::Half,
            _ => Fault::Pass,
        });
        stage.hook.script(faults.collect::<Vec<_>>());
        let mut child = stage.command(&WATCH).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(200 + chance.below(2500) as u64));
        let _ = child.kill();
        child.wait().unwrap();
        // What is deleted is in the store.
        let Ok(store) = Store::open(&stage.store()) else {
            stage.sqs.with(|sqs| assert_eq!(sqs.deletions, 0));
            continue;
        };
        let mut known = BTreeSet::new();
        store
            .objects(None, &mut |row| {
                known.insert(row.location);
            })
            .unwrap();
        for body in stage.sqs.with(|sqs| sqs.deleted.clone()).unwrap() {
            if let Some(key) = keys.get(&body).filter(|key| !key.contains("Digest") && !key.contains("Config")) {
                assert!(
                    known.iter().any(|location| location.ends_with(key.as_str())),
                    "{key} was deleted and is not in the store"
                );
            }
        }
    }
    let mut said = String::new();
    let done = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(300));
        let ran = stage.once();
        assert!(ran.status == 0 || ran.status == 3, "{}", ran.stderr);
        said = ran.stderr;
        said.contains(" 0 not delivered") && stage.sqs.with(|sqs| sqs.left()) == 0
    });
    assert!(done, "{said}");
    assert!(stage.equals_the_report() > 5);
    let requests = stage.hook.requests();
    let (mut taken, mut marked) = (BTreeSet::new(), 0);
    for (key, body) in stage.hook.with(|hook| hook.done.clone()) {
        assert!(taken.insert(key), "{body}");
    }
    // The same alert comes again only marked, once it may have arrived.
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for request in &requests {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        *first.entry(request.header("idempotency-key").to_owned()).or_default() += 1;
        marked += usize::from(body["repetition"] == true);
    }
    let repeated = stage.hook.with(|hook| hook.repeated);
    assert!(repeated <= marked, "{repeated} came twice, {marked} were marked");
    println!(
        "{kills} kills, {total} messages: {} transitions, each in the channel once; {} requests, {marked} marked as a repetition, {repeated} of what had arrived",
        taken.len(),
        requests.len()
    );
}
