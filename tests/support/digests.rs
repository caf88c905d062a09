//! Writes archives as CloudTrail does: logs, and the digests that name, chain and sign them, with RSA keys of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::OnceLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use mfatrail::hash::{hex, sha256};

/// A key pair of CloudTrail's, and what it is called.
pub struct Signer {
    key: RsaKeyPair,
    pub fingerprint: String,
}

impl Signer {
    fn new() -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let fingerprint = hex(&sha256(key.public_key().as_ref())[..16]);
        Self { key, fingerprint }
    }

    /// CloudTrail's.
    pub fn ours() -> &'static Self {
        static KEY: OnceLock<Signer> = OnceLock::new();
        KEY.get_or_init(Self::new)
    }

    /// Somebody else's.
    pub fn other() -> &'static Self {
        static KEY: OnceLock<Signer> = OnceLock::new();
        KEY.get_or_init(Self::new)
    }

    pub fn sign(&self, text: &str) -> String {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).expect("a signature");
        hex(&signature)
    }

    /// PKCS#1, as CloudTrail publishes it.
    pub fn der(&self) -> Vec<u8> {
        self.key.public_key().as_ref().to_vec()
    }

    /// SPKI.
    pub fn spki(&self) -> Vec<u8> {
        self.key.public_key().as_der().expect("DER").as_ref().to_vec()
    }

    /// What `aws cloudtrail list-public-keys` prints.
    pub fn printed(&self) -> String {
        self.printed_as(&self.der())
    }

    pub fn printed_as(&self, der: &[u8]) -> String {
        format!(
            "{{\n    \"PublicKeyList\": [\n        {{\n            \"Value\": \"{}\",\n            \"ValidityStartTime\": 1775001600.0,\n            \"ValidityEndTime\": \"2027-01-01T00:00:00+00:00\",\n            \"Fingerprint\": \"{}\"\n        }}\n    ]\n}}\n",
            STANDARD.encode(der),
            self.fingerprint
        )
    }
}

/// An object as stored.
#[derive(Clone)]
pub struct Stored {
    pub bytes: Vec<u8>,
    /// Object metadata `signature`.
    pub signature: Option<String>,
}

/// A bucket's objects by key.
#[derive(Clone, Default)]
pub struct Bucket {
    pub name: String,
    pub objects: BTreeMap<String, Stored>,
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut raw).expect("gzip");
    raw
}

impl Bucket {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), objects: BTreeMap::new() }
    }

    /// Keys that hold `part`, in order: for digests and logs of one region that is the order of time.
    pub fn keys(&self, part: &str) -> Vec<String> {
        self.objects.keys().filter(|key| key.contains(part)).cloned().collect()
    }

    /// The inflated bytes of an object.
    pub fn text(&self, key: &str) -> String {
        String::from_utf8(gunzip(&self.objects[key].bytes)).expect("UTF-8")
    }

    /// Puts other bytes in an object's place.
    pub fn put_text(&mut self, key: &str, text: &str) {
        self.objects.get_mut(key).expect("the object").bytes = gzip(text.as_bytes());
    }

    /// Removes and gives back.
    pub fn take(&mut self, key: &str) -> Stored {
        self.objects.remove(key).expect("the object")
    }

    /// Writes a copy to disk, which loses all metadata.
    pub fn write(&self, folder: &Path) {
        for (key, object) in &self.objects {
            let path = folder.join(key);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, &object.bytes).expect("a file");
        }
    }

    /// Puts the signature of a digest into a file beside it, as hexadecimal.
    pub fn put_sidecar(&mut self, digest: &str) {
        let signature = self.objects[digest].signature.clone().expect("a digest");
        self.objects.insert(format!("{digest}.signature"), Stored { bytes: signature.into_bytes(), signature: None });
    }

    /// Signs a digest's present bytes anew, as whoever holds the key can.
    pub fn sign_again(&mut self, digest: &str, signer: &Signer) {
        let text = self.text(digest);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let field = |name: &str| value[name].as_str();
        let signature = signer.sign(&mfatrail::digest::string_to_sign(
            field("digestEndTime").expect("a time"),
            field("digestS3Bucket").expect("a bucket"),
            field("digestS3Object").expect("a key"),
            &sha256(text.as_bytes()),
            field("previousDigestSignature"),
        ));
        self.objects.get_mut(digest).expect("the digest").signature = Some(signature);
    }
}

/// A trail in one account and region, at some moment.
#[derive(Clone)]
pub struct Trail {
    pub account: &'static str,
    pub region: &'static str,
    pub name: &'static str,
    pub home: &'static str,
    /// In front of `AWSLogs`, with its slash.
    pub prefix: &'static str,
    /// The organization, with its slash.
    pub organization: &'static str,
    /// The end of the last digest.
    pub now: DateTime<Utc>,
    /// Bucket, key, hash and signature of the last digest.
    pub last: Option<(String, String, String, String)>,
    pub delivered: u32,
}

impl Trail {
    pub fn new(account: &'static str, region: &'static str, now: &str) -> Self {
        Self {
            account,
            region,
            name: "org_trail",
            home: "us-east-1",
            prefix: "",
            organization: "o-exampleorgid/",
            now: now.parse().expect("a time"),
            last: None,
            delivered: 0,
        }
    }

    /// A folder of the trail, down to the region.
    pub fn folder(&self, product: &str) -> String {
        format!("{}AWSLogs/{}{}/{product}/{}", self.prefix, self.organization, self.account, self.region)
    }

    /// Delivers a log, at `minutes` after the last digest's end.
    pub fn log(&mut self, bucket: &mut Bucket, minutes: i64, records: &[String]) -> String {
        let at = self.now + TimeDelta::minutes(minutes);
        self.delivered += 1;
        let word = &hex(&sha256(format!("{}{}{}", self.account, self.region, self.delivered).as_bytes()))[..16];
        let key = format!(
            "{}/{}/{}_CloudTrail_{}_{}_{word}.json.gz",
            self.folder("CloudTrail"),
            at.format("%Y/%m/%d"),
            self.account,
            self.region,
            at.format("%Y%m%dT%H%MZ")
        );
        let bytes = gzip(format!("{{\"Records\":[{}]}}", records.join(",")).as_bytes());
        bucket.objects.insert(key.clone(), Stored { bytes, signature: None });
        key
    }

    /// A record of this account and region.
    pub fn record(&self, name: &str, source: &str, parameters: &str) -> String {
        format!(
            r#"{{"eventVersion":"1.11","userIdentity":{{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::{account}:user/ada","accountId":"{account}","userName":"ada"}},"eventTime":"{time}","eventSource":"{source}.amazonaws.com","eventName":"{name}","awsRegion":"{region}","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","requestParameters":{parameters},"responseElements":null,"eventID":"{account}-{region}-{number}-{name}","readOnly":false,"eventType":"AwsApiCall","recipientAccountId":"{account}"}}"#,
            account = self.account,
            region = self.region,
            time = self.now.format("%Y-%m-%dT%H:%M:%SZ"),
            number = self.delivered,
        )
    }

    /// The digest of the hour that begins now; an hour passes.
    pub fn digest(&mut self, bucket: &mut Bucket, signer: &Signer, logs: &[String]) -> String {
        let (start, end) = (self.now, self.now + TimeDelta::hours(1));
        let (key, text, signature) = self.signed(bucket, signer, logs, start, end, "");
        self.last = Some((bucket.name.clone(), key.clone(), hex(&sha256(text.as_bytes())), signature.clone()));
        self.now = end;
        bucket.objects.insert(key.clone(), Stored { bytes: gzip(text.as_bytes()), signature: Some(signature) });
        key
    }

    /// A digest's key, text and signature; `more` stands behind the time in its name.
    pub fn signed(
        &self,
        bucket: &Bucket,
        signer: &Signer,
        logs: &[String],
        start: DateTime<Utc>,
        end: DateTime<Utc>,
        more: &str,
    ) -> (String, String, String) {
        let time = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let key = format!(
            "{}/{}/{}_CloudTrail-Digest_{}_{}_{}_{}{more}.json.gz",
            self.folder("CloudTrail-Digest"),
            end.format("%Y/%m/%d"),
            self.account,
            self.region,
            self.name,
            self.home,
            end.format("%Y%m%dT%H%M%SZ")
        );
        let quoted = |text: Option<&str>| text.map_or("null".to_owned(), |text| format!("\"{text}\""));
        let named: Vec<String> = logs
            .iter()
            .map(|log| {
                let hash = hex(&sha256(&gunzip(&bucket.objects[log].bytes)));
                format!(
                    r#"{{"s3Bucket":"{}","s3Object":"{log}","hashValue":"{hash}","hashAlgorithm":"SHA-256","newestEventTime":"{}","oldestEventTime":"{}"}}"#,
                    bucket.name,
                    time(start),
                    time(start)
                )
            })
            .collect();
        let last = self.last.as_ref();
        let newest = quoted((!logs.is_empty()).then(|| time(start)).as_deref());
        let text = format!(
            r#"{{"awsAccountId":"{}","digestStartTime":"{}","digestEndTime":"{}","digestS3Bucket":"{}","digestS3Object":"{key}","digestPublicKeyFingerprint":"{}","digestSignatureAlgorithm":"SHA256withRSA","newestEventTime":{newest},"oldestEventTime":{newest},"previousDigestS3Bucket":{},"previousDigestS3Object":{},"previousDigestHashValue":{},"previousDigestHashAlgorithm":{},"previousDigestSignature":{},"logFiles":[{}]}}"#,
            self.account,
            time(start),
            time(end),
            bucket.name,
            signer.fingerprint,
            quoted(last.map(|last| last.0.as_str())),
            quoted(last.map(|last| last.1.as_str())),
            quoted(last.map(|last| last.2.as_str())),
            quoted(last.map(|_| "SHA-256")),
            quoted(last.map(|last| last.3.as_str())),
            named.join(",")
        );
        let to_sign = format!(
            "{}\n{}/{key}\n{}\n{}",
            time(end),
            bucket.name,
            hex(&sha256(text.as_bytes())),
            last.map_or("null", |last| last.3.as_str())
        );
        (key, text, signer.sign(&to_sign))
    }

    /// An hour with some logs and their digest.
    pub fn hour(&mut self, bucket: &mut Bucket, logs: u32) {
        let mut keys = Vec::new();
        for log in 0..logs {
            let records = [self.record("DescribeInstances", "ec2", "null"), self.record("GetUser", "iam", "null")];
            keys.push(self.log(bucket, 10 + 7 * i64::from(log), &records));
        }
        self.digest(bucket, Signer::ours(), &keys);
    }

    /// Hours with logs and digests; every fourth is quiet.
    pub fn hours(&mut self, bucket: &mut Bucket, hours: u32) {
        for hour in 0..hours {
            self.hour(bucket, if hour % 4 == 3 { 0 } else { 1 + hour % 3 });
        }
    }
}

/// A bucket with digests of twelve quiet hours, between them one with a log of its own, in which ada's device is deactivated;
/// and that log's key.
pub fn deactivation(account: &'static str, start: &'static str) -> (Bucket, String) {
    let mut bucket = Bucket::new("trail-bucket");
    let mut trail = Trail::new(account, "us-east-1", start);
    trail.hours(&mut bucket, 6);
    let parameters = format!(r#"{{"userName":"ada","serialNumber":"arn:aws:iam::{account}:mfa/ada"}}"#);
    let record = trail.record("DeactivateMFADevice", "iam", &parameters);
    let key = trail.log(&mut bucket, 20, &[record]);
    trail.digest(&mut bucket, Signer::ours(), std::slice::from_ref(&key));
    trail.hours(&mut bucket, 6);
    (bucket, key)
}
