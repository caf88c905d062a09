//! A store in a bucket: it answers as one in a folder does, many write it side by side, and what goes wrong with S3 is named.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mfatrail::store::Place;
use serde_json::{Value, json};

use super::shards::{answers_by, assert_same};
use super::store::Home;
use crate::support::run::{OCTOBER, Ran, end, root};
use crate::support::s3::{Faults, S3};
use crate::support::store::{copy, files, gzip};

const STORE: &str = "s3://evidence-bucket/team/evidence";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Numbers that look random and are the same for every run: `splitmix64`.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// An archive in a folder, and a store in a bucket.
struct Bucket {
    home: Home,
    s3: S3,
}

impl Bucket {
    fn of(home: Home) -> Self {
        Self { home, s3: S3::start() }
    }

    fn fixtures() -> Self {
        let home = Home::new();
        copy(&root().join("fixtures/archive"), &home.archive(), &|_| true);
        Self::of(home)
    }

    fn cache(&self) -> PathBuf {
        self.home.0.path().join("cache")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(arguments);
        command
            .env("MFATRAIL_STORE", STORE)
            .env("MFATRAIL_STORE_CACHE", self.cache())
            .env("AWS_ENDPOINT_URL_S3", &self.s3.url)
            .env("AWS_ACCESS_KEY_ID", "testing")
            .env("AWS_SECRET_ACCESS_KEY", "testing");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        end(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn scan(&self, more: &[&str]) -> Ran {
        let archive = self.home.archive();
        self.run(&[&["scan", archive.to_str().unwrap()], more].concat())
    }

    fn answers(&self) -> Vec<(i32, String)> {
        answers_by(&|arguments| self.run(arguments))
    }

    fn folder_answers(&self) -> Vec<(i32, String)> {
        self.home.scan(&[]);
        answers_by(&|arguments| self.home.run(arguments))
    }

    fn report(&self, name: &str) -> Ran {
        let out = self.home.0.path().join(name);
        self.run(&["report", "--month", "2026-10", "--out", out.to_str().unwrap()])
    }

    /// The keys of the data files.
    fn data(&self) -> Vec<String> {
        self.s3.keys().into_iter().filter(|key| key.ends_with(".parquet")).collect()
    }
}

#[test]
fn a_store_in_a_bucket_answers_as_one_in_a_folder() {
    let bucket = Bucket::of(Home::odd());
    let want = bucket.folder_answers();
    let ran = bucket.scan(&["--commit-every", "7"]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains(STORE), "{}", ran.stderr);
    assert_same(&bucket.answers(), &want, "after a scan");
    // Again: nothing is read, nothing changes. With so many commits some are checkpoints, and small files were made one.
    let ran = bucket.scan(&["--format", "json"]);
    let scan: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(scan["objects_read"], 0, "{}", ran.stderr);
    assert_same(&bucket.answers(), &want, "after another");
    // What is in the bucket is what the log lists, and the log; nothing else.
    let check: Value = serde_json::from_str(&bucket.run(&["store", "check", "--format", "json"]).stdout).unwrap();
    assert_eq!(check["files"].as_u64(), Some(bucket.data().len() as u64));
    let strange = |key: &String| !key.starts_with("team/evidence/");
    assert_eq!(bucket.s3.keys().iter().find(|key| strange(key)), None);
    // A file that changed is read again, and named.
    let path = bucket.home.archive().join("elsewhere/exported.json");
    let text = fs::read_to_string(&path).unwrap().replace("outside-1", "outside-2");
    fs::write(&path, text).unwrap();
    let ran = bucket.scan(&[]);
    assert!(ran.stderr.contains("1 object was overwritten in the archive"), "{}", ran.stderr);
    bucket.home.scan(&[]);
    let want = answers_by(&|arguments| bucket.home.run(arguments));
    assert_same(&bucket.answers(), &want, "after a change");
}

#[test]
fn many_writers_of_shards_make_one_store() {
    let bucket = Bucket::of(Home::odd());
    let want = bucket.folder_answers();
    // One answer in seven to a conditional write is lost: whoever wrote is told that somebody did.
    bucket.s3.set(Faults { lost_answers: Some(7), ..Faults::default() });
    let mut random = Noise(20_261_127);
    let archive = bucket.home.archive();
    let begin = |number: u32| {
        let shard = format!("{number}/8");
        let arguments =
            ["scan", archive.to_str().unwrap(), "--shard", &shard, "--commit-every", "3", "--s3-timeout", "60s"];
        bucket.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for killed in [true, false] {
        // Twice the second and the fifth, at the same time.
        let shards = [1, 2, 3, 4, 5, 6, 7, 8, 2, 5];
        let writers: Vec<_> = shards.iter().map(|number| (*number, begin(*number))).collect();
        for (number, mut writer) in writers {
            if killed {
                std::thread::sleep(Duration::from_millis(random.next() % 700));
                writer.kill().unwrap();
                writer.wait().unwrap();
                continue;
            }
            let ran = end(writer);
            assert!([0, 3].contains(&ran.status), "shard {number}: {}: {}", ran.status, ran.stderr);
        }
    }
    assert_same(&bucket.answers(), &want, "after all shards");
    let ran = bucket.scan(&["--format", "json"]);
    let scan: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&scan["objects_read"], &scan["events"]), (&0.into(), &0.into()), "{}", ran.stderr);
    // What the killed ones left is removed by a repair, when it is older than any writer; not before, and by nobody else.
    let left = || bucket.data().len() as u64;
    let named = || -> u64 {
        let check: Value = serde_json::from_str(&bucket.run(&["store", "check", "--format", "json"]).stdout).unwrap();
        assert_eq!(check["sound"], true, "{check:#}");
        check["files"].as_u64().unwrap()
    };
    let before = (left(), named());
    assert_eq!(bucket.run(&["store", "check", "--repair"]).status, 0);
    assert_eq!((left(), named()), before, "they are young");
    assert_same(&bucket.answers(), &want, "after a repair");
}

#[test]
fn a_service_that_overwrites_is_refused() {
    let bucket = Bucket::fixtures();
    bucket.s3.set(Faults { unconditional: true, ..Faults::default() });
    for _again in 0..2 {
        let ran = bucket.scan(&[]);
        assert_eq!(ran.status, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("does not refuse to overwrite"), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 2, "{}", ran.stderr);
    }
    assert_eq!(bucket.s3.keys(), ["team/evidence/store.json"]);
}

#[test]
fn what_others_left_is_removed_by_a_repair_when_it_is_old() {
    let bucket = Bucket::fixtures();
    assert_eq!(bucket.scan(&["--account", "444455556666"]).status, 0);
    let at = |name: &str| format!("team/evidence/events/year=2026/month=10/{name}.parquet");
    bucket.s3.put(&at("00000099-old"), b"left by a writer", 2 * DAY);
    bucket.s3.put(&at("00000099-young"), b"in hand", Duration::from_secs(60));
    let ran = bucket.run(&["store", "check"]);
    assert_eq!(ran.status, 0, "{}", ran.stdout);
    assert_eq!(bucket.report("before").status, 0);
    assert!(bucket.s3.get(&at("00000099-old")).is_some());
    let ran = bucket.run(&["store", "check", "--repair"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("removed 1 file that no commit lists"), "{}", ran.stderr);
    assert!(bucket.s3.get(&at("00000099-old")).is_none());
    assert!(bucket.s3.get(&at("00000099-young")).is_some());
    assert_eq!(bucket.run(&["store", "check"]).status, 0);
}

#[test]
fn what_strangers_did_to_a_bucket_is_named() {
    let bucket = Bucket::fixtures();
    assert_eq!(bucket.scan(&[]).status, 0);
    let events = bucket.data().into_iter().find(|key| key.contains("/events/")).unwrap();
    let sound = bucket.s3.get(&events).unwrap();
    let none = ["--store-cache", "none"];
    let mut other = sound.clone();
    other[100] ^= 1;
    for bytes in [&other[..], &sound[..sound.len() / 2], &[&sound[..], b"more"].concat()] {
        bucket.s3.put(&events, bytes, Duration::ZERO);
        let ran = bucket.run(&[&["history"][..], &none].concat());
        assert_eq!(ran.status, 4, "{}", ran.stderr);
        assert!(ran.stderr.contains("its content has changed since it was written"), "{}", ran.stderr);
        let ran = bucket.run(&[&["store", "check"][..], &none].concat());
        assert_eq!(ran.status, 3, "{}", ran.stderr);
        assert!(ran.stdout.contains("its content has changed since it was written"), "{}", ran.stdout);
    }
    bucket.s3.remove(&events);
    let ran = bucket.run(&[&["history"][..], &none].concat());
    assert!(ran.stderr.contains("the log lists it, but it is missing"), "{}", ran.stderr);
    bucket.s3.put(&events, &sound, Duration::ZERO);
    assert_eq!(bucket.run(&[&["store", "check"][..], &none].concat()).status, 0);
    // A log that leads out of the store, a commit that is missing, a store of a later version.
    let commit = |number: u64| format!("team/evidence/commits/{number:08}.json");
    let last = (1..).take_while(|number| bucket.s3.get(&commit(*number)).is_some()).last().unwrap();
    let text = json!({"schema": "mfatrail.store/4", "commit": last + 1, "add": [
        {"path": "../../secrets/key.parquet", "rows": 1, "bytes": 4, "sha256": "00"}], "remove": []});
    bucket.s3.put(&commit(last + 1), text.to_string().as_bytes(), Duration::ZERO);
    let ran = bucket.run(&["history"]);
    assert!(ran.stderr.contains("which is not a file of a store"), "{}", ran.stderr);
    bucket.s3.remove(&commit(last + 1));
    let first = bucket.s3.get(&commit(1)).unwrap();
    bucket.s3.remove(&commit(1));
    let ran = bucket.run(&["history"]);
    assert!(ran.stderr.contains("a commit is missing from the log"), "{}", ran.stderr);
    bucket.s3.put(&commit(1), &first, Duration::ZERO);
    bucket.s3.put("team/evidence/store.json", br#"{"schema":"mfatrail.store/99"}"#, Duration::ZERO);
    let ran = bucket.run(&["history"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("mfatrail.store/99"), "{}", ran.stderr);
}

#[test]
fn what_is_wrong_with_access_is_one_error() {
    let bucket = Bucket::fixtures();
    // No store, and something else.
    let ran = bucket.run(&["history"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("no evidence store in `{STORE}`")), "{}", ran.stderr);
    bucket.s3.put("team/evidence/notes/plan.txt", b"something else", Duration::ZERO);
    let ran = bucket.scan(&[]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("it contains `notes`"), "{}", ran.stderr);
    bucket.s3.remove("team/evidence/notes/plan.txt");
    assert_eq!(bucket.scan(&[]).status, 0);
    // Who may only read makes reports.
    bucket.s3.set(Faults { read_only: true, ..Faults::default() });
    let ran = bucket.report("readers");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("could not be recorded"), "{}", ran.stderr);
    let ran = bucket.scan(&[]);
    assert_eq!(ran.status, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("s3:PutObject"), "{}", ran.stderr);
    // A listing that hides what is there would have two commits of one number.
    bucket.s3.set(Faults { stale_listing: true, ..Faults::default() });
    let ran = bucket.scan(&[]);
    assert_eq!(ran.status, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("the listing lacks `commits/"), "{}", ran.stderr);
    bucket.s3.set(Faults::default());
    for (arguments, why) in [
        (&["watch", "--config", "examples/watch.toml"][..], "a watch keeps its ledger"),
        (&["history", "--store", "s3://"], "no bucket"),
        (&["history", "--store", "s3:evidence"], "two slashes"),
    ] {
        let ran = bucket.run(arguments);
        assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn copies_are_used_and_checked() {
    let bucket = Bucket::fixtures();
    assert_eq!(bucket.scan(&[]).status, 0);
    let fetched = |arguments: &[&str]| {
        let before = bucket.s3.traffic().0;
        let ran = bucket.run(arguments);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        (bucket.s3.traffic().0 - before, ran.stdout)
    };
    let (first, answer) = fetched(&["history", "--format", "json"]);
    let (second, again) = fetched(&["history", "--format", "json"]);
    assert_eq!(answer, again);
    let data: u64 = bucket.data().iter().map(|key| bucket.s3.get(key).unwrap().len() as u64).sum();
    assert!(first > 1000 && second < data / 10, "{first} then {second} of {data}");
    // Copies that somebody changed are fetched again.
    for copy in fs::read_dir(bucket.cache()).unwrap() {
        let path = copy.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let (third, again) = fetched(&["history", "--format", "json"]);
    assert_eq!(answer, again);
    assert!(third > second, "{third}");
    let (none, again) = fetched(&["history", "--format", "json", "--store-cache", "none"]);
    assert_eq!(answer, again);
    assert!(none > second, "{none}");
}

#[test]
fn only_the_columns_that_are_needed_are_fetched() {
    let bucket = Bucket::of(Home::new());
    let mut random = Noise(20_261_127);
    for object in 0..40 {
        let records: Vec<Value> = (0..50)
            .map(|number| {
                // What no compression makes smaller.
                let noise: String = (0..100).map(|_| format!("{:016x}", random.next())).collect();
                json!({
                    "eventVersion": "1.11", "eventTime": "2026-10-05T08:00:00Z", "eventSource": "iam.amazonaws.com",
                    "eventName": "EnableMFADevice", "awsRegion": "us-east-1", "eventID": format!("{object}-{number}"),
                    "recipientAccountId": "111122223333", "sourceIPAddress": "192.0.2.7",
                    "userIdentity": {"type": "IAMUser", "userName": "admin", "principalId": "AIDAEXAMPLE", "accountId": "111122223333"},
                    "requestParameters": {"userName": format!("user-{number}"), "serialNumber": format!("arn:aws:iam::111122223333:mfa/user-{number}"),
                        "note": noise},
                })
            })
            .collect();
        bucket.home.put(&format!("{object}.json.gz"), &gzip(json!({"Records": records}).to_string().as_bytes()));
    }
    assert_eq!(bucket.scan(&[]).status, 0);
    let events: usize =
        bucket.data().iter().filter(|key| key.contains("/events/")).map(|key| bucket.s3.get(key).unwrap().len()).sum();
    assert!(events > 1 << 20, "{events}");
    let before = bucket.s3.traffic().0;
    let ran = bucket.run(&["history", "--user", "user-7", "--format", "csv", "--store-cache", "none"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let fetched = bucket.s3.traffic().0 - before;
    assert!(fetched < events as u64 / 3, "{fetched} of {events}");
    bucket.home.scan(&[]);
    let want = bucket.home.run(&["history", "--user", "user-7", "--format", "csv"]);
    assert_eq!((ran.stdout, ran.stderr), (want.stdout, want.stderr));
}

#[test]
fn iam_snapshots_and_bundles_work_with_a_bucket() {
    let bucket = Bucket::fixtures();
    assert_eq!(bucket.scan(&[]).status, 0);
    let out = bucket.home.0.path().join("out");
    let bundle = bucket.home.0.path().join("bundle.zip");
    let made = [&["report"], OCTOBER, &["--bundle", bundle.to_str().unwrap(), "--out", out.to_str().unwrap()]].concat();
    let ran = bucket.run(&made);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let again = bucket.home.0.path().join("again");
    let ran = bucket.run(&["report", "--from-bundle", bundle.to_str().unwrap(), "--out", again.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(fs::read(out.join("windows.csv")).unwrap(), fs::read(again.join("windows.csv")).unwrap());
}

/// What a command says, prints and writes, without where the store is and when the command ran.
fn outcome(ran: &Ran, out: &Path, store: &str) -> BTreeMap<String, String> {
    // The files differ in their entity tags.
    let own = |text: &str| {
        let text = text.replace(store, "STORE").replace(out.to_str().unwrap(), "OUT");
        regex::Regex::new(r#"2\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|\d+(\.\d+)? (B|KiB|MiB)|\n  "bytes": \d+"#)
            .unwrap()
            .replace_all(&text, "#")
            .into_owned()
    };
    let mut all = BTreeMap::from([
        ("status".to_owned(), ran.status.to_string()),
        ("stdout".to_owned(), own(&ran.stdout)),
        ("stderr".to_owned(), own(&ran.stderr)),
    ]);
    // What has the time of its making in it is compared by what it says.
    let is_stamped = |name: &str| [".html", ".xlsx", ".zip", ".sha256"].iter().any(|end| name.ends_with(end));
    if out.is_dir() {
        for file in files(out) {
            let name = file.strip_prefix(out).unwrap().display().to_string();
            if !is_stamped(&name) && !name.contains("SHA256") {
                let bytes = fs::read(&file).unwrap();
                let text = String::from_utf8(bytes.clone()).unwrap_or_else(|_| format!("{bytes:?}"));
                all.insert(name, own(&text));
            }
        }
        fs::remove_dir_all(out).unwrap();
    }
    all
}

#[test]
fn every_command_that_takes_a_store_says_the_same_of_both() {
    let bucket = Bucket::of(Home::odd());
    let home = &bucket.home;
    let path = |name: &str| home.0.path().join(name);
    let archive = home.archive();
    // Another store, to be merged, with what was approved and noticed by it.
    let other = path("other");
    let part = archive.join("AWSLogs/o-exampleorg/444455556666");
    let ran = home.run(&["scan", part.to_str().unwrap(), "--store", other.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let approval = "ticket,account,user,approver,valid_from,valid_to\n\
        CHG-9,111122223333,hugo.santos,jane.roe,2026-10-15T07:00:00Z,2026-10-15T09:00:00Z\n";
    let detection =
        r#"[{"detected_at":"2026-10-15T08:03:00Z","source":"watch/soc","reference":"4711","event_id":"none"}]"#;
    let runs = r#"[{"from":"2026-10-01T00:00:00Z","to":"2026-10-20T00:00:00Z"}]"#;
    for (name, text) in [("approvals.csv", approval), ("detections.json", detection), ("runs.json", runs)] {
        fs::create_dir_all(other.join("watch")).unwrap();
        fs::write(other.join("watch").join(name), text).unwrap();
    }
    let config = path("watch.toml");
    fs::write(
        &config,
        "[[channel]]\nname = \"soc\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\nsecret = \"env:NONE\"\n",
    )
    .unwrap();
    let out = path("out");
    let (archive, other, config) = (archive.to_str().unwrap(), other.to_str().unwrap(), config.to_str().unwrap());
    let (to, month) = (["--out", out.to_str().unwrap()], ["--month", "2026-10"]);
    let bundle = path("bundle.zip");
    let again = ["--from-bundle", bundle.to_str().unwrap()];
    let period = ["--from", "2026-10-01", "--to", "2026-11-01"];
    let commands: Vec<Vec<&str>> = vec![
        vec!["scan", archive, "--dry-run"],
        vec!["scan", archive],
        vec!["scan", archive],
        [&["report"], &month[..], &to].concat(),
        vec!["store", "merge", other, "STORE"],
        vec!["store"],
        vec!["store", "--format", "json"],
        vec!["store", "retry"],
        vec!["store", "check"],
        vec!["store", "check", "--repair"],
        [&["report"], OCTOBER, &to].concat(),
        [&["report", archive], &month[..], &["--only-source"], &to].concat(),
        [&["report"], OCTOBER, &["--bundle", bundle.to_str().unwrap()], &to].concat(),
        [&["report"], &again[..], &to].concat(),
        vec!["history"],
        vec!["history", "--user", "felix.moreau", "--format", "csv"],
        vec!["history", "--spans", "--format", "json"],
        vec!["history", "--at", "2026-10-20", "--format", "csv"],
        vec!["history", "--sql", "SELECT account, count(*) AS n FROM calls GROUP BY account ORDER BY account"],
        vec!["history", "--sql", "SELECT object, status, records FROM objects ORDER BY object", "--format", "csv"],
        vec!["history", "--sql", "SHOW TABLES"],
        vec!["history", "--sql", "SELECT nothing FROM events"],
        [&["watch", "replay", "--config", config], &period[..]].concat(),
        [&["watch", "replay", "--config", config, "--format", "json"], &period[..]].concat(),
    ];
    for command in commands {
        let with = |store: &str| {
            command
                .iter()
                .map(|word| if *word == "STORE" { store.to_owned() } else { (*word).to_owned() })
                .collect::<Vec<_>>()
        };
        let folder = home.store().display().to_string();
        let (of_folder, of_bucket) = (with(&folder), with(STORE));
        let words = |list: &Vec<String>| list.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let of_folder: Vec<&str> = of_folder.iter().map(String::as_str).collect();
        let of_bucket: Vec<&str> = of_bucket.iter().map(String::as_str).collect();
        let want = outcome(&home.run(&of_folder), &out, &folder);
        let got = outcome(&bucket.run(&of_bucket), &out, STORE);
        for (what, want) in &want {
            assert_eq!(got.get(what), Some(want), "{}: {what}", words(&with("STORE")));
        }
        assert_eq!(got.len(), want.len(), "{command:?}");
    }
    let beside = bucket.s3.get("team/evidence/watch/approvals.csv").expect("approvals go along");
    assert!(String::from_utf8(beside).unwrap().contains("CHG-9"));
    assert!(bucket.s3.get("team/evidence/watch/detections.json").is_some());
}

#[test]
fn those_who_add_to_one_file_lose_nothing() {
    let s3 = S3::start();
    let places: Vec<Place> = (0..6).map(|_| s3.place(STORE)).collect();
    const PATH: &str = "watch/approvals.csv";
    std::thread::scope(|scope| {
        for (number, place) in places.iter().enumerate() {
            scope.spawn(move || {
                for line in 0..5 {
                    loop {
                        let before = place.beside(PATH, 1 << 20).unwrap();
                        let mut text = before.as_ref().map_or_else(Vec::new, |before| before.bytes.clone());
                        text.extend(format!("{number}-{line}\n").bytes());
                        if place.replace(PATH, text, before.as_ref()).unwrap() {
                            break;
                        }
                    }
                }
            });
        }
    });
    let text = String::from_utf8(s3.get("team/evidence/watch/approvals.csv").unwrap()).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let want: Vec<String> = (0..6).flat_map(|number| (0..5).map(move |line| format!("{number}-{line}"))).collect();
    assert_eq!(lines, want);
    // One that is gone meanwhile is not what was read.
    let before = places[0].beside(PATH, 1 << 20).unwrap();
    s3.remove("team/evidence/watch/approvals.csv");
    assert!(!places[0].replace(PATH, b"x".to_vec(), before.as_ref()).unwrap());
    assert!(places[0].replace(PATH, b"x".to_vec(), None).unwrap());
    assert!(!places[0].replace(PATH, b"y".to_vec(), None).unwrap());
}
