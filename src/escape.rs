//! Text from the logs, made harmless for each place that shows it.
//!
//! User agents, names and messages are written by whoever makes a call, attackers included, and a report is opened in
//! browsers, spreadsheets, ticket systems and terminals. Each of those has its own way of taking text for a command, so
//! each has its own function here. All of them show control and direction-changing characters as `\u{202e}`: dropping
//! them would hide that they were there. The exact bytes are in `report.json`.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Shows what cannot be seen: control characters, line breaks, bidirectional overrides, zero-width characters and
/// Unicode tags become `\n`, `\u{1b}` and the like; everything else stays, emoji included.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut previous = None;
    for c in text.chars() {
        if is_hidden(c, previous) {
            push_escape(&mut out, c);
        } else {
            out.push(c);
        }
        previous = Some(c);
    }
    out
}

/// Whether `c`, coming after `previous`, cannot be seen or changes how its neighbors are shown.
fn is_hidden(c: char, previous: Option<char>) -> bool {
    match c {
        // Joiners belong to emoji and to scripts outside ASCII; after ASCII they only make two names look alike.
        '\u{200c}' | '\u{200d}' => previous.is_none_or(|p| p.is_ascii()),
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}' => true,
        '\u{200b}' | '\u{200e}' | '\u{200f}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => c.is_control(),
    }
}

fn push_escape(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ => {
            // Writing to a `String` cannot fail.
            let _infallible = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    }
}

/// For a terminal: one line, no control characters, no ANSI escapes, no overrides.
#[must_use]
pub fn terminal(text: &str) -> String {
    visible(text)
}

/// Whether JSON text should hold `c` as `\uXXXX` although the grammar allows it as it is: so that a report printed to
/// a terminal or opened in an editor shows what it says. Astral characters are left alone.
#[must_use]
pub(super) fn json_needs_escape(c: char, previous: Option<char>) -> bool {
    u32::from(c) <= 0xffff && is_hidden(c, previous)
}

/// For a CSV cell: [`visible`], with an apostrophe in front of what a spreadsheet would take for a formula.
///
/// A formula is what begins with `=`, `+`, `-`, `@`, a tab or a carriage return, after white space and quotes, their full-width
/// forms included. A cell begins where the text does, and after every `;`: a spreadsheet of a country whose separator that is
/// splits there, whatever quotes stand around it. The apostrophe is part of the cell; `report.json` has the text without it.
#[must_use]
pub fn csv(text: &str) -> String {
    let guarded = |part: &str| format!("{}{}", if begins_formula(part) { "'" } else { "" }, visible(part));
    text.split(';').map(guarded).collect::<Vec<_>>().join(";")
}

/// Whether a spreadsheet would take a cell for a formula.
fn begins_formula(cell: &str) -> bool {
    cell.chars()
        .find(|c| !matches!(c, ' ' | '\u{a0}' | '"' | '\'' | '\0'))
        .is_some_and(|c| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'))
}

/// A CSV cell in quotes, whatever it holds: what [`csv`] or [`csv_list`] gave.
#[must_use]
pub fn csv_quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

/// A list in one CSV cell: guarded elements, joined with `;`.
///
/// Each element is guarded, not only the first: a spreadsheet whose list separator is `;` splits there.
#[must_use]
pub fn csv_list<S: AsRef<str>>(elements: &[S]) -> String {
    elements.iter().map(|element| csv(element.as_ref())).collect::<Vec<_>>().join(";")
}

/// Where Markdown text stands: a pipe ends a table's cell even within a code span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a paragraph or a list.
    Flow,
    /// In a table's cell.
    Cell,
}

/// Untrusted text as a Markdown code span: neither markup nor HTML, links and mentions are taken from it.
#[must_use]
pub fn markdown_code(text: &str, place: Place) -> String {
    let shown = visible(text);
    let mut body = String::with_capacity(shown.len());
    let mut run = 0_usize;
    let mut longest = 0_usize;
    for c in shown.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
        match (c, place) {
            // Renderers disagree about `\\|`: is the pipe escaped, or the backslash?
            ('|', Place::Cell) if body.ends_with('\\') => body.push_str("u{7c}"),
            ('|', Place::Cell) => body.push_str("\\|"),
            _ => body.push(c),
        }
    }
    if body.trim().is_empty() {
        return format!("`\"{body}\"`");
    }
    let fence = "`".repeat(longest + 1);
    let needs_padding = |c: char| c == '`' || c == ' ';
    let padding = if body.starts_with(needs_padding) || body.ends_with(needs_padding) { " " } else { "" };
    format!("{fence}{padding}{body}{padding}{fence}")
}

/// A sentence as Markdown text: everything that Markdown or HTML would take for markup is escaped, bare addresses are
/// not made links, nobody is mentioned. Fit for the middle of a line only: `1.` or `-` at its start is no concern here.
#[must_use]
pub fn markdown_text(text: &str) -> String {
    let shown = visible(text);
    let mut out = String::with_capacity(shown.len());
    let mut rest = shown.as_str();
    while let Some(c) = rest.chars().next() {
        if rest.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("www.")) {
            out.push_str(rest.get(..3).unwrap_or_default());
            out.push_str("\\.");
            rest = rest.get(4..).unwrap_or_default();
            continue;
        }
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            ':' if rest.starts_with("://") => out.push_str("\\:"),
            // Within a word it is no emphasis, and the names of the contract are full of it.
            '_' if between_letters(&out, rest) => out.push(c),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    out
}

/// Whether the first character of `rest` has a letter or digit on both sides.
fn between_letters(before: &str, rest: &str) -> bool {
    before.ends_with(char::is_alphanumeric) && rest.chars().nth(1).is_some_and(char::is_alphanumeric)
}

/// How many terminal columns `text` takes: East Asian characters and emoji take two, marks none.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.width()
}

/// Cuts `text` to `width` terminal columns; what is cut ends in `…`.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let next = c.width().unwrap_or(0);
        if used + next > width.saturating_sub(1) {
            break;
        }
        used += next;
        out.push(c);
    }
    // Some characters are wider in company: a heart that is followed by the sign for emoji.
    while columns(&out) >= width && out.pop().is_some() {}
    if width > 0 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_overrides_are_shown() {
        assert_eq!(visible("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(visible("a\0b\n\r\t"), "a\\u{0}b\\n\\r\\t");
        assert_eq!(visible("invoice\u{202e}fdp.exe"), "invoice\\u{202e}fdp.exe");
        assert_eq!(visible("\u{9b}2J\u{7f}"), "\\u{9b}2J\\u{7f}", "C1 controls are escapes too");
        assert_eq!(visible("al\u{200d}ice\u{200b}"), "al\\u{200d}ice\\u{200b}");
        assert_eq!(visible("\u{e0041}"), "\\u{e0041}");
    }

    #[test]
    fn ordinary_text_stays() {
        for text in ["", "alice", "José Müller", "日本語", "👨‍👩‍👧 ok", "DOMAIN\\user", "a b"] {
            assert_eq!(visible(text), text);
        }
        let long = "x".repeat(500);
        assert_eq!(visible(&long), long);
    }

    #[test]
    fn terminal_text_is_one_line_without_escapes() {
        let shown = terminal("\u{1b}]0;pwned\u{7}\u{1b}[2J\r\nroot\u{202e}");
        assert!(shown.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{shown}");
    }

    #[test]
    fn formulas_get_an_apostrophe() {
        for text in ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\"=1", "＝1", "\0=1"] {
            assert!(csv(text).starts_with('\''), "{text:?}");
        }
        assert_eq!(csv("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(csv("\t=1"), "'\\t=1");
        assert_eq!(csv("alice=1"), "alice=1");
        assert_eq!(csv("x;=cmd()"), "x;'=cmd()");
        assert_eq!(csv("x; \"=1;ok;\t@SUM(A1);-2"), "x;' \"=1;ok;'\\t@SUM(A1);'-2");
        assert_eq!(csv(";;＝1;"), ";;'＝1;");
        assert_eq!(csv("a;b-c;d"), "a;b-c;d");
        assert_eq!(csv("a-b"), "a-b");
        assert_eq!(csv(""), "");
    }

    #[test]
    fn every_element_of_a_list_is_guarded() {
        assert_eq!(csv_list(&["a", "=b", "c"]), "a;'=b;c");
        assert_eq!(csv_list::<&str>(&[]), "");
    }

    #[test]
    fn code_spans_hold_backticks_pipes_and_markup() {
        assert_eq!(markdown_code("alice", Place::Cell), "`alice`");
        assert_eq!(markdown_code("a`b", Place::Cell), "``a`b``");
        assert_eq!(markdown_code("`", Place::Flow), "`` ` ``");
        assert_eq!(markdown_code("a|b", Place::Cell), "`a\\|b`");
        assert_eq!(markdown_code("a\\|b", Place::Cell), "`a\\u{7c}b`");
        assert_eq!(markdown_code("a|b", Place::Flow), "`a|b`");
        assert_eq!(markdown_code("<script>\nx", Place::Cell), "`<script>\\nx`");
        assert_eq!(markdown_code("", Place::Cell), "`\"\"`");
        assert_eq!(markdown_code(" x ", Place::Cell), "`  x  `");
    }

    #[test]
    fn sentences_hold_no_markup() {
        assert_eq!(markdown_text("<script>alert(1)</script>"), "&lt;script&gt;alert(1)&lt;/script&gt;");
        assert_eq!(markdown_text("a|b `c` *d* _e_"), "a\\|b \\`c\\` \\*d\\* \\_e\\_");
        assert_eq!(markdown_text("![x](https://example.com)"), "\\!\\[x\\](https\\://example.com)");
        assert_eq!(markdown_text("WWW.example.com @all"), "WWW\\.example.com &#64;all");
        assert_eq!(markdown_text("line\nbreak\u{202e}"), "line\\\\nbreak\\\\u{202e}");
        assert_eq!(markdown_text("wwé 日本"), "wwé 日本");
        assert_eq!(markdown_text("never_enrolled _x_ __"), "never_enrolled \\_x\\_ \\_\\_");
    }

    #[test]
    fn cutting_counts_columns() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut(&"x".repeat(500), 10).chars().count(), 10);
        assert_eq!(cut("abc", 0), "");
        // A mark of Arabic or Thai takes no column, and what joins emoji makes them one.
        for (text, width) in
            [("ไม่", 2), ("مُحَمَّد", 4), ("e\u{301}", 1), ("👨\u{200d}👩\u{200d}👧", 2), ("❤\u{fe0f}", 2), ("한국", 4)]
        {
            assert_eq!(columns(text), width, "{text}");
        }
        assert_eq!(cut("❤\u{fe0f}❤\u{fe0f}", 3), "❤\u{fe0f}…");
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_harmless(text in "(\\PC|[\u{0}-\u{20};=+@|`\\\\<>\u{202e}\u{9b}-]){0,40}") {
            let shown = terminal(&text);
            proptest::prop_assert!(shown.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{:?}", shown);
            let cell = csv(&text);
            for part in cell.split(';') {
                proptest::prop_assert!(!part.trim_start().starts_with(['=', '+', '-', '@']), "{cell}");
            }
            let code = markdown_code(&text, Place::Cell);
            proptest::prop_assert!(!code.contains("\\\\|") && !code.replace("\\|", "").contains('|'), "{code}");
            let fence = code.len() - code.trim_start_matches('`').len();
            let inside = code.get(fence..code.len() - fence).expect("two fences");
            proptest::prop_assert!(!inside.contains(&"`".repeat(fence)), "{code}");
            for width in 0..6 {
                proptest::prop_assert!(columns(&cut(&text, width)) <= width, "{text:?} {width}");
            }
            let own = markdown_text(&text);
            proptest::prop_assert!(!own.contains(['<', '>', '@']), "{own}");
        }
    }
}
