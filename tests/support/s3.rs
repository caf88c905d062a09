//! A strict S3: objects in memory, conditional writes as S3 documents them, ranges, listings in pages. It is one of ours because
//! moto decides a conditional write in two steps, between which another may come.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::support::percent::decode;

/// An object.
#[derive(Debug, Clone)]
pub struct Object {
    pub bytes: Vec<u8>,
    tag: String,
    modified: SystemTime,
}

/// How the service deviates from S3.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// `If-None-Match` is not looked at.
    pub unconditional: bool,
    /// Of every so many conditional writes, one is done and its answer is lost.
    pub lost_answers: Option<u64>,
    /// Listings of commits leave out the last.
    pub stale_listing: bool,
    /// Writes are denied.
    pub read_only: bool,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Object>,
    faults: Faults,
    conditional: u64,
    tags: u64,
    /// Bytes of bodies that were sent, and requests.
    sent: u64,
    requests: u64,
}

/// A running stand-in for S3, with one bucket; it ends with the test process.
#[derive(Debug, Clone)]
pub struct S3 {
    pub url: String,
    state: Arc<Mutex<State>>,
}

/// Keys in one page of a listing.
const PAGE: usize = 50;

struct Request {
    method: String,
    key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl S3 {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = Self { url, state: Arc::default() };
        let served = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                thread::spawn(move || served.serve(stream));
            }
        });
        server
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// A store in it, for calls of the library.
    pub fn place(&self, store: &str) -> mfatrail::store::Place {
        use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
        let sdk = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.url)
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "testing", "testing", None, None, "test",
            )))
            .build();
        let options = mfatrail::source::s3::S3Options { sdk: Some(sdk), ..Default::default() };
        mfatrail::store::Place::parse(store.as_ref(), &options, None).expect("a place")
    }

    pub fn keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.state().objects.get(key).map(|object| object.bytes.clone())
    }

    /// Puts an object as somebody else would, at any time.
    pub fn put(&self, key: &str, bytes: &[u8], age: Duration) {
        let mut state = self.state();
        state.tags += 1;
        let tag = format!("{:032x}", state.tags);
        let modified = now() - age;
        state.objects.insert(key.to_owned(), Object { bytes: bytes.to_vec(), tag, modified });
    }

    pub fn remove(&self, key: &str) {
        self.state().objects.remove(key);
    }

    /// Bytes of objects that were sent so far, and requests.
    pub fn traffic(&self) -> (u64, u64) {
        let state = self.state();
        (state.sent, state.requests)
    }

    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let Ok(mut out) = stream.try_clone() else { return };
        let mut reader = BufReader::new(stream);
        while let Some(request) = read(&mut reader, &mut out) {
            let Some(answer) = self.answer(&request) else { return };
            if out.write_all(&answer).is_err() {
                return;
            }
        }
    }

    /// `None` where the connection is cut instead.
    fn answer(&self, request: &Request) -> Option<Vec<u8>> {
        let mut state = self.state();
        state.requests += 1;
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        if state.faults.read_only && request.method != "GET" {
            return Some(error(403, "AccessDenied"));
        }
        match (request.method.as_str(), request.key.as_str()) {
            ("GET", "") => Some(list(&state, &request.query)),
            ("GET", key) => {
                let Some(object) = state.objects.get(key).cloned() else { return Some(error(404, "NoSuchKey")) };
                let quoted = format!("\"{}\"", object.tag);
                if header("if-match").is_some_and(|tag| tag != quoted) {
                    return Some(error(412, "PreconditionFailed"));
                }
                let size = object.bytes.len();
                let range = header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
                let (status, part, more) = match range {
                    None => (200, &object.bytes[..], String::new()),
                    Some((from, to)) => {
                        let from: usize = from.parse().ok()?;
                        let to = to.parse::<usize>().map_or(size, |to| (to + 1).min(size));
                        if from >= size {
                            return Some(error(416, "InvalidRange"));
                        }
                        (206, &object.bytes[from..to], format!("Content-Range: bytes {from}-{}/{size}\r\n", to - 1))
                    }
                };
                state.sent += part.len() as u64;
                let head = format!(
                    "HTTP/1.1 {status} OK\r\nETag: {quoted}\r\nLast-Modified: Fri, 27 Nov 2026 00:00:00 GMT\r\nAccept-Ranges: bytes\r\n{more}Content-Length: {}\r\n\r\n",
                    part.len()
                );
                Some([head.as_bytes(), part].concat())
            }
            ("PUT", key) => {
                let conditional = header("if-none-match").is_some();
                if conditional && !state.faults.unconditional && state.objects.contains_key(key) {
                    return Some(error(412, "PreconditionFailed"));
                }
                let tag_there = state.objects.get(key).map(|object| format!("\"{}\"", object.tag));
                match header("if-match") {
                    Some(_) if tag_there.is_none() => return Some(error(404, "NoSuchKey")),
                    Some(tag) if tag_there.as_deref() != Some(tag) => return Some(error(412, "PreconditionFailed")),
                    _ => {}
                }
                state.tags += 1;
                let tag = format!("{:032x}", state.tags);
                let object = Object { bytes: request.body.clone(), tag: tag.clone(), modified: now() };
                state.objects.insert(key.to_owned(), object);
                state.conditional += u64::from(conditional);
                if conditional && state.faults.lost_answers.is_some_and(|each| state.conditional.is_multiple_of(each)) {
                    return None;
                }
                Some(format!("HTTP/1.1 200 OK\r\nETag: \"{tag}\"\r\nContent-Length: 0\r\n\r\n").into_bytes())
            }
            ("DELETE", key) => {
                state.objects.remove(key);
                Some(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())
            }
            _ => Some(error(405, "MethodNotAllowed")),
        }
    }
}

fn error(status: u16, code: &str) -> Vec<u8> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    );
    format!("HTTP/1.1 {status} Error\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn list(state: &State, query: &BTreeMap<String, String>) -> Vec<u8> {
    let field = |name: &str| query.get(name).map_or("", String::as_str);
    let (prefix, after) = (field("prefix"), field("continuation-token").max(field("start-after")));
    let most = field("max-keys").parse().unwrap_or(PAGE).min(PAGE);
    // What a delimiter makes one name is listed once, and what comes after it is what comes after all of it.
    let delimiter = field("delimiter");
    let folder = |key: &str| {
        let rest = key.strip_prefix(prefix)?;
        let end = rest.find(delimiter).filter(|_| !delimiter.is_empty())?;
        Some(key[..prefix.len() + end + delimiter.len()].to_owned())
    };
    let mut found: Vec<(String, Option<&Object>)> = Vec::new();
    for (key, object) in state.objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
        let name = folder(key);
        let shown = name.as_deref().unwrap_or(key);
        if shown > after && found.last().is_none_or(|(last, _)| last != shown) {
            found.push((shown.to_owned(), name.is_none().then_some(object)));
        }
    }
    if state.faults.stale_listing && prefix.ends_with("commits/") {
        found.pop();
    }
    let truncated = found.len() > most;
    found.truncate(most);
    let mut body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix>{}</Prefix><KeyCount>{}</KeyCount><MaxKeys>{most}</MaxKeys><EncodingType>url</EncodingType><IsTruncated>{truncated}</IsTruncated>",
        encoded(prefix),
        found.len()
    );
    if let (true, Some((last, _))) = (truncated, found.last()) {
        body.push_str(&format!("<NextContinuationToken>{last}</NextContinuationToken>"));
    }
    for (key, object) in found {
        let Some(object) = object else {
            body.push_str(&format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", encoded(&key)));
            continue;
        };
        let modified = chrono::DateTime::<chrono::Utc>::from(object.modified).format("%Y-%m-%dT%H:%M:%S.000Z");
        body.push_str(&format!(
            "<Contents><Key>{}</Key><LastModified>{modified}</LastModified><ETag>&quot;{}&quot;</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            encoded(&key),
            object.tag,
            object.bytes.len()
        ));
    }
    body.push_str("</ListBucketResult>");
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// One request; `None` at the end of the connection.
fn read(reader: &mut BufReader<TcpStream>, out: &mut TcpStream) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    if headers.contains_key("expect") {
        out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    // Checksums in trailers: `<length in hex>;…\r\n<bytes>\r\n`, until a length of 0.
    if headers.get("content-encoding").is_some_and(|encoding| encoding.contains("aws-chunked")) {
        body = unchunked(&body)?;
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_bucket, key)| key);
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = pairs.map(|(name, value)| (name.to_owned(), decode(value))).collect();
    Some(Request { method, key: decode(key), query, headers, body })
}

fn unchunked(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = text.windows(2).position(|pair| pair == b"\r\n")?;
        let head = std::str::from_utf8(&text[..end]).ok()?;
        let length = usize::from_str_radix(head.split(';').next()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(text.get(end + 2..end + 2 + length)?);
        text = text.get(end + 2 + length + 2..)?;
    }
}

/// The server's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "what is left over is told by the time of a server, which is the same machine's"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
