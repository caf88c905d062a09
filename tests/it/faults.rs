//! What S3 and the network do to a run: the real binary against a server that fails by script.
//!
//! Two promises. What is worth repeating is repeated until the report is that of a clean run, to the byte. What is not is
//! named, counted and makes exit status 3 (or 4, where nothing can be told without it). And nothing waits for ever: a run
//! that hangs fails its test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::faulty::{Fault, Faulty, Plan, Script, objects};
use crate::support::run::{HANG, OCTOBER, Ran, end, finish, json, mfatrail, root};

fn archive() -> BTreeMap<String, Vec<u8>> {
    objects(&root().join("fixtures/archive"))
}

/// Objects that are read: the fixtures have digests too, which are deliberately skipped.
fn logs(archive: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    archive.keys().filter(|key| key.contains("/CloudTrail/us-east-1/2026/10/")).cloned().collect()
}

fn against(server: &Faulty) -> Command {
    let mut command = mfatrail();
    command
        .env("AWS_ENDPOINT_URL", &server.endpoint)
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "an-example-of-a-secret")
        .env("AWS_SESSION_TOKEN", "an-example-of-a-token")
        .env("AWS_REGION", "us-east-1");
    command
}

/// How objects are got: what is no plain success is the SDK's matter in either.
const WAYS: [&str; 2] = ["direct", "sdk"];

/// A report of what the server has; its exit status, its JSON where there is one, and what was said.
fn report(server: &Faulty, more: &[&str]) -> (i32, Option<Value>, String) {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("report");
    let ran = finish(against(server).args(["report", "s3://trail"]).args(OCTOBER).args(more).arg("--out").arg(&out));
    let report = out.exists().then(|| json(&out));
    let left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), usize::from(report.is_some()), "nothing half done is left: {left:?}");
    (ran.status, report, ran.stderr)
}

fn clean() -> Value {
    let (status, report, said) = report(&Faulty::start(archive(), Plan::default()), &[]);
    assert_eq!(status, 0, "{said}");
    report.unwrap()
}

fn coverage(report: &Value) -> [u64; 4] {
    let of = |key: &str| report["coverage"][key].as_u64().unwrap();
    let counts = ["objects_listed", "objects_read", "objects_failed", "objects_skipped"].map(of);
    assert_eq!(counts[0], counts[1] + counts[2] + counts[3], "listed = read + failed + skipped");
    counts
}

/// A small generator, so that a seed is a test case for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// One or two faults; after a body that comes slowly but whole nobody asks again.
    fn script(&mut self, from: &[Fault]) -> Vec<Fault> {
        let mut faults: Vec<Fault> = (0..=self.below(2)).map(|_| self.pick(from).clone()).collect();
        if let Some(slow) = faults.iter().position(|fault| *fault == Fault::Trickle) {
            faults.truncate(slow + 1);
        }
        faults
    }
}

#[test]
fn what_is_worth_repeating_changes_nothing() {
    let archive = archive();
    let clean = clean();
    let keys = logs(&archive);
    let single = [
        Fault::Refuse(500, "InternalError"),
        Fault::Refuse(503, "SlowDown"),
        Fault::Refuse(503, "ServiceUnavailable"),
        Fault::Refuse(400, "RequestTimeout"),
        Fault::Proxy(502),
        Fault::Proxy(504),
        Fault::Reset,
        Fault::Noise,
        Fault::Truncate,
        Fault::ResetBody,
        Fault::Trickle,
        Fault::Longer,
        Fault::Shorter,
        Fault::Endless,
        Fault::Flipped,
    ];
    let of_listings = [
        Fault::Refuse(500, "InternalError"),
        Fault::Refuse(503, "SlowDown"),
        Fault::Proxy(502),
        Fault::Reset,
        Fault::Noise,
        Fault::Truncate,
        Fault::EmptyPage,
        Fault::Trickle,
    ];
    for (seed, way) in [1, 2].into_iter().flat_map(|seed| WAYS.map(|way| (seed, way))) {
        let mut random = Random(seed);
        let mut script = Script::new();
        for key in &keys {
            if random.below(2) == 0 {
                script.insert(key.clone(), random.script(&single));
            }
        }
        // These two cost their time-out each.
        for fault in [Fault::Silence, Fault::Stall] {
            script.insert(random.pick(&keys).clone(), vec![fault]);
        }
        let folder = keys[random.below(keys.len())].rsplitn(4, '/').last().unwrap().to_owned();
        for prefix in ["".to_owned(), "AWSLogs/".to_owned(), format!("{folder}/")] {
            script.insert(format!("list {prefix}"), random.script(&of_listings));
        }
        let server = Faulty::start(archive.clone(), Plan { script: script.clone(), ..Plan::default() });
        let (status, report, said) = report(&server, &["--s3-get", way, "--s3-timeout", "1s", "--s3-attempts", "5"]);
        assert_eq!(status, 0, "seed {seed}: {said}");
        assert_eq!(report.unwrap(), clean, "seed {seed}");
        let unmet = server.unmet();
        assert!(unmet.is_empty(), "seed {seed}: faults that were never met: {unmet:?}");
    }
}

#[test]
fn what_is_not_is_named_and_counted() {
    let archive = archive();
    let keys = logs(&archive);
    let clean = clean();
    let faults = [
        (Fault::Refuse(403, "AccessDenied"), "hint: the credentials need `s3:GetObject`"),
        (Fault::Refuse(404, "NoSuchKey"), "hint: it was deleted after being listed"),
        (Fault::Refuse(403, "InvalidObjectState"), "hint: it is in an archive storage class"),
        (Fault::Refuse(400, "ExpiredToken"), "hint: the credentials are wrong or have expired"),
        (Fault::Refuse(403, "RequestTimeTooSkewed"), "hint: this machine's clock is wrong"),
        (Fault::Refuse(500, "InternalError"), "InternalError: in words"),
        (Fault::Replaced, "hint: it was replaced after being listed"),
        (Fault::Truncate, "the download broke off: "),
        (Fault::Endless, "were listed: it changed"),
        (Fault::Longer, "were listed: it changed"),
        (Fault::Shorter, "were listed: it changed"),
        (Fault::Flipped, "checksum"),
        (Fault::Silence, "could not download it: "),
        (Fault::Stall, "the download "),
        (Fault::Proxy(503), "could not download it: HTTP status 503"),
        (Fault::Noise, "could not download it: "),
    ];
    for (seed, way) in [1, 2].into_iter().zip(WAYS) {
        let mut random = Random(seed);
        let mut wanted = BTreeMap::new();
        let (mut script, mut for_ever) = (Script::new(), BTreeSet::new());
        for (fault, words) in &faults {
            let key = loop {
                let key = random.pick(&keys);
                if for_ever.insert(key.clone()) {
                    break key;
                }
            };
            script.insert(key.clone(), vec![fault.clone()]);
            wanted.insert(format!("s3://trail/{key}"), words);
        }
        let server = Faulty::start(archive.clone(), Plan { script, for_ever, from: None });
        let (status, report, said) = report(&server, &["--s3-get", way, "--s3-timeout", "2s", "--s3-attempts", "2"]);
        assert_eq!(status, 3, "seed {seed}: {said}");
        let report = report.unwrap();
        let [listed, read, failed, skipped] = coverage(&report);
        let [clean_listed, clean_read, _, clean_skipped] = coverage(&clean);
        let lost = u64::try_from(faults.len()).unwrap();
        assert_eq!([listed, read, failed, skipped], [clean_listed, clean_read - lost, lost, clean_skipped]);
        assert_eq!(report["coverage"]["complete"], false);
        let failures = report["coverage"]["failures"].as_array().unwrap();
        assert_eq!(failures.len(), wanted.len());
        for (failure, (name, words)) in failures.iter().zip(&wanted) {
            assert_eq!(failure["object"], name.as_str());
            let error = failure["error"].as_str().unwrap();
            assert!(error.contains(**words), "seed {seed}: {name}: {error}");
        }
    }
}

#[test]
fn credentials_that_expire_on_the_way_lose_what_is_left_and_say_so() {
    let archive = archive();
    let plan = Plan { from: Some((20, Fault::Refuse(400, "ExpiredToken"))), ..Plan::default() };
    let (status, report, said) = report(&Faulty::start(archive, plan), &["--s3-attempts", "2"]);
    assert_eq!(status, 3, "{said}");
    let report = report.unwrap();
    let [_, read, failed, _] = coverage(&report);
    assert_eq!(read, 20);
    assert!(failed > 20);
    let failures = report["coverage"]["failures"].as_array().unwrap();
    assert!(failures.iter().all(|failure| failure["error"].as_str().unwrap().contains("ExpiredToken")), "{failures:?}");
}

#[test]
fn a_listing_that_cannot_be_trusted_ends_the_run() {
    for (fault, words) in [
        (Fault::Refuse(403, "AccessDenied"), "hint: the credentials need `s3:ListBucket`"),
        (Fault::Refuse(404, "NoSuchBucket"), "hint: check the bucket name"),
        (Fault::Refuse(400, "ExpiredToken"), "hint: the credentials are wrong or have expired"),
        (Fault::Refuse(403, "RequestTimeTooSkewed"), "hint: this machine's clock is wrong"),
        (Fault::Refuse(503, "SlowDown"), "SlowDown: in words"),
        (Fault::NoToken, "a page says there are more results, but has no marker for them"),
        (Fault::SamePage, "out of order or repeated"),
        (Fault::Truncate, "could not list `s3://trail/"),
        (Fault::Silence, "could not list `s3://trail/"),
        (Fault::Endless, "could not list `s3://trail/"),
    ] {
        let name = "list AWSLogs/".to_owned();
        let script = Script::from([(name.clone(), vec![fault.clone()])]);
        let plan = Plan { script, for_ever: BTreeSet::from([name]), from: None };
        let server = Faulty::start(archive(), plan);
        let (status, report, said) = report(&server, &["--s3-timeout", "3s", "--s3-attempts", "2"]);
        assert_eq!((status, &report), (4, &None), "{fault:?}: {said}");
        assert!(said.starts_with("error: could not list `s3://trail/AWSLogs/`: "), "{fault:?}: {said}");
        assert!(said.contains(words), "{fault:?}: {said}");
    }
}

/// Keys that anyone who can write to the bucket may choose.
#[test]
fn keys_with_odd_characters_are_keys() {
    let record = |id: usize| {
        format!(
            r#"{{"Records":[{{"eventTime":"2026-10-05T08:00:00Z","eventSource":"iam.amazonaws.com","eventName":"EnableMFADevice","eventID":"{id}","awsRegion":"us-east-1","recipientAccountId":"111122223333"}}]}}"#
        )
        .into_bytes()
    };
    let odd = [
        "a+b.json",
        "a b.json",
        "é ü 漢.json",
        "50%.json",
        "50%25.json",
        "%2F%2e%2e.json",
        "line\nbreak.json",
        "tab\tand\rreturn.json",
        "bell\u{7}and\u{1b}[31mred.json",
        "nul\u{1}.json",
        "<b>&amp;\"quoted\"'.json",
        "a//b///c.json",
        "../up.json",
        "./here.json",
        "trailing space .json ",
        "?query=1&x=#fragment.json",
        "\u{202e}gnp.json",
        "AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/05/a b+c%20d\n.json",
    ];
    let archive: BTreeMap<String, Vec<u8>> =
        odd.iter().enumerate().map(|(id, key)| ((*key).to_owned(), record(id))).collect();
    let server = Faulty::start(archive, Plan::default());
    let ran = finish(against(&server).args(["search", "s3://trail", "-v"]));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), odd.len(), "{}\n{}", ran.stdout, ran.stderr);
    assert!(!ran.stderr.contains(['\u{7}', '\u{1b}']), "{:?}", ran.stderr);
    // Those that fail are named, and cannot write to the terminal either.
    let script = odd.iter().map(|key| ((*key).to_owned(), vec![Fault::Refuse(403, "AccessDenied")])).collect();
    let archive = odd.iter().map(|key| ((*key).to_owned(), b"{}".to_vec())).collect();
    let for_ever = odd.iter().map(ToString::to_string).collect();
    let server = Faulty::start(archive, Plan { script, for_ever, from: None });
    let ran = finish(against(&server).args(["search", "s3://trail", "-vv"]));
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("18 failed"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(['\u{7}', '\u{1b}', '\r', '\u{202e}']), "{:?}", ran.stderr);
}

/// Whoever may write to the bucket chooses the names of its folders, and so what an error quotes.
#[test]
fn an_error_cannot_write_to_the_terminal() {
    let folder = "\u{1b}]0;owned\u{7}\u{202e}";
    let archive = BTreeMap::from([(format!("{folder}/a.json"), b"{}".to_vec())]);
    let name = format!("list {folder}/");
    let script = Script::from([(name.clone(), vec![Fault::Refuse(403, "AccessDenied")])]);
    let server = Faulty::start(archive, Plan { script, for_ever: BTreeSet::from([name]), from: None });
    let ran = finish(against(&server).args(["search", "s3://trail"]));
    assert_eq!(ran.status, 4);
    assert!(ran.stderr.contains("could not list `s3://trail/") && ran.stderr.contains("owned"), "{:?}", ran.stderr);
    assert!(!ran.stderr.contains(['\u{7}', '\u{1b}', '\u{202e}']), "{:?}", ran.stderr);
    #[cfg(unix)]
    {
        let home = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", home.path().join("\u{1b}[2Jgone.json")).unwrap();
        let mut command = mfatrail();
        command.arg("report").arg(home.path()).args(["--month", "2026-10", "--dry-run"]);
        let ran = finish(&mut command);
        assert_eq!(ran.status, 3);
        assert!(ran.stderr.contains("gone.json") && !ran.stderr.contains('\u{1b}'), "{:?}", ran.stderr);
    }
}

#[test]
fn only_these_calls_are_made() {
    let server = Faulty::start(archive(), Plan::default());
    let (status, _, said) = report(&server, &[]);
    assert_eq!(status, 0, "{said}");
    let made: BTreeSet<(String, String)> =
        server.log().into_iter().map(|request| (request.method, request.operation)).collect();
    // `s3:ListBucket` and `s3:GetObject`: what the README says is needed.
    let get = |operation: &str| ("GET".to_owned(), operation.to_owned());
    assert_eq!(made, BTreeSet::from([get("GetObject"), get("ListObjectsV2")]));
}

#[test]
fn no_secret_is_told_however_much_is_logged() {
    let archive = archive();
    let key = logs(&archive)[0].clone();
    let script = Script::from([(key, vec![Fault::Refuse(503, "SlowDown"), Fault::Truncate])]);
    let server = Faulty::start(archive, Plan { script, ..Plan::default() });
    for arguments in [&["-vvv"][..], &["-vv", "--log-format", "json"]] {
        let mut command = against(&server);
        command.env("RUST_LOG", "trace").args(["search", "s3://trail", "--event-name", "None"]).args(arguments);
        let ran = finish(&mut command);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert!(ran.stderr.len() > 10_000, "there is a log: {}", ran.stderr);
        for secret in ["an-example-of-a-secret", "an-example-of-a-token"] {
            let told: Vec<&str> = ran.stderr.lines().filter(|line| line.contains(secret)).collect();
            assert!(told.is_empty(), "{secret} in: {}", told[0]);
        }
    }
}

#[test]
fn a_log_says_what_was_repeated() {
    let archive = archive();
    let key = logs(&archive)[0].clone();
    let script = Script::from([(key.clone(), vec![Fault::Refuse(503, "SlowDown"), Fault::Truncate])]);
    let server = Faulty::start(archive, Plan { script: script.clone(), ..Plan::default() });
    let ran = finish(against(&server).args(["search", "s3://trail", "--event-name", "None", "-v"]));
    assert!(ran.stderr.contains("repeated=1"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(&key), "an object that was read in the end is no news: {}", ran.stderr);
    let archive = self::archive();
    let server = Faulty::start(archive, Plan { script, ..Plan::default() });
    let arguments = ["search", "s3://trail", "--event-name", "None", "-vv", "--log-format", "json"];
    let ran = finish(against(&server).args(arguments));
    let lines: Vec<Value> = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let failed = lines.iter().find(|line| line["fields"]["message"] == "fetching failed").unwrap();
    assert_eq!((failed["fields"]["key"].as_str(), failed["fields"]["attempt"].as_u64()), (Some(key.as_str()), Some(1)));
    let span = failed["span"]["object"].as_str().unwrap();
    assert!(span.contains(&key), "each line has its object: {span}");
    assert!(ran.stderr.contains("0 events found"), "what is not the log stays as it is");
    let wrong = finish(mfatrail().env("RUST_LOG", "mfatrail=loud").args(["search", "fixtures/archive"]));
    assert_eq!(wrong.status, 2);
    assert!(wrong.stderr.contains("`RUST_LOG`") && wrong.stderr.contains("hint: "), "{}", wrong.stderr);
}

/// Sends a signal once the run is under way. Its standard input stays open until it has ended.
#[cfg(unix)]
fn signaled(command: &mut Command, signal: &str, under_way: impl Fn() -> bool) -> Ran {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _open = child.stdin.take();
    let start = Instant::now();
    while !under_way() {
        assert!(start.elapsed() < HANG, "it never got under way");
        std::thread::sleep(Duration::from_millis(5));
    }
    let kill = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    end(child)
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_run_that_waits_for_an_object_and_leaves_all_as_it_was() {
    let archive = archive();
    let keys = logs(&archive);
    // The first objects come, and then one that never does.
    let script = || Script::from([(keys[30].clone(), vec![Fault::Silence])]);
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("report");
    let earlier = finish(
        against(&Faulty::start(archive.clone(), Plan::default()))
            .args(["report", "s3://trail"])
            .args(OCTOBER)
            .arg("--out")
            .arg(&out),
    );
    assert_eq!(earlier.status, 0, "{}", earlier.stderr);
    let before = fs::read(out.join("report.json")).unwrap();
    for (signal, expected, search) in [("-INT", 130, false), ("-TERM", 143, false), ("-INT", 130, true)] {
        let server = Faulty::start(archive.clone(), Plan { script: script(), ..Plan::default() });
        let mut command = against(&server);
        match search {
            true => command.args(["search", "s3://trail"]),
            false => command.args(["report", "s3://trail"]).args(OCTOBER).arg("--out").arg(&out),
        };
        let asked = || server.log().iter().any(|request| request.key == keys[30]) && server.log().len() > 60;
        let ran = signaled(&mut command, signal, asked);
        assert_eq!(ran.status, expected, "{}", ran.stderr);
        // Whoever waits for an object until patience ends asks for it again.
        assert_eq!(server.log().iter().filter(|request| request.key == keys[30]).count(), 1, "it waited");
        assert!(ran.stderr.starts_with("interrupted: "), "{}", ran.stderr);
        // What does not stop by itself in time is ended, and says so.
        let ends = [" had been read (", "nothing more was written"];
        assert!(ends.iter().any(|end| ran.stderr.contains(end)), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
        assert_eq!(fs::read(out.join("report.json")).unwrap(), before, "the earlier report is as it was");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "and nothing lies beside it");
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_stop_by_itself_is_ended_too() {
    // A scan that waits for standard input, which nobody closes.
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("report");
    let mut command = mfatrail();
    command.args(["report", "-", "--month", "2026-10", "--out"]).arg(&out).stdin(Stdio::piped());
    let made = || fs::read_dir(home.path()).unwrap().count() > 0;
    let ran = signaled(&mut command, "-INT", made);
    assert_eq!(ran.status, 130, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("interrupted: "), "{}", ran.stderr);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left");
}

/// A shell in which files can grow to `blocks` of 512 or 1024 bytes, and in which that is an error and no signal.
#[cfg(unix)]
fn with_full_disk(blocks: u32, binary: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""));
    shell.arg(binary.get_program()).args(binary.get_args()).current_dir(root());
    shell
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_all_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("report");
    let mut first = mfatrail();
    first.args(["report", "s3://trail"]).args(OCTOBER).arg("--out").arg(&out);
    let on_disk: Vec<_> = first
        .get_args()
        .map(|argument| if argument == "s3://trail" { "fixtures/archive".as_ref() } else { argument }.to_owned())
        .collect();
    let mut report = mfatrail();
    report.args(&on_disk);
    assert_eq!(finish(&mut report).status, 0);
    let before = fs::read(out.join("report.json")).unwrap();
    // The first files fit, the later ones do not.
    for blocks in [0, 1, 20, 60] {
        let ran = finish(&mut with_full_disk(blocks, &report));
        assert_eq!(ran.status, 4, "{}", ran.stderr);
        assert!(ran.stderr.contains("could not write `"), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: free disk space there"), "{}", ran.stderr);
        assert_eq!(fs::read(out.join("report.json")).unwrap(), before, "the earlier report is as it was");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "and nothing lies beside it");
    }
    // A bundle, and one that is unpacked.
    let bundle = home.path().join("bundle.zip");
    let mut bundled = mfatrail();
    bundled.args(&on_disk).arg("--bundle").arg(&bundle);
    let ran = finish(&mut with_full_disk(60, &bundled));
    assert_eq!(ran.status, 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("could not write `") && ran.stderr.contains("hint: free disk space there"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("ZipWriter"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing lies beside the report");
    assert_eq!(finish(&mut bundled).status, 0);
    let mut again = mfatrail();
    again.args(["report", "--from-bundle"]).arg(&bundle).arg("--out").arg(home.path().join("again"));
    let ran = finish(&mut with_full_disk(8, &again));
    assert_eq!(ran.status, 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("could not unpack into `") && ran.stderr.contains("hint: free space"),
        "{}",
        ran.stderr
    );
    assert!(!home.path().join("again").exists());
}

/// More calls by users than are kept in memory go to a temporary file; where that cannot be written the run fails, and says so.
#[cfg(unix)]
#[test]
fn calls_that_cannot_be_put_away_end_the_run() {
    let home = tempfile::tempdir().unwrap();
    let mut text = String::from("{\"Records\":[");
    for number in 0..70_000 {
        let comma = if number > 0 { "," } else { "" };
        write!(text, r#"{comma}{{"eventTime":"2026-10-05T08:00:00Z","eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.7","eventID":"00000000-0000-0000-0000-{number:012x}","recipientAccountId":"111122223333","userIdentity":{{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::111122223333:user/kim","accountId":"111122223333","userName":"kim"}}}}"#).unwrap();
    }
    text.push_str("]}");
    let archive = home.path().join("records.json");
    fs::write(&archive, text).unwrap();
    let out = home.path().join("report");
    let mut report = mfatrail();
    report.arg("report").arg(&archive).args(["--month", "2026-10", "--format", "json", "--out"]).arg(&out);
    let ran = finish(&mut with_full_disk(60, &report));
    assert_eq!(ran.status, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("temporary") && ran.stderr.contains("hint: "), "{}", ran.stderr);
    assert!(!out.exists());
    assert_eq!(finish(&mut report).status, 0);
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_is_no_failure_and_a_full_device_is_one() {
    let shell = |script: &str| {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).arg(mfatrail().get_program()).current_dir(root());
        finish(&mut shell)
    };
    for quiet in [
        "\"$0\" search fixtures/archive | head -c 10 >&2",
        "\"$0\" report --help | head -n 1 >/dev/null",
        "\"$0\" --help | true",
        "\"$0\" search fixtures/archive 2>&1 >/dev/null | true",
        "\"$0\" search fixtures/archive -vv 2>&1 >/dev/null | true",
        "\"$0\" search fixtures/archive >/dev/null 2>&-",
    ] {
        let ran = shell(quiet);
        assert_eq!(ran.status, 0, "{quiet}: {}", ran.stderr);
        assert!(!ran.stderr.contains("panic") && !ran.stderr.contains("roken pipe"), "{quiet}: {}", ran.stderr);
    }
    if Path::new("/dev/full").exists() {
        let ran = shell("\"$0\" search fixtures/archive >/dev/full");
        assert_eq!(ran.status, 4, "{}", ran.stderr);
        assert!(ran.stderr.contains("could not write the search results: "), "{}", ran.stderr);
    }
}

/// Commands that print, each once in every form that it has; `store` is a store that was watched.
#[cfg(unix)]
const PRINTING: [&str; 24] = [
    "--help",
    "watch replay --help",
    "search fixtures/archive",
    "search fixtures/archive --format csv",
    "search fixtures/archive --format table",
    "verify fixtures/archive",
    "verify fixtures/archive --format json",
    "scan fixtures/archive --store STORE --format json",
    "store --store STORE",
    "store --store STORE --format json",
    "store check --store STORE --format json",
    "history --store STORE",
    "history --store STORE --format json",
    "history --store STORE --format ndjson",
    "history --store STORE --format csv",
    "report --store STORE --month 2026-10 --out OUT",
    "report --store STORE --month 2026-10 --out OUT --summary json",
    "watch incidents --store STORE",
    "watch incidents --store STORE --format json",
    "watch incidents --store STORE --open --format json",
    "watch replay --config examples/watch.toml --store STORE --from 2026-10-01",
    "watch replay --config examples/watch.toml --store STORE --from 2026-10-01 --format json",
    "generate completions bash",
    "generate iam-policy -- report s3://trail-bucket --month 2026-10",
];

#[cfg(unix)]
#[test]
fn whoever_has_read_enough_fails_no_command_and_a_full_device_fails_every_one() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store").display().to_string();
    let command = |line: &str| {
        let mut command = mfatrail();
        let out = home.path().join("out").display().to_string();
        command.args(line.split(' ').map(|word| word.replace("STORE", &store).replace("OUT", &out)));
        command.env("SOURCE_DATE_EPOCH", "1793577600").stderr(Stdio::piped());
        command
    };
    let watch = "watch --config examples/watch.toml --store STORE --once --from 2026-10-01";
    assert_eq!(finish(&mut command(watch)).status, 0);
    for line in PRINTING {
        let read = finish(&mut command(line));
        assert!(read.status == 0 || read.status == 3, "{line}: {}", read.stderr);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let gone = Ran::from(command(line).stdout(writer).output().unwrap());
        assert_eq!(gone.status, if line.starts_with("search") { 0 } else { read.status }, "{line}: {}", gone.stderr);
        assert!(!gone.stderr.contains("roken pipe") && !gone.stderr.contains("panic"), "{line}: {}", gone.stderr);
        if Path::new("/dev/full").exists() && !line.contains("--help") {
            let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
            let full = Ran::from(command(line).stdout(full).output().unwrap());
            assert_eq!(full.status, 4, "{line}: {}", full.stderr);
            assert!(full.stderr.contains("could not write "), "{line}: {}", full.stderr);
        }
    }
}

/// Objects made to inflate hugely, more of them than there is memory for at once: one at a time is refused, and named.
#[cfg(target_os = "linux")]
#[test]
fn many_bombs_take_the_memory_of_one() {
    use std::io::Write as _;
    let home = tempfile::tempdir().unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..400 {
        encoder.write_all(&spaces).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    for number in 0..8 {
        fs::write(home.path().join(format!("{number}.json.gz")), &bomb).unwrap();
    }
    // Address space, the program's own 200 MiB and its threads' stacks included; eight at once would take 3 GiB.
    let mut shell = Command::new("sh");
    shell.arg("-c").arg("ulimit -v 1500000; exec \"$0\" \"$@\"").arg(mfatrail().get_program());
    shell.args(["search", "--threads", "8", "--inflate-limit", "384MiB"]).arg(home.path());
    let ran = finish(shell.env("MALLOC_ARENA_MAX", "2"));
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("inflates to more than the limit of 384MiB").count(), 8, "{}", ran.stderr);
}

/// Every object denied, or all but those that `allowed` is true for.
fn denied(allowed: impl Fn(usize) -> bool) -> Faulty {
    let archive = archive();
    let keys = archive.keys().filter(|key| key.contains("/CloudTrail/"));
    let keys: Vec<String> = keys.enumerate().filter(|(at, _)| !allowed(*at)).map(|(_, key)| key.clone()).collect();
    let script = keys.iter().map(|key| (key.clone(), vec![Fault::Refuse(403, "AccessDenied")])).collect();
    Faulty::start(archive, Plan { script, for_ever: keys.into_iter().collect(), ..Plan::default() })
}

#[test]
fn where_nothing_may_be_read_the_first_objects_tell() {
    let server = denied(|_| false);
    let began = server.log().len();
    let (status, report_json, said) = report(&server, &[]);
    assert_eq!((status, report_json), (4, None), "{said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.contains("denied")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    assert!(said.contains("each of the first ") && said.contains("s3:GetObject"), "{said}");
    let gets = server.log().iter().skip(began).filter(|request| request.operation == "GetObject").count();
    assert!((50..200).contains(&gets), "{gets}");
    // One that may be read is worth the rest; and few denials are failures like others.
    let (status, report_json, said) = report(&denied(|at| at % 5 == 0), &[]);
    assert_eq!(status, 3, "{said}");
    assert!(coverage(&report_json.expect("a report"))[2] > 50, "{said}");
}

#[test]
fn a_dry_run_tries_whether_objects_may_be_read() {
    let run =
        |server: &Faulty| finish(against(server).args(["report", "s3://trail", "--month", "2026-10", "--dry-run"]));
    let allowed = Faulty::start(archive(), Plan::default());
    let ran = run(&allowed);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let gets = |server: &Faulty| server.log().iter().filter(|one| one.operation == "GetObject").count();
    assert_eq!(gets(&allowed), 1);
    let refused = denied(|_| false);
    let ran = run(&refused);
    assert_eq!((ran.status, gets(&refused)), (3, 1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("access was checked with this object: could not download it: AccessDenied"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains(" objects, "), "what would be read is told all the same: {}", ran.stdout);
}

#[test]
fn a_misspelt_profile_is_answered_with_those_that_there_are() {
    let home = tempfile::tempdir().unwrap();
    let (config, credentials) = (home.path().join("config"), home.path().join("credentials"));
    fs::write(&config, "[default]\nregion = us-east-1\n[profile audit-prod]\nregion = us-east-1\n[sso-session corp]\n")
        .unwrap();
    fs::write(&credentials, "[staging]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = x\n").unwrap();
    let snapshot = home.path().join("iam.json");
    let commands: [&[&str]; 3] = [
        &["search", "s3://trail"],
        &["report", "s3://trail", "--month", "2026-10", "--dry-run"],
        &["iam", "snapshot", "--out", snapshot.to_str().unwrap()],
    ];
    for command in commands {
        for (profile, told) in [
            ("audit-prd", "did you mean audit-prod? it has audit-prod, default, staging"),
            ("corp", "it has audit-prod, default, staging"),
        ] {
            let mut run = mfatrail();
            run.env("AWS_CONFIG_FILE", &config).env("AWS_SHARED_CREDENTIALS_FILE", &credentials);
            let ran = finish(run.args(command).args(["--profile", profile]));
            assert!(ran.status == 2 && ran.stderr.contains(told), "{command:?}: {}", ran.stderr);
        }
    }
}

#[test]
fn the_log_tells_what_was_read_of_a_local_archive() {
    let ran = finish(mfatrail().args(["search", "fixtures/archive", "--text", "nowhere", "-v"]));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    for told in ["reading source=\"fixtures/archive\"", "read folders=", " objects=215 ", "inflated=3.3 MiB"] {
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
}

/// Everything below a folder, members of zip files included, as bytes.
fn everything(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, bytes) in objects(folder) {
        if name.ends_with(".zip") {
            let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
            for at in 0..zip.len() {
                let mut member = zip.by_index(at).unwrap();
                let mut content = Vec::new();
                std::io::Read::read_to_end(&mut member, &mut content).unwrap();
                all.push((format!("{name}/{}", member.name().unwrap()), content));
            }
        }
        all.push((name, bytes));
    }
    all
}

/// A password in an endpoint's address is nobody's business: it is neither sent nor shown, wherever the address comes from,
/// whatever is asked for, and however the run ends.
#[test]
fn a_password_in_an_address_is_shown_nowhere() {
    let server = Faulty::start(archive(), Plan::default());
    let host = server.endpoint.trim_start_matches("http://").to_owned();
    let closed = "127.0.0.1:9".to_owned();
    let month = ["--month", "2026-10"];
    for (place, address, works) in [
        ("--endpoint-url", format!("http://user:hunter2@{host}"), true),
        ("AWS_ENDPOINT_URL", format!("http://user:hunter2@{host}"), true),
        ("AWS_ENDPOINT_URL_S3", format!("http://user:hunter2@{host}"), true),
        ("profile", format!("http://user:hunter2@{host}"), true),
        ("--endpoint-url", format!("http://user:hunter2@{closed}"), false),
        ("AWS_ENDPOINT_URL", format!("http://user:hunter2@{closed}"), false),
        ("--endpoint-url", format!("http://user:with blank hunter2@{host}"), true),
        ("AWS_ENDPOINT_URL_S3", format!("http://user:slash/hunter2@{host}"), false),
        ("--endpoint-url", format!("user:hunter2@{host}"), false),
        ("profile", format!("user:hunter2@{host}"), false),
        ("SOURCE", format!("http://user:hunter2@{host}/trail"), false),
        ("SOURCE", "s3://user:hunter2@trail".to_owned(), false),
    ] {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        let (out, bundle, store, snapshot) = (at("out"), at("out.zip"), at("store"), at("iam.json"));
        let source = if place == "SOURCE" { address.as_str() } else { "s3://trail" };
        let mut commands = vec![
            [&["report", source, "--dry-run"], &month[..]].concat(),
            [&["report", source, "--out", &out, "--bundle", &bundle], &month[..]].concat(),
            vec!["scan", source, "--store", &store],
            vec!["verify", source],
            vec!["search", source, "--event-name", "DeactivateMFADevice"],
        ];
        // Where nobody answers, IAM is asked again for a minute.
        if place != "SOURCE" && place != "profile" && !address.ends_with(&closed) {
            commands.push(vec!["iam", "snapshot", "--out", &snapshot]);
        }
        for log in [&[][..], &["-v"], &["-vvv"], &["-vvv", "--log-format", "json"]] {
            // One is enough where nothing is reached, and two where it is told what is done.
            let many = if log.is_empty() {
                commands.len()
            } else if works {
                2
            } else {
                1
            };
            for arguments in commands.iter().take(many) {
                let mut command = mfatrail();
                command
                    .args(arguments)
                    .args(log)
                    .args(
                        (arguments[0] != "iam")
                            .then_some(["--s3-attempts", "1", "--s3-timeout", "30s"])
                            .into_iter()
                            .flatten(),
                    )
                    .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
                    .env("AWS_SECRET_ACCESS_KEY", "an-example")
                    .env("AWS_REGION", "us-east-1");
                match place {
                    "SOURCE" => {}
                    "--endpoint-url" => drop(command.args([place, &address])),
                    "profile" => {
                        let config = home.path().join("config");
                        fs::write(&config, format!("[default]\nendpoint_url = {address}\n")).unwrap();
                        command.env("AWS_CONFIG_FILE", &config);
                    }
                    variable => drop(command.env(variable, &address)),
                }
                let ran = finish(&mut command);
                let told =
                    format!("{place} {address} {arguments:?} {log:?}: {}\n{}\n{}", ran.status, ran.stdout, ran.stderr);
                assert!(!told.replace(&address, "").contains("hunter2"), "{told}");
                let reads = ["report", "scan", "search"].contains(&arguments[0]);
                assert!(
                    if works && reads { [0, 3].contains(&ran.status) } else { [2, 3, 4].contains(&ran.status) },
                    "{told}"
                );
            }
        }
        let _gone = fs::remove_file(home.path().join("config"));
        for (name, bytes) in everything(home.path()) {
            assert!(memchr::memmem::find(&bytes, b"hunter2").is_none(), "{name}");
        }
    }
}
