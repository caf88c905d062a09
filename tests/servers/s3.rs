//! S3 as a source: a real S3 API for what a listing is, and a scripted server for what goes wrong on the wire.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use flate2::{Compression, write::GzEncoder};
use mfatrail::{
    cloudtrail::Record,
    pipeline::{Options, Scanned, Visitor, plan, scan},
    source::{ObjectRef, Selection, Source, SourceError, s3::S3Options},
};

use crate::{own_process::in_own_process, support::percent::decode};

// --- what the tests scan -------------------------------------------------------------------------------------------

#[derive(Default, Debug, PartialEq, Clone)]
struct Seen(Vec<(String, String)>);

impl Visitor for Seen {
    fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
        self.0.push((object.name.clone(), record.id().into_owned()));
    }

    fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

fn object(account: &str, region: &str, id: &str) -> Vec<u8> {
    let text = format!(
        r#"{{"Records":[{{"eventTime":"2024-02-01T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"GetUser","eventID":"{id}","awsRegion":"{region}","recipientAccountId":"{account}"}}]}}"#
    );
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn key(prefix: &str, account: &str, region: &str, day: &str, number: usize) -> String {
    let stamp = day.replace('/', "");
    format!(
        "{prefix}{account}/CloudTrail/{region}/{day}/{account}_CloudTrail_{region}_{stamp}T1000Z_{number:016}.json.gz"
    )
}

type Archive = BTreeMap<String, Vec<u8>>;

/// Two accounts, three regions, days over a new year, every kind of stray file, and one day of more than a page.
fn archive(page: usize) -> Archive {
    let mut objects = Archive::new();
    let org = "AWSLogs/o-exampleorgid/";
    for account in ["111122223333", "444455556666"] {
        for region in ["us-east-1", "eu-west-1", "us-gov-west-1"] {
            for day in ["2023/11/30", "2023/12/31", "2024/01/01", "2024/01/02", "2024/01/31", "2024/02/01"] {
                let key = key(org, account, region, day, 0);
                objects.insert(key.clone(), object(account, region, &key));
            }
        }
    }
    for number in 1..=page {
        let key = key(org, "111122223333", "us-east-1", "2024/01/01", number);
        objects.insert(key.clone(), object("111122223333", "us-east-1", &key));
    }
    let plain = |text: &str| text.as_bytes().to_vec();
    for product in ["CloudTrail-Digest/us-east-1/2024/01/01/d", "CloudTrail-Insight/us-east-1/2023/12/31/i"] {
        objects.insert(format!("{org}111122223333/{product}.json.gz"), plain("unread"));
    }
    objects.insert(format!("{org}111122223333/Config/us-east-1/2024/1/1/c.json.gz"), plain("unread"));
    objects.insert(format!("{org}111122223333/CloudTrail/us-east-1/.hidden"), plain("unread"));
    objects.insert(format!("{org}111122223333/CloudTrail/us-east-1/stray.json"), object("111122223333", "x", "stray"));
    objects.insert(format!("{org}111122223333/CloudTrail/us-east-1/2024/01/01/notes.md"), plain("# unread"));
    objects.insert("README.md".to_owned(), object("111122223333", "us-east-1", "hidden by its name"));
    objects.insert("moved/events + more é.json".to_owned(), object("111122223333", "eu-west-1", "moved"));
    objects.insert("moved/damaged.json.gz".to_owned(), plain("\u{1f}nothing"));
    objects.insert("team/AWSLogs/111122223333/CloudTrail/x.json".to_owned(), object("111122223333", "y", "team"));
    objects
}

fn selections() -> Vec<Selection> {
    let time = |text: &str| Some(text.parse().unwrap());
    let all = Selection::default();
    vec![
        all.clone(),
        Selection { from: time("2023-12-31T12:00:00Z"), ..all.clone() },
        Selection { to: time("2024-01-01T00:00:00Z"), slack: chrono::TimeDelta::days(1), ..all.clone() },
        Selection { from: time("2023-12-31T00:00:00Z"), to: time("2024-01-31T00:00:00Z"), ..all.clone() },
        Selection { from: time("2024-01-02T00:00:00Z"), to: time("2024-01-02T00:00:00Z"), ..all.clone() },
        Selection { from: time("2025-01-01T00:00:00Z"), ..all.clone() },
        Selection { accounts: vec!["444455556666".into()], ..all.clone() },
        Selection { regions: vec!["us-gov-west-1".into(), "eu-west-1".into()], ..all.clone() },
        Selection { iam_only: true, ..all.clone() },
        Selection {
            from: time("2024-01-01T00:00:00Z"),
            accounts: vec!["111122223333".into()],
            regions: vec!["us-east-1".into()],
            ..all
        },
    ]
}

// --- how they scan it ----------------------------------------------------------------------------------------------

fn sdk(key: &str) -> SdkConfig {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let credentials = SharedCredentialsProvider::new(Credentials::new(key, "secret", None, None, "test"));
    let loader = aws_config::defaults(BehaviorVersion::latest()).credentials_provider(credentials);
    runtime.block_on(loader.region(Region::from_static("us-east-1")).load())
}

fn options(endpoint: &str) -> Options<'static> {
    let s3 = S3Options {
        sdk: Some(sdk("testing").into_builder().endpoint_url(endpoint).build()),
        attempts: 4,
        backoff: Duration::from_millis(5),
        ..S3Options::default()
    };
    Options { threads: 2, s3, ..Options::default() }
}

fn run(source: Source, selection: &Selection, options: &Options<'_>) -> Result<(Seen, Scanned), SourceError> {
    let (mut seen, scanned) = scan(&[source], selection, options, &Seen::default)?;
    seen.0.sort();
    let coverage = &scanned.coverage;
    assert_eq!(coverage.objects_listed, coverage.objects_read + coverage.objects_failed + coverage.objects_skipped);
    Ok((seen, scanned))
}

fn trail(prefix: &str) -> Source {
    Source::S3 { bucket: "trail".into(), prefix: prefix.into() }
}

/// The same with the names that the same archive has on disk.
fn as_on_disk(prefix: &str, (mut seen, mut scanned): (Seen, Scanned)) -> (Seen, Scanned) {
    let strip = |name: &mut String| *name = name.strip_prefix(prefix).unwrap_or_else(|| panic!("{name}")).to_owned();
    seen.0.iter_mut().for_each(|(name, _)| strip(name));
    scanned.coverage.failures.iter_mut().for_each(|failure| strip(&mut failure.object));
    (seen, scanned)
}

fn assert_same(disk: &(Seen, Scanned), s3: &(Seen, Scanned), selection: &Selection) {
    assert_eq!(disk.1, s3.1, "{selection:?}");
    assert!(disk.0 == s3.0, "other records by {selection:?}");
}

fn write_to(root: &Path, archive: &Archive) {
    for (key, bytes) in archive {
        let path = root.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn upload(endpoint: &str, archive: &Archive) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = aws_sdk_s3::config::Builder::from(&sdk("testing")).endpoint_url(endpoint).force_path_style(true);
    let client = aws_sdk_s3::Client::from_conf(config.build());
    runtime.block_on(async {
        client.create_bucket().bucket("trail").send().await.unwrap();
        let mut running = tokio::task::JoinSet::new();
        for (key, bytes) in archive {
            if running.len() >= 32 {
                running.join_next().await.unwrap().unwrap();
            }
            let put = client.put_object().bucket("trail").key(key).body(bytes.clone().into());
            running.spawn(async move { put.send().await.map(|_| ()).unwrap() });
        }
        while let Some(put) = running.join_next().await {
            put.unwrap();
        }
    });
}

// --- against a real S3 API -----------------------------------------------------------------------------------------

#[test]
fn absent_credentials_and_regions_are_one_clear_error() {
    let with =
        |sdk: SdkConfig| Options { s3: S3Options { sdk: Some(sdk), ..S3Options::default() }, ..Options::default() };
    let region = Region::from_static("us-east-1");
    let anonymous = with(SdkConfig::builder().region(region).behavior_version(BehaviorVersion::latest()).build());
    let error = run(trail(""), &Selection::default(), &anonymous).unwrap_err().to_string();
    assert!(error.starts_with("no usable AWS credentials: "), "{error}");
}

// --- against a scripted server -------------------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Fault {
    /// This status and S3 error code.
    Refuse(u16, &'static str),
    /// Half the promised body.
    Truncate,
    /// Half the body, then a reset.
    Reset,
    /// Half the body, then silence.
    Stall,
    /// Another body than was listed.
    Grow,
}

type Faults = HashMap<String, Vec<Fault>>;

/// A small S3: lists and serves an archive; the n-th request of a key meets the n-th fault of its script, the last one
/// for ever where the script says so.
struct Double {
    endpoint: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Double {
    fn start(archive: Archive, faults: Faults, for_ever: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let for_ever: BTreeSet<String> = for_ever.iter().map(ToString::to_string).collect();
        let shared = Arc::new((archive, Mutex::new(faults), for_ever, Arc::clone(&log)));
        // Ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let (archive, faults, for_ever, log) = &*shared;
                    // A client that gives up on a connection is no failure of the test.
                    let _ = serve(stream.unwrap(), archive, faults, for_ever, log);
                });
            }
        });
        Self { endpoint, log }
    }

    fn requests(&self, of: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.as_str() == of).count()
    }
}

fn serve(
    mut stream: TcpStream,
    archive: &Archive,
    faults: &Mutex<Faults>,
    for_ever: &BTreeSet<String>,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(1, stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let target = line.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query: HashMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), decode(value))))
        .collect();
    let listing = query.contains_key("list-type");
    let name = if listing {
        format!("list {}", query.get("prefix").map_or("", String::as_str))
    } else {
        decode(path.trim_start_matches("/trail/"))
    };
    log.lock().unwrap().push(name.clone());
    let fault = {
        let mut faults = faults.lock().unwrap();
        match faults.get_mut(&name) {
            Some(script) if for_ever.contains(&name) => script.first().cloned(),
            Some(script) if !script.is_empty() => Some(script.remove(0)),
            _ => None,
        }
    };
    let body =
        if listing { list(archive, &query).into_bytes() } else { archive.get(&name).cloned().unwrap_or_default() };
    let half = &body[..body.len() / 2];
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    if matches!(fault, Some(Fault::Reset)) {
        // Closing a socket with unread input resets the connection: the request's headers were not read.
        stream.write_all(&[head.as_bytes(), half].concat())?;
        thread::sleep(Duration::from_millis(50));
        return Ok(());
    }
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line)?;
    }
    match fault {
        None | Some(Fault::Reset) => stream.write_all(&[head.as_bytes(), &body].concat()),
        Some(Fault::Truncate) => stream.write_all(&[head.as_bytes(), half].concat()),
        Some(Fault::Stall) => {
            stream.write_all(&[head.as_bytes(), half].concat())?;
            thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        Some(Fault::Grow) => {
            let head = head.replace(&format!("{}\r\n\r\n", body.len()), &format!("{}\r\n\r\n", body.len() + 1));
            stream.write_all(&[head.as_bytes(), &body, b" "].concat())
        }
        Some(Fault::Refuse(status, code)) => {
            let xml = format!("<Error><Code>{code}</Code><Message>words</Message><RequestId>R1</RequestId></Error>");
            let length = xml.len();
            write!(
                stream,
                "HTTP/1.1 {status} No\r\nConnection: close\r\nx-amz-request-id: R1\r\nx-amz-bucket-region: eu-west-3\r\nContent-Length: {length}\r\n\r\n{xml}"
            )
        }
    }
}

fn list(archive: &Archive, query: &HashMap<String, String>) -> String {
    let prefix = query.get("prefix").map_or("", String::as_str);
    let after = query.get("start-after").map_or("", String::as_str);
    let (mut entries, mut folders) = (String::new(), BTreeSet::new());
    for (key, bytes) in archive.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after) {
        match key[prefix.len()..].split_once('/') {
            Some((folder, _)) if query.contains_key("delimiter") => {
                folders.insert(format!("<CommonPrefixes><Prefix>{prefix}{folder}/</Prefix></CommonPrefixes>"));
            }
            _ => {
                let size = bytes.len();
                entries +=
                    &format!("<Contents><Key>{key}</Key><Size>{size}</Size><ETag>&quot;e&quot;</ETag></Contents>");
            }
        }
    }
    let folders = folders.into_iter().collect::<String>();
    format!("<ListBucketResult><Name>trail</Name>{entries}{folders}</ListBucketResult>")
}

#[test]
fn faults_of_single_objects_are_repeated_or_named() {
    let names =
        ["cut", "slow", "reset", "gone", "denied", "glacier", "always-cut", "always-500", "grown", "good", "stalled"];
    let archive: Archive =
        names.iter().map(|name| (format!("{name}.json"), object("111122223333", "us-east-1", name))).collect();
    let script = |name: &str, faults: &[Fault]| (format!("{name}.json"), faults.to_vec());
    let slow = Fault::Refuse(503, "SlowDown");
    let faults = Faults::from([
        script("cut", &[Fault::Truncate]),
        script("slow", &[slow.clone(), slow]),
        script("reset", &[Fault::Reset, Fault::Truncate]),
        script("stalled", &[Fault::Stall]),
        script("gone", &[Fault::Refuse(404, "NoSuchKey")]),
        script("denied", &[Fault::Refuse(403, "AccessDenied")]),
        script("glacier", &[Fault::Refuse(403, "InvalidObjectState")]),
        script("always-cut", &[Fault::Truncate]),
        script("always-500", &[Fault::Refuse(500, "InternalError")]),
        script("grown", &[Fault::Grow]),
    ]);
    let lasting = ["gone.json", "denied.json", "glacier.json", "always-cut.json", "always-500.json", "grown.json"];
    for direct in [true, false] {
        let double = Double::start(archive.clone(), faults.clone(), &lasting);
        let mut options = options(&double.endpoint);
        options.s3.direct = direct;
        single_objects(&double, &options);
    }
}

fn single_objects(double: &Double, options: &Options<'static>) {
    // Whatever is no plain success is asked for again, by the SDK.
    let first = usize::from(options.s3.direct);
    let (seen, scanned) = run(trail(""), &Selection::default(), options).unwrap();
    let read: Vec<&str> = seen.0.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!(read, ["cut", "good", "reset", "slow", "stalled"]);
    let coverage = &scanned.coverage;
    assert_eq!((coverage.objects_listed, coverage.objects_read, coverage.objects_failed), (11, 5, 6));
    let expected = [
        ("always-500.json", "InternalError: words", 4),
        ("always-cut.json", "the download broke off: ", 4),
        ("denied.json", "AccessDenied: words (hint: the credentials need `s3:GetObject`", 1),
        ("glacier.json", "InvalidObjectState: words (hint: it is in an archive storage class", 1),
        ("gone.json", "NoSuchKey: words (hint: it was deleted after being listed", 1),
        ("grown.json", "were listed: it changed", 4),
    ];
    assert_eq!(coverage.failures.len(), expected.len(), "{:?}", coverage.failures);
    for (failure, (name, error, requests)) in coverage.failures.iter().zip(expected) {
        assert_eq!(failure.object, format!("s3://trail/{name}"));
        assert!(failure.error.contains(error), "{}", failure.error);
        assert_eq!(double.requests(name), first + requests, "{name}");
    }
    assert_eq!((double.requests("cut.json"), double.requests("slow.json"), double.requests("reset.json")), (2, 3, 3));
}

#[test]
fn a_burst_of_throttling_loses_nothing() {
    let archive: Archive =
        (0..300).map(|n| (format!("{n:03}.json"), object("111122223333", "us-east-1", &n.to_string()))).collect();
    // Some for longer than the SDK's attempts last.
    let burst = |key: &String| vec![Fault::Refuse(503, "SlowDown"); if key.ends_with("7.json") { 12 } else { 1 }];
    let faults: Faults = archive.keys().map(|key| (key.clone(), burst(key))).collect();
    for direct in [true, false] {
        let double = Double::start(archive.clone(), faults.clone(), &[]);
        let mut options = options(&double.endpoint);
        options.s3.direct = direct;
        let (seen, scanned) = run(trail(""), &Selection::default(), &options).unwrap();
        assert_eq!((seen.0.len(), scanned.coverage.objects_failed), (300, 0), "direct: {direct}");
    }
}

#[test]
fn objects_larger_than_the_byte_budget_pass_one_by_one() {
    let archive = archive(40);
    let double = Double::start(archive.clone(), Faults::new(), &[]);
    let mut options = options(&double.endpoint);
    let wide = run(trail(""), &Selection::default(), &options).unwrap();
    options.s3.bytes_in_flight = 1;
    options.s3.requests = Some(1);
    assert_eq!(run(trail(""), &Selection::default(), &options).unwrap(), wide);
}

#[test]
fn a_listing_that_fails_is_fatal() {
    let listing = |status, code| {
        let faults = Faults::from([("list b/".to_owned(), vec![Fault::Refuse(status, code)])]);
        let archive = Archive::from([
            ("a/1.json".to_owned(), object("111122223333", "us-east-1", "1")),
            ("b/2.json".to_owned(), object("111122223333", "us-east-1", "2")),
        ]);
        let double = Double::start(archive, faults, &["list b/"]);
        run(trail(""), &Selection::default(), &options(&double.endpoint)).unwrap_err().to_string()
    };
    assert_eq!(
        listing(403, "AccessDenied"),
        "could not list `s3://trail/b/`: AccessDenied: words (hint: the credentials need `s3:ListBucket` on this bucket and prefix; a requester-pays bucket needs --request-payer; request id R1)"
    );
    assert_eq!(
        listing(301, "PermanentRedirect"),
        "could not list `s3://trail/b/`: PermanentRedirect: words (hint: the bucket is in another region; set it with --aws-region eu-west-3; request id R1)"
    );
    assert!(listing(503, "SlowDown").starts_with("could not list `s3://trail/b/`: SlowDown: words"));

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = run(trail("x"), &Selection::default(), &options(&format!("http://{closed}"))).unwrap_err().to_string();
    assert!(error.starts_with("could not list `s3://trail/x"), "{error}");
    assert!(error.contains("Connection refused") && error.contains("--endpoint-url"), "{error}");
}

#[test]
fn every_selection_is_the_same_on_disk() {
    let archive = archive(3);
    let home = tempfile::tempdir().unwrap();
    write_to(home.path(), &archive);
    let double = Double::start(archive, Faults::new(), &[]);
    let options = options(&double.endpoint);
    for selection in selections() {
        let disk = run(Source::Local(home.path().into()), &selection, &options).unwrap();
        let s3 = run(trail(""), &selection, &options).unwrap();
        assert_same(&disk, &as_on_disk("s3://trail/", s3), &selection);
    }
}

#[test]
fn a_key_that_is_named_outright_is_wanted_whatever_it_is_called() {
    let double = Double::start(archive(0), Faults::new(), &[]);
    let options = options(&double.endpoint);
    for (key, read, failed) in
        [("README.md", 1, 0), ("AWSLogs/o-exampleorgid/111122223333/CloudTrail/us-east-1/2024/01/01/notes.md", 0, 1)]
    {
        let (_, scanned) = run(trail(key), &Selection::default(), &options).unwrap();
        assert_eq!((scanned.coverage.objects_read, scanned.coverage.objects_failed), (read, failed), "{key}");
    }
}

#[test]
fn what_is_not_asked_for_is_not_listed() {
    let double = Double::start(archive(3), Faults::new(), &[]);
    let selection = Selection {
        from: Some("2024-01-02T00:00:00Z".parse().unwrap()),
        accounts: vec!["111122223333".into()],
        regions: vec!["us-east-1".into()],
        ..Selection::default()
    };
    let options = options(&double.endpoint);
    run(trail(""), &selection, &options).unwrap();
    let log = double.log.lock().unwrap().join("\n");
    assert!(log.contains("list AWSLogs/o-exampleorgid/111122223333/CloudTrail/us-east-1/2024/"), "{log}");
    for unwanted in ["444455556666", "eu-west-1", "/2023/", "2024/01/01"] {
        assert!(!log.contains(unwanted), "{unwanted} in:\n{log}");
    }
}

// --- against a server that lies ------------------------------------------------------------------------------------

/// What a listing's request meets.
enum Page {
    /// This document, with its length.
    Whole(String),
    /// This document; where it ends, the connection does.
    Open(String),
    /// This, for as long as anybody reads.
    Endless(&'static str),
}

/// An S3 of which every listing is answered by `page`, from its query and how many were asked for before it; gives its address.
fn liar(page: impl Fn(&HashMap<String, String>, usize) -> Page + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (page, count) = (Arc::new(page), Arc::new(Mutex::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (page, count) = (Arc::clone(&page), Arc::clone(&count));
            // A client that gives up on a connection is no failure of the test.
            thread::spawn(move || lie(stream.unwrap(), page.as_ref(), &count));
        }
    });
    endpoint
}

fn lie(
    mut stream: TcpStream,
    page: &(dyn Fn(&HashMap<String, String>, usize) -> Page + Send + Sync),
    count: &Mutex<usize>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut first = String::new();
        let mut line = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        let target = first.split(' ').nth(1).unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let query: HashMap<String, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), decode(value))))
            .collect();
        let before = {
            let mut count = count.lock().unwrap();
            *count += 1;
            *count - 1
        };
        match page(&query, before) {
            Page::Whole(body) => {
                let length = body.len();
                stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes())?;
            }
            Page::Open(body) => return write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}"),
            Page::Endless(piece) => {
                write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                let piece = piece.repeat(1 + 0x10000 / piece.len());
                loop {
                    stream.write_all(piece.as_bytes())?;
                }
            }
        }
    }
}

fn contents(key: &str) -> String {
    format!("<Contents><Key>{key}</Key><Size>1</Size><ETag>&quot;e&quot;</ETag></Contents>")
}

fn folder(name: &str) -> String {
    format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>")
}

/// A page of a listing; `said` is its `KeyCount`.
fn page(said: usize, names: &str, next: Option<&str>) -> String {
    let more = next.is_some();
    let token = next.map_or(String::new(), |next| format!("<NextContinuationToken>{next}</NextContinuationToken>"));
    format!(
        "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>trail</Name><KeyCount>{said}</KeyCount><IsTruncated>{more}</IsTruncated>{token}{names}</ListBucketResult>"
    )
}

/// What a server answers, and what is said of it: a listing that was cut would be a bucket with less in it, and one without an
/// end a run without one.
#[test]
fn listings_that_lie_are_refused() {
    type Answer = Box<dyn Fn(&HashMap<String, String>, usize) -> Page + Send + Sync>;
    let whole = |body: String| -> Answer { Box::new(move |_, _| Page::Whole(body.clone())) };
    let two = contents("a.json") + &contents("b.json");
    let complete = page(2, &two, None);
    let at = |end: &str| complete.find(end).unwrap() + end.len();
    let cut = |end: &str| -> Answer {
        let body = complete[..at(end)].to_owned();
        Box::new(move |_, _| Page::Open(body.clone()))
    };
    let cases: Vec<(&str, Answer, &str)> = vec![
        (
            "fewer names than are counted",
            whole(page(2, &contents("a.json"), None)),
            "says that it has 2 keys, but has 1",
        ),
        ("more names than are counted", whole(page(1, &two, None)), "says that it has 1 keys, but has 2"),
        ("no names, and two counted", whole(page(2, "", None)), "says that it has 2 keys, but has 0"),
        ("a folder that is not counted", whole(page(1, &(contents("a") + &folder("b/")), None)), "but has 2"),
        ("a page cut after its first name", cut("</Contents>"), "does not end with `</ListBucketResult>`"),
        ("a page cut after its head", cut("<Name>trail</Name>"), "does not end with `</ListBucketResult>`"),
        (
            "a page cut before its last tag",
            cut("b.json</Key><Size>1</Size><ETag>&quot;e&quot;</ETag></Contents>"),
            "does not end with",
        ),
        ("a page cut in its first line", cut("<?xml version"), "its XML is incomplete"),
        (
            "a page that closes another tag",
            whole(complete.replace("</ListBucketResult>", "</Other>")),
            "the response is truncated",
        ),
        ("a page without an end", Box::new(|_, _| Page::Endless("<Contents></Contents>")), "longer than 4194304 bytes"),
        ("an end in white space", Box::new(|_, _| Page::Endless(" ")), "longer than 4194304 bytes"),
        (
            "names that were not asked for",
            whole(page(1, &contents("../x"), None).replace("../x", "")),
            "could not list",
        ),
        (
            "a name longer than any",
            whole(page(1, &contents(&"x".repeat(5000)), None)),
            "not requested, or that is not valid",
        ),
        ("a name twice", whole(page(2, &(contents("a") + &contents("a")), None)), "out of order or repeated"),
        ("names out of order", whole(page(2, &(contents("b") + &contents("a")), None)), "out of order or repeated"),
        (
            "the same page under another token",
            { Box::new(|_, n| Page::Whole(page(1, &contents("a"), Some(&n.to_string())))) },
            "out of order or repeated",
        ),
        (
            "tokens in a circle",
            { Box::new(|_, n| Page::Whole(page(0, "", Some(["a", "b", "c"][n % 3])))) },
            "an earlier page",
        ),
        (
            "empty pages without an end",
            { Box::new(|_, n| Page::Whole(page(0, "", Some(&n.to_string())))) },
            "more than 20 nearly empty pages",
        ),
        (
            "a name on each of endless pages",
            { Box::new(|_, n| Page::Whole(page(1, &contents(&format!("README-{n:09}")), Some(&n.to_string())))) },
            "more than 20 nearly empty pages",
        ),
        (
            "full pages without an end",
            {
                Box::new(|_, n| {
                    let names: String = (0..100).map(|name| contents(&format!("x/{n:09}-{name:03}.png"))).collect();
                    Page::Whole(page(100, &names, Some(&n.to_string())))
                })
            },
            "more than 30 pages",
        ),
        ("more, but not where", whole(page(1, &contents("a"), None).replace("false", "true")), "no marker for them"),
        (
            "a folder in itself",
            Box::new(|query, _| {
                let prefix = query.get("prefix").map_or("", String::as_str);
                Page::Whole(page(1, &folder(if prefix.is_empty() { "x/" } else { prefix }), None))
            }),
            "a folder that is not one",
        ),
        (
            "a folder in a folder, for ever",
            Box::new(|query, _| {
                let prefix = query.get("prefix").map_or("", String::as_str);
                Page::Whole(page(1, &folder(&format!("{prefix}{}/", "x".repeat(99))), None))
            }),
            "not requested, or that is not valid",
        ),
        (
            "folders in every folder, for ever",
            Box::new(|query, _| {
                let prefix = query.get("prefix").map_or("", String::as_str);
                let folders: String = (10..99).map(|n| folder(&format!("{prefix}{n}/"))).collect();
                Page::Whole(page(89, &folders, None))
            }),
            "more than 100 folders",
        ),
        (
            "folders of another place",
            Box::new(|query, _| {
                let deep = query.get("prefix").is_some_and(|prefix| !prefix.is_empty());
                Page::Whole(page(1, &folder(if deep { "y/" } else { "x/" }), None))
            }),
            "not requested, or that is not valid",
        ),
    ];
    for (what, answer, said) in cases {
        let mut options = options(&liar(answer));
        options.s3.attempts = 2;
        options.s3.bounds.pages = 30;
        options.s3.bounds.sparse_pages = 20;
        options.s3.bounds.folders = 100;
        let error = run(trail(""), &Selection::default(), &options).err().map(|error| error.to_string());
        let error = error.unwrap_or_else(|| panic!("{what} passed"));
        assert!(error.starts_with("could not list `s3://trail/"), "{what}: {error}");
        assert!(error.contains(said), "{what}: {error}");
        assert!(plan(&[trail("")], &Selection::default(), &options).is_err(), "{what}");
    }
}

#[test]
fn an_object_is_never_larger_than_the_limit_whatever_is_listed() {
    for size in ["9223372036854775807", "5000000000"] {
        let names =
            ["a.json", "b.json", "c.json"].map(|key| contents(key).replace("<Size>1<", &format!("<Size>{size}<")));
        let listing = page(3, &names.concat(), None);
        let endpoint = liar(move |query, _| match query.contains_key("list-type") {
            true => Page::Whole(listing.clone()),
            false => Page::Endless("x"),
        });
        let options = options(&endpoint);
        let (seen, scanned) = run(trail(""), &Selection::default(), &options).unwrap();
        assert_eq!((seen.0.len(), scanned.coverage.objects_failed), (0, 3), "{size}");
        assert!(
            scanned.coverage.failures.iter().all(|failure| failure.error.starts_with("larger than the limit of 96MiB"))
        );
        let planned = plan(&[trail("")], &Selection::default(), &options).unwrap();
        assert!(planned.failures.len() == 1 && planned.failures[0].error.starts_with("larger than the limit of 96MiB"));
    }
}

/// The largest amount of memory that this process ever had, in MiB.
#[cfg(target_os = "linux")]
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() >> 10
}

#[cfg(target_os = "linux")]
#[test]
fn answers_without_an_end_take_no_memory() {
    // The most that a process ever had is that of all of its tests.
    if !in_own_process("s3::answers_without_an_end_take_no_memory", &[]) {
        return;
    }
    let before = peak();
    for body in ["<Contents><Key>a</Key></Contents>", " ", "<Error>", "x"] {
        let mut options = options(&liar(move |_, _| Page::Endless(body)));
        options.s3.attempts = 2;
        assert!(run(trail(""), &Selection::default(), &options).is_err());
    }
    let more = peak().saturating_sub(before);
    assert!(more < 200, "{more} MiB more");
}

/// With moto, which comes from PyPI.
mod online {
    use super::*;
    use crate::support::moto;

    #[test]
    fn disk_and_s3_are_one_archive() {
        let archive = archive(1100);
        let home = tempfile::tempdir().unwrap();
        write_to(home.path(), &archive);
        let server = moto::Moto::start();
        upload(&server.endpoint(), &archive);
        let options = options(&server.endpoint());

        // The server takes seconds for a page of objects; the other selections are tried on the scripted one.
        for selection in selections().into_iter().step_by(3).take(2) {
            let disk = run(Source::Local(home.path().into()), &selection, &options).unwrap();
            let s3 = run(trail(""), &selection, &options).unwrap();
            let planned = plan(&[trail("")], &selection, &options).unwrap();
            let coverage = &s3.1.coverage;
            // What is skipped for its content has to be read first.
            assert_eq!(planned.objects + planned.skipped, coverage.objects_listed);
            assert!(planned.skipped <= coverage.objects_skipped);
            assert_same(&disk, &as_on_disk("s3://trail/", s3), &selection);
        }
        let (seen, scanned) = run(trail(""), &Selection::default(), &options).unwrap();
        assert_eq!(seen.0.len(), 1100 + 36 + 4);
        assert_eq!((scanned.coverage.objects_failed, scanned.coverage.objects_skipped), (1, 5));

        // Folders with and without their slash, and a single key.
        let prefix = "AWSLogs/o-exampleorgid/444455556666/CloudTrail/eu-west-1/";
        let from = Selection { from: Some("2024-01-02T00:00:00Z".parse().unwrap()), ..Selection::default() };
        for (prefix, expected) in [
            (prefix, 3),
            (prefix.trim_end_matches('/'), 3),
            ("AWSLogs/o-exampleorgid/444455556666/CloudTrail/eu-west-1/2024", 3),
            ("AWSLogs/o-exampleorgid/444455556666/CloudTrail/eu-west", 0),
            ("moved/damaged.json.gz", 1),
            ("moved", 2),
            ("move", 0),
        ] {
            let (_, scanned) = run(trail(prefix), &from, &options).unwrap();
            assert_eq!(scanned.coverage.objects_listed, expected, "{prefix}");
        }

        // A role is assumed by way of the configuration's own endpoint.
        let mut by_role = options.clone();
        by_role.s3.sdk = Some(sdk("testing").into_builder().endpoint_url(server.endpoint()).build());
        by_role.s3.connection.role_arn = Some("arn:aws:iam::111122223333:role/reader".into());
        by_role.s3.connection.external_id = Some("shared".into());
        by_role.s3.request_payer = true;
        let (seen, _) = run(trail(prefix), &from, &by_role).unwrap();
        assert_eq!(seen.0.len(), 3);

        let missing = Source::S3 { bucket: "no-such-trail".into(), prefix: String::new() };
        let error = run(missing, &Selection::default(), &options).unwrap_err().to_string();
        assert!(error.starts_with("could not list `s3://no-such-trail/`: NoSuchBucket: "), "{error}");
        assert!(error.contains("hint: check the bucket name"), "{error}");
    }

    #[test]
    fn unknown_credentials_are_one_clear_error() {
        let server = moto::Moto::start();
        upload(&server.endpoint(), &Archive::new());
        // From now on moto checks who calls.
        let address = server.endpoint().trim_start_matches("http://").to_owned();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "POST /moto-api/reset-auth HTTP/1.0\r\nContent-Length: 1\r\n\r\n0").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        let error = run(trail(""), &Selection::default(), &options(&server.endpoint())).unwrap_err().to_string();
        assert!(error.starts_with("could not list `s3://trail/`: InvalidAccessKeyId: "), "{error}");
        assert!(error.contains("hint: the credentials are wrong or have expired"), "{error}");
    }
}
