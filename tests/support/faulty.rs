//! An S3 on the loopback interface that serves a folder and fails by script: the n-th request of a key, or of a page of
//! the listing, meets the n-th fault of its script.
//!
//! Threads and plain sockets, because most faults are below HTTP: an answer that is cut, a connection that is reset, a
//! body that has no end. Every connection is for one request.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::percent::decode;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// This status and S3 error code.
    Refuse(u16, &'static str),
    /// This status, and a page of HTML such as a proxy writes.
    Proxy(u16),
    /// The connection is reset before any answer.
    Reset,
    /// No answer, ever.
    Silence,
    /// Something that is no HTTP.
    Noise,
    /// Half the promised body, then an orderly end.
    Truncate,
    /// Half the promised body, then a reset.
    ResetBody,
    /// Half the promised body, then silence.
    Stall,
    /// The whole body, a few bytes at a time.
    Trickle,
    /// One byte more than was listed.
    Longer,
    /// One byte less than was listed.
    Shorter,
    /// A body without a length and without an end.
    Endless,
    /// The right length, another content: a checksum that S3 sends along tells.
    Flipped,
    /// The object was replaced since it was listed; of the same length.
    Replaced,
    /// Of a listing: a page with nothing on it but where the next is.
    EmptyPage,
    /// Of a listing: a page that says that more follows, but not where.
    NoToken,
    /// Of a listing: a page that is followed by itself.
    SamePage,
}

/// Faults by key, or by `list PREFIX` for the requests of a listing.
pub type Script = HashMap<String, Vec<Fault>>;

/// One request, as the server saw it.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// `ListObjectsV2`, `GetObject`, or the request line of something else.
    pub operation: String,
    /// The key or the prefix.
    pub key: String,
}

struct Shared {
    objects: BTreeMap<String, Vec<u8>>,
    script: Mutex<Script>,
    /// Keys whose last fault stays.
    for_ever: BTreeSet<String>,
    /// Keys that were asked for meet this from so many requests on.
    from: Option<(usize, Fault)>,
    page: usize,
    log: Mutex<Vec<Request>>,
}

/// A running server. It ends with the test process.
pub struct Faulty {
    pub endpoint: String,
    shared: Arc<Shared>,
}

/// How to start one.
#[derive(Default)]
pub struct Plan {
    pub script: Script,
    pub for_ever: BTreeSet<String>,
    pub from: Option<(usize, Fault)>,
}

/// The files of a folder by the keys that they have in a bucket.
pub fn objects(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let key = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(key, fs::read(path).unwrap());
            }
        }
    }
    found
}

impl Faulty {
    pub fn start(objects: BTreeMap<String, Vec<u8>>, plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let Plan { script, for_ever, from } = plan;
        let (script, log) = (Mutex::new(script), Mutex::default());
        let shared = Arc::new(Shared { objects, script, for_ever, from, page: 7, log });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let served = Arc::clone(&served);
                thread::spawn(move || {
                    // A client that gives up on a connection is no failure of the test.
                    let _ = served.serve(stream.unwrap());
                });
            }
        });
        Self { endpoint, shared }
    }

    pub fn log(&self) -> Vec<Request> {
        self.shared.log.lock().unwrap().clone()
    }

    /// Faults that were never met.
    pub fn unmet(&self) -> Vec<(String, Fault)> {
        let script = self.shared.script.lock().unwrap();
        script
            .iter()
            .filter(|(name, _)| !self.shared.for_ever.contains(*name))
            .flat_map(|(name, faults)| faults.iter().map(|fault| (name.clone(), fault.clone())))
            .collect()
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
        }
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: HashMap<String, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), decode(value)))
            .collect();
        let listing = query.get("list-type").is_some_and(|kind| kind == "2");
        let (operation, key) = match path.strip_prefix("/trail") {
            Some(_) if listing => ("ListObjectsV2", query.get("prefix").cloned().unwrap_or_default()),
            Some(key) if query.get("x-id").is_some_and(|id| id == "GetObject") => {
                ("GetObject", decode(key.strip_prefix('/').unwrap_or(key)))
            }
            _ => (first.trim(), String::new()),
        };
        let asked = {
            let mut log = self.log.lock().unwrap();
            log.push(Request { method: method.to_owned(), operation: operation.to_owned(), key: key.clone() });
            log.iter().filter(|request| request.operation == "GetObject").count()
        };
        let fault = self.fault(&if listing { format!("list {key}") } else { key.clone() });
        let fault = fault.or_else(|| match &self.from {
            Some((from, fault)) if !listing && asked > *from => Some(fault.clone()),
            _ => None,
        });
        match &fault {
            Some(Fault::Refuse(status, code)) => return refuse(&mut stream, *status, code),
            Some(Fault::Proxy(status)) => {
                let page = "<html><body>bad gateway</body></html>";
                let length = page.len();
                return write!(
                    stream,
                    "HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{page}"
                );
            }
            Some(Fault::Reset) => return reset(stream),
            Some(Fault::Silence) => return silence(&mut stream),
            Some(Fault::Noise) => return stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n"),
            _ => {}
        }
        if listing {
            let body = self.list(&query, fault.as_ref());
            return send(stream, "", body.as_bytes(), fault.as_ref());
        }
        let Some(body) = self.objects.get(&key).filter(|_| operation == "GetObject") else {
            return refuse(&mut stream, 404, "NoSuchKey");
        };
        if fault == Some(Fault::Replaced) {
            return match headers.get("if-match") {
                Some(_) => refuse(&mut stream, 412, "PreconditionFailed"),
                None => send(stream, "", &vec![b' '; body.len()], None),
            };
        }
        if headers.get("if-match").is_some_and(|wanted| *wanted != etag(body)) {
            return refuse(&mut stream, 412, "PreconditionFailed");
        }
        // What has another length has another checksum, too.
        let checksum = match fault {
            Some(Fault::Longer | Fault::Shorter) => String::new(),
            _ => format!("x-amz-checksum-crc32: {}\r\nETag: {}\r\n", crc32(body), etag(body)),
        };
        send(stream, &checksum, body, fault.as_ref())
    }

    fn fault(&self, name: &str) -> Option<Fault> {
        let mut script = self.script.lock().unwrap();
        let faults = script.get_mut(name)?;
        match faults.len() {
            0 => None,
            1 if self.for_ever.contains(name) => faults.first().cloned(),
            _ => Some(faults.remove(0)),
        }
    }

    /// A page as S3 writes it: keys and folders in one order, a few at a time.
    fn list(&self, query: &HashMap<String, String>, fault: Option<&Fault>) -> String {
        let get = |name: &str| query.get(name).map_or("", String::as_str);
        let (prefix, delimiter) = (get("prefix"), get("delimiter"));
        let url = get("encoding-type") == "url";
        // The token is the last key or folder of the page before, so that it says nothing to a client.
        let after = match get("continuation-token") {
            "" => get("start-after").to_owned(),
            token => decode(token.trim_start_matches("after-").trim_start_matches("again-")),
        };
        let mut entries = BTreeMap::new();
        for (key, bytes) in self.objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
            let below = &key[prefix.len()..];
            match below.split_once('/') {
                Some((folder, _)) if delimiter == "/" => entries.insert(format!("{prefix}{folder}/"), None),
                _ => entries.insert(key.clone(), Some(bytes)),
            };
        }
        let most = get("max-keys").parse().unwrap_or(self.page).min(self.page);
        let rest: Vec<_> = entries.into_iter().filter(|(name, _)| after.is_empty() || *name > after).collect();
        let shown: &[_] = if fault == Some(&Fault::EmptyPage) { &[] } else { &rest[..most.min(rest.len())] };
        let mut xml = String::new();
        for (name, bytes) in shown {
            let name = if url { form(name) } else { name.clone() };
            xml += &match bytes {
                Some(bytes) => {
                    let (size, etag) = (bytes.len(), etag(bytes).replace('"', "&quot;"));
                    format!("<Contents><Key>{name}</Key><Size>{size}</Size><ETag>{etag}</ETag></Contents>")
                }
                None => format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"),
            };
        }
        let last = shown.last().map_or(after.as_str(), |(name, _)| name.as_str());
        let more = shown.len() < rest.len() || matches!(fault, Some(Fault::NoToken | Fault::SamePage));
        let token = match fault {
            Some(Fault::NoToken) => None,
            Some(Fault::SamePage) => Some("again-".to_owned()),
            Some(Fault::EmptyPage) => Some(format!("again-{}", encode(last))),
            _ => more.then(|| format!("after-{}", encode(last))),
        };
        let token =
            token.map_or(String::new(), |token| format!("<NextContinuationToken>{token}</NextContinuationToken>"));
        let encoding = if url { "<EncodingType>url</EncodingType>" } else { "" };
        format!(
            "<ListBucketResult><Name>trail</Name>{encoding}<IsTruncated>{more}</IsTruncated>{token}{xml}</ListBucketResult>"
        )
    }
}

fn send(mut stream: TcpStream, headers: &str, body: &[u8], fault: Option<&Fault>) -> std::io::Result<()> {
    let head =
        |length: usize| format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n");
    let half = &body[..body.len() / 2];
    match fault {
        Some(Fault::Truncate) => stream.write_all(&[head(body.len()).as_bytes(), half].concat()),
        Some(Fault::ResetBody) => {
            stream.write_all(&[head(body.len()).as_bytes(), half].concat())?;
            thread::sleep(Duration::from_millis(30));
            reset(stream)
        }
        Some(Fault::Stall) => {
            stream.write_all(&[head(body.len()).as_bytes(), half].concat())?;
            silence(&mut stream)
        }
        Some(Fault::Trickle) => {
            stream.write_all(head(body.len()).as_bytes())?;
            for part in body.chunks(body.len().div_ceil(20).max(1)) {
                stream.write_all(part)?;
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
        Some(Fault::Longer) => stream.write_all(&[head(body.len() + 1).as_bytes(), body, b" "].concat()),
        Some(Fault::Shorter) => {
            let short = &body[..body.len() - 1];
            stream.write_all(&[head(short.len()).as_bytes(), short].concat())
        }
        Some(Fault::Endless) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            loop {
                stream.write_all(format!("10000\r\n{}\r\n", "x".repeat(0x10000)).as_bytes())?;
            }
        }
        Some(Fault::Flipped) => {
            let mut other = body.to_vec();
            if let Some(byte) = other.get_mut(body.len() / 2) {
                *byte ^= 1;
            }
            stream.write_all(&[head(body.len()).as_bytes(), &other].concat())
        }
        _ => stream.write_all(&[head(body.len()).as_bytes(), body].concat()),
    }
}

fn refuse(stream: &mut TcpStream, status: u16, code: &str) -> std::io::Result<()> {
    let xml = format!("<Error><Code>{code}</Code><Message>in words</Message><RequestId>R1</RequestId></Error>");
    let length = xml.len();
    write!(
        stream,
        "HTTP/1.1 {status} No\r\nConnection: close\r\nx-amz-request-id: R1\r\nContent-Length: {length}\r\n\r\n{xml}"
    )
}

/// Waits until the other side has had enough.
fn silence(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let _ended = stream.read(&mut [0]);
    Ok(())
}

/// A real RST instead of an orderly end. The standard library cannot set SO_LINGER; tokio can.
fn reset(stream: TcpStream) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _within = runtime.enter();
    stream.set_nonblocking(true)?;
    tokio::net::TcpStream::from_std(stream)?.set_zero_linger()
}

pub fn etag(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn crc32(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    base64::engine::general_purpose::STANDARD.encode(crc.sum().to_be_bytes())
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// As S3 does with `encoding-type=url`.
fn form(text: &str) -> String {
    encode(text).replace("%20", "+")
}
