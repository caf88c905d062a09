//! `windows.csv` and `events.csv`: every column of the contract, one row per window or event.
//!
//! Times are RFC 3339, durations seconds, `null` an empty cell, lists are joined with `;`. A text that a spreadsheet
//! would take for a formula has an apostrophe in front (see [`crate::escape::csv`]). All but numbers is quoted, so that an account's
//! id keeps its zeros and an empty text is told from none.

use super::tables::{self, Column, Read};
use super::{Report, format};
use crate::escape::{csv, csv_list, csv_quoted};

/// Renders `windows.csv`.
#[must_use]
pub fn windows_csv(report: &Report) -> Vec<u8> {
    table(&tables::windows(), &tables::numbered(&report.windows))
}

/// Renders `events.csv`.
#[must_use]
pub fn events_csv(report: &Report) -> Vec<u8> {
    table(&tables::events(), &report.events)
}

fn table<Row>(columns: &[Column<Row>], rows: &[Row]) -> Vec<u8> {
    let mut out = String::new();
    let mut line = |cells: Vec<String>| {
        out.push_str(&cells.join(","));
        out.push('\n');
    };
    line(columns.iter().map(|column| csv_quoted(column.name)).collect());
    for row in rows {
        line(columns.iter().map(|column| cell(&column.read, row).unwrap_or_default()).collect());
    }
    out.into_bytes()
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
