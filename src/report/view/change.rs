//! What changed since an earlier report: what stands against the comparison comes first.

use super::{
    Block, Line, Section, Span, Table, cut, head, key_of, none, numeric, principal, raw, table, text, time,
    window_link, words,
};
use crate::report::format::{self, NONE};
use crate::report::{
    AccountChange, Changes, FigureChange, GuardrailChange, Measure, Membership, MfaCoverage, Report, Verdict,
    WindowChange, WindowChangeKind, WindowCounts, assurance,
};

pub(super) fn section(report: &Report) -> Option<Section<'static>> {
    let changes = report.changes.as_ref()?;
    let mut blocks = Vec::new();
    if !changes.caveats.is_empty() {
        let line = |text: &str| vec![Span::Text(format!("{}.", capitalized(text)))];
        blocks.push(Block::List(changes.caveats.iter().map(|caveat| line(&caveat.text)).collect()));
    }
    blocks.push(Block::Paragraph(words(sentence(report, changes))));
    if !changes.windows.is_empty() {
        blocks.push(Block::Table(windows(&changes.windows)));
    }
    if !changes.accounts.is_empty() {
        blocks.push(Block::Table(accounts(&changes.accounts)));
    }
    if !changes.guardrails.is_empty() {
        blocks.push(Block::Table(guardrails(&changes.guardrails)));
    }
    if !changes.figures.is_empty() {
        blocks.push(Block::Table(figures(changes, report)));
    }
    Some(Section { id: "changes", title: "What changed", blocks })
}

/// A sentence's first letter in capitals.
pub(in crate::report) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// How windows changed, in a sentence. That nothing changed reassures: it stands alone only where everything was seen.
pub(in crate::report) fn sentence(report: &Report, changes: &Changes) -> String {
    let since = format::period(changes.since.period);
    let Some(counts) = changes.counts else { return format!("Windows are not compared with those of {since}.") };
    match counted(&counts) {
        told if !told.is_empty() => format!("Compared with {since}: {}.", told.join(", ")),
        _ => assurance::sentence(
            report,
            &format!("Compared with {since}, no window is new, open or of another class."),
            &format!("What was read shows no window that is new, open or of another class than in {since}."),
        ),
    }
}

/// What is not zero, in words.
fn counted(counts: &WindowCounts) -> Vec<String> {
    let all = [
        (counts.new, "new window", "new windows"),
        (
            counts.late,
            "window that opened earlier and was not in that report",
            "windows that opened earlier and were not in that report",
        ),
        (counts.reopened, "window open again", "windows open again"),
        (
            counts.missing,
            "window that was open and is not in this report",
            "windows that were open and are not in this report",
        ),
        (counts.still_open, "window still open", "windows still open"),
        (counts.closed, "window closed", "windows closed"),
        (counts.changed_class, "window of another class", "windows of another class"),
    ];
    all.into_iter().filter(|(n, ..)| *n > 0).map(|(n, one, many)| format::plural(n, one, many)).collect()
}

fn windows(all: &[WindowChange]) -> Table<'static> {
    let (rows, more) = cut(all.iter().map(window).collect(), "report.json");
    let heads = ["Change", "Affected user", "Account", "Opened", "Now", "Class", "Window"].map(head).into();
    let caption = format!("{} that changed or are still open", format::plural(all.len(), "window", "windows"));
    Table { more, sortable: true, ..table(caption, heads, rows) }
}

fn window(one: &WindowChange) -> Vec<Line> {
    let opened = match (one.opened_at, one.open_since_before) {
        (Some(at), _) => vec![time(at)],
        (None, Some(before)) => vec![text("before "), time(before)],
        (None, None) => vec![none()],
    };
    let class = match (one.class, one.class_before) {
        (Some(now), Some(before)) if now != before => {
            vec![Span::Class(now.name()), text(", was "), Span::Class(before.name())]
        }
        (Some(class), _) => vec![Span::Class(class.name())],
        (None, _) => vec![Span::Class(key_of(None, one.kind))],
    };
    vec![
        words(one.change.words()),
        principal(&one.principal),
        vec![raw(&one.account)],
        opened,
        state(one),
        class,
        vec![one.window.and_then(|number| number.checked_sub(1)).map_or_else(none, window_link)],
    ]
}

/// How it is now. Of a window that this report does not have nothing is known.
fn state(one: &WindowChange) -> Line {
    match (one.change, one.closed_at, one.close_reason) {
        (WindowChangeKind::Missing, ..) => {
            words("not known: what it rests on was not read, or it ended before this period")
        }
        (_, Some(at), _) => vec![text("closed at "), time(at)],
        (_, None, Some(_)) => words("ended at an unknown date"),
        (_, None, None) => words("open"),
    }
}

fn accounts(all: &[AccountChange]) -> Table<'static> {
    let row = |one: &AccountChange| {
        let remark = match one.membership {
            Membership::Both => NONE,
            Membership::Added => "in this report only",
            Membership::Gone => "in the earlier report only",
        };
        vec![
            vec![raw(&one.account)],
            words(covered(one.before.as_ref())),
            words(covered(one.now.as_ref())),
            words(remark),
        ]
    };
    let (rows, more) = cut(all.iter().map(row).collect(), "report.json");
    let heads = vec![head("Account"), numeric("Before"), numeric("Now"), head("Remark")];
    Table { more, sortable: true, ..table("Console users with an active device, by account", heads, rows) }
}

/// `10 of 14 (71.4 %)`.
pub(in crate::report) fn covered(coverage: Option<&MfaCoverage>) -> String {
    match coverage.and_then(|coverage| coverage.console_users_with_mfa.zip(coverage.console_users)) {
        None => "not known".to_owned(),
        Some((part, whole)) => {
            let share = format::percent(part, whole).map_or_else(String::new, |share| format!(" ({share})"));
            format!("{} of {}{share}", format::size(part), format::size(whole))
        }
    }
}

fn guardrails(all: &[GuardrailChange]) -> Table<'static> {
    let row = |one: &GuardrailChange| {
        vec![
            vec![Span::Strong(one.code.as_str().to_owned()), text(format!(": {}", one.code.title()))],
            vec![raw(&one.account)],
            words(verdict(one.before)),
            words(verdict(one.now)),
        ]
    };
    let (rows, more) = cut(all.iter().map(row).collect(), "report.json");
    let heads = ["Guardrail", "Account", "Before", "Now"].map(head).into();
    Table { more, sortable: true, ..table("Guardrails whose verdict is another", heads, rows) }
}

pub(in crate::report) fn verdict(verdict: Option<Verdict>) -> &'static str {
    verdict.map_or("not checked", Verdict::words)
}

fn figures(changes: &Changes, report: &Report) -> Table<'static> {
    let row =
        |one: &FigureChange| vec![words(one.figure.title()), words(shown(one, one.before)), words(shown(one, one.now))];
    let rows = changes.figures.iter().map(row).collect();
    let heads = vec![head("Figure"), numeric("Before"), numeric("Now")];
    let caption = format!("{} beside {}", format::period(report.period), format::period(changes.since.period));
    table(caption, heads, rows)
}

/// A figure with its unit.
pub(in crate::report) fn shown(one: &FigureChange, value: Option<f64>) -> String {
    let text = value.and_then(|value| match one.figure.measure() {
        Measure::Count => format::number(value),
        Measure::Duration => format::duration(value),
        Measure::Hours => format::number(value).map(|hours| format!("{hours} h")),
    });
    text.unwrap_or_else(|| NONE.to_owned())
}
