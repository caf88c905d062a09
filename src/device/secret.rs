//! Seeds, codes and passwords: none of them has a text but in the one place that was asked for.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use aws_lc_rs::rand;
use base64::Engine as _;

use crate::disk::{self, Draft, Readers};

/// How much is read of a file that holds one password.
const LARGEST: u64 = 1024;

/// A text that shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one place where it belongs.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Two consecutive codes of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes(pub [Secret; 2]);

impl Codes {
    /// Checks what was typed.
    ///
    /// # Errors
    /// What is wrong, without the codes.
    pub fn new(first: &str, second: &str) -> Result<Self, String> {
        let is_code = |code: &str| code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
        let (first, second) = (first.trim(), second.trim());
        for (name, code) in [("first", first), ("second", second)] {
            if !is_code(code) {
                return Err(format!(
                    "the {name} code does not have six digits\n  hint: type what the device shows, without spaces"
                ));
            }
        }
        if first == second {
            return Err(
                "both codes are the same\n  hint: wait until the device shows another one, after 30 seconds at most"
                    .to_owned(),
            );
        }
        Ok(Self([Secret::new(first.to_owned()), Secret::new(second.to_owned())]))
    }
}

/// A place for a secret: a file that only its owner can read, which was not there before, and holds all or does not exist.
///
/// # Errors
/// When something is there, or the folder cannot be written.
pub fn place(path: &Path) -> io::Result<Draft> {
    let never = |_file: &mut File| false;
    Draft::new(path, Readers::Owner, "a secret to be replaced", never)
}

/// The password of an earlier, unfinished run; `None` where there is none yet.
///
/// # Errors
/// When the file cannot be read.
pub fn read_password(path: &Path) -> io::Result<Option<Secret>> {
    let bytes = match disk::read(path, LARGEST) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(text.trim_end()).filter(|text| !text.is_empty()).map(|text| Secret::new(text.to_owned())))
}

/// A password that every policy of IAM's takes: 32 characters of all four kinds.
///
/// # Errors
/// When the system has no random bytes.
pub fn password() -> Result<Secret, String> {
    let mut bytes = [0_u8; 21];
    rand::fill(&mut bytes).map_err(|_unspecified| "the system gave no random bytes".to_owned())?;
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    // Each kind is there for certain, and the rest is random.
    Ok(Secret::new(format!("{text}aA1!")))
}

/// A seed as a code on a terminal, two rows of it in each line.
///
/// # Errors
/// When the text is too long for one.
pub fn qr_code(address: &Secret) -> Result<Secret, String> {
    let code = qrcode::QrCode::new(address.reveal().as_bytes()).map_err(|error| format!("no QR code: {error}"))?;
    let drawn = code.render::<qrcode::render::unicode::Dense1x2>().quiet_zone(true).build();
    // Black on bright white, whatever the colors of the terminal: many applications read no code that is light on dark.
    let lines = drawn.lines().map(|line| format!("\u{1b}[30;107m{line}\u{1b}[0m"));
    Ok(Secret::new(lines.collect::<Vec<_>>().join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_two_of_six_digits() {
        assert!(Codes::new(" 123456\n", "654321").is_ok());
        for (first, second, why) in [
            ("12345", "654321", "the first code"),
            ("123456", "65 4321", "the second code"),
            ("123456", "", "the second code"),
            ("123456", "123456", "both codes are the same"),
        ] {
            let error = Codes::new(first, second).expect_err(why);
            assert!(error.contains(why) && !error.contains("12345"), "{error}");
        }
    }

    #[test]
    fn a_secret_shows_itself_nowhere() {
        let codes = Codes::new("123456", "654321").expect("codes");
        assert_eq!(format!("{codes:?} {:?}", password().expect("one")), "Codes([(secret), (secret)]) (secret)");
        let (one, other) = (password().expect("one"), password().expect("another"));
        assert!(one != other && one.reveal().len() == 32, "{} characters", one.reveal().len());
    }

    #[test]
    fn a_code_is_drawn_for_a_terminal() {
        let drawn =
            qr_code(&Secret::new("otpauth://totp/alice@111122223333?secret=GEZDGNBV".to_owned())).expect("a code");
        assert!(
            drawn.reveal().lines().count() > 10
                && drawn.reveal().chars().any(|c| "\u{2580}\u{2584}\u{2588}".contains(c))
        );
        assert!(qr_code(&Secret::new("x".repeat(10_000))).is_err());
    }

    #[test]
    fn what_is_there_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seed");
        place(&path).expect("new").finish(b"one").expect("written");
        assert_eq!(place(&path).expect_err("there").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).expect("there"), b"one");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        }
    }
}
