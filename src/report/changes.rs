//! `changes.txt`: what changed since an earlier report, as plain text for a mail.

use std::io;

use super::assurance;
use super::format;
use super::view::{self, change};
use super::{Certainty, Changes, PrincipalKind, Report, Verdict, WindowChange, WindowChangeKind};
use crate::escape;

/// How many of a list are named; the rest is counted, and is in the report.
const NAMED: usize = 20;

/// Renders `changes.txt`.
///
/// # Errors
/// When it cannot be written.
pub(super) fn changes_text(report: &Report, changes: &Changes, to: &mut impl io::Write) -> io::Result<()> {
    let mut lines = vec![
        format!(
            "MFA exposure, {}: what changed since {}",
            format::period(report.period),
            format::period(changes.since.period)
        ),
        String::new(),
    ];
    lines.extend(changes.caveats.iter().map(|caveat| format!("Note: {}.", caveat.text)));
    if !changes.caveats.is_empty() {
        lines.push(String::new());
    }
    lines.push(exposure_sentence(report));
    lines.push(change::sentence(report, changes));
    listed(&mut lines, changes.windows.iter().map(window).collect());
    accounts(&mut lines, changes);
    guardrails(&mut lines, changes);
    if !changes.figures.is_empty() {
        lines.push(String::new());
        lines.push("Figures, before and now:".to_owned());
        lines.extend(changes.figures.iter().map(|one| {
            format!("  {}: {}, now {}", one.figure.title(), change::shown(one, one.before), change::shown(one, one.now))
        }));
    }
    for line in lines {
        writeln!(to, "{}", escape::terminal(&line))?;
    }
    Ok(())
}

/// Who is without MFA, in a sentence.
#[must_use]
pub fn exposure_sentence(report: &Report) -> String {
    match view::exposed(report, &view::still_open(report)) {
        Some(exposed) => format!("{exposed}."),
        None => {
            assurance::sentence(report, "Nobody is known to be without MFA.", "What was read shows nobody without MFA.")
        }
    }
}

/// What changed since the earlier report, in a sentence; `None` where none was given.
#[must_use]
pub fn changes_sentence(report: &Report) -> Option<String> {
    report.changes.as_ref().map(|changes| change::sentence(report, changes))
}

/// The first of many lines, and how many more there are.
fn listed(lines: &mut Vec<String>, all: Vec<String>) {
    // Saying that there is one more takes as much room as naming it.
    let named = if all.len() == NAMED + 1 { all.len() } else { NAMED };
    let more = all.len().saturating_sub(named);
    lines.extend(all.into_iter().take(named).map(|one| format!("  {one}")));
    if more > 0 {
        lines.push(format!("  … and {} more in the report", format::size(more)));
    }
}

fn window(one: &WindowChange) -> String {
    let who = match one.principal.kind {
        PrincipalKind::Root => "the root user",
        PrincipalKind::IamUser | PrincipalKind::IdentityCenter => &one.principal.name,
    };
    let since = match (one.opened_at, one.open_since_before) {
        (Some(at), _) => format!("since {}", format::time(at)),
        (None, at) => format!("since before {}", at.map(format::time).unwrap_or_default()),
    };
    let class = match (one.class, one.class_before) {
        (Some(now), Some(before)) if now != before => format!("{}, was {}", now.name(), before.name()),
        (Some(class), _) => class.name().to_owned(),
        (None, _) => view::key_of(None, one.kind).to_owned(),
    };
    let end = match (one.change, one.closed_at, one.close_reason) {
        (WindowChangeKind::Missing, ..) => "whether it ended is not known".to_owned(),
        (_, Some(at), _) => format!("closed at {}", format::time(at)),
        (_, None, Some(_)) => "ended at an unknown date".to_owned(),
        (_, None, None) if one.certainty == Certainty::Possible => "possibly open".to_owned(),
        (_, None, None) => "open".to_owned(),
    };
    format!("{}: {who} in account {}, {}, {since}, {end}", one.change.words(), one.account, class.replace('_', " "))
}

/// Accounts whose coverage is another.
fn accounts(lines: &mut Vec<String>, changes: &Changes) {
    let told = changes
        .accounts
        .iter()
        .map(|one| (one, change::covered(one.before.as_ref()), change::covered(one.now.as_ref())));
    let other: Vec<String> = told
        .filter(|(_, before, now)| before != now)
        .map(|(one, before, now)| format!("account {}: {before}, now {now}", one.account))
        .collect();
    if !other.is_empty() {
        lines.extend([String::new(), "Console users with an active device, before and now:".to_owned()]);
        listed(lines, other);
    }
}

fn guardrails(lines: &mut Vec<String>, changes: &Changes) {
    if changes.guardrails.is_empty() {
        return;
    }
    lines.extend([String::new(), "Guardrails:".to_owned()]);
    let mut all: Vec<_> = changes.guardrails.iter().collect();
    // What does not stand any more comes first.
    all.sort_by_key(|one| (one.now.unwrap_or(Verdict::CannotTell), one.code));
    let told = all.into_iter().map(|one| {
        let (before, now) = (change::verdict(one.before), change::verdict(one.now));
        format!("{} in account {}: {before}, now {now}", one.code.as_str(), one.account)
    });
    listed(lines, told.collect());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_list_is_named_when_it_alone_is_left() {
        for (all, last, lines_of) in [(20, "  19", 20), (21, "  20", 21), (22, "  … and 2 more in the report", 21)] {
            let mut lines = Vec::new();
            listed(&mut lines, (0..all).map(|n: usize| n.to_string()).collect());
            assert_eq!((lines.last().map(String::as_str), lines.len()), (Some(last), lines_of), "{all}");
        }
    }
}
