//! Where the brackets of a JSON text are, without parsing it: a cursor over its [`masks`](super::masks).

use std::ops::Range;

use super::masks::{BLOCK, Block, Carry, Simd, Task, dispatch, filled};

/// Blocks that are read together.
const AHEAD: usize = 8;

/// The brackets outside strings, one after another. The text is given to every call, so that a cursor can be kept
/// beside it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Brackets {
    /// The brackets of the blocks that were read, as far as they were not given out.
    blocks: [u64; AHEAD],
    /// Which of these is at hand.
    block: usize,
    /// Where the block behind them begins.
    next: usize,
    carry: Carry,
}

impl Brackets {
    /// The next bracket and its position.
    pub(super) fn next(&mut self, text: &[u8]) -> Option<(usize, u8)> {
        loop {
            match self.blocks.get_mut(self.block) {
                Some(0) => self.block += 1,
                Some(block) => {
                    let bit = usize::try_from(block.trailing_zeros()).ok()?;
                    *block &= *block - 1;
                    let at = self.next - (AHEAD - self.block) * BLOCK + bit;
                    return Some((at, *text.get(at)?));
                }
                None => self.read(text)?,
            }
        }
    }

    fn read(&mut self, text: &[u8]) -> Option<()> {
        let rest = text.get(self.next..).filter(|rest| !rest.is_empty())?;
        self.next += AHEAD * BLOCK;
        self.block = 0;
        dispatch(Ahead { rest, blocks: &mut self.blocks, carry: &mut self.carry });
        Some(())
    }
}

/// The brackets of the next blocks.
struct Ahead<'t, 'b> {
    rest: &'t [u8],
    blocks: &'b mut [u64; AHEAD],
    carry: &'b mut Carry,
}

impl Task for Ahead<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run_with<S: Simd>(self, simd: S) {
        let Self { rest, blocks, carry } = self;
        for (at, found) in (0..).step_by(BLOCK).zip(blocks) {
            let rest = rest.get(at..).unwrap_or_default();
            let Block { opens, closes, .. } = match rest.first_chunk() {
                Some(block) => carry.step(simd.look(block)),
                None => carry.step(simd.look(&filled(rest))),
            };
            *found = opens | closes;
        }
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
