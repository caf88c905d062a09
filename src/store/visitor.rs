//! The evidence of each object as rows.
//!
//! It is gathered by [`Evidence`], object by object and, within an object, by the account and region of the records, for by these a
//! report selects.

use std::collections::HashMap;
use std::sync::Arc;

use super::id::text_of;
use super::ingest::BatchSink;
use super::rows::{CallRow, EventRow, ObjectRow, SightingRow, Status, object_id, unlisted_location};
use super::{StoreError, count, hex};
use crate::cloudtrail::{Brief, Envelope, Record};
use crate::contract::Integrity;
use crate::digest::Checker;
use crate::evidence::{EVENTS, Evidence, Range, brief};
use crate::inflate::InflateError;
use crate::mfa::is_extracted;
use crate::pipeline::{Bytes, Next, Outcome, Visitor};
use crate::source::{KeyInfo, ObjectRef};

/// Groups whose evidence is used again: an object is nearly always of one account and region.
const SPARE: usize = 4;

/// Of one object the records of so many accounts and regions are kept.
const GROUPS: usize = if cfg!(test) { 16 } else { 10_000 };
/// The visitor of a scan into a store.
#[derive(Debug)]
pub struct StoreVisitor<'s> {
    sink: &'s BatchSink,
    all: Arc<Range>,
    groups: Vec<Group>,
    /// Which of them an account and a region have, and which was asked for last.
    places: HashMap<Place, usize>,
    last: usize,
    /// Records of the object at hand that were extracted, and those that were left out.
    extracted: usize,
    left_out: usize,
    /// Of groups that were kept: what is known of the texts and callers of one object serves for the next.
    spare: Vec<Evidence>,
    /// Compares every log with what the digests name, where that was asked for.
    checker: Option<Checker>,
    /// What it said of the object at hand, and which digest proves it.
    judged: Option<(Integrity, Option<String>)>,
    /// Whether that object matters to it only if it gives a record of the range.
    aside: bool,
}

/// An account and a region.
type Place = (Option<String>, Option<String>);

/// The records of one account and region in the object at hand.
#[derive(Debug)]
struct Group {
    account: Option<Arc<str>>,
    region: Option<Arc<str>>,
    evidence: Evidence,
    /// The extracted records themselves, each with its number in the object.
    records: Vec<(u64, String)>,
}

impl<'s> StoreVisitor<'s> {
    /// Keeps everything of every object that is read.
    #[must_use]
    pub fn new(sink: &'s BatchSink) -> Self {
        Self {
            sink,
            all: Arc::default(),
            groups: Vec::new(),
            places: HashMap::new(),
            last: 0,
            extracted: 0,
            left_out: 0,
            spare: Vec::new(),
            checker: None,
            judged: None,
            aside: false,
        }
    }

    /// The same, and every log is compared with what the digests name: the very bytes that are parsed.
    #[must_use]
    pub fn checked(self, checker: Option<Checker>) -> Self {
        Self { checker, ..self }
    }

    /// What the comparison found.
    #[must_use]
    pub fn into_checker(self) -> Option<Checker> {
        self.checker
    }

    /// Notes that an object gave a record, where that is still to be known.
    fn gave(&mut self, object: &ObjectRef, seconds: i64) {
        self.aside &= !self.checker.as_mut().is_none_or(|checker| checker.gave(object, seconds));
    }

    /// The group of an account and a region; `None` where there are as many as are kept of one object.
    fn group(&mut self, account: Option<&str>, region: Option<&str>) -> Option<&mut Group> {
        let same = |group: &Group| group.account.as_deref() == account && group.region.as_deref() == region;
        if !self.groups.get(self.last).is_some_and(same) {
            let place = (account.map(str::to_owned), region.map(str::to_owned));
            self.last = match self.places.get(&place) {
                Some(known) => *known,
                None if self.groups.len() == GROUPS => {
                    self.left_out += 1;
                    return None;
                }
                None => {
                    self.places.insert(place, self.groups.len());
                    self.groups.push(Group {
                        account: account.map(Arc::from),
                        region: region.map(Arc::from),
                        evidence: self.spare.pop().unwrap_or_else(|| Evidence::new(Arc::clone(&self.all))),
                        records: Vec::new(),
                    });
                    self.groups.len() - 1
                }
            };
        }
        self.groups.get_mut(self.last)
    }
}

impl Visitor for StoreVisitor<'_> {
    const OUTCOMES: bool = true;

    const ENVELOPES: bool = true;

    fn brief(&self, envelope: &Envelope<'_>) -> Option<Brief> {
        brief(envelope)
    }

    fn envelope(&mut self, object: &Arc<ObjectRef>, envelope: &Envelope<'_>, brief: Brief) {
        if self.aside {
            self.gave(object, envelope.seconds());
        }
        let text = |bytes| std::str::from_utf8(bytes).ok().filter(|text: &&str| !text.is_empty());
        if let Some(group) = self.group(text(envelope.account()), text(envelope.region())) {
            group.evidence.envelope(object, envelope, brief);
        }
    }

    fn bytes(&mut self, object: &Arc<ObjectRef>, bytes: &Bytes<'_>) -> Next {
        self.judged = self.checker.as_mut().map(|checker| {
            let integrity = checker.judge(object, &bytes.inflated);
            let digest = (integrity == Integrity::Verified).then(|| checker.proven_by(&object.name)).flatten();
            (integrity, digest)
        });
        self.aside = self.checker.as_ref().is_some_and(Checker::is_aside);
        Next::Visit
    }

    fn damaged(&mut self, object: &Arc<ObjectRef>, error: &InflateError) {
        if let Some(checker) = &mut self.checker {
            checker.broken(object, error);
            self.judged = Some((Integrity::Failed, None));
        }
    }

    fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
        if self.aside {
            self.gave(object, record.time.timestamp());
        }
        let number = self.extracted;
        if number == EVENTS && is_extracted(record.source.as_bytes(), record.name.as_bytes()) {
            self.left_out += 1;
            return;
        }
        let Some(group) = self.group(record.account(), record.text(&["awsRegion"])) else { return };
        group.evidence.record(object, record);
        if group.evidence.events.count() > group.records.len() {
            let text = record.raw().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
            group.records.push((count(number), text));
            self.extracted += 1;
        }
    }

    fn surplus(&mut self) -> usize {
        std::mem::take(&mut self.left_out)
    }

    fn outcome(&mut self, outcome: Outcome<'_>) {
        let sink = self.sink;
        let coverage = outcome.scanned.coverage;
        let status = match (coverage.objects_read, coverage.objects_failed) {
            (1, _) => Status::Read,
            (_, 1) => Status::Failed,
            _ => Status::Skipped,
        };
        let failure = coverage.failures.into_iter().next();
        let mut row = match outcome.object {
            Some(object) => sink.row(object, status),
            None => {
                let name = failure.as_ref().map(|failure| failure.object.clone()).unwrap_or_default();
                // As a report tells of it, which has nothing but the name.
                let key = KeyInfo::parse(&name);
                let location = unlisted_location(&name, sink.shard());
                ObjectRow {
                    object_id: text_of(object_id(&location, None, 0)),
                    location,
                    name,
                    account: key.account,
                    region: key.region,
                    day: key.day,
                    ..sink.empty(status)
                }
            }
        };
        if let Some((integrity, digest)) = self.judged.take() {
            (row.integrity, row.digest) = (Some(integrity), digest);
        }
        row.sha256 = outcome.sha256.map(|digest| hex(&digest));
        row.error = failure.map(|failure| failure.error);
        row.records = coverage.records;
        row.records_unusable = outcome.scanned.records_unusable;
        row.records_passed_over = outcome.scanned.records_passed_over;
        row.stored_bytes = coverage.bytes_compressed;
        row.json_bytes = coverage.bytes_raw;
        row.first_record = coverage.first_record;
        row.last_record = coverage.last_record;
        row.latest_delivery = outcome.scanned.latest_delivery;
        match serde_json::to_string(&outcome.scanned.accounts) {
            Ok(accounts) => row.accounts = accounts,
            Err(error) => return sink.fail(StoreError::Temporary(error.into())),
        }
        let (mut events, mut calls, mut sightings) = (Vec::new(), Vec::new(), Vec::new());
        let object_id: Arc<str> = row.object_id.as_str().into();
        (self.last, self.extracted, self.left_out) = (0, 0, 0);
        self.places.clear();
        for mut group in self.groups.drain(..) {
            let (kept, called, sighted) = match group.evidence.take() {
                Ok(rows) => rows,
                Err(error) => return sink.fail(StoreError::Temporary(error)),
            };
            for (mut event, (number, record)) in kept.into_iter().zip(group.records) {
                event.objects = [row.name.as_str()].into_iter().collect();
                events.push(EventRow {
                    event,
                    object_id: row.object_id.clone(),
                    etag: row.etag.clone(),
                    size: row.size,
                    sha256: row.sha256.clone(),
                    number,
                    record: Some(record),
                });
            }
            let Group { account, region, evidence, .. } = group;
            calls.extend(called.into_iter().map(|call| CallRow {
                call,
                region: region.clone(),
                object_id: object_id.clone(),
            }));
            sightings.extend(sighted.into_iter().map(|sighting| SightingRow {
                sighting,
                account: account.clone(),
                region: region.clone(),
                object_id: object_id.clone(),
            }));
            if self.spare.len() < SPARE {
                self.spare.push(evidence);
            }
        }
        sink.add(row, events, calls, sightings);
    }

    fn merge(&mut self, other: Self) {
        // Everything else is in the sink.
        if let (Some(checker), Some(other)) = (&mut self.checker, other.checker) {
            checker.merge(other);
        }
    }

    fn gave_up(&self) -> bool {
        self.sink.has_failed()
    }
}
