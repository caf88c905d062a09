//! That an accepted risk is about a window or a guardrail.

use serde::{Deserialize, Serialize};

/// That an exception is about a window or a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// The exception's number.
    pub number: usize,
    /// Whether it was valid to the end: of a window, to its close, or `as_of`.
    pub in_force: bool,
}
