//! Records of CloudTrail as Amazon Security Lake keeps them: events of OCSF in Parquet files, read back into CloudTrail's own JSON.
//!
//! A lake has two versions of this source: OCSF 1.0.0-rc.2 and 1.1.0. Both put the fields of a record elsewhere, and neither keeps all of
//! them. What is not there is left out of the JSON, so that whoever reads it does not know it, and never takes it for "no". Which field is
//! where comes from the published mappings (ocsf/examples, `mappings/markdown/AWS`) and from AWS's queries for both versions.
//!
//! A file is a stranger's: before anything is decoded, the depth of its schema, its rows and the sizes of all its pages are held against a
//! limit, for a few bytes can say that there are billions of values.

mod cell;
mod file;
mod record;

pub use file::File;

/// What a Parquet file begins with.
pub const MAGIC: &[u8] = b"PAR1";

/// Why a Parquet file gives no records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OcsfError {
    /// Another table than Security Lake's.
    #[error(
        "a Parquet file without the column `{0}`: not CloudTrail events as Security Lake writes them (hint: give the folder of CLOUD_TRAIL_MGMT)"
    )]
    Foreign(&'static str),
    /// The file itself cannot be read.
    #[error("a damaged Parquet file: {0}")]
    Damaged(String),
    /// A version of OCSF that Security Lake does not use for CloudTrail.
    #[error(
        "row {row}: OCSF {found} is not supported (hint: Security Lake's source versions are 1, OCSF 1.0.0-rc.2, and 2, OCSF 1.1.0)"
    )]
    Version {
        /// From 1.
        row: usize,
        /// `metadata.version`, as it is to be shown.
        found: String,
    },
    /// Events of something else than CloudTrail.
    #[error("row {row}: an event of {found}, not of CloudTrail (hint: give the folder of CLOUD_TRAIL_MGMT)")]
    Product {
        /// From 1.
        row: usize,
        /// `metadata.product.name`, as it is to be shown.
        found: String,
    },
    /// One event larger than any record that CloudTrail writes.
    #[error("row {row}: larger than {most} bytes, which is more than a record can have")]
    Record {
        /// From 1.
        row: usize,
        /// The most bytes of its texts.
        most: usize,
    },
    /// More than the limit for one object, in Parquet's pages or as JSON.
    #[error("inflates to more than the limit of {} (hint: `--inflate-limit`)", crate::units::display_size(*.0))]
    TooLarge(u64),
}
