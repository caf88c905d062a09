//! Messages that several commands have.

use super::say;
use crate::app::UnknownName;
use crate::contract::ReadFailure;
use crate::escape::terminal as terminal_text;
use crate::pipeline::Scanned;
use crate::units;

/// How many of the objects that could not be read are named.
const NAMED: usize = 20;

/// Where not one object was read, an empty result must not be taken for an all-clear.
pub(super) const NOTHING_READ: &str =
    "warning: no object was read, so this result is not evidence that nothing happened";

/// Names the objects that could not be read.
pub(super) fn say_failures(failures: &[ReadFailure]) {
    for failure in failures.iter().take(NAMED) {
        say(&format!("warning: {}: {}", terminal_text(&failure.object), terminal_text(&failure.error)));
    }
    if failures.len() > NAMED {
        say(&format!("warning: and {} more", failures.len() - NAMED));
    }
}

/// Names the columns that a terminal is too narrow for.
pub(super) fn say_hidden_columns(columns: &[String]) {
    if !columns.is_empty() {
        let columns = columns.join(", ");
        say(&format!(
            "columns not shown: {columns}\n  hint: `--fields` chooses columns; `--format csv` has all of them"
        ));
    }
}

/// Says that nothing has a name that was asked for, and which may be meant.
pub(super) fn say_unknown(nothing: &str, name: &UnknownName) {
    let UnknownName { flag, value, near } = name;
    let near: Vec<String> = near.iter().map(|name| terminal_text(name)).collect();
    let hint = if near.is_empty() { String::new() } else { format!("\n  hint: did you mean {}?", near.join(" or ")) };
    say(&format!("warning: {nothing} has `{flag}` `{}`{hint}", terminal_text(value)));
}

/// What a search read of what it listed.
pub(super) fn read_counts(scanned: &Scanned) -> String {
    let coverage = &scanned.coverage;
    let listed = units::plural(coverage.objects_listed, "object", "objects");
    format!("{} of {listed} read {}", units::count(coverage.objects_read), outcomes(scanned))
}

/// How large what was read is, and what became of the rest.
pub(super) fn outcomes(scanned: &Scanned) -> String {
    let coverage = &scanned.coverage;
    format!(
        "({}, {} inflated), {} failed, {} deliberately skipped{}",
        units::readable_size(coverage.bytes_compressed),
        units::readable_size(coverage.bytes_raw),
        units::count(coverage.objects_failed),
        units::count(coverage.objects_skipped),
        ignored_records(scanned)
    )
}

/// What of the objects read is no record, and is left out by design.
fn ignored_records(scanned: &Scanned) -> String {
    let (one, many) = ("Insight record or control message", "Insight records and control messages");
    match scanned.records_passed_over {
        0 => String::new(),
        count => format!(", {} ignored", units::plural(count, one, many)),
    }
}
