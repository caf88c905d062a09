//! What is put in on purpose: the events that a scan must find, and decoys that it must not.

use chrono::{DateTime, Utc};

use super::{
    random::Random,
    records::{Kind, Special},
};

/// Device lifecycle event number `number`, in order of time: stories of five, of one user each.
pub fn planted(number: usize, account: &str, time: DateTime<Utc>, random: &mut Random) -> Special {
    let story = number / 5;
    let user = format!("mfa.user-{story:04}");
    let serial = format!("arn:aws:iam::{account}:mfa/{user}");
    let both = format!(r#"{{"userName":"{user}","serialNumber":"{serial}"}}"#);
    let serial_only = format!(r#"{{"serialNumber":"{serial}"}}"#);
    let mut response = "null".to_owned();
    let (name, parameters) = match (number % 5, story % 3) {
        (0, _) => {
            response = format!(r#"{{"virtualMFADevice":{serial_only}}}"#);
            ("CreateVirtualMFADevice", format!(r#"{{"path":"/","virtualMFADeviceName":"{user}"}}"#))
        }
        (1, _) => ("EnableMFADevice", both),
        (2, 0) => ("ResyncMFADevice", both),
        (2, 1) => {
            ("TagMFADevice", format!(r#"{{"serialNumber":"{serial}","tags":[{{"key":"owner","value":"{user}"}}]}}"#))
        }
        (2, _) => ("UntagMFADevice", format!(r#"{{"serialNumber":"{serial}","tagKeys":["owner"]}}"#)),
        (3, _) => ("DeactivateMFADevice", both),
        _ => ("DeleteVirtualMFADevice", serial_only),
    };
    let agent = None;
    Special {
        kind: Kind::Planted,
        id: id(random),
        source: "iam.amazonaws.com",
        name,
        user,
        agent,
        parameters,
        response,
        time,
    }
}

/// Decoy number `number`: the names where they mean nothing, plain and quoted, escaped and nested.
pub fn decoy(number: usize, account: &str, time: DateTime<Utc>, random: &mut Random) -> Special {
    let mut agent = None;
    let (source, name, parameters) = match number % 8 {
        0 => (
            "cloudtrail.amazonaws.com",
            "LookupEvents",
            r#"{"maxResults":50,"lookupAttributes":[{"attributeKey":"EventName","attributeValue":"DeactivateMFADevice"}]}"#
                .to_owned(),
        ),
        1 => {
            agent = Some("mfa-watch/2.1 (DeactivateMFADevice, EnableMFADevice; CreateVirtualMFADevice)".to_owned());
            ("iam.amazonaws.com", "GetAccountSummary", "null".to_owned())
        }
        2 => (
            "directory.example.com",
            "EnableMFADevice",
            format!(r#"{{"userName":"nobody","serialNumber":"arn:aws:iam::{account}:mfa/nobody"}}"#),
        ),
        3 => (
            "events.amazonaws.com",
            "PutRule",
            r#"{"name":"mfa-removed","eventPattern":"{\"source\":[\"aws.iam\"],\"detail\":{\"eventSource\":[\"iam.amazonaws.com\"],\"eventName\":[\"DeactivateMFADevice\",\"DeleteVirtualMFADevice\"]}}","state":"ENABLED"}"#
                .to_owned(),
        ),
        4 => (
            "logs.amazonaws.com",
            "PutMetricFilter",
            r#"{"logGroupName":"org-trail","filterName":"mfa","filterPattern":"{ ($.eventName = \"DeactivateMFADevice\") || ($.eventName = \"EnableMFADevice\") }","metricTransformations":[{"metricName":"mfa","metricNamespace":"audit","metricValue":"1"}]}"#
                .to_owned(),
        ),
        5 => (
            "states.amazonaws.com",
            "StartExecution",
            r#"{"input":"{\"detail\":{\"eventSource\":\"iam.amazonaws.com\",\"eventName\":\"ResyncMFADevice\",\"eventTime\":\"2026-10-01T00:00:00Z\"}}","name":"replay"}"#
                .to_owned(),
        ),
        6 => (
            "ssm.amazonaws.com",
            "StartAutomationExecution",
            r#"{"documentName":"ReplayEvent","parameters":{"event":{"eventSource":"iam.amazonaws.com","eventName":"DeactivateMFADevice"},"eventName":"EnableMFADevice"}}"#
                .to_owned(),
        ),
        _ => (
            "s3.amazonaws.com",
            "GetObject",
            r#"{"bucketName":"example-evidence","key":"cases/DeleteVirtualMFADevice/TagMFADevice.json"}"#.to_owned(),
        ),
    };
    let (user, response) = ("auditor".to_owned(), "null".to_owned());
    let kind = if source == "directory.example.com" { Kind::DecoyOfAnotherSource } else { Kind::Decoy };
    Special { kind, id: id(random), source, name, user, agent, parameters, response, time }
}

fn id(random: &mut Random) -> String {
    let mut id = String::new();
    random.uuid(&mut id);
    id
}
