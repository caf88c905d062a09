//! `--approvals`: who was allowed to be without MFA, when, and by whom.

use std::path::Path;

use super::error::{InputError, Problem, read_text};
use super::table::{Columns, finish, parse};
use super::{Approval, Sheet};

const COLUMNS: Columns =
    Columns { required: &["ticket", "account", "user", "approver", "valid_from", "valid_to"], optional: &[] };

/// Reads a file of approvals, CSV or JSON.
///
/// # Errors
/// [`InputError`] names the file and everything that is wrong with it.
pub fn read(path: &Path) -> Result<Sheet<Approval>, InputError> {
    let (file, text) = read_text(path)?;
    from_text(&file, &text)
}

/// Reads approvals from text; `file` is the name that errors bear.
///
/// # Errors
/// As of [`read`].
pub fn from_text(file: &str, text: &str) -> Result<Sheet<Approval>, InputError> {
    let mut problems = Vec::new();
    let Sheet { rows, ignored } = parse(file, text, &COLUMNS)?;
    let mut approvals = Vec::new();
    for row in rows {
        let ticket = row.required("ticket", &mut problems);
        let account = row.required("account", &mut problems);
        row.check_account("account", &mut problems);
        let user = row.required("user", &mut problems);
        let approver = row.required("approver", &mut problems);
        let from = row.time("valid_from", &mut problems);
        let to = row.time("valid_to", &mut problems);
        if let (Some(from), Some(to)) = (from, to)
            && to <= from
        {
            let what = "is not after `valid_from` (hint: swap them, or correct the wrong one)";
            problems.push(Problem::at(row.place_of("valid_to"), Some("valid_to"), what));
        }
        if let (Some(ticket), Some(account), Some(user), Some(approver), Some(valid_from), Some(valid_to)) =
            (ticket, account, user, approver, from, to)
        {
            approvals.push(Approval { ticket, account, user, approver, valid_from, valid_to });
        }
    }
    finish(file, Sheet { rows: approvals, ignored }, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "ticket,account,user,approver,valid_from,valid_to\n";

    fn error(text: &str) -> String {
        from_text("approvals.csv", text).expect_err(text).to_string()
    }

    #[test]
    fn csv_and_json_say_the_same() {
        let csv = "valid_to,Ticket,user,account,approver,valid_from,,\n\
                   2026-03-02T00:00:00Z,CHG-1,alice,001122223333,\"Roe, Jane\",2026-03-01T01:00:00+01:00,,\n,,,,,,,\n";
        let json = r#" [{"ticket":"CHG-1","account":"001122223333","user":"alice","approver":"Roe, Jane",
            "valid_from":"2026-03-01T00:00:00Z","valid_to":"2026-03-02T00:00:00Z"}]"#;
        let from_csv = from_text("a", csv).expect("csv").rows;
        assert_eq!(from_csv, from_text("a", json).expect("json").rows);
        assert_eq!(from_csv.len(), 1);
        assert_eq!(from_csv[0].account, "001122223333");
        assert_eq!(from_csv[0].valid_from.to_rfc3339(), "2026-03-01T00:00:00+00:00");
        assert_eq!(from_text("a", HEADER).expect("no rows").rows, []);
        assert_eq!(from_text("a", "[]").expect("no rows").rows, []);
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        let text = format!(
            "{HEADER}CHG-1,111122223333,alice,jane,2026-03-02T00:00:00Z,2026-03-01T00:00:00Z\n\
             CHG-2,1122223333,,jane,2026-03-01T00:00:00,2026-03-02\n\
             CHG-3,111122223333,bob,jane,2026-03-01T00:00:00Z,2026-03-02T00:00:00Z,x\n"
        );
        // The form is checked first: cells beyond the header shift everything after them.
        assert_eq!(
            error(&text),
            "`approvals.csv`: line 4, column 7: `x` is beyond the 6 columns of the header (hint: quote cells that contain the separator)"
        );
        assert_eq!(
            error(&text.replace(",x\n", "\n")),
            "`approvals.csv`: line 2, column 6 (`valid_to`): is not after `valid_from` (hint: swap them, or correct the wrong one)\n\
             `approvals.csv`: line 3 (`user`): is empty\n\
             `approvals.csv`: line 3, column 2 (`account`): `1122223333` is not an account ID (hint: account IDs have 12 digits; spreadsheets drop leading zeros unless the column is text)\n\
             `approvals.csv`: line 3, column 5 (`valid_from`): `2026-03-01T00:00:00` has no time zone (hint: write `2026-03-01T00:00:00Z` for UTC, or append an offset such as `+01:00`)\n\
             `approvals.csv`: line 3, column 6 (`valid_to`): `2026-03-02` is not an RFC 3339 time (hint: write `2026-03-01T08:30:00Z`)"
        );
    }

    #[test]
    fn what_a_spreadsheet_made_of_an_account_id_is_no_account_id() {
        for cell in ["1122223333", "1.11122E+11", "\"1,11122E+11\"", "\"=\"\"001122223333\"\"\"", "'001122223333"] {
            let message =
                error(&format!("{HEADER}CHG-1,{cell},alice,jane,2026-03-01T00:00:00Z,2026-03-02T00:00:00Z\n"));
            assert!(
                message.contains("line 2, column 2 (`account`)") && message.contains("not an account ID"),
                "{message}"
            );
        }
    }

    #[test]
    fn headers_must_be_the_right_ones() {
        let message = error("\r\nticket,account,user,aprover,valid_from,expires\r\n");
        assert!(
            message.contains("line 2, column 4: unknown column `aprover` (hint: did you mean `approver`?"),
            "{message}"
        );
        assert!(message.contains("line 2: column `approver` is missing"), "{message}");
        assert!(message.contains("line 2: column `valid_to` is missing"), "{message}");
        assert!(!message.contains("expires"), "a column of another name is not read: {message}");
        assert!(error("ticket;account;user\n").contains("line 1: column `approver` is missing"));
        assert!(error("\n\n,,\n").contains("names no columns"));
        assert!(error("ticket,ticket\n").contains("line 1, column 2 (`ticket`): is named twice"));
        assert!(error("").contains("is empty"));
    }

    #[test]
    fn json_problems_have_places() {
        let text =
            "[\n  {\"ticket\": \"CHG-1\", \"account\": 1122223333, \"user\": \"alice\",\n   \"aprover\": null}\n]";
        let message = error(text);
        assert!(
            message.contains("line 2, column 34 (`account`): is not a string (hint: put `1122223333` in quotes)"),
            "{message}"
        );
        assert!(message.contains("line 3, column 15: unknown column `aprover`"), "{message}");
        assert!(message.contains("line 2, column 3: `approver` is missing"), "{message}");
        assert!(error("[{\"ticket\": \"x\",]").contains("line 1, column 17"));
        assert!(error("\r[\r{\"ticket\": \"x\",]").contains("line 3, column 16"));
        assert!(error("[1]").contains("line 1, column 2"));
        assert!(error("{\"ticket\": \"x\"}").contains("array"));
        assert!(error(r#"[{"ticket":"a","ticket":"b"}]"#).contains("named twice"));
    }

    /// Two rows, of which the second has a time that is none, after `before` and with lines that end with `end`.
    fn malformed(header: &str, separator: &str, end: &str, before: &str, between: &str) -> String {
        let row = |cells: [&str; 6]| cells.join(separator);
        let first =
            row(["CHG-1", "111122223333", "alice", "\"Roe\r\nJane\"", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"]);
        let second = row(["CHG-2", "111122223333", "alice", "jane", "yesterday", "2026-03-02T00:00:00Z"]);
        format!("{before}{}{end}{first}{end}{between}{second}{end}", header.replace(',', separator))
    }

    #[test]
    fn the_line_of_a_malformed_row_is_the_one_that_an_editor_shows() {
        let header = "ticket,account,user,approver,valid_from,valid_to";
        for separator in [",", ";", "\t"] {
            for end in ["\n", "\r\n", "\r"] {
                let blank = |lines: usize| end.repeat(lines);
                let declared = format!("sep={separator}{end}");
                for (before, between, line) in [
                    (String::new(), String::new(), 4),
                    (String::new(), blank(1), 5),
                    (String::new(), blank(3), 7),
                    (blank(2), blank(2), 8),
                    (String::new(), format!("{}{end}", separator.repeat(5)), 5),
                    (declared, blank(1), 6),
                ] {
                    let message = error(&malformed(header, separator, end, &before, &between));
                    let expected = format!("`approvals.csv`: line {line}, column 5 (`valid_from`): `yesterday` is not");
                    assert!(message.starts_with(&expected), "{separator:?} {end:?} {before:?} {between:?}: {message}");
                }
            }
        }
    }

    #[test]
    fn spreadsheets_of_any_country_are_read() {
        let expected = from_text(
            "a",
            "ticket,account,user,approver,valid_from,valid_to\n\
            CHG-1,001122223333,alice,\"Roe, Jane; lead\",2026-03-01T00:00:00Z,2026-03-02T00:00:00Z\n",
        )
        .expect("read");
        let semicolons = "sep=;\r\n TICKET ;Account;\"user\";APPROVER; Valid_From;valid_to;Notes; remarks\r\n\
            CHG-1;001122223333;alice;\"Roe, Jane; lead\";2026-03-01T00:00:00Z;2026-03-02T00:00:00Z;\"a;b\";;\r\n;;;;;;;\r\n\r\n";
        let tabs = "ticket\taccount\tuser\tapprover\tvalid_from\tvalid_to\tNotes\tremarks\r\n\
            CHG-1\t001122223333\talice\tRoe, Jane; lead\t2026-03-01T00:00:00Z\t2026-03-02T00:00:00Z\r\n";
        for text in [semicolons, tabs] {
            let sheet = from_text("a", text).expect(text);
            assert_eq!(sheet.rows, expected.rows, "{text}");
            assert_eq!(sheet.ignored, ["Notes", "remarks"], "{text}");
        }
        let json = r#"[{"ticket":"CHG-1","account":"001122223333","user":"alice","approver":"Roe, Jane; lead","notes":7,
            "valid_from":"2026-03-01T00:00:00Z","valid_to":"2026-03-02T00:00:00Z"}]"#;
        let sheet = from_text("a", json).expect("json");
        assert_eq!((sheet.rows, sheet.ignored), (expected.rows, vec!["notes".to_owned()]));
        let mixed = error("ticket;account,user;approver;valid_from;valid_to\n");
        assert!(mixed.contains("line 1: column `user` is missing"), "{mixed}");
        let mixed = error("ticket;account;user;approver;valid_from;valid_to;notes,user,x\n");
        assert!(mixed.contains("separated by commas and by semicolons"), "{mixed}");
    }
}
