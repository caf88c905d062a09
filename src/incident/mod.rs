//! From windows to what people are told: an incident for each thing that happened, with a state, and a transition for each change
//! that is worth telling. Pure functions, no clock, no I/O, but for the [`ledger`], which keeps what was told.

pub mod derive;
pub mod diff;
pub mod ledger;
pub mod rules;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use crate::contract::Severity;
use crate::contract::{Certainty, Class, ConsolePassword, Principal, PrincipalKind};
use crate::hash::{hex, sha256};

/// What an incident is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody is, or was, without MFA: an exposure window.
    Window,
    /// One actor was refused deactivations, several within an hour.
    Attempts,
    /// A trail was stopped, deleted or weakened.
    Evidence,
    /// One actor took MFA from several principals within a short time: one incident with its members.
    Burst,
}

/// How far an incident is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It goes on.
    Open,
    /// It goes on, and somebody said that they look after it.
    Acknowledged,
    /// It is over.
    Resolved,
    /// A late event shows that there was nothing.
    Withdrawn,
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    /// It is new.
    Opened,
    /// Something that was told of it is different now: its class, its severity, its members, who looks after it.
    Updated,
    /// It is over.
    Resolved,
    /// There was nothing.
    Withdrawn,
}

impl Kind {
    /// The name in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Attempts => "attempts",
            Self::Evidence => "evidence",
            Self::Burst => "burst",
        }
    }
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Open, Self::Acknowledged, Self::Resolved, Self::Withdrawn];

    /// The name in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Resolved | Self::Withdrawn)
    }
}

impl Transition {
    /// The name in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Resolved => "resolved",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether it says that the incident is over. Late events may still reopen it.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Resolved | Self::Withdrawn)
    }
}

/// One thing that people are told about, as far as it is known: everything that an alert says is made of this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// What it is about.
    pub kind: Kind,
    /// The account.
    pub account: String,
    /// `eventID` of the event that opened it: of several, such as attempts, of the first.
    pub event_id: String,
    /// `eventName` of that event.
    pub event_name: String,
    /// When that event happened.
    pub opened_at: DateTime<Utc>,
    /// From when on it is an incident: the opening, the end of the grace period for enrollment, the last attempt, or the opening
    /// of the last member.
    pub due_at: DateTime<Utc>,
    /// How bad it is.
    pub severity: Severity,
    /// How it ended.
    pub resolution: Option<Resolution>,
    /// Whose MFA it is; `None` where it is about an actor.
    pub principal: Option<Principal>,
    /// Who did it.
    pub actor: Option<String>,
    /// `userIdentity.principalId` of that call.
    pub actor_id: Option<String>,
    /// Whether that session was MFA-authenticated.
    pub actor_mfa: Option<bool>,
    /// From where.
    pub source_ip: Option<String>,
    /// `userAgent` of the opening call: attacker-controlled text.
    pub user_agent: Option<String>,
    /// `awsRegion` of the opening event.
    pub region: Option<String>,
    /// When CloudTrail delivered the opening event, where it came in an object whose key tells.
    pub delivered_at: Option<DateTime<Utc>>,
    /// The objects that hold the opening event, sorted.
    pub objects: Vec<String>,
    /// The class of a window; of a burst, that of its worst member.
    pub class: Option<Class>,
    /// The rule that decided, and every signal, with their events.
    pub reasons: Vec<Signal>,
    /// Whether an unseen device may remain.
    pub certainty: Option<Certainty>,
    /// From IAM tags.
    pub owner: Option<String>,
    /// Whether the principal's policies allow everything, or all of IAM.
    pub privileged: Option<bool>,
    /// The ticket that covers it.
    pub ticket: Option<Ticket>,
    /// The device that was deactivated, or the trail.
    pub device: Option<String>,
    /// How many known devices remain.
    pub remaining_devices: Option<usize>,
    /// Console password at the opening.
    pub console_password: Option<ConsolePassword>,
    /// Active access keys at the opening.
    pub active_access_keys: Option<u32>,
    /// Whether no device was enabled within the grace period for a replacement.
    pub overdue: bool,
    /// The window as in `report.json`.
    pub window: Option<serde_json::Value>,
    /// How many events it is made of: attempts.
    pub events: usize,
    /// Of a burst, the keys of the incidents that it is made of, in order.
    pub members: Vec<String>,
    /// The key of the burst that it is a member of.
    pub part_of: Option<String>,
}

/// The key of what an event opened. Channels bound what a key may be (a hundred characters, no blanks), and a record that somebody
/// wrote has any text for an id: one that is none of CloudTrail's is named by its SHA-256.
#[must_use]
pub fn key_of(account: &str, event_id: &str) -> String {
    let digest = |text: &str| hex(&sha256(text.as_bytes()));
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    let is_account = account.len() == 12 && account.bytes().all(|c| c.is_ascii_digit());
    let is_id = (1..=LONGEST_ID).contains(&event_id.len()) && event_id.bytes().all(plain);
    let account = if is_account { account.to_owned() } else { digest(account).chars().take(12).collect() };
    let event_id = if is_id { event_id.to_owned() } else { format!("sha256-{}", digest(event_id)) };
    format!("mfatrail:{account}:{event_id}")
}

/// The longest id: `sha256-` and the digest, of a record without one.
const LONGEST_ID: usize = 71;

/// How an incident ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// When; `None` where nobody knows.
    pub at: Option<DateTime<Utc>>,
    /// Why: the `close_reason` of a window, `logging_resumed`, `quiet` after no more attempts, `not_followed_up` of a change
    /// whose end no event shows, or `members_resolved`.
    pub reason: String,
    /// `eventID` of what ended it.
    pub event_id: Option<String>,
}

/// A rule of classification or a signal that held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Its name.
    pub rule: String,
    /// The events that made it hold, in order of time.
    pub event_ids: Vec<String>,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The ticket.
    pub ticket: String,
    /// Who approved.
    pub approver: String,
}

impl Incident {
    /// The key that it has when it is first told of: `mfatrail:<account>:<opening event id>`, of a burst with `:burst` after it,
    /// because its first member bears the other.
    #[must_use]
    pub fn key(&self) -> String {
        let end = if self.kind == Kind::Burst { ":burst" } else { "" };
        format!("{}{end}", key_of(&self.account, &self.event_id))
    }

    /// Whose calls may change what is known of it, by account as the store's arrivals have them: the principal, and
    /// who opened it.
    #[must_use]
    pub fn people(&self) -> Vec<(String, String)> {
        let mut people = Vec::new();
        if let Some(principal) = &self.principal {
            let root = principal.kind == PrincipalKind::Root;
            let name = if root { "root".to_owned() } else { principal.name.to_lowercase() };
            people.extend([Some(name), principal.id.clone()].into_iter().flatten());
        }
        let user = |arn: &str| Some(arn.split_once(":user/")?.1.rsplit('/').next()?.to_lowercase());
        let actor = self.actor.as_deref().map(|actor| match actor.ends_with(":root") {
            true => "root".to_owned(),
            false => user(actor).unwrap_or_else(|| actor.to_owned()),
        });
        people.extend([actor, self.actor_id.clone()].into_iter().flatten());
        people.sort();
        people.dedup();
        // Sightings are of no account.
        let anywhere = [&self.actor, &self.actor_id].into_iter().flatten().map(|actor| (String::new(), actor.clone()));
        people.into_iter().map(|person| (self.account.clone(), person)).chain(anywhere).collect()
    }

    /// Whose MFA it is, in a sentence.
    #[must_use]
    pub fn who(&self) -> String {
        match &self.principal {
            Some(principal) => principal.in_words(),
            None => "several users".to_owned(),
        }
    }

    /// Whom it is about: the principal's name, or the actor's.
    #[must_use]
    pub fn subject(&self) -> &str {
        let principal = self.principal.as_ref().map(|principal| principal.name.as_str());
        principal.or(self.actor.as_deref()).unwrap_or("unknown")
    }
}

/// What came of an attempt to tell a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The channel has it.
    Delivered {
        /// By which the channel knows this incident from now on, if it gave one.
        reference: Option<String>,
        /// What the operator should know all the same, such as a second ticket of the same key.
        note: Option<String>,
    },
    /// It has it not, and may take it later: a refused connection, 429, 503.
    RepeatAfter {
        /// How long the channel asked to wait, if it did.
        wait: Option<std::time::Duration>,
        /// Why; without secrets.
        reason: String,
    },
    /// Some of the people that it tells have it, and the others may get it later: of several recipients, one mail server was not
    /// there.
    Partial {
        /// Who has it already, as the channel writes it down: it comes back with the next attempt, as the incident's reference.
        reference: String,
        /// Whether one of the others may have it all the same.
        unknown: bool,
        /// How long the channel asked to wait, if it did.
        wait: Option<std::time::Duration>,
        /// Why the others have it not; without secrets.
        reason: String,
    },
    /// It will not take it: what is sent, or who sends it, is wrong.
    Permanent {
        /// Why; without secrets.
        reason: String,
    },
    /// Nobody knows whether it has it: no answer, an answer that broke off, or one of a server that failed meanwhile.
    Unknown {
        /// How long the channel asked to wait, if it did.
        wait: Option<std::time::Duration>,
        /// Why; without secrets.
        reason: String,
    },
}
