//! What can be wrong with an input file: all of it at once, so that a file is mended in one go.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why an input file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It cannot be read.
    #[error("cannot read `{}`: {source}", .path.display())]
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

fn list(file: &str, problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("`{file}`: {problem}")).collect::<Vec<_>>().join("\n")
}

/// A place in a file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub line: u64,
    pub column: u64,
}

impl Place {
    /// The place of a byte; columns count characters.
    pub(crate) fn of_byte(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() as u64 + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
        Self { line, column }
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
        let Some(between) = self.text.get(self.offset..offset) else { return Place::of_byte(self.text, offset) };
        for character in between.chars() {
            self.place = match character {
                '\n' => Place { line: self.place.line + 1, column: 1 },
                _ => Place { column: self.place.column + 1, ..self.place },
            };
        }
        self.offset = offset;
        self.place
    }
}

/// A file's text, for a parser that takes text and the file's name.
pub(crate) fn read_text(path: &Path) -> Result<(String, String), InputError> {
    let bytes = std::fs::read(path).map_err(|source| InputError::Io { path: path.to_owned(), source })?;
    let file = path.display().to_string();
    match decode(bytes) {
        Ok(text) => Ok((file, text)),
        Err(problem) => Err(InputError::Malformed { file, problems: vec![problem] }),
    }
}

/// UTF-8 text without a byte order mark.
pub(crate) fn decode(bytes: Vec<u8>) -> Result<String, Problem> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Problem::whole("is UTF-16 (hint: save it as UTF-8; PowerShell's `>` writes UTF-16)"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let text = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default());
            Err(Problem::at(Place::of_byte(&text, text.len()), None, "is not UTF-8 (hint: save it as UTF-8)"))
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
        assert!(decode(b"\xff\xfea\0".to_vec()).is_err_and(|problem| problem.what.contains("UTF-16")));
        let problem = decode(b"a\nb\xff".to_vec()).expect_err("not UTF-8");
        assert_eq!(problem.to_string(), "line 2, column 2: is not UTF-8 (hint: save it as UTF-8)");
    }

    #[test]
    fn a_file_that_is_not_there() {
        let error = read_text(Path::new("no/such/file.csv")).expect_err("no file");
        assert!(error.to_string().starts_with("cannot read `no/such/file.csv`: "), "{error}");
    }
}
