//! `--detections`: alerts, findings and tickets, each about an event or about a principal.

use std::path::Path;

use super::error::{InputError, Problem, read_text};
use super::table::{Columns, finish, parse};
use super::{Detection, DetectionSubject, Sheet};

const COLUMNS: Columns =
    Columns { required: &["detected_at", "source", "reference"], optional: &["event_id", "account", "user"] };

/// Reads a file of detections, CSV or JSON.
///
/// # Errors
/// [`InputError`] names the file and everything that is wrong with it.
pub fn read(path: &Path) -> Result<Sheet<Detection>, InputError> {
    let (file, text) = read_text(path)?;
    from_text(&file, &text)
}

/// Reads detections from text; `file` is the name that errors bear. A row that names an event is about that event,
/// whatever account and user it names beside.
///
/// # Errors
/// As of [`read`].
pub fn from_text(file: &str, text: &str) -> Result<Sheet<Detection>, InputError> {
    let mut problems = Vec::new();
    let Sheet { rows, ignored } = parse(file, text, &COLUMNS)?;
    let mut detections = Vec::new();
    for row in rows {
        let detected_at = row.time("detected_at", &mut problems);
        let source = row.required("source", &mut problems);
        let reference = row.required("reference", &mut problems);
        row.check_account("account", &mut problems);
        let subject = match (row.text("event_id"), row.text("account"), row.text("user")) {
            (Some(id), _, _) => Some(DetectionSubject::Event(id.to_owned())),
            (None, Some(account), Some(user)) => {
                Some(DetectionSubject::Principal { account: account.to_owned(), user: user.to_owned() })
            }
            (None, account, user) => {
                let (key, what) = match (account, user) {
                    (Some(_), None) => ("user", "is empty: a detection needs `event_id`, or both `account` and `user`"),
                    (None, Some(_)) => {
                        ("account", "is empty: a detection needs `event_id`, or both `account` and `user`")
                    }
                    _ => (
                        "event_id",
                        "is empty, and so are `account` and `user`: the row does not say what was detected",
                    ),
                };
                problems.push(Problem { column: None, ..Problem::at(row.place, Some(key), what) });
                None
            }
        };
        if let (Some(detected_at), Some(source), Some(reference), Some(subject)) =
            (detected_at, source, reference, subject)
        {
            detections.push(Detection { detected_at, source, reference, subject });
        }
    }
    finish(file, Sheet { rows: detections, ignored }, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        from_text("detections", text).expect_err(text).to_string()
    }

    #[test]
    fn about_an_event_or_a_principal() {
        let csv = "detected_at,source,reference,event_id,account,user\n\
                   2026-03-01T08:30:00Z,siem,ALERT-1,11111111-2222-3333-4444-555555555555,,\n\
                   2026-03-01T09:30:00Z,ticket,INC-2,,001122223333,alice\n";
        let json = r#"[{"detected_at":"2026-03-01T08:30:00Z","source":"siem","reference":"ALERT-1",
                        "event_id":"11111111-2222-3333-4444-555555555555","account":null},
                       {"detected_at":"2026-03-01T09:30:00Z","source":"ticket","reference":"INC-2",
                        "account":"001122223333","user":"alice"}]"#;
        let detections = from_text("d", csv).expect("csv").rows;
        assert_eq!(detections, from_text("d", json).expect("json").rows);
        assert_eq!(detections[0].subject, DetectionSubject::Event("11111111-2222-3333-4444-555555555555".to_owned()));
        assert_eq!(
            detections[1].subject,
            DetectionSubject::Principal { account: "001122223333".to_owned(), user: "alice".to_owned() }
        );
        let narrow = "reference,source,detected_at,event_id\nA,siem,2026-03-01T08:30:00Z,x\n";
        assert_eq!(from_text("d", narrow).expect("optional columns may be absent").rows.len(), 1);
    }

    #[test]
    fn about_nothing_is_an_error() {
        let text = "detected_at,source,reference,event_id,account,user\n\
                    2026-03-01T08:30:00Z,siem,A,,,\n2026-03-01T08:30:00Z,siem,B,,111122223333,\n\
                    yesterday,siem,C,,,alice\n";
        let message = error(text);
        assert!(message.contains("line 2 (`event_id`): is empty, and so are"), "{message}");
        assert!(message.contains("line 3 (`user`): is empty: a detection needs"), "{message}");
        assert!(message.contains("line 4 (`account`): is empty: a detection needs"), "{message}");
        assert!(message.contains("line 4, column 1 (`detected_at`): `yesterday` is not an RFC 3339 time"), "{message}");
        assert!(error("source,reference,event_id\n").contains("column `detected_at` is missing"));
        let number = r#"[{"detected_at":"2026-03-01T08:30:00Z","source":"s","reference":7,"event_id":"x"}]"#;
        assert!(error(number).contains("put `7` in quotes"));
    }

    #[test]
    fn the_line_of_a_malformed_row_is_the_one_that_an_editor_shows() {
        let header = "detected_at,source,reference,event_id,account,user,Severity";
        for end in ["\n", "\r\n", "\r"] {
            for (blank, lines) in [("", 0), (end, 1), (&end.repeat(2), 2)] {
                let text = format!(
                    "{header}{end}2026-10-06T09:10:00Z,siem,\"A{end}1\",,111122223333,alice,high{end}{blank}\
                     yesterday,siem,A-2,,111122223333,alice,low{end}"
                );
                let expected = format!("`detections`: line {}, column 1 (`detected_at`)", 4 + lines);
                assert!(error(&text).starts_with(&expected), "{text:?}: {}", error(&text));
                let text = format!(
                    "[{end}{blank}{{\"detected_at\":{end}\"yesterday\",\"source\":\"s\",\"reference\":\"r\",\"event_id\":\"e\"}}]"
                );
                let expected = format!("`detections`: line {}, column 1 (`detected_at`)", 3 + lines);
                assert!(error(&text).starts_with(&expected), "{text:?}: {}", error(&text));
            }
        }
    }

    #[test]
    fn a_slip_in_a_columns_name_leaves_nothing_out_in_silence() {
        let row = "2026-03-01T08:30:00Z,siem,A,e,111122223333";
        let message = error(&format!("detected_at,source,reference,event_id,acount\n{row}\n"));
        assert!(
            message.contains("line 1, column 5: unknown column `acount` (hint: did you mean `account`?"),
            "{message}"
        );
        let other = from_text("d", &format!("detected_at,source,reference,event_id,severity\n{row}\n")).expect("read");
        assert_eq!(other.ignored, ["severity"]);
    }
}
