//! Counting what was read. Per account, region and day, never per object.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    cloudtrail::{Contents, Envelope, Record, same},
    contract::{Coverage, CoverageDay, ReadFailure},
    source::{KeyInfo, ObjectRef},
    units::plural,
};

/// What a scan read, beside what its visitor has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scanned {
    /// Counts, days and failures; `complete`, `gaps` and `integrity` are for the caller to fill in.
    pub coverage: Coverage,
    /// Objects not read because an earlier scan did; not among the listed.
    pub objects_known: u64,
    /// Objects in range that are in other shards; not among the listed.
    pub objects_elsewhere: u64,
    /// Insight records and control messages of CloudWatch Logs passed over.
    pub records_passed_over: u64,
    /// Records that could not be used, in objects that were read; `failures` names the objects.
    pub records_unusable: u64,
    /// The latest delivery among the objects read; for those outside the layout, their latest `eventTime`.
    pub latest_delivery: Option<DateTime<Utc>>,
    /// By account: `recipientAccountId` of the records, and the account folders.
    pub accounts: BTreeMap<String, AccountSpan>,
    /// Records that were given to a visitor; `None` where only those of some names were.
    pub records_visited: Option<u64>,
    /// Whether the scan was ended early: then there is more than this tells of.
    pub stopped: bool,
}

impl Scanned {
    /// Whether the counts come out: every listed object is read, failed or skipped, and every record that was counted
    /// was visited. They are taken at different places, by different threads, so that a loss between these shows.
    ///
    /// # Errors
    /// With the numbers.
    pub fn balance(&self) -> Result<(), String> {
        let Coverage { objects_listed, objects_read, objects_failed, objects_skipped, records, .. } = self.coverage;
        if !self.stopped && objects_listed != objects_read + objects_failed + objects_skipped {
            return Err(format!(
                "{objects_listed} objects listed, but {objects_read} read, {objects_failed} failed and {objects_skipped} skipped"
            ));
        }
        match self.records_visited {
            Some(visited) if visited != records => Err(format!("{records} records read, but {visited} processed")),
            _ => Ok(()),
        }
    }
}

/// What was read of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSpan {
    /// `eventTime` of its first record.
    pub first: Option<DateTime<Utc>>,
    /// `eventTime` of its last record.
    pub last: Option<DateTime<Utc>>,
    /// Its records.
    pub records: u64,
    /// Regions seen in keys and in records' `awsRegion`.
    pub regions: BTreeSet<String>,
    /// By region of the key, when the last of its objects was delivered.
    #[serde(default)]
    pub delivered: BTreeMap<String, DateTime<Utc>>,
    /// Those of its records that were read from OCSF, which does not keep all that CloudTrail writes.
    #[serde(default, skip_serializing_if = "is_none")]
    pub ocsf: u64,
}

/// Whether a count says nothing.
fn is_none(count: &u64) -> bool {
    *count == 0
}

impl AccountSpan {
    fn records(&mut self, count: u64, [first, last]: [Option<DateTime<Utc>>; 2], region: Option<&str>) {
        self.records += count;
        self.first = earliest(self.first, first);
        self.last = self.last.max(last);
        if let Some(region) = region {
            self.region(region);
        }
    }

    /// Takes in what another object has of the account.
    pub fn merge(&mut self, other: Self) {
        self.first = earliest(self.first, other.first);
        self.last = self.last.max(other.last);
        self.records += other.records;
        self.ocsf += other.ocsf;
        self.regions.extend(other.regions);
        for (region, at) in other.delivered {
            self.delivered_until(region, at);
        }
    }

    fn delivered_until(&mut self, region: String, at: DateTime<Utc>) {
        let latest = self.delivered.entry(region).or_insert(at);
        *latest = at.max(*latest);
    }

    fn region(&mut self, region: &str) {
        if !self.regions.contains(region) {
            self.regions.insert(region.to_owned());
        }
    }
}

/// So many accounts one object may name: no organization has more.
const ACCOUNTS: usize = if cfg!(test) { 8 } else { 10_000 };

type DayKey = (String, String, NaiveDate);

/// One worker's counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    read: u64,
    failed: u64,
    skipped: u64,
    records: u64,
    visited: u64,
    bytes_compressed: u64,
    bytes_raw: u64,
    passed_over: u64,
    unusable: u64,
    first: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
    latest_delivery: Option<DateTime<Utc>>,
    days: HashMap<DayKey, (u64, u64)>,
    accounts: BTreeMap<String, AccountSpan>,
    failures: Vec<ReadFailure>,
    /// `eventTime` of the last record of the object at hand.
    object_last: Option<DateTime<Utc>>,
    /// The accounts that it names, up to [`ACCOUNTS`], and the records of all others.
    object_accounts: HashSet<String>,
    beyond_accounts: u64,
    run: Run,
    folder: Option<Folder>,
}

/// Objects of one folder in a row: counted as one.
#[derive(Debug, Clone)]
struct Folder {
    account: String,
    region: String,
    day: Option<NaiveDate>,
    delivered: Option<DateTime<Utc>>,
    objects: u64,
    records: u64,
}

/// Records of one account and region in a row, which is what most objects hold: counted as one.
#[derive(Debug, Clone, Default)]
struct Run {
    account: Vec<u8>,
    region: Vec<u8>,
    records: u64,
    /// `eventTime` of the first and the last, in seconds.
    first: i64,
    last: i64,
}

impl Tally {
    /// Begins an object.
    pub(super) fn begin(&mut self) {
        self.object_last = None;
        self.object_accounts.clear();
        self.beyond_accounts = 0;
    }

    pub(super) fn record(&mut self, record: &Record<'_, '_>) {
        self.count(1, [Some(record.time); 2], record.account(), record.text(&["awsRegion"]));
        if record.is_partial()
            && let Some(span) = record.account().and_then(|account| self.accounts.get_mut(account))
        {
            span.ocsf += 1;
        }
    }

    pub(super) fn envelope(&mut self, envelope: &Envelope<'_>) {
        let (account, region, seconds) = (envelope.account(), envelope.region(), envelope.seconds());
        let run = &mut self.run;
        if run.records > 0 && same(&run.account, account) && same(&run.region, region) {
            run.records += 1;
            run.first = run.first.min(seconds);
            run.last = run.last.max(seconds);
            return;
        }
        self.end_run();
        self.run.account.extend_from_slice(account);
        self.run.region.extend_from_slice(region);
        self.run = Run { records: 1, first: seconds, last: seconds, ..std::mem::take(&mut self.run) };
    }

    fn end_run(&mut self) {
        let mut run = std::mem::take(&mut self.run);
        if run.records > 0 {
            let text = |bytes| std::str::from_utf8(bytes).ok().filter(|text: &&str| !text.is_empty());
            let times = [run.first, run.last].map(|seconds| DateTime::from_timestamp(seconds, 0));
            self.count(run.records, times, text(&run.account), text(&run.region));
        }
        run.account.clear();
        run.region.clear();
        self.run = Run { records: 0, ..run };
    }

    fn count(&mut self, records: u64, times: [Option<DateTime<Utc>>; 2], account: Option<&str>, region: Option<&str>) {
        self.visited += records;
        let [first, last] = times;
        self.first = earliest(self.first, first);
        self.last = self.last.max(last);
        self.object_last = self.object_last.max(last);
        let Some(account) = account else { return };
        if !self.object_accounts.contains(account) {
            if self.object_accounts.len() == ACCOUNTS {
                self.beyond_accounts += records;
                return;
            }
            self.object_accounts.insert(account.to_owned());
        }
        // Allocates the key only where it is new.
        if let Some(span) = self.accounts.get_mut(account) {
            span.records(records, times, region);
        } else {
            self.accounts.entry(account.to_owned()).or_default().records(records, times, region);
        }
    }

    /// Counts an object whose JSON was sound: as read, as failed where none of its records could be used, as skipped
    /// where it holds nothing but digests. Tells whether it counts as read.
    pub(super) fn object(&mut self, object: &ObjectRef, compressed: usize, raw: usize, contents: &Contents) -> bool {
        self.end_run();
        if let Some((index, error)) = contents.first_unusable {
            let (bad, first) = (contents.unusable, index + 1);
            let all = contents.records + bad;
            let rest = if contents.is_cut() { "; what follows them was not read" } else { "" };
            if contents.records == 0 {
                let none = if all == 1 {
                    "its only record is not usable".to_owned()
                } else {
                    format!("none of its {all} records is usable")
                };
                let error = format!("{none}: first is record {first}: {error}{rest}");
                self.failed(object.name.clone(), error);
                return false;
            }
            let error = format!(
                "{bad} of {} unusable: first is record {first}: {error}{rest}",
                plural(all, "record", "records")
            );
            self.failures.push(ReadFailure { object: object.name.clone(), error });
            self.unusable += count(bad);
        }
        if contents.digests > 0 && contents.records == 0 {
            self.skipped += 1;
            return false;
        }
        self.read += 1;
        self.records += count(contents.records);
        self.passed_over += count(contents.passed_over);
        self.bytes_compressed += count(compressed);
        self.bytes_raw += count(raw);
        self.latest_delivery = self.latest_delivery.max(object.delivered_at().or(self.object_last));
        let key = &object.key;
        if let (Some(account), Some(region)) = (&key.account, &key.region) {
            let same =
                |folder: &Folder| &folder.account == account && &folder.region == region && folder.day == key.day;
            if !self.folder.as_ref().is_some_and(same) {
                self.end_folder();
            }
            let folder = self.folder.get_or_insert_with(|| Folder {
                account: account.clone(),
                region: region.clone(),
                day: key.day,
                delivered: None,
                objects: 0,
                records: 0,
            });
            folder.objects += 1;
            folder.delivered = folder.delivered.max(object.delivered_at());
            folder.records += count(contents.records);
        }
        true
    }

    /// Names what was left out of an object that was read, for it holds more than is kept of one.
    pub(super) fn surplus(&mut self, object: &ObjectRef, records: usize) {
        let mut left_out = |records: u64, why: String| {
            if records > 0 {
                let error = format!("{} left out: {why}", plural(records, "record", "records"));
                self.failures.push(ReadFailure { object: object.name.clone(), error });
            }
        };
        left_out(count(records), "more than the limit for one object".to_owned());
        left_out(self.beyond_accounts, format!("it names more than {ACCOUNTS} accounts"));
    }

    /// Counts an object that is skipped by design for what it holds.
    pub(super) fn skipped(&mut self) {
        self.skipped += 1;
    }

    fn end_folder(&mut self) {
        let Some(folder) = self.folder.take() else { return };
        let span = self.accounts.entry(folder.account.clone()).or_default();
        span.region(&folder.region);
        if let Some(at) = folder.delivered {
            span.delivered_until(folder.region.clone(), at);
        }
        if let Some(day) = folder.day {
            let (objects, records) = self.days.entry((folder.account, folder.region, day)).or_default();
            *objects += folder.objects;
            *records += folder.records;
        }
    }

    pub(super) fn failed(&mut self, object: String, error: String) {
        self.failed += 1;
        // There was an object on that day: what it lacks is in the failures, and no gap besides.
        let key = KeyInfo::parse(&object);
        if let (Some(account), Some(region), Some(day)) = (key.account, key.region, key.day) {
            self.days.entry((account, region, day)).or_default();
        }
        self.failures.push(ReadFailure { object, error });
    }

    pub(super) fn merge(&mut self, mut other: Self) {
        other.end_folder();
        self.read += other.read;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.records += other.records;
        self.visited += other.visited;
        self.bytes_compressed += other.bytes_compressed;
        self.bytes_raw += other.bytes_raw;
        self.passed_over += other.passed_over;
        self.unusable += other.unusable;
        self.first = earliest(self.first, other.first);
        self.last = self.last.max(other.last);
        self.latest_delivery = self.latest_delivery.max(other.latest_delivery);
        for (day, (objects, records)) in other.days {
            let sum = self.days.entry(day).or_default();
            sum.0 += objects;
            sum.1 += records;
        }
        for (account, span) in other.accounts {
            self.accounts.entry(account).or_default().merge(span);
        }
        self.failures.extend(other.failures);
    }

    pub(super) fn finish(mut self, listed: &Listing) -> Scanned {
        self.end_folder();
        self.failures.sort();
        let mut days: Vec<_> = self.days.into_iter().collect();
        days.sort();
        let day = |((account, region, day), (objects, records)): (DayKey, (u64, u64))| CoverageDay {
            account,
            region,
            day: day.format("%Y-%m-%d").to_string(),
            objects,
            records,
        };
        Scanned {
            coverage: Coverage {
                objects_listed: listed.listed,
                objects_read: self.read,
                objects_failed: self.failed,
                objects_skipped: listed.skipped + self.skipped,
                records: self.records,
                bytes_compressed: self.bytes_compressed,
                bytes_raw: self.bytes_raw,
                first_record: self.first,
                last_record: self.last,
                days: days.into_iter().map(day).collect(),
                failures: self.failures,
                ..Coverage::default()
            },
            objects_known: listed.known,
            objects_elsewhere: listed.elsewhere,
            records_passed_over: self.passed_over,
            records_unusable: self.unusable,
            latest_delivery: self.latest_delivery,
            accounts: self.accounts,
            records_visited: Some(self.visited),
            stopped: false,
        }
    }
}

/// What the listers counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// Everything in range, but the known.
    pub(super) listed: u64,
    /// Of these, deliberately skipped for their keys.
    pub(super) skipped: u64,
    /// Read by an earlier scan.
    pub(super) known: u64,
    /// In other shards.
    pub(super) elsewhere: u64,
}

impl Listing {
    pub(super) fn merge(&mut self, other: Self) {
        self.listed += other.listed;
        self.skipped += other.skipped;
        self.known += other.known;
        self.elsewhere += other.elsewhere;
    }
}

fn earliest(a: Option<DateTime<Utc>>, b: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        _ => a.or(b),
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_shows() {
        let tally = || Tally { read: 2, failed: 1, skipped: 1, records: 7, visited: 7, ..Tally::default() };
        let listing = |listed| Listing { listed, skipped: 3, known: 9, ..Listing::default() };
        assert_eq!(tally().finish(&listing(7)).balance(), Ok(()));
        let lost = "8 objects listed, but 2 read, 1 failed and 4 skipped";
        assert_eq!(tally().finish(&listing(8)).balance().unwrap_err(), lost);
        let stopped = Scanned { stopped: true, ..tally().finish(&listing(8)) };
        assert_eq!(stopped.balance(), Ok(()), "a scan that was stopped knows no more");
        let scanned = Tally { visited: 6, ..tally() }.finish(&listing(7));
        assert_eq!(scanned.balance().unwrap_err(), "7 records read, but 6 processed");
        assert_eq!(Scanned { records_visited: None, ..scanned }.balance(), Ok(()), "a search looks at candidates");
    }
}
