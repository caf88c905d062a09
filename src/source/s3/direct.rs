//! Objects got without the SDK's machinery, which costs four fifths of a GET: requests as the SDK makes them ([`template`]), signed
//! here ([`sigv4`]), on connections of one's own ([`pool`]).
//!
//! Only a plain success counts: status 200, the listed length, and a checksum that holds where one is sent along. Whatever else
//! happens is [`None`], and the SDK asks again: it knows what each answer means, so there is one policy for errors.
//!
//! [`template`]: super::template
//! [`sigv4`]: super::sigv4
//! [`pool`]: super::pool

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_config::SdkConfig;
use aws_sdk_s3::{
    Client,
    config::{Credentials, ProvideCredentials, SharedCredentialsProvider, retry::RetryConfig},
    types::RequestPayer,
};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_checksums::ChecksumAlgorithm;
use chrono::{DateTime, Utc};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    HeaderMap, Request, Uri,
    body::{Bytes, Incoming},
    header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING},
    http::uri::PathAndQuery,
};
use tokio::{sync::Mutex, time};

use super::{
    Fetched, S3Options, SLOWEST, chain,
    pool::Pool,
    sigv4::{self, Key},
    template::{Capture, Template},
};
use crate::source::traffic::Traffic;

/// Credentials are renewed so long before they end.
const AHEAD: Duration = Duration::from_secs(60);
/// So many requests in a row that came to nothing, and it is given up: each costs one that the SDK repeats.
const MISSES: u32 = 16;

/// Gets objects.
pub(super) struct Direct {
    probe: Client,
    seen: Capture,
    payer: Option<RequestPayer>,
    provider: SharedCredentialsProvider,
    clock: SharedTimeSource,
    patience: Duration,
    traffic: Arc<Traffic>,
    buckets: Mutex<HashMap<String, Option<Arc<Bucket>>>>,
    credentials: Mutex<Option<Credentials>>,
    misses: AtomicU32,
}

/// How one bucket is reached.
struct Bucket {
    template: Template,
    pool: Pool,
    key: std::sync::Mutex<Option<(Credentials, Arc<Key>)>>,
}

impl std::fmt::Debug for Direct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Direct").field("misses", &self.misses).finish_non_exhaustive()
    }
}

impl Direct {
    /// `None` where the SDK alone knows the way: through a proxy, or without a clock or credentials.
    pub(super) fn open(options: &S3Options, config: &SdkConfig, s3: &aws_sdk_s3::config::Builder) -> Option<Self> {
        let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let proxies = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
        if let Some(name) = proxies.iter().find(|name| is_set(name)) {
            tracing::debug!("{name} is set: objects are fetched through the SDK");
            return None;
        }
        let seen = Capture::default();
        let probe = s3.clone().http_client(seen.clone()).retry_config(RetryConfig::disabled()).build();
        Some(Self {
            probe: Client::from_conf(probe),
            seen,
            payer: options.request_payer.then_some(RequestPayer::Requester),
            provider: config.credentials_provider()?,
            clock: config.time_source()?,
            patience: options.patience,
            traffic: Arc::clone(&options.traffic),
            buckets: Mutex::default(),
            credentials: Mutex::default(),
            misses: AtomicU32::new(0),
        })
    }

    /// An object whole; `None` for whatever else came of it.
    pub(super) async fn get(&self, bucket: &str, key: &str, size: u64, etag: Option<&str>) -> Option<Fetched> {
        if self.misses.load(Relaxed) >= MISSES {
            return None;
        }
        let bucket = self.bucket(bucket).await?;
        match self.attempt(&bucket, key, size, etag).await {
            Ok(fetched) => {
                self.misses.store(0, Relaxed);
                self.traffic.got_directly();
                Some(fetched)
            }
            Err(reason) => {
                tracing::debug!(key, %reason, "not got at once: the SDK asks");
                if self.misses.fetch_add(1, Relaxed) + 1 == MISSES {
                    tracing::debug!("{MISSES} requests in a row came to nothing: the SDK asks from now on");
                }
                None
            }
        }
    }

    async fn bucket(&self, name: &str) -> Option<Arc<Bucket>> {
        let mut buckets = self.buckets.lock().await;
        if let Some(known) = buckets.get(name) {
            return known.clone();
        }
        let template = Template::learn(&self.probe, &self.seen, name, self.payer.clone()).await;
        let bucket = template.and_then(|template| {
            let patience = self.patience.min(Duration::from_secs(3));
            match Pool::new(template.secure, &template.authority, patience) {
                Ok(pool) => Some(Arc::new(Bucket { template, pool, key: std::sync::Mutex::default() })),
                Err(error) => {
                    tracing::debug!(bucket = name, %error, "no connections but the SDK's");
                    None
                }
            }
        });
        if bucket.is_none() {
            tracing::debug!(bucket = name, "objects are fetched through the SDK");
        }
        buckets.insert(name.to_owned(), bucket.clone());
        bucket
    }

    async fn attempt(
        &self,
        bucket: &Bucket,
        key: &str,
        size: u64,
        etag: Option<&str>,
    ) -> Result<Fetched, Cow<'static, str>> {
        let text = |error: &dyn std::fmt::Display| Cow::Owned(error.to_string());
        let credentials = self.credentials().await?;
        let request = self.request(bucket, key, etag, &credentials).ok_or("it cannot be asked for")?;
        self.traffic.sent_directly();
        let answer = time::timeout(self.patience, bucket.pool.send(request)).await;
        let (answer, sender) = answer.map_err(|_late| "no answer")?.map_err(|error| text(&error))?;
        let (head, body) = answer.into_parts();
        if head.status.as_u16() == 503 {
            self.traffic.note_slowed();
        }
        if head.status.as_u16() != 200 {
            return Err(text(&head.status));
        }
        if head.headers.contains_key(TRANSFER_ENCODING)
            || header(&head.headers, CONTENT_LENGTH.as_str()) != Some(size.to_string().as_str())
        {
            return Err("another length than was listed".into());
        }
        let deadline = self.patience * 3 / 2 + Duration::from_secs(size / SLOWEST);
        let silence = self.patience.min(Duration::from_secs(5));
        let bytes = time::timeout(deadline, whole(body, size, silence)).await.map_err(|_late| "a slow body")??;
        if !checks(&head.headers, &bytes) {
            return Err("another checksum than was sent along".into());
        }
        bucket.pool.give_back(sender);
        let signature = header(&head.headers, "x-amz-meta-signature").map(str::to_owned);
        Ok(Fetched { bytes: Box::new(bytes), signature })
    }

    /// The caller's credentials, renewed in time.
    async fn credentials(&self) -> Result<Credentials, String> {
        let mut known = self.credentials.lock().await;
        let now = self.clock.now();
        let lasts = |credentials: &Credentials| credentials.expiry().is_none_or(|end| end > now + AHEAD);
        if let Some(credentials) = known.as_ref().filter(|credentials| lasts(credentials)) {
            return Ok(credentials.clone());
        }
        let fresh = self.provider.provide_credentials().await.map_err(|error| chain(&error))?;
        Ok(known.insert(fresh).clone())
    }

    fn request(
        &self,
        bucket: &Bucket,
        key: &str,
        etag: Option<&str>,
        credentials: &Credentials,
    ) -> Option<Request<Empty<Bytes>>> {
        let template = &bucket.template;
        let time = sigv4::time(DateTime::<Utc>::from(self.clock.now()));
        let path = template.path(key);
        let quoted = etag.map(|etag| format!("\"{etag}\""));
        let signed = signed(template, &time, quoted.as_deref(), credentials.session_token());
        let unsigned = sigv4::Request { path: &path, query: &template.query, headers: &signed };
        let authorization = bucket.key(credentials, sigv4::day(&time)).authorization(
            credentials.access_key_id(),
            &template.scope,
            &time,
            &unsigned,
        );
        let target = if template.query.is_empty() { path.clone() } else { format!("{path}?{}", template.query) };
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::from(PathAndQuery::try_from(target).ok()?);
        let headers = request.headers_mut();
        for (name, value) in &signed {
            headers.insert(
                hyper::header::HeaderName::from_bytes(name.as_bytes()).ok()?,
                HeaderValue::from_str(value).ok()?,
            );
        }
        headers.insert(hyper::header::USER_AGENT, HeaderValue::from_str(&template.user_agent).ok()?);
        let mut secret = HeaderValue::from_str(&authorization).ok()?;
        secret.set_sensitive(true);
        headers.insert(hyper::header::AUTHORIZATION, secret);
        Some(request)
    }
}

impl Bucket {
    /// The signing key of a day, made when the day or the credentials are others.
    fn key(&self, credentials: &Credentials, day: &str) -> Arc<Key> {
        let mut known = self.key.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((of, key)) = known.as_ref()
            && key.day() == day
            && of.access_key_id() == credentials.access_key_id()
            && of.secret_access_key() == credentials.secret_access_key()
        {
            return Arc::clone(key);
        }
        let key = Arc::new(Key::new(credentials.secret_access_key(), day, &self.template.scope));
        *known = Some((credentials.clone(), Arc::clone(&key)));
        key
    }
}

/// What is sent and signed, in order of the names.
fn signed<'s>(
    template: &'s Template,
    time: &'s str,
    etag: Option<&'s str>,
    token: Option<&'s str>,
) -> Vec<(&'s str, &'s str)> {
    let mut headers: Vec<(&str, &str)> =
        template.signed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    headers.push(("x-amz-date", time));
    headers.extend(etag.map(|etag| ("if-match", etag)));
    headers.extend(token.map(|token| ("x-amz-security-token", token)));
    headers.sort_unstable();
    headers
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// All of a body, into one buffer of its size.
async fn whole(mut body: Incoming, size: u64, silence: Duration) -> Result<Vec<u8>, Cow<'static, str>> {
    let size = usize::try_from(size).map_err(|_large| "too large")?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_full| "no memory")?;
    while let Some(frame) = time::timeout(silence, body.frame()).await.map_err(|_late| "silence in its body")? {
        let frame = frame.map_err(|error| error.to_string())?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > size - bytes.len() {
            return Err("more bytes than were listed".into());
        }
        bytes.extend_from_slice(&data);
    }
    if bytes.len() < size { Err("its body broke off".into()) } else { Ok(bytes) }
}

/// Whether every checksum of the whole object that was sent along holds. One that ends in a dash and a number is of its parts.
fn checks(headers: &HeaderMap, bytes: &[u8]) -> bool {
    headers.iter().all(|(name, value)| {
        let Some(algorithm) = name.as_str().strip_prefix("x-amz-checksum-") else { return true };
        let Ok(algorithm) = algorithm.parse::<ChecksumAlgorithm>() else { return true };
        let Ok(value) = value.to_str() else { return false };
        if value.contains('-') {
            return true;
        }
        let mut checksum = algorithm.into_impl();
        checksum.header_name() != name.as_str() || {
            checksum.update(bytes);
            checksum.header_value() == value
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use aws_config::{BehaviorVersion, Region};
    use aws_smithy_async::time::StaticTimeSource;

    use super::*;
    use crate::source::s3::template::Seen;

    const KEYS: [&str; 12] = [
        "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/02/a_B-c.1~.json.gz",
        "with space and + and %2F and %",
        "umlaut-\u{e4}/\u{1f4f1}/\u{202e}",
        "/leading",
        "//two",
        "in//side",
        "trailing/",
        "./dots/../here",
        "a&b=c?d#e",
        "(1)*'!\";:@$,[]{}|^`<>\\",
        "control\u{1}\u{7f}\n",
        "=",
    ];

    struct Case {
        what: &'static str,
        bucket: &'static str,
        region: &'static str,
        url: Option<&'static str>,
        change: fn(aws_sdk_s3::config::Builder) -> aws_sdk_s3::config::Builder,
        shared: fn(aws_config::ConfigLoader) -> aws_config::ConfigLoader,
        expected: &'static str,
    }

    const CASE: Case = Case {
        what: "a bucket",
        bucket: "trail-bucket",
        region: "us-east-1",
        url: None,
        change: |s3| s3,
        shared: |shared| shared,
        expected: "https://trail-bucket.s3.us-east-1.amazonaws.com/",
    };

    const CASES: [Case; 14] = [
        CASE,
        Case {
            what: "path style",
            change: |s3| s3.force_path_style(true),
            expected: "https://s3.us-east-1.amazonaws.com/trail-bucket/",
            ..CASE
        },
        Case {
            what: "a name with dots",
            bucket: "trail.example.com",
            expected: "https://s3.us-east-1.amazonaws.com/trail.example.com/",
            ..CASE
        },
        Case {
            what: "dual stack",
            shared: |shared| shared.use_dual_stack(true),
            expected: "https://trail-bucket.s3.dualstack.us-east-1.amazonaws.com/",
            ..CASE
        },
        Case {
            what: "FIPS",
            shared: |shared| shared.use_fips(true),
            expected: "https://trail-bucket.s3-fips.us-east-1.amazonaws.com/",
            ..CASE
        },
        Case {
            what: "FIPS on dual stack",
            shared: |shared| shared.use_fips(true).use_dual_stack(true),
            expected: "https://trail-bucket.s3-fips.dualstack.us-east-1.amazonaws.com/",
            ..CASE
        },
        Case {
            what: "acceleration",
            change: |s3| s3.accelerate(true),
            expected: "https://trail-bucket.s3-accelerate.amazonaws.com/",
            ..CASE
        },
        Case {
            what: "China",
            region: "cn-north-1",
            expected: "https://trail-bucket.s3.cn-north-1.amazonaws.com.cn/",
            ..CASE
        },
        Case {
            what: "GovCloud",
            region: "us-gov-west-1",
            expected: "https://trail-bucket.s3.us-gov-west-1.amazonaws.com/",
            ..CASE
        },
        Case {
            what: "an access point",
            bucket: "arn:aws:s3:eu-west-1:111122223333:accesspoint/audit",
            region: "eu-west-1",
            expected: "https://audit-111122223333.s3-accesspoint.eu-west-1.amazonaws.com/",
            ..CASE
        },
        Case {
            what: "an access point in another region",
            bucket: "arn:aws:s3:eu-west-1:111122223333:accesspoint/audit",
            change: |s3| s3.use_arn_region(true),
            expected: "https://audit-111122223333.s3-accesspoint.eu-west-1.amazonaws.com/",
            ..CASE
        },
        Case {
            what: "an alias of an access point",
            bucket: "audit-abcdefghijklmnopqrstuvwxyz123456-s3alias",
            expected: "https://audit-abcdefghijklmnopqrstuvwxyz123456-s3alias.s3.us-east-1.amazonaws.com/",
            ..CASE
        },
        Case {
            what: "an endpoint of one's own",
            url: Some("http://127.0.0.1:9000"),
            change: |s3| s3.force_path_style(true),
            expected: "http://127.0.0.1:9000/trail-bucket/",
            ..CASE
        },
        Case {
            what: "an endpoint below a path",
            url: Some("https://storage.example.com/s3/"),
            change: |s3| s3.force_path_style(true),
            expected: "https://storage.example.com/s3/trail-bucket/",
            ..CASE
        },
    ];

    /// Both ways to the same place: the SDK's, which sends nothing here, and one's own.
    async fn both(case: &Case, token: Option<&str>, payer: bool) -> (Client, Capture, Direct) {
        let now = StaticTimeSource::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_793_000_000));
        let keys = Credentials::new("AKIAEXAMPLE", "secret/secret", token.map(str::to_owned), None, "test");
        let mut shared = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(case.region))
            .credentials_provider(keys)
            .time_source(now);
        if let Some(url) = case.url {
            shared = shared.endpoint_url(url);
        }
        let shared = (case.shared)(shared).load().await;
        let s3 = (case.change)(aws_sdk_s3::config::Builder::from(&shared));
        let options = S3Options { request_payer: payer, ..S3Options::default() };
        let direct = Direct::open(&options, &shared, &s3).unwrap();
        let seen = Capture::default();
        (Client::from_conf(s3.http_client(seen.clone()).build()), seen, direct)
    }

    fn names(authorization: &str) -> Vec<&str> {
        authorization.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap().split(';').collect()
    }

    /// What the SDK signs beside, and what tells only of the SDK.
    fn is_of_the_sdk(name: &str) -> bool {
        matches!(name, "x-amz-user-agent" | "amz-sdk-invocation-id" | "amz-sdk-request")
    }

    #[test]
    fn every_request_is_the_sdk_s_own() {
        crate::aws::runtime().unwrap().block_on(every_request());
    }

    async fn every_request() {
        for case in &CASES {
            for (token, payer, etag) in [(None, false, None), (Some("token=="), true, Some("0123abcd"))] {
                let (sdk, seen, direct) = both(case, token, payer).await;
                let bucket = direct.bucket(case.bucket).await.unwrap_or_else(|| panic!("{}: no template", case.what));
                for key in KEYS {
                    let request = sdk.get_object().bucket(case.bucket).key(key);
                    let request = request.set_if_match(etag.map(|etag| format!("\"{etag}\"")));
                    let _ = request.set_request_payer(payer.then_some(RequestPayer::Requester)).send().await;
                    let theirs = seen.take().unwrap_or_else(|| panic!("{}: {key}: no request", case.what));
                    let credentials = direct.credentials().await.unwrap();
                    let own = direct.request(&bucket, key, etag, &credentials).unwrap();
                    compare(&format!("{}: {key:?}", case.what), &bucket, &theirs, &own);
                    assert!(theirs.uri.starts_with(case.expected), "{}: {}", case.what, theirs.uri);
                }
            }
        }
    }

    fn compare(what: &str, bucket: &Bucket, theirs: &Seen, own: &Request<Empty<Bytes>>) {
        let scheme = if bucket.template.secure { "https" } else { "http" };
        let target = own.uri().path_and_query().unwrap();
        assert_eq!(theirs.uri, format!("{scheme}://{}{target}", bucket.template.authority), "{what}");
        let authorization = theirs.header("authorization").unwrap();
        let header = |name: &str| header(own.headers(), name).unwrap_or_else(|| panic!("{what}: no {name}")).to_owned();
        let signed: Vec<&str> = names(authorization).into_iter().filter(|name| !is_of_the_sdk(name)).collect();
        assert_eq!(names(&header("authorization")), signed, "{what}");
        for name in signed.iter().filter(|name| **name != "host") {
            assert_eq!(Some(header(name).as_str()), theirs.header(name), "{what}: {name}");
        }
        // One's own signer, given all that the SDK signs, comes to its signature.
        let (path, query) = target.as_str().split_once('?').unwrap_or((target.as_str(), ""));
        let time = theirs.header("x-amz-date").unwrap();
        let host = header("host");
        let headers: Vec<(&str, &str)> = names(authorization)
            .into_iter()
            .map(|name| (name, if name == "host" { host.as_str() } else { theirs.header(name).unwrap() }))
            .collect();
        let key = Key::new("secret/secret", sigv4::day(time), &bucket.template.scope);
        let request = sigv4::Request { path, query, headers: &headers };
        assert_eq!(key.authorization("AKIAEXAMPLE", &bucket.template.scope, time, &request), authorization, "{what}");
    }

    #[test]
    fn what_is_signed_in_another_way_is_left_to_the_sdk() {
        crate::aws::runtime().unwrap().block_on(another_way());
    }

    async fn another_way() {
        for bucket in ["arn:aws:s3::111122223333:accesspoint/mfzwi23gnjvgw.mrap", "trail--use1-az4--x-s3"] {
            let (_, _, direct) = both(&CASE, None, false).await;
            assert!(direct.bucket(bucket).await.is_none(), "{bucket}");
        }
    }

    /// A clock that is set, and a provider whose credentials end five minutes after they were given.
    #[derive(Debug, Clone, Default)]
    struct Given(Arc<std::sync::atomic::AtomicU64>, Arc<AtomicU32>);

    impl Given {
        fn moment(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_793_000_000 + self.0.load(Relaxed))
        }
    }

    impl aws_smithy_async::time::TimeSource for Given {
        fn now(&self) -> SystemTime {
            self.moment()
        }
    }

    impl ProvideCredentials for Given {
        fn provide_credentials<'p>(&'p self) -> aws_credential_types::provider::future::ProvideCredentials<'p>
        where
            Self: 'p,
        {
            let number = self.1.fetch_add(1, Relaxed);
            let ends = self.moment() + Duration::from_secs(300);
            let token = Some(format!("token-{number}"));
            let given =
                Credentials::new(format!("AKIA{number}"), format!("secret-{number}"), token, Some(ends), "test");
            aws_credential_types::provider::future::ProvideCredentials::ready(Ok(given))
        }
    }

    #[test]
    fn credentials_are_renewed_before_they_end() {
        crate::aws::runtime().unwrap().block_on(renewed());
    }

    async fn renewed() {
        let given = Given::default();
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(given.clone())
            .time_source(given.clone())
            .load()
            .await;
        let s3 = aws_sdk_s3::config::Builder::from(&shared);
        let direct = Direct::open(&S3Options::default(), &shared, &s3).unwrap();
        let bucket = direct.bucket("trail-bucket").await.unwrap();
        let asked = given.1.load(Relaxed);
        let mut keys = Vec::new();
        for second in [0, 100, 239, 241, 300, 480, 482] {
            given.0.store(second, Relaxed);
            let credentials = direct.credentials().await.unwrap();
            assert!(credentials.expiry().unwrap() > given.moment());
            let request = direct.request(&bucket, "a", None, &credentials).unwrap();
            let authorization = header(request.headers(), "authorization").unwrap().to_owned();
            let token = header(request.headers(), "x-amz-security-token").unwrap().to_owned();
            let id = credentials.access_key_id().to_owned();
            assert!(authorization.contains(&format!("Credential={id}/")) && token == id.replace("AKIA", "token-"));
            keys.push(id);
        }
        keys.dedup();
        assert_eq!((keys.len(), given.1.load(Relaxed) - asked), (3, 3), "{keys:?}");
    }
}
