//! Exit statuses.

use std::process::ExitCode;

use crate::app::Error;

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
    /// Done, with complete evidence or not.
    pub(super) const fn of(complete: bool) -> Self {
        if complete { Self::Done } else { Self::Incomplete }
    }

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

/// Under which word an error is printed.
pub(super) const fn word(error: &Error) -> &'static str {
    match error {
        Error::Input(_) | Error::Failed(_) => "error",
        Error::Stopped(_) => "interrupted",
    }
}

/// 2: wrong usage or malformed input; 4: the run failed; 130 or 143, as a shell has it: a signal ended the run.
pub(super) fn code(error: &Error) -> ExitCode {
    ExitCode::from(match error {
        Error::Input(_) => 2,
        Error::Failed(_) => 4,
        Error::Stopped(_) => super::interrupt::exit_status(),
    })
}
