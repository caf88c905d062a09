//! The forms in which people write which bucket they mean: URLs of S3, ARNs, and addresses of S3 and of its console, as
//! they are copied from a browser or a policy.

use std::path::Path;

use super::{Source, SourceError};
use crate::arn::{self, Arn};
use crate::{aws, partition};

/// What is wrong with an address that has a user name or a password in it, and what to do.
const USER: &str = "contains a user name or a password";
const NO_USER: &str = "remove it: credentials come from the AWS configuration, see --profile";

/// Tells what a text means; `None` for what can only be the name of a file. A file of that name is meant where a text is
/// nothing else: nobody has one that is called `s3:/…`, but nothing forbids it.
///
/// # Errors
/// Where it looks like one of these forms and is none: with what to type instead, as far as that can be told.
pub(super) fn parse(text: &str) -> Result<Option<Source>, SourceError> {
    let Some((scheme, rest)) = text.split_once(':') else { return Ok(None) };
    let parsed = match (scheme.to_ascii_lowercase().as_str(), rest.strip_prefix("//")) {
        ("s3" | "s3a" | "s3n", Some(rest)) => url(text, rest),
        ("s3", None) => Err(wrong(text, "is not an S3 URL: `s3:` needs two slashes after it", meant(rest))),
        ("arn", _) => bucket_arn(text, &format!("arn:{rest}")),
        ("http" | "https", Some(rest)) => address(text, scheme, rest),
        ("file", Some(path)) if path.starts_with('/') => Ok(Source::Local(path.into())),
        (_, Some(_)) => {
            Err(wrong(text, "is neither a path nor an S3 location", "use s3://bucket/prefix, or a path".to_owned()))
        }
        _ => return Ok(None),
    };
    match parsed {
        Err(SourceError::Form { .. }) if Path::new(text).exists() => Ok(None),
        parsed => parsed.map(Some),
    }
}

/// `s3://bucket/prefix`, after the slashes.
fn url(text: &str, rest: &str) -> Result<Source, SourceError> {
    if arn::is_arn(rest) {
        return bucket_arn(text, rest);
    }
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    match bucket {
        "" if rest.trim_start_matches('/').is_empty() => Err(SourceError::NoBucket(text.to_owned())),
        "" => Err(wrong(text, "has no bucket: write two slashes after `s3:`", meant(rest))),
        // Nobody is shown it: what stands there may be a password.
        _ if bucket.contains('@') => Err(wrong("s3://", USER, NO_USER.to_owned())),
        _ => Ok(s3(bucket, prefix)),
    }
}

/// `arn:<partition>:s3:::bucket/prefix`, or an access point's, with what is below it as in a URL or as in a policy.
fn bucket_arn(text: &str, arn: &str) -> Result<Source, SourceError> {
    let hint = || "use arn:aws:s3:::bucket/prefix, the ARN of an access point, or s3://bucket/prefix".to_owned();
    let other = || Err(wrong(text, "is not the ARN of a bucket or an access point", hint()));
    let Some(Arn { service, resource, .. }) = Arn::parse(arn) else { return other() };
    // What a policy says of all objects, and of all whose keys begin in one way.
    let prefix_of = |key: &str| key.strip_suffix('*').unwrap_or(key).to_owned();
    if service == "s3" && !resource.is_empty() && !resource.starts_with(['/', '*']) && !resource.contains(':') {
        let Some(point) = resource.strip_prefix("accesspoint/") else {
            let (bucket, key) = resource.split_once('/').unwrap_or((resource, ""));
            return Ok(s3(bucket, &prefix_of(key)));
        };
        let (name, below) = point.split_once('/').unwrap_or((point, ""));
        if !name.is_empty() {
            let bucket = arn.get(..arn.len() - point.len() + name.len()).unwrap_or(arn);
            return Ok(s3(bucket, &prefix_of(below.strip_prefix("object/").unwrap_or(below))));
        }
    }
    other()
}

/// An address in a browser: `https://bucket.s3.region.amazonaws.com/prefix`, with the bucket in the path, or the console's.
fn address(text: &str, scheme: &str, rest: &str) -> Result<Source, SourceError> {
    let rest = rest.split('#').next().unwrap_or_default();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.contains('@') {
        return Err(wrong(&format!("{scheme}://"), USER, NO_USER.to_owned()));
    }
    let labels: Vec<&str> = host.split('.').collect();
    if labels.contains(&"console") {
        return console(text, path, query);
    }
    let is_s3 = |label: &str| label == "s3" || label.starts_with("s3-");
    let ends_in_aws = |at: usize| labels.get(at + 1..).is_some_and(|rest| partition::is_domain(&rest.join(".")));
    let Some(at) = labels.iter().rposition(|label| is_s3(label)).filter(|at| ends_in_aws(*at)) else {
        let hint = format!("for S3-compatible storage, use s3://bucket/prefix and --endpoint-url {scheme}://{host}");
        return Err(wrong(text, "is not an S3 address", hint));
    };
    if labels.get(at).is_some_and(|label| label.starts_with("s3-accesspoint") || label.starts_with("s3-control")) {
        return Err(wrong(text, "is an access point's address", "use the ARN of the access point".to_owned()));
    }
    let bucket = labels.get(..at).unwrap_or_default().join(".");
    let path = decoded(path, false);
    let (bucket, key) = match bucket.as_str() {
        "" => path.split_once('/').unwrap_or((&path, "")),
        bucket => (bucket, path.as_str()),
    };
    match (bucket, query) {
        ("", _) => Err(SourceError::NoBucket(text.to_owned())),
        (_, "") => Ok(s3(bucket, key)),
        // A version, a signature or a listing: something else than the key alone says.
        _ => Err(wrong(
            text,
            "has query parameters that are not part of an address",
            format!("give s3://{bucket}/{key}"),
        )),
    }
}

/// An address of S3's console: `…/s3/buckets/bucket?prefix=…`.
fn console(text: &str, path: &str, query: &str) -> Result<Source, SourceError> {
    let bucket = ["s3/buckets/", "s3/object/"].iter().find_map(|folder| path.strip_prefix(folder));
    let Some(bucket) = bucket.map(|bucket| bucket.trim_end_matches('/')).filter(|bucket| !bucket.is_empty()) else {
        let hint = "open the bucket in the console and copy the address, or write s3://bucket/prefix".to_owned();
        return Err(wrong(text, "is a console address without a bucket", hint));
    };
    let prefix = query.split('&').find_map(|field| field.strip_prefix("prefix=")).unwrap_or_default();
    Ok(s3(&decoded(bucket, false), &decoded(prefix, true)))
}

/// A text of an address with its `%` escapes decoded; in a query `+` stands for a space.
fn decoded(text: &str, query: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |at: usize| tail.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        rest = tail;
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.extend(u8::try_from(high * 16 + low));
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', ..) if query => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn s3(bucket: &str, prefix: &str) -> Source {
    Source::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_start_matches('/').to_owned() }
}

/// What somebody meant who missed a slash.
fn meant(rest: &str) -> String {
    match rest.trim_start_matches('/') {
        "" => "give s3://bucket/prefix".to_owned(),
        rest => format!("type s3://{rest}"),
    }
}

fn wrong(given: &str, reason: &'static str, hint: String) -> SourceError {
    let [given, hint] = [given, &hint].map(|text| aws::discreet(text).into_owned());
    SourceError::Form { given, reason, hint }
}
