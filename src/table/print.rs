//! Chosen fields of records: as a table, as CSV, as JSON lines, or counted.
//!
//! What a record says was written by whoever made the call, so a table shows control characters by name, and CSV keeps
//! spreadsheets from taking a text for a formula.

use std::collections::BTreeMap;
use std::io::{self, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};

use crate::cloudtrail::{Cell, Path, Record};
use crate::escape;
use crate::names::{TYPO, misspelt};
use crate::units::display_size;

/// What a record may have at its top level, in CloudTrail's own order.
const KNOWN: [&str; 29] = [
    "eventVersion",
    "userIdentity",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "errorCode",
    "errorMessage",
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "requestID",
    "eventID",
    "eventType",
    "apiVersion",
    "managementEvent",
    "readOnly",
    "resources",
    "recipientAccountId",
    "serviceEventDetails",
    "sharedEventID",
    "vpcEndpointId",
    "vpcEndpointAccountId",
    "eventCategory",
    "addendum",
    "sessionCredentialFromConsole",
    "tlsDetails",
];

/// Those that newer and rarer kinds of records have.
const RARE: [&str; 4] = ["edgeDeviceDetails", "eventContext", "insightDetails", "networkActivityDetails"];

/// Why fields cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// A path with an empty step.
    #[error("`{0}` is not a field\n  hint: write keys with dots between them, such as userIdentity.arn")]
    NoPath(String),
    /// It begins with what no record has.
    #[error("`{path}`: no record has `{first}`\n  hint: {hint}")]
    Unknown {
        /// As it was given.
        path: String,
        /// The key.
        first: String,
        /// What may have been meant.
        hint: String,
    },
    /// The same one again.
    #[error("`{0}` is given twice\n  hint: leave one out")]
    Twice(String),
}

/// Fields to keep of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    paths: Vec<Path>,
}

impl Columns {
    /// Of paths such as `userIdentity.arn`.
    ///
    /// # Errors
    /// When one is no path, begins with what no record has, or is there twice.
    pub fn new<S: AsRef<str>>(paths: &[S]) -> Result<Self, ColumnError> {
        let mut columns = Self { paths: Vec::new() };
        for text in paths.iter().map(AsRef::as_ref) {
            let path = Path::new(text).ok_or_else(|| ColumnError::NoPath(text.to_owned()))?;
            if !KNOWN.iter().chain(&RARE).any(|known| *known == path.first()) {
                let first = path.first().to_owned();
                return Err(ColumnError::Unknown { path: text.to_owned(), hint: near(&first), first });
            }
            if columns.paths.contains(&path) {
                return Err(ColumnError::Twice(text.to_owned()));
            }
            columns.paths.push(path);
        }
        Ok(columns)
    }

    /// Their paths.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(Path::as_str)
    }

    /// Appends a record's values, in a form for [`Columns::row`].
    ///
    /// # Errors
    /// Never, as far as is known; the serialiser could.
    pub fn keep(&self, record: &Record<'_, '_>, into: &mut Vec<u8>) -> io::Result<()> {
        // Values stay texts: what is nested deeper than a parser likes is none here.
        let cell = |path| match record.cell(path) {
            Cell::Absent => None,
            Cell::Text(text) => Some(('t', text)),
            Cell::Json(json) => Some(('j', json)),
        };
        let row: Vec<Option<(char, String)>> = self.paths.iter().map(cell).collect();
        Ok(serde_json::to_writer(into, &row)?)
    }

    /// The values that were kept.
    ///
    /// # Errors
    /// When these are other bytes.
    pub fn row(kept: &[u8]) -> io::Result<Vec<Cell>> {
        let row: Vec<Option<(char, String)>> = serde_json::from_slice(kept)?;
        let cell = |cell: Option<(char, String)>| match cell {
            None => Cell::Absent,
            Some(('t', text)) => Cell::Text(text),
            Some((_, json)) => Cell::Json(json),
        };
        Ok(row.into_iter().map(cell).collect())
    }
}

/// A hint at what was meant.
fn near(first: &str) -> String {
    match misspelt(first, KNOWN, TYPO) {
        Some(known) => format!("did you mean {known}?"),
        None => format!("fields begin with one of: {}", KNOWN.join(", ")),
    }
}

/// How rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For eyes, no wider than this.
    Table(Option<u16>),
    /// With a line of names.
    Csv,
    /// One object a line.
    Json,
}

/// Shows rows one after another. A table is made when all are there.
pub struct Rows<W: Write> {
    names: Vec<String>,
    shown: Shown<W>,
}

enum Shown<W: Write> {
    Table(Grid, W),
    Csv(W),
    Json(W),
}

/// A table for reading, put together when all of its rows are there.
struct Grid {
    width: Option<u16>,
    /// Columns that may be left out, by their rank.
    room: &'static [&'static str],
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// What a column of longer texts needs at least, so that it can be read over several lines.
const WRAPPED: usize = 16;

/// A text without white space up to this length (names of events, ids, addresses) is not broken where it can be helped.
const SHORT: usize = 21;

/// The space between two columns.
const BETWEEN: u16 = 2;

/// How much a text must not be broken: a time and an event's id never, other short ones if possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Firmness {
    Never,
    IfPossible,
    Free,
}

impl Firmness {
    fn of(text: &str) -> Self {
        let digits = |range: std::ops::Range<usize>| {
            text.get(range).is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let time = text.len() >= 20 && text.len() <= 30 && text.ends_with('Z') && digits(0..4) && digits(11..13);
        let parts = text.split('-').map(str::len);
        let uuid = text.len() == 36
            && parts.eq([8, 4, 4, 4, 12])
            && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        match () {
            () if time || uuid => Self::Never,
            () if text.len() <= SHORT && !text.contains(char::is_whitespace) => Self::IfPossible,
            () => Self::Free,
        }
    }
}

impl Grid {
    /// By column: how wide its widest text is, and how much its texts must not be broken.
    fn columns(&self) -> Vec<(usize, Firmness)> {
        let column = |(place, head): (usize, &String)| {
            let cells = || self.rows.iter().filter_map(|row| row.get(place));
            let width = cells().map(|cell| escape::columns(cell)).max().unwrap_or(0).max(escape::columns(head));
            let firm = cells().filter(|cell| *cell != "-").map(|cell| Firmness::of(cell)).max();
            (width, firm.unwrap_or(Firmness::IfPossible))
        };
        self.head.iter().enumerate().map(column).collect()
    }

    /// The places of the columns that are shown: all, or those of the first ranks that there is room for.
    fn shown(&self, columns: &[(usize, Firmness)], width: u16) -> Vec<usize> {
        let all = 0..self.head.len();
        if self.room.is_empty() {
            return all.collect();
        }
        let rank = |place: &usize| {
            let head = self.head.get(*place);
            self.room.iter().position(|name| head.is_some_and(|head| head == name)).unwrap_or(usize::MAX)
        };
        let mut ranked: Vec<usize> = all.collect();
        ranked.sort_by_key(rank);
        let (mut shown, mut taken) = (Vec::new(), 0);
        for place in ranked {
            // Lists of objects are long, and of no use in pieces.
            let whole = self.head.get(place).is_some_and(|head| head.ends_with("objects"));
            let least = columns.get(place).map_or(0, |column| if whole { column.0 } else { least(*column) });
            if shown.is_empty() || taken + least <= usize::from(width) {
                taken += least + usize::from(BETWEEN);
                shown.push(place);
            }
        }
        shown.sort_unstable();
        shown
    }

    /// The table's text, and the names of the columns that are not in it.
    fn finish(self) -> (String, Vec<String>) {
        let columns = self.columns();
        let shown = self.width.map_or_else(|| (0..self.head.len()).collect(), |width| self.shown(&columns, width));
        let pick = |row: &[String]| shown.iter().filter_map(|place| row.get(*place).cloned()).collect::<Vec<_>>();
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header(pick(&self.head));
        for row in &self.rows {
            table.add_row(pick(row));
        }
        if let Some(width) = self.width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        let needed: usize = shown.iter().filter_map(|place| columns.get(*place)).map(|column| least(*column) + 2).sum();
        let roomy = self.width.is_none_or(|width| needed <= usize::from(width + BETWEEN));
        let last = shown.len().saturating_sub(1);
        for (place, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if place == last { 0 } else { BETWEEN }));
            let firm = shown.get(place).and_then(|place| columns.get(*place)).map(|(_, firm)| *firm);
            if firm == Some(Firmness::Never) || (roomy && firm == Some(Firmness::IfPossible)) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let absent = self.head.iter().enumerate().filter(|(place, _)| !shown.contains(place));
        let absent = absent.map(|(_, name)| name.clone()).collect();
        (table.lines().map(|line| format!("{}\n", line.trim_end())).collect(), absent)
    }
}

/// The least width of a column.
fn least((width, firm): (usize, Firmness)) -> usize {
    if firm == Firmness::Free { width.min(WRAPPED) } else { width }
}

impl<W: Write> Rows<W> {
    /// # Errors
    /// When the output cannot be written.
    pub fn new(format: Format, names: Vec<String>, out: W) -> io::Result<Self> {
        let shown = match format {
            Format::Table(width) => {
                let head = names.iter().map(|name| escape::terminal(name)).collect();
                Shown::Table(Grid { width, room: &[], head, rows: Vec::new() }, out)
            }
            Format::Csv => {
                let mut out = out;
                let header: Vec<Cell> = names.iter().map(|name| Cell::Text(name.clone())).collect();
                writeln!(out, "{}", csv_line(&header))?;
                Shown::Csv(out)
            }
            Format::Json => Shown::Json(out),
        };
        Ok(Self { names, shown })
    }

    /// Of a table on a narrow terminal, leaves out columns: the last ones in `room`. None are where it is empty.
    #[must_use]
    pub fn fitting(mut self, room: &'static [&'static str]) -> Self {
        if let Shown::Table(grid, _) = &mut self.shown {
            grid.room = room;
        }
        self
    }

    /// Shows one more.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn add(&mut self, cells: &[Cell]) -> io::Result<()> {
        let text = |cell: &'_ Cell| match cell {
            Cell::Absent => String::new(),
            Cell::Text(text) | Cell::Json(text) => text.clone(),
        };
        match &mut self.shown {
            Shown::Table(grid, _) => {
                // Without a sign, a row whose last cells are absent could not be told from a short one.
                let sign =
                    |cell: &Cell| if *cell == Cell::Absent { "-".to_owned() } else { escape::terminal(&text(cell)) };
                grid.rows.push(cells.iter().map(sign).collect());
            }
            Shown::Csv(out) => writeln!(out, "{}", csv_line(cells))?,
            Shown::Json(out) => {
                let mut line = String::from("{");
                for (name, cell) in self.names.iter().zip(cells) {
                    let comma = if line.len() == 1 { "" } else { "," };
                    let value = match cell {
                        Cell::Absent => "null".to_owned(),
                        Cell::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
                        Cell::Json(json) => json.clone(),
                    };
                    line.push_str(&format!("{comma}{}:{value}", serde_json::Value::from(name.as_str())));
                }
                writeln!(out, "{line}}}")?;
            }
        }
        Ok(())
    }

    /// Writes what is not written yet; gives the columns that a terminal is too narrow for.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(self) -> io::Result<Vec<String>> {
        match self.shown {
            Shown::Table(grid, mut out) => {
                let (text, absent) = grid.finish();
                out.write_all(text.as_bytes())?;
                out.flush()?;
                return Ok(absent);
            }
            Shown::Csv(mut out) | Shown::Json(mut out) => out.flush()?,
        }
        Ok(Vec::new())
    }
}

/// A line of CSV. What is absent is empty, and an empty text has its quotes; but alone in its line what is absent has them, too,
/// for readers pass over empty lines.
fn csv_line(cells: &[Cell]) -> String {
    let shown = |cell: &Cell| match cell {
        Cell::Absent if cells.len() == 1 => "\"\"".to_owned(),
        Cell::Absent => String::new(),
        // A number is no formula, whatever its sign.
        Cell::Json(json) if json.parse::<f64>().is_ok() => json.clone(),
        Cell::Text(text) | Cell::Json(text) => match escape::csv(text) {
            text if text.is_empty() || text.contains([',', '"', '\n', '\r']) => escape::csv_quoted(&text),
            text => text,
        },
    };
    cells.iter().map(shown).collect::<Vec<_>>().join(",")
}

/// How often each row was there.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    counts: BTreeMap<Vec<Cell>, u64>,
    /// Bytes that these take, about.
    bytes: usize,
}

/// So much of different values is counted: all of them are in memory, and no more are of use to anybody.
const MOST: usize = if cfg!(test) { 10_000 } else { 96 << 20 };

/// What a value takes beside its text, about.
const VALUE: usize = 128;

impl Counts {
    /// Counts one more.
    ///
    /// # Errors
    /// When there are too many different ones.
    pub fn add(&mut self, row: Vec<Cell>) -> io::Result<()> {
        if let Some(count) = self.counts.get_mut(&row) {
            *count += 1;
            return Ok(());
        }
        let text = |cell: &Cell| match cell {
            Cell::Absent => 0,
            Cell::Text(text) | Cell::Json(text) => text.len(),
        };
        self.bytes += VALUE + row.iter().map(text).sum::<usize>();
        if self.bytes > MOST {
            return Err(io::Error::other(format!(
                "more than {} of different values to count (hint: narrow the search, or count by a field with fewer values)",
                display_size(u64::try_from(MOST).unwrap_or(u64::MAX))
            )));
        }
        self.counts.insert(row, 1);
        Ok(())
    }

    /// The most frequent first; of as frequent ones in order of their values. The count is the first cell.
    #[must_use]
    pub fn rows(self) -> Vec<Vec<Cell>> {
        let mut rows: Vec<(Vec<Cell>, u64)> = self.counts.into_iter().collect();
        rows.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let row = |(cells, count): (Vec<Cell>, u64)| [Cell::Json(count.to_string())].into_iter().chain(cells).collect();
        rows.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: Format, rows: &[Vec<Cell>]) -> String {
        let mut out = Vec::new();
        let mut table = Rows::new(format, vec!["count".to_owned(), "userAgent".to_owned()], &mut out).unwrap();
        rows.iter().for_each(|row| table.add(row).unwrap());
        table.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn rows() -> Vec<Vec<Cell>> {
        let mut counts = Counts::default();
        for text in ["b", "=cmd()\u{1b}[2J", "a", "a,\"x", "=cmd()\u{1b}[2J"] {
            counts.add(vec![Cell::Text(text.to_owned())]).unwrap();
        }
        counts.add(vec![Cell::Absent]).unwrap();
        counts.rows()
    }

    #[test]
    fn more_different_values_than_can_be_counted_are_an_error() {
        let mut counts = Counts::default();
        let mut add = |number: usize| counts.add(vec![Cell::Text(format!("{:08}", number))]);
        let fit = MOST / (VALUE + 8);
        (0..fit).chain(0..fit).try_for_each(&mut add).unwrap();
        let error = add(fit).unwrap_err().to_string();
        assert!(error.starts_with("more than 10000B of different values to count"), "{error}");
    }

    #[test]
    fn every_format_is_safe_to_open() {
        assert_eq!(
            shown(Format::Table(None), &rows()),
            "count  userAgent\n2      =cmd()\\u{1b}[2J\n1      -\n1      a\n1      a,\"x\n1      b\n"
        );
        assert_eq!(shown(Format::Csv, &rows()), "count,userAgent\n2,'=cmd()\\u{1b}[2J\n1,\n1,a\n1,\"a,\"\"x\"\n1,b\n");
        assert_eq!(
            shown(Format::Json, &rows()).lines().take(2).collect::<Vec<_>>(),
            [r#"{"count":2,"userAgent":"=cmd()\u001b[2J"}"#, r#"{"count":1,"userAgent":null}"#]
        );
        let long = [vec![Cell::Json("1".to_owned()), Cell::Text("word ".repeat(30))]];
        assert!(shown(Format::Table(Some(60)), &long).lines().all(|line| line.len() <= 60));
    }

    const TIME: &str = "2026-10-14T02:17:09Z";
    const ID: &str = "0f5ab3d2-71c4-4a53-9bd9-2f0c1e8d7a66";
    const ARN: &str = "arn:aws:sts::111122223333:assumed-role/SecurityAudit-ReadOnly/oscar.berg@example.com";

    /// A table as a terminal of so many columns shows it, and what it lacks.
    fn on_a_terminal(width: u16, names: &[&str], room: &'static [&'static str]) -> (String, Vec<String>) {
        let mut out = Vec::new();
        let head = names.iter().map(|name| (*name).to_owned()).collect();
        let mut rows = Rows::new(Format::Table(Some(width)), head, &mut out).unwrap().fitting(room);
        for _ in 0..2 {
            let text = |name: &&str| match *name {
                "time" => TIME,
                "event_id" => ID,
                "event" => "DeactivateMFADevice",
                "actor" => ARN,
                "objects" => {
                    "AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/14/111122223333_CloudTrail_us-east-1_x.json.gz"
                }
                _ => "jonas.lind",
            };
            rows.add(&names.iter().map(|name| Cell::Text(text(name).to_owned())).collect::<Vec<_>>()).unwrap();
        }
        let absent = rows.finish().unwrap();
        (String::from_utf8(out).unwrap(), absent)
    }

    #[test]
    fn a_table_fits_the_terminal_and_breaks_no_time_and_no_id() {
        let names = ["time", "principal", "event", "actor", "event_id", "objects"];
        let room = &["time", "event", "principal", "event_id", "actor", "objects"];
        for (width, absent) in [
            (40, vec!["event", "actor", "event_id", "objects"]),
            (80, vec!["event_id", "objects"]),
            (100, vec!["actor", "objects"]),
            (120, vec!["objects"]),
            (240, vec![]),
            (400, vec![]),
        ] {
            let (table, without) = on_a_terminal(width, &names, room);
            assert_eq!(without, absent, "{width}\n{table}");
            assert!(table.lines().all(|line| escape::columns(line) <= usize::from(width)), "{width}\n{table}");
            assert_eq!(table.matches(TIME).count(), 2, "{width}\n{table}");
            assert_eq!(table.matches(ID).count(), if absent.contains(&"event_id") { 0 } else { 2 }, "{width}\n{table}");
        }
    }

    #[test]
    fn columns_that_were_asked_for_are_all_there() {
        for width in [80, 100, 132] {
            let (table, absent) = on_a_terminal(width, &["time", "event_id", "actor", "objects"], &[]);
            assert!(absent.is_empty());
            assert!(table.lines().all(|line| escape::columns(line) <= usize::from(width)), "{width}\n{table}");
            assert_eq!((table.matches(TIME).count(), table.matches(ID).count()), (2, 2), "{width}\n{table}");
        }
    }

    #[test]
    fn fields_that_no_record_has_are_refused() {
        let error = |paths: &[&str]| Columns::new(paths).unwrap_err().to_string();
        assert!(Columns::new(&["eventTime", "userIdentity.arn", "resources.0.ARN"]).is_ok());
        assert!(error(&["eventname"]).ends_with("hint: did you mean eventName?"), "{}", error(&["eventname"]));
        assert!(error(&["sourceIpAdress.x"]).contains("did you mean sourceIPAddress?"));
        assert!(error(&["wholly-other"]).contains("fields begin with one of: eventVersion, "));
        assert!(error(&["a..b"]).contains("is not a field"));
        assert!(error(&["eventTime", "eventTime"]).contains("given twice"));
    }
}
