//! `report.md`: the report for tickets and reviews.
//!
//! Whatever came with the logs stands in code spans, so that it is neither markup nor a link nor a mention wherever the
//! text is pasted.

use std::io;

use super::format::{self, NONE};
use super::view::{Block, Head, Span, Table, View};
use super::{Report, view::WindowView};
use crate::escape::{self, Place};

/// So many characters are put together before they are written.
const AT_ONCE: usize = 64 << 10;

/// Renders `report.md`.
///
/// # Errors
/// When it cannot be written.
pub fn markdown(report: &Report, to: &mut impl io::Write) -> io::Result<()> {
    of(&View::new(report), to)
}

/// Renders what is arranged already.
pub(super) fn of(view: &View<'_>, to: &mut impl io::Write) -> io::Result<()> {
    let mut out = String::new();
    push(&mut out, &["# ", &escape::markdown_text(&view.title), "\n\n"]);
    for sentence in &view.answer {
        push(&mut out, &[&line(sentence, Place::Flow), "\n\n"]);
    }
    for alert in &view.alerts {
        push(&mut out, &["> **", alert.title, ".** ", &line(&alert.text, Place::Flow), "\n\n"]);
    }
    for (label, value) in &view.identity {
        push(&mut out, &["- ", label, ": ", &line(value, Place::Flow), "\n"]);
    }
    out.push_str("\n| Headline | Value | Beside it |\n| --- | ---: | --- |\n");
    for card in &view.cards {
        let beside = card.beside.iter().map(|(name, value)| format!("{name} {value}"));
        let notes: Vec<String> = [beside.collect::<Vec<_>>().join(", ")]
            .into_iter()
            .chain(card.notes.clone())
            .chain(card.change.clone())
            .collect();
        let notes: Vec<&str> = notes.iter().map(String::as_str).filter(|note| !note.is_empty()).collect();
        let notes = escape::markdown_text(&notes.join("; "));
        push(&mut out, &["| ", card.label, " | **", &escape::markdown_text(&card.value), "** | ", &notes, " |\n"]);
    }
    // What is only drawn has its numbers in other sections.
    for section in view.sections.iter().filter(|section| section.blocks.iter().any(|block| !drawn(block))) {
        push(&mut out, &["\n## ", section.title, "\n"]);
        for block in section.blocks.iter().filter(|block| !drawn(block)) {
            out.push('\n');
            push_block(&mut out, block, to)?;
        }
    }
    to.write_all(out.as_bytes())
}

/// Writes what is there, where it is much.
fn pass_on(out: &mut String, to: &mut impl io::Write) -> io::Result<()> {
    if out.len() < AT_ONCE {
        return Ok(());
    }
    to.write_all(out.as_bytes())?;
    out.clear();
    Ok(())
}

fn drawn(block: &Block<'_>) -> bool {
    matches!(block, Block::Timeline(_) | Block::Grid(_) | Block::Legend(_))
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
            Span::Raw(text) | Span::Id(text) | Span::Arn(text) | Span::Object(text) => {
                escape::markdown_code(text, place)
            }
            Span::Duration(seconds) | Span::Exact(seconds) => {
                escape::markdown_text(&format::duration_exact(*seconds).unwrap_or_else(|| NONE.to_owned()))
            }
            Span::Class(key) | Span::Word(key) => escape::markdown_text(key),
            Span::Bar(_) => String::new(),
        })
        .collect()
}

fn push_block(out: &mut String, block: &Block<'_>, to: &mut impl io::Write) -> io::Result<()> {
    match block {
        // Drawn for the eye.
        Block::Timeline(_) | Block::Grid(_) | Block::Legend(_) => {}
        Block::Heading(title) => push(out, &["### ", &escape::markdown_text(title), "\n"]),
        Block::Paragraph(spans) => push(out, &[&line(spans, Place::Flow), "\n"]),
        Block::List(items) => {
            for item in items {
                push(out, &["- ", &line(item, Place::Flow), "\n"]);
            }
        }
        Block::Table(table) => push_table(out, table, to)?,
        Block::Windows(windows) => {
            for (i, window) in windows.iter().enumerate() {
                if i > 0 {
                    out.push('\n');
                }
                push_window(out, &window, to)?;
            }
        }
    }
    Ok(())
}

fn push_table(out: &mut String, table: &Table<'_>, to: &mut impl io::Write) -> io::Result<()> {
    push(out, &["**", &escape::markdown_text(&table.caption), "**\n\n|"]);
    // A column of bars says what its neighbors say, and here it would be empty.
    let bars = |column: usize, head: &Head| {
        let mut spans = table.rows.iter().filter_map(|row| row.into_iter().nth(column)).flatten().peekable();
        (head.title.is_empty() || spans.peek().is_some()) && spans.all(|span| matches!(span, Span::Bar(_)))
    };
    let columns: Vec<usize> = (0..).zip(&table.heads).filter(|(i, head)| !bars(*i, head)).map(|(i, _)| i).collect();
    let heads = || columns.iter().filter_map(|column| table.heads.get(*column));
    for head in heads() {
        push(out, &[" ", head.title, " |"]);
    }
    out.push_str("\n|");
    for head in heads() {
        out.push_str(if head.numeric { " ---: |" } else { " --- |" });
    }
    out.push('\n');
    for row in table.rows.iter() {
        out.push('|');
        for cell in columns.iter().filter_map(|column| row.get(*column)) {
            push(out, &[" ", &line(cell, Place::Cell), " |"]);
        }
        out.push('\n');
        pass_on(out, to)?;
    }
    if let Some(more) = &table.more {
        push(out, &["\n", &escape::markdown_text(more), "\n"]);
    }
    Ok(())
}

fn push_window(out: &mut String, window: &WindowView, to: &mut impl io::Write) -> io::Result<()> {
    push(out, &["#### #", &window.number.to_string(), " ", &line(&window.summary, Place::Flow), "\n\n"]);
    let words = std::iter::once(window.key).chain(window.tags.iter().map(|tag| tag.text));
    let tags: Vec<String> = words.map(|word| format!("**{}**", escape::markdown_text(word))).collect();
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
    out.push('\n');
    push_table(out, &window.proof, to)
}
