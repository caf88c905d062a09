//! Long text on a terminal, through the reader's own pager.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{interrupt, plain, say, style};
use crate::disk;

/// Writes to standard output; where that is a terminal, and no one has declined it, through a pager, and waits until its reader is done.
/// As with git, `less` leaves text that fits the screen on it.
pub(super) fn through<R>(work: impl FnOnce(&mut dyn Write) -> R) -> R {
    let Some(mut command) = style::is_paged().then(command).flatten() else {
        return work(&mut io::stdout().lock());
    };
    let Ok(mut child) = command.stdin(Stdio::piped()).spawn() else { return work(&mut io::stdout().lock()) };
    // Ctrl-C is the pager's: this process ends when its reader is done.
    let _until_it_is_read = interrupt::hold();
    let done = match child.stdin.take() {
        Some(mut input) => work(&mut input),
        None => work(&mut io::stdout().lock()),
    };
    // How a pager ends says nothing of what it showed.
    let _ended = child.wait();
    done
}

/// The pager that the environment names, by a shell; else `less`, if it is there.
fn command() -> Option<Command> {
    let named = ["MFATRAIL_PAGER", "PAGER"].into_iter().find_map(std::env::var_os);
    let mut command = match named {
        Some(pager) if pager.to_str().is_some_and(|text| matches!(text.trim(), "" | "cat")) => return None,
        Some(pager) if !is_there(&pager) => {
            say(&plain(&format!("warning: there is no pager `{}`; set PAGER to another", pager.display())));
            return None;
        }
        Some(pager) => {
            let mut command = Command::new("sh");
            command.arg("-c").arg(pager);
            command
        }
        None => Command::new(disk::program(&["less"])?),
    };
    if std::env::var_os("LESS").is_none() {
        command.env("LESS", "FRX");
    }
    Some(command)
}

/// Words of the shell that a command may begin with.
const BUILT_IN: [&str; 4] = ["command", "env", "eval", "exec"];

/// Whether the program that a pager's command line begins with is there: what a shell says of one that is not comes after the text is
/// lost. What is no plain word is left to the shell.
fn is_there(pager: &OsStr) -> bool {
    let Some(program) = pager.to_str().and_then(|text| text.split_ascii_whitespace().next()) else { return true };
    let is_plain = program.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    match () {
        () if !is_plain || BUILT_IN.contains(&program) => true,
        () if program.contains('/') => disk::is_program(Path::new(program)),
        () => disk::program(&[program]).is_some(),
    }
}
