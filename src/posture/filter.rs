//! Filter patterns of Amazon CloudWatch Logs, evaluated here: for what the AWS CLI printed, where nobody can be asked.
//!
//! Three kinds: `{ … }` looks into a JSON record by selectors (`$.eventName`), terms look for texts in the whole line, and nothing
//! matches every line. Source: the CloudWatch Logs user guide, "Filter pattern syntax for metric filters". A property that a record
//! lacks is judged only by `NOT EXISTS`, `IS NULL` and `=`: of what `!=` and the comparisons make of it AWS says nothing, and
//! neither is anything said here. Patterns for lines of words (`[a, b]`) and regular expressions (`%…%`) are not understood.

use serde_json::Value;

use crate::inventory::{all_of, any_of};

/// How deep parentheses are nested at most.
const DEEPEST: usize = 64;
/// How long a pattern is at most, in bytes: CloudWatch Logs takes 1,024 characters.
const LONGEST: usize = 64 << 10;

/// A filter pattern.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Every line.
    Everything,
    /// Texts in the line.
    Terms(Terms),
    /// Conditions on a JSON record.
    Json(Condition),
}

/// Texts that must all be in the line, of which one must be, and none of which may be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

/// A condition on a JSON record.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All of these.
    All(Vec<Condition>),
    /// One of these.
    Any(Vec<Condition>),
    /// Of one property.
    Property(Vec<Step>, Test),
}

/// A step of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Member(String),
    /// An element of a list.
    Element(usize),
    /// Any element of a list.
    AnyElement,
}

/// What is asked of a property.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `NOT EXISTS`
    Absent,
    /// `EXISTS`
    Present,
    /// `IS NULL`
    Null,
    /// `IS TRUE` and `IS FALSE`
    Is(bool),
    /// `=` or `!=` (where `false`) a text, in which `*` is anything.
    Text(bool, String),
    /// A comparison with a number.
    Number(Comparison, f64),
}

/// How numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Filter {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Where it is not one, or holds what is not understood here; in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} bytes"));
        }
        match text.chars().next() {
            None => Ok(Self::Everything),
            Some('{') => {
                let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
                let mut reader = Reader { rest: inner.ok_or("its braces are not closed")?, depth: 0 };
                let condition = reader.any()?;
                reader.skip();
                if reader.rest.is_empty() { Ok(Self::Json(condition)) } else { Err(reader.wrong("the end")) }
            }
            Some('[') => Err("it is for lines of words, which CloudTrail's records are not".to_owned()),
            Some(_) => terms(text),
        }
    }

    /// Whether a record matches; `None` where that hangs on what AWS does not say.
    #[must_use]
    pub fn matches(&self, record: &Value) -> Option<bool> {
        match self {
            Self::Everything => Some(true),
            Self::Terms(terms) => Some(terms.are_in(&record.to_string())),
            Self::Json(condition) => condition.holds(record),
        }
    }
}

fn terms(text: &str) -> Result<Filter, String> {
    let mut reader = Reader { rest: text, depth: 0 };
    let mut terms = Terms::default();
    loop {
        reader.skip();
        if reader.rest.is_empty() {
            break;
        }
        let list = if reader.take("?") {
            &mut terms.any
        } else if reader.take("-") {
            &mut terms.none
        } else {
            &mut terms.all
        };
        let term = if reader.rest.starts_with('"') { reader.quoted()? } else { reader.word(char::is_whitespace) };
        if term.starts_with('%') {
            return Err("it holds a regular expression".to_owned());
        }
        list.push(term);
    }
    // AWS ignores optional terms beside others.
    let others = terms.all.len() + terms.none.len();
    if others > 0 && !terms.any.is_empty() {
        return Err("it mixes optional terms with others".to_owned());
    }
    Ok(Filter::Terms(terms))
}

impl Terms {
    fn are_in(&self, line: &str) -> bool {
        let is_in = |term: &String| line.contains(term.as_str());
        self.all.iter().all(is_in)
            && !self.none.iter().any(is_in)
            && (self.any.is_empty() || self.any.iter().any(is_in))
    }
}

/// What is left of a pattern.
struct Reader<'t> {
    rest: &'t str,
    depth: usize,
}

impl Reader<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A word in any case, and nothing that goes on after it.
    fn keyword(&mut self, word: &str) -> bool {
        self.skip();
        let is_it = self.rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
        let rest = self.rest.get(word.len()..).filter(|_| is_it).unwrap_or_default();
        if !is_it || rest.starts_with(|next: char| next.is_alphanumeric() || next == '_') {
            return false;
        }
        self.rest = rest;
        true
    }

    fn wrong(&self, expected: &str) -> String {
        let here: String = self.rest.chars().take(20).collect();
        format!("{expected} is expected at `{here}`")
    }

    fn any(&mut self) -> Result<Condition, String> {
        let mut list = vec![self.all()?];
        loop {
            self.skip();
            if !self.take("||") {
                break;
            }
            list.push(self.all()?);
        }
        Ok(one_or(list, Condition::Any))
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut list = vec![self.one()?];
        loop {
            self.skip();
            if !self.take("&&") {
                break;
            }
            list.push(self.one()?);
        }
        Ok(one_or(list, Condition::All))
    }

    fn one(&mut self) -> Result<Condition, String> {
        self.skip();
        if !self.take("(") {
            return self.property();
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("its parentheses are nested too deeply".to_owned());
        }
        let inner = self.any()?;
        self.skip();
        if !self.take(")") {
            return Err(self.wrong("a closing parenthesis"));
        }
        self.depth -= 1;
        Ok(inner)
    }

    fn property(&mut self) -> Result<Condition, String> {
        if !self.take("$") {
            return Err(self.wrong("a selector ($.name)"));
        }
        let mut steps = Vec::new();
        while let Some(step) = self.step()? {
            steps.push(step);
        }
        let test = self.test()?;
        Ok(Condition::Property(steps, test))
    }

    fn step(&mut self) -> Result<Option<Step>, String> {
        if self.take(".") {
            let name = self.word(|next| !(next.is_alphanumeric() || matches!(next, '_' | '-' | ':' | '@')));
            return if name.is_empty() { Err(self.wrong("a name")) } else { Ok(Some(Step::Member(name))) };
        }
        if !self.take("[") {
            return Ok(None);
        }
        self.skip();
        let step = if self.take("*") {
            Step::AnyElement
        } else if self.rest.starts_with(['"', '\'']) {
            Step::Member(self.quoted()?)
        } else {
            let digits = self.word(|next| !next.is_ascii_digit());
            Step::Element(digits.parse().map_err(|_| self.wrong("a number"))?)
        };
        self.skip();
        if self.take("]") { Ok(Some(step)) } else { Err(self.wrong("a closing bracket")) }
    }

    fn test(&mut self) -> Result<Test, String> {
        if self.keyword("NOT") {
            return if self.keyword("EXISTS") { Ok(Test::Absent) } else { Err(self.wrong("EXISTS")) };
        }
        if self.keyword("EXISTS") {
            return Ok(Test::Present);
        }
        if self.keyword("IS") {
            let words = [("NULL", Test::Null), ("TRUE", Test::Is(true)), ("FALSE", Test::Is(false))];
            let known = words.into_iter().find(|(word, _)| self.keyword(word));
            return known.map(|(_, test)| test).ok_or_else(|| self.wrong("NULL, TRUE or FALSE"));
        }
        self.skip();
        let operators = [
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let operator = operators.into_iter().find(|(token, _)| self.take(token));
        let (_, comparison) = operator.ok_or_else(|| self.wrong("a comparison"))?;
        self.skip();
        let quoted = self.rest.starts_with('"');
        let value = if quoted {
            self.quoted()?
        } else {
            self.word(|next| next.is_whitespace() || matches!(next, ')' | '(' | '&' | '|' | '}'))
        };
        if value.is_empty() && !quoted {
            return Err(self.wrong("a value"));
        }
        if value.starts_with('%') && !quoted {
            return Err("it holds a regular expression".to_owned());
        }
        match (value.parse::<f64>().ok().filter(|number| !quoted && number.is_finite()), comparison) {
            (Some(number), _) => Ok(Test::Number(comparison, number)),
            (None, Comparison::Equal) => Ok(Test::Text(true, value)),
            (None, Comparison::NotEqual) => Ok(Test::Text(false, value)),
            _ => Err(format!("`{value}` is not a number")),
        }
    }

    fn word(&mut self, ends: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    /// A text in quotes; a backslash takes its meaning from the character after it.
    fn quoted(&mut self) -> Result<String, String> {
        let mut characters = self.rest.char_indices();
        let Some((_, quote)) = characters.next() else { return Err(self.wrong("a text in quotes")) };
        let mut text = String::new();
        while let Some((at, character)) = characters.next() {
            if character == quote {
                self.rest = self.rest.get(at + 1..).unwrap_or_default();
                return Ok(text);
            }
            let escaped = if character == '\\' { characters.next().map(|(_, next)| next) } else { None };
            text.push(escaped.unwrap_or(character));
        }
        Err("a text in quotes does not end".to_owned())
    }
}

/// The one condition, or all of them together.
fn one_or(mut list: Vec<Condition>, together: fn(Vec<Condition>) -> Condition) -> Condition {
    match list.pop() {
        Some(only) if list.is_empty() => only,
        last => {
            list.extend(last);
            together(list)
        }
    }
}

impl Condition {
    fn holds(&self, record: &Value) -> Option<bool> {
        match self {
            Self::All(list) => all_of(list.iter().map(|one| one.holds(record))),
            Self::Any(list) => any_of(list.iter().map(|one| one.holds(record))),
            Self::Property(steps, test) => {
                let mut values = Vec::new();
                select(record, steps, &mut values);
                test.holds(&values)
            }
        }
    }
}

fn select<'v>(value: &'v Value, steps: &[Step], into: &mut Vec<&'v Value>) {
    let Some((step, rest)) = steps.split_first() else {
        into.push(value);
        return;
    };
    match step {
        Step::Member(name) => value.get(name).into_iter().for_each(|inner| select(inner, rest, into)),
        Step::Element(at) => value.get(at).into_iter().for_each(|inner| select(inner, rest, into)),
        Step::AnyElement => value.as_array().into_iter().flatten().for_each(|inner| select(inner, rest, into)),
    }
}

impl Test {
    fn holds(&self, values: &[&Value]) -> Option<bool> {
        let any = |holds: &dyn Fn(&Value) -> bool| Some(values.iter().any(|value| holds(value)));
        match self {
            Self::Absent => Some(values.is_empty()),
            Self::Present => Some(!values.is_empty()),
            Self::Null => any(&|value| value.is_null()),
            Self::Is(wanted) => any(&|value| value.as_bool() == Some(*wanted)),
            Self::Text(true, pattern) => any(&|value| is_like(pattern, value)),
            Self::Number(Comparison::Equal, bound) => any(&|value| number(value) == Some(*bound)),
            // What is absent, and what has another type, AWS does not say.
            Self::Text(false, _) | Self::Number(..) if values.is_empty() => None,
            Self::Text(false, pattern) => any(&|value| !is_like(pattern, value)),
            Self::Number(comparison, bound) => {
                let numbers: Option<Vec<f64>> = values.iter().map(|value| number(value)).collect();
                let compare = |number: f64| match comparison {
                    Comparison::Equal => number == *bound,
                    Comparison::NotEqual => number != *bound,
                    Comparison::Less => number < *bound,
                    Comparison::LessOrEqual => number <= *bound,
                    Comparison::Greater => number > *bound,
                    Comparison::GreaterOrEqual => number >= *bound,
                };
                numbers.map(|numbers| numbers.into_iter().any(compare))
            }
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// Whether a value is a text like `pattern`, in which `*` is anything.
fn is_like(pattern: &str, value: &Value) -> bool {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => return false,
    };
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_match_as_cloudwatch_matches_them() {
        let record = json!({
            "eventName": "DeactivateMFADevice", "eventSource": "iam.amazonaws.com", "responseElements": null, "n": 7, "flag": true,
            "userIdentity": {"type": "IAMUser", "invoked-by": "x"}, "list": [{"k": "a"}, {"k": "b"}],
            "requestParameters": {"userName": "ada"}
        });
        for (pattern, matches) in [
            ("", Some(true)),
            ("{ $.eventName = DeactivateMFADevice }", Some(true)),
            ("{$.eventName=\"DeactivateMFADevice\"}", Some(true)),
            ("{ ($.eventName = \"DeactivateMFADevice\") || ($.eventName = \"DeleteVirtualMFADevice\") }", Some(true)),
            ("{ ($.eventSource = iam.amazonaws.com) && ($.eventName = Deactivate*) }", Some(true)),
            ("{ $.eventName = \"*MFA*\" }", Some(true)),
            ("{ $.eventName = deactivatemfadevice }", Some(false)),
            ("{ $.eventname = DeactivateMFADevice }", Some(false)),
            ("{ $.eventName = ConsoleLogin || $.eventName = DeactivateMFADevice && $.n = 8 }", Some(false)),
            ("{ ($.eventName = DeactivateMFADevice || $.eventName = ConsoleLogin) && $.n = 7 }", Some(true)),
            ("{ $.errorCode NOT EXISTS }", Some(true)),
            ("{ $.eventName NOT EXISTS }", Some(false)),
            ("{ $.errorCode = \"*UnauthorizedOperation\" }", Some(false)),
            ("{ $.errorCode != \"AccessDenied\" }", None),
            ("{ ($.eventName = X) && ($.errorCode != \"AccessDenied\") }", Some(false)),
            ("{ ($.eventName = Deactivate*) || ($.errorCode != \"AccessDenied\") }", Some(true)),
            ("{ $.eventName != \"ConsoleLogin\" }", Some(true)),
            ("{ $.responseElements IS NULL }", Some(true)),
            ("{ $.flag IS TRUE }", Some(true)),
            ("{ $.flag is false }", Some(false)),
            ("{ $.n > 6 && $.n <= 7 && $.n != 8 }", Some(true)),
            ("{ $.eventName > 6 }", None),
            ("{ $.userIdentity.type = IAMUser }", Some(true)),
            ("{ $['userIdentity'][\"type\"] = IAMUser }", Some(true)),
            ("{ $.userIdentity.invoked-by = x }", Some(true)),
            ("{ $.list[1].k = b }", Some(true)),
            ("{ $.list[*].k = b }", Some(true)),
            ("{ $.list[0].k = b }", Some(false)),
            ("DeactivateMFADevice", Some(true)),
            ("\"eventName\" \"DeactivateMFADevice\"", Some(true)),
            ("?ConsoleLogin ?DeactivateMFADevice", Some(true)),
            ("?ConsoleLogin ?CreateUser", Some(false)),
            ("DeactivateMFADevice -ada", Some(false)),
        ] {
            let filter = Filter::parse(pattern).unwrap_or_else(|why| panic!("{pattern}: {why}"));
            assert_eq!(filter.matches(&record), matches, "{pattern}");
        }
    }

    #[test]
    fn what_is_not_understood_is_no_filter() {
        for text in [
            "{",
            "{ }",
            "{ $.a }",
            "{ $.a = }",
            "{ $.a = b",
            "{ ($.a = b }",
            "{ $.a = b) }",
            "{ $.a ~ b }",
            "{ a = b }",
            "{ $. = b }",
            "{ $.a[x] = b }",
            "{ $.a = %x% }",
            "%x%",
            "[a, b]",
            "{ $.a > b }",
            "{ $.a = \"b }",
            "?a b",
            "{ $.a NOT b }",
            "{ $.a = b } c",
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
        assert!(Filter::parse(&format!("{{ {}$.a = b{} }}", "(".repeat(99), ")".repeat(99))).is_err());
    }
}
