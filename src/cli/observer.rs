//! The terminal as an observer of the use cases.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::{inform, interrupt, log, plain, progress, say};
use crate::app::Observer;
use crate::pipeline::Progress;

/// Shows progress and messages on standard error, and lets no signal leave anything half done.
pub(super) struct Terminal;

impl Observer for Terminal {
    fn now(&self) -> Option<DateTime<Utc>> {
        Some(super::now())
    }

    fn scanning(&self, progress: &Progress, work: &mut dyn FnMut()) {
        progress::shown(progress, work);
    }

    fn scanned(&self) {
        log::traffic_summary();
    }

    fn warn(&self, message: &str) {
        say(&plain(&format!("warning: {message}")));
    }

    fn note(&self, message: &str) {
        inform(&plain(message));
    }

    fn temporary(&self, path: &Path) {
        interrupt::remove_at_exit(path);
    }

    fn uninterrupted(&self, step: &mut dyn FnMut()) {
        let _until_it_is_done = interrupt::hold();
        step();
    }
}
