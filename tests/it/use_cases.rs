//! The use cases without a command line: what a library gets is what the command prints.

use std::path::Path;

use mfatrail::app::iam_policy::{AwsCalls, PolicySubject, partition_of, policy};
use mfatrail::app::scan::{LIMITS, ScanRequest, scan};
use mfatrail::app::search::{Layout, SearchRequest, search, unknown_names};
use mfatrail::app::{Archive, Error, Observer, Run, store, verify};
use mfatrail::search::filter::By;
use mfatrail::source::{Selection, Source};
use mfatrail::table::print::Format;
use serde_json::{Value, json};

use crate::support::run::{Ran, mfatrail, root};
use crate::support::store::wait_for_lock;

const NOW: &str = "2026-11-27T00:00:00Z";

fn archive(path: &Path) -> Archive {
    Archive { sources: vec![Source::parse(path.as_ref()).unwrap()], ..Archive::default() }
}

fn fixtures() -> Archive {
    archive(&root().join("fixtures/archive"))
}

fn run() -> Run<'static> {
    Run::silent(NOW.parse().unwrap())
}

fn printed(arguments: &[&str]) -> Ran {
    mfatrail().args(arguments).output().unwrap().into()
}

fn value(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap()
}

fn users(names: &[&str]) -> Vec<(By, Vec<String>)> {
    vec![(By::User, names.iter().map(ToString::to_string).collect())]
}

fn text(request: &SearchRequest, format: Format) -> String {
    let mut text = Vec::new();
    search(request, &fixtures(), run()).unwrap().write(request, format, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_search_is_what_the_command_prints() {
    let fields = || vec!["eventTime".to_owned(), "userIdentity.arn".to_owned()];
    let felix = || SearchRequest { filters: users(&["felix.moreau"]), ..SearchRequest::default() };
    for (request, format, arguments) in [
        (felix(), Format::Json, &[][..]),
        (SearchRequest { sort: true, limit: Some(3), ..felix() }, Format::Json, &["--sort", "--limit", "3"]),
        (SearchRequest { layout: Layout::Overview, ..felix() }, Format::Csv, &["--format", "csv"]),
        (
            SearchRequest { layout: Layout::Fields(fields()), ..felix() },
            Format::Csv,
            &["--fields", "eventTime,userIdentity.arn", "--format", "csv"],
        ),
        (
            SearchRequest { layout: Layout::Counts(vec!["eventName".to_owned()]), ..felix() },
            Format::Json,
            &["--count-by", "eventName", "--format", "json"],
        ),
        (SearchRequest { read_only: Some(false), ..felix() }, Format::Json, &["--writes"]),
        (SearchRequest { follow: true, ..felix() }, Format::Json, &["--follow"]),
    ] {
        let ran = printed(&[&["search", "fixtures/archive", "--user", "felix.moreau"], arguments].concat());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert_eq!(text(&request, format), ran.stdout, "{arguments:?}");
        assert!(!ran.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_search_says_what_is_wrong_with_it() {
    let felix = SearchRequest { filters: users(&["felix.morau"]), ..SearchRequest::default() };
    let findings = search(&felix, &fixtures(), run()).unwrap();
    let unknown = unknown_names(&felix, &fixtures(), &findings.selection, &findings.scanned);
    let [name] = unknown.as_slice() else { panic!("{unknown:?}") };
    assert_eq!((name.flag, name.near.first().map(String::as_str)), ("--user", Some("felix.moreau")));

    let follow = |filters| SearchRequest { filters, follow: true, ..SearchRequest::default() };
    let stdin = Archive { sources: vec![Source::Stdin], ..Archive::default() };
    let elsewhere = Selection { accounts: vec!["999999999999".to_owned()], ..Selection::default() };
    for (request, archive, why) in [
        (follow(vec![(By::Ip, vec!["192.0.2.1".to_owned()])]), fixtures(), "`--follow` needs somebody to follow"),
        (follow(users(&["felix.moreau"])), stdin, "`--follow` reads the source more than once"),
        (SearchRequest { filters: vec![(By::Ip, vec!["here".to_owned()])], ..felix.clone() }, fixtures(), "`--ip`"),
        (SearchRequest { layout: Layout::Fields(vec![".".to_owned()]), ..felix.clone() }, fixtures(), "`--fields`"),
        (SearchRequest { selection: elsewhere, ..felix.clone() }, fixtures(), "`--account`"),
    ] {
        let error = search(&request, &archive, run()).unwrap_err();
        assert!(matches!(&error, Error::Input(message) if message.contains(why)), "{why}: {error}");
    }
}

/// Notes what a use case says.
#[derive(Default)]
struct Notes(std::sync::Mutex<Vec<String>>);

impl Observer for Notes {
    fn note(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

#[test]
fn a_search_for_iam_alone_says_that_it_reads_one_region() {
    let notes = Notes::default();
    let run = Run { now: NOW.parse().unwrap(), observer: &notes };
    let selection = Selection { from: Some("2026-10-01T00:00:00Z".parse().unwrap()), ..Selection::default() };
    let filters = vec![(By::EventSource, vec!["iam".to_owned()])];
    let request = SearchRequest { filters, selection, ..SearchRequest::default() };
    assert!(search(&request, &fixtures(), run).unwrap().selection.iam_only);
    assert!(matches!(notes.0.lock().unwrap().as_slice(), [note] if note.contains("us-east-1")));
    for other in
        [SearchRequest { all_regions: true, ..request.clone() }, SearchRequest { filters: Vec::new(), ..request }]
    {
        assert!(!search(&other, &fixtures(), run).unwrap().selection.iam_only);
    }
    assert_eq!(notes.0.lock().unwrap().len(), 1);
}

/// A scan of everything into a store.
fn all_into(dir: &Path) -> ScanRequest {
    ScanRequest {
        store: dir.into(),
        selection: Selection::default(),
        commit_every: LIMITS.objects,
        verify: false,
        public_keys: Vec::new(),
        proven: None,
    }
}

#[test]
fn a_store_is_what_the_commands_print() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("store");
    let place = dir.to_str().unwrap();
    let request = all_into(&dir);
    let scanned = || {
        let outcome = scan(&request, &fixtures(), run()).unwrap();
        wait_for_lock(&dir);
        outcome
    };
    let first = scanned();
    assert!(first.complete && !first.is_empty() && first.ingested.events > 0);
    let again = scanned();
    assert!(again.complete && again.scanned.coverage.objects_read == 0 && again.ingested.events == 0);
    let ran = printed(&["scan", "fixtures/archive", "--store", place, "--format", "json"]);
    assert_eq!(serde_json::to_value(again.document(&request.store)).unwrap(), value(&ran));
    // The command line is a third run.
    let covered = store::coverage(&dir).unwrap();
    let ran = printed(&["store", "--store", place, "--format", "json"]);
    assert_eq!(serde_json::to_value(&covered).unwrap(), value(&ran));
    assert_eq!((covered.runs, covered.objects_failed, ran.status), (3, 0, 0));
    let checked = store::check(&dir).unwrap();
    assert!(checked.sound && checked.flaws.is_empty());
    assert_eq!(
        serde_json::to_value(&checked).unwrap(),
        value(&printed(&["store", "check", "--store", place, "--format", "json"]))
    );

    let nowhere = home.path().join("nowhere");
    assert!(matches!(store::coverage(&nowhere), Err(Error::Input(_))));
    assert!(matches!(store::check(&nowhere), Err(Error::Input(_))));
    let retry = store::retry(&nowhere, Selection::default(), Archive::default(), run());
    assert!(matches!(retry, Err(Error::Input(_))) && !nowhere.exists());
}

#[test]
fn what_failed_is_read_once_more() {
    let home = tempfile::tempdir().unwrap();
    let (dir, logs) = (home.path().join("store"), home.path().join("logs"));
    std::fs::create_dir(&logs).unwrap();
    let log = logs.join("a.json");
    std::fs::write(&log, b"not JSON").unwrap();
    let request = all_into(&dir);
    assert!(!scan(&request, &archive(&logs), run()).unwrap().complete);
    let retry = || {
        wait_for_lock(&dir);
        store::retry(&dir, Selection::default(), Archive::default(), run()).unwrap()
    };
    let outcome = retry();
    assert_eq!((outcome.failed_before, outcome.still_failed), (1, 1));
    std::fs::write(&log, json!({ "Records": [] }).to_string()).unwrap();
    let outcome = retry();
    assert_eq!((outcome.failed_before, outcome.still_failed, outcome.events), (1, 0, 0));
    assert_eq!(store::coverage(&dir).unwrap().objects_failed, 0);
}

#[test]
fn a_verification_needs_digests() {
    let stdin = Archive { sources: vec![Source::Stdin], ..Archive::default() };
    let error = verify::verify(&stdin, &Selection::default(), &[], run()).unwrap_err();
    assert!(matches!(error, Error::Input(message) if message.contains("standard input holds no digests")));
    let empty = tempfile::tempdir().unwrap();
    let verified = verify::verify(&archive(empty.path()), &Selection::default(), &[], run()).unwrap();
    assert!(!verified.outcome.whole && verified.outcome.digests == 0);
}

#[test]
fn a_policy_has_what_is_called_and_no_more() {
    let source = |text: &str| Source::parse(text.as_ref()).unwrap();
    let calls = || AwsCalls { sources: vec![source("s3://trail-bucket/logs/")], ..AwsCalls::default() };
    let actions = |calls: &AwsCalls, subject| -> Vec<Value> {
        let policy = policy(calls, subject).unwrap();
        policy["Statement"].as_array().unwrap().iter().map(|statement| statement["Action"].clone()).collect()
    };
    let named = |names: &[&str]| -> Vec<Value> { names.iter().map(|name| json!(name)).collect() };
    let caller = PolicySubject::Caller;
    assert_eq!(actions(&calls(), caller), named(&["s3:ListBucket", "s3:GetObject"]));
    let keys = AwsCalls { public_keys: true, ..calls() };
    assert_eq!(actions(&keys, caller), named(&["s3:ListBucket", "s3:GetObject", "cloudtrail:ListPublicKeys"]));
    let reader = "arn:aws-cn:iam::111122223333:role/Reader";
    let partition = partition_of(["s3://trail-bucket/logs/", reader]).unwrap().to_owned();
    assert_eq!(partition_of(["s3://arn:aws-us-gov:s3:::trail-bucket", reader]), Some("aws-us-gov"));
    assert_eq!(partition_of(["s3://trail-bucket", "-"]), None);
    let role = AwsCalls { archive_role: Some(reader.to_owned()), partition, ..keys };
    assert_eq!(actions(&role, caller), named(&["sts:AssumeRole"]));
    assert_eq!(actions(&role, PolicySubject::ArchiveRole).len(), 3);
    assert!(policy(&role, PolicySubject::ArchiveRole).unwrap().to_string().contains("arn:aws-cn:s3:::trail-bucket"));
    let local = AwsCalls { sources: vec![source("fixtures/archive"), Source::Stdin], ..AwsCalls::default() };
    for (calls, subject) in [(local, caller), (calls(), PolicySubject::ArchiveRole), (calls(), PolicySubject::IamRole)]
    {
        assert!(matches!(policy(&calls, subject), Err(Error::Input(_))), "{subject:?}");
    }
}
