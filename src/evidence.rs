//! What a scan keeps of the records that it visits: the extracted events, and the trace of everything else.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::cloudtrail::Record;
use crate::contract::Integrity;
use crate::digest::Checker;
use crate::inflate::InflateError;
use crate::mfa::{self, Event};
use crate::pipeline::{Bytes, Visitor};
use crate::source::ObjectRef;
use crate::trace::{Part, Trace};

/// Which records are kept, by what they say themselves. Their keys were selected before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// The first moment.
    pub from: Option<DateTime<Utc>>,
    /// The last moment: it still belongs.
    pub until: Option<DateTime<Utc>>,
    /// Accounts; empty for all.
    pub accounts: Vec<String>,
    /// Regions; empty for all.
    pub regions: Vec<String>,
}

impl Range {
    /// Whether a record is kept. `eventTime` decides, not the key; and files outside the layout have no key to select by.
    #[must_use]
    pub fn includes(&self, record: &Record<'_, '_>) -> bool {
        let listed = |list: &[String], value: Option<&str>| {
            list.is_empty() || value.is_some_and(|value| list.iter().any(|listed| listed == value))
        };
        self.from.is_none_or(|from| from <= record.time)
            && self.until.is_none_or(|until| record.time <= until)
            && listed(&self.accounts, record.account())
            && listed(&self.regions, record.text(&["awsRegion"]))
    }
}

/// The evidence of one scan.
#[derive(Debug)]
pub struct Evidence {
    range: Arc<Range>,
    part: Part,
    /// Extracted events, in no order, the same event as often as it was delivered.
    pub events: Vec<Event>,
    /// Everything else.
    pub trace: Trace,
    /// The first failure of a temporary file, which makes the evidence useless.
    pub error: Option<io::Error>,
    /// Compares every log with what the digests name, where that was asked for.
    pub checker: Option<Checker>,
    /// What it said of the objects that hold the events.
    pub integrity: BTreeMap<String, Integrity>,
    /// What it said of the object at hand.
    current: Option<Integrity>,
}

impl Evidence {
    /// Keeps what is in `range`.
    #[must_use]
    pub fn new(range: Arc<Range>) -> Self {
        Self {
            range,
            part: Part::default(),
            events: Vec::new(),
            trace: Trace::default(),
            error: None,
            checker: None,
            integrity: BTreeMap::new(),
            current: None,
        }
    }

    /// The same, and every log is compared with what the digests name: the very bytes that are parsed.
    #[must_use]
    pub fn checked(self, checker: Option<Checker>) -> Self {
        Self { checker, ..self }
    }

    /// Seals this worker's notes.
    #[must_use]
    pub fn finish(mut self) -> Self {
        self.trace.add(std::mem::take(&mut self.part));
        self
    }
}

impl Visitor for Evidence {
    fn bytes(&mut self, object: &Arc<ObjectRef>, bytes: &Bytes<'_>) -> bool {
        self.current = self.checker.as_mut().map(|checker| checker.judge(object, &bytes.inflated));
        true
    }

    fn damaged(&mut self, object: &Arc<ObjectRef>, error: &InflateError) {
        if let Some(checker) = &mut self.checker {
            checker.broken(object, error);
        }
    }

    fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
        if !self.range.includes(record) || self.error.is_some() {
            return;
        }
        if let Some(mut event) = mfa::extract(record) {
            event.objects.insert(object.name.clone());
            event.delivered_at = object.delivered_at();
            if let Some(integrity) = self.current {
                self.integrity.entry(object.name.clone()).or_insert(integrity);
            }
            self.events.push(event);
        }
        self.error = self.part.note(record).err();
    }

    fn merge(&mut self, other: Self) {
        let other = other.finish();
        self.events.extend(other.events);
        self.trace.merge(other.trace);
        self.error = self.error.take().or(other.error);
        if let (Some(checker), Some(other)) = (&mut self.checker, other.checker) {
            checker.merge(other);
        }
        self.integrity.extend(other.integrity);
    }
}
