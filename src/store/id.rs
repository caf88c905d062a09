//! Ids as columns have them and as they are compared: half of a SHA-256.

use sha2::{Digest, Sha256};

use super::hex;

pub(super) fn location_key(location: &str) -> u128 {
    Sha256::digest(location).first_chunk::<16>().map_or(0, |half| u128::from_be_bytes(*half))
}

/// An id as the columns have it.
pub(super) fn text_of(id: u128) -> String {
    hex(&id.to_be_bytes())
}

/// An id from its column.
pub(super) fn id_of(text: &str) -> u128 {
    u128::from_str_radix(text, 16).unwrap_or_default()
}

/// The half of a digest that is compared.
pub(super) fn half(sha256: Option<&str>) -> Option<u128> {
    u128::from_str_radix(sha256?.get(..32)?, 16).ok()
}
