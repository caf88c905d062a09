//! Alerts for the tests of channels.

use chrono::DateTime;

use crate::alert::{Alert, Delivery, Fact, Link, Text};
use crate::incident::{Kind, Severity, State, Transition};

pub(in crate::alert) fn fact(label: &str, value: &str) -> Fact {
    Fact { label: label.to_owned(), value: value.to_owned() }
}

/// Alice's device was deactivated.
pub(in crate::alert) fn alert() -> Alert {
    Alert {
        key: "mfatrail:111122223333:0a1b2c3d-0000-4000-8000-000000000001".to_owned(),
        sequence: 1,
        transition: Transition::Opened,
        state: State::Open,
        kind: Kind::Window,
        severity: Severity::Error,
        at: DateTime::UNIX_EPOCH,
        account: "111122223333".to_owned(),
        class: Some("unexplained".to_owned()),
        subject: "alice".to_owned(),
        owner: None,
        text: Text {
            title: "MFA removed from user alice (account 111122223333)".to_owned(),
            summary: "At 2026-10-05T09:00:00Z, mallory removed the last known MFA device of user alice.".to_owned(),
            facts: vec![
                fact("Severity", "error"),
                fact("Actor", "arn:aws:iam::111122223333:user/mallory"),
                fact("User agent", "aws-cli/2"),
            ],
            next_step: "Ask alice whether this was intended.".to_owned(),
            links: vec![Link {
                label: "alice in the IAM console".to_owned(),
                url: "https://us-east-1.console.aws.amazon.com/iam/home#/users/details/alice".to_owned(),
            }],
        },
        window: None,
        members: None,
        acknowledged_by: None,
        test: false,
    }
}

pub(in crate::alert) fn delivery(alert: &Alert) -> Delivery<'_> {
    Delivery { alert, reference: None, repetition: false, now: DateTime::UNIX_EPOCH }
}

/// What strangers may have written.
pub(in crate::alert) fn hostile() -> Vec<String> {
    [
        "<!channel> <@U123> <https://example.com|click>".to_owned(),
        "*bold* _it_ ~gone~ `code` ```block``` > quote".to_owned(),
        "&lt;!channel&gt; &amp;".to_owned(),
        "[click](https://example.com) **bold** {{DATE(2026-01-01T00:00:00Z)}} <at>all</at>".to_owned(),
        "a\r\nb\u{1b}[31m\u{7}\u{202e}\u{200b}\u{e0041}".to_owned(),
        "\"quotes\" \\ and \\u0000 {json}".to_owned(),
        "x".repeat(100_000),
        "😀".repeat(100_000),
        "\u{202e}".repeat(100_000),
        "\\\"".repeat(50_000),
        "👨\u{200d}👩\u{200d}👧".repeat(20_000),
        String::new(),
    ]
    .to_vec()
}

/// Holds that settings, or a part of them, are taken, or refused with these words.
#[track_caller]
pub(super) fn assert_read<T: std::fmt::Debug>(what: &str, read: &Result<T, String>, wrong: Option<&str>) {
    assert_eq!(
        read.as_ref().err().map(|error| error.contains(wrong.unwrap_or("-"))),
        wrong.map(|_| true),
        "{what}: {read:?}"
    );
}
