//! Extracted events as a scan gathers them: few in memory, the rest in a temporary file.
//!
//! A scan has buffers of its own, and its peak should not grow with what it finds. When it is over, they are gone, and the
//! events are read back.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom, Write};

use super::Event;

/// Events in memory of one worker: some 3 MiB.
const IN_MEMORY: usize = if cfg!(test) { 8 } else { 1 << 11 };

/// Events in memory and in unnamed temporary files that go with the process: in the order in which they were added, as long
/// as none of another worker are.
#[derive(Debug, Default)]
pub struct Events {
    recent: Vec<Event>,
    files: Vec<File>,
    count: usize,
}

impl Events {
    /// Adds one.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn push(&mut self, event: Event) -> io::Result<()> {
        self.recent.push(event);
        self.count += 1;
        if self.recent.len() < IN_MEMORY {
            return Ok(());
        }
        if self.files.is_empty() {
            self.files.push(tempfile::tempfile()?);
        }
        let Some(file) = self.files.first_mut() else { return Ok(()) };
        file.seek(SeekFrom::End(0))?;
        let mut writer = BufWriter::new(file);
        for event in self.recent.drain(..) {
            serde_json::to_writer(&mut writer, &event)?;
        }
        writer.flush()
    }

    /// Adds those of another worker.
    pub fn merge(&mut self, other: Self) {
        self.recent.extend(other.recent);
        self.files.extend(other.files);
        self.count += other.count;
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes all, and leaves none.
    ///
    /// # Errors
    /// When a temporary file cannot be read back.
    pub fn take(&mut self) -> io::Result<Vec<Event>> {
        let Self { recent, files, count } = std::mem::take(self);
        let mut events = Vec::with_capacity(count);
        for mut file in files {
            file.seek(SeekFrom::Start(0))?;
            for event in serde_json::Deserializer::from_reader(BufReader::new(file)).into_iter() {
                events.push(event?);
            }
        }
        events.extend(recent);
        if events.len() == count {
            return Ok(events);
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
