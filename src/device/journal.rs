//! The runbook's log: a line of JSON for each thing that a run did, added to a file that nothing is ever removed from. It is also what a
//! run that was killed continues by. It holds no secrets.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::plan::{PasswordStep, Plan, Situation};
use crate::disk;

/// The name and version of a line.
pub const SCHEMA: &str = "mfatrail.respond/1";
/// How much of a log is read: some hundred thousand runs.
const LARGEST: u64 = 256 << 20;

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// It is about to be taken.
    Begun,
    /// IAM did it.
    Done,
    /// IAM says that there is nothing to do any more.
    AlreadyDone,
    /// IAM refused.
    Failed,
}

/// What a run was asked, and what it is going to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The account id.
    pub account: String,
    /// The user.
    pub user: String,
    /// Who runs it: an ARN.
    pub caller: String,
    /// What happened.
    pub situation: Situation,
    /// The devices as they were named.
    pub serials: Vec<String>,
    /// What becomes of the password.
    pub password: PasswordStep,
    /// Where the new password is written.
    pub password_out: Option<PathBuf>,
    /// The ticket.
    pub ticket: Option<String>,
    /// Who approved it.
    pub approver: Option<String>,
    /// The plan.
    pub plan: Plan,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run begins.
    Begin(Box<Begin>),
    /// A step.
    Step {
        /// Which one, from 1.
        step: usize,
        /// How far it is.
        progress: Progress,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A run is over: what IAM said was compared with the plan.
    End {
        /// What is otherwise than planned, or not known.
        differences: Vec<String>,
    },
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// [`SCHEMA`].
    pub schema: String,
    /// The run: when it began, by which its lines belong together.
    pub run: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// A run, put together from its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// Its name.
    pub run: String,
    /// When it began.
    pub begun_at: DateTime<Utc>,
    /// What it was asked.
    pub begin: Begin,
    /// The steps that were done, from 0.
    pub done: Vec<usize>,
    /// What was otherwise than planned; `None` where it did not come to its end.
    pub differences: Option<Vec<String>>,
}

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system says so.
    #[error("the log `{}` cannot be used: {error}", .path.display())]
    Io {
        /// The log.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
    /// A line that this program did not write.
    #[error("the log `{}` is not one of `mfatrail respond`: line {line}: {reason}\n  hint: name another file with --log", .path.display())]
    Foreign {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Another run has it.
    #[error("another run of `mfatrail respond` is using the log `{}`\n  hint: wait until it is over", .0.display())]
    Busy(PathBuf),
}

/// The log, open for one run.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    runs: Vec<PastRun>,
}

impl Journal {
    /// Opens a log, or makes one that only its owner can read, and holds it until the end.
    ///
    /// # Errors
    /// [`JournalError`] when another run has it, or it is something else.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = |error: io::Error| JournalError::Io { path: path.to_owned(), error };
        let any = |_file: &mut File| true;
        disk::occupied(path, "a log", any).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => JournalError::Busy(path.to_owned()),
            std::fs::TryLockError::Error(error) => failed(error),
        })?;
        let mut text = String::new();
        file.rewind().map_err(failed)?;
        (&file).take(LARGEST).read_to_string(&mut text).map_err(failed)?;
        let runs = runs(&text, path)?;
        if !text.is_empty() && !text.ends_with('\n') {
            // A line that was cut off when its run was killed must not swallow the next one.
            file.write_all(b"\n").map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), file, runs })
    }

    /// The runs about a user, the earliest first.
    pub fn of<'j>(&'j self, account: &'j str, user: &'j str) -> impl DoubleEndedIterator<Item = &'j PastRun> {
        self.runs.iter().filter(move |run| run.begin.account == account && run.begin.user == user)
    }

    /// Adds a line, down to the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, run: &str, at: DateTime<Utc>, event: Event) -> Result<(), JournalError> {
        let line = Line { schema: SCHEMA.to_owned(), run: run.to_owned(), at, event };
        let failed = |error: io::Error| JournalError::Io { path: self.path.clone(), error };
        let mut text = serde_json::to_string(&line).map_err(|error| failed(error.into()))?;
        text.push('\n');
        self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data()).map_err(failed)
    }
}

/// How every line begins.
const BEGINNING: &str = "{\"schema\":\"mfatrail.respond/";

fn runs(text: &str, path: &Path) -> Result<Vec<PastRun>, JournalError> {
    let mut runs: Vec<PastRun> = Vec::new();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (number, line) in lines {
        let foreign = |reason: String| JournalError::Foreign { path: path.to_owned(), line: number + 1, reason };
        let line: Line = match serde_json::from_str(line) {
            Ok(line) => line,
            // Cut off when its run was killed: what it was to say was not done yet, or is done again.
            Err(error) if error.is_eof() && (line.starts_with(BEGINNING) || BEGINNING.starts_with(line)) => continue,
            Err(error) => return Err(foreign(error.to_string())),
        };
        if line.schema != SCHEMA {
            return Err(foreign(format!("its schema is `{}`, not `{SCHEMA}`", line.schema)));
        }
        let known = runs.iter_mut().find(|run| run.run == line.run);
        match (line.event, known) {
            (Event::Begin(begin), None) => {
                runs.push(PastRun {
                    run: line.run,
                    begun_at: line.at,
                    begin: *begin,
                    done: Vec::new(),
                    differences: None,
                });
            }
            (Event::Step { step, progress: Progress::Done | Progress::AlreadyDone, .. }, Some(run)) => {
                run.done.push(step.saturating_sub(1));
            }
            (Event::End { differences }, Some(run)) => run.differences = Some(differences),
            (Event::Step { .. }, Some(_)) => {}
            (Event::Begin(_), Some(_)) => return Err(foreign("a run begins twice".to_owned())),
            (_, None) => return Err(foreign("it is of a run that never began".to_owned())),
        }
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin() -> Event {
        Event::Begin(Box::new(Begin {
            account: "111122223333".to_owned(),
            user: "alice".to_owned(),
            caller: "arn:aws:iam::111122223333:user/admin".to_owned(),
            situation: Situation::Lost,
            serials: Vec::new(),
            password: PasswordStep::Leave,
            password_out: None,
            ticket: Some("INC-1".to_owned()),
            approver: Some("jane.roe".to_owned()),
            plan: Plan { steps: Vec::new(), expectations: Vec::new(), notes: Vec::new() },
        }))
    }

    #[test]
    fn a_log_tells_how_far_a_run_came_whatever_cut_it_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.jsonl");
        let now = DateTime::UNIX_EPOCH;
        let mut journal = Journal::open(&path).expect("a log");
        assert!(matches!(Journal::open(&path), Err(JournalError::Busy(_))));
        journal.add("r1", now, begin()).expect("written");
        journal.add("r1", now, Event::Step { step: 1, progress: Progress::Begun, reason: None }).expect("written");
        journal.add("r1", now, Event::Step { step: 1, progress: Progress::Done, reason: None }).expect("written");
        drop(journal);
        let whole = std::fs::read(&path).expect("there");
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("written");
            let mut journal = Journal::open(&path).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            let begun = journal.of("111122223333", "alice").count() == 1;
            let done = journal.of("111122223333", "alice").any(|run| run.done == [0]);
            assert!(begun || !done);
            assert!(cut < whole.len() || done, "cut at {cut}");
            journal.add("r2", now, begin()).expect("written");
            drop(journal);
            let again = Journal::open(&path).expect("still a log");
            assert_eq!(again.of("111122223333", "alice").count(), 1 + usize::from(begun), "cut at {cut}");
        }
    }

    #[test]
    fn something_else_is_no_log() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.txt");
        for text in ["buy milk\n", "{\"schema\":\"mfatrail.respond/9\",\"run\":\"a\"}\n", "{\"a\":1}\n"] {
            std::fs::write(&path, text).expect("written");
            assert!(matches!(Journal::open(&path), Err(JournalError::Foreign { line: 1, .. })), "{text}");
            assert_eq!(std::fs::read_to_string(&path).expect("there"), text);
        }
    }
}
