//! The first screen: what to know before anything else, the answer in words, the headline figures.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveTime, Utc};

use super::{Alert, Card, Line, Span, figures, lasting, raw, text, time};
use crate::report::format::{self, NONE};
use crate::report::{
    Coverage, KindFigures, MfaCoverage, Period, Report, Stat, TrendPeriod, TrendSource, Window, WindowKind,
};

/// What the report rests on is not whole.
fn incomplete(coverage: &Coverage) -> Option<String> {
    if coverage.complete || (coverage.objects_failed == 0 && !coverage.conflicts.is_empty()) {
        return None;
    }
    Some(if coverage.objects_read == 0 && coverage.objects_failed == 0 {
        "Nothing at all was read: every figure below is a figure of nothing.".to_owned()
    } else {
        format!(
            "{} of {} objects could not be read. What they hold is in none of the figures: events, windows and \
             detections may be missing, and durations may be wrong.",
            format::count(coverage.objects_failed),
            format::count(coverage.objects_listed),
        )
    })
}

/// That so many events have records that contradict each other.
pub(in crate::report) fn contested(events: usize) -> String {
    let verb = if events == 1 { "has" } else { "have" };
    format!("{} {verb} records with different contents under one id", format::plural(events, "event", "events"))
}

/// The accounts whose IAM events were not seen, because their region is missing from what was read.
pub(in crate::report) fn blind_accounts(coverage: &Coverage) -> BTreeSet<&str> {
    coverage.gaps.iter().filter(|gap| gap.cause == "iam_region_not_read").map(|gap| gap.account.as_str()).collect()
}

pub(super) fn alerts(report: &Report) -> Vec<Alert> {
    let mut alerts = Vec::new();
    if let Some(sentence) = incomplete(&report.coverage) {
        alerts.push(Alert { title: "Incomplete evidence", text: vec![text(sentence)] });
    }
    if !report.coverage.conflicts.is_empty() {
        alerts.push(Alert {
            title: "Contradictory evidence",
            text: vec![
                text(format!(
                    "{}. CloudTrail writes an event the same everywhere, so somebody else wrote to this archive: see ",
                    contested(report.coverage.conflicts.len())
                )),
                Span::Link("evidence".to_owned(), "Evidence".to_owned()),
                text("."),
            ],
        });
    }
    let blind = blind_accounts(&report.coverage);
    if !blind.is_empty() {
        let mut line = vec![text(
            "The region that holds IAM's events is missing from what was read, so MFA changes could not be seen. \
             No window there does not mean no exposure. Accounts: ",
        )];
        for (i, account) in blind.iter().enumerate() {
            if i > 0 {
                line.push(text(", "));
            }
            line.push(raw(account));
        }
        alerts.push(Alert { title: "This report cannot see IAM", text: line });
    }
    if report.as_of < report.period.to {
        alerts.push(Alert {
            title: "The end of the period is missing",
            text: vec![
                text("Nothing after "),
                time(report.as_of),
                text(" is considered: the figures are of a part of the period, and are not compared with those of a whole one."),
            ],
        });
    }
    let other = report.coverage.gaps.iter().filter(|gap| gap.cause != "iam_region_not_read").count();
    if other > 0 {
        alerts.push(Alert {
            title: "Gaps in the evidence",
            text: vec![
                text(format!(
                    "{} in which there is no object, or the trail was changed: see ",
                    format::plural(other, "interval", "intervals")
                )),
                Span::Link("evidence".to_owned(), "Evidence".to_owned()),
                text("."),
            ],
        });
    }
    alerts
}

pub(super) fn identity(report: &Report) -> Vec<(&'static str, Line)> {
    let mut identity = vec![
        ("Period", vec![time(report.period.from), text(" to "), time(report.period.to), text(" (half-open, UTC)")]),
        ("Measured up to", vec![time(report.as_of)]),
        ("Accounts", vec![text(accounts_line(report))]),
        ("Made by", vec![text(format!("mfatrail {}, ", report.tool.version)), time(report.generated_at)]),
    ];
    if report.redacted {
        identity.push(("Redacted", vec![text("names, addresses and account ids are pseudonyms")]));
    }
    identity
}

fn accounts_line(report: &Report) -> String {
    let accounts: BTreeSet<&str> = report.coverage.days.iter().map(|day| day.account.as_str()).collect();
    let regions: BTreeSet<&str> = report.coverage.days.iter().map(|day| day.region.as_str()).collect();
    if accounts.is_empty() {
        return "not told by the names of the objects read".to_owned();
    }
    format!(
        "{} in {}",
        format::plural(accounts.len(), "account", "accounts"),
        format::plural(regions.len(), "region", "regions")
    )
}

/// The windows that are open at `as_of`, the longest open first.
pub(in crate::report) fn still_open(report: &Report) -> Vec<(usize, &Window)> {
    let mut open: Vec<_> = report.windows.iter().enumerate().filter(|(_, w)| w.is_open()).collect();
    open.sort_by_key(|(i, w)| (w.proven_from(), *i));
    open
}

/// The report in a few sentences, worst first.
pub(super) fn answer(report: &Report) -> Vec<Line> {
    let figures = &report.figures.iam;
    let counts = &figures.deactivations;
    let open = still_open(report);
    let mut first = match open.as_slice() {
        [] => vec![Span::Strong("Nobody is known to be without MFA".to_owned()), text(" at "), time(report.as_of)],
        [(_, longest), ..] => {
            let who = format::plural(open.len(), "principal is", "principals are");
            vec![
                Span::Strong(format!("{who} still without MFA")),
                text(" at "),
                time(report.as_of),
                text(", the longest for "),
                lasting(longest.duration_s),
            ]
        }
    };
    first.push(text("."));
    let mut second = if counts.opened_window == 0 {
        vec![text("No deactivation left anybody without MFA in the period.")]
    } else {
        let all = format::plural(counts.opened_window, "deactivation", "deactivations");
        vec![
            text(format!("Of {all} that left somebody without MFA, ")),
            Span::Strong(format!(
                "{} {} not legitimate",
                count_or_none(counts.not_legitimate),
                was(counts.not_legitimate)
            )),
            text(format!(
                "; {} of all {} noticed by nobody.",
                count_or_none(figures.mttd.undetected),
                was(figures.mttd.undetected)
            )),
        ]
    };
    if let Some(takeovers) = Some(counts.by_class.suspected_takeover).filter(|n| *n > 0) {
        second.push(text(" "));
        second.push(Span::Strong(format!(
            "{} {} like an account takeover.",
            format::size(takeovers),
            if takeovers == 1 { "looks" } else { "look" }
        )));
    }
    if !report.coverage.complete {
        second.push(text(" These are figures from incomplete evidence."));
    }
    vec![first, second]
}

fn count_or_none(n: usize) -> String {
    if n == 0 { "none".to_owned() } else { format::size(n) }
}

fn was(n: usize) -> &'static str {
    if n == 1 { "was" } else { "were" }
}

/// What a change is told between.
struct Change<'a> {
    /// The last month of a report of several, whose own figure the card does not show.
    month: Option<Period>,
    now: &'a KindFigures,
    then: &'a TrendPeriod,
    /// Why a difference would say nothing.
    not_comparable: Option<String>,
}

/// All of a report against the earlier report before it, or the last of its whole months against the one before.
fn change(report: &Report) -> Option<Change<'_>> {
    let (own, earlier): (Vec<&TrendPeriod>, Vec<&TrendPeriod>) =
        report.trend.iter().partition(|part| part.source == TrendSource::ThisReport);
    if !own.is_empty() {
        let whole = |part: &&TrendPeriod| !part.is_partial() && !figures::unseen(report, part.period);
        let whole: Vec<&TrendPeriod> = own.into_iter().filter(whole).collect();
        let [.., then, last] = whole.as_slice() else { return None };
        return Some(Change { month: Some(last.period), now: &last.figures, then, not_comparable: None });
    }
    let then = *earlier.last()?;
    let not_comparable = if report.as_of < report.period.to {
        Some(format!("this period is partial: to {}", format::day(report.as_of)))
    } else if then.is_partial() {
        Some(format!("that is partial: to {}", format::day(then.measured_to)))
    } else {
        (!alike(report.period, then.period)).then(|| "a period of another length".to_owned())
    };
    Some(Change { month: None, now: &report.figures.iam, then, not_comparable })
}

/// Whether two periods are as long as each other: by the clock, or in calendar months.
fn alike(one: Period, other: Period) -> bool {
    let months = |period: Period| {
        let starts_month = |at: DateTime<Utc>| at.day() == 1 && at.time() == NaiveTime::MIN;
        let number = |at: DateTime<Utc>| i64::from(at.year()) * 12 + i64::from(at.month());
        (starts_month(period.from) && starts_month(period.to)).then(|| number(period.to) - number(period.from))
    };
    one.to - one.from == other.to - other.from || (months(one).is_some() && months(one) == months(other))
}

pub(super) fn cards(report: &Report) -> Vec<Card> {
    let figures = &report.figures.iam;
    let open = still_open(report);
    let removed = open.iter().filter(|(_, window)| window.kind == WindowKind::Removed).count();
    let counts = figures.deactivations;
    let caveat = (!report.coverage.complete).then(|| "from incomplete evidence".to_owned());
    let with = |notes: Vec<String>| notes.into_iter().chain(caveat.clone()).collect::<Vec<_>>();
    let change = change(report);
    let count_change = |read: fn(&KindFigures) -> usize| {
        Some(since(change.as_ref()?, |figures| Some(read(figures) as f64), |n| format::size(n as usize)))
    };
    let mean_change = |read: fn(&KindFigures) -> Stat| {
        Some(since(
            change.as_ref()?,
            |figures| read(figures).mean_s,
            |s| format::duration(s).unwrap_or_else(|| NONE.to_owned()),
        ))
    };
    let coverage = report.figures.mfa_coverage;
    let (covered, console) = coverage.map_or((None, None), |c| (c.console_users_with_mfa, c.console_users));
    let share = covered.zip(console).and_then(|(part, whole)| format::percent(part, whole));
    vec![
        Card {
            label: "Still without MFA",
            section: "open-windows",
            value: format::size(open.len()),
            bad: Some(!open.is_empty()),
            beside: Vec::new(),
            notes: with(vec![format!(
                "{} removed, {} never enrolled",
                format::size(removed),
                format::size(open.len() - removed)
            )]),
            change: count_change(|figures| figures.exposure.open_at_end)
                .map(|change| format!("open at the end: {change}")),
        },
        Card {
            label: "Not legitimate",
            section: "windows",
            value: format::size(counts.not_legitimate),
            bad: Some(counts.not_legitimate > 0),
            beside: Vec::new(),
            notes: with(vec![format!(
                "of {} that opened a window",
                format::plural(counts.opened_window, "deactivation", "deactivations")
            )]),
            change: count_change(|figures| figures.deactivations.not_legitimate),
        },
        mean_card(
            "Mean time to detect (MTTD)",
            &figures.mttd.stat,
            with(vec![left(figures.mttd.undetected, "undetected", &figures.mttd.stat, "nothing detected")]),
            mean_change(|figures| figures.mttd.stat),
        ),
        mean_card(
            "Mean time to remediate (MTTR)",
            &figures.mttr.stat,
            with(vec![left(figures.mttr.open, "still open", &figures.mttr.stat, "no closed window")]),
            mean_change(|figures| figures.mttr.stat),
        ),
        Card {
            label: "Time without MFA",
            section: "timeline",
            value: format!(
                "{} h",
                format::number(figures.exposure.principal_hours.round()).unwrap_or_else(|| NONE.to_owned())
            ),
            bad: None,
            beside: Vec::new(),
            notes: with(vec![format!(
                "principal-hours by removed devices; {} carried in",
                format::size(figures.exposure.carried_in)
            )]),
            change: change.as_ref().map(|change| {
                let hours = |figures: &KindFigures| Some(figures.exposure.principal_hours);
                since(change, hours, |h| format!("{} h", format::number(h.round()).unwrap_or_default()))
            }),
        },
        Card {
            label: "Console users with a device",
            section: "mfa-coverage",
            value: share.unwrap_or_else(|| NONE.to_owned()),
            bad: covered.zip(console).map(|(part, whole)| part < whole),
            beside: Vec::new(),
            notes: vec![match (coverage, covered, console) {
                (Some(coverage), Some(part), Some(whole)) => {
                    let at = coverage
                        .taken_at
                        .map_or_else(|| "at the snapshot".to_owned(), |at| format!("on {}", format::day(at)));
                    format!("{} of {} in IAM {at}", format::size(part), format::size(whole))
                }
                (None, ..) => "no IAM state was given".to_owned(),
                _ => "IAM state does not tell".to_owned(),
            }],
            change: coverage_change(report),
        },
    ]
}

fn mean_card(label: &'static str, stat: &Stat, notes: Vec<String>, change: Option<String>) -> Card {
    let short = |s: Option<f64>| s.and_then(format::duration).unwrap_or_else(|| NONE.to_owned());
    let beside = match stat.n {
        0 => Vec::new(),
        n => vec![
            ("n", format::size(n)),
            ("median", short(stat.median_s)),
            ("p90", short(stat.p90_s)),
            ("max", short(stat.max_s)),
        ],
    };
    Card { label, section: "figures", value: short(stat.mean_s), bad: None, beside, notes, change }
}

fn left(n: usize, what: &str, stat: &Stat, empty: &str) -> String {
    let left = format!("{} {what}", format::size(n));
    if stat.n == 0 { format!("n 0: {empty}; {left}") } else { format!("{left}, not in the mean") }
}

/// Coverage is of moments: the report's own against the last snapshot of the trend before it, or without its own the last two.
fn coverage_change(report: &Report) -> Option<String> {
    let seen = |coverage: MfaCoverage| {
        let share = coverage.console_users_with_mfa.zip(coverage.console_users).filter(|(_, whole)| *whole > 0)?;
        Some((coverage.taken_at?, share, coverage.roots))
    };
    let mut known: Vec<_> = report.trend.iter().filter_map(|part| seen(part.mfa_coverage?)).collect();
    let own = report.figures.mfa_coverage.and_then(seen);
    known.retain(|(at, ..)| own.is_none_or(|(now, ..)| *at < now));
    known.sort_unstable();
    let now = own.or_else(|| known.pop())?;
    // Each account has a root user: another number of them is coverage of other accounts.
    let then = known.last().filter(|then| then.2 == now.2);
    let percent = |(part, whole): (usize, usize)| format::percent(part, whole).unwrap_or_else(|| NONE.to_owned());
    let before = then.map(|&(at, then, _)| {
        // As fractions: a / b against c / d.
        let sign = match (now.1.0 * then.1).cmp(&(then.0 * now.1.1)) {
            Ordering::Less => "▼ from",
            Ordering::Equal => "as",
            Ordering::Greater => "▲ from",
        };
        format!("{sign} {} on {}", percent(then), format::day(at))
    });
    let told = own.is_none().then(|| {
        let (part, whole) = now.1;
        let (part, whole) = (format::size(part), format::size(whole));
        format!("trend: {part} of {whole} ({}) on {}", percent(now.1), format::day(now.0))
    });
    let told: Vec<String> = told.into_iter().chain(before).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// `▼ from 8 in September 2026`; of a report of several months `October 2026: 5, ▼ from 8 in September 2026`.
fn since(change: &Change<'_>, read: impl Fn(&KindFigures) -> Option<f64>, show: impl Fn(f64) -> String) -> String {
    let (now, then) = (read(change.now), read(&change.then.figures));
    let period = format::period(change.then.period);
    if let Some(why) = &change.not_comparable {
        let then = then.map_or_else(|| "none".to_owned(), show);
        return format!("{then} in {period}; {why}");
    }
    let told = match (now, then) {
        (Some(now), Some(then)) if now == then => format!("as in {period}"),
        (Some(now), Some(then)) => {
            let arrow = if now > then { "▲" } else { "▼" };
            format!("{arrow} from {} in {period}", show(then))
        }
        (None, Some(then)) => format!("{} in {period}", show(then)),
        (_, None) => format!("none in {period}"),
    };
    match change.month {
        Some(month) => {
            let own = now.map_or_else(|| "none".to_owned(), show);
            format!("{}: {own}, {told}", format::period(month))
        }
        None => told,
    }
}
