//! From windows to what people are told: an incident for each thing that happened, with a state, and a transition for each change
//! that is worth telling. Pure functions: no clock, no I/O.

use serde::{Deserialize, Serialize};

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

/// How bad it is, from least to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Approved, or part of an offboarding.
    Info,
    /// A workaround, or a replacement that is overdue.
    Warning,
    /// Privileged, or not explained.
    Error,
    /// A suspected takeover, or the root user.
    Critical,
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

impl Transition {
    /// Whether nothing follows it.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Resolved | Self::Withdrawn)
    }
}
