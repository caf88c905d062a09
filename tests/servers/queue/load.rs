//! How long it takes from a message to an alert, and how much memory, where many come or very many wait. What is measured for minutes is
//! done by hand, with the optimized binary (`MFATRAIL_BINARY`):
//! `cargo test --test servers queue::load -- --ignored --nocapture`. The short forms hold what no machine's speed decides.

use std::collections::HashMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Stage, WATCH, of_record, record};
use crate::standin::Fault;
use crate::support::run::{Background, HANG, end};

/// One message in so many is of somebody who enrolls, loses the device or has it again.
const EVERY: u64 = 50;
/// How much more memory may be used in the second half of a run than in the first, in MiB: what an allocator keeps, and what it takes to
/// make small files larger ones, which is bounded.
const SLACK: u64 = 48;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Starts the watch.
fn start(stage: &Stage) -> Background {
    let mut command = stage.command(&WATCH);
    if let Some(binary) = std::env::var_os("MFATRAIL_BINARY") {
        let mut other = Command::new(binary);
        other.args(command.get_args()).env_clear().current_dir(stage.home.path());
        other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command = other;
    }
    Background::start(&mut command)
}

/// What it has in memory now, in MiB.
fn memory(watch: &Background) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", watch.0.id())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) >> 10
}

fn time(second: u64) -> String {
    let at = "2026-10-05T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    (at + chrono::TimeDelta::seconds(i64::try_from(second).unwrap())).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// The n-th message: one user after the other enrolls, loses the device by an administrator of its own and has it again; the rest
/// matters to nobody.
fn message(n: u64) -> String {
    let user = format!("user-{}", n / EVERY);
    let (id, name) = match n % EVERY {
        0 => (format!("on-{n}"), "EnableMFADevice"),
        1 => (format!("off-{n}"), "DeactivateMFADevice"),
        2 => (format!("again-{n}"), "EnableMFADevice"),
        _ => (format!("other-{n}"), "ListMFADevices"),
    };
    let mut record = record(&id, &time(n), name, &user);
    let admin = format!("admin-{}", n / EVERY);
    record["userIdentity"]["arn"] = format!("arn:aws:iam::111122223333:user/{admin}").into();
    record["userIdentity"]["principalId"] = format!("AIDA{}", admin.to_uppercase()).into();
    record["userIdentity"]["userName"] = admin.into();
    of_record(&record, usize::try_from(n % 12).unwrap())
}

/// The keys of both transitions of every user of the first messages.
fn transitions(messages: u64) -> impl Iterator<Item = (u64, String)> {
    let of =
        |user: u64| (1..=2).map(move |step| (user, format!("mfatrail:111122223333:off-{}/{step}", user * EVERY + 1)));
    (0..messages.div_ceil(EVERY)).flat_map(of)
}

/// What came to the channel, each with its time, and how much of it came twice.
#[derive(Default)]
struct Arrived {
    first: HashMap<String, Instant>,
    repeated: usize,
}

impl Arrived {
    fn note(&mut self, stage: &Stage) {
        stage.hook.with(|hook| {
            self.repeated += std::mem::take(&mut hook.repeated);
            for (key, _) in hook.done.drain(..) {
                let known = self.first.insert(key, Instant::now());
                self.repeated += usize::from(known.is_some());
            }
        });
    }
}

fn stage() -> Stage {
    let stage = Stage::new("");
    stage.sqs.with(|sqs| sqs.deleted = None);
    stage.sqs.forget_requests();
    stage.hook.forget_requests();
    stage
}

/// Nothing of the first messages is missing, and nothing came twice.
fn hold(stage: &Stage, arrived: &Arrived, messages: u64) {
    let missing: Vec<String> =
        transitions(messages).map(|(_, key)| key).filter(|key| !arrived.first.contains_key(key)).collect();
    assert!(missing.is_empty(), "{} are missing, such as {:?}", missing.len(), missing.first());
    assert_eq!((arrived.repeated, arrived.first.len()), (0, transitions(messages).count()));
    assert_eq!(stage.sqs.with(|sqs| (sqs.left(), sqs.deletions)), (0, messages));
}

/// Memory by the part of the work that was done, in MiB: the second half needs no more than the first.
fn is_flat(sizes: &[u64]) {
    let (first, second) = sizes.split_at(sizes.len() / 2);
    let most = |sizes: &[u64]| sizes.iter().max().copied().unwrap_or(0);
    assert!(most(first) > 0 && most(second) <= most(first) + SLACK, "{sizes:?}");
}

/// Sends so many messages a second for so long; how long each alert took, from its message to the channel, and memory by the
/// part that was worked off.
#[expect(clippy::print_stdout, reason = "figures, for whoever asked for them")]
fn at_a_rate(rate: u64, seconds: u64) -> (Vec<Duration>, Vec<u64>) {
    let stage = stage();
    let watch = start(&stage);
    let (begun, all) = (Instant::now(), rate * seconds);
    let (mut sent, mut arrived, mut sizes) = (HashMap::new(), Arrived::default(), Vec::new());
    // By each sixtieth that is worked off: how long the process takes to start is no part of it.
    let measure = |sizes: &mut Vec<u64>| {
        if stage.sqs.with(|sqs| sqs.deletions) * 60 / all > sizes.len() as u64 {
            sizes.push(memory(&watch));
        }
    };
    let mut n = 0;
    while n < all
        || (arrived.first.len() < transitions(all).count() && begun.elapsed() < Duration::from_secs(seconds) + HANG)
    {
        let due = u64::try_from(begun.elapsed().as_millis()).unwrap() * rate / 1000;
        while n < due.min(all) {
            sent.insert(n, Instant::now());
            stage.sqs.with(|sqs| sqs.send(message(n)));
            n += 1;
        }
        arrived.note(&stage);
        measure(&mut sizes);
        std::thread::sleep(Duration::from_millis(10));
    }
    let begun = Instant::now();
    while stage.sqs.with(|sqs| sqs.left()) > 0 && begun.elapsed() < HANG {
        measure(&mut sizes);
        std::thread::sleep(Duration::from_millis(50));
    }
    arrived.note(&stage);
    hold(&stage, &arrived, all);
    // What was worked off faster than somebody looked.
    sizes.resize(60, memory(&watch));
    // An opening by its own message, its end by the next.
    let lag = |(user, key): (u64, String)| {
        let cause = user * EVERY + if key.ends_with("/1") { 1 } else { 2 };
        arrived.first[&key].duration_since(sent[&cause])
    };
    let mut lags: Vec<Duration> = transitions(all).map(lag).collect();
    lags.sort();
    // What a process has at its very start is no measure.
    let sizes = sizes.split_off(sizes.len() / 10);
    let at = |percent: usize| lags[(lags.len() - 1) * percent / 100];
    println!(
        "{all} messages at {rate}/s, {} alerts: p50 {:?}, p90 {:?}, p99 {:?}, longest {:?}; MiB {sizes:?}",
        lags.len(),
        at(50),
        at(90),
        at(99),
        at(100)
    );
    (lags, sizes)
}

#[test]
fn two_thousand_messages_are_told_once_by_flat_memory() {
    let (lags, sizes) = at_a_rate(100, 20);
    assert_eq!(lags.len(), 80);
    is_flat(&sizes);
}

/// Two hundred a second for five minutes.
#[test]
#[ignore = "takes minutes"]
fn many_messages_a_second_are_told_within_two_seconds() {
    let (lags, sizes) = at_a_rate(number("MFATRAIL_RATE", 200), number("MFATRAIL_SECONDS", 300));
    is_flat(&sizes);
    let late = lags[(lags.len() - 1) * 99 / 100];
    assert!(late < Duration::from_secs(2), "99 of 100 within {late:?}");
}

/// Works off so many messages that wait; each is made when it is received.
#[expect(clippy::print_stdout, reason = "figures, for whoever asked for them")]
fn backlog(messages: u64, patience: Duration) {
    let stage = stage();
    stage.sqs.with(|sqs| sqs.owe(messages, message));
    let watch = start(&stage);
    let (begun, mut arrived) = (Instant::now(), Arrived::default());
    // By each fortieth that is worked off.
    let (mut sizes, mut marks) = (Vec::new(), Vec::new());
    let told = transitions(messages).count();
    loop {
        arrived.note(&stage);
        let done = stage.sqs.with(|sqs| sqs.deletions);
        if done * 40 / messages > sizes.len() as u64 {
            sizes.push(memory(&watch));
            marks.push((begun.elapsed().as_secs(), done, memory(&watch)));
        }
        if done == messages && arrived.first.len() == told {
            break;
        }
        assert!(begun.elapsed() < patience, "{done} of {messages}, {} of {told} told: {marks:?}", arrived.first.len());
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("{messages} messages in {:?}; seconds, messages, MiB: {marks:?}", begun.elapsed());
    hold(&stage, &arrived, messages);
    // What was worked off faster than somebody looked.
    sizes.resize(40, memory(&watch));
    is_flat(&sizes);
}

#[test]
fn a_short_backlog_is_worked_off_by_flat_memory() {
    backlog(6000, HANG * 2);
}

#[test]
#[ignore = "takes long"]
fn a_million_messages_are_worked_off_by_flat_memory() {
    backlog(number("MFATRAIL_BACKLOG", 1_000_000), Duration::from_secs(number("MFATRAIL_SECONDS", 7200)));
}

/// SIGTERM while messages come, one channel takes its time and another says nothing at all for a minute: it ends when its nine seconds are
/// over at the latest, not with the channel's patience, and whoever follows tells what is left, marked where it may have arrived.
#[test]
fn it_ends_in_time_under_load() {
    for (patience, fault) in [("2s", Fault::Silence(true)), ("60s", Fault::Stall)] {
        let stage = Stage::new("");
        let config = fs::read_to_string(stage.home.path().join("watch.toml")).unwrap();
        assert!(config.contains("timeout = \"30s\""));
        fs::write(stage.home.path().join("watch.toml"), config.replace("30s", patience)).unwrap();
        let messages = 3000;
        stage.sqs.with(|sqs| sqs.owe(messages, message));
        // The first few are taken; then nobody answers.
        stage.hook.script([Fault::Pass, Fault::Pass, fault.clone(), fault]);
        let child = stage.command(&WATCH).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let begun = Instant::now();
        while stage.hook.requests().len() < 3 {
            assert!(begun.elapsed() < HANG);
            std::thread::sleep(Duration::from_millis(10));
        }
        let begun = Instant::now();
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        let ran = end(child);
        let took = begun.elapsed();
        assert!(
            took < Duration::from_secs(30) && [0, 143].contains(&ran.status),
            "{took:?}, {}: {}",
            ran.status,
            ran.stderr
        );
        let done = (0..100).any(|_| {
            // What it had in hand.
            stage.sqs.with(|sqs| sqs.show());
            let ran = stage.once();
            std::thread::sleep(Duration::from_millis(200));
            ran.stderr.contains(" 0 not delivered") && stage.sqs.with(|sqs| sqs.left()) == 0
        });
        assert!(done);
        let told = stage.told();
        for (_, key) in transitions(messages) {
            let (incident, _) = key.rsplit_once('/').unwrap();
            assert_eq!(told[incident], ["opened", "resolved"], "{incident}");
        }
        super::kills::repetitions_are_marked(&stage.hook.requests(), |request| {
            request.header("idempotency-key").to_owned()
        });
    }
}
