//! Why a statement has no answer.

use std::error::Error;
use std::fmt::Display;

use polars_core::prelude::PolarsError;

/// Why a statement has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// It is not a SELECT.
    #[error("`{0}`: only SELECT, WITH and SHOW TABLES are allowed, which change nothing")]
    NotAQuestion(String),
    /// It is longer than any question.
    #[error("the statement has {0} bytes; at most {max} are allowed", max = super::LONGEST)]
    Long(usize),
    /// It is not SQL.
    #[error("{0}")]
    Syntax(String),
    /// It is SQL, with a construct that is not supported.
    #[error("{what} is not supported: {instead}")]
    Unsupported {
        /// The construct.
        what: String,
        /// How to ask the same in another way, or why it cannot be asked.
        instead: String,
    },
    /// A name that there is not, types that do not fit, a value that cannot be computed.
    #[error("{0}")]
    Wrong(String),
    /// The answer would take more memory or time than is allowed.
    #[error("{0}")]
    Large(String),
    /// A table could not be read.
    #[error("{0}")]
    Table(Box<dyn Error + Send + Sync>),
    /// There is no thread for it.
    #[error("could not start a thread: {0}")]
    Thread(std::io::Error),
}

impl From<PolarsError> for SqlError {
    fn from(error: PolarsError) -> Self {
        Self::Wrong(error.to_string())
    }
}

/// The result of whatever works on a statement.
pub(super) type Result<T, E = SqlError> = std::result::Result<T, E>;

/// Refuses a construct by name, with another way to the same answer.
pub(super) fn unsupported<T>(what: impl Display, instead: impl Into<String>) -> Result<T> {
    Err(SqlError::Unsupported { what: what.to_string(), instead: instead.into() })
}

/// Says what is wrong with the statement.
pub(super) fn wrong<T>(text: impl Into<String>) -> Result<T> {
    Err(SqlError::Wrong(text.into()))
}
