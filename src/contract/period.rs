//! Periods of time.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::whole_seconds;

/// A half-open period `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// Its first moment.
    #[serde(serialize_with = "whole_seconds::one")]
    pub from: DateTime<Utc>,
    /// The first moment after it.
    #[serde(serialize_with = "whole_seconds::one")]
    pub to: DateTime<Utc>,
}

impl Period {
    /// Whether `time` lies in the period.
    #[must_use]
    pub fn contains(&self, time: DateTime<Utc>) -> bool {
        self.from <= time && time < self.to
    }
}
