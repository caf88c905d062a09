//! Which objects there are, and which of them are read: sources by kind, the files of a disk, accounts and regions.

use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use tokio::{runtime, sync::mpsc};

use super::{Options, Progress, queue::Work, stats::Listing};
use crate::source::{
    KeyInfo, Listed, ObjectRef, Places, Product, Selection, Source, SourceError, key_below, local, places,
    s3::{Connection, S3Error},
};

/// Files are handed on in batches of about this many, or of this many bytes: waking another thread costs as much as
/// reading a small file.
const BATCH: usize = if cfg!(test) { 2 } else { 256 };
const BATCH_BYTES: u64 = 1 << 20;
/// What an object counts for whose size the listing did not tell.
const UNTOLD: u64 = BATCH_BYTES / 256;

/// Files and standard input (`None`), and buckets with what is wanted of each.
pub(super) type ByKind = (Vec<Option<PathBuf>>, Vec<(String, Wanted)>);

/// What is wanted of a bucket.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// What is under a prefix.
    Under(String),
    /// Objects by their whole keys.
    Keys(Vec<String>),
}

impl Wanted {
    /// What names below it begin with.
    pub(super) fn root(&self, bucket: &str) -> String {
        match self {
            Self::Under(prefix) => format!("s3://{bucket}/{prefix}"),
            Self::Keys(_) => format!("s3://{bucket}/"),
        }
    }
}

/// Lists what is wanted of a bucket to `found`.
pub(super) async fn list(
    connection: Connection,
    (bucket, wanted): (String, Wanted),
    selection: Selection,
    progress: Arc<Progress>,
    found: mpsc::Sender<Listed>,
) -> Result<(), S3Error> {
    match wanted {
        Wanted::Under(prefix) => connection.list(&bucket, &prefix, &selection, &progress.folders, &found).await,
        Wanted::Keys(keys) => connection.list_keys(&bucket, keys, &selection, &progress.folders, &found).await,
    }
}

pub(super) fn by_kind(sources: &[Source]) -> Result<ByKind, SourceError> {
    let (mut disk, mut buckets) = ByKind::default();
    for source in sources {
        source.check()?;
        match source {
            Source::Stdin => disk.push(None),
            Source::Local(path) => disk.push(Some(path.clone())),
            Source::S3 { bucket, prefix } => buckets.push((bucket.clone(), Wanted::Under(prefix.clone()))),
            Source::Objects { bucket, keys } => buckets.push((bucket.clone(), Wanted::Keys(keys.clone()))),
        }
    }
    Ok((disk, buckets))
}

/// The runtime of S3's listings and reads: one thread, for what computes runs on others.
pub(super) fn current_thread() -> Result<runtime::Runtime, SourceError> {
    runtime::Builder::new_current_thread().enable_all().build().map_err(|error| SourceError::Threads(error.to_string()))
}

/// Whether an object is skipped by design, by its key alone: what is no log, unless its product was asked for.
pub(super) fn skipped(object: &ObjectRef, selection: &Selection) -> bool {
    match object.key.product {
        Product::Log => false,
        // Without a byte it holds no log: most often it is the marker of a folder.
        Product::Stray => object.size == 0,
        Product::Digest | Product::Signature | Product::Other => selection.product.is_none(),
    }
}

/// What a lister does with a step of a listing below `root`: count it, and hand on what is to be read.
pub(super) fn admit(
    step: Listed,
    root: &str,
    selection: &Selection,
    options: &Options<'_>,
    listing: &mut Listing,
) -> Option<Result<ObjectRef, (String, String)>> {
    match step {
        Listed::Failed { name, error } => {
            listing.listed += 1;
            options.progress.listed.fetch_add(1, Ordering::Relaxed);
            Some(Err((name, error)))
        }
        Listed::Object(object) if !options.shard.has(key_below(&object.name, root)) => {
            listing.elsewhere += 1;
            None
        }
        Listed::Object(object) if skipped(&object, selection) => {
            listing.listed += 1;
            listing.skipped += 1;
            if let Some(told) = options.skipped {
                told(&object);
            }
            None
        }
        Listed::Object(object) if options.known.is_some_and(|known| known(&object)) => {
            listing.known += 1;
            None
        }
        Listed::Object(object) => {
            listing.listed += 1;
            options.progress.listed.fetch_add(1, Ordering::Relaxed);
            options.progress.listed_bytes.fetch_add(object.size, Ordering::Relaxed);
            Some(Ok(object))
        }
    }
}

/// Lists disk and standard input into the queue; the workers read the files.
pub(super) fn read_all(
    sources: &[Option<PathBuf>],
    selection: &Selection,
    options: &Options<'_>,
    queue: &mpsc::Sender<Work>,
) -> Listing {
    let mut listing = Listing::default();
    let mut batch = Vec::new();
    let mut bytes = 0;
    let send =
        |work| if queue.blocking_send(work).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
    let mut take = |step: Listed| {
        if options.stop.asked() {
            return ControlFlow::Break(());
        }
        let object = match admit(step, "", selection, options, &mut listing) {
            None => return ControlFlow::Continue(()),
            Some(Ok(object)) => object,
            Some(Err((name, error))) => return send(Work::Failed(Err(name), error)),
        };
        bytes += if object.size == 0 { UNTOLD } else { object.size };
        batch.push(object);
        // Nobody is kept waiting for a batch to fill.
        if batch.len() < BATCH && bytes < BATCH_BYTES && queue.capacity() < queue.max_capacity() {
            return ControlFlow::Continue(());
        }
        bytes = 0;
        send(Work::Read(std::mem::take(&mut batch)))
    };
    // What is skipped for its name is not looked at: beside a trail's logs lie several times as many digests.
    let sized = |key: &KeyInfo| match key.product {
        Product::Log | Product::Stray => true,
        Product::Digest | Product::Signature | Product::Other => {
            options.skipped.is_some() && selection.product.is_none()
        }
    };
    for source in sources {
        let flow = match source {
            Some(path) => local::list_noting(path, selection, &options.progress.folders, &sized, &mut take),
            None => take(Listed::Object(local::stdin())),
        };
        if flow.is_break() {
            return listing;
        }
    }
    if !batch.is_empty() {
        let _ = send(Work::Read(batch));
    }
    listing
}

/// The accounts and regions of the sources, looked at until all that `selection` chooses was seen.
///
/// # Errors
/// When a source cannot be listed.
pub fn places(sources: &[Source], selection: &Selection, options: &Options<'_>) -> Result<Places, SourceError> {
    let (disk, buckets) = by_kind(sources)?;
    let mut places = Places::default();
    for path in disk {
        match path {
            Some(path) => places::local(&path, selection, &mut places)
                .map_err(|error| SourceError::Path { path: path.clone(), error })?,
            // Whose records standard input has, these alone tell.
            None => places.open = true,
        }
    }
    if !buckets.is_empty() && !places.have(selection) {
        let io = current_thread()?;
        io.block_on(async {
            let connection = Connection::open(&options.s3).await?;
            for (bucket, wanted) in &buckets {
                match wanted {
                    Wanted::Under(prefix) => connection.places(bucket, prefix, selection, &mut places).await?,
                    // Whose they are, their records tell.
                    Wanted::Keys(_) => places.open = true,
                }
            }
            Ok::<(), SourceError>(())
        })?;
    }
    Ok(places)
}
