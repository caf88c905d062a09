//! Rows on their way into a commit, and the files that a commit adds and removes.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::StoreError;
use super::frame::{self, Row};
use super::id::id_of;
use super::notes::Run;
use super::read::read_file;
use super::rows::{CallRow, EventRow, ObjectRow, SightingRow};
use super::schema::Dataset;
use super::tables::{Tables, month_of_path};
use super::write::Writer;

/// Rows of objects that are in no commit yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) objects: Vec<ObjectRow>,
    pub(super) events: Vec<EventRow>,
    pub(super) calls: Vec<CallRow>,
    pub(super) sightings: Vec<SightingRow>,
    pub(super) bytes: usize,
    /// What this run has met, by location: sources may overlap.
    pub(super) met: HashSet<u128>,
}

impl Pending {
    /// All rows; what was met stays.
    pub(super) fn take(&mut self) -> Self {
        let met = std::mem::take(&mut self.met);
        std::mem::replace(self, Self { met, ..Self::default() })
    }

    /// Gives the rows of some objects to the objects' new ids.
    pub(super) fn rename(&mut self, ids: &HashMap<String, String>) {
        for row in &mut self.events {
            if let Some(id) = ids.get(&row.object_id) {
                row.object_id.clone_from(id);
            }
        }
        let calls = self.calls.iter_mut().map(|row| &mut row.object_id);
        for object in calls.chain(self.sightings.iter_mut().map(|row| &mut row.object_id)) {
            if let Some(id) = ids.get(&**object) {
                *object = id.as_str().into();
            }
        }
    }
}

/// Notes a run.
///
/// # Errors
/// When the store cannot be written.
pub fn record(writer: &mut Writer, run: Run) -> Result<(), StoreError> {
    let mut files = Files::default();
    files.tables.add(None, &run);
    files.commit(writer)
}

/// What a commit adds and removes.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) tables: Tables,
    pub(super) remove: BTreeSet<String>,
}

impl Files {
    pub(super) fn commit(self, writer: &mut Writer) -> Result<(), StoreError> {
        let add = self.tables.files(writer.next())?;
        writer.commit(add, self.remove.into_iter().collect())
    }

    /// Retires a file and takes over its rows, as `change` leaves them. A file without any row that is `affected` is left as
    /// it is.
    pub(super) fn rewrite<R: Row>(
        &mut self,
        writer: &Writer,
        path: &str,
        affected: &dyn Fn(&R) -> bool,
        change: &dyn Fn(R) -> Option<R>,
    ) -> Result<(), StoreError> {
        let (at, bytes) = read_file(writer.dir(), writer.state(), path)?;
        let rows = frame::rows::<R>(&at, bytes, 0)?;
        if rows.iter().any(affected) {
            self.remove.insert(path.to_owned());
            let month = month_of_path(path);
            for row in rows {
                if let Some(row) = if affected(&row) { change(row) } else { Some(row) } {
                    self.tables.add(month, &row);
                }
            }
        }
        Ok(())
    }

    /// Retires a file and takes over all of its rows.
    pub(super) fn take_over<R: Row>(&mut self, writer: &Writer, path: &str) -> Result<(), StoreError> {
        let (at, bytes) = read_file(writer.dir(), writer.state(), path)?;
        self.remove.insert(path.to_owned());
        let month = month_of_path(path);
        frame::each_row(&at, bytes, 0, &mut |row: R| {
            self.tables.add(month, &row);
            Ok(())
        })
    }

    /// Drops the rows of some objects from every file of a data set.
    pub(super) fn drop_rows<R: Row>(
        &mut self,
        writer: &Writer,
        object: fn(&R) -> &str,
        dropped: &HashSet<u128>,
    ) -> Result<(), StoreError> {
        let paths = writer.state().files.keys().filter(|path| Dataset::of(path) == Some(R::DATASET));
        for path in paths {
            self.rewrite(writer, path, &|row: &R| dropped.contains(&id_of(object(row))), &|_gone| None)?;
        }
        Ok(())
    }
}
