//! Following sessions: as many passes over the sources as there are generations of sessions.

use std::collections::BTreeSet;

use crate::app::Error;
use crate::pipeline::{Scanned, Visitor as _};
use crate::search::filter::{Filter, Session, Sessions};
use crate::search::pass::Pass;

/// What following came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Followed {
    /// Sessions whose calls were looked for.
    pub sessions: usize,
    /// Passes over the sources beside the first.
    pub passes: usize,
}

/// Passes over the sources until no session is left that was not followed.
pub(super) fn follow(
    first: (Pass, Scanned),
    mut pass: impl FnMut(Filter) -> Result<(Pass, Scanned), Error>,
) -> Result<((Pass, Scanned), Followed), Error> {
    let (mut all, mut scanned) = first;
    let mut seen: BTreeSet<Session> = BTreeSet::new();
    let mut passes = 0;
    loop {
        let fresh: Vec<Session> = all.sessions.difference(&seen).cloned().collect();
        if fresh.is_empty() {
            return Ok(((all, scanned), Followed { sessions: seen.len(), passes }));
        }
        seen.extend(fresh.iter().cloned());
        let (more, again) = pass(Filter::sessions(fresh.into_iter().collect::<Sessions>()))?;
        all.merge(more);
        passes += 1;
        // What only this pass could not read is missing as well.
        for failure in again.coverage.failures {
            if !scanned.coverage.failures.contains(&failure) {
                scanned.coverage.failures.push(failure);
            }
        }
    }
}
