//! The credential report, as `get-credential-report` gives it once it is decoded.
//!
//! Read by the names of the columns: AWS has added columns over the years, and old reports lack some.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::error::InventoryError;
use crate::inputs::Problem;
use crate::inputs::cells::{Cells, Reader};
use crate::units::parse_rfc3339;

/// A report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CredentialReport {
    /// `GeneratedTime`, where it came with the report.
    pub generated_at: Option<DateTime<Utc>>,
    pub rows: Vec<ReportRow>,
}

/// A user's row, or the root user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportRow {
    /// `<root_account>` for the root user.
    pub name: String,
    pub arn: String,
    pub created_at: Option<DateTime<Utc>>,
    pub password: Option<bool>,
    pub mfa_active: Option<bool>,
    pub active_access_keys: Option<u32>,
}

impl ReportRow {
    pub(crate) fn is_root(&self) -> bool {
        self.name == "<root_account>"
    }
}

/// So many users or virtual devices one account may have here: ten times IAM's quota, which cannot be raised. Source: IAM user
/// guide, "IAM and AWS STS quotas".
pub(crate) const MOST_USERS: usize = if cfg!(test) { 500 } else { 50_000 };

/// The columns that a report has at least.
const NEEDED: [&str; 2] = ["user", "arn"];

fn is_needed(name: &str) -> bool {
    NEEDED.iter().any(|needed| name.eq_ignore_ascii_case(needed))
}

/// Whether `text` begins like a report: its first row names the columns `user` and `arn`.
pub(crate) fn looks_like(text: &str) -> bool {
    let header = Reader::new(text, &is_needed).and_then(|mut reader| reader.row());
    header.is_ok_and(|header| {
        header.is_some_and(|header| {
            NEEDED.iter().all(|needed| header.cells.iter().any(|cell| cell.text.eq_ignore_ascii_case(needed)))
        })
    })
}

/// Where the columns are that are read; those that a report may lack, with their names.
struct Columns {
    user: usize,
    arn: usize,
    created: (&'static str, Option<usize>),
    password: (&'static str, Option<usize>),
    mfa: (&'static str, Option<usize>),
    keys: [(&'static str, Option<usize>); 2],
}

impl Columns {
    fn find(header: &Cells<'_>) -> Result<Self, Problem> {
        let find = |name: &str| header.cells.iter().position(|cell| cell.text.eq_ignore_ascii_case(name));
        let optional = |name: &'static str| (name, find(name));
        let needed = |name: &str| {
            find(name).ok_or_else(|| Problem {
                line: Some(header.line),
                column: None,
                key: None,
                what: format!(
                    "column `{name}` is missing: this is not a credential report (hint: the `Content` that `aws iam get-credential-report` prints is base64; decode it, or give its whole JSON)"
                ),
            })
        };
        Ok(Self {
            user: needed("user")?,
            arn: needed("arn")?,
            created: optional("user_creation_time"),
            password: optional("password_enabled"),
            mfa: optional("mfa_active"),
            keys: [optional("access_key_1_active"), optional("access_key_2_active")],
        })
    }

    fn row(&self, cells: &Cells<'_>) -> Result<ReportRow, Problem> {
        let keys = [flag(cells, self.keys[0])?, flag(cells, self.keys[1])?];
        Ok(ReportRow {
            name: needed(cells, "user", self.user)?,
            arn: needed(cells, "arn", self.arn)?,
            created_at: time(cells, self.created)?,
            password: flag(cells, self.password)?,
            mfa_active: flag(cells, self.mfa)?,
            active_access_keys: keys
                .iter()
                .any(Option::is_some)
                .then(|| keys.iter().map(|key| u32::from(*key == Some(true))).sum()),
        })
    }
}

fn needed(cells: &Cells<'_>, name: &str, index: usize) -> Result<String, Problem> {
    match cells.text(index) {
        "" => Err(Problem::at(cells.place(index), Some(name), "is empty")),
        text => Ok(text.to_owned()),
    }
}

/// The text of a cell that says something.
fn told<'c>(cells: &'c Cells<'_>, index: Option<usize>) -> Option<(usize, &'c str)> {
    let index = index?;
    let text = cells.text(index);
    let nothing = ["", "n/a", "no_information", "not_supported"];
    (!nothing.iter().any(|word| text.eq_ignore_ascii_case(word))).then_some((index, text))
}

fn flag(cells: &Cells<'_>, (name, index): (&str, Option<usize>)) -> Result<Option<bool>, Problem> {
    match told(cells, index) {
        None => Ok(None),
        Some((_, text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some((_, text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some((index, text)) => {
            let what = format!("`{text}` is neither `true` nor `false`");
            Err(Problem::at(cells.place(index), Some(name), what))
        }
    }
}

fn time(cells: &Cells<'_>, (name, index): (&str, Option<usize>)) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some((index, text)) = told(cells, index) else { return Ok(None) };
    let time = parse_rfc3339(text);
    time.map(Some).map_err(|error| Problem::at(cells.place(index), Some(name), error.to_string()))
}

/// Parses a report; `file` is the name that errors show.
pub(crate) fn parse(
    file: &str,
    text: &str,
    generated_at: Option<DateTime<Utc>>,
) -> Result<CredentialReport, InventoryError> {
    let rows = rows(text).map_err(|problem| InventoryError::malformed(file, problem))?;
    Ok(CredentialReport { generated_at, rows })
}

fn rows(text: &str) -> Result<Vec<ReportRow>, Problem> {
    let mut reader = Reader::new(text, &is_needed)?;
    let header = reader
        .row()?
        .ok_or_else(|| Problem::whole("is empty (hint: a credential report begins with a line of column names)"))?;
    let columns = Columns::find(&header)?;
    let (mut rows, mut names) = (Vec::new(), HashSet::new());
    while let Some(cells) = reader.row()? {
        if rows.len() == MOST_USERS {
            let what = format!(
                "more than {MOST_USERS} rows cannot be a credential report: IAM allows 5,000 users per account"
            );
            return Err(Problem { line: Some(cells.line), ..Problem::whole(what) });
        }
        let row = columns.row(&cells)?;
        if !names.insert(row.name.to_lowercase()) {
            let what = format!("`{}` has two rows (hint: give one report per account)", row.name);
            return Err(Problem::at(cells.place(columns.user), Some("user"), what));
        }
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,mfa_active,access_key_1_active,access_key_2_active\n";

    #[test]
    fn more_rows_than_an_account_can_have_users_are_refused() {
        let report = |rows: usize| {
            let row = |number: usize| format!("u{number},arn:aws:iam::111122223333:user/u{number}\n");
            parse("r.csv", &format!("user,arn\n{}", (0..rows).map(row).collect::<String>()), None)
        };
        assert_eq!(report(MOST_USERS).expect("a report").rows.len(), MOST_USERS);
        let error = report(MOST_USERS + 1).expect_err("a bound").to_string();
        assert!(
            error.contains("line 502") && error.contains("more than 500 rows cannot be a credential report"),
            "{error}"
        );
    }

    #[test]
    fn cells_of_every_kind() {
        let text = format!(
            "{HEADER}<root_account>,arn:aws:iam::111122223333:root,2020-01-01T00:00:00+00:00,not_supported,2020-02-01T00:00:00+00:00,true,false,false\n\
             alice,arn:aws:iam::111122223333:user/alice,2021-01-01T00:00:00Z,TRUE,no_information,FALSE,true,true\n\
             bob,arn:aws:iam::111122223333:user/dev/bob,2021-01-01T00:00:00+00:00,false,N/A,False,N/A,N/A,extra\n\
             carol,arn:aws:iam::111122223333:user/carol"
        );
        let rows = parse("r.csv", &text, None).expect("a report").rows;
        assert!(rows[0].is_root());
        assert_eq!((rows[0].password, rows[0].mfa_active, rows[0].active_access_keys), (None, Some(true), Some(0)));
        assert_eq!(
            (rows[1].password, rows[1].mfa_active, rows[1].active_access_keys),
            (Some(true), Some(false), Some(2))
        );
        assert_eq!((rows[2].password, rows[2].active_access_keys), (Some(false), None));
        assert_eq!(rows[2].created_at, rows[1].created_at);
        assert_eq!((rows[3].created_at, rows[3].mfa_active), (None, None));
        let fewer = "arn,user,mfa_active\narn:aws:iam::111122223333:user/alice,alice,true\n";
        assert_eq!(parse("r.csv", fewer, None).expect("a report").rows[0].mfa_active, Some(true));
    }

    #[test]
    fn what_is_malformed_is_named() {
        let error = |text: &str| parse("r.csv", text, None).expect_err(text).to_string();
        assert!(error("").contains("is empty"));
        assert!(error("dXNlcixhcm4=\n").contains("column `user` is missing"));
        assert!(error("user,mfa_active\nalice,true\n").contains("column `arn` is missing"));
        let row = "alice,arn:aws:iam::111122223333:user/alice,2021-01-01T00:00:00Z,yes,N/A,true,true,true\n";
        assert_eq!(
            error(&format!("{HEADER}{row}")),
            "`r.csv`: line 2, column 4 (`password_enabled`): `yes` is neither `true` nor `false`"
        );
        let row = row.replace("yes", "true");
        assert!(error(&format!("{HEADER}{row}{row}")).contains("line 3, column 1 (`user`): `alice` has two rows"));
        assert!(error(&format!("{HEADER}{}", row.replace("2021-01-01T00:00:00Z", "yesterday"))).contains("column 3"));
        assert!(error(&format!("{HEADER},arn\n")).contains("(`user`): is empty"));
    }

    #[test]
    fn the_line_of_a_malformed_row_is_the_one_that_an_editor_shows() {
        let row = |user: &str, mfa: &str| {
            format!("{user},\"arn:aws:iam::111122223333:user/{user}\",2021-01-01T00:00:00Z,true,N/A,{mfa},true,true")
        };
        for separator in [",", ";", "\t"] {
            for end in ["\n", "\r\n", "\r"] {
                for (before, between, line) in
                    [("", "", 3), (end, "", 4), ("", end, 4), (&end.repeat(2), &end.repeat(3), 8)]
                {
                    let text = format!(
                        "{before}{}{end}{}{end}{between}{}{end}",
                        HEADER.trim_end(),
                        row("alice", "true"),
                        row("bob", "maybe")
                    )
                    .replace(',', separator);
                    assert!(looks_like(&text), "{text:?}");
                    let error = parse("r.csv", &text, None).expect_err(&text).to_string();
                    assert_eq!(
                        error,
                        format!("`r.csv`: line {line}, column 6 (`mfa_active`): `maybe` is neither `true` nor `false`"),
                        "{text:?}"
                    );
                }
            }
        }
        let broken = format!("{HEADER}alice,\"arn:aws:iam::111122223333:user/\r\nalice\",,maybe\n");
        let error = parse("r.csv", &broken, None).expect_err("a cell of two lines").to_string();
        assert!(error.starts_with("`r.csv`: line 3, column 4 (`password_enabled`)"), "{error}");
        assert!(!looks_like("{\"user\": 1, \"arn\": 2}") && !looks_like("") && !looks_like("user\narn\n"));
    }
}
