//! Amazon SQS, and the bucket that its messages are about: queues by JSON 1.0, objects by `ListObjectsV2` and `GetObject`.
//!
//! As strict as SQS about the numbers in a call; receipts are good until the next receiving; a message comes back when it was hidden for
//! long enough, and goes to the dead letters after as many receives as the queue says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::{Answer, Api, Request};

#[derive(Debug, Clone)]
pub struct Message {
    pub id: u64,
    pub body: String,
    pub receives: u32,
    sent: i64,
    shown: Instant,
}

/// Makes the n-th message of a backlog.
type Backlog = Box<dyn FnMut(u64) -> String + Send>;

pub struct Sqs {
    /// After how many receives a message is a dead letter.
    pub redrive: Option<u32>,
    /// Actions that are refused.
    pub denied: BTreeSet<&'static str>,
    /// How many of the next deletions fail, one in each call.
    pub undeleted: usize,
    /// In the order in which they come.
    waiting: VecDeque<Message>,
    hidden: BTreeMap<u64, Message>,
    pub dead: Vec<Message>,
    /// The bodies of messages that were deleted, if they are kept.
    pub deleted: Option<Vec<String>>,
    pub deletions: u64,
    pub objects: BTreeMap<String, (String, u32)>,
    next: u64,
    backlog: Option<(u64, Backlog)>,
}

pub const QUEUE: &str = "/111122223333/mfatrail";
pub const BUCKET: &str = "trail-bucket";

impl Sqs {
    pub fn new() -> Self {
        Self {
            redrive: Some(5),
            denied: BTreeSet::new(),
            undeleted: 0,
            waiting: VecDeque::new(),
            hidden: BTreeMap::new(),
            dead: Vec::new(),
            deleted: Some(Vec::new()),
            deletions: 0,
            objects: BTreeMap::new(),
            next: 0,
            backlog: None,
        }
    }

    pub fn send(&mut self, body: impl Into<String>) {
        let sent = i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        self.next += 1;
        self.waiting.push_back(Message { id: self.next, body: body.into(), receives: 0, sent, shown: Instant::now() });
    }

    /// Has so many messages waiting, each of which is made when it is received.
    pub fn owe(&mut self, count: u64, make: impl FnMut(u64) -> String + Send + 'static) {
        self.backlog = Some((count, Box::new(make)));
    }

    /// Writes an object, or another one in its place.
    pub fn put(&mut self, key: &str, text: impl Into<String>) {
        let version = self.objects.get(key).map_or(0, |(_, version)| version + 1);
        self.objects.insert(key.to_owned(), (text.into(), version));
    }

    /// How many messages there are, hidden ones included.
    pub fn left(&self) -> u64 {
        (self.waiting.len() + self.hidden.len()) as u64 + self.backlog.as_ref().map_or(0, |(count, _)| *count)
    }

    /// Shows what is hidden again.
    pub fn show(&mut self) {
        self.hidden.values_mut().for_each(|message| message.shown = Instant::now());
    }

    fn receive(&mut self, body: &Value) -> Value {
        let now = Instant::now();
        let back: Vec<u64> = self.hidden.values().filter(|one| one.shown <= now).map(|one| one.id).collect();
        for id in back {
            let message = self.hidden.remove(&id).unwrap();
            if self.redrive.is_some_and(|most| message.receives >= most) {
                self.dead.push(message);
            } else {
                self.waiting.push_back(message);
            }
        }
        let most = body["MaxNumberOfMessages"].as_u64().unwrap();
        let hidden = Duration::from_secs(body["VisibilityTimeout"].as_u64().unwrap());
        let mut messages = Vec::new();
        for _ in 0..most {
            if self.waiting.is_empty()
                && let Some((count, make)) = self.backlog.as_mut().filter(|(count, _)| *count > 0)
            {
                *count -= 1;
                let body = make(*count);
                self.send(body);
            }
            let Some(mut message) = self.waiting.pop_front() else { break };
            message.receives += 1;
            message.shown = now + hidden;
            messages.push(json!({
                "MessageId": format!("message-{}", message.id),
                "ReceiptHandle": format!("{}#{}", message.id, message.receives),
                "MD5OfBody": "",
                "Body": message.body,
                "Attributes": {"ApproximateReceiveCount": message.receives.to_string(), "SentTimestamp": message.sent.to_string()},
            }));
            self.hidden.insert(message.id, message);
        }
        if messages.is_empty() {
            // The longest that others wait for this.
            std::thread::sleep(Duration::from_millis(5));
            return json!({});
        }
        json!({"Messages": messages})
    }

    /// Whose receipt it is, if it is good.
    fn of(&self, receipt: &str) -> Option<u64> {
        let (id, receives) = receipt.split_once('#')?;
        let id = id.parse().ok()?;
        let message = self.hidden.get(&id)?;
        (message.receives.to_string() == receives).then_some(id)
    }

    fn batch(&mut self, body: &Value, mut act: impl FnMut(&mut Self, u64, &Value) -> bool) -> Answer {
        let entries = body["Entries"].as_array().unwrap();
        assert!((1..=10).contains(&entries.len()), "{body}");
        let ids: BTreeSet<&str> = entries.iter().map(|entry| entry["Id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), entries.len(), "{body}");
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            let id = &entry["Id"];
            match self.of(entry["ReceiptHandle"].as_str().unwrap()) {
                None => failed.push(json!({"Id": id, "SenderFault": true, "Code": "ReceiptHandleIsInvalid"})),
                Some(message) if act(self, message, entry) => successful.push(json!({"Id": id})),
                Some(_) => failed.push(json!({"Id": id, "SenderFault": false, "Code": "InternalError"})),
            }
        }
        Answer::json(200, &json!({"Successful": successful, "Failed": failed}))
    }

    fn queue(&mut self, request: &Request) -> Answer {
        let action = request.header("x-amz-target").strip_prefix("AmazonSQS.").unwrap().to_owned();
        assert!(request.header("authorization").contains("/sqs/aws4_request"), "{request:?}");
        assert_eq!(request.header("content-type"), "application/x-amz-json-1.0");
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let refused = |code: &str, text: &str| {
            Answer::json(400, &json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": text}))
        };
        if !body["QueueUrl"].as_str().unwrap().ends_with(QUEUE) {
            return refused("QueueDoesNotExist", "The specified queue does not exist.");
        }
        if self.denied.contains(action.as_str()) {
            return refused(
                "AccessDeniedException",
                &format!("no identity-based policy allows the sqs:{action} action"),
            );
        }
        match action.as_str() {
            "GetQueueAttributes" => {
                let policy = |most: u32| {
                    json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:111122223333:dead", "maxReceiveCount": most})
                        .to_string()
                };
                let mut attributes = json!({"VisibilityTimeout": "30"});
                if let Some(most) = self.redrive {
                    attributes["RedrivePolicy"] = json!(policy(most));
                }
                Answer::json(200, &json!({"Attributes": attributes}))
            }
            "ReceiveMessage" => {
                assert!((1..=10).contains(&body["MaxNumberOfMessages"].as_u64().unwrap()));
                assert!(body["WaitTimeSeconds"].as_u64().unwrap() <= 20);
                Answer::json(200, &self.receive(&body))
            }
            "DeleteMessageBatch" => self.batch(&body, |own, id, _| {
                if own.undeleted > 0 {
                    own.undeleted -= 1;
                    return false;
                }
                let message = own.hidden.remove(&id).unwrap();
                own.deletions += 1;
                own.deleted.iter_mut().for_each(|deleted| deleted.push(message.body.clone()));
                true
            }),
            "ChangeMessageVisibilityBatch" => self.batch(&body, |own, id, entry| {
                let hidden = entry["VisibilityTimeout"].as_u64().unwrap();
                assert!(hidden <= 43_200);
                let shown = Instant::now() + Duration::from_secs(hidden);
                own.hidden.get_mut(&id).unwrap().shown = shown;
                true
            }),
            other => panic!("{other}"),
        }
    }

    fn bucket(&self, request: &Request) -> Answer {
        let path = crate::support::percent::decode(&request.path);
        let rest = path.strip_prefix('/').unwrap();
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let xml = |status, body: String| Answer {
            status,
            headers: vec![("Content-Type", "application/xml".to_owned())],
            body,
        };
        if bucket != BUCKET {
            return xml(404, "<Error><Code>NoSuchBucket</Code><Message>no such bucket</Message></Error>".to_owned());
        }
        let tag = |(text, version): &(String, u32)| format!("\"{}-{version}\"", text.len());
        if let Some(prefix) = request.query.get("prefix").filter(|_| key.is_empty()) {
            let found: Vec<_> =
                self.objects.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(prefix)).take(1).collect();
            let mut body = format!(
                "<ListBucketResult><Name>{BUCKET}</Name><KeyCount>{}</KeyCount><MaxKeys>1</MaxKeys><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>",
                found.len()
            );
            for (key, object) in found {
                let _ = write!(
                    body,
                    "<Contents><Key>{}</Key><LastModified>2026-11-01T10:00:00.000Z</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
                    form(key),
                    tag(object).replace('"', "&quot;"),
                    object.0.len()
                );
            }
            return xml(200, format!("{body}</ListBucketResult>"));
        }
        match self.objects.get(key) {
            None => xml(404, "<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>".to_owned()),
            Some(object) if !request.header("if-match").is_empty() && request.header("if-match") != tag(object) => {
                xml(412, "<Error><Code>PreconditionFailed</Code><Message>other</Message></Error>".to_owned())
            }
            Some(object) => Answer { status: 200, headers: vec![("ETag", tag(object))], body: object.0.clone() },
        }
    }
}

impl Api for Sqs {
    fn answer(&mut self, request: &Request) -> Answer {
        if request.method == "POST" && request.path == "/" { self.queue(request) } else { self.bucket(request) }
    }
}

/// As S3 writes keys in notifications and pages.
pub fn form(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.*".contains(&byte);
    let one = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    key.bytes().map(one).collect()
}
