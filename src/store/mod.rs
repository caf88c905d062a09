//! The evidence store: what was extracted, from which object, and which objects were read, so that an archive is read once
//! and asked for ever.
//!
//! A store is a folder of Parquet files that DuckDB, pandas or Athena read by their names, without this program:
//! `docs/evidence-schema.md` says what every column means. What counts is not what lies in the folders but what the commit
//! log lists (`log`): files are never changed, a commit adds some and retires others in one step, so that a run that is
//! killed leaves either the state before a commit or the one after it. One process writes at a time (`lock`); readers need
//! no lock.
//!
//! What was read is known by object (location, entity tag and size), never by time, for CloudTrail delivers late
//! (`index`). Rows hold everything that a report takes from the archive, and name their object, so that a narrower range
//! or another choice of accounts gives what the archive itself would give (`read`).

mod check;
mod excerpt;
mod frame;
mod gather;
mod index;
mod keep;
mod lock;
mod log;
mod notes;
mod read;
mod rows;
mod schema;
mod sql;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

pub use check::{Checked, check};
pub use gather::{Gathered, Key, Needed};
pub use index::{Index, Seen};
pub use keep::{Keep, Kept, Limits, Sink, record};
pub use lock::Holder;
pub use notes::{Arrived, Run, RunKind};
pub use read::{Asked, Found, Judged, Store};
pub use rows::{ObjectRow, Status, location};
pub use schema::{Column, Dataset, Kind, SCHEMA};
pub use sql::SqlError;
pub use write::Writer;

/// Why a store cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing there.
    #[error("no evidence store in `{}`\n  hint: `mfatrail scan SOURCE --store {}` makes one", .0.display(), .0.display())]
    Absent(PathBuf),
    /// The folder belongs to something else.
    #[error("`{}` is no evidence store: it holds `{entry}`\n  hint: name a new or an empty directory", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// The first entry that no store has.
        entry: String,
    },
    /// Another version of the format.
    #[error("`{}` is of schema `{found}`, this build reads `{SCHEMA}`\n  hint: {hint}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// What it bears.
        found: String,
        /// What to do.
        hint: &'static str,
    },
    /// Somebody else writes.
    #[error("the store `{}` is being written by {holder}\n  hint: wait until that has ended, or end it: nothing is lost by it", path.display())]
    Locked {
        /// The store.
        path: PathBuf,
        /// Who.
        holder: String,
    },
    /// A file operation failed.
    #[error("could not {what} `{}`: {source}\n  hint: {}", path.display(), hint(source))]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A file is not what the log says.
    #[error("`{}` is damaged: {what}\n  hint: `mfatrail store check` names every damaged file; restore it from a copy, or remove the store and scan again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// What was read could not be kept for a while.
    #[error(
        "could not keep what was read in a temporary file: {0}\n  hint: free space in the temporary directory, or set TMPDIR to another"
    )]
    Temporary(#[source] io::Error),
}

/// The folder of IAM snapshots.
const IAM: &str = "iam/";

/// How the path of a moment's snapshot begins; the commit's number follows. The order of paths is that of the moments.
fn iam_path(taken_at: DateTime<Utc>) -> String {
    format!("{IAM}{}", taken_at.format("%Y%m%dT%H%M%SZ"))
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "free space there; the store holds what was committed before, and the next scan continues from it"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "give a store in a place that is yours",
        _ => "the store holds what was committed before, and the next scan continues from it",
    }
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { what, path, source }
}

fn damaged(path: &Path, what: impl ToString) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), what: what.to_string() }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
