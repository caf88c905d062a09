//! A file of a store: as the log names it, and as it is to be added.

use serde::{Deserialize, Serialize};

use super::StoreError;

/// One file of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its path in the store, with `/`.
    pub path: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// In a bucket, the entity tag that it got when it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// In a checkpoint, the commit that added it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

/// A file to be added.
#[derive(Debug)]
pub(super) struct NewFile {
    /// Its path in the store.
    pub(super) path: String,
    pub(super) content: Content,
}

/// What makes the rows of a file, counted, and its bytes.
type Make = Box<dyn FnOnce() -> Result<(u64, Vec<u8>), StoreError>>;

/// The rows of a file, and its bytes.
pub(super) enum Content {
    Here(u64, Vec<u8>),
    /// Made when the file is written, so that many need not be in memory at once. A table without rows is no file.
    Later(Make),
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Here(rows, bytes) => f.debug_tuple("Here").field(rows).field(&bytes.len()).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

impl Content {
    /// Its rows and bytes; `None` where there are no rows.
    pub(super) fn made(self) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        match self {
            Self::Here(rows, bytes) => Ok(Some((rows, bytes))),
            Self::Later(make) => make().map(|(rows, bytes)| (rows > 0).then_some((rows, bytes))),
        }
    }
}
