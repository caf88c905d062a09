//! The callers of envelopes as they come again: what each is among the notes, and the calls from its last address, folded.

use std::io;

use super::sightings::{Key, Sightings};
use super::texts::{Interner, NONE};
use crate::cloudtrail::{CallerTag, same};

/// A caller that an envelope has a tag for, what it is among the notes, and where it was last seen: most of its calls come
/// from one address, and are folded here before they go to the sightings.
#[derive(Debug, Clone)]
pub(super) struct CallerNumbers {
    pub(super) tag: Option<CallerTag>,
    pub(super) actor: u32,
    /// Under what its sightings are noted.
    pub(super) sighted: u32,
    pub(super) day: i64,
    /// The first and the last call; none where the first is later.
    pub(super) span: [i64; 2],
    /// The number of its account, and of the address that it called from last, once they were asked for. A caller with
    /// sightings has the address among these, others among the texts of rows.
    pub(super) account: u32,
    pub(super) source_ip: u32,
    /// That address; kept here, so that it is compared without a look elsewhere.
    pub(super) address: [u8; ADDRESS],
    pub(super) length: usize,
}

/// Bytes of the longest address that is folded: no address is longer, only hosts of services are.
const ADDRESS: usize = 40;

const NOWHEN: [i64; 2] = [i64::MAX, i64::MIN];

impl Default for CallerNumbers {
    fn default() -> Self {
        Self {
            tag: None,
            actor: NONE,
            sighted: NONE,
            day: 0,
            span: NOWHEN,
            account: NONE,
            source_ip: NONE,
            address: [0; ADDRESS],
            length: 0,
        }
    }
}

impl CallerNumbers {
    fn address(&self) -> &[u8] {
        self.address.get(..self.length).unwrap_or_default()
    }

    /// The number of an address; that of the last one is known.
    pub(super) fn number_of_address(&mut self, address: &[u8], texts: &mut Interner) -> io::Result<u32> {
        if self.source_ip == NONE || !same(self.address(), address) {
            let number = texts.number_of(address)?;
            if address.len() > ADDRESS {
                return Ok(number);
            }
            self.called_from(address);
            self.source_ip = number;
        }
        Ok(self.source_ip)
    }

    fn called_from(&mut self, address: &[u8]) {
        self.address.iter_mut().zip(address).for_each(|(to, from)| *to = *from);
        (self.length, self.source_ip) = (address.len(), NONE);
    }

    /// Adds what was folded here to the sightings; from here on it is nothing.
    pub(super) fn give(&mut self, sightings: &mut Sightings) -> io::Result<()> {
        let span = std::mem::replace(&mut self.span, NOWHEN);
        if span[0] > span[1] {
            return Ok(());
        }
        if self.source_ip == NONE {
            self.source_ip = sightings.texts.number_of(self.address())?;
        }
        sightings.add(Key { actor: self.sighted, source_ip: self.source_ip, day: self.day }, span);
        Ok(())
    }

    /// Folds a call; what was folded before is given away, if this is from elsewhere.
    pub(super) fn fold(&mut self, source_ip: &[u8], seconds: i64, sightings: &mut Sightings) -> io::Result<()> {
        let day = Key::day(seconds);
        if self.day == day && same(self.address(), source_ip) {
            self.span = [self.span[0].min(seconds), self.span[1].max(seconds)];
            return Ok(());
        }
        if source_ip.len() > ADDRESS {
            let source_ip = sightings.texts.number_of(source_ip)?;
            sightings.add(Key { actor: self.sighted, source_ip, day }, [seconds; 2]);
            return Ok(());
        }
        self.give(sightings)?;
        self.called_from(source_ip);
        (self.day, self.span) = (day, [seconds; 2]);
        Ok(())
    }
}
