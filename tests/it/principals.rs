//! What a look at the principals of new events says is what a report over the whole store says of them; and whatever a new event
//! changes is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use mfatrail::app::principals::{EventKey, Examined, Question, examine, tags};
use mfatrail::contract::{Period, Window};
use mfatrail::exposure::{Input, analyse};
use mfatrail::incident::derive::{Facts, derive};
use mfatrail::incident::diff::{Scope, Step, diff};
use mfatrail::incident::ledger::Ledger;
use mfatrail::incident::ledger::view::Filter;
use mfatrail::incident::rules::Rules;
use mfatrail::incident::{Incident, State, Transition};
use mfatrail::inputs::{Approval, Detection, Settings, approvals, detections};
use mfatrail::inventory::{self, IamState};
use mfatrail::mfa::Event;
use mfatrail::store::{Spans, Store};
use mfatrail::trace::Context;
use serde_json::Value;

use crate::incident::Memory;
use crate::support::run::{Ran, json, mfatrail, root};
use crate::support::store::{copy, files};

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

const IAM_AT: &str = "2026-11-02T00:00:00Z";

struct Fixture {
    _home: tempfile::TempDir,
    store: Store,
    iam: IamState,
    approvals: Vec<Approval>,
    detections: Vec<Detection>,
    settings: Settings,
    /// The report's windows that an event opened, by account and event.
    report: BTreeMap<EventKey, Value>,
}

fn run(arguments: &[&str], store: &Path) {
    let mut command = mfatrail();
    command.args(arguments).arg("--store").arg(store);
    let ran = Ran::from(command.output().unwrap());
    assert!(ran.status == 0 || ran.status == 3, "{}", ran.stderr);
}

impl Fixture {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (store, out) = (home.path().join("store"), home.path().join("out"));
        run(&["scan", "fixtures/archive", "--commit-every", "40"], &store);
        let place = out.to_str().unwrap();
        let period = ["--from", "2026-10-01", "--to", "2026-11-01"];
        let iam = ["--iam", "fixtures/iam", "--iam-as-of", IAM_AT, "--out", place];
        let beside = ["--approvals", "fixtures/approvals.csv", "--detections", "fixtures/detections.csv"];
        run(&[&["report"][..], &period, &iam, &beside].concat(), &store);
        let windows = json(&out)["windows"].as_array().unwrap().clone();
        let key = |window: &Value| {
            Some((window["account"].as_str()?.to_owned(), window["opened_by_event"].as_str()?.to_owned()))
        };
        Self {
            report: windows.iter().filter_map(|window| Some((key(window)?, window.clone()))).collect(),
            store: Store::open(&store).unwrap(),
            iam: inventory::files::read(&root().join("fixtures/iam"), Some(time(IAM_AT))).unwrap(),
            approvals: approvals::read(&root().join("fixtures/approvals.csv")).unwrap().rows,
            detections: detections::read(&root().join("fixtures/detections.csv")).unwrap().rows,
            settings: Settings::default(),
            _home: home,
        }
    }

    fn look(&self, spans: &mut Spans, touched: Option<&BTreeSet<EventKey>>) -> Examined {
        let question = Question {
            touched,
            period: Some(Period { from: time("2026-10-01T00:00:00Z"), to: time("2026-11-01T00:00:00Z") }),
            as_of: Some(time(IAM_AT)),
            now: time(IAM_AT),
            iam: Some(&self.iam),
            approvals: &self.approvals,
            detections: &self.detections,
            settings: &self.settings,
        };
        examine(&self.store, spans, &question).unwrap()
    }
}

impl Fixture {
    /// The same inputs, for another store.
    fn again(&self) -> Self {
        Self {
            _home: tempfile::tempdir().unwrap(),
            store: Store::open(self._home.path().join("store")).unwrap(),
            iam: self.iam.clone(),
            approvals: self.approvals.clone(),
            detections: self.detections.clone(),
            settings: self.settings.clone(),
            report: BTreeMap::new(),
        }
    }
}

fn key(event: &Event) -> EventKey {
    (event.account.to_string(), event.id.clone())
}

/// As the report has them, but for what an integrity check alone tells.
fn windows(examined: &Examined) -> BTreeMap<EventKey, Value> {
    let key = |window: &Window| (window.account.clone(), window.opened_by_event.clone().unwrap());
    examined.windows.iter().map(|window| (key(window), serde_json::to_value(window).unwrap())).collect()
}

#[test]
fn a_look_at_all_is_the_report() {
    let fixture = Fixture::new();
    let all = fixture.look(&mut Spans::default(), None);
    assert!(fixture.report.len() > 10);
    assert_eq!(windows(&all), fixture.report);
}

#[test]
fn a_look_at_one_event_says_what_the_report_says_and_misses_nothing_that_it_changes() {
    let fixture = Fixture::new();
    let mut spans = Spans::default();
    let all = fixture.look(&mut spans, None);
    let essence = |events: &[Event]| -> BTreeMap<EventKey, String> {
        let (context, covered) = (Context::default(), BTreeMap::new());
        let input = Input {
            events,
            context: &context,
            iam: Some(&fixture.iam),
            covered: &covered,
            approvals: &fixture.approvals,
            detections: &[],
            settings: &fixture.settings,
            period: Period { from: time("2026-10-01T00:00:00Z"), to: time("2026-11-01T00:00:00Z") },
            as_of: time(IAM_AT),
        };
        let opened = analyse(&input).unwrap().windows.into_iter().filter(|window| window.opened_by_event.is_some());
        let said = |w: &Window| format!("{:?} {:?} {:?} {:?}", w.closed_at, w.closed_by_event, w.close_reason, w.class);
        opened.map(|w| ((w.account.clone(), w.opened_by_event.clone().unwrap()), said(&w))).collect()
    };
    let whole = essence(&all.events);
    let (mut seen, mut looks) = (BTreeSet::new(), 0);
    // Whatever opens or ends something, and of the rest a few.
    let changes = |event: &Event| event.name.contains("ateMFADevice") || event.failure.is_some();
    let some = all.events.iter().enumerate().filter(|(number, event)| changes(event) || number % 10 == 0);
    for (_, event) in some {
        let touched = BTreeSet::from([key(event)]);
        let examined = fixture.look(&mut spans, Some(&touched));
        for (opening, window) in windows(&examined) {
            assert_eq!(Some(&window), fixture.report.get(&opening), "{opening:?} of {}", event.id);
            seen.insert(opening);
        }
        // What is different because of this event.
        let without: Vec<Event> = all.events.iter().filter(|other| key(other) != key(event)).cloned().collect();
        let before = essence(&without);
        let keys: BTreeSet<&EventKey> = whole.keys().chain(before.keys()).collect();
        for changed in keys.into_iter().filter(|key| whole.get(*key) != before.get(*key)) {
            assert!(examined.scope.contains(changed), "{} changes {changed:?}, and it is not looked at", event.id);
            let there = windows(&examined).contains_key(changed);
            assert_eq!(there, fixture.report.contains_key(changed), "{changed:?}");
        }
        looks += 1;
    }
    assert!(looks > 30, "{looks}");
    assert_eq!(seen, fixture.report.keys().cloned().collect());
}

/// The archive comes piece by piece, in an order of chance: in the end the ledger has the incidents of the whole, each opened and
/// resolved as often as it was.
#[test]
fn an_archive_that_arrives_piece_by_piece_ends_as_the_whole() {
    let fixture = Fixture::new();
    let whole = incidents(&fixture.look(&mut Spans::default(), None), &fixture);
    for seed in [3_u64, 8] {
        let home = tempfile::tempdir().unwrap();
        let (archive, store) = (home.path().join("archive"), home.path().join("store"));
        let from = root().join("fixtures/archive");
        let mut objects: Vec<String> = files(&from)
            .into_iter()
            .map(|path| path.strip_prefix(&from).unwrap().to_str().unwrap().to_owned())
            .collect();
        let hash = |name: &str| name.bytes().fold(seed, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        objects.sort_by_key(|name| hash(name));
        let (mut spans, mut after) = (Spans::default(), 0);
        let mut told: BTreeMap<String, Vec<Transition>> = BTreeMap::new();
        for batch in objects.chunks(objects.len().div_ceil(9)) {
            copy(&from, &archive, &|path| batch.iter().any(|one| path.ends_with(one.as_str())));
            run(&["scan", archive.to_str().unwrap()], &store);
            let fixture = Fixture { store: Store::open(&store).unwrap(), ..fixture.again() };
            let mut ledger = Ledger::open(&store).unwrap();
            let arrivals = fixture.store.arrivals(after).unwrap();
            after = arrivals.commit;
            let change = ledger.change(time(IAM_AT)).unwrap();
            let mut touched = arrivals.events;
            touched.extend(change.touched_by(&arrivals.people).unwrap());
            let examined = fixture.look(&mut spans, Some(&touched));
            let scope = Scope::Events(examined.scope.clone());
            let known = change.entries(&scope).unwrap();
            let changes = diff(&known, &incidents(&examined, &fixture), &scope, None, time(IAM_AT));
            changes.entries.iter().for_each(|entry| change.store(entry).unwrap());
            for step in &changes.steps {
                told.entry(step.entry.key.clone()).or_default().push(step.transition);
                change.tell(step, "{}", &[]).unwrap();
            }
            change.commit().unwrap();
        }
        let ledger = Ledger::read(&store).unwrap().unwrap();
        let mut entries = Vec::new();
        let all = Filter { states: vec![State::Open, State::Acknowledged, State::Resolved], ..Filter::default() };
        ledger
            .incidents(&all, &mut |listed| {
                entries.push(listed.entry);
                Ok(())
            })
            .unwrap();
        let essence = |one: &Incident| (one.key(), one.resolution.clone(), one.class, one.severity, one.window.clone());
        let mut got: Vec<_> = entries.iter().map(|entry| essence(&entry.incident)).collect();
        got.sort_by(|a, b| a.0.cmp(&b.0));
        for (got, want) in got.iter().zip(whole.iter().map(essence)) {
            assert_eq!(*got, want, "seed {seed}");
        }
        assert_eq!(got.len(), whole.len());
        for (key, steps) in &told {
            let ends = steps.iter().filter(|step| step.is_end()).count();
            let openings = steps.iter().filter(|step| **step == Transition::Opened).count();
            assert!(steps[0] == Transition::Opened && ends <= openings, "{key}: {steps:?}");
        }
    }
}

/// Whoever overwrites an object takes no incident back.
#[test]
fn what_followed_from_an_object_that_was_overwritten_is_not_withdrawn() {
    let home = tempfile::tempdir().unwrap();
    let (archive, store) = (home.path().join("archive"), home.path().join("store"));
    copy(&root().join("fixtures/archive"), &archive, &|_| true);
    let scan = || run(&["scan", archive.to_str().unwrap()], &store);
    scan();
    let fixture = Fixture::new();
    let mut spans = Spans::default();
    let mut memory = Memory::default();
    let mut look = |after: u64| {
        let fixture = Fixture { store: Store::open(&store).unwrap(), ..fixture.again() };
        let arrivals = fixture.store.arrivals(after).unwrap();
        let examined = fixture.look(&mut spans, Some(&arrivals.events));
        let scope = Scope::Events(examined.scope.clone());
        let changes = memory.take(&incidents(&examined, &fixture), &scope, None, time(IAM_AT));
        (arrivals, examined, changes)
    };
    let (arrivals, examined, changes) = look(0);
    assert!(changes.steps.len() > 10);
    // Of one whose object holds nothing else that opened anything.
    let object = |id: &String| {
        let event = examined.events.iter().find(|event| event.id == *id).unwrap();
        event.objects.first().unwrap().to_string()
    };
    let openings: Vec<String> =
        examined.windows.iter().map(|window| object(window.opened_by_event.as_ref().unwrap())).collect();
    let alone = openings.iter().position(|one| openings.iter().filter(|other| *other == one).count() == 1).unwrap();
    let opening = examined.windows[alone].opened_by_event.clone().unwrap();
    let place =
        files(&archive).into_iter().find(|path| path.to_str().unwrap().ends_with(openings[alone].as_str())).unwrap();
    fs::write(&place, r#"{"Records":[]}"#).unwrap();
    scan();
    let (arrivals, examined, changes) = look(arrivals.commit);
    assert!(arrivals.events.iter().any(|(_, id)| *id == opening), "{opening}");
    let withdrawn = |step: &&Step| step.transition == Transition::Withdrawn;
    let keys: Vec<&str> = changes.steps.iter().filter(withdrawn).map(|step| step.entry.key.as_str()).collect();
    assert_eq!(keys, [""; 0]);
    let window = examined.windows.iter().find(|window| window.opened_by_event.as_ref() == Some(&opening));
    assert!(window.is_some(), "{opening}");
    assert!(examined.conflicts.iter().any(|conflict| conflict.event_id == opening), "{:?}", examined.conflicts);
}

fn incidents(examined: &Examined, fixture: &Fixture) -> Vec<Incident> {
    derive(Facts {
        windows: &examined.windows,
        lifecycle: &examined.lifecycle,
        events: &examined.events,
        tags: &tags(&fixture.iam),
        rules: &Rules { attempts: 2, ..Rules::default() },
        replacement_grace: TimeDelta::seconds(fixture.settings.replacement_grace_s),
        as_of: time(IAM_AT),
    })
}
