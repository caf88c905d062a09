//! What a walk notes of a record and of its caller: places in the text, by field.

use super::identity::ActorKind;

/// A place in a text. No value of interest begins at 0, where there is a bracket or a quote: the empty one is no place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    /// Only documents far below 4 GiB are walked.
    #[inline(always)]
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The same place in a text that begins `by` bytes before.
    #[inline(always)]
    pub(super) fn behind(self, by: u32) -> Self {
        if self.is_empty() { Self::default() } else { Self { start: self.start + by, end: self.end + by } }
    }

    #[inline(always)]
    pub(super) fn before(self, by: u32) -> Self {
        if self.is_empty() { self } else { Self { start: self.start - by, end: self.end - by } }
    }

    pub(super) fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// The members that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Field {
    /// The first of a record's.
    ErrorCode,
    Id,
    Parameters,
    Response,
    Source,
    Name,
    SourceIp,
    Region,
    Account,
    EventType,
    /// The last that has a place in a [`RecordSpans`].
    Time,
    /// The first of `userIdentity`'s.
    Type,
    PrincipalId,
    Arn,
    CallerAccount,
    AccessKey,
    UserName,
    InvokedBy,
    Session,
    /// The last that has a place in a [`IdentitySpans`].
    OnBehalfOf,
    ReadOnly,
    Identity,
    /// Known, and not asked for; the first that is not.
    Passed,
    /// The same, and nearly always a UUID.
    Request,
    /// The same, but that the outcome of a sign-in may be in it.
    Details,
    /// The same, and what has one is the parser's to read.
    Addendum,
    /// Not known.
    Unknown,
}

/// Fields that have a place in a [`RecordSpans`].
pub(super) const OF_RECORD: usize = Field::Time as usize + 1;

/// Fields that have a place in a [`IdentitySpans`].
pub(super) const OF_CALLER: usize = Field::OnBehalfOf as usize + 1 - OF_RECORD;

impl Field {
    #[inline(always)]
    pub(super) fn is_object(self) -> bool {
        matches!(self, Self::Parameters | Self::Response | Self::Session | Self::OnBehalfOf)
    }

    /// Whether a value must be text or `null`.
    #[inline(always)]
    pub(super) fn is_text(self) -> bool {
        (self as u8) < Self::ReadOnly as u8 && !self.is_object()
    }

    #[inline(always)]
    pub(super) fn is_passed(self) -> bool {
        self as u8 >= Self::Passed as u8
    }

    #[inline(always)]
    pub(super) fn is_of_caller(self) -> bool {
        (OF_RECORD..OF_RECORD + OF_CALLER).contains(&(self as usize))
    }
}

/// What was read of `userIdentity`: places in the text, counted from where the record begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdentitySpans {
    pub(super) spans: [Span; OF_CALLER],
    pub(super) kind: ActorKind,
    /// Whether the session was authenticated with MFA, where the walk could tell.
    pub(super) mfa: Option<Option<bool>>,
}

impl Default for IdentitySpans {
    fn default() -> Self {
        Self { spans: [Span::default(); OF_CALLER], kind: ActorKind::Other, mfa: Some(None) }
    }
}

impl IdentitySpans {
    pub(super) fn span(&self, field: Field) -> Span {
        self.spans.get((field as usize).wrapping_sub(OF_RECORD)).copied().unwrap_or_default()
    }
}

/// What is to be done with a record by its envelope alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Brief {
    /// It is counted, and lies outside of what was asked for.
    Count,
    /// It shows where its caller was.
    Sighting,
    /// It is a call that is kept.
    Call,
    /// It is a call that is kept, and may be about a user.
    CallAboutUser,
}

/// What was read of one record: places in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordSpans {
    /// The record.
    pub(super) record: Span,
    /// Whether it was left to the parser: then nothing else here counts.
    pub(super) whole: bool,
    /// What the taker of the records wants to do with it.
    pub(super) brief: Brief,
    /// Whether its `serviceEventDetails` may say that it failed.
    pub(super) may_have_failed: bool,
    /// `readOnly`, where it is told.
    pub(super) read_only: Option<bool>,
    /// Whose [`IdentitySpans`]; the first is nobody's.
    pub(super) caller: u32,
    /// `eventTime` in seconds since 1970.
    pub(super) seconds: i64,
    pub(super) spans: [Span; OF_RECORD],
}

impl RecordSpans {
    pub(super) fn new(record: Span) -> Self {
        Self {
            record,
            whole: false,
            brief: Brief::Count,
            may_have_failed: false,
            read_only: None,
            caller: 0,
            seconds: 0,
            spans: [Span::default(); OF_RECORD],
        }
    }
}
