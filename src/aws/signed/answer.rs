//! What a service answers: JSON or XML, and a refusal in either.

use aws_smithy_xml::decode::{Document, ScopedDecoder, try_data};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aws::answer::whole;
use crate::http::{self, Response};

/// Codes of refusals because of too many requests: those of the SDKs' standard retries, and what single services say.
const THROTTLES: [&str; 19] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "Throttled",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "TooManyRequests",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "PriorRequestNotComplete",
    "SlowDown",
    "EC2ThrottledException",
    "KMSThrottling",
    "KMSThrottlingException",
    "KmsThrottled",
];
/// Codes of refusals of the credentials: they have expired, are not valid yet, or are not known.
const STALE: [&str; 7] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestExpired",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];
/// Codes of refusals because of what the credentials are allowed.
const DENIED: [&str; 7] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "KMSAccessDenied",
    "KMSAccessDeniedException",
    "UnauthorizedOperation",
];
/// Codes of refusals because the time of the request is not that of the service.
const SKEWED: [&str; 3] = ["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"];
/// How much of an answer without a message is quoted, in characters.
const QUOTED: usize = 200;

/// An answer of 2xx.
#[derive(Debug, Clone)]
pub struct Answer(Response);

impl Answer {
    pub(super) fn new(response: Response) -> Self {
        Self(response)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// Where it is not what is expected.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // What the parser says of a wrong value holds the value, which may be a secret.
        serde_json::from_slice(&self.0.body).map_err(|error| {
            let what = if error.is_data() { "it is other JSON" } else { "it is not JSON" };
            self.garbage(&format!("{what} (line {}, column {})", error.line(), error.column()))
        })
    }

    /// The texts of all elements of a path below the document's first element, in the order in which they stand in the document.
    ///
    /// # Errors
    /// Where the body is not XML, or not a whole document.
    pub fn texts(&self, path: &[&str]) -> Result<Vec<String>, Error> {
        texts(&self.0.body, path).map_err(|why| self.garbage(&why))
    }

    /// The text of the one element of a path below the document's first element.
    ///
    /// # Errors
    /// Where the body is not XML, or has no such element.
    pub fn text(&self, path: &[&str]) -> Result<String, Error> {
        let mut texts = self.texts(path)?;
        texts.pop_if(|text| !text.is_empty()).ok_or_else(|| self.garbage(&format!("it has no `{}`", path.join("/"))))
    }

    /// The first element of the document as JSON: lists of `member` and maps of `entry` as such, everything else as objects and texts.
    /// `containers` are the elements that hold others, each by its name, or by that of the element around it and its own
    /// (`MetricAlarms/member`): what an empty element is, a document does not tell.
    ///
    /// # Errors
    /// Where the body is not XML, or not a whole document.
    pub fn tree(&self, containers: &[&str]) -> Result<Value, Error> {
        tree(&self.0.body, containers).map_err(|why| self.garbage(&why))
    }

    /// The id by which AWS knows the request, for its support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        request_id(&self.0)
    }

    fn garbage(&self, why: &str) -> Error {
        Error::Garbage(format!("status {}, and the response cannot be parsed: {why}", self.0.status))
    }
}

fn request_id(response: &Response) -> Option<&str> {
    ["x-amzn-requestid", "x-amz-request-id"].into_iter().find_map(|name| response.header(name))
}

/// Why a request came to nothing, or to nothing that is known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nothing was sent: it cannot be signed or addressed.
    #[error("{0}")]
    Unsigned(String),
    /// Nothing was sent: there are no credentials at this time.
    #[error(
        "no usable AWS credentials: {0} (hint: sign in with `aws sso login`, name another profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
    )]
    NoCredentials(String),
    /// There is no answer.
    #[error("{0}")]
    Http(#[from] http::Error),
    /// The service refused.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The service answered, and it is not known what.
    #[error("{0}")]
    Garbage(String),
}

impl Error {
    /// AWS's code for what is wrong, where it answered with one: `AccessDenied`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.code.as_deref(),
            _ => None,
        }
    }

    /// Whether the request may have had its effect: no answer came, or one that leaves it open.
    #[must_use]
    pub fn may_have_acted(&self) -> bool {
        match self {
            Self::Unsigned(_) | Self::NoCredentials(_) => false,
            Self::Http(error) => matches!(error, http::Error::Unknown(_)),
            Self::Refused(refusal) => refusal.may_have_acted(),
            Self::Garbage(_) => true,
        }
    }

    /// Whether there were too many requests: the same one may succeed later.
    #[must_use]
    pub fn is_throttle(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.is_throttle())
    }

    /// Whether the same request may succeed later, without anybody doing anything to it or to what is allowed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unsigned(_) => false,
            Self::NoCredentials(_) | Self::Garbage(_) => true,
            Self::Http(error) => !matches!(error, http::Error::Invalid(_)),
            Self::Refused(refusal) => {
                refusal.is_throttle()
                    || refusal.is_stale()
                    || refusal.is_skewed()
                    || matches!(refusal.response.status, 408 | 425 | 500..)
            }
        }
    }
}

/// A refusal.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The code: `AccessDenied`. `None` where whoever answered was not AWS, or its answer was cut.
    pub code: Option<String>,
    /// What AWS says of it, in one line.
    pub message: Option<String>,
    /// The whole answer.
    pub response: Response,
}

impl Refusal {
    /// What an answer of none of 2xx says.
    pub(super) fn new(response: Response) -> Self {
        let (code, message) =
            if response.body.trim_ascii_start().starts_with(b"<") { of_xml(&response) } else { of_json(&response) };
        let line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let message = message.map(line).filter(|text| !text.is_empty());
        Self { code: code.filter(|code| !code.is_empty()), message, response }
    }

    /// The id by which AWS knows the request, for its support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        request_id(&self.response)
    }

    /// Whether there were too many requests.
    #[must_use]
    pub fn is_throttle(&self) -> bool {
        self.response.status == 429 || self.code.as_deref().is_some_and(|code| THROTTLES.contains(&code))
    }

    /// Whether the credentials have expired or are not known (any more).
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.code.as_deref().is_some_and(|code| STALE.contains(&code))
    }

    /// Whether it is not allowed to these credentials.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.code.as_deref().is_some_and(|code| DENIED.contains(&code))
    }

    /// Whether the time of the request is not that of the service: this machine's clock is wrong.
    #[must_use]
    pub fn is_skewed(&self) -> bool {
        let expired = self.message.as_deref().is_some_and(|text| text.starts_with("Signature "));
        self.code.as_deref().is_some_and(|code| SKEWED.contains(&code) || (expired && code.contains("Signature")))
    }

    /// Whether what was asked may have been done nevertheless: a service may fail after it, and a gateway before an answer.
    #[must_use]
    pub fn may_have_acted(&self) -> bool {
        !self.is_throttle() && self.response.status >= 500 && !matches!(self.response.status, 501 | 503 | 505)
    }

    /// What to do about a clock that is wrong.
    fn skew(&self) -> Option<String> {
        self.is_skewed().then(|| {
            let there = self.response.header("date").map_or_else(String::new, |date| format!(": at AWS it is {date}"));
            format!(" (hint: this machine's clock may be wrong{there})")
        })
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, "{code}: {message}")?,
            (Some(code), None) => f.write_str(code)?,
            (None, Some(message)) => write!(f, "status {}: {message}", self.response.status)?,
            (None, None) => {
                let text = self.response.text();
                let begin: String = text.trim().chars().take(QUOTED).collect();
                let colon = if begin.is_empty() { "" } else { ": " };
                write!(f, "status {}{colon}{begin}", self.response.status)?;
            }
        }
        f.write_str(&self.skew().unwrap_or_default())
    }
}

/// Code and message in JSON: the code stands in the body or in a header, with a namespace before it or an address after it.
fn of_json(response: &Response) -> (Option<String>, Option<String>) {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let text = |names: &[&str]| names.iter().find_map(|name| body.get(name)?.as_str().map(str::to_owned));
    let code = response.header("x-amzn-errortype").map(str::to_owned).or_else(|| text(&["__type", "code", "Code"]));
    let code = code.map(|code| {
        let code = code.split(':').next().unwrap_or_default();
        code.rsplit('#').next().unwrap_or_default().trim().to_owned()
    });
    (code, text(&["message", "Message", "errorMessage"]))
}

/// Code and message in XML, as the query protocol has them.
fn of_xml(response: &Response) -> (Option<String>, Option<String>) {
    let text = |name: &str| texts(&response.body, &["Error", name]).ok().and_then(|mut texts| texts.pop());
    (text("Code"), text("Message"))
}

fn texts(document: &[u8], path: &[&str]) -> Result<Vec<String>, String> {
    whole(document)?;
    let text = std::str::from_utf8(document).map_err(|error| error.to_string())?;
    let mut document = Document::new(text);
    let mut root = document.root_element().map_err(|error| error.to_string())?;
    let mut texts = Vec::new();
    descend(&mut root, path, &mut texts)?;
    Ok(texts)
}

fn descend(element: &mut ScopedDecoder<'_, '_>, path: &[&str], into: &mut Vec<String>) -> Result<(), String> {
    let Some((name, rest)) = path.split_first() else {
        into.push(try_data(element).map_err(|error| error.to_string())?.into_owned());
        return Ok(());
    };
    while let Some(mut inner) = element.next_tag() {
        if inner.start_el().matches(name) {
            descend(&mut inner, rest, into)?;
        }
    }
    Ok(())
}

fn tree(document: &[u8], containers: &[&str]) -> Result<Value, String> {
    whole(document)?;
    let text = std::str::from_utf8(document).map_err(|error| error.to_string())?;
    let mut document = Document::new(text);
    let mut root = document.root_element().map_err(|error| error.to_string())?;
    element(&mut root, "", containers)
}

fn element(element: &mut ScopedDecoder<'_, '_>, above: &str, containers: &[&str]) -> Result<Value, String> {
    let (mut members, mut object) = (Vec::new(), serde_json::Map::new());
    while let Some(mut inner) = element.next_tag() {
        let name = inner.start_el().local().to_owned();
        let holds_others =
            containers.iter().any(|one| *one == name || one.strip_suffix(&name) == Some(&format!("{above}/")));
        let value = if holds_others {
            self::element(&mut inner, &name, containers)?
        } else {
            Value::String(try_data(&mut inner).map_err(|error| error.to_string())?.into_owned())
        };
        match (name.as_str(), &value) {
            ("member", _) => members.push(value),
            ("entry", Value::Object(entry)) => {
                if let (Some(Value::String(key)), Some(value)) = (entry.get("key"), entry.get("value")) {
                    object.insert(key.clone(), value.clone());
                }
            }
            _ => drop(object.insert(name, value)),
        }
    }
    Ok(if object.is_empty() { Value::Array(members) } else { Value::Object(object) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Response { status, headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_refusal_has_its_code_and_message_in_every_protocol() {
        let json = [("x-amzn-errortype", "com.amazon.coral#MessageRejected:http://internal.amazon.com/")];
        for (status, headers, body, code, message) in [
            (
                400,
                &[][..],
                r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue\ndoes not exist."}"#,
                Some("QueueDoesNotExist"),
                Some("The specified queue does not exist."),
            ),
            (400, &json, r#"{"Message":"no"}"#, Some("MessageRejected"), Some("no")),
            (
                403,
                &[],
                "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type>\
                 <Code>AuthorizationError</Code><Message>not &lt;you&gt;</Message></Error><RequestId>1</RequestId></ErrorResponse>",
                Some("AuthorizationError"),
                Some("not <you>"),
            ),
            (502, &[], "<html><body>Bad Gateway</body></html>", None, None),
            (502, &[], "<ErrorResponse><Error><Code>AuthorizationErr", None, None),
            (500, &[], "", None, None),
            (500, &[], "[]", None, None),
            (400, &[], r#"{"__type":7,"message":""}"#, None, None),
        ] {
            let refusal = Refusal::new(response(status, headers, body));
            assert_eq!((refusal.code.as_deref(), refusal.message.as_deref()), (code, message), "{body}");
            assert!(!refusal.to_string().is_empty());
        }
        assert_eq!(Refusal::new(response(502, &[], " oh\n")).to_string(), "status 502: oh");
        let skewed =
            r#"{"__type":"InvalidSignatureException","message":"Signature expired: 20260101T000000Z is now earlier"}"#;
        let skewed = Refusal::new(response(403, &[("date", "Fri, 27 Nov 2026 12:00:00 GMT")], skewed)).to_string();
        assert!(skewed.ends_with("clock may be wrong: at AWS it is Fri, 27 Nov 2026 12:00:00 GMT)"), "{skewed}");
    }

    #[test]
    fn what_may_have_acted_and_what_may_succeed_later() {
        for (status, code, acted, throttle, transient) in [
            (400, "Throttling", false, true, true),
            (400, "ThrottlingException", false, true, true),
            (429, "", false, true, true),
            (503, "ThrottledException", false, true, true),
            (500, "KMSThrottlingException", false, true, true),
            (400, "ValidationException", false, false, false),
            (403, "AccessDeniedException", false, false, false),
            (403, "ExpiredToken", false, false, true),
            (500, "InternalFailure", true, false, true),
            (502, "", true, false, true),
            (503, "ServiceUnavailable", false, false, true),
            (504, "", true, false, true),
        ] {
            let refusal = Refusal::new(response(status, &[], &format!(r#"{{"__type":"{code}"}}"#)));
            let error = Error::Refused(Box::new(refusal));
            assert_eq!(
                (error.may_have_acted(), error.is_throttle(), error.is_transient()),
                (acted, throttle, transient),
                "{status} {code}"
            );
        }
        for (error, acted, transient) in [
            (Error::Unsigned(String::new()), false, false),
            (Error::NoCredentials(String::new()), false, true),
            (Error::Garbage(String::new()), true, true),
            (Error::Http(http::Error::Unknown(String::new())), true, true),
            (Error::Http(http::Error::NotSent(String::new())), false, true),
            (Error::Http(http::Error::Invalid(String::new())), false, false),
        ] {
            assert_eq!((error.may_have_acted(), error.is_transient()), (acted, transient), "{error:?}");
        }
    }

    #[test]
    fn a_document_becomes_json() {
        let text = "<R xmlns=\"u\"><Result>\n <Alarms>\n  <member><Name>a &amp; b</Name><Actions><member>x</member><member>y</member></Actions>\
            </member><member><Name/><Actions/></member></Alarms><Attributes><entry><key>K</key><value>{}</value></entry></Attributes>\
            </Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></R>";
        let containers =
            ["Result", "Alarms", "Alarms/member", "Actions", "Attributes", "Attributes/entry", "ResponseMetadata"];
        let answer = Answer::new(response(200, &[], text));
        assert_eq!(
            answer.tree(&containers).unwrap(),
            serde_json::json!({
                "Result": {
                    "Alarms": [{"Name": "a & b", "Actions": ["x", "y"]}, {"Name": "", "Actions": []}],
                    "Attributes": {"K": "{}"}
                },
                "ResponseMetadata": {"RequestId": "1"}
            })
        );
        assert!(Answer::new(response(200, &[], &text[..80])).tree(&containers).is_err());
    }

    #[test]
    fn texts_are_found_by_their_path_in_whole_documents_alone() {
        let text = "<GetTopicAttributesResponse xmlns=\"u\"><GetTopicAttributesResult><Attributes>\
            <entry><key>Owner</key><value>111122223333</value></entry><entry><key>A&amp;B</key><value/></entry>\
            </Attributes></GetTopicAttributesResult></GetTopicAttributesResponse>";
        let answer = Answer::new(response(200, &[("x-amzn-requestid", "1")], text));
        let at = |name: &'static str| ["GetTopicAttributesResult", "Attributes", "entry", name];
        assert_eq!(answer.texts(&at("key")).unwrap(), ["Owner", "A&B"]);
        assert_eq!(answer.texts(&at("value")).unwrap(), ["111122223333", ""]);
        assert_eq!(answer.texts(&["Nothing"]).unwrap(), [""; 0]);
        assert_eq!(answer.request_id(), Some("1"));
        assert!(answer.text(&["Nothing"]).is_err_and(|error| error.may_have_acted()));
        assert!(answer.json::<Value>().is_err());
        for cut in ["", "{}", "<GetTopic", &text[..text.len() - 1], &text[..60], "<a><b></a>\u{0}"] {
            let answer = Answer::new(response(200, &[], cut));
            assert!(answer.text(&at("key")).is_err_and(|error| error.may_have_acted()), "{cut}");
        }
    }
}
