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
    identity::ActorKind,
    masks::{BLOCK, Block},
    record::parse_time,
};

/// A place in the text. No value of interest begins at 0, where the document's bracket is: the empty one is no place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// `None` beyond 4 GiB: such documents are not walked.
    fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }

    pub(super) fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// The members that are read. Those of text come first.
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
    Type,
    PrincipalId,
    Arn,
    CallerAccount,
    AccessKey,
    UserName,
    InvokedBy,
    Time,
    /// The last that must be text or `null`.
    ReadOnly,
    Parameters,
    Response,
    Session,
    OnBehalfOf,
    Identity,
    /// Known, and not asked for.
    Passed,
    /// Not known.
    Unknown,
}

/// Fields that have a place in a [`Sketch`].
const FIELDS: usize = Field::Identity as usize;

impl Field {
    fn of_record(key: &[u8]) -> Self {
        match key.len() {
            7 if key == b"eventID" => Self::Id,
            8 if key == b"readOnly" => Self::ReadOnly,
            9 => match key {
                b"eventTime" => Self::Time,
                b"eventName" => Self::Name,
                b"awsRegion" => Self::Region,
                b"eventType" => Self::EventType,
                b"errorCode" => Self::ErrorCode,
                b"userAgent" | b"requestID" | b"resources" => Self::Passed,
                _ => Self::Unknown,
            },
            11 if key == b"eventSource" => Self::Source,
            12 => match key {
                b"userIdentity" => Self::Identity,
                b"eventVersion" | b"errorMessage" => Self::Passed,
                _ => Self::Unknown,
            },
            13 if key == b"eventCategory" => Self::Passed,
            15 => match key {
                b"sourceIPAddress" => Self::SourceIp,
                b"managementEvent" => Self::Passed,
                _ => Self::Unknown,
            },
            16 if key == b"responseElements" => Self::Response,
            17 if key == b"requestParameters" => Self::Parameters,
            18 if key == b"recipientAccountId" => Self::Account,
            _ => Self::Unknown,
        }
    }

    fn of_identity(key: &[u8]) -> Self {
        match key {
            b"type" => Self::Type,
            b"principalId" => Self::PrincipalId,
            b"arn" => Self::Arn,
            b"accountId" => Self::CallerAccount,
            b"accessKeyId" => Self::AccessKey,
            b"userName" => Self::UserName,
            b"invokedBy" => Self::InvokedBy,
            b"sessionContext" => Self::Session,
            b"onBehalfOf" => Self::OnBehalfOf,
            _ => Self::Unknown,
        }
    }
}

/// What was read of one record: places in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sketch {
    /// The record.
    pub(super) record: Span,
    /// Whether it was left to the parser: then nothing else here counts.
    pub(super) whole: bool,
    pub(super) kind: ActorKind,
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
}

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

/// A cursor over the quotes outside and the brackets outside strings.
#[derive(Debug, Clone, Copy)]
struct Cursor<'m> {
    blocks: &'m [Block],
    /// The block at hand, and its marks that were not given yet.
    block: usize,
    left: u64,
    /// The last mark that was given.
    at: usize,
}

impl<'m> Cursor<'m> {
    /// Begins with the mark at `at`.
    fn new(blocks: &'m [Block], at: usize) -> Self {
        let block = at / BLOCK;
        let left = blocks.get(block).map_or(0, marks) & (u64::MAX << (at % BLOCK));
        Self { blocks, block, left, at }
    }

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        while self.left == 0 {
            self.block += 1;
            self.left = marks(self.blocks.get(self.block)?);
        }
        self.at = self.block * BLOCK + self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        Some(self.at)
    }

    /// Goes behind the bracket that closes the one that was given last; gives its place.
    #[inline(always)]
    fn close(&mut self) -> Option<usize> {
        let mut depth = 1;
        let mut block = self.block;
        let mut blocks = self.blocks.get(block..)?.iter();
        let first = blocks.next()?;
        let behind = (u64::MAX << (self.at % BLOCK)) << 1;
        let mut bit = closing(first.opens & behind, first.closes & behind, &mut depth);
        while bit.is_none() {
            let next = blocks.next()?;
            block += 1;
            // Most blocks are passed over by these counts alone.
            if u32::from(next.closed) < depth {
                depth += u32::from(next.opened);
                depth -= u32::from(next.closed);
            } else {
                bit = closing(next.opens, next.closes, &mut depth);
            }
        }
        let bit = bit?;
        self.block = block;
        self.at = block * BLOCK + bit as usize;
        self.left = self.blocks.get(block).map_or(0, marks) & ((u64::MAX << bit) << 1);
        Some(self.at)
    }
}

#[inline(always)]
fn marks(block: &Block) -> u64 {
    block.quotes | block.opens | block.closes
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
#[derive(Clone, Copy)]
pub(super) struct Walk<'t> {
    text: &'t [u8],
    cursor: Cursor<'t>,
    /// The last date, and when it began: neighbouring records share it.
    date: [u8; 11],
    midnight: i64,
}

impl<'t> Walk<'t> {
    /// Begins with the bracket or quote at `at`.
    pub(super) fn new(text: &'t [u8], blocks: &'t [Block], at: usize) -> Self {
        Self { text, cursor: Cursor::new(blocks, at), date: [0; 11], midnight: 0 }
    }

    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or_default()
    }

    /// Sketches the records of the list that begins at `list` and ends the document.
    pub(super) fn records(&mut self, list: usize, sketches: &mut Vec<Sketch>) -> Option<()> {
        self.mark(list)?;
        let mut at = self.space(list + 1);
        while self.byte(at) != b']' || !sketches.is_empty() {
            let before = *self;
            self.mark(at)?;
            if self.byte(at) != b'{' {
                return None;
            }
            let sketch = match self.record(at) {
                Some(sketch) => sketch,
                None => {
                    *self = before;
                    self.mark(at)?;
                    let end = self.close(b'}')?;
                    Sketch { whole: true, ..Sketch::new(Span::new(at, end)?) }
                }
            };
            at = self.space(sketch.record.end as usize);
            sketches.push(sketch);
            match self.byte(at) {
                b',' => at = self.space(at + 1),
                b']' => break,
                _ => return None,
            }
        }
        self.mark(at)?;
        let end = self.space(at + 1);
        self.mark(end)?;
        (self.byte(end) == b'}' && self.space(end + 1) == self.text.len()).then_some(())
    }

    /// The next mark must be at this place.
    #[inline(always)]
    fn mark(&mut self, at: usize) -> Option<()> {
        (self.cursor.next()? == at).then_some(())
    }

    /// Behind the white space at `at`.
    fn space(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        at + rest.iter().position(|byte| !b" \t\r\n".contains(byte)).unwrap_or(rest.len())
    }

    /// Behind the value whose opening bracket was the last mark.
    #[inline(always)]
    fn close(&mut self, bracket: u8) -> Option<usize> {
        let end = self.cursor.close()?;
        (self.byte(end) == bracket).then_some(end + 1)
    }

    /// The key that begins at `at`, and where its value begins.
    #[inline(always)]
    fn key(&mut self, at: usize) -> Option<(&'t [u8], usize)> {
        self.mark(at)?;
        let end = self.cursor.next()?;
        let key = self.text.get(at + 1..end)?;
        (self.byte(at) == b'"' && self.byte(end + 1) == b':').then_some((key, end + 2))
    }

    /// The value that begins at `at`, and what follows it.
    #[inline(always)]
    fn value(&mut self, at: usize) -> Option<(Kind, Span, usize)> {
        match self.byte(at) {
            b'"' => {
                self.mark(at)?;
                let end = self.cursor.next()?;
                Some((Kind::Text, Span::new(at + 1, end)?, end + 1))
            }
            open @ (b'{' | b'[') => {
                self.mark(at)?;
                let object = open == b'{';
                let end = self.close(if object { b'}' } else { b']' })?;
                Some((if object { Kind::Object } else { Kind::Array }, Span::new(at, end)?, end))
            }
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
    fn more(&mut self, after: usize) -> Option<Option<usize>> {
        match self.byte(after) {
            b',' => Some(Some(after + 1)),
            b'}' => self.mark(after).map(|()| None),
            _ => None,
        }
    }

    /// Whether there is no backslash in a string.
    #[inline(always)]
    fn simple(&self, span: Span) -> bool {
        let (first, last) = (span.start as usize / BLOCK, span.end as usize / BLOCK);
        let backslash = |block: usize| self.cursor.blocks.get(block).is_none_or(|block| block.backslash);
        if last <= first + 1 && !backslash(first) && !backslash(last) {
            return true;
        }
        memchr::memchr(b'\\', span.of(self.text)).is_none()
    }

    /// The record whose opening bracket was the last mark.
    fn record(&mut self, start: usize) -> Option<Sketch> {
        let mut sketch = Sketch::new(Span::default());
        let mut seen = 0;
        let mut next = start + 1;
        let end = loop {
            let (key, at) = self.key(next)?;
            let field = Field::of_record(key);
            let after = match field {
                Field::Identity if self.byte(at) == b'{' => {
                    self.mark(at)?;
                    once(&mut seen, field)?;
                    self.identity(at, &mut sketch, &mut seen)?
                }
                _ => self.member(key, field, at, &mut sketch, &mut seen)?,
            };
            match self.more(after)? {
                Some(key) => next = key,
                None => break after + 1,
            }
        };
        sketch.record = Span::new(start, end)?;
        sketch.seconds = self.seconds(sketch.span(Field::Time))?;
        if sketch.span(Field::Source).is_empty() || sketch.span(Field::Name).is_empty() {
            return None;
        }
        if sketch.span(Field::EventType).of(self.text) == b"AwsCloudTrailInsight" {
            return None;
        }
        sketch.kind = self.kind(&sketch)?;
        Some(sketch)
    }

    /// The members of `userIdentity`, whose opening bracket was the last mark; gives what follows it.
    fn identity(&mut self, start: usize, sketch: &mut Sketch, seen: &mut u32) -> Option<usize> {
        let mut next = start + 1;
        if self.byte(next) == b'}' {
            return self.mark(next).map(|()| next + 1);
        }
        loop {
            let (key, at) = self.key(next)?;
            let after = self.member(key, Field::of_identity(key), at, sketch, seen)?;
            match self.more(after)? {
                Some(key) => next = key,
                None => return Some(after + 1),
            }
        }
    }

    /// Reads one member into the sketch; gives what follows it.
    #[inline(always)]
    fn member(&mut self, key: &[u8], field: Field, at: usize, sketch: &mut Sketch, seen: &mut u32) -> Option<usize> {
        let (kind, span, after) = self.value(at)?;
        match field {
            Field::Passed => return Some(after),
            // It may be a known key with an escape in it.
            Field::Unknown => return (!key.contains(&b'\\')).then_some(after),
            _ => once(seen, field)?,
        }
        let place = sketch.spans.get_mut(field as usize);
        match kind {
            // As if it were absent; what must be there is missed in the end.
            Kind::Null => {}
            Kind::Flag(flag) if field == Field::ReadOnly => sketch.read_only = Some(flag),
            Kind::Text if field == Field::ReadOnly => sketch.read_only = Some(flag(span.of(self.text))?),
            Kind::Text if (field as u8) < Field::ReadOnly as u8 && self.simple(span) => *place? = span,
            Kind::Object if (field as u8) > Field::ReadOnly as u8 => *place? = span,
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
            (tens < 10 && ones < 10 && tens * 10 + ones < below).then_some(i64::from(tens * 10 + ones))
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

    /// The member `key` of an object; the outer `None` where the object has anything unusual.
    pub(super) fn look(&self, object: Span, key: &[u8]) -> Option<Option<(Kind, Span)>> {
        let start = object.start as usize;
        let mut walk = Walk { cursor: Cursor::new(self.cursor.blocks, start), ..*self };
        walk.mark(start)?;
        let mut next = start + 1;
        if walk.byte(next) == b'}' {
            return Some(None);
        }
        let mut found = None;
        loop {
            let (name, at) = walk.key(next)?;
            let (kind, span, after) = walk.value(at)?;
            if name == key {
                if found.replace((kind, span)).is_some() {
                    return None;
                }
            } else if name.contains(&b'\\') {
                return None;
            }
            match walk.more(after)? {
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
