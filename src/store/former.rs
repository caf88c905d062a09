//! Finds what contents that were overwritten still have to say: see [`Overwritten`].

use std::collections::HashSet;

use chrono::{DateTime, Datelike, Utc};

use super::StoreError;
use super::frame;
use super::id::{id_of, location_key};
use super::overwritten::{Former, Identity, Overwritten};
use super::read::Store;
use super::rows::{Status, integrity as judgment};
use super::schema::Dataset;
use crate::contract::Integrity;

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
