//! What the report rests on: what was read, of which days, what is missing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, SecondsFormat, Utc};

use super::{
    Block, Cell, Grid, GridRow, Legend, ROWS_SHOWN, Section, Span, Table, head, id, none, numeric, raw, text, time,
    timeline, words, yes_no,
};
use crate::contract::integrity::Verification;
use crate::report::assurance::{self, GapKind};
use crate::report::format::{self, NONE};
use crate::report::{ArchiveIntegrity, Coverage, Gap, Report, StoredIntegrity, WatchCoverage, WatchGap};

/// How many rows the grid of days has: those with the most days missing come first.
const GRID_ROWS: usize = 40;
/// Longer periods are shown by week.
const MOST_DAYS: usize = 124;

pub(super) fn section(report: &Report) -> Section<'static> {
    let c = &report.coverage;
    let row = |name: &str, value: String| vec![words(name), words(value)];
    let at = |t: Option<DateTime<Utc>>| vec![t.map_or_else(none, time)];
    let mut blocks = vec![Block::Table(Table {
        caption: "What was read: listed = read + failed + deliberately skipped (not CloudTrail logs)".to_owned(),
        heads: vec![head("What"), numeric("Value")],
        rows: vec![
            row("complete", complete(report)),
            row("objects listed", format::count(c.objects_listed)),
            row("objects read", format::count(c.objects_read)),
            row("objects failed", format::count(c.objects_failed)),
            row("objects deliberately skipped", format::count(c.objects_skipped)),
            row("records", format::count(c.records)),
            row("bytes as stored", format::bytes(c.bytes_compressed)),
            row("bytes of JSON", format::bytes(c.bytes_raw)),
            vec![words("first record"), at(c.first_record)],
            vec![words("last record"), at(c.last_record)],
        ]
        .into(),
        more: None,
        sortable: false,
    })];
    blocks.extend(weakened(report));
    if !c.days.is_empty() {
        blocks.push(Block::Grid(grid(report)));
        blocks.push(Block::Table(days(c)));
    }
    blocks.extend(gaps(report));
    blocks.extend(conflicts(c));
    blocks.push(failures(c));
    blocks.push(integrity(c));
    blocks.extend(super::integrity::blocks(report));
    blocks.extend(report.watch.iter().flat_map(watch));
    Section { id: "evidence", title: "Evidence", blocks }
}

/// Whether the evidence is complete, and where only the objects are, what was not seen.
fn complete(report: &Report) -> String {
    match assurance::doubts(report).filter(|_| report.coverage.complete) {
        Some(doubts) => format!("every listed object was read, but not everything was seen: {doubts}"),
        None => yes_no(report.coverage.complete).to_owned(),
    }
}

fn days(coverage: &Coverage) -> Table<'static> {
    let mut by_region: BTreeMap<(&str, &str), (BTreeSet<&str>, u64, u64)> = BTreeMap::new();
    for day in &coverage.days {
        let (days, objects, records) = by_region.entry((&day.account, &day.region)).or_default();
        days.insert(&day.day);
        *objects += day.objects;
        *records += day.records;
    }
    let all = by_region.len();
    let rows = by_region
        .iter()
        .take(ROWS_SHOWN)
        .map(|((account, region), (days, objects, records))| {
            vec![
                vec![raw(account)],
                vec![raw(region)],
                words(format::size(days.len())),
                vec![days.first().map_or_else(none, |day| raw(day))],
                vec![days.last().map_or_else(none, |day| raw(day))],
                words(format::count(*objects)),
                words(format::count(*records)),
            ]
        })
        .collect();
    Table {
        caption: "By account and region; each day is in report.json".to_owned(),
        heads: vec![
            head("Account"),
            head("Region"),
            numeric("Days with objects"),
            head("First day"),
            head("Last day"),
            numeric("Objects"),
            numeric("Records"),
        ],
        rows,
        more: (all > ROWS_SHOWN).then(|| format!("… and {} more in report.json", format::size(all - ROWS_SHOWN))),
        sortable: false,
    }
}

/// What stopped or weakened a trail: before and apart from quiet intervals.
fn weakened(report: &Report) -> Vec<Block<'static>> {
    let kinds = [
        (GapKind::Stopped, "Logging was stopped: what happened meanwhile is missing"),
        (GapKind::Changed, "Trails were changed: events may be missing since"),
        (GapKind::IamRegion, "The region that holds IAM's events was not read: MFA changes could not be seen"),
    ];
    let blocks: Vec<Block> =
        kinds.iter().filter_map(|(kind, caption)| listed(&report.coverage, *kind, caption)).collect();
    if blocks.is_empty() {
        return vec![Block::Paragraph(words(assurance::sentence(
            report,
            "No trail was stopped or changed in the period.",
            "What was read shows no trail that was stopped or changed in the period.",
        )))];
    }
    blocks
}

fn gaps(report: &Report) -> Vec<Block<'static>> {
    let kinds = [
        (GapKind::Digests, "Intervals without proof by digests"),
        (GapKind::Quiet, "Quiet intervals: days without objects in an account and region that has some"),
    ];
    let blocks: Vec<Block> =
        kinds.iter().filter_map(|(kind, caption)| listed(&report.coverage, *kind, caption)).collect();
    if !blocks.is_empty() {
        return blocks;
    }
    vec![Block::Paragraph(words(if report.coverage.days.is_empty() {
        "Whether days are missing is unknown: object names do not show their day.".to_owned()
    } else {
        let bare = "Every account and region that was read has objects of every day.";
        assurance::sentence(report, "No gap was found.", bare)
    }))]
}

/// The intervals of one kind.
fn listed(coverage: &Coverage, kind: GapKind, caption: &str) -> Option<Block<'static>> {
    let gaps: Vec<&Gap> = kind.all(coverage).collect();
    let rows = gaps
        .iter()
        .take(ROWS_SHOWN)
        .map(|gap| {
            vec![
                vec![raw(&gap.cause)],
                vec![raw(&gap.account)],
                vec![gap.region.as_deref().map_or_else(|| text("all"), raw)],
                vec![time(gap.from)],
                vec![time(gap.to)],
                vec![gap.event_id.as_deref().map_or_else(none, id)],
            ]
        })
        .collect();
    let left_out = gaps.len().saturating_sub(ROWS_SHOWN);
    (!gaps.is_empty()).then(|| {
        Block::Table(Table {
            caption: caption.to_owned(),
            heads: ["Cause", "Account", "Region", "From", "To", "Event id"].map(head).into(),
            rows,
            more: (left_out > 0).then(|| format!("… and {} more in report.json", format::size(left_out))),
            sortable: false,
        })
    })
}

/// When a watch ran, and when none did.
fn watch(watch: &WatchCoverage) -> Vec<Block<'static>> {
    let WatchCoverage { since, unwatched_s, gaps, gaps_omitted } = watch;
    let mut said = vec![text("A watch of this store (mfatrail watch) was first started at "), time(*since)];
    if gaps.is_empty() {
        said.push(text(", and ran during all of the period, as far as it is measured."));
        return vec![Block::Paragraph(said)];
    }
    said.extend([text(". In the period it did not run for "), Span::Duration(*unwatched_s as f64), text(".")]);
    let row =
        |gap: &WatchGap| vec![vec![time(gap.from)], vec![time(gap.to)], vec![Span::Duration(gap.seconds() as f64)]];
    let table = Table {
        caption: "Not watched: what happened then was alerted late, if at all".to_owned(),
        heads: vec![head("From"), head("To"), numeric("Duration")],
        rows: gaps.iter().map(row).collect(),
        more: (*gaps_omitted > 0).then(|| format!("… and {} shorter ones", format::count(*gaps_omitted))),
        sortable: false,
    };
    vec![Block::Paragraph(said), Block::Table(table)]
}

fn conflicts(coverage: &Coverage) -> Option<Block<'static>> {
    let rows: Vec<_> = coverage
        .conflicts
        .iter()
        .take(ROWS_SHOWN)
        .map(|conflict| {
            let objects = |of: &[String]| of.iter().flat_map(|object| [raw(object), text(" ")]).collect();
            vec![
                vec![id(&conflict.event_id)],
                vec![raw(&conflict.account)],
                objects(&conflict.objects),
                objects(&conflict.kept),
            ]
        })
        .collect();
    let left_out = coverage.conflicts.len().saturating_sub(ROWS_SHOWN);
    (!rows.is_empty()).then(|| {
        Block::Table(Table {
            caption: "Conflicts: records of one event with different contents".to_owned(),
            heads: ["Event id", "Account", "Objects", "Whose record counts"].map(head).into(),
            rows: rows.into(),
            more: (left_out > 0).then(|| format!("… and {} more in report.json", format::size(left_out))),
            sortable: false,
        })
    })
}

fn failures(coverage: &Coverage) -> Block<'static> {
    if coverage.failures.is_empty() {
        return Block::Paragraph(words(if coverage.objects_read > 0 && coverage.objects_failed == 0 {
            "Every object that was tried could be read."
        } else {
            "No object is named that could not be read; see the counts above."
        }));
    }
    let left_out = coverage.failures.len().saturating_sub(ROWS_SHOWN);
    Block::Table(Table {
        caption: "What could not be read".to_owned(),
        heads: vec![head("Object"), head("Error")],
        rows: coverage
            .failures
            .iter()
            .take(ROWS_SHOWN)
            .map(|failure| vec![vec![raw(&failure.object)], vec![raw(&failure.error)]])
            .collect(),
        more: (left_out > 0).then(|| format!("… and {} more in report.json", format::size(left_out))),
        sortable: false,
    })
}

fn integrity(coverage: &Coverage) -> Block<'static> {
    let Some(integrity) = &coverage.integrity else {
        return Block::Paragraph(words(
            "Integrity: not verified. No digest files were checked; mfatrail verify, or report --verify, checks them.",
        ));
    };
    let rows = match integrity {
        ArchiveIntegrity::Verified(outcome) => verified(outcome),
        ArchiveIntegrity::Stored(objects) => stored(objects),
    };
    Block::Table(Table {
        caption: integrity_caption(coverage).to_owned(),
        heads: vec![head("What"), head("Value")],
        rows: rows.into_iter().map(|(name, value)| vec![vec![raw(name)], vec![raw(&value)]]).collect(),
        more: None,
        sortable: false,
    })
}

/// The fields of `coverage.integrity`, as it has them.
type Rows = Vec<(&'static str, String)>;

fn verified(outcome: &Verification) -> Rows {
    let Verification { digests, digests_proven, logs, trails, hours, counts, findings, .. } = outcome;
    let time = |time: Option<DateTime<Utc>>| {
        time.map_or_else(|| NONE.to_owned(), |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    };
    let counts: Vec<String> = counts.iter().map(|(code, count)| format!("{code} {count}")).collect();
    vec![
        ("counts", if counts.is_empty() { NONE.to_owned() } else { counts.join(", ") }),
        ("digests", digests.to_string()),
        ("digests_proven", digests_proven.to_string()),
        ("findings", elsewhere(findings)),
        ("from", time(outcome.from)),
        ("hours", elsewhere(hours)),
        ("logs", format!("bytes {}, named {}, verified {}", logs.bytes, logs.named, logs.verified)),
        ("proven_until", time(outcome.proven_until)),
        ("to", time(outcome.to)),
        ("trails", elsewhere(trails)),
        ("whole", outcome.whole.to_string()),
    ]
}

fn stored(objects: &StoredIntegrity) -> Rows {
    let StoredIntegrity { verified, unsigned, failed, unknown, disproved } = objects;
    let logs = format!("failed {failed}, named {NONE}, not_asked {unknown}, unsigned {unsigned}, verified {verified}");
    let none = || NONE.to_owned();
    vec![
        ("digests", none()),
        ("digests_proven", none()),
        ("findings", none()),
        ("hours", none()),
        ("logs", logs),
        ("source", "store".to_owned()),
        ("trails", none()),
        ("whole", if *disproved { false.to_string() } else { none() }),
    ]
}

fn elsewhere<T>(list: &[T]) -> String {
    format!("{} in report.json", format::size(list.len()))
}

/// Says the outcome, where there is one: that something was checked is not yet that it held.
fn integrity_caption(coverage: &Coverage) -> &'static str {
    match assurance::proven(coverage) {
        Some(true) => "Integrity by CloudTrail's digest files: verified",
        Some(false) => "Integrity by CloudTrail's digest files: COULD NOT BE VERIFIED",
        None => "Integrity by CloudTrail's digest files: partly known",
    }
}

/// Days by account and region: of which there is evidence, and how much.
fn grid(report: &Report) -> Grid {
    let coverage = &report.coverage;
    let end = report.period.to.min(report.as_of).max(report.period.from);
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let days: Vec<NaiveDate> =
        report.period.from.date_naive().iter_days().take_while(|day| midnight(*day) < end).collect();
    let step = if days.len() > MOST_DAYS { 7 } else { 1 };
    let mut read: BTreeMap<(&str, &str), BTreeMap<NaiveDate, u64>> = BTreeMap::new();
    for day in &coverage.days {
        if let Ok(date) = day.day.parse::<NaiveDate>() {
            *read.entry((&day.account, &day.region)).or_default().entry(date).or_default() += day.records;
        }
    }
    // An account whose IAM region was not read has no row of its own for it.
    for gap in GapKind::IamRegion.all(coverage) {
        if let Some(region) = &gap.region {
            read.entry((&gap.account, region)).or_default();
        }
    }
    let width = 100.0 / days.len().div_ceil(step).max(1) as f64;
    let mut rows: Vec<(usize, GridRow)> = read
        .iter()
        .map(|((account, region), by_day)| {
            let most = by_day.values().copied().max().unwrap_or(0);
            let stopped = |day: NaiveDate, last: NaiveDate| {
                let next = last.checked_add_days(Days::new(1)).unwrap_or(last);
                GapKind::Stopped
                    .all(coverage)
                    .any(|gap| gap.account == *account && gap.from < midnight(next) && gap.to > midnight(day))
            };
            let mut missing = 0;
            let cells = days
                .chunks(step)
                .enumerate()
                .filter_map(|(i, chunk)| {
                    let (first, last) = (*chunk.first()?, *chunk.last()?);
                    let records: u64 = chunk.iter().filter_map(|day| by_day.get(day)).sum();
                    let without = chunk.iter().filter(|day| !by_day.contains_key(day)).count();
                    missing += without;
                    let level = match () {
                        () if stopped(first, last) => "stopped",
                        () if without == chunk.len() => "none",
                        () if records * 3 < most => "some",
                        () if records * 3 < most * 2 => "more",
                        () => "much",
                    };
                    let what = match level {
                        "stopped" => "logging was stopped".to_owned(),
                        "none" => "no object".to_owned(),
                        _ => format::plural(records, "record", "records"),
                    };
                    let when = if first == last { first.to_string() } else { format!("{first} to {last}") };
                    Some(Cell { at: i as f64 * width, width, level, title: format!("{when}: {what}") })
                })
                .collect();
            let label = format!(
                "{account} {region}: objects of {} of {}",
                format::size(days.len() - missing),
                format::plural(days.len(), "day", "days")
            );
            (missing, GridRow { account: (*account).to_owned(), region: (*region).to_owned(), label, cells })
        })
        .collect();
    let all = rows.len();
    if all > GRID_ROWS {
        rows.sort_by_key(|(missing, _)| std::cmp::Reverse(*missing));
        rows.truncate(GRID_ROWS);
    }
    Grid {
        caption: format!("Evidence by {} of delivery, account and region", if step == 1 { "day" } else { "week" }),
        legend: vec![
            Legend { level: "some", text: "few records" },
            Legend { level: "much", text: "many (of the row)" },
            Legend { level: "none", text: "no object" },
            Legend { level: "stopped", text: "logging was stopped" },
        ],
        ticks: timeline::ticks(report.period.from, end),
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        more: (all > GRID_ROWS).then(|| {
            format!("… and {} more with fewer days missing; each day is in report.json", format::size(all - GRID_ROWS))
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::fixture;

    /// A value as a cell: lists are counted, fields follow each other.
    fn cell(value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Null => NONE.to_owned(),
            Value::Array(elements) => elsewhere(elements),
            Value::Object(fields) if fields.is_empty() => NONE.to_owned(),
            Value::Object(fields) => {
                let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key} {}", cell(value))).collect();
                fields.join(", ")
            }
            other => other.to_string(),
        }
    }

    #[test]
    fn the_table_has_every_field_of_the_contract_as_it_stands_there() {
        let counted = StoredIntegrity { verified: 5, unsigned: 4, failed: 3, unknown: 2, disproved: false };
        let disproved = StoredIntegrity { disproved: true, ..counted };
        let open = Verification { from: None, proven_until: None, counts: BTreeMap::new(), ..fixture::verification() };
        for (integrity, rows) in [
            (ArchiveIntegrity::Stored(counted), stored(&counted)),
            (ArchiveIntegrity::Stored(disproved), stored(&disproved)),
            (ArchiveIntegrity::Verified(fixture::verification()), verified(&fixture::verification())),
            (ArchiveIntegrity::Verified(open.clone()), verified(&open)),
        ] {
            let Value::Object(fields) = serde_json::to_value(&integrity).expect("JSON") else {
                panic!("an object");
            };
            let rows: Vec<(String, String)> = rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let fields: Vec<(String, String)> =
                fields.iter().map(|(name, value)| (name.clone(), cell(value))).collect();
            assert_eq!(rows, fields);
        }
    }
}
