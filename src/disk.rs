//! Files and folders that a stranger may have laid out.
//!
//! A file that somebody names is opened as they named it, links included, but only if it is a regular file: a pipe or a device
//! would be waited for, or never end. Below a [`Folder`] (an evidence store, a folder of IAM state) nothing is followed: every
//! name on the way is looked up in the folder that is open already, so that no link leads out of it, whoever lays one there in
//! the meantime. Every read has a limit.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

#[cfg(not(unix))]
use by_path as system;
#[cfg(unix)]
use unix as system;

pub use system::Folder;
pub(crate) use system::open_files;

/// Why something is not opened, although the operating system would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A symbolic link, where none is followed.
    Link,
    /// A pipe, a socket or a device.
    Special,
    /// A regular file with a second name, which may be anywhere, where it would be written to.
    Shared,
    /// More bytes than the limit, which is given.
    TooLarge(u64),
    /// A name that leads out of the folder.
    Outside,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link => f.write_str("it is a symbolic link, which is not followed here"),
            Self::Special => f.write_str("it is a pipe, a socket or a device"),
            Self::Shared => f.write_str("it is a hard link: the file has another name"),
            Self::TooLarge(limit) => write!(f, "it is larger than {limit} bytes"),
            Self::Outside => f.write_str("its name points outside the folder"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        Self::other(refusal)
    }
}

/// The refusal behind an error, where it is one.
#[must_use]
pub fn refusal(error: &io::Error) -> Option<Refusal> {
    error.get_ref()?.downcast_ref::<Refusal>().copied()
}

/// What to do about something that is not opened, for the end of a message; empty for an error of the operating system.
#[must_use]
pub fn hint(error: &io::Error) -> &'static str {
    match refusal(error) {
        Some(Refusal::Link) => " (hint: replace it with the file itself)",
        Some(Refusal::Special) => " (hint: save its content in a file, and use the file)",
        _ => "",
    }
}

/// What a name stands for, links not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, a socket or a device.
    Special,
}

impl From<std::fs::FileType> for Kind {
    fn from(found: std::fs::FileType) -> Self {
        match found {
            _ if found.is_symlink() => Self::Link,
            _ if found.is_dir() => Self::Folder,
            _ if found.is_file() => Self::File,
            _ => Self::Special,
        }
    }
}

impl Kind {
    /// Nothing, for what a folder of a stranger may hold; else why it is refused.
    #[must_use]
    pub fn refused(self) -> Option<Refusal> {
        match self {
            Self::File | Self::Folder => None,
            Self::Link => Some(Refusal::Link),
            Self::Special => Some(Refusal::Special),
        }
    }
}

/// An entry of a folder.
pub type Entry = (OsString, Kind);

/// Opens a regular file for reading. Links are followed: the name is the user's own.
///
/// # Errors
/// When it cannot be opened, or is something else.
pub fn open(path: &Path) -> io::Result<File> {
    regular(system::open(path)?)
}

/// Reads a regular file of at most `limit` bytes. Links are followed: the name is the user's own.
///
/// # Errors
/// When it cannot be read, is something else, or is larger.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    whole(open(path)?, limit)
}

/// How long a pipe is waited for. Who writes a secret into one is there already.
const PIPE_PATIENCE: Duration = Duration::from_secs(10);

/// Reads a regular file of at most `limit` bytes, or as many from a pipe that somebody writes to, as a shell's `<(command)`. Links
/// are followed: the name is the user's own.
///
/// # Errors
/// When it cannot be read, is something else, is larger, or when the pipe's writer writes nothing for ten seconds.
pub fn read_piped(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = system::open(path)?;
    if !system::is_pipe(file.metadata()?.file_type()) {
        return whole(regular(file)?, limit);
    }
    let mut bytes = Vec::new();
    let mut pipe = file.take(limit.saturating_add(1));
    let mut waited = Instant::now();
    let mut buffer = [0; 4 << 10];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) => {
                return Err(Refusal::TooLarge(limit).into());
            }
            Ok(0) => return Ok(bytes),
            Ok(read) => {
                bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
                waited = Instant::now();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && waited.elapsed() < PIPE_PATIENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a file that is open is a regular one.
fn regular(file: File) -> io::Result<File> {
    let found = file.metadata()?.file_type();
    if found.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    if found.is_file() { Ok(file) } else { Err(Refusal::Special.into()) }
}

/// The first program of one of these names in a folder of the PATH.
#[must_use]
pub fn program(names: &[&str]) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut places = names.iter().flat_map(|name| std::env::split_paths(&folders).map(move |folder| folder.join(name)));
    places.find(|path| is_program(path))
}

/// Whether a file can be run.
#[cfg(unix)]
#[must_use]
pub fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
#[must_use]
pub fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Whether a JSON document begins by naming a schema of this name, as those of this program do.
#[must_use]
pub fn begins_with_schema(head: &[u8], name: &str) -> bool {
    let mut rest = head;
    ["{", "\"schema\"", ":", "\"", name, "/"].iter().enumerate().all(|(at, part)| {
        // Within the schema's own text blanks count.
        let from = if at < 4 { rest.trim_ascii_start() } else { rest };
        let found = from.strip_prefix(part.as_bytes());
        rest = found.unwrap_or_default();
        found.is_some()
    })
}

/// A file to be: it is made beside its place, for its owner alone, and put there whole or not at all. What is in its place and
/// was not written by this program is never overwritten.
#[derive(Debug)]
pub struct Draft {
    file: NamedTempFile,
    place: PathBuf,
    /// What it is called where something else is in its place, such as `a bundle`.
    what: &'static str,
    own: fn(&mut File) -> bool,
    permissions: Option<fs::Permissions>,
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner.
    Owner,
    /// Whom the umask says.
    Usual,
}

impl Draft {
    /// Takes the place of a file, if nothing is there, or one that `own` knows as written by this program.
    ///
    /// # Errors
    /// When something else is there, or the folder cannot be written.
    pub fn new(place: &Path, readers: Readers, what: &'static str, own: fn(&mut File) -> bool) -> io::Result<Self> {
        if place.file_name().is_none() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not the name of a file (hint: name a new file)",
            ));
        }
        occupied(place, what, own)?;
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".mfatrail-");
        let (file, permissions) = match readers {
            Readers::Owner => (builder.tempfile_in(folder)?, None),
            Readers::Usual => by_umask(&mut builder, folder)?,
        };
        Ok(Self { file, place: place.to_owned(), what, own, permissions })
    }

    /// Where it is made.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Writes all of it, to the disk, and puts it into its place.
    ///
    /// # Errors
    /// When it cannot be written, or something else came to its place meanwhile.
    pub fn finish(mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        if let Some(permissions) = self.permissions {
            self.file.as_file().set_permissions(permissions)?;
        }
        self.file.as_file().sync_all()?;
        let place = self.place;
        if occupied(&place, self.what, self.own)? {
            self.file.persist(place).map_err(|error| error.error)?;
        } else {
            self.file.persist_noclobber(place).map_err(|error| error.error)?;
        }
        Ok(())
    }
}

/// A temporary file that its owner alone may read, and the permissions that the umask gives to files.
#[cfg(unix)]
fn by_umask(
    builder: &mut tempfile::Builder<'_, '_>,
    folder: &Path,
) -> io::Result<(NamedTempFile, Option<fs::Permissions>)> {
    use std::os::unix::fs::PermissionsExt as _;
    // Tried with another file, which stays empty: who opened it would hold it.
    let tried = builder.permissions(fs::Permissions::from_mode(0o666)).tempfile_in(folder)?;
    let usual = tried.as_file().metadata()?.permissions();
    tried.close()?;
    let file = builder.permissions(fs::Permissions::from_mode(0o600)).tempfile_in(folder)?;
    Ok((file, Some(usual)))
}

#[cfg(not(unix))]
fn by_umask(
    builder: &mut tempfile::Builder<'_, '_>,
    folder: &Path,
) -> io::Result<(NamedTempFile, Option<fs::Permissions>)> {
    Ok((builder.tempfile_in(folder)?, None))
}

/// Whether a file that this program wrote is in a place.
///
/// # Errors
/// When something else is there; it says what, and what to do.
pub fn occupied(place: &Path, what: &str, own: fn(&mut File) -> bool) -> io::Result<bool> {
    let foreign = |why: String| Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    match fs::symlink_metadata(place).map(|found| Kind::from(found.file_type())) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(Kind::Folder) => foreign("it is a folder (hint: name a new file)".to_owned()),
        Ok(Kind::Link) => foreign("it is a symbolic link (hint: name the file itself)".to_owned()),
        Ok(Kind::Special) => foreign("it is a pipe, a socket or a device (hint: name a new file)".to_owned()),
        Ok(Kind::File) if own(&mut open(place)?) => Ok(true),
        Ok(Kind::File) => foreign(format!(
            "it exists and is not {what} written by mfatrail (hint: name a new file, or move this one away)"
        )),
    }
}

/// Why a file cannot be taken for the user's own, or an administrator's; `None` where it can, or is not there.
#[cfg(unix)]
#[must_use]
pub fn not_own(file: &Path) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = file.symlink_metadata().ok()?;
    if !metadata.is_file() {
        return Some("is not a regular file");
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() && metadata.uid() != 0 {
        return Some("belongs to another user");
    }
    (metadata.mode() & 0o002 != 0).then_some("can be written by other users")
}

/// Who owns a file is not asked here.
#[cfg(not(unix))]
#[must_use]
pub fn not_own(_file: &Path) -> Option<&'static str> {
    None
}

/// Makes a folder, and those on the way to it, for their owner alone. Links on the way are followed: the name is the user's own.
///
/// # Errors
/// When one cannot be made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A temporary folder that its owner alone may enter, in a folder or where the system has them.
///
/// # Errors
/// When it cannot be made.
pub fn temporary_folder(within: Option<&Path>) -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    match within {
        Some(folder) => builder.tempdir_in(folder),
        None => builder.tempdir(),
    }
}

fn whole(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    if length > limit {
        return Err(Refusal::TooLarge(limit).into());
    }
    let mut bytes = Vec::new();
    // Room for a byte more, so that one step meets the end.
    let room = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(1);
    bytes.try_reserve_exact(room).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    // It may grow meanwhile.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        Ok(bytes)
    } else {
        Err(Refusal::TooLarge(limit).into())
    }
}

/// The names on the way to something below a folder, each of them a plain name.
fn names(relative: &Path) -> io::Result<Vec<&std::ffi::OsStr>> {
    use std::path::Component;
    relative
        .components()
        .filter(|component| *component != Component::CurDir)
        .map(|component| match component {
            Component::Normal(name) => Ok(name),
            _ => Err(Refusal::Outside.into()),
        })
        .collect()
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::fs::File;
    use std::io::{self, Write};
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
    use rustix::io::Errno;

    use super::{Entry, Kind, Refusal, names, regular, whole};

    const OWNER_FOLDER: Mode = Mode::RWXU;
    const OWNER_FILE: Mode = Mode::RUSR.union(Mode::WUSR);
    /// A pipe without a writer is not waited for; a terminal does not become the process's own.
    const CAUTIOUS: OFlags = OFlags::CLOEXEC.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
    const INTO: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

    /// How many files this process may have open; `None` for as many as it likes, or where that is not known.
    pub(crate) fn open_files() -> Option<usize> {
        rustix::process::getrlimit(rustix::process::Resource::Nofile)
            .current
            .and_then(|most| usize::try_from(most).ok())
    }

    pub(super) fn open(path: &Path) -> io::Result<File> {
        Ok(File::from(rustix::fs::open(path, OFlags::RDONLY | CAUTIOUS, Mode::empty())?))
    }

    pub(super) fn is_pipe(found: std::fs::FileType) -> bool {
        std::os::unix::fs::FileTypeExt::is_fifo(&found)
    }

    fn kind_of(found: FileType) -> Kind {
        match found {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            _ => Kind::Special,
        }
    }

    fn kind_at(folder: &OwnedFd, name: &OsStr) -> io::Result<Option<Kind>> {
        match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(kind_of(FileType::from_raw_mode(found.st_mode)))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a name of a folder. What may not be opened is refused by what it is.
    fn open_at(folder: &OwnedFd, name: &OsStr, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        rustix::fs::openat(folder, name, flags | OFlags::NOFOLLOW, mode).map_err(|error| {
            let refused = kind_at(folder, name).ok().flatten().and_then(Kind::refused);
            refused.map_or_else(|| error.into(), Into::into)
        })
    }

    /// Refuses a file that has another name, which may be anywhere.
    fn sole(file: &File) -> io::Result<()> {
        if file.metadata()?.nlink() > 1 { Err(Refusal::Shared.into()) } else { Ok(()) }
    }

    /// A folder below which no link is followed.
    #[derive(Debug)]
    pub struct Folder(OwnedFd);

    impl Folder {
        /// Opens it; links on the way to it are followed.
        ///
        /// # Errors
        /// When it is not there, is no folder, or may not be read.
        pub fn open(path: &Path) -> io::Result<Self> {
            Ok(Self(rustix::fs::open(path, INTO, Mode::empty())?))
        }

        fn at(&self, names: &[&OsStr]) -> io::Result<OwnedFd> {
            let mut folder = self.0.try_clone()?;
            for name in names {
                folder = open_at(&folder, name, INTO, Mode::empty())?;
            }
            Ok(folder)
        }

        /// The open folder that something is in, and its name there.
        fn place<'p>(&self, relative: &'p Path) -> io::Result<(OwnedFd, &'p OsStr)> {
            let mut names = names(relative)?;
            let name = names.pop().ok_or(Refusal::Outside)?;
            Ok((self.at(&names)?, name))
        }

        /// Opens a regular file for reading.
        ///
        /// # Errors
        /// When it cannot be opened, or is something else.
        pub fn file(&self, relative: &Path) -> io::Result<File> {
            let (folder, name) = self.place(relative)?;
            regular(File::from(open_at(&folder, name, OFlags::RDONLY | CAUTIOUS, Mode::empty())?))
        }

        /// Reads a regular file of at most `limit` bytes.
        ///
        /// # Errors
        /// When it cannot be read, is something else, or is larger.
        pub fn read(&self, relative: &Path, limit: u64) -> io::Result<Vec<u8>> {
            whole(self.file(relative)?, limit)
        }

        /// Opens a regular file to be written in place, and makes it where there is none, for its owner alone.
        ///
        /// # Errors
        /// When it cannot be opened, is something else, or has another name too.
        pub fn open_own(&self, relative: &Path) -> io::Result<File> {
            let (folder, name) = self.place(relative)?;
            let flags = OFlags::RDWR | OFlags::CREATE | CAUTIOUS;
            let file = regular(File::from(open_at(&folder, name, flags, OWNER_FILE)?))?;
            sole(&file)?;
            Ok(file)
        }

        /// Refuses what [`Self::open_own`] refuses, for somebody else who is about to open it; nothing may be there.
        ///
        /// # Errors
        /// When it cannot be opened, is something else than a regular file, or has another name too.
        pub fn check_own(&self, relative: &Path) -> io::Result<()> {
            match self.file(relative) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                file => sole(&file?),
            }
        }

        /// Writes a file that is new, for its owner alone, to the disk; what has its name is removed first, and not written to.
        ///
        /// # Errors
        /// When it cannot be written.
        pub fn write(&self, relative: &Path, bytes: &[u8]) -> io::Result<()> {
            let (folder, name) = self.place(relative)?;
            match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let mut file = File::from(open_at(&folder, name, flags, OWNER_FILE)?);
            file.write_all(bytes)?;
            file.sync_all()
        }

        /// Moves a file, over what may be there.
        ///
        /// # Errors
        /// When it cannot be moved.
        pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            let ((from, old), (to, new)) = (self.place(from)?, self.place(to)?);
            Ok(rustix::fs::renameat(&from, old, &to, new)?)
        }

        /// Removes a file, or a link itself; gives whether it was there.
        ///
        /// # Errors
        /// When it cannot be removed.
        pub fn remove(&self, relative: &Path) -> io::Result<bool> {
            let (folder, name) = match self.place(relative) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                place => place?,
            };
            match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
                Ok(()) => Ok(true),
                Err(Errno::NOENT) => Ok(false),
                Err(error) => Err(error.into()),
            }
        }

        /// Removes whatever is there, with all that is in it. Links are removed, not followed.
        ///
        /// # Errors
        /// When something cannot be removed.
        pub fn remove_tree(&self, relative: &Path) -> io::Result<()> {
            if self.kind(relative)? != Some(Kind::Folder) {
                return self.remove(relative).map(drop);
            }
            for (name, _) in self.list(relative)? {
                self.remove_tree(&relative.join(name))?;
            }
            let (folder, name) = self.place(relative)?;
            Ok(rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR)?)
        }

        /// Makes a folder, and those on the way to it, for their owner alone.
        ///
        /// # Errors
        /// When one cannot be made, or something else has its name.
        pub fn make(&self, relative: &Path) -> io::Result<()> {
            let mut folder = self.0.try_clone()?;
            for name in names(relative)? {
                match rustix::fs::mkdirat(&folder, name, OWNER_FOLDER) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                folder = open_at(&folder, name, INTO, Mode::empty())?;
            }
            Ok(())
        }

        /// What a name stands for; `None` where there is nothing.
        ///
        /// # Errors
        /// When it cannot be told.
        pub fn kind(&self, relative: &Path) -> io::Result<Option<Kind>> {
            match self.place(relative) {
                Ok((folder, name)) => kind_at(&folder, name),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        }

        /// What is in a folder, in order of name; of the folder itself, by an empty path.
        ///
        /// # Errors
        /// When it cannot be listed.
        pub fn list(&self, relative: &Path) -> io::Result<Vec<Entry>> {
            let folder = self.at(&names(relative)?)?;
            let mut entries = Vec::new();
            for entry in Dir::read_from(folder.as_fd())? {
                let entry = entry?;
                let name = OsStr::from_bytes(entry.file_name().to_bytes());
                if name == "." || name == ".." {
                    continue;
                }
                let kind = match entry.file_type() {
                    // Not every file system tells.
                    FileType::Unknown => kind_at(&folder, name)?,
                    known => Some(kind_of(known)),
                };
                entries.extend(kind.map(|kind| (name.to_owned(), kind)));
            }
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Ok(entries)
        }

        /// Has the names in a folder written to the disk.
        ///
        /// # Errors
        /// When they cannot be written.
        pub fn sync(&self, relative: &Path) -> io::Result<()> {
            Ok(rustix::fs::fsync(self.at(&names(relative)?)?)?)
        }
    }
}

/// Where folders cannot be held open: every name on the way is looked at before it is used.
#[cfg(not(unix))]
mod by_path {
    use std::fs::{self, File, OpenOptions};
    use std::io::{self, Write};
    use std::path::{Path, PathBuf};

    use super::{Entry, Kind, Refusal, names, regular, whole};

    /// Not known here.
    pub(crate) fn open_files() -> Option<usize> {
        None
    }

    pub(super) fn open(path: &Path) -> io::Result<File> {
        File::open(path)
    }

    pub(super) fn is_pipe(_found: std::fs::FileType) -> bool {
        false
    }

    fn kind_at(path: &Path) -> io::Result<Option<Kind>> {
        match fs::symlink_metadata(path) {
            Ok(found) => Ok(Some(found.file_type().into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A folder below which no link is followed.
    #[derive(Debug)]
    pub struct Folder(PathBuf);

    impl Folder {
        /// Opens it; links on the way to it are followed.
        ///
        /// # Errors
        /// When it is not there, or is no folder.
        pub fn open(path: &Path) -> io::Result<Self> {
            if !fs::metadata(path)?.is_dir() {
                return Err(io::Error::from(io::ErrorKind::NotADirectory));
            }
            Ok(Self(path.to_owned()))
        }

        fn place(&self, relative: &Path) -> io::Result<PathBuf> {
            let mut path = self.0.clone();
            for name in names(relative)? {
                path.push(name);
                if let Some(refusal) = kind_at(&path)?.and_then(Kind::refused) {
                    return Err(refusal.into());
                }
            }
            Ok(path)
        }

        /// Opens a regular file for reading.
        ///
        /// # Errors
        /// When it cannot be opened, or is something else.
        pub fn file(&self, relative: &Path) -> io::Result<File> {
            regular(File::open(self.place(relative)?)?)
        }

        /// Reads a regular file of at most `limit` bytes.
        ///
        /// # Errors
        /// When it cannot be read, is something else, or is larger.
        pub fn read(&self, relative: &Path, limit: u64) -> io::Result<Vec<u8>> {
            whole(self.file(relative)?, limit)
        }

        /// Opens a regular file to be written in place, and makes it where there is none.
        ///
        /// # Errors
        /// When it cannot be opened, or is something else.
        pub fn open_own(&self, relative: &Path) -> io::Result<File> {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            regular(options.open(self.place(relative)?)?)
        }

        /// Refuses what [`Self::open_own`] refuses, for somebody else who is about to open it; nothing may be there.
        ///
        /// # Errors
        /// When it cannot be opened, or is something else than a regular file.
        pub fn check_own(&self, relative: &Path) -> io::Result<()> {
            match self.file(relative) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                file => file.map(|_file| ()),
            }
        }

        /// Writes a file that is new to the disk; what has its name is removed first, and not written to.
        ///
        /// # Errors
        /// When it cannot be written.
        pub fn write(&self, relative: &Path, bytes: &[u8]) -> io::Result<()> {
            self.remove(relative)?;
            let mut file = File::create_new(self.place(relative)?)?;
            file.write_all(bytes)?;
            file.sync_all()
        }

        /// Moves a file, over what may be there.
        ///
        /// # Errors
        /// When it cannot be moved.
        pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            fs::rename(self.place(from)?, self.place(to)?)
        }

        /// Removes a file; gives whether it was there.
        ///
        /// # Errors
        /// When it cannot be removed.
        pub fn remove(&self, relative: &Path) -> io::Result<bool> {
            match fs::remove_file(self.place(relative)?) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            }
        }

        /// Removes whatever is there, with all that is in it.
        ///
        /// # Errors
        /// When something cannot be removed.
        pub fn remove_tree(&self, relative: &Path) -> io::Result<()> {
            if self.kind(relative)? == Some(Kind::Folder) {
                fs::remove_dir_all(self.place(relative)?)
            } else {
                self.remove(relative).map(drop)
            }
        }

        /// Makes a folder, and those on the way to it.
        ///
        /// # Errors
        /// When one cannot be made, or something else has its name.
        pub fn make(&self, relative: &Path) -> io::Result<()> {
            fs::create_dir_all(self.place(relative)?)
        }

        /// What a name stands for; `None` where there is nothing.
        ///
        /// # Errors
        /// When it cannot be told.
        pub fn kind(&self, relative: &Path) -> io::Result<Option<Kind>> {
            let name = relative.file_name().ok_or(Refusal::Outside)?;
            let parent = self.place(relative.parent().unwrap_or(Path::new("")))?;
            kind_at(&parent.join(name))
        }

        /// What is in a folder, in order of name; of the folder itself, by an empty path.
        ///
        /// # Errors
        /// When it cannot be listed.
        pub fn list(&self, relative: &Path) -> io::Result<Vec<Entry>> {
            let mut entries = Vec::new();
            for entry in fs::read_dir(self.place(relative)?)? {
                let entry = entry?;
                entries.push((entry.file_name(), entry.file_type()?.into()));
            }
            entries.sort_by(|(a, _): &Entry, (b, _)| a.cmp(b));
            Ok(entries)
        }

        /// Names need no flush of their own here.
        ///
        /// # Errors
        /// When the folder cannot be looked at.
        pub fn sync(&self, relative: &Path) -> io::Result<()> {
            self.place(relative).map(drop)
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn pipe(path: &Path) {
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .expect("a pipe");
    }

    fn refused<T: fmt::Debug>(result: io::Result<T>) -> Option<Refusal> {
        refusal(&result.expect_err("it is refused"))
    }

    #[test]
    fn what_is_named_outright_is_a_regular_file_of_bounded_size() {
        let home = tempfile::tempdir().expect("a folder");
        let at = |name: &str| home.path().join(name);
        fs::write(at("file"), b"12345").expect("written");
        symlink(at("file"), at("link")).expect("linked");
        pipe(&at("pipe"));
        assert_eq!(read(&at("file"), 5).expect("read"), b"12345");
        assert_eq!(read(&at("link"), 5).expect("read"), b"12345");
        assert_eq!(refused(read(&at("file"), 4)), Some(Refusal::TooLarge(4)));
        assert_eq!(refused(read(&at("pipe"), 5)), Some(Refusal::Special));
        assert_eq!(refused(read(Path::new("/dev/zero"), 5)), Some(Refusal::Special));
        assert_eq!(read(home.path(), 5).expect_err("a folder").kind(), io::ErrorKind::IsADirectory);
        assert_eq!(read(&at("none"), 5).expect_err("nothing").kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn nothing_leads_out_of_a_folder() {
        let home = tempfile::tempdir().expect("a folder");
        let at = |name: &str| home.path().join(name);
        fs::create_dir_all(at("outside")).expect("made");
        fs::create_dir_all(at("inside/sub")).expect("made");
        fs::write(at("outside/file"), b"secret").expect("written");
        fs::write(at("inside/sub/file"), b"own").expect("written");
        symlink(at("outside"), at("inside/away")).expect("linked");
        symlink(at("outside/file"), at("inside/sub/link")).expect("linked");
        symlink(at("outside/new"), at("inside/dangling")).expect("linked");
        symlink("sub", at("inside/near")).expect("linked");
        fs::hard_link(at("outside/file"), at("inside/shared")).expect("linked");
        pipe(&at("inside/pipe"));
        symlink(at("inside"), at("door")).expect("linked");
        for root in ["inside", "door"] {
            let folder = Folder::open(&at(root)).expect("open");
            let path = Path::new;
            assert_eq!(folder.read(path("sub/file"), 9).expect("read"), b"own");
            assert_eq!(folder.kind(path("sub/link")).expect("told"), Some(Kind::Link));
            assert_eq!(folder.kind(path("sub/none")).expect("told"), None);
            for link in ["away/file", "sub/link", "near/file", "dangling"] {
                assert_eq!(refused(folder.read(path(link), 9)), Some(Refusal::Link), "{link}");
                assert_eq!(refused(folder.open_own(path(link))), Some(Refusal::Link), "{link}");
            }
            for link in ["away", "near"] {
                let below = path(link).join("x");
                assert_eq!(refused(folder.list(path(link))), Some(Refusal::Link), "{link}");
                assert_eq!(refused(folder.write(&below, b"x")), Some(Refusal::Link), "{link}");
                assert_eq!(refused(folder.make(&below)), Some(Refusal::Link), "{link}");
                assert_eq!(refused(folder.rename(path("sub/file"), &below)), Some(Refusal::Link), "{link}");
                assert_eq!(refused(folder.remove(&path(link).join("file"))), Some(Refusal::Link), "{link}");
                assert_eq!(refused(folder.sync(path(link))), Some(Refusal::Link), "{link}");
            }
            assert_eq!(refused(folder.read(path("pipe"), 9)), Some(Refusal::Special));
            assert_eq!(refused(folder.open_own(path("pipe"))), Some(Refusal::Special));
            assert_eq!(refused(folder.open_own(path("shared"))), Some(Refusal::Shared));
            for outside in ["../outside/file", "/etc/hostname", "sub/../../outside/file", ""] {
                assert_eq!(refused(folder.read(path(outside), 9)), Some(Refusal::Outside), "{outside}");
            }
        }
        let folder = Folder::open(&at("inside")).expect("open");
        for name in ["sub/link", "dangling", "shared"] {
            folder.write(Path::new(name), b"mine").expect("in its place");
            assert_eq!(folder.read(Path::new(name), 9).expect("read"), b"mine");
            let mode = fs::metadata(at("inside").join(name)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(!at("outside/new").exists());
        folder.remove_tree(Path::new("away")).expect("removed");
        folder.remove_tree(Path::new("sub")).expect("removed");
        let left: Vec<OsString> =
            folder.list(Path::new("")).expect("listed").into_iter().map(|(name, _)| name).collect();
        assert_eq!(left, ["dangling", "near", "pipe", "shared"]);
        assert_eq!(fs::read(at("outside/file")).expect("there"), b"secret");
    }
}
