//! How the figures come about: the policy in force, the inputs, the definitions.

use super::{Block, Section, Span, head, id, lasting, none, raw, raws, table, text, words};
use crate::report::Report;
use crate::report::format::{self, NONE};

pub(super) fn policy(report: &Report) -> Section {
    let p = &report.policy;
    let signals: Vec<&str> = p.takeover_signals.iter().map(|signal| signal.name()).collect();
    let row = |name: &str, value: String| vec![words(name), words(value)];
    Section {
        id: "policy",
        title: "Policy in force",
        blocks: vec![Block::Table(super::Table {
            caption: "The settings that decide classes and figures".to_owned(),
            heads: vec![head("Setting"), head("Value")],
            rows: vec![
                vec![words("offboarding grace"), vec![lasting(p.offboarding_grace_s)]],
                vec![words("replacement grace"), vec![lasting(p.replacement_grace_s)]],
                vec![words("look-back"), vec![lasting(p.lookback_s)]],
                row("takeover signals", if signals.is_empty() { NONE.to_owned() } else { signals.join(", ") }),
                row("takeover threshold (signals)", format::size(p.takeover_threshold)),
                vec![
                    words("owner tags, the first that exists"),
                    if p.owner_tags.is_empty() { vec![none()] } else { raws(&p.owner_tags) },
                ],
                vec![
                    words("no detectors (ARNs)"),
                    if p.not_detectors.is_empty() { vec![none()] } else { raws(&p.not_detectors) },
                ],
            ],
            more: None,
            sortable: false,
        })],
    }
}

pub(super) fn definitions() -> Section {
    const METHOD: &str = "Every record of the archive in range is looked at. Device lifecycle events are replayed per principal, \
        checked against IAM state where that was given, and give the set of active devices at every moment; a window is where \
        that set is empty and should not be. Each window names the events that prove it. Same inputs, same figures.";
    const TERMS: [(&str, &str); 16] = [
        (
            "window",
            "an interval in which a principal that should have MFA has none. removed: it had a device. \
          never_enrolled: it got a console password and no device yet.",
        ),
        (
            "cohort",
            "the deactivations that opened a removed window and whose time lies in the period, whenever they \
          ended. MTTD and MTTR are over the cohort, and over its not legitimate part.",
        ),
        (
            "time to detect",
            "from the deactivation to its first detection: reported by an input, else inferred from the \
          first call about the principal by somebody who is neither the principal nor the deactivation's actor. The mean \
          is over the detected; the undetected are counted beside it.",
        ),
        (
            "time to remediate",
            "from the deactivation to the window's close. The mean is over the closed; the open are \
          counted beside it.",
        ),
        (
            "delivery by CloudTrail",
            "from the deactivation to the delivery of its record: no detector on the archive can \
          be faster.",
        ),
        ("enrolment", "from the console password to the close of a never_enrolled window that opened in the period."),
        (
            "median, 90th percentile",
            "of an even number the mean of the middle two; by nearest rank. Of an empty set \
          nothing is given, never zero.",
        ),
        (
            "exposure",
            "principal-hours without MFA inside the period: removed windows, clipped to it, those carried in \
          included.",
        ),
        (
            "certainty",
            "confirmed where all devices of the principal were known, possible where an unseen one may \
          remain.",
        ),
        (
            "approved, offboarding, replacement",
            "legitimate: an approval covers it; the user was deleted, or a device was \
          enabled, within the grace of the policy.",
        ),
        ("suspected_takeover", "not legitimate: at least as many takeover signals as the policy's threshold."),
        (
            "workaround",
            "not legitimate: deactivated by the principal itself, not enabled again within the grace, and then \
          seen in a successful call or sign-in without MFA.",
        ),
        ("unexplained", "not legitimate: no other class fits."),
        ("console password, access keys, privileged", "as known at the opening (privileged: at the snapshot of IAM)."),
        (
            "MFA coverage",
            "counts of users at a snapshot of IAM, whose time stands beside them. A month of the trend has the last snapshot \
             that was taken in it or at its end, and without one its coverage is not known; a report has the one that it was \
             given.",
        ),
        ("partial", "a period that the moment up to which windows are measured cuts: it is compared with no other."),
    ];
    Section {
        id: "definitions",
        title: "Method and definitions",
        blocks: vec![
            Block::Paragraph(words(METHOD)),
            Block::List(
                TERMS
                    .iter()
                    .map(|(term, meaning)| vec![Span::Strong((*term).to_owned()), text(": "), text(*meaning)])
                    .collect(),
            ),
        ],
    }
}

/// The files that the report was made from; the archive is counted under evidence.
pub(super) fn inputs(report: &Report) -> Option<Section> {
    if report.inputs.is_empty() {
        return None;
    }
    let rows = report
        .inputs
        .iter()
        .map(|input| vec![words(input.kind), vec![raw(&input.path)], vec![id(&input.sha256)]])
        .collect();
    let heads = ["Input", "File", "SHA-256"].map(head).into();
    let blocks = vec![Block::Table(table("Files beside the archive", heads, rows))];
    Some(Section { id: "inputs", title: "Inputs", blocks })
}
