//! What was told of which incident to whom: a SQLite file beside the store, `watch/ledger.sqlite`, as docs/watch-ledger.md
//! describes it.
//!
//! Whatever is to be sent is written here, in the same transaction as what is known of the incident, before anything is sent
//! ([`change`]). An attempt is marked before it is made, so that a process that ends in between leaves what it was sending as an
//! attempt of which nobody knows whether it arrived ([`outbox`]). Whoever only looks needs no more than [`view`].
//!
//! Every commit is flushed to the disk. Several threads and processes may have it open, each by a connection of its own.

pub mod change;
pub mod outbox;
mod schema;
pub mod view;

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags, Row, TransactionBehavior};

use super::diff::Entry;
use super::{Incident, State};
use crate::disk::{self, Folder};

pub use schema::{TABLES, VERSION};

/// The folder of the watch in a store.
pub const FOLDER: &str = "watch";
/// The ledger in a store.
pub const PLACE: &str = "watch/ledger.sqlite";

/// How long another writer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// What every file of SQLite begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Something else has its place.
    #[error(
        "`{0}` is not a ledger that mfatrail wrote: {1}\n  hint: move it away: a new ledger is made, and `mfatrail watch --from TIME` tells again what happened since then"
    )]
    Foreign(PathBuf, String),
    /// Its version is unknown.
    #[error(
        "`{0}` was written by a newer version of mfatrail (ledger version {1}; this one reads {VERSION})\n  hint: use that version"
    )]
    Newer(PathBuf, i64),
    /// Its content is not what was written.
    #[error(
        "the ledger `{0}` is damaged: {1}\n  hint: restore it from a backup, or move it away: a new ledger is made, and `mfatrail watch --from TIME` tells again what happened since then"
    )]
    Damaged(PathBuf, String),
    /// The file cannot be opened.
    #[error("could not open the ledger `{0}`: {1}{hint}", hint = disk::hint(.1))]
    Io(PathBuf, #[source] io::Error),
    /// What was read could not be passed on.
    #[error("could not write what the ledger has: {0}")]
    Output(#[source] io::Error),
    /// SQLite failed.
    #[error("the ledger `{0}` could not be used: {1}")]
    Sql(PathBuf, #[source] rusqlite::Error),
    /// There is no such incident.
    #[error("the ledger has no incident `{0}`\n  hint: `mfatrail watch incidents` lists them")]
    Unknown(String),
    /// It is over.
    #[error("incident `{0}` is over ({1}): there is nothing to acknowledge")]
    Ended(String, &'static str),
}

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    place: PathBuf,
}

impl Ledger {
    /// Opens the ledger of a store for the process that watches, and makes one where there is none. Its integrity is checked,
    /// and what an earlier process was sending when it ended becomes an attempt whose outcome is unknown.
    ///
    /// # Errors
    /// When something else is in its place, it is damaged or of a newer version, or cannot be written.
    pub fn open(store: &Path) -> Result<Self, LedgerError> {
        let ledger = Self::connect(store)?;
        ledger.check()?;
        ledger.connection.execute(schema::INTERRUPTED, []).map_err(|error| ledger.failed(error))?;
        Ok(ledger)
    }

    /// Opens the ledger of a store once more, or beside the process that watches, and makes one where there is none.
    ///
    /// # Errors
    /// As of [`Self::open`], but that damage is found only where it is met.
    pub fn connect(store: &Path) -> Result<Self, LedgerError> {
        let place = store.join(PLACE);
        let opened = |error| LedgerError::Io(place.clone(), error);
        let home = Folder::open(store).map_err(opened)?;
        home.make(Path::new(FOLDER)).map_err(opened)?;
        let file = home.open_own(Path::new(PLACE)).map_err(opened)?;
        begins(file, &place)?;
        check_beside(&home, store)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let mut ledger = Self::at(store, place, flags)?;
        ledger.writable()?;
        Ok(ledger)
    }

    /// Opens the ledger of a store for reading; `None` where there is none.
    ///
    /// # Errors
    /// When something else is in its place, or it is damaged or of a newer version.
    pub fn read(store: &Path) -> Result<Option<Self>, LedgerError> {
        let place = store.join(PLACE);
        let opened = |error| LedgerError::Io(place.clone(), error);
        let home = Folder::open(store).map_err(opened)?;
        let file = match home.file(Path::new(PLACE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(opened)?,
        };
        if begins(file, &place)? {
            return Ok(None);
        }
        check_beside(&home, store)?;
        let ledger = Self::at(store, place, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        if ledger.is_blank()? {
            return Ok(None);
        }
        ledger.known()?;
        ledger.check()?;
        Ok(Some(ledger))
    }

    fn at(store: &Path, place: PathBuf, flags: OpenFlags) -> Result<Self, LedgerError> {
        // SQLite refuses every link on the way; those to the store are its user's own.
        let real = store.canonicalize().map_err(|error| LedgerError::Io(place.clone(), error))?.join(PLACE);
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let opened = Connection::open_with_flags(real, flags);
        let connection = opened.map_err(|error| LedgerError::Sql(place.clone(), error))?;
        let ledger = Self { connection, place };
        let set = |ledger: &Self| {
            ledger.connection.busy_timeout(PATIENCE)?;
            ledger.connection.pragma_update(None, "trusted_schema", false)
        };
        set(&ledger).map_err(|error| ledger.failed(error))?;
        Ok(ledger)
    }

    fn writable(&mut self) -> Result<(), LedgerError> {
        if !self.is_blank()? {
            self.known()?;
        }
        let set = |connection: &Connection| {
            connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))
        };
        set(&self.connection).map_err(|error| self.failed(error))?;
        if self.is_blank()? {
            self.create()?;
            self.known()?;
        }
        Ok(())
    }

    /// Makes the tables, unless another process was first.
    fn create(&mut self) -> Result<(), LedgerError> {
        let create = |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if is_blank(&transaction)? {
                transaction.execute_batch(&schema::creation())?;
            }
            transaction.commit()
        };
        create(&mut self.connection).map_err(|error| self.failed(error))
    }

    fn is_blank(&self) -> Result<bool, LedgerError> {
        is_blank(&self.connection).map_err(|error| self.failed(error))
    }

    /// Refuses what this version did not make: its tables and what hangs on them are known to the letter.
    fn known(&self) -> Result<(), LedgerError> {
        let number = |name: &str| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let read = || Ok((number("application_id")?, number("user_version")?));
        let (application, version) = read().map_err(|error| self.failed(error))?;
        if application != schema::APPLICATION {
            let why = "it is a SQLite database of another program".to_owned();
            return Err(LedgerError::Foreign(self.place.clone(), why));
        }
        if version > VERSION {
            return Err(LedgerError::Newer(self.place.clone(), version));
        }
        let made = self.definitions().map_err(|error| self.failed(error))?;
        if made == schema::definitions() {
            return Ok(());
        }
        Err(LedgerError::Damaged(self.place.clone(), "its tables are not those that mfatrail creates".to_owned()))
    }

    fn definitions(&self) -> rusqlite::Result<Vec<String>> {
        let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY sql";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        rows.collect()
    }

    fn check(&self) -> Result<(), LedgerError> {
        let checked = self.connection.pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0));
        match checked.map_err(|error| self.failed(error))? {
            sound if sound == "ok" => Ok(()),
            flaw => Err(LedgerError::Damaged(self.place.clone(), flaw)),
        }
    }

    /// What SQLite's error means.
    fn failed(&self, error: rusqlite::Error) -> LedgerError {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => LedgerError::Damaged(self.place.clone(), error.to_string()),
            _ => LedgerError::Sql(self.place.clone(), error),
        }
    }
}

/// Whether there is nothing at all in the database. It is one that a process began to make and did not live to finish: the journal's
/// mode is written to the file before the tables are.
fn is_blank(connection: &Connection) -> rusqlite::Result<bool> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    Ok(number("PRAGMA application_id")? == 0
        && number("PRAGMA user_version")? == 0
        && number("SELECT count(*) FROM sqlite_schema")? == 0)
}

/// Refuses what SQLite would open beside the ledger, wait for or write to, where it is no file of the ledger's own.
fn check_beside(home: &Folder, store: &Path) -> Result<(), LedgerError> {
    for end in ["wal", "shm", "journal"] {
        let place = format!("{PLACE}-{end}");
        home.check_own(Path::new(&place)).map_err(|error| LedgerError::Io(store.join(place), error))?;
    }
    Ok(())
}

/// Whether the file is empty; what is no file of SQLite is refused.
fn begins(file: std::fs::File, place: &Path) -> Result<bool, LedgerError> {
    let mut head = Vec::new();
    file.take(16).read_to_end(&mut head).map_err(|error| LedgerError::Io(place.to_owned(), error))?;
    if head.is_empty() || head == MAGIC {
        return Ok(head.is_empty());
    }
    let mut shown = String::new();
    for byte in head.iter().take(4) {
        let _written = write!(shown, "{byte:02x}");
    }
    Err(LedgerError::Foreign(place.to_owned(), format!("it is not a SQLite database (it begins with {shown})")))
}

/// A moment as the ledger has it: milliseconds since 1970.
fn millis(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis()
}

fn moment(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

/// A word of the ledger as what it means; of one that is unknown the error names it.
fn word<T: serde::de::DeserializeOwned>(column: usize, word: String) -> rusqlite::Result<T> {
    let failed =
        |error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error));
    serde_json::from_value(serde_json::Value::String(word)).map_err(failed)
}

fn json<T: serde::de::DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    let failed =
        |error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error));
    serde_json::from_str(text).map_err(failed)
}

/// The columns of [`entry`].
const ENTRY: &str = "key, state, sequence, acknowledged_by, incident";

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let state: State = word(1, row.get(1)?)?;
    let incident: Incident = json(4, row.get_ref(4)?.as_str()?)?;
    Ok(Entry {
        key: row.get(0)?,
        state,
        sequence: u64::try_from(row.get::<_, i64>(2)?).unwrap_or_default(),
        acknowledged_by: row.get(3)?,
        incident,
    })
}
