//! What the digests say of every hour: a picture by account and region, and its numbers.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::{Block, Cell, Grid, GridRow, Legend, ROWS_SHOWN, Table, head, numeric, raw, timeline, words};
use crate::contract::integrity::State;
use crate::contract::{ArchiveIntegrity, Period};
use crate::report::Report;
use crate::report::format;

/// How many rows the picture has: those with the least proof come first.
const GRID_ROWS: usize = 40;
/// A picture has at most so many cells in a row: of hours, else of days, else of weeks.
const MOST_CELLS: i64 = 124;

/// A time of one state.
struct Stretch {
    period: Period,
    state: State,
}

/// Stretches by account and region.
type Places<'r> = BTreeMap<(&'r str, &'r str), Vec<Stretch>>;

/// The hours of a verification, where the report has one that tells of hours.
pub(super) fn blocks(report: &Report) -> Vec<Block<'static>> {
    let hours = report.coverage.integrity.as_ref().map_or(&[][..], ArchiveIntegrity::hours);
    let end = report.period.to.min(report.as_of).max(report.period.from);
    let shown = Period { from: report.period.from, to: end };
    let mut places = Places::new();
    for stretch in hours {
        let period = Period { from: stretch.from.max(shown.from), to: stretch.to.min(shown.to) };
        if period.from < period.to {
            let stretches = places.entry((&stretch.account, &stretch.region)).or_default();
            stretches.push(Stretch { period, state: stretch.state });
        }
    }
    if places.is_empty() {
        return Vec::new();
    }
    vec![Block::Grid(grid(&places, shown)), Block::Table(table(&places))]
}

/// Seconds that are proven, unknown and not proven.
fn seconds(stretches: &[Stretch], within: Period) -> [i64; 3] {
    let [mut proven, mut unknown, mut broken] = [0; 3];
    for Stretch { period, state } in stretches {
        let lasting = (period.to.min(within.to) - period.from.max(within.from)).num_seconds();
        let sum = match state {
            State::Proven => &mut proven,
            State::Unknown => &mut unknown,
            State::Broken => &mut broken,
        };
        *sum += lasting.max(0);
    }
    [proven, unknown, broken]
}

/// Whole hours, or the minutes of less than one.
fn hours(seconds: i64) -> String {
    match seconds {
        0 => "0".to_owned(),
        ..3600 => format!("{} min", seconds / 60),
        _ => format::count(u64::try_from(seconds / 3600).unwrap_or(0)),
    }
}

fn table(places: &Places<'_>) -> Table<'static> {
    let all = places.len();
    let rows = places.iter().take(ROWS_SHOWN).map(|((account, region), stretches)| {
        let ever = Period { from: DateTime::<Utc>::MIN_UTC, to: DateTime::<Utc>::MAX_UTC };
        let [proven, unknown, broken] = seconds(stretches, ever).map(hours);
        vec![vec![raw(account)], vec![raw(region)], words(proven), words(broken), words(unknown)]
    });
    Table {
        caption: "Hours of the period by account and region, by CloudTrail's digest files".to_owned(),
        heads: vec![
            head("Account"),
            head("Region"),
            numeric("Proven, quiet ones too"),
            numeric("Not proven"),
            numeric("Unknown: no digest"),
        ],
        rows: rows.collect(),
        more: (all > ROWS_SHOWN).then(|| format!("… and {} more in report.json", format::size(all - ROWS_SHOWN))),
        sortable: false,
    }
}

fn grid(places: &Places<'_>, shown: Period) -> Grid {
    let lasting = shown.to - shown.from;
    let (step, name) = if lasting.num_hours() <= MOST_CELLS {
        (TimeDelta::hours(1), "hour")
    } else if lasting.num_days() <= MOST_CELLS {
        (TimeDelta::days(1), "day")
    } else {
        (TimeDelta::days(7), "week")
    };
    let share = |time: DateTime<Utc>| {
        // Exact: both are far below 2^53 seconds.
        (time - shown.from).num_seconds() as f64 * 100.0 / lasting.num_seconds().max(1) as f64
    };
    let mut rows: Vec<(i64, GridRow)> = Vec::new();
    for ((account, region), stretches) in places {
        let (mut cells, mut from) = (Vec::new(), shown.from);
        while from < shown.to {
            let to = (from + step).min(shown.to);
            let [proven, unknown, broken] = seconds(stretches, Period { from, to });
            let told = (to - from).num_seconds();
            // Of what no stretch tells, nothing is known either.
            let (level, state) = match () {
                () if broken > 0 => ("stopped", "not proven"),
                () if unknown > 0 || proven < told => ("none", "unknown"),
                () => ("much", "proven"),
            };
            let when = from.to_rfc3339_opts(SecondsFormat::Secs, true);
            let title = format!("{name} from {when}: {state}, {} of {} proven", hours(proven), hours(told));
            cells.push(Cell { at: share(from), width: share(to) - share(from), level, title });
            from = to;
        }
        let [proven, unknown, broken] = seconds(stretches, shown);
        let label = format!(
            "{account} {region}: hours proven {}, not proven {}, unknown {}",
            hours(proven),
            hours(broken),
            hours(unknown)
        );
        rows.push((proven, GridRow { account: (*account).to_owned(), region: (*region).to_owned(), label, cells }));
    }
    let all = rows.len();
    if all > GRID_ROWS {
        rows.sort_by_key(|(proven, _)| *proven);
        rows.truncate(GRID_ROWS);
    }
    Grid {
        caption: format!("Proof by {name}, account and region: the worst of each {name}"),
        legend: vec![
            Legend { level: "much", text: "proven, and quiet where there is no log" },
            Legend { level: "none", text: "unknown: no digest" },
            Legend { level: "stopped", text: "not proven" },
        ],
        ticks: timeline::ticks(shown.from, shown.to),
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        more: (all > GRID_ROWS).then(|| format!("… and {} more with more proof", format::size(all - GRID_ROWS))),
    }
}
