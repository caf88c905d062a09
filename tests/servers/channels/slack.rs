//! Slack's message through the life of an incident, and what its API refuses with 200.

use mfatrail::alert::{Alert, Delivery, Outcome};
use mfatrail::incident::{State, Transition};
use serde_json::json;

use super::{SLACK_BOT, SLACK_WEBHOOK, alert, insist, now, open, opened, reason, reference, resolved};
use crate::standin::slack::{BOT, CHANNEL, OTHER, Slack};
use crate::standin::{Answer, Fault, StandIn};

struct Bot {
    server: StandIn<Slack>,
    channel: Box<dyn mfatrail::alert::channel::Channel>,
    _folder: tempfile::TempDir,
}

impl Bot {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = StandIn::start((SLACK_BOT.fresh)());
        let channel = open("slack", &(SLACK_BOT.settings)(&server.url, folder.path()));
        Self { server, channel, _folder: folder }
    }

    fn deliver(&mut self, alert: &Alert, reference: Option<&str>, repetition: bool) -> Outcome {
        self.channel.deliver(&Delivery { alert, reference, repetition, now: now() })
    }

    /// The messages: where they stand, and what they tell.
    fn messages(&self) -> Vec<(bool, u64, usize)> {
        self.server.with(|api| {
            let own = api.messages.iter().filter(|message| message.user == BOT);
            own.map(|message| {
                (
                    message.thread.is_some(),
                    message.metadata["event_payload"]["sequence"].as_u64().unwrap(),
                    message.edits,
                )
            })
            .collect()
        })
    }
}

#[test]
fn an_incident_is_one_message_with_its_story_in_a_thread() {
    let mut bot = Bot::new();
    let first = bot.deliver(&opened(), None, false);
    let place = reference(&first).unwrap();
    assert!(place.starts_with(CHANNEL), "{place}");
    for next in [alert(2, Transition::Updated, State::Open), alert(3, Transition::Resolved, State::Resolved)] {
        assert_eq!(reference(&bot.deliver(&next, Some(&place), false)).as_deref(), Some(place.as_str()));
    }
    assert_eq!(bot.messages(), [(false, 3, 2), (true, 2, 0), (true, 3, 0)]);
    bot.server.with(|api| {
        assert!(api.messages[0].text.contains("Transition 3"), "{}", api.messages[0].text);
        assert!(api.messages.iter().all(|message| !message.broadcast && !message.text.contains("repetition")));
    });
}

#[test]
fn a_message_whose_answer_was_lost_is_found_in_the_history() {
    let mut bot = Bot::new();
    bot.server.script([Fault::Reset(true)]);
    assert!(matches!(bot.deliver(&opened(), None, false), Outcome::Unknown { .. }));
    // Meanwhile others write, and another app posts what looks like it.
    bot.server.with(|api| {
        for n in 0..10 {
            api.say("U0PERSON001", &json!({"text": format!("message {n}")}));
        }
        let metadata = json!({"event_type": "mfatrail_alert", "event_payload": {"key": opened().key, "sequence": 1}});
        api.say(OTHER, &json!({"text": "not ours", "metadata": metadata}));
    });
    let found = bot.deliver(&opened(), None, true);
    let place = reference(&found).unwrap();
    bot.server.with(|api| assert_eq!(place, format!("{CHANNEL}/{}", api.messages[0].ts)));
    assert_eq!(bot.messages(), [(false, 1, 0)]);
    // So is the reply in the thread, though the message was edited.
    bot.server.script([Fault::Pass, Fault::Reset(true)]);
    assert!(matches!(bot.deliver(&resolved(), Some(&place), false), Outcome::Unknown { .. }));
    assert!(matches!(bot.deliver(&resolved(), Some(&place), true), Outcome::Delivered { note: None, .. }));
    assert_eq!(bot.messages(), [(false, 2, 2), (true, 2, 0)]);
}

#[test]
fn a_message_that_never_arrived_is_not_called_a_repetition() {
    let mut bot = Bot::new();
    bot.server.script([Fault::Reset(false)]);
    assert!(matches!(bot.deliver(&opened(), None, false), Outcome::Unknown { .. }));
    assert!(matches!(bot.deliver(&opened(), None, true), Outcome::Delivered { note: None, .. }));
    bot.server.with(|api| assert!(!api.messages[0].text.contains("repetition"), "{}", api.messages[0].text));
}

#[test]
fn where_the_history_may_not_be_read_a_message_says_that_it_may_be_a_repetition() {
    let mut bot = Bot::new();
    bot.server.with(|api| api.scopes = vec!["chat:write"]);
    bot.server.script([Fault::Reset(true)]);
    assert!(matches!(bot.deliver(&opened(), None, false), Outcome::Unknown { .. }));
    let again = bot.deliver(&opened(), None, true);
    assert!(reason(&again).contains("channels:history") && matches!(again, Outcome::Delivered { .. }), "{again:?}");
    bot.server.with(|api| {
        let marks: Vec<bool> =
            api.messages.iter().map(|message| message.text.contains("Possible repetition")).collect();
        assert_eq!(marks, [false, true]);
    });
    assert!(bot.channel.check().unwrap_err().contains("channels:history"));
}

#[test]
fn a_message_that_is_gone_is_posted_anew_and_one_that_cannot_be_edited_is_answered() {
    let mut bot = Bot::new();
    let place = reference(&bot.deliver(&opened(), None, false)).unwrap();
    bot.server.with(|api| api.can_edit = false);
    let kept = bot.deliver(&alert(2, Transition::Updated, State::Open), Some(&place), false);
    assert!(reason(&kept).contains("edit_window_closed"), "{kept:?}");
    assert_eq!(reference(&kept).as_deref(), Some(place.as_str()));
    bot.server.with(|api| assert!(api.messages[1].broadcast, "what is new is seen in the channel"));
    bot.server.with(|api| api.messages.clear());
    let anew = bot.deliver(&alert(3, Transition::Resolved, State::Resolved), Some(&place), false);
    assert!(
        reason(&anew).contains("is gone from Slack") && reference(&anew).as_deref() != Some(place.as_str()),
        "{anew:?}"
    );
    assert_eq!(bot.messages(), [(false, 3, 0)]);
}

#[test]
fn refusals_that_come_as_success_are_told_apart() {
    for (method, code, expected) in [
        ("chat.postMessage", "ratelimited", "repeat"),
        ("chat.postMessage", "service_unavailable", "repeat"),
        ("chat.postMessage", "internal_error", "unknown"),
        ("chat.postMessage", "fatal_error", "unknown"),
        ("chat.postMessage", "channel_not_found", "permanent"),
        ("chat.postMessage", "token_revoked", "permanent"),
        ("chat.postMessage", "a_code_that_is_new", "permanent"),
        // Without its blocks it is posted all the same.
        ("chat.postMessage", "msg_blocks_too_long", "delivered"),
        ("chat.postMessage", "invalid_blocks", "delivered"),
    ] {
        let mut bot = Bot::new();
        bot.server.with(|api| api.refusal = Some((method, code)));
        let outcome = bot.deliver(&opened(), None, false);
        let told = match &outcome {
            Outcome::RepeatAfter { .. } => "repeat",
            Outcome::Unknown { .. } => "unknown",
            Outcome::Partial { .. } => "partial",
            Outcome::Permanent { .. } => "permanent",
            Outcome::Delivered { .. } => "delivered",
        };
        assert_eq!(told, expected, "{code}: {outcome:?}");
        assert!(reason(&outcome).contains(code), "{outcome:?}");
        assert_eq!(bot.messages().len(), usize::from(expected == "delivered"), "{code}");
    }
}

#[test]
fn what_the_bot_may_not_do_is_told_with_what_to_do() {
    type Change = fn(&mut Slack);
    let cases: [(Change, &str); 4] = [
        (|api| api.token = "another".to_owned(), "check `token`"),
        (|api| api.is_member = false, "invite the bot"),
        (|api| api.is_archived = true, "unarchive"),
        (|api| api.scopes = vec!["channels:history"], "chat:write"),
    ];
    for (change, told) in cases {
        let mut bot = Bot::new();
        bot.server.with(change);
        let outcome = bot.deliver(&opened(), None, false);
        assert!(matches!(&outcome, Outcome::Permanent { reason } if reason.contains(told)), "{told}: {outcome:?}");
    }
}

#[test]
fn a_webhook_counts_only_an_ok() {
    for (answer, expected) in [
        (Answer::text(200, "ok"), "delivered"),
        (Answer::text(200, "okay"), "unknown"),
        (Answer::text(200, ""), "unknown"),
        (Answer::text(404, "no_service"), "permanent"),
        (Answer::text(410, "channel_is_archived"), "permanent"),
        (Answer::text(403, "action_prohibited"), "permanent"),
        (Answer::text(500, "rollup_error"), "unknown"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = StandIn::start((SLACK_WEBHOOK.fresh)());
        let mut channel = open("slack", &(SLACK_WEBHOOK.settings)(&server.url, folder.path()));
        server.script([Fault::Refuse(answer.clone())]);
        let outcome = insist(channel.as_mut(), &opened(), None).remove(0);
        let told = match &outcome {
            Outcome::RepeatAfter { .. } => "repeat",
            Outcome::Unknown { .. } => "unknown",
            Outcome::Partial { .. } => "partial",
            Outcome::Permanent { .. } => "permanent",
            Outcome::Delivered { .. } => "delivered",
        };
        assert_eq!(told, expected, "{answer:?}: {outcome:?}");
    }
}
