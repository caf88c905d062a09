//! The command line: arguments, the clock, the terminal and exit statuses. The only caller of everything.

mod archive;
mod args;
mod bundle;
mod complete;
mod config;
mod device;
mod exit;
mod generate;
mod history;
mod iam;
mod interrupt;
mod log;
mod messages;
mod monthly;
mod observer;
mod pager;
mod posture;
mod progress;
mod report;
mod respond;
mod scan;
mod search;
mod sql_shell;
mod store;
mod style;
mod terminal;
mod trace;
mod verify;
mod watch;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::app::{Error, Run};
use crate::escape::terminal as terminal_text;
use crate::report::pretty_json;

/// Find out who was without MFA, from when to when, who removed it, whether it was detected, and how quickly it was
/// fixed: from a CloudTrail archive and IAM.
#[derive(Debug, Parser)]
#[command(name = "mfatrail", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    log: log::LogArgs,

    #[command(flatten)]
    style: style::StyleArgs,

    #[command(flatten)]
    config: config::ConfigArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    Scan(Box<scan::ScanArgs>),
    Report(Box<args::ReportArgs>),
    Monthly(Box<monthly::MonthlyArgs>),
    History(Box<history::HistoryArgs>),
    Search(Box<search::SearchArgs>),
    Trace(Box<trace::TraceArgs>),
    Store(Box<store::StoreArgs>),
    Verify(Box<verify::VerifyArgs>),
    Watch(Box<watch::WatchArgs>),
    Posture(Box<posture::PostureArgs>),
    Device(Box<device::DeviceArgs>),
    Respond(Box<respond::RespondArgs>),
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
    /// Save IAM state
    #[command(subcommand)]
    Iam(IamCommand),
    /// Print shell completions, man pages, and the IAM policy that a command line needs
    #[command(subcommand)]
    Generate(generate::GenerateCommand),
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum IamCommand {
    Snapshot(Box<args::SnapshotArgs>),
}

/// Runs the command that the process's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    complete::answer(Cli::command);
    let settled = match config::settle(Cli::command(), std::env::args_os().collect()) {
        Ok(settled) => settled,
        Err(error) => return fail(&error),
    };
    let cli = match Cli::try_parse_from(&settled.words) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors: they go to standard output and end with 0.
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            settled.origin(&error).iter().for_each(|note| say(&plain(note)));
            return ExitCode::from(code);
        }
    };
    style::set(&cli.style);
    settled.note(style::is_quiet()).iter().for_each(|note| say(&plain(note)));
    let run = Run { now: now(), observer: &observer::Terminal };
    let ready = log::start(&cli.log, matches!(&cli.command, Command::Watch(args) if args.is_unattended()))
        .and_then(|()| interrupt::listen());
    let done = ready.and_then(|()| match cli.command {
        Command::Report(args) => report::run(*args, run),
        Command::Monthly(args) => monthly::run(&args, run),
        Command::Scan(args) => scan::run(&args, run),
        Command::Store(args) => store::run(&args, run),
        Command::History(args) => history::run(&args, run),
        Command::Search(args) => search::run(&args, run),
        Command::Trace(args) => trace::run(&args, run),
        Command::Verify(args) => verify::run(&args, run),
        Command::Bundle(command) => bundle::run(&command, run),
        Command::Iam(IamCommand::Snapshot(args)) => iam::snapshot(*args, run),
        Command::Watch(args) => watch::run(*args, run),
        Command::Posture(args) => posture::run(*args, run),
        Command::Device(args) => device::run(&args, run),
        Command::Respond(args) => respond::run(&args, run),
        Command::Generate(command) => generate::run(command),
        Command::Config(command) => config::run(&command, &cli.config, Cli::command()),
    });
    match done {
        Ok(status) => status.into(),
        Err(error) => fail(&error),
    }
}

/// Says why a run failed.
fn fail(error: &Error) -> ExitCode {
    say(&format!("{}: {}", exit::word(error), plain(error.message())));
    exit::code(error)
}

/// The one place that reads the clock: everything else is told what time it is.
#[expect(clippy::disallowed_methods, reason = "see above")]
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
    let _ = writeln!(std::io::stderr(), "{}", style::message(text.trim_end()));
}

/// The same of what was done, which --quiet leaves out: nothing of it may be needed to judge an answer.
fn inform(text: &str) {
    if !style::is_quiet() {
        say(text);
    }
}

/// Checks that an output is named as a file or a folder: what is written whole or not at all does not go to standard output.
fn named_file(flag: &str, path: &Path) -> Result<(), Error> {
    if path.as_os_str() == "-" {
        return Err(Error::Input(format!(
            "`{flag} -`: cannot write to standard output\n  hint: name a file or a folder (`./-` for one named `-`)"
        )));
    }
    Ok(())
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Printed {
    /// Text
    Text,
    /// One JSON document
    Json,
}

/// One JSON document to standard output.
fn put_json(document: &impl serde::Serialize) -> Result<(), Error> {
    let text = pretty_json(document).map_err(Error::failed)?;
    put(String::from_utf8_lossy(&text).trim_end())
}

/// To standard output: a text for people, in colors, through a pager.
fn show(text: &str) -> Result<(), Error> {
    pager::through(|out| written(writeln!(out, "{}", style::output(text))))
}

/// To standard output: data.
fn put(text: &str) -> Result<(), Error> {
    written(writeln!(std::io::stdout(), "{text}"))
}

/// A reader that has had enough is no failure.
fn written(result: std::io::Result<()>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::Failed(format!("could not write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}
