//! What one pass of a search keeps: what it shows, and the sessions that the next pass follows.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    cloudtrail::Record,
    pipeline::Visitor,
    search::filter::{Filter, Session},
    search::hits::Hits,
    source::ObjectRef,
};

/// The visitor of a search.
#[derive(Debug)]
pub struct Pass {
    /// What is shown.
    pub finds: Hits,
    /// Sessions that visited calls made.
    pub sessions: BTreeSet<Session>,
    /// With this only some of what is visited is shown, and sessions are kept.
    shown: Option<Arc<Filter>>,
}

impl Pass {
    /// Shows everything that it visits; or of that what `shown` does, and keeps the sessions of all.
    #[must_use]
    pub fn new(finds: Hits, shown: Option<Arc<Filter>>) -> Self {
        Self { finds, sessions: BTreeSet::new(), shown }
    }
}

impl Visitor for Pass {
    fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
        if let Some(shown) = &self.shown {
            if !self.finds.includes(record) {
                return;
            }
            self.sessions.extend(Session::made_by(record));
            if !shown.matches(record) {
                return;
            }
        }
        self.finds.record(object, record);
    }

    fn merge(&mut self, other: Self) {
        self.finds.merge(other.finds);
        self.sessions.extend(other.sessions);
    }
}
