//! A report to be shared: names, addresses, account ids, devices, user agents and object keys replaced by pseudonyms.
//!
//! It is the data that is redacted, before any format is rendered, and field by field: a search for known names in text
//! would miss the ones it does not know. Free text that may quote anything (notices, errors) is kept only where it is
//! known to quote no more than account ids. What remains is what happened, when, in which region, and the event ids, by
//! which whoever has the archive can find it.
//!
//! Without a key pseudonyms are numbers in order of appearance, `user-1`: nothing can be computed back, and the same
//! report gives the same names. With a key they are HMAC-SHA256 of what they stand for, `user-3fa94c0b21d7`: the same in
//! every report that is made with this key, and nobody without it can tell or test what they stand for. A plain hash
//! would not do: account ids and addresses can all be tried.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_lc_rs::hmac;

use super::{DetectionKind, Principal, PrincipalKind, Report};

/// Notices whose text quotes nothing but account ids and times.
const HARMLESS_NOTICES: [&str; 7] = [
    "approval-not-judged",
    "iam-account-missing",
    "iam-not-seen",
    "nothing-read",
    "period-not-covered",
    "period-not-over",
    "selection",
];

/// Files of the AWS CLI whose names are the same everywhere.
const KNOWN_FILES: [&str; 6] = [
    "account-authorization-details.json",
    "account-summary.json",
    "credential-report.csv",
    "credential-report.json",
    "users.json",
    "virtual-mfa-devices.json",
];

const LEFT_OUT: &str = "(left out: the report that is not redacted has it)";

/// Replaces what tells who and where by pseudonyms; `key` makes them the same in every report that has it.
#[must_use]
pub fn redact(mut report: Report, key: Option<&[u8]>) -> Report {
    let mut names = Names { key: key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key)), ..Names::default() };
    let names = &mut names;
    // Accounts first, in order of id, so that their numbers follow it.
    for one in &mut report.accounts {
        one.account = names.account(&one.account);
    }
    for window in &mut report.windows {
        let account = window.account.clone();
        names.principal(&account, &mut window.principal);
        names.option("person", &mut window.owner);
        names.option("device", &mut window.device);
        window.actor = window.actor.as_deref().map(|actor| names.actor(actor));
        names.address(&mut window.source_ip);
        if let Some(detection) = &mut window.detection {
            match detection.kind {
                // The reference is an event's id.
                DetectionKind::Inferred => detection.source = names.actor(&detection.source),
                DetectionKind::Reported => {
                    detection.source = names.of("source", &detection.source);
                    detection.reference = names.of("alert", &detection.reference);
                }
            }
        }
        if let Some(approval) = &mut window.approval {
            approval.approver = names.of("person", &approval.approver);
            approval.ticket = names.of("ticket", &approval.ticket);
        }
        for address in &mut window.activity.source_ips {
            let mut one = Some(std::mem::take(address));
            names.address(&mut one);
            *address = one.unwrap_or_default();
        }
        window.activity.source_ips.sort();
        window.account = names.account(&account);
    }
    for event in &mut report.events {
        let account = event.account.clone();
        if let Some(principal) = &mut event.principal {
            names.principal(&account, principal);
        }
        names.option("device", &mut event.device);
        event.actor = names.actor(&event.actor);
        names.address(&mut event.source_ip);
        names.option("user-agent", &mut event.user_agent);
        names.all("object", &mut event.objects);
        event.account = names.account(&account);
    }
    for finding in &mut report.reconciliation {
        let account = finding.account.clone();
        if let Some(principal) = &mut finding.principal {
            names.principal(&account, principal);
        }
        names.option("device", &mut finding.device);
        finding.account = names.account(&account);
    }
    for proof in &mut report.proof {
        proof.account = names.account(&proof.account);
        names.all("object", &mut proof.objects);
    }
    for day in &mut report.coverage.days {
        day.account = names.account(&day.account);
    }
    for gap in &mut report.coverage.gaps {
        gap.account = names.account(&gap.account);
    }
    for failure in &mut report.coverage.failures {
        failure.object = names.of("object", &failure.object);
        LEFT_OUT.clone_into(&mut failure.error);
    }
    if let Some(integrity) = &mut report.coverage.integrity {
        names.json(integrity);
    }
    for notice in &mut report.notices {
        notice.text =
            if HARMLESS_NOTICES.contains(&notice.code) { names.accounts_in(&notice.text) } else { LEFT_OUT.to_owned() };
    }
    report.notices.dedup();
    for input in &mut report.inputs {
        let parts: Vec<String> = input.path.split('/').map(|part| names.path_part(part)).collect();
        input.path = parts.join("/");
    }
    report.redacted = true;
    report
}

/// What stands for what.
#[derive(Default)]
struct Names {
    key: Option<hmac::Key>,
    known: BTreeMap<(&'static str, String), String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Names {
    /// The pseudonym of one thing of a kind.
    fn of(&mut self, kind: &'static str, value: &str) -> String {
        if let Some(known) = self.known.get(&(kind, value.to_owned())) {
            return known.clone();
        }
        let name = match &self.key {
            Some(key) => {
                let mut text = format!("{kind}-");
                for byte in hmac::sign(key, format!("{kind}\0{value}").as_bytes()).as_ref().iter().take(6) {
                    // Writing to a `String` cannot fail.
                    let _infallible = write!(text, "{byte:02x}");
                }
                text
            }
            None => {
                let count = self.counts.entry(kind).or_default();
                *count += 1;
                format!("{kind}-{count}")
            }
        };
        self.known.insert((kind, value.to_owned()), name.clone());
        name
    }

    fn option(&mut self, kind: &'static str, value: &mut Option<String>) {
        if let Some(value) = value {
            *value = self.of(kind, value);
        }
    }

    fn all(&mut self, kind: &'static str, values: &mut [String]) {
        for value in values {
            *value = self.of(kind, value);
        }
    }

    fn account(&mut self, id: &str) -> String {
        self.of("account", id)
    }

    /// IAM compares names without regard to case.
    fn user(&mut self, account: &str, name: &str) -> String {
        self.of("user", &format!("{account}/{}", name.to_lowercase()))
    }

    fn principal(&mut self, account: &str, who: &mut Principal) {
        match who.kind {
            PrincipalKind::Root => {}
            PrincipalKind::IamUser => who.name = self.user(account, &who.name),
            PrincipalKind::IdentityCenter => who.name = self.of("identity", &who.name),
        }
        self.option("id", &mut who.id);
    }

    /// An address; services that call on somebody's behalf are named like `cloudformation.amazonaws.com`, and stay.
    fn address(&mut self, address: &mut Option<String>) {
        if let Some(address) = address.as_mut().filter(|address| !is_service(address)) {
            *address = self.of("address", address);
        }
    }

    /// An actor, so that a user keeps the pseudonym that it has as a principal.
    fn actor(&mut self, actor: &str) -> String {
        if is_service(actor) {
            return actor.to_owned();
        }
        let fields: Vec<&str> = actor.splitn(6, ':').collect();
        let [_, _, _, _, account, resource] = fields.as_slice() else { return self.of("actor", actor) };
        match resource.split_once('/') {
            None if *resource == "root" => format!("root user of {}", self.account(account)),
            Some(("user", path)) => self.user(account, path.rsplit('/').next().unwrap_or(path)),
            Some(("assumed-role", rest)) => {
                let (role, session) = rest.split_once('/').unwrap_or((rest, ""));
                let role = self.of("role", &format!("{account}/{role}"));
                format!("{role}/{}", self.of("session", session))
            }
            _ => self.of("actor", actor),
        }
    }

    /// Account ids within a sentence of the report's own.
    fn accounts_in(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut digits = String::new();
        for c in text.chars().map(Some).chain([None]) {
            if let Some(digit) = c.filter(char::is_ascii_digit) {
                digits.push(digit);
                continue;
            }
            if digits.len() == 12 {
                out.push_str(&self.account(&digits));
            } else {
                out.push_str(&digits);
            }
            digits.clear();
            out.extend(c);
        }
        out
    }

    fn path_part(&mut self, part: &str) -> String {
        if KNOWN_FILES.contains(&part) {
            return part.to_owned();
        }
        if part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.account(part);
        }
        self.of("file", part)
    }

    /// Numbers and words of the contract stay, everything else goes.
    fn json(&mut self, value: &mut serde_json::Value) {
        use serde_json::Value;
        match value {
            Value::String(text) => {
                let word = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                if !word && text.parse::<chrono::DateTime<chrono::Utc>>().is_err() {
                    *text = self.of("value", text);
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|one| self.json(one)),
            Value::Object(fields) => {
                for (name, mut field) in std::mem::take(fields) {
                    self.json(&mut field);
                    let word = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                    fields.insert(if word { name } else { self.of("value", &name) }, field);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn is_service(name: &str) -> bool {
    name == "AWS Internal"
        || name.strip_suffix(".amazonaws.com").is_some_and(|service| {
            !service.is_empty() && service.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{HOSTILE_AGENT, HOSTILE_NAME, full};
    use super::super::{Format, render, summary};
    use super::*;

    /// Everything of the fixture that tells who or where.
    const ORIGINALS: [&str; 22] = [
        "alice",
        "bob",
        "carol",
        "dave",
        "auditor",
        "111122223333",
        "000000000042",
        "444455556666",
        "AIDAEXAMPLE",
        "192.0.2.10",
        "203.0.113.9",
        "Helpdesk",
        "alice@example.com",
        "aws-cli/2.17",
        "one.json.gz",
        "b;c.gz",
        "OPS-1",
        "OPS-9",
        "ALERT-17",
        "siem",
        "evil",
        "xxxxxxxx",
    ];

    fn everything(report: &Report) -> Vec<(String, String)> {
        let files = render(report, &Format::ALL, true).expect("renders");
        let mut texts: Vec<(String, String)> = Vec::new();
        for (name, bytes) in files {
            if name.ends_with(".xlsx") {
                let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a zip");
                for i in 0..archive.len() {
                    let mut text = String::new();
                    std::io::Read::read_to_string(&mut archive.by_index(i).expect("a part"), &mut text).expect("text");
                    texts.push((format!("{name} {i}"), text));
                }
            } else {
                // The name too: an account's page is called after it.
                texts.push((name.clone(), format!("{name}\n{}", String::from_utf8(bytes).expect("text"))));
            }
        }
        texts.push(("summary".to_owned(), summary(report, 200)));
        texts
    }

    #[test]
    fn no_output_holds_an_original() {
        let whole = everything(&full());
        for original in ORIGINALS {
            assert!(
                whole.iter().any(|(_, text)| text.contains(original)),
                "`{original}` is in no output to begin with"
            );
        }
        for key in [None, Some(b"0123456789abcdef".as_slice())] {
            for (name, text) in everything(&redact(full(), key)) {
                for original in ORIGINALS.into_iter().chain([HOSTILE_NAME, HOSTILE_AGENT, "alert('x')", "HYPERLINK"]) {
                    assert!(!text.contains(original), "{name} holds `{original}`");
                }
            }
        }
    }

    #[test]
    fn pseudonyms_are_stable() {
        let report = full();
        let one = redact(report.clone(), None);
        assert_eq!(one.windows, redact(report.clone(), None).windows);
        assert_eq!(one.windows[0].principal.name, "user-1");
        assert_eq!(one.events[0].principal.as_ref().expect("known").name, "user-1", "the same user, the same name");
        let keyed = |key: &[u8]| redact(full(), Some(key)).windows[0].principal.name.clone();
        assert_eq!(keyed(b"one key of many bytes"), keyed(b"one key of many bytes"));
        assert_ne!(keyed(b"one key of many bytes"), keyed(b"another key of bytes"));
        assert_eq!(redact(report.clone(), None).figures, report.figures, "figures stay");
    }

    #[test]
    fn users_keep_their_name_as_actors() {
        let mut names = Names::default();
        let user = names.user("111122223333", "alice");
        assert_eq!(names.actor("arn:aws:iam::111122223333:user/people/Alice"), user);
        assert_eq!(names.actor("arn:aws:iam::111122223333:root"), "root user of account-1");
        assert_eq!(names.actor("arn:aws:sts::111122223333:assumed-role/Ops/ada"), "role-1/session-1");
        assert_eq!(names.actor("cloudformation.amazonaws.com"), "cloudformation.amazonaws.com");
        assert_eq!(names.actor("evil.user@example.com"), "actor-1");
        assert_eq!(
            names.accounts_in("account 111122223333: 12 of 1111222233334"),
            "account account-1: 12 of 1111222233334"
        );
    }
}
