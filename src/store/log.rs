//! The commit log: `commits/<number>.json`, one file a commit, which names the files that it adds and retires.
//!
//! The state of a store is what the commits say, in their order. A checkpoint lists everything, so that a store with
//! thousands of commits opens by reading few; the older ones stay, as the store's own history.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file::Entry;
use super::place::Place;
use super::remote::Remote;
use super::schema::{Dataset, SCHEMA, check_schema};
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
pub(super) const LARGEST_COMMIT: u64 = 512 << 20;
/// The most commits of a store in a bucket.
const MOST_COMMITS: usize = 10_000_000;
/// So many commits are read at once.
const AT_ONCE: usize = 16;

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
    /// In a bucket, what no other commit has: by it a writer knows its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
}

impl Commit {
    /// A commit of a writer of this version.
    pub(super) fn new(commit: u64, add: Vec<Entry>, remove: Vec<String>) -> Self {
        Self { schema: SCHEMA.to_owned(), commit, checkpoint: false, add, remove, id: None }
    }
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
        for mut entry in commit.add {
            entry.since.get_or_insert(commit.commit);
            self.files.insert(entry.path.clone(), (entry, commit.commit));
        }
        self.commit = commit.commit;
        self.retired = commit.remove;
    }

    /// The commit that added a file.
    pub(super) fn since(&self, path: &str) -> u64 {
        self.files.get(path).and_then(|(entry, _)| entry.since).unwrap_or_default()
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
    match home.read(Path::new(MARK), LARGEST_MARK) {
        Ok(text) => version(&path, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::Absent(store.to_owned())),
        Err(error) => Err(io_error("read", &path)(error)),
    }
}

/// The same, of a store in a bucket.
pub(super) fn check_remote_mark(remote: &Remote, store: &Place) -> Result<u32, StoreError> {
    let text = remote.read(MARK, LARGEST_MARK)?.ok_or_else(|| StoreError::Absent(store.shown()))?;
    version(&store.join(MARK), &text)
}

fn version(path: &Path, text: &[u8]) -> Result<u32, StoreError> {
    let mark: Mark = serde_json::from_slice(text).map_err(|error| damaged(path, error))?;
    check_schema(path, &mark.schema)
}

/// Whether a file that the log names is one that a store has. A store may come from a stranger, and files that the log names are
/// read, moved and removed: nothing may lead out of its folders.
fn is_own(path: &str) -> bool {
    let folder = path.starts_with(IAM) || Dataset::of(path).is_some();
    let odd = |c: char| c.is_control() || matches!(c, '\\' | ':');
    folder && !path.contains(odd) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Reads the log.
pub(super) fn load(store: &Place) -> Result<State, StoreError> {
    let numbers = match store {
        Place::Folder(dir) => {
            let home = open(dir)?;
            check_mark(&home, dir)?;
            let entries = match home.list(Path::new(COMMITS)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(io_error("list", &dir.join(COMMITS))(error)),
            };
            entries.iter().filter_map(|(name, _)| number(name.to_str()?)).collect()
        }
        Place::Bucket(remote) => {
            check_remote_mark(remote, store)?;
            remote_numbers(remote, 0)?
        }
    };
    let numbers = contiguous(store, numbers, 0)?;
    let mut commits = Vec::new();
    // From the end to the last checkpoint: in a bucket many at once.
    for numbers in numbers.rchunks(AT_ONCE) {
        let mut read = read_commits(store, numbers)?;
        let checkpoint = read.iter().rposition(|commit| commit.checkpoint);
        read.drain(..checkpoint.unwrap_or_default());
        commits.extend(read.into_iter().rev());
        if checkpoint.is_some() {
            break;
        }
    }
    let mut state = State::default();
    for commit in commits.into_iter().rev() {
        state.apply(commit);
    }
    Ok(state)
}

/// The commits of a store in a bucket that came after one.
pub(super) fn after(store: &Place, remote: &Remote, last: u64) -> Result<Vec<Commit>, StoreError> {
    let numbers = contiguous(store, remote_numbers(remote, last)?, last)?;
    let mut commits = Vec::new();
    for numbers in numbers.chunks(AT_ONCE) {
        commits.extend(read_commits(store, numbers)?);
    }
    Ok(commits)
}

/// The number of a commit, by the name of its file.
fn number(name: &str) -> Option<u64> {
    name.strip_suffix(".json")?.parse().ok()
}

fn remote_numbers(remote: &Remote, last: u64) -> Result<Vec<u64>, StoreError> {
    let after = (last > 0).then(|| slashed(&commit_path(last)));
    let files = remote.list(&format!("{COMMITS}/"), after.as_deref(), MOST_COMMITS)?;
    Ok(files.iter().filter_map(|file| number(file.key.rsplit('/').next()?)).filter(|number| *number > last).collect())
}

/// The numbers in order, of which none may be missing after `last`.
fn contiguous(store: &Place, mut numbers: Vec<u64>, last: u64) -> Result<Vec<u64>, StoreError> {
    numbers.sort_unstable();
    for (at, number) in (last + 1..).zip(&numbers) {
        if at != *number {
            return Err(damaged(&store.join(commit_path(at)), "a commit is missing from the log"));
        }
    }
    Ok(numbers)
}

/// Reads commits, in the order of their numbers.
fn read_commits(store: &Place, numbers: &[u64]) -> Result<Vec<Commit>, StoreError> {
    let texts: Vec<Vec<u8>> = match store {
        Place::Folder(dir) => {
            let home = open(dir)?;
            let read = |number: &u64| {
                let path = commit_path(*number);
                home.read(&path, LARGEST_COMMIT).map_err(io_error("read", &dir.join(path)))
            };
            numbers.iter().map(read).collect::<Result<_, _>>()?
        }
        Place::Bucket(remote) => {
            let paths: Vec<String> = numbers.iter().map(|number| slashed(&commit_path(*number))).collect();
            let reads: Vec<_> = paths.iter().map(|path| remote.begin(path, LARGEST_COMMIT)).collect();
            let got = paths
                .iter()
                .zip(reads)
                .map(|(path, read)| read.wait().map(|(bytes, _)| bytes).map_err(remote.failed("read", path)));
            got.collect::<Result<_, _>>()?
        }
    };
    numbers.iter().zip(texts).map(|(number, text)| parsed(&store.join(commit_path(*number)), &text, *number)).collect()
}

/// A commit, as its file has it.
fn parsed(path: &Path, text: &[u8], number: u64) -> Result<Commit, StoreError> {
    let commit: Commit = serde_json::from_slice(text).map_err(|error| damaged(path, error))?;
    check_schema(path, &commit.schema)?;
    if commit.commit != number {
        return Err(damaged(path, format!("it says that it is commit {}", commit.commit)));
    }
    let named = commit.add.iter().map(|entry| &entry.path).chain(&commit.remove);
    if let Some(foreign) = named.into_iter().find(|path| !is_own(path)) {
        return Err(damaged(path, format!("it names `{}`, which is not a file of a store", foreign.escape_debug())));
    }
    Ok(commit)
}

/// A path in a store as the log has it.
pub(super) fn slashed(path: &Path) -> String {
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}
