//! Evidence bundles from the outside: made, checked and made again; and bundles that somebody changed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::support::digests::{self, Bucket, Signer, Trail, deactivation};
use crate::support::run::{self, Ran, json, mfatrail};
use crate::support::upload;

const A: &str = "111122223333";
const PERIOD: [&str; 6] =
    ["--from", "2026-10-01T22:05:31Z", "--to", "2026-10-02T10:00:00Z", "--as-of", "2026-10-02T10:05:31Z"];

/// A bucket with its digests, in which a device is deactivated.
fn bucket() -> Bucket {
    deactivation(A, "2026-10-01T22:05:31Z").0
}

/// The same on disk.
fn archive() -> TempDir {
    let home = tempfile::tempdir().expect("a folder");
    bucket().write(&home.path().join("archive"));
    fs::write(home.path().join("keys.json"), Signer::ours().printed()).expect("a file");
    home
}

fn mfa(home: &Path, arguments: &[&str]) -> Ran {
    let mut command = mfatrail();
    command.current_dir(home).env("SOURCE_DATE_EPOCH", "1793577600").args(arguments);
    command.output().expect("it runs").into()
}

/// Names and bytes, of a bundle or a report.
type Members = BTreeMap<String, Vec<u8>>;

/// All files of a report.
fn files(folder: &Path) -> Members {
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let paths = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    paths.map(|path| (name(&path), fs::read(&path).expect("a file"))).collect()
}

fn signed(home: &Path) -> PathBuf {
    let verify = ["--verify", "--public-keys", "keys.json", "--out", "one", "--bundle", "one.zip", "--with-objects"];
    let ran = mfa(home, &[&["report", "archive"], &PERIOD[..], &verify[..]].concat());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    home.join("one.zip")
}

/// Makes the report `one` again from its bundle, as `two`: the same files, byte for byte.
fn made_again(home: &Path) -> Ran {
    let ran = mfa(home, &["report", "--from-bundle", "one.zip", "--out", "two"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(files(&home.join("one")) == files(&home.join("two")));
    ran
}

fn members(bundle: &Path) -> Members {
    let mut zip = ZipArchive::new(fs::File::open(bundle).expect("the bundle")).expect("a zip file");
    let mut all = BTreeMap::new();
    for at in 0..zip.len() {
        let mut member = zip.by_index(at).expect("a member");
        let name = member.name().expect("a name").into_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).expect("its bytes");
        all.insert(name, bytes);
    }
    all
}

fn pack(path: &Path, members: &Members) {
    let mut zip = ZipWriter::new(fs::File::create(path).expect("a file"));
    for (name, bytes) in members {
        zip.start_file(name, SimpleFileOptions::default()).expect("a member");
        zip.write_all(bytes).expect("it is written");
    }
    zip.finish().expect("a zip file");
}

/// Changes `bundle.json`.
fn head(members: &mut Members, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&members["bundle.json"]).expect("JSON");
    change(&mut value);
    members.insert("bundle.json".to_owned(), serde_json::to_vec(&value).expect("JSON"));
}

/// Lists members as they are now.
fn list(members: &mut Members) {
    let all: Vec<Value> = members
        .iter()
        .filter(|(name, _)| *name != "bundle.json")
        .map(|(name, bytes)| {
            let sha256 = mfatrail::hash::hex(&mfatrail::hash::sha256(bytes));
            serde_json::json!({ "name": name, "bytes": bytes.len(), "sha256": sha256 })
        })
        .collect();
    head(members, |value| value["members"] = all.into());
}

#[test]
fn a_signed_archive_s_report_is_made_again_from_its_bundle() {
    let home = archive();
    let bundle = signed(home.path());
    let first = fs::read(&bundle).expect("the bundle");
    let all = members(&bundle);
    assert!(all.keys().any(|name| name.starts_with("digests/") && name.ends_with(".signature")), "{:?}", all.keys());
    assert!(all.contains_key("public-keys.json"));
    let cited: Value = serde_json::from_slice(&all["objects.json"]).expect("JSON");
    // The one with the deactivation, and the one with the call that makes it a workaround.
    let proven: Vec<&Value> = cited.as_array().expect("a list").iter().map(|object| &object["integrity"]).collect();
    assert_eq!(proven, ["verified", "verified"]);
    let member = cited[0]["member"].as_str().expect("a member");
    assert!(all.contains_key(member), "{member}");

    // The picture of the hours, and its numbers for those who read.
    let shown = files(&home.path().join("one"));
    let text = |name: &str| String::from_utf8_lossy(&shown[name]).into_owned();
    assert!(text("index.html").contains("Proof by hour, account and region"));
    assert!(text("report.md").contains("| `111122223333` | `us-east-1` | 11 | 0 | 0 |"), "{}", text("report.md"));

    // The same bytes again, and offline.
    signed(home.path());
    assert!(fs::read(&bundle).expect("the bundle") == first);
    fs::remove_dir_all(home.path().join("archive")).expect("it can go");
    let ran = made_again(home.path());
    assert!(ran.stderr.contains("2 cited objects parsed again, 2 of them verified"), "{}", ran.stderr);
    let report = json(&home.path().join("two"));
    assert_eq!(report["windows"][0]["integrity"], "verified");
    assert_eq!(report["coverage"]["integrity"]["digests"], 12);
}

#[test]
fn the_fixtures_report_is_made_again_from_its_bundle_without_objects() {
    let home = tempfile::tempdir().expect("a folder");
    let fixtures = run::root().join("fixtures");
    let path = |name: &str| fixtures.join(name).to_str().expect("UTF-8").to_owned();
    let (source, iam, approvals) = (path("archive"), path("iam"), path("approvals.csv"));
    let arguments =
        ["report", &source, "--month", "2026-10", "--iam", &iam, "--iam-as-of", "2026-11-02", "--approvals"];
    let plain = mfa(home.path(), &[&arguments[..], &[&approvals, "--out", "plain"]].concat());
    let made = mfa(home.path(), &[&arguments[..], &[&approvals, "--out", "one", "--bundle", "one.zip"]].concat());
    assert_eq!((plain.status, made.status), (0, 0), "{}", made.stderr);
    assert!(files(&home.path().join("plain")) == files(&home.path().join("one")), "a bundle changes no report");
    made_again(home.path());
}

#[test]
fn a_store_keeps_what_the_digests_say() {
    let home = archive();
    let scan = ["scan", "archive", "--store", "store"];
    let verify = ["--verify", "--public-keys", "keys.json", "--to", "2026-10-02T10:00:00Z"];
    assert_eq!(mfa(home.path(), &scan).status, 0);
    let report = [&["report", "--store", "store", "--out", "out"], &PERIOD[..]].concat();
    assert_eq!(mfa(home.path(), &report).status, 0);
    assert!(json(&home.path().join("out"))["coverage"]["integrity"].is_null());

    // What was never verified is read again; what is verified is not, and nothing of it is late.
    let ran = mfa(home.path(), &[&scan[..], &verify[..]].concat());
    assert!(ran.status == 0 && ran.stderr.contains("WHOLE: "), "{}", ran.stderr);
    assert!(ran.stderr.contains(" 0 already in the store"), "{}", ran.stderr);
    let ran = mfa(home.path(), &[&scan[..], &verify[..]].concat());
    assert!(ran.status == 0 && ran.stderr.contains("WHOLE: "), "{}", ran.stderr);
    // The newest digest has no signature on disk, so the three logs that it names are not verified yet.
    assert!(
        ran.stderr.contains("3 objects read") && ran.stderr.contains("; 20 already in the store"),
        "{}",
        ran.stderr
    );
    let ran = mfa(home.path(), &report);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let report = json(&home.path().join("out"));
    assert_eq!(report["windows"][0]["integrity"], "verified");
    assert_eq!(report["events"][0]["integrity"], "verified");
    let integrity = &report["coverage"]["integrity"];
    assert_eq!((&integrity["source"], &integrity["logs"]["failed"]), (&"store".into(), &0.into()), "{integrity}");
    assert!(integrity["hours"].is_null());
    let notices = report["notices"].to_string();
    assert!(!notices.contains("restatement"), "{notices}");
    assert_eq!(mfa(home.path(), &["store", "check", "--store", "store"]).status, 0);
}

#[test]
fn whatever_a_report_says_of_its_store_is_in_its_bundle_too() {
    let home = archive();
    // A store of more than SOURCE has, with an object that was overwritten since, reported on before.
    let log = r#"{"Records":[{"eventID":"one","eventTime":"2026-10-02T01:00:00Z","eventSource":"iam.amazonaws.com","eventName":"GetUser","recipientAccountId":"111122223333","userIdentity":{}}]}"#;
    for name in ["more/elsewhere.json", "logs/replaced.json", "logs/same.json"] {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, log.replace("one", name)).expect("a file");
    }
    assert_eq!(mfa(home.path(), &["scan", "logs", "more", "--store", "store"]).status, 0);
    let report = [&["report", "logs", "--store", "store", "--out", "zero"], &PERIOD[..]].concat();
    mfa(home.path(), &report);
    fs::write(home.path().join("logs/replaced.json"), log.replace("one", "another")).expect("a file");
    let report = ["report", "logs", "--store", "store", "--out", "one", "--bundle", "one.zip"];
    let ran = mfa(home.path(), &[&report[..], &PERIOD[..]].concat());
    let notices = json(&home.path().join("one"))["notices"].to_string();
    for code in ["object-replaced", "other-sources", "restatement"] {
        assert!(notices.contains(code), "{code}: {notices}\n{}", ran.stderr);
    }
    let again = mfa(home.path(), &["report", "--from-bundle", "one.zip", "--out", "two"]);
    assert_eq!(again.status, ran.status, "{}", again.stderr);
    assert!(files(&home.path().join("one")) == files(&home.path().join("two")));
}

#[test]
fn what_was_changed_in_a_bundle_is_named() {
    let home = archive();
    let sound = members(&signed(home.path()));
    let again = |members: &Members| {
        pack(&home.path().join("bad.zip"), members);
        mfa(home.path(), &["report", "--from-bundle", "bad.zip", "--out", "two"])
    };
    let refused = |change: &dyn Fn(&mut Members), expected: &str| {
        let mut changed = sound.clone();
        change(&mut changed);
        let ran = again(&changed);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{expected}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected) && ran.stderr.contains("hint:"), "{expected}: {}", ran.stderr);
        assert!(!home.path().join("two").exists(), "{expected}");
    };
    // Every member: one byte, and its absence.
    for name in sound.keys().filter(|name| *name != "bundle.json") {
        refused(
            &|members| *members.get_mut(name).and_then(|bytes| bytes.last_mut()).expect("a byte") ^= 1,
            &format!("its member `{name}` does not have the listed SHA-256"),
        );
    }
    let log = sound.keys().find(|name| name.starts_with("objects/")).expect("an object").clone();
    refused(&|members| drop(members.remove(&log)), "is listed, but is missing");
    refused(&|members| drop(members.insert("more".to_owned(), Vec::new())), "its member `more` is not listed");
    refused(&|members| members.get_mut(&log).expect("the log").push(b'\n'), "is larger than the ");
    for name in ["../evil", "/evil", "a/../../evil", "a\\..\\evil", "C:evil", "a//b"] {
        let add = |members: &mut Members| {
            members.insert(name.to_owned(), b"evil".to_vec());
            list(members);
        };
        refused(&add, "is not among the members");
    }
    assert!(!home.path().join("evil").exists() && !home.path().parent().expect("a folder").join("evil").exists());
    refused(&|members| head(members, |head| head["members"][0]["bytes"] = (1_u64 << 40).into()), "would inflate to");
    let bomb = |members: &mut Members| {
        members.insert("bomb".to_owned(), vec![0; 100 << 20]);
        list(members);
    };
    refused(&bomb, "would inflate to");
    refused(&|members| head(members, |head| head["run"]["iam"] = "/etc".into()), "which is not an input in it");
    refused(
        &|members| head(members, |head| head["run"]["policy"] = "inputs/../x".into()),
        "which is not an input in it",
    );
    refused(
        &|members| head(members, |head| head["run"]["delivery_slack"] = "--pdf".into()),
        "`--pdf` is not a duration",
    );
    for elsewhere in ["live", "store"] {
        refused(
            &|members| head(members, |head| head["run"]["iam"] = elsewhere.into()),
            "refers to IAM state outside the bundle",
        );
    }
    refused(&|members| head(members, |head| head["schema"] = "mfatrail.bundle/2".into()), "its schema is");
    refused(&|members| drop(members.insert("bundle.json".to_owned(), b"{".to_vec())), "`bundle.json`: ");
    fs::write(home.path().join("bad.zip"), b"no zip").expect("a file");
    let ran = mfa(home.path(), &["report", "--from-bundle", "bad.zip"]);
    assert!(ran.status == 2 && ran.stderr.contains("is not a bundle"), "{}", ran.stderr);

    // Whoever changes an object and the list still does not have the digest's signature, nor the excerpt's records.
    let mut changed = sound.clone();
    let text = String::from_utf8(changed[&log].clone()).expect("UTF-8").replace("192.0.2.7", "192.0.2.8");
    changed.insert(log.clone(), text.into_bytes());
    list(&mut changed);
    let ran = again(&changed);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("its records differ from those in the report's evidence"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("is marked as verified, but the digests in the bundle do not prove it"),
        "{}",
        ran.stderr
    );
}

#[test]
fn wrong_usage_is_told_before_any_work() {
    let home = archive();
    let report =
        |more: &[&str]| mfa(home.path(), &[&["report", "archive", "--out", "out"], &PERIOD[..], more].concat());
    for (more, expected) in [
        (&["--bundle", "x.zip", "--redact"][..], "--redact"),
        (&["--bundle", "no/such/folder/x.zip"], "could not write `no/such/folder/x.zip`"),
        (&["--with-objects"], "--bundle"),
        (&["--from-bundle", "x.zip"], "--from-bundle"),
    ] {
        let ran = report(more);
        assert_eq!(ran.status, 2, "{more:?}");
        assert!(ran.stderr.contains(expected), "{more:?}: {}", ran.stderr);
    }
    let ran = mfa(home.path(), &["report", "--from-bundle", "absent.zip"]);
    assert!(ran.status == 2 && ran.stderr.contains("could not read `absent.zip`"), "{}", ran.stderr);
}

#[test]
fn of_two_records_of_one_event_the_verified_one_counts() {
    let home = archive();
    let folder = home.path().join("archive");
    let plant = |record: &str, trail: &str| {
        let mut bucket = Bucket::new("trail-bucket");
        let mut forged = Trail::new(A, "us-east-1", "2026-10-02T04:05:31Z");
        forged.organization = "";
        forged.prefix = "";
        forged.delivered = 900;
        let key = forged.log(&mut bucket, 20, &[record.to_owned()]);
        let path = folder.join(key).with_extension(format!("{trail}.gz"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, &bucket.objects.values().next().expect("the log").bytes).expect("a file");
    };
    let found = mfa(home.path(), &["search", "archive", "--event-name", "DeactivateMFADevice"]);
    let record = found.stdout.trim_end();
    let id = serde_json::from_str::<Value>(record).expect("JSON")["eventID"].clone();
    let taken_back = record.replacen('{', r#"{"errorCode":"AccessDenied","#, 1);
    let addendum = format!(r#"{{"errorCode":"AccessDenied","addendum":{{"originalEventID":{id}}},"#);
    let updated = record.replacen('{', &addendum, 1).replace(&format!(r#""eventID":{id}"#), r#""eventID":"u-1""#);
    for (what, planted) in [("refused", taken_back), ("an update", updated)] {
        plant(&planted, "planted");
        let mut said = Vec::new();
        let verify = ["--verify", "--public-keys", "keys.json"];
        let scan = [&["scan", "archive", "--store", what, "--to", "2026-10-02T10:00:00Z"], &verify[..]].concat();
        assert_eq!(mfa(home.path(), &scan).status, 3, "what is planted is unsigned");
        for (from, more) in [(&["archive"][..], &verify[..]), (&["--store", what], &[])] {
            let ran = mfa(home.path(), &[&["report"], from, &PERIOD[..], more, &["--out", "out"]].concat());
            assert_eq!(ran.status, 3, "{what}: {}", ran.stderr);
            let report = json(&home.path().join("out"));
            fs::remove_dir_all(home.path().join("out")).expect("a report");
            let [conflict] = report["coverage"]["conflicts"].as_array().expect("a list").as_slice() else {
                panic!("{what}: {}", report["coverage"]["conflicts"])
            };
            assert_eq!((&conflict["event_id"], &conflict["account"]), (&id, &A.into()), "{what}");
            assert_eq!(conflict["objects"].as_array().map(Vec::len), Some(2), "{what}");
            let kept = conflict["kept"].to_string();
            assert!(!kept.contains("planted") && kept.contains("json.gz"), "{what}: {kept}");
            // The verified one alone: one event, one window, no attempt.
            assert_eq!(report["events"].as_array().map(Vec::len), Some(1), "{what}");
            assert_eq!(report["events"][0]["outcome"], "success", "{what}");
            assert_eq!(report["windows"][0]["opened_by_event"], id, "{what}");
            assert_eq!(report["figures"]["deactivations"]["failed_attempts"], 0, "{what}");
            said.push(report["coverage"]["conflicts"].clone());
        }
        assert_eq!(said[0], said[1], "{what}: the store says what the archive says");
        // Without its digests nothing tells which is true.
        let ran = mfa(home.path(), &[&["report", "archive"], &PERIOD[..], &["--out", "out"]].concat());
        assert_eq!(ran.status, 3, "{what}: {}", ran.stderr);
        let report = json(&home.path().join("out"));
        fs::remove_dir_all(home.path().join("out")).expect("a report");
        assert_eq!(report["coverage"]["conflicts"][0]["kept"].as_array().map(Vec::len), Some(2), "{what}");
        assert_eq!(report["events"].as_array().map(Vec::len), Some(2), "{what}");
        assert_eq!(report["windows"][0]["opened_by_event"], id, "{what}");
    }
}

#[test]
fn a_bundle_of_contradictory_evidence_is_made_again_and_redacted() {
    let home = archive();
    let found = mfa(home.path(), &["search", "archive", "--event-name", "DeactivateMFADevice"]);
    let planted = found.stdout.trim_end().replacen('{', r#"{"errorCode":"AccessDenied","#, 1);
    let name =
        format!("AWSLogs/{A}/CloudTrail/us-east-1/2026/10/02/{A}_CloudTrail_us-east-1_20261002T0425Z_planted.json.gz");
    let path = home.path().join("archive").join(&name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, format!(r#"{{"Records":[{planted}]}}"#)).expect("a file");
    let arguments =
        [&["report", "archive"], &PERIOD[..], &["--out", "one", "--bundle", "one.zip", "--with-objects"]].concat();
    assert_eq!(mfa(home.path(), &arguments).status, 3);
    let ran = mfa(home.path(), &["report", "--from-bundle", "one.zip", "--out", "two"]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(files(&home.path().join("one")) == files(&home.path().join("two")));
    assert!(members(&home.path().join("one.zip")).keys().any(|member| member.ends_with("_planted.json")));
    for key in [&[][..], &["--redact-key", "secret"]] {
        fs::write(home.path().join("secret"), "0123456789abcdef").expect("a file");
        let arguments = [&["report", "archive"], &PERIOD[..], &["--out", "red", "--redact"], key].concat();
        assert_eq!(mfa(home.path(), &arguments).status, 3);
        for (file, bytes) in files(&home.path().join("red")) {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("planted"), "{file}");
        }
        let conflict = json(&home.path().join("red"))["coverage"]["conflicts"][0].clone();
        assert!(conflict["objects"][0].as_str().is_some_and(|object| object.starts_with("object-")), "{conflict}");
        fs::remove_dir_all(home.path().join("red")).expect("a report");
    }
}

#[test]
fn an_object_that_was_altered_under_its_tag_and_size_is_another_one() {
    let home = archive();
    let found = mfa(home.path(), &["search", "archive", "--event-name", "DeactivateMFADevice"]);
    let id = serde_json::from_str::<Value>(found.stdout.trim_end()).expect("JSON")["eventID"].clone();
    let text_of = |path: &Path| digests::gunzip(&fs::read(path).expect("a file"));
    let holds = |path: &PathBuf| String::from_utf8_lossy(&text_of(path)).contains("DeactivateMFADevice");
    let log = bucket().objects.keys().map(|key| home.path().join("archive").join(key)).find(holds).expect("the log");
    let text = text_of(&log);
    let altered = String::from_utf8(text.clone()).expect("UTF-8").replace("DeactivateMFADevice", "ResyncMFADevice    ");
    let put = |text: &[u8]| {
        fs::write(&log, text).expect("a file");
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_790_000_000);
        fs::File::options().write(true).open(&log).expect("a file").set_modified(time).expect("its time");
    };
    let scan = |verify: bool| {
        let more = ["--verify", "--public-keys", "keys.json", "--to", "2026-10-02T10:00:00Z"];
        let more = if verify { &more[..] } else { &[] };
        mfa(home.path(), &[&["scan", "archive", "--store", "store"], more].concat()).status
    };
    let deactivations = || {
        let checked = mfa(home.path(), &["store", "check", "--store", "store"]);
        assert_eq!(checked.status, 0, "{}{}", checked.stdout, checked.stderr);
        let sql =
            "SELECT e.event_name, o.status FROM events e JOIN objects o ON e.object_id = o.object_id ORDER BY o.status";
        let rows = mfa(home.path(), &["history", "--store", "store", "--sql", sql, "--format", "csv"]);
        assert!(rows.status == 0 || rows.stderr.contains("has not proven it"), "{}", rows.stderr);
        let history = mfa(home.path(), &["history", "--store", "store", "--format", "json"]);
        let cited: Vec<Value> = serde_json::from_str(&history.stdout).expect("JSON");
        let cited: Vec<Value> = cited.iter().map(|row| row["event_id"].clone()).collect();
        (rows.stdout.lines().skip(1).map(str::to_owned).collect::<Vec<_>>(), cited)
    };
    put(&text);
    assert_eq!(scan(false), 0);
    assert_eq!(deactivations(), (vec!["DeactivateMFADevice,read".to_owned()], vec![id.clone()]));
    // Only who verifies reads it again.
    put(altered.as_bytes());
    assert_eq!((scan(false), scan(true)), (0, 3));
    // No digest proves what is there now: what was read before is not forgotten.
    assert_eq!(deactivations(), (vec!["DeactivateMFADevice,replaced".to_owned()], vec![id.clone()]));
    put(&text);
    assert_eq!(scan(true), 0);
    assert_eq!(deactivations(), (vec!["DeactivateMFADevice,read".to_owned()], vec![id]));
}

/// With moto, which comes from PyPI.
mod online {
    use super::*;
    use crate::support::moto;

    #[test]
    fn a_bucket_s_report_with_live_iam_is_made_again_offline() {
        let server = moto::Moto::start();
        upload::upload(&server.endpoint(), &[&bucket()]);
        server.iam("Action=CreateUser&UserName=ada&Version=2010-05-08");
        let home = tempfile::tempdir().expect("a folder");
        fs::write(home.path().join("keys.json"), Signer::ours().printed()).expect("a file");
        let online = |arguments: &[&str]| -> Ran {
            let mut command = mfatrail();
            command.current_dir(home.path()).env("AWS_ENDPOINT_URL", server.endpoint()).env("AWS_REGION", "us-east-1");
            command.env("AWS_ACCESS_KEY_ID", "testing").env("AWS_SECRET_ACCESS_KEY", "secret");
            command.args(["report", "s3://trail-bucket"]).args(PERIOD).args(arguments).output().expect("it runs").into()
        };
        let verify = ["--verify", "--public-keys", "keys.json", "--iam", "live", "--out", "one", "--bundle", "one.zip"];
        let made = online(&[&verify[..], &["--with-objects"]].concat());
        assert_eq!(made.status, 0, "{}", made.stderr);
        let all = members(&home.path().join("one.zip"));
        assert!(all.keys().any(|name| name.ends_with(".signature")), "{:?}", all.keys());
        drop(server);

        let ran = made_again(home.path());
        assert!(ran.stderr.contains("2 cited objects parsed again, 2 of them verified"), "{}", ran.stderr);
        let report = json(&home.path().join("two"));
        // Beside the one that IAM shows, and no event.
        let mut windows = report["windows"].as_array().expect("a list").iter();
        let removed = windows.find(|window| window["kind"] == "removed").expect("the one of the device");
        assert_eq!(removed["integrity"], "verified");
        let object = report["events"][0]["objects"][0].as_str().expect("an object");
        assert!(object.starts_with("s3://trail-bucket/"), "{object}");
    }
}
