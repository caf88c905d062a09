//! What a channel refuses for good is told by those that work: otherwise nobody but a log knows that somebody was not told.
//!
//! Of each incident and channel the first refusal is told, and none of what tells of one: two channels that refuse tell each other nothing.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::Request;
use crate::alert::Alert;
use crate::alert::text::{self, Setting};
use crate::app::Error;
use crate::incident::Transition;
use crate::incident::diff::Step;
use crate::incident::ledger::change::Recipient;
use crate::incident::ledger::{Ledger, LedgerError};

/// An alert that a channel refused.
pub(super) struct Refusal<'r> {
    pub(super) channel: &'r str,
    pub(super) alert: &'r Alert,
    /// Why; without secrets.
    pub(super) reason: &'r str,
}

impl Refusal<'_> {
    /// Puts an update of the incident into the outbox of the other channels: of those that were told of it, else of all.
    pub(super) fn tell(&self, ledger: &mut Ledger, request: &Request, now: DateTime<Utc>) -> Result<(), Error> {
        if text::is_of_refusal(self.alert) || self.is_known(ledger).map_err(Error::failed)? {
            return Ok(());
        }
        let change = ledger.change(now).map_err(Error::failed)?;
        let key = &self.alert.key;
        let others = self.others(change.recipients(key).map_err(Error::failed)?, request);
        let Some(mut entry) = change.entry(key).map_err(Error::failed)?.filter(|_| !others.is_empty()) else {
            return Ok(());
        };
        entry.sequence += 1;
        change.store(&entry).map_err(Error::failed)?;
        let before = Some(entry.incident.clone());
        let members = change.members(&entry.incident).map_err(Error::failed)?;
        let step = Step { transition: Transition::Updated, at: now, entry, before, successor: None };
        let place = request.store.to_string();
        let alert =
            text::of_refusal(&step, Setting { now, store: &place, members: &members }, self.channel, self.reason);
        let json = serde_json::to_string(&alert).map_err(Error::failed)?;
        change.tell(&step, &json, &others).map_err(Error::failed)?;
        change.commit().map_err(Error::failed)
    }

    /// Whether the channel refused something of this incident before.
    fn is_known(&self, ledger: &Ledger) -> Result<bool, LedgerError> {
        let sent = ledger.deliveries(&self.alert.key)?;
        let earlier = |state: &str, sequence: u64| state == "permanent" && sequence < self.alert.sequence;
        Ok(sent.iter().any(|one| one.channel == self.channel && earlier(&one.state, one.sequence)))
    }

    fn others(&self, told: Vec<Recipient>, request: &Request) -> Vec<Recipient> {
        let channels = &request.config.channels;
        let names: BTreeSet<&str> = channels.iter().map(|entry| entry.name.as_str()).collect();
        let is_other = |one: &Recipient| one.channel != self.channel && names.contains(one.channel.as_str());
        let told: Vec<Recipient> = told.into_iter().filter(is_other).collect();
        if !told.is_empty() {
            return told;
        }
        // That they hear of it is no detection of what happened.
        let all = names.iter().map(|name| Recipient { channel: (*name).to_owned(), detects: false });
        all.filter(is_other).collect()
    }
}
