//! Objects that were overwritten in the archive after they had been read. CloudTrail never does that, so that whoever did may have
//! wanted to take something back: what the store has of them, and what replaced them lacks, still counts where it makes things
//! worse. Only where a digest proves the current content does that content alone count.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Datelike, Utc};

use super::StoreError;
use super::frame;
use super::id::{id_of, location_key};
use super::read::Store;
use super::rows::{Status, content_text, integrity as judgment};
use super::schema::Dataset;
use crate::contract::Integrity;
use crate::mfa::{Conflict, Dispute, Event};

/// Account, id and content of an event; of a call, which has no content of its own, account and id.
type Identity = (String, String, Option<String>);

/// A content that was overwritten.
#[derive(Debug)]
struct Former {
    name: String,
    location: u128,
    integrity: Option<Integrity>,
    months: Option<[(i32, u32); 2]>,
}

/// What contents that were overwritten still have to say.
#[derive(Debug, Default)]
pub(super) struct Overwritten {
    /// By id, those that a digest does not outweigh.
    former: HashMap<u128, Former>,
    /// By id, those that a digest outweighs.
    outweighed: HashSet<u128>,
    /// Of their events, those that no current object has.
    events: HashSet<Identity>,
    /// Of their calls, those that no current object has.
    calls: HashSet<Identity>,
}

impl Overwritten {
    /// What the digests said of an object that was overwritten and still counts; `None` where it does not.
    pub(super) fn integrity(&self, object: u128) -> Option<Option<Integrity>> {
        self.former.get(&object).map(|former| former.integrity)
    }

    /// Whether an event of such an object is in no current one. Then it is marked, and is a conflict of what its object said and says.
    pub(super) fn recall(&self, object: u128, event: &mut Event) -> Option<Conflict> {
        let former = self.former.get(&object)?;
        let (account, event_id) = (event.account.to_string(), event.id.clone());
        if !self.events.contains(&(account.clone(), event_id.clone(), content_text(&event.lineage))) {
            return None;
        }
        event.lineage.verified = former.integrity == Some(Integrity::Verified);
        if !event.lineage.verified {
            event.lineage.dispute = Some(Dispute::Effect);
        }
        let objects = BTreeSet::from([former.name.clone()]);
        Some(Conflict { account, event_id, kept: objects.clone(), objects })
    }

    /// Whether a call of such an object is in no current one.
    pub(super) fn has_call(&self, object: u128, account: &str, event_id: &str) -> bool {
        self.former.contains_key(&object) && self.calls.contains(&(account.to_owned(), event_id.to_owned(), None))
    }
}

impl Store {
    /// What objects that were overwritten still have to say.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn overwritten(&self) -> Result<Overwritten, StoreError> {
        let mut found = Overwritten::default();
        for path in self.paths(Dataset::Objects) {
            let names = ["object_id", "status", "object", "location", "integrity", "first_record", "last_record"];
            let frame = self.pick(path, Dataset::Objects, &names)?;
            let [ids, status, name, location, integrity] =
                ["object_id", "status", "object", "location", "integrity"].map(|name| frame::text(&frame, name));
            let (ids, status, name, location, integrity) = (ids?, status?, name?, location?, integrity?);
            let [first, last] = ["first_record", "last_record"].map(|name| frame::times(&frame, name));
            let (first, last) = (first?, last?);
            for row in (0..frame.height()).filter(|row| status.get(*row) == Some(Status::Replaced.name())) {
                let month = |times: &[Option<DateTime<Utc>>]| {
                    times.get(row).copied().flatten().map(|time| (time.year(), time.month()))
                };
                let former = Former {
                    name: name.get(row).unwrap_or_default().to_owned(),
                    location: location_key(location.get(row).unwrap_or_default()),
                    integrity: integrity.get(row).and_then(judgment),
                    months: month(&first).zip(month(&last)).map(|(first, last)| [first, last]),
                };
                found.former.extend(ids.get(row).map(|id| (id_of(id), former)));
            }
        }
        self.leave_out_outweighed(&mut found)?;
        let Some(months) = found.former.values().filter_map(|former| former.months).reduce(|a, b| {
            let ([a, b], [c, d]) = (a, b);
            [a.min(c), b.max(d)]
        }) else {
            return Ok(found);
        };
        found.events = self.only_there(&found, Dataset::Events, months)?;
        found.calls = self.only_there(&found, Dataset::Calls, months)?;
        Ok(found)
    }

    /// Sets apart the contents whose successor a digest proves.
    fn leave_out_outweighed(&self, found: &mut Overwritten) -> Result<(), StoreError> {
        let places: HashSet<u128> = found.former.values().map(|former| former.location).collect();
        let mut proven = HashSet::new();
        for path in self.paths(Dataset::Objects).filter(|_| !places.is_empty()) {
            let frame = self.pick(path, Dataset::Objects, &["status", "location", "integrity"])?;
            let [status, location, integrity] =
                ["status", "location", "integrity"].map(|name| frame::text(&frame, name));
            let (status, location, integrity) = (status?, location?, integrity?);
            for row in 0..frame.height() {
                if status.get(row) == Some(Status::Read.name())
                    && integrity.get(row) == Some(Integrity::Verified.name())
                    && let Some(place) = location.get(row).map(location_key).filter(|place| places.contains(place))
                {
                    proven.insert(place);
                }
            }
        }
        let outweighed = found.former.extract_if(|_, former| proven.contains(&former.location));
        found.outweighed = outweighed.map(|(id, _)| id).collect();
        Ok(())
    }

    /// What only such objects have of a data set. A copy of a record has its time, and lies in the same month.
    fn only_there(
        &self,
        found: &Overwritten,
        dataset: Dataset,
        months: [(i32, u32); 2],
    ) -> Result<HashSet<Identity>, StoreError> {
        let has_content = dataset == Dataset::Events;
        let mut only = HashSet::new();
        for of_former in [true, false] {
            let paths: Vec<&str> = self.paths_within(dataset, Some(months)).collect();
            self.ahead(paths.iter().copied());
            for path in paths {
                let names: &[&str] = if has_content {
                    &["account", "event_id", "object_id", "content"]
                } else {
                    &["account", "event_id", "object_id"]
                };
                let frame = self.pick(path, dataset, names)?;
                let [accounts, ids, objects] =
                    ["account", "event_id", "object_id"].map(|name| frame::text(&frame, name));
                let (accounts, ids, objects) = (accounts?, ids?, objects?);
                let contents = has_content.then(|| frame::text(&frame, "content")).transpose()?;
                for row in 0..frame.height() {
                    let (Some(account), Some(id), Some(object)) = (accounts.get(row), ids.get(row), objects.get(row))
                    else {
                        continue;
                    };
                    let object = id_of(object);
                    if of_former != found.former.contains_key(&object) || found.outweighed.contains(&object) {
                        continue;
                    }
                    let content = contents.and_then(|contents| contents.get(row)).map(str::to_owned);
                    let identity = (account.to_owned(), id.to_owned(), content);
                    if of_former {
                        only.insert(identity);
                    } else {
                        only.remove(&identity);
                    }
                }
            }
            if only.is_empty() {
                break;
            }
        }
        Ok(only)
    }
}
