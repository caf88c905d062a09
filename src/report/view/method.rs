//! How the figures come about: the policy in force, the inputs, the definitions.

use super::listings::meaning;
use super::windows::close_words;
use super::{Block, Line, Section, Span, head, id, lasting, none, raw, raws, table, text, words};
use crate::inputs::Signal;
use crate::report::format::{self, NONE};
use crate::report::{CloseReason, FindingCode, Report};

pub(super) fn policy(report: &Report) -> Section<'static> {
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
                vec![words("offboarding grace period"), vec![lasting(p.offboarding_grace_s)]],
                vec![words("replacement grace period"), vec![lasting(p.replacement_grace_s)]],
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
            ]
            .into(),
            more: None,
            sortable: false,
        })],
    }
}

const METHOD: &str = "Every record of the archive in range is looked at. Device lifecycle events are replayed per principal, \
    checked against IAM state where that was given, and give the set of active devices at every moment; a window is where \
    that set is empty and should not be. Each window names the events that prove it. Same inputs, same figures.";

const TERMS: [(&str, &str); 22] = [
    (
        "window",
        "an interval in which a principal that should have MFA has none. Its kind is removed, never_enrolled or standing.",
    ),
    ("removed", "it had a device, and its last one was removed."),
    ("never_enrolled", "it got a console password, and has had no device yet."),
    (
        "standing",
        "IAM shows it without a device, and no event that was read says since when: it began before the moment that is given. \
         Counted among those still without MFA, and in no mean; its hours are those that are proven.",
    ),
    (
        "exposed_again",
        "a password was restored, or a deny lifted, while there was no device: a removed window that no deactivation opened.",
    ),
    (
        "cohort",
        "the deactivations that opened a removed window and whose time lies in the period, whenever they ended. MTTD and \
         MTTR are over the cohort, and over its not legitimate part.",
    ),
    (
        "time to detect",
        "from the deactivation to its first detection: reported by an input, else inferred from the first call about the \
         principal by somebody who is neither the principal nor the deactivation's actor. The mean is over the detected; \
         those not detected are counted beside it.",
    ),
    (
        "time to remediate",
        "from the deactivation to the window's close. The mean is over the closed; the open are counted beside it.",
    ),
    (
        "delivery by CloudTrail",
        "from the deactivation to the delivery of its record: no detector on the archive can be faster.",
    ),
    ("enrollment", "from the console password to the close of a never_enrolled window that opened in the period."),
    (
        "median, 90th percentile",
        "of an even number the mean of the middle two; by nearest rank. Of an empty set nothing is given, never zero.",
    ),
    (
        "exposure, principal-hours",
        "hours without MFA inside the period, summed over principals: removed windows, clipped to it, those already open at \
         its start included; standing windows apart.",
    ),
    (
        "certainty",
        "confirmed where all devices of the principal were known; possible where an unseen one may remain, an event is \
         missing, or it is not known whether there is a password.",
    ),
    (
        "approved, offboarding, replacement",
        "legitimate: an approval covers it; the user was deleted, or a device was enabled, within the grace period of the \
         policy.",
    ),
    ("suspected_takeover", "not legitimate: at least as many takeover signals as the policy's threshold."),
    (
        "approval_contested",
        "an approval covers it, and as many takeover signals hold as the policy's threshold: the approval clears nothing.",
    ),
    (
        "workaround",
        "not legitimate: deactivated by the principal itself, not enabled again within the grace period, and then seen in a \
         successful call or sign-in without MFA.",
    ),
    ("unexplained", "not legitimate: no other class fits."),
    (
        "no_password, denied",
        "removals that opened no window: there was no console password, or a policy denied everything.",
    ),
    ("console password, access keys, privileged", "as known at the opening (privileged: at the snapshot of IAM)."),
    (
        "MFA coverage",
        "counts of users at a snapshot of IAM, whose time stands beside them. A period of the trend has the last snapshot \
         that was taken in it or as it ended, and without one its coverage is not known: one rule for months, ranges and \
         earlier reports. Root users without password and access keys have nothing that MFA would protect, and are told \
         apart.",
    ),
    ("partial", "a period that the moment up to which windows are measured cuts: it is compared with no other."),
];

/// What a takeover signal says.
pub(super) fn signal_words(signal: Signal) -> &'static str {
    match signal {
        Signal::ActorWithoutMfa => "the call came from an IAM user's or the root user's session without MFA",
        Signal::NewSource => "its address was not seen for the actor in the look-back, where the actor was seen at all",
        Signal::SeveralPrincipals => {
            "the actor removed devices of two or more other principals within an hour around it"
        }
        Signal::Persistence => {
            "within an hour after it, for the same principal, an access key or a password was made, a password was changed \
             by somebody else, or a policy with full access was attached"
        }
        Signal::PriorFailures => {
            "within an hour before it, a sign-in of the actor failed or a deactivation by it was refused"
        }
        Signal::ForeignEnrolment => {
            "the device enrolled afterwards came from an address not seen in the look-back for whoever enrolled it"
        }
        Signal::RootUser => "the root user made the call",
    }
}

pub(super) const CLOSE_REASONS: [CloseReason; 7] = [
    CloseReason::Reenabled,
    CloseReason::UserDeleted,
    CloseReason::PasswordRemoved,
    CloseReason::Denied,
    CloseReason::SeenInIam,
    CloseReason::SeenInUse,
    CloseReason::EndedUnseen,
];

pub(super) const FINDINGS: [FindingCode; 9] = [
    FindingCode::EnableNotInArchive,
    FindingCode::DeactivateNotInArchive,
    FindingCode::DeviceWithoutOwner,
    FindingCode::WithoutMfaUnexplained,
    FindingCode::DeleteNotInArchive,
    FindingCode::PasswordDisagrees,
    FindingCode::DenyDisagrees,
    FindingCode::StateContradicts,
    FindingCode::UnseenDevice,
];

pub(super) fn definitions() -> Section<'static> {
    let term = |term: &str, meaning: &str| -> Line { vec![Span::Strong(term.to_owned()), text(": "), text(meaning)] };
    let list = |lines: Vec<Line>| Block::List(lines);
    let heading = |title: &str| Block::Heading(title.to_owned());
    Section {
        id: "definitions",
        title: "Method and definitions",
        blocks: vec![
            Block::Paragraph(words(METHOD)),
            list(TERMS.iter().map(|(name, meaning)| term(name, meaning)).collect()),
            heading("Takeover signals"),
            list(Signal::ALL.iter().map(|signal| term(signal.name(), signal_words(*signal))).collect()),
            heading("What closes a window"),
            list(CLOSE_REASONS.iter().map(|reason| term(reason.name(), close_words(*reason))).collect()),
            heading("Reconciliation findings"),
            list(FINDINGS.iter().map(|finding| term(finding.name(), meaning(*finding))).collect()),
        ],
    }
}

/// The files that the report was made from; the archive is counted under evidence.
pub(super) fn inputs(report: &Report) -> Option<Section<'static>> {
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
