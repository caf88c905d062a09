//! The first pass: reading the digests.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::Deserialize;

use super::{
    ChainId, Code, Digest, Finding,
    file::{self, LogField},
    lanes::{Hashed, Lanes},
    log_index::Index,
};
use crate::hash::{Hash, sha256};
use crate::{
    cloudtrail::Record,
    inflate::InflateError,
    inputs::error::{decode, json_problem},
    pipeline::{Bytes, Next, Visitor},
    source::{Earlier, ObjectRef, Product},
};

/// All digests that were read, not judged yet.
#[derive(Debug, Default)]
pub struct DigestReader {
    pub(super) chains: BTreeMap<ChainId, Vec<Digest>>,
    pub(super) named: Index,
    /// Signatures from files beside the digests, by the digest's name.
    pub(super) signatures: HashMap<String, Box<[u8]>>,
    pub(super) findings: Vec<Finding>,
    /// Accounts and regions that had digests before the listing begins.
    pub(super) earlier: Earlier,
    /// How many digests were numbered.
    pub(super) next: u32,
    /// The latest digests, all of one chain, and what their keys begin with.
    run: Option<(ChainId, Option<Box<str>>)>,
    of_run: Vec<Digest>,
    /// Digests that are being hashed, by their numbers.
    lanes: Lanes<u32>,
    /// What came of it, by number, until [`Visitor::ended`] hands it out.
    hashes: Vec<Hash>,
}

/// What `aws s3api head-object` prints, as far as it matters.
#[derive(Deserialize)]
struct HeadObject {
    #[serde(rename = "Metadata")]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    signature: String,
}

impl DigestReader {
    /// Notes who had digests before the listing begins.
    #[must_use]
    pub fn with_earlier(self, earlier: Earlier) -> Self {
        Self { earlier, ..self }
    }

    /// The chains, and how many digests there are of each.
    pub fn chains(&self) -> impl Iterator<Item = (&ChainId, &[Digest])> {
        self.chains.iter().map(|(id, digests)| (id, digests.as_slice()))
    }

    fn digest(&mut self, name: &str, bytes: &Bytes<'_>) -> Result<(), String> {
        if bytes.inflated.members > 1 {
            return Err(format!("{} gzip members; CloudTrail writes one", bytes.inflated.members));
        }
        let (mut digest, logs) = file::parse(name, bytes.inflated.bytes, bytes.signature)?;
        let hashes = logs.iter().map(LogField::hash).collect::<Result<Vec<_>, _>>()?;
        // Neighbors are of one chain, which their keys then need not be taken apart for.
        let before = file::before_time(&digest.object);
        if before.is_none() || self.run.as_ref().is_none_or(|(_, of_run)| of_run.as_deref() != before) {
            let chain = ChainId::parse(&digest.object)
                .ok_or_else(|| format!("`digestS3Object` is not the key of a digest: `{}`", digest.object))?;
            self.end_run();
            self.run = Some((chain, before.map(Box::from)));
        }
        digest.number = self.next;
        for (log, hash) in logs.iter().zip(hashes) {
            self.named.add(&log.s3_bucket, &log.s3_object, hash, digest.number);
        }
        self.next += 1;
        self.hashes.push(digest.hash);
        self.of_run.push(digest);
        Ok(())
    }

    fn end_run(&mut self) {
        if let Some((chain, _)) = self.run.take() {
            self.chains.entry(chain).or_default().append(&mut self.of_run);
        }
    }

    fn take_hashes(&mut self) {
        while let Some(Hashed { mark, hash, .. }) = self.lanes.pop() {
            if let Some(place) = self.hashes.get_mut(mark as usize) {
                *place = hash;
            }
        }
    }

    /// A signature's file: hexadecimal, or the answer of `aws s3api head-object`.
    fn signature(&mut self, name: &str, raw: &[u8]) {
        let (signature, malformed) = match decode(raw.to_vec()) {
            Ok(text) => match serde_json::from_str::<HeadObject>(&text) {
                Ok(head) => (file::signature(&head.metadata.signature), None),
                Err(error) if text.trim_start().starts_with('{') => (Box::default(), Some(json_problem(&text, &error))),
                Err(_hexadecimal) => (file::signature(&text), None),
            },
            Err(problem) => (Box::default(), Some(problem)),
        };
        if signature.is_empty() {
            let text = "neither a hexadecimal signature nor the output of `aws s3api head-object` for a digest";
            let text = malformed.map_or_else(|| text.to_owned(), |problem| format!("{text}: {problem}"));
            self.findings.push(Finding::object(Code::DigestMalformed, name, text));
        }
        self.signatures.insert(name.strip_suffix(".signature").unwrap_or(name).to_owned(), signature);
    }
}

impl Visitor for DigestReader {
    fn bytes(&mut self, object: &Arc<ObjectRef>, bytes: &Bytes<'_>) -> Next {
        match object.key.product {
            Product::Signature => self.signature(&object.name, bytes.inflated.bytes),
            Product::Digest => match self.digest(&object.name, bytes) {
                // A buffer is handed over only where that saves something.
                Ok(()) if bytes.inflated.members == 1 && self.lanes.takes(bytes.inflated.bytes.len()) => {
                    return Next::Keep;
                }
                Ok(()) => {
                    if let Some(hash) = self.hashes.last_mut() {
                        *hash = sha256(bytes.inflated.bytes);
                    }
                }
                Err(error) => self.findings.push(Finding::object(Code::DigestMalformed, &object.name, error)),
            },
            Product::Log | Product::Stray | Product::Other => return Next::Visit,
        }
        Next::Pass
    }

    fn keep(&mut self, _object: &Arc<ObjectRef>, buffer: Vec<u8>, length: usize) {
        self.lanes.add(self.next - 1, buffer, length);
        self.take_hashes();
    }

    fn buffer(&mut self, length: usize, at_hand: Vec<u8>) -> Vec<u8> {
        self.lanes.buffer(length, at_hand)
    }

    fn ended(&mut self) {
        self.end_run();
        self.lanes.finish();
        self.take_hashes();
        self.lanes = Lanes::default();
        let hashes = std::mem::take(&mut self.hashes);
        for digest in self.chains.values_mut().flatten() {
            if let Some(hash) = hashes.get(digest.number as usize) {
                digest.hash = *hash;
            }
        }
    }

    fn damaged(&mut self, object: &Arc<ObjectRef>, error: &InflateError) {
        self.findings.push(Finding::object(Code::DigestUnreadable, &object.name, error.to_string()));
    }

    fn record(&mut self, _object: &Arc<ObjectRef>, _record: &Record<'_, '_>) {}

    fn merge(&mut self, other: Self) {
        for (id, digests) in other.chains {
            let numbered = digests.into_iter().map(|digest| Digest { number: digest.number + self.next, ..digest });
            self.chains.entry(id).or_default().extend(numbered);
        }
        self.named.merge(other.named, self.next);
        self.signatures.extend(other.signatures);
        self.findings.extend(other.findings);
        self.next += other.next;
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, io::Write};

    use flate2::{Compression, write::GzEncoder};
    use serde_json::json;

    use super::*;
    use crate::{
        pipeline::{Options, scan},
        source::{Selection, Source},
    };

    #[test]
    fn digests_of_several_chains_in_turn_come_to_their_own_chains_with_their_hashes() {
        let home = tempfile::tempdir().unwrap();
        let (mut sources, mut expected) = (Vec::new(), BTreeSet::new());
        for minute in 10..30_u8 {
            // One chain, its late logs, another account's, and back again.
            for (account, backfill) in [("111122223333", ""), ("111122223333", "_backfill"), ("444455556666", "")] {
                let folder = format!("AWSLogs/{account}/CloudTrail-Digest/us-east-1/2024/01/31");
                let object = format!(
                    "{folder}/{account}_CloudTrail-Digest_us-east-1_t_us-east-1_20240131T23{minute}01Z{backfill}.json.gz"
                );
                let text = json!({
                    "digestStartTime": "2024-01-31T22:55:01Z", "digestEndTime": format!("2024-01-31T23:{minute}:01Z"),
                    "digestS3Bucket": "b", "digestS3Object": object, "digestPublicKeyFingerprint": "f",
                    "digestSignatureAlgorithm": "SHA256withRSA", "previousDigestS3Bucket": null,
                    "previousDigestS3Object": null, "previousDigestHashValue": null,
                    "previousDigestHashAlgorithm": null, "previousDigestSignature": null, "logFiles": [],
                    "pad": "x".repeat(usize::from(minute) * 50),
                })
                .to_string();
                let path = home.path().join(&object);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let mut gzip = GzEncoder::new(fs::File::create(&path).unwrap(), Compression::fast());
                gzip.write_all(text.as_bytes()).unwrap();
                gzip.finish().unwrap();
                sources.push(Source::Local(path));
                expected.insert((account.to_owned(), !backfill.is_empty(), object, sha256(text.as_bytes())));
            }
        }
        let selection = Selection { product: Some(Product::Digest), ..Selection::default() };
        for threads in [1, 2] {
            let options = Options { threads, ..Options::default() };
            let (gather, _) = scan(&sources, &selection, &options, &DigestReader::default).unwrap();
            assert_eq!(gather.findings, []);
            assert_eq!(gather.chains().count(), 3);
            let told = gather.chains().flat_map(|(id, digests)| {
                digests.iter().map(|digest| (id.account.clone(), id.backfill, digest.object.to_string(), digest.hash))
            });
            assert_eq!(told.collect::<BTreeSet<_>>(), expected);
            let numbers: BTreeSet<u32> =
                gather.chains().flat_map(|(_, digests)| digests).map(|digest| digest.number).collect();
            assert_eq!(numbers.len(), expected.len(), "each has a number of its own");
        }
    }
}
