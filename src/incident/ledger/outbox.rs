//! What is to be sent, and what came of it.
//!
//! Of one incident a channel gets one transition after the other: the next one when the one before was delivered, refused for good
//! or given up. None is left out because a later one says more: what a channel shows of an incident is its whole story.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Transaction, TransactionBehavior, params};

use super::{Ledger, LedgerError, millis};
use crate::incident::Outcome;

/// How long after the first attempt a delivery is tried.
pub const PATIENCE: TimeDelta = TimeDelta::days(1);
/// The wait after the first attempt; it doubles with each.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(2);
/// The longest wait that no channel asked for.
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(15);

/// One transition for one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The incident.
    pub key: String,
    /// Which of its transitions.
    pub sequence: u64,
    /// The alert, as JSON.
    pub alert: String,
    /// How the channel knows the incident, if it was told before.
    pub reference: Option<String>,
    /// Whether an earlier attempt may have arrived.
    pub repetition: bool,
    /// The number of this attempt, from 1.
    pub attempt: u32,
}

impl Ledger {
    /// Takes what a channel is to be told now, `limit` at most and of each incident one, and marks each as being sent: if the
    /// process ends before [`Self::record`], nobody knows whether it arrived, and the next one repeats it as such.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub fn take(&mut self, channel: &str, now: DateTime<Utc>, limit: usize) -> Result<Vec<Due>, LedgerError> {
        self.transaction(|transaction| {
            let due = due(transaction, channel, now, limit)?;
            let sql = "UPDATE deliveries SET in_flight = 1, attempts = attempts + 1, first_try = coalesce(first_try, ?4), \
                 next_try = NULL WHERE channel = ?1 AND key = ?2 AND sequence = ?3";
            let mut mark = transaction.prepare(sql)?;
            for one in &due {
                mark.execute(params![channel, one.key, number(one.sequence), millis(now)])?;
            }
            Ok(due)
        })
    }

    /// Records what came of an attempt. What may be sent again is sent after the wait that the channel asked for, or else after
    /// one that doubles each time, up to a quarter of an hour, less up to a half of it by `seed`; a day after the first attempt it
    /// is given up.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record(
        &mut self,
        channel: &str,
        due: &Due,
        outcome: &Outcome,
        now: DateTime<Utc>,
        seed: u64,
    ) -> Result<(), LedgerError> {
        self.transaction(|transaction| {
            let id = params![channel, due.key, number(due.sequence)];
            let first_try: Option<i64> = transaction.query_row(
                "SELECT first_try FROM deliveries WHERE channel = ?1 AND key = ?2 AND sequence = ?3",
                id,
                |row| row.get(0),
            )?;
            let gives_up = first_try.is_some_and(|first| millis(now) - first >= PATIENCE.num_milliseconds());
            let written = Written::new(due, outcome, now, seed, gives_up);
            transaction.execute(
                "UPDATE deliveries SET in_flight = 0, state = ?4, next_try = ?5, last_error = coalesce(?6, last_error), \
                 note = coalesce(?7, note), unknown = max(unknown, ?8), delivered_at = ?9 \
                 WHERE channel = ?1 AND key = ?2 AND sequence = ?3",
                params![
                    channel,
                    due.key,
                    number(due.sequence),
                    written.state,
                    written.next_try.map(millis),
                    written.error,
                    written.note,
                    written.unknown,
                    (written.state == "done").then(|| millis(now)),
                ],
            )?;
            if let Some(reference) = written.reference {
                let sql = "INSERT INTO channel_references VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET reference = ?3";
                transaction.execute(sql, params![channel, due.key, reference])?;
            }
            if written.state != "pending" {
                transaction.execute(
                    "UPDATE deliveries SET next_try = ?3 WHERE channel = ?1 AND key = ?2 AND state = 'pending' AND sequence = \
                     (SELECT min(sequence) FROM deliveries WHERE channel = ?1 AND key = ?2 AND state = 'pending')",
                    params![channel, due.key, millis(now)],
                )?;
            }
            Ok(())
        })
    }

    /// Gives back what was taken and not sent.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn give_back(&mut self, channel: &str, due: &Due, now: DateTime<Utc>) -> Result<(), LedgerError> {
        self.transaction(|transaction| {
            let sql = "UPDATE deliveries SET in_flight = 0, attempts = attempts - 1, next_try = ?4, \
                 first_try = iif(attempts = 1, NULL, first_try) WHERE channel = ?1 AND key = ?2 AND sequence = ?3 AND in_flight = 1";
            transaction.execute(sql, params![channel, due.key, number(due.sequence), millis(now)])?;
            Ok(())
        })
    }

    /// When a channel is to be told next; `None` where nothing waits, or all that waits is being sent.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn next_due(&self, channel: &str) -> Result<Option<DateTime<Utc>>, LedgerError> {
        let sql =
            "SELECT min(next_try) FROM deliveries WHERE channel = ?1 AND state = 'pending' AND next_try IS NOT NULL";
        let next = self.connection.query_row(sql, [channel], |row| row.get::<_, Option<i64>>(0));
        Ok(next.map_err(|error| self.failed(error))?.map(super::moment))
    }

    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        let Self { connection, place } = self;
        let run = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        run().map_err(|error| LedgerError::Sql(place.clone(), error))
    }
}

fn due(transaction: &Transaction<'_>, channel: &str, now: DateTime<Utc>, limit: usize) -> rusqlite::Result<Vec<Due>> {
    let sql = "SELECT d.key, d.sequence, t.alert, r.reference, d.unknown, d.attempts + 1 FROM deliveries d \
         JOIN transitions t ON t.key = d.key AND t.sequence = d.sequence \
         LEFT JOIN channel_references r ON r.channel = d.channel AND r.key = d.key \
         WHERE d.channel = ?1 AND d.state = 'pending' AND d.next_try IS NOT NULL AND d.next_try <= ?2 \
         ORDER BY d.next_try, d.key LIMIT ?3";
    let mut statement = transaction.prepare(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![channel, millis(now), limit], |row| {
        Ok(Due {
            key: row.get(0)?,
            sequence: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
            alert: row.get(2)?,
            reference: row.get(3)?,
            repetition: row.get(4)?,
            attempt: row.get(5)?,
        })
    })?;
    rows.collect()
}

/// What an outcome makes of a delivery.
struct Written<'o> {
    state: &'static str,
    next_try: Option<DateTime<Utc>>,
    error: Option<&'o str>,
    note: Option<&'o str>,
    unknown: bool,
    reference: Option<&'o str>,
}

impl<'o> Written<'o> {
    fn new(due: &Due, outcome: &'o Outcome, now: DateTime<Utc>, seed: u64, gives_up: bool) -> Self {
        let done = |state, error| Self { state, next_try: None, error, note: None, unknown: false, reference: None };
        let again = |wait: Option<Duration>, reason: &'o String, unknown| {
            let asked = wait.and_then(|wait| TimeDelta::from_std(wait).ok());
            let next_try = now + asked.unwrap_or_else(|| back_off(due, seed)).min(PATIENCE);
            let state = if gives_up { "expired" } else { "pending" };
            Self { next_try: Some(next_try).filter(|_| !gives_up), unknown, ..done(state, Some(reason.as_str())) }
        };
        match outcome {
            Outcome::Delivered { reference, note } => {
                Self { reference: reference.as_deref(), note: note.as_deref(), ..done("done", None) }
            }
            Outcome::RepeatAfter { wait, reason } => again(*wait, reason, false),
            Outcome::Permanent { reason } => done("permanent", Some(reason)),
            Outcome::Unknown { wait, reason } => again(*wait, reason, true),
            Outcome::Partial { reference, unknown, wait, reason } => {
                Self { reference: Some(reference), ..again(*wait, reason, *unknown) }
            }
        }
    }
}

/// The wait before the next attempt: so that many channels that failed together do not come back together, each waits between
/// a half and all of it.
fn back_off(due: &Due, seed: u64) -> TimeDelta {
    let doublings = due.attempt.saturating_sub(1).min(16);
    let whole = (FIRST_WAIT * 2_i32.pow(doublings)).min(LONGEST_WAIT).num_milliseconds();
    let mixed = due.key.bytes().fold(seed ^ u64::from(due.attempt), |mixed, byte| {
        (mixed.rotate_left(23) ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    let half = whole / 2;
    let part = i64::try_from(mixed % u64::try_from(half.max(1)).unwrap_or(1)).unwrap_or_default();
    TimeDelta::milliseconds(whole - part)
}

fn number(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
