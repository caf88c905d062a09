//! `mfatrail report`, from the outside: the real binary on the shipped fixtures.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::run::{FIXTURES, Ran, json, mfatrail, report, root};
use crate::support::terminal;

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    FIXTURES.iter().copied().chain(more.iter().copied()).collect()
}

/// Where `got` is not what `want` says: an object may have further keys, a list has the same length and order.
fn differences(want: &Value, got: &Value, path: &str, found: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            for (key, value) in want {
                match got.get(key) {
                    Some(got) => differences(value, got, &format!("{path}.{key}"), found),
                    None => found.push(format!("{path}.{key} is missing")),
                }
            }
        }
        (Value::Array(want), Value::Array(got)) if want.len() == got.len() => {
            for (index, (want, got)) in want.iter().zip(got).enumerate() {
                differences(want, got, &format!("{path}[{index}]"), found);
            }
        }
        (Value::Number(want), Value::Number(got)) => {
            let (want, got) = (want.as_f64().unwrap(), got.as_f64().unwrap());
            if (want - got).abs() > 1e-6 * want.abs().max(1.0) {
                found.push(format!("{path}: want {want}, got {got}"));
            }
        }
        _ if want == got => {}
        _ => found.push(format!("{path}: want {want}, got {got}")),
    }
}

/// Both ways, so that neither has more; names the places, where `assert_eq` would print two reports.
fn same(one: &Value, other: &Value) {
    let mut found = Vec::new();
    differences(one, other, "$", &mut found);
    differences(other, one, "$", &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_fixtures_give_the_figures_that_were_worked_out_by_hand() {
    let (ran, out) = report(FIXTURES, "report");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout, format!("{}\n", out.display()), "where the report is");
    let expected: Value = serde_json::from_slice(&fs::read(root().join("fixtures/expected.json")).unwrap()).unwrap();
    let mut found = Vec::new();
    differences(&expected, &json(&out), "$", &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_summary_is_one_screen() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("one-screen");
    let mut arguments = vec!["report"];
    arguments.extend(FIXTURES);
    arguments.extend(["--out", out.to_str().unwrap()]);
    let screen = terminal::of(80, &arguments, "> /dev/null");
    assert!(screen.lines().count() <= 24);
    assert!(screen.lines().all(|line| line.chars().count() <= 80));
    // What no terminal shows is not cut: the same lines, to their ends, of an actor the whole ARN, and all notices.
    let (ran, _) = report(FIXTURES, "report");
    for (short, whole) in screen.lines().zip(ran.stderr.lines()) {
        let whole = whole.replace("by arn:aws:iam::444455556666:user/", "by user/");
        let whole = whole.replace(" notices:", " notices, in full in the report:");
        let begins = short.strip_suffix('…').is_some_and(|begin| whole.starts_with(begin));
        assert!(short == whole || begins, "{short}\n{whole}");
    }
    insta::assert_snapshot!(screen);
}

#[test]
fn tables_of_the_fixtures() {
    let (_, out) = report(FIXTURES, "report");
    insta::assert_snapshot!("windows.csv", fs::read_to_string(out.join("windows.csv")).unwrap());
}

#[test]
fn the_manifest_names_every_file_and_its_hash() {
    let (_, out) = report(FIXTURES, "report");
    let manifest = fs::read_to_string(out.join("MANIFEST.sha256")).unwrap();
    let named: BTreeMap<&str, &str> =
        manifest.lines().map(|line| line.split_once("  ").unwrap()).map(|(hash, name)| (name, hash)).collect();
    let files: Vec<String> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files.len(), named.len() + 1);
    for name in ["index.html", "report.md", "report.json", "windows.csv", "events.csv"] {
        let hash = Sha256::digest(fs::read(out.join(name)).unwrap());
        let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(named.get(name), Some(&hash.as_str()), "{name}");
    }
}

#[test]
fn the_number_of_threads_never_shows() {
    let (_, one) = report(&with(&["--threads", "1"]), "one");
    let (_, many) = report(&with(&["--threads", "7"]), "many");
    same(&json(&one), &json(&many));
    for name in ["windows.csv", "events.csv"] {
        assert_eq!(fs::read(one.join(name)).unwrap(), fs::read(many.join(name)).unwrap(), "{name}");
    }
}

/// All log objects of the fixtures, as (key, bytes).
fn archive() -> Vec<(String, Vec<u8>)> {
    fn walk(folder: &Path, root: &Path, into: &mut Vec<(String, Vec<u8>)>) {
        let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, root, into);
            } else {
                into.push((path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    let mut files = Vec::new();
    let root = root().join("fixtures/archive");
    walk(&root, &root, &mut files);
    files
}

fn objects_of(one: &mut Value, named_objects: bool) {
    let names = one["objects"].as_array().unwrap().iter().map(|name| {
        let name = name.as_str().unwrap();
        name.strip_prefix("s3://trail/").unwrap_or(name).to_owned()
    });
    one["objects"] = if named_objects { names.collect() } else { Value::Null };
}

/// What must not depend on where the archive is: everything but object names, and for standard input, which is one
/// object without a key, all that keys tell.
fn comparable(mut report: Value, named_objects: bool) -> Value {
    for part in ["events", "proof"] {
        for one in report[part].as_array_mut().unwrap() {
            objects_of(one, named_objects);
        }
    }
    // One hash, or null, for each object.
    for one in report["proof"].as_array_mut().unwrap() {
        one["sha256"] = Value::Null;
    }
    if !named_objects {
        report["coverage"] = Value::Null;
        report["figures"]["delivery"] = Value::Null;
        report["figures"]["identity_center"]["delivery"] = Value::Null;
        for account in report["accounts"].as_array_mut().unwrap() {
            account["delivery"] = Value::Null;
            if account["identity_center"].is_object() {
                account["identity_center"]["delivery"] = Value::Null;
            }
        }
        for window in report["windows"].as_array_mut().unwrap() {
            window["delivered_at"] = Value::Null;
        }
    }
    report
}

#[test]
fn statuses_say_what_was_found() {
    for (what, status) in [("open-window", 1), ("not-legitimate", 1), ("reconciliation", 1)] {
        let (ran, out) = report(&with(&["--fail-on", what]), "report");
        assert_eq!(ran.status, status, "{what}");
        assert!(out.join("report.json").is_file(), "the report is written all the same");
    }
    // Production's windows are all closed; the sandbox has one that only IAM shows, which is open like others.
    for (account, status) in [("111122223333", 0), ("000123456789", 1)] {
        let (ran, _) = report(&with(&["--account", account, "--fail-on", "open-window"]), "report");
        assert_eq!(ran.status, status, "{account}\n{}", ran.stderr);
    }
}

#[test]
fn what_cannot_be_read_is_counted_named_and_makes_the_report_incomplete() {
    let archive = tempfile::tempdir().unwrap();
    let folder = archive.path().join("AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/05");
    fs::create_dir_all(&folder).unwrap();
    let name = |minute: &str| format!("111122223333_CloudTrail_us-east-1_20261005T{minute}Z_abcdefghijklmnop.json.gz");
    let record = json!({"Records": [{
        "eventTime": "2026-10-05T08:00:00Z", "eventSource": "s3.amazonaws.com", "eventName": "ListBuckets",
        "eventID": "0b70747b-0000-4000-8000-000000000000", "awsRegion": "us-east-1", "recipientAccountId": "111122223333",
    }]});
    fs::write(folder.join(name("0805")), record.to_string()).unwrap();
    fs::write(folder.join(name("0810")), b"\x1f\x8b\x08\x00 no gzip stream").unwrap();
    fs::write(folder.join(name("0815")), b"").unwrap();
    fs::write(folder.join(name("0820")), b"{\"Records\":[{\"eventName\":\"Half").unwrap();
    let archive = archive.path().to_str().unwrap();
    let (ran, out) = report(&[archive, "--month", "2026-10", "--fail-on", "open-window"], "report");
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("INCOMPLETE: 3 of 4 objects could not be read"), "{}", ran.stderr);
    let coverage = &json(&out)["coverage"];
    assert_eq!(
        [&coverage["objects_listed"], &coverage["objects_read"], &coverage["objects_failed"], &coverage["complete"]],
        [&json!(4), &json!(1), &json!(3), &json!(false)]
    );
    let failures = coverage["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 3);
    assert!(failures.iter().all(|failure| failure["object"].as_str().unwrap().contains("20261005T08")));
}

#[test]
fn nothing_read_is_no_all_clear() {
    let empty = tempfile::tempdir().unwrap();
    let (ran, out) = report(&[empty.path().to_str().unwrap(), "--month", "2026-10"], "report");
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("INCOMPLETE: nothing at all was read"), "{}", ran.stderr);
    let report = json(&out);
    assert_eq!(report["coverage"]["complete"], false);
    assert_eq!(report["figures"]["mttr"]["mean_s"], Value::Null, "an empty set has no mean");
}

#[test]
fn an_archive_without_the_region_that_logs_iam_says_so() {
    let (ran, out) = report(&with(&["--region", "eu-central-1"]), "report");
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("CANNOT SEE IAM"), "{}", ran.stderr);
    let report = json(&out);
    let notices = report["notices"].as_array().unwrap();
    assert!(notices.iter().any(|notice| notice["code"] == "iam-not-seen"), "{notices:?}");
    let gaps = report["coverage"]["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap["cause"] == "iam_region_not_read"));
}

#[test]
fn a_dry_run_says_what_would_be_read_and_writes_nothing() {
    let (ran, out) = report(&with(&["--dry-run"]), "report");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("215 objects, "), "{}", ran.stdout);
    assert!(ran.stderr.contains("2 objects are deliberately skipped"), "{}", ran.stderr);
    assert!(!out.exists());
}

/// Wrong usage and malformed input end with 2, name what is wrong and what to do, and write nothing.
#[test]
fn bad_input_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let approvals = file(
        "approvals.csv",
        "ticket,account,user,approver,valid_from,valid_to\nCHG-1,111122223333,a,b,2026-10-05,2026-10-06T00:00:00Z\n",
    );
    let unknown_column = file("columns.csv", "ticket,account,user,approver,valid_from,valid_until\n");
    let detections = file(
        "detections.csv",
        "detected_at,source,reference,event_id,account,user\n2026-10-05T08:00:00Z,siem,A-1,,,\n",
    );
    let policy = file("policy.toml", "offboarding_grace = \"24h\"\nreplacment_grace = \"1h\"\n");
    let report_csv = file("credential-report.csv", "user,arn\nalice\n");
    let iam = folder.path().to_str().unwrap().to_owned();
    let not_a_report = folder.path().to_str().unwrap().to_owned();
    let archive = "fixtures/archive";
    let month = ["--month", "2026-10"];
    let cases: Vec<(&str, Vec<&str>, Vec<&str>)> = vec![
        ("no source", vec!["--month", "2026-10"], vec!["SOURCE"]),
        ("no period", vec![archive], vec!["--month", "--from"]),
        ("typo in a flag", vec![archive, "--mnoth", "2026-10"], vec!["--mnoth", "--month"]),
        ("no such month", vec![archive, "--month", "2026-13"], vec!["`2026-13`", "YYYY-MM"]),
        ("month and from", vec![archive, "--month", "2026-10", "--from", "7d"], vec!["--from"]),
        ("from after to", vec![archive, "--from", "2026-10-02", "--to", "2026-10-01"], vec!["`--from`", "hint: swap"]),
        ("bad time", vec![archive, "--from", "tomorrow"], vec!["`--from`", "tomorrow"]),
        ("future month", vec![archive, "--month", "2200-01"], vec!["`--month`", "has not begun: now is `2"]),
        ("future start", vec![archive, "--from", "2200-01-01"], vec!["`--from`", "in the future: now is `2"]),
        ("future as-of", vec![archive, month[0], month[1], "--as-of", "2200-01-01"], vec!["`--as-of`", "now is `2"]),
        (
            "IAM files of the future",
            vec![archive, month[0], month[1], "--iam", "fixtures/iam", "--iam-as-of", "2200-01-01"],
            vec!["`--iam-as-of`", "now is `2"],
        ),
        ("no such source", vec!["fixtures/archiv", "--month", "2026-10"], vec!["fixtures/archiv"]),
        ("no bucket", vec!["s3://", "--month", "2026-10"], vec!["s3://"]),
        ("no such IAM state", vec![archive, month[0], month[1], "--iam", "fixtures/iamm"], vec!["fixtures/iamm"]),
        ("IAM files without a time", vec![archive, month[0], month[1], "--iam", "fixtures/iam"], vec!["--iam-as-of"]),
        (
            "malformed report",
            vec![archive, month[0], month[1], "--iam", &iam, "--iam-as-of", "2026-11-01"],
            vec!["credential-report.csv"],
        ),
        (
            "malformed approval",
            vec![archive, month[0], month[1], "--approvals", &approvals],
            vec!["line 2", "valid_from"],
        ),
        (
            "missing column",
            vec![archive, month[0], month[1], "--approvals", &unknown_column],
            vec!["line 1", "`valid_to` is missing"],
        ),
        (
            "detection of nothing",
            vec![archive, month[0], month[1], "--detections", &detections],
            vec!["line 2", "event_id"],
        ),
        (
            "typo in the policy",
            vec![archive, month[0], month[1], "--policy", &policy],
            vec!["line 2", "replacment_grace"],
        ),
        ("as-of too early", vec![archive, month[0], month[1], "--as-of", "2026-09-01"], vec!["2026-09-01", "--as-of"]),
        ("unknown fail-on", vec![archive, month[0], month[1], "--fail-on", "open"], vec!["open-window"]),
        ("slack", vec![archive, month[0], month[1], "--delivery-slack", "soon"], vec!["--delivery-slack", "soon"]),
    ];
    for (what, arguments, needles) in cases {
        let (ran, out) = report(&arguments, "report");
        assert_eq!(ran.status, 2, "{what}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{what}");
        for needle in needles {
            assert!(ran.stderr.contains(needle), "{what}: `{needle}` is not in: {}", ran.stderr);
        }
        assert!(ran.stderr.starts_with("error"), "{what}: {}", ran.stderr);
        assert!(!out.exists(), "{what}: nothing is written");
        assert_eq!(fs::read_dir(out.parent().unwrap()).unwrap().count(), 0, "{what}: nothing is left beside it");
    }
    assert!(Path::new(&report_csv).exists());
    let ran: Ran = mfatrail().arg("report").args(FIXTURES).args(["--out", &not_a_report]).output().unwrap().into();
    assert_eq!(ran.status, 2, "a folder that is no report is not replaced: {}", ran.stderr);
    assert!(Path::new(&policy).exists());
}

/// With moto, which comes from PyPI.
mod online {
    use super::*;
    use crate::support::moto;

    /// A request to moto, which asks for no signature.
    fn put(moto: &moto::Moto, path: &str, body: &[u8]) {
        let endpoint = moto.endpoint();
        let address = endpoint.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        let authorization =
            "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        write!(
            stream,
            "PUT /{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }

    #[test]
    fn disk_s3_and_standard_input_give_the_same_report() {
        let (_, disk) = report(FIXTURES, "disk");
        let disk = json(&disk);

        let moto = moto::Moto::start();
        put(&moto, "trail", b"");
        for (key, bytes) in archive() {
            put(&moto, &format!("trail/{key}"), &bytes);
        }
        let out = tempfile::tempdir().unwrap().keep().join("s3");
        let s3: Ran = mfatrail()
            .args(["report", "s3://trail"])
            .args(&FIXTURES[1..])
            .arg("--out")
            .arg(&out)
            .env("AWS_ENDPOINT_URL", moto.endpoint())
            .env("AWS_ACCESS_KEY_ID", "testing")
            .env("AWS_SECRET_ACCESS_KEY", "testing")
            .env("AWS_REGION", "us-east-1")
            .output()
            .unwrap()
            .into();
        assert_eq!(s3.status, 0, "{}", s3.stderr);
        same(&comparable(disk.clone(), true), &comparable(json(&out), true));

        // The same records as one stream: gzip members one after the other.
        let out = tempfile::tempdir().unwrap().keep().join("stdin");
        let mut child = mfatrail()
            .args(["report", "-"])
            .args(&FIXTURES[1..])
            .arg("--out")
            .arg(&out)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        for (_, bytes) in archive().iter().filter(|(key, _)| key.contains("/CloudTrail/")) {
            stdin.write_all(bytes).unwrap();
        }
        drop(stdin);
        let piped: Ran = child.wait_with_output().unwrap().into();
        assert_eq!(piped.status, 0, "{}", piped.stderr);
        same(&comparable(disk, false), &comparable(json(&out), false));
    }

    /// A run that fails leaves an earlier report as it was.
    #[test]
    fn an_unreachable_archive_fails_and_leaves_the_earlier_report() {
        let (first, out) = report(FIXTURES, "report");
        assert_eq!(first.status, 0);
        let before = fs::read(out.join("report.json")).unwrap();
        let moto = moto::Moto::start();
        let s3 = |bucket: &str, endpoint: &str, keys: bool| -> Ran {
            let mut command = mfatrail();
            command.args(["report", bucket, "--month", "2026-10", "--endpoint-url", endpoint, "--out"]).arg(&out);
            if keys {
                command.env("AWS_ACCESS_KEY_ID", "testing").env("AWS_SECRET_ACCESS_KEY", "testing");
            }
            command.output().unwrap().into()
        };
        let missing = s3("s3://no-such-bucket/prefix", &moto.endpoint(), true);
        assert_eq!(missing.status, 4, "{}", missing.stderr);
        assert!(
            missing.stderr.contains("no-such-bucket") && missing.stderr.contains("NoSuchBucket"),
            "{}",
            missing.stderr
        );
        let anonymous = s3("s3://trail", &moto.endpoint(), false);
        assert_eq!(anonymous.status, 4, "{}", anonymous.stderr);
        assert!(anonymous.stderr.contains("credentials"), "{}", anonymous.stderr);
        assert_eq!(fs::read(out.join("report.json")).unwrap(), before);
        assert_eq!(fs::read_dir(out.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }
}
