//! SHA-256 and hexadecimal.

/// SHA-256.
pub type Hash = [u8; 32];

/// The SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

/// Lower-case hexadecimal, as CloudTrail writes hashes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// What each byte is as a digit; more than 15 where it is none.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value as usize];
        values[digit as usize] = value;
        values[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    values
};

/// Reads hexadecimal of either case.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = Vec::with_capacity(pairs.len());
    let mut wrong = !rest.is_empty();
    for [high, low] in pairs {
        let [high, low] = [high, low].map(|digit| VALUES.get(usize::from(*digit)).copied().unwrap_or(u8::MAX));
        wrong |= (high | low) > 15;
        bytes.push(high << 4 | low & 15);
    }
    (!wrong).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_of_the_aws_cli_s_tests() {
        for (text, expected) in [
            ("{}", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
            (r#"{"foo":"bar"}"#, "7a38bf81f383f69433ad6e900d35b3e2385593f76a7b7ab5d4355b8ba41ee24b"),
            (r#"{"baz":"qux"}"#, "5b1070294963f40cb5b3c7a05d3fbaf7ffe4e5d226632026e39cfeb32d349c0c"),
        ] {
            assert_eq!(hex(&sha256(text.as_bytes())), expected);
            assert_eq!(unhex(expected).unwrap(), sha256(text.as_bytes()));
        }
        assert_eq!(unhex("0AfF"), Some(vec![10, 255]));
        for bad in ["0", "0g", "é", "+1", " 0"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
    }
}
