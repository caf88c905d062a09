//! Temporary files: what is written there must come back, or the run fails.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};

/// Goes to the beginning of a file of so many bytes.
///
/// # Errors
/// Where it has another length: then something else wrote to it, or what was written is gone.
pub(super) fn rewind(file: &mut File, bytes: u64) -> io::Result<()> {
    if file.metadata()?.len() != bytes {
        return Err(lost());
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(())
}

/// A temporary file does not give back what was written to it.
pub(super) fn lost() -> io::Error {
    io::Error::other("a temporary file of calls does not hold what was written to it")
}
