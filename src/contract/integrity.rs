//! What CloudTrail's digests say of an archive as a whole, and of the bytes that tell of one event.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::codes::codes;

/// `coverage.integrity`: what a report says of the integrity of everything that it rests on.
#[derive(Debug, Clone, PartialEq)]
pub enum ArchiveIntegrity {
    /// Digests and logs were compared while the archive was read.
    Verified(Verification),
    /// The evidence is a store's, which knows what earlier scans verified.
    Stored(StoredIntegrity),
}

impl ArchiveIntegrity {
    /// Whether everything is proven; `None` where that is not known. A store knows only what is not.
    #[must_use]
    pub const fn is_whole(&self) -> Option<bool> {
        match self {
            Self::Verified(outcome) => Some(outcome.whole),
            Self::Stored(objects) if objects.failed > 0 || objects.disproved => Some(false),
            Self::Stored(_) => None,
        }
    }

    /// Stretches of hours by account and region; none where it is a store's.
    #[must_use]
    pub fn hours(&self) -> &[Hours] {
        match self {
            Self::Verified(outcome) => &outcome.hours,
            Self::Stored(_) => &[],
        }
    }
}

/// Fields in alphabetical order: the contract's, other than that of `mfatrail verify --format json`.
impl Serialize for ArchiveIntegrity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = match self {
            Self::Verified(outcome) => serde_json::to_value(outcome),
            Self::Stored(objects) => serde_json::to_value(objects),
        };
        value.map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ArchiveIntegrity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let read = if value.get("source").is_some() {
            serde_json::from_value(value).map(Self::Stored)
        } else {
            serde_json::from_value(value).map(Self::Verified)
        };
        read.map_err(de::Error::custom)
    }
}

/// How many objects of a store, of those that were read or tried, are worth what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredDocument", into = "StoredDocument")]
pub struct StoredIntegrity {
    /// A proven digest names exactly their bytes.
    pub verified: u64,
    /// No proven digest named them.
    pub unsigned: u64,
    /// They are not what CloudTrail signed.
    pub failed: u64,
    /// No scan verified them.
    pub unknown: u64,
    /// Whether the last verification of them, as a whole, did not prove them: something may be missing.
    pub disproved: bool,
}

/// [`StoredIntegrity`] with the fields of a [`Verification`]: `null` for what a store does not know.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredDocument {
    source: Origin,
    /// `false`, or not known.
    whole: Option<bool>,
    digests: (),
    digests_proven: (),
    logs: StoredLogs,
    trails: (),
    hours: (),
    findings: (),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Origin {
    Store,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLogs {
    named: (),
    verified: u64,
    unsigned: u64,
    failed: u64,
    not_asked: u64,
}

impl From<StoredIntegrity> for StoredDocument {
    fn from(objects: StoredIntegrity) -> Self {
        let StoredIntegrity { verified, unsigned, failed, unknown, disproved } = objects;
        Self {
            source: Origin::Store,
            whole: disproved.then_some(false),
            digests: (),
            digests_proven: (),
            logs: StoredLogs { named: (), verified, unsigned, failed, not_asked: unknown },
            trails: (),
            hours: (),
            findings: (),
        }
    }
}

impl From<StoredDocument> for StoredIntegrity {
    fn from(document: StoredDocument) -> Self {
        let StoredLogs { verified, unsigned, failed, not_asked, .. } = document.logs;
        Self { verified, unsigned, failed, unknown: not_asked, disproved: document.whole == Some(false) }
    }
}

/// The outcome of a verification, as `mfatrail verify --format json` prints it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// Whether everything in range is proven: something is, and nothing speaks against it.
    pub whole: bool,
    /// The range's first moment, where one was given.
    pub from: Option<DateTime<Utc>>,
    /// The first moment after it.
    pub to: Option<DateTime<Utc>>,
    /// Up to when it speaks: the end of the last proven digest; of several accounts and regions, the earliest of these
    /// ends. `None` where nothing is proven.
    pub proven_until: Option<DateTime<Utc>>,
    /// Digests in range.
    pub digests: u64,
    /// Those of them that can be believed.
    pub digests_proven: u64,
    /// Logs in range, and what they are worth.
    pub logs: LogCounts,
    /// By account, region and trail.
    pub trails: Vec<TrailSummary>,
    /// What is known of every hour, by account and region: stretches of one state.
    pub hours: Vec<Hours>,
    /// How many objects each kind of finding is about, by its code.
    #[serde(deserialize_with = "counts")]
    pub counts: BTreeMap<&'static str, u64>,
    /// Everything that was found, in one order.
    pub findings: Vec<Finding>,
}

/// What is known of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Proven digests name all logs, and they are as named. An hour without a log is proven quiet then.
    Proven,
    /// There are digests, but something of this time is not proven, not as it was, or not there.
    Broken,
    /// There is no digest: that nothing is there shows nothing.
    Unknown,
}

/// A time of one state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Its first moment.
    pub from: DateTime<Utc>,
    /// The first moment after it.
    pub to: DateTime<Utc>,
    /// What is known of it.
    pub state: State,
    /// Logs that digests name.
    pub logs: u64,
    /// Digests that name none.
    pub quiet: u64,
}

/// Counts of logs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogCounts {
    /// Named by digests in range.
    pub named: u64,
    /// Of these, proven.
    pub verified: u64,
    /// The inflated bytes of logs that are as they were named.
    pub bytes: u64,
}

/// One trail in one account and region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrailSummary {
    /// The account of the logs.
    pub account: String,
    /// The region of the logs.
    pub region: String,
    /// The trail's name.
    pub trail: String,
    /// Where the trail was made.
    pub home_region: String,
    /// Whether these are backfill digests.
    pub backfill: bool,
    /// The start of the first digest in range.
    pub from: DateTime<Utc>,
    /// The end of the last.
    pub to: DateTime<Utc>,
    /// Digests in range.
    pub digests: u64,
    /// Those that can be believed.
    pub digests_proven: u64,
    /// Logs that they name.
    pub logs: u64,
    /// Those that are proven.
    pub logs_verified: u64,
}

/// Counts by codes that are known.
fn counts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<&'static str, u64>, D::Error> {
    let counts = BTreeMap::<Code, u64>::deserialize(deserializer)?;
    Ok(counts.into_iter().map(|(code, count)| (code.as_str(), count)).collect())
}

/// What a finding does to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The evidence was changed, is missing, or is not proven.
    Broken,
    /// Worth knowing, and no fault.
    Note,
}

codes! {
    /// The kind of a finding, in the order in which they are told.
    Code {
        /// A log's bytes are not those that its digest names.
        LogAltered = "log_altered", "logs that were modified after CloudTrail signed them";
        /// A log is no sound gzip any more.
        LogDamaged = "log_damaged", "logs that are damaged";
        /// Something follows the first gzip member, which is all that CloudTrail writes.
        LogSurplus = "log_surplus", "logs with data after their gzip member";
        /// A digest names it, and it is not there.
        LogMissing = "log_missing", "logs listed in a digest that are missing";
        /// It lies elsewhere than its digest says.
        LogMoved = "log_moved", "logs that are not where CloudTrail delivered them";
        /// No digest names it, though there are digests of that time.
        LogUnnamed = "log_unnamed", "logs not listed in any digest";
        /// It could not be read.
        LogUnreadable = "log_unreadable", "objects that could not be read";
        /// A digest that is not proven names it.
        LogUnproven = "log_unproven", "logs listed only in a digest that is not proven";
        /// It was delivered where digests are missing.
        LogInGap = "log_in_gap", "logs delivered while there were no digests";
        /// It is newer than the last digest.
        LogAwaitingDigest = "log_awaiting_digest", "logs newer than the last digest, so not proven yet";
        /// There is no digest at all of an account and region.
        NoDigests = "no_digests", "logs of accounts and regions without any digest";
        /// A digest's bytes are not those that the next digest names.
        DigestAltered = "digest_altered", "digests that do not match the hash in the next digest";
        /// A signature does not hold.
        DigestSignatureWrong = "digest_signature_wrong", "digests with an invalid signature";
        /// The key that it names is not known.
        DigestKeyUnknown = "digest_key_unknown", "digests signed with an unknown key";
        /// CloudTrail did not tell a region's keys.
        KeysUnavailable = "keys_unavailable", "regions whose public keys could not be fetched";
        /// It has no signature here.
        DigestSignatureUnavailable = "digest_signature_unavailable", "digests without a signature to check";
        /// It is no sound gzip.
        DigestUnreadable = "digest_unreadable", "digests that could not be read";
        /// It does not say what a digest says.
        DigestMalformed = "digest_malformed", "malformed digest files";
        /// It lies elsewhere than it says.
        DigestMoved = "digest_moved", "digests that are not where CloudTrail delivered them";
        /// The next digest names it, and it is not there.
        DigestMissing = "digest_missing", "digests missing from a chain";
        /// The chain ends before the archive does.
        DigestMissingNewest = "digest_missing_newest", "chains that end before the archive does";
        /// There is no digest in range of an account or a region that was asked for, or that had some before.
        DigestsAbsent = "digests_absent", "accounts and regions without digests in the range that were requested or had digests before";
        /// The chain passes it over.
        DigestUnlinked = "digest_unlinked", "digests that are not part of the chain";
        /// The chain begins anew after a time without digests.
        ChainRestart = "chain_restart", "chains that begin anew";
        /// The same, and an event tells that logging was stopped.
        LoggingStopped = "logging_stopped", "chains restarted after logging was stopped";
        /// The chain begins after the range does, and an event tells that the trail was made then.
        TrailCreated = "trail_created", "trails created within the range: nothing earlier is proven";
        /// The same of an account: its first day.
        AccountCreated = "account_created", "accounts created within the range: nothing earlier is proven";
        /// The chain begins after the range does.
        ChainBegins = "chain_begins", "chains that begin after the start of the range";
        /// The trail's bucket or prefix was changed, and what lies there is not among the sources.
        TrailMoved = "trail_moved", "trails that moved here from a bucket or prefix that is not a SOURCE";
        /// The same, and both are among the sources.
        TrailMovedHere = "trail_moved_here", "trails whose bucket or prefix changed; both are SOURCEs";
        /// Where a chain begins when no range was given.
        ChainStart = "chain_start", "where the chains begin";
        /// Digests of logs that came too late for their own hour's.
        Backfill = "backfill", "backfill digests";
        /// Logs of proven digests beyond the folders that were looked at.
        LogNotLookedAt = "log_not_looked_at", "logs outside the folders that were listed";
    }
}

impl Code {
    /// Whether it spoils the verdict: every code does, but for these.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::TrailMovedHere | Self::ChainStart | Self::Backfill | Self::LogNotLookedAt => Severity::Note,
            _ => Severity::Broken,
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// What CloudTrail's digests say of the bytes that tell of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Integrity {
    /// A proven digest names exactly these bytes.
    Verified,
    /// No proven digest names the object.
    Unsigned,
    /// They are not the bytes that CloudTrail signed, or not where it put them.
    Failed,
}

impl Integrity {
    /// The name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unsigned => "unsigned",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn verification() -> serde_json::Value {
        json!({
            "whole": false, "from": "2026-10-01T00:00:00Z", "to": null, "proven_until": "2026-10-01T05:00:00Z",
            "digests": 3, "digests_proven": 2, "logs": { "named": 7, "verified": 6, "bytes": 4096 },
            "trails": [{
                "account": "111122223333", "region": "us-east-1", "trail": "main", "home_region": "us-east-1",
                "backfill": false, "from": "2026-10-01T00:00:00Z", "to": "2026-10-01T03:00:00Z", "digests": 3,
                "digests_proven": 2, "logs": 7, "logs_verified": 6,
            }],
            "hours": [{
                "account": "111122223333", "region": "us-east-1", "from": "2026-10-01T00:00:00Z",
                "to": "2026-10-01T02:00:00Z", "state": "proven", "logs": 7, "quiet": 0,
            }],
            "counts": { "log_altered": 1 },
            "findings": [{
                "code": "log_altered", "account": "111122223333", "region": "us-east-1", "trail": null, "from": null,
                "to": null, "object": "a.json.gz", "count": 1, "event_id": null, "text": "",
            }],
        })
    }

    fn stored() -> serde_json::Value {
        json!({
            "source": "store", "whole": null, "digests": null, "digests_proven": null,
            "logs": { "named": null, "verified": 5, "unsigned": 1, "failed": 0, "not_asked": 2 },
            "trails": null, "hours": null, "findings": null,
        })
    }

    #[test]
    fn what_a_bundle_carries_is_read_back_to_the_byte() {
        for value in [verification(), stored()] {
            let text = value.to_string();
            let read: ArchiveIntegrity = serde_json::from_str(&text).expect("valid");
            assert_eq!(serde_json::to_string(&read).expect("written"), text);
        }
        let stored: ArchiveIntegrity = serde_json::from_value(stored()).expect("valid");
        assert_eq!(
            stored,
            ArchiveIntegrity::Stored(StoredIntegrity {
                verified: 5,
                unsigned: 1,
                failed: 0,
                unknown: 2,
                disproved: false
            })
        );
        assert_eq!(stored.is_whole(), None);
    }

    #[test]
    fn what_is_not_integrity_is_refused_and_nothing_of_it_is_passed_over() {
        let wrong = [
            ("/hours/0/state", json!("sound")),
            ("/hours/0/from", json!("yesterday")),
            ("/hours/0/account", json!(111_122_223_333_u64)),
            ("/hours/0/more", json!(true)),
            ("/findings/0/code", json!("log_eaten")),
            ("/counts/log_eaten", json!(1)),
            ("/whole", json!(null)),
            ("/digests", json!(-1)),
            ("/source", json!("elsewhere")),
        ];
        for (pointer, new) in wrong {
            let mut value = verification();
            let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
            value.pointer_mut(parent).expect("there")[field] = new;
            assert!(serde_json::from_value::<ArchiveIntegrity>(value).is_err(), "{pointer}");
        }
    }

    #[test]
    fn codes_are_unique_words() {
        for (i, code) in Code::ALL.iter().enumerate() {
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", code.as_str());
            assert_eq!(code.as_str().parse(), Ok(*code), "each is another");
            assert!(Code::ALL[..i].iter().all(|other| other.title() != code.title()), "{}", code.as_str());
        }
    }
}
