//! The credential report, as `get-credential-report` gives it once it is decoded.
//!
//! Read by the names of the columns: AWS has added columns over the years, and old reports lack some.

use chrono::{DateTime, Utc};

use super::error::InventoryError;
use crate::inputs::Problem;
use crate::inputs::error::Place;
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

/// Whether `text` begins like a report: the first line names the columns `user` and `arn`.
pub(crate) fn looks_like(text: &str) -> bool {
    let header: Vec<&str> = text.lines().next().unwrap_or_default().split(',').map(str::trim).collect();
    header.contains(&"user") && header.contains(&"arn")
}

/// Parses a report; `file` is the name that errors bear.
pub(crate) fn parse(
    file: &str,
    text: &str,
    generated_at: Option<DateTime<Utc>>,
) -> Result<CredentialReport, InventoryError> {
    let fail = |problem| InventoryError::malformed(file, problem);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut records = reader.records();
    let header = match records.next() {
        None => {
            return Err(fail(Problem::whole(
                "is empty (hint: a credential report begins with a line of column names)",
            )));
        }
        Some(header) => header.map_err(|error| fail(Problem::whole(error.to_string())))?,
    };
    let find = |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
    let needed = |name: &str| {
        find(name).ok_or_else(|| {
            fail(Problem {
                line: Some(1),
                column: None,
                key: None,
                what: format!(
                    "column `{name}` is missing: this is no credential report (hint: the `Content` that `aws iam get-credential-report` prints is base64; decode it, or give its whole JSON)"
                ),
            })
        })
    };
    let (user, arn) = (needed("user")?, needed("arn")?);
    let names = ["user_creation_time", "password_enabled", "mfa_active", "access_key_1_active", "access_key_2_active"];
    let [created, password, mfa, key_1, key_2] = names.map(|name| (name, find(name)));
    let mut rows: Vec<ReportRow> = Vec::new();
    for record in records {
        let record = record.map_err(|error| fail(Problem::whole(error.to_string())))?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().all(str::is_empty) {
            continue;
        }
        let place = |index: usize| Place { line, column: index as u64 + 1 };
        let needed = |name: &str, index: usize| match record.get(index) {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(fail(Problem::at(place(index), Some(name), "is empty"))),
        };
        let cell = |(name, index): (&'static str, Option<usize>)| {
            let index = index?;
            let text = record.get(index)?;
            let told = !matches!(text.to_ascii_lowercase().as_str(), "" | "n/a" | "no_information" | "not_supported");
            told.then_some((name, index, text))
        };
        let flag = |column| match cell(column) {
            None => Ok(None),
            Some((_, _, text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some((_, _, text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some((name, index, text)) => {
                Err(fail(Problem::at(place(index), Some(name), format!("`{text}` is neither `true` nor `false`"))))
            }
        };
        let created_at = match cell(created) {
            None => None,
            Some((name, index, text)) => Some(
                parse_rfc3339(text).map_err(|error| fail(Problem::at(place(index), Some(name), error.to_string())))?,
            ),
        };
        let keys = [flag(key_1)?, flag(key_2)?];
        let row = ReportRow {
            name: needed("user", user)?,
            arn: needed("arn", arn)?,
            created_at,
            password: flag(password)?,
            mfa_active: flag(mfa)?,
            active_access_keys: keys
                .iter()
                .any(Option::is_some)
                .then(|| keys.iter().map(|key| u32::from(*key == Some(true))).sum()),
        };
        if rows.iter().any(|other| other.name.eq_ignore_ascii_case(&row.name)) {
            let what = format!("`{}` has two rows (hint: give one report per account)", row.name);
            return Err(fail(Problem::at(place(user), Some("user"), what)));
        }
        rows.push(row);
    }
    Ok(CredentialReport { generated_at, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,mfa_active,access_key_1_active,access_key_2_active\n";

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
}
