//! Findings of OCSF 1.3.0, one a line: guardrails as compliance findings (class 2003), all else as detection findings (class 2004), with
//! the profile of clouds.

use std::io;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::super::actions::{About, Action, actions};
use super::super::{Posture, PostureCheck, Report, Severity, Verdict};
use super::{LONGEST, line, partition_of, resource, uid};
use crate::arn::Arn;
use crate::partition;

/// The version of the schema.
const VERSION: &str = "1.3.0";
/// The program's own version.
const OWN: &str = env!("CARGO_PKG_VERSION");

/// Renders `findings.ocsf.jsonl`.
pub(in crate::report) fn ocsf(report: &Report, to: &mut impl io::Write) -> io::Result<()> {
    let partition = partition_of(report);
    for action in actions(report) {
        let check = report.posture.as_ref().filter(|_| action.about == About::Guardrail);
        let finding = match check.and_then(|posture| posture.checks.get(action.number.saturating_sub(1))) {
            Some(check) => compliance(check, report.as_of, action.exception),
            None => detection(report, &action, &partition),
        };
        writeln!(to, "{finding}")?;
    }
    Ok(())
}

/// The checks of a posture, each as a compliance finding.
#[must_use]
pub fn posture_ocsf(posture: &Posture) -> Vec<Value> {
    posture.checks.iter().map(|check| compliance(check, posture.taken_at, None)).collect()
}

fn metadata(code: &str) -> Value {
    json!({
        "version": VERSION,
        "profiles": ["cloud"],
        "event_code": code,
        "product": { "name": "mfatrail", "vendor_name": "mfatrail", "version": OWN }
    })
}

/// A check as a compliance finding.
fn compliance(check: &PostureCheck, at: DateTime<Utc>, exception: Option<&str>) -> Value {
    let (status, status_id) = match check.verdict {
        Verdict::Pass => ("Pass", 1),
        Verdict::Fail => ("Fail", 3),
        Verdict::CannotTell => ("Unknown", 0),
    };
    let (severity, severity_id) = match (check.verdict, check.code.severity()) {
        (Verdict::Pass, _) => ("Informational", 1),
        (_, "critical") => ("Critical", 5),
        (_, "high") => ("High", 4),
        (_, "medium") => ("Medium", 3),
        _ => ("Low", 2),
    };
    let reason = line(&check.reason, LONGEST);
    let resource = check.resource.clone().unwrap_or_else(|| format!("account {}", check.account));
    let mut finding = json!({
        "activity_id": 1,
        "activity_name": "Create",
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2003,
        "class_name": "Compliance Finding",
        "type_uid": 200_301,
        "type_name": "Compliance Finding: Create",
        "time": at.timestamp_millis(),
        "severity": severity,
        "severity_id": severity_id,
        "message": reason,
        "metadata": metadata(check.code.as_str()),
        "finding_info": {
            "uid": format!("{}/{}/{resource}", check.code.as_str(), check.account),
            "title": check.code.title(),
            "desc": reason,
            "types": ["MFA guardrail"]
        },
        "compliance": {
            "control": check.code.as_str(),
            "standards": check.controls,
            "status": status,
            "status_id": status_id,
            "status_detail": reason
        },
        "cloud": { "provider": "AWS", "account": { "uid": check.account } },
        "resources": [{ "uid": resource, "cloud_partition": partition_of_check(check) }]
    });
    if let Some(region) = &check.region {
        finding["cloud"]["region"] = json!(region);
    }
    if let Some(fix) = &check.fix {
        finding["remediation"] = json!({ "desc": fix });
    }
    suppressed(&mut finding, exception);
    finding
}

fn partition_of_check(check: &PostureCheck) -> String {
    let of_arn = check.resource.as_deref().and_then(Arn::parse).map(|arn| arn.partition.to_owned());
    let of_region = || check.region.as_deref().map(|region| partition::of_region(region).into_owned());
    of_arn.or_else(of_region).unwrap_or_else(|| "aws".to_owned())
}

/// A risk that was accepted is there, and marked.
fn suppressed(finding: &mut Value, exception: Option<&str>) {
    if let Some(remark) = exception {
        finding["comment"] = json!(remark);
        if remark == "risk accepted" {
            finding["status"] = json!("Suppressed");
            finding["status_id"] = json!(3);
        }
    }
}

/// A window, a finding of the reconciliation or a notice.
fn detection(report: &Report, action: &Action, partition: &str) -> Value {
    let (severity, severity_id) = match action.severity {
        Severity::Info => ("Informational", 1),
        Severity::Warning => ("Medium", 3),
        Severity::Error => ("High", 4),
        Severity::Critical => ("Critical", 5),
    };
    let (activity, activity_id) = if action.over { ("Close", 3) } else { ("Create", 1) };
    let title = line(&action.title, LONGEST);
    let window = report.windows.get(action.number.saturating_sub(1)).filter(|_| action.about == About::Window);
    let mut information = json!({
        "uid": uid(report, action),
        "title": title,
        "desc": title,
        "types": [format!("MFA {}", action.about.name())]
    });
    if let Some(at) = window.and_then(|window| window.opened_at) {
        information["created_time"] = json!(at.timestamp_millis());
    }
    let mut finding = json!({
        "activity_id": activity_id,
        "activity_name": activity,
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "type_uid": 200_400 + activity_id,
        "type_name": format!("Detection Finding: {activity}"),
        "time": report.as_of.timestamp_millis(),
        "severity": severity,
        "severity_id": severity_id,
        "message": title,
        "metadata": metadata(action.code),
        "finding_info": information,
        "remediation": { "desc": line(&action.next_step, LONGEST) },
        "cloud": { "provider": "AWS" },
        "resources": [{ "uid": resource(report, action, partition), "cloud_partition": partition }]
    });
    if let Some(account) = &action.account {
        finding["cloud"]["account"] = json!({ "uid": account });
    }
    suppressed(&mut finding, action.exception);
    finding
}
