//! SARIF 2.1.0: a rule for each code, a result for each window, finding, guardrail and notice.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use super::super::actions::{About, Action, actions};
use super::super::{Report, Severity};
use super::{LONGEST, line, partition_of, resource, uid};

/// The schema that a file names.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Renders `report.sarif`.
pub(in crate::report) fn sarif(report: &Report, to: &mut impl io::Write) -> io::Result<()> {
    let partition = partition_of(report);
    let all = actions(report);
    let mut rules: BTreeMap<String, Value> = BTreeMap::new();
    for action in &all {
        rules.entry(rule(action)).or_insert_with(|| {
            json!({
                "id": rule(action),
                "name": action.code,
                "shortDescription": {"text": format!("{} {}", action.about.name(), action.code.replace('_', " "))},
                "defaultConfiguration": {"level": level(action)},
            })
        });
    }
    let results: Vec<Value> = all.iter().map(|action| result(report, action, &partition)).collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "mfatrail",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_values().collect::<Vec<_>>(),
            }},
            "invocations": [{
                "executionSuccessful": true,
                "properties": {"complete": report.coverage.complete},
            }],
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *to, &document).map_err(io::Error::from)?;
    writeln!(to)
}

fn rule(action: &Action) -> String {
    format!("{}/{}", action.about.name(), action.code)
}

/// What is over is a note, however bad it was: it asks for less than what goes on.
fn level(action: &Action) -> &'static str {
    match action.severity {
        Severity::Critical | Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn result(report: &Report, action: &Action, partition: &str) -> Value {
    let title = line(&action.title, LONGEST);
    let next = line(&action.next_step, LONGEST);
    let mut result = json!({
        "ruleId": rule(action),
        "level": level(action),
        "message": {"text": format!("{title}. Next step: {next}")},
        "locations": [{
            "physicalLocation": {"artifactLocation": {"uri": "report.json"}},
            "logicalLocations": [{"fullyQualifiedName": resource(report, action, partition), "kind": "resource"}],
        }],
        "partialFingerprints": {"mfatrail/v1": uid(report, action)},
        "properties": {
            "severity": action.severity.name(),
            "number": action.number,
            "over": action.over,
            "account": action.account,
        },
    });
    if let Some(remark) = action.exception {
        let status = if remark == "risk accepted" { "accepted" } else { "rejected" };
        result["suppressions"] = json!([{"kind": "external", "status": status, "justification": remark}]);
    }
    if action.about == About::Window && action.over {
        result["kind"] = json!("informational");
        result["level"] = json!("none");
    }
    result
}
