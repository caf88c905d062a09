//! Rows to Parquet and back, by the schema's columns.

use std::cmp::Ordering;
use std::io::Cursor;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use polars_core::prelude::{
    BooleanChunked, Column as FrameColumn, DataFrame, DataType, Int32Chunked, Int64Chunked, IntoSeries,
    NewChunkedArray, PolarsError, PolarsResult, Series, StringChunked, TimeUnit,
};
use polars_io::SerReader;
use polars_io::parquet::read::{ParallelStrategy, ParquetReader};
use polars_io::parquet::write::{KeyValueMetadata, ParquetWriter};

use super::schema::{Column, Dataset, Kind, LINEAGE, METADATA_KEY, SCHEMA, check_schema};
use super::{StoreError, damaged};
use crate::cloudtrail::{ActorKind, mfa_of};
use crate::panics;

/// The key of a file's metadata that only takes room.
const PADDING_KEY: &str = "mfatrail.padding";

/// A row of a data set.
pub(super) trait Row: Sized {
    const DATASET: Dataset;
    /// Lays its values into a table of the data set, in the order of the columns.
    fn lay(&self, into: &mut Table);
    /// Reads the same values, in the same order.
    fn read(from: &mut Cells<'_>) -> Option<Self>;
    /// Tells a row which commit added the file that it is in: a row that is written without a commit is as old as that.
    fn committed(&mut self, _commit: u64) {}
}

/// Rows, laid into columns as they come: there are hundreds of thousands, and each has twenty values.
#[derive(Debug)]
pub(super) struct Table {
    dataset: Dataset,
    columns: Vec<Values>,
    /// The column of the next value.
    next: usize,
    height: usize,
    /// Whether every row had as many values as there are columns.
    even: bool,
}

/// The values of one column.
#[derive(Debug)]
enum Values {
    Texts(Texts),
    /// Everything else: flags as 0 and 1, times in microseconds, days since 1970; [`NO_NUMBER`] for none.
    Numbers(Vec<i64>),
}

/// No value of these columns is the least number, which is before all others as no value is.
const NO_NUMBER: i64 = i64::MIN;

/// A column of texts.
#[derive(Debug, Default)]
struct Texts {
    /// One behind another; neighbors that are the same are here once.
    all: String,
    /// Where each ends.
    ends: Vec<usize>,
    /// Each row's number among these, from 1; 0 for none.
    rows: Vec<u32>,
}

impl Texts {
    fn number(&self, row: usize) -> u32 {
        self.rows.get(row).copied().unwrap_or_default()
    }

    fn text(&self, number: u32) -> Option<&str> {
        let number = usize::try_from(number).ok()?.checked_sub(1)?;
        let start = number.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.all.get(start..*self.ends.get(number)?)
    }

    /// A number too large is none at all: no file is made then.
    fn push(&mut self, text: Option<&str>) {
        let last = u32::try_from(self.ends.len()).ok();
        let number = match text {
            None => Some(0),
            Some(_) if last.and_then(|last| self.text(last)) == text => last,
            Some(text) => {
                self.all.push_str(text);
                self.ends.push(self.all.len());
                u32::try_from(self.ends.len()).ok()
            }
        };
        self.rows.extend(number);
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.rows.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }

    /// By which of two rows comes first.
    fn compare(&self, one: usize, other: usize) -> Ordering {
        match self {
            Self::Texts(texts) => match [one, other].map(|row| texts.number(row)) {
                [one, other] if one == other => Ordering::Equal,
                [one, other] => texts.text(one).cmp(&texts.text(other)),
            },
            Self::Numbers(numbers) => numbers.get(one).cmp(&numbers.get(other)),
        }
    }

    /// A column of a frame, its rows in some order.
    fn series(&self, column: &Column, order: &[usize]) -> FrameColumn {
        let name = column.name.into();
        let numbers = match self {
            Self::Texts(texts) => {
                let texts = order.iter().map(|row| texts.text(texts.number(*row)));
                return StringChunked::from_iter_options(name, texts).into_series().into();
            }
            Self::Numbers(numbers) => numbers,
        };
        let numbers = order.iter().map(|row| numbers.get(*row).copied().filter(|number| *number != NO_NUMBER));
        let series = match column.kind {
            Kind::Text | Kind::Integer => Int64Chunked::from_iter_options(name, numbers).into_series(),
            Kind::Flag => {
                BooleanChunked::from_iter_options(name, numbers.map(|flag| flag.map(|flag| flag != 0))).into_series()
            }
            Kind::Time => {
                let times = Int64Chunked::from_iter_options(name, numbers);
                times.into_datetime(TimeUnit::Microseconds, None).into_series()
            }
            Kind::Day => {
                let days = numbers.map(|day| day.and_then(|day| i32::try_from(day).ok()));
                Int32Chunked::from_iter_options(name, days).into_date().into_series()
            }
        };
        series.into()
    }
}

impl Table {
    pub(super) fn new(dataset: Dataset) -> Self {
        let values = |column: &Column| match column.kind {
            Kind::Text => Values::Texts(Texts::default()),
            _ => Values::Numbers(Vec::new()),
        };
        Self { dataset, columns: dataset.columns().iter().map(values).collect(), next: 0, height: 0, even: true }
    }

    /// How many rows there are.
    pub(super) fn height(&self) -> usize {
        self.height
    }

    pub(super) fn add<R: Row>(&mut self, row: &R) {
        self.next = 0;
        self.height += 1;
        row.lay(self);
        self.even &= self.next == self.columns.len();
    }

    /// The next column. A value of another kind than its column's is not laid: no file is made then.
    fn next(&mut self) -> Option<&mut Values> {
        self.next += 1;
        self.columns.get_mut(self.next - 1)
    }

    pub(super) fn text(&mut self, text: &str) {
        self.optional(Some(text));
    }

    pub(super) fn optional(&mut self, text: Option<&str>) {
        if let Some(Values::Texts(texts)) = self.next() {
            texts.push(text);
        }
    }

    pub(super) fn integer(&mut self, number: Option<i64>) {
        if let Some(Values::Numbers(numbers)) = self.next() {
            numbers.push(number.unwrap_or(NO_NUMBER));
        }
    }

    pub(super) fn count(&mut self, number: u64) {
        self.integer(Some(i64::try_from(number).unwrap_or(i64::MAX)));
    }

    pub(super) fn flag(&mut self, flag: Option<bool>) {
        self.integer(flag.map(i64::from));
    }

    pub(super) fn time(&mut self, time: Option<DateTime<Utc>>) {
        self.integer(time.map(|time| time.timestamp_micros()));
    }

    pub(super) fn day(&mut self, day: Option<NaiveDate>) {
        self.integer(day.map(|day| day.signed_duration_since(NaiveDate::default()).num_days()));
    }

    /// Makes the bytes of a file of the rows, in their own order: the same rows give the same bytes.
    ///
    /// # Errors
    /// When it cannot be encoded, or the rows are not laid as the columns are: a value would stand in another's row.
    pub(super) fn file(&self) -> PolarsResult<Vec<u8>> {
        if !self.even || self.columns.iter().any(|values| values.len() != self.height) {
            return Err(PolarsError::ShapeMismatch("rows that are not laid as the columns are".into()));
        }
        let mut order: Vec<usize> = (0..self.height).collect();
        let compare = |one: &usize, other: &usize| {
            let mut columns = self.columns.iter().map(|values| values.compare(*one, *other));
            columns.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        };
        order.sort_unstable_by(compare);
        let columns = self.dataset.columns().iter().zip(&self.columns);
        let series = columns.map(|(column, values)| values.series(column, &order)).collect();
        bytes(&mut DataFrame::new(self.height, series)?)
    }
}

/// The values of one row of a frame, given out in the order of the columns.
pub(super) struct Cells<'f> {
    columns: std::slice::Iter<'f, FrameColumn>,
    row: usize,
    is_earlier: bool,
}

impl Cells<'_> {
    fn next(&mut self) -> Option<&Series> {
        self.columns.next().map(FrameColumn::as_materialized_series)
    }

    fn str(&mut self) -> Option<&str> {
        let row = self.row;
        self.next()?.str().ok()?.get(row)
    }

    /// Without a value where the column was not asked for.
    pub(super) fn optional(&mut self) -> Option<String> {
        self.str().map(str::to_owned)
    }

    /// The same, where several have it.
    pub(super) fn shared(&mut self) -> Option<Arc<str>> {
        self.str().map(Arc::from)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        self.optional()
    }

    pub(super) fn integer(&mut self) -> Option<i64> {
        let row = self.row;
        self.next()?.i64().ok()?.get(row)
    }

    pub(super) fn count(&mut self) -> u64 {
        self.integer().and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        let row = self.row;
        self.next()?.bool().ok()?.get(row)
    }

    /// What a column tells of a session's MFA. Earlier versions kept what the record says of any caller.
    pub(super) fn mfa(&self, kind: ActorKind, told: Option<bool>) -> Option<bool> {
        if told.is_some() || self.is_earlier { mfa_of(kind, told) } else { None }
    }

    pub(super) fn time(&mut self) -> Option<DateTime<Utc>> {
        let row = self.row;
        DateTime::from_timestamp_micros(self.next()?.datetime().ok()?.physical().get(row)?)
    }

    pub(super) fn day(&mut self) -> Option<NaiveDate> {
        let row = self.row;
        let days = self.next()?.date().ok()?.physical().get(row)?;
        NaiveDate::default().checked_add_signed(chrono::TimeDelta::days(i64::from(days)))
    }
}

/// A file has as many bytes as rows at least: who reads it holds what it claims to that. Where all rows say the same, as of thousands
/// of records with one id, they take fewer.
fn bytes(frame: &mut DataFrame) -> PolarsResult<Vec<u8>> {
    let bytes = encoded(frame, 0)?;
    match frame.height().saturating_sub(bytes.len()) {
        0 => Ok(bytes),
        short => encoded(frame, short),
    }
}

fn encoded(frame: &mut DataFrame, padding: usize) -> PolarsResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut metadata = vec![(METADATA_KEY.to_owned(), SCHEMA.to_owned())];
    metadata.extend((padding > 0).then(|| (PADDING_KEY.to_owned(), " ".repeat(padding))));
    let metadata = KeyValueMetadata::from_static(metadata);
    ParquetWriter::new(&mut bytes).with_key_value_metadata(Some(metadata)).set_parallel(false).finish(frame)?;
    Ok(bytes)
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::String,
            Self::Integer => DataType::Int64,
            Self::Flag => DataType::Boolean,
            Self::Time => DataType::Datetime(TimeUnit::Microseconds, None),
            Self::Day => DataType::Date,
        }
    }
}

/// Whether a file was written by a version that knew nothing of an event's records: some values of its rows take all columns to tell.
pub(super) fn is_earlier(bytes: &[u8]) -> bool {
    let version = |bytes| {
        let mut reader = ParquetReader::new(Cursor::new(bytes));
        let pairs = reader.get_metadata().ok()?.key_value_metadata().clone()?;
        let found = pairs.into_iter().find(|pair| pair.key == METADATA_KEY)?.value?;
        check_schema(Path::new(""), &found).ok()
    };
    panics::contain(|| version(bytes)).flatten().is_some_and(|version| version < LINEAGE)
}

/// Where the values of some columns are in a file of which only the footer need be there; `None` where it cannot be read.
pub(super) fn ranges(bytes: &[u8], names: &[&str]) -> Option<Vec<Range<u64>>> {
    panics::contain(|| {
        let mut reader = ParquetReader::new(Cursor::new(bytes));
        let metadata = reader.get_metadata().ok()?;
        let mut ranges = Vec::new();
        for group in &metadata.row_groups {
            for chunks in names.iter().filter_map(|name| group.columns_under_root_iter(name)) {
                ranges.extend(chunks.map(|chunk| chunk.byte_range()));
            }
        }
        Some(ranges)
    })
    .flatten()
}

/// A file's frame, with the first `columns` columns of its data set, all checked against the schema.
pub(super) fn frame(path: &Path, bytes: Vec<u8>, dataset: Dataset, columns: usize) -> Result<DataFrame, StoreError> {
    let wanted = dataset.columns().get(..columns).unwrap_or_else(|| dataset.columns());
    read(path, bytes, ParallelStrategy::None, wanted)
}

/// A store may come from a stranger, and polars is made for files that are sound: where it panics, that is damage too.
fn read(path: &Path, bytes: Vec<u8>, parallel: ParallelStrategy, wanted: &[Column]) -> Result<DataFrame, StoreError> {
    panics::contain(|| decoded(path, bytes, parallel, wanted))
        .unwrap_or_else(|| Err(damaged(path, "it is not a readable Parquet file")))
}

fn decoded(
    path: &Path,
    bytes: Vec<u8>,
    parallel: ParallelStrategy,
    wanted: &[Column],
) -> Result<DataFrame, StoreError> {
    let size = bytes.len();
    let mut reader = ParquetReader::new(Cursor::new(bytes)).read_parallel(parallel);
    let metadata = reader.get_metadata().map_err(|error| damaged(path, error))?;
    // A few bytes can say that there are billions of rows. What mfatrail writes has a byte for each.
    let rows = metadata.row_groups.iter().fold(metadata.num_rows, |most, group| most.max(group.num_rows()));
    if rows > size {
        return Err(damaged(path, format!("it says that it holds {rows} rows, in {size} bytes")));
    }
    let found = metadata.key_value_metadata().iter().flatten().find(|pair| pair.key == METADATA_KEY);
    let version = check_schema(path, found.and_then(|pair| pair.value.as_deref()).unwrap_or_default())?;
    let (there, later): (Vec<&Column>, Vec<&Column>) = wanted.iter().partition(|column| column.since <= version);
    let names: Vec<String> = there.iter().map(|column| column.name.to_owned()).collect();
    let height = metadata.num_rows;
    let mut frame = if names.is_empty() {
        DataFrame::empty()
    } else {
        reader.with_columns(Some(names)).finish().map_err(|error| damaged(path, error))?
    };
    for column in later {
        let empty = Series::full_null(column.name.into(), height, &column.kind.data_type());
        frame.with_column(empty.into()).map_err(|error| damaged(path, error))?;
    }
    for column in wanted {
        let series = frame.column(column.name).map_err(|error| damaged(path, error))?;
        if *series.dtype() != column.kind.data_type() {
            let (name, is, want) = (column.name, series.dtype(), column.kind.name());
            return Err(damaged(path, format!("its column `{name}` is {is}, not {want}")));
        }
    }
    // In the order of the schema, whatever the file's order is.
    frame.select(wanted.iter().map(|column| column.name)).map_err(|error| damaged(path, error))
}

/// Some columns of a file: what is not asked for is not decoded.
pub(super) fn pick(path: &Path, bytes: Vec<u8>, dataset: Dataset, names: &[&str]) -> Result<DataFrame, StoreError> {
    let wanted: Vec<Column> = dataset.columns().iter().filter(|column| names.contains(&column.name)).copied().collect();
    read(path, bytes, ParallelStrategy::Auto, &wanted)
}

/// A column of texts.
pub(super) fn text<'f>(frame: &'f DataFrame, name: &'static str) -> Result<&'f StringChunked, StoreError> {
    frame.column(name).and_then(|column| column.str()).map_err(|error| damaged(Path::new(name), error))
}

/// A column of times.
pub(super) fn times(frame: &DataFrame, name: &'static str) -> Result<Vec<Option<DateTime<Utc>>>, StoreError> {
    let column = frame.column(name).map_err(|error| damaged(Path::new(name), error))?;
    let times = column.datetime().map_err(|error| damaged(Path::new(name), error))?;
    Ok(times.physical().iter().map(|time| time.and_then(DateTime::from_timestamp_micros)).collect())
}

/// A column of flags.
pub(super) fn flags(frame: &DataFrame, name: &'static str) -> Result<Vec<Option<bool>>, StoreError> {
    let flags = frame.column(name).and_then(|column| column.bool()).map_err(|error| damaged(Path::new(name), error))?;
    Ok(flags.iter().collect())
}

/// A column of whole numbers.
pub(super) fn integers(frame: &DataFrame, name: &'static str) -> Result<Vec<Option<i64>>, StoreError> {
    let numbers =
        frame.column(name).and_then(|column| column.i64()).map_err(|error| damaged(Path::new(name), error))?;
    Ok(numbers.iter().collect())
}

/// A row of a frame, by its number.
fn row<R: Row>(path: &Path, frame: &DataFrame, number: usize, is_earlier: bool) -> Result<R, StoreError> {
    let mut cells = Cells { columns: frame.columns().iter(), row: number, is_earlier };
    R::read(&mut cells).ok_or_else(|| damaged(path, format!("its row {} lacks a value that every row has", number + 1)))
}

/// Gives out some rows of a frame, by their numbers; whether it `is_earlier` tells [`is_earlier`].
pub(super) fn some_rows<R: Row>(
    path: &Path,
    frame: &DataFrame,
    is_earlier: bool,
    wanted: &[usize],
    each: &mut dyn FnMut(R),
) -> Result<(), StoreError> {
    wanted.iter().try_for_each(|number| {
        each(row(path, frame, *number, is_earlier)?);
        Ok(())
    })
}

/// Reads rows and gives them out one by one, for a row takes many times what it takes in the frame; the last `leave` columns are left
/// out.
pub(super) fn each_row<R: Row>(
    path: &Path,
    bytes: Vec<u8>,
    leave: usize,
    each: &mut dyn FnMut(R) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let is_earlier = is_earlier(&bytes);
    let leave = if is_earlier { 0 } else { leave };
    let columns = R::DATASET.columns().len().saturating_sub(leave);
    let frame = frame(path, bytes, R::DATASET, columns)?;
    (0..frame.height()).try_for_each(|number| each(row(path, &frame, number, is_earlier)?))
}

/// Reads rows; the last `leave` columns are left out.
pub(super) fn rows<R: Row>(path: &Path, bytes: Vec<u8>, leave: usize) -> Result<Vec<R>, StoreError> {
    let mut rows = Vec::new();
    each_row(path, bytes, leave, &mut |row| {
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lays two of the eleven values of a run, or one too many, or a text where a number is to be.
    struct Wrong(fn(&mut Table));

    impl Row for Wrong {
        const DATASET: Dataset = Dataset::Runs;

        fn lay(&self, into: &mut Table) {
            self.0(into);
        }

        fn read(_from: &mut Cells<'_>) -> Option<Self> {
            None
        }
    }

    fn whole(into: &mut Table) {
        for column in Dataset::Runs.columns() {
            if column.kind == Kind::Text { into.text("a") } else { into.count(1) }
        }
    }

    #[test]
    fn rows_that_are_not_laid_as_the_columns_are_make_no_file() {
        let file = |rows: &[fn(&mut Table)]| {
            let mut table = Table::new(Dataset::Runs);
            rows.iter().for_each(|row| table.add(&Wrong(*row)));
            table.file()
        };
        file(&[whole, whole]).unwrap();
        let few = |into: &mut Table| into.count(1);
        let many = |into: &mut Table| {
            whole(into);
            into.count(1);
        };
        let other = |into: &mut Table| Dataset::Runs.columns().iter().for_each(|_| into.count(1));
        for wrong in [few as fn(&mut Table), many, other] {
            file(&[whole, wrong]).unwrap_err();
            file(&[wrong, whole]).unwrap_err();
        }
    }
}
