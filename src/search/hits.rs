//! What a search keeps: the records' own bytes, or the columns asked for, and where they were found.
//!
//! The output is in order of object and of place in it, or of time, and the same event in two objects is given once, so
//! nothing can be written before everything is read. In memory stay some sixty bytes of each record; its text goes to a
//! temporary file when there is much of it. What is one event is decided by these texts: see [`mfa::fold`](crate::mfa::fold()).

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::Entry},
    io::{self, Write},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::{
    cloudtrail::{Form, Record, Scratch, for_each_record},
    evidence::Range,
    mfa::{self, Conflict},
    pipeline::Visitor,
    source::ObjectRef,
    spill::{Spill, lost},
    table::print::Columns,
};

mod copies;

use copies::{Candidate, EventClaim};

/// Bytes of text that one worker keeps in memory.
const IN_MEMORY: usize = if cfg!(test) { 1 << 10 } else { 8 << 20 };

/// Takes a find: its part and place among these, and its text.
type Each<'e> = dyn FnMut(&Hits, (usize, usize), &[u8]) -> io::Result<()> + 'e;

/// The finds of one search.
#[derive(Debug)]
pub struct Hits {
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
    /// Those that say another event again, by their places among these.
    addenda: Vec<usize>,
    /// Text that is not in the temporary file yet.
    text: Vec<u8>,
    spill: Spill,
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
    form: Form,
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// Events, each once.
    pub events: u64,
    /// Of these, the ones given before the limit was reached.
    pub given: u64,
    /// Further copies of them in other objects, and records that a later one says again.
    pub copies: u64,
    /// Of these events the records say different things; each is given.
    pub conflicts: Vec<Conflict>,
}

impl Hits {
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
        self,
        order: Order,
        limit: Option<u64>,
        each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<Given> {
        self.walk(order, limit, &mut |hits, _, text| each(hits.shown(text)))
    }

    /// Gives every event as a record again to `each`, in order of time, with the object that holds it; what was kept must be the
    /// records' own bytes.
    ///
    /// # Errors
    /// When the temporary file cannot be read, or holds something else.
    pub fn records(self, each: &mut dyn FnMut(&ObjectRef, &Record<'_, '_>)) -> io::Result<Given> {
        let mut scratch = Scratch::default();
        self.walk(Order::Time, None, &mut |hits, at, text| {
            let Some(object) = hits.object(at) else { return Ok(()) };
            scratch.begin(object.key.account.as_deref());
            let read = for_each_record(text, &mut scratch, &mut |_, record| {
                if let Ok(record) = record {
                    each(object, &record);
                }
            });
            read.map(drop).map_err(io::Error::other)
        })
    }

    fn walk(mut self, order: Order, limit: Option<u64>, each: &mut Each<'_>) -> io::Result<Given> {
        self.parts.push(std::mem::take(&mut self.part));
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
        let (left_out, conflicts) = self.copies(&places)?;
        let copies = size(left_out.len());
        let mut given = Given { events: size(places.len()) - copies, given: 0, copies, conflicts };
        let mut text = Vec::new();
        for (place, at) in places.into_iter().enumerate() {
            if limit.is_some_and(|limit| given.given >= limit) {
                break;
            }
            if !left_out.contains(&place) {
                self.read(at, &mut text)?;
                each(&self, at, &text)?;
                given.given += 1;
            }
        }
        Ok(given)
    }

    /// Which of the finds are left out, for others are the same events; and where they say different things.
    fn copies(&mut self, places: &[(usize, usize)]) -> io::Result<(HashSet<usize>, Vec<Conflict>)> {
        let mut first: HashMap<u128, usize> = HashMap::with_capacity(places.len());
        let (mut left_out, mut unsure) = (HashSet::new(), BTreeSet::new());
        let (mut text, mut other) = (Vec::new(), Vec::new());
        for (place, at) in places.iter().enumerate() {
            let Some(find) = self.find(*at) else { continue };
            let before = match first.entry(find.event) {
                Entry::Vacant(entry) => {
                    entry.insert(place);
                    continue;
                }
                Entry::Occupied(entry) => *entry.get(),
            };
            self.read(*at, &mut text)?;
            if let Some(before) = places.get(before) {
                self.read(*before, &mut other)?;
            }
            if text == other {
                left_out.insert(place);
            } else {
                unsure.extend([before, place]);
            }
        }
        let addenda: HashSet<(usize, usize)> = self
            .parts
            .iter()
            .enumerate()
            .flat_map(|(part, kept)| kept.addenda.iter().map(move |find| (part, *find)))
            .collect();
        for (place, at) in places.iter().enumerate().filter(|(_, at)| addenda.contains(at)) {
            if left_out.contains(&place) {
                continue;
            }
            self.read(*at, &mut text)?;
            let EventClaim { account, original, .. } = self.told(*at, &text)?;
            let before = original.and_then(|original| first.get(&event(&account, &original)));
            unsure.insert(place);
            unsure.extend(before.copied());
        }
        let mut found = Vec::with_capacity(unsure.len());
        for place in &unsure {
            let Some(at) = places.get(*place) else { continue };
            self.read(*at, &mut text)?;
            let told = self.told(*at, &text)?;
            let Some((object, find)) = self.object(*at).zip(self.find(*at)) else { continue };
            let (delivered_at, objects) = (object.delivered_at(), [object.name.clone()].into());
            found.push(Candidate { told, objects, delivered_at, time: find.time, place: *place });
        }
        let conflicts = mfa::fold(&mut found);
        let kept: HashSet<usize> = found.iter().map(|one| one.place).collect();
        left_out.extend(unsure.into_iter().filter(|place| !kept.contains(place)));
        Ok((left_out, conflicts))
    }

    fn find(&self, (part, find): (usize, usize)) -> Option<&Find> {
        self.parts.get(part)?.finds.get(find)
    }

    fn object(&self, at: (usize, usize)) -> Option<&ObjectRef> {
        Some(&**self.parts.get(at.0)?.objects.get(self.find(at)?.object)?)
    }

    fn read(&mut self, at: (usize, usize), into: &mut Vec<u8>) -> io::Result<()> {
        let Some((from, length)) = self.find(at).map(|find| (find.at, find.length)) else { return Ok(()) };
        self.parts.get_mut(at.0).map_or(Ok(()), |part| part.read(from, length, into))
    }

    /// What of a find's text is shown: before the columns stands what the record says of itself.
    fn shown<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let behind = |end: usize| text.get(end + 1..);
        let columns = self.columns.as_ref().and_then(|_| memchr::memchr(b'\n', text).and_then(behind));
        columns.unwrap_or(text)
    }

    fn told(&self, at: (usize, usize), text: &[u8]) -> io::Result<EventClaim> {
        let account = self.object(at).and_then(|object| object.key.account.as_deref());
        let form = self.find(at).map_or(Form::Own, |find| find.form);
        match (&self.columns, memchr::memchr(b'\n', text).and_then(|end| text.get(..end))) {
            (Some(_), Some(told)) => Ok(serde_json::from_slice(told)?),
            _ => EventClaim::read(text, account, form),
        }
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
            Some(columns) => {
                serde_json::to_writer(&mut self.text, &EventClaim::of(record))?;
                self.text.push(b'\n');
                columns.keep(record, &mut self.text)?;
            }
            None => {
                let raw = record.raw().ok_or_else(|| io::Error::other("a record without its text"))?;
                // Between a record's tokens a line break is white space, and within its strings there can be none.
                self.text.extend(raw.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
            }
        }
        if record.original().is_some() {
            self.addenda.push(self.finds.len());
        }
        self.finds.push(Find {
            object: self.objects.len() - 1,
            number,
            time: record.time,
            event: event(record.account().unwrap_or_default(), &record.id()),
            at: self.spill.bytes() + size(before),
            length: self.text.len() - before,
            form: if record.is_partial() { Form::Partial } else { Form::Own },
        });
        if self.text.len() >= IN_MEMORY {
            let text = &self.text;
            self.spill.append(1, |writer| writer.write_all(text))?;
            self.text.clear();
        }
        Ok(())
    }

    fn read(&mut self, at: u64, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        if let Some(start) = at.checked_sub(self.spill.bytes()) {
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            let text = self.text.get(start..start.saturating_add(length));
            into.extend_from_slice(text.ok_or_else(lost)?);
            return Ok(());
        }
        into.resize(length, 0);
        self.spill.read_at(at, into)
    }
}

impl Visitor for Hits {
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
fn event(account: &str, id: &str) -> u128 {
    let mut hash = Sha256::new();
    hash.update(account);
    hash.update([0]);
    hash.update(id);
    hash.finalize().first_chunk::<16>().map_or(0, |half| u128::from_be_bytes(*half))
}

fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
