//! What comes back from AWS, or from whoever stands in for it: every answer has a bound and an end.
//!
//! The SDK reads an answer whole, however long it is, and takes XML that breaks off for a shorter document: a list of users
//! that was cut would be a list of fewer users. Every client therefore sends its requests through here. Only the body of an
//! object is let through as it comes: whoever reads it knows its length.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin as _;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body::{Body, Frame, SizeHint};

use super::{address, trust::Trust};

/// The longest error message, in bytes.
const LONGEST_REFUSAL: u64 = 1 << 20;
/// How many bytes at either end of an answer are kept, to compare them: declarations and names are far shorter.
const ENDS: usize = 1 << 10;

/// How much may be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// Bytes of one answer.
    pub(crate) answer: u64,
    /// Bytes of all answers together.
    pub(crate) all: u64,
}

/// `config`, with clients of its own that read no more than this, of servers that are trusted.
pub(crate) fn bounded(config: &SdkConfig, trust: &Trust, bound: Bound) -> SdkConfig {
    let mut builder = config.to_builder();
    builder.set_http_client(client(trust, bound));
    builder.build()
}

/// A client that trusts these servers, bounded: the SDK's own where no others are named. `None` where the SDK was built without
/// one, and then says so itself.
pub(super) fn client(trust: &Trust, bound: Bound) -> Option<SharedHttpClient> {
    let inner = match trust.client() {
        Some(client) => client,
        None => {
            let plugin = default_http_client_plugin_v2(BehaviorVersion::latest())?;
            plugin.runtime_components(&RuntimeComponentsBuilder::new("bounded")).http_client()?
        }
    };
    Some(SharedHttpClient::new(Client { inner, bound, left: Arc::new(AtomicU64::new(bound.all)) }))
}

#[derive(Debug)]
struct Client {
    inner: SharedHttpClient,
    bound: Bound,
    left: Arc<AtomicU64>,
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, bound: self.bound, left: Arc::clone(&self.left) })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.inner.validate_base_client_config(components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.inner.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    bound: Bound,
    left: Arc<AtomicU64>,
}

impl HttpConnector for Connector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        // Below, addresses are logged, and connections are known by them.
        if let Some(plain) = address::without_user(request.uri()) {
            // It was a valid address with a user in it; were it none without, the request would fail by itself.
            let _ = request.set_uri(plain);
        }
        let object = is_object(request.uri());
        let (limit, left) = (self.bound.answer, Arc::clone(&self.left));
        let answer = self.inner.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let success = answer.status().is_success();
            if object && success {
                return Ok(answer);
            }
            let limit = if success { limit } else { limit.min(LONGEST_REFUSAL) };
            let body = answer.take_body();
            *answer.body_mut() =
                SdkBody::from_body_1_x(Answer { body, limit, left, read: 0, ends: success.then(Ends::default) });
            Ok(answer)
        })
    }
}

/// Whether a request asks S3 for an object: its own query says so.
fn is_object(uri: &str) -> bool {
    uri.split_once('?').is_some_and(|(_, query)| query.split('&').any(|pair| pair == "x-id=GetObject"))
}

/// The body of an answer that the SDK reads whole.
struct Answer {
    body: SdkBody,
    limit: u64,
    /// What all answers together may still have.
    left: Arc<AtomicU64>,
    read: u64,
    /// Of an answer that has to end as it began.
    ends: Option<Ends>,
}

impl Answer {
    fn take(&mut self, data: &[u8]) -> Result<(), Broken> {
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.read = self.read.saturating_add(length);
        if self.read > self.limit {
            return Err(Broken::TooLong(self.limit));
        }
        if self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(length)).is_err() {
            return Err(Broken::TooMuch);
        }
        if let Some(ends) = &mut self.ends {
            ends.take(data);
        }
        Ok(())
    }
}

impl Body for Answer {
    type Data = <SdkBody as Body>::Data;
    type Error = <SdkBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let judged = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(Ok(()), |data| self.take(data)),
            Some(Err(_)) => Ok(()),
            None => self.ends.as_ref().map_or(Ok(()), Ends::judge),
        };
        Poll::Ready(match judged {
            Ok(()) => frame,
            Err(broken) => Some(Err(broken.into())),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether a document that was read by other ways is whole.
///
/// # Errors
/// In words, where it breaks off.
pub(super) fn whole(document: &[u8]) -> Result<(), String> {
    let mut ends = Ends::default();
    ends.take(document);
    ends.judge().map_err(|broken| broken.to_string())
}

/// What is wrong with an answer.
#[derive(Debug)]
enum Broken {
    TooLong(u64),
    TooMuch,
    Cut(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(limit) => write!(f, "the response is longer than {limit} bytes"),
            Self::TooMuch => f.write_str("all responses together are longer than any account needs"),
            Self::Cut(name) if name.is_empty() => f.write_str("the response is truncated: its XML is incomplete"),
            Self::Cut(name) => write!(f, "the response is truncated: it does not end with `</{name}>`"),
        }
    }
}

impl std::error::Error for Broken {}

/// How an answer begins and ends.
#[derive(Debug, Default)]
struct Ends {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Ends {
    fn take(&mut self, data: &[u8]) {
        let room = ENDS - self.head.len();
        self.head.extend_from_slice(data.get(..room).unwrap_or(data));
        self.tail.extend_from_slice(data.get(data.len().saturating_sub(ENDS)..).unwrap_or(data));
        let surplus = self.tail.len().saturating_sub(ENDS);
        self.tail.drain(..surplus);
    }

    /// XML ends with the tag that closes its first element. What is no XML, a parser judges.
    fn judge(&self) -> Result<(), Broken> {
        let head = String::from_utf8_lossy(&self.head);
        let head = head.trim_start_matches('\u{feff}').trim_start();
        if !head.starts_with('<') || head.starts_with("<!") {
            return Ok(());
        }
        let declared = head.strip_prefix("<?").map(|rest| rest.split_once("?>").map_or("", |(_, rest)| rest));
        let root = declared.unwrap_or(head).trim_start();
        let name = root.strip_prefix('<').unwrap_or_default();
        let name =
            name.split(|next: char| next.is_whitespace() || matches!(next, '>' | '/')).next().unwrap_or_default();
        let tail = self.tail.trim_ascii_end();
        // `<ListBucketResult/>` is all of a document.
        let empty = root.trim_end().strip_suffix("/>").is_some_and(|tag| !tag.contains('>')) && tail.ends_with(b"/>");
        let closed = tail.strip_suffix(b">").and_then(|tail| tail.strip_suffix(name.as_bytes()));
        if !name.is_empty() && (empty || closed.is_some_and(|tail| tail.ends_with(b"</"))) {
            Ok(())
        } else {
            Err(Broken::Cut(name.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_does_not_end_as_it_began() {
        let judged = |text: &str, pieces: usize| {
            let mut ends = Ends::default();
            text.as_bytes().chunks(pieces).for_each(|piece| ends.take(piece));
            ends.judge().is_ok()
        };
        let long = format!("<?xml version=\"1.0\"?>\n<A xmlns=\"u\"><B>{}</B></A>\n", "x".repeat(5 * ENDS));
        for pieces in [1, 7, ENDS, 1 << 20] {
            for whole in ["", "{\"a\":1}", "<A/>", "<A b=\"c\" />", " <A>x</A> \n", "<!DOCTYPE html><p>", &long] {
                assert!(judged(whole, pieces), "{whole}");
            }
            let cut = &long[..long.len() - 6];
            for cut in [
                "<",
                "<?xml version=\"1",
                "<?xml version=\"1.0\"?>",
                "<A",
                "<A>",
                "<A><B/>",
                "<A><BA></BA>",
                "<A><A/>",
                cut,
            ] {
                assert!(!judged(cut, pieces), "{cut}");
            }
        }
    }

    #[test]
    fn only_objects_are_streamed() {
        assert!(is_object("http://127.0.0.1:1/trail/a.json?x-id=GetObject"));
        assert!(!is_object("http://127.0.0.1:1/trail/x-id=GetObject?list-type=2&prefix=x-id%3DGetObject"));
        assert!(!is_object("http://127.0.0.1:1/trail/x-id=GetObject"));
    }
}
