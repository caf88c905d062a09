//! Finds what contents that were overwritten still have to say: see [`Overwritten`].

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Datelike, Utc};

use super::StoreError;
use super::frame::{self, Row};
use super::id::{id_of, location_key};
use super::overwritten::{Former, Overwritten, identity_of_call, identity_of_event};
use super::read::Store;
use super::rows::{CallRow, EventRow, Status, integrity as judgment};
use super::schema::Dataset;
use super::tables::month_of_path;
use crate::contract::Integrity;

/// Months; `None` for all.
type Months = Option<BTreeSet<(i32, u32)>>;

impl Store {
    /// What objects that were overwritten still have to say beside those that count, of events and, where `calls`, of calls.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn overwritten(&self, calls: bool, counts: &dyn Fn(u128) -> bool) -> Result<Overwritten, StoreError> {
        let mut found = Overwritten::default();
        let mut months = Some(BTreeSet::new());
        for path in self.paths(Dataset::Objects) {
            let names = ["object_id", "status", "object", "location", "integrity", "first_record", "last_record"];
            let frame = self.pick(path, Dataset::Objects, &names)?;
            let [ids, status, name, location, integrity] =
                ["object_id", "status", "object", "location", "integrity"].map(|name| frame::text(&frame, name));
            let (ids, status, name, location, integrity) = (ids?, status?, name?, location?, integrity?);
            let [first, last] = ["first_record", "last_record"].map(|name| frame::times(&frame, name));
            let (first, last) = (first?, last?);
            for row in (0..frame.height()).filter(|row| status.get(*row) == Some(Status::Replaced.name())) {
                let time = |times: &[Option<DateTime<Utc>>]| times.get(row).copied().flatten();
                add_months(&mut months, time(&first), time(&last));
                let former = Former {
                    name: name.get(row).unwrap_or_default().to_owned(),
                    location: location_key(location.get(row).unwrap_or_default()),
                    integrity: integrity.get(row).and_then(judgment),
                };
                found.former.extend(ids.get(row).map(|id| (id_of(id), former)));
            }
        }
        self.leave_out_outweighed(&mut found)?;
        let event = |row: &EventRow| identity_of_event(&row.event);
        found.events = self.only_there(&found, 1, &months, counts, &|row: &EventRow| id_of(&row.object_id), &event)?;
        if calls {
            let call = |row: &CallRow| identity_of_call(&row.call, row.region.as_deref());
            found.calls = self.only_there(&found, 0, &months, counts, &|row: &CallRow| id_of(&row.object_id), &call)?;
        }
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
    fn only_there<R: Row>(
        &self,
        found: &Overwritten,
        leave: usize,
        months: &Months,
        counts: &dyn Fn(u128) -> bool,
        object: &dyn Fn(&R) -> u128,
        identity: &dyn Fn(&R) -> String,
    ) -> Result<HashSet<String>, StoreError> {
        let mut only = HashSet::new();
        for of_former in [true, false] {
            if !of_former && only.is_empty() || found.former.is_empty() {
                break;
            }
            let within = |path: &&str| {
                let month = month_of_path(path).unwrap_or_default();
                month == (0, 0) || months.as_ref().is_none_or(|months| months.contains(&month))
            };
            let paths: Vec<&str> = self.paths(R::DATASET).filter(within).collect();
            self.ahead(paths.iter().copied());
            for path in paths {
                self.rows_of(path, leave, &mut |row: R| {
                    let object = object(&row);
                    if of_former && found.former.contains_key(&object) {
                        only.insert(identity(&row));
                    } else if !of_former && is_current(found, object) && counts(object) {
                        only.remove(&identity(&row));
                    }
                    Ok(())
                })?;
            }
        }
        Ok(only)
    }
}

fn is_current(found: &Overwritten, object: u128) -> bool {
    !found.former.contains_key(&object) && !found.outweighed.contains(&object)
}

/// Adds the months of an object's records.
fn add_months(months: &mut Months, first: Option<DateTime<Utc>>, last: Option<DateTime<Utc>>) {
    let month = |time: DateTime<Utc>| (time.year(), time.month());
    match (months.as_mut(), first.map(month), last.map(month)) {
        (Some(months), Some(mut next), Some(last)) if next.0 + 100 > last.0 => {
            while next <= last {
                months.insert(next);
                next = if next.1 == 12 { (next.0 + 1, 1) } else { (next.0, next.1 + 1) };
            }
        }
        _ => *months = None,
    }
}
