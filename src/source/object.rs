//! An object as a listing tells it.

use std::path::PathBuf;

use chrono::{DateTime, SubsecRound, Utc};

use super::KeyInfo;

/// Where the bytes of an object are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// Standard input.
    Stdin,
    /// A regular file.
    File(PathBuf),
    /// A pipe or a device that was named outright: it is waited for.
    Pipe(PathBuf),
    /// An object of a bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// How reports name it: `s3://bucket/key`, or the path relative to the SOURCE with `/` between its segments.
    pub name: String,
    /// What its key or path says.
    pub key: KeyInfo,
    /// Bytes as stored, by the listing; 0 for standard input, and on disk where digests are asked for.
    pub size: u64,
    /// S3's entity tag, without quotes.
    pub etag: Option<String>,
    /// Last modification, as exactly as it is told: of a file it stands in for the entity tag. Not on disk where digests
    /// are asked for.
    pub modified: Option<DateTime<Utc>>,
    /// Where its bytes are.
    pub location: Location,
}

impl ObjectRef {
    /// When CloudTrail delivered it: the time in its name, else its last modification where it lies in a date folder;
    /// `None` for any other file. A copy's modification time says nothing of a file that was moved about by hand.
    #[must_use]
    pub fn delivered_at(&self) -> Option<DateTime<Utc>> {
        self.key.account.as_ref()?;
        // Security Lake puts events of many deliveries into a file, and writes files anew.
        if self.key.by_event_day {
            return None;
        }
        // Whole seconds, as S3 tells them.
        self.key.delivered_at.or_else(|| self.key.day.and(self.modified).map(|time| time.trunc_subsecs(0)))
    }
}
