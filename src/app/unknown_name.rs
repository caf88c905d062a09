//! Names that were asked for and that nothing has: whoever misspelt one is told which may be meant.

use crate::names::near;

/// A name that nothing has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// The option of the command line that stands for the filter, such as `--user`.
    pub flag: &'static str,
    /// What was asked for, as it was given.
    pub value: String,
    /// Names that are known and nearly the same, the nearest first. Strangers wrote them.
    pub near: Vec<String>,
}

impl UnknownName {
    /// With those of the known names that may be meant.
    #[must_use]
    pub fn new<'k>(flag: &'static str, value: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        let near = near(value, known).into_iter().map(str::to_owned).collect();
        Self { flag, value: value.to_owned(), near }
    }
}
