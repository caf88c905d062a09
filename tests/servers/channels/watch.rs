//! The binary and all these channels at once: what each has in the end is what the ledger says, whatever went wrong on the way.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{HOOK, JIRA, PAGERDUTY, SECRET, SERVICENOW, SLACK_BOT, SLACK_WEBHOOK, TEAMS, WEBHOOK, ZENDESK_OAUTH};
use crate::standin::{Answer, Fault, StandIn};
use crate::support::run::{Ran, mfatrail, root};

/// A configuration of the fixtures' archive and these channels.
pub(super) fn configuration(home: &Path, channels: &[(&str, &str, String)]) {
    let mut text = format!("[[input]]\nkind = \"archive\"\nsource = {:?}\n", root().join("fixtures/archive"));
    for (name, kind, settings) in channels {
        text.push_str(&format!("\n[[channel]]\nname = \"{name}\"\nkind = \"{kind}\"\ntimeout = \"30s\"\n{settings}\n"));
    }
    fs::write(home.join("watch.toml"), text).unwrap();
}

fn run(home: &Path, arguments: &[&str]) -> Ran {
    mfatrail().current_dir(home).args(arguments).output().unwrap().into()
}

pub(super) const ONCE: [&str; 8] =
    ["watch", "--config", "watch.toml", "--store", "store", "--once", "--from", "2026-10-01"];

#[test]
fn every_channel_is_told_every_transition_once() {
    let home = tempfile::tempdir().unwrap();
    let webhook = StandIn::start((WEBHOOK.fresh)());
    let pagerduty = StandIn::start((PAGERDUTY.fresh)());
    let hook = StandIn::start((SLACK_WEBHOOK.fresh)());
    let bot = StandIn::start((SLACK_BOT.fresh)());
    let teams = StandIn::start((TEAMS.fresh)());
    let servicenow = StandIn::start((SERVICENOW.fresh)());
    let zendesk = StandIn::start((ZENDESK_OAUTH.fresh)());
    let jira = StandIn::start((JIRA.fresh)());
    configuration(
        home.path(),
        &[
            ("soc", "webhook", (WEBHOOK.settings)(&webhook.url, home.path())),
            ("page", "pagerduty", (PAGERDUTY.settings)(&pagerduty.url, home.path())),
            ("chat", "slack", (SLACK_WEBHOOK.settings)(&hook.url, home.path())),
            ("bot", "slack", (SLACK_BOT.settings)(&bot.url, home.path())),
            ("teams", "teams", (TEAMS.settings)(&teams.url, home.path())),
            ("itsm", "servicenow", (SERVICENOW.settings)(&servicenow.url, home.path())),
            ("support", "zendesk", (ZENDESK_OAUTH.settings)(&zendesk.url, home.path())),
            ("issues", "jira", (JIRA.settings)(&jira.url, home.path())),
        ],
    );
    let wait = |status: u16| Answer { status, headers: vec![("Retry-After", "0".to_owned())], body: String::new() };
    for n in 0..4 {
        let faults = || vec![Fault::Pass; n].into_iter().chain([Fault::Refuse(wait(429)), Fault::Reset(true)]);
        webhook.script(faults());
        pagerduty.script(faults());
        hook.script(faults());
        bot.script(faults());
        teams.script(faults());
        servicenow.script(faults());
        zendesk.script(faults());
        jira.script(faults());
    }
    let mut printed = String::new();
    let delivered = (0..100).any(|_| {
        let ran = run(home.path(), &ONCE);
        printed.push_str(&ran.stderr);
        std::thread::sleep(std::time::Duration::from_millis(200));
        ran.stderr.contains(" 0 not delivered")
    });
    assert!(delivered, "{printed}");
    assert!(!printed.contains(SECRET) && !printed.contains(HOOK), "{printed}");

    // What one's own receiver did, each once, is what there is to tell.
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    webhook.with(|api| {
        assert!(api.repeated > 0, "answers were lost");
        for (_, body) in &api.done {
            let key = body["key"].as_str().unwrap().to_owned();
            expected.entry(key).or_default().push(body["transition"].as_str().unwrap().to_owned());
        }
    });
    assert!(expected.len() > 5, "{expected:?}");
    let transitions: usize = expected.values().map(Vec::len).sum();
    pagerduty.with(|api| {
        let opened: usize = expected.values().flatten().filter(|one| *one == "opened").count();
        assert_eq!(api.alerts.len(), opened, "one alert for each opening: {:?}", api.alerts);
        for (key, story) in &expected {
            let last = api.alerts.iter().rfind(|alert| alert.dedup_key == *key).unwrap();
            let is_over = story.iter().rfind(|one| *one != "updated").is_some_and(|one| one != "opened");
            assert_eq!(last.state == "resolved", is_over, "{key}: {story:?}");
        }
    });
    bot.with(|api| {
        let threads = api.messages.iter().filter(|message| message.thread.is_some()).count();
        assert_eq!((api.messages.len() - threads, api.messages.len()), (expected.len(), transitions));
        assert!(api.messages.iter().all(|message| !message.text.contains("Possible repetition")));
    });
    // Each incident is one ticket, which tells each transition once.
    servicenow
        .with(|api| assert_eq!((api.rows.len(), api.rows.len() + api.notes.len()), (expected.len(), transitions)));
    zendesk.with(|api| {
        let comments: usize = api.tickets.iter().map(|ticket| ticket.comments.len()).sum();
        assert_eq!((api.tickets.len(), comments), (expected.len(), transitions));
    });
    jira.with(|api| {
        let comments: usize = api.issues.iter().map(|issue| issue.comments.len()).sum();
        assert_eq!((api.issues.len(), api.issues.len() + comments), (expected.len(), transitions));
    });
    let marked = |text: &str| text.contains("Possible repetition");
    let of_hook = hook.with(|api| api.messages.iter().filter(|message| !marked(&message.text)).count());
    let of_teams = teams.with(|api| api.cards.iter().filter(|card| !marked(&card.to_string())).count());
    assert_eq!((of_hook, of_teams), (transitions, transitions), "what is sent twice is marked");
}

#[test]
fn a_certificate_is_trusted_that_the_system_trusts() {
    let home = tempfile::tempdir().unwrap();
    let (server, certificate) = StandIn::start_tls((WEBHOOK.fresh)(), home.path());
    configuration(home.path(), &[("soc", "webhook", (WEBHOOK.settings)(&server.url, home.path()))]);
    let check = |trusted: bool| -> Ran {
        let mut command = mfatrail();
        command.current_dir(home.path()).args(["watch", "check", "--config", "watch.toml"]);
        if trusted {
            command.env("SSL_CERT_FILE", &certificate);
        }
        command.output().unwrap().into()
    };
    let wrong = check(false);
    assert!(wrong.status != 0 && wrong.stderr.contains("certificate"), "{}", wrong.stderr);
    let right = check(true);
    assert_eq!(right.status, 0, "{}", right.stderr);
    assert!(server.requests().is_empty(), "nothing was sent");
}
