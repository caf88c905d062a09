//! What a search keeps: the records' own bytes, and where they were found.
//!
//! The output is in order of object and of place in it, and the same event in two objects is given once, so nothing can be
//! written before everything is read. In memory stay some fifty bytes of each record; its text goes to a temporary file
//! when there is much of it.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use crate::{cloudtrail::Record, evidence::Range, pipeline::Visitor, source::ObjectRef};

/// Bytes of text that one worker keeps in memory.
const IN_MEMORY: usize = if cfg!(test) { 1 << 10 } else { 8 << 20 };

/// The finds of one search.
#[derive(Debug)]
pub struct Finds {
    range: Arc<Range>,
    part: Part,
    /// Those of other workers.
    parts: Vec<Part>,
}

/// The finds of one worker.
#[derive(Debug, Default)]
struct Part {
    objects: Vec<Arc<ObjectRef>>,
    finds: Vec<Find>,
    /// Text that is not in the file yet.
    text: Vec<u8>,
    file: Option<File>,
    /// Bytes in the file.
    written: u64,
    error: Option<io::Error>,
}

#[derive(Debug)]
struct Find {
    /// Its object, among the part's.
    object: usize,
    /// Its number among the finds of its object.
    number: usize,
    /// Of whose account and of which id it is.
    event: u128,
    /// Where its text begins, file and memory taken as one.
    at: u64,
    length: usize,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Events, each once.
    pub events: u64,
    /// Further copies of them in other objects.
    pub copies: u64,
}

impl Finds {
    /// Keeps what is in `range`.
    #[must_use]
    pub fn new(range: Arc<Range>) -> Self {
        Self { range, part: Part::default(), parts: Vec::new() }
    }

    /// The first failure of a temporary file, which makes the finds incomplete.
    ///
    /// # Errors
    /// With that failure.
    pub fn check(&mut self) -> io::Result<()> {
        self.parts.push(std::mem::take(&mut self.part));
        self.parts.iter_mut().find_map(|part| part.error.take()).map_or(Ok(()), Err)
    }

    /// Writes one event a line, in order of object name and place in the object.
    ///
    /// # Errors
    /// When the output cannot be written, or the temporary file not read.
    pub fn write(mut self, out: &mut dyn Write) -> io::Result<Written> {
        self.parts.push(self.part);
        let mut order = Vec::new();
        for (part, kept) in self.parts.iter().enumerate() {
            order.extend((0..kept.finds.len()).map(|find| (part, find)));
        }
        let key = |(part, find): &(usize, usize)| {
            let part = self.parts.get(*part)?;
            let find = part.finds.get(*find)?;
            let object = part.objects.get(find.object)?;
            Some((&object.name, &object.location, find.number))
        };
        order.sort_by(|a, b| key(a).cmp(&key(b)));
        let mut seen = HashSet::new();
        let mut written = Written::default();
        let mut line = Vec::new();
        for (part, find) in order {
            let Some(part) = self.parts.get_mut(part) else { continue };
            let Some(find) = part.finds.get(find) else { continue };
            if !seen.insert(find.event) {
                written.copies += 1;
                continue;
            }
            let (at, length) = (find.at, find.length);
            part.read(at, length, &mut line)?;
            line.push(b'\n');
            out.write_all(&line)?;
            written.events += 1;
        }
        out.flush()?;
        Ok(written)
    }
}

impl Part {
    fn keep(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) -> io::Result<()> {
        let raw = record.raw().ok_or_else(|| io::Error::other("a record without its text"))?;
        let number = match (self.objects.last(), self.finds.last()) {
            (Some(last), Some(find)) if Arc::ptr_eq(last, object) => find.number + 1,
            _ => {
                self.objects.push(Arc::clone(object));
                0
            }
        };
        let before = self.text.len();
        // Between a record's tokens a line break is white space, and within its strings there can be none.
        self.text.extend(raw.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
        self.finds.push(Find {
            object: self.objects.len() - 1,
            number,
            event: event(record),
            at: self.written + size(before),
            length: self.text.len() - before,
        });
        if self.text.len() >= IN_MEMORY {
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(tempfile::tempfile()?),
            };
            file.write_all(&self.text)?;
            self.written += size(self.text.len());
            self.text.clear();
        }
        Ok(())
    }

    fn read(&mut self, at: u64, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        if let Some(start) = at.checked_sub(self.written) {
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            let text = self.text.get(start..start.saturating_add(length));
            into.extend_from_slice(text.ok_or(io::ErrorKind::UnexpectedEof)?);
            return Ok(());
        }
        let file = self.file.as_mut().ok_or(io::ErrorKind::UnexpectedEof)?;
        file.seek(SeekFrom::Start(at))?;
        into.resize(length, 0);
        file.read_exact(into)
    }
}

impl Visitor for Finds {
    fn record(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>) {
        if self.range.includes(record) && self.part.error.is_none() {
            self.part.error = self.part.keep(object, record).err();
        }
    }

    fn merge(&mut self, other: Self) {
        self.parts.push(other.part);
        self.parts.extend(other.parts);
    }
}

/// Whose event, and which: half of a digest, for equal ids in two accounts are two events.
fn event(record: &Record<'_, '_>) -> u128 {
    let mut hash = Sha256::new();
    hash.update(record.account().unwrap_or_default());
    hash.update([0]);
    hash.update(record.id().as_bytes());
    hash.finalize().first_chunk::<16>().map_or(0, |half| u128::from_be_bytes(*half))
}

fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
