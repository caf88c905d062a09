//! A watch of a store in a bucket: whose ledger it has, and what of that ledger reports everywhere have.
//!
//! The ledger is SQLite and lies on a disk of this machine, so a bucket cannot lock it. Instead the bucket names the one ledger that tells
//! of it, by one conditional write: a watch with another ledger would tell everybody everything again, and is refused. Of two processes
//! with one ledger the lock of its folder lets one in.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::app::scan::holder;
use crate::app::{Error, rfc3339, store_error, watched};
use crate::disk::{self, Folder};
use crate::hash::{hex, sha256};
use crate::incident::ledger::{FOLDER, Ledger};
use crate::store::{Beside, Lock, Place};

/// Where the bucket names the ledger.
const PLACE: &str = "watch/ledger.json";
/// Where the ledger's folder has its name.
const ID: &str = "id";
/// How the file begins.
const SCHEMA: &str = "mfatrail.ledger-of/1";
/// The most bytes of either.
const LARGEST: u64 = 64 << 10;
/// How often the bucket learns what was delivered, and that the watch ran.
const EVERY: TimeDelta = TimeDelta::seconds(60);

/// Which ledger tells of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LedgerOf {
    schema: String,
    /// A name that no other ledger has.
    ledger: String,
    /// Its folder, on the machine of its watch.
    folder: String,
    /// When it was begun.
    since: DateTime<Utc>,
}

/// What this watch would write into the bucket. Its folder is locked as long as this lives, which is as long as the process.
#[derive(Debug)]
pub(super) struct Lease(LedgerOf);

/// Looks whether a watch with the ledger in `state` may tell of a store; `None` where it is in a folder, which has a lock of its own.
///
/// # Errors
/// When another ledger tells of it, another process has this ledger, or either cannot be read or written.
pub(super) fn ask(store: &Place, state: &Path, now: DateTime<Utc>) -> Result<Option<Lease>, Error> {
    if store.folder().is_some() {
        return Ok(None);
    }
    disk::make_folder(state).map_err(|error| {
        Error::Input(format!("`--state`: could not make `{}`: {error}{}", state.display(), disk::hint(&error)))
    })?;
    let lock = Lock::of(state, &holder("mfatrail watch", now)).map_err(store_error)?;
    // The operating system takes it back with the process.
    std::mem::forget(lock);
    let own = LedgerOf {
        schema: SCHEMA.to_owned(),
        ledger: name(state, now)?,
        folder: std::path::absolute(state).unwrap_or_else(|_relative| state.to_owned()).display().to_string(),
        since: now,
    };
    own.check(store)?;
    Ok(Some(Lease(own)))
}

impl Lease {
    /// Writes it where nobody did.
    ///
    /// # Errors
    /// When somebody else did at the same time, or it cannot be written.
    pub(super) fn take(&self, store: &Place) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(&self.0).map_err(Error::failed)?;
        store.replace(PLACE, text, None).map_err(store_error)?;
        // Whether it was there, or a service lost the answer to the write.
        self.0.check(store)
    }
}

impl LedgerOf {
    /// Whether the store names this ledger, or none yet.
    fn check(&self, store: &Place) -> Result<(), Error> {
        let Some(Beside { bytes, .. }) = store.beside(PLACE, LARGEST).map_err(store_error)? else { return Ok(()) };
        let place = format!("{store}/{PLACE}");
        let other: Self = serde_json::from_slice(&bytes)
            .ok()
            .filter(|other: &Self| other.schema == SCHEMA)
            .ok_or_else(|| Error::Failed(format!("`{place}` does not name a ledger\n  hint: find out who wrote it")))?;
        if other.ledger == self.ledger {
            return Ok(());
        }
        Err(Error::Input(format!(
            "`--state`: another watch tells of `{store}`: its ledger is in `{}` of its machine, since {}\n  hint: stop it, and use a copy of that folder here; with another ledger everybody would be told everything again. To begin anew, remove `{place}`",
            crate::escape::visible(&other.folder),
            rfc3339(other.since)
        )))
    }
}

/// The name of the ledger in a folder, made where there is none.
fn name(state: &Path, now: DateTime<Utc>) -> Result<String, Error> {
    let path = Path::new(FOLDER).join(ID);
    let failed = |error: std::io::Error| {
        Error::Failed(format!("could not use `{}`: {error}{}", state.join(&path).display(), disk::hint(&error)))
    };
    let home = Folder::open(state).map_err(failed)?;
    match home.read(&path, LARGEST) {
        Ok(text) => return Ok(String::from_utf8_lossy(&text).trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    // A hasher's keys are random, and others each time.
    let random = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), state);
    let seed = format!("{} {} {} {}", state.display(), now.to_rfc3339(), random(), random());
    let name = hex(sha256(seed.as_bytes()).get(..16).unwrap_or_default());
    home.make(Path::new(FOLDER)).and_then(|()| home.write(&path, format!("{name}\n").as_bytes())).map_err(failed)?;
    Ok(name)
}

/// What of a ledger a bucket has: the deliveries that are detections, and the times at which the watch ran, as a bundle has them.
#[derive(Debug, Default)]
pub(super) struct Published {
    at: Option<DateTime<Utc>>,
    files: Vec<(String, Vec<u8>)>,
}

impl Published {
    /// Writes it anew from time to time. Where that fails, it is tried again: the ledger has it all.
    pub(super) fn renew_at(&mut self, now: DateTime<Utc>, ledger: &Ledger, store: &Place) {
        if self.at.is_some_and(|at| now - at < EVERY) {
            return;
        }
        self.at = Some(now);
        if let Err(error) = self.renew(ledger, store) {
            tracing::warn!(reason = error.message(), "reports do not learn yet what was delivered");
        }
    }

    /// Writes what has changed since it was last written.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn renew(&mut self, ledger: &Ledger, store: &Place) -> Result<(), Error> {
        if store.folder().is_some() {
            return Ok(());
        }
        let files = watched::files(&watched::of_ledger(ledger)?, &[])?;
        for (path, text) in files.iter().filter(|file| !self.files.contains(file)) {
            store.write(path, text.clone()).map_err(store_error)?;
        }
        self.files = files;
        Ok(())
    }
}
