//! Copies of files of a store in a bucket, by what they hold: a name is the SHA-256 of the bytes, so that a copy is the file or is none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{count, hex};
use crate::disk;
use crate::hash::sha256;

/// The most bytes of all copies together, looked at when a store is opened.
const MOST: u64 = 8 << 30;

/// A folder of copies.
#[derive(Debug)]
pub(super) struct Cache {
    dir: PathBuf,
    drafts: AtomicU64,
}

impl Cache {
    /// Opens the folder, makes it where there is none, and removes the oldest copies where there are too many.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        disk::make_folder(dir)?;
        let cache = Self { dir: dir.to_owned(), drafts: AtomicU64::new(0) };
        cache.prune(MOST)?;
        Ok(cache)
    }

    fn prune(&self, most: u64) -> io::Result<()> {
        let mut copies = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            // Another process may have removed it.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_file() && is_own(&entry.file_name().to_string_lossy()) {
                copies.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        let mut all: u64 = copies.iter().map(|(_, bytes, _)| bytes).sum();
        copies.sort();
        for (_, bytes, path) in copies {
            if all <= most {
                break;
            }
            all -= bytes;
            // What cannot be removed now is another time.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }

    /// The bytes of a digest; what is not they is removed.
    pub(super) fn get(&self, digest: &str, bytes: u64) -> Option<Vec<u8>> {
        let path = self.place(digest)?;
        let copy = disk::read(&path, bytes).ok()?;
        if count(copy.len()) == bytes && hex(&sha256(&copy)) == digest {
            return Some(copy);
        }
        let _ = fs::remove_file(path);
        None
    }

    /// Whether there is a copy, as far as its name and its size tell.
    pub(super) fn has(&self, digest: &str, bytes: u64) -> bool {
        let there = self.place(digest).and_then(|path| fs::symlink_metadata(path).ok());
        there.is_some_and(|metadata| metadata.is_file() && metadata.len() == bytes)
    }

    /// Keeps a copy. What cannot be kept is fetched again another time.
    pub(super) fn put(&self, digest: &str, bytes: &[u8]) {
        let Some(path) = self.place(digest) else { return };
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        let draft = self.dir.join(format!("draft-{}-{number}", std::process::id()));
        if fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, path)).is_err() {
            let _ = fs::remove_file(draft);
        }
    }

    /// A log may come from a stranger: what is no digest has no place.
    fn place(&self, digest: &str) -> Option<PathBuf> {
        is_own(digest).then(|| self.dir.join(digest))
    }
}

fn is_own(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_the_file_or_none() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::open(&home.path().join("cache")).unwrap();
        let digest = hex(&sha256(b"rows"));
        assert_eq!(cache.get(&digest, 4), None);
        cache.put(&digest, b"rows");
        assert!(cache.has(&digest, 4));
        assert_eq!(cache.get(&digest, 4).as_deref(), Some(&b"rows"[..]));
        // Changed on the disk: it is not used, and not kept.
        fs::write(home.path().join("cache").join(&digest), b"rowz").unwrap();
        assert_eq!(cache.get(&digest, 4), None);
        assert!(!cache.has(&digest, 4));
        for odd in ["../../etc/passwd", "", "ABC"] {
            cache.put(odd, b"rows");
            assert_eq!(cache.get(odd, 4), None);
        }
        assert_eq!(fs::read_dir(home.path().join("cache")).unwrap().count(), 0);
    }

    #[test]
    fn the_oldest_copies_go_first() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::open(home.path()).unwrap();
        let texts = [b"one", b"two", b"six"];
        for (text, hour) in texts.iter().zip([2, 1, 3]) {
            let digest = hex(&sha256(*text));
            cache.put(&digest, *text);
            let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(hour * 3600);
            fs::File::options().append(true).open(home.path().join(digest)).unwrap().set_modified(time).unwrap();
        }
        fs::write(home.path().join("not-mine"), b"a file of somebody else").unwrap();
        cache.prune(6).unwrap();
        let has = texts.map(|text| cache.has(&hex(&sha256(text)), 3));
        assert_eq!(has, [true, false, true]);
        assert!(home.path().join("not-mine").exists());
    }
}
