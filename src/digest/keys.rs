//! The public keys that CloudTrail signs digests with, and the check of a signature.
//!
//! `aws cloudtrail list-public-keys` prints them by region, base64 of a DER that says PKCS#1 `RSAPublicKey`; a DER that
//! says SPKI is taken too. A key is found by its fingerprint, so keys of many regions can be put together.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use aws_lc_rs::{
    digest::{Digest, SHA256},
    signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::{
    disk,
    inputs::{
        Problem,
        error::{LARGEST, decode, json_problem},
    },
};

/// Why public keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("could not read `{file}`: {error}\n  hint: use the output of `aws cloudtrail list-public-keys`")]
    Io {
        /// The file.
        file: String,
        /// The operating system's word.
        #[source]
        error: std::io::Error,
    },
    /// It is not what the AWS CLI prints.
    #[error(
        "`{file}`: {problem}\n  hint: use the output of `aws cloudtrail list-public-keys --start-time T --end-time T --output json`"
    )]
    Malformed {
        /// The file.
        file: String,
        /// Where, and why.
        problem: Problem,
    },
    /// A key in it is none.
    #[error("`{place}`: {reason}\n  hint: fetch the keys again with `aws cloudtrail list-public-keys`")]
    Key {
        /// The file and the element.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no key in it.
    #[error(
        "`{0}`: no key in `PublicKeyList`\n  hint: fetch the keys for the time of the digests: `aws cloudtrail list-public-keys --start-time T --end-time T`"
    )]
    Empty(String),
}

/// Public keys by their fingerprint.
#[derive(Debug, Clone, Default)]
pub struct PublicKeys {
    /// Each with the bytes that it came as.
    keys: BTreeMap<String, (ParsedPublicKey, Vec<u8>)>,
    /// Regions that did not answer, and why.
    silent: BTreeMap<String, String>,
}

/// As `aws cloudtrail list-public-keys` prints them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Print {
    public_key_list: Vec<PrintedKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    public_key_list: Vec<PrintedKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PrintedKey {
    fingerprint: String,
    value: String,
}

impl PublicKeys {
    /// Adds the keys of a file as the AWS CLI prints it; several answers one after another are taken too.
    ///
    /// # Errors
    /// When the file cannot be read, is malformed, or holds no key.
    pub fn read(&mut self, path: &Path) -> Result<(), KeysError> {
        let file = path.display().to_string();
        let bytes = disk::read(path, LARGEST).map_err(|error| KeysError::Io { file: file.clone(), error })?;
        let malformed = |problem| KeysError::Malformed { file: file.clone(), problem };
        let text = decode(bytes).map_err(malformed)?;
        let mut found = 0;
        for answer in serde_json::Deserializer::from_str(&text).into_iter::<Printed>() {
            let answer = answer.map_err(|error| malformed(json_problem(&text, &error)))?;
            for (index, key) in answer.public_key_list.iter().enumerate() {
                let place = || format!("{file}: PublicKeyList[{index}].Value");
                let der = STANDARD
                    .decode(key.value.trim())
                    .map_err(|error| KeysError::Key { place: place(), reason: format!("not base64: {error}") })?;
                self.add(&key.fingerprint, &der).map_err(|reason| KeysError::Key { place: place(), reason })?;
                found += 1;
            }
        }
        if found == 0 { Err(KeysError::Empty(file)) } else { Ok(()) }
    }

    /// Adds a key.
    ///
    /// # Errors
    /// In words, when the bytes are not an RSA public key of at least 2048 bits.
    pub fn add(&mut self, fingerprint: &str, der: &[u8]) -> Result<(), String> {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der)
            .parse()
            .map_err(|_rejected| "not an RSA public key of at least 2048 bits".to_owned())?;
        self.keys.insert(fingerprint.to_ascii_lowercase(), (key, der.to_vec()));
        Ok(())
    }

    /// Takes in others.
    pub fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.silent.extend(other.silent);
    }

    /// Notes that a region did not tell its keys.
    pub(super) fn is_silent(&mut self, region: &str, reason: String) {
        self.silent.insert(region.to_owned(), reason);
    }

    /// Regions that were asked for their keys in vain, and why.
    pub fn silent(&self) -> impl Iterator<Item = (&str, &str)> {
        self.silent.iter().map(|(region, reason)| (region.as_str(), reason.as_str()))
    }

    /// Whether a signature of something, given by its SHA-256, holds; `None` where the key is not known.
    #[must_use]
    pub fn holds(&self, fingerprint: &str, signed: &Hash, signature: &[u8]) -> Option<bool> {
        let (key, _) = self.keys.get(&fingerprint.to_ascii_lowercase())?;
        let digest = Digest::import_less_safe(signed, &SHA256).ok()?;
        Some(key.verify_digest_sig(&digest, signature).is_ok())
    }

    /// Some of them, as the AWS CLI prints them and [`PublicKeys::read`] reads them.
    ///
    /// # Errors
    /// When they cannot be expressed in JSON; none cannot.
    pub fn printed(&self, fingerprints: &BTreeSet<String>) -> serde_json::Result<Vec<u8>> {
        let wanted = self.keys.iter().filter(|(fingerprint, _)| fingerprints.contains(*fingerprint));
        let key = |(fingerprint, (_, der)): (&String, &(ParsedPublicKey, Vec<u8>))| PrintedKey {
            fingerprint: fingerprint.clone(),
            value: STANDARD.encode(der),
        };
        serde_json::to_vec_pretty(&Print { public_key_list: wanted.map(key).collect() })
    }

    /// Whether the key is known.
    #[must_use]
    pub fn knows(&self, fingerprint: &str) -> bool {
        self.keys.contains_key(&fingerprint.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_an_editor() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("keys.json");
        for end in ["\n", "\r\n", "\r"] {
            for (mark, blank, line) in [("", "", 3), ("\u{feff}", end, 4), ("", &end.repeat(3), 6)] {
                let text = format!("{mark}{{\"PublicKeyList\": []}}{end}{blank}{{{end} \"PublicKeyList\": 7}}{end}");
                std::fs::write(&path, text).expect("written");
                let error = PublicKeys::default().read(&path).expect_err("malformed").to_string();
                let place = format!("keys.json`: line {line}, column 19: invalid type");
                assert!(error.contains(&place) && error.contains("hint") && !error.contains("at line"), "{error}");
            }
        }
    }
}
