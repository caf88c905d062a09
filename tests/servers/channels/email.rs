//! Mail against a mail server (aiosmtpd, from PyPI), and against what is none.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mfatrail::alert::{Alert, Outcome};
use mfatrail::incident::{State, Transition};
use serde_json::{Value, json};

use super::{BRIEFLY, PATIENCE, SECRET, alert, insist, open, open_within, opened, reason, reference, resolved, secret};
use crate::standin;
use crate::support::run::{Background, Ran, mfatrail, root};
use crate::support::venv;

const PACKAGE: &str = "aiosmtpd==1.4.6";
const TEAM: [&str; 3] = ["one@example.com", "two@example.com", "three@example.com"];

/// A mail server, ended when it is dropped.
struct Server {
    _process: Background,
    port: u16,
    folder: tempfile::TempDir,
}

/// A mail that was taken.
#[derive(Debug)]
struct Taken {
    to: Vec<String>,
    mail: String,
    encrypted: bool,
    signed_in: bool,
}

impl Taken {
    fn is_marked(&self) -> bool {
        self.mail.contains("Possible repetition")
    }

    fn header(&self, name: &str) -> Option<String> {
        let head = self.mail.split_once("\r\n\r\n").unwrap().0.replace("\r\n ", " ");
        head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
    }
}

impl Server {
    fn start(how: &Value) -> Self {
        let python = venv::python("aiosmtpd", PACKAGE);
        let folder = tempfile::tempdir().unwrap();
        let (key, certificate) = standin::certificate(folder.path());
        let mut how = how.clone();
        how["key"] = json!(key);
        how["certificate"] = json!(certificate);
        how["taken"] = json!(folder.path().join("taken"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/standin/smtp.py");
        let mut child = Command::new(python)
            .arg(script)
            .arg(how.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { _process: Background(child), port: line.trim().parse().expect("the server tells its port"), folder }
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// The settings of a channel to it, with more or other lines.
    fn settings(&self, more: &str) -> String {
        format!(
            "host = \"127.0.0.1\"\nport = {}\nfrom = \"mfatrail <mfatrail@example.com>\"\ncertificates = {:?}\n{more}",
            self.port,
            self.certificate()
        )
    }

    /// The mails that it took, in order.
    fn taken(&self) -> Vec<Taken> {
        let text = std::fs::read_to_string(self.folder.path().join("taken")).unwrap_or_default();
        let read = |line: &str| {
            let one: Value = serde_json::from_str(line).unwrap();
            Taken {
                to: one["to"].as_array().unwrap().iter().map(|to| to.as_str().unwrap().to_owned()).collect(),
                mail: one["mail"].as_str().unwrap().to_owned(),
                encrypted: one["encrypted"] == true,
                signed_in: one["signed_in"] == true,
            }
        };
        text.lines().map(read).collect()
    }
}

fn team() -> String {
    format!("to = {TEAM:?}\n")
}

fn kinds(outcomes: &[Outcome]) -> Vec<&'static str> {
    let kind = |outcome: &Outcome| match outcome {
        Outcome::Delivered { note: None, .. } => "delivered",
        Outcome::Delivered { .. } => "delivered, with a note",
        Outcome::RepeatAfter { .. } => "later",
        Outcome::Unknown { .. } => "unknown",
        Outcome::Partial { unknown: false, .. } => "in part",
        Outcome::Partial { .. } => "in part, unknown",
        Outcome::Permanent { .. } => "refused",
    };
    outcomes.iter().map(kind).collect()
}

mod online {
    use super::*;

    /// What goes wrong, what the watch is told, and who has the mail in the end: how often, and whether it was marked.
    type Case = (&'static str, Value, Vec<&'static str>, [&'static [bool]; 3]);

    #[test]
    fn everybody_has_each_mail_once_or_again_and_marked() {
        let once: &[bool] = &[false];
        let never: &[bool] = &[];
        let twice: &[bool] = &[false, true];
        let marked: &[bool] = &[true];
        let cases: Vec<Case> = vec![
            ("nothing", json!({}), vec!["delivered"], [once, once, once]),
            (
                "one is refused",
                json!({"rcpt": {"two@example.com": ["550 5.1.1 no such user"]}}),
                vec!["delivered, with a note"],
                [once, never, once],
            ),
            (
                "one is put off twice",
                json!({"rcpt": {"two@example.com": ["451 4.7.1 greylisted", "450 4.2.1 busy"]}}),
                vec!["in part", "in part", "delivered"],
                [once, once, once],
            ),
            (
                "one is refused and one put off",
                json!({"rcpt": {"one@example.com": ["550 no"], "three@example.com": ["452 4.5.3 too many recipients"]}}),
                vec!["in part", "delivered, with a note"],
                [never, once, once],
            ),
            (
                "all are put off",
                json!({"rcpt": {"one@example.com": ["451 no"], "two@example.com": ["451 no"], "three@example.com": ["451 no"]}}),
                vec!["later", "delivered"],
                [once, once, once],
            ),
            (
                "all are refused",
                json!({"rcpt": {"one@example.com": ["550 no"], "two@example.com": ["553 no"], "three@example.com": ["554 no"]}}),
                vec!["refused"],
                [never, never, never],
            ),
            (
                "the sender is put off",
                json!({"mail": ["451 4.3.0 later"]}),
                vec!["later", "delivered"],
                [once, once, once],
            ),
            ("the sender is refused", json!({"mail": ["550 5.7.1 not yours"]}), vec!["refused"], [never, never, never]),
            (
                "the mail is put off",
                json!({"data": ["454 Throttling failure: Maximum sending rate exceeded"]}),
                vec!["later", "delivered"],
                [once, once, once],
            ),
            (
                "the mail is refused",
                json!({"data": ["554 5.6.0 looks like spam"]}),
                vec!["refused"],
                [never, never, never],
            ),
            (
                "the connection is lost after the mail",
                json!({"data": ["drop"]}),
                vec!["unknown", "delivered"],
                [twice, twice, twice],
            ),
            (
                "the mail and the connection are lost",
                json!({"data": ["lose"]}),
                vec!["unknown", "delivered"],
                [marked, marked, marked],
            ),
            (
                "no answer to the mail",
                json!({"data": ["silence"]}),
                vec!["unknown", "delivered"],
                [twice, twice, twice],
            ),
            (
                "the connection is lost among the recipients",
                json!({"rcpt": {"two@example.com": ["drop"]}}),
                vec!["later", "delivered"],
                [once, once, once],
            ),
            (
                "one is put off, and the connection is lost after the mail to the others",
                json!({"rcpt": {"two@example.com": ["451 later"]}, "data": ["drop"]}),
                vec!["unknown", "delivered"],
                [twice, marked, twice],
            ),
            (
                "one is put off, and then the answer is lost",
                json!({"rcpt": {"two@example.com": ["451 later"]}, "data": [null, "drop"]}),
                vec!["in part", "in part, unknown", "delivered"],
                [once, twice, once],
            ),
        ];
        for (name, how, expected, marks) in cases {
            let mut how = how;
            how["starttls"] = json!(true);
            let server = Server::start(&how);
            let deadline = if how["data"][0] == "silence" { BRIEFLY } else { PATIENCE };
            let mut channel = open_within(deadline, "email", &server.settings(&team()), None);
            let outcomes = insist(channel.as_mut(), &opened(), None);
            assert_eq!(kinds(&outcomes), expected, "{name}: {outcomes:?}");
            let taken = server.taken();
            for (person, marks) in TEAM.iter().zip(marks) {
                let own: Vec<bool> =
                    taken.iter().filter(|mail| mail.to.iter().any(|to| to == person)).map(Taken::is_marked).collect();
                assert_eq!(own, marks, "{name}: {person}");
            }
            assert!(taken.iter().all(|mail| mail.encrypted), "{name}");
            let ids: std::collections::BTreeSet<_> = taken.iter().map(|mail| mail.header("Message-ID")).collect();
            assert!(ids.len() <= 1, "{name}: {ids:?}");
            for outcome in &outcomes[..outcomes.len() - 1] {
                assert!(!reason(outcome).is_empty() && reason(outcome).len() < 600, "{name}: {outcome:?}");
            }
        }
    }

    #[test]
    fn a_window_is_one_thread_by_each_way_of_encrypting() {
        for (how, more) in [
            (json!({"starttls": true, "auth": ["mfatrail", SECRET]}), ""),
            (json!({"implicit": true, "auth": ["mfatrail", SECRET]}), "tls = \"implicit\"\n"),
        ] {
            let server = Server::start(&how);
            let password = secret(server.folder.path(), "password", SECRET);
            let more = format!(
                "{more}user = \"mfatrail\"\npassword = {password:?}\nreply_to = \"soc@example.com\"\n{}",
                team()
            );
            let mut channel = open("email", &server.settings(&more));
            assert_eq!(channel.check(), Ok(()));
            assert!(server.taken().is_empty(), "a check sends nothing");
            let first = reference(&insist(channel.as_mut(), &opened(), None)[0]).unwrap();
            for next in [alert(2, Transition::Updated, State::Open), alert(3, Transition::Resolved, State::Resolved)] {
                assert_eq!(kinds(&insist(channel.as_mut(), &next, Some(&first))), ["delivered"]);
            }
            let taken = server.taken();
            assert!(taken.len() == 3 && taken.iter().all(|mail| mail.encrypted && mail.signed_in), "{taken:?}");
            assert_eq!(taken[0].header("Message-ID").as_deref(), Some(first.as_str()));
            assert_eq!(taken[0].header("In-Reply-To"), None);
            for mail in &taken[1..] {
                assert_eq!(mail.header("In-Reply-To").as_deref(), Some(first.as_str()));
                assert_eq!(mail.header("References").as_deref(), Some(first.as_str()));
            }
            for mail in &taken {
                assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
                assert_eq!(mail.header("X-Auto-Response-Suppress").as_deref(), Some("All"));
                assert_eq!(mail.header("Reply-To").as_deref(), Some("soc@example.com"));
                assert!(mail.header("Content-Type").unwrap().starts_with("multipart/alternative"));
            }
            assert!(taken[0].header("Subject").unwrap().starts_with("[Error] Transition 1"), "{taken:?}");
        }
    }

    #[test]
    fn the_owner_is_asked_apart_and_nobody_else_is() {
        let server = Server::start(&json!({"starttls": true, "rcpt": {"alice@example.com": ["451 later"]}}));
        let mut channel = open("email", &server.settings(&format!("owner = true\n{}", team())));
        let owned = |alert: Alert, owner: &str| Alert { owner: Some(owner.to_owned()), ..alert };
        let first = insist(channel.as_mut(), &owned(opened(), "alice@example.com"), None);
        assert_eq!(kinds(&first), ["in part", "delivered"], "{first:?}");
        insist(channel.as_mut(), &owned(resolved(), "alice@example.com"), reference(&first[1]).as_deref());
        let elsewhere = insist(channel.as_mut(), &owned(opened(), "eve@example.org"), None);
        assert!(reason(&elsewhere[0]).contains("eve@example.org` was not asked"), "{elsewhere:?}");
        let taken = server.taken();
        let to: Vec<usize> = taken.iter().map(|mail| mail.to.len()).collect();
        assert_eq!(to, [3, 1, 3, 1, 3], "{taken:?}");
        assert!(taken[1].to == ["alice@example.com"] && taken[1].header("To").as_deref() == Some("alice@example.com"));
        assert!(taken[1].header("Subject").unwrap().contains("Was this you?"));
        assert!(
            !taken[0].mail.contains("Was this you") && !taken[3].header("Subject").unwrap().contains("Was this you")
        );
        assert_eq!(taken[3].header("References"), taken[1].header("Message-ID"));
    }

    #[test]
    fn nothing_is_said_before_the_connection_is_encrypted_and_trusted() {
        let password = |server: &Server, text: &str| {
            format!("user = \"mfatrail\"\npassword = {:?}\n", secret(server.folder.path(), "password", text))
        };
        // No STARTTLS is offered.
        let server = Server::start(&json!({}));
        let mut channel = open("email", &server.settings(&format!("{}{}", password(&server, SECRET), team())));
        let outcomes = insist(channel.as_mut(), &opened(), None);
        assert!(
            kinds(&outcomes) == ["later"; 5] && reason(&outcomes[0]).contains("does not offer STARTTLS"),
            "{outcomes:?}"
        );
        assert!(channel.check().unwrap_err().contains("STARTTLS") && server.taken().is_empty());
        // A certificate that nobody has signed.
        for (how, tls) in [(json!({"starttls": true}), "starttls"), (json!({"implicit": true}), "implicit")] {
            let server = Server::start(&how);
            let settings = format!(
                "host = \"127.0.0.1\"\nport = {}\ntls = \"{tls}\"\nfrom = \"mfatrail@example.com\"\n{}{}",
                server.port,
                password(&server, SECRET),
                team()
            );
            let mut channel = open("email", &settings);
            let outcomes = insist(channel.as_mut(), &opened(), None);
            assert!(
                kinds(&outcomes) == ["later"; 5] && reason(&outcomes[0]).contains("certificate"),
                "{tls}: {outcomes:?}"
            );
            assert!(channel.check().unwrap_err().contains("certificate") && server.taken().is_empty());
        }
        // A password that is wrong.
        let server = Server::start(&json!({"starttls": true, "auth": ["mfatrail", "another"]}));
        let mut channel = open("email", &server.settings(&format!("{}{}", password(&server, SECRET), team())));
        let outcomes = insist(channel.as_mut(), &opened(), None);
        assert!(
            kinds(&outcomes) == ["refused"] && reason(&outcomes[0]).contains("check `user` and `password`"),
            "{outcomes:?}"
        );
        let error = channel.check().unwrap_err();
        assert!(error.contains("535") && !error.contains(SECRET), "{error}");
        // None where one is demanded.
        let mut channel = open("email", &server.settings(&team()));
        assert_eq!(kinds(&insist(channel.as_mut(), &opened(), None)), ["refused"]);
    }

    #[test]
    fn each_incident_of_the_fixtures_is_one_thread() {
        let server = Server::start(&json!({"starttls": true}));
        let home = tempfile::tempdir().unwrap();
        let archive = root().join("fixtures/archive");
        let configuration = format!(
            "[[input]]\nkind = \"archive\"\nsource = {archive:?}\n\n[[channel]]\nname = \"mail\"\nkind = \"email\"\n{}",
            server.settings(&team())
        );
        std::fs::write(home.path().join("watch.toml"), configuration).unwrap();
        let arguments = ["watch", "--config", "watch.toml", "--store", "store", "--once", "--from", "2026-10-01"];
        let ran: Ran = mfatrail().current_dir(home.path()).args(arguments).output().unwrap().into();
        assert!(ran.stderr.contains(" 0 not delivered"), "{}", ran.stderr);
        let taken = server.taken();
        let firsts: Vec<String> = taken
            .iter()
            .filter(|mail| mail.header("In-Reply-To").is_none())
            .map(|mail| mail.header("Message-ID").unwrap())
            .collect();
        assert!(firsts.len() > 10 && firsts.len() < taken.len(), "{} of {}", firsts.len(), taken.len());
        let answers = taken.iter().filter_map(|mail| mail.header("In-Reply-To"));
        assert!(answers.clone().all(|first| firsts.contains(&first)), "{firsts:?}");
        let ids: std::collections::BTreeSet<_> = taken.iter().map(|mail| mail.header("Message-ID")).collect();
        assert_eq!(ids.len(), taken.len());
    }

    #[test]
    fn a_check_names_who_is_refused_and_sends_nothing() {
        let refused = json!({"starttls": true, "rcpt": {"two@example.com": ["550 5.1.1 no such user", "550 no"], "three@example.com": ["451 greylisted"]}});
        let server = Server::start(&refused);
        let mut channel = open("email", &server.settings(&team()));
        let error = channel.check().unwrap_err();
        assert!(error.contains("two@example.com") && error.contains("no such user"), "{error}");
        assert!(server.taken().is_empty());
    }
}

/// What is no mail server, or says nothing: nothing was sent.
#[test]
fn a_server_that_is_none_takes_nothing() {
    let answers: [(&str, &'static [u8]); 7] = [
        ("silence", b""),
        ("garbage", b"\x16\x03\x01\x00 no SMTP\r\n"),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        ("busy", b"421 4.3.2 too many connections\r\n"),
        ("half an answer", b"220-mail.exam"),
        ("an answer without an end", &[b'2'; 100_000]),
        ("a server that closes", b"close"),
    ];
    for (name, answer) in answers {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                if answer == b"close" {
                    continue;
                }
                std::thread::spawn(move || {
                    let _gone = stream.write_all(answer);
                    let _gone = stream.read(&mut [0; 64]);
                    std::thread::sleep(BRIEFLY * 2);
                });
            }
        });
        let settings = format!("host = \"127.0.0.1\"\nport = {port}\nfrom = \"mfatrail@example.com\"\n{}", team());
        // Whoever does not wait for what does come finds nothing either.
        let mut channel = open_within(Duration::from_secs(1), "email", &settings, None);
        let outcomes = insist(channel.as_mut(), &opened(), None);
        assert_eq!(kinds(&outcomes), ["later"; 5], "{name}: {outcomes:?}");
        assert!(!reason(&outcomes[0]).is_empty() && reason(&outcomes[0]).len() < 400, "{name}: {outcomes:?}");
        assert!(channel.check().is_err(), "{name}");
    }
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut channel =
        open("email", &format!("host = \"127.0.0.1\"\nport = {unused}\nfrom = \"a@example.com\"\n{}", team()));
    assert!(channel.check().unwrap_err().contains("could not connect"));
}
