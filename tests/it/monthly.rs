//! A month from beginning to end: six generated months, killed at every step and run again; nothing is done twice; what is wrong is
//! said before anything is done.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::{Value, json};

use mfatrail::store::{Holder, Writer};

use crate::support::digests::{Bucket, Signer, Trail};
use crate::support::run::{self, Ran, mfatrail};
use crate::support::s3::{Faults, S3};
use crate::support::store::{files, wait_for_lock};
use crate::watch::{Receiver, SECRET};

const ACCOUNT: &str = "111122223333";
const MONTHS: [&str; 6] = ["2026-05", "2026-06", "2026-07", "2026-08", "2026-09", "2026-10"];

fn user_identity(name: &str) -> Value {
    json!({"type": "IAMUser", "principalId": format!("AIDA{}", name.to_uppercase()), "accountId": ACCOUNT, "userName": name,
        "arn": format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
        "sessionContext": {"attributes": {"mfaAuthenticated": "true", "creationDate": "2026-05-01T00:00:00Z"}}})
}

fn record(month: &str, day: u32, hour: u32, event: &str, user: &str, by: &str) -> Value {
    let serial = format!("arn:aws:iam::{ACCOUNT}:mfa/{user}");
    let at = format!("{month}-{day:02}T{hour:02}:00:00Z");
    let mut parameters = json!({"userName": user});
    if event.ends_with("MFADevice") {
        parameters["serialNumber"] = serial.into();
    }
    let response = if event == "CreateUser" {
        json!({"user": {"userName": user, "userId": format!("AIDA{}", user.to_uppercase())}})
    } else {
        Value::Null
    };
    json!({
        "eventVersion": "1.08", "userIdentity": user_identity(by), "eventTime": at, "eventSource": "iam.amazonaws.com",
        "eventName": event, "awsRegion": "us-east-1", "sourceIPAddress": "192.0.2.7", "userAgent": "aws-cli/2.17",
        "requestParameters": parameters, "responseElements": response, "eventID": format!("{month}-{event}-{user}-{day}"),
        "readOnly": false, "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": ACCOUNT,
    })
}

/// Six months of an account: in each a user comes, gets a device, loses it, and gets it back a month later; the last ones do not.
static ARCHIVE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let home = tempfile::tempdir().unwrap();
    for (at, month) in MONTHS.iter().enumerate() {
        let user = format!("user{at}");
        let mut days: BTreeMap<u32, Vec<Value>> = BTreeMap::new();
        let mut add = |day, hour, event: &str, user: &str, by: &str| {
            days.entry(day).or_default().push(record(month, day, hour, event, user, by));
        };
        add(3, 8, "CreateUser", &user, "admin");
        add(3, 9, "CreateLoginProfile", &user, "admin");
        add(4, 8, "EnableMFADevice", &user, &user);
        add(10 + at as u32, 8, "DeactivateMFADevice", &user, "admin");
        if at > 0 && at < 5 {
            add(20, 8, "EnableMFADevice", &format!("user{}", at - 1), "admin");
        }
        for (day, records) in days {
            let date = month.replace('-', "/");
            let folder = home.path().join(format!("AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{date}/{day:02}"));
            fs::create_dir_all(&folder).unwrap();
            let stamp = format!("{}{day:02}T1005Z", month.replace('-', ""));
            let name = format!("{ACCOUNT}_CloudTrail_us-east-1_{stamp}_abcdefghijklmnop.json.gz");
            fs::write(folder.join(name), json!({"Records": records}).to_string()).unwrap();
        }
    }
    home
});

/// A home with a store that has an IAM snapshot after each month, and a watch's configuration.
struct Home {
    home: tempfile::TempDir,
    receiver: Receiver,
}

impl Home {
    fn new() -> Self {
        Self::answering(|_| Some("200 OK"))
    }

    fn answering(answer: impl Fn(usize) -> Option<&'static str> + Send + Sync + 'static) -> Self {
        let receiver = Receiver::new(answer);
        let home = tempfile::tempdir().unwrap();
        let config = format!(
            "[[input]]\nkind = \"archive\"\nsource = {:?}\n\n[[channel]]\nname = \"soc\"\nkind = \"webhook\"\nurl = \"{}\"\nsecret = \"env:SOC_SECRET\"\n",
            ARCHIVE.path(),
            receiver.url
        );
        fs::write(home.path().join("watch.toml"), config).unwrap();
        let holder = Holder { pid: 1, command: "test".to_owned(), started_at: "2026-05-01T00:00:00Z".parse().unwrap() };
        let mut writer = Writer::open(home.path().join("store"), &holder).unwrap();
        for at in 0..MONTHS.len() {
            let taken_at = format!("2026-{:02}-02T05:00:00Z", at + 6);
            let users: Vec<Value> = (0..=at)
                .map(|one| json!({"name": format!("user{one}"), "password": true, "mfa_active": one + 1 < at && one < 4}))
                .collect();
            let accounts = json!({ACCOUNT: {"users": users, "users_complete": true, "root": {"mfa_active": true}}});
            let text =
                json!({"schema": "mfatrail.iam-snapshot/1", "taken_at": taken_at, "missing": [], "accounts": accounts});
            writer.keep_iam(taken_at.parse().unwrap(), 1, text.to_string().into_bytes()).unwrap();
        }
        drop(writer);
        wait_for_lock(&home.path().join("store"));
        Self { home, receiver }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn command(&self, month: &str, more: &[&str]) -> Command {
        let mut command = mfatrail();
        command
            .current_dir(self.home.path())
            .env("SOURCE_DATE_EPOCH", "1793577600")
            .env("SOC_SECRET", SECRET)
            .arg("monthly")
            .arg(ARCHIVE.path())
            .args(["--store", "store", "--into", "months", "--iam", "store", "--watch-config", "watch.toml"])
            .args(["--month", month])
            .args(more);
        command
    }

    fn ran(&self, month: &str, more: &[&str]) -> Ran {
        self.command(month, more).output().unwrap().into()
    }

    /// Runs until it has said so many lines, and kills it then; whether it was killed before its end.
    fn killed(&self, month: &str, lines: usize) -> bool {
        let mut child = self.command(month, &[]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let said = stderr.lines().take(lines).count();
        let _ended = child.kill();
        child.wait().unwrap();
        said == lines
    }

    /// The month's files, by name.
    fn files(&self, month: &str) -> BTreeMap<String, Vec<u8>> {
        let folder = self.path("months").join(month);
        let name = |path: &Path| path.strip_prefix(&folder).unwrap().display().to_string();
        files(&folder).iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
    }

    fn keys(&self) -> Vec<String> {
        self.receiver.got().iter().map(|one| one.key.clone()).collect()
    }
}

/// The members of a bundle by name, without the commits of its store, which tell when it was made and by whom.
fn members(bundle: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bundle)).unwrap();
    let mut members = BTreeMap::new();
    for at in 0..zip.len() {
        let mut member = zip.by_index(at).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut member, &mut bytes).unwrap();
        members.insert(member.name().unwrap().into_owned(), bytes);
    }
    members.retain(|name, _| !name.contains("/commits/") && name != "bundle.json");
    members
}

/// What differs between two months, by name.
fn differing(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
    names.sort();
    names.dedup();
    let same = |name: &String| match (one.get(name), other.get(name)) {
        (Some(one), Some(other)) if name == "evidence.zip" => members(one) == members(other),
        (one, other) => one == other,
    };
    names.into_iter().filter(|name| !same(name)).cloned().collect()
}

#[test]
fn six_months_that_are_killed_at_every_step_are_the_months_of_one_run() {
    let whole = Home::new();
    let broken = Home::new();
    let mut kills = 0;
    for month in MONTHS {
        let ran = whole.ran(month, &[]);
        assert_eq!(ran.status, 0, "{month}: {}", ran.stderr);
        let lines = ran.stderr.lines().count();
        assert!(lines >= 5, "{}", ran.stderr);
        for at in 0..lines {
            kills += usize::from(broken.killed(month, at));
        }
        let ran = broken.ran(month, &[]);
        assert_eq!(ran.status, 0, "{month}: {}", ran.stderr);
        let expected = whole.files(month);
        let found = broken.files(month);
        assert!(expected.contains_key("report/report.json") && expected.contains_key("summary.json"));
        assert_eq!(differing(&expected, &found), [""; 0], "{month}");
        assert_eq!(month != MONTHS[0], expected.contains_key("report/changes.txt"), "{month}");
    }
    assert!(kills > 20, "{kills}");
    // Each month was told once; what was under way when a process ended may have been told again.
    let mut once = whole.keys();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), 2 * MONTHS.len(), "an opening and its end: {once:?}");
    assert_eq!(whole.keys().len(), once.len());
    let mut again = broken.keys();
    again.sort();
    again.dedup();
    assert_eq!(once, again);
}

#[test]
fn nothing_is_done_twice() {
    let home = Home::new();
    let first = home.ran("2026-10", &["--summary", "json"]);
    assert_eq!(first.status, 0, "{}", first.stderr);
    let before = home.files("2026-10");
    let told = home.keys().len();
    let written = |name: &str| fs::metadata(home.path("months/2026-10").join(name)).unwrap().modified().unwrap();
    let times: Vec<_> =
        before.keys().filter(|name| *name != "state.json").map(|name| (name.clone(), written(name))).collect();
    let second = home.ran("2026-10", &["--summary", "json"]);
    assert_eq!(second.status, 0, "{}", second.stderr);
    let steps: Value = serde_json::from_str(&second.stdout).unwrap();
    let done: Vec<&str> =
        steps["steps"].as_array().unwrap().iter().map(|step| step["done"].as_str().unwrap()).collect();
    assert!(!done.contains(&"now") && !done.contains(&"failed"), "{steps:#}");
    assert_eq!(home.files("2026-10"), before);
    for (name, time) in times {
        assert_eq!(written(&name), time, "{name}");
    }
    assert_eq!(home.keys().len(), told, "nobody is told again");
    let [.., title, sentence] = &second.stderr.lines().collect::<Vec<_>>()[..] else { panic!("{}", second.stderr) };
    assert_eq!(
        (*title, *sentence),
        ("MFA exposure in October 2026: 2 open windows", "2 principals are still without MFA.")
    );
    assert_eq!(
        second.stderr.lines().count(),
        done.len() + 2,
        "one line each, and what the report says:\n{}",
        second.stderr
    );
    // The summary is about the report, whichever run made it.
    let summary: Value = serde_json::from_slice(&before["summary.json"]).unwrap();
    let report: Value = serde_json::from_slice(&before["report/report.json"]).unwrap();
    assert_eq!(summary["figures"], report["figures"]);
    assert_eq!((summary["status"].as_u64(), summary["month"].as_str()), (Some(0), Some("2026-10")));
    run::json(&home.path("months/2026-10/report"));
}

#[cfg(unix)]
#[test]
fn a_month_that_was_not_printed_is_printed_by_the_next_run() {
    let home = Home::new();
    let pdf = |script: &str, more: &[&str]| {
        let browser = run::browser(home.home.path(), script);
        home.ran("2026-10", &[&["--pdf", "--chromium", &browser], more].concat())
    };
    let prints = "for a in \"$@\"; do case $a in --print-to-pdf=*) printf '%%PDF-1.7' > \"${a#*=}\";; esac; done";
    let failed = pdf("echo 'cannot open display' >&2; exit 7", &[]);
    assert_eq!(failed.status, 4, "{}", failed.stderr);
    assert!(
        failed.stderr.contains("without report.pdf") && failed.stderr.contains("cannot open display"),
        "{}",
        failed.stderr
    );
    let without = home.files("2026-10");
    assert!(without.contains_key("report/index.html") && without.contains_key("evidence.zip"));
    assert!(!without.contains_key("report/report.pdf"));
    let told = home.keys().len();
    let printed = pdf(prints, &[]);
    assert_eq!(printed.status, 0, "{}", printed.stderr);
    let with = home.files("2026-10");
    assert_eq!(with["report/report.pdf"], b"%PDF-1.7");
    let manifest = String::from_utf8(with["report/MANIFEST.sha256"].clone()).unwrap();
    assert!(manifest.contains("  report.pdf"), "{manifest}");
    assert_eq!(with["report/report.json"], without["report/report.json"]);
    assert_eq!(home.keys().len(), told, "nobody is told again");
    let again = pdf("exit 7", &[]);
    assert_eq!(again.status, 0, "nothing is printed twice: {}", again.stderr);
    assert_eq!(home.files("2026-10"), with);
    // Another size of paper is another file.
    let letter = pdf("exit 7", &["--paper", "letter"]);
    assert_eq!(letter.status, 4, "{}", letter.stderr);
}

#[test]
fn late_evidence_makes_the_report_again_and_is_told() {
    let home = Home::new();
    assert_eq!(home.ran("2026-09", &[]).status, 0);
    assert_eq!(home.ran("2026-10", &[]).status, 0);
    let (before, told) = (home.files("2026-10"), home.keys().len());
    let late = home.path("late");
    fs::create_dir_all(&late).unwrap();
    let records = [record("2026-10", 28, 9, "DeactivateMFADevice", "user3", "admin")];
    fs::write(late.join("late.json"), json!({"Records": records}).to_string()).unwrap();
    let ran = home.ran("2026-10", &[late.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let after = home.files("2026-10");
    assert_ne!(before["report/report.json"], after["report/report.json"]);
    let report: Value = serde_json::from_slice(&after["report/report.json"]).unwrap();
    let codes: Vec<&str> =
        report["notices"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"restatement"), "{codes:?}");
    assert_eq!(home.keys().len(), told + 2, "what changed is told");
    // And again nothing is done twice: neither is the notice lost.
    let ran = home.ran("2026-10", &[late.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(home.files("2026-10"), after);
}

#[test]
fn a_channel_that_fails_is_told_by_the_next_run() {
    let home = Home::answering(|number| Some(if number < 1 { "503 Service Unavailable" } else { "200 OK" }));
    let ran = home.ran("2026-10", &[]);
    assert_eq!(ran.status, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("channel `soc` was not told") && ran.stderr.contains("hint:"), "{}", ran.stderr);
    assert!(home.path("months/2026-10/report/report.json").is_file(), "all else is done");
    let ran = home.ran("2026-10", &[]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(home.keys().len(), 3);
}

#[test]
fn conditions_and_incomplete_evidence_have_their_status() {
    let home = Home::new();
    let ran = home.ran("2026-10", &["--fail-on", "open-window"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("--fail-on open-window: "), "{}", ran.stderr);
    assert_eq!(home.ran("2026-10", &["--fail-on", "open-window"]).status, 1, "also where nothing is done again");
    let damaged = home.path("damaged");
    fs::create_dir_all(&damaged).unwrap();
    fs::write(damaged.join("x.json.gz"), b"\x1f\x8b\x08\x00damaged").unwrap();
    assert_eq!(home.ran("2026-10", &["--fail-on", "open-window", damaged.to_str().unwrap()]).status, 3);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_done() {
    let home = Home::new();
    let file = |name: &str, text: &str| {
        fs::write(home.path(name), text).unwrap();
        home.path(name).to_str().unwrap().to_owned()
    };
    let approvals = file("approvals.csv", "ticket,account\nx,7\n");
    let config = file("wrong.toml", "[[channel]]\nname = \"x\"\nkind = \"pigeon\"\n");
    let cases: [(&str, &str, &[&str], &str); 6] = [
        ("not over", "9000-01", &[], "`--month`"),
        ("no month", "October", &[], "`--month`"),
        ("approvals", "2026-10", &["--approvals", &approvals], "approvals.csv"),
        ("a channel", "2026-10", &["--watch-config", &config], "wrong.toml"),
        ("no bucket", "2026-10", &["--deliver", "out"], "`--deliver`"),
        ("a role for nothing", "2026-10", &["--iam-role", "Auditor"], "`--iam-role`"),
    ];
    for (what, month, more, needle) in cases {
        let mut command = home.command(month, &[]);
        if more.first() == Some(&"--watch-config") {
            command = mfatrail();
            command.current_dir(home.home.path()).arg("monthly").arg(ARCHIVE.path());
            command.args(["--store", "store", "--into", "months", "--month", month]);
        }
        let ran: Ran = command.args(more).output().unwrap().into();
        assert_eq!(ran.status, 2, "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains(needle), "{what}: {}", ran.stderr);
        assert!(!home.path("months").exists(), "{what}: nothing was made");
    }
    // A report of an earlier month that somebody changed.
    assert_eq!(home.ran("2026-09", &[]).status, 0);
    let place = home.path("months/2026-09/report/report.json");
    let text = fs::read_to_string(&place).unwrap().replace("\"objects_failed\": 0", "\"objects_failed\": 1");
    fs::write(&place, text).unwrap();
    let ran = home.ran("2026-10", &[]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("was changed after mfatrail wrote it"), "{}", ran.stderr);
    // A folder that holds something else.
    let own = home.path("months/2026-08/report");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("thesis.txt"), "years of work").unwrap();
    let ran = home.ran("2026-08", &[]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert_eq!(fs::read_to_string(own.join("thesis.txt")).unwrap(), "years of work");
}

#[test]
fn the_only_archive_of_a_configuration_is_meant() {
    let home = Home::new();
    let config =
        format!("[archive.prod]\nsource = {:?}\n\n[monthly]\ninto = \"months\"\nformat = [\"json\"]\n", ARCHIVE.path());
    fs::write(home.path("mfatrail.toml"), &config).unwrap();
    let run = |more: &[&str]| -> Ran {
        let mut command = mfatrail();
        command.current_dir(home.home.path()).env_remove("MFATRAIL_CONFIG");
        command.args(["monthly", "--store", "store", "--month", "2026-10"]).args(more).output().unwrap().into()
    };
    let ran = run(&[]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("archive.prod (SOURCE)"), "{}", ran.stderr);
    assert!(home.path("months/2026-10/report/report.json").is_file());
    // Of two, one has to be named.
    fs::write(home.path("mfatrail.toml"), format!("{config}\n[archive.test]\nsource = \"test\"\n")).unwrap();
    let ran = run(&[]);
    assert!(ran.stderr.contains("no SOURCE was named"), "{}", ran.stderr);
    assert_eq!(run(&["prod"]).status, 0);
}

#[test]
fn copies_go_to_a_bucket_once_and_overwrite_nobodys() {
    let home = Home::new();
    let s3 = S3::start();
    let deliver = |more: &[&str]| -> Ran {
        let mut command = home.command("2026-10", &[&["--deliver", "s3://audit-reports/mfa"], more].concat());
        command.env("AWS_ENDPOINT_URL_S3", &s3.url).env("AWS_ACCESS_KEY_ID", "testing");
        command.env("AWS_SECRET_ACCESS_KEY", "testing").output().unwrap().into()
    };
    let run = || deliver(&[]);
    let copies = || -> BTreeMap<String, Vec<u8>> {
        let own =
            s3.keys().into_iter().filter_map(|key| Some((key.strip_prefix("mfa/2026-10/")?.to_owned(), s3.get(&key)?)));
        own.collect()
    };
    let ran = run();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let mut expected = home.files("2026-10");
    expected.retain(|name, _| name != "state.json" && name != "lock");
    assert_eq!(differing(&expected, &copies()), [""; 0]);
    assert!(expected.len() > 6);
    let before = s3.traffic();
    let ran = run();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let said = "deliver: all files were copied to s3://audit-reports/mfa/2026-10 before";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    assert_eq!(s3.traffic(), before, "nothing is asked of the bucket");
    // A run that ended before it noted what it had copied finds it there.
    let state = home.path("months/2026-10/state.json");
    let mut known: Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
    known["delivered"] = json!({});
    let schema = known.as_object_mut().unwrap().remove("schema").unwrap();
    // The schema comes first, by which the file is known as one of this program's.
    let forgotten = format!("{{\"schema\":{schema},{}", &known.to_string()[1..]);
    fs::write(&state, &forgotten).unwrap();
    let ran = run();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    // What somebody else put there stays, and the run says so.
    fs::write(&state, &forgotten).unwrap();
    s3.put("mfa/2026-10/summary.json", b"years of work", std::time::Duration::ZERO);
    let ran = run();
    assert_eq!(ran.status, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("is there already, with other contents"), "{}", ran.stderr);
    assert_eq!(s3.get("mfa/2026-10/summary.json").unwrap(), b"years of work");
    // When it is gone, the next run ends what was begun.
    s3.remove("mfa/2026-10/summary.json");
    s3.set(Faults::default());
    assert_eq!(run().status, 0);
    assert_eq!(differing(&expected, &copies()), [""; 0]);
    // What was delivered stays known where a later copy fails.
    let late = home.path("late");
    fs::create_dir_all(&late).unwrap();
    let records = [record("2026-10", 28, 9, "DeactivateMFADevice", "user3", "admin")];
    fs::write(late.join("late.json"), json!({"Records": records}).to_string()).unwrap();
    s3.set(Faults { read_only: true, ..Faults::default() });
    let refused = deliver(&[late.to_str().unwrap()]);
    assert_eq!(refused.status, 4, "{}", refused.stderr);
    s3.set(Faults::default());
    let ran = run();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    expected = home.files("2026-10");
    expected.retain(|name, _| name != "state.json" && name != "lock");
    assert_eq!(differing(&expected, &copies()), [""; 0]);
}

/// An archive of October with digests for every hour, and CloudTrail's key.
fn proven_archive(change: impl FnOnce(&mut Bucket)) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let mut bucket = Bucket::new("trail-bucket");
    let mut trail = Trail::new(ACCOUNT, "us-east-1", "2026-09-30T22:05:31Z");
    for hour in 0..31 * 24 + 5 {
        trail.hour(&mut bucket, u32::from(hour % 100 == 50));
    }
    let newest = bucket.keys("_CloudTrail-Digest_").pop().unwrap();
    bucket.put_sidecar(&newest);
    change(&mut bucket);
    bucket.write(&home.path().join("archive"));
    fs::write(home.path().join("keys.json"), Signer::ours().printed()).unwrap();
    home
}

fn verified(home: &Path, sources: &[&str]) -> Ran {
    let mut command = mfatrail();
    command.current_dir(home).env("SOURCE_DATE_EPOCH", "1793577600").arg("monthly").args(sources);
    command.args([
        "--store",
        "store",
        "--into",
        "months",
        "--month",
        "2026-10",
        "--verify",
        "--public-keys",
        "keys.json",
    ]);
    command.output().unwrap().into()
}

fn summary_and_report(home: &Path) -> [Value; 2] {
    ["summary.json", "report/report.json"]
        .map(|name| serde_json::from_slice(&fs::read(home.join("months/2026-10").join(name)).unwrap()).unwrap())
}

#[test]
fn what_the_digests_miss_is_in_the_report_and_in_what_is_told() {
    let home = proven_archive(|_| {});
    let ran = verified(home.path(), &["archive"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let [summary, report] = summary_and_report(home.path());
    assert_eq!((&summary["status"], &summary["complete"]), (&json!(0), &json!(true)));
    assert_eq!(report["coverage"]["integrity"]["whole"], true, "{:#}", report["coverage"]["integrity"]);
    let ran = verified(home.path(), &["archive"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("report: nothing that it rests on has changed"), "{}", ran.stderr);

    // A log was removed: no object is damaged, and only the digests tell.
    let home = proven_archive(|bucket| drop(bucket.take(&bucket.keys("_CloudTrail_us-east-1_")[3])));
    for _twice in 0..2 {
        let ran = verified(home.path(), &["archive"]);
        assert_eq!(ran.status, 3, "{}", ran.stderr);
        let [summary, report] = summary_and_report(home.path());
        assert_eq!((&summary["status"], &summary["complete"]), (&json!(3), &json!(false)));
        assert_eq!(report["coverage"]["integrity"]["whole"], false, "{:#}", report["coverage"]["integrity"]);
        let notices = report["notices"].to_string();
        assert!(notices.contains("log_missing"), "{notices}");
        let state = fs::read_to_string(home.path().join("months/2026-10/state.json")).unwrap();
        assert!(state.contains("The report is from incomplete evidence"), "{state}");
    }

    let without = verified(home.path(), &[]);
    assert_eq!(without.status, 2, "{}", without.stderr);
    assert!(without.stderr.contains("`--verify` reads the archive, but there is no SOURCE"), "{}", without.stderr);
}

#[test]
fn what_was_changed_beside_the_report_is_made_again_and_what_nobody_asks_for_goes() {
    let home = Home::new();
    assert_eq!(home.ran("2026-10", &[]).status, 0);
    let before = home.files("2026-10");
    let place = |name: &str| home.path("months/2026-10").join(name);
    for (name, bytes) in
        [("evidence.zip", &b"PK nothing"[..]), ("summary.json", b"{\"schema\":\"mfatrail.monthly/1\"}")]
    {
        fs::write(place(name), bytes).unwrap();
        let ran = home.ran("2026-10", &[]);
        assert!(ran.status == 0 || name == "evidence.zip", "{name}: {}", ran.stderr);
        if ran.status != 0 {
            // What is no bundle is nobody's to overwrite.
            assert!(ran.stderr.contains("evidence.zip"), "{}", ran.stderr);
            fs::remove_file(place(name)).unwrap();
            assert_eq!(home.ran("2026-10", &[]).status, 0);
        }
        assert_eq!(differing(&before, &home.files("2026-10")), [""; 0]);
    }
    assert_eq!(home.ran("2026-10", &["--no-bundle"]).status, 0);
    assert!(!place("evidence.zip").exists(), "the report that it was of is not there any more");
}

/// With moto, which comes from PyPI.
mod online {
    use super::*;
    use crate::support::moto::Moto;

    /// An archive in a bucket, and in its account two users: one has a device, one has none, both can sign in.
    const SET_UP: &str = r#"
import boto3, pathlib, sys
endpoint, archive, account = sys.argv[1:]
own = dict(endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
s3 = boto3.client("s3", **own)
for bucket in ("trail", "audit-reports"):
    s3.create_bucket(Bucket=bucket)
for path in pathlib.Path(archive).rglob("*.gz"):
    s3.upload_file(str(path), "trail", str(path.relative_to(archive)))
role = boto3.client("sts", **own).assume_role(RoleArn=f"arn:aws:iam::{account}:role/Auditor", RoleSessionName="set-up")["Credentials"]
own |= dict(aws_access_key_id=role["AccessKeyId"], aws_secret_access_key=role["SecretAccessKey"], aws_session_token=role["SessionToken"])
iam = boto3.client("iam", **own)
for name in ("user3", "user4"):
    iam.create_user(UserName=name)
    iam.create_login_profile(UserName=name, Password="Example-1234-x")
iam.create_virtual_mfa_device(VirtualMFADeviceName="user3")
iam.enable_mfa_device(UserName="user3", SerialNumber=f"arn:aws:iam::{account}:mfa/user3", AuthenticationCode1="123456", AuthenticationCode2="654321")
"#;

    /// Everything of a month by the real protocols: the archive from a bucket, IAM state and guardrails through a role, the copies into
    /// a bucket.
    #[test]
    fn a_month_from_a_bucket_with_iam_state_and_guardrails_of_its_account() {
        let (home, moto) = (tempfile::tempdir().unwrap(), Moto::start());
        let python = |script: &str| {
            let mut command = Command::new(Moto::python());
            command.args(["-c", script, &moto.endpoint()]).arg(ARCHIVE.path()).arg(ACCOUNT);
            let ran: Ran = command.output().unwrap().into();
            assert_eq!(ran.status, 0, "{}", ran.stderr);
            ran.stdout
        };
        python(SET_UP);
        let run = || -> Ran {
            mfatrail()
                .current_dir(home.path())
                .args(["monthly", "s3://trail", "--month", "2026-10", "--store", "store", "--into", "months"])
                .args(["--iam", "live", "--posture", "live", "--iam-role", "Auditor"])
                .args(["--deliver", "s3://audit-reports/mfa", "--summary", "json"])
                .env("AWS_ENDPOINT_URL", moto.endpoint())
                .env("AWS_REGION", "us-east-1")
                .env("AWS_ACCESS_KEY_ID", "testing")
                .env("AWS_SECRET_ACCESS_KEY", "testing")
                .output()
                .unwrap()
                .into()
        };
        let steps = |ran: &Ran| -> BTreeMap<String, String> {
            let said: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
            let text = |step: &Value, key: &str| step[key].as_str().unwrap().to_owned();
            said["steps"].as_array().unwrap().iter().map(|step| (text(step, "step"), text(step, "done"))).collect()
        };
        let first = run();
        let done = steps(&first);
        for step in ["scan", "iam", "posture", "report", "deliver"] {
            assert_eq!(done[step], "now", "{step}: {}", first.stderr);
        }
        let folder = home.path().join("months/2026-10");
        let report = run::json(&folder.join("report"));
        // user4 was left without a device, and IAM says so; user3 got one of which the archive has not heard.
        let windows = report["windows"].as_array().unwrap();
        let open: Vec<&str> = windows
            .iter()
            .filter(|window| window["closed_at"].is_null() && window["close_reason"].is_null())
            .map(|window| window["principal"]["name"].as_str().unwrap())
            .collect();
        assert!(open.contains(&"user4"), "{open:?}");
        let findings = report["reconciliation"].as_array().unwrap();
        let found = |code: &str, who: &str| {
            findings.iter().any(|one| one["finding"] == code && one["principal"]["name"] == who)
        };
        assert!(found("enable_not_in_archive", "user3"), "{findings:#?}");
        let checks = report["posture"]["checks"].as_array().unwrap();
        assert!(checks.iter().any(|check| check["account"] == ACCOUNT && check["verdict"] == "fail"), "{checks:#?}");
        assert_eq!(files(&home.path().join("store/iam")).len(), 1);

        let list = "import boto3, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='testing', aws_secret_access_key='testing')
for one in s3.list_objects_v2(Bucket='audit-reports')['Contents']: print(one['Key'], one['ETag'], one['LastModified'].isoformat())";
        let copies = python(list);
        let copied: Vec<&str> = copies.lines().map(|line| line.split_once(' ').unwrap().0).collect();
        let name = |path: &PathBuf| format!("mfa/2026-10/{}", path.strip_prefix(&folder).unwrap().display());
        let mut expected: Vec<String> = files(&folder).iter().map(name).collect();
        expected.retain(|name| !name.ends_with("/state.json") && !name.ends_with("/lock"));
        expected.sort();
        assert_eq!(copied, expected);

        let second = run();
        assert_eq!(second.status, first.status, "{}", second.stderr);
        let again = steps(&second);
        assert!(again.values().all(|done| ["before", "left"].contains(&done.as_str())), "{again:?}");
        assert_eq!(python(list), copies, "nothing is copied twice");
        assert_eq!(files(&home.path().join("store/iam")).len(), 1, "IAM is asked once");
    }
}
