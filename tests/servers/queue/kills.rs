//! A watch that is killed anywhere, with messages that still come and channels that fail: nothing is lost, nothing is told twice
//! unsaid, and no message is deleted that is not in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mfatrail::store::Store;
use serde_json::Value;

use super::{Chance, Stage, WATCH, about, fixtures, is_delivered, of_record};
use crate::standin::slack::Slack;
use crate::standin::{Answer, Fault, Request, StandIn};

const HOOK: &str = "/services/T0123/B0123/hunter2hunter2hunter2hunter2hunt";

/// A message, and what it is about: the key of an object, or the id of an event.
type Sent = (String, About);

#[derive(Debug, Clone)]
enum About {
    Object(String),
    Event(String),
}

/// The month in messages, in a random order; the objects that they name are in the bucket.
fn month(stage: &Stage, chance: &mut Chance) -> Vec<Sent> {
    let mut messages = Vec::new();
    for (number, (key, text)) in fixtures().into_iter().enumerate() {
        let records: Value = serde_json::from_str(&text).unwrap_or_default();
        for record in records["Records"].as_array().into_iter().flatten().filter(|record| is_delivered(record)) {
            if chance.below(4) == 0 {
                let id = record["eventID"].as_str().unwrap_or_default().to_owned();
                messages.push((of_record(record, chance.below(12)), About::Event(id)));
            }
        }
        messages.push((about(&key, number), About::Object(key.clone())));
        stage.sqs.with(|sqs| sqs.put(&key, text));
    }
    chance.shuffle(&mut messages);
    messages
}

/// What goes wrong with the next requests of a channel.
fn faults(chance: &mut Chance) -> Vec<Fault> {
    let fault = |chance: &mut Chance| match chance.below(6) {
        0 => Fault::Refuse(Answer { status: 503, headers: vec![("Retry-After", "0".to_owned())], body: String::new() }),
        1 => Fault::Reset(true),
        2 => Fault::Reset(false),
        3 => Fault::Half,
        _ => Fault::Pass,
    };
    (0..8).map(|_| fault(chance)).collect()
}

/// Sends messages until it is told to end or has none left, with pauses by chance.
fn feed(stage: &Stage, messages: &[Sent], ends: &AtomicBool, pause: Duration) -> usize {
    let mut chance = Chance::new(7);
    for (number, (body, _)) in messages.iter().enumerate() {
        if ends.load(Ordering::Relaxed) {
            return number;
        }
        stage.sqs.with(|sqs| sqs.send(body.clone()));
        std::thread::sleep(pause * u32::try_from(chance.below(200)).unwrap() / 100);
    }
    messages.len()
}

/// The ids of events that came by themselves and are in the store, and the ends of the locations of objects that are.
fn stored(home: &Path) -> Option<(BTreeSet<String>, BTreeSet<String>)> {
    let store = Store::open(home).ok()?;
    let mut locations = BTreeSet::new();
    store
        .objects(None, &mut |row| {
            locations.insert(row.location);
        })
        .unwrap();
    let mut events = BTreeSet::new();
    for location in locations.iter().filter(|location| location.contains("watch/records/")) {
        let path = location.strip_prefix("file://").unwrap_or(location);
        let document: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let ids = document["Records"].as_array().unwrap().iter().filter_map(|one| one["eventID"].as_str());
        events.extend(ids.map(str::to_owned));
    }
    Some((events, locations))
}

/// What was deleted is in the store.
fn nothing_is_deleted_too_soon(stage: &Stage, messages: &[Sent]) {
    let deleted = stage.sqs.with(|sqs| sqs.deleted.clone()).unwrap();
    let Some((events, locations)) = stored(&stage.store()) else {
        assert!(deleted.is_empty(), "there is no store, and {} messages were deleted", deleted.len());
        return;
    };
    let what: BTreeMap<&str, &About> = messages.iter().map(|(body, about)| (body.as_str(), about)).collect();
    for body in &deleted {
        match what[body.as_str()] {
            // Nothing is kept of other products' files.
            About::Object(key) if key.contains("Digest") || key.contains("Config") => {}
            About::Object(key) => {
                assert!(
                    locations.iter().any(|location| location.ends_with(key.as_str())),
                    "{key} was deleted too soon"
                );
            }
            About::Event(id) => assert!(events.contains(id), "{id} was deleted too soon"),
        }
    }
}

/// Each request that comes after one that was done says that it may be a repetition: of those of one transition, told apart by
/// `identity`. How many were done again.
pub(super) fn repetitions_are_marked(requests: &[Request], identity: impl Fn(&Request) -> String) -> usize {
    let (mut done, mut repeated) = (BTreeSet::new(), 0);
    for request in requests {
        let own = identity(request);
        let text = String::from_utf8_lossy(&request.body);
        let is_marked = text.contains("\"repetition\":true") || text.contains("Possible repetition");
        if done.contains(&own) {
            assert!(is_marked, "this comes again and does not say so: {text}");
            repeated += usize::from(request.done);
        }
        if request.done {
            done.insert(own);
        }
    }
    repeated
}

/// Which transition a message in Slack tells: the incident, and the message's number, from its facts. Its text does not do: an
/// exposure that is opened again, for the second time, is told in the same words.
fn of_slack(request: &Request) -> String {
    let blocks = request.json().unwrap()["blocks"].to_string();
    let fact = |label: &str| {
        let from = blocks.split_once(label).unwrap_or_else(|| panic!("{label} is missing in {blocks}")).1;
        let value = from.split_once("\"text\":\"").unwrap().1;
        value.split_once("\\n").unwrap().0.to_owned()
    };
    format!("{}/{}", fact("Incident: "), fact("Message: ").split(' ').next().unwrap())
}

#[expect(clippy::print_stdout, reason = "figures, for whoever asked for them")]
fn kills(kills: usize) {
    let stage = Stage::new("");
    let slack = StandIn::start(Slack::new(HOOK, "token"));
    let hook = stage.home.path().join("slack");
    fs::write(&hook, format!("{}{HOOK}\n", slack.url)).unwrap();
    let mut config = fs::read_to_string(stage.home.path().join("watch.toml")).unwrap();
    config.push_str(&format!(
        "\n[[channel]]\nname = \"chat\"\nkind = \"slack\"\ntimeout = \"30s\"\nwebhook = \"file:{}\"\n",
        hook.display()
    ));
    fs::write(stage.home.path().join("watch.toml"), config).unwrap();
    let mut chance = Chance::new(99);
    let messages = month(&stage, &mut chance);
    stage.sqs.with(|sqs| sqs.redrive = None);
    // They come all the while, so that every process meets some, and the last ones find nobody.
    let pause = Duration::from_millis(1500) * u32::try_from(kills).unwrap() / u32::try_from(messages.len()).unwrap();
    let ends = AtomicBool::new(false);
    let fed = std::thread::scope(|scope| {
        let feeder = scope.spawn(|| feed(&stage, &messages, &ends, pause));
        for _ in 0..kills {
            stage.hook.script(faults(&mut chance));
            slack.script(faults(&mut chance));
            let mut child = stage.command(&WATCH).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(200 + chance.below(2500) as u64));
            let _ = child.kill();
            child.wait().unwrap();
            // What it sent last must not be taken for something that comes after what the next one sends.
            stage.hook.settle();
            slack.settle();
            // What it had in hand comes back, by no clock.
            stage.sqs.with(|sqs| sqs.show());
            nothing_is_deleted_too_soon(&stage, &messages);
        }
        ends.store(true, Ordering::Relaxed);
        feeder.join().unwrap()
    });
    messages[fed..].iter().for_each(|(body, _)| stage.sqs.with(|sqs| sqs.send(body.clone())));
    let mut said = String::new();
    // What failed often waits for a quarter of an hour, at most.
    let until = Instant::now() + Duration::from_mins(20);
    let done = std::iter::repeat_with(Instant::now).take_while(|now| *now < until).any(|_| {
        std::thread::sleep(Duration::from_millis(300));
        stage.sqs.with(|sqs| sqs.show());
        let ran = stage.once();
        assert!(ran.status == 0 || ran.status == 3, "{}", ran.stderr);
        said = ran.stderr;
        said.contains(" 0 not delivered") && stage.sqs.with(|sqs| sqs.left()) == 0
    });
    assert!(done, "{said}");
    nothing_is_deleted_too_soon(&stage, &messages);
    assert!(stage.ends_as_the_report() > 5);
    // The receiver of webhooks did each transition once; each is in the other channel, too.
    let mut taken = BTreeSet::new();
    for (key, body) in stage.hook.with(|hook| hook.done.clone()) {
        assert!(taken.insert(key), "{body}");
    }
    let written: Vec<String> = slack.requests().iter().filter(|request| request.done).map(of_slack).collect();
    assert_eq!(written.len(), slack.with(|slack| slack.messages.len()));
    let different: BTreeSet<String> = written.iter().cloned().collect();
    assert_eq!(different, taken, "every transition is in both channels, and nothing else");
    let again = repetitions_are_marked(&stage.hook.requests(), |request| request.header("idempotency-key").to_owned());
    let twice = repetitions_are_marked(&slack.requests(), of_slack);
    assert_eq!(written.len() - different.len(), twice, "what is twice in the chat was sent again");
    println!(
        "{kills} kills, {} messages, {fed} of them meanwhile: {} transitions; webhook: {} requests, {again} done again, marked; Slack: \
         {} requests, {twice} done again, marked",
        messages.len(),
        taken.len(),
        stage.hook.requests().len(),
        slack.requests().len(),
    );
}

#[test]
fn kills_at_any_moment_lose_nothing() {
    kills(6);
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_kills_lose_nothing() {
    kills(std::env::var("MFATRAIL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(100));
}
