//! Why a bundle cannot be written or used.

use std::io;
use std::path::PathBuf;

/// Why a bundle cannot be written or used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file operation failed.
    #[error("could not {what} `{}`: {source}\n  hint: {hint}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// It is no zip file, or a damaged one.
    #[error("`{}` is not a bundle: {what}\n  hint: use a file that `mfatrail report --bundle` wrote", path.display())]
    NoBundle {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A member is not what `bundle.json` says.
    #[error("`{}`: its member `{member}` {what}\n  hint: the bundle was changed or damaged after it was made; get a new copy", path.display())]
    Member {
        /// The bundle.
        path: PathBuf,
        /// The member.
        member: String,
        /// What is wrong with it.
        what: String,
    },
}
