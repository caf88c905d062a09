//! `mfatrail verify` from the outside, with real cryptography: every way to tamper with an archive is found under its
//! own name, and what was not tampered with is verified.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::digests::{Bucket, Signer, Stored, Trail, deactivation, gunzip, gzip};
use crate::support::run::{self, Ran, mfatrail};
use crate::support::schema;
use crate::support::upload::upload;

const A: &str = "111122223333";
const B: &str = "444455556666";
const START: &str = "2026-10-01T22:05:31Z";

/// The archive that is tampered with: two accounts, three chains of a day and more.
fn archive() -> (Bucket, Vec<Trail>) {
    let mut bucket = Bucket::new("trail-bucket");
    let mut trails =
        vec![Trail::new(A, "us-east-1", START), Trail::new(A, "eu-west-1", START), Trail::new(B, "us-east-1", START)];
    for trail in &mut trails {
        trail.hours(&mut bucket, 30);
    }
    (bucket, trails)
}

/// The signatures of the newest digests, which a copy on disk would lack.
fn with_sidecars(mut bucket: Bucket) -> Bucket {
    let mut newest: BTreeMap<String, String> = BTreeMap::new();
    for key in bucket.keys("_CloudTrail-Digest_").into_iter().filter(|key| key.ends_with(".gz")) {
        if let Some((chain, _)) = key.split_once("/2026/") {
            newest.insert(chain.to_owned(), key.clone());
        }
    }
    newest.values().for_each(|key| bucket.put_sidecar(key));
    bucket
}

struct Disk {
    home: TempDir,
}

impl Disk {
    fn of(bucket: &Bucket) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        bucket.write(&home.path().join("archive"));
        std::fs::write(home.path().join("keys.json"), Signer::ours().printed()).expect("a file");
        Self { home }
    }

    fn archive(&self) -> PathBuf {
        self.home.path().join("archive")
    }

    fn verify(&self, more: &[&str]) -> Ran {
        let keys = self.home.path().join("keys.json");
        let mut command = mfatrail();
        command.arg("verify").arg(self.archive()).arg("--public-keys").arg(keys).args(more);
        command.output().expect("it runs").into()
    }

    fn json(&self, more: &[&str]) -> (i32, Value) {
        let ran = self.verify(&[&["--format", "json"], more].concat());
        let value =
            serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr));
        (ran.status, value)
    }
}

fn codes(outcome: &Value) -> BTreeMap<String, u64> {
    let counts = outcome["counts"].as_object().expect("counts");
    counts.iter().map(|(code, count)| (code.clone(), count.as_u64().expect("a number"))).collect()
}

const NOTES: [&str; 4] = ["backfill", "chain_start", "log_not_looked_at", "trail_moved_here"];

/// The codes that spoil the verdict.
fn faults(outcome: &Value) -> BTreeSet<String> {
    codes(outcome).into_keys().filter(|code| !NOTES.contains(&code.as_str())).collect()
}

// --- what is whole -------------------------------------------------------------------------------------------------

#[test]
fn weeks_of_several_trails_are_whole() {
    let mut bucket = Bucket::new("trail-bucket");
    let mut logs = 0;
    for (account, region, name) in
        [(A, "us-east-1", "org_trail"), (A, "ap-southeast-2", "org_trail"), (B, "us-east-1", "second")]
    {
        let mut trail = Trail { name, prefix: "some/prefix/", ..Trail::new(account, region, "2026-10-01T00:00:00Z") };
        trail.hours(&mut bucket, 15 * 24);
        logs += trail.delivered;
    }
    let disk = Disk::of(&with_sidecars(bucket));
    let (status, outcome) = disk.json(&[]);
    assert_eq!((status, faults(&outcome)), (0, BTreeSet::new()));
    assert_eq!(outcome["whole"], true);
    assert_eq!((outcome["digests"].as_u64(), outcome["digests_proven"].as_u64()), (Some(1080), Some(1080)));
    let expected = Some(u64::from(logs));
    assert_eq!((outcome["logs"]["named"].as_u64(), outcome["logs"]["verified"].as_u64()), (expected, expected));
    assert_eq!(outcome["trails"].as_array().map(Vec::len), Some(3));
    assert_eq!(outcome["trails"][2]["trail"], "second");

    // A range, of which the chains are parts.
    let (status, outcome) =
        disk.json(&["--from", "2026-10-03", "--to", "2026-10-05T12:00:00Z", "--region", "us-east-1"]);
    assert_eq!((status, faults(&outcome)), (0, BTreeSet::new()), "{outcome}");
    assert_eq!(outcome["digests"], 2 * 60);
    for threads in ["1", "3"] {
        let range =
            ["--from", "2026-10-03", "--to", "2026-10-05T12:00:00Z", "--region", "us-east-1", "--threads", threads];
        assert_eq!(disk.json(&range).1, outcome);
    }
    let ran = disk.verify(&["--account", B]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("WHOLE: 360 of 360 digests proven"), "{}", ran.stdout);
}

#[test]
fn trees_that_were_cut_or_unpacked_are_whole_too() {
    let (mut bucket, _) = archive();
    bucket = with_sidecars(bucket);
    for key in bucket.keys("/CloudTrail/us-east-1/") {
        let object = bucket.take(&key);
        let plain = Stored { bytes: gunzip(&object.bytes), signature: None };
        bucket.objects.insert(key.trim_end_matches(".gz").to_owned(), plain);
    }
    let disk = Disk::of(&bucket);
    let from = disk.archive().join("AWSLogs/o-exampleorgid");
    let to = disk.home.path().join("cut");
    std::fs::rename(&from, &to).expect("it can be moved");
    std::fs::remove_dir_all(disk.archive()).expect("it can go");
    std::fs::rename(&to, disk.archive()).expect("it can be moved");
    let (status, outcome) = disk.json(&[]);
    assert_eq!((status, faults(&outcome)), (0, BTreeSet::new()), "{outcome:#}");
}

#[test]
fn what_is_plainly_no_log_is_no_finding_and_a_log_by_such_a_name_is_one() {
    let (bucket, _) = archive();
    let disk = Disk::of(&with_sidecars(bucket.clone()));
    let log = log(&bucket);
    let (folder, _) = log.rsplit_once('/').expect("a folder");
    let digest = digest(&bucket, 0);
    let (digests, _) = digest.rsplit_once('/').expect("a folder");
    for (name, bytes) in [
        (format!("{folder}/.DS_Store"), &b"\0\0\0\x01Bud1"[..]),
        (format!("{folder}/README.md"), b"# Logs of the day"),
        (format!("{digests}/.DS_Store"), b"\0\0\0\x01Bud1"),
        (format!("{digests}/._x.json.gz"), b"\0\x05\x16\x07"),
        (".git/HEAD".to_owned(), b"ref: refs/heads/main"),
        ("checksums.sha256".to_owned(), b"e3b0c442  x"),
    ] {
        let path = disk.archive().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        std::fs::write(path, bytes).expect("a file");
    }
    let (status, outcome) = disk.json(&[]);
    assert_eq!((status, faults(&outcome)), (0, BTreeSet::new()), "{outcome:#}");
    // A log that was given such a name is unknown to the digests, and the one that they name is gone.
    std::fs::rename(disk.archive().join(&log), disk.archive().join(folder).join("README.md")).expect("it can be moved");
    let (status, outcome) = disk.json(&[]);
    assert_eq!(status, 3);
    let found = faults(&outcome);
    assert!(found.contains("log_missing") && found.contains("log_unnamed"), "{outcome:#}");
}

// --- what is not ---------------------------------------------------------------------------------------------------

type Tamper = fn(&mut Bucket, &mut Vec<Trail>);

const DIGESTS: &str = "111122223333/CloudTrail-Digest/us-east-1/";
const LOGS: &str = "111122223333/CloudTrail/us-east-1/";

/// In order of time, without the signatures beside them.
fn digests(bucket: &Bucket) -> Vec<String> {
    let mut keys = bucket.keys(DIGESTS);
    keys.retain(|key| key.ends_with(".gz"));
    keys
}

fn digest(bucket: &Bucket, at: usize) -> String {
    digests(bucket)[at].clone()
}

fn log(bucket: &Bucket) -> String {
    bucket.keys(LOGS)[20].clone()
}

/// Changes one letter within a record.
fn forge_log(bucket: &mut Bucket) -> String {
    let key = log(bucket);
    let text = bucket.text(&key).replace("GetUser", "GetRole");
    bucket.put_text(&key, &text);
    key
}

/// Name, what is done, arguments, the codes that must be told: these and no others.
type Tampering = (&'static str, Tamper, &'static [&'static str], &'static [(&'static str, u64)]);

#[rustfmt::skip]
const TAMPERINGS: &[Tampering] = &[
    ("nothing", |_, _| {}, &[], &[]),
    ("log: a letter changed", |bucket, _| { forge_log(bucket); }, &[], &[("log_altered", 1)]),
    ("log: cut", |bucket, _| {
        let key = log(bucket);
        let bytes = &mut bucket.objects.get_mut(&key).unwrap().bytes;
        bytes.truncate(bytes.len() - 9);
    }, &[], &[("log_damaged", 1)]),
    ("log: a member appended", |bucket, _| {
        let key = log(bucket);
        let more = gzip(br#"{"Records":[]}"#);
        bucket.objects.get_mut(&key).unwrap().bytes.extend(more);
    }, &[], &[("log_surplus", 1)]),
    ("log: an empty member appended", |bucket, _| {
        let key = log(bucket);
        bucket.objects.get_mut(&key).unwrap().bytes.extend(gzip(b""));
    }, &[], &[("log_surplus", 1)]),
    ("log: bytes appended", |bucket, _| {
        let key = log(bucket);
        bucket.objects.get_mut(&key).unwrap().bytes.extend(b"surplus");
    }, &[], &[("log_surplus", 1)]),
    ("log: removed", |bucket, _| { let key = log(bucket); bucket.take(&key); }, &[], &[("log_missing", 1)]),
    ("log: added", |bucket, _| {
        let key = log(bucket);
        let forged = key.replace(".json.gz", "").rsplit_once('_').unwrap().0.to_owned() + "_0123456789abcdef.json.gz";
        let object = bucket.objects[&key].clone();
        bucket.objects.insert(forged, object);
    }, &[], &[("log_unnamed", 1)]),
    ("log: moved to another day", |bucket, _| {
        let key = log(bucket);
        let object = bucket.take(&key);
        bucket.objects.insert(key.replace("/2026/10/02/", "/2026/10/01/"), object);
    }, &[], &[("log_missing", 1), ("log_moved", 1)]),
    ("log: renamed", |bucket, _| {
        let key = log(bucket);
        let object = bucket.take(&key);
        bucket.objects.insert(key.rsplit_once('_').unwrap().0.to_owned() + "_0123456789abcdef.json.gz", object);
    }, &[], &[("log_missing", 1), ("log_unnamed", 1)]),
    ("log and digest: both changed to fit", |bucket, _| {
        let before = sha(bucket, &log(bucket));
        let key = forge_log(bucket);
        let after = sha(bucket, &key);
        for key in digests(bucket) {
            let text = bucket.text(&key);
            if text.contains(&before) {
                bucket.put_text(&key, &text.replace(&before, &after));
            }
        }
    }, &[], &[("digest_altered", 1), ("digest_signature_wrong", 1), ("log_unproven", 2)]),
    ("log, its digest and all later ones: changed to fit, signed with another key under the right name", |bucket, _| {
        let before = sha(bucket, &log(bucket));
        let key = forge_log(bucket);
        let after = sha(bucket, &key);
        forge_chain(bucket, &before, &after);
    }, &[], &[("digest_signature_wrong", 17), ("log_unproven", 28)]),
    ("digest: signed with a key that is not published", |bucket, _| {
        let key = digest(bucket, 29);
        let text = bucket.text(&key).replace(&Signer::ours().fingerprint, &Signer::other().fingerprint);
        bucket.put_text(&key, &text);
        bucket.sign_again(&key, Signer::other());
        bucket.put_sidecar(&key);
    }, &[], &[("digest_key_unknown", 1), ("log_unproven", 3)]),
    ("digest: removed", |bucket, _| { let key = digest(bucket, 12); bucket.take(&key); }, &[],
        // The signature of the one before stood in it.
        &[("digest_missing", 1), ("digest_signature_unavailable", 1), ("log_in_gap", 1)]),
    ("digests: three in a row removed", |bucket, _| {
        for key in digests(bucket)[12..15].to_vec() { bucket.take(&key); }
    }, &[], &[("digest_missing", 3), ("digest_signature_unavailable", 1), ("log_in_gap", 6)]),
    ("digest and logs of an hour removed", |bucket, _| {
        let key = digest(bucket, 13);
        let text = bucket.text(&key);
        bucket.objects.retain(|name, _| !text.contains(&format!("\"{name}\"")) || name.contains("Digest"));
        bucket.take(&key);
    }, &[], &[("digest_missing", 1), ("digest_signature_unavailable", 1), ("log_unproven", 1)]),
    ("digests: the newest six removed", |bucket, _| {
        for key in digests(bucket)[24..].to_vec() { bucket.take(&key); }
        let newest = digest(bucket, 23);
        bucket.put_sidecar(&newest);
    }, &[], &[("digest_missing_newest", 1), ("log_awaiting_digest", 11)]),
    ("digest: the newest removed", |bucket, _| {
        let key = digest(bucket, 29);
        bucket.objects.remove(&format!("{key}.signature"));
        bucket.take(&key);
    }, &[], &[("digest_missing_newest", 1), ("digest_signature_unavailable", 1), ("log_awaiting_digest", 3), ("log_unproven", 2)]),
    ("digest: the first of the range removed", |bucket, _| {
        for key in digests(bucket)[..4].to_vec() { bucket.take(&key); }
    }, &["--from", "2026-10-02"], &[("digest_missing", 2), ("log_in_gap", 3)]),
    ("digest: cut", |bucket, _| {
        let key = digest(bucket, 12);
        let bytes = &mut bucket.objects.get_mut(&key).unwrap().bytes;
        bytes.truncate(bytes.len() - 9);
    }, &[], &[("digest_missing", 1), ("digest_signature_unavailable", 1), ("digest_unreadable", 1), ("log_in_gap", 1)]),
    ("digest: a member appended", |bucket, _| {
        let key = digest(bucket, 12);
        bucket.objects.get_mut(&key).unwrap().bytes.extend(gzip(b" "));
    }, &[], &[("digest_malformed", 1), ("digest_missing", 1), ("digest_signature_unavailable", 1), ("log_in_gap", 1)]),
    ("digest: no JSON", |bucket, _| { let key = digest(bucket, 12); bucket.put_text(&key, "{}"); }, &[],
        &[("digest_malformed", 1), ("digest_missing", 1), ("digest_signature_unavailable", 1), ("log_in_gap", 1)]),
    ("digest: moved to another day", |bucket, _| {
        let key = digest(bucket, 12);
        let object = bucket.take(&key);
        bucket.objects.insert(key.replace("/2026/10/02/", "/2026/10/01/"), object);
    }, &[], &[("digest_moved", 1)]),
    ("digest: an older one in a newer one's place", |bucket, _| {
        let (old, new) = (digest(bucket, 5), digest(bucket, 12));
        let object = bucket.objects[&old].clone();
        bucket.objects.insert(new, object);
    }, &[], &[("digest_missing", 1), ("digest_moved", 1), ("digest_signature_unavailable", 1), ("log_in_gap", 1)]),
    ("digest: one more of the same hour, signed by CloudTrail", |bucket, trails| {
        let mut more = trails[0].clone();
        more.last = None;
        let at = more.now - TimeDelta::hours(9) - TimeDelta::minutes(30);
        let (key, text, signature) = more.signed(bucket, Signer::ours(), &[], at - TimeDelta::hours(1), at, "");
        bucket.objects.insert(key.clone(), Stored { bytes: gzip(text.as_bytes()), signature: Some(signature) });
        bucket.put_sidecar(&key);
    }, &[], &[("chain_restart", 1), ("digest_unlinked", 1)]),
    ("digest: forged as the first of a chain", |bucket, _| {
        for key in digests(bucket)[..10].to_vec() { bucket.take(&key); }
        let key = digest(bucket, 0);
        let mut value: Value = serde_json::from_str(&bucket.text(&key)).unwrap();
        for field in ["S3Bucket", "S3Object", "HashValue", "HashAlgorithm", "Signature"] {
            value[format!("previousDigest{field}")] = Value::Null;
        }
        bucket.put_text(&key, &value.to_string());
    }, &[], &[("digest_altered", 1), ("digest_signature_wrong", 1), ("log_in_gap", 16), ("log_unproven", 2)]),
    ("signature file: changed", |bucket, _| {
        let key = bucket.keys(".signature")[1].clone();
        bucket.objects.get_mut(&key).unwrap().bytes = b"00ff".to_vec();
    }, &[], &[("digest_signature_wrong", 1), ("log_unproven", 3)]),
    ("signature file: nonsense", |bucket, _| {
        let key = bucket.keys(".signature")[1].clone();
        bucket.objects.get_mut(&key).unwrap().bytes = b"nonsense".to_vec();
    }, &[], &[("digest_malformed", 1), ("digest_signature_wrong", 1), ("log_unproven", 3)]),
    ("signature file: removed", |bucket, _| { let key = bucket.keys(".signature")[1].clone(); bucket.take(&key); }, &[],
        &[("digest_signature_unavailable", 1), ("log_unproven", 3)]),
    ("all digests of a region removed", |bucket, _| bucket.objects.retain(|key, _| !key.contains(DIGESTS)), &[],
        &[("no_digests", 47)]),
    ("logs after the last digest", |bucket, trails| {
        let records = [trails[0].record("GetUser", "iam", "null")];
        trails[0].log(bucket, 20, &records);
    }, &[], &[("log_awaiting_digest", 1)]),
    ("validation off for five hours", |bucket, trails| {
        let trail = &mut trails[0];
        for hour in 0..5 {
            let records = [trail.record("GetUser", "iam", "null")];
            trail.log(bucket, 60 * hour + 15, &records);
        }
        restart(bucket, trail, 5);
    }, &["--account", A, "--region", "us-east-1"], &[("chain_restart", 1), ("log_in_gap", 5)]),
    ("logging stopped for five hours", |bucket, trails| {
        let trail = &mut trails[0];
        let stop = trail.record("StopLogging", "cloudtrail", r#"{"name":"arn:aws:cloudtrail:us-east-1:111122223333:trail/org_trail"}"#);
        let key = trail.log(bucket, 10, &[stop]);
        let last = trail.digest(bucket, Signer::ours(), &[key]);
        bucket.put_sidecar(&last);
        restart(bucket, trail, 5);
    }, &["--account", A, "--region", "us-east-1"], &[("logging_stopped", 1)]),
    ("the trail deleted", |bucket, trails| {
        let delete = trails[0].record("DeleteTrail", "cloudtrail", r#"{"name":"org_trail"}"#);
        let key = trails[0].log(bucket, 10, &[delete]);
        trails[0].digest(bucket, Signer::ours(), &[key]);
        for trail in &mut trails[1..] { trail.hours(bucket, 8); }
        *bucket = with_sidecars(std::mem::take(bucket));
    }, &[], &[("logging_stopped", 1)]),
    ("a trail made within the range", |bucket, _| {
        let mut trail = Trail::new(A, "sa-east-1", "2026-10-02T02:05:31Z");
        let made = trail.record("CreateTrail", "cloudtrail", r#"{"name":"org_trail","s3BucketName":"trail-bucket"}"#);
        let key = trail.log(bucket, 10, &[made]);
        trail.digest(bucket, Signer::ours(), &[key]);
        trail.hours(bucket, 3);
        *bucket = with_sidecars(std::mem::take(bucket));
    }, &["--from", "2026-10-02", "--region", "sa-east-1"], &[("trail_created", 1)]),
    ("an account made within the range", |bucket, _| {
        *bucket = Bucket::new("trail-bucket");
        let mut trail = Trail::new(A, "us-east-1", START);
        trail.hours(bucket, 10);
        let made = trail.record("CreateAccountResult", "organizations", "null");
        let told = |state: &str, account: &str| {
            let status = format!(r#"{{"createAccountStatus":{{"state":"{state}","accountId":"{account}"}}}}"#);
            made.replace(r#""eventID":""#, &format!(r#""serviceEventDetails":{status},"eventID":"{state}{account}-"#))
        };
        let records = [told("FAILED", "777788889999"), told("SUCCEEDED", "777788889999"), told("SUCCEEDED", B)];
        let key = trail.log(bucket, 10, &records);
        trail.digest(bucket, Signer::ours(), &[key]);
        trail.hours(bucket, 19);
        Trail::new("777788889999", "us-east-1", "2026-10-02T13:05:31Z").hours(bucket, 15);
        // Before its time: nobody tells why.
        Trail::new(B, "us-east-1", "2026-10-02T05:05:31Z").hours(bucket, 23);
        *bucket = with_sidecars(std::mem::take(bucket));
    }, &["--from", "2026-10-02", "--to", "2026-10-03"], &[("account_created", 1), ("chain_begins", 1)]),
    ("a chain begins within the range", |_, _| {}, &["--from", "2026-10-01"], &[("chain_begins", 3)]),
    ("late logs in a backfill digest", |bucket, trails| {
        let records = [trails[0].record("GetUser", "iam", "null")];
        let key = trails[0].log(bucket, -300, &records);
        let mut late = trails[0].clone();
        late.last = None;
        let (start, end) = (late.now - TimeDelta::hours(6), late.now - TimeDelta::hours(5));
        let (key, text, signature) = late.signed(bucket, Signer::ours(), &[key], start, end, "_backfill");
        bucket.objects.insert(key.clone(), Stored { bytes: gzip(text.as_bytes()), signature: Some(signature) });
        bucket.put_sidecar(&key);
    }, &[], &[]),
    ("the trail came from another bucket, which is not here", |bucket, trails| {
        let mut old = Bucket::new("old-bucket");
        let mut trail = Trail { region: "sa-east-1", prefix: "old/", ..Trail::new(A, "sa-east-1", START) };
        trail.hours(&mut old, 5);
        trail.prefix = "";
        trail.hours(bucket, 5);
        trail.now = trails[0].now;
        *bucket = with_sidecars(std::mem::take(bucket));
    }, &["--from", "2026-10-02", "--to", "2026-10-02T09:05:00Z"], &[("digest_missing_newest", 1), ("trail_moved", 1)]),
    ("a range", |_, _| {}, RANGE, &[]),
    ("log: added, of another year by its name", |bucket, _| add(bucket, |key| key.replace("_20261002T", "_20200101T")),
        RANGE, &[("log_in_gap", 1)]),
    ("log: added, of the day after the range by its name", |bucket, _| add(bucket, |key| key.replace("_20261002T", "_20261003T")),
        RANGE, &[("log_awaiting_digest", 1)]),
    ("log: added, to come by its name", |bucket, _| add(bucket, |key| key.replace("_20261002T", "_20990101T")),
        RANGE, &[("log_awaiting_digest", 1)]),
    ("log: added, without a time in its name", |bucket, _| add(bucket, |key| key.replace("_20261002T", "_")),
        RANGE, &[("log_unnamed", 1)]),
    ("log: added outside the layout", |bucket, _| add(bucket, |_| "more/records.json.gz".to_owned()),
        RANGE, &[("log_unnamed", 1)]),
    ("log: added outside the layout, of another day by its name", |bucket, _| {
        add(bucket, |key| key.rsplit_once('/').unwrap().1.replace("_20261002T", "_20260901T"));
    }, RANGE, &[("log_in_gap", 1)]),
    ("log: added beneath a folder in another case", |bucket, _| add(bucket, |key| key.replace("AWSLogs/", "awslogs/")),
        RANGE, &[("log_unnamed", 1)]),
    ("log: added where another trail would deliver", |bucket, _| add(bucket, |key| format!("second/{key}")),
        RANGE, &[("log_unnamed", 1)]),
    ("log: added as of a trail of one account", |bucket, _| add(bucket, |key| key.replace("o-exampleorgid/", "")),
        RANGE, &[("log_unnamed", 1)]),
    ("log: added as of a region without a trail", |bucket, _| add(bucket, |key| key.replace("us-east-1", "sa-east-1")),
        RANGE, &[("no_digests", 1)]),
    ("log: added under the name of one from before the range", |bucket, _| {
        let (old, new) = (bucket.keys(LOGS)[0].clone(), log(bucket));
        let file = old.rsplit_once('/').unwrap().1;
        let key = format!("{}/{file}", new.rsplit_once('/').unwrap().0);
        bucket.objects.insert(key, bucket.objects[&new].clone());
    }, &["--from", "2026-10-02T06:00:00Z", "--to", "2026-10-03"], &[("log_moved", 1)]),
    ("log: copied to where another trail would deliver", |bucket, _| {
        let key = log(bucket);
        bucket.objects.insert(format!("second/{key}"), bucket.objects[&key].clone());
    }, RANGE, &[]),
    ("log: added before and after the range, as name and folder say", |bucket, _| {
        add(bucket, |key| key.replace("2026/10/02", "2026/10/01").replace("_20261002T", "_20261001T"));
        add(bucket, |key| key.replace("2026/10/02", "2026/10/03").replace("_20261002T", "_20261003T"));
    }, RANGE, &[]),
    ("a log of the last minute, named by the digest after the range", |bucket, trails| { last_minute(bucket, trails); }, UP_TO, &[]),
    ("log: of the last minute, altered", |bucket, trails| {
        let (log, _) = last_minute(bucket, trails);
        let text = bucket.text(&log).replace("GetUser", "GetRole");
        bucket.put_text(&log, &text);
    }, UP_TO, &[("log_altered", 1)]),
    ("log: of the last minute, removed", |bucket, trails| {
        let (log, _) = last_minute(bucket, trails);
        bucket.take(&log);
    }, UP_TO, &[("log_missing", 1)]),
    ("log: of the last minute, cut", |bucket, trails| {
        let (log, _) = last_minute(bucket, trails);
        bucket.objects.get_mut(&log).unwrap().bytes.truncate(40);
    }, UP_TO, &[("log_damaged", 1)]),
    ("log: of the last minute, its digest removed", |bucket, trails| {
        let (_, digest) = last_minute(bucket, trails);
        bucket.take(&digest);
        bucket.put_sidecar(&self::digest(bucket, 29));
    }, UP_TO, &[("log_awaiting_digest", 1)]),
    ("log: of the last minute, its digest without a signature", |bucket, trails| {
        let (_, digest) = last_minute(bucket, trails);
        bucket.take(&format!("{digest}.signature"));
    }, UP_TO, &[("log_unproven", 1)]),
    ("the last hour of the range removed everywhere", |bucket, _| newest_removed(bucket, "", "2026-10-03T03:06:00Z"),
        &["--to", "2026-10-03T04:00:00Z"], &[("digest_missing_newest", 3)]),
    ("the last minutes of the range without a digest", |bucket, _| newest_removed(bucket, "", "2026-10-03T03:06:00Z"),
        &["--to", "2026-10-03T03:05:32Z"], &[("digest_missing_newest", 3)]),
    ("the last hour removed everywhere, and not asked for", |bucket, _| newest_removed(bucket, "", "2026-10-03T03:06:00Z"),
        &["--to", "2026-10-03T03:05:31Z"], &[]),
    ("the newest day removed everywhere", |bucket, _| newest_removed(bucket, "", "2026-10-02T12:06:00Z"),
        &["--from", "2026-10-02", "--to", "2026-10-04"], &[("digest_missing_newest", 3)]),
    ("the last hour of a region removed, logs and digest", |bucket, _| newest_removed(bucket, "eu-west-1", "2026-10-03T03:06:00Z"),
        &[], &[("digest_missing_newest", 1)]),
    ("a region that ends before the range", |bucket, _| newest_removed(bucket, "eu-west-1", "2026-10-01T23:06:00Z"),
        &["--from", "2026-10-03T02:00:00Z", "--to", "2026-10-03T04:00:00Z"], &[("digests_absent", 1)]),
    ("an account that ends a year before the range", |bucket, _| {
        let old: Vec<String> = bucket.keys("444455556666/").into_iter().filter(|key| key.contains("T230531Z")).collect();
        let [one, ..] = old.as_slice() else { panic!("{old:?}") };
        let object = bucket.objects[one].clone();
        bucket.objects.retain(|key, _| !key.contains("/444455556666/"));
        bucket.objects.insert(one.replace("2026", "2025"), object);
    }, RANGE, &[("digests_absent", 1)]),
    ("an account that was asked for, and has nothing", |bucket, _| {
        let config = "AWSLogs/o-exampleorgid/777788889999/Config/us-east-1/2026/10/2/x.json.gz".to_owned();
        bucket.objects.insert(config, Stored { bytes: gzip(b"{}"), signature: None });
    }, &["--account", A, "--account", "777788889999"], &[("digests_absent", 1)]),
    ("a region that was asked for, and has nothing in the range", |bucket, _| {
        add(bucket, |key| key.replace("us-east-1", "sa-east-1").replace("2026/10/02", "2020/01/01"));
    }, &["--from", "2026-10-02", "--to", "2026-10-03", "--region", "us-east-1", "--region", "sa-east-1"], &[("digests_absent", 1)]),
    ("a region that was asked for of two accounts, and one of them lacks", |_, _| {},
        &["--account", A, "--account", B, "--region", "us-east-1", "--region", "eu-west-1"], &[("digests_absent", 1)]),
    ("digests of two hours each", |bucket, _| { slow_trail(bucket); }, &["--region", "sa-east-1"], &[]),
    ("digests of two hours each, one removed", |bucket, _| {
        let keys = slow_trail(bucket);
        bucket.take(&keys[2]);
    }, &["--region", "sa-east-1"], &[("digest_missing", 1), ("digest_signature_unavailable", 1)]),
    ("digest: removed, and named by two", |bucket, trails| {
        let (gone, next) = (digest(bucket, 12), digest(bucket, 13));
        let field = |text: &str, name: &str| serde_json::from_str::<Value>(text).unwrap()[name].as_str().unwrap().to_owned();
        let text = bucket.text(&next);
        let mut more = trails[0].clone();
        let [hash, signature] = ["previousDigestHashValue", "previousDigestSignature"].map(|name| field(&text, name));
        more.last = Some((bucket.name.clone(), gone.clone(), hash, signature));
        let start = field(&text, "digestStartTime").parse().unwrap();
        let end = start + TimeDelta::minutes(59);
        let (key, text, signature) = more.signed(bucket, Signer::ours(), &[], start, end, "");
        bucket.objects.insert(key.clone(), Stored { bytes: gzip(text.as_bytes()), signature: Some(signature) });
        bucket.put_sidecar(&key);
        bucket.take(&gone);
    }, &[], &[("digest_missing", 1), ("digest_signature_unavailable", 1), ("log_in_gap", 1)]),
];

const RANGE: &[&str] = &["--from", "2026-10-02", "--to", "2026-10-03"];

/// To the end of the last digests.
const UP_TO: &[&str] = &["--to", "2026-10-03T04:05:31Z"];

/// Adds a log under a name that `place` makes of a true one's, of 2 October.
fn add(bucket: &mut Bucket, place: impl Fn(&str) -> String) {
    let key = log(bucket);
    let forged = key.replace(".json.gz", "").rsplit_once('_').unwrap().0.to_owned() + "_0123456789abcdef.json.gz";
    bucket.objects.insert(place(&forged), bucket.objects[&key].clone());
}

/// A log that is delivered in the minute in which the digest of the hour is made, and named by the next one: both keys.
fn last_minute(bucket: &mut Bucket, trails: &mut [Trail]) -> (String, String) {
    let records = [trails[0].record("GetUser", "iam", "null")];
    let log = trails[0].log(bucket, 0, &records);
    let digest = trails[0].digest(bucket, Signer::ours(), std::slice::from_ref(&log));
    bucket.put_sidecar(&digest);
    (log, digest)
}

/// Removes everything that was delivered after a moment, of a region; the newest that is left has its signature.
fn newest_removed(bucket: &mut Bucket, region: &str, after: &str) {
    let after: String = after.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
    bucket.objects.retain(|key, _| {
        let time = key.split(['_', '.']).find(|part| part.starts_with("2026") && part.ends_with('Z')).unwrap();
        !key.contains(region) || key.ends_with(".signature") || *time <= *after
    });
    let left = std::mem::take(bucket);
    let is_left = |key: &str| left.objects.contains_key(key.trim_end_matches(".signature"));
    let objects = left.objects.iter().filter(|(key, _)| is_left(key));
    let objects = objects.map(|(key, object)| (key.clone(), object.clone())).collect();
    *bucket = with_sidecars(Bucket { name: left.name.clone(), objects });
}

/// A trail whose digests tell of two hours each: their keys.
fn slow_trail(bucket: &mut Bucket) -> Vec<String> {
    let mut trail = Trail::new(A, "sa-east-1", START);
    let mut keys = Vec::new();
    for _ in 0..5 {
        let (start, end) = (trail.now, trail.now + TimeDelta::hours(2));
        let (key, text, signature) = trail.signed(bucket, Signer::ours(), &[], start, end, "");
        let hash = mfatrail::hash::hex(&mfatrail::hash::sha256(text.as_bytes()));
        trail.last = Some((bucket.name.clone(), key.clone(), hash, signature.clone()));
        trail.now = end;
        bucket.objects.insert(key.clone(), Stored { bytes: gzip(text.as_bytes()), signature: Some(signature) });
        keys.push(key);
    }
    *bucket = with_sidecars(std::mem::take(bucket));
    keys
}

#[test]
fn a_trail_s_prefix_may_be_the_folder_of_an_account() {
    for (prefix, account) in [
        ("AWSLogs/111122223333/", A),
        ("AWSLogs/o-exampleorgid/111122223333/", A),
        ("AWSLogs/444455556666/", A),
        ("AWSLogs/111122223333/CloudTrail/", A),
        ("AWSLogs/111122223333/CloudTrail-Digest/", A),
        ("AWSLogs/111122223333/Config/", B),
        ("AWSLogs/111122223333/a/b/", B),
    ] {
        let mut bucket = Bucket::new("trail-bucket");
        let mut trail = Trail { prefix, ..Trail::new(account, "us-east-1", START) };
        trail.hours(&mut bucket, 12);
        let disk = Disk::of(&with_sidecars(bucket.clone()));
        for more in [
            &[][..],
            &["--account", account, "--region", "us-east-1"],
            &["--from", "2026-10-02T00:00Z", "--to", "2026-10-02T09:00Z"],
        ] {
            let (status, outcome) = disk.json(more);
            assert_eq!((status, faults(&outcome)), (0, BTreeSet::new()), "{prefix} {more:?}: {outcome:#}");
            assert!(
                outcome["digests"].as_u64() >= Some(9) && outcome["logs"]["verified"].as_u64() > Some(9),
                "{prefix}: {outcome}"
            );
        }
        for command in [
            &["scan", "--store", "store"][..],
            &["report", "--from", START, "--to", "2026-10-02T10:00:00Z", "--out", "out"],
        ] {
            let mut run = mfatrail();
            run.current_dir(disk.home.path()).args(command).args(["archive", "--verify", "--public-keys", "keys.json"]);
            let ran: Ran = run.output().expect("it runs").into();
            assert_eq!(ran.status, 0, "{prefix} {command:?}: {}", ran.stderr);
        }
        let report = run::json(&disk.home.path().join("out"));
        assert_eq!(report["coverage"]["integrity"]["digests"], 12, "{prefix}");
        // What is altered there is found, too.
        let key = bucket.keys("/CloudTrail/us-east-1/")[3].clone();
        let text = bucket.text(&key).replace("GetUser", "GetRole");
        bucket.put_text(&key, &text);
        let (status, outcome) = Disk::of(&with_sidecars(bucket)).json(&[]);
        assert_eq!((status, faults(&outcome)), (3, BTreeSet::from(["log_altered".to_owned()])), "{prefix}");
    }
}

#[test]
fn it_is_said_up_to_when_a_verification_speaks() {
    let (bucket, _) = archive();
    let disk = Disk::of(&with_sidecars(bucket));
    let ran = disk.verify(&[]);
    assert_eq!(ran.status, 0, "{}", ran.stdout);
    assert!(
        ran.stdout.contains(", up to 2026-10-03T04:05:31Z; without `--to`, later digests may be missing"),
        "{}",
        ran.stdout
    );
    assert_eq!(disk.json(&[]).1["proven_until"], "2026-10-03T04:05:31Z");
    let ran = disk.verify(&["--to", "2026-10-02T10:00:00Z"]);
    assert!(ran.status == 0 && ran.stdout.trim_end().ends_with(", up to 2026-10-02T10:05:31Z"), "{}", ran.stdout);
    // The clock: a range that ends now, and one that ends when digests cannot be there yet.
    for to in ["0s", "2h", "2099-01-01"] {
        let ran = disk.verify(&["--to", to]);
        let told = ran.stdout.contains("digest_missing_newest (3)");
        assert!(
            ran.status == if to == "2099-01-01" { 2 } else { 3 } && told == (ran.status == 3),
            "{to}: {}",
            ran.stdout
        );
    }
}

#[test]
fn what_is_under_way_is_no_fault() {
    // Hours that end with the present one: of the last two there may be no digest yet.
    #[expect(clippy::disallowed_methods, reason = "the program's clock is the same")]
    let now = chrono::Utc::now();
    let verdicts = |behind: i64| {
        let mut bucket = Bucket::new("trail-bucket");
        let start = now - TimeDelta::minutes(behind) - TimeDelta::hours(6);
        Trail::new(A, "us-east-1", &start.format("%Y-%m-%dT%H:%M:%SZ").to_string()).hours(&mut bucket, 6);
        let disk = Disk::of(&with_sidecars(bucket));
        ["0s", "100m", "3h"].map(|to| disk.verify(&["--to", to]).status)
    };
    assert_eq!(verdicts(90), [0, 0, 0]);
    assert_eq!(verdicts(150), [3, 0, 0]);
    assert_eq!(verdicts(190), [3, 0, 3]);
}

fn sha(bucket: &Bucket, key: &str) -> String {
    mfatrail::hash::hex(&mfatrail::hash::sha256(bucket.text(key).as_bytes()))
}

/// Hours pass without a digest, then the chain begins anew.
fn restart(bucket: &mut Bucket, trail: &mut Trail, hours: i64) {
    trail.now += TimeDelta::hours(hours);
    trail.last = None;
    trail.hours(bucket, 3);
    *bucket = with_sidecars(std::mem::take(bucket));
}

/// Replaces a hash in a digest, and makes everything after it fit, signed with a key that is not CloudTrail's.
fn forge_chain(bucket: &mut Bucket, before: &str, after: &str) {
    let mut changed: Vec<(String, String)> = vec![(before.to_owned(), after.to_owned())];
    for key in digests(bucket) {
        let mut text = bucket.text(&key);
        if !changed.iter().any(|(old, _)| text.contains(old)) {
            continue;
        }
        let (old_hash, old_signature) = (sha(bucket, &key), bucket.objects[&key].signature.clone().unwrap());
        for (old, new) in &changed {
            text = text.replace(old, new);
        }
        bucket.put_text(&key, &text);
        bucket.sign_again(&key, Signer::other());
        changed.push((old_hash, sha(bucket, &key)));
        changed.push((old_signature, bucket.objects[&key].signature.clone().unwrap()));
        if bucket.objects.contains_key(&format!("{key}.signature")) {
            bucket.put_sidecar(&key);
        }
    }
}

#[test]
fn every_tampering_is_found_under_its_own_name() {
    let (bucket, trails) = archive();
    let bucket = with_sidecars(bucket);
    let mut wrong = Vec::new();
    for (name, tamper, arguments, expected) in TAMPERINGS {
        let (mut bucket, mut trails) = (bucket.clone(), trails.clone());
        tamper(&mut bucket, &mut trails);
        let (status, outcome) = Disk::of(&bucket).json(arguments);
        let expected: BTreeMap<String, u64> =
            expected.iter().filter(|(_, count)| *count > 0).map(|(code, count)| ((*code).to_owned(), *count)).collect();
        let mut found = codes(&outcome);
        found.retain(|code, _| !NOTES.contains(&code.as_str()));
        let whole = expected.is_empty();
        if found != expected || status != if whole { 0 } else { 3 } || outcome["whole"] != whole {
            wrong.push(format!("{name}: status {status}\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// --- one bit -------------------------------------------------------------------------------------------------------

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { pending.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// The inflated bytes, where the file is sound and one member.
fn content(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Some(bytes.to_vec());
    }
    let mut inflater = mfatrail::inflate::Inflater::default();
    let inflated = inflater.inflate_in_turn(bytes, 1 << 20, &mut || {}).ok()?;
    (inflated.members == 1).then(|| inflated.bytes.to_vec())
}

#[test]
fn one_flipped_bit_is_never_verified() {
    let mut bucket = Bucket::new("trail-bucket");
    Trail::new(A, "us-east-1", START).hours(&mut bucket, 3);
    let disk = Disk::of(&with_sidecars(bucket));
    assert_eq!(disk.verify(&[]).status, 0);
    let files = files(&disk.archive());
    let mut kinds: BTreeMap<bool, u32> = BTreeMap::new();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 300, ..ProptestConfig::default() });
    let kinds = std::cell::RefCell::new(&mut kinds);
    runner
        .run(&(any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..8u32), |(file, byte, bit)| {
            let path = file.get(&files);
            let sound = std::fs::read(path).expect("a file");
            let mut flipped = sound.clone();
            *byte.get_mut(&mut flipped) ^= 1 << bit;
            std::fs::write(path, &flipped).expect("a file");
            let ran = disk.verify(&[]);
            std::fs::write(path, &sound).expect("a file");
            // A bit of gzip's header, or of padding, that leaves the content as it is: then that is what was signed.
            // A signature's hexadecimal digit is the same in either case.
            let same = match path.extension().is_some_and(|extension| extension == "signature") {
                true => flipped.eq_ignore_ascii_case(&sound),
                false => content(&flipped) == content(&sound),
            };
            *kinds.borrow_mut().entry(same).or_default() += 1;
            prop_assert_eq!(ran.status, if same { 0 } else { 3 }, "{}: {}{}", path.display(), ran.stdout, ran.stderr);
            prop_assert_eq!(ran.stdout.contains("\nWHOLE") || ran.stdout.starts_with("WHOLE"), same);
            Ok(())
        })
        .unwrap();
    assert!(kinds.borrow()[&false] > 200, "{:?}", kinds);
}

// --- S3 ------------------------------------------------------------------------------------------------------------

/// Answers as CloudTrail's ListPublicKeys does in some regions, and refuses in all others; gives its address, and who
/// was asked.
fn key_server(regions: &'static [&'static str]) -> (String, Arc<Mutex<Vec<String>>>) {
    serve_keys(move |region, _| match regions.contains(&region) {
        true => ("200 OK", keys_of_aws()),
        false => ("400 Bad Request", r#"{"__type":"AccessDeniedException","message":"no"}"#.to_owned()),
    })
}

/// The answer of ListPublicKeys: AWS's protocol knows times as numbers only.
fn keys_of_aws() -> String {
    Signer::ours().printed().replace("\"2027-01-01T00:00:00+00:00\"", "1798761600.0")
}

/// Answers ListPublicKeys, by the region that is asked and how many requests there were before; gives its address, and who was
/// asked.
fn serve_keys(
    answer: impl Fn(&str, usize) -> (&'static str, String) + Send + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.expect("a connection"));
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).expect("a line") == 0 || line.trim().is_empty() {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a length");
                }
                head += &line;
            }
            reader.read_exact(&mut vec![0; length]).expect("a body");
            let region = head.split("/cloudtrail/aws4_request").next().and_then(|head| head.rsplit('/').next());
            let region = region.unwrap_or_default().to_owned();
            assert!(head.contains("ListPublicKeys"), "{head}");
            let before = log.lock().expect("no panic").len();
            let (status, body) = answer(&region, before);
            log.lock().expect("no panic").push(region);
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            // Whoever has had enough of an answer does not wait for its end.
            let _ = reader.get_mut().write_all(answer.as_bytes());
        }
    });
    (address, asked)
}

fn on_s3(s3: &str, cloudtrail: &str, arguments: &[&str]) -> Ran {
    let mut command = mfatrail();
    command.arg("verify").args(arguments).env("AWS_ENDPOINT_URL", s3).env("AWS_ENDPOINT_URL_CLOUDTRAIL", cloudtrail);
    command.env("AWS_ACCESS_KEY_ID", "testing").env("AWS_SECRET_ACCESS_KEY", "secret").env("AWS_REGION", "us-east-1");
    command.output().expect("it runs").into()
}

// --- in a report ---------------------------------------------------------------------------------------------------

/// A deactivation in a log of its own, and what a report of the archive says.
fn reported(tamper: impl FnOnce(&mut Bucket, &str)) -> (Ran, Value, String) {
    let (mut bucket, key) = deactivation(A, START);
    tamper(&mut bucket, &key);
    let disk = Disk::of(&bucket);
    let (archive, keys) = (disk.archive(), disk.home.path().join("keys.json"));
    let arguments =
        ["--from", "2026-10-01T22:05:31Z", "--to", "2026-10-02T10:00:00Z", "--as-of", "2026-10-02T10:05:31Z"];
    let verify = ["--verify", "--public-keys"];
    let all =
        [&[archive.to_str().expect("UTF-8")], &arguments[..], &verify[..], &[keys.to_str().expect("UTF-8")]].concat();
    let (ran, out) = run::report(&all, "report");
    let report = run::json(&out);
    let markdown = std::fs::read_to_string(out.join("report.md")).expect("report.md");
    (ran, report, markdown)
}

#[test]
fn a_report_says_what_its_evidence_is_worth() {
    let (ran, report, markdown) = reported(|_, _| {});
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(report["events"][0]["event_name"], "DeactivateMFADevice");
    assert_eq!(
        (&report["events"][0]["integrity"], &report["windows"][0]["integrity"]),
        (&"verified".into(), &"verified".into())
    );
    let integrity = &report["coverage"]["integrity"];
    assert_eq!((&integrity["whole"], &integrity["digests"]), (&true.into(), &12.into()), "{integrity:#}");
    assert_eq!(integrity["hours"].as_array().map(Vec::len), Some(1));
    assert_eq!((&integrity["hours"][0]["state"], &integrity["hours"][0]["quiet"]), (&"proven".into(), &2.into()));
    assert!(markdown.contains("Integrity by CloudTrail's digest files: verified"), "{markdown}");

    let state = |report: &Value| {
        let gaps = report["coverage"]["gaps"].as_array().expect("gaps").iter();
        let gaps: Vec<String> = gaps.map(|gap| gap["cause"].as_str().expect("a cause").to_owned()).collect();
        (report["events"][0]["integrity"].as_str().expect("a word").to_owned(), gaps)
    };
    let (ran, report, _) = reported(|bucket, key| {
        let text = bucket.text(key).replace("192.0.2.7", "192.0.2.8");
        bucket.put_text(key, &text);
    });
    assert_eq!((ran.status, state(&report)), (3, ("failed".to_owned(), vec!["not_proven".to_owned()])));
    assert_eq!(report["windows"][0]["integrity"], "failed");
    let notices = report["notices"].as_array().expect("notices");
    assert!(notices.iter().any(|notice| notice["code"] == "integrity-not-whole"), "{notices:?}");

    let (ran, report, _) = reported(|bucket, _| bucket.objects.retain(|key, _| !key.contains("T050531Z.json.gz")));
    assert_eq!((ran.status, report["events"][0]["integrity"].as_str()), (3, Some("unsigned")));
    let gaps = report["coverage"]["gaps"].as_array().expect("gaps");
    let gap = gaps.iter().find(|gap| gap["cause"] == "digest_missing").expect("a gap");
    assert_eq!((&gap["from"], &gap["to"]), (&"2026-10-02T04:05:31Z".into(), &"2026-10-02T05:05:31Z".into()));
}

/// What an attacker adds to an archive that is verified while a report reads it: the event of a log of its own.
type Addition = (&'static str, fn(&str) -> String, &'static str);

#[test]
fn nothing_that_was_added_is_called_verified() {
    const ADDITIONS: &[Addition] = &[
        ("beside the true one", |key| key.to_owned(), "log_unnamed"),
        ("of another day by its name", |key| key.replace("_20261002T", "_20200101T"), "log_in_gap"),
        ("to come by its name", |key| key.replace("_20261002T", "_20990101T"), "log_awaiting_digest"),
        (
            "long before the period by name and folder",
            |key| key.replace("20261002T", "20260915T").replace("2026/10/02", "2026/09/15"),
            "log_in_gap",
        ),
        ("after the period by name and folder", |key| key.replace("T0425Z", "T1310Z"), "log_awaiting_digest"),
        ("without a time", |key| key.replace("_20261002T0425Z", ""), "log_unnamed"),
        ("outside the layout", |_| "x.json.gz".to_owned(), "log_unnamed"),
        ("under a name that no log has", |key| format!("{}/README.md", key.rsplit_once('/').unwrap().0), "log_unnamed"),
        ("in another case", |key| key.replace("AWSLogs", "AWSLOGS"), "log_unnamed"),
        ("as of another trail", |key| format!("AWSLogs/444455556666/{key}"), "log_unnamed"),
        ("as of another region", |key| key.replace("us-east-1", "eu-north-1"), "no_digests"),
        ("as of another account", |key| key.replace(A, B), "no_digests"),
    ];
    for (what, place, code) in ADDITIONS {
        let (ran, report, _) = reported(|bucket, key| {
            let text = bucket
                .text(key)
                .replace("\"ada\"", "\"bob\"")
                .replace("mfa/ada", "mfa/bob")
                .replace("user/ada", "user/bob");
            let text = text.replace("-DeactivateMFADevice\"", "-forged\"");
            assert!(key.contains("_20261002T0425Z_"), "{key}");
            let name = place(&(key.rsplit_once('_').unwrap().0.to_owned() + "_0123456789abcdef.json.gz"));
            bucket.objects.insert(name, Stored { bytes: gzip(text.as_bytes()), signature: None });
        });
        assert_eq!(ran.status, 3, "{what}: {}", ran.stderr);
        let integrity = &report["coverage"]["integrity"];
        assert_eq!(
            (&integrity["whole"], &integrity["counts"][*code]),
            (&false.into(), &1.into()),
            "{what}: {integrity:#}"
        );
        let worth = |forged: bool| {
            let events = report["events"].as_array().expect("a list").iter();
            let is_forged = |event: &Value| event["event_id"].as_str().is_some_and(|id| id.ends_with("-forged"));
            events
                .filter(|event| is_forged(event) == forged)
                .map(|event| event["integrity"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!((worth(false), worth(true)), (vec!["verified".into()], vec!["unsigned".into()]), "{what}");
    }
}

#[test]
fn what_was_removed_at_the_end_is_missed_by_whatever_knows_of_it() {
    let cut = |bucket: &mut Bucket| newest_removed(bucket, "", "2026-10-02T07:06:00Z");
    // The period that was asked for, with a moment to measure to or without.
    let (mut bucket, _) = archive();
    bucket = with_sidecars(bucket);
    let whole = Disk::of(&bucket);
    cut(&mut bucket);
    let cut = Disk::of(&bucket);
    let run = |disk: &Disk, arguments: &[&str]| {
        let mut command = mfatrail();
        command.current_dir(disk.home.path()).args(arguments).args([
            "archive",
            "--verify",
            "--public-keys",
            "keys.json",
        ]);
        let ran: Ran = command.output().expect("it runs").into();
        ran
    };
    let report = ["report", "--from", START, "--to", "2026-10-02T10:00:00Z", "--format", "json", "--out", "out"];
    for as_of in [&[][..], &["--as-of", "2026-10-02T10:00:00Z"]] {
        let arguments = [&report[..], as_of].concat();
        assert_eq!(run(&whole, &arguments).status, 0);
        let ran = run(&cut, &arguments);
        assert!(ran.status == 3 && ran.stderr.contains("digest_missing_newest 3"), "{as_of:?}: {}", ran.stderr);
    }
    // What a store has read before.
    let scan = ["scan", "--store", "store"];
    assert_eq!(run(&whole, &scan).status, 0);
    assert_eq!(run(&cut, &scan).status, 0, "nobody knows");
    std::fs::rename(whole.archive(), whole.home.path().join("before")).expect("it can be moved");
    std::fs::rename(cut.archive(), whole.archive()).expect("it can be moved");
    let ran = run(&whole, &scan);
    assert!(ran.status == 3 && ran.stderr.contains("digest_missing_newest (3)"), "{}", ran.stderr);
}

/// A store has no row for a log that is not there: what a scan's verification found is what every later report has to say.
#[test]
fn what_a_verification_missed_is_said_by_reports_from_the_store() {
    let (bucket, _) = archive();
    let whole = Disk::of(&with_sidecars(bucket));
    let run = |arguments: &[&str]| -> Ran {
        mfatrail().current_dir(whole.home.path()).args(arguments).output().expect("it runs").into()
    };
    let scan = ["scan", "archive", "--store", "store", "--verify", "--public-keys", "keys.json"];
    let report = |more: &[&str]| {
        let report = ["report", "--store", "store", "--from", START, "--to", "2026-10-02T10:00:00Z", "--out", "out"];
        let ran = run(&[&report[..], more].concat());
        let json = run::json(&whole.home.path().join("out"));
        (ran, json)
    };
    let key = {
        let mut logs: Vec<PathBuf> = crate::support::store::files(&whole.archive());
        logs.retain(|path| path.to_string_lossy().contains("/CloudTrail/us-east-1/2026/10/02/"));
        logs.sort();
        logs.swap_remove(2)
    };
    let aside = whole.home.path().join("aside");
    std::fs::rename(&key, &aside).expect("it can be moved");
    assert_eq!(run(&scan).status, 3);
    let bundle = ["--bundle", "one.zip"];
    for _twice in 0..2 {
        let (ran, json) = report(&bundle);
        assert_eq!(ran.status, 3, "{}", ran.stderr);
        assert_eq!(json["coverage"]["integrity"]["whole"], false);
        let notices = json["notices"].to_string();
        assert!(notices.contains("integrity-not-whole") && notices.contains("has not proven the archive"), "{notices}");
    }
    let again = run(&["report", "--from-bundle", "one.zip", "--out", "again"]);
    assert_eq!(again.status, 3, "{}", again.stderr);
    // Another range proves nothing of this one.
    let later = [&scan[..], &["--from", "2026-10-02T20:00:00Z"]].concat();
    assert_eq!(run(&later).status, 0);
    assert_eq!(report(&[]).0.status, 3);
    // Nor does a later period, which has this one in its look-back.
    let later =
        ["report", "archive", "--store", "store", "--from", "2026-10-02T20:00:00Z", "--to", "2026-10-03T02:00:00Z"];
    let verify = ["--verify", "--public-keys", "keys.json", "--out", "later"];
    let ran = run(&[&later[..], &verify].concat());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(report(&[]).0.status, 3);
    // Whoever else asks the store is told, too.
    for question in [&["history"][..], &["history", "--sql", "SELECT 1 AS n"], &["store"]] {
        let ran = run(&[question, &["--store", "store"]].concat());
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.status == 3 && said.contains("has not proven it"), "{question:?}: {said}");
    }
    std::fs::rename(&aside, &key).expect("it can be moved");
    assert_eq!(run(&scan).status, 0);
    let (ran, json) = report(&[]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(json["coverage"]["integrity"]["whole"], Value::Null);
    // A report that verifies tells the store, too.
    std::fs::rename(&key, &aside).expect("it can be moved");
    let verified = ["archive", "--verify", "--public-keys", "keys.json"];
    assert_eq!(report(&verified).0.status, 3);
    assert_eq!(report(&[]).0.status, 3);
    std::fs::rename(&aside, &key).expect("it can be moved");
    assert_eq!(report(&verified).0.status, 0);
    assert_eq!(report(&[]).0.status, 0);
    assert_eq!(run(&["history", "--store", "store"]).status, 0);
    assert_eq!(run(&["store", "check", "--store", "store"]).status, 0);
}

// --- words ---------------------------------------------------------------------------------------------------------

#[test]
fn nothing_to_verify_is_not_well() {
    let disk = Disk::of(&Bucket::new("b"));
    std::fs::create_dir_all(disk.archive()).expect("a folder");
    let ran = disk.verify(&[]);
    assert_eq!(ran.status, 3);
    assert!(ran.stdout.contains("NOTHING VERIFIED: 0 of 0 digests"), "{}", ran.stdout);
    assert!(ran.stderr.contains("nothing to verify"), "{}", ran.stderr);
}

#[test]
fn keys_are_taken_as_the_aws_cli_prints_them_or_refused_with_their_place() {
    let (bucket, _) = archive();
    let disk = Disk::of(&with_sidecars(bucket));
    let keys = disk.home.path().join("keys.json");
    let with = |text: &str| {
        std::fs::write(&keys, text).expect("a file");
        disk.verify(&[])
    };
    assert_eq!(with(&Signer::ours().printed_as(&Signer::ours().spki())).status, 0);
    assert_eq!(with(&(Signer::other().printed() + &Signer::ours().printed())).status, 0);
    let ran = with(&Signer::other().printed());
    assert_eq!(ran.status, 3);
    assert!(ran.stdout.contains("digest_key_unknown (90): digests"), "{}", ran.stdout);
    for (text, expected) in [
        ("", "no key in `PublicKeyList`"),
        ("{\"PublicKeyList\": []}", "no key in `PublicKeyList`"),
        ("{\n  \"PublicKeyList\": 7}", "keys.json`: line 2, column "),
        (&Signer::ours().printed_as(b"no key"), "PublicKeyList[0].Value`: not an RSA public key"),
        (&Signer::ours().printed().replace("\"Value\": \"", "\"Value\": \"?"), "PublicKeyList[0].Value`: not base64"),
    ] {
        let ran = with(text);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{text}");
        assert!(ran.stderr.starts_with("error: `--public-keys`: ") && ran.stderr.contains(expected), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
    }
    std::fs::remove_file(&keys).expect("it can go");
    assert!(disk.verify(&[]).stderr.contains("could not read"));
}

#[test]
fn wrong_usage_is_told_before_any_work() {
    for (arguments, expected) in [
        (&["-"][..], "standard input holds no digests"),
        (&[".", "--from", "2026-10-02", "--to", "2026-10-01"], "is not before `--to`"),
        (&[".", "--from", "soon"], "`--from`"),
        (&["no/such/place"], "could not read the SOURCE"),
    ] {
        let ran: Ran = mfatrail().arg("verify").args(arguments).output().expect("it runs").into();
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}

/// `report.json` holds findings: its schema names the same ones, everywhere.
#[test]
fn the_schema_of_reports_names_every_finding() {
    let codes: Vec<&str> = mfatrail::digest::Code::ALL.iter().map(|code| code.as_str()).collect();
    let part = |path: &str| schema::SCHEMA.pointer(&format!("/$defs/{path}")).expect("a part of the schema");
    let listed =
        |path: &str| part(path).as_array().expect("words").iter().filter_map(Value::as_str).collect::<Vec<_>>();
    assert_eq!(listed("digest_finding/properties/code/enum"), codes);
    assert!(listed("gap/properties/cause/enum").ends_with(&codes));
    let counted: BTreeSet<&str> = part("verification/properties/counts/properties")
        .as_object()
        .map(|fields| fields.keys().map(String::as_str).collect())
        .expect("fields");
    assert_eq!(counted, codes.into_iter().collect());
}

/// With moto, which comes from PyPI.
mod online {
    use super::*;
    use crate::support::moto;

    #[test]
    fn buckets_are_verified_with_the_keys_that_cloudtrail_tells() {
        let server = moto::Moto::start();
        let (mut bucket, mut old, mut copy) =
            (Bucket::new("trail-bucket"), Bucket::new("old-bucket"), Bucket::new("copy"));
        let mut trail = Trail { prefix: "old/", ..Trail::new(A, "us-east-1", START) };
        trail.hours(&mut old, 6);
        trail.prefix = "";
        trail.hours(&mut bucket, 6);
        Trail::new(B, "eu-west-1", START).hours(&mut bucket, 12);
        copy.objects = bucket.objects.clone();
        let last = copy.keys("444455556666/CloudTrail/eu-west-1").pop().expect("a log");
        copy.put_text(&last, r#"{"Records":[]}"#);
        upload(&server.endpoint(), &[&bucket, &old, &copy]);
        let (keys, asked) = key_server(&["us-east-1", "eu-west-1"]);

        let both = ["s3://trail-bucket", "s3://old-bucket/old"];
        let ran = on_s3(&server.endpoint(), &keys, &both);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
        assert!(ran.stdout.contains("WHOLE: 24 of 24 digests proven"), "{}", ran.stdout);
        assert!(ran.stdout.contains("trail_moved_here (1, no fault): "), "{}", ran.stdout);
        let asked: BTreeSet<String> = asked.lock().expect("no panic").drain(..).collect();
        assert_eq!(asked, BTreeSet::from(["eu-west-1".to_owned(), "us-east-1".to_owned()]));

        // Metadata speaks for the newest; a copy in another bucket is as good.
        let range = ["--from", "2026-10-02T04:05:31Z", "--to", "2026-10-02T10:05:31Z"];
        let ran = on_s3(&server.endpoint(), &keys, &[&["s3://trail-bucket"], &range[..]].concat());
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
        let ran = on_s3(&server.endpoint(), &keys, &[&["s3://trail-bucket"], &["--from", "2026-10-02"][..]].concat());
        assert!(ran.status == 3 && ran.stdout.contains("trail_moved (1): "), "{}", ran.stdout);
        assert!(ran.stdout.contains("s3://old-bucket/old/ (hint: add it as a SOURCE)"), "{}", ran.stdout);
        let ran = on_s3(&server.endpoint(), &keys, &["s3://copy", "--account", B]);
        assert!(ran.status == 3 && ran.stdout.contains("log_altered (1): "), "{}", ran.stdout);
        assert!(ran.stdout.contains(&format!("s3://copy/{last}")), "{}", ran.stdout);

        // A trail whose prefix is another account's folder, a region that was given up, and a key with an empty folder.
        let mut nested = Bucket::new("nested");
        Trail { prefix: "AWSLogs/111122223333/", ..Trail::new(B, "us-east-1", START) }.hours(&mut nested, 12);
        for start in ["2025-09-01T00:05:31Z", "2026-09-01T00:05:31Z"] {
            let region = if start.starts_with("2025") { "us-east-1" } else { "eu-west-1" };
            Trail::new(A, region, start).hours(&mut nested, 3);
        }
        upload(&server.endpoint(), &[&nested]);
        let range = ["--from", "2026-10-02", "--to", "2026-10-02T09:00:00Z"];
        let ran = on_s3(&server.endpoint(), &keys, &[&["s3://nested", "--account", B], &range[..]].concat());
        assert!(ran.status == 0 && ran.stdout.contains("WHOLE: 10 of 10 digests"), "{}{}", ran.stdout, ran.stderr);
        let ran = on_s3(&server.endpoint(), &keys, &[&["s3://nested"], &range[..]].concat());
        assert!(ran.status == 3 && ran.stdout.contains("digests_absent (2): "), "{}{}", ran.stdout, ran.stderr);
        let log = nested.keys("/CloudTrail/us-east-1/2026/10/02").pop().expect("a log");
        let forged =
            log.rsplit_once('_').expect("a name").0.replace("AWSLogs/o-", "AWSLogs//o-") + "_0123456789abcdef.json.gz";
        let object = nested.take(&log);
        nested.objects = BTreeMap::from([(forged.clone(), object)]);
        upload(&server.endpoint(), &[&nested]);
        let ran = on_s3(&server.endpoint(), &keys, &[&["s3://nested", "--account", B], &range[..]].concat());
        assert!(ran.status == 3 && ran.stdout.contains("log_unnamed (1): "), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(&forged), "{}", ran.stdout);

        // A region that does not answer is a finding, with a way out; what the others signed is judged.
        let (refusing, _) = key_server(&["eu-west-1"]);
        let ran = on_s3(&server.endpoint(), &refusing, &both);
        // Here one key signs in all regions.
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
        let (refusing, _) = key_server(&[]);
        let ran = on_s3(&server.endpoint(), &refusing, &both);
        for said in
            ["keys_unavailable (2): ", "24 digests in range with an unknown key", "AccessDenied", "--public-keys FILE"]
        {
            assert!(ran.status == 3 && ran.stdout.contains(said), "{said}: {}", ran.stdout);
        }
        assert!(ran.stdout.contains("NOT WHOLE: 0 of 24 digests proven"), "{}", ran.stdout);
    }

    /// What CloudTrail, or whoever stands in for it, answers to the question for public keys, and what is said of it: a finding, and
    /// never the end of the run.
    #[test]
    fn key_lists_that_lie_are_findings() {
        let mut bucket = Bucket::new("trail-bucket");
        Trail::new(A, "us-east-1", START).hours(&mut bucket, 3);
        Trail::new(A, "xx-nowhere-1", START).hours(&mut bucket, 1);
        let server = moto::Moto::start();
        upload(&server.endpoint(), &[&bucket]);
        type Answer = fn(&str, usize) -> (&'static str, String);
        let cases: [(&str, Answer, &str); 7] = [
            (
                "another page for ever",
                |_, n| ("200 OK", format!("{{\"NextToken\":\"{n}\",\"PublicKeyList\":[]}}")),
                "more than 1000 pages",
            ),
            (
                "pages in a circle",
                |_, n| ("200 OK", format!("{{\"NextToken\":\"{}\",\"PublicKeyList\":[]}}", n % 2)),
                "an earlier page",
            ),
            (
                "too long",
                |_, _| ("200 OK", format!("{{\"PublicKeyList\":[{}]}}", " ".repeat(2 << 20))),
                "longer than 1048576 bytes",
            ),
            ("cut", |_, _| ("200 OK", keys_of_aws()[..40].to_owned()), "keys_unavailable"),
            (
                "no key",
                |_, _| ("200 OK", r#"{"PublicKeyList":[{"Fingerprint":"f","Value":"AAAA"}]}"#.to_owned()),
                "not an RSA public key",
            ),
            ("a page of HTML", |_, _| ("200 OK", "<html>".to_owned()), "keys_unavailable"),
            (
                "refused",
                |_, _| ("403 Forbidden", r#"{"__type":"AccessDeniedException","message":"no"}"#.to_owned()),
                "AccessDenied",
            ),
        ];
        for (what, answer, said) in cases {
            let (keys, _) = serve_keys(answer);
            let ran = on_s3(&server.endpoint(), &keys, &["s3://trail-bucket"]);
            assert_eq!(ran.status, 3, "{what}: {}{}", ran.stdout, ran.stderr);
            for said in [said, "keys_unavailable", "NOT WHOLE: 0 of 4 digests proven"] {
                assert!(ran.stdout.contains(said), "{what}: {said}: {}", ran.stdout);
            }
        }
        // A region that nobody has costs no other region its proof.
        let (keys, _) = key_server(&["us-east-1"]);
        let ran = on_s3(&server.endpoint(), &keys, &["s3://trail-bucket", "--region", "us-east-1"]);
        assert!(!ran.stdout.contains("keys_unavailable"), "{}", ran.stdout);
    }
}

/// What digests prove decides against what was overwritten, and what they were not asked about is not proven beside it.
#[test]
fn in_a_store_what_is_proven_counts_and_what_was_not_asked_about_is_no_proof() {
    let (bucket, key) = deactivation(A, "2026-10-01T22:05:31Z");
    let disk = Disk::of(&bucket);
    let log = disk.archive().join(&key);
    let truth = std::fs::read(&log).expect("the log");
    let nothing = gzip(br#"{"Records":[]}"#);
    let run = |arguments: &[&str]| -> Ran {
        mfatrail().current_dir(disk.home.path()).args(arguments).output().expect("it runs").into()
    };
    let scan = |store: &str, verify: bool| {
        let more = ["--verify", "--public-keys", "keys.json", "--to", "2026-10-02T10:00:00Z"];
        run(&[&["scan", "archive", "--store", store][..], if verify { &more[..] } else { &[] }].concat()).status
    };
    let report = |store: &str| {
        let period = ["--from", "2026-10-01", "--to", "2026-10-03", "--out", "out"];
        let ran = run(&[&["report", "--store", store], &period[..]].concat());
        let json = run::json(&disk.home.path().join("out"));
        let window = json["windows"].as_array().expect("windows").first().cloned().unwrap_or_default();
        let text = |name: &str| window[name].as_str().unwrap_or("-").to_owned();
        (ran.status, [text("opened_by_event"), text("closed_at"), text("integrity")], json["notices"].to_string())
    };
    assert_eq!((scan("first", true), report("first").0), (0, 0));
    let (_, [opened, ..], _) = report("first");
    let stands = |integrity: &str| [opened.clone(), "-".to_owned(), integrity.to_owned()];
    assert_eq!(report("first").1, stands("verified"));
    // Overwritten after it was proven: it is not forgotten.
    std::fs::write(&log, &nothing).expect("a file");
    assert_eq!(scan("first", false), 0);
    let (status, window, notices) = report("first");
    assert_eq!((status, window), (3, stands("verified")), "{notices}");
    // Overwritten before it was read, and then restored and proven: it counts, and nothing else does.
    let mut forged = gunzip(&truth);
    forged = String::from_utf8(forged).expect("UTF-8").replace("DeactivateMFADevice", "EnableMFADevice").into_bytes();
    std::fs::write(&log, gzip(&forged)).expect("a file");
    assert_eq!(scan("second", false), 0);
    std::fs::write(&log, &truth).expect("a file");
    assert_eq!(scan("second", true), 0);
    let (status, window, notices) = report("second");
    assert_eq!((status, window), (0, stands("verified")), "{notices}");
    // Somebody adds an enrollment, and a plain scan reads it.
    for name in ["EnableMFADevice", "DeleteUser", "DeleteLoginProfile"] {
        let text = String::from_utf8(gunzip(&truth)).expect("UTF-8");
        let record: Value = serde_json::from_str(&text).expect("JSON");
        let mut record = record["Records"].as_array().expect("records").last().expect("a record").clone();
        record["eventID"] = format!("added-{name}").into();
        record["eventName"] = name.into();
        record["eventTime"] = "2026-10-02T06:00:00Z".into();
        let added = log.with_file_name("added.json.gz");
        std::fs::write(&added, gzip(serde_json::json!({ "Records": [record] }).to_string().as_bytes()))
            .expect("a file");
        let store = format!("third-{name}");
        std::fs::rename(&added, disk.home.path().join("aside")).expect("it can be moved");
        assert_eq!(scan(&store, true), 0);
        std::fs::rename(disk.home.path().join("aside"), &added).expect("it can be moved");
        assert_eq!(scan(&store, false), 0);
        let (status, [.., integrity], notices) = report(&store);
        assert_ne!(integrity, "verified", "{name}: {notices}");
        assert_eq!((status, notices.contains("rests-on-unproven")), (3, true), "{name}: {notices}");
        std::fs::remove_file(&added).expect("a file");
    }
}
