//! PagerDuty's alerts through the life of an incident.

use mfatrail::alert::{Alert, Outcome};
use mfatrail::incident::{State, Transition};

use super::{PAGERDUTY, alert, insist, open, opened, reason, resolved};
use crate::standin::StandIn;

fn deliver(server: &StandIn<crate::standin::pagerduty::PagerDuty>, alerts: &[Alert]) -> Vec<Outcome> {
    let folder = tempfile::tempdir().unwrap();
    let mut channel = open("pagerduty", &(PAGERDUTY.settings)(&server.url, folder.path()));
    alerts.iter().flat_map(|alert| insist(channel.as_mut(), alert, Some(&alert.key))).collect()
}

#[test]
fn an_incident_is_one_alert_until_it_is_over() {
    let server = StandIn::start((PAGERDUTY.fresh)());
    let story = [
        opened(),
        alert(2, Transition::Updated, State::Open),
        alert(3, Transition::Updated, State::Acknowledged),
        alert(4, Transition::Resolved, State::Resolved),
        // How it ended was corrected: that does not open it anew.
        alert(5, Transition::Updated, State::Resolved),
    ];
    let outcomes = deliver(&server, &story);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Delivered { .. })), "{outcomes:?}");
    assert!(reason(&outcomes[4]).contains("would open it anew"), "{outcomes:?}");
    let actions: Vec<String> = server
        .requests()
        .iter()
        .map(|request| request.json().unwrap()["event_action"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actions, ["trigger", "trigger", "trigger", "acknowledge", "resolve"]);
    server.with(|api| {
        assert_eq!(
            api.alerts.iter().map(|alert| (alert.state, alert.log.len())).collect::<Vec<_>>(),
            [("resolved", 3)]
        );
    });
    // A late event shows that it is not over: then people are called again.
    deliver(&server, &[alert(6, Transition::Opened, State::Open)]);
    server.with(|api| {
        assert_eq!(api.alerts.iter().map(|alert| alert.state).collect::<Vec<_>>(), ["resolved", "triggered"])
    });
}

#[test]
fn what_is_withdrawn_is_resolved() {
    let server = StandIn::start((PAGERDUTY.fresh)());
    deliver(&server, &[opened(), alert(2, Transition::Withdrawn, State::Withdrawn)]);
    server.with(|api| assert_eq!(api.alerts[0].state, "resolved"));
}

#[test]
fn a_key_that_is_refused_is_told() {
    let server = StandIn::start((PAGERDUTY.fresh)());
    server.with(|api| api.routing_key = "another".to_owned());
    let outcomes = deliver(&server, &[opened(), resolved()]);
    for outcome in outcomes {
        assert!(
            matches!(&outcome, Outcome::Permanent { reason } if reason.contains("Invalid routing key")),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_key_that_cannot_be_one_fails_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start((PAGERDUTY.fresh)());
    let key = super::secret(folder.path(), "key", "hunter2");
    let mut channel = open("pagerduty", &format!("url = \"{}\"\nrouting_key = {key:?}", server.url));
    let error = channel.check().unwrap_err();
    assert!(error.contains("Events API v2") && !error.contains("hunter2"), "{error}");
}
