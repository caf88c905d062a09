//! Figures: in full, by account, over time, and MFA coverage.

use chrono::{NaiveDate, NaiveTime};

use super::{
    Block, Line, Section, Segment, Span, Table, WORST_FIRST, cut, head, lasting, none, numeric, raw, still_open, table,
    text, time, window_link, words, yes_no,
};
use crate::report::assurance;
use crate::report::format::{self, NONE};
use crate::report::{
    Class, CloseStat, CoverageDay, DetectStat, KindFigures, MfaCoverage, Period, Report, Stat, TrendPeriod, TrendSource,
};

fn stat_row(name: &str, stat: &Stat, empty: &str, beside: String) -> Vec<Line> {
    let other = |s: Option<f64>| vec![s.map_or_else(none, Span::Exact)];
    vec![
        words(name),
        vec![stat.mean_s.map_or_else(|| text(format!("{NONE} ({empty})")), Span::Exact)],
        words(format::size(stat.n)),
        other(stat.median_s),
        other(stat.p90_s),
        other(stat.max_s),
        words(beside),
    ]
}

fn detect_row(name: &str, figure: &DetectStat) -> Vec<Line> {
    stat_row(name, &figure.stat, "nothing detected", format!("{} not detected", format::size(figure.undetected)))
}

fn close_row(name: &str, figure: &CloseStat) -> Vec<Line> {
    stat_row(name, &figure.stat, "no closed window", format!("{} open", format::size(figure.open)))
}

fn times(figures: &KindFigures, of: &str) -> Table<'static> {
    Table {
        caption: format!("Times of {of}, from the deactivation (enrollment: from the password)"),
        heads: vec![
            head("Figure"),
            numeric("Mean"),
            numeric("n"),
            numeric("Median"),
            numeric("90th percentile"),
            numeric("Maximum"),
            numeric("Not in the mean"),
        ],
        rows: vec![
            detect_row("Time to detect, not legitimate", &figures.mttd_not_legitimate),
            detect_row("Time to detect (MTTD)", &figures.mttd),
            close_row("Time to remediate, not legitimate", &figures.mttr_not_legitimate),
            close_row("Time to remediate (MTTR)", &figures.mttr),
            stat_row("Delivery by CloudTrail", &figures.delivery, "no delivery time known", NONE.to_owned()),
            close_row("Enrollment", &figures.enrolment),
        ]
        .into(),
        more: None,
        sortable: false,
    }
}

fn kind_tables(figures: &KindFigures, of: &str) -> Vec<Block<'static>> {
    let all = &figures.deactivations;
    let classes = Table {
        caption: format!("Deactivations that opened a window, by class: {of}"),
        heads: vec![head("Class"), head("Legitimate"), numeric("Deactivations")],
        rows: Class::ALL
            .into_iter()
            .map(|class| {
                vec![
                    vec![Span::Class(class.name())],
                    words(yes_no(class.legitimate())),
                    words(format::size(class.of(&all.by_class))),
                ]
            })
            .chain([vec![
                words("all classes"),
                words(format!("{} yes, {} no", format::size(all.legitimate), format::size(all.not_legitimate))),
                words(format::size(all.opened_window)),
            ]])
            .collect(),
        more: None,
        sortable: false,
    };
    let count_row = |name: &str, n: usize| vec![words(name), words(format::size(n))];
    let hours_row =
        |name: &str, hours: f64| vec![words(name), words(format::number(hours).unwrap_or_else(|| NONE.to_owned()))];
    let deactivations = Table {
        caption: format!("Deactivations in the period: {of}"),
        heads: vec![head("What"), numeric("Count")],
        rows: vec![
            count_row("successful", all.total),
            count_row("of these, opened a window", all.opened_window),
            count_row("of these, left another device active", all.left_another_device),
            count_row("of these, no password to expose", all.no_password),
            count_row("of these, under a policy that denies everything", all.denied),
            count_row("failed attempts (not among the successful)", all.failed_attempts),
        ]
        .into(),
        more: None,
        sortable: false,
    };
    let exposure = Table {
        caption: format!("Exposure after device removal, and apart from it standing exposure: {of}"),
        heads: vec![head("What"), numeric("Value")],
        rows: vec![
            hours_row(
                "principal-hours without MFA inside the period, after device removal",
                figures.exposure.principal_hours,
            ),
            count_row("windows after device removal, open at the period's end", figures.exposure.open_at_end),
            count_row(
                "windows after device removal, already open at the start of the period",
                figures.exposure.carried_in,
            ),
            count_row(
                "standing windows: IAM shows no device, and no event says since when",
                figures.exposure.standing.open,
            ),
            hours_row(
                "principal-hours inside the period by standing windows, as far as proven",
                figures.exposure.standing.principal_hours,
            ),
        ]
        .into(),
        more: None,
        sortable: false,
    };
    vec![Block::Table(times(figures, of)), Block::Table(classes), Block::Table(deactivations), Block::Table(exposure)]
}

pub(super) fn section(report: &Report) -> Section<'static> {
    let mut blocks = Vec::new();
    if !report.coverage.complete {
        blocks.push(Block::Paragraph(vec![Span::Strong("These figures are from incomplete evidence.".to_owned())]));
    }
    blocks.push(Block::Paragraph(vec![
        text("IAM users and root users. Every term is defined under "),
        Span::Link("definitions".to_owned(), "Definitions".to_owned()),
        text("."),
    ]));
    blocks.extend(kind_tables(&report.figures.iam, "IAM users and root users"));
    Section { id: "figures", title: "Figures in full", blocks }
}

pub(super) fn identity_center(report: &Report) -> Section<'static> {
    let blocks = match &report.figures.identity_center {
        Some(figures) => {
            let mut blocks = vec![Block::Paragraph(words("Kept apart from IAM in every mean."))];
            blocks.extend(kind_tables(figures, "Identity Center users"));
            blocks
        }
        None => {
            let bare = "No figures: what was read holds no device event of IAM Identity Center.";
            vec![Block::Paragraph(words(assurance::sentence(report, bare, bare)))]
        }
    };
    Section { id: "identity-center", title: "IAM Identity Center", blocks }
}

pub(super) fn coverage_of_mfa(report: &Report) -> Section<'static> {
    let blocks = match &report.figures.mfa_coverage {
        Some(coverage) => {
            let missing = assurance::in_accounts(report, coverage);
            let missing = Some(missing).filter(|missing| !missing.is_empty()).map(|missing| {
                let words = format!("These counts are of users{missing}: nothing is known of the other accounts.");
                Block::Paragraph(vec![Span::Strong(words)])
            });
            missing.into_iter().chain([Block::Table(mfa_table(coverage))]).collect()
        }
        None => vec![Block::Paragraph(words(format!(
            "{NONE} (no IAM state was given: who had MFA is not known. --iam adds it; windows are then confirmed, and \
             checked against the archive)"
        )))],
    };
    Section { id: "mfa-coverage", title: "MFA coverage at the snapshot", blocks }
}

fn mfa_table(c: &MfaCoverage) -> Table<'static> {
    let (roots_with, roots) = assurance::roots(c);
    let row = |name: &str, part: Option<usize>, of: Option<(&str, Option<usize>)>| {
        let count = part.map_or_else(|| format!("{NONE} (input missing)"), format::size);
        let (of_what, share) = match of {
            Some((what, Some(whole))) => {
                let share = match part {
                    Some(part) => format::percent(part, whole).unwrap_or_else(|| format!("{NONE} (of none)")),
                    None => NONE.to_owned(),
                };
                (format::plural(whole, &what.replacen("users", "user", 1), what), share)
            }
            Some((what, None)) => (format!("{what}: input missing"), NONE.to_owned()),
            None => (NONE.to_owned(), NONE.to_owned()),
        };
        // Only a device or a policy is cover.
        let whole = of.filter(|_| name.contains(" MFA ") || name.contains("device")).and_then(|(_, whole)| whole);
        let bar = part.zip(whole).and_then(|(part, whole)| share_bar(name, part, whole));
        vec![words(name), words(count), words(of_what), words(share), bar.into_iter().collect()]
    };
    Table {
        caption: match c.taken_at {
            Some(at) => format!("Users and root users, by what protected them at {}", format::time(at)),
            None => "Users and root users, by what protects them".to_owned(),
        },
        heads: vec![head("Who"), numeric("Count"), numeric("Of"), numeric("Share"), head("")],
        rows: vec![
            row("users", c.users, None),
            row("users with an active device", c.users_with_mfa, Some(("users", c.users))),
            row("users with a console password", c.console_users, Some(("users", c.users))),
            row(
                "console users with an active device",
                c.console_users_with_mfa,
                Some(("console users", c.console_users)),
            ),
            row("users with MFA enforced by policy", c.users_mfa_enforced, Some(("users", c.users))),
            row("users with a device and MFA enforced", c.users_with_mfa_and_enforced, Some(("users", c.users))),
            row(
                "privileged users (policies allow everything, or all of IAM)",
                c.privileged_users,
                Some(("users", c.users)),
            ),
            row(
                "privileged users with an active device",
                c.privileged_users_with_mfa,
                Some(("privileged users", c.privileged_users)),
            ),
            row("root users", c.roots, None),
            row(
                "root users without password and access keys",
                c.roots_without_credentials,
                Some(("root users", c.roots)),
            ),
            row("root users with an active device", roots_with, Some(("root users with credentials", roots))),
        ]
        .into(),
        more: None,
        sortable: false,
    }
}

/// The periods of the trend. One period beside earlier reports is the last of them.
pub(in crate::report) fn periods(report: &Report) -> Vec<TrendPeriod> {
    let mut parts: Vec<TrendPeriod> = report.trend.clone();
    if parts.iter().all(|part| part.source == TrendSource::EarlierReport) {
        parts.push(TrendPeriod {
            period: report.period,
            source: TrendSource::ThisReport,
            measured_to: report.period.to.min(report.as_of),
            figures: report.figures.iam.clone(),
            mfa_coverage: report.figures.mfa_coverage.filter(|coverage| coverage.is_of(report.period)),
        });
    }
    parts
}

/// Whether no object of a period was read, as far as the names of objects tell: then its zeros are no figures.
pub(super) fn unseen(report: &Report, period: Period) -> bool {
    let days = &report.coverage.days;
    let of_it = |day: &CoverageDay| {
        let day = day.day.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::MIN).and_utc());
        day.is_ok_and(|day| period.from <= day && day < period.to)
    };
    !days.is_empty() && !days.iter().any(|day| day.objects > 0 && of_it(day))
}

/// A period, and what is to be known before it is compared with another.
fn label(report: &Report, part: &TrendPeriod) -> Line {
    let mut remarks = Vec::new();
    if part.source == TrendSource::EarlierReport {
        remarks.push(words("earlier report"));
    } else if unseen(report, part.period) {
        remarks.push(words("no object of it was read"));
    }
    if part.is_partial() {
        remarks.push(vec![text("partial: to "), time(part.measured_to)]);
    }
    let mut line = words(format::period(part.period));
    for (i, remark) in remarks.into_iter().enumerate() {
        line.push(text(if i == 0 { " (" } else { "; " }));
        line.extend(remark);
    }
    if line.len() > 1 {
        line.push(text(")"));
    }
    line
}

/// The trend, where there is more than one period; with a part for each month of this report.
pub(super) fn trend(report: &Report) -> Option<Section<'static>> {
    let months = report.trend.iter().filter(|part| part.source == TrendSource::ThisReport).count();
    let parts = periods(report);
    if parts.len() < 2 {
        return None;
    }
    let most = parts.iter().map(|part| part.figures.deactivations.opened_window).max().unwrap_or(0);
    let mean = |s: Option<f64>| vec![s.map_or_else(none, Span::Duration)];
    let count = |n: usize| words(format::size(n));
    let rows = parts
        .iter()
        .map(|part| {
            let figures = &part.figures;
            vec![
                label(report, part),
                count(figures.deactivations.opened_window),
                vec![classes_bar(figures, most)],
                count(figures.deactivations.not_legitimate),
                mean(figures.mttd.stat.mean_s),
                count(figures.mttd.undetected),
                mean(figures.mttr.stat.mean_s),
                count(figures.mttr.open),
                words(format::number(figures.exposure.principal_hours).unwrap_or_else(|| NONE.to_owned())),
                count(figures.exposure.standing.open),
            ]
        })
        .collect();
    let heads = vec![
        head("Period"),
        numeric("Opened a window"),
        head("By class"),
        numeric("Not legitimate"),
        numeric("MTTD"),
        numeric("Not detected"),
        numeric("MTTR"),
        numeric("Open"),
        numeric("Principal-hours"),
        numeric("Standing"),
    ];
    let caption = "Deactivations by the period they happened in, whenever their windows ended; hours inside the period";
    let mut blocks =
        vec![Block::Legend(WORST_FIRST.map(Class::name).to_vec()), Block::Table(table(caption, heads, rows))];
    blocks.push(covered(report, &parts));
    blocks.push(Block::Table(by_class(report, &parts)));
    if months > 1 {
        for part in parts.iter().filter(|part| part.source == TrendSource::ThisReport) {
            blocks.push(Block::Heading(format::period(part.period)));
            blocks.extend(month(report, part));
        }
    }
    Some(Section { id: "trend", title: "Trend", blocks })
}

/// What protects users, by period.
fn covered(report: &Report, parts: &[TrendPeriod]) -> Block<'static> {
    let of_other_time = |part: &TrendPeriod| part.period == report.period && report.figures.mfa_coverage.is_some();
    if parts.iter().all(|part| part.mfa_coverage.is_none() && !of_other_time(part)) {
        return Block::Paragraph(words(
            "How many users had MFA is not known of any of the periods: no snapshot of IAM was taken in them. \
             mfatrail iam snapshot --store saves one, for the reports to come.",
        ));
    }
    let share = |part: Option<usize>, whole: Option<usize>| {
        words(part.zip(whole).map_or_else(
            || NONE.to_owned(),
            |(part, whole)| {
                let share = format::percent(part, whole).map_or_else(String::new, |share| format!(" ({share})"));
                format!("{} of {}{share}", format::size(part), format::size(whole))
            },
        ))
    };
    let rows = parts
        .iter()
        .map(|part| {
            // The report's own snapshot may be of another time: then it says nothing of the period.
            let other = report.figures.mfa_coverage.filter(|_| part.period == report.period);
            let taken = match (part.mfa_coverage, other.and_then(|coverage| coverage.taken_at)) {
                (None, Some(at)) => vec![text("not known: the snapshot is of another time, "), time(at)],
                (None, None) => words("not known: no snapshot"),
                (Some(MfaCoverage { taken_at: None, .. }), _) => words("unknown: the report does not show it"),
                (Some(MfaCoverage { taken_at: Some(at), .. }), _) => vec![time(at)],
            };
            let c = part.mfa_coverage.unwrap_or_default();
            let console = c.console_users_with_mfa.zip(c.console_users);
            let (roots_with, roots) = assurance::roots(&c);
            vec![
                words(format::period(part.period)),
                taken,
                share(c.users_with_mfa, c.users),
                share(c.console_users_with_mfa, c.console_users),
                console
                    .and_then(|(part, whole)| share_bar("console users with a device", part, whole))
                    .into_iter()
                    .collect(),
                share(c.users_mfa_enforced, c.users),
                share(roots_with, roots),
            ]
        })
        .collect();
    let heads = vec![
        head("Period"),
        head("Snapshot of IAM"),
        numeric("Users with a device"),
        numeric("Console users with a device"),
        head(""),
        numeric("MFA enforced by policy"),
        numeric("Root users with a device, of those with credentials"),
    ];
    Block::Table(table(
        "MFA coverage at the last snapshot of IAM that was taken in the period, or as it ended",
        heads,
        rows,
    ))
}

/// A part of a whole as a bar; of none there is nothing to draw.
fn share_bar(name: &str, part: usize, whole: usize) -> Option<Span> {
    let width = (whole > 0).then(|| part as f64 / whole as f64 * 100.0)?;
    let share = format::percent(part, whole).unwrap_or_default();
    Some(Span::Bar(vec![
        Segment { key: "covered", at: 0.0, width, title: format!("{name}: {share}") },
        Segment { key: "uncovered", at: width, width: 100.0 - width, title: "the others".to_owned() },
    ]))
}

fn classes_bar(figures: &KindFigures, most: usize) -> Span {
    let mut at = 0.0;
    let mut segments = Vec::new();
    // In the order of the legend: what is not legitimate begins at the edge, where periods can be compared.
    for class in WORST_FIRST {
        let n = class.of(&figures.deactivations.by_class);
        if n > 0 && most > 0 {
            let width = n as f64 / most as f64 * 100.0;
            segments.push(Segment { key: class.name(), at, width, title: format!("{}: {n}", class.name()) });
            at += width;
        }
    }
    Span::Bar(segments)
}

fn by_class(report: &Report, parts: &[TrendPeriod]) -> Table<'static> {
    let rows = parts
        .iter()
        .map(|part| {
            let counts = &part.figures.deactivations;
            let of = |class: Class| words(format::size(class.of(&counts.by_class)));
            std::iter::once(label(report, part))
                .chain(Class::ALL.into_iter().map(of))
                .chain([
                    words(format::size(counts.opened_window)),
                    words(format::size(counts.left_another_device)),
                    words(format::size(counts.no_password)),
                    words(format::size(counts.denied)),
                    words(format::size(counts.failed_attempts)),
                ])
                .collect()
        })
        .collect();
    let heads = vec![
        head("Period"),
        numeric("approved"),
        numeric("offboarding"),
        numeric("suspected takeover"),
        numeric("replacement"),
        numeric("workaround"),
        numeric("unexplained"),
        numeric("All"),
        numeric("Left another device"),
        numeric("No password"),
        numeric("Denied everything"),
        numeric("Failed attempts"),
    ];
    table("Deactivations by class", heads, rows)
}

/// One month: its times, and the windows that opened in it.
fn month(report: &Report, part: &TrendPeriod) -> Vec<Block<'static>> {
    let opened: Vec<_> = report
        .windows
        .iter()
        .enumerate()
        .filter(|(_, window)| window.opened_at.is_some_and(|at| part.period.contains(at)))
        .collect();
    let mut blocks = vec![Block::Table(times(&part.figures, &format::period(part.period)))];
    if opened.is_empty() {
        let bare = "What was read shows no window that opened in it.";
        blocks.push(Block::Paragraph(words(assurance::sentence(report, "No window opened in it.", bare))));
        return blocks;
    }
    let rows = opened
        .iter()
        .map(|(i, w)| {
            vec![
                vec![window_link(*i)],
                super::principal(&w.principal),
                vec![raw(&w.account)],
                vec![time(w.proven_from())],
                vec![lasting(w.duration_s)],
                vec![Span::Class(super::key(w))],
            ]
        })
        .collect();
    let (rows, more) = cut(rows, "the windows below");
    let heads =
        vec![numeric("#"), head("Affected user"), head("Account"), head("Opened"), numeric("Duration"), head("Class")];
    let caption =
        format!("{} opened in {}", format::plural(opened.len(), "window", "windows"), format::period(part.period));
    blocks.push(Block::Table(Table { more, ..table(caption, heads, rows) }));
    blocks
}

/// The figures of each account, with totals; only where there are several.
pub(super) fn accounts(report: &Report) -> Option<Section<'static>> {
    if report.accounts.len() < 2 {
        return None;
    }
    let mean = |s: Option<f64>| vec![s.map_or_else(none, Span::Duration)];
    let row = |name: Line, figures: &KindFigures, open: usize, coverage: Option<MfaCoverage>| {
        let users = coverage.and_then(|c| c.console_users_with_mfa.zip(c.console_users));
        vec![
            name,
            words(format::size(open)),
            words(format::size(figures.deactivations.opened_window)),
            words(format::size(figures.deactivations.not_legitimate)),
            mean(figures.mttd.stat.mean_s),
            words(format::size(figures.mttd.undetected)),
            mean(figures.mttr.stat.mean_s),
            words(format::number(figures.exposure.principal_hours).unwrap_or_else(|| NONE.to_owned())),
            words(format::size(figures.exposure.standing.open)),
            words(users.map_or_else(
                || NONE.to_owned(),
                |(part, whole)| format!("{} of {}", format::size(part), format::size(whole)),
            )),
        ]
    };
    let open = still_open(report);
    let rows = report
        .accounts
        .iter()
        .map(|one| {
            let open = open.iter().filter(|(_, window)| window.account == one.account).count();
            row(vec![raw(&one.account)], &one.figures.iam, open, one.figures.mfa_coverage)
        })
        .collect();
    let (mut rows, more) = cut(rows, "report.json");
    rows.push(row(vec![Span::Strong("all".to_owned())], &report.figures.iam, open.len(), report.figures.mfa_coverage));
    let heads = vec![
        head("Account"),
        numeric("Still without MFA"),
        numeric("Opened a window"),
        numeric("Not legitimate"),
        numeric("MTTD"),
        numeric("Not detected"),
        numeric("MTTR"),
        numeric("Principal-hours"),
        numeric("Standing"),
        numeric("Console users with MFA"),
    ];
    let caption =
        "IAM users and root users by account; a mean of all is over all windows, not over the accounts' means";
    let blocks = vec![Block::Table(Table { more, ..table(caption, heads, rows) })];
    Some(Section { id: "accounts", title: "Accounts", blocks })
}
