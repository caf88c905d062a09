//! Extracted events as a scan gathers them: few in memory, the rest in a temporary file.
//!
//! A scan has buffers of its own, and its peak should not grow with what it finds. When it is over, they are gone, and the
//! events are read back.

use std::io;

use serde::Deserialize;

use super::{Event, Texts};
use crate::spill::Spill;

/// Events in memory of one worker: some 3 MiB.
const IN_MEMORY: usize = if cfg!(test) { 8 } else { 1 << 11 };

/// Events in memory and in temporary files: in the order in which they were added, as long
/// as none of another worker are.
#[derive(Debug, Default)]
pub struct Events {
    recent: Vec<Event>,
    spills: Vec<Spill>,
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
        if self.spills.is_empty() {
            self.spills.push(Spill::default());
        }
        let Self { recent, spills, .. } = self;
        let Some(spill) = spills.first_mut() else { return Ok(()) };
        spill.append(recent.len(), |writer| {
            recent.drain(..).try_for_each(|event| Ok(serde_json::to_writer(&mut *writer, &event)?))
        })
    }

    /// Adds those of another worker.
    pub fn merge(&mut self, other: Self) {
        self.recent.extend(other.recent);
        self.spills.extend(other.spills);
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
    /// When a temporary file cannot be read back, or does not hold what was written to it.
    pub fn take(&mut self) -> io::Result<Vec<Event>> {
        let Self { recent, spills, count } = std::mem::take(self);
        let mut events = Vec::with_capacity(count);
        let mut texts = Texts::default();
        for mut spill in spills {
            spill.for_each(|reader| {
                let mut event = Event::deserialize(&mut serde_json::Deserializer::from_reader(reader))?;
                texts.share_with(&mut event);
                events.push(event);
                Ok(())
            })?;
        }
        events.extend(recent);
        Ok(events)
    }
}
