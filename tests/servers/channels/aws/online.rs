//! With moto, which comes from PyPI.

use std::fs;

use mfatrail::aws::Connection;
use mfatrail::aws::signed::{Caller, SECRETS_MANAGER, SECURITY_HUB, SES, SNS, SQS, SSM};
use serde_json::{Value, json};

use super::super::{insist, open_at, opened, resolved};
use super::reference;
use crate::own_process::in_own_process;
use crate::support::moto::Moto;
use crate::support::run::{Ran, mfatrail};

const CREDENTIALS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "testing"), ("AWS_SECRET_ACCESS_KEY", "testing"), ("AWS_REGION", "eu-west-1")];

fn own(test: &str) -> bool {
    in_own_process(&format!("channels::aws::online::{test}"), &CREDENTIALS)
}

fn caller(moto: &Moto) -> Caller {
    let connection = Connection { endpoint_url: Some(moto.endpoint()), ..Connection::default() };
    Caller::open(&connection, std::time::Duration::from_secs(20)).unwrap()
}

#[test]
fn what_is_published_arrives_with_its_attributes() {
    if !own("what_is_published_arrives_with_its_attributes") {
        return;
    }
    let moto = Moto::start();
    let caller = caller(&moto);
    for (name, fifo) in [("mfa", false), ("mfa.fifo", true)] {
        let more = [("Attributes.entry.1.key", "FifoTopic"), ("Attributes.entry.1.value", "true")];
        let mut parameters = vec![("Name", name)];
        parameters.extend(more.iter().filter(|_| fifo));
        let topic =
            caller.query(&SNS, "CreateTopic", &parameters).unwrap().text(&["CreateTopicResult", "TopicArn"]).unwrap();
        let attributes = if fifo { json!({"FifoQueue": "true"}) } else { json!({}) };
        let queue: Value = caller
            .json(&SQS, "CreateQueue", &json!({"QueueName": name, "Attributes": attributes}))
            .unwrap()
            .json()
            .unwrap();
        let mut channel = open_at("sns", &format!("topic = \"{topic}\""), Some(&moto.endpoint()));
        assert!(channel.check().unwrap_err().contains("nobody has subscribed"));
        let arn = format!("arn:aws:sqs:eu-west-1:123456789012:{name}");
        let policy = r#"{"severity": ["critical", "error"], "transition": [{"anything-but": "updated"}]}"#;
        let subscribe = [
            ("TopicArn", topic.as_str()),
            ("Protocol", "sqs"),
            ("Endpoint", &arn),
            ("Attributes.entry.1.key", "FilterPolicy"),
            ("Attributes.entry.1.value", policy),
        ];
        caller.query(&SNS, "Subscribe", &subscribe).unwrap();
        // moto counts no subscriptions.
        let known = reference(&insist(channel.as_mut(), &opened(), None)[0]);
        insist(channel.as_mut(), &resolved(), known.as_deref());
        let body = json!({"QueueUrl": queue["QueueUrl"], "MaxNumberOfMessages": 10});
        let received: Value = caller.json(&SQS, "ReceiveMessage", &body).unwrap().json().unwrap();
        let envelopes = received["Messages"].as_array().unwrap().iter();
        let envelopes: Vec<Value> =
            envelopes.map(|one| serde_json::from_str(one["Body"].as_str().unwrap()).unwrap()).collect();
        let documents: Vec<Value> =
            envelopes.iter().map(|one| serde_json::from_str(one["Message"].as_str().unwrap()).unwrap()).collect();
        let told: Vec<_> = documents.iter().map(|one| one["transition"].as_str().unwrap()).collect();
        assert!(told.contains(&"opened") && (fifo || told.contains(&"resolved")), "{told:?}");
        assert_eq!(documents[0]["schema"], "mfatrail.alert/1");
        assert_eq!(envelopes[0]["MessageAttributes"]["account"]["Value"], "111122223333");
        assert!(envelopes[0]["Subject"].as_str().unwrap().starts_with("Transition 1"));
    }
}

#[test]
fn texts_mails_and_findings_are_taken() {
    if !own("texts_mails_and_findings_are_taken") {
        return;
    }
    let moto = Moto::start();
    let caller = caller(&moto);
    let mut sms = open_at("sms", "numbers = [\"+15555550100\"]", Some(&moto.endpoint()));
    assert!(reference(&insist(sms.as_mut(), &opened(), None)[0]).is_some());

    let mut ses = open_at("ses", "from = \"mfatrail@example.com\"\nto = [\"soc@example.com\"]", Some(&moto.endpoint()));
    let refused = insist(ses.as_mut(), &opened(), None);
    assert!(format!("{refused:?}").contains("MessageRejected"), "{refused:?}");
    let identity = json!({"EmailIdentity": "mfatrail@example.com"});
    caller.send(&SES, hyper::Method::POST, "/v2/email/identities", &identity).unwrap();
    assert!(reference(&insist(ses.as_mut(), &opened(), None)[0]).is_some());

    caller.send(&SECURITY_HUB, hyper::Method::POST, "/accounts", &json!({})).unwrap();
    let mut hub = open_at("securityhub", "", Some(&moto.endpoint()));
    assert_eq!(hub.check(), Ok(()));
    let known = reference(&insist(hub.as_mut(), &opened(), None)[0]);
    insist(hub.as_mut(), &resolved(), known.as_deref());
    let found: Value =
        caller.send(&SECURITY_HUB, hyper::Method::POST, "/findings", &json!({})).unwrap().json().unwrap();
    let findings = found["Findings"].as_array().unwrap();
    assert_eq!((findings.len(), findings[0]["RecordState"].as_str()), (1, Some("ARCHIVED")), "{findings:?}");
}

/// moto computes signatures by botocore's own code, and compares them.
#[test]
fn a_signature_is_that_of_aws_own_library() {
    if !own("a_signature_is_that_of_aws_own_library") {
        return;
    }
    let moto = Moto::start();
    for query in [
        "Action=CreateUser&UserName=watch&Version=2010-05-08",
        "Action=PutUserPolicy&UserName=watch&PolicyName=all&Version=2010-05-08&PolicyDocument=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22*%22%2C%22Resource%22%3A%22*%22%7D%5D%7D",
    ] {
        moto.iam(query);
    }
    let admin = caller(&moto);
    let iam = mfatrail::aws::signed::Query {
        service: mfatrail::aws::signed::Service { id: "IAM", host: "iam", name: "iam" },
        version: "2010-05-08",
    };
    let key = admin.query(&iam, "CreateAccessKey", &[("UserName", "watch")]).unwrap();
    let part = |name| key.text(&["CreateAccessKeyResult", "AccessKey", name]).unwrap();
    let (id, secret) = (part("AccessKeyId"), part("SecretAccessKey"));
    let client = mfatrail::http::Client::new(std::time::Duration::from_secs(20)).unwrap();
    let enforce = mfatrail::http::Request {
        method: hyper::Method::POST,
        url: format!("{}/moto-api/reset-auth", moto.endpoint()),
        headers: Vec::new(),
        body: b"0".to_vec(),
    };
    assert_eq!(client.send(&enforce).unwrap().status, 200);
    let home = tempfile::tempdir().unwrap();
    let secrets = [("right", secret.as_str()), ("wrong", "another")];
    let text: String = secrets
        .iter()
        .map(|(profile, secret)| {
            format!("[{profile}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\nregion = eu-west-1\n")
        })
        .collect();
    fs::write(home.path().join("credentials"), text).unwrap();
    fs::write(
        home.path().join("watch.toml"),
        "[[input]]\nkind = \"archive\"\nsource = \".\"\n[[channel]]\nname = \"topic\"\nkind = \"sns\"\ntopic = \"arn:aws:sns:eu-west-1:123456789012:mfa\"\n",
    )
    .unwrap();
    for (profile, expected) in [("right", "NotFound"), ("wrong", "SignatureDoesNotMatch")] {
        let ran: Ran = mfatrail()
            .current_dir(home.path())
            .env("AWS_SHARED_CREDENTIALS_FILE", home.path().join("credentials"))
            .args([
                "watch",
                "check",
                "--config",
                "watch.toml",
                "--profile",
                profile,
                "--endpoint-url",
                &moto.endpoint(),
            ])
            .output()
            .unwrap()
            .into();
        assert!(ran.status == 4 && ran.stderr.contains(expected), "{profile}: {}", ran.stderr);
    }
}

#[test]
fn secrets_come_from_aws_and_are_never_shown() {
    if !own("secrets_come_from_aws_and_are_never_shown") {
        return;
    }
    let moto = Moto::start();
    let caller = caller(&moto);
    let secret = |name: &str, text: &str| {
        let made: Value = caller
            .json(&SECRETS_MANAGER, "CreateSecret", &json!({"Name": name, "SecretString": text}))
            .unwrap()
            .json()
            .unwrap();
        made["ARN"].as_str().unwrap().to_owned()
    };
    secret("prod/soc", "hunter2hunter2\n");
    let arn = secret("prod/all", "{\"soc\": \"hunter2hunter2\", \"port\": 1}");
    for (name, kind) in [("/prod/soc", "SecureString"), ("plain", "String")] {
        caller.json(&SSM, "PutParameter", &json!({"Name": name, "Value": "hunter2hunter2", "Type": kind})).unwrap();
    }
    let home = tempfile::tempdir().unwrap();
    let check = |reference: &str, region: &str| -> Ran {
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!(
            "[[input]]\nkind = \"archive\"\nsource = \".\"\n[[channel]]\nname = \"soc\"\nkind = \"webhook\"\nurl = \"http://{}/\"\nsecret = \"{reference}\"\n",
            unused.local_addr().unwrap()
        );
        fs::write(home.path().join("watch.toml"), text).unwrap();
        mfatrail()
            .current_dir(home.path())
            .envs(CREDENTIALS)
            .env("RUST_LOG", "trace")
            .env("AWS_ENDPOINT_URL", moto.endpoint())
            .args(["watch", "check", "--config", "watch.toml", "--aws-region", region])
            .output()
            .unwrap()
            .into()
    };
    for (reference, region) in [
        ("aws-sm:prod/soc", "eu-west-1"),
        ("aws-sm:prod/all#soc", "eu-west-1"),
        (&format!("aws-sm:{arn}#soc"), "us-east-2"),
        ("aws-ssm:/prod/soc", "eu-west-1"),
        ("aws-ssm:plain", "eu-west-1"),
        ("aws-ssm:plain:1", "eu-west-1"),
    ] {
        let ran = check(reference, region);
        assert_eq!(ran.status, 0, "{reference}: {}", ran.stderr);
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
    for (reference, region, wrong) in [
        ("aws-sm:prod/sok", "eu-west-1", "ResourceNotFoundException"),
        ("aws-sm:prod/soc", "us-east-2", "in us-east-2"),
        ("aws-sm:prod/all", "eu-west-1", "is a JSON object (hint: NAME#KEY"),
        ("aws-sm:prod/all#sok", "eu-west-1", "has no key `sok`"),
        ("aws-sm:prod/soc#soc", "eu-west-1", "is not a JSON object"),
        ("aws-ssm:/prod/sok", "eu-west-1", "ParameterNotFound"),
    ] {
        let ran = check(reference, region);
        assert!(ran.status == 2 && ran.stderr.contains(wrong), "{reference}: {} {}", ran.status, ran.stderr);
        assert!(ran.stderr.contains("channel `soc`") && !ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
}
