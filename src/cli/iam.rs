//! `mfatrail iam snapshot`.

use std::path::Path;

use super::archive::{check_profile, endpoint};
use super::args::SnapshotArgs;
use super::exit::Status;
use super::{named_file, plain, put, say};
use crate::app::request::account_id;
use crate::app::scan::{open, store_error};
use crate::app::{Error, Run};
use crate::disk::{Draft, Readers};
use crate::inventory::{self, LiveOptions, snapshot};
use crate::units::plural;
use chrono::DateTime;

pub(super) fn keep(args: SnapshotArgs, run: Run<'_>) -> Result<Status, Error> {
    for account in &args.accounts {
        account_id(account)?;
    }
    check_profile(args.profile.as_deref())?;
    let endpoint_url = endpoint(args.endpoint_url.as_deref())?;
    // Opened before the long work; and whole or not at all, so that a failed run leaves an earlier snapshot as it was.
    let file = args.out.as_deref().map(draft).transpose()?;
    if let Some(file) = &file {
        run.observer.temporary(file.path());
    }
    let writer = args.store.as_deref().map(|store| open(store, "mfatrail iam snapshot", run.now)).transpose()?;
    let state = inventory::read_live(&LiveOptions {
        profile: args.profile,
        region: args.aws_region,
        endpoint_url,
        role_name: args.iam_role,
        accounts: args.accounts,
        now: DateTime::from_timestamp(run.now.timestamp(), 0).unwrap_or(run.now),
    })
    .map_err(Error::failed)?;
    let users: usize = state.accounts.values().map(|account| account.users.len()).sum();
    let mut text = Vec::new();
    snapshot::write(&state, &mut text).map_err(Error::failed)?;
    run.uninterrupted(|| {
        if let Some((file, out)) = file.zip(args.out.as_deref()) {
            let failed = |error| Error::Failed(format!("could not write `{}`: {error}", out.display()));
            file.finish(&text).map_err(failed)?;
        }
        match writer {
            Some(mut writer) => writer.keep_iam(state.taken_at, users as u64, text).map_err(store_error),
            None => Ok(()),
        }
    })?;
    for missing in &state.missing {
        let account = missing.account.as_deref().unwrap_or("all accounts");
        say(&plain(&format!("warning: {account}: {}: {}", missing.what, missing.why)));
    }
    let accounts = plural(state.accounts.len(), "account", "accounts");
    say(&format!("kept {} of {accounts}", plural(users, "user", "users")));
    if let Some(place) = args.out.as_deref().or(args.store.as_deref()) {
        put(&place.display().to_string())?;
    }
    Ok(Status::of(state.missing.is_empty()))
}

fn draft(out: &Path) -> Result<Draft, Error> {
    named_file("--out", out)?;
    Draft::new(out, Readers::Usual, "a snapshot of IAM state", snapshot::is_one).map_err(|error| {
        Error::Input(format!(
            "`--out`: cannot write `{}`: {error}\n  hint: name a new file, or an earlier snapshot, in an existing folder that you can write to",
            out.display()
        ))
    })
}
