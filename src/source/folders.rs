//! How far a listing is: folders are listed one by one, and each may lead to more.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// The folders of a listing; the caller may look at it from another thread.
#[derive(Debug, Default)]
pub struct Folders {
    found: AtomicU64,
    begun: AtomicU64,
    name: Mutex<String>,
}

impl Folders {
    /// Some more were found.
    pub(super) fn found(&self, more: usize) {
        self.found.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Relaxed);
    }

    /// One of them is listed now.
    pub(super) fn begin(&self, name: &str) {
        self.begun.fetch_add(1, Relaxed);
        let mut shown = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        shown.clear();
        shown.push_str(name);
    }

    /// How many were begun, of how many that are known so far.
    #[must_use]
    pub fn counts(&self) -> [u64; 2] {
        let begun = self.begun.load(Relaxed);
        [begun, self.found.load(Relaxed).max(begun)]
    }

    /// The one that was begun last.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
