//! One writer at a time. The lock is the operating system's, and goes with the process however that ends; what is written
//! into the file only tells others whom to wait for.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{StoreError, io_error};
use crate::disk::Folder;

/// Its name in the store.
pub(super) const LOCK: &str = "lock";
/// The most bytes of it that are read.
pub(super) const LARGEST: u64 = 64 << 10;

/// Who writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// What it does, as typed.
    pub command: String,
    /// Since when.
    pub started_at: DateTime<Utc>,
}

impl Holder {
    /// This process.
    #[must_use]
    pub fn this(command: String, started_at: DateTime<Utc>) -> Self {
        Self { pid: std::process::id(), command, started_at }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = self.started_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        // What another process wrote is not trusted on a terminal.
        let command = self.command.escape_debug();
        write!(f, "process {} (`{command}`, since {since})", self.pid)
    }
}

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a folder that is no store, or says who has it.
    ///
    /// # Errors
    /// When another process has it, or the folder cannot be written.
    pub fn of(folder: &Path, holder: &Holder) -> Result<Self, StoreError> {
        let home = Folder::open(folder).map_err(io_error("open", folder))?;
        Self::take(&home, folder, holder)
    }

    /// Takes the lock of the store in `store`, which is open as `home`, or says who has it.
    pub(super) fn take(home: &Folder, store: &Path, holder: &Holder) -> Result<Self, StoreError> {
        let path = store.join(LOCK);
        let mut file = home.open_own(Path::new(LOCK)).map_err(io_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = Vec::new();
                let read = file.take(LARGEST).read_to_end(&mut text).ok();
                let other = read.and_then(|_| serde_json::from_slice::<Holder>(&text).ok());
                let holder = other.map_or_else(|| "another process".to_owned(), |other| other.to_string());
                return Err(StoreError::Locked { path: store.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &path)(error)),
        }
        let text = serde_json::to_vec(holder).map_err(|error| io_error("write", &path)(error.into()))?;
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&text)
        };
        write(&mut file).map_err(io_error("write", &path))?;
        Ok(Self { _file: file })
    }
}
