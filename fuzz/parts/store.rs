//! Opening a store: its mark and its commit log. What is in the Parquet files is polars' to read; `tests/it/corpora.rs` damages those.

use std::path::Path;

#[path = "../../src/store/error.rs"]
mod error;
#[path = "../../src/store/file.rs"]
mod file;
#[path = "../../src/store/log.rs"]
mod log;
mod place {
    //! Where a store is: here always a folder.

    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use super::remote::Remote;

    pub enum Place {
        Folder(PathBuf),
        Bucket(Arc<Remote>),
    }

    impl Place {
        pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
            match self {
                Self::Folder(folder) => folder.join(path),
                Self::Bucket(remote) => remote.never(),
            }
        }

        pub fn shown(&self) -> PathBuf {
            self.join("")
        }
    }
}
mod remote {
    //! A prefix of a bucket, of which there is none here.

    use super::StoreError;

    pub enum Remote {}

    pub struct File {
        pub key: String,
    }

    pub struct Fetching(Remote);

    impl Fetching {
        pub fn wait(self) -> Result<(Vec<u8>, Option<String>), String> {
            self.0.never()
        }
    }

    impl Remote {
        pub fn never<T>(&self) -> T {
            match *self {}
        }

        pub fn read(&self, _path: &str, _most: u64) -> Result<Option<Vec<u8>>, StoreError> {
            self.never()
        }

        pub fn begin(&self, _path: &str, _most: u64) -> Fetching {
            self.never()
        }

        pub fn list(&self, _folder: &str, _after: Option<&str>, _most: usize) -> Result<Vec<File>, StoreError> {
            self.never()
        }

        pub fn failed(&self, _what: &'static str, _path: &str) -> impl FnOnce(String) -> StoreError + use<> {
            self.never::<fn(String) -> StoreError>()
        }
    }
}
#[path = "../../src/store/schema.rs"]
mod schema;

use error::{damaged, io_error};
use place::Place;

pub use error::StoreError;

const IAM: &str = "iam/";

pub struct Store(log::State);

impl Store {
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        log::load(&Place::Folder(dir.to_owned())).map(Self)
    }
}
