//! Why a store cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};

use super::schema::SCHEMA;
use crate::disk;

/// Why a store cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An earlier step of the same run failed.
    #[error("the store is no longer written to, because an earlier step failed")]
    Ended,
    /// Nothing there.
    #[error("no evidence store in `{}`\n  hint: `mfatrail scan SOURCE --store {}` creates one", .0.display(), .0.display())]
    Absent(PathBuf),
    /// The folder belongs to something else.
    #[error("`{}` is not an evidence store: it contains `{entry}`\n  hint: name a new or an empty directory", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// The first entry that no store has.
        entry: String,
    },
    /// Another version of the format.
    #[error("`{}` has schema `{found}`; this build reads `{SCHEMA}`\n  hint: {hint}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// What it bears.
        found: String,
        /// What to do.
        hint: &'static str,
    },
    /// Somebody else writes.
    #[error("the store `{}` is being written by {holder}\n  hint: wait until that process ends, or stop it; no committed data is lost", path.display())]
    Locked {
        /// The store.
        path: PathBuf,
        /// Who.
        holder: String,
    },
    /// What is given as the place of a store cannot be one.
    #[error("the store `{given}`: {reason}")]
    NoPlace {
        /// As it was given.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A request to the bucket of a store failed.
    #[error("could not {what} `{place}`: {reason}")]
    Remote {
        /// What was tried.
        what: &'static str,
        /// On what.
        place: String,
        /// What was wrong, and what to do.
        reason: String,
    },
    /// The bucket of a store takes a write that it must refuse: two writers would overwrite each other.
    #[error("`{0}` does not refuse to overwrite a file that is there (`If-None-Match: *`), and so cannot hold a store: two writers would destroy each other's commits
  hint: use S3, or a service with conditional writes; or a store in a folder")]
    Unconditional(PathBuf),
    /// Others wrote to the store, again and again, before this could.
    #[error(
        "the store `{0}` is written by so many that this commit did not get its turn
  hint: run it again: the store holds what was committed before, and it continues from there"
    )]
    Raced(PathBuf),
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
    #[error("`{}` is damaged: {what}\n  hint: `mfatrail store check` lists all damaged files; restore them from a copy, or delete the store and scan again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// What was read could not be kept for a while.
    #[error(
        "could not store evidence in a temporary file: {0}\n  hint: free space in the temporary directory, or set TMPDIR to another"
    )]
    Temporary(#[source] io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "free disk space there; everything committed so far is in the store, and the next scan continues from there"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "use a store in a folder that you can write to"
        }
        _ => "everything committed so far is in the store, and the next scan continues from there",
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
