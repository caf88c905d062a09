//! What a scan keeps of the records that it visits: the extracted events, and the trace of everything else.

use std::io;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::cloudtrail::Record;
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
    /// Records that are no event of these: out of range, or not of what is extracted.
    pub passed_over: u64,
    /// The first failure of a temporary file, which makes the evidence useless.
    pub error: Option<io::Error>,
}

impl Evidence {
    /// Keeps what is in `range`.
    #[must_use]
    pub fn new(range: Arc<Range>) -> Self {
        Self { range, part: Part::default(), events: Vec::new(), trace: Trace::default(), passed_over: 0, error: None }
    }

    /// Whether each of the `records` that a scan read is an event here or was passed over.
    ///
    /// # Errors
    /// With the numbers.
    pub fn balance(&self, records: u64) -> Result<(), String> {
        let events = self.events.len();
        if u64::try_from(events).is_ok_and(|events| events.checked_add(self.passed_over) == Some(records)) {
            return Ok(());
        }
        Err(format!("{records} records read, but {events} extracted and {} passed over", self.passed_over))
    }

    /// Seals this worker's notes.
    #[must_use]
    pub fn finish(mut self) -> Self {
        self.trace.add(std::mem::take(&mut self.part));
        self
    }
}

impl Visitor for Evidence {
    fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
        if !self.range.includes(record) || self.error.is_some() {
            self.passed_over += 1;
            return;
        }
        match mfa::extract(record) {
            Some(mut event) => {
                event.objects.insert(object.name.clone());
                event.delivered_at = object.delivered_at();
                self.events.push(event);
            }
            None => self.passed_over += 1,
        }
        self.error = self.part.note(record).err();
    }

    fn merge(&mut self, other: Self) {
        let other = other.finish();
        self.events.extend(other.events);
        self.trace.merge(other.trace);
        self.passed_over += other.passed_over;
        self.error = self.error.take().or(other.error);
    }
}
