//! Signatures by asymmetric keys in AWS KMS, which never leave it: KMS signs the SHA-256 of a file.
//!
//! The signature is kept as JSON, with the key's ARN and public key; `openssl dgst -verify` takes the same signature. Whoever checks it
//! without a public key of their own (`aws kms get-public-key`) learns only that the file is as it was signed by the key inside.
//!
//! Sources: the API references of `Sign` and `GetPublicKey`. An ECDSA signature is DER as in ANS X9.62, a public key an X.509
//! `SubjectPublicKeyInfo`.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{SignatureError, Signed, Verdict};
use crate::arn::Arn;
use crate::aws::Connection;
use crate::aws::signed::{Caller, KMS};
use crate::disk;
use crate::escape::terminal as terminal_text;
use crate::hash::{hex, sha256};

pub(super) const ENDING: &str = "sig.json";
pub(super) const SCHEMA: &str = "mfatrail.signature";
const VERSION: &str = "mfatrail.signature/1";
const DEADLINE: Duration = Duration::from_secs(30);
const PEM: [&str; 2] = ["-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"];
/// A curve whose keys KMS lists with ECDSA_SHA_256, too, and by which nothing here verifies.
const OTHER_CURVE: &str = "ECC_SECG_P256K1";
/// KMS's names of the algorithms that are used here, best first.
const ALGORITHMS: [&str; 2] = ["ECDSA_SHA_256", "RSASSA_PKCS1_V1_5_SHA_256"];

/// A key in KMS.
#[derive(Debug)]
pub struct Key {
    caller: Caller,
    /// As it was named: a key or an alias.
    arn: String,
    algorithm: &'static str,
    /// DER.
    public: Vec<u8>,
}

/// What a signature's file holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: String,
    /// The key's ARN.
    key: String,
    algorithm: String,
    /// Of what was signed, hexadecimal.
    sha256: String,
    /// Base64.
    signature: String,
    /// DER, base64.
    public_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublicKey {
    public_key: String,
    key_spec: Option<String>,
    signing_algorithms: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    key_id: String,
    signature: String,
}

/// Whether a text is the ARN of a key or an alias in KMS.
pub(super) fn is_arn(text: &str) -> bool {
    Arn::parse(text).is_some_and(|arn| arn.service == "kms")
}

impl Key {
    pub(super) fn new(arn: &str, connection: &Connection) -> Result<Self, SignatureError> {
        // A key is in the region of its ARN, wherever the archive is.
        let region = Arn::parse(arn).map(|arn| arn.region.to_owned()).filter(|region| !region.is_empty());
        let connection = Connection { region: region.or_else(|| connection.region.clone()), ..connection.clone() };
        let caller = Caller::open(&connection, DEADLINE).map_err(SignatureError::new)?;
        let asked = caller.json(&KMS, "GetPublicKey", &serde_json::json!({ "KeyId": arn }));
        let told: PublicKey = asked.and_then(|answer| answer.json()).map_err(|error| refused(arn, "read", &error))?;
        let known =
            told.signing_algorithms.filter(|_| told.key_spec.as_deref() != Some(OTHER_CURVE)).unwrap_or_default();
        let Some(algorithm) = ALGORITHMS.into_iter().find(|one| known.iter().any(|known| known == one)) else {
            return Err(SignatureError(format!(
                "`--sign-key`: the key `{arn}` cannot sign by {}\n  hint: use a key of the usage SIGN_VERIFY, such as ECC_NIST_P256",
                ALGORITHMS.join(" or ")
            )));
        };
        let public = STANDARD.decode(told.public_key).map_err(|_| no_answer(arn))?;
        Ok(Self { caller, arn: arn.to_owned(), algorithm, public })
    }

    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    pub(super) fn sign(&self, message: File) -> Result<Vec<u8>, SignatureError> {
        let digest = digest(message)?;
        let asked = serde_json::json!({
            "KeyId": self.arn, "Message": STANDARD.encode(digest), "MessageType": "DIGEST", "SigningAlgorithm": self.algorithm,
        });
        let answer = self.caller.json(&KMS, "Sign", &asked);
        let answer: Answer =
            answer.and_then(|answer| answer.json()).map_err(|error| refused(&self.arn, "sign with", &error))?;
        let signature = STANDARD.decode(&answer.signature).map_err(|_| no_answer(&self.arn))?;
        // What KMS, or who stands in for it, answers is a signature only if it is one.
        if !is_good(self.algorithm, &self.public, &digest, &signature) {
            return Err(no_answer(&self.arn));
        }
        let document = Document {
            schema: VERSION.to_owned(),
            key: answer.key_id,
            algorithm: self.algorithm.to_owned(),
            sha256: hex(&digest),
            signature: answer.signature,
            public_key: STANDARD.encode(&self.public),
        };
        let mut text = serde_json::to_vec_pretty(&document).map_err(|error| SignatureError(error.to_string()))?;
        text.push(b'\n');
        Ok(text)
    }
}

fn refused(arn: &str, what: &str, error: &impl std::fmt::Display) -> SignatureError {
    SignatureError(format!(
        "`--sign-key`: could not {what} the key `{arn}`: {}\n  hint: it takes kms:GetPublicKey and kms:Sign on this key",
        terminal_text(&error.to_string())
    ))
}

fn no_answer(arn: &str) -> SignatureError {
    SignatureError(format!(
        "`--sign-key`: KMS answered for the key `{arn}` what is no signature by it\n  hint: check the endpoint"
    ))
}

fn digest(mut message: File) -> Result<[u8; 32], SignatureError> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match message.read(&mut buffer) {
            Ok(0) => return Ok(digest.finalize().into()),
            Ok(read) => digest.update(buffer.get(..read).unwrap_or_default()),
            Err(error) => return Err(SignatureError(format!("could not read what is signed: {error}"))),
        }
    }
}

fn is_good(algorithm: &str, public: &[u8], digest: &[u8; 32], signature: &[u8]) -> bool {
    let by: &'static dyn VerificationAlgorithm = match algorithm {
        "ECDSA_SHA_256" => &ECDSA_P256_SHA256_ASN1,
        "RSASSA_PKCS1_V1_5_SHA_256" => &RSA_PKCS1_2048_8192_SHA256,
        _ => return false,
    };
    let Ok(digest) = aws_lc_rs::digest::Digest::import_less_safe(digest, &aws_lc_rs::digest::SHA256) else {
        return false;
    };
    UnparsedPublicKey::new(by, public).verify_digest(&digest, signature).is_ok()
}

/// Checks a signature of this form.
pub(super) fn verify(message: File, signature: &[u8], trusted: Option<&Path>) -> Result<Verdict, SignatureError> {
    let document: Document = serde_json::from_slice(signature)
        .map_err(|error| SignatureError(format!("the signature is damaged: {}", terminal_text(&error.to_string()))))?;
    if document.schema != VERSION {
        return Err(SignatureError(format!(
            "the signature is of the version `{}`, not {VERSION}\n  hint: use the version of mfatrail that wrote it",
            terminal_text(&document.schema)
        )));
    }
    let inside = STANDARD.decode(&document.public_key).ok();
    let (public, by) = match trusted {
        Some(file) => {
            let public = public_key(file)?;
            let by = format!("{} ({})", file.display(), fingerprint(&public));
            (Some(public), Some(by))
        }
        None => (inside, None),
    };
    let digest = digest(message)?;
    let good = public
        .as_ref()
        .zip(STANDARD.decode(&document.signature).ok())
        .is_some_and(|(public, signature)| is_good(&document.algorithm, public, &digest, &signature));
    if !good {
        let why = if hex(&digest) == document.sha256 {
            "it is not by this key"
        } else {
            "what it signs was changed, or it is of something else"
        };
        return Ok(Verdict::Bad(why.to_owned()));
    }
    let fingerprint = public.map(|public| fingerprint(&public)).unwrap_or_default();
    // The key's name is not signed: whoever made the signature has written it.
    Ok(Verdict::Good(Signed { key: format!("{fingerprint}, which calls itself {}", document.key), by }))
}

fn fingerprint(public: &[u8]) -> String {
    format!("SHA-256 {}", hex(&sha256(public)))
}

/// A public key of a file: PEM, or DER.
fn public_key(file: &Path) -> Result<Vec<u8>, SignatureError> {
    let wrong = |why: String| {
        SignatureError(format!(
            "`--public-key`: `{}`: {why}\n  hint: `aws kms get-public-key --key-id KEY --query PublicKey --output text | base64 -d > key.der`",
            file.display()
        ))
    };
    let bytes = disk::read(file, super::LARGEST).map_err(|error| wrong(error.to_string()))?;
    let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.split_once(PEM[0])).map(|(_, rest)| rest);
    let Some(text) = text else { return Ok(bytes) };
    let base64 = text.split_once(PEM[1]).map(|(base64, _)| base64.split_ascii_whitespace().collect::<String>());
    base64.and_then(|base64| STANDARD.decode(base64).ok()).ok_or_else(|| wrong("it is damaged".to_owned()))
}
