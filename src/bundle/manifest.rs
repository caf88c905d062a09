//! `bundle.json` as data: what a bundle says of itself, and its members, whose names lead nowhere but below its folder.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::hash;

/// The name and version of the format.
pub const SCHEMA: &str = "mfatrail.bundle/1";
pub(super) const NAME: &str = "mfatrail.bundle";
/// What names the other members.
pub const HEAD: &str = "bundle.json";

/// The longest name of a member.
const LONGEST_NAME: usize = 1024;

/// One member, as `bundle.json` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its size, inflated.
    pub bytes: u64,
    /// The SHA-256 of its bytes.
    pub sha256: String,
}

/// Members by name.
pub(super) type Members = BTreeMap<String, Member>;

/// A member's name, and what is wrong with it.
pub(super) type Fault = (String, &'static str);

/// What `bundle.json` says: whatever its maker tells of it, and its members.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest<T> {
    schema: String,
    #[serde(flatten)]
    pub(super) about: T,
    members: Vec<Member>,
}

/// The schema alone: it tells whether the rest can be read.
#[derive(Deserialize)]
struct Version {
    schema: String,
}

impl<T: Serialize> Manifest<T> {
    pub(super) fn new(about: T, contents: &BTreeMap<String, Vec<u8>>) -> Self {
        let members = contents.iter().map(|(name, bytes)| Member {
            name: name.clone(),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            sha256: sha256(bytes),
        });
        Self { schema: SCHEMA.to_owned(), about, members: members.collect() }
    }

    pub(super) fn to_text(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

impl<T: DeserializeOwned> Manifest<T> {
    /// Reads a text.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let malformed = |error: serde_json::Error| format!("`{HEAD}`: {error}");
        let version: Version = serde_json::from_slice(text).map_err(malformed)?;
        if version.schema != SCHEMA {
            return Err(format!("its schema is `{}`, this build reads `{SCHEMA}`", version.schema));
        }
        serde_json::from_slice(text).map_err(malformed)
    }
}

impl<T> Manifest<T> {
    /// What it says, and the members by name.
    ///
    /// # Errors
    /// With the name of one that cannot be, and why.
    pub(super) fn into_parts(self) -> Result<(T, Members), Fault> {
        let mut members = BTreeMap::new();
        for listed in self.members {
            if !is_safe(&listed.name) || listed.name == HEAD {
                return Err((listed.name, "is not among the members"));
            }
            if let Some(twice) = members.insert(listed.name.clone(), listed) {
                return Err((twice.name, "is listed twice"));
            }
        }
        Ok((self.about, members))
    }
}

/// Whether a name leads nowhere but below the folder that it is put in, on every system.
#[must_use]
pub fn is_safe(name: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*');
    name.len() <= LONGEST_NAME
        && !name.contains(odd)
        && name.split('/').all(|part| !part.is_empty() && !part.ends_with('.') && !part.ends_with(' '))
}

/// What an object is called in a bundle: its name, which is a key or a path, without anything that leads elsewhere.
#[must_use]
pub fn safe(name: &str) -> String {
    let odd = |c: char| c.is_control() || matches!(c, '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*');
    let name = name.strip_prefix("s3://").unwrap_or(name);
    let part = |part: &str| {
        let part: String = part.chars().map(|c| if odd(c) { '_' } else { c }).collect();
        let kept = part.trim_end_matches(['.', ' ']);
        format!("{kept}{}", "_".repeat(part.chars().count() - kept.chars().count()))
    };
    name.split('/').filter(|part| !part.is_empty()).map(part).collect::<Vec<_>>().join("/")
}

/// SHA-256, hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hash::hex(&hash::sha256(bytes))
}
