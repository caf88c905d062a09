//! From events and IAM state to windows, findings and figures: pure functions, no clock, no I/O.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::inputs::{Approval, Detection, Settings};
use crate::inventory::IamState;
use crate::mfa::Event;
use crate::report::{Figures, Finding, LifecycleEvent, Notice, Period, Window};
use crate::trace::Context;

/// Everything that a report is computed from.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    /// Extracted events, in any order, duplicates allowed.
    pub events: &'a [Event],
    /// What else was done, by whom, from where.
    pub context: &'a Context,
    /// IAM state.
    pub iam: Option<&'a IamState>,
    /// Per account, `eventTime` of the first and the last record that was read.
    pub covered: &'a BTreeMap<String, [DateTime<Utc>; 2]>,
    /// Approvals.
    pub approvals: &'a [Approval],
    /// Detections.
    pub detections: &'a [Detection],
    /// The policy in force.
    pub settings: &'a Settings,
    /// The reported period.
    pub period: Period,
    /// Up to when open windows are measured, inclusive; later events are not considered.
    pub as_of: DateTime<Utc>,
}

/// What a report says, apart from its coverage.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Every window that touches the period, in order of opening.
    pub windows: Vec<Window>,
    /// Every lifecycle event of the period.
    pub events: Vec<LifecycleEvent>,
    /// Where IAM and the archive disagree.
    pub reconciliation: Vec<Finding>,
    /// The figures.
    pub figures: Figures,
    /// Approvals and detections that matched nothing, and other things that a reader must know.
    pub notices: Vec<Notice>,
}
