//! Any value of a record, by its path, and any text in it: for searches that know no more of a record than its user.

use std::borrow::Cow;

use memchr::memmem::Finder;
use simd_json::prelude::*;

use super::record::{Record, Value, member, members};

/// The way to a value: keys, and places in lists, as in `userIdentity.sessionContext.sessionIssuer.arn` and
/// `resources.0.ARN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    text: String,
}

impl Path {
    /// `None` where a step is empty.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        text.split('.').all(|step| !step.is_empty()).then(|| Self { text: text.to_owned() })
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The key that it begins with.
    #[must_use]
    pub fn first(&self) -> &str {
        self.text.split('.').next().unwrap_or_default()
    }
}

/// A value as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cell {
    /// Absent, or `null`.
    Absent,
    /// A string's contents.
    Text(String),
    /// Everything else, as JSON without white space.
    Json(String),
}

impl Record<'_, '_> {
    /// The value at a path.
    #[must_use]
    pub fn cell(&self, path: &Path) -> Cell {
        let mut value = self.value;
        // A key may hold a dot, as those of policies and of SAML do: what fits best as a whole is taken first.
        let mut rest = path.as_str();
        while !rest.is_empty() {
            let Some((found, left)) = step(value, rest) else { return Cell::Absent };
            (value, rest) = (found, left);
        }
        match value.as_str() {
            Some(text) => Cell::Text(text.to_owned()),
            None if value.is_null() => Cell::Absent,
            None => Cell::Json(json(value)),
        }
    }

    /// Whether the text is part of any key, string or whole number of the record: of strings as they are after their
    /// escapes, of numbers in decimal.
    #[must_use]
    pub fn mentions(&self, text: &Finder<'_>) -> bool {
        let holds = |string: &str| text.find(string.as_bytes()).is_some();
        // An explicit stack, for a record may be nested as deep as its sender liked.
        let mut stack = vec![self.value];
        while let Some(value) = stack.pop() {
            if let Some(array) = value.as_array() {
                stack.extend(array.iter());
            } else if let Some(object) = value.as_object() {
                for (key, member) in members(&object) {
                    if holds(key) {
                        return true;
                    }
                    stack.push(member);
                }
            } else if value.as_str().is_some_and(holds) || whole(value).is_some_and(|number| holds(&number)) {
                return true;
            }
        }
        false
    }
}

/// The value behind the next step of `path`, and what is left of it: the longest key that fits.
fn step<'tape, 'input, 'p>(value: Value<'tape, 'input>, path: &'p str) -> Option<(Value<'tape, 'input>, &'p str)> {
    let ends = path.rmatch_indices('.').map(|(dot, _)| dot);
    std::iter::once(path.len()).chain(ends).find_map(|end| {
        let (key, rest) = path.split_at_checked(end)?;
        let found = match value.as_array() {
            Some(array) => array.get(key.parse().ok()?)?,
            None => member(value, key)?,
        };
        Some((found, rest.strip_prefix('.').unwrap_or(rest)))
    })
}

fn whole(value: Value<'_, '_>) -> Option<String> {
    value.as_i64().map(|number| number.to_string()).or_else(|| value.as_u64().map(|number| number.to_string()))
}

/// A value as JSON without white space, again without recursion.
fn json(value: Value<'_, '_>) -> String {
    enum Part<'tape, 'input> {
        Value(Value<'tape, 'input>),
        Text(Cow<'static, str>),
    }
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut out = String::new();
    let mut stack = vec![Part::Value(value)];
    while let Some(part) = stack.pop() {
        let value = match part {
            Part::Value(value) => value,
            Part::Text(text) => {
                out.push_str(&text);
                continue;
            }
        };
        let mut parts = Vec::new();
        if let Some(array) = value.as_array() {
            out.push('[');
            for element in array.iter() {
                if !parts.is_empty() {
                    parts.push(Part::Text(Cow::Borrowed(",")));
                }
                parts.push(Part::Value(element));
            }
            parts.push(Part::Text(Cow::Borrowed("]")));
        } else if let Some(object) = value.as_object() {
            out.push('{');
            for (key, member) in members(&object) {
                let comma = if parts.is_empty() { "" } else { "," };
                parts.push(Part::Text(Cow::Owned(format!("{comma}{}:", quoted(key)))));
                parts.push(Part::Value(member));
            }
            parts.push(Part::Text(Cow::Borrowed("}")));
        } else if let Some(text) = value.as_str() {
            out.push_str(&quoted(text));
        } else if let Some(flag) = value.as_bool() {
            out.push_str(if flag { "true" } else { "false" });
        } else if let Some(number) = whole(value) {
            out.push_str(&number);
        } else if let Some(number) = value.as_f64() {
            out.push_str(&serde_json::Value::from(number).to_string());
        } else {
            out.push_str("null");
        }
        stack.extend(parts.into_iter().rev());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"eventTime":"2026-10-01T10:00:00Z","eventSource":"s","eventName":"N","readOnly":false,"none":null,
        "a.b":{"c":"dotted"},"a":{"p":{"c":"plain","d":[1,{"e":"x\"\u00e9"}, -2.5, 18446744073709551615]}},"empty":[],"o":{ }}"#;

    fn with<R>(read: impl FnOnce(&Record<'_, '_>) -> R) -> R {
        let mut text = TEXT.as_bytes().to_vec();
        let tape = simd_json::to_tape(&mut text).unwrap();
        read(&Record::new(tape.as_value()).unwrap())
    }

    #[test]
    fn paths_lead_to_values() {
        let cell = |path: &str| with(|record| record.cell(&Path::new(path).unwrap()));
        let text = |text: &str| Cell::Text(text.to_owned());
        let json = |text: &str| Cell::Json(text.to_owned());
        assert_eq!(cell("eventName"), text("N"));
        assert_eq!(cell("readOnly"), json("false"));
        assert_eq!(cell("a.b.c"), text("dotted"));
        assert_eq!(cell("a.p.d.1.e"), text("x\"é"));
        assert_eq!(cell("a.b"), json(r#"{"c":"dotted"}"#));
        assert_eq!(cell("a"), json(r#"{"p":{"c":"plain","d":[1,{"e":"x\"é"},-2.5,18446744073709551615]}}"#));
        assert_eq!((cell("empty"), cell("o")), (json("[]"), json("{}")));
        for absent in ["none", "a.x", "a.b.d", "a.p.d.9", "a.p.d.x", "eventName.x", "none.x"] {
            assert_eq!(cell(absent), Cell::Absent, "{absent}");
        }
        for bad in ["", ".", "a.", ".a", "a..b"] {
            assert_eq!(Path::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn texts_are_found_in_keys_strings_and_numbers() {
        let mentions = |text: &str| with(|record| record.mentions(&Finder::new(text)));
        for text in ["eventNa", "dotted", "x\"é", "674407370955", "a.b", "10:00"] {
            assert!(mentions(text), "{text}");
        }
        for text in ["false", "null", "x\\\"", "N\"", "Dotted", "{", "u00e9"] {
            assert!(!mentions(text), "{text}");
        }
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let mut text = TEXT.replace("[]", &deep).into_bytes();
        let tape = simd_json::to_tape(&mut text).unwrap();
        let record = Record::new(tape.as_value()).unwrap();
        assert_eq!(record.cell(&Path::new("empty").unwrap()), Cell::Json(deep));
        assert!(!record.mentions(&Finder::new("absent")));
    }
}
