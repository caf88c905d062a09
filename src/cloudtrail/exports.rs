//! Exports in which records are JSON within something else: lines of CloudWatch Logs with a time in front, and CSV of CloudTrail Lake.

use super::error::ContainerError;

/// The column of CloudTrail Lake that has a record as CloudTrail writes it.
pub(super) const EVENT: &str = "eventJson";

/// The JSON of an export; `None` for anything else.
pub(super) fn json(text: &[u8]) -> Option<Result<Vec<u8>, ContainerError>> {
    match text.first()? {
        b'0'..=b'9' => lines(text).map(Ok),
        first if first.is_ascii_alphabetic() || *first == b'"' => lake(text),
        _ => None,
    }
}

/// Blanks the times of an export task's lines, so that every other byte stays where it is. A line without one continues the message
/// before.
fn lines(text: &[u8]) -> Option<Vec<u8>> {
    let first = time(text)?;
    text.get(first..)?.trim_ascii_start().starts_with(b"{").then_some(())?;
    let mut json = Vec::new();
    json.try_reserve_exact(text.len()).ok()?;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let length = time(line).unwrap_or_default();
        json.resize(json.len() + length, b' ');
        json.extend_from_slice(line.get(length..).unwrap_or_default());
    }
    Some(json)
}

/// How long the time at the beginning of a line is: `2026-10-06T09:00:00.000Z`, or milliseconds since 1970.
fn time(line: &[u8]) -> Option<usize> {
    let end = line.iter().take(40).position(|byte| matches!(byte, b' ' | b'\t'))?;
    let word = std::str::from_utf8(line.get(..end)?).ok()?;
    let is_number = word.len() == 13 && word.bytes().all(|byte| byte.is_ascii_digit());
    (is_number || chrono::DateTime::parse_from_rfc3339(word).is_ok()).then_some(end)
}

/// The records of query results, one a line.
fn lake(text: &[u8]) -> Option<Result<Vec<u8>, ContainerError>> {
    let line = text.split(|byte| *byte == b'\n').next()?;
    let mut header = Cells { rest: line, line: 1 };
    let mut names = Vec::new();
    while let Ok(Some((cell, _))) = header.next() {
        names.push(String::from_utf8(cell).ok()?);
    }
    // Any CSV has a header; this one has a column that is CloudTrail's in every query that can be read or refused.
    let known = |name: &String| {
        ["eventid", "eventname", "eventtime", "eventjson"].iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    if !names.iter().any(known) {
        return None;
    }
    let Some(column) = names.iter().position(|name| name.eq_ignore_ascii_case(EVENT)) else {
        return Some(Err(ContainerError::NoEvents));
    };
    Some(records(text.get(line.len() + 1..).unwrap_or_default(), column))
}

fn records(text: &[u8], column: usize) -> Result<Vec<u8>, ContainerError> {
    let mut cells = Cells { rest: text, line: 2 };
    let mut json = Vec::new();
    json.try_reserve(text.len()).map_err(|_none| ContainerError::NoMemory(text.len()))?;
    let mut at = 0;
    while let Some((cell, is_last)) = cells.next()? {
        if at == column {
            // A row without its event is a record that cannot be used.
            json.extend_from_slice(if cell.is_empty() { b"{}" } else { &cell });
            json.push(b'\n');
        }
        at = if is_last { 0 } else { at + 1 };
    }
    Ok(json)
}

/// The cells of a CSV text, by RFC 4180.
struct Cells<'t> {
    rest: &'t [u8],
    line: usize,
}

impl Cells<'_> {
    /// The next cell, and whether it is the last of its row.
    fn next(&mut self) -> Result<Option<(Vec<u8>, bool)>, ContainerError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let cell = match self.rest.strip_prefix(b"\"") {
            Some(inner) => self.quoted(inner)?,
            None => {
                let end = self.rest.iter().position(|byte| matches!(byte, b',' | b'\n')).unwrap_or(self.rest.len());
                let (cell, rest) = self.rest.split_at(end);
                self.rest = rest;
                cell.strip_suffix(b"\r").unwrap_or(cell).to_vec()
            }
        };
        let mut rest = self.rest;
        rest = rest.strip_prefix(b"\r").unwrap_or(rest);
        match rest {
            [b',', rest @ ..] => {
                self.rest = rest;
                Ok(Some((cell, false)))
            }
            [b'\n', rest @ ..] => {
                self.rest = rest;
                self.line += 1;
                Ok(Some((cell, true)))
            }
            [] => {
                self.rest = rest;
                Ok(Some((cell, true)))
            }
            _ => Err(ContainerError::Csv { line: self.line, reason: "text after a closing quote" }),
        }
    }

    fn quoted(&mut self, mut inner: &[u8]) -> Result<Vec<u8>, ContainerError> {
        let mut cell = Vec::new();
        loop {
            let Some(end) = memchr::memchr(b'"', inner) else {
                return Err(ContainerError::Csv { line: self.line, reason: "a quote that is not closed" });
            };
            let (part, rest) = inner.split_at(end);
            cell.extend_from_slice(part);
            match rest.strip_prefix(b"\"\"") {
                Some(rest) => {
                    cell.push(b'"');
                    inner = rest;
                }
                None => {
                    self.line += memchr::memchr_iter(b'\n', &cell).count();
                    // Lifetimes are those of the whole text: only how much is left matters.
                    let left = rest.len() - 1;
                    self.rest = self.rest.get(self.rest.len() - left..).unwrap_or_default();
                    return Ok(cell);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Scratch, for_each_record};
    use super::*;

    fn record(name: &str) -> String {
        format!(
            r#"{{"eventTime":"2026-10-06T09:00:00Z","eventSource":"iam.amazonaws.com","eventName":"{name}","eventID":"id, \"{name}\""}}"#
        )
    }

    /// The names of the records, and how many cannot be used.
    fn read(text: &str) -> Result<(Vec<String>, usize), ContainerError> {
        let (mut names, mut scratch) = (Vec::new(), Scratch::default());
        let contents = for_each_record(text.as_bytes(), &mut scratch, &mut |_, record| {
            names.extend(record.ok().map(|record| record.name.to_owned()));
        })?;
        Ok((names, contents.unusable))
    }

    fn quoted(text: &str) -> String {
        format!("\"{}\"", text.replace('"', "\"\""))
    }

    #[test]
    fn lines_of_an_export_task() {
        let [a, b] = ["A", "B"].map(record);
        let names = |names: &[&str]| Ok((names.iter().map(|name| (*name).to_owned()).collect(), 0));
        for (text, expected) in [
            (format!("2026-10-06T09:00:01.123Z {a}\n2026-10-06T09:00:02.000Z {b}\n"), &["A", "B"][..]),
            (format!("2026-10-06T09:00:01Z {a}\r\n2026-10-06T09:00:02.5Z\t{b}"), &["A", "B"]),
            (format!("1791277200000 {a}\n1791277201000 {b}\n"), &["A", "B"]),
            // One message over several lines.
            (
                format!("2026-10-06T09:00:01.123Z {}\n2026-10-06T09:00:02Z {b}\n", a.replace(",\"", ",\n\"")),
                &["A", "B"],
            ),
        ] {
            assert_eq!(read(&text), names(expected), "{text}");
        }
        for other in ["2026-10-06T09:00:01.123Z hello", "1234 {}", "2026-13-06T09:00:01Z {}", "12"] {
            assert!(json(other.as_bytes()).is_none(), "{other}");
        }
        // What is damaged is found where it stands in the export.
        let error = read(&format!("2026-10-06T09:00:01.123Z {a}\n2026-10-06T09:00:02.000Z oops\n")).unwrap_err();
        let place = 25 + a.len() + 1 + 25 + 1;
        assert!(matches!(error, ContainerError::Damaged { document: 2, offset, .. } if offset == place), "{error}");
    }

    #[test]
    fn query_results_of_cloudtrail_lake() {
        let [a, b] = ["A", "B"].map(|name| quoted(&record(name)));
        let both = || (vec!["A".to_owned(), "B".to_owned()], 0);
        for text in [
            format!("eventJson\n{a}\n{b}\n"),
            format!("\"eventjson\"\r\n{a}\r\n{b}\r\n"),
            format!("eventID,eventJson,eventName\n1,{a},A\n\"2\",{b},\"B\"\n"),
            format!("eventTime,EVENTJSON\n\"x,\n\"\"y\",{a}\n,{b}"),
        ] {
            assert_eq!(read(&text), Ok(both()), "{text}");
        }
        assert_eq!(read(&format!("eventJson,x\n{a},1\n,2\n")), Ok((vec!["A".to_owned()], 1)));
        assert_eq!(read("eventID,eventName\n1,A\n"), Err(ContainerError::NoEvents));
        let broken = |line, reason| Err(ContainerError::Csv { line, reason });
        assert_eq!(read(&format!("eventJson\n{a}\n\"{{")), broken(3, "a quote that is not closed"));
        assert_eq!(read("eventJson\n\"{}\"x\n"), broken(2, "text after a closing quote"));
        for other in ["a,b\n1,2\n", "hello", "\"{\\\"eventID\\\":1}\""] {
            assert!(json(other.as_bytes()).is_none(), "{other}");
        }
        let rows = |key: &str| {
            let row = |name: &str| {
                format!(r#"[{{"eventID":"1"}},{{"{key}":{}}}]"#, serde_json::to_string(&record(name)).unwrap())
            };
            format!(r#"{{"QueryStatus":"FINISHED","QueryResultRows":[{},{}]}}"#, row("A"), row("B"))
        };
        assert_eq!(read(&rows("eventJson")), Ok(both()));
        assert_eq!(read(&rows("eventjson")), Ok(both()));
        assert_eq!(read(&rows("eventName")), Ok((vec![], 2)));
    }
}
