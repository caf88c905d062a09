//! A part of a store as a store of its own: the rows that one report rests on, so that it can be made again elsewhere.
//!
//! It holds what [`Store::evidence`] looks at for a selection and a range, and nothing more; asked for the same it gives the
//! same. One file a folder and no trace of runs, so that the same rows give the same bytes, however they came into the
//! store.

use std::collections::HashMap;
use std::path::Path;

use super::file::{Content, NewFile};
use super::frame::Row;
use super::id::id_of;
use super::lock::Holder;
use super::read::{EvidenceQuery, Store, read_file};
use super::rows::{CallRow, EventRow, ObjectRow, SightingRow};
use super::tables::{Month, Tables, month_of};
use super::write::Writer;
use super::{IAM, StoreError};

/// How many rows of an object were taken, of events, calls and sightings.
type Taken = HashMap<u128, [u64; 3]>;

impl Store {
    /// Writes what a report rests on into a new store in `dir`, and the IAM snapshots of the names `iam`.
    ///
    /// # Errors
    /// When a file cannot be read, or the new store not be written.
    pub fn excerpt(
        &self,
        asked: &EvidenceQuery,
        iam: &[String],
        dir: &Path,
        holder: &Holder,
    ) -> Result<(), StoreError> {
        let (mut objects, mut taken) = (Vec::new(), Taken::new());
        self.objects(None, &mut |row| {
            if asked.includes(&row) {
                taken.insert(id_of(&row.object_id), [0; 3]);
                objects.push(row);
            }
        })?;
        objects.extend(self.unfinished(Some(&asked.selection))?);
        let range = &asked.range;
        let mut tables = Tables::default();
        self.part(&mut tables, &mut taken, 0, |row: &EventRow| {
            let event = &row.event;
            let admitted = range.admits(event.time, Some(&event.account), Some(&event.region));
            admitted.then(|| (id_of(&row.object_id), month_of(event.time)))
        })?;
        self.part(&mut tables, &mut taken, 1, |row: &CallRow| {
            let admitted = range.admits(row.call.time, Some(&row.call.account), row.region.as_deref());
            admitted.then(|| (id_of(&row.object_id), month_of(row.call.time)))
        })?;
        self.part(&mut tables, &mut taken, 2, |row: &SightingRow| {
            let first = range.from.map_or(row.sighting.first, |from| row.sighting.first.max(from));
            let last = range.until.map_or(row.sighting.last, |until| row.sighting.last.min(until));
            let admitted = first <= last && range.admits(first, row.account.as_deref(), row.region.as_deref());
            admitted.then(|| (id_of(&row.object_id), month_of(row.sighting.first)))
        })?;
        for row in objects {
            let [events, calls, sightings] = taken.get(&id_of(&row.object_id)).copied().unwrap_or_default();
            let month = row.partition();
            tables.add(Some(month), &ObjectRow { events, calls, sightings, run: 1, commit: 1, read_at: None, ..row });
        }
        let mut files = tables.files(1)?;
        // Snapshots keep their names, by which the report cites them.
        for name in iam {
            let path = format!("{IAM}{name}");
            let (_, bytes) = read_file(self.place(), self.state(), &path)?;
            let rows = self.state().files.get(&path).map_or(0, |(entry, _)| entry.rows);
            files.push(NewFile { path, content: Content::Here(rows, bytes) });
        }
        Writer::open(dir, holder)?.commit(files, Vec::new(), &mut |_store, _added| Ok(true))
    }

    /// The rows of one data set: `of` tells the object and the month of each that is wanted.
    fn part<R: Row>(
        &self,
        tables: &mut Tables,
        taken: &mut Taken,
        which: usize,
        of: impl Fn(&R) -> Option<(u128, Month)>,
    ) -> Result<(), StoreError> {
        self.rows(None, 0, &mut |row: R| {
            if let Some((object, month)) = of(&row)
                && let Some(count) = taken.get_mut(&object).and_then(|counts| counts.get_mut(which))
            {
                *count += 1;
                tables.add(month, &row);
            }
            Ok(())
        })
    }
}
