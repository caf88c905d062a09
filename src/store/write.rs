//! A commit: files into `staging/`, then one rename of `commits/<number>.json`, which is the moment that counts, then the
//! files into their places and the retired ones away.
//!
//! What a killed run leaves is put right by the next writer: a commit that is in the log is finished, and whatever else is in
//! `staging/` never happened. Everything is flushed to the disk before the log names it.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::lock::{self, Holder, Lock};
use super::log::{self, COMMITS, Commit, Entry, MARK, Mark, STAGING, State, commit_path, staged, staging};
use super::schema::{SCHEMA, VERSION};
use super::{StoreError, count, damaged, hex, io_error};
use crate::disk::{self, Folder, Kind};

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
    /// It, open: nothing is written anywhere else.
    home: Folder,
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
        // What is in a store says who did what: it is for its owner alone.
        disk::make_folder(dir).map_err(io_error("create", dir))?;
        let home = log::open(dir)?;
        let lock = Lock::take(&home, dir, holder)?;
        let mut writer = Self { dir: dir.to_owned(), home, state: State::default(), _lock: lock };
        match log::check_mark(&writer.home, dir) {
            Ok(VERSION) => {}
            // What is written from here on an earlier version could not read.
            Ok(_) | Err(StoreError::Absent(_)) => writer.mark()?,
            Err(error) => return Err(error),
        }
        writer.make(Path::new(COMMITS))?;
        writer.make(Path::new(STAGING))?;
        writer.state = log::load(dir)?;
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
        let folder = staging(number);
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
                let path = commit_path(number);
                if !matches!(self.home.kind(&path), Ok(Some(_))) {
                    let _ = self.home.remove(&temporary(&path));
                    let _ = self.home.remove_tree(&folder);
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
        self.make(folder)?;
        let mut entries = Vec::new();
        for file in add {
            self.write(&folder.join(staged(&file.path)), &file.bytes)?;
            let sha256 = hex(&Sha256::digest(&file.bytes));
            entries.push(Entry { path: file.path, rows: file.rows, bytes: count(file.bytes.len()), sha256 });
        }
        self.sync(folder)?;
        self.sync(Path::new(STAGING))?;
        Ok(entries)
    }

    fn log(&self, commit: &Commit) -> Result<(), StoreError> {
        let path = commit_path(commit.commit);
        let text = serde_json::to_vec(commit).map_err(|error| self.failed("write", &path)(error.into()))?;
        self.replace(&path, &text)?;
        self.sync(Path::new(COMMITS))
    }

    fn mark(&self) -> Result<(), StoreError> {
        let path = Path::new(MARK);
        let text = mark_text().map_err(|error| self.failed("write", path)(error.into()))?;
        self.replace(path, &text)?;
        self.sync(Path::new(""))
    }

    /// Puts the last commit's files in their places, and clears away what no commit names. Doing it twice does nothing.
    fn finish(&self) -> Result<(), StoreError> {
        let last = self.state.commit;
        // A move need not be flushed: one that a power failure undoes leaves the file where it is looked for next.
        for (path, (_, commit)) in &self.state.files {
            if *commit != last {
                continue;
            }
            let [to, from] = self.state.locations(path);
            if self.is_there(&from)? {
                self.make(to.parent().unwrap_or(Path::new("")))?;
                self.home.rename(&from, &to).map_err(self.failed("move into its place", &to))?;
            } else if !self.is_there(&to)? {
                return Err(damaged(&self.dir.join(&to), "the log lists it, but it is missing"));
            }
        }
        for path in self.state.retired.iter().map(Path::new) {
            self.home.remove(path).map_err(self.failed("remove", path))?;
        }
        // What lies there is removed: it must not be somebody else's, and no link to it is followed.
        let staging = Path::new(STAGING);
        for (name, _) in self.home.list(staging).map_err(self.failed("list", staging))? {
            let path = staging.join(name);
            self.home.remove_tree(&path).map_err(self.failed("remove", &path))?;
        }
        Ok(())
    }

    fn is_there(&self, path: &Path) -> Result<bool, StoreError> {
        Ok(self.home.kind(path).map_err(self.failed("look at", path))?.is_some())
    }

    fn failed(&self, what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
        io_error(what, &self.dir.join(path))
    }

    fn make(&self, path: &Path) -> Result<(), StoreError> {
        self.home.make(path).map_err(self.failed("create", path))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.home.write(path, bytes).map_err(self.failed("write", path))
    }

    /// Writes a file whole or not at all.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(&temporary(path), bytes)?;
        self.home.rename(&temporary(path), path).map_err(self.failed("write", path))
    }

    /// A file's name is on the disk only when its folder is.
    fn sync(&self, folder: &Path) -> Result<(), StoreError> {
        self.home.sync(folder).map_err(self.failed("write", folder))
    }
}

/// Where a file is written before it takes its place.
fn temporary(path: &Path) -> PathBuf {
    path.with_extension("json.tmp")
}

fn mark_text() -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Mark { schema: SCHEMA.to_owned() })
}

/// A folder that holds anything but a store, or the beginnings of one, is left alone.
fn check_usable(dir: &Path) -> Result<(), StoreError> {
    let home = match log::open(dir) {
        Ok(home) => home,
        Err(StoreError::Absent(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let entries = home.list(Path::new("")).map_err(io_error("list", dir))?;
    if entries.iter().any(|(name, _)| name == MARK) {
        return Ok(());
    }
    match entries.iter().find(|(name, kind)| !(*kind == Kind::File && begins_store(&home, name))) {
        Some((entry, _)) => {
            Err(StoreError::Occupied { path: dir.to_owned(), entry: entry.to_string_lossy().into_owned() })
        }
        None => Ok(()),
    }
}

/// Whether a file is one that a run leaves that was ended while it made a store.
fn begins_store(home: &Folder, name: &OsStr) -> bool {
    let Ok(text) = home.read(Path::new(name), lock::LARGEST) else { return false };
    if name == lock::LOCK {
        return text.is_empty() || serde_json::from_slice::<Holder>(&text).is_ok();
    }
    Path::new(name) == temporary(Path::new(MARK)) && mark_text().is_ok_and(|mark| mark.starts_with(&text))
}
