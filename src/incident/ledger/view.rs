//! What there is in the ledger, for who asks: lists, the whole of it as JSON, counts, detections, and when the watch ran.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{ENTRY, Ledger, LedgerError, entry, millis, moment};
use crate::incident::diff::Entry;
use crate::incident::{Kind, Severity, State};

/// The name and version of the exported ledger.
pub const SCHEMA: &str = "mfatrail.ledger/1";

/// Which incidents are asked for: all that is set must hold, of a list one value.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Keys.
    pub keys: Vec<String>,
    /// States.
    pub states: Vec<State>,
    /// Accounts.
    pub accounts: Vec<String>,
    /// Kinds.
    pub kinds: Vec<Kind>,
    /// Severities.
    pub severities: Vec<Severity>,
    /// Opened at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Opened before this moment.
    pub to: Option<DateTime<Utc>>,
    /// Whether those that nobody was told of are left out.
    pub told: bool,
}

impl Filter {
    fn sql(&self) -> (String, Vec<Value>) {
        let mut values = Vec::new();
        let mut conditions = Vec::new();
        let mut any = |column: &str, wanted: Vec<String>| {
            if !wanted.is_empty() {
                let places: Vec<String> = (0..wanted.len()).map(|at| format!("?{}", values.len() + at + 1)).collect();
                conditions.push(format!("{column} IN ({})", places.join(", ")));
                values.extend(wanted.into_iter().map(Value::Text));
            }
        };
        let names = |names: Vec<&'static str>| names.into_iter().map(str::to_owned).collect();
        any("key", self.keys.clone());
        any("state", names(self.states.iter().map(|state| state.name()).collect()));
        any("account", self.accounts.clone());
        any("kind", names(self.kinds.iter().map(|kind| kind.name()).collect()));
        any("severity", names(self.severities.iter().map(|severity| severity.name()).collect()));
        let times = [(">=", self.from), ("<", self.to)];
        for (than, time) in times.iter().filter_map(|(than, time)| Some((than, (*time)?))) {
            values.push(Value::Integer(millis(time)));
            conditions.push(format!("opened_at {than} ?{}", values.len()));
        }
        if self.told {
            conditions.push("sequence > 0".to_owned());
        }
        let all = if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") };
        (all, values)
    }
}

/// One incident of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// What is known of it.
    pub entry: Entry,
    /// Since when somebody looks after it.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// When anything of it changed last.
    pub changed_at: DateTime<Utc>,
}

/// One transition, and what came of it in each channel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sent {
    /// The channel.
    pub channel: String,
    /// Which of the incident's transitions.
    pub sequence: u64,
    /// `pending`, `done`, `permanent` or `expired`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether an attempt may have arrived of which nobody knows.
    pub unknown: bool,
    /// When it is tried next; `None` where it is not, or waits for an earlier one.
    pub next_try: Option<DateTime<Utc>>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// What the channel had to say.
    pub note: Option<String>,
    /// When it was delivered.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Whether that is a detection.
    pub detects: bool,
    /// How the channel knows the incident.
    pub reference: Option<String>,
}

/// How many there are, by state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count {
    /// `incidents` or `deliveries`.
    pub what: String,
    /// The channel; empty for incidents.
    pub channel: String,
    /// The state.
    pub state: String,
    /// How many.
    pub n: u64,
}

/// An event that a delivered alert is a detection of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivered {
    /// When the channel had it.
    pub at: DateTime<Utc>,
    /// The channel.
    pub channel: String,
    /// The channel's reference, or the incident's key where it gave none.
    pub reference: String,
    /// The account.
    pub account: String,
    /// The event that opened the window.
    pub event_id: String,
}

/// When a watch ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Interval {
    /// Since when.
    pub from: DateTime<Utc>,
    /// Until when it is known to have run.
    pub to: DateTime<Utc>,
    /// Whether it was stopped, and did not just end.
    pub stopped: bool,
}

impl Ledger {
    fn rows<T>(
        &self,
        sql: &str,
        values: Vec<Value>,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        each: &mut dyn FnMut(T) -> io::Result<()>,
    ) -> Result<(), LedgerError> {
        let mut statement = self.connection.prepare(sql).map_err(|error| self.failed(error))?;
        let rows = statement.query_map(params_from_iter(values), read).map_err(|error| self.failed(error))?;
        for row in rows {
            each(row.map_err(|error| self.failed(error))?).map_err(LedgerError::Output)?;
        }
        Ok(())
    }

    fn collect<T>(
        &self,
        sql: &str,
        values: Vec<Value>,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, LedgerError> {
        let mut all = Vec::new();
        self.rows(sql, values, read, &mut |one| {
            all.push(one);
            Ok(())
        })?;
        Ok(all)
    }

    /// Gives the incidents that are asked for one by one, in order of opening.
    ///
    /// # Errors
    /// When the ledger cannot be read, or `each` fails.
    pub fn incidents(
        &self,
        filter: &Filter,
        each: &mut dyn FnMut(Listed) -> io::Result<()>,
    ) -> Result<(), LedgerError> {
        let (condition, values) = filter.sql();
        let sql = format!(
            "SELECT {ENTRY}, acknowledged_at, changed_at FROM incidents WHERE {condition} ORDER BY opened_at, key"
        );
        self.rows(&sql, values, listed, each)
    }

    /// The deliveries of an incident, by channel and number.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn deliveries(&self, key: &str) -> Result<Vec<Sent>, LedgerError> {
        let sql = "SELECT d.channel, d.sequence, d.state, d.attempts, d.unknown, d.next_try, d.last_error, d.note, \
             d.delivered_at, d.detects, r.reference FROM deliveries d \
             LEFT JOIN channel_references r ON r.channel = d.channel AND r.key = d.key WHERE d.key = ?1 ORDER BY 1, 2";
        self.collect(sql, vec![Value::Text(key.to_owned())], sent)
    }

    /// The alerts of an incident in order, as JSON: the bytes that are or were sent.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn alerts(&self, key: &str) -> Result<Vec<String>, LedgerError> {
        let sql = "SELECT alert FROM transitions WHERE key = ?1 ORDER BY sequence";
        self.collect(sql, vec![Value::Text(key.to_owned())], |row| row.get(0))
    }

    /// Writes the whole ledger as one JSON document, piece by piece.
    ///
    /// # Errors
    /// When it cannot be read, or not be written.
    pub fn export(&self, out: &mut dyn Write) -> Result<(), LedgerError> {
        let written = LedgerError::Output;
        write!(out, "{{\"schema\":\"{SCHEMA}\",\"runs\":").map_err(written)?;
        serde_json::to_writer(&mut *out, &self.runs()?).map_err(|error| written(error.into()))?;
        out.write_all(b",\"incidents\":[").map_err(written)?;
        let mut first = true;
        self.incidents(&Filter::default(), &mut |listed| {
            out.write_all(if std::mem::take(&mut first) { b"\n" } else { b",\n" })?;
            let sent = self.deliveries(&listed.entry.key).map_err(io::Error::other)?;
            let alerts = self.alerts(&listed.entry.key).map_err(io::Error::other)?;
            Ok(serde_json::to_writer(&mut *out, &Exported::new(&listed, &sent, &alerts)?)?)
        })?;
        out.write_all(b"\n]}\n").and_then(|()| out.flush()).map_err(written)
    }

    /// How many incidents and deliveries there are, by state. It takes no longer the more there were.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn counts(&self) -> Result<Vec<Count>, LedgerError> {
        let sql = "SELECT what, channel, state, n FROM counters ORDER BY what, channel, state";
        self.collect(sql, Vec::new(), |row| {
            let n: i64 = row.get(3)?;
            let n = u64::try_from(n).unwrap_or_default();
            Ok(Count { what: row.get(0)?, channel: row.get(1)?, state: row.get(2)?, n })
        })
    }

    /// Since when the oldest delivery of a channel waits.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn oldest(&self, channel: &str) -> Result<Option<DateTime<Utc>>, LedgerError> {
        let sql = "SELECT min(created_at) FROM deliveries WHERE channel = ?1 AND state = 'pending'";
        let oldest = self.connection.query_row(sql, [channel], |row| row.get::<_, Option<i64>>(0));
        Ok(oldest.map_err(|error| self.failed(error))?.map(moment))
    }

    /// The events that delivered alerts are detections of: of each event and channel the first, in order of time. Of an incident that was
    /// withdrawn, there was nothing to detect.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn detections(&self) -> Result<Vec<Delivered>, LedgerError> {
        // An alert of a burst names its members as they were then.
        let sql = "SELECT min(at), channel, reference, account, event_id FROM ( \
             SELECT d.delivered_at AS at, d.channel, coalesce(r.reference, d.key) AS reference, i.key, i.account, i.event_id \
             FROM deliveries d JOIN incidents i ON i.key = d.key \
             LEFT JOIN channel_references r ON r.channel = d.channel AND r.key = d.key \
             WHERE d.detects = 1 AND d.state = 'done' AND i.kind = 'window' AND i.state <> 'withdrawn' \
             UNION ALL SELECT d.delivered_at, d.channel, coalesce(r.reference, d.key), i.key, i.account, i.event_id \
             FROM deliveries d JOIN incidents b ON b.key = d.key AND b.kind = 'burst' \
             JOIN transitions t ON t.key = d.key AND t.sequence = d.sequence \
             JOIN json_each(t.alert, '$.members') m JOIN incidents i ON i.key = m.value \
             LEFT JOIN channel_references r ON r.channel = d.channel AND r.key = d.key \
             WHERE d.detects = 1 AND d.state = 'done' AND i.state <> 'withdrawn') \
             GROUP BY channel, key ORDER BY 1, 2, 5";
        self.collect(sql, Vec::new(), |row| {
            Ok(Delivered {
                at: moment(row.get(0)?),
                channel: row.get(1)?,
                reference: row.get(2)?,
                account: row.get(3)?,
                event_id: row.get(4)?,
            })
        })
    }

    /// Records that a watch runs: since `started_at`, and still at `now`; `stopped` where it ends.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn run(&mut self, started_at: DateTime<Utc>, now: DateTime<Utc>, stopped: bool) -> Result<(), LedgerError> {
        self.transaction(|transaction| {
            let sql = "INSERT INTO runs VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET alive_at = max(alive_at, ?2), stopped = ?3";
            transaction.execute(sql, (millis(started_at), millis(now), stopped))?;
            Ok(())
        })
    }

    /// When a watch ran, in order. What lies between two of them it did not see as it happened.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn runs(&self) -> Result<Vec<Interval>, LedgerError> {
        let sql = "SELECT started_at, alive_at, stopped FROM runs ORDER BY started_at";
        let interval =
            |row: &Row<'_>| Ok(Interval { from: moment(row.get(0)?), to: moment(row.get(1)?), stopped: row.get(2)? });
        self.collect(sql, Vec::new(), interval)
    }
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    Ok(Listed {
        entry: entry(row)?,
        acknowledged_at: row.get::<_, Option<i64>>(5)?.map(moment),
        changed_at: moment(row.get(6)?),
    })
}

fn sent(row: &Row<'_>) -> rusqlite::Result<Sent> {
    Ok(Sent {
        channel: row.get(0)?,
        sequence: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
        state: row.get(2)?,
        attempts: row.get(3)?,
        unknown: row.get(4)?,
        next_try: row.get::<_, Option<i64>>(5)?.map(moment),
        last_error: row.get(6)?,
        note: row.get(7)?,
        delivered_at: row.get::<_, Option<i64>>(8)?.map(moment),
        detects: row.get(9)?,
        reference: row.get(10)?,
    })
}

/// An incident in the exported ledger.
#[derive(Serialize)]
struct Exported<'e> {
    key: &'e str,
    state: State,
    sequence: u64,
    acknowledged_by: Option<&'e str>,
    acknowledged_at: Option<String>,
    changed_at: String,
    incident: &'e crate::incident::Incident,
    alerts: Vec<&'e RawValue>,
    deliveries: &'e [Sent],
}

impl<'e> Exported<'e> {
    fn new(listed: &'e Listed, sent: &'e [Sent], alerts: &'e [String]) -> io::Result<Self> {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let alerts: Result<Vec<&RawValue>, _> = alerts.iter().map(|alert| serde_json::from_str(alert)).collect();
        Ok(Self {
            key: &listed.entry.key,
            state: listed.entry.state,
            sequence: listed.entry.sequence,
            acknowledged_by: listed.entry.acknowledged_by.as_deref(),
            acknowledged_at: listed.acknowledged_at.map(time),
            changed_at: time(listed.changed_at),
            incident: &listed.entry.incident,
            alerts: alerts?,
            deliveries: sent,
        })
    }
}
