//! The binary with a queue: what its channel is told in the end is what a report says, in whatever order, form and number messages come.

mod faults;
mod kills;
mod load;
mod online;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use mfatrail::incident::State;
use mfatrail::incident::ledger::Ledger;
use mfatrail::incident::ledger::view::Filter;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::standin::sqs::{BUCKET, QUEUE, Sqs, form};
use crate::standin::{StandIn, webhook::Webhook};
use crate::support::run::{Ran, json as report_json, mfatrail, root};

const SECRET: &str = "a-secret-that-nobody-is-shown";

/// Numbers by chance that are the same in every run.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap()
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }
}

/// A queue with its bucket, a receiver of webhooks, and a home with a configuration of them.
pub struct Stage {
    pub sqs: StandIn<Sqs>,
    pub hook: StandIn<Webhook>,
    pub home: tempfile::TempDir,
}

impl Stage {
    pub fn new(settings: &str) -> Self {
        let stage = Self {
            sqs: StandIn::start(Sqs::new()),
            hook: StandIn::start(Webhook::new(SECRET)),
            home: tempfile::tempdir().unwrap(),
        };
        stage.configure(&format!("[[input]]\nkind = \"sqs\"\nurl = \"{}{QUEUE}\"\n{settings}\n", stage.sqs.url));
        stage
    }

    pub fn configure(&self, inputs: &str) {
        let hook = &self.hook.url;
        let text = format!(
            "{inputs}\n[[channel]]\nname = \"soc\"\nkind = \"webhook\"\nurl = \"{hook}/\"\nsecret = \"env:SOC_SECRET\"\ntimeout = \"30s\"\n"
        );
        fs::write(self.home.path().join("watch.toml"), text).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        command(self.home.path(), &self.sqs.url, arguments)
    }

    pub fn once(&self) -> Ran {
        self.command(&[&WATCH[..], &["--once"]].concat()).output().unwrap().into()
    }

    pub fn store(&self) -> PathBuf {
        self.home.path().join("store")
    }

    /// What was told, by key: the transitions in order.
    pub fn told(&self) -> BTreeMap<String, Vec<String>> {
        let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (_, body) in self.hook.with(|hook| hook.done.clone()) {
            let key = body["key"].as_str().unwrap().to_owned();
            told.entry(key).or_default().push(body["transition"].as_str().unwrap().to_owned());
        }
        told
    }

    /// The ledger and what the channel was told are what a report over the store says, and each window was opened and resolved once.
    pub fn equals_the_report(&self) -> usize {
        self.compare(&|transitions, over| {
            let count = |name: &str| transitions.iter().filter(|one| *one == name).count();
            (count("opened"), count("resolved")) == (1, usize::from(over))
        })
    }

    /// The same where the watch looks while messages come in any order: what closes a window may come before what opens it again, so
    /// one may be opened again after it was resolved; in the end it was told as it is.
    pub fn ends_as_the_report(&self) -> usize {
        self.compare(&|transitions, over| {
            let mut turns = transitions.iter().filter(|one| matches!(one.as_str(), "opened" | "resolved"));
            let alternate = turns.clone().zip(["opened", "resolved"].iter().cycle()).all(|(turn, due)| turn == due);
            alternate && turns.next_back().is_some_and(|last| (last == "resolved") == over)
        })
    }

    fn compare(&self, is_told: &dyn Fn(&[String], bool) -> bool) -> usize {
        let (windows, told) = (windows(self.home.path(), &self.sqs.url), self.told());
        let mut entries = BTreeMap::new();
        let ledger = Ledger::read(&self.store()).unwrap().unwrap();
        ledger
            .incidents(&Filter::default(), &mut |one| {
                entries.insert(one.entry.key.clone(), one.entry);
                Ok(())
            })
            .unwrap();
        let windows_of = |key: &String| windows.get(key);
        for (key, over) in &windows {
            let entry = entries.get(key).unwrap_or_else(|| panic!("{key} is not in the ledger: {:?}", entries.keys()));
            assert_eq!(entry.state == State::Resolved, *over, "{key}: {entry:?}");
            let Some(transitions) = told.get(key) else {
                // It is told as a member of its burst.
                let burst =
                    entry.incident.part_of.as_ref().unwrap_or_else(|| panic!("nobody was told of {key}: {entry:?}"));
                assert!(told.contains_key(burst), "{key}: {burst}");
                continue;
            };
            assert!(is_told(transitions, *over), "{key}: {transitions:?}");
        }
        for (key, entry) in &entries {
            let is_window = entry.incident.kind == mfatrail::incident::Kind::Window;
            let over = entry.state == State::Withdrawn;
            let removed = entry.incident.window.as_ref().is_some_and(|window| window["kind"] == "removed");
            let early =
                entry.incident.opened_at < "2026-10-01T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap();
            assert!(
                !is_window || !removed || over || early || windows_of(key).is_some(),
                "{key} is no window of the report: {entry:?}"
            );
        }
        windows.len()
    }
}

pub const WATCH: [&str; 7] = ["watch", "--config", "watch.toml", "--store", "store", "--from", "2026-10-01"];

pub fn command(home: &Path, s3: &str, arguments: &[&str]) -> Command {
    let mut command = mfatrail();
    command.current_dir(home).env("SOC_SECRET", SECRET).env("AWS_ENDPOINT_URL_S3", s3).args(arguments);
    command.env("AWS_ACCESS_KEY_ID", "testing").env("AWS_SECRET_ACCESS_KEY", "testing").env("AWS_REGION", "us-east-1");
    command
}

/// The windows of a report over the store that an event opened: by key, whether they are over.
fn windows(home: &Path, s3: &str) -> BTreeMap<String, bool> {
    let arguments = [
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
    let _ = fs::remove_dir_all(home.join("out"));
    let ran: Ran = command(home, s3, &arguments).output().unwrap().into();
    assert!(ran.status == 0 || ran.status == 3, "{}", ran.stderr);
    let report = report_json(&home.join("out"));
    let from = "2026-10-01T00:00:00Z";
    let windows = report["windows"].as_array().unwrap().iter();
    let windows = windows
        .filter(|window| window["kind"] == "removed" && window["opened_at"].as_str().is_some_and(|at| at >= from));
    windows
        .map(|window| {
            let id = window["opened_by_event"].as_str().unwrap();
            (format!("mfatrail:{}:{id}", window["account"].as_str().unwrap()), !window["close_reason"].is_null())
        })
        .collect()
}

/// A message about an object, in one of the envelopes.
pub fn about(key: &str, form_of: usize) -> String {
    let s3 = json!({"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": BUCKET}, "object": {"key": form(key), "size": 1, "eTag": "x", "sequencer": "0A"}}}]});
    let bridge = json!({"version": "0", "id": "1", "detail-type": "Object Created", "source": "aws.s3", "account": "111122223333",
        "time": "2026-10-05T08:00:00Z", "region": "us-east-1", "resources": [],
        "detail": {"version": "0", "bucket": {"name": BUCKET}, "object": {"key": key, "size": 1}, "reason": "PutObject"}});
    let trail = json!({"s3Bucket": BUCKET, "s3ObjectKey": [key]});
    let body = match form_of % 3 {
        0 => s3,
        1 => bridge,
        _ => trail,
    };
    sns(&body.to_string(), form_of / 3 % 3)
}

/// A record by EventBridge, or bare.
pub fn of_record(record: &Value, form_of: usize) -> String {
    let kind = match record["eventName"].as_str() {
        Some("ConsoleLogin") => "AWS Console Sign In via CloudTrail",
        _ => "AWS API Call via CloudTrail",
    };
    let envelope = json!({"version": "0", "id": "1", "detail-type": kind, "source": "aws.iam", "account": "111122223333",
        "time": record["eventTime"], "region": "us-east-1", "resources": [], "detail": record});
    let body = if form_of % 4 == 3 { record.to_string() } else { envelope.to_string() };
    sns(&body, form_of / 4 % 3)
}

fn sns(body: &str, depth: usize) -> String {
    (0..depth).fold(body.to_owned(), |body, _| {
        json!({"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:us-east-1:111122223333:t", "Message": body}).to_string()
    })
}

/// The fixtures' archive, inflated: by key.
pub fn fixtures() -> BTreeMap<String, String> {
    fn walk(folder: &Path, root: &Path, into: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, into);
            } else {
                let key = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                let mut text = String::new();
                flate2::read::MultiGzDecoder::new(fs::File::open(&path).unwrap()).read_to_string(&mut text).unwrap();
                into.insert(key, text);
            }
        }
    }
    let (mut objects, archive) = (BTreeMap::new(), root().join("fixtures/archive"));
    walk(&archive, &archive, &mut objects);
    objects
}

/// Which records EventBridge would deliver: changes, and sign-ins.
pub fn is_delivered(record: &Value) -> bool {
    let changes = record["readOnly"] != true && record["eventSource"] == "iam.amazonaws.com";
    changes || record["eventSource"] == "signin.amazonaws.com"
}

#[test]
fn the_month_by_messages_is_the_report() {
    let stage = Stage::new("");
    let mut chance = Chance::new(18);
    let mut messages = Vec::new();
    for (number, (key, text)) in fixtures().into_iter().enumerate() {
        let records: Value = serde_json::from_str(&text).unwrap_or_default();
        for record in records["Records"].as_array().into_iter().flatten().filter(|record| is_delivered(record)) {
            // Half of them come both ways.
            if chance.below(2) == 0 {
                messages.push(of_record(record, chance.below(12)));
            }
        }
        messages.push(about(&key, number));
        messages.push(about(&key, chance.below(9)));
        stage.sqs.with(|sqs| sqs.put(&key, text));
    }
    messages.push(json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}).to_string());
    chance.shuffle(&mut messages);
    let count = messages.len();
    stage.sqs.with(|sqs| {
        sqs.undeleted = 7;
        messages.into_iter().for_each(|body| sqs.send(body));
    });
    let ran = stage.once();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(stage.equals_the_report() > 5);
    stage.sqs.with(|sqs| assert_eq!((sqs.left(), sqs.deletions, sqs.dead.len()), (0, count as u64, 0)));
    // What comes by itself is for the owner alone.
    let records = stage.store().join("watch/records");
    let folder = fs::read_dir(&records).unwrap().next().unwrap().unwrap().path();
    for file in fs::read_dir(folder).unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    // It comes once more, to another process: nobody is told again.
    let told = stage.told();
    let again: Vec<String> = fixtures().keys().map(|key| about(key, 4)).collect();
    stage.sqs.with(|sqs| again.into_iter().for_each(|body| sqs.send(body)));
    let ran = stage.once();
    assert!(ran.status == 0 && ran.stderr.contains("0 transitions"), "{}", ran.stderr);
    assert_eq!(stage.told(), told);
}

/// One record about a user's device.
pub fn record(id: &str, time: &str, name: &str, user: &str) -> Value {
    json!({"eventVersion": "1.11", "eventTime": time, "eventSource": "iam.amazonaws.com", "eventName": name,
        "awsRegion": "us-east-1", "eventID": id, "recipientAccountId": "111122223333", "sourceIPAddress": "192.0.2.7",
        "userAgent": "aws-cli/2.15.0", "readOnly": false, "managementEvent": true, "eventType": "AwsApiCall",
        "userIdentity": {"type": "IAMUser", "userName": "carol", "principalId": "AIDACAROL", "accountId": "111122223333",
            "arn": "arn:aws:iam::111122223333:user/carol", "accessKeyId": "AKIACAROL"},
        "requestParameters": {"userName": user, "serialNumber": format!("arn:aws:iam::111122223333:mfa/{user}")}})
}

pub fn object(records: &[Value]) -> String {
    json!({"Records": records}).to_string()
}

/// A key of the layout.
pub fn key(number: usize) -> String {
    format!(
        "AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/05/111122223333_CloudTrail_us-east-1_20261005T1000Z_{number:016}.json"
    )
}

const ACTS: [&str; 5] =
    ["EnableMFADevice", "DeactivateMFADevice", "DeleteVirtualMFADevice", "CreateVirtualMFADevice", "ResyncMFADevice"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("MFATRAIL_QUEUE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
    ))]
    /// Users who enroll, lose and delete devices; records by object or by themselves, once or more, now or with a later run.
    #[test]
    fn generated_histories_end_as_the_report_says(
        acts in prop::collection::vec((0..3_usize, 0..ACTS.len()), 1..24),
        seed in 0..u64::MAX,
    ) {
        let stage = Stage::new("");
        let mut chance = Chance::new(seed);
        let mut runs = vec![Vec::new(), Vec::new()];
        for (number, (user, act)) in acts.iter().enumerate() {
            let time = format!("2026-10-05T{:02}:{:02}:00Z", 8 + number / 6, number % 6 * 10);
            let record = record(&format!("e-{number}"), &time, ACTS[*act], &format!("user-{user}"));
            let how = chance.below(3);
            if how != 1 {
                let key = key(number);
                stage.sqs.with(|sqs| sqs.put(&key, object(std::slice::from_ref(&record))));
                for _ in 0..=chance.below(2) {
                    runs[chance.below(2)].push(about(&key, chance.below(9)));
                }
            }
            if how != 0 {
                runs[chance.below(2)].push(of_record(&record, chance.below(12)));
            }
        }
        for mut messages in runs {
            chance.shuffle(&mut messages);
            stage.sqs.with(|sqs| messages.into_iter().for_each(|body| sqs.send(body)));
            let ran = stage.once();
            prop_assert_eq!(ran.status, 0, "{}", ran.stderr);
        }
        let told = stage.told();
        // Whoever was told of an opening that was none was told that, too; so what counts is what stands in the end.
        let standing: BTreeSet<&String> = told.iter().filter(|(_, steps)| steps.last().is_some_and(|step| step != "withdrawn")).map(|(key, _)| key).collect();
        let windows = windows(stage.home.path(), &stage.sqs.url);
        for (key, over) in &windows {
            if let Some(steps) = told.get(key) {
                prop_assert!(standing.contains(key), "{}: {:?}", key, steps);
                prop_assert_eq!(steps.iter().filter(|step| *step == "opened").count(), 1, "{}: {:?}", key, steps);
                prop_assert_eq!(steps.iter().rposition(|step| step == "resolved").is_some(), *over, "{}: {:?}", key, steps);
            }
        }
        prop_assert_eq!(stage.sqs.with(|sqs| sqs.left()), 0);
    }
}
