//! What every command that reads an archive is given: sources, range, and how to reach them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::args::{ArchiveArgs, AwsArgs};
use super::exit::CliError;
use super::scan::store_error;
use crate::aws::{Connection, profiles, without_user};
use crate::names::near;
use crate::pipeline::{self, Options};
use crate::report::terminal_text;
use crate::source::s3::S3Options;
use crate::source::{Selection, Source, is_account, is_region};
use crate::store::{Store, StoreError};
use crate::units;

/// Who waits longer does not want a time-out, but a connection that works.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);

/// How far in the future a range may end: a period that is under way is named by its end, and a wrong year is not one.
const FARTHEST_END: TimeDelta = TimeDelta::days(366);

/// A moment that has passed.
pub(super) fn time(flag: &str, text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, CliError> {
    let time = units::parse_time(text, now).map_err(|error| CliError::Usage(format!("`{flag}`: {error}")))?;
    passed(flag, time, now)
}

/// `time`, where it has passed by `now`.
pub(super) fn passed(flag: &str, time: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, CliError> {
    if time <= now {
        return Ok(time);
    }
    let (time, now) = (rfc3339(time), rfc3339(now));
    Err(CliError::Usage(format!(
        "`{flag}` (`{time}`) is in the future: now is `{now}`\n  hint: give a time that has passed"
    )))
}

/// One end of a range; a month stands for its first moment.
fn end(flag: &str, text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, CliError> {
    // `this` and `last` name months only where nothing but a month can be meant.
    if text.contains('-')
        && let Ok([first, _]) = units::parse_month(text, now)
    {
        return Ok(first);
    }
    units::parse_time(text, now).map_err(|error| CliError::Usage(format!("`{flag}`: {error}")))
}

/// The moments of `--from` and `--to`, each left out or not, in this order. The end may lie in the future, for what ends
/// there may be under way.
pub(super) fn range(
    from: Option<&str>,
    to: Option<&str>,
    now: DateTime<Utc>,
) -> Result<[Option<DateTime<Utc>>; 2], CliError> {
    let from = from.map(|text| end("--from", text, now).and_then(|from| passed("--from", from, now))).transpose()?;
    let to = to.map(|text| end("--to", text, now)).transpose()?;
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        let (from, to) = (rfc3339(from), rfc3339(to));
        return Err(CliError::Usage(format!("`--from` (`{from}`) is not before `--to` (`{to}`)\n  hint: swap them")));
    }
    if let Some(to) = to.filter(|to| *to > now + FARTHEST_END) {
        return Err(CliError::Usage(format!(
            "`--to` (`{}`) is more than a year in the future: now is `{}`\n  hint: check its year",
            rfc3339(to),
            rfc3339(now)
        )));
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
    for account in &args.accounts {
        account_id(account)?;
    }
    for region in &args.regions {
        if !is_region(region) {
            let lower = region.trim().to_ascii_lowercase();
            let meant = if is_region(&lower) { lower } else { "us-east-1".to_owned() };
            return Err(CliError::Usage(format!(
                "`--region`: `{region}` is not a region\n  hint: write it like {meant}"
            )));
        }
    }
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

/// Refuses what is not an account id.
pub(super) fn account_id(text: &str) -> Result<(), CliError> {
    if is_account(text) {
        return Ok(());
    }
    let short = text.len() < 12 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let hint = if short {
        format!("did a spreadsheet drop leading zeros? Then it is {text:0>12}")
    } else {
        "account ids have 12 digits, such as 111122223333".to_owned()
    };
    Err(CliError::Usage(format!("`--account`: `{text}` is not an account id\n  hint: {hint}")))
}

/// Refuses a choice of accounts and regions that the sources and the store do not have. Where records alone tell whose they
/// are, nothing is refused.
pub(super) fn check_places(
    sources: &[Source],
    store: Option<&Path>,
    selection: &Selection,
    options: &Options<'_>,
) -> Result<(), CliError> {
    if selection.accounts.is_empty() && selection.regions.is_empty() {
        return Ok(());
    }
    let mut places = pipeline::places(sources, selection, options).map_err(CliError::failed)?;
    if let Some(dir) = store.filter(|_| !places.have(selection)) {
        match Store::open(dir) {
            // It is made by the scan.
            Err(StoreError::Absent(_)) if !sources.is_empty() => {}
            store => {
                let mut store = store.map_err(store_error)?;
                let known = store.consistently(|store| store.places()).map_err(store_error)?;
                places.accounts.extend(known.accounts);
                places.regions.extend(known.regions);
            }
        }
    }
    let place = if sources.is_empty() { "store" } else { "archive" };
    for (flag, what, wanted, known) in [
        ("--account", "account", &selection.accounts, &places.accounts),
        ("--region", "region", &selection.regions, &places.regions),
    ] {
        match wanted.iter().find(|wanted| !known.contains(*wanted)) {
            Some(value) if !places.open => return Err(absent(flag, what, value, known, place)),
            _ => {}
        }
    }
    Ok(())
}

/// How many accounts or regions are named.
const NAMED: usize = 12;

/// That a store or an archive lacks an account or a region, and which it has.
pub(super) fn absent(flag: &str, what: &str, value: &str, known: &BTreeSet<String>, place: &str) -> CliError {
    let names = || known.iter().map(String::as_str);
    let meant = near(value, names()).first().map_or_else(String::new, |name| format!("did you mean {name}? "));
    let listed = names().take(NAMED).map(terminal_text).collect::<Vec<_>>().join(", ");
    let more = if known.len() > NAMED { format!(" and {} more", known.len() - NAMED) } else { String::new() };
    let has = if known.is_empty() { format!("it has no {what} at all") } else { format!("it has {listed}{more}") };
    CliError::Usage(format!("`{flag}`: the {place} has no {what} `{value}`\n  hint: {meant}{has}"))
}

/// Refuses a profile that the AWS CLI's files do not have.
pub(super) fn check_profile(profile: Option<&str>) -> Result<(), CliError> {
    let (Some(profile), Some(known)) = (profile, profiles()) else { return Ok(()) };
    if known.contains(profile) {
        return Ok(());
    }
    let names = || known.iter().map(String::as_str);
    let meant = near(profile, names()).first().map_or_else(String::new, |name| format!("did you mean {name}? "));
    let listed = names().take(NAMED).map(terminal_text).collect::<Vec<_>>().join(", ");
    let more = if known.len() > NAMED { format!(" and {} more", known.len() - NAMED) } else { String::new() };
    Err(CliError::Usage(format!(
        "`--profile`: the AWS CLI's configuration has no profile `{profile}`\n  hint: {meant}it has {}{more}",
        if listed.is_empty() { "none" } else { &listed }
    )))
}

/// The address of `--endpoint-url` without a user name and a password, which would end up in logs and errors, and which no
/// request can use: it is signed instead. Refuses what is no address, there and in the environment.
pub(super) fn endpoint(given: Option<&str>) -> Result<Option<String>, CliError> {
    let variables = std::env::vars_os().filter_map(|(name, address)| {
        let name = name.into_string().ok().filter(|name| name.starts_with("AWS_ENDPOINT_URL"))?;
        Some((name, address.to_string_lossy().into_owned())).filter(|(_, address)| !address.is_empty())
    });
    let option = given.map(|address| ("--endpoint-url".to_owned(), address.to_owned()));
    for (name, address) in option.into_iter().chain(variables) {
        if !is_http(&address) {
            let shown = if address.contains('@') { "what it says" } else { &format!("`{address}`") };
            return Err(CliError::Usage(format!(
                "`{name}`: {shown} is not the address of a server\n  hint: write it like https://s3.example.com or http://127.0.0.1:9000"
            )));
        }
        if without_user(&address).is_some() {
            super::say(&format!(
                "warning: `{name}`: the user name and the password in it are not sent: requests to AWS are signed (hint: leave them out)"
            ));
        }
    }
    Ok(given.map(|address| without_user(address).unwrap_or_else(|| address.to_owned())))
}

/// Whether a text is `http://host`, with a port and a path or not.
fn is_http(address: &str) -> bool {
    let plain = without_user(address);
    let Some((scheme, rest)) = plain.as_deref().unwrap_or(address).split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let ports = port.is_empty() || port.parse::<u16>().is_ok();
    let odd = |text: &str| text.contains(|next: char| next.is_whitespace() || next.is_control() || next == '@');
    matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") && !host.is_empty() && ports && !odd(rest)
}

pub(super) fn options(archive: &ArchiveArgs, aws: &AwsArgs) -> Result<Options<'static>, CliError> {
    check_profile(aws.profile.as_deref())?;
    let limit = units::parse_size(&archive.inflate_limit)
        .map_err(|error| CliError::Usage(format!("`--inflate-limit`: {error}")))?;
    let patience = units::parse_duration(&aws.s3_timeout)
        .ok()
        .and_then(|patience| patience.to_std().ok())
        .filter(|patience| !patience.is_zero() && *patience <= LONGEST_TIMEOUT)
        .ok_or_else(|| {
            CliError::Usage(format!(
                "`--s3-timeout`: `{}` is not a duration between 1s and 1h\n  hint: write it like 20s or 2m",
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
                endpoint_url: endpoint(aws.endpoint_url.as_deref())?,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn now() -> DateTime<Utc> {
        at("2026-11-27T02:00:00Z")
    }

    #[test]
    fn only_the_end_of_a_range_may_lie_in_the_future() {
        let range = |from, to| range(from, to, now()).map_err(|error| error.message().to_owned());
        for (from, to, expected) in [
            (Some("2026-11"), Some("2026-12"), [Some("2026-11-01T00:00:00Z"), Some("2026-12-01T00:00:00Z")]),
            (Some("1w"), None, [Some("2026-11-20T02:00:00Z"), None]),
            (Some("yesterday"), Some("today"), [Some("2026-11-26T00:00:00Z"), Some("2026-11-27T00:00:00Z")]),
            (None, Some("2027-11-01"), [None, Some("2027-11-01T00:00:00Z")]),
        ] {
            assert_eq!(range(from, to), Ok(expected.map(|time| time.map(at))), "{from:?} {to:?}");
        }
        for (from, to, why) in [
            (
                Some("2026-11-28"),
                None,
                "`--from` (`2026-11-28T00:00:00Z`) is in the future: now is `2026-11-27T02:00:00Z`",
            ),
            (Some("2026-12"), Some("2027-01"), "`--from` (`2026-12-01T00:00:00Z`) is in the future"),
            (Some("2026-11-27 03:00+00"), None, "is in the future"),
            (
                Some("2026-10"),
                Some("2062-11"),
                "`--to` (`2062-11-01T00:00:00Z`) is more than a year in the future: now is",
            ),
            (Some("today"), Some("yesterday"), "is not before `--to`"),
            (Some("this"), None, "`--from`: `this` is not a time"),
        ] {
            let error = range(from, to).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn endpoints_are_addresses_and_show_no_password() {
        for (given, plain) in [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("HTTPS://s3.example.com/base", "HTTPS://s3.example.com/base"),
            ("http://user:pw@[::1]:9000/x", "http://[::1]:9000/x"),
            ("http://user:p%40w@host", "http://host"),
        ] {
            assert_eq!(endpoint(Some(given)).expect("an address").as_deref(), Some(plain));
        }
        for wrong in [
            "user:s3cret@host:9000",
            "ftp://user:s3cret@host",
            "http://user:s3c ret@host",
            "http://user:pa/s3cret@host",
            "http://user:s3cret#@host",
            "http://user:s3cret@",
            "http://user:s3cret@host:port",
            "http://",
            "localhost:9000",
        ] {
            let error = endpoint(Some(wrong)).expect_err(wrong);
            assert!(error.message().contains("`--endpoint-url`: ") && error.message().contains("hint: "));
            assert!(!error.message().contains("ret"), "{}", error.message());
        }
    }

    #[test]
    fn moments_have_passed() {
        for (text, passed) in
            [("2026-11-27T02:00Z", true), ("2026-11-27T02:00:01Z", false), ("0s", true), ("2027-01-01", false)]
        {
            let time = time("--as-of", text, now());
            assert_eq!(time.is_ok(), passed, "{text}");
            let told = time.err().is_none_or(|error| error.message().contains("now is `2026-11-27T02:00:00Z`"));
            assert!(told, "{text}");
        }
    }
}
