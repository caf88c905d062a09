//! The columns of windows and events: one definition for CSV, Markdown and HTML, so that they cannot drift apart.
//!
//! Every column is in the CSV under its `name`; those with a `title` are also in the tables for reading.

use chrono::{DateTime, Utc};

use super::{LifecycleEvent, Window};

/// One column over rows of `Row`.
pub(super) struct Column<Row> {
    /// The CSV header, with its unit.
    pub(super) name: &'static str,
    /// The heading in the tables for reading; `None` for what only the CSV has.
    pub(super) title: Option<&'static str>,
    /// How the value is read off a row.
    pub(super) read: Read<Row>,
}

/// A reader of one value, and by its variant the column's type.
pub(super) enum Read<Row> {
    /// Text from the logs or the inputs: never trusted.
    Text(fn(&Row) -> Option<String>),
    /// A word of the contract.
    Word(fn(&Row) -> Option<&'static str>),
    /// A time.
    Time(fn(&Row) -> Option<DateTime<Utc>>),
    /// A count.
    Count(fn(&Row) -> Option<u64>),
    /// A duration, whole seconds.
    Seconds(fn(&Row) -> Option<i64>),
    /// Yes or no.
    Flag(fn(&Row) -> Option<bool>),
    /// Many texts: never trusted.
    List(fn(&Row) -> Vec<String>),
}

const fn column<Row>(name: &'static str, read: Read<Row>) -> Column<Row> {
    Column { name, title: None, read }
}

const fn shown<Row>(name: &'static str, title: &'static str, read: Read<Row>) -> Column<Row> {
    Column { name, title: Some(title), read }
}

/// The columns of `windows.csv` and of the tables of windows.
pub(super) fn windows() -> Vec<Column<Window>> {
    use Read::{Count, Flag, List, Seconds, Text, Time, Word};
    vec![
        column("kind", Word(|w| Some(w.kind.name()))),
        shown("account", "Account", Text(|w| Some(w.account.clone()))),
        column("principal_kind", Word(|w| Some(w.principal.kind.name()))),
        shown("principal", "Principal", Text(|w| Some(w.principal.name.clone()))),
        column("principal_id", Text(|w| w.principal.id.clone())),
        column("owner", Text(|w| w.owner.clone())),
        shown("opened_at", "Opened", Time(|w| Some(w.opened_at))),
        column("opened_by_event", Text(|w| Some(w.opened_by_event.clone()))),
        column("opened_by", Text(|w| Some(w.opened_by.clone()))),
        column("device", Text(|w| w.device.clone())),
        column("actor", Text(|w| Some(w.actor.clone()))),
        column("actor_mfa", Flag(|w| w.actor_mfa)),
        column("source_ip", Text(|w| w.source_ip.clone())),
        column("delivered_at", Time(|w| w.delivered_at)),
        shown("closed_at", "Closed", Time(|w| w.closed_at)),
        column("closed_by_event", Text(|w| w.closed_by_event.clone())),
        shown("close_reason", "Closed by", Word(|w| w.close_reason.map(super::CloseReason::name))),
        shown("duration_s", "Duration", Seconds(|w| Some(w.duration_s))),
        shown("certainty", "Certainty", Word(|w| Some(w.certainty.name()))),
        shown("class", "Class", Word(|w| w.class.map(super::Class::name))),
        shown("legitimate", "Legitimate", Flag(|w| w.legitimate)),
        column("reasons", List(|w| w.reasons.iter().map(|r| r.rule.to_owned()).collect())),
        column(
            "reason_event_ids",
            List(|w| w.reasons.iter().map(|r| format!("{}: {}", r.rule, r.event_ids.join(" "))).collect()),
        ),
        column("detected_at", Time(|w| w.detection.as_ref().map(|d| d.at))),
        column("detection_kind", Word(|w| w.detection.as_ref().map(|d| d.kind.name()))),
        column("detection_source", Text(|w| w.detection.as_ref().map(|d| d.source.clone()))),
        column("detection_reference", Text(|w| w.detection.as_ref().map(|d| d.reference.clone()))),
        shown("time_to_detect_s", "Time to detect", Seconds(|w| w.detection.as_ref().map(|d| d.time_to_detect_s))),
        column("approval_ticket", Text(|w| w.approval.as_ref().map(|a| a.ticket.clone()))),
        column("approval_approver", Text(|w| w.approval.as_ref().map(|a| a.approver.clone()))),
        column("console_password", Word(|w| Some(w.console_password.name()))),
        column("active_access_keys", Count(|w| w.active_access_keys.map(u64::from))),
        column("privileged", Flag(|w| w.privileged)),
        column("activity_events", Count(|w| Some(w.activity.events as u64))),
        column("activity_console_logins_without_mfa", Count(|w| Some(w.activity.console_logins_without_mfa as u64))),
        column("activity_writes", Count(|w| Some(w.activity.writes as u64))),
        column("activity_errors", Count(|w| Some(w.activity.errors as u64))),
        column("activity_source_ips", List(|w| w.activity.source_ips.clone())),
        column("activity_services", List(|w| w.activity.services.clone())),
    ]
}

/// The columns of `events.csv` and of the tables of events.
pub(super) fn events() -> Vec<Column<LifecycleEvent>> {
    use Read::{Count, Flag, List, Text, Time, Word};
    vec![
        shown("event_id", "Event id", Text(|e| Some(e.event_id.clone()))),
        shown("event_time", "Time", Time(|e| Some(e.event_time))),
        shown("event_name", "Event", Text(|e| Some(e.event_name.clone()))),
        shown("outcome", "Outcome", Word(|e| Some(e.outcome.name()))),
        shown("error_code", "Error", Text(|e| e.error_code.clone())),
        shown("account", "Account", Text(|e| Some(e.account.clone()))),
        column("region", Text(|e| Some(e.region.clone()))),
        column("principal_kind", Word(|e| e.principal.as_ref().map(|p| p.kind.name()))),
        shown("principal", "Principal", Text(|e| e.principal.as_ref().map(|p| p.name.clone()))),
        column("principal_id", Text(|e| e.principal.as_ref().and_then(|p| p.id.clone()))),
        shown("device", "Device", Text(|e| e.device.clone())),
        shown("actor", "Actor", Text(|e| Some(e.actor.clone()))),
        shown("actor_mfa", "Actor with MFA", Flag(|e| e.actor_mfa)),
        shown("source_ip", "Address", Text(|e| e.source_ip.clone())),
        column("user_agent", Text(|e| e.user_agent.clone())),
        shown("remaining_devices", "Devices left", Count(|e| e.remaining_devices.map(|n| n as u64))),
        column("objects", List(|e| e.objects.clone())),
    ]
}
