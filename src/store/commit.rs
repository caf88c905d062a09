//! Rows on their way into a commit, and the files that a commit adds and removes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::StoreError;
use super::file::NewFile;
use super::frame::{self, Row};
use super::id::id_of;
use super::notes::{Run, RunKind};
use super::read::read_file;
use super::rows::{CallRow, EventRow, ObjectRow, SightingRow};
use super::schema::Dataset;
use super::tables::{Tables, month_of_path};
use super::write::{Holds, Writer};

/// Rows of objects that are in no commit yet.
#[derive(Debug, Default, Clone)]
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

    /// Leaves out some objects, and their rows.
    pub(super) fn leave_out(&mut self, unwanted: &dyn Fn(&ObjectRow) -> bool) {
        let (left_out, objects): (Vec<_>, Vec<_>) = std::mem::take(&mut self.objects).into_iter().partition(unwanted);
        self.objects = objects;
        let ids: HashSet<&str> = left_out.iter().map(|row| row.object_id.as_str()).collect();
        if !ids.is_empty() {
            self.events.retain(|row| !ids.contains(row.object_id.as_str()));
            self.calls.retain(|row| !ids.contains(&*row.object_id));
            self.sightings.retain(|row| !ids.contains(&*row.object_id));
        }
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

/// How often something is tried anew because others wrote meanwhile.
pub(super) const ATTEMPTS: u32 = 30;
/// How long is waited before the second attempt; each further one waits longer.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// Notes a run; gives it as it was noted: where others write, its number may be a later one.
///
/// # Errors
/// When the store cannot be written.
pub fn record(writer: &mut Writer, mut run: Run) -> Result<Run, StoreError> {
    for _attempt in 0..ATTEMPTS {
        let mut files = Files::default();
        files.tables.add(None, &run);
        match files.commit_if(writer, &mut |_store, _added| Ok(false)) {
            Err(StoreError::Raced(_)) => {
                // A report's commit is the one that it rests on.
                let commit = if run.kind == RunKind::Report { run.commit } else { writer.next() - 1 };
                run = Run { run: writer.next(), commit, ..run };
            }
            Err(error) => return Err(error),
            Ok(()) => return Ok(run),
        }
    }
    Err(StoreError::Raced(writer.place().shown()))
}

/// What a commit adds and removes.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) tables: Tables,
    pub(super) remove: BTreeSet<String>,
}

impl Files {
    /// Commits, whatever others added meanwhile; not if they retired what this retires.
    pub(super) fn commit(self, writer: &mut Writer) -> Result<(), StoreError> {
        self.commit_if(writer, &mut |_store, _added| Ok(true))
    }

    /// Commits other files besides; not if anybody wrote meanwhile.
    pub(super) fn commit_with(self, writer: &mut Writer, more: Vec<NewFile>) -> Result<(), StoreError> {
        let mut add = self.tables.files(writer.next())?;
        add.extend(more);
        writer.commit(add, self.remove.into_iter().collect(), &mut |_store, _added| Ok(false))
    }

    /// Commits, if that `holds` in view of what others added meanwhile.
    pub(super) fn commit_if(self, writer: &mut Writer, holds: Holds<'_>) -> Result<(), StoreError> {
        let add = self.tables.files(writer.next())?;
        writer.commit(add, self.remove.into_iter().collect(), holds)
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
        let (at, bytes) = read_file(writer.place(), writer.state(), path)?;
        let mut rows = frame::rows::<R>(&at, bytes, 0)?;
        rows.iter_mut().for_each(|row| row.committed(writer.state().since(path)));
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
        let (at, bytes) = read_file(writer.place(), writer.state(), path)?;
        self.remove.insert(path.to_owned());
        let (month, since) = (month_of_path(path), writer.state().since(path));
        frame::each_row(&at, bytes, 0, &mut |mut row: R| {
            row.committed(since);
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
