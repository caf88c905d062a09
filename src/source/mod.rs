//! Where log objects come from, and what their keys say.
//!
//! Disk and S3 list the same set for the same archive: what is in range is decided by one predicate,
//! [`Selection::includes`], on what the key says. Only [`s3`] and the counter inside its client name the AWS SDK.

mod key;
pub mod local;
mod object;
pub mod s3;
mod select;
mod traffic;

use std::{ffi::OsStr, path::PathBuf};

pub use key::{KeyInfo, Product};
pub(crate) use key::{minute, second};
pub use object::{Location, ObjectRef};
pub use select::Selection;
pub use traffic::Traffic;

/// A SOURCE as the user gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `-`: one object on standard input.
    Stdin,
    /// A file or a directory.
    Local(PathBuf),
    /// `s3://bucket/prefix`.
    S3 {
        /// The bucket, or an access point's ARN.
        bucket: String,
        /// A folder or one key; empty for the whole bucket.
        prefix: String,
    },
}

impl Source {
    /// Tells the kinds apart. Whether it exists is looked up by [`Source::check`].
    ///
    /// # Errors
    /// When an S3 URL has no bucket, or the argument is empty.
    pub fn parse(argument: &OsStr) -> Result<Self, SourceError> {
        if argument.is_empty() {
            return Err(SourceError::Empty);
        }
        let Some(text) = argument.to_str() else { return Ok(Self::Local(argument.into())) };
        match text.strip_prefix("s3://") {
            Some(rest) => {
                // An access point's ARN has a slash of its own.
                let skip = if rest.starts_with("arn:") { rest.find('/').map_or(0, |at| at + 1) } else { 0 };
                let end = rest.get(skip..).and_then(|tail| tail.find('/')).map_or(rest.len(), |at| skip + at);
                let (bucket, prefix) = rest.split_at(end);
                if bucket.is_empty() {
                    return Err(SourceError::NoBucket(text.to_owned()));
                }
                Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_start_matches('/').to_owned() })
            }
            None if text == "-" => Ok(Self::Stdin),
            None => Ok(Self::Local(text.into())),
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
            Self::Stdin | Self::S3 { .. } => Ok(()),
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
    #[error("the SOURCE is empty (hint: give s3://bucket/prefix, a directory, a file, or - for standard input)")]
    Empty,
    /// `s3://` without a bucket.
    #[error("no bucket in `{0}` (hint: s3://bucket/prefix)")]
    NoBucket(String),
    /// A path that cannot be looked at.
    #[error("could not read the SOURCE `{}`: {error} (hint: give a directory, a file, s3://bucket/prefix, or - for standard input)", path.display())]
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
    #[error("could not start the threads of the scan: {0}")]
    Threads(String),
    /// A count does not come out: something was lost, and no result can be trusted.
    #[error("the scan's own counts contradict each other: {0} (hint: this is a fault of mfatrail; please report it)")]
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
        assert!(matches!(parse("s3:///x"), Err(SourceError::NoBucket(_))));
        assert!(matches!(parse(""), Err(SourceError::Empty)));
        let error = parse("no/such/path").unwrap().check().unwrap_err().to_string();
        assert!(error.starts_with("could not read the SOURCE `no/such/path`: "), "{error}");
    }
}
