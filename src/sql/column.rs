//! Values in columns. A moment is its microseconds since 1970, a day its days since 1970.

use std::cmp::Ordering;
use std::iter::repeat_n;

use polars_core::prelude::{
    BooleanChunked, ChunkTake, Column as Series, DataType, Float64Chunked, IdxCa, IdxSize, Int64Chunked, IntoColumn,
    NewChunkedArray, StringChunked, TimeUnit,
};

use super::error::{Result, wrong};

/// The type of a value, as far as statements know types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Type {
    /// Of the word NULL alone, before another value says what it is.
    Null,
    /// UTF-8.
    Text,
    /// 64 bits, signed.
    Integer,
    /// 64 bits, IEEE 754.
    Float,
    /// True or false.
    Flag,
    /// Microseconds since 1970, UTC.
    Time,
    /// A calendar day.
    Day,
}

impl Type {
    /// The word for it in messages and in the document.
    #[must_use]
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Float => "double",
            Self::Flag => "boolean",
            Self::Time => "timestamp",
            Self::Day => "date",
        }
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Flag(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

/// The values of a column: one for each row, or a single one that stands for every row.
#[derive(Debug, Clone)]
pub(super) enum Column {
    Flag(BooleanChunked),
    Integer(Int64Chunked),
    Float(Float64Chunked),
    Text(StringChunked),
}

/// Values in order of rows.
pub(super) type Values<'c, T> = Box<dyn Iterator<Item = Option<T>> + 'c>;

/// One value for all rows, or one for each.
fn spread<'c, T: Copy + 'c>(
    mut values: impl Iterator<Item = Option<T>> + 'c,
    len: usize,
    rows: usize,
) -> Values<'c, T> {
    if len == 1 && rows != 1 { Box::new(repeat_n(values.next().flatten(), rows)) } else { Box::new(values) }
}

impl Column {
    pub(super) fn flags(values: impl Iterator<Item = Option<bool>>) -> Self {
        Self::Flag(BooleanChunked::from_iter_options("".into(), values))
    }

    pub(super) fn integers(values: impl Iterator<Item = Option<i64>>) -> Self {
        Self::Integer(Int64Chunked::from_iter_options("".into(), values))
    }

    pub(super) fn floats(values: impl Iterator<Item = Option<f64>>) -> Self {
        Self::Float(Float64Chunked::from_iter_options("".into(), values))
    }

    pub(super) fn texts<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> Self {
        Self::Text(StringChunked::from_iter_options("".into(), values))
    }

    /// A column of one value, which stands for every row.
    pub(super) fn constant(value: &Value, kind: Type) -> Self {
        match (value, kind) {
            (Value::Flag(flag), _) => Self::flags([Some(*flag)].into_iter()),
            (Value::Integer(number), _) => Self::integers([Some(*number)].into_iter()),
            (Value::Float(number), _) => Self::floats([Some(*number)].into_iter()),
            (Value::Text(text), _) => Self::texts([Some(text)].into_iter()),
            (Value::Null, kind) => Self::absent(kind, 1),
        }
    }

    /// A column of NULLs.
    pub(super) fn absent(kind: Type, rows: usize) -> Self {
        match kind {
            Type::Flag => Self::flags(repeat_n(None, rows)),
            Type::Integer | Type::Time | Type::Day => Self::integers(repeat_n(None, rows)),
            Type::Float => Self::floats(repeat_n(None, rows)),
            Type::Text | Type::Null => Self::texts(repeat_n(None::<&str>, rows)),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Flag(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// The rows whose value is true: neither false nor NULL.
    pub(super) fn true_rows(&self, rows: usize) -> Result<Vec<usize>> {
        Ok(self.as_flags(rows)?.enumerate().filter(|(_, flag)| *flag == Some(true)).map(|(row, _)| row).collect())
    }

    /// Of truth values, one for each of `rows` rows.
    pub(super) fn as_flags(&self, rows: usize) -> Result<Values<'_, bool>> {
        let Self::Flag(values) = self else { return wrong("a value is not a boolean where one is needed") };
        Ok(spread(values.iter(), values.len(), rows))
    }

    /// Of whole numbers, moments or days, one for each of `rows` rows.
    pub(super) fn as_integers(&self, rows: usize) -> Result<Values<'_, i64>> {
        let Self::Integer(values) = self else { return wrong("a value is not an integer where one is needed") };
        Ok(spread(values.iter(), values.len(), rows))
    }

    /// Of numbers, one for each of `rows` rows.
    pub(super) fn as_floats(&self, rows: usize) -> Result<Values<'_, f64>> {
        #[expect(clippy::cast_precision_loss, reason = "what a double is")]
        match self {
            Self::Float(values) => Ok(spread(values.iter(), values.len(), rows)),
            Self::Integer(values) => {
                Ok(spread(values.iter().map(|value| value.map(|value| value as f64)), values.len(), rows))
            }
            _ => wrong("a value is not a number where one is needed"),
        }
    }

    /// Of texts, one for each of `rows` rows.
    pub(super) fn as_texts(&self, rows: usize) -> Result<Values<'_, &str>> {
        let Self::Text(values) = self else { return wrong("a value is not a text where one is needed") };
        Ok(spread(values.iter(), values.len(), rows))
    }

    /// Whether each value is NULL.
    pub(super) fn nulls(&self, rows: usize) -> Result<Vec<bool>> {
        Ok(match self {
            Self::Flag(_) => self.as_flags(rows)?.map(|value| value.is_none()).collect(),
            Self::Integer(_) => self.as_integers(rows)?.map(|value| value.is_none()).collect(),
            Self::Float(_) => self.as_floats(rows)?.map(|value| value.is_none()).collect(),
            Self::Text(_) => self.as_texts(rows)?.map(|value| value.is_none()).collect(),
        })
    }

    /// The values as numbers that are equal where the values are, and in the same order for any number of rows: texts in the
    /// order in which they first appear. `None` is NULL.
    pub(super) fn keys(
        &self,
        rows: usize,
        texts: &mut std::collections::HashMap<String, u64>,
    ) -> Result<Vec<Option<u64>>> {
        Ok(match self {
            Self::Flag(_) => self.as_flags(rows)?.map(|flag| flag.map(u64::from)).collect(),
            Self::Integer(_) => self.as_integers(rows)?.map(|number| number.map(i64::cast_unsigned)).collect(),
            // One zero.
            Self::Float(_) => {
                self.as_floats(rows)?.map(|number| number.map(|number| (number + 0.0).to_bits())).collect()
            }
            Self::Text(_) => {
                let mut key = |text: &str| {
                    if let Some(key) = texts.get(text) {
                        return *key;
                    }
                    let key = texts.len() as u64;
                    texts.insert(text.to_owned(), key);
                    key
                };
                self.as_texts(rows)?.map(|text| text.map(&mut key)).collect()
            }
        })
    }

    /// Compares two of its rows; NULL is last in either direction.
    pub(super) fn comparison(&self, descending: bool, nulls_first: bool) -> Box<dyn Fn(usize, usize) -> Ordering + '_> {
        fn by<T>(
            values: Vec<Option<T>>,
            order: fn(&T, &T) -> Ordering,
            descending: bool,
            nulls_first: bool,
        ) -> impl Fn(usize, usize) -> Ordering {
            move |a, b| match (values.get(a).and_then(Option::as_ref), values.get(b).and_then(Option::as_ref)) {
                (Some(a), Some(b)) if descending => order(b, a),
                (Some(a), Some(b)) => order(a, b),
                (None, Some(_)) => {
                    if nulls_first {
                        Ordering::Less
                    } else {
                        Ordering::Greater
                    }
                }
                (Some(_), None) => {
                    if nulls_first {
                        Ordering::Greater
                    } else {
                        Ordering::Less
                    }
                }
                (None, None) => Ordering::Equal,
            }
        }
        match self {
            Self::Flag(values) => Box::new(by(values.iter().collect(), bool::cmp, descending, nulls_first)),
            Self::Integer(values) => Box::new(by(values.iter().collect(), i64::cmp, descending, nulls_first)),
            Self::Float(values) => Box::new(by(values.iter().collect(), f64::total_cmp, descending, nulls_first)),
            Self::Text(values) => {
                Box::new(by(values.iter().collect(), |a: &&str, b: &&str| a.cmp(b), descending, nulls_first))
            }
        }
    }

    /// Some of the rows, by their numbers; `None` gives NULL.
    pub(super) fn take(&self, rows: &IdxCa) -> Result<Self> {
        Ok(match self {
            Self::Flag(values) => Self::Flag(values.take(rows)?),
            Self::Integer(values) => Self::Integer(values.take(rows)?),
            Self::Float(values) => Self::Float(values.take(rows)?),
            Self::Text(values) => Self::Text(values.take(rows)?),
        })
    }

    /// One value for each row.
    pub(super) fn stretched(self, rows: usize) -> Result<Self> {
        if self.len() == rows {
            return Ok(self);
        }
        self.take(&numbers(repeat_n(Some(0), rows)))
    }

    /// The rows of both, one after the other.
    pub(super) fn followed_by(mut self, other: &Self) -> Result<Self> {
        match (&mut self, other) {
            (Self::Flag(values), Self::Flag(more)) => values.append(more)?,
            (Self::Integer(values), Self::Integer(more)) => values.append(more)?,
            (Self::Float(values), Self::Float(more)) => values.append(more)?,
            (Self::Text(values), Self::Text(more)) => values.append(more)?,
            _ => return wrong("columns of different types cannot follow each other"),
        }
        Ok(self)
    }

    /// A column of the store.
    pub(super) fn of(series: &Series) -> Result<(Self, Type)> {
        let integers = || series.cast(&DataType::Int64).and_then(|series| Ok(series.i64()?.clone()));
        Ok(match series.dtype() {
            DataType::Boolean => (Self::Flag(series.bool()?.clone()), Type::Flag),
            DataType::Int64 => (Self::Integer(series.i64()?.clone()), Type::Integer),
            DataType::Float64 => (Self::Float(series.f64()?.clone()), Type::Float),
            DataType::String => (Self::Text(series.str()?.clone()), Type::Text),
            DataType::Datetime(TimeUnit::Microseconds, None) => (Self::Integer(integers()?), Type::Time),
            DataType::Date => {
                (Self::Integer(series.cast(&DataType::Int32)?.cast(&DataType::Int64)?.i64()?.clone()), Type::Day)
            }
            other => return wrong(format!("a column of type {other} cannot be asked for")),
        })
    }

    /// As a column of an answer.
    pub(super) fn series(self, name: &str, kind: Type) -> Result<Series> {
        let column = match self {
            Self::Flag(values) => values.into_column(),
            Self::Integer(values) => values.into_column(),
            Self::Float(values) => values.into_column(),
            Self::Text(values) => values.into_column(),
        };
        let column = match kind {
            Type::Time => column.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?,
            Type::Day => column.cast(&DataType::Int32)?.cast(&DataType::Date)?,
            _ => column,
        };
        Ok(column.with_name(name.into()))
    }
}

/// Numbers of rows; `None` for a row of NULLs.
pub(super) fn numbers(rows: impl Iterator<Item = Option<IdxSize>>) -> IdxCa {
    IdxCa::from_iter_options("".into(), rows)
}
