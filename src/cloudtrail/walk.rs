//! From the bytes of an ordinary document to its records' envelopes, without a parse.
//!
//! A parse costs three times what inflating does, and of almost every record only the envelope is asked for. So the walk
//! goes from member to member: it finds where strings end and brackets close by [`masks`](super::masks), passes over
//! callers that were read before ([`callers`](super::callers)), and over all nested values by counting brackets.
//!
//! It is strict: it takes what CloudTrail writes, to the letter. A record with anything else on its way (white space, a
//! backslash in a key or in what is read, a key twice, another type than usual) is left to the parser, alone; where the
//! document's own frame is unusual, all of it is. So what the walk says of a sound document is what a parse says. **The limit**:
//! damage within a string or a nested value that is passed over, such as an unknown escape, is not seen.
//!
//! A search cuts the elements of a list out by the same means ([`Elements`]).

use std::{ops::Range, sync::LazyLock};

use memchr::memmem::Finder;

use super::{
    callers::Callers,
    identity::ActorKind,
    masks::{BLOCK, Carry, Raw, Simd, Task, filled},
    record::{mfa_of, parse_time},
    spans::{Field, IdentitySpans, OF_RECORD, RecordSpans, Span},
};

/// Bytes of a time.
const TIME: usize = "2026-10-01T10:00:00Z".len();

/// Bytes of a UUID.
const UUID: usize = 36;

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
    Key::new("requestID", Field::Request),
    Key::new("eventID", Field::Id),
    Key::new("readOnly", Field::ReadOnly),
    Key::new("resources", Field::Passed),
    Key::new("eventType", Field::EventType),
    Key::new("apiVersion", Field::Passed),
    Key::new("managementEvent", Field::Passed),
    Key::new("recipientAccountId", Field::Account),
    Key::new("serviceEventDetails", Field::Details),
    Key::new("sharedEventID", Field::Passed),
    Key::new("vpcEndpointId", Field::Passed),
    Key::new("vpcEndpointAccountId", Field::Passed),
    Key::new("eventCategory", Field::Passed),
    Key::new("addendum", Field::Addendum),
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

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The span is what stands between its quotes; whether there is no backslash in it.
    Text(bool),
    Flag(bool),
    Null,
    Number,
    /// The span has its brackets.
    Object,
    Array,
}

/// A list of more records is left to the parser, which keeps nothing of them: each sketch takes more than the smallest record.
const MOST: usize = if cfg!(test) { 1 << 12 } else { 1 << 18 };

/// The records of a list, to be sketched.
pub(super) struct Records<'w, 't> {
    pub(super) text: &'t [u8],
    /// Where the list begins, which ends the document.
    pub(super) list: usize,
    pub(super) callers: &'w mut Callers,
    pub(super) sketches: &'w mut Vec<RecordSpans>,
}

impl Task for Records<'_, '_> {
    type Output = Option<()>;

    #[inline(always)]
    fn run_with<S: Simd>(self, simd: S) -> Option<()> {
        let Self { text, list, callers, sketches } = self;
        Walk::new(text, simd).elements(
            list,
            #[inline(always)]
            |walk, at| {
                if walk.byte(at) != b'{' || sketches.len() == MOST {
                    return None;
                }
                // Filled in where it stays: it is large.
                sketches.push(RecordSpans::new(Span::default()));
                let sketch = sketches.last_mut()?;
                if walk.record(at, callers, sketch).is_none() {
                    let end = walk.close(at)?;
                    *sketch = RecordSpans { whole: true, ..RecordSpans::new(Span::new(at, end)) };
                }
                Some(sketch.record.end as usize)
            },
        )
    }
}

/// The elements of a list that have brackets, to be looked at one after another.
pub(super) struct Elements<'t, E> {
    pub(super) text: &'t [u8],
    /// Where the list begins, which ends the document.
    pub(super) list: usize,
    pub(super) each: E,
}

impl<E: FnMut(Range<usize>)> Task for Elements<'_, E> {
    type Output = Option<()>;

    #[inline(always)]
    fn run_with<S: Simd>(self, simd: S) -> Option<()> {
        let Self { text, list, mut each } = self;
        Walk::new(text, simd).elements(
            list,
            #[inline(always)]
            |walk, at| {
                let (kind, _, end) = walk.value(at)?;
                if matches!(kind, Kind::Object | Kind::Array | Kind::Text(_)) {
                    each(at..end);
                }
                Some(end)
            },
        )
    }
}

/// A question for the text at `key` of an object; the outer `None` where the object has anything unusual.
pub(super) struct Text<'t, 'k> {
    pub(super) text: &'t [u8],
    pub(super) object: Span,
    pub(super) key: &'k [u8],
}

impl<'t> Task for Text<'t, '_> {
    type Output = Option<Option<&'t [u8]>>;

    #[inline(always)]
    fn run_with<S: Simd>(self, simd: S) -> Self::Output {
        match Walk::new(self.text, simd).look(self.object, self.key)? {
            Some((Kind::Text(true), span)) => Some(Some(span.of(self.text)).filter(|text| !text.is_empty())),
            None | Some((Kind::Null, _)) => Some(None),
            Some(_) => None,
        }
    }
}

/// A question for the ARN of the role whose session `session` describes; the outer `None` as of [`Text`].
pub(super) struct Issuer<'t> {
    pub(super) text: &'t [u8],
    pub(super) session: Span,
}

impl<'t> Task for Issuer<'t> {
    type Output = Option<Option<&'t [u8]>>;

    #[inline(always)]
    fn run_with<S: Simd>(self, simd: S) -> Self::Output {
        match Walk::new(self.text, simd).look(self.session, b"sessionIssuer")? {
            Some((Kind::Object, object)) => Text { text: self.text, object, key: b"arn" }.run_with(simd),
            None | Some((Kind::Null, _)) => Some(None),
            Some(_) => None,
        }
    }
}

/// The `userIdentity` whose opening bracket is at `at`, and what follows it.
struct Identity<'t> {
    text: &'t [u8],
    at: usize,
}

impl Task for Identity<'_> {
    type Output = Option<(IdentitySpans, usize)>;

    #[inline(always)]
    fn run_with<S: Simd>(self, simd: S) -> Self::Output {
        Walk::new(self.text, simd).identity(self.at)
    }
}

/// The value that begins at `at`, and what follows it.
struct Value<'t> {
    text: &'t [u8],
    at: usize,
}

impl Task for Value<'_> {
    type Output = Option<(Kind, Span, usize)>;

    #[inline(always)]
    fn run_with<S: Simd>(self, simd: S) -> Self::Output {
        Walk::new(self.text, simd).value(self.at)
    }
}

/// A walk over the members of objects in one text. Whatever it does not take is `None`.
///
/// Places are outside strings, or behind a string's opening quote, by what was read before them.
#[derive(Clone, Copy)]
struct Walk<'t, S> {
    text: &'t [u8],
    simd: S,
    /// The last date, and when it began: neighboring records share it.
    date: [u8; 11],
    midnight: i64,
}

impl<'t, S: Simd> Walk<'t, S> {
    fn new(text: &'t [u8], simd: S) -> Self {
        // No sound text has such a date.
        Self { text, simd, date: [0xff; 11], midnight: 0 }
    }

    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or_default()
    }

    #[inline(always)]
    fn rest(&self, at: usize) -> &'t [u8] {
        self.text.get(at..).unwrap_or_default()
    }

    /// Behind the white space at `at`.
    #[inline(always)]
    fn space(&self, at: usize) -> usize {
        if self.byte(at) > b' ' { at } else { self.far_space(at) }
    }

    #[cold]
    fn far_space(&self, at: usize) -> usize {
        let rest = self.rest(at);
        at + rest.iter().position(|byte| !b" \t\r\n".contains(byte)).unwrap_or(rest.len())
    }

    /// The block from `at` on; what is behind the text are spaces. `None` where all of it is.
    #[inline(always)]
    fn look_at(&self, at: usize) -> Option<Raw> {
        let rest = self.rest(at);
        match rest.first_chunk() {
            Some(block) => Some(self.simd.look(block)),
            None if rest.is_empty() => None,
            None => match self.text.last_chunk::<BLOCK>() {
                Some(block) => Some(self.simd.look(block).from(BLOCK - rest.len())),
                None => Some(self.simd.look(&filled(rest))),
            },
        }
    }

    /// The quote that ends the string that goes on at `at`, and whether there is no backslash before it.
    #[inline(always)]
    fn string(&self, at: usize) -> Option<(usize, bool)> {
        if let Some(short) = self.rest(at).first_chunk() {
            let (quotes, backslashes) = self.simd.look_short(short);
            if quotes != 0 && backslashes & (quotes ^ (quotes - 1)) == 0 {
                return Some((at + quotes.trailing_zeros() as usize, true));
            }
        }
        let (mut from, mut simple) = (at, true);
        let mut carry = Carry::default();
        loop {
            let raw = self.look_at(from)?;
            let quotes = carry.quotes(raw);
            if quotes != 0 {
                let bit = quotes.trailing_zeros();
                simple &= raw.backslashes & ((1 << bit) - 1) == 0;
                return Some((from + bit as usize, simple));
            }
            simple &= raw.backslashes == 0;
            from += BLOCK;
        }
    }

    /// Behind the value whose opening bracket is at `at`.
    #[inline(always)]
    fn close(&self, at: usize) -> Option<usize> {
        let (mut from, mut depth, mut in_string) = (at + 1, 1_u32, 0);
        let mut carry = Carry::default();
        loop {
            let raw = self.look_at(from)?;
            let quotes = carry.quotes(raw);
            // One bracket after another, for there are few: where the next one is is known sooner than what is in a string.
            let mut brackets = raw.opens | raw.closes;
            while brackets != 0 {
                let bracket = brackets & brackets.wrapping_neg();
                if (quotes & (bracket - 1)).count_ones() & 1 == in_string {
                    if raw.opens & bracket != 0 {
                        depth += 1;
                    } else if depth > 1 {
                        depth -= 1;
                    } else {
                        let end = from + bracket.trailing_zeros() as usize;
                        // The closing brackets are two above the opening ones.
                        return (self.byte(end) == self.byte(at) + 2).then_some(end + 1);
                    }
                }
                brackets ^= bracket;
            }
            in_string ^= quotes.count_ones() & 1;
            from += BLOCK;
        }
    }

    /// The elements of the list that begins at `list` and ends the document: `element` tells where the one ends that begins
    /// at a place.
    #[inline(always)]
    fn elements(mut self, list: usize, mut element: impl FnMut(&mut Self, usize) -> Option<usize>) -> Option<()> {
        let mut at = self.space(list + 1);
        if self.byte(at) != b']' {
            loop {
                let end = element(&mut self, at)?;
                at = self.space(end);
                match self.byte(at) {
                    b',' => at = self.space(at + 1),
                    b']' => break,
                    _ => return None,
                }
            }
        }
        let end = self.space(at + 1);
        (self.byte(end) == b'}' && self.space(end + 1) == self.text.len()).then_some(())
    }

    /// The key that begins at `at`, and where its value begins.
    #[inline(always)]
    fn key(&self, at: usize) -> Option<(&'t [u8], usize)> {
        // First, for what is no string has no end to be looked for.
        if self.byte(at) != b'"' {
            return None;
        }
        let (end, _) = self.string(at + 1)?;
        let key = self.text.get(at + 1..end)?;
        (self.byte(end + 1) == b':').then_some((key, end + 2))
    }

    /// The value that begins at `at`, and what follows it.
    #[inline(always)]
    fn value(&self, at: usize) -> Option<(Kind, Span, usize)> {
        match self.byte(at) {
            b'"' => {
                let (end, simple) = self.string(at + 1)?;
                Some((Kind::Text(simple), Span::new(at + 1, end), end + 1))
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

    /// The record whose opening bracket is at `start`.
    #[inline(always)]
    fn record(&mut self, start: usize, callers: &mut Callers, sketch: &mut RecordSpans) -> Option<()> {
        let mut seen = 0;
        let mut next = start + 1;
        if let Some((caller, length)) = callers.find(self.rest(start)) {
            sketch.caller = caller;
            once(&mut seen, Field::Identity)?;
            next = start + length;
        }
        let end = 'record: loop {
            // One comparison for each known key, one after another in the usual order: how far to go is then known
            // before it is read, and the processor reads several members at once.
            macro_rules! usual {
                ($($number:literal $read:ident)*) => {$(
                    let key = const { &RECORD_KEYS[$number] };
                    if self.rest(next).first_chunk().is_some_and(|text| key.begins(text)) {
                        let value = next + key.name.len() + 3;
                        let after = match self.$read(key.field, value, sketch, &mut seen)? {
                            0 => self.member(key.field, start, value, callers, sketch, &mut seen)?,
                            after => after,
                        };
                        match self.more(after)? {
                            Some(key) => next = key,
                            None => break 'record after + 1,
                        }
                    }
                )*};
            }
            usual!(
                0 string_of 1 any_of 2 time_of 3 string_of 4 string_of 5 string_of 6 string_of 7 string_of 8 string_of
                9 string_of 10 nested_of 11 nested_of 12 nested_of 13 uuid_of 14 uuid_of 15 flag_of 16 nested_of
                18 string_of 17 string_of 19 flag_of 20 string_of 21 details_of 22 string_of 23 string_of 24 string_of
                25 string_of 26 addendum_of 27 nested_of
            );
            let (field, value) = self.any_key(next, &RECORD_KEYS)?;
            let after = self.member(field, start, value, callers, sketch, &mut seen)?;
            match self.more(after)? {
                Some(key) => next = key,
                None => break after + 1,
            }
        };
        sketch.record = Span::new(start, end);
        let own = |field: Field| sketch.spans.get(field as usize).copied().unwrap_or_default();
        if own(Field::Source).is_empty() || own(Field::Name).is_empty() || own(Field::Time).is_empty() {
            return None;
        }
        // Insights are another product's records.
        (own(Field::EventType).of(self.text) != b"AwsCloudTrailInsight").then_some(())
    }

    /// A member as `usual` has it: what follows it, or 0 where it is something else.
    #[inline(always)]
    fn any_of(&self, _field: Field, _at: usize, _sketch: &mut RecordSpans, _seen: &mut u32) -> Option<usize> {
        Some(0)
    }

    /// Likewise: a string.
    #[inline(always)]
    fn string_of(&self, field: Field, at: usize, sketch: &mut RecordSpans, seen: &mut u32) -> Option<usize> {
        if self.byte(at) != b'"' {
            return Some(0);
        }
        let (end, simple) = self.string(at + 1)?;
        if !field.is_passed() {
            once(seen, field)?;
            *sketch.spans.get_mut(field as usize)? = Span::new(at + 1, end);
            if !simple {
                return None;
            }
        }
        Some(end + 1)
    }

    /// Likewise: a UUID. That it is one is seen without waiting for where it ends.
    #[inline(always)]
    fn uuid_of(&self, field: Field, at: usize, sketch: &mut RecordSpans, seen: &mut u32) -> Option<usize> {
        const UPTO: u64 = (2 << UUID) - 1;
        let uuid = |raw: Raw| raw.quotes & UPTO == 1 << UUID && raw.backslashes & UPTO == 0;
        if self.byte(at) != b'"' || !self.look_at(at + 1).is_some_and(uuid) {
            return Some(0);
        }
        if !field.is_passed() {
            once(seen, field)?;
            *sketch.spans.get_mut(field as usize)? = Span::new(at + 1, at + 1 + UUID);
        }
        Some(at + 1 + UUID + 1)
    }

    /// Likewise: the time.
    #[inline(always)]
    fn time_of(&mut self, field: Field, at: usize, sketch: &mut RecordSpans, seen: &mut u32) -> Option<usize> {
        let end = at + 1 + TIME;
        if self.byte(at) != b'"' || self.byte(end) != b'"' {
            return Some(0);
        }
        once(seen, field)?;
        sketch.seconds = self.seconds(at + 1)?;
        *sketch.spans.get_mut(field as usize)? = Span::new(at + 1, end);
        Some(end + 1)
    }

    /// Likewise: a flag.
    #[inline(always)]
    fn flag_of(&self, field: Field, at: usize, sketch: &mut RecordSpans, seen: &mut u32) -> Option<usize> {
        let (flag, length) = match self.rest(at) {
            rest if rest.starts_with(b"true") => (true, 4),
            rest if rest.starts_with(b"false") => (false, 5),
            _ => return Some(0),
        };
        if !field.is_passed() {
            once(seen, field)?;
            sketch.read_only = Some(flag);
        }
        Some(at + length)
    }

    /// Likewise: an object or an array, or `null`.
    #[inline(always)]
    fn nested_of(&self, field: Field, at: usize, sketch: &mut RecordSpans, seen: &mut u32) -> Option<usize> {
        let object = self.byte(at) == b'{';
        if !object && (self.byte(at) != b'[' || !field.is_passed()) {
            if !self.rest(at).starts_with(b"null") {
                return Some(0);
            }
            if !field.is_passed() {
                once(seen, field)?;
            }
            return Some(at + 4);
        }
        let end = self.close(at)?;
        if !field.is_passed() {
            once(seen, field)?;
            *sketch.spans.get_mut(field as usize)? = Span::new(at, end);
        }
        Some(end)
    }

    /// Likewise, and whether "Failure" is in it.
    #[inline(always)]
    fn details_of(&self, field: Field, at: usize, sketch: &mut RecordSpans, seen: &mut u32) -> Option<usize> {
        let after = self.nested_of(field, at, sketch, seen)?;
        sketch.may_have_failed |= may_tell_failure(self.text.get(at..after).unwrap_or_default());
        Some(after)
    }

    /// Likewise: `null` alone.
    #[inline(always)]
    fn addendum_of(&self, _field: Field, at: usize, _sketch: &mut RecordSpans, _seen: &mut u32) -> Option<usize> {
        self.rest(at).starts_with(b"null").then_some(at + 4)
    }

    /// Any member of the record that begins at `start`, whose value begins at `at`; gives what follows it.
    #[inline(never)]
    fn member(
        &mut self,
        field: Field,
        start: usize,
        at: usize,
        callers: &mut Callers,
        sketch: &mut RecordSpans,
        seen: &mut u32,
    ) -> Option<usize> {
        if field == Field::Identity && self.byte(at) == b'{' {
            once(seen, field)?;
            let (found, after) = self.simd.run(Identity { text: self.text, at })?;
            let found = IdentitySpans { spans: found.spans.map(|span| span.before(start as u32)), ..found };
            // It is the record's beginning if nothing that counts stands before it.
            sketch.caller = match self.text.get(start..after + 1) {
                Some(text) if *seen == bit(Field::Identity) && !sketch.may_have_failed && self.byte(after) == b',' => {
                    callers.cache(text, self.rest(start), found)
                }
                _ => callers.once(found),
            };
            return Some(after);
        }
        if field == Field::Time {
            return self.time_of(field, at, sketch, seen).filter(|after| *after != 0);
        }
        let value = self.simd.run(Value { text: self.text, at })?;
        match field {
            Field::Details => {
                sketch.may_have_failed |= may_tell_failure(self.text.get(at..value.2).unwrap_or_default())
            }
            Field::Addendum if value.0 != Kind::Null => return None,
            _ => {}
        }
        if field == Field::ReadOnly {
            once(seen, field)?;
            sketch.read_only = self.truth(value)?;
            return Some(value.2);
        }
        take(field, value, &mut sketch.spans, 0, seen)
    }

    /// `userIdentity`, whose opening bracket is at `start`, and what follows it.
    #[inline(always)]
    fn identity(&self, start: usize) -> Option<(IdentitySpans, usize)> {
        let mut found = IdentitySpans::default();
        let (mut at, mut seen) = (start + 1, 0);
        let mut following = if self.byte(at) == b'}' { None } else { Some(at) };
        while let Some(key) = following {
            let (field, value) = self.any_key(key, &IDENTITY_KEYS)?;
            at = take(field, self.value(value)?, &mut found.spans, OF_RECORD, &mut seen)?;
            following = self.more(at)?;
        }
        found.kind = self.kind(&found)?;
        found.mfa = self.session_mfa(&found);
        Some((found, at + 1))
    }

    /// The time at `at`, in the form that CloudTrail writes.
    #[inline(always)]
    fn seconds(&mut self, at: usize) -> Option<i64> {
        let text: &[u8; TIME] = self.rest(at).first_chunk()?;
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
    #[inline(always)]
    fn kind(&self, found: &IdentitySpans) -> Option<ActorKind> {
        Some(match found.span(Field::Type).of(self.text) {
            b"AssumedRole" | b"Role" | b"FederatedUser" | b"SAMLUser" | b"WebIdentityUser" => ActorKind::AssumedRole,
            b"AWSService" => ActorKind::Service,
            b"IAMUser" => ActorKind::IamUser,
            b"Root" => {
                let session = found.span(Field::Session);
                let assumed = match session.is_empty() {
                    true => None,
                    false => self.flag(session, b"assumedRoot")?,
                };
                if assumed == Some(true) { ActorKind::AssumedRoot } else { ActorKind::Root }
            }
            b"" if !found.span(Field::InvokedBy).is_empty() => ActorKind::Service,
            // Whom these act for is the parser's to read.
            _ if !found.span(Field::OnBehalfOf).is_empty() => return None,
            b"IdentityCenterUser" => ActorKind::IdentityCenter,
            _ => ActorKind::Other,
        })
    }

    /// As [`Record::session_mfa`](super::Record::session_mfa) has it; the outer `None` where only the parsed record can
    /// tell.
    #[inline(always)]
    fn session_mfa(&self, found: &IdentitySpans) -> Option<Option<bool>> {
        let session = found.span(Field::Session);
        let told = match session.is_empty() {
            true => None,
            false => match self.look(session, b"attributes")? {
                Some((Kind::Object, attributes)) => self.flag(attributes, b"mfaAuthenticated")?,
                None | Some((Kind::Null, _)) => None,
                Some(_) => return None,
            },
        };
        Some(mfa_of(found.kind, told))
    }

    /// The member `key` of an object; the outer `None` where the object has anything unusual.
    #[inline(always)]
    fn look(&self, object: Span, key: &[u8]) -> Option<Option<(Kind, Span)>> {
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

    /// The boolean at `key` of an object.
    #[inline(always)]
    fn flag(&self, object: Span, key: &[u8]) -> Option<Option<bool>> {
        match self.look(object, key)? {
            Some((kind, span)) => self.truth((kind, span, 0)),
            None => Some(None),
        }
    }

    /// A boolean, which may be a string, as CloudTrail writes it; or `null`.
    fn truth(&self, (kind, span, _): (Kind, Span, usize)) -> Option<Option<bool>> {
        match (kind, span.of(self.text)) {
            (Kind::Flag(flag), _) => Some(Some(flag)),
            (Kind::Text(_), b"true") => Some(Some(true)),
            (Kind::Text(_), b"false") => Some(Some(false)),
            (Kind::Null, _) => Some(None),
            _ => None,
        }
    }

    /// The field of any key, and where its value begins.
    #[inline(always)]
    fn any_key(&self, at: usize, keys: &[Key]) -> Option<(Field, usize)> {
        let (name, value) = self.key(at)?;
        let field = field(keys, name);
        // It may be a known key with an escape in it.
        (field != Field::Unknown || !name.contains(&b'\\')).then_some((field, value))
    }
}

/// Whether "Failure" is in a text, or may be: no letter of a text without a backslash is written in another way.
pub(super) fn may_tell_failure(text: &[u8]) -> bool {
    static FAILURE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("Failure"));
    FAILURE.find(text).is_some() || memchr::memchr(b'\\', text).is_some()
}

#[inline(always)]
const fn bit(field: Field) -> u32 {
    1 << field as u8
}

/// Takes a field for the first time.
#[inline(always)]
fn once(seen: &mut u32, field: Field) -> Option<()> {
    let first = *seen & bit(field) == 0;
    *seen |= bit(field);
    first.then_some(())
}

/// Takes a value whose place is that of the field, less `before`; gives what follows it.
fn take(
    field: Field,
    (kind, span, after): (Kind, Span, usize),
    spans: &mut [Span],
    before: usize,
    seen: &mut u32,
) -> Option<usize> {
    if field.is_passed() {
        return Some(after);
    }
    once(seen, field)?;
    match kind {
        // As if it were absent; what must be there is missed in the end.
        Kind::Null => {}
        Kind::Object if field.is_object() => *spans.get_mut((field as usize).wrapping_sub(before))? = span,
        Kind::Text(true) if field.is_text() => *spans.get_mut((field as usize).wrapping_sub(before))? = span,
        _ => return None,
    }
    Some(after)
}
