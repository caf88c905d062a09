//! What a search keeps: the records' own bytes, or the columns asked for, and where they were found.
//!
//! The output is in order of object and of place in it, or of time, and the same event in two objects is given once, so
//! nothing can be written before everything is read. In memory stay some sixty bytes of each record; its text goes to a
//! temporary file when there is much of it.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::{cloudtrail::Record, evidence::Range, pipeline::Visitor, rows::Columns, source::ObjectRef};

/// Bytes of text that one worker keeps in memory.
const IN_MEMORY: usize = if cfg!(test) { 1 << 10 } else { 8 << 20 };

/// The finds of one search.
#[derive(Debug)]
pub struct Finds {
    range: Arc<Range>,
    columns: Option<Arc<Columns>>,
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
    time: DateTime<Utc>,
    /// Of whose account and of which id it is.
    event: u128,
    /// Where its text begins, file and memory taken as one.
    at: u64,
    length: usize,
}

/// In which order events are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Of the objects' names and of the places in them.
    Place,
    /// Of time; of one second, by place, as far as one pass over the objects tells.
    Time,
}

/// What was found and given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Given {
    /// Events, each once.
    pub events: u64,
    /// Of these, the ones given before the limit was reached.
    pub given: u64,
    /// Further copies of them in other objects.
    pub copies: u64,
}

impl Finds {
    /// Keeps what is in `range`: the columns, or else the records' own bytes.
    #[must_use]
    pub fn new(range: Arc<Range>, columns: Option<Arc<Columns>>) -> Self {
        Self { range, columns, part: Part::default(), parts: Vec::new() }
    }

    /// Whether a record is in its range.
    #[must_use]
    pub fn includes(&self, record: &Record<'_, '_>) -> bool {
        self.range.includes(record)
    }

    /// The first failure of a temporary file, which makes the finds incomplete.
    ///
    /// # Errors
    /// With that failure.
    pub fn check(&mut self) -> io::Result<()> {
        self.parts.push(std::mem::take(&mut self.part));
        self.parts.iter_mut().find_map(|part| part.error.take()).map_or(Ok(()), Err)
    }

    /// Gives the text of every event to `each`, up to the limit.
    ///
    /// # Errors
    /// When `each` fails, or the temporary file cannot be read.
    pub fn give(
        mut self,
        order: Order,
        limit: Option<u64>,
        each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<Given> {
        self.parts.push(self.part);
        let mut places = Vec::new();
        for (part, kept) in self.parts.iter().enumerate() {
            places.extend((0..kept.finds.len()).map(|find| (part, find)));
        }
        let key = |(part, find): &(usize, usize)| {
            let kept = self.parts.get(*part)?;
            let find = kept.finds.get(*find)?;
            let object = kept.objects.get(find.object)?;
            let time = (order == Order::Time).then_some(find.time);
            // Numbers of two passes may be the same, and chance must not decide then.
            Some((time, &object.name, &object.location, find.number, find.event))
        };
        places.sort_by(|a, b| key(a).cmp(&key(b)));
        let mut seen = HashSet::new();
        let mut given = Given::default();
        let mut text = Vec::new();
        for (part, find) in places {
            let Some(part) = self.parts.get_mut(part) else { continue };
            let Some(find) = part.finds.get(find) else { continue };
            if !seen.insert(find.event) {
                given.copies += 1;
                continue;
            }
            given.events += 1;
            if limit.is_none_or(|limit| given.given < limit) {
                let (at, length) = (find.at, find.length);
                part.read(at, length, &mut text)?;
                each(&text)?;
                given.given += 1;
            }
        }
        Ok(given)
    }
}

impl Part {
    fn keep(&mut self, object: &Arc<ObjectRef>, record: &Record<'_, '_>, columns: Option<&Columns>) -> io::Result<()> {
        let number = match (self.objects.last(), self.finds.last()) {
            (Some(last), Some(find)) if Arc::ptr_eq(last, object) => find.number + 1,
            _ => {
                self.objects.push(Arc::clone(object));
                0
            }
        };
        let before = self.text.len();
        match columns {
            Some(columns) => columns.keep(record, &mut self.text)?,
            None => {
                let raw = record.raw().ok_or_else(|| io::Error::other("a record without its text"))?;
                // Between a record's tokens a line break is white space, and within its strings there can be none.
                self.text.extend(raw.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
            }
        }
        self.finds.push(Find {
            object: self.objects.len() - 1,
            number,
            time: record.time,
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
            self.part.error = self.part.keep(object, record, self.columns.as_deref()).err();
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
