//! One digest: what it says, where it says that it lies, and what CloudTrail signed of it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::hash::{Hash, hex, sha256, unhex};
use crate::source::{KeyInfo, Product, second};

/// Which chain a digest belongs to: a trail's digests of one account and region, the backfilled ones apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId {
    /// The account whose logs it names.
    pub account: String,
    /// The region of these logs.
    pub region: String,
    /// The trail's name.
    pub trail: String,
    /// The region in which the trail was made.
    pub home_region: String,
    /// Whether these are digests of logs that came too late for their own hour's.
    pub backfill: bool,
    /// The folder down to the region, from `AWSLogs` on: an organization's trail may bear a member's trail's name.
    pub folder: String,
}

impl ChainId {
    /// Reads a digest's key: `…AWSLogs/[o-id/]<account>/CloudTrail-Digest/<region>/<yyyy>/<mm>/<dd>/`, then
    /// `<account>_CloudTrail-Digest_<region>_<trail>_<home region>_<time>[_backfill].json.gz`.
    #[must_use]
    pub fn parse(object: &str) -> Option<Self> {
        let key = KeyInfo::parse(object);
        let (account, region) = (key.account?, key.region?);
        if key.product != Product::Digest {
            return None;
        }
        let mut parts = tail(object).rsplitn(5, '/');
        let file = parts.next()?.strip_suffix(".json.gz")?;
        let folder = parts.nth(3)?.to_owned();
        let (file, backfill) = file.strip_suffix("_backfill").map_or((file, false), |file| (file, true));
        let (file, time) = file.rsplit_once('_')?;
        second(time)?;
        let names = file.strip_prefix(&*account)?.strip_prefix("_CloudTrail-Digest_")?;
        let names = names.strip_prefix(&*region)?.strip_prefix('_')?;
        let (trail, home_region) = names.rsplit_once('_')?;
        let (trail, home_region) = (trail.to_owned(), home_region.to_owned());
        Some(Self { account, region, trail, home_region, backfill, folder })
    }
}

/// What a digest's key begins with, before the time; `None` where something follows the time. All that a chain is known by
/// is in it.
pub(super) fn before_time(object: &str) -> Option<&str> {
    let (before, time) = object.strip_suffix(".json.gz")?.rsplit_once('_')?;
    second(time).map(|_time| before)
}

/// The end of a digest's hour, as its name tells it.
pub(super) fn end_in_name(name: &str) -> Option<DateTime<Utc>> {
    name.rsplit('/').next()?.split(['_', '.']).rev().find_map(second)
}

/// A key or path from the last `AWSLogs` on: what lies before it differs between copies.
#[must_use]
pub(super) fn tail(path: &str) -> &str {
    let mut at = path.len();
    while let Some(found) = path.get(..at).and_then(|head| head.rfind("AWSLogs/")) {
        if found == 0 || path.as_bytes().get(found - 1) == Some(&b'/') {
            return path.get(found..).unwrap_or_default();
        }
        at = found;
    }
    path
}

/// Whether an object lies where a digest says: `named` is a bucket and key, `found` the name of an object, in S3 or
/// relative to a SOURCE on disk. Another bucket or prefix is a copy of the whole and no matter, but from `AWSLogs` on
/// nothing may differ. A file that was unpacked is without its `.gz`.
#[must_use]
pub(super) fn same_place(found: &str, named: &str) -> bool {
    let packed = |path: &'_ str| path.strip_suffix(".gz").unwrap_or(path).len();
    let named = named.get(..packed(named)).unwrap_or_default();
    let found = found.strip_prefix("s3://").unwrap_or(found);
    let found = found.get(..packed(found)).unwrap_or_default();
    let below = tail(found);
    if below.starts_with("AWSLogs/") {
        return below == tail(named);
    }
    // A tree that was cut below `AWSLogs`.
    named.strip_suffix(found).is_some_and(|above| above.is_empty() || above.ends_with('/'))
}

/// The same of a bucket and a key, which are put together only where the key does not tell by itself.
#[must_use]
pub(super) fn lies_at(found: &str, bucket: &str, object: &str) -> bool {
    let below = tail(found);
    (below.starts_with("AWSLogs/") && below == tail(object)) || same_place(found, &[bucket, "/", object].concat())
}

/// What a digest says of the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    /// Its bucket.
    pub bucket: Box<str>,
    /// Its key.
    pub object: Box<str>,
    /// The SHA-256 of its inflated bytes.
    pub hash: Option<Hash>,
    /// Its signature.
    pub signature: Option<Box<[u8]>>,
    /// The signature as it is written, where that is not in lower-case hexadecimal: what is signed has it to the letter.
    pub signature_text: Option<Box<str>>,
}

/// A digest that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Its number among those read.
    pub number: u32,
    /// The object's name, as it was found.
    pub name: Box<str>,
    /// The bucket that it says it lies in.
    pub bucket: Box<str>,
    /// The key that it says it lies at.
    pub object: Box<str>,
    /// The first moment of its hour.
    pub start: DateTime<Utc>,
    /// The first moment after it.
    pub end: DateTime<Utc>,
    /// The same as it is written: what is signed has it to the letter.
    pub end_text: Box<str>,
    /// The SHA-256 of its inflated bytes; of one just read, nothing yet.
    pub hash: Hash,
    /// Which key signed it.
    pub fingerprint: Box<str>,
    /// The digest before it; `None` where a chain begins.
    pub previous: Option<Previous>,
    /// The signature from the object's metadata, or from the file beside it.
    pub signature: Option<Box<[u8]>>,
    /// How many logs it names.
    pub logs: u64,
}

impl Digest {
    /// The SHA-256 of what was signed. Few are asked for it: see `signature_of`.
    #[must_use]
    pub fn signed(&self) -> Hash {
        let previous = self.previous.as_ref().and_then(|previous| {
            let usual = || previous.signature.as_deref().map(|signature| Cow::Owned(hex(signature)));
            previous.signature_text.as_deref().map(Cow::Borrowed).or_else(usual)
        });
        sha256(string_to_sign(&self.end_text, &self.bucket, &self.object, &self.hash, previous.as_deref()).as_bytes())
    }
}

/// The fields of a digest; CloudTrail may add others.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fields<'d> {
    digest_start_time: DateTime<Utc>,
    digest_end_time: Box<str>,
    #[serde(borrow)]
    digest_s3_bucket: Cow<'d, str>,
    #[serde(borrow)]
    digest_s3_object: Cow<'d, str>,
    digest_public_key_fingerprint: Box<str>,
    #[serde(borrow)]
    digest_signature_algorithm: Cow<'d, str>,
    previous_digest_s3_bucket: Option<Box<str>>,
    previous_digest_s3_object: Option<Box<str>>,
    #[serde(borrow)]
    previous_digest_hash_value: Option<Cow<'d, str>>,
    #[serde(borrow)]
    previous_digest_signature: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) log_files: Vec<LogField<'d>>,
}

/// A log that a digest names.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogField<'d> {
    #[serde(borrow)]
    pub(super) s3_bucket: Cow<'d, str>,
    #[serde(borrow)]
    pub(super) s3_object: Cow<'d, str>,
    #[serde(borrow)]
    hash_value: Cow<'d, str>,
    #[serde(borrow)]
    hash_algorithm: Cow<'d, str>,
}

impl LogField<'_> {
    /// The hash of its inflated bytes.
    pub(super) fn hash(&self) -> Result<Hash, String> {
        if self.hash_algorithm != "SHA-256" {
            return Err(format!("the hash algorithm of a log is `{}`, not SHA-256", self.hash_algorithm));
        }
        hash(&self.hash_value)
    }
}

fn hash(text: &str) -> Result<Hash, String> {
    let bytes = unhex(text).and_then(|bytes| Hash::try_from(bytes).ok());
    bytes.ok_or_else(|| format!("`{text}` is not a hexadecimal SHA-256"))
}

/// A signature as it stands in metadata, a file or the next digest. What is no hexadecimal can be no signature, and is
/// kept as one that never holds.
pub(super) fn signature(text: &str) -> Box<[u8]> {
    unhex(text.trim()).unwrap_or_default().into_boxed_slice()
}

/// Whether a signature is written as CloudTrail does.
fn is_usual(text: &str) -> bool {
    text.len().is_multiple_of(2) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// What CloudTrail signs of a digest. The end time is as the digest writes it, and there is no line break at the end.
#[must_use]
pub fn string_to_sign(end: &str, bucket: &str, object: &str, hash: &Hash, previous_signature: Option<&str>) -> String {
    format!("{end}\n{bucket}/{object}\n{}\n{}", hex(hash), previous_signature.unwrap_or("null"))
}

/// Reads a digest: itself but for its hash, and the logs it names.
pub(super) fn parse<'d>(
    name: &str,
    raw: &'d [u8],
    own_signature: Option<&str>,
) -> Result<(Digest, Vec<LogField<'d>>), String> {
    let fields: Fields<'d> = serde_json::from_slice(raw).map_err(|error| format!("no digest: {error}"))?;
    if fields.digest_signature_algorithm != "SHA256withRSA" {
        let algorithm = fields.digest_signature_algorithm;
        return Err(format!("its signature algorithm is `{algorithm}`, not SHA256withRSA"));
    }
    let object = fields.digest_s3_object;
    let end = DateTime::parse_from_rfc3339(&fields.digest_end_time)
        .map_err(|error| format!("`digestEndTime` is `{}`: {error}", fields.digest_end_time))?
        .to_utc();
    if fields.digest_start_time >= end {
        return Err("it ends before it starts".to_owned());
    }
    let previous_signature = fields.previous_digest_signature.as_deref();
    // Both are kept to the letter, and are short.
    for (key, text, most) in [
        ("digestEndTime", Some(&*fields.digest_end_time), 64),
        ("previousDigestSignature", previous_signature, 8 << 10),
    ] {
        if let Some(text) = text.filter(|text| text.len() > most) {
            return Err(format!("`{key}` is too long ({} bytes)", text.len()));
        }
    }
    let previous = match (fields.previous_digest_s3_bucket, fields.previous_digest_s3_object) {
        (Some(bucket), Some(object)) => Some(Previous {
            bucket,
            object,
            hash: fields.previous_digest_hash_value.as_deref().map(hash).transpose()?,
            signature: previous_signature.map(signature),
            signature_text: previous_signature.filter(|text| !is_usual(text)).map(Box::from),
        }),
        (None, None) if previous_signature.is_none() => None,
        _ => return Err("its reference to the previous digest is incomplete".to_owned()),
    };
    let digest = Digest {
        number: 0,
        name: name.into(),
        bucket: fields.digest_s3_bucket.into(),
        start: fields.digest_start_time,
        end,
        end_text: fields.digest_end_time,
        hash: Hash::default(),
        fingerprint: fields.digest_public_key_fingerprint,
        previous,
        signature: own_signature.map(signature),
        logs: u64::try_from(fields.log_files.len()).unwrap_or(u64::MAX),
        object: object.into(),
    };
    Ok((digest, fields.log_files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_aws_cli_s_string_to_sign() {
        let expected = "a\nb/c\nba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\nnull";
        assert_eq!(string_to_sign("a", "b", "c", &sha256(b"abc"), None), expected);
        let expected = expected.replace("null", "beef");
        assert_eq!(string_to_sign("a", "b", "c", &sha256(b"abc"), Some("beef")), expected);
    }

    const FOLDER: &str = "AWSLogs/111122223333/CloudTrail-Digest/us-east-1";

    #[test]
    fn chains_are_told_by_the_key() {
        let file = "111122223333_CloudTrail-Digest_us-east-1_a_trail.x_eu-west-1_20240131T235501Z";
        let id = ChainId::parse(&format!("pre/fix/{FOLDER}/2024/01/31/{file}.json.gz")).unwrap();
        assert_eq!((id.account.as_str(), id.region.as_str()), ("111122223333", "us-east-1"));
        assert_eq!((id.trail.as_str(), id.home_region.as_str(), id.backfill), ("a_trail.x", "eu-west-1", false));
        assert_eq!(id.folder, FOLDER);
        let late = ChainId::parse(&format!("{FOLDER}/2024/01/31/{file}_backfill.json.gz")).unwrap();
        assert_eq!(late, ChainId { backfill: true, ..id });
        for bad in [
            format!("{FOLDER}/2024/01/31/x.json.gz"),
            format!("{FOLDER}/2024/01/31/{file}.json"),
            format!("{FOLDER}/{file}.json.gz").replace("CloudTrail-Digest/", "CloudTrail/"),
            String::new(),
        ] {
            assert_eq!(ChainId::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_signed_is_said_in_the_words_of_the_digest() {
        let object = format!(
            "{FOLDER}/2024/01/31/111122223333_CloudTrail-Digest_us-east-1_t_us-east-1_20240131T235501Z.json.gz"
        );
        for (end, signature) in [
            ("2024-01-31T23:55:01Z", Some("beef01")),
            ("2024-01-31T23:55:01Z", Some("BEEF01")),
            ("2024-01-31T23:55:01Z", Some(" beef01")),
            ("2024-01-31T23:55:01Z", Some("beef0")),
            ("2024-01-31T23:55:01Z", Some("")),
            ("2024-02-01T00:55:01.000+01:00", None),
        ] {
            let mut digest = serde_json::json!({
                "digestStartTime": "2024-01-31T22:55:01Z", "digestEndTime": end, "digestS3Bucket": "b",
                "digestS3Object": object, "digestPublicKeyFingerprint": "f", "digestSignatureAlgorithm": "SHA256withRSA",
                "logFiles": [],
            });
            if let Some(signature) = signature {
                digest["previousDigestSignature"] = signature.into();
            }
            let without = digest.to_string();
            assert_eq!(parse("d", without.as_bytes(), None).is_ok(), signature.is_none(), "it names nothing before it");
            digest["previousDigestS3Bucket"] = "b".into();
            digest["previousDigestS3Object"] = "k".into();
            let raw = digest.to_string();
            let (read, _) = parse("d", raw.as_bytes(), None).unwrap();
            let read = Digest { hash: sha256(raw.as_bytes()), ..read };
            assert_eq!(read.signed(), sha256(string_to_sign(end, "b", &object, &read.hash, signature).as_bytes()));
        }
    }

    #[test]
    fn places_are_compared_from_awslogs_on() {
        let named = format!("bucket/prefix/{FOLDER}/2024/01/31/x.json.gz");
        for same in [
            format!("s3://bucket/prefix/{FOLDER}/2024/01/31/x.json.gz"),
            format!("s3://copy/{FOLDER}/2024/01/31/x.json.gz"),
            format!("elsewhere/{FOLDER}/2024/01/31/x.json"),
            "us-east-1/2024/01/31/x.json.gz".to_owned(),
            "x.json".to_owned(),
        ] {
            assert!(same_place(&same, &named), "{same}");
            let (bucket, object) = named.split_once('/').unwrap();
            assert!(lies_at(&same, bucket, object), "{same}");
        }
        for other in [
            format!("s3://bucket/{FOLDER}/2024/01/30/x.json.gz"),
            format!("{FOLDER}/2024/01/31/y.json.gz"),
            "AWSLogs/o-x/111122223333/CloudTrail-Digest/us-east-1/2024/01/31/x.json.gz".to_owned(),
            "data/us-east-1/2024/01/31/x.json.gz".to_owned(),
            "1/x.json.gz".to_owned(),
            "1/31/x.json.gz".to_owned(),
        ] {
            assert!(!same_place(&other, &named), "{other}");
            let (bucket, object) = named.split_once('/').unwrap();
            assert!(!lies_at(&other, bucket, object), "{other}");
        }
        assert_eq!(tail("notAWSLogs/x"), "notAWSLogs/x");
        assert_eq!(tail("AWSLogs/AWSLogs/x"), "AWSLogs/x");
    }
}
