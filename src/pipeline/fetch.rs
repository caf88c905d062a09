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
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use tracing::Instrument as _;

use super::{
    Options, Stop,
    list::admit,
    queue::{QUEUE, Work},
    stats::Listing,
};
use crate::{
    contract::ReadFailure,
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
    buckets: &[(String, String)],
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
    let mut requests = JoinSet::new();
    let access = Arc::new(Access::default());
    let handover = Arc::new(Handover { queue: queue.clone(), waiting: Mutex::default() });
    for (bucket, prefix) in buckets {
        let (sender, mut listed) = mpsc::channel(QUEUE);
        let mut lister = JoinSet::new();
        {
            let (connection, bucket, prefix) = (connection.clone(), bucket.clone(), prefix.clone());
            let (selection, progress) = (selection.clone(), Arc::clone(&options.progress));
            lister
                .spawn(async move { connection.list(&bucket, &prefix, &selection, &progress.folders, &sender).await });
        }
        while let Some(step) = listed.recv().await {
            let object = match admit(step, selection, options, &mut listing) {
                None => continue,
                Some(Ok(object)) => object,
                Some(Err((name, error))) => {
                    if queue.send(Work::Failed(Err(name), error)).await.is_err() {
                        return Ok(listing);
                    }
                    continue;
                }
            };
            while requests.len() >= options.s3.requests.max(1) {
                ended(requests.join_next().await, bucket)?;
            }
            let cost = u32::try_from(object.size >> 10).unwrap_or(u32::MAX).saturating_add(1).min(budget);
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&bytes).acquire_many_owned(cost).await else { return Ok(listing) };
            if queue.is_closed() {
                return Ok(listing);
            }
            access.check(bucket)?;
            let (connection, handover, limit) = (connection.clone(), Arc::clone(&handover), options.object_limit);
            let access = Arc::clone(&access);
            requests.spawn(async move {
                let work = fetch(&connection, object, limit, permit, &access).await;
                handover.give(work).await;
            });
        }
        ended(lister.join_next().await, bucket)??;
        // The last ones of this bucket may run on beside the listing of the next.
    }
    listed_all();
    while let Some(request) = requests.join_next().await {
        ended(Some(request), "")?;
    }
    Ok(listing)
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
    let fetched = connection.fetch(bucket, key, object.size, object.etag.as_deref()).await;
    let error = format!("reading was tried with this object: {}", fetched.err()?.reason);
    Some(ReadFailure { object: object.name, error })
}
