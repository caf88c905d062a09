//! Why there are no digests of a time: the events by which trails are made, stopped, deleted and changed, and accounts made.

use std::{fmt, sync::Arc};

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Finding, Proof, Trust, log_index::State};
use crate::{arn, cloudtrail::Record, pipeline::Visitor, source::ObjectRef};

/// Names of the events to search for.
pub const CAUSES: [&str; 5] = ["CreateTrail", "StopLogging", "DeleteTrail", "UpdateTrail", ACCOUNT_MADE];

/// With which AWS Organizations tells the management account that it has made an account.
const ACCOUNT_MADE: &str = "CreateAccountResult";

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// A trail, by its name or ARN as the call gave it.
    Trail(String),
    /// An account, by its id.
    Account(String),
}

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
    /// What is made, stopped or changed.
    pub about: About,
    /// Whether the log that tells of it is proven.
    pub proven: bool,
}

impl Cause {
    /// Whether it is about the trail, or the account, of a finding.
    #[must_use]
    pub fn is_about(&self, finding: &Finding) -> bool {
        let named = |name: &Option<String>, told: Option<&str>| name.is_some() && name.as_deref() == told;
        match &self.about {
            About::Trail(trail) => named(&finding.trail, Some(arn::name(trail))),
            About::Account(account) => named(&finding.account, Some(account)),
        }
    }

    /// Whether nothing is logged after it.
    #[must_use]
    pub fn stops(&self) -> bool {
        matches!(self.name.as_str(), "StopLogging" | "DeleteTrail")
    }

    /// Whether there was no trail, or no account, before it.
    #[must_use]
    pub fn creates(&self) -> bool {
        matches!(self.name.as_str(), "CreateTrail" | ACCOUNT_MADE)
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
        let Some(about) = about(record).filter(|_| !record.failed()) else { return };
        let mut named = self.proof.named.find(&object.name).filter(|(_, here)| *here);
        let proven =
            named.any(|(log, _)| log.state() == State::Same && self.proof.fact(log.digest).trust == Trust::Proven);
        self.found.push(Cause {
            time: record.time,
            name: record.name.to_owned(),
            event_id: record.id().into_owned(),
            actor: record.actor().display(),
            about,
            proven,
        });
    }

    fn merge(&mut self, other: Self) {
        self.found.extend(other.found);
    }
}

fn about(record: &Record<'_, '_>) -> Option<About> {
    let status = |key| record.text(&["serviceEventDetails", "createAccountStatus", key]);
    match (record.source, record.name) {
        ("organizations.amazonaws.com", ACCOUNT_MADE) => {
            let account = status("accountId").filter(|_| status("state") == Some("SUCCEEDED"))?;
            Some(About::Account(account.to_owned()))
        }
        // Of what it changes, only that there are no digests any more.
        ("cloudtrail.amazonaws.com", "UpdateTrail")
            if record.flag(&["requestParameters", "enableLogFileValidation"]) != Some(false) =>
        {
            None
        }
        ("cloudtrail.amazonaws.com", name) if CAUSES.contains(&name) => {
            record.text(&["requestParameters", "name"]).map(|trail| About::Trail(trail.to_owned()))
        }
        _ => None,
    }
}
