//! The logs that digests name, 64 bytes each: names follow a pattern, so only what differs is kept.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU8, Ordering},
};

use chrono::{DateTime, Datelike, Timelike, Utc};

use super::file::same_place;
use crate::hash::{Hash, sha256};
use crate::source::minute;

/// What became of a log that a digest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not met so far.
    Unseen = 0,
    /// Its bytes are those that were named.
    Same = 1,
    /// They are not, or it could not be read; a finding tells.
    Bad = 2,
}

/// A log that a digest names.
#[derive(Debug)]
pub(super) struct DigestedLog {
    /// The random part of its name, or a hash of an unusual name.
    word: [u8; 16],
    pub(super) hash: Hash,
    /// The number of the digest.
    pub(super) digest: u32,
    /// Where its key's beginning is, or [`UNUSUAL`].
    folder: u32,
    /// The minute in its name, or where the unusual name is.
    minute: u32,
    state: AtomicU8,
}

const UNUSUAL: u32 = u32::MAX;

impl DigestedLog {
    pub(super) fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            0 => State::Unseen,
            1 => State::Same,
            _ => State::Bad,
        }
    }

    /// Notes what it is; the worst that was noted stays.
    pub(super) fn note(&self, state: State) {
        self.state.fetch_max(state as u8, Ordering::Relaxed);
    }
}

/// All logs that digests name.
#[derive(Debug, Default)]
pub(super) struct Index {
    logs: Vec<DigestedLog>,
    /// Bucket and key down to the region, and how the file name begins.
    folders: Vec<(Box<str>, Box<str>)>,
    numbers: HashMap<(Box<str>, Box<str>), u32>,
    unusual: Vec<Box<str>>,
}

impl Index {
    /// Adds one, by bucket and key.
    pub(super) fn add(&mut self, bucket: &str, object: &str, hash: Hash, digest: u32) {
        let path = format!("{bucket}/{object}");
        let word = word(&path);
        let (folder, minute) = time(&path)
            .and_then(|time| self.usual(&path, time, word))
            .unwrap_or_else(|| (UNUSUAL, number(self.unusual.len())));
        if folder == UNUSUAL {
            self.unusual.push(path.into());
        }
        self.logs.push(DigestedLog { word, hash, digest, folder, minute, state: AtomicU8::new(0) });
    }

    /// The folder's number and the minute, where these and the word make the whole path.
    fn usual(&mut self, path: &str, time: DateTime<Utc>, word: [u8; 16]) -> Option<(u32, u32)> {
        let minute = u32::try_from(time.timestamp() / 60).ok()?;
        let mut parts = path.rsplitn(5, '/');
        let file = parts.next()?;
        let base = parts.nth(3)?;
        let begin = file.get(..file.len().checked_sub(31 + ".json.gz".len())?)?;
        if rebuild(base, begin, minute, &word) != path {
            return None;
        }
        let key = (Box::from(base), Box::from(begin));
        let number = *self.numbers.entry(key).or_insert_with_key(|key| {
            self.folders.push(key.clone());
            u32::try_from(self.folders.len() - 1).unwrap_or(UNUSUAL)
        });
        (number != UNUSUAL).then_some((number, minute))
    }

    /// Takes in another's; its digests' numbers were counted from 0.
    pub(super) fn merge(&mut self, other: Self, offset: u32) {
        let folders: Vec<u32> = other
            .folders
            .into_iter()
            .map(|key| {
                *self.numbers.entry(key).or_insert_with_key(|key| {
                    self.folders.push(key.clone());
                    number(self.folders.len() - 1)
                })
            })
            .collect();
        let unusual = number(self.unusual.len());
        self.unusual.extend(other.unusual);
        self.logs.extend(other.logs.into_iter().map(|mut log| {
            log.digest += offset;
            match folders.get(usize::try_from(log.folder).unwrap_or(usize::MAX)) {
                Some(folder) => log.folder = *folder,
                None => log.minute += unusual,
            }
            log
        }));
    }

    /// Leaves out those of digests for which `keep` does not hold, and puts the rest in order: before it, nothing is
    /// found.
    pub(super) fn seal(&mut self, keep: impl Fn(u32) -> bool) {
        self.logs.retain(|log| keep(log.digest));
        self.logs.shrink_to_fit();
        self.logs.sort_unstable_by_key(|log| (log.word, log.digest));
        self.numbers = HashMap::new();
    }

    /// Whether there can be one for [`Index::find`] to find: by the word alone, for this is asked of every object.
    pub(super) fn may_find(&self, object: &str) -> bool {
        let word = word(object);
        self.logs.binary_search_by_key(&word, |log| log.word).is_ok()
    }

    /// The logs that bear the file name of an object, and whether each lies where the object does.
    pub(super) fn find(&self, object: &str) -> impl Iterator<Item = (&DigestedLog, bool)> {
        let word = word(object);
        let first = self.logs.partition_point(|log| log.word < word);
        let with_word = self.logs.get(first..).unwrap_or_default().iter().take_while(move |log| log.word == word);
        with_word.filter_map(move |log| {
            let path = self.path(log);
            (stem(&path) == stem(object)).then(|| (log, same_place(object, &path)))
        })
    }

    pub(super) fn all(&self) -> &[DigestedLog] {
        &self.logs
    }

    /// The minute in which a log was delivered, as its name tells it.
    pub(super) fn delivered(&self, log: &DigestedLog) -> Option<DateTime<Utc>> {
        if log.folder == UNUSUAL {
            return time(&self.path(log));
        }
        DateTime::from_timestamp(i64::from(log.minute) * 60, 0)
    }

    /// Bucket and key.
    pub(super) fn path(&self, log: &DigestedLog) -> String {
        match self.folders.get(usize::try_from(log.folder).unwrap_or(usize::MAX)) {
            Some((base, begin)) => rebuild(base, begin, log.minute, &log.word),
            None => {
                let at = usize::try_from(log.minute).unwrap_or(usize::MAX);
                self.unusual.get(at).map(ToString::to_string).unwrap_or_default()
            }
        }
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(UNUSUAL)
}

fn rebuild(base: &str, begin: &str, minute: u32, word: &[u8; 16]) -> String {
    let time = DateTime::from_timestamp(i64::from(minute) * 60, 0).unwrap_or_default();
    // By hand: this is asked for every log.
    let two = |number: u32| [number / 10 % 10, number % 10].map(|digit| char::from_digit(digit, 10).unwrap_or('0'));
    let year = u32::try_from(time.year()).unwrap_or_default();
    let (years, month, day) = ([two(year / 100), two(year)], two(time.month()), two(time.day()));
    let mut path = String::with_capacity(base.len() + begin.len() + 64);
    path.push_str(base);
    for part in [&years[..], &[month], &[day]] {
        path.push('/');
        path.extend(part.as_flattened());
    }
    path.push('/');
    path.push_str(begin);
    path.extend([years[0], years[1], month, day].as_flattened());
    path.push('T');
    path.extend([two(time.hour()), two(time.minute())].as_flattened());
    path.push_str("Z_");
    path.push_str(&String::from_utf8_lossy(word));
    path.push_str(".json.gz");
    path
}

/// A path's file name without what says how it is packed.
fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    let file = file.strip_suffix(".gz").unwrap_or(file);
    file.strip_suffix(".json").unwrap_or(file)
}

/// What a log is found by: the random word at the end of its name, or a hash of an unusual name.
fn word(path: &str) -> [u8; 16] {
    let stem = stem(path);
    let usual = stem.rsplit_once('_').and_then(|(_, word)| word.as_bytes().try_into().ok());
    usual
        .filter(|word: &[u8; 16]| word.is_ascii())
        .unwrap_or_else(|| sha256(stem.as_bytes()).first_chunk().copied().unwrap_or_default())
}

/// The time before that word.
fn time(path: &str) -> Option<DateTime<Utc>> {
    let (rest, _) = stem(path).rsplit_once('_')?;
    let (_, time) = rest.rsplit_once('_')?;
    minute(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = "pre/AWSLogs/o-x/111122223333/CloudTrail/us-east-1";

    #[test]
    fn every_name_comes_back() {
        assert!(size_of::<DigestedLog>() <= 64);
        let usual =
            format!("{FOLDER}/2024/01/31/111122223333_CloudTrail_us-east-1_20240131T2355Z_AbCdEfGhIjKlMnOp.json.gz");
        let names = [
            usual.clone(),
            usual.replace("01/31", "02/01"),
            usual.replace(".json.gz", ".json"),
            usual.replace("_20240131T2355Z", ""),
            "x".to_owned(),
            String::new(),
        ];
        let (mut index, mut other) = (Index::default(), Index::default());
        for (at, name) in names.iter().enumerate() {
            let part = if at % 2 == 0 { &mut index } else { &mut other };
            part.add("bucket", name, [u8::try_from(at).unwrap(); 32], 0);
        }
        index.merge(other, 1);
        index.seal(|_| true);
        let mut back: Vec<String> = index.all().iter().map(|log| index.path(log)).collect();
        let mut expected: Vec<String> = names.iter().map(|name| format!("bucket/{name}")).collect();
        back.sort();
        expected.sort();
        assert_eq!(back, expected);
        for (at, name) in names.iter().enumerate() {
            let found: Vec<usize> =
                index.find(name).filter(|(_, here)| *here).map(|(log, _)| log.hash[0].into()).collect();
            assert!(found.contains(&at), "{name}: {found:?}");
        }
        let elsewhere = usual.replace("/31/", "/30/");
        assert!(index.find(&elsewhere).all(|(_, here)| !here));
        assert!(index.find(&elsewhere).count() > 0);
        assert_eq!(index.find("AWSLogs/unknown.json.gz").count(), 0);
    }
}
