//! What a key or a path says: account, region, delivery day and time, and whose file it is.

use chrono::{DateTime, NaiveDate, Utc};

/// Whose file a key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Product {
    /// A CloudTrail log file, or a file outside the layout: read it.
    Log,
    /// Another product's file, CloudTrail's digests and Insights included: skipped by intent.
    Other,
}

/// What a key or path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Whose file.
    pub product: Product,
    /// The account folder; `None` outside the layout.
    pub account: Option<String>,
    /// The region folder.
    pub region: Option<String>,
    /// The date folders: the day of delivery.
    pub day: Option<NaiveDate>,
    /// The time in the file name: when CloudTrail delivered it, to the minute.
    pub delivered_at: Option<DateTime<Utc>>,
}
