//! What makes an incident, and how bad it is: settings with their defaults.
//!
//! | severity | what, unless a rule says otherwise |
//! | --- | --- |
//! | `critical` | suspected takeover; the root user's MFA; a trail or devices that the root user went for |
//! | `error` | privileged or not explained; refused deactivations; a trail that was stopped or deleted |
//! | `warning` | workaround, replacement overdue, never enrolled; another change of a trail |
//! | `info` | approved, offboarding, replacement in time |
//!
//! A burst is as bad as its worst member. The first rule that matches decides.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Deserialize;

use super::{Incident, Kind, Severity};
use crate::contract::Class;
use crate::names::Pattern;
use crate::units::read_duration;

/// The settings that decide what is told.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// How long somebody may have a console password and no device before that is an incident; a day unless set.
    #[serde(deserialize_with = "read_duration")]
    pub enrollment_grace: TimeDelta,
    /// How many refused deactivations by one actor within an hour are an incident.
    pub attempts: usize,
    /// From how many principals on one actor's windows are one incident.
    pub burst_principals: usize,
    /// How far apart these may be.
    #[serde(deserialize_with = "read_duration")]
    pub burst_span: TimeDelta,
    /// How long after a change of a trail whose end no event shows its incident is left open.
    #[serde(deserialize_with = "read_duration")]
    pub follow_up: TimeDelta,
    /// What decides severities, in order.
    pub severity: Vec<SeverityRule>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            enrollment_grace: TimeDelta::days(1),
            attempts: 3,
            burst_principals: 3,
            burst_span: TimeDelta::minutes(10),
            follow_up: TimeDelta::days(1),
            severity: Vec::new(),
        }
    }
}

/// Gives a severity to what it matches: all that is set must hold, and of a list one value. What is not known matches nothing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityRule {
    /// Kinds of incidents.
    #[serde(default)]
    pub kind: Vec<Kind>,
    /// Accounts, with wildcards.
    #[serde(default)]
    pub account: Vec<String>,
    /// Classes.
    #[serde(default)]
    pub class: Vec<Class>,
    /// Owners, with wildcards.
    #[serde(default)]
    pub owner: Vec<String>,
    /// Whether the principal is privileged.
    pub privileged: Option<bool>,
    /// Tags of the principal: all of these keys, in any case, with values that may have wildcards.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// How bad it is then.
    pub severity: Severity,
}

impl SeverityRule {
    fn matches(&self, incident: &Incident, tags: Option<&BTreeMap<String, String>>) -> bool {
        let any = |patterns: &[String], value: Option<&str>| {
            patterns.is_empty()
                || value.is_some_and(|value| Pattern::all(patterns).iter().any(|one| one.matches(value)))
        };
        let tagged = |(key, wanted): (&String, &String)| {
            let mut own = tags.into_iter().flatten().filter(|(name, _)| name.eq_ignore_ascii_case(key));
            own.any(|(_, value)| Pattern::new(wanted).matches(value))
        };
        (self.kind.is_empty() || self.kind.contains(&incident.kind))
            && any(&self.account, Some(&incident.account))
            && (self.class.is_empty() || incident.class.is_some_and(|class| self.class.contains(&class)))
            && any(&self.owner, incident.owner.as_deref())
            && self.privileged.is_none_or(|wanted| incident.privileged == Some(wanted))
            && self.tags.iter().all(tagged)
    }
}

impl Rules {
    /// The severity by the first rule that matches; `None` where none does.
    #[must_use]
    pub fn severity(&self, incident: &Incident, tags: Option<&BTreeMap<String, String>>) -> Option<Severity> {
        self.severity.iter().find(|rule| rule.matches(incident, tags)).map(|rule| rule.severity)
    }
}
