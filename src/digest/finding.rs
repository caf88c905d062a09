//! What is wrong with an archive, each kind with its own code.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

/// What a finding does to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The evidence was changed, is missing, or is not proven.
    Broken,
    /// Worth knowing, and no fault.
    Note,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $severity:ident, $title:literal;)+) => {
        /// The kind of a finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $name,)+ }

        impl Code {
            /// All of them, in the order in which they are told.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// How machines are told.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// Whether it spoils the verdict.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }

            /// One line for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

codes! {
    /// A log's bytes are not those that its digest names.
    LogAltered = "log_altered", Broken, "logs whose bytes are not those that CloudTrail signed";
    /// A log is no sound gzip any more.
    LogDamaged = "log_damaged", Broken, "logs that are damaged";
    /// Something follows the first gzip member, which is all that CloudTrail writes.
    LogSurplus = "log_surplus", Broken, "logs with more behind their gzip member";
    /// A digest names it, and it is not there.
    LogMissing = "log_missing", Broken, "logs that a digest names and that are not there";
    /// It lies elsewhere than its digest says.
    LogMoved = "log_moved", Broken, "logs that lie elsewhere than CloudTrail put them";
    /// No digest names it, though there are digests of that time.
    LogUnnamed = "log_unnamed", Broken, "logs that no digest names";
    /// It could not be read.
    LogUnreadable = "log_unreadable", Broken, "objects that could not be read";
    /// A digest that is not proven names it.
    LogUnproven = "log_unproven", Broken, "logs that only an unproven digest names";
    /// It was delivered where digests are missing.
    LogInGap = "log_in_gap", Broken, "logs delivered while there were no digests";
    /// It is newer than the last digest.
    LogAwaitingDigest = "log_awaiting_digest", Broken, "logs newer than the last digest: not proven yet";
    /// There is no digest at all of an account and region.
    NoDigests = "no_digests", Broken, "logs of accounts and regions without any digest";
    /// A digest's bytes are not those that the next digest names.
    DigestAltered = "digest_altered", Broken, "digests whose bytes are not those that the next digest names";
    /// A signature does not hold.
    DigestSignatureWrong = "digest_signature_wrong", Broken, "digests whose signature does not hold";
    /// The key that it names is not known.
    DigestKeyUnknown = "digest_key_unknown", Broken, "digests signed with a key that is not among the public keys";
    /// CloudTrail did not tell a region's keys.
    KeysUnavailable = "keys_unavailable", Broken, "regions that could not be asked for their public keys";
    /// It has no signature here.
    DigestSignatureUnavailable = "digest_signature_unavailable", Broken, "digests without a signature to check";
    /// It is no sound gzip.
    DigestUnreadable = "digest_unreadable", Broken, "digests that could not be read";
    /// It does not say what a digest says.
    DigestMalformed = "digest_malformed", Broken, "digests that do not say what a digest says";
    /// It lies elsewhere than it says.
    DigestMoved = "digest_moved", Broken, "digests that lie elsewhere than CloudTrail put them";
    /// The next digest names it, and it is not there.
    DigestMissing = "digest_missing", Broken, "digests that the chain names and that are not there";
    /// The chain ends before the archive does.
    DigestMissingNewest = "digest_missing_newest", Broken, "chains that end before the archive does";
    /// There is no digest in range of an account or a region that was asked for, or that had some before.
    DigestsAbsent = "digests_absent", Broken, "accounts and regions without any digest in the range, which were asked for or had some before";
    /// The chain passes it over.
    DigestUnlinked = "digest_unlinked", Broken, "digests that the chain passes over";
    /// The chain begins anew after a time without digests.
    ChainRestart = "chain_restart", Broken, "chains that begin anew";
    /// The same, and an event tells that logging was stopped.
    LoggingStopped = "logging_stopped", Broken, "chains that begin anew after logging was stopped";
    /// The chain begins after the range does, and an event tells that the trail was made then.
    TrailCreated = "trail_created", Broken, "trails that were made within the range: nothing before is proven";
    /// The same of an account: its first day.
    AccountCreated = "account_created", Broken, "accounts that were made within the range: nothing before is proven";
    /// The chain begins after the range does.
    ChainBegins = "chain_begins", Broken, "chains that begin after the range does";
    /// The trail's bucket or prefix was changed, and what lies there is not among the sources.
    TrailMoved = "trail_moved", Broken, "trails that came from another bucket or prefix, not among the sources";
    /// The same, and both are among the sources.
    TrailMovedHere = "trail_moved_here", Note, "trails whose bucket or prefix changed, both among the sources";
    /// Where a chain begins when no range was given.
    ChainStart = "chain_start", Note, "where the chains begin";
    /// Digests of logs that came too late for their own hour's.
    Backfill = "backfill", Note, "backfill digests";
    /// Logs of proven digests beyond the folders that were looked at.
    LogNotLookedAt = "log_not_looked_at", Note, "logs outside the folders that were looked at";
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Its kind.
    pub code: Code,
    /// The account, where one is known.
    pub account: Option<String>,
    /// The region, where one is known.
    pub region: Option<String>,
    /// The trail, where one is known.
    pub trail: Option<String>,
    /// The first moment that it concerns, where it is about a time.
    pub from: Option<DateTime<Utc>>,
    /// The first moment after it.
    pub to: Option<DateTime<Utc>>,
    /// The object, where it is about one.
    pub object: Option<String>,
    /// How many objects it stands for.
    pub count: u64,
    /// The id of the event that tells why, where one does.
    pub event_id: Option<String>,
    /// What is wrong, in words.
    pub text: String,
}

impl Finding {
    /// About an object.
    pub(super) fn object(code: Code, object: &str, text: impl Into<String>) -> Self {
        let key = crate::source::KeyInfo::parse(object);
        Self {
            code,
            account: key.account,
            region: key.region,
            trail: None,
            from: None,
            to: None,
            object: Some(object.to_owned()),
            count: 1,
            event_id: None,
            text: text.into(),
        }
    }

    /// About a chain.
    pub(super) fn chain(code: Code, chain: &super::ChainId, count: u64, text: impl Into<String>) -> Self {
        Self {
            code,
            account: Some(chain.account.clone()),
            region: Some(chain.region.clone()),
            trail: Some(chain.trail.clone()),
            from: None,
            to: None,
            object: None,
            count,
            event_id: None,
            text: text.into(),
        }
    }

    /// About a region.
    pub(super) fn region(code: Code, region: &str, text: impl Into<String>) -> Self {
        Self {
            code,
            account: None,
            region: Some(region.to_owned()),
            trail: None,
            from: None,
            to: None,
            object: None,
            count: 1,
            event_id: None,
            text: text.into(),
        }
    }

    /// The same, about a time.
    pub(super) fn between(self, from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Self {
        Self { from, to, ..self }
    }

    /// The same, about an object.
    pub(super) fn at(self, object: &str) -> Self {
        Self { object: Some(object.to_owned()), ..self }
    }
}
