//! Finding the records that a search wants without parsing the rest.
//!
//! One record in fifty thousand matters, and a full parse costs three times what inflating does. So the bytes are searched
//! for what every wanted record has (event names, or literals: [`super::needles`]), and only what may be such a record
//! is cut out and parsed; the parsed record alone decides. The result is that of a full parse and a filter. What makes it
//! so:
//!
//! - Only the ordinary document takes this way: one that begins `{"Records":[` and ends `]}`, white space aside. Every
//!   other one is parsed in full.
//! - A name, its quotes, the key `eventName`, a literal can be written with escapes (`\u0044eactivate…`). A document with any
//!   `\u00XX` that could stand for a character of these is parsed in full. Names with characters that have other escapes
//!   are not searched for, and of a literal only a part without them; if there is none, all documents are parsed in full.
//! - A find of a name is dropped only for what holds wherever it stands: its string is not exactly a wanted name, or its
//!   key is not `eventName`. A string inside a string may be a record in a wrapping, and is kept. A find of a literal is
//!   kept wherever it stands.
//! - What is kept is cut out as an element of the one list, which is walked from its beginning to its end, by
//!   the brackets of its elements ([`super::walk`]); its end must be the document's. If the cut is no sound JSON, or an unusable
//!   record, the whole document is parsed and judged.
//!
//! **The limit.** Between a sound beginning and a sound end, JSON that is damaged where nothing was found is not seen, nor
//! is a record without a time. The checksum of gzip stands for the bytes; whoever needs every record looked at, as a
//! report does, walks the document instead.

use std::ops::Range;

use super::{
    container::{Contents, Reader, Visit, WHOLE, all_usable, for_each_record},
    error::ContainerError,
    masks::dispatch,
    needles::{Literals, Names, trim_end, trim_start},
    record::Record,
    scratch::Scratch,
    walk::Elements,
};

/// What a search wants.
pub struct Query {
    clue: Clue,
    wants: Box<Wants>,
}

/// Whether a record is wanted.
pub type Wants = dyn Fn(&Record<'_, '_>) -> bool + Send + Sync;

/// What every wanted record has, so that the bytes can be searched for it.
#[derive(Debug, Clone)]
pub enum Clue {
    /// One of these event names.
    Names(Names),
    /// One of these literals.
    Literals(Literals),
    /// Nothing that could be searched for: everything is parsed.
    None,
}

impl Query {
    /// The clue must hold for all that is wanted; what is wanted need not be all that it holds for.
    #[must_use]
    pub fn new(clue: Clue, wants: Box<Wants>) -> Self {
        Self { clue, wants }
    }

    /// Records of these names.
    #[must_use]
    pub fn named(names: &Names) -> Self {
        let wanted = names.clone();
        Self::new(Clue::Names(names.clone()), Box::new(move |record| wanted.contains(record.name)))
    }

    fn finds(&self, text: &[u8]) -> Option<Vec<usize>> {
        match &self.clue {
            Clue::Names(names) => names.finds(text),
            Clue::Literals(literals) => literals.finds(text),
            Clue::None => None,
        }
    }
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query").field("clue", &self.clue).finish_non_exhaustive()
    }
}

/// Hands every record that is wanted to `visit`, in the order of the object: those of [`for_each_record`] that the query
/// takes. The index is the record's place among those looked at, which rises.
///
/// The counts of the result are of what was looked at: of an ordinary object the candidates alone.
///
/// # Errors
/// As [`for_each_record`], where the object has to be parsed in full; `visit` was not called then.
pub fn search(
    bytes: &[u8],
    query: &Query,
    scratch: &mut Scratch,
    visit: Visit<'_>,
) -> Result<Contents, ContainerError> {
    if let Some(contents) = candidates(bytes, query, scratch, visit) {
        return Ok(contents);
    }
    for_each_record(bytes, scratch, &mut |index, record| match record {
        Ok(record) if !(query.wants)(&record) => {}
        record => visit(index, record),
    })
}

/// The fast way; `None` where it cannot be sure.
fn candidates(text: &[u8], query: &Query, scratch: &mut Scratch, visit: Visit<'_>) -> Option<Contents> {
    let list = ordinary(text)?;
    let finds = query.finds(text)?;
    let Scratch { outer, nested, joined, .. } = scratch;
    if finds.is_empty() {
        return Some(Contents { documents: 1, ..Contents::default() });
    }
    join(text, list, &finds, joined)?;
    if joined.len() > WHOLE {
        return None;
    }
    outer.parse(joined, |root, origin| {
        let elements = root.as_array()?;
        if !all_usable(nested, &elements, origin) {
            return None;
        }
        let mut visit = |index, record: Result<Record<'_, '_>, _>| {
            if record.as_ref().is_ok_and(|record| (query.wants)(record)) {
                visit(index, record);
            }
        };
        let mut reader = Reader::new(nested, &mut visit);
        elements.iter().for_each(|element| reader.element(element, origin, true));
        Some(Contents { documents: 1, ..reader.contents })
    })?
}

/// Where the list of an ordinary document begins: its bracket's position.
pub(super) fn ordinary(text: &[u8]) -> Option<usize> {
    if !trim_end(trim_end(text).strip_suffix(b"}")?).ends_with(b"]") {
        return None;
    }
    let list = trim_start(trim_start(text).strip_prefix(b"{")?).strip_prefix(b"\"Records\"")?;
    let list = trim_start(trim_start(list).strip_prefix(b":")?);
    list.starts_with(b"[").then_some(text.len() - list.len())
}

/// Puts the elements with finds together to a list of their own; `None` where the list at `list` is not the document's
/// last value.
fn join(text: &[u8], list: usize, finds: &[usize], joined: &mut Vec<u8>) -> Option<()> {
    joined.clear();
    joined.push(b'[');
    let mut finds = finds.iter().copied().peekable();
    let each = |element: Range<usize>| {
        let mut wanted = false;
        while let Some(find) = finds.next_if(|find| *find < element.end) {
            wanted |= find >= element.start;
        }
        if wanted {
            if joined.len() > 1 {
                joined.push(b',');
            }
            joined.extend_from_slice(text.get(element).unwrap_or_default());
        }
    };
    dispatch(Elements { text, list, each })?;
    joined.push(b']');
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::scratch::replace_lone_surrogates;
    use super::*;

    const WANTED: [&str; 4] = ["DeactivateMFADevice", "CreateUser", "CreateUserX", "ConsoleLogin"];

    /// Those of them that share a part, for which that is searched; for the others, the key is.
    const SHARING: &[&str] = &[WANTED[1], WANTED[2]];

    /// What a search gave: the records' texts, or the error.
    type IdentitySpans = Result<Vec<String>, ContainerError>;

    fn found(text: &[u8], names: &Names) -> IdentitySpans {
        let mut found = Vec::new();
        let mut last = None;
        search(text, &Query::named(names), &mut Scratch::default(), &mut |index, record| {
            assert!(last < Some(index), "indices rise");
            last = Some(index);
            if let Ok(record) = record {
                found.push(raw(&record));
            }
        })
        .map(|_contents| found)
    }

    fn plain(text: &[u8], names: &Names) -> IdentitySpans {
        let mut found = Vec::new();
        for_each_record(text, &mut Scratch::default(), &mut |_index, record| {
            if let Ok(record) = record
                && names.contains(record.name)
            {
                found.push(raw(&record));
            }
        })
        .map(|_contents| found)
    }

    /// The record's own text, which must say the same as the record.
    fn raw(record: &Record<'_, '_>) -> String {
        let raw = std::str::from_utf8(record.raw().expect("it was read from an object")).unwrap();
        let mut copy = raw.as_bytes().to_vec();
        replace_lone_surrogates(&mut copy);
        let value = simd_json::to_tape(&mut copy).expect("its text is one JSON value");
        let again = Record::new(value.as_value()).expect("and a record");
        assert_eq!((again.name, again.source, again.time), (record.name, record.source, record.time));
        assert_eq!(again.id(), record.id());
        raw.to_owned()
    }

    fn took_the_fast_way(text: &str, names: &Names) -> bool {
        candidates(text.as_bytes(), &Query::named(names), &mut Scratch::default(), &mut |_, _| {}).is_some()
    }

    fn record(name: &str, more: &str) -> String {
        format!(
            r#"{{"eventVersion":"1.11","eventTime":"2026-10-01T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"{name}"{more}}}"#
        )
    }

    fn document(records: &[String]) -> String {
        format!(r#"{{"Records":[{}]}}"#, records.join(","))
    }

    /// A text, and whether it can take the fast way.
    fn agrees(text: &str, fast: bool, count: usize) {
        for wanted in [&WANTED, SHARING] {
            let names = Names::new(wanted);
            assert_eq!(took_the_fast_way(text, &names), fast, "{text}");
            let plain = plain(text.as_bytes(), &names);
            assert_eq!(found(text.as_bytes(), &names), plain, "{text}");
            assert_eq!(plain.unwrap().len(), count, "{text}");
        }
    }

    #[test]
    fn ordinary_documents_take_the_fast_way() {
        let hit = record("CreateUser", "");
        let other = record("GetUser", r#","requestParameters":{"a":"}]{["}"#);
        agrees(&document(&[]), true, 0);
        agrees(&document(&[other.clone(), other.clone()]), true, 0);
        agrees(&document(&[other.clone(), hit.clone(), other.clone(), hit.clone()]), true, 2);
        agrees(
            &format!(
                " {}\n",
                document(std::slice::from_ref(&hit)).replace(':', " :\n").replace("10 :\n00 :\n00", "10:00:00")
            ),
            true,
            1,
        );
        // The key behind the name, and a name that begins with another.
        agrees(
            &document(&[r#"{"eventName":"CreateUserX","eventTime":"2026-10-01T10:00:00Z","eventSource":"x"}"#.into()]),
            true,
            1,
        );
        // Harmless escapes.
        agrees(
            &document(&[record("CreateUser", r#","userAgent":"\u003cb\u003e \u0026 \u00e9 \u000a \" \\ \/""#)]),
            true,
            1,
        );
    }

    #[test]
    fn names_elsewhere_are_no_finds() {
        for more in [
            r#","requestParameters":{"eventName":"CreateUser"}"#,
            r#","requestParameters":{"name":"CreateUser","CreateUser":"CreateUser"}"#,
            r#","requestParameters":["CreateUser",{"eventName":["CreateUser"]}]"#,
            r#","userAgent":"\"eventName\":\"CreateUser\"""#,
            r#","userAgent":"{\"eventName\":\"CreateUser\",\"eventTime\":\"2026-10-01T10:00:00Z\",\"eventSource\":\"x\"}""#,
            r#","requestParameters":{"records":[{"eventVersion":"1.11","eventTime":"2026-10-01T10:00:00Z","eventSource":"x","eventName":"CreateUser"},{"eventVersion":"1","eventTime":"2026-10-01T10:00:00Z","eventSource":"x","eventName":"CreateUser"}]}"#,
        ] {
            agrees(&document(&[record("GetUser", more), record("GetUser", more)]), true, 0);
            agrees(&document(&[record("GetUser", more), record("CreateUser", more)]), true, 1);
        }
    }

    #[test]
    fn what_is_not_ordinary_is_parsed_in_full() {
        let hit = record("CreateUser", "");
        let quoted = serde_json::to_string(&hit).unwrap();
        // Escapes in the name, the key, and in a string that is a record.
        agrees(&document(&[hit.replace("CreateUser", r"\u0043reateUser")]), false, 1);
        agrees(&document(&[hit.replace("CreateUser", r"Cre\u0061teUser")]), false, 1);
        agrees(&document(&[hit.replace("eventName", r"event\u004eame")]), false, 1);
        agrees(&document(&[format!(r#"{{"CloudTrailEvent":{}}}"#, quoted.replace("\\\"", r"\u0022"))]), false, 1);
        agrees(
            &document(&[format!(r#"{{"CloudTrailEvent":{}}}"#, quoted.replace("Create", r"\\u0043reate"))]),
            false,
            1,
        );
        // Other containers.
        agrees(&format!("\u{feff}{}", document(std::slice::from_ref(&hit))), false, 1);
        agrees(&format!("[{hit}]"), false, 1);
        agrees(&format!("{hit}\n{hit}"), false, 2);
        agrees(&format!(r#"{{"Events":[{{"CloudTrailEvent":{quoted}}}]}}"#), false, 1);
        agrees(&format!("{}{}", document(std::slice::from_ref(&hit)), document(std::slice::from_ref(&hit))), false, 2);
        agrees(&format!(r#"{{"Records":[{hit}],"next":["a"]}}"#), false, 1);
        agrees(&format!(r#"{{"Records":[],"Other":[{hit}]}}"#), false, 0);
        agrees(&format!(r#"{{"Records":[{hit}],"eventID":["a"]}}"#), false, 0);
        // In the list, but wrapped, or no record.
        agrees(&document(&[format!(r#"{{"detail":{hit}}}"#)]), true, 1);
        agrees(&document(&[format!(r#"{{"CloudTrailEvent":{quoted}}}"#), hit.clone()]), true, 2);
        agrees(&document(&[quoted.clone(), hit.clone()]), true, 2);
        agrees(&document(&[format!(r#"{{"message":{hit}}}"#), record("GetUser", "")]), true, 1);
        let list = serde_json::to_string(&format!("[{hit},{},{hit}]", record("GetUser", ""))).unwrap();
        agrees(&document(&[format!(r#"{{"message":{list}}}"#), hit.clone()]), true, 3);
        let inner = serde_json::to_string(&document(&[hit.clone(), hit.clone()])).unwrap();
        agrees(&document(&[format!(r#"{{"message":{inner}}}"#), hit.clone()]), true, 3);
        agrees(&document(&[format!("[{hit}]"), hit.clone()]), false, 1);
        agrees(&document(&[hit.replace("eventTime", "time"), hit.clone()]), false, 1);
        agrees(&document(&[hit.replace("}", r#","a":1e999}"#), hit.clone()]), false, 1);
        agrees(&document(&[record("GetUser", r#","a":1e999"#), hit.clone()]), true, 1);
    }

    #[test]
    fn damage_is_named_where_a_find_or_an_end_is() {
        for wanted in [&WANTED, SHARING] {
            let names = Names::new(wanted);
            let (hit, other) = (record("CreateUser", ""), record("GetUser", ""));
            let whole = document(&[other.clone(), hit.clone(), other.clone()]);
            for cut in 1..whole.len() {
                let text = &whole.as_bytes()[..cut];
                assert!(found(text, &names).is_err());
                assert_eq!(found(text, &names), plain(text, &names), "{cut}");
            }
            let damaged = document(&[hit.replace(":\"CreateUser", "::\"CreateUser"), other.clone()]);
            let damaged_name = damaged.replace("::\"CreateUser\"", ":\"CreateUser\"\"");
            assert!(found(damaged_name.as_bytes(), &names).is_err());
            // The limit: nothing looks between the records.
            let unseen = document(&[hit, other.replace("\"eventTime\":", "")]);
            assert!(plain(unseen.as_bytes(), &names).is_err());
            assert_eq!(found(unseen.as_bytes(), &names).unwrap().len(), 1);
        }
    }

    #[test]
    fn names_with_escapes_of_their_own_are_parsed_for() {
        let text = document(&[record(r"a\/b", ""), record("a", ""), record("GetUser", "")]);
        for (name, fast) in [("a/b", false), ("a", true), ("GetUser", true), ("ä", false), ("", false)] {
            let names = Names::new([name]);
            assert_eq!(took_the_fast_way(&text, &names), fast, "{name}");
            assert_eq!(found(text.as_bytes(), &names), plain(text.as_bytes(), &names));
        }
        let many = Names::new((0..500).map(|number| format!("Event{number}")));
        let text = document(&(490..510).map(|number| record(&format!("Event{number}"), "")).collect::<Vec<_>>());
        assert!(took_the_fast_way(&text, &many));
        assert_eq!(found(text.as_bytes(), &many).unwrap().len(), 10);
        assert_eq!(found(text.as_bytes(), &many), plain(text.as_bytes(), &many));
    }

    /// Spells some characters of a JSON string's contents as escapes.
    fn escaped(text: &str, every: usize) -> String {
        let spell = |(at, c): (usize, char)| {
            if every > 0 && at % every == 0 && c.is_ascii_alphanumeric() {
                format!("\\u{:04x}", u32::from(c))
            } else {
                c.to_string()
            }
        };
        text.chars().enumerate().map(spell).collect()
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => prop::sample::select(WANTED.to_vec()).prop_map(str::to_owned),
            3 => prop::sample::select(vec!["GetUser", "CreateUse", "xCreateUser", "CreateUser ", "createuser", "MFADevice", ""]).prop_map(str::to_owned),
            1 => (prop::sample::select(WANTED.to_vec()), 1_usize..6).prop_map(|(name, every)| escaped(name, every)),
        ]
    }

    fn space() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["", "", "", "", " ", "\n  ", "\t", "\r\n"])
    }

    /// A member of a record: key and value, as JSON.
    fn member() -> impl Strategy<Value = (String, String)> {
        let value = (name(), 0_u8..7).prop_map(|(name, kind)| {
            let quoted = |text: &str| serde_json::to_string(text).unwrap();
            match kind {
                0 => format!("\"{name}\""),
                1 => format!("{{\"eventName\":\"{name}\"}}"),
                2 => format!("[\"{name}\",{{\"eventName\" : \"{name}\"}},[]]"),
                3 => quoted(&format!("{{\"eventName\":\"{name}\"}}")),
                4 => format!("[{},{}]", record(&name, ""), record(&name, "")),
                5 => quoted(&record(&name, "")),
                _ => record(&name, ""),
            }
        });
        let key = prop_oneof![
            6 => prop::sample::select(vec!["a", "userAgent", "requestParameters", "b}", "c\\\"{", "\\\\"]).prop_map(str::to_owned),
            1 => prop::sample::select(vec!["eventName", "detail", "event", "CloudTrailEvent", "message", "Records", "event\\u004eame", "x\\\"eventName", "\\u003c"]).prop_map(str::to_owned),
        ];
        (key, value)
    }

    fn element() -> impl Strategy<Value = String> {
        let envelope = (name(), 0_u8..40).prop_map(|(name, odd)| {
            let mut members = vec![
                ("eventVersion".to_owned(), "\"1.11\"".to_owned()),
                ("eventTime".to_owned(), "\"2026-10-01T10:00:00Z\"".to_owned()),
                ("eventSource".to_owned(), "\"iam.amazonaws.com\"".to_owned()),
                ("eventName".to_owned(), format!("\"{name}\"")),
            ];
            match odd {
                0 => drop(members.remove(1)),
                1 => members.push(("eventType".to_owned(), "\"AwsCloudTrailInsight\"".to_owned())),
                2 => members.push(("n".to_owned(), "1e999".to_owned())),
                3 => members.push(("n".to_owned(), "\"\\ud800\"".to_owned())),
                4..7 => drop(members.drain(..)),
                _ => {}
            }
            members
        });
        (envelope, prop::collection::vec(member(), 0..4), any::<u64>(), space(), space(), space()).prop_map(
            |(mut members, more, shuffle, before, between, after)| {
                members.extend(more);
                let length = members.len().max(1);
                members.rotate_left(usize::try_from(shuffle % 7).unwrap() % length);
                if shuffle % 3 == 0 {
                    members.reverse();
                }
                let members: Vec<String> =
                    members.iter().map(|(key, value)| format!("\"{key}\"{before}:{between}{value}")).collect();
                let object = format!("{{{after}{}{before}}}", members.join(&format!("{after},{between}")));
                match shuffle % 41 {
                    0 => format!("{{\"detail\":{object}}}"),
                    1 => format!("{{\"CloudTrailEvent\":{}}}", serde_json::to_string(&object).unwrap()),
                    2 => format!("[{object}]"),
                    3 => "\"CreateUser\"".to_owned(),
                    _ => object,
                }
            },
        )
    }

    fn any_document() -> impl Strategy<Value = String> {
        (prop::collection::vec(element(), 0..6), 0_u8..30, space(), space(), space()).prop_map(
            |(elements, container, before, between, after)| {
                let list = elements.join(&format!("{before},{after}"));
                let whole =
                    format!("{before}{{{between}\"Records\"{after}:{before}[{after}{list}{between}]{after}}}{between}");
                match container {
                    0 => elements.join("\n"),
                    1 => format!("[{list}]"),
                    2 => format!("\u{feff}{whole}"),
                    3 => format!("{whole}{whole}"),
                    4 => format!("{{\"Records\":[{list}],\"eventID\":[]}}"),
                    5 => format!("{{\"Records\":[{list}],\"Records\":[{list}]}}"),
                    6 => format!("{{\"Records\":[],\"Events\":[{list}]}}"),
                    7 => format!("{{\"events\":[{list}]}}"),
                    8 => format!("{{\"x\":[{list}],\"Records\":[{list}]}}"),
                    9 => format!("{{\"Records\":{{\"Records\":[{list}]}}}}"),
                    10 => format!("{{\"Records\":[[{list}]]}}"),
                    11 => format!("{{\"\\u0052ecords\":[{list}]}}"),
                    _ => whole,
                }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 6000, ..ProptestConfig::default() })]
        #[test]
        fn the_finds_are_those_of_a_full_parse(text in any_document()) {
            for wanted in [&WANTED, SHARING] {
                let names = Names::new(wanted);
                prop_assert_eq!(found(text.as_bytes(), &names), plain(text.as_bytes(), &names));
            }
        }

        /// Of what a full parse can read, mutated or not; what it calls damaged may be seen so or not.
        #[test]
        fn so_they_are_in_mutated_documents(
            text in any_document(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..4), 1..4),
        ) {
            let mut bytes = text.into_bytes();
            for (at, other, kind) in changes {
                if bytes.is_empty() { break; }
                let (at, other) = (at.index(bytes.len()), other.index(bytes.len()));
                match kind {
                    0 => bytes[at] = bytes[other],
                    1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, b"\"\\{}[]:, u0"[other % 11]),
                    _ => bytes.swap(at, other),
                }
            }
            for wanted in [&WANTED, SHARING] {
                let names = Names::new(wanted);
                let (found, plain) = (found(&bytes, &names), plain(&bytes, &names));
                if plain.is_ok() || found.is_err() {
                    prop_assert_eq!(found, plain);
                }
            }
        }
    }
}
