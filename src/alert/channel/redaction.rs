//! What others write, without the secrets that they were sent: an answer may repeat the address, a header or the body of its request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::alert::secret::Secret;

/// What stands for a secret.
const HIDDEN: &str = "***";
/// Shorter parts of an address are words, not secrets.
const PART: usize = 8;

/// The texts that are secret, in every form in which they are sent or come back, longest first.
#[derive(Clone, Default)]
pub(super) struct Redaction(Vec<String>);

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redaction(…)")
    }
}

impl Redaction {
    pub(super) fn new(secrets: &[Secret]) -> Self {
        let mut own = Self::default();
        secrets.iter().for_each(|secret| own.add(secret));
        own
    }

    /// One more.
    pub(super) fn add(&mut self, secret: &Secret) {
        self.0.extend(forms(secret.expose()));
        self.0.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.0.dedup();
    }

    /// A text without them.
    pub(super) fn cleaned(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
    }
}

/// A secret as it is, in base 64, as JSON and HTML write it, and, if it is an address, its parts from the path on.
fn forms(secret: &str) -> Vec<String> {
    let mut texts = vec![secret.to_owned()];
    if let Some((_, after)) = secret.split_once("://") {
        let path = after.find('/').and_then(|slash| after.get(slash..)).unwrap_or_default();
        let parts = path.split(['/', '?', '&', '=', '#']).chain([path]);
        texts.extend(parts.filter(|part| part.len() >= PART).flat_map(|part| [part.to_owned(), decoded(part)]));
    }
    let written: Vec<String> = texts
        .iter()
        .flat_map(|text| [text.replace('/', "\\/"), text.replace('&', "&amp;"), text.replace('&', "\\u0026")])
        .collect();
    texts.extend(written);
    texts.push(STANDARD.encode(secret));
    texts
}

/// Without percent-encoding.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let byte = more
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { more.get(2..).unwrap_or_default() } else { more };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::secret::tests::secret;

    #[test]
    fn no_form_of_a_secret_is_left() {
        let hook =
            "https://prod-1.example.com/workflows/abcdef0123/triggers/manual?api-version=1&sig=Zm9v%2Bhunter2%3D";
        let secrets = Redaction::new(&[secret("xoxb-hunter2"), secret(hook)]);
        for text in [
            "no such token xoxb-hunter2".to_owned(),
            format!("Basic {}", STANDARD.encode("xoxb-hunter2")),
            format!("{{\"url\":\"{}\"}}", hook.replace('/', "\\/")),
            format!("<a href=\"{}\">", hook.replace('&', "&amp;")),
            "no route for /workflows/abcdef0123/triggers/manual?api-version=1&sig=Zm9v%2Bhunter2%3D".to_owned(),
            "sig Zm9v+hunter2= is wrong, of workflow abcdef0123".to_owned(),
        ] {
            let cleaned = secrets.cleaned(&text);
            assert!(!cleaned.contains("hunter2") && !cleaned.contains("abcdef0123"), "{cleaned}");
            assert!(!cleaned.contains(&STANDARD.encode("xoxb-hunter2")), "{cleaned}");
        }
        assert_eq!(secrets.cleaned("prod-1.example.com says no"), "prod-1.example.com says no");
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }
}
