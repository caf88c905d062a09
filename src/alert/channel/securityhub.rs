//! AWS Security Hub: one finding for each incident, in its own format (ASFF), which each transition updates by its id.
//!
//! A finding is imported into the account that its product belongs to, which is that of whoever imports it (API reference,
//! `BatchImportFindings`). Either all findings are in one account, with the account of the incident among their resources, or each is in
//! the account of its incident, by a role there. What is over is archived; the workflow's status is left to those who work with it, and
//! Security Hub sets it back to `NEW` when an archived finding becomes active again.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use hyper::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::aws::{Access, Within, complaint, outcome};
use super::redaction::Redaction;
use super::{Channel, Opening, answer};
use crate::alert::limit::{Limit, line};
use crate::alert::{Alert, Delivery, Outcome, plain};
use crate::arn::Arn;
use crate::aws::Connection;
use crate::aws::signed::{Caller, Error, SECURITY_HUB, STS};
use crate::incident::Kind;
use crate::partition;

/// Limits of the format's fields, in its own document ("Required top-level ASFF attributes").
const TITLE: Limit = Limit::Chars(256);
const DESCRIPTION: Limit = Limit::Chars(1024);
const RECOMMENDATION: Limit = Limit::Chars(512);
const FIELD_NAME: Limit = Limit::Chars(128);
const FIELD: Limit = Limit::Chars(2048);
const RESOURCE: Limit = Limit::Chars(512);
/// The most of `ProductFields`.
const FIELDS: usize = 50;
/// The longest address.
const LONGEST_LINK: usize = 2048;
/// Where a role's ARN has the account of the incident.
const ACCOUNT: &str = "{account}";
/// How many accounts connections are kept to.
const CALLERS: usize = 8;

/// What a `[[channel]]` of the kind `securityhub` has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How AWS is reached. `{account}` in the role is the account of the incident: then each finding is in its own account.
    #[serde(default)]
    pub aws: Access,
    /// Another address than that of Security Hub in the region.
    pub url: Option<String>,
}

impl Settings {
    pub(super) fn open(&self, opening: &Opening<'_>) -> Result<SecurityHub, String> {
        if self.aws.role.as_deref().is_some_and(|role| Arn::parse(role).is_none_or(|arn| arn.service != "iam")) {
            return Err("its `aws.role` is not the ARN of a role (hint: arn:aws:iam::{account}:role/NAME)".to_owned());
        }
        let Opening { deadline, aws, .. } = *opening;
        let hub = SecurityHub { settings: self.clone(), deadline, aws: aws.clone(), places: VecDeque::new() };
        // What is wrong with the address is told at once.
        hub.caller(self.aws.clone()).map(|_caller| hub)
    }
}

/// Where findings are imported.
#[derive(Debug)]
struct Place {
    /// The account that the role is chosen by; `None` where there is one role or none.
    of: Option<String>,
    caller: Caller,
    /// The account whose product it is; not known before it was asked for.
    account: Option<String>,
}

/// Security Hub.
#[derive(Debug)]
pub(super) struct SecurityHub {
    settings: Settings,
    deadline: Duration,
    aws: Connection,
    /// Latest used last.
    places: VecDeque<Place>,
}

/// Whose id it is: the account of whoever calls.
#[derive(Debug, Clone, Copy)]
struct Owner<'o> {
    account: &'o str,
    region: &'o str,
}

/// `CreatedAt`, of which the channel's reference tells later, after the finding's id.
fn created(delivery: &Delivery<'_>) -> String {
    let known = delivery.reference.and_then(|reference| reference.rsplit_once(' '));
    known.map_or_else(|| stamp(delivery.alert.at), |(_, created)| created.to_owned())
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// By the taxonomy of finding types.
const fn types(kind: Kind) -> &'static str {
    match kind {
        Kind::Window | Kind::Burst => "TTPs/Persistence",
        Kind::Attempts => "Unusual Behaviors/User",
        Kind::Evidence => "TTPs/Defense Evasion",
    }
}

fn finding(delivery: &Delivery<'_>, owner: Owner<'_>) -> Value {
    let alert = delivery.alert;
    let partition = partition::of_region(owner.region);
    let Owner { account, region } = owner;
    let severity = json!({"Label": alert.severity.asff_label(), "Original": alert.severity.name()});
    let mut finding = json!({
        "SchemaVersion": "2018-10-08",
        "Id": alert.key,
        "ProductArn": format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default"),
        "GeneratorId": format!("mfatrail/{}", alert.kind.name()),
        "AwsAccountId": account,
        "CreatedAt": created(delivery),
        "UpdatedAt": stamp(delivery.now),
        "LastObservedAt": stamp(alert.at),
        "Title": filled(&plain::heading(alert, TITLE)),
        "Description": filled(&line(&alert.text.summary, DESCRIPTION)),
        "Types": [types(alert.kind)],
        "Severity": severity,
        // What of an existing finding an update changes.
        "FindingProviderFields": {"Severity": severity, "Types": [types(alert.kind)]},
        "Remediation": {"Recommendation": {"Text": filled(&line(&alert.text.next_step, RECOMMENDATION))}},
        "ProductFields": fields(alert),
        "Resources": resources(alert, &partition),
        "RecordState": if alert.state.is_ended() { "ARCHIVED" } else { "ACTIVE" },
        "Sample": alert.test,
    });
    let link = alert.text.links.iter().find(|link| link.url.starts_with("https://") && link.url.len() <= LONGEST_LINK);
    if let (Some(link), Some(finding)) = (link, finding.as_object_mut()) {
        finding.insert("SourceUrl".to_owned(), link.url.clone().into());
    }
    finding
}

/// A text that is not empty, as every text of a finding is.
fn filled(text: &str) -> &str {
    if text.trim().is_empty() { "–" } else { text }
}

/// The facts, by their labels.
fn fields(alert: &Alert) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut add = |label: &str, value: &str| {
        fields.insert(line(&format!("mfatrail/{label}"), FIELD_NAME), filled(&line(value, FIELD)).into());
    };
    add("Transition", &format!("{} ({})", alert.sequence, alert.transition.name()));
    if let Some(class) = &alert.class {
        add("Class", class);
    }
    if let Some(by) = &alert.acknowledged_by {
        add("Acknowledged by", by);
    }
    let room = FIELDS - 4;
    for fact in alert.text.facts.iter().take(room) {
        add(&fact.label, &fact.value);
    }
    if alert.text.facts.len() > room {
        add("Left out", &plain::left_out(alert.text.facts.len() - room));
    }
    fields
}

/// Whom it is about, and the account.
fn resources(alert: &Alert, partition: &str) -> Value {
    let own =
        |kind: &str, id: String| json!({"Type": kind, "Id": filled(&line(&id, RESOURCE)), "Partition": partition});
    let account = own("AwsAccount", format!("AWS::::Account:{}", alert.account));
    let principal = alert.window.as_ref().and_then(|window| window.get("principal"));
    let text = |name: &str| principal.and_then(|principal| principal.get(name)?.as_str());
    match (text("kind"), text("name")) {
        (Some("iam_user"), Some(name)) => {
            let user = own("AwsIamUser", format!("arn:{partition}:iam::{}:user/{name}", alert.account));
            json!([user, account])
        }
        (Some("identity_center"), Some(name)) => json!([own("Other", name.to_owned()), account]),
        _ => json!([account]),
    }
}

/// The answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Imported {
    success_count: u64,
    failed_count: u64,
    #[serde(default)]
    failed_findings: Vec<Failed>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    error_code: String,
    error_message: String,
}

impl SecurityHub {
    fn tell(&mut self, delivery: &Delivery<'_>) -> Result<Outcome, Outcome> {
        let place =
            self.place(&delivery.alert.account, delivery.alert.test).map_err(|reason| Outcome::Permanent { reason })?;
        // Who calls is asked for before anything is imported: whatever comes of it, nothing was.
        let account = own_account(place).map_err(|error| match outcome(&error, delivery.now) {
            Outcome::Unknown { wait, reason } => Outcome::RepeatAfter { wait, reason },
            other => other,
        })?;
        let owner = Owner { account: &account, region: place.caller.region() };
        let body = json!({"Findings": [finding(delivery, owner)]});
        let answer = place.caller.send(&SECURITY_HUB, Method::POST, "/findings/import", &body);
        let imported: Imported =
            answer.and_then(|answer| answer.json()).map_err(|error| match outcome(&error, delivery.now) {
                Outcome::Permanent { reason } => Outcome::Permanent { reason: format!("{reason}{}", hint(&error)) },
                other => other,
            })?;
        if imported.failed_count == 0 && imported.success_count == 1 {
            let reference = format!("{} {}", delivery.alert.key, created(delivery));
            return Ok(Outcome::Delivered { reference: Some(reference), note: None });
        }
        Err(failed(&imported))
    }

    fn caller(&self, access: Access) -> Result<Caller, String> {
        let within = Within { aws: &self.aws, deadline: self.deadline };
        access.caller(within, None, SECURITY_HUB.service, self.settings.url.as_deref())
    }

    /// Where the findings of an account are imported. A test is about an account that does not exist: it goes to whoever calls.
    fn place(&mut self, account: &str, test: bool) -> Result<&mut Place, String> {
        let own = self.settings.aws.clone();
        let by_account = own.role.as_ref().is_some_and(|role| role.contains(ACCOUNT));
        let role = own.role.as_ref().filter(|_| by_account && !test);
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if role.is_some() && !is_account {
            return Err("the incident's account is not an account's id: no role can be assumed there".to_owned());
        }
        let of = role.map(|_| account.to_owned());
        match self.places.iter().position(|place| place.of == of) {
            Some(known) => {
                let last = self.places.len() - 1;
                self.places.swap(known, last);
            }
            None => {
                let access = match role {
                    _ if by_account && test => Access { role: None, external_id: None, ..own },
                    Some(role) => Access { role: Some(role.replace(ACCOUNT, account)), ..own },
                    None => own,
                };
                let caller = self.caller(access)?;
                if self.places.len() >= CALLERS {
                    self.places.pop_front();
                }
                self.places.push_back(Place { of, caller, account: None });
            }
        }
        self.places.back_mut().ok_or_else(|| "there is no place to import it to".to_owned())
    }
}

/// The account of whoever calls, asked for once.
fn own_account(place: &mut Place) -> Result<String, Error> {
    if let Some(account) = &place.account {
        return Ok(account.clone());
    }
    let account = place.caller.query(&STS, "GetCallerIdentity", &[])?.text(&["GetCallerIdentityResult", "Account"])?;
    Ok(place.account.insert(account).clone())
}

/// What to do about a refusal that only Security Hub has.
fn hint(error: &Error) -> &'static str {
    match error.code() {
        Some("InvalidAccessException") => " (hint: enable Security Hub in this account and region)",
        _ => "",
    }
}

/// What came of an import that was answered with a failure.
fn failed(imported: &Imported) -> Outcome {
    let none = Redaction::default();
    let Some(failed) = imported.failed_findings.first() else {
        let reason = format!("the answer counts {} imported findings of 1", imported.success_count);
        return Outcome::Unknown { wait: None, reason };
    };
    let reason = answer::quote(&format!("{}: {}", failed.error_code, failed.error_message), &none);
    let code = failed.error_code.as_str();
    match code {
        "InternalError"
        | "InternalException"
        | "Internal"
        | "ConcurrentUpdateError"
        | "ThrottlingException"
        | "LimitExceededException" => Outcome::RepeatAfter { wait: None, reason },
        _ => Outcome::Permanent { reason },
    }
}

impl Channel for SecurityHub {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome {
        self.tell(delivery).unwrap_or_else(|outcome| outcome)
    }

    /// By the finding's id.
    fn tells_repetitions(&self) -> bool {
        true
    }

    /// Whether Security Hub is enabled where findings are imported. The roles of other accounts are not tried: which there are is not
    /// known.
    fn check(&mut self) -> Result<(), String> {
        if self.settings.aws.role.as_deref().is_some_and(|role| role.contains(ACCOUNT)) {
            let caller = self.caller(Access { role: None, external_id: None, ..self.settings.aws.clone() })?;
            let asked = caller.query(&STS, "GetCallerIdentity", &[]);
            return asked.map(drop).map_err(|error| complaint(&error, "sts:GetCallerIdentity"));
        }
        let place = self.place("", false)?;
        own_account(place).map_err(|error| complaint(&error, "sts:GetCallerIdentity"))?;
        let asked = place.caller.get(&SECURITY_HUB, "/accounts");
        asked.map(drop).map_err(|error| format!("{}{}", complaint(&error, "securityhub:DescribeHub"), hint(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::samples::{alert, delivery, fact, hostile};
    use crate::incident::{State, Transition};

    const OWNER: Owner<'static> = Owner { account: "444455556666", region: "us-gov-west-1" };

    #[test]
    fn a_finding_says_whom_it_is_about_and_where() {
        let mut alert = alert();
        let principal = |kind: &str| Some(json!({"principal": {"kind": kind, "name": "alice"}}));
        for (window, first) in [
            (principal("iam_user"), "arn:aws-us-gov:iam::111122223333:user/alice"),
            (principal("identity_center"), "alice"),
            (principal("root"), "AWS::::Account:111122223333"),
            (None, "AWS::::Account:111122223333"),
        ] {
            alert.window = window;
            let finding = finding(&delivery(&alert), OWNER);
            assert_eq!(finding["Resources"][0]["Id"], first);
            let last = finding["Resources"].as_array().unwrap().last().unwrap();
            assert_eq!(last["Id"], "AWS::::Account:111122223333");
            let product = "arn:aws-us-gov:securityhub:us-gov-west-1:444455556666:product/444455556666/default";
            assert_eq!(
                (finding["ProductArn"].as_str(), finding["RecordState"].as_str()),
                (Some(product), Some("ACTIVE"))
            );
        }
        for (state, transition, expected) in [
            (State::Acknowledged, Transition::Updated, "ACTIVE"),
            (State::Resolved, Transition::Resolved, "ARCHIVED"),
            (State::Withdrawn, Transition::Withdrawn, "ARCHIVED"),
            (State::Resolved, Transition::Updated, "ARCHIVED"),
            (State::Open, Transition::Opened, "ACTIVE"),
        ] {
            let alert = Alert { state, transition, ..alert.clone() };
            assert_eq!(finding(&delivery(&alert), OWNER)["RecordState"], expected, "{state:?} {transition:?}");
        }
    }

    #[test]
    fn it_was_created_once() {
        let alert = alert();
        let known = format!("{} 2026-10-05T09:00:00.000Z", alert.key);
        let later = Delivery { reference: Some(&known), ..delivery(&alert) };
        assert_eq!(finding(&later, OWNER)["CreatedAt"], "2026-10-05T09:00:00.000Z");
        assert_eq!(finding(&delivery(&alert), OWNER)["CreatedAt"], "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn whatever_a_stranger_wrote_is_below_the_limits() {
        for text in hostile() {
            let mut alert = alert();
            for own in [&mut alert.text.title, &mut alert.text.summary, &mut alert.text.next_step, &mut alert.account] {
                own.clone_from(&text);
            }
            alert.class = Some(text.clone());
            alert.acknowledged_by = Some(text.clone());
            alert.text.facts = (0..200).map(|n| fact(&format!("{n}{text}"), &text)).collect();
            alert.window = Some(json!({"principal": {"kind": "iam_user", "name": text}}));
            let finding = finding(&delivery(&alert), OWNER);
            let long = |path: &str| finding.pointer(path).and_then(Value::as_str).unwrap().chars().count();
            for (path, most) in [
                ("/Title", 256),
                ("/Description", 1024),
                ("/Remediation/Recommendation/Text", 512),
                ("/Resources/0/Id", 512),
                ("/Resources/1/Id", 512),
            ] {
                assert!((1..=most).contains(&long(path)), "{path} {}", long(path));
            }
            let fields = finding["ProductFields"].as_object().unwrap();
            assert!((40..=FIELDS).contains(&fields.len()), "{}", fields.len());
            for (name, value) in fields {
                assert!(name.chars().count() <= 128 && (1..=2048).contains(&value.as_str().unwrap().chars().count()));
            }
            assert_eq!(fields["mfatrail/Left out"], "154 more facts left out");
            let bytes = finding.to_string();
            assert!(!bytes.contains(['\u{202e}', '\u{7}']));
            assert!(bytes.len() < 240_000 * 2, "{}", bytes.len());
        }
    }
}
