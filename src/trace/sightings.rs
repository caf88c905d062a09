//! Who was seen where on which day: calls of roles and services, of which nothing more is kept.
//!
//! Sessions are new every hour, so there are more of them the longer an archive is. What was seen is therefore written to a
//! temporary file, texts and all, when it becomes much, and memory stays what it is.

use std::collections::HashMap;
use std::fs::File;
use std::hash::BuildHasherDefault;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Sighting;
use super::spill::{lost, rewind};
use super::texts::{Interner, NumberHasher};

/// What is kept in memory by one worker: those that come again while they are there are one.
const IN_MEMORY: usize = if cfg!(test) { 16 } else { 1 << 15 };

/// One caller at one address on one UTC day. The texts are numbers of [`Sightings::texts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) actor: u32,
    pub(super) source_ip: u32,
    pub(super) day: i64,
}

impl Key {
    /// The UTC day of a time in seconds.
    pub(super) fn day(seconds: i64) -> i64 {
        seconds.div_euclid(86_400)
    }
}

/// The first and the last call, in seconds since 1970.
pub(super) type Span = [i64; 2];

/// What was seen, in memory and in an unnamed temporary file that goes with the process.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    /// Callers and addresses. Their numbers hold until [`Sightings::write_out`].
    pub(super) texts: Interner,
    seen: HashMap<Key, Span, BuildHasherDefault<NumberHasher>>,
    file: Option<File>,
    /// How many are in the file, and in how many bytes.
    written: [u64; 2],
}

impl Sightings {
    pub(super) fn add(&mut self, key: Key, [first, last]: Span) {
        let span = self.seen.entry(key).or_insert([first, last]);
        *span = [span[0].min(first), span[1].max(last)];
    }

    /// Whether it is time for [`Sightings::write_out`].
    pub(super) fn are_many(&self) -> bool {
        self.seen.len() >= IN_MEMORY || self.texts.count() >= 2 * IN_MEMORY
    }

    /// Forgets what was seen. The numbers of texts hold.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
        (self.file, self.written) = (None, [0; 2]);
    }

    /// Writes everything to the file. Afterwards no number stands for anything.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(super) fn write_out(&mut self) -> io::Result<()> {
        let Self { texts, seen, file, written: [count, bytes] } = self;
        let file = match file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.seek(SeekFrom::End(0))?;
        let mut writer = BufWriter::new(file);
        for (key, [first, last]) in seen.drain() {
            for number in [key.actor, key.source_ip] {
                let text = texts.text(number).ok_or_else(lost)?;
                writer.write_all(&u32::try_from(text.len()).map_err(io::Error::other)?.to_le_bytes())?;
                writer.write_all(text.as_bytes())?;
                *bytes += 4 + text.len() as u64;
            }
            writer.write_all(&first.to_le_bytes())?;
            writer.write_all(&last.to_le_bytes())?;
            *bytes += 16;
            *count += 1;
        }
        writer.flush()?;
        *texts = Interner::default();
        Ok(())
    }

    /// Those of some callers, in no order; a caller may have several at one address on one day.
    ///
    /// # Errors
    /// When the temporary file cannot be read back, or does not hold what was written to it.
    pub(super) fn of(&mut self, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<Sighting>> {
        let mut sightings = Vec::new();
        for (key, span) in &self.seen {
            let [actor, source_ip] = [key.actor, key.source_ip].map(|number| self.texts.text(number));
            let (actor, source_ip) = actor.zip(source_ip).ok_or_else(lost)?;
            if wanted(actor) {
                sightings.push(sighting(actor.clone(), source_ip.clone(), *span).ok_or_else(lost)?);
            }
        }
        let Some(file) = &mut self.file else { return Ok(sightings) };
        let [count, bytes] = self.written;
        rewind(file, bytes)?;
        let mut reader = BufReader::new(file);
        let (mut actor, mut source_ip) = (Vec::new(), Vec::new());
        for _ in 0..count {
            read_text(&mut reader, &mut actor)?;
            read_text(&mut reader, &mut source_ip)?;
            let [first, last] = [read(&mut reader)?, read(&mut reader)?].map(i64::from_le_bytes);
            let [actor, source_ip] =
                [&actor, &source_ip].map(|bytes| std::str::from_utf8(bytes).map_err(io::Error::other));
            let actor = actor?;
            if wanted(actor) {
                sightings.push(sighting(actor.into(), source_ip?.into(), [first, last]).ok_or_else(lost)?);
            }
        }
        Ok(sightings)
    }
}

fn sighting(actor: Arc<str>, source_ip: Arc<str>, [first, last]: Span) -> Option<Sighting> {
    Some(Sighting {
        actor,
        source_ip,
        first: DateTime::<Utc>::from_timestamp(first, 0)?,
        last: DateTime::<Utc>::from_timestamp(last, 0)?,
    })
}

fn read<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads a text behind its length.
fn read_text(reader: &mut impl Read, text: &mut Vec<u8>) -> io::Result<()> {
    text.clear();
    let length = u64::from(u32::from_le_bytes(read(reader)?));
    if reader.take(length).read_to_end(text)? as u64 == length { Ok(()) } else { Err(lost()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_out_is_read_back_with_what_is_not() {
        let mut sightings = Sightings::default();
        let mut expected = Vec::new();
        for n in 0..3 * IN_MEMORY + 5 {
            let (actor, address) = (format!("AROAEXAMPLE:session-{}", n % 30), format!("192.0.2.{}", n % 7));
            let key = Key {
                actor: sightings.texts.number(&actor),
                source_ip: sightings.texts.number(&address),
                day: Key::day(n as i64),
            };
            sightings.add(key, [n as i64, n as i64 + 5]);
            expected.extend(sighting(actor.into(), address.into(), [n as i64, n as i64 + 5]));
            if sightings.are_many() {
                sightings.write_out().unwrap();
            }
        }
        assert!(sightings.file.is_some() && !sightings.seen.is_empty(), "some are in the file, some in memory");
        for _ in 0..2 {
            let mut told = sightings.of(|actor| actor != "AROAEXAMPLE:session-3").unwrap();
            let order = |one: &Sighting| (one.actor.clone(), one.source_ip.clone(), one.first);
            told.sort_by_key(order);
            expected.retain(|one| *one.actor != *"AROAEXAMPLE:session-3");
            expected.sort_by_key(order);
            // 210 differ, so each of these was seen once.
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn a_file_that_is_not_as_it_was_written_gives_nothing() {
        for change in [-30, -16, -4, -1, 1] {
            let mut sightings = Sightings::default();
            for n in 0..3 {
                let [actor, source_ip] = ["AROAEXAMPLE:one", "192.0.2.1"].map(|text| sightings.texts.number(text));
                sightings.add(Key { actor, source_ip, day: n }, [n, n]);
            }
            sightings.write_out().unwrap();
            let file = sightings.file.as_ref().unwrap();
            let length = file.metadata().unwrap().len();
            file.set_len(length.checked_add_signed(change).unwrap()).unwrap();
            assert!(sightings.of(|_| true).unwrap_err().to_string().contains("temporary file"), "{change}");
            sightings.forget();
            assert_eq!(sightings.of(|_| true).unwrap(), []);
        }
    }
}
