//! What a store says after any sequence of scans of an archive whose objects are new, changed, damaged, gone and restored, and of
//! scans that were killed: what a plain model says, which remembers of every place the content that was read there last. Every table
//! is asked for, by the tool's own SQL and by DuckDB, as the document says to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use mfatrail::hash::{hex, sha256};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::duckdb;
use crate::support::run::{Ran, mfatrail};
use crate::support::store::gzip;

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

    fn calls(self, place: usize) -> Vec<String> {
        match self {
            Self::Good(n) => {
                ["DeactivateMFADevice", "EnableMFADevice", "ListMFADevices"].map(|name| id(place, n, name)).to_vec()
            }
            _ => Vec::new(),
        }
    }

    /// That the role session was seen.
    fn sightings(self, _place: usize) -> Vec<String> {
        if matches!(self, Self::Good(_)) { vec!["192.0.2.7".to_owned()] } else { Vec::new() }
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
    /// The same, killed after so many milliseconds, if it still runs.
    Killed(u64),
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
        2 => (0..250_u64).prop_map(Step::Killed),
    ]
}

/// What is at a place: tag and content.
type There = (u64, Content);

/// What the store must know: of every place what was read there last.
#[derive(Debug, Default)]
struct Model {
    archive: BTreeMap<usize, There>,
    known: BTreeMap<usize, There>,
    /// Runs that ended, and runs that were killed.
    runs: [usize; 2],
}

/// A table, what names its rows, and what of it a content tells.
type Table = (&'static str, &'static str, fn(Content, usize) -> Vec<String>);

const TABLES: [Table; 3] = [
    ("events", "event_id", Content::events),
    ("calls", "event_id", Content::calls),
    ("sightings", "source_ip", Content::sightings),
];

const OBJECTS: &str = "SELECT object_id, location, etag, size_bytes, status, sha256, records, error IS NULL AS sound FROM objects \
    ORDER BY object_id";

fn counting(table: &str, name: &str) -> String {
    format!(
        "SELECT o.location, t.{name} FROM {table} t JOIN objects o USING (object_id) WHERE o.status <> 'replaced' \
         ORDER BY o.location, t.{name}"
    )
}

/// Rows as DuckDB's are given: values in order.
fn values(rows: &[Value], columns: &[&str]) -> Value {
    rows.iter().map(|row| columns.iter().map(|column| row[*column].clone()).collect::<Value>()).collect()
}

/// A file's entity tag.
fn tag(tag: u64) -> String {
    format!("mtime-{}", (1_790_000_000 + tag) * 1_000_000_000)
}

/// The id of an object, as the document says.
fn object_id(location: &str, etag: &str, size: u64) -> String {
    let mut text = Vec::new();
    for part in [location, etag, &size.to_string()] {
        text.extend(u64::try_from(part.len()).unwrap().to_be_bytes());
        text.extend(part.bytes());
    }
    hex(&sha256(&text)[..16])
}

/// The events of a content that was overwritten.
fn former(row: &Value) -> Vec<String> {
    let place = PLACES.iter().position(|name| row["location"].as_str().unwrap().ends_with(name)).unwrap();
    let is = |content: &Content| row["sha256"] == hex(&sha256(&content.bytes(place)));
    (0..3).map(Content::Good).chain([Content::NoRecords]).find(is).unwrap().events(place)
}

impl Model {
    /// Tag and size tell whether an object is read again.
    fn scan(&mut self, home: &Path) {
        self.note_scan();
        self.check(home);
    }

    fn note_scan(&mut self) {
        for (place, there) in &self.archive {
            let stamp = |(tag, content): &There| (*tag, content.bytes(*place).len());
            if self.known.get(place).is_none_or(|known| stamp(known) != stamp(there)) {
                self.known.insert(*place, *there);
            }
        }
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
        let known = self.known.iter().flat_map(|(place, (_, content))| content.events(*place));
        // Nor is forgotten what was there before.
        let mut events: BTreeSet<String> = known.collect();
        events.extend(self.sql(home, OBJECTS).iter().filter(|row| row["status"] == "replaced").flat_map(former));
        let events: Vec<String> = events.into_iter().collect();
        let checked = mfa(home, &["store", "check", "--store", "store"]);
        assert_eq!(checked.status, 0, "{}{}", checked.stdout, checked.stderr);
        let history = mfa(home, &["history", "--store", "store", "--format", "json"]);
        let rows: Vec<Value> = serde_json::from_str(&history.stdout).unwrap();
        let mut told: Vec<String> = rows.iter().map(|row| row["event_id"].as_str().unwrap().to_owned()).collect();
        told.sort();
        assert_eq!(told, events, "{}", history.stderr);
        let objects = self.sql(home, "SELECT object_id, location, status FROM objects");
        let ids: BTreeSet<&str> = objects.iter().filter_map(|row| row["object_id"].as_str()).collect();
        assert_eq!(ids.len(), objects.len(), "{objects:?}");
        self.check_tables(home);
        let counting = |status: &str| objects.iter().filter(|row| row["status"] == status).count();
        let read = self.known.values().filter(|(_, content)| content.is_read()).count();
        assert_eq!((counting("read"), counting("failed")), (read, self.known.len() - read), "{objects:?}");
    }

    /// The columns, as the document says to read them: every table.
    fn check_tables(&self, home: &Path) {
        for (table, name, of) in TABLES {
            let rows = self.sql(home, &counting(table, name));
            let told: Vec<(String, String)> = rows
                .iter()
                .map(|row| (row["location"].as_str().unwrap(), row[name].as_str().unwrap()))
                .map(|(location, name)| (location.rsplit('/').next().unwrap().to_owned(), name.to_owned()))
                .collect();
            let want = self.known.iter().flat_map(|(place, (_, content))| {
                of(*content, *place).into_iter().map(|name| (PLACES[*place].to_owned(), name))
            });
            assert_eq!(told, want.collect::<Vec<_>>(), "{table}");
        }
        for row in self.sql(home, OBJECTS) {
            let text = |key: &str| row[key].as_str().unwrap();
            let size = row["size_bytes"].as_u64().unwrap();
            // The same bytes under a new tag keep their id.
            let ids = [0, 1].map(tag).map(|tag| {
                let plain = object_id(text("location"), &tag, size);
                [plain, object_id(text("location"), &format!("{tag} {}", text("sha256")), size)]
            });
            assert!(ids.concat().contains(&text("object_id").to_owned()), "{row}");
            assert!(text("etag").starts_with("mtime-"), "{row}");
            if size == 0 {
                assert_eq!((text("status") != "read", text("sha256")), (true, hex(&sha256(b"")).as_str()), "{row}");
            }
            match text("status") {
                "read" => assert_eq!(row["sound"], true, "{row}"),
                "failed" => assert_eq!((&row["sound"], &row["records"]), (&json!(false), &json!(0)), "{row}"),
                other => assert_eq!(other, "replaced", "{row}"),
            }
        }
        let runs = self.sql(home, "SELECT DISTINCT run FROM runs").len();
        let [ended, killed] = self.runs;
        assert!(
            (ended..=ended + killed).contains(&runs),
            "{runs} runs, of which {ended} ended and {killed} were killed"
        );
    }

    /// What DuckDB makes of the folders is what the tool says, after any command that writes.
    fn agree(&self, home: &Path) {
        let store = home.join("store");
        let there: Vec<&str> = ["events", "calls", "sightings", "objects"]
            .into_iter()
            .filter(|table| store.join(table).exists())
            .collect();
        let view = |table: &&str| format!("CREATE VIEW {table} AS SELECT * FROM read_parquet('{table}/*/*/*.parquet')");
        let mut asked = vec![(
            OBJECTS.to_owned(),
            vec!["object_id", "location", "etag", "size_bytes", "status", "sha256", "records", "sound"],
        )];
        let tables = TABLES.iter().filter(|(table, ..)| there.contains(table));
        asked.extend(tables.map(|(table, name, _)| (counting(table, name), vec!["location", *name])));
        let statements: Vec<String> = asked.iter().map(|(statement, _)| statement.clone()).collect();
        if !there.contains(&"objects") {
            return;
        }
        let views: Vec<String> = there.iter().map(view).collect();
        let answers = duckdb::answers(&views, &statements, &store);
        for ((statement, columns), answer) in asked.iter().zip(answers) {
            assert_eq!(answer, values(&self.sql(home, statement), columns), "{statement}");
        }
        fs::remove_file(store.join("statements.json")).unwrap();
    }

    /// After a scan that was killed, each place is as it was known before or as it is now.
    fn killed(&mut self, home: &Path) {
        if !home.join("store/store.json").exists() {
            return;
        }
        let objects = self.sql(home, OBJECTS);
        let mut scanned = Self { archive: self.archive.clone(), known: self.known.clone(), runs: self.runs };
        scanned.note_scan();
        for (place, location) in PLACES.iter().enumerate() {
            let [old, new] = [&self.known, &scanned.known].map(|known| known.get(&place).copied());
            let is = |there: There, row: &&Value| {
                let (tag, content) = there;
                row["status"] != "replaced"
                    && row["location"].as_str().unwrap().ends_with(location)
                    && row["sha256"] == hex(&sha256(&content.bytes(place)))
                    && row["etag"] == self::tag(tag)
            };
            let found = new.filter(|new| objects.iter().any(|row| is(*new, &row))).or(old);
            match found {
                Some(there) => self.known.insert(place, there),
                None => self.known.remove(&place),
            };
        }
        self.check(home);
    }

    fn sql(&self, home: &Path, statement: &str) -> Vec<Value> {
        let ran = mfa(home, &["history", "--store", "store", "--sql", statement, "--format", "json"]);
        // What could not be read is in no table, and that is said.
        let said = ran.stderr.contains("could not be read completely");
        assert_eq!(ran.status, if said { 3 } else { 0 }, "{}", ran.stderr);
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
                model.runs[0] += 1;
                model.retry(home);
            }
            Step::Retry => {}
            Step::Scan | Step::ScanInPieces => {
                let every = if matches!(step, Step::Scan) { "100" } else { "1" };
                let ran = mfa(home, &["scan", "archive", "--store", "store", "--commit-every", every]);
                assert!(matches!(ran.status, 0 | 3), "{}", ran.stderr);
                made = true;
                model.runs[0] += 1;
                model.scan(home);
            }
            Step::Killed(after) => {
                let mut command = mfatrail();
                command.current_dir(home).args(["scan", "archive", "--store", "store", "--commit-every", "1"]);
                let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
                std::thread::sleep(Duration::from_millis(after));
                // It may have ended by itself.
                let _ = child.kill();
                child.wait().unwrap();
                model.runs[1] += 1;
                model.killed(home);
            }
        }
    }
    model.agree(home);
}

/// With DuckDB, which comes from PyPI.
mod online {
    use super::*;

    #[test]
    fn an_object_that_comes_back_as_it_was_is_counted_once() {
        use Content::{Damaged, Empty, Good, NoRecords};
        use Step::{Put, Remove, Retry, Scan};
        for between in [Good(1), Damaged, Empty, NoRecords] {
            for tag in [0, 1] {
                let back =
                    [Put(0, Good(0), 0), Scan, Put(0, between, tag), Scan, Put(0, Good(0), 0), Scan, Scan, Retry];
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
}
