//! The columns of an answer: which there are for each question, which of them a table shows, and what stands in them.

use crate::contract::{CloseReason, Outcome};
use crate::exposure::{Cited, Edge, Had, Happened, Held, How};
use crate::table::typed::{Answer, AnswerError, Values};

use super::Subject;
use crate::app::Error;

impl Subject {
    /// All columns, and those of them that a table shows.
    fn known(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Events => (EVENTS, EVENTS_TABLE),
            Self::Spans => (SPANS, SPANS_TABLE),
            Self::At(_) => (HELD, HELD_TABLE),
        }
    }

    /// The columns of a table in the order in which a narrow terminal gives them room.
    #[must_use]
    pub fn room(self) -> &'static [&'static str] {
        match self {
            Self::Events => &[
                "time",
                "principal",
                "event",
                "outcome",
                "actor",
                "source_ip",
                "event_id",
                "close_reason",
                "device",
                "objects",
            ],
            Self::Spans => &[
                "principal",
                "device",
                "enabled_at",
                "removed_at",
                "enabled_by",
                "removed_by",
                "removed_event_id",
                "enabled_event_id",
                "removed_objects",
                "enabled_objects",
            ],
            Self::At(_) => &[
                "principal",
                "has_device",
                "device",
                "complete",
                "enabled_at",
                "account",
                "event_id",
                "why",
                "iam_snapshot",
                "objects",
            ],
        }
    }

    /// The columns of these names; where none is named, those of a table, or all.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no such column, or one is named twice.
    pub fn columns(self, fields: &[String], in_table: bool) -> Result<Vec<&'static str>, Error> {
        let (all, table) = self.known();
        if fields.is_empty() {
            return Ok(if in_table { table } else { all }.to_vec());
        }
        let mut columns = Vec::new();
        for field in fields {
            let Some(column) = all.iter().find(|column| *column == field) else {
                let known = all.join(", ");
                return Err(Error::Input(format!(
                    "`--fields`: there is no column `{field}`\n  hint: the columns are {known}"
                )));
            };
            if columns.contains(column) {
                return Err(Error::Input(format!("`--fields`: `{field}` is given twice")));
            }
            columns.push(*column);
        }
        Ok(columns)
    }
}

const EVENTS: &[&str] = &[
    "time",
    "account",
    "principal",
    "principal_kind",
    "principal_id",
    "event",
    "outcome",
    "error_code",
    "device",
    "remaining_devices",
    "actor",
    "actor_mfa",
    "by_itself",
    "source_ip",
    "ticket",
    "approver",
    "window",
    "certainty",
    "open_since_before",
    "closed_at",
    "close_reason",
    "duration_s",
    "event_id",
    "objects",
    "addenda",
];
const EVENTS_TABLE: &[&str] = &[
    "time",
    "principal",
    "event",
    "outcome",
    "actor",
    "source_ip",
    "window",
    "close_reason",
    "device",
    "event_id",
    "objects",
];

const SPANS: &[&str] = &[
    "account",
    "principal",
    "principal_kind",
    "principal_id",
    "device",
    "enabled_at",
    "enabled_by",
    "enabled_event_id",
    "enabled_objects",
    "removed_at",
    "removed_by",
    "removed_event_id",
    "removed_objects",
    "iam_snapshot",
];
const SPANS_TABLE: &[&str] = &[
    "principal",
    "device",
    "enabled_at",
    "enabled_by",
    "removed_at",
    "removed_by",
    "enabled_event_id",
    "removed_event_id",
    "enabled_objects",
    "removed_objects",
];

const HELD: &[&str] = &[
    "account",
    "principal",
    "principal_kind",
    "principal_id",
    "has_device",
    "device",
    "enabled_at",
    "enabled_by",
    "complete",
    "why",
    "event_id",
    "objects",
    "iam_snapshot",
];
const HELD_TABLE: &[&str] = &[
    "account",
    "principal",
    "has_device",
    "device",
    "enabled_at",
    "complete",
    "why",
    "event_id",
    "iam_snapshot",
    "objects",
];

/// One value of each row.
fn text<'r, R, T: Into<String>>(rows: &'r [R], value: impl Fn(&'r R) -> Option<T>) -> Values {
    Values::Text(rows.iter().map(|row| value(row).map(Into::into)).collect())
}

pub(super) fn events(rows: &[Happened], iam: Option<&str>) -> Result<Answer, AnswerError> {
    let window = |row: &Happened| row.window;
    let seconds = |row: &Happened| {
        let window = row.window?;
        Some((window.closed_at? - window.open_since_before.unwrap_or(row.time)).num_seconds())
    };
    let count = |row: &Happened| row.remaining_devices.and_then(|count| i64::try_from(count).ok());
    let state = |row: &Happened| Some(row.window?.close_reason.map_or("open", CloseReason::name));
    // What no event tells is what IAM's snapshot shows.
    let objects = |row: &Happened| match (&row.event_id, iam) {
        (None, Some(snapshot)) => vec![snapshot.to_owned()],
        _ => row.objects.clone(),
    };
    let columns = vec![
        ("time", Values::Time(rows.iter().map(|row| Some(row.time)).collect())),
        ("account", text(rows, |row| Some(row.account.as_str()))),
        ("principal", text(rows, |row| Some(row.principal.as_ref()?.name.as_str()))),
        ("principal_kind", text(rows, |row| Some(row.principal.as_ref()?.kind.name()))),
        ("principal_id", text(rows, |row| row.principal.as_ref()?.id.as_deref())),
        ("event", text(rows, |row| row.event_name.as_deref())),
        ("outcome", text(rows, |row| row.outcome.map(Outcome::name))),
        ("error_code", text(rows, |row| row.error_code.as_deref())),
        ("device", text(rows, |row| row.device.as_deref())),
        ("remaining_devices", Values::Integer(rows.iter().map(count).collect())),
        ("actor", text(rows, |row| row.actor.as_deref())),
        ("actor_mfa", Values::Flag(rows.iter().map(|row| row.actor_mfa).collect())),
        ("by_itself", Values::Flag(rows.iter().map(|row| row.by_itself).collect())),
        ("source_ip", text(rows, |row| row.source_ip.as_deref())),
        ("ticket", text(rows, |row| Some(row.approval.as_ref()?.0.as_str()))),
        ("approver", text(rows, |row| Some(row.approval.as_ref()?.1.as_str()))),
        ("window", text(rows, |row| Some(window(row)?.kind.name()))),
        ("certainty", text(rows, |row| Some(window(row)?.certainty.name()))),
        ("open_since_before", Values::Time(rows.iter().map(|row| row.window?.open_since_before).collect())),
        ("closed_at", Values::Time(rows.iter().map(|row| row.window?.closed_at).collect())),
        ("close_reason", text(rows, state)),
        ("duration_s", Values::Integer(rows.iter().map(seconds).collect())),
        ("event_id", text(rows, |row| row.event_id.as_deref())),
        ("objects", Values::List(rows.iter().map(objects).collect())),
        ("addenda", Values::List(rows.iter().map(|row| row.addenda.clone()).collect())),
    ];
    Answer::new(rows.len(), columns)
}

pub(super) fn spans(rows: &[Had], iam: Option<&str>) -> Result<Answer, AnswerError> {
    let objects = |cited: &Option<Cited>| cited.as_ref().map_or_else(Vec::new, |one| one.objects.clone());
    // An end without an event is one that IAM tells, but for those that nothing tells.
    let in_iam = |edge: &Edge| edge.by.is_none() && matches!(edge.how, How::Iam | How::Missing | How::Unknown);
    let columns = vec![
        ("account", text(rows, |row| Some(row.account.as_str()))),
        ("principal", text(rows, |row| Some(row.principal.name.as_str()))),
        ("principal_kind", text(rows, |row| Some(row.principal.kind.name()))),
        ("principal_id", text(rows, |row| row.principal.id.as_deref())),
        ("device", text(rows, |row| row.device.as_deref())),
        ("enabled_at", Values::Time(rows.iter().map(|row| row.enabled.at).collect())),
        ("enabled_by", text(rows, |row| Some(row.enabled.how.name()))),
        ("enabled_event_id", text(rows, |row| Some(row.enabled.by.as_ref()?.event_id.as_str()))),
        ("enabled_objects", Values::List(rows.iter().map(|row| objects(&row.enabled.by)).collect())),
        ("removed_at", Values::Time(rows.iter().map(|row| row.removed.at).collect())),
        ("removed_by", text(rows, |row| Some(row.removed.how.name()))),
        ("removed_event_id", text(rows, |row| Some(row.removed.by.as_ref()?.event_id.as_str()))),
        ("removed_objects", Values::List(rows.iter().map(|row| objects(&row.removed.by)).collect())),
        ("iam_snapshot", text(rows, |row| iam.filter(|_| in_iam(&row.enabled) || in_iam(&row.removed)))),
    ];
    Answer::new(rows.len(), columns)
}

pub(super) fn held(rows: &[Held], iam: Option<&str>) -> Result<Answer, AnswerError> {
    let columns = vec![
        ("account", text(rows, |row| Some(row.account.as_str()))),
        ("principal", text(rows, |row| Some(row.principal.as_ref()?.name.as_str()))),
        ("principal_kind", text(rows, |row| Some(row.principal.as_ref()?.kind.name()))),
        ("principal_id", text(rows, |row| row.principal.as_ref()?.id.as_deref())),
        ("has_device", Values::Flag(rows.iter().map(|row| row.has_device).collect())),
        ("device", text(rows, |row| row.device.as_deref())),
        ("enabled_at", Values::Time(rows.iter().map(|row| row.enabled.as_ref()?.at).collect())),
        ("enabled_by", text(rows, |row| Some(row.enabled.as_ref()?.how.name()))),
        ("complete", Values::Flag(rows.iter().map(|row| Some(row.complete)).collect())),
        ("why", text(rows, |row| Some(row.why))),
        ("event_id", text(rows, |row| Some(row.by.as_ref()?.event_id.as_str()))),
        (
            "objects",
            Values::List(
                rows.iter().map(|row| row.by.as_ref().map_or_else(Vec::new, |by| by.objects.clone())).collect(),
            ),
        ),
        ("iam_snapshot", text(rows, |row| iam.filter(|_| row.in_iam))),
    ];
    Answer::new(rows.len(), columns)
}
