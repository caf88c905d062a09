//! An alert as a document for programs: `mfatrail.alert/1`.

use serde::Serialize;

use crate::alert::{Alert, Delivery, SCHEMA};
use crate::incident::{Kind, Severity, Transition};

/// The document.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    schema: &'static str,
    key: &'a str,
    sequence: u64,
    transition: Transition,
    kind: Kind,
    severity: Severity,
    title: &'a str,
    text: &'a str,
    next_step: &'a str,
    at: String,
    window: &'a Option<serde_json::Value>,
    members: &'a Option<Vec<String>>,
    test: bool,
    repetition: bool,
}

pub(super) fn document<'a>(delivery: &Delivery<'a>) -> Document<'a> {
    let Alert { key, sequence, transition, kind, severity, at, text, window, members, test, .. } = delivery.alert;
    Document {
        schema: SCHEMA,
        key,
        sequence: *sequence,
        transition: *transition,
        kind: *kind,
        severity: *severity,
        title: &text.title,
        text: &text.summary,
        next_step: &text.next_step,
        at: at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        window,
        members,
        test: *test,
        repetition: delivery.repetition,
    }
}
