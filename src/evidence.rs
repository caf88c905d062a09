//! What a scan keeps of the records that it visits: the extracted events, and the trace of everything else.

use std::io;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::cloudtrail::{Envelope, Record};
use crate::mfa::{self, Event};
use crate::pipeline::Visitor;
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
        self.from.is_none_or(|from| from <= record.time)
            && self.until.is_none_or(|until| record.time <= until)
            && listed(&self.accounts, record.account().unwrap_or_default().as_bytes())
            && listed(&self.regions, record.text(&["awsRegion"]).unwrap_or_default().as_bytes())
    }

    /// Whether a record is kept, by its envelope, whose time is in whole seconds.
    #[must_use]
    pub fn includes_envelope(&self, envelope: &Envelope<'_>) -> bool {
        let seconds = envelope.seconds();
        self.from.is_none_or(|from| (from.timestamp(), from.timestamp_subsec_nanos()) <= (seconds, 0))
            && self.until.is_none_or(|until| seconds <= until.timestamp())
            && listed(&self.accounts, envelope.account())
            && listed(&self.regions, envelope.region())
    }
}

fn listed(list: &[String], value: &[u8]) -> bool {
    list.is_empty() || (!value.is_empty() && list.iter().any(|listed| listed.as_bytes() == value))
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
}

impl Evidence {
    /// Keeps what is in `range`.
    #[must_use]
    pub fn new(range: Arc<Range>) -> Self {
        Self { range, part: Part::default(), events: Vec::new(), trace: Trace::default(), error: None }
    }

    /// Seals this worker's notes.
    #[must_use]
    pub fn finish(mut self) -> Self {
        self.trace.add(std::mem::take(&mut self.part));
        self
    }
}

impl Visitor for Evidence {
    const ENVELOPES: bool = true;

    fn brief(&self, envelope: &Envelope<'_>) -> bool {
        !self.range.includes_envelope(envelope)
            || (!mfa::is_extracted(envelope.source(), envelope.name()) && Part::brief(envelope))
    }

    fn envelope(&mut self, _object: &Arc<ObjectRef>, envelope: &Envelope<'_>) {
        if self.range.includes_envelope(envelope) && self.error.is_none() {
            self.error = self.part.note_envelope(envelope).err();
        }
    }

    fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
        if !self.range.includes(record) || self.error.is_some() {
            return;
        }
        if let Some(mut event) = mfa::extract(record) {
            event.objects.insert(object.name.clone());
            event.delivered_at = object.delivered_at();
            self.events.push(event);
        }
        self.error = self.part.note(record).err();
    }

    fn merge(&mut self, other: Self) {
        let other = other.finish();
        self.events.extend(other.events);
        self.trace.merge(other.trace);
        self.error = self.error.take().or(other.error);
    }
}
