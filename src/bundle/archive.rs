//! The zip file: written whole or not at all, and checked whole before anything of it is used.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::BundleError;
use super::manifest::{HEAD, Manifest, Member, NAME};
use crate::disk::{self, Draft, Readers, make_folder};
use crate::hash::hex;

/// How much of `bundle.json` tells whether it is one.
const TELLING: u64 = 4096;
/// The most bytes of `bundle.json`.
const LARGEST_HEAD: u64 = 64 << 20;
/// A bundle inflates to at most so many times its own size, and [`FREE`] more. JSON, the most compressible of its members, gets
/// thirty times smaller.
const MOST_RATIO: u64 = 200;
/// What even a tiny bundle may inflate to.
const FREE: u64 = 64 << 20;
/// Takes the place of a bundle, where nothing is or another bundle.
///
/// # Errors
/// When something else is there, or the folder cannot be written.
pub fn prepare(path: &Path) -> Result<Draft, BundleError> {
    Draft::new(path, Readers::Owner, "a bundle", is_one).map_err(|error| not_written(path, error))
}

/// Whether a file is a bundle, of this version or another.
fn is_one(file: &mut File) -> bool {
    let mut head = Vec::new();
    let zip = ZipArchive::new(file);
    let read = zip.ok().and_then(|mut zip| zip.by_name(HEAD).ok()?.take(TELLING).read_to_end(&mut head).ok());
    read.is_some() && disk::begins_with_schema(&head, NAME)
}

fn not_written(path: &Path, source: io::Error) -> BundleError {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let hint = if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
        "free disk space there; nothing was written"
    } else {
        "`--bundle` names a new file, or an earlier bundle, in an existing folder that you can write to"
    };
    BundleError::Io { what: "write", path: path.to_owned(), source, hint }
}

/// Writes a bundle whole, or not at all, into the place that was taken for it.
///
/// # Errors
/// When the file cannot be written, or something else came to its place.
pub fn write(
    draft: Draft,
    path: &Path,
    at: DateTime<Utc>,
    about: &impl Serialize,
    contents: &BTreeMap<String, Vec<u8>>,
) -> Result<(), BundleError> {
    let failed = |source: io::Error| not_written(path, source);
    let text = Manifest::new(about, contents).to_text().map_err(|error| failed(error.into()))?;
    let time = zip::DateTime::from_date_and_time(
        u16::try_from(at.year()).unwrap_or(1980),
        u8::try_from(at.month()).unwrap_or(1),
        u8::try_from(at.day()).unwrap_or(1),
        u8::try_from(at.hour()).unwrap_or(0),
        u8::try_from(at.minute()).unwrap_or(0),
        u8::try_from(at.second()).unwrap_or(0),
    );
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(time.unwrap_or_default())
        .unix_permissions(0o600);
    // Packed in memory, where the contents are anyway: a writer to a full disk would have its own say on the terminal.
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |name: &str, bytes: &[u8]| -> io::Result<()> {
        let large = u32::try_from(bytes.len()).is_err();
        zip.start_file(name, options.large_file(large))?;
        zip.write_all(bytes)
    };
    add(HEAD, &text).map_err(failed)?;
    for (name, bytes) in contents {
        add(name, bytes).map_err(failed)?;
    }
    let packed = zip.finish().map_err(|error| failed(error.into()))?;
    draft.finish(packed.get_ref()).map_err(failed)
}

/// Checks a bundle, and unpacks it below `into`, an empty folder. Gives what it says of itself, and its members.
///
/// # Errors
/// When it cannot be read, or anything of it is not as it says.
pub fn open<T: DeserializeOwned>(path: &Path, into: &Path) -> Result<(T, BTreeMap<String, Member>), BundleError> {
    let no_bundle = |what: String| BundleError::NoBundle { path: path.to_owned(), what };
    let file = disk::open(path).map_err(|source| BundleError::Io {
        what: "read",
        path: path.to_owned(),
        source,
        hint: "use a file written by `mfatrail report --bundle`",
    })?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let mut zip = ZipArchive::new(file).map_err(|error| no_bundle(error.to_string()))?;
    if zip.has_duplicate_names() {
        return Err(no_bundle("two of its members have the same name".to_owned()));
    }
    let mut text = Vec::new();
    {
        let head = zip.by_name(HEAD).map_err(|_| no_bundle(format!("it has no `{HEAD}`")))?;
        let read = head.take(LARGEST_HEAD + 1).read_to_end(&mut text);
        read.map_err(|error| no_bundle(format!("`{HEAD}`: {error}")))?;
    }
    if u64::try_from(text.len()).is_ok_and(|length| length > LARGEST_HEAD) {
        return Err(no_bundle(format!("its `{HEAD}` is larger than {LARGEST_HEAD} bytes")));
    }
    let manifest: Manifest<T> = Manifest::parse(&text).map_err(no_bundle)?;
    let member = |name: &str, what: &str| BundleError::Member {
        path: path.to_owned(),
        member: name.to_owned(),
        what: what.to_owned(),
    };
    let (about, members) = manifest.into_parts().map_err(|(name, what)| member(&name, what))?;
    let sum = members.values().fold(0_u64, |sum, listed| sum.saturating_add(listed.bytes));
    let most = size.saturating_mul(MOST_RATIO).saturating_add(FREE);
    if sum > most {
        return Err(no_bundle(format!(
            "it would inflate to {sum} bytes, but {size} bytes may inflate to at most {most}"
        )));
    }
    for name in zip.file_names() {
        let name = name.map_err(|error| no_bundle(format!("a member's name: {error}")))?;
        if name != HEAD && !members.contains_key(name.as_ref()) {
            return Err(member(&name, "is not listed"));
        }
    }
    for (name, listed) in &members {
        let found = zip.by_name(name).map_err(|_| member(name, "is listed, but is missing"))?;
        extract(found, listed, into).map_err(|why| match why {
            Bad::Member(what) => member(name, &what),
            Bad::Disk(place, source) => BundleError::Io {
                what: "unpack into",
                path: place,
                source,
                hint: "free space in the temporary directory, or set TMPDIR to another",
            },
        })?;
    }
    Ok((about, members))
}

/// Why a member could not be unpacked: it is not as listed, or the disk did not take it.
enum Bad {
    Member(String),
    Disk(PathBuf, io::Error),
}

/// Makes a new file that its owner alone may read.
fn create(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn extract(mut from: impl Read, listed: &Member, into: &Path) -> Result<(), Bad> {
    let place = into.join(&listed.name);
    let disk = |error| Bad::Disk(place.clone(), error);
    make_folder(place.parent().unwrap_or(into)).map_err(disk)?;
    let mut to = create(&place).map_err(disk)?;
    let (mut hash, mut length) = (Sha256::new(), 0_u64);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Bad::Member(format!("is damaged: {error}"))),
        };
        length = length.saturating_add(u64::try_from(read.len()).unwrap_or(u64::MAX));
        if length > listed.bytes {
            return Err(Bad::Member(format!("is larger than the listed {} bytes", listed.bytes)));
        }
        hash.update(read);
        to.write_all(read).map_err(disk)?;
    }
    if length != listed.bytes {
        return Err(Bad::Member(format!("has {length} bytes, not the listed {}", listed.bytes)));
    }
    if hex(&hash.finalize()) != listed.sha256 {
        return Err(Bad::Member("does not have the listed SHA-256".to_owned()));
    }
    Ok(())
}
