//! The callers that were read lately.
//!
//! A session makes many calls, so nearly all records begin, letter for letter, like one shortly before: up to the time. So
//! each beginning that was read is kept, with what was found of `userIdentity` in it, and one that is equal to it is not
//! read again.

use std::sync::atomic::{AtomicU64, Ordering};

use super::spans::{Field, IdentitySpans, RecordSpans, Span};

/// Sets of places; a text has its place in one of them, by its beginning. Few: what is used stays in the processor's cache.
const SETS: usize = 64;

/// Places of a set: sessions of one role begin alike.
const WAYS: usize = 4;

/// Entries that are kept from one object to the next.
const KEEP: usize = 8 * SETS * WAYS;

/// Longer ones than CloudTrail writes are not kept, so that a stranger's cannot fill the memory.
const LONGEST: usize = 4 << 10;

/// A beginning that was read, and what was found.
#[derive(Debug, Default)]
pub(super) struct Entry {
    text: Vec<u8>,
    pub(super) found: IdentitySpans,
    /// No other text has it, in all of the process; 0 where it is not kept.
    pub(super) number: u64,
}

impl Entry {
    pub(super) fn length(&self) -> usize {
        self.text.len()
    }
}

/// Where the entry of a text is, by the hash of the text's beginning.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    hash: u64,
    entry: u32,
}

/// The lately read beginnings of one worker: a few hundred kilobytes of ordinary ones, eight megabytes of the longest, and what
/// the object at hand needs besides.
#[derive(Debug)]
pub(super) struct Callers {
    /// The first is nobody's: an empty text.
    entries: Vec<Entry>,
    /// Those that nobody uses.
    free: Vec<u32>,
    /// Those that were replaced, but that records of the object at hand rest on.
    replaced: Vec<u32>,
    sets: [[Place; WAYS]; SETS],
    /// Which place of its set goes next.
    turn: usize,
    /// The last number given.
    number: u64,
    /// The entry that was found or kept last.
    last: u32,
}

impl Default for Callers {
    fn default() -> Self {
        static WORKERS: AtomicU64 = AtomicU64::new(0);
        Self {
            entries: vec![Entry::default()],
            free: Vec::new(),
            replaced: Vec::new(),
            sets: [[Place::default(); WAYS]; SETS],
            turn: 0,
            // More than any worker will ever need.
            number: WORKERS.fetch_add(1, Ordering::Relaxed) << 40,
            last: 0,
        }
    }
}

impl Callers {
    /// Begins an object: no record of an earlier one is looked at any more.
    pub(super) fn begin(&mut self) {
        // What one odd object made large is given back.
        if self.entries.len() > KEEP {
            *self = Self { number: self.number, ..Self::default() };
        }
        self.free.append(&mut self.replaced);
        self.last = 0;
    }

    #[inline(always)]
    pub(super) fn entry(&self, place: u32) -> Option<&Entry> {
        self.entries.get(place as usize)
    }

    /// The place of what `rest` begins with, and its length, if it was read before.
    #[inline(always)]
    pub(super) fn find(&mut self, rest: &[u8]) -> Option<(u32, usize)> {
        // Most often it is the same again; that much is foreseen, and the walk goes on before it is known.
        if let Some(entry) = self.entry(self.last)
            && entry.number != 0
            && rest.starts_with(&entry.text)
        {
            return Some((self.last, entry.length()));
        }
        let hash = hash(rest)?;
        for place in self.sets.get(hash as usize % SETS)? {
            if place.hash == hash
                && let Some(entry) = self.entry(place.entry)
                && entry.number != 0
                && rest.starts_with(&entry.text)
            {
                let length = entry.length();
                self.last = place.entry;
                return Some((place.entry, length));
            }
        }
        None
    }

    /// Keeps what was found in the beginning `text`, whose place is for this object to use.
    pub(super) fn cache(&mut self, text: &[u8], rest: &[u8], found: IdentitySpans) -> u32 {
        let Some(hash) = hash(rest).filter(|_| text.len() <= LONGEST) else { return self.once(found) };
        self.number += 1;
        let number = self.number;
        let entry = self.place();
        if let Some(kept) = self.entries.get_mut(entry as usize) {
            (kept.found, kept.number) = (found, number);
            kept.text.clear();
            kept.text.extend_from_slice(text);
        }
        self.turn = (self.turn + 1) % WAYS;
        let set = self.sets.get_mut(hash as usize % SETS);
        if let Some(place) = set.and_then(|set| set.get_mut(self.turn)) {
            self.replaced.extend(Some(place.entry).filter(|entry| *entry != 0));
            *place = Place { hash, entry };
        }
        self.last = entry;
        entry
    }

    /// Holds what was found for the object at hand alone; gives its place.
    pub(super) fn once(&mut self, found: IdentitySpans) -> u32 {
        let place = self.place();
        if let Some(entry) = self.entries.get_mut(place as usize) {
            (entry.found, entry.number) = (found, 0);
        }
        self.replaced.push(place);
        place
    }

    fn place(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            // An object has fewer records than that.
            u32::try_from(self.entries.len() - 1).unwrap_or(0)
        })
    }
}

impl RecordSpans {
    /// The place of a field, be it the record's or its caller's.
    #[inline(always)]
    pub(super) fn span(&self, field: Field, callers: &Callers) -> Span {
        if field.is_of_caller() {
            let found = callers.entry(self.caller).map_or(Span::default(), |entry| entry.found.span(field));
            return found.behind(self.record.start);
        }
        self.spans.get(field as usize).copied().unwrap_or_default()
    }
}

/// A hash of what tells the principal, and most often the session: what stands before it is nearly the same in all
/// records, and what follows a short one too.
#[inline(always)]
fn hash(rest: &[u8]) -> Option<u64> {
    const FROM: usize = 62;
    const WORDS: usize = 7;
    let words = rest.get(FROM..)?.as_chunks::<8>().0.first_chunk::<WORDS>()?;
    let mut sum = 0_u64;
    for (word, turn) in words.iter().zip((7..).step_by(9)) {
        sum ^= u64::from_le_bytes(*word).rotate_left(turn);
    }
    let product = sum.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Some(product ^ product >> 32)
}
