//! Risks that somebody accepted, and what they cover. They are shown beside it, and change no figure.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::posture::PostureCode;
use super::whole_seconds;

/// A risk that somebody accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RiskException {
    /// Its number, from 1, by which windows and checks refer to it.
    pub number: usize,
    /// The account's id, or a pattern of ids.
    pub account: String,
    /// The user's name, or a pattern of names; `root` for the root user. `None` where it is about a guardrail.
    pub user: Option<String>,
    /// The guardrail; `None` where it is about users.
    pub guardrail: Option<PostureCode>,
    /// Who accepted it.
    pub accepted_by: String,
    /// Why.
    pub reason: String,
    /// A ticket or the like.
    pub reference: Option<String>,
    /// The first moment at which it is not accepted any more.
    #[serde(serialize_with = "whole_seconds::one")]
    pub valid_until: DateTime<Utc>,
    /// Whether that has come by `as_of`.
    pub expired: bool,
    /// Windows that it is about.
    pub windows: usize,
    /// Of these, the open ones.
    pub open_windows: usize,
    /// Guardrail checks that it is about and that do not pass.
    pub checks: usize,
}
