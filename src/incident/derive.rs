//! From windows and events to incidents.
//!
//! An incident is of what happened, not of a message: the same windows and events give the same incidents, whenever and in
//! whatever order they came to be known. What IAM shows without an event (`standing`) has no opening event, and so no key and no
//! moment at which it happened: it is a report's matter, and no incident.
//!
//! A deactivation and the deletion of the same device are one act, for only the first opens a window; where only the deletion
//! is known, it opens the window. The deletion of a device that nobody had is none.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use super::rules::Rules;
use super::{Incident, Kind, Resolution, Severity, Signal, Ticket};
use crate::cloudtrail::ActorKind;
use crate::contract::{Class, LifecycleEvent, Outcome, Principal, PrincipalKind, Window, WindowKind};
use crate::exposure::{Weakening, weakenings};
use crate::mfa::{Action, Event};

/// The specified span within which refused deactivations are counted together.
const ATTEMPTS_SPAN: TimeDelta = TimeDelta::hours(1);

/// The tags of IAM users, by account and name.
pub type Tags = BTreeMap<(String, String), BTreeMap<String, String>>;

/// What incidents are derived from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'f> {
    /// The windows.
    pub windows: &'f [Window],
    /// The lifecycle events, attempts included, in order of time.
    pub lifecycle: &'f [LifecycleEvent],
    /// The events that these are of, and the changes of trails.
    pub events: &'f [Event],
    /// The tags of IAM users, as far as IAM state tells them.
    pub tags: &'f Tags,
    /// What makes an incident.
    pub rules: &'f Rules,
    /// How soon a new device must be enabled to count as a replacement.
    pub replacement_grace: TimeDelta,
    /// Up to when open windows are measured.
    pub as_of: DateTime<Utc>,
}

/// The incidents, in order of key.
#[must_use]
pub fn derive(facts: Facts<'_>) -> Vec<Incident> {
    let known = Known::new(facts.events);
    let mut incidents: Vec<Incident> =
        facts.windows.iter().filter_map(|window| of_window(facts, &known, window)).collect();
    let bursts = bursts(facts, &mut incidents);
    incidents.extend(bursts);
    incidents.extend(attempts(facts, &known));
    incidents.extend(weakenings(facts.events, facts.as_of).into_iter().map(|change| of_trail(facts, change)));
    incidents.sort_by_cached_key(Incident::key);
    incidents.dedup_by_key(|incident| incident.key());
    incidents
}

/// When something becomes different without an event, and which event to look at again then, in order of time: a grace period ends,
/// attempts are over, a change of a trail was not followed up. `incidents` are those that [`derive()`] makes of the same facts.
#[must_use]
pub fn pending(facts: Facts<'_>, incidents: &[Incident]) -> Vec<(DateTime<Utc>, (String, String))> {
    let mut pending = Vec::new();
    for window in facts.windows.iter().filter(|window| window.is_open()) {
        let (Some(at), Some(id)) = (window.opened_at, &window.opened_by_event) else { continue };
        let grace = match window.kind {
            WindowKind::NeverEnrolled => facts.rules.enrollment_grace,
            _ => facts.replacement_grace + TimeDelta::seconds(1),
        };
        pending.push((at + grace, (window.account.clone(), id.clone())));
    }
    for incident in incidents.iter().filter(|incident| incident.resolution.is_none()) {
        let at = match incident.kind {
            Kind::Attempts => incident.due_at + ATTEMPTS_SPAN,
            Kind::Evidence => incident.opened_at + facts.rules.follow_up,
            Kind::Window | Kind::Burst => continue,
        };
        pending.push((at, (incident.account.clone(), incident.event_id.clone())));
    }
    pending.retain(|(at, _)| *at > facts.as_of);
    pending.sort();
    pending
}

/// The events by account and id.
struct Known<'f>(HashMap<(&'f str, &'f str), &'f Event>);

impl<'f> Known<'f> {
    fn new(events: &'f [Event]) -> Self {
        let mut known: HashMap<(&str, &str), &Event> = HashMap::new();
        for event in events {
            // Of records that contradict each other the first in order, whichever came first.
            let one = known.entry((&event.account, &event.id)).or_insert(event);
            if (event.order(), event.lineage.content) < (one.order(), one.lineage.content) {
                *one = event;
            }
        }
        Self(known)
    }

    fn get(&self, account: &str, id: &str) -> Option<&'f Event> {
        self.0.get(&(account, id)).copied()
    }
}

/// What an incident has of the event that opened it.
fn of_event(kind: Kind, event: &Event) -> Incident {
    Incident {
        kind,
        account: event.account.to_string(),
        event_id: event.id.clone(),
        event_name: event.name.to_string(),
        opened_at: event.time,
        due_at: event.time,
        severity: Severity::Error,
        resolution: None,
        principal: None,
        actor: Some(event.actor.display()),
        actor_id: event.actor.id.clone(),
        actor_mfa: event.actor_mfa,
        source_ip: event.source_ip.as_ref().map(ToString::to_string),
        user_agent: event.user_agent.as_ref().map(ToString::to_string),
        region: Some(event.region.to_string()).filter(|region| !region.is_empty()),
        delivered_at: event.delivered_at,
        objects: event.objects.iter().map(ToString::to_string).collect(),
        class: None,
        reasons: Vec::new(),
        certainty: None,
        owner: None,
        privileged: None,
        ticket: None,
        device: event.action.serial().map(str::to_owned),
        remaining_devices: None,
        console_password: None,
        active_access_keys: None,
        overdue: false,
        window: None,
        events: 1,
        members: Vec::new(),
        part_of: None,
    }
}

/// The incident that a window is, where it is one by now.
fn of_window(facts: Facts<'_>, known: &Known<'_>, window: &Window) -> Option<Incident> {
    let (event_id, opened_at) = (window.opened_by_event.as_ref()?, window.opened_at?);
    let event = known.get(&window.account, event_id)?;
    let end = (!window.is_open()).then(|| window.closed_at.unwrap_or_else(|| window.proven_to()));
    let due_at = match window.kind {
        WindowKind::Removed => opened_at,
        WindowKind::NeverEnrolled => opened_at + facts.rules.enrollment_grace,
        WindowKind::Standing => return None,
    };
    if facts.as_of < due_at || end.is_some_and(|end| end < due_at) {
        return None;
    }
    let resolution = window.close_reason.map(|reason| Resolution {
        at: window.closed_at,
        reason: reason.name().to_owned(),
        event_id: window.closed_by_event.clone(),
    });
    let removed = matches!(event.action, Action::DeviceDeactivated { .. } | Action::DeviceDeleted { .. });
    let explained = window.legitimate == Some(true) || window.class == Some(Class::SuspectedTakeover);
    let late = opened_at + facts.replacement_grace < end.unwrap_or(facts.as_of);
    let mut incident = Incident {
        due_at,
        resolution,
        principal: Some(window.principal.clone()),
        actor: window.actor.clone(),
        actor_mfa: window.actor_mfa,
        source_ip: window.source_ip.clone(),
        class: window.class,
        reasons: signals(window),
        certainty: Some(window.certainty),
        owner: window.owner.clone(),
        privileged: window.privileged,
        ticket: window
            .approval
            .as_ref()
            .map(|approval| Ticket { ticket: approval.ticket.clone(), approver: approval.approver.clone() }),
        device: window.device.clone(),
        remaining_devices: Some(0),
        console_password: Some(window.console_password),
        active_access_keys: window.active_access_keys,
        overdue: removed && !explained && late,
        window: serde_json::to_value(window).ok(),
        ..of_event(Kind::Window, event)
    };
    let tags = facts.tags.get(&(window.account.clone(), window.principal.name.clone()));
    let tags = tags.filter(|_| window.principal.kind == PrincipalKind::IamUser);
    incident.severity = facts.rules.severity(&incident, tags).unwrap_or_else(|| window.severity());
    Some(incident)
}

fn signals(window: &Window) -> Vec<Signal> {
    let signal =
        |reason: &crate::contract::Reason| Signal { rule: reason.rule.to_owned(), event_ids: reason.event_ids.clone() };
    window.reasons.iter().map(signal).collect()
}

/// Runs of things in order of time with no more than `span` between neighbors, where `many` of what `of` tells lie within one
/// `span`.
fn runs<T>(
    sorted: Vec<T>,
    span: TimeDelta,
    many: usize,
    at: impl Fn(&T) -> DateTime<Utc>,
    of: impl Fn(&T) -> String,
) -> Vec<Vec<T>> {
    let mut runs: Vec<Vec<T>> = Vec::new();
    for one in sorted {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| at(&one) - at(last) <= span) => run.push(one),
            _ => runs.push(vec![one]),
        }
    }
    let within = |run: &[T]| {
        run.iter().enumerate().any(|(index, first)| {
            let near = run.iter().skip(index).take_while(|other| at(other) - at(first) <= span);
            near.map(&of).collect::<BTreeSet<String>>().len() >= many.max(1)
        })
    };
    runs.retain(|run| within(run));
    runs
}

/// One actor, several principals: the members stay incidents, and are told of by their burst.
fn bursts(facts: Facts<'_>, incidents: &mut [Incident]) -> Vec<Incident> {
    let mut by_actor: BTreeMap<(String, String, bool), Vec<usize>> = BTreeMap::new();
    for (index, incident) in incidents.iter().enumerate() {
        if let Some(actor) = &incident.actor {
            let enrolled = incident.due_at == incident.opened_at;
            by_actor.entry((incident.account.clone(), actor.clone(), enrolled)).or_default().push(index);
        }
    }
    let mut bursts = Vec::new();
    for mut indices in by_actor.into_values() {
        let get = |index: &usize| incidents.get(*index);
        indices.sort_by_key(|index| get(index).map(|one| (one.opened_at, one.event_id.clone())));
        let at = |index: &usize| get(index).map_or(DateTime::UNIX_EPOCH, |one| one.opened_at);
        let who = |index: &usize| get(index).map_or_else(String::new, who);
        for run in runs(indices, facts.rules.burst_span, facts.rules.burst_principals.max(2), at, who) {
            let members: Vec<&Incident> = run.iter().filter_map(get).collect();
            let Some(burst) = burst(facts, &members) else { continue };
            bursts.push((run, burst));
        }
    }
    for (run, burst) in &bursts {
        for index in run {
            if let Some(member) = incidents.get_mut(*index) {
                member.part_of = Some(burst.key());
            }
        }
    }
    bursts.into_iter().map(|(_, burst)| burst).collect()
}

/// A principal, whatever it is called meanwhile.
fn who(incident: &Incident) -> String {
    let principal = incident.principal.as_ref();
    let id = |one: &Principal| one.id.clone().unwrap_or_else(|| one.name.to_lowercase());
    principal.map_or_else(String::new, |one| format!("{} {}", one.kind.name(), id(one)))
}

fn burst(facts: Facts<'_>, members: &[&Incident]) -> Option<Incident> {
    let (first, last) = (*members.first()?, *members.last()?);
    let worst = members.iter().max_by_key(|member| member.severity)?;
    let mut owners: Vec<&Option<String>> = members.iter().map(|member| &member.owner).collect();
    owners.dedup();
    let mut burst = Incident {
        kind: Kind::Burst,
        due_at: last.due_at,
        severity: worst.severity,
        resolution: resolution_of(members),
        principal: None,
        class: worst.class,
        reasons: worst.reasons.clone(),
        certainty: members.iter().filter_map(|member| member.certainty).max(),
        owner: first.owner.clone().filter(|_| owners.len() == 1),
        privileged: members.iter().filter_map(|member| member.privileged).max(),
        ticket: None,
        device: None,
        remaining_devices: None,
        console_password: None,
        active_access_keys: None,
        overdue: members.iter().any(|member| member.overdue),
        window: None,
        events: members.len(),
        members: members.iter().map(|member| member.key()).collect(),
        part_of: None,
        ..first.clone()
    };
    burst.severity = facts.rules.severity(&burst, None).unwrap_or(burst.severity);
    Some(burst)
}

/// A burst is over when all of its members are.
fn resolution_of(members: &[&Incident]) -> Option<Resolution> {
    let mut ends = Vec::new();
    for member in members {
        ends.push(member.resolution.as_ref()?);
    }
    let last = ends.iter().max_by_key(|end| end.at)?;
    let unknown = ends.iter().any(|end| end.at.is_none());
    Some(Resolution {
        at: last.at.filter(|_| !unknown),
        reason: "members_resolved".to_owned(),
        event_id: last.event_id.clone(),
    })
}

/// Refused deactivations, enough of them by one actor within an hour.
fn attempts(facts: Facts<'_>, known: &Known<'_>) -> Vec<Incident> {
    let mut by_actor: BTreeMap<(&str, &str), Vec<(&LifecycleEvent, &Event)>> = BTreeMap::new();
    for attempt in facts.lifecycle.iter().filter(|attempt| attempt.outcome == Outcome::Failed) {
        let event = known.get(&attempt.account, &attempt.event_id);
        if let Some(event) = event.filter(|event| matches!(event.action, Action::DeviceDeactivated { .. })) {
            by_actor.entry((&attempt.account, &attempt.actor)).or_default().push((attempt, event));
        }
    }
    let mut incidents = Vec::new();
    for mut attempts in by_actor.into_values() {
        attempts.sort_by_key(|(attempt, _)| (attempt.event_time, &attempt.event_id));
        attempts.dedup_by_key(|(attempt, _)| &attempt.event_id);
        let runs = runs(
            attempts,
            ATTEMPTS_SPAN,
            facts.rules.attempts,
            |(attempt, _)| attempt.event_time,
            |(attempt, _)| attempt.event_id.clone(),
        );
        incidents.extend(runs.iter().filter_map(|run| of_attempts(facts, run)));
    }
    incidents
}

fn of_attempts(facts: Facts<'_>, run: &[(&LifecycleEvent, &Event)]) -> Option<Incident> {
    let ((first, event), (last, _)) = (run.first()?, run.last()?);
    let quiet_at = last.event_time + ATTEMPTS_SPAN;
    let mut principals: Vec<&Option<Principal>> = run.iter().map(|(attempt, _)| &attempt.principal).collect();
    principals.dedup();
    let by_root = event.actor.kind == ActorKind::Root;
    let mut incident = Incident {
        due_at: last.event_time,
        severity: if by_root { Severity::Critical } else { Severity::Error },
        resolution: (quiet_at <= facts.as_of).then(|| Resolution {
            at: Some(quiet_at),
            reason: "quiet".to_owned(),
            event_id: None,
        }),
        principal: first.principal.clone().filter(|_| principals.len() == 1),
        actor: Some(first.actor.clone()),
        events: run.len(),
        ..of_event(Kind::Attempts, event)
    };
    incident.severity = facts.rules.severity(&incident, None).unwrap_or(incident.severity);
    Some(incident)
}

fn of_trail(facts: Facts<'_>, change: Weakening<'_>) -> Incident {
    let event = change.event;
    let follow_up = event.time + facts.rules.follow_up;
    let resolution = match change.resumed {
        Some(resumed) => Some(Resolution {
            at: Some(resumed.time),
            reason: "logging_resumed".to_owned(),
            event_id: Some(resumed.id.clone()),
        }),
        None if change.stops() || facts.as_of < follow_up => None,
        None => Some(Resolution { at: Some(follow_up), reason: "not_followed_up".to_owned(), event_id: None }),
    };
    let severity = match (event.actor.kind, change.stops()) {
        (ActorKind::Root, _) => Severity::Critical,
        (_, true) => Severity::Error,
        _ => Severity::Warning,
    };
    let trail = match &event.action {
        Action::TrailChanged { trail } => trail.clone(),
        _ => None,
    };
    let mut incident = Incident { severity, resolution, device: trail, ..of_event(Kind::Evidence, event) };
    incident.severity = facts.rules.severity(&incident, None).unwrap_or(severity);
    incident
}
