//! Secrets by reference: the configuration says where one is, and nothing that is printed or logged says what it is.

use std::fmt;
use std::path::Path;

use serde::Deserialize;

use crate::disk;

/// The most bytes of a secret's file.
const LARGEST: u64 = 64 << 10;

/// Where a secret is: `env:NAME` or `file:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SecretRef(String);

impl TryFrom<String> for SecretRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env" | "file", place)) if !place.is_empty() => Ok(Self(text)),
            // What stands there may be the secret itself: it is not repeated.
            _ => Err("a secret does not stand in this file (hint: write \"env:NAME\" or \"file:PATH\", where it is)"
                .to_owned()),
        }
    }
}

/// A secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// The secret itself, for whoever sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl SecretRef {
    /// Reads the secret; a line's end after it is not part of it.
    ///
    /// # Errors
    /// Where there is none, with its place.
    pub fn resolve(&self) -> Result<Secret, String> {
        let (kind, place) = self.0.split_once(':').unwrap_or_default();
        let text = if kind == "env" {
            std::env::var(place)
                .map_err(|_absent| format!("the environment has no variable `{place}` with a secret (hint: set it)"))?
        } else {
            let bytes = disk::read(Path::new(place), LARGEST)
                .map_err(|error| format!("cannot read the secret in `{place}`: {error}{}", disk::hint(&error)))?;
            String::from_utf8(bytes).map_err(|_binary| format!("the secret in `{place}` is no text"))?
        };
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(format!("the secret in `{}` is empty", self.0)),
            secret => Ok(Secret(secret.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_where_it_is_and_never_shown() {
        let reference = |text: &str| SecretRef::try_from(text.to_owned());
        let error = reference("hunter2").unwrap_err();
        assert!(!error.contains("hunter2") && error.contains("env:NAME"), "{error}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\r\n").unwrap();
        let secret = reference(&format!("file:{}", file.path().display())).unwrap().resolve().unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}").as_str()), ("hunter2", "Secret(…)"));
        std::fs::write(file.path(), "\n").unwrap();
        assert!(
            reference(&format!("file:{}", file.path().display())).unwrap().resolve().unwrap_err().contains("is empty")
        );
        assert!(reference("env:MFATRAIL_NO_SUCH").unwrap().resolve().unwrap_err().contains("`MFATRAIL_NO_SUCH`"));
        assert!(reference("file:/no/such").unwrap().resolve().unwrap_err().contains("`/no/such`"));
        assert!(reference("file:").is_err());
    }
}
