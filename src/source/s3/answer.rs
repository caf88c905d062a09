//! An answer of HTTP/1.1, read from its connection straight into one buffer: its head, and the body behind it.
//!
//! Only one kind is read, a plain success: status 200 and one `Content-Length`, which is the listed one. Of anything else only
//! its head is looked at. A connection serves again where exactly the bytes of the answer came.

use std::{borrow::Cow, io, time::Duration};

use aws_smithy_checksums::ChecksumAlgorithm;
use httparse::{EMPTY_HEADER, Response, Status};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    time::{Instant, timeout_at},
};

/// The room for a head in front of the body. S3's heads have some 500 bytes; a longer one moves the buffer.
pub(super) const ROOM: usize = 2 << 10;
/// The longest head that is read.
const LONGEST_HEAD: usize = 16 << 10;
/// The most lines of a head.
const MOST_LINES: usize = 64;

/// What is to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'e> {
    /// The bytes of the body.
    pub(super) size: usize,
    /// The object's entity tag, without quotation marks.
    pub(super) etag: Option<&'e str>,
    /// By when its head is there.
    pub(super) head: Instant,
    /// How long a body may take, and be silent.
    pub(super) body: Duration,
    pub(super) silence: Duration,
}

/// A plain success.
#[derive(Debug)]
pub(super) struct Answer {
    /// The head, and the body behind it.
    pub(super) buffer: Vec<u8>,
    /// Where the body begins.
    pub(super) body: usize,
    /// The metadata `x-amz-meta-signature`.
    pub(super) signature: Option<String>,
    /// Whether the connection may serve again.
    pub(super) stays: bool,
}

/// Anything else.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// Another status than 200.
    Status(u16),
    /// Too long a wait, and for what.
    Late(&'static str),
    /// In words.
    Other(Cow<'static, str>),
}

impl From<&'static str> for Odd {
    fn from(words: &'static str) -> Self {
        Self::Other(words.into())
    }
}

impl From<io::Error> for Odd {
    fn from(error: io::Error) -> Self {
        Self::Other(error.to_string().into())
    }
}

impl std::fmt::Display for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::Late(what) => write!(f, "{what} in time"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// Reads an answer into an empty buffer, which has its size and [`ROOM`] best.
///
/// # Errors
/// For all but a plain success. What is left on the connection is of no use then.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    mut buffer: Vec<u8>,
    expected: &Expected<'_>,
) -> Result<Answer, Odd> {
    let head = loop {
        match timeout_at(expected.head, stream.read_buf(&mut buffer)).await {
            Ok(Ok(0)) => return Err("the connection was closed before an answer".into()),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error.into()),
            Err(_late) => return Err(Odd::Late("no answer")),
        }
        if let Some(head) = Head::parse(&buffer, expected)? {
            break head;
        }
        if buffer.len() >= LONGEST_HEAD {
            return Err("a head without an end".into());
        }
        reserve(&mut buffer, ROOM)?;
    };
    let end = head.length.checked_add(expected.size).ok_or("too large")?;
    // One byte more than there should be, so that more is noticed.
    let room = end.saturating_add(1).saturating_sub(buffer.len());
    reserve(&mut buffer, room)?;
    let deadline = Instant::now() + expected.body;
    while buffer.len() < end {
        let now = Instant::now();
        match timeout_at(deadline.min(now + expected.silence), stream.read_buf(&mut buffer)).await {
            Ok(Ok(0)) => return Err("its body broke off".into()),
            Ok(Ok(_)) if now < deadline => {}
            Ok(Err(error)) => return Err(error.into()),
            Ok(Ok(_)) | Err(_) => return Err(Odd::Late("no whole body")),
        }
    }
    if buffer.len() > end {
        return Err("more bytes than were listed".into());
    }
    if !head.checks(&buffer) {
        return Err("another checksum than was sent along".into());
    }
    Ok(Answer { buffer, body: head.length, signature: head.signature, stays: head.stays })
}

/// Room for so many bytes more, at least.
fn reserve(buffer: &mut Vec<u8>, more: usize) -> Result<(), Odd> {
    buffer.try_reserve_exact(more).map_err(|_full| "no memory".into())
}

/// What a head says.
#[derive(Debug)]
struct Head {
    length: usize,
    signature: Option<String>,
    stays: bool,
    /// Checksums of the body.
    checksums: Vec<(ChecksumAlgorithm, Box<[u8]>)>,
}

impl Head {
    /// `None` where more of it is to come.
    fn parse(buffer: &[u8], expected: &Expected<'_>) -> Result<Option<Self>, Odd> {
        let mut lines = [EMPTY_HEADER; MOST_LINES];
        let mut answer = Response::new(&mut lines);
        let start = buffer.get(..LONGEST_HEAD).unwrap_or(buffer);
        let length = match answer.parse(start) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(error) => return Err(Odd::Other(format!("no head of HTTP: {error}").into())),
        };
        let text = start.get(..length).unwrap_or_default();
        // The parser is lenient with blank lines in front, and with lines that end otherwise.
        if !text.starts_with(b"HTTP/1.1 ") || !ends_its_lines(text) {
            return Err("no head of HTTP/1.1".into());
        }
        if let Some(status) = answer.code.filter(|status| *status != 200) {
            return Err(Odd::Status(status));
        }
        let mut head = Self { length, signature: None, stays: true, checksums: Vec::new() };
        let mut size = None;
        for line in answer.headers.iter() {
            let (name, value) = (line.name, line.value);
            if name.eq_ignore_ascii_case("content-length") {
                if size.replace(number(value).ok_or("a length that is no number")?).is_some() {
                    return Err("two lengths".into());
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err("a body in pieces".into());
            } else if name.eq_ignore_ascii_case("connection") {
                let closes = |token: &[u8]| token.trim_ascii().eq_ignore_ascii_case(b"close");
                head.stays &= !value.split(|byte| *byte == b',').any(closes);
            } else if name.eq_ignore_ascii_case("etag") {
                head.is_of(value, expected.etag)?;
            } else if name.eq_ignore_ascii_case("x-amz-meta-signature") && head.signature.is_none() {
                head.signature = visible(value).map(str::to_owned);
            } else if let Some(algorithm) = checksum(name) {
                head.checksums.push((algorithm, value.into()));
            }
        }
        match size {
            Some(size) if usize::try_from(size).is_ok_and(|size| size == expected.size) => Ok(Some(head)),
            Some(_) => Err("another length than was listed".into()),
            None => Err("no length".into()),
        }
    }

    /// Whether it is of the object that was asked for, and not of another that somebody asked for before.
    fn is_of(&self, etag: &[u8], expected: Option<&str>) -> Result<(), Odd> {
        let plain = etag.strip_prefix(b"\"").and_then(|etag| etag.strip_suffix(b"\""));
        match (plain, expected) {
            (Some(plain), Some(expected)) if plain != expected.as_bytes() => {
                Err("another entity tag than was listed".into())
            }
            _ => Ok(()),
        }
    }

    /// Whether every checksum of the whole object that was sent along holds. One that ends in a dash and a number is of its parts.
    fn checks(&self, buffer: &[u8]) -> bool {
        let body = buffer.get(self.length..).unwrap_or_default();
        self.checksums.iter().all(|(algorithm, value)| {
            if value.contains(&b'-') {
                return true;
            }
            let mut checksum = algorithm.into_impl();
            checksum.update(body);
            *checksum.header_value().as_bytes() == **value
        })
    }
}

/// Whether every line ends as HTTP says, with CR and LF, which stand nowhere else.
fn ends_its_lines(head: &[u8]) -> bool {
    let mut after = 0;
    memchr::memchr2_iter(b'\r', b'\n', head).all(|at| {
        let byte = head.get(at);
        if byte == Some(&b'\r') {
            after = at + 1;
            head.get(after) == Some(&b'\n')
        } else {
            at == after && at > 0
        }
    })
}

/// A length: digits and nothing else.
fn number(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// A value in visible characters of ASCII.
fn visible(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')))
}

/// The algorithm of a checksum of the body that a header gives.
fn checksum(name: &str) -> Option<ChecksumAlgorithm> {
    const PREFIX: &str = "x-amz-checksum-";
    let (prefix, algorithm) = name.split_at_checked(PREFIX.len())?;
    if !prefix.eq_ignore_ascii_case(PREFIX) {
        return None;
    }
    let algorithm: ChecksumAlgorithm = algorithm.parse().ok()?;
    algorithm.into_impl().header_name().eq_ignore_ascii_case(name).then_some(algorithm)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{Shutdown, TcpListener, TcpStream},
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        thread,
    };

    use aws_config::{BehaviorVersion, Region};
    use aws_sdk_s3::config::Credentials;
    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::{
        aws::Trust,
        source::s3::{S3Options, direct::Direct},
    };

    const BODY: &[u8] = b"body of the object";
    const NEXT: &[u8] = b"another one's body";
    /// What comes in time comes long before, on a machine with much else to do, too.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// What a server sends: pieces, and the pause before each; and whether it closes the connection then.
    #[derive(Clone)]
    struct Sent {
        pieces: Vec<(Duration, Vec<u8>)>,
        closes: bool,
    }

    fn at_once(bytes: impl AsRef<[u8]>) -> Sent {
        Sent { pieces: vec![(Duration::ZERO, bytes.as_ref().to_vec())], closes: false }
    }

    fn then_closed(bytes: impl AsRef<[u8]>) -> Sent {
        Sent { closes: true, ..at_once(bytes) }
    }

    fn in_pieces<'p>(pieces: impl IntoIterator<Item = &'p [u8]>, pause: u64) -> Sent {
        let pieces = pieces.into_iter().map(|piece| (Duration::from_millis(pause), piece.to_vec()));
        Sent { pieces: pieces.collect(), closes: false }
    }

    fn head(status: &str, lines: &str) -> String {
        format!("HTTP/1.1 {status}\r\n{lines}\r\n")
    }

    /// A success with these lines in its head, and the body.
    fn with(lines: &str) -> Vec<u8> {
        [head("200 OK", lines).as_bytes(), BODY].concat()
    }

    fn plain(more: &str) -> Vec<u8> {
        with(&format!("Content-Length: {}\r\n{more}", BODY.len()))
    }

    /// What a server did.
    #[derive(Default)]
    struct Log {
        /// The number of the connection of each request.
        asked: Mutex<Vec<usize>>,
        /// How many answers were sent whole.
        sent: AtomicUsize,
    }

    /// Answers request after request by a script, on any number of connections.
    fn server(script: Vec<Sent>) -> (String, Arc<Log>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (script, log) = (Arc::new(Mutex::new(script.into_iter())), Arc::new(Log::default()));
        let answered = Arc::clone(&log);
        thread::spawn(move || {
            for (stream, number) in listener.incoming().zip(0..) {
                let (script, log) = (Arc::clone(&script), Arc::clone(&answered));
                // A client that gives up on a connection is no failure of the test.
                thread::spawn(move || serve(stream.unwrap(), number, &script, &log));
            }
        });
        (endpoint, log)
    }

    fn serve(
        mut stream: TcpStream,
        number: usize,
        script: &Mutex<std::vec::IntoIter<Sent>>,
        log: &Log,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        loop {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte)?;
                request.push(byte[0]);
            }
            log.asked.lock().unwrap().push(number);
            let Some(sent) = script.lock().unwrap().next() else { return Ok(()) };
            for (pause, piece) in sent.pieces {
                thread::sleep(pause);
                stream.write_all(&piece)?;
            }
            if sent.closes {
                stream.shutdown(Shutdown::Both)?;
            }
            log.sent.fetch_add(1, SeqCst);
        }
    }

    async fn direct(endpoint: &str) -> Direct {
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKIAEXAMPLE", "secret", None, None, "test"))
            .endpoint_url(endpoint)
            .load()
            .await;
        let s3 = aws_sdk_s3::config::Builder::from(&shared).force_path_style(true);
        let options = S3Options { patience: PATIENCE, backoff: Duration::from_millis(2), ..S3Options::default() };
        Direct::open(&options, &shared, &s3, &Trust::System).unwrap()
    }

    /// What became of an answer: of the object, and of its connection.
    #[derive(Debug, PartialEq, Clone, Copy)]
    enum Fate {
        /// The object is there, and the connection served the next request too.
        Stays,
        /// The object is there, and the next request went over another connection.
        Ends,
        /// It is the SDK's matter, over connections of its own.
        Odd,
    }

    async fn fate(sent: &Sent) -> Fate {
        let next = [head("200 OK", &format!("Content-Length: {}\r\n", NEXT.len())).as_bytes(), NEXT].concat();
        let (endpoint, log) = server(vec![sent.clone(), at_once(next)]);
        let direct = direct(&endpoint).await;
        let get = async || {
            let fetched = direct.get("trail", "a", BODY.len() as u64, Some("0123")).await;
            fetched.map(|fetched| (*fetched.bytes).as_ref().to_vec())
        };
        let first = get().await;
        assert!(first.as_deref().is_none_or(|first| first == BODY), "{first:?}");
        // All that the server sends is there before it is asked again.
        while first.is_some() && log.sent.load(SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(get().await.as_deref(), Some(NEXT));
        let asked = log.asked.lock().unwrap();
        match (first.is_some(), asked.as_slice()) {
            (true, [0, 0]) => Fate::Stays,
            (true, [0, 1]) => Fate::Ends,
            (false, [0, 1]) => Fate::Odd,
            other => panic!("{other:?}"),
        }
    }

    fn cases() -> Vec<(&'static str, Sent, Fate)> {
        use Fate::{Ends, Odd, Stays};
        let (whole, size) = (plain(""), BODY.len());
        let end = whole.len() - size;
        let lines = |number: usize| (0..number).map(|n| format!("X-{n}: {}\r\n", "v".repeat(100))).collect::<String>();
        let both = [whole.as_slice(), &whole].concat();
        let mut cases = vec![
            ("all at once", at_once(&whole), Stays),
            ("byte by byte", in_pieces(whole.chunks(1), 0), Stays),
            ("head, then body", in_pieces([&whole[..end], &whole[end..]], 20), Stays),
            ("a head that is cut in its end", in_pieces([&whole[..end - 2], &whole[end - 2..]], 20), Stays),
            ("a longer head than there is room for", at_once(plain(&lines(50))), Stays),
            ("the same in pieces", in_pieces(plain(&lines(50)).chunks(700), 0), Stays),
            ("a head of too many lines", at_once(plain(&lines(70))), Odd),
            ("a head that is too long", at_once(plain(&format!("X: {}\r\n", "v".repeat(17 << 10)))), Odd),
            ("a head without an end", at_once(format!("HTTP/1.1 200 OK\r\nX: {}", "v".repeat(40 << 10))), Odd),
            ("closed before an answer", then_closed(""), Odd),
            ("closed in the head", then_closed(&whole[..end - 3]), Odd),
            ("closed in the body", then_closed(&whole[..end + 5]), Odd),
            ("closed before the body", then_closed(&whole[..end]), Odd),
            ("silence in the head", at_once(&whole[..end - 3]), Odd),
            ("silence in the body", at_once(&whole[..end + 5]), Odd),
            // Neither is silent, and either takes longer than it may: two seconds, and three.
            ("a slow head", in_pieces(whole.chunks(1), 100), Odd),
            ("a slow body", in_pieces(std::iter::once(&whole[..end]).chain(whole[end..].chunks(1)), 200), Odd),
            ("a byte after the body", at_once([whole.as_slice(), b"\n"].concat()), Odd),
            ("an answer after the body", at_once(&both), Odd),
            ("closed after the body", then_closed(&whole), Ends),
            ("no HTTP", at_once(b"\x16\x03\x01\x00\x02\x02\x28"), Odd),
            ("another protocol", at_once("SSH-2.0-x\r\n"), Odd),
            ("a blank line in front", at_once([b"\r\n", whole.as_slice()].concat()), Odd),
            ("lines without CR", at_once(String::from_utf8_lossy(&whole).replace('\r', "")), Odd),
        ];
        let mut add = |what, bytes: Vec<u8>, fate| cases.push((what, at_once(bytes), fate));
        for (what, more, fate) in [
            ("its tag", "ETag: \"0123\"\r\n", Stays),
            ("a weak tag", "ETag: W/\"9\"\r\n", Stays),
            ("another's tag", "ETag: \"4567\"\r\n", Odd),
            ("its checksum", "x-amz-checksum-crc32: XumuWA==\r\n", Stays),
            ("another's checksum", "x-amz-checksum-crc32: AAAAAA==\r\n", Odd),
            ("a checksum of parts", "x-amz-checksum-crc32: AAAAAA==-2\r\n", Stays),
            ("an unknown checksum", "x-amz-checksum-new: AAAAAA==\r\n", Stays),
            ("keep-alive", "Connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\n", Stays),
            ("close", "Connection: close\r\n", Ends),
            ("close among others", "Connection: keep-alive , Close\r\n", Ends),
            ("close in the second of two lines", "Connection: keep-alive\r\nconnection: CLOSE\r\n", Ends),
            ("bytes that are no text", "x-amz-meta-note: \u{e4}\u{1f4f1}\r\n", Stays),
            ("an empty value", "X:\r\n", Stays),
            ("two lengths that are the same", "Content-Length: 18\r\n", Odd),
            ("two lengths", "content-length: 5\r\n", Odd),
            ("a length and pieces", "Transfer-Encoding: chunked\r\n", Odd),
            ("an encoding of its own", "transfer-encoding: identity\r\n", Odd),
            ("a folded line", "X: a\r\n b\r\n", Odd),
            ("a folded length", "X: a\r\n\tContent-Length: 5\r\n", Odd),
            ("a space before the colon", "Content-Length : 5\r\n", Odd),
            ("a line without a colon", "Content-Length\r\n", Odd),
            ("a line without a name", ": 5\r\n", Odd),
            ("a NUL", "X: a\0b\r\n", Odd),
            ("a CR in a value", "X: a\rb\r\n", Odd),
            ("a LF that ends a line", "X: a\nContent-Type: b\r\n", Odd),
        ] {
            add(what, plain(more), fate);
        }
        for (what, lines, fate) in [
            ("no length", "X: y\r\n", Odd),
            ("no lines", "", Odd),
            ("a shorter length", "Content-Length: 17\r\n", Odd),
            ("a longer length", "Content-Length: 19\r\n", Odd),
            ("a length of nothing", "Content-Length: 0\r\n", Odd),
            ("an empty length", "Content-Length:\r\n", Odd),
            ("a length with a sign", "Content-Length: +18\r\n", Odd),
            ("a negative length", "Content-Length: -18\r\n", Odd),
            ("a list of lengths", "Content-Length: 18, 18\r\n", Odd),
            ("a length in hexadecimal", "Content-Length: 0x12\r\n", Odd),
            ("a length beyond all numbers", "Content-Length: 18446744073709551634\r\n", Odd),
            ("a length and blanks", "CONTENT-LENGTH: \t 18 \t\r\n", Stays),
            ("a length with zeros", "Content-Length: 0018\r\n", Stays),
            ("pieces", "Transfer-Encoding: chunked\r\n", Odd),
        ] {
            add(what, with(lines), fate);
        }
        let length = format!("Content-Length: {size}\r\n");
        for (what, status, fate) in [
            ("no words", "200 ", Stays),
            ("no space", "200", Stays),
            ("odd words", "200 \u{e4}", Stays),
            ("100", "100 Continue", Odd),
            ("103", "103 Early Hints", Odd),
            ("204", "204 No Content", Odd),
            ("206", "206 Partial Content", Odd),
            ("301", "301 Moved Permanently", Odd),
            ("304", "304 Not Modified", Odd),
            ("403", "403 Forbidden", Odd),
            ("412", "412 Precondition Failed", Odd),
            ("503", "503 Slow Down", Odd),
            ("999", "999 x", Odd),
            ("a longer number", "2000 OK", Odd),
        ] {
            add(what, [head(status, &length).as_bytes(), BODY].concat(), fate);
        }
        add("an interim answer", [b"HTTP/1.1 100 Continue\r\n\r\n", whole.as_slice()].concat(), Odd);
        for version in ["HTTP/1.0", "HTTP/2", "http/1.1", "HTTP/1.1\t", "ICY"] {
            add(version, String::from_utf8_lossy(&whole).replacen("HTTP/1.1", version, 1).into_bytes(), Odd);
        }
        cases
    }

    #[test]
    fn only_a_plain_success_counts() {
        crate::aws::runtime().unwrap().block_on(async {
            let mut wrong = Vec::new();
            for (what, sent, expected) in cases() {
                let fate = fate(&sent).await;
                if fate != expected {
                    wrong.push((what, fate, expected));
                }
            }
            assert!(wrong.is_empty(), "{wrong:?}");
        });
    }

    #[test]
    fn who_is_refused_for_a_while_goes_on_and_who_always_fails_is_left_for_a_while() {
        let refusal = head("503 Slow Down", "Content-Length: 0\r\n");
        let nothing = head("200 OK", "Content-Length: 0\r\n");
        crate::aws::runtime().unwrap().block_on(async {
            let script = [vec![at_once(refusal); 40], vec![at_once(plain(""))]].concat();
            let (endpoint, log) = server(script);
            let direct = direct(&endpoint).await;
            let get = async || direct.get("trail", "a", BODY.len() as u64, None).await.is_some();
            for _ in 0..40 {
                assert!(!get().await);
            }
            assert!(get().await && direct.traffic().slowed() == 40);
            assert_eq!(log.asked.lock().unwrap().len(), 41);

            let (endpoint, log) = server([vec![at_once(nothing); 16], vec![at_once(plain("")); 2]].concat());
            let direct = self::direct(&endpoint).await;
            let get = async || direct.get("trail", "a", BODY.len() as u64, None).await.is_some();
            let mut misses = 0;
            while !get().await {
                misses += 1;
                assert!(misses < 2_000);
            }
            assert_eq!((misses, log.asked.lock().unwrap().len()), (1_024, 17));
            assert!(get().await && direct.traffic().slowed() == 0);
        });
    }

    #[test]
    fn what_comes_while_nothing_is_asked_ends_a_connection() {
        let late = |bytes: &[u8]| {
            let mut sent = at_once(plain(""));
            sent.pieces.push((Duration::from_millis(30), bytes.to_vec()));
            sent
        };
        crate::aws::runtime().unwrap().block_on(async {
            for (what, mut sent) in [
                ("a farewell", late(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")),
                ("an answer to nothing", late(&plain(""))),
                ("a byte", late(b"\n")),
                ("the end", late(b"")),
            ] {
                sent.closes = what == "the end";
                assert_eq!(fate(&sent).await, Fate::Ends, "{what}");
            }
        });
    }

    #[test]
    fn an_answer_is_the_same_in_any_two_pieces_and_none_where_it_is_cut() {
        let whole = plain("x-amz-meta-signature: 00ff\r\n");
        let expected = || Expected {
            size: BODY.len(),
            etag: None,
            head: Instant::now() + PATIENCE,
            body: PATIENCE,
            silence: PATIENCE,
        };
        let read_in_two = async |first: &[u8], second: &[u8], room| {
            let mut both = tokio::io::AsyncReadExt::chain(first, second);
            read(&mut both, Vec::with_capacity(room), &expected()).await
        };
        crate::aws::runtime().unwrap().block_on(async {
            for at in 0..=whole.len() {
                let (first, second) = whole.split_at(at);
                for room in [1, 64, whole.len(), ROOM + BODY.len()] {
                    let answer = read_in_two(first, second, room).await.unwrap();
                    assert_eq!((&answer.buffer[answer.body..], answer.stays), (BODY, true), "{at}, {room}");
                    assert_eq!(answer.signature.as_deref(), Some("00ff"));
                }
                let cut = read_in_two(first, b"", ROOM).await;
                assert_eq!(cut.is_ok(), at == whole.len(), "{at}");
            }
            // And where each byte comes by itself.
            let (mut far, mut near) = tokio::io::duplex(1);
            let (expected, bytes) = (expected(), whole.clone());
            tokio::spawn(async move { far.write_all(&bytes).await });
            let answer = read(&mut near, Vec::with_capacity(ROOM), &expected).await.unwrap();
            assert_eq!((&answer.buffer[answer.body..], answer.stays), (BODY, true));
        });
    }
}
