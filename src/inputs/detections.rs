//! `--detections`: alerts, findings and tickets, each about an event or about a principal.

use std::path::Path;

use super::error::{InputError, Problem, read_text};
use super::table::{Columns, finish, parse};
use super::{Detection, DetectionSubject};

const COLUMNS: Columns =
    Columns { required: &["detected_at", "source", "reference"], optional: &["event_id", "account", "user"] };

/// Reads a file of detections, CSV or JSON.
///
/// # Errors
/// [`InputError`] names the file and everything that is wrong with it.
pub fn read(path: &Path) -> Result<Vec<Detection>, InputError> {
    let (file, text) = read_text(path)?;
    from_text(&file, &text)
}

/// Reads detections from text; `file` is the name that errors bear. A row that names an event is about that event,
/// whatever account and user it names beside.
///
/// # Errors
/// As of [`read`].
pub fn from_text(file: &str, text: &str) -> Result<Vec<Detection>, InputError> {
    let mut problems = Vec::new();
    let mut detections = Vec::new();
    for row in parse(file, text, &COLUMNS)? {
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
                        "is empty, and so are `account` and `user`: the row says nothing of what was detected",
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
    finish(file, detections, problems)
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
        let detections = from_text("d", csv).expect("csv");
        assert_eq!(detections, from_text("d", json).expect("json"));
        assert_eq!(detections[0].subject, DetectionSubject::Event("11111111-2222-3333-4444-555555555555".to_owned()));
        assert_eq!(
            detections[1].subject,
            DetectionSubject::Principal { account: "001122223333".to_owned(), user: "alice".to_owned() }
        );
        let narrow = "reference,source,detected_at,event_id\nA,siem,2026-03-01T08:30:00Z,x\n";
        assert_eq!(from_text("d", narrow).expect("optional columns may be absent").len(), 1);
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
}
