//! HTTP/1.1 for requests that no SDK makes: TLS by the system's roots, the environment's proxy, a deadline, a bound for the answer, no
//! redirect. Whether a request that failed may have had its effect is told, for who sends it again must know.

mod proxy;
pub mod server;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Uri};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioExecutor;
use tower_service::Service as _;

use self::proxy::Way;
use crate::causes::with_causes;

/// How much of an answer is read, unless [`Client::largest`] says otherwise.
const LARGEST: usize = 4 << 20;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// What is sent.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET`, `POST`, `PUT`, `PATCH`.
    pub method: Method,
    /// The whole address.
    pub url: String,
    /// Names and values; the length and the host are added.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values that are text.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A header by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as text, as far as it is.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why there is no answer. No address is in it, for an address may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request itself is impossible.
    #[error("{0}")]
    Invalid(String),
    /// It was not sent: there was no connection.
    #[error("could not connect: {0}")]
    NotSent(String),
    /// It may have been sent, and may have had its effect.
    #[error("no answer: {0}")]
    Unknown(String),
}

/// Keeps connections alive. One request at a time: each thread that sends has its own.
#[derive(Debug)]
pub struct Client {
    runtime: tokio::runtime::Runtime,
    client: legacy::Client<HttpsConnector<Way>, Full<Bytes>>,
    connector: HttpsConnector<Way>,
    deadline: Duration,
    largest: usize,
}

impl Client {
    /// A client that waits so long for a whole answer, through the proxies that the environment names.
    ///
    /// # Errors
    /// Where no runtime can be had, the system has no root certificates, or the environment names a proxy that is none.
    pub fn new(deadline: Duration) -> std::io::Result<Self> {
        Self::of(tls()?, deadline, proxy::of_environment()?)
    }

    /// A client that trusts the servers that this configuration does.
    ///
    /// # Errors
    /// Where no runtime can be had, or the environment names a proxy that is none.
    pub(crate) fn trusting(tls: rustls::ClientConfig, deadline: Duration) -> std::io::Result<Self> {
        Self::of(Arc::new(tls), deadline, proxy::of_environment()?)
    }

    fn of(tls: Arc<rustls::ClientConfig>, deadline: Duration, proxies: Matcher) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        let to_proxy = HttpsConnector::from((tcp.clone(), Arc::clone(&tls)));
        let connector = HttpsConnector::from((Way::new(tcp, to_proxy, proxies), tls));
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector.clone());
        Ok(Self { runtime, client, connector, deadline, largest: LARGEST })
    }

    /// The client, reading so many bytes of an answer and no more.
    #[must_use]
    pub fn largest(self, bytes: usize) -> Self {
        Self { largest: bytes, ..self }
    }

    /// Connects, by TLS if the address says so, and sends nothing.
    ///
    /// # Errors
    /// Where there is no connection.
    pub fn reach(&self, url: &str) -> Result<(), Error> {
        let uri: Uri = url.parse().map_err(|_bad| Error::Invalid("the address is no URL".to_owned()))?;
        let connection = self.connector.clone().call(uri);
        let connected = self.runtime.block_on(async { tokio::time::timeout(self.deadline, connection).await });
        match connected {
            Ok(Ok(_connection)) => Ok(()),
            Ok(Err(error)) => Err(Error::NotSent(with_causes(error.as_ref()))),
            Err(_elapsed) => Err(Error::NotSent(format!("no connection within {} s", self.deadline.as_secs()))),
        }
    }

    /// Sends a request and waits for the whole answer, whatever its status is.
    ///
    /// # Errors
    /// Where there is no answer.
    pub fn send(&self, request: &Request) -> Result<Response, Error> {
        let built = build(request)?;
        let answer = async {
            let response = self.client.request(built).await.map_err(|error| {
                let text = with_causes(&error);
                if error.is_connect() { Error::NotSent(text) } else { Error::Unknown(text) }
            })?;
            let status = response.status().as_u16();
            let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
            let headers = response
                .headers()
                .iter()
                .filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?)))
                .collect();
            let body = Limited::new(response.into_body(), self.largest).collect().await;
            let body = body.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Error::Unknown(format!("status {status}, and the response is larger than {} bytes", self.largest))
                } else {
                    Error::Unknown(format!(
                        "status {status}, and the response broke off: {}",
                        with_causes(error.as_ref())
                    ))
                }
            })?;
            Ok(Response { status, headers, body: body.to_bytes().to_vec() })
        };
        self.runtime.block_on(async {
            tokio::time::timeout(self.deadline, answer)
                .await
                .unwrap_or_else(|_elapsed| Err(Error::Unknown(format!("none within {} s", self.deadline.as_secs()))))
        })
    }
}

/// Certificates are trusted that the system trusts.
fn tls() -> std::io::Result<Arc<rustls::ClientConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .with_native_roots()?
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn build(request: &Request) -> Result<hyper::Request<Full<Bytes>>, Error> {
    let uri: Uri = request.url.parse().map_err(|_bad| Error::Invalid("the address is no URL".to_owned()))?;
    let mut built = hyper::Request::builder().method(request.method.clone()).uri(uri);
    for (name, value) in &request.headers {
        let bad = |what: &str| Error::Invalid(format!("the header `{name}` has {what}, which HTTP does not allow"));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_bad| bad("a name"))?;
        let value = HeaderValue::from_str(value).map_err(|_bad| bad("a value"))?;
        built = built.header(key, value);
    }
    let body = Full::new(Bytes::from(request.body.clone()));
    built.body(body).map_err(|error| Error::Invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// For an answer that comes, on a machine with much else to do.
    const PATIENCE: Duration = Duration::from_secs(5);
    /// For one that does not: less than a server here is silent.
    const SILENCE: Duration = Duration::from_millis(500);

    /// A server that answers each connection with the next of these bytes, after it has read something.
    fn server(answers: Vec<&'static [u8]>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer);
                if answer.is_empty() {
                    thread::sleep(SILENCE * 20);
                }
            }
        });
        format!("http://{address}/")
    }

    fn post(url: &str) -> Request {
        Request { method: Method::POST, url: url.to_owned(), headers: Vec::new(), body: b"x".to_vec() }
    }

    /// Whatever the environment of the tests names.
    fn client(deadline: Duration) -> Client {
        Client::of(tls().unwrap(), deadline, Matcher::builder().build()).unwrap()
    }

    #[test]
    fn what_is_known_of_an_effect_is_told() {
        let client = client(PATIENCE);
        let url = server(vec![
            b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
            b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf",
            b"nonsense\r\n\r\n",
        ]);
        let slow = client.send(&post(&url)).unwrap();
        assert_eq!((slow.status, slow.header("retry-after"), slow.text().as_str()), (429, Some("3"), "no"));
        assert_eq!(client.send(&post(&url)).unwrap().status, 302, "no redirect is followed");
        for what in ["an answer cut short", "an answer that is no HTTP"] {
            assert!(matches!(client.send(&post(&url)), Err(Error::Unknown(_))), "{what}");
        }
        let silent = self::client(SILENCE).send(&post(&server(vec![b""])));
        assert!(matches!(&silent, Err(Error::Unknown(why)) if why.starts_with("none within")), "{silent:?}");
        assert_eq!(client.reach(&server(vec![b"x"])), Ok(()));
        let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(client.send(&post(&format!("http://{unused}/"))), Err(Error::NotSent(_))));
        assert!(matches!(client.reach(&format!("http://{unused}/")), Err(Error::NotSent(_))));
        assert!(matches!(client.send(&post("no address")), Err(Error::Invalid(_))));
    }

    /// Of a proxy, by these answers to `CONNECT`: what is told of a request through it, and what it was asked.
    fn proxied(answer: &'static [u8]) -> (Error, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 4096];
            let length = stream.read(&mut asked).unwrap();
            let _ = stream.write_all(answer);
            if answer.is_empty() {
                thread::sleep(SILENCE * 2);
            }
            String::from_utf8(asked[..length].to_vec()).unwrap()
        });
        let proxies = Matcher::builder().https(format!("http://mfatrail:hunter2@{address}")).build();
        let deadline = if answer.is_empty() { SILENCE } else { PATIENCE };
        let client = Client::of(tls().unwrap(), deadline, proxies).unwrap();
        let error = client.send(&post("https://soc.example.com/mfa")).unwrap_err();
        (error, proxy.join().unwrap())
    }

    #[test]
    fn a_proxy_that_gives_no_connection_is_told_and_nothing_was_sent() {
        for (answer, expected) in [
            (&b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"[..], "status 407: it asks for a user and a password"),
            (
                b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
                "status 403: it gives no connection to soc.example.com:443",
            ),
            (b"HTTP/1.1 200 OK\r\n\r\nno TLS at all", "InvalidContentType"),
            (b"nonsense\r\n\r\n", "invalid HTTP"),
            (b"HTTP/1.1 200", "the proxy 127.0.0.1"),
        ] {
            let (error, asked) = proxied(answer);
            let Error::NotSent(reason) = &error else { panic!("{error:?}") };
            assert!(reason.contains(expected) && !reason.contains("hunter2"), "{reason}");
            assert!(asked.starts_with("CONNECT soc.example.com:443 HTTP/1.1\r\n"), "{asked}");
            // "mfatrail:hunter2"
            assert!(asked.contains("proxy-authorization: Basic bWZhdHJhaWw6aHVudGVyMg=="), "{asked}");
        }
        assert!(matches!(proxied(b"").0, Error::NotSent(_) | Error::Unknown(_)));
    }
}
