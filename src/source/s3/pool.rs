//! Connections to an endpoint that are kept open: TLS by rustls, one request at a time on each, spread over all addresses that the
//! endpoint's name has.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    task::unconstrained,
    time::{self, Instant},
};
use tokio_rustls::TlsConnector;

use crate::aws::Trust;

/// How long the addresses of a name are used. S3 gives eight of hundreds, for a few seconds.
const RESOLVED_FOR: Duration = Duration::from_secs(5);
/// A connection that nobody used for so long may be closed at the other end already.
const IDLE: Duration = Duration::from_secs(4);

/// One connection.
pub(super) type Line = Box<dyn Transport>;

/// What bytes go over.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// The connections to one host.
pub(super) struct Pool {
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
    patience: Duration,
    idle: Mutex<Vec<(Line, Instant)>>,
    addresses: tokio::sync::Mutex<(Vec<SocketAddr>, Option<Instant>)>,
    turn: AtomicUsize,
}

impl Pool {
    /// `patience` is for a connection.
    ///
    /// # Errors
    /// When the address is none, or there are no certificates to trust.
    pub(super) fn new(secure: bool, authority: &str, patience: Duration, trust: &Trust) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "no host and port");
        let parsed: hyper::http::uri::Authority = authority.parse().map_err(|_bad| wrong())?;
        let host = parsed.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = parsed.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self {
            host,
            port,
            tls: if secure { Some(tls(trust)?) } else { None },
            patience,
            idle: Mutex::default(),
            addresses: tokio::sync::Mutex::default(),
            turn: AtomicUsize::new(0),
        })
    }

    /// A connection that is free, or a new one.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn line(&self) -> io::Result<Line> {
        while let Some(mut line) = self.free() {
            if unconstrained(is_quiet(&mut line)).await {
                return Ok(line);
            }
        }
        time::timeout(self.patience, self.connect()).await.map_err(|_late| io::ErrorKind::TimedOut)?
    }

    /// Takes a connection back, once exactly its last answer's bytes were read.
    pub(super) fn give_back(&self, line: Line) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((line, Instant::now()));
    }

    /// The one that was used last: the others may then end for want of use.
    fn free(&self) -> Option<Line> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (line, since) = idle.pop()?;
        if since.elapsed() > IDLE {
            idle.clear();
            return None;
        }
        Some(line)
    }

    async fn connect(&self) -> io::Result<Line> {
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

    async fn greet(&self, stream: TcpStream) -> io::Result<Line> {
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }

    async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let mut known = self.addresses.lock().await;
        if known.1.is_none_or(|at| at.elapsed() >= RESOLVED_FOR) {
            *known = (lookup_host((self.host.as_str(), self.port)).await?.collect(), Some(Instant::now()));
        }
        Ok(known.0.clone())
    }
}

/// Whether nothing came since the last answer, not even the end: whatever it is, it is no answer to the next request.
async fn is_quiet(line: &mut Line) -> bool {
    let mut byte = [0];
    let mut read = ReadBuf::new(&mut byte);
    poll_fn(|context| Poll::Ready(Pin::new(&mut *line).poll_read(context, &mut read).is_pending())).await
}

fn tls(trust: &Trust) -> io::Result<TlsConnector> {
    let mut config = trust.rustls()?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
