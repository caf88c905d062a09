//! `mfatrail iam snapshot`.

use std::path::Path;

use chrono::{DateTime, Utc};
use tempfile::NamedTempFile;

use super::args::SnapshotArgs;
use super::exit::{CliError, Status};
use super::scan::{open, store_error};
use super::{interrupt, plain, put, say};
use crate::inventory::{self, LiveOptions, snapshot};

pub(super) fn keep(args: SnapshotArgs, now: DateTime<Utc>) -> Result<Status, CliError> {
    // Opened before the long work; and whole or not at all, so that a failed run leaves an earlier snapshot as it was.
    let file = args.out.as_deref().map(temporary).transpose()?;
    if let Some(file) = &file {
        interrupt::remove_at_exit(file.path());
    }
    let writer = args.store.as_deref().map(|store| open(store, "mfatrail iam snapshot", now)).transpose()?;
    let state = inventory::read_live(&LiveOptions {
        profile: args.profile,
        region: args.aws_region,
        endpoint_url: args.endpoint_url,
        role_name: args.iam_role,
        accounts: args.accounts,
        now: DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now),
    })
    .map_err(CliError::failed)?;
    let users: usize = state.accounts.values().map(|account| account.users.len()).sum();
    let _whole = interrupt::hold();
    if let Some(mut writer) = writer {
        let mut text = Vec::new();
        snapshot::write(&state, &mut text).map_err(CliError::failed)?;
        writer.keep_iam(state.taken_at, users as u64, text).map_err(store_error)?;
    }
    if let Some((file, out)) = file.zip(args.out.as_deref()) {
        let failed = |error: std::io::Error| CliError::Failed(format!("could not write `{}`: {error}", out.display()));
        snapshot::write(&state, &file).map_err(failed)?;
        file.persist(out).map_err(|error| failed(error.error))?;
    }
    for missing in &state.missing {
        let account = missing.account.as_deref().unwrap_or("all accounts");
        say(&plain(&format!("warning: {account}: {}: {}", missing.what, missing.why)));
    }
    say(&format!("kept {users} users of {} accounts", state.accounts.len()));
    if let Some(place) = args.out.as_deref().or(args.store.as_deref()) {
        put(&place.display().to_string())?;
    }
    Ok(if state.missing.is_empty() { Status::Done } else { Status::Incomplete })
}

fn temporary(out: &Path) -> Result<NamedTempFile, CliError> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".mfatrail-");
    // Like every other output: for whom the umask says, and not for the owner alone as temporary files are.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder).map_err(|error| {
        CliError::Usage(format!(
            "`--out`: cannot write into `{}`: {error}\n  hint: give a file in a folder that exists and is yours",
            folder.display()
        ))
    })
}
