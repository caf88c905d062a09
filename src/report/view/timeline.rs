//! The timeline: one lane per principal, its windows as bars, in per cent of the period.
//!
//! A bar's color and the shape at its beginning both tell the class, so that neither color vision nor ink is needed. A
//! window that is open runs off the edge; the left edge of one whose beginning is not known stays open. There is room for some dozens of lanes: those that are open, not legitimate
//! and long come first, the others are in the table.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::windows::no_window;
use super::{Block, Line, Section, Tick, key, principal, window_id, words};
use crate::report::format;
use crate::report::{Period, Principal, Report, Window};

/// How many lanes are drawn.
const LANES: usize = 40;
/// How many windows one lane draws.
const BARS: usize = 60;

pub(in crate::report) struct Timeline {
    pub(in crate::report) caption: String,
    pub(in crate::report) ticks: Vec<Tick>,
    pub(in crate::report) lanes: Vec<Lane>,
    pub(in crate::report) more: Option<String>,
}

pub(in crate::report) struct Lane {
    pub(in crate::report) who: Line,
    pub(in crate::report) account: String,
    /// The story of its first window.
    pub(in crate::report) target: String,
    /// What the lane shows, in words.
    pub(in crate::report) label: String,
    pub(in crate::report) bars: Vec<Bar>,
}

/// One window.
pub(in crate::report) struct Bar {
    pub(in crate::report) key: &'static str,
    pub(in crate::report) at: f64,
    pub(in crate::report) width: f64,
    /// It was open before: before the period, or before the moment from which it is proven.
    pub(in crate::report) before: bool,
    /// It runs off the edge: `open` at the end of what was measured, or closed `later`.
    pub(in crate::report) beyond: Option<&'static str>,
    /// The mark at its end, where it ends in the picture: `closed`, or `unseen` where no event shows when.
    pub(in crate::report) end: &'static str,
    pub(in crate::report) detected: Option<f64>,
    pub(in crate::report) title: String,
}

pub(super) fn section(report: &Report) -> Section<'static> {
    let blocks = if report.windows.is_empty() {
        vec![Block::Paragraph(words(no_window(report)))]
    } else {
        vec![Block::Timeline(timeline(report))]
    };
    Section { id: "timeline", title: "Exposure windows", blocks }
}

fn timeline(report: &Report) -> Timeline {
    let shown = Period { from: report.period.from, to: report.period.to.min(report.as_of).max(report.period.from) };
    let mut lanes: BTreeMap<(&str, &Principal), Vec<(usize, &Window)>> = BTreeMap::new();
    for (i, window) in report.windows.iter().enumerate() {
        lanes.entry((&window.account, &window.principal)).or_default().push((i, window));
    }
    let all = lanes.len();
    let mut lanes: Vec<_> = lanes.into_values().collect();
    // What matters first; the order of the drawing is by account and opening again.
    lanes.sort_by_key(|windows| {
        let open = windows.iter().any(|(_, w)| w.is_open());
        let suspect = windows.iter().any(|(_, w)| w.legitimate == Some(false));
        let lasting: i64 = windows.iter().map(|(_, w)| w.duration_s).sum();
        (!open, !suspect, -lasting)
    });
    lanes.truncate(LANES);
    lanes.sort_by_key(|windows| windows.first().map(|(i, w)| (&w.account, *i)));
    Timeline {
        caption: format!(
            "{} of {}, {}",
            format::plural(report.windows.len(), "window", "windows"),
            format::plural(all, "principal", "principals"),
            format::period(report.period)
        ),
        ticks: ticks(shown.from, shown.to),
        lanes: lanes.into_iter().filter_map(|windows| lane(&windows, shown, report.as_of)).collect(),
        more: (all > LANES).then(|| {
            format!(
                "… and {}, in the table of windows: shown are the open, the not legitimate and the longest",
                format::plural(all - LANES, "more principal", "more principals")
            )
        }),
    }
}

fn lane(windows: &[(usize, &Window)], shown: Period, as_of: DateTime<Utc>) -> Option<Lane> {
    let (first, window) = windows.first()?;
    let titles: Vec<String> = windows.iter().map(|(i, w)| title(*i, w, as_of)).collect();
    Some(Lane {
        who: principal(&window.principal),
        account: window.account.clone(),
        target: window_id(*first),
        label: titles.join("; "),
        bars: windows.iter().zip(&titles).take(BARS).map(|((_, w), title)| bar(w, title, shown, as_of)).collect(),
    })
}

fn title(i: usize, w: &Window, as_of: DateTime<Utc>) -> String {
    let lasted = format::duration(w.duration_s as f64).unwrap_or_default();
    let end = match (w.closed_at, w.is_open()) {
        (Some(at), _) => format!("to {}", format::time(at)),
        (None, true) => format!("still open at {}", format::time(as_of)),
        (None, false) => format!("ended at an unknown date after {}", format::time(w.proven_to())),
    };
    let since = if w.opened_at.is_some() { "" } else { "before " };
    let noticed = match &w.detection {
        Some(detection) => {
            format!(", detected after {}", format::duration(detection.time_to_detect_s as f64).unwrap_or_default())
        }
        None => String::new(),
    };
    let class = key(w).replace('_', " ");
    format!("#{} {class}: {since}{} {end}, {lasted}{noticed}", i + 1, format::time(w.proven_from()))
}

fn bar(w: &Window, title: &str, shown: Period, as_of: DateTime<Utc>) -> Bar {
    let at = share(w.proven_from(), shown);
    let end = if w.is_open() { as_of } else { w.closed_at.unwrap_or_else(|| w.proven_to()) };
    let beyond = match () {
        () if w.is_open() => Some("open"),
        () if end > shown.to => Some("later"),
        () => None,
    };
    let until = if beyond.is_some() { 100.0 } else { share(end, shown) };
    Bar {
        key: key(w),
        at,
        width: (until - at).max(0.0),
        before: w.proven_from() < shown.from || w.opened_at.is_none(),
        beyond,
        end: if w.closed_at.is_some() { "closed" } else { "unseen" },
        detected: w.detection.as_ref().filter(|d| d.at < shown.to).map(|d| share(d.at, shown)),
        title: title.to_owned(),
    }
}

/// Where a moment lies in a period, in per cent of it.
fn share(at: DateTime<Utc>, shown: Period) -> f64 {
    let whole = (shown.to - shown.from).num_seconds().max(1) as f64;
    ((at - shown.from).num_seconds() as f64 / whole * 100.0).clamp(0.0, 100.0)
}

/// Marks of an axis: days, weeks or months, about a handful.
pub(super) fn ticks(from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Tick> {
    let shown = Period { from, to };
    let days = (to - from).num_days();
    let mut ticks = Vec::new();
    let mut add = |at: DateTime<Utc>, label: String| {
        if from <= at && at < to {
            ticks.push(Tick { at: share(at, shown), label });
        }
    };
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    match days {
        ..=1 => {
            for hours in [0, 6, 12, 18] {
                let at = from + TimeDelta::hours(hours);
                add(at, at.format("%H:%M").to_string());
            }
        }
        2..=92 => {
            let step = usize::try_from((days + 5) / 6).unwrap_or(1).max(1);
            for day in from.date_naive().iter_days().step_by(step).take(8) {
                add(midnight(day), day.format("%-d %b").to_string());
            }
        }
        _ => {
            let step = u32::try_from(days / 366 + 1).unwrap_or(1);
            let first = from.date_naive().with_day(1).unwrap_or_else(|| from.date_naive());
            let mut year = None;
            for i in 0..14 {
                let Some(month) = first.checked_add_months(Months::new(i * step)) else { break };
                if midnight(month) < from {
                    continue;
                }
                // There is no room for the year beside every month.
                let named = year.replace(month.year()) == Some(month.year());
                add(midnight(month), month.format(if named { "%b" } else { "%b %Y" }).to_string());
            }
        }
    }
    ticks
}
