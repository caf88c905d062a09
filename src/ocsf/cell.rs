//! One value of a table in columns: a member of a structure, a text, a number, a map.

use chrono::{DateTime, Utc};
use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, ListArray, MapArray, PrimitiveArray, StructArray, Utf8ViewArray,
};
use polars_arrow::datatypes::{ArrowDataType, TimeUnit};

/// The value of a row.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a> {
    array: &'a dyn Array,
    row: usize,
}

impl<'a> Cell<'a> {
    /// `None` where the row has no value.
    pub(super) fn new(array: &'a dyn Array, row: usize) -> Option<Self> {
        (row < array.len() && !array.is_null(row)).then_some(Self { array, row })
    }

    fn as_type<T: 'static>(self) -> Option<&'a T> {
        self.array.as_any().downcast_ref()
    }

    /// A member of a structure.
    pub(super) fn member(self, name: &str) -> Option<Self> {
        let structure: &StructArray = self.as_type()?;
        let at = structure.fields().iter().position(|field| field.name == name)?;
        Self::new(structure.values().get(at)?.as_ref(), self.row)
    }

    /// What a path of members leads to.
    pub(super) fn at(self, path: &[&str]) -> Option<Self> {
        path.iter().try_fold(self, |cell, name| cell.member(name))
    }

    /// A text; an empty one says nothing.
    pub(super) fn text(self) -> Option<&'a str> {
        let text = match self.as_type::<Utf8ViewArray>() {
            Some(texts) => texts.value(self.row),
            None => std::str::from_utf8(self.as_type::<BinaryViewArray>()?.value(self.row)).ok()?,
        };
        Some(text).filter(|text| !text.is_empty())
    }

    /// A flag, also one that is written as a text.
    pub(super) fn flag(self) -> Option<bool> {
        match (self.as_type::<BooleanArray>(), self.text()) {
            (Some(flags), _) => Some(flags.value(self.row)),
            (None, Some(text)) if text.eq_ignore_ascii_case("true") => Some(true),
            (None, Some(text)) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// A whole number.
    pub(super) fn integer(self) -> Option<i64> {
        let wide = self.as_type::<PrimitiveArray<i64>>().map(|numbers| numbers.value(self.row));
        wide.or_else(|| self.as_type::<PrimitiveArray<i32>>().map(|numbers| i64::from(numbers.value(self.row))))
    }

    /// A moment: a timestamp, milliseconds since 1970, or RFC 3339.
    pub(super) fn moment(self) -> Option<DateTime<Utc>> {
        if let Some(text) = self.text() {
            return DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc));
        }
        let number = self.integer()?;
        match self.array.dtype() {
            ArrowDataType::Timestamp(TimeUnit::Second, _) => DateTime::from_timestamp(number, 0),
            ArrowDataType::Timestamp(TimeUnit::Microsecond, _) => DateTime::from_timestamp_micros(number),
            ArrowDataType::Timestamp(TimeUnit::Nanosecond, _) => Some(DateTime::from_timestamp_nanos(number)),
            _ => DateTime::from_timestamp_millis(number),
        }
    }

    /// How many bytes its texts have, counted no further than a little beyond `most`: a value that is there once can be that of many
    /// cells.
    pub(super) fn weight(self, most: usize) -> usize {
        if let Some(structure) = self.as_type::<StructArray>() {
            let members = structure.values().iter().filter_map(|member| Self::new(member.as_ref(), self.row));
            return Self::sum(members, most);
        }
        if let Some((entries, rows)) = self.entries() {
            return Self::sum(rows.filter_map(|row| Self::new(entries, row)), most);
        }
        self.text().map_or(1, |text| text.len() + 1)
    }

    fn sum(cells: impl Iterator<Item = Self>, most: usize) -> usize {
        let mut sum = 1_usize;
        for cell in cells {
            sum = sum.saturating_add(cell.weight(most));
            if sum > most {
                break;
            }
        }
        sum
    }

    /// The pairs of a map of texts; those without a key or a value are left out.
    pub(super) fn pairs(self) -> Vec<(&'a str, &'a str)> {
        let Some((entries, rows)) = self.entries() else { return Vec::new() };
        let pair = |row| {
            let entry = Self::new(entries, row)?;
            Some((entry.member("key")?.text()?, entry.member("value")?.text()?))
        };
        rows.filter_map(pair).collect()
    }

    /// The entries of a map, or of a list of pairs, which lie in one array for all rows.
    fn entries(self) -> Option<(&'a dyn Array, std::ops::Range<usize>)> {
        if let Some(map) = self.as_type::<MapArray>() {
            let (start, end) = map.offsets().start_end(self.row);
            return Some((map.field().as_ref(), start..end));
        }
        if let Some(list) = self.as_type::<ListArray<i64>>() {
            let (start, end) = list.offsets().start_end(self.row);
            return Some((list.values().as_ref(), start..end));
        }
        let list = self.as_type::<ListArray<i32>>()?;
        let (start, end) = list.offsets().start_end(self.row);
        Some((list.values().as_ref(), start..end))
    }
}
