//! What becomes of the earlier rows of objects that are read again: a newer row takes their place, or they stay, marked.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::commit::Pending;
use super::id::{half, id_of, text_of};
use super::index::{Index, Seen};
use super::rows::{ObjectRow, Status, object_id};

/// What becomes of the earlier rows of objects that were read again.
#[derive(Debug, Default)]
pub(super) struct Supersession {
    /// Rows of `objects` to drop: a newer one takes their place.
    pub(super) superseded: HashSet<u128>,
    /// Objects whose content was overwritten: their rows stay, marked.
    pub(super) replaced: HashSet<u128>,
    /// Objects of which all rows go, for the whole object comes again.
    pub(super) dropped: HashSet<u128>,
    /// Objects with the same bytes under a new entity tag: what came again is left out, by its new id.
    pub(super) same: HashSet<String>,
    /// Folders of the rows of all these.
    pub(super) partitions: BTreeSet<(i32, u32)>,
}

impl Supersession {
    pub(super) fn of(index: &Index, batch: &mut Pending) -> Self {
        let mut again = Self::default();
        let mut renamed = HashMap::new();
        batch.objects.retain_mut(|object| {
            let old = index.get(&object.location);
            if old.is_some_and(|old| old.is_better_than(object)) {
                return false;
            }
            let apart = name_apart(index, old, object);
            let own = std::mem::replace(&mut object.object_id, apart);
            if let Some(old) = old {
                again.add(old, object, &own);
            }
            // A content that was overwritten has come back, and all of its rows with it.
            let id = id_of(&object.object_id);
            if let Some(replaced) = index.replaced(id) {
                again.superseded.insert(id);
                again.dropped.insert(id);
                again.partitions.insert(replaced.partition);
            }
            if own != object.object_id && !again.same.contains(&own) {
                renamed.insert(own, object.object_id.clone());
            }
            true
        });
        if !renamed.is_empty() {
            batch.rename(&renamed);
        }
        again
    }

    fn add(&mut self, old: &Seen, object: &mut ObjectRow, own: &str) {
        self.partitions.insert(old.partition);
        let same_bytes = old.digest.is_some() && old.digest == half(object.sha256.as_deref());
        if old.status == Status::Read && same_bytes && object.status == Status::Read {
            self.same.insert(own.to_owned());
            object.object_id = text_of(old.object);
            self.superseded.insert(old.object);
        } else if old.status == Status::Read {
            self.replaced.insert(old.object);
        } else {
            self.superseded.insert(old.object);
            if old.has_rows {
                self.dropped.insert(old.object);
            }
        }
    }
}

/// The id of an object. Where tag and size are those of other bytes, whose rows stay, it is made of the bytes, too.
fn name_apart(index: &Index, old: Option<&Seen>, object: &ObjectRow) -> String {
    let id = id_of(&object.object_id);
    let digest = half(object.sha256.as_deref());
    let current = old.filter(|old| old.object == id && old.status == Status::Read).map(|old| old.digest);
    let taken = current.or_else(|| index.replaced(id).map(|replaced| replaced.digest));
    if taken.is_none_or(|taken| taken == digest) {
        return object.object_id.clone();
    }
    let tag = [object.etag.as_deref(), object.sha256.as_deref()].map(Option::unwrap_or_default).join(" ");
    text_of(object_id(&object.location, Some(&tag), object.size))
}
