//! SHA-256 of sixteen messages at once (FIPS 180-4, section 6.2).
//!
//! One message is a chain: no block can be begun before the block before it is done, and a processor waits through most
//! of that time, even with instructions of its own for it. The words of sixteen messages side by side in vectors keep it
//! busy: AVX-512 does sixteen in the time in which the processor's own instructions do five. Where it is missing,
//! nothing here is used, and every message is hashed by the crate `sha2`.
//!
//! Only the call behind the detection, the loads and stores, and one addition that must not be moved, are `unsafe`. Both
//! ways are tested for equality.

/// Messages at once.
pub(super) const LANES: usize = 16;

/// What SHA-256 works on.
pub(super) type Block = [u8; 64];

/// What a message's first block begins with.
pub(super) const INITIAL: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// What so far came of each message: the words of all side by side.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(super) struct States(pub(super) [[u32; LANES]; 8]);

/// Whether [`advance`] can be used.
pub(super) fn available() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        vector::available()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Takes in as many blocks of every message as the shortest has, and gives how many; none where it is not available.
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "what follows was detected just before"))]
pub(super) fn advance(states: &mut States, messages: &[&[Block]; LANES]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if vector::available() {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { vector::advance(states, messages) };
    }
    let _ = (states, messages);
    0
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the vector loads and stores take pointers, and one addition must not be moved")]
mod vector {
    #[allow(clippy::wildcard_imports, reason = "each name says which instruction set it is of")]
    use std::arch::x86_64::*;
    use std::arch::{asm, is_x86_feature_detected};

    use super::{Block, LANES, States};

    /// How many blocks ahead of their use the bytes are asked for: sixteen streams are more than the processor foresees.
    const AHEAD: usize = 8;

    /// One for each round.
    const CONSTANTS: [[u32; 16]; 4] = [
        [
            0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
            0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        ],
        [
            0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152,
            0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        ],
        [
            0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1,
            0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        ],
        [
            0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee,
            0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
        ],
    ];

    pub(super) fn available() -> bool {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    fn add(a: __m512i, b: __m512i) -> __m512i {
        _mm512_add_epi32(a, b)
    }

    /// The same, done where it stands. The compiler orders a sum anew and would have the next round wait for more
    /// additions than it must; each costs two cycles, sixty-four times a block.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn add_here(a: __m512i, b: __m512i) -> __m512i {
        let sum;
        // SAFETY: one addition of registers, which the processor has.
        unsafe {
            asm!("vpaddd {}, {}, {}", lateout(zmm_reg) sum, in(zmm_reg) a, in(zmm_reg) b,
                options(pure, nomem, nostack, preserves_flags));
        }
        sum
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    fn xor(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        _mm512_ternarylogic_epi32::<0x96>(a, b, c)
    }

    /// The words of one block of every message: each vector has the same word of all.
    // Macros throughout, for loops over these arrays would leave the registers.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn words(messages: &[&[Block]; LANES], at: usize) -> [__m512i; 16] {
        const NONE: Block = [0; 64];
        let big_endian = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
        macro_rules! block {
            ($lane:expr) => {{
                let ahead = messages[$lane].as_ptr().wrapping_add(at + AHEAD);
                _mm_prefetch::<_MM_HINT_T0>(ahead.cast());
                let block = messages[$lane].get(at).unwrap_or(&NONE);
                // SAFETY: it reads the 64 bytes of the array; this load needs no alignment.
                _mm512_shuffle_epi8(unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }, big_endian)
            }};
        }
        // Of four messages: in the n-th vector, the n-th words of every quarter of a block.
        macro_rules! four {
            ($first:expr) => {{
                let (a, b, c, d) = (block!($first), block!($first + 1), block!($first + 2), block!($first + 3));
                let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
                let (above_ab, above_cd) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
                [
                    _mm512_unpacklo_epi64(ab, cd),
                    _mm512_unpackhi_epi64(ab, cd),
                    _mm512_unpacklo_epi64(above_ab, above_cd),
                    _mm512_unpackhi_epi64(above_ab, above_cd),
                ]
            }};
        }
        let (p, q, r, s) = (four!(0), four!(4), four!(8), four!(12));
        // The n-th words of the quarters, each from all sixteen messages.
        macro_rules! quarters {
            ($n:expr) => {{
                let even = (_mm512_shuffle_i32x4::<0x88>(p[$n], q[$n]), _mm512_shuffle_i32x4::<0x88>(r[$n], s[$n]));
                let odd = (_mm512_shuffle_i32x4::<0xdd>(p[$n], q[$n]), _mm512_shuffle_i32x4::<0xdd>(r[$n], s[$n]));
                [
                    _mm512_shuffle_i32x4::<0x88>(even.0, even.1),
                    _mm512_shuffle_i32x4::<0x88>(odd.0, odd.1),
                    _mm512_shuffle_i32x4::<0xdd>(even.0, even.1),
                    _mm512_shuffle_i32x4::<0xdd>(odd.0, odd.1),
                ]
            }};
        }
        let ([a, e, i, m], [b, f, j, n]) = (quarters!(0), quarters!(1));
        let ([c, g, k, o], [d, h, l, p]) = (quarters!(2), quarters!(3));
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// One round. What is known last is added last: the next round waits for that alone, and one addition that is done
    /// twice is no matter.
    macro_rules! round {
        ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $constant:expr, $word:expr) => {
            let known = add($h, add($word, _mm512_set1_epi32($constant.cast_signed())));
            let choice = _mm512_ternarylogic_epi32::<0xca>($e, $f, $g);
            let sum_e = xor(_mm512_ror_epi32::<6>($e), _mm512_ror_epi32::<11>($e), _mm512_ror_epi32::<25>($e));
            let majority = _mm512_ternarylogic_epi32::<0xe8>($a, $b, $c);
            let sum_a = xor(_mm512_ror_epi32::<2>($a), _mm512_ror_epi32::<13>($a), _mm512_ror_epi32::<22>($a));
            let part = add_here(known, choice);
            $d = add_here(add_here(add_here($d, known), choice), sum_e);
            $h = add_here(add_here(add_here(part, sum_e), majority), sum_a);
        };
    }

    /// The word of sixteen rounds later, in the place of one that is no longer needed.
    macro_rules! schedule {
        ($words:ident, $at:literal) => {
            let (near, far) = ($words[($at + 1) % 16], $words[($at + 14) % 16]);
            let near = xor(_mm512_ror_epi32::<7>(near), _mm512_ror_epi32::<18>(near), _mm512_srli_epi32::<3>(near));
            let far = xor(_mm512_ror_epi32::<17>(far), _mm512_ror_epi32::<19>(far), _mm512_srli_epi32::<10>(far));
            $words[$at] = add(add($words[$at], $words[($at + 9) % 16]), add(near, far));
        };
    }

    macro_rules! nothing {
        ($words:ident, $at:literal) => {};
    }

    /// Sixteen rounds: not the values move from one name to the next, but the names. `$then` comes after each.
    macro_rules! rounds {
        ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $constants:expr, $words:ident, $then:ident) => {
            rounds!(@ $a $b $c $d $e $f $g $h, $constants, $words, $then, 0 1 2 3 4 5 6 7);
            rounds!(@ $a $b $c $d $e $f $g $h, $constants, $words, $then, 8 9 10 11 12 13 14 15);
        };
        (@ $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $constants:expr, $words:ident, $then:ident,
            $at:literal $($rest:literal)*) => {
            round!($a $b $c $d $e $f $g $h, $constants[$at], $words[$at]);
            $then!($words, $at);
            rounds!(@ $h $a $b $c $d $e $f $g, $constants, $words, $then, $($rest)*);
        };
        (@ $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $constants:expr, $words:ident, $then:ident,) => {};
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn advance(states: &mut States, messages: &[&[Block]; LANES]) -> usize {
        let count = messages.iter().map(|blocks| blocks.len()).min().unwrap_or_default();
        // SAFETY: each reads the 64 bytes of an array; this load needs no alignment.
        let mut state = states.0.each_ref().map(|words| unsafe { _mm512_loadu_si512(words.as_ptr().cast()) });
        let [first @ .., last] = &CONSTANTS;
        for at in 0..count {
            let mut words = words(messages, at);
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
            for constants in first {
                rounds!(a b c d e f g h, constants, words, schedule);
            }
            rounds!(a b c d e f g h, last, words, nothing);
            for (before, after) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
                *before = add(*before, after);
            }
        }
        for (words, state) in states.0.iter_mut().zip(state) {
            // SAFETY: it writes the 64 bytes of the array; this store needs no alignment.
            unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), state) };
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::block_api::compress256;

    use super::*;

    proptest! {
        #[test]
        fn each_message_comes_as_far_as_by_itself(
            states in prop::collection::vec(any::<[u32; 8]>(), LANES),
            messages in prop::collection::vec(prop::collection::vec(prop::array::uniform32(any::<[u8; 2]>()), 0..5), LANES),
        ) {
            prop_assume!(available());
            let messages: Vec<Vec<Block>> = messages
                .iter()
                .map(|blocks| blocks.iter().map(|block| *block.as_flattened().first_chunk().unwrap()).collect())
                .collect();
            let mut side_by_side = States([[0; LANES]; 8]);
            for (lane, state) in states.iter().enumerate() {
                for (words, word) in side_by_side.0.iter_mut().zip(state) {
                    words[lane] = *word;
                }
            }
            let messages: [&[Block]; LANES] = std::array::from_fn(|lane| &messages[lane][..]);
            let shortest = messages.iter().map(|blocks| blocks.len()).min().unwrap();
            prop_assert_eq!(advance(&mut side_by_side, &messages), shortest);
            for (lane, mut state) in states.into_iter().enumerate() {
                compress256(&mut state, &messages[lane][..shortest]);
                prop_assert_eq!(side_by_side.0.map(|words| words[lane]), state, "lane {}", lane);
            }
        }
    }
}
