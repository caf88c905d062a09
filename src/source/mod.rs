//! Where log objects come from, and what their keys say.
//!
//! Disk and S3 list the same set for the same archive: what is in range is decided by one predicate,
//! [`Selection::includes`], on what the key says. Only [`s3`] and the counter inside its client name the AWS SDK.

mod folders;
mod forms;
mod key;
pub mod local;
mod object;
pub mod places;
pub mod s3;
mod select;
mod shard;
mod traffic;

use std::{ffi::OsStr, path::PathBuf};

pub use folders::{Earlier, Folders, PassedOver};
pub use key::{KeyInfo, Product};
pub(crate) use key::{is_account, is_region, minute, second};
pub use object::{Location, ObjectRef};
pub use places::Places;
pub use select::Selection;
pub use shard::{Shard, ShardError, key_below};
pub use traffic::Traffic;

use crate::units::plural;

/// A SOURCE as the user gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `-`: one object on standard input.
    Stdin,
    /// A file or a directory.
    Local(PathBuf),
    /// `s3://bucket/prefix`, or an ARN or an address that means the same.
    S3 {
        /// The bucket, or an access point's ARN.
        bucket: String,
        /// A folder or one key; empty for the whole bucket.
        prefix: String,
    },
    /// Objects of a bucket by their whole keys, as a message names them. One that is not there is none.
    Objects {
        /// The bucket.
        bucket: String,
        /// The keys.
        keys: Vec<String>,
    },
}

impl Source {
    /// Tells the kinds apart. Whether it exists is looked up by [`Source::check`].
    ///
    /// # Errors
    /// When the argument is empty, or means a bucket and does not say which.
    pub fn parse(argument: &OsStr) -> Result<Self, SourceError> {
        if argument.is_empty() {
            return Err(SourceError::Empty);
        }
        let Some(text) = argument.to_str() else { return Ok(Self::Local(argument.into())) };
        if text == "-" {
            return Ok(Self::Stdin);
        }
        Ok(forms::parse(text)?.unwrap_or_else(|| Self::Local(text.into())))
    }

    /// As it was given, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Stdin => "-".to_owned(),
            Self::Local(path) => path.display().to_string(),
            Self::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
            Self::Objects { bucket, keys } => match keys.as_slice() {
                [key] => format!("s3://{bucket}/{key}"),
                keys => format!("s3://{bucket} ({})", plural(keys.len() as u64, "object", "objects")),
            },
        }
    }

    /// Where it is, as the locations of its objects begin: an absolute path, or `s3://bucket/prefix`.
    #[must_use]
    pub fn root(&self) -> String {
        match self {
            Self::Local(path) => {
                std::path::absolute(path).unwrap_or_else(|_relative| path.clone()).display().to_string()
            }
            Self::Objects { bucket, .. } => format!("s3://{bucket}/"),
            Self::Stdin | Self::S3 { .. } => self.shown(),
        }
    }

    /// Looks whether a local source exists, before any work starts. S3 is looked at by its first listing.
    ///
    /// # Errors
    /// When the path does not exist or cannot be looked at.
    pub fn check(&self) -> Result<(), SourceError> {
        match self {
            Self::Local(path) => match std::fs::metadata(path) {
                Ok(_) => Ok(()),
                Err(error) => Err(SourceError::Path { path: path.clone(), error }),
            },
            Self::Stdin | Self::S3 { .. } | Self::Objects { .. } => Ok(()),
        }
    }
}

/// One step of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// An object in range.
    Object(ObjectRef),
    /// Something that could not be looked at: it counts as listed and failed.
    Failed {
        /// Its name, as reports show it.
        name: String,
        /// What was wrong.
        error: String,
    },
}

/// Why a source cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// An empty argument.
    #[error("the SOURCE is empty (hint: use s3://bucket/prefix, a directory, a file, or - for standard input)")]
    Empty,
    /// `s3://` without a bucket.
    #[error("no bucket in `{0}` (hint: s3://bucket/prefix)")]
    NoBucket(String),
    /// Something that looks like a bucket's address or ARN, and is none.
    #[error("`{given}` {reason} (hint: {hint})")]
    Form {
        /// As it was given.
        given: String,
        /// What is wrong with it.
        reason: &'static str,
        /// What to do.
        hint: String,
    },
    /// A path that cannot be looked at.
    #[error("could not read the SOURCE `{}`: {error} (hint: use a directory, a file, s3://bucket/prefix, or - for standard input)", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// S3 said no.
    #[error(transparent)]
    S3(#[from] s3::S3Error),
    /// Threads or the I/O runtime could not be started.
    #[error("could not start threads: {0}")]
    Threads(String),
    /// A count does not come out: something was lost, and no result can be trusted.
    #[error("the scan's own counts contradict each other: {0} (hint: this is a bug in mfatrail; please report it)")]
    Unbalanced(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        let s3 = |bucket: &str, prefix: &str| Source::S3 { bucket: bucket.into(), prefix: prefix.into() };
        let parse = |text: &str| Source::parse(OsStr::new(text));
        assert_eq!(parse("s3://trail").unwrap(), s3("trail", ""));
        assert_eq!(parse("s3://trail/").unwrap(), s3("trail", ""));
        assert_eq!(parse("s3://trail/a/b/").unwrap(), s3("trail", "a/b/"));
        let arn = "arn:aws:s3:us-east-1:111122223333:accesspoint/logs";
        assert_eq!(parse(&format!("s3://{arn}/AWSLogs")).unwrap(), s3(arn, "AWSLogs"));
        assert_eq!(parse(&format!("s3://{arn}")).unwrap(), s3(arn, ""));
        assert_eq!(parse("-").unwrap(), Source::Stdin);
        assert_eq!(parse("archive").unwrap(), Source::Local("archive".into()));
        assert!(matches!(parse("s3://"), Err(SourceError::NoBucket(_))));
        assert!(matches!(parse(""), Err(SourceError::Empty)));
        let error = parse("no/such/path").unwrap().check().unwrap_err().to_string();
        assert!(error.starts_with("could not read the SOURCE `no/such/path`: "), "{error}");
    }

    #[test]
    fn buckets_are_understood_in_every_form_that_can_be_copied() {
        let (point, name) = ("arn:aws-us-gov:s3:us-gov-west-1:111122223333:accesspoint/logs", "trail-bucket");
        for (text, bucket, prefix) in [
            ("S3://trail-bucket/a/b", name, "a/b"),
            ("s3a://trail-bucket/a/", name, "a/"),
            ("s3://trail-bucket//a", name, "a"),
            ("arn:aws:s3:::trail-bucket", name, ""),
            ("arn:aws-cn:s3:::trail-bucket/AWSLogs/", name, "AWSLogs/"),
            ("arn:aws-iso-f:s3:::trail-bucket/*", name, ""),
            ("arn:aws:s3:::trail-bucket/AWSLogs/*", name, "AWSLogs/"),
            ("s3://arn:aws:s3:::trail-bucket/AWSLogs", name, "AWSLogs"),
            (point, point, ""),
            ("arn:aws-us-gov:s3:us-gov-west-1:111122223333:accesspoint/logs/object/AWSLogs/*", point, "AWSLogs/"),
            ("https://trail-bucket.s3.eu-central-1.amazonaws.com/AWSLogs/", name, "AWSLogs/"),
            ("https://trail-bucket.s3.amazonaws.com", name, ""),
            ("http://trail-bucket.s3-eu-west-1.amazonaws.com/a%20b/c+d", name, "a b/c+d"),
            ("https://trail-bucket.s3.dualstack.eu-central-1.amazonaws.com/", name, ""),
            ("https://trail-bucket.s3-fips.us-gov-west-1.amazonaws.com/a", name, "a"),
            ("https://trail-bucket.s3.cn-north-1.amazonaws.com.cn/a", name, "a"),
            ("https://trail-bucket.s3.eusc-de-east-1.amazonaws.eu/a", name, "a"),
            ("https://trail-bucket.s3.us-iso-east-1.c2s.ic.gov/a", name, "a"),
            ("https://a.s3.b.s3.eu-central-1.amazonaws.com/c", "a.s3.b", "c"),
            ("https://s3.eu-central-1.amazonaws.com/trail-bucket/AWSLogs/", name, "AWSLogs/"),
            ("https://s3.amazonaws.com/trail-bucket", name, ""),
            ("https://s3-eu-west-1.amazonaws.com/trail-bucket/a#b", name, "a"),
            ("https://s3.console.aws.amazon.com/s3/buckets/trail-bucket", name, ""),
            (
                "https://s3.console.aws.amazon.com/s3/buckets/trail-bucket?region=eu-central-1&prefix=AWSLogs/o-a%2F&showversions=false",
                name,
                "AWSLogs/o-a/",
            ),
            (
                "https://eu-central-1.console.aws.amazon.com/s3/object/trail-bucket?prefix=a/b+c.json.gz",
                name,
                "a/b c.json.gz",
            ),
            ("https://console.amazonaws.cn/s3/buckets/trail-bucket?prefix=a/", name, "a/"),
            ("https://console.amazonaws-us-gov.com/s3/buckets/trail-bucket/", name, ""),
        ] {
            let expected = Source::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
            assert_eq!(Source::parse(OsStr::new(text)).unwrap(), expected, "{text}");
        }
        assert_eq!(Source::parse(OsStr::new("file:///srv/archive")).unwrap(), Source::Local("/srv/archive".into()));
        for path in ["logs:2024", "C:/archive", "a/s3:/b", "s3", "arnold"] {
            assert_eq!(Source::parse(OsStr::new(path)).unwrap(), Source::Local(path.into()));
        }
    }

    #[test]
    fn what_is_nearly_a_bucket_is_corrected() {
        for (text, hint) in [
            ("s3:/trail-bucket/a", "type s3://trail-bucket/a"),
            ("s3:trail-bucket", "type s3://trail-bucket"),
            ("s3:///trail-bucket/a", "type s3://trail-bucket/a"),
            ("s3://", "s3://bucket/prefix"),
            ("s3:", "s3://bucket/prefix"),
            ("arn:aws:s3:::", "arn:aws:s3:::bucket/prefix"),
            ("arn:aws:s3:::/a", "arn:aws:s3:::bucket/prefix"),
            ("arn:aws:iam::111122223333:role/Ops", "arn:aws:s3:::bucket/prefix"),
            ("arn:aws:s3:us-east-1:111122223333:accesspoint/", "the ARN of an access point"),
            ("s3://arn:aws", "the ARN of an access point"),
            ("https://s3.eu-central-1.amazonaws.com/", "s3://bucket/prefix"),
            ("https://trail-bucket.s3.amazonaws.com/a?X-Amz-Signature=0", "s3://trail-bucket/a"),
            ("https://minio.example.com:9000/trail-bucket/a", "--endpoint-url https://minio.example.com:9000"),
            ("https://trail-bucket.s3.amazonaws.com.example.com/a", "--endpoint-url"),
            ("https://logs-111122223333.s3-accesspoint.eu-west-1.amazonaws.com/a", "the ARN of the access point"),
            ("https://eu-central-1.console.aws.amazon.com/cloudtrail/home", "s3://bucket/prefix"),
            ("gs://trail-bucket/a", "s3://bucket/prefix"),
        ] {
            let error = Source::parse(OsStr::new(text)).unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains(hint), "{text}: {error}");
        }
    }
}
