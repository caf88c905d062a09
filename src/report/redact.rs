//! A report to be shared: names, addresses, account ids, devices, user agents and object keys replaced by pseudonyms.
//!
//! It is the data that is redacted, before any format is rendered, and field by field: a search for known names in text
//! would miss the ones it does not know. Free text that may quote anything (notices, errors) is kept only where it is
//! known to quote no more than account ids. What remains is what happened, when, in which region, and the event ids, by
//! which whoever has the archive can find it; an id that is no GUID, as CloudTrail's are, is somebody's free text and goes too.
//!
//! Without a key pseudonyms are numbers in order of appearance, `user-1`: nothing can be computed back, and the same
//! report gives the same names. With a key they are HMAC-SHA256 of what they stand for, `user-3fa94c0b21d7`: the same in
//! every report that is made with this key, and nobody without it can tell or test what they stand for. A plain hash
//! would not do: account ids and addresses can all be tried.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::hmac;

use super::{ArchiveIntegrity, Changes, DetectionKind, NoticeCode, Principal, PrincipalKind, Report, RiskException};
use crate::arn::{self, Arn};
use crate::hash::hex;
use crate::partition;

/// Notices whose text quotes nothing but account ids and times.
const HARMLESS_NOTICES: [NoticeCode; 11] = [
    NoticeCode::ApprovalNotJudged,
    NoticeCode::AsOfBeyondEvidence,
    NoticeCode::FutureTime,
    NoticeCode::IamAccountMissing,
    NoticeCode::IamNotSeen,
    NoticeCode::NoIamState,
    NoticeCode::NotWatched,
    NoticeCode::NothingRead,
    NoticeCode::PeriodNotCovered,
    NoticeCode::PeriodNotOver,
    NoticeCode::Selection,
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

/// The words that the error codes of AWS are made of. A code of other words may be anything: whoever writes a record chooses it.
const CODE_WORDS: &str = "\
    Access Account Action Active Already And Api Auth Authentication Authorization Bad Body Call Certificate Client \
    Code Concurrent Conflict Credential Credentials Decision Delete Denied Device Disabled Document Does Duplicate \
    Empty Enabled Encoded Entity Error Exceeded Exception Exists Expired Failed Failure Fault Format Forbidden Found \
    Id In Incomplete Input Internal Invalid Key Length Limit Login Malformed Many Match Message Missing Modification \
    No Not Operation Opt Organization Parameter Parameters Password Policy Profile Provider Query Quota Rate Report \
    Request Requests Required Resource Role Server Service Signature Size State String Subscription Such Temporarily \
    Throttled Throttling Time Token Too Type Unauthorized Unavailable Unknown Unmodifiable Unrecognized Unsupported \
    User Validation Violation";

/// How the names of AWS's regions begin.
const REGION_PARTS: [&str; 14] = ["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx", "cn", "eusc", "nz", "th", "kr"];

/// The keys of tags that every set-up has.
const KNOWN_TAGS: [&str; 2] = ["owner", "owner-email"];

/// The kind of pseudonym of an account.
const ACCOUNT: &str = "account";

const LEFT_OUT: &str = "(left out: the report that is not redacted has it)";

/// Replaces what tells who and where by pseudonyms; `key` makes them the same in every report that has it.
#[must_use]
pub fn redact(mut report: Report, key: Option<&[u8]>) -> Report {
    let mut names = Names { key: key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key)), ..Names::default() };
    let names = &mut names;
    let ids = accounts(&report);
    // Accounts first, in order of id, so that their numbers follow it.
    for one in &mut report.accounts {
        one.account = names.account(&one.account);
    }
    for id in &ids {
        names.account(id);
    }
    for window in &mut report.windows {
        let account = window.account.clone();
        names.principal(&account, &mut window.principal);
        names.option("person", &mut window.owner);
        names.option("device", &mut window.device);
        window.actor = window.actor.as_deref().map(|actor| names.actor(actor));
        names.address(&mut window.source_ip);
        let of_window = [&mut window.opened_by_event, &mut window.closed_by_event].into_iter().flatten();
        let of_reasons = window.reasons.iter_mut().flat_map(|reason| &mut reason.event_ids);
        of_window.chain(of_reasons).for_each(|id| names.event(id));
        if let Some(detection) = &mut window.detection {
            match detection.kind {
                // The reference is an event's id.
                DetectionKind::Inferred => {
                    detection.source = names.actor(&detection.source);
                    names.event(&mut detection.reference);
                }
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
        for service in window.activity.services.iter_mut().filter(|service| !is_service(service)) {
            *service = names.of("service", service);
        }
        window.activity.services.sort();
        for made in window.activity.by_actor.iter_mut().flat_map(|actor| &mut actor.made) {
            made.id = names.made(&account, made.what, &made.id);
            names.event(&mut made.event_id);
        }
        window.account = names.account(&account);
    }
    for event in &mut report.events {
        let account = event.account.clone();
        if let Some(principal) = &mut event.principal {
            names.principal(&account, principal);
        }
        names.event(&mut event.event_id);
        event.addenda.iter_mut().for_each(|id| names.event(id));
        names.option("device", &mut event.device);
        event.actor = names.actor(&event.actor);
        names.address(&mut event.source_ip);
        names.option("user-agent", &mut event.user_agent);
        if let Some(code) = event.error_code.as_mut().filter(|code| !is_error_code(code)) {
            *code = names.of("error", code);
        }
        names.region(&mut event.region);
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
    for leftover in &mut report.leftover_devices {
        let account = leftover.account.clone();
        if let Some(principal) = &mut leftover.principal {
            names.principal(&account, principal);
        }
        leftover.device = names.of("device", &leftover.device);
        names.event(&mut leftover.event_id);
        leftover.account = names.account(&account);
    }
    for proof in &mut report.proof {
        names.event(&mut proof.event_id);
        proof.account = names.account(&proof.account);
        proof.actor = names.actor(&proof.actor);
        names.all("object", &mut proof.objects);
        // A hash can be looked up by whoever has the object.
        proof.sha256.fill(None);
    }
    for check in report.posture.iter_mut().flat_map(|posture| &mut posture.checks) {
        check.account = names.account(&check.account);
        if let Some(region) = &mut check.region {
            names.region(region);
        }
        names.option("resource", &mut check.resource);
        // Both quote names.
        LEFT_OUT.clone_into(&mut check.reason);
        check.fix = None;
    }
    for exception in &mut report.exceptions {
        names.exception(exception);
    }
    if let Some(changes) = &mut report.changes {
        names.changes(changes);
    }
    for day in &mut report.coverage.days {
        day.account = names.account(&day.account);
        names.region(&mut day.region);
    }
    for gap in &mut report.coverage.gaps {
        gap.account = names.account(&gap.account);
        if let Some(region) = &mut gap.region {
            names.region(region);
        }
        gap.event_id.iter_mut().for_each(|id| names.event(id));
    }
    for conflict in &mut report.coverage.conflicts {
        names.event(&mut conflict.event_id);
        conflict.account = names.account(&conflict.account);
        names.all("object", &mut conflict.objects);
        names.all("object", &mut conflict.kept);
    }
    for failure in &mut report.coverage.failures {
        failure.object = names.of("object", &failure.object);
        LEFT_OUT.clone_into(&mut failure.error);
    }
    if let Some(integrity) = &mut report.coverage.integrity {
        names.integrity(integrity);
    }
    for notice in &mut report.notices {
        let text = HARMLESS_NOTICES.contains(&notice.code).then(|| names.accounts_in(&notice.text));
        notice.text = text.filter(|text| names_no_account(text)).unwrap_or_else(|| LEFT_OUT.to_owned());
    }
    report.notices.dedup();
    names.all("detector", &mut report.policy.not_detectors);
    for input in &mut report.inputs {
        let parts: Vec<String> = input.path.split('/').map(|part| names.path_part(part)).collect();
        input.path = parts.join("/");
    }
    for tag in report.policy.owner_tags.iter_mut().filter(|tag| !KNOWN_TAGS.contains(&tag.as_str())) {
        *tag = names.of("tag", tag);
    }
    report.redacted = true;
    report
}

/// Every account that something of the report is of. They need not be numbers: whoever writes a record chooses them.
fn accounts(report: &Report) -> BTreeSet<String> {
    let windows = report.windows.iter().map(|window| &window.account);
    let events = report.events.iter().map(|event| &event.account);
    let findings = report.reconciliation.iter().map(|finding| &finding.account);
    let proof = report.proof.iter().map(|proof| &proof.account);
    let days = report.coverage.days.iter().map(|day| &day.account);
    let gaps = report.coverage.gaps.iter().map(|gap| &gap.account);
    let checks = report.posture.iter().flat_map(|posture| &posture.checks).map(|check| &check.account);
    let changes = report.changes.iter().flat_map(|changes| {
        let windows = changes.windows.iter().map(|one| &one.account);
        let accounts = changes.accounts.iter().map(|one| &one.account);
        windows.chain(accounts).chain(changes.guardrails.iter().map(|one| &one.account))
    });
    let windows = windows.chain(checks).chain(changes);
    windows.chain(events).chain(findings).chain(proof).chain(days).chain(gaps).cloned().collect()
}

/// Whether a sentence whose accounts were replaced names none by its id: what is called an account is a pseudonym.
fn names_no_account(text: &str) -> bool {
    ["account ", "accounts "].iter().all(|word| {
        text.match_indices(word)
            .all(|(at, _)| text.get(at + word.len()..).is_some_and(|rest| rest.starts_with("account-")))
    })
}

/// What stands for what.
#[derive(Default)]
struct Names {
    key: Option<hmac::Key>,
    known: BTreeMap<(&'static str, String), String>,
    counts: BTreeMap<&'static str, usize>,
    /// How long the ids of accounts are, in bytes: of thousands of accounts a sentence is looked through for few lengths.
    lengths: BTreeSet<usize>,
}

impl Names {
    /// The pseudonym of one thing of a kind.
    fn of(&mut self, kind: &'static str, value: &str) -> String {
        if let Some(known) = self.known.get(&(kind, value.to_owned())) {
            return known.clone();
        }
        let name = match &self.key {
            Some(key) => {
                let mac = hmac::sign(key, format!("{kind}\0{value}").as_bytes());
                let start = mac.as_ref().get(..6).unwrap_or_default();
                format!("{kind}-{}", hex(start))
            }
            None => {
                let count = self.counts.entry(kind).or_default();
                *count += 1;
                format!("{kind}-{count}")
            }
        };
        self.known.insert((kind, value.to_owned()), name.clone());
        if kind == ACCOUNT && !value.is_empty() {
            self.lengths.insert(value.len());
        }
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
        self.of(ACCOUNT, id)
    }

    /// The account whose id a text begins with, and no longer word does; the longest, for an id may be the beginning of another.
    fn account_at(&self, text: &str) -> Option<(usize, &String)> {
        self.lengths.iter().rev().find_map(|length| {
            let (id, after) = text.split_at_checked(*length)?;
            let name = self.known.get(&(ACCOUNT, id.to_owned()))?;
            (!after.starts_with(is_of_id)).then_some((*length, name))
        })
    }

    /// IAM compares names without regard to case.
    fn user(&mut self, account: &str, name: &str) -> String {
        self.of("user", &format!("{account}/{}", name.to_lowercase()))
    }

    /// What an actor made: a user by the name that it has elsewhere, everything else by its kind.
    fn made(&mut self, account: &str, what: &str, id: &str) -> String {
        match what {
            "password" | "user" => self.user(account, id),
            "access_key" => self.of("access-key", id),
            "device" => self.of("device", id),
            "policy" => self.of("policy", id),
            _ => self.of("made", id),
        }
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
        let Some(Arn { account, resource, .. }) = Arn::parse(actor) else { return self.of("actor", actor) };
        match resource.split_once('/') {
            None if resource == "root" => format!("root user of {}", self.account(account)),
            Some(("user", path)) => self.user(account, arn::name(path)),
            Some(("assumed-role", rest)) => {
                let (role, session) = rest.split_once('/').unwrap_or((rest, ""));
                let role = self.of("role", &format!("{account}/{role}"));
                format!("{role}/{}", self.of("session", session))
            }
            _ => self.of("actor", actor),
        }
    }

    /// Account ids within a sentence of the report's own: those that are known, and whatever has twelve digits.
    fn accounts_in(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let begins = !out.ends_with(is_of_id);
            let id = if begins { self.account_at(rest) } else { None };
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let length = match id {
                Some((length, name)) => {
                    out.push_str(name);
                    length
                }
                None if begins && digits == 12 => {
                    let name = self.account(rest.get(..digits).unwrap_or_default());
                    out.push_str(&name);
                    digits
                }
                None => {
                    out.push(first);
                    first.len_utf8()
                }
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        out
    }

    /// An event's id, unless it is a GUID: whoever writes a record chooses its id.
    fn event(&mut self, id: &mut String) {
        if !is_guid(id) {
            *id = self.of("event", id);
        }
    }

    /// A region, unless it is named like one.
    fn region(&mut self, region: &mut String) {
        let parts: Vec<&str> = region.split('-').collect();
        let usual = matches!(parts.as_slice(), [first, middle @ .., last] if REGION_PARTS.contains(first)
            && !middle.is_empty()
            && middle.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
            && !last.is_empty() && last.len() <= 2 && last.bytes().all(|byte| byte.is_ascii_digit()));
        if !usual && !matches!(region.as_str(), "" | "-" | "aws-global" | "global") {
            *region = self.of("region", region);
        }
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

    /// A risk that somebody accepted. Patterns hold parts of names.
    fn exception(&mut self, exception: &mut RiskException) {
        let is_pattern = |text: &str| text.contains(['*', '?']);
        let account = exception.account.clone();
        if let Some(user) = exception.user.as_mut().filter(|user| *user != "root") {
            let plain = !is_pattern(user) && !is_pattern(&account);
            *user = if plain { self.user(&account, user) } else { self.of("pattern", user) };
        }
        exception.account = if is_pattern(&account) { self.of("pattern", &account) } else { self.account(&account) };
        exception.accepted_by = self.of("person", &exception.accepted_by);
        self.option("ticket", &mut exception.reference);
        LEFT_OUT.clone_into(&mut exception.reason);
    }

    /// What changed since an earlier report, whose version is a stranger's text.
    fn changes(&mut self, changes: &mut Changes) {
        for window in &mut changes.windows {
            let account = window.account.clone();
            self.principal(&account, &mut window.principal);
            window.opened_by_event.iter_mut().for_each(|id| self.event(id));
            window.account = self.account(&account);
        }
        changes.accounts.iter_mut().for_each(|one| one.account = self.account(&one.account));
        changes.guardrails.iter_mut().for_each(|one| one.account = self.account(&one.account));
        if changes.since.version != env!("CARGO_PKG_VERSION") {
            changes.since.version = self.of("version", &changes.since.version);
        }
    }

    /// What digests say: the accounts, regions, trails, objects, events and sentences of it.
    fn integrity(&mut self, integrity: &mut ArchiveIntegrity) {
        let ArchiveIntegrity::Verified(outcome) = integrity else { return };
        for finding in &mut outcome.findings {
            let optional = [&mut finding.account, &mut finding.event_id, &mut finding.object, &mut finding.region];
            optional.into_iter().flatten().for_each(|value| self.value(value));
            self.value(&mut finding.text);
            finding.trail.iter_mut().for_each(|trail| self.value(trail));
        }
        for hours in &mut outcome.hours {
            [&mut hours.account, &mut hours.region].into_iter().for_each(|value| self.value(value));
        }
        for trail in &mut outcome.trails {
            let all = [&mut trail.account, &mut trail.home_region, &mut trail.region, &mut trail.trail];
            all.into_iter().for_each(|value| self.value(value));
        }
    }

    fn value(&mut self, value: &mut String) {
        if !value.is_empty() {
            *value = self.of("value", value);
        }
    }
}

/// Whether a character can belong to an account's id.
fn is_of_id(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_')
}

/// Whether an id has the form of CloudTrail's, `8-4-4-4-12` hexadecimal digits.
fn is_guid(id: &str) -> bool {
    let groups: Vec<&str> = id.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    lengths.eq([8, 4, 4, 4, 12]) && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_service(name: &str) -> bool {
    name == "AWS Internal" || partition::service(name).is_some()
}

/// Whether an error code says no more than what went wrong: words of AWS, such as `Client.UnauthorizedOperation`.
fn is_error_code(code: &str) -> bool {
    let mut words = 0;
    let mut rest = code;
    while !rest.is_empty() {
        rest = rest.strip_prefix('.').filter(|_| words > 0).unwrap_or(rest);
        let tail = rest.get(1..).unwrap_or_default();
        let end = tail.find(|c: char| !c.is_ascii_lowercase()).map_or(rest.len(), |at| at + 1);
        let Some((word, after)) = rest.split_at_checked(end) else { return false };
        if !CODE_WORDS.split(' ').any(|known| known == word) {
            return false;
        }
        words += 1;
        rest = after;
    }
    words > 0
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{HOSTILE_AGENT, HOSTILE_NAME, changed, full};
    use super::super::{Format, render, summary};
    use super::*;

    /// Everything of the fixture that tells who or where.
    const ORIGINALS: [&str; 31] = [
        "old-timer",
        "zelda",
        "mallory",
        "AKIAEXAMPLEKEY",
        "security-lead",
        "CHG-7",
        "spare",
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
        "homestead",
        "acme-old",
    ];

    fn everything(report: &Report) -> Vec<(String, String)> {
        let files = render(report, &Format::ALL, true).expect("renders");
        let mut texts: Vec<(String, String)> = Vec::new();
        for (name, contents) in files {
            let bytes = contents.bytes().expect("read");
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
        texts.push(("summary".to_owned(), summary(report, None)));
        texts
    }

    #[test]
    fn no_output_holds_an_original() {
        let whole = everything(&changed());
        for original in ORIGINALS {
            assert!(
                whole.iter().any(|(_, text)| text.contains(original)),
                "`{original}` is in no output to begin with"
            );
        }
        for key in [None, Some(b"0123456789abcdef".as_slice())] {
            for (name, text) in everything(&redact(changed(), key)) {
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
    fn free_text_of_a_record_or_a_policy_is_replaced() {
        let mut report = full();
        let rename = |account: &mut String| {
            if account == "111122223333" {
                "acme-payroll".clone_into(account);
            }
        };
        report.accounts.iter_mut().for_each(|one| rename(&mut one.account));
        report.windows.iter_mut().for_each(|one| rename(&mut one.account));
        report.events.iter_mut().for_each(|one| rename(&mut one.account));
        report.coverage.days.iter_mut().for_each(|one| rename(&mut one.account));
        report.events[0].error_code = Some("jane.doe was here".to_owned());
        report.events[0].region = "janes-laptop".to_owned();
        report.events[1].error_code = Some("AccessDenied".to_owned());
        report.windows[0].activity.services = vec!["iam.amazonaws.com".to_owned(), "vault.acme.example".to_owned()];
        report.policy.owner_tags.push("acme-team".to_owned());
        report.coverage.days[0].region = "acme-hq".to_owned();
        let notice = |code, text: &str| super::super::Notice { code, text: text.to_owned() };
        report.notices = vec![
            notice(NoticeCode::IamNotSeen, "account acme-payroll: nothing of us-east-1"),
            notice(NoticeCode::IamAccountMissing, "IAM state has no data for account acme-unheard-of: its windows"),
            notice(NoticeCode::Selection, "only accounts acme-payroll and 444455556666 were read, as requested"),
        ];
        for key in [None, Some(b"0123456789abcdef".as_slice())] {
            let redacted = redact(report.clone(), key);
            assert_eq!(redacted.events[1].error_code.as_deref(), Some("AccessDenied"));
            assert!(redacted.windows[0].activity.services.contains(&"iam.amazonaws.com".to_owned()));
            assert_eq!(redacted.policy.owner_tags[..2], ["owner-email", "owner"]);
            assert!(redacted.notices[0].text.starts_with("account account-"), "{:?}", redacted.notices);
            assert_eq!(redacted.notices[1].text, LEFT_OUT);
            assert!(redacted.notices[2].text.ends_with(" were read, as requested"), "{:?}", redacted.notices);
            for (name, text) in everything(&redacted) {
                for original in ["acme", "jane", "444455556666"] {
                    assert!(!text.contains(original), "{name} holds `{original}`");
                }
            }
        }
    }

    #[test]
    fn ids_are_of_events_where_they_are_guids() {
        for id in ["0f0e0000-0000-4000-8000-000000000011", "0F0E0000-ABCD-4000-8000-000000000011"] {
            assert!(is_guid(id), "{id}");
        }
        for id in [
            "",
            "----",
            "0f0e0000-0000-4000-8000-00000000001",
            "0f0e0000-0000-4000-8000-0000000000111",
            "0f0e000g-0000-4000-8000-000000000011",
            "0f0e0000-0000-4000-8000-000000000011-",
            "0f0e0000-000é-4000-8000-000000000011",
            " 0f0e0000-0000-4000-8000-00000000001",
            "jane.doe",
        ] {
            assert!(!is_guid(id), "{id}");
        }
    }

    #[test]
    fn error_codes_are_of_words_that_are_known() {
        for code in [
            "AccessDenied",
            "AccessDeniedException",
            "Client.UnauthorizedOperation",
            "NoSuchEntityException",
            "EntityTemporarilyUnmodifiable",
            "InvalidAuthenticationCode",
            "DeleteConflict",
            "ThrottlingException",
            "ValidationError",
            "LimitExceededException",
            "InvalidClientTokenId",
        ] {
            assert!(is_error_code(code), "{code}");
        }
        for code in [
            "",
            ".",
            "Alice",
            "AccessDenied by alice",
            "accessdenied",
            "AccessDenied.",
            "Jane.Doe",
            "AccessDeniedÉ",
            "é",
        ] {
            assert!(!is_error_code(code), "{code}");
        }
    }

    /// A sentence with the ids replaced that are known, each looked for everywhere.
    fn plainly(names: &Names, text: &str) -> String {
        let mut known: Vec<(&str, &str)> = names
            .known
            .iter()
            .filter(|((kind, id), _)| *kind == ACCOUNT && !id.is_empty())
            .map(|((_, id), name)| (id.as_str(), name.as_str()))
            .collect();
        known.sort_by_key(|(id, _)| std::cmp::Reverse(id.len()));
        let (mut out, mut rest) = (String::new(), text);
        while let Some(first) = rest.chars().next() {
            let begins = !out.ends_with(is_of_id);
            let is = |id: &str| begins && rest.strip_prefix(id).is_some_and(|after| !after.starts_with(is_of_id));
            match known.iter().find(|(id, _)| is(id)) {
                Some((id, name)) => {
                    out.push_str(name);
                    rest = &rest[id.len()..];
                }
                None => {
                    out.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        out
    }

    proptest::proptest! {
        #[test]
        fn accounts_in_a_sentence_are_those_that_a_look_for_each_finds(
            ids in proptest::collection::vec("[ab1é -]{0,3}", 0..6),
            text in "[ab1é ,-]{0,24}",
        ) {
            let mut names = Names::default();
            ids.iter().for_each(|id| drop(names.account(id)));
            let expected = plainly(&names, &text);
            proptest::prop_assert_eq!(names.accounts_in(&text), expected);
        }
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
