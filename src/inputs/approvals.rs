//! `--approvals`: who was allowed to be without MFA, when, and by whom.

use std::path::Path;

use super::Approval;
use super::error::{InputError, Problem, read_text};
use super::table::{Columns, finish, parse};

const COLUMNS: Columns =
    Columns { required: &["ticket", "account", "user", "approver", "valid_from", "valid_to"], optional: &[] };

/// Reads a file of approvals, CSV or JSON.
///
/// # Errors
/// [`InputError`] names the file and everything that is wrong with it.
pub fn read(path: &Path) -> Result<Vec<Approval>, InputError> {
    let (file, text) = read_text(path)?;
    from_text(&file, &text)
}

/// Reads approvals from text; `file` is the name that errors bear.
///
/// # Errors
/// As of [`read`].
pub fn from_text(file: &str, text: &str) -> Result<Vec<Approval>, InputError> {
    let mut problems = Vec::new();
    let mut approvals = Vec::new();
    for row in parse(file, text, &COLUMNS)? {
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
            let what = "is not after `valid_from` (hint: swap them, or mend the one that is wrong)";
            problems.push(Problem::at(row.place_of("valid_to"), Some("valid_to"), what));
        }
        if let (Some(ticket), Some(account), Some(user), Some(approver), Some(valid_from), Some(valid_to)) =
            (ticket, account, user, approver, from, to)
        {
            approvals.push(Approval { ticket, account, user, approver, valid_from, valid_to });
        }
    }
    finish(file, approvals, problems)
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
        let from_csv = from_text("a", csv).expect("csv");
        assert_eq!(from_csv, from_text("a", json).expect("json"));
        assert_eq!(from_csv.len(), 1);
        assert_eq!(from_csv[0].account, "001122223333");
        assert_eq!(from_csv[0].valid_from.to_rfc3339(), "2026-03-01T00:00:00+00:00");
        assert_eq!(from_text("a", HEADER).expect("no rows"), []);
        assert_eq!(from_text("a", "[]").expect("no rows"), []);
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
            "`approvals.csv`: line 4, column 7: `x` is beyond the 6 columns of the header (hint: quote cells that hold commas)"
        );
        assert_eq!(
            error(&text.replace(",x\n", "\n")),
            "`approvals.csv`: line 2, column 6 (`valid_to`): is not after `valid_from` (hint: swap them, or mend the one that is wrong)\n\
             `approvals.csv`: line 3 (`user`): is empty\n\
             `approvals.csv`: line 3, column 2 (`account`): `1122223333` is not an account id (hint: account ids have 12 digits; spreadsheets drop leading zeros unless the column is text)\n\
             `approvals.csv`: line 3, column 5 (`valid_from`): `2026-03-01T00:00:00` has no time zone (hint: append `Z` for UTC, or an offset such as `+01:00`)\n\
             `approvals.csv`: line 3, column 6 (`valid_to`): `2026-03-02` is not an RFC 3339 time (hint: write `2026-03-01T08:30:00Z`)"
        );
    }

    #[test]
    fn headers_must_be_the_right_ones() {
        let message = error("ticket,account,user,approver,valid_from,expires\n");
        assert!(message.contains("line 1, column 6: unknown column `expires`"), "{message}");
        assert!(message.contains("line 1: column `valid_to` is missing"), "{message}");
        assert!(error("ticket;account;user\n").contains("separated by commas"));
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
        assert!(error("[1]").contains("line 1, column 2"));
        assert!(error("{\"ticket\": \"x\"}").contains("array"));
        assert!(error(r#"[{"ticket":"a","ticket":"b"}]"#).contains("named twice"));
    }
}
