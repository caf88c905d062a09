//! The bytes of a file of a report: few in memory, many in an unnamed temporary file that goes with the process. A report of fifty
//! thousand windows has a page of hundreds of megabytes.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use crate::hash::hex;
use crate::spill::Spill;

/// So many bytes are in memory at most.
const IN_MEMORY: usize = if cfg!(test) { 64 << 10 } else { 8 << 20 };

/// Bytes that were written, and their digest.
#[derive(Debug)]
pub struct Contents {
    place: Place,
    sha256: String,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    File(Spill),
}

impl Contents {
    /// What `render` writes.
    ///
    /// # Errors
    /// With what `render` fails with, or where the temporary file cannot be written.
    pub(super) fn of<E: From<io::Error>>(render: impl FnOnce(&mut Draft) -> Result<(), E>) -> Result<Self, E> {
        let mut draft = Draft { recent: Vec::new(), file: Spill::default(), digest: Sha256::new() };
        render(&mut draft)?;
        if !draft.file.is_empty() {
            draft.spill()?;
        }
        let Draft { recent, file, mut digest } = draft;
        digest.update(&recent);
        let place = if file.is_empty() { Place::Memory(recent) } else { Place::File(file) };
        Ok(Self { place, sha256: hex(&digest.finalize()) })
    }

    /// The SHA-256 of the bytes, in hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Writes the bytes elsewhere, too.
    ///
    /// # Errors
    /// When the temporary file cannot be read back, or there not be written.
    pub fn copy(&self, to: &mut impl Write) -> io::Result<()> {
        match &self.place {
            Place::Memory(bytes) => to.write_all(bytes),
            Place::File(file) => file.copy(to),
        }
    }

    /// The bytes, all in memory.
    ///
    /// # Errors
    /// When the temporary file cannot be read back.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.copy(&mut bytes)?;
        Ok(bytes)
    }
}

impl From<Vec<u8>> for Contents {
    fn from(bytes: Vec<u8>) -> Self {
        let sha256 = hex(&crate::hash::sha256(&bytes));
        Self { place: Place::Memory(bytes), sha256 }
    }
}

/// Bytes that are being written.
pub(super) struct Draft {
    /// Those that are in no file yet, and not in the digest.
    recent: Vec<u8>,
    file: Spill,
    digest: Sha256,
}

impl Draft {
    fn spill(&mut self) -> io::Result<()> {
        self.file.append(1, |file| file.write_all(&self.recent))?;
        self.digest.update(&self.recent);
        self.recent.clear();
        Ok(())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.recent.len().saturating_add(bytes.len()) > IN_MEMORY {
            self.spill()?;
        }
        self.recent.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;

    #[test]
    fn bytes_in_memory_and_in_a_file_are_those_that_were_written() {
        for count in [0, 1, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY] {
            for step in [7, 1000, IN_MEMORY + 1] {
                let bytes: Vec<u8> = (0..count).map(|n| (n % 251) as u8).collect();
                let contents =
                    Contents::of(|out| bytes.chunks(step).try_for_each(|chunk| out.write_all(chunk))).expect("written");
                assert_eq!(matches!(contents.place, Place::File(_)), count > IN_MEMORY, "{count}");
                assert_eq!(contents.sha256(), hex(&sha256(&bytes)), "{count} by {step}");
                for _twice in 0..2 {
                    assert!(contents.bytes().expect("read") == bytes, "{count} by {step}");
                }
                // Never fewer bytes than the manifest's digest is of.
                if let Place::File(file) = &contents.place {
                    file.set_len(1);
                    assert!(contents.bytes().is_err(), "{count} by {step}");
                }
            }
        }
    }
}
