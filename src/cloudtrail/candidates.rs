//! Finding the records of a few event names without parsing the rest.
//!
//! One record in fifty thousand matters, and a full parse costs three times what inflating does. So the bytes are searched
//! for the names, and only what may be a record of theirs is cut out and parsed; the parser alone decides. The result is
//! that of a full parse and a filter. What makes it so:
//!
//! - Only the ordinary document takes this way: one that begins `{"Records":[` and ends `]}`, white space aside. Every
//!   other one is parsed in full.
//! - A name, its quotes, and the key `eventName` can be written with escapes (`\u0044eactivate…`). A document with any
//!   `\u00XX` that could stand for a character of these is parsed in full. Names with characters that have other escapes
//!   are not searched for; then all documents are parsed in full.
//! - A find is dropped only for what holds wherever it stands: its string is not exactly a wanted name, or its key is not
//!   `eventName`. A string inside a string may be a record in a wrapping, and is kept.
//! - What is kept is cut out by its brackets, counted from the document's beginning, so that it is an element of the one
//!   list, whose end must be the document's. If the cut is no sound JSON, or an unusable record, the whole document is
//!   parsed and judged.
//!
//! **The limit.** Between a sound beginning and a sound end, JSON that is damaged where no name was found is not seen, nor
//! is a record without a time. The checksum of gzip stands for the bytes; whoever needs every record looked at, as a
//! report does, parses in full.

use std::ops::Range;

use aho_corasick::{
    AhoCorasick, Span,
    packed::{Builder, Searcher},
};
use simd_json::prelude::*;

use super::{
    container::{ContainerError, Contents, Reader, Scratch, Visit, WHOLE, for_each_record},
    record::Record,
    structure::Brackets,
};

/// What every escape of an ASCII character begins with.
const ESCAPE: &[u8] = br"\u00";

/// Event names to search for.
#[derive(Debug, Clone)]
pub struct Names {
    /// Sorted.
    names: Vec<String>,
    longest: usize,
    needles: Needles,
}

/// What is searched for: [`ESCAPE`], and the names with the quote in front. No find can hide another: a needle has a quote
/// at its beginning only, so finds that overlap begin together, and every find is judged by the whole string there.
#[derive(Debug, Clone)]
enum Needles {
    /// By vector instructions.
    Packed(Searcher),
    /// Too many for that, or a machine without.
    Automaton(AhoCorasick),
    /// They cannot be searched for: everything is parsed.
    None,
}

impl Names {
    /// Duplicates count once.
    #[must_use]
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
        names.sort();
        names.dedup();
        let longest = names.iter().map(String::len).max().unwrap_or(0);
        let needles = Needles::new(&names);
        Self { names, longest, needles }
    }

    /// Whether a record's `eventName` is one of them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.names.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }

    /// Positions of strings that may be the `eventName` of a record, rising; `None` where only a full parse can tell.
    fn finds(&self, text: &[u8]) -> Option<Vec<usize>> {
        let mut finds = Vec::new();
        let mut from = 0;
        while let Some(at) = self.needles.find(text, from)? {
            from = at + 1;
            if text.get(at) == Some(&b'\\') {
                if dangerous(text.get(at + ESCAPE.len()..)?) {
                    return None;
                }
            } else if self.may_be_a_name(text, at) {
                finds.push(at);
            }
        }
        Some(finds)
    }

    /// Judges the string whose opening quote is at `quote`.
    fn may_be_a_name(&self, text: &[u8], quote: usize) -> bool {
        let (before, string) = text.split_at(quote);
        let string = string.get(1..).unwrap_or_default();
        // With room for the backslash before the closing quote of a string within a string.
        let string = string.get(..self.longest + 2).unwrap_or(string);
        let Some(string) = memchr::memchr(b'"', string).and_then(|end| string.get(..end)) else { return false };
        let inner = before.ends_with(b"\\");
        let string = if inner { string.strip_suffix(b"\\").unwrap_or(string) } else { string };
        if !std::str::from_utf8(string).is_ok_and(|name| self.contains(name)) {
            return false;
        }
        // Within a string it would take its escapes apart to tell the key.
        inner || trim_end(before).strip_suffix(b":").is_some_and(|before| trim_end(before).ends_with(b"eventName\""))
    }
}

impl Needles {
    fn new(names: &[String]) -> Self {
        // A quote, a backslash and a slash have escapes of their own, and so have the harmless ones below.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        if names.iter().any(|name| name.len() < 2 || !name.bytes().all(plain)) {
            return Self::None;
        }
        let mut needles = vec![ESCAPE.to_vec()];
        needles.extend(names.iter().map(|name| format!("\"{name}").into_bytes()));
        let packed = || Builder::new().extend(&needles).build();
        // The vector search tells needles apart by their beginnings, of which it has few.
        match (needles.len() <= 48).then(packed).flatten() {
            Some(searcher) => Self::Packed(searcher),
            None => AhoCorasick::new(&needles).map_or(Self::None, Self::Automaton),
        }
    }

    /// The first find from `from` on; the outer `None` where they cannot be searched for.
    fn find(&self, text: &[u8], from: usize) -> Option<Option<usize>> {
        let span = Span { start: from.min(text.len()), end: text.len() };
        Some(match self {
            Self::Packed(searcher) => searcher.find_in(text, span).map(|found| found.start()),
            Self::Automaton(automaton) => {
                automaton.find(aho_corasick::Input::new(text).span(span)).map(|found| found.start())
            }
            Self::None => return None,
        })
    }
}

/// Whether the two digits of a `\u00XX` may spell a character of a name, a key, or the JSON around them. Harmless are
/// control characters, those that are escaped for the sake of HTML, and what is not ASCII.
fn dangerous(digits: &[u8]) -> bool {
    let code = digits.get(..2).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
    !matches!(code, Some(0..0x20 | b'&' | b'\'' | b'<' | b'=' | b'>' | 0x7f..))
}

/// Hands every record of `names` to `visit`, in the order of the object: those that [`for_each_record`] gives and
/// [`Names::contains`] takes. The index is the record's place among those looked at, which rises.
///
/// The counts of the result are of what was looked at: of an ordinary object the candidates alone.
///
/// # Errors
/// As [`for_each_record`], where the object has to be parsed in full; `visit` was not called then.
pub fn search(
    bytes: &[u8],
    names: &Names,
    scratch: &mut Scratch,
    visit: Visit<'_>,
) -> Result<Contents, ContainerError> {
    if let Some(contents) = candidates(bytes, names, scratch, visit) {
        return Ok(contents);
    }
    for_each_record(bytes, scratch, &mut |index, record| match record {
        Ok(record) if !names.contains(record.name) => {}
        record => visit(index, record),
    })
}

/// The fast way; `None` where it cannot be sure.
fn candidates(text: &[u8], names: &Names, scratch: &mut Scratch, visit: Visit<'_>) -> Option<Contents> {
    let list = ordinary(text)?;
    let finds = names.finds(text)?;
    let Scratch { outer, nested, joined } = scratch;
    if finds.is_empty() {
        return Some(Contents { documents: 1, ..Contents::default() });
    }
    join(text, list, &finds, joined)?;
    if joined.len() > WHOLE {
        return None;
    }
    outer.parse(joined, |root, origin| {
        let elements = root.as_array()?;
        // Once for nothing: one that is unusable must be known before the first is handed out.
        let mut ignore = |_index, _record: Result<Record<'_, '_>, _>| {};
        let mut judge = Reader::new(nested, &mut ignore);
        elements.iter().for_each(|element| judge.element(element, origin, true));
        if judge.contents.unusable > 0 {
            return None;
        }
        let mut visit = |index, record: Result<Record<'_, '_>, _>| {
            if record.as_ref().is_ok_and(|record| names.contains(record.name)) {
                visit(index, record);
            }
        };
        let mut reader = Reader::new(nested, &mut visit);
        elements.iter().for_each(|element| reader.element(element, origin, true));
        Some(Contents { documents: 1, ..reader.contents })
    })?
}

/// Where the list of an ordinary document begins: its bracket's position.
fn ordinary(text: &[u8]) -> Option<usize> {
    if !trim_end(trim_end(text).strip_suffix(b"}")?).ends_with(b"]") {
        return None;
    }
    let list = trim_start(trim_start(text).strip_prefix(b"{")?).strip_prefix(b"\"Records\"")?;
    let list = trim_start(trim_start(list).strip_prefix(b":")?);
    list.starts_with(b"[").then_some(text.len() - list.len())
}

/// Puts the elements with finds together to a list of their own; `None` where the list at `list` is not the document's
/// last value.
fn join(text: &[u8], list: usize, finds: &[usize], joined: &mut Vec<u8>) -> Option<()> {
    joined.clear();
    joined.push(b'[');
    let mut finds = finds.iter().copied().peekable();
    let mut take = |element: Range<usize>| {
        let mut any = false;
        while let Some(find) = finds.next_if(|find| *find < element.end) {
            any |= find >= element.start;
        }
        any
    };
    let mut brackets = Brackets::default();
    let (mut depth, mut start) = (0_usize, 0);
    while let Some((at, bracket)) = brackets.next(text) {
        match bracket {
            b'{' | b'[' => {
                depth += 1;
                match depth {
                    2 if at != list => return None,
                    3 => start = at,
                    _ => {}
                }
            }
            _ => {
                depth = depth.checked_sub(1)?;
                if depth == 2 && take(start..at + 1) {
                    if joined.len() > 1 {
                        joined.push(b',');
                    }
                    joined.extend_from_slice(text.get(start..=at)?);
                } else if depth == 1 {
                    joined.push(b']');
                    return (bracket == b']' && trim_start(trim_end(text.get(at + 1..)?)) == b"}").then_some(());
                }
            }
        }
    }
    None
}

/// JSON's white space, which is not quite ASCII's.
fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !b" \t\r\n".contains(byte)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

fn trim_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !b" \t\r\n".contains(byte)).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}
