//! The watch on the fixtures: what its channel gets is what a report says, once, whatever happens meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use serde_json::Value;

use crate::support::run::{HANG, Ran, json, mfatrail, root};
use crate::support::s3::S3;

pub const SECRET: &str = "a-secret-that-nobody-is-shown";

/// One request, as the stand-in got it.
#[derive(Debug, Clone)]
pub struct Got {
    pub key: String,
    signature: String,
    pub body: String,
    /// Whether the stand-in took it.
    taken: bool,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A receiver of webhooks, which answers as `answer` says of the number of each request.
pub struct Receiver {
    pub url: String,
    got: Arc<Mutex<Vec<Got>>>,
    /// Where each connection comes from that has not ended.
    open: Arc<Mutex<BTreeSet<SocketAddr>>>,
}

impl Receiver {
    pub fn new(answer: impl Fn(usize) -> Option<&'static str> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mfa", listener.local_addr().unwrap());
        let receiver = Self { url, got: Arc::default(), open: Arc::default() };
        let (got, open) = (Arc::clone(&receiver.got), Arc::clone(&receiver.open));
        let (answer, number) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn(move || {
            for (stream, from) in std::iter::repeat_with(|| listener.accept()).flatten() {
                open.lock().unwrap().insert(from);
                let (got, open) = (Arc::clone(&got), Arc::clone(&open));
                let (answer, number) = (Arc::clone(&answer), Arc::clone(&number));
                std::thread::spawn(move || {
                    take(stream, &got, &|| answer(number.fetch_add(1, Ordering::Relaxed)));
                    open.lock().unwrap().remove(&from);
                });
            }
        });
        receiver
    }

    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Waits until everything was read that a process sent which has ended: it may have done so with its last breath.
    fn settle(&self) {
        // Connections are taken in their order, and so this one after all of its.
        let last = TcpStream::connect(self.url.split('/').nth(2).unwrap()).unwrap();
        let only = BTreeSet::from([last.local_addr().unwrap()]);
        let start = Instant::now();
        while *self.open.lock().unwrap() != only {
            assert!(start.elapsed() < HANG, "somebody is connected still");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Takes the requests of a connection.
fn take(stream: TcpStream, got: &Mutex<Vec<Got>>, answer: &dyn Fn() -> Option<&'static str>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut headers, mut line) = (BTreeMap::new(), String::new());
        while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
            if let Some((name, value)) = line.split_once(": ") {
                headers.insert(name.to_lowercase(), value.trim().to_owned());
            }
            line.clear();
        }
        let Some(length) = headers.get("content-length") else { return };
        let mut body = vec![0; length.parse().unwrap()];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        let status = answer();
        got.lock().unwrap().push(Got {
            key: headers["idempotency-key"].clone(),
            signature: headers["x-mfatrail-signature"].clone(),
            body: String::from_utf8(body).unwrap(),
            taken: status.is_none_or(|status| status.starts_with("200")),
        });
        // None: it has its effect, and the answer is lost.
        let Some(status) = status else { return };
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        if stream.get_mut().write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

/// A home with a configuration of the fixtures' archive and one webhook.
pub fn home(url: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let archive = root().join("fixtures/archive");
    let config = format!(
        "[[input]]\nkind = \"archive\"\nsource = {archive:?}\n\n[[channel]]\nname = \"soc\"\nkind = \"webhook\"\nurl = \"{url}\"\nsecret = \"env:SOC_SECRET\"\ndetects = true\n"
    );
    fs::write(home.path().join("watch.toml"), config).unwrap();
    home
}

pub fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = mfatrail();
    command.current_dir(home).env("SOC_SECRET", SECRET).args(arguments);
    command
}

pub const ONCE: [&str; 8] = ["watch", "--config", "watch.toml", "--store", "store", "--once", "--from", "2026-10-01"];

pub fn once(home: &Path) -> Ran {
    command(home, &ONCE).output().unwrap().into()
}

/// Where a watch serves its pages, which is the first that it says.
pub fn address(said: &mut impl BufRead) -> String {
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    line.trim().rsplit("http://").next().unwrap().trim_end_matches("/metrics").to_owned()
}

/// The windows of a report over the store that an event opened: by key, whether they are over.
pub fn windows(home: &Path) -> BTreeMap<String, bool> {
    let report = [
        "report",
        "--store",
        "store",
        "--from",
        "2026-10-01",
        "--to",
        "2026-12-01",
        "--out",
        "out",
        "--format",
        "json",
    ];
    let ran: Ran = command(home, &report).output().unwrap().into();
    assert!(ran.status == 0 || ran.status == 3, "{}", ran.stderr);
    let report = json(&home.join("out"));
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

/// What was told, by key: the transitions in order.
pub fn told(got: &[Got]) -> BTreeMap<String, Vec<String>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for one in got.iter().filter(|one| one.taken && seen.insert(one.key.clone())) {
        let body = one.json();
        let key = body["key"].as_str().unwrap();
        assert_eq!(one.key, format!("{key}/{}", body["sequence"]));
        told.entry(key.to_owned()).or_default().push(body["transition"].as_str().unwrap().to_owned());
    }
    told
}

/// Whoever is without MFA by the report was told of, opened once, and resolved once if it is over.
fn equals_the_report(home: &Path, got: &[Got]) {
    let (windows, told) = (windows(home), told(got));
    assert!(windows.len() > 5, "{windows:?}");
    let burst = |key: &String| {
        told.keys().any(|own| own.ends_with(":burst") && own.starts_with("mfatrail:")) && !told.contains_key(key)
    };
    for (key, over) in &windows {
        if burst(key) {
            continue;
        }
        let transitions = told.get(key).unwrap_or_else(|| panic!("nobody was told of {key}: {told:?}"));
        assert_eq!(transitions.iter().filter(|one| *one == "opened").count(), 1, "{key}: {transitions:?}");
        assert_eq!(
            transitions.iter().filter(|one| *one == "resolved").count(),
            usize::from(*over),
            "{key}: {transitions:?}"
        );
    }
    let of_windows = |one: &&Got| one.json()["kind"] == "window" && one.json()["window"]["kind"] == "removed";
    for one in got.iter().filter(of_windows) {
        let key = one.json()["key"].as_str().unwrap().to_owned();
        assert!(windows.contains_key(&key), "{key} is no window of the report");
    }
}

#[test]
fn a_channel_is_told_once_what_the_report_says() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let first = once(home.path());
    let ledger = command(home.path(), &["watch", "incidents", "--store", "store"]).output().unwrap();
    assert!(first.status == 0 || first.status == 3, "{}", first.stderr);
    let got = receiver.got();
    equals_the_report(home.path(), &got);
    for one in &got {
        let (seconds, signature) = one.signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let signed = format!("{seconds}.{}", one.body);
        assert_eq!(mfatrail::hash::hex(hmac::sign(&key, signed.as_bytes()).as_ref()), signature);
        assert_eq!(one.json()["repetition"], false);
        assert_eq!(one.json()["schema"], "mfatrail.alert/1");
    }
    // Nothing is told twice.
    let again = once(home.path());
    assert!(
        again.status == first.status && again.stderr.contains("0 transitions, 0 not delivered"),
        "{}",
        again.stderr
    );
    assert_eq!(receiver.got().len(), got.len());
    // Every incident is listed; no text of the tool has the secret.
    let ledger: Ran = ledger.into();
    for key in told(&got).keys() {
        assert!(ledger.stdout.contains(key.as_str()), "{key}\n{}", ledger.stdout);
    }
    assert!(![&first.stderr, &again.stderr, &ledger.stdout].iter().any(|text| text.contains(SECRET)));
    // A delivered alert is a detection, which the report counts by itself.
    let report = json(&home.path().join("out"));
    let source = |window: &Value| window["detection"]["source"].as_str().is_some_and(|source| source == "watch/soc");
    assert!(report["windows"].as_array().unwrap().iter().any(source), "{:?}", report["windows"][0]["detection"]);
}

#[test]
fn what_a_channel_refuses_or_loses_comes_again_and_says_so() {
    // Of every six requests one is refused for now, and of one the answer is lost.
    let receiver = Receiver::new(|number| match number % 6 {
        0 => Some("503 Service Unavailable\r\nRetry-After: 0"),
        3 => None,
        _ => Some("200 OK"),
    });
    let home = home(&receiver.url);
    let delivered = (0..100).any(|_| {
        let ran = once(home.path());
        assert!(ran.status == 0 || ran.status == 3, "{}", ran.stderr);
        std::thread::sleep(Duration::from_millis(300));
        ran.stderr.contains(" 0 not delivered")
    });
    assert!(delivered);
    let got = receiver.got();
    equals_the_report(home.path(), &got);
    // What had its effect and comes again is marked.
    let mut taken = BTreeSet::new();
    for one in &got {
        assert!(!taken.contains(&one.key) || one.json()["repetition"] == true, "{}", one.key);
        if one.taken {
            taken.insert(one.key.clone());
        }
    }
}

#[test]
fn a_watch_that_is_killed_anywhere_loses_and_repeats_nothing_unmarked() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    for round in 0..20_u64 {
        let mut child = command(home.path(), &ONCE).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 97 % 900));
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().unwrap();
        // What it sent last must not be taken for something that comes after what the next one sends.
        receiver.settle();
    }
    let last = once(home.path());
    assert!(last.stderr.contains(" 0 not delivered"), "{}", last.stderr);
    let got = receiver.got();
    equals_the_report(home.path(), &got);
    let mut taken = BTreeSet::new();
    for one in &got {
        assert!(taken.insert(one.key.clone()) || one.json()["repetition"] == true, "{} came twice unmarked", one.key);
    }
}

#[test]
fn what_is_wrong_is_told_before_anything_is_sent() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let config = fs::read_to_string(home.path().join("watch.toml")).unwrap();
    let other = |name: &str, text: String| fs::write(home.path().join(name), text).unwrap();
    other("empty.toml", String::new());
    other("typo.toml", config.replace("secret", "secrte"));
    other("clear.toml", config.replace("http://127.0.0.1", "http://soc.example.com"));
    other("secret.toml", config.replace("SOC_SECRET", "NO_SUCH_SECRET"));
    other("queue.toml", config.replace("\"archive\"", "\"sqs\""));
    for (file, told) in [
        ("empty.toml", "there is no input"),
        ("typo.toml", "line 9, column 1: unknown field `secrte`"),
        ("clear.toml", "channel `soc`: its `url` is not https"),
        ("secret.toml", "channel `soc`: the environment has no variable `NO_SUCH_SECRET`"),
        ("queue.toml", "unknown field `source`"),
        ("absent.toml", "absent.toml"),
    ] {
        for arguments in
            [&["watch", "--config", file, "--store", "store", "--once"][..], &["watch", "check", "--config", file]]
        {
            let ran: Ran = command(home.path(), arguments).output().unwrap().into();
            assert_eq!(ran.status, 2, "{file}: {}", ran.stderr);
            assert!(ran.stderr.contains(told), "{file}: {}", ran.stderr);
        }
    }
    assert!(!home.path().join("store").exists());
    let ran: Ran = command(home.path(), &["watch", "check", "--config", "watch.toml"]).output().unwrap().into();
    assert_eq!((ran.status, receiver.got().len()), (0, 0), "{}", ran.stderr);
    let none: Ran = command(home.path(), &["watch", "incidents", "--store", "store"]).output().unwrap().into();
    assert_eq!(none.status, 2, "{}", none.stderr);
    assert!(none.stderr.contains("no evidence store in `store`"), "{}", none.stderr);
}

#[test]
fn somebody_looks_after_it_and_the_channel_knows() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    once(home.path());
    let list = ["watch", "incidents", "--store", "store", "--open"];
    let open: Ran = command(home.path(), &list).output().unwrap().into();
    let key = open
        .stdout
        .lines()
        .find(|line| !line.contains("nobody was told"))
        .unwrap()
        .rsplit("  ")
        .next()
        .unwrap()
        .to_owned();
    let acknowledge = ["watch", "acknowledge", key.as_str(), "--by", "dana", "--store", "store"];
    let ran: Ran = command(home.path(), &acknowledge).output().unwrap().into();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    once(home.path());
    let got = receiver.got();
    let last = got.iter().rfind(|one| one.json()["key"] == key.as_str()).unwrap().json();
    assert_eq!(last["transition"], "updated");
    let open: Ran = command(home.path(), &list).output().unwrap().into();
    assert!(
        open.stdout.lines().any(|line| line.contains(&key) && line.contains("acknowledged by dana")),
        "{}",
        open.stdout
    );
    let wrong = ["watch", "acknowledge", "mfatrail:1:2", "--by", "dana", "--store", "store"];
    let ran: Ran = command(home.path(), &wrong).output().unwrap().into();
    assert_eq!(ran.status, 2, "{}", ran.stderr);
}

#[test]
fn it_goes_on_until_it_is_stopped_and_nobody_else_writes_meanwhile() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let archive = home.path().join("archive");
    fs::create_dir(&archive).unwrap();
    let config = home.path().join("watch.toml");
    let text = fs::read_to_string(&config).unwrap();
    let (_, rest) = text.split_once("\n\n").unwrap();
    fs::write(&config, format!("[[input]]\nkind = \"archive\"\nsource = \"archive\"\nevery = \"1s\"\n\n{rest}"))
        .unwrap();
    let arguments =
        ["watch", "--config", "watch.toml", "--store", "store", "--from", "2026-10-01", "--listen", "127.0.0.1:0"];
    let mut child = command(home.path(), &arguments).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let address = address(&mut said);
    // A record that came, and later the one that ends it.
    let record = |time: &str, name: &str, id: &str| {
        let of = serde_json::json!({
            "eventVersion": "1.11", "eventTime": time, "eventSource": "iam.amazonaws.com", "eventName": name,
            "awsRegion": "us-east-1", "eventID": id, "recipientAccountId": "111122223333", "sourceIPAddress": "192.0.2.7",
            "userIdentity": {"type": "IAMUser", "userName": "carol", "principalId": "AIDACAROL", "accountId": "111122223333"},
            "requestParameters": {"userName": "zoe", "serialNumber": "arn:aws:iam::111122223333:mfa/zoe"},
        });
        serde_json::json!({"Records": [of]}).to_string()
    };
    // At once whole, for it may look at any moment.
    let write = |name: &str, text: String| {
        let draft = home.path().join("draft");
        fs::write(&draft, text).unwrap();
        fs::rename(&draft, archive.join(name)).unwrap();
    };
    let wait = |transition: &str| {
        let start = Instant::now();
        while !receiver.got().iter().any(|one| one.json()["transition"] == transition) {
            assert!(start.elapsed() < HANG, "{:?}", receiver.got());
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    write("1.json", record("2026-10-05T08:00:00Z", "EnableMFADevice", "a-1"));
    write("2.json", record("2026-10-05T09:00:00Z", "DeactivateMFADevice", "a-2"));
    wait("opened");
    let other: Ran = command(home.path(), &["scan", "archive", "--store", "store"]).output().unwrap().into();
    assert!(other.status == 4 && other.stderr.contains("mfatrail watch"), "{}", other.stderr);
    write("3.json", record("2026-10-05T09:30:00Z", "EnableMFADevice", "a-3"));
    wait("resolved");
    let figures = || {
        let mut page = TcpStream::connect(&address).unwrap();
        page.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut figures = String::new();
        page.read_to_string(&mut figures).unwrap();
        figures
    };
    let start = Instant::now();
    for figure in ["mfatrail_objects_total 3\n", "mfatrail_incidents{state=\"resolved\"} 1\n"] {
        // The channel is told before the pass is over.
        while !figures().contains(figure) {
            assert!(start.elapsed() < HANG, "{}", figures());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(child.wait().unwrap().success());
    let got = receiver.got();
    let told = told(&got);
    let transitions = &told["mfatrail:111122223333:a-2"];
    assert_eq!((transitions.first().unwrap().as_str(), transitions.last().unwrap().as_str()), ("opened", "resolved"));
}

/// The home's command on a store in a bucket.
fn distant(home: &Path, s3: &S3, arguments: &[&str]) -> Command {
    let mut command = command(home, arguments);
    command
        .env("MFATRAIL_STORE_CACHE", "none")
        .env("AWS_ENDPOINT_URL_S3", &s3.url)
        .env("AWS_ACCESS_KEY_ID", "testing")
        .env("AWS_SECRET_ACCESS_KEY", "testing");
    command
}

const DISTANT: &str = "s3://evidence-bucket/team/evidence";

#[test]
fn a_store_in_a_bucket_is_watched_by_one_ledger() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let s3 = S3::start();
    let run = |arguments: &[&str]| -> Ran { distant(home.path(), &s3, arguments).output().unwrap().into() };
    let once = |state: &str| {
        let arguments = ["watch", "--config", "watch.toml", "--store", DISTANT, "--once", "--from", "2026-10-01"];
        run(&[&arguments[..], &["--state", state]].concat())
    };
    // Without a folder for the ledger it does not begin, and of a store in a folder there is none but that.
    let ran = run(&["watch", "--config", "watch.toml", "--store", DISTANT, "--once"]);
    assert!(ran.status == 2 && ran.stderr.contains("give --state DIR"), "{}", ran.stderr);
    let ran = run(&["watch", "--config", "watch.toml", "--store", "store", "--state", "state", "--once"]);
    assert!(ran.status == 2 && ran.stderr.contains("leave out `--state`"), "{}", ran.stderr);
    assert!(s3.keys().is_empty() && receiver.got().is_empty());
    let ran = once("state");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let got = receiver.got();
    // The same as of a store in a folder.
    let own = Receiver::new(|_| Some("200 OK"));
    let local = self::home(&own.url);
    assert_eq!(self::once(local.path()).status, 0);
    assert_eq!(told(&got), told(&own.got()));
    // Again: nothing is told twice; nor by another ledger, which is refused, whoever begins it.
    assert_eq!(once("state").status, 0);
    let ran = once("elsewhere");
    assert!(ran.status == 2 && ran.stderr.contains("another watch tells of"), "{}", ran.stderr);
    assert!(ran.stderr.contains("/state`"), "it says where the ledger is: {}", ran.stderr);
    assert_eq!(receiver.got().len(), got.len());
    // A copy of the ledger, on another machine, is the same one.
    crate::support::store::copy(&home.path().join("state"), &home.path().join("moved"), &|_| true);
    assert_eq!(once("moved").status, 0);
    assert_eq!(receiver.got().len(), got.len());
    // What was delivered counts in reports, which have no ledger.
    let report = |command: &mut Command, store: &str, out: &str| {
        let arguments = ["report", "--store", store, "--month", "2026-10", "--as-of", "2026-11-02", "--out", out];
        let ran: Ran = command.args(arguments).output().unwrap().into();
        assert!(ran.status == 0, "{}", ran.stderr);
    };
    report(&mut distant(home.path(), &s3, &[]), DISTANT, "out");
    report(&mut command(local.path(), &[]), "store", "out");
    let [of_bucket, of_folder] = [json(&home.path().join("out")), json(&local.path().join("out"))];
    let detected = |report: &Value| {
        let windows = report["windows"].as_array().unwrap().iter();
        windows
            .map(|window| (window["opened_by_event"].clone(), window["detection"]["source"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(detected(&of_bucket), detected(&of_folder));
    assert!(detected(&of_bucket).iter().any(|(_, source)| source == "watch/soc"));
    // The ledger answers by its folder.
    let arguments = ["watch", "incidents", "--store", DISTANT, "--format", "json"];
    let ran = run(&[&arguments[..], &["--state", "state"]].concat());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let incidents: Value = serde_json::from_str(&ran.stdout).unwrap();
    let open = incidents["incidents"].as_array().unwrap().iter().find(|one| one["state"] == "open").unwrap();
    let key = open["key"].as_str().unwrap();
    let ran = run(&["watch", "acknowledge", key, "--by", "jo", "--store", DISTANT, "--state", "state"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let ran = run(&arguments);
    assert!(ran.status == 2 && ran.stderr.contains("give --state DIR"), "{}", ran.stderr);
    // A repair leaves what lies beside the tables.
    let keys = s3.keys();
    assert_eq!(run(&["store", "check", "--repair", "--store", DISTANT]).status, 0);
    assert_eq!(s3.keys(), keys);
}

#[test]
fn of_watches_that_begin_at_once_one_goes_on() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let s3 = S3::start();
    // With four ledgers, and with one of them twice.
    let begin = |state: &str| {
        let arguments = ["watch", "--config", "watch.toml", "--store", DISTANT, "--once", "--from", "2026-10-01"];
        let mut command = distant(home.path(), &s3, &[&arguments[..], &["--state", state]].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = ["a", "a", "b", "c", "d"].map(begin).into();
    let ended: Vec<Ran> = running.into_iter().map(crate::support::run::end).collect();
    let refused = |ran: &&Ran| {
        (ran.status == 2 && ran.stderr.contains("another watch tells of"))
            || (ran.status == 4 && ran.stderr.contains("is being written by"))
    };
    let done = ended.iter().filter(|ran| ran.status == 0).count();
    let said: Vec<&str> = ended.iter().map(|ran| ran.stderr.as_str()).collect();
    // The second with one ledger may have begun when the first was through.
    assert!((1..=2).contains(&done) && done + ended.iter().filter(refused).count() == 5, "{said:?}");
    let keys: BTreeSet<String> = receiver.got().iter().map(|one| one.key.clone()).collect();
    assert_eq!(keys.len(), receiver.got().len(), "nobody is told twice");
    let state = ["a", "b", "c", "d"].iter().find(|state| home.path().join(state).join("watch/ledger.sqlite").exists());
    assert!(state.is_some() || receiver.got().is_empty());
}
