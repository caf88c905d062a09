//! The columns of windows and events: one definition for CSV and spreadsheets, so that they cannot drift apart.

use chrono::{DateTime, Utc};

use super::{LifecycleEvent, Window};

/// One column over rows of `Row`.
pub(super) struct Column<Row> {
    /// The header, with its unit.
    pub(super) name: &'static str,
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
    Column { name, read }
}

/// A window and its number, as on the page: `#1` is the first.
pub(super) type Numbered<'w> = (usize, &'w Window);

/// The windows with their numbers.
pub(super) fn numbered(windows: &[Window]) -> Vec<Numbered<'_>> {
    (1..).zip(windows).collect()
}

/// What the actor made meanwhile, in one cell each: what, its id, the event, and whether it still stands.
fn made(window: &Window) -> Vec<String> {
    let stands = |still_there: Option<bool>| match still_there {
        Some(true) => "still there",
        Some(false) => "gone",
        None => "unknown",
    };
    let made = window.activity.by_actor.iter().flat_map(|actor| &actor.made);
    let mut made: Vec<String> =
        made.map(|one| format!("{} {} ({}, {})", one.what, one.id, one.event_id, stands(one.still_there))).collect();
    let left_out = window.activity.by_actor.as_ref().map_or(0, |actor| actor.made_left_out);
    made.extend((left_out > 0).then(|| format!("and {left_out} more")));
    made
}

/// The accepted risks that are about a window, by their numbers.
fn accepted(window: &Window) -> Vec<String> {
    let state = |in_force: bool| if in_force { "in force" } else { "expired" };
    window.exceptions.iter().map(|one| format!("{} {}", one.number, state(one.in_force))).collect()
}

/// The columns of `windows.csv`.
pub(super) fn windows<'w>() -> Vec<Column<Numbered<'w>>> {
    use Read::{Count, Flag, List, Seconds, Text, Time, Word};
    vec![
        column("window", Count(|(number, _)| Some(*number as u64))),
        column("kind", Word(|(_, w)| Some(w.kind.name()))),
        column("account", Text(|(_, w)| Some(w.account.clone()))),
        column("principal_kind", Word(|(_, w)| Some(w.principal.kind.name()))),
        column("principal", Text(|(_, w)| Some(w.principal.name.clone()))),
        column("principal_id", Text(|(_, w)| w.principal.id.clone())),
        column("owner", Text(|(_, w)| w.owner.clone())),
        column("opened_at", Time(|(_, w)| w.opened_at)),
        column("open_since_before", Time(|(_, w)| w.open_since_before)),
        column("opened_by_event", Text(|(_, w)| w.opened_by_event.clone())),
        column("opened_by", Text(|(_, w)| w.opened_by.clone())),
        column("device", Text(|(_, w)| w.device.clone())),
        column("actor", Text(|(_, w)| w.actor.clone())),
        column("actor_mfa", Flag(|(_, w)| w.actor_mfa)),
        column("source_ip", Text(|(_, w)| w.source_ip.clone())),
        column("delivered_at", Time(|(_, w)| w.delivered_at)),
        column("closed_at", Time(|(_, w)| w.closed_at)),
        column("closed_by_event", Text(|(_, w)| w.closed_by_event.clone())),
        column("close_reason", Word(|(_, w)| w.close_reason.map(super::CloseReason::name))),
        column("duration_s", Seconds(|(_, w)| Some(w.duration_s))),
        column("certainty", Word(|(_, w)| Some(w.certainty.name()))),
        column("class", Word(|(_, w)| w.class.map(super::Class::name))),
        column("legitimate", Flag(|(_, w)| w.legitimate)),
        column("reasons", List(|(_, w)| w.reasons.iter().map(|r| r.rule.to_owned()).collect())),
        column(
            "reason_event_ids",
            List(|(_, w)| w.reasons.iter().map(|r| format!("{}: {}", r.rule, r.event_ids.join(" "))).collect()),
        ),
        column("detected_at", Time(|(_, w)| w.detection.as_ref().map(|d| d.at))),
        column("detection_kind", Word(|(_, w)| w.detection.as_ref().map(|d| d.kind.name()))),
        column("detection_source", Text(|(_, w)| w.detection.as_ref().map(|d| d.source.clone()))),
        column("detection_reference", Text(|(_, w)| w.detection.as_ref().map(|d| d.reference.clone()))),
        column("time_to_detect_s", Seconds(|(_, w)| w.detection.as_ref().map(|d| d.time_to_detect_s))),
        column("approval_ticket", Text(|(_, w)| w.approval.as_ref().map(|a| a.ticket.clone()))),
        column("approval_approver", Text(|(_, w)| w.approval.as_ref().map(|a| a.approver.clone()))),
        column("console_password", Word(|(_, w)| Some(w.console_password.name()))),
        column("active_access_keys", Count(|(_, w)| w.active_access_keys.map(u64::from))),
        column("privileged", Flag(|(_, w)| w.privileged)),
        column("activity_events", Count(|(_, w)| Some(w.activity.events as u64))),
        column(
            "activity_console_logins_without_mfa",
            Count(|(_, w)| Some(w.activity.console_logins_without_mfa as u64)),
        ),
        column("activity_writes", Count(|(_, w)| Some(w.activity.writes as u64))),
        column("activity_errors", Count(|(_, w)| Some(w.activity.errors as u64))),
        column("activity_source_ips", List(|(_, w)| w.activity.source_ips.clone())),
        column("activity_services", List(|(_, w)| w.activity.services.clone())),
        column("activity_by_actor_events", Count(|(_, w)| Some(w.activity.by_actor.as_ref()?.events? as u64))),
        column("activity_by_actor_writes", Count(|(_, w)| Some(w.activity.by_actor.as_ref()?.writes? as u64))),
        column("activity_by_actor_made", List(|(_, w)| made(w))),
        column("exceptions", List(|(_, w)| accepted(w))),
    ]
}

/// The columns of `events.csv`.
pub(super) fn events() -> Vec<Column<LifecycleEvent>> {
    use Read::{Count, Flag, List, Text, Time, Word};
    vec![
        column("event_id", Text(|e| Some(e.event_id.clone()))),
        column("event_time", Time(|e| Some(e.event_time))),
        column("event_name", Text(|e| Some(e.event_name.clone()))),
        column("outcome", Word(|e| Some(e.outcome.name()))),
        column("error_code", Text(|e| e.error_code.clone())),
        column("account", Text(|e| Some(e.account.clone()))),
        column("region", Text(|e| Some(e.region.clone()))),
        column("principal_kind", Word(|e| e.principal.as_ref().map(|p| p.kind.name()))),
        column("principal", Text(|e| e.principal.as_ref().map(|p| p.name.clone()))),
        column("principal_id", Text(|e| e.principal.as_ref().and_then(|p| p.id.clone()))),
        column("device", Text(|e| e.device.clone())),
        column("actor", Text(|e| Some(e.actor.clone()))),
        column("actor_mfa", Flag(|e| e.actor_mfa)),
        column("source_ip", Text(|e| e.source_ip.clone())),
        column("user_agent", Text(|e| e.user_agent.clone())),
        column("remaining_devices", Count(|e| e.remaining_devices.map(|n| n as u64))),
        column("objects", List(|e| e.objects.clone())),
        column("addenda", List(|e| e.addenda.clone())),
    ]
}
