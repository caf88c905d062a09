//! Shell completions: of commands and options, and of what a store has: accounts, users, devices.
//!
//! The shell asks this program at each Tab. It never waits for a network, and says nothing: a store that cannot be read completes
//! nothing.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;

use clap::{Command, ValueEnum};
use clap_complete::env::{CompleteEnv, EnvCompleter, Shells};
use clap_complete::{ArgValueCompleter, CompletionCandidate};

use crate::arn;
use crate::source::Source;
use crate::store::{Dataset, Store};

/// What tells this program that a shell asks it.
const VARIABLE: &str = "MFATRAIL_COMPLETE";
/// How many values a shell is given.
const MOST: usize = 1_000;

/// The shells that can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shell {
    /// Bash
    Bash,
    /// Elvish
    Elvish,
    /// Fish
    Fish,
    /// PowerShell
    Powershell,
    /// Zsh
    Zsh,
}

/// What a shell reads to ask this program.
pub(super) fn registration(shell: Shell, out: &mut dyn Write) -> std::io::Result<()> {
    let name = shell.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let known = Shells::builtins();
    let completer: Option<&dyn EnvCompleter> = known.completer(&name);
    completer
        .map_or(Ok(()), |completer| completer.write_registration(VARIABLE, "mfatrail", "mfatrail", "mfatrail", out))
}

/// Answers a shell, and ends; does nothing where none asks.
pub(super) fn answer(command: fn() -> Command) {
    if std::env::var_os(VARIABLE).is_some() {
        CompleteEnv::with_factory(move || knowing(command())).var(VARIABLE).complete();
    }
}

/// The command line, with options whose values a store has.
fn knowing(command: Command) -> Command {
    let users = ArgValueCompleter::new(|current: &OsStr| matching(current, &["target_name", "actor_name"]));
    let accounts = ArgValueCompleter::new(|current: &OsStr| matching(current, &["account"]));
    let devices = ArgValueCompleter::new(|current: &OsStr| matching(current, &["serial"]));
    let known: [(&str, &str, ArgValueCompleter); 8] = [
        ("history", "users", users.clone()),
        ("history", "actors", users.clone()),
        ("history", "accounts", accounts.clone()),
        ("history", "devices", devices),
        ("trace", "user", users.clone()),
        ("trace", "accounts", accounts.clone()),
        ("respond", "user", users),
        ("report", "accounts", accounts),
    ];
    known.into_iter().fold(command, |command, (name, argument, completer)| {
        command.mut_subcommand(name, |own| own.mut_arg(argument, |argument| argument.add(completer)))
    })
}

/// The values of some columns that begin like what was typed. Who writes records chooses them, and a shell puts them into the command
/// line as they are: only what means nothing to a shell is offered.
fn matching(current: &OsStr, columns: &[&'static str]) -> Vec<CompletionCandidate> {
    let Some(typed) = current.to_str() else { return Vec::new() };
    let Some(store) = store(std::env::args_os().collect()) else { return Vec::new() };
    let Ok(store) = Store::open(&store) else { return Vec::new() };
    let texts = columns.iter().filter_map(|column| store.values(Dataset::Events, column).ok()).flatten();
    let ends = |text: String| {
        let end = arn::name(&text).to_owned();
        [end, text]
    };
    let plain = |text: &String| !text.is_empty() && !text.starts_with('-') && text.bytes().all(is_plain);
    let found: BTreeSet<String> =
        texts.flat_map(ends).filter(|text| text.starts_with(typed)).filter(plain).take(MOST).collect();
    found.into_iter().map(CompletionCandidate::new).collect()
}

/// The characters of IAM's names and ARNs that mean nothing to any shell.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'=' | b',' | b'.' | b'@' | b'_' | b'-' | b'/' | b':')
}

/// The folder of the store that a command line, or the environment, names; none of a bucket, which takes a network.
fn store(words: Vec<OsString>) -> Option<PathBuf> {
    let after = words.iter().position(|word| word == "--store").and_then(|at| words.get(at + 1)).cloned();
    let joined = words.iter().find_map(|word| Some(OsString::from(word.to_str()?.strip_prefix("--store=")?)));
    let named = after.or(joined).or_else(|| std::env::var_os("MFATRAIL_STORE"))?;
    match Source::parse(&named).ok()? {
        Source::Local(folder) => Some(folder),
        _ => None,
    }
}
