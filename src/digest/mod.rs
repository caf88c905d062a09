//! What CloudTrail's digests prove of an archive: that no log was changed, removed or added.
//!
//! CloudTrail writes a digest an hour for every trail and region, also in a quiet hour. It names the hour's logs with
//! the SHA-256 of their inflated bytes, and the digest before it with that one's hash and signature; its own signature,
//! RSA with a key that CloudTrail publishes, stands in the object's metadata. So a digest is proven by its signature,
//! which a copy on disk finds in the next digest, and everything that a proven digest names is proven by its hash.
//!
//! Two passes: [`Gather`] reads the digests, [`Proof::new`] judges them and keeps the hashes that they name; then
//! [`Checker`] hashes every log once, the very bytes that a parser is given, and compares. What was not named, what is
//! named and not there, and the hours without a digest are told by [`Checker::finish`]. Nothing but proven bytes is ever
//! called verified.
//!
//! What is proven are the inflated bytes: CloudTrail signs those, not the gzip around them. A changed bit that leaves
//! them as they are, such as gzip's time stamp, is no change of evidence.
//!
//! Memory: about 1 KiB for each digest in range and 64 bytes for each log that they name; for each worker, up to 64 MiB of
//! logs that are hashed side by side ([`Lanes`]).

mod causes;
mod chain;
mod check;
mod file;
mod finding;
mod gather;
mod keys;
mod lanes;
mod live;
mod named;
mod outcome;
mod sixteen;

pub use causes::{About, CAUSES, Cause, Causes};
pub use chain::{Bounds, Chain, Proof, Trust};
pub use check::Checker;
pub use file::{ChainId, Digest, Previous, string_to_sign};
pub use finding::{Code, Finding, Severity};
pub use gather::Gather;
pub use keys::{KeysError, PublicKeys};
pub use lanes::{Hashed, Lanes};
pub use live::{LiveError, read_live};
pub use outcome::{Hours, LogCounts, State, TrailSummary, Verification};

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
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads hexadecimal of either case.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
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
