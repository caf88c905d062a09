//! What would have been told in a period by this configuration, from a store as it is now: for trying out routes, severities and grace
//! periods. Nothing is sent or written, and no secret is read.
//!
//! The clock is turned back to each moment at which something may have become different, and the store is looked at as it was then: as if
//! every record had arrived when its event happened. So what is told at an opening is what was known then, and not how it ended.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::config::Config;
use super::iam::{self, Iam};
use super::{approvals, facts};
use crate::alert::{Alert, route, text};
use crate::app::principals::{EventKey, Examined, Question, examine};
use crate::app::{Error, Run, store_error};
use crate::contract::Period;
use crate::incident::derive::{Tags, derive, pending};
use crate::incident::diff::{Entry, Scope, Step, diff};
use crate::incident::{Incident, Kind, key_of};
use crate::inputs::Approval;
use crate::store::{Place, Spans, Store};

/// What a replay is asked.
#[derive(Debug)]
pub struct Request {
    /// The configuration: its policy, rules, channels and routes.
    pub config: Config,
    /// The evidence store.
    pub store: Place,
    /// Of which transitions.
    pub period: Period,
}

/// One transition, and which channels would have been told.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What they would have been told.
    pub alert: Alert,
    /// The channels, in the order of the configuration; none where no route takes it.
    pub channels: Vec<String>,
}

/// What would have been told, and what that rests on.
#[derive(Debug, Default)]
pub struct Outcome {
    /// In order of time.
    pub told: Vec<Told>,
    /// Objects of the store that could not be read, or not whole, each with the reason.
    pub failures: Vec<(String, String)>,
    /// The times of the first and the last record of the store.
    pub reach: Option<[DateTime<Utc>; 2]>,
}

/// Goes through the period.
///
/// # Errors
/// When there is no store, it cannot be read, or a file of approvals is wrong.
pub fn replay(request: &Request, run: Run<'_>) -> Result<Outcome, Error> {
    let store = Store::open(&request.store).map_err(store_error)?;
    let iam = iam::read(&request.config, Some(&store), None)?;
    let mut replay = Replay {
        config: &request.config,
        place: request.store.to_string(),
        store,
        spans: Spans::default(),
        iam,
        nobody: Tags::new(),
        approvals: approvals::read(&request.config.approvals, Some(&request.store))?,
        entries: BTreeMap::new(),
        recipients: BTreeMap::new(),
    };
    let end = request.period.to.min(run.now);
    let whole = replay.look(None, end)?;
    let mut outcome = Outcome { failures: whole.failures.clone(), reach: replay.reach()?, ..Outcome::default() };
    for (at, touched) in replay.moments(&whole, request.period.from, end) {
        outcome.told.extend(replay.pass(&touched, at)?);
    }
    outcome.told.retain(|one| request.period.contains(one.alert.at) && one.alert.at < end);
    outcome.told.sort_by_key(|one| one.alert.at);
    Ok(outcome)
}

struct Replay<'r> {
    config: &'r Config,
    place: String,
    store: Store,
    spans: Spans,
    iam: Option<Iam>,
    /// Where there is no IAM state.
    nobody: Tags,
    approvals: Vec<Approval>,
    /// What was told of so far, by key, as the ledger of a watch would have it.
    entries: BTreeMap<String, Entry>,
    /// By key, the channels that were told.
    recipients: BTreeMap<String, BTreeSet<String>>,
}

impl Replay<'_> {
    fn tags(&self) -> &Tags {
        self.iam.as_ref().map_or(&self.nobody, |iam| &iam.tags)
    }

    /// What was known of the events at a moment, had every record arrived when its event happened.
    fn look(&mut self, touched: Option<&BTreeSet<EventKey>>, at: DateTime<Utc>) -> Result<Examined, Error> {
        let question = Question {
            touched,
            period: None,
            as_of: Some(at),
            now: at,
            iam: self.iam.as_ref().map(|iam| &iam.state),
            approvals: &self.approvals,
            detections: &[],
            settings: &self.config.settings,
        };
        let mut examined = examine(&self.store, &mut self.spans, &question)?;
        examined.events.retain(|event| event.time <= at);
        Ok(examined)
    }

    /// The times of the first and the last record.
    fn reach(&mut self) -> Result<Option<[DateTime<Utc>; 2]>, Error> {
        let scanned = self.store.spans(&mut self.spans).map_err(Error::failed)?;
        let first = scanned.accounts.values().filter_map(|span| span.first).min();
        let last = scanned.accounts.values().filter_map(|span| span.last).max();
        Ok(first.zip(last).map(|(first, last)| [first, last]))
    }

    /// When something may have become different, and which events to look at then: of every incident that was not over before `from` its
    /// opening, the events that are evidence, the ends of graces, and its end.
    fn moments(
        &self,
        whole: &Examined,
        from: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> BTreeMap<DateTime<Utc>, BTreeSet<EventKey>> {
        let facts = facts(self.config, self.tags(), whole, end);
        let incidents = derive(facts);
        let over = |incident: &&Incident| {
            let end = incident.resolution.as_ref().and_then(|end| end.at);
            end.is_some_and(|end| end < from)
        };
        let grace = TimeDelta::seconds(self.config.settings.replacement_grace_s) + TimeDelta::seconds(1);
        let mut moments: BTreeMap<DateTime<Utc>, BTreeSet<EventKey>> = BTreeMap::new();
        for incident in incidents.iter().filter(|incident| !over(incident)) {
            let key = (incident.account.clone(), incident.event_id.clone());
            let mut times = vec![incident.opened_at, incident.due_at];
            times.extend((incident.kind == Kind::Window).then(|| incident.opened_at + grace));
            times.extend(incident.resolution.as_ref().and_then(|end| end.at));
            times.extend(evidence(whole, incident));
            for at in times.into_iter().filter(|at| incident.opened_at <= *at) {
                moments.entry(at).or_default().insert(key.clone());
            }
        }
        for (at, key) in pending(facts, &incidents) {
            moments.entry(at).or_default().insert(key);
        }
        moments.retain(|at, _| *at < end);
        moments
    }

    /// What the watch would have told at a moment.
    fn pass(&mut self, touched: &BTreeSet<EventKey>, at: DateTime<Utc>) -> Result<Vec<Told>, Error> {
        let examined = self.look(Some(touched), at)?;
        let derived = derive(facts(self.config, self.tags(), &examined, at));
        let keys: BTreeSet<String> = examined.scope.iter().map(|(account, id)| key_of(account, id)).collect();
        let scope = Scope::Events(examined.scope);
        let is_known = |entry: &&Entry| {
            scope.covers(&entry.incident) || keys.contains(entry.key.strip_suffix(":burst").unwrap_or(&entry.key))
        };
        let known: Vec<Entry> = self.entries.values().filter(is_known).cloned().collect();
        let changes = diff(&known, &derived, &scope, None, at);
        self.entries.extend(changes.entries.into_iter().map(|entry| (entry.key.clone(), entry)));
        Ok(changes.steps.iter().map(|step| self.tell(step, at)).collect())
    }

    fn tell(&mut self, step: &Step, now: DateTime<Utc>) -> Told {
        let members = step.entry.incident.members.iter().filter_map(|key| self.entries.get(key));
        let members: Vec<Incident> = members.map(|entry| entry.incident.clone()).collect();
        let alert = text::alert(step, text::Setting { now, store: &self.place, members: &members });
        let names: Vec<&str> = self.config.channels.iter().map(|entry| entry.name.as_str()).collect();
        // Whoever was told that it opened is told what becomes of it.
        let told = self.recipients.entry(alert.key.clone()).or_default();
        told.extend(route::channels(&self.config.routes, &names, &alert).into_iter().map(str::to_owned));
        let channels = names.into_iter().filter(|name| told.contains(*name)).map(str::to_owned).collect();
        Told { alert, channels }
    }
}

/// When the events happened that are evidence of an incident: of refused attempts all that were made, and what its reasons name.
fn evidence<'e>(whole: &'e Examined, incident: &'e Incident) -> impl Iterator<Item = DateTime<Utc>> + 'e {
    let ids: BTreeSet<&String> = incident.reasons.iter().flat_map(|reason| &reason.event_ids).collect();
    let named = move |id: &String| ids.contains(id);
    let attempts =
        whole.lifecycle.iter().filter(|event| incident.kind == Kind::Attempts && event.account == incident.account);
    let within = |at: &DateTime<Utc>| incident.opened_at <= *at && *at <= incident.due_at;
    let attempts = attempts.map(|event| event.event_time).filter(within);
    let times = whole.times.iter().filter(move |((account, id), _)| *account == incident.account && named(id));
    times.map(|(_, at)| *at).chain(attempts)
}
