//! `windows.csv` and `events.csv`: every column of the contract, one row per window or event.
//!
//! Times are RFC 3339, durations seconds, `null` an empty cell, lists are joined with `;`. A text that a spreadsheet
//! would take for a formula has an apostrophe in front (see [`crate::escape::csv`]); texts are always quoted.

use polars_core::prelude::{Column as FrameColumn, DataFrame, NamedFrom, PolarsResult, Series};
use polars_io::SerWriter;
use polars_io::csv::write::{CsvWriter, QuoteStyle};

use super::tables::{self, Column, Read};
use super::{Report, format};
use crate::escape;

/// Renders `windows.csv`.
///
/// # Errors
/// When polars cannot build or write the frame.
pub fn windows_csv(report: &Report) -> PolarsResult<Vec<u8>> {
    write(frame(&tables::windows(), &tables::numbered(&report.windows))?)
}

/// Renders `events.csv`.
///
/// # Errors
/// When polars cannot build or write the frame.
pub fn events_csv(report: &Report) -> PolarsResult<Vec<u8>> {
    write(frame(&tables::events(), &report.events)?)
}

fn frame<Row>(columns: &[Column<Row>], rows: &[Row]) -> PolarsResult<DataFrame> {
    DataFrame::new(rows.len(), columns.iter().map(|column| series(column, rows)).collect())
}

fn series<Row>(column: &Column<Row>, rows: &[Row]) -> FrameColumn {
    fn collect<Row, T>(rows: &[Row], read: impl Fn(&Row) -> Option<T>) -> Vec<Option<T>> {
        rows.iter().map(read).collect()
    }
    let name = column.name.into();
    let series = match column.read {
        Read::Text(read) => Series::new(name, collect(rows, |row| read(row).map(|text| escape::csv(&text)))),
        Read::Word(read) => Series::new(name, collect(rows, read)),
        Read::Time(read) => Series::new(name, collect(rows, |row| read(row).map(format::time))),
        Read::Count(read) => Series::new(name, collect(rows, read)),
        Read::Seconds(read) => Series::new(name, collect(rows, read)),
        Read::Flag(read) => Series::new(name, collect(rows, read)),
        Read::List(read) => Series::new(
            name,
            collect(rows, |row| Some(read(row)).filter(|list| !list.is_empty()).map(|list| escape::csv_list(&list))),
        ),
    };
    series.into()
}

fn write(mut frame: DataFrame) -> PolarsResult<Vec<u8>> {
    // The names of the contract, which need nothing but their quotes. By hand, for polars would prepare a large array first.
    let names: Vec<String> = frame.get_column_names().iter().map(|name| format!("\"{name}\"")).collect();
    let mut out = format!("{}\n", names.join(",")).into_bytes();
    // One thread: the output is the same with many, but a report of a few thousand rows gains nothing from them.
    let writer = CsvWriter::new(&mut out).include_header(false).with_quote_style(QuoteStyle::NonNumeric);
    writer.n_threads(1).finish(&mut frame)?;
    Ok(out)
}
