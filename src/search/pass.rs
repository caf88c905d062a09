//! What one pass of a search keeps: what it shows, and the calls that hand out credentials, which tell whom to follow.

use std::sync::Arc;

use crate::{
    cloudtrail::Record, lineage::Link, pipeline::Visitor, search::filter::Filter, search::hits::Hits, source::ObjectRef,
};

/// The visitor of a search.
#[derive(Debug)]
pub struct Pass {
    /// What is shown.
    pub finds: Hits,
    /// Calls that handed out credentials, made what outlasts a session, or took it away; each with whether it is one of those that
    /// are followed.
    pub links: Vec<(Link, bool)>,
    gather: Option<Gather>,
}

/// What a pass keeps beside what it shows.
#[derive(Debug, Clone)]
pub struct Gather {
    /// Of all that is visited, this is shown.
    pub shown: Arc<Filter>,
    /// But for what an earlier pass showed.
    pub shown_before: Vec<Arc<Filter>>,
    /// Which calls are followed, where they hand out or make something.
    pub followed: Arc<Filter>,
    /// Whether each of these is a link, whatever it does.
    pub any: bool,
    /// Whether the calls of AWS's services are links, too: there are many of them, and they lead nowhere but back.
    pub services: bool,
}

impl Pass {
    /// Shows everything that it visits; or of that what `gather` says, and keeps links.
    #[must_use]
    pub fn new(finds: Hits, gather: Option<Gather>) -> Self {
        Self { finds, links: Vec::new(), gather }
    }

    /// Keeps a link of a record, and tells whether the record is shown.
    fn gather(&mut self, record: &Record<'_, '_>) -> bool {
        let Some(Gather { shown, shown_before, followed, any, services }) = &self.gather else { return true };
        if !self.finds.includes(record) {
            return false;
        }
        let is_followed = followed.matches(record);
        let link = Link::of(record).or_else(|| (is_followed && *any).then(|| Link::any(record)));
        if let Some(link) = link.filter(|link| *services || is_followed || !link.holder.is_service()) {
            self.links.push((link, is_followed));
        }
        shown.matches(record) && !shown_before.iter().any(|before| before.matches(record))
    }
}

impl Visitor for Pass {
    fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
        if self.gather(record) {
            self.finds.record(object, record);
        }
    }

    fn merge(&mut self, other: Self) {
        self.finds.merge(other.finds);
        self.links.extend(other.links);
    }
}
