//! Amazon EventBridge's event patterns, evaluated here: for what the AWS CLI printed, where nobody can be asked.
//!
//! A pattern is a tree of fields. Named fields must all match, of a field's values one must; of an event's array one element must,
//! and fields of one object are looked for in the same element. Values are compared exactly unless an operator says otherwise.
//! Sources: the EventBridge user guide, "Amazon EventBridge event patterns" and "Comparison operators", and AWS's own matcher,
//! aws/event-ruler. What is not understood is an error, and so no verdict.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Number, Value};

/// How long a pattern is at most, in bytes: EventBridge takes 4,096 characters.
const LONGEST: usize = 64 << 10;

/// A pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Node);

/// Fields that must all match, and alternatives of which one must, for each `$or`.
#[derive(Debug, Clone, Default, PartialEq)]
struct Node {
    fields: Vec<(String, Field)>,
    either: Vec<Vec<Node>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Field {
    /// An object.
    Inner(Node),
    /// One of these must hold.
    Leaf(Vec<Test>),
}

/// What is asked of one value.
#[derive(Debug, Clone, PartialEq)]
enum Test {
    Equals(Value),
    Exists(bool),
    Prefix(String),
    Suffix(String),
    PrefixIgnoringCase(String),
    SuffixIgnoringCase(String),
    EqualsIgnoringCase(String),
    Wildcard(Vec<Piece>),
    AnythingBut(Vec<Test>),
    Numeric(Vec<(Comparison, f64)>),
    Cidr(IpAddr, u8),
}

/// A part of a wildcard: a text, or anything at all.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Why an event does not match: the field, what is asked of it, and what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The path, its parts separated by dots.
    pub path: String,
    /// What the event has there, as JSON; `None` where it has nothing.
    pub has: Option<String>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Where it is not one, or holds what is not understood here; in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} bytes"));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let node = node(value.as_object().ok_or("it is not a JSON object")?)?;
        check_paths(&node)?;
        Ok(Self(node))
    }

    /// Whether an event matches.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        self.0.mismatch(event, "").is_none()
    }

    /// The first field that does not match; `None` where the event matches.
    #[must_use]
    pub fn mismatch(&self, event: &Value) -> Option<Mismatch> {
        self.0.mismatch(event, "")
    }
}

fn node(object: &Map<String, Value>) -> Result<Node, String> {
    if object.is_empty() {
        return Err("an empty object matches nothing".to_owned());
    }
    let mut node = Node::default();
    for (name, value) in object {
        if name == "$or" {
            node.either.push(alternatives(value)?);
            continue;
        }
        let mut field = match value {
            Value::Object(inner) => Field::Inner(self::node(inner)?),
            Value::Array(tests) if !tests.is_empty() => {
                Field::Leaf(tests.iter().map(test).collect::<Result<_, _>>().map_err(|why| format!("`{name}`: {why}"))?)
            }
            _ => return Err(format!("`{name}` is neither an object nor a list of values")),
        };
        // A name with dots is the path.
        let mut parts = name.rsplit('.');
        let last = parts.next().unwrap_or(name);
        let mut first = last.to_owned();
        for part in parts {
            field = Field::Inner(Node { fields: vec![(first, field)], either: Vec::new() });
            first = part.to_owned();
        }
        node.fields.push((first, field));
    }
    Ok(node)
}

fn alternatives(value: &Value) -> Result<Vec<Node>, String> {
    let list = value.as_array().filter(|list| list.len() > 1).ok_or("`$or` is not a list of two or more objects")?;
    list.iter().map(|one| node(one.as_object().ok_or("`$or` holds what is not an object")?)).collect()
}

/// EventBridge takes the last of two conditions on one field where one is within an `$or`: which is the last, an object that was
/// read does not tell. Refuses such patterns.
fn check_paths(node: &Node) -> Result<(), String> {
    let mut paths = BTreeSet::new();
    node.paths("", &mut paths).map_err(|path| format!("it has two conditions on `{path}`, one perhaps within `$or`"))
}

fn test(value: &Value) -> Result<Test, String> {
    match value {
        Value::Object(operator) => {
            let mut entries = operator.iter();
            match (entries.next(), entries.next()) {
                (Some((name, operand)), None) => operation(name, operand),
                _ => Err("an operator is an object with one name".to_owned()),
            }
        }
        Value::Array(_) => Err("a list within a list is not a value".to_owned()),
        literal => Ok(Test::Equals(literal.clone())),
    }
}

fn operation(name: &str, operand: &Value) -> Result<Test, String> {
    let ignoring = || match operand.as_object().map(|inner| (inner.len(), inner.get("equals-ignore-case"))) {
        Some((1, Some(text))) => Some(string(name, text)),
        _ => None,
    };
    Ok(match name {
        "exists" => Test::Exists(operand.as_bool().ok_or("`exists` is neither true nor false")?),
        "prefix" => match ignoring() {
            Some(text) => Test::PrefixIgnoringCase(text?),
            None => Test::Prefix(string(name, operand)?),
        },
        "suffix" => match ignoring() {
            Some(text) => Test::SuffixIgnoringCase(text?),
            None => Test::Suffix(string(name, operand)?),
        },
        "equals-ignore-case" => Test::EqualsIgnoringCase(string(name, operand)?),
        "wildcard" => Test::Wildcard(pieces(&string(name, operand)?)?),
        "anything-but" => Test::AnythingBut(excluded(operand)?),
        "numeric" => Test::Numeric(comparisons(operand)?),
        "cidr" => cidr(&string(name, operand)?)?,
        _ => return Err(format!("the operator `{name}` is not known to mfatrail")),
    })
}

fn string(name: &str, value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("what `{name}` compares with is not a text"))
}

/// Values that must not be there, or one operator that must not hold, of one text or of a list.
fn excluded(operand: &Value) -> Result<Vec<Test>, String> {
    match operand {
        Value::Object(inner) => {
            let mut entries = inner.iter();
            let (Some((name, texts)), None) = (entries.next(), entries.next()) else {
                return Err("`anything-but` takes one operator".to_owned());
            };
            if !["prefix", "suffix", "equals-ignore-case", "wildcard"].contains(&name.as_str()) {
                return Err(format!("`anything-but` does not take `{name}`"));
            }
            match texts {
                Value::Array(list) => list.iter().map(|text| operation(name, text)).collect(),
                one => Ok(vec![operation(name, one)?]),
            }
        }
        Value::Array(list) if list.is_empty() => Err("`anything-but` excludes nothing".to_owned()),
        Value::Array(list) if list.iter().any(Value::is_string) && !list.iter().all(Value::is_string) => {
            Err("`anything-but` mixes texts and other values".to_owned())
        }
        Value::Array(list) => list.iter().map(literal).collect(),
        one => Ok(vec![literal(one)?]),
    }
}

fn literal(value: &Value) -> Result<Test, String> {
    match value {
        Value::Object(_) | Value::Array(_) => Err("`anything-but` mixes values and operators".to_owned()),
        literal => Ok(Test::Equals(literal.clone())),
    }
}

fn comparisons(operand: &Value) -> Result<Vec<(Comparison, f64)>, String> {
    let wrong = "`numeric` is not a list of comparisons and numbers";
    let list = operand.as_array().filter(|list| !list.is_empty() && list.len() % 2 == 0).ok_or(wrong)?;
    let pair = |pair: &[Value]| {
        let [operator, number] = pair else { return None };
        let comparison = match operator.as_str()? {
            "=" => Comparison::Equal,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        Some((comparison, number.as_f64()?))
    };
    list.chunks(2).map(|two| pair(two).ok_or_else(|| wrong.to_owned())).collect()
}

fn cidr(text: &str) -> Result<Test, String> {
    let parsed = text.split_once('/').and_then(|(address, length)| {
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        Some(Test::Cidr(address, length.parse().ok().filter(|length| *length <= most)?))
    });
    parsed.ok_or_else(|| format!("`{text}` is not a block of addresses"))
}

/// `*` is anything; a backslash takes its meaning from an asterisk or a backslash.
fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' => {
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                if pieces.last() == Some(&Piece::Any) {
                    return Err("a wildcard has two asterisks in a row".to_owned());
                }
                pieces.push(Piece::Any);
            }
            '\\' => match characters.next() {
                Some(escaped @ ('*' | '\\')) => literal.push(escaped),
                _ => return Err("a wildcard has a backslash before neither an asterisk nor a backslash".to_owned()),
            },
            other => literal.push(other),
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(pieces)
}

impl Node {
    /// Collects the paths of all conditions, each once.
    ///
    /// # Errors
    /// With a path that has two.
    fn paths(&self, above: &str, into: &mut BTreeSet<String>) -> Result<(), String> {
        for (name, field) in &self.fields {
            let path = join(above, name);
            match field {
                Field::Inner(node) => node.paths(&path, into)?,
                Field::Leaf(_) if !into.insert(path.clone()) => return Err(path),
                Field::Leaf(_) => {}
            }
        }
        for alternatives in &self.either {
            // Alternatives may be of the same field.
            let mut all = BTreeSet::new();
            for node in alternatives {
                let mut own = BTreeSet::new();
                node.paths(above, &mut own)?;
                all.append(&mut own);
            }
            if let Some(path) = all.iter().find(|path| into.contains(*path)) {
                return Err(path.clone());
            }
            into.append(&mut all);
        }
        Ok(())
    }

    fn mismatch(&self, event: &Value, above: &str) -> Option<Mismatch> {
        let field = |(name, field): &(String, Field)| {
            let path = join(above, name);
            let value = event.as_object().and_then(|object| object.get(name));
            match field {
                Field::Leaf(tests) => {
                    let mut leaves = Vec::new();
                    flatten(value, &mut leaves);
                    let holds = tests.iter().any(|test| test.holds(&leaves));
                    (!holds).then(|| Mismatch { path, has: value.map(Value::to_string) })
                }
                Field::Inner(node) => {
                    let mut objects = Vec::new();
                    flatten_objects(value, &mut objects);
                    if objects.is_empty() {
                        return node.mismatch(&Value::Null, &path);
                    }
                    let mut first = None;
                    for object in objects {
                        let mismatch = node.mismatch(object, &path)?;
                        first.get_or_insert(mismatch);
                    }
                    first
                }
            }
        };
        let either = |alternatives: &Vec<Self>| {
            let mut first = None;
            for node in alternatives {
                let mismatch = node.mismatch(event, above)?;
                first.get_or_insert(mismatch);
            }
            first
        };
        self.fields.iter().find_map(field).or_else(|| self.either.iter().find_map(either))
    }
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}

/// The values of a field that are no objects, those of lists within lists included.
fn flatten<'v>(value: Option<&'v Value>, into: &mut Vec<&'v Value>) {
    match value {
        None | Some(Value::Object(_)) => {}
        Some(Value::Array(list)) => list.iter().for_each(|element| flatten(Some(element), into)),
        Some(leaf) => into.push(leaf),
    }
}

fn flatten_objects<'v>(value: Option<&'v Value>, into: &mut Vec<&'v Value>) {
    match value {
        Some(object @ Value::Object(_)) => into.push(object),
        Some(Value::Array(list)) => list.iter().for_each(|element| flatten_objects(Some(element), into)),
        _ => {}
    }
}

impl Test {
    fn holds(&self, leaves: &[&Value]) -> bool {
        match self {
            Self::Exists(exists) => leaves.is_empty() != *exists,
            _ => leaves.iter().any(|leaf| self.holds_of(leaf)),
        }
    }

    fn holds_of(&self, leaf: &Value) -> bool {
        let text = leaf.as_str();
        match self {
            Self::Equals(Value::Number(wanted)) => leaf.as_number().is_some_and(|number| same(number, wanted)),
            Self::Equals(wanted) => leaf == wanted,
            Self::Exists(exists) => *exists,
            Self::Prefix(start) => text.is_some_and(|text| text.starts_with(start)),
            Self::Suffix(end) => text.is_some_and(|text| text.ends_with(end)),
            Self::PrefixIgnoringCase(start) => {
                text.is_some_and(|text| text.to_lowercase().starts_with(&start.to_lowercase()))
            }
            Self::SuffixIgnoringCase(end) => {
                text.is_some_and(|text| text.to_lowercase().ends_with(&end.to_lowercase()))
            }
            Self::EqualsIgnoringCase(wanted) => text.is_some_and(|text| text.to_lowercase() == wanted.to_lowercase()),
            Self::Wildcard(pieces) => text.is_some_and(|text| is_like(pieces, text)),
            Self::AnythingBut(tests) => !tests.iter().any(|test| test.holds_of(leaf)),
            Self::Numeric(all) => leaf.as_f64().is_some_and(|number| all.iter().all(|one| compares(number, *one))),
            Self::Cidr(block, length) => {
                text.and_then(|text| text.parse().ok()).is_some_and(|address| within(address, *block, *length))
            }
        }
    }
}

/// `1` is `1.0`, as for AWS's matcher.
fn same(one: &Number, other: &Number) -> bool {
    one == other || (one.as_f64().is_some() && one.as_f64() == other.as_f64())
}

fn compares(number: f64, (comparison, bound): (Comparison, f64)) -> bool {
    match comparison {
        Comparison::Equal => number == bound,
        Comparison::Less => number < bound,
        Comparison::LessOrEqual => number <= bound,
        Comparison::Greater => number > bound,
        Comparison::GreaterOrEqual => number >= bound,
    }
}

fn within(address: IpAddr, block: IpAddr, length: u8) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(four) => (u128::from(four.to_bits()) << 96, 32_u32),
        IpAddr::V6(six) => (six.to_bits(), 128),
    };
    let ((one, kind), (other, of)) = (bits(address), bits(block));
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or_default();
    kind == of && one & mask == other & mask
}

/// Each text is taken at the first place after the one before it, the last at the end: an earlier match never spoils a later one.
fn is_like(pieces: &[Piece], text: &str) -> bool {
    let mut rest = text;
    let mut anywhere = false;
    for (at, piece) in pieces.iter().enumerate() {
        let Piece::Text(wanted) = piece else {
            anywhere = true;
            continue;
        };
        let last = at + 1 == pieces.len();
        let found = match (anywhere, last) {
            (true, true) => rest.ends_with(wanted.as_str()).then(|| rest.len() - wanted.len()),
            (true, false) => rest.find(wanted.as_str()),
            (false, _) => rest.starts_with(wanted.as_str()).then_some(0),
        };
        let Some(remaining) = found.and_then(|place| rest.get(place + wanted.len()..)) else { return false };
        rest = remaining;
        anywhere = false;
    }
    anywhere || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Value {
        json!({
            "source": "aws.iam", "detail-type": "AWS API Call via CloudTrail", "resources": [], "account": "111122223333",
            "detail": {
                "eventName": "DeactivateMFADevice", "sourceIPAddress": "192.0.2.17", "n": 7, "big": 300.0, "flag": true, "none": null,
                "list": ["a", "b", ["c"]], "things": [{"k": "x", "v": 1}, {"k": "y", "v": 2}],
                "requestParameters": {"userName": "AWS ROOT USER"}
            }
        })
    }

    #[test]
    fn patterns_match_as_eventbridge_matches_them() {
        let event = event();
        for (pattern, matches) in [
            (json!({"source": ["aws.iam"]}), true),
            (json!({"source": ["aws.cloudtrail"]}), false),
            (json!({"source": ["aws.IAM"]}), false),
            (json!({"source": ["aws.s3", "aws.iam"], "detail": {"eventName": ["DeactivateMFADevice"]}}), true),
            (json!({"detail.eventName": ["DeactivateMFADevice"]}), true),
            (json!({"detail": {"eventname": ["DeactivateMFADevice"]}}), false),
            (json!({"resources": ["x"]}), false),
            (json!({"resources": [{"exists": false}]}), true),
            (json!({"resources": [{"anything-but": "x"}]}), false),
            (json!({"detail": {"errorCode": [{"exists": false}]}}), true),
            (json!({"detail": {"errorCode": [{"exists": true}]}}), false),
            (json!({"detail": {"errorCode": [{"anything-but": "AccessDenied"}]}}), false),
            (json!({"detail": {"requestParameters": [{"exists": true}]}}), false),
            (json!({"detail": {"none": [{"exists": true}]}}), true),
            (json!({"detail": {"none": [null]}}), true),
            (json!({"detail": {"none": [""]}}), false),
            (json!({"detail": {"flag": [true]}}), true),
            (json!({"detail": {"flag": ["true"]}}), false),
            (json!({"detail": {"big": [300]}}), true),
            (json!({"detail": {"n": ["7"]}}), false),
            (json!({"detail": {"n": [{"numeric": [">", 5, "<=", 7]}]}}), true),
            (json!({"detail": {"n": [{"numeric": ["<", 7]}]}}), false),
            (json!({"detail": {"eventName": [{"numeric": ["=", 7]}]}}), false),
            (json!({"detail": {"eventName": [{"prefix": "Deactivate"}]}}), true),
            (json!({"detail": {"eventName": [{"prefix": {"equals-ignore-case": "deactivate"}}]}}), true),
            (json!({"detail": {"eventName": [{"suffix": "MFADevice"}]}}), true),
            (json!({"detail": {"eventName": [{"suffix": {"equals-ignore-case": "mfadevice"}}]}}), true),
            (json!({"detail": {"eventName": [{"suffix": "Key"}]}}), false),
            (json!({"detail": {"eventName": [{"equals-ignore-case": "deactivatemfadevice"}]}}), true),
            (json!({"detail": {"eventName": [{"wildcard": "*MFA*"}]}}), true),
            (json!({"detail": {"eventName": [{"wildcard": "De*te*ice"}]}}), true),
            (json!({"detail": {"eventName": [{"wildcard": "De*Devices"}]}}), false),
            (json!({"detail": {"eventName": [{"wildcard": "DeactivateMFADevice\\*"}]}}), false),
            (json!({"detail": {"eventName": [{"anything-but": ["ListUsers", "GetUser"]}]}}), true),
            (json!({"detail": {"eventName": [{"anything-but": {"prefix": "Deactivate"}}]}}), false),
            (json!({"detail": {"eventName": [{"anything-but": {"prefix": ["List", "Get"]}}]}}), true),
            (json!({"detail": {"eventName": [{"anything-but": {"wildcard": "*MFA*"}}]}}), false),
            (
                json!({"detail": {"eventName": [{"anything-but": {"equals-ignore-case": ["deactivatemfadevice"]}}]}}),
                false,
            ),
            (json!({"detail": {"n": [{"anything-but": 7}]}}), false),
            (json!({"detail": {"sourceIPAddress": [{"cidr": "192.0.2.0/24"}]}}), true),
            (json!({"detail": {"sourceIPAddress": [{"cidr": "192.0.2.0/28"}]}}), false),
            (json!({"detail": {"sourceIPAddress": [{"cidr": "0.0.0.0/0"}]}}), true),
            (json!({"detail": {"sourceIPAddress": [{"cidr": "2001:db8::/32"}]}}), false),
            (json!({"detail": {"list": ["c"]}}), true),
            (json!({"detail": {"list": [{"anything-but": "a"}]}}), true),
            (json!({"detail": {"things": {"k": ["x"], "v": [1]}}}), true),
            (json!({"detail": {"things": {"k": ["x"], "v": [2]}}}), false),
            (json!({"detail": {"$or": [{"eventName": ["X"]}, {"n": [7]}]}}), true),
            (json!({"detail": {"$or": [{"eventName": ["X"]}, {"n": [8]}]}}), false),
            (json!({"$or": [{"source": ["aws.iam"]}, {"account": ["1"]}], "detail": {"n": [7]}}), true),
            (json!({"nonesuch": [{"exists": false}]}), true),
            (json!({"source": {"x": [{"exists": false}]}}), true),
        ] {
            let parsed = Pattern::parse(&pattern.to_string()).unwrap_or_else(|why| panic!("{pattern}: {why}"));
            assert_eq!(parsed.matches(&event), matches, "{pattern}");
            assert_eq!(parsed.mismatch(&event).is_none(), matches, "{pattern}");
        }
    }

    #[test]
    fn what_is_not_understood_is_no_pattern() {
        for text in [
            "",
            "[]",
            "{}",
            "7",
            "{\"a\":[]}",
            "{\"a\":{}}",
            "{\"a\":\"b\"}",
            "{\"a\":[[\"b\"]]}",
            "{\"a\":[{\"regex\":\"x\"}]}",
            "{\"a\":[{\"prefix\":7}]}",
            "{\"a\":[{\"exists\":\"true\"}]}",
            "{\"a\":[{\"prefix\":\"x\",\"suffix\":\"y\"}]}",
            "{\"a\":[{\"numeric\":[\">\"]}]}",
            "{\"a\":[{\"numeric\":[\"~\",1]}]}",
            "{\"a\":[{\"cidr\":\"192.0.2.0\"}]}",
            "{\"a\":[{\"cidr\":\"192.0.2.0/33\"}]}",
            "{\"a\":[{\"wildcard\":\"a**\"}]}",
            "{\"a\":[{\"wildcard\":\"a\\\\b\"}]}",
            "{\"a\":[{\"anything-but\":{\"numeric\":[\"=\",1]}}]}",
            "{\"a\":[{\"anything-but\":[]}]}",
            "{\"a\":[{\"anything-but\":[\"x\",1]}]}",
            "{\"$or\":[{\"a\":[1]}]}",
            "{\"$or\":{\"a\":[1]}}",
            "{\"a\":[1],\"$or\":[{\"a\":[2]},{\"b\":[3]}]}",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mismatch_names_the_field() {
        let of = |pattern: Value| Pattern::parse(&pattern.to_string()).unwrap().mismatch(&event()).unwrap();
        let source = of(json!({"source": ["aws.cloudtrail"], "detail": {"eventName": ["DeactivateMFADevice"]}}));
        assert_eq!((source.path.as_str(), source.has.as_deref()), ("source", Some("\"aws.iam\"")));
        let name = of(json!({"detail": {"eventname": ["DeactivateMFADevice"]}}));
        assert_eq!((name.path.as_str(), name.has), ("detail.eventname", None));
    }
}
