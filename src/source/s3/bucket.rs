//! A bucket as a place for files, for callers that wait: files are read whole or in part, written where there is none, listed and
//! removed.
//!
//! A thread of its own sends the requests, so that many are under way at once and a caller may wait for one wherever it is, within
//! another runtime too.

use std::{
    fmt,
    ops::Range,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc as threads,
    },
    thread,
    time::Duration,
};

use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
    primitives::ByteStream,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use chrono::{DateTime, Utc};
use tokio::{runtime, sync::mpsc, time};

use super::{Connection, Operation, S3Error, S3Options, SLOWEST, chain, explain, garbled, key_of};
use crate::source::Selection;

/// The most bytes of an answer of which the length is not known before.
const MOST: u64 = 4 << 30;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why a file of a bucket could not be read, written or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is none.
    #[error("it is not there")]
    Absent,
    /// It is there already, or somebody writes it at the same time.
    #[error("it is there already")]
    Present,
    /// It is not the one that was asked for: it was replaced.
    #[error("it was replaced")]
    Replaced,
    /// It has more bytes than asked for.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// What S3 said, in words.
    #[error("{0}")]
    Refused(String),
}

/// A file, as a listing tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its whole key.
    pub key: String,
    /// Its size.
    pub size: u64,
    /// When it was written, by the clock of S3.
    pub modified: Option<DateTime<Utc>>,
}

/// What is read of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// These bytes; all where there is none.
    pub range: Option<Range<u64>>,
    /// Only if it has this entity tag.
    pub tag: Option<String>,
    /// So many bytes at most.
    pub most: u64,
}

/// When a file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Only {
    /// In any case.
    Always,
    /// Where there is none.
    IfAbsent,
    /// Where the one that is there has this entity tag.
    IfTag(String),
}

/// The bytes of a file, and its entity tag.
pub type Contents = (Vec<u8>, Option<String>);

/// Something that is under way.
#[derive(Debug)]
pub struct Waiting<T>(threads::Receiver<T>);

impl<T> Waiting<Result<T, FileError>> {
    /// Waits for it.
    ///
    /// # Errors
    /// As it ended.
    pub fn wait(self) -> Result<T, FileError> {
        self.0.recv().unwrap_or_else(|_ended| Err(FileError::Refused("the thread of its requests ended".to_owned())))
    }
}

/// A bucket.
pub struct Bucket {
    name: String,
    connection: Connection,
    jobs: mpsc::UnboundedSender<Job>,
    fetched: Arc<AtomicU64>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Bucket {
    /// Resolves configuration and credentials; nothing is asked of the bucket yet.
    ///
    /// # Errors
    /// Without credentials, or where no thread can be started.
    pub fn open(name: &str, options: &S3Options) -> Result<Self, S3Error> {
        let interrupted = |reason: String| S3Error::Interrupted { bucket: name.to_owned(), reason };
        let io = runtime::Builder::new_current_thread().enable_all().build();
        let io = io.map_err(|error| interrupted(error.to_string()))?;
        let connection = io.block_on(Connection::open(options))?;
        let (jobs, mut waiting) = mpsc::unbounded_channel::<Job>();
        let serve = move || {
            io.block_on(async {
                while let Some(job) = waiting.recv().await {
                    tokio::spawn(job);
                }
            });
        };
        thread::Builder::new()
            .name("store-io".to_owned())
            .spawn(serve)
            .map_err(|error| interrupted(error.to_string()))?;
        Ok(Self { name: name.to_owned(), connection, jobs, fetched: Arc::default() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of files that were read so far.
    #[must_use]
    pub fn fetched(&self) -> u64 {
        self.fetched.load(Relaxed)
    }

    /// Begins something, on the thread of the requests.
    fn begin<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Waiting<T> {
        let (sender, receiver) = threads::sync_channel(1);
        // Where the thread has ended, waiting tells so.
        let _ = self.jobs.send(Box::pin(async move {
            let _ = sender.send(work.await);
        }));
        Waiting(receiver)
    }

    /// Begins to read a file: its bytes, and its entity tag.
    pub fn read(&self, key: &str, part: Part) -> Waiting<Result<Contents, FileError>> {
        let (connection, name, key) = (self.connection.clone(), self.name.clone(), key.to_owned());
        let fetched = Arc::clone(&self.fetched);
        self.begin(async move {
            let read = read(&connection, &name, &key, &part).await;
            if let Ok((bytes, _)) = &read {
                fetched.fetch_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX), Relaxed);
            }
            read
        })
    }

    /// Begins to write a file; gives its entity tag.
    pub fn write(&self, key: &str, bytes: Vec<u8>, only: Only) -> Waiting<Result<Option<String>, FileError>> {
        let (connection, name, key) = (self.connection.clone(), self.name.clone(), key.to_owned());
        let (absent, tag) = match only {
            Only::Always => (false, None),
            Only::IfAbsent => (true, None),
            Only::IfTag(tag) => (false, Some(format!("\"{tag}\""))),
        };
        self.begin(async move {
            let request = connection
                .client
                .put_object()
                .bucket(name)
                .key(key)
                .body(ByteStream::from(bytes))
                .set_if_none_match(absent.then(|| "*".to_owned()))
                .set_if_match(tag)
                .set_request_payer(connection.payer.clone());
            let written = request.send().await.map_err(|error| failed(&error, Operation::Put))?;
            Ok(written.e_tag().map(plain_tag))
        })
    }

    /// Begins to remove a file; that there is none is no error.
    pub fn remove(&self, key: &str) -> Waiting<Result<(), FileError>> {
        let (connection, name, key) = (self.connection.clone(), self.name.clone(), key.to_owned());
        self.begin(async move {
            let request = connection.client.delete_object().bucket(name).key(key);
            match request.set_request_payer(connection.payer.clone()).send().await {
                Ok(_) => Ok(()),
                Err(error) => match failed(&error, Operation::Delete) {
                    FileError::Absent => Ok(()),
                    other => Err(other),
                },
            }
        })
    }

    /// Lists the files under a prefix after a key, in order, `most` of them at most.
    ///
    /// # Errors
    /// When S3 refuses, or a page cannot be trusted.
    pub fn list(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<File>, FileError> {
        let (connection, name) = (self.connection.clone(), self.name.clone());
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let listing = self.begin(async move {
            list(&connection, &name, &prefix, after, most).await.map_err(|error| match error {
                S3Error::Refused { reason, .. } => FileError::Refused(reason),
                other => FileError::Refused(other.to_string()),
            })
        });
        listing.wait()
    }
}

fn plain_tag(tag: &str) -> String {
    tag.trim_matches('"').to_owned()
}

/// What a failure is to whoever asked.
fn failed<E>(error: &SdkError<E, HttpResponse>, operation: Operation) -> FileError
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (error.code(), status) {
        // What was refused is no answer to whether it is there.
        (Some("NoSuchBucket"), _) => FileError::Refused(explain(error, operation)),
        (Some("NoSuchKey"), _) | (_, Some(404)) => FileError::Absent,
        (Some("PreconditionFailed"), _) | (_, Some(412)) if operation == Operation::Put => FileError::Present,
        (Some("ConditionalRequestConflict"), _) if operation == Operation::Put => FileError::Present,
        (Some("PreconditionFailed"), _) | (_, Some(412)) => FileError::Replaced,
        _ => FileError::Refused(explain(error, operation)),
    }
}

async fn read(connection: &Connection, bucket: &str, key: &str, part: &Part) -> Result<Contents, FileError> {
    let length = part.range.as_ref().map(|range| range.end.saturating_sub(range.start));
    let most = length.unwrap_or(part.most).min(MOST);
    let deadline = connection.patience * 3 / 2 + Duration::from_secs(most.min(1 << 30) / SLOWEST);
    let mut pause = connection.backoff;
    let mut attempt = 1;
    loop {
        let request = connection
            .client
            .get_object()
            .bucket(bucket)
            .key(key)
            .set_range(
                part.range.as_ref().map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1))),
            )
            .set_if_match(part.tag.as_ref().map(|tag| format!("\"{tag}\"")))
            .set_request_payer(connection.payer.clone());
        let reason = match request.send().await {
            Err(error) if garbled(&error) => explain(&error, Operation::Get),
            Err(error) => return Err(failed(&error, Operation::Get)),
            Ok(output) => {
                let tag = output.e_tag().map(plain_tag);
                match time::timeout(deadline, body(output.body, most)).await {
                    Ok(Ok(Some(bytes))) if length.is_none_or(|length| length == bytes.len() as u64) => {
                        return Ok((bytes, tag));
                    }
                    Ok(Ok(Some(_))) => "a part of it has another length than was asked for".to_owned(),
                    Ok(Ok(None)) => return Err(FileError::TooLarge(most)),
                    Ok(Err(reason)) => reason,
                    Err(_elapsed) => format!("its body took longer than {} s", deadline.as_secs()),
                }
            }
        };
        tracing::debug!(key, attempt, reason, "reading failed");
        if attempt >= connection.attempts {
            return Err(FileError::Refused(reason));
        }
        attempt += 1;
        time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(20));
    }
}

/// The bytes of a body; `None` where there are more than `most`.
async fn body(mut body: ByteStream, most: u64) -> Result<Option<Vec<u8>>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| chain(&error))?);
        if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

async fn list(
    connection: &Connection,
    bucket: &str,
    prefix: &str,
    after: Option<String>,
    most: usize,
) -> Result<Vec<File>, S3Error> {
    let (found, _nobody) = mpsc::channel(1);
    let lister = connection.lister(bucket, &Selection::default(), found);
    let mut listing = lister.listing(prefix);
    let (mut files, mut next) = (Vec::new(), None);
    let page_size = i32::try_from(most).ok().filter(|most| *most < 1000);
    loop {
        let page = lister.page(prefix, None, after.clone().filter(|_| next.is_none()), next, page_size).await?;
        for object in page.contents() {
            files.push(File {
                key: key_of(&page, object).into_owned(),
                size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                modified: object.last_modified().and_then(|time| DateTime::from_timestamp(time.secs(), 0)),
            });
        }
        next = listing.next(&page)?;
        if next.is_none() || files.len() >= most {
            files.truncate(most);
            return Ok(files);
        }
    }
}
