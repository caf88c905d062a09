//! Signatures of a report's manifest and of an evidence bundle: that somebody who holds a key has signed just these bytes.
//!
//! A signature stands beside what it signs, under its name with one of the [`ENDINGS`]. Two kinds of keys sign: SSH keys, which
//! people have and which the `ssh-keygen` that everybody has verifies, and keys in AWS KMS, which never leave it. What a
//! signature proves is that its key signed; whose key that is, the reader must know from elsewhere ([`Trust`]).

mod kms;
mod ssh;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::aws::Connection;
use crate::disk;

/// What a signature's file is called after what it signs: by an SSH key, by a key in KMS.
pub const ENDINGS: [&str; 2] = [ssh::ENDING, kms::ENDING];
/// The most bytes of a signature: that of a key of 16,384 bits has four thousand.
pub const LARGEST: u64 = 64 << 10;

/// Where the signature of a file is, or would be.
#[must_use]
pub fn beside(signed: &Path, ending: &str) -> PathBuf {
    let mut name = signed.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    name.into()
}

/// Why something could not be signed, or a signature is not good: one sentence, with a way out on a line of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SignatureError(String);

impl SignatureError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A key that signs.
#[derive(Debug)]
pub enum Signer {
    /// An SSH key.
    Ssh(ssh::Key),
    /// A key in AWS KMS.
    Kms(Box<kms::Key>),
}

impl Signer {
    /// The key that `key` names: the ARN of a key or an alias in KMS, or else the file of an SSH key. It signs once for trial, so that what
    /// is wrong with it is said before any long work.
    ///
    /// # Errors
    /// Where it cannot sign.
    pub fn new(key: &Path, connection: &Connection) -> Result<Self, SignatureError> {
        let signer = match kms_arn(key) {
            Some(arn) => Self::Kms(Box::new(kms::Key::new(arn, connection)?)),
            None => Self::Ssh(ssh::Key::new(key)?),
        };
        signer.sign_bytes(b"")?;
        Ok(signer)
    }

    /// Which key it is: of an SSH key the file, of one in KMS the ARN.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Ssh(key) => key.file().display().to_string(),
            Self::Kms(key) => key.arn().to_owned(),
        }
    }

    /// How its signatures' files end.
    #[must_use]
    pub const fn ending(&self) -> &'static str {
        match self {
            Self::Ssh(_) => ssh::ENDING,
            Self::Kms(_) => kms::ENDING,
        }
    }

    /// Signs a file from its beginning to its end.
    ///
    /// # Errors
    /// Where the key cannot be used, or the file cannot be read.
    pub fn sign(&self, message: File) -> Result<Vec<u8>, SignatureError> {
        match self {
            Self::Ssh(key) => key.sign(message),
            Self::Kms(key) => key.sign(message),
        }
    }

    /// Signs some bytes.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn sign_bytes(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        self.sign(as_file(message)?)
    }
}

/// The ARN of a key or an alias in KMS, where `key` is one and no file's name.
#[must_use]
pub fn kms_arn(key: &Path) -> Option<&str> {
    key.to_str().filter(|text| kms::is_arn(text))
}

/// By what a reader knows whose a key is.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// For SSH keys, a file of allowed signers, as `ssh-keygen` reads it.
    pub allowed_signers: Option<PathBuf>,
    /// For keys in KMS, a public key, PEM or DER.
    pub public_key: Option<PathBuf>,
}

/// What a good signature tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The key, by its fingerprint or its ARN: a stranger's text.
    pub key: String,
    /// Who signed, by what the reader trusts; `None` where nothing was given that tells whose the key is.
    pub by: Option<String>,
}

/// What a check of a signature comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is of just these bytes, and by a key that is trusted where any are.
    Good(Signed),
    /// It is not, and why.
    Bad(String),
}

/// Checks a signature, in a file of the name `signature`, of all that is in `message`.
///
/// # Errors
/// Where it cannot be checked: it is no signature, or what is needed for it cannot be read.
pub fn verify(message: File, signature: &Path, trust: &Trust) -> Result<Verdict, SignatureError> {
    let bytes = disk::read(signature, LARGEST).map_err(|error| {
        SignatureError(format!("could not read the signature `{}`: {error}{}", signature.display(), disk::hint(&error)))
    })?;
    match form(&bytes) {
        Some(Form::Ssh) => ssh::verify(message, &bytes, trust.allowed_signers.as_deref()),
        Some(Form::Kms) => kms::verify(message, &bytes, trust.public_key.as_deref()),
        None => Err(SignatureError(format!(
            "`{}` is not a signature of mfatrail\n  hint: use the file that `--sign-key` wrote, which ends in .sig or .sig.json",
            signature.display()
        ))),
    }
}

/// Whether a file is a signature by this program or by `ssh-keygen` for it.
pub fn is_one(file: &mut File) -> bool {
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).is_ok() && form(&bytes).is_some()
}

/// The same of bytes.
#[must_use]
pub fn is_one_of(bytes: &[u8]) -> bool {
    form(bytes).is_some()
}

enum Form {
    Ssh,
    Kms,
}

fn form(bytes: &[u8]) -> Option<Form> {
    if ssh::is_one(bytes) {
        Some(Form::Ssh)
    } else if disk::begins_with_schema(bytes, kms::SCHEMA) {
        Some(Form::Kms)
    } else {
        None
    }
}

/// Bytes as a file that nobody else sees.
fn as_file(bytes: &[u8]) -> Result<File, SignatureError> {
    let made = || -> io::Result<File> {
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        file.rewind()?;
        Ok(file)
    };
    made().map_err(|error| {
        SignatureError(format!("could not write a temporary file: {error}\n  hint: set TMPDIR to another folder"))
    })
}
