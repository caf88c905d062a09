//! A commit: files into `staging/`, then one rename of `commits/<number>.json`, which is the moment that counts, then the
//! files into their places and the retired ones away.
//!
//! What a killed run leaves is put right by the next writer: a commit that is in the log is finished, and whatever else is in
//! `staging/` never happened. Everything is flushed to the disk before the log names it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::lock::{Holder, Lock, private};
use super::log::{self, COMMITS, Commit, Entry, MARK, Mark, STAGING, State, commit_path, staged, staging};
use super::schema::SCHEMA;
use super::{StoreError, count, damaged, hex, io_error};

/// After so many commits one lists everything, so that opening a store reads few files.
const CHECKPOINT: usize = 100;

/// A file to be added.
#[derive(Debug)]
pub(super) struct NewFile {
    /// Its path in the store.
    pub(super) path: String,
    pub(super) rows: u64,
    pub(super) bytes: Vec<u8>,
}

/// The one process that writes a store.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    state: State,
    _lock: Lock,
}

impl Writer {
    /// Opens a store for writing, makes it where there is none, and finishes what a killed run left.
    ///
    /// # Errors
    /// When it is not a store, is of another schema, is being written, or cannot be written.
    pub fn open(dir: &Path, holder: &Holder) -> Result<Self, StoreError> {
        check_usable(dir)?;
        make_folder(dir)?;
        let lock = Lock::take(dir, holder)?;
        match log::check_mark(dir) {
            Ok(()) => {}
            Err(StoreError::Absent(_)) => mark(dir)?,
            Err(error) => return Err(error),
        }
        make_folder(&dir.join(COMMITS))?;
        make_folder(&dir.join(STAGING))?;
        let state = log::load(dir)?;
        let writer = Self { dir: dir.to_owned(), state, _lock: lock };
        writer.finish()?;
        Ok(writer)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// The number of the next commit.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.state.commit + 1
    }

    /// Keeps a snapshot of IAM state, as `mfatrail iam snapshot` writes it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn keep_iam(&mut self, taken_at: DateTime<Utc>, users: u64, text: Vec<u8>) -> Result<(), StoreError> {
        let path = format!("{}-{:08}.json", super::iam_path(taken_at), self.next());
        self.commit(vec![NewFile { path, rows: users, bytes: text }], Vec::new())
    }

    /// Adds and retires files in one step.
    pub(super) fn commit(&mut self, add: Vec<NewFile>, remove: Vec<String>) -> Result<(), StoreError> {
        if add.is_empty() && remove.is_empty() {
            return Ok(());
        }
        let number = self.next();
        let folder = staging(&self.dir, number);
        let staged = self.stage(&folder, add).and_then(|entries| {
            let commit = Commit { schema: SCHEMA.to_owned(), commit: number, checkpoint: false, add: entries, remove };
            self.log(&commit)?;
            Ok(commit)
        });
        let commit = match staged {
            Ok(commit) => commit,
            Err(error) => {
                // Should the log name it after all, then the next writer finishes it. Otherwise it never happened; what
                // cannot be removed now is in nobody's way.
                let path = commit_path(&self.dir, number);
                if fs::symlink_metadata(&path).is_err() {
                    let _ = fs::remove_file(path.with_extension("json.tmp"));
                    let _ = fs::remove_dir_all(&folder);
                }
                return Err(error);
            }
        };
        self.state.apply(commit);
        self.finish()?;
        if self.state.since_checkpoint >= CHECKPOINT {
            let add = self.state.files.values().map(|(entry, _)| entry.clone()).collect();
            let schema = SCHEMA.to_owned();
            let commit = Commit { schema, commit: self.next(), checkpoint: true, add, remove: Vec::new() };
            self.log(&commit)?;
            self.state.apply(commit);
        }
        Ok(())
    }

    fn stage(&self, folder: &Path, add: Vec<NewFile>) -> Result<Vec<Entry>, StoreError> {
        make_folder(folder)?;
        let mut entries = Vec::new();
        for file in add {
            write_file(&folder.join(staged(&file.path)), &file.bytes)?;
            let sha256 = hex(&Sha256::digest(&file.bytes));
            entries.push(Entry { path: file.path, rows: file.rows, bytes: count(file.bytes.len()), sha256 });
        }
        sync(folder)?;
        sync(&self.dir.join(STAGING))?;
        Ok(entries)
    }

    fn log(&self, commit: &Commit) -> Result<(), StoreError> {
        let path = commit_path(&self.dir, commit.commit);
        let folder = self.dir.join(COMMITS);
        let text = serde_json::to_vec(commit).map_err(|error| io_error("write", &path)(error.into()))?;
        replace(&path, &text)?;
        sync(&folder)
    }

    /// Puts the last commit's files in their places, and clears away what no commit names. Doing it twice does nothing.
    fn finish(&self) -> Result<(), StoreError> {
        let folder = self.dir.join(STAGING);
        // What lies there is removed: it must not be somebody else's.
        if fs::symlink_metadata(&folder).is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(damaged(&folder, "it is a link, and a store has none"));
        }
        let last = self.state.commit;
        // A move need not be flushed: one that a power failure undoes leaves the file where it is looked for next.
        for (path, (_, commit)) in &self.state.files {
            if *commit != last {
                continue;
            }
            let (from, to) = (staging(&self.dir, last).join(staged(path)), self.dir.join(path));
            if fs::symlink_metadata(&from).is_ok() {
                make_folder(to.parent().unwrap_or(&self.dir))?;
                fs::rename(&from, &to).map_err(io_error("move into its place", &to))?;
            } else if fs::symlink_metadata(&to).is_err() {
                return Err(damaged(&to, "the log names it, and it is not there"));
            }
        }
        for path in &self.state.retired {
            let path = self.dir.join(path);
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io_error("remove", &path)(error)),
            }
        }
        for entry in fs::read_dir(&folder).map_err(io_error("list", &folder))? {
            let path = entry.map_err(io_error("list", &folder))?.path();
            fs::remove_dir_all(&path).map_err(io_error("remove", &path))?;
        }
        Ok(())
    }
}

/// A folder that holds anything but a store, or the beginnings of one, is left alone.
fn check_usable(dir: &Path) -> Result<(), StoreError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("list", dir)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(io_error("list", dir))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    if names.iter().any(|name| name == MARK) {
        return Ok(());
    }
    match names.into_iter().find(|name| !matches!(name.as_str(), "lock" | "store.json.tmp")) {
        Some(entry) => Err(StoreError::Occupied { path: dir.to_owned(), entry }),
        None => Ok(()),
    }
}

fn mark(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join(MARK);
    let text = serde_json::to_vec(&Mark { schema: SCHEMA.to_owned() });
    replace(&path, &text.map_err(|error| io_error("write", &path)(error.into()))?)?;
    sync(dir)
}

/// Writes a file whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = path.with_extension("json.tmp");
    write_file(&temporary, bytes)?;
    fs::rename(&temporary, path).map_err(io_error("write", path))
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    private(&mut options);
    let write = || {
        let mut file = options.open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(io_error("write", path))
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(io_error("create", path))
}

/// A file's name is on the disk only when its folder is.
fn sync(folder: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error("write", folder))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
