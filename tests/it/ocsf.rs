//! Security Lake: the published pairs of raw record and OCSF event say the same, but for what `docs/sources.md` lists; and so does a
//! lake that was made of the fixtures.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::store::Home;
use crate::support::run::{self, Ran, root};

/// What a store has of each event, but for where it lies.
const EVENTS: &str = "SELECT event_time, event_id, account, region, event_source, event_name, action, serial, mfa_used, new_user_name, \
    access_key_id, access_key_active, policy_arn, group_name, group_added, target, target_name, target_id, actor_kind, actor_account, \
    actor_id, actor_name, actor_arn, actor_access_key, actor_role_arn, actor_mfa, source_ip, user_agent, failed, error_code, \
    error_message FROM events ORDER BY event_time, event_id";
const CALLS: &str = "SELECT event_time, event_id, account, region, event_source, event_name, actor_kind, actor_account, actor_id, \
    actor_name, actor_arn, actor_role_arn, source_ip, read_only, failed, session_mfa, sign_in_mfa, about_user FROM calls \
    ORDER BY event_time, event_id";

const LAKE: &str = "aws/CLOUD_TRAIL_MGMT/2.0/region=us-east-1/accountId=111122223333/eventDay=20231110";

fn pairs(version: u64) -> Vec<Value> {
    let text = fs::read_to_string(root().join("fixtures/ocsf/pairs.json")).unwrap();
    let pairs: Vec<Value> = serde_json::from_str(&text).unwrap();
    pairs.into_iter().filter(|pair| pair["version"] == version).collect()
}

fn raw(version: u64) -> Vec<u8> {
    let records: Vec<Value> = pairs(version).iter().map(|pair| pair["raw"].clone()).collect();
    json!({ "Records": records }).to_string().into_bytes()
}

fn parquet(version: u64) -> Vec<u8> {
    fs::read(root().join(format!("fixtures/ocsf/pairs-{version}.parquet"))).unwrap()
}

/// An archive with these files.
fn home(files: &[(&str, Vec<u8>)]) -> Home {
    let home = Home::new();
    files.iter().for_each(|(name, bytes)| home.put(name, bytes));
    home
}

fn rows(home: &Home, statement: &str) -> Vec<Value> {
    let ran = home.run(&["history", "--sql", statement, "--format", "json"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    answer.as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

/// What is absent in one of two rows, by name, and what is otherwise different.
fn differences(whole: &[Value], part: &[Value]) -> (BTreeSet<String>, Vec<String>) {
    assert_eq!(whole.len(), part.len(), "{whole:?} {part:?}");
    let (mut lost, mut other) = (BTreeSet::new(), Vec::new());
    for (whole, part) in whole.iter().zip(part) {
        for (name, value) in whole.as_object().unwrap() {
            match &part[name] {
                same if same == value => {}
                Value::Null => drop(lost.insert(name.clone())),
                different => other.push(format!("{name}: {value} {different}")),
            }
        }
    }
    (lost, other)
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn published_pairs_say_the_same() {
    for version in [1, 2] {
        let whole = home(&[("raw.json", raw(version))]);
        let lake = home(&[(&format!("{LAKE}/x.gz.parquet"), parquet(version))]);
        for home in [&whole, &lake] {
            assert_eq!(home.scan(&[]).status, 0);
        }
        let (lost, other) = differences(&rows(&whole, EVENTS), &rows(&lake, EVENTS));
        // Of the sign-in without a session OCSF does not say whether there was one.
        assert_eq!((lost, other), (names(&["actor_mfa"]), vec![]), "source version {version}");
        let (lost, other) = differences(&rows(&whole, CALLS), &rows(&lake, CALLS));
        assert_eq!((lost, other), (names(&["session_mfa"]), vec![]), "source version {version}");
        assert_eq!(rows(&lake, EVENTS).len(), 2);
    }
}

#[test]
fn an_event_in_both_forms_is_one_event() {
    for version in [1, 2] {
        let whole = home(&[("raw.json", raw(version))]);
        whole.scan(&[]);
        // Whichever comes first.
        for (raw_name, lake_name) in [("a.json", "b.parquet"), ("b.json", "a.parquet")] {
            let both = home(&[(raw_name, raw(version)), (lake_name, parquet(version))]);
            let out = both.0.path().join("out");
            let report = |more: &[&str]| {
                let arguments = ["--from", "2020-01-01", "--to", "2024-01-01", "--as-of", "2024-01-01", "--out"];
                let ran = both.run(&[&["report"], more, &arguments[..], &[out.to_str().unwrap()]].concat());
                let report = run::json(&out);
                fs::remove_dir_all(&out).unwrap();
                (ran, report)
            };
            let (ran, report_of_archive) = report(&[both.archive().to_str().unwrap()]);
            assert!(!ran.stderr.contains("event-conflict"), "{}", ran.stderr);
            assert_eq!(report_of_archive["coverage"]["conflicts"], json!([]));
            let notice =
                report_of_archive["notices"].as_array().unwrap().iter().find(|one| one["code"] == "ocsf-source");
            let text = notice.expect("the source is named")["text"].as_str().unwrap();
            assert!(text.starts_with("3 records of 2 accounts came from Security Lake (OCSF)"), "{text}");
            both.scan(&[]);
            let (_, report_of_store) = report(&["--store", both.store().to_str().unwrap()]);
            for field in ["events", "windows", "figures", "coverage", "notices"] {
                assert_eq!(report_of_store[field], report_of_archive[field], "{field}");
            }
            let ran = both.run(&["search", both.archive().to_str().unwrap()]);
            let mut found: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let mut wanted: Vec<Value> = pairs(version).iter().map(|pair| pair["raw"].clone()).collect();
            for list in [&mut found, &mut wanted] {
                list.sort_by_key(|record| record["eventID"].to_string());
            }
            assert_eq!(found, wanted, "{}", ran.stderr);
        }
    }
}

#[test]
fn what_contradicts_the_raw_record_is_a_conflict() {
    let both = home(&[("a.parquet", parquet(2)), ("b.json", raw(2))]);
    let text = String::from_utf8(raw(2)).unwrap();
    both.put("b.json", text.replace(r#""userName":"test_user2""#, r#""userName":"test_user3""#).as_bytes());
    let ran = both.run(&["search", both.archive().to_str().unwrap(), "--event-name", "CreateUser", "--format", "json"]);
    assert!(ran.stdout.contains("test_user2") || ran.stdout.contains("test_user3"));
    let out = both.0.path().join("out");
    let arguments =
        ["--from", "2023-01-01", "--to", "2024-01-01", "--as-of", "2024-01-01", "--out", out.to_str().unwrap()];
    let ran = both.run(&[&["report", both.archive().to_str().unwrap()], &arguments[..]].concat());
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert_eq!(run::json(&out)["coverage"]["conflicts"][0]["event_id"], "7dd15a89-ae0f-4340-8e6c-example");
}

/// What is said of a file, and whether a record of it was found.
fn said(bytes: &[u8]) -> (Ran, usize) {
    let home = home(&[(&format!("{LAKE}/x.gz.parquet"), bytes.to_vec())]);
    let ran = home.run(&["search", home.archive().to_str().unwrap()]);
    let found = ran.stdout.lines().count();
    (ran, found)
}

#[test]
fn other_files_and_damage_have_names() {
    let good = parquet(2);
    let changed = |from: &[u8], to: &[u8]| {
        let mut bytes = good.clone();
        let at = bytes.windows(from.len()).position(|window| window == from);
        let at = at.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(from)));
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    for (what, bytes, error) in [
        ("cut", good[..good.len() - 1].to_vec(), "a damaged Parquet file: it is cut off, or is not Parquet"),
        ("a name", b"PAR1PAR1".to_vec(), "a damaged Parquet file: it is cut off, or is not Parquet"),
        ("no metadata", changed(b"metadata", b"m_tadata"), "a Parquet file without the column `metadata`"),
        ("no id", [good.clone(), vec![0; 8]].concat(), "a damaged Parquet file: it is cut off, or is not Parquet"),
    ] {
        let (ran, found) = said(&bytes);
        assert_eq!((ran.status, found), (3, 0), "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains(error), "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains("eventDay=20231110/x.gz.parquet"), "{what}: {}", ran.stderr);
    }
    let home = home(&[
        (
            "aws/ROUTE53/2.0/region=us-east-1/accountId=111122223333/eventDay=20231110/x.gz.parquet",
            b"PAR1 of others".to_vec(),
        ),
        ("aws/CLOUD_TRAIL_MGMT/2.0/metadata/00000-x.metadata.json", b"{}".to_vec()),
        (&format!("{LAKE}/x.gz.parquet"), good.clone()),
    ]);
    let ran = home.run(&["search", home.archive().to_str().unwrap()]);
    assert_eq!((ran.status, ran.stdout.lines().count()), (0, 3), "{}", ran.stderr);
    assert!(ran.stderr.contains("2 deliberately skipped"), "{}", ran.stderr);
}

/// The paths of `docs/sources.md` between two headings' lines: what is lost.
fn documented(heading: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("docs/sources.md")).unwrap();
    let part =
        text.split(&format!("## {heading}\n")).nth(1).unwrap_or_else(|| panic!("docs/sources.md lacks {heading}"));
    let part = part.split("\n## ").next().unwrap();
    let rows = part.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned));
    rows.collect()
}

/// Every value of a record that says something, by its path.
fn leaves(value: &Value, path: &str, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, &path, into);
            }
        }
        Value::Null => {}
        Value::Array(list) if list.is_empty() => {}
        Value::String(text) if text.is_empty() => {}
        value => drop(into.insert(path.to_owned(), value.clone())),
    }
}

/// The paths that the records of a lake lack, of those that their raw records have.
fn lost(raw: &[Value], lake: &[Value]) -> BTreeSet<String> {
    let by_id: BTreeMap<String, &Value> = lake.iter().map(|one| (one["eventID"].to_string(), one)).collect();
    let mut lost = BTreeSet::new();
    for record in raw {
        let (mut has, mut left) = (BTreeMap::new(), BTreeMap::new());
        leaves(record, "", &mut has);
        leaves(by_id[&record["eventID"].to_string()], "", &mut left);
        lost.extend(has.into_keys().filter(|path| !left.contains_key(path)));
    }
    lost
}

fn searched(folder: &Path, home: &Home) -> Vec<Value> {
    let ran = home.run(&["search", folder.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_field_that_is_lost_is_in_the_document() {
    let known = documented("What OCSF does not keep");
    for version in [1, 2] {
        let lake = home(&[("x.parquet", parquet(version))]);
        let raw: Vec<Value> = pairs(version).iter().map(|pair| pair["raw"].clone()).collect();
        let lost = lost(&raw, &searched(&lake.archive(), &lake));
        assert!(lost.is_subset(&known), "source version {version} loses {lost:?}, of which the document has {known:?}");
    }
}

mod online {
    use std::process::Command;

    use super::*;
    use crate::support::run::{INPUTS, OCTOBER};
    use crate::support::s3::S3;
    use crate::support::store::files;
    use crate::support::venv;

    /// The fixtures as a lake of a source version.
    fn lake(version: &str) -> (Home, PathBuf) {
        let home = Home::new();
        let folder = home.archive();
        venv::run(
            Command::new(venv::python("pyarrow", "pyarrow==26.0.1"))
                .arg(root().join("fixtures/ocsf/generate.py"))
                .arg(root().join("fixtures/archive"))
                .args([folder.to_str().unwrap(), "--version", version]),
        );
        (home, folder)
    }

    fn report(home: &Home, source: &[&str], s3: Option<&S3>) -> Value {
        let out = home.0.path().join("out");
        let as_of = ["--as-of", "2026-11-02", "--out", out.to_str().unwrap()];
        let mut command = home.command(&[&["report"], source, OCTOBER, &as_of[..]].concat());
        command.env_remove("MFATRAIL_STORE");
        if let Some(s3) = s3 {
            command
                .env("AWS_ENDPOINT_URL_S3", &s3.url)
                .env("AWS_ACCESS_KEY_ID", "testing")
                .env("AWS_SECRET_ACCESS_KEY", "testing");
        }
        let ran = run::finish(&mut command);
        assert!(out.exists(), "{}", ran.stderr);
        let report = run::json(&out);
        fs::remove_dir_all(out).unwrap();
        report
    }

    /// What a report says of windows and events, without what only names of objects tell.
    fn concluded(mut report: Value) -> Value {
        let unknown = ["delivered_at", "objects", "object", "delivery", "sha256"];
        fn strip(value: &mut Value, unknown: &[&str]) {
            match value {
                Value::Object(members) => {
                    members.retain(|name, _| !unknown.contains(&name.as_str()));
                    members.values_mut().for_each(|value| strip(value, unknown));
                }
                Value::Array(list) => list.iter_mut().for_each(|value| strip(value, unknown)),
                _ => {}
            }
        }
        strip(&mut report, &unknown);
        let mut said = serde_json::Map::new();
        for field in ["windows", "events", "figures", "accounts", "months", "devices", "reconciliation"] {
            said.insert(field.to_owned(), report[field].take());
        }
        Value::Object(said)
    }

    /// What a few kilobytes can say that they hold.
    const HOSTILE: &str = r#"
import json, pathlib, sys, pyarrow as pa, pyarrow.parquet as pq
sys.path.insert(0, sys.argv[1])
import generate
folder = pathlib.Path(sys.argv[2])
pair = [one for one in json.loads((pathlib.Path(sys.argv[1]) / "pairs.json").read_text()) if one["version"] == 2][0]
row = generate.laid(pair["ocsf"], 2)
def write(name, rows, **more):
    table = pa.Table.from_pylist(rows, schema=generate.schema(2))
    pq.write_table(table, folder / name, compression="zstd", write_statistics=False, store_schema=False, **more)
text = "x" * 1_000
# One text, said again and again in one row; and in many rows.
write("map.parquet", [{**row, "unmapped": [(f"requestParameters.k{n}", text) for n in range(30_000)]}])
write("rows.parquet", [{**row, "unmapped": [(f"requestParameters.k{n}", text) for n in range(15)]}] * 20_000)
# A page that inflates to far more than it is.
write("page.parquet", [{**row, "http_request": {"user_agent": chr(97 + n % 26) * 1_000_000}} for n in range(300)], use_dictionary=False)
other = {**row, "metadata": {**row["metadata"], "version": "1.7.0\x1b[31m"}}
write("version.parquet", [row, other])
write("product.parquet", [{**row, "metadata": {**row["metadata"], "product": {"name": "VPC Flow"}}}])
write("empty.parquet", [])
pq.write_table(pa.table({"metadata": ["x"], "api": ["y"]}), folder / "flat.parquet")
"#;

    #[test]
    fn hostile_files_take_no_more_than_the_limit_and_have_names() {
        let home = Home::new();
        let script = home.0.path().join("hostile.py");
        fs::write(&script, HOSTILE).unwrap();
        fs::create_dir_all(home.archive()).unwrap();
        venv::run(
            Command::new(venv::python("pyarrow", "pyarrow==26.0.1"))
                .arg(&script)
                .arg(root().join("fixtures/ocsf"))
                .arg(home.archive()),
        );
        for (name, error) in [
            ("map", "row 1: larger than 2097152 bytes, which is more than a record can have"),
            ("rows", "it says that it holds 20000 rows, in "),
            ("page", "inflates to more than the limit of 96MiB (hint: `--inflate-limit`)"),
            ("version", "row 2: OCSF `1.7.0"),
            ("product", "row 1: an event of `VPC Flow`, not of CloudTrail"),
            ("empty", "it has no rows"),
            ("flat", "a Parquet file without the column `metadata`"),
        ] {
            let file = home.archive().join(format!("{name}.parquet"));
            assert!(fs::metadata(&file).unwrap().len() < 3 << 20, "{name}: {:?}", fs::metadata(&file));
            let limit = if name == "rows" { "2MiB" } else { "96MiB" };
            let command = home.command(&["search", file.to_str().unwrap(), "--threads", "1", "--inflate-limit", limit]);
            // What it may have of memory, in KiB.
            let mut limited = Command::new("sh");
            limited
                .args(["-c", "ulimit -v 1500000; exec \"$@\"", "sh"])
                .arg(command.get_program())
                .args(command.get_args());
            limited.current_dir(root()).env("MFATRAIL_CONFIG", "").stdin(std::process::Stdio::null());
            let ran = run::finish(&mut limited);
            assert!(ran.status == 3 && ran.stdout.is_empty(), "{name}: {} {}", ran.status, ran.stderr);
            assert!(ran.stderr.contains(error), "{name}: {}", ran.stderr);
        }
    }

    #[test]
    fn a_lake_of_the_fixtures_gives_their_windows_and_figures() {
        assert_eq!(INPUTS.len(), 8);
        let plain = Home::new();
        let want = concluded(report(&plain, &["fixtures/archive"], None));
        let mut raw: Vec<Value> = searched(&root().join("fixtures/archive"), &plain);
        raw.sort_by_key(|record| record["eventID"].to_string());
        for version in ["1", "2"] {
            let (home, folder) = lake(version);
            let of_folder = report(&home, &[folder.to_str().unwrap()], None);
            let got = concluded(of_folder.clone());
            for field in want.as_object().unwrap().keys() {
                assert_eq!(got[field], want[field], "{field}, source version {version}");
            }
            let lost = lost(&raw, &searched(&folder, &home));
            assert!(lost.is_subset(&documented("What OCSF does not keep")), "{lost:?}");
            // The same from a bucket, of which days outside the range are not even listed.
            let s3 = S3::start();
            for file in files(&folder) {
                let key = format!("lake/{}", file.strip_prefix(&folder).unwrap().display());
                s3.put(&key, &fs::read(file).unwrap(), std::time::Duration::ZERO);
            }
            let of_bucket = report(&home, &["s3://evidence-bucket/lake"], Some(&s3));
            assert_eq!(concluded(of_bucket.clone()), got);
            for count in ["objects_read", "records", "days", "gaps"] {
                assert_eq!(of_bucket["coverage"][count], of_folder["coverage"][count], "{count}");
            }
            // In both forms at once: nothing contradicts anything, and what the raw record tells is known.
            let both = report(&home, &["fixtures/archive", folder.to_str().unwrap()], None);
            assert_eq!(both["coverage"]["conflicts"], json!([]), "source version {version}");
            let got = concluded(both);
            for field in ["windows", "events", "figures"] {
                assert_eq!(got[field], want[field], "{field}, both forms, source version {version}");
            }
        }
    }
}
