//! What to do, the worst first.

use super::{Block, Line, Section, Span, cut, head, none, raw, table, text, window_link, words};
use crate::report::actions::{About, Action, actions};
use crate::report::{Report, Severity, assurance, format};

pub(super) fn section(report: &Report) -> Section<'static> {
    // What is over and was in order asks for nothing.
    let asks = |one: &Action| !one.over || one.severity > Severity::Info;
    let all: Vec<Action> = actions(report).into_iter().filter(asks).collect();
    let blocks = if all.is_empty() {
        let bare = "What was read asks for no step.";
        vec![Block::Paragraph(words(assurance::sentence(report, "Nothing asks for a step.", bare)))]
    } else {
        let caption = format!("{}, the worst first", format::plural(all.len(), "next step", "next steps"));
        let (rows, more) = cut(all.iter().map(row).collect(), "report.json");
        let heads = ["Severity", "What", "Next step", "More"].map(head).into();
        let mut listing = table(caption, heads, rows);
        listing.more = more;
        listing.sortable = true;
        vec![Block::Table(listing)]
    };
    Section { id: "actions", title: "What to do", blocks }
}

fn row(one: &Action) -> Vec<Line> {
    let mut severity = words(one.severity.name());
    severity.extend(one.exception.map(|remark| text(format!(" ({remark})"))));
    let mut what = match one.about {
        About::Window => one.number.checked_sub(1).map(|at| vec![window_link(at), text(" ")]).unwrap_or_default(),
        _ => vec![Span::Strong(one.code.to_owned()), text(" ")],
    };
    what.push(raw(&one.title));
    let more = one.playbook.map_or_else(|| vec![none()], words);
    vec![severity, what, vec![raw(&one.next_step)], more]
}
