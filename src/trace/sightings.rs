//! Who was seen where on which day: calls of roles and services, of which nothing more is kept.
//!
//! Sessions are new every hour, so there are more of them the longer an archive is. What was seen is therefore written to a
//! temporary file, texts and all, when it becomes much, and memory stays what it is.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::io::{self, Read, Write};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Sighting;
use super::texts::{Interner, NumberHasher};
use crate::spill::{Spill, lost, read_text, write_text};

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

/// What was seen, in memory and in a temporary file.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    /// Callers and addresses. Their numbers hold until [`Sightings::write_out`].
    pub(super) texts: Interner,
    seen: HashMap<Key, Span, BuildHasherDefault<NumberHasher>>,
    spill: Spill,
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
        self.spill = Spill::default();
    }

    /// Writes everything to the file. Afterwards no number stands for anything.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(super) fn write_out(&mut self) -> io::Result<()> {
        let Self { texts, seen, spill } = self;
        spill.append(seen.len(), |writer| {
            for (key, [first, last]) in seen.drain() {
                for number in [key.actor, key.source_ip] {
                    write_text(writer, texts.text(number).ok_or_else(lost)?)?;
                }
                writer.write_all(&first.to_le_bytes())?;
                writer.write_all(&last.to_le_bytes())?;
            }
            Ok(())
        })?;
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
        let (mut actor, mut source_ip) = (Vec::new(), Vec::new());
        self.spill.for_each(|reader| {
            read_text(reader, &mut actor)?;
            read_text(reader, &mut source_ip)?;
            let span = [read(reader)?, read(reader)?].map(i64::from_le_bytes);
            let [actor, source_ip] =
                [&actor, &source_ip].map(|bytes| std::str::from_utf8(bytes).map_err(io::Error::other));
            let actor = actor?;
            if wanted(actor) {
                sightings.push(sighting(actor.into(), source_ip?.into(), span).ok_or_else(lost)?);
            }
            Ok(())
        })?;
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
        assert!(!sightings.spill.is_empty() && !sightings.seen.is_empty(), "some are in the file, some in memory");
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
            sightings.spill.set_len(sightings.spill.bytes().checked_add_signed(change).unwrap());
            assert!(sightings.of(|_| true).unwrap_err().to_string().contains("temporary file"), "{change}");
            sightings.forget();
            assert_eq!(sightings.of(|_| true).unwrap(), []);
        }
    }
}
