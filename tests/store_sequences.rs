//! What a store says after any sequence of scans of an archive whose objects are new, changed, damaged, gone and restored: what a
//! plain model says, which remembers of every place the content that was read there last.

#[path = "support/run.rs"]
mod run;
#[path = "support/store.rs"]
#[allow(dead_code, reason = "not every test needs all of it")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::{Value, json};

use run::{Ran, mfatrail};
use support::gzip;

const PLACES: [&str; 2] = ["a.json.gz", "b.json.gz"];

/// What may stand at a place: the events in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Two events, a call and a sighting; all contents of this kind have one size.
    Good(u8),
    /// As many bytes, and no gzip.
    Damaged,
    Empty,
    NoRecords,
}

impl Content {
    fn bytes(self, place: usize) -> Vec<u8> {
        let record = |n: u8, name: &str, kind: &str| {
            json!({
                "eventVersion": "1.11", "eventTime": "2026-10-01T08:00:00Z", "eventSource": "iam.amazonaws.com", "eventName": name,
                "awsRegion": "us-east-1", "sourceIPAddress": "192.0.2.7", "eventID": id(place, n, name), "recipientAccountId": "111122223333",
                "userIdentity": {"type": kind, "principalId": "AIDAEXAMPLE", "userName": "admin", "accountId": "111122223333"},
                "requestParameters": {"userName": "alice", "serialNumber": "arn:aws:iam::111122223333:mfa/alice"},
            })
        };
        let records = |n: u8| {
            [
                record(n, "EnableMFADevice", "IAMUser"),
                record(n, "DeactivateMFADevice", "AssumedRole"),
                record(n, "ListMFADevices", "IAMUser"),
            ]
        };
        // Stored, so that all are of one size.
        let stored = |n: u8| json!({"Records": records(n)}).to_string().into_bytes();
        match self {
            Self::Good(n) => stored(n),
            Self::Damaged => stored(0).iter().map(|_| b'x').collect(),
            Self::Empty => Vec::new(),
            Self::NoRecords => gzip(br#"{"Records":[]}"#),
        }
    }

    fn events(self, place: usize) -> Vec<String> {
        match self {
            Self::Good(n) => ["DeactivateMFADevice", "EnableMFADevice"].map(|name| id(place, n, name)).to_vec(),
            _ => Vec::new(),
        }
    }

    fn is_read(self) -> bool {
        matches!(self, Self::Good(_) | Self::NoRecords)
    }
}

fn id(place: usize, n: u8, name: &str) -> String {
    format!("{place}-{n}-{name}")
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A content, and which of two modification times the file has.
    Put(usize, Content, u64),
    Remove(usize),
    Scan,
    Retry,
    /// A scan that makes one commit for every object.
    ScanInPieces,
}

fn step() -> impl Strategy<Value = Step> {
    let content = prop_oneof![
        6 => (0..3_u8).prop_map(Content::Good),
        2 => Just(Content::Damaged),
        1 => Just(Content::Empty),
        1 => Just(Content::NoRecords),
    ];
    prop_oneof![
        6 => (0..PLACES.len(), content, 0..2_u64).prop_map(|(place, content, time)| Step::Put(place, content, time)),
        1 => (0..PLACES.len()).prop_map(Step::Remove),
        4 => Just(Step::Scan),
        1 => Just(Step::Retry),
        1 => Just(Step::ScanInPieces),
    ]
}

/// What is at a place: tag and content.
type There = (u64, Content);

/// What the store must know: of every place what was read there last.
#[derive(Debug, Default)]
struct Model {
    archive: BTreeMap<usize, There>,
    known: BTreeMap<usize, There>,
}

impl Model {
    /// Tag and size tell whether an object is read again.
    fn scan(&mut self, home: &Path) {
        for (place, there) in &self.archive {
            let stamp = |(tag, content): &There| (*tag, content.bytes(*place).len());
            if self.known.get(place).is_none_or(|known| stamp(known) != stamp(there)) {
                self.known.insert(*place, *there);
            }
        }
        self.check(home);
    }

    /// What failed is read as it is now.
    fn retry(&mut self, home: &Path) {
        let failed: Vec<usize> =
            self.known.iter().filter(|(_, (_, content))| !content.is_read()).map(|(place, _)| *place).collect();
        for place in failed {
            if let Some(there) = self.archive.get(&place) {
                self.known.insert(place, *there);
            }
        }
        self.check(home);
    }

    fn check(&self, home: &Path) {
        let mut events: Vec<String> =
            self.known.iter().flat_map(|(place, (_, content))| content.events(*place)).collect();
        events.sort();
        let checked = mfa(home, &["store", "check", "--store", "store"]);
        assert_eq!(checked.status, 0, "{}{}", checked.stdout, checked.stderr);
        let history = mfa(home, &["history", "--store", "store", "--format", "json"]);
        let rows: Vec<Value> = serde_json::from_str(&history.stdout).unwrap();
        let mut told: Vec<String> = rows.iter().map(|row| row["event_id"].as_str().unwrap().to_owned()).collect();
        told.sort();
        assert_eq!(told, events, "{}", history.stderr);
        // The columns, as the document says to read them: every table.
        for (table, each) in [("events", 2), ("calls", 3), ("sightings", 1)] {
            let sql =
                format!("SELECT t.object_id, o.status FROM {table} t JOIN objects o ON t.object_id = o.object_id");
            let rows = self.sql(home, &sql);
            let counting = rows.iter().filter(|row| row["status"] != "replaced").count();
            assert_eq!(counting, events.len() / 2 * each, "{table}: {rows:?}");
        }
        let objects = self.sql(home, "SELECT object_id, location, status FROM objects");
        let ids: BTreeSet<&str> = objects.iter().filter_map(|row| row["object_id"].as_str()).collect();
        assert_eq!(ids.len(), objects.len(), "{objects:?}");
        let counting = |status: &str| objects.iter().filter(|row| row["status"] == status).count();
        let read = self.known.values().filter(|(_, content)| content.is_read()).count();
        assert_eq!((counting("read"), counting("failed")), (read, self.known.len() - read), "{objects:?}");
    }

    fn sql(&self, home: &Path, statement: &str) -> Vec<Value> {
        let ran = mfa(home, &["history", "--store", "store", "--sql", statement, "--format", "json"]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }
}

fn mfa(home: &Path, arguments: &[&str]) -> Ran {
    mfatrail().current_dir(home).args(arguments).output().unwrap().into()
}

fn follow(steps: &[Step]) {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    fs::create_dir(home.join("archive")).unwrap();
    let mut model = Model::default();
    let mut made = false;
    for step in steps {
        match *step {
            Step::Put(place, content, tag) => {
                let path = home.join("archive").join(PLACES[place]);
                fs::write(&path, content.bytes(place)).unwrap();
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + tag);
                fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
                model.archive.insert(place, (tag, content));
            }
            Step::Remove(place) => {
                if model.archive.remove(&place).is_some() {
                    fs::remove_file(home.join("archive").join(PLACES[place])).unwrap();
                }
            }
            Step::Retry if made => {
                let ran = mfa(home, &["store", "retry", "--store", "store"]);
                assert!(matches!(ran.status, 0 | 3), "{}", ran.stderr);
                model.retry(home);
            }
            Step::Retry => {}
            Step::Scan | Step::ScanInPieces => {
                let every = if matches!(step, Step::Scan) { "100" } else { "1" };
                let ran = mfa(home, &["scan", "archive", "--store", "store", "--commit-every", every]);
                assert!(matches!(ran.status, 0 | 3), "{}", ran.stderr);
                made = true;
                model.scan(home);
            }
        }
    }
}

#[test]
fn an_object_that_comes_back_as_it_was_is_counted_once() {
    use Content::{Damaged, Empty, Good, NoRecords};
    use Step::{Put, Remove, Retry, Scan};
    for between in [Good(1), Damaged, Empty, NoRecords] {
        for tag in [0, 1] {
            let back = [Put(0, Good(0), 0), Scan, Put(0, between, tag), Scan, Put(0, Good(0), 0), Scan, Scan, Retry];
            follow(&back);
            follow(&[&back[..], &[Put(0, between, tag), Scan, Remove(0), Scan, Put(0, Good(0), 0), Scan]].concat());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, ..ProptestConfig::default() })]
    #[test]
    fn a_store_remembers_of_every_place_what_was_read_there_last(steps in prop::collection::vec(step(), 1..14)) {
        follow(&[&steps[..], &[Step::Scan]].concat());
    }
}
