//! The first pass: reading the digests.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::Deserialize;

use super::{
    ChainId, Code, Digest, Finding,
    file::{self, LogField},
    named::Index,
};
use crate::{
    cloudtrail::Record,
    inflate::InflateError,
    pipeline::{Bytes, Next, Visitor},
    source::{ObjectRef, Product},
};

/// All digests that were read, not judged yet.
#[derive(Debug, Default)]
pub struct Gather {
    pub(super) chains: BTreeMap<ChainId, Vec<Digest>>,
    pub(super) named: Index,
    /// Signatures from files beside the digests, by the digest's name.
    pub(super) signatures: HashMap<String, Box<[u8]>>,
    pub(super) findings: Vec<Finding>,
    /// How many digests were numbered.
    pub(super) next: u32,
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

impl Gather {
    /// The chains, and how many digests there are of each.
    pub fn chains(&self) -> impl Iterator<Item = (&ChainId, &[Digest])> {
        self.chains.iter().map(|(id, digests)| (id, digests.as_slice()))
    }

    fn digest(&mut self, name: &str, bytes: &Bytes<'_>) -> Result<(), String> {
        if bytes.inflated.members > 1 {
            return Err(format!("{} gzip members: CloudTrail writes one", bytes.inflated.members));
        }
        let (chain, mut digest, logs) = file::parse(name, bytes.inflated.bytes, bytes.signature)?;
        let hashes = logs.iter().map(LogField::hash).collect::<Result<Vec<_>, _>>()?;
        digest.number = self.next;
        for (log, hash) in logs.iter().zip(hashes) {
            self.named.add(&log.s3_bucket, &log.s3_object, hash, digest.number);
        }
        self.next += 1;
        self.chains.entry(chain).or_default().push(digest);
        Ok(())
    }

    /// A signature's file: hexadecimal, or the answer of `aws s3api head-object`.
    fn signature(&mut self, name: &str, raw: &[u8]) {
        let text = serde_json::from_slice::<HeadObject>(raw)
            .map(|head| head.metadata.signature)
            .unwrap_or_else(|_| String::from_utf8_lossy(raw).into_owned());
        let signature = file::signature(&text);
        if signature.is_empty() {
            let text = "neither a signature in hexadecimal nor what `aws s3api head-object` prints of a digest";
            self.findings.push(Finding::object(Code::DigestMalformed, name, text));
        }
        self.signatures.insert(name.strip_suffix(".signature").unwrap_or(name).to_owned(), signature);
    }
}

impl Visitor for Gather {
    fn bytes(&mut self, object: &Arc<ObjectRef>, bytes: &Bytes<'_>) -> Next {
        match object.key.product {
            Product::Signature => self.signature(&object.name, bytes.inflated.bytes),
            Product::Digest => {
                if let Err(error) = self.digest(&object.name, bytes) {
                    self.findings.push(Finding::object(Code::DigestMalformed, &object.name, error));
                }
            }
            Product::Log | Product::Other => return Next::Visit,
        }
        Next::Pass
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
