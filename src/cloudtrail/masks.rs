//! Where the quotes and the brackets of a JSON text are, as bit masks, without parsing it.
//!
//! Sixty-four bytes at a time, as fast parsers do in their first stage. It knows nothing of JSON but strings, escapes and
//! brackets: on text that is no JSON its answers mean nothing.
//!
//! A scan looks at most bytes of an archive here, so this is written three times: in portable code, and with the vector
//! instructions of x86 by run-time detection, which make it five times as fast. What looks ([`Task`]) is compiled once for
//! each ([`Simd`]). Only the calls behind that detection, and the loads, are `unsafe`. All three are tested for equality.

/// Bytes of one block.
pub(super) const BLOCK: usize = 64;

/// Bytes that most strings end within.
pub(super) const SHORT: usize = 32;

/// The bytes of one block by what they are: one bit for each byte, the first byte's the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    /// `{` and `[`.
    pub(super) opens: u64,
    /// `}` and `]`.
    pub(super) closes: u64,
}

impl Raw {
    /// The same, but for the first bytes.
    pub(super) fn from(self, bytes: usize) -> Self {
        let Self { quotes, backslashes, opens, closes } = self;
        let [quotes, backslashes, opens, closes] = [quotes, backslashes, opens, closes].map(|bits| bits >> bytes);
        Self { quotes, backslashes, opens, closes }
    }
}

/// What is where in one block, strings and escapes considered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// Quotes that no backslash escapes.
    pub(super) quotes: u64,
    /// `{` and `[` outside strings.
    pub(super) opens: u64,
    /// `}` and `]` outside strings.
    pub(super) closes: u64,
}

/// What one block leaves to the next.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Carry {
    /// All ones where the next block begins within a string.
    in_string: u64,
    /// One where the next block's first byte is escaped.
    escaped: u64,
}

/// How blocks are looked at: by which instructions.
pub(super) trait Simd: Copy {
    fn look(self, block: &[u8; BLOCK]) -> Raw;

    /// The quotes and the backslashes among a few bytes.
    fn look_short(self, bytes: &[u8; SHORT]) -> (u32, u32);

    /// The bytes that are this one.
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64;

    /// Does the task by this simd, in a function of its own.
    fn run<W: Task>(self, task: W) -> W::Output;
}

/// What is done by a [`Simd`].
pub(super) trait Task {
    type Output;

    /// Must be inlined, and what it looks by too: only so is it compiled for the instructions of the simd.
    fn run_with<S: Simd>(self, simd: S) -> Self::Output;
}

/// Does the task by the widest instructions that the processor has.
pub(super) fn dispatch<W: Task>(task: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = vector::Avx512::detected() {
            return simd.run(task);
        }
        if let Some(simd) = vector::Avx2::detected() {
            return simd.run(task);
        }
    }
    Portable.run(task)
}

/// The last bytes of a text as a block.
pub(super) fn filled(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [b' '; BLOCK];
    block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    block
}

/// Whether no byte is above 127.
pub(super) fn is_ascii(text: &[u8]) -> bool {
    const STEP: usize = 512;
    with_wide(
        #[inline(always)]
        || {
            let (chunks, rest) = text.as_chunks::<STEP>();
            chunks.iter().all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) < 0x80) && rest.is_ascii()
        },
    )
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

/// Does the task, compiled for vectors of 64 bytes where the processor has them, as far as it is inlined.
#[inline(always)]
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "what follows was detected just before"))]
pub(super) fn with_wide<T>(task: impl FnOnce() -> T) -> T {
    #[cfg(target_arch = "x86_64")]
    if vector::has_wide() {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { vector::wide(task) };
    }
    task()
}

/// In portable code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

impl Simd for Portable {
    #[inline(always)]
    fn look(self, block: &[u8; BLOCK]) -> Raw {
        // Most blocks have none, which is sooner seen than their mask is made.
        let backslash = block.iter().fold(false, |any, byte| any | (*byte == b'\\'));
        Raw {
            quotes: mask(block, |byte| byte == b'"'),
            backslashes: if backslash { mask(block, |byte| byte == b'\\') } else { 0 },
            // Two brackets each: they differ in the bit 0x20.
            opens: mask(block, |byte| byte | 0x20 == b'{'),
            closes: mask(block, |byte| byte | 0x20 == b'}'),
        }
    }

    #[inline(always)]
    fn look_short(self, bytes: &[u8; SHORT]) -> (u32, u32) {
        let bits = |like: u8| (0..).zip(bytes).fold(0, |bits, (at, byte)| bits | u32::from(*byte == like) << at);
        (bits(b'"'), bits(b'\\'))
    }

    #[inline(always)]
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
        mask(block, |other| other == byte)
    }

    #[inline(never)]
    fn run<W: Task>(self, task: W) -> W::Output {
        task.run_with(self)
    }
}

/// For each bit the parity of the bits up to it.
#[inline(always)]
fn parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

impl Carry {
    /// The quotes of the next block that no backslash escapes.
    #[inline(always)]
    pub(super) fn quotes(&mut self, raw: Raw) -> u64 {
        if raw.backslashes != 0 || self.escaped != 0 { raw.quotes & !self.escapes(raw.backslashes) } else { raw.quotes }
    }

    /// Takes the next block.
    #[inline(always)]
    pub(super) fn step(&mut self, raw: Raw) -> Block {
        let quotes = self.quotes(raw);
        let inside = parity(quotes) ^ self.in_string;
        // The highest bit, everywhere.
        self.in_string = (inside >> 63).wrapping_neg();
        Block { quotes, opens: raw.opens & !inside, closes: raw.closes & !inside }
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

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the vector loads take pointers")]
mod vector {
    use std::arch::is_x86_feature_detected;
    #[allow(clippy::wildcard_imports, reason = "each name says which instruction set it is of")]
    use std::arch::x86_64::*;

    use super::{BLOCK, Raw, SHORT, Simd, Task};

    pub(super) fn has_wide() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
    }

    /// Does the task. What is inlined here is compiled for these instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn wide<T>(task: impl FnOnce() -> T) -> T {
        task()
    }

    fn has_bits() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
    }

    /// A simd that there is one of only where the processor has its instructions.
    macro_rules! simd {
        ($name:ident, $detected:expr, $instructions:literal, $look:ident, $equal:ident) => {
            #[derive(Debug, Clone, Copy)]
            pub(super) struct $name(());

            impl $name {
                pub(super) fn detected() -> Option<Self> {
                    $detected.then_some(Self(()))
                }

                #[inline(never)]
                #[target_feature(enable = $instructions)]
                fn compiled<W: Task>(self, task: W) -> W::Output {
                    task.run_with(self)
                }
            }

            impl Simd for $name {
                #[inline(always)]
                fn look(self, block: &[u8; BLOCK]) -> Raw {
                    // SAFETY: there is a simd only where the processor has what the function is compiled for.
                    unsafe { $look(block) }
                }

                #[inline(always)]
                fn look_short(self, bytes: &[u8; SHORT]) -> (u32, u32) {
                    // SAFETY: likewise.
                    unsafe { short(bytes) }
                }

                #[inline(always)]
                fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
                    // SAFETY: likewise.
                    unsafe { $equal(block, byte) }
                }

                #[inline(always)]
                fn run<W: Task>(self, task: W) -> W::Output {
                    // SAFETY: likewise.
                    unsafe { self.compiled(task) }
                }
            }
        };
    }

    simd!(Avx512, (has_bits() && has_wide()), "avx512f,avx512bw,avx512vl,avx2,bmi1,bmi2,popcnt", by_64, equal_64);
    simd!(Avx2, has_bits(), "avx2,bmi1,bmi2,popcnt", by_32, equal_32);

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn by_64(block: &[u8; BLOCK]) -> Raw {
        let all = |byte: u8| _mm512_set1_epi8(byte.cast_signed());
        // SAFETY: it reads the 64 bytes of the array; this load needs no alignment.
        let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        let folded = _mm512_or_si512(bytes, all(0x20));
        Raw {
            quotes: _mm512_cmpeq_epi8_mask(bytes, all(b'"')),
            backslashes: _mm512_cmpeq_epi8_mask(bytes, all(b'\\')),
            opens: _mm512_cmpeq_epi8_mask(folded, all(b'{')),
            closes: _mm512_cmpeq_epi8_mask(folded, all(b'}')),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn equal_64(block: &[u8; BLOCK], byte: u8) -> u64 {
        // SAFETY: it reads the 64 bytes of the array; this load needs no alignment.
        let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte.cast_signed()))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn equal_32(block: &[u8; BLOCK], byte: u8) -> u64 {
        let like = _mm256_set1_epi8(byte.cast_signed());
        let bits = |at: usize| {
            // SAFETY: it reads one half of the 64 bytes of the array; this load needs no alignment.
            let half = unsafe { _mm256_loadu_si256(block.as_ptr().add(at).cast()) };
            u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(half, like)).cast_unsigned())
        };
        bits(0) | bits(32) << 32
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn short(bytes: &[u8; SHORT]) -> (u32, u32) {
        // SAFETY: it reads the 32 bytes of the array; this load needs no alignment.
        let bytes = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
        let bits = |like: u8| {
            _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(like.cast_signed()))).cast_unsigned()
        };
        (bits(b'"'), bits(b'\\'))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn by_32(block: &[u8; BLOCK]) -> Raw {
        let all = |byte: u8| _mm256_set1_epi8(byte.cast_signed());
        // SAFETY: they read the two halves of the 64 bytes of the array; this load needs no alignment.
        let [low, high] = [0, 32].map(|at| unsafe { _mm256_loadu_si256(block.as_ptr().add(at).cast()) });
        let folded = (_mm256_or_si256(low, all(0x20)), _mm256_or_si256(high, all(0x20)));
        let mask = |low: __m256i, high: __m256i, like: u8| {
            let bits = |half| u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(half, all(like))).cast_unsigned());
            bits(low) | bits(high) << 32
        };
        Raw {
            quotes: mask(low, high, b'"'),
            backslashes: mask(low, high, b'\\'),
            opens: mask(folded.0, folded.1, b'{'),
            closes: mask(folded.0, folded.1, b'}'),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Does the same by every simd that there is here.
    pub(crate) fn run_on_every_simd<W: Task>(task: impl Fn() -> W) -> Vec<W::Output> {
        let mut done = vec![task().run_with(Portable), dispatch(task())];
        #[cfg(target_arch = "x86_64")]
        {
            done.extend(vector::Avx512::detected().map(|simd| task().run_with(simd)));
            done.extend(vector::Avx2::detected().map(|simd| task().run_with(simd)));
        }
        done
    }

    /// One byte after another; then whether it ends within a string.
    pub(crate) fn slow(text: &[u8]) -> (Vec<Block>, bool) {
        let (mut in_string, mut escaped, mut blocks) = (false, false, Vec::new());
        for chunk in text.chunks(BLOCK) {
            let mut block = Block::default();
            for (at, byte) in chunk.iter().enumerate() {
                let taken = std::mem::take(&mut escaped);
                let bit = 1 << at;
                match byte {
                    b'\\' => escaped = !taken,
                    b'"' if !taken => {
                        in_string = !in_string;
                        block.quotes |= bit;
                    }
                    b'{' | b'[' if !in_string => block.opens |= bit,
                    b'}' | b']' if !in_string => block.closes |= bit,
                    _ => {}
                }
            }
            blocks.push(block);
        }
        (blocks, in_string)
    }

    /// All blocks of a text.
    struct Blocks<'t>(&'t [u8]);

    impl Task for Blocks<'_> {
        type Output = (Vec<Block>, Vec<u64>, bool);

        fn run_with<S: Simd>(self, simd: S) -> Self::Output {
            let mut carry = Carry::default();
            let filled: Vec<[u8; BLOCK]> = self.0.chunks(BLOCK).map(filled).collect();
            let raw: Vec<Raw> = filled.iter().map(|block| simd.look(block)).collect();
            let blocks = raw.iter().map(|raw| carry.step(*raw)).collect();
            let backslashes: Vec<u64> = filled.iter().map(|block| simd.equal(block, b'\\')).collect();
            assert!(raw.iter().map(|raw| raw.backslashes).eq(backslashes.iter().copied()));
            (blocks, backslashes, carry.in_string != 0)
        }
    }

    fn agree(text: &[u8]) {
        let (blocks, in_string) = slow(text);
        let bits =
            |chunk: &[u8]| (0..).zip(chunk).filter(|(_, byte)| **byte == b'\\').fold(0, |all, (at, _)| all | 1 << at);
        let backslashes: Vec<u64> = text.chunks(BLOCK).map(bits).collect();
        for done in run_on_every_simd(|| Blocks(text)) {
            assert_eq!(done, (blocks.clone(), backslashes.clone(), in_string));
        }
        assert_eq!(is_ascii(text), text.is_ascii());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn every_sight_finds_what_a_slow_look_finds(
            text in r#"([a-z_Y;=\]\[}{]{0,9}|\\|\\\\|"|\\"|[\[\]{}]|é|:|,){0,150}"#
        ) {
            agree(text.as_bytes());
        }

        #[test]
        fn any_bytes_have_their_masks(bytes in prop::collection::vec(any::<u8>(), 0..1500)) {
            agree(&bytes);
            let ascii: Vec<u8> = bytes.iter().map(|byte| byte & 0x7f).collect();
            agree(&ascii);
        }
    }
}
