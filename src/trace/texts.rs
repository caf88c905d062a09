//! Numbers for the texts that come again and again.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::io;
use std::sync::Arc;

use crate::cloudtrail::same;

/// Gives each distinct text a number.
#[derive(Debug, Default)]
pub(super) struct Interner {
    /// By the hash of the text, or, where another has that, the next that is free: each text is kept once.
    numbers: HashMap<u64, u32, BuildHasherDefault<NumberHasher>>,
    hasher: RandomState,
    values: Vec<Arc<str>>,
    /// Bytes of these.
    bytes: usize,
    /// Texts that were asked for lately, by [`place`]: few make up most of an archive.
    recent: Vec<Recent>,
}

/// A text and its number. A short one is compared where it stands, without a look elsewhere.
#[derive(Debug, Clone, Copy)]
struct Recent {
    number: u32,
    length: u8,
    text: [u8; SHORT],
}

/// Bytes of a short text: with them a [`Recent`] has half of a cache line.
const SHORT: usize = 27;

/// Places among the recent texts.
const RECENT: usize = 1 << 12;

/// So many texts are looked up without that.
const FEW: usize = 16;

impl Interner {
    pub(super) fn number(&mut self, text: &str) -> u32 {
        // Of few texts each is found soon enough, and there may be an interner for each of many accounts.
        if self.recent.is_empty() && self.values.len() >= FEW {
            self.recent.resize(RECENT, Recent { number: NONE, length: 0, text: [0; SHORT] });
        }
        let place = place(text.as_bytes());
        if let Some(number) = self.recent(place, text.as_bytes()) {
            return number;
        }
        let mut hash = self.hasher.hash_one(text);
        let number = loop {
            match self.numbers.get(&hash) {
                Some(number) if self.values.get(*number as usize).is_some_and(|value| **value == *text) => {
                    break *number;
                }
                Some(_) => hash = hash.wrapping_add(1),
                None => {
                    let number = u32::try_from(self.values.len()).unwrap_or(NONE);
                    self.values.push(text.into());
                    self.bytes += text.len();
                    self.numbers.insert(hash, number);
                    break number;
                }
            }
        };
        if let Some(recent) = self.recent.get_mut(place) {
            *recent = Recent { number, length: u8::try_from(text.len()).unwrap_or(u8::MAX), text: [0; SHORT] };
            recent.text.iter_mut().zip(text.as_bytes()).for_each(|(to, from)| *to = *from);
        }
        number
    }

    /// What they take, in bytes, about.
    pub(super) fn size(&self) -> usize {
        self.bytes + 64 * self.values.len()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.values.len()
    }

    /// The text of a number, if it has one.
    pub(super) fn text(&self, number: u32) -> Option<&Arc<str>> {
        self.values.get(usize::try_from(number).ok()?)
    }

    /// The number of a text that is UTF-8 for sure.
    pub(super) fn number_of(&mut self, text: &[u8]) -> io::Result<u32> {
        match self.recent(place(text), text) {
            Some(number) => Ok(number),
            None => Ok(self.number(std::str::from_utf8(text).map_err(io::Error::other)?)),
        }
    }

    fn recent(&self, place: usize, text: &[u8]) -> Option<u32> {
        let recent = self.recent.get(place).filter(|recent| recent.number != NONE)?;
        let is = match recent.text.get(..text.len()) {
            Some(short) => usize::from(recent.length) == text.len() && same(short, text),
            None => same(self.values.get(recent.number as usize)?.as_bytes(), text),
        };
        is.then_some(recent.number)
    }
}

/// A cheap hash of a text's length, beginning and end. Texts that share a place cost a look into the map, no more.
fn place(text: &[u8]) -> usize {
    let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let short = || text.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let first = if text.len() < 8 { short() } else { word(text.first_chunk()) };
    let middle = word(text.get(text.len() / 2..).and_then(<[u8]>::first_chunk));
    let mixed = mix(first ^ middle.rotate_left(23) ^ word(text.last_chunk()).rotate_left(41) ^ text.len() as u64);
    mixed as usize % RECENT
}

/// Spreads what differs anywhere over the lower bits.
fn mix(number: u64) -> u64 {
    let product = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 32
}

/// For keys of numbers that the interner gave, and of hashes that have a secret: nobody outside chooses them.
#[derive(Debug, Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }

    fn write_u64(&mut self, number: u64) {
        // The map takes its bits from both ends.
        self.0 = mix(self.0.rotate_left(29) ^ number).wrapping_mul(0xff51_afd7_ed55_8ccd);
    }
}

/// No text.
pub(super) const NONE: u32 = u32::MAX;
