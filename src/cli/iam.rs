//! `mfatrail iam snapshot`.

use std::path::Path;

use super::archive::{account_id, check_profile, endpoint};
use super::args::SnapshotArgs;
use super::exit::{CliError, Status};
use super::scan::{open, store_error};
use super::{interrupt, named_file, plain, put, say};
use crate::disk::{Draft, Readers};
use crate::inventory::{self, LiveOptions, snapshot};
use crate::units::plural;
use chrono::{DateTime, Utc};

pub(super) fn keep(args: SnapshotArgs, now: DateTime<Utc>) -> Result<Status, CliError> {
    for account in &args.accounts {
        account_id(account)?;
    }
    check_profile(args.profile.as_deref())?;
    let endpoint_url = endpoint(args.endpoint_url.as_deref())?;
    // Opened before the long work; and whole or not at all, so that a failed run leaves an earlier snapshot as it was.
    let file = args.out.as_deref().map(draft).transpose()?;
    if let Some(file) = &file {
        interrupt::remove_at_exit(file.path());
    }
    let writer = args.store.as_deref().map(|store| open(store, "mfatrail iam snapshot", now)).transpose()?;
    let state = inventory::read_live(&LiveOptions {
        profile: args.profile,
        region: args.aws_region,
        endpoint_url,
        role_name: args.iam_role,
        accounts: args.accounts,
        now: DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now),
    })
    .map_err(CliError::failed)?;
    let users: usize = state.accounts.values().map(|account| account.users.len()).sum();
    let _whole = interrupt::hold();
    let mut text = Vec::new();
    snapshot::write(&state, &mut text).map_err(CliError::failed)?;
    if let Some((file, out)) = file.zip(args.out.as_deref()) {
        let failed = |error| CliError::Failed(format!("could not write `{}`: {error}", out.display()));
        file.finish(&text).map_err(failed)?;
    }
    if let Some(mut writer) = writer {
        writer.keep_iam(state.taken_at, users as u64, text).map_err(store_error)?;
    }
    for missing in &state.missing {
        let account = missing.account.as_deref().unwrap_or("all accounts");
        say(&plain(&format!("warning: {account}: {}: {}", missing.what, missing.why)));
    }
    let accounts = plural(state.accounts.len(), "account", "accounts");
    say(&format!("kept {} of {accounts}", plural(users, "user", "users")));
    if let Some(place) = args.out.as_deref().or(args.store.as_deref()) {
        put(&place.display().to_string())?;
    }
    Ok(if state.missing.is_empty() { Status::Done } else { Status::Incomplete })
}

fn draft(out: &Path) -> Result<Draft, CliError> {
    named_file("--out", out)?;
    Draft::new(out, Readers::Usual, "a snapshot of IAM state", snapshot::is_one).map_err(|error| {
        CliError::Usage(format!(
            "`--out`: cannot write `{}`: {error}\n  hint: name a new file, or an earlier snapshot, in an existing folder that you can write to",
            out.display()
        ))
    })
}
