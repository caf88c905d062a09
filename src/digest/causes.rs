//! Why there are no digests of a time: the events by which trails are stopped, deleted and changed.

use std::{fmt, sync::Arc};

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Proof, Trust, named::State};
use crate::{cloudtrail::Record, pipeline::Visitor, source::ObjectRef};

/// Names of the events to search for.
pub const TRAIL_EVENTS: [&str; 4] = ["CreateTrail", "StopLogging", "DeleteTrail", "UpdateTrail"];

/// An event that can begin or end a chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// When.
    pub time: DateTime<Utc>,
    /// Its name.
    pub name: String,
    /// Its id.
    pub event_id: String,
    /// Who did it.
    pub actor: String,
    /// The trail's name or ARN, as the call gave it.
    pub trail: String,
    /// Whether the log that tells of it is proven.
    pub proven: bool,
}

impl Cause {
    /// Whether it is about a trail of this name.
    #[must_use]
    pub fn is_about(&self, trail: &str) -> bool {
        self.trail.rsplit('/').next() == Some(trail)
    }

    /// Whether nothing is logged after it.
    #[must_use]
    pub fn stops(&self) -> bool {
        matches!(self.name.as_str(), "StopLogging" | "DeleteTrail")
    }

    /// Whether there was no trail before it.
    #[must_use]
    pub fn creates(&self) -> bool {
        self.name == "CreateTrail"
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, name, event_id, actor, proven, .. } = self;
        let time = time.to_rfc3339_opts(SecondsFormat::Secs, true);
        write!(f, "{name} at {time} by {actor}, event {event_id}")?;
        if *proven { Ok(()) } else { f.write_str(", in a log that is not proven") }
    }
}

/// Collects such events from the logs that are searched.
#[derive(Debug)]
pub struct Causes {
    proof: Arc<Proof>,
    found: Vec<Cause>,
}

impl Causes {
    /// Collects what `proof` may lack.
    #[must_use]
    pub fn new(proof: Arc<Proof>) -> Self {
        Self { proof, found: Vec::new() }
    }

    /// What was found, each event once; a proven copy stands before another.
    #[must_use]
    pub fn finish(mut self) -> Vec<Cause> {
        self.found.sort_by(|a, b| (&a.event_id, !a.proven, a).cmp(&(&b.event_id, !b.proven, b)));
        self.found.dedup_by(|next, kept| next.event_id == kept.event_id);
        self.found
    }
}

impl Visitor for Causes {
    fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
        let off = record.flag(&["requestParameters", "enableLogFileValidation"]) == Some(false);
        let ours =
            record.source == "cloudtrail.amazonaws.com" && TRAIL_EVENTS.contains(&record.name) && !record.failed();
        if !ours || (record.name == "UpdateTrail" && !off) {
            return;
        }
        let Some(trail) = record.text(&["requestParameters", "name"]) else { return };
        let mut named = self.proof.named.find(&object.name).filter(|(_, here)| *here);
        let proven =
            named.any(|(log, _)| log.state() == State::Same && self.proof.fact(log.digest).trust == Trust::Proven);
        self.found.push(Cause {
            time: record.time,
            name: record.name.to_owned(),
            event_id: record.id().into_owned(),
            actor: record.actor().display(),
            trail: trail.to_owned(),
            proven,
        });
    }

    fn merge(&mut self, other: Self) {
        self.found.extend(other.found);
    }
}
