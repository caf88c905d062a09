//! Where a search found nothing: which names there are, for who has misspelt one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::say;
use crate::app::UnknownName;
use crate::arn;
use crate::cloudtrail::Record;
use crate::escape::terminal as terminal_text;
use crate::names::Pattern;
use crate::pipeline::{self, Options, Scanned, Visitor};
use crate::search::filter::By;
use crate::source::{ObjectRef, Selection, Source};

/// What is looked at once more at most, inflated: about a second's work.
const MOST_BYTES: u64 = 256 << 20;

/// Objects of a bucket are fetched once more, and paid for: fewer of them.
const MOST_OBJECTS: u64 = 200;

/// How many names of a kind are kept: more are no help.
const MOST_NAMES: usize = 100_000;

/// The kinds of names that records tell, and where they are.
const KINDS: [(By, &[&[&str]]); 5] = [
    (By::EventName, &[&["eventName"]]),
    (By::EventSource, &[&["eventSource"]]),
    (By::User, &[&["userIdentity", "userName"], &["userIdentity", "arn"], &["requestParameters", "userName"]]),
    (
        By::Role,
        &[
            &["userIdentity", "sessionContext", "sessionIssuer", "userName"],
            &["requestParameters", "roleArn"],
            &["requestParameters", "roleName"],
        ],
    ),
    (By::Error, &[&["errorCode"]]),
];

/// The names that were seen, by what is filtered by.
#[derive(Debug, Default)]
struct Seen(BTreeMap<By, BTreeSet<String>>);

impl Visitor for Seen {
    fn record(&mut self, _object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
        for (by, paths) in KINDS {
            let names = self.0.entry(by).or_default();
            // Of an ARN the name at its end.
            let texts = paths.iter().filter_map(|path| record.text(path));
            for name in texts.map(arn::name) {
                if names.len() < MOST_NAMES && !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        }
    }

    fn merge(&mut self, other: Self) {
        for (by, names) in other.0 {
            self.0.entry(by).or_default().extend(names);
        }
    }
}

/// Looks at the records once more, if they are not many, and says which of the names asked for none of them has.
pub(super) fn hint(
    asked: &[(By, &[String])],
    sources: &[Source],
    selection: &Selection,
    options: &Options<'_>,
    scanned: &Scanned,
) {
    let asked = || asked.iter().filter(|(by, values)| !values.is_empty() && KINDS.iter().any(|(kind, _)| kind == by));
    let bucket = sources.iter().any(|source| matches!(source, Source::S3 { .. }));
    let much = scanned.coverage.bytes_raw > MOST_BYTES || (bucket && scanned.coverage.objects_read > MOST_OBJECTS);
    if asked().next().is_none() || sources.contains(&Source::Stdin) || much {
        return;
    }
    let options = Options { only: None, progress: Arc::default(), ..options.clone() };
    // What cannot be read was named by the search itself.
    let Ok((Seen(seen), _)) = pipeline::scan(sources, selection, &options, &Seen::default) else { return };
    for (by, values) in asked() {
        let Some(names) = seen.get(by) else { continue };
        for value in values.iter().filter(|value| !value.contains(':') && !is_word(*by, value)) {
            let wanted = Pattern::new(value);
            let service = Pattern::new(&format!("{value}.amazonaws.com"));
            if !names.iter().any(|name| wanted.matches(name) || service.matches(name)) {
                say_unknown(
                    "no record in range",
                    &UnknownName::new(by.flag(), value, names.iter().map(String::as_str)),
                );
            }
        }
    }
}

/// Values that stand for more than a name.
fn is_word(by: By, value: &str) -> bool {
    match by {
        By::User => value.eq_ignore_ascii_case("root"),
        By::Error => matches!(value, "any" | "none"),
        _ => false,
    }
}

/// Says that nothing has a name that was asked for, and which may be meant.
pub(super) fn say_unknown(nothing: &str, name: &UnknownName) {
    let UnknownName { flag, value, near } = name;
    let near: Vec<String> = near.iter().map(|name| terminal_text(name)).collect();
    let hint = if near.is_empty() { String::new() } else { format!("\n  hint: did you mean {}?", near.join(" or ")) };
    say(&format!("warning: {nothing} has `{flag}` `{}`{hint}", terminal_text(value)));
}
