//! The `userIdentity` objects that were read lately.
//!
//! A session makes many calls, so most records have, letter for letter, the `userIdentity` of one shortly before; and half
//! of what an envelope says is in it. So each one that was read is kept, with what was found in it, and one that is equal to
//! it is not read again.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    identity::ActorKind,
    walk::{CALLER_FIELDS, Sketch, Span},
};

/// Sets of places; a text has its place in one of them, by its beginning.
const SETS: usize = 256;

/// Places of a set: sessions of one role begin alike.
const WAYS: usize = 4;

/// Longer ones than CloudTrail writes are not kept, so that a stranger's cannot fill the memory.
const LONGEST: usize = 4 << 10;

/// The beginning of a text that tells the principal, and most often the session: what stands before it is nearly the same
/// in all of them.
const HEAD: usize = 72;

/// What was read of one `userIdentity`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// No other text has it, in all of the process.
    pub(super) number: u64,
    pub(super) kind: ActorKind,
    pub(super) mfa: Option<Option<bool>>,
    /// Places in the object, whose bracket is at 1: 0 is no place.
    pub(super) spans: [Span; CALLER_FIELDS],
}

/// A place: nothing is known of the empty text.
#[derive(Debug, Default)]
struct Place {
    beginning: u64,
    text: Vec<u8>,
    known: Option<Known>,
}

/// The lately read objects of one worker: a megabyte at most, of ordinary ones.
#[derive(Debug, Default)]
pub(super) struct Callers {
    sets: Vec<[Place; WAYS]>,
    /// Which place of its set goes next.
    turn: usize,
}

impl Callers {
    /// What is known of the object that `rest` begins with, and its length.
    #[inline(always)]
    pub(super) fn find(&self, rest: &[u8]) -> Option<(usize, &Known)> {
        let beginning = beginning(rest)?;
        let set = self.sets.get(beginning as usize % SETS)?;
        for place in set {
            if place.beginning == beginning && rest.starts_with(&place.text) {
                return place.known.as_ref().map(|known| (place.text.len(), known));
            }
        }
        None
    }

    /// Keeps what was read of the object that `rest` begins with; gives its number, or 0 where it is not kept.
    pub(super) fn keep(&mut self, rest: &[u8], length: usize, sketch: &Sketch, spans: [Span; CALLER_FIELDS]) -> u64 {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let (Some(beginning), Some(text)) = (beginning(rest), rest.get(..length.min(LONGEST + 1))) else { return 0 };
        if text.len() > LONGEST {
            return 0;
        }
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        if self.sets.is_empty() {
            self.sets.resize_with(SETS, Default::default);
        }
        self.turn = (self.turn + 1) % WAYS;
        let set = self.sets.get_mut(beginning as usize % SETS);
        if let Some(place) = set.and_then(|set| set.get_mut(self.turn)) {
            place.beginning = beginning;
            place.text.clear();
            place.text.extend_from_slice(text);
            place.known = Some(Known { number, kind: sketch.kind, mfa: sketch.mfa, spans });
        }
        number
    }
}

/// What tells objects apart at their beginning. What follows a short one is nearly always the same.
#[inline(always)]
fn beginning(rest: &[u8]) -> Option<u64> {
    let head: &[u8; HEAD] = rest.first_chunk()?;
    let word = |at: usize| head.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word));
    let mixed = word(24).rotate_left(7)
        ^ word(32).rotate_left(17)
        ^ word(40).rotate_left(29)
        ^ word(48).rotate_left(37)
        ^ word(56).rotate_left(47)
        ^ word(64).rotate_left(59);
    let product = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Some(product ^ product >> 32)
}
