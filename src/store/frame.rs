//! Rows to Parquet and back, by the schema's columns.

use std::io::Cursor;
use std::panic::catch_unwind;
use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};
use polars::prelude::{
    Column as FrameColumn, DataFrame, DataType, Int32Chunked, Int64Chunked, IntoSeries, NamedFrom, NewChunkedArray,
    PolarsResult, Series, StringChunked, TimeUnit,
};
use polars_io::SerReader;
use polars_io::parquet::read::{ParallelStrategy, ParquetReader};
use polars_io::parquet::write::{KeyValueMetadata, ParquetWriter};

use super::schema::{Column, Dataset, Kind, METADATA_KEY, SCHEMA, check_schema};
use super::{StoreError, damaged};

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    Text(Option<String>),
    Integer(Option<i64>),
    Flag(Option<bool>),
    /// Microseconds.
    Time(Option<i64>),
    /// Days since 1970.
    Day(Option<i32>),
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(Some(text.into()))
    }

    pub(super) fn time(time: Option<DateTime<Utc>>) -> Self {
        Self::Time(time.map(|time| time.timestamp_micros()))
    }

    pub(super) fn count(number: u64) -> Self {
        Self::Integer(Some(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    pub(super) fn day(day: Option<NaiveDate>) -> Self {
        let since = |day: NaiveDate| i32::try_from(day.signed_duration_since(NaiveDate::default()).num_days()).ok();
        Self::Day(day.and_then(since))
    }
}

/// A row of a data set.
pub(super) trait Row: Sized {
    const DATASET: Dataset;
    /// Its values, in the order of the data set's columns.
    fn cells(self) -> Vec<Cell>;
    /// Reads the same values, in the same order.
    fn read(from: &mut Cells<'_>) -> Option<Self>;
}

/// The values of one row of a frame, given out in the order of the columns.
pub(super) struct Cells<'f> {
    columns: std::slice::Iter<'f, FrameColumn>,
    row: usize,
}

impl Cells<'_> {
    fn next(&mut self) -> Option<&Series> {
        self.columns.next().map(FrameColumn::as_materialized_series)
    }

    /// Without a value where the column was not asked for.
    pub(super) fn optional(&mut self) -> Option<String> {
        let row = self.row;
        self.next()?.str().ok()?.get(row).map(str::to_owned)
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

/// Makes the bytes of a file of `rows`, which are sorted first: the same rows give the same bytes.
pub(super) fn file(dataset: Dataset, rows: Vec<Vec<Cell>>) -> PolarsResult<Vec<u8>> {
    let mut rows = rows;
    rows.sort_unstable();
    let height = rows.len();
    let mut columns: Vec<Vec<Cell>> = dataset.columns().iter().map(|_| Vec::with_capacity(height)).collect();
    for row in rows {
        for (column, cell) in columns.iter_mut().zip(row) {
            column.push(cell);
        }
    }
    let series = dataset.columns().iter().zip(columns).map(|(column, cells)| series(column, cells)).collect();
    bytes(&mut DataFrame::new(height, series)?)
}

fn bytes(frame: &mut DataFrame) -> PolarsResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let metadata = KeyValueMetadata::from_static(vec![(METADATA_KEY.to_owned(), SCHEMA.to_owned())]);
    ParquetWriter::new(&mut bytes).with_key_value_metadata(Some(metadata)).set_parallel(false).finish(frame)?;
    Ok(bytes)
}

fn series(column: &Column, cells: Vec<Cell>) -> FrameColumn {
    let name = column.name.into();
    let series = match column.kind {
        Kind::Text => Series::new(name, collect(cells, |cell| if let Cell::Text(text) = cell { text } else { None })),
        Kind::Integer => Series::new(name, collect(cells, |cell| if let Cell::Integer(n) = cell { n } else { None })),
        Kind::Flag => Series::new(name, collect(cells, |cell| if let Cell::Flag(flag) = cell { flag } else { None })),
        Kind::Time => {
            let times = cells.into_iter().map(|cell| if let Cell::Time(time) = cell { time } else { None });
            let times = Int64Chunked::from_iter_options(name, times);
            times.into_datetime(TimeUnit::Microseconds, None).into_series()
        }
        Kind::Day => {
            let days = cells.into_iter().map(|cell| if let Cell::Day(day) = cell { day } else { None });
            Int32Chunked::from_iter_options(name, days).into_date().into_series()
        }
    };
    series.into()
}

fn collect<T>(cells: Vec<Cell>, value: impl Fn(Cell) -> Option<T>) -> Vec<Option<T>> {
    cells.into_iter().map(value).collect()
}

/// A file's frame, with the first `columns` columns of its data set, all checked against the schema.
pub(super) fn frame(path: &Path, bytes: Vec<u8>, dataset: Dataset, columns: usize) -> Result<DataFrame, StoreError> {
    let wanted = dataset.columns().get(..columns).unwrap_or_else(|| dataset.columns());
    read(path, bytes, ParallelStrategy::None, wanted)
}

/// A store may come from a stranger, and polars is made for files that are sound: where it panics, that is damage too.
fn read(path: &Path, bytes: Vec<u8>, parallel: ParallelStrategy, wanted: &[Column]) -> Result<DataFrame, StoreError> {
    catch_unwind(move || decoded(path, bytes, parallel, wanted))
        .unwrap_or_else(|_panic| Err(damaged(path, "it is no Parquet file that can be read")))
}

fn decoded(
    path: &Path,
    bytes: Vec<u8>,
    parallel: ParallelStrategy,
    wanted: &[Column],
) -> Result<DataFrame, StoreError> {
    let size = bytes.len();
    let mut reader = ParquetReader::new(Cursor::new(bytes)).read_parallel(parallel);
    let names: Vec<String> = wanted.iter().map(|column| column.name.to_owned()).collect();
    let metadata = reader.get_metadata().map_err(|error| damaged(path, error))?;
    // Every row has something of its own, if only its id; a few bytes can say that there are billions of others.
    let rows = metadata.row_groups.iter().fold(metadata.num_rows, |most, group| most.max(group.num_rows()));
    if rows > size {
        return Err(damaged(path, format!("it says that it holds {rows} rows, in {size} bytes")));
    }
    let found = metadata.key_value_metadata().iter().flatten().find(|pair| pair.key == METADATA_KEY);
    check_schema(path, found.and_then(|pair| pair.value.as_deref()).unwrap_or_default())?;
    let frame = reader.with_columns(Some(names)).finish().map_err(|error| damaged(path, error))?;
    for column in wanted {
        let series = frame.column(column.name).map_err(|error| damaged(path, error))?;
        let fits = match column.kind {
            Kind::Text => *series.dtype() == DataType::String,
            Kind::Integer => *series.dtype() == DataType::Int64,
            Kind::Flag => *series.dtype() == DataType::Boolean,
            Kind::Time => *series.dtype() == DataType::Datetime(TimeUnit::Microseconds, None),
            Kind::Day => *series.dtype() == DataType::Date,
        };
        if !fits {
            let (name, is, want) = (column.name, series.dtype(), column.kind.name());
            return Err(damaged(path, format!("its column `{name}` is {is}, and not {want}")));
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

/// A row of a frame, by its number.
fn row<R: Row>(path: &Path, frame: &DataFrame, number: usize) -> Result<R, StoreError> {
    let mut cells = Cells { columns: frame.columns().iter(), row: number };
    R::read(&mut cells).ok_or_else(|| damaged(path, format!("its row {} lacks a value that every row has", number + 1)))
}

/// Some rows of a frame, by their numbers.
pub(super) fn some_rows<R: Row>(path: &Path, frame: &DataFrame, wanted: &[usize]) -> Result<Vec<R>, StoreError> {
    wanted.iter().map(|number| row(path, frame, *number)).collect()
}

/// Reads rows and gives them out one by one, for a row takes many times what it takes in the frame; the last `leave` columns are left
/// out.
pub(super) fn each_row<R: Row>(
    path: &Path,
    bytes: Vec<u8>,
    leave: usize,
    each: &mut dyn FnMut(R) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let columns = R::DATASET.columns().len().saturating_sub(leave);
    let frame = frame(path, bytes, R::DATASET, columns)?;
    (0..frame.height()).try_for_each(|number| each(row(path, &frame, number)?))
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
