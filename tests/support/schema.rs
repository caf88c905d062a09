//! Checks documents against `docs/report.schema.json`. Implements the keywords of JSON Schema (draft 2020-12) that this file uses,
//! and panics at any other. The `jsonschema` crate brings thirty more, whose features compile polars a second time.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use regex::Regex;
use serde_json::{Map, Value};

/// The schema.
pub(crate) static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../docs/report.schema.json")).expect("JSON"));

/// Panics unless a report conforms to the schema.
pub(crate) fn hold(report: &Value) {
    let faults = faults(&SCHEMA, report);
    assert!(faults.is_empty(), "report.json does not conform to its schema:\n{}", faults.join("\n"));
}

/// Where a value does not conform to a part of the schema: a path and a sentence each.
pub(crate) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let rules = schema.as_object().expect("a schema is an object");
    rules.iter().flat_map(|(keyword, rule)| broken(rules, keyword, rule, value)).collect()
}

/// The faults by one keyword; `rules` are its schema.
fn broken(rules: &Map<String, Value>, keyword: &str, rule: &Value, value: &Value) -> Vec<String> {
    let wrong = |is_right: bool, what: &str| match is_right {
        true => Vec::new(),
        false => vec![format!(": it {what} {rule}: {}", value.to_string().chars().take(80).collect::<String>())],
    };
    match keyword {
        // Beside `pattern`, a format is for readers.
        "$schema" | "$id" | "$defs" | "title" | "description" | "unit" | "format" => Vec::new(),
        "$ref" => faults(definition(rule), value),
        "anyOf" => nearest(list(rule).iter().map(|one| faults(one, value)).collect()),
        "const" => wrong(value == rule, "is not"),
        "enum" => wrong(list(rule).contains(value), "is none of"),
        "type" => {
            let is = |name: &Value| is_of(value, name.as_str().expect("a type's name"));
            wrong(rule.as_array().map_or_else(|| is(rule), |names| names.iter().any(is)), "is no")
        }
        "minimum" => wrong(value.as_f64().is_none_or(|value| value >= number(rule)), "is below"),
        "pattern" => wrong(value.as_str().is_none_or(|text| matches(rule, text)), "does not match"),
        "minItems" => {
            wrong(value.as_array().is_none_or(|all| all.len() as f64 >= number(rule)), "has fewer items than")
        }
        "maxItems" => wrong(value.as_array().is_none_or(|all| all.len() as f64 <= number(rule)), "has more items than"),
        "items" => {
            let items = value.as_array().into_iter().flatten().enumerate();
            items.flat_map(|(at, item)| within(&format!("[{at}]"), faults(rule, item))).collect()
        }
        "required" => {
            let lacking = |name: &&Value| {
                value.as_object().is_some_and(|fields| !fields.contains_key(name.as_str().expect("a name")))
            };
            list(rule).iter().filter(lacking).map(|name| format!(": it lacks {name}")).collect()
        }
        "properties" => {
            let of = |name: &String| rule.get(name);
            let known = fields(value).filter_map(|(name, field)| Some((name, field, of(name)?)));
            known.flat_map(|(name, field, rule)| within(&format!(".{name}"), faults(rule, field))).collect()
        }
        "additionalProperties" => {
            assert_eq!(rule, &Value::Bool(false), "this alone is understood");
            let known = |name: &str| rules.get("properties").is_some_and(|known| known.get(name).is_some());
            fields(value).filter(|(name, _)| !known(name)).map(|(name, _)| format!(".{name}: it is unknown")).collect()
        }
        _ => panic!("`{keyword}`: tests/support/schema.rs does not know this keyword"),
    }
}

/// The faults of the alternative that comes nearest: none where one holds, else those of one of the value's type, which lie
/// deepest.
fn nearest(alternatives: Vec<Vec<String>>) -> Vec<String> {
    let nearness = |faults: &Vec<String>| {
        let depth = |fault: &String| fault.split(": ").next().unwrap_or_default().len();
        let is_of_type = !faults.iter().any(|fault| fault.starts_with(": it is no "));
        (faults.is_empty(), is_of_type, faults.iter().map(depth).max())
    };
    alternatives.into_iter().max_by_key(nearness).expect("`anyOf` has alternatives")
}

fn within(step: &str, faults: Vec<String>) -> Vec<String> {
    faults.into_iter().map(|fault| format!("{step}{fault}")).collect()
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn definition(reference: &Value) -> &'static Value {
    let path = reference.as_str().and_then(|text| text.strip_prefix('#')).expect("a reference within the schema");
    SCHEMA.pointer(path).unwrap_or_else(|| panic!("`{path}` is not in the schema"))
}

fn list(rule: &Value) -> &Vec<Value> {
    rule.as_array().expect("a list")
}

fn number(rule: &Value) -> f64 {
    rule.as_f64().expect("a number")
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|value| value.fract() == 0.0),
        _ => panic!("`{name}` is no type of JSON Schema"),
    }
}

fn matches(pattern: &Value, text: &str) -> bool {
    static COMPILED: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let pattern = pattern.as_str().expect("a pattern");
    let mut compiled = COMPILED.lock().expect("no test panics here");
    let regex = compiled.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).expect("a pattern"));
    regex.is_match(text)
}
