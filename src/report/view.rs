//! What a report says, arranged for reading: sections, tables and sentences that Markdown and HTML both walk.
//!
//! Both formats say the same because both render this one value; neither looks at the [`Report`] itself. Nothing here is
//! escaped: a [`Span`] tells own words from text that came with the logs, the renderer escapes each for its format.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::format::{self, NONE};
use super::tables::{self, Column, Read};
use super::{
    Certainty, Class, CloseStat, Coverage, DetectStat, DetectionKind, KindFigures, LifecycleEvent, MfaCoverage,
    Outcome, Principal, PrincipalKind, Report, Stat, Window, WindowKind,
};

/// How many rows of a long list are shown; the rest is counted, and is in the CSV and JSON files.
const ROWS_SHOWN: usize = 500;

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Span {
    /// Own words, or a sentence of the report's own that quotes others.
    Text(String),
    /// Text that came with the logs or the inputs.
    Raw(String),
    /// A time, RFC 3339.
    Time(String),
    /// Own words that lead to a place in the same document.
    Link(String, String),
    /// Own words to stress.
    Strong(String),
}

/// A line: a table's cell, a list's item, a sentence.
pub(super) type Line = Vec<Span>;

/// Something to be read before anything else.
pub(super) struct Alert {
    pub(super) title: &'static str,
    pub(super) text: Line,
}

/// A headline figure.
pub(super) struct Card {
    pub(super) label: &'static str,
    pub(super) value: String,
    /// Whether the value is bad news, `None` where it is neither.
    pub(super) bad: Option<bool>,
    pub(super) notes: Vec<String>,
}

/// A table's column.
pub(super) struct Head {
    pub(super) title: &'static str,
    pub(super) numeric: bool,
}

/// A table; the first cell of a row is its heading.
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) heads: Vec<Head>,
    pub(super) rows: Vec<Vec<Line>>,
    /// How many rows were left out, and where they are.
    pub(super) more: Option<String>,
}

/// A part of a section.
pub(super) enum Block {
    Paragraph(Line),
    Table(Table),
    List(Vec<Line>),
    Windows(Vec<WindowView>),
}

/// A section.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) blocks: Vec<Block>,
}

/// One window, told in full.
pub(super) struct WindowView {
    pub(super) id: String,
    /// The one line that stands for it.
    pub(super) summary: Line,
    /// Words that tag it: `open`, its class, its certainty where that is not confirmed.
    pub(super) tags: Vec<Tag>,
    /// Label and lines.
    pub(super) facts: Vec<(&'static str, Vec<Line>)>,
}

/// A word that tags a window.
pub(super) struct Tag {
    pub(super) text: &'static str,
    pub(super) bad: bool,
}

/// A report, arranged.
pub(super) struct View {
    pub(super) title: String,
    /// Label and value of what identifies the report.
    pub(super) identity: Vec<(&'static str, Line)>,
    pub(super) alerts: Vec<Alert>,
    pub(super) cards: Vec<Card>,
    pub(super) sections: Vec<Section>,
}

impl View {
    pub(super) fn new(report: &Report) -> Self {
        let sections = vec![
            open_windows(report),
            notices(report),
            figures(report),
            identity_center(report),
            coverage_of_mfa(report),
            windows(report),
            attempts(report),
            events(report),
            reconciliation(report),
            evidence(report),
            policy(report),
            definitions(),
        ];
        Self {
            title: format!("MFA exposure, {}", period_title(report)),
            identity: vec![
                (
                    "Period",
                    vec![time(report.period.from), text(" to "), time(report.period.to), text(" (half-open, UTC)")],
                ),
                ("Measured up to", vec![time(report.as_of)]),
                ("Accounts", vec![text(accounts_line(report))]),
                ("Made by", vec![text(format!("mfatrail {}, ", report.tool.version)), time(report.generated_at)]),
            ],
            alerts: alerts(report),
            cards: cards(report),
            sections,
        }
    }
}

// Pieces of lines.

fn text(words: impl Into<String>) -> Span {
    Span::Text(words.into())
}

fn raw(untrusted: &str) -> Span {
    Span::Raw(untrusted.to_owned())
}

fn time(at: DateTime<Utc>) -> Span {
    Span::Time(format::time(at))
}

fn none() -> Span {
    text(NONE)
}

/// Untrusted words, separated by commas.
fn raws<'a>(list: impl IntoIterator<Item = &'a String>) -> Line {
    let mut line = Line::new();
    for item in list {
        if !line.is_empty() {
            line.push(text(", "));
        }
        line.push(raw(item));
    }
    line
}

fn principal(who: &Principal) -> Line {
    match who.kind {
        PrincipalKind::IamUser => vec![raw(&who.name)],
        PrincipalKind::Root => vec![text("the root user")],
        PrincipalKind::IdentityCenter => vec![text("Identity Center user "), raw(&who.name)],
    }
}

fn seconds(s: i64) -> String {
    // Exact: durations are far below 2^53 seconds.
    format::duration_exact(s as f64).unwrap_or_else(|| NONE.to_owned())
}

/// What the report rests on is not whole.
pub(super) fn incomplete(coverage: &Coverage) -> Option<String> {
    if coverage.complete {
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

/// The accounts whose IAM events were not seen, because their region is missing from what was read.
pub(super) fn blind_accounts(coverage: &Coverage) -> BTreeSet<&str> {
    coverage.gaps.iter().filter(|gap| gap.cause == "iam_region_not_read").map(|gap| gap.account.as_str()).collect()
}

fn alerts(report: &Report) -> Vec<Alert> {
    let mut alerts = Vec::new();
    if let Some(sentence) = incomplete(&report.coverage) {
        alerts.push(Alert { title: "Incomplete evidence", text: vec![text(sentence)] });
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
    let other = report.coverage.gaps.iter().filter(|gap| gap.cause != "iam_region_not_read").count();
    if other > 0 {
        alerts.push(Alert {
            title: "Gaps in the evidence",
            text: vec![
                text(format!(
                    "{} in which there is no object, or the trail was changed: see ",
                    format::plural(other, "interval", "intervals")
                )),
                Span::Link("evidence".to_owned(), "Coverage of evidence".to_owned()),
                text("."),
            ],
        });
    }
    alerts
}

fn period_title(report: &Report) -> String {
    format!("{} to {}", report.period.from.format("%Y-%m-%d"), report.period.to.format("%Y-%m-%d"))
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
pub(super) fn still_open(report: &Report) -> Vec<(usize, &Window)> {
    let mut open: Vec<_> = report.windows.iter().enumerate().filter(|(_, w)| w.closed_at.is_none()).collect();
    open.sort_by_key(|(i, w)| (w.opened_at, *i));
    open
}

/// `42 min`, or a dash.
pub(super) fn mean_short(stat: &Stat) -> String {
    stat.mean_s.and_then(format::duration).unwrap_or_else(|| NONE.to_owned())
}

/// The values that stand beside a mean.
pub(super) fn beside(stat: &Stat) -> String {
    let short = |s: Option<f64>| s.and_then(format::duration).unwrap_or_else(|| NONE.to_owned());
    format!(
        "n {}, median {}, p90 {}, max {}",
        format::size(stat.n),
        short(stat.median_s),
        short(stat.p90_s),
        short(stat.max_s)
    )
}

fn cards(report: &Report) -> Vec<Card> {
    let figures = &report.figures.iam;
    let open = report.windows.iter().filter(|w| w.closed_at.is_none()).count();
    let removed = report.windows.iter().filter(|w| w.closed_at.is_none() && w.kind == WindowKind::Removed).count();
    let deactivations = figures.deactivations;
    let caveat =
        || report.coverage.complete.then(Vec::new).unwrap_or_else(|| vec!["from incomplete evidence".to_owned()]);
    let with = |mut notes: Vec<String>| {
        notes.extend(caveat());
        notes
    };
    vec![
        Card {
            label: "Open windows",
            value: format::size(open),
            bad: Some(open > 0),
            notes: with(vec![format!(
                "{} removed, {} never enrolled",
                format::size(removed),
                format::size(open - removed)
            )]),
        },
        Card {
            label: "Not legitimate",
            value: format::size(deactivations.not_legitimate),
            bad: Some(deactivations.not_legitimate > 0),
            notes: with(vec![format!(
                "of {} that opened a window",
                format::plural(deactivations.opened_window, "deactivation", "deactivations")
            )]),
        },
        Card {
            label: "Mean time to detect (MTTD)",
            value: mean_short(&figures.mttd.stat),
            bad: None,
            notes: with(mean_notes(&figures.mttd.stat, "nothing detected", (figures.mttd.undetected, "undetected"))),
        },
        Card {
            label: "Mean time to remediate (MTTR)",
            value: mean_short(&figures.mttr.stat),
            bad: None,
            notes: with(mean_notes(&figures.mttr.stat, "no closed window", (figures.mttr.open, "still open"))),
        },
    ]
}

fn mean_notes(stat: &Stat, empty: &str, (left, left_word): (usize, &str)) -> Vec<String> {
    let left = format!("{} {left_word}", format::size(left));
    if stat.n == 0 {
        return vec![format!("n 0: {empty}"), left];
    }
    vec![beside(stat), left]
}

// Tables.

fn head(title: &'static str) -> Head {
    Head { title, numeric: false }
}

fn numeric(title: &'static str) -> Head {
    Head { title, numeric: true }
}

fn words(cell: impl Into<String>) -> Line {
    vec![text(cell)]
}

/// The columns for reading, over `rows`; `decorate` may add to a cell, by the column's name.
fn listing<'a, Row: 'a>(
    caption: String,
    columns: &[Column<Row>],
    rows: impl Iterator<Item = (usize, &'a Row)>,
    limit: usize,
    rest_in: &str,
    cell: impl Fn(&'static str, usize, &Row) -> Option<Line>,
) -> Table {
    let shown: Vec<_> = columns.iter().filter_map(|c| c.title.map(|title| (c, title))).collect();
    let heads = shown
        .iter()
        .map(|(c, title)| Head { title, numeric: matches!(c.read, Read::Count(_) | Read::Seconds(_)) })
        .collect();
    let mut left_out = 0;
    let mut lines = Vec::new();
    for (i, row) in rows {
        if lines.len() == limit {
            left_out += 1;
            continue;
        }
        lines.push(shown.iter().map(|(c, _)| cell(c.name, i, row).unwrap_or_else(|| read(&c.read, row))).collect());
    }
    let more = (left_out > 0).then(|| format!("… and {} more in {rest_in}", format::size(left_out)));
    Table { caption, heads, rows: lines, more }
}

fn read<Row>(read: &Read<Row>, row: &Row) -> Line {
    let span = match read {
        Read::Text(read) => read(row).map(Span::Raw),
        Read::Word(read) => read(row).map(text),
        Read::Time(read) => read(row).map(time),
        Read::Count(read) => read(row).map(|n| text(format::count(n))),
        Read::Seconds(read) => read(row).map(|s| text(seconds(s))),
        Read::Flag(read) => read(row).map(|flag| text(yes_no(flag))),
        Read::List(read) => {
            let list = read(row);
            return if list.is_empty() { vec![none()] } else { raws(&list) };
        }
    };
    vec![span.unwrap_or_else(none)]
}

fn yes_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn window_id(i: usize) -> String {
    format!("window-{}", i + 1)
}

fn window_cell(name: &'static str, i: usize, w: &Window) -> Option<Line> {
    match name {
        "account" => Some(vec![Span::Link(window_id(i), format!("#{}", i + 1)), text(" "), raw(&w.account)]),
        "principal" => Some(principal(&w.principal)),
        "closed_at" if w.closed_at.is_none() => Some(vec![Span::Strong("open".to_owned())]),
        "class" if w.class.is_none() => Some(words(w.kind.name())),
        "time_to_detect_s" if w.detection.is_none() && w.class.is_some() => Some(words("undetected")),
        _ => None,
    }
}

// Sections.

fn open_windows(report: &Report) -> Section {
    let open = still_open(report);
    let blocks = if open.is_empty() {
        vec![Block::Paragraph(vec![text("No window is open at "), time(report.as_of), text(".")])]
    } else {
        let rows = open
            .iter()
            .map(|(i, w)| {
                vec![
                    principal(&w.principal),
                    vec![Span::Link(window_id(*i), format!("#{}", i + 1))],
                    vec![raw(&w.account)],
                    vec![time(w.opened_at)],
                    words(seconds(w.duration_s)),
                    words(w.class.map_or(w.kind.name(), Class::name)),
                    words(w.console_password.name()),
                    words(w.privileged.map_or("unknown", yes_no)),
                    vec![w.owner.as_deref().map_or_else(none, raw)],
                ]
            })
            .collect();
        vec![Block::Table(Table {
            caption: format!(
                "{} at {}, the longest first",
                format::plural(open.len(), "window is open", "windows are open"),
                format::time(report.as_of)
            ),
            heads: vec![
                head("Principal"),
                head("Window"),
                head("Account"),
                head("Since"),
                numeric("For"),
                head("Class"),
                head("Console password"),
                head("Privileged"),
                head("Owner"),
            ],
            rows,
            more: None,
        })]
    };
    Section { id: "open-windows", title: "Open windows", blocks }
}

fn notices(report: &Report) -> Section {
    let blocks = if report.notices.is_empty() {
        vec![Block::Paragraph(words("Nothing else to be known before the figures are trusted."))]
    } else {
        vec![Block::List(
            report
                .notices
                .iter()
                .map(|notice| vec![Span::Strong(notice.code.to_owned()), text(": "), text(&*notice.text)])
                .collect(),
        )]
    };
    Section { id: "notices", title: "Notices", blocks }
}

fn stat_row(name: &str, stat: &Stat, empty: &str, beside: String) -> Vec<Line> {
    let value = |s: Option<f64>| s.and_then(format::duration_exact);
    let mean = value(stat.mean_s).unwrap_or_else(|| format!("{NONE} ({empty})"));
    let other = |s| words(value(s).unwrap_or_else(|| NONE.to_owned()));
    vec![
        words(name),
        words(mean),
        words(format::size(stat.n)),
        other(stat.median_s),
        other(stat.p90_s),
        other(stat.max_s),
        words(beside),
    ]
}

fn detect_row(name: &str, figure: &DetectStat) -> Vec<Line> {
    stat_row(name, &figure.stat, "nothing detected", format!("{} undetected", format::size(figure.undetected)))
}

fn close_row(name: &str, figure: &CloseStat) -> Vec<Line> {
    stat_row(name, &figure.stat, "no closed window", format!("{} open", format::size(figure.open)))
}

fn kind_tables(figures: &KindFigures) -> Vec<Block> {
    let times = Table {
        caption: "Times, from the deactivation (enrolment: from the password)".to_owned(),
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
            detect_row("Time to detect (MTTD)", &figures.mttd),
            detect_row("Time to detect, not legitimate", &figures.mttd_not_legitimate),
            close_row("Time to remediate (MTTR)", &figures.mttr),
            close_row("Time to remediate, not legitimate", &figures.mttr_not_legitimate),
            stat_row("Delivery by CloudTrail", &figures.delivery, "no delivery time known", NONE.to_owned()),
            close_row("Enrolment", &figures.enrolment),
        ],
        more: None,
    };
    let all = &figures.deactivations;
    let class_count = |class| match class {
        Class::Approved => all.by_class.approved,
        Class::Offboarding => all.by_class.offboarding,
        Class::SuspectedTakeover => all.by_class.suspected_takeover,
        Class::Replacement => all.by_class.replacement,
        Class::Workaround => all.by_class.workaround,
        Class::Unexplained => all.by_class.unexplained,
    };
    let classes = Table {
        caption: "Deactivations that opened a window, by class".to_owned(),
        heads: vec![head("Class"), head("Legitimate"), numeric("Deactivations")],
        rows: Class::ALL
            .into_iter()
            .map(|class| {
                vec![words(class.name()), words(yes_no(class.legitimate())), words(format::size(class_count(class)))]
            })
            .chain([vec![
                words("all classes"),
                words(format!("{} yes, {} no", format::size(all.legitimate), format::size(all.not_legitimate))),
                words(format::size(all.opened_window)),
            ]])
            .collect(),
        more: None,
    };
    let count_row = |name: &str, n: usize| vec![words(name), words(format::size(n))];
    let deactivations = Table {
        caption: "Deactivations in the period".to_owned(),
        heads: vec![head("What"), numeric("Count")],
        rows: vec![
            count_row("successful", all.total),
            count_row("of these, opened a window", all.opened_window),
            count_row("of these, left another device active", all.left_another_device),
            count_row("of these, no password to expose", all.no_password),
            count_row("failed attempts (not among the successful)", all.failed_attempts),
        ],
        more: None,
    };
    let exposure = Table {
        caption: "Exposure by removed devices".to_owned(),
        heads: vec![head("What"), numeric("Value")],
        rows: vec![
            vec![
                words("principal-hours without MFA inside the period"),
                words(format::number(figures.exposure.principal_hours).unwrap_or_else(|| NONE.to_owned())),
            ],
            count_row("windows open at the period's end", figures.exposure.open_at_end),
            count_row("windows carried in from before the period", figures.exposure.carried_in),
        ],
        more: None,
    };
    vec![Block::Table(times), Block::Table(classes), Block::Table(deactivations), Block::Table(exposure)]
}

fn figures(report: &Report) -> Section {
    let mut blocks = Vec::new();
    if !report.coverage.complete {
        blocks.push(Block::Paragraph(vec![Span::Strong("These figures are from incomplete evidence.".to_owned())]));
    }
    blocks.push(Block::Paragraph(vec![
        text("IAM users and root users. Every term is defined under "),
        Span::Link("definitions".to_owned(), "Definitions".to_owned()),
        text("."),
    ]));
    blocks.extend(kind_tables(&report.figures.iam));
    Section { id: "figures", title: "Figures", blocks }
}

fn identity_center(report: &Report) -> Section {
    let blocks = match &report.figures.identity_center {
        Some(figures) => {
            let mut blocks = vec![Block::Paragraph(words("Kept apart from IAM in every mean."))];
            blocks.extend(kind_tables(figures));
            blocks
        }
        None => {
            vec![Block::Paragraph(words("No figures: what was read holds no device event of IAM Identity Center."))]
        }
    };
    Section { id: "identity-center", title: "IAM Identity Center", blocks }
}

fn coverage_of_mfa(report: &Report) -> Section {
    let blocks = match &report.figures.mfa_coverage {
        Some(coverage) => vec![Block::Table(mfa_table(coverage))],
        None => vec![Block::Paragraph(words(format!(
            "{NONE} (no IAM state was given; --iam adds it, and makes windows confirmed and reconciled)"
        )))],
    };
    Section { id: "mfa-coverage", title: "MFA coverage at the snapshot", blocks }
}

fn mfa_table(c: &MfaCoverage) -> Table {
    let row = |name: &str, part: Option<usize>, of: Option<(&str, Option<usize>)>| {
        let count = part.map_or_else(|| format!("{NONE} (input missing)"), format::size);
        let (of_what, share) = match of {
            Some((what, Some(whole))) => {
                let share = match part {
                    Some(part) => format::percent(part, whole).unwrap_or_else(|| format!("{NONE} (of none)")),
                    None => NONE.to_owned(),
                };
                (format!("{} {what}", format::size(whole)), share)
            }
            Some((what, None)) => (format!("{what}: input missing"), NONE.to_owned()),
            None => (NONE.to_owned(), NONE.to_owned()),
        };
        vec![words(name), words(count), words(of_what), words(share)]
    };
    Table {
        caption: "Users and root users, by what protects them".to_owned(),
        heads: vec![head("Who"), numeric("Count"), numeric("Of"), numeric("Share")],
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
            row("root users", c.roots, None),
            row("root users with an active device", c.roots_with_mfa, Some(("root users", c.roots))),
        ],
        more: None,
    }
}

fn windows(report: &Report) -> Section {
    let blocks = if report.windows.is_empty() {
        vec![Block::Paragraph(words("No window touches the period."))]
    } else {
        let caption = format!(
            "{} that touch the period, in order of opening",
            format::plural(report.windows.len(), "window", "windows")
        );
        let table = listing(
            caption,
            &tables::windows(),
            report.windows.iter().enumerate(),
            usize::MAX,
            "windows.csv",
            window_cell,
        );
        let details = report.windows.iter().enumerate().map(|(i, w)| window(i, w, report.as_of)).collect();
        vec![Block::Table(table), Block::Windows(details)]
    };
    Section { id: "windows", title: "Windows", blocks }
}

fn window(i: usize, w: &Window, as_of: DateTime<Utc>) -> WindowView {
    let mut summary = vec![text(format!("#{} ", i + 1))];
    summary.extend(principal(&w.principal));
    summary.extend([text(" in "), raw(&w.account), text(", from "), time(w.opened_at)]);
    match w.closed_at {
        Some(at) => summary.extend([text(" to "), time(at), text(", ")]),
        None => summary.push(text(", open for ")),
    }
    summary.push(text(format::duration(w.duration_s as f64).unwrap_or_else(|| NONE.to_owned())));

    let mut tags = Vec::new();
    if w.closed_at.is_none() {
        tags.push(Tag { text: "open", bad: true });
    }
    tags.push(match w.class {
        Some(class) => Tag { text: class.name(), bad: !class.legitimate() },
        None => Tag { text: w.kind.name(), bad: false },
    });
    if w.certainty == Certainty::Possible {
        tags.push(Tag { text: "possible", bad: false });
    }

    let facts = vec![
        ("Whose MFA", whose(w)),
        ("How it began", vec![began(w)]),
        ("Who did it, from where", vec![who_did_it(w)]),
        ("Approved by", vec![approval(w)]),
        ("Noticed", vec![noticed(w)]),
        ("Done meanwhile", meanwhile(w)),
        ("How it ended", vec![ended(w, as_of)]),
        ("Classified by", reasons(w)),
        ("Events that prove it", vec![proof(w)]),
    ];
    WindowView { id: window_id(i), summary, tags, facts }
}

fn whose(w: &Window) -> Vec<Line> {
    let mut who = principal(&w.principal);
    if let Some(id) = &w.principal.id {
        who.extend([text(" ("), raw(id), text(")")]);
    }
    who.extend([text(", account "), raw(&w.account), text(", owner ")]);
    who.push(w.owner.as_deref().map_or_else(|| text(format!("{NONE} (not known)")), raw));
    let keys = w.active_access_keys.map_or_else(|| "unknown".to_owned(), format::count);
    let at_stake = format!(
        "console password: {}; active access keys: {keys}; privileged: {}; certainty: {}",
        w.console_password.name(),
        w.privileged.map_or("unknown", yes_no),
        w.certainty.name(),
    );
    vec![who, words(at_stake)]
}

fn began(w: &Window) -> Line {
    let mut line = vec![raw(&w.opened_by), text(" at "), time(w.opened_at)];
    if let Some(device) = &w.device {
        line.extend([text(" of device "), raw(device)]);
    }
    line.push(text(format!(" ({})", w.kind.name())));
    match w.delivered_at {
        Some(at) => line.extend([text("; delivered by CloudTrail at "), time(at)]),
        None => line.push(text("; when CloudTrail delivered it is not known")),
    }
    line
}

fn who_did_it(w: &Window) -> Line {
    let mfa = match w.actor_mfa {
        Some(true) => ", in a session with MFA",
        Some(false) => ", in a session without MFA",
        None => ", session's MFA not known",
    };
    let address = w.source_ip.as_deref().map_or_else(|| text("an unknown address"), raw);
    vec![raw(&w.actor), text(mfa), text(", from "), address]
}

fn approval(w: &Window) -> Line {
    match &w.approval {
        Some(approval) => vec![raw(&approval.approver), text(", ticket "), raw(&approval.ticket)],
        None => words(format!("{NONE} (no approval covers it)")),
    }
}

fn noticed(w: &Window) -> Line {
    let Some(detection) = &w.detection else {
        return words(format!("{NONE} (undetected)"));
    };
    let how = match detection.kind {
        DetectionKind::Reported => " (reported): ",
        DetectionKind::Inferred => " (inferred from the archive): ",
    };
    vec![
        time(detection.at),
        text(format!(", after {}, by ", seconds(detection.time_to_detect_s))),
        raw(&detection.source),
        text(how),
        raw(&detection.reference),
    ]
}

fn meanwhile(w: &Window) -> Vec<Line> {
    let a = &w.activity;
    if a.events == 0 {
        return vec![words("nothing was seen of the principal itself")];
    }
    let mut lines = vec![words(format!(
        "{}: {}, {}, {}",
        format::plural(a.events, "call or sign-in", "calls and sign-ins"),
        format::plural(a.console_logins_without_mfa, "console sign-in without MFA", "console sign-ins without MFA"),
        format::plural(a.writes, "write", "writes"),
        format::plural(a.errors, "error", "errors"),
    ))];
    for (label, list) in [("from ", &a.source_ips), ("services: ", &a.services)] {
        if !list.is_empty() {
            let mut line = words(label);
            line.extend(raws(list));
            lines.push(line);
        }
    }
    lines
}

fn ended(w: &Window, as_of: DateTime<Utc>) -> Line {
    let Some(at) = w.closed_at else {
        return vec![
            Span::Strong("still open".to_owned()),
            text(" at "),
            time(as_of),
            text(format!(", after {}", seconds(w.duration_s))),
        ];
    };
    let reason = w.close_reason.map_or(NONE, super::CloseReason::name);
    vec![text(format!("{reason} at ")), time(at), text(format!(", after {}", seconds(w.duration_s)))]
}

fn reasons(w: &Window) -> Vec<Line> {
    if w.reasons.is_empty() {
        return vec![words(match w.class {
            Some(_) => format!("{NONE} (no rule or signal names evidence)"),
            None => format!("{NONE} (only deactivations are classified)"),
        })];
    }
    w.reasons
        .iter()
        .map(|reason| {
            let mut line = words(format!("{}: ", reason.rule));
            if reason.event_ids.is_empty() {
                line.push(text("no event"));
            } else {
                line.extend(raws(&reason.event_ids));
            }
            line
        })
        .collect()
}

fn proof(w: &Window) -> Line {
    let mut line = vec![text("opened by "), raw(&w.opened_by_event), text("; ")];
    match (&w.closed_by_event, w.closed_at) {
        (Some(id), _) => line.extend([text("closed by "), raw(id)]),
        (None, Some(_)) => line.push(text("no event closed it")),
        (None, None) => line.push(text("not closed")),
    }
    if let Some(detection) = w.detection.as_ref().filter(|d| d.kind == DetectionKind::Inferred) {
        line.extend([text("; noticed by "), raw(&detection.reference)]);
    }
    line
}

fn event_cell(name: &'static str, _: usize, event: &LifecycleEvent) -> Option<Line> {
    match name {
        "principal" => event.principal.as_ref().map(principal),
        _ => None,
    }
}

fn attempts(report: &Report) -> Section {
    let failed: Vec<_> = report.events.iter().enumerate().filter(|(_, e)| e.outcome == Outcome::Failed).collect();
    let blocks = if failed.is_empty() {
        vec![Block::Paragraph(words("No attempt at a device lifecycle call failed in the period."))]
    } else {
        let caption =
            format!("{}: each was refused and changed nothing", format::plural(failed.len(), "attempt", "attempts"));
        vec![Block::Table(listing(
            caption,
            &tables::events(),
            failed.into_iter(),
            ROWS_SHOWN,
            "events.csv",
            event_cell,
        ))]
    };
    Section { id: "attempts", title: "Failed attempts", blocks }
}

fn events(report: &Report) -> Section {
    let blocks = if report.events.is_empty() {
        vec![Block::Paragraph(words("No device lifecycle event lies in the period."))]
    } else {
        let caption = format!(
            "{} in order of time, attempts included",
            format::plural(report.events.len(), "lifecycle event", "lifecycle events")
        );
        let rows = report.events.iter().enumerate();
        vec![Block::Table(listing(caption, &tables::events(), rows, ROWS_SHOWN, "events.csv", event_cell))]
    };
    Section { id: "events", title: "Device lifecycle events", blocks }
}

fn reconciliation(report: &Report) -> Section {
    let blocks = if report.reconciliation.is_empty() {
        vec![Block::Paragraph(words(if report.figures.mfa_coverage.is_some() {
            "IAM and the archive agree."
        } else {
            "Nothing to reconcile: no IAM state was given, or it tells of no user."
        }))]
    } else {
        let rows = report
            .reconciliation
            .iter()
            .map(|finding| {
                let [from, to] = finding.between;
                vec![
                    words(finding.finding.name()),
                    vec![raw(&finding.account)],
                    finding.principal.as_ref().map_or_else(|| vec![none()], principal),
                    vec![finding.device.as_deref().map_or_else(none, raw)],
                    vec![time(from)],
                    vec![time(to)],
                ]
            })
            .collect();
        vec![Block::Table(Table {
            caption: "Where IAM and the archive disagree: the missing event lies in the interval".to_owned(),
            heads: ["Finding", "Account", "Principal", "Device", "From", "To"].map(head).into(),
            rows,
            more: None,
        })]
    };
    Section { id: "reconciliation", title: "Reconciliation", blocks }
}

fn evidence(report: &Report) -> Section {
    let c = &report.coverage;
    let row = |name: &str, value: String| vec![words(name), words(value)];
    let at = |t: Option<DateTime<Utc>>| vec![t.map_or_else(none, time)];
    let mut blocks = vec![Block::Table(Table {
        caption: "What was read: listed = read + failed + skipped by intent".to_owned(),
        heads: vec![head("What"), numeric("Value")],
        rows: vec![
            row("complete", yes_no(c.complete).to_owned()),
            row("objects listed", format::count(c.objects_listed)),
            row("objects read", format::count(c.objects_read)),
            row("objects failed", format::count(c.objects_failed)),
            row("objects skipped by intent", format::count(c.objects_skipped)),
            row("records", format::count(c.records)),
            row("bytes as stored", format::bytes(c.bytes_compressed)),
            row("bytes of JSON", format::bytes(c.bytes_raw)),
            vec![words("first record"), at(c.first_record)],
            vec![words("last record"), at(c.last_record)],
        ],
        more: None,
    })];
    if !c.days.is_empty() {
        blocks.push(Block::Table(days(c)));
    }
    blocks.push(gaps(c));
    blocks.push(failures(c));
    blocks.push(integrity(c));
    Section { id: "evidence", title: "Coverage of evidence", blocks }
}

fn days(coverage: &Coverage) -> Table {
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
    }
}

fn gaps(coverage: &Coverage) -> Block {
    if coverage.gaps.is_empty() {
        return Block::Paragraph(words("No gap was found."));
    }
    let rows = coverage
        .gaps
        .iter()
        .take(ROWS_SHOWN)
        .map(|gap| {
            vec![
                vec![raw(&gap.cause)],
                vec![raw(&gap.account)],
                vec![gap.region.as_deref().map_or_else(|| text("all"), raw)],
                vec![time(gap.from)],
                vec![time(gap.to)],
                vec![gap.event_id.as_deref().map_or_else(none, raw)],
            ]
        })
        .collect();
    let left_out = coverage.gaps.len().saturating_sub(ROWS_SHOWN);
    Block::Table(Table {
        caption: "Gaps: no evidence, or weakened evidence".to_owned(),
        heads: ["Cause", "Account", "Region", "From", "To", "Event id"].map(head).into(),
        rows,
        more: (left_out > 0).then(|| format!("… and {} more in report.json", format::size(left_out))),
    })
}

fn failures(coverage: &Coverage) -> Block {
    if coverage.failures.is_empty() {
        return Block::Paragraph(words("Every object that was tried could be read."));
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
    })
}

fn integrity(coverage: &Coverage) -> Block {
    let Some(value) = &coverage.integrity else {
        return Block::Paragraph(words(
            "Integrity: not verified (no digest files were checked; mfatrail verify does it).",
        ));
    };
    let rows = match value.as_object() {
        Some(fields) => fields.iter().map(|(key, value)| vec![vec![raw(key)], vec![raw(&plain(value))]]).collect(),
        None => vec![vec![words("result"), vec![raw(&plain(value))]]],
    };
    Block::Table(Table {
        caption: "Integrity, by CloudTrail's digest files".to_owned(),
        heads: vec![head("What"), head("Value")],
        rows,
        more: None,
    })
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => NONE.to_owned(),
        serde_json::Value::Array(elements) => format!("{} in report.json", format::size(elements.len())),
        serde_json::Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key} {}", plain(value))).collect();
            if fields.is_empty() { NONE.to_owned() } else { fields.join(", ") }
        }
        other => other.to_string(),
    }
}

fn policy(report: &Report) -> Section {
    let p = &report.policy;
    let signals: Vec<&str> = p.takeover_signals.iter().map(|signal| signal.name()).collect();
    let row = |name: &str, value: String| vec![words(name), words(value)];
    Section {
        id: "policy",
        title: "Policy in force",
        blocks: vec![Block::Table(Table {
            caption: "The settings that decide classes and figures".to_owned(),
            heads: vec![head("Setting"), head("Value")],
            rows: vec![
                row("offboarding grace", seconds(p.offboarding_grace_s)),
                row("replacement grace", seconds(p.replacement_grace_s)),
                row("look-back", seconds(p.lookback_s)),
                row("takeover signals", if signals.is_empty() { NONE.to_owned() } else { signals.join(", ") }),
                row("takeover threshold (signals)", format::size(p.takeover_threshold)),
                vec![
                    words("owner tags, the first that exists"),
                    if p.owner_tags.is_empty() { vec![none()] } else { raws(&p.owner_tags) },
                ],
            ],
            more: None,
        })],
    }
}

fn definitions() -> Section {
    const TERMS: [(&str, &str); 14] = [
        (
            "window",
            "an interval in which a principal that should have MFA has none. removed: it had a device. \
          never_enrolled: it got a console password and no device yet.",
        ),
        (
            "cohort",
            "the deactivations that opened a removed window and whose time lies in the period, whenever they \
          ended. MTTD and MTTR are over the cohort, and over its not legitimate part.",
        ),
        (
            "time to detect",
            "from the deactivation to its first detection: reported by an input, else inferred from the \
          first call about the principal by somebody who is neither the principal nor the deactivation's actor. The mean \
          is over the detected; the undetected are counted beside it.",
        ),
        (
            "time to remediate",
            "from the deactivation to the window's close. The mean is over the closed; the open are \
          counted beside it.",
        ),
        (
            "delivery by CloudTrail",
            "from the deactivation to the delivery of its record: no detector on the archive can \
          be faster.",
        ),
        ("enrolment", "from the console password to the close of a never_enrolled window that opened in the period."),
        (
            "median, 90th percentile",
            "of an even number the mean of the middle two; by nearest rank. Of an empty set \
          nothing is given, never zero.",
        ),
        (
            "exposure",
            "principal-hours without MFA inside the period: removed windows, clipped to it, those carried in \
          included.",
        ),
        (
            "certainty",
            "confirmed where all devices of the principal were known, possible where an unseen one may \
          remain.",
        ),
        (
            "approved, offboarding, replacement",
            "legitimate: an approval covers it; the user was deleted, or a device was \
          enabled, within the grace of the policy.",
        ),
        ("suspected_takeover", "not legitimate: at least as many takeover signals as the policy's threshold."),
        (
            "workaround",
            "not legitimate: deactivated by the principal itself, not enabled again within the grace, and then \
          seen in a successful call or sign-in without MFA.",
        ),
        ("unexplained", "not legitimate: no other class fits."),
        ("console password, access keys, privileged", "as known at the opening (privileged: at the snapshot of IAM)."),
    ];
    Section {
        id: "definitions",
        title: "Definitions",
        blocks: vec![Block::List(
            TERMS
                .iter()
                .map(|(term, meaning)| vec![Span::Strong((*term).to_owned()), text(": "), text(*meaning)])
                .collect(),
        )],
    }
}
