//! Signatures of requests without a body, Version 4: what every GET bears, made with as little work as it needs.
//!
//! The form is AWS's (IAM User Guide, "Create a signed AWS API request"); for S3 a path is signed as it is sent. The SDK's own
//! signer makes the same, which a test holds, at ten times the cost: it does not know that requests differ by a path alone.

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

/// What the signatures of one second have in common: the key, made ready for a day, region and service, and all text up to what
/// is hashed.
pub(super) struct Signer {
    key: hmac::Key,
    time: String,
    /// What is signed, up to the hash of a request.
    text: String,
    /// The value of the header `Authorization`, up to the names of what is signed.
    credential: String,
}

impl Signer {
    /// `time` is as [`time`] writes it, `id` the access key's.
    pub(super) fn new(id: &str, secret: &str, time: &str, scope: &Scope) -> Self {
        let sign = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
        let Scope { region, service } = scope;
        let day = time.get(..8).unwrap_or(time);
        let dated = sign(format!("AWS4{secret}").as_bytes(), day);
        let regional = sign(dated.as_ref(), region);
        let serving = sign(regional.as_ref(), service);
        let last = sign(serving.as_ref(), "aws4_request");
        let scope = format!("{day}/{region}/{service}/aws4_request");
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, last.as_ref()),
            time: time.to_owned(),
            text: format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n"),
            credential: format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders="),
        }
    }

    /// What the header `x-amz-date` says.
    pub(super) fn time(&self) -> &str {
        &self.time
    }

    /// The value of the header `Authorization`.
    pub(super) fn authorization(&self, request: &Request<'_>) -> String {
        let mut canonical = String::with_capacity(1024);
        let mut value = String::with_capacity(512);
        value.push_str(&self.credential);
        let names = value.len();
        push(&mut canonical, &["GET\n", request.path, "\n", request.query, "\n"]);
        for (name, text) in request.headers {
            push(&mut canonical, &[name, ":", text, "\n"]);
            let mark = if value.len() > names { ";" } else { "" };
            push(&mut value, &[mark, name]);
        }
        push(&mut canonical, &["\n", value.get(names..).unwrap_or_default(), "\n", NO_BODY]);
        let text = [&self.text, hex(&sha256(canonical.as_bytes())).as_str()].concat();
        let signature = hex(hmac::sign(&self.key, text.as_bytes()).as_ref());
        push(&mut value, &[", Signature=", &signature]);
        value
    }
}

/// Appends all of them.
pub(super) fn push(text: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| text.push_str(part));
}

/// A moment as the header `x-amz-date` has it.
pub(super) fn time(now: DateTime<Utc>) -> String {
    now.format("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's own documentation ("GET Object" in the Amazon S3 API Reference, "Examples: Signature Calculations").
    #[test]
    fn a_signature_is_that_of_aws_s_documentation() {
        let scope = Scope { region: "us-east-1".to_owned(), service: "s3".to_owned() };
        let time = "20130524T000000Z";
        let signer = Signer::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", time, &scope);
        let headers = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", NO_BODY),
            ("x-amz-date", time),
        ];
        let request = Request { path: "/test.txt", query: "", headers: &headers };
        assert_eq!(
            signer.authorization(&request),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }
}
