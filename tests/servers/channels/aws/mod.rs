//! The channels in AWS: every fault, each service's own refusals, and what each recipient has in the end.

mod online;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mfatrail::alert::channel::Channel;
use mfatrail::alert::{Alert, Outcome};
use mfatrail::incident::{State, Transition};
use serde_json::{Value, json};

use super::faults::{is_checked, meets_all, waits_for_a_connection};
use super::watch::{ONCE, configuration};
use super::{Api, alert, insist, open_at, opened, reason, reference, resolved};
use crate::own_process::in_own_process;
use crate::standin::aws::{ACCOUNT, Aws, FIFO, FROM, KEY_ID, SECRET_KEY, TOKEN, TOPIC, json_error, xml_error};
use crate::standin::{Answer, Fault, StandIn};
use crate::support::run::{Ran, mfatrail};

/// Whether this is the process of the test, which has the credentials that the stand-in knows.
fn with_credentials(test: &str) -> bool {
    in_own_process(
        &format!("channels::aws::{test}"),
        &[
            ("AWS_ACCESS_KEY_ID", KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_SESSION_TOKEN", TOKEN),
            ("AWS_REGION", "eu-west-1"),
        ],
    )
}

const NUMBER: &str = "+15555550100";

const SNS: Api<Aws> = Api {
    name: "sns",
    kind: "sns",
    fresh: Aws::new,
    settings: |_, _| format!("topic = \"{TOPIC}\""),
    told: |api, alert| {
        let own = api.documents().into_iter().filter(|document| document["sequence"] == alert.sequence);
        own.map(|document| document["repetition"] == true).collect()
    },
    requests: 1,
    prepare: |_| {},
};

const SMS: Api<Aws> = Api {
    name: "sms",
    kind: "sms",
    fresh: Aws::new,
    settings: |_, _| format!("numbers = [\"{NUMBER}\"]\nresolved = true"),
    told: |api, alert| {
        let own = format!("Transition {}", alert.sequence);
        let texts = api.texts().into_iter().filter(|(_, text)| text.contains(&own));
        texts.map(|(_, text)| text.contains("Possible repetition")).collect()
    },
    requests: 1,
    prepare: |_| {},
};

const SES: Api<Aws> = Api {
    name: "ses",
    kind: "ses",
    fresh: Aws::new,
    settings: |_, _| format!("from = \"{FROM}\"\nto = [\"soc@example.com\"]"),
    told: |api, alert| {
        let own = format!("Transition {}", alert.sequence);
        let simple = api.mails.iter().map(|mail| &mail["Content"]["Simple"]);
        let own = simple.filter(|simple| simple["Subject"]["Data"].as_str().unwrap().contains(&own));
        own.map(|simple| simple["Body"]["Text"]["Data"].as_str().unwrap().contains("Possible repetition")).collect()
    },
    requests: 1,
    prepare: |_| {},
};

const SECURITY_HUB: Api<Aws> = Api {
    name: "securityhub",
    kind: "securityhub",
    fresh: Aws::new,
    settings: |_, _| String::new(),
    // A finding of the same id is the same finding.
    told: |api, alert| {
        let state = if alert.transition == Transition::Opened { "ACTIVE" } else { "ARCHIVED" };
        api.findings.values().filter(|finding| finding["RecordState"] == state).map(|_| false).collect()
    },
    requests: 1,
    // Whose findings it imports is asked once.
    prepare: |channel| channel.check().unwrap(),
};

#[test]
fn a_topic_meets_every_fault() {
    if with_credentials("a_topic_meets_every_fault") {
        meets_all(&SNS);
    }
}

#[test]
fn a_telephone_meets_every_fault() {
    if with_credentials("a_telephone_meets_every_fault") {
        meets_all(&SMS);
    }
}

#[test]
fn mail_by_ses_meets_every_fault() {
    if with_credentials("mail_by_ses_meets_every_fault") {
        meets_all(&SES);
    }
}

#[test]
fn security_hub_meets_every_fault() {
    if with_credentials("security_hub_meets_every_fault") {
        meets_all(&SECURITY_HUB);
    }
}

#[test]
fn nothing_is_sent_without_a_connection_that_can_be_trusted() {
    if with_credentials("nothing_is_sent_without_a_connection_that_can_be_trusted") {
        for api in [&SNS, &SMS, &SES, &SECURITY_HUB] {
            waits_for_a_connection(api);
        }
    }
}

#[test]
fn a_check_tells_nobody() {
    if with_credentials("a_check_tells_nobody") {
        for api in [&SNS, &SMS, &SES, &SECURITY_HUB] {
            is_checked(api);
        }
    }
}

/// What AWS says by a code: for every service, in its own protocol.
#[test]
fn refusals_of_aws_are_told_apart() {
    if !with_credentials("refusals_of_aws_are_told_apart") {
        return;
    }
    for (status, code, message, expected, hint) in [
        (400, "Throttling", "Rate exceeded", "later", ""),
        (400, "ThrottlingException", "Rate exceeded", "later", ""),
        (429, "TooManyRequestsException", "Too many requests", "later", ""),
        (400, "LimitExceededException", "limit", "later", ""),
        (500, "InternalFailure", "", "unknown", ""),
        (500, "InternalException", "", "unknown", ""),
        (503, "ServiceUnavailable", "", "later", ""),
        (403, "ExpiredToken", "The security token included in the request is expired", "later", ""),
        (403, "ExpiredTokenException", "The security token included in the request is expired", "later", ""),
        (403, "UnrecognizedClientException", "The security token included in the request is invalid.", "later", ""),
        (403, "InvalidClientTokenId", "The security token included in the request is invalid.", "later", ""),
        (403, "RequestExpired", "Request has expired", "later", "clock"),
        (403, "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier", "later", "clock"),
        (
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match",
            "permanent",
            "secret access key",
        ),
        (
            403,
            "AccessDenied",
            "User: arn:aws:iam::444455556666:user/watch is not authorized",
            "permanent",
            "iam-policy",
        ),
        (
            403,
            "AccessDeniedException",
            "User: arn:aws:iam::444455556666:user/watch is not authorized",
            "permanent",
            "iam-policy",
        ),
        (
            403,
            "AuthorizationError",
            "User: arn:aws:iam::444455556666:user/watch is not authorized",
            "permanent",
            "iam-policy",
        ),
        (400, "InvalidParameter", "Invalid parameter: Message", "permanent", ""),
        (404, "NotFound", "Topic does not exist", "permanent", ""),
        (400, "AccountSuspendedException", "suspended", "permanent", ""),
        (401, "InvalidAccessException", "Account 444455556666 is not subscribed", "permanent", ""),
    ] {
        for api in [&SNS, &SMS, &SES, &SECURITY_HUB] {
            let server = StandIn::start((api.fresh)());
            let folder = tempfile::tempdir().unwrap();
            let mut channel = api.open(&server.url, folder.path());
            (api.prepare)(channel.as_mut());
            let refusal = if matches!(api.kind, "sns" | "sms") { xml_error } else { json_error };
            // Credentials that were refused are got again and, being the same, not tried again at once.
            server.script([Fault::Refuse(refusal(status, code, message))]);
            let outcomes = insist(channel.as_mut(), &opened(), None);
            let case = format!("{}, {status} {code}: {outcomes:?}", api.name);
            let told = match &outcomes[0] {
                Outcome::RepeatAfter { .. } => "later",
                Outcome::Unknown { .. } => "unknown",
                Outcome::Permanent { .. } => "permanent",
                Outcome::Delivered { .. } | Outcome::Partial { .. } => "else",
            };
            assert_eq!(told, expected, "{case}");
            assert!(reason(&outcomes[0]).contains(code) && reason(&outcomes[0]).contains(hint), "{case}");
            let marks = server.with(|state| (api.told)(state, &opened()));
            assert_eq!(marks.len(), usize::from(expected != "permanent"), "{case}");
        }
    }
}

fn started() -> StandIn<Aws> {
    StandIn::start(Aws::new())
}

fn channel(kind: &str, settings: &str, server: &StandIn<Aws>) -> Box<dyn Channel> {
    open_at(kind, settings, Some(&server.url))
}

#[test]
fn a_topic_is_told_in_attributes_and_a_fifo_topic_once() {
    if !with_credentials("a_topic_is_told_in_attributes_and_a_fifo_topic_once") {
        return;
    }
    let server = started();
    // Another address than that of the rest of AWS.
    let mut channel =
        open_at("sns", &format!("topic = \"{TOPIC}\"\nurl = \"{}\"", server.url), Some("http://127.0.0.1:9"));
    let known = reference(&insist(channel.as_mut(), &opened(), None)[0]);
    assert_eq!(known.as_deref(), Some("message-1"));
    let again = reference(&insist(channel.as_mut(), &resolved(), known.as_deref())[0]);
    assert_eq!(again, known, "by the first message the incident is known");
    server.with(|aws| {
        let sent = &aws.published[1];
        assert_eq!(sent["MessageAttributes.entry.3.Value.StringValue"], "resolved");
        assert!(sent["Subject"].starts_with("Transition 2"));
        let message: Value = serde_json::from_str(&sent["Message"]).unwrap();
        assert!(message["email"].as_str().unwrap().contains("Ask alice"));
    });

    let server = started();
    let mut fifo = self::channel("sns", &format!("topic = \"{FIFO}\""), &server);
    server.script([Fault::Reset(true)]);
    let outcomes = insist(fifo.as_mut(), &opened(), None);
    assert!(outcomes.len() == 2 && server.with(|aws| aws.published.len()) == 1, "{outcomes:?}");
}

#[test]
fn each_telephone_is_told_once_whatever_becomes_of_the_others() {
    if !with_credentials("each_telephone_is_told_once_whatever_becomes_of_the_others") {
        return;
    }
    let numbers = ["+15555550100", "+15555550101", "+15555550102"];
    let settings = format!("numbers = {numbers:?}\nsender_id = \"mfatrail\"\nmax_price = 0.1");
    let told = |server: &StandIn<Aws>| {
        server.with(|aws| {
            aws.texts()
                .iter()
                .map(|(number, text)| (number[10..].to_owned(), text.contains("Possible repetition")))
                .collect::<Vec<_>>()
        })
    };
    let own = |number: &str, marked| (number.to_owned(), marked);
    for (faults, bad, expected, attempts) in [
        (vec![], None, vec![own("00", false), own("01", false), own("02", false)], 1),
        // One number that no carrier knows.
        (vec![], Some(0), vec![own("01", false), own("02", false)], 1),
        // A limit between the first and the second.
        (
            vec![Fault::Pass, Fault::Refuse(xml_error(400, "Throttled", "Rate exceeded"))],
            Some(2),
            vec![own("00", false), own("01", false)],
            2,
        ),
        // The answer for the second is lost.
        (
            vec![Fault::Pass, Fault::Reset(true)],
            None,
            vec![own("00", false), own("01", false), own("02", false), own("01", true)],
            2,
        ),
    ] {
        let server = started();
        server.with(|aws| aws.bad_numbers.extend(bad.map(|n: usize| numbers[n].to_owned())));
        let mut channel = channel("sms", &settings, &server);
        server.script(faults);
        let outcomes = insist(channel.as_mut(), &opened(), None);
        assert_eq!(outcomes.len(), attempts, "{outcomes:?}");
        assert_eq!(told(&server), expected, "{outcomes:?}");
        let note = reason(outcomes.last().unwrap());
        assert_eq!(note.contains("not everybody was told: …01"), bad.is_some(), "{note}");
        assert!(!format!("{outcomes:?}").contains("+1555"), "{outcomes:?}");
        // By default nobody is told of the end.
        let known = reference(outcomes.last().unwrap());
        let count = told(&server).len();
        let end = insist(channel.as_mut(), &resolved(), known.as_deref());
        assert!(reason(&end[0]).contains("not sent") && told(&server).len() == count, "{end:?}");
    }
}

#[test]
fn a_bad_address_loses_nobody_and_a_thread_holds_an_incident_together() {
    if !with_credentials("a_bad_address_loses_nobody_and_a_thread_holds_an_incident_together") {
        return;
    }
    let to = ["ann@example.com", "bob@example.com", "cyd@example.com"];
    let settings = format!("from = \"MFA watch ü <{FROM}>\"\nto = {to:?}\nreply_to = \"soc@example.com\"");
    let told = |server: &StandIn<Aws>| {
        server.with(|aws| aws.mails.iter().map(|mail| mail["Destination"]["ToAddresses"].clone()).collect::<Vec<_>>())
    };
    let server = started();
    let mut mail = channel("ses", &settings, &server);
    let known = reference(&insist(mail.as_mut(), &opened(), None)[0]);
    assert_eq!((told(&server), known.as_deref()), (vec![json!(to)], Some("0100-1")));
    insist(mail.as_mut(), &resolved(), known.as_deref());
    server.with(|aws| {
        let headers = aws.mails[1]["Content"]["Simple"]["Headers"].as_array().unwrap();
        for name in ["In-Reply-To", "References"] {
            assert!(
                headers.contains(&json!({"Name": name, "Value": "<0100-1@eu-west-1.amazonses.com>"})),
                "{headers:?}"
            );
        }
        assert!(aws.mails[0]["FromEmailAddress"].as_str().unwrap().starts_with("=?UTF-8?B?"));
        assert_eq!(aws.mails[0]["ReplyToAddresses"], json!(["soc@example.com"]));
    });

    let server = started();
    server.with(|aws| aws.bad_addresses.insert(to[1].to_owned()));
    let mut mail = channel("ses", &settings, &server);
    // All at once is refused; then the first has it, and of the third nobody knows.
    server.script([Fault::Pass, Fault::Pass, Fault::Pass, Fault::Reset(true)]);
    let outcomes = insist(mail.as_mut(), &opened(), None);
    assert_eq!(told(&server), [json!([to[0]]), json!([to[2]]), json!([to[2]])]);
    assert!(matches!(&outcomes[0], Outcome::Partial { unknown: true, .. }), "{outcomes:?}");
    assert!(reason(&outcomes[1]).contains("bob@example.com: MessageRejected"), "{outcomes:?}");
}

#[test]
fn the_owner_is_asked_apart_if_it_is_one_of_ours() {
    if !with_credentials("the_owner_is_asked_apart_if_it_is_one_of_ours") {
        return;
    }
    for (to, owner, expected, note) in [
        ("to = [\"soc@example.com\"]", Some("alice@example.com"), &["soc@example.com", "alice@example.com"][..], ""),
        ("to = [\"soc@example.com\"]", Some("soc@example.com"), &["soc@example.com"], ""),
        ("to = [\"soc@example.com\"]", Some("mallory@example.org"), &["soc@example.com"], "was not asked"),
        ("to = [\"soc@example.com\"]", None, &["soc@example.com"], ""),
        ("", Some("alice@example.com"), &["alice@example.com"], ""),
        ("", None, &[], "nobody was told"),
    ] {
        let server = started();
        let mut mail = channel("ses", &format!("from = \"{FROM}\"\nowner = true\n{to}"), &server);
        let alert = Alert { owner: owner.map(str::to_owned), ..opened() };
        let outcomes = insist(mail.as_mut(), &alert, None);
        assert!(matches!(outcomes[..], [Outcome::Delivered { .. }]), "{outcomes:?}");
        assert!(reason(&outcomes[0]).contains(note), "{outcomes:?}");
        server.with(|aws| {
            let told: Vec<_> =
                aws.mails.iter().map(|mail| mail["Destination"]["ToAddresses"][0].as_str().unwrap()).collect();
            assert_eq!(told, expected);
            for mail in &aws.mails {
                let subject = mail["Content"]["Simple"]["Subject"]["Data"].as_str().unwrap();
                let is_owner = mail["Destination"]["ToAddresses"][0] == "alice@example.com";
                assert_eq!(subject.contains("Was this you?"), is_owner, "{subject}");
            }
        });
    }
}

/// The n-th transition of the same incident.
fn transitions() -> [Alert; 5] {
    [
        opened(),
        Alert { severity: mfatrail::incident::Severity::Critical, ..alert(2, Transition::Updated, State::Open) },
        alert(3, Transition::Resolved, State::Resolved),
        alert(4, Transition::Updated, State::Resolved),
        alert(5, Transition::Opened, State::Open),
    ]
}

#[test]
fn a_finding_lives_as_its_incident_does() {
    if !with_credentials("a_finding_lives_as_its_incident_does") {
        return;
    }
    let server = started();
    let mut hub = channel("securityhub", "", &server);
    let mut known = None;
    for (alert, (state, label)) in transitions().iter().zip([
        ("ACTIVE", "HIGH"),
        ("ACTIVE", "CRITICAL"),
        ("ARCHIVED", "HIGH"),
        ("ARCHIVED", "HIGH"),
        ("ACTIVE", "HIGH"),
    ]) {
        known = reference(&insist(hub.as_mut(), alert, known.as_deref())[0]);
        server.with(|aws| {
            assert_eq!(aws.findings.len(), 1);
            let finding = aws.findings.values().next().unwrap();
            assert_eq!(
                (finding["RecordState"].as_str(), finding["FindingProviderFields"]["Severity"]["Label"].as_str()),
                (Some(state), Some(label))
            );
            assert_eq!(finding["Id"], alert.key);
            assert_eq!(finding["Resources"][0]["Id"], "AWS::::Account:111122223333");
        });
    }
    assert!(known.is_some_and(|known| known.starts_with("mfatrail:111122223333:")));
    let asked = server.with(|aws| aws.calls.iter().filter(|(action, _)| action == "GetCallerIdentity").count());
    assert_eq!(asked, 1);
}

#[test]
fn a_finding_is_in_its_own_account_by_a_role() {
    if !with_credentials("a_finding_is_in_its_own_account_by_a_role") {
        return;
    }
    let server = started();
    let settings = "aws.role = \"arn:aws:iam::{account}:role/mfatrail-findings\"\naws.external_id = \"x\"";
    let mut hub = channel("securityhub", settings, &server);
    assert_eq!(hub.check(), Ok(()));
    // More accounts than connections are kept to.
    let accounts: Vec<String> = (0..12).map(|n| format!("{:012}", 100_000_000_000_u64 + n % 11)).collect();
    for (n, account) in accounts.iter().enumerate() {
        let own = Alert { account: account.clone(), key: format!("mfatrail:{account}:{n}"), ..opened() };
        let outcomes = insist(hub.as_mut(), &own, None);
        assert!(matches!(outcomes[..], [Outcome::Delivered { .. }]), "{outcomes:?}");
        server.with(|aws| {
            assert!(aws.findings.contains_key(&(account.clone(), own.key.clone())), "{:?}", aws.findings.keys())
        });
    }
    let test = Alert { account: "000000000000".to_owned(), key: "mfatrail:test".to_owned(), test: true, ..opened() };
    let outcomes = insist(hub.as_mut(), &test, None);
    assert!(matches!(outcomes[..], [Outcome::Delivered { .. }]), "{outcomes:?}");
    server.with(|aws| {
        let finding = &aws.findings[&(ACCOUNT.to_owned(), test.key.clone())];
        assert_eq!(finding["Sample"], true);
    });
    let stranger = Alert { account: "111122223333:role/x".to_owned(), ..opened() };
    let outcomes = insist(hub.as_mut(), &stranger, None);
    assert!(
        matches!(&outcomes[..], [Outcome::Permanent { reason }] if reason.contains("not an account's id")),
        "{outcomes:?}"
    );
    assert!(
        server.with(|aws| aws.calls.iter().filter(|(action, _)| action == "AssumeRole").all(|(_, by)| by == ACCOUNT))
    );
}

#[test]
fn a_check_finds_what_would_tell_nobody() {
    if !with_credentials("a_check_finds_what_would_tell_nobody") {
        return;
    }
    let bad = "+15555550199".to_owned();
    type Change = fn(&mut Aws);
    for (kind, settings, change, wrong) in [
        ("sns", format!("topic = \"{TOPIC}\""), (|aws| aws.subscriptions = 0) as Change, "nobody has subscribed"),
        ("sns", "topic = \"arn:aws:sns:eu-west-1:444455556666:other\"".to_owned(), |_| {}, "Topic does not exist"),
        (
            "sms",
            format!("numbers = [\"{bad}\"]"),
            |aws| aws.opted_out.extend(["+15555550199".to_owned()]),
            "…0199 has opted out",
        ),
        (
            "sms",
            format!("numbers = [\"{NUMBER}\", \"{bad}\"]"),
            |aws| aws.sandbox = Some([NUMBER.to_owned(), "+15555550150".to_owned()].into()),
            "…0199 is not a verified number",
        ),
        ("ses", format!("from = \"{FROM}\"\nto = [\"soc@example.com\"]"), |aws| aws.sending_enabled = false, "paused"),
        (
            "ses",
            format!("from = \"{FROM}\"\nto = [\"soc@example.com\"]"),
            |aws| aws.mail_sandbox = true,
            "neither `soc@example.com`",
        ),
        (
            "ses",
            "from = \"unverified@example.com\"\nto = [\"soc@example.com\"]".to_owned(),
            |_| {},
            "neither `unverified@example.com`",
        ),
        ("securityhub", String::new(), |aws| aws.hub_enabled = false, "enable Security Hub"),
    ] {
        let server = started();
        server.with(change);
        let told = channel(kind, &settings, &server).check();
        assert!(told.as_ref().is_err_and(|told| told.contains(wrong)), "{kind} {settings}: {told:?}");
        let denied: Answer = match kind {
            "sns" | "sms" => xml_error(403, "AuthorizationError", "not authorized"),
            _ => json_error(403, "AccessDeniedException", "not authorized"),
        };
        server.script([Fault::Refuse(denied.clone()), Fault::Refuse(denied)]);
        let told = channel(kind, &settings, &server).check().unwrap_err();
        assert!(told.contains("cannot be checked") && told.contains("the check needs "), "{told}");
        server.with(|aws| assert!(aws.published.is_empty() && aws.mails.is_empty() && aws.findings.is_empty()));
    }
}

/// Whoever renews a file of credentials need not start the watch again.
#[test]
fn credentials_that_were_renewed_are_used_at_once() {
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/renewed-credentials");
    let variables = [("AWS_SHARED_CREDENTIALS_FILE", path), ("AWS_REGION", "eu-west-1")];
    if !in_own_process("channels::aws::credentials_that_were_renewed_are_used_at_once", &variables) {
        return;
    }
    let write = |id: &str| {
        let text = format!(
            "[default]\naws_access_key_id = {id}\naws_secret_access_key = {SECRET_KEY}\naws_session_token = {TOKEN}\n"
        );
        std::fs::write(path, text).unwrap();
    };
    for api in [&SNS, &SMS, &SES, &SECURITY_HUB] {
        write("AKIAOUTDATED");
        let server = started();
        let mut channel = api.open(&server.url, Path::new("unused"));
        let alert = opened();
        let attempt = |channel: &mut dyn Channel| insist(channel, &alert, None);
        let outcomes = attempt(channel.as_mut());
        assert!(outcomes.iter().all(|one| matches!(one, Outcome::RepeatAfter { .. })), "{}: {outcomes:?}", api.name);
        assert!(reason(&outcomes[0]).contains("InvalidClientTokenId"), "{outcomes:?}");
        write(KEY_ID);
        let outcomes = attempt(channel.as_mut());
        assert!(matches!(outcomes[..], [Outcome::Delivered { .. }]), "{}: {outcomes:?}", api.name);
        assert_eq!(server.with(|aws| (api.told)(aws, &alert)), [false]);
    }
}

#[test]
fn without_credentials_nothing_is_sent_and_nothing_lost() {
    let variables = [("AWS_REGION", "eu-west-1")];
    if !in_own_process("channels::aws::without_credentials_nothing_is_sent_and_nothing_lost", &variables) {
        return;
    }
    let server = started();
    for api in [&SNS, &SMS, &SES, &SECURITY_HUB] {
        let mut channel = api.open(&server.url, Path::new("unused"));
        let outcomes = insist(channel.as_mut(), &opened(), None);
        assert!(outcomes.iter().all(|one| matches!(one, Outcome::RepeatAfter { .. })), "{outcomes:?}");
        assert!(reason(&outcomes[0]).contains("no usable AWS credentials"), "{outcomes:?}");
    }
    assert!(server.requests().is_empty());
}

/// The binary and all channels in AWS at once, with limits and lost answers.
#[test]
fn in_the_end_everybody_has_every_transition() {
    let home = tempfile::tempdir().unwrap();
    let (topic, phones, mail, hub) = (started(), started(), started(), started());
    let numbers = ["+15555550100", "+15555550101"];
    configuration(
        home.path(),
        &[
            ("topic", "sns", format!("topic = \"{TOPIC}\"\nurl = \"{}\"", topic.url)),
            (
                "phones",
                "sms",
                format!("numbers = {numbers:?}\nresolved = true\nsegments = 3\nurl = \"{}\"", phones.url),
            ),
            ("mail", "ses", format!("from = \"{FROM}\"\nto = [\"soc@example.com\"]\nurl = \"{}\"", mail.url)),
            ("hub", "securityhub", format!("aws.region = \"eu-west-1\"\nurl = \"{}\"", hub.url)),
        ],
    );
    let wait = |status: u16| Answer { status, headers: vec![("Retry-After", "0".to_owned())], body: String::new() };
    for n in 0..4 {
        for server in [&topic, &phones, &mail, &hub] {
            server.script(vec![Fault::Pass; n].into_iter().chain([Fault::Refuse(wait(429)), Fault::Reset(true)]));
        }
    }
    let mut printed = String::new();
    let delivered = (0..100).any(|_| {
        let ran: Ran = mfatrail()
            .current_dir(home.path())
            .env("AWS_ACCESS_KEY_ID", KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_SESSION_TOKEN", TOKEN)
            .env("AWS_ENDPOINT_URL_STS", &hub.url)
            .args(ONCE)
            .output()
            .unwrap()
            .into();
        printed.push_str(&ran.stderr);
        std::thread::sleep(std::time::Duration::from_millis(200));
        ran.stderr.contains(" 0 not delivered")
    });
    assert!(delivered, "{printed}");
    assert!(!printed.contains("hunter2") && !printed.contains("+1555"), "{printed}");

    let mut stories: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    topic.with(|aws| {
        for document in aws.documents().iter().filter(|document| document["repetition"] == false) {
            let text = |name: &str| document[name].as_str().unwrap().to_owned();
            stories.entry(text("key")).or_default().push((document["sequence"].as_u64().unwrap(), text("transition")));
        }
        assert!(aws.documents().iter().any(|document| document["repetition"] == true), "answers were lost");
    });
    assert!(stories.len() > 5, "{stories:?}");
    for (key, story) in &stories {
        assert!(story.iter().map(|(sequence, _)| *sequence).eq(1..=story.len() as u64), "{key}: {story:?}");
    }
    let transitions: usize = stories.values().map(Vec::len).sum();
    let updates = stories.values().flatten().filter(|(_, transition)| transition == "updated").count();
    phones.with(|aws| {
        for number in numbers {
            let own: Vec<&str> = aws.texts().iter().filter(|(to, _)| *to == number).map(|(_, text)| *text).collect();
            let plain = |text: &&str| text.trim_start_matches("Possible repetition: ").to_owned();
            let unmarked: Vec<&&str> = own.iter().filter(|text| !text.starts_with("Possible repetition")).collect();
            assert_eq!(own.iter().map(plain).collect::<BTreeSet<_>>().len(), transitions - updates, "{own:?}");
            assert_eq!(unmarked.iter().collect::<BTreeSet<_>>().len(), unmarked.len(), "what is sent twice is marked");
        }
    });
    mail.with(|aws| {
        let text = |mail: &Value| mail["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().unwrap().to_owned();
        assert_eq!(aws.mails.iter().filter(|mail| !text(mail).contains("Possible repetition")).count(), transitions);
    });
    hub.with(|aws| {
        assert_eq!(aws.findings.len(), stories.len());
        for ((_, key), finding) in &aws.findings {
            let last = stories[key].iter().rfind(|(_, transition)| transition != "updated").unwrap();
            let state = if last.1 == "opened" { "ACTIVE" } else { "ARCHIVED" };
            assert_eq!(finding["RecordState"], state, "{key}: {:?}", stories[key]);
        }
    });
}
