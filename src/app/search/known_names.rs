//! Which names records have: where a search finds nothing, a name may be misspelt.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::app::{Archive, UnknownName};
use crate::arn;
use crate::cloudtrail::Record;
use crate::names::Pattern;
use crate::pipeline::{self, Options, Scanned, Visitor};
use crate::search::filter::By;
use crate::source::{ObjectRef, Selection, Source};

/// At most so many inflated bytes are read once more: about a second's work.
const MOST_BYTES: u64 = 256 << 20;

/// At most so many objects of a bucket, which are downloaded and paid for once more.
const MOST_OBJECTS: u64 = 200;

/// At most so many names of a kind: more are no help.
const MOST_NAMES: usize = 100_000;

/// Filters that compare with names, and the fields that have them.
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

/// Names in records, by the filter that compares with them.
#[derive(Debug, Default)]
struct KnownNames(BTreeMap<By, BTreeSet<String>>);

impl Visitor for KnownNames {
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

/// Names that were searched for and that no record in range has.
pub(super) fn unknown(
    asked: &[(By, Vec<String>)],
    archive: &Archive,
    selection: &Selection,
    scanned: &Scanned,
) -> Vec<UnknownName> {
    let Archive { sources, options } = archive;
    let asked = || asked.iter().filter(|(by, values)| !values.is_empty() && KINDS.iter().any(|(kind, _)| kind == by));
    let bucket = sources.iter().any(|source| matches!(source, Source::S3 { .. }));
    let much = scanned.coverage.bytes_raw > MOST_BYTES || (bucket && scanned.coverage.objects_read > MOST_OBJECTS);
    if asked().next().is_none() || sources.contains(&Source::Stdin) || much {
        return Vec::new();
    }
    let options = Options { only: None, progress: Arc::default(), ..options.clone() };
    // What cannot be read was named by the search itself.
    let Ok((KnownNames(known), _)) = pipeline::scan(sources, selection, &options, &KnownNames::default) else {
        return Vec::new();
    };
    let mut unknown = Vec::new();
    for (by, values) in asked() {
        let Some(names) = known.get(by) else { continue };
        for value in values.iter().filter(|value| !value.contains(':') && !is_word(*by, value)) {
            let wanted = Pattern::new(value);
            let service = Pattern::new(&format!("{value}.amazonaws.com"));
            if !names.iter().any(|name| wanted.matches(name) || service.matches(name)) {
                unknown.push(UnknownName::new(by.flag(), value, names.iter().map(String::as_str)));
            }
        }
    }
    unknown
}

/// Values that stand for more than a name.
fn is_word(by: By, value: &str) -> bool {
    match by {
        By::User => value.eq_ignore_ascii_case("root"),
        By::Error => matches!(value, "any" | "none"),
        _ => false,
    }
}
