//! What every command that reads an archive is given: sources, range, and how to reach them.

use std::ffi::OsStr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::args::{ArchiveArgs, AwsArgs};
use super::exit::CliError;
use crate::aws::Connection;
use crate::pipeline::Options;
use crate::source::s3::S3Options;
use crate::source::{Selection, Source};
use crate::units;

/// Who waits longer does not want a time-out, but a connection that works.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);

pub(super) fn time(flag: &str, text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, CliError> {
    units::parse_time(text, now).map_err(|error| CliError::Usage(format!("`{flag}`: {error}")))
}

/// The moments of `--from` and `--to`, each left out or not, in this order.
pub(super) fn range(
    from: Option<&str>,
    to: Option<&str>,
    now: DateTime<Utc>,
) -> Result<[Option<DateTime<Utc>>; 2], CliError> {
    let from = from.map(|text| time("--from", text, now)).transpose()?;
    let to = to.map(|text| time("--to", text, now)).transpose()?;
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        let (from, to) = (rfc3339(from), rfc3339(to));
        return Err(CliError::Usage(format!("`--from` (`{from}`) is not before `--to` (`{to}`)\n  hint: swap them")));
    }
    Ok([from, to])
}

pub(super) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

pub(super) fn sources(arguments: &[impl AsRef<OsStr>]) -> Result<Vec<Source>, CliError> {
    let mut sources: Vec<Source> = Vec::new();
    for argument in arguments {
        let source = Source::parse(argument.as_ref()).map_err(CliError::usage)?;
        source.check().map_err(CliError::usage)?;
        if sources.contains(&source) {
            let given = argument.as_ref().to_string_lossy();
            return Err(CliError::Usage(format!("SOURCE `{given}` is given twice")));
        }
        sources.push(source);
    }
    Ok(sources)
}

pub(super) fn selection(
    args: &ArchiveArgs,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
) -> Result<Selection, CliError> {
    let slack = units::parse_duration(&args.delivery_slack)
        .map_err(|error| CliError::Usage(format!("`--delivery-slack`: {error}")))?;
    Ok(Selection {
        from,
        to,
        slack,
        accounts: args.accounts.clone(),
        regions: args.regions.clone(),
        iam_only: false,
        product: None,
    })
}

pub(super) fn options(archive: &ArchiveArgs, aws: &AwsArgs) -> Result<Options<'static>, CliError> {
    let limit = units::parse_size(&archive.inflate_limit)
        .map_err(|error| CliError::Usage(format!("`--inflate-limit`: {error}")))?;
    let patience = units::parse_duration(&aws.s3_timeout)
        .ok()
        .and_then(|patience| patience.to_std().ok())
        .filter(|patience| !patience.is_zero() && *patience <= LONGEST_TIMEOUT)
        .ok_or_else(|| {
            CliError::Usage(format!(
                "`--s3-timeout`: `{}` is no duration between 1s and 1h\n  hint: write it like 20s or 2m",
                aws.s3_timeout
            ))
        })?;
    Ok(Options {
        threads: archive.threads.map_or(0, std::num::NonZeroUsize::get),
        object_limit: usize::try_from(limit).unwrap_or(usize::MAX),
        s3: S3Options {
            connection: Connection {
                profile: aws.profile.clone(),
                region: aws.aws_region.clone(),
                endpoint_url: aws.endpoint_url.clone(),
                role_arn: aws.role_arn.clone(),
                external_id: aws.external_id.clone(),
            },
            request_payer: aws.request_payer,
            attempts: aws.s3_attempts.get(),
            patience,
            traffic: super::log::traffic(),
            ..S3Options::default()
        },
        stop: super::interrupt::stop(),
        ..Options::default()
    })
}
