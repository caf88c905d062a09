//! Exit statuses, and the errors that end a run.

use std::error::Error;
use std::process::ExitCode;

/// How a run ended. Of several that apply the first in the order 2, 4, 3, 1, 0 is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// 0: done.
    Done,
    /// 1: done, and `--fail-on` found what it names.
    Found,
    /// 3: done, but the evidence is incomplete.
    Incomplete,
}

impl Status {
    /// What the process ends with.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Found => 1,
            Self::Incomplete => 3,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.code())
    }
}

/// Why a run did not get done: one sentence, with a way out.
#[derive(Debug)]
pub(super) enum CliError {
    /// 2: wrong usage or malformed input; nothing was written.
    Usage(String),
    /// 4: the run failed.
    Failed(String),
    /// 130 or 143, as a shell has it: a signal ended the run.
    Interrupted(String),
}

impl CliError {
    pub(super) fn usage(error: impl Error) -> Self {
        Self::Usage(with_causes(&error))
    }

    pub(super) fn failed(error: impl Error) -> Self {
        Self::Failed(with_causes(&error))
    }

    pub(super) fn message(&self) -> &str {
        match self {
            Self::Usage(message) | Self::Failed(message) | Self::Interrupted(message) => message,
        }
    }

    /// What went wrong in what sense.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Usage(_) | Self::Failed(_) => "error",
            Self::Interrupted(_) => "interrupted",
        }
    }

    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 4,
            Self::Interrupted(_) => super::interrupt::exit_status(),
        })
    }
}

/// An error and what lies behind it, on one line; a cause that the error's own text tells is not told twice.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let own = error.to_string();
        if !text.contains(&own) {
            text = format!("{text}: {own}");
        }
        cause = error.source();
    }
    text
}
