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

    pub(super) fn into_values(self) -> std::vec::IntoIter<T> {
        self.rows.into_iter()
    }

    /// The rows behind those, the first ones, for which `before` holds.
    pub(super) fn behind(&self, before: impl FnMut(&T) -> bool) -> impl Iterator<Item = (I, &T)> {
        self.iter().skip(self.rows.partition_point(before))
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
        assert!(table.behind(|row| *row == "one").eq([(two, &"two")]));
        assert!(table.is_sound());
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
