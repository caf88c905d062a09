//! A snapshot of IAM state, for later reports.

use std::path::{Path, PathBuf};

use chrono::DateTime;

use super::request::account_id;
use super::scan::open;
use super::{Error, Run, store_error};
use crate::disk::{Draft, Readers};
use crate::inventory::{self, LiveOptions, MissingInput, snapshot};
use crate::store::Place;

/// Whose IAM state is read, and where it is saved.
#[derive(Debug, Clone, Default)]
pub struct SnapshotRequest {
    /// The file; an earlier snapshot in its place is replaced, anything else is not.
    pub out: Option<PathBuf>,
    /// The evidence store.
    pub store: Option<Place>,
    /// The role to assume in each of `accounts`.
    pub role_name: Option<String>,
    /// Account ids; with a role, at least one.
    pub accounts: Vec<String>,
    /// The profile of the AWS CLI's configuration.
    pub profile: Option<String>,
    /// The region to call AWS in.
    pub region: Option<String>,
    /// Another endpoint than AWS's.
    pub endpoint_url: Option<String>,
}

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotOutcome {
    /// Accounts.
    pub accounts: usize,
    /// Their users.
    pub users: usize,
    /// What permissions did not allow to read.
    pub missing: Vec<MissingInput>,
}

/// Reads IAM state and saves it.
///
/// # Errors
/// [`Error::Input`] where the request is wrong, or something else is in the file's place; [`Error::Failed`] where IAM cannot be
/// reached, or the snapshot cannot be written. What permissions do not allow is no error: the result names it.
pub fn take_snapshot(request: SnapshotRequest, run: Run<'_>) -> Result<SnapshotOutcome, Error> {
    request.accounts.iter().try_for_each(|account| account_id(account))?;
    // Opened before the long work; and written whole or not at all, so that a failed run leaves an earlier snapshot as it was.
    let file = request.out.as_deref().map(draft).transpose()?;
    if let Some(file) = &file {
        run.observer.temporary(file.path());
    }
    let writer = request.store.as_ref().map(|store| open(store, "mfatrail iam snapshot", run.now)).transpose()?;
    let state = inventory::read_live(&LiveOptions {
        profile: request.profile,
        region: request.region,
        endpoint_url: request.endpoint_url,
        role_name: request.role_name,
        accounts: request.accounts,
        now: DateTime::from_timestamp(run.now.timestamp(), 0).unwrap_or(run.now),
    })
    .map_err(Error::failed)?;
    let users: usize = state.accounts.values().map(|account| account.users.len()).sum();
    let mut text = Vec::new();
    snapshot::write(&state, &mut text).map_err(Error::failed)?;
    run.uninterrupted(|| {
        if let Some((file, out)) = file.zip(request.out) {
            let failed = |error| Error::Failed(format!("could not write `{}`: {error}", out.display()));
            file.finish(&text).map_err(failed)?;
        }
        match writer {
            Some(mut writer) => writer.keep_iam(state.taken_at, users as u64, text).map_err(store_error),
            None => Ok(()),
        }
    })?;
    Ok(SnapshotOutcome { accounts: state.accounts.len(), users, missing: state.missing })
}

fn draft(out: &Path) -> Result<Draft, Error> {
    Draft::new(out, Readers::Usual, "a snapshot of IAM state", snapshot::is_one).map_err(|error| {
        Error::Input(format!(
            "`--out`: cannot write `{}`: {error}\n  hint: name a new file, or an earlier snapshot, in an existing folder that you can write to",
            out.display()
        ))
    })
}
