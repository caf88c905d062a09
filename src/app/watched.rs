//! What a watch noticed: the alerts that its channels delivered, as detections of the deactivations that they are about; and when it
//! ran.
//!
//! Both are in the store's ledger. A bundle has no ledger, which tells of more than its report; the detections that its report
//! rests on are in a file at the same place, in the form of `--detections`, and the times beside it.

use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Error, rfc3339};
use crate::contract::{Notice, NoticeCode, Period, WatchCoverage, WatchGap};
use crate::incident::ledger::view::Delivered;
use crate::incident::ledger::{FOLDER, Ledger};
use crate::inputs::{Detection, DetectionSubject, detections};
use crate::mfa::{Event, Text};
use crate::store::Place;
use crate::units;

/// The file of detections in the folder of the watch, where there is no ledger.
const DETECTIONS: &str = "detections.json";
/// The file of the times at which it ran, likewise.
const RUNS: &str = "runs.json";
/// A pause between two runs that is not worth mentioning: a restart, or a run every minute.
const PAUSE: TimeDelta = TimeDelta::seconds(60);
/// How many intervals without a watch are listed.
const LISTED: usize = 100;
/// The most bytes of a file.
const LARGEST: u64 = 64 << 20;

/// A detection by a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watched {
    /// The account of the event, where the ledger tells.
    account: Option<String>,
    event_id: String,
    pub(crate) detection: Detection,
}

impl From<Delivered> for Watched {
    fn from(one: Delivered) -> Self {
        Self {
            account: Some(one.account),
            event_id: one.event_id.clone(),
            detection: Detection {
                detected_at: one.at,
                source: format!("watch/{}", one.channel),
                reference: one.reference,
                subject: DetectionSubject::Event(one.event_id),
            },
        }
    }
}

/// What the watch of a store left; nothing where none ever ran.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// What it noticed.
    pub(crate) noticed: Vec<Watched>,
    /// When it ran, in order of time.
    pub(crate) runs: Vec<Ran>,
}

impl Watch {
    /// Whether none ever ran.
    pub(crate) fn is_empty(&self) -> bool {
        self.noticed.is_empty() && self.runs.is_empty()
    }

    /// The same with what another left.
    pub(crate) fn with(mut self, other: Self) -> Self {
        for one in other.noticed {
            if !self.noticed.contains(&one) {
                self.noticed.push(one);
            }
        }
        Self { noticed: self.noticed, runs: joined(self.runs.into_iter().chain(other.runs)) }
    }
}

/// Whether a store in a folder has the ledger of a watch.
///
/// # Errors
/// When there is one that cannot be read.
pub(crate) fn has_ledger(store: &Place) -> Result<bool, Error> {
    let Some(folder) = store.folder().filter(|folder| folder.is_dir()) else { return Ok(false) };
    Ok(Ledger::read(folder).map_err(Error::failed)?.is_some())
}

/// An interval in which a watch ran, without a pause that is worth mentioning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ran {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

/// What the watch of a store left.
///
/// # Errors
/// When there is a ledger that cannot be read: that nobody noticed anything would be false.
pub(crate) fn read(store: &Place) -> Result<Watch, Error> {
    if let Some(folder) = store.folder() {
        if !folder.is_dir() {
            return Ok(Watch::default());
        }
        if let Some(ledger) = Ledger::read(folder).map_err(Error::failed)? {
            return of_ledger(&ledger);
        }
    }
    Ok(Watch { noticed: noticed(store)?, runs: runs(store)? })
}

/// What a ledger tells.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn of_ledger(ledger: &Ledger) -> Result<Watch, Error> {
    let noticed = ledger.detections().map_err(Error::failed)?.into_iter().map(Watched::from).collect();
    let runs = ledger.runs().map_err(Error::failed)?;
    Ok(Watch { noticed, runs: joined(runs.iter().map(|run| Ran { from: run.from, to: run.to })) })
}

/// The text of a file of the watch's folder; `None` where there is none.
fn text(store: &Place, name: &str) -> Result<Option<(String, String)>, Error> {
    let path = format!("{FOLDER}/{name}");
    let read = store.beside(&path, LARGEST).map_err(Error::failed)?;
    Ok(read.map(|file| (format!("{store}/{path}"), String::from_utf8_lossy(&file.bytes).into_owned())))
}

fn noticed(store: &Place) -> Result<Vec<Watched>, Error> {
    let Some((place, text)) = text(store, DETECTIONS)? else { return Ok(Vec::new()) };
    let rows = detections::from_text(&place, &text).map_err(Error::input)?.rows;
    let watched = |detection: Detection| match &detection.subject {
        DetectionSubject::Event(id) => Some(Watched { account: None, event_id: id.clone(), detection }),
        DetectionSubject::Principal { .. } => None,
    };
    Ok(rows.into_iter().filter_map(watched).collect())
}

fn runs(store: &Place) -> Result<Vec<Ran>, Error> {
    let Some((place, text)) = text(store, RUNS)? else { return Ok(Vec::new()) };
    let runs: Vec<Ran> = serde_json::from_str(&text)
        .map_err(|error| Error::Input(format!("`{place}` is not a list of times: {error}")))?;
    Ok(joined(runs.into_iter()))
}

/// Runs in order of time, those that follow each other at once as one.
fn joined(runs: impl Iterator<Item = Ran>) -> Vec<Ran> {
    let mut sorted: Vec<Ran> = runs.filter(|run| run.from <= run.to).collect();
    sorted.sort_by_key(|run| (run.from, run.to));
    let mut joined: Vec<Ran> = Vec::new();
    for run in sorted {
        match joined.last_mut() {
            Some(last) if run.from - last.to <= PAUSE => last.to = last.to.max(run.to),
            _ => joined.push(run),
        }
    }
    joined
}

/// When a watch ran in a period, as far as that is measured; `None` where none ever did.
pub(crate) fn coverage(runs: &[Ran], period: Period, as_of: DateTime<Utc>) -> Option<WatchCoverage> {
    let since = runs.first()?.from;
    let end = period.to.min(as_of);
    let starts = runs.iter().map(|run| run.from).chain([end]);
    let ends = std::iter::once(period.from).chain(runs.iter().map(|run| run.to));
    let between = ends.zip(starts).map(|(from, to)| WatchGap { from: from.max(period.from), to: to.min(end) });
    let mut gaps: Vec<WatchGap> = between.filter(|gap| gap.to - gap.from > PAUSE).collect();
    let unwatched_s = gaps.iter().map(WatchGap::seconds).sum();
    gaps.sort_by_key(|gap| (std::cmp::Reverse(gap.seconds()), gap.from));
    let gaps_omitted = gaps.len().saturating_sub(LISTED) as u64;
    gaps.truncate(LISTED);
    gaps.sort();
    Some(WatchCoverage { since, unwatched_s, gaps, gaps_omitted })
}

/// That it did not run all the time. Of a time before there was any watch nobody expects that it was watched.
pub(crate) fn not_watched(watch: &WatchCoverage, period: Period, as_of: DateTime<Utc>) -> Option<Notice> {
    if period.to.min(as_of) <= watch.since {
        return None;
    }
    let longest = watch.gaps.iter().max_by_key(|gap| (gap.seconds(), std::cmp::Reverse(gap.from)))?;
    let number = watch.gaps.len() as u64 + watch.gaps_omitted;
    let intervals = units::plural(number, "interval", "intervals");
    let which = if number > 1 { format!("{intervals}, the longest") } else { intervals };
    #[expect(clippy::cast_precision_loss, reason = "a duration in seconds has fewer than 53 bits")]
    let unwatched = units::readable_duration(watch.unwatched_s as f64).unwrap_or_default();
    Some(Notice {
        code: NoticeCode::NotWatched,
        text: format!(
            "the store's watch did not run for {unwatched} of the period ({which} from {} to {}): what happened then was alerted late, if at all",
            rfc3339(longest.from),
            rfc3339(longest.to)
        ),
    })
}

/// Those that are about one of these events: a watch noticed more than one report is about.
pub(crate) fn of_events<'w>(watched: &'w [Watched], events: &[Event]) -> impl Iterator<Item = &'w Detection> {
    let mut known = HashSet::new();
    for event in events.iter().filter(|_| !watched.is_empty()) {
        for id in event.lineage.addenda.iter().map(Text::as_str).chain([event.id.as_str()]) {
            known.insert((event.account.to_string(), id.to_string()));
            known.insert((String::new(), id.to_string()));
        }
    }
    let is_known =
        move |one: &&Watched| known.contains(&(one.account.clone().unwrap_or_default(), one.event_id.clone()));
    watched.iter().filter(is_known).map(|one| &one.detection)
}

/// A row of a file of detections.
#[derive(Serialize)]
struct Row<'w> {
    detected_at: String,
    source: &'w str,
    reference: &'w str,
    event_id: &'w str,
}

/// Writes what the watch left into another store, or into its own that is in a bucket and has no ledger.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write(watch: &Watch, accounts: &[String], store: &Place) -> Result<(), Error> {
    files(watch, accounts)?.into_iter().try_for_each(|(path, text)| store.write(&path, text).map_err(Error::failed))
}

/// The files of it, by their paths.
///
/// # Errors
/// When they cannot be put into words.
pub(crate) fn files(watch: &Watch, accounts: &[String]) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let of = |one: &&Watched| accounts.is_empty() || one.account.as_ref().is_none_or(|of| accounts.contains(of));
    let rows: Vec<Row<'_>> = watch.noticed.iter().filter(of).map(row).collect();
    let detections = (!rows.is_empty()).then(|| serde_json::to_vec_pretty(&rows));
    let runs = (!watch.runs.is_empty()).then(|| serde_json::to_vec_pretty(&watch.runs));
    let mut files = Vec::new();
    for (name, text) in [(DETECTIONS, detections), (RUNS, runs)] {
        if let Some(text) = text.transpose().map_err(Error::failed)? {
            files.push((format!("{FOLDER}/{name}"), text));
        }
    }
    Ok(files)
}

fn row(one: &Watched) -> Row<'_> {
    Row {
        detected_at: one.detection.detected_at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        source: &one.detection.source,
        reference: &one.detection.reference,
        event_id: &one.event_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn ran(runs: &[[i64; 2]]) -> Vec<Ran> {
        joined(runs.iter().map(|[from, to]| Ran { from: at(*from), to: at(*to) }))
    }

    #[test]
    fn a_gap_is_what_no_run_covers() {
        // A period of a hundred minutes that begins at 1000.
        let period = Period { from: at(1000), to: at(1100) };
        type Intervals<'i> = &'i [[i64; 2]];
        let cases: [(Intervals<'_>, i64, Intervals<'_>); 11] = [
            (&[[0, 2000]], 1100, &[]),
            (&[[0, 1100]], 1100, &[]),
            (&[[1000, 1099]], 1100, &[]),
            (&[[1010, 2000]], 1100, &[[1000, 1010]]),
            (&[[0, 1050]], 1100, &[[1050, 1100]]),
            (&[[0, 1050]], 1051, &[]),
            (&[[0, 1050]], 1060, &[[1050, 1060]]),
            (&[[0, 10]], 1100, &[[1000, 1100]]),
            (&[[3000, 4000]], 1100, &[[1000, 1100]]),
            (&[[1060, 1100], [0, 1020], [1010, 1015], [1021, 1040]], 1100, &[[1040, 1060]]),
            (&[[0, 1100], [1050, 1040]], 1100, &[]),
        ];
        for (runs, as_of, gaps) in cases {
            let watch = coverage(&ran(runs), period, at(as_of)).unwrap();
            let expected: Vec<WatchGap> =
                gaps.iter().map(|[from, to]| WatchGap { from: at(*from), to: at(*to) }).collect();
            assert_eq!(watch.gaps, expected, "{runs:?} {as_of}");
            assert_eq!(watch.unwatched_s, expected.iter().map(WatchGap::seconds).sum::<i64>());
            let notice = not_watched(&watch, period, at(as_of));
            assert_eq!(notice.is_some(), !expected.is_empty() && watch.since < at(as_of), "{runs:?}");
        }
        assert_eq!(coverage(&[], period, at(1100)), None);
        let first = coverage(&ran(&[[1010, 1020], [5, 6]]), period, at(1100)).unwrap();
        assert_eq!(first.since, at(5));
    }

    #[test]
    fn of_very_many_gaps_the_longest_are_listed() {
        let runs: Vec<[i64; 2]> = (0..500).map(|day| [day * 100, day * 100 + if day == 7 { 40 } else { 80 }]).collect();
        let period = Period { from: at(0), to: at(50_000) };
        let watch = coverage(&ran(&runs), period, at(50_000)).unwrap();
        assert_eq!((watch.gaps.len(), watch.gaps_omitted, watch.unwatched_s), (100, 400, (500 * 20 + 40) * 60));
        assert!(watch.gaps.is_sorted() && watch.gaps.contains(&WatchGap { from: at(740), to: at(800) }));
        let notice = not_watched(&watch, period, at(50_000)).unwrap().text;
        assert!(
            notice.contains("(500 intervals, the longest from 1970-01-01T12:20:00Z to 1970-01-01T13:20:00Z)"),
            "{notice}"
        );
    }
}
