//! A report on paper: its page, printed by a Chromium that is installed.

use std::path::{Path, PathBuf};

use super::{Error, Run};
use crate::contract::Report;
use crate::pdf;
use crate::report::{self, Paper};

/// A browser, and the paper it prints on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printer {
    browser: PathBuf,
    /// The size of a sheet.
    pub paper: Paper,
}

impl Printer {
    /// Finds the browser: the one that is named, or the first on the PATH.
    ///
    /// # Errors
    /// [`Error::Input`] where it is not an executable, or none is installed.
    pub fn new(browser: Option<&Path>, paper: Paper) -> Result<Self, Error> {
        Ok(Self { browser: pdf::browser(browser).map_err(Error::input)?, paper })
    }

    /// Prints a report: `report.pdf`, beside the files that it was rendered into. Each sheet has the hash of its `report.json`, if it is one
    /// of them.
    ///
    /// # Errors
    /// [`Error::Failed`] where the browser does not print. The other files are as good as they were.
    pub fn print(&self, report: &Report, files: &[report::File], run: Run<'_>) -> Result<report::File, Error> {
        let data = files.iter().find(|(name, _)| name == "report.json").map(|(_, contents)| contents.sha256());
        let page = report::printed(report, self.paper, data)
            .map_err(|error| Error::Failed(format!("could not render the page to print: {error}")))?;
        let printed = pdf::print(&self.browser, &page, |folder| run.observer.temporary(folder));
        Ok(("report.pdf".to_owned(), printed.map_err(Error::failed)?.into()))
    }
}
