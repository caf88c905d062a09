//! `report.md`: the report for tickets and reviews.
//!
//! Whatever came with the logs stands in code spans, so that it is neither markup nor a link nor a mention wherever the
//! text is pasted.

use super::escape::{self, Place};
use super::view::{Block, Span, Table, View};
use super::{Report, view::WindowView};

/// Renders `report.md`.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let view = View::new(report);
    let mut out = String::new();
    for alert in &view.alerts {
        push(&mut out, &["> **", alert.title, ".** ", &line(&alert.text, Place::Flow), "\n\n"]);
    }
    push(&mut out, &["# ", &escape::markdown_text(&view.title), "\n\n"]);
    for (label, value) in &view.identity {
        push(&mut out, &["- ", label, ": ", &line(value, Place::Flow), "\n"]);
    }
    out.push_str("\n| Headline | Value | Beside it |\n| --- | ---: | --- |\n");
    for card in &view.cards {
        let notes = escape::markdown_text(&card.notes.join("; "));
        push(&mut out, &["| ", card.label, " | **", &escape::markdown_text(&card.value), "** | ", &notes, " |\n"]);
    }
    for section in &view.sections {
        push(&mut out, &["\n## ", section.title, "\n"]);
        for block in &section.blocks {
            out.push('\n');
            push_block(&mut out, block);
        }
    }
    out
}

fn push(out: &mut String, parts: &[&str]) {
    out.extend(parts.iter().copied());
}

fn line(spans: &[Span], place: Place) -> String {
    spans
        .iter()
        .map(|span| match span {
            Span::Text(words) | Span::Time(words) | Span::Link(_, words) => escape::markdown_text(words),
            Span::Strong(words) => format!("**{}**", escape::markdown_text(words)),
            Span::Raw(text) => escape::markdown_code(text, place),
        })
        .collect()
}

fn push_block(out: &mut String, block: &Block) {
    match block {
        Block::Paragraph(spans) => push(out, &[&line(spans, Place::Flow), "\n"]),
        Block::List(items) => {
            for item in items {
                push(out, &["- ", &line(item, Place::Flow), "\n"]);
            }
        }
        Block::Table(table) => push_table(out, table),
        Block::Windows(windows) => {
            for (i, window) in windows.iter().enumerate() {
                if i > 0 {
                    out.push('\n');
                }
                push_window(out, window);
            }
        }
    }
}

fn push_table(out: &mut String, table: &Table) {
    push(out, &["**", &escape::markdown_text(&table.caption), "**\n\n|"]);
    for head in &table.heads {
        push(out, &[" ", head.title, " |"]);
    }
    out.push_str("\n|");
    for head in &table.heads {
        out.push_str(if head.numeric { " ---: |" } else { " --- |" });
    }
    out.push('\n');
    for row in &table.rows {
        out.push('|');
        for cell in row {
            push(out, &[" ", &line(cell, Place::Cell), " |"]);
        }
        out.push('\n');
    }
    if let Some(more) = &table.more {
        push(out, &["\n", &escape::markdown_text(more), "\n"]);
    }
}

fn push_window(out: &mut String, window: &WindowView) {
    push(out, &["### ", &line(&window.summary, Place::Flow), "\n\n"]);
    let tags: Vec<String> = window.tags.iter().map(|tag| format!("**{}**", escape::markdown_text(tag.text))).collect();
    push(out, &[&tags.join(", "), "\n\n"]);
    for (label, lines) in &window.facts {
        match lines.as_slice() {
            [only] => push(out, &["- ", label, ": ", &line(only, Place::Flow), "\n"]),
            many => {
                push(out, &["- ", label, ":\n"]);
                for one in many {
                    push(out, &["  - ", &line(one, Place::Flow), "\n"]);
                }
            }
        }
    }
}
