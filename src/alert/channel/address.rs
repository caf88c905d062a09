//! Addresses of channels: https but on this machine, and secret where they let anybody who knows them post.

use serde::Deserialize;

use crate::alert::secret::{Secret, SecretRef, Vault};

/// An address as it is configured: written out, or a reference to a secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Address {
    /// Written out.
    Open(String),
    /// A secret.
    Secret(SecretRef),
}

impl From<String> for Address {
    fn from(text: String) -> Self {
        SecretRef::try_from(text.clone()).map_or(Self::Open(text), Self::Secret)
    }
}

impl Address {
    /// Where it is, if it is a secret.
    pub(super) fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::Open(_) => None,
            Self::Secret(reference) => Some(reference),
        }
    }

    /// The address, checked, and the same as a secret, if it is one.
    ///
    /// # Errors
    /// When it cannot be had or cannot be used; without what is secret.
    pub(super) fn open(&self, vault: &dyn Vault) -> Result<(String, Option<Secret>), String> {
        match self {
            Self::Open(url) => checked(url, "its `url`").map(|url| (url, None)),
            Self::Secret(reference) => {
                let secret = reference.resolve(vault)?;
                Ok((checked(secret.expose(), &format!("the address in `{reference}`"))?, Some(secret)))
            }
        }
    }
}

/// Refuses an address that would carry secrets or names in the clear, but for one on this machine, and one with a password in it.
/// `what` names it in an error, which does not repeat it.
pub(super) fn checked(url: &str, what: &str) -> Result<String, String> {
    let uri: hyper::Uri = url.parse().map_err(|_bad| format!("{what} is not an address (hint: https://host/path)"))?;
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(format!("{what} has a user or a password in it, which would be shown (hint: leave them out)"));
    }
    match uri.scheme_str() {
        Some("https") if !host.is_empty() => Ok(url.to_owned()),
        Some("http") if local => Ok(url.to_owned()),
        _ => {
            Err(format!("{what} is not https (hint: alerts hold names and addresses; http is for this machine alone)"))
        }
    }
}

/// An address of an API and a path in it, whether or not the address has it already.
pub(super) fn joined(base: &str, path: &str) -> String {
    let base = base.trim_end_matches('/');
    format!("{}{path}", base.strip_suffix(path).unwrap_or(base))
}

/// Percent-encoded, but for what stands for itself.
pub(super) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::samples::assert_read;
    use crate::alert::secret::NoVault;

    #[test]
    fn only_this_machine_is_told_in_the_clear() {
        for (url, wrong) in [
            ("https://soc.example.com/mfa", None),
            ("https://[2001:db8::1]:8443/", None),
            ("http://127.0.0.1:1234/x", None),
            ("http://[::1]:1234/x", None),
            ("http://localhost/x", None),
            ("http://soc.example.com/mfa", Some("is not https")),
            ("http://localhost.example.com/", Some("is not https")),
            ("http://127.0.0.1.example.com/", Some("is not https")),
            ("http://localhost@soc.example.com/", Some("a user or a password")),
            ("https://me:hunter2@soc.example.com/", Some("a user or a password")),
            ("ftp://127.0.0.1/", Some("is not https")),
            ("/mfa", Some("is not https")),
            ("soc.example.com", Some("is not https")),
            ("https://", Some("is not an address")),
            ("", Some("is not an address")),
        ] {
            let told = checked(url, "its `url`");
            assert_read(url, &told, wrong);
            assert!(!told.is_err_and(|error| error.contains("hunter2")));
        }
    }

    #[test]
    fn an_address_may_be_a_secret() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "http://hooks.example.com/hunter2\n").unwrap();
        let address = Address::from(format!("file:{}", file.path().display()));
        let error = address.open(&NoVault).unwrap_err();
        assert!(error.contains("is not https") && error.contains("file:") && !error.contains("hunter2"), "{error}");
        std::fs::write(file.path(), "https://hooks.example.com/hunter2\n").unwrap();
        let (url, secret) = address.open(&NoVault).unwrap();
        assert_eq!((url.as_str(), secret.is_some()), ("https://hooks.example.com/hunter2", true));
        assert!(!format!("{address:?}").contains("hunter2"));
    }

    #[test]
    fn a_path_is_added_once() {
        for base in ["https://a.example.com", "https://a.example.com/", "https://a.example.com/v2/enqueue"] {
            assert_eq!(joined(base, "/v2/enqueue"), "https://a.example.com/v2/enqueue");
        }
    }
}
