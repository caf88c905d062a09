//! What a scan keeps of the records that it visits: the extracted events, and the trace of everything else.

use std::io;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::cloudtrail::Record;
use crate::mfa::{self, Event};
use crate::pipeline::Visitor;
use crate::source::ObjectRef;
use crate::trace::{Call, Part, Sighting, Trace};

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
        self.admits(record.time, record.account(), record.text(&["awsRegion"]))
    }

    /// The same, by what of a record decides.
    #[must_use]
    pub fn admits(&self, time: DateTime<Utc>, account: Option<&str>, region: Option<&str>) -> bool {
        let listed = |list: &[String], value: Option<&str>| {
            list.is_empty() || value.is_some_and(|value| list.iter().any(|listed| listed == value))
        };
        self.from.is_none_or(|from| from <= time)
            && self.until.is_none_or(|until| time <= until)
            && listed(&self.accounts, account)
            && listed(&self.regions, region)
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
}

impl Evidence {
    /// Keeps what is in `range`.
    #[must_use]
    pub fn new(range: Arc<Range>) -> Self {
        Self { range, part: Part::default(), events: Vec::new(), trace: Trace::default(), error: None }
    }

    /// Where calls and sightings are noted, for those that were kept by an earlier run.
    pub fn part(&mut self) -> &mut Part {
        &mut self.part
    }

    /// Everything kept so far, as rows; from here on it begins anew.
    ///
    /// # Errors
    /// When a temporary file could not be written or read back.
    pub fn take(&mut self) -> io::Result<(Vec<Event>, Vec<Call>, Vec<Sighting>)> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let (calls, sightings) = std::mem::take(&mut self.part).into_rows()?;
        Ok((std::mem::take(&mut self.events), calls, sightings))
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
