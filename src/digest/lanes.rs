//! Hashes many objects side by side: each waits in a lane, and the lane of one that is done takes the next.
//!
//! Objects differ in length, so all lanes advance by what the shortest still needs. What they hold is bounded in bytes.
//! Where few are left, or none can be advanced together, and for what is too long for a lane, one after the other is
//! hashed by `sha2`.

use std::fmt;

use sha2::block_api::compress256;

use super::sha256x16::{self, Block, INITIAL, LANES, States};
use crate::hash::{Hash, sha256};

/// An object of so many bytes or more is hashed at once.
const TOO_LONG: usize = if cfg!(test) { 128 << 10 } else { 16 << 20 };

/// The most bytes that buffers take, those in the lanes and those that wait for the next object.
const BUDGET: usize = if cfg!(test) { 1 << 20 } else { 96 << 20 };

/// With fewer objects than this, one after the other is faster than side by side.
const WORTHWHILE: usize = 6;

/// Hashes objects side by side.
///
/// An object has a mark, by which the caller knows it again: hashes come in another order than objects.
pub struct Lanes<T> {
    lanes: [Option<Lane<T>>; LANES],
    states: States,
    hashed: Vec<Hashed<T>>,
    spare: Vec<Vec<u8>>,
    /// What the buffers in the lanes and the spare ones take.
    held: usize,
    too_long: usize,
}

/// An object's SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed<T> {
    /// The object's mark.
    pub mark: T,
    /// Its SHA-256.
    pub hash: Hash,
    /// How many bytes it has.
    pub length: usize,
}

struct Lane<T> {
    mark: T,
    buffer: Vec<u8>,
    length: usize,
    /// What follows the last whole block: the rest of the bytes, and how many they are. One block or two.
    end: [Block; 2],
    ends: usize,
    /// Blocks done.
    done: usize,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        // Where lanes cannot be advanced together, nothing waits in them.
        Self::with(if sha256x16::available() { TOO_LONG } else { 0 })
    }
}

impl<T> fmt::Debug for Lanes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("held", &self.held).finish_non_exhaustive()
    }
}

impl<T> Lanes<T> {
    fn with(too_long: usize) -> Self {
        Self {
            lanes: [const { None }; LANES],
            states: States([[0; LANES]; 8]),
            hashed: Vec::new(),
            spare: Vec::new(),
            held: 0,
            too_long,
        }
    }

    /// Whether an object of so many bytes is to be given to the lanes.
    #[must_use]
    pub fn takes(&self, length: usize) -> bool {
        length < self.too_long
    }

    /// A buffer of `length` bytes or more for the next object, with whatever is in it: the one at hand, or one that is no
    /// longer needed, or a new one. For an object that is too long for the lanes, the one at hand.
    pub fn buffer(&mut self, length: usize, at_hand: Vec<u8>) -> Vec<u8> {
        if !self.takes(length) || (length..self.too_long).contains(&at_hand.len()) {
            return at_hand;
        }
        drop(at_hand);
        loop {
            let large_enough = self.spare.iter().enumerate().filter(|(_, spare)| spare.len() >= length);
            if let Some((at, _)) = large_enough.min_by_key(|(_, spare)| spare.len()) {
                let spare = self.spare.swap_remove(at);
                self.held -= spare.capacity();
                return spare;
            }
            if self.held + length <= BUDGET {
                return vec![0; length];
            }
            match self.spare.pop() {
                Some(spare) => self.held -= spare.capacity(),
                None => self.advance(),
            }
        }
    }

    /// Takes an object, the first `length` bytes of a buffer.
    pub fn add(&mut self, mark: T, buffer: Vec<u8>, length: usize) {
        let length = length.min(buffer.len());
        if buffer.capacity() >= self.too_long {
            let hash = sha256(buffer.get(..length).unwrap_or_default());
            return self.hashed.push(Hashed { mark, hash, length });
        }
        let lane = self.free_lane();
        self.held += buffer.capacity();
        for (words, initial) in self.states.0.iter_mut().zip(INITIAL) {
            words[lane] = initial;
        }
        self.lanes[lane] = Some(Lane::new(mark, buffer, length));
        // The next object finds a lane and a buffer.
        self.free_lane();
    }

    /// Gives an object that is done.
    pub fn pop(&mut self) -> Option<Hashed<T>> {
        self.hashed.pop()
    }

    /// Ends all that is on its way.
    pub fn finish(&mut self) {
        while self.lanes.iter().any(Option::is_some) {
            self.advance();
        }
    }

    fn free_lane(&mut self) -> usize {
        loop {
            match self.lanes.iter().position(Option::is_none) {
                Some(lane) => return lane,
                None => self.advance(),
            }
        }
    }

    /// Ends one object at least, if there is any.
    fn advance(&mut self) {
        let mut live = self.lanes.iter().flatten();
        let Some(first) = live.next() else { return };
        if 1 + live.count() < WORTHWHILE {
            return (0..LANES).for_each(|lane| self.advance_alone(lane));
        }
        // What an empty lane reads does not matter, only that there is enough of it.
        let mut messages = [first.rest(); LANES];
        for (message, lane) in messages.iter_mut().zip(&self.lanes) {
            if let Some(lane) = lane {
                *message = lane.rest();
            }
        }
        let blocks = sha256x16::advance(&mut self.states, &messages);
        for lane in 0..LANES {
            self.advanced(lane, blocks);
        }
    }

    /// Ends the object of one lane.
    fn advance_alone(&mut self, lane: usize) {
        while let Some(object) = &self.lanes[lane] {
            let rest = object.rest();
            let mut state = self.states.0.map(|words| words[lane]);
            compress256(&mut state, rest);
            for (words, word) in self.states.0.iter_mut().zip(state) {
                words[lane] = word;
            }
            self.advanced(lane, rest.len());
        }
    }

    fn advanced(&mut self, lane: usize, blocks: usize) {
        let Some(object) = &mut self.lanes[lane] else { return };
        object.done += blocks;
        if !object.rest().is_empty() {
            return;
        }
        let Some(Lane { mark, buffer, length, .. }) = self.lanes[lane].take() else { return };
        let mut hash = Hash::default();
        for (bytes, words) in hash.as_chunks_mut().0.iter_mut().zip(&self.states.0) {
            *bytes = words[lane].to_be_bytes();
        }
        self.hashed.push(Hashed { mark, hash, length });
        self.spare.push(buffer);
    }
}

impl<T> Lane<T> {
    fn new(mark: T, buffer: Vec<u8>, length: usize) -> Self {
        let rest = buffer.get(..length).unwrap_or_default().as_chunks::<64>().1;
        let ends = if rest.len() < 56 { 1 } else { 2 };
        let mut end = [[0; 64]; 2];
        for (to, from) in end.as_flattened_mut().iter_mut().zip(rest.iter().chain(&[0x80])) {
            *to = *from;
        }
        let bits = u64::try_from(length).unwrap_or(u64::MAX) * 8;
        if let Some(tail) = end[ends - 1].last_chunk_mut() {
            *tail = bits.to_be_bytes();
        }
        Self { mark, buffer, length, end, ends, done: 0 }
    }

    /// The blocks that can be done next: those of the bytes, then the end.
    fn rest(&self) -> &[Block] {
        let blocks = self.buffer.get(..self.length).unwrap_or_default().as_chunks().0;
        match blocks.get(self.done..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => self.end.get(self.done - blocks.len()..self.ends).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::hex;

    /// Side by side where this machine can, and one after the other.
    fn ways<T>() -> [Lanes<T>; 2] {
        [Lanes::default(), Lanes::with(0)]
    }

    /// The hashes of messages, in their order. Every buffer has more in it than its message.
    fn hashes(mut lanes: Lanes<usize>, messages: &[Vec<u8>]) -> Vec<Hash> {
        let (mut hashes, mut at_hand) = (vec![None; messages.len()], Vec::new());
        let mut take = |lanes: &mut Lanes<usize>| {
            while let Some(Hashed { mark, hash, length }) = lanes.pop() {
                assert_eq!(length, messages[mark].len());
                assert_eq!(hashes[mark].replace(hash), None, "hashed once");
            }
        };
        for (mark, message) in messages.iter().enumerate() {
            let mut buffer = lanes.buffer(message.len(), std::mem::take(&mut at_hand));
            buffer.resize(buffer.len().max(message.len() + mark % 3), 0xee);
            buffer[..message.len()].copy_from_slice(message);
            lanes.add(mark, buffer, message.len());
            assert!(lanes.held <= BUDGET + TOO_LONG);
            at_hand = vec![0xdd; mark % 500];
            take(&mut lanes);
        }
        lanes.finish();
        take(&mut lanes);
        hashes.into_iter().map(|hash| hash.expect("every message is hashed")).collect()
    }

    fn agree(messages: &[Vec<u8>]) {
        let expected: Vec<Hash> = messages.iter().map(|message| sha256(message)).collect();
        for lanes in ways() {
            assert!(hashes(lanes, messages) == expected);
        }
        // Too few for side by side.
        for (messages, expected) in messages.chunks(WORTHWHILE - 1).zip(expected.chunks(WORTHWHILE - 1)) {
            assert!(hashes(Lanes::default(), messages) == expected);
        }
    }

    #[test]
    fn the_examples_of_the_standard() {
        let million = "a".repeat(1_000_000);
        let examples = [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (
                "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
            ),
            (&million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
        ];
        // Alone, and enough of them that they are hashed side by side.
        for times in [1, LANES] {
            let repeated: Vec<_> = std::iter::repeat_n(examples, times).flatten().collect();
            let messages: Vec<Vec<u8>> = repeated.iter().map(|(text, _)| text.as_bytes().to_vec()).collect();
            for lanes in ways() {
                let hashes: Vec<String> = hashes(lanes, &messages).iter().map(|hash| hex(hash)).collect();
                assert!(hashes.iter().zip(&repeated).all(|(hash, (_, expected))| hash == expected));
            }
        }
    }

    #[test]
    fn every_short_length() {
        let bytes: Vec<u8> = (0..300_u32).map(|at| (at * 31 + at / 7).to_le_bytes()[0]).collect();
        let messages: Vec<Vec<u8>> = (0..=300).map(|length| bytes[..length].to_vec()).collect();
        agree(&messages);
        for length in 0..=300 {
            agree(&vec![bytes[..length].to_vec(); LANES]);
        }
    }

    #[test]
    fn long_objects_and_full_buffers() {
        let long = |length: usize| vec![length.to_le_bytes()[0]; length];
        let mut messages = vec![long(TOO_LONG + 1), long(TOO_LONG - 3)];
        messages.extend((0..40).map(|at| long((70 << 10) + at * 64)));
        messages.extend((0..40).map(|at| long(at * 1000)));
        agree(&messages);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn lengths_orders_and_numbers_of_objects(
            lengths in prop::collection::vec(prop_oneof![0..130_usize, 0..5000_usize, 0..70_000_usize], 0..60),
            seed in any::<u8>(),
        ) {
            let message = |(at, length): (usize, &usize)| -> Vec<u8> {
                (0..*length).map(|byte| (byte * 131 + at * 17).to_le_bytes()[0] ^ seed).collect()
            };
            agree(&lengths.iter().enumerate().map(message).collect::<Vec<_>>());
        }

        #[test]
        fn a_flipped_bit_changes_the_hash_of_its_object_alone(
            lengths in prop::collection::vec(1..1000_usize, LANES..3 * LANES),
            which in any::<prop::sample::Index>(),
            bit in any::<prop::sample::Index>(),
        ) {
            let messages: Vec<Vec<u8>> = lengths.iter().map(|length| vec![0x5a; *length]).collect();
            let which = which.index(messages.len());
            let mut flipped = messages.clone();
            let bit = bit.index(messages[which].len() * 8);
            flipped[which][bit / 8] ^= 1 << (bit % 8);
            let (before, after) = (hashes(Lanes::default(), &messages), hashes(Lanes::default(), &flipped));
            for at in 0..messages.len() {
                prop_assert_eq!(before[at] == after[at], at != which);
            }
        }
    }
}
