//! What was read of the archive, and what is missing in it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::integrity::ArchiveIntegrity;
use super::whole_seconds;

/// What was listed, read, failed and skipped: `objects_listed = objects_read + objects_failed + objects_skipped`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// Objects in range.
    pub objects_listed: u64,
    /// Read whole.
    pub objects_read: u64,
    /// Not read, or not whole: each is in `failures`.
    pub objects_failed: u64,
    /// Skipped by intent: digests, Insights and other products' files.
    pub objects_skipped: u64,
    /// Records in the objects read.
    pub records: u64,
    /// Bytes as stored.
    pub bytes_compressed: u64,
    /// Bytes of JSON.
    pub bytes_raw: u64,
    /// `eventTime` of the first record read.
    #[serde(serialize_with = "whole_seconds::optional")]
    pub first_record: Option<DateTime<Utc>>,
    /// `eventTime` of the last record read.
    #[serde(serialize_with = "whole_seconds::optional")]
    pub last_record: Option<DateTime<Utc>>,
    /// Whether everything that was listed could be read, something was, and no two records of one event contradict each other.
    pub complete: bool,
    /// Objects and records per account, region and delivery day.
    pub days: Vec<CoverageDay>,
    /// Intervals of the period without any object, and what weakened the evidence.
    pub gaps: Vec<Gap>,
    /// Events of which several records say different things, by account and id.
    pub conflicts: Vec<Conflict>,
    /// What could not be read, in order of name.
    pub failures: Vec<ReadFailure>,
    /// Filled in by digest verification; `None` where no digests were verified.
    pub integrity: Option<ArchiveIntegrity>,
}

/// Objects of one account and region, delivered on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoverageDay {
    /// Account id of the key.
    pub account: String,
    /// Region of the key.
    pub region: String,
    /// `yyyy-mm-dd`, by the key's date folders.
    pub day: String,
    /// Objects read.
    pub objects: u64,
    /// Records in them.
    pub records: u64,
}

/// An interval in which the evidence is absent or was weakened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// The account.
    pub account: String,
    /// The region; `None` for all.
    pub region: Option<String>,
    /// Its first moment.
    #[serde(serialize_with = "whole_seconds::one")]
    pub from: DateTime<Utc>,
    /// The first moment after it.
    #[serde(serialize_with = "whole_seconds::one")]
    pub to: DateTime<Utc>,
    /// `no_objects`, `iam_region_not_read`, or the name of the event that weakened the evidence, such as `StopLogging`.
    pub cause: String,
    /// The event that tells of it, where one does.
    pub event_id: Option<String>,
}

impl Gap {
    /// Whether the trail itself was stopped or deleted: then nothing was recorded, whatever happened.
    #[must_use]
    pub fn is_stopped_trail(&self) -> bool {
        matches!(self.cause.as_str(), "StopLogging" | "DeleteTrail")
    }
}

/// Several records of one id that say different things: at least one of them is not CloudTrail's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Conflict {
    /// `recipientAccountId`.
    pub account: String,
    /// `eventID`.
    pub event_id: String,
    /// The objects that hold these records, sorted.
    pub objects: Vec<String>,
    /// The objects whose records count: those that a digest proves, or else all.
    pub kept: Vec<String>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ReadFailure {
    /// The object's key or the file's path.
    pub object: String,
    /// What was wrong, where.
    pub error: String,
}
