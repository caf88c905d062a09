//! The commit log: `commits/<number>.json`, one file a commit, which names the files that it adds and retires.
//!
//! The state of a store is what the commits say, in their order. A checkpoint lists everything, so that a store with
//! thousands of commits opens by reading few; the older ones stay, as the store's own history.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::schema::{Dataset, check_schema};
use super::{IAM, StoreError, damaged, io_error};
use crate::disk::Folder;

/// The folder of commits.
pub(super) const COMMITS: &str = "commits";
/// The folder of files that no commit has put in their place yet.
pub(super) const STAGING: &str = "staging";
/// What says that a folder is a store.
pub(super) const MARK: &str = "store.json";

/// The most bytes of what says that a folder is a store.
const LARGEST_MARK: u64 = 64 << 10;
/// The most bytes of a commit: a checkpoint lists every file in some two hundred.
const LARGEST_COMMIT: u64 = 512 << 20;

/// One file of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its path in the store, with `/`.
    pub path: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Commit {
    pub(super) schema: String,
    pub(super) commit: u64,
    /// Whether `add` lists every file of the store; these are in place already.
    #[serde(default)]
    pub(super) checkpoint: bool,
    pub(super) add: Vec<Entry>,
    pub(super) remove: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) schema: String,
}

/// What the log says.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// The number of the last commit; 0 for none.
    pub(super) commit: u64,
    /// Commits since the last checkpoint.
    pub(super) since_checkpoint: usize,
    /// By path: the file, and the commit that added it, whose staging folder may still hold it.
    pub(super) files: BTreeMap<String, (Entry, u64)>,
    /// What the last commit retired: it may still be there.
    pub(super) retired: Vec<String>,
}

impl State {
    pub(super) fn apply(&mut self, commit: Commit) {
        if commit.checkpoint {
            // A checkpoint says nothing new. It is what a reader begins with.
            self.files.clear();
            self.since_checkpoint = 0;
        } else {
            self.since_checkpoint += 1;
        }
        for path in &commit.remove {
            self.files.remove(path);
        }
        for entry in commit.add {
            self.files.insert(entry.path.clone(), (entry, commit.commit));
        }
        self.commit = commit.commit;
        self.retired = commit.remove;
    }

    /// Where a file is in the store: in its place, or where the commit that was interrupted left it.
    pub(super) fn locations(&self, path: &str) -> [PathBuf; 2] {
        let commit = self.files.get(path).map_or(0, |(_, commit)| *commit);
        [PathBuf::from(path), staging(commit).join(staged(path))]
    }
}

/// The name of a file in its staging folder, which has no folders: one flush makes all names last.
pub(super) fn staged(path: &str) -> String {
    path.replace('/', "!")
}

/// The folder of a commit's files that are not in their places, in the store.
pub(super) fn staging(commit: u64) -> PathBuf {
    Path::new(STAGING).join(format!("{commit:08}"))
}

/// A commit's file in the store.
pub(super) fn commit_path(commit: u64) -> PathBuf {
    Path::new(COMMITS).join(format!("{commit:08}.json"))
}

/// Opens the folder of a store.
pub(super) fn open(store: &Path) -> Result<Folder, StoreError> {
    Folder::open(store).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StoreError::Absent(store.to_owned()),
        _ => io_error("read", store)(error),
    })
}

/// Whether there is a store, and one that this build reads: the version of its format.
pub(super) fn check_mark(home: &Folder, store: &Path) -> Result<u32, StoreError> {
    let path = store.join(MARK);
    let text = match home.read(Path::new(MARK), LARGEST_MARK) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::Absent(store.to_owned())),
        Err(error) => return Err(io_error("read", &path)(error)),
    };
    let mark: Mark = serde_json::from_slice(&text).map_err(|error| damaged(&path, error))?;
    check_schema(&path, &mark.schema)
}

/// Whether a file that the log names is one that a store has. A store may come from a stranger, and files that the log names are
/// read, moved and removed: nothing may lead out of its folders.
fn is_own(path: &str) -> bool {
    let folder = path.starts_with(IAM) || Dataset::of(path).is_some();
    let odd = |c: char| c.is_control() || matches!(c, '\\' | ':');
    folder && !path.contains(odd) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Reads the log.
pub(super) fn load(store: &Path) -> Result<State, StoreError> {
    let home = open(store)?;
    check_mark(&home, store)?;
    let mut numbers = Vec::new();
    let entries = match home.list(Path::new(COMMITS)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
        Err(error) => return Err(io_error("list", &store.join(COMMITS))(error)),
    };
    for (name, _) in entries {
        let number =
            name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(|name| name.parse::<u64>().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    for (at, number) in (1..).zip(&numbers) {
        if at != *number {
            return Err(damaged(&store.join(commit_path(at)), "a commit is missing from the log"));
        }
    }
    let mut commits = Vec::new();
    for number in numbers.into_iter().rev() {
        let path = store.join(commit_path(number));
        let text = home.read(&commit_path(number), LARGEST_COMMIT).map_err(io_error("read", &path))?;
        let commit: Commit = serde_json::from_slice(&text).map_err(|error| damaged(&path, error))?;
        check_schema(&path, &commit.schema)?;
        if commit.commit != number {
            return Err(damaged(&path, format!("it says that it is commit {}", commit.commit)));
        }
        let named = commit.add.iter().map(|entry| &entry.path).chain(&commit.remove);
        if let Some(foreign) = named.into_iter().find(|path| !is_own(path)) {
            return Err(damaged(
                &path,
                format!("it names `{}`, which is not a file of a store", foreign.escape_debug()),
            ));
        }
        let enough = commit.checkpoint;
        commits.push(commit);
        if enough {
            break;
        }
    }
    let mut state = State::default();
    for commit in commits.into_iter().rev() {
        state.apply(commit);
    }
    Ok(state)
}
