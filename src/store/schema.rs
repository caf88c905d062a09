//! The data sets and their columns: one definition for writing, reading, checking and the document.
//!
//! The order of columns is that in which [`super::rows`] writes and reads them.

use std::path::Path;

use super::StoreError;

/// The name and version of the format, in every file's metadata and in every commit.
pub const SCHEMA: &str = "mfatrail.store/4";
/// Its name.
const NAME: &str = "mfatrail.store/";
/// Its version.
pub(super) const VERSION: u32 = 4;
/// The oldest that is read.
const OLDEST: u32 = 2;
/// The version that brought what tells which records are one event.
pub(super) const LINEAGE: u32 = 3;
/// The key under which a Parquet file bears [`SCHEMA`].
pub(super) const METADATA_KEY: &str = "mfatrail.schema";

/// A folder of files with the same columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dataset {
    /// Extracted records.
    Events,
    /// Calls by users, and IAM calls about users.
    Calls,
    /// Where roles and services were seen.
    Sightings,
    /// Every object seen.
    Objects,
    /// Every run.
    Runs,
}

impl Dataset {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Events, Self::Calls, Self::Sightings, Self::Objects, Self::Runs];

    /// The folder's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Calls => "calls",
            Self::Sightings => "sightings",
            Self::Objects => "objects",
            Self::Runs => "runs",
        }
    }

    /// The data set of a file, by its path.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let (folder, _) = path.split_once('/')?;
        Self::ALL.into_iter().find(|dataset| dataset.name() == folder)
    }

    /// Its columns, in order.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Events => EVENTS,
            Self::Calls => CALLS,
            Self::Sightings => SIGHTINGS,
            Self::Objects => OBJECTS,
            Self::Runs => RUNS,
        }
    }
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// 64 bits, signed.
    Integer,
    /// True or false.
    Flag,
    /// Microseconds since 1970, UTC, without a zone.
    Time,
    /// A calendar day.
    Day,
}

impl Kind {
    /// The name in the document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Flag => "boolean",
            Self::Time => "timestamp",
            Self::Day => "date",
        }
    }
}

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The version of the format that brought it. In files of an earlier one it is empty.
    pub since: u32,
}

const fn new(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, since: OLDEST }
}
const fn text(name: &'static str) -> Column {
    new(name, Kind::Text)
}
const fn integer(name: &'static str) -> Column {
    new(name, Kind::Integer)
}
const fn flag(name: &'static str) -> Column {
    new(name, Kind::Flag)
}
const fn time(name: &'static str) -> Column {
    new(name, Kind::Time)
}
const fn day(name: &'static str) -> Column {
    new(name, Kind::Day)
}

/// The event that a record says again, and what tells records of one event apart.
const ORIGINAL: Column = Column { since: LINEAGE, ..text("original_event_id") };
const CONTENT: Column = Column { since: LINEAGE, ..text("content") };
/// The role of a session, with its path.
const ROLE: Column = Column { since: LINEAGE, ..text("actor_role_arn") };

const EVENTS: &[Column] = &[
    time("event_time"),
    text("event_id"),
    text("account"),
    text("region"),
    text("event_source"),
    text("event_name"),
    text("action"),
    text("serial"),
    flag("mfa_used"),
    text("target_account"),
    text("session_access_key"),
    text("new_user_name"),
    text("access_key_id"),
    flag("access_key_active"),
    text("policy_arn"),
    text("policy_name"),
    text("policy_document"),
    text("group_name"),
    flag("group_added"),
    text("trail"),
    text("target"),
    text("target_name"),
    text("target_id"),
    text("target_store"),
    text("actor_kind"),
    text("actor_account"),
    text("actor_id"),
    text("actor_name"),
    text("actor_arn"),
    text("actor_access_key"),
    ROLE,
    flag("actor_mfa"),
    text("source_ip"),
    text("user_agent"),
    flag("failed"),
    text("error_code"),
    text("error_message"),
    ORIGINAL,
    CONTENT,
    time("delivered_at"),
    text("object_id"),
    text("object"),
    text("object_etag"),
    integer("object_size_bytes"),
    text("object_sha256"),
    integer("number_in_object"),
    text("record"),
];

const CALLS: &[Column] = &[
    time("event_time"),
    text("event_id"),
    text("account"),
    text("region"),
    text("actor_kind"),
    text("actor_account"),
    text("actor_id"),
    text("actor_name"),
    text("actor_arn"),
    text("actor_access_key"),
    ROLE,
    text("source_ip"),
    text("event_source"),
    text("event_name"),
    flag("read_only"),
    flag("failed"),
    flag("session_mfa"),
    flag("sign_in_mfa"),
    text("about_user"),
    ORIGINAL,
    text("object_id"),
];

const SIGHTINGS: &[Column] = &[
    text("actor"),
    text("source_ip"),
    time("first"),
    time("last"),
    text("account"),
    text("region"),
    text("object_id"),
];

const OBJECTS: &[Column] = &[
    text("object_id"),
    text("status"),
    text("object"),
    text("location"),
    text("etag"),
    integer("size_bytes"),
    text("sha256"),
    text("account"),
    text("region"),
    day("day"),
    time("delivered_at"),
    text("error"),
    integer("records"),
    integer("records_unusable"),
    integer("records_passed_over"),
    integer("stored_bytes"),
    integer("json_bytes"),
    time("first_record"),
    time("last_record"),
    time("latest_delivery"),
    text("accounts"),
    integer("events"),
    integer("calls"),
    integer("sightings"),
    text("integrity"),
    text("digest"),
    integer("run"),
    integer("commit"),
    time("read_at"),
];

const RUNS: &[Column] = &[
    integer("run"),
    text("kind"),
    text("version"),
    time("started_at"),
    text("sources"),
    time("from"),
    time("to"),
    integer("slack_s"),
    text("accounts"),
    text("regions"),
    integer("commit"),
    Column { since: 4, ..text("shard") },
];

/// The version of what bears the schema `found`.
///
/// # Errors
/// When this build does not read it.
pub(super) fn check_schema(path: &Path, found: &str) -> Result<u32, StoreError> {
    let version = found.strip_prefix(NAME).and_then(|version| version.parse::<u32>().ok());
    let hint = match version {
        Some(version) if (OLDEST..=VERSION).contains(&version) => return Ok(version),
        Some(newer) if newer > VERSION => "use the version of mfatrail that wrote it, or a newer one",
        Some(_) => "it is too old: scan the archive into a new store",
        None => "it was not written by mfatrail, or is damaged",
    };
    Err(StoreError::Schema { path: path.to_owned(), found: found.to_owned(), hint })
}
