//! Every fault that a server or the way to it can have, for every channel: what the watch is told of it, and that in the end people were
//! told once, or again where nobody could know, and then marked.

use std::net::TcpListener;

use mfatrail::alert::Outcome;

use super::{
    Api, BRIEFLY, JIRA, PAGERDUTY, PATIENCE, SECRET, SERVICENOW, SERVICENOW_EVENTS, SLACK_BOT, SLACK_WEBHOOK, TEAMS,
    WEBHOOK, ZENDESK, ZENDESK_OAUTH, insist, opened, reason, reference, resolved,
};
use crate::standin::{self, Answer, Fault, StandIn};

/// What the watch is told.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    /// Not taken, with the wait that was asked for.
    Repeat(Option<u64>),
    Unknown,
    Permanent,
}

fn told(outcome: &Outcome) -> Option<Told> {
    match outcome {
        Outcome::Delivered { .. } => None,
        Outcome::RepeatAfter { wait, .. } | Outcome::Partial { wait, unknown: false, .. } => {
            Some(Told::Repeat(wait.map(|wait| wait.as_secs())))
        }
        Outcome::Unknown { .. } | Outcome::Partial { .. } => Some(Told::Unknown),
        Outcome::Permanent { .. } => Some(Told::Permanent),
    }
}

fn refuse(status: u16, wait: Option<&str>) -> Answer {
    let headers = wait.map(|wait| ("Retry-After", wait.to_owned())).into_iter().collect();
    Answer { status, headers, body: "not now".to_owned() }
}

/// A page such as a sign-in or a proxy shows.
fn page(status: u16) -> Answer {
    let headers = vec![("Content-Type", "text/html; charset=utf-8".to_owned())];
    Answer { status, headers, body: "<html><body>please sign in</body></html>".to_owned() }
}

/// Each fault, what is told of it, and whether what was asked was done all the same.
fn table() -> Vec<(&'static str, Fault, Told, bool)> {
    let moved =
        Answer { status: 307, headers: vec![("Location", "http://192.0.2.1/".to_owned())], body: String::new() };
    vec![
        ("429, seconds", Fault::Refuse(refuse(429, Some("7"))), Told::Repeat(Some(7)), false),
        (
            "429, a date",
            Fault::Refuse(refuse(429, Some("Mon, 21 Sep 2026 13:31:30 GMT"))),
            Told::Repeat(Some(90)),
            false,
        ),
        ("429, nothing", Fault::Refuse(refuse(429, None)), Told::Repeat(None), false),
        ("503", Fault::Refuse(refuse(503, Some("1"))), Told::Repeat(Some(1)), false),
        ("408", Fault::Refuse(refuse(408, None)), Told::Repeat(None), false),
        ("500", Fault::Refuse(refuse(500, None)), Told::Unknown, false),
        ("500 after the effect", Fault::DoneBut(refuse(500, None)), Told::Unknown, true),
        ("502 after the effect", Fault::DoneBut(page(502)), Told::Unknown, true),
        ("504 after the effect", Fault::DoneBut(page(504)), Told::Unknown, true),
        ("silence", Fault::Silence(false), Told::Unknown, false),
        ("silence after the effect", Fault::Silence(true), Told::Unknown, true),
        ("reset", Fault::Reset(false), Told::Unknown, false),
        ("reset after the effect", Fault::Reset(true), Told::Unknown, true),
        ("half an answer", Fault::Half, Told::Unknown, true),
        ("garbage", Fault::Garbage, Told::Unknown, false),
        ("a page", Fault::Refuse(page(200)), Told::Unknown, false),
        ("moved", Fault::Refuse(moved), Told::Permanent, false),
        ("400", Fault::Refuse(refuse(400, None)), Told::Permanent, false),
        ("401", Fault::Refuse(refuse(401, None)), Told::Permanent, false),
        ("404", Fault::Refuse(refuse(404, None)), Told::Permanent, false),
        ("410", Fault::Refuse(refuse(410, None)), Told::Permanent, false),
        ("echo, 400", Fault::Echo(400), Told::Permanent, false),
        ("echo, 500", Fault::Echo(500), Told::Unknown, false),
    ]
}

/// Meets each fault at each request of a first and of a second delivery.
pub(super) fn meets_all<A: standin::Api>(api: &Api<A>) {
    for (fault, cause, expected, is_done) in table() {
        if api.name == "webhook" && fault == "a page" {
            continue; // Of one's own receiver, any 2xx is an answer.
        }
        for before in 0..=api.requests {
            if api.name.ends_with("oauth") && fault == "401" && before > 0 {
                continue; // A token that is not accepted any more is renewed.
            }
            let case = format!("{}: {fault} at request {before}", api.name);
            let folder = tempfile::tempdir().unwrap();
            let server = StandIn::start((api.fresh)());
            let deadline = if matches!(cause, Fault::Silence(_)) { BRIEFLY } else { PATIENCE };
            let mut channel = api.open_within(deadline, &server.url, folder.path());
            (api.prepare)(channel.as_mut());
            let script = |before: usize| vec![Fault::Pass; before].into_iter().chain([cause.clone()]);
            let first = if before == 0 {
                server.script(script(0));
                insist(channel.as_mut(), &opened(), None)
            } else {
                let known = insist(channel.as_mut(), &opened(), None);
                let known = reference(&known[0]);
                server.script(script(before - 1));
                insist(channel.as_mut(), &resolved(), known.as_deref())
            };
            let alert = if before == 0 { opened() } else { resolved() };
            assert_eq!(told(&first[0]), Some(expected), "{case}: {:?}", first[0]);
            assert!(!reason(&first[0]).is_empty(), "{case}");
            for outcome in &first {
                assert!(!format!("{outcome:?}").contains("hunter2"), "{case}: {outcome:?}");
                assert!(reason(outcome).len() < 600, "{case}: {outcome:?}");
            }
            let marks = server.with(|state| (api.told)(state, &alert));
            if expected == Told::Permanent {
                assert_eq!((first.len(), marks.len()), (1, 0), "{case}");
                continue;
            }
            assert!(first.len() == 2 && told(&first[1]).is_none(), "{case}: {first:?}");
            assert!(!marks.is_empty(), "{case}: nobody was told");
            // Once; or again, where the channel cannot tell, and then marked. What was not done is done once.
            let marked = !channel.tells_repetitions() && expected == Told::Unknown;
            let expected: &[bool] = match (marked, is_done) {
                (true, true) => &[false, true],
                (true, false) => &[true],
                // A receiver of one's own is told that it may be a repetition, and tells it by its key.
                (false, false) if api.name == "webhook" && expected == Told::Unknown => &[true],
                // What the search does not find may be there all the same.
                (false, false) if api.name == "jira" && expected == Told::Unknown && before == 0 => &[true],
                (false, _) => &[false],
            };
            assert_eq!(marks, expected, "{case}");
        }
    }
}

#[test]
fn a_webhook_meets_every_fault() {
    meets_all(&WEBHOOK);
}

#[test]
fn pagerduty_meets_every_fault() {
    meets_all(&PAGERDUTY);
}

#[test]
fn a_webhook_of_slack_meets_every_fault() {
    meets_all(&SLACK_WEBHOOK);
}

#[test]
fn a_bot_of_slack_meets_every_fault() {
    meets_all(&SLACK_BOT);
}

#[test]
fn teams_meets_every_fault() {
    meets_all(&TEAMS);
}

#[test]
fn servicenow_meets_every_fault() {
    meets_all(&SERVICENOW);
    meets_all(&SERVICENOW_EVENTS);
}

#[test]
fn zendesk_meets_every_fault() {
    meets_all(&ZENDESK);
    meets_all(&ZENDESK_OAUTH);
}

#[test]
fn jira_meets_every_fault() {
    meets_all(&JIRA);
}

/// Without a server, and with one whose certificate nobody has signed: nothing was sent, so that it is sent later.
pub(super) fn waits_for_a_connection<A: standin::Api>(api: &Api<A>) {
    let folder = tempfile::tempdir().unwrap();
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut channel = api.open(&format!("http://{unused}"), folder.path());
    let refused = insist(channel.as_mut(), &opened(), None);
    assert!(refused.len() == 5 && refused.iter().all(|one| told(one) == Some(Told::Repeat(None))), "{refused:?}");
    assert!(channel.check().unwrap_err().contains("could not connect"));

    let (server, _certificate) = StandIn::start_tls((api.fresh)(), folder.path());
    let mut channel = api.open(&server.url, folder.path());
    let refused = insist(channel.as_mut(), &opened(), None);
    assert!(refused.iter().all(|one| told(one) == Some(Told::Repeat(None))), "{refused:?}");
    assert!(reason(&refused[0]).contains("certificate"), "{}: {}", api.name, reason(&refused[0]));
    assert!(channel.check().unwrap_err().contains("certificate"));
    assert!(server.requests().is_empty() && !format!("{refused:?}").contains(SECRET));
}

#[test]
fn nothing_is_sent_without_a_connection_that_can_be_trusted() {
    waits_for_a_connection(&WEBHOOK);
    waits_for_a_connection(&PAGERDUTY);
    waits_for_a_connection(&SLACK_WEBHOOK);
    waits_for_a_connection(&SLACK_BOT);
    waits_for_a_connection(&TEAMS);
    waits_for_a_connection(&SERVICENOW);
    waits_for_a_connection(&SERVICENOW_EVENTS);
    waits_for_a_connection(&ZENDESK);
    waits_for_a_connection(&ZENDESK_OAUTH);
    waits_for_a_connection(&JIRA);
}

/// A check sends nothing that anybody would see, and finds a channel that is as it should be.
pub(super) fn is_checked<A: standin::Api>(api: &Api<A>) {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start((api.fresh)());
    let mut channel = api.open(&server.url, folder.path());
    assert_eq!(channel.check(), Ok(()), "{}", api.name);
    assert!(server.with(|state| (api.told)(state, &opened())).is_empty());
}

#[test]
fn a_check_tells_nobody() {
    is_checked(&WEBHOOK);
    is_checked(&PAGERDUTY);
    is_checked(&SLACK_WEBHOOK);
    is_checked(&SLACK_BOT);
    is_checked(&TEAMS);
    is_checked(&SERVICENOW);
    is_checked(&SERVICENOW_EVENTS);
    is_checked(&ZENDESK);
    is_checked(&ZENDESK_OAUTH);
    is_checked(&JIRA);
}
