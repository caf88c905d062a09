//! What the channels of a watch are told of a month: how it stands, and what changed.

use std::path::Path;

use crate::alert::{Alert, Fact, Text};
use crate::bundle::sha256;
use crate::contract::{Class, Report};
use crate::incident::{Kind, Severity, State, Transition};
use crate::report;
use crate::units::plural;

/// The account that nobody has, for a report without any.
const NOBODY: &str = "000000000000";
/// How many hexadecimal digits of a hash tell one message of a month from another.
const SHORT: usize = 12;

/// The message. One that says the same has the same key.
pub(super) fn alert(report: &Report, complete: bool, folder: &Path) -> Alert {
    let month = super::name(report.period);
    let account = report.accounts.first().map_or(NOBODY, |one| one.account.as_str());
    let text = text(report, complete, folder);
    let facts: String = text.facts.iter().map(|fact| format!("{}\0{}\0", fact.label, fact.value)).collect();
    let digest = sha256(format!("{}\0{}\0{facts}", text.title, text.summary).as_bytes());
    Alert {
        key: format!("mfatrail:{account}:monthly:{month}:{}", digest.get(..SHORT).unwrap_or_default()),
        sequence: 1,
        transition: Transition::Opened,
        state: State::Open,
        kind: Kind::Window,
        severity: severity(report, complete),
        at: report.generated_at,
        account: account.to_owned(),
        class: None,
        subject: month,
        owner: None,
        text,
        window: None,
        members: None,
        acknowledged_by: None,
        test: false,
    }
}

fn takeovers(report: &Report) -> usize {
    report.windows.iter().filter(|window| window.class == Some(Class::SuspectedTakeover)).count()
}

fn open(report: &Report) -> usize {
    report.windows.iter().filter(|window| window.is_open()).count()
}

/// How bad the month is. What was not seen is no good news.
fn severity(report: &Report, complete: bool) -> Severity {
    match () {
        () if takeovers(report) > 0 => Severity::Critical,
        () if open(report) > 0 || !complete || report.figures.iam.deactivations.not_legitimate > 0 => Severity::Error,
        () => Severity::Info,
    }
}

fn text(report: &Report, complete: bool, folder: &Path) -> Text {
    let fact = |label: &str, value: String| Fact { label: label.to_owned(), value };
    let figures = &report.figures.iam;
    let mut title = format!(
        "MFA exposure in {}: {}",
        report::period_name(report.period),
        plural(open(report), "open window", "open windows")
    );
    if takeovers(report) > 0 {
        title.push_str(&format!(", {}", plural(takeovers(report), "suspected takeover", "suspected takeovers")));
    }
    let mut summary = Vec::new();
    if !complete {
        summary.push("The report is from incomplete evidence.".to_owned());
    }
    let caveats = report.changes.iter().flat_map(|changes| &changes.caveats);
    summary.extend(caveats.map(|caveat| format!("Comparison: {}.", caveat.text)));
    summary.push(report::exposure_sentence(report));
    summary.extend(report::changes_sentence(report));
    Text {
        title,
        summary: summary.join(" "),
        facts: vec![
            fact("Deactivations", figures.deactivations.total.to_string()),
            fact("Not legitimate", figures.deactivations.not_legitimate.to_string()),
            fact("Not detected", figures.mttd.undetected.to_string()),
            fact("Open windows", open(report).to_string()),
            fact("Caveats", plural(report.notices.len(), "notice", "notices")),
            fact("Measured to", super::rfc3339(report.as_of)),
        ],
        next_step: format!("Read the report in {}: it begins with what is worst.", folder.display()),
        links: Vec::new(),
    }
}
