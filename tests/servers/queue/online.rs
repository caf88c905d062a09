//! With moto, which comes from PyPI: a bucket that tells a queue what is written into it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_sdk_s3::types::{Event, NotificationConfiguration, QueueConfiguration};
use serde_json::{Value, json};

use super::{Stage, fixtures};
use crate::support::moto::Moto;

#[test]
fn what_is_written_into_a_bucket_is_told() {
    let moto = Moto::start();
    let stage = Stage::new("");
    let credentials = SharedCredentialsProvider::new(Credentials::new("testing", "secret", None, None, "test"));
    let config = aws_sdk_s3::config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials)
        .region(Region::from_static("us-east-1"))
        .endpoint_url(moto.endpoint())
        .force_path_style(true)
        .build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    let sqs = |action: &str, body: Value| -> Value { json(&moto, action, &body) };
    let url = sqs("CreateQueue", json!({"QueueName": "trail"}))["QueueUrl"].as_str().unwrap().to_owned();
    let attributes = sqs("GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["QueueArn"]}));
    let arn = attributes["Attributes"]["QueueArn"].as_str().unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // What tells of somebody's device is enough of the month.
    let some: BTreeMap<String, String> =
        fixtures().into_iter().filter(|(key, text)| text.contains("MFADevice") || key.contains("Digest")).collect();
    runtime.block_on(async {
        s3.create_bucket().bucket("trail-bucket").send().await.unwrap();
        let queue = QueueConfiguration::builder().queue_arn(arn).events(Event::S3ObjectCreated).build().unwrap();
        let told = NotificationConfiguration::builder().queue_configurations(queue).build();
        s3.put_bucket_notification_configuration()
            .bucket("trail-bucket")
            .notification_configuration(told)
            .send()
            .await
            .unwrap();
        for (key, text) in &some {
            s3.put_object()
                .bucket("trail-bucket")
                .key(key)
                .body(text.clone().into_bytes().into())
                .send()
                .await
                .unwrap();
        }
    });
    stage.configure(&format!("[[input]]\nkind = \"sqs\"\nurl = \"{url}\"\n"));
    let run = || super::command(stage.home.path(), &moto.endpoint(), &[&super::WATCH[..], &["--once"]].concat());
    let ran = crate::support::run::finish(&mut run());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(stage.equals_the_report() > 5);
    let left = sqs("GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["All"]}));
    assert_eq!(left["Attributes"]["ApproximateNumberOfMessages"], "0", "{left}");
    assert_eq!(left["Attributes"]["ApproximateNumberOfMessagesNotVisible"], "0", "{left}");
    // A queue that is not there.
    stage.configure(&format!("[[input]]\nkind = \"sqs\"\nurl = \"{url}-gone\"\n"));
    let ran = crate::support::run::finish(&mut run());
    assert!(ran.status == 2 && ran.stderr.contains("there is no queue"), "{}", ran.stderr);
}

/// Makes a call of SQS by JSON 1.0, such as `CreateQueue`, and gives the answer.
fn json(moto: &Moto, action: &str, body: &Value) -> Value {
    let address = moto.endpoint();
    let address = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("a connection");
    let body = body.to_string();
    write!(
        stream,
        "POST / HTTP/1.0\r\nHost: {address}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=testing/20260308/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.{action}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains(" 200 "), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}
