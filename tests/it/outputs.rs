//! What a report can be written as: formats, months, accounts, pseudonyms; and what `generate` makes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use crate::support::digests::gunzip;
#[cfg(unix)]
use crate::support::run::browser;
use crate::support::run::{INPUTS, Ran, json, mfatrail, report, root};
use crate::support::store::{copy, files, gzip};

fn fixtures(more: &[&str], name: &str) -> (Ran, std::path::PathBuf) {
    let arguments: Vec<&str> =
        ["fixtures/archive"].into_iter().chain(INPUTS.iter().copied()).chain(more.iter().copied()).collect();
    report(&arguments, name)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn ran(arguments: &[&str]) -> Ran {
    mfatrail().args(arguments).output().unwrap().into()
}

/// The fixtures' archive, with free text before each event's id; the same event in two objects remains one.
fn talkative(archive: &Path) {
    copy(&root().join("fixtures/archive"), archive, &|_| true);
    for file in files(archive).into_iter().filter(|file| file.to_str().unwrap().ends_with(".json.gz")) {
        let text = String::from_utf8(gunzip(&fs::read(&file).unwrap())).unwrap();
        let text = text.replace("\"eventID\":\"", "\"eventID\":\"Jane of Payroll ");
        fs::write(
            &file,
            gzip(text.replace("\"originalEventID\":\"", "\"originalEventID\":\"Jane of Payroll ").as_bytes()),
        )
        .unwrap();
    }
}

#[test]
fn ids_of_events_that_are_free_text_are_redacted_too() {
    let home = tempfile::tempdir().unwrap();
    let archive = home.path().join("archive");
    talkative(&archive);
    let archive = archive.to_str().unwrap();
    let made = |more: &[&str], name: &str| {
        let arguments = [&[archive, "--month", "2026-10"], INPUTS, more].concat();
        report(&arguments, name)
    };
    let (_, whole) = made(&["--format", "json"], "whole");
    let told = json(&whole).to_string().matches("Jane of Payroll").count();
    assert!(told > 100, "{told}");
    let (ran, out) = made(&["--redact", "--per-account"], "shared");
    for (name, text) in texts(&out).into_iter().chain([("the summary".to_owned(), ran.stderr.clone())]) {
        assert!(!text.contains("Jane") && !text.contains("Payroll"), "{name}");
    }
    // Each window still names the event that opened it.
    let redacted = json(&out);
    let ids: BTreeSet<&str> =
        redacted["events"].as_array().unwrap().iter().map(|event| event["event_id"].as_str().unwrap()).collect();
    let opened = redacted["windows"].as_array().unwrap().iter().filter_map(|window| window["opened_by_event"].as_str());
    let proof = redacted["proof"].as_array().unwrap().iter().map(|proof| proof["event_id"].as_str().unwrap());
    let proven: BTreeSet<&str> = proof.collect();
    let opened: Vec<&str> = opened.collect();
    assert!(opened.len() > 10 && opened.iter().all(|id| id.starts_with("event-") && proven.contains(id)), "{opened:?}");
    assert!(opened.iter().any(|id| ids.contains(id)));
}

#[test]
fn formats_are_chosen_and_replace_each_other() {
    let (all, out) = fixtures(&["--month", "2026-10"], "report");
    assert_eq!(all.status, 0, "{}", all.stderr);
    let every =
        ["MANIFEST.sha256", "events.csv", "index.html", "report.json", "report.md", "report.xlsx", "windows.csv"];
    assert_eq!(names(&out), every);
    let again: Ran = mfatrail()
        .args(["report", "fixtures/archive", "--month", "2026-10", "--format", "xlsx,html,html", "--out"])
        .arg(&out)
        .output()
        .unwrap()
        .into();
    assert_eq!(again.status, 0, "{}", again.stderr);
    assert_eq!(names(&out), ["MANIFEST.sha256", "index.html", "report.xlsx"], "the earlier report is gone");
    let manifest = fs::read_to_string(out.join("MANIFEST.sha256")).unwrap();
    assert_eq!(manifest.lines().count(), 2);
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let made = |name: &str| {
        let out = tempfile::tempdir().unwrap().keep().join(name);
        let ran: Ran = mfatrail()
            .args(["report", "fixtures/archive", "--month", "2026-10", "--per-account", "--out"])
            .arg(&out)
            .args(INPUTS)
            .env("SOURCE_DATE_EPOCH", "1793599200")
            .output()
            .unwrap()
            .into();
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        names(&out).into_iter().map(|name| (fs::read(out.join(&name)).unwrap(), name)).collect::<Vec<_>>()
    };
    let (one, other) = (made("one"), made("other"));
    for ((bytes, name), (again, _)) in one.iter().zip(&other) {
        assert!(bytes == again, "{name}");
    }
    assert_eq!(one.len(), 10);
}

/// Every text of a report's folder: files' names and contents, the parts of the spreadsheet one by one.
fn texts(folder: &Path) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for name in names(folder) {
        if name.ends_with(".xlsx") {
            let mut parts = zip::ZipArchive::new(fs::File::open(folder.join(&name)).unwrap()).unwrap();
            for i in 0..parts.len() {
                let mut text = String::new();
                parts.by_index(i).unwrap().read_to_string(&mut text).unwrap();
                texts.push((format!("{name} part {i}"), text));
            }
        } else {
            texts.push((name.clone(), format!("{name}\n{}", fs::read_to_string(folder.join(&name)).unwrap())));
        }
    }
    texts
}

/// Whatever of the fixtures tells who or where, collected from the report that is not redacted.
fn originals(report: &Value) -> BTreeSet<String> {
    fn add(value: &Value, key: &str, found: &mut BTreeSet<String>) {
        const TELLING: [&str; 12] = [
            "account",
            "name",
            "id",
            "owner",
            "device",
            "actor",
            "source_ip",
            "user_agent",
            "objects",
            "ticket",
            "approver",
            "source_ips",
        ];
        match value {
            Value::Object(fields) => fields.iter().for_each(|(key, value)| add(value, key, found)),
            Value::Array(list) => list.iter().for_each(|value| add(value, key, found)),
            Value::String(text)
                if TELLING.contains(&key)
                    && !["root", "AWS Internal"].contains(&text.as_str())
                    && !text.ends_with(".amazonaws.com") =>
            {
                found.insert(text.clone());
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    for part in ["windows", "events", "reconciliation", "proof", "accounts"] {
        add(&report[part], "", &mut found);
    }
    // Who is in no window, but in notices and file names.
    found.extend(
        ["ben.ortiz", "anna.keller", "oscar.berg", "nora.quinn", "HelpDesk", "exampleorg", "CHG-2071", "CHG-2099"]
            .map(str::to_owned),
    );
    found
}

#[test]
fn a_redacted_report_names_nobody() {
    let (_, whole) = fixtures(&["--month", "2026-10"], "whole");
    let originals = originals(&json(&whole));
    assert!(originals.len() > 100, "{originals:?}");
    let key = tempfile::NamedTempFile::new().unwrap();
    fs::write(key.path(), "sixteen bytes or more").unwrap();
    let key = key.path().to_str().unwrap().to_owned();
    for more in [vec![], vec!["--redact-key", &key]] {
        let arguments: Vec<&str> =
            ["--month", "2026-10", "--redact", "--per-account"].into_iter().chain(more).collect();
        let (ran, out) = fixtures(&arguments, "shared");
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        for (name, text) in texts(&out).into_iter().chain([("the summary".to_owned(), ran.stderr.clone())]) {
            for original in &originals {
                assert!(!text.contains(original.as_str()), "{name} holds `{original}`");
            }
        }
        let (redacted, whole) = (json(&out), json(&whole));
        assert_eq!(redacted["figures"], whole["figures"], "figures are the same");
        assert_eq!(redacted["redacted"], true);
        assert_eq!(redacted["windows"].as_array().unwrap().len(), whole["windows"].as_array().unwrap().len());
    }
    let name = |key: &str| {
        let (_, out) = fixtures(&["--month", "2026-10", "--redact", "--redact-key", key, "--format", "json"], "keyed");
        json(&out)["windows"][1]["principal"]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(name(&key), name(&key), "the same in every report with the key");
}

#[test]
fn months_add_up() {
    let (ran, out) = fixtures(&["--from", "2026-09", "--to", "2026-12"], "quarter");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let quarter = json(&out);
    assert_eq!(quarter["period"]["from"], "2026-09-01T00:00:00Z");
    assert_eq!(quarter["period"]["to"], "2026-12-01T00:00:00Z");
    let trend = quarter["trend"].as_array().unwrap();
    assert_eq!(trend.len(), 3);
    let total = |part: &Value| part["deactivations"]["opened_window"].as_u64().unwrap();
    assert_eq!(trend.iter().map(total).sum::<u64>(), total(&quarter["figures"]));
    let hours = |part: &Value| part["exposure"]["principal_hours"].as_f64().unwrap();
    assert!((trend.iter().map(hours).sum::<f64>() - hours(&quarter["figures"])).abs() < 1e-6);

    // October's part says what October's own report says.
    let (_, out) = fixtures(&["--month", "2026-10"], "month");
    let month = json(&out);
    for figure in ["mttd", "mttr", "mttr_not_legitimate", "deactivations", "exposure", "enrolment"] {
        assert_eq!(trend[1][figure], month["figures"][figure], "{figure}");
    }
    assert_eq!(month["trend"].as_array().unwrap().len(), 0);

    // Given to the next month's report, it is what that is compared with.
    let earlier = out.join("report.json");
    let (ran, next) =
        fixtures(&["--month", "2026-11", "--as-of", "2026-11-02", "--previous", earlier.to_str().unwrap()], "next");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let next_report = json(&next);
    assert_eq!(next_report["trend"][0]["mttr"], month["figures"]["mttr"]);
    assert_eq!(next_report["trend"][0]["source"], "earlier_report");
    assert_eq!(next_report["inputs"].as_array().unwrap().last().unwrap()["kind"], "previous");
    // Two days of November are no November.
    let page = fs::read_to_string(next.join("index.html")).unwrap();
    assert!(page.contains("8 in October 2026; this period is partial: to 2026-11-02") && !page.contains('▼'));
}

#[test]
fn accounts_add_up_and_have_pages() {
    let (ran, out) = fixtures(&["--month", "2026-10", "--per-account"], "report");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let report = json(&out);
    let accounts = report["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 3);
    for path in ["/deactivations/total", "/deactivations/failed_attempts", "/mttr/n", "/mfa_coverage/users"] {
        let sum: u64 = accounts.iter().map(|account| account.pointer(path).unwrap().as_u64().unwrap()).sum();
        assert_eq!(Some(sum), report["figures"].pointer(path).unwrap().as_u64(), "{path}");
    }
    // Somebody of each account; actors may come from another.
    let people = [("000123456789", "ben.ortiz"), ("111122223333", "greta.holm"), ("444455556666", "pavel.novak")];
    for (account, _) in people {
        let page = fs::read_to_string(out.join(format!("account-{account}.html"))).unwrap();
        for (home, person) in people {
            assert_eq!(page.contains(person), home == account, "{person} on the page of {account}");
        }
    }
}

#[test]
fn inputs_are_named_with_their_hashes() {
    let (_, out) = fixtures(&["--month", "2026-10"], "report");
    let inputs = json(&out)["inputs"].as_array().unwrap().clone();
    let find = |path: &str| inputs.iter().find(|input| input["path"] == path).unwrap_or_else(|| panic!("{path}"));
    let hash = |path: &str| {
        let bytes = fs::read(root().join(path)).unwrap();
        <sha2::Sha256 as sha2::Digest>::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(find("approvals.csv")["sha256"], hash("fixtures/approvals.csv"));
    let report = "111122223333/credential-report.csv";
    assert_eq!(find(report)["sha256"], hash(&format!("fixtures/iam/{report}")));
    assert_eq!(find(report)["kind"], "iam");
}

#[test]
fn every_window_names_events_with_their_objects() {
    let (_, out) = fixtures(&["--month", "2026-10"], "report");
    let report = json(&out);
    let proof = report["proof"].as_array().unwrap();
    for window in report["windows"].as_array().unwrap() {
        for field in ["opened_by_event", "closed_by_event"] {
            let Some(id) = window[field].as_str() else { continue };
            let known = proof.iter().find(|proof| proof["event_id"] == id).unwrap_or_else(|| panic!("{id}"));
            for object in known["objects"].as_array().unwrap() {
                assert!(root().join("fixtures/archive").join(object.as_str().unwrap()).is_file(), "{object}");
            }
        }
    }
}

/// Wrong usage is found before any work, and nothing is written.
#[test]
fn bad_output_options_are_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let short = file("short", "too short");
    let text = file("no-program", "no program");
    let other = file("report.json", "{\"schema\": \"other/1\"}");
    let (_, later) = fixtures(&["--month", "2026-10", "--format", "json"], "later");
    let later = later.join("report.json");
    let cases: Vec<(&str, Vec<&str>, Vec<&str>)> = vec![
        ("unknown format", vec!["--format", "pdf"], vec!["pdf", "xlsx"]),
        ("no browser there", vec!["--pdf", "--chromium", &text], vec!["--chromium", "no-program", "hint:"]),
        ("browser without pdf", vec!["--chromium", &text], vec!["--pdf"]),
        ("short key", vec!["--redact", "--redact-key", &short], vec!["9 bytes", "hint:"]),
        ("key without redaction", vec!["--redact-key", &short], vec!["--redact"]),
        ("no such key", vec!["--redact", "--redact-key", "/no/such/key"], vec!["/no/such/key"]),
        ("pages without html", vec!["--per-account", "--format", "csv"], vec!["--per-account", "html"]),
        ("no report", vec!["--previous", &other], vec!["--previous", "hint:"]),
        ("not earlier", vec!["--previous", later.to_str().unwrap()], vec!["2026-11-01", "hint:"]),
    ];
    for (what, arguments, needles) in cases {
        let arguments: Vec<&str> = ["--month", "2026-10"].into_iter().chain(arguments).collect();
        let (ran, out) = fixtures(&arguments, "report");
        assert_eq!(ran.status, 2, "{what}: {}", ran.stderr);
        for needle in needles {
            assert!(ran.stderr.contains(needle), "{what}: `{needle}` is not in: {}", ran.stderr);
        }
        assert!(!out.exists(), "{what}: nothing is written");
    }
    let out = folder.path().join("out");
    let none: Ran = mfatrail()
        .args(["report", "fixtures/archive", "--month", "2026-10", "--pdf", "--out"])
        .arg(&out)
        .env("PATH", folder.path())
        .output()
        .unwrap()
        .into();
    assert_eq!(none.status, 2, "{}", none.stderr);
    assert!(none.stderr.contains("needs Chromium") && none.stderr.contains("hint: install one"), "{}", none.stderr);
    let epoch: Ran = mfatrail()
        .args(["report", "fixtures/archive", "--month", "2026-10", "--out"])
        .arg(&out)
        .env("SOURCE_DATE_EPOCH", "yesterday")
        .output()
        .unwrap()
        .into();
    assert_eq!(epoch.status, 2, "{}", epoch.stderr);
    assert!(epoch.stderr.contains("SOURCE_DATE_EPOCH") && epoch.stderr.contains("yesterday"), "{}", epoch.stderr);
    assert!(!out.exists());
}

#[cfg(unix)]
#[test]
fn a_browser_that_fails_is_quoted_and_costs_no_other_format() {
    let folder = tempfile::tempdir().unwrap();
    for (script, expected) in [
        ("echo 'cannot open display' >&2; exit 7", ["exit status: 7", "cannot open display"]),
        ("exit 0", ["exit status: 0", "did not print the page"]),
        ("kill -9 $$", ["signal: 9", "did not print the page"]),
    ] {
        let browser = browser(folder.path(), script);
        let bundle = folder.path().join("bundle.zip");
        let more = ["--month", "2026-10", "--pdf", "--chromium", &browser, "--bundle", bundle.to_str().unwrap()];
        let (ran, out) = fixtures(&more, "report");
        assert_eq!(ran.status, 4, "{}", ran.stderr);
        for part in expected.into_iter().chain(["hint: the other files were written"]) {
            assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
        }
        let every =
            ["MANIFEST.sha256", "events.csv", "index.html", "report.json", "report.md", "report.xlsx", "windows.csv"];
        assert_eq!(names(&out), every);
        assert!(bundle.is_file());
        assert_eq!(names(out.parent().unwrap()), ["report"], "nothing else is left");
    }
}

#[cfg(unix)]
#[test]
fn a_browser_gets_a_folder_of_its_own_and_nothing_of_the_environment() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let told = told.display();
    let script = format!(
        "env > {told}.env; pwd > {told}.pwd; stat -c '%a %n' . ./* > {told}.modes; umask > {told}.umask\n\
         for a in \"$@\"; do printf '%s\\n' \"$a\"; case $a in --print-to-pdf=*) printf '%%PDF-1.7' > \"${{a#*=}}\";; esac; done > {told}.arguments"
    );
    let browser = browser(folder.path(), &script);
    let out = folder.path().join("out");
    // A generous umask is no reason to be generous.
    let ran: Ran = std::process::Command::new("sh")
        .args(["-c", "umask 000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_mfatrail"), "report", "fixtures/archive"])
        .args(["--month", "2026-10", "--pdf", "--chromium", &browser, "--out"])
        .arg(&out)
        .current_dir(root())
        .env("AWS_SECRET_ACCESS_KEY", "secret-of-mine")
        .env("SSH_AUTH_SOCK", "/secret-of-mine")
        .env("http_proxy", "http://192.0.2.1")
        .output()
        .unwrap()
        .into();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(names(&out).contains(&"report.pdf".to_owned()));
    let said = |what: &str| fs::read_to_string(format!("{told}.{what}")).unwrap();
    let own = said("pwd").trim().to_owned();
    let usual = ["PATH", "LANG", "TZ", "HOME", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_", "DBUS_SESSION_BUS_ADDRESS"];
    for line in said("env").lines() {
        let (name, value) = line.split_once('=').unwrap();
        assert!(
            usual.contains(&name)
                || name.starts_with("XDG_")
                || name.starts_with("FONTCONFIG_")
                || name == "LD_LIBRARY_PATH",
            "{line}"
        );
        assert!(!value.contains("secret-of-mine"), "{line}");
        assert!(!(name == "HOME" || name == "TMPDIR" || name.starts_with("XDG_")) || value == own, "{line}");
    }
    let modes = said("modes");
    assert!(modes.lines().count() >= 3, "{modes}");
    for line in modes.lines() {
        let expected = if line.ends_with(" .") { "700" } else { "600" };
        assert!(line.starts_with(expected), "{modes}");
    }
    let arguments = said("arguments");
    assert!(arguments.contains(&format!("--user-data-dir={own}/profile")), "{arguments}");
    assert!(!Path::new(&own).exists(), "it is gone afterwards");
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o777, "the report follows the umask");
}

#[test]
fn policies_are_read_only_and_no_more_than_is_called() {
    let policy = |arguments: &[&str]| -> Value {
        let all: Vec<&str> = ["generate", "iam-policy"].iter().chain(arguments).copied().collect();
        let ran = ran(&all);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let actions = |policy: &Value| -> BTreeSet<String> {
        let statements = policy["Statement"].as_array().unwrap().iter();
        statements
            .flat_map(|statement| match &statement["Action"] {
                Value::String(action) => vec![action.clone()],
                list => list.as_array().unwrap().iter().map(|action| action.as_str().unwrap().to_owned()).collect(),
            })
            .collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();

    let report = ["--", "report", "s3://trail-bucket/logs", "--month", "2026-10"];
    let archive = policy(&report);
    assert_eq!(actions(&archive), set(&["s3:GetObject", "s3:ListBucket"]));
    assert_eq!(archive["Statement"][0]["Resource"], "arn:aws:s3:::trail-bucket");
    assert_eq!(archive["Statement"][0]["Condition"]["StringLike"]["s3:prefix"], serde_json::json!(["logs", "logs/*"]));
    assert_eq!(
        archive["Statement"][1]["Resource"],
        serde_json::json!(["arn:aws:s3:::trail-bucket/logs", "arn:aws:s3:::trail-bucket/logs/*"])
    );
    let live: Vec<&str> = report.into_iter().chain(["--iam", "live"]).collect();
    let live = policy(&live);
    for action in actions(&live) {
        let (service, call) = action.split_once(':').unwrap();
        assert!(matches!(service, "iam" | "s3"), "{action}");
        assert!(call.starts_with("Get") || call.starts_with("List") || call == "GenerateCredentialReport", "{action}");
    }
    let role: Vec<&str> =
        report.into_iter().chain(["--iam", "live", "--iam-role", "Auditor", "--account", "111122223333"]).collect();
    let caller = policy(&role);
    assert_eq!(actions(&caller), set(&["s3:GetObject", "s3:ListBucket", "sts:AssumeRole"]));
    assert_eq!(caller["Statement"][2]["Resource"], serde_json::json!(["arn:aws:iam::111122223333:role/Auditor"]));
    let assumed: Vec<&str> = ["--of", "iam-role"].into_iter().chain(role).collect();
    assert_eq!(actions(&policy(&assumed)), actions(&policy(&["--", "iam", "snapshot", "--out", "x"])));
    let kms: Vec<&str> = ["--kms-key", "arn:aws:kms:us-east-1:111122223333:key/k"].into_iter().chain(report).collect();
    assert!(actions(&policy(&kms)).contains("kms:Decrypt"));

    // A store in a bucket: below its prefix alone, and written only by what writes it.
    let store = "s3://evidence-bucket/mfatrail";
    let reading = policy(&["--", "history", "--store", store]);
    assert_eq!(actions(&reading), set(&["s3:GetObject", "s3:ListBucket"]));
    assert_eq!(reading["Statement"][0]["Condition"]["StringLike"]["s3:prefix"], "mfatrail/*");
    let writing = policy(&["--", "scan", "s3://trail-bucket", "--store", store, "--shard", "3/8"]);
    assert_eq!(actions(&writing), set(&["s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"]));
    assert_eq!(writing["Statement"][3]["Resource"], "arn:aws:s3:::evidence-bucket/mfatrail/*");

    for (arguments, needle) in [
        (vec!["--", "report", "fixtures/archive", "--month", "2026-10"], "does not call AWS"),
        (vec!["--", "report", "s3://trail-bucket"], "--month"),
        (vec!["--of", "iam-role", "--", "report", "s3://b", "--month", "2026-10"], "assumes no role"),
    ] {
        let all: Vec<&str> = ["generate", "iam-policy"].into_iter().chain(arguments).collect();
        let ran = ran(&all);
        assert_eq!(ran.status, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(needle), "{}", ran.stderr);
    }
}

#[test]
fn a_watch_may_send_what_its_channels_send_and_no_more() {
    let home = tempfile::tempdir().unwrap();
    let text = r#"
        [[input]]
        kind = "archive"
        source = "s3://trail-bucket"
        [[channel]]
        name = "topic"
        kind = "sns"
        topic = "arn:aws:sns:eu-west-1:111122223333:mfa"
        [[channel]]
        name = "other-topic"
        kind = "sns"
        topic = "arn:aws:sns:eu-west-1:111122223333:all"
        [[channel]]
        name = "phones"
        kind = "sms"
        numbers = ["+15555550100"]
        [[channel]]
        name = "mail"
        kind = "ses"
        from = "mfatrail@example.com"
        to = ["soc@example.com"]
        configuration_set = "alerts"
        [[channel]]
        name = "hub"
        kind = "securityhub"
        aws.role = "arn:aws:iam::{account}:role/mfatrail-findings"
        [[channel]]
        name = "soc"
        kind = "webhook"
        url = "aws-sm:prod/soc#url"
        secret = "aws-ssm:/prod/soc:3"
        [[channel]]
        name = "chat"
        kind = "slack"
        webhook = "aws-sm:arn:aws:secretsmanager:eu-west-1:111122223333:secret:chat-AbCdEf"
    "#;
    let config = home.path().join("watch.toml");
    fs::write(&config, text).unwrap();
    let policy = |whose: &str, command: &[&str]| -> Ran {
        let config = config.display().to_string();
        let before = ["generate", "iam-policy", "--of", whose, "--", "watch"];
        let all = before.into_iter().chain(command.iter().copied()).chain(["--config", &config]);
        ran(&all.collect::<Vec<_>>())
    };
    let statements = |ran: Ran| -> BTreeMap<String, Value> {
        let policy: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
        let statements = policy["Statement"].as_array().unwrap().iter();
        statements.map(|statement| (statement["Sid"].as_str().unwrap().to_owned(), statement.clone())).collect()
    };
    let caller = statements(policy("caller", &["--store", "evidence"]));
    let one = |sid: &str, action: &str, on: &str| {
        let statement = caller.get(sid).unwrap_or_else(|| panic!("{sid} is not in {caller:?}"));
        assert!(statement["Action"].to_string().contains(&format!("\"{action}\"")), "{statement}");
        let resources = [&statement["Resource"], &statement["NotResource"]].map(ToString::to_string).concat();
        assert!(resources.contains(&format!("\"{on}\"")), "{statement}");
    };
    one("ListTheArchive", "s3:ListBucket", "arn:aws:s3:::trail-bucket");
    one("PublishToTopic", "sns:Publish", "arn:aws:sns:eu-west-1:111122223333:mfa");
    one("PublishToTopic", "sns:GetTopicAttributes", "arn:aws:sns:eu-west-1:111122223333:all");
    one("SendTextMessages", "sns:Publish", "arn:aws:sns:*:*:*");
    assert!(caller["SendTextMessages"]["Resource"].is_null(), "telephones alone");
    one("CheckTextMessages", "sns:GetSMSSandboxAccountStatus", "*");
    one("SendMail", "ses:SendEmail", "arn:aws:ses:*:*:identity/mfatrail@example.com");
    one("SendMail", "ses:SendEmail", "arn:aws:ses:*:*:configuration-set/alerts");
    one("AssumeTheRolesOfChannels", "sts:AssumeRole", "arn:aws:iam::*:role/mfatrail-findings");
    one("GetSecrets", "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:*:*:secret:prod/soc-??????");
    one(
        "GetSecrets",
        "secretsmanager:GetSecretValue",
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:chat-AbCdEf",
    );
    one("GetParameters", "ssm:GetParameter", "arn:aws:ssm:*:*:parameter/prod/soc");
    assert!(!caller.contains_key("ImportFindings"), "{caller:?}");
    let role = statements(policy("channel-role", &["--store", "evidence"]));
    assert_eq!(role.keys().collect::<Vec<_>>(), ["CheckSecurityHub", "ImportFindings"]);
    let check = statements(policy("caller", &["check"]));
    // It looks at the inputs too.
    assert!(check.contains_key("PublishToTopic") && check.contains_key("ListTheArchive"), "{check:?}");
    fs::write(&config, text.replace("aws.role", "aws.profile")).unwrap();
    let none = policy("channel-role", &["--store", "evidence"]);
    assert!(none.status == 2 && none.stderr.contains("no channel assumes a role"), "{}", none.stderr);
}

#[test]
fn policies_name_the_partition_of_the_arns_and_regions_that_are_given() {
    const REPORT: [&str; 2] = ["--month", "2026-10"];
    for (source, more, partition) in [
        ("s3://trail-bucket", &[][..], "aws"),
        ("s3://trail-bucket", &["--aws-region", "eu-central-1"], "aws"),
        ("s3://trail-bucket", &["--aws-region", "cn-northwest-1"], "aws-cn"),
        ("s3://trail-bucket", &["--region", "us-gov-east-1"], "aws-us-gov"),
        ("s3://trail-bucket", &["--aws-region", "eusc-de-east-1"], "aws-eusc"),
        ("s3://trail-bucket", &["--aws-region", "us-iso-west-1"], "aws-iso"),
        ("s3://trail-bucket", &["--aws-region", "us-isob-east-1"], "aws-iso-b"),
        ("s3://trail-bucket", &["--aws-region", "eu-isoe-west-1"], "aws-iso-e"),
        ("s3://trail-bucket", &["--aws-region", "us-isof-south-1"], "aws-iso-f"),
        ("arn:aws-us-gov:s3:::trail-bucket", &[], "aws-us-gov"),
        ("s3://arn:aws-cn:s3:::trail-bucket", &["--aws-region", "us-east-1"], "aws-cn"),
    ] {
        let iam = ["--iam", "live", "--iam-role", "Auditor", "--account", "111122223333"];
        let all: Vec<&str> = ["generate", "iam-policy", "--", "report", source]
            .into_iter()
            .chain(REPORT)
            .chain(iam)
            .chain(more.iter().copied())
            .collect();
        let ran = ran(&all);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        for arn in [
            format!("arn:{partition}:s3:::trail-bucket"),
            format!("arn:{partition}:s3:::trail-bucket/*"),
            format!("arn:{partition}:iam::111122223333:role/Auditor"),
        ] {
            assert!(ran.stdout.contains(&format!("\"{arn}\"")), "{source} {more:?}: {}", ran.stdout);
        }
        assert_eq!(ran.stdout.matches("arn:").count(), ran.stdout.matches(&format!("arn:{partition}:")).count());
    }
    // The region of the environment counts, as it does for the calls.
    let arguments = ["generate", "iam-policy", "--", "search", "s3://trail-bucket"];
    let ran: Ran = mfatrail().env("AWS_REGION", "cn-north-1").args(arguments).output().unwrap().into();
    assert!(ran.stdout.contains("arn:aws-cn:s3:::trail-bucket"), "{}", ran.stdout);
    let role = ["--role-arn", "arn:aws-iso-b:iam::111122223333:role/Reader", "--aws-region", "us-isob-east-1"];
    let ran: Ran = mfatrail().args(arguments).args(role).output().unwrap().into();
    assert!(ran.stdout.contains("arn:aws-iso-b:iam::111122223333:role/Reader"), "{}", ran.stdout);
}

/// What bash offers at the end of a line.
fn offered(line: &[&str], store: Option<&Path>) -> Vec<String> {
    let script = ran(&["generate", "completions", "bash"]);
    assert_eq!(script.status, 0, "{}", script.stderr);
    let asked = "COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _clap_complete_mfatrail mfatrail \"${@: -1}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &format!("{}\n{asked}", script.stdout), "bash", "mfatrail"]).args(line);
    let bin = Path::new(env!("CARGO_BIN_EXE_mfatrail")).parent().unwrap();
    command.env_clear().env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    command.envs(store.map(|store| ("MFATRAIL_STORE", store)));
    let said: Ran = command.output().unwrap().into();
    assert!(said.stderr.is_empty(), "{line:?}: {}", said.stderr);
    said.stdout.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn completions_know_commands_options_and_what_a_store_has() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = ran(&["generate", "completions", shell]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert!(ran.stdout.contains("MFATRAIL_COMPLETE") && ran.stdout.contains("mfatrail"), "{shell}");
    }
    assert_eq!(offered(&["hist"], None), ["history"]);
    assert_eq!(offered(&["report", "--redact-k"], None), ["--redact-key"]);
    assert_eq!(offered(&["iam", "sn"], None), ["snapshot"]);

    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    let place = store.to_str().unwrap();
    // Whoever writes records chooses names; a shell puts what is offered into the command line.
    let record = |name: &str| {
        serde_json::json!({
            "eventVersion": "1.11", "eventTime": "2026-10-05T10:00:00Z", "eventName": "DeactivateMFADevice", "eventID": name,
            "eventSource": "iam.amazonaws.com", "awsRegion": "us-east-1", "recipientAccountId": "111122223333",
            "sourceIPAddress": "203.0.113.77", "responseElements": null, "requestParameters": {"userName": name},
            "userIdentity": {"type": "IAMUser", "principalId": "AIDAEXAMPLE", "accountId": "111122223333", "userName": name,
                "arn": "arn:aws:iam::111122223333:user/x"},
        })
    };
    let hostile = [
        "anna$(touch x)",
        "anna`id`",
        "anna;id",
        "anna\nid",
        "anna*",
        "anna b",
        "-anna",
        "anna'",
        "anna>x",
        "anna\u{b}x",
    ];
    let records: Vec<Value> = hostile.iter().map(|name| record(name)).collect();
    let odd = home.path().join("odd.json");
    fs::write(&odd, serde_json::json!({ "Records": records }).to_string()).unwrap();
    let scan = ran(&["scan", "fixtures/archive", odd.to_str().unwrap(), "--store", place]);
    assert_eq!(scan.status, 0, "{}", scan.stderr);
    let named = |line: &[&str]| offered(&[&line[..1], &["--store", place], &line[1..]].concat(), None);
    assert_eq!(named(&["history", "--user", "ann"]), ["anna.keller"]);
    assert_eq!(offered(&["trace", "--user", "ann"], Some(&store)), ["anna.keller"]);
    assert_eq!(offered(&["respond", "ann"], Some(&store)), ["anna.keller"]);
    assert!(named(&["history", "--account", "1111"]).contains(&"111122223333".to_owned()));
    assert!(named(&["history", "--device", "jonas"]).contains(&"jonas-phone".to_owned()));
    for name in named(&["history", "--user", ""]) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-/:".contains(c);
        assert!(name.chars().all(plain) && !name.starts_with('-'), "{name}");
    }
    // Without a store, with one that is none, and with one in a bucket, which takes a network, nothing is offered and nothing said.
    for store in [None, Some(Path::new("/absent")), Some(Path::new("s3://evidence-bucket/mfatrail"))] {
        assert_eq!(offered(&["history", "--user", "ann"], store), [""; 0]);
    }
}

#[test]
fn man_pages_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/man");
    let ran = ran(&["generate", "man", "--out", out.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let pages = names(&out);
    for page in ["mfatrail.1", "mfatrail-report.1", "mfatrail-iam-snapshot.1", "mfatrail-generate-iam-policy.1"] {
        assert!(pages.iter().any(|name| name == page), "{page} in {pages:?}");
    }
    let text = fs::read_to_string(out.join("mfatrail-report.1")).unwrap();
    assert!(text.starts_with(".ie") && text.contains("Examples"), "{text}");
}
