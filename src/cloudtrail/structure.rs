//! Where the brackets of a JSON text are, without parsing it.
//!
//! Sixty-four bytes at a time are turned into bit masks (quotes, backslashes, brackets), as fast parsers do in their
//! first stage, here in safe code. It runs at several times the speed of a parse, and knows nothing of
//! JSON but strings, escapes and brackets: on text that is no JSON its answers mean nothing.

use std::ops::Range;

const BLOCK: usize = 64;

/// The brackets outside strings, one after another. The text is given to every call, so that a cursor can be kept
/// beside it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Brackets {
    /// Where the block at hand begins.
    block: usize,
    /// Where the next one does.
    next: usize,
    /// What is left of the block's brackets.
    found: u64,
    /// All ones where the next block begins within a string.
    in_string: u64,
    /// One where the next block's first byte is escaped.
    escaped: u64,
}

impl Brackets {
    /// The next bracket and its position.
    pub(super) fn next(&mut self, text: &[u8]) -> Option<(usize, u8)> {
        loop {
            while self.found == 0 {
                self.read(text)?;
            }
            let at = self.block + usize::try_from(self.found.trailing_zeros()).ok()?;
            self.found &= self.found - 1;
            if let Some(bracket @ (b'{' | b'}' | b'[' | b']')) = text.get(at) {
                return Some((at, *bracket));
            }
        }
    }

    fn read(&mut self, text: &[u8]) -> Option<()> {
        let rest = text.get(self.next..).filter(|rest| !rest.is_empty())?;
        let mut last = [b' '; BLOCK];
        let block = rest.first_chunk::<BLOCK>().unwrap_or_else(|| {
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            &last
        });
        self.block = self.next;
        self.next += BLOCK;
        let mut quotes = mask(block, |byte| byte == b'"');
        // Most blocks have none, which is sooner seen than their mask is made.
        let backslash = block.iter().fold(false, |any, byte| any | (*byte == b'\\'));
        let backslashes = if backslash { mask(block, |byte| byte == b'\\') } else { 0 };
        // The four brackets, and a few letters that are told apart when they turn up outside strings.
        let brackets = mask(block, |byte| byte | 0x26 == 0x7f);
        if backslashes != 0 || self.escaped != 0 {
            quotes &= !self.escapes(backslashes);
        }
        let inside = prefix_xor(quotes) ^ self.in_string;
        self.in_string = if inside >> 63 == 1 { u64::MAX } else { 0 };
        self.found = brackets & !inside;
        Some(())
    }

    /// The bytes that a backslash escapes: those behind the first, third … of a run of backslashes.
    fn escapes(&mut self, backslashes: u64) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let backslashes = backslashes & !self.escaped;
        let follows = (backslashes << 1) | self.escaped;
        let odd_starts = backslashes & !EVEN & !follows;
        let (even_sequences, overflow) = odd_starts.overflowing_add(backslashes);
        self.escaped = u64::from(overflow);
        (EVEN ^ (even_sequences << 1)) & follows
    }
}

/// One bit for each byte of the block that `is` holds for. The compiler makes vector instructions of the first loop.
fn mask(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    let mut flags = [0; BLOCK];
    for (flag, byte) in flags.iter_mut().zip(block) {
        *flag = u8::from(is(*byte));
    }
    let mut mask = 0;
    for (word, shift) in flags.as_chunks::<8>().0.iter().zip((0..64).step_by(8)) {
        // Puts the lowest bits of the eight bytes side by side into the highest byte.
        mask |= (u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56) << shift;
    }
    mask
}

/// Each bit is the parity of the bits up to it.
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// The JSON objects around rising positions of one text.
#[derive(Debug, Default)]
pub(super) struct Objects {
    brackets: Brackets,
    /// The bracket behind the last position.
    ahead: Option<(usize, u8)>,
    /// Where the open objects begin.
    open: Vec<usize>,
    reached: usize,
}

impl Objects {
    /// The innermost object around the position.
    pub(super) fn around(&mut self, text: &[u8], at: usize) -> Option<Range<usize>> {
        if at < self.reached {
            *self = Self::default();
        }
        self.reached = at;
        while let Some((position, bracket)) = self.ahead.take().or_else(|| self.brackets.next(text)) {
            if position > at {
                self.ahead = Some((position, bracket));
                break;
            }
            match bracket {
                b'{' => self.open.push(position),
                b'}' => drop(self.open.pop()),
                _ => {}
            }
        }
        let start = *self.open.last()?;
        let (mut brackets, mut ahead, mut depth) = (self.brackets, self.ahead, 1_usize);
        loop {
            let (position, bracket) = ahead.take().or_else(|| brackets.next(text))?;
            match bracket {
                b'{' => depth += 1,
                b'}' if depth == 1 => return Some(start..position + 1),
                b'}' => depth -= 1,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn brackets(text: &[u8]) -> Vec<(usize, u8)> {
        let mut brackets = Brackets::default();
        std::iter::from_fn(|| brackets.next(text)).collect()
    }

    /// One byte after another.
    fn slow(text: &[u8]) -> Vec<(usize, u8)> {
        let (mut in_string, mut escaped, mut found) = (false, false, Vec::new());
        for (at, byte) in text.iter().enumerate() {
            let taken = std::mem::take(&mut escaped);
            match byte {
                b'\\' => escaped = !taken,
                b'"' if !taken => in_string = !in_string,
                b'{' | b'}' | b'[' | b']' if !in_string => found.push((at, *byte)),
                _ => {}
            }
        }
        found
    }

    #[test]
    fn the_innermost_object_is_found() {
        let text = br#"{"Records":[{"a":"}","b":{"c":[1]}},{"d":"\"{"}]}"#;
        let mut objects = Objects::default();
        let mut around = |needle: &str| {
            let at = std::str::from_utf8(text).unwrap().find(needle).unwrap();
            objects.around(text, at).map(|range| std::str::from_utf8(&text[range]).unwrap())
        };
        assert_eq!(around("\"a\""), Some(r#"{"a":"}","b":{"c":[1]}}"#));
        assert_eq!(around("}\",\"b"), Some(r#"{"a":"}","b":{"c":[1]}}"#));
        assert_eq!(around("\"c\""), Some(r#"{"c":[1]}"#));
        assert_eq!(around("\"d\""), Some(r#"{"d":"\"{"}"#));
        assert_eq!(around("\"a\""), Some(r#"{"a":"}","b":{"c":[1]}}"#));
        assert_eq!(Objects::default().around(b"[1,2]", 2), None);
        assert_eq!(Objects::default().around(b"{\"cut", 3), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn brackets_are_those_outside_strings(text in r#"([a-z_Y]{0,9}|\\|\\\\|"|\\"|[\[\]{}]|é|:|,){0,120}"#) {
            prop_assert_eq!(brackets(text.as_bytes()), slow(text.as_bytes()));
        }

        #[test]
        fn any_bytes_have_their_brackets(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(brackets(&bytes), slow(&bytes));
        }
    }
}
