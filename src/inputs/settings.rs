//! The settings that decide figures, with their defaults: the policy file overrides them, every report prints them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The policy in force. Durations are whole seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// How soon after its deactivation a user must be deleted to count as offboarding.
    pub offboarding_grace_s: i64,
    /// How soon a new device must be enabled to count as a replacement.
    pub replacement_grace_s: i64,
    /// How far back an actor's addresses are looked up, and how far before the period the archive is read.
    pub lookback_s: i64,
    /// The signals that count.
    pub takeover_signals: BTreeSet<Signal>,
    /// How many of them make a suspected takeover.
    pub takeover_threshold: usize,
    /// The IAM tags that name a user's owner, the first that exists decides.
    pub owner_tags: Vec<String>,
    /// Whose looks at a principal are no detection: patterns of ARNs, of users, of roles or of their sessions, with `*` for any
    /// characters and `?` for one.
    pub not_detectors: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            offboarding_grace_s: 24 * 3600,
            replacement_grace_s: 3600,
            lookback_s: 30 * 24 * 3600,
            takeover_signals: Signal::ALL.into_iter().collect(),
            takeover_threshold: 2,
            owner_tags: vec!["owner-email".to_owned(), "owner".to_owned()],
            not_detectors: Vec::new(),
        }
    }
}

/// The takeover signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// A user's or the root user's call whose session was not MFA-authenticated.
    ActorWithoutMfa,
    /// Its address was not seen for the actor in the look-back, where the actor was seen at all.
    NewSource,
    /// The actor deactivated devices of two or more other principals within an hour around it.
    SeveralPrincipals,
    /// Within an hour after it: an access key or a login profile created, a password changed by someone else, or full access attached.
    Persistence,
    /// A failed console sign-in of the actor, or a refused deactivation by it, within an hour before.
    PriorFailures,
    /// The device enabled afterwards came from an address not seen for whoever enabled it, where that one was seen at all.
    ForeignEnrolment,
    /// The root user made the call.
    RootUser,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Self; 7] = [
        Self::ActorWithoutMfa,
        Self::NewSource,
        Self::SeveralPrincipals,
        Self::Persistence,
        Self::PriorFailures,
        Self::ForeignEnrolment,
        Self::RootUser,
    ];

    /// The name in reports and policy files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ActorWithoutMfa => "actor_without_mfa",
            Self::NewSource => "new_source",
            Self::SeveralPrincipals => "several_principals",
            Self::Persistence => "persistence",
            Self::PriorFailures => "prior_failures",
            Self::ForeignEnrolment => "foreign_enrolment",
            Self::RootUser => "root_user",
        }
    }
}
