//! Which channels are told of what.

use serde::Deserialize;

use super::Alert;
use crate::incident::Severity;
use crate::names::Pattern;

/// One `[[route]]`: what it names must hold, of each any.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// Severities.
    pub severity: Vec<Severity>,
    /// Classes, with wildcards.
    pub class: Vec<String>,
    /// Account ids, with wildcards.
    pub account: Vec<String>,
    /// Owners, with wildcards.
    pub owner: Vec<String>,
    /// The channels that are told.
    pub channels: Vec<String>,
}

impl Route {
    /// Whether an alert goes this way.
    #[must_use]
    pub fn takes(&self, alert: &Alert) -> bool {
        let any = |patterns: &[String], value: Option<&str>| {
            patterns.is_empty()
                || value.is_some_and(|value| patterns.iter().any(|pattern| Pattern::new(pattern).matches(value)))
        };
        (self.severity.is_empty() || self.severity.contains(&alert.severity))
            && any(&self.class, alert.class.as_deref())
            && any(&self.account, Some(&alert.account))
            && any(&self.owner, alert.owner.as_deref())
    }
}

/// The channels that are told of an alert, of those that there are: each once, in their order. All routes that take it count;
/// where there is no route at all, every channel is told of everything.
#[must_use]
pub fn channels<'c>(routes: &[Route], all: &[&'c str], alert: &Alert) -> Vec<&'c str> {
    let told = |name: &str| {
        routes.is_empty()
            || routes.iter().any(|route| route.takes(alert) && route.channels.iter().any(|own| own == name))
    };
    all.iter().copied().filter(|name| told(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::{Kind, Transition};

    fn alert(severity: Severity, class: &str, account: &str, owner: Option<&str>) -> Alert {
        Alert {
            key: "mfatrail:111122223333:1".to_owned(),
            sequence: 1,
            transition: Transition::Opened,
            state: crate::incident::State::Open,
            kind: Kind::Window,
            severity,
            at: chrono::DateTime::UNIX_EPOCH,
            account: account.to_owned(),
            class: Some(class.to_owned()),
            subject: "alice".to_owned(),
            owner: owner.map(str::to_owned),
            text: crate::alert::Text::default(),
            window: None,
            members: None,
            acknowledged_by: None,
            test: false,
        }
    }

    #[test]
    fn all_routes_that_match_apply_and_without_any_everybody_is_told() {
        let route = |severity: &[Severity], class: &[&str], account: &[&str], owner: &[&str], channels: &[&str]| {
            let texts = |of: &[&str]| of.iter().map(|text| (*text).to_owned()).collect();
            Route {
                severity: severity.to_vec(),
                class: texts(class),
                account: texts(account),
                owner: texts(owner),
                channels: texts(channels),
            }
        };
        let all = ["page", "soc", "mail"];
        let bad = alert(Severity::Critical, "takeover", "111122223333", Some("Lee@example.com"));
        let mild = alert(Severity::Info, "offboarding", "444455556666", None);
        assert_eq!(channels(&[], &all, &mild), all);
        let routes = [
            route(&[Severity::Critical, Severity::Error], &[], &[], &[], &["soc", "page"]),
            route(&[], &["take*"], &[], &[], &["page"]),
            route(&[], &[], &["4444*"], &[], &["mail"]),
            route(&[], &[], &[], &["*@EXAMPLE.com"], &["mail"]),
        ];
        assert_eq!(channels(&routes, &all, &bad), all);
        assert_eq!(channels(&routes, &all, &mild), ["mail"]);
        assert_eq!(channels(&routes[..2], &all, &mild), Vec::<&str>::new());
        // What is not known matches no pattern.
        assert_eq!(channels(&routes[3..], &all, &mild), Vec::<&str>::new());
    }
}
