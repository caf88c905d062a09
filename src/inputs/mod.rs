//! What stands beside the archive: approvals, detections, exceptions, and the policy file with its settings.

pub mod approvals;
pub(crate) mod cells;
pub mod detections;
pub(crate) mod error;
pub mod exceptions;
pub mod policy_file;
mod settings;
pub(crate) mod table;

use chrono::{DateTime, Utc};

pub use error::{InputError, Problem};
pub(crate) use error::{Place, read_text};
pub use settings::{Settings, Signal};

/// The rows of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet<T> {
    /// One each.
    pub rows: Vec<T>,
    /// The names of columns that are not read, as the file has them.
    pub ignored: Vec<String>,
}

impl<T> Default for Sheet<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), ignored: Vec::new() }
    }
}

/// One row of `--approvals`: somebody allowed a principal's MFA to be off for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The ticket.
    pub ticket: String,
    /// Account id, as text: leading zeros count.
    pub account: String,
    /// The user name; `root` for the root user.
    pub user: String,
    /// Who approved.
    pub approver: String,
    /// First moment covered.
    pub valid_from: DateTime<Utc>,
    /// First moment no longer covered.
    pub valid_to: DateTime<Utc>,
}

/// One row of `--exceptions`: somebody accepted a risk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedRisk {
    /// Account id, or a pattern of ids with `*` and `?`.
    pub account: String,
    /// What is accepted.
    pub subject: RiskSubject,
    /// Who accepted it.
    pub accepted_by: String,
    /// Why.
    pub reason: String,
    /// A ticket or the like.
    pub reference: Option<String>,
    /// The first moment at which it is not accepted any more.
    pub valid_until: DateTime<Utc>,
}

/// What an accepted risk is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RiskSubject {
    /// Windows of users: a name or a pattern of names; `root` is the root user.
    User(String),
    /// A guardrail, by its code.
    Guardrail(String),
}

/// One row of `--detections`: an alert, a finding or a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// When it was noticed.
    pub detected_at: DateTime<Utc>,
    /// By what, such as `siem`.
    pub source: String,
    /// The alert's or ticket's id.
    pub reference: String,
    /// What it is about.
    pub subject: DetectionSubject,
}

/// What a detection is about: an event, or a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DetectionSubject {
    /// The CloudTrail event id.
    Event(String),
    /// Account and user name.
    Principal {
        /// Account id, as text.
        account: String,
        /// User name; `root` for the root user.
        user: String,
    },
}
