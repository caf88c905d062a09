//! Secrets by reference: the configuration says where one is, and nothing that is printed or logged says what it is.

use std::fmt;
use std::path::Path;

use serde::Deserialize;

use crate::disk;

/// The most bytes of a secret's file.
const LARGEST: u64 = 64 << 10;

/// Where secrets can be, as references begin.
const PLACES: [(&str, Place); 4] = [
    ("env", Place::Environment),
    ("file", Place::File),
    ("aws-sm", Place::SecretsManager),
    ("aws-ssm", Place::ParameterStore),
];

/// Where a secret can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// A variable of the environment.
    Environment,
    /// A file.
    File,
    /// A secret in AWS Secrets Manager, by its name or ARN.
    SecretsManager,
    /// A parameter in AWS Systems Manager Parameter Store, by its name or ARN.
    ParameterStore,
}

/// Gets secrets from where this module cannot look.
pub trait Vault {
    /// The secret of a name in [`Place::SecretsManager`] or [`Place::ParameterStore`].
    ///
    /// # Errors
    /// Why there is none, and what to do, without a part of any secret.
    fn get(&self, place: Place, name: &str) -> Result<Secret, String>;
}

/// For those who have no vault.
#[derive(Debug, Clone, Copy)]
pub struct NoVault;

impl Vault for NoVault {
    fn get(&self, _place: Place, name: &str) -> Result<Secret, String> {
        Err(format!(
            "the secret `{name}` is in AWS, where secrets cannot be read from (hint: \"env:NAME\" or \"file:PATH\")"
        ))
    }
}

/// Where a secret is: `env:NAME`, `file:PATH`, `aws-sm:NAME` or `aws-ssm:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SecretRef {
    place: Place,
    name: String,
}

impl TryFrom<String> for SecretRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = text.split_once(':').and_then(|(begin, name)| {
            let (_, place) = PLACES.into_iter().find(|(own, _)| *own == begin)?;
            (!name.is_empty()).then(|| Self { place, name: name.to_owned() })
        });
        // What stands there may be the secret itself: it is not repeated.
        known.ok_or_else(|| {
            "a secret does not stand in this file (hint: write where it is, \"env:NAME\", \"file:PATH\", \"aws-sm:NAME\" \
             or \"aws-ssm:NAME\")"
                .to_owned()
        })
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin = PLACES.iter().find(|(_, place)| *place == self.place).map_or("", |(begin, _)| begin);
        write!(f, "{begin}:{}", self.name)
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
    /// A secret out of its place; a line's end after it is not part of it.
    ///
    /// # Errors
    /// When nothing is left, or there are characters in it that no header or address can have.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err("is empty"),
            text if text.chars().any(char::is_control) => {
                Err("has several lines or control characters (hint: it must be the bare secret, in one line)")
            }
            text => Ok(Self(text.to_owned())),
        }
    }

    /// The secret itself, for whoever sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl SecretRef {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// What it is called there.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gets the secret.
    ///
    /// # Errors
    /// Where there is none, with its place.
    pub fn resolve(&self, vault: &dyn Vault) -> Result<Secret, String> {
        let Self { place, name } = self;
        match place {
            Place::Environment => environment(name),
            Place::File => file(name),
            Place::SecretsManager | Place::ParameterStore => vault.get(*place, name),
        }
    }

    /// What speaks against where the secret is, and what to do: a file that every user of the machine may read.
    #[must_use]
    pub fn caution(&self) -> Option<String> {
        (self.place == Place::File && is_open(Path::new(&self.name))).then(|| {
            format!("any user of this machine may read the secret in `{0}` (hint: chmod 600 '{0}')", self.name)
        })
    }
}

fn environment(name: &str) -> Result<Secret, String> {
    match std::env::var(name) {
        Ok(text) => Secret::new(&text).map_err(|wrong| format!("the secret in the variable `{name}` {wrong}")),
        Err(std::env::VarError::NotPresent) => Err(format!(
            "the environment has no variable `{name}` with a secret (hint: set it where the watch is started)"
        )),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("the secret in the variable `{name}` is not UTF-8 text")),
    }
}

fn file(path: &str) -> Result<Secret, String> {
    let bytes = disk::read(Path::new(path), LARGEST)
        .map_err(|error| format!("cannot read the secret in `{path}`: {error}{}", disk::hint(&error)))?;
    let text = String::from_utf8(bytes).map_err(|_binary| format!("the secret in `{path}` is not UTF-8 text"))?;
    Secret::new(&text).map_err(|wrong| format!("the secret in `{path}` {wrong}"))
}

/// Whether every user may read or change a file.
#[cfg(unix)]
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).is_ok_and(|file| file.mode() & 0o006 != 0)
}

/// Not known here.
#[cfg(not(unix))]
fn is_open(_path: &Path) -> bool {
    false
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A secret for tests.
    pub(in crate::alert) fn secret(text: &str) -> Secret {
        Secret::new(text).unwrap()
    }

    fn reference(text: &str) -> Result<SecretRef, String> {
        SecretRef::try_from(text.to_owned())
    }

    #[test]
    fn only_a_reference_is_one() {
        for text in
            ["hunter2", "file:", "env:", "env", ":x", "https://hooks.example.com/hunter2", "aws-kms:hunter2", ""]
        {
            let error = reference(text).unwrap_err();
            assert!(!error.contains("hunter2") && error.contains("env:NAME"), "{error}");
        }
        for text in ["env:A", "file:/run/secrets/a:b", "aws-sm:prod/slack", "aws-ssm:/prod/slack"] {
            assert_eq!(reference(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_secret_is_read_where_it_is_and_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let own = reference(&format!("file:{}", file.path().display())).unwrap();
        std::fs::write(file.path(), "hunter2\r\n").unwrap();
        let secret = own.resolve(&NoVault).unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}").as_str()), ("hunter2", "Secret(…)"));
        assert!(
            reference("env:CARGO_PKG_NAME").unwrap().resolve(&NoVault).is_ok_and(|name| name.expose() == "mfatrail")
        );
        for (bytes, wrong) in [(&b"\n"[..], "is empty"), (b"hunter2\nmore\n", "several lines"), (b"\xff", "not UTF-8")]
        {
            std::fs::write(file.path(), bytes).unwrap();
            let error = own.resolve(&NoVault).unwrap_err();
            assert!(error.contains(wrong) && error.contains(&*file.path().to_string_lossy()), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let wrong = |text: &str| reference(text).unwrap().resolve(&NoVault).unwrap_err();
        assert!(wrong("env:MFATRAIL_NO_SUCH").contains("`MFATRAIL_NO_SUCH`"));
        assert!(wrong("file:/no/such").contains("`/no/such`"));
        assert!(wrong("aws-sm:prod/slack").contains("`prod/slack`"));
    }

    #[test]
    fn a_vault_is_asked_for_what_is_in_it() {
        struct Own;
        impl Vault for Own {
            fn get(&self, place: Place, name: &str) -> Result<Secret, String> {
                Secret::new(&format!("{place:?} {name}")).map_err(str::to_owned)
            }
        }
        for (text, got) in [("aws-sm:a", "SecretsManager a"), ("aws-ssm:/b", "ParameterStore /b")] {
            assert_eq!(reference(text).unwrap().resolve(&Own).unwrap().expose(), got);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_everybody_may_read_is_told_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        let own = reference(&format!("file:{}", file.path().display())).unwrap();
        for (mode, told) in [(0o600, false), (0o640, false), (0o644, true), (0o602, true)] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(own.caution().is_some(), told, "{mode:o}");
        }
        assert_eq!(reference("env:HOME").unwrap().caution(), None);
    }
}
