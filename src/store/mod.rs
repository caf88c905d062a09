//! The evidence store: what was extracted, from which object, and which objects were read, so that an archive is read once
//! and asked for ever.
//!
//! A store is a folder of Parquet files that DuckDB, pandas or Athena read by their names, without this program:
//! `docs/evidence-schema.md` says what every column means. What counts is not what lies in the folders but what the commit
//! log lists (`log`): files are never changed, a commit adds some and retires others in one step, so that a run that is
//! killed leaves either the state before a commit or the one after it. One process writes at a time to a folder (`lock`); readers need
//! no lock. A store may be in a bucket (`place`, `remote`): there several write side by side, and one conditional write decides whose
//! commit is the next.
//!
//! What was read is known by object (location, entity tag and size), never by time, for CloudTrail delivers late
//! (`index`). Rows hold everything that a report takes from the archive, and name their object, so that a narrower range
//! or another choice of accounts gives what the archive itself would give (`read`).

mod cache;
mod check;
mod commit;
mod compact;
mod error;
mod excerpt;
mod file;
mod former;
mod frame;
mod id;
mod index;
mod ingest;
mod lock;
mod log;
mod merge;
mod notes;
mod overwritten;
mod place;
mod principals;
mod query;
mod read;
mod remote;
mod rows;
mod scans;
mod schema;
mod session;
mod sql;
mod supersession;
mod tables;
mod visitor;
mod write;

use chrono::{DateTime, Utc};

use crate::hash::hex;

pub use check::{Checked, Flaw, Repaired, check, repair};
pub use commit::record;
pub use error::StoreError;
pub use index::{Index, Seen};
pub use ingest::{BatchSink, IngestSummary, Limits};
pub use lock::{Holder, Lock};
pub use merge::{Merged, merge};
pub use notes::{Arrived, Run, RunKind};
pub use place::{Beside, Place};
pub use principals::{Arrivals, Spans};
pub use query::{EventQuery, EventSet, Key};
pub use read::{EvidenceQuery, Store, StoredEvidence};
pub use remote::Remote;
pub use rows::{ObjectRow, Status, location};
pub use schema::{Column, Dataset, Kind, SCHEMA};
pub use session::Session;
pub use visitor::StoreVisitor;
pub use write::Writer;

use error::{damaged, io_error};

/// The folder of IAM snapshots.
const IAM: &str = "iam/";

/// How the path of a moment's snapshot begins; the commit's number follows. The order of paths is that of the moments.
fn iam_path(taken_at: DateTime<Utc>) -> String {
    format!("{IAM}{}", taken_at.format("%Y%m%dT%H%M%SZ"))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
