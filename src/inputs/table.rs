//! Rows of named cells, from CSV or from a JSON array of objects, each cell with its place.
//!
//! Which of the two a file is shows in its first character. Cells are text: an account id that was read as a number
//! has lost its leading zeros, so a JSON number is an error and not an account.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Sheet;
use super::cells::{Cells, Reader};
use super::error::{Cursor, InputError, Place, Problem, json_problem, without_place};
use crate::names::misspelt;
use crate::units::parse_rfc3339;

/// How many letters may be wrong in a name that is taken for a slip of the finger.
const SLIPS: usize = 2;

/// So many rows one file may have.
const MOST: usize = if cfg!(test) { 1_000 } else { 100_000 };

fn too_many(place: Place) -> Problem {
    let what = format!("a file may have at most {MOST} rows (hint: remove those of other periods)");
    Problem::at(place, None, what)
}

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

    fn list(&self) -> String {
        self.all().collect::<Vec<&str>>().join(", ")
    }

    /// What to say of a column that is none of these; `None` where it is simply another's. A slip of the finger in a name would
    /// leave a column out in silence: where one is likely, it is an error.
    fn slip(&self, name: &str, found: &dyn Fn(&str) -> bool) -> Option<String> {
        let name = name.trim();
        let near = misspelt(name, self.all().filter(|known| !found(known)), SLIPS)?;
        Some(format!("unknown column `{name}` (hint: did you mean `{near}`? The columns are {})", self.list()))
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
    /// are accepted: anonymized archives have them.
    pub(crate) fn check_account(&self, name: &'static str, problems: &mut Vec<Problem>) {
        let Some(text) = self.text(name) else { return };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(['.', ',', '+']);
        // `="001122223333"` and `'001122223333` are ways to keep a spreadsheet from taking it for one.
        if (digits && text.len() < 12) || number || text.contains(['=', '"', '\'']) {
            let what = format!(
                "`{text}` is not an account ID (hint: account IDs have 12 digits; spreadsheets drop leading zeros unless the column is text)"
            );
            problems.push(Problem::at(self.place_of(name), Some(name), what));
        }
    }
}

/// The rows of a file, or everything that is wrong with its form. Rows without any text are not rows. Columns of other names
/// are named, and not read.
pub(crate) fn parse(file: &str, text: &str, columns: &Columns) -> Result<Sheet<Row>, InputError> {
    let mut problems = Vec::new();
    let sheet = match text.trim_start().chars().next() {
        None => {
            let hint = format!("is empty (hint: the first line names the columns: {})", columns.list());
            problems.push(Problem::whole(hint));
            Sheet::default()
        }
        Some('[') => json_rows(text, columns, &mut problems),
        Some('{') => {
            problems.push(Problem::whole("is one JSON object (hint: rows are objects in an array: `[{…}, {…}]`)"));
            Sheet::default()
        }
        Some(_) => match csv_rows(text, columns, &mut problems) {
            Ok(sheet) => sheet,
            Err(problem) => {
                problems.push(problem);
                Sheet::default()
            }
        },
    };
    finish(file, sheet, problems)
}

/// `value`, if nothing was wrong.
pub(crate) fn finish<T>(file: &str, value: T, mut problems: Vec<Problem>) -> Result<T, InputError> {
    if problems.is_empty() {
        return Ok(value);
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    Err(InputError::Malformed { file: file.to_owned(), problems })
}

/// # Errors
/// Where the text is not rows of cells: nothing that follows can be read.
fn csv_rows(text: &str, columns: &Columns, problems: &mut Vec<Problem>) -> Result<Sheet<Row>, Problem> {
    let mut reader = Reader::new(text, &|name| columns.find(name).is_some())?;
    let mut sheet = Sheet::default();
    let Some(first) = reader.row()? else {
        return Err(Problem::whole(format!("names no columns (hint: the columns are {})", columns.list())));
    };
    let header = csv_header(&first, columns, &mut sheet.ignored, problems);
    while let Some(cells) = reader.row()? {
        let row = csv_row(&cells, &header, problems);
        if sheet.rows.len() == MOST {
            return Err(too_many(row.place));
        }
        if !row.cells.is_empty() {
            sheet.rows.push(row);
        }
    }
    Ok(sheet)
}

/// What a column is.
enum Head {
    Known(&'static str),
    /// It has another name, and is not read.
    Ignored,
    /// It has no name.
    Nameless,
}

fn csv_row(cells: &Cells<'_>, header: &[Head], problems: &mut Vec<Problem>) -> Row {
    let mut row = Row { place: Place { line: cells.line, column: 1 }, cells: BTreeMap::new() };
    for (index, cell) in cells.cells.iter().enumerate().filter(|(_, cell)| !cell.text.is_empty()) {
        let text = &cell.text;
        let mut problem = |what: String| problems.push(Problem::at(cell.place, None, what));
        match header.get(index) {
            Some(Head::Known(name)) => {
                row.cells.insert(name, (cell.place, text.to_string()));
            }
            Some(Head::Ignored) => {}
            Some(Head::Nameless) => problem(format!("`{text}` is in a column without a name")),
            None => problem(format!(
                "`{text}` is beyond the {} columns of the header (hint: quote cells that contain the separator)",
                header.len()
            )),
        }
    }
    row
}

fn csv_header(
    first: &Cells<'_>,
    columns: &Columns,
    ignored: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Vec<Head> {
    let known: BTreeSet<&'static str> = first.cells.iter().filter_map(|cell| columns.find(&cell.text)).collect();
    let (mut header, mut named) = (Vec::new(), BTreeSet::new());
    for (index, cell) in first.cells.iter().enumerate() {
        header.push(match columns.find(&cell.text) {
            Some(name) => {
                if !named.insert(name) {
                    problems.push(Problem::at(cell.place, Some(name), "is named twice"));
                }
                Head::Known(name)
            }
            None if cell.text.is_empty() => Head::Nameless,
            None => {
                match columns.slip(&cell.text, &|name| known.contains(name)) {
                    Some(slip) => problems.push(Problem::at(first.place(index), None, slip)),
                    None => ignored.push(cell.text.to_string()),
                }
                Head::Ignored
            }
        });
    }
    for name in columns.required.iter().filter(|name| !known.contains(*name)) {
        let place = Place { line: first.line, column: 1 };
        let what = format!(
            "column `{name}` is missing (hint: the columns are {}, separated by commas, semicolons or tabs)",
            columns.list()
        );
        problems.push(Problem { column: None, ..Problem::at(place, None, what) });
    }
    header
}

fn json_rows(text: &str, columns: &Columns, problems: &mut Vec<Problem>) -> Sheet<Row> {
    let mut cursor = Cursor::new(text);
    let offset_of = |raw: &RawValue| (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let mut place_of = |raw: &RawValue| cursor.place(offset_of(raw));
    let objects: Vec<&RawValue> = match serde_json::from_str(text) {
        Ok(objects) => objects,
        Err(error) => {
            problems.push(json_problem(text, &error));
            return Sheet::default();
        }
    };
    let (mut sheet, mut ignored) = (Sheet::default(), BTreeSet::new());
    for object in objects {
        let place = place_of(object);
        if sheet.rows.len() == MOST {
            problems.push(too_many(place));
            break;
        }
        let pairs: Pairs = match serde_json::from_str(object.get()) {
            Ok(pairs) => pairs,
            // It is sound JSON, and no object.
            Err(error) => {
                problems.push(Problem::at(place, None, without_place(&error)));
                continue;
            }
        };
        let known: BTreeSet<&'static str> = pairs.0.iter().filter_map(|(name, _)| columns.find(name)).collect();
        let mut row = Row { place, cells: BTreeMap::new() };
        let mut named = Vec::new();
        for (name, value) in pairs.0 {
            let place = place_of(value);
            let Some(column) = columns.find(&name) else {
                match columns.slip(&name, &|name| known.contains(name)) {
                    Some(slip) => problems.push(Problem::at(place, None, slip)),
                    None => {
                        ignored.insert(name);
                    }
                }
                continue;
            };
            if named.contains(&column) {
                problems.push(Problem::at(place, Some(column), "is named twice"));
                continue;
            }
            named.push(column);
            if value.get() == "null" {
                continue;
            }
            match serde_json::from_str::<String>(value.get()) {
                Ok(cell) if cell.trim().is_empty() => {}
                Ok(cell) => {
                    row.cells.insert(column, (place, cell.trim().to_owned()));
                }
                Err(_) => problems.push(Problem::at(
                    place,
                    Some(column),
                    format!("is not a string (hint: put `{}` in quotes)", value.get()),
                )),
            }
        }
        for name in columns.required.iter().filter(|name| !named.contains(name)) {
            problems.push(Problem::at(row.place, None, format!("`{name}` is missing")));
        }
        // A row that lacks something it must have is already a problem; its other cells are checked all the same.
        sheet.rows.push(row);
    }
    sheet.ignored.extend(ignored);
    sheet
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
