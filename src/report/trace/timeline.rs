//! A timeline that Timesketch imports: one event a row, as CSV or JSON lines.
//!
//! Source: Timesketch user guide, "Import from JSON or CSV": `message`, `datetime` (ISO 8601) and `timestamp_desc` are mandatory,
//! `timestamp` is in microseconds, and any other field is an attribute of the event. Plaso's name for the kind of an event is
//! `data_type`.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::contract::trace::{Trace, TraceEvent};
use crate::escape;
use crate::report::json::pretty_json;

/// Plaso's data type for CloudTrail entries.
const DATA_TYPE: &str = "aws:cloudtrail:entry";

/// What kind of time it is.
const TIME: &str = "Event Time";

/// One row; the fields' names are the columns'.
#[derive(Serialize)]
struct Row<'t> {
    message: String,
    timestamp: i64,
    datetime: String,
    timestamp_desc: &'static str,
    data_type: &'static str,
    event_id: &'t str,
    event_source: &'t str,
    event_name: &'t str,
    account_id: Option<&'t str>,
    aws_region: Option<&'t str>,
    actor: &'t str,
    access_key_id: Option<&'t str>,
    credential: Option<usize>,
    credential_label: Option<&'t str>,
    relation: &'static str,
    mfa_authenticated: Option<bool>,
    source_ip: Option<&'t str>,
    user_agent: Option<&'t str>,
    error_code: Option<&'t str>,
    read_only: bool,
    target: Option<&'t str>,
    object: Option<&'t str>,
}

/// The columns, in their order.
const COLUMNS: [&str; 22] = [
    "message",
    "timestamp",
    "datetime",
    "timestamp_desc",
    "data_type",
    "event_id",
    "event_source",
    "event_name",
    "account_id",
    "aws_region",
    "actor",
    "access_key_id",
    "credential",
    "credential_label",
    "relation",
    "mfa_authenticated",
    "source_ip",
    "user_agent",
    "error_code",
    "read_only",
    "target",
    "object",
];

impl<'t> Row<'t> {
    fn new(event: &'t TraceEvent, trace: &'t Trace) -> Self {
        let own = event.credential.and_then(|number| trace.credentials.get(number.checked_sub(1)?));
        Self {
            message: message(event),
            timestamp: event.at.timestamp_micros(),
            datetime: datetime(event.at),
            timestamp_desc: TIME,
            data_type: DATA_TYPE,
            event_id: &event.event_id,
            event_source: &event.source,
            event_name: &event.name,
            account_id: event.account.as_deref(),
            aws_region: event.region.as_deref(),
            actor: &event.actor,
            access_key_id: event.access_key.as_deref(),
            credential: event.credential,
            credential_label: own.map(|own| own.label.as_str()),
            relation: event.relation,
            mfa_authenticated: event.mfa,
            source_ip: event.address.as_deref(),
            user_agent: event.user_agent.as_deref(),
            error_code: event.error.as_deref(),
            read_only: event.read_only,
            target: event.target.as_deref(),
            object: event.object.as_deref(),
        }
    }

    fn cells(&self) -> [String; COLUMNS.len()] {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let any = |value: Option<String>| value.unwrap_or_default();
        [
            self.message.clone(),
            self.timestamp.to_string(),
            self.datetime.clone(),
            self.timestamp_desc.to_owned(),
            self.data_type.to_owned(),
            self.event_id.to_owned(),
            self.event_source.to_owned(),
            self.event_name.to_owned(),
            text(self.account_id),
            text(self.aws_region),
            self.actor.to_owned(),
            text(self.access_key_id),
            any(self.credential.map(|number| number.to_string())),
            text(self.credential_label),
            self.relation.to_owned(),
            any(self.mfa_authenticated.map(|mfa| mfa.to_string())),
            text(self.source_ip),
            text(self.user_agent),
            text(self.error_code),
            self.read_only.to_string(),
            text(self.target),
            text(self.object),
        ]
    }
}

/// ISO 8601 as the guide has it, with an offset.
fn datetime(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, false)
}

fn message(event: &TraceEvent) -> String {
    let target = event.target.as_deref().map_or_else(String::new, |target| format!(" ({target})"));
    let from = event.address.as_deref().map_or_else(String::new, |address| format!(" from {address}"));
    let refused = event.error.as_deref().map_or_else(String::new, |error| format!(", refused: {error}"));
    format!("{}{target} by {}{from}{refused}", event.name, event.actor)
}

/// As CSV, with a line of names.
#[must_use]
pub fn trace_timeline_csv(trace: &Trace) -> String {
    let mut out = format!("{}\n", COLUMNS.join(","));
    for event in &trace.events {
        let cells = Row::new(event, trace).cells().map(|cell| escape::csv_quoted(&escape::csv(&cell)));
        out.push_str(&cells.join(","));
        out.push('\n');
    }
    out
}

/// As JSON lines.
///
/// # Errors
/// When a value cannot be expressed in JSON.
pub fn trace_timeline_jsonl(trace: &Trace) -> serde_json::Result<String> {
    let mut out = String::new();
    for event in &trace.events {
        let text = pretty_json(&Row::new(event, trace))?;
        // Line breaks stand between tokens alone: in strings they are escaped.
        out.extend(String::from_utf8_lossy(&text).lines().map(str::trim_start));
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Tool;
    use crate::contract::trace::{TRACE_SCHEMA, TraceCoverage, TraceQuestion};

    fn trace() -> Trace {
        let at = "2026-10-01T08:00:00Z".parse().unwrap();
        let event = TraceEvent {
            event_id: "=1+1".to_owned(),
            at,
            account: Some("111122223333".to_owned()),
            region: None,
            source: "iam.amazonaws.com".to_owned(),
            name: "CreateUser".to_owned(),
            credential: None,
            relation: "by",
            actor: "a\"b\n\u{202e}".to_owned(),
            access_key: None,
            address: Some("192.0.2.1".to_owned()),
            user_agent: Some("@SUM(A1)".to_owned()),
            mfa: None,
            error: None,
            read_only: false,
            target: None,
            object: None,
        };
        let coverage = TraceCoverage {
            passes: 2,
            objects_listed: 1,
            objects_read: 1,
            objects_failed: 0,
            objects_skipped: 0,
            bytes_compressed: 1,
            bytes_raw: 1,
            failures: Vec::new(),
        };
        Trace {
            schema: TRACE_SCHEMA,
            tool: Tool { version: "0.1.0" },
            traced_at: at,
            asked: TraceQuestion { kind: "event", value: "x".to_owned(), account: None },
            from: None,
            to: None,
            complete: true,
            unknowns: Vec::new(),
            subjects: Vec::new(),
            mfa_removals: Vec::new(),
            credentials: Vec::new(),
            effects: Vec::new(),
            events: vec![event],
            events_omitted: 0,
            next_steps: Vec::new(),
            coverage,
        }
    }

    #[test]
    fn both_forms_have_the_same_fields_and_no_hidden_characters() {
        let trace = trace();
        let jsonl = trace_timeline_jsonl(&trace).unwrap();
        let value: serde_json::Value = serde_json::from_str(jsonl.trim_end()).unwrap();
        assert_eq!(jsonl.lines().count(), 1);
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        let mut columns = COLUMNS.to_vec();
        columns.sort_unstable();
        let mut sorted: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        sorted.sort_unstable();
        assert_eq!(sorted, columns);
        assert_eq!(value["datetime"], "2026-10-01T08:00:00+00:00");
        assert_eq!(value["timestamp"], 1_790_841_600_000_000_i64);
        assert_eq!(value["actor"], "a\"b\n\u{202e}");
        let csv = trace_timeline_csv(&trace);
        assert!(csv.starts_with("message,timestamp,datetime,timestamp_desc,"), "{csv}");
        assert!(
            csv.contains("\"'=1+1\"") && csv.contains("\"'@SUM(A1)\"") && csv.contains("a\"\"b\\n\\u{202e}"),
            "{csv}"
        );
        assert!(!jsonl.contains('\u{202e}') && !csv.contains('\u{202e}'));
    }
}
