//! Tickets through the life of an incident, and the traps of each system.

use mfatrail::alert::channel::Channel;
use mfatrail::alert::{Alert, Delivery, Outcome};
use mfatrail::incident::{State, Transition};

use super::{
    Api, JIRA, SECRET, SERVICENOW, SERVICENOW_EVENTS, ZENDESK, ZENDESK_OAUTH, alert, fact, insist, now, open, opened,
    reason, reference, resolved, secret, written,
};
use crate::standin::{self, Answer, Fault, StandIn};

/// A channel and its stand-in.
struct Desk<A> {
    server: StandIn<A>,
    channel: Box<dyn Channel>,
    folder: tempfile::TempDir,
}

impl<A: standin::Api> Desk<A> {
    fn new(api: &Api<A>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = StandIn::start((api.fresh)());
        let channel = open(api.kind, &(api.settings)(&server.url, folder.path()));
        Self { server, channel, folder }
    }

    fn deliver(&mut self, alert: &Alert, reference: Option<&str>, repetition: bool) -> Outcome {
        self.channel.deliver(&Delivery { alert, reference, repetition, now: now() })
    }

    /// Delivers, and gives the reference and what was said.
    fn tell(&mut self, alert: &Alert, before: Option<&str>) -> (String, String) {
        let outcomes = insist(self.channel.as_mut(), alert, before);
        let last = outcomes.last().unwrap();
        (reference(last).unwrap(), reason(last).to_owned())
    }
}

fn story() -> [Alert; 5] {
    [
        opened(),
        alert(2, Transition::Updated, State::Open),
        alert(3, Transition::Updated, State::Acknowledged),
        alert(4, Transition::Resolved, State::Resolved),
        // How it ended was corrected: that does not open it anew.
        alert(5, Transition::Updated, State::Resolved),
    ]
}

/// Tells the story; the tickets are one, and say each transition once. Gives the reference.
fn is_one_ticket<A: standin::Api>(api: &Api<A>, desk: &mut Desk<A>) -> String {
    let mut known: Option<String> = None;
    for alert in story() {
        let (own, said) = desk.tell(&alert, known.as_deref());
        assert!(known.as_ref().is_none_or(|known| *known == own), "{}: {own}", api.name);
        assert_eq!(said, "", "{}", api.name);
        assert_eq!(desk.server.with(|state| (api.told)(state, &alert)), [false], "{}: {}", api.name, alert.sequence);
        known = Some(own);
    }
    known.unwrap()
}

#[test]
fn an_incident_is_one_record_of_servicenow_until_it_is_over() {
    let mut desk = Desk::new(&SERVICENOW);
    let own = is_one_ticket(&SERVICENOW, &mut desk);
    assert_eq!(own, format!("{:032x}/INC0000001", 1));
    desk.server.with(|api| {
        let row = &api.rows[0];
        let get = |name: &str| row.get(name).map_or("", String::as_str);
        assert_eq!((api.rows.len(), api.notes.len(), get("state"), get("impact")), (1, 4, "6", "1"));
        assert_eq!((get("close_code"), get("correlation_id")), ("Solution provided", opened().key.as_str()));
    });
    // A late event shows that it is not over: the record is opened again, or followed by another.
    let again = alert(6, Transition::Opened, State::Open);
    assert_eq!(desk.tell(&again, Some(&own)).0, own);
    desk.server.with(|api| {
        assert_eq!((api.rows.len(), api.rows[0]["state"].as_str()), (1, "2"));
        api.set(0, "state", "7");
    });
    let (other, said) = desk.tell(&alert(7, Transition::Updated, State::Open), Some(&own));
    assert!(other.ends_with("INC0000002") && said.contains("INC0000001 is closed"), "{said}");
    // What is over and closed is left alone.
    desk.server.with(|api| api.set(1, "state", "7"));
    let (_, said) = desk.tell(&alert(8, Transition::Resolved, State::Resolved), Some(&other));
    assert!(said.contains("closed, and the incident is over"), "{said}");
    desk.server.with(|api| assert_eq!(api.rows.len(), 2));
}

#[test]
fn an_incident_is_one_ticket_of_zendesk_until_it_is_over() {
    for api in [&ZENDESK, &ZENDESK_OAUTH] {
        let mut desk = Desk::new(api);
        let own = is_one_ticket(api, &mut desk);
        desk.server.with(|api| {
            let ticket = &api.tickets[0];
            assert_eq!((api.tickets.len(), ticket.comments.len(), ticket.status()), (1, 5, "solved"));
            assert_eq!(ticket.fields["priority"], "high");
        });
        let again = alert(6, Transition::Opened, State::Open);
        assert_eq!(desk.tell(&again, Some(&own)).0, own);
        desk.server.with(|api| {
            assert_eq!(api.tickets[0].status(), "open");
            api.tickets[0].fields["status"] = "closed".into();
        });
        let (other, said) = desk.tell(&alert(7, Transition::Updated, State::Open), Some(&own));
        assert!(other != own && said.contains("is closed; a new ticket"), "{said}");
        desk.server.with(|api| {
            assert_eq!(api.tickets[1].fields["via_followup_source_id"], api.tickets[0].id);
        });
        // Both bear the incident's key: the one that is not closed goes on.
        let found = desk.deliver(&alert(8, Transition::Resolved, State::Resolved), None, false);
        assert_eq!(reference(&found).as_deref(), Some(other.as_str()), "{found:?}");
    }
}

#[test]
fn an_incident_is_one_issue_of_jira_until_it_is_over() {
    let mut desk = Desk::new(&JIRA);
    let own = is_one_ticket(&JIRA, &mut desk);
    assert_eq!(own, "10001/SEC-1");
    desk.server.with(|api| {
        assert_eq!((api.issues.len(), api.issues[0].comments.len(), api.issues[0].is_done), (1, 4, true));
    });
    assert_eq!(desk.tell(&alert(6, Transition::Opened, State::Open), Some(&own)).0, own);
    desk.server.with(|api| assert!(!api.issues[0].is_done));
    // Without a transition back, another issue follows.
    let settings = (JIRA.settings)(&desk.server.url, desk.folder.path()).replace("reopen = \"Reopen\"", "");
    desk.channel = open("jira", &settings);
    desk.tell(&alert(7, Transition::Resolved, State::Resolved), Some(&own));
    let (other, said) = desk.tell(&alert(8, Transition::Opened, State::Open), Some(&own));
    assert!(other.ends_with("/SEC-2") && said.contains("SEC-1 is closed"), "{other} {said}");
}

#[test]
fn an_incident_is_one_alert_of_event_management_until_it_is_over() {
    let mut desk = Desk::new(&SERVICENOW_EVENTS);
    let said: Vec<String> = story().iter().map(|alert| desk.tell(alert, None).1).collect();
    assert!(said[..4].iter().all(String::is_empty) && said[4].contains("would open it anew"), "{said:?}");
    desk.server.with(|api| assert_eq!(api.alerts, [(opened().key, "0".to_owned(), 4)]));
    desk.tell(&alert(6, Transition::Opened, State::Open), None);
    desk.server.with(|api| assert_eq!(api.alerts.len(), 2));
}

/// What is over when the system first hears of it is a ticket all the same.
#[test]
fn what_is_over_already_is_a_ticket_that_is_over() {
    let end = alert(2, Transition::Withdrawn, State::Withdrawn);
    let mut desk = Desk::new(&SERVICENOW);
    desk.tell(&end, None);
    desk.server.with(|api| assert_eq!((api.rows.len(), api.rows[0]["state"].as_str()), (1, "6")));
    let mut desk = Desk::new(&ZENDESK);
    desk.tell(&end, None);
    desk.server.with(|api| assert_eq!((api.tickets.len(), api.tickets[0].status()), (1, "solved")));
    let mut desk = Desk::new(&JIRA);
    // The issue is there, and what closes it has to be done again.
    desk.server.script([Fault::Pass, Fault::Pass, Fault::Pass, Fault::Reset(false)]);
    desk.tell(&end, None);
    desk.server.with(|api| {
        assert_eq!((api.issues.len(), api.issues[0].is_done, api.issues[0].comments.len()), (1, true, 0));
    });
}

#[test]
fn a_query_that_servicenow_ignores_changes_no_record_of_others() {
    let mut desk = Desk::new(&SERVICENOW);
    let mut other = opened();
    other.key = "mfatrail:444455556666:0a1b2c3d-0000-4000-8000-000000000009".to_owned();
    desk.tell(&other, None);
    desk.server.with(|api| api.hides_correlation = true);
    desk.server.script([Fault::Reset(true)]);
    assert!(matches!(desk.deliver(&opened(), None, false), Outcome::Unknown { .. }));
    let again = desk.deliver(&opened(), None, true);
    assert!(reason(&again).contains("glide.invalid_query.returns_no_rows"), "{again:?}");
    desk.server.with(|api| {
        assert_eq!((api.rows.len(), api.notes.len()), (3, 0));
        let texts = api.rows.iter().map(|row| row["description"].as_str());
        assert_eq!(written(texts, &opened()), [false, true], "the second one says that it may be a repetition");
    });
}

#[test]
fn a_policy_that_refuses_the_end_is_told() {
    let mut desk = Desk::new(&SERVICENOW);
    let settings = (SERVICENOW.settings)(&desk.server.url, desk.folder.path()).replace("Solution provided", "Solved");
    desk.channel = open("servicenow", &settings);
    let (own, _) = desk.tell(&opened(), None);
    let refused = desk.deliver(&resolved(), Some(&own), false);
    assert!(
        matches!(&refused, Outcome::Permanent { reason } if reason.contains("Data Policy") && reason.contains("`close_code`")),
        "{refused:?}"
    );
}

#[test]
fn a_ticket_that_is_gone_or_another_s_is_replaced() {
    let mut desk = Desk::new(&SERVICENOW);
    let (own, _) = desk.tell(&opened(), None);
    desk.server.with(|api| api.set(0, "correlation_id", "another"));
    let (other, said) = desk.tell(&resolved(), Some(&own));
    assert!(other != own && said.contains("is gone"), "{said}");
    desk.server.with(|api| assert!(api.rows[0]["state"] == "1" && api.notes.is_empty()));
    let mut desk = Desk::new(&ZENDESK);
    assert!(desk.tell(&resolved(), Some("99/99")).1.contains("is gone"));
    let mut desk = Desk::new(&JIRA);
    assert!(desk.tell(&resolved(), Some("99/SEC-99")).1.contains("is gone"));
}

#[test]
fn a_token_is_kept_and_renewed() {
    let mut desk = Desk::new(&ZENDESK_OAUTH);
    let (own, _) = desk.tell(&opened(), None);
    desk.tell(&alert(2, Transition::Updated, State::Open), Some(&own));
    desk.server.with(|api| assert_eq!(api.granted, 1));
    // Revoked.
    desk.server.with(|api| api.tokens.clear());
    desk.tell(&alert(3, Transition::Updated, State::Open), Some(&own));
    desk.server.with(|api| assert_eq!(api.granted, 2));
    // Expired.
    let later = now() + chrono::TimeDelta::hours(3);
    let alert = alert(4, Transition::Resolved, State::Resolved);
    let outcome =
        desk.channel.deliver(&Delivery { alert: &alert, reference: Some(&own), repetition: false, now: later });
    assert!(matches!(outcome, Outcome::Delivered { note: None, .. }), "{outcome:?}");
    desk.server.with(|api| {
        assert_eq!(api.granted, 3);
        assert_eq!((api.tickets.len(), api.tickets[0].comments.len()), (1, 4));
    });
    // A secret that is wrong.
    desk.server.with(|api| api.secret = "another".to_owned());
    desk.server.with(|api| api.tokens.clear());
    let outcome = desk.deliver(&alert, Some(&own), false);
    assert!(matches!(&outcome, Outcome::Permanent { reason } if !reason.contains(SECRET)), "{outcome:?}");
}

#[test]
fn servicenow_takes_a_token_too() {
    let mut desk = Desk::new(&SERVICENOW);
    let client = secret(desk.folder.path(), "client", SECRET);
    let settings = format!(
        "url = \"{}/\"\nclient_id = \"client\"\nclient_secret = {client:?}\nclose_code = \"Solution provided\"\nfields = {{caller_id = \"x\"}}",
        desk.server.url
    );
    desk.channel = open("servicenow", &settings);
    assert_eq!(desk.channel.check(), Ok(()));
    is_one_ticket(&SERVICENOW, &mut desk);
    // A check has no clock, so its token is not kept for a delivery.
    desk.server.with(|api| assert!(api.granted <= 2 && api.rows[0]["caller_id"] == "x", "{}", api.granted));
}

#[test]
fn an_idempotency_key_that_is_forgotten_leaves_the_search() {
    let mut desk = Desk::new(&ZENDESK);
    desk.server.script([Fault::Reset(true)]);
    assert!(matches!(desk.deliver(&opened(), None, false), Outcome::Unknown { .. }));
    desk.server.with(|api| api.forgets = true);
    assert!(matches!(desk.deliver(&opened(), None, true), Outcome::Delivered { note: None, .. }));
    desk.server.with(|api| assert_eq!((api.tickets.len(), api.tickets[0].comments.len()), (1, 1)));
}

#[test]
fn an_index_that_is_late_is_waited_for() {
    for (lag, tickets) in [(0, 1), (3, 1), (9, 2)] {
        let mut desk = Desk::new(&JIRA);
        desk.server.with(|api| api.lag = lag);
        desk.server.script([Fault::Reset(true)]);
        assert!(matches!(desk.deliver(&opened(), None, false), Outcome::Unknown { .. }));
        let again = desk.deliver(&opened(), None, true);
        let marks = desk.server.with(|api| (JIRA.told)(api, &opened()));
        // What is not found is created again, and says so.
        let expected: &[bool] = if tickets == 1 { &[false] } else { &[false, true] };
        assert_eq!(marks, expected, "{lag}: {again:?}");
        assert_eq!(reason(&again).contains("index may be late"), tickets == 2, "{again:?}");
    }
}

#[test]
fn a_workflow_without_the_transition_is_told_and_the_end_is_written() {
    let mut desk = Desk::new(&JIRA);
    desk.server.with(|api| api.done = "Close");
    let (own, _) = desk.tell(&opened(), None);
    let (_, said) = desk.tell(&resolved(), Some(&own));
    assert!(said.contains("no transition \"Done\"") && said.contains("\"Start\", \"Close\""), "{said}");
    desk.server.with(|api| assert!(!api.issues[0].is_done && api.issues[0].comments.len() == 1));
}

/// A check tells credentials that are wrong and permissions that are missing, and creates nothing.
#[test]
fn a_check_tells_what_is_wrong() {
    let mut desk = Desk::new(&SERVICENOW);
    desk.server.with(|api| api.secret = "another".to_owned());
    let error = desk.channel.check().unwrap_err();
    assert!(error.contains("401") && error.contains("check the channel's secret"), "{error}");
    for api in [&ZENDESK, &ZENDESK_OAUTH] {
        let mut desk = Desk::new(api);
        desk.server.with(|api| api.secret = "another".to_owned());
        let error = desk.channel.check().unwrap_err();
        assert!(error.contains("401") && !error.contains(SECRET), "{error}");
    }
    let mut desk = Desk::new(&JIRA);
    desk.server.with(|api| api.forbidden = Some("TRANSITION_ISSUES"));
    let error = desk.channel.check().unwrap_err();
    assert!(error.contains("project SEC: TRANSITION_ISSUES"), "{error}");
    desk.server.with(|api| api.secret = "another".to_owned());
    assert!(desk.channel.check().unwrap_err().contains("401"));
}

/// What strangers wrote, however long, is taken by each system.
#[test]
fn texts_of_strangers_are_taken() {
    for text in
        ["<!channel> {code}[~admin]", "\u{202e}\r\n", "x^NQactive=true", &"😀".repeat(100_000), &"\\\"".repeat(50_000)]
    {
        let mut alert = opened();
        alert.key = format!("mfatrail:111122223333:{}", text.chars().take(500).collect::<String>());
        text.clone_into(&mut alert.text.title);
        text.clone_into(&mut alert.text.summary);
        text.clone_into(&mut alert.subject);
        alert.text.facts = (0..200).map(|_| fact(text, text)).collect();
        let mut end = Alert { sequence: 2, ..alert.clone() };
        (end.transition, end.state) = (Transition::Resolved, State::Resolved);
        fn both<A: standin::Api>(api: &Api<A>, alerts: [&Alert; 2]) {
            let mut desk = Desk::new(api);
            // The answer is lost, so that it is looked for by its key.
            desk.server.script([Fault::DoneBut(Answer::text(502, ""))]);
            let (own, _) = desk.tell(alerts[0], None);
            assert_eq!(desk.tell(alerts[1], Some(&own)), (own, String::new()), "{}", api.name);
        }
        both(&SERVICENOW, [&alert, &end]);
        both(&SERVICENOW_EVENTS, [&alert, &end]);
        both(&ZENDESK, [&alert, &end]);
        both(&JIRA, [&alert, &end]);
    }
}
