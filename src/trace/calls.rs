//! Calls as rows of numbers: in memory, and the earlier ones in a temporary file.

use std::io::{self, Read, Write};

use crate::spill::{Spill, lost};

/// A call, in 57 bytes of the temporary file. Texts and actors are numbers of the part's interners.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) time: i64,
    pub(super) id: u128,
    pub(super) account: u32,
    pub(super) actor: u32,
    pub(super) source_ip: u32,
    pub(super) service: u32,
    pub(super) name: u32,
    pub(super) about: u32,
    /// The event that the record says again.
    pub(super) original: u32,
    /// Among the part's objects.
    pub(super) object: u32,
    pub(super) flags: u8,
}

pub(super) const READ_ONLY: u8 = 1;
pub(super) const FAILED: u8 = 2;
pub(super) const MFA_KNOWN: u8 = 4;
pub(super) const MFA: u8 = 8;
pub(super) const SIGN_IN_KNOWN: u8 = 16;
pub(super) const SIGN_IN_MFA: u8 = 32;
/// The event's id is no UUID; the row's `id` is its number among the texts.
pub(super) const TEXT_ID: u8 = 64;
/// A proven digest names the object.
pub(super) const VERIFIED: u8 = 128;

/// The flags of a row.
pub(super) fn flags(read_only: bool, failed: bool, session_mfa: Option<bool>, sign_in_mfa: Option<bool>) -> u8 {
    let when = |holds: bool, flag: u8| if holds { flag } else { 0 };
    when(read_only, READ_ONLY)
        | when(failed, FAILED)
        | session_mfa.map_or(0, |mfa| MFA_KNOWN | when(mfa, MFA))
        | sign_in_mfa.map_or(0, |mfa| SIGN_IN_KNOWN | when(mfa, SIGN_IN_MFA))
}

/// Takes the first `N` bytes of `from`.
fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = from.split_first_chunk::<N>()?;
    *from = tail;
    Some(*head)
}

impl Row {
    /// Bytes in the temporary file.
    const SIZE: usize = 8 + 16 + 8 * 4 + 1;

    fn pack(&self, into: &mut Vec<u8>) {
        into.extend(self.time.to_le_bytes());
        into.extend(self.id.to_le_bytes());
        let who = [self.account, self.actor, self.source_ip, self.service];
        for number in who.into_iter().chain([self.name, self.about, self.original, self.object]) {
            into.extend(number.to_le_bytes());
        }
        into.push(self.flags);
    }

    fn unpack(mut from: &[u8]) -> Option<Self> {
        let from = &mut from;
        Some(Self {
            time: i64::from_le_bytes(take(from)?),
            id: u128::from_le_bytes(take(from)?),
            account: u32::from_le_bytes(take(from)?),
            actor: u32::from_le_bytes(take(from)?),
            source_ip: u32::from_le_bytes(take(from)?),
            service: u32::from_le_bytes(take(from)?),
            name: u32::from_le_bytes(take(from)?),
            about: u32::from_le_bytes(take(from)?),
            original: u32::from_le_bytes(take(from)?),
            object: u32::from_le_bytes(take(from)?),
            flags: take::<1>(from)?[0],
        })
    }
}

/// Rows in memory, and the earlier ones in a temporary file.
#[derive(Debug, Default)]
pub(super) struct Rows {
    recent: Vec<Row>,
    spill: Spill,
}

impl Rows {
    /// Adds one.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(super) fn push(&mut self, row: Row, in_memory: usize) -> io::Result<()> {
        self.recent.push(row);
        if self.recent.len() < in_memory {
            return Ok(());
        }
        let Self { recent, spill } = self;
        spill.append(recent.len(), |writer| {
            let mut packed = Vec::with_capacity(Row::SIZE);
            for row in recent.drain(..) {
                packed.clear();
                row.pack(&mut packed);
                writer.write_all(&packed)?;
            }
            Ok(())
        })
    }

    /// Gives all rows, those in the file first.
    ///
    /// # Errors
    /// When the file cannot be read, or does not hold the rows that were written to it.
    pub(super) fn for_each(&mut self, mut visit: impl FnMut(Row)) -> io::Result<()> {
        let mut packed = [0; Row::SIZE];
        self.spill.for_each(|reader| {
            reader.read_exact(&mut packed)?;
            visit(Row::unpack(&packed).ok_or_else(lost)?);
            Ok(())
        })?;
        self.recent.iter().copied().for_each(visit);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::texts::NONE;

    #[test]
    fn rows_survive_the_temporary_file() {
        let mut rows = Rows::default();
        let row = |n: u32| Row {
            time: i64::from(n),
            id: u128::MAX - u128::from(n),
            account: n,
            actor: n + 1,
            source_ip: NONE,
            service: n + 2,
            name: n + 3,
            about: n + 4,
            original: NONE,
            object: n + 5,
            flags: 7,
        };
        for n in 0..25 {
            rows.push(row(n), 10).unwrap();
        }
        assert_eq!(rows.recent.len(), 5, "twenty rows are in the file");
        for _ in 0..2 {
            let mut seen = Vec::new();
            rows.for_each(|row| seen.push((row.time, row.id, row.account, row.object, row.flags))).unwrap();
            let want: Vec<_> = (0..25).map(|n| (i64::from(n), u128::MAX - u128::from(n), n, n + 5, 7)).collect();
            assert_eq!(seen, want);
        }
    }

    #[test]
    fn a_file_that_is_not_as_it_was_written_gives_nothing() {
        let row = Row {
            time: 0,
            id: 0,
            account: 0,
            actor: 0,
            source_ip: NONE,
            service: 0,
            name: 0,
            about: NONE,
            original: NONE,
            object: 0,
            flags: 0,
        };
        let size = Row::SIZE as u64;
        for length in [0, size - 1, size, 9 * size, 10 * size - 1, 10 * size + 1, 11 * size] {
            let mut rows = Rows::default();
            (0..12).for_each(|_| rows.push(row, 10).unwrap());
            rows.spill.set_len(length);
            let mut given = 0;
            let error = rows.for_each(|_| given += 1).unwrap_err();
            assert!(error.to_string().contains("temporary file"), "{length}: {error}");
            assert_eq!(given, 0, "{length}");
        }
    }
}
