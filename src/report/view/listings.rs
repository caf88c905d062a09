//! Lists: notices, attempts, device lifecycle events, and where IAM and the archive disagree.

use super::{
    Block, Line, Section, Span, Table, arn, cut, head, id, none, numeric, principal, raw, table, text, time, words,
};
use crate::report::format;
use crate::report::{FindingCode, LifecycleEvent, Outcome, Report};

pub(super) fn notices(report: &Report) -> Section {
    let blocks = if report.notices.is_empty() {
        vec![Block::Paragraph(words("Nothing else to be known before the figures are trusted."))]
    } else {
        vec![Block::List(
            report
                .notices
                .iter()
                .map(|notice| vec![Span::Strong(notice.code.to_owned()), text(": "), text(&*notice.text)])
                .collect(),
        )]
    };
    Section { id: "notices", title: "Before you rely on this", blocks }
}

pub(super) fn attempts(report: &Report) -> Section {
    let failed: Vec<_> = report.events.iter().filter(|event| event.outcome == Outcome::Failed).collect();
    let blocks = if failed.is_empty() {
        vec![Block::Paragraph(words("No attempt at a device lifecycle call failed in the period."))]
    } else {
        let caption =
            format!("{}: each was refused and changed nothing", format::plural(failed.len(), "attempt", "attempts"));
        vec![Block::Table(listing(caption, failed.into_iter()))]
    };
    Section { id: "attempts", title: "Failed attempts", blocks }
}

pub(super) fn events(report: &Report) -> Section {
    let blocks = if report.events.is_empty() {
        vec![Block::Paragraph(words("No device lifecycle event lies in the period."))]
    } else {
        let caption = format!(
            "{} in order of time, attempts included",
            format::plural(report.events.len(), "lifecycle event", "lifecycle events")
        );
        vec![Block::Table(listing(caption, report.events.iter()))]
    };
    Section { id: "events", title: "Device lifecycle events", blocks }
}

fn listing<'a>(caption: String, events: impl Iterator<Item = &'a LifecycleEvent>) -> Table {
    let (rows, more) = cut(events.map(row).collect(), "events.csv");
    let heads = vec![
        head("Time"),
        head("Event"),
        head("Whose"),
        head("Device"),
        head("By whom, from where"),
        numeric("Devices left"),
        head("Event id, object"),
    ];
    Table { more, sortable: true, ..table(caption, heads, rows) }
}

fn row(event: &LifecycleEvent) -> Vec<Line> {
    let mut what = vec![raw(&event.event_name)];
    if event.outcome == Outcome::Failed {
        what.push(text(" "));
        what.push(Span::Strong("refused".to_owned()));
        if let Some(code) = &event.error_code {
            what.extend([text(": "), raw(code)]);
        }
    }
    let mut whose = event.principal.as_ref().map_or_else(|| vec![text("not told")], principal);
    whose.extend([text(" in "), raw(&event.account)]);
    let mfa = match event.actor_mfa {
        Some(true) => ", with MFA",
        Some(false) => ", without MFA",
        None => "",
    };
    let mut by = vec![arn(&event.actor), text(mfa)];
    if let Some(address) = &event.source_ip {
        by.extend([text(", from "), raw(address)]);
    }
    let mut proof = vec![id(&event.event_id)];
    for object in &event.objects {
        proof.push(text(" "));
        proof.push(Span::Object(object.clone()));
    }
    vec![
        vec![time(event.event_time)],
        what,
        whose,
        vec![event.device.as_deref().map_or_else(none, arn)],
        by,
        vec![event.remaining_devices.map_or_else(none, |n| text(format::size(n)))],
        proof,
    ]
}

pub(super) fn reconciliation(report: &Report) -> Section {
    let blocks = if report.reconciliation.is_empty() {
        vec![Block::Paragraph(words(if report.figures.mfa_coverage.is_some() {
            "IAM and the archive agree."
        } else {
            "Nothing to reconcile: no IAM state was given, or it tells of no user."
        }))]
    } else {
        let rows = report
            .reconciliation
            .iter()
            .map(|finding| {
                let [from, to] = finding.between;
                vec![
                    vec![Span::Word(finding.finding.name())],
                    words(meaning(finding.finding)),
                    vec![raw(&finding.account)],
                    finding.principal.as_ref().map_or_else(|| vec![none()], principal),
                    vec![finding.device.as_deref().map_or_else(none, arn)],
                    vec![time(from)],
                    vec![time(to)],
                ]
            })
            .collect();
        let heads = ["Finding", "What it means", "Account", "Principal", "Device", "From", "To"].map(head).into();
        let caption = "Where IAM and the archive disagree: the missing event lies in the interval";
        let mut findings = table(caption, heads, rows);
        findings.sortable = true;
        vec![Block::Table(findings)]
    };
    Section { id: "reconciliation", title: "Reconciliation", blocks }
}

fn meaning(finding: FindingCode) -> &'static str {
    match finding {
        FindingCode::EnableNotInArchive => "a device is active whose enrolment was never seen",
        FindingCode::DeactivateNotInArchive => "the last event is an enrolment, and IAM lacks the device",
        FindingCode::DeviceWithoutOwner => "a virtual device that is assigned to nobody",
        FindingCode::WithoutMfaUnexplained => "a console user without MFA, and no window tells why",
        FindingCode::DeleteNotInArchive => "IAM lacks the user, and its deletion was never seen",
        FindingCode::PasswordDisagrees => "IAM's console password is not what the last event on it says",
        FindingCode::DenyDisagrees => "IAM's denial of everything is not what the last event on it says",
        FindingCode::StateContradicts => "a call succeeded that IAM refuses in the state that the events tell",
        FindingCode::UnseenDevice => {
            "IAM says that a device is active which no input names: it may have been there all along"
        }
    }
}
