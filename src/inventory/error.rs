//! Why IAM state could not be had.

use std::path::PathBuf;

use crate::disk;
use crate::inputs::Problem;

/// Why IAM state could not be had.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// A file or directory cannot be read.
    #[error("cannot read `{}`: {source}{}", .path.display(), disk::hint(source))]
    Io {
        /// Which.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A file is malformed.
    #[error("`{file}`: {problem}")]
    Malformed {
        /// The file, as it was named.
        file: String,
        /// What is wrong, and where.
        problem: Problem,
    },
    /// The files do not make one state: what is wrong, and what to do.
    #[error("{0}")]
    Unusable(String),
    /// AWS could not be asked, or did not answer.
    #[error("{0}")]
    Aws(String),
}

impl InventoryError {
    pub(crate) fn malformed(file: &str, problem: Problem) -> Self {
        Self::Malformed { file: file.to_owned(), problem }
    }
}
