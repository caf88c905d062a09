//! `mfatrail search` from the outside: on the fixtures against a plain parse, and on what is damaged.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use serde_json::Value;

#[allow(dead_code, reason = "what only reports need")]
#[path = "support/run.rs"]
mod run;
use run::{Ran, mfatrail, root};

const MFA: [&str; 7] = [
    "CreateVirtualMFADevice",
    "EnableMFADevice",
    "ResyncMFADevice",
    "DeactivateMFADevice",
    "DeleteVirtualMFADevice",
    "TagMFADevice",
    "UntagMFADevice",
];

fn search(source: &Path, arguments: &[&str]) -> Ran {
    mfatrail().arg("search").arg(source).args(arguments).output().expect("it runs").into()
}

fn names<'n>(names: &[&'n str]) -> Vec<&'n str> {
    names.iter().flat_map(|name| ["--event-name", name]).collect()
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

/// Every record of the fixtures' log files by account and id, read the plain way.
fn fixtures() -> BTreeMap<(String, String), Value> {
    let mut paths = Vec::new();
    files(&root().join("fixtures/archive"), &mut paths);
    let mut records = BTreeMap::new();
    for path in paths.iter().filter(|path| path.to_string_lossy().contains("/CloudTrail/")) {
        let mut text = Vec::new();
        let file = std::fs::File::open(path).expect("a file");
        MultiGzDecoder::new(file).read_to_end(&mut text).expect("gzip");
        let document: Value = serde_json::from_slice(&text).expect("JSON");
        for record in document["Records"].as_array().expect("records") {
            let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
            records.insert((text("recipientAccountId"), text("eventID")), record.clone());
        }
    }
    records
}

fn printed(ran: &Ran) -> BTreeMap<(String, String), Value> {
    let mut records = BTreeMap::new();
    for line in ran.stdout.lines() {
        let record: Value = serde_json::from_str(line).expect("one record a line");
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        let earlier = records.insert((text("recipientAccountId"), text("eventID")), record);
        assert_eq!(earlier, None, "every event once");
    }
    records
}

fn record(name: &str, id: u32, more: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.11","eventTime":"2026-10-01T10:{id:02}:00Z","eventSource":"iam.amazonaws.com","eventName":"{name}","eventID":"id-{id}","recipientAccountId":"111122223333"{more}}}"#
    )
}

fn write(folder: &Path, name: &str, text: &str) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory takes it");
    std::fs::write(folder.join(name), encoder.finish().expect("memory takes it")).expect("a file");
}

#[test]
fn the_fixtures_give_what_a_plain_parse_gives() {
    let archive = root().join("fixtures/archive");
    let all = fixtures();
    assert_eq!(printed(&search(&archive, &[])), all);
    let mut each: Vec<&str> = all.values().filter_map(|record| record["eventName"].as_str()).collect();
    each.sort_unstable();
    each.dedup();
    let sets = each.iter().map(|name| vec![*name]).chain([MFA.to_vec(), each.clone(), vec!["NoSuchName"]]);
    for set in sets {
        let ran = search(&archive, &names(&set));
        let mut wanted = all.clone();
        wanted.retain(|_, record| record["eventName"].as_str().is_some_and(|name| set.contains(&name)));
        assert_eq!(printed(&ran), wanted, "{set:?}\n{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("{} events found", wanted.len())), "{}", ran.stderr);
    }
}

#[test]
fn the_range_is_half_open_and_by_event_time() {
    let archive = root().join("fixtures/archive");
    let all = fixtures();
    let (from, to) = ("2026-10-05T00:00:00Z", "2026-10-12T00:00:00Z");
    let ran = search(&archive, &["--from", from, "--to", to]);
    let mut wanted = all.clone();
    wanted.retain(|_, record| record["eventTime"].as_str().is_some_and(|time| from <= time && time < to));
    assert!(!wanted.is_empty());
    assert_eq!(printed(&ran), wanted);
    let time = wanted.values().next().and_then(|record| record["eventTime"].as_str()).expect("a time").to_owned();
    let at = |arguments: &[&str]| printed(&search(&archive, arguments)).len();
    let same = all.values().filter(|record| record["eventTime"] == *time).count();
    assert_eq!(at(&["--from", &time]) + at(&["--to", &time]), all.len());
    assert!(same > 0 && at(&["--from", &time]) >= same);
}

#[test]
fn any_number_of_threads_prints_the_same_bytes() {
    let archive = root().join("fixtures/archive");
    let one = search(&archive, &["--threads", "1"]);
    assert!(!one.stdout.is_empty());
    for threads in ["2", "5"] {
        let more = search(&archive, &["--threads", threads]);
        assert_eq!((&one.stdout, &one.stderr, one.status), (&more.stdout, &more.stderr, more.status));
    }
}

#[test]
fn bytes_are_kept_and_line_breaks_are_not() {
    let home = tempfile::tempdir().expect("a folder");
    let odd = record("EnableMFADevice", 1, r#","n":12345678901234567890.10,"s":"a\nb \u003c","empty":{ }"#);
    write(home.path(), "a.json.gz", &format!("{{\n  \"Records\": [\r\n{}\n]\n}}\n", odd.replace(",\"", ",\r\n    \"")));
    let ran = search(home.path(), &names(&MFA));
    assert_eq!(ran.stdout, format!("{}\n", odd.replace(",\"", ",    \"")));
    // The same event in another object is printed once, of the object that comes first.
    write(home.path(), "b.json.gz", &format!(r#"{{"Records":[{},{}]}}"#, record("TagMFADevice", 2, ""), odd));
    let ran = search(home.path(), &names(&MFA));
    assert_eq!(ran.stdout, format!("{}\n{}\n", odd.replace(",\"", ",    \""), record("TagMFADevice", 2, "")));
    assert!(ran.stderr.contains("2 events found, 1 more copies of them left out"), "{}", ran.stderr);
    assert_eq!(ran.status, 0);
}

#[test]
fn what_could_not_be_read_is_named() {
    let home = tempfile::tempdir().expect("a folder");
    let whole = format!(r#"{{"Records":[{}]}}"#, record("EnableMFADevice", 1, ""));
    write(home.path(), "good.json.gz", &whole);
    write(home.path(), "cut.json.gz", &whole[..whole.len() - 2]);
    std::fs::write(home.path().join("plain.txt"), "no JSON").expect("a file");
    let ran = search(home.path(), &names(&MFA));
    assert_eq!((ran.status, ran.stdout.lines().count()), (3, 1));
    assert!(ran.stderr.contains("warning: cut.json.gz: document 1 is damaged at byte"), "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: plain.txt: "), "{}", ran.stderr);
    let empty = tempfile::tempdir().expect("a folder");
    let ran = search(empty.path(), &[]);
    assert_eq!((ran.status, ran.stdout.as_str()), (3, ""));
    assert!(ran.stderr.contains("no object at all was read"), "{}", ran.stderr);
}

#[test]
fn wrong_usage_is_told_before_any_work() {
    let archive = root().join("fixtures/archive");
    for (arguments, told) in [
        (&["--from", "2026-10-05", "--to", "2026-10-05"][..], "is not before `--to`"),
        (&["--event-name", ""], "`--event-name` is empty"),
        (&["--from", "yesterday"], "`--from`: "),
    ] {
        let ran = search(&archive, arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
    assert_eq!(search(Path::new("no/such/folder"), &[]).status, 2);
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let archive = root().join("fixtures/archive");
    let mut child =
        mfatrail().arg("search").arg(&archive).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    drop(child.stdout.take());
    let ran = child.wait_with_output().expect("it ends");
    assert_eq!((ran.status.code(), String::from_utf8_lossy(&ran.stderr).as_ref()), (Some(0), ""));
}
