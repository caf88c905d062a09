//! Who called what from where, for everything that is no lifecycle event: activity in windows, addresses seen before,
//! and calls about a principal that show that somebody noticed.

mod callers;
mod calls;
mod collect;
mod event_id;
mod fold;
mod objects;
mod sightings;
mod texts;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::cloudtrail::{Actor, ActorKind, Caller};
use crate::mfa::{Conflict, Names};

pub use collect::{Part, Trace};

/// The name under which IAM calls mean the root user, as [`Call::about_user`] has it.
pub const ABOUT_ROOT: &str = "aws root user";

/// One call or sign-in, as far as the figures need it.
///
/// Kept for every call by an IAM user, a root user or an Identity Center user, and for every IAM call about a user. One
/// user makes thousands, so what they have in common is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `eventID`.
    pub event_id: String,
    /// `eventTime`.
    pub time: DateTime<Utc>,
    /// `recipientAccountId`.
    pub account: Arc<str>,
    /// Who called.
    pub actor: Arc<Actor>,
    /// `sourceIPAddress`.
    pub source_ip: Option<Arc<str>>,
    /// `eventSource`.
    pub service: Arc<str>,
    /// `eventName`.
    pub name: Arc<str>,
    /// Whether the call only reads.
    pub read_only: bool,
    /// Whether it was refused, or the sign-in failed.
    pub failed: bool,
    /// Whether the session was MFA-authenticated.
    pub session_mfa: Option<bool>,
    /// For a console sign-in, `MFAUsed`.
    pub sign_in_mfa: Option<bool>,
    /// The IAM user that the call is about, as [`crate::mfa::named_user`] tells it, in lower case; `aws root user` for the
    /// root user.
    pub about_user: Option<Arc<str>>,
    /// How its record stands to others of the same event.
    pub lineage: Lineage,
}

/// How the record of a call stands to others of the same event: see [`fold`](crate::mfa::fold()).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage {
    /// `addendum.originalEventID`: the event that the record says again. `None` once it is taken in there.
    pub original: Option<Arc<str>>,
    /// The objects that hold it, in order of name.
    pub objects: Names,
    /// Whether a proven digest names one of them.
    pub is_verified: bool,
    /// Whether digests were asked for, and no proven one names any of them.
    pub is_unproven: bool,
    /// Whether another record of this event says something else.
    pub is_disputed: bool,
}

/// The object at hand.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'o> {
    /// Its name.
    pub object: &'o str,
    /// Whether a proven digest names it.
    pub is_verified: bool,
}

/// That an actor other than a user was seen at an address: all its successful calls of one UTC day, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The actor's `principalId`, else its ARN.
    pub actor: Arc<str>,
    /// `sourceIPAddress`.
    pub source_ip: Arc<str>,
    /// The first call of that day.
    pub first: DateTime<Utc>,
    /// The last call of that day.
    pub last: DateTime<Utc>,
}

/// What the trace tells about the principals and actors of the windows. More than is needed does no harm: the analysis
/// picks what it wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// Calls, each once, or once for each of the things that are said of it.
    pub calls: Vec<Call>,
    /// Sightings of roles, services and the rest.
    pub sightings: Vec<Sighting>,
    /// Those that only objects tell of which digests were asked for, and which no proven one names.
    pub unproven_sightings: Vec<Sighting>,
    /// Of which of the calls several records say different things.
    pub conflicts: Vec<Conflict>,
}

impl Context {
    /// What is left without the objects that no proven digest names.
    #[must_use]
    pub fn without_unproven(&self) -> Self {
        let calls = self.calls.iter().filter(|call| !call.lineage.is_unproven).cloned().collect();
        Self { calls, unproven_sightings: Vec::new(), ..self.clone() }
    }

    /// Whether that is all.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.unproven_sightings.is_empty() && !self.calls.iter().any(|call| call.lineage.is_unproven)
    }
}

/// Whose calls matter. Asked without regard to time, so that a trace can answer once per caller and not once per call:
/// what is collected is more than what counts, and the analysis picks.
pub trait Selection {
    /// Whether the calls of `actor` in `account` matter.
    fn caller(&self, actor: &Actor, account: &str) -> bool;

    /// Whether calls about the user `about` (as [`Call::about_user`]) of `account` matter.
    fn about(&self, account: &str, about: &str) -> bool;

    /// Whether the sightings of an actor matter; by [`sighting_key`].
    fn actor(&self, key: &str) -> bool;

    /// The ids of events that other calls may not bear: calls of these ids matter, whoever made them.
    fn events(&self) -> &BTreeSet<String>;

    /// Adds the callers among `calls` that read about a principal that matters: whether that was a sweep takes their
    /// other reading calls too.
    fn add_readers(&mut self, calls: &[Call]);

    /// Whether `actor` was added as a reader.
    fn reader(&self, actor: &Actor) -> bool;

    /// Whether a reading call at `time` is near enough to one that might notice something.
    fn near_reading(&self, time: DateTime<Utc>) -> bool;
}

/// How sightings name an actor: `principalId`, which for a role session holds the session's name, else the ARN; `None`
/// for users, whose calls are kept one by one.
#[must_use]
pub fn sighting_key(actor: &Actor) -> Option<&str> {
    key_of(actor.as_caller())
}

/// [`sighting_key`] of a caller that is still in its record.
fn key_of(caller: Caller<'_>) -> Option<&str> {
    match caller.kind {
        ActorKind::IamUser | ActorKind::Root | ActorKind::IdentityCenter => None,
        _ => caller.id.or(caller.arn),
    }
}
