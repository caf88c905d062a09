//! Looking for what may be a wanted record in bytes that were not parsed.
//!
//! One search runs over an object's text, by vector instructions where the machine has them, and stops at two things: at
//! what begins an escape that could spell a letter otherwise, which hands the object to the full parse, and at a piece of
//! what is looked for. That is either event names, which are judged by the whole string they are in ([`Names`]), or
//! literals that every wanted record holds somewhere ([`Literals`]): then the parse of the record decides.

use aho_corasick::{
    AhoCorasick,
    packed::{Builder, Searcher},
};
use memchr::memmem::Finder;

use super::masks::{has_wide, with_wide};

/// What every escape of an ASCII character begins with.
const ESCAPE: &str = r"\u00";

/// Characters of names that are rare in CloudTrail's JSON, the rarest first: one to eight of each in a record.
const RARE: &[u8] = b"jQXYJUBqFWKZGzVxMLHNPOE_kCRDhT";

/// The shortest text worth a search: anything shorter is nearly everywhere.
const SHORTEST: usize = 3;

/// Event names to search for.
///
/// There is a find in every string that is one of them, and every find is judged by the whole string that it is in, so
/// neither which part found it nor that finds overlap matters: a string with an escape is none of the names.
#[derive(Debug, Clone)]
pub struct Names {
    /// Sorted.
    names: Vec<String>,
    longest: usize,
    needles: Needles,
}

/// How the text is searched for escapes, and for parts of what is wanted.
///
/// Finds that overlap the one before are skipped. No part holds a quote but at its beginning, nor a backslash, so finds
/// that overlap are in one string, or the first is an escape.
#[derive(Debug, Clone)]
enum Needles {
    /// Two, by the widest vectors.
    Two(Two),
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

    /// Whether the bytes can be searched for them.
    #[must_use]
    pub fn searchable(&self) -> bool {
        !matches!(self.needles, Needles::None)
    }

    /// Positions of strings that may be the `eventName` of a record, rising; `None` where only a full parse can tell.
    pub(super) fn finds(&self, text: &[u8]) -> Option<Vec<usize>> {
        let mut finds = Vec::new();
        let mut find = |at| {
            if text.get(at) == Some(&b'\\') {
                harmless(text.get(at..)?)?;
            } else if let Some(quote) = self.judge(text, at)
                && finds.last() != Some(&quote)
            {
                finds.push(quote);
            }
            Some(())
        };
        self.needles.each(text, |at, _needle| find(at))?;
        Some(finds)
    }

    /// Judges the string that the byte at `at` belongs to: the position of its opening quote, if it may be a name.
    fn judge(&self, text: &[u8], at: usize) -> Option<usize> {
        let from = at.saturating_sub(self.longest);
        let quote = from + memchr::memrchr(b'"', text.get(from..=at)?)?;
        let (before, string) = text.split_at_checked(quote)?;
        let string = string.get(1..)?;
        // With room for the backslash before the closing quote of a string within a string.
        let string = string.get(..self.longest + 2).unwrap_or(string);
        let string = string.get(..memchr::memchr(b'"', string)?)?;
        let inner = before.ends_with(b"\\");
        let string = if inner { string.strip_suffix(b"\\").unwrap_or(string) } else { string };
        if !std::str::from_utf8(string).is_ok_and(|name| self.contains(name)) {
            return None;
        }
        // Within a string it would take its escapes apart to tell the key.
        let named = || trim_end(trim_end(before).strip_suffix(b":")?).strip_suffix(b"eventName\"");
        (inner || named().is_some()).then_some(quote)
    }
}

impl Needles {
    fn new(names: &[String]) -> Self {
        if names.is_empty() {
            return Self::None;
        }
        if names.iter().any(|name| name.is_empty() || !name.bytes().all(is_plain)) {
            return Self::None;
        }
        let needles = match shared(names) {
            // The vector search goes by as many bytes as the shortest needle has: here two.
            Some(part) => vec![ESCAPE.get(..2).unwrap_or(ESCAPE).to_owned(), part.to_owned()],
            None => names.iter().map(|name| format!("\"{name}")).chain([ESCAPE.to_owned()]).collect(),
        };
        Self::of(&needles)
    }

    fn of(needles: &[String]) -> Self {
        if let Some(two) = Two::new(needles).filter(|_| has_wide()) {
            return Self::Two(two);
        }
        let packed = || Builder::new().extend(needles).build();
        // It tells needles apart by their beginnings, of which it has few.
        match (needles.len() <= 48).then(packed).flatten() {
            Some(searcher) => Self::Packed(searcher),
            None => AhoCorasick::new(needles).map_or(Self::None, Self::Automaton),
        }
    }

    /// Calls `find` with position and number of every needle found, until it gives `None`.
    #[inline]
    fn each(&self, text: &[u8], mut find: impl FnMut(usize, usize) -> Option<()>) -> Option<()> {
        match self {
            Self::Two(two) => two.each(text, find),
            Self::Packed(searcher) => {
                searcher.find_iter(text).try_for_each(|found| find(found.start(), found.pattern().as_usize()))
            }
            Self::Automaton(automaton) => {
                automaton.find_iter(text).try_for_each(|found| find(found.start(), found.pattern().as_usize()))
            }
            Self::None => None,
        }
    }
}

/// Two needles, looked for by the pair of bytes that each begins with.
///
/// That is the usual search: an escape, and one part of what is wanted.
#[derive(Debug, Clone)]
struct Two {
    needles: [String; 2],
    pairs: [[u8; 2]; 2],
}

impl Two {
    /// Bytes that are looked at together.
    const STEP: usize = 256;

    fn new(needles: &[String]) -> Option<Self> {
        let [first, second] = needles else { return None };
        let pair = |needle: &String| needle.as_bytes().first_chunk().copied();
        Some(Self { needles: [first.clone(), second.clone()], pairs: [pair(first)?, pair(second)?] })
    }

    fn each(&self, text: &[u8], mut find: impl FnMut(usize, usize) -> Option<()>) -> Option<()> {
        let mut at = 0;
        while let Some(found) = with_wide(
            #[inline(always)]
            || self.pair(text, at),
        ) {
            let rest = text.get(found..)?;
            at = found + 1;
            if let Some(number) = self.needles.iter().position(|needle| rest.starts_with(needle.as_bytes())) {
                find(found, number)?;
                at = found + self.needles.get(number)?.len();
            }
        }
        Some(())
    }

    /// Where the next pair is, from `at` on. The compiler makes vector instructions of the first loop.
    #[inline(always)]
    fn pair(&self, text: &[u8], mut at: usize) -> Option<usize> {
        let chunk = |at: usize| text.get(at..)?.first_chunk::<{ Self::STEP }>();
        while let (Some(bytes), Some(next)) = (chunk(at), chunk(at + 1)) {
            let [[a, b], [c, d]] = self.pairs;
            // Zero where both bytes are as they are to be.
            let least = bytes
                .iter()
                .zip(next)
                .fold(u8::MAX, |least, (x, y)| least.min((x ^ a) | (y ^ b)).min((x ^ c) | (y ^ d)));
            if least == 0 {
                break;
            }
            at += Self::STEP;
        }
        let found = text.get(at..)?.windows(2).position(|pair| self.pairs.iter().any(|wanted| pair == wanted));
        found.map(|found| at + found)
    }
}

/// Literals of which every wanted record holds one, in a string, a key or a number.
///
/// What is searched for is the longest part of each that cannot be written otherwise but with escapes that
/// `harmless` knows. Of a part, its last bytes from a rare pair on: then the search seldom stops in vain.
#[derive(Debug, Clone)]
pub struct Literals {
    parts: Vec<Part>,
    longest: usize,
    needles: Needles,
}

#[derive(Debug, Clone)]
struct Part {
    finder: Finder<'static>,
    /// Where in it the needle begins.
    offset: usize,
}

impl Literals {
    /// `None` where one of them has no part that can be searched for.
    #[must_use]
    pub fn new<S: AsRef<str>>(literals: impl IntoIterator<Item = S>) -> Option<Self> {
        let mut texts: Vec<String> = literals
            .into_iter()
            .map(|literal| plain_part(literal.as_ref()).map(str::to_owned))
            .collect::<Option<_>>()?;
        texts.sort();
        texts.dedup();
        let longest = texts.iter().map(String::len).max()?;
        // The vector search goes by as many bytes as the shortest needle has: here two.
        let mut needles = vec![ESCAPE.get(..2).unwrap_or(ESCAPE).to_owned()];
        let mut parts = Vec::new();
        for text in &texts {
            let offset = rarest_pair(text);
            needles.push(text.get(offset..)?.to_owned());
            parts.push(Part { finder: Finder::new(text).into_owned(), offset });
        }
        Some(Self { parts, longest, needles: Needles::of(&needles) })
    }

    /// How long the part of a literal is that would be searched for; longer ones are rarer.
    #[must_use]
    pub fn searchable(literal: &str) -> usize {
        plain_part(literal).map_or(0, str::len)
    }

    /// Positions in elements that may be wanted, rising; `None` where only a full parse can tell.
    pub(super) fn finds(&self, text: &[u8]) -> Option<Vec<usize>> {
        let mut finds = Vec::new();
        self.needles.each(text, |at, needle| {
            match needle.checked_sub(1).and_then(|part| self.parts.get(part)) {
                Some(part) if part.is_at(text, at) => {
                    finds.push(at);
                    return Some(());
                }
                Some(_) => {}
                None => harmless(text.get(at..)?)?,
            }
            // A find that overlaps this one was skipped. It is in the same string, and as near as a literal is long.
            let reach = 2 * self.longest;
            let around = text.get(at.saturating_sub(reach)..at.saturating_add(reach).min(text.len()))?;
            if self.parts.iter().any(|part| part.finder.find(around).is_some()) {
                finds.push(at);
            }
            Some(())
        })?;
        Some(finds)
    }
}

impl Part {
    fn is_at(&self, text: &[u8], needle: usize) -> bool {
        let start = needle.checked_sub(self.offset);
        start.and_then(|start| text.get(start..)).is_some_and(|text| text.starts_with(self.finder.needle()))
    }
}

/// The longest part of a literal that JSON text shows as it is.
fn plain_part(literal: &str) -> Option<&str> {
    let parts = literal.split(|c: char| !u8::try_from(c).is_ok_and(is_plain));
    parts.rev().max_by_key(|part| part.len()).filter(|part| part.len() >= SHORTEST)
}

/// Characters that have no escape but `\u00XX`, and not one of the harmless ones; brackets and commas might stand between
/// strings.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte)
}

/// Where the rarest pair of characters begins, with another one behind it if there is one.
fn rarest_pair(text: &str) -> usize {
    let bytes = text.as_bytes();
    let last = bytes.len().saturating_sub(SHORTEST);
    let pairs = bytes.windows(2).take(last + 1).enumerate();
    pairs.min_by_key(|(_, pair)| pair.iter().map(|byte| often(*byte)).product::<usize>()).map_or(0, |(at, _)| at)
}

/// How often a plain character is in a record, about.
fn often(byte: u8) -> usize {
    if let Some(place) = RARE.iter().position(|rare| *rare == byte) {
        return 1 + place / 3;
    }
    match byte {
        b'g' | b'f' | b'b' | b'v' | b'w' | b'y' | b'S' | b'I' | b'4'..=b'9' => 17,
        b'A' | b'p' | b'3' | b'.' | b'l' | b'm' | b'1' | b'2' | b'u' | b'-' => 28,
        b'd' | b'0' | b'c' | b'i' | b'o' => 42,
        b'r' | b'n' | b't' | b's' | b':' | b'a' => 68,
        b'e' => 130,
        _ => 3,
    }
}

/// A text that all names hold and that is rare elsewhere: it begins with a rare character.
fn shared(names: &[String]) -> Option<&str> {
    let part = longest_shared(names)?;
    let rare = RARE.iter().find_map(|byte| part.get(..part.len() - 1)?.find(char::from(*byte)))?;
    part.get(rare..).filter(|_| part.len() >= 6)
}

/// The longest text that all names hold.
fn longest_shared(names: &[String]) -> Option<&str> {
    let first = names.iter().min_by_key(|name| name.len())?;
    (1..=first.len()).rev().find_map(|length| {
        let parts = (0..=first.len() - length).filter_map(|start| first.get(start..start + length));
        parts.into_iter().find(|part| names.iter().all(|name| name.contains(part)))
    })
}

/// `None` where `text` begins with an escape of a character that a name, a key, or the JSON around them may have.
/// Harmless are control characters, those that are escaped for the sake of HTML, and what is not ASCII.
fn harmless(text: &[u8]) -> Option<()> {
    let Some(digits) = text.strip_prefix(ESCAPE.as_bytes()) else { return Some(()) };
    let code = u8::from_str_radix(std::str::from_utf8(digits.get(..2)?).ok()?, 16).ok()?;
    matches!(code, 0..0x20 | b'&' | b'\'' | b'<' | b'=' | b'>' | 0x7f..).then_some(())
}

/// JSON's white space, which is not quite ASCII's.
pub(super) fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !b" \t\r\n".contains(byte)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

pub(super) fn trim_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !b" \t\r\n".contains(byte)).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn every_way_finds_the_same(
            text in r#"([a-zMFADe]{0,40}|\\|\\u|\\u00|MFADevice|MFAD|MF|.{0,200}){0,30}"#,
            second in prop::sample::select(vec!["MFADevice", "MFA", "Fx", "MMFF"]),
        ) {
            let needles = [ESCAPE[..2].to_owned(), second.to_owned()];
            let finds = |way: Needles| {
                let mut finds = Vec::new();
                let all = way.each(text.as_bytes(), |at, needle| {
                    finds.push((at, needle));
                    Some(())
                });
                all.map(|()| finds)
            };
            let two = finds(Needles::Two(Two::new(&needles).expect("two")));
            prop_assert!(two.is_some());
            prop_assert_eq!(finds(Needles::Automaton(AhoCorasick::new(&needles).expect("an automaton"))), two.clone());
            if let Some(packed) = Builder::new().extend(&needles).build() {
                prop_assert_eq!(finds(Needles::Packed(packed)), two);
            }
        }
    }
}
