//! Shards of an archive: which objects one of N scans reads, so that N scans, on one machine or on many, read all of it once.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The most shards of an archive: a shard of the largest archives has a few thousand objects then.
const MOST: u32 = 100_000;

/// One shard of an archive: `3/8` is the third of eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    /// From 1.
    number: u32,
    count: u32,
}

/// Why a text does not name a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// No two whole numbers with a slash between them.
    #[error("is not a shard (hint: write I/N, such as 3/8 for the third of eight)")]
    Form,
    /// Not between the first and the last.
    #[error("is not one of its shards (hint: shards are numbered from 1: the last of {0} is {0}/{0})")]
    Number(u32),
    /// None, or too many.
    #[error("has a wrong number of shards (hint: from 1 to {MOST} are possible)")]
    Count,
}

impl Shard {
    /// The whole archive.
    pub const WHOLE: Self = Self { number: 1, count: 1 };

    /// The shard of a number, from 1, among so many.
    ///
    /// # Errors
    /// When there is no such shard.
    pub fn new(number: u32, count: u32) -> Result<Self, ShardError> {
        match (number, count) {
            (_, 0) => Err(ShardError::Count),
            (_, count) if count > MOST => Err(ShardError::Count),
            (number, count) if number == 0 || number > count => Err(ShardError::Number(count)),
            _ => Ok(Self { number, count }),
        }
    }

    /// Its number, from 1.
    #[must_use]
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many shards there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.count
    }

    /// Whether an object is in this shard: by the first eight bytes of the SHA-256 of its key below the SOURCE, as a big-endian
    /// number, modulo the number of shards. Of an object that the SOURCE names outright, the key is the part behind the last slash.
    #[must_use]
    pub fn has(self, key: &str) -> bool {
        if self == Self::WHOLE {
            return true;
        }
        let hash = Sha256::digest(key).first_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first));
        hash % u64::from(self.count) == u64::from(self.number) - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        // No signs and no spaces, which `parse` would take or which an engine's variable may have by mistake.
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u32>().unwrap_or(u32::MAX)).ok_or(ShardError::Form)
        };
        let (at, count) = text.split_once('/').ok_or(ShardError::Form)?;
        Self::new(number(at)?, number(count)?)
    }
}

/// The part of a name below a root, by which its shard is told: neither depends on whether the root ends in a slash.
#[must_use]
pub fn key_below<'n>(name: &'n str, root: &str) -> &'n str {
    let below = name.strip_prefix(root).unwrap_or(name).trim_start_matches('/');
    if below.is_empty() { name.rsplit('/').next().unwrap_or(name) } else { below }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shards_are_read_and_refused() {
        for text in ["1/1", "3/8", "8/8", "100000/100000"] {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        }
        assert_eq!("03/08".parse::<Shard>(), "3/8".parse());
        for (text, error) in [
            ("0/8", ShardError::Number(8)),
            ("9/8", ShardError::Number(8)),
            ("4294967296/8", ShardError::Number(8)),
            ("0/0", ShardError::Count),
            ("1/0", ShardError::Count),
            ("1/100001", ShardError::Count),
            ("1/99999999999999999999", ShardError::Count),
            ("", ShardError::Form),
            ("3", ShardError::Form),
            ("/8", ShardError::Form),
            ("3/", ShardError::Form),
            ("3/8/9", ShardError::Form),
            ("+3/8", ShardError::Form),
            ("-1/8", ShardError::Form),
            ("3 / 8", ShardError::Form),
            ("3of8", ShardError::Form),
            ("1.5/8", ShardError::Form),
            ("٣/8", ShardError::Form),
        ] {
            assert_eq!(text.parse::<Shard>(), Err(error), "{text}");
        }
    }

    #[test]
    fn the_hash_is_the_documented_one() {
        // int.from_bytes(hashlib.sha256(b"a").digest()[:8], "big") % 8 + 1
        assert!("3/8".parse::<Shard>().unwrap().has("a"));
        assert!("4/8".parse::<Shard>().unwrap().has("AWSLogs/x.json.gz"));
    }

    #[test]
    fn a_key_does_not_depend_on_how_the_root_is_written() {
        for (name, root, key) in [
            ("s3://b/p/x.json.gz", "s3://b/p", "x.json.gz"),
            ("s3://b/p/x.json.gz", "s3://b/p/", "x.json.gz"),
            ("s3://b/p/x.json.gz", "s3://b/p/x.json.gz", "x.json.gz"),
            ("s3://b/p/q/x", "s3://b/", "p/q/x"),
            ("p/x", "", "p/x"),
            ("s3://b/x", "s3://other/", "s3://b/x"),
        ] {
            assert_eq!(key_below(name, root), key, "{name} {root}");
        }
    }

    proptest! {
        #[test]
        fn every_key_is_in_one_shard(key in ".{0,40}", count in 1..50_u32) {
            let having: Vec<u32> =
                (1..=count).filter(|number| Shard::new(*number, count).unwrap().has(&key)).collect();
            prop_assert_eq!(having.len(), 1);
        }
    }

    #[test]
    fn shards_are_even() {
        let names: Vec<String> = (0..40_000)
            .map(|n| format!("AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/{:02}/x_{n}.json.gz", n % 31 + 1))
            .collect();
        for count in [2, 3, 8, 100] {
            let mean = names.len() / count as usize;
            for number in 1..=count {
                let shard = Shard::new(number, count).unwrap();
                let size = names.iter().filter(|name| shard.has(name)).count();
                assert!(size.abs_diff(mean) * 3 < mean, "{shard}: {size} of {mean}");
            }
        }
    }
}
