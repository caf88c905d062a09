//! `mfatrail history --sql` without a statement: a shell on a terminal, else statements from standard input.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::{fail, plain, say};
use crate::app::Error;
use crate::sql;
use crate::store::Dataset;

/// The most bytes of statements on standard input.
const LARGEST: u64 = 16 << 20;
const PROMPT: &str = "mfatrail> ";
/// Of a statement that is not at its end.
const MORE: &str = "     ...> ";
/// How many lines are remembered.
const REMEMBERED: usize = 1_000;
const HELP: &str = "Statements end with a semicolon: SELECT, SHOW TABLES, DESCRIBE events.
Tab completes tables, columns and words of SQL; arrow up brings earlier lines back.
Ctrl-C drops the statement, Ctrl-D or `exit` ends. docs/evidence-schema.md describes the columns.";
/// What is completed beside tables and columns.
const WORDS: [&str; 46] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "DISTINCT",
    "AS",
    "AND",
    "OR",
    "NOT",
    "IN",
    "IS",
    "NULL",
    "LIKE",
    "ILIKE",
    "BETWEEN",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "JOIN",
    "LEFT JOIN",
    "INNER JOIN",
    "ON",
    "USING",
    "UNION",
    "UNION ALL",
    "WITH",
    "COUNT(",
    "MIN(",
    "MAX(",
    "SUM(",
    "AVG(",
    "COALESCE(",
    "LOWER(",
    "UPPER(",
    "DATE_TRUNC(",
    "CAST(",
    "DESC",
    "ASC",
    "SHOW TABLES",
    "DESCRIBE",
];

/// Asks statement after statement. In the shell a wrong one is told, and the next may follow; without a terminal it ends the run.
/// `alone` is whether an answer is a document by itself, which no other may follow.
pub(super) fn run(ask: &dyn Fn(&str) -> Result<(), Error>, alone: bool) -> Result<(), Error> {
    match (io::stdin().is_terminal(), io::stdout().is_terminal()) {
        (true, true) => shell(ask),
        // The prompts would be among the answers.
        (true, false) => Err(Error::Input(
            "`--sql`: the shell needs a terminal for its answers, too\n  hint: give the statement: `--sql 'SELECT …'`"
                .to_owned(),
        )),
        (false, _) => script(ask, alone),
    }
}

fn script(ask: &dyn Fn(&str) -> Result<(), Error>, alone: bool) -> Result<(), Error> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::Failed(format!("could not read statements from standard input: {error}")))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST) {
        return Err(Error::Input(format!(
            "`--sql`: standard input has more than {LARGEST} bytes\n  hint: ask fewer statements at once"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::Input(format!("`--sql`: standard input is not UTF-8 at byte {at}\n  hint: save the statements as UTF-8"))
    })?;
    let (statements, rest) = sql::statements(&text);
    let last = Some(rest).filter(|rest| !sql::is_blank(rest));
    if alone && statements.len() + last.iter().len() > 1 {
        return Err(Error::Input(
            "`--sql`: one document cannot have several answers\n  hint: ask one statement at a time, or use `--format ndjson`"
                .to_owned(),
        ));
    }
    if statements.is_empty() && last.is_none() {
        return Err(Error::Input(
            "`--sql`: there is no statement on standard input\n  hint: `--sql 'SHOW TABLES'`, or open the shell on a terminal".to_owned(),
        ));
    }
    statements.into_iter().chain(last).try_for_each(ask)
}

fn shell(ask: &dyn Fn(&str) -> Result<(), Error>) -> Result<(), Error> {
    let failed = |error: ReadlineError| Error::Failed(format!("the shell cannot use this terminal: {error}"));
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .max_history_size(REMEMBERED)
        .map_err(failed)?
        .history_ignore_space(true)
        .build();
    let mut editor: Editor<Words, FileHistory> = Editor::with_config(config).map_err(failed)?;
    editor.set_helper(Some(Words::new()));
    let mut remembered = history_file();
    if let Some(file) = remembered.as_ref().filter(|file| file.exists())
        && let Err(error) = editor.load_history(file)
    {
        say(&plain(&format!("warning: could not read earlier statements from `{}`: {error}", file.display())));
    }
    say("tables: events, calls, sightings, objects, runs; `help` says more, Ctrl-D ends");
    let mut text = String::new();
    loop {
        match editor.readline(if text.is_empty() { PROMPT } else { MORE }) {
            Ok(line) => {
                match line.trim().trim_end_matches(';') {
                    "exit" | "quit" | "\\q" if text.is_empty() => break,
                    "help" | "?" | "\\?" if text.is_empty() => {
                        say(HELP);
                        continue;
                    }
                    _ => {}
                }
                text.push_str(&line);
                text.push('\n');
                let (statements, rest) = sql::statements(&text);
                if !statements.is_empty() {
                    let typed = text.strip_suffix(rest).unwrap_or(&text);
                    let _kept = editor.add_history_entry(in_one_line(typed)).map_err(failed)?;
                    // Now: a statement that takes too long is interrupted together with the shell.
                    remember(&mut editor, &mut remembered);
                }
                for statement in statements {
                    if let Err(error) = ask(statement) {
                        fail(&error);
                    }
                }
                text = if sql::is_blank(rest) { String::new() } else { rest.to_owned() };
            }
            Err(ReadlineError::Interrupted) => text.clear(),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

/// Statements as they were typed, in one line where that changes nothing: line breaks within quotations and after comments stay.
fn in_one_line(typed: &str) -> String {
    let typed = typed.trim_end();
    let matters = ["'", "\"", "--", "/*"].iter().any(|mark| typed.contains(mark));
    if matters { typed.to_owned() } else { typed.replace('\n', " ") }
}

/// Saves what was not saved yet; where that fails once, it is said once.
fn remember(editor: &mut Editor<Words, FileHistory>, remembered: &mut Option<PathBuf>) {
    if let Some(file) = remembered.as_ref()
        && let Err(error) = keep(editor, file)
    {
        say(&plain(&format!("warning: could not save the statements to `{}`: {error}", file.display())));
        *remembered = None;
    }
}

/// Where statements are remembered: names and accounts may be in them, so the file is its owner's alone.
fn history_file() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("mfatrail").join("sql-history"))
}

fn keep(editor: &mut Editor<Words, FileHistory>, file: &std::path::Path) -> Result<(), ReadlineError> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    // Made here, since it is its owner's alone from its first moment on.
    let mut options = fs::File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?;
    editor.append_history(file)
}

/// What can be completed.
struct Words(BTreeSet<String>);

impl Words {
    fn new() -> Self {
        let columns = Dataset::ALL.into_iter().flat_map(|table| table.columns().iter().map(|column| column.name));
        let tables = Dataset::ALL.into_iter().map(Dataset::name);
        Self(WORDS.into_iter().chain(tables).chain(columns).map(str::to_owned).collect())
    }

    /// Where the word before the cursor begins, and what it may become.
    fn of(&self, line: &str) -> (usize, Vec<String>) {
        let begin = line
            .rfind(|c: char| !c.is_alphanumeric() && c != '_')
            .map_or(0, |at| at + line.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
        let word = line.get(begin..).unwrap_or_default().to_lowercase();
        let mut found: Vec<String> =
            self.0.iter().filter(|one| !word.is_empty() && one.to_lowercase().starts_with(&word)).cloned().collect();
        // A column before a word of SQL.
        found.sort_by_key(|one| one.starts_with(char::is_uppercase));
        (begin, found)
    }
}

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> Result<(usize, Vec<String>), ReadlineError> {
        Ok(self.of(line.get(..at).unwrap_or_default()))
    }
}

impl Hinter for Words {
    type Hint = String;
}
impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_completed_from_where_they_begin() {
        let words = Words::new();
        assert_eq!(words.of("sel"), (0, vec!["SELECT".to_owned()]));
        assert_eq!(words.of("SELECT event_na"), (7, vec!["event_name".to_owned()]));
        assert_eq!(words.of("SELECT count(about_u"), (13, vec!["about_user".to_owned()]));
        assert_eq!(words.of("SELECT * FROM eve").1.first().map(String::as_str), Some("event_id"));
        assert_eq!(words.of("SELECT ").1, Vec::<String>::new());
        assert_eq!(words.of("é sight"), (3, vec!["sightings".to_owned()]));
    }
}
