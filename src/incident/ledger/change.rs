//! One transaction: what the ledger has of incidents, what becomes of them, and what is to be sent because of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Statement, TransactionBehavior, params};

use super::{ENTRY, Ledger, LedgerError, entry, millis};
use crate::incident::diff::{Entry, Scope, Step};
use crate::incident::{Incident, Kind, State, Transition, key_of};

/// A channel that is to be told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipient {
    /// Its name.
    pub channel: String,
    /// Whether what it delivers counts as a detection.
    pub detects: bool,
}

/// A transaction. Nothing of it lasts unless it is committed; other writers wait meanwhile.
#[derive(Debug)]
pub struct Change<'l> {
    transaction: rusqlite::Transaction<'l>,
    place: &'l std::path::Path,
    now: DateTime<Utc>,
}

impl Ledger {
    /// Begins a transaction.
    ///
    /// # Errors
    /// When another writer has the ledger for too long.
    pub fn change(&mut self, now: DateTime<Utc>) -> Result<Change<'_>, LedgerError> {
        let Self { connection, place } = self;
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(|error| LedgerError::Sql(place.clone(), error))?;
        Ok(Change { transaction, place, now })
    }
}

impl Change<'_> {
    fn done<T>(&self, result: rusqlite::Result<T>) -> Result<T, LedgerError> {
        result.map_err(|error| LedgerError::Sql(self.place.to_owned(), error))
    }

    /// What the ledger has of the events of a scope: all incidents that one of them opened, or opened when it was first told of.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn entries(&self, scope: &Scope) -> Result<Vec<Entry>, LedgerError> {
        let read = || {
            let mut found = BTreeMap::new();
            let mut add = |read: Entry| drop(found.insert(read.key.clone(), read));
            match scope {
                Scope::All => add_each(&mut self.select("")?, [], &mut add)?,
                Scope::Events(events) => {
                    let mut by_event = self.select("WHERE account = ?1 AND event_id = ?2")?;
                    let mut by_key = self.select("WHERE key IN (?1, ?1 || ':burst')")?;
                    for (account, id) in events {
                        add_each(&mut by_event, [account, id], &mut add)?;
                        add_each(&mut by_key, [&key_of(account, id)], &mut add)?;
                    }
                }
            }
            Ok(found.into_values().collect())
        };
        self.done(read())
    }

    fn select(&self, condition: &str) -> rusqlite::Result<Statement<'_>> {
        self.transaction.prepare(&format!("SELECT {ENTRY} FROM incidents {condition}"))
    }

    fn of_key(&self, key: &str) -> rusqlite::Result<Option<Entry>> {
        self.select("WHERE key = ?1")?.query_row([key], entry).optional()
    }

    /// What the ledger has of one incident.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn entry(&self, key: &str) -> Result<Option<Entry>, LedgerError> {
        self.done(self.of_key(key))
    }

    /// Stores what is known of an incident now.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn store(&self, entry: &Entry) -> Result<(), LedgerError> {
        self.done(self.put(entry))
    }

    fn put(&self, entry: &Entry) -> rusqlite::Result<()> {
        let incident = &entry.incident;
        let text = serde_json::to_string(incident)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let sql = "INSERT INTO incidents (key, account, event_id, kind, state, severity, class, subject, owner, opened_at, \
             resolved_at, sequence, acknowledged_by, acknowledged_at, changed_at, incident) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, iif(?13 IS NULL, NULL, ?14), ?14, ?15) \
             ON CONFLICT (key) DO UPDATE SET account = ?2, event_id = ?3, kind = ?4, state = ?5, severity = ?6, class = ?7, \
             subject = ?8, owner = ?9, opened_at = ?10, resolved_at = ?11, sequence = ?12, \
             acknowledged_at = iif(acknowledged_by IS ?13, acknowledged_at, iif(?13 IS NULL, NULL, ?14)), acknowledged_by = ?13, \
             changed_at = ?14, incident = ?15";
        self.transaction.prepare(sql)?.execute(params![
            entry.key,
            incident.account,
            incident.event_id,
            incident.kind.name(),
            entry.state.name(),
            incident.severity.name(),
            incident.class.map(crate::contract::Class::name),
            incident.subject(),
            incident.owner,
            millis(incident.opened_at),
            incident.resolution.as_ref().and_then(|end| end.at).map(millis),
            number(entry.sequence),
            entry.acknowledged_by,
            millis(self.now),
            text,
        ])?;
        self.put_people(entry)
    }

    fn put_people(&self, entry: &Entry) -> rusqlite::Result<()> {
        self.transaction.execute("DELETE FROM people WHERE key = ?1", [&entry.key])?;
        let mut statement = self.transaction.prepare("INSERT OR IGNORE INTO people VALUES (?1, ?2, ?3)")?;
        for (account, person) in entry.incident.people().into_iter().filter(|_| entry.state != State::Withdrawn) {
            statement.execute([&account, &person, &entry.key])?;
        }
        Ok(())
    }

    /// The opening events of the incidents that calls by or about some people may change.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn touched_by(&self, people: &BTreeSet<(String, String)>) -> Result<BTreeSet<(String, String)>, LedgerError> {
        let read = || {
            let sql = "SELECT i.account, i.event_id FROM people p JOIN incidents i ON i.key = p.key \
                 WHERE p.account = ?1 AND p.person = ?2";
            let mut statement = self.transaction.prepare(sql)?;
            let mut touched = BTreeSet::new();
            for (account, person) in people {
                for row in statement.query_map([account, person], |row| Ok((row.get(0)?, row.get(1)?)))? {
                    touched.insert(row?);
                }
            }
            Ok(touched)
        };
        self.done(read())
    }

    /// Records a transition with the alert that says it, as JSON, and puts it into the outbox of each channel. What is sent again
    /// is these bytes again.
    ///
    /// # Errors
    /// When it cannot be written, or the ledger has a transition of this number already.
    pub fn tell(&self, step: &Step, alert: &str, to: &[Recipient]) -> Result<(), LedgerError> {
        self.done(self.put_transition(step, alert, to))
    }

    fn put_transition(&self, step: &Step, alert: &str, to: &[Recipient]) -> rusqlite::Result<()> {
        let (key, sequence) = (&step.entry.key, number(step.entry.sequence));
        let sql = "INSERT INTO transitions (key, sequence, transition, at, recorded_at, alert) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let values = params![key, sequence, step.transition.name(), millis(step.at), millis(self.now), alert];
        self.transaction.prepare(sql)?.execute(values)?;
        // One that waits for an earlier one gets its time when that is done.
        let sql = "INSERT INTO deliveries (channel, key, sequence, detects, state, attempts, in_flight, unknown, created_at, next_try) \
             SELECT ?1, ?2, ?3, ?4, 'pending', 0, 0, 0, ?5, iif(EXISTS (SELECT 1 FROM deliveries WHERE channel = ?1 AND key = ?2 \
             AND state = 'pending'), NULL, ?5)";
        let mut statement = self.transaction.prepare(sql)?;
        let mut to: Vec<&Recipient> = to.iter().collect();
        to.sort();
        to.dedup_by(|one, other| one.channel == other.channel);
        for recipient in to {
            statement.execute(params![recipient.channel, key, sequence, recipient.detects, millis(self.now)])?;
        }
        Ok(())
    }

    /// Records that somebody looks after an incident. Gives what is to be told because of it; nothing where nobody was told of
    /// the incident, or where it is known already.
    ///
    /// # Errors
    /// When there is no such incident, it is over, or it cannot be written.
    pub fn acknowledge(&self, key: &str, by: &str) -> Result<Option<Step>, LedgerError> {
        let before = self.done(self.of_key(key))?.ok_or_else(|| LedgerError::Unknown(key.to_owned()))?;
        if before.state.is_ended() {
            return Err(LedgerError::Ended(key.to_owned(), before.state.name()));
        }
        if before.acknowledged_by.as_deref() == Some(by) {
            return Ok(None);
        }
        let mut entry = Entry { state: State::Acknowledged, acknowledged_by: Some(by.to_owned()), ..before.clone() };
        if before.sequence > 0 {
            entry.sequence += 1;
        }
        self.store(&entry)?;
        let incident = before.incident;
        let step =
            Step { transition: Transition::Updated, at: self.now, entry, before: Some(incident), successor: None };
        Ok(Some(step).filter(|_| before.sequence > 0))
    }

    /// The channels that were told of an incident, or are to be: whoever was told that it opened is told what becomes of it.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn recipients(&self, key: &str) -> Result<Vec<Recipient>, LedgerError> {
        let read = || {
            let sql = "SELECT channel, max(detects) FROM deliveries WHERE key = ?1 GROUP BY channel ORDER BY channel";
            let mut statement = self.transaction.prepare(sql)?;
            let rows =
                statement.query_map([key], |row| Ok(Recipient { channel: row.get(0)?, detects: row.get(1)? }))?;
            rows.collect()
        };
        self.done(read())
    }

    /// What is known of the members of a burst.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn members(&self, burst: &Incident) -> Result<Vec<Incident>, LedgerError> {
        let mut members = Vec::new();
        for key in burst.members.iter().filter(|_| burst.kind == Kind::Burst) {
            members.extend(self.done(self.of_key(key))?.map(|entry| entry.incident));
        }
        Ok(members)
    }

    /// Makes all of it last.
    ///
    /// # Errors
    /// When it cannot be written to the disk; then nothing of it is.
    pub fn commit(self) -> Result<(), LedgerError> {
        let place = self.place.to_owned();
        self.transaction.commit().map_err(|error| LedgerError::Sql(place, error))
    }
}

fn add_each<const N: usize>(
    statement: &mut Statement<'_>,
    values: [&String; N],
    add: &mut dyn FnMut(Entry),
) -> rusqlite::Result<()> {
    for read in statement.query_map(rusqlite::params_from_iter(values), entry)? {
        add(read?);
    }
    Ok(())
}

fn number(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
