//! What must hold for any bytes at all, by target. Used by the fuzzer (`fuzz/bin`) and, on every input that was ever of
//! interest, by `tests/it/corpora.rs`.
//!
//! That nothing panics, overflows or runs away goes without saying; each target also compares with something slower and
//! simpler where there is such a thing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use mfatrail::bundle;
use mfatrail::cloudtrail::{
    Brief, Envelope, Names, Query, Record, RecordError, Scratch, Take, for_each_record, search, skim,
};
use mfatrail::contract::{Period, Window};
use mfatrail::digest::{Bounds, ChainId, DigestReader, Proof, PublicKeys, Trust};
use mfatrail::exposure::{self, Analysis, Input};
use mfatrail::hash::sha256;
use mfatrail::inflate::{InflateError, Inflated, Inflater};
use mfatrail::inputs::{Settings, approvals, detections, policy_file};
use mfatrail::inventory::{self, snapshot};
use mfatrail::mfa::{self, Conflict, Event};
use mfatrail::pipeline::{Bytes, Next, Visitor};
use mfatrail::source::{KeyInfo, Location, ObjectRef, Product, Selection};
use mfatrail::store::Store;
use mfatrail::trace::{Holder, Part, Trace};
use mfatrail::units;

/// A target: its name, which is its corpus's folder too, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("inflate", inflate),
    ("containers", containers),
    ("records", records),
    ("keys", keys),
    ("iam", iam),
    ("snapshot", iam_snapshot),
    ("policies", policies),
    ("approvals", read_approvals),
    ("detections", read_detections),
    ("settings", settings),
    ("units", read_units),
    ("digests", digests),
    ("store", open_store),
    ("bundle", open_bundle),
    ("additions", additions),
    ("strangers", strangers),
];

/// Enough for every honest input of a fuzzer, and little enough for a bomb to be one.
const LIMIT: usize = 1 << 20;

fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).expect("a moment of 2026")
}

/// What is inflated equals what a second inflater gives; and what is compressed here comes back, up to the limit.
pub fn inflate(data: &[u8]) {
    let mut inflater = Inflater::default();
    if let Ok(bytes) = inflater.inflate(data, LIMIT) {
        assert!(bytes.len() <= LIMIT);
        if data.starts_with(&[0x1f, 0x8b]) {
            let mut reference = Vec::new();
            match MultiGzDecoder::new(data).read_to_end(&mut reference) {
                Ok(_) => assert!(bytes == reference, "other bytes than the reference's"),
                // Only the reference looks at a header's own checksum. It guards no data.
                Err(_) if data.windows(4).any(|head| head.starts_with(&[0x1f, 0x8b, 8]) && head[3] & 2 != 0) => {}
                // Only libdeflate takes some tables of codes that nothing uses.
                Err(_) if vouched(data, bytes) => {}
                Err(error) => panic!("what inflates here inflates there: {error}"),
            }
        } else {
            assert!(bytes == data, "plain bytes are given back as they are");
        }
    }
    // Checksums stop most mutations at the door: so the same bytes again, compressed, in members of different sizes.
    let (level, rest) = data.split_first().unwrap_or((&0, &[]));
    let pieces = 1 + usize::from(level >> 4) % 3;
    let mut object = Vec::new();
    for piece in rest.chunks(rest.len().div_ceil(pieces).max(1)) {
        let mut encoder = GzEncoder::new(object, Compression::new(u32::from(level % 10)));
        encoder.write_all(piece).expect("memory");
        object = encoder.finish().expect("memory");
    }
    if rest.is_empty() {
        return;
    }
    let limit = rest.len();
    assert_eq!(inflater.inflate(&object, limit).ok(), Some(rest), "at the limit");
    assert_eq!(inflater.inflate(&object, limit + 1).ok(), Some(rest), "below the limit");
    assert_eq!(inflater.inflate(&object, limit - 1), Err(InflateError::TooLarge { limit: limit - 1 }));
    object.pop();
    assert!(inflater.inflate(&object, limit).is_err(), "the last byte is missing");
}

/// Whether a member's trailer bears the checksum and the length of these bytes.
fn vouched(member: &[u8], bytes: &[u8]) -> bool {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    member.ends_with(&[crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat())
}

/// What a record says, everything that is ever asked of it included.
fn ask(record: &Record<'_, '_>) -> String {
    let actor = record.actor();
    let caller = record.caller();
    let event = mfa::extract(record);
    if let Some(event) = &event {
        let _ =
            (event.action.serial(), event.action.is_lifecycle(), event.action.rank(), event.succeeded(), event.order());
    }
    let raw = record.raw().expect("a record of an object has its text");
    assert!(raw.starts_with(b"{") && raw.ends_with(b"}"), "the text of a record is an object");
    format!(
        "{:?}",
        (
            (record.time, record.source, record.name, record.id(), record.account()),
            (record.error_code(), record.failed(), record.read_only(), actor.display(), caller),
            (record.flag(&["readOnly"]), record.text(&["awsRegion"]), event),
            String::from_utf8_lossy(raw).into_owned(),
        )
    )
}

type Told = Vec<(String, String)>;

/// Usable records by name and by what they say, or the error; and how many were given out.
fn all(bytes: &[u8]) -> Result<Told, String> {
    let mut told = Told::new();
    let mut bad = 0;
    let contents =
        for_each_record(bytes, &mut Scratch::default(), &mut |_, record: Result<Record<'_, '_>, RecordError>| {
            match record {
                Ok(record) => told.push((record.name.to_owned(), ask(&record))),
                Err(_) => bad += 1,
            }
        });
    match contents {
        Ok(contents) => {
            assert_eq!((contents.records, contents.unusable), (told.len(), bad), "what is counted is what was given");
            assert_eq!(contents.first_unusable.is_some(), bad > 0);
            Ok(told)
        }
        Err(error) => {
            assert!(told.is_empty() && bad == 0, "a damaged object yields nothing");
            Err(error.to_string())
        }
    }
}

/// What records say, by their envelopes where those will do.
#[derive(Default)]
struct Skimmed {
    told: Vec<(String, Short)>,
    bad: usize,
}

/// What a record and its envelope both tell: time, texts, caller, and what only some envelopes tell.
type Short = (i64, [String; 5], String, [Option<Option<bool>>; 3], Option<Option<String>>);

fn short(record: &Record<'_, '_>) -> Short {
    let text = |key: &str| record.text(&[key]).unwrap_or_default().to_owned();
    let account = record.account().unwrap_or_default().to_owned();
    (
        record.time.timestamp(),
        [record.source.to_owned(), record.id().into_owned(), account, text("awsRegion"), text("sourceIPAddress")],
        format!("{:?}", record.actor()),
        [Some(Some(record.read_only())), Some(Some(record.failed())), Some(record.session_mfa(record.caller().kind))],
        Some(record.text(&["requestParameters", "userName"]).map(str::to_owned)),
    )
}

impl Take for Skimmed {
    fn brief(&self, envelope: &Envelope<'_>) -> Option<Brief> {
        let told = !envelope.id().is_empty() && envelope.issuer().is_some();
        (envelope.name() != b"EnableMFADevice" && told).then_some(Brief::Count)
    }

    fn envelope(&mut self, envelope: &Envelope<'_>, _brief: Brief) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let raw = envelope.raw();
        assert!(raw.starts_with(b"{") && raw.ends_with(b"}"), "the text of a record is an object");
        self.told.push((
            text(envelope.name()),
            (
                envelope.seconds(),
                [envelope.source(), envelope.id(), envelope.account(), envelope.region(), envelope.source_ip()]
                    .map(text),
                format!("{:?}", envelope.caller().to_actor()),
                [Some(Some(envelope.read_only())), envelope.failed().map(Some), envelope.session_mfa()],
                envelope.parameter("userName").map(|name| name.map(str::to_owned)),
            ),
        ));
    }

    fn record(&mut self, _index: usize, record: Result<Record<'_, '_>, RecordError>) {
        match record {
            Ok(record) => self.told.push((record.name.to_owned(), short(&record))),
            Err(_) => self.bad += 1,
        }
    }
}

/// What the envelopes say is what the parsed records say, as far as they tell.
fn envelopes(data: &[u8]) {
    let (mut parsed, mut skimmed) = (Skimmed::default(), Skimmed::default());
    let mut scratch = Scratch::default();
    // Whatever lies in a folder of an account.
    scratch.begin(data.first().is_some_and(|first| first % 2 == 0).then_some("000123456789"));
    let contents = for_each_record(data, &mut scratch, &mut |index, record| parsed.record(index, record));
    let brief = skim(data, &mut scratch, &mut skimmed);
    match (&contents, &brief) {
        // Damage within what nobody asked for is not seen.
        (Err(_), Ok(_)) => return,
        _ => assert_eq!(brief, contents),
    }
    assert_eq!((skimmed.told.len(), skimmed.bad), (parsed.told.len(), parsed.bad));
    for ((name, mut parsed), (found, brief)) in parsed.told.into_iter().zip(skimmed.told) {
        for (parsed, brief) in parsed.3.iter_mut().zip(&brief.3) {
            *parsed = parsed.filter(|_| brief.is_some());
        }
        parsed.4 = parsed.4.filter(|_| brief.4.is_some());
        assert_eq!((name, parsed), (found, brief), "an envelope says what its record says");
    }
}

/// Any bytes as an object: counts hold, and where a full parse succeeds a search by name finds what it finds.
pub fn containers(data: &[u8]) {
    envelopes(data);
    let Ok(all) = all(data) else { return };
    // Found by the key, and by what they share.
    let three = ["ConsoleLogin", "DeactivateMFADevice", "EnableMFADevice"];
    for wanted in [&three, &three[1..]] {
        let names = Names::new(wanted);
        let mut found = Told::new();
        search(data, &Query::named(&names), &mut Scratch::default(), &mut |_,
                                                                           record: Result<
            Record<'_, '_>,
            RecordError,
        >| {
            if let Ok(record) = record {
                found.push((record.name.to_owned(), ask(&record)));
            }
        })
        .expect("what parses can be searched");
        let wanted = all.iter().filter(|(name, _)| names.contains(name));
        assert!(found.iter().eq(wanted), "a search finds what a full parse finds");
    }
}

/// Any bytes as the inside of a record, among two sound ones.
pub fn records(data: &[u8]) {
    let sound =
        r#"{"eventTime":"2026-10-05T08:00:00Z","eventSource":"iam.amazonaws.com","eventName":"EnableMFADevice"}"#;
    let mut object = format!(r#"{{"Records":[{sound},{{"eventSource":"iam.amazonaws.com","eventTime":"2026-10-05T08:00:00Z","eventName":"DeactivateMFADevice","#).into_bytes();
    object.extend_from_slice(data);
    object.extend_from_slice(format!("}},{sound}]}}").as_bytes());
    containers(&object);
    // One record a line: an independent way to the same records, where the line is a record at all.
    let mut line =
        br#"{"eventSource":"signin.amazonaws.com","eventTime":"2026-10-05T08:00:00Z","eventName":"ConsoleLogin","#
            .to_vec();
    line.extend_from_slice(data);
    line.extend_from_slice(b"}");
    let wrapped = [b"{\"Records\":[".as_slice(), &line, b"]}"].concat();
    if let (Ok(alone), Ok(wrapped)) = (all(&line), all(&wrapped))
        && alone.len() == 1
        && wrapped.len() == 1
    {
        assert_eq!(alone, wrapped, "a record says the same in any wrapping");
    }
}

/// Any text as a key, and against every kind of selection.
pub fn keys(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let info = KeyInfo::parse(&text);
    if let Some(account) = &info.account {
        assert!(account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()), "{account:?}");
        assert!(text.contains(account.as_str()));
    }
    assert!(info.region.as_ref().is_none_or(|region| text.contains(region.as_str())));
    assert!(info.region.is_none() || info.account.is_some());
    let none = Selection::default();
    assert!(none.includes(&info), "what is not limited includes everything");
    let from = Selection { from: Some(moment()), ..Selection::default() };
    let to = Selection { to: Some(moment()), slack: TimeDelta::days(1), ..Selection::default() };
    // Whatever its day, a key is in one of the two: they overlap.
    assert!(from.includes(&info) || to.includes(&info));
    let foreign = Selection { accounts: vec!["999999999999".to_owned()], ..Selection::default() };
    assert!(foreign.includes(&info) == info.account.as_deref().is_none_or(|account| account == "999999999999"));
}

thread_local! {
    /// A folder of this thread's own, in memory where the machine has such a place.
    static FOLDER: TempDir = {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("mfatrail-fuzz-").tempdir_in(base).expect("a temporary folder");
        fs::create_dir(folder.path().join("111122223333")).expect("a folder in it");
        folder
    };
}

/// The first byte says which file of the AWS CLI the rest is.
pub fn iam(data: &[u8]) {
    const FILES: [&str; 6] = [
        "credential-report.csv",
        "credential-report.json",
        "account-authorization-details.json",
        "virtual-mfa-devices.json",
        "mfa-devices-alice.json",
        "users.json",
    ];
    let Some((which, rest)) = data.split_first() else { return };
    let name = FILES[usize::from(*which) % FILES.len()];
    let read = FOLDER.with(|folder| {
        let path = folder.path().join("111122223333").join(name);
        fs::write(&path, rest).expect("a temporary file");
        let read = inventory::files::read(folder.path(), Some(moment()));
        fs::remove_file(&path).expect("it was there");
        read
    });
    match read {
        // What was read can be kept, and is the same when it is read again.
        Ok(state) => {
            let mut text = Vec::new();
            snapshot::write(&state, &mut text).expect("memory");
            let text = String::from_utf8(text).expect("JSON is UTF-8");
            assert_eq!(snapshot::from_text("snapshot.json", &text).expect("own snapshots are read"), state);
        }
        Err(error) => {
            assert!(error.to_string().contains("mfatrail-fuzz"), "an error names its file or folder: {error}")
        }
    }
}

/// A snapshot that was read and written is read as the same.
pub fn iam_snapshot(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match snapshot::from_text("snapshot.json", text) {
        Ok(state) => {
            let mut again = Vec::new();
            snapshot::write(&state, &mut again).expect("memory");
            let again = String::from_utf8(again).expect("JSON is UTF-8");
            assert_eq!(snapshot::from_text("again", &again).expect("own snapshots are read"), state);
        }
        Err(error) => assert!(error.to_string().contains("snapshot.json"), "{error}"),
    }
}

/// A policy never both denies and allows everything by one word of it.
pub fn policies(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (denies, allows) = (inventory::denies_everything(text), inventory::allows_everything(text));
    assert_eq!(denies.is_none(), allows.is_none(), "both read the same document, or neither does");
    let _ = (inventory::is_deny_all_arn(text), inventory::is_full_access_arn(text));
}

fn named(error: &impl std::fmt::Display) {
    assert!(error.to_string().contains("input"), "an error names its file: {error}");
}

/// Approvals: each is a half-open interval.
pub fn read_approvals(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match approvals::from_text("input", text) {
        Ok(sheet) => assert!(sheet.rows.iter().all(|row| row.valid_from < row.valid_to)),
        Err(error) => named(&error),
    }
}

/// Detections.
pub fn read_detections(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = detections::from_text("input", text) {
        named(&error);
    }
}

/// The policy file.
pub fn settings(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = policy_file::from_text("input", text) {
        named(&error);
    }
}

/// What is displayed is read as the same.
pub fn read_units(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(duration) = units::parse_duration(text) {
        assert_eq!(units::parse_duration(&units::display_duration(duration)), Ok(duration));
    }
    if let Ok(size) = units::parse_size(text) {
        assert_eq!(units::parse_size(&units::display_size(size)), Ok(size));
    }
    if let Ok(time) = units::parse_time(text, moment()) {
        assert_eq!(units::parse_rfc3339(&time.to_rfc3339()), Ok(time));
    }
}

/// Between the parts of an input that stands for several files: it is in no UTF-8.
const PART: u8 = 0xff;

/// A folder that is there for one input.
fn with_folder<T>(run: impl FnOnce(&Path) -> T) -> T {
    FOLDER.with(|folder| {
        let folder = folder.path().join("inputs");
        fs::create_dir(&folder).expect("a folder for one input");
        let result = run(&folder);
        fs::remove_dir_all(&folder).expect("it was there");
        result
    })
}

/// The keys and the contents of digests, of signatures beside them, and at last a file of public keys. Nothing proves
/// a digest here but a signature that holds.
pub fn digests(data: &[u8]) {
    let mut parts: Vec<&[u8]> = data.split(|byte| *byte == PART).collect();
    let Some(printed) = parts.pop() else { return };
    let mut keys = PublicKeys::default();
    let read = with_folder(|folder| {
        let path = folder.join("keys.json");
        fs::write(&path, printed).expect("a temporary file");
        keys.read(&path)
    });
    if let Err(error) = read {
        assert!(error.to_string().contains("keys.json"), "an error names its file: {error}");
    }
    let (mut gather, mut other) = (DigestReader::default(), DigestReader::default());
    let mut hashes = Vec::new();
    for (at, pair) in parts.chunks(2).enumerate() {
        let [name, bytes] = pair else { continue };
        let name = String::from_utf8_lossy(name).into_owned();
        // As it is in S3's metadata, now and then.
        let signature = name.rsplit_once('#').map(|(_, signature)| signature.to_owned());
        let key = KeyInfo::parse(&name);
        let product = key.product;
        let object = ObjectRef {
            key,
            location: Location::File(PathBuf::from(&name)),
            name,
            size: 0,
            etag: None,
            modified: None,
        };
        let inflated = Inflated { bytes, members: 1, first_member: bytes.len() };
        let gather = if at % 2 == 0 { &mut gather } else { &mut other };
        let object = Arc::new(object);
        hashes.push((object.name.clone(), sha256(bytes)));
        let next = gather.bytes(&object, &Bytes { inflated, signature: signature.as_deref() });
        let log = matches!(product, Product::Log | Product::Stray | Product::Other);
        assert_eq!(next == Next::Visit, log, "only what is no log is kept from the parser");
        if next == Next::Keep {
            gather.keep(&object, bytes.to_vec(), bytes.len());
        }
    }
    gather.ended();
    other.ended();
    gather.merge(other);
    for (id, digests) in gather.chains() {
        for digest in digests {
            assert_eq!(ChainId::parse(&digest.object).as_ref(), Some(id), "a digest is of the chain that its key says");
            assert!(hashes.contains(&(digest.name.to_string(), digest.hash)), "its hash is of its own bytes");
        }
    }
    let known = gather.chains().any(|(_, digests)| digests.iter().any(|digest| keys.knows(&digest.fingerprint)));
    let hours = Bounds { from: Some(moment()), to: Some(moment() + TimeDelta::hours(2)) };
    let bounds = if data.len().is_multiple_of(2) { Bounds::default() } else { hours };
    let proof = Proof::new(gather, &keys, bounds);
    let mut digests = proof.chains().iter().flat_map(|chain| &chain.digests);
    assert!(known || digests.all(|digest| proof.trust(digest) != Trust::Proven), "without a key nothing is proven");
}

/// The mark of a store, then its commits.
pub fn open_store(data: &[u8]) {
    with_folder(|folder| {
        let mut parts = data.split(|byte| *byte == PART);
        let mark = parts.next().unwrap_or_default();
        fs::write(folder.join("store.json"), mark).expect("a temporary file");
        fs::create_dir(folder.join("commits")).expect("a temporary folder");
        for (number, commit) in (1..).zip(parts) {
            fs::write(folder.join(format!("commits/{number:08}.json")), commit).expect("a temporary file");
        }
        if let Err(error) = Store::open(folder) {
            assert!(error.to_string().contains("mfatrail-fuzz"), "an error names its file: {error}");
        }
    });
}

/// Every file below a folder, by its path.
fn below(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let inside = path.strip_prefix(folder).expect("it is below");
                found.insert(inside.to_str().expect("names are UTF-8").to_owned());
            }
        }
    }
    found
}

/// A bundle as it is; or, after a zero byte, `bundle.json` and the other members, which are then packed. What is opened
/// is what is listed, and nothing is written beside it.
pub fn open_bundle(data: &[u8]) {
    with_folder(|folder| {
        let (file, into) = (folder.join("bundle.zip"), folder.join("into"));
        fs::create_dir(&into).expect("a temporary folder");
        match data.strip_prefix(&[0]) {
            None => fs::write(&file, data).expect("a temporary file"),
            Some(data) => {
                let parts: Vec<&[u8]> = data.split(|byte| *byte == PART).collect();
                let mut zip = ZipWriter::new(File::create(&file).expect("a temporary file"));
                let options = SimpleFileOptions::default();
                let head = parts.first().map(|head| [bundle::HEAD.as_bytes(), head]);
                let others = parts.get(1..).unwrap_or_default().chunks_exact(2).map(|pair| [pair[0], pair[1]]);
                for [name, bytes] in head.into_iter().chain(others) {
                    // The library refuses some names, such as one that is there already.
                    if zip.start_file(String::from_utf8_lossy(name).into_owned(), options).is_ok() {
                        zip.write_all(bytes).expect("a temporary file");
                    }
                }
                zip.finish().expect("a temporary file");
            }
        }
        match bundle::open::<BTreeMap<String, serde_json::Value>>(&file, &into) {
            Ok((_, members)) => {
                assert_eq!(below(&into), members.keys().cloned().collect(), "what is listed is unpacked");
                for (name, member) in members {
                    let bytes = fs::read(into.join(&name)).expect("it was unpacked");
                    assert_eq!((bytes.len() as u64, bundle::sha256(&bytes)), (member.bytes, member.sha256));
                }
            }
            Err(error) => assert!(error.to_string().contains("bundle.zip"), "an error names its file: {error}"),
        }
        let beside: BTreeSet<String> = below(folder).into_iter().filter(|path| !path.starts_with("into/")).collect();
        assert_eq!(beside, BTreeSet::from(["bundle.zip".to_owned()]), "nothing is written elsewhere");
    });
}

/// An archive of one account: who was made, enrolled and lost a device, and calls around it. Each has the id of its place.
const ARCHIVE: &[&str] = &[
    r#""eventName":"CreateUser","requestParameters":{"userName":"alice"},"responseElements":{"user":{"userName":"alice","userId":"AIDAALICE"}},"eventTime":"2026-09-21T08:00:00Z""#,
    r#""eventName":"CreateLoginProfile","requestParameters":{"userName":"alice"},"eventTime":"2026-09-21T08:00:01Z""#,
    r#""eventName":"EnableMFADevice","requestParameters":{"userName":"alice","serialNumber":"arn:aws:iam::111122223333:mfa/alice"},"eventTime":"2026-09-21T08:00:02Z""#,
    r#""eventName":"ListUsers","readOnly":true,"requestParameters":null,"eventTime":"2026-09-21T09:00:00Z""#,
    r#""eventName":"DeactivateMFADevice","requestParameters":{"userName":"alice","serialNumber":"arn:aws:iam::111122223333:mfa/alice"},"eventTime":"2026-09-21T10:00:00Z""#,
    r#""eventName":"DeactivateMFADevice","requestParameters":{"userName":"carol","serialNumber":"arn:aws:iam::111122223333:mfa/carol"},"eventTime":"2026-09-21T11:00:00Z""#,
    r#""eventName":"EnableMFADevice","requestParameters":{"userName":"carol","serialNumber":"arn:aws:iam::111122223333:mfa/carol-2"},"eventTime":"2026-09-21T13:00:00Z""#,
    r#""eventName":"DeactivateMFADevice","errorCode":"AccessDenied","requestParameters":{"userName":"dave"},"eventTime":"2026-09-21T14:00:00Z""#,
    r#""eventName":"GetUser","readOnly":true,"requestParameters":{"userName":"alice"},"eventTime":"2026-09-21T15:00:00Z""#,
];

/// What every record of it begins with.
const CALLER: &str = r#""eventSource":"iam.amazonaws.com","awsRegion":"us-east-1","recipientAccountId":"111122223333","sourceIPAddress":"192.0.2.7","userIdentity":{"type":"IAMUser","principalId":"AIDABOB","accountId":"111122223333","userName":"bob","arn":"arn:aws:iam::111122223333:user/bob"}"#;

/// Account and id of a record, and the id of the one that it says again.
type Said = (Option<String>, String, Option<String>);

/// What a scan keeps of objects.
#[derive(Default)]
struct Kept {
    events: Vec<Event>,
    trace: Trace,
    said: Vec<Said>,
}

impl Kept {
    /// Adds an object; tells whether it is sound.
    fn add(&mut self, name: &str, bytes: &[u8], is_verified: bool) -> bool {
        let mut part = Part::default();
        let mut scratch = Scratch::default();
        let sound = for_each_record(bytes, &mut scratch, &mut |_, record: Result<Record<'_, '_>, RecordError>| {
            let Ok(record) = record else { return };
            let text = |text: Option<&str>| text.map(str::to_owned);
            self.said.push((text(record.account()), record.id().into_owned(), text(record.original())));
            if let Some(mut event) = mfa::extract(&record) {
                event.objects.insert(name.to_owned());
                event.lineage.verified = is_verified;
                self.events.push(event);
            }
            part.note(Holder { object: name, is_verified }, &record).expect("a temporary file");
        });
        self.trace.add(part);
        sound.is_ok()
    }

    /// What a report says of it.
    fn analyzed(mut self) -> (Analysis, Vec<Conflict>) {
        let mut conflicts = mfa::fold(&mut self.events);
        let period = Period { from: moment() - TimeDelta::days(1), to: moment() + TimeDelta::days(1) };
        let covered = BTreeMap::from([("111122223333".to_owned(), [period.from, period.to])]);
        let (settings, empty) = (Settings::default(), mfatrail::trace::Context::default());
        let input = Input {
            events: &self.events,
            context: &empty,
            iam: None,
            covered: &covered,
            approvals: &[],
            detections: &[],
            settings: &settings,
            period,
            as_of: period.to,
        };
        let context =
            self.trace.collect(&mut exposure::wanted(&input).expect("nothing is lost")).expect("a temporary file");
        conflicts.extend(context.conflicts.iter().cloned());
        (exposure::analyse(&Input { context: &context, ..input }).expect("nothing is lost"), conflicts)
    }
}

fn archive(is_verified: bool) -> Kept {
    let mut kept = Kept::default();
    let record = |(n, members): (usize, &&str)| format!(r#"{{{CALLER},{members},"eventID":"e-{n}"}}"#);
    let records: Vec<String> = ARCHIVE.iter().enumerate().map(record).collect();
    assert!(kept.add("true", format!(r#"{{"Records":[{}]}}"#, records.join(",")).as_bytes(), is_verified));
    kept
}

/// An archive, and the same with one more object. The first byte says what that is: any bytes, or a record of the archive whose
/// members are followed by any others, as a new record, under the true one's id, or as its update. No event disappears; and of
/// what bears a true id, or says to be an update, no window becomes shorter without a conflict. Where digests prove the archive,
/// such a record changes nothing at all.
pub fn additions(data: &[u8]) {
    let Some((how, data)) = data.split_first() else { return };
    let which = usize::from(how / 8) % ARCHIVE.len();
    let members = ARCHIVE[which];
    let id = match how % 4 {
        0 => None,
        1 => Some(format!(r#","eventID":"e-{which}""#)),
        2 => Some(format!(r#","eventID":"f-1","addendum":{{"reason":"UPDATED_DATA","originalEventID":"e-{which}"}}"#)),
        _ => Some(r#","eventID":"f-1""#.to_owned()),
    };
    let object = id.map_or_else(
        || data.to_vec(),
        |id| [format!("{{{CALLER},{members}").as_bytes(), data, id.as_bytes(), b"}"].concat(),
    );
    for is_verified in [false, true] {
        let mut more = archive(is_verified);
        let known: BTreeSet<Said> = more.said.iter().cloned().collect();
        more.add("added", &object, false);
        let is_true = |account: &Option<String>, id: &str| {
            known.iter().any(|(of, true_id, _)| (of, true_id.as_str()) == (account, id))
        };
        let bears = |(account, id, original): &Said| match original {
            Some(original) => is_true(account, original),
            None => is_true(account, id),
        };
        let stands_for_others = more.said.iter().all(bears);
        let (truth, _) = archive(is_verified).analyzed();
        let (got, conflicts) = more.analyzed();
        let deed = |analysis: &Analysis| -> Vec<String> {
            let deed = |event: &mfatrail::contract::LifecycleEvent| {
                format!("{} {} {} {:?}", event.event_id, event.event_time, event.event_name, event.outcome)
            };
            analysis.events.iter().map(deed).collect()
        };
        let deeds = deed(&got);
        for deed in deed(&truth) {
            assert!(deeds.contains(&deed), "{deed} is gone: {deeds:#?}");
        }
        if !stands_for_others {
            continue;
        }
        if is_verified {
            assert_eq!(got.windows, truth.windows, "what no digest proves changes nothing under a true id");
            continue;
        }
        let end = |window: &Window| window.closed_at.unwrap_or(DateTime::<Utc>::MAX_UTC);
        for window in &truth.windows {
            let same = |other: &&Window| other.opened_by_event == window.opened_by_event;
            let lasts = got.windows.iter().find(same).is_some_and(|other| end(other) >= end(window));
            assert!(
                lasts || !conflicts.is_empty(),
                "{window:#?} is gone or shorter without a conflict: {:#?}",
                got.windows
            );
            let covers = |other: &Window| {
                other.principal.name == window.principal.name
                    && other.proven_from() <= window.proven_from()
                    && end(other) >= end(window)
            };
            let doubted = |name: &str| {
                let of = |finding: &mfatrail::contract::Finding| {
                    finding.principal.as_ref().is_some_and(|principal| principal.name == name)
                };
                got.reconciliation.iter().any(of)
            };
            let told = lasts || got.windows.iter().any(covers) || doubted(&window.principal.name);
            assert!(told, "nothing tells of all of {window:#?}: {:#?}", got.windows);
        }
    }
}

/// Names in a store and in a folder of IAM state that something else may stand at.
#[cfg(unix)]
const NAMES: [&str; 12] = [
    "store.json",
    "commits",
    "commits/00000001.json",
    "commits/00000002.json",
    "events",
    "lock",
    "111122223333",
    "111122223333/credential-report.csv",
    "111122223333/account-authorization-details.json",
    "111122223333/virtual-mfa-devices.json",
    "111122223333/mfa-devices-alice.json",
    "111122223333/users.json",
];

/// A folder as a stranger may lay it out, read as a store and as IAM state: pairs of bytes, the name and what stands there (a
/// folder, a file, a link to a file or a folder outside, to itself, to a device, a pipe, a socket), and what is left is every file's
/// content. Nothing waits, nothing outside is changed, and nothing of it is told.
#[cfg(unix)]
pub fn strangers(data: &[u8]) {
    use std::os::unix::fs::symlink;
    let Some((count, data)) = data.split_first() else { return };
    let (entries, content) = data.split_at(data.len().min(2 * usize::from(count % 8)));
    let secret = "outsider-8261";
    let outside_text = format!(
        "user,arn,user_creation_time,password_enabled,mfa_active\n{secret},arn:aws:iam::111122223333:user/{secret},2026-01-01T00:00:00Z,true,false\n"
    );
    with_folder(|inputs| {
        let (home, outside) = (inputs.join("home"), inputs.join("outside"));
        for folder in [&home, &outside] {
            fs::create_dir(folder).expect("a temporary folder");
        }
        let file = outside.join("credential-report.csv");
        fs::write(&file, &outside_text).expect("a temporary file");
        fs::write(outside.join("store.json"), r#"{"schema":"mfatrail.store/4"}"#).expect("a temporary file");
        let mut links = BTreeSet::new();
        for entry in entries.chunks_exact(2) {
            let name = NAMES[usize::from(entry[0]) % NAMES.len()];
            let path = home.join(name);
            if let Some(above) = path.parent().filter(|above| fs::symlink_metadata(above).is_err()) {
                fs::create_dir(above).expect("a temporary folder");
            }
            // What lies below a link is outside, where nothing is laid; and nothing is written into a pipe that is there already, which nobody
            // reads.
            let is_outside = links.iter().any(|link: &&str| name.starts_with(&format!("{link}/")));
            if is_outside || fs::symlink_metadata(&path).is_ok() {
                continue;
            }
            let laid = match entry[1] % 8 {
                0 => fs::create_dir(&path),
                1 => fs::write(&path, content),
                2 => symlink(&file, &path),
                3 => symlink(&outside, &path),
                4 => symlink(&path, &path),
                5 => symlink("/dev/zero", &path),
                6 => rustix::fs::mknodat(
                    rustix::fs::CWD,
                    &path,
                    rustix::fs::FileType::Fifo,
                    rustix::fs::Mode::from_raw_mode(0o600),
                    0,
                )
                .map_err(Into::into),
                _ => symlink(outside.join("store.json"), &path),
            };
            if laid.is_ok() && matches!(entry[1] % 8, 2..=5 | 7) {
                links.insert(name);
            }
        }
        let before = (below_as_it_is(&home), below_as_it_is(&outside));
        let store = Store::open(&home);
        if ["store.json", "commits"].iter().any(|name| links.contains(name)) {
            assert!(store.is_err(), "a store's own files are no links");
        }
        let read = inventory::files::read(&home, Some(moment()));
        let told = format!("{:?}", read.as_ref().map_err(ToString::to_string));
        assert!(!told.contains(secret), "what lies outside is told: {told}");
        assert_eq!((below_as_it_is(&home), below_as_it_is(&outside)), before, "nothing is written");
    });
}

/// Elsewhere there are no such links.
#[cfg(not(unix))]
pub fn strangers(_data: &[u8]) {}

/// What lies below a folder: links as links, files with their bytes.
#[cfg(unix)]
fn below_as_it_is(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).expect("a folder") {
            let path = entry.expect("an entry").path();
            let kind = fs::symlink_metadata(&path).expect("it is there").file_type();
            let what = if kind.is_symlink() {
                format!("{:?}", fs::read_link(&path))
            } else if kind.is_file() {
                format!("{:?}", fs::read(&path))
            } else {
                if kind.is_dir() {
                    folders.push(path.clone());
                }
                format!("{kind:?}")
            };
            all.insert(path, what);
        }
    }
    all
}
