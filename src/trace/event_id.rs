//! Events' ids in sixteen bytes: every `eventID` of CloudTrail is a UUID, and there is one for every row.

/// A UUID in its canonical form: what every `eventID` of CloudTrail is.
pub(super) fn uuid(text: &[u8]) -> Option<u128> {
    let text: &[u8; 36] = text.try_into().ok()?;
    if [text[8], text[13], text[18], text[23]] != [b'-'; 4] {
        return None;
    }
    // The digits between the hyphens, eight by eight.
    let eight = |one: usize, other: usize| {
        let four = |at: usize| text.get(at..)?.first_chunk::<4>().map(|four| u64::from(u32::from_be_bytes(*four)));
        hexadecimal(four(one)? << 32 | four(other)?).map(u128::from)
    };
    Some(eight(0, 4)? << 96 | eight(9, 14)? << 64 | eight(19, 24)? << 32 | eight(28, 32)?)
}

/// The text of a UUID.
pub(super) fn uuid_text(id: u128) -> String {
    let mut digits = [0; 32];
    let numbers = [96, 64, 32, 0].map(|shift| (id >> shift) as u32);
    for (eight, number) in digits.chunks_exact_mut(8).zip(numbers) {
        eight.copy_from_slice(&written(number).to_be_bytes());
    }
    let mut text = [b'-'; 36];
    for (at, from, length) in [(0, 0, 8), (9, 8, 4), (14, 12, 4), (19, 16, 4), (24, 20, 12)] {
        if let (Some(to), Some(from)) = (text.get_mut(at..at + length), digits.get(from..from + length)) {
            to.copy_from_slice(from);
        }
    }
    str::from_utf8(&text).unwrap_or_default().to_owned()
}

/// The eight lower-case hexadecimal digits of a number, the first in the highest byte: what [`hexadecimal`] reads.
fn written(number: u32) -> u64 {
    const ALL: u64 = 0x0101_0101_0101_0101;
    let fours = (u64::from(number) | u64::from(number) << 16) & 0x0000_ffff_0000_ffff;
    let pairs = (fours | fours << 8) & 0x00ff_00ff_00ff_00ff;
    let values = (pairs | pairs << 4) & (0x0f * ALL);
    let above_nine = (values + 0x76 * ALL) >> 7 & ALL;
    values + 0x30 * ALL + above_nine * 0x27
}

/// The number that eight lower-case hexadecimal digits write, the first in the highest byte. All at once: which of them are letters is chance, and a
/// processor that guesses is wrong half of the time.
fn hexadecimal(text: u64) -> Option<u32> {
    const ALL: u64 = 0x0101_0101_0101_0101;
    // Letters have this bit, and count from 9 on.
    let letters = text >> 6 & ALL;
    let values = (text & (0x0f * ALL)) + 9 * letters;
    // Written again they must be the same, and none above 15: so nothing else passes.
    let above_nine = (values.wrapping_add(0x76 * ALL)) >> 7 & ALL;
    let written = values.wrapping_add(0x30 * ALL).wrapping_add(above_nine * 0x27);
    let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    (written == text && values & (0xf0 * ALL) == 0).then_some((fours | fours >> 16) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_uuids_are_packed() {
        assert_eq!(uuid(b"00000000-0000-0000-0000-0000000000ff"), Some(255));
        for other in ["00000000-0000-0000-0000-0000000000FF", "0000000000000000000000000000000000ff", "", "sha256:ab"] {
            assert_eq!(uuid(other.as_bytes()), None, "{other}");
        }
        let usual = "01234567-89ab-cdef-0123-456789abcdef";
        assert_eq!(uuid(usual.as_bytes()), u128::from_str_radix(&usual.replace('-', ""), 16).ok());
        assert_eq!(uuid(usual.as_bytes()).map(uuid_text).as_deref(), Some(usual));
        for (at, before) in usual.bytes().enumerate() {
            for byte in 0..=u8::MAX {
                let mut text = usual.as_bytes().to_vec();
                text[at] = byte;
                let Ok(text) = String::from_utf8(text) else { continue };
                let digit = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                let expected = if before == b'-' { byte == b'-' } else { digit };
                let number = u128::from_str_radix(&text.replace('-', ""), 16).ok().filter(|_| expected);
                assert_eq!(uuid(text.as_bytes()), number, "{text}");
            }
        }
    }
}
