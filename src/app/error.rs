//! Why a use case did not get done.

use crate::causes::with_causes;
use crate::store::StoreError;

/// One sentence, with a way out where there is one (`hint: …` on a line of its own), by what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request, or a file that it names, is wrong: ask differently. Nothing was written.
    #[error("{0}")]
    Input(String),
    /// The run failed: the same request may succeed later.
    #[error("{0}")]
    Failed(String),
    /// It was told to stop.
    #[error("{0}")]
    Stopped(String),
}

impl Error {
    /// That what was asked for or given is wrong.
    pub fn input(error: impl std::error::Error) -> Self {
        Self::Input(with_causes(&error))
    }

    /// That the run failed.
    pub fn failed(error: impl std::error::Error) -> Self {
        Self::Failed(with_causes(&error))
    }

    /// The sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Input(message) | Self::Failed(message) | Self::Stopped(message) => message,
        }
    }
}

/// A folder that is not a store, or that this build cannot read, is a wrong argument; everything else is a failure.
pub(crate) fn store_error(error: StoreError) -> Error {
    match error {
        StoreError::Absent(_)
        | StoreError::NoPlace { .. }
        | StoreError::Occupied { .. }
        | StoreError::Schema { .. }
        | StoreError::Unconditional(_) => Error::input(error),
        _ => Error::failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not read the list{}", if *.0 { ": no such file" } else { "" })]
    struct Outer(bool, #[source] std::io::Error);

    #[test]
    fn a_cause_is_named_once() {
        let cause = || std::io::Error::other("no such file");
        for told in [true, false] {
            assert_eq!(Error::failed(Outer(told, cause())).message(), "could not read the list: no such file");
        }
    }
}
