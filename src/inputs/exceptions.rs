//! `--exceptions`: risks that somebody accepted: whose, who did, why, and until when.

use std::path::Path;

use super::error::{InputError, Problem, read_text};
use super::table::{Columns, Row, finish, parse};
use super::{AcceptedRisk, RiskSubject, Sheet};
use crate::names::near;

const COLUMNS: Columns = Columns {
    required: &["account", "accepted_by", "reason", "valid_until"],
    optional: &["user", "guardrail", "reference"],
};

/// The longest text, in bytes.
const LONGEST: usize = 2048;

/// Reads a file of exceptions, CSV or JSON; `guardrails` are the codes of guardrails.
///
/// # Errors
/// [`InputError`] names the file and everything that is wrong with it.
pub fn read(path: &Path, guardrails: &[&str]) -> Result<Sheet<AcceptedRisk>, InputError> {
    let (file, text) = read_text(path)?;
    from_text(&file, &text, guardrails)
}

/// Reads exceptions from text; `file` is the name that errors bear.
///
/// # Errors
/// As of [`read`].
pub fn from_text(file: &str, text: &str, guardrails: &[&str]) -> Result<Sheet<AcceptedRisk>, InputError> {
    let mut problems = Vec::new();
    let Sheet { rows, ignored } = parse(file, text, &COLUMNS)?;
    let mut risks = Vec::new();
    for row in rows {
        for name in COLUMNS.required.iter().chain(COLUMNS.optional) {
            if row.text(name).is_some_and(|text| text.len() > LONGEST) {
                let what = format!("has more than {LONGEST} bytes");
                problems.push(Problem::at(row.place_of(name), Some(name), what));
            }
        }
        let account = row.required("account", &mut problems);
        if row.text("account").is_some_and(|text| !text.contains(['*', '?'])) {
            row.check_account("account", &mut problems);
        }
        let accepted_by = row.required("accepted_by", &mut problems);
        let reason = row.required("reason", &mut problems);
        let valid_until = row.time("valid_until", &mut problems);
        let subject = subject(&row, guardrails).map_err(|problem| problems.push(problem)).ok();
        if let (Some(account), Some(accepted_by), Some(reason), Some(valid_until), Some(subject)) =
            (account, accepted_by, reason, valid_until, subject)
        {
            let reference = row.text("reference").map(str::to_owned);
            risks.push(AcceptedRisk { account, subject, accepted_by, reason, reference, valid_until });
        }
    }
    finish(file, Sheet { rows: risks, ignored }, problems)
}

/// What a row is about: the windows of users, or a guardrail. A row that accepts everything accepts nothing.
fn subject(row: &Row, guardrails: &[&str]) -> Result<RiskSubject, Problem> {
    let wrong = |key, what: String| Problem::at(row.place_of(key), Some(key), what);
    let whole = |what: &str| Problem { column: None, ..Problem::at(row.place, Some("user"), what) };
    match (row.text("user"), row.text("guardrail")) {
        (Some(_), Some(_)) => Err(wrong("guardrail", "stands beside `user` (hint: write a row for each)".to_owned())),
        (None, None) => Err(whole("is empty, and so is `guardrail`: the row does not say what is accepted")),
        (Some(user), None) => {
            let any = |text: &str| text.chars().all(|c| c == '*');
            if any(user) && row.text("account").is_some_and(any) {
                let what = "accepts everybody in every account (hint: name the users, or the account)";
                return Err(wrong("user", what.to_owned()));
            }
            Ok(RiskSubject::User(user.to_owned()))
        }
        (None, Some(code)) if guardrails.contains(&code) => Ok(RiskSubject::Guardrail(code.to_owned())),
        (None, Some(code)) => {
            let hint = match near(code, guardrails.iter().copied()).first() {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`mfatrail posture --help` lists them".to_owned(),
            };
            Err(wrong("guardrail", format!("`{code}` is not a guardrail (hint: {hint})")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: [&str; 2] = ["root-mfa", "scp-deny"];
    const HEADER: &str = "account,user,guardrail,accepted_by,reason,reference,valid_until\n";

    #[test]
    fn csv_and_json_say_the_same() {
        let csv = format!(
            "{HEADER}111122223333,ci-*,,Jane Roe,no person,RISK-1,2027-01-01T00:00:00Z\n\
             1111*,,scp-deny,Jane Roe,pilot,,2027-01-01T00:00:00Z\n"
        );
        let json = r#"[{"account":"111122223333","user":"ci-*","accepted_by":"Jane Roe","reason":"no person","reference":"RISK-1","valid_until":"2027-01-01T00:00:00Z"},
            {"account":"1111*","guardrail":"scp-deny","accepted_by":"Jane Roe","reason":"pilot","valid_until":"2027-01-01T00:00:00Z"}]"#;
        let rows = from_text("e", &csv, &CODES).expect("csv").rows;
        assert_eq!(rows, from_text("e", json, &CODES).expect("json").rows);
        assert_eq!(rows[0].subject, RiskSubject::User("ci-*".to_owned()));
        assert_eq!(rows[1].subject, RiskSubject::Guardrail("scp-deny".to_owned()));
    }

    #[test]
    fn every_problem_has_its_place() {
        let row = |cells: &str| from_text("e.csv", &format!("{HEADER}{cells}\n"), &CODES).expect_err(cells).to_string();
        for (cells, expected) in [
            ("111122223333,,,jane,why,,2027-01-01T00:00:00Z", "line 2 (`user`): is empty, and so is `guardrail`"),
            ("111122223333,a,root-mfa,jane,why,,2027-01-01T00:00:00Z", "line 2, column 3 (`guardrail`): stands beside"),
            ("111122223333,,root-mfe,jane,why,,2027-01-01T00:00:00Z", "did you mean `root-mfa`?"),
            ("*,*,,jane,why,,2027-01-01T00:00:00Z", "column 2 (`user`): accepts everybody"),
            ("1122223333,a,,jane,why,,2027-01-01T00:00:00Z", "column 1 (`account`): `1122223333` is not an account ID"),
            ("111122223333,a,,,why,,2027-01-01T00:00:00Z", "line 2 (`accepted_by`): is empty"),
            ("111122223333,a,,jane,,,2027-01-01T00:00:00Z", "line 2 (`reason`): is empty"),
            ("111122223333,a,,jane,why,,forever", "column 7 (`valid_until`): `forever` is not"),
            (
                &format!("111122223333,a,,jane,{},,2027-01-01T00:00:00Z", "y".repeat(3000)),
                "column 5 (`reason`): has more",
            ),
        ] {
            let message = row(cells);
            assert!(message.contains(expected), "{cells}: {message}");
        }
    }
}
