//! Files of approvals that are added to: one of the caller's, and one in a store, which every report over the store reads. It stands
//! beside the store's commits, for a watch may hold these while somebody responds to what it told.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use chrono::{DateTime, Utc};

use super::{Error, rfc3339};
use crate::bundle::sha256;
use crate::contract::InputFile;
use crate::disk::{self, Folder};
use crate::inputs::error::LARGEST;
use crate::inputs::{Approval, approvals};
use crate::store::{Beside, Place};

/// The columns of a file of approvals.
const COLUMNS: &str = "ticket,account,user,approver,valid_from,valid_to";
/// The file in a store.
const PLACE: &str = "watch/approvals.csv";
/// How often it is tried to add to a file that others write at the same time.
const ATTEMPTS: usize = 50;

/// The approvals of a store.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// The file, as a report names what it rests on.
    pub(crate) file: InputFile,
    /// What it says.
    pub(crate) rows: Vec<Approval>,
    bytes: Vec<u8>,
}

/// The approvals that a store has; `None` where nobody ever recorded one.
///
/// # Errors
/// When there is a file of them that cannot be read: what was approved would be called unexplained.
pub(crate) fn of_store(store: &Place) -> Result<Option<Recorded>, Error> {
    let place = format!("{store}/{PLACE}");
    let Some(Beside { bytes, .. }) = store.beside(PLACE, LARGEST).map_err(Error::failed)? else { return Ok(None) };
    let rows = approvals::from_text(&place, &String::from_utf8_lossy(&bytes)).map_err(Error::input)?.rows;
    let file = InputFile { kind: "approvals", path: PLACE.to_owned(), sha256: sha256(&bytes) };
    Ok(Some(Recorded { file, rows, bytes }))
}

impl Recorded {
    /// Writes the same file into another store, which is part of this one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&self, store: &Path) -> Result<(), Error> {
        Place::from(store).write(PLACE, self.bytes.clone()).map_err(Error::failed)
    }

    /// Adds what another store has.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn add_to(&self, store: &Place) -> Result<(), Error> {
        let time = |time: DateTime<Utc>| rfc3339(time);
        for row in &self.rows {
            let cells = [&row.ticket, &row.account, &row.user, &row.approver].map(Clone::clone);
            let [ticket, account, user, approver] = cells;
            add_to_store(store, &[ticket, account, user, approver, time(row.valid_from), time(row.valid_to)])?;
        }
        Ok(())
    }
}

/// Adds a row to the approvals of a store, unless it is there. In a bucket several may do so at the same time.
///
/// # Errors
/// When the file is something else, or cannot be written.
pub(crate) fn add_to_store(store: &Place, row: &[String; 6]) -> Result<(), Error> {
    // What is there is a file and no link, and says what approvals say.
    of_store(store)?;
    if let Some(folder) = store.folder() {
        let place = Path::new(PLACE);
        let made = Folder::open(folder).and_then(|home| place.parent().map_or(Ok(()), |folder| home.make(folder)));
        made.map_err(|error| Error::Failed(format!("could not write into `{store}`: {error}")))?;
        return add(&folder.join(place), row);
    }
    for _attempt in 0..ATTEMPTS {
        let before = store.beside(PLACE, LARGEST).map_err(Error::failed)?;
        let text = before.as_ref().map_or(Cow::Borrowed(""), |before| String::from_utf8_lossy(&before.bytes));
        let Some(more) = addition(&text, row) else { return Ok(()) };
        if store.replace(PLACE, format!("{text}{more}").into_bytes(), before.as_ref()).map_err(Error::failed)? {
            return Ok(());
        }
    }
    Err(Error::Failed(format!(
        "could not add the approval to `{store}/{PLACE}`: somebody else wrote it each of {ATTEMPTS} times\n  hint: run it again with --resume"
    )))
}

/// Checks that approvals can be added to a file.
///
/// # Errors
/// When it is something else.
pub fn check(path: &Path) -> Result<(), Error> {
    let wrong = |why: String| {
        Error::Input(format!(
            "`--approvals-out`: cannot add to `{}`: {why}\n  hint: name a new file, or a CSV file with the columns {COLUMNS}",
            path.display()
        ))
    };
    let any = |_file: &mut std::fs::File| true;
    if !disk::occupied(path, "a file of approvals", any).map_err(|error| wrong(error.to_string()))? {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return if folder.is_dir() { Ok(()) } else { Err(wrong("there is no such folder".to_owned())) };
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    approvals::read(path).map_err(|error| wrong(error.to_string()))?;
    if text.lines().next().map(str::trim) == Some(COLUMNS) {
        Ok(())
    } else {
        Err(wrong("its columns are others".to_owned()))
    }
}

/// Adds a row to a file of approvals, unless it is there.
///
/// # Errors
/// When the file is something else, or cannot be written.
pub(crate) fn add(path: &Path, row: &[String; 6]) -> Result<(), Error> {
    check(path)?;
    let failed =
        |error: io::Error| Error::Failed(format!("could not add the approval to `{}`: {error}", path.display()));
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let before = if path.exists() { std::fs::read_to_string(path).map_err(failed)? } else { String::new() };
    let Some(text) = addition(&before, row) else { return Ok(()) };
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// What a row adds to a text; nothing where it is there.
fn addition(before: &str, row: &[String; 6]) -> Option<String> {
    let cells: Vec<String> = row.iter().map(|cell| crate::escape::csv_quoted(cell)).collect();
    // Everything but its end: a run that was killed after it was written ends later.
    let start = cells.get(..5).unwrap_or_default().join(",");
    if before.lines().any(|line| line.starts_with(&start)) {
        return None;
    }
    let head = match before {
        "" => format!("{COLUMNS}\n"),
        before if before.ends_with('\n') => String::new(),
        _ => "\n".to_owned(),
    };
    Some(format!("{head}{}\n", cells.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ticket: &str) -> [String; 6] {
        [ticket, "111122223333", "ann", "Roe, Jo", "2026-10-05T00:00:00Z", "2026-10-06T00:00:00Z"].map(str::to_owned)
    }

    #[test]
    fn a_store_has_what_was_added_once_and_nothing_that_is_no_file_of_approvals() {
        let store = tempfile::tempdir().unwrap();
        assert!(
            of_store(&store.path().into()).unwrap().is_none()
                && of_store(&store.path().join("none").into()).unwrap().is_none()
        );
        for ticket in ["CHG-1", "CHG-2", "CHG-1"] {
            add_to_store(&store.path().into(), &row(ticket)).unwrap();
        }
        let recorded = of_store(&store.path().into()).unwrap().unwrap();
        let tickets: Vec<&str> = recorded.rows.iter().map(|row| row.ticket.as_str()).collect();
        assert_eq!((tickets, recorded.rows[0].approver.as_str()), (vec!["CHG-1", "CHG-2"], "Roe, Jo"));
        let part = tempfile::tempdir().unwrap();
        recorded.write(part.path()).unwrap();
        assert_eq!(of_store(&part.path().into()).unwrap().unwrap().file, recorded.file);
        std::fs::write(store.path().join(PLACE), "who,knows\n1,2\n").unwrap();
        assert!(of_store(&store.path().into()).is_err() && add_to_store(&store.path().into(), &row("CHG-3")).is_err());
        #[cfg(unix)]
        {
            let other = store.path().join("other");
            std::fs::rename(store.path().join(PLACE), &other).unwrap();
            std::os::unix::fs::symlink(&other, store.path().join(PLACE)).unwrap();
            assert!(
                of_store(&store.path().into()).is_err() && add_to_store(&store.path().into(), &row("CHG-3")).is_err()
            );
            assert_eq!(std::fs::read_to_string(other).unwrap(), "who,knows\n1,2\n");
        }
    }
}
