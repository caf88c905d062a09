//! Signs a synthetic archive as CloudTrail does: `cargo bench --bench digests -- DIR [--hours N]`.
//!
//! Beside the logs in `DIR/archive` it puts a digest for every `N` hours (1, as CloudTrail does), account and region,
//! and a file with the newest one's signature. `DIR/keys.json` is the public key as the AWS CLI prints it, and
//! `DIR/signatures.json` has all signatures by key: on disk they have no object metadata to stand in.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench fails by a panic")]
#![allow(clippy::print_stdout, reason = "what it measured")]

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use mfatrail::source::{KeyInfo, Listed, Selection, local};

#[allow(dead_code, reason = "the bench has its logs already")]
#[path = "../tests/support/digests.rs"]
mod digests;
use digests::{Bucket, Signer, Stored, Trail, gzip};

mod corpus;
use corpus::{Corpus, PLANTED, Shape};

const USAGE: &str = "usage: cargo bench --bench digests -- DIR [--hours N]";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = corpus::arguments();
    if arguments.is_empty() {
        return check();
    }
    let (mut directory, mut hours) = (None, 1);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--hours" => hours = arguments.next().ok_or(USAGE)?.parse()?,
            flag if flag.starts_with('-') => return Err(format!("unknown option {flag}\n{USAGE}").into()),
            _ => directory = Some(PathBuf::from(argument)),
        }
    }
    let (digests, logs) = sign(&directory.ok_or(USAGE)?, hours)?;
    println!("{digests} digests name {logs} logs");
    Ok(())
}

/// By account and region: when each log was delivered, and its key.
type Logs = BTreeMap<(String, String), Vec<(DateTime<Utc>, String)>>;

fn sign(directory: &Path, hours: i64) -> Result<(usize, usize), Box<dyn Error>> {
    let archive = directory.join("archive");
    let mut logs = Logs::new();
    let mut organization = String::new();
    let _ = local::list(&archive, &Selection::default(), &mut |step| {
        let Listed::Object(object) = step else { panic!("{step:?}") };
        let KeyInfo { account: Some(account), region: Some(region), delivered_at: Some(at), .. } = object.key else {
            panic!("no log: {}", object.name)
        };
        if let Some(id) = object.name.split('/').find(|part| part.starts_with("o-")) {
            organization = format!("{id}/");
        }
        logs.entry((account, region)).or_default().push((at, object.name));
        std::ops::ControlFlow::Continue(())
    });
    let times = || logs.values().flatten().map(|(at, _)| *at);
    let step = TimeDelta::hours(hours);
    let first = times().min().ok_or("no log in the archive")?.duration_trunc(TimeDelta::days(1))?;
    let last = times().max().unwrap_or(first);
    let (mut written, mut named, mut signatures) = (0, 0, BTreeMap::new());
    for ((account, region), mut logs) in logs {
        logs.sort();
        let mut trail = Trail {
            account: account.leak(),
            region: region.leak(),
            name: "bench",
            home: "us-east-1",
            prefix: "",
            organization: organization.clone().leak(),
            now: first,
            last: None,
            delivered: 0,
        };
        let mut bucket = Bucket::new("bench");
        let mut logs = logs.into_iter().peekable();
        while trail.now <= last {
            let end = trail.now + step;
            let mut keys = Vec::new();
            while let Some((_, key)) = logs.next_if(|(at, _)| *at < end) {
                let bytes = fs::read(archive.join(&key))?;
                bucket.objects.insert(key.clone(), Stored { bytes, signature: None });
                keys.push(key);
            }
            let (key, text, signature) = trail.signed(&bucket, Signer::ours(), &keys, trail.now, end, "");
            let hash = mfatrail::hash::hex(&mfatrail::hash::sha256(text.as_bytes()));
            trail.last = Some((bucket.name.clone(), key.clone(), hash, signature.clone()));
            trail.now = end;
            let path = archive.join(&key);
            fs::create_dir_all(path.parent().ok_or("no folder")?)?;
            fs::write(&path, gzip(text.as_bytes()))?;
            if trail.now > last {
                fs::write(archive.join(format!("{key}.signature")), &signature)?;
            }
            written += 1;
            named += keys.len();
            signatures.insert(key, signature);
            bucket.objects.clear();
        }
    }
    fs::write(directory.join("keys.json"), Signer::ours().printed())?;
    fs::write(directory.join("signatures.json"), serde_json::to_vec(&signatures)?)?;
    Ok((written, named))
}

/// What runs without arguments, in CI: every log is named.
fn check() -> Result<(), Box<dyn Error>> {
    let home = tempfile::tempdir()?;
    let written = Corpus::new(Shape::Medium, 2000, PLANTED, 7)?.write(home.path())?;
    let (digests, logs) = sign(home.path(), 24)?;
    assert_eq!(u64::try_from(logs)?, written.objects);
    assert!(digests >= 31);
    Ok(())
}
