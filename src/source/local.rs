//! Directories, single files and standard input.
//!
//! The layout is read from the whole path, so that a SOURCE deep inside an archive still knows its account and region.

use std::{
    fs::{self, File},
    io::{self, Read},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};

use crate::disk;

use super::{Folders, KeyInfo, Listed, Location, ObjectRef, Product, Selection, key::Place};
use crate::units::display_size;

/// Who gets the steps of a listing; it may end it.
pub type Emit<'e> = &'e mut dyn FnMut(Listed) -> ControlFlow<()>;

/// The object that standard input is.
#[must_use]
pub fn stdin() -> ObjectRef {
    ObjectRef {
        name: "-".to_owned(),
        key: KeyInfo::parse("-"),
        size: 0,
        etag: None,
        modified: None,
        location: Location::Stdin,
    }
}

/// Lists a file, or all files of a directory in range, in the order of their paths.
///
/// Symbolic links are followed; one to a directory that is part of the walk anyway is not walked twice, and one to a
/// directory that holds the walked one is a failure.
pub fn list(source: &Path, selection: &Selection, emit: Emit<'_>) -> ControlFlow<()> {
    // Nobody asks for the size or the time of a digest before it is read.
    let sized = |_: &KeyInfo| selection.product != Some(Product::Digest);
    list_noting(source, selection, &Folders::default(), &sized, emit)
}

/// [`list`], which notes how far it is. Sizes and times are those of files of which `sized` asks for them: others may be many.
pub fn list_noting(
    source: &Path,
    selection: &Selection,
    folders: &Folders,
    sized: &dyn Fn(&KeyInfo) -> bool,
    emit: Emit<'_>,
) -> ControlFlow<()> {
    let absolute = std::path::absolute(source).unwrap_or_else(|_relative| source.to_owned());
    let mut walk = Walk { source, absolute, selection, folders, sized, emit, roots: Vec::new() };
    let name = || source.file_name().unwrap_or(source.as_os_str()).to_string_lossy().into_owned();
    match fs::metadata(source) {
        Ok(metadata) if metadata.is_dir() => match source.canonicalize() {
            Ok(root) => {
                walk.roots.push(root);
                walk.directory(source)
            }
            Err(error) => walk.failed(name(), &error),
        },
        // A pipe that is named outright is read like a file.
        Ok(metadata) => {
            let mut key = KeyInfo::parse(&slashed(&walk.absolute));
            if key.product == Product::Stray {
                key.product = Product::Log;
            }
            if walk.wants(&key) {
                walk.emit(name(), key, source.to_owned(), Some(&metadata))?;
            }
            ControlFlow::Continue(())
        }
        Err(error) => walk.failed(name(), &error),
    }
}

/// Reads a file or standard input to the beginning of `buffer`, which grows and never shrinks; gives how many bytes.
/// Tells by `expect` how many a file should have, before it reads them.
///
/// # Errors
/// In words, when it cannot be read or is larger than `limit` bytes.
pub fn read(
    object: &ObjectRef,
    limit: usize,
    buffer: &mut Vec<u8>,
    expect: &mut dyn FnMut(u64),
) -> Result<usize, String> {
    let too_large = || format!("larger than the limit of {}", display_size(limit as u64));
    let failed = |error: io::Error| format!("could not read it: {error}");
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let length = match &object.location {
        Location::File(path) => {
            // What was a file when it was listed may be a pipe by now, for which nobody waits.
            let open = || {
                let file = disk::open(path)?;
                let size = if object.size == 0 { file.metadata()?.len() } else { object.size };
                Ok((file, size))
            };
            let (file, size) = open().map_err(failed)?;
            if size >= most {
                return Err(too_large());
            }
            expect(size);
            whole(&mut file.take(most), size, buffer)
        }
        Location::Pipe(path) => {
            let file = File::open(path).map_err(failed)?;
            whole(&mut file.take(most), 0, buffer)
        }
        Location::Stdin => whole(&mut io::stdin().lock().take(most), 0, buffer),
        Location::S3 { .. } => return Err("an object in a bucket is not a file".to_owned()),
    };
    let length = length.map_err(failed)?;
    if length > limit { Err(too_large()) } else { Ok(length) }
}

/// Reads to the end in as few steps as its `size`, as far as it is known, allows.
fn whole(file: &mut impl Read, size: u64, buffer: &mut Vec<u8>) -> io::Result<usize> {
    // Room for a byte more, so that one step meets the end. A listing that is wrong costs steps, not memory.
    let room = usize::try_from(size).unwrap_or(usize::MAX).clamp(1 << 16, 64 << 20) + 1;
    grow(buffer, room)?;
    let mut filled = 0;
    loop {
        match file.read(buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => return Ok(filled),
            Ok(read) => {
                filled += read;
                // It ends where it is said to: had it grown, there was room for more in the same step.
                if u64::try_from(filled).is_ok_and(|filled| filled == size) && filled < buffer.len() {
                    return Ok(filled);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled == buffer.len() {
            grow(buffer, filled * 2)?;
        }
    }
}

/// Makes a buffer as long as this; where there is no memory for it, that is the error of the one file.
fn grow(buffer: &mut Vec<u8>, length: usize) -> io::Result<()> {
    if let Some(more) = length.checked_sub(buffer.len()) {
        buffer.try_reserve_exact(more).map_err(|_none| io::ErrorKind::OutOfMemory)?;
        buffer.resize(length, 0);
    }
    Ok(())
}

struct Walk<'w> {
    source: &'w Path,
    absolute: PathBuf,
    selection: &'w Selection,
    folders: &'w Folders,
    sized: &'w dyn Fn(&KeyInfo) -> bool,
    emit: Emit<'w>,
    /// Canonical paths of what is walked: the source, and the targets of links that lead out of it.
    roots: Vec<PathBuf>,
}

impl Walk<'_> {
    fn directory(&mut self, top: &Path) -> ControlFlow<()> {
        let mut pending = vec![top.to_owned()];
        while let Some(directory) = pending.pop() {
            let under = directory.strip_prefix(self.source).unwrap_or(&directory);
            let folders = slashed(&self.absolute.join(under));
            let place = Place::of(&folders);
            if place.product().is_some_and(|(product, below)| !self.selection.enters(product, below)) {
                continue;
            }
            let entries = fs::read_dir(&directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
            let mut entries = match entries {
                Ok(entries) => entries,
                Err(error) => {
                    self.failed(self.relative(&directory), &error)?;
                    continue;
                }
            };
            let shown = self.relative(&directory);
            self.folders.begin(&shown);
            // One order for every run and file system: links are then followed in the same order too.
            entries.sort_by_cached_key(fs::DirEntry::file_name);
            let mut below = Vec::new();
            for entry in entries {
                let path = entry.path();
                let kind = entry.file_type();
                if kind.as_ref().is_ok_and(fs::FileType::is_dir) {
                    below.push(path);
                    continue;
                }
                let link = kind.as_ref().is_ok_and(fs::FileType::is_symlink);
                let named = entry.file_name();
                let named = named.to_string_lossy();
                let key = place.file(&named);
                let is_plain = kind.is_ok_and(|kind| kind.is_file());
                if is_plain {
                    if !self.wants(&key) {
                        continue;
                    }
                    if !(self.sized)(&key) {
                        self.emit(inside(&shown, &named), key, path, None)?;
                        continue;
                    }
                }
                // By the open directory, which is cheaper than by the whole path.
                match if link { fs::metadata(&path) } else { entry.metadata() } {
                    Ok(metadata) if metadata.is_dir() => self.linked(path, &mut below)?,
                    Ok(metadata) if metadata.is_file() => {
                        if is_plain || self.wants(&key) {
                            self.emit(inside(&shown, &named), key, path, Some(&metadata))?;
                        }
                    }
                    Ok(_) => self.failed(self.relative(&path), &io::Error::other("neither a file nor a directory"))?,
                    Err(error) => self.failed(self.relative(&path), &error)?,
                }
            }
            self.folders.found(below.len());
            pending.extend(below.into_iter().rev());
        }
        ControlFlow::Continue(())
    }

    fn linked(&mut self, path: PathBuf, below: &mut Vec<PathBuf>) -> ControlFlow<()> {
        match path.canonicalize() {
            Ok(target) if self.roots.iter().any(|root| target.starts_with(root)) => {}
            Ok(target) if self.roots.iter().any(|root| root.starts_with(&target)) => {
                let error = io::Error::other("a symbolic link to a parent directory");
                self.failed(self.relative(&path), &error)?;
            }
            Ok(target) => {
                self.roots.push(target);
                below.push(path);
            }
            Err(error) => self.failed(self.relative(&path), &error)?,
        }
        ControlFlow::Continue(())
    }

    /// Whether a file is asked for; what is passed over is counted.
    fn wants(&self, key: &KeyInfo) -> bool {
        if let (Some(account), Some(region)) = (&key.account, &key.region) {
            self.folders.region(account, region, self.selection);
        }
        let wants = self.selection.includes(key);
        if !wants {
            self.folders.passed(key, self.selection);
        }
        wants
    }

    /// Gives a file that is asked for.
    fn emit(&mut self, name: String, key: KeyInfo, path: PathBuf, metadata: Option<&fs::Metadata>) -> ControlFlow<()> {
        (self.emit)(Listed::Object(ObjectRef {
            name,
            key,
            size: metadata.map_or(0, fs::Metadata::len),
            etag: None,
            modified: metadata.and_then(|metadata| metadata.modified().ok()).map(DateTime::<Utc>::from),
            location: match metadata {
                Some(found) if !found.is_file() => Location::Pipe(path),
                _ => Location::File(path),
            },
        }))
    }

    fn failed(&mut self, name: String, error: &io::Error) -> ControlFlow<()> {
        (self.emit)(Listed::Failed { name, error: format!("could not access it: {error}") })
    }

    fn relative(&self, path: &Path) -> String {
        let relative = slashed(path.strip_prefix(self.source).unwrap_or(path));
        if relative.is_empty() { ".".to_owned() } else { relative }
    }
}

/// The name of a file in a folder that is shown as `shown`.
fn inside(shown: &str, file: &str) -> String {
    if shown == "." { file.to_owned() } else { format!("{shown}/{file}") }
}

/// A path in the form of a key. Only for reading the layout and for showing: names that are no UTF-8 are opened by
/// their true path.
pub(super) fn slashed(path: &Path) -> String {
    let text = path.to_string_lossy();
    if std::path::MAIN_SEPARATOR == '/' { text.into_owned() } else { text.replace(std::path::MAIN_SEPARATOR, "/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &Path, selection: &Selection) -> Vec<String> {
        let mut names = Vec::new();
        let _ = list(source, selection, &mut |step| {
            names.push(match step {
                Listed::Object(object) => object.name,
                Listed::Failed { name, error } => format!("{name}: {error}"),
            });
            ControlFlow::Continue(())
        });
        names
    }

    fn write(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "[]").unwrap();
    }

    #[test]
    fn a_source_inside_the_layout_knows_its_account_and_region() {
        let home = tempfile::tempdir().unwrap();
        let region = home.path().join("AWSLogs/111122223333/CloudTrail/us-east-1");
        write(&region.join("2024/02/01/a.json"));
        write(&region.join("2024/02/09/b.json"));
        let mut seen = Vec::new();
        let _ = list(&region, &Selection::default(), &mut |step| {
            let Listed::Object(object) = step else { panic!("{step:?}") };
            seen.push((object.name, object.key.account.unwrap(), object.key.region.unwrap()));
            ControlFlow::Continue(())
        });
        let expect = |name: &str| (name.to_owned(), "111122223333".to_owned(), "us-east-1".to_owned());
        assert_eq!(seen, [expect("2024/02/01/a.json"), expect("2024/02/09/b.json")]);
        let from = Selection { from: Some("2024-02-05T00:00:00Z".parse().unwrap()), ..Selection::default() };
        assert_eq!(names(home.path(), &from), ["AWSLogs/111122223333/CloudTrail/us-east-1/2024/02/09/b.json"]);
        assert_eq!(names(&region.join("2024/02/01/a.json"), &Selection::default()), ["a.json"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_digest_is_listed_as_what_it_leads_to() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2024/02/01");
        fs::create_dir_all(&folder).unwrap();
        let name =
            |minute: u8| format!("111122223333_CloudTrail-Digest_us-east-1_t_us-east-1_20240201T00{minute}01Z.json.gz");
        let kept = tempfile::tempdir().unwrap();
        fs::write(kept.path().join("digest"), b"0123456789").unwrap();
        std::os::unix::fs::symlink(kept.path().join("digest"), folder.join(name(55))).unwrap();
        std::os::unix::fs::symlink(kept.path().join("none"), folder.join(name(56))).unwrap();
        let selection = Selection { product: Some(Product::Digest), ..Selection::default() };
        let mut found = Vec::new();
        let _ = list(home.path(), &selection, &mut |step| {
            found.push(step);
            ControlFlow::Continue(())
        });
        let [Listed::Object(object), Listed::Failed { name: failed, .. }] = &found[..] else { panic!("{found:?}") };
        assert_eq!((object.size, failed.ends_with(&name(56))), (10, true));
        let mut buffer = Vec::new();
        assert_eq!(read(object, 10, &mut buffer, &mut |_| {}), Ok(10));
        assert_eq!(&buffer[..10], b"0123456789");
    }

    #[test]
    fn digests_are_listed_without_their_sizes_and_read_with_them() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2024/02/01");
        fs::create_dir_all(&folder).unwrap();
        let name = "111122223333_CloudTrail-Digest_us-east-1_t_us-east-1_20240201T005501Z.json.gz";
        fs::write(folder.join(name), b"0123456789").unwrap();
        for (product, told) in [(Some(Product::Digest), 0), (None, 10)] {
            let selection = Selection { product, ..Selection::default() };
            let mut found = Vec::new();
            let _ = list(home.path(), &selection, &mut |step| {
                found.push(step);
                ControlFlow::Continue(())
            });
            let [Listed::Object(object)] = &found[..] else { panic!("{found:?}") };
            assert_eq!((object.size, object.modified.is_some()), (told, told > 0));
            let (mut buffer, mut expected) = (Vec::new(), Vec::new());
            assert_eq!(read(object, 10, &mut buffer, &mut |size| expected.push(size)), Ok(10));
            assert_eq!((&buffer[..10], &expected[..]), (&b"0123456789"[..], &[10][..]));
            let error = read(object, 9, &mut buffer, &mut |_| panic!("nothing is to be read")).unwrap_err();
            assert_eq!(error, "larger than the limit of 9B");
        }
        // A listing that is wrong costs steps, no bytes.
        for size in [1, 9, 11, 70_000] {
            let object = ObjectRef { size, location: Location::File(folder.join(name)), ..stdin() };
            assert_eq!(read(&object, 70_000, &mut Vec::new(), &mut |_| {}), Ok(10), "{size}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn no_pipe_is_waited_for_but_one_that_is_named() {
        use std::{io::Write, os::unix::fs::symlink};
        let pipe = |path: &Path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        };
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        for name in ["b.json", "c.json"] {
            write(&at(name));
        }
        pipe(&at("a.json.gz"));
        symlink(at("a.json.gz"), at("d.json")).unwrap();
        symlink("/dev/zero", at("e.json")).unwrap();
        let digests = at("AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2024/02/01");
        fs::create_dir_all(&digests).unwrap();
        pipe(&digests.join("111122223333_CloudTrail-Digest_us-east-1_t_us-east-1_20240201T005501Z.json.gz.signature"));
        let mut objects = Vec::new();
        let mut failed = 0;
        for product in [None, Some(Product::Digest)] {
            let selection = Selection { product, ..Selection::default() };
            let _ = list(home.path(), &selection, &mut |step| {
                match step {
                    Listed::Object(object) => objects.push(object),
                    Listed::Failed { error, .. } => {
                        assert!(error.contains("neither a file nor a directory"), "{error}");
                        failed += 1;
                    }
                }
                ControlFlow::Continue(())
            });
        }
        assert_eq!(
            (objects.iter().map(|object| object.name.as_str()).collect::<Vec<_>>(), failed),
            (vec!["b.json", "c.json"], 8)
        );
        // Between the listing and the reading.
        fs::remove_file(at("c.json")).unwrap();
        pipe(&at("c.json"));
        let error = read(&objects[1], 10, &mut Vec::new(), &mut |_| {}).unwrap_err();
        assert!(error.contains("it is a pipe"), "{error}");
        // Named outright it is read to its end.
        let mut named = Vec::new();
        let _ = list(&at("a.json.gz"), &Selection::default(), &mut |step| {
            named.push(step);
            ControlFlow::Continue(())
        });
        let [Listed::Object(object)] = &named[..] else { panic!("{named:?}") };
        let path = at("a.json.gz");
        let writer =
            std::thread::spawn(move || File::options().write(true).open(path).unwrap().write_all(b"[]").unwrap());
        let mut buffer = Vec::new();
        assert_eq!(read(object, 10, &mut buffer, &mut |_| {}), Ok(2));
        writer.join().unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_once_and_odd_names_survive() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt, os::unix::fs::symlink};
        let home = tempfile::tempdir().unwrap();
        let archive = home.path().join("archive");
        write(&archive.join("inside/a.json"));
        write(&home.path().join("outside/b.json"));
        fs::write(archive.join(OsStr::from_bytes(b"caf\xe9.json")), "[]").unwrap();
        symlink(home.path().join("outside"), archive.join("link")).unwrap();
        symlink(home.path().join("outside"), archive.join("link-again")).unwrap();
        symlink(archive.join("inside"), archive.join("inside-again")).unwrap();
        symlink(&archive, archive.join("inside/loop")).unwrap();
        symlink(home.path(), archive.join("up")).unwrap();
        symlink("nowhere", archive.join("zzz-dangling")).unwrap();
        let names = names(&archive, &Selection::default());
        assert_eq!(names.iter().filter(|name| name.ends_with("a.json")).count(), 1, "{names:?}");
        assert_eq!(names.iter().filter(|name| name.ends_with("b.json")).count(), 1, "{names:?}");
        assert!(names.iter().any(|name| name.starts_with("up: could not access it: a symbolic link")), "{names:?}");
        assert!(names.iter().any(|name| name.starts_with("zzz-dangling: could not access it: ")), "{names:?}");
        let mut read_back = 0;
        let _ = list(&archive, &Selection::default(), &mut |step| {
            if let Listed::Object(object) = step {
                let read = |limit| read(&object, limit, &mut Vec::new(), &mut |size| assert_eq!(size, 2));
                assert_eq!(read(10), Ok(2));
                assert!(read(1).unwrap_err().contains("limit of 1B"));
                read_back += 1;
            }
            ControlFlow::Continue(())
        });
        assert_eq!(read_back, 3);
    }
}
