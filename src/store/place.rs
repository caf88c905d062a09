//! Where a store is: a folder, or a prefix of a bucket.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::remote::Remote;
use super::{StoreError, io_error};
use crate::disk::Folder;
use crate::source::Source;
use crate::source::s3::{FileError, Only, S3Options};

/// A small file beside the tables, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What tells it from whatever is written there later; of a folder nothing.
    tag: Option<String>,
}

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

    /// A small file that lies beside the tables, such as what a watch leaves; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read, is no regular file, or is larger than `most` bytes.
    pub fn beside(&self, path: &str, most: u64) -> Result<Option<Beside>, StoreError> {
        match self {
            Self::Folder(dir) if !dir.is_dir() => Ok(None),
            Self::Folder(dir) => match Folder::open(dir).and_then(|home| home.read(Path::new(path), most)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                read => Ok(Some(Beside { bytes: read.map_err(io_error("read", &dir.join(path)))?, tag: None })),
            },
            Self::Bucket(remote) => {
                let read = remote.read_tagged(path, most)?;
                Ok(read.map(|(bytes, tag)| Beside { bytes, tag }))
            }
        }
    }

    /// Writes such a file. In a bucket only if what is there is still what was read `before`; tells whether it was written. In a folder
    /// in any case: whoever adds to a file there does so by the file itself.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace(&self, path: &str, bytes: Vec<u8>, before: Option<&Beside>) -> Result<bool, StoreError> {
        match (self, before) {
            (Self::Folder(_), _) => self.write(path, bytes).map(|()| true),
            (Self::Bucket(remote), None) => remote.put_only(path, bytes, Only::IfAbsent),
            (Self::Bucket(remote), Some(before)) => match &before.tag {
                Some(tag) => remote.put_only(path, bytes, Only::IfTag(tag.clone())),
                None => Err(remote.failed("write", path)(FileError::Refused("it has no entity tag".to_owned()))),
            },
        }
    }

    /// Writes such a file, whatever is there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        match self {
            Self::Folder(dir) => {
                let work = || {
                    let home = Folder::open(dir)?;
                    Path::new(path).parent().map_or(Ok(()), |folder| home.make(folder))?;
                    home.write(Path::new(path), &bytes)
                };
                work().map_err(io_error("write", &dir.join(path)))
            }
            Self::Bucket(remote) => remote.put(path, bytes),
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
