//! A queue of Amazon SQS.
//!
//! A message that was received is hidden from others for a time, and comes back when that is over: whoever needs longer says so
//! ([`Queue::hide`]), and whoever is done deletes it. Both name a receipt, which every receiving makes anew. Calls for several messages
//! are answered with 200 even where some of them failed.
//!
//! Source: the API's model (`sqs/2012-11-05/service-2.json`), and the developer guide.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper::Uri;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::aws::Connection;
use crate::aws::signed::{self, Caller, Error};

/// How many messages one call is about, at most.
pub const MOST: usize = 10;
/// The longest time that a message can be hidden, from its receiving on.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// Where a queue is, as a configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Its URL.
    pub url: String,
    /// Its region; `None` for that of the URL.
    pub region: Option<String>,
    /// Where SQS is asked; `None` for the host of the URL.
    pub endpoint: Option<String>,
}

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id, the same at every receiving.
    pub id: String,
    /// By which it is deleted or hidden.
    pub receipt: String,
    /// What it says.
    pub body: String,
    /// How often it was received, this time included; `None` where the queue does not tell.
    pub receives: Option<u32>,
    /// When it was sent.
    pub sent: Option<DateTime<Utc>>,
}

/// What is set for a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// After how many receives a message goes to a dead-letter queue; `None` where there is none.
    pub redrive: Option<u32>,
}

/// One message of a call that failed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Its place in the call.
    pub index: usize,
    /// SQS' code.
    pub code: String,
    /// Whether the same call would fail again.
    pub permanent: bool,
}

/// A queue, and who calls it.
#[derive(Debug)]
pub struct Queue {
    caller: Caller,
    url: String,
}

impl Place {
    /// The host and the region that the URL says, if it is AWS's own.
    fn host(&self) -> Option<(String, Option<String>)> {
        let uri: Uri = self.url.parse().ok()?;
        let host = uri.host()?.to_lowercase();
        let labels: Vec<&str> = host.split('.').collect();
        let region = match labels.as_slice() {
            // sqs.eu-west-1.amazonaws.com, and an endpoint of a VPC: vpce-0a-b.sqs.eu-west-1.vpce.amazonaws.com
            ["sqs" | "sqs-fips", region, ..] | [_, "sqs", region, ..] => Some((*region).to_owned()),
            // The legacy hosts: eu-west-1.queue.amazonaws.com, queue.amazonaws.com
            [region, "queue", "amazonaws", ..] => Some((*region).to_owned()),
            ["queue", "amazonaws", ..] => Some("us-east-1".to_owned()),
            _ => None,
        };
        let region = region.filter(|_| labels.len() > 3 || labels.first() == Some(&"queue"));
        Some((host, region))
    }

    /// Why requests cannot be sent there.
    ///
    /// # Errors
    /// In words, with a hint.
    pub fn check(&self) -> Result<(), String> {
        for address in std::iter::once(&self.url).chain(&self.endpoint) {
            let uri: Uri =
                address.parse().map_err(|_bad| format!("`{address}` is not an address (hint: https://HOST/…)"))?;
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
            let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|one| one.is_loopback());
            match uri.scheme_str() {
                Some("https") if !host.is_empty() => {}
                Some("http") if local => {}
                _ => return Err(format!("`{address}` is not https (hint: https://HOST/…)")),
            }
            if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
                return Err("a password does not stand in an address (hint: leave out what is before `@`)".to_owned());
            }
        }
        let is_queue = self.url.parse::<Uri>().is_ok_and(|uri| uri.path().len() > 1 && !uri.path().ends_with('/'));
        if is_queue {
            Ok(())
        } else {
            Err("its path names no queue (hint: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME)".to_owned())
        }
    }

    /// Its region, where it is known.
    #[must_use]
    pub fn region(&self) -> Option<String> {
        self.region.clone().or_else(|| self.host()?.1)
    }

    /// The account that its URL names.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        let account = self.url.rsplit('/').nth(1)?;
        (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())).then_some(account)
    }

    /// The queue's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }
}

impl Queue {
    /// A caller of its own; nobody is called.
    ///
    /// # Errors
    /// Where nobody can be called.
    pub fn open(connection: &Connection, place: &Place, deadline: Duration) -> Result<Self, String> {
        let (host, region) = place.host().ok_or_else(|| format!("`{}` is not an address", place.url))?;
        let own = Connection { region: place.region().or_else(|| connection.region.clone()), ..connection.clone() };
        let caller = Caller::open(&own, deadline)?;
        let origin = || {
            let (scheme, _) = place.url.split_once("://")?;
            let authority = place.url.parse::<Uri>().ok()?.authority()?.to_string();
            Some(format!("{scheme}://{authority}"))
        };
        // An ordinary host is that of the region, and what the environment says of its endpoint holds.
        let ordinary = region.is_some_and(|region| host.starts_with(&format!("sqs.{region}.")));
        let endpoint = place.endpoint.clone().or_else(|| origin().filter(|_| !ordinary));
        let caller = match endpoint {
            Some(endpoint) => caller.with(signed::SQS.service, &endpoint),
            None => caller,
        };
        Ok(Self { caller, url: place.url.clone() })
    }

    /// What is set for it.
    ///
    /// # Errors
    /// When there is no answer of 2xx.
    pub fn attributes(&self) -> Result<Attributes, Error> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "Attributes", default)]
            attributes: std::collections::BTreeMap<String, String>,
        }
        let body = json!({"QueueUrl": self.url, "AttributeNames": ["RedrivePolicy", "VisibilityTimeout"]});
        let answer: Answer = self.caller.json(&signed::SQS, "GetQueueAttributes", &body)?.json()?;
        Ok(Attributes { redrive: answer.attributes.get("RedrivePolicy").and_then(|text| redrive(text)) })
    }

    /// Up to ten messages, hidden for `hidden` from now on; waits for the first of them for `wait`, twenty seconds at most.
    ///
    /// # Errors
    /// When there is no answer of 2xx. Messages may be hidden nevertheless, and come again.
    pub fn receive(&self, wait: Duration, hidden: Duration) -> Result<Vec<Message>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct One {
            message_id: String,
            receipt_handle: String,
            #[serde(default)]
            body: String,
            #[serde(default)]
            attributes: std::collections::BTreeMap<String, String>,
        }
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "Messages", default)]
            messages: Option<Vec<One>>,
        }
        let body = json!({
            "QueueUrl": self.url,
            "MaxNumberOfMessages": MOST,
            "WaitTimeSeconds": wait.as_secs().min(20),
            "VisibilityTimeout": seconds(hidden),
            "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"],
        });
        let answer: Answer = self.caller.json(&signed::SQS, "ReceiveMessage", &body)?.json()?;
        let message = |one: One| {
            let sent = one.attributes.get("SentTimestamp").and_then(|text| text.parse().ok());
            Message {
                id: one.message_id,
                receipt: one.receipt_handle,
                body: one.body,
                receives: one.attributes.get("ApproximateReceiveCount").and_then(|text| text.parse().ok()),
                sent: sent.and_then(DateTime::from_timestamp_millis),
            }
        };
        Ok(answer.messages.unwrap_or_default().into_iter().map(message).collect())
    }

    /// Deletes up to ten messages; gives those that were not.
    ///
    /// # Errors
    /// When there is no answer of 2xx.
    pub fn delete(&self, receipts: &[&str]) -> Result<Vec<Failed>, Error> {
        let entry = |(index, receipt): (usize, &&str)| json!({"Id": index.to_string(), "ReceiptHandle": receipt});
        self.batch("DeleteMessageBatch", receipts.iter().enumerate().map(entry).collect(), receipts.len())
    }

    /// Hides up to ten messages for so long from now on, or shows them again at once; gives those for which that failed.
    ///
    /// # Errors
    /// When there is no answer of 2xx.
    pub fn hide(&self, receipts: &[(&str, Duration)]) -> Result<Vec<Failed>, Error> {
        let entry = |(index, (receipt, hidden)): (usize, &(&str, Duration))| json!({"Id": index.to_string(), "ReceiptHandle": receipt, "VisibilityTimeout": seconds(*hidden)});
        self.batch("ChangeMessageVisibilityBatch", receipts.iter().enumerate().map(entry).collect(), receipts.len())
    }

    fn batch(&self, action: &str, entries: Vec<Value>, sent: usize) -> Result<Vec<Failed>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct One {
            id: String,
            #[serde(default)]
            sender_fault: bool,
            #[serde(default)]
            code: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Done {
            id: String,
        }
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "Successful", default)]
            successful: Option<Vec<Done>>,
            #[serde(rename = "Failed", default)]
            failed: Option<Vec<One>>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'q> {
            queue_url: &'q str,
            entries: Vec<Value>,
        }
        if sent == 0 {
            return Ok(Vec::new());
        }
        let answer: Answer = self.caller.json(&signed::SQS, action, &Body { queue_url: &self.url, entries })?.json()?;
        let failed = answer.failed.unwrap_or_default();
        let done = answer.successful.unwrap_or_default();
        let of = |index: usize| {
            let id = index.to_string();
            if done.iter().any(|one| one.id == id) {
                return None;
            }
            let one = failed.iter().find(|one| one.id == id);
            // Of what the answer says nothing, nothing is known.
            let code = one.map_or_else(|| "no answer".to_owned(), |one| one.code.clone());
            Some(Failed { index, code, permanent: one.is_some_and(|one| one.sender_fault) })
        };
        Ok((0..sent).filter_map(of).collect())
    }
}

/// After how many receives a redrive policy, which is JSON in a text, has a message go elsewhere. AWS writes a number, and takes a text.
fn redrive(policy: &str) -> Option<u32> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let count = policy.get("maxReceiveCount")?;
    policy.get("deadLetterTargetArn")?;
    count.as_u64().and_then(|count| count.try_into().ok()).or_else(|| count.as_str()?.parse().ok())
}

fn seconds(time: Duration) -> u64 {
    time.min(LONGEST).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_a_queue_is() {
        for (url, region) in [
            ("https://sqs.eu-west-1.amazonaws.com/111122223333/q", Some("eu-west-1")),
            ("https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q", Some("cn-north-1")),
            ("https://sqs-fips.us-east-1.amazonaws.com/111122223333/q", Some("us-east-1")),
            ("https://sqs.eu-west-1.api.aws/111122223333/q", Some("eu-west-1")),
            ("https://vpce-0a-b.sqs.eu-west-1.vpce.amazonaws.com/111122223333/q", Some("eu-west-1")),
            ("https://eu-west-1.queue.amazonaws.com/111122223333/q", Some("eu-west-1")),
            ("https://queue.amazonaws.com/111122223333/q", Some("us-east-1")),
            ("http://127.0.0.1:5000/111122223333/q", None),
            ("http://localhost:4566/000000000000/q", None),
            ("https://sqs.internal.example/q", None),
        ] {
            let place = Place { url: url.to_owned(), ..Place::default() };
            assert_eq!(place.check(), Ok(()), "{url}");
            assert_eq!(place.host().and_then(|(_, region)| region).as_deref(), region, "{url}");
            assert_eq!(place.name(), "q");
            assert_eq!(place.account().is_some(), url.contains("/111122223333/") || url.contains("/000000000000/"));
        }
        for url in [
            "",
            "q",
            "ftp://h/q",
            "http://sqs.eu-west-1.amazonaws.com/1/q",
            "https://sqs.eu-west-1.amazonaws.com",
            "https://sqs.eu-west-1.amazonaws.com/1/",
            "https://user:hunter2@host/q",
        ] {
            let why = Place { url: url.to_owned(), ..Place::default() }.check().expect_err(url);
            assert!(why.contains("hint") && !why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn a_redrive_policy_is_a_text_of_json() {
        for (policy, count) in [
            (r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:111122223333:dead","maxReceiveCount":5}"#, Some(5)),
            (r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:111122223333:dead","maxReceiveCount":"3"}"#, Some(3)),
            (r#"{"maxReceiveCount":3}"#, None),
            ("", None),
            ("{}", None),
        ] {
            assert_eq!(redrive(policy), count, "{policy}");
        }
    }
}
