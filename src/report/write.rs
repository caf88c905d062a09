//! A report's directory: whole, or not there.
//!
//! The place is taken before the long work, so that a path that cannot be written fails in the first millisecond. The
//! files are rendered into a directory beside the target and renamed into place together: nobody finds half a report,
//! and an earlier report stays until the new one is complete. That directory is its owner's alone; in their place files and
//! directory have the umask's permissions. Only what the manifest of an earlier report lists, and as it lists it, is ever replaced.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::contents::Contents;
use super::{Report, account, html};
use crate::disk::{Folder, Kind, Refusal};
use crate::hash::hex;
use crate::signature::{self, SignatureError, Signer};

/// The names of a report's files, the manifest and the pages of accounts aside.
const FILES: [&str; 12] = [
    "changes.txt",
    "events.csv",
    "findings.asff.json",
    "findings.ocsf.jsonl",
    "index.html",
    "junit.xml",
    "report.json",
    "report.md",
    "report.pdf",
    "report.sarif",
    "report.xlsx",
    "windows.csv",
];
/// The file of the digests of all others, as `sha256sum -c` reads them.
pub const MANIFEST: &str = "MANIFEST.sha256";
/// A line of it has less than two hundred bytes, and there is one for each account at most.
const LARGEST_MANIFEST: u64 = 64 << 20;
/// The largest file of an earlier report that is looked at: no report has one as large, and whoever put it there decides how large
/// it is.
const LARGEST_FILE: u64 = 1 << 30;

/// Why a report could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// `report.json`.
    #[error("could not render `report.json`")]
    Json(#[from] serde_json::Error),
    /// `report.xlsx`.
    #[error("could not render `report.xlsx`")]
    Xlsx(#[from] rust_xlsxwriter::XlsxError),
    /// A file that does not stay in memory.
    #[error(
        "could not write a file of the report to the temporary directory: {0} (hint: free space there, or set TMPDIR to another)"
    )]
    Temporary(#[from] io::Error),
}

/// Why a report's directory could not be taken or written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The path has no name to give a directory, such as `/` or `..`.
    #[error("`{}` is not a valid name for a report's directory (hint: name a new directory, such as `report-2026-10`)", .0.display())]
    NoName(PathBuf),
    /// The path is a file.
    #[error("`{}` exists and is not a directory (hint: choose another name)", .0.display())]
    NotADirectory(PathBuf),
    /// The directory holds something that is no part of a report.
    #[error(
        "`{}` contains a file that mfatrail did not write: `{}` (hint: choose a new directory, or move that file away)",
        path.display(), entry.display()
    )]
    Occupied {
        /// The directory.
        path: PathBuf,
        /// The first entry, in order of name, that the report's manifest does not list.
        entry: PathBuf,
    },
    /// A file of the earlier report is not what its manifest says.
    #[error(
        "`{}` contains `{}`, which was changed after mfatrail wrote it (hint: choose a new directory, or move that file away)",
        path.display(), entry.display()
    )]
    Changed {
        /// The directory.
        path: PathBuf,
        /// The first file, in order of name, whose digest is another.
        entry: PathBuf,
    },
    /// The directory holds some files of a report, but not its manifest, or one that is not of a report.
    #[error("`{}` is not empty and not a report: `{missing}` is missing or empty (hint: choose a new directory, or empty it)", path.display())]
    NotAReport {
        /// The directory.
        path: PathBuf,
        /// What a report would have.
        missing: &'static str,
    },
    /// The manifest could not be signed.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A file operation failed.
    #[error("could not {what} `{}`: {source} (hint: {})", path.display(), hint(source))]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "free disk space there; what was there before is unchanged"
        }
        _ => "`--out` must be a directory in an existing folder that you can write to",
    }
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `index.html`.
    Html,
    /// `report.md`.
    #[serde(rename = "md")]
    Markdown,
    /// `report.json`.
    Json,
    /// `windows.csv` and `events.csv`.
    Csv,
    /// `report.xlsx`.
    Xlsx,
    /// `changes.txt`, where an earlier report was given.
    #[serde(rename = "txt")]
    Text,
    /// `findings.ocsf.jsonl`.
    Ocsf,
    /// `findings.asff.json`.
    Asff,
    /// `report.sarif`.
    Sarif,
    /// `junit.xml`.
    Junit,
}

impl Format {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Html,
        Self::Markdown,
        Self::Json,
        Self::Csv,
        Self::Xlsx,
        Self::Text,
        Self::Ocsf,
        Self::Asff,
        Self::Sarif,
        Self::Junit,
    ];

    /// Those that are made where none is named: what other programs read is made where it is asked for.
    pub const USUAL: [Self; 6] = [Self::Html, Self::Markdown, Self::Json, Self::Csv, Self::Xlsx, Self::Text];

    /// As it is asked for.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Markdown => "md",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Text => "txt",
            Self::Ocsf => "ocsf",
            Self::Asff => "asff",
            Self::Sarif => "sarif",
            Self::Junit => "junit",
        }
    }
}

/// A file of a report: its name and its bytes.
pub type File = (String, Contents);

/// Renders the files of a report; with `per_account` also a page for each account that has something to show.
///
/// # Errors
/// When a format cannot be rendered.
pub fn render(report: &Report, formats: &[Format], per_account: bool) -> Result<Vec<File>, RenderError> {
    let mut files: Vec<File> = Vec::new();
    let mut add = |name: &str, contents: Contents| files.push((name.to_owned(), contents));
    for format in formats {
        match format {
            Format::Html => pages(report, per_account, &mut add)?,
            Format::Markdown => add("report.md", Contents::of(|out| super::markdown(report, out))?),
            Format::Json => {
                add("report.json", Contents::of(|out| super::json(report, out).map_err(RenderError::from))?)
            }
            Format::Csv => {
                add("events.csv", Contents::of(|out| super::events_csv(report, out))?);
                add("windows.csv", Contents::of(|out| super::windows_csv(report, out))?);
            }
            Format::Xlsx => add("report.xlsx", super::xlsx(report)?.into()),
            Format::Ocsf => add("findings.ocsf.jsonl", Contents::of(|out| super::machine::ocsf(report, out))?),
            Format::Asff => add("findings.asff.json", Contents::of(|out| super::machine::asff(report, out))?),
            Format::Sarif => add("report.sarif", Contents::of(|out| super::machine::sarif(report, out))?),
            Format::Junit => add("junit.xml", Contents::of(|out| super::machine::junit(report, out))?),
            Format::Text => {
                if let Some(changes) = &report.changes {
                    add("changes.txt", Contents::of(|out| super::changes::changes_text(report, changes, out))?);
                }
            }
        }
    }
    Ok(files)
}

fn pages(report: &Report, per_account: bool, add: &mut dyn FnMut(&str, Contents)) -> Result<(), RenderError> {
    let page = |page: &html::Page<'_>| Contents::of(|out| page.write(out));
    if !per_account {
        add("index.html", page(&html::Page::new(report, None, Vec::new()))?);
        return Ok(());
    }
    let shown = report.accounts.iter().filter(|one| account::has_something(report, &one.account));
    let named = account::file_names(shown.map(|one| one.account.as_str()));
    let links = named.iter().map(|(file, name)| (file.clone(), account::label(name))).collect();
    add("index.html", page(&html::Page::new(report, None, links))?);
    for (file, name) in named {
        if let Some(part) = account::of(report, name) {
            let back = vec![("index.html".to_owned(), "all accounts".to_owned())];
            add(&file, page(&html::Page::new(&part, Some(name), back))?);
        }
    }
    Ok(())
}

/// The digests of all files, in order of name.
fn manifest(files: &[File]) -> String {
    files.iter().map(|(name, contents)| format!("{}  {name}\n", contents.sha256())).collect()
}

/// What a manifest lists: the digests of files by their names.
fn listed(manifest: &str) -> BTreeMap<&str, &str> {
    let lines = manifest.lines().filter_map(|line| line.split_once("  "));
    lines.map(|(digest, name)| (name, digest)).filter(|(name, _)| is_report_file(OsStr::new(name))).collect()
}

/// The SHA-256 of a file below a folder, in hexadecimal digits.
///
/// # Errors
/// Where it is no regular file, has more than `most` bytes, or cannot be read.
pub(crate) fn digest_of(folder: &Folder, name: &OsStr, most: u64) -> io::Result<String> {
    let file = folder.file(Path::new(name))?;
    if file.metadata()?.len() > most {
        return Err(Refusal::TooLarge(most).into());
    }
    let mut file = file.take(most);
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&digest.finalize())),
            read => digest.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// Whether a report may have a file of this name.
fn is_report_file(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let account = name.strip_prefix("account-").and_then(|rest| rest.strip_suffix(".html"));
    name == MANIFEST
        || is_signature(name)
        || FILES.contains(&name)
        || account.is_some_and(|id| id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// Whether a file is called like the manifest's signature.
fn is_signature(name: &str) -> bool {
    name.strip_prefix(MANIFEST)
        .and_then(|rest| rest.strip_prefix('.'))
        .is_some_and(|rest| signature::ENDINGS.contains(&rest))
}

/// A place for a report, taken but not yet filled. Dropped without [`OutputDir::commit`], it leaves no trace but the
/// parent directories it had to make.
#[derive(Debug)]
pub struct OutputDir {
    target: PathBuf,
    temporary: PathBuf,
    /// What the umask gives to a directory.
    permissions: fs::Permissions,
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
        let permissions = usual_permissions(&temporary).map_err(io_error("prepare the directory", &temporary))?;
        Ok(Self { target, temporary, permissions })
    }

    /// The directory in which the report is made; it is gone when this is dropped.
    #[must_use]
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Writes the files and their manifest, with a signature of it if there is somebody to sign, and puts them into place. Returns where
    /// they are.
    ///
    /// # Errors
    /// When signing, writing or renaming fails; then what was at the target before is still there. Only where an
    /// earlier report could not be deleted after it was replaced is the new one in place nevertheless; the error tells.
    pub fn commit(self, mut files: Vec<File>, signer: Option<&Signer>) -> Result<PathBuf, OutputError> {
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        let manifest = manifest(&files).into_bytes();
        if let Some(signer) = signer {
            files.push((format!("{MANIFEST}.{}", signer.ending()), signer.sign_bytes(&manifest)?.into()));
        }
        files.push((MANIFEST.to_owned(), manifest.into()));
        for (name, contents) in files {
            let path = self.temporary.join(name);
            let written = fs::File::create_new(&path).and_then(|mut file| {
                contents.copy(&mut file)?;
                file.sync_all()
            });
            written.map_err(io_error("write", &path))?;
        }
        let permissions = fs::set_permissions(&self.temporary, self.permissions.clone());
        permissions.map_err(io_error("open the directory", &self.temporary))?;
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
            fs::rename(&aside, &self.target).map_err(io_error("restore the earlier report from", &aside))?;
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

/// Makes an empty directory beside `target`, under a hidden name that tells what it is for. Its owner alone may enter it, from its
/// first moment on.
fn make_sibling(target: &Path, purpose: &str) -> Result<PathBuf, OutputError> {
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(target.file_name().unwrap_or_default());
    prefix.push(format!(".{purpose}-"));
    let beside = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let made = builder.tempdir_in(beside);
    made.map(tempfile::TempDir::keep).map_err(io_error("create a directory next to", target))
}

/// Whether a report may take the place of what is at `path`: nothing, an empty directory, or a report as it was written and
/// nothing else, because replacing it deletes it.
fn check_replaceable(path: &Path) -> Result<(), OutputError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_dir() => return Err(OutputError::NotADirectory(path.to_path_buf())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("look at", path)(error)),
    }
    let failed = |error| io_error("read the directory", path)(error);
    let folder = Folder::open(path).map_err(failed)?;
    let entries = folder.list(Path::new("")).map_err(failed)?;
    let occupied = |entry: &OsStr| OutputError::Occupied { path: path.to_path_buf(), entry: entry.into() };
    if let Some((entry, _)) = entries.iter().find(|(name, kind)| *kind != Kind::File || !is_report_file(name)) {
        return Err(occupied(entry));
    }
    if entries.is_empty() {
        return Ok(());
    }
    let manifest = folder.read(Path::new(MANIFEST), LARGEST_MANIFEST).unwrap_or_default();
    let manifest = String::from_utf8_lossy(&manifest);
    let listed = listed(&manifest);
    if listed.is_empty() {
        return Err(OutputError::NotAReport { path: path.to_path_buf(), missing: MANIFEST });
    }
    let (signatures, files): (Vec<_>, Vec<_>) = entries
        .iter()
        .map(|(name, _)| name)
        .filter(|name| *name != MANIFEST)
        .partition(|name| name.to_str().is_some_and(is_signature));
    for name in signatures {
        let bytes = folder.read(Path::new(name), signature::LARGEST).map_err(io_error("read", &path.join(name)))?;
        if !signature::is_one_of(&bytes) {
            return Err(occupied(name));
        }
    }
    for name in files {
        let Some(digest) = name.to_str().and_then(|name| listed.get(name)) else { return Err(occupied(name)) };
        if digest_of(&folder, name, LARGEST_FILE).map_err(io_error("read", &path.join(name)))? != *digest {
            return Err(OutputError::Changed { path: path.to_path_buf(), entry: name.into() });
        }
    }
    Ok(())
}

/// Whether a report is at `path` with all its files, as they were written, and nothing else.
#[must_use]
pub fn is_intact(path: &Path) -> bool {
    let manifest = Folder::open(path).and_then(|folder| folder.read(Path::new(MANIFEST), LARGEST_MANIFEST));
    let Ok(manifest) = manifest else { return false };
    let manifest = String::from_utf8_lossy(&manifest);
    listed(&manifest).keys().all(|name| path.join(name).is_file()) && check_replaceable(path).is_ok()
}

/// How a report's folder differs from what its manifest lists, a file a line; and how many files it lists.
///
/// # Errors
/// Where there is no report, or it cannot be read.
pub fn differences(path: &Path) -> Result<(usize, Vec<String>), OutputError> {
    let failed = |error| io_error("read the directory", path)(error);
    let folder = Folder::open(path).map_err(failed)?;
    let manifest =
        folder.read(Path::new(MANIFEST), LARGEST_MANIFEST).map_err(io_error("read", &path.join(MANIFEST)))?;
    let manifest = String::from_utf8_lossy(&manifest);
    let listed = listed(&manifest);
    if listed.is_empty() || listed.len() != manifest.lines().count() {
        return Err(OutputError::NotAReport { path: path.to_path_buf(), missing: MANIFEST });
    }
    let mut found = Vec::new();
    for (name, digest) in &listed {
        match digest_of(&folder, OsStr::new(name), LARGEST_FILE) {
            Ok(other) if other == *digest => {}
            Ok(_) => found.push(format!("`{name}` was changed")),
            Err(error) => found.push(format!("`{name}` cannot be read: {error}")),
        }
    }
    let entries = folder.list(Path::new("")).map_err(failed)?;
    let own = |name: &OsStr| {
        name.to_str().is_some_and(|name| name == MANIFEST || is_signature(name) || listed.contains_key(name))
    };
    let strange = entries.iter().filter(|(name, _)| !own(name));
    found.extend(strange.map(|(name, _)| format!("`{}` is not listed", name.to_string_lossy())));
    Ok((listed.len(), found))
}

/// What the umask gives to a directory: tried where nobody else can enter.
fn usual_permissions(within: &Path) -> io::Result<fs::Permissions> {
    let tried = within.join("umask");
    fs::create_dir(&tried)?;
    let permissions = fs::metadata(&tried)?.permissions();
    fs::remove_dir(&tried)?;
    Ok(permissions)
}
