//! How much is said, and in which colors. Colors are put on finished text, in which control characters of strangers are long escaped:
//! they change no width and open no hole.

use std::borrow::Cow;
use std::io::{IsTerminal as _, stderr, stdout};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use clap::{Args, ValueEnum};

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";

/// Words that tell how bad something is, wherever they stand by themselves: severities, verdicts, classes of windows.
const WORDS: [(&str, &str); 17] = [
    ("critical", RED),
    ("error", RED),
    ("fail", RED),
    ("suspected_takeover", RED),
    ("unexplained", RED),
    ("NOT", RED),
    ("NOTHING", RED),
    ("open", YELLOW),
    ("warning", YELLOW),
    ("cannot_tell", YELLOW),
    ("workaround", YELLOW),
    ("possible", YELLOW),
    ("pass", GREEN),
    ("approved", GREEN),
    ("resolved", GREEN),
    ("verified", GREEN),
    ("WHOLE", GREEN),
];

/// What a line on standard error begins with.
const BEGINNINGS: [(&str, &str); 5] =
    [("error:", RED), ("interrupted:", RED), ("warning:", YELLOW), ("note:", CYAN), ("  hint:", CYAN)];

static QUIET: AtomicBool = AtomicBool::new(false);
static PAGER: AtomicBool = AtomicBool::new(false);
static OUT: AtomicBool = AtomicBool::new(false);
static ERR: AtomicBool = AtomicBool::new(false);

/// How a run looks.
#[derive(Debug, Args)]
pub(super) struct StyleArgs {
    /// Colors: on a terminal, always, or never [also: NO_COLOR, CLICOLOR_FORCE]
    #[arg(long, value_name = "auto|always|never", default_value = "auto", global = true, hide_possible_values = true)]
    #[arg(help_heading = "Terminal")]
    color: ColorArg,

    /// No progress, summaries and hints about what was done; warnings and errors stay, and so does whatever could not be read
    #[arg(short, long, global = true, help_heading = "Terminal")]
    quiet: bool,

    /// Do not show long tables through a pager [also: MFATRAIL_PAGER, PAGER]
    #[arg(long, global = true, help_heading = "Terminal")]
    no_pager: bool,
}

/// What --color names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ColorArg {
    Auto,
    Always,
    Never,
}

/// Takes over what was asked for.
pub(super) fn set(args: &StyleArgs) {
    QUIET.store(args.quiet, Relaxed);
    PAGER.store(!args.no_pager && stdout().is_terminal(), Relaxed);
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    // https://no-color.org: present and not empty, whatever it is.
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let wanted = |is_terminal: bool| match args.color {
        ColorArg::Always => true,
        ColorArg::Never => false,
        ColorArg::Auto => !refused && (set("CLICOLOR_FORCE") || is_terminal && !dumb),
    };
    OUT.store(wanted(stdout().is_terminal()), Relaxed);
    ERR.store(wanted(stderr().is_terminal()), Relaxed);
}

/// Whether only warnings and errors are said.
pub(super) fn is_quiet() -> bool {
    QUIET.load(Relaxed)
}

/// Whether a long table goes through a pager.
pub(super) fn is_paged() -> bool {
    PAGER.load(Relaxed)
}

/// Whether standard error is colored.
pub(super) fn is_error_colored() -> bool {
    ERR.load(Relaxed)
}

/// A finished text for standard output, with colors where they are wanted.
pub(super) fn output(text: &str) -> Cow<'_, str> {
    if OUT.load(Relaxed) { words(text).into() } else { text.into() }
}

/// The same for a summary on standard error.
pub(super) fn summary(text: &str) -> Cow<'_, str> {
    if ERR.load(Relaxed) { words(text).into() } else { text.into() }
}

/// A message on standard error, with the words colored that its lines begin with.
pub(super) fn message(text: &str) -> Cow<'_, str> {
    if ERR.load(Relaxed) { beginnings(text).into() } else { text.into() }
}

fn beginnings(text: &str) -> String {
    let colored = |line: &str| {
        let found = BEGINNINGS.iter().find_map(|(begin, color)| Some((line.strip_prefix(begin)?, begin, color)));
        found.map_or_else(|| line.to_owned(), |(rest, begin, color)| format!("{color}{begin}{PLAIN}{rest}"))
    };
    text.split('\n').map(colored).collect::<Vec<_>>().join("\n")
}

fn words(text: &str) -> String {
    let of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(|c| !of_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        match WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, color)) => out.extend([color, word, PLAIN]),
            None => out.push_str(word),
        }
        let between = after.find(of_word).unwrap_or(after.len());
        let (between, after) = after.split_at(between);
        out.push_str(between);
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_colored_where_they_stand_by_themselves() {
        assert_eq!(words("│ fail │ failed"), format!("│ {RED}fail{PLAIN} │ failed"));
        assert_eq!(words("u-fail fail.com x_fail passé"), "u-fail fail.com x_fail passé");
        assert_eq!(words("critical\npass"), format!("{RED}critical{PLAIN}\n{GREEN}pass{PLAIN}"));
        for text in ["", " ", "é│", "nothing to see"] {
            assert_eq!(words(text), text);
        }
    }

    #[test]
    fn lines_are_colored_by_what_they_begin_with() {
        assert_eq!(
            beginnings("error: `--x`: wrong\n  hint: try y\nno warning: here"),
            format!("{RED}error:{PLAIN} `--x`: wrong\n{CYAN}  hint:{PLAIN} try y\nno warning: here")
        );
    }
}
