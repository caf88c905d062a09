//! A store in a bucket: files under a prefix, a commit by one conditional write, and reads of the parts that are needed.
//!
//! Nobody is asked whether he may write: of several that write the same commit S3 takes one, and the others learn of it. Data files
//! are written before, under names that nobody else has. What is read is what the log names: a whole file by its SHA-256, a part of
//! one by the entity tag that S3 gave it when it was written.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::cache::Cache;
use super::file::Entry;
use super::frame;
use super::{StoreError, count, hex, io_error};
use crate::hash::sha256;
use crate::source::s3::{Bucket, Contents, File, FileError, Only, Part, S3Options, Waiting};

/// Files of so many bytes are read whole: a request costs as much as these.
const WHOLE: u64 = 512 << 10;
/// The end of a file that is read first: the footer is there.
const TAIL: u64 = 64 << 10;
/// Parts of a file that are as near as this are read together.
const NEAR: u64 = 64 << 10;
/// So many bytes of files are under way before they are asked for.
const AHEAD: u64 = 32 << 20;
/// So many files at once.
const AT_ONCE: usize = 16;
/// The most bytes of a file.
pub(super) const LARGEST: u64 = 4 << 30;
/// How old a file must be that no commit names to be one that a killed writer left.
const GRACE: TimeDelta = TimeDelta::hours(24);
/// The most files of a store that are listed.
const MOST_FILES: usize = 10_000_000;

type Fetching = Waiting<Result<Contents, FileError>>;

/// A write that is under way, which gives an entity tag.
pub(super) type Writing = Waiting<Result<Option<String>, FileError>>;

/// Files that are read before they are asked for, by digest.
#[derive(Debug, Default)]
struct Ahead {
    queue: VecDeque<Entry>,
    running: HashMap<String, (Fetching, u64)>,
}

/// A prefix of a bucket.
#[derive(Debug)]
pub struct Remote {
    bucket: Bucket,
    /// Empty, or with a slash at its end.
    prefix: String,
    cache: Option<Cache>,
    ahead: Mutex<Ahead>,
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket.name(), self.prefix)
    }
}

/// A text that no other writer has.
pub(super) fn unique() -> String {
    let part = || RandomState::new().build_hasher().finish().to_be_bytes();
    hex(&[part(), part()].concat())
}

impl Remote {
    pub(super) fn open(
        bucket: &str,
        prefix: &str,
        options: &S3Options,
        cache: Option<&Path>,
    ) -> Result<Self, StoreError> {
        let prefix = match prefix.trim_end_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let cache = cache.map(|dir| Cache::open(dir).map_err(io_error("use", dir))).transpose()?;
        let shown = format!("s3://{bucket}/{prefix}");
        let bucket = Bucket::open(bucket, options).map_err(|error| StoreError::Remote {
            what: "open",
            place: shown,
            reason: error.to_string(),
        })?;
        Ok(Self { bucket, prefix, cache, ahead: Mutex::default() })
    }

    /// Bytes that were read from the bucket so far.
    #[must_use]
    pub fn fetched(&self) -> u64 {
        self.bucket.fetched()
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    pub(super) fn failed(&self, what: &'static str, path: &str) -> impl FnOnce(FileError) -> StoreError + use<> {
        let place = format!("{self}{path}");
        move |error| StoreError::Remote { what, place, reason: error.to_string() }
    }

    /// The bytes of a file, `most` at most; `None` where there is none.
    pub(super) fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.read_tagged(path, most)?.map(|(bytes, _)| bytes))
    }

    /// The same, with the entity tag.
    pub(super) fn read_tagged(&self, path: &str, most: u64) -> Result<Option<Contents>, StoreError> {
        match self.begin(path, most).wait() {
            Ok(contents) => Ok(Some(contents)),
            Err(FileError::Absent) => Ok(None),
            Err(error) => Err(self.failed("read", path)(error)),
        }
    }

    pub(super) fn begin(&self, path: &str, most: u64) -> Fetching {
        self.bucket.read(&self.key(path), Part { most, ..Part::default() })
    }

    /// Writes a file where there is none, and tells whether it did.
    pub(super) fn put_if_absent(&self, path: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        self.put_only(path, bytes, Only::IfAbsent)
    }

    /// Writes a file if what is there is as expected, and tells whether it did.
    pub(super) fn put_only(&self, path: &str, bytes: Vec<u8>, only: Only) -> Result<bool, StoreError> {
        match self.bucket.write(&self.key(path), bytes, only).wait() {
            Ok(_) => Ok(true),
            // The one that was expected may have been removed.
            Err(FileError::Present | FileError::Absent) => Ok(false),
            Err(error) => Err(self.failed("write", path)(error)),
        }
    }

    pub(super) fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.bucket.write(&self.key(path), bytes, Only::Always).wait().map(drop).map_err(self.failed("write", path))
    }

    /// Begins to write a file of a name that nobody else has.
    pub(super) fn begin_put(&self, path: &str, bytes: Vec<u8>) -> Writing {
        self.bucket.write(&self.key(path), bytes, Only::Always)
    }

    /// Removes files; those that cannot be are left to a repair.
    pub(super) fn discard<'p>(&self, paths: impl IntoIterator<Item = &'p str>) {
        let removals: Vec<_> = paths.into_iter().map(|path| self.bucket.remove(&self.key(path))).collect();
        for removal in removals {
            let _ = removal.wait();
        }
    }

    /// The files in a folder of the store after one, by their paths.
    pub(super) fn list(&self, folder: &str, after: Option<&str>, most: usize) -> Result<Vec<File>, StoreError> {
        let after = after.map(|path| self.key(path));
        let files = self.bucket.list(&self.key(folder), after.as_deref(), most).map_err(self.failed("list", folder))?;
        let below = |file: File| Some(File { key: file.key.strip_prefix(&self.prefix)?.to_owned(), ..file });
        Ok(files.into_iter().filter_map(below).collect())
    }

    /// The bytes of a file as the log names it; `None` where there is none, and an error in words where it is another.
    pub(super) fn whole(&self, entry: &Entry) -> Result<Result<Vec<u8>, Wrong>, StoreError> {
        if let Some(copy) = self.cache.as_ref().and_then(|cache| cache.get(&entry.sha256, entry.bytes)) {
            return Ok(Ok(copy));
        }
        let begun = self.take(&entry.sha256);
        let fetching = begun.unwrap_or_else(|| self.begin(&entry.path, entry.bytes.min(LARGEST)));
        let bytes = match fetching.wait() {
            Ok((bytes, _)) => bytes,
            Err(FileError::Absent) => return Ok(Err(Wrong::Absent)),
            Err(FileError::TooLarge(_)) => return Ok(Err(Wrong::Other)),
            Err(error) => return Err(self.failed("read", &entry.path)(error)),
        };
        if count(bytes.len()) != entry.bytes || hex(&sha256(&bytes)) != entry.sha256 {
            return Ok(Err(Wrong::Other));
        }
        if let Some(cache) = &self.cache {
            cache.put(&entry.sha256, &bytes);
        }
        Ok(Ok(bytes))
    }

    /// The bytes of a file in which these columns are as they are, and the others perhaps nothing.
    pub(super) fn columns(&self, entry: &Entry, names: &[&str]) -> Result<Result<Vec<u8>, Wrong>, StoreError> {
        let cached = self.cache.as_ref().is_some_and(|cache| cache.has(&entry.sha256, entry.bytes));
        let Some(tag) = entry.etag.as_ref().filter(|_| !cached && entry.bytes > WHOLE && entry.bytes <= LARGEST) else {
            return self.whole(entry);
        };
        let part = |range: Range<u64>| {
            let part = Part { range: Some(range), tag: Some(tag.clone()), most: 0 };
            self.bucket.read(&self.key(&entry.path), part)
        };
        let Some(size) = usize::try_from(entry.bytes).ok() else { return Ok(Err(Wrong::Other)) };
        let mut first = entry.bytes.saturating_sub(TAIL);
        let mut tail = match self.got(entry, part(first..entry.bytes))? {
            Ok(tail) => tail,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let footer = footer(&tail).filter(|footer| *footer <= entry.bytes);
        let Some(footer) = footer else { return self.whole(entry) };
        if footer > count(tail.len()) {
            first = entry.bytes - footer;
            tail = match self.got(entry, part(first..entry.bytes))? {
                Ok(tail) => tail,
                Err(wrong) => return Ok(Err(wrong)),
            };
        }
        let mut bytes = vec![0; size];
        lay(&mut bytes, first, &tail);
        // What is no table of ours is told by whoever reads it.
        let Some(ranges) = frame::ranges(&bytes, names) else { return self.whole(entry) };
        let ranges = together(ranges, first);
        let wanted: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        if ranges.iter().any(|range| range.end > entry.bytes) || wanted > entry.bytes / 2 {
            return self.whole(entry);
        }
        let reads: Vec<_> = ranges.into_iter().map(|range| (range.start, part(range))).collect();
        for (start, read) in reads {
            match self.got(entry, read)? {
                Ok(part) => lay(&mut bytes, start, &part),
                Err(wrong) => return Ok(Err(wrong)),
            }
        }
        Ok(Ok(bytes))
    }

    fn got(&self, entry: &Entry, fetching: Fetching) -> Result<Result<Vec<u8>, Wrong>, StoreError> {
        match fetching.wait() {
            Ok((bytes, _)) => Ok(Ok(bytes)),
            Err(FileError::Absent) => Ok(Err(Wrong::Absent)),
            Err(FileError::Replaced | FileError::TooLarge(_)) => Ok(Err(Wrong::Other)),
            Err(error) => Err(self.failed("read", &entry.path)(error)),
        }
    }

    /// Reads these files, in this order, before they are asked for; what was to be read before is forgotten.
    pub(super) fn ahead<'e>(&self, entries: impl IntoIterator<Item = &'e Entry>) {
        let cached = |entry: &Entry| self.cache.as_ref().is_some_and(|cache| cache.has(&entry.sha256, entry.bytes));
        let queue = entries.into_iter().filter(|entry| entry.bytes <= WHOLE && !cached(entry)).cloned().collect();
        let mut ahead = self.lock();
        *ahead = Ahead { queue, running: HashMap::new() };
        self.go_on(&mut ahead);
    }

    fn go_on(&self, ahead: &mut Ahead) {
        let bytes = |ahead: &Ahead| ahead.running.values().map(|(_, bytes)| bytes).sum::<u64>();
        while ahead.running.len() < AT_ONCE
            && bytes(ahead) < AHEAD
            && let Some(entry) = ahead.queue.pop_front()
        {
            let fetching = self.begin(&entry.path, entry.bytes);
            ahead.running.insert(entry.sha256, (fetching, entry.bytes));
        }
    }

    /// What was begun for a digest.
    fn take(&self, digest: &str) -> Option<Fetching> {
        let mut ahead = self.lock();
        let taken = ahead.running.remove(digest);
        self.go_on(&mut ahead);
        taken.map(|(fetching, _)| fetching)
    }

    fn lock(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Files that no commit names and that are older than any writer: what killed ones left. The clock is that of S3. `is_named`
    /// tells which files the store has.
    pub(super) fn leftovers(&self, is_named: &dyn Fn(&str) -> bool) -> Result<Vec<String>, StoreError> {
        let files = self.list("", None, MOST_FILES)?;
        let left: Vec<File> = files.into_iter().filter(|file| !is_named(&file.key)).collect();
        if left.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now()?;
        let old = |file: &File| file.modified.is_some_and(|modified| modified + GRACE < now);
        Ok(left.into_iter().filter(old).map(|file| file.key).collect())
    }

    /// The time by the clock of S3: that at which a file was written.
    fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        let path = format!("staging/{}", unique());
        self.put(&path, Vec::new())?;
        let files = self.list(&path, None, 1);
        self.discard([path.as_str()]);
        let refused = || FileError::Refused("a file that was just written has no time".to_owned());
        files?.first().and_then(|file| file.modified).ok_or_else(refused).map_err(self.failed("look at", &path))
    }
}

/// Why a file is not the one that the log names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is not there.
    Absent,
    /// Its bytes are others.
    Other,
}

/// How long the end of a Parquet file is that tells what is in it, with its length and the four letters behind it.
fn footer(tail: &[u8]) -> Option<u64> {
    let (_, end) = tail.split_last_chunk::<8>()?;
    let (length, mark) = end.split_first_chunk::<4>()?;
    (mark == b"PAR1").then(|| u64::from(u32::from_le_bytes(*length)) + 8)
}

fn lay(bytes: &mut [u8], start: u64, part: &[u8]) {
    let place = usize::try_from(start).ok().and_then(|start| bytes.get_mut(start..start + part.len()));
    if let Some(place) = place {
        place.copy_from_slice(part);
    }
}

/// Ranges in order, near ones together, without what lies behind `end`, which is there already.
fn together(mut ranges: Vec<Range<u64>>, end: u64) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges.into_iter().map(|range| range.start..range.end.min(end)).filter(|range| range.start < range.end)
    {
        match joined.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(NEAR) => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_ranges_are_read_together() {
        let (near, far) = (NEAR, NEAR + 1);
        let joined = |ranges: &[[u64; 2]], end: u64| -> Vec<[u64; 2]> {
            let ranges = ranges.iter().map(|[start, end]| *start..*end).collect();
            together(ranges, end).into_iter().map(|range| [range.start, range.end]).collect()
        };
        assert_eq!(joined(&[[10, 20], [0, 10]], 100), [[0, 20]]);
        assert_eq!(joined(&[[0, 10], [10 + near, 20 + near]], 1 << 30), [[0, 20 + near]]);
        assert_eq!(joined(&[[0, 10], [10 + far, 20 + far]], 1 << 30), [[0, 10], [10 + far, 20 + far]]);
        assert_eq!(joined(&[[90, 110], [120, 130]], 100), [[90, 100]]);
        assert_eq!(joined(&[[50, 10]], 100), [[0; 2]; 0]);
    }

    #[test]
    fn a_footer_says_how_long_it_is() {
        assert_eq!(footer(b"\x05\0\0\0PAR1"), Some(13));
        assert_eq!(footer(b"\x05\0\0\0PAR2"), None);
        assert_eq!(footer(b"PAR1"), None);
    }

    #[test]
    fn names_of_writers_differ() {
        let names: std::collections::HashSet<String> = (0..1000).map(|_| unique()).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| name.len() == 32));
    }
}
