//! How a server is reached: directly, or through the proxy that the environment names (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`), by the
//! rules of the AWS SDK and of curl. Through a proxy goes what is encrypted from end to end: it is asked for a tunnel (`CONNECT`,
//! RFC 9110, 9.3.6), and sees names and no contents. What is sent in the clear goes to this machine or to a stand-in for AWS, directly.
//!
//! No error names the user or the password of a proxy.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, PROXY_AUTHORIZATION};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::{Method, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tower_service::Service;

use super::CONNECT;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The variables that name a proxy for encrypted connections.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// The proxies that the environment names.
///
/// # Errors
/// When a variable holds something else: it would be passed over in silence, and the connection be made without the proxy.
pub(super) fn of_environment() -> io::Result<Matcher> {
    for name in VARIABLES {
        let value = std::env::var_os(name).unwrap_or_default();
        if !value.is_empty() && !value.to_str().is_some_and(is_proxy) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "the variable `{name}` is not the address of an HTTP proxy (hint: \"http://proxy.example.com:3128\")"
                ),
            ));
        }
    }
    Ok(Matcher::from_env())
}

fn is_proxy(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    uri.host().is_some_and(|host| !host.is_empty()) && matches!(uri.scheme_str(), None | Some("http" | "https"))
}

/// Connects, and does not encrypt: whoever has the connection does, from end to end.
#[derive(Clone)]
pub(super) struct Way {
    tcp: HttpConnector,
    /// To a proxy, which may want TLS of its own.
    to_proxy: HttpsConnector<HttpConnector>,
    proxies: Arc<Matcher>,
}

impl Way {
    pub(super) fn new(tcp: HttpConnector, to_proxy: HttpsConnector<HttpConnector>, proxies: Matcher) -> Self {
        Self { tcp, to_proxy, proxies: Arc::new(proxies) }
    }
}

impl Service<Uri> for Way {
    type Response = Line;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Line, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let is_encrypted = to.scheme_str() == Some("https");
        match self.proxies.intercept(&to).filter(|_| is_encrypted) {
            None => {
                let connection = self.tcp.call(to);
                Box::pin(async move { Ok(Line::new(connection.await?)) })
            }
            Some(proxy) => {
                let connection = self.to_proxy.call(proxy.uri().clone());
                Box::pin(async move {
                    let name = proxy.uri().authority().map(ToString::to_string).unwrap_or_default();
                    let line = async { tunnel(connection.await?, &proxy, &to).await };
                    let late = |_elapsed| Err(format!("no answer within {} s", CONNECT.as_secs()).into());
                    let line = tokio::time::timeout(CONNECT, line).await.unwrap_or_else(late);
                    line.map_err(|source| Unreachable { name, source }.into())
                })
            }
        }
    }
}

/// Asks a proxy for a tunnel.
async fn tunnel(
    connection: impl Read + Write + Unpin + Send + 'static,
    proxy: &Intercept,
    to: &Uri,
) -> Result<Line, BoxError> {
    let target = format!("{}:{}", to.host().unwrap_or_default(), to.port_u16().unwrap_or(443));
    let mut request = hyper::Request::builder().method(Method::CONNECT).uri(&target).header(HOST, &target);
    if let Some(user) = proxy.basic_auth() {
        request = request.header(PROXY_AUTHORIZATION, user);
    }
    let (mut sender, connection) = http1::handshake(connection).await?;
    // What goes wrong with it, its request is told.
    tokio::spawn(async move {
        let _ = connection.with_upgrades().await;
    });
    let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    match answer.status() {
        status if status.is_success() => Ok(Line::new(hyper::upgrade::on(answer).await?)),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(
            "status 407: it asks for a user and a password, or takes others (hint: \"http://USER:PASSWORD@host:port\")"
                .into(),
        ),
        status => Err(format!("status {}: it gives no connection to {target}", status.as_u16()).into()),
    }
}

/// Why there is no connection through a proxy.
#[derive(Debug, thiserror::Error)]
#[error("the proxy {name}")]
struct Unreachable {
    name: String,
    source: BoxError,
}

trait Stream: Read + Write + Unpin + Send {}
impl<T: Read + Write + Unpin + Send> Stream for T {}

/// A connection.
pub(super) struct Line(Box<dyn Stream>);

impl Line {
    fn new(stream: impl Stream + 'static) -> Self {
        Self(Box::new(stream))
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_http_proxy_is_refused() {
        for (text, expected) in [
            ("http://proxy.example.com:3128", true),
            ("https://proxy.example.com", true),
            ("proxy.example.com:3128", true),
            ("http://user:hunter2@192.0.2.1:3128/", true),
            ("http://[2001:db8::1]:3128", true),
            ("socks5://proxy.example.com", false),
            ("http://", false),
            ("http://proxy .example.com", false),
            ("/proxy", false),
            ("ftp://proxy.example.com", false),
        ] {
            assert_eq!(is_proxy(text), expected, "{text}");
        }
    }
}
