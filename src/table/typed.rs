//! The answer to a question as a table of typed columns, and the same in every form that is asked for: for eyes, as JSON,
//! as CSV, as Parquet.
//!
//! What stands in it was written by whoever made a call: [`crate::escape`] makes it harmless for terminals and
//! spreadsheets.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use polars_core::prelude::{
    AnyValue, BooleanChunked, Column, DataFrame, Int64Chunked, IntoSeries, ListBuilderTrait, ListStringChunkedBuilder,
    NamedFrom, NewChunkedArray, PolarsError, Series, TimeUnit,
};
use polars_io::parquet::write::ParquetWriter;

use crate::cloudtrail::Cell;
use crate::table::print::{self, Rows};

/// Why an answer cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The table cannot be made.
    #[error("could not create the table: {0}")]
    Table(#[from] PolarsError),
    /// The output cannot be written.
    #[error("could not write the answer: {0}")]
    Output(#[from] io::Error),
}

/// A column's values.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Texts.
    Text(Vec<Option<String>>),
    /// Whole numbers.
    Integer(Vec<Option<i64>>),
    /// Yes, no, or not known.
    Flag(Vec<Option<bool>>),
    /// Moments, UTC.
    Time(Vec<Option<DateTime<Utc>>>),
    /// Lists of texts.
    List(Vec<Vec<String>>),
}

/// How an answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For eyes, no wider than this.
    Table(Option<u16>),
    /// One array of objects.
    Json,
    /// One object a line.
    NdJson,
    /// With a line of names.
    Csv,
    /// A file, as the store's are.
    Parquet,
}

/// So many rows are a piece of an answer: what they are made of takes more than they do.
const PIECE: usize = if cfg!(test) { 2 } else { 1 << 12 };

/// A table.
#[derive(Debug, Clone)]
pub struct Answer(DataFrame);

impl From<DataFrame> for Answer {
    fn from(frame: DataFrame) -> Self {
        Self(frame)
    }
}

impl Values {
    fn series(self, name: &'static str) -> Series {
        let name = name.into();
        match self {
            Self::Text(texts) => Series::new(name, texts),
            Self::Integer(numbers) => Int64Chunked::from_iter_options(name, numbers.into_iter()).into_series(),
            Self::Flag(flags) => BooleanChunked::from_iter_options(name, flags.into_iter()).into_series(),
            Self::Time(times) => {
                let times = times.into_iter().map(|time| time.map(|time| time.timestamp_micros()));
                let times = Int64Chunked::from_iter_options(name, times);
                times.into_datetime(TimeUnit::Microseconds, None).into_series()
            }
            Self::List(lists) => {
                // With room for what there is: by itself the builder takes some hundred bytes for each list.
                let texts = lists.iter().map(Vec::len).sum();
                let mut builder = ListStringChunkedBuilder::new(name, lists.len(), texts);
                lists.iter().for_each(|list| builder.append_values_iter(list.iter().map(String::as_str)));
                builder.finish().into_series()
            }
        }
    }
}

impl Answer {
    /// Of columns of one length.
    ///
    /// # Errors
    /// When their lengths differ.
    pub fn new(height: usize, columns: Vec<(&'static str, Values)>) -> Result<Self, AnswerError> {
        let columns: Vec<Column> =
            columns.into_iter().map(|(name, values)| Column::from(values.series(name))).collect();
        Ok(Self(DataFrame::new(height, columns)?))
    }

    /// Of what `table` makes of the rows, piece by piece.
    ///
    /// # Errors
    /// With what `table` fails with, or when its tables have other columns than the first.
    pub fn in_pieces<R>(
        rows: impl IntoIterator<Item = R>,
        table: impl Fn(&[R]) -> Result<Self, AnswerError>,
    ) -> Result<Self, AnswerError> {
        let mut rows = rows.into_iter();
        let mut next = || table(&rows.by_ref().take(PIECE).collect::<Vec<R>>());
        let mut answer = next()?;
        loop {
            let more = next()?;
            if more.rows() == 0 {
                return Ok(answer);
            }
            answer.0.vstack_mut(&more.0)?;
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.0.height()
    }

    /// Some of the columns, in this order.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn select<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<Self, AnswerError> {
        Ok(Self(self.0.select(names)?))
    }

    /// Writes it; of a table, `room` ranks the columns that a narrow terminal may lack, and those that it lacks are given.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write(
        mut self,
        format: Format,
        room: &'static [&'static str],
        mut out: impl Write,
    ) -> Result<Vec<String>, AnswerError> {
        let rows = match format {
            Format::Table(width) => print::Format::Table(width),
            Format::Csv => print::Format::Csv,
            Format::Json | Format::NdJson => print::Format::Json,
            Format::Parquet => {
                ParquetWriter::new(&mut out).set_parallel(false).finish(&mut self.0)?;
                out.flush()?;
                return Ok(Vec::new());
            }
        };
        if format == Format::Json {
            out.write_all(b"[")?;
            self.give(rows, room, Elements { out: &mut out, between: b"\n", is_ended: true })?;
            out.write_all(b"\n]\n")?;
            out.flush()?;
            return Ok(Vec::new());
        }
        self.give(rows, room, out)
    }

    fn give(
        &self,
        format: print::Format,
        room: &'static [&'static str],
        out: impl Write,
    ) -> Result<Vec<String>, AnswerError> {
        let names = self.0.get_column_names().iter().map(|name| name.to_string()).collect();
        let mut shown = Rows::new(format, names, out)?.fitting(room);
        // A value in a column of many pieces would be looked for in each of them.
        for start in (0..self.0.height()).step_by(PIECE) {
            let piece = self.0.slice(i64::try_from(start).unwrap_or(i64::MAX), PIECE);
            let columns: Vec<&Series> = piece.columns().iter().map(Column::as_materialized_series).collect();
            for row in 0..piece.height() {
                let cells = columns.iter().map(|column| Ok(cell(&column.get(row)?, format == print::Format::Json)));
                shown.add(&cells.collect::<Result<Vec<Cell>, PolarsError>>()?)?;
            }
        }
        Ok(shown.finish()?)
    }
}

/// Makes lines of objects the elements of an array; a line break within a text is escaped, so a line ends where an object ends.
struct Elements<W> {
    out: W,
    /// What stands before the next.
    between: &'static [u8],
    /// Whether the last one is whole.
    is_ended: bool,
}

impl<W: Write> Write for Elements<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (line, ends) = part.strip_suffix(b"\n").map_or((part, false), |line| (line, true));
            if !line.is_empty() {
                if self.is_ended {
                    self.out.write_all(std::mem::replace(&mut self.between, b",\n"))?;
                }
                self.out.write_all(line)?;
            }
            self.is_ended = ends || (self.is_ended && line.is_empty());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A value as it is shown; lists are JSON in JSON, and elsewhere their elements with semicolons between.
fn cell(value: &AnyValue<'_>, json: bool) -> Cell {
    match value {
        AnyValue::Null => Cell::Absent,
        AnyValue::String(text) => Cell::Text((*text).to_owned()),
        AnyValue::StringOwned(text) => Cell::Text(text.to_string()),
        AnyValue::Datetime(since, unit, _) => moment(*since, *unit).map_or(Cell::Absent, Cell::Text),
        AnyValue::DatetimeOwned(since, unit, _) => moment(*since, *unit).map_or(Cell::Absent, Cell::Text),
        AnyValue::Boolean(flag) => Cell::Json(flag.to_string()),
        AnyValue::List(list) => {
            let cells: Vec<Cell> = list.iter().map(|value| cell(&value, json)).collect();
            if json {
                let value = |cell: &Cell| match cell {
                    Cell::Absent => "null".to_owned(),
                    Cell::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
                    Cell::Json(json) => json.clone(),
                };
                Cell::Json(format!("[{}]", cells.iter().map(value).collect::<Vec<_>>().join(",")))
            } else {
                let text = |cell: Cell| match cell {
                    Cell::Absent => String::new(),
                    Cell::Text(text) | Cell::Json(text) => text,
                };
                Cell::Text(cells.into_iter().map(text).collect::<Vec<_>>().join(";"))
            }
        }
        // Not a number and the infinities are no JSON.
        AnyValue::Float32(number) if number.is_finite() => Cell::Json(number.to_string()),
        AnyValue::Float64(number) if number.is_finite() => Cell::Json(number.to_string()),
        number if number.is_integer() => Cell::Json(number.to_string()),
        other => Cell::Text(other.to_string()),
    }
}

fn moment(since: i64, unit: TimeUnit) -> Option<String> {
    let time = match unit {
        TimeUnit::Nanoseconds => DateTime::from_timestamp_nanos(since),
        TimeUnit::Microseconds => DateTime::from_timestamp_micros(since)?,
        TimeUnit::Milliseconds => DateTime::from_timestamp_millis(since)?,
    };
    Some(time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let time = DateTime::from_timestamp(1_790_000_000, 0);
        let columns = vec![
            ("time", Values::Time(vec![time, None])),
            ("user", Values::Text(vec![Some("=cmd()\u{1b}[2J\n".to_owned()), None])),
            ("n", Values::Integer(vec![Some(-1), None])),
            ("mfa", Values::Flag(vec![Some(true), None])),
            ("objects", Values::List(vec![vec!["a".to_owned(), "b\"".to_owned()], Vec::new()])),
        ];
        Answer::new(2, columns).unwrap()
    }

    fn written(answer: Answer, format: Format) -> String {
        let mut out = Vec::new();
        answer.write(format, &[], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_form_says_the_same() {
        let parsed: Vec<serde_json::Value> = serde_json::from_str(&written(answer(), Format::Json)).unwrap();
        let lines: Vec<serde_json::Value> =
            written(answer(), Format::NdJson).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(parsed, lines);
        assert_eq!(parsed[0]["user"], "=cmd()\u{1b}[2J\n");
        assert_eq!(parsed[0]["n"], -1);
        assert_eq!(parsed[0]["objects"], serde_json::json!(["a", "b\""]));
        assert_eq!(parsed[1]["mfa"], serde_json::Value::Null);
        assert_eq!(
            written(answer(), Format::Csv),
            "time,user,n,mfa,objects\n2026-09-21T14:13:20Z,'=cmd()\\u{1b}[2J\\n,-1,true,\"a;b\"\"\"\n,,,,\"\"\n"
        );
        let table = written(answer(), Format::Table(None));
        assert!(table.contains("=cmd()\\u{1b}[2J\\n") && !table.contains('\u{1b}'), "{table}");
    }

    #[test]
    fn lines_become_elements_however_they_are_cut() {
        let text = "{\"a\":1}\n\n{\"b\":[2]}\n{}\n";
        for step in 1..=text.len() {
            let mut elements = Elements { out: Vec::new(), between: b"\n", is_ended: true };
            text.as_bytes().chunks(step).for_each(|part| elements.write_all(part).unwrap());
            assert_eq!(String::from_utf8(elements.out).unwrap(), "\n{\"a\":1},\n{\"b\":[2]},\n{}", "by {step}");
        }
    }

    #[test]
    fn an_answer_in_pieces_is_that_of_the_whole() {
        let table = |rows: &[i64]| {
            let lists = rows.iter().map(|n| (0..*n).map(|n| n.to_string()).collect()).collect();
            let numbers = rows.iter().map(|n| (n % 3 > 0).then_some(*n)).collect();
            Answer::new(rows.len(), vec![("n", Values::Integer(numbers)), ("list", Values::List(lists))])
        };
        for count in 0..8 {
            let rows: Vec<i64> = (0..count).collect();
            for format in [Format::NdJson, Format::Json, Format::Csv, Format::Table(None)] {
                let pieces = Answer::in_pieces(rows.iter().copied(), table).unwrap();
                assert_eq!(written(pieces, format), written(table(&rows).unwrap(), format), "{count} {format:?}");
            }
        }
    }

    #[test]
    fn nothing_is_an_empty_table() {
        let none = || Answer::new(0, vec![("a", Values::Text(Vec::new()))]).unwrap();
        assert_eq!(written(none(), Format::Json), "[\n]\n");
        assert_eq!(written(none(), Format::NdJson), "");
        assert_eq!(written(none(), Format::Csv), "a\n");
    }

    #[test]
    fn columns_can_be_picked() {
        assert_eq!(written(answer().select(["n"]).unwrap(), Format::NdJson), "{\"n\":-1}\n{\"n\":null}\n");
        assert!(answer().select(["nosuch"]).is_err());
    }
}
