//! AWS's own finding format (ASFF), as `aws securityhub batch-import-findings --findings` takes it: a list of findings, each of its own
//! account. Notices are of no account, and are not among them.

use std::io;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::super::Report;
use super::super::actions::{About, Action, actions};
use super::{line, partition_of, resource, uid};
use crate::partition;

/// Limits of the format's fields, in its own document ("Required top-level ASFF attributes").
const TITLE: usize = 256;
const DESCRIPTION: usize = 1024;
const RECOMMENDATION: usize = 512;

/// Renders `findings.asff.json`.
pub(in crate::report) fn asff(report: &Report, to: &mut impl io::Write) -> io::Result<()> {
    let partition = partition_of(report);
    let region = partition::iam_region_of(&partition).unwrap_or("us-east-1");
    let own = actions(report).into_iter().filter(|action| action.about != About::Notice);
    let findings: Vec<Value> = own.filter_map(|action| finding(report, &action, &partition, region)).collect();
    serde_json::to_writer_pretty(&mut *to, &findings).map_err(io::Error::from)?;
    writeln!(to)
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn finding(report: &Report, action: &Action, partition: &str, region: &str) -> Option<Value> {
    let account = action.account.as_deref()?;
    let (label, types) = match (action.severity, action.about) {
        (severity, About::Guardrail) => {
            (severity.asff_label(), "Software and Configuration Checks/AWS Security Best Practices")
        }
        (severity, _) => (severity.asff_label(), "TTPs/Persistence"),
    };
    let window = report.windows.get(action.number.saturating_sub(1)).filter(|_| action.about == About::Window);
    let created = window.and_then(|window| window.opened_at).unwrap_or(report.as_of).min(report.as_of);
    let title = line(&action.title, TITLE);
    let resource = resource(report, action, partition);
    let kind = match () {
        () if resource.contains(":user/") => "AwsIamUser",
        () if resource.starts_with("arn:") => "Other",
        () => "AwsAccount",
    };
    let id = if kind == "AwsAccount" { format!("AWS::::Account:{account}") } else { resource };
    let in_force = action.exception == Some("risk accepted");
    Some(json!({
        "SchemaVersion": "2018-10-08",
        "Id": uid(report, action),
        "ProductArn": format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default"),
        "GeneratorId": format!("mfatrail/{}/{}", action.about.name(), action.code),
        "AwsAccountId": account,
        "CreatedAt": stamp(created),
        "UpdatedAt": stamp(report.as_of),
        "Title": title,
        "Description": line(&action.title, DESCRIPTION),
        "Types": [types],
        "Severity": {"Label": label, "Original": action.severity.name()},
        "Remediation": {"Recommendation": {"Text": line(&action.next_step, RECOMMENDATION)}},
        "ProductFields": {"mfatrail/Code": action.code, "mfatrail/Exception": action.exception.unwrap_or("none")},
        "Resources": [{"Type": kind, "Id": id, "Partition": partition, "Region": region}],
        "Workflow": {"Status": if in_force { "SUPPRESSED" } else { "NEW" }},
        "RecordState": if action.over { "ARCHIVED" } else { "ACTIVE" },
    }))
}
