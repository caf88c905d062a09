//! Risks that somebody accepted: what they are about, and which have expired. Figures include all of it.

use super::{Block, Line, Section, Span, cut, head, none, numeric, raw, table, text, time, words};
use crate::report::format;
use crate::report::{Exemption, Report, RiskException};

pub(super) fn section(report: &Report) -> Option<Section<'static>> {
    let all = &report.exceptions;
    if all.is_empty() {
        return None;
    }
    let (rows, more) = cut(all.iter().map(row).collect(), "report.json");
    let heads = vec![
        numeric("#"),
        head("About"),
        head("Account"),
        head("Accepted by, why"),
        head("Valid until"),
        numeric("Windows"),
        numeric("Of these, open"),
        numeric("Guardrail checks"),
    ];
    let mut listing = table(sentence(all), heads, rows);
    listing.more = more;
    listing.sortable = true;
    Some(Section {
        id: "exceptions",
        title: "Accepted risks",
        blocks: vec![
            Block::Paragraph(words(
                "Windows and guardrails stay in every figure, whether or not their risk was accepted.",
            )),
            Block::Table(listing),
        ],
    })
}

/// How many there are, of which so many expired, and so many are about nothing in the report.
pub(in crate::report) fn sentence(all: &[RiskException]) -> String {
    let expired = all.iter().filter(|one| one.expired).count();
    let unmatched = all.iter().filter(|one| one.windows + one.checks == 0).count();
    let mut told = format::plural(all.len(), "accepted risk", "accepted risks");
    for (n, what) in [(expired, "expired"), (unmatched, "without a match")] {
        if n > 0 {
            told.push_str(&format!(", {} {what}", format::size(n)));
        }
    }
    told
}

fn row(one: &RiskException) -> Vec<Line> {
    let about = match (&one.user, one.guardrail) {
        (Some(user), _) => vec![text("user "), raw(user)],
        (None, Some(code)) => vec![text("guardrail "), Span::Strong(code.as_str().to_owned())],
        (None, None) => vec![none()],
    };
    let mut why = vec![raw(&one.accepted_by), text(": "), raw(&one.reason)];
    if let Some(reference) = &one.reference {
        why.extend([text(" ("), raw(reference), text(")")]);
    }
    let mut until = vec![time(one.valid_until)];
    if one.expired {
        until.extend([text(" "), Span::Strong("expired".to_owned())]);
    }
    let count = |n: usize| words(format::size(n));
    vec![
        count(one.number),
        about,
        vec![raw(&one.account)],
        why,
        until,
        count(one.windows),
        count(one.open_windows),
        count(one.checks),
    ]
}

/// What stands beside a class or a guardrail; `None` where nobody accepted it.
pub(in crate::report) fn remark(exemptions: &[Exemption]) -> Option<&'static str> {
    let in_force = exemptions.iter().any(|one| one.in_force);
    (!exemptions.is_empty()).then_some(if in_force { "risk accepted" } else { "acceptance expired" })
}

/// Who accepted a window's risk, and why.
pub(super) fn facts(report: &[RiskException], exemptions: &[Exemption]) -> Vec<Line> {
    let known = exemptions.iter().filter_map(|one| {
        let exception = report.iter().find(|exception| exception.number == one.number)?;
        let mut line = vec![
            raw(&exception.accepted_by),
            text(format!(", exception {}, until ", exception.number)),
            time(exception.valid_until),
            text(": "),
            raw(&exception.reason),
        ];
        if !one.in_force {
            line.extend([text(" "), Span::Strong("expired".to_owned())]);
        }
        Some(line)
    });
    known.collect()
}
