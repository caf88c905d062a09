//! A whole report, and what it was made from.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::changes::Changes;
use super::coverage::Coverage;
use super::event::{LifecycleEvent, Proof};
use super::exception::RiskException;
use super::figures::{AccountFigures, Figures, TrendPeriod};
use super::notice::Notice;
use super::period::Period;
use super::posture::Posture;
use super::reconciliation::{Finding, LeftoverDevice};
use super::whole_seconds;
use super::window::Window;
use crate::inputs::Settings;

/// The contract's name and version.
pub const SCHEMA: &str = "mfatrail.report/1";

/// A whole report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The program that made it.
    pub tool: Tool,
    /// When it was rendered: the only value that a clock decides.
    #[serde(serialize_with = "whole_seconds::one")]
    pub generated_at: DateTime<Utc>,
    /// The reported period, half-open.
    pub period: Period,
    /// Up to when open windows are measured.
    #[serde(serialize_with = "whole_seconds::one")]
    pub as_of: DateTime<Utc>,
    /// The headline figures.
    pub figures: Figures,
    /// Every window that touches the period, in order of opening.
    pub windows: Vec<Window>,
    /// Every lifecycle event of the period, attempts included, in order of time.
    pub events: Vec<LifecycleEvent>,
    /// Where IAM and the archive disagree.
    pub reconciliation: Vec<Finding>,
    /// Virtual devices that are assigned to nobody, as the archive explains.
    pub leftover_devices: Vec<LeftoverDevice>,
    /// What the report rests on.
    pub coverage: Coverage,
    /// When a watch of the store ran; left out where none ever did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchCoverage>,
    /// What a reader must know before trusting a figure: missing inputs, regions not seen, tickets that matched nothing.
    pub notices: Vec<Notice>,
    /// The settings in force.
    pub policy: Settings,
    /// The figures of each account, in order of id.
    pub accounts: Vec<AccountFigures>,
    /// The figures of successive periods: the calendar months of a report of several, and earlier reports that were given.
    pub trend: Vec<TrendPeriod>,
    /// What changed since the latest earlier report; left out where none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    /// The events that windows name, ordinary calls included, with the objects that hold them, in order of time.
    pub proof: Vec<Proof>,
    /// Whether the guardrails stand; `None` where that was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posture: Option<Posture>,
    /// Risks that somebody accepted; left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<RiskException>,
    /// The files beside the archive that it was made from.
    pub inputs: Vec<InputFile>,
    /// Whether names, addresses and account ids are pseudonyms.
    pub redacted: bool,
}

/// When a watch of the store ran. What happens while none runs is told of later than it could be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WatchCoverage {
    /// When it was first started.
    #[serde(serialize_with = "whole_seconds::one")]
    pub since: DateTime<Utc>,
    /// How much of the period, up to `as_of`, it did not run, in seconds.
    pub unwatched_s: i64,
    /// Intervals of the period, up to `as_of`, in which it did not run for longer than a minute, in order of time; of very many the
    /// longest.
    pub gaps: Vec<WatchGap>,
    /// How many shorter ones are not listed, because there are very many.
    pub gaps_omitted: u64,
}

/// An interval in which no watch ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WatchGap {
    /// Its first moment.
    #[serde(serialize_with = "whole_seconds::one")]
    pub from: DateTime<Utc>,
    /// The first moment after it.
    #[serde(serialize_with = "whole_seconds::one")]
    pub to: DateTime<Utc>,
}

impl WatchGap {
    /// How long it is, in whole seconds.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        (self.to - self.from).num_seconds()
    }
}

/// A file that a report was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputFile {
    /// `iam`, `approvals`, `detections`, `exceptions`, `policy`, `posture` or `previous`.
    pub kind: &'static str,
    /// Its name; within a directory of IAM state the path from there.
    pub path: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}

/// The program that made a report.
#[derive(Debug, Clone, Serialize)]
pub struct Tool {
    /// `CARGO_PKG_VERSION`.
    pub version: &'static str,
}
