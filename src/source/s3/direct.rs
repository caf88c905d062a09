//! Objects got without the SDK's machinery, which costs four fifths of a GET: requests as the SDK makes them ([`template`]), signed
//! here ([`sigv4`]), on connections of one's own ([`pool`]), whose answers are read into buffers that serve again ([`answer`],
//! [`buffers`]).
//!
//! Only a plain success counts: status 200, the listed length, and a checksum that holds where one is sent along. Whatever else
//! happens is [`None`], and the SDK asks again: it knows what each answer means, so there is one policy for errors.
//!
//! [`template`]: super::template
//! [`sigv4`]: super::sigv4
//! [`pool`]: super::pool
//! [`answer`]: super::answer
//! [`buffers`]: super::buffers

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_config::SdkConfig;
use aws_sdk_s3::{
    Client,
    config::{Credentials, ProvideCredentials, SharedCredentialsProvider, retry::RetryConfig},
    types::RequestPayer,
};
use aws_smithy_async::time::SharedTimeSource;
use chrono::{DateTime, Utc};
use tokio::{
    io::AsyncWriteExt as _,
    sync::Mutex,
    time::{Instant, timeout_at},
};

use super::{
    Fetched, S3Options, SLOWEST,
    answer::{self, Answer, Expected, Odd, ROOM},
    buffers::{Body, Buffers},
    chain,
    pool::{Line, Pool},
    sigv4::{self, Signer},
    template::{Capture, Template},
};
use crate::{aws::Trust, source::traffic::Traffic};

/// Credentials are renewed so long before they end.
const AHEAD: Duration = Duration::from_secs(60);
/// So many requests in a row that came to nothing, and it is left: each costs one that the SDK repeats.
const MISSES: u32 = 16;
/// After so many objects it is tried again.
const AGAIN: u32 = 1 << 10;

/// Gets objects.
pub(super) struct Direct {
    probe: Client,
    seen: Capture,
    payer: Option<RequestPayer>,
    provider: SharedCredentialsProvider,
    clock: SharedTimeSource,
    trust: Trust,
    patience: Duration,
    backoff: Duration,
    traffic: Arc<Traffic>,
    buckets: Mutex<HashMap<String, Option<Arc<Bucket>>>>,
    credentials: Mutex<Option<Credentials>>,
    buffers: Arc<Buffers>,
    misses: AtomicU32,
}

/// How one bucket is reached.
struct Bucket {
    template: Template,
    pool: Pool,
    signer: std::sync::Mutex<Option<Signing>>,
}

/// The signer of one second, and by whose credentials.
struct Signing {
    credentials: Credentials,
    second: u64,
    signer: Arc<Signer>,
}

impl std::fmt::Debug for Direct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Direct").field("misses", &self.misses).finish_non_exhaustive()
    }
}

impl Direct {
    /// `None` where the SDK alone knows the way: through a proxy, or without a clock or credentials.
    pub(super) fn open(
        options: &S3Options,
        config: &SdkConfig,
        s3: &aws_sdk_s3::config::Builder,
        trust: &Trust,
    ) -> Option<Self> {
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
            trust: trust.clone(),
            patience: options.patience,
            backoff: options.backoff,
            traffic: Arc::clone(&options.traffic),
            buckets: Mutex::default(),
            credentials: Mutex::default(),
            buffers: Arc::default(),
            misses: AtomicU32::new(0),
        })
    }

    #[cfg(test)]
    pub(super) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// An object whole; `None` for whatever else came of it.
    pub(super) async fn get(&self, bucket: &str, key: &str, size: u64, etag: Option<&str>) -> Option<Fetched> {
        // What stood in the way may have passed.
        if self.misses.load(Relaxed) >= MISSES && !self.misses.fetch_add(1, Relaxed).is_multiple_of(AGAIN) {
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
                self.missed(&reason).await;
                None
            }
        }
    }

    /// Counts what came to nothing. Who is asked for fewer requests does not ask again at once.
    async fn missed(&self, reason: &Odd) {
        if matches!(reason, Odd::Status(503) | Odd::Late(_)) {
            self.traffic.note_slowed();
        }
        if *reason == Odd::Status(503) {
            let now = self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
            // Not all at the same time.
            tokio::time::sleep(self.backoff * (now.subsec_micros() % 1000) / 1000).await;
        } else if self.misses.fetch_add(1, Relaxed) + 1 == MISSES {
            tracing::debug!("{MISSES} requests in a row came to nothing: the SDK asks for the next {AGAIN} objects");
        }
    }

    async fn bucket(&self, name: &str) -> Option<Arc<Bucket>> {
        let mut buckets = self.buckets.lock().await;
        if let Some(known) = buckets.get(name) {
            return known.clone();
        }
        // On the heap, for it is large and done once.
        let template = Box::pin(Template::learn(&self.probe, &self.seen, name, self.payer.clone())).await;
        let bucket = template.and_then(|template| {
            let patience = self.patience.min(Duration::from_secs(3));
            match Pool::new(template.secure, &template.authority, patience, &self.trust) {
                Ok(pool) => Some(Arc::new(Bucket { template, pool, signer: std::sync::Mutex::default() })),
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

    async fn attempt(&self, bucket: &Bucket, key: &str, size: u64, etag: Option<&str>) -> Result<Fetched, Odd> {
        let begun = Instant::now();
        let credentials = self.credentials().await.map_err(|reason| Odd::Other(reason.into()))?;
        let request = self.request(bucket, key, etag, &credentials).ok_or("it cannot be asked for")?;
        let expected = Expected {
            size: usize::try_from(size).map_err(|_large| "too large")?,
            etag,
            head: begun + self.patience,
            body: self.patience * 3 / 2 + Duration::from_secs(size / SLOWEST),
            silence: self.patience.min(Duration::from_secs(5)),
        };
        self.traffic.sent_directly();
        let mut line = bucket.pool.line().await?;
        let answer = self.exchange(&mut line, &request, &expected).await?;
        if answer.stays {
            bucket.pool.give_back(line);
        }
        let body = Body::new(answer.buffer, answer.body, &self.buffers);
        Ok(Fetched { bytes: Box::new(body), signature: answer.signature })
    }

    async fn exchange(&self, line: &mut Line, request: &str, expected: &Expected<'_>) -> Result<Answer, Odd> {
        let sent = async {
            line.write_all(request.as_bytes()).await?;
            line.flush().await
        };
        timeout_at(expected.head, sent).await.map_err(|_late| Odd::Late("not sent"))??;
        let room = expected.size.saturating_add(ROOM);
        let buffer = self.buffers.take(room).map_err(|_full| "no memory")?;
        answer::read(line, buffer, expected).await
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

    /// A request as it is sent; `None` where it would be none of HTTP.
    fn request(&self, bucket: &Bucket, key: &str, etag: Option<&str>, credentials: &Credentials) -> Option<String> {
        let template = &bucket.template;
        let signer = bucket.signer(credentials, self.clock.now());
        let path = template.path(key);
        let quoted = etag.map(|etag| format!("\"{etag}\""));
        let signed = signed(template, signer.time(), quoted.as_deref(), credentials.session_token());
        let authorization =
            signer.authorization(&sigv4::Request { path: &path, query: &template.query, headers: &signed });
        let mut request = String::with_capacity(1024);
        let mark = if template.query.is_empty() { "" } else { "?" };
        sigv4::push(&mut request, &["GET ", &path, mark, &template.query, " HTTP/1.1\r\n"]);
        let unsigned = [("user-agent", template.user_agent.as_str()), ("authorization", &authorization)];
        for (name, value) in signed.iter().chain(&unsigned) {
            if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                return None;
            }
            sigv4::push(&mut request, &[name, ": ", value, "\r\n"]);
        }
        request.push_str("\r\n");
        (path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic())).then_some(request)
    }
}

impl Bucket {
    /// The signer of a second, made when the second or the credentials are others.
    fn signer(&self, credentials: &Credentials, now: SystemTime) -> Arc<Signer> {
        let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut known = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Signing { credentials: of, second: at, signer }) = known.as_ref()
            && *at == second
            && of.access_key_id() == credentials.access_key_id()
            && of.secret_access_key() == credentials.secret_access_key()
        {
            return Arc::clone(signer);
        }
        let (id, secret) = (credentials.access_key_id(), credentials.secret_access_key());
        let time = sigv4::time(DateTime::<Utc>::from(now));
        let signer = Arc::new(Signer::new(id, secret, &time, &self.template.scope));
        *known = Some(Signing { credentials: credentials.clone(), second, signer: Arc::clone(&signer) });
        signer
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
        let direct = Direct::open(&options, &shared, &s3, &Trust::System).unwrap();
        let seen = Capture::default();
        (Client::from_conf(s3.http_client(seen.clone()).build()), seen, direct)
    }

    /// The target of a request, and its headers.
    fn parts(request: &str) -> (&str, HashMap<&str, &str>) {
        let (first, rest) = request.strip_suffix("\r\n\r\n").unwrap().split_once("\r\n").unwrap();
        let target = first.strip_prefix("GET ").unwrap().strip_suffix(" HTTP/1.1").unwrap();
        let lines: Vec<_> = rest.split("\r\n").map(|line| line.split_once(": ").unwrap()).collect();
        let headers = HashMap::from_iter(lines.iter().copied());
        assert_eq!(headers.len(), lines.len(), "{request}");
        (target, headers)
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

    fn compare(what: &str, bucket: &Bucket, theirs: &Seen, own: &str) {
        let scheme = if bucket.template.secure { "https" } else { "http" };
        let (target, own) = parts(own);
        assert_eq!(theirs.uri, format!("{scheme}://{}{target}", bucket.template.authority), "{what}");
        let authorization = theirs.header("authorization").unwrap();
        let header = |name: &str| (*own.get(name).unwrap_or_else(|| panic!("{what}: no {name}"))).to_owned();
        let signed: Vec<&str> = names(authorization).into_iter().filter(|name| !is_of_the_sdk(name)).collect();
        assert_eq!(names(&header("authorization")), signed, "{what}");
        for name in signed.iter().filter(|name| **name != "host") {
            assert_eq!(Some(header(name).as_str()), theirs.header(name), "{what}: {name}");
        }
        // One's own signer, given all that the SDK signs, comes to its signature.
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let time = theirs.header("x-amz-date").unwrap();
        let host = header("host");
        let headers: Vec<(&str, &str)> = names(authorization)
            .into_iter()
            .map(|name| (name, if name == "host" { host.as_str() } else { theirs.header(name).unwrap() }))
            .collect();
        let signer = Signer::new("AKIAEXAMPLE", "secret/secret", time, &bucket.template.scope);
        let request = sigv4::Request { path, query, headers: &headers };
        assert_eq!(signer.authorization(&request), authorization, "{what}");
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
        let direct = Direct::open(&S3Options::default(), &shared, &s3, &Trust::System).unwrap();
        let bucket = direct.bucket("trail-bucket").await.unwrap();
        let asked = given.1.load(Relaxed);
        let mut keys = Vec::new();
        for second in [0, 100, 239, 241, 300, 480, 482] {
            given.0.store(second, Relaxed);
            let credentials = direct.credentials().await.unwrap();
            assert!(credentials.expiry().unwrap() > given.moment());
            let request = direct.request(&bucket, "a", None, &credentials).unwrap();
            let (_, headers) = parts(&request);
            let (authorization, token) = (headers["authorization"], headers["x-amz-security-token"]);
            let id = credentials.access_key_id().to_owned();
            assert!(authorization.contains(&format!("Credential={id}/")) && token == id.replace("AKIA", "token-"));
            keys.push(id);
        }
        keys.dedup();
        assert_eq!((keys.len(), given.1.load(Relaxed) - asked), (3, 3), "{keys:?}");
    }
}
