//! Where the quotes and the brackets of a JSON text are, as bit masks, without parsing it.
//!
//! Sixty-four bytes at a time, as fast parsers do in their first stage. It knows nothing of JSON but strings, escapes and
//! brackets: on text that is no JSON its answers mean nothing.
//!
//! A scan looks at every byte of an archive here, so this is written three times: in portable code, and with the vector
//! instructions of x86 by run-time detection, which make it five times as fast. Only the calls behind that detection, and
//! the loads, are `unsafe`. All three are tested for equality.

/// Bytes of one block.
pub(super) const BLOCK: usize = 64;

/// What is where in 64 bytes: one bit for each byte, the first byte's the lowest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// Quotes that no backslash escapes.
    pub(super) quotes: u64,
    /// `{` and `[` outside strings.
    pub(super) opens: u64,
    /// `}` and `]` outside strings.
    pub(super) closes: u64,
    /// How many `opens` and `closes` there are. Counted here, where there is an instruction for it.
    pub(super) opened: u8,
    pub(super) closed: u8,
    pub(super) backslashes: u64,
}

/// What one block leaves to the next.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Carry {
    /// All ones where the next block begins within a string.
    in_string: u64,
    /// One where the next block's first byte is escaped.
    escaped: u64,
}

/// Bytes by what they are.
struct Raw {
    quotes: u64,
    backslashes: u64,
    opens: u64,
    closes: u64,
}

/// The blocks of one text, mask by mask: a mask's bytes are in the order of the text, so that the bits from any place on
/// are one load away.
#[derive(Debug, Default)]
pub(super) struct Masks {
    /// All of one length, which grows, and never shrinks below what was needed once.
    quotes: Vec<Mask>,
    backslashes: Vec<Mask>,
    opens: Vec<Mask>,
    closes: Vec<Mask>,
    counts: Vec<[u8; 2]>,
}

/// The bits of one block, the first byte's lowest bit the first.
pub(super) type Mask = [u8; 8];

/// What was read of one text: its blocks, and one more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks<'t> {
    pub(super) quotes: &'t [Mask],
    pub(super) backslashes: &'t [Mask],
    pub(super) opens: &'t [Mask],
    pub(super) closes: &'t [Mask],
    /// How many `opens` and `closes` there are in each block. Counted here, where there is an instruction for it.
    pub(super) counts: &'t [[u8; 2]],
}

/// Where blocks are written to.
struct Rows<'m> {
    quotes: &'m mut [Mask],
    backslashes: &'m mut [Mask],
    opens: &'m mut [Mask],
    closes: &'m mut [Mask],
    counts: &'m mut [[u8; 2]],
}

impl Rows<'_> {
    /// Writes a block for each of the chunks, as many as there is room for.
    #[inline(always)]
    fn fill<'c>(&mut self, chunks: &'c [[u8; BLOCK]], mut block: impl FnMut(&'c [u8; BLOCK]) -> Block) {
        let masks = self.quotes.iter_mut().zip(self.backslashes.iter_mut());
        let masks = masks.zip(self.opens.iter_mut().zip(self.closes.iter_mut())).zip(self.counts.iter_mut());
        for (chunk, (((quotes, backslashes), (opens, closes)), counts)) in chunks.iter().zip(masks) {
            let block = block(chunk);
            *quotes = block.quotes.to_le_bytes();
            *backslashes = block.backslashes.to_le_bytes();
            *opens = block.opens.to_le_bytes();
            *closes = block.closes.to_le_bytes();
            *counts = [block.opened, block.closed];
        }
    }
}

/// What is true of a text as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole {
    /// No byte is above 127.
    pub(super) ascii: bool,
    /// It ends outside a string.
    pub(super) closed: bool,
}

impl Masks {
    /// Reads a text. The rest of its last block, and a block behind it, are as if there were spaces.
    pub(super) fn read(&mut self, text: &[u8]) -> (Blocks<'_>, Whole) {
        let (chunks, rest) = text.as_chunks::<BLOCK>();
        let length = chunks.len() + 2;
        if self.counts.len() < length {
            for masks in [&mut self.quotes, &mut self.backslashes, &mut self.opens, &mut self.closes] {
                masks.resize(length, Mask::default());
            }
            self.counts.resize(length, [0; 2]);
        }
        let mut carry = Carry::default();
        let mut ascii = read(chunks, &mut self.rows(0), &mut carry);
        let last = [filled(rest), [b' '; BLOCK]];
        ascii &= last.as_flattened().is_ascii();
        self.rows(chunks.len()).fill(&last, |chunk| carry.block(chunk));
        (self.blocks(length), Whole { ascii, closed: carry.in_string == 0 })
    }

    /// The first blocks.
    fn blocks(&self, length: usize) -> Blocks<'_> {
        Blocks {
            quotes: self.quotes.get(..length).unwrap_or_default(),
            backslashes: self.backslashes.get(..length).unwrap_or_default(),
            opens: self.opens.get(..length).unwrap_or_default(),
            closes: self.closes.get(..length).unwrap_or_default(),
            counts: self.counts.get(..length).unwrap_or_default(),
        }
    }

    /// The rows from a block on.
    fn rows(&mut self, from: usize) -> Rows<'_> {
        Rows {
            quotes: self.quotes.get_mut(from..).unwrap_or_default(),
            backslashes: self.backslashes.get_mut(from..).unwrap_or_default(),
            opens: self.opens.get_mut(from..).unwrap_or_default(),
            closes: self.closes.get_mut(from..).unwrap_or_default(),
            counts: self.counts.get_mut(from..).unwrap_or_default(),
        }
    }
}

/// The last bytes of a text as a block.
pub(super) fn filled(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [b' '; BLOCK];
    block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    block
}

/// Reads whole blocks; tells whether they are all ASCII.
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "what follows was detected just before"))]
fn read(chunks: &[[u8; BLOCK]], rows: &mut Rows<'_>, carry: &mut Carry) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        if vector::has_avx512() {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { vector::avx512(chunks, rows, carry) };
        }
        if vector::has_avx2() {
            // SAFETY: likewise.
            return unsafe { vector::avx2(chunks, rows, carry) };
        }
    }
    portable(chunks, rows, carry)
}

/// Does the work, compiled for the bit instructions of x86 where the processor has them, as far as it is inlined.
#[inline(always)]
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "what follows was detected just before"))]
pub(super) fn with_bits<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(target_arch = "x86_64")]
    if vector::has_bits() {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { vector::bits(work) };
    }
    work()
}

/// Whether [`with_wide`] makes a difference.
pub(super) fn has_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        vector::has_wide()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Does the work, compiled for vectors of 64 bytes where the processor has them, as far as it is inlined.
#[inline(always)]
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "what follows was detected just before"))]
pub(super) fn with_wide<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(target_arch = "x86_64")]
    if vector::has_wide() {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { vector::wide(work) };
    }
    work()
}

fn portable(chunks: &[[u8; BLOCK]], rows: &mut Rows<'_>, carry: &mut Carry) -> bool {
    rows.fill(chunks, |chunk| carry.block(chunk));
    chunks.as_flattened().is_ascii()
}

impl Carry {
    /// Reads the next block, in portable code.
    pub(super) fn block(&mut self, block: &[u8; BLOCK]) -> Block {
        // Most blocks have none, which is sooner seen than their mask is made.
        let backslash = block.iter().fold(false, |any, byte| any | (*byte == b'\\'));
        let raw = Raw {
            quotes: mask(block, |byte| byte == b'"'),
            backslashes: if backslash { mask(block, |byte| byte == b'\\') } else { 0 },
            // Two brackets each: they differ in the bit 0x20.
            opens: mask(block, |byte| byte | 0x20 == b'{'),
            closes: mask(block, |byte| byte | 0x20 == b'}'),
        };
        self.step(&raw, parity)
    }

    /// `parity` gives for each bit the parity of the bits up to it.
    #[inline(always)]
    fn step(&mut self, raw: &Raw, parity: impl Fn(u64) -> u64) -> Block {
        let mut quotes = raw.quotes;
        if raw.backslashes != 0 || self.escaped != 0 {
            quotes &= !self.escapes(raw.backslashes);
        }
        let inside = parity(quotes) ^ self.in_string;
        // The highest bit, everywhere.
        self.in_string = (inside >> 63).wrapping_neg();
        let (opens, closes) = (raw.opens & !inside, raw.closes & !inside);
        let count = |bits: u64| bits.count_ones().to_le_bytes()[0];
        Block { quotes, opens, closes, opened: count(opens), closed: count(closes), backslashes: raw.backslashes }
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

fn parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the vector loads take pointers")]
mod vector {
    use std::arch::is_x86_feature_detected;
    #[allow(clippy::wildcard_imports, reason = "each name says which instruction set it is of")]
    use std::arch::x86_64::*;

    use super::{BLOCK, Carry, Raw, Rows};

    pub(super) fn has_avx512() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("popcnt")
    }

    pub(super) fn has_avx2() -> bool {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("pclmulqdq") && is_x86_feature_detected!("popcnt")
    }

    pub(super) fn has_bits() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
    }

    /// Does the work. What is inlined here is compiled for these instructions.
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    pub(super) fn bits<T>(work: impl FnOnce() -> T) -> T {
        work()
    }

    pub(super) fn has_wide() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
    }

    /// Does the work. What is inlined here is compiled for these instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn wide<T>(work: impl FnOnce() -> T) -> T {
        work()
    }

    /// A product without carries by all ones is the sum of all shifts.
    #[target_feature(enable = "pclmulqdq")]
    fn parity(bits: u64) -> u64 {
        let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits.cast_signed()), _mm_set1_epi8(-1));
        _mm_cvtsi128_si64(product).cast_unsigned()
    }

    #[target_feature(enable = "avx512f,avx512bw,pclmulqdq,popcnt")]
    pub(super) fn avx512(chunks: &[[u8; BLOCK]], rows: &mut Rows<'_>, carry: &mut Carry) -> bool {
        let all = |byte: u8| _mm512_set1_epi8(byte.cast_signed());
        let (quote, backslash, open, close, case) = (all(b'"'), all(b'\\'), all(b'{'), all(b'}'), all(0x20));
        let mut any = _mm512_setzero_si512();
        rows.fill(chunks, |chunk| {
            // SAFETY: it reads the 64 bytes of the array; this load needs no alignment.
            let bytes = unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) };
            any = _mm512_or_si512(any, bytes);
            let folded = _mm512_or_si512(bytes, case);
            let raw = Raw {
                quotes: _mm512_cmpeq_epi8_mask(bytes, quote),
                backslashes: _mm512_cmpeq_epi8_mask(bytes, backslash),
                opens: _mm512_cmpeq_epi8_mask(folded, open),
                closes: _mm512_cmpeq_epi8_mask(folded, close),
            };
            carry.step(&raw, |bits| parity(bits))
        });
        _mm512_movepi8_mask(any) == 0
    }

    #[target_feature(enable = "avx2,pclmulqdq,popcnt")]
    pub(super) fn avx2(chunks: &[[u8; BLOCK]], rows: &mut Rows<'_>, carry: &mut Carry) -> bool {
        let all = |byte: u8| _mm256_set1_epi8(byte.cast_signed());
        let (quote, backslash, open, close, case) = (all(b'"'), all(b'\\'), all(b'{'), all(b'}'), all(0x20));
        let mut any = _mm256_setzero_si256();
        rows.fill(chunks, |chunk| {
            // SAFETY: they read the two halves of the 64 bytes of the array; this load needs no alignment.
            let [low, high] = [0, 32].map(|at| unsafe { _mm256_loadu_si256(chunk.as_ptr().add(at).cast()) });
            any = _mm256_or_si256(any, _mm256_or_si256(low, high));
            let folded = (_mm256_or_si256(low, case), _mm256_or_si256(high, case));
            let mask = |low: __m256i, high: __m256i, like: __m256i| {
                let bits = |half| u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(half, like)).cast_unsigned());
                bits(low) | bits(high) << 32
            };
            let raw = Raw {
                quotes: mask(low, high, quote),
                backslashes: mask(low, high, backslash),
                opens: mask(folded.0, folded.1, open),
                closes: mask(folded.0, folded.1, close),
            };
            carry.step(&raw, |bits| parity(bits))
        });
        _mm256_movemask_epi8(any) == 0
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One byte after another.
    pub(crate) fn slow(text: &[u8]) -> (Vec<Block>, Whole) {
        let (mut in_string, mut escaped, mut blocks) = (false, false, Vec::new());
        for chunk in text.chunks(BLOCK) {
            let mut block = Block::default();
            for (at, byte) in chunk.iter().enumerate() {
                let taken = std::mem::take(&mut escaped);
                let bit = 1 << at;
                match byte {
                    b'\\' => {
                        escaped = !taken;
                        block.backslashes |= bit;
                    }
                    b'"' if !taken => {
                        in_string = !in_string;
                        block.quotes |= bit;
                    }
                    b'{' | b'[' if !in_string => block.opens |= bit,
                    b'}' | b']' if !in_string => block.closes |= bit,
                    _ => {}
                }
            }
            block.opened = u8::try_from(block.opens.count_ones()).unwrap();
            block.closed = u8::try_from(block.closes.count_ones()).unwrap();
            blocks.push(block);
        }
        (blocks, Whole { ascii: text.is_ascii(), closed: !in_string })
    }

    type Kernel = fn(&[[u8; BLOCK]], &mut Rows<'_>, &mut Carry) -> bool;

    fn blocks(blocks: &Blocks<'_>) -> Vec<Block> {
        let mask = |masks: &[Mask], at: usize| u64::from_le_bytes(masks[at]);
        let counts = blocks.counts.iter().enumerate();
        counts
            .map(|(at, &[opened, closed])| Block {
                quotes: mask(blocks.quotes, at),
                backslashes: mask(blocks.backslashes, at),
                opens: mask(blocks.opens, at),
                closes: mask(blocks.closes, at),
                opened,
                closed,
            })
            .collect()
    }

    fn kernels() -> Vec<Kernel> {
        let mut kernels: Vec<Kernel> = vec![portable, read];
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "what is called was detected just before")]
        {
            if vector::has_avx2() {
                // SAFETY: see above.
                kernels.push(|chunks, rows, carry| unsafe { vector::avx2(chunks, rows, carry) });
            }
            if vector::has_avx512() {
                // SAFETY: see above.
                kernels.push(|chunks, rows, carry| unsafe { vector::avx512(chunks, rows, carry) });
            }
        }
        kernels
    }

    fn agree(text: &[u8]) {
        let mut masks = Masks::default();
        masks.read(&[b'"'; 1000]);
        let (found, whole) = masks.read(text);
        let mut expected = slow(text);
        expected.0.resize(text.len() / BLOCK + 2, Block::default());
        assert_eq!((blocks(&found), whole), expected);
        let chunks = text.as_chunks::<BLOCK>().0;
        for kernel in kernels() {
            let mut carry = Carry::default();
            let ascii = kernel(chunks, &mut masks.rows(0), &mut carry);
            assert_eq!(blocks(&masks.blocks(chunks.len())), expected.0[..chunks.len()]);
            assert_eq!(ascii, chunks.as_flattened().is_ascii());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn every_kernel_finds_what_a_slow_look_finds(
            text in r#"([a-z_Y;=\]\[}{]{0,9}|\\|\\\\|"|\\"|[\[\]{}]|é|:|,){0,150}"#
        ) {
            agree(text.as_bytes());
        }

        #[test]
        fn any_bytes_have_their_masks(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            agree(&bytes);
        }
    }
}
