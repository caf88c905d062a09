//! Signatures of requests without a body, Version 4: what every GET bears, made with as little work as it needs.
//!
//! The form is AWS's (IAM User Guide, "Create a signed AWS API request"); for S3 a path is signed as it is sent. The SDK's own
//! signer makes the same, which a test holds, at ten times the cost: it does not know that requests differ by a path alone.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};

use crate::hash::{hex, sha256};

/// SHA-256 of nothing: what a request without a body says of it.
pub(super) const NO_BODY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Where a request is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    /// The region that the signature names.
    pub(super) region: String,
    /// The service that it names: `s3`, `s3-outposts` …
    pub(super) service: String,
}

/// What is signed, apart from the time. Names of headers are in lower case; no name comes twice.
#[derive(Debug)]
pub(super) struct Request<'r> {
    /// Percent-encoded.
    pub(super) path: &'r str,
    /// In its canonical form.
    pub(super) query: &'r str,
    /// In order of their names; the date and a session's token are among them.
    pub(super) headers: &'r [(&'r str, &'r str)],
}

/// A secret key, made ready for one day, region and service.
pub(super) struct Key {
    day: String,
    key: hmac::Key,
}

impl Key {
    pub(super) fn new(secret: &str, day: &str, scope: &Scope) -> Self {
        let sign = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
        let dated = sign(format!("AWS4{secret}").as_bytes(), day);
        let regional = sign(dated.as_ref(), &scope.region);
        let serving = sign(regional.as_ref(), &scope.service);
        let last = sign(serving.as_ref(), "aws4_request");
        Self { day: day.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, last.as_ref()) }
    }

    /// The day that it signs for, as [`day`] writes it.
    pub(super) fn day(&self) -> &str {
        &self.day
    }

    /// The value of the header `Authorization`. `time` is what the header `x-amz-date` says.
    pub(super) fn authorization(&self, id: &str, scope: &Scope, time: &str, request: &Request<'_>) -> String {
        let mut names = String::with_capacity(128);
        let mut canonical = String::with_capacity(1024);
        // Writing to a string cannot fail.
        let _ = write!(canonical, "GET\n{}\n{}\n", request.path, request.query);
        for (name, value) in request.headers {
            let _ = writeln!(canonical, "{name}:{value}");
            names.push_str(if names.is_empty() { "" } else { ";" });
            names.push_str(name);
        }
        let _ = write!(canonical, "\n{names}\n{NO_BODY}");
        let Scope { region, service } = scope;
        let scope = format!("{}/{region}/{service}/aws4_request", self.day);
        let hash = hex(&sha256(canonical.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}");
        let signature = hex(hmac::sign(&self.key, text.as_bytes()).as_ref());
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
    }
}

/// A moment as the header `x-amz-date` has it.
pub(super) fn time(now: DateTime<Utc>) -> String {
    now.format("%Y%m%dT%H%M%SZ").to_string()
}

/// The day of such a moment.
pub(super) fn day(time: &str) -> &str {
    time.get(..8).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's own documentation ("GET Object" in the Amazon S3 API Reference, "Examples: Signature Calculations").
    #[test]
    fn a_signature_is_that_of_aws_s_documentation() {
        let scope = Scope { region: "us-east-1".to_owned(), service: "s3".to_owned() };
        let time = "20130524T000000Z";
        let key = Key::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", day(time), &scope);
        let headers = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", NO_BODY),
            ("x-amz-date", time),
        ];
        let request = Request { path: "/test.txt", query: "", headers: &headers };
        assert_eq!(
            key.authorization("AKIAIOSFODNN7EXAMPLE", &scope, time, &request),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }
}
