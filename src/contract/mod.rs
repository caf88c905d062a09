//! The report as data: `report.json` is this, serialized; every other format says the same.
//!
//! Field names and their order are the output contract `mfatrail.report/1`. Times are UTC, durations whole or
//! fractional seconds (`_s`), exposure is in hours. `null` means "not known" or "nothing to average", never zero.

pub mod advice;
mod changes;
mod codes;
mod coverage;
mod event;
mod exception;
mod exemption;
mod figures;
pub mod integrity;
mod notice;
mod period;
pub mod posture;
mod principal;
mod reconciliation;
mod report;
mod severity;
pub mod trace;
mod whole_seconds;
mod window;

pub use changes::{
    AccountChange, Caveat, CaveatCode, Changes, EarlierReport, FigureChange, GuardrailChange, HeadlineFigure, Measure,
    Membership, WindowChange, WindowChangeKind, WindowCounts,
};
pub use coverage::{Conflict, Coverage, CoverageDay, Gap, ReadFailure};
pub use event::{LifecycleEvent, Outcome, Proof};
pub use exception::RiskException;
pub use exemption::Exemption;
pub use figures::{
    AccountFigures, ByClass, CloseStat, Deactivations, DetectStat, Exposure, Figures, KindFigures, MfaCoverage,
    Standing, Stat, TrendPeriod, TrendSource,
};
pub use integrity::{ArchiveIntegrity, Integrity, StoredIntegrity};
pub use notice::{Notice, NoticeCode};
pub use period::Period;
pub use posture::{POSTURE_SCHEMA, Posture, PostureCheck, PostureCode, Verdict};
pub use principal::{Principal, PrincipalKind};
pub use reconciliation::{Finding, FindingCode, LeftoverDevice};
pub use report::{InputFile, Report, SCHEMA, Tool, WatchCoverage, WatchGap};
pub use severity::Severity;
pub use window::{
    Activity, ActorActivity, Approved, Certainty, Class, CloseReason, ConsolePassword, Detected, DetectionKind, Made,
    Reason, Window, WindowKind, playbook,
};
