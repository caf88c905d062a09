//! Incidents: whatever arrives, in whatever order and however often, in the end they are the windows of the whole, each opened
//! once and resolved once; and what becomes of them on the way, in stories of a few lines.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, TimeDelta, Utc};
use mfatrail::contract::{Class, Period};
use mfatrail::exposure::{Input, analyse};
use mfatrail::incident::derive::{Facts, Tags, derive, pending};
use mfatrail::incident::diff::{Changes, Entry, Scope, Step, diff};
use mfatrail::incident::rules::Rules;
use mfatrail::incident::{Incident, Kind, Severity, State, Transition, key_of};
use mfatrail::inputs::{Approval, Settings};
use mfatrail::mfa::{Action, Event, Failure, Target, fold};
use mfatrail::trace::Context;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::simulation::{World, any_plan, simulate};
use crate::state::event;

type Time = DateTime<Utc>;

// ---------------------------------------------------------------------------------------------------- a ledger in memory

/// What a ledger does, without a file.
#[derive(Debug, Default, Clone)]
pub struct Memory {
    pub entries: BTreeMap<String, Entry>,
    pub steps: Vec<Step>,
}

impl Memory {
    fn known(&self, scope: &Scope) -> Vec<Entry> {
        let asked = |entry: &&Entry| match scope {
            Scope::All => true,
            Scope::Events(events) => {
                let key = |(account, id): &(String, String)| format!("mfatrail:{account}:{id}");
                let is_key = |one: &(String, String)| entry.key == key(one) || entry.key == key(one) + ":burst";
                scope.covers(&entry.incident) || events.iter().any(is_key)
            }
        };
        self.entries.values().filter(asked).cloned().collect()
    }

    pub fn take(&mut self, derived: &[Incident], scope: &Scope, told_from: Option<Time>, now: Time) -> Changes {
        let changes = diff(&self.known(scope), derived, scope, told_from, now);
        self.entries.extend(changes.entries.iter().map(|entry| (entry.key.clone(), entry.clone())));
        self.steps.extend(changes.steps.iter().cloned());
        changes
    }

    /// The incidents that there are, with the keys that they would have if they were new.
    fn incidents(&self) -> Vec<Incident> {
        let live = || self.entries.values().filter(|entry| entry.state != State::Withdrawn);
        let keys: BTreeMap<&String, String> = live().map(|entry| (&entry.key, entry.incident.key())).collect();
        let plain = |key: &String| keys.get(key).unwrap_or(key).clone();
        let mut incidents: Vec<Incident> = live()
            .map(|entry| Incident {
                members: entry.incident.members.iter().map(plain).collect(),
                part_of: entry.incident.part_of.as_ref().map(plain),
                ..entry.incident.clone()
            })
            .collect();
        incidents.sort_by_key(Incident::key);
        incidents
    }

    /// Numbers without gaps; nothing is resolved before it was opened, nor opened while it is open.
    fn is_sound(&self) -> Result<(), TestCaseError> {
        let mut told: BTreeMap<&String, (u64, bool)> = BTreeMap::new();
        for step in &self.steps {
            let (last, open) = told.entry(&step.entry.key).or_default();
            prop_assert_eq!(step.entry.sequence, *last + 1, "{}", step.entry.key);
            *last += 1;
            match step.transition {
                Transition::Opened => prop_assert!(!std::mem::replace(open, true), "opened twice: {:?}", step),
                Transition::Resolved => prop_assert!(std::mem::replace(open, false), "resolved, not open: {:?}", step),
                Transition::Withdrawn => *open = false,
                Transition::Updated => prop_assert!(*last > 1, "updated before it was opened: {:?}", step),
            }
        }
        for entry in self.entries.values() {
            let (last, open) = told.get(&entry.key).copied().unwrap_or_default();
            prop_assert_eq!(entry.sequence, last, "{}", &entry.key);
            if last > 0 {
                prop_assert_eq!(open, !entry.state.is_ended(), "{}", &entry.key);
            }
        }
        Ok(())
    }
}

fn rules() -> Rules {
    Rules { attempts: 2, burst_principals: 2, enrollment_grace: TimeDelta::hours(1), ..Rules::default() }
}

pub fn incidents_of(input: &Input<'_>, rules: &Rules) -> Vec<Incident> {
    with_facts(input, rules, derive)
}

fn with_facts<T>(input: &Input<'_>, rules: &Rules, work: impl FnOnce(Facts<'_>) -> T) -> T {
    let analysis = analyse(input).unwrap();
    work(Facts {
        windows: &analysis.windows,
        lifecycle: &analysis.events,
        events: input.events,
        tags: &Tags::new(),
        rules,
        replacement_grace: TimeDelta::seconds(input.settings.replacement_grace_s),
        as_of: input.as_of,
    })
}

fn scope(events: &[Event]) -> Scope {
    Scope::Events(events.iter().map(|event| (event.account.to_string(), event.id.clone())).collect())
}

// ---------------------------------------------------------------------------------------------------- the property

/// The history of a world in batches, in an order of chance, some of it twice.
fn batches(world: &World, seed: u64, sizes: &[usize]) -> Vec<Vec<Event>> {
    let key =
        |id: &str, salt: u64| id.bytes().fold(seed ^ salt, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut arriving: Vec<(u64, Event)> = Vec::new();
    for (number, event) in world.events.iter().enumerate() {
        // Nearly in order, or in none at all.
        let late = |salt| {
            if seed.is_multiple_of(2) { key(&event.id, salt) } else { number as u64 * 4 + key(&event.id, salt) % 16 }
        };
        arriving.push((late(0), event.clone()));
        if key(&event.id, 1).is_multiple_of(3) {
            arriving.push((late(2), event.clone()));
        }
    }
    arriving.sort_by(|(a, one), (b, other)| (a, &one.id).cmp(&(b, &other.id)));
    let mut events = arriving.into_iter().map(|(_, event)| event);
    let mut batches = Vec::new();
    for size in sizes.iter().cycle() {
        let batch: Vec<Event> = events.by_ref().take(*size).collect();
        if batch.is_empty() {
            break;
        }
        batches.push(batch);
    }
    batches
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        rng_seed: if std::env::var_os("PROPTEST_CASES").is_some() { RngSeed::Random } else { RngSeed::Fixed(20_261_002) },
        ..ProptestConfig::default()
    })]

    /// In the end, the ledger has the incidents of the whole, and each was opened before it was resolved.
    #[test]
    fn whatever_arrives_how_ever_the_end_is_the_whole(
        (plan, seed, sizes, iam_at_once, moving) in
            (any_plan(), any::<u64>(), prop::collection::vec(1_usize..12, 1..4), any::<bool>(), any::<bool>())
    ) {
        let mut world = simulate(&plan);
        let start = world.truth.first().map_or(world.as_of, |(time, _)| *time) - Duration::days(1);
        world.period = Period { from: start, to: world.as_of + Duration::seconds(1) };
        let rules = rules();
        let mut memory = Memory::default();
        let mut seen: Vec<Event> = Vec::new();
        for batch in batches(&world, seed, &sizes) {
            seen.extend(batch);
            let latest = seen.iter().map(|event| event.time).max().unwrap_or(world.as_of).min(world.as_of);
            let input = Input {
                events: &seen,
                iam: world.iam.as_ref().filter(|_| iam_at_once),
                as_of: if moving { latest } else { world.as_of },
                ..world.input()
            };
            memory.take(&incidents_of(&input, &rules), &scope(&seen), None, input.as_of);
        }
        let whole = incidents_of(&world.input(), &rules);
        memory.take(&whole, &scope(&seen), None, world.as_of);
        prop_assert_eq!(memory.incidents(), whole.clone(), "{}", world.story());
        memory.is_sound()?;
        // Whatever is not told of by its burst was told of.
        for entry in memory.entries.values().filter(|entry| entry.incident.part_of.is_none()) {
            prop_assert!(entry.sequence > 0 || entry.state == State::Withdrawn, "{:?}", entry);
        }
        // Once more, all of it: nothing is said again.
        let again = memory.take(&whole, &scope(&seen), None, world.as_of);
        prop_assert_eq!(again, Changes::default());
    }

    /// What lies before the moment from which on people are told changes the state, and nobody hears of it.
    #[test]
    fn nobody_is_told_of_what_lies_before((plan, share) in (any_plan(), 0.0_f64..1.0)) {
        let mut world = simulate(&plan);
        let start = world.truth.first().map_or(world.as_of, |(time, _)| *time) - Duration::days(1);
        world.period = Period { from: start, to: world.as_of + Duration::seconds(1) };
        let span = (world.as_of - start).num_seconds() as f64 * share;
        let told_from = start + Duration::seconds(span as i64);
        let whole = incidents_of(&world.input(), &rules());
        let mut memory = Memory::default();
        memory.take(&whole, &Scope::All, Some(told_from), world.as_of);
        prop_assert_eq!(memory.incidents(), whole);
        for entry in memory.entries.values() {
            let silent = entry.incident.due_at < told_from || entry.incident.part_of.is_some();
            prop_assert_eq!(entry.sequence == 0, silent, "{:?}", entry);
        }
    }
}

// ---------------------------------------------------------------------------------------------------- stories

const AS_OF: &str = "2026-10-20T00:00:00Z";

/// A story whose lines arrive in batches.
struct Story {
    memory: Memory,
    events: Vec<Event>,
    approvals: Vec<Approval>,
    rules: Rules,
    told_from: Option<Time>,
    as_of: Time,
}

impl Story {
    fn new() -> Self {
        Self {
            memory: Memory::default(),
            events: Vec::new(),
            approvals: Vec::new(),
            rules: Rules::default(),
            told_from: None,
            as_of: time(AS_OF),
        }
    }

    fn derived(&self) -> Vec<Incident> {
        self.with_facts(derive)
    }

    /// When to look again, and at which event.
    fn pending(&self) -> Vec<String> {
        let short = |(at, (_, id)): (Time, (String, String))| format!("{} {id}", at.format("%d.%H:%M:%S"));
        self.with_facts(|facts| pending(facts, &derive(facts))).into_iter().map(short).collect()
    }

    fn with_facts<T>(&self, work: impl FnOnce(Facts<'_>) -> T) -> T {
        let mut events = self.events.clone();
        fold(&mut events);
        let (context, settings) = (Context::default(), Settings::default());
        let covered = BTreeMap::from([("111122223333".to_owned(), [time("2026-09-01T00:00:00Z"), self.as_of])]);
        let input = Input {
            events: &events,
            context: &context,
            iam: None,
            covered: &covered,
            approvals: &self.approvals,
            detections: &[],
            settings: &settings,
            period: Period { from: time("2026-10-01T00:00:00Z"), to: time("2026-11-01T00:00:00Z") },
            as_of: self.as_of,
        };
        with_facts(&input, &self.rules, work)
    }

    fn pass(&mut self) -> Vec<String> {
        let changes = self.memory.take(&self.derived(), &scope(&self.events), self.told_from, self.as_of);
        self.memory.is_sound().unwrap();
        changes.steps.iter().map(said).collect()
    }

    /// What is told when these lines arrive: `NUMBER DAY.HH:MM what …`.
    fn arrive(&mut self, lines: &[&str]) -> Vec<String> {
        for line in lines {
            let (number, rest) = line.split_once(' ').unwrap();
            self.events.push(event(number.parse().unwrap(), rest));
        }
        self.pass()
    }
}

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

fn said(step: &Step) -> String {
    let entry = &step.entry;
    let incident = &entry.incident;
    let class = incident.class.map_or("", Class::name);
    let key = entry.key.trim_start_matches("mfatrail:111122223333:event-");
    let name = step.transition.name();
    let by = incident.event_id.trim_start_matches("event-");
    let reason = incident.resolution.as_ref().filter(|_| step.transition != Transition::Opened);
    let reason = reason.map_or("", |end| end.reason.as_str());
    let text = format!("{key}/{} {name} by {by} {class} {reason}", entry.sequence);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_removal_is_opened_and_its_end_resolves_it() {
    let mut story = Story::new();
    assert!(
        story.arrive(&["1 1.09:00 creates ann", "2 1.09:01 password ann", "3 1.09:02 enables ann phone"]).is_empty()
    );
    assert_eq!(story.arrive(&["4 5.09:00 removes ann phone"]), ["4/1 opened by 4 unexplained"]);
    // Its deletion is the same act, and the same event once more is nothing.
    assert!(story.arrive(&["5 5.09:00 erases phone", "4 5.09:00 removes ann phone"]).is_empty());
    assert_eq!(story.arrive(&["6 5.09:30 enables ann new"]), ["4/2 resolved by 4 replacement reenabled"]);
    assert!(story.arrive(&["4 5.09:00 removes ann phone", "6 5.09:30 enables ann new"]).is_empty());
}

#[test]
fn what_opens_and_ends_within_one_pass_is_told_as_both() {
    let mut story = Story::new();
    let told = story.arrive(&[
        "1 1.09:00 creates ann",
        "2 1.09:01 password ann",
        "3 1.09:02 enables ann phone",
        "4 5.09:00 removes ann phone",
        "6 5.09:30 enables ann new",
    ]);
    assert_eq!(told, ["4/1 opened by 4 replacement", "4/2 resolved by 4 replacement reenabled"]);
}

#[test]
fn an_end_that_arrives_before_its_opening_waits_for_it() {
    let mut story = Story::new();
    assert!(story.arrive(&["6 5.09:30 enables ann new"]).is_empty());
    let told = story.arrive(&["4 5.09:00 removes ann phone"]);
    assert_eq!(told, ["4/1 opened by 4 replacement", "4/2 resolved by 4 replacement reenabled"]);
}

#[test]
fn a_deletion_before_its_deactivation_is_one_incident_under_one_key() {
    let mut story = Story::new();
    story.arrive(&["1 1.09:00 creates ann", "2 1.09:01 password ann", "3 1.09:02 enables ann phone"]);
    assert_eq!(story.arrive(&["5 5.09:00 erases phone"]), ["5/1 opened by 5"]);
    // The class comes with the deactivation; the key is the one that channels know.
    assert_eq!(story.arrive(&["4 5.09:00 removes ann phone"]), ["5/2 updated by 4 unexplained"]);
    assert_eq!(story.arrive(&["6 6.09:30 enables ann new"]), ["5/3 resolved by 4 unexplained reenabled"]);
    assert_eq!(story.memory.incidents().len(), 1);
}

#[test]
fn the_deletion_of_a_device_that_nobody_had_is_nothing() {
    let mut story = Story::new();
    assert!(story.arrive(&["1 5.09:00 makes phone", "2 5.09:10 erases phone"]).is_empty());
    assert!(story.memory.entries.is_empty());
}

#[test]
fn a_late_event_withdraws_what_was_none() {
    let mut story = Story::new();
    story.arrive(&["1 1.09:00 creates ann", "2 1.09:01 password ann", "3 1.09:02 enables ann phone"]);
    assert_eq!(story.arrive(&["4 5.09:00 removes ann phone"]), ["4/1 opened by 4 unexplained"]);
    // She had another one all along.
    assert_eq!(story.arrive(&["7 2.09:00 enables ann key"]), ["4/2 withdrawn by 4 unexplained"]);
    assert!(story.memory.incidents().is_empty());
    // And lost that one before, too.
    assert_eq!(story.arrive(&["8 3.09:00 removes ann key"]), ["4/3 opened by 4 unexplained"]);
    assert!(story.memory.steps.last().unwrap().is_reopening());
}

#[test]
fn a_late_event_reopens_what_was_not_over() {
    let mut story = Story::new();
    story.arrive(&["1 1.09:00 creates ann", "2 1.09:01 password ann", "3 1.09:02 enables ann phone"]);
    story.arrive(&["4 5.09:00 removes ann phone"]);
    assert_eq!(story.arrive(&["6 7.09:30 unpassword ann"]), ["4/2 resolved by 4 unexplained password_removed"]);
    // The password's end was another user's after a rename that arrives late: the first one is still exposed.
    let told = story.arrive(&["7 6.09:00 renames ann bea", "8 6.10:00 creates ann", "9 6.10:01 password ann"]);
    assert!(told.contains(&"4/3 opened by 4 unexplained".to_owned()), "{told:?}");
}

#[test]
fn a_class_that_changes_is_an_update() {
    let mut story = Story::new();
    story.arrive(&["1 1.09:00 creates ann", "2 1.09:01 password ann", "3 1.09:02 enables ann phone"]);
    story.as_of = time("2026-10-05T09:10:00Z");
    assert_eq!(story.arrive(&["4 5.09:00 removes ann phone"]), ["4/1 opened by 4 unexplained"]);
    // Nothing arrives, and the time for a replacement is over.
    assert_eq!(story.pending(), ["05.10:00:01 event-4"]);
    story.as_of = time("2026-10-05T10:00:01Z");
    assert_eq!(story.pass(), ["4/2 updated by 4 unexplained"]);
    assert!(story.memory.entries.values().all(|entry| entry.incident.overdue));
    story.approvals.push(Approval {
        ticket: "CHG-1".to_owned(),
        account: "111122223333".to_owned(),
        user: "ann".to_owned(),
        approver: "lead@example.com".to_owned(),
        valid_from: time("2026-10-05T00:00:00Z"),
        valid_to: time("2026-10-06T00:00:00Z"),
    });
    assert_eq!(story.pass(), ["4/3 updated by 4 approved"]);
    assert!(story.pass().is_empty());
    assert_eq!(story.memory.entries.values().next().unwrap().incident.severity, Severity::Info);
}

#[test]
fn a_password_without_a_device_is_an_incident_after_its_grace() {
    let mut story = Story::new();
    story.as_of = time("2026-10-01T20:00:00Z");
    assert!(story.arrive(&["1 1.09:00 creates ann", "2 1.09:01 password ann"]).is_empty());
    assert_eq!(story.pending(), ["02.09:01:00 event-2"]);
    story.as_of = time("2026-10-02T09:01:00Z");
    assert_eq!(story.pass(), ["2/1 opened by 2"]);
    assert!(story.pending().is_empty());
    assert_eq!(story.memory.steps.last().unwrap().at, time("2026-10-02T09:01:00Z"));
    story.as_of = time(AS_OF);
    assert_eq!(story.arrive(&["3 3.09:02 enables ann phone"]), ["2/2 resolved by 2 reenabled"]);
    // Who enrolls in time is none.
    assert!(story.arrive(&["4 4.09:00 creates bob", "5 4.09:01 password bob", "6 4.12:00 enables bob key"]).is_empty());
}

fn three() -> Vec<&'static str> {
    vec![
        "1 1.09:00 creates ann",
        "2 1.09:01 password ann",
        "3 1.09:02 enables ann a",
        "4 1.09:00 creates bob",
        "5 1.09:01 password bob",
        "6 1.09:02 enables bob b",
        "7 1.09:00 creates cid",
        "8 1.09:01 password cid",
        "9 1.09:02 enables cid c",
    ]
}

#[test]
fn one_actor_and_several_users_are_one_incident() {
    let mut story = Story::new();
    story.arrive(&three());
    let lines = ["11 5.09:00 removes ann a", "12 5.09:01 removes bob b", "13 5.09:02 removes cid c"];
    assert_eq!(story.arrive(&lines), ["11:burst/1 opened by 11 unexplained"]);
    let burst = &story.memory.entries["mfatrail:111122223333:event-11:burst"];
    assert_eq!((burst.incident.kind, burst.incident.members.len()), (Kind::Burst, 3));
    assert!(
        story
            .arrive(&["21 6.09:00 enables ann a2", "22 6.09:00 enables bob b2"])
            .iter()
            .all(|one| one.contains("updated"))
    );
    let told = story.arrive(&["23 6.09:00 enables cid c2"]);
    assert_eq!(told, ["11:burst/2 resolved by 11 unexplained members_resolved"]);
}

#[test]
fn a_burst_that_comes_one_by_one_ends_what_it_began() {
    let mut story = Story::new();
    story.arrive(&three());
    assert_eq!(story.arrive(&["11 5.09:00 removes ann a"]), ["11/1 opened by 11 unexplained"]);
    assert_eq!(story.arrive(&["12 5.09:01 removes bob b"]), ["12/1 opened by 12 unexplained"]);
    let told = story.arrive(&["13 5.09:02 removes cid c"]);
    // The two that were told of say so once more; the third is told of by the burst alone.
    let mut expected =
        vec!["11/2 updated by 11 unexplained", "11:burst/1 opened by 11 unexplained", "12/2 updated by 12 unexplained"];
    expected.sort_unstable();
    let mut sorted = told.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    let told = story.arrive(&["21 6.09:00 enables ann a2", "22 6.09:00 enables bob b2", "23 6.09:00 enables cid c2"]);
    assert_eq!(told.iter().filter(|one| one.contains("resolved")).count(), 3, "{told:?}");
}

#[test]
fn refused_deactivations_are_one_incident_that_ends_when_they_do() {
    let mut story = Story::new();
    let refused = |number: usize, at: &str, story: &mut Story| {
        let mut event = event(number, &format!("{at} removes ann phone"));
        event.failure = Some(Failure { code: Some("AccessDenied".into()), message: None }.into());
        story.events.push(event);
        story.pass()
    };
    story.as_of = time("2026-10-05T09:31:00Z");
    assert!(refused(1, "5.09:00", &mut story).is_empty());
    assert!(refused(2, "5.09:10", &mut story).is_empty());
    assert_eq!(refused(4, "5.09:30", &mut story), ["1/1 opened by 1"]);
    // An older one arrives late: the same incident, under the same key.
    assert_eq!(refused(3, "5.08:50", &mut story), ["1/2 updated by 3"]);
    assert_eq!(story.pending(), ["05.10:30:00 event-3"]);
    story.as_of = time("2026-10-05T10:30:00Z");
    assert_eq!(story.pass(), ["1/3 resolved by 3 quiet"]);
    assert_eq!(story.memory.incidents()[0].events, 4);
}

#[test]
fn a_trail_that_is_weakened_is_an_incident_until_it_records_again() {
    let mut story = Story::new();
    let change = |number: usize, at: &str, name: &str, story: &mut Story| {
        let mut event = event(number, &format!("{at} creates nobody"));
        event.name = name.into();
        event.source = "cloudtrail.amazonaws.com".into();
        event.target = Target::Nobody;
        event.action = Action::TrailChanged { trail: Some("main".to_owned()) };
        story.events.push(event);
        story.pass()
    };
    story.as_of = time("2026-10-05T12:00:00Z");
    assert_eq!(change(1, "5.09:00", "StopLogging", &mut story), ["1/1 opened by 1"]);
    assert_eq!(change(2, "5.10:00", "PutEventSelectors", &mut story), ["2/1 opened by 2"]);
    assert_eq!(change(3, "5.11:00", "StartLogging", &mut story), ["1/2 resolved by 1 logging_resumed"]);
    assert_eq!(story.pending(), ["06.10:00:00 event-2"]);
    story.as_of = time("2026-10-06T10:00:00Z");
    assert_eq!(story.pass(), ["2/2 resolved by 2 not_followed_up"]);
    let severities: BTreeSet<Severity> = story.memory.incidents().iter().map(|one| one.severity).collect();
    assert_eq!(severities, [Severity::Warning, Severity::Error].into());
}

#[test]
fn whatever_an_id_is_its_key_is_short_and_plain() {
    let uuid = "0a1b2c3d-0000-4000-8000-0123456789ab";
    assert_eq!(key_of("001122223333", uuid), format!("mfatrail:001122223333:{uuid}"));
    let mut keys = BTreeSet::new();
    for (account, id) in [
        ("111122223333", ""),
        ("111122223333", "a b"),
        ("111122223333", "x\r\nX-Header: y"),
        ("111122223333", "event:burst"),
        ("111122223333", &"9".repeat(10_000)),
        ("ANONYMOUS_PRINCIPAL", uuid),
        ("", uuid),
    ] {
        let key = key_of(account, id);
        assert!(key.len() <= 94 && key.bytes().all(|c| c.is_ascii_alphanumeric() || b":-".contains(&c)), "{key}");
        assert!(keys.insert(key), "{account} {id}");
    }
}

#[test]
fn rules_decide_in_their_order() {
    let text = r#"
        enrollment_grace = "36h"
        attempts = 5
        severity = [
            { class = ["unexplained"], account = ["1111*"], severity = "info" },
            { kind = ["window"], severity = "critical" },
        ]
    "#;
    let rules: Rules = toml::from_str(text).unwrap();
    assert_eq!((rules.enrollment_grace, rules.attempts), (TimeDelta::hours(36), 5));
    let mut story = Story { rules, ..Story::new() };
    story.arrive(&["1 1.09:00 creates ann", "2 1.09:01 password ann", "3 1.09:02 enables ann phone"]);
    story.arrive(&["4 5.09:00 removes ann phone", "5 5.09:00 creates bob", "6 5.09:00 password bob"]);
    let severities: Vec<Severity> = story.memory.incidents().iter().map(|one| one.severity).collect();
    assert_eq!(severities, [Severity::Info, Severity::Critical]);
    for wrong in ["severity = [{ clas = [], severity = \"info\" }]", "burst_span = \"soon\"", "bursts = 3"] {
        assert!(toml::from_str::<Rules>(wrong).is_err(), "{wrong}");
    }
}
