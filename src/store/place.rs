//! Where a store is: a folder, or a prefix of a bucket.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::StoreError;
use super::remote::Remote;
use crate::source::Source;
use crate::source::s3::S3Options;

/// Where a store is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// `s3://bucket/prefix`.
    Bucket(Arc<Remote>),
}

impl Place {
    /// Tells a bucket from a folder. Of a bucket the credentials are looked up, and nothing is asked; `cache` is where copies of its
    /// files are kept, none where they are not.
    ///
    /// # Errors
    /// When it looks like a bucket and is none, without credentials, or where the folder of copies cannot be used.
    pub fn parse(text: &OsStr, options: &S3Options, cache: Option<&Path>) -> Result<Self, StoreError> {
        match Source::parse(text) {
            Ok(Source::S3 { bucket, prefix }) => {
                Ok(Self::Bucket(Arc::new(Remote::open(&bucket, &prefix, options, cache)?)))
            }
            Ok(Source::Local(path)) => Ok(Self::Folder(path)),
            Ok(_) => Ok(Self::Folder(text.into())),
            Err(error) => {
                Err(StoreError::NoPlace { given: text.to_string_lossy().into_owned(), reason: error.to_string() })
            }
        }
    }

    /// Whether a text means a bucket.
    #[must_use]
    pub fn is_bucket(text: &OsStr) -> bool {
        matches!(Source::parse(text), Ok(Source::S3 { .. }))
    }

    /// The folder, if it is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(dir) => Some(dir),
            Self::Bucket(_) => None,
        }
    }

    /// A small file of a bucket that lies beside the tables; `None` where there is none, and of a folder.
    ///
    /// # Errors
    /// When it cannot be read, or is larger than `most` bytes.
    pub fn beside(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Folder(_) => Ok(None),
            Self::Bucket(remote) => remote.read(path, most),
        }
    }

    /// A file of the store, as messages name it.
    pub(super) fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        match self {
            Self::Folder(dir) => dir.join(path),
            Self::Bucket(remote) => format!("{remote}{}", path.as_ref().display()).into(),
        }
    }

    /// The store, as messages name it.
    pub(super) fn shown(&self) -> PathBuf {
        self.to_string().into()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(dir) => dir.display().fmt(f),
            Self::Bucket(remote) => f.write_str(remote.to_string().trim_end_matches('/')),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A folder: nothing tells how a bucket would be reached.
impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        PathBuf::deserialize(deserializer).map(Self::Folder)
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Folder(one), Self::Folder(other)) => one == other,
            (Self::Bucket(one), Self::Bucket(other)) => one.to_string() == other.to_string(),
            _ => false,
        }
    }
}

impl Eq for Place {}

impl From<&Path> for Place {
    fn from(dir: &Path) -> Self {
        Self::Folder(dir.to_owned())
    }
}

impl From<&PathBuf> for Place {
    fn from(dir: &PathBuf) -> Self {
        Self::Folder(dir.clone())
    }
}

impl From<PathBuf> for Place {
    fn from(dir: PathBuf) -> Self {
        Self::Folder(dir)
    }
}

impl From<&Place> for Place {
    fn from(place: &Place) -> Self {
        place.clone()
    }
}
