//! `windows.csv` and `events.csv`: every column of the contract, one row per window or event.
//!
//! Times are RFC 3339, durations seconds, `null` an empty cell, lists are joined with `;`. A text that a spreadsheet
//! would take for a formula has an apostrophe in front (see [`crate::escape::csv`]). All but numbers is quoted, so that an account's
//! id keeps its zeros and an empty text is told from none.

use std::io;

use super::tables::{self, Column, Read};
use super::{Report, format};
use crate::escape::{csv, csv_list, csv_quoted};

/// Renders `windows.csv`.
///
/// # Errors
/// When `out` cannot be written.
pub fn windows_csv(report: &Report, out: &mut impl io::Write) -> io::Result<()> {
    table(&tables::windows(), &tables::numbered(&report.windows), out)
}

/// Renders `events.csv`.
///
/// # Errors
/// When `out` cannot be written.
pub fn events_csv(report: &Report, out: &mut impl io::Write) -> io::Result<()> {
    table(&tables::events(), &report.events, out)
}

fn table<Row>(columns: &[Column<Row>], rows: &[Row], out: &mut impl io::Write) -> io::Result<()> {
    let mut line = |cells: Vec<String>| writeln!(out, "{}", cells.join(","));
    line(columns.iter().map(|column| csv_quoted(column.name)).collect())?;
    for row in rows {
        line(columns.iter().map(|column| cell(&column.read, row).unwrap_or_default()).collect())?;
    }
    Ok(())
}

fn cell<Row>(read: &Read<Row>, row: &Row) -> Option<String> {
    let text = match read {
        Read::Text(read) => csv(&read(row)?),
        Read::Word(read) => read(row)?.to_owned(),
        Read::Time(read) => format::time(read(row)?),
        Read::Count(read) => return Some(read(row)?.to_string()),
        Read::Seconds(read) => return Some(read(row)?.to_string()),
        Read::Flag(read) => read(row)?.to_string(),
        Read::List(read) => csv_list(&Some(read(row)).filter(|list| !list.is_empty())?),
    };
    Some(csv_quoted(&text))
}
