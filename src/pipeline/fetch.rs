//! From a bucket's listing to bytes in the queue: many requests at once, bounded in number and in bytes.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinSet,
};
use tracing::Instrument as _;

use super::{
    Options, Stop,
    level::{Flight, Level},
    list::{Wanted, admit, current_thread, list},
    queue::{QUEUE, Work},
    stats::Listing,
};
use crate::{
    contract::ReadFailure,
    disk,
    source::{
        Location, ObjectRef, Selection, SourceError,
        s3::{Connection, FetchError, Fetched, S3Error},
    },
    units::display_size,
};

/// Fetched objects of fewer bytes are handed on together, as many as this at once, for the same reason.
const SMALL: usize = 64 << 10;
const TOGETHER: usize = 16;

/// Drives `work` to its end, or drops it where it stands when the scan is to stop: `None` then.
pub(super) async fn unless_stopped<T>(work: impl Future<Output = T>, stop: &Stop) -> Option<T> {
    let (mut work, mut stopped) = (pin!(work), pin!(stop.wait()));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => stopped.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// Lists and fetches from S3 into the queue; `listed_all` is called when the listing is at its end.
pub(super) async fn fetch_all(
    buckets: &[(String, Wanted)],
    selection: &Selection,
    options: &Options<'_>,
    queue: &mpsc::Sender<Work>,
    listed_all: &(dyn Fn() + Sync),
) -> Result<Listing, SourceError> {
    let connection = Connection::open(&options.s3).await?;
    let mut listing = Listing::default();
    // Permits are KiB: a semaphore counts to 2^29 at least on every platform, which is 512 GiB then.
    let budget = u32::try_from(options.s3.bytes_in_flight >> 10).unwrap_or(u32::MAX >> 4).clamp(1, u32::MAX >> 4);
    let bytes = Arc::new(Semaphore::new(usize::try_from(budget).unwrap_or(usize::MAX)));
    let level = Arc::new(Level::new(options.s3.requests, disk::open_files()));
    let access = Arc::new(Access::default());
    let handover = Arc::new(Handover { queue: queue.clone(), waiting: Mutex::default() });
    let fetcher =
        Fetcher { connection: connection.clone(), handover, access: Arc::clone(&access), limit: options.object_limit };
    let mut fetchers = Fetchers::start(fetcher, options.s3.threads.unwrap_or_else(io_threads))?;
    for (bucket, wanted) in buckets {
        let root = wanted.root(bucket);
        let (sender, mut listed) = mpsc::channel(QUEUE);
        let mut lister = JoinSet::new();
        let whole = (bucket.clone(), wanted.clone());
        lister.spawn(list(connection.clone(), whole, selection.clone(), Arc::clone(&options.progress), sender));
        while let Some(step) = listed.recv().await {
            let object = match admit(step, &root, selection, options, &mut listing) {
                None => continue,
                Some(Ok(object)) => object,
                Some(Err((name, error))) => {
                    if queue.send(Work::Failed(Err(name), error)).await.is_err() {
                        return Ok(listing);
                    }
                    continue;
                }
            };
            let flight = level.take_off(options.s3.traffic.slowed()).await;
            let cost = u32::try_from(object.size >> 10).unwrap_or(u32::MAX).saturating_add(1).min(budget);
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&bytes).acquire_many_owned(cost).await else { return Ok(listing) };
            if queue.is_closed() {
                return Ok(listing);
            }
            access.check(bucket)?;
            fetchers.give(Job { object, permit, flight })?;
        }
        ended(lister.join_next().await, bucket)??;
        // The last ones of this bucket may run on beside the listing of the next.
    }
    listed_all();
    fetchers.finish().await?;
    Ok(listing)
}

/// One thread gets more small objects than three others inflate and search.
fn io_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| (processors.get() / 4).clamp(1, 8))
}

/// An object that is to be got.
struct Job {
    object: ObjectRef,
    permit: OwnedSemaphorePermit,
    flight: Flight,
}

/// Gets objects, and hands them on.
#[derive(Clone)]
struct Fetcher {
    connection: Connection,
    handover: Arc<Handover>,
    access: Arc<Access>,
    limit: usize,
}

impl Fetcher {
    async fn run(self: Arc<Self>, job: Job) {
        let work = fetch(&self.connection, job.object, self.limit, job.permit, &self.access).await;
        self.handover.give(work).await;
        drop(job.flight);
    }

    /// Gets what is asked for, on a thread of its own, until nothing more is, or nobody wants it.
    async fn serve(self: Arc<Self>, mut jobs: mpsc::UnboundedReceiver<Job>) -> Result<(), S3Error> {
        let mut running = JoinSet::new();
        let queue = self.handover.queue.clone();
        let all = async {
            while let Some(job) = jobs.recv().await {
                running.spawn(Arc::clone(&self).run(job));
                while let Some(done) = running.try_join_next() {
                    ended(Some(done), "")?;
                }
            }
            while let Some(done) = running.join_next().await {
                ended(Some(done), "")?;
            }
            Ok(())
        };
        let (mut all, mut closed) = (pin!(all), pin!(queue.closed()));
        poll_fn(|context| match all.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => closed.as_mut().poll(context).map(|()| Ok(())),
        })
        .await
    }
}

/// Another thread: what it is given, and what came of it.
type Other = (mpsc::UnboundedSender<Job>, oneshot::Receiver<Result<(), S3Error>>);

/// The thread that lists gets objects too; the others do nothing else. Each has connections of its own.
struct Fetchers {
    own: Arc<Fetcher>,
    running: JoinSet<()>,
    others: Vec<Other>,
    turn: usize,
}

impl Fetchers {
    fn start(own: Fetcher, threads: usize) -> Result<Self, SourceError> {
        let mut others = Vec::new();
        for number in 1..threads {
            let (jobs, to_do) = mpsc::unbounded_channel();
            let (outcome, ended) = oneshot::channel();
            let runtime = current_thread()?;
            let fetcher = Arc::new(Fetcher { connection: own.connection.of_its_own(), ..own.clone() });
            let run = move || {
                // Nobody asks once the scan is being given up.
                let _ = outcome.send(runtime.block_on(fetcher.serve(to_do)));
            };
            std::thread::Builder::new()
                .name(format!("fetch-{number}"))
                .spawn(run)
                .map_err(|error| SourceError::Threads(error.to_string()))?;
            others.push((jobs, ended));
        }
        Ok(Self { own: Arc::new(own), running: JoinSet::new(), others, turn: 0 })
    }

    fn give(&mut self, job: Job) -> Result<(), S3Error> {
        while let Some(done) = self.running.try_join_next() {
            ended(Some(done), "")?;
        }
        self.turn = (self.turn + 1) % (self.others.len() + 1);
        match self.others.get(self.turn) {
            Some((jobs, _)) => jobs.send(job).map_err(|_gone| gone()),
            None => {
                self.running.spawn(Arc::clone(&self.own).run(job));
                Ok(())
            }
        }
    }

    async fn finish(mut self) -> Result<(), S3Error> {
        while let Some(done) = self.running.join_next().await {
            ended(Some(done), "")?;
        }
        for (jobs, ended) in self.others {
            drop(jobs);
            ended.await.map_err(|_gone| gone())??;
        }
        Ok(())
    }
}

/// A thread that ended without an outcome has lost objects.
fn gone() -> S3Error {
    S3Error::Interrupted { bucket: String::new(), reason: "a thread that fetched objects is gone".to_owned() }
}

/// What was fetched, on its way to the workers.
struct Handover {
    queue: mpsc::Sender<Work>,
    /// Small objects that nobody has handed on yet: whoever put one here will.
    waiting: Mutex<Vec<Work>>,
}

impl Handover {
    async fn give(&self, work: Work) {
        let small = match &work {
            Work::Fetched(_, fetched, _) => (*fetched.bytes).as_ref().len() < SMALL,
            _ => false,
        };
        let work = if small {
            let waiting = || self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let enough = {
                let mut waiting = waiting();
                waiting.push(work);
                waiting.len() >= TOGETHER
            };
            // What else has arrived by now goes along; nothing is waited for.
            if !enough {
                tokio::task::yield_now().await;
            }
            let together = std::mem::take(&mut *waiting());
            if together.is_empty() {
                return;
            }
            Work::Several(together)
        } else {
            work
        };
        // Nobody listens once the scan is being given up.
        let _ = self.queue.send(work).await;
    }
}

/// So many objects are tried before it is believed that none may be read.
const TRIED: u64 = 50;

/// Whether anything may be read at all: a million denials would say no more than the first ones.
#[derive(Debug, Default)]
struct Access {
    /// Whether anything but a denial was answered.
    granted: AtomicBool,
    denied: AtomicU64,
    /// What was said of the first.
    reason: OnceLock<String>,
}

impl Access {
    fn note(&self, fetched: &Result<Fetched, FetchError>) {
        match fetched {
            Err(error) if error.denied => {
                self.reason.get_or_init(|| error.reason.clone());
                self.denied.fetch_add(1, Ordering::Relaxed);
            }
            _ => self.granted.store(true, Ordering::Relaxed),
        }
    }

    fn check(&self, bucket: &str) -> Result<(), S3Error> {
        let count = self.denied.load(Ordering::Relaxed);
        if count < TRIED || self.granted.load(Ordering::Relaxed) {
            return Ok(());
        }
        let reason = self.reason.get().cloned().unwrap_or_default();
        Err(S3Error::Denied { bucket: bucket.to_owned(), count, reason })
    }
}

async fn fetch(
    connection: &Connection,
    object: ObjectRef,
    limit: usize,
    permit: OwnedSemaphorePermit,
    access: &Access,
) -> Work {
    let Location::S3 { bucket, key } = &object.location else { return Work::Read(vec![object]) };
    if let Some(error) = too_large(&object, limit) {
        return Work::Failed(Ok(Box::new(object)), error);
    }
    let fetched = connection.fetch(bucket, key, object.size, object.etag.as_deref());
    let fetched = fetched.instrument(tracing::debug_span!("fetch", object = ?object.name)).await;
    access.note(&fetched);
    match fetched {
        Ok(fetched) => Work::Fetched(object, fetched, permit),
        Err(error) => Work::Failed(Ok(Box::new(object)), error.reason),
    }
}

/// Why an object is not fetched at all: whoever lists it decides how much room it would take.
fn too_large(object: &ObjectRef, limit: usize) -> Option<String> {
    let fits = usize::try_from(object.size).is_ok_and(|size| size <= limit);
    (!fits).then(|| format!("larger than the limit of {}", display_size(limit as u64)))
}

/// What a task gave. One that ended without an outcome has lost objects, so the scan cannot go on.
pub(super) fn ended<T>(task: Option<Result<T, tokio::task::JoinError>>, bucket: &str) -> Result<T, S3Error> {
    let interrupted = |reason| S3Error::Interrupted { bucket: bucket.to_owned(), reason };
    task.ok_or_else(|| interrupted("no task was running".to_owned()))?.map_err(|error| interrupted(error.to_string()))
}

/// Reads one object, and tells why it cannot be: what may be listed may not be read for all that.
pub(super) async fn trial(connection: &Connection, object: ObjectRef, limit: usize) -> Option<ReadFailure> {
    let Location::S3 { bucket, key } = &object.location else { return None };
    if let Some(error) = too_large(&object, limit) {
        return Some(ReadFailure { object: object.name, error });
    }
    let fetched = connection.fetch_by_sdk(bucket, key, object.size, object.etag.as_deref()).await;
    let error = format!("access was checked with this object: {}", fetched.err()?.reason);
    Some(ReadFailure { object: object.name, error })
}
