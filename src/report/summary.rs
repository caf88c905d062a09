//! The one screen of text at the end of a run.

use std::path::Path;

use super::escape::{self, cut};
use super::format::{self, NONE};
use super::view;
use super::{Class, PrincipalKind, Report, Stat, Window};

/// How many open windows, failures and notices are named; the rest is counted.
const WINDOWS_NAMED: usize = 4;
const FAILURES_NAMED: usize = 2;
const NOTICES_NAMED: usize = 2;

/// The summary in lines of at most `width` columns (at least 40), each ending in a line break, without colour.
#[must_use]
pub fn summary(report: &Report, width: usize) -> String {
    lines(report, width.max(40))
}

/// [`summary`], with a last line that tells where the report is. The path is not cut: it is there to be copied.
#[must_use]
pub fn summary_with_path(report: &Report, path: &Path, width: usize) -> String {
    let mut out = summary(report, width);
    out.push_str("report: ");
    out.push_str(&escape::terminal(&path.display().to_string()));
    out.push('\n');
    out
}

fn lines(report: &Report, width: usize) -> String {
    let mut out = String::new();
    let mut push = |line: &str| {
        out.push_str(cut(&escape::terminal(line), width).trim_end());
        out.push('\n');
    };
    let figures = &report.figures.iam;
    let deactivations = &figures.deactivations;
    push(&format!(
        "MFA exposure {} to {}, as of {}",
        report.period.from.format("%Y-%m-%d"),
        report.period.to.format("%Y-%m-%d"),
        format::time(report.as_of)
    ));
    let contested = report.coverage.conflicts.len();
    if !report.coverage.complete && (report.coverage.objects_failed > 0 || contested == 0) {
        push(&if report.coverage.objects_read == 0 && report.coverage.objects_failed == 0 {
            "INCOMPLETE: nothing at all was read".to_owned()
        } else {
            format!(
                "INCOMPLETE: {} of {} could not be read",
                format::count(report.coverage.objects_failed),
                format::plural(report.coverage.objects_listed, "object", "objects")
            )
        });
    }
    if contested > 0 {
        push(&format!("INCOMPLETE: {}", view::contested(contested)));
    }
    let blind = view::blind_accounts(&report.coverage);
    if !blind.is_empty() {
        push(&format!("CANNOT SEE IAM in {}", format::plural(blind.len(), "account", "accounts")));
    }
    let figure = |name: &str, value: &str| format!("  {name:<19}{value}");
    push(&figure(
        "not legitimate",
        &format!(
            "{} of {} that opened a window",
            format::size(deactivations.not_legitimate),
            format::plural(deactivations.opened_window, "deactivation", "deactivations")
        ),
    ));
    push(&figure("time to detect", &stat(&figures.mttd.stat, figures.mttd.undetected, "undetected")));
    push(&figure("time to remediate", &stat(&figures.mttr.stat, figures.mttr.open, "open")));
    push(&figure(
        "exposure",
        &format!(
            "{} principal-hours, {} carried in",
            format::number(figures.exposure.principal_hours).unwrap_or_else(|| NONE.to_owned()),
            format::size(figures.exposure.carried_in)
        ),
    ));

    let open = view::still_open(report);
    push(&figure("windows open", &format::size(open.len())));
    for (_, window) in open.iter().take(WINDOWS_NAMED) {
        push(&open_window(window, width));
    }
    more(&mut push, open.len(), WINDOWS_NAMED);

    if !report.reconciliation.is_empty() {
        let n = report.reconciliation.len();
        push(&figure(
            "reconciliation",
            &format!("{}: IAM and the archive disagree", format::plural(n, "finding", "findings")),
        ));
    }
    if !report.coverage.gaps.is_empty() {
        let n = report.coverage.gaps.len();
        push(&figure(
            "gaps",
            &format!("{} without objects, or with a trail changed", format::plural(n, "interval", "intervals")),
        ));
    }
    if !report.coverage.failures.is_empty() {
        push("not read:");
        for failure in report.coverage.failures.iter().take(FAILURES_NAMED) {
            // The end of a key tells more than its beginning, and the error more than the key.
            let error = escape::terminal(&failure.error);
            let room = width.saturating_sub(escape::columns(&error) + 4).max(width / 3);
            push(&format!("  {}: {error}", cut_front(&escape::terminal(&failure.object), room)));
        }
        more(&mut push, report.coverage.failures.len(), FAILURES_NAMED);
    }
    if !report.notices.is_empty() {
        push("notices (whole in report.md):");
        for notice in report.notices.iter().take(NOTICES_NAMED) {
            push(&format!("  {}: {}", notice.code, notice.text));
        }
        more(&mut push, report.notices.len(), NOTICES_NAMED);
    }
    out
}

fn more(push: &mut impl FnMut(&str), all: usize, named: usize) {
    if all > named {
        push(&format!("  … and {} more", format::size(all - named)));
    }
}

fn stat(stat: &Stat, left: usize, left_word: &str) -> String {
    if stat.n == 0 {
        return format!("{NONE} (n 0); {} {left_word}", format::size(left));
    }
    let short = |s: Option<f64>| s.and_then(format::duration).unwrap_or_else(|| NONE.to_owned());
    format!(
        "mean {} (n {}), median {}; {} {left_word}",
        short(stat.mean_s),
        format::size(stat.n),
        short(stat.median_s),
        format::size(left)
    )
}

fn open_window(window: &Window, width: usize) -> String {
    let name = match window.principal.kind {
        PrincipalKind::Root => "root".to_owned(),
        _ => escape::terminal(&window.principal.name),
    };
    let rest = format!(
        "{} since {} {}",
        escape::terminal(&window.account),
        format::time(window.proven_from()),
        window.class.map_or(window.kind.name(), Class::name)
    );
    // The name gives way: the account, the time and the class are what is asked for.
    let room = width.saturating_sub(escape::columns(&rest) + 5).max(8);
    format!("    {} {rest}", cut(&name, room))
}

/// Cuts the front off `text`, so that at most `width` columns remain; what is cut begins with `…`.
fn cut_front(text: &str, width: usize) -> String {
    if escape::columns(text) <= width {
        return text.to_owned();
    }
    let mut kept = text;
    while escape::columns(kept) + 1 > width {
        let mut chars = kept.chars();
        if chars.next().is_none() {
            break;
        }
        kept = chars.as_str();
    }
    format!("…{kept}")
}
