//! What a message of a queue says, told by its shape: whoever set the queue up is not asked.
//!
//! | shape | from | keys |
//! | --- | --- | --- |
//! | `{"Records":[{"eventSource":"aws:s3", …}]}` | S3's notifications | as in a form: `+` is a space, `%XX` a byte |
//! | `{"detail-type":"Object Created","source":"aws.s3","detail":{…}}` | EventBridge, of S3 | as they are |
//! | `{"s3Bucket":"…","s3ObjectKey":["…"]}` | CloudTrail's own notices | as they are |
//! | `{"detail-type":"AWS API Call via CloudTrail","detail":{…}}` and its kin | EventBridge: the record itself | |
//! | a record, a list of them, `{"Records":[record]}` | EventBridge with an `InputPath` | |
//! | `{"Type":"Notification","Message":"…"}` | SNS, around any of these | |
//! | `{"Service":"Amazon S3","Event":"s3:TestEvent"}` | S3, when a notification is set up | |
//!
//! Texts in texts are taken out three deep. Nothing is followed: no address in a message is ever asked.
//!
//! Sources: the user guides of S3 ("Event message structure", "Using EventBridge"), CloudTrail ("Configuring Amazon SNS notifications"),
//! EventBridge ("Events delivered via CloudTrail") and SNS ("HTTP/HTTPS notification JSON format").

use chrono::DateTime;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::source::{KeyInfo, Product};

/// How deep texts may lie in texts.
const DEEPEST: usize = 3;
/// The longest key, in bytes: S3 has 1024, some of its likes allow more.
const LONGEST_KEY: usize = 4 << 10;
/// What CloudTrail sends to a topic when a trail is told of it; it is no JSON.
const VALIDATION: &str = "CloudTrail validation message.";

/// One thing that a message says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// An object that was written. What it is now, a listing tells: a message may be old.
    Object {
        /// The bucket.
        bucket: String,
        /// The key, decoded.
        key: String,
    },
    /// One record of CloudTrail, as it was written.
    Record(String),
    /// A trial of whoever set the queue up.
    Test,
    /// Something else that is understood, and of which nothing follows.
    Beside(String),
    /// What is not understood, and why.
    Unrecognized(String),
}

/// What a message says; at least one thing.
#[must_use]
pub fn notices(body: &str) -> Vec<Notice> {
    let mut notices = Vec::new();
    take(body, 0, &mut notices);
    notices
}

/// The keys by which shapes are told apart. What they hold is looked at when it is known whose it is.
#[derive(Debug, Default, Deserialize)]
struct Shape<'b> {
    #[serde(borrow, default, rename = "Type")]
    kind: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "Message")]
    message: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "detail-type")]
    detail_type: Option<&'b RawValue>,
    #[serde(borrow, default)]
    source: Option<&'b RawValue>,
    #[serde(borrow, default)]
    detail: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "Records")]
    records: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "Service")]
    service: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "Event")]
    event: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "s3Bucket")]
    bucket: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "s3ObjectKey")]
    keys: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "eventSource")]
    event_source: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "eventName")]
    event_name: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "eventTime")]
    event_time: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "eventID")]
    event_id: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "eventVersion")]
    event_version: Option<&'b RawValue>,
    #[serde(borrow, default)]
    s3: Option<&'b RawValue>,
}

/// A value that is a text; `None` for any other.
fn text(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

fn take(body: &str, depth: usize, notices: &mut Vec<Notice>) {
    let body = body.trim_start_matches('\u{feff}').trim();
    match body.as_bytes().first() {
        Some(b'{') => match serde_json::from_str(body) {
            Ok(shape) => object(body, &shape, depth, notices),
            Err(error) => notices.push(Notice::Unrecognized(format!("it is not JSON: {error}"))),
        },
        Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(body) {
            Ok(parts) if !parts.is_empty() => parts.iter().for_each(|part| inner(part.get(), depth, notices)),
            Ok(_) => notices.push(Notice::Unrecognized("it is an empty list".to_owned())),
            Err(error) => notices.push(Notice::Unrecognized(format!("it is not JSON: {error}"))),
        },
        Some(b'"') => match serde_json::from_str::<String>(body) {
            Ok(text) => inner(&text, depth, notices),
            Err(error) => notices.push(Notice::Unrecognized(format!("it is not JSON: {error}"))),
        },
        _ if body == VALIDATION => notices.push(Notice::Test),
        _ => notices.push(Notice::Unrecognized("it is not JSON".to_owned())),
    }
}

/// What lies one deeper.
fn inner(body: &str, depth: usize, notices: &mut Vec<Notice>) {
    if depth < DEEPEST {
        take(body, depth + 1, notices);
    } else {
        notices.push(Notice::Unrecognized(format!("what it says lies more than {DEEPEST} deep")));
    }
}

fn object(body: &str, shape: &Shape<'_>, depth: usize, notices: &mut Vec<Notice>) {
    let notice = match shape {
        Shape { kind: Some(kind), message: Some(message), .. } => match text(Some(kind)).as_deref() {
            Some("Notification") => match text(Some(message)) {
                Some(message) => return inner(&message, depth, notices),
                None => Notice::Unrecognized("an SNS notification whose `Message` is not text".to_owned()),
            },
            // Whoever sent it wants an address to be asked.
            kind => Notice::Unrecognized(format!("a message of SNS of the type `{}`", kind.unwrap_or("?"))),
        },
        Shape { detail_type: Some(_), detail: Some(detail), .. } => event(shape, detail),
        Shape { records: Some(records), .. } => return list(records, notices),
        Shape { service: Some(_), event: Some(event), .. } => match text(Some(event)).as_deref() {
            Some("s3:TestEvent") => Notice::Test,
            event => Notice::Unrecognized(format!("a message of a service about `{}`", event.unwrap_or("?"))),
        },
        Shape { bucket: Some(bucket), keys: Some(keys), .. } => return trail(bucket, keys, notices),
        _ => record(body, shape),
    };
    notices.push(notice);
}

/// An event of EventBridge.
fn event(shape: &Shape<'_>, detail: &RawValue) -> Notice {
    #[derive(Deserialize)]
    struct Created {
        bucket: Bucket,
        object: Object,
    }
    let (kind, source) = (text(shape.detail_type).unwrap_or_default(), text(shape.source).unwrap_or_default());
    // Whoever may put events of their own on a bus chooses their types, and never a source of AWS.
    if !source.starts_with("aws.") {
        return Notice::Unrecognized(format!("an event of EventBridge from `{source}`, which is not AWS"));
    }
    if kind == "Object Created" && source == "aws.s3" {
        return match serde_json::from_str::<Created>(detail.get()) {
            Ok(Created { bucket, object }) => written(bucket.name, object.key),
            Err(error) => Notice::Unrecognized(format!("an event of S3 without a bucket and a key: {error}")),
        };
    }
    if kind.ends_with(" via CloudTrail") {
        return match serde_json::from_str(detail.get()) {
            Ok(shape) => record(detail.get(), &shape),
            Err(error) => Notice::Unrecognized(format!("the detail of the event is not a record: {error}")),
        };
    }
    match source.as_str() {
        "aws.s3" => Notice::Beside(format!("an event of S3 of the type `{kind}`")),
        _ => Notice::Unrecognized(format!("an event of EventBridge of the type `{kind}` from `{source}`")),
    }
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

/// What S3 tells, or records of CloudTrail.
fn list(records: &RawValue, notices: &mut Vec<Notice>) {
    let records = match serde_json::from_str::<Vec<&RawValue>>(records.get()) {
        Ok(records) if !records.is_empty() => records,
        Ok(_) => return notices.push(Notice::Unrecognized("its `Records` are empty".to_owned())),
        Err(error) => return notices.push(Notice::Unrecognized(format!("its `Records` are no list: {error}"))),
    };
    notices.extend(records.into_iter().map(|one| match serde_json::from_str::<Shape<'_>>(one.get()) {
        Ok(shape) if shape.s3.is_some() => notification(&shape),
        Ok(shape) => record(one.get(), &shape),
        Err(error) => Notice::Unrecognized(format!("one of its `Records` is not an object: {error}")),
    }));
}

/// One event of S3's notifications.
fn notification(shape: &Shape<'_>) -> Notice {
    #[derive(Deserialize)]
    struct Entity {
        bucket: Bucket,
        object: Object,
    }
    let name = text(shape.event_name).unwrap_or_default();
    let version = text(shape.event_version).unwrap_or_default();
    if !version.starts_with("2.") {
        return Notice::Unrecognized(format!("a notification of S3 in version `{version}`; 2.x is known"));
    }
    if !name.starts_with("ObjectCreated:") {
        return Notice::Beside(format!("a notification of S3 about `{name}`"));
    }
    match shape.s3.map(|s3| serde_json::from_str::<Entity>(s3.get())) {
        Some(Ok(Entity { bucket, object })) => match decoded(&object.key) {
            Some(key) => written(bucket.name, key),
            None => Notice::Unrecognized("the key in a notification of S3 is not UTF-8".to_owned()),
        },
        _ => Notice::Unrecognized("a notification of S3 without a bucket and a key".to_owned()),
    }
}

/// CloudTrail's own notice.
fn trail(bucket: &RawValue, keys: &RawValue, notices: &mut Vec<Notice>) {
    let keys = serde_json::from_str::<Vec<String>>(keys.get()).ok().or_else(|| Some(vec![text(Some(keys))?]));
    match (text(Some(bucket)), keys) {
        (Some(bucket), Some(keys)) if !keys.is_empty() => {
            notices.extend(keys.into_iter().map(|key| written(bucket.clone(), key)));
        }
        _ => notices.push(Notice::Unrecognized("a notice of CloudTrail without a bucket and keys".to_owned())),
    }
}

/// An object that was written.
fn written(bucket: String, key: String) -> Notice {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if bucket.is_empty() || bucket.len() > 255 || !bucket.chars().all(is_name) {
        return Notice::Unrecognized("its bucket name is not a valid one".to_owned());
    }
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Notice::Unrecognized(format!("a key of {} bytes", key.len()));
    }
    match KeyInfo::parse(&key).product {
        Product::Log | Product::Stray => Notice::Object { bucket, key },
        product => Notice::Beside(format!("an object that is not a log ({product:?})")),
    }
}

/// A record of CloudTrail.
fn record(body: &str, shape: &Shape<'_>) -> Notice {
    let parts = [shape.event_source, shape.event_name, shape.event_id].map(text);
    let time = text(shape.event_time).filter(|time| DateTime::parse_from_rfc3339(time).is_ok());
    if parts.iter().all(|part| part.as_ref().is_some_and(|part| !part.is_empty())) && time.is_some() {
        Notice::Record(body.to_owned())
    } else {
        Notice::Unrecognized("it is of no shape that is known".to_owned())
    }
}

/// A key as forms have it; what is no escape stays as it is. `None` where it is not UTF-8.
fn decoded(key: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escape = after.get(..2).filter(|_| *first == b'%');
        let byte = escape.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        // A sign would be taken for a number's.
        match byte.filter(|_| after.first().is_some_and(u8::is_ascii_hexdigit)) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const KEY: &str = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/05/111122223333_CloudTrail_us-east-1_20261005T0800Z_a+b c.json.gz";

    /// As S3 writes keys into notifications.
    fn form(key: &str) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.*".contains(&byte);
        let one = |byte: u8| match byte {
            b' ' => "+".to_owned(),
            byte if plain(byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        };
        key.bytes().map(one).collect()
    }

    fn s3(key: &str) -> Value {
        json!({"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {
            "s3SchemaVersion": "1.0", "bucket": {"name": "trail-bucket", "arn": "arn:aws:s3:::trail-bucket"},
            "object": {"key": form(key), "size": 1024, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": "0055AED6DCD90281E5"}}})
    }

    fn bridge(kind: &str, source: &str, detail: &Value) -> Value {
        json!({"version": "0", "id": "1", "detail-type": kind, "source": source, "account": "111122223333",
            "time": "2026-10-05T08:00:00Z", "region": "us-east-1", "resources": [], "detail": detail})
    }

    fn created(key: &str) -> Value {
        let detail = json!({"version": "0", "bucket": {"name": "trail-bucket"}, "reason": "PutObject",
            "object": {"key": key, "size": 5, "etag": "b", "sequencer": "00"}});
        bridge("Object Created", "aws.s3", &detail)
    }

    fn trail(keys: &[&str]) -> Value {
        json!({"s3Bucket": "trail-bucket", "s3ObjectKey": keys})
    }

    fn cloudtrail(id: &str) -> Value {
        json!({"eventVersion": "1.11", "eventTime": "2026-10-05T08:00:00Z", "eventSource": "iam.amazonaws.com",
            "eventName": "DeactivateMFADevice", "eventID": id, "recipientAccountId": "111122223333"})
    }

    fn sns(message: &str) -> Value {
        json!({"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:us-east-1:111122223333:t", "Message": message,
            "Timestamp": "2026-10-05T08:00:00.000Z", "SignatureVersion": "1", "Signature": "x",
            "SigningCertURL": "https://example.com/x", "UnsubscribeURL": "https://example.com/y"})
    }

    fn written(key: &str) -> Notice {
        Notice::Object { bucket: "trail-bucket".to_owned(), key: key.to_owned() }
    }

    /// The body bare, in a text, and in one to three envelopes of SNS.
    fn wrapped(body: &str) -> [String; 5] {
        let one = sns(body).to_string();
        let two = sns(&one).to_string();
        [body.to_owned(), json!(body).to_string(), one, two.clone(), sns(&two).to_string()]
    }

    #[test]
    fn every_envelope_is_told_in_every_wrapping() {
        let record = |id: &str| Notice::Record(cloudtrail(id).to_string());
        let both = json!({"Records": [s3(KEY), s3("a"), cloudtrail("1")]});
        for (body, expected) in [
            (json!({"Records": [s3(KEY)]}).to_string(), vec![written(KEY)]),
            (both.to_string(), vec![written(KEY), written("a"), record("1")]),
            (created(KEY).to_string(), vec![written(KEY)]),
            (created("a%20b+c").to_string(), vec![written("a%20b+c")]),
            (trail(&[KEY, "b"]).to_string(), vec![written(KEY), written("b")]),
            (json!({"s3Bucket": "trail-bucket", "s3ObjectKey": "b"}).to_string(), vec![written("b")]),
            (bridge("AWS API Call via CloudTrail", "aws.iam", &cloudtrail("2")).to_string(), vec![record("2")]),
            (
                bridge("AWS Console Sign In via CloudTrail", "aws.signin", &cloudtrail("3")).to_string(),
                vec![record("3")],
            ),
            (
                bridge("AWS Console Signin via CloudTrail", "aws.signin", &cloudtrail("3")).to_string(),
                vec![record("3")],
            ),
            (bridge("AWS Service Event via CloudTrail", "aws.sso", &cloudtrail("4")).to_string(), vec![record("4")]),
            (cloudtrail("5").to_string(), vec![record("5")]),
            (json!({"Records": [cloudtrail("6"), cloudtrail("7")]}).to_string(), vec![record("6"), record("7")]),
            (
                json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "x", "Bucket": "b"}).to_string(),
                vec![Notice::Test],
            ),
            (VALIDATION.to_owned(), vec![Notice::Test]),
        ] {
            for text in wrapped(&body) {
                assert_eq!(notices(&text), expected, "{text}");
            }
        }
        let list = json!([cloudtrail("8"), created("c")]).to_string();
        assert_eq!(notices(&list), [record("8"), written("c")]);
    }

    #[test]
    fn a_record_is_handed_on_byte_by_byte() {
        let record = "{ \"eventID\":\"1\",\"eventName\":\"A\",\"eventSource\":\"b\", \"eventTime\":\"2026-10-05T08:00:00Z\",\"n\":12345678901234567890123}";
        let body =
            format!("{{\"source\":\"aws.iam\",\"detail\": {record},\"detail-type\":\"AWS API Call via CloudTrail\"}}");
        assert_eq!(notices(&body), [Notice::Record(record.to_owned())]);
    }

    #[test]
    fn what_is_no_log_and_what_follows_from_nothing_is_beside() {
        let digest = KEY.replace("/CloudTrail/", "/CloudTrail-Digest/");
        let mut removed = s3(KEY);
        removed["eventName"] = json!("ObjectRemoved:Delete");
        for body in [
            json!({"Records": [s3(&digest)]}),
            trail(&[&digest]),
            created("AWSLogs/111122223333/Config/us-east-1/2026/10/5/ConfigSnapshot/a.json.gz"),
            json!({"Records": [removed]}),
            bridge("Object Deleted", "aws.s3", &json!({})),
        ] {
            let found = notices(&body.to_string());
            assert!(matches!(found.as_slice(), [Notice::Beside(_)]), "{body}: {found:?}");
        }
    }

    #[test]
    fn what_is_not_understood_says_why() {
        let mut newer = s3(KEY);
        newer["eventVersion"] = json!("3.0");
        let deep = sns(&sns(&sns(&sns(&trail(&["a"]).to_string()).to_string()).to_string()).to_string()).to_string();
        let confirm = json!({"Type": "SubscriptionConfirmation", "Message": "x", "SubscribeURL": "https://192.0.2.1/"});
        for (body, why) in [
            (String::new(), "not JSON"),
            ("hello".to_owned(), "not JSON"),
            ("{".to_owned(), "not JSON"),
            ("\"".to_owned(), "not JSON"),
            ("[]".to_owned(), "an empty list"),
            ("[1]".to_owned(), "not JSON"),
            ("{}".to_owned(), "no shape"),
            ("{\"Records\":[],\"Records\":[]}".to_owned(), "duplicate field"),
            (json!({"Records": []}).to_string(), "empty"),
            (json!({"Records": {}}).to_string(), "no list"),
            (json!({"Records": [7]}).to_string(), "not an object"),
            (json!({"Records": [{"s3": 1, "eventVersion": "2.0", "eventName": "ObjectCreated:Put"}]}).to_string(), "without a bucket"),
            (json!({"Records": [newer]}).to_string(), "version `3.0`"),
            (json!({"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "%FF"}}, "eventVersion": "2.0", "eventName": "ObjectCreated:Put"}]}).to_string(), "not UTF-8"),
            (trail(&[]).to_string(), "without a bucket and keys"),
            (trail(&[""]).to_string(), "a key of 0 bytes"),
            (trail(&[&"a".repeat(5000)]).to_string(), "a key of 5000 bytes"),
            (json!({"s3Bucket": "a/../b", "s3ObjectKey": ["k"]}).to_string(), "its bucket name is not a valid one"),
            (json!({"s3Bucket": 7, "s3ObjectKey": ["k"]}).to_string(), "without a bucket"),
            (deep, "more than 3 deep"),
            (confirm.to_string(), "`SubscriptionConfirmation`"),
            (bridge("AWS API Call via CloudTrail", "mine", &cloudtrail("1")).to_string(), "which is not AWS"),
            (bridge("AWS API Call via CloudTrail", "aws.iam", &json!([])).to_string(), "no shape"),
            (bridge("AWS API Call via CloudTrail", "aws.iam", &json!({"eventID": "1"})).to_string(), "no shape"),
            (bridge("Scheduled Event", "aws.events", &json!({})).to_string(), "type `Scheduled Event`"),
            (json!({"Service": "Amazon S3", "Event": "s3:Other"}).to_string(), "`s3:Other`"),
            ("[".repeat(100_000), "not JSON"),
        ] {
            let found = notices(&body);
            let told = found.iter().any(|one| matches!(one, Notice::Unrecognized(reason) if reason.contains(why)));
            assert!(told && !found.iter().any(|one| matches!(one, Notice::Object { .. })), "{body}: {found:?}");
        }
    }

    proptest! {
        /// What S3 writes is read, whatever the key is; nothing that is not understood is left out in silence.
        #[test]
        fn keys_come_back_and_nothing_is_swallowed(key in "\\PC{1,60}", body in "\\PC{0,200}", depth in 0..4_usize) {
            let mut text = json!({"Records": [s3(&key)]}).to_string();
            let mut bare = trail(&[&key]).to_string();
            for _ in 0..depth {
                text = sns(&text).to_string();
                bare = sns(&bare).to_string();
            }
            prop_assert_eq!(notices(&text), notices(&bare));
            prop_assert!(!notices(&body).is_empty());
            prop_assert_eq!(decoded(&form(&key)), Some(key));
        }
    }
}
