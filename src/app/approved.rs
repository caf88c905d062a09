//! Files of approvals that are added to: one of the caller's, and one in a store, which every report over the store reads. It stands
//! beside the store's commits, for a watch may hold these while somebody responds to what it told.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use super::Error;
use crate::bundle::sha256;
use crate::contract::InputFile;
use crate::disk::{self, Folder};
use crate::inputs::error::LARGEST;
use crate::inputs::{Approval, approvals};
use crate::store::Place;

/// The columns of a file of approvals.
const COLUMNS: &str = "ticket,account,user,approver,valid_from,valid_to";
/// The file in a store.
const PLACE: &str = "watch/approvals.csv";

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
    let bytes = match store.folder() {
        None => store.beside(PLACE, LARGEST).map_err(Error::failed)?,
        Some(folder) if folder.is_dir() => {
            match Folder::open(folder).and_then(|home| home.read(Path::new(PLACE), LARGEST)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => {
                    return Err(Error::Failed(format!("could not read `{place}`: {error}{}", disk::hint(&error))));
                }
                Ok(bytes) => Some(bytes),
            }
        }
        Some(_nothing) => None,
    };
    let Some(bytes) = bytes else { return Ok(None) };
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
        let place = Path::new(PLACE);
        let work = || {
            let home = Folder::open(store)?;
            place.parent().map_or(Ok(()), |folder| home.make(folder))?;
            home.write(place, &self.bytes)
        };
        work().map_err(|error: io::Error| Error::Failed(format!("could not write into `{}`: {error}", store.display())))
    }
}

/// Adds a row to the approvals of a store, unless it is there.
///
/// # Errors
/// When the file is something else, or cannot be written.
pub(crate) fn add_to_store(store: &Path, row: &[String; 6]) -> Result<(), Error> {
    // What is there is a file and no link, and says what approvals say.
    of_store(&store.into())?;
    let place = Path::new(PLACE);
    let made = Folder::open(store).and_then(|home| place.parent().map_or(Ok(()), |folder| home.make(folder)));
    made.map_err(|error| Error::Failed(format!("could not write into `{}`: {error}", store.display())))?;
    add(&store.join(place), row)
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
    let cells: Vec<String> = row.iter().map(|cell| crate::escape::csv_quoted(cell)).collect();
    // Everything but its end: a run that was killed after it was written ends later.
    let [start, _end] = [cells.get(..5).unwrap_or_default().join(","), cells.join(",")];
    if before.lines().any(|line| line.starts_with(&start)) {
        return Ok(());
    }
    let mut text = String::new();
    if before.is_empty() {
        text.push_str(COLUMNS);
        text.push('\n');
    } else if !before.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&cells.join(","));
    text.push('\n');
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
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
            add_to_store(store.path(), &row(ticket)).unwrap();
        }
        let recorded = of_store(&store.path().into()).unwrap().unwrap();
        let tickets: Vec<&str> = recorded.rows.iter().map(|row| row.ticket.as_str()).collect();
        assert_eq!((tickets, recorded.rows[0].approver.as_str()), (vec!["CHG-1", "CHG-2"], "Roe, Jo"));
        let part = tempfile::tempdir().unwrap();
        recorded.write(part.path()).unwrap();
        assert_eq!(of_store(&part.path().into()).unwrap().unwrap().file, recorded.file);
        std::fs::write(store.path().join(PLACE), "who,knows\n1,2\n").unwrap();
        assert!(of_store(&store.path().into()).is_err() && add_to_store(store.path(), &row("CHG-3")).is_err());
        #[cfg(unix)]
        {
            let other = store.path().join("other");
            std::fs::rename(store.path().join(PLACE), &other).unwrap();
            std::os::unix::fs::symlink(&other, store.path().join(PLACE)).unwrap();
            assert!(of_store(&store.path().into()).is_err() && add_to_store(store.path(), &row("CHG-3")).is_err());
            assert_eq!(std::fs::read_to_string(other).unwrap(), "who,knows\n1,2\n");
        }
    }
}
