//! What a report says, arranged for reading: sections, tables and sentences that Markdown and HTML both walk.
//!
//! Both formats say the same because both render this one value; neither looks at the [`Report`] itself. Nothing here is
//! escaped: a [`Span`] tells own words from text that came with the logs, the renderer escapes each for its format.
//! Charts are geometry in per cent; Markdown leaves them out, and has their numbers in the tables beside them.

mod actions;
pub(super) mod change;
mod evidence;
pub(super) mod exceptions;
mod figures;
mod headline;
mod integrity;
mod listings;
mod method;
#[cfg(test)]
mod reference;
mod timeline;
mod windows;

use chrono::{DateTime, Utc};

use super::controls;
use super::format::{self, NONE};
use super::posture;
use super::rows::Rows;
use super::{Class, Principal, PrincipalKind, Report, Window, WindowKind};

pub(super) use figures::periods;
pub(super) use headline::{conflicting, contested, exposed, still_open, takeovers};
pub(super) use listings::{delete_command, meaning, what_may_have_happened};
pub(super) use timeline::Timeline;

/// How many rows of a long list are shown; the rest is counted, and is in the CSV and JSON files.
const ROWS_SHOWN: usize = 500;

/// A piece of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Span {
    /// Own words, or a sentence of the report's own that quotes others.
    Text(String),
    /// Text that came with the logs or the inputs.
    Raw(String),
    /// Such text that is there to be copied: an event id, an object's key, a hash.
    Id(String),
    /// An object's key, where a table has room for its last part only.
    Object(String),
    /// Text from the logs that mostly is an ARN, where a table has room for what it names only.
    Arn(String),
    /// A word of the contract.
    Word(&'static str),
    /// A time, RFC 3339.
    Time(String),
    /// A duration in seconds.
    Duration(f64),
    /// A duration whose exact seconds must stand beside it.
    Exact(f64),
    /// Own words that lead to a place in the same document.
    Link(String, String),
    /// Own words to stress.
    Strong(String),
    /// A class, or what stands for one: see [`key`].
    Class(&'static str),
    /// A bar of segments; for the eye only, its numbers stand beside it.
    Bar(Vec<Segment>),
}

/// A part of a bar, in per cent of its length.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    pub(super) key: &'static str,
    pub(super) at: f64,
    pub(super) width: f64,
    pub(super) title: String,
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
    /// The section that tells more.
    pub(super) section: &'static str,
    pub(super) value: String,
    /// Whether the value is bad news, `None` where it is neither.
    pub(super) bad: Option<bool>,
    /// What stands beside a mean: name and value.
    pub(super) beside: Vec<(&'static str, String)>,
    pub(super) notes: Vec<String>,
    /// The change since the period before, in words.
    pub(super) change: Option<String>,
}

/// A table's column.
pub(super) struct Head {
    pub(super) title: &'static str,
    pub(super) numeric: bool,
}

/// A table; the first cell of a row is its heading.
pub(super) struct Table<'r> {
    pub(super) caption: String,
    pub(super) heads: Vec<Head>,
    pub(super) rows: Rows<'r, Vec<Line>>,
    /// How many rows were left out, and where they are.
    pub(super) more: Option<String>,
    /// Whether a reader may want to sort and filter it.
    pub(super) sortable: bool,
}

/// Days by account and region: what was read of each.
pub(super) struct Grid {
    pub(super) caption: String,
    pub(super) legend: Vec<Legend>,
    pub(super) ticks: Vec<Tick>,
    pub(super) rows: Vec<GridRow>,
    pub(super) more: Option<String>,
}

/// What a color stands for.
pub(super) struct Legend {
    /// As of a [`Cell`].
    pub(super) level: &'static str,
    pub(super) text: &'static str,
}

/// One account and region.
pub(super) struct GridRow {
    pub(super) account: String,
    pub(super) region: String,
    /// What the row shows, in words.
    pub(super) label: String,
    pub(super) cells: Vec<Cell>,
}

/// One day.
pub(super) struct Cell {
    pub(super) at: f64,
    pub(super) width: f64,
    /// `none`, `some` to `much`, `stopped`.
    pub(super) level: &'static str,
    pub(super) title: String,
}

/// A mark of a time axis.
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

/// A part of a section.
pub(super) enum Block<'r> {
    Heading(String),
    Paragraph(Line),
    Table(Table<'r>),
    List(Vec<Line>),
    Windows(Rows<'r, WindowView>),
    Timeline(Timeline),
    Grid(Grid),
    /// The keys of bars.
    Legend(Vec<&'static str>),
}

/// A section.
pub(super) struct Section<'r> {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) blocks: Vec<Block<'r>>,
}

/// One window, told in full.
pub(super) struct WindowView {
    pub(super) id: String,
    pub(super) number: usize,
    /// See [`key`].
    pub(super) key: &'static str,
    /// The one line that stands for it.
    pub(super) summary: Line,
    /// Words that tag it: `open`, its certainty where that is not confirmed.
    pub(super) tags: Vec<Tag>,
    /// Label and lines.
    pub(super) facts: Vec<(&'static str, Vec<Line>)>,
    /// The events that it rests on.
    pub(super) proof: Table<'static>,
}

/// A word that tags a window.
pub(super) struct Tag {
    pub(super) text: &'static str,
    pub(super) bad: bool,
}

/// A report, arranged.
pub(super) struct View<'r> {
    pub(super) title: String,
    /// Label and value of what identifies the report.
    pub(super) identity: Vec<(&'static str, Line)>,
    pub(super) alerts: Vec<Alert>,
    /// The report in a few sentences.
    pub(super) answer: Vec<Line>,
    pub(super) cards: Vec<Card>,
    pub(super) sections: Vec<Section<'r>>,
}

impl<'r> View<'r> {
    pub(super) fn new(report: &'r Report) -> Self {
        let sections = [
            Some(timeline::section(report)),
            Some(windows::open_windows(report)),
            Some(actions::section(report)),
            change::section(report),
            figures::trend(report),
            figures::accounts(report),
            Some(figures::coverage_of_mfa(report)),
            report.posture.as_ref().map(|posture| posture::section(posture, &report.coverage)),
            exceptions::section(report),
            Some(listings::notices(report)),
            Some(windows::section(report)),
            Some(listings::attempts(report)),
            Some(listings::reconciliation(report)),
            listings::leftovers(report),
            Some(listings::events(report)),
            Some(evidence::section(report)),
            Some(figures::section(report)),
            Some(figures::identity_center(report)),
            Some(controls::section(report)),
            Some(method::policy(report)),
            method::inputs(report),
            Some(method::definitions()),
        ];
        Self {
            title: format!("MFA exposure, {}", format::period(report.period)),
            identity: headline::identity(report),
            alerts: headline::alerts(report),
            answer: headline::answer(report),
            cards: headline::cards(report),
            sections: sections.into_iter().flatten().collect(),
        }
    }
}

/// The word by which a window is colored and shaped: its class, or why it has none.
pub(super) fn key(window: &Window) -> &'static str {
    key_of(window.class, window.kind)
}

/// [`key`], of a window's class and kind.
pub(super) fn key_of(class: Option<Class>, kind: WindowKind) -> &'static str {
    match (class, kind) {
        (Some(class), _) => class.name(),
        (None, WindowKind::NeverEnrolled) => WindowKind::NeverEnrolled.name(),
        (None, WindowKind::Standing) => WindowKind::Standing.name(),
        (None, WindowKind::Removed) => EXPOSED_AGAIN,
    }
}

/// A window that no deactivation opened: a password given back, or a denial lifted.
pub(super) const EXPOSED_AGAIN: &str = "exposed_again";

/// The classes as they are drawn.
const WORST_FIRST: [Class; 6] = [
    Class::SuspectedTakeover,
    Class::Workaround,
    Class::Unexplained,
    Class::Replacement,
    Class::Offboarding,
    Class::Approved,
];

/// Every key, in the order of the legends.
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    let others = [WindowKind::Standing.name(), EXPOSED_AGAIN, WindowKind::NeverEnrolled.name()];
    WORST_FIRST.into_iter().map(Class::name).chain(others)
}

// Pieces of lines.

pub(super) fn text(words: impl Into<String>) -> Span {
    Span::Text(words.into())
}

fn raw(untrusted: &str) -> Span {
    Span::Raw(untrusted.to_owned())
}

fn id(untrusted: &str) -> Span {
    Span::Id(untrusted.to_owned())
}

fn arn(untrusted: &str) -> Span {
    Span::Arn(untrusted.to_owned())
}

fn time(at: DateTime<Utc>) -> Span {
    Span::Time(format::time(at))
}

/// When a window opened: of a standing one no more is known than that it was before a moment.
fn opened(w: &Window) -> Line {
    match w.opened_at {
        Some(at) => vec![time(at)],
        None => vec![text("before "), time(w.proven_from())],
    }
}

fn none() -> Span {
    text(NONE)
}

/// A whole number of seconds as a duration. Exact: durations are far below 2^53 seconds.
fn lasting(seconds: i64) -> Span {
    Span::Duration(seconds as f64)
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

pub(super) fn head(title: &'static str) -> Head {
    Head { title, numeric: false }
}

fn numeric(title: &'static str) -> Head {
    Head { title, numeric: true }
}

pub(super) fn words(cell: impl Into<String>) -> Line {
    vec![text(cell)]
}

pub(super) fn table<'r>(caption: impl Into<String>, heads: Vec<Head>, rows: Vec<Vec<Line>>) -> Table<'r> {
    Table { caption: caption.into(), heads, rows: rows.into(), more: None, sortable: false }
}

/// The first rows of a long list, and how many were left out.
fn cut(rows: Vec<Vec<Line>>, rest_in: &str) -> (Vec<Vec<Line>>, Option<String>) {
    let left_out = rows.len().saturating_sub(ROWS_SHOWN);
    let more = (left_out > 0).then(|| format!("… and {} more in {rest_in}", format::size(left_out)));
    (rows.into_iter().take(ROWS_SHOWN).collect(), more)
}

fn yes_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn window_id(i: usize) -> String {
    format!("window-{}", i + 1)
}

fn window_link(i: usize) -> Span {
    Span::Link(window_id(i), format!("#{}", i + 1))
}
