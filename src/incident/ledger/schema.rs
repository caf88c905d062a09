//! The tables of the ledger, of which docs/watch-ledger.md says what every column means.

/// The version of these tables: `user_version` of the file.
pub const VERSION: i64 = 1;
/// `application_id` of the file: "mfat".
pub(super) const APPLICATION: i64 = 0x6d66_6174;

/// The tables.
pub const TABLES: [&str; 7] =
    ["incidents", "people", "transitions", "deliveries", "channel_references", "runs", "counters"];

/// Each table, index and trigger. Counters are kept by triggers, so that asking how many there are takes no longer the more
/// there were.
const DEFINITIONS: [&str; 20] = [
    "CREATE TABLE incidents (key TEXT NOT NULL PRIMARY KEY, account TEXT NOT NULL, event_id TEXT NOT NULL, kind TEXT NOT NULL, \
     state TEXT NOT NULL, severity TEXT NOT NULL, class TEXT, subject TEXT NOT NULL, owner TEXT, opened_at INTEGER NOT NULL, \
     resolved_at INTEGER, sequence INTEGER NOT NULL, acknowledged_by TEXT, acknowledged_at INTEGER, changed_at INTEGER NOT NULL, \
     incident TEXT NOT NULL) STRICT",
    "CREATE INDEX incidents_by_event ON incidents (account, event_id)",
    "CREATE INDEX incidents_live ON incidents (opened_at) WHERE state IN ('open', 'acknowledged')",
    "CREATE INDEX incidents_by_time ON incidents (opened_at)",
    "CREATE TABLE people (account TEXT NOT NULL, person TEXT NOT NULL, key TEXT NOT NULL, \
     PRIMARY KEY (account, person, key)) STRICT, WITHOUT ROWID",
    "CREATE INDEX people_by_key ON people (key)",
    "CREATE TABLE transitions (key TEXT NOT NULL, sequence INTEGER NOT NULL, transition TEXT NOT NULL, at INTEGER NOT NULL, \
     recorded_at INTEGER NOT NULL, alert TEXT NOT NULL, PRIMARY KEY (key, sequence)) STRICT",
    "CREATE TABLE deliveries (channel TEXT NOT NULL, key TEXT NOT NULL, sequence INTEGER NOT NULL, detects INTEGER NOT NULL, \
     state TEXT NOT NULL, attempts INTEGER NOT NULL, in_flight INTEGER NOT NULL, unknown INTEGER NOT NULL, \
     created_at INTEGER NOT NULL, first_try INTEGER, next_try INTEGER, last_error TEXT, note TEXT, delivered_at INTEGER, \
     PRIMARY KEY (channel, key, sequence)) STRICT, WITHOUT ROWID",
    "CREATE INDEX deliveries_due ON deliveries (channel, next_try) WHERE state = 'pending' AND next_try IS NOT NULL",
    "CREATE INDEX deliveries_oldest ON deliveries (channel, created_at) WHERE state = 'pending'",
    "CREATE INDEX deliveries_in_flight ON deliveries (channel) WHERE in_flight = 1",
    "CREATE INDEX deliveries_detecting ON deliveries (delivered_at) WHERE detects = 1 AND state = 'done'",
    "CREATE INDEX deliveries_by_key ON deliveries (key)",
    "CREATE TABLE channel_references (channel TEXT NOT NULL, key TEXT NOT NULL, reference TEXT NOT NULL, \
     PRIMARY KEY (channel, key)) STRICT, WITHOUT ROWID",
    "CREATE TABLE runs (started_at INTEGER NOT NULL PRIMARY KEY, alive_at INTEGER NOT NULL, stopped INTEGER NOT NULL) STRICT",
    "CREATE TABLE counters (what TEXT NOT NULL, channel TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL, \
     PRIMARY KEY (what, channel, state)) STRICT, WITHOUT ROWID",
    "CREATE TRIGGER incidents_counted AFTER INSERT ON incidents BEGIN \
     INSERT INTO counters VALUES ('incidents', '', NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1; END",
    "CREATE TRIGGER deliveries_counted AFTER INSERT ON deliveries BEGIN \
     INSERT INTO counters VALUES ('deliveries', NEW.channel, NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1; END",
    "CREATE TRIGGER deliveries_moved AFTER UPDATE OF state ON deliveries WHEN OLD.state <> NEW.state BEGIN \
     UPDATE counters SET n = n - 1 WHERE what = 'deliveries' AND channel = OLD.channel AND state = OLD.state; \
     INSERT INTO counters VALUES ('deliveries', NEW.channel, NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1; END",
    "CREATE TRIGGER incidents_moved AFTER UPDATE OF state ON incidents WHEN OLD.state <> NEW.state BEGIN \
     UPDATE counters SET n = n - 1 WHERE what = 'incidents' AND channel = '' AND state = OLD.state; \
     INSERT INTO counters VALUES ('incidents', '', NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1; END",
];

/// What a process was sending when it ended may have arrived.
pub(super) const INTERRUPTED: &str = "UPDATE deliveries SET in_flight = 0, unknown = 1, next_try = created_at, last_error = 'the process ended while it was sending' WHERE in_flight = 1";

/// The definitions as SQLite keeps them, in order.
pub(super) fn definitions() -> Vec<String> {
    let mut all: Vec<String> = DEFINITIONS.iter().map(ToString::to_string).collect();
    all.sort();
    all
}

/// Makes all of them, with the version; to be run in one transaction.
pub(super) fn creation() -> String {
    let mut tables: Vec<String> = definitions();
    // Tables stand before what hangs on them.
    tables.sort_by_key(|sql| !sql.starts_with("CREATE TABLE"));
    format!("{}; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};", tables.join("; "))
}
