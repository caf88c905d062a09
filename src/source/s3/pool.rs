//! Connections to an endpoint that are kept open: HTTP/1.1 by hyper, TLS by rustls and the system's certificates, one request at a
//! time on each, spread over all addresses that the endpoint's name has.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http_body_util::Empty;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
};
use hyper_rustls::ConfigBuilderExt as _;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::{self, Instant},
};
use tokio_rustls::TlsConnector;

/// How long the addresses of a name are used. S3 gives eight of hundreds, for a few seconds.
const RESOLVED_FOR: Duration = Duration::from_secs(5);
/// A connection that nobody used for so long may be closed at the other end already.
const IDLE: Duration = Duration::from_secs(4);

/// One connection.
type Sender = SendRequest<Empty<Bytes>>;

/// The connections to one host.
pub(super) struct Pool {
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
    patience: Duration,
    idle: Mutex<Vec<(Sender, Instant)>>,
    addresses: tokio::sync::Mutex<(Vec<SocketAddr>, Option<Instant>)>,
    turn: AtomicUsize,
}

impl Pool {
    /// Connects to nothing yet; `patience` is how long one connection may take.
    ///
    /// # Errors
    /// When the address is none, or the system has no certificates to trust.
    pub(super) fn new(secure: bool, authority: &str, patience: Duration) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "no host and port");
        let parsed: hyper::http::uri::Authority = authority.parse().map_err(|_bad| wrong())?;
        let host = parsed.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = parsed.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self {
            host,
            port,
            tls: if secure { Some(tls()?) } else { None },
            patience,
            idle: Mutex::default(),
            addresses: tokio::sync::Mutex::default(),
            turn: AtomicUsize::new(0),
        })
    }

    /// Sends a request on a connection that is free, or on a new one, and gives the answer's head.
    ///
    /// # Errors
    /// When there is no connection, or no answer that is HTTP.
    pub(super) async fn send(&self, request: Request<Empty<Bytes>>) -> io::Result<(Response<Incoming>, Sender)> {
        let mut sender = loop {
            let Some(mut sender) = self.free() else {
                break time::timeout(self.patience, self.connect())
                    .await
                    .map_err(|_late| io::ErrorKind::TimedOut)??;
            };
            // Its last answer was read to the end: it is ready as soon as its own task has seen so, or it is closed.
            if sender.ready().await.is_ok() {
                break sender;
            }
        };
        let answer = sender.send_request(request).await.map_err(io::Error::other)?;
        Ok((answer, sender))
    }

    /// Takes a connection back, once its answer was read to the end.
    pub(super) fn give_back(&self, sender: Sender) {
        if !sender.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((sender, Instant::now()));
        }
    }

    /// The one that was used last: the others may then end for want of use.
    fn free(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (sender, since) = idle.pop()?;
        if since.elapsed() > IDLE {
            idle.clear();
            return None;
        }
        Some(sender)
    }

    async fn connect(&self) -> io::Result<Sender> {
        let addresses = self.resolve().await?;
        let mut last = io::Error::other("the name has no address");
        for _ in 0..addresses.len().min(3) {
            let turn = self.turn.fetch_add(1, Relaxed);
            let Some(address) = addresses.get(turn % addresses.len()) else { continue };
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return self.greet(stream).await;
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn greet(&self, stream: TcpStream) -> io::Result<Sender> {
        let Some(tls) = &self.tls else { return handshake(stream).await };
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        handshake(tls.connect(name, stream).await?).await
    }

    async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let mut known = self.addresses.lock().await;
        if known.1.is_none_or(|at| at.elapsed() >= RESOLVED_FOR) {
            *known = (lookup_host((self.host.as_str(), self.port)).await?.collect(), Some(Instant::now()));
        }
        Ok(known.0.clone())
    }
}

async fn handshake(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> io::Result<Sender> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // What goes wrong with it, its request is told.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

fn tls() -> io::Result<TlsConnector> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_native_roots()?
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
