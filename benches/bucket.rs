//! A bucket in memory that answers late: what a distant S3 is to a client, without the distance.
//!
//! `cargo bench --bench bucket -- FOLDER [LATENCY_MS [SLOW_DOWNS [CERTIFICATE KEY]]]` serves the files of a folder as the bucket
//! `archive`, on a port of 127.0.0.1 that it prints, until its standard input ends. Every answer waits so long; the first so many
//! GETs are answered with 503 SlowDown; with a certificate and its key (PEM), it speaks TLS. Signatures are not looked at.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench fails by a panic")]
#![allow(clippy::print_stdout, reason = "its port")]

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    error::Error,
    fmt::Write as _,
    fs,
    io::Read as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http_body_util::Full;
use hyper::{Request, Response, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    runtime,
};
use tokio_rustls::TlsAcceptor;

mod corpus;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Names on a page of a listing.
const PAGE: usize = 1_000;

struct Bucket {
    objects: BTreeMap<String, Bytes>,
    latency: Duration,
    slow_downs: AtomicUsize,
}

fn main() -> Result<()> {
    let arguments = corpus::arguments();
    let mut arguments = arguments.iter().map(String::as_str);
    // Without a folder there is nothing to serve, and nothing to check either.
    let Some(folder) = arguments.next() else { return Ok(()) };
    let latency = Duration::from_millis(arguments.next().map_or(Ok(0), str::parse)?);
    let slow_downs = AtomicUsize::new(arguments.next().map_or(Ok(0), str::parse)?);
    let tls = match (arguments.next(), arguments.next()) {
        (Some(certificate), Some(key)) => Some(acceptor(certificate, key)?),
        _ => None,
    };
    let mut objects = BTreeMap::new();
    read(Path::new(folder), "", &mut objects)?;
    let bucket = Arc::new(Bucket { objects, latency, slow_downs });
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(bucket, tls))
}

fn read(folder: &Path, prefix: &str, objects: &mut BTreeMap<String, Bytes>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_strange| "a name that is no text")?;
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{prefix}{name}/"), objects)?;
        } else {
            objects.insert(format!("{prefix}{name}"), fs::read(entry.path())?.into());
        }
    }
    Ok(())
}

fn acceptor(certificate: &str, key: &str) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<std::result::Result<Vec<_>, _>>()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(bucket: Arc<Bucket>, tls: Option<TlsAcceptor>) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (bucket, tls) = (Arc::clone(&bucket), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => connection(stream, bucket).await,
                // A client that breaks off is its own matter.
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => connection(stream, bucket).await,
                    Err(_broken) => {}
                },
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, bucket: Arc<Bucket>) {
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let bucket = Arc::clone(&bucket);
        async move {
            tokio::time::sleep(bucket.latency).await;
            Ok::<_, Infallible>(bucket.answer(request.uri().path(), request.uri().query().unwrap_or_default()))
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Bucket {
    fn answer(&self, path: &str, query: &str) -> Response<Full<Bytes>> {
        let key = decode(path.trim_start_matches("/archive").trim_start_matches('/'));
        if key.is_empty() {
            return Response::new(Full::new(self.list(query).into()));
        }
        if self.slow_downs.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            return refusal(503, "SlowDown");
        }
        match self.objects.get(&key) {
            Some(bytes) => Response::new(Full::new(bytes.clone())),
            None => refusal(404, "NoSuchKey"),
        }
    }

    fn list(&self, query: &str) -> String {
        let query: BTreeMap<&str, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name, decode(value)))
            .collect();
        let given = |name: &str| query.get(name).map_or("", String::as_str);
        let prefix = given("prefix");
        let after = given("continuation-token").max(given("start-after")).to_owned();
        let (mut keys, mut folders, mut last) = (Vec::new(), BTreeSet::new(), "");
        let mut truncated = false;
        for (key, bytes) in self.objects.range(prefix.to_owned()..) {
            if !key.starts_with(prefix) {
                break;
            }
            let folder = key[prefix.len()..].split_once('/').filter(|_| !given("delimiter").is_empty());
            let name = match folder {
                Some((folder, _)) => &key[..=prefix.len() + folder.len()],
                None => key,
            };
            if name <= after.as_str() || folders.contains(name) {
                continue;
            }
            if keys.len() + folders.len() == PAGE {
                truncated = true;
                break;
            }
            last = name;
            if folder.is_some() {
                folders.insert(name);
            } else {
                keys.push((name, bytes.len()));
            }
        }
        let mut page = format!(
            "<?xml version=\"1.0\"?><ListBucketResult><Name>archive</Name><KeyCount>{}</KeyCount><IsTruncated>{truncated}</IsTruncated>",
            keys.len() + folders.len()
        );
        if truncated {
            let _ = write!(page, "<NextContinuationToken>{last}</NextContinuationToken>");
        }
        for (key, size) in keys {
            let _ = write!(page, "<Contents><Key>{key}</Key><Size>{size}</Size></Contents>");
        }
        for folder in folders {
            let _ = write!(page, "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
        }
        page + "</ListBucketResult>"
    }
}

fn refusal(status: u16, code: &str) -> Response<Full<Bytes>> {
    let body = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
    Response::builder().status(status).body(Full::new(body.into())).expect("a response")
}

/// Percent-encoding undone.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte.unwrap_or(b'0')).to_digit(16).unwrap_or(0) as u8;
        bytes.push(if byte == b'%' { digit(rest.next()) << 4 | digit(rest.next()) } else { byte });
    }
    String::from_utf8(bytes).expect("keys are text")
}
