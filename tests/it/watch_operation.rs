//! Running a watch: what stands against a start is said at once, what it measures is measured when it is asked, and approvals count.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::run::{Background, HANG, Ran, json, root};
use crate::watch::{ONCE, Receiver, SECRET, address, command, home, once};

fn run(home: &Path, arguments: &[&str]) -> Ran {
    command(home, arguments).output().unwrap().into()
}

/// Starts a watch, and waits until it holds the store.
fn start(home: &Path, more: &[&str]) -> Background {
    let arguments = [&["watch", "--config", "watch.toml", "--store", "store"], more].concat();
    let watch = Background::start(&mut command(home, &arguments));
    let start = Instant::now();
    while !home.join("store/watch/ledger.sqlite").exists() {
        assert!(start.elapsed() < HANG, "it did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    watch
}

/// What a page of the watch says; nothing where it cannot be had now.
fn page(address: &str, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(address) else { return String::new() };
    let mut said = String::new();
    let asked = write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    asked.and_then(|()| stream.read_to_string(&mut said).map(drop)).map_or_else(|_| String::new(), |()| said)
}

#[test]
fn how_long_an_alert_waits_is_measured_when_it_is_asked() {
    // Nobody takes anything for an hour, and the archive is looked at once.
    let receiver = Receiver::new(|_| Some("503 Service Unavailable\r\nRetry-After: 3600"));
    let home = home(&receiver.url);
    let config = fs::read_to_string(home.path().join("watch.toml")).unwrap();
    let rarely = config.replace("\n\n[[channel]]", "\nevery = \"1h\"\n\n[[channel]]");
    assert_ne!(rarely, config);
    fs::write(home.path().join("watch.toml"), rarely).unwrap();
    let arguments = [&ONCE[..5], &["--from", "2026-10-01", "--listen", "127.0.0.1:0"]].concat();
    let mut watch = Background(command(home.path(), &arguments).stderr(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(watch.0.stderr.take().unwrap());
    let address = address(&mut said);
    let waited = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("mfatrail_oldest_undelivered_seconds "));
        line.and_then(|value| value.parse::<u64>().ok())
    };
    let start = Instant::now();
    let mut last = 0;
    // It grows, although no pass comes.
    while last < 3 {
        assert!(start.elapsed() < HANG, "{last}");
        std::thread::sleep(Duration::from_millis(200));
        let Some(now) = waited(&page(&address, "/metrics")) else { continue };
        assert!(now >= last, "{last} and then {now}");
        last = now;
    }
    assert!(page(&address, "/healthz").ends_with("ok\n"));
}

/// The severities and tickets of incidents, by key.
fn listed(home: &Path) -> BTreeMap<String, (String, Value)> {
    let ran = run(home, &["watch", "incidents", "--store", "store", "--format", "json"]);
    let ledger: Value = serde_json::from_str(&ran.stdout).unwrap();
    let one = |listed: &Value| {
        let incident = &listed["incident"];
        let key = listed["key"].as_str().unwrap().to_owned();
        (key, (incident["severity"].as_str().unwrap().to_owned(), incident["ticket"].clone()))
    };
    ledger["incidents"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn what_is_approved_is_told_as_such_also_when_the_ticket_comes_later() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let config = fs::read_to_string(home.path().join("watch.toml")).unwrap();
    let approvals = fs::read_to_string(root().join("fixtures/approvals.csv")).unwrap();
    let head = approvals.lines().next().unwrap();
    fs::write(home.path().join("watch.toml"), format!("{config}\n[approvals]\nfiles = [\"tickets.csv\"]\n")).unwrap();
    fs::write(home.path().join("tickets.csv"), format!("{head}\n")).unwrap();
    assert_eq!(once(home.path()).status, 0);
    let before = listed(home.path());
    assert!(before.values().all(|(_, ticket)| ticket.is_null()));
    fs::write(home.path().join("tickets.csv"), &approvals).unwrap();
    let sent = receiver.got().len();
    assert_eq!(once(home.path()).status, 0);
    let after = listed(home.path());
    // As a report with these approvals has it.
    let tickets = home.path().join("tickets.csv");
    let report =
        ["report", "--store", "store", "--from", "2026-10-01", "--to", "2026-12-01", "--out", "out", "--approvals"];
    let ran = run(home.path(), &[&report[..], &[tickets.to_str().unwrap()]].concat());
    assert!(ran.status == 0 || ran.status == 3, "{}", ran.stderr);
    let report = json(&home.path().join("out"));
    let mut approved = 0;
    for window in report["windows"].as_array().unwrap().iter().filter(|window| window["class"] == "approved") {
        let id = window["opened_by_event"].as_str().unwrap();
        let key = format!("mfatrail:{}:{id}", window["account"].as_str().unwrap());
        assert_eq!((after[&key].0.as_str(), &after[&key].1), ("info", &window["approval"]), "{key}");
        assert_ne!(before[&key].0, "info", "{key}");
        let told: Vec<Value> = receiver.got()[sent..].iter().map(|one| one.json()).collect();
        let update = told.iter().find(|body| body["key"] == key.as_str()).unwrap();
        assert_eq!((&update["transition"], &update["severity"]), (&Value::from("updated"), &Value::from("info")));
        approved += 1;
    }
    assert!(approved > 0);
    // Half of a file is no change, and is said.
    fs::write(home.path().join("tickets.csv"), format!("{head}\nCHG-1,11")).unwrap();
    let ran = once(home.path());
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("tickets.csv`: line 2"), "{}", ran.stderr);
}

#[test]
fn iam_state_of_a_file_counts_and_is_read_anew() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let config = fs::read_to_string(home.path().join("watch.toml")).unwrap();
    let owners = |home: &Path| {
        let ran = run(home, &["watch", "incidents", "--store", "store", "--format", "json"]);
        let ledger: Value = serde_json::from_str(&ran.stdout).unwrap();
        let all = ledger["incidents"].as_array().unwrap().iter();
        all.filter(|one| !one["incident"]["owner"].is_null()).count()
    };
    assert_eq!(once(home.path()).status, 0);
    assert_eq!(owners(home.path()), 0);
    let taken_at = "2026-11-02T00:00:00Z".parse().unwrap();
    let state = mfatrail::inventory::files::read(&root().join("fixtures/iam"), Some(taken_at)).unwrap();
    let mut text = Vec::new();
    mfatrail::inventory::snapshot::write(&state, &mut text).unwrap();
    fs::write(home.path().join("iam.json"), &text).unwrap();
    fs::write(home.path().join("watch.toml"), format!("{config}\n[iam]\nsnapshot = \"iam.json\"\n")).unwrap();
    assert_eq!(once(home.path()).status, 0);
    assert!(owners(home.path()) > 0);
    fs::write(home.path().join("iam.json"), &text[..text.len() / 2]).unwrap();
    let ran = once(home.path());
    assert!(ran.status == 2 && ran.stderr.contains("iam.json"), "{}", ran.stderr);
}

/// What stands against a start: one error with its place and what to do, and nothing is sent.
#[test]
fn whatever_stands_against_a_start_is_one_clear_error() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let at = |name: &str| home.path().join(name);
    let config = fs::read_to_string(at("watch.toml")).unwrap();
    let secret = |place: &str| config.replace("env:SOC_SECRET", place);
    let more = |text: &str| format!("{config}\n{text}");
    for folder in ["folder", "foreign"] {
        fs::create_dir(at(folder)).unwrap();
    }
    fs::write(at("foreign/notes.txt"), "mine").unwrap();
    fs::write(at("file"), "mine").unwrap();
    fs::write(at("empty-secret"), "\n").unwrap();
    fs::write(at("tickets.csv"), "ticket,account\nCHG-1,1\n").unwrap();
    let binary = vec![0x7f, b'E', b'L', b'F', 0, 0xff];
    // The configuration, what is said of it, and its line where one is wrong.
    let configurations: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "there is no input"),
        (b"# nothing\n".to_vec(), "there is no input"),
        (binary, "watch.toml`: "),
        (more("[[channel]\n").into_bytes(), "line 12, column 11: "),
        (config.replace("kind = \"webhook\"", "kind = webhook").into_bytes(), "line 7, column 8: "),
        (config.replace("url = ", "url ").into_bytes(), "line 8, column 5: "),
        (config.replace("detects = true", "detects = \"yes\"").into_bytes(), "line 10, column 11: "),
        (
            config.replace("[[channel]]", "[[chanel]]").into_bytes(),
            "line 5, column 3: unknown table `chanel` (hint: did you mean `channel`?)",
        ),
        (
            secret("env:NO_SUCH_SECRET").into_bytes(),
            "line 5: channel `soc`: the environment has no variable `NO_SUCH_SECRET`",
        ),
        (
            secret("env:EMPTY_SECRET").into_bytes(),
            "line 5: channel `soc`: the secret in the variable `EMPTY_SECRET` is empty",
        ),
        (
            secret("file:no/such/secret").into_bytes(),
            "line 5: channel `soc`: cannot read the secret in `no/such/secret`",
        ),
        (secret("file:folder").into_bytes(), "line 5: channel `soc`: cannot read the secret in `folder`"),
        (secret("file:empty-secret").into_bytes(), "line 5: channel `soc`: the secret in `empty-secret` is empty"),
        (secret("hunter2").into_bytes(), "line 9, column 10: a secret does not stand in this file"),
        (more("[approvals]\nfiles = [\"no-such.csv\"]\n").into_bytes(), "cannot read `no-such.csv`"),
        (more("[approvals]\nfiles = [\"tickets.csv\"]\n").into_bytes(), "`tickets.csv`: "),
        (more("[iam]\nsnapshot = \"no-such.json\"\n").into_bytes(), "cannot read `no-such.json`"),
        (more("[iam]\nsnapshot = \"tickets.csv\"\n").into_bytes(), "tickets.csv"),
        (more("[policy]\nreplacement_grace = \"soon\"\n").into_bytes(), "line 13, column 21"),
        (config.replace("source = \"", "source = \"-\" # ").into_bytes(), "standard input cannot be an input"),
    ];
    for (text, said) in configurations {
        fs::write(at("watch.toml"), &text).unwrap();
        let ran: Ran = command(home.path(), &ONCE).env("EMPTY_SECRET", "").output().unwrap().into();
        let text = String::from_utf8_lossy(&text);
        assert_eq!(ran.status, 2, "{text}\n{}", ran.stderr);
        assert!(ran.stderr.contains(said) && ran.stderr.matches("error:").count() == 1, "{text}\n{}", ran.stderr);
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
        assert!(!at("store").exists(), "{text}");
    }
    fs::write(at("watch.toml"), &config).unwrap();
    // A place for the store that cannot be one.
    for (store, said) in [
        ("file", "file"),
        ("file/store", "file/store"),
        ("foreign", "foreign"),
        #[cfg(target_os = "linux")]
        ("/proc/store", "/proc/store"),
    ] {
        let ran = run(home.path(), &["watch", "--config", "watch.toml", "--store", store, "--once"]);
        assert!(ran.status == 2 || ran.status == 4, "{store}: {}", ran.stderr);
        assert!(ran.stderr.contains(said) && ran.stderr.matches("error:").count() == 1, "{store}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint: "), "{store}: {}", ran.stderr);
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let ran = run(home.path(), &[&ONCE[..], &["--listen", &listen]].concat());
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("`--listen`") && ran.stderr.contains("hint: "), "{}", ran.stderr);
    assert_eq!(
        (fs::read(at("file")).unwrap(), fs::read(at("foreign/notes.txt")).unwrap()),
        (b"mine".into(), b"mine".into())
    );
    assert_eq!(receiver.got().len(), 0);
    assert!(!fs::read_to_string(at("watch.toml")).unwrap().contains(SECRET));
}

/// Whoever may not write the store is told so; root may always, so another user asks.
#[cfg(target_os = "linux")]
#[test]
fn a_store_that_may_not_be_written_is_named() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65_534;
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let open = |place: &Path, mode: u32| fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
    open(home.path(), 0o755);
    let root = fs::metadata(home.path()).unwrap().uid() == 0;
    let ask = |store: &str| -> Ran {
        let mut command = command(home.path(), &["watch", "--config", "watch.toml", "--store", store, "--once"]);
        if root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap().into()
    };
    // It cannot be made, or it is somebody else's.
    fs::create_dir(home.path().join("below")).unwrap();
    open(&home.path().join("below"), 0o555);
    let new = ask("below/store");
    assert_eq!(once(home.path()).status, 0);
    let sent = receiver.got().len();
    open(&home.path().join("store"), 0o555);
    for entry in walk(&home.path().join("store")) {
        open(&entry, if entry.is_dir() { 0o555 } else { 0o444 });
    }
    let old = ask("store");
    for (ran, store) in [(new, "below/store"), (old, "store")] {
        assert!(ran.status == 2 || ran.status == 4, "{store}: {}", ran.stderr);
        assert_eq!(ran.stderr.matches("error:").count(), 1, "{store}: {}", ran.stderr);
        assert!(ran.stderr.contains(store) && ran.stderr.contains("ermission denied"), "{store}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint: "), "{store}: {}", ran.stderr);
    }
    assert_eq!(receiver.got().len(), sent);
    for entry in walk(home.path()).filter(|entry| entry.is_dir()) {
        open(&entry, 0o755);
    }
}

#[cfg(target_os = "linux")]
fn walk(folder: &Path) -> impl Iterator<Item = std::path::PathBuf> + use<> {
    let mut all = vec![folder.to_owned()];
    let mut next = 0;
    while let Some(one) = all.get(next).cloned() {
        next += 1;
        if one.is_dir() {
            all.extend(fs::read_dir(one).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    all.into_iter()
}

#[test]
fn what_a_channel_has_not_got_is_listed_with_its_reason() {
    for (answer, said) in [
        ("403 Forbidden", "    not delivered: 1 of soc, refused: status 403"),
        ("503 Service Unavailable\r\nRetry-After: 3600", "    not delivered: 1 of soc, 1 attempt, next at 20"),
        ("500 Internal Server Error", "    not delivered: 1 of soc, 1 attempt, next at 20"),
    ] {
        let receiver = Receiver::new(move |_| Some(answer));
        let home = home(&receiver.url);
        let ran = once(home.path());
        // Nobody asked for a log, and a watch is looked at by nobody else.
        assert!(ran.stderr.contains("WARN") && ran.stderr.contains("outcome="), "{answer}: {}", ran.stderr);
        assert_eq!(ran.status, 3, "{answer}: {}", ran.stderr);
        let listed = run(home.path(), &["watch", "incidents", "--store", "store"]);
        assert!(listed.stdout.lines().any(|line| line.starts_with(said)), "{answer}: {}", listed.stdout);
    }
}

/// What a channel refuses, those that work tell: once, and where none works, nobody tells anybody for ever.
#[test]
fn what_is_refused_is_told_by_the_channels_that_work() {
    let (bad, good) = (Receiver::new(|_| Some("403 Forbidden")), Receiver::new(|_| Some("200 OK")));
    let home = home(&bad.url);
    let config = fs::read_to_string(home.path().join("watch.toml")).unwrap();
    let other = |url: &str, route: &str| {
        let other = "\n[[channel]]\nname = \"page\"\nkind = \"webhook\"\nsecret = \"env:SOC_SECRET\"\nurl = ";
        fs::write(home.path().join("watch.toml"), format!("{config}{other}\"{url}\"\n{route}")).unwrap();
    };
    // The other channel is told of nothing, but of this.
    other(&good.url, "\n[[route]]\nchannels = [\"soc\"]\n");
    let ran = once(home.path());
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    let refused: BTreeMap<String, Value> =
        bad.got().iter().map(|one| (one.json()["key"].as_str().unwrap().to_owned(), one.json())).collect();
    let told: Vec<Value> = good.got().iter().map(|one| one.json()).collect();
    let of = |key: &str| told.iter().filter(|one| one["key"] == key).collect::<Vec<_>>();
    assert!(refused.len() > 5, "{refused:?}");
    for key in refused.keys() {
        let of = of(key);
        let first = of.first().unwrap_or_else(|| panic!("nobody is told that {key} was refused"));
        assert_eq!(first["transition"], "updated");
        assert!(first["title"].as_str().unwrap().starts_with("Not delivered to soc: "), "{first}");
        assert!(first["text"].as_str().unwrap().contains("status 403"), "{first}");
        assert_eq!(of.iter().filter(|one| one["title"].as_str().unwrap().starts_with("Not delivered")).count(), 1);
    }
    // That it was told so is no detection.
    assert!(windows_detected_by(home.path(), "watch/page").is_empty());

    // Both refuse: it ends.
    let (one, two) = (Receiver::new(|_| Some("403 Forbidden")), Receiver::new(|_| Some("410 Gone")));
    let second = crate::watch::home(&one.url);
    let config = fs::read_to_string(second.path().join("watch.toml")).unwrap();
    let more = format!(
        "\n[[channel]]\nname = \"page\"\nkind = \"webhook\"\nsecret = \"env:SOC_SECRET\"\nurl = \"{}\"\n",
        two.url
    );
    fs::write(second.path().join("watch.toml"), format!("{config}{more}")).unwrap();
    for _ in 0..3 {
        assert_eq!(once(second.path()).status, 3);
    }
    let sent = one.got().len() + two.got().len();
    once(second.path());
    assert_eq!(one.got().len() + two.got().len(), sent);
}

/// The windows of a report that a source detected.
fn windows_detected_by(home: &Path, source: &str) -> Vec<Value> {
    let report = ["report", "--store", "store", "--from", "2026-10-01", "--to", "2026-12-01", "--out", "detected"];
    let ran = run(home, &report);
    assert!(ran.status == 0 || ran.status == 3, "{}", ran.stderr);
    let windows = json(&home.join("detected"))["windows"].as_array().unwrap().clone();
    windows.into_iter().filter(|window| window["detection"]["source"] == source).collect()
}

#[test]
fn a_check_looks_at_inputs_too() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let config = fs::read_to_string(home.path().join("watch.toml")).unwrap();
    let archive = format!("{:?}", root().join("fixtures/archive"));
    let check = |source: &str| {
        fs::write(home.path().join("watch.toml"), config.replace(&archive, source)).unwrap();
        let check =
            ["watch", "check", "--config", "watch.toml", "--endpoint-url", "http://127.0.0.1:9", "--s3-attempts", "1"];
        let mut command = command(home.path(), &check);
        let ran: Ran = command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b").output().unwrap().into();
        let errors = ran.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, usize::from(ran.status != 0), "{}", ran.stderr);
        (ran.status, ran.stderr)
    };
    assert_eq!(check(&archive).0, 0);
    let (status, said) = check("\"no/such/folder\"");
    assert!(status == 2 && said.contains("no/such/folder") && said.contains("hint: "), "{said}");
    assert!(said.contains("watch.toml`: line "), "{said}");
    let (status, said) = check("\"s3://trail-bucket/prefix\"");
    assert!(status == 4 && said.contains("input `s3://trail-bucket/prefix`: "), "{said}");
    assert_eq!(receiver.got().len(), 0);
}

#[test]
fn a_second_watch_of_a_store_says_so() {
    let receiver = Receiver::new(|_| Some("200 OK"));
    let home = home(&receiver.url);
    let _watch = start(home.path(), &["--from", "2026-10-01"]);
    let second = once(home.path());
    assert_eq!(second.status, 4, "{}", second.stderr);
    assert!(
        second.stderr.contains("mfatrail watch") && second.stderr.matches("error:").count() == 1,
        "{}",
        second.stderr
    );
    // Whoever only looks is not kept out.
    let listed = run(home.path(), &["watch", "incidents", "--store", "store"]);
    assert_eq!(listed.status, 0, "{}", listed.stderr);
}
