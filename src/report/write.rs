//! A report's directory: whole, or not there.
//!
//! The place is taken before the long work, so that a path that cannot be written fails in the first millisecond. The
//! files are rendered into a directory beside the target and renamed into place together: nobody finds half a report,
//! and an earlier report stays until the new one is complete. Files are made with the umask's permissions.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Report;

/// The names of a report's files, the manifest aside.
const FILES: [&str; 5] = ["events.csv", "index.html", "report.json", "report.md", "windows.csv"];
/// The digests of the other files, as `sha256sum -c` reads them.
const MANIFEST: &str = "MANIFEST.sha256";
/// How many names are tried for a directory beside the target.
const ATTEMPTS: u32 = 100;

/// Why a report could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// `report.json`.
    #[error("could not render `report.json`")]
    Json(#[from] serde_json::Error),
    /// `windows.csv` or `events.csv`.
    #[error("could not render the CSV files")]
    Csv(#[from] polars::prelude::PolarsError),
    /// `index.html`.
    #[error("could not render `index.html`")]
    Html(#[from] askama::Error),
}

/// Why a report's directory could not be taken or written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The path has no name to give a directory, such as `/` or `..`.
    #[error("`{}` is no name for a report's directory (hint: name a new directory, such as `report-2026-10`)", .0.display())]
    NoName(PathBuf),
    /// The path is a file.
    #[error("`{}` is there, and is no directory (hint: choose another name)", .0.display())]
    NotADirectory(PathBuf),
    /// The directory holds something that is no part of a report.
    #[error(
        "`{}` is no earlier report: it holds `{}` (hint: choose a new directory, or move that file away)",
        path.display(), entry.display()
    )]
    Occupied {
        /// The directory.
        path: PathBuf,
        /// The first entry, in order of name, that no report has.
        entry: PathBuf,
    },
    /// The directory holds some files of a report, but not `report.json` and the manifest.
    #[error("`{}` is not empty, and no whole report: it lacks `{missing}` (hint: choose a new directory, or empty it)", path.display())]
    NotAReport {
        /// The directory.
        path: PathBuf,
        /// What a report would have.
        missing: &'static str,
    },
    /// A report could not be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A file operation failed.
    #[error("could not {what} `{}`: {source} (hint: `--out` names a directory in a place that exists and is yours)", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// Renders every file of a report: names and contents in order of name, the manifest last.
///
/// # Errors
/// When a format cannot be rendered.
pub fn render(report: &Report) -> Result<Vec<(&'static str, Vec<u8>)>, RenderError> {
    let mut files = vec![
        ("events.csv", super::events_csv(report)?),
        ("index.html", super::html(report)?.into_bytes()),
        ("report.json", super::json(report)?),
        ("report.md", super::markdown(report).into_bytes()),
        ("windows.csv", super::windows_csv(report)?),
    ];
    files.sort_by_key(|(name, _)| *name);
    let mut manifest = String::new();
    for (name, bytes) in &files {
        for byte in Sha256::digest(bytes) {
            // Writing to a `String` cannot fail.
            let _infallible = write!(manifest, "{byte:02x}");
        }
        manifest.push_str("  ");
        manifest.push_str(name);
        manifest.push('\n');
    }
    files.push((MANIFEST, manifest.into_bytes()));
    Ok(files)
}

/// A place for a report, taken but not yet filled. Dropped without [`OutputDir::commit`], it leaves no trace but the
/// parent directories it had to make.
#[derive(Debug)]
pub struct OutputDir {
    target: PathBuf,
    temporary: PathBuf,
}

impl OutputDir {
    /// Takes the place: checks that `path` is absent, empty or an earlier report, and makes a directory beside it.
    ///
    /// # Errors
    /// When `path` holds something else than a report, or its parent cannot be written.
    pub fn prepare(path: &Path) -> Result<Self, OutputError> {
        // A link to a report is followed, so that it is the report that is replaced and not the link.
        let target = fs::canonicalize(path).unwrap_or_else(|_absent| path.to_path_buf());
        let parent = match (target.parent(), target.file_name()) {
            (Some(parent), Some(_)) if parent.as_os_str().is_empty() => Path::new("."),
            (Some(parent), Some(_)) => parent,
            _ => return Err(OutputError::NoName(path.to_path_buf())),
        };
        check_replaceable(&target)?;
        fs::create_dir_all(parent).map_err(io_error("create the directory", parent))?;
        let temporary = make_sibling(&target, "partial")?;
        Ok(Self { target, temporary })
    }

    /// The directory in which the report is made; it is gone when this is dropped.
    #[must_use]
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Renders `report` and puts it into place. Returns where it is.
    ///
    /// # Errors
    /// When rendering, writing or renaming fails; then what was at the target before is still there. Only where an
    /// earlier report could not be deleted after it was replaced is the new one in place nevertheless; the error tells.
    pub fn commit(self, report: &Report) -> Result<PathBuf, OutputError> {
        for (name, bytes) in render(report)? {
            let path = self.temporary.join(name);
            let written = fs::File::create_new(&path).and_then(|mut file| {
                file.write_all(&bytes)?;
                file.sync_all()
            });
            written.map_err(io_error("write", &path))?;
        }
        // Again: the work between took long enough for somebody to put something there.
        check_replaceable(&self.target)?;
        if !self.target.exists() {
            fs::rename(&self.temporary, &self.target).map_err(io_error("rename the report to", &self.target))?;
            return Ok(self.target.clone());
        }
        let aside = make_sibling(&self.target, "old")?;
        if let Err(source) = fs::rename(&self.target, &aside) {
            // The error that matters is the first; an empty directory left behind does no harm.
            let _best_effort = fs::remove_dir(&aside);
            return Err(io_error("move aside the earlier report", &self.target)(source));
        }
        if let Err(source) = fs::rename(&self.temporary, &self.target) {
            let error = io_error("rename the report to", &self.target)(source);
            fs::rename(&aside, &self.target).map_err(io_error("put back the earlier report from", &aside))?;
            return Err(error);
        }
        fs::remove_dir_all(&aside)
            .map_err(io_error("delete the earlier report, which the new one has replaced, at", &aside))?;
        Ok(self.target.clone())
    }
}

impl Drop for OutputDir {
    fn drop(&mut self) {
        // After a commit it is gone already; a failure here has nobody to be told to, and hides no other.
        let _best_effort = fs::remove_dir_all(&self.temporary);
    }
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OutputError {
    let path = path.to_path_buf();
    move |source| OutputError::Io { what, path, source }
}

/// Makes an empty directory beside `target`, under a hidden name that tells what it is for.
fn make_sibling(target: &Path, purpose: &str) -> Result<PathBuf, OutputError> {
    let name = target.file_name().unwrap_or_default();
    for attempt in 0..ATTEMPTS {
        let mut sibling = std::ffi::OsString::from(".");
        sibling.push(name);
        sibling.push(format!(".{purpose}-{}-{attempt}", std::process::id()));
        let path = target.with_file_name(sibling);
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error("create the directory", &path)(error)),
        }
    }
    let exhausted = io::Error::new(io::ErrorKind::AlreadyExists, "every name that was tried is taken");
    Err(io_error("create a directory beside", target)(exhausted))
}

/// Whether a report may take the place of what is at `path`: nothing, an empty directory, or a report and nothing else,
/// because replacing it deletes it.
fn check_replaceable(path: &Path) -> Result<(), OutputError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_dir() => return Err(OutputError::NotADirectory(path.to_path_buf())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("look at", path)(error)),
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(io_error("read the directory", path))? {
        names.push(entry.map_err(io_error("read the directory", path))?.file_name());
    }
    names.sort();
    if let Some(entry) = names.iter().find(|name| *name != MANIFEST && !FILES.iter().any(|file| *name == file)) {
        return Err(OutputError::Occupied { path: path.to_path_buf(), entry: entry.into() });
    }
    for missing in ["report.json", MANIFEST] {
        if !names.is_empty() && !names.iter().any(|name| name == missing) {
            return Err(OutputError::NotAReport { path: path.to_path_buf(), missing });
        }
    }
    Ok(())
}
