//! From the bytes of an ordinary document to its records' envelopes, without a parse.
//!
//! A parse costs three times what inflating does, and of almost every record only the envelope is asked for. So the walk
//! goes from bracket to bracket and from quote to quote by their [`masks`](super::masks), reads the members of each record
//! and of its `userIdentity`, and passes over all other nested values by counting brackets.
//!
//! It is strict: it takes what CloudTrail writes, to the letter. A record with anything else on its way (white space, a
//! backslash in a key or in what is read, a key twice, another type than usual) is left to the parser, alone; where the
//! document's own frame is unusual, all of it is. So what the walk says is what a parse says.

use super::{
    callers::Callers,
    identity::ActorKind,
    masks::{BLOCK, Blocks, Mask, with_bits},
    record::{Record, parse_time},
};

/// A place in the text. No value of interest begins at 0, where the document's bracket is: the empty one is no place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Only documents far below 4 GiB are walked.
    #[inline(always)]
    fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The same place in a text that begins `by` bytes before.
    #[inline(always)]
    fn behind(self, by: u32) -> Self {
        if self.is_empty() { Self::default() } else { Self { start: self.start + by, end: self.end + by } }
    }

    #[inline(always)]
    fn before(self, by: u32) -> Self {
        if self.is_empty() { self } else { Self { start: self.start - by, end: self.end - by } }
    }

    pub(super) fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// The members that are read: text, then objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Field {
    Source,
    Name,
    SourceIp,
    Region,
    Account,
    ErrorCode,
    Id,
    EventType,
    Time,
    /// The first of `userIdentity`.
    Type,
    PrincipalId,
    Arn,
    CallerAccount,
    AccessKey,
    UserName,
    InvokedBy,
    /// The first that must be an object or `null`.
    Session,
    /// The last of `userIdentity`.
    OnBehalfOf,
    Parameters,
    Response,
    /// The first that has no place in a [`Sketch`].
    ReadOnly,
    Identity,
    /// Known, and not asked for.
    Passed,
    /// Not known.
    Unknown,
}

impl Field {
    /// Whether a value must be text or `null`.
    #[inline(always)]
    fn is_text(self) -> bool {
        (self as u8) < Self::Session as u8
    }

    #[inline(always)]
    fn is_object(self) -> bool {
        !self.is_text() && (self as u8) < Self::ReadOnly as u8
    }

    #[inline(always)]
    fn is_passed(self) -> bool {
        self as u8 > Self::Identity as u8
    }
}

/// Fields that have a place in a [`Sketch`].
const FIELDS: usize = Field::ReadOnly as usize;

/// Those of `userIdentity`.
pub(super) const CALLER_FIELDS: usize = Field::OnBehalfOf as usize - Field::Type as usize + 1;

/// The keys that are known, in their usual order.
const RECORD_KEYS: [Key; 28] = [
    Key::new("eventVersion", Field::Passed),
    Key::new("userIdentity", Field::Identity),
    Key::new("eventTime", Field::Time),
    Key::new("eventSource", Field::Source),
    Key::new("eventName", Field::Name),
    Key::new("awsRegion", Field::Region),
    Key::new("sourceIPAddress", Field::SourceIp),
    Key::new("userAgent", Field::Passed),
    Key::new("errorCode", Field::ErrorCode),
    Key::new("errorMessage", Field::Passed),
    Key::new("requestParameters", Field::Parameters),
    Key::new("responseElements", Field::Response),
    Key::new("additionalEventData", Field::Passed),
    Key::new("requestID", Field::Passed),
    Key::new("eventID", Field::Id),
    Key::new("readOnly", Field::ReadOnly),
    Key::new("resources", Field::Passed),
    Key::new("eventType", Field::EventType),
    Key::new("apiVersion", Field::Passed),
    Key::new("managementEvent", Field::Passed),
    Key::new("recipientAccountId", Field::Account),
    Key::new("serviceEventDetails", Field::Passed),
    Key::new("sharedEventID", Field::Passed),
    Key::new("vpcEndpointId", Field::Passed),
    Key::new("vpcEndpointAccountId", Field::Passed),
    Key::new("eventCategory", Field::Passed),
    Key::new("addendum", Field::Passed),
    Key::new("tlsDetails", Field::Passed),
];

/// Those of `userIdentity`.
const IDENTITY_KEYS: [Key; 12] = [
    Key::new("type", Field::Type),
    Key::new("principalId", Field::PrincipalId),
    Key::new("arn", Field::Arn),
    Key::new("accountId", Field::CallerAccount),
    Key::new("accessKeyId", Field::AccessKey),
    Key::new("userName", Field::UserName),
    Key::new("sessionContext", Field::Session),
    Key::new("invokedBy", Field::InvokedBy),
    Key::new("onBehalfOf", Field::OnBehalfOf),
    Key::new("identityProvider", Field::Passed),
    Key::new("credentialId", Field::Passed),
    Key::new("inScopeOf", Field::Passed),
];

/// A key with its quotes and the colon behind it, so that all of it is compared in three steps.
#[derive(Debug, Clone, Copy)]
struct Key {
    name: &'static str,
    field: Field,
    words: [u64; 3],
    /// Which bytes of the words count.
    masks: [u64; 3],
}

/// Bytes of the longest known key, with its quotes and colon.
const LONGEST: usize = 24;

impl Key {
    const fn new(name: &'static str, field: Field) -> Self {
        let bytes = name.as_bytes();
        let length = bytes.len() + 3;
        assert!(length <= LONGEST, "three words must hold it");
        let (mut words, mut masks) = ([0; 3], [0; 3]);
        let mut at = 0;
        while at < length {
            let byte = match at {
                0 => b'"',
                _ if at <= bytes.len() => bytes[at - 1],
                _ if at == bytes.len() + 1 => b'"',
                _ => b':',
            };
            words[at / 8] |= (byte as u64) << (at % 8 * 8);
            masks[at / 8] |= 0xff << (at % 8 * 8);
            at += 1;
        }
        Self { name, field, words, masks }
    }

    #[inline(always)]
    fn begins(&self, text: &[u8; LONGEST]) -> bool {
        let [first, second, third] = [0, 8, 16].map(|at| {
            let word = text.get(at..).and_then(<[u8]>::first_chunk::<8>);
            word.map_or(0, |word| u64::from_le_bytes(*word))
        });
        (first ^ self.words[0]) & self.masks[0] == 0
            && ((second ^ self.words[1]) & self.masks[1]) | ((third ^ self.words[2]) & self.masks[2]) == 0
    }
}

/// The field of a key by its name, in whatever order keys come.
fn field(keys: &[Key], name: &[u8]) -> Field {
    keys.iter().find(|key| key.name.as_bytes() == name).map_or(Field::Unknown, |key| key.field)
}

/// What was read of one record: places in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sketch {
    /// The record.
    pub(super) record: Span,
    /// Whether it was left to the parser: then nothing else here counts.
    pub(super) whole: bool,
    pub(super) kind: ActorKind,
    /// Whether its session was authenticated with MFA, where the walk could tell.
    pub(super) mfa: Option<Option<bool>>,
    /// Which `userIdentity`, where that is known: equal ones have one number, or none.
    pub(super) caller: u64,
    /// `readOnly`, where it is told.
    pub(super) read_only: Option<bool>,
    /// `eventTime` in seconds since 1970.
    pub(super) seconds: i64,
    spans: [Span; FIELDS],
}

impl Sketch {
    pub(super) fn span(&self, field: Field) -> Span {
        self.spans.get(field as usize).copied().unwrap_or_default()
    }

    /// The places of what `userIdentity` says.
    #[inline(always)]
    fn of_caller(&mut self) -> Option<&mut [Span; CALLER_FIELDS]> {
        self.spans.get_mut(Field::Type as usize..)?.first_chunk_mut()
    }
}

/// How many bytes the marks of a window are sure to cover.
const SURE: usize = 57;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The span is what stands between its quotes.
    Text,
    Flag(bool),
    Null,
    Number,
    /// The span has its brackets.
    Object,
    Array,
}

/// The bit of the bracket that brings the depth to zero; without one the depth behind all of them is left.
#[inline(always)]
fn closing(opens: u64, closes: u64, depth: &mut u32) -> Option<u32> {
    let (mut opens, mut closes) = (opens, closes);
    while closes != 0 {
        let close = closes & closes.wrapping_neg();
        let before = opens & (close - 1);
        if before != 0 {
            *depth += before.count_ones();
            opens ^= before;
        }
        *depth -= 1;
        if *depth == 0 {
            return Some(close.trailing_zeros());
        }
        closes ^= close;
    }
    if opens != 0 {
        *depth += opens.count_ones();
    }
    None
}

/// A walk over the members of objects in one text. Whatever it does not take is `None`.
///
/// Places are outside strings, or behind a string's opening quote, by what was read before them.
#[derive(Clone, Copy)]
pub(super) struct Walk<'t> {
    text: &'t [u8],
    /// The text's, and one more.
    blocks: Blocks<'t>,
    /// The last date, and when it began: neighbouring records share it.
    date: [u8; 11],
    midnight: i64,
}

impl<'t> Walk<'t> {
    pub(super) fn new(text: &'t [u8], blocks: Blocks<'t>) -> Self {
        Self { text, blocks, date: [0; 11], midnight: 0 }
    }

    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or_default()
    }

    /// Sketches the records of the list that begins at `list` and ends the document.
    pub(super) fn records(&mut self, list: usize, callers: &mut Callers, sketches: &mut Vec<Sketch>) -> Option<()> {
        with_bits(
            #[inline(always)]
            || self.all_records(list, callers, sketches),
        )
    }

    #[inline(always)]
    fn all_records(&mut self, list: usize, callers: &mut Callers, sketches: &mut Vec<Sketch>) -> Option<()> {
        let mut at = self.space(list + 1);
        while self.byte(at) != b']' || !sketches.is_empty() {
            if self.byte(at) != b'{' {
                return None;
            }
            // Filled in where it stays: it is large.
            sketches.push(Sketch::new(Span::default()));
            let sketch = sketches.last_mut()?;
            if self.record(at, callers, sketch).is_none() {
                let end = self.close(at)?;
                *sketch = Sketch { whole: true, ..Sketch::new(Span::new(at, end)) };
            }
            at = self.space(sketch.record.end as usize);
            match self.byte(at) {
                b',' => at = self.space(at + 1),
                b']' => break,
                _ => return None,
            }
        }
        let end = self.space(at + 1);
        (self.byte(end) == b'}' && self.space(end + 1) == self.text.len()).then_some(())
    }

    /// Behind the white space at `at`.
    #[inline(always)]
    fn space(&self, at: usize) -> usize {
        if self.byte(at) > b' ' { at } else { self.far_space(at) }
    }

    #[cold]
    fn far_space(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        at + rest.iter().position(|byte| !b" \t\r\n".contains(byte)).unwrap_or(rest.len())
    }

    /// The marks from `at` on: of [`SURE`] bytes at least, for they are read from a whole byte on.
    #[inline(always)]
    fn window(masks: &[Mask], at: usize) -> Option<u64> {
        let from = masks.as_flattened().get(at / 8..)?.first_chunk()?;
        Some(u64::from_le_bytes(*from) >> (at % 8))
    }

    /// The next quote.
    #[inline(always)]
    fn quote(&self, at: usize) -> Option<usize> {
        let mut at = at;
        loop {
            let quotes = Self::window(self.blocks.quotes, at)?;
            if quotes != 0 {
                return Some(at + quotes.trailing_zeros() as usize);
            }
            at += SURE;
        }
    }

    /// Whether the next quote behind `at` is just behind the next `length` bytes.
    #[inline(always)]
    fn quotes_behind(&self, at: usize, length: u32) -> bool {
        let upto = (2 << length) - 1;
        Self::window(self.blocks.quotes, at + 1).is_some_and(|quotes| quotes & upto == 1 << length)
    }

    /// Behind the value whose opening bracket is at `at`.
    #[inline(always)]
    fn close(&self, at: usize) -> Option<usize> {
        let opens = Self::window(self.blocks.opens, at + 1)?;
        let closes = Self::window(self.blocks.closes, at + 1)?;
        let first = closes & closes.wrapping_neg();
        let end = if closes != 0 && opens & (first - 1) == 0 {
            at + 1 + closes.trailing_zeros() as usize
        } else {
            self.far_close(at)?
        };
        // The closing brackets are two above the opening ones.
        (self.byte(end) == self.byte(at) + 2).then_some(end + 1)
    }

    fn far_close(&self, at: usize) -> Option<usize> {
        let mut depth = 1;
        let mut block = at / BLOCK;
        let mask = |masks: &[Mask], block: usize| masks.get(block).map(|mask| u64::from_le_bytes(*mask));
        let behind = u64::MAX << (at % BLOCK) << 1;
        let (opens, closes) = (mask(self.blocks.opens, block)?, mask(self.blocks.closes, block)?);
        let mut bit = closing(opens & behind, closes & behind, &mut depth);
        while bit.is_none() {
            block += 1;
            let [opened, closed] = *self.blocks.counts.get(block)?;
            // Most blocks are passed over by these counts alone.
            if u32::from(closed) < depth {
                depth += u32::from(opened);
                depth -= u32::from(closed);
            } else {
                bit = closing(mask(self.blocks.opens, block)?, mask(self.blocks.closes, block)?, &mut depth);
            }
        }
        Some(block * BLOCK + bit? as usize)
    }

    /// The key that begins at `at`, and where its value begins.
    #[inline(always)]
    fn key(&self, at: usize) -> Option<(&'t [u8], usize)> {
        let end = self.quote(at + 1)?;
        let key = self.text.get(at + 1..end)?;
        (self.byte(at) == b'"' && self.byte(end + 1) == b':').then_some((key, end + 2))
    }

    /// The value that begins at `at`, and what follows it.
    #[inline(always)]
    fn value(&self, at: usize) -> Option<(Kind, Span, usize)> {
        match self.byte(at) {
            b'"' => {
                let end = self.quote(at + 1)?;
                Some((Kind::Text, Span::new(at + 1, end), end + 1))
            }
            b'{' => self.close(at).map(|end| (Kind::Object, Span::new(at, end), end)),
            b'[' => self.close(at).map(|end| (Kind::Array, Span::new(at, end), end)),
            _ => self.plain(at),
        }
    }

    /// A value without quotes or brackets.
    #[inline(always)]
    fn plain(&self, at: usize) -> Option<(Kind, Span, usize)> {
        let rest = self.text.get(at..)?;
        for (word, kind) in [("null", Kind::Null), ("true", Kind::Flag(true)), ("false", Kind::Flag(false))] {
            if rest.starts_with(word.as_bytes()) {
                return Some((kind, Span::default(), at + word.len()));
            }
        }
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // No sign, fraction or exponent, no leading zero, and nothing that would be rounded.
        let usual = digits == 1 || (digits > 1 && digits < 16 && rest.first() != Some(&b'0'));
        usual.then_some((Kind::Number, Span::default(), at + digits))
    }

    /// What follows a member: where the next key begins, or nothing behind the last.
    #[inline(always)]
    fn more(&self, after: usize) -> Option<Option<usize>> {
        match self.byte(after) {
            b',' => Some(Some(after + 1)),
            b'}' => Some(None),
            _ => None,
        }
    }

    /// Whether there is no backslash in a string.
    #[inline(always)]
    pub(super) fn simple(&self, span: Span) -> bool {
        let length = (span.end - span.start) as usize;
        if length < SURE
            && let Some(backslashes) = Self::window(self.blocks.backslashes, span.start as usize)
        {
            return backslashes & ((1 << length) - 1) == 0;
        }
        memchr::memchr(b'\\', span.of(self.text)).is_none()
    }

    /// The record whose opening bracket is at `start`.
    #[inline(always)]
    fn record(&mut self, start: usize, callers: &mut Callers, sketch: &mut Sketch) -> Option<()> {
        let mut seen = 0;
        let mut next = start + 1;
        let end = 'record: loop {
            // One comparison for each known key, one after another in the usual order: how far to go is then known
            // before it is read, and the processor reads several members at once.
            macro_rules! usual {
                ($($number:literal)*) => {$(
                    let key = const { &RECORD_KEYS[$number] };
                    if self.text.get(next..).and_then(<[u8]>::first_chunk).is_some_and(|text| key.begins(text)) {
                        let after = self.of_record(key.field, next + key.name.len() + 3, callers, sketch, &mut seen)?;
                        match self.more(after)? {
                            Some(key) => next = key,
                            None => break 'record after + 1,
                        }
                    }
                )*};
            }
            usual!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27);
            let (name, at) = self.key(next)?;
            let after = self.in_any_order(name, at, callers, sketch, &mut seen)?;
            match self.more(after)? {
                Some(key) => next = key,
                None => break after + 1,
            }
        };
        sketch.record = Span::new(start, end);
        sketch.seconds = self.seconds(sketch.span(Field::Time))?;
        if sketch.span(Field::Source).is_empty() || sketch.span(Field::Name).is_empty() {
            return None;
        }
        if sketch.span(Field::EventType).of(self.text) == b"AwsCloudTrailInsight" {
            return None;
        }
        Some(())
    }

    /// A member of a record wherever it comes; gives what follows it.
    #[cold]
    fn in_any_order(
        &mut self,
        name: &[u8],
        at: usize,
        callers: &mut Callers,
        sketch: &mut Sketch,
        seen: &mut u32,
    ) -> Option<usize> {
        let field = field(&RECORD_KEYS, name);
        // It may be a known key with an escape in it.
        if field == Field::Unknown && name.contains(&b'\\') {
            return None;
        }
        self.of_record(field, at, callers, sketch, seen)
    }

    /// The value of a record's member that begins at `at`; gives what follows it.
    #[inline(always)]
    fn of_record(
        &mut self,
        field: Field,
        at: usize,
        callers: &mut Callers,
        sketch: &mut Sketch,
        seen: &mut u32,
    ) -> Option<usize> {
        if field == Field::Identity && self.byte(at) == b'{' {
            once(seen, field)?;
            return self.caller(at, callers, sketch);
        }
        self.member(field, at, sketch, seen)
    }

    /// `userIdentity`, whose opening bracket is at `start`: known, or read. Gives what follows it.
    #[inline(always)]
    fn caller(&mut self, start: usize, callers: &mut Callers, sketch: &mut Sketch) -> Option<usize> {
        let rest = self.text.get(start..)?;
        // What `Known` has its places in begins one byte before the bracket.
        let by = (start - 1) as u32;
        if let Some((length, known)) = callers.find(rest) {
            *sketch.of_caller()? = known.spans.map(|span| span.behind(by));
            (sketch.kind, sketch.mfa, sketch.caller) = (known.kind, known.mfa, known.number);
            return Some(start + length);
        }
        let after = self.identity(start, sketch)?;
        sketch.kind = self.kind(sketch)?;
        sketch.mfa = self.session_mfa(sketch);
        let spans = sketch.of_caller()?.map(|span| span.before(by));
        sketch.caller = callers.keep(rest, after - start, sketch, spans);
        Some(after)
    }

    /// The members of `userIdentity`, whose opening bracket is at `start`; gives what follows it.
    fn identity(&mut self, start: usize, sketch: &mut Sketch) -> Option<usize> {
        let mut seen = 0;
        let mut next = start + 1;
        if self.byte(next) == b'}' {
            return Some(next + 1);
        }
        loop {
            let (name, at) = self.key(next)?;
            let field = field(&IDENTITY_KEYS, name);
            if field == Field::Unknown && name.contains(&b'\\') {
                return None;
            }
            let after = self.member(field, at, sketch, &mut seen)?;
            match self.more(after)? {
                Some(key) => next = key,
                None => return Some(after + 1),
            }
        }
    }

    /// Reads one value into the sketch; gives what follows it. Text first, for most values are.
    #[inline(always)]
    fn member(&mut self, field: Field, at: usize, sketch: &mut Sketch, seen: &mut u32) -> Option<usize> {
        let place = sketch.spans.get_mut(field as usize);
        let byte = self.byte(at);
        if byte == b'"' {
            let end = match field {
                // A UUID. That it is one is seen without waiting for where it ends.
                Field::Id if self.quotes_behind(at, 36) => at + 37,
                _ => self.quote(at + 1)?,
            };
            if !field.is_passed() {
                once(seen, field)?;
                let span = Span::new(at + 1, end);
                if field.is_text() {
                    *place? = span;
                    if !self.simple(span) {
                        return None;
                    }
                } else if field == Field::ReadOnly {
                    sketch.read_only = Some(flag(span.of(self.text))?);
                } else {
                    return None;
                }
            }
            return Some(end + 1);
        }
        let (kind, span, after) = if byte == b'{' || byte == b'[' {
            let end = self.close(at)?;
            (if byte == b'{' { Kind::Object } else { Kind::Array }, Span::new(at, end), end)
        } else {
            self.plain(at)?
        };
        if field.is_passed() {
            return Some(after);
        }
        once(seen, field)?;
        match kind {
            // As if it were absent; what must be there is missed in the end.
            Kind::Null => {}
            Kind::Flag(flag) if field == Field::ReadOnly => sketch.read_only = Some(flag),
            Kind::Object if field.is_object() => *place? = span,
            _ => return None,
        }
        Some(after)
    }

    /// `eventTime`, in the form that CloudTrail writes.
    fn seconds(&mut self, time: Span) -> Option<i64> {
        let text = time.of(self.text);
        let (date, clock) = text.split_first_chunk::<11>()?;
        if *date != self.date {
            let midnight = format!("{}00:00:00Z", std::str::from_utf8(date).ok()?);
            self.midnight = parse_time(&midnight).filter(|_| date.ends_with(b"T"))?.timestamp();
            self.date = *date;
        }
        let [h1, h2, b':', m1, m2, b':', s1, s2, b'Z'] = clock else { return None };
        let number = |tens: u8, ones: u8, below: u8| {
            let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
            (tens < 10 && ones < 10 && tens * 10 + ones < below).then(|| i64::from(tens * 10 + ones))
        };
        let (hour, minute, second) = (number(*h1, *h2, 24)?, number(*m1, *m2, 60)?, number(*s1, *s2, 60)?);
        Some(self.midnight + hour * 3600 + minute * 60 + second)
    }

    /// As [`Record::caller`](super::Record::caller) has it.
    fn kind(&self, sketch: &Sketch) -> Option<ActorKind> {
        Some(match sketch.span(Field::Type).of(self.text) {
            b"AssumedRole" | b"Role" | b"FederatedUser" | b"SAMLUser" | b"WebIdentityUser" => ActorKind::AssumedRole,
            b"AWSService" => ActorKind::Service,
            b"IAMUser" => ActorKind::IamUser,
            b"Root" => {
                let session = sketch.span(Field::Session);
                let assumed = match session.is_empty() {
                    true => None,
                    false => self.flag(session, b"assumedRoot")?,
                };
                if assumed == Some(true) { ActorKind::AssumedRoot } else { ActorKind::Root }
            }
            b"" if !sketch.span(Field::InvokedBy).is_empty() => ActorKind::Service,
            // Whom these act for is the parser's to read.
            _ if !sketch.span(Field::OnBehalfOf).is_empty() => return None,
            b"IdentityCenterUser" => ActorKind::IdentityCenter,
            _ => ActorKind::Other,
        })
    }

    /// As [`Record::session_mfa`](super::Record::session_mfa) has it; the outer `None` where only the parsed record can
    /// tell.
    fn session_mfa(&self, sketch: &Sketch) -> Option<Option<bool>> {
        let session = sketch.span(Field::Session);
        let told = match session.is_empty() {
            true => None,
            false => match self.look(session, b"attributes")? {
                Some((Kind::Object, attributes)) => self.flag(attributes, b"mfaAuthenticated")?,
                None | Some((Kind::Null, _)) => None,
                Some(_) => return None,
            },
        };
        Some(told.or_else(|| Record::without_session(sketch.kind)))
    }

    /// The member `key` of an object; the outer `None` where the object has anything unusual.
    pub(super) fn look(&self, object: Span, key: &[u8]) -> Option<Option<(Kind, Span)>> {
        let mut next = object.start as usize + 1;
        if self.byte(next) == b'}' {
            return Some(None);
        }
        let mut found = None;
        loop {
            let (name, at) = self.key(next)?;
            let (kind, span, after) = self.value(at)?;
            if name == key {
                if found.replace((kind, span)).is_some() {
                    return None;
                }
            } else if name.contains(&b'\\') {
                return None;
            }
            match self.more(after)? {
                Some(key) => next = key,
                None => return Some(found),
            }
        }
    }

    /// The text at `key` of an object; absent, `null` and empty are one.
    pub(super) fn text(&self, object: Span, key: &[u8]) -> Option<Option<&'t [u8]>> {
        match self.look(object, key)? {
            Some((Kind::Text, span)) if self.simple(span) => {
                Some(Some(span.of(self.text)).filter(|text| !text.is_empty()))
            }
            None | Some((Kind::Null, _)) => Some(None),
            Some(_) => None,
        }
    }

    /// The boolean at `key` of an object.
    pub(super) fn flag(&self, object: Span, key: &[u8]) -> Option<Option<bool>> {
        match self.look(object, key)? {
            Some((Kind::Flag(flag), _)) => Some(Some(flag)),
            Some((Kind::Text, span)) => Some(Some(flag(span.of(self.text))?)),
            None | Some((Kind::Null, _)) => Some(None),
            Some(_) => None,
        }
    }
}

impl Sketch {
    fn new(record: Span) -> Self {
        Self {
            record,
            whole: false,
            kind: ActorKind::Other,
            mfa: Some(None),
            caller: 0,
            read_only: None,
            seconds: 0,
            spans: [Span::default(); FIELDS],
        }
    }
}

/// Takes a field for the first time.
#[inline(always)]
fn once(seen: &mut u32, field: Field) -> Option<()> {
    let bit = 1 << field as u8;
    let first = *seen & bit == 0;
    *seen |= bit;
    first.then_some(())
}

/// A boolean as a string, as CloudTrail writes it.
fn flag(text: &[u8]) -> Option<bool> {
    match text {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}
