//! Messages of queues, from their receiving to their deletion.
//!
//! Each queue has two threads: one receives, and one deletes what is done, gives back what is not, and keeps hidden what is in hand. In
//! between, the watch takes what has come, reads it into the store, looks at what follows, and says what becomes of every message
//! ([`Queues::settle`]): a message is deleted when all that it told is durable, and never before.
//!
//! What is in hand is bounded in messages and bytes, whatever waits in the queue.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::config;
use super::metrics::Metrics;
use super::reading::{Named, Outcome};
use crate::app::Error;
use crate::aws::Connection;
use crate::aws::signed;
use crate::disk::Folder;
use crate::hash::{hex, sha256};
use crate::queue::envelope::{Notice, notices};
use crate::queue::sqs::{MOST, Message, Queue};
use crate::source::Location;
use crate::units;

/// Records that came by themselves, in the store.
pub(super) const RECORDS: &str = "watch/records";
/// Messages that are not understood, in the store.
pub(super) const QUARANTINE: &str = "watch/quarantine";

/// How long a message stays hidden. It is renewed at half of that for as long as it is in hand.
const HIDDEN: Duration = Duration::from_secs(120);
/// How long a queue is asked to wait for a message; less than what a watch has to finish in when it is stopped.
const WAIT: Duration = Duration::from_secs(5);
/// The same where the watch ends when the queue is empty. Any waiting makes SQS ask all its servers.
const SHORT: Duration = Duration::from_secs(1);
/// How long an answer is waited for beyond that.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the last deletions may take.
const LAST: Duration = Duration::from_secs(4);
/// The largest bodies that are in hand, all together, in bytes. Ten more messages may be on their way.
const BYTES: usize = 64 << 20;
/// How long nothing is asked of a queue that did not answer: doubled each time, up to the second.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// After so many attempts in vain a watch that ends when everything was read ends all the same.
const ATTEMPTS: u32 = 3;
/// How long a message is left hidden that cannot be worked off now, for each time that it was received, and at most.
const AGAIN: [Duration; 2] = [Duration::from_secs(15), Duration::from_secs(900)];
/// How often it is looked whether something is to be deleted.
const TICK: Duration = Duration::from_millis(20);

/// A queue, as its threads and the watch know it.
#[derive(Debug)]
struct Shared {
    entry: config::Queue,
    metrics: Arc<Metrics>,
    /// How long the queue is asked to wait.
    wait: Duration,
    closing: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Received, and not taken yet.
    waiting: VecDeque<InHand>,
    /// Everything that is neither deleted nor given back, by number.
    held: BTreeMap<u64, Held>,
    next: u64,
    bytes: usize,
    /// To be deleted: its receipt, and until when that is worth while.
    done: Vec<(String, Instant)>,
    /// To be given back, and for how long it stays hidden.
    back: Vec<(String, Duration)>,
    /// Whether the last receiving brought nothing.
    is_empty: bool,
    /// Receivings in vain, one after the other.
    in_vain: u32,
    /// After how many receives a message goes to a dead-letter queue, where that is known.
    redrive: Option<Option<u32>>,
}

#[derive(Debug)]
struct Held {
    receipt: String,
    bytes: usize,
    renewed: Instant,
}

/// A message that was taken.
#[derive(Debug)]
pub(super) struct InHand {
    queue: usize,
    number: u64,
    message: Message,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Delete,
    GiveBack(Duration),
}

/// The queues of a watch.
#[derive(Debug)]
pub(super) struct Queues {
    all: Vec<Arc<Shared>>,
    threads: Vec<JoinHandle<()>>,
}

impl Queues {
    /// Looks at every queue, receives for the first time, and starts the threads.
    ///
    /// # Errors
    /// When a queue does not exist, or something is not allowed. A queue that cannot be reached is no error: it may be later.
    pub(super) fn open(
        entries: &[config::Queue],
        connection: &Connection,
        once: bool,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Error> {
        let mut queues = Self { all: Vec::new(), threads: Vec::new() };
        let mut opened = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let [receiving, keeping] = [(), ()].map(|()| open(entry, connection));
            let (receiving, keeping) = (receiving?, keeping?);
            let (wait, metrics) = (if once { SHORT } else { WAIT }, Arc::clone(metrics));
            let (closing, state) = (AtomicBool::default(), Mutex::default());
            let shared = Arc::new(Shared { entry: entry.clone(), metrics, wait, closing, state });
            let looked = attributes(&shared, &keeping).and_then(|()| shared.receive(index, &receiving, Duration::ZERO));
            match looked {
                Err(error) if !error.is_transient() => return Err(problem(entry, &error)),
                Err(error) => shared.failed(&error),
                Ok(()) => {}
            }
            opened.push((receiving, keeping));
            queues.all.push(shared);
        }
        for (index, (receiving, keeping)) in opened.into_iter().enumerate() {
            let Some(shared) = queues.all.get(index) else { continue };
            let (own, other) = (Arc::clone(shared), Arc::clone(shared));
            queues.start("receive", move || own.receive_all(index, &receiving))?;
            queues.start("keep", move || other.keep_all(&keeping))?;
        }
        Ok(queues)
    }

    fn start(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        self.threads.push(thread.map_err(|error| Error::Failed(format!("could not start a thread: {error}")))?);
        Ok(())
    }

    /// All messages that have come.
    pub(super) fn take(&self) -> Vec<InHand> {
        self.all.iter().flat_map(|shared| std::mem::take(&mut shared.state().waiting)).collect()
    }

    /// Whether nothing is left to do but to wait.
    pub(super) fn are_empty(&self) -> bool {
        let is_empty = |shared: &Arc<Shared>| {
            let state = shared.state();
            state.held.is_empty() && (state.is_empty || state.in_vain >= ATTEMPTS)
        };
        self.all.iter().all(is_empty)
    }

    /// How many queues cannot be read now.
    pub(super) fn unreachable(&self) -> u64 {
        self.all.iter().filter(|shared| shared.state().in_vain > 0).count() as u64
    }

    /// Gives back what was not taken, and waits until what is done is deleted.
    pub(super) fn close(&mut self) {
        self.all.iter().for_each(|shared| shared.close());
        for thread in self.threads.drain(..) {
            // What it did not get done comes again.
            let _ = thread.join();
        }
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        self.all.iter().for_each(|shared| shared.close());
    }
}

/// Whether a queue is there and may be used, and what becomes of messages that nobody understands.
///
/// # Errors
/// When it cannot be used.
pub(super) fn check(entry: &config::Queue, connection: &Connection) -> Result<String, Error> {
    let queue = open(entry, connection)?;
    // Who is not allowed to is told before it is noticed that there is no such message.
    let trial = |queue: &Queue| {
        queue.hide(&[("mfatrail-check", Duration::ZERO)])?;
        queue.delete(&["mfatrail-check"])?;
        queue.attributes()
    };
    let found = trial(&queue).map_err(|error| problem(entry, &error))?;
    Ok(match found.redrive {
        Some(count) => format!(
            "queue `{}`: a message goes to the dead-letter queue after {}",
            entry.place.name(),
            units::plural(u64::from(count), "receive", "receives")
        ),
        None => format!(
            "queue `{}`: there is no dead-letter queue; what is not understood is moved to {QUARANTINE} after {}",
            entry.place.name(),
            units::plural(u64::from(entry.quarantine_after), "receive", "receives")
        ),
    })
}

fn open(entry: &config::Queue, connection: &Connection) -> Result<Queue, Error> {
    let queue = Queue::open(connection, &entry.place, WAIT + PATIENCE);
    queue.map_err(|why| Error::Input(format!("{}: {why}", entry.line)))
}

fn attributes(shared: &Shared, queue: &Queue) -> Result<(), signed::Error> {
    let redrive = queue.attributes()?.redrive;
    if redrive.is_none() {
        tracing::warn!(queue = shared.entry.place.name(), "it has no dead-letter queue");
    }
    shared.state().redrive = Some(redrive);
    Ok(())
}

/// Why a queue cannot be used, and what to do.
fn problem(entry: &config::Queue, error: &signed::Error) -> Error {
    let url = &entry.place.url;
    let denied = matches!(error, signed::Error::Refused(refusal) if refusal.is_denied());
    let text = match error.code() {
        Some("QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue" | "NonExistentQueue") => {
            format!("there is no queue `{url}`: {error}\n  hint: compare the account, the region and the name in `url`")
        }
        _ if denied => format!(
            "the queue `{url}` may not be used: {error}\n  hint: the caller needs sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and sqs:GetQueueAttributes on it"
        ),
        _ => format!("the queue `{url}` cannot be used: {error}"),
    };
    let text = format!("{}: {text}", entry.line);
    if error.is_transient() { Error::Failed(text) } else { Error::Input(text) }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self) -> &str {
        self.entry.place.name()
    }

    fn count(&self, outcome: &'static str, count: usize) {
        self.metrics.messages(self.name(), outcome, count as u64);
    }

    fn close(&self) {
        self.closing.store(true, Ordering::Release);
        let mut state = self.state();
        for one in std::mem::take(&mut state.waiting) {
            state.let_go(one.number);
            state.back.push((one.message.receipt, Duration::ZERO));
        }
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Sleeps, unless it is over before.
    fn sleep(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.is_closing() && Instant::now() < end {
            std::thread::sleep(TICK.min(time));
        }
    }

    fn receive_all(&self, index: usize, queue: &Queue) {
        while !self.is_closing() {
            let full = {
                let state = self.state();
                state.held.len() + MOST > self.entry.in_hand || state.bytes > BYTES
            };
            if full {
                std::thread::sleep(TICK);
                continue;
            }
            if let Err(error) = self.receive(index, queue, self.wait) {
                self.failed(&error);
                let pause = PAUSES[0] * 2_u32.saturating_pow(self.state().in_vain.min(10).saturating_sub(1));
                self.sleep(pause.min(PAUSES[1]));
            }
        }
    }

    fn receive(&self, index: usize, queue: &Queue, wait: Duration) -> Result<(), signed::Error> {
        let begun = Instant::now();
        let messages = queue.receive(wait, HIDDEN)?;
        self.count("received", messages.len());
        let mut state = self.state();
        if state.in_vain > 0 {
            tracing::info!(queue = self.name(), "it answers again");
        }
        state.in_vain = 0;
        state.is_empty = messages.is_empty();
        for message in messages {
            if self.is_closing() {
                state.back.push((message.receipt, Duration::ZERO));
                continue;
            }
            let number = state.next;
            state.next += 1;
            state.bytes += message.body.len();
            let held = Held { receipt: message.receipt.clone(), bytes: message.body.len(), renewed: begun };
            state.held.insert(number, held);
            state.waiting.push_back(InHand { queue: index, number, message });
        }
        Ok(())
    }

    /// Notes that a queue did not answer. Nothing is lost by that: what is in it waits.
    fn failed(&self, error: &signed::Error) {
        self.metrics.queue_failure(self.name());
        let mut state = self.state();
        state.in_vain = state.in_vain.saturating_add(1);
        let reason = error.to_string();
        tracing::warn!(queue = self.name(), attempt = state.in_vain, reason, "could not be asked for messages");
    }

    fn keep_all(&self, queue: &Queue) {
        let mut end = None;
        let mut looked = Instant::now();
        loop {
            if self.is_closing() && end.is_none() {
                end = Some(Instant::now() + LAST);
            }
            let worked = self.delete(queue) | self.give_back(queue) | self.renew(queue);
            let unknown = self.state().redrive.is_none() && looked.elapsed() > PAUSES[1];
            if unknown {
                looked = Instant::now();
                if let Err(error) = attributes(self, queue) {
                    tracing::warn!(
                        queue = self.name(),
                        reason = error.to_string(),
                        "could not be asked for its attributes"
                    );
                }
            }
            match end {
                // The thread that receives may have given back something since.
                Some(end) if Instant::now() > end || (!worked && self.is_done()) => return,
                _ if !worked => std::thread::sleep(TICK),
                _ => {}
            }
        }
    }

    fn is_done(&self) -> bool {
        let state = self.state();
        state.done.is_empty() && state.back.is_empty()
    }

    /// Deletes some of what is done; gives whether there was any.
    fn delete(&self, queue: &Queue) -> bool {
        let some: Vec<(String, Instant)> = {
            let mut state = self.state();
            let from = state.done.len().saturating_sub(MOST);
            state.done.split_off(from)
        };
        if some.is_empty() {
            return false;
        }
        let receipts: Vec<&str> = some.iter().map(|(receipt, _)| receipt.as_str()).collect();
        let failed = match queue.delete(&receipts) {
            Ok(failed) => failed.into_iter().map(|one| (one.index, one.permanent, one.code)).collect(),
            Err(error) => {
                let text = error.to_string();
                (0..some.len()).map(|index| (index, !error.is_transient(), text.clone())).collect::<Vec<_>>()
            }
        };
        self.count("deleted", some.len() - failed.len());
        let mut again = Vec::new();
        for (index, permanent, reason) in &failed {
            tracing::warn!(
                queue = self.name(),
                reason,
                "a message could not be deleted; it comes again, and tells nothing new"
            );
            again.extend(some.get(*index).filter(|(_, until)| !permanent && Instant::now() < *until).cloned());
        }
        self.count("not deleted", failed.len());
        if !again.is_empty() {
            self.state().done.extend(again);
            std::thread::sleep(PAUSES[0]);
        }
        true
    }

    /// Gives back some of what is to be; gives whether there was any. What cannot be comes back by itself, later.
    fn give_back(&self, queue: &Queue) -> bool {
        let some: Vec<(String, Duration)> = {
            let mut state = self.state();
            let from = state.back.len().saturating_sub(MOST);
            state.back.split_off(from)
        };
        let receipts: Vec<(&str, Duration)> =
            some.iter().map(|(receipt, hidden)| (receipt.as_str(), *hidden)).collect();
        if let Err(error) = queue.hide(&receipts) {
            tracing::warn!(queue = self.name(), reason = error.to_string(), "messages could not be given back");
        }
        !some.is_empty()
    }

    /// Keeps hidden some of what is in hand for long; gives whether there was any.
    fn renew(&self, queue: &Queue) -> bool {
        let now = Instant::now();
        let some: Vec<String> = {
            let mut state = self.state();
            let old = |held: &&mut Held| now.duration_since(held.renewed) > HIDDEN / 2;
            let renewed = |held: &mut Held| {
                held.renewed = now;
                held.receipt.clone()
            };
            state.held.values_mut().filter(old).take(MOST).map(renewed).collect()
        };
        let receipts: Vec<(&str, Duration)> = some.iter().map(|receipt| (receipt.as_str(), HIDDEN)).collect();
        match queue.hide(&receipts) {
            // It comes again, perhaps while it is in hand, and tells nothing new.
            Err(error) => {
                tracing::warn!(queue = self.name(), reason = error.to_string(), "messages could not be kept hidden")
            }
            Ok(failed) => self.count("not kept", failed.len()),
        }
        !some.is_empty()
    }
}

impl State {
    fn let_go(&mut self, number: u64) {
        if let Some(held) = self.held.remove(&number) {
            self.bytes = self.bytes.saturating_sub(held.bytes);
        }
    }
}

/// Messages that are worked off together, and what they say.
#[derive(Debug, Default)]
pub(super) struct Batch {
    messages: Vec<Parsed>,
    /// What is to be read.
    pub(super) named: Named,
}

/// One of them.
#[derive(Debug)]
struct Parsed {
    from: InHand,
    /// What the store must have before it is deleted.
    needs: Vec<Location>,
    /// What in it is not understood.
    unrecognized: Option<String>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Understands messages, and writes the records in them to a file of the store, for it to be read as any other.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(super) fn new(taken: Vec<InHand>, queues: &Queues, store: &Path, now: DateTime<Utc>) -> Result<Self, Error> {
        let mut batch = Self::default();
        let mut records = BTreeSet::new();
        // Of messages whose records are not in a file yet.
        let mut waiting = Vec::new();
        for from in taken {
            let Some(shared) = queues.all.get(from.queue) else { continue };
            let mut parsed = Parsed { from, needs: Vec::new(), unrecognized: None };
            let mut has_records = false;
            for notice in notices(&parsed.from.message.body) {
                match notice {
                    Notice::Object { bucket, key } if shared.entry.reads(&bucket) => {
                        let of = batch.named.objects.entry(bucket.clone()).or_default();
                        of.insert(key.clone());
                        parsed.needs.push(Location::S3 { bucket, key });
                    }
                    Notice::Object { bucket, .. } => {
                        parsed.unrecognized =
                            Some(format!("the bucket `{bucket}` is not among this input's `buckets`"));
                    }
                    Notice::Record(record) => {
                        records.insert(record);
                        has_records = true;
                    }
                    Notice::Test => shared.count("test", 1),
                    Notice::Beside(what) => {
                        tracing::debug!(queue = shared.name(), what, "nothing follows from a message");
                        shared.count("beside", 1);
                    }
                    Notice::Unrecognized(reason) => parsed.unrecognized = Some(reason),
                }
            }
            if has_records {
                waiting.push(batch.messages.len());
            }
            batch.messages.push(parsed);
        }
        if let Some(file) = write_records(store, &records, now)? {
            for index in waiting {
                batch.messages.get_mut(index).into_iter().for_each(|one| one.needs.push(Location::File(file.clone())));
            }
            batch.named.files.push(file);
        }
        Ok(batch)
    }
}

/// Writes records as one file, named by its content.
fn write_records(store: &Path, records: &BTreeSet<String>, now: DateTime<Utc>) -> Result<Option<PathBuf>, Error> {
    if records.is_empty() {
        return Ok(None);
    }
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let text = format!("{{\"Records\":[{}]}}\n", records.join(",\n"));
    let folder = Path::new(RECORDS).join(now.format("%Y-%m-%d").to_string());
    let name = hex(sha256(text.as_bytes()).get(..16).unwrap_or_default());
    let place = folder.join(format!("{name}.json"));
    write(store, &folder, &place, text.as_bytes())?;
    let root = std::path::absolute(store).unwrap_or_else(|_relative| store.to_owned());
    Ok(Some(root.join(place)))
}

/// Writes a file in the store, for its owner alone. What has the same content already stays as it is.
fn write(store: &Path, folder: &Path, place: &Path, bytes: &[u8]) -> Result<(), Error> {
    let work = || {
        let home = Folder::open(store)?;
        home.make(folder)?;
        if home.read(place, bytes.len() as u64).is_ok_and(|known| known == bytes) {
            return Ok(());
        }
        home.write(place, bytes)?;
        home.sync(folder)
    };
    work().map_err(|error: std::io::Error| {
        let place = store.join(place);
        Error::Failed(format!("could not write `{}`: {error}{}", place.display(), crate::disk::hint(&error)))
    })
}

impl Queues {
    /// Says what becomes of messages whose contents were read, and of which all consequences are durable; gives how many of them
    /// could not be worked off.
    ///
    /// # Errors
    /// When what is not understood cannot be kept.
    pub(super) fn settle(&self, batch: Batch, read: &Outcome, store: &Path, now: DateTime<Utc>) -> Result<u64, Error> {
        let mut left = 0;
        for one in batch.messages {
            let Some(shared) = self.all.get(one.from.queue) else { continue };
            let message = &one.from.message;
            let trouble = trouble(&one, read);
            let verdict = match &trouble {
                None => {
                    shared.count("done", 1);
                    shared.metrics.message_lag(message.sent.map(|sent| (now - sent).num_milliseconds()));
                    Verdict::Delete
                }
                Some((outcome, reason)) => {
                    left += 1;
                    shared.leave(message, outcome, reason, store, now)?
                }
            };
            shared.settle(one.from, verdict);
        }
        Ok(left)
    }
}

/// Why a message cannot be worked off.
fn trouble(one: &Parsed, read: &Outcome) -> Option<(&'static str, String)> {
    let need = one.needs.iter().find(|need| !read.stored.contains(*need));
    match (need, &one.unrecognized) {
        (_, Some(reason)) => Some(("unrecognized", reason.clone())),
        (Some(Location::S3 { bucket, key }), None) => Some(match read.unreachable.get(bucket) {
            Some(reason) => ("unreadable", reason.clone()),
            None if read.listed.contains(&Location::S3 { bucket: bucket.clone(), key: key.clone() }) => {
                ("unreadable", format!("the object `s3://{bucket}/{key}` could not be read"))
            }
            None => ("absent", format!("there is no object `s3://{bucket}/{key}` (yet)")),
        }),
        (Some(_), None) => Some(("unreadable", "its records could not be read".to_owned())),
        (None, None) => None,
    }
}

impl Shared {
    /// What becomes of a message that cannot be worked off: it stays in the queue, whose redrive policy says for how long. Without
    /// one it is kept in the store after some receives, so that it does not come for ever.
    fn leave(
        &self,
        message: &Message,
        outcome: &'static str,
        reason: &str,
        store: &Path,
        now: DateTime<Utc>,
    ) -> Result<Verdict, Error> {
        self.count(outcome, 1);
        let receives = message.receives.unwrap_or(1);
        tracing::warn!(
            queue = self.name(),
            id = message.id,
            receives,
            outcome,
            reason,
            "a message cannot be worked off"
        );
        let is_stuck = receives >= self.entry.quarantine_after && self.state().redrive == Some(None);
        // What cannot be read now is no fault of the message.
        if !is_stuck || outcome == "unreadable" {
            return Ok(Verdict::GiveBack((AGAIN[0] * receives.max(1)).min(AGAIN[1])));
        }
        let text = serde_json::json!({
            "queue": self.entry.place.url,
            "message": message.id,
            "receives": receives,
            "sent": message.sent,
            "moved": now,
            "reason": reason,
            "body": message.body,
        });
        let name = hex(sha256(message.id.as_bytes()).get(..16).unwrap_or_default());
        let place = Path::new(QUARANTINE).join(format!("{name}.json"));
        write(store, Path::new(QUARANTINE), &place, format!("{text}\n").as_bytes())?;
        self.count("quarantined", 1);
        Ok(Verdict::Delete)
    }

    fn settle(&self, one: InHand, verdict: Verdict) {
        let mut state = self.state();
        state.let_go(one.number);
        match verdict {
            Verdict::Delete => state.done.push((one.message.receipt, Instant::now() + HIDDEN)),
            Verdict::GiveBack(hidden) => state.back.push((one.message.receipt, hidden)),
        }
    }
}
