//! Functions and operators: what they take, and what they give. NULL gives NULL, but where the function says otherwise.

use super::column::{Column, Type, Value, Values};
use super::error::{Result, SqlError, unsupported, wrong};
use super::function::Function;
use super::node::{Form, Node};
use super::pattern::{like, lower};
use super::time::{self, Part, Unit};

/// How many bytes of text one call may make, unless its rows are very many.
const MOST_TEXT: usize = 64 << 20;
/// How many it may make for each row then.
const MOST_OF_ROW: usize = 32;

/// How many bytes of text a call may make for so many rows: few letters for each, or many for few.
pub(super) const fn most_text(rows: usize) -> usize {
    let many = rows.saturating_mul(MOST_OF_ROW);
    if many > MOST_TEXT { many } else { MOST_TEXT }
}

/// Refuses texts that grow without end.
pub(super) fn long<T>(name: &str, most: usize) -> Result<T> {
    Err(SqlError::Large(format!("{name} makes more than {} MiB of text: ask for fewer rows", most >> 20)))
}

/// Resolves a call of a function that is no aggregate.
pub(super) fn call(name: &str, arguments: Vec<Node>) -> Result<Node> {
    let function = match name {
        "lower" | "lcase" => Function::Lower,
        "upper" | "ucase" => Function::Upper,
        "length" | "len" | "char_length" | "character_length" => Function::Length,
        "trim" => Function::Trim(true, true),
        "ltrim" => Function::Trim(true, false),
        "rtrim" => Function::Trim(false, true),
        "substr" | "substring" => Function::Substring,
        "left" => Function::Left,
        "right" => Function::Right,
        "replace" => Function::Replace,
        "starts_with" | "prefix" => Function::StartsWith,
        "ends_with" | "suffix" => Function::EndsWith,
        "contains" => Function::Contains,
        "strpos" | "instr" | "position" => Function::Position,
        "split_part" => Function::SplitPart,
        "concat" => Function::Concat,
        "concat_ws" => Function::ConcatWith,
        "abs" => Function::Abs,
        "round" => Function::Round,
        "floor" => Function::Floor,
        "ceil" | "ceiling" => Function::Ceiling,
        "greatest" => Function::Greatest,
        "least" => Function::Least,
        "year" | "quarter" | "month" | "week" | "day" | "dayofweek" | "isodow" | "dayofyear" | "hour" | "minute"
        | "second" => Function::Part(Part::named(name)?),
        "date_trunc" | "date_part" | "date_diff" | "datediff" | "strftime" => return of_time(name, arguments),
        _ => return unknown(name),
    };
    function.of(name, arguments)
}

/// The functions by name, for those who looked for another one.
const NAMES: &str = "coalesce, nullif, greatest, least, lower, upper, length, trim, ltrim, rtrim, substring, left, right, replace, \
    starts_with, ends_with, contains, strpos, split_part, concat, concat_ws, abs, round, floor, ceil, date_trunc, date_part, \
    date_diff, strftime, year … second; count, sum, avg, min, max, bool_and, bool_or, string_agg; row_number, rank, dense_rank, \
    lag, lead, first_value";

fn unknown(name: &str) -> Result<Node> {
    let instead = match name {
        "now" | "current_timestamp" | "current_date" | "today" | "localtimestamp" => {
            "an answer must not depend on when it is asked: write the time, '2026-10-14T02:00:00Z'".to_owned()
        }
        "regexp_matches" | "regexp_like" | "regexp_full_match" | "regexp_extract" => {
            "write LIKE or ILIKE, or `mfatrail search` with a pattern".to_owned()
        }
        "age" | "datesub" | "date_sub" => "write date_diff('second', from, to)".to_owned(),
        _ => format!("the functions are {NAMES}"),
    };
    unsupported(format!("the function `{name}`"), instead)
}

/// The text that a literal is.
fn literal(node: &Node) -> Option<&str> {
    match &node.form {
        Form::Constant(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// Functions whose first or last argument is a literal that says what they do.
fn of_time(name: &str, mut arguments: Vec<Node>) -> Result<Node> {
    let place = if name == "strftime" { 1 } else { 0 };
    let Some(word) = arguments.get(place).and_then(literal).map(str::to_owned) else {
        return wrong(format!("`{name}` needs a text in quotes as its argument {}", place + 1));
    };
    arguments.remove(place);
    let function = match name {
        "date_trunc" => Function::Truncate(Unit::named(&word)?),
        "date_part" => Function::Part(Part::named(&word)?),
        "strftime" => {
            time::check_format(&word)?;
            Function::Format(word)
        }
        _ => match Unit::named(&word)? {
            Unit::Week => return unsupported("a difference in weeks", "write date_diff('day', …) // 7"),
            unit => Function::Between(unit),
        },
    };
    function.of(name, arguments)
}

/// The type that both have, after whole numbers are made doubles, days moments, and NULL and quoted times whatever is needed.
pub(super) fn common(a: &Node, b: &Node) -> Option<Type> {
    let quoted = |node: &Node| literal(node).is_some();
    match (a.kind, b.kind) {
        (a, b) if a == b => Some(a),
        (Type::Null, other) | (other, Type::Null) => Some(other),
        (Type::Integer, Type::Float) | (Type::Float, Type::Integer) => Some(Type::Float),
        (Type::Day, Type::Time) | (Type::Time, Type::Day) => Some(Type::Time),
        (time @ (Type::Time | Type::Day), Type::Text) if quoted(b) => Some(time),
        (Type::Text, time @ (Type::Time | Type::Day)) if quoted(a) => Some(time),
        _ => None,
    }
}

/// Makes values of one type, where they have one.
pub(super) fn alike(nodes: Vec<Node>, context: &str) -> Result<(Vec<Node>, Type)> {
    // What a quoted text is, the others say: it comes last.
    let mut kind = Node::constant(Value::Null, Type::Null);
    let (texts, others): (Vec<&Node>, Vec<&Node>) = nodes.iter().partition(|node| literal(node).is_some());
    for node in others.into_iter().chain(texts) {
        let Some(both) = common(&kind, node) else { return mismatch(context, &kind, node) };
        // That a quoted text was seen matters as long as nothing else was.
        let form = if both == Type::Text { node.form.clone() } else { Form::Constant(Value::Null) };
        kind = Node { kind: both, form };
    }
    let kind = kind.kind;
    let nodes = nodes.into_iter().map(|node| cast(node, kind, false)).collect::<Result<_>>()?;
    Ok((nodes, kind))
}

fn mismatch<T>(context: &str, a: &Node, b: &Node) -> Result<T> {
    let hint = match (a.kind, b.kind) {
        (Type::Text, Type::Integer) | (Type::Integer, Type::Text) => {
            ": put the number in quotes, or write CAST(… AS BIGINT)"
        }
        (Type::Text, Type::Time | Type::Day) | (Type::Time | Type::Day, Type::Text) => ": write CAST(… AS TIMESTAMP)",
        _ => "",
    };
    wrong(format!("{context} needs values of one type, and has {} and {}{hint}", a.kind.name(), b.kind.name()))
}

/// A value as one of another type.
pub(super) fn cast(node: Node, to: Type, lenient: bool) -> Result<Node> {
    if node.kind == to {
        return Ok(node);
    }
    match (&node.form, node.kind, to) {
        (Form::Constant(Value::Null), Type::Null, _) => return Ok(Node::constant(Value::Null, to)),
        (Form::Constant(Value::Text(text)), _, Type::Time) if !lenient => {
            return Ok(Node::constant(Value::Integer(time::parse(text)?), to));
        }
        (Form::Constant(Value::Text(text)), _, Type::Day) if !lenient => {
            return Ok(Node::constant(Value::Integer(time::parse_day(text)?), to));
        }
        _ => {}
    }
    let possible = match (node.kind, to) {
        (Type::Null, _)
        | (Type::Integer, Type::Float | Type::Text)
        | (Type::Flag, Type::Text | Type::Integer)
        | (Type::Text, Type::Integer | Type::Float)
        | (Type::Time, Type::Day)
        | (Type::Day, Type::Time | Type::Text) => true,
        (Type::Text, Type::Time | Type::Day) => !lenient,
        _ => false,
    };
    if possible {
        return Ok(Node { kind: to, form: Form::Call(Function::Cast { lenient }, vec![node]) });
    }
    let instead = match (node.kind, to) {
        (Type::Time, Type::Text) => "write strftime(…, '%Y-%m-%d %H:%M:%S')",
        (Type::Float, Type::Integer) => "write round(…), floor(…) or ceil(…)",
        (Type::Text, _) => "write CAST for what is surely of that type",
        _ => "there is no such value",
    };
    unsupported(format!("{} as {}", node.kind.name(), to.name()), instead)
}

const fn is_number(kind: Type) -> bool {
    matches!(kind, Type::Integer | Type::Float)
}

impl Function {
    /// Its call with these arguments, if they fit.
    pub(super) fn of(self, name: &str, arguments: Vec<Node>) -> Result<Node> {
        let (needed, most, kind) = match &self {
            Self::Negate | Self::Abs | Self::Floor | Self::Ceiling => return self.of_number(name, arguments),
            Self::Plus | Self::Minus | Self::Times | Self::Divide | Self::DivideWhole | Self::Modulo => {
                return self.of_numbers(name, arguments);
            }
            Self::Round => return self.of_number(name, arguments),
            Self::Greatest | Self::Least => {
                if arguments.is_empty() {
                    return wrong(format!("`{name}` needs values"));
                }
                let (arguments, kind) = alike(arguments, &format!("`{name}`"))?;
                return Ok(Node { kind, form: Form::Call(self, arguments) });
            }
            Self::Concat | Self::ConcatWith | Self::Join => (vec![Type::Text; arguments.len().max(1)], 0, Type::Text),
            Self::Lower | Self::Upper => (vec![Type::Text], 0, Type::Text),
            Self::Length => (vec![Type::Text], 0, Type::Integer),
            Self::Trim(..) => (vec![Type::Text, Type::Text], 1, Type::Text),
            Self::Substring => (vec![Type::Text, Type::Integer, Type::Integer], 1, Type::Text),
            Self::Left | Self::Right => (vec![Type::Text, Type::Integer], 0, Type::Text),
            Self::Replace => (vec![Type::Text; 3], 0, Type::Text),
            Self::StartsWith | Self::EndsWith | Self::Contains | Self::Like { .. } => {
                (vec![Type::Text; 2], 0, Type::Flag)
            }
            Self::Position => (vec![Type::Text; 2], 0, Type::Integer),
            Self::SplitPart => (vec![Type::Text, Type::Text, Type::Integer], 0, Type::Text),
            Self::Truncate(_) => (vec![Type::Time], 0, Type::Time),
            Self::Part(Part::Epoch) => (vec![Type::Time], 0, Type::Float),
            Self::Part(_) => (vec![Type::Time], 0, Type::Integer),
            Self::Between(_) => (vec![Type::Time; 2], 0, Type::Integer),
            Self::Shift(..) => (vec![Type::Time], 0, Type::Time),
            Self::ShiftDays => (vec![Type::Day, Type::Integer], 0, Type::Day),
            Self::Format(_) => (vec![Type::Time], 0, Type::Text),
            Self::Cast { .. } => return wrong("CAST needs a type"),
        };
        let arguments = fitting(name, arguments, &needed, most)?;
        Ok(Node { kind, form: Form::Call(self, arguments) })
    }

    fn of_number(self, name: &str, mut arguments: Vec<Node>) -> Result<Node> {
        let most = if self == Self::Round { 2 } else { 1 };
        let kind = match arguments.first().map(|node| node.kind) {
            Some(Type::Null) => Type::Integer,
            Some(kind) if is_number(kind) && arguments.len() <= most => kind,
            _ => return wrong(format!("`{name}` takes {most} number")),
        };
        if arguments.len() == 2 && arguments.get(1).is_some_and(|node| node.kind != Type::Integer) {
            return wrong(format!("`{name}` takes a number and how many digits"));
        }
        if arguments.len() == 2 && kind == Type::Integer {
            return unsupported("`round` of an integer to digits", "integers have no digits to round");
        }
        if let Some(first) = arguments.first_mut() {
            *first = cast(first.clone(), kind, false)?;
        }
        Ok(Node { kind, form: Form::Call(self, arguments) })
    }

    fn of_numbers(self, name: &str, arguments: Vec<Node>) -> Result<Node> {
        if let [time, Node { kind: Type::Integer, .. }] = arguments.as_slice()
            && time.kind == Type::Day
            && matches!(self, Self::Plus | Self::Minus)
        {
            return self.of_day(arguments);
        }
        if arguments.iter().any(|node| matches!(node.kind, Type::Time | Type::Day)) {
            let instead = "write date_diff('second', from, to), or a time + INTERVAL '1 day'";
            return unsupported(format!("`{name}` of times"), instead);
        }
        let (mut arguments, mut kind) = alike(arguments, &format!("`{name}`"))?;
        if kind == Type::Null {
            kind = Type::Integer;
        }
        if self == Self::Divide {
            kind = Type::Float;
        }
        if !is_number(kind) {
            return wrong(format!("`{name}` needs numbers, and has {}", kind.name()));
        }
        if kind == Type::Float && matches!(self, Self::DivideWhole | Self::Modulo) {
            return unsupported(format!("`{name}` of doubles"), "write it of integers");
        }
        for argument in &mut arguments {
            *argument = cast(argument.clone(), kind, false)?;
        }
        Ok(Node { kind, form: Form::Call(self, arguments) })
    }

    fn of_day(self, mut arguments: Vec<Node>) -> Result<Node> {
        if self == Self::Minus
            && let Some(days) = arguments.pop()
        {
            arguments.push(Self::Negate.of("-", vec![days])?);
        }
        Self::ShiftDays.of("+", arguments)
    }

    /// Computes it.
    pub(super) fn apply(&self, arguments: &[Column], from: Type, to: Type, rows: usize) -> Result<Column> {
        let args = Arguments { columns: arguments, rows };
        Ok(match self {
            Self::Negate | Self::Abs | Self::Round | Self::Floor | Self::Ceiling if to == Type::Integer => {
                self.whole(&args)?
            }
            Self::Negate | Self::Abs | Self::Round | Self::Floor | Self::Ceiling => self.number(&args)?,
            Self::Plus | Self::Minus | Self::Times | Self::DivideWhole | Self::Modulo if to == Type::Integer => {
                self.wholes(&args)?
            }
            Self::Plus | Self::Minus | Self::Times | Self::Divide | Self::DivideWhole | Self::Modulo => {
                self.numbers(&args)?
            }
            Self::Join | Self::Concat | Self::ConcatWith => self.joined(&args)?,
            Self::Lower
            | Self::Upper
            | Self::Trim(..)
            | Self::Substring
            | Self::Left
            | Self::Right
            | Self::Replace
            | Self::SplitPart => self.text(&args)?,
            Self::Length => Column::integers(args.texts(0)?.map(|text| Some(count(text?)))),
            Self::StartsWith => args.pairs(|text, part| text.starts_with(part))?,
            Self::EndsWith => args.pairs(|text, part| text.ends_with(part))?,
            Self::Contains => args.pairs(|text, part| text.contains(part))?,
            Self::Like { insensitive, escape } => {
                args.pairs(|text, pattern| like(text, pattern, *insensitive, *escape))?
            }
            Self::Position => {
                let place = |(text, part): (Option<&str>, Option<&str>)| Some(position(text?, part?));
                Column::integers(args.texts(0)?.zip(args.texts(1)?).map(place))
            }
            Self::Greatest | Self::Least => self.most(arguments, to, rows)?,
            Self::Truncate(unit) => moments(args.integers(0)?, |at| unit.start(at))?,
            Self::Part(Part::Epoch) => {
                #[expect(clippy::cast_precision_loss, reason = "what a double is")]
                let seconds = |at: i64| at as f64 / 1_000_000.0;
                Column::floats(args.integers(0)?.map(|at| at.map(seconds)))
            }
            Self::Part(part) => moments(args.integers(0)?, |at| part.of(at))?,
            Self::Between(unit) => {
                let count = |(from, to): (Option<i64>, Option<i64>)| Some(unit.between(from?, to?));
                settle(args.integers(0)?.zip(args.integers(1)?).map(count))?
            }
            Self::Shift(months, micros) => moments(args.integers(0)?, |at| time::shifted(at, *months, *micros))?,
            Self::ShiftDays => {
                let later = |(day, more): (Option<i64>, Option<i64>)| Some(time::later_day(day?, more?));
                settle(args.integers(0)?.zip(args.integers(1)?).map(later))?
            }
            Self::Format(format) => {
                let texts = args.integers(0)?.map(|at| at.map(|at| time::format(at, format)));
                Column::texts(known(texts)?.into_iter())
            }
            Self::Cast { lenient } => self::cast_column(&args, from, to, *lenient)?,
        })
    }

    fn whole(&self, args: &Arguments<'_>) -> Result<Column> {
        let compute = |number: i64| match self {
            Self::Negate => number.checked_neg(),
            Self::Abs => number.checked_abs(),
            _ => Some(number),
        };
        moments(args.integers(0)?, compute)
    }

    fn number(&self, args: &Arguments<'_>) -> Result<Column> {
        let digits: Values<'_, i64> =
            if args.columns.len() > 1 { args.integers(1)? } else { Box::new(std::iter::repeat_n(Some(0), args.rows)) };
        let compute = |(number, digits): (Option<f64>, Option<i64>)| {
            let (number, digits) = (number?, digits?);
            Some(match self {
                Self::Negate => -number,
                Self::Abs => number.abs(),
                Self::Floor => number.floor(),
                Self::Ceiling => number.ceil(),
                _ => rounded(number, digits),
            })
        };
        Ok(Column::floats(args.floats(0)?.zip(digits).map(compute)))
    }

    fn wholes(&self, args: &Arguments<'_>) -> Result<Column> {
        let pairs = args.integers(0)?.zip(args.integers(1)?);
        let divides = matches!(self, Self::DivideWhole | Self::Modulo);
        let compute = |(a, b): (Option<i64>, Option<i64>)| {
            let (a, b) = (a?, b?);
            Some(match self {
                Self::Plus => a.checked_add(b),
                Self::Minus => a.checked_sub(b),
                Self::Times => a.checked_mul(b),
                Self::DivideWhole => a.checked_div(b),
                _ => a.checked_rem(b),
            })
        };
        let values: Vec<_> = pairs.map(compute).collect();
        if divides && values.contains(&Some(None)) {
            return division();
        }
        settle(values.into_iter())
    }

    fn numbers(&self, args: &Arguments<'_>) -> Result<Column> {
        let pairs: Vec<_> = args.floats(0)?.zip(args.floats(1)?).collect();
        if *self == Self::Divide && pairs.iter().any(|(a, b)| a.is_some() && *b == Some(0.0)) {
            return division();
        }
        let compute = |(a, b): (Option<f64>, Option<f64>)| {
            let (a, b) = (a?, b?);
            Some(match self {
                Self::Plus => a + b,
                Self::Minus => a - b,
                Self::Times => a * b,
                _ => a / b,
            })
        };
        let values = pairs.into_iter().map(compute);
        let values: Vec<Option<f64>> = values.collect();
        if values.iter().flatten().any(|number| !number.is_finite()) {
            return overflow();
        }
        Ok(Column::floats(values.into_iter()))
    }

    fn joined(&self, args: &Arguments<'_>) -> Result<Column> {
        let mut parts = (0..args.columns.len()).map(|place| args.texts(place)).collect::<Result<Vec<_>>>()?;
        let mut made = BoundedTexts::new(most_text(args.rows));
        for _row in 0..args.rows {
            let row: Vec<Option<&str>> = parts.iter_mut().map(|part| part.next().flatten()).collect();
            let text = match self {
                Self::Join => row.into_iter().collect::<Option<Vec<&str>>>().map(|row| row.concat()),
                Self::Concat => Some(row.into_iter().flatten().collect()),
                _ => row.split_first().and_then(|(between, row)| {
                    between.map(|between| row.iter().copied().flatten().collect::<Vec<_>>().join(between))
                }),
            };
            made.add(text)?;
        }
        Ok(made.column())
    }

    fn text(&self, args: &Arguments<'_>) -> Result<Column> {
        let mut made = BoundedTexts::new(if *self == Self::Replace { most_text(args.rows) } else { usize::MAX });
        let second = || match self {
            Self::Trim(..) if args.columns.len() < 2 => {
                Ok(Box::new(std::iter::repeat_n(Some(" "), args.rows)) as Values<'_, &str>)
            }
            Self::Trim(..) | Self::Replace | Self::SplitPart => args.texts(1),
            _ => Ok(Box::new(std::iter::repeat_n(Some(""), args.rows)) as Values<'_, &str>),
        };
        let number = |place: usize| match args.columns.get(place) {
            Some(Column::Integer(_)) => args.integers(place),
            _ => Ok(Box::new(std::iter::repeat_n(Some(i64::MAX), args.rows)) as Values<'_, i64>),
        };
        let third: Values<'_, &str> = match self {
            Self::Replace => args.texts(2)?,
            _ => Box::new(std::iter::repeat_n(Some(""), args.rows)),
        };
        let numbers = number(1)?.zip(number(2)?);
        for (((text, second), third), (one, two)) in args.texts(0)?.zip(second()?).zip(third).zip(numbers) {
            let value = (|| {
                let (text, second, third, one, two) = (text?, second?, third?, one?, two?);
                Some(match self {
                    Self::Lower => lower(text),
                    Self::Upper => upper(text),
                    Self::Trim(left, right) => trimmed(text, second, *left, *right).to_owned(),
                    Self::Replace if second.is_empty() => text.to_owned(),
                    Self::Replace => text.replace(second, third),
                    Self::SplitPart => split_part(text, second, two),
                    Self::Left => slice(text, 0, if one < 0 { count(text).saturating_add(one) } else { one }),
                    Self::Right => right(text, one),
                    _ => substring(text, one, two),
                })
            })();
            if *self == Self::Substring && (one.is_some_and(|from| from < 0) || two.is_some_and(|letters| letters < 0))
            {
                return unsupported(
                    "a negative place or length of SUBSTRING",
                    "write right(text, length), or left(text, length)",
                );
            }
            made.add(value)?;
        }
        Ok(made.column())
    }

    fn most(&self, arguments: &[Column], kind: Type, rows: usize) -> Result<Column> {
        let mut best: Option<Column> = None;
        for column in arguments {
            let column = column.clone().stretched(rows)?;
            best = Some(match best {
                None => column,
                Some(best) => {
                    // The rows of both, one after the other: which of the two of one number is the better one?
                    let both = best.followed_by(&column)?;
                    let order = both.comparison(*self == Self::Greatest, false);
                    let better = |row: usize| if order(row, row + rows).is_gt() { row + rows } else { row };
                    both.take(&super::relation::indices((0..rows).map(better))?)?
                }
            });
        }
        best.map_or_else(|| Ok(Column::absent(kind, rows)), Ok)
    }
}

/// Checks the arguments, and makes them of the types that are needed; the last `optional` may be left out.
fn fitting(name: &str, arguments: Vec<Node>, needed: &[Type], optional: usize) -> Result<Vec<Node>> {
    if arguments.len() > needed.len() || arguments.len() + optional < needed.len() {
        return wrong(format!("`{name}` takes {} arguments, not {}", needed.len(), arguments.len()));
    }
    let one = |(node, kind): (Node, &Type)| {
        let fits = node.kind == *kind
            || node.kind == Type::Null
            || (node.kind == Type::Day && *kind == Type::Time)
            || (literal(&node).is_some() && matches!(kind, Type::Time | Type::Day));
        if !fits {
            let hint = if *kind == Type::Text { ": write CAST(… AS TEXT)" } else { "" };
            return wrong(format!("`{name}` needs {} where it has {}{hint}", kind.name(), node.kind.name()));
        }
        cast(node, *kind, false)
    };
    arguments.into_iter().zip(needed).map(one).collect()
}

/// Arguments, and for how many rows.
struct Arguments<'c> {
    columns: &'c [Column],
    rows: usize,
}

impl<'c> Arguments<'c> {
    fn get(&self, place: usize) -> Result<&'c Column> {
        self.columns.get(place).map_or_else(|| wrong("an argument is missing"), Ok)
    }

    fn texts(&self, place: usize) -> Result<Values<'c, &'c str>> {
        self.get(place)?.as_texts(self.rows)
    }

    fn integers(&self, place: usize) -> Result<Values<'c, i64>> {
        self.get(place)?.as_integers(self.rows)
    }

    fn floats(&self, place: usize) -> Result<Values<'c, f64>> {
        self.get(place)?.as_floats(self.rows)
    }

    fn pairs(&self, test: impl Fn(&str, &str) -> bool) -> Result<Column> {
        let one = |(a, b): (Option<&str>, Option<&str>)| Some(test(a?, b?));
        Ok(Column::flags(self.texts(0)?.zip(self.texts(1)?).map(one)))
    }
}

/// Texts that a function made, within [`most_text`] where it makes longer ones of shorter ones.
struct BoundedTexts {
    texts: Vec<Option<String>>,
    bytes: usize,
    most: usize,
}

impl BoundedTexts {
    const fn new(most: usize) -> Self {
        Self { texts: Vec::new(), bytes: 0, most }
    }

    fn add(&mut self, text: Option<String>) -> Result<()> {
        self.bytes += text.as_ref().map_or(0, String::len);
        if self.bytes > self.most {
            return long("a function", self.most);
        }
        self.texts.push(text);
        Ok(())
    }

    fn column(self) -> Column {
        Column::texts(self.texts.into_iter())
    }
}

fn overflow<T>() -> Result<T> {
    wrong("a number or a time is out of range")
}

fn division<T>() -> Result<T> {
    wrong("division by zero: write NULLIF(…, 0)")
}

/// Values that can all be computed.
fn known<T>(values: impl Iterator<Item = Option<Option<T>>>) -> Result<Vec<Option<T>>> {
    values.map(|value| value.map_or(Ok(None), |value| value.map_or_else(overflow, |value| Ok(Some(value))))).collect()
}

fn settle(values: impl Iterator<Item = Option<Option<i64>>>) -> Result<Column> {
    Ok(Column::integers(known(values)?.into_iter()))
}

fn moments(values: Values<'_, i64>, compute: impl Fn(i64) -> Option<i64>) -> Result<Column> {
    settle(values.map(|value| value.map(&compute)))
}

fn rounded(number: f64, digits: i64) -> f64 {
    let Ok(digits) = i32::try_from(digits) else { return number };
    let scale = 10_f64.powi(digits);
    let scaled = (number * scale).round() / scale;
    if scaled.is_finite() { scaled } else { number }
}

fn count(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

fn upper(text: &str) -> String {
    let one = |letter: char| {
        let mut upper = letter.to_uppercase();
        upper.next().filter(|_| upper.next().is_none()).unwrap_or(letter)
    };
    text.chars().map(one).collect()
}

fn trimmed<'t>(text: &'t str, letters: &str, left: bool, right: bool) -> &'t str {
    let text = if left { text.trim_start_matches(|letter| letters.contains(letter)) } else { text };
    if right { text.trim_end_matches(|letter| letters.contains(letter)) } else { text }
}

/// So many letters from a place on, which is 0 for the first.
fn slice(text: &str, from: i64, letters: i64) -> String {
    let skip = usize::try_from(from.max(0)).unwrap_or(usize::MAX);
    let take = usize::try_from(letters.max(0)).unwrap_or(usize::MAX);
    text.chars().skip(skip).take(take).collect()
}

fn right(text: &str, letters: i64) -> String {
    let from = if letters < 0 { letters.saturating_neg() } else { count(text).saturating_sub(letters) };
    slice(text, from, i64::MAX)
}

/// As SQL has it: the first letter is 1, and a place before the text takes from the length.
fn substring(text: &str, from: i64, letters: i64) -> String {
    let end = from.saturating_add(letters);
    let from = from.max(1);
    slice(text, from - 1, end.saturating_sub(from))
}

fn position(text: &str, part: &str) -> i64 {
    text.find(part).map_or(0, |at| text.get(..at).map_or(0, count) + 1)
}

fn split_part(text: &str, between: &str, number: i64) -> String {
    let parts: Vec<&str> = if between.is_empty() { vec![text] } else { text.split(between).collect() };
    let place = match number {
        0 => None,
        1.. => usize::try_from(number - 1).ok(),
        _ => usize::try_from(number.unsigned_abs()).ok().and_then(|number| parts.len().checked_sub(number)),
    };
    place.and_then(|place| parts.get(place)).copied().unwrap_or_default().to_owned()
}

/// What a text is as a whole number: `Err` where one may argue.
fn whole(text: &str) -> Result<Option<i64>> {
    let trimmed = text.trim_ascii();
    let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return trimmed.parse().map(Some).or_else(|_| overflow());
    }
    if digits.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.') {
        return wrong(format!("`{text}` is not an integer"));
    }
    Ok(None)
}

fn number(text: &str) -> Option<f64> {
    let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
    text.bytes().all(plain).then(|| text.parse().ok()).flatten()
}

fn misfit<T>(text: &str, to: Type) -> Result<T> {
    wrong(format!("`{text}` is not {}: TRY_CAST would make it NULL", to.name()))
}

fn cast_column(args: &Arguments<'_>, from: Type, to: Type, lenient: bool) -> Result<Column> {
    Ok(match (from, to) {
        (Type::Null, to) => Column::absent(to, args.rows),
        (Type::Integer, Type::Float) => Column::floats(args.floats(0)?),
        (Type::Integer, Type::Text) => {
            Column::texts(args.integers(0)?.map(|number| number.map(|number| number.to_string())))
        }
        (Type::Flag, Type::Text) => Column::texts(flags(args)?.map(|flag| flag.map(|flag| flag.to_string()))),
        (Type::Flag, Type::Integer) => Column::integers(flags(args)?.map(|flag| flag.map(i64::from))),
        (Type::Text, Type::Integer) => {
            let one = |text: Option<&str>| match text.map(|text| Ok::<_, SqlError>((text, whole(text)?))).transpose()? {
                Some((text, None)) if !lenient => misfit(text, to),
                Some((_, number)) => Ok(number),
                None => Ok(None),
            };
            Column::integers(args.texts(0)?.map(one).collect::<Result<Vec<_>>>()?.into_iter())
        }
        (Type::Text, Type::Float) => {
            let one = |text: Option<&str>| match text.map(|text| (text, number(text))) {
                Some((text, None)) if !lenient => misfit(text, to),
                Some((_, number)) => Ok(number),
                None => Ok(None),
            };
            Column::floats(args.texts(0)?.map(one).collect::<Result<Vec<_>>>()?.into_iter())
        }
        (Type::Text, Type::Time) => {
            let one = |text: Option<&str>| text.map(time::parse).transpose();
            Column::integers(args.texts(0)?.map(one).collect::<Result<Vec<_>>>()?.into_iter())
        }
        (Type::Text, Type::Day) => {
            let one = |text: Option<&str>| text.map(time::parse_day).transpose();
            Column::integers(args.texts(0)?.map(one).collect::<Result<Vec<_>>>()?.into_iter())
        }
        (Type::Time, Type::Day) => moments(args.integers(0)?, |at| Some(at.div_euclid(time::DAY)))?,
        (Type::Day, Type::Time) => moments(args.integers(0)?, |day| day.checked_mul(time::DAY))?,
        (Type::Day, Type::Text) => {
            let texts = args.integers(0)?.map(|day| day.map(time::day_text));
            Column::texts(known(texts)?.into_iter())
        }
        _ => return wrong(format!("{} as {} is not supported", from.name(), to.name())),
    })
}

fn flags<'c>(args: &Arguments<'c>) -> Result<Values<'c, bool>> {
    args.get(0)?.as_flags(args.rows)
}
