//! `mfatrail iam snapshot`.

use chrono::{DateTime, Utc};

use super::args::SnapshotArgs;
use super::exit::{CliError, Status};
use super::{put, say};
use crate::inventory::{self, LiveOptions};

pub(super) fn snapshot(args: SnapshotArgs, now: DateTime<Utc>) -> Result<Status, CliError> {
    let state = inventory::read_live(&LiveOptions {
        profile: args.profile,
        region: args.aws_region,
        endpoint_url: args.endpoint_url,
        role_name: args.iam_role,
        accounts: args.accounts,
        now: DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now),
    })
    .map_err(CliError::failed)?;
    inventory::write_snapshot(&args.out, &state).map_err(CliError::failed)?;
    for missing in &state.missing {
        let account = missing.account.as_deref().unwrap_or("all accounts");
        say(&format!("warning: {account}: {}: {}", missing.what, missing.why));
    }
    let users: usize = state.accounts.values().map(|account| account.users.len()).sum();
    say(&format!("kept {users} users of {} accounts", state.accounts.len()));
    put(&args.out.display().to_string())?;
    Ok(if state.missing.is_empty() { Status::Done } else { Status::Incomplete })
}
