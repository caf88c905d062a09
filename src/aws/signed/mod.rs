//! Services that are called without an SDK of their own, by requests that are signed here: an SDK for each of them would cost every
//! build half a minute.
//!
//! Credentials, region and endpoints come from the same configuration as those of the SDK's clients. Nothing is repeated but a request
//! that was refused because of its credentials, once they were renewed: a caller who repeats must know whether a request that failed
//! may have had its effect ([`Error::may_have_acted`]).

mod answer;
mod service;
mod signature;

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use hyper::Method;
use serde::Serialize;
use tokio::runtime::Runtime;

pub use answer::{Answer, Error, Refusal};
pub use service::{
    CLOUDFORMATION, CLOUDWATCH, EVENTS, Json, KMS, LOGS, ORGANIZATIONS, Query, Rest, SECRETS_MANAGER, SECURITY_HUB,
    SES, SNS, SQS, SSM, STS, Service, organizations_region,
};
use signature::Scope;

use super::{Connection, DEFAULT_REGION, Trust, no_credentials, profiles, runtime, sdk_config, trusting};
use crate::http::{Client, Request};

/// How much of an answer is read: ten messages of a queue, each of 1 MiB and escaped in JSON.
const LARGEST: usize = 32 << 20;
/// How long it may take to get credentials.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long before their end credentials are renewed, where they last for longer than twice that.
const MARGIN: Duration = Duration::from_secs(5 * 60);
/// How long credentials are used that say nothing of an end: a file may be written anew.
const LONGEST_USE: Duration = Duration::from_secs(15 * 60);
/// How long credentials are used further when they cannot be renewed.
const RESPITE: Duration = Duration::from_secs(60);

/// How long it is waited before a question is asked again.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1500)];

/// Credentials in use.
#[derive(Debug, Clone)]
struct Lease {
    credentials: Credentials,
    /// When others are to be had.
    until: SystemTime,
}

impl Lease {
    fn new(credentials: Credentials, now: SystemTime) -> Self {
        let left = credentials.expiry().map(|end| end.duration_since(now).unwrap_or_default());
        let used = left.map_or(LONGEST_USE, |left| left - MARGIN.min(left / 2));
        Self { credentials, until: now + used }
    }

    fn has_ended(&self, now: SystemTime) -> bool {
        self.credentials.expiry().is_some_and(|end| end <= now)
    }
}

/// Who calls: with which credentials, in which region.
#[derive(Debug)]
pub struct Caller {
    connection: Connection,
    region: String,
    config: SdkConfig,
    runtime: Runtime,
    client: Client,
    endpoint: Option<(Service, String)>,
    lease: Mutex<Option<Lease>>,
}

impl Caller {
    /// Reads the configuration and calls nobody, but for a region that only the machine itself knows.
    ///
    /// # Errors
    /// Where no runtime can be had, or the system has no root certificates.
    pub fn open(connection: &Connection, deadline: Duration) -> Result<Self, String> {
        let unavailable = |error: std::io::Error| format!("cannot call AWS: {error}");
        let runtime = runtime().map_err(unavailable)?;
        let trust = runtime.block_on(Trust::of(connection.profile.as_deref()));
        let client =
            Client::trusting(trust.rustls().map_err(unavailable)?, deadline).map_err(unavailable)?.largest(LARGEST);
        let config = runtime.block_on(trusting(connection, &trust));
        let region = config.region().map_or(DEFAULT_REGION, Region::as_ref).to_owned();
        Ok(Self {
            connection: connection.clone(),
            region,
            config,
            runtime,
            client,
            endpoint: None,
            lease: Mutex::default(),
        })
    }

    /// The caller, who finds one service at this address.
    #[must_use]
    pub fn with(self, service: Service, endpoint: &str) -> Self {
        Self { endpoint: Some((service, endpoint.to_owned())), ..self }
    }

    /// The region that is called.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Calls an action of a service that speaks JSON.
    ///
    /// # Errors
    /// When there is no answer of 2xx.
    pub fn json<B: Serialize>(&self, service: &Json, action: &str, body: &B) -> Result<Answer, Error> {
        let url = self.url(&service.service, "/")?;
        let headers = vec![
            ("content-type".to_owned(), format!("application/x-amz-json-{}", service.version)),
            ("x-amz-target".to_owned(), format!("{}.{action}", service.target)),
        ];
        self.call(&service.service, Request { method: Method::POST, url, headers, body: written(body)? })
    }

    /// Calls an action of a service that speaks the query protocol.
    ///
    /// # Errors
    /// When there is no answer of 2xx.
    pub fn query(&self, service: &Query, action: &str, parameters: &[(&str, &str)]) -> Result<Answer, Error> {
        let url = self.url(&service.service, "/")?;
        let headers = vec![("content-type".to_owned(), "application/x-www-form-urlencoded; charset=utf-8".to_owned())];
        let own = [("Action", action), ("Version", service.version)];
        let pairs = own.iter().chain(parameters).map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
        let body = pairs.collect::<Vec<_>>().join("&").into_bytes();
        self.call(&service.service, Request { method: Method::POST, url, headers, body })
    }

    /// Sends a body to a path of a service that speaks REST: the path begins with `/`, and what is variable in it is [`escaped`].
    ///
    /// # Errors
    /// When there is no answer of 2xx.
    pub fn send<B: Serialize>(&self, service: &Rest, method: Method, path: &str, body: &B) -> Result<Answer, Error> {
        let url = self.url(&service.service, path)?;
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        self.call(&service.service, Request { method, url, headers, body: written(body)? })
    }

    /// Asks a path of a service that speaks REST.
    ///
    /// # Errors
    /// When there is no answer of 2xx.
    pub fn get(&self, service: &Rest, path: &str) -> Result<Answer, Error> {
        let url = self.url(&service.service, path)?;
        self.call(&service.service, Request { method: Method::GET, url, headers: Vec::new(), body: Vec::new() })
    }

    fn url(&self, service: &Service, path: &str) -> Result<String, Error> {
        if let Some((_, endpoint)) = self.endpoint.as_ref().filter(|(own, _)| own == service) {
            return Ok(format!("{}{path}", endpoint.trim_end_matches('/')));
        }
        let endpoint = service::endpoint(&self.config, service, &self.region).map_err(Error::Unsigned)?;
        Ok(format!("{endpoint}{path}"))
    }

    fn call(&self, service: &Service, mut request: Request) -> Result<Answer, Error> {
        request.headers.push(("user-agent".to_owned(), concat!("mfatrail/", env!("CARGO_PKG_VERSION")).to_owned()));
        let credentials = self.credentials(None)?;
        match self.attempt(service, request.clone(), &credentials) {
            Err(Error::Refused(refusal)) if refusal.is_stale() => match self.credentials(Some(&credentials)) {
                Ok(renewed) if renewed != credentials => self.attempt(service, request, &renewed),
                _ => Err(Error::Refused(refusal)),
            },
            answer => answer,
        }
    }

    fn attempt(&self, service: &Service, request: Request, credentials: &Credentials) -> Result<Answer, Error> {
        let scope = Scope { credentials, region: &self.region, service: service.name, time: self.time() };
        let request = signature::signed(request, &scope).map_err(Error::Unsigned)?;
        let mut response = self.client.send(&request)?;
        if (200..300).contains(&response.status) {
            return Ok(Answer::new(response));
        }
        // Whoever answers instead of AWS may repeat the whole request.
        if let Some(token) = credentials.session_token().filter(|token| !token.is_empty()) {
            response.body = response.text().replace(token, "***").into_bytes();
        }
        Err(Error::Refused(Box::new(Refusal::new(response))))
    }

    /// The time of the SDK's configuration, which its own clients sign by.
    fn time(&self) -> SystemTime {
        self.config.time_source().unwrap_or_default().now()
    }

    /// Credentials that are good for now: those in use, or others where these were refused or are about to end.
    fn credentials(&self, refused: Option<&Credentials>) -> Result<Credentials, Error> {
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.time();
        // Another thread may have renewed what this one was refused.
        lease.take_if(|lease| refused == Some(&lease.credentials));
        if let Some(lease) = lease.as_ref().filter(|lease| now < lease.until) {
            return Ok(lease.credentials.clone());
        }
        let renewed = match self.runtime.block_on(credentials(&self.connection)) {
            Ok(credentials) => Lease::new(credentials, now),
            Err(why) => match lease.take().filter(|lease| !lease.has_ended(now)) {
                Some(lease) => Lease { until: now + RESPITE, ..lease },
                None => return Err(Error::NoCredentials(why)),
            },
        };
        Ok(lease.insert(renewed).credentials.clone())
    }
}

/// Credentials by a configuration that is read anew: the SDK keeps what files said when it was loaded.
async fn credentials(connection: &Connection) -> Result<Credentials, String> {
    // The SDK says of such a profile that "the credential provider was not enabled".
    let missing = connection.profile.as_ref().filter(|name| !profiles().is_some_and(|known| known.contains(*name)));
    if let Some(name) = missing {
        return Err(format!("the AWS CLI's configuration has no profile `{name}`"));
    }
    let found = async {
        let config = sdk_config(connection).await;
        let provider = config.credentials_provider().ok_or_else(|| "none are set".to_owned())?;
        let refused = |error| no_credentials(&error, connection.profile.as_deref());
        provider.provide_credentials().await.map_err(refused)
    };
    let late = |_elapsed| Err(format!("none within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(late)
}

fn written<B: Serialize>(body: &B) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(body).map_err(|error| Error::Unsigned(error.to_string()))
}

/// Asks for what changes nothing, a second and a third time where a failure may pass by itself within seconds.
///
/// # Errors
/// That of the last attempt.
pub fn patiently(ask: impl Fn() -> Result<Answer, Error>) -> Result<Answer, Error> {
    for wait in PAUSES {
        match ask() {
            Err(error) if error.is_transient() && !matches!(error, Error::NoCredentials(_)) => std::thread::sleep(wait),
            answer => return answer,
        }
    }
    ask()
}

/// A text as a part of a path, of a query or of a form (RFC 3986, 2.3).
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc::{Receiver, channel};
    use std::thread;

    use serde_json::{Value, json};

    use super::*;

    fn key(id: &str, end: Option<SystemTime>) -> Credentials {
        Credentials::new(id, "hunter2", Some("token".to_owned()), end, "a test")
    }

    /// The request of a connection, to the end of its body.
    fn request(stream: &TcpStream) -> String {
        let mut stream = BufReader::new(stream);
        let (mut request, mut length) = (String::new(), 0);
        while !request.ends_with("\r\n\r\n") {
            let mut line = String::new();
            assert!(stream.read_line(&mut line).unwrap() > 0, "{request}");
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim_end().parse().unwrap();
            }
            request.push_str(&line);
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        request + &String::from_utf8(body).unwrap()
    }

    /// A service that gives each of these answers, and hands over what it was asked; and one who calls it, with a profile that does
    /// not exist and a lease on credentials.
    fn service(answers: Vec<&'static str>) -> (Caller, Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                sender.send(request(&stream)).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let connection = Connection {
            profile: Some("mfatrail-no-such".to_owned()),
            region: Some("eu-west-1".to_owned()),
            endpoint_url: Some(format!("http://{address}/")),
            ..Connection::default()
        };
        let caller = Caller::open(&connection, Duration::from_secs(20)).unwrap();
        *caller.lease.lock().unwrap() = Some(Lease::new(key("AKIDEXAMPLE", None), caller.time()));
        (caller, requests)
    }

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\n{\"a\":1}";

    #[test]
    fn each_protocol_is_spoken_as_its_services_expect() {
        let (caller, requests) = service(vec![OK, OK, OK, OK]);
        let answer = caller.json(&SQS, "ReceiveMessage", &json!({"QueueUrl": "https://q"})).unwrap();
        assert_eq!(answer.json::<Value>().unwrap(), json!({"a": 1}));
        let sent = requests.recv().unwrap();
        assert!(
            sent.starts_with("POST / HTTP/1.1\r\n") && sent.ends_with("\r\n\r\n{\"QueueUrl\":\"https://q\"}"),
            "{sent}"
        );
        for part in [
            "content-type: application/x-amz-json-1.0\r\n",
            "x-amz-target: AmazonSQS.ReceiveMessage\r\n",
            "x-amz-security-token: token\r\n",
            "/eu-west-1/sqs/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, ",
        ] {
            assert!(sent.contains(part), "{part} is not in {sent}");
        }
        caller.query(&SNS, "Publish", &[("Message", "a b&c=ü\n"), ("TopicArn", "arn:aws:sns:x")]).unwrap();
        let sent = requests.recv().unwrap();
        let form = "Action=Publish&Version=2010-03-31&Message=a%20b%26c%3D%C3%BC%0A&TopicArn=arn%3Aaws%3Asns%3Ax";
        assert!(sent.ends_with(&format!("\r\n\r\n{form}")), "{sent}");
        caller.send(&SES, Method::POST, "/v2/email/outbound-emails", &json!({})).unwrap();
        let sent = requests.recv().unwrap();
        assert!(sent.starts_with("POST /v2/email/outbound-emails HTTP/1.1\r\n") && sent.contains("/ses/"), "{sent}");
        caller.get(&SES, &format!("/v2/email/identities/{}", escaped("a@example.com"))).unwrap();
        let sent = requests.recv().unwrap();
        assert!(sent.starts_with("GET /v2/email/identities/a%40example.com HTTP/1.1\r\n"), "{sent}");
    }

    #[test]
    fn what_comes_of_a_call_is_told_without_a_secret() {
        let expired = "HTTP/1.1 403 Forbidden\r\nContent-Length: 56\r\nConnection: close\r\nx-amzn-RequestId: 7\r\n\r\n\
            {\"__type\":\"a#ExpiredTokenException\",\"message\":\"expired\"}";
        let (caller, requests) = service(vec![expired, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"]);
        let error = caller.json(&SQS, "ReceiveMessage", &json!({})).unwrap_err();
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            (Some("ExpiredTokenException"), "ExpiredTokenException: expired")
        );
        assert!(matches!(&error, Error::Refused(refusal) if refusal.request_id() == Some("7")));
        requests.recv().unwrap();
        // They were refused, and there are no others.
        let error = caller.json(&SQS, "ReceiveMessage", &json!({})).unwrap_err();
        assert!(matches!(&error, Error::NoCredentials(why) if why.contains("mfatrail-no-such")), "{error}");
        *caller.lease.lock().unwrap() = Some(Lease::new(key("AKIDEXAMPLE", None), caller.time()));
        assert!(caller.json(&SQS, "ReceiveMessage", &json!({})).is_err_and(|error| error.may_have_acted()));
        assert!(!format!("{caller:?}").contains("hunter2"));
    }

    #[test]
    fn credentials_are_renewed_before_they_end() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        for (left, used) in [(None, 900), (Some(3600), 3300), (Some(600), 300), (Some(60), 30), (Some(0), 0)] {
            let end = left.map(|left| now + Duration::from_secs(left));
            let lease = Lease::new(key("A", end), now);
            assert_eq!(lease.until.duration_since(now).unwrap().as_secs(), used, "{left:?}");
            assert_eq!(lease.has_ended(now), left == Some(0));
        }
        // They cannot be renewed: what is left is used.
        let (caller, _requests) = service(Vec::new());
        let now = caller.time();
        let last = key("A", Some(now + Duration::from_secs(120)));
        *caller.lease.lock().unwrap() = Some(Lease { credentials: last.clone(), until: now });
        assert_eq!(caller.credentials(None).unwrap(), last);
        let over = key("A", Some(now - Duration::from_secs(1)));
        *caller.lease.lock().unwrap() = Some(Lease { credentials: over, until: now });
        assert!(caller.credentials(None).is_err());
    }
}
