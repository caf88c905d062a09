//! Periods of time.

use chrono::{DateTime, Datelike, NaiveTime, Utc};
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

    /// Whether it is as long as another: by the clock, or in calendar months.
    #[must_use]
    pub fn is_as_long_as(&self, other: Self) -> bool {
        let months = |period: Self| {
            let starts_month = |at: DateTime<Utc>| at.day() == 1 && at.time() == NaiveTime::MIN;
            let number = |at: DateTime<Utc>| i64::from(at.year()) * 12 + i64::from(at.month());
            (starts_month(period.from) && starts_month(period.to)).then(|| number(period.to) - number(period.from))
        };
        self.to - self.from == other.to - other.from || (months(*self).is_some() && months(*self) == months(other))
    }
}
