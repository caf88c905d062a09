//! mfatrail's own snapshot of IAM state: kept today, so that a report of last month can be made next month.
//!
//! Pretty JSON in a fixed order, so that two snapshots can be compared line by line and the same state gives the same
//! bytes.

use std::fs::File;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::error::InventoryError;
use super::state::IamState;
use crate::disk;
use crate::inputs::Problem;
use crate::inputs::error::json_problem;

/// The name and version of the format.
pub const SCHEMA: &str = "mfatrail.iam-snapshot/1";
const NAME: &str = "mfatrail.iam-snapshot";
/// How much of a file tells whether it is a snapshot.
const HEAD: u64 = 4096;
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Snapshot<'a> {
    schema: &'static str,
    #[serde(flatten)]
    state: &'a IamState,
}

#[derive(Deserialize)]
struct Header {
    schema: Option<String>,
}

/// Writes a snapshot.
///
/// # Errors
/// Where `out` cannot be written to.
pub fn write(state: &IamState, mut out: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut out, &Snapshot { schema: SCHEMA, state })?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Whether `text` is a JSON object that names a schema, as the AWS CLI's files do not.
pub(crate) fn names_a_schema(text: &str) -> bool {
    serde_json::from_str::<Header>(text).is_ok_and(|header| header.schema.is_some())
}

/// Whether a file is a snapshot, of this version or another.
pub fn is_one(file: &mut File) -> bool {
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head).is_ok() && disk::begins_with_schema(&head, NAME)
}

/// Reads a snapshot from text; `file` is the name that errors bear.
///
/// # Errors
/// [`InventoryError`] where it is malformed, or of a format that this build does not know.
pub fn from_text(file: &str, text: &str) -> Result<IamState, InventoryError> {
    let fail = |error: serde_json::Error| InventoryError::malformed(file, json_problem(text, &error));
    let header: Header = serde_json::from_str(text).map_err(fail)?;
    let schema = header.schema.unwrap_or_default();
    let version = schema
        .strip_prefix(NAME)
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|version| version.parse::<u32>().ok());
    match version {
        Some(VERSION) => serde_json::from_str(text).map_err(fail),
        Some(newer) if newer > VERSION => Err(InventoryError::malformed(
            file,
            Problem::whole(format!(
                "is a snapshot with schema {newer}; this build reads up to {VERSION} (hint: use the version of mfatrail that wrote it, or a newer one)"
            )),
        )),
        _ => Err(InventoryError::malformed(
            file,
            Problem::whole(format!(
                "has schema `{schema}`; a snapshot has `{SCHEMA}` (hint: `mfatrail iam snapshot` writes one)"
            )),
        )),
    }
}
