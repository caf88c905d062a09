//! A record's envelope as the walk found it, and how an object is read by it.

use std::num::NonZeroU64;

use simd_json::prelude::*;

use super::{
    callers::{Callers, Entry},
    candidates::ordinary,
    container::{Contents, Reader, WHOLE, all_usable, for_each_record},
    error::ContainerError,
    identity::{ActorKind, Caller},
    masks::{dispatch, is_ascii},
    record::{Record, RecordError, is_account_id},
    scratch::Scratch,
    spans::{Brief, Field, RecordSpans},
    walk::{Issuer, Records, Text, may_tell_failure},
};

/// What almost every record is asked for, read from the text of an ordinary document without a parse.
///
/// It says what the [`Record`] says; what it cannot tell makes its reader ask for the record. Texts are bytes, for most are
/// only compared; they are sound UTF-8.
#[derive(Clone, Copy)]
pub struct Envelope<'t> {
    text: &'t [u8],
    /// The account of the object's folder; empty where it is not known.
    folder: &'t [u8],
    callers: &'t Callers,
    sketch: &'t RecordSpans,
}

/// Stands for a caller: in all of the process no other has the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerTag {
    /// Of the records that are looked at together no two callers have one place; places are reused, and stay small.
    pub place: usize,
    number: NonZeroU64,
}

impl std::fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Envelope").field("record", &String::from_utf8_lossy(self.raw())).finish()
    }
}

impl<'t> Envelope<'t> {
    #[inline(always)]
    fn of(&self, field: Field) -> &'t [u8] {
        self.sketch.span(field, self.callers).of(self.text)
    }

    #[inline(always)]
    fn entry(&self) -> Option<&'t Entry> {
        self.callers.entry(self.sketch.caller)
    }

    /// The record's own bytes.
    #[must_use]
    pub fn raw(&self) -> &'t [u8] {
        self.sketch.record.of(self.text)
    }

    /// `eventTime`, in seconds since 1970.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.sketch.seconds
    }

    /// `eventSource`.
    #[must_use]
    pub fn source(&self) -> &'t [u8] {
        self.of(Field::Source)
    }

    /// `eventName`.
    #[must_use]
    pub fn name(&self) -> &'t [u8] {
        self.of(Field::Name)
    }

    /// `eventID`; empty where it is absent, for only the parsed record can tell another.
    #[must_use]
    pub fn id(&self) -> &'t [u8] {
        self.of(Field::Id)
    }

    /// `awsRegion`; empty where it is absent.
    #[must_use]
    pub fn region(&self) -> &'t [u8] {
        self.of(Field::Region)
    }

    /// `sourceIPAddress`; empty where it is absent.
    #[must_use]
    pub fn source_ip(&self) -> &'t [u8] {
        self.of(Field::SourceIp)
    }

    /// [`Record::account`]; empty where it is not told.
    #[must_use]
    pub fn account(&self) -> &'t [u8] {
        match self.of(Field::Account) {
            b"" if !self.folder.is_empty() => self.folder,
            b"" if is_account_id(self.caller_account()) => self.caller_account(),
            account => account,
        }
    }

    /// `userIdentity.accountId`; empty where it is absent.
    #[must_use]
    pub fn caller_account(&self) -> &'t [u8] {
        self.of(Field::CallerAccount)
    }

    /// What kind of caller.
    #[must_use]
    pub fn kind(&self) -> ActorKind {
        self.entry().map_or(ActorKind::Other, |caller| caller.found.kind)
    }

    /// Stands for its `userIdentity`. `None` tells nothing.
    #[must_use]
    pub fn caller_tag(&self) -> Option<CallerTag> {
        let place = self.sketch.caller as usize;
        NonZeroU64::new(self.entry()?.number).map(|number| CallerTag { place, number })
    }

    /// `principalId`; empty where it is absent.
    #[must_use]
    pub fn principal_id(&self) -> &'t [u8] {
        self.of(Field::PrincipalId)
    }

    /// `userIdentity.userName`; empty where it is absent.
    #[must_use]
    pub fn user_name(&self) -> &'t [u8] {
        self.of(Field::UserName)
    }

    /// `userIdentity.accessKeyId`; empty where it is absent.
    #[must_use]
    pub fn access_key(&self) -> &'t [u8] {
        self.of(Field::AccessKey)
    }

    /// `userIdentity.arn`, or the calling service's host name; empty where neither is told.
    #[must_use]
    pub fn arn(&self) -> &'t [u8] {
        match self.of(Field::Arn) {
            b"" if self.kind() == ActorKind::Service => self.of(Field::InvokedBy),
            arn => arn,
        }
    }

    /// [`Record::caller`].
    #[must_use]
    pub fn caller(&self) -> Caller<'t> {
        let text = |bytes: &'t [u8]| std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty());
        Caller {
            kind: self.kind(),
            account: text(self.caller_account()),
            id: text(self.principal_id()),
            name: text(self.user_name()),
            arn: text(self.arn()),
            access_key: text(self.access_key()),
            issuer: self.issuer().flatten(),
        }
    }

    /// The ARN of a session's role; the outer `None` where only the parsed record can tell.
    #[must_use]
    pub fn issuer(&self) -> Option<Option<&'t str>> {
        let session = self.sketch.span(Field::Session, self.callers);
        if self.kind() != ActorKind::AssumedRole || session.is_empty() {
            return Some(None);
        }
        let arn = dispatch(Issuer { text: self.text, session })?;
        arn.map(std::str::from_utf8).transpose().ok()
    }

    /// [`Record::read_only`].
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.sketch.read_only.unwrap_or_else(|| Record::reads(self.name()))
    }

    /// [`Record::failed`]; `None` where only the parsed record can tell.
    #[must_use]
    pub fn failed(&self) -> Option<bool> {
        if self.refused() {
            return Some(true);
        }
        let response = self.of(Field::Response);
        let sure = !self.sketch.may_have_failed && (response.is_empty() || !may_tell_failure(response));
        sure.then_some(false)
    }

    /// Whether there is an error code: where [`Envelope::failed`] can tell, that is what it tells.
    #[must_use]
    pub fn refused(&self) -> bool {
        !self.of(Field::ErrorCode).is_empty()
    }

    /// [`Record::session_mfa`]; the outer `None` where only the parsed record can tell.
    #[must_use]
    pub fn session_mfa(&self) -> Option<Option<bool>> {
        self.entry()?.found.mfa
    }

    /// [`Record::has_parameters`].
    #[must_use]
    pub fn has_parameters(&self) -> bool {
        let inner = self.of(Field::Parameters).strip_prefix(b"{").and_then(|object| object.strip_suffix(b"}"));
        inner.is_some_and(|members| !members.trim_ascii().is_empty())
    }

    /// The text at `name` in `requestParameters`; the outer `None` where only the parsed record can tell.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<Option<&'t str>> {
        let object = self.sketch.span(Field::Parameters, self.callers);
        if object.is_empty() {
            return Some(None);
        }
        let text = dispatch(Text { text: self.text, object, key: name.as_bytes() })?;
        text.map(std::str::from_utf8).transpose().ok()
    }
}

/// Whether two texts are one. For the short texts of envelopes, which are compared several times a record: without a call
/// up to 32 bytes.
#[must_use]
#[inline]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes));
    let at = |text: &[u8], at: usize| word(text.get(at..).and_then(<[u8]>::first_chunk));
    let ends = |text: &[u8]| (word(text.first_chunk()), word(text.last_chunk()));
    one.len() == other.len()
        && match one.len() {
            8..=16 => ends(one) == ends(other),
            17..=32 => {
                let back = one.len() - 16;
                ends(one) == ends(other) && at(one, 8) == at(other, 8) && at(one, back) == at(other, back)
            }
            _ => one == other,
        }
}

/// Who takes the records of an object, most of them as envelopes.
pub trait Take {
    /// What is to be done with this record by its envelope; `None` where that will not do.
    fn brief(&self, envelope: &Envelope<'_>) -> Option<Brief>;

    /// Takes a record by its envelope, for which it said `brief`.
    fn envelope(&mut self, envelope: &Envelope<'_>, brief: Brief);

    /// Takes a record that was parsed, or why it is unusable; the index is its place in the object.
    fn record(&mut self, index: usize, record: Result<Record<'_, '_>, RecordError>);
}

/// Hands out the records of an object, in its order, as [`for_each_record`] does: an ordinary object's by their envelopes
/// wherever those will do.
///
/// # Errors
/// As [`for_each_record`], where the object has to be parsed in full; nothing was handed out then.
pub fn skim(bytes: &[u8], scratch: &mut Scratch, take: &mut impl Take) -> Result<Contents, ContainerError> {
    skim_by(bytes, scratch, take, |records| dispatch(records))
}

/// The same, with the way in which the records are looked at.
fn skim_by(
    bytes: &[u8],
    scratch: &mut Scratch,
    take: &mut impl Take,
    walk: impl FnOnce(Records<'_, '_>) -> Option<()>,
) -> Result<Contents, ContainerError> {
    match walked(bytes, scratch, take, walk) {
        Some(contents) => Ok(contents),
        None => for_each_record(bytes, scratch, &mut |index, record| take.record(index, record)),
    }
}

/// Documents above this are not walked. CloudTrail's own stay below.
const WALKED: usize = if cfg!(test) { 1 << 20 } else { 32 << 20 };

/// The fast way; `None` where it cannot be sure, and nothing was handed out.
fn walked(
    text: &[u8],
    scratch: &mut Scratch,
    take: &mut impl Take,
    walk: impl FnOnce(Records<'_, '_>) -> Option<()>,
) -> Option<Contents> {
    let list = ordinary(text).filter(|_| text.len() <= WALKED)?;
    if !is_ascii(text) && std::str::from_utf8(text).is_err() {
        return None;
    }
    let Scratch { callers, sketches, .. } = &mut *scratch;
    callers.begin();
    sketches.clear();
    walk(Records { text, list, callers, sketches })?;
    sketched(text, scratch, take)
}

/// Hands out the records that were sketched; `None` where it cannot be sure, and nothing was handed out.
fn sketched(text: &[u8], scratch: &mut Scratch, take: &mut impl Take) -> Option<Contents> {
    let Scratch { folder, outer, nested, joined, sketches, callers } = scratch;
    let folder = folder.as_bytes();
    joined.clear();
    for sketch in sketches.iter_mut().filter(|sketch| !sketch.whole) {
        match take.brief(&Envelope { text, folder, callers, sketch }) {
            Some(brief) => sketch.brief = brief,
            None => sketch.whole = true,
        }
    }
    for sketch in sketches.iter().filter(|sketch| sketch.whole) {
        joined.push(if joined.is_empty() { b'[' } else { b',' });
        joined.extend_from_slice(sketch.record.of(text));
    }
    if joined.is_empty() {
        sketches.iter().for_each(|sketch| take.envelope(&Envelope { text, folder, callers, sketch }, sketch.brief));
        return Some(Contents { documents: 1, records: sketches.len(), ..Contents::default() });
    }
    joined.push(b']');
    if joined.len() > WHOLE {
        return None;
    }
    outer.parse(joined, |root, origin| {
        let elements = root.as_array()?;
        if !all_usable(nested, &elements, origin) {
            return None;
        }
        let mut elements = elements.iter();
        let mut contents = Contents { documents: 1, ..Contents::default() };
        for sketch in sketches.iter() {
            if !sketch.whole {
                contents.records += 1;
                take.envelope(&Envelope { text, folder, callers, sketch }, sketch.brief);
                continue;
            }
            let before = contents.records + contents.passed_over;
            let mut visit = |index, record: Result<Record<'_, '_>, _>| take.record(before + index, record);
            let mut reader = Reader::new(nested, &mut visit);
            reader.element(elements.next()?, origin, true);
            contents.records += reader.contents.records;
            contents.passed_over += reader.contents.passed_over;
        }
        Some(contents)
    })?
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::prelude::*;

    use super::*;
    use crate::cloudtrail::{
        Actor,
        masks::{Simd, Task, tests::run_on_every_simd},
    };

    /// What a record says, by whichever way.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Said {
        seconds: i64,
        texts: [String; 6],
        caller: Actor,
        read_only: bool,
        /// `failed`, `session_mfa` and the parameter `userName`, as far as an envelope tells them.
        more: (Option<bool>, Option<Option<bool>>, Option<Option<String>>),
    }

    /// Collects what the records say; takes those whose names are long as envelopes.
    #[derive(Default)]
    struct Collect {
        said: Vec<Result<Said, RecordError>>,
        envelopes: usize,
        /// As if no record would do by its envelope.
        all_whole: bool,
    }

    /// One of them, which another record may not have.
    fn any_brief(envelope: &Envelope<'_>) -> Brief {
        [Brief::Count, Brief::Sighting, Brief::Call, Brief::CallAboutUser][envelope.id().len() % 4]
    }

    impl Take for Collect {
        fn brief(&self, envelope: &Envelope<'_>) -> Option<Brief> {
            let told = !envelope.id().is_empty() && envelope.issuer().is_some();
            let brief = !self.all_whole && envelope.name() != b"W" && told;
            brief.then(|| any_brief(envelope))
        }

        fn envelope(&mut self, envelope: &Envelope<'_>, brief: Brief) {
            self.envelopes += 1;
            assert_eq!(brief, any_brief(envelope));
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
            self.said.push(Ok(Said {
                seconds: envelope.seconds(),
                texts: [
                    text(envelope.source()),
                    text(envelope.name()),
                    text(envelope.id()),
                    text(envelope.account()),
                    text(envelope.region()),
                    text(envelope.source_ip()),
                ],
                caller: envelope.caller().to_actor(),
                read_only: envelope.read_only(),
                more: (
                    envelope.failed(),
                    envelope.session_mfa(),
                    envelope.parameter("userName").map(|name| name.map(str::to_owned)),
                ),
            }));
            assert_eq!(envelope.caller().arn.unwrap_or_default().as_bytes(), envelope.arn());
            assert_eq!(envelope.caller().id.unwrap_or_default().as_bytes(), envelope.principal_id());
            assert_eq!(envelope.caller().account.unwrap_or_default().as_bytes(), envelope.caller_account());
        }

        fn record(&mut self, _index: usize, record: Result<Record<'_, '_>, RecordError>) {
            self.said.push(record.map(|record| {
                let text = |key: &str| record.text(&[key]).unwrap_or_default().to_owned();
                Said {
                    seconds: record.time.timestamp(),
                    texts: [
                        record.source.to_owned(),
                        record.name.to_owned(),
                        record.id().into_owned(),
                        record.account().unwrap_or_default().to_owned(),
                        text("awsRegion"),
                        text("sourceIPAddress"),
                    ],
                    caller: record.actor(),
                    read_only: record.read_only(),
                    more: (
                        Some(record.failed()),
                        Some(record.session_mfa(record.caller().kind)),
                        Some(record.text(&["requestParameters", "userName"]).map(str::to_owned)),
                    ),
                }
            }));
        }
    }

    /// Reads by the walk, which must say what a full parse says; tells how many records came as envelopes.
    fn agrees(text: &str) -> usize {
        agrees_after(text, &mut Scratch::default())
    }

    /// The same with what was kept of earlier texts, wherever the object lies.
    fn agrees_after(text: &str, scratch: &mut Scratch) -> usize {
        let most = [None, Some("000000000042")].map(|folder| {
            scratch.begin(folder);
            agrees_in(folder, text, scratch)
        });
        most.into_iter().max().unwrap_or_default()
    }

    fn agrees_in(folder: Option<&str>, text: &str, scratch: &mut Scratch) -> usize {
        let mut plain = Collect::default();
        let mut parser = Scratch::default();
        parser.begin(folder);
        let parsed = for_each_record(text.as_bytes(), &mut parser, &mut |index, record| plain.record(index, record));
        let mut most = 0;
        let scratch = RefCell::new(scratch);
        for all_whole in [false, true] {
            for (contents, walked) in run_on_every_simd(|| Skim { text, scratch: &scratch, all_whole }) {
                // Damage within what nobody asked for is not seen; whatever else is wrong is said in the same words.
                if parsed.is_err() && contents.is_ok() {
                    continue;
                }
                assert_eq!(contents, parsed, "{text}");
                let expected = plain.said.iter().cloned().zip(&walked.said).map(|(expected, said)| {
                    expected.map(|expected| match said {
                        Ok(Said { more, .. }) => {
                            let (failed, mfa, user) = expected.more;
                            let told = (failed.filter(|_| more.0.is_some()), mfa.filter(|_| more.1.is_some()));
                            Said { more: (told.0, told.1, user.filter(|_| more.2.is_some())), ..expected }
                        }
                        Err(_) => expected,
                    })
                });
                assert_eq!(walked.said, expected.collect::<Vec<_>>(), "{text}");
                assert_eq!(walked.said.len(), plain.said.len());
                most = most.max(walked.envelopes);
            }
        }
        most
    }

    /// Reads a text by one simd, with what was kept of earlier ones.
    struct Skim<'s, 'c> {
        text: &'s str,
        scratch: &'s RefCell<&'c mut Scratch>,
        all_whole: bool,
    }

    impl Task for Skim<'_, '_> {
        type Output = (Result<Contents, ContainerError>, Collect);

        fn run_with<S: Simd>(self, simd: S) -> Self::Output {
            let mut walked = Collect { all_whole: self.all_whole, ..Collect::default() };
            let mut scratch = self.scratch.borrow_mut();
            let contents = skim_by(self.text.as_bytes(), &mut scratch, &mut walked, |records| records.run_with(simd));
            (contents, walked)
        }
    }

    #[test]
    fn texts_are_the_same_in_every_byte_or_not_at_all() {
        for length in 0..70 {
            let one: Vec<u8> = (0..length).collect();
            assert!(same(&one, &one.clone()));
            assert!(!same(&one, &[&one[..], b"x"].concat()));
            for at in 0..one.len() {
                let mut other = one.clone();
                other[at] ^= 0x80;
                assert!(!same(&one, &other), "{length} {at}");
            }
        }
    }

    const ROLE: &str = r#"{"type":"AssumedRole","principalId":"AROA1:s","arn":"arn:aws:sts::111122223333:assumed-role/r/s","accountId":"111122223333","accessKeyId":"ASIA1","sessionContext":{"sessionIssuer":{"type":"Role","userName":"r"},"attributes":{"creationDate":"2026-10-01T09:00:00Z","mfaAuthenticated":"false"}}}"#;

    fn record(identity: &str, more: &str) -> String {
        format!(
            r#"{{"eventVersion":"1.11","userIdentity":{identity},"eventTime":"2026-10-01T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"GetUser","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.1","userAgent":"a","requestParameters":{{"userName":"bob"}},"responseElements":null,"requestID":"q","eventID":"e-1","readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333"{more}}}"#
        )
    }

    fn document(records: &[String]) -> String {
        format!(r#"{{"Records":[{}]}}"#, records.join(","))
    }

    #[test]
    fn usual_records_come_as_envelopes() {
        let usual = record(ROLE, "");
        assert_eq!(agrees(&document(&[usual.clone(), usual.clone()])), 2);
        assert_eq!(agrees(&document(&[])), 0);
        for identity in [
            r#"{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}"#,
            r#"{"invokedBy":"ec2.amazonaws.com"}"#,
            r#"{"type":"AWSAccount","principalId":"AIDA1","accountId":"444455556666"}"#,
            r#"{"type":"IAMUser","principalId":"AIDA1","arn":"x","accountId":"111122223333","accessKeyId":"AKIA1","userName":"bob"}"#,
            r#"{"type":"IAMUser","userName":"bob","sessionContext":{"attributes":{"mfaAuthenticated":"true"}}}"#,
            r#"{"type":"IAMUser","userName":"bob","sessionContext":{"attributes":{}}}"#,
            r#"{"type":"Root","accountId":"111122223333","sessionContext":{"assumedRoot":"true","attributes":null}}"#,
            r#"{"type":"Root","accountId":"111122223333","arn":"","sessionContext":{}}"#,
            r#"{"type":"IdentityCenterUser","principalId":"1"}"#,
            r#"{"type":"Unknown","accountId":null,"credentialId":"7","inScopeOf":{"a":[{}]}}"#,
            "{}",
            "null",
        ] {
            assert_eq!(agrees(&document(&[record(identity, ""), usual.clone()])), 2, "{identity}");
            let without = record(identity, "").replace(",\"recipientAccountId\":\"111122223333\"", "");
            assert_eq!(agrees(&document(&[without, usual.clone()])), 2, "{identity}");
        }
        for more in [
            r#","errorCode":"AccessDenied","errorMessage":"no \"right\" é""#,
            r#","additionalEventData":{"MFAUsed":"No","text":"a } \" ] b","deep":[[{}],[]]},"apiVersion":null"#,
            r#","serviceEventDetails":{"GetUser":"Success"},"addendum":null"#,
            r#","serviceEventDetails":null,"sessionCredentialFromConsole":"true","count":1760000000000,"zero":0,"flag":false"#,
        ] {
            assert_eq!(agrees(&document(&[record(ROLE, more), usual.clone()])), 2, "{more}");
        }
        assert_eq!(agrees(&document(&[usual.replace("\"userName\":\"bob\"", "\"userName\":\"bj\u{f6}rn\"")])), 1);
        // White space between records and around the frame.
        assert_eq!(agrees(&format!(" {{ \"Records\" : [ {usual} ,\n{usual}\n] }}\n")), 2);
    }

    #[test]
    fn unusual_records_are_parsed_alone() {
        let usual = record(ROLE, "");
        let changed = |from: &str, to: &str| {
            assert!(usual.contains(from), "{from}");
            usual.replace(from, to)
        };
        for unusual in [
            changed("\"eventName\":", "\"eventName\" :"),
            changed(",\"eventName\"", ", \"eventName\""),
            changed("eventName", r"event\u004eame"),
            changed("iam.amazonaws.com", r"\u0069am.amazonaws.com"),
            changed("10:00:00Z", "10:00:00.5Z"),
            changed("10:00:00Z", "10:00:00+02:00"),
            changed("e-1", r"e\/1"),
            changed("\"readOnly\":true", "\"readOnly\":\"Yes\""),
            changed("\"readOnly\":true", "\"readOnly\":7"),
            changed("\"e-1\"", "7"),
            changed("\"e-1\"", "\"\""),
            changed("\"eventID\"", "\"other\""),
            changed("{\"userName\":\"bob\"}", "[]"),
            changed("null", "-0.5e7"),
            record(ROLE, r#","addendum":{"reason":"UPDATED_DATA","originalEventID":"e-0"}"#),
            usual.replacen('{', r#"{"addendum":{},"#, 1),
            usual.replacen('{', r#"{"addendum":"e-0","#, 1),
            changed("AssumedRole\"", "IdentityCenterUser\",\"onBehalfOf\":{\"userId\":\"u\"}"),
            changed("\"type\":\"AssumedRole\"", "\"type\":\"IAMUser\",\"type\":\"Root\""),
            changed("\"eventVersion\"", "\"eventName\":\"First\",\"eventVersion\""),
            changed("\"eventName\":\"GetUser\"", "\"eventName\":\"W\""),
            changed("AwsApiCall", "AwsCloudTrailInsight"),
            record(&ROLE.replace("\"arn\"", "\"a\\u0072n\""), ""),
            record(&format!(" {ROLE}"), ""),
            record("\"text\"", ""),
            record(ROLE, ",\"recipientAccountId\":\"444455556666\""),
            // Accounts that have become numbers.
            changed("\"recipientAccountId\":\"111122223333\"", "\"recipientAccountId\":42"),
            changed("\"accountId\":\"111122223333\"", "\"accountId\":11122223333"),
            changed("\"accountId\":\"111122223333\"", "\"accountId\":-1"),
        ] {
            assert_eq!(agrees(&document(&[usual.clone(), unusual.clone(), usual.clone()])), 2, "{unusual}");
        }
    }

    #[test]
    fn an_envelope_does_not_tell_of_an_outcome_that_details_may_have() {
        for (details, sure) in [
            (r#"{"GetUser":"Success"}"#, true),
            ("null", true),
            (r#"{"GetUser":"Failure"}"#, false),
            (r#"{"GetUser":"\u0046ailure"}"#, false),
            (r#"{"Other":"Failure"}"#, false),
            (r#""Failure""#, false),
        ] {
            for text in [
                record(ROLE, &format!(r#","serviceEventDetails":{details}"#)),
                record(ROLE, "").replacen('{', &format!(r#"{{"serviceEventDetails":{details},"#), 1),
                record(ROLE, &format!(r#","serviceEventDetails":{details},"serviceEventDetails":{{}}"#)),
            ] {
                let text = document(&[text]);
                assert_eq!(agrees(&text), 1, "{text}");
                let mut collect = Collect::default();
                skim(text.as_bytes(), &mut Scratch::default(), &mut collect).expect("sound");
                let failed = collect.said.first().and_then(|said| said.as_ref().ok()).map(|said| said.more.0);
                assert_eq!(failed, Some(sure.then_some(false)), "{text}");
            }
        }
    }

    #[test]
    fn whatever_is_unusable_makes_all_of_the_document_parsed() {
        let usual = record(ROLE, "");
        for other in [
            "{}",
            "7",
            "[]",
            "{\"detail\":{}}",
            &usual.replace("eventTime", "eventTine"),
            "{\"a\":1e999}",
            &usual.replace(":00Z", ": 0Z"),
        ] {
            assert_eq!(agrees(&document(&[usual.clone(), other.to_owned()])), 0, "{other}");
        }
        let wrapped = format!(r#"{{"CloudTrailEvent":{}}}"#, serde_json::to_string(&usual).unwrap());
        assert_eq!(agrees(&document(&[usual.clone(), wrapped, usual.clone()])), 2);
        for text in [
            format!(r#"{{"Records":[{usual},]}}"#),
            format!(r#"{{"Records":[{usual}]}}]}}"#),
            format!(r#"{{"Records":[{usual}],"Records":[]}}"#),
            format!(r#"{{"Records":[{usual}]}}{{"Records":[{usual}]}}"#),
            format!("[{usual}]"),
        ] {
            assert_eq!(agrees(&text), 0, "{text}");
        }
    }

    #[test]
    fn a_record_cut_anywhere_is_damage() {
        let text = document(&[record(ROLE, ""), record("null", "")]);
        for end in 0..text.len() {
            agrees(&text[..end]);
            // With the ordinary end put back.
            agrees(&format!("{}]}}", &text[..end]));
        }
    }

    #[test]
    fn a_time_of_no_characters_is_damage() {
        let text = document(&[record(ROLE, "").replace("2026-10-01T", &"\0".repeat(11))]);
        let told = skim(text.as_bytes(), &mut Scratch::default(), &mut Collect::default());
        assert!(told.is_err(), "{told:?}");
    }

    #[test]
    fn one_huge_record_and_many_small_ones() {
        let huge = record(ROLE, &format!(",\"pad\":\"{}\"", r#"x \" }{ \\"#.repeat(40_000)));
        assert_eq!(agrees(&document(&[record("{}", ""), huge])), 2);
        assert_eq!(agrees(&document(&vec![record("{}", ""); 300])), 300);
    }

    #[test]
    fn an_object_of_more_callers_than_are_kept() {
        let caller =
            |n: usize| format!(r#"{{"type":"IAMUser","principalId":"AIDA{n:017}","accountId":"111122223333"}}"#);
        let many: Vec<String> = (0..2100).map(|n| record(&caller(n), "")).collect();
        let mut scratch = Scratch::default();
        for _ in 0..2 {
            assert_eq!(agrees_after(&document(&many), &mut scratch), many.len());
            assert_eq!(agrees_after(&document(&many[..3]), &mut scratch), 3);
        }
    }

    fn member() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            Just(r#""2026-10-01T10:00:00Z""#.to_owned()),
            Just(r#""iam.amazonaws.com""#.to_owned()),
            Just(r#""AssumedRole""#.to_owned()),
            Just(r#""IAMUser""#.to_owned()),
            Just(r#""Root""#.to_owned()),
            Just("\"\"".to_owned()),
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just("\"false\"".to_owned()),
            Just(r#"{"userName":"bob"}"#.to_owned()),
            Just(r#"{"userName":"b","GetUser":"Failure"}"#.to_owned()),
            Just(r#"{"attributes":{"mfaAuthenticated":"true"},"assumedRoot":"true"}"#.to_owned()),
            Just("{}".to_owned()),
            Just("[1,{}]".to_owned()),
            r#"[-]?[0-9]{1,17}(\.5)?"#.prop_map(|number| number),
            r#"([a-z:/ {}\[\]é]|\\"|\\\\|\\u0041|\\n){0,70}"#.prop_map(|text| format!("\"{text}\"")),
        ];
        let key = prop::sample::select(vec![
            "eventTime",
            "eventSource",
            "eventName",
            "eventID",
            "userIdentity",
            "sourceIPAddress",
            "awsRegion",
            "recipientAccountId",
            "readOnly",
            "errorCode",
            "requestParameters",
            "responseElements",
            "serviceEventDetails",
            "addendum",
            "eventType",
            "type",
            "principalId",
            "arn",
            "accountId",
            "accessKeyId",
            "userName",
            "invokedBy",
            "sessionContext",
            "onBehalfOf",
            "other",
            r"event\u0049D",
            "userAgent",
        ]);
        (key, value).prop_map(|(key, value)| format!("\"{key}\":{value}"))
    }

    fn shuffled(usual: Vec<String>, extra: usize) -> impl Strategy<Value = String> {
        let most = usual.len();
        let usual = prop_oneof![
            3 => Just(usual.clone()).prop_shuffle(),
            1 => prop::sample::subsequence(usual, most.saturating_sub(3)..=most),
        ];
        (usual, prop::collection::vec(member(), 0..=extra), any::<prop::sample::Index>()).prop_map(
            |(mut members, extra, at)| {
                let at = at.index(members.len() + 1);
                members.splice(at..at, extra);
                format!("{{{}}}", members.join(","))
            },
        )
    }

    fn members(object: &[&str]) -> Vec<String> {
        object.iter().map(ToString::to_string).collect()
    }

    fn generated() -> impl Strategy<Value = String> {
        let identity = shuffled(
            members(&[
                r#""type":"IAMUser""#,
                r#""principalId":"AIDA1""#,
                r#""arn":"arn:x""#,
                r#""accountId":"111122223333""#,
                r#""userName":"bob""#,
                r#""sessionContext":{"attributes":{"mfaAuthenticated":"true"}}"#,
            ]),
            1,
        );
        identity.prop_flat_map(|identity| {
            let mut usual = members(&[
                r#""eventVersion":"1.11""#,
                r#""eventTime":"2026-10-01T10:00:00Z""#,
                r#""eventSource":"iam.amazonaws.com""#,
                r#""eventName":"GetUser""#,
                r#""awsRegion":"us-east-1""#,
                r#""sourceIPAddress":"192.0.2.1""#,
                r#""requestParameters":{"userName":"bob","x":[]}"#,
                r#""responseElements":null"#,
                r#""eventID":"e-1""#,
                r#""readOnly":false"#,
                r#""recipientAccountId":"111122223333""#,
            ]);
            usual.push(format!("\"userIdentity\":{identity}"));
            shuffled(usual, 2)
        })
    }

    /// Collects the numbers of the callers beside their texts.
    #[derive(Default)]
    struct Numbers(Vec<(Option<CallerTag>, String)>);

    impl Take for Numbers {
        fn brief(&self, _envelope: &Envelope<'_>) -> Option<Brief> {
            Some(Brief::Sighting)
        }

        fn envelope(&mut self, envelope: &Envelope<'_>, _brief: Brief) {
            let raw: serde_json::Value = serde_json::from_slice(envelope.raw()).expect("JSON");
            self.0.push((envelope.caller_tag(), raw["userIdentity"].to_string()));
        }

        fn record(&mut self, _index: usize, _record: Result<Record<'_, '_>, RecordError>) {
            panic!("all are brief");
        }
    }

    #[test]
    fn a_caller_that_was_read_before_is_the_same_and_no_other_is() {
        // Alike for hundreds of bytes, more than there are places for, and one too long to be kept.
        let session = |key: usize, more: &str| {
            format!(
                r#"{{"type":"AssumedRole","principalId":"AROAEXAMPLEAAAAAAAAAA:session","arn":"arn:aws:sts::111122223333:assumed-role/role/session","accountId":"111122223333","accessKeyId":"ASIA{key:016}","sessionContext":{{"attributes":{{"creationDate":"2026-10-01T00:00:00Z","mfaAuthenticated":"{}"}}}}{more}}}"#,
                key.is_multiple_of(3)
            )
        };
        let mut callers: Vec<String> = (0..9).map(|key| session(key, "")).collect();
        callers.push(session(9, &format!(r#","invokedBy":"{}""#, "x".repeat(5000))));
        callers.push(session(1, r#","invokedBy":"AWS Internal""#));
        callers.push(r#"{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}"#.to_owned());
        callers
            .push(r#"{"type":"Root","principalId":"111122223333","sessionContext":{"assumedRoot":"true"}}"#.to_owned());
        let record = |caller: &String| {
            format!(
                r#"{{"eventVersion":"1.11","userIdentity":{caller},"eventTime":"2026-10-01T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"GetUser","eventID":"e"}}"#
            )
        };
        // Each twice in a row, and then from the front again.
        let records: Vec<String> =
            callers.iter().flat_map(|caller| [caller, caller]).chain(&callers).map(record).collect();
        let mut scratch = Scratch::default();
        let mut numbers = Numbers::default();
        for text in [document(&records), document(&records[5..])] {
            assert!(agrees_after(&text, &mut scratch) > 0);
            skim(text.as_bytes(), &mut scratch, &mut numbers).expect("sound");
        }
        let mut texts = std::collections::HashMap::new();
        for (number, text) in &numbers.0 {
            // Neither is kept what is too long, nor what is near the end.
            assert!(number.is_some() || text.len() > 5000 || text.contains("assumedRoot"), "{text}");
            if let Some(number) = number {
                assert_eq!(texts.entry(number.number).or_insert(text), &text, "two callers of one number");
            }
        }
        let again = numbers.0.windows(2).filter(|pair| pair[0].0.is_some() && pair[0] == pair[1]).count();
        assert!(again >= callers.len() - 1, "{again}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn the_walk_says_what_a_parse_says(
            records in prop::collection::vec(generated(), 0..4),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..14), 0..3),
        ) {
            let mut text = document(&records);
            agrees(&text);
            for (at, change) in changes {
                let mut at = at.index(text.len() + 1);
                while !text.is_char_boundary(at) { at -= 1; }
                let piece = [" ", "\n", "\"", "\\", "{", "}", "[", "]", ",", ":", "é", "\\u0041", "null"].get(change);
                match piece {
                    Some(piece) => text.insert_str(at, piece),
                    None => drop(text.pop()),
                }
                agrees(&text);
            }
        }
    }
}
