//! What can be wrong with an input file, and where: all of it at once, so that a file is corrected in one go.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::disk;

/// Why an input file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It cannot be read.
    #[error("cannot read `{}`: {source}{}", .path.display(), disk::hint(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// It is malformed. One line for each problem.
    #[error("{}", list(.file, .problems))]
    Malformed {
        /// The file, as it was named.
        file: String,
        /// What is wrong, in order of place.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, counted from 1; `None` where the file as a whole is meant.
    pub line: Option<u64>,
    /// Column, counted from 1: of CSV the cell's number, of JSON and TOML the character's.
    pub column: Option<u64>,
    /// The column's or key's name.
    pub key: Option<String>,
    /// What is wrong, and what to do.
    pub what: String,
}

impl Problem {
    /// A problem of the file as a whole.
    pub(crate) fn whole(what: impl Into<String>) -> Self {
        Self { line: None, column: None, key: None, what: what.into() }
    }

    /// A problem at one place.
    pub(crate) fn at(place: Place, key: Option<&str>, what: impl Into<String>) -> Self {
        Self { line: Some(place.line), column: Some(place.column), key: key.map(str::to_owned), what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(line) = self.line {
            write!(f, "line {line}")?;
            separator = ", ";
        }
        if let Some(column) = self.column {
            write!(f, "{separator}column {column}")?;
            separator = " ";
        }
        if let Some(key) = &self.key {
            write!(f, "{}(`{key}`)", if separator.is_empty() { "" } else { " " })?;
            separator = " ";
        }
        write!(f, "{}{}", if separator.is_empty() { "" } else { ": " }, self.what)
    }
}

/// How many problems of a file are shown.
const SHOWN: usize = 50;

fn list(file: &str, problems: &[Problem]) -> String {
    let mut lines: Vec<String> = problems.iter().take(SHOWN).map(|problem| format!("`{file}`: {problem}")).collect();
    if problems.len() > SHOWN {
        lines.push(format!("`{file}`: and {} more", problems.len() - SHOWN));
    }
    lines.join("\n")
}

/// A place in a file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub line: u64,
    pub column: u64,
}

impl Place {
    /// The place of a byte. A line ends with LF, CRLF or a lone CR; columns count characters.
    pub(crate) fn of_byte(text: &str, offset: usize) -> Self {
        Cursor::new(text).place(offset)
    }

    /// The place of an error in JSON, in the text that was parsed: `serde_json` counts LF alone, and bytes.
    pub(crate) fn of_json(text: &str, error: &serde_json::Error) -> Self {
        let start = match error.line().checked_sub(2) {
            Some(index) => text.match_indices('\n').nth(index).map_or(text.len(), |(at, _)| at + 1),
            None => 0,
        };
        let offset = match error.column() {
            0 if error.is_eof() => text.len(),
            // At the line's end itself, which is where the line before it ends.
            0 => start.saturating_sub(1),
            column => start + column - 1,
        };
        Self::of_byte(text, text.floor_char_boundary(offset))
    }
}

/// Finds the places of bytes that come in rising order, in one pass: a file may hold everything in one long line.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    offset: usize,
    place: Place,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, offset: 0, place: Place { line: 1, column: 1 } }
    }

    pub(crate) fn place(&mut self, offset: usize) -> Place {
        let offset = self.text.floor_char_boundary(offset);
        if offset < self.offset {
            return Place::of_byte(self.text, offset);
        }
        let between = self.text.get(self.offset..offset).unwrap_or_default();
        for (at, character) in between.char_indices() {
            let ends_line = match character {
                '\n' => true,
                '\r' => self.text.as_bytes().get(self.offset + at + 1) != Some(&b'\n'),
                _ => false,
            };
            self.place = if ends_line {
                Place { line: self.place.line + 1, column: 1 }
            } else {
                Place { column: self.place.column + 1, ..self.place }
            };
        }
        self.offset = offset;
        self.place
    }
}

/// What is wrong with a JSON text, and where.
pub(crate) fn json_problem(text: &str, error: &serde_json::Error) -> Problem {
    Problem::at(Place::of_json(text, error), None, without_place(error))
}

/// The message without `serde_json`'s own ` at line 1 column 2`.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&place).unwrap_or(&message).to_owned()
}

/// The largest file that is read as an input: larger ones are no tickets, alerts or answers of IAM.
pub(crate) const LARGEST: u64 = 128 << 20;

/// A file's text, for a parser that takes text and the file's name.
pub(crate) fn read_text(path: &Path) -> Result<(String, String), InputError> {
    let bytes = disk::read(path, LARGEST).map_err(|source| InputError::Io { path: path.to_owned(), source })?;
    let file = path.display().to_string();
    match decode(bytes) {
        Ok(text) => Ok((file, text)),
        Err(problem) => Err(InputError::Malformed { file, problems: vec![problem] }),
    }
}

/// Text in UTF-8, or in UTF-16 with a byte order mark, which spreadsheets ("Unicode text") and PowerShell write; without the
/// mark.
pub(crate) fn decode(bytes: Vec<u8>) -> Result<String, Problem> {
    match bytes.as_slice() {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Err(Problem::whole("is UTF-32 (hint: save it as UTF-8)")),
        [0xff, 0xfe, units @ ..] => utf16(units, u16::from_le_bytes),
        [0xfe, 0xff, units @ ..] => utf16(units, u16::from_be_bytes),
        _ => utf8(bytes),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Problem> {
    let (units, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    let what = "is not UTF-16, as its byte order mark says (hint: save it as UTF-8)";
    for character in char::decode_utf16(units.iter().map(|bytes| unit(*bytes))) {
        let Ok(character) = character else {
            return Err(Problem::at(Place::of_byte(&text, text.len()), None, what));
        };
        text.push(character);
    }
    if rest.is_empty() { Ok(text) } else { Err(Problem::at(Place::of_byte(&text, text.len()), None, what)) }
}

fn utf8(bytes: Vec<u8>) -> Result<String, Problem> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let text = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default());
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            return Err(Problem::at(Place::of_byte(text, text.len()), None, "is not UTF-8 (hint: save it as UTF-8)"));
        }
    };
    match text.find('\0') {
        None => Ok(text),
        Some(at) => {
            let what = "contains a NUL byte, as does UTF-16 without a byte order mark (hint: save it as UTF-8)";
            Err(Problem::at(Place::of_byte(&text, at), None, what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_encodings() {
        assert_eq!(Place::of_byte("a\nbé\nc", 0), Place { line: 1, column: 1 });
        assert_eq!(Place::of_byte("a\nbé\nc", 5), Place { line: 2, column: 3 });
        let text = "a\nbé\nc";
        let mut cursor = Cursor::new(text);
        for offset in [0, 0, 1, 2, 5, 6, 3, 7] {
            assert_eq!(cursor.place(offset), Place::of_byte(text, offset), "{offset}");
        }
        assert_eq!(decode(b"\xef\xbb\xbfa".to_vec()), Ok("a".to_owned()));
        let problem = decode(b"a\nb\xff".to_vec()).expect_err("not UTF-8");
        assert_eq!(problem.to_string(), "line 2, column 2: is not UTF-8 (hint: save it as UTF-8)");
    }

    #[test]
    fn lines_end_with_lf_crlf_and_a_lone_cr() {
        for text in ["a\nb\n\nc", "a\rb\r\rc", "a\r\nb\r\n\r\nc", "a\rb\n\rc"] {
            let place = |character| Place::of_byte(text, text.find(character).expect("it is there"));
            assert_eq!(place('b'), Place { line: 2, column: 1 }, "{text:?}");
            assert_eq!(place('c'), Place { line: 4, column: 1 }, "{text:?}");
        }
        let text = "é\r\r\nbé\n\rc\r\n";
        let mut cursor = Cursor::new(text);
        for (offset, _) in text.char_indices().chain([(text.len(), ' '), (3, ' '), (text.len() + 9, ' ')]) {
            assert_eq!(cursor.place(offset), Place::of_byte(text, offset), "{offset}");
        }
    }

    #[test]
    fn errors_in_json_have_the_lines_of_an_editor() {
        for (text, line, column) in [
            ("[1,\n 2,\n x]", 3, 2),
            ("[1,\r\n 2,\r\n x]", 3, 2),
            ("[1,\r 2,\r x]", 3, 2),
            ("\r\n\r\n[\r\n\"é\", x]", 4, 6),
            ("\r\r[\r\"é\", x]", 4, 6),
            ("[\"a\nb\"]", 1, 4),
            ("[\r\n1,\r\n", 3, 1),
            ("[1,\r2", 2, 1),
        ] {
            let error = serde_json::from_str::<serde_json::Value>(text).expect_err(text);
            assert_eq!(Place::of_json(text, &error), Place { line, column }, "{text:?}: {error}");
        }
    }

    #[test]
    fn utf_16_is_read_by_its_mark() {
        let text = "é\r\n🦀,b";
        let bytes = |mark: u16, of: fn(u16) -> [u8; 2]| {
            std::iter::once(mark).chain(text.encode_utf16()).flat_map(of).collect::<Vec<u8>>()
        };
        let (little, big) = (bytes(0xfeff, u16::to_le_bytes), bytes(0xfeff, u16::to_be_bytes));
        assert_eq!(decode(little.clone()), Ok(text.to_owned()));
        assert_eq!(decode(big), Ok(text.to_owned()));
        let error = |bytes: &[u8]| decode(bytes.to_vec()).expect_err("not text").to_string();
        assert!(error(&little[..little.len() - 1]).starts_with("line 2, column 3: is not UTF-16"));
        assert!(error(&little[..10]).starts_with("line 2, column 1: is not UTF-16"), "half of a pair");
        assert!(error(&little[2..]).starts_with("line 1, column"), "without its mark");
        assert!(error(b"a\0\n\0").starts_with("line 1, column 2: contains a NUL byte, as does UTF-16"));
        assert!(error(b"\xff\xfe\0\0a\0\0\0").contains("UTF-32"));
        assert_eq!(error(b"\xef\xbb\xbfa\r\xff"), "line 2, column 1: is not UTF-8 (hint: save it as UTF-8)");
    }

    #[test]
    fn a_file_that_is_not_there() {
        let error = read_text(Path::new("no/such/file.csv")).expect_err("no file");
        assert!(error.to_string().starts_with("cannot read `no/such/file.csv`: "), "{error}");
    }
}
