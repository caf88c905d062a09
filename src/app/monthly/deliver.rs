//! Copies of a month's files in a bucket. What is there and was not written by an earlier run is never overwritten.

use std::collections::BTreeMap;
use std::path::Path;

use crate::app::Error;
use crate::bundle::sha256;
use crate::disk::Folder;
use crate::source::s3::{Bucket, FileError, Only, Part, S3Options};

/// The largest file that is copied: one request of S3 takes no more.
pub(super) const LARGEST: u64 = 5 << 30;

/// The SHA-256 of each file that was copied to one place, by its name.
pub(super) type Copied = BTreeMap<String, String>;

/// A prefix of a bucket, for a month's files.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The bucket.
    pub bucket: String,
    /// What the keys begin with, the month's name included.
    pub prefix: String,
    /// How it is reached.
    pub options: S3Options,
}

/// A destination that is open.
pub(super) struct Delivered {
    bucket: Bucket,
    prefix: String,
}

impl Delivered {
    pub(super) fn open(to: &Destination) -> Result<Self, Error> {
        let bucket = Bucket::open(&to.bucket, &to.options).map_err(Error::failed)?;
        Ok(Self { bucket, prefix: to.prefix.trim_matches('/').to_owned() })
    }

    /// As it is written: `s3://bucket/prefix`.
    pub(super) fn name(&self) -> String {
        format!("s3://{}/{}", self.bucket.name(), self.prefix)
    }

    /// Copies the files that are not there yet as they are, and removes those that an earlier run copied and that are no part of the
    /// month any more; `known` is what earlier runs copied, and `save` keeps it after each file. Gives how many were copied.
    pub(super) fn deliver(
        &self,
        folder: &Path,
        files: &[String],
        known: &mut Copied,
        save: &mut dyn FnMut(&Copied) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        let home = Folder::open(folder).map_err(|error| Error::Failed(error.to_string()))?;
        let mut copied = 0;
        for name in files {
            let bytes = home
                .read(Path::new(name), LARGEST)
                .map_err(|error| Error::Failed(format!("could not read `{name}`: {error}")))?;
            let digest = sha256(&bytes);
            if known.get(name) == Some(&digest) {
                continue;
            }
            let only = if known.contains_key(name) { Only::Always } else { Only::IfAbsent };
            self.copy(name, bytes, only)?;
            copied += 1;
            known.insert(name.clone(), digest);
            save(known)?;
        }
        let gone: Vec<String> = known.keys().filter(|name| !files.contains(name)).cloned().collect();
        for name in gone {
            self.bucket.remove(&self.key(&name)).wait().map_err(|error| failed(&name, &error))?;
            known.remove(&name);
            save(known)?;
        }
        save(known)?;
        Ok(copied)
    }

    fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    /// Writes one file; where this program did not write it before, only if nothing else is there.
    fn copy(&self, name: &str, bytes: Vec<u8>, only: Only) -> Result<(), Error> {
        let key = self.key(name);
        match self.bucket.write(&key, bytes.clone(), only).wait() {
            Ok(_) => Ok(()),
            // A run that was killed may have written it.
            Err(FileError::Present) => {
                let part = Part { most: bytes.len() as u64, ..Part::default() };
                match self.bucket.read(&key, part).wait() {
                    Ok((there, _)) if there == bytes => Ok(()),
                    _ => Err(Error::Failed(format!(
                        "`{key}` is there already, with other contents (hint: name another prefix, or remove it)"
                    ))),
                }
            }
            Err(error) => Err(failed(name, &error)),
        }
    }
}

fn failed(name: &str, error: &FileError) -> Error {
    Error::Failed(format!("`{name}`: {error}"))
}
