//! Why a store cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};

use super::schema::SCHEMA;
use crate::disk;

/// Why a store cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An earlier step of the same run failed.
    #[error("the store is not written any more: an earlier step failed")]
    Ended,
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

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "free space there; the store holds what was committed before, and the next scan continues from it"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "give a store in a place that is yours",
        _ => "the store holds what was committed before, and the next scan continues from it",
    }
}

pub(super) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    // What is refused for what it is, such as a link, is no failure of the system: the store has been tampered with.
    move |source| match disk::refusal(&source) {
        Some(refusal) => damaged(&path, refusal),
        None => StoreError::Io { what, path, source },
    }
}

pub(super) fn damaged(path: &Path, what: impl ToString) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), what: what.to_string() }
}
