//! Rows that are made while they are rendered, one by one: those that a page shows of a window take ten times what the window takes.

/// So many rows, each made when it is asked for.
pub(super) struct Rows<'r, T> {
    count: usize,
    row: Box<dyn Fn(usize) -> Option<T> + 'r>,
}

impl<'r, T> Rows<'r, T> {
    /// One for each item, which `row` makes of its number and itself.
    pub(super) fn of<I>(items: &'r [I], row: impl Fn(usize, &'r I) -> T + 'r) -> Self {
        Self { count: items.len(), row: Box::new(move |i| Some(row(i, items.get(i)?))) }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = T> {
        (0..self.count).filter_map(|i| (self.row)(i))
    }
}

impl<T: Clone + 'static> From<Vec<T>> for Rows<'_, T> {
    fn from(rows: Vec<T>) -> Self {
        Self { count: rows.len(), row: Box::new(move |i| rows.get(i).cloned()) }
    }
}

impl<T: Clone + 'static> FromIterator<T> for Rows<'_, T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        Vec::from_iter(rows).into()
    }
}
