//! Who watches a use case: shows progress, passes on warnings, and knows what must not be cut short.

use std::path::Path;

use chrono::{DateTime, Utc};

use crate::pipeline::Progress;

/// Told of what a use case does. Every method has a default that shows nothing.
pub trait Observer: Sync {
    /// What time it is, where the observer has a clock: a run can take hours. Without one it is still the time of the request.
    fn now(&self) -> Option<DateTime<Utc>> {
        None
    }

    /// Calls `work` once, and may show meanwhile how far it is.
    fn scanning(&self, _progress: &Progress, work: &mut dyn FnMut()) {
        work();
    }

    /// Told that a scan is over, whether or not it went well.
    fn scanned(&self) {}

    /// Something that whoever reads the result should know. Names that strangers wrote may be in it, control characters
    /// included.
    fn warn(&self, _message: &str) {}

    /// What was done.
    fn note(&self, _message: &str) {}

    /// A file or folder that has to be removed if the process ends before the use case does.
    fn temporary(&self, _path: &Path) {}

    /// Calls `step` once; until it is done the process must not end.
    fn uninterrupted(&self, step: &mut dyn FnMut()) {
        step();
    }
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
