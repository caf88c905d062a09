//! How the records of an object came to be JSON.

/// How the records of an object came to be JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// CloudTrail wrote it.
    #[default]
    Own,
    /// It was put together from another form, which does not keep all: what is absent may have been there.
    Partial,
}
