//! The approvals that a watch goes by: files, and what was recorded in its store, read again at every pass, because tickets come while
//! it runs.

use std::path::PathBuf;

use crate::app::{Error, approved};
use crate::inputs::{Approval, approvals};
use crate::store::Place;

/// What the files say, one after the other, and then the store.
///
/// # Errors
/// With everything that is wrong with the first one that cannot be used.
pub(super) fn read(files: &[PathBuf], store: Option<&Place>) -> Result<Vec<Approval>, Error> {
    let mut all = Vec::new();
    for file in files {
        all.extend(approvals::read(file).map_err(Error::input)?.rows);
    }
    let recorded = store.map(approved::of_store).transpose()?.flatten();
    all.extend(recorded.into_iter().flat_map(|recorded| recorded.rows));
    Ok(all)
}

/// The files, and what they said when they could last be read.
#[derive(Debug)]
pub(super) struct Approvals<'f> {
    files: &'f [PathBuf],
    store: &'f Place,
    rows: Vec<Approval>,
}

impl<'f> Approvals<'f> {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// As of [`read`].
    pub(super) fn open(files: &'f [PathBuf], store: &'f Place) -> Result<Self, Error> {
        Ok(Self { files, store, rows: read(files, Some(store))? })
    }

    pub(super) fn rows(&self) -> &[Approval] {
        &self.rows
    }

    /// Reads them again, and says whether they say something else now. Whoever saves a file may have written half of it: where one
    /// cannot be used, that is logged, and what they said before stands.
    pub(super) fn renew(&mut self) -> bool {
        match read(self.files, Some(self.store)) {
            Ok(rows) if rows == self.rows => false,
            Ok(rows) => {
                self.rows = rows;
                true
            }
            Err(error) => {
                tracing::warn!(reason = error.message(), "approvals cannot be read; those of before stay in force");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_noticed_and_what_is_damaged_changes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let (file, place) = (home.path().join("approvals.csv"), Place::from(home.path()));
        let head = "ticket,account,user,approver,valid_from,valid_to\n";
        let row = |ticket: &str| format!("{ticket},111122223333,ann,jo,2026-10-05T00:00:00Z,2026-10-06T00:00:00Z\n");
        let files = vec![file.clone()];
        assert!(Approvals::open(&files, &place).is_err());
        std::fs::write(&file, head).unwrap();
        let mut approvals = Approvals::open(&files, &place).unwrap();
        assert!(!approvals.renew() && approvals.rows().is_empty());
        std::fs::write(&file, format!("{head}{}", row("CHG-1"))).unwrap();
        assert!(approvals.renew());
        for damage in [format!("{head}CHG-2,11"), "nonsense".to_owned(), format!("{head}{}", row("CHG-1"))] {
            std::fs::write(&file, damage).unwrap();
            assert!(!approvals.renew());
            assert_eq!(approvals.rows().len(), 1);
        }
        std::fs::remove_file(&file).unwrap();
        assert!(!approvals.renew() && approvals.rows().len() == 1);
        // Somebody responds meanwhile.
        std::fs::write(&file, format!("{head}{}", row("CHG-1"))).unwrap();
        let cells = ["CHG-3", "111122223333", "ann", "jo", "2026-10-07T00:00:00Z", "2026-10-08T00:00:00Z"];
        approved::add_to_store(&place, &cells.map(str::to_owned)).unwrap();
        assert!(approvals.renew() && approvals.rows().len() == 2);
    }
}
