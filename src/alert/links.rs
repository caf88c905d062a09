//! Where to look: pages of AWS's console, by partition.
//!
//! Hosts by the AWS General Reference, "AWS Management Console endpoints" of each partition; of the isolated ones none is public, and no
//! link is better than a wrong one.

use super::Link;
use crate::contract::PrincipalKind;
use crate::incident::Incident;
use crate::partition;

/// The links of an incident: the user in IAM, and the event in CloudTrail.
pub(super) fn of(incident: &Incident) -> Vec<Link> {
    let mut links = Vec::new();
    let Some(region) = incident.region.as_deref().filter(|region| is_region(region)) else { return links };
    let Some(host) = host(&partition::of_region(region)) else { return links };
    let home = partition::iam_region(region).unwrap_or(region);
    if let Some(principal) = incident.principal.as_ref().filter(|one| one.kind == PrincipalKind::IamUser) {
        let name = encoded(&principal.name);
        let url = format!("https://{home}.{host}/iam/home#/users/details/{name}?section=security_credentials");
        links.push(Link { label: format!("{} in the IAM console", principal.name), url });
    }
    let event = encoded(&incident.event_id);
    let url = format!("https://{region}.{host}/cloudtrailv2/home?region={region}#/events/{event}");
    links.push(Link { label: "Event in the CloudTrail console".to_owned(), url });
    links
}

fn host(partition: &str) -> Option<&'static str> {
    match partition {
        "aws" => Some("console.aws.amazon.com"),
        "aws-cn" => Some("console.amazonaws.cn"),
        "aws-us-gov" => Some("console.amazonaws-us-gov.com"),
        "aws-eusc" => Some("console.amazonaws-eusc.eu"),
        _ => None,
    }
}

/// Whether it has the form of a region: it becomes part of a host's name, and records are written by strangers.
fn is_region(region: &str) -> bool {
    let word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    region.len() <= 32 && region.matches('-').count() >= 2 && region.split('-').all(word)
}

/// Percent-encoded, but for what stands for itself anywhere in an address.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_region_becomes_part_of_a_host() {
        for (region, is) in [
            ("us-east-1", true),
            ("us-gov-west-1", true),
            ("eusc-de-east-1", true),
            ("evil.example.com/#", false),
            ("us-east-1.evil", false),
            ("us--1", false),
            ("", false),
        ] {
            assert_eq!(is_region(region), is, "{region}");
        }
        assert_eq!(encoded("a/b c+d@e?f#g"), "a%2Fb%20c%2Bd%40e%3Ff%23g");
    }
}
