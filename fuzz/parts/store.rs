//! Opening a store: its mark and its commit log. What is in the Parquet files is polars' to read; `tests/it/corpora.rs` damages those.

use std::path::Path;

#[path = "../../src/store/error.rs"]
mod error;
#[path = "../../src/store/log.rs"]
mod log;
#[path = "../../src/store/schema.rs"]
mod schema;

use error::{damaged, io_error};

pub use error::StoreError;

const IAM: &str = "iam/";

pub struct Store(log::State);

impl Store {
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        log::load(dir).map(Self)
    }
}
