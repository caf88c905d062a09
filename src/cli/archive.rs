//! What every command that reads an archive is given: sources, range, and how to reach them.

use std::ffi::OsStr;
use std::num::NonZeroU32;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::args::{ArchiveArgs, AwsArgs, CacheArgs, Getting, PlaceArgs};
use super::exit::Status;
use super::{plain, put, say};
use crate::app::archive::alternatives;
use crate::app::request::{account_id, passed, region_name};
use crate::app::{Archive, Error, rfc3339, store_error};
use crate::aws::{Connection, is_http, profiles, without_user};
use crate::pipeline::{Options, Plan};
use crate::source::s3::S3Options;
use crate::source::{Selection, Source};
use crate::store::Place;
use crate::units;

/// Who waits longer does not want a time-out, but a connection that works.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);

/// How far in the future a range may end: a period that is under way is named by its end, and a wrong year is not one.
const FARTHEST_END: TimeDelta = TimeDelta::days(366);

/// A moment that has passed.
pub(super) fn time(flag: &str, text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    let time = units::parse_time(text, now).map_err(|error| Error::Input(format!("`{flag}`: {error}")))?;
    passed(flag, time, now)
}

/// One end of a range; a month stands for its first moment.
fn end(flag: &str, text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    // `this` and `last` name months only where nothing but a month can be meant.
    if text.contains('-')
        && let Ok([first, _]) = units::parse_month(text, now)
    {
        return Ok(first);
    }
    units::parse_time(text, now).map_err(|error| Error::Input(format!("`{flag}`: {error}")))
}

/// The moments of `--from` and `--to`, each left out or not, in this order. The end may lie in the future, for what ends
/// there may be under way.
pub(super) fn range(
    from: Option<&str>,
    to: Option<&str>,
    now: DateTime<Utc>,
) -> Result<[Option<DateTime<Utc>>; 2], Error> {
    let from = from.map(|text| end("--from", text, now).and_then(|from| passed("--from", from, now))).transpose()?;
    let to = to.map(|text| end("--to", text, now)).transpose()?;
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        let (from, to) = (rfc3339(from), rfc3339(to));
        return Err(Error::Input(format!("`--from` (`{from}`) is not before `--to` (`{to}`)\n  hint: swap them")));
    }
    if let Some(to) = to.filter(|to| *to > now + FARTHEST_END) {
        return Err(Error::Input(format!(
            "`--to` (`{}`) is more than a year in the future: now is `{}`\n  hint: check its year",
            rfc3339(to),
            rfc3339(now)
        )));
    }
    Ok([from, to])
}

pub(super) fn sources(arguments: &[impl AsRef<OsStr>]) -> Result<Vec<Source>, Error> {
    let mut sources: Vec<Source> = Vec::new();
    for argument in arguments {
        let source = Source::parse(argument.as_ref()).map_err(Error::input)?;
        source.check().map_err(Error::input)?;
        if sources.contains(&source) {
            let given = argument.as_ref().to_string_lossy();
            return Err(Error::Input(format!("SOURCE `{given}` is given twice")));
        }
        sources.push(source);
    }
    Ok(sources)
}

/// How late CloudTrail may have delivered.
pub(super) fn delivery_slack(args: &ArchiveArgs) -> Result<TimeDelta, Error> {
    units::parse_duration(&args.delivery_slack).map_err(|error| Error::Input(format!("`--delivery-slack`: {error}")))
}

pub(super) fn selection(
    args: &ArchiveArgs,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
) -> Result<Selection, Error> {
    args.accounts.iter().try_for_each(|account| account_id(account))?;
    args.regions.iter().try_for_each(|region| region_name(region))?;
    Ok(Selection {
        from,
        to,
        slack: delivery_slack(args)?,
        accounts: args.accounts.clone(),
        regions: args.regions.clone(),
        iam_only: false,
        product: None,
    })
}

/// Where the archive is, and how it is read.
pub(super) fn archive(sources: Vec<Source>, args: &ArchiveArgs, aws: &AwsArgs) -> Result<Archive, Error> {
    Ok(Archive { sources, options: options(args, aws)? })
}

/// How objects are read that are at hand already.
pub(super) fn rescan_options() -> Options<'static> {
    Options { stop: super::interrupt::stop(), ..Options::default() }
}

/// Refuses a profile that the AWS CLI's files do not have.
pub(super) fn check_profile(profile: Option<&str>) -> Result<(), Error> {
    let (Some(profile), Some(known)) = (profile, profiles()) else { return Ok(()) };
    if known.contains(profile) {
        return Ok(());
    }
    Err(Error::Input(format!(
        "`--profile`: the AWS CLI's configuration has no profile `{profile}`\n  hint: {}",
        alternatives(profile, &known, "none")
    )))
}

/// The address of `--endpoint-url` without a user name and a password, which would end up in logs and errors, and which no
/// request can use: it is signed instead. Refuses what is no address, there and in the environment.
pub(super) fn endpoint(given: Option<&str>) -> Result<Option<String>, Error> {
    let variables = std::env::vars_os().filter_map(|(name, address)| {
        let name = name.into_string().ok().filter(|name| name.starts_with("AWS_ENDPOINT_URL"))?;
        Some((name, address.to_string_lossy().into_owned())).filter(|(_, address)| !address.is_empty())
    });
    let option = given.map(|address| ("--endpoint-url".to_owned(), address.to_owned()));
    for (name, address) in option.into_iter().chain(variables) {
        if !is_http(&address) {
            let shown = if address.contains('@') { "what it says" } else { &format!("`{address}`") };
            return Err(Error::Input(format!(
                "`{name}`: {shown} is not an endpoint URL\n  hint: write it like https://s3.example.com or http://127.0.0.1:9000"
            )));
        }
        if without_user(&address).is_some() {
            super::say(&format!(
                "warning: `{name}`: the user name and password in it are not sent, because requests to AWS are signed (hint: remove them)"
            ));
        }
    }
    Ok(given.map(|address| without_user(address).unwrap_or_else(|| address.to_owned())))
}

pub(super) fn options(archive: &ArchiveArgs, aws: &AwsArgs) -> Result<Options<'static>, Error> {
    let limit = units::parse_size(&archive.inflate_limit)
        .map_err(|error| Error::Input(format!("`--inflate-limit`: {error}")))?;
    Ok(Options {
        threads: archive.threads.map_or(0, std::num::NonZeroUsize::get),
        object_limit: usize::try_from(limit).unwrap_or(usize::MAX),
        ..connection(aws)?
    })
}

/// Where a store is. A bucket is reached as the archives are, but by the caller itself: `--role-arn` is for reading these.
pub(super) fn place(store: &Path, cache: &CacheArgs, s3: &S3Options) -> Result<Place, Error> {
    if !Place::is_bucket(store.as_os_str()) {
        return Place::parse(store.as_os_str(), s3, None).map_err(Error::input);
    }
    let connection = Connection { role_arn: None, external_id: None, ..s3.connection.clone() };
    let options = S3Options { connection, request_payer: false, ..s3.clone() };
    Place::parse(store.as_os_str(), &options, cache_folder(cache).as_deref()).map_err(store_error)
}

/// The same, where a store may be in a bucket and nothing else is read from S3.
pub(super) fn place_alone(store: &Path, args: &PlaceArgs) -> Result<Place, Error> {
    check_profile(args.profile.as_deref())?;
    let connection = Connection {
        profile: args.profile.clone(),
        region: args.aws_region.clone(),
        endpoint_url: endpoint(args.endpoint_url.as_deref())?,
        ..Connection::default()
    };
    place(store, &args.cache, &S3Options { connection, traffic: super::log::traffic(), ..S3Options::default() })
}

/// Where copies of files are kept; `None` for nowhere.
fn cache_folder(args: &CacheArgs) -> Option<PathBuf> {
    match &args.store_cache {
        Some(none) if none.as_os_str() == "none" => None,
        Some(folder) => Some(folder.clone()),
        None => {
            let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
            let caches = set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
            let caches = caches.or_else(|| set("HOME").map(|home| home.join(".cache")));
            Some(caches?.join("mfatrail/store"))
        }
    }
}

/// How archives are reached.
pub(super) fn connection(aws: &AwsArgs) -> Result<Options<'static>, Error> {
    check_profile(aws.profile.as_deref())?;
    let patience = units::parse_duration(&aws.s3_timeout)
        .ok()
        .and_then(|patience| patience.to_std().ok())
        .filter(|patience| !patience.is_zero() && *patience <= LONGEST_TIMEOUT)
        .ok_or_else(|| {
            Error::Input(format!(
                "`--s3-timeout`: `{}` is not a duration between 1s and 1h\n  hint: write it like 20s or 2m",
                aws.s3_timeout
            ))
        })?;
    Ok(Options {
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
            requests: aws.s3_requests.map(NonZeroUsize::get),
            threads: aws.s3_threads.map(NonZeroUsize::get),
            direct: aws.s3_get == Getting::Direct,
            patience,
            traffic: super::log::traffic(),
            ..S3Options::default()
        },
        stop: super::interrupt::stop(),
        ..Options::default()
    })
}

/// What a thousand requests to S3 Standard cost in US dollars, in the cheapest and in the dearest of AWS's regions, by its price
/// list of November 2026.
const LIST_PRICE: [f64; 2] = [0.005, 0.007];
const GET_PRICE: [f64; 2] = [0.0004, 0.0006];

/// What reading costs a processor, as measured in reports/bench (2026-11-22, two cores of an EPYC; docs/scale.md has the fit).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rates {
    /// Seconds for each object of a bucket, whatever its size.
    object: f64,
    /// Seconds for each byte as stored.
    byte: f64,
}

impl Rates {
    /// Of a report, which keeps nothing.
    pub(super) const REPORT: Self = Self { object: 200e-6, byte: 7.6e-9 };
    /// Of a scan into a store.
    pub(super) const SCAN: Self = Self { object: 200e-6, byte: 12.4e-9 };
}

/// The processors of a machine that is reckoned with.
const PROCESSORS: f64 = 2.0;
/// Seconds for a page of a listing, of which sixteen are under way at once. Every machine lists the whole archive.
const PAGE: f64 = 0.15 / 16.0;
/// For so many machines times are said where nobody asks for others.
const MACHINES: [u32; 3] = [1, 8, 64];

/// About how many seconds so many machines take, which list while they read.
fn seconds(plan: &Plan, rates: Rates, machines: u32) -> f64 {
    let work = plan.gets as f64 * rates.object + plan.bytes as f64 * rates.byte;
    (work / PROCESSORS / f64::from(machines)).max(plan.lists as f64 * PAGE)
}

/// The times of a plan, in words.
fn times(plan: &Plan, rates: Rates, machines: &[u32]) -> String {
    let time = |machines: &u32| {
        let time = units::readable_duration(seconds(plan, rates, *machines).max(1.0).round()).unwrap_or_default();
        format!("{time} on {}", units::plural(*machines, "machine", "machines"))
    };
    let times: Vec<String> = machines.iter().map(time).collect();
    format!(
        "about {}, of {PROCESSORS} processors each, where the network is no limit (rates: docs/scale.md)",
        times.join(", ")
    )
}

/// Says what would be read, and about how long that takes: on so many machines, or else on one, on some and on many where work `is_shared`.
pub(super) fn say_plan(
    plan: &Plan,
    selection: &Selection,
    rates: Rates,
    machines: Option<NonZeroU32>,
    is_shared: bool,
) -> Result<Status, Error> {
    let to = selection.to.map_or_else(|| "the end".to_owned(), |to| rfc3339(to + selection.slack));
    let known = match plan.known {
        0 => String::new(),
        known => format!(", {} in the store already", units::plural(known, "object is", "objects are")),
    };
    let elsewhere = match plan.elsewhere {
        0 => String::new(),
        elsewhere => format!(", {} in other shards", units::plural(elsewhere, "object is", "objects are")),
    };
    say(&format!(
        "would read the folders from {} to {to}; {} deliberately skipped{known}{elsewhere}",
        selection.from.map_or_else(|| "the start".to_owned(), rfc3339),
        units::plural(plan.skipped, "object is", "objects are")
    ));
    for failure in &plan.failures {
        say(&plain(&format!("warning: {}: {}", failure.object, failure.error)));
    }
    put(&format!(
        "{}, {} ({})",
        units::plural(plan.objects, "object", "objects"),
        units::plural(plan.bytes, "byte", "bytes"),
        units::readable_size(plan.bytes)
    ))?;
    if plan.lists > 0 {
        let price = |at: usize| {
            let of = |count: u64, prices: [f64; 2]| count as f64 / 1_000.0 * prices.get(at).copied().unwrap_or(0.0);
            of(plan.lists, LIST_PRICE) + of(plan.gets, GET_PRICE)
        };
        put(&format!(
            "{} to list and {} to get them: {} to {:.4} US dollars by the price list of S3 Standard, without transfer and KMS",
            units::plural(plan.lists, "request", "requests"),
            units::count(plan.gets),
            format_args!("{:.4}", price(0)),
            price(1)
        ))?;
    }
    let usual = if is_shared { &MACHINES[..] } else { &MACHINES[..1] };
    let machines = machines.map(|machines| [machines.get()]);
    put(&times(plan, rates, machines.as_ref().map_or(usual, |machines| &machines[..])))?;
    Ok(Status::of(plan.failures.is_empty() && plan.objects + plan.known + plan.elsewhere > 0))
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
    fn a_plan_has_a_time_for_machines() {
        let plan = |gets, bytes, lists| Plan { gets, bytes, lists, ..Plan::default() };
        // A hundred million objects of two kilobytes, listed by a hundred thousand requests.
        let large = plan(100_000_000, 200_000_000_000, 100_000);
        let of = |plan: &Plan, machines| seconds(plan, Rates::SCAN, machines).round();
        assert_eq!([1, 8, 64, 1_000].map(|machines| of(&large, machines)), [11_240.0, 1_405.0, 938.0, 938.0]);
        assert!(seconds(&large, Rates::REPORT, 1) < seconds(&large, Rates::SCAN, 1));
        assert_eq!(
            times(&plan(0, 1, 0), Rates::SCAN, &[1]),
            "about 1 s on 1 machine, of 2 processors each, where the network is no limit (rates: docs/scale.md)"
        );
        assert!(
            times(&large, Rates::SCAN, &MACHINES)
                .starts_with("about 3 h 7 min on 1 machine, 23 min 25 s on 8 machines, ")
        );
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
            ("http://user:p w@host", "http://host"),
        ] {
            assert_eq!(endpoint(Some(given)).expect("an address").as_deref(), Some(plain));
        }
        for wrong in [
            "user:s3cret@host:9000",
            "ftp://user:s3cret@host",
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
