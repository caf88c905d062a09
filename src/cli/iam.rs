//! `mfatrail iam snapshot`.

use super::archive::{check_profile, endpoint, place};
use super::args::SnapshotArgs;
use super::exit::Status;
use super::{inform, named_file, plain, put, say};
use crate::app::iam::{SnapshotRequest, take_snapshot};
use crate::app::{Error, Run};
use crate::aws::Connection;
use crate::source::s3::S3Options;
use crate::units::plural;

pub(super) fn snapshot(args: SnapshotArgs, run: Run<'_>) -> Result<Status, Error> {
    check_profile(args.profile.as_deref())?;
    let endpoint_url = endpoint(args.endpoint_url.as_deref())?;
    if let Some(out) = &args.out {
        named_file("--out", out)?;
    }
    let made = args.out.clone().or_else(|| args.store.clone());
    let connection = Connection {
        profile: args.profile.clone(),
        region: args.aws_region.clone(),
        endpoint_url: endpoint_url.clone(),
        ..Connection::default()
    };
    let s3 = S3Options { connection, ..S3Options::default() };
    let store = args.store.as_deref().map(|store| place(store, &args.cache, &s3)).transpose()?;
    let request = SnapshotRequest {
        out: args.out,
        store,
        role_name: args.iam_role,
        accounts: args.accounts,
        profile: args.profile,
        region: args.aws_region,
        endpoint_url,
    };
    let outcome = take_snapshot(request, run)?;
    for missing in &outcome.missing {
        let account = missing.account.as_deref().unwrap_or("all accounts");
        say(&plain(&format!("warning: {account}: {}: {}", missing.what, missing.why)));
    }
    let accounts = plural(outcome.accounts, "account", "accounts");
    inform(&format!("saved {} of {accounts}", plural(outcome.users, "user", "users")));
    if let Some(made) = made {
        put(&made.display().to_string())?;
    }
    Ok(Status::of(outcome.missing.is_empty()))
}
