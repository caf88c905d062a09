//! The stages put together: listers and workers around one queue, or a listing alone.

use std::{
    ops::ControlFlow,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use chrono::NaiveDate;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Options, Plan, Visitor,
    decode::Worker,
    fetch::{ended, fetch_all, trial, unless_stopped},
    list::{by_kind, current_thread, list, read_all, skipped},
    queue::QUEUE,
    stats::{Listing, Scanned, Tally},
};
use crate::{
    contract::ReadFailure,
    source::{Folders, Listed, Location, ObjectRef, Selection, Source, SourceError, key_below, local, s3::Connection},
    units::readable_size,
};

/// Reads everything that `selection` wants of `sources`, and visits every record.
///
/// # Errors
/// When a source cannot be listed; then there is no result. What goes wrong with single objects is in
/// [`Scanned::coverage`].
pub fn scan<V: Visitor>(
    sources: &[Source],
    selection: &Selection,
    options: &Options<'_>,
    make_visitor: &(dyn Fn() -> V + Sync),
) -> Result<(V, Scanned), SourceError> {
    let (disk, buckets) = by_kind(sources)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .thread_name(|index| format!("decode-{index}"))
        .build()
        .map_err(|error| SourceError::Threads(error.to_string()))?;
    let io = if buckets.is_empty() { None } else { Some(current_thread()?) };
    for source in sources {
        let day = |day: Option<NaiveDate>| day.map_or_else(|| "-".to_owned(), |day| day.to_string());
        let [from, to] = [selection.first_day(), selection.last_day()].map(day);
        tracing::info!(source = source.shown(), from, to, "reading");
    }
    let began = Instant::now();
    let (sender, receiver) = mpsc::channel(QUEUE);
    let listing = &AtomicUsize::new(1 + usize::from(io.is_some()));
    let listed = || {
        if listing.fetch_sub(1, Ordering::Relaxed) == 1 {
            options.progress.listing_done.store(true, Ordering::Relaxed);
        }
    };
    let listed = &listed;
    let stop = AtomicBool::new(false);
    let stop = &stop;
    thread::scope(|scope| {
        let mut listers = Vec::new();
        if let Some(io) = io {
            let sender = sender.clone();
            listers.push(scope.spawn(move || {
                let work = fetch_all(&buckets, selection, options, &sender, listed);
                let listing =
                    io.block_on(unless_stopped(work, &options.stop)).unwrap_or_else(|| Ok(Listing::default()));
                stop.fetch_or(listing.is_err(), Ordering::Relaxed);
                listing
            }));
        }
        listers.push(scope.spawn(move || {
            let listing = read_all(&disk, selection, options, &sender);
            listed();
            Ok(listing)
        }));

        // Owned by this closure: should a visitor panic, the queue closes, and the listers end.
        let queue = Mutex::new(receiver);
        let large = Mutex::new(());
        let workers = pool.broadcast(|_context| {
            let mut worker = Worker::new(make_visitor(), options, &large);
            while !stop.load(Ordering::Relaxed) && !options.stop.asked() && !worker.visitor.gave_up() {
                let work = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                match work {
                    Some(work) => worker.work(work),
                    None => break,
                }
            }
            worker.visitor.ended();
            (worker.visitor, worker.tally)
        });
        drop(queue);

        let mut listing = Listing::default();
        for lister in listers {
            match lister.join() {
                Ok(part) => listing.merge(part?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        let mut merged: Option<(V, Tally)> = None;
        for (visitor, tally) in workers {
            match &mut merged {
                Some((visitors, tallies)) => {
                    visitors.merge(visitor);
                    tallies.merge(tally);
                }
                None => merged = Some((visitor, tally)),
            }
        }
        let (visitor, tally) = merged.unwrap_or_else(|| (make_visitor(), Tally::default()));
        let mut scanned = tally.finish(&listing);
        scanned.stopped = options.stop.asked();
        note(&scanned, &options.progress.folders, began.elapsed());
        if options.only.is_some() {
            scanned.records_visited = None;
        }
        scanned.balance().map_err(SourceError::Unbalanced)?;
        Ok((visitor, scanned))
    })
}

/// What a scan came to, for the log.
fn note(scanned: &Scanned, folders: &Folders, took: Duration) {
    let coverage = &scanned.coverage;
    tracing::info!(
        folders = folders.counts()[0],
        objects = coverage.objects_read,
        failed = coverage.objects_failed,
        skipped = coverage.objects_skipped,
        known = scanned.objects_known,
        records = coverage.records,
        stored = %readable_size(coverage.bytes_compressed),
        inflated = %readable_size(coverage.bytes_raw),
        seconds = took.as_secs_f64(),
        "read"
    );
    for (account, span) in &scanned.accounts {
        tracing::info!(
            account,
            records = span.records,
            first = %span.first.map_or_else(String::new, |time| time.to_rfc3339()),
            last = %span.last.map_or_else(String::new, |time| time.to_rfc3339()),
            regions = span.regions.len(),
            "records of an account"
        );
    }
}

/// Lists what [`scan`] would read, and reads nothing but one object of each bucket.
///
/// # Errors
/// When a source cannot be listed.
pub fn plan(sources: &[Source], selection: &Selection, options: &Options<'_>) -> Result<Plan, SourceError> {
    let (disk, buckets) = by_kind(sources)?;
    let mut plan = Plan::default();
    let mut unreadable = Vec::new();
    let mut take = |step: Listed, root: &str| match step {
        Listed::Object(object) if !options.shard.has(key_below(&object.name, root)) => plan.elsewhere += 1,
        Listed::Object(object) if skipped(&object, selection) => plan.skipped += 1,
        Listed::Object(object) if options.known.is_some_and(|known| known(&object)) => plan.known += 1,
        Listed::Object(object) => {
            plan.objects += 1;
            plan.gets += u64::from(matches!(object.location, Location::S3 { .. }));
            plan.bytes = plan.bytes.saturating_add(object.size);
        }
        Listed::Failed { name, error } => plan.failures.push(ReadFailure { object: name, error }),
    };
    for path in &disk {
        match path {
            Some(path) => {
                let _ = local::list(path, selection, &mut |step| {
                    take(step, "");
                    ControlFlow::Continue(())
                });
            }
            None => take(Listed::Object(local::stdin()), ""),
        }
    }
    if !buckets.is_empty() {
        let io = current_thread()?;
        io.block_on(async {
            let connection = Connection::open(&options.s3).await?;
            for (bucket, wanted) in &buckets {
                let before = options.s3.traffic.requests();
                let root = wanted.root(bucket);
                let (sender, mut listed) = mpsc::channel(QUEUE);
                let (whole, progress) = ((bucket.clone(), wanted.clone()), Arc::clone(&options.progress));
                let mut running = JoinSet::new();
                running.spawn(list(connection.clone(), whole, selection.clone(), progress, sender));
                let mut smallest: Option<ObjectRef> = None;
                while let Some(step) = listed.recv().await {
                    if let Listed::Object(object) = &step
                        && !skipped(object, selection)
                        && options.shard.has(key_below(&object.name, &root))
                        && smallest.as_ref().is_none_or(|smallest| object.size < smallest.size)
                    {
                        smallest = Some(object.clone());
                    }
                    take(step, &root);
                }
                ended(running.join_next().await, bucket)??;
                plan.lists += options.s3.traffic.requests() - before;
                if let Some(object) = smallest {
                    unreadable.extend(trial(&connection, object, options.object_limit).await);
                }
            }
            Ok::<(), SourceError>(())
        })?;
    }
    plan.failures.extend(unreadable);
    plan.failures.sort();
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, io::Write, path::Path};

    use flate2::{Compression, write::GzEncoder};

    use super::*;
    use crate::cloudtrail::{Brief, Contents, Envelope, Names, Query, Record};
    use crate::contract::CoverageDay;
    use crate::pipeline::Outcome;

    #[derive(Default, Debug, PartialEq)]
    struct Seen(Vec<(String, String)>, u64);

    impl Visitor for Seen {
        fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
            self.0.push((object.name.clone(), record.name.to_owned()));
        }

        fn finished(&mut self, _object: &Arc<ObjectRef>, _contents: &Contents) {
            self.1 += 1;
        }

        fn merge(&mut self, other: Self) {
            self.0.extend(other.0);
            self.1 += other.1;
        }
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn record(name: &str, hour: u32) -> String {
        format!(
            r#"{{"eventTime":"2024-02-01T{hour:02}:00:00Z","eventSource":"iam.amazonaws.com","eventName":"{name}","awsRegion":"us-east-1","recipientAccountId":"111122223333"}}"#
        )
    }

    fn records(list: &[String]) -> String {
        format!(r#"{{"Records":[{}]}}"#, list.join(","))
    }

    fn write(root: &Path, name: &str, bytes: &[u8]) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn run(root: &Path, selection: &Selection, options: &Options<'_>) -> (Seen, Scanned) {
        let sources = [Source::Local(root.to_owned())];
        let (mut names, scanned) = scan(&sources, selection, options, &Seen::default).unwrap();
        names.0.sort();
        let coverage = &scanned.coverage;
        assert_eq!(
            coverage.objects_listed,
            coverage.objects_read + coverage.objects_failed + coverage.objects_skipped,
            "{coverage:?}"
        );
        (names, scanned)
    }

    const FOLDER: &str = "AWSLogs/111122223333/CloudTrail/eu-west-1/2024/02";

    fn archive(root: &Path) {
        for day in 1..6 {
            let text = records(&[record("A", day), record("B", day + 1)]);
            let name = format!("{FOLDER}/{day:02}/111122223333_CloudTrail_eu-west-1_202402{day:02}T1000Z_x.json.gz");
            write(root, &name, &gzip(&text));
        }
        let whole = gzip(&records(&[record("A", 1)]));
        write(root, &format!("{FOLDER}/01/truncated.json.gz"), &whole[..whole.len() - 3]);
        write(root, &format!("{FOLDER}/01/appended.json.gz"), &[&whole[..], b"surplus"].concat());
        write(root, &format!("{FOLDER}/01/empty.json.gz"), b"");
        write(root, &format!("{FOLDER}/01/no-json.json.gz"), b"hello");
        let part = records(&[record("C", 3), r#"{"eventName":"X"}"#.to_owned(), record("D", 3)]);
        write(root, &format!("{FOLDER}/01/partly.json"), part.as_bytes());
        write(root, &format!("{FOLDER}/01/useless.json"), br#"{"Records":[{"eventName":"X"}]}"#);
        write(root, "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2024/02/01/d.json.gz", b"unread");
        write(root, "AWSLogs/111122223333/Config/eu-west-1/2024/2/1/c.json.gz", b"unread");
        write(root, ".DS_Store", b"unread");
        write(root, "moved-digest.json", br#"{"digestS3Object":"x","logFiles":[]}"#);
        write(root, "lines.json", format!("{}\n{}\n", record("E", 8), record("F", 9)).as_bytes());
    }

    /// What became of each object, and the days that it counts for.
    #[derive(Default)]
    struct Days(Vec<(String, Vec<CoverageDay>)>);

    impl Visitor for Days {
        const OUTCOMES: bool = true;

        fn record(&mut self, _object: &Arc<ObjectRef>, _record: &Record<'_, '_>) {}

        fn outcome(&mut self, outcome: Outcome<'_>) {
            let object = outcome.object.map_or(String::new(), |object| object.name.clone());
            self.0.push((object, outcome.scanned.coverage.days));
        }

        fn merge(&mut self, other: Self) {
            self.0.extend(other.0);
        }
    }

    #[test]
    fn a_folder_that_comes_again_is_counted_as_one() {
        let home = tempfile::tempdir().unwrap();
        let object = |day: u8, name: &str, count: usize| {
            let path = format!("{FOLDER}/{day:02}/{name}.json.gz");
            write(home.path(), &path, &gzip(&records(&vec![record("A", 1); count])));
            Source::Local(home.path().join(path))
        };
        // One after another: the runs of the first day are broken by the second.
        let sources = [object(1, "a", 1), object(1, "b", 2), object(2, "c", 3), object(1, "d", 4), object(2, "e", 5)];
        let options = Options { threads: 1, ..Options::default() };
        let told = |days: &[CoverageDay]| -> Vec<(String, u64, u64)> {
            days.iter().map(|day| (day.day.clone(), day.objects, day.records)).collect()
        };
        let expected = [("2024-02-01".to_owned(), 3, 7), ("2024-02-02".to_owned(), 2, 8)];
        let (_, plain) = scan(&sources, &Selection::default(), &options, &Seen::default).unwrap();
        assert_eq!(told(&plain.coverage.days), expected);
        let (each, whole) = scan(&sources, &Selection::default(), &options, &Days::default).unwrap();
        assert_eq!(told(&whole.coverage.days), expected);
        let each: Vec<_> = each.0.iter().map(|(_, days)| told(days)).collect();
        let one = |day: u8, records| vec![(format!("2024-02-{day:02}"), 1, records)];
        assert_eq!(each, [one(1, 1), one(1, 2), one(2, 3), one(1, 4), one(2, 5)]);
    }

    #[test]
    fn the_counts_add_up_and_every_failure_is_named() {
        let home = tempfile::tempdir().unwrap();
        archive(home.path());
        let (names, scanned) = run(home.path(), &Selection::default(), &Options::default());
        let coverage = &scanned.coverage;
        assert_eq!(
            (coverage.objects_listed, coverage.objects_read, coverage.objects_failed, coverage.objects_skipped),
            (16, 7, 5, 4)
        );
        assert_eq!((coverage.records, names.0.len(), names.1), (14, 14, 7));
        assert_eq!(scanned.records_unusable, 1);
        let failures: Vec<String> = coverage
            .failures
            .iter()
            .map(|failure| format!("{}: {}", failure.object.rsplit('/').next().unwrap(), failure.error))
            .collect();
        let whole = gzip(&records(&[record("A", 1)])).len();
        assert_eq!(
            failures,
            [
                format!("appended.json.gz: 7 bytes that are not gzip data follow the last member, from byte {whole}"),
                "empty.json.gz: empty: it contains no JSON document".to_owned(),
                "no-json.json.gz: not CloudTrail JSON (byte 1)".to_owned(),
                "partly.json: 1 of 3 records unusable: first is record 2: no `eventTime`".to_owned(),
                format!("truncated.json.gz: truncated gzip data: it ends at byte {}, within a member", whole - 3),
                "useless.json: its only record is not usable: first is record 1: no `eventTime`".to_owned(),
            ]
        );
        assert_eq!(coverage.first_record.unwrap().to_rfc3339(), "2024-02-01T01:00:00+00:00");
        assert_eq!(coverage.last_record.unwrap().to_rfc3339(), "2024-02-01T09:00:00+00:00");
        let day = &coverage.days[0];
        assert_eq!((day.day.as_str(), day.objects, day.records), ("2024-02-01", 2, 4));
        assert_eq!(coverage.days.len(), 5);
        let account = &scanned.accounts["111122223333"];
        assert_eq!(account.records, 14);
        assert_eq!(account.regions.iter().collect::<Vec<_>>(), ["eu-west-1", "us-east-1"]);
    }

    /// Names of things that are no logs, and what is plainly no log.
    const STRAYS: [(&str, &[u8]); 14] = [
        (".DS_Store", b"\0\0\0\x01Bud1\0\0"),
        ("._x.json.gz", b"\0\x05\x16\x07\0\x02"),
        (".gitkeep", b""),
        (".git/HEAD", b"ref: refs/heads/main\n"),
        (".git/objects/ab/cdef", b"x\x01K\xca\xc9OR0"),
        ("README.md", b"# Logs\n\n```\n{\"Records\":[{\"eventName\":\"CreateUser\"}]}\n```\n"),
        ("notes.md", b"[the trail](https://example.com)\n"),
        ("README", b"[]x"),
        ("Thumbs.db", b"\xd0\xcf\x11\xe0"),
        ("desktop.ini", b"\xff\xfe[\0.\0]\0"),
        ("x.json.gz.sha256", b"e3b0c442  x.json.gz\n"),
        ("manifest.json", br#"{"sourceBucket":"b","files":[{"key":"x.parquet"}]}"#),
        ("index.html", b"<html></html>"),
        ("package_$folder$", b""),
    ];

    #[test]
    fn what_is_plainly_no_log_is_skipped_wherever_it_lies() {
        let home = tempfile::tempdir().unwrap();
        let folders = [String::new(), "AWSLogs/111122223333/".to_owned(), format!("{FOLDER}/01/")];
        for folder in &folders {
            for (name, bytes) in STRAYS {
                write(home.path(), &format!("{folder}{name}"), bytes);
            }
        }
        write(home.path(), "log.json", record("A", 1).as_bytes());
        let count = u64::try_from(STRAYS.len() * folders.len()).unwrap();
        let (names, scanned) = run(home.path(), &Selection::default(), &Options::default());
        let coverage = scanned.coverage;
        assert_eq!(coverage.failures, []);
        assert_eq!((names.0.len(), coverage.objects_read, coverage.objects_skipped), (1, 1, count));
        // A query, which parses little, skips the same.
        let only = Some(Arc::new(Query::named(&Names::new(["A"]))));
        let (_, searched) = run(home.path(), &Selection::default(), &Options { only, ..Options::default() });
        assert_eq!((searched.coverage.objects_skipped, searched.coverage.failures), (count, vec![]));
        // A file that is named outright is wanted, whatever it is called.
        let sources = [Source::Local(home.path().join("README.md"))];
        let (_, scanned) = scan(&sources, &Selection::default(), &Options::default(), &Seen::default).unwrap();
        assert_eq!(scanned.coverage.failures[0].error, "not CloudTrail JSON (byte 1)");
    }

    #[test]
    fn no_name_hides_a_log() {
        let home = tempfile::tempdir().unwrap();
        let log = records(&[record("A", 1)]);
        let folders = [String::new(), format!("{FOLDER}/01/")];
        for folder in &folders {
            for (index, (name, _)) in STRAYS.iter().enumerate() {
                let bytes = if index % 2 == 0 { gzip(&log) } else { log.clone().into_bytes() };
                write(home.path(), &format!("{folder}{name}"), &bytes);
            }
        }
        let (names, scanned) = run(home.path(), &Selection::default(), &Options::default());
        let count = STRAYS.len() * folders.len();
        assert_eq!((names.0.len(), scanned.coverage.objects_skipped), (count, 0));
        // Nor does damage of what was one.
        for folder in &folders {
            for (index, (name, _)) in STRAYS.iter().enumerate() {
                let bytes = if index % 2 == 0 { gzip(&log) } else { log.clone().into_bytes() };
                write(home.path(), &format!("{folder}{name}"), &bytes[..bytes.len() - 3]);
            }
        }
        let (_, scanned) = run(home.path(), &Selection::default(), &Options::default());
        assert_eq!((scanned.coverage.objects_failed, scanned.coverage.objects_skipped), (count as u64, 0));
    }

    #[test]
    fn gzip_within_gzip_and_other_encodings_are_read_or_refused_by_name() {
        let home = tempfile::tempdir().unwrap();
        let log = records(&[record("A", 1)]);
        let zip = |bytes: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let twice = zip(&[gzip(&log), gzip(&log)].concat());
        let utf16: Vec<u8> = [0xfeff].into_iter().chain(log.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        for (name, bytes) in [
            ("a-twice", twice.clone()),
            ("b-thrice", zip(&twice)),
            ("c-broken-within", zip(&gzip(&log)[..50])),
            ("d-utf16", utf16.clone()),
            ("e-utf16", gzip(&log).into_iter().collect()),
            ("f-utf16-twice", zip(&zip(&utf16))),
            ("g-marks", format!("\u{feff}{log}\n\u{feff}{log}").into_bytes()),
            ("h-zip", b"PK\x03\x04".to_vec()),
            ("i-parquet", gzip("PAR1")),
            ("j-text", b"  2026-10-01 10:00:00 started".to_vec()),
        ] {
            write(home.path(), name, &bytes);
        }
        let (names, scanned) = run(home.path(), &Selection::default(), &Options::default());
        let read: Vec<&str> = names.0.iter().map(|(object, _)| &object[..1]).collect();
        assert_eq!(read, ["a", "a", "d", "e", "f", "g", "g"]);
        let errors: Vec<&str> = scanned.coverage.failures.iter().map(|failure| failure.error.as_str()).collect();
        assert_eq!(
            errors,
            [
                "gzip data, compressed more than twice, not CloudTrail JSON (hint: extract the logs, or export them as JSON, first)",
                "in the gzip data inside it: truncated gzip data: it ends at byte 50, within a member",
                "a zip archive, not CloudTrail JSON (hint: extract the logs, or export them as JSON, first)",
                "a damaged Parquet file: it is cut off, or is not Parquet",
                "not CloudTrail JSON (byte 3)",
            ]
        );
        let limited = Options { object_limit: 300, ..Options::default() };
        let (_, scanned) = run(home.path(), &Selection::default(), &limited);
        assert!(
            scanned.coverage.failures.iter().any(|failure| failure.object == "f-utf16-twice"
                && failure.error
                    == "in the gzip data inside it: inflates to more than the limit of 300B (hint: `--inflate-limit`)"),
            "{:?}",
            scanned.coverage.failures
        );
    }

    /// The accounts of the records.
    #[derive(Default, Debug)]
    struct Accounts(Vec<(String, String)>);

    impl Visitor for Accounts {
        const ENVELOPES: bool = true;

        fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
            self.0.push((object.name.clone(), record.account().unwrap_or_default().to_owned()));
        }

        fn brief(&self, envelope: &Envelope<'_>) -> Option<Brief> {
            (envelope.name() == b"ByEnvelope").then_some(Brief::Sighting)
        }

        fn envelope(&mut self, object: &Arc<ObjectRef>, envelope: &Envelope<'_>, _brief: Brief) {
            let account = std::str::from_utf8(envelope.account()).unwrap();
            self.0.push((object.name.clone(), account.to_owned()));
        }

        fn merge(&mut self, other: Self) {
            self.0.extend(other.0);
        }
    }

    #[test]
    fn a_record_belongs_to_whom_it_says_then_to_its_folder_then_to_its_caller() {
        let caller = r#""accountId":"444455556666""#;
        for (recipient, identity, in_folder, elsewhere) in [
            (r#","recipientAccountId":"000000000042""#, caller, "000000000042", "000000000042"),
            (r#","recipientAccountId":42"#, caller, "000000000042", "000000000042"),
            (r#","recipientAccountId":4.2e1"#, caller, "000000000042", "000000000042"),
            (r#","recipientAccountId":11122223333"#, "", "011122223333", "011122223333"),
            ("", caller, "111122223333", "444455556666"),
            (r#","recipientAccountId":"""#, caller, "111122223333", "444455556666"),
            (r#","recipientAccountId":null"#, caller, "111122223333", "444455556666"),
            (r#","recipientAccountId":-1"#, caller, "111122223333", "444455556666"),
            (r#","recipientAccountId":1111222233334"#, caller, "111122223333", "444455556666"),
            ("", r#""accountId":44455556666"#, "111122223333", "044455556666"),
            ("", r#""accountId":"ANONYMOUS_PRINCIPAL""#, "111122223333", ""),
            ("", r#""accountId":"44445555666""#, "111122223333", ""),
            ("", "", "111122223333", ""),
        ] {
            let home = tempfile::tempdir().unwrap();
            for name in ["ByEnvelope", "Parsed"] {
                let record = format!(
                    r#"{{"eventVersion":"1.11","userIdentity":{{"type":"AWSAccount"{}{identity}}},"eventTime":"2024-02-01T00:00:00Z","eventSource":"s3.amazonaws.com","eventName":"{name}","eventID":"e"{recipient}}}"#,
                    if identity.is_empty() { "" } else { "," }
                );
                write(
                    home.path(),
                    &format!("{FOLDER}/01/{name}.json"),
                    records(std::slice::from_ref(&record)).as_bytes(),
                );
                write(home.path(), &format!("{name}.json"), records(&[record]).as_bytes());
            }
            let sources = [Source::Local(home.path().to_owned())];
            let options = Options { threads: 1, ..Options::default() };
            let (accounts, scanned) = scan(&sources, &Selection::default(), &options, &Accounts::default).unwrap();
            assert_eq!(accounts.0.len(), 4);
            for (object, account) in accounts.0 {
                let expected = if object.contains('/') { in_folder } else { elsewhere };
                assert_eq!(account, expected, "{object}: {recipient} {identity}");
            }
            let told: BTreeSet<&str> = scanned.accounts.keys().map(String::as_str).collect();
            let expected = [in_folder, elsewhere, "111122223333"].into_iter().filter(|account| !account.is_empty());
            assert_eq!(told, expected.collect(), "{recipient} {identity}");
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let home = tempfile::tempdir().unwrap();
        archive(home.path());
        let with = |threads| run(home.path(), &Selection::default(), &Options { threads, ..Options::default() });
        let one = with(1);
        assert_eq!(one, with(4));
        assert_eq!(one, with(0));
    }

    #[test]
    fn ranges_plans_and_known_objects() {
        let home = tempfile::tempdir().unwrap();
        archive(home.path());
        let selection = Selection {
            from: Some("2024-02-03T00:00:00Z".parse().unwrap()),
            to: Some("2024-02-04T00:00:00Z".parse().unwrap()),
            ..Selection::default()
        };
        let (_, scanned) = run(home.path(), &selection, &Options::default());
        let coverage = &scanned.coverage;
        assert_eq!((coverage.objects_listed, coverage.objects_read, coverage.objects_skipped), (6, 3, 3));
        assert_eq!(scanned.latest_delivery.unwrap().to_rfc3339(), "2024-02-04T10:00:00+00:00");
        let sources = [Source::Local(home.path().to_owned())];
        let planned = plan(&sources, &selection, &Options::default()).unwrap();
        assert_eq!(
            (planned.objects, planned.skipped),
            (5, 1),
            "what is no log for its content is known when it is read"
        );
        assert!(planned.bytes > 0);

        let known = |object: &ObjectRef| object.name.contains("/03/");
        let options = Options { known: Some(&known), ..Options::default() };
        let (_, scanned) = run(home.path(), &selection, &options);
        assert_eq!((scanned.objects_known, scanned.coverage.objects_listed), (1, 5));
        assert_eq!(plan(&sources, &selection, &options).unwrap().known, 1);
        assert_eq!(options.progress.listed.load(Ordering::Relaxed), options.progress.finished.load(Ordering::Relaxed));
    }

    #[test]
    fn damage_anywhere_is_counted_and_changes_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let whole = gzip(&records(&[record("A", 1), record("B", 2)]));
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            write(home.path(), &format!("flipped/{at:04}.json.gz"), &bytes);
            write(home.path(), &format!("cut/{at:04}.json.gz"), &whole[..at]);
        }
        write(home.path(), "whole.json.gz", &whole);
        let (names, scanned) = run(home.path(), &Selection::default(), &Options::default());
        let coverage = &scanned.coverage;
        // A flipped bit in the header's time stamp, flags or system byte leaves the data as they are.
        assert!((1..=8).contains(&coverage.objects_read), "{coverage:?}");
        assert_eq!(coverage.records, 2 * coverage.objects_read);
        assert_eq!(names.0.iter().filter(|(_, name)| name == "A").count(), names.0.len() / 2);
        assert_eq!(u64::try_from(coverage.failures.len()).unwrap(), coverage.objects_failed);
    }

    #[test]
    fn a_visitor_that_panics_ends_the_scan() {
        struct Panics;
        impl Visitor for Panics {
            fn record(&mut self, _object: &Arc<ObjectRef>, _record: &Record<'_, '_>) {
                panic!("on purpose");
            }

            fn merge(&mut self, _other: Self) {}
        }
        let home = tempfile::tempdir().unwrap();
        for number in 0..2 * QUEUE {
            write(home.path(), &format!("{number}.json"), record("A", 1).as_bytes());
        }
        let sources = [Source::Local(home.path().to_owned())];
        let scan = || scan(&sources, &Selection::default(), &Options::default(), &|| Panics).is_ok();
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(scan)).is_err());
    }

    #[test]
    fn the_limit_holds_for_stored_and_inflated_bytes() {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), "bomb.json.gz", &gzip(&" ".repeat(100_000)));
        write(home.path(), "large.json", &[b' '; 3000]);
        let (_, scanned) =
            run(home.path(), &Selection::default(), &Options { object_limit: 2000, ..Options::default() });
        let errors: Vec<&str> = scanned.coverage.failures.iter().map(|failure| failure.error.as_str()).collect();
        assert_eq!(
            errors,
            ["inflates to more than the limit of 2000B (hint: `--inflate-limit`)", "larger than the limit of 2000B"]
        );
    }

    /// Makes an object.
    type Make = fn() -> Vec<u8>;

    /// What one object can be made to take, and what is said of it: how many of its records are visited, and the failure. The
    /// limits are those of tests, which are low.
    const GREEDY: [(&str, Make, usize, &str); 12] = [
        (
            "documents",
            || "{}\n".repeat(1_001).into_bytes(),
            0,
            "more than 1000 JSON documents: they cannot all be records",
        ),
        (
            "unusable documents",
            || "{}\n".repeat(1_000).into_bytes(),
            0,
            "none of its 1000 records is usable: first is record 1:",
        ),
        (
            "unusable records",
            || surrounded("{},", 1_500).into_bytes(),
            1,
            "1000 of 1,001 records unusable: first is record 2:",
        ),
        ("unusable records, cut", || surrounded("{},", 1_500).into_bytes(), 1, "; what follows them was not read"),
        ("very many records", || surrounded("{},", 5_000).into_bytes(), 1, "; what follows them was not read"),
        ("accounts", || records(&accounts(10)).into_bytes(), 10, "2 records left out: it names more than 8 accounts"),
        (
            "accounts as lines",
            || accounts(10).join("\n").into_bytes(),
            10,
            "2 records left out: it names more than 8 accounts",
        ),
        (
            "gzip in gzip",
            || gzip_of(&gzip(&" ".repeat(1_990_000))),
            0,
            "in the gzip data inside it: inflates to more than the limit of 2000000B (hint: `--inflate-limit`)",
        ),
        (
            "white space",
            || gzip(&" ".repeat(2_000_001)),
            0,
            "inflates to more than the limit of 2000000B (hint: `--inflate-limit`)",
        ),
        (
            "one record",
            || records(&[record(&"A".repeat(1 << 20), 1)]).into_bytes(),
            0,
            "larger than 1048576 bytes, which is more than a record can have",
        ),
        ("nesting", || "[".repeat(100_000).into_bytes(), 0, "document 1 is damaged"),
        (
            "a number",
            || format!("{{\"Records\":[{{\"eventVersion\":{}}}]}}", "1".repeat(1_000_000)).into_bytes(),
            0,
            "its only record is not usable",
        ),
    ];

    /// A record, and so many of something else behind it.
    fn surrounded(other: &str, times: usize) -> String {
        format!(r#"{{"Records":[{},{}{{}}]}}"#, record("A", 1), other.repeat(times))
    }

    fn gzip_of(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
        encoder.write_all(&[bytes, &gzip(&" ".repeat(20_000))].concat()).unwrap();
        encoder.finish().unwrap()
    }

    /// A record of each of so many accounts.
    fn accounts(count: usize) -> Vec<String> {
        (0..count).map(|account| record("A", 1).replace("111122223333", &format!("{account:012}"))).collect()
    }

    #[test]
    fn one_object_takes_its_share_and_what_is_cut_has_a_name() {
        let options = Options { object_limit: 2_000_000, ..Options::default() };
        for (what, bytes, visited, error) in GREEDY {
            let home = tempfile::tempdir().unwrap();
            write(home.path(), "greedy", &bytes());
            write(home.path(), "other", record("B", 1).as_bytes());
            let (names, scanned) = run(home.path(), &Selection::default(), &options);
            let errors: Vec<&str> = scanned.coverage.failures.iter().map(|failure| failure.error.as_str()).collect();
            assert!(errors.iter().any(|said| said.contains(error)), "{what}: {errors:?}");
            assert_eq!(names.0.iter().filter(|(object, _)| object == "greedy").count(), visited, "{what}");
            assert_eq!(names.0.iter().filter(|(object, _)| object == "other").count(), 1, "{what}");
            assert!(scanned.accounts.len() <= 9, "{what}");
        }
    }

    #[test]
    fn a_list_of_records_under_a_second_key_hides_none() {
        let [a, b, c] = ["A", "B", "C"].map(|name| record(name, 1));
        let large = format!(r#"{{"pad":"{}","#, " ".repeat(1 << 20));
        for begin in ["{", &large] {
            for text in [
                format!(r#"{begin}"Records":[{a}],"Records":[{b},{c}]}}"#),
                format!(r#"{begin}"Records":[{a},{b}],"Records":null,"Records":[{c}]}}"#),
                format!(r#"{begin}"Records":null,"Records":[{a}],"R\u0065cords":[{b},{c}]}}"#),
                format!(r#"{begin}"Events":[{a}],"Records":[{b},{c}]}}"#),
                format!(r#"{begin}"Records":[],"Records":[{a},{b},{c}],"Records":{{"Records":[]}}}}"#),
            ] {
                let home = tempfile::tempdir().unwrap();
                write(home.path(), "x", text.as_bytes());
                let (names, scanned) = run(home.path(), &Selection::default(), &Options::default());
                let names: Vec<&str> = names.0.iter().map(|(_, name)| name.as_str()).collect();
                let shown = &text[text.len().saturating_sub(400)..];
                assert_eq!((names.as_slice(), scanned.coverage.failures), (&["A", "B", "C"][..], vec![]), "{shown}");
                let only = Some(Arc::new(Query::named(&Names::new(["A", "B", "C"]))));
                let (found, _) = run(home.path(), &Selection::default(), &Options { only, ..Options::default() });
                assert_eq!(found.0.len(), 3, "{shown}");
            }
        }
    }

    #[test]
    fn a_missing_source_stops_before_any_work() {
        let home = tempfile::tempdir().unwrap();
        let sources = [Source::Local(home.path().to_owned()), Source::Local(home.path().join("missing"))];
        let error = scan(&sources, &Selection::default(), &Options::default(), &Seen::default).unwrap_err();
        assert!(matches!(error, SourceError::Path { .. }));
    }
}
