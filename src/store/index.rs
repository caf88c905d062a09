//! Which objects the store has, by location: what makes a scan incremental.
//!
//! A digest and some fifty bytes of each object are kept in memory while a scan runs.

use std::collections::HashMap;

use super::StoreError;
use super::id::{half, id_of, location_key};
use super::read::Store;
use super::rows::{ObjectRow, Status, location, object_id, stamp};
use crate::contract::Integrity;
use crate::source::ObjectRef;

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Of the content that was seen last: location, entity tag and size.
    version: u128,
    /// Under which its rows are.
    pub(super) object: u128,
    /// What became of it.
    pub status: Status,
    /// Half of the digest of its bytes, where they could be had.
    pub(super) digest: Option<u128>,
    /// What the digests said of it, where that was asked.
    pub integrity: Option<Integrity>,
    /// Whether there are rows of it in other data sets.
    pub(super) has_rows: bool,
    /// The folder of its row.
    pub(super) partition: (i32, u32),
}

impl Seen {
    /// Whether an object that could not be had now is one that was read before, by tag and size.
    pub(super) fn is_better_than(&self, object: &ObjectRow) -> bool {
        let same = self.version == object_id(&object.location, object.etag.as_deref(), object.size);
        same && self.status == Status::Read && object.status == Status::Failed && object.sha256.is_none()
    }
}

/// A content that was overwritten in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replaced {
    /// Half of the digest of its bytes.
    pub(super) digest: Option<u128>,
    /// The folder of its row.
    pub(super) partition: (i32, u32),
}

/// All objects of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    by_location: HashMap<u128, Seen>,
    /// Contents that were overwritten, by object: they may come back.
    replaced: HashMap<u128, Replaced>,
    /// What could not even be listed.
    pub(super) unlisted: Vec<ObjectRow>,
}

impl Index {
    /// Reads the rows of all objects.
    ///
    /// # Errors
    /// When one of the files cannot be read.
    pub fn read(store: &Store) -> Result<Self, StoreError> {
        Self::read_noting(store, &mut |_row| {})
    }

    /// The same; the rows are told besides.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_noting(store: &Store, note: &mut dyn FnMut(&ObjectRow)) -> Result<Self, StoreError> {
        let mut index = Self::default();
        store.rows(None, 0, &mut |row: ObjectRow| {
            note(&row);
            index.add(row);
            Ok(())
        })?;
        Ok(index)
    }

    pub(super) fn add(&mut self, row: ObjectRow) {
        // It has a successor, which is the one that counts.
        if row.status == Status::Replaced {
            let replaced = Replaced { digest: half(row.sha256.as_deref()), partition: row.partition() };
            self.replaced.insert(id_of(&row.object_id), replaced);
            return;
        }
        let seen = Seen {
            version: object_id(&row.location, row.etag.as_deref(), row.size),
            object: id_of(&row.object_id),
            status: row.status,
            digest: half(row.sha256.as_deref()),
            integrity: row.integrity,
            has_rows: row.events + row.calls + row.sightings > 0,
            partition: row.partition(),
        };
        self.by_location.insert(location_key(&row.location), seen);
        if row.unlisted() {
            self.unlisted.push(row);
        }
    }

    /// Takes in a row that another writer committed, or made anew in another file.
    pub(super) fn follow(&mut self, row: ObjectRow) {
        let id = id_of(&row.object_id);
        self.unlisted.retain(|known| id_of(&known.object_id) != id);
        if row.status != Status::Replaced {
            self.replaced.remove(&id);
        }
        self.add(row);
    }

    /// Follows a commit that added this row.
    pub(super) fn note(&mut self, row: ObjectRow) {
        let id = id_of(&row.object_id);
        self.replaced.remove(&id);
        let old = self.get(&row.location).filter(|old| old.status == Status::Read && old.object != id);
        if let Some((object, replaced)) =
            old.map(|old| (old.object, Replaced { digest: old.digest, partition: old.partition }))
        {
            self.replaced.insert(object, replaced);
        }
        self.add(row);
    }

    /// Whether this is known of an object already: the same content, with the same outcome.
    pub(super) fn holds(&self, row: &ObjectRow) -> bool {
        self.get(&row.location).is_some_and(|seen| {
            seen.object == id_of(&row.object_id)
                && seen.status == row.status
                && seen.digest == half(row.sha256.as_deref())
                && (row.integrity.is_none() || seen.integrity == row.integrity)
        })
    }

    pub(super) fn get(&self, location: &str) -> Option<&Seen> {
        self.by_location.get(&location_key(location))
    }

    pub(super) fn replaced(&self, object: u128) -> Option<&Replaced> {
        self.replaced.get(&object)
    }

    /// Whether this very content of an object need not be read again: it was read, or was read and found damaged. An
    /// object that could not be had at all is tried again.
    #[must_use]
    pub fn has(&self, object: &ObjectRef) -> bool {
        self.seen(object).is_some_and(|seen| seen.status != Status::Failed || seen.digest.is_some())
    }

    /// What is known of this very content of an object.
    #[must_use]
    pub fn seen(&self, object: &ObjectRef) -> Option<&Seen> {
        let location = location(object);
        let seen = self.get(&location)?;
        (seen.version == object_id(&location, stamp(object).as_deref(), object.size)).then_some(seen)
    }
}
