//! Listing and fetching from S3.
//!
//! The layout is walked with a delimiter down to the regions, so that accounts, regions and days that were not asked
//! for are never listed; below that, keys are in order, and a page begins at the first day and ends after the last.
//!
//! A listing that fails is fatal: what it would have named is unknown, and a count that lacks it would be a lie. An
//! object that cannot be fetched is a named failure, and the scan goes on. The SDK repeats requests but never a body
//! that breaks off, and its shared budget of retries runs dry when hundreds of requests are throttled at once: so each
//! object has its own loop, and the client an unlimited budget with a bounded number of attempts.

mod answer;
mod bucket;
mod buffers;
mod direct;
mod pool;
mod sigv4;
mod template;

use std::{
    borrow::Cow,
    collections::BTreeSet,
    error::Error,
    fmt::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_config::SdkConfig;
use aws_sdk_s3::{
    Client,
    config::{ProvideCredentials, StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::{RequestId, list_objects_v2::ListObjectsV2Output},
    primitives::ByteStream,
    types::{EncodingType, Object, RequestPayer},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use chrono::{DateTime, Datelike, Utc};
use tokio::{sync::mpsc, task::JoinSet, time};

pub use self::bucket::{Bucket, Contents, File, FileError, Only, Part, Waiting};

use self::direct::Direct;
use super::{
    Folders, KeyInfo, Listed, Location, ObjectRef, Places, Product, Selection,
    key::{Folder, LakeFolder, is_region},
    places::{MOST_FOLDERS, Pending},
    traffic::Traffic,
};
use crate::{
    aws::{self, Pages, Trust},
    units::plural,
};

/// How many folders are listed at once. S3 allows thousands of requests a second on a prefix.
const LISTINGS: usize = 16;

/// The longest name of an object or a folder, in bytes. S3 has 1024; some of its likes allow more.
const LONGEST_NAME: usize = 4 << 10;

/// A page has a thousand names: one that goes on after fewer than this is sparse.
const SPARSE: usize = 100;

/// How much of an answer is read: a page of a thousand of the longest keys, percent-encoded, is four fifths of it.
const BOUND: aws::Bound = aws::Bound { answer: 4 << 20, all: u64::MAX };

/// The slowest body that is waited for, in bytes per second.
const SLOWEST: u64 = 16 << 10;

/// How to reach S3. Everything that is absent comes from the SDK's default chain.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// A configuration that was resolved already; `profile` is not looked at then.
    pub sdk: Option<SdkConfig>,
    /// Credentials, region and endpoint.
    pub connection: aws::Connection,
    /// Whether the requester pays.
    pub request_payer: bool,
    /// The most requests in flight, which it then begins with; `None` for as many as pay.
    pub requests: Option<usize>,
    /// Threads that get objects; `None` for as many as pay.
    pub threads: Option<usize>,
    /// Compressed bytes in flight, those included that wait to be inflated; one larger object is let through alone.
    pub bytes_in_flight: usize,
    /// Whether objects are got without the SDK's machinery where all goes well; the SDK does the rest in any case.
    pub direct: bool,
    /// Attempts of a request, and of a body.
    pub attempts: u32,
    /// The pause after the first failed attempt; it doubles each time, up to 20 s.
    pub backoff: Duration,
    /// The longest silence that is waited through. An answer in full may take three times as long, a body as long as
    /// its size allows besides.
    pub patience: Duration,
    /// Where a listing is given up.
    pub bounds: Bounds,
    /// Kept up to date.
    pub traffic: Arc<Traffic>,
}

/// What no listing of a bucket needs: whoever answers with more never comes to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Pages of one folder.
    pub pages: u32,
    /// Pages of one folder that go on after few names: those of deleted versions are left out of a page.
    pub sparse_pages: u32,
    /// Folders, level by level. One for each region of each account of the largest organizations.
    pub folders: u64,
    /// The bytes of the folders' names.
    pub folder_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { pages: aws::MOST_PAGES, sparse_pages: 10_000, folders: 2_000_000, folder_bytes: 256 << 20 }
    }
}

impl Default for S3Options {
    fn default() -> Self {
        Self {
            sdk: None,
            connection: aws::Connection::default(),
            request_payer: false,
            requests: None,
            threads: None,
            direct: true,
            bytes_in_flight: 64 << 20,
            attempts: 8,
            backoff: Duration::from_millis(500),
            patience: Duration::from_secs(20),
            bounds: Bounds::default(),
            traffic: Arc::default(),
        }
    }
}

/// Why S3 cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// A request was refused or did not get through.
    #[error("could not {operation} `s3://{bucket}/{prefix}`: {reason}")]
    Refused {
        /// What was tried, in words.
        operation: &'static str,
        /// The bucket.
        bucket: String,
        /// The prefix of the listing.
        prefix: String,
        /// AWS's code and message, a hint and the request id.
        reason: String,
    },
    /// No usable credentials.
    #[error(
        "no usable AWS credentials: {0} (hint: sign in with `aws sso login`, name a profile with --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
    )]
    NoCredentials(String),
    /// The CA bundle cannot be used.
    #[error("{0}")]
    NoTrust(String),
    /// The role cannot be assumed.
    #[error(
        "could not assume the role `{role}`: {reason} (hint: the caller needs `sts:AssumeRole` on it, and its trust policy must name the caller and the --external-id)"
    )]
    NoRole {
        /// The role's ARN.
        role: String,
        /// The error.
        reason: String,
    },
    /// Nothing may be read.
    #[error("each of the first {count} objects of `s3://{bucket}` was denied, so the others were not tried: {reason}")]
    Denied {
        /// The bucket.
        bucket: String,
        /// How many were tried.
        count: u64,
        /// What S3 said of the first.
        reason: String,
    },
    /// The task of a listing ended unexpectedly.
    #[error("the listing of `s3://{bucket}` ended unexpectedly: {reason}")]
    Interrupted {
        /// The bucket.
        bucket: String,
        /// The error.
        reason: String,
    },
}

/// The client and what it is to do with every request.
#[derive(Debug, Clone)]
pub struct Connection {
    client: Client,
    direct: Option<Arc<Direct>>,
    payer: Option<RequestPayer>,
    attempts: u32,
    backoff: Duration,
    patience: Duration,
    bounds: Bounds,
    traffic: Arc<Traffic>,
    options: S3Options,
    config: SdkConfig,
    trust: Trust,
}

impl Connection {
    /// Resolves configuration and credentials.
    ///
    /// # Errors
    /// Without a region, without credentials, or where nobody can be trusted.
    pub async fn open(options: &S3Options) -> Result<Self, S3Error> {
        let connection = &options.connection;
        let trust = Trust::of(connection.profile.as_deref()).await;
        if let Some(reason) = trust.refusal() {
            return Err(S3Error::NoTrust(reason.to_owned()));
        }
        let config = match &options.sdk {
            Some(sdk) => sdk.clone(),
            None => aws::trusting(&aws::Connection { role_arn: None, ..connection.clone() }, &trust).await,
        };
        let own = aws::bounded(&config, &trust, BOUND);
        let credentials = |config: &SdkConfig| {
            config.credentials_provider().ok_or_else(|| S3Error::NoCredentials("none are set".to_owned()))
        };
        // Asked for here, so that what is wrong with them is said once, and not once per object.
        let refused = |error| S3Error::NoCredentials(aws::no_credentials(&error, connection.profile.as_deref()));
        credentials(&own)?.provide_credentials().await.map_err(refused)?;
        let config = match &connection.role_arn {
            Some(role) => {
                let assumed = aws::assume(&own, role, connection.external_id.as_deref()).await;
                let refused = |error| S3Error::NoRole { role: role.clone(), reason: chain(&error) };
                credentials(&assumed)?.provide_credentials().await.map_err(refused)?;
                assumed
            }
            None => own,
        };
        Ok(Self::of(options, config, trust))
    }

    /// The same, with connections of its own: for another thread.
    pub(crate) fn of_its_own(&self) -> Self {
        let config = aws::bounded(&self.config, &self.trust, BOUND);
        Self::of(&self.options, config, self.trust.clone())
    }

    fn of(options: &S3Options, config: SdkConfig, trust: Trust) -> Self {
        let endpoint = config.endpoint_url().is_some()
            || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some_and(|url| !url.is_empty());
        let s3 = aws_sdk_s3::config::Builder::from(&config)
            .force_path_style(endpoint)
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(options.attempts.max(1))
                    .with_initial_backoff(options.backoff)
                    .with_max_backoff(Duration::from_secs(20)),
            )
            .retry_partition(aws::retry_partition("scan"))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(options.patience.min(Duration::from_secs(3)))
                    .read_timeout(options.patience)
                    .operation_attempt_timeout(options.patience * 3)
                    .build(),
            )
            .stalled_stream_protection(
                StalledStreamProtectionConfig::enabled()
                    .grace_period(options.patience.min(Duration::from_secs(5)))
                    .build(),
            );
        let direct = if options.direct { Direct::open(options, &config, &s3, &trust) } else { None };
        let s3 = s3.interceptor(Arc::clone(&options.traffic).counter()).build();
        Self {
            client: Client::from_conf(s3),
            direct: direct.map(Arc::new),
            payer: options.request_payer.then_some(RequestPayer::Requester),
            attempts: options.attempts.max(1),
            backoff: options.backoff,
            patience: options.patience,
            bounds: options.bounds,
            traffic: Arc::clone(&options.traffic),
            options: options.clone(),
            config,
            trust,
        }
    }

    /// Lists everything in range under `prefix`, a folder or one key, to `found`. Ends early without an error when
    /// nobody listens any more.
    ///
    /// # Errors
    /// When any request of the listing fails.
    pub async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        selection: &Selection,
        folders: &Folders,
        found: &mpsc::Sender<Listed>,
    ) -> Result<(), S3Error> {
        let lister = Arc::new(self.lister(bucket, selection, found.clone()));
        let mut pending = Vec::new();
        if prefix.is_empty() || prefix.ends_with('/') {
            pending.push(Task::Folder(prefix.to_owned()));
        } else {
            // One key, or a folder without its slash; `AWSLogs` must not take in `AWSLogs-old`.
            pending.push(Task::Key(prefix.to_owned()));
            pending.push(Task::Folder(format!("{prefix}/")));
        }
        let mut running = JoinSet::new();
        loop {
            while running.len() < LISTINGS
                && let Some(task) = pending.pop()
            {
                folders.begin(task.name());
                running.spawn(Arc::clone(&lister).run(task));
            }
            match running.join_next().await {
                None if lister.others(&mut pending) => {}
                None => return Ok(()),
                Some(Ok(done)) => {
                    let Below { tasks, passed, regions } = done?;
                    regions.iter().for_each(|(account, region)| folders.region(account, region, selection));
                    passed.iter().for_each(|key| folders.passed(key, selection));
                    folders.found(tasks.len());
                    pending.extend(tasks);
                }
                Some(Err(error)) => {
                    return Err(S3Error::Interrupted { bucket: bucket.to_owned(), reason: error.to_string() });
                }
            }
        }
    }

    /// Lists the objects of these keys to `found`, as [`Self::list`] does; what is not there is left out.
    ///
    /// # Errors
    /// When any request of the listing fails.
    pub async fn list_keys(
        &self,
        bucket: &str,
        keys: Vec<String>,
        selection: &Selection,
        folders: &Folders,
        found: &mpsc::Sender<Listed>,
    ) -> Result<(), S3Error> {
        let lister = Arc::new(self.lister(bucket, selection, found.clone()));
        let mut running = JoinSet::new();
        let mut keys = keys.into_iter();
        loop {
            while running.len() < LISTINGS
                && let Some(key) = keys.next()
            {
                folders.begin(&key);
                running.spawn(Arc::clone(&lister).run(Task::Key(key)));
            }
            match running.join_next().await {
                None => return Ok(()),
                Some(Ok(done)) => drop(done?),
                Some(Err(error)) => {
                    return Err(S3Error::Interrupted { bucket: bucket.to_owned(), reason: error.to_string() });
                }
            }
        }
    }

    fn lister(&self, bucket: &str, selection: &Selection, found: mpsc::Sender<Listed>) -> Lister {
        Lister {
            connection: self.clone(),
            bucket: bucket.to_owned(),
            selection: selection.clone(),
            found,
            accounts: Mutex::default(),
            folders: AtomicU64::new(0),
            folder_bytes: AtomicU64::new(0),
        }
    }

    /// Takes in the accounts and regions under `prefix`, by its folders, until all of `wanted` was seen.
    ///
    /// # Errors
    /// When any request of the listing fails.
    pub async fn places(
        &self,
        bucket: &str,
        prefix: &str,
        wanted: &Selection,
        places: &mut Places,
    ) -> Result<(), S3Error> {
        let (found, _nobody) = mpsc::channel(1);
        let lister = self.lister(bucket, wanted, found);
        let mut pending = Pending::default();
        let enter = |folder: String, places: &mut Places, pending: &mut Pending<String>| {
            let look = places.enter(&segments(&folder), wanted);
            pending.add(folder, look);
        };
        if !prefix.is_empty() && !prefix.ends_with('/') {
            let page = lister.page(prefix, None, None, None, Some(1)).await?;
            let exact = page.contents().iter().any(|object| *key_of(&page, object) == *prefix);
            if exact {
                places.file(KeyInfo::parse(prefix));
            }
            enter(format!("{prefix}/"), places, &mut pending);
        } else {
            enter(prefix.to_owned(), places, &mut pending);
        }
        let mut pages = 0;
        while let Some((folder, is_last)) = pending.next() {
            if places.open || places.have(wanted) {
                break;
            }
            let mut listing = lister.listing(&folder);
            let mut next = None;
            loop {
                pages += 1;
                if pages > MOST_FOLDERS {
                    places.open = !is_last;
                    return Ok(());
                }
                let page = lister.page(&folder, Some("/"), None, next.clone(), None).await?;
                page.contents().iter().for_each(|object| places.file(KeyInfo::parse(&key_of(&page, object))));
                for folder in page.common_prefixes().iter().filter_map(|folder| folder.prefix()) {
                    enter(plain(&page, folder).into_owned(), places, &mut pending);
                }
                next = listing.next(&page)?;
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Fetches an object whole; a body that breaks off, stalls or has another length than was listed is fetched again.
    /// With the listed entity tag, an object that was replaced since is refused: its bytes would be counted under the
    /// listed one's size and name.
    ///
    /// # Errors
    /// In words: what S3 said, or what was wrong with the last attempt.
    pub async fn fetch(&self, bucket: &str, key: &str, size: u64, etag: Option<&str>) -> Result<Fetched, FetchError> {
        let started = time::Instant::now();
        let direct = match &self.direct {
            Some(direct) => direct.get(bucket, key, size, etag).await,
            None => None,
        };
        let fetched = match direct {
            Some(fetched) => fetched,
            // On the heap, for it is rare and large.
            None => Box::pin(self.fetch_by_sdk(bucket, key, size, etag)).await?,
        };
        self.traffic.fetched(key, started.elapsed());
        Ok(fetched)
    }

    /// As [`Self::fetch`], by the SDK alone: what is denied is asked for once.
    ///
    /// # Errors
    /// As of [`Self::fetch`].
    pub async fn fetch_by_sdk(
        &self,
        bucket: &str,
        key: &str,
        size: u64,
        etag: Option<&str>,
    ) -> Result<Fetched, FetchError> {
        let deadline = self.patience * 3 / 2 + Duration::from_secs(size / SLOWEST);
        let mut pause = self.backoff;
        let mut attempt = 1;
        loop {
            let request = self
                .client
                .get_object()
                .bucket(bucket)
                .key(key)
                .set_if_match(etag.map(|etag| format!("\"{etag}\"")))
                .set_request_payer(self.payer.clone());
            let reason = match request.send().await {
                // Throttling passes, as long as it may take: with many requests in flight the SDK's attempts are soon spent.
                Err(error) if garbled(&error) || error.code() == Some("SlowDown") => {
                    format!("could not download it: {}", explain(&error, Operation::Get))
                }
                // Every other repetition that makes sense was the SDK's.
                Err(error) => {
                    let denied = error.raw_response().is_some_and(|answer| answer.status().as_u16() == 403);
                    let reason = format!("could not download it: {}", explain(&error, Operation::Get));
                    return Err(FetchError { reason, denied });
                }
                Ok(output) => match time::timeout(deadline, whole(output.body, size)).await {
                    Ok(Ok(bytes)) => {
                        let signature = output.metadata.and_then(|mut metadata| metadata.remove("signature"));
                        return Ok(Fetched { bytes: Box::new(bytes), signature });
                    }
                    Ok(Err(reason)) => reason,
                    Err(_elapsed) => format!("the download took longer than {} s", deadline.as_secs()),
                },
            };
            tracing::debug!(key, attempt, reason, "fetching failed");
            if attempt >= self.attempts {
                let attempts = plural(attempt, "attempt", "attempts");
                return Err(FetchError { reason: format!("{reason} (after {attempts})"), denied: false });
            }
            attempt += 1;
            time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(20));
        }
    }
}

/// Why an object could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchError {
    /// In words.
    pub reason: String,
    /// Whether S3 denied it, as it would any other.
    pub denied: bool,
}

/// An object as S3 gave it.
pub struct Fetched {
    /// Its bytes.
    pub bytes: Box<dyn AsRef<[u8]> + Send>,
    /// Its metadata `x-amz-meta-signature`, which CloudTrail gives to digests.
    pub signature: Option<String>,
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetched").field("signature", &self.signature).finish_non_exhaustive()
    }
}

/// All of a body that is as long as was listed. One that is longer is given up at once: it might never end.
async fn whole(mut body: ByteStream, size: u64) -> Result<Vec<u8>, String> {
    let changed = |length: &str| format!("it has {length} bytes, but {size} were listed: it changed in the meantime");
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|error| format!("not enough memory for its {size} bytes: {error}"))?;
    while let Some(chunk) =
        body.try_next().await.map_err(|error| format!("the download broke off: {}", chain(&error)))?
    {
        if chunk.len() > size - bytes.len() {
            return Err(changed("more"));
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.len() < size {
        return Err(changed(&bytes.len().to_string()));
    }
    Ok(bytes)
}

/// One piece of a listing.
enum Task {
    /// One key.
    Key(String),
    /// A folder, level by level.
    Folder(String),
    /// Everything under a prefix, from after a key and up to before one.
    Flat { prefix: String, after: Option<String>, end: Option<String> },
}

/// What came of a task beside the objects in range.
#[derive(Default)]
struct Below {
    /// Those that follow from it.
    tasks: Vec<Task>,
    /// Digests before the range, one of each folder where they matter.
    passed: Vec<KeyInfo>,
    /// Accounts and their regions, where only IAM's region is read.
    regions: Vec<(String, String)>,
}

impl Task {
    fn name(&self) -> &str {
        match self {
            Self::Key(name) | Self::Folder(name) | Self::Flat { prefix: name, .. } => name,
        }
    }
}

struct Lister {
    connection: Connection,
    bucket: String,
    selection: Selection,
    found: mpsc::Sender<Listed>,
    accounts: Mutex<Accounts>,
    /// Folders that were found to be listed, and the bytes of their names.
    folders: AtomicU64,
    folder_bytes: AtomicU64,
}

/// Folders of accounts that were met.
#[derive(Default)]
struct Accounts {
    /// Accounts that were asked for.
    wanted: BTreeSet<String>,
    /// Folders of others.
    others: Vec<String>,
}

impl Lister {
    /// Where an account that was asked for was not met: a trail's prefix may be another account's folder. Tells whether
    /// there is one to look into.
    fn others(&self, pending: &mut Vec<Task>) -> bool {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let others = std::mem::take(&mut accounts.others);
        if self.selection.accounts.iter().all(|account| accounts.wanted.contains(account)) {
            return false;
        }
        pending.extend(others.into_iter().map(|folder| Task::Folder(format!("{folder}AWSLogs/"))));
        !pending.is_empty()
    }

    /// Whether the account of a folder was asked for.
    fn meets(&self, account: &str, folder: &str) -> bool {
        if self.selection.accounts.is_empty() {
            return true;
        }
        let wanted = self.selection.has_account(account);
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted {
            accounts.wanted.insert(account.to_owned());
        } else if let Folder::Account { .. } = Folder::of(&segments(folder)) {
            accounts.others.push(folder.to_owned());
        }
        wanted
    }

    /// Does one task.
    async fn run(self: Arc<Self>, task: Task) -> Result<Below, S3Error> {
        let mut below = Below::default();
        match task {
            Task::Key(key) => {
                let page = self.page(&key, None, None, None, Some(1)).await?;
                let exact = page.contents().iter().find(|object| *key_of(&page, object) == *key);
                if let Some(object) = exact {
                    let mut info = KeyInfo::parse(&key);
                    // What is asked for by its whole name is wanted, whatever it is called.
                    if info.product == Product::Stray {
                        info.product = Product::Log;
                    }
                    self.emit_as(info, object, &key).await;
                }
            }
            Task::Folder(prefix) if !self.by_level(&prefix) => {
                below.tasks.push(Task::Flat { prefix, after: None, end: None });
            }
            Task::Folder(prefix) => {
                let mut listing = self.listing(&prefix);
                let mut next = None;
                loop {
                    let page = self.page(&prefix, Some("/"), None, next.clone(), None).await?;
                    next = listing.next(&page)?;
                    for object in page.contents() {
                        if !self.emit(object, &key_of(&page, object)).await {
                            return Ok(Below::default());
                        }
                    }
                    for folder in page.common_prefixes().iter().filter_map(|folder| folder.prefix()) {
                        let folder = plain(&page, folder);
                        below.regions.extend(self.region(&folder));
                        // A whole year before the range, for one.
                        match self.enter(&folder) {
                            Some(task) => {
                                self.count(&prefix, task.name())?;
                                below.tasks.push(task);
                            }
                            None => below.passed.push(KeyInfo::parse(&format!("{folder}12/31/-.json.gz"))),
                        }
                    }
                    if next.is_none() {
                        break;
                    }
                }
            }
            Task::Flat { prefix, mut after, end } => {
                let begins_within = after.is_some();
                let mut listing = self.listing(&prefix);
                let (mut next, mut any, mut past) = (None, false, false);
                loop {
                    let page = self.page(&prefix, None, after.take(), next.clone(), None).await?;
                    next = listing.next(&page)?;
                    for object in page.contents() {
                        let key = key_of(&page, object);
                        past = end.as_deref().is_some_and(|end| *key >= *end);
                        if past {
                            break;
                        }
                        any = true;
                        if !self.emit(object, &key).await {
                            return Ok(below);
                        }
                    }
                    if past {
                        next = None;
                    }
                    if next.is_none() {
                        break;
                    }
                }
                if begins_within && !any && self.selection.product == Some(Product::Digest) {
                    let page = self.page(&prefix, None, None, None, Some(1)).await?;
                    below.passed.extend(page.contents().iter().map(|object| KeyInfo::parse(&key_of(&page, object))));
                }
            }
        }
        Ok(below)
    }

    /// Whether what to list below a folder depends on the folders in it.
    fn by_level(&self, prefix: &str) -> bool {
        let segments = segments(prefix);
        match Folder::of(&segments) {
            Folder::Elsewhere => match LakeFolder::of(&segments) {
                Some(folder) => folder.is_log && !folder.in_day,
                None => true,
            },
            Folder::Account { .. } => true,
            Folder::Product { product, .. } if !self.selection.has_product(product) => true,
            Folder::Product { product, .. } if product != "CloudTrail" && !product.starts_with("CloudTrail-") => false,
            Folder::Product { below: [], .. } => true,
            Folder::Product { below: [region], .. } => {
                !is_region(region) || self.selection.first_day().is_some() || self.selection.last_day().is_some()
            }
            Folder::Product { below: [region, ..], .. } => !is_region(region),
        }
    }

    /// Whose folder of which region it is, where that matters.
    fn region(&self, folder: &str) -> Option<(String, String)> {
        let segments = segments(folder);
        match Folder::of(&segments) {
            Folder::Elsewhere => {
                let lake = LakeFolder::of(&segments).filter(|lake| lake.is_log && !lake.in_day)?;
                let (account, region) = (lake.account?, lake.region?);
                let matters = self.selection.iam_only && self.selection.has_account(account);
                matters.then(|| (account.to_owned(), region.to_owned()))
            }
            Folder::Product { account, product: "CloudTrail", below: [region] }
                if self.selection.iam_only && is_region(region) && self.selection.has_account(account) =>
            {
                Some((account.to_owned(), (*region).to_owned()))
            }
            _ => None,
        }
    }

    /// What to do with a folder that was found: `None` where nothing in it can be in range.
    fn enter(&self, folder: &str) -> Option<Task> {
        let segments = segments(folder);
        let (account, below) = match Folder::of(&segments) {
            Folder::Elsewhere => {
                return match LakeFolder::of(&segments) {
                    Some(lake) => self.enter_lake(folder, &lake),
                    None => Some(Task::Folder(folder.to_owned())),
                };
            }
            Folder::Account { account } => (account, &[][..]),
            Folder::Product { product, below, .. } if !self.selection.enters(product, below) => return None,
            Folder::Product { account, product, below } => {
                let ours = product == "CloudTrail" || product.starts_with("CloudTrail-");
                (account, if ours { below } else { &[][..] })
            }
        };
        if !self.meets(account, folder) {
            return None;
        }
        if let [region, ..] = below
            && is_region(region)
            && !self.selection.has_region(region)
        {
            return None;
        }
        if let [region, year] = below
            && is_region(region)
            && year.len() == 4
            && let Ok(year) = year.parse::<i32>()
        {
            return self.year(folder, year);
        }
        Some(Task::Folder(folder.to_owned()))
    }

    /// What to do with a folder of a lake: below an account the days asked for are one run of keys.
    fn enter_lake(&self, folder: &str, lake: &LakeFolder<'_>) -> Option<Task> {
        if lake.region.is_some_and(|region| !self.selection.has_region(region)) {
            return None;
        }
        let Some(account) = lake.account else { return Some(Task::Folder(folder.to_owned())) };
        if !self.meets(account, folder) {
            return None;
        }
        if lake.in_day || !lake.is_log {
            return Some(Task::Folder(folder.to_owned()));
        }
        let key = |day: chrono::NaiveDate| format!("{folder}eventDay={}", day.format("%Y%m%d"));
        let (first, next) = (self.selection.first_day(), self.selection.last_day().and_then(|last| last.succ_opt()));
        Some(Task::Flat {
            prefix: folder.to_owned(),
            after: first.filter(|_| lake.has_days).map(key),
            end: next.filter(|_| lake.has_days).map(key),
        })
    }

    /// Within a year, the days asked for are one run of keys.
    fn year(&self, folder: &str, year: i32) -> Option<Task> {
        let (first, last) = (self.selection.first_day(), self.selection.last_day());
        if first.is_some_and(|first| year < first.year()) || last.is_some_and(|last| year > last.year()) {
            return None;
        }
        let in_year = |day: Option<chrono::NaiveDate>| day.filter(|day| day.year() == year);
        Some(Task::Flat {
            prefix: folder.to_owned(),
            after: in_year(first).map(|day| format!("{folder}{}", day.format("%m/%d"))),
            // `0` is the character after `/`: the first key that is no longer in the day's folder.
            end: in_year(last).map(|day| format!("{folder}{}0", day.format("%m/%d"))),
        })
    }

    async fn page(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        after: Option<String>,
        next: Option<String>,
        most: Option<i32>,
    ) -> Result<ListObjectsV2Output, S3Error> {
        let mut pause = self.connection.backoff;
        let mut attempt = 1;
        loop {
            let request = self
                .connection
                .client
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(prefix)
                .set_delimiter(delimiter.map(str::to_owned))
                .set_start_after(after.clone())
                .set_continuation_token(next.clone())
                .set_max_keys(most)
                // XML 1.0 has no way to write most control characters, which a key may hold.
                .encoding_type(EncodingType::Url)
                .set_request_payer(self.connection.payer.clone());
            let (reason, again) = match request.send().await {
                Ok(page) => match whole_page(prefix, &page) {
                    Ok(()) => return Ok(page),
                    Err(reason) => (reason, true),
                },
                Err(error) => (explain(&error, Operation::List), garbled(&error)),
            };
            if attempt >= self.connection.attempts || !again {
                return Err(self.refused(prefix, reason));
            }
            tracing::debug!(prefix, attempt, reason, "listing failed");
            attempt += 1;
            time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(20));
        }
    }

    fn refused(&self, prefix: &str, reason: String) -> S3Error {
        S3Error::Refused { operation: "list", bucket: self.bucket.clone(), prefix: prefix.to_owned(), reason }
    }

    fn listing<'l>(&'l self, prefix: &'l str) -> Listing<'l> {
        let pages = Pages::new(self.connection.bounds.pages);
        Listing { lister: self, prefix, pages, last: String::new(), sparse: 0 }
    }

    /// Counts a folder that is to be listed.
    fn count(&self, prefix: &str, folder: &str) -> Result<(), S3Error> {
        let Bounds { folders, folder_bytes, .. } = self.connection.bounds;
        let length = u64::try_from(folder.len()).unwrap_or(u64::MAX);
        if self.folders.fetch_add(1, Relaxed) < folders
            && self.folder_bytes.fetch_add(length, Relaxed).saturating_add(length) <= folder_bytes
        {
            return Ok(());
        }
        let reason =
            format!("more than {folders} folders (hint: name the folder that contains AWSLogs: s3://bucket/prefix)");
        Err(self.refused(prefix, reason))
    }

    /// Hands on an object that is in range; `false` when nobody listens any more.
    async fn emit(&self, object: &Object, key: &str) -> bool {
        self.emit_as(KeyInfo::parse(key), object, key).await
    }

    async fn emit_as(&self, info: KeyInfo, object: &Object, key: &str) -> bool {
        if !self.selection.includes(&info) {
            return true;
        }
        let modified = object.last_modified().and_then(|time| DateTime::<Utc>::from_timestamp(time.secs(), 0));
        let object = ObjectRef {
            name: format!("s3://{}/{key}", self.bucket),
            key: info,
            size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            etag: object.e_tag().map(|tag| tag.trim_matches('"').to_owned()),
            modified,
            location: Location::S3 { bucket: self.bucket.clone(), key: key.to_owned() },
        };
        self.found.send(Listed::Object(object)).await.is_ok()
    }
}

/// One folder's pages.
struct Listing<'l> {
    lister: &'l Lister,
    prefix: &'l str,
    pages: Pages,
    /// The last name of the pages so far.
    last: String,
    sparse: u32,
}

impl Listing<'_> {
    /// Where the listing goes on after a page. The order of names is what days are chosen by, and what tells that a listing gets
    /// on: a page that steps back would be counted twice, or for ever.
    fn next(&mut self, page: &ListObjectsV2Output) -> Result<Option<String>, S3Error> {
        self.step(page).map_err(|reason| {
            let reason = format!("{reason} (hint: the endpoint does not behave like S3; check --endpoint-url)");
            self.lister.refused(self.prefix, reason)
        })
    }

    fn step(&mut self, page: &ListObjectsV2Output) -> Result<Option<String>, String> {
        let (keys, folders) = names(page);
        let ascend = |names: &[Cow<'_, str>]| names.is_sorted_by(|a, b| a < b);
        let back = [&keys, &folders].iter().any(|names| names.first().is_some_and(|first| **first <= *self.last));
        if back || !ascend(&keys) || !ascend(&folders) {
            return Err("the keys on a page are out of order or repeated".to_owned());
        }
        let next = self.pages.next(page.is_truncated() == Some(true), page.next_continuation_token())?;
        let bound = self.lister.connection.bounds.sparse_pages;
        self.sparse += u32::from(next.is_some() && keys.len() + folders.len() < SPARSE);
        if self.sparse > bound {
            return Err(format!("it does not end: more than {bound} nearly empty pages"));
        }
        if let Some(last) = keys.last().max(folders.last()) {
            self.last = last.to_string();
        }
        Ok(next)
    }
}

/// The keys and the folders of a page.
fn names(page: &ListObjectsV2Output) -> (Vec<Cow<'_, str>>, Vec<Cow<'_, str>>) {
    let keys = page.contents().iter().map(|object| key_of(page, object)).collect();
    let folders = page.common_prefixes().iter().map(|folder| plain(page, folder.prefix().unwrap_or_default()));
    (keys, folders.collect())
}

/// Whether a page holds as much as it says, and only what was asked for.
fn whole_page(prefix: &str, page: &ListObjectsV2Output) -> Result<(), String> {
    let (keys, folders) = names(page);
    let count = keys.len() + folders.len();
    if let Some(said) = page.key_count().filter(|said| usize::try_from(*said) != Ok(count)) {
        return Err(format!(
            "a page says that it has {said} keys, but has {count}: it was truncated or changed in transit (hint: the endpoint does not behave like S3; check --endpoint-url and any proxy)"
        ));
    }
    let strange = |name: &&Cow<'_, str>| !name.starts_with(prefix) || name.len() > LONGEST_NAME;
    let no_folder = |name: &&Cow<'_, str>| name.len() == prefix.len() || !name.ends_with('/');
    if let Some(name) = keys.iter().find(strange).or_else(|| folders.iter().find(strange)) {
        let shown: String = name.chars().take(100).collect();
        return Err(format!("a page has a key that was not requested, or that is not valid: `{shown}`"));
    }
    match folders.iter().find(no_folder) {
        Some(name) => Err(format!("a page has a folder that is not one: `{name}`")),
        None => Ok(()),
    }
}

/// A listed object's key.
fn key_of<'p>(page: &ListObjectsV2Output, object: &'p Object) -> Cow<'p, str> {
    plain(page, object.key().unwrap_or_default())
}

/// A key or a prefix as it is: a page says whether it wrote them like the fields of a form.
fn plain<'p>(page: &ListObjectsV2Output, text: &'p str) -> Cow<'p, str> {
    if page.encoding_type() != Some(&EncodingType::Url) || !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let digit = |at: usize| tail.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', ..) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    // Keys are UTF-8. One that is not would be asked for under another name, refused, and named.
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn segments(folder: &str) -> Vec<&str> {
    folder.split('/').filter(|segment| !segment.is_empty()).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    List,
    Get,
    Put,
    Delete,
}

/// Whether what came back was no HTTP: a connection that somebody on the way broke into. The SDK repeats what failed or
/// took too long, but not this.
fn garbled<E>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(error, SdkError::DispatchFailure(failure) if failure.is_other())
}

/// AWS's code and message, what to do about it, and the request id that AWS's support asks for.
fn explain<E>(error: &SdkError<E, HttpResponse>, operation: Operation) -> String
where
    E: ProvideErrorMetadata + RequestId + Error + 'static,
{
    let response = error.raw_response();
    let status = response.map(|response| response.status().as_u16());
    let mut text = match (error.code(), error.message(), status) {
        (Some(code), Some(message), _) => format!("{code}: {message}"),
        (Some(code), None, _) => code.to_owned(),
        (None, _, Some(status)) => format!("HTTP status {status}: {}", chain(error)),
        (None, _, None) => chain(error),
    };
    let hint = match (error.code().unwrap_or_default(), status, operation) {
        ("NoSuchBucket", ..) => "check the bucket name, and --endpoint-url if it is set".to_owned(),
        ("NoSuchKey", ..) | (_, Some(404), Operation::Get) => {
            "it was deleted after being listed".to_owned()
        }
        ("PreconditionFailed", ..) | (_, Some(412), Operation::Get) => {
            "it was replaced after being listed; run again".to_owned()
        }
        ("InvalidObjectState", ..) => "it is in an archive storage class; restore it first".to_owned(),
        (
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken" | "TokenRefreshRequired",
            ..,
        ) => "the credentials are wrong or have expired".to_owned(),
        ("RequestTimeTooSkewed", ..) => "this machine's clock is wrong".to_owned(),
        ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", ..)
        | (_, Some(301 | 307), _) => {
            let region = response.and_then(|response| response.headers().get("x-amz-bucket-region"));
            let region = region.map_or_else(String::new, |region| format!(" {region}"));
            format!("the bucket is in another region; set it with --aws-region{region}")
        }
        (_, Some(403), Operation::List) => {
            "the credentials need `s3:ListBucket` on this bucket and prefix; a requester-pays bucket needs --request-payer"
                .to_owned()
        }
        (_, Some(403), Operation::Get) => {
            "the credentials need `s3:GetObject` on it, and `kms:Decrypt` if it is encrypted with a KMS key"
                .to_owned()
        }
        (_, Some(403), Operation::Put) => {
            "the credentials need `s3:PutObject` on it, and `kms:GenerateDataKey` where it is encrypted with a KMS key"
                .to_owned()
        }
        (_, Some(403), Operation::Delete) => "the credentials need `s3:DeleteObject` on it".to_owned(),
        (_, None, _) => "check the network, --aws-region and --endpoint-url".to_owned(),
        _ => String::new(),
    };
    let id = error.request_id().map(|id| format!("request id {id}"));
    let notes: Vec<String> = [(!hint.is_empty()).then(|| format!("hint: {hint}")), id].into_iter().flatten().collect();
    if !notes.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(text, " ({})", notes.join("; "));
    }
    text
}

/// An error with its causes. The SDK's own message stops at "dispatch failure".
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = aws::own_text(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = aws::own_text(error);
        if !text.ends_with(&more) {
            let _ = write!(text, ": {more}");
        }
        cause = error.source();
    }
    text
}
