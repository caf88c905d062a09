//! What a GET of the SDK looks like: its address and headers, learned from one request that it makes and that is not sent.
//!
//! Endpoint rules know regions, partitions, path style, dual stack, FIPS, access points, endpoints of one's own. They depend on
//! the bucket and on the configuration, never on the key; so one request for a key of no meaning tells all others.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::{Client, types::RequestPayer};
use aws_smithy_http::label::{EncodingStrategy, fmt_string};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};

use super::sigv4::Scope;
use crate::aws;

/// A key that is written in an address as it is.
const PROBE: &str = "mfatrail-probe";

/// How an object of one bucket is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    /// Whether by TLS.
    pub(super) secure: bool,
    /// Host and port.
    pub(super) authority: String,
    /// The path, up to the key.
    folder: String,
    /// What follows the question mark, in its canonical form.
    pub(super) query: String,
    /// What is always sent and signed, without the date and a session's token.
    pub(super) signed: Vec<(String, String)>,
    /// Who asks, which is sent and not signed.
    pub(super) user_agent: String,
    /// Where its signatures are valid.
    pub(super) scope: Scope,
}

impl Template {
    /// Learns it; `None` where the SDK's request is of another kind, such as one that is signed for many regions, or for a session
    /// with the bucket. `probe` is a client that sends nothing, but gives `seen` what it would have sent.
    pub(super) async fn learn(
        probe: &Client,
        seen: &Capture,
        bucket: &str,
        payer: Option<RequestPayer>,
    ) -> Option<Self> {
        seen.take();
        // It fails, for nothing is sent.
        let _ = probe.get_object().bucket(bucket).key(PROBE).set_request_payer(payer).send().await;
        Self::of(&seen.take()?)
    }

    fn of(seen: &Seen) -> Option<Self> {
        let uri = aws::without_user(&seen.uri).unwrap_or_else(|| seen.uri.clone());
        let (secure, rest) = match uri.split_once("://")? {
            ("https", rest) => (true, rest),
            ("http", rest) => (false, rest),
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/')?);
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let folder = path.strip_suffix(PROBE)?;
        if !folder.ends_with('/') || query.contains('&') || query.contains('%') {
            return None;
        }
        let authorization = seen.header("authorization")?;
        let credential = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=")?.split(',').next()?;
        let mut parts = credential.rsplit('/');
        let (Some("aws4_request"), Some(service), Some(region)) = (parts.next(), parts.next(), parts.next()) else {
            return None;
        };
        let names = authorization.split("SignedHeaders=").nth(1)?.split(',').next()?;
        let mut signed = Vec::new();
        for name in names.split(';') {
            match name {
                "host" => signed.push((name.to_owned(), authority.to_owned())),
                "x-amz-date" | "x-amz-security-token" => {}
                // The SDK tells by it which of its features are in use.
                "x-amz-user-agent" | "amz-sdk-invocation-id" | "amz-sdk-request" => {}
                "x-amz-content-sha256" if seen.header(name)? != super::sigv4::NO_BODY => return None,
                _ => signed.push((name.to_owned(), seen.header(name)?.to_owned())),
            }
        }
        if seen.header("host").is_some_and(|host| host != authority) {
            return None;
        }
        Some(Self {
            secure,
            authority: authority.to_owned(),
            folder: folder.to_owned(),
            query: query.to_owned(),
            signed,
            user_agent: seen.header("user-agent").unwrap_or("mfatrail").to_owned(),
            scope: Scope { region: region.to_owned(), service: service.to_owned() },
        })
    }

    /// The path of an object, encoded by the SDK's own rule.
    pub(super) fn path(&self, key: &str) -> String {
        let mut path = self.folder.clone();
        path.push_str(&fmt_string(key, EncodingStrategy::Greedy));
        path
    }
}

/// A request as the SDK made it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) uri: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Takes requests and sends none.
#[derive(Debug, Clone, Default)]
pub(super) struct Capture(Arc<Mutex<Option<Seen>>>);

impl Capture {
    /// The request that was to be sent last.
    pub(super) fn take(&self) -> Option<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl HttpConnector for Capture {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let seen = Seen { uri: request.uri().to_owned(), headers };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        HttpConnectorFuture::ready(Err(ConnectorError::user("requests are looked at here, and not sent".into())))
    }
}

impl HttpClient for Capture {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
