//! From the bytes of one object to its records, told by content alone.
//!
//! CloudTrail writes `{"Records":[…]}`, but archives reach an analyst in other wrappings too: one record a line, the
//! output of `aws cloudtrail lookup-events`, EventBridge and CloudWatch exports, several of these one after another.
//! A damaged object yields nothing: all its JSON is checked before the first record is handed out. A record that is
//! sound JSON but unusable costs itself only.

use std::{borrow::Cow, cell::RefCell, fmt, mem, ops::Range};

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, value::RawValue};
use simd_json::{Buffers, Tape, prelude::*};

use super::{
    callers::Callers,
    record::{Record, RecordError, Value},
    structure::Objects,
    walk::Sketch,
};

/// Documents above this are parsed record by record: the parse of a whole document takes up to 14 bytes for one of its
/// own, so an object made to inflate hugely would take the machine's memory. CloudTrail's own stay far below.
pub(super) const WHOLE: usize = if cfg!(test) { 1 << 20 } else { 32 << 20 };

/// Buffers that one odd document made larger than this, in JSON values, are given back.
const KEEP: usize = 4 << 20;

/// Where a document keeps its records: CloudTrail, `lookup-events`, `filter-log-events`, a CloudWatch subscription.
const LISTS: [&str; 4] = ["Records", "Events", "events", "logEvents"];

/// Who gets the records: the index in the object and the record, or why it is unusable.
pub type Visit<'v> = &'v mut dyn FnMut(usize, Result<Record<'_, '_>, RecordError>);

/// What an object held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contents {
    /// JSON documents.
    pub documents: usize,
    /// Usable records.
    pub records: usize,
    /// Records that could not be used.
    pub unusable: usize,
    /// The first of these: its index in the object, from 0, and why.
    pub first_unusable: Option<(usize, RecordError)>,
    /// Insight records, passed over by intent: they tell of rates, not of calls.
    pub passed_over: usize,
    /// Documents that are CloudTrail digests, skipped by intent.
    pub digests: usize,
}

/// Why an object's bytes hold no records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// Nothing but white space.
    #[error("empty: no JSON document in it")]
    Empty,
    /// No JSON, or JSON that ends too early.
    #[error("document {document} is damaged at byte {offset}: {reason}")]
    Damaged {
        /// Which document of the object, from 1.
        document: usize,
        /// Where, in the inflated bytes.
        offset: usize,
        /// The parser's word.
        reason: String,
    },
    /// JSON of something else.
    #[error("JSON, but neither CloudTrail records nor a wrapping of them")]
    NotCloudTrail,
}

/// Buffers that outlive one object.
#[derive(Default)]
pub struct Scratch {
    pub(super) outer: Buffer,
    pub(super) nested: Buffer,
    /// Records that are parsed out of their object, put together.
    pub(super) joined: Vec<u8>,
    pub(super) sketches: Vec<Sketch>,
    pub(super) callers: Callers,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// Hands every record of an object to `visit`, in the order of the object.
///
/// # Errors
/// When the bytes are no JSON throughout, or hold nothing of CloudTrail; then `visit` was not called.
pub fn for_each_record(bytes: &[u8], scratch: &mut Scratch, visit: Visit<'_>) -> Result<Contents, ContainerError> {
    let Scratch { outer, nested, .. } = scratch;
    let start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let text = bytes.get(start..).unwrap_or_default();
    if text.trim_ascii().is_empty() {
        return Err(ContainerError::Empty);
    }
    let mut reader = Reader::new(nested, visit);
    if text.len() <= WHOLE
        && let Some(read) = outer.parse(text, |root, origin| reader.document(root, origin, true))
    {
        reader.contents.documents = 1;
        return read.map(|()| reader.contents);
    }
    // Several documents, or one that the fast parser refuses or that is too large for it.
    let documents = split(text, start)?;
    reader.contents.documents = documents.len();
    let only = documents.len() == 1;
    for document in documents {
        let text = text.get(document).unwrap_or_default();
        if text.len() <= WHOLE
            && let Some(read) = outer.parse(text, |root, origin| reader.document(root, origin, only))
        {
            read?;
        } else {
            reader.one_by_one(text, outer, only)?;
        }
    }
    Ok(reader.contents)
}

/// Where the documents lie; every byte of them is sound JSON then.
fn split(text: &[u8], start: usize) -> Result<Vec<Range<usize>>, ContainerError> {
    let mut documents = Vec::new();
    let mut stream = Deserializer::from_slice(text).into_iter::<&RawValue>();
    while let Some(document) = stream.next() {
        match document {
            Ok(raw) => {
                let end = stream.byte_offset();
                documents.push(end.saturating_sub(raw.get().len())..end);
            }
            Err(error) => {
                let line = error.line().saturating_sub(1);
                let before: usize = text.split_inclusive(|byte| *byte == b'\n').take(line).map(<[u8]>::len).sum();
                return Err(ContainerError::Damaged {
                    document: documents.len() + 1,
                    offset: start + (before + error.column()).min(text.len()),
                    reason: reason(&error),
                });
            }
        }
    }
    Ok(documents)
}

/// The parser's message without its line and column, which say little in a file of one line.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned())
}

/// The text that a value was parsed from.
///
/// The parser leaves every string where it was in its copy of the text, so a string's address tells its place.
pub(super) struct Origin<'t> {
    text: &'t [u8],
    /// The address of the parsed copy.
    copy: usize,
    objects: RefCell<Objects>,
}

impl<'t> Origin<'t> {
    /// The text of the innermost object around a string of the parsed copy, with its white space.
    pub(super) fn object_around(&self, string: &str) -> Option<&'t [u8]> {
        let at = string.as_ptr().addr().checked_sub(self.copy)?;
        self.text.get(self.objects.borrow_mut().around(self.text, at)?)
    }
}

/// The fast parser with its buffers. It overwrites what it parses, so it gets a copy.
pub(super) struct Buffer {
    text: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Default for Buffer {
    fn default() -> Self {
        Self { text: Vec::new(), buffers: Buffers::default(), tape: Tape(Vec::new()) }
    }
}

impl Buffer {
    /// Parses `text` as one document and reads it; `None` where it is not one document that the fast parser accepts.
    pub(super) fn parse<R>(&mut self, text: &[u8], read: impl FnOnce(Value<'_, '_>, &Origin<'_>) -> R) -> Option<R> {
        let mut tape = mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        self.text.clear();
        self.text.extend_from_slice(text);
        replace_lone_surrogates(&mut self.text);
        let copy = self.text.as_ptr().addr();
        let parsed = simd_json::fill_tape(&mut self.text, &mut self.buffers, &mut tape).is_ok();
        let origin = Origin { text, copy, objects: RefCell::default() };
        let read = parsed.then(|| read(tape.as_value(), &origin));
        if tape.0.capacity() <= KEEP {
            self.tape = tape.reset();
        } else {
            *self = Self::default();
        }
        read
    }
}

/// Replaces escapes of half a surrogate pair by the replacement character, as other parsers do. The fast parser takes a
/// first half for a zero byte, and a second half makes it refuse the document.
pub(super) fn replace_lone_surrogates(text: &mut [u8]) {
    let mut at = 0;
    while let Some(skip) = memchr::memchr(b'\\', text.get(at..).unwrap_or_default()) {
        at += skip;
        match escape(text, at) {
            Some(0xd800..0xdc00) if matches!(escape(text, at + 6), Some(0xdc00..0xe000)) => at += 12,
            Some(0xd800..0xe000) => {
                if let Some(lone) = text.get_mut(at..at + 6) {
                    lone.copy_from_slice(b"\\ufffd");
                }
                at += 6;
            }
            _ => at += 2,
        }
    }
}

/// The value of the escape `\uXXXX` that begins at `at`.
fn escape(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at.checked_add(6)?)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Whether none of the elements is unusable: that must be known before the first is handed out.
pub(super) fn all_usable(nested: &mut Buffer, elements: &simd_json::tape::Array<'_, '_>, origin: &Origin<'_>) -> bool {
    let mut ignore = |_index, _record: Result<Record<'_, '_>, _>| {};
    let mut judge = Reader::new(nested, &mut ignore);
    elements.iter().for_each(|element| judge.element(element, origin, true));
    judge.contents.unusable == 0
}

/// Tells records from what they are wrapped in.
pub(super) struct Reader<'s, 'v> {
    pub(super) contents: Contents,
    nested: &'s mut Buffer,
    visit: Visit<'v>,
}

impl<'s, 'v> Reader<'s, 'v> {
    pub(super) fn new(nested: &'s mut Buffer, visit: Visit<'v>) -> Self {
        Self { contents: Contents::default(), nested, visit }
    }

    fn document(&mut self, root: Value<'_, '_>, origin: &Origin<'_>, only: bool) -> Result<(), ContainerError> {
        if let Some(array) = root.as_array() {
            array.iter().for_each(|element| self.element(element, origin, true));
        } else if root.contains_key("digestS3Object") && root.contains_key("logFiles") {
            self.contents.digests += 1;
        } else if is_record(root) {
            self.record(root, origin);
        } else if let Some(array) = LISTS.iter().find_map(|list| root.get(*list)?.as_array()) {
            array.iter().for_each(|element| self.element(element, origin, true));
        } else if !only || is_wrapping(root) {
            self.element(root, origin, true);
        } else {
            return Err(ContainerError::NotCloudTrail);
        }
        Ok(())
    }

    /// A record, or one of the wrappings of a single record; `outer` where its text may be JSON once more.
    pub(super) fn element(&mut self, value: Value<'_, '_>, origin: &Origin<'_>, outer: bool) {
        if is_record(value) {
            return self.record(value, origin);
        }
        // EventBridge's envelope, and the one of several log shippers.
        if let Some(inner) = ["detail", "event"].iter().find_map(|key| value.get(*key)).filter(Value::is_object) {
            return self.record(inner, origin);
        }
        let text = ["CloudTrailEvent", "message"].iter().find_map(|key| value.get(*key)?.into_string());
        let Some(text) = text.filter(|_| outer) else { return self.record(value, origin) };
        let mut nested = mem::take(self.nested);
        if nested.parse(text.as_bytes(), |inner, origin| self.element(inner, origin, false)).is_none() {
            self.unusable(RecordError::BadJson);
        }
        *self.nested = nested;
    }

    fn record(&mut self, value: Value<'_, '_>, origin: &Origin<'_>) {
        if value.get("eventType").is_some_and(|kind| kind.as_str() == Some("AwsCloudTrailInsight")) {
            self.contents.passed_over += 1;
            return;
        }
        match Record::new(value) {
            Ok(record) => {
                let index = self.index();
                self.contents.records += 1;
                (self.visit)(index, Ok(record.of(origin)));
            }
            Err(error) => self.unusable(error),
        }
    }

    fn unusable(&mut self, error: RecordError) {
        let index = self.index();
        self.contents.unusable += 1;
        self.contents.first_unusable.get_or_insert((index, error));
        (self.visit)(index, Err(error));
    }

    fn index(&self) -> usize {
        self.contents.records + self.contents.unusable + self.contents.passed_over
    }

    /// Reads a sound document that the fast parser does not take whole: what it refuses costs one record then.
    fn one_by_one(&mut self, text: &[u8], outer: &mut Buffer, only: bool) -> Result<(), ContainerError> {
        let mut any = false;
        let mut each = |element: &str| {
            any = true;
            if element.len() > WHOLE {
                self.unusable(RecordError::TooLarge(WHOLE));
            } else if outer.parse(element.as_bytes(), |value, origin| self.element(value, origin, true)).is_none() {
                self.unusable(RecordError::BadJson);
            }
        };
        let listed = Deserializer::from_slice(text).deserialize_any(Elements(&mut each)).unwrap_or(false);
        if any || listed {
            return Ok(());
        }
        if only {
            return Err(ContainerError::NotCloudTrail);
        }
        self.unusable(if text.len() > WHOLE { RecordError::TooLarge(WHOLE) } else { RecordError::BadJson });
        Ok(())
    }
}

/// Whether an object has what only records have.
fn is_record(value: Value<'_, '_>) -> bool {
    ["eventName", "eventVersion", "eventID"].iter().any(|key| value.contains_key(key))
}

fn is_wrapping(value: Value<'_, '_>) -> bool {
    ["detail", "event", "CloudTrailEvent", "message"].iter().any(|key| value.contains_key(key))
}

/// Hands out the elements of an array, or of the list of records in an object, without keeping them; tells whether
/// there was such a list.
struct Elements<'f>(&'f mut dyn FnMut(&str));

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<bool, A::Error> {
        while let Some(element) = elements.next_element::<&'de RawValue>()? {
            (self.0)(element.get());
        }
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
        let mut listed = false;
        while let Some(key) = members.next_key::<Cow<'de, str>>()? {
            if !listed && LISTS.contains(&key.as_ref()) {
                members.next_value_seed(List(&mut *self.0))?;
                listed = true;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(listed)
    }
}

struct List<'f>(&'f mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_seq(Elements(self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(name: &str) -> String {
        format!(
            r#"{{"eventVersion":"1.08","eventTime":"2024-02-01T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"{name}"}}"#
        )
    }

    type Seen = (Result<Contents, ContainerError>, Vec<Result<String, RecordError>>);

    fn read_bytes(bytes: &[u8]) -> Seen {
        let mut seen = Vec::new();
        let contents = for_each_record(bytes, &mut Scratch::default(), &mut |index, record| {
            assert!(index >= seen.len(), "indices rise");
            seen.push(record.map(|record| record.name.to_owned()));
        });
        (contents, seen)
    }

    fn names(text: &str) -> Vec<String> {
        let (contents, seen) = read_bytes(text.as_bytes());
        let contents = contents.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(contents.records, seen.len(), "{text}");
        seen.into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn every_wrapping_gives_its_records() {
        let (a, b) = (record("A"), record("B"));
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let records = format!(r#"{{"Records":[{a},{b}]}}"#);
        for text in [
            records.clone(),
            format!("\u{feff}{records}\n"),
            format!(r#" {{ "x" : {{"Records":[]}}, "Records" : [ {a} , {b} ] }} "#),
            format!("[{a},{b}]"),
            format!("{a}\n{b}\n"),
            format!("{a}{b}"),
            format!("{a}\r\n\r\n{b}"),
            format!(r#"{{"Records":[{a}]}}{{"Records":[{b}]}}"#),
            format!("{{\"Records\":[{a}]}}\n[{b}]"),
            format!(
                r#"{{"Events":[{{"EventId":"1","EventName":"A","CloudTrailEvent":{}}},{{"CloudTrailEvent":{}}}]}}"#,
                quoted(&a),
                quoted(&b)
            ),
            format!("{{\"CloudTrailEvent\":{}}}\n{{\"CloudTrailEvent\":{}}}", quoted(&a), quoted(&b)),
            format!(r#"{{"detail-type":"AWS API Call via CloudTrail","detail":{a}}}{{"version":"0","detail":{b}}}"#),
            format!(r#"[{{"detail":{a}}},{{"event":{b}}}]"#),
            format!("{{\"message\":{}}}\n{{\"timestamp\":1,\"message\":{}}}", quoted(&a), quoted(&b)),
            format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"message":{}}},{b}]}}"#, quoted(&a)),
            format!(r#"{{"events":[{{"message":{}}},{{"message":{}}}]}}"#, quoted(&a), quoted(&b)),
        ] {
            assert_eq!(names(&text), ["A", "B"], "{text}");
        }
        assert_eq!(names(&a), ["A"]);
        assert_eq!(names(&format!(r#"{{"detail":{a}}}"#)), ["A"]);
        assert!(names(r#"{"Records":[]}"#).is_empty());
        assert!(names("[]").is_empty());
    }

    #[test]
    fn digests_and_insights_are_passed_over() {
        let digest = r#"{"awsAccountId":"111122223333","digestS3Object":"x","logFiles":[{"s3Bucket":"b"}]}"#;
        assert_eq!(read_bytes(digest.as_bytes()).0.unwrap().digests, 1);
        let insight =
            r#"{"eventVersion":"1.07","eventTime":"2024-02-01T10:00:00Z","eventType":"AwsCloudTrailInsight"}"#;
        let (contents, seen) = read_bytes(format!(r#"{{"Records":[{insight},{}]}}"#, record("A")).as_bytes());
        let contents = contents.unwrap();
        assert_eq!((contents.passed_over, contents.records, seen.len()), (1, 1, 1));
    }

    #[test]
    fn an_unusable_record_costs_itself_only() {
        let text = format!(
            r#"{{"Records":[{},{{"eventName":"X"}},7,{{"event":{{"eventName":"Y"}}}},{{"message":"no JSON"}},{}]}}"#,
            record("A"),
            record("B")
        );
        let (contents, seen) = read_bytes(text.as_bytes());
        let contents = contents.unwrap();
        assert_eq!((contents.records, contents.unusable), (2, 4));
        assert_eq!(contents.first_unusable, Some((1, RecordError::Missing("eventTime"))));
        let errors: Vec<_> = seen.into_iter().filter_map(Result::err).collect();
        assert_eq!(
            errors,
            [
                RecordError::Missing("eventTime"),
                RecordError::NotAnObject,
                RecordError::Missing("eventTime"),
                RecordError::BadJson
            ]
        );
    }

    #[test]
    fn what_the_fast_parser_refuses_costs_one_record() {
        let lone = record("A").replace("iam.", r"\ud800iam\udc00.");
        assert_eq!(names(&format!(r#"{{"Records":[{lone},{}]}}"#, record("B"))), ["A", "B"]);
        let pair = record("A").replace("\"A\"", r#""\\ud800\ud83d\ude00""#);
        assert_eq!(names(&format!("{pair}{lone}")), ["\\ud800\u{1f600}", "A"]);
        let huge = record("A").replace("\"1.08\"", "1e999");
        let (contents, seen) = read_bytes(format!(r#"{{"Records":[{huge},{}]}}"#, record("B")).as_bytes());
        assert_eq!((contents.unwrap().unusable, seen.len()), (1, 2));
        assert_eq!(seen[1], Ok("B".to_owned()));
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let deep = record("A").replace("\"1.08\"", &deep);
        assert_eq!(names(&format!("[{deep}]")), ["A"]);
    }

    #[test]
    fn huge_documents_are_read_record_by_record() {
        let padding = " ".repeat(WHOLE);
        assert_eq!(names(&format!("{{\"Records\":[{},{padding}{}]}}", record("A"), record("B"))), ["A", "B"]);
        let bomb = format!("[{}1]", "1,".repeat(WHOLE / 2));
        let (contents, _) = read_bytes(bomb.as_bytes());
        assert_eq!(contents.unwrap().unusable, WHOLE / 2 + 1);
        let one = format!("{{\"a\":\"{padding}\"}}");
        assert_eq!(read_bytes(one.as_bytes()).0, Err(ContainerError::NotCloudTrail));
    }

    #[test]
    fn damage_yields_nothing_and_says_where() {
        let whole = format!(r#"{{"Records":[{},{}]}}"#, record("A"), record("B"));
        for cut in 1..whole.len() {
            let (contents, seen) = read_bytes(&whole.as_bytes()[..cut]);
            assert!(matches!(contents, Err(ContainerError::Damaged { document: 1, .. })), "{cut}");
            assert!(seen.is_empty());
        }
        let (contents, seen) = read_bytes(format!("{}\n{}\n{{\"eventName\":]}}", record("A"), record("B")).as_bytes());
        let offset = record("A").len() + 1 + record("B").len() + 1 + 14;
        let reason = "expected value".to_owned();
        assert_eq!(contents, Err(ContainerError::Damaged { document: 3, offset, reason }));
        assert!(seen.is_empty());
        assert!(matches!(read_bytes(b"plain text").0, Err(ContainerError::Damaged { document: 1, .. })));
        assert!(matches!(read_bytes(b"{\"a\":\"\xff\"}").0, Err(ContainerError::Damaged { .. })));
        for empty in ["", " \n", "\u{feff}"] {
            assert_eq!(read_bytes(empty.as_bytes()).0, Err(ContainerError::Empty));
        }
        for other in ["{}", "7", r#"{"Records":null}"#, r#""text""#, r#"{"a":[]}"#] {
            assert_eq!(read_bytes(other.as_bytes()).0, Err(ContainerError::NotCloudTrail), "{other}");
        }
    }

    #[test]
    fn records_without_an_id_are_known_by_their_contents() {
        let id = |text: &str| {
            let mut ids = Vec::new();
            for_each_record(text.as_bytes(), &mut Scratch::default(), &mut |_, record| {
                ids.push(record.unwrap().id().into_owned());
            })
            .unwrap();
            ids.remove(0)
        };
        let (a, b) = (record("A"), record("B"));
        assert_eq!(
            id(&a),
            id(&format!(r#"{{"Records":[{}]}}"#, a.replace("\":\"", "\" : \"").replace("iam", r"\u0069am")))
        );
        assert_ne!(id(&a), id(&b));
        assert!(id(&a).starts_with("sha256-") && id(&a).len() == 71);
        assert_eq!(id(&a.replace("eventVersion", "eventID")), "1.08");
        let deep = a.replace("\"1.08\"", &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
        assert!(id(&deep).starts_with("sha256-"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_bytes(&bytes);
        }

        #[test]
        fn any_json_like_text_is_read_or_refused(
            text in r#"(\{"Records":\[|\]\}|\{|\}|\[|\]|,|:|"eventName"|"eventTime"|"2024-02-01T10:00:00Z"|"message"|"\\\\ud800"|"\{\}"|1e999|null|-| |"){0,25}"#
        ) {
            let _ = read_bytes(text.as_bytes());
        }
    }
}
