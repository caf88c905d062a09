//! A commit: files into `staging/`, then one rename of `commits/<number>.json`, which is the moment that counts, then the
//! files into their places and the retired ones away.
//!
//! In a bucket the files are written first, under names that nobody else has, and the commit is one write that S3 takes only where there
//! is none of that number: of several writers one is first, and the others look at what it wrote before they try the next number.
//!
//! What a killed run leaves in a folder is put right by the next writer: a commit that is in the log is finished, and whatever else is in
//! `staging/` never happened. Everything is flushed to the disk before the log names it.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::file::{Content, Entry, NewFile};
use super::lock::{self, Holder, Lock};
use super::log::{self, COMMITS, Commit, MARK, Mark, STAGING, State, commit_path, staged, staging};
use super::place::Place;
use super::read::Store;
use super::remote::{Remote, Writing, unique};
use super::schema::{Dataset, SCHEMA, VERSION};
use super::{StoreError, count, damaged, hex, io_error};
use crate::disk::{self, Folder, Kind};

/// After so many commits one lists everything, so that opening a store reads few files.
const CHECKPOINT: usize = 100;
/// How often a commit to a bucket tries the next number, when others were first.
const ATTEMPTS: usize = 100;
/// So many files are written to a bucket at once.
const UPLOADS: usize = 16;
/// How long another is waited for whose commit is under way.
const PAUSE: Duration = Duration::from_millis(50);

/// Tells by the store, and by the files that others added, whether a commit still says what is true.
pub(super) type Holds<'h> = &'h mut dyn FnMut(&Store, &[String]) -> Result<bool, StoreError>;

/// A process that writes a store: to a folder the only one.
#[derive(Debug)]
pub struct Writer {
    place: Place,
    home: Home,
    state: State,
    /// Files of objects' rows that others added, of which whoever writes has not learned yet.
    foreign: Vec<String>,
}

#[derive(Debug)]
enum Home {
    Folder(Owned),
    Bucket(Arc<Remote>),
}

impl Writer {
    /// Opens a store for writing, makes it where there is none, and finishes what a killed run left in a folder.
    ///
    /// # Errors
    /// When it is not a store, is of another schema, cannot be written, or is a folder and being written.
    pub fn open(place: impl Into<Place>, holder: &Holder) -> Result<Self, StoreError> {
        let place = place.into();
        let home = match &place {
            Place::Folder(dir) => Home::Folder(Owned::open(dir, holder)?),
            Place::Bucket(remote) => {
                open_remote(&place, remote)?;
                Home::Bucket(Arc::clone(remote))
            }
        };
        let state = log::load(&place)?;
        if let Home::Folder(home) = &home {
            home.finish(&state)?;
        }
        Ok(Self { place, home, state, foreign: Vec::new() })
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Whether others may write at the same time.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.home, Home::Bucket(_))
    }

    /// The number of the next commit; where others write, that it may get.
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
        self.commit(vec![NewFile { path, content: Content::Here(users, text) }], Vec::new(), &mut |_, _| Ok(true))
    }

    /// Adds and retires files in one step. Where others write, and one of them was first, `holds` tells by the store and the files
    /// that were added whether the commit still says what is true.
    ///
    /// # Errors
    /// When the store cannot be written; [`StoreError::Raced`] where it does not hold any more, and nothing was committed.
    pub(super) fn commit(
        &mut self,
        add: Vec<NewFile>,
        remove: Vec<String>,
        holds: Holds<'_>,
    ) -> Result<(), StoreError> {
        if add.is_empty() && remove.is_empty() {
            return Ok(());
        }
        match &self.home {
            Home::Folder(home) => {
                let commit = home.commit(&self.state, add, remove)?;
                self.state.apply(commit);
                home.finish(&self.state)?;
            }
            Home::Bucket(remote) => {
                let remote = Arc::clone(remote);
                let retired = self.commit_remote(&remote, add, remove, holds)?;
                remote.discard(retired.iter().map(String::as_str));
            }
        }
        if self.state.since_checkpoint >= CHECKPOINT { self.checkpoint() } else { Ok(()) }
    }

    /// Writes a commit that lists everything, so that opening the store reads few.
    fn checkpoint(&mut self) -> Result<(), StoreError> {
        let add = self.state.files.values().map(|(entry, _)| entry.clone()).collect();
        let commit = Commit { checkpoint: true, ..Commit::new(self.next(), add, Vec::new()) };
        match &self.home {
            Home::Folder(home) => home.log(&commit)?,
            Home::Bucket(remote) => {
                let path = log::slashed(&commit_path(commit.commit));
                // Whoever was first, and those after, make one in their turn.
                if !remote.put_if_absent(&path, text_of(&self.place, &commit)?)? {
                    return Ok(());
                }
            }
        }
        self.state.apply(commit);
        Ok(())
    }

    /// Commits to a bucket; gives what was retired.
    fn commit_remote(
        &mut self,
        remote: &Remote,
        add: Vec<NewFile>,
        remove: Vec<String>,
        holds: Holds<'_>,
    ) -> Result<Vec<String>, StoreError> {
        let add = upload(remote, add)?;
        let id = unique();
        for _attempt in 0..ATTEMPTS {
            let mut commit = Commit::new(self.next(), add.clone(), remove.clone());
            commit.id = Some(id.clone());
            let path = log::slashed(&commit_path(commit.commit));
            if remote.put_if_absent(&path, text_of(&self.place, &commit)?)? {
                self.state.apply(commit);
                return Ok(remove);
            }
            // A request whose answer was lost is sent again, and then told that the file is there: it may be this one.
            let commits = log::after(&self.place, remote, self.state.commit)?;
            if commits.is_empty() {
                self.check_listing(remote, &path)?;
                std::thread::sleep(PAUSE);
                continue;
            }
            let own = commits.iter().any(|commit| commit.id.as_ref() == Some(&id));
            let added = self.follow(commits);
            if own {
                return Ok(remove);
            }
            let there = remove.iter().all(|path| self.state.files.contains_key(path));
            if !there || !holds(&Store::of(self.place.clone(), self.state.clone()), &added)? {
                remote.discard(add.iter().map(|entry| entry.path.as_str()));
                return Err(StoreError::Raced(self.place.shown()));
            }
        }
        remote.discard(add.iter().map(|entry| entry.path.as_str()));
        Err(StoreError::Raced(self.place.shown()))
    }

    /// A commit that is said to be there and is not listed is about to be written, or the listing hides what is there.
    fn check_listing(&self, remote: &Remote, path: &str) -> Result<(), StoreError> {
        let hidden = remote.read(path, log::LARGEST_COMMIT)?.is_some()
            && log::after(&self.place, remote, self.state.commit)?.is_empty();
        if !hidden {
            return Ok(());
        }
        let reason = format!(
            "the listing lacks `{path}`, which is there (hint: this is no S3 as AWS has it; check --endpoint-url)"
        );
        Err(StoreError::Remote { what: "list", place: self.place.to_string(), reason })
    }

    /// Takes in commits of others; gives the files that they added.
    fn follow(&mut self, commits: Vec<Commit>) -> Vec<String> {
        let mut added = Vec::new();
        for commit in commits {
            if !commit.checkpoint {
                added.extend(commit.add.iter().map(|entry| entry.path.clone()));
            }
            self.state.apply(commit);
        }
        added.retain(|path| self.state.files.contains_key(path));
        self.foreign.extend(added.iter().filter(|path| Dataset::of(path) == Some(Dataset::Objects)).cloned());
        added
    }

    /// Reads what others committed meanwhile, and tells whether they did.
    pub(super) fn refresh(&mut self) -> Result<bool, StoreError> {
        let Home::Bucket(remote) = &self.home else { return Ok(false) };
        let commits = log::after(&self.place, &Arc::clone(remote), self.state.commit)?;
        let any = !commits.is_empty();
        self.follow(commits);
        Ok(any)
    }

    /// The files of objects' rows that others added since this was asked last.
    pub(super) fn take_foreign(&mut self) -> Vec<String> {
        let mut foreign = std::mem::take(&mut self.foreign);
        foreign.retain(|path| self.state.files.contains_key(path));
        foreign
    }
}

fn text_of(place: &Place, commit: &Commit) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(commit).map_err(|error| io_error("write", &place.join(commit_path(commit.commit)))(error.into()))
}

/// Writes files under names that nobody else has, all at once.
fn upload(remote: &Remote, add: Vec<NewFile>) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    let mut writes = Vec::new();
    let mut failure = None;
    for NewFile { path, content } in add {
        let (rows, bytes) = match content.made() {
            Ok(Some(made)) => made,
            Ok(None) => continue,
            Err(error) => {
                failure = Some(error);
                break;
            }
        };
        let path = match path.rsplit_once('.') {
            Some((stem, kind)) => format!("{stem}-{}.{kind}", unique()),
            None => format!("{path}-{}", unique()),
        };
        let (sha256, length) = (hex(&Sha256::digest(&bytes)), count(bytes.len()));
        writes.push(remote.begin_put(&path, bytes));
        entries.push(Entry { path, rows, bytes: length, sha256, etag: None, since: None });
        // Many at once, and not all: their bytes are in memory.
        if writes.len() >= UPLOADS {
            failure = failure.or(written(remote, &mut entries, &mut writes).err());
        }
    }
    failure = failure.or(written(remote, &mut entries, &mut writes).err());
    match failure {
        None => Ok(entries),
        Some(error) => {
            remote.discard(entries.iter().map(|entry| entry.path.as_str()));
            Err(error)
        }
    }
}

/// Waits for the writes of the last files.
fn written(remote: &Remote, entries: &mut [Entry], writes: &mut Vec<Writing>) -> Result<(), StoreError> {
    let first = entries.len() - writes.len();
    let mut result = Ok(());
    for (entry, write) in entries.iter_mut().skip(first).zip(writes.drain(..)) {
        match write.wait() {
            Ok(etag) => entry.etag = etag,
            Err(error) => result = Err(remote.failed("write", &entry.path)(error)),
        }
    }
    result
}

/// Makes a store in a bucket where there is none, and finds out whether its service can hold one.
fn open_remote(place: &Place, remote: &Remote) -> Result<(), StoreError> {
    let mark = || mark_text().map_err(|error| io_error("write", &place.join(MARK))(error.into()));
    match log::check_remote_mark(remote, place) {
        Ok(VERSION) => {}
        // What is written from here on an earlier version could not read.
        Ok(_) => remote.put(MARK, mark()?)?,
        Err(StoreError::Absent(_)) => {
            // Another writer may make it at this moment; then what is there is its own.
            if let Some(file) = remote.list("", None, 1)?.first()
                && matches!(log::check_remote_mark(remote, place), Err(StoreError::Absent(_)))
            {
                let entry = file.key.split('/').next().unwrap_or_default().to_owned();
                return Err(StoreError::Occupied { path: place.shown(), entry });
            }
            remote.put_if_absent(MARK, mark()?)?;
        }
        Err(error) => return Err(error),
    }
    // It is there: who writes it once more must be refused. Where that is not so, what is there is not changed.
    match remote.put_if_absent(MARK, mark()?) {
        Ok(false) => Ok(()),
        Ok(true) => Err(StoreError::Unconditional(place.shown())),
        Err(error) => Err(error),
    }
}

/// A folder that this process alone writes.
#[derive(Debug)]
struct Owned {
    dir: PathBuf,
    /// It, open: nothing is written anywhere else.
    home: Folder,
    _lock: Lock,
}

impl Owned {
    fn open(dir: &Path, holder: &Holder) -> Result<Self, StoreError> {
        check_usable(dir)?;
        // What is in a store says who did what: it is for its owner alone.
        disk::make_folder(dir).map_err(io_error("create", dir))?;
        let home = log::open(dir)?;
        let lock = Lock::take(&home, dir, holder)?;
        let owned = Self { dir: dir.to_owned(), home, _lock: lock };
        match log::check_mark(&owned.home, dir) {
            Ok(VERSION) => {}
            // What is written from here on an earlier version could not read.
            Ok(_) | Err(StoreError::Absent(_)) => owned.mark()?,
            Err(error) => return Err(error),
        }
        owned.make(Path::new(COMMITS))?;
        owned.make(Path::new(STAGING))?;
        Ok(owned)
    }

    /// Puts files into staging, and a commit that names them into the log.
    fn commit(&self, state: &State, add: Vec<NewFile>, remove: Vec<String>) -> Result<Commit, StoreError> {
        let number = state.commit + 1;
        let folder = staging(number);
        let staged = self.stage(&folder, add).and_then(|entries| {
            let commit = Commit::new(number, entries, remove);
            self.log(&commit)?;
            Ok(commit)
        });
        staged.inspect_err(|_error| {
            // Should the log name it after all, then the next writer finishes it. Otherwise it never happened; what
            // cannot be removed now is in nobody's way.
            let path = commit_path(number);
            if !matches!(self.home.kind(&path), Ok(Some(_))) {
                let _ = self.home.remove(&temporary(&path));
                let _ = self.home.remove_tree(&folder);
            }
        })
    }

    fn stage(&self, folder: &Path, add: Vec<NewFile>) -> Result<Vec<Entry>, StoreError> {
        self.make(folder)?;
        let mut entries = Vec::new();
        for NewFile { path, content } in add {
            let Some((rows, bytes)) = content.made()? else { continue };
            self.write(&folder.join(staged(&path)), &bytes)?;
            let sha256 = hex(&Sha256::digest(&bytes));
            entries.push(Entry { path, rows, bytes: count(bytes.len()), sha256, etag: None, since: None });
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
    fn finish(&self, state: &State) -> Result<(), StoreError> {
        let last = state.commit;
        // A move need not be flushed: one that a power failure undoes leaves the file where it is looked for next.
        for (path, (_, commit)) in &state.files {
            if *commit != last {
                continue;
            }
            let [to, from] = state.locations(path);
            if self.is_there(&from)? {
                self.make(to.parent().unwrap_or(Path::new("")))?;
                self.home.rename(&from, &to).map_err(self.failed("move into its place", &to))?;
            } else if !self.is_there(&to)? {
                return Err(damaged(&self.dir.join(&to), "the log lists it, but it is missing"));
            }
        }
        for path in state.retired.iter().map(Path::new) {
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
