//! The command line: arguments, the clock, the terminal and exit statuses. The only caller of everything.

mod archive;
mod args;
mod beside;
mod bundle;
mod cited;
mod coverage;
mod exit;
mod fail_on;
mod generate;
mod history;
mod iam;
mod integrity;
mod interrupt;
mod log;
mod pdf;
mod progress;
mod report;
mod scan;
mod search;
mod seen;
mod store;
mod terminal;
mod verify;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::Parser;

use args::{Cli, Command, IamCommand};
use exit::CliError;

use crate::contract::Tool;
use crate::report::{pretty_json, terminal_text};

/// Runs the command that the process's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors: they go to standard output and end with 0.
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let now = now();
    let ready = log::start(&cli.log).and_then(|()| interrupt::listen());
    let done = ready.and_then(|()| match cli.command {
        Command::Report(args) => report::run(*args, now),
        Command::Scan(args) => scan::run(&args, now),
        Command::Store(args) => store::run(&args, now),
        Command::History(args) => history::run(&args, now),
        Command::Search(args) => search::run(&args, now),
        Command::Verify(args) => verify::run(&args, now),
        Command::Iam(IamCommand::Snapshot(args)) => iam::keep(*args, now),
        Command::Generate(command) => generate::run(command),
    });
    match done {
        Ok(status) => status.into(),
        Err(error) => {
            say(&format!("{}: {}", error.word(), plain(error.message())));
            error.code()
        }
    }
}

/// The one place that reads the clock: everything else is told what time it is.
fn now() -> DateTime<Utc> {
    Utc::now()
}

/// A message for the terminal, where folders and servers that strangers named may be quoted in it: its lines without
/// control characters.
fn plain(message: &str) -> String {
    message.lines().map(terminal_text).collect::<Vec<_>>().join("\n")
}

/// To standard error: messages, warnings, summaries. A reader that has gone is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}

/// Checks that an output is named as a file or a folder: what is written whole or not at all does not go to standard output.
fn named_file(flag: &str, path: &Path) -> Result<(), CliError> {
    if path.as_os_str() == "-" {
        return Err(CliError::Usage(format!(
            "`{flag} -`: this is not written to standard output\n  hint: name a file or a folder; one that is called `-` is `./-`"
        )));
    }
    Ok(())
}

/// This program, as its documents name it.
const THIS: Tool = Tool { version: env!("CARGO_PKG_VERSION") };

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Printed {
    /// Text
    Text,
    /// One JSON document
    Json,
}

/// One JSON document to standard output.
fn put_json(document: &impl serde::Serialize) -> Result<(), CliError> {
    let text = pretty_json(document).map_err(CliError::failed)?;
    put(String::from_utf8_lossy(&text).trim_end())
}

/// To standard output: data.
fn put(text: &str) -> Result<(), CliError> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::Failed(format!("could not write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}
