//! Rows of named cells, from CSV or from a JSON array of objects, each cell with its place.
//!
//! Which of the two a file is shows in its first character. Cells are text: an account id that was read as a number
//! has lost its leading zeros, so a JSON number is an error and not an account.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::error::{Cursor, InputError, Place, Problem};
use crate::units::parse_rfc3339;

/// The columns that a kind of file has.
pub(crate) struct Columns {
    pub required: &'static [&'static str],
    pub optional: &'static [&'static str],
}

/// One row.
pub(crate) struct Row {
    /// Where it begins.
    pub place: Place,
    cells: BTreeMap<&'static str, (Place, String)>,
}

impl Columns {
    fn find(&self, name: &str) -> Option<&'static str> {
        self.all().find(|known| known.eq_ignore_ascii_case(name.trim()))
    }

    fn all(&self) -> impl Iterator<Item = &'static str> {
        self.required.iter().chain(self.optional).copied()
    }

    fn unknown(&self, name: &str) -> String {
        let known: Vec<&str> = self.all().collect();
        let hint = if name.contains([';', '\t']) { "cells are separated by commas; " } else { "" };
        format!("unknown column `{}` (hint: {hint}the columns are {})", name.trim(), known.join(", "))
    }
}

impl Row {
    /// The text of a cell; `None` where it is empty or absent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.cells.get(name).map(|(_, text)| text.as_str())
    }

    pub(crate) fn place_of(&self, name: &str) -> Place {
        self.cells.get(name).map_or(self.place, |(place, _)| *place)
    }

    /// The text of a cell that must not be empty.
    pub(crate) fn required(&self, name: &'static str, problems: &mut Vec<Problem>) -> Option<String> {
        if let Some(text) = self.text(name) {
            return Some(text.to_owned());
        }
        problems.push(Problem { column: None, ..Problem::at(self.place, Some(name), "is empty") });
        None
    }

    /// A time that must not be absent.
    pub(crate) fn time(&self, name: &'static str, problems: &mut Vec<Problem>) -> Option<DateTime<Utc>> {
        let text = self.required(name, problems)?;
        match parse_rfc3339(&text) {
            Ok(time) => Some(time),
            Err(error) => {
                problems.push(Problem::at(self.place_of(name), Some(name), error.to_string()));
                None
            }
        }
    }

    /// Checks that an account id was not damaged by a spreadsheet, which takes it for a number. Ids of other lengths
    /// are accepted: anonymised archives have them.
    pub(crate) fn check_account(&self, name: &'static str, problems: &mut Vec<Problem>) {
        let Some(text) = self.text(name) else { return };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if (digits && text.len() < 12) || (text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(['.', '+']))
        {
            let what = format!(
                "`{text}` is not an account id (hint: account ids have 12 digits; spreadsheets drop leading zeros unless the column is text)"
            );
            problems.push(Problem::at(self.place_of(name), Some(name), what));
        }
    }
}

/// The rows of a file, or everything that is wrong with its form. Rows without any text are not rows.
pub(crate) fn parse(file: &str, text: &str, columns: &Columns) -> Result<Vec<Row>, InputError> {
    let mut problems = Vec::new();
    let rows = match text.trim_start().chars().next() {
        None => {
            let names: Vec<&str> = columns.all().collect();
            problems.push(Problem::whole(format!(
                "is empty (hint: the first line names the columns: {})",
                names.join(",")
            )));
            Vec::new()
        }
        Some('[') => json_rows(text, columns, &mut problems),
        Some('{') => {
            problems.push(Problem::whole("is one JSON object (hint: rows are objects in an array: `[{…}, {…}]`)"));
            Vec::new()
        }
        Some(_) => csv_rows(text, columns, &mut problems),
    };
    finish(file, rows, problems)
}

/// `value`, if nothing was wrong.
pub(crate) fn finish<T>(file: &str, value: T, mut problems: Vec<Problem>) -> Result<T, InputError> {
    if problems.is_empty() {
        return Ok(value);
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    Err(InputError::Malformed { file: file.to_owned(), problems })
}

fn csv_rows(text: &str, columns: &Columns, problems: &mut Vec<Problem>) -> Vec<Row> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut header: Option<Vec<Option<&'static str>>> = None;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(Problem::whole(error.to_string()));
                return rows;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let cells = (1..).map(|column| Place { line, column }).zip(record.iter());
        let Some(header) = &header else {
            header = Some(csv_header(cells, columns, problems));
            continue;
        };
        let mut row = Row { place: Place { line, column: 1 }, cells: BTreeMap::new() };
        for (index, (place, cell)) in cells.enumerate().filter(|(_, (_, cell))| !cell.is_empty()) {
            match header.get(index) {
                Some(Some(name)) => {
                    row.cells.insert(name, (place, cell.to_owned()));
                }
                Some(None) => {
                    problems.push(Problem::at(place, None, format!("`{cell}` is in a column without a name")))
                }
                None => problems.push(Problem::at(
                    place,
                    None,
                    format!(
                        "`{cell}` is beyond the {} columns of the header (hint: quote cells that hold commas)",
                        header.len()
                    ),
                )),
            }
        }
        if !row.cells.is_empty() {
            rows.push(row);
        }
    }
    rows
}

fn csv_header<'a>(
    cells: impl Iterator<Item = (Place, &'a str)>,
    columns: &Columns,
    problems: &mut Vec<Problem>,
) -> Vec<Option<&'static str>> {
    let mut header: Vec<Option<&'static str>> = Vec::new();
    let mut at = Place { line: 1, column: 1 };
    for (place, name) in cells {
        at = place;
        let known = columns.find(name);
        match known {
            Some(known) if header.contains(&Some(known)) => {
                problems.push(Problem::at(place, Some(known), "is named twice"));
            }
            None if !name.is_empty() => problems.push(Problem::at(place, None, columns.unknown(name))),
            _ => {}
        }
        header.push(known);
    }
    for name in columns.required.iter().filter(|name| !header.contains(&Some(name))) {
        let place = Place { line: at.line, column: 1 };
        problems.push(Problem { column: None, ..Problem::at(place, None, format!("column `{name}` is missing")) });
    }
    header
}

fn json_rows(text: &str, columns: &Columns, problems: &mut Vec<Problem>) -> Vec<Row> {
    let mut cursor = Cursor::new(text);
    let mut place_of =
        |raw: &RawValue| cursor.place((raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize));
    let objects: Vec<&RawValue> = match serde_json::from_str(text) {
        Ok(objects) => objects,
        Err(error) => {
            problems.push(json_problem(&error, Place { line: 1, column: 1 }));
            return Vec::new();
        }
    };
    let mut rows = Vec::new();
    for object in objects {
        let place = place_of(object);
        let pairs: Pairs = match serde_json::from_str(object.get()) {
            Ok(pairs) => pairs,
            Err(error) => {
                problems.push(json_problem(&error, place));
                continue;
            }
        };
        let mut row = Row { place, cells: BTreeMap::new() };
        let mut named = Vec::new();
        for (name, value) in pairs.0 {
            let place = place_of(value);
            let Some(known) = columns.find(&name) else {
                problems.push(Problem::at(place, None, columns.unknown(&name)));
                continue;
            };
            if named.contains(&known) {
                problems.push(Problem::at(place, Some(known), "is named twice"));
                continue;
            }
            named.push(known);
            if value.get() == "null" {
                continue;
            }
            match serde_json::from_str::<String>(value.get()) {
                Ok(cell) if cell.trim().is_empty() => {}
                Ok(cell) => {
                    row.cells.insert(known, (place, cell.trim().to_owned()));
                }
                Err(_) => problems.push(Problem::at(
                    place,
                    Some(known),
                    format!("is not a string (hint: put `{}` in quotes)", value.get()),
                )),
            }
        }
        for name in columns.required.iter().filter(|name| !named.contains(name)) {
            problems.push(Problem::at(row.place, None, format!("`{name}` is missing")));
        }
        // A row that lacks something it must have is already a problem; its other cells are checked all the same.
        rows.push(row);
    }
    rows
}

/// `base` is where the text that was parsed begins.
fn json_problem(error: &serde_json::Error, base: Place) -> Problem {
    let line = error.line().max(1) as u64;
    let column = error.column().max(1) as u64;
    let place = Place { line: base.line + line - 1, column: if line == 1 { base.column + column - 1 } else { column } };
    Problem::at(place, None, without_place(error))
}

/// The message without serde's own ` at line 1 column 2`.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&place).unwrap_or(&message).to_owned()
}

/// The members of a JSON object in their order, duplicates included.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Self)
    }
}
