//! Ids of principals and of events, and tables of what they stand for.
//!
//! An id is made by the table that holds its row, so that one without a row is a fault of this program, and what is asked for it must
//! not just be left out: a window would vanish. A table notes whoever asks in vain, and the analysis then has no result.

use std::cell::Cell;
use std::marker::PhantomData;

/// A row's place, which only its table makes.
pub(super) trait Id: Copy {
    fn from_place(place: usize) -> Self;

    fn place(self) -> usize;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) struct $name(usize);

        impl Id for $name {
            fn from_place(place: usize) -> Self {
                Self(place)
            }

            fn place(self) -> usize {
                self.0
            }
        }
    )+};
}

ids! {
    /// A principal of a ledger.
    EntityId
    /// An event of a ledger; in their order.
    EventId
}

/// Rows by id, in the order in which they were added.
#[derive(Debug, Clone)]
pub(super) struct Table<I, T> {
    rows: Vec<T>,
    /// Whether a row was asked for that is not there.
    missed: Cell<bool>,
    id: PhantomData<I>,
}

impl<I, T> Default for Table<I, T> {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl<I, T> From<Vec<T>> for Table<I, T> {
    fn from(rows: Vec<T>) -> Self {
        Self { rows, missed: Cell::new(false), id: PhantomData }
    }
}

impl<I: Id, T> Table<I, T> {
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self::from(Vec::with_capacity(rows))
    }

    pub(super) fn push(&mut self, row: T) -> I {
        let id = self.next();
        self.rows.push(row);
        id
    }

    /// The id of the row that is added next.
    pub(super) fn next(&self) -> I {
        I::from_place(self.rows.len())
    }

    /// The row of an id; `None` is noted.
    pub(super) fn get(&self, id: I) -> Option<&T> {
        let row = self.rows.get(id.place());
        if row.is_none() {
            self.missed.set(true);
        }
        row
    }

    /// The row of an id, to be changed; `None` is noted.
    pub(super) fn get_mut(&mut self, id: I) -> Option<&mut T> {
        let row = self.rows.get_mut(id.place());
        if row.is_none() {
            self.missed.set(true);
        }
        row
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (I, &T)> + ExactSizeIterator {
        self.rows.iter().enumerate().map(|(place, row)| (I::from_place(place), row))
    }

    pub(super) fn values(&self) -> std::slice::Iter<'_, T> {
        self.rows.iter()
    }

    pub(super) fn values_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.rows.iter_mut()
    }

    /// Leaves out the rows whose ids are not wanted, in place, and tells of each old id which is the next one now.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(I) -> bool) -> Table<I, I> {
        let mut places = Table::with_capacity(self.rows.len());
        let (mut old, mut new) = (0, 0);
        self.rows.retain(|_| {
            let wanted = is_wanted(I::from_place(old));
            places.push(I::from_place(new));
            old += 1;
            new += usize::from(wanted);
            wanted
        });
        self.rows.shrink_to_fit();
        places
    }

    /// Notes that another table was asked in vain, if it was.
    pub(super) fn note<J, U>(&self, other: &Table<J, U>) {
        self.missed.set(self.missed.get() || other.missed.get());
    }

    /// Whether every row that was asked for was there.
    pub(super) fn is_sound(&self) -> bool {
        !self.missed.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_the_ids_that_they_got() {
        let mut table: Table<EventId, &str> = Table::with_capacity(2);
        let (one, two) = (table.push("one"), table.push("two"));
        assert_eq!((table.get(one), table.get(two), table.len()), (Some(&"one"), Some(&"two"), 2));
        assert!(one < two && table.iter().eq([(one, &"one"), (two, &"two")]));
        assert!(table.is_sound());
    }

    #[test]
    fn rows_that_stay_are_found_by_the_places_that_they_got() {
        let mut table: Table<EventId, u8> = vec![0, 1, 2, 3].into();
        let ids: Vec<EventId> = table.iter().map(|(id, _)| id).collect();
        let places = table.retain(|id| id.place() % 2 == 1);
        assert!(table.values().eq(&[1, 3]));
        let now = |old: usize| table.get(*places.get(ids[old]).expect("a place")).copied();
        assert_eq!((now(1), now(3)), (Some(1), Some(3)));
    }

    #[test]
    fn whoever_asks_in_vain_is_noted() {
        let sound: Table<EntityId, u8> = vec![1].into();
        let table: Table<EventId, u8> = vec![1, 2].into();
        let next = table.next();
        assert_eq!((table.get(next), table.is_sound()), (None, false));
        let mut again: Table<EventId, u8> = vec![1, 2].into();
        assert_eq!(again.get_mut(next), None);
        assert!(!again.is_sound());
        table.note(&sound);
        sound.note(&table);
        assert!(!sound.is_sound() && !table.is_sound());
    }
}
