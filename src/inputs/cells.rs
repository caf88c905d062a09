//! The cells of a CSV file, each with its line.
//!
//! A line ends with LF, CRLF or a lone CR, within quotes too: lines are counted as an editor or a spreadsheet shows them, blank
//! ones included. (The `csv` crate counts LF alone, and before it skips blank lines: its line is one too few after a blank
//! line, and everywhere where lines end with CRLF.) Cells are separated by commas, semicolons or tabs, whichever makes
//! columns of the first line that are known; spreadsheets of many countries write semicolons, and tabs as "Unicode text".
//! What could be read in two ways is an error.

use std::borrow::Cow;

use super::error::{Place, Problem};

/// What may separate cells, and what each is called in a message.
const SEPARATORS: [(u8, &str); 3] = [(b',', "commas"), (b';', "semicolons"), (b'\t', "tabs")];

/// The longest text of a cell in bytes, and the most cells of a row: whatever is larger is no ticket, alert or user.
const LONGEST: usize = 64 << 10;
const WIDEST: usize = 1_000;

/// A cell. Blanks around it, and around its quotes, are no part of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cell<'a> {
    /// Where it begins: the line, and its number in the row.
    pub place: Place,
    pub text: Cow<'a, str>,
}

/// A row that is not blank.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cells<'a> {
    /// The line on which it begins.
    pub line: u64,
    pub cells: Vec<Cell<'a>>,
}

impl Cells<'_> {
    /// The text of the cell at an index; empty where the row is shorter.
    pub(crate) fn text(&self, index: usize) -> &str {
        self.cells.get(index).map_or("", |cell| cell.text.as_ref())
    }

    /// Where the cell at an index is, or would be.
    pub(crate) fn place(&self, index: usize) -> Place {
        let column = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
        self.cells.get(index).map_or(Place { line: self.line, column }, |cell| cell.place)
    }
}

/// The rows of a file, the one of column names first.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u64,
    separator: u8,
}

impl<'a> Reader<'a> {
    /// Begins to read a file whose first row names columns; `known` tells the names of some of them.
    pub(crate) fn new(text: &'a str, known: &dyn Fn(&str) -> bool) -> Result<Self, Problem> {
        let mut reader = Self { text, at: 0, line: 1, separator: b',' };
        reader.skip_blank_lines();
        match reader.declared()? {
            Some(separator) => reader.separator = separator,
            None => reader.separator = reader.detected(known)?,
        }
        Ok(reader)
    }

    /// The separator that a first line `sep=;` names, which spreadsheets write and read; the line is then passed over.
    fn declared(&mut self) -> Result<Option<u8>, Problem> {
        let place = Place { line: self.line, column: 1 };
        let rest = self.rest();
        let line = rest.split(['\r', '\n']).next().unwrap_or_default();
        let bare = line.trim_matches(|c| c == ' ' || c == '"');
        let Some(named) = bare.get(..4).filter(|head| head.eq_ignore_ascii_case("sep=")).and_then(|_| bare.get(4..))
        else {
            return Ok(None);
        };
        let Some((separator, _)) = SEPARATORS.iter().find(|(separator, _)| named.as_bytes() == [*separator]) else {
            let what =
                format!("`{bare}` is not a supported separator (hint: write `sep=,` or `sep=;`, or remove the line)");
            return Err(Problem::at(place, None, what));
        };
        self.at += line.len();
        self.end_line();
        Ok(Some(*separator))
    }

    /// The separator that makes known columns of the first row.
    fn detected(&self, known: &dyn Fn(&str) -> bool) -> Result<u8, Problem> {
        let fits = |separator: u8| {
            let mut reader = Self { separator, ..*self };
            let row = reader.row();
            row.is_ok_and(|row| {
                row.is_some_and(|row| row.cells.len() > 1 && row.cells.iter().any(|cell| known(&cell.text)))
            })
        };
        let fitting: Vec<&(u8, &str)> = SEPARATORS.iter().filter(|(separator, _)| fits(*separator)).collect();
        match fitting.as_slice() {
            [] => Ok(b','),
            [(only, _)] => Ok(*only),
            several => {
                let names: Vec<&str> = several.iter().map(|(_, name)| *name).collect();
                let what = format!(
                    "the columns are separated by {} (hint: use one separator for all cells)",
                    names.join(" and by ")
                );
                Err(Problem::at(Place { line: self.line, column: 1 }, None, what))
            }
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes over the end of a line, if there is one here.
    fn end_line(&mut self) -> bool {
        let length = match self.rest().as_bytes() {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => return false,
        };
        self.at += length;
        self.line += 1;
        true
    }

    fn skip_blanks(&mut self) {
        while self.byte().is_some_and(|byte| matches!(byte, b' ' | b'\t') && byte != self.separator) {
            self.at += 1;
        }
    }

    fn skip_blank_lines(&mut self) {
        loop {
            let (at, line) = (self.at, self.line);
            let length = self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
            self.at += length;
            if !self.end_line() {
                // Blanks before text belong to the row, where they may be empty cells.
                (self.at, self.line) = (at, line);
                return;
            }
        }
    }

    /// The next row with any text in it; `None` at the end.
    ///
    /// # Errors
    /// With the place where the text stops being rows of cells; nothing after that can be read.
    pub(crate) fn row(&mut self) -> Result<Option<Cells<'a>>, Problem> {
        while self.at < self.text.len() {
            let mut row = Cells { line: self.line, cells: Vec::new() };
            loop {
                let column = u64::try_from(row.cells.len()).unwrap_or(u64::MAX).saturating_add(1);
                let place = Place { line: self.line, column };
                if row.cells.len() == WIDEST {
                    return Err(Problem::at(place, None, format!("is in a row of more than {WIDEST} cells")));
                }
                row.cells.push(self.cell(place)?);
                match self.byte() {
                    Some(byte) if byte == self.separator => self.at += 1,
                    _ => break,
                }
            }
            self.end_line();
            if row.cells.iter().any(|cell| !cell.text.is_empty()) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn cell(&mut self, place: Place) -> Result<Cell<'a>, Problem> {
        self.skip_blanks();
        if self.byte() == Some(b'"') {
            return self.quoted(place);
        }
        let separator = char::from(self.separator);
        let text = self.rest().split([separator, '\r', '\n']).next().unwrap_or_default();
        self.at += text.len();
        if text.len() > LONGEST {
            return Err(too_long(place));
        }
        Ok(Cell { place, text: Cow::Borrowed(text.trim()) })
    }

    fn quoted(&mut self, place: Place) -> Result<Cell<'a>, Problem> {
        self.at += 1;
        let mut text: Cow<'a, str> = Cow::Borrowed("");
        loop {
            let rest = self.rest();
            let Some(length) = rest.find('"') else {
                let what = "has an opening quote that is not closed (hint: close it, or double a quote that is part of the text)";
                return Err(Problem::at(place, None, what));
            };
            text += rest.get(..length).unwrap_or_default();
            if text.len() > LONGEST {
                return Err(too_long(place));
            }
            self.pass(length);
            self.at += 1;
            if self.byte() != Some(b'"') {
                break;
            }
            text += "\"";
            self.at += 1;
        }
        self.skip_blanks();
        match self.byte() {
            None | Some(b'\r' | b'\n') => {}
            Some(byte) if byte == self.separator => {}
            Some(_) => {
                let what = "continues after its closing quote (hint: double a quote that is part of the text, or separate the cells)";
                return Err(Problem::at(place, None, what));
            }
        }
        let text = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        };
        Ok(Cell { place, text })
    }

    /// Passes over `length` bytes, and counts their lines.
    fn pass(&mut self, length: usize) {
        let end = self.at + length;
        while self.at < end {
            if !self.end_line() {
                self.at += self.rest().find(['\r', '\n']).map_or(end - self.at, |next| next.min(end - self.at));
            }
        }
    }
}

fn too_long(place: Place) -> Problem {
    Problem::at(place, None, format!("is longer than {LONGEST} bytes (hint: is a quote missing earlier in the file?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> bool {
        matches!(name, "a" | "b" | "c")
    }

    /// A row's line and its cells, each with its own line and number.
    type Plain = (u64, Vec<(u64, u64, String)>);

    fn rows(text: &str) -> Result<Vec<Plain>, String> {
        let mut reader = Reader::new(text, &known).map_err(|problem| problem.to_string())?;
        let mut rows = Vec::new();
        while let Some(row) = reader.row().map_err(|problem| problem.to_string())? {
            let cells = row.cells.iter().map(|cell| (cell.place.line, cell.place.column, cell.text.to_string()));
            rows.push((row.line, cells.collect()));
        }
        Ok(rows)
    }

    fn lines(text: &str) -> Vec<u64> {
        rows(text).expect(text).iter().map(|(line, _)| *line).collect()
    }

    #[test]
    fn what_no_row_of_a_file_has_is_refused_where_it_begins() {
        let long = "x".repeat(LONGEST + 1);
        for (text, error) in [
            (format!("a,b\n1,{long}\n"), "line 2, column 2: is longer than 65536 bytes"),
            (format!("a,b\n1,\"{long}\"\n"), "line 2, column 2: is longer than 65536 bytes"),
            (format!("a,b\n\"{}\",1\n", "\"\"".repeat(LONGEST + 1)), "line 2, column 1: is longer than 65536 bytes"),
            (format!("a,b\n{}\n", "1,".repeat(WIDEST)), "line 2, column 1001: is in a row of more than 1000 cells"),
        ] {
            let said = rows(&text).expect_err("a bound");
            assert!(said.contains(error), "{said}");
        }
        assert!(rows(&format!("a,b\n1,{}\n", &long[1..])).is_ok());
    }

    #[test]
    fn lines_are_counted_as_an_editor_shows_them() {
        for (text, expected) in [
            ("a,b\n1,2\n3,4\n", vec![1, 2, 3]),
            ("a,b\r\n1,2\r\n3,4\r\n", vec![1, 2, 3]),
            ("a,b\r1,2\r3,4", vec![1, 2, 3]),
            ("\n\na,b\n\n1,2\n\n\n3,4\n\n", vec![3, 5, 8]),
            ("\r\n\r\na,b\r\n\r\n1,2\r\n \r\n3,4\r\n\r\n", vec![3, 5, 7]),
            ("\ra,b\r\r1,2\r,\r3,4\r\r", vec![2, 4, 6]),
            ("a,b\n\r1,2\n\r3,4", vec![1, 3, 5]),
            ("a,b\n\"1\n1\",2\n3,4\n", vec![1, 2, 4]),
            ("a,b\r\n\"1\r\n\r\n1\",\"2\r\"\r\n3,4\r\n", vec![1, 2, 6]),
            ("a,\"b\r\"\r\"1\r1\",2\r3,4\r", vec![1, 3, 5]),
        ] {
            assert_eq!(lines(text), expected, "{text:?}");
        }
        let row = &rows("a,b,c\r\n\"1\r\n1\",2,\"3\"\"\r\n\"\r\n").expect("rows")[1];
        let cell = |line: u64, number: u64, text: &str| (line, number, text.to_owned());
        assert_eq!(row, &(2, vec![cell(2, 1, "1\r\n1"), cell(3, 2, "2"), cell(3, 3, "3\"")]));
    }

    #[test]
    fn the_separator_is_the_one_that_makes_known_columns() {
        for (text, expected) in [
            ("a,b\n1;2,3", "1;2|3"),
            ("a;b\n1,2;3", "1,2|3"),
            ("a\tb\n1,2\t3;4", "1,2|3;4"),
            ("a\tb\n1\t\t3", "1||3"),
            ("a;notes, remarks\n1;2,3", "1|2,3"),
            ("sep=;\na;b\n1;2", "1|2"),
            ("SEP=\t\r\na\tb\r\n1\t2", "1|2"),
            ("\"sep=,\"\ra,b\r1,2", "1|2"),
            ("x,y\n1,2", "1|2"),
            (" a , \"b\" \n 1 2 , \" 3,4 \" ", "1 2|3,4"),
            ("a;\"b;c\"\n\"1;2\";\"3\"\"\"", "1;2|3\""),
            ("a,b\n5\" disk,2", "5\" disk|2"),
        ] {
            let rows = rows(text).expect(text);
            let cells: Vec<&str> = rows[1].1.iter().map(|(_, _, text)| text.as_str()).collect();
            assert_eq!(cells.join("|"), expected, "{text:?}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_an_error() {
        for (text, expected) in [
            ("a,b;c\n1,2", "line 1, column 1: the columns are separated by commas and by semicolons"),
            ("\n\r\na\tb,c;a\n", "line 3, column 1: the columns are separated by semicolons and by tabs"),
            ("sep=x\na,b", "line 1, column 1: `sep=x` is not a supported separator"),
            ("a,b\r\n1,2\r\n3,\"4\r\n5,6\r\n", "line 3, column 2: has an opening quote that is not closed"),
            ("a,b\r\r\"1\"x,2", "line 3, column 1: continues after its closing quote"),
        ] {
            let error = rows(text).expect_err(text);
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
        assert_eq!(rows(""), Ok(Vec::new()));
        assert_eq!(rows("\r\n \n"), Ok(Vec::new()));
    }

    proptest::proptest! {
        #[test]
        fn the_lines_of_cells_are_those_of_the_text(text in "[a1,;\t\"\r\n ]{0,40}") {
            let Ok(mut reader) = Reader::new(&text, &known) else { return Ok(()) };
            let all = Place::of_byte(&text, text.len()).line;
            let mut last = 0;
            while let Ok(Some(row)) = reader.row() {
                proptest::prop_assert!(row.line > last && row.line <= all, "{:?}", row);
                for cell in &row.cells {
                    proptest::prop_assert!(cell.place.line >= row.line && cell.place.line <= all, "{:?}", cell);
                }
                last = row.cells.last().map_or(last, |cell| cell.place.line);
                proptest::prop_assert_eq!(Place::of_byte(&text, reader.at).line, reader.line);
            }
        }
    }
}
