//! Stores made one: what several hold of one archive, as if it had been scanned into one store.
//!
//! An object that both hold is in the result once. Of two contents of one object the later read counts, and the other is marked
//! as overwritten, as a scan would have done. Files are taken over as they are, where all of their rows are wanted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::commit::{ATTEMPTS, Files, record};
use super::compact::{MANY, compact};
use super::file::{Content, NewFile};
use super::frame::{self, Row, Table};
use super::id::{id_of, location_key};
use super::index::Index;
use super::notes::{Run, RunKind};
use super::read::{Store, read_file};
use super::rows::{CallRow, EventRow, ObjectRow, SightingRow, Status};
use super::schema::Dataset;
use super::tables::{folder, month_of_path};
use super::write::Writer;
use super::{IAM, StoreError, count, damaged};

/// What was taken over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Objects.
    pub objects: u64,
    /// Objects that were there already, by location, tag and size.
    pub known: u64,
    /// Objects of which the two stores have different contents: one of them was overwritten in the archive.
    pub replaced: u64,
}

/// What becomes of objects that both stores have.
#[derive(Debug, Default)]
struct Decisions {
    merged: Merged,
    /// Objects of the store that is taken over that are left out, by their ids.
    left_out: HashSet<u128>,
    /// Those that were overwritten since.
    outdated: HashSet<u128>,
    /// Objects of the other store whose rows go.
    superseded: HashSet<u128>,
    /// Those that were overwritten since.
    replaced: HashSet<u128>,
}

/// An object that is taken over while another content of it is there.
#[derive(Debug)]
struct Contested {
    id: u128,
    status: Status,
    read_at: Option<DateTime<Utc>>,
}

/// Takes over what another store holds.
///
/// # Errors
/// When a file of the other cannot be read, or the store cannot be written; then nothing of the other's objects is in it.
pub fn merge(from: Store, into: &mut Writer) -> Result<Merged, StoreError> {
    let from = Arc::new(from);
    for _attempt in 1..ATTEMPTS {
        match merge_once(&from, into) {
            Err(StoreError::Raced(_)) => {
                into.refresh()?;
            }
            // What others retired meanwhile cannot be read.
            Err(error) => {
                if !into.refresh()? {
                    return Err(error);
                }
            }
            Ok(merged) => {
                compact(into, MANY)?;
                return Ok(merged);
            }
        }
    }
    merge_once(&from, into)
}

fn merge_once(from: &Arc<Store>, into: &mut Writer) -> Result<Merged, StoreError> {
    let (numbers, ends) = runs(from, into)?;
    let target = Store::of(into.place(), into.state().clone());
    let decisions = Decisions::of(from, &target)?;
    let mut files = Files::default();
    ends.iter().for_each(|end| files.tables.add(None, end));
    decisions.change(&mut files, into)?;
    let (merged, left_out) = (decisions.merged, Arc::new(decisions.left_out));
    let number = into.next();
    let shared = into.is_shared();
    let (numbers, outdated) = (Arc::new(numbers), Arc::new(decisions.outdated));
    let object = move |row: ObjectRow| {
        let status = if outdated.contains(&id_of(&row.object_id)) { Status::Replaced } else { row.status };
        let run = numbers.get(&row.run).copied().unwrap_or_default();
        ObjectRow { status, run, commit: if shared { 0 } else { number }, ..row }
    };
    let object: Arc<dyn Fn(ObjectRow) -> ObjectRow + Send + Sync> = Arc::new(object);
    let mut add = Vec::new();
    for (at, (path, (entry, _))) in from.state().files.iter().enumerate() {
        let content = match Dataset::of(path) {
            Some(Dataset::Runs) => continue,
            None if target.has_snapshot(&entry.sha256) => continue,
            None => whole(from, path, entry.rows),
            Some(Dataset::Objects) => {
                let object = Arc::clone(&object);
                some(from, path, &left_out, |row: &ObjectRow| &row.object_id, move |row| object(row))
            }
            Some(_) if left_out.is_empty() => whole(from, path, entry.rows),
            Some(Dataset::Events) => some(from, path, &left_out, |row: &EventRow| &row.object_id, |row| row),
            Some(Dataset::Calls) => some(from, path, &left_out, |row: &CallRow| &row.object_id, |row| row),
            Some(Dataset::Sightings) => some(from, path, &left_out, |row: &SightingRow| &row.object_id, |row| row),
        };
        let path = match Dataset::of(path) {
            Some(dataset) => format!("{}{number:08}-{at}.parquet", folder(dataset, month_of_path(path))),
            // The order of names is that of the times, which begin them.
            None => format!("{}-{number:08}-{at}.json", path.split('-').next().unwrap_or(IAM)),
        };
        add.push(NewFile { path, content });
    }
    files.commit_with(into, add)?;
    Ok(merged)
}

/// Notes the runs of the other store that are not there; gives their numbers by those that they had, and what is to be noted when
/// their rows are there. Reports were made of the other store: this one has not been reported on.
fn runs(from: &Store, into: &mut Writer) -> Result<(HashMap<u64, u64>, Vec<Run>), StoreError> {
    let all = from.runs()?;
    let ended: HashSet<u64> = all.iter().filter(|run| run.kind == RunKind::End).map(|run| run.run).collect();
    let known = Store::of(into.place(), into.state().clone()).runs()?;
    let known_ends: HashSet<u64> = known.iter().filter(|run| run.kind == RunKind::End).map(|run| run.run).collect();
    let (mut numbers, mut ends) = (HashMap::new(), Vec::new());
    for run in all.into_iter().filter(|run| !matches!(run.kind, RunKind::End | RunKind::Report)) {
        let number = run.run;
        let same = |other: &&Run| Run { run: number, commit: run.commit, ..(*other).clone() } == run;
        let there = match known.iter().find(same) {
            Some(there) => there.clone(),
            None => {
                let next = into.next();
                record(into, Run { run: next, commit: next - 1, ..run.clone() })?
            }
        };
        if ended.contains(&number) && !known_ends.contains(&there.run) {
            ends.push(there.end());
        }
        numbers.insert(number, there.run);
    }
    Ok((numbers, ends))
}

impl Decisions {
    fn of(from: &Store, target: &Store) -> Result<Self, StoreError> {
        let index = Index::read(target)?;
        let mut decisions = Self::default();
        let mut contested: HashMap<u128, Contested> = HashMap::new();
        from.rows(None, 0, &mut |row: ObjectRow| {
            let id = id_of(&row.object_id);
            let there = index.get(&row.location);
            let known = index.replaced(id).is_some();
            match there {
                _ if row.status == Status::Replaced => {
                    if known || there.is_some_and(|there| there.object == id) {
                        decisions.leave_out(id);
                    }
                }
                None => {
                    // It was overwritten, and has come back.
                    if known {
                        decisions.superseded.insert(id);
                    }
                }
                Some(there) if there.object == id => {
                    if there.status != Status::Read && row.status == Status::Read {
                        decisions.superseded.insert(id);
                    } else {
                        decisions.leave_out(id);
                    }
                }
                Some(_) => {
                    let other = Contested { id, status: row.status, read_at: row.read_at };
                    contested.insert(location_key(&row.location), other);
                }
            }
            decisions.merged.objects += 1;
            Ok(())
        })?;
        if !contested.is_empty() {
            target.rows(None, 0, &mut |row: ObjectRow| {
                let other = contested.get(&location_key(&row.location)).filter(|_| row.status != Status::Replaced);
                if let Some(other) = other {
                    decisions.decide(&row, other, index.replaced(other.id).is_some());
                }
                Ok(())
            })?;
        }
        decisions.merged.objects -= decisions.merged.known;
        Ok(decisions)
    }

    fn leave_out(&mut self, id: u128) {
        self.merged.known += 1;
        self.left_out.insert(id);
    }

    /// Of two contents of one object, the one that was read later is what is there; what was not read is nothing to keep.
    fn decide(&mut self, there: &ObjectRow, other: &Contested, was_replaced: bool) {
        self.merged.replaced += 1;
        let old = id_of(&there.object_id);
        if other.read_at >= there.read_at {
            if was_replaced {
                self.superseded.insert(other.id);
            }
            let gone = if there.status == Status::Read { &mut self.replaced } else { &mut self.superseded };
            gone.insert(old);
        } else if other.status == Status::Read && !was_replaced {
            self.outdated.insert(other.id);
        } else {
            self.left_out.insert(other.id);
        }
    }

    /// Changes the rows of the store that takes over.
    fn change(&self, files: &mut Files, into: &Writer) -> Result<(), StoreError> {
        if !self.superseded.is_empty() {
            files.drop_rows(into, |row: &EventRow| &row.object_id, &self.superseded)?;
            files.drop_rows(into, |row: &CallRow| &row.object_id, &self.superseded)?;
            files.drop_rows(into, |row: &SightingRow| &row.object_id, &self.superseded)?;
        }
        if self.superseded.is_empty() && self.replaced.is_empty() {
            return Ok(());
        }
        let affected = |row: &ObjectRow| {
            let id = id_of(&row.object_id);
            self.superseded.contains(&id) || self.replaced.contains(&id)
        };
        let change = |row: ObjectRow| {
            let replaced = self.replaced.contains(&id_of(&row.object_id));
            replaced.then_some(ObjectRow { status: Status::Replaced, ..row })
        };
        let paths = into.state().files.keys().filter(|path| Dataset::of(path) == Some(Dataset::Objects));
        paths.into_iter().try_for_each(|path| files.rewrite(into, path, &affected, &change))
    }
}

/// A file as it is, read when it is written.
fn whole(from: &Arc<Store>, path: &str, rows: u64) -> Content {
    let (from, path) = (Arc::clone(from), path.to_owned());
    Content::Later(Box::new(move || Ok((rows, read_file(from.place(), from.state(), &path)?.1))))
}

/// A file without the rows of some objects, read when it is written.
fn some<R: Row + 'static>(
    from: &Arc<Store>,
    path: &str,
    left_out: &Arc<HashSet<u128>>,
    object: fn(&R) -> &str,
    change: impl Fn(R) -> R + Send + 'static,
) -> Content {
    let (from, path, left_out) = (Arc::clone(from), path.to_owned(), Arc::clone(left_out));
    Content::Later(Box::new(move || {
        let (at, bytes) = read_file(from.place(), from.state(), &path)?;
        let since = from.state().since(&path);
        let mut table = Table::new(R::DATASET);
        frame::each_row(&at, bytes, 0, &mut |mut row: R| {
            row.committed(since);
            if !left_out.contains(&id_of(object(&row))) {
                table.add(&change(row));
            }
            Ok(())
        })?;
        let bytes = table.file().map_err(|error| damaged(path.as_ref(), error))?;
        Ok((count(table.height()), bytes))
    }))
}

impl Store {
    /// Whether there is an IAM snapshot with these bytes.
    fn has_snapshot(&self, digest: &str) -> bool {
        let files = self.state().files.iter();
        files.into_iter().any(|(path, (entry, _))| path.starts_with(IAM) && entry.sha256 == digest)
    }
}
