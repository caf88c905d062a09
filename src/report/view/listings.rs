//! Lists: notices, attempts, device lifecycle events, where IAM and the archive disagree, and devices that are left over.

use super::{
    Block, Line, Section, Span, Table, arn, cut, head, id, none, numeric, principal, raw, table, text, time, words,
};
use crate::arn::{self, Arn};
use crate::report::{FindingCode, LeftoverDevice, LifecycleEvent, Outcome, Report};
use crate::report::{assurance, format};

pub(super) fn notices(report: &Report) -> Section<'static> {
    let blocks = if report.notices.is_empty() {
        vec![Block::Paragraph(words(assurance::sentence(report, "No further caveats.", "No further notices.")))]
    } else {
        vec![Block::List(
            report
                .notices
                .iter()
                .map(|notice| vec![Span::Strong(notice.code.as_str().to_owned()), text(": "), text(&*notice.text)])
                .collect(),
        )]
    };
    Section { id: "notices", title: "Before you rely on this", blocks }
}

pub(super) fn attempts(report: &Report) -> Section<'static> {
    let failed: Vec<_> = report.events.iter().filter(|event| event.outcome == Outcome::Failed).collect();
    let blocks = if failed.is_empty() {
        vec![Block::Paragraph(words(assurance::sentence(
            report,
            "No attempt at a device lifecycle call failed in the period.",
            "What was read shows no failed attempt at a device lifecycle call in the period.",
        )))]
    } else {
        let caption =
            format!("{}: each was refused and changed nothing", format::plural(failed.len(), "attempt", "attempts"));
        vec![Block::Table(listing(caption, failed.into_iter()))]
    };
    Section { id: "attempts", title: "Failed attempts", blocks }
}

pub(super) fn events(report: &Report) -> Section<'static> {
    let blocks = if report.events.is_empty() {
        vec![Block::Paragraph(words(assurance::sentence(
            report,
            "No device lifecycle event lies in the period.",
            "What was read shows no device lifecycle event in the period.",
        )))]
    } else {
        let caption = format!(
            "{} in order of time, attempts included",
            format::plural(report.events.len(), "lifecycle event", "lifecycle events")
        );
        vec![Block::Table(listing(caption, report.events.iter()))]
    };
    Section { id: "events", title: "Device lifecycle events", blocks }
}

fn listing<'a>(caption: String, events: impl Iterator<Item = &'a LifecycleEvent>) -> Table<'static> {
    let (rows, more) = cut(events.map(row).collect(), "events.csv");
    let heads = vec![
        head("Time"),
        head("Event"),
        head("Affected user"),
        head("Device"),
        head("By whom, from where"),
        numeric("Remaining devices"),
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
    let mut whose = event.principal.as_ref().map_or_else(|| vec![text("unknown")], principal);
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

pub(super) fn reconciliation(report: &Report) -> Section<'static> {
    let blocks = if report.reconciliation.is_empty() {
        vec![Block::Paragraph(words(if report.figures.mfa_coverage.is_some() {
            let bare = "No disagreement between IAM and the archive was found.";
            assurance::sentence(report, "IAM and the archive agree.", bare)
        } else {
            "Nothing to reconcile: no IAM state was given, or it covers no user.".to_owned()
        }))]
    } else {
        let rows = report
            .reconciliation
            .iter()
            .map(|finding| {
                let [from, to] = finding.between;
                vec![
                    vec![Span::Word(finding.finding.name())],
                    words(format!("{}. {}", meaning(finding.finding), what_may_have_happened(finding.finding))),
                    vec![raw(&finding.account)],
                    finding.principal.as_ref().map_or_else(|| vec![none()], principal),
                    vec![finding.device.as_deref().map_or_else(none, arn)],
                    vec![time(from)],
                    vec![time(to)],
                ]
            })
            .collect();
        let heads = vec![
            head("Finding"),
            head("What it means, and what may have happened"),
            head("Account"),
            head("Affected user"),
            head("Device"),
            head("From"),
            head("To"),
        ];
        let caption = "Where IAM and the archive disagree: the missing event lies in the interval";
        let mut findings = table(caption, heads, rows);
        findings.sortable = true;
        vec![Block::Table(findings)]
    };
    Section { id: "reconciliation", title: "Reconciliation", blocks }
}

/// What a finding says.
pub(in crate::report) fn meaning(finding: FindingCode) -> &'static str {
    match finding {
        FindingCode::EnableNotInArchive => "A device is active whose enrollment was never seen",
        FindingCode::DeactivateNotInArchive => "The archive's last event is an enrollment, and IAM lacks the device",
        FindingCode::DeviceWithoutOwner => {
            "A virtual device is assigned to nobody, and the archive does not explain it"
        }
        FindingCode::WithoutMfaUnexplained => {
            "A console user has no MFA when IAM state was taken, and the archive's last word was another"
        }
        FindingCode::DeleteNotInArchive => "IAM lacks the user, and its deletion was never seen",
        FindingCode::PasswordDisagrees => "IAM's console password is not what the archive's last event on it says",
        FindingCode::DenyDisagrees => "IAM's denial of everything is not what the archive's last event on it says",
        FindingCode::StateContradicts => "A call succeeded that IAM refuses in the state that the archive shows",
        FindingCode::UnseenDevice => "IAM shows an active device that no input names",
    }
}

/// What may have happened, where a finding is right.
pub(in crate::report) fn what_may_have_happened(finding: FindingCode) -> &'static str {
    match finding {
        FindingCode::EnableNotInArchive => {
            "Somebody enrolled a device and the event is missing; until then the user may have been without MFA, and it \
             may be somebody else's device."
        }
        FindingCode::DeactivateNotInArchive => {
            "Somebody removed the device and the event is missing; the user may have been without MFA since."
        }
        FindingCode::DeviceWithoutOwner => "A device was created, or taken from its user, and the event is missing.",
        FindingCode::WithoutMfaUnexplained => {
            "A device was removed, a password given or a deny lifted, and the event is missing; the user is exposed now."
        }
        FindingCode::DeleteNotInArchive => {
            "The user was deleted, and with it what it did until then may be missing; an exposure ended at an unknown date."
        }
        FindingCode::PasswordDisagrees => {
            "A password was given, changed or removed, and the event is missing; the user may have been exposed without a \
             window, or a window may be none."
        }
        FindingCode::DenyDisagrees => {
            "A policy that denies everything was attached or removed, and the event is missing; the user may have been \
             exposed without a window, or a window may be none."
        }
        FindingCode::StateContradicts => {
            "An enrollment, a removal or a deletion is missing; the user may have been without MFA in between."
        }
        FindingCode::UnseenDevice => {
            "The device may have been there all along, so that an exposure may be none; or it was enrolled since, and the \
             event is missing."
        }
    }
}

/// Virtual devices that are assigned to nobody, with what they block and how to delete them.
pub(super) fn leftovers(report: &Report) -> Option<Section<'static>> {
    if report.leftover_devices.is_empty() {
        return None;
    }
    let (rows, more) = cut(report.leftover_devices.iter().map(leftover).collect(), "report.json");
    let caption = format!(
        "{} to nobody, as the archive explains",
        format::plural(report.leftover_devices.len(), "virtual device is assigned", "virtual devices are assigned")
    );
    let heads = ["Device", "Account", "Why it is left over", "What it blocks", "Command that deletes it"];
    let listing = Table { more, ..table(caption, heads.map(head).into(), rows) };
    Some(Section { id: "leftover-devices", title: "Leftover devices", blocks: vec![Block::Table(listing)] })
}

fn leftover(device: &LeftoverDevice) -> Vec<Line> {
    let mut why = words(match device.cause {
        "never_enabled" => "created and never enabled",
        "deactivated" => "deactivated and not deleted",
        cause => cause,
    });
    if let Some(who) = &device.principal {
        why.push(text(", of "));
        why.extend(principal(who));
    }
    why.extend([text(", since "), time(device.since), text(" (event "), id(&device.event_id), text(")")]);
    // Names are unique in an account, whatever path is in front.
    let name = arn::name(&device.device);
    let blocks = vec![
        text("IAM refuses to create another virtual device named "),
        raw(name),
        text(", and with it a new enrollment under that name, until this one is deleted"),
    ];
    vec![
        vec![arn(&device.device)],
        vec![raw(&device.account)],
        why,
        blocks,
        vec![delete_command(&device.device).map_or_else(|| text("delete it by its serial number"), |line| id(&line))],
    ]
}

/// The AWS CLI's command; `None` for what is not the ARN of a virtual device.
pub(in crate::report) fn delete_command(serial: &str) -> Option<String> {
    let is_virtual = Arn::parse(serial).is_some_and(|arn| arn.resource_of("mfa").is_some());
    is_virtual.then(|| format!("aws iam delete-virtual-mfa-device --serial-number {}", shell_quoted(serial)))
}

/// One argument for a POSIX shell. Names come with the records: whatever is not plainly harmless stands in single quotes.
fn shell_quoted(argument: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "@%_+=:,./-".contains(c);
    if argument.chars().all(harmless) { argument.to_owned() } else { format!("'{}'", argument.replace('\'', "'\\''")) }
}
