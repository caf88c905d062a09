//! The first screen: the answer in words, the worst first; what the evidence lacks; the headline figures.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::{Alert, Card, Line, Span, figures, lasting, principal, raw, text, time, window_link};
use crate::report::assurance::{self, GapKind, blind_accounts};
use crate::report::format::{self, NONE};
use crate::report::{
    Certainty, Class, Coverage, Gap, KindFigures, MfaCoverage, NoticeCode, Period, Report, Stat, TrendPeriod,
    TrendSource, Window, WindowKind,
};

/// How many takeovers, contested approvals and stopped trails the first screen names; the rest is counted.
const NAMED: usize = 3;

/// The rule of a window whose approval decides nothing, because too many signals hold.
const CONTESTED: &str = "approval_contested";

/// What the report rests on is not whole.
fn incomplete(coverage: &Coverage) -> Option<String> {
    if coverage.complete || (coverage.objects_failed == 0 && !coverage.conflicts.is_empty()) {
        return None;
    }
    Some(if coverage.objects_read == 0 && coverage.objects_failed == 0 {
        "Nothing at all was read: every figure below is a figure of nothing.".to_owned()
    } else if coverage.objects_failed == 0 {
        "Part of the evidence is missing: the figures are of what was read. Events, windows and detections may be \
         missing, and durations may be wrong."
            .to_owned()
    } else {
        format!(
            "{} of {} could not be read. What they hold is in none of the figures: events, windows and \
             detections may be missing, and durations may be wrong.",
            format::count(coverage.objects_failed),
            format::plural(coverage.objects_listed, "object", "objects"),
        )
    })
}

/// That so many events have records that contradict each other.
pub(in crate::report) fn conflicting(events: usize) -> String {
    let verb = if events == 1 { "has" } else { "have" };
    format!("{} {verb} records with different contents under one id", format::plural(events, "event", "events"))
}

/// What the evidence lacks: what voids figures first, quiet intervals last.
pub(super) fn alerts(report: &Report) -> Vec<Alert> {
    let mut alerts = Vec::new();
    let coded = |code: NoticeCode| report.notices.iter().find(|notice| notice.code == code);
    if let Some(sentence) = incomplete(&report.coverage) {
        alerts.push(Alert { title: "Incomplete evidence", text: vec![text(sentence)] });
    }
    if !report.coverage.conflicts.is_empty() {
        alerts.push(Alert {
            title: "Contradictory evidence",
            text: vec![
                text(format!(
                    "{}. CloudTrail writes an event the same everywhere, so somebody else wrote to this archive: see ",
                    conflicting(report.coverage.conflicts.len())
                )),
                Span::Link("evidence".to_owned(), "Evidence".to_owned()),
                text("."),
            ],
        });
    }
    if let Some(notice) = coded(NoticeCode::PeriodNotCovered) {
        alerts.push(Alert { title: "No record of the period was read", text: vec![text(&*notice.text)] });
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
    alerts.extend(trail_alert(report, GapKind::Stopped, "Logging was stopped"));
    alerts.extend(trail_alert(report, GapKind::Changed, "A trail was changed"));
    alerts.extend(gap_alert(report, GapKind::Digests, "Intervals without proof", "that digest files do not prove"));
    if let Some(notice) = coded(NoticeCode::AsOfBeyondEvidence) {
        alerts
            .push(Alert { title: "The evidence ends before the moment measured to", text: vec![text(&*notice.text)] });
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
    alerts.extend(gap_alert(report, GapKind::Quiet, "Quiet intervals", "without objects in an account and region"));
    alerts
}

/// Where and when a trail was stopped or changed.
fn trail_alert(report: &Report, kind: GapKind, title: &'static str) -> Option<Alert> {
    let gaps: Vec<&Gap> = kind.all(&report.coverage).collect();
    let mut line = Line::new();
    for gap in gaps.iter().take(NAMED) {
        line.extend([raw(&gap.cause), text(" in account "), raw(&gap.account), text(" at "), time(gap.from)]);
        if gap.to > gap.from {
            line.extend([text(", to "), time(gap.to)]);
        }
        line.push(text("; "));
    }
    let more = gaps.len().checked_sub(NAMED).filter(|n| *n > 0);
    line.extend(more.map(|n| text(format!("{} more; ", format::size(n)))));
    line.extend([text("what happened meanwhile may be missing: see "), evidence(), text(".")]);
    (!gaps.is_empty()).then_some(Alert { title, text: line })
}

fn gap_alert(report: &Report, kind: GapKind, title: &'static str, what: &str) -> Option<Alert> {
    let n = kind.all(&report.coverage).count();
    let count = format!("{} {what}: see ", format::plural(n, "interval", "intervals"));
    (n > 0).then(|| Alert { title, text: vec![text(count), evidence(), text(".")] })
}

fn evidence() -> Span {
    Span::Link("evidence".to_owned(), "Evidence".to_owned())
}

pub(super) fn identity(report: &Report) -> Vec<(&'static str, Line)> {
    let period = vec![time(report.period.from), text(" to "), time(report.period.to), text(" (UTC, end excluded)")];
    let mut identity = vec![
        ("Period", period),
        ("Open windows measured to", vec![time(report.as_of)]),
        ("Accounts", vec![text(accounts_line(report))]),
        ("Generated by", vec![text(format!("mfatrail {} on ", report.tool.version)), time(report.generated_at)]),
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
        return "unknown (object names do not show it)".to_owned();
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

/// The windows that look like takeovers: those still open first, then the latest.
pub(in crate::report) fn takeovers(report: &Report) -> Vec<(usize, &Window)> {
    let suspected = |w: &Window| w.class == Some(Class::SuspectedTakeover);
    let mut all: Vec<_> = report.windows.iter().enumerate().filter(|(_, w)| suspected(w)).collect();
    all.sort_by_key(|(i, w)| (!w.is_open(), std::cmp::Reverse(w.opened_at), *i));
    all
}

/// The windows whose approval clears nothing, because as many signals hold as the policy's threshold.
pub(in crate::report) fn contested(report: &Report) -> Vec<(usize, &Window)> {
    let is_contested = |w: &Window| w.reasons.iter().any(|reason| reason.rule == CONTESTED);
    report.windows.iter().enumerate().filter(|(_, w)| is_contested(w)).collect()
}

/// How many principals are still without MFA, and how certain that is; `None` where nobody is known to be.
pub(in crate::report) fn exposed(report: &Report, open: &[(usize, &Window)]) -> Option<String> {
    let possible = open.iter().filter(|(_, w)| w.certainty == Certainty::Possible).count();
    let who = format::plural(open.len(), "principal is", "principals are");
    match (open.len(), possible) {
        (0, _) => None,
        (n, possible) if n == possible => Some(format!("Possibly {who} still without MFA")),
        // Without IAM state nothing rules a device out that the archive does not tell of.
        (_, 0) if report.figures.mfa_coverage.is_none() => Some(format!("Possibly {who} still without MFA")),
        (_, 0) => Some(format!("{who} still without MFA")),
        (_, possible) => Some(format!("{who} still without MFA, {} of them possibly", format::size(possible))),
    }
}

/// The report in a few sentences, worst first.
pub(super) fn answer(report: &Report) -> Vec<Line> {
    let mut lines: Vec<Line> = takeovers(report).into_iter().take(NAMED).map(|(i, w)| takeover(i, w, report)).collect();
    if let Some(more) = takeovers(report).len().checked_sub(NAMED).filter(|n| *n > 0) {
        let more = format!("{} more.", format::plural(more, "suspected takeover", "suspected takeovers"));
        lines.push(vec![Span::Strong(more)]);
    }
    lines.extend(contested_line(report));
    lines.push(exposure(report));
    lines.extend(trail_line(report));
    lines.push(deactivations(report));
    lines
}

/// Who did what to whom, when and from where.
fn takeover(i: usize, w: &Window, report: &Report) -> Line {
    let mut line = vec![Span::Strong("Suspected takeover:".to_owned()), text(" ")];
    line.push(w.actor.as_deref().map_or_else(|| text("somebody"), raw));
    line.push(text(" removed the MFA device of "));
    line.extend(principal(&w.principal));
    line.extend([text(" in account "), raw(&w.account), text(" at "), time(w.proven_from()), text(" from ")]);
    line.push(w.source_ip.as_deref().map_or_else(|| text("an unknown address"), raw));
    if w.proven_from() < report.period.from {
        line.push(text(", before the period"));
    }
    match (w.is_open(), w.certainty) {
        (true, Certainty::Confirmed) => line.extend([text("; "), Span::Strong("still open".to_owned())]),
        (true, Certainty::Possible) => line.extend([text("; "), Span::Strong("possibly still open".to_owned())]),
        (false, _) => line.push(text("; closed")),
    }
    line.extend([text(" after "), lasting(w.duration_s), text(" ("), window_link(i), text(").")]);
    line
}

/// Approvals that decide nothing.
fn contested_line(report: &Report) -> Option<Line> {
    let all = contested(report);
    let title = if all.len() == 1 { "An approval is contested:" } else { "Approvals are contested:" };
    let mut line = vec![Span::Strong(title.to_owned()), text(" ")];
    for (n, (i, w)) in all.iter().take(NAMED).enumerate() {
        if n > 0 {
            line.push(text("; "));
        }
        if let Some(approval) = &w.approval {
            line.extend([text("ticket "), raw(&approval.ticket), text(" by "), raw(&approval.approver), text(" for ")]);
        }
        line.extend(principal(&w.principal));
        line.extend([text(" ("), window_link(*i), text(")")]);
    }
    let more = all.len().checked_sub(NAMED).filter(|n| *n > 0);
    line.extend(more.map(|n| text(format!("; {} more", format::size(n)))));
    line.push(text(". The takeover signals reach the policy's threshold, so it clears nothing."));
    (!all.is_empty()).then_some(line)
}

/// Who is without MFA, or that it is not known.
fn exposure(report: &Report) -> Line {
    let open = still_open(report);
    let doubts = assurance::doubts(report);
    let Some(((_, longest), exposed)) = open.first().zip(exposed(report, &open)) else {
        return match doubts {
            None => vec![
                Span::Strong("Nobody is known to be without MFA".to_owned()),
                text(" at "),
                time(report.as_of),
                text("."),
            ],
            Some(doubts) => vec![
                Span::Strong("It is not known whether anyone is without MFA".to_owned()),
                text(" at "),
                time(report.as_of),
                text(format!(": no open window was found, but the evidence is not complete: {doubts}.")),
            ],
        };
    };
    let mut line = vec![Span::Strong(exposed), text(" at "), time(report.as_of)];
    let standing = open.iter().filter(|(_, w)| w.kind == WindowKind::Standing).count();
    if standing > 0 {
        line.push(text(format!(
            ", {} known from IAM alone (standing)",
            if standing == open.len() {
                "all of them".to_owned()
            } else {
                format!("{} of them", format::size(standing))
            }
        )));
    }
    line.push(text(", the longest for "));
    if longest.kind == WindowKind::Standing {
        line.push(text("at least "));
    }
    line.extend([lasting(longest.duration_s), text(".")]);
    line.extend(doubts.map(|doubts| text(format!(" Possibly others are too: {doubts}."))));
    line
}

/// That a trail was stopped or changed: where, and since when.
fn trail_line(report: &Report) -> Option<Line> {
    let stopped: Vec<&Gap> = GapKind::Stopped.all(&report.coverage).collect();
    let changed = GapKind::Changed.all(&report.coverage).count();
    let mut line = Line::new();
    if let Some(first) = stopped.first() {
        line.push(Span::Strong("Logging was stopped".to_owned()));
        line.extend([text(" in account "), raw(&first.account), text(" from "), time(first.from), text(" to ")]);
        line.push(time(first.to));
        let more = stopped.len() - 1;
        line.push(text(if more > 0 { format!(" and {} more times.", format::size(more)) } else { ".".to_owned() }));
    }
    if changed > 0 {
        line.extend((!line.is_empty()).then(|| text(" ")));
        line.push(text(format!(
            "{} of a trail may have left events out.",
            format::plural(changed, "change", "changes")
        )));
    }
    (!line.is_empty()).then_some(line)
}

/// What was not legitimate, and what of it was not detected; then of all.
fn deactivations(report: &Report) -> Line {
    let figures = &report.figures.iam;
    let counts = &figures.deactivations;
    let up_to = assurance::up_to(report);
    if counts.opened_window == 0 {
        return vec![text(assurance::sentence(
            report,
            &format!("No deactivation left anybody without MFA in the period{up_to}."),
            &format!("What was read shows no deactivation that left somebody without MFA in the period{up_to}."),
        ))];
    }
    let all = format::plural(counts.opened_window, "deactivation", "deactivations");
    let mut line = vec![text(format!("Of {all} that left somebody without MFA, "))];
    match counts.not_legitimate {
        0 => line.push(text("none is known to be not legitimate")),
        n => {
            let undetected = undetected(figures.mttd_not_legitimate.undetected, n);
            line.push(Span::Strong(format!("{} {} not legitimate, {undetected}", format::size(n), was(n))));
        }
    }
    line.push(text(format!("; of all {}, {}.", format::size(counts.opened_window), {
        let n = figures.mttd.undetected;
        if n == 0 { "each was detected".to_owned() } else { format!("{} {} not detected", format::size(n), was(n)) }
    })));
    if !report.coverage.complete {
        line.push(text(" These are figures from incomplete evidence."));
    }
    line
}

fn undetected(n: usize, of: usize) -> String {
    match (n, of) {
        (0, 1) => "and was detected".to_owned(),
        (0, _) => "each of them detected".to_owned(),
        (1, 1) => "and was not detected".to_owned(),
        _ => format!("{} of them not detected", format::size(n)),
    }
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
        (!report.period.is_as_long_as(then.period)).then(|| "a period of another length".to_owned())
    };
    Some(Change { month: None, now: &report.figures.iam, then, not_comparable })
}

pub(super) fn cards(report: &Report) -> Vec<Card> {
    let figures = &report.figures.iam;
    let open = still_open(report);
    let of = |kind: WindowKind| format::size(open.iter().filter(|(_, window)| window.kind == kind).count());
    let possible = open.iter().filter(|(_, window)| window.certainty == Certainty::Possible).count();
    let counts = figures.deactivations;
    // What was not seen is no good news.
    let good = |good: bool| if good { assurance::doubts(report).is_none().then_some(false) } else { Some(true) };
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
            value: match open.len() {
                0 if assurance::doubts(report).is_some() => "0 known".to_owned(),
                n => format::size(n),
            },
            bad: good(open.is_empty()),
            beside: Vec::new(),
            notes: with(
                [format!(
                    "{} standing, {} removed, {} never enrolled",
                    of(WindowKind::Standing),
                    of(WindowKind::Removed),
                    of(WindowKind::NeverEnrolled)
                )]
                .into_iter()
                .chain((possible > 0).then(|| format!("{} of them possible", format::size(possible))))
                .collect(),
            ),
            change: count_change(|figures| figures.exposure.open_at_end)
                .map(|change| format!("open at the end: {change}")),
        },
        Card {
            label: "Not legitimate",
            section: "windows",
            value: format::size(counts.not_legitimate),
            bad: good(counts.not_legitimate == 0),
            beside: Vec::new(),
            notes: with(vec![
                format!(
                    "of {} that opened a window",
                    format::plural(counts.opened_window, "deactivation", "deactivations")
                ),
                format!("{} of them not detected", format::size(figures.mttd_not_legitimate.undetected)),
            ]),
            change: count_change(|figures| figures.deactivations.not_legitimate),
        },
        mean_card(
            "Mean time to detect (MTTD)",
            &figures.mttd.stat,
            with(vec![left(figures.mttd.undetected, "not detected", &figures.mttd.stat, "nothing detected")]),
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
            notes: with(
                [format!(
                    "principal-hours after device removal; {} already open at the start",
                    format::plural(figures.exposure.carried_in, "window", "windows")
                )]
                .into_iter()
                .chain(standing_hours(figures))
                .collect(),
            ),
            change: change.as_ref().map(|change| {
                let hours = |figures: &KindFigures| Some(figures.exposure.principal_hours);
                since(change, hours, |h| format!("{} h", format::number(h.round()).unwrap_or_default()))
            }),
        },
        Card {
            label: "Console users with a device",
            section: "mfa-coverage",
            value: share.unwrap_or_else(|| NONE.to_owned()),
            bad: covered.zip(console).and_then(|(part, whole)| good(part >= whole)),
            beside: Vec::new(),
            notes: match coverage {
                None => vec!["no IAM state was given".to_owned()],
                Some(coverage) => coverage_notes(report, &coverage),
            },
            change: coverage_change(report),
        },
    ]
}

/// What standing windows add, as far as it is proven.
fn standing_hours(figures: &KindFigures) -> Option<String> {
    let standing = figures.exposure.standing;
    let hours = format::number(standing.principal_hours.round()).unwrap_or_else(|| NONE.to_owned());
    (standing != crate::report::Standing::default()).then(|| format!("at least {hours} h more by standing exposure"))
}

/// Of whom, of which accounts, and when.
fn coverage_notes(report: &Report, coverage: &MfaCoverage) -> Vec<String> {
    let at = coverage.taken_at.map_or_else(|| "at the snapshot".to_owned(), |at| format!("on {}", format::day(at)));
    let count = match (coverage.console_users_with_mfa, coverage.console_users) {
        (Some(part), Some(whole)) => format!("{} of {}", format::size(part), format::size(whole)),
        _ => "not covered by IAM state".to_owned(),
    };
    let (part, whole) = assurance::roots(coverage);
    let roots = part.zip(whole).map(|(part, whole)| {
        format!("root users with credentials: {} of {} with a device", format::size(part), format::size(whole))
    });
    [format!("{count}{} in IAM {at}", assurance::in_accounts(report, coverage))].into_iter().chain(roots).collect()
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
    let latest = own.is_none().then(|| {
        let (part, whole) = now.1;
        let (part, whole) = (format::size(part), format::size(whole));
        format!("trend: {part} of {whole} ({}) on {}", percent(now.1), format::day(now.0))
    });
    let words: Vec<String> = latest.into_iter().chain(before).collect();
    (!words.is_empty()).then(|| words.join(", "))
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
