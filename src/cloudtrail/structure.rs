//! Where the brackets of a JSON text are, without parsing it: a cursor over its [`masks`](super::masks).

use std::ops::Range;

use super::masks::{BLOCK, Block, Carry, filled};

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
    carry: Carry,
}

impl Brackets {
    /// The next bracket and its position.
    pub(super) fn next(&mut self, text: &[u8]) -> Option<(usize, u8)> {
        while self.found == 0 {
            self.read(text)?;
        }
        let at = self.block + usize::try_from(self.found.trailing_zeros()).ok()?;
        self.found &= self.found - 1;
        Some((at, *text.get(at)?))
    }

    fn read(&mut self, text: &[u8]) -> Option<()> {
        let rest = text.get(self.next..).filter(|rest| !rest.is_empty())?;
        let Block { opens, closes, .. } = match rest.first_chunk::<BLOCK>() {
            Some(block) => self.carry.block(block),
            None => self.carry.block(&filled(rest)),
        };
        self.block = self.next;
        self.next += BLOCK;
        self.found = opens | closes;
        Some(())
    }
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
