//! Gzip in memory: all members of one object into one reused buffer, up to a limit.
//!
//! An ordinary object, one member of modest size, is inflated by libdeflate in one call into a buffer of the length that
//! the trailer promises: nothing else is as fast. It takes no part of a stream and does not tell how much input it used,
//! so whatever is not proved to be ordinary goes to flate2: several members, trailing bytes, what is huge, and all
//! damage, so that there is one place that names it. The promise is the sender's, so it only sets where the buffer
//! starts, never how far it may grow. Every damage is an error with its byte offset, trailing bytes included: what was
//! appended behind the last member was not written by CloudTrail.
//!
//! Both give the same bytes for the same object, with one exception: libdeflate reads deflate's two reserved length
//! symbols as length 258, where flate2 calls the data damaged. No encoder writes them, damage would have to forge the
//! checksum with them, and the checksum and the length are compared either way.

use std::fmt;

use flate2::{Crc, Decompress, FlushDecompress, Status};
use libdeflater::Decompressor;

use crate::units::{display_size, plural};

/// The default limit: 96 MiB of JSON from one object. CloudTrail's own have a few, and all of it lies in memory.
pub const DEFAULT_LIMIT: usize = 96 << 20;

/// Deflate cannot do better than about 1032 : 1, so a larger promise is a lie.
const MAX_RATIO: usize = 1032;
/// A promise is believed up to here; beyond it the buffer grows as the data come.
const MAX_HINT: usize = 64 << 20;
/// A buffer that one huge object made larger than this is given back.
const KEEP: usize = 64 << 20;
/// More than CloudTrail writes into one object. A little more than is believed of a promise, which is not large.
pub const LARGE: usize = MAX_HINT + (1 << 10);

/// Why an object could not be inflated. Offsets are bytes in the object as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// The member's header is no gzip header of the deflate method.
    #[error("bad gzip header at byte {offset}")]
    BadHeader {
        /// Where the member begins.
        offset: usize,
    },
    /// The compressed data are damaged.
    #[error("damaged gzip data near byte {offset}")]
    Corrupt {
        /// How far the inflater came.
        offset: usize,
    },
    /// The object ends within a member.
    #[error("truncated gzip data: it ends at byte {offset}, within a member")]
    Truncated {
        /// The object's length.
        offset: usize,
    },
    /// The checksum in the member's trailer is not that of its data.
    #[error("gzip checksum mismatch in the trailer at byte {offset}")]
    BadChecksum {
        /// Where the trailer begins.
        offset: usize,
    },
    /// The length in the member's trailer is not that of its data.
    #[error("gzip length mismatch in the trailer at byte {offset}")]
    BadLength {
        /// Where the trailer begins.
        offset: usize,
    },
    /// Bytes follow the last member.
    #[error(
        "{} the last member, from byte {offset}",
        plural(*length, "byte that is not gzip data follows", "bytes that are not gzip data follow")
    )]
    TrailingBytes {
        /// Where they begin.
        offset: usize,
        /// How many.
        length: usize,
    },
    /// The object inflates to more than the limit.
    #[error("inflates to more than the limit of {} (hint: `--inflate-limit`)", display_size(*limit as u64))]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// There is no memory for so many bytes.
    #[error("not enough memory: it inflates to {}", display_size(*length as u64))]
    NoMemory {
        /// How many.
        length: usize,
    },
}

/// What an object inflates to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inflated<'a> {
    /// All members one after another, or the bytes as they were given where they are no gzip.
    pub bytes: &'a [u8],
    /// How many members there are; 0 where the bytes are no gzip.
    pub members: usize,
    /// How many of the bytes came from the first member.
    pub first_member: usize,
}

/// An inflater with its buffers.
pub struct Inflater {
    ordinary: Decompressor,
    inflate: Decompress,
    /// What it inflates into: begins with what was inflated last. It may be changed for another, with whatever is in it.
    pub buffer: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { ordinary: Decompressor::new(), inflate: Decompress::new(false), buffer: Vec::new() }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("buffer", &self.buffer.len()).finish_non_exhaustive()
    }
}

impl Inflater {
    /// Inflates all members of `input`; bytes that are no gzip (by the magic bytes) are given back as they are.
    ///
    /// # Errors
    /// On any damage, on bytes behind the last member, and when the result would exceed `limit` bytes.
    pub fn inflate<'a>(&'a mut self, input: &'a [u8], limit: usize) -> Result<&'a [u8], InflateError> {
        self.inflate_in_turn(input, limit, &mut || {}).map(|inflated| inflated.bytes)
    }

    /// The same, but tells the members apart, for CloudTrail writes one; and tells before it takes more than [`LARGE`]
    /// bytes, so that the caller can wait until nobody else has so many.
    ///
    /// # Errors
    /// Those of [`Self::inflate`].
    pub fn inflate_in_turn<'a>(
        &'a mut self,
        input: &'a [u8],
        limit: usize,
        large: &mut dyn FnMut(),
    ) -> Result<Inflated<'a>, InflateError> {
        if !input.starts_with(&[0x1f, 0x8b]) {
            let plain = Inflated { bytes: input, members: 0, first_member: 0 };
            return if input.len() > limit { Err(InflateError::TooLarge { limit }) } else { Ok(plain) };
        }
        if self.buffer.len() > KEEP {
            self.buffer = Vec::new();
        }
        let (length, members, first_member) = match self.at_once(input, limit) {
            Some(length) => (length, 1, length),
            None => self.streamed(input, limit, large)?,
        };
        Ok(Inflated { bytes: self.buffer.get(..length).unwrap_or_default(), members, first_member })
    }

    /// Inflates an object of one ordinary member; gives the length of the result, or `None` where it is not proved to
    /// be one.
    ///
    /// It takes some tables of codes that zlib refuses, of codes that nothing uses; the checksum vouches for the bytes then.
    /// Where libdeflate is content, the four bytes before the point to which it read are the length of the data. If
    /// these four bytes occur nowhere but at the object's end, it has read up to there, and nothing follows.
    fn at_once(&mut self, input: &[u8], limit: usize) -> Option<usize> {
        let promise = *input.last_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(promise)).ok()?;
        if length > limit || length > MAX_HINT || length > input.len().saturating_mul(MAX_RATIO) {
            return None;
        }
        if self.buffer.len() < length {
            // A new one: there is nothing to take over from the old.
            self.buffer = Vec::new();
            self.reserve(length).ok()?;
        }
        let written = self.ordinary.gzip_decompress(input, self.buffer.get_mut(..length)?).ok()?;
        let proved = written == length && memchr::memmem::find(input, &promise) == Some(input.len() - promise.len());
        proved.then_some(length)
    }

    /// Inflates all members one after another, however long they are; gives the length of the result, how many there
    /// are, and the length of what the first gave.
    fn streamed(
        &mut self,
        input: &[u8],
        limit: usize,
        large: &mut dyn FnMut(),
    ) -> Result<(usize, usize, usize), InflateError> {
        self.reserve(promised(input).min(limit).saturating_add(1))?;
        let (mut filled, mut at, mut members, mut first) = (0, 0, 0, 0);
        loop {
            at = self.member(input, at, &mut filled, limit, large)?;
            members += 1;
            if members == 1 {
                first = filled;
            }
            let rest = input.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Ok((filled, members, first));
            }
            if !rest.starts_with(&[0x1f, 0x8b]) {
                return Err(InflateError::TrailingBytes { offset: at, length: rest.len() });
            }
        }
    }

    /// Inflates the member at `start` behind the `filled` bytes; gives where the next would begin.
    fn member(
        &mut self,
        input: &[u8],
        start: usize,
        filled: &mut usize,
        limit: usize,
        large: &mut dyn FnMut(),
    ) -> Result<usize, InflateError> {
        let truncated = InflateError::Truncated { offset: input.len() };
        let mut at = header(input, start)?;
        let first = *filled;
        self.inflate.reset(false);
        loop {
            if *filled == self.buffer.len() {
                // One byte beyond the limit, so that reaching the limit and passing it are told apart.
                let length = (*filled * 2).max(64 << 10).min(limit.saturating_add(1));
                if length > LARGE && self.buffer.len() <= LARGE {
                    large();
                }
                self.reserve(length)?;
            }
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let source = input.get(at..).unwrap_or_default();
            let target = self.buffer.get_mut(*filled..).unwrap_or_default();
            let room = target.len();
            let status = self.inflate.decompress(source, target, FlushDecompress::None);
            let read = usize::try_from(self.inflate.total_in() - before_in).unwrap_or(usize::MAX);
            let written = usize::try_from(self.inflate.total_out() - before_out).unwrap_or(usize::MAX);
            at += read;
            *filled += written;
            let status = status.map_err(|_source| InflateError::Corrupt { offset: at })?;
            if *filled > limit {
                return Err(InflateError::TooLarge { limit });
            }
            match status {
                Status::StreamEnd => break,
                _ if written == room => {}
                _ if at >= input.len() => return Err(truncated),
                _ if read == 0 && written == 0 => return Err(InflateError::Corrupt { offset: at }),
                _ => {}
            }
        }
        let trailer = at;
        let field = |from: usize| -> Option<u32> {
            Some(u32::from_le_bytes(input.get(from..from.checked_add(4)?)?.try_into().ok()?))
        };
        let (Some(checksum), Some(length)) = (field(trailer), field(trailer + 4)) else { return Err(truncated) };
        let mut crc = Crc::new();
        crc.update(self.buffer.get(first..*filled).unwrap_or_default());
        if crc.sum() != checksum {
            return Err(InflateError::BadChecksum { offset: trailer });
        }
        if crc.amount() != length {
            return Err(InflateError::BadLength { offset: trailer });
        }
        Ok(trailer + 8)
    }

    fn reserve(&mut self, length: usize) -> Result<(), InflateError> {
        if let Some(more) = length.checked_sub(self.buffer.len()) {
            self.buffer.try_reserve_exact(more).map_err(|_none| InflateError::NoMemory { length })?;
            self.buffer.resize(length, 0);
        }
        Ok(())
    }
}

/// How many bytes an object promises to have: by its last trailer, as far as that is believable.
#[must_use]
pub fn promised(input: &[u8]) -> usize {
    if !input.starts_with(&[0x1f, 0x8b]) {
        return input.len();
    }
    let promise = input.last_chunk::<4>().map_or(0, |last| u32::from_le_bytes(*last));
    usize::try_from(promise).unwrap_or(usize::MAX).min(input.len().saturating_mul(MAX_RATIO)).min(MAX_HINT)
}

/// Gives where the deflate data of the member at `start` begin (RFC 1952, section 2.3).
fn header(input: &[u8], start: usize) -> Result<usize, InflateError> {
    let bad = InflateError::BadHeader { offset: start };
    let truncated = InflateError::Truncated { offset: input.len() };
    let fixed = input.get(start..).and_then(|rest| rest.first_chunk::<10>()).ok_or(truncated)?;
    let [0x1f, 0x8b, 8, flags, ..] = *fixed else { return Err(bad) };
    if flags & 0xe0 != 0 {
        return Err(bad);
    }
    let mut at = start + 10;
    if flags & 0x04 != 0 {
        let length = input.get(at..).and_then(|rest| rest.first_chunk::<2>()).ok_or(truncated)?;
        at += 2 + usize::from(u16::from_le_bytes(*length));
    }
    // The file's name, then a comment: each ends with a zero byte.
    for flag in [0x08, 0x10] {
        if flags & flag != 0 {
            let rest = input.get(at..).ok_or(truncated)?;
            at += memchr::memchr(0, rest).ok_or(truncated)? + 1;
        }
    }
    if flags & 0x02 != 0 {
        at += 2;
    }
    if at > input.len() { Err(truncated) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, GzBuilder, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(input: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
        Inflater::default().inflate(input, limit).map(<[u8]>::to_vec)
    }

    /// The result, which must be that of the streaming way, and whether the fast way gave it.
    fn both(input: &[u8], limit: usize) -> (Result<Vec<u8>, InflateError>, bool) {
        let mut inflater = Inflater::default();
        let fast = inflater.at_once(input, limit).is_some();
        let whole = inflater.inflate(input, limit).map(<[u8]>::to_vec);
        if input.starts_with(&[0x1f, 0x8b]) {
            let mut streaming = Inflater::default();
            let length = streaming.streamed(input, limit, &mut || {}).map(|(length, ..)| length);
            let streamed = length.map(|length| streaming.buffer[..length].to_vec());
            // Only libdeflate takes some tables of codes that nothing uses. The trailer vouches for the bytes.
            if let (Ok(bytes), true, Err(InflateError::Corrupt { .. })) = (&whole, fast, &streamed) {
                let mut crc = Crc::new();
                crc.update(bytes);
                let trailer = [crc.sum().to_le_bytes(), u32::try_from(bytes.len()).unwrap().to_le_bytes()];
                assert_eq!(input.last_chunk(), trailer.concat().first_chunk::<8>());
            } else {
                assert_eq!(whole, streamed);
            }
        }
        (whole, fast)
    }

    #[test]
    fn what_follows_the_member_is_never_passed_over() {
        let text = b"{\"Records\":[{\"eventVersion\":\"1.08\"}]}".repeat(20);
        let one = gzip(&text);
        assert_eq!(both(&one, 10_000), (Ok(text.clone()), true));
        assert_eq!(both(&[&one[..], &one].concat(), 10_000), (Ok([&text[..], &text].concat()), false));
        let trailer = &one[one.len() - 8..];
        for surplus in [trailer, &trailer[4..], &[0; 4], &[0], b"junk"] {
            let bytes = [&one[..], surplus].concat();
            let expected = InflateError::TrailingBytes { offset: one.len(), length: surplus.len() };
            assert_eq!(both(&bytes, 10_000), (Err(expected), false));
        }
        assert_eq!(both(&gzip(b""), 10).0, Ok(Vec::new()));
        assert_eq!(both(&one, text.len()), (Ok(text.clone()), true));
        assert_eq!(both(&one, text.len() - 1), (Err(InflateError::TooLarge { limit: text.len() - 1 }), false));
    }

    #[test]
    fn plain_bytes_pass() {
        for plain in [&b""[..], b"{}", b"\x1f", b"\x1f\x8c"] {
            assert_eq!(inflate(plain, 10).unwrap(), plain);
        }
        assert_eq!(inflate(b"{ }", 2), Err(InflateError::TooLarge { limit: 2 }));
    }

    #[test]
    fn all_members_are_read_and_the_buffer_is_reused() {
        let mut inflater = Inflater::default();
        let two = [gzip(b"first"), gzip(b""), gzip(b"second")].concat();
        let inflated = inflater.inflate_in_turn(&two, 100, &mut || {}).unwrap();
        assert_eq!(inflated, Inflated { bytes: b"firstsecond", members: 3, first_member: 5 });
        let plain = inflater.inflate_in_turn(b"{}", 100, &mut || {}).unwrap();
        assert_eq!(plain, Inflated { bytes: b"{}", members: 0, first_member: 0 });
        assert_eq!(inflater.inflate(&gzip(b"x"), 100).unwrap(), b"x");
        assert!(inflater.inflate(b"\x1f\x8b", 100).is_err());
        assert_eq!(inflater.inflate(&gzip(b"after damage"), 100).unwrap(), b"after damage");
    }

    #[test]
    fn optional_header_fields_are_passed() {
        let mut encoder = GzBuilder::new()
            .filename("a.json")
            .comment("note")
            .extra(vec![1, 2, 3])
            .write(Vec::new(), Compression::fast());
        encoder.write_all(b"body").unwrap();
        let bytes = encoder.finish().unwrap();
        assert_eq!(inflate(&bytes, 100).unwrap(), b"body");
        for cut in 2..bytes.len() {
            let error = inflate(&bytes[..cut], 100).unwrap_err();
            assert_eq!(error, InflateError::Truncated { offset: cut }, "cut at {cut}");
        }
    }

    #[test]
    fn damage_is_told_apart_with_its_offset() {
        let good = gzip(b"{\"Records\":[]}");
        let end = good.len();
        let changed = |at: usize| {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            inflate(&bad, 100).unwrap_err()
        };
        assert_eq!(changed(2), InflateError::BadHeader { offset: 0 });
        assert_eq!(changed(end - 8), InflateError::BadChecksum { offset: end - 8 });
        assert_eq!(changed(end - 1), InflateError::BadLength { offset: end - 8 });
        assert!(matches!(changed(10), InflateError::Corrupt { .. }));
        let trailing = |bytes: &[u8]| inflate(&[&good[..], bytes].concat(), 100).unwrap_err();
        assert_eq!(trailing(b"xyz"), InflateError::TrailingBytes { offset: end, length: 3 });
        assert_eq!(trailing(&[0; 512]), InflateError::TrailingBytes { offset: end, length: 512 });
        assert_eq!(trailing(b"\x1f"), InflateError::TrailingBytes { offset: end, length: 1 });
        assert_eq!(trailing(b"\x1f\x8b\x08"), InflateError::Truncated { offset: end + 3 });
        assert_eq!(trailing(b"\x1f\x8b\x07\0\0\0\0\0\0\0"), InflateError::BadHeader { offset: end });
    }

    #[test]
    fn the_limit_is_exact_and_bombs_stop_there() {
        for size in [0, 1, 999, 1000] {
            assert_eq!(inflate(&gzip(&vec![b'a'; size]), 1000).unwrap().len(), size);
        }
        let too_large = Err(InflateError::TooLarge { limit: 1000 });
        assert_eq!(inflate(&gzip(&[b'a'; 1001]), 1000), too_large);
        assert_eq!(inflate(&[gzip(&[b'a'; 600]), gzip(&[b'a'; 600])].concat(), 1000), too_large);
        let mut inflater = Inflater::default();
        let bomb = gzip(&vec![0; 20 << 20]);
        assert!(inflater.inflate(&bomb, 1 << 20).is_err());
        assert!(inflater.buffer.len() <= (1 << 20) + 1);
    }

    #[test]
    fn a_lying_promise_is_harmless() {
        let mut lie = gzip(b"small");
        let end = lie.len();
        lie[end - 4..].copy_from_slice(&u32::MAX.to_le_bytes());
        let mut inflater = Inflater::default();
        assert_eq!(inflater.inflate(&lie, DEFAULT_LIMIT), Err(InflateError::BadLength { offset: end - 8 }));
        assert!(inflater.buffer.len() < 1 << 20);
    }

    proptest! {
        #[test]
        fn round_trip(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 1..4)) {
            let bytes: Vec<u8> = parts.iter().flat_map(|part| gzip(part)).collect();
            prop_assert_eq!(inflate(&bytes, 20_000).unwrap(), parts.concat());
        }

        /// Damage of every kind at every place: both ways give the same bytes or the same error.
        #[test]
        fn both_ways_agree(
            parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), 0_usize..40), 1..3),
            level in 0_u32..10,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..5), 0..4),
            limit in prop::sample::select(vec![0, 100, 4_000, 30_000]),
        ) {
            let mut bytes = Vec::new();
            for (part, times) in parts {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
                encoder.write_all(&part.repeat(times)).unwrap();
                bytes.extend(encoder.finish().unwrap());
            }
            for (at, byte, kind) in changes {
                if bytes.is_empty() { break; }
                let at = at.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes[at] ^= 1 << (byte % 8),
                    2 => bytes.truncate(at),
                    3 => bytes.insert(at, byte),
                    _ => bytes.extend_from_within(at..),
                }
            }
            let _ = both(&bytes, limit);
        }

        #[test]
        fn any_bytes_are_inflated_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200), gz in any::<bool>()) {
            if gz { bytes.splice(0..0, [0x1f, 0x8b, 8]); }
            let _ = inflate(&bytes, 1000);
        }

        #[test]
        fn a_flipped_bit_never_changes_the_data_unnoticed(at in 0_usize..400, bit in 0_u8..8) {
            let text: Vec<u8> = (0..1000_u32).flat_map(|n| (n * n).to_string().into_bytes()).collect();
            let mut bytes = gzip(&text);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            // The time stamp and the system byte of the header say nothing of the data; without the magic bytes it is
            // plain.
            if let Ok(data) = inflate(&bytes, 10_000) {
                prop_assert!(data == text || data == bytes);
            }
        }
    }
}
