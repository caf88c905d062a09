//! From the bytes of one object to its records, told by content alone.
//!
//! CloudTrail writes `{"Records":[…]}`, but archives reach an analyst in other wrappings too: one record a line, the
//! output of `aws cloudtrail lookup-events`, EventBridge and CloudWatch exports, several of these one after another.
//! A damaged object yields nothing: all its JSON is checked before the first record is handed out. A record that is
//! sound JSON but unusable costs itself only. What is not JSON is refused by the name of what it is.

use std::{borrow::Cow, fmt, mem, ops::Range};

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, value::RawValue};
use simd_json::prelude::*;

use super::{
    encoding,
    error::ContainerError,
    exports::{self, EVENT},
    origin::Origin,
    record::{Record, RecordError, Value, is_number, member, whole_accounts},
    scratch::{Buffer, Scratch},
};

/// Documents above this are parsed record by record: the parse of a whole document takes up to 14 bytes for one of its
/// own, so an object made to inflate hugely would take the machine's memory. No record of CloudTrail's comes near it.
pub(super) const WHOLE: usize = if cfg!(test) { 1 << 20 } else { 8 << 20 };

/// An object may have so many JSON documents, or one for each [`SMALLEST`] bytes of it: each takes its place in memory.
const DOCUMENTS: usize = if cfg!(test) { 1_000 } else { 1_000_000 };

/// Bytes of the smallest document that is a record.
const SMALLEST: usize = 128;

/// Behind so many records of an object that are not usable nothing more of it is read.
const UNUSABLE: usize = if cfg!(test) { 1_000 } else { 100_000 };

/// Where a document keeps its records: CloudTrail, `lookup-events`, `filter-log-events`, a CloudWatch subscription,
/// `get-query-results` of CloudTrail Lake.
const LISTS: [&str; 5] = ["Records", "Events", "events", "logEvents", "QueryResultRows"];

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
    /// Passed over by design: Insight records, which tell of rates and not of calls, and the control messages of a
    /// CloudWatch Logs subscription, with which the service checks that its destination can be reached.
    pub passed_over: usize,
    /// Documents that are CloudTrail digests, deliberately skipped.
    pub digests: usize,
}

impl Contents {
    /// Takes in what another part of the same object held, which follows.
    pub fn add(&mut self, next: &Self) {
        let before = self.records + self.unusable + self.passed_over;
        let first = next.first_unusable.map(|(index, error)| (before + index, error));
        self.documents += next.documents;
        self.records += next.records;
        self.unusable += next.unusable;
        self.first_unusable = self.first_unusable.or(first);
        self.passed_over += next.passed_over;
        self.digests += next.digests;
    }

    /// Whether so many of its records are unusable that the rest was not read.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.unusable >= UNUSABLE
    }
}

/// Whether bytes are plainly something else than CloudTrail's: no record and no part of one is in them.
///
/// For files whose names say that they are something else: what they hold decides, so that no name hides a log.
#[must_use]
pub fn is_foreign(bytes: &[u8]) -> bool {
    let mentions = || [&b"eventName"[..], b"eventVersion"].iter().any(|key| memchr::memmem::find(bytes, key).is_some());
    match for_each_record(bytes, &mut Scratch::default(), &mut |_, _| {}) {
        Ok(contents) => contents.unusable > 0 && contents.records + contents.passed_over == 0 && !mentions(),
        Err(ContainerError::Damaged { .. } | ContainerError::BadUtf16 { .. }) => !mentions(),
        Err(_) => true,
    }
}

/// Hands every record of an object to `visit`, in the order of the object.
///
/// # Errors
/// When the bytes are no JSON throughout, or hold nothing of CloudTrail; then `visit` was not called.
pub fn for_each_record(bytes: &[u8], scratch: &mut Scratch, visit: Visit<'_>) -> Result<Contents, ContainerError> {
    if let Some(text) = encoding::utf16(bytes) {
        return for_each_record(&text?, scratch, visit);
    }
    let start = if bytes.starts_with(MARK) { MARK.len() } else { 0 };
    let text = bytes.get(start..).unwrap_or_default();
    if text.trim_ascii().is_empty() {
        return Err(ContainerError::Empty);
    }
    if let Some(json) = exports::json(text) {
        return for_each_record(&json?, scratch, visit);
    }
    let Scratch { outer, nested, .. } = scratch;
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
        if reader.contents.is_cut() {
            break;
        }
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

/// The byte order mark of UTF-8, which stands before the text, and of files that were put together before each.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Where the documents lie; every byte of them is sound JSON then.
fn split(text: &[u8], start: usize) -> Result<Vec<Range<usize>>, ContainerError> {
    let mut documents: Vec<Range<usize>> = Vec::new();
    let most = DOCUMENTS.max(text.len() / SMALLEST);
    let mut from = 0;
    loop {
        let rest = text.get(from..).unwrap_or_default();
        let mut stream = Deserializer::from_slice(rest).into_iter::<&RawValue>();
        let error = loop {
            match stream.next() {
                Some(Ok(_)) if documents.len() == most => return Err(ContainerError::TooMany { most }),
                Some(Ok(raw)) => {
                    let end = from + stream.byte_offset();
                    documents.push(end.saturating_sub(raw.get().len())..end);
                }
                Some(Err(error)) => break error,
                None => return Ok(documents),
            }
        };
        let behind = documents.last().map_or(from, |last| last.end.max(from));
        match text.get(behind..).unwrap_or_default().trim_ascii_start().strip_prefix(MARK) {
            Some(next) => from = text.len() - next.len(),
            None => return Err(unsplit(text, start, from, &documents, &error)),
        }
    }
}

/// Why a text is not JSON from a place on that was parsed to its end before.
fn unsplit(
    text: &[u8],
    start: usize,
    from: usize,
    documents: &[Range<usize>],
    error: &serde_json::Error,
) -> ContainerError {
    if let Some(format) = encoding::format(text) {
        return ContainerError::Format(format);
    }
    let first = text.len() - text.trim_ascii_start().len();
    if !matches!(text.get(first), Some(b'{' | b'[' | b'"')) {
        return ContainerError::NotJson { offset: start + first + 1 };
    }
    let rest = text.get(from..).unwrap_or_default();
    let line = error.line().saturating_sub(1);
    let before: usize = rest.split_inclusive(|byte| *byte == b'\n').take(line).map(<[u8]>::len).sum();
    ContainerError::Damaged {
        document: documents.len() + 1,
        offset: start + (from + before + error.column()).min(text.len()),
        reason: reason(error),
    }
}

/// The parser's message without its line and column, which say little in a file of one line.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned())
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
        } else if root.get("messageType").is_some_and(|kind| kind.as_str() == Some("CONTROL_MESSAGE")) {
            self.control_message(root, origin);
        } else if lists_of(root).next().is_some() {
            // A key may stand there twice, and each parser has its own opinion on which counts: no record is hidden by that.
            lists_of(root).for_each(|array| array.iter().for_each(|element| self.element(element, origin, true)));
        } else if !only || is_wrapping(root) {
            self.element(root, origin, true);
        } else {
            return Err(ContainerError::NotCloudTrail);
        }
        Ok(())
    }

    /// Passes over a control message of CloudWatch Logs, but for what in it is no message of that service: a record is read,
    /// whatever it is called.
    fn control_message(&mut self, envelope: Value<'_, '_>, origin: &Origin<'_>) {
        self.contents.passed_over += 1;
        let is_notice = |event: &Value<'_, '_>| {
            event.get("message").and_then(|message| message.into_string()).is_some_and(|text| !begins_json(text))
        };
        let lists: Vec<_> = lists_of(envelope).collect();
        let others = lists.iter().flat_map(|events| events.iter()).filter(|event| !is_notice(event));
        others.for_each(|event| self.element(event, origin, true));
    }

    /// A record, or one of the wrappings of a single record; `outer` where its text may be JSON once more.
    pub(super) fn element(&mut self, value: Value<'_, '_>, origin: &Origin<'_>, outer: bool) {
        if self.contents.is_cut() {
            return;
        }
        if is_record(value) {
            return self.record(value, origin);
        }
        // EventBridge's envelope, and those of several log shippers.
        let inner = ["detail", "event", "message"].iter().find_map(|key| member(value, key).filter(Value::is_object));
        if let Some(inner) = inner {
            return self.record(inner, origin);
        }
        // A row of query results: an object for each column.
        if let Some(row) = value.as_array() {
            let event = |column| [EVENT, "eventjson"].iter().find_map(|key| member(column, key)?.into_string());
            if let Some(text) = row.iter().find_map(event).filter(|_| outer) {
                return self.text(text);
            }
        }
        let text = ["CloudTrailEvent", "message"].iter().find_map(|key| member(value, key)?.into_string());
        match text.or_else(|| value.into_string()).filter(|_| outer) {
            Some(text) => self.text(text),
            None => self.record(value, origin),
        }
    }

    /// A string that holds a record, or several in one of their wrappings.
    fn text(&mut self, text: &str) {
        let mut nested = mem::take(self.nested);
        let read = nested.parse(text.as_bytes(), |inner, origin| match inner.as_array() {
            Some(array) => array.iter().for_each(|element| self.element(element, origin, false)),
            None if !is_record(inner) && lists_of(inner).next().is_some() => {
                lists_of(inner).for_each(|array| array.iter().for_each(|element| self.element(element, origin, false)));
            }
            None => self.element(inner, origin, false),
        });
        if read.is_none() {
            self.unusable(RecordError::BadJson);
        }
        *self.nested = nested;
    }

    fn record(&mut self, value: Value<'_, '_>, origin: &Origin<'_>) {
        if member(value, "eventType").is_some_and(|kind| kind.as_str() == Some("AwsCloudTrailInsight")) {
            self.contents.passed_over += 1;
            return;
        }
        match Record::new(value) {
            Ok(record) => {
                let record = record.of(origin);
                if !(has_bare_account(&record) && self.with_whole_accounts(&record, origin)) {
                    self.give(record);
                }
            }
            Err(error) => self.unusable(error),
        }
    }

    fn give(&mut self, record: Record<'_, '_>) {
        let index = self.index();
        self.contents.records += 1;
        (self.visit)(index, Ok(record));
    }

    /// Gives a record whose accounts are numbers as if they were strings with all twelve digits; tells whether it could.
    fn with_whole_accounts(&mut self, record: &Record<'_, '_>, origin: &Origin<'_>) -> bool {
        let Some(own) = record.raw() else { return false };
        let Some(whole) = whole_accounts(own) else { return false };
        let mut again = mem::take(self.nested);
        again.begin(origin.folder(), origin.form);
        let given = again.parse_for(whole.as_bytes(), Some(own), |value, origin| {
            Record::new(value).map(|record| self.give(record.of(origin))).is_ok()
        });
        *self.nested = again;
        given == Some(true)
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
            if self.contents.is_cut() {
                return;
            }
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
        || value.as_str().is_some_and(begins_json)
}

/// The lists of records that a document is made of: under one key, under several, or under one that stands there twice.
fn lists_of<'tape, 'input>(
    document: Value<'tape, 'input>,
) -> impl Iterator<Item = simd_json::tape::Array<'tape, 'input>> {
    let members = document.as_object().into_iter().flat_map(|object| object.iter().collect::<Vec<_>>());
    members.filter(|(key, _)| LISTS.contains(key)).filter_map(|(_, list)| list.as_array())
}

/// Whether a text may be a JSON object or array.
fn begins_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// Whether an account stands in a record as a number, which has lost its leading zeros.
fn has_bare_account(record: &Record<'_, '_>) -> bool {
    record.get(&["recipientAccountId"]).is_some_and(is_number)
        || record.get(&["userIdentity", "accountId"]).is_some_and(is_number)
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
            if LISTS.contains(&key.as_ref()) {
                listed |= members.next_value_seed(List(&mut *self.0))?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(listed)
    }
}

/// The same of a value that is a list; whatever else stands there has none.
struct List<'f>(&'f mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<bool, A::Error> {
        Elements(self.0).visit_seq(elements)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _flag: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _number: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _number: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _number: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _text: &str) -> Result<bool, E> {
        Ok(false)
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
            // Records as strings, alone and in lists; lists and wrappings in strings; records that a shipper has parsed.
            format!("[{},{}]", quoted(&a), quoted(&b)),
            format!(r#"{{"Records":[{},{b}]}}"#, quoted(&a)),
            format!("{}\n{}", quoted(&a), quoted(&b)),
            format!(r#"{{"logEvents":[{},{}]}}"#, quoted(&a), quoted(&b)),
            format!(r#"{{"logEvents":[{{"message":{}}}]}}"#, quoted(&format!("[{a},{b}]"))),
            format!(r#"{{"logEvents":[{{"message":{}}}]}}"#, quoted(&records)),
            format!(r#"{{"message":{}}}"#, quoted(&format!(r#"{{"detail":{a}}}"#))) + &b,
            format!(r#"{{"logEvents":[{{"message":{a}}},{{"message":{b}}}]}}"#),
            // Files that were put together.
            format!("\u{feff}{a}\r\n\u{feff}{b}\r\n"),
            format!("\u{feff}{records}\u{feff}"),
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

    /// What a subscription writes when it is checked.
    const CONTROL: &str = r#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1791277200000,"message":"CWL CONTROL MESSAGE: Checking health of destination Firehose."}]}"#;

    fn envelope(kind: &str, events: &str) -> String {
        format!(r#"{{"messageType":"{kind}","owner":"111122223333","logGroup":"g","logEvents":{events}}}"#)
    }

    #[test]
    fn control_messages_are_passed_over_and_counted() {
        let message = format!(r#"{{"id":"1","message":{}}}"#, serde_json::to_string(&record("A")).unwrap());
        let data = envelope("DATA_MESSAGE", &format!("[{message}]"));
        for (text, passed_over, records) in [
            (CONTROL.to_owned(), 1, 0),
            (format!("{CONTROL}{data}"), 1, 1),
            (format!("{data}\n{CONTROL}\n{CONTROL}\n{data}"), 2, 2),
            (format!("[{data}]").replace("[{\"messageType\"", "{\"messageType\"").replace("}]}]", "}]}"), 0, 1),
            (envelope("CONTROL_MESSAGE", "[]"), 1, 0),
            (envelope("CONTROL_MESSAGE", "null"), 1, 0),
            // A record is read whatever its envelope is called.
            (envelope("CONTROL_MESSAGE", &format!("[{message}]")), 1, 1),
            (envelope("CONTROL_MESSAGE", &format!("[{{\"message\":\"Checking\"}},{},{message}]", record("B"))), 1, 2),
        ] {
            let (contents, seen) = read_bytes(text.as_bytes());
            let contents = contents.unwrap();
            assert_eq!(
                (contents.passed_over, contents.records, contents.unusable),
                (passed_over, records, 0),
                "{text}"
            );
            assert_eq!(seen.len(), records);
        }
    }

    #[test]
    fn anything_in_a_list_is_a_record_or_named_as_unusable() {
        for (events, unusable) in [
            ("[7]", 1),
            ("[null,true,-1.5,\"\"]", 4),
            ("[[],{}]", 2),
            (r#"["text","{","{}","[7]","\"x\""]"#, 5),
            (r#"[{"message":7},{"message":null},{"message":[]},{"message":{}}]"#, 4),
            (r#"[{"message":"[{},7]"}]"#, 2),
            (r#"[{"message":"CWL CONTROL MESSAGE: Checking health"}]"#, 1),
        ] {
            for text in [envelope("DATA_MESSAGE", events), format!(r#"{{"Records":{events}}}"#), events.to_owned()] {
                let (contents, seen) = read_bytes(text.as_bytes());
                let contents = contents.unwrap();
                assert_eq!((contents.records, contents.unusable, seen.len()), (0, unusable, unusable), "{text}");
            }
        }
        for events in ["null", "{}", "7", "\"\""] {
            let text = envelope("DATA_MESSAGE", events);
            assert_eq!(read_bytes(text.as_bytes()).0, Err(ContainerError::NotCloudTrail), "{text}");
        }
    }

    #[test]
    fn utf16_is_read_like_utf8() {
        let text = format!(r#"{{"Records":[{},{}]}}"#, record("A"), record("B").replace("1.08", "é\u{1f600}"));
        let units = || [0xfeff].into_iter().chain(text.encode_utf16());
        for bytes in
            [units().flat_map(u16::to_le_bytes).collect::<Vec<_>>(), units().flat_map(u16::to_be_bytes).collect()]
        {
            let (contents, seen) = read_bytes(&bytes);
            assert_eq!((contents, seen.clone()), read_bytes(text.as_bytes()));
            assert_eq!(seen.len(), 2);
            assert_eq!(
                read_bytes(&bytes[..bytes.len() - 1]).0,
                Err(ContainerError::BadUtf16 { offset: bytes.len() - 1 })
            );
            assert!(matches!(read_bytes(&bytes[..bytes.len() - 2]).0, Err(ContainerError::Damaged { .. })));
            assert_eq!(read_bytes(&bytes[..2]).0, Err(ContainerError::Empty));
        }
    }

    #[test]
    fn what_is_not_json_is_refused_by_name() {
        for (text, offset) in
            [("plain text", 1), ("# Logs", 1), (" \n- item", 3), ("2026-10-01 started", 1), ("\u{feff}true story", 4)]
        {
            assert_eq!(read_bytes(text.as_bytes()).0, Err(ContainerError::NotJson { offset }), "{text}");
        }
        for (bytes, name) in [
            (&b"PK\x03\x04"[..], "a zip archive"),
            (b"<xml/>", "XML or HTML"),
            (b"\x1f\x8b\x08", "gzip data, compressed more than twice"),
        ] {
            assert_eq!(read_bytes(bytes).0, Err(ContainerError::Format(name)));
        }
    }

    #[test]
    fn accounts_that_are_numbers_get_their_digits_back() {
        let accounts = |text: &str| {
            let mut found = Vec::new();
            for_each_record(text.as_bytes(), &mut Scratch::default(), &mut |_, record| {
                let record = record.unwrap();
                let own = record.raw().map(|raw| String::from_utf8(raw.to_vec()).unwrap());
                found.push((record.account().map(str::to_owned), record.caller().account.map(str::to_owned), own));
            })
            .unwrap();
            found
        };
        let whole = |text: &str| Some(text.to_owned());
        let of = |recipient: &str, identity: &str| {
            record("A").replace(
                "{\"eventVersion\"",
                &format!("{{\"recipientAccountId\":{recipient},\"userIdentity\":{identity},\"eventVersion\""),
            )
        };
        for (recipient, identity, account, caller) in [
            ("42", r#"{"accountId":7}"#, whole("000000000042"), whole("000000000007")),
            (
                " 42 ",
                r#"{"a":{"accountId":1}, "accountId" : 111122223333 }"#,
                whole("000000000042"),
                whole("111122223333"),
            ),
            ("1.11122223333e11", "{}", whole("111122223333"), None),
            (r#""042""#, r#"{"accountId":0}"#, whole("042"), whole("000000000000")),
            ("-42", r#"{"accountId":"111122223333"}"#, whole("111122223333"), whole("111122223333")),
            ("1000000000000", r#"{"accountId":1e12}"#, None, None),
            ("4.5", "null", None, None),
        ] {
            let text = of(recipient, identity);
            let quoted = serde_json::to_string(&text).unwrap();
            let expected = (account, caller, Some(text.clone()));
            assert_eq!(accounts(&format!("[{text},{text}]")), [expected.clone(), expected.clone()], "{text}");
            assert_eq!(accounts(&format!(r#"{{"CloudTrailEvent":{quoted}}}"#)), [expected], "{text}");
        }
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
        assert_eq!(contents.unwrap().unusable, UNUSABLE, "the rest is not read");
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
