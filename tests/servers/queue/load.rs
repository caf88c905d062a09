//! How long it takes from a message to an alert, and how much memory, where many come or very many wait. By hand:
//! `cargo test --release --test servers queue::load -- --ignored --nocapture`.

use std::collections::HashMap;
use std::fs;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Stage, WATCH, of_record, record};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Of a running process, in MiB.
fn memory(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) >> 10
}

fn time(second: u64) -> String {
    let at = "2026-10-05T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    (at + chrono::TimeDelta::seconds(i64::try_from(second).unwrap())).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[test]
#[ignore = "takes minutes"]
fn many_messages_a_second() {
    let (rate, seconds) = (number("MFATRAIL_RATE", 200), number("MFATRAIL_SECONDS", 300));
    let every = number("MFATRAIL_ALERT_EVERY", 50);
    let stage = Stage::new("");
    let mut child = stage.command(&WATCH).stderr(Stdio::null()).spawn().unwrap();
    stage.sqs.with(|sqs| sqs.deleted = None);
    let begun = Instant::now();
    let mut sent: HashMap<String, Instant> = HashMap::new();
    let mut sizes = Vec::new();
    let arrived: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let mut n = 0;
    while n < rate * seconds {
        let due = begun.elapsed().as_millis() as u64 * rate / 1000;
        while n < due.min(rate * seconds) {
            // One in so many loses a device and has it back a little later; the rest is what matters to nobody.
            let user = format!("user-{}", n / every);
            let (id, name) = match n % every {
                0 => (format!("on-{n}"), "EnableMFADevice"),
                1 => (format!("off-{n}"), "DeactivateMFADevice"),
                2 => (format!("again-{n}"), "EnableMFADevice"),
                _ => (format!("other-{n}"), "ListMFADevices"),
            };
            let body = of_record(&record(&id, &time(n), name, &user), (n % 12) as usize);
            if n % every == 1 {
                sent.insert(format!("mfatrail:111122223333:{id}/1"), Instant::now());
            }
            stage.sqs.with(|sqs| sqs.send(body));
            n += 1;
        }
        note(&stage, &arrived);
        if sizes.last().is_none_or(|(at, _): &(u64, u64)| begun.elapsed().as_secs() >= at + 10) {
            sizes.push((begun.elapsed().as_secs(), memory(&child)));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let end = Instant::now();
    while arrived.lock().unwrap().len() < sent.len() && end.elapsed() < Duration::from_secs(120) {
        note(&stage, &arrived);
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let arrived = arrived.lock().unwrap();
    let mut lags: Vec<Duration> =
        sent.iter().filter_map(|(key, at)| Some(arrived.get(key)?.duration_since(*at))).collect();
    lags.sort();
    let at = |percent: usize| lags.get(lags.len().saturating_sub(1) * percent / 100).copied();
    println!(
        "{n} messages at {rate}/s: {} of {} openings arrived; p50 {:?}, p90 {:?}, p99 {:?}, longest {:?}; left {}; MiB by second {sizes:?}",
        lags.len(),
        sent.len(),
        at(50),
        at(90),
        at(99),
        lags.last(),
        stage.sqs.with(|sqs| sqs.left())
    );
    assert_eq!(lags.len(), sent.len());
}

/// Notes what came to the channel since.
fn note(stage: &Stage, arrived: &Mutex<HashMap<String, Instant>>) {
    let mut arrived = arrived.lock().unwrap();
    stage.hook.with(|hook| {
        for (key, _) in hook.done.drain(..) {
            arrived.entry(key).or_insert_with(Instant::now);
        }
    });
}

#[test]
#[ignore = "takes minutes"]
fn a_backlog_takes_no_more_memory() {
    let backlog = number("MFATRAIL_BACKLOG", 1_000_000);
    let stage = Stage::new("");
    stage.sqs.with(|sqs| {
        sqs.deleted = None;
        sqs.owe(backlog, |n| of_record(&record(&format!("e-{n}"), &time(n % 2_000_000), "ListMFADevices", "zoe"), 0));
    });
    let begun = Instant::now();
    let mut child = stage.command(&WATCH).stderr(Stdio::null()).spawn().unwrap();
    let mut sizes = Vec::new();
    while stage.sqs.with(|sqs| sqs.deletions) < backlog
        && begun.elapsed() < Duration::from_secs(number("MFATRAIL_SECONDS", 3600))
    {
        std::thread::sleep(Duration::from_secs(5));
        sizes.push((begun.elapsed().as_secs(), stage.sqs.with(|sqs| sqs.deletions), memory(&child)));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    println!("{backlog} messages; seconds, deleted and MiB: {sizes:?}");
}
