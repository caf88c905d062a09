//! What each stage of a scan costs by itself: `cargo bench --bench stages`, and with `-- --test` each runs once.
//!
//! Every measured run is checked against what the generator put in: a stage that became fast by losing records fails.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench fails by a panic")]

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock},
};

use chrono::{DateTime, Utc};
use divan::{
    Bencher, black_box,
    counter::{BytesCount, ItemsCount},
};
use mfatrail::{
    cloudtrail::{Brief, Envelope, Record, RecordError, Scratch, Take, for_each_record, skim},
    contract::Period,
    digest::{Hashed, Lanes},
    evidence::{Evidence, Range},
    exposure::{Input, analyse, wanted},
    hash::{Hash, sha256},
    inflate::{DEFAULT_LIMIT, Inflater},
    inputs::Settings,
    mfa::{Event, extract},
    pipeline::{Options, scan},
    source::{Selection, Source},
    trace::{Context, Holder, Part, Trace},
};
use simd_json::Tape;

mod corpus;
use corpus::{Corpus, PLANTED, Shape, gzip};

fn main() {
    divan::main();
}

/// Objects in memory.
struct Objects {
    stored: Vec<Vec<u8>>,
    json: Vec<String>,
    tapes: Vec<Tape<'static>>,
    hashes: Vec<Hash>,
    records: usize,
    bytes: usize,
}

impl Objects {
    fn new(shape: Shape, records: usize) -> Self {
        let corpus = Corpus::new(shape, records, PLANTED, 1).expect("room for the planted events");
        let json: Vec<String> = (0..corpus.len()).map(|index| corpus.json(index)).collect();
        let stored = json.iter().map(|json| gzip(json).expect("memory takes what is written")).collect();
        // A tape borrows from its text, and both live as long as the benches.
        let tape = |json: &String| simd_json::to_tape(json.clone().into_bytes().leak()).expect("valid JSON");
        Self {
            stored,
            tapes: json.iter().map(tape).collect(),
            hashes: json.iter().map(|json| sha256(json.as_bytes())).collect(),
            records,
            bytes: json.iter().map(String::len).sum(),
            json,
        }
    }

    fn each_record(&self, mut visit: impl FnMut(&Record<'_, '_>)) {
        for tape in &self.tapes {
            let root = tape.as_value();
            let records = root.get("Records").and_then(|records| records.as_array()).expect("a list of records");
            for record in records.iter() {
                visit(&Record::new(record).expect("a usable record"));
            }
        }
    }
}

static MEDIUM: LazyLock<Objects> = LazyLock::new(|| Objects::new(Shape::Medium, 6_000));
static TINY: LazyLock<Objects> = LazyLock::new(|| Objects::new(Shape::Tiny, 3_000));
static LARGE: LazyLock<Objects> = LazyLock::new(|| Objects::new(Shape::Large, 7_000));

const SHAPES: [Shape; 3] = [Shape::Medium, Shape::Tiny, Shape::Large];

fn objects(shape: Shape) -> &'static Objects {
    match shape {
        Shape::Medium => &MEDIUM,
        Shape::Tiny => &TINY,
        Shape::Large => &LARGE,
    }
}

#[divan::bench(args = SHAPES)]
fn inflate(bencher: Bencher<'_, '_>, shape: Shape) {
    let objects = objects(shape);
    let mut inflater = Inflater::default();
    bencher.counter(BytesCount::new(objects.bytes)).bench_local(|| {
        let inflated = |stored: &Vec<u8>| inflater.inflate(stored, DEFAULT_LIMIT).expect("sound gzip").len();
        assert_eq!(objects.stored.iter().map(inflated).sum::<usize>(), objects.bytes);
    });
}

/// SHA-256 of the inflated bytes, one object after the other.
#[divan::bench(args = SHAPES)]
fn hash(bencher: Bencher<'_, '_>, shape: Shape) {
    let objects = objects(shape);
    bencher.counter(BytesCount::new(objects.bytes)).bench_local(|| {
        let hashes = objects.json.iter().map(|json| sha256(json.as_bytes()));
        assert!(hashes.eq(objects.hashes.iter().copied()));
    });
}

/// The same side by side, as a verification hashes logs.
#[divan::bench(args = SHAPES)]
fn hash_in_lanes(bencher: Bencher<'_, '_>, shape: Shape) {
    let objects = objects(shape);
    let buffers = || objects.json.iter().map(|json| json.clone().into_bytes()).collect::<Vec<_>>();
    bencher.counter(BytesCount::new(objects.bytes)).with_inputs(buffers).bench_local_values(|buffers| {
        let (mut lanes, mut hashed) = (Lanes::default(), 0);
        for (index, buffer) in buffers.into_iter().enumerate() {
            let length = buffer.len();
            lanes.add(index, buffer, length);
        }
        lanes.finish();
        while let Some(Hashed { mark, hash, .. }) = lanes.pop() {
            assert_eq!(hash, objects.hashes[mark]);
            hashed += 1;
        }
        assert_eq!(hashed, objects.json.len());
    });
}

/// From bytes to records, all of them parsed.
#[divan::bench(args = SHAPES)]
fn parse(bencher: Bencher<'_, '_>, shape: Shape) {
    let objects = objects(shape);
    let mut scratch = Scratch::default();
    bencher.counter(BytesCount::new(objects.bytes)).bench_local(|| {
        let mut records = 0;
        for json in &objects.json {
            let contents = for_each_record(json.as_bytes(), &mut scratch, &mut |_index, record| {
                black_box(record.is_ok());
            });
            records += contents.expect("sound JSON").records;
        }
        assert_eq!(records, objects.records);
    });
}

/// Who wants no record whole.
struct Envelopes(usize);

impl Take for Envelopes {
    fn brief(&self, _envelope: &Envelope<'_>) -> Option<Brief> {
        Some(Brief::Count)
    }

    fn envelope(&mut self, envelope: &Envelope<'_>, _brief: Brief) {
        self.0 += usize::from(black_box(envelope.seconds()) > 0);
    }

    fn record(&mut self, index: usize, _record: Result<Record<'_, '_>, RecordError>) {
        panic!("record {index} is written in an unusual way");
    }
}

/// From bytes to envelopes, without a parse.
#[divan::bench(args = SHAPES)]
fn walk(bencher: Bencher<'_, '_>, shape: Shape) {
    let objects = objects(shape);
    let mut scratch = Scratch::default();
    bencher.counter(BytesCount::new(objects.bytes)).counter(ItemsCount::new(objects.records)).bench_local(|| {
        let mut envelopes = Envelopes(0);
        for json in &objects.json {
            let contents = skim(json.as_bytes(), &mut scratch, &mut envelopes).expect("sound JSON");
            assert_eq!(contents.unusable, 0);
        }
        assert_eq!(envelopes.0, objects.records);
    });
}

/// From parsed records to events.
#[divan::bench(name = "extract", args = SHAPES)]
fn extract_events(bencher: Bencher<'_, '_>, shape: Shape) {
    let objects = objects(shape);
    bencher.counter(BytesCount::new(objects.bytes)).counter(ItemsCount::new(objects.records)).bench_local(|| {
        let mut lifecycle = 0;
        objects.each_record(|record| {
            lifecycle += usize::from(extract(record).is_some_and(|event| event.action.is_lifecycle()));
        });
        assert_eq!(lifecycle, PLANTED);
    });
}

/// The object that all records are said to be of.
const HOLDER: Holder<'static> = Holder { object: "object", is_verified: false };

/// From parsed records to the trace of who called what from where.
#[divan::bench(args = SHAPES)]
fn trace(bencher: Bencher<'_, '_>, shape: Shape) {
    let objects = objects(shape);
    bencher.counter(BytesCount::new(objects.bytes)).counter(ItemsCount::new(objects.records)).bench_local(|| {
        let mut part = Part::default();
        objects.each_record(|record| part.note(HOLDER, record).expect("a place for temporary files"));
        part
    });
}

/// An archive on disk, and a number of threads.
#[derive(Clone, Copy)]
struct Run(Shape, usize);

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(shape, 0) => write!(f, "{shape:?}, all threads"),
            Self(shape, threads) => write!(f, "{shape:?}, {threads} thread"),
        }
    }
}

/// From files to evidence: listing, reading and every stage above.
#[divan::bench(name = "scan", args = [Run(Shape::Medium, 1), Run(Shape::Medium, 0), Run(Shape::Tiny, 1), Run(Shape::Tiny, 0)])]
fn scan_archive(bencher: Bencher<'_, '_>, Run(shape, threads): Run) {
    let folder = tempfile::tempdir().expect("a place for temporary files");
    let corpus = Corpus::new(shape, 6_000, PLANTED, 1).expect("room for the planted events");
    let written = corpus.write(folder.path()).expect("a place for temporary files");
    let sources = [Source::Local(folder.path().join("archive"))];
    bencher.counter(BytesCount::new(written.bytes_raw)).bench_local(|| {
        let options = Options { threads, ..Options::default() };
        let make = || Evidence::new(Arc::new(Range::default()));
        let (mut evidence, scanned) =
            scan(&sources, &Selection::default(), &options, &make).expect("a readable folder");
        assert_eq!(scanned.coverage.records, written.records);
        let events = evidence.events.take().expect("a readable temporary file");
        let lifecycle: Vec<&Event> = events.iter().filter(|event| event.action.is_lifecycle()).collect();
        assert_eq!(lifecycle.len(), PLANTED);
        assert!(lifecycle.iter().all(|event| written.planted.contains(&event.id)));
    });
}

/// A month of 400 users who enroll, remove and delete a device, and what else they and others did.
struct History {
    events: Vec<Event>,
    context: Context,
    covered: BTreeMap<String, [DateTime<Utc>; 2]>,
    settings: Settings,
    period: Period,
}

impl History {
    const STORIES: usize = 400;

    fn input(&self) -> Input<'_> {
        Input {
            events: &self.events,
            context: &self.context,
            iam: None,
            covered: &self.covered,
            approvals: &[],
            detections: &[],
            settings: &self.settings,
            period: self.period,
            as_of: self.period.to,
        }
    }
}

static HISTORY: LazyLock<History> = LazyLock::new(|| {
    let corpus = Corpus::new(Shape::Tiny, 30_000, History::STORIES * 5, 1).expect("room for the planted events");
    let (mut scratch, mut part, mut events) = (Scratch::default(), Part::default(), Vec::new());
    for index in 0..corpus.len() {
        for_each_record(corpus.json(index).as_bytes(), &mut scratch, &mut |_index, record| {
            let record = record.expect("a usable record");
            events.extend(extract(&record));
            part.note(HOLDER, &record).expect("a place for temporary files");
        })
        .expect("sound JSON");
    }
    let mut trace = Trace::default();
    trace.add(part);
    let moment = |text: &str| text.parse().expect("a time");
    let period = Period { from: moment("2026-10-01T00:00:00Z"), to: moment("2026-11-01T00:00:00Z") };
    let (context, covered, settings) = (Context::default(), BTreeMap::new(), Settings::default());
    let mut history = History { events, context, covered, settings, period };
    let mut wanted = wanted(&history.input()).unwrap();
    history.context = trace.collect(&mut wanted).expect("readable temporary files");
    history
});

/// From evidence to windows, classes and figures.
#[divan::bench]
fn exposure(bencher: Bencher<'_, '_>) {
    let history = &*HISTORY;
    bencher.counter(ItemsCount::new(history.events.len())).bench_local(|| {
        let analysis = analyse(&history.input()).unwrap();
        assert_eq!(analysis.windows.len(), History::STORIES);
        analysis
    });
}
