//! Looking for what may be a wanted record in bytes that were not parsed.
//!
//! One search runs over an object's text, by vector instructions where the machine has them, and stops at two things: at
//! what begins an escape that could spell a letter otherwise, which hands the object to the full parse, and at a piece of
//! what is looked for. That is either event names ([`Names`]): what all of them hold, judged by the whole string it is in, or
//! else the key before them; or literals that every wanted record holds somewhere ([`Literals`]): then the parse of the
//! record decides.

use aho_corasick::{
    AhoCorasick,
    packed::{Builder, Searcher},
};
use memchr::memmem::Finder;

use super::masks::{BLOCK, Simd, Task, dispatch, filled, has_wide};

/// What every escape of an ASCII character begins with.
const ESCAPE: &str = r"\u00";

/// Characters of names that are rare in CloudTrail's JSON, the rarest first: one to eight of each in a record.
const RARE: &[u8] = b"jQXYJUBqFWKZGzVxMLHNPOE_kCRDhT";

/// The shortest text worth a search: anything shorter is nearly everywhere.
const SHORTEST: usize = 3;

/// Event names to search for.
///
/// There is a find in every string that is one of them, or at its key. Every find is judged by the whole string, so
/// neither what found it nor that finds overlap matters: a string with an escape is none of the names.
#[derive(Debug, Clone)]
pub struct Names {
    /// Sorted.
    names: Vec<String>,
    /// A bit for each name, by [`place`]: nearly all others are told from them without a comparison.
    places: [u64; PLACES / 64],
    longest: usize,
    /// Whether the case of letters does not matter; `names` are in lower case then.
    any_case: bool,
    needles: Needles,
    /// Where in the key the needle begins; `None` where a part of the names is searched for.
    in_key: Option<usize>,
}

/// The key of an event's name.
const KEY: &str = "eventName";

/// Places that names are told apart by.
const PLACES: usize = 1024;

/// A name's place, by its length and its ends.
fn place(name: &[u8]) -> usize {
    place_by(name.len(), name.first().copied(), name.last().copied())
}

fn place_by(length: usize, first: Option<u8>, last: Option<u8>) -> usize {
    let [first, last] = [first, last].map(|byte| usize::from(byte.unwrap_or_default()));
    (first ^ last << 3 ^ length << 5) % PLACES
}

/// How the text is searched for escapes, and for parts of what is wanted.
///
/// Finds that overlap the one before are skipped. No part holds a quote but at its beginning, nor a backslash, so finds
/// that overlap are in one string, or the first is an escape.
#[derive(Debug, Clone)]
enum Needles {
    /// Two, by the widest vectors.
    Two(Two),
    /// By vector instructions, with the number of the needle that each of its texts stands for.
    Packed(Searcher, Vec<usize>),
    /// Too many for that, or a machine without.
    Automaton(AhoCorasick),
    /// They cannot be searched for: everything is parsed.
    None,
}

impl Names {
    /// Duplicates count once.
    #[must_use]
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::of(names.into_iter().map(|name| name.as_ref().to_owned()).collect(), false)
    }

    /// Names in any case.
    #[must_use]
    pub fn any_case<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::of(names.into_iter().map(|name| name.as_ref().to_ascii_lowercase()).collect(), true)
    }

    fn of(mut names: Vec<String>, any_case: bool) -> Self {
        names.sort();
        names.dedup();
        let longest = names.iter().map(String::len).max().unwrap_or(0);
        let plain = |name: &String| !name.is_empty() && name.bytes().all(is_plain);
        // The vector search goes by as many bytes as the shortest needle has: here two.
        let needles = |needle: &str| Needles::of(&[ESCAPE.get(..2).unwrap_or(ESCAPE).to_owned(), needle.to_owned()]);
        // A part in any case is far less rare than one as it is written.
        let (in_key, needles) = match shared(&names).filter(|_| !any_case) {
            _ if names.is_empty() || !names.iter().all(plain) => (None, Needles::None),
            Some(part) => (None, needles(part)),
            // Once in a record: less often than one of a few names begins like something else.
            None => {
                let at = rarest_pair(KEY, often);
                (Some(at), needles(KEY.get(at..).unwrap_or(KEY)))
            }
        };
        let mut places = [0; PLACES / 64];
        for place in names.iter().map(|name| place(name.as_bytes())) {
            if let Some(bits) = places.get_mut(place / 64) {
                *bits |= 1 << (place % 64);
            }
        }
        Self { names, places, longest, any_case, needles, in_key }
    }

    /// Whether a record's `eventName` is one of them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.has(name.as_bytes())
    }

    fn has(&self, name: &[u8]) -> bool {
        if self.any_case {
            return self.has_in_any_case(name);
        }
        self.may_have(place(name)) && self.names.binary_search_by(|known| known.as_bytes().cmp(name)).is_ok()
    }

    fn has_in_any_case(&self, name: &[u8]) -> bool {
        let lower = || name.iter().map(u8::to_ascii_lowercase);
        let place = place_by(name.len(), lower().next(), lower().next_back());
        self.may_have(place) && self.names.binary_search_by(|known| known.bytes().cmp(lower())).is_ok()
    }

    fn may_have(&self, place: usize) -> bool {
        self.places.get(place / 64).is_some_and(|bits| bits >> (place % 64) & 1 == 1)
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
                return Some(());
            }
            let wanted = match self.in_key {
                Some(offset) => at.checked_sub(offset).filter(|key| self.is_named(text, *key)),
                None => self.judge(text, at),
            };
            if wanted.is_some() && finds.last().copied() != wanted {
                finds.extend(wanted);
            }
            Some(())
        };
        self.needles.each(text, |at, _needle| find(at))?;
        Some(finds)
    }

    /// Judges what may be the key `eventName` at `at`: whether its value may be a name.
    fn is_named(&self, text: &[u8], at: usize) -> bool {
        let Some(rest) = text.get(at..).and_then(|text| text.strip_prefix(KEY.as_bytes())) else { return false };
        // Within a string it would take its escapes apart to tell the value.
        if rest.first() == Some(&b'\\') {
            return true;
        }
        let value = || trim_start(trim_start(rest.strip_prefix(b"\"")?).strip_prefix(b":")?).strip_prefix(b"\"");
        let Some(value) = value() else { return false };
        let value = value.get(..=self.longest).unwrap_or(value);
        memchr::memchr(b'"', value).is_some_and(|end| value.get(..end).is_some_and(|name| self.has(name)))
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
        if !self.has(string) {
            return None;
        }
        // Within a string it would take its escapes apart to tell the key.
        let named = || trim_end(trim_end(before).strip_suffix(b":")?).strip_suffix(b"eventName\"");
        (inner || named().is_some()).then_some(quote)
    }
}

impl Needles {
    fn of(needles: &[String]) -> Self {
        if let Some(two) = Two::new(needles, false).filter(|_| has_wide()) {
            return Self::Two(two);
        }
        match Self::packed(needles.iter().enumerate().map(|(number, needle)| (number, needle.clone())).collect()) {
            Some(packed) => packed,
            None => AhoCorasick::new(needles).map_or(Self::None, Self::Automaton),
        }
    }

    /// Needles in any case, given in lower case.
    fn any_case(needles: &[String]) -> Self {
        if let Some(two) = Two::new(needles, true).filter(|_| has_wide()) {
            return Self::Two(two);
        }
        // The first two bytes do, in every case: who asks looks at what is around them.
        let pairs = |(number, needle): (usize, &String)| {
            let pair = needle.get(..2).unwrap_or(needle);
            cases(pair).into_iter().map(move |pair| (number, pair)).collect::<Vec<_>>()
        };
        match Self::packed(needles.iter().enumerate().flat_map(pairs).collect()) {
            Some(packed) => packed,
            None => {
                let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(needles);
                automaton.map_or(Self::None, Self::Automaton)
            }
        }
    }

    /// `None` where there are too many texts: it tells them apart by their beginnings, of which it has few.
    fn packed(texts: Vec<(usize, String)>) -> Option<Self> {
        let (numbers, texts): (Vec<usize>, Vec<String>) = texts.into_iter().unzip();
        let searcher = (texts.len() <= 48).then(|| Builder::new().extend(&texts).build())?;
        Some(Self::Packed(searcher?, numbers))
    }

    /// Calls `find` with position and number of every needle found, until it gives `None`.
    #[inline]
    fn each(&self, text: &[u8], mut find: impl FnMut(usize, usize) -> Option<()>) -> Option<()> {
        match self {
            Self::Two(two) => two.each(text, find),
            Self::Packed(searcher, numbers) => searcher.find_iter(text).try_for_each(|found| {
                find(found.start(), numbers.get(found.pattern().as_usize()).copied().unwrap_or_default())
            }),
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
    /// Whether the case of letters does not matter; the needles are in lower case then.
    any_case: bool,
}

impl Two {
    fn new(needles: &[String], any_case: bool) -> Option<Self> {
        let [first, second] = needles else { return None };
        let pair = |needle: &String| needle.as_bytes().first_chunk().copied();
        Some(Self { needles: [first.clone(), second.clone()], pairs: [pair(first)?, pair(second)?], any_case })
    }

    fn each(&self, text: &[u8], find: impl FnMut(usize, usize) -> Option<()>) -> Option<()> {
        if self.any_case {
            dispatch(Pass::<_, true> { two: self, text, find })
        } else {
            dispatch(Pass::<_, false> { two: self, text, find })
        }
    }
}

/// The bit that tells an ASCII letter's cases apart, set where `byte` is one in lower case.
const fn case_bit(byte: u8) -> u8 {
    if byte.is_ascii_lowercase() { 0x20 } else { 0 }
}

/// One search through a text, in which letters have any case or their own.
struct Pass<'s, F, const ANY_CASE: bool> {
    two: &'s Two,
    text: &'s [u8],
    find: F,
}

impl<F: FnMut(usize, usize) -> Option<()>, const ANY_CASE: bool> Pass<'_, F, ANY_CASE> {
    /// Bytes that are looked at together.
    const STEP: usize = 4 * BLOCK;

    /// Whether there is no pair in the next bytes. The compiler makes vector instructions of this.
    #[inline(always)]
    fn is_bare(&self, at: usize) -> bool {
        let chunk = |at: usize| self.text.get(at..)?.first_chunk::<{ 4 * BLOCK }>();
        let (Some(bytes), Some(next)) = (chunk(at), chunk(at + 1)) else { return false };
        let [[a, b], [c, d]] = self.two.pairs;
        let pairs = bytes.iter().zip(next);
        if ANY_CASE {
            let [[m, n], [o, p]] = self.two.pairs.map(|pair| pair.map(case_bit));
            let differ = |x: u8, y: u8| (((x | m) ^ a) | ((y | n) ^ b)).min(((x | o) ^ c) | ((y | p) ^ d));
            return pairs.fold(u8::MAX, |least, (x, y)| least.min(differ(*x, *y))) != 0;
        }
        // Zero where both bytes are as they are to be.
        pairs.fold(u8::MAX, |least, (x, y)| least.min((x ^ a) | (y ^ b)).min((x ^ c) | (y ^ d))) != 0
    }

    /// Where a pair begins in the block from `at` on.
    #[inline(always)]
    fn pairs<S: Simd>(&self, simd: S, at: usize) -> u64 {
        let equal = |at: usize, byte: u8| {
            let rest = self.text.get(at..).unwrap_or_default();
            let equal = |block| {
                let same = simd.equal(block, byte);
                if ANY_CASE { same | simd.equal(block, byte ^ case_bit(byte)) } else { same }
            };
            match rest.first_chunk() {
                Some(block) => equal(block),
                None => equal(&filled(rest)),
            }
        };
        self.two.pairs.iter().fold(0, |all, [first, second]| all | (equal(at, *first) & equal(at + 1, *second)))
    }
}

impl<F: FnMut(usize, usize) -> Option<()>, const ANY_CASE: bool> Task for Pass<'_, F, ANY_CASE> {
    type Output = Option<()>;

    #[inline(always)]
    fn run_with<S: Simd>(mut self, simd: S) -> Option<()> {
        // Where the last find ends.
        let (mut at, mut behind) = (0, 0);
        while at < self.text.len() {
            if self.is_bare(at) {
                at += Self::STEP;
                continue;
            }
            let mut pairs = self.pairs(simd, at);
            while pairs != 0 {
                let found = at + pairs.trailing_zeros() as usize;
                pairs &= pairs - 1;
                let rest = self.text.get(found..)?;
                let is = |needle: &String| found >= behind && begins(rest, needle.as_bytes(), ANY_CASE);
                if let Some(number) = self.two.needles.iter().position(is) {
                    behind = found + self.two.needles.get(number)?.len();
                    (self.find)(found, number)?;
                }
            }
            at += BLOCK;
        }
        Some(())
    }
}

/// Whether `text` begins with `needle`, which is in lower case where case does not matter.
fn begins(text: &[u8], needle: &[u8], any_case: bool) -> bool {
    match text.get(..needle.len()) {
        Some(begin) if any_case => begin.eq_ignore_ascii_case(needle),
        begin => begin == Some(needle),
    }
}

/// A text with each of its letters in both cases.
fn cases(text: &str) -> Vec<String> {
    text.chars().fold(vec![String::new()], |texts, c| {
        let mut both = vec![c, c.to_ascii_uppercase()];
        both.dedup();
        texts.iter().flat_map(|text| both.iter().map(move |c| format!("{text}{c}"))).collect()
    })
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
    /// Whether the case of letters does not matter.
    any_case: bool,
}

impl Literals {
    /// `None` where one of them has no part that can be searched for.
    #[must_use]
    pub fn new<S: AsRef<str>>(literals: impl IntoIterator<Item = S>) -> Option<Self> {
        Self::of(literals.into_iter().map(|literal| literal.as_ref().to_owned()), false)
    }

    /// Literals in any case.
    #[must_use]
    pub fn any_case<S: AsRef<str>>(literals: impl IntoIterator<Item = S>) -> Option<Self> {
        Self::of(literals.into_iter().map(|literal| literal.as_ref().to_ascii_lowercase()), true)
    }

    fn of(literals: impl Iterator<Item = String>, any_case: bool) -> Option<Self> {
        let mut texts: Vec<String> =
            literals.map(|literal| plain_part(&literal).map(str::to_owned)).collect::<Option<_>>()?;
        texts.sort();
        texts.dedup();
        let longest = texts.iter().map(String::len).max()?;
        // The vector search goes by as many bytes as the shortest needle has: here two.
        let mut needles = vec![ESCAPE.get(..2).unwrap_or(ESCAPE).to_owned()];
        let mut parts = Vec::new();
        for text in &texts {
            let offset = rarest_pair(text, if any_case { often_in_any_case } else { often });
            needles.push(text.get(offset..)?.to_owned());
            parts.push(Part { finder: Finder::new(text).into_owned(), offset, any_case });
        }
        let needles = if any_case { Needles::any_case(&needles) } else { Needles::of(&needles) };
        Some(Self { parts, longest, needles })
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
            if self.parts.iter().any(|part| part.is_in(around)) {
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
        start.and_then(|start| text.get(start..)).is_some_and(|text| begins(text, self.finder.needle(), self.any_case))
    }

    fn is_in(&self, text: &[u8]) -> bool {
        let needle = self.finder.needle();
        match self.any_case {
            true => text.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle)),
            false => self.finder.find(text).is_some(),
        }
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
fn rarest_pair(text: &str, often: fn(u8) -> usize) -> usize {
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

/// How often a plain character is in a record in either case, about.
fn often_in_any_case(byte: u8) -> usize {
    let other = byte ^ case_bit(byte);
    often(byte) + if other == byte { 0 } else { often(other) }
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
    use std::cell::RefCell;

    use proptest::prelude::*;

    use super::super::masks::tests::run_on_every_simd;
    use super::*;

    /// A pass that gives what it found.
    struct Finds<'f, F, const ANY_CASE: bool> {
        pass: Pass<'f, F, ANY_CASE>,
        found: &'f RefCell<Vec<(usize, usize)>>,
    }

    impl<F: FnMut(usize, usize) -> Option<()>, const ANY_CASE: bool> Task for Finds<'_, F, ANY_CASE> {
        type Output = Vec<(usize, usize)>;

        fn run_with<S: Simd>(self, simd: S) -> Self::Output {
            self.found.borrow_mut().clear();
            self.pass.run_with(simd).expect("the search goes on to the end");
            self.found.borrow().clone()
        }
    }

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
            let all = finds(Needles::Automaton(AhoCorasick::new(&needles).expect("an automaton")));
            let two = Two::new(&needles, false).expect("two");
            let found = RefCell::default();
            let find = |at, needle| {
                Vec::push(&mut found.borrow_mut(), (at, needle));
                Some(())
            };
            for done in run_on_every_simd(|| Finds { pass: Pass::<_, false> { two: &two, text: text.as_bytes(), find }, found: &found }) {
                prop_assert_eq!(Some(done), all.clone());
            }
            prop_assert_eq!(finds(Needles::Two(two.clone())), all.clone());
            if let Some(packed) = Builder::new().extend(&needles).build() {
                prop_assert_eq!(finds(Needles::Packed(packed, vec![0, 1])), all);
            }
        }

        #[test]
        fn every_way_finds_the_same_in_any_case(
            text in r#"([a-zA-ZMFADefmd@`]{0,40}|\\|\\u|\\U|\\u00|(?i:MFADevice|MFAD|MF)|.{0,200}){0,30}"#,
            second in prop::sample::select(vec!["mfadevice", "mfa", "fx", "m.ff", "@a"]),
        ) {
            let needles = [ESCAPE[..2].to_owned(), second.to_owned()];
            let lower = text.to_ascii_lowercase();
            let plain: Vec<usize> = (0..text.len()).filter(|at| lower.as_bytes()[*at..].starts_with(second.as_bytes())).collect();
            let two = Two::new(&needles, true).expect("two");
            let found = RefCell::default();
            let find = |at, needle| {
                Vec::push(&mut found.borrow_mut(), (at, needle));
                Some(())
            };
            let finds = |found: Vec<(usize, usize)>| -> Vec<usize> {
                found.into_iter().filter(|(_, needle)| *needle == 1).map(|(at, _)| at).collect()
            };
            // Of finds that overlap one is enough.
            let one = |found: Vec<usize>| {
                let near = |at: &usize| found.iter().any(|find| find.abs_diff(*at) < second.len());
                found.iter().all(|find| plain.contains(find)) && plain.iter().all(near)
            };
            for done in run_on_every_simd(|| Finds { pass: Pass::<_, true> { two: &two, text: text.as_bytes(), find }, found: &found }) {
                prop_assert!(one(finds(done)));
            }
            let literals = Literals::any_case([second]);
            let sought = second.len() >= SHORTEST && !text.contains('\\') && second.bytes().all(is_plain);
            if let (true, Some(literals)) = (sought, literals) {
                let finds = literals.finds(text.as_bytes()).expect("there is no escape");
                prop_assert_eq!(finds.is_empty(), plain.is_empty());
                let more = Literals::any_case([second, "quite.another", "third"]).expect("they can be searched for");
                let more = more.finds(text.as_bytes()).expect("there is no escape");
                prop_assert!(!more.is_empty() || plain.is_empty());
            }
        }
    }
}
