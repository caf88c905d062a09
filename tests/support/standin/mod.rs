//! Stand-ins of the APIs that alerts are sent to, each as its documents say and as strict, with a state that can be looked at. What goes
//! wrong is scripted: the n-th request meets the n-th fault.

pub mod aws;
pub mod iam;
pub mod jira;
pub mod pagerduty;
pub mod proxy;
pub mod servicenow;
pub mod slack;
pub mod sqs;
pub mod teams;
pub mod webhook;
pub mod zendesk;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::run::HANG;

/// One request, as a stand-in got it.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// The path, without what follows `?`.
    pub path: String,
    /// What follows, decoded.
    pub query: BTreeMap<String, String>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// Whether what was asked was done, whatever was answered.
    pub done: bool,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The user and the password of `Authorization: Basic`.
    pub fn basic(&self) -> Option<(String, String)> {
        use base64::Engine as _;
        let text = self.header("authorization").strip_prefix("Basic ")?;
        let text = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// The body, if it is said to be a form.
    pub fn form(&self) -> BTreeMap<String, String> {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        let is_form = self.header("content-type") == "application/x-www-form-urlencoded";
        let pairs = text.split('&').filter(|_| is_form).filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), crate::support::percent::decode(value))).collect()
    }

    /// The body, if it is said to be JSON and is.
    pub fn json(&self) -> Option<Value> {
        let json = self.header("content-type").starts_with("application/json");
        json.then(|| serde_json::from_slice(&self.body).ok()).flatten()
    }
}

/// What a stand-in says.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: vec![("Content-Type", "application/json".to_owned())], body: body.to_string() }
    }

    pub fn text(status: u16, body: &str) -> Self {
        Self { status, headers: vec![("Content-Type", "text/plain".to_owned())], body: body.to_owned() }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} Status\r\nContent-Length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        format!("{text}\r\n{}", self.body).into_bytes()
    }
}

/// What goes wrong with one request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing.
    Pass,
    /// This answer, and nothing was done.
    Refuse(Answer),
    /// What was asked is done, and this is the answer.
    DoneBut(Answer),
    /// No answer; whether it was done.
    Silence(bool),
    /// No answer for longer than anybody waits; nothing was done.
    Stall,
    /// The connection is reset; whether it was done.
    Reset(bool),
    /// It was done, and of the answer half arrives.
    Half,
    /// Something that is no HTTP; nothing was done.
    Garbage,
    /// An answer that repeats the whole request, as a test page or a proxy does; nothing was done.
    Echo(u16),
}

/// What an API does.
pub trait Api: Send + 'static {
    fn answer(&mut self, request: &Request) -> Answer;
}

struct Shared<A> {
    api: Mutex<A>,
    faults: Mutex<VecDeque<Fault>>,
    requests: Mutex<Vec<Request>>,
    /// Whether requests are not kept.
    forgets: AtomicBool,
    /// Where each connection comes from that has not ended.
    open: Mutex<BTreeSet<SocketAddr>>,
}

/// A running stand-in. It ends with the test process.
pub struct StandIn<A> {
    /// `http://127.0.0.1:port`, or with `https`.
    pub url: String,
    shared: Arc<Shared<A>>,
}

impl<A: Api> StandIn<A> {
    pub fn start(api: A) -> Self {
        Self::serve(api, "http", |stream| Some(Box::new(stream)))
    }

    /// By TLS, with a certificate that nobody has signed; its file.
    pub fn start_tls(api: A, folder: &Path) -> (Self, PathBuf) {
        let (config, certificate) = tls(folder);
        let standin = Self::serve(api, "https", move |stream| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            Some(Box::new(rustls::StreamOwned::new(connection, stream)))
        });
        (standin, certificate)
    }

    fn serve(
        api: A,
        scheme: &str,
        wrap: impl Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let (faults, requests, forgets, open) =
            (Mutex::default(), Mutex::default(), AtomicBool::default(), Mutex::default());
        let shared = Arc::new(Shared { api: Mutex::new(api), faults, requests, forgets, open });
        let (own, wrap) = (Arc::clone(&shared), Arc::new(wrap));
        thread::spawn(move || {
            for (socket, from) in std::iter::repeat_with(|| listener.accept()).flatten() {
                own.open.lock().unwrap().insert(from);
                let (own, wrap) = (Arc::clone(&own), Arc::clone(&wrap));
                thread::spawn(move || {
                    let raw = socket.try_clone().unwrap();
                    if let Some(mut stream) = wrap(socket) {
                        // A client that gives up on a connection is no failure of the test.
                        while let Ok(Some(request)) = read(stream.as_mut())
                            && own.meet(&request, stream.as_mut(), &raw).is_ok()
                        {}
                    }
                    own.open.lock().unwrap().remove(&from);
                });
            }
        });
        Self { url, shared }
    }

    /// Waits until everything was read that a process sent which has ended: it may have done so with its last breath.
    pub fn settle(&self) {
        // Connections are taken in their order, and so this one after all of its.
        let last = TcpStream::connect(self.url.rsplit('/').next().unwrap()).unwrap();
        let only = BTreeSet::from([last.local_addr().unwrap()]);
        let begun = Instant::now();
        while *self.shared.open.lock().unwrap() != only {
            assert!(begun.elapsed() < HANG, "somebody is connected still");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// What goes wrong with the next requests.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.faults.lock().unwrap().extend(faults);
    }

    /// Keeps no requests from now on: where very many come.
    pub fn forget_requests(&self) {
        self.shared.forgets.store(true, Ordering::Relaxed);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Looks at the API's state, or changes it.
    pub fn with<T>(&self, look: impl FnOnce(&mut A) -> T) -> T {
        look(&mut self.shared.api.lock().unwrap())
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl<A: Api> Shared<A> {
    /// Answers; an error where the connection is to end.
    fn meet(&self, request: &Request, stream: &mut dyn Stream, raw: &TcpStream) -> std::io::Result<()> {
        let fault = self.faults.lock().unwrap().pop_front();
        let undone = matches!(
            fault,
            Some(
                Fault::Refuse(_)
                    | Fault::Silence(false)
                    | Fault::Stall
                    | Fault::Reset(false)
                    | Fault::Garbage
                    | Fault::Echo(_)
            )
        );
        let done = (!undone).then(|| self.api.lock().unwrap().answer(request));
        // Afterwards: whoever sees the request sees what it did.
        if !self.forgets.load(Ordering::Relaxed) {
            self.requests.lock().unwrap().push(Request { done: !undone, ..request.clone() });
        }
        let end = || Err(std::io::ErrorKind::ConnectionAborted.into());
        match fault {
            None | Some(Fault::Pass) => stream.write_all(&done.unwrap().bytes())?,
            Some(Fault::Refuse(answer) | Fault::DoneBut(answer)) => stream.write_all(&answer.bytes())?,
            Some(Fault::Silence(_)) => {
                thread::sleep(Duration::from_secs(5));
                return end();
            }
            Some(Fault::Stall) => {
                thread::sleep(Duration::from_secs(60));
                return end();
            }
            Some(Fault::Reset(_)) => {
                reset(raw)?;
                return end();
            }
            Some(Fault::Half) => {
                let mut answer = done.unwrap();
                // An answer of 204 has no second half.
                answer.status = if answer.status == 204 { 200 } else { answer.status };
                answer.body.push_str(" and what does not arrive");
                let bytes = answer.bytes();
                stream.write_all(&bytes[..bytes.len() - 20])?;
                stream.flush()?;
                return end();
            }
            Some(Fault::Garbage) => {
                stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n")?;
                return end();
            }
            Some(Fault::Echo(status)) => {
                let body = String::from_utf8_lossy(&request.body).into_owned();
                let text = format!("{} {:?} {:?} {body}", request.path, request.query, request.headers);
                stream.write_all(&Answer::text(status, &text).bytes())?;
            }
        }
        stream.flush()
    }
}

/// The next request of a connection; `None` at its end.
fn read(stream: &mut dyn Stream) -> std::io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(name, value)| (name.to_owned(), crate::support::percent::decode(value))).collect();
    Ok(Some(Request { method, path: path.to_owned(), query, headers, body, done: false }))
}

fn reset(stream: &TcpStream) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _within = runtime.enter();
    let stream = stream.try_clone()?;
    stream.set_nonblocking(true)?;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    stream.set_zero_linger()?;
    stream.into_std()?.shutdown(std::net::Shutdown::Both)
}

/// A key and a certificate for this machine and for names of `example.com` that nobody but itself has signed, made by `openssl`.
pub fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (key, certificate, config) =
        (folder.join("key.pem"), folder.join("certificate.pem"), folder.join("openssl.cnf"));
    let text = "[req]\ndistinguished_name=dn\nx509_extensions=own\nprompt=no\n[dn]\nCN=127.0.0.1\n[own]\n\
                subjectAltName=IP:127.0.0.1,DNS:soc.example.com,DNS:aws.example.com,DNS:*.aws.example.com\nbasicConstraints=critical,CA:FALSE\n";
    std::fs::write(&config, text).unwrap();
    let options = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let made = Command::new("openssl")
        .args(options)
        .arg("-config")
        .arg(&config)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("these tests need openssl on the PATH");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (key, certificate)
}

fn tls(folder: &Path) -> (Arc<rustls::ServerConfig>, PathBuf) {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let (key, certificate) = certificate(folder);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = vec![CertificateDer::from_pem_file(&certificate).unwrap()];
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(&key).unwrap())
        .unwrap();
    (Arc::new(config), certificate)
}
