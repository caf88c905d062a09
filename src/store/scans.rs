//! Which scans came to their end, of the whole archive or of its shards: what a scan that did not has left out, nobody knows.
//!
//! A scan notes that it begins, and in its last commit that it ended. One that was killed, or that could not list its source, is
//! made good by another that ended and looked at as much: at the whole archive, or all shards of one number. Builds that did
//! not note an end did not note a shard either: nothing follows from their runs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};

use super::id::text_of;
use super::notes::{Run, RunKind};
use super::rows::{ObjectRow, Status, object_id};
use crate::source::{Selection, Shard};

/// What a scan looks at, but for the shard: two runs with the same task list the same objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Task<'r> {
    sources: &'r str,
    first_day: Option<NaiveDate>,
    last_day: Option<NaiveDate>,
    accounts: &'r [String],
    regions: &'r [String],
}

impl<'r> Task<'r> {
    fn of(run: &'r Run) -> Self {
        let Selection { accounts, regions, .. } = &run.selection;
        let (first_day, last_day) = (run.selection.first_day(), run.selection.last_day());
        Self { sources: &run.sources, first_day, last_day, accounts, regions }
    }

    /// Whether it lists all that `other` lists.
    fn covers(&self, other: &Self) -> bool {
        let wide = |mine: &[String], theirs: &[String]| {
            mine.is_empty() || !theirs.is_empty() && theirs.iter().all(|one| mine.contains(one))
        };
        self.sources == other.sources
            && self.first_day.is_none_or(|mine| other.first_day.is_some_and(|theirs| mine <= theirs))
            && self.last_day.is_none_or(|mine| other.last_day.is_some_and(|theirs| mine >= theirs))
            && wide(self.accounts, other.accounts)
            && wide(self.regions, other.regions)
    }
}

/// Whether a run looked at all that another looked at.
pub(super) fn covers(one: &Run, other: &Run) -> bool {
    let shard = one.shard.is_none_or(|shard| shard == Shard::WHOLE) || one.shard == other.shard;
    shard && Task::of(one).covers(&Task::of(other))
}

/// The verifications that have not proven what they looked at, and that no later one made good. Each is noted before anything is read,
/// so that one that did not come to its end is among them.
fn unproven(runs: &[Run]) -> impl Iterator<Item = &Run> {
    let later = |run: &Run| {
        let mut proven =
            runs.iter().filter(|other| other.kind == RunKind::Proven && other.started_at >= run.started_at);
        proven.any(|proven| proves(proven, run))
    };
    runs.iter().filter(move |run| run.kind == RunKind::Unproven && !later(run))
}

/// Whether a verification was about all that another was about, to the second: of days, those of two hours are one.
fn proves(one: &Run, other: &Run) -> bool {
    let (mine, theirs) = (&one.selection, &other.selection);
    covers(one, other)
        && mine.from.is_none_or(|from| theirs.from.is_some_and(|other| from <= other))
        && mine.to.is_none_or(|to| theirs.to.is_some_and(|other| to >= other))
}

/// When the last of the verifications began that have not proven something that a selection asks for; `None` where all is proven that
/// was to be.
pub(super) fn disproved(runs: &[Run], asked: &Selection) -> Option<DateTime<Utc>> {
    unproven(runs).filter(|run| concerns(&Task::of(run), asked)).map(|run| run.started_at).max()
}

/// The same as rows of what could not be read, of each of the sources one.
pub(super) fn unproven_rows(runs: &[Run], asked: Option<&Selection>) -> Vec<ObjectRow> {
    let mut last: BTreeMap<&str, DateTime<Utc>> = BTreeMap::new();
    for run in unproven(runs).filter(|run| asked.is_none_or(|asked| concerns(&Task::of(run), asked))) {
        let at = last.entry(&run.sources).or_insert(run.started_at);
        *at = (*at).max(run.started_at);
    }
    let row = |(sources, at): (&str, DateTime<Utc>)| {
        let error = format!(
            "the verification that began at {} has not proven it: log files may be missing; `mfatrail verify` names what is",
            at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        );
        unlisted(sources.replace('\n', ", "), error)
    };
    last.into_iter().map(row).collect()
}

/// What became of the scans of one task: by number of shards, when each shard's last scan that ended began; and the numbers of
/// shards of all that began.
#[derive(Debug, Default)]
struct Outcome {
    ended: BTreeMap<u32, BTreeMap<u32, DateTime<Utc>>>,
    began: BTreeMap<u32, DateTime<Utc>>,
}

impl Outcome {
    /// Of a number of shards that were all scanned, when the earliest of their last scans began.
    fn complete(&self) -> Option<DateTime<Utc>> {
        self.complete_of(|_count| true)
    }

    fn complete_of(&self, wanted: impl Fn(u32) -> bool) -> Option<DateTime<Utc>> {
        let whole =
            self.ended.iter().filter(|(count, shards)| wanted(**count) && shards.len() as u64 == u64::from(**count));
        whole.filter_map(|(_, shards)| shards.values().min()).max().copied()
    }
}

/// The scans of a store.
#[derive(Debug, Default)]
pub(super) struct Scans<'r> {
    tasks: BTreeMap<Task<'r>, Outcome>,
    /// The numbers of runs that read a shard.
    sharded: HashSet<u64>,
}

impl<'r> Scans<'r> {
    pub(super) fn of(runs: &'r [Run]) -> Self {
        let ended: HashSet<u64> = runs.iter().filter(|run| run.kind == RunKind::End).map(|run| run.run).collect();
        let mut scans = Self::default();
        for run in runs.iter().filter(|run| run.kind == RunKind::Scan) {
            let Some(shard) = run.shard else { continue };
            if shard != Shard::WHOLE {
                scans.sharded.insert(run.run);
            }
            let outcome = scans.tasks.entry(Task::of(run)).or_default();
            outcome
                .began
                .entry(shard.count())
                .and_modify(|began| *began = (*began).max(run.started_at))
                .or_insert(run.started_at);
            if ended.contains(&run.run) {
                let last =
                    outcome.ended.entry(shard.count()).or_default().entry(shard.number()).or_insert(run.started_at);
                *last = (*last).max(run.started_at);
            }
        }
        scans
    }

    /// What was begun and not made good, where the selection asks for it; as rows of what could not be listed.
    pub(super) fn unfinished(&self, asked: Option<&Selection>) -> Vec<ObjectRow> {
        let open = self.tasks.iter().filter(|(task, outcome)| {
            let concerns = asked.is_none_or(|asked| concerns(task, asked));
            concerns && outcome.complete().is_none() && !self.others_cover(task)
        });
        let mut names: HashMap<String, ObjectRow> = HashMap::new();
        for (task, outcome) in open {
            for (count, began) in &outcome.began {
                let ended = outcome.ended.get(count).map(|shards| shards.keys().copied().collect()).unwrap_or_default();
                for row in missing(task, *count, &ended, *began) {
                    names.insert(row.name.clone(), row);
                }
            }
        }
        let mut rows: Vec<ObjectRow> = names.into_values().collect();
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        rows
    }

    /// Whether tasks that cover this one are complete: one of them, or several that each have some of the shards.
    fn others_cover(&self, task: &Task<'_>) -> bool {
        let mut together: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (_, outcome) in self.tasks.iter().filter(|(other, _)| other.covers(task)) {
            for (count, shards) in &outcome.ended {
                together.entry(*count).or_default().extend(shards.keys());
            }
        }
        together.iter().any(|(count, shards)| shards.len() as u64 == u64::from(*count))
    }

    /// Whether a run read one shard alone.
    pub(super) fn is_sharded(&self, run: u64) -> bool {
        self.sharded.contains(&run)
    }

    /// Up to when what shards delivered is known of all of them: what CloudTrail delivered later, one shard may have seen and
    /// another not. `None` where no shards are complete.
    pub(super) fn reach(&self) -> Option<DateTime<Utc>> {
        self.tasks.values().filter_map(|outcome| outcome.complete_of(|count| count > 1)).max()
    }
}

/// Whether a task lists something that a selection asks for.
fn concerns(task: &Task<'_>, asked: &Selection) -> bool {
    let before =
        |end: Option<NaiveDate>, start: Option<NaiveDate>| end.zip(start).is_some_and(|(end, start)| end < start);
    let apart = |mine: &[String], theirs: &[String]| {
        !mine.is_empty() && !theirs.is_empty() && !mine.iter().any(|one| theirs.contains(one))
    };
    !before(task.last_day, asked.first_day())
        && !before(asked.last_day(), task.first_day)
        && !apart(task.accounts, &asked.accounts)
        && !apart(task.regions, &asked.regions)
}

/// The shards of a task of which no scan ended, neighbors as one.
fn missing(task: &Task<'_>, count: u32, ended: &BTreeSet<u32>, began: DateTime<Utc>) -> Vec<ObjectRow> {
    let source = task.sources.replace('\n', ", ");
    if count == 1 {
        let error = format!(
            "the scan that began at {} has not ended: what it has not read is unknown; run it again",
            began.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        );
        return vec![unlisted(source, error)];
    }
    let mut rows = Vec::new();
    let mut first = 1;
    for end in ended.iter().copied().chain([count + 1]) {
        if first < end {
            let (which, verb) = match end - first {
                1 => (format!("shard {first}/{count}"), "this shard has"),
                _ => (format!("shards {first}/{count} to {}/{count}", end - 1), "these shards have"),
            };
            rows.push(unlisted(
                format!("{source} ({which})"),
                format!("not read: no scan of {verb} ended; run `mfatrail scan` with --shard for each"),
            ));
        }
        first = end + 1;
    }
    rows
}

fn unlisted(name: String, error: String) -> ObjectRow {
    ObjectRow {
        object_id: text_of(object_id(&name, None, 0)),
        location: name.clone(),
        name,
        error: Some(error),
        ..ObjectRow::empty(Status::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs as `kind shard days`, a line each: `e` notes that the run of that line before ended.
    fn runs(lines: &[(&str, Option<&str>, bool)]) -> Vec<Run> {
        let mut runs = Vec::new();
        for ((sources, shard, ended), number) in lines.iter().zip(1_u32..) {
            let at = DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(i64::from(number));
            let shard = shard.map(|text| text.parse().unwrap());
            let run = Run { sources: (*sources).to_owned(), shard, ..Run::new(RunKind::Scan, u64::from(number), at) };
            if *ended {
                runs.push(run.end());
            }
            runs.push(run);
        }
        runs
    }

    fn names(runs: &[Run]) -> Vec<String> {
        Scans::of(runs).unfinished(None).into_iter().map(|row| row.name).collect()
    }

    #[test]
    fn a_verification_is_made_good_by_a_later_one_of_at_least_as_much() {
        let at = |hours: i64| DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(hours);
        let run = |kind, began, sources: &str, [from, to]: [Option<i64>; 2]| Run {
            sources: sources.to_owned(),
            selection: Selection { from: from.map(at), to: to.map(at), ..Selection::default() },
            shard: Some(Shard::WHOLE),
            ..Run::new(kind, 1, at(began))
        };
        let failed = run(RunKind::Unproven, 5, "a", [Some(10), Some(20)]);
        for (later, is_made_good) in [
            (run(RunKind::Proven, 6, "a", [Some(10), Some(20)]), true),
            (run(RunKind::Proven, 5, "a", [Some(10), Some(20)]), true),
            (run(RunKind::Proven, 6, "a", [None, Some(21)]), true),
            (run(RunKind::Proven, 4, "a", [None, Some(21)]), false),
            (run(RunKind::Proven, 6, "b", [None, Some(21)]), false),
            (run(RunKind::Proven, 6, "a", [Some(11), Some(20)]), false),
            (run(RunKind::Proven, 6, "a", [Some(10), Some(19)]), false),
            (run(RunKind::Unproven, 6, "a", [None, Some(21)]), false),
            (run(RunKind::Scan, 6, "a", [None, Some(21)]), false),
        ] {
            let runs = [failed.clone(), later.clone()];
            assert_eq!(disproved(&runs, &Selection::default()).is_none(), is_made_good, "{later:?}");
            assert_eq!(unproven_rows(&runs, None).is_empty(), is_made_good, "{later:?}");
        }
        let elsewhere = Selection { from: Some(at(24 * 9)), ..Selection::default() };
        assert_eq!(disproved(&[failed], &elsewhere), None);
    }

    #[test]
    fn what_did_not_end_is_named() {
        let of = |lines: &[(&str, Option<&str>, bool)]| names(&runs(lines));
        let none: [&str; 0] = [];
        // What older builds wrote tells nothing.
        assert_eq!(of(&[("a", None, false)]), none);
        assert_eq!(of(&[("a", Some("1/1"), true)]), none);
        assert_eq!(of(&[("a", Some("1/1"), false)]), ["a"]);
        // Made good by itself, or by all shards.
        assert_eq!(of(&[("a", Some("1/1"), false), ("a", Some("1/1"), true)]), none);
        assert_eq!(of(&[("a", Some("1/1"), false), ("a", Some("1/2"), true), ("a", Some("2/2"), true)]), none);
        assert_eq!(of(&[("a", Some("1/1"), false), ("b", Some("1/1"), true)]), ["a"]);
        // Shards: in any order, twice, killed, of several numbers.
        assert_eq!(of(&[("a", Some("2/3"), true)]), ["a (shard 1/3)", "a (shard 3/3)"]);
        assert_eq!(of(&[("a", Some("3/8"), true)]), ["a (shards 1/8 to 2/8)", "a (shards 4/8 to 8/8)"]);
        assert_eq!(of(&[("a", Some("2/2"), true), ("a", Some("1/2"), false)]), ["a (shard 1/2)"]);
        assert_eq!(of(&[("a", Some("2/2"), true), ("a", Some("1/2"), true), ("a", Some("1/2"), false)]), none);
        assert_eq!(of(&[("a", Some("1/2"), true), ("a", Some("2/3"), true)]).len(), 3);
        assert_eq!(of(&[("a", Some("1/2"), true), ("a", Some("1/1"), true)]), none);
        // Every source has its own.
        assert_eq!(of(&[("a", Some("1/2"), true), ("b", Some("2/2"), true)]), ["a (shard 2/2)", "b (shard 1/2)"]);
    }

    #[test]
    fn a_wider_scan_makes_a_narrower_one_good_and_not_the_other_way_round() {
        let with = |from: Option<&str>, accounts: &[&str], shard: &str, number: u64, ended: bool| {
            let selection = Selection {
                from: from.map(|from| from.parse().unwrap()),
                accounts: accounts.iter().map(ToString::to_string).collect(),
                ..Selection::default()
            };
            let run = Run::new(RunKind::Scan, number, DateTime::UNIX_EPOCH);
            let run = Run { sources: "a".to_owned(), selection, shard: Some(shard.parse().unwrap()), ..run };
            let end = ended.then(|| run.end());
            [Some(run), end].into_iter().flatten().collect::<Vec<_>>()
        };
        let (early, late) = (Some("2026-01-01T08:00:00Z"), Some("2026-02-01T08:00:00Z"));
        let same_day = Some("2026-01-01T09:30:00Z");
        let open = |one: Vec<Run>, two: Vec<Run>| names(&[one, two].concat()).len();
        assert_eq!(open(with(late, &[], "1/1", 1, false), with(early, &[], "1/1", 2, true)), 0);
        assert_eq!(open(with(early, &[], "1/1", 1, false), with(late, &[], "1/1", 2, true)), 1);
        assert_eq!(open(with(early, &["1"], "1/1", 1, false), with(early, &[], "1/1", 2, true)), 0);
        assert_eq!(open(with(early, &[], "1/1", 1, false), with(early, &["1"], "1/1", 2, true)), 1);
        // Folders are by day: an age given a little later is the same range.
        assert_eq!(open(with(early, &[], "1/2", 1, true), with(same_day, &[], "2/2", 2, true)), 0);
        // One shard of each of two ranges: the narrower is covered, the wider is not.
        let rows = names(&[with(late, &[], "1/2", 1, true), with(early, &[], "2/2", 2, true)].concat());
        assert_eq!(rows, ["a (shard 1/2)"]);
    }

    #[test]
    fn what_a_selection_does_not_ask_for_is_not_missing() {
        let selection = Selection {
            from: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            to: Some("2026-02-01T00:00:00Z".parse().unwrap()),
            accounts: vec!["111122223333".to_owned()],
            ..Selection::default()
        };
        let run = Run::new(RunKind::Scan, 1, DateTime::UNIX_EPOCH);
        let runs = [Run { selection, shard: Some(Shard::WHOLE), ..run }];
        let asked = |from: &str, account: &str| {
            let accounts = if account.is_empty() { Vec::new() } else { vec![account.to_owned()] };
            let asked = Selection { from: Some(from.parse().unwrap()), accounts, ..Selection::default() };
            Scans::of(&runs).unfinished(Some(&asked)).len()
        };
        assert_eq!(asked("2026-01-15T00:00:00Z", ""), 1);
        assert_eq!(asked("2026-01-15T00:00:00Z", "111122223333"), 1);
        assert_eq!(asked("2026-01-15T00:00:00Z", "444455556666"), 0);
        assert_eq!(asked("2026-02-02T00:00:00Z", ""), 0);
    }

    #[test]
    fn shards_reach_as_far_as_the_one_that_was_read_first() {
        let reach = |lines: &[(&str, Option<&str>, bool)]| {
            Scans::of(&runs(lines)).reach().map(|at| at.signed_duration_since(DateTime::UNIX_EPOCH).num_hours())
        };
        assert_eq!(reach(&[("a", Some("1/1"), true)]), None);
        assert_eq!(reach(&[("a", Some("1/2"), true)]), None);
        assert_eq!(reach(&[("a", Some("1/2"), true), ("a", Some("2/2"), true)]), Some(1));
        // Read again: it looked again.
        assert_eq!(reach(&[("a", Some("1/2"), true), ("a", Some("2/2"), true), ("a", Some("1/2"), true)]), Some(2));
        assert_eq!(reach(&[("a", Some("1/2"), true), ("a", Some("2/2"), true), ("a", Some("1/2"), false)]), Some(1));
    }
}
