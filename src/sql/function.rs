//! Functions and operators by what they are; what they take and give is [`functions`](super::functions)' matter.

use super::time::{Part, Unit};

/// What is called, and its arguments that are no columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Function {
    Negate,
    Plus,
    Minus,
    Times,
    Divide,
    DivideWhole,
    Modulo,
    Abs,
    Round,
    Floor,
    Ceiling,
    /// `||`: NULL when any is.
    Join,
    /// `concat`: without those that are NULL.
    Concat,
    /// `concat_ws`: the first between the others, without those that are NULL.
    ConcatWith,
    Lower,
    Upper,
    Length,
    /// At the beginning, at the end.
    Trim(bool, bool),
    Substring,
    Left,
    Right,
    Replace,
    StartsWith,
    EndsWith,
    Contains,
    Position,
    SplitPart,
    /// `LIKE`, `ILIKE`, with the escaping character.
    Like {
        insensitive: bool,
        escape: Option<char>,
    },
    /// Without those that are NULL.
    Greatest,
    Least,
    Truncate(Unit),
    Part(Part),
    Between(Unit),
    /// Months, then microseconds, later.
    Shift(i64, i64),
    ShiftDays,
    Format(String),
    /// To another type; what does not fit is NULL, where that is asked for.
    Cast {
        lenient: bool,
    },
}
