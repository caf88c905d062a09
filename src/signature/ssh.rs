//! Signatures by SSH keys, made and verified by OpenSSH's `ssh-keygen -Y`: it knows every kind of key, agents, passphrases, security
//! keys and certificates, and whoever has to check a signature has it already.
//!
//! The form is OpenSSH's `PROTOCOL.sshsig`. The namespace says what a signature is for, so that one that somebody gave for something
//! else, a commit or a mail, is none of a report.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{SignatureError, Signed, Verdict};
use crate::disk;
use crate::escape::terminal as terminal_text;

pub(super) const ENDING: &str = "sig";
const NAMESPACE: &str = "mfatrail";
const PROGRAM: &str = "ssh-keygen";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// What a child may know of this process's environment: where agents and passphrases come from.
const ENVIRONMENT: [&str; 15] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TERM",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS",
    "SSH_ASKPASS_REQUIRE",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "SSH_PKCS11_HELPER",
    "SSH_SK_PROVIDER",
    "XAUTHORITY",
];

/// An SSH key's file: a private key, or a public key whose private one an agent has.
#[derive(Debug)]
pub struct Key {
    program: PathBuf,
    file: PathBuf,
}

impl Key {
    pub(super) fn new(file: &Path) -> Result<Self, SignatureError> {
        let refused = |error: std::io::Error| {
            SignatureError(format!(
                "`--sign-key`: could not read `{}`: {error}\n  hint: use the file of an SSH key, such as ~/.ssh/id_ed25519, or the ARN of a key in AWS KMS",
                file.display()
            ))
        };
        disk::open(file).map_err(refused)?;
        Ok(Self { program: program("`--sign-key`")?, file: file.to_owned() })
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn sign(&self, message: File) -> Result<Vec<u8>, SignatureError> {
        let mut command = keygen(&self.program);
        command.args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"]).arg(&self.file);
        let ran = run(command, message)?;
        if ran.good && is_one(ran.out.as_bytes()) {
            return Ok(ran.out.into_bytes());
        }
        Err(SignatureError(format!(
            "`--sign-key`: `{PROGRAM}` could not sign with `{}`: {}\n  hint: try `{PROGRAM} -Y sign -n {NAMESPACE} -f KEY FILE`; for a key with a passphrase, `ssh-add` it first",
            self.file.display(),
            ran.why()
        )))
    }
}

/// Whether this is a signature of an SSH key for this program.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    namespace(bytes).is_some_and(|namespace| namespace == NAMESPACE.as_bytes())
}

/// The namespace of a signature: `SSHSIG`, a version, the public key, and then it.
fn namespace(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let armored = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let base64: String = armored.split_ascii_whitespace().collect();
    let blob = STANDARD.decode(base64).ok()?;
    let rest = blob.strip_prefix(b"SSHSIG")?.strip_prefix(&1_u32.to_be_bytes())?;
    let (_public_key, rest) = string(rest)?;
    string(rest).map(|(namespace, _)| namespace.to_vec())
}

/// A string of SSH's: four bytes of length, and so many bytes.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Checks a signature that [`is_one`].
pub(super) fn verify(message: File, signature: &[u8], allowed: Option<&Path>) -> Result<Verdict, SignatureError> {
    let program = program("an SSH signature")?;
    let temporary = |error| SignatureError(format!("could not write a temporary file: {error}"));
    let mut file = tempfile::NamedTempFile::new().map_err(temporary)?;
    file.write_all(signature).and_then(|()| file.flush()).map_err(temporary)?;
    let mut command = keygen(&program);
    command.args(["-Y", "check-novalidate", "-n", NAMESPACE, "-s"]).arg(file.path());
    let again = message.try_clone().map_err(temporary)?;
    let ran = run(command, message)?;
    // Good "mfatrail" signature with ED25519 key SHA256:…
    let key = ran.out.split_ascii_whitespace().find(|word| word.starts_with("SHA256:"));
    let Some(key) = key.filter(|_| ran.good).map(str::to_owned) else {
        return Ok(Verdict::Bad(ran.why()));
    };
    let Some(allowed) = allowed else { return Ok(Verdict::Good(Signed { key, by: None })) };
    // A file that cannot be read knows nobody: that is to be told apart.
    disk::open(allowed).map_err(|error| {
        SignatureError(format!("`--allowed-signers`: could not read `{}`: {error}", allowed.display()))
    })?;
    let mut command = keygen(&program);
    command.args(["-Y", "find-principals", "-f"]).arg(allowed).arg("-s").arg(file.path());
    let found = run(command, super::as_file(b"")?)?;
    let mut last = found.why();
    for by in found.out.lines().filter(|_| found.good).flat_map(|line| line.split(',')) {
        let mut message = again.try_clone().map_err(temporary)?;
        std::io::Seek::rewind(&mut message).map_err(temporary)?;
        let mut command = keygen(&program);
        command.args(["-Y", "verify", "-n", NAMESPACE, "-I", by, "-f"]).arg(allowed).arg("-s").arg(file.path());
        let ran = run(command, message)?;
        if ran.good {
            return Ok(Verdict::Good(Signed { key, by: Some(by.to_owned()) }));
        }
        last = ran.why();
    }
    Ok(Verdict::Bad(format!(
        "it is by the key {}, which `{}` does not allow: {last}",
        terminal_text(&key),
        allowed.display()
    )))
}

/// Where it is, for `what`.
fn program(what: &str) -> Result<PathBuf, SignatureError> {
    disk::program(&[PROGRAM]).ok_or_else(|| {
        SignatureError(format!(
            "{what} needs `{PROGRAM}`, which is not on the PATH\n  hint: install OpenSSH's client, 8.2 or later"
        ))
    })
}

fn keygen(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.env("LC_ALL", "C");
    command
}

/// What `ssh-keygen` said.
struct Ran {
    good: bool,
    out: String,
    err: String,
}

impl Ran {
    /// Its last message.
    fn why(&self) -> String {
        let mut lines = self.err.lines().chain(self.out.lines()).filter(|line| !line.trim().is_empty());
        lines.next_back().map_or_else(|| "it does not say why".to_owned(), terminal_text)
    }
}

/// Runs it over a message, whose bytes it reads itself. It asks for a passphrase on the terminal, not here.
fn run(mut command: Command, message: File) -> Result<Ran, SignatureError> {
    command.stdin(message).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().map_err(|error| SignatureError(format!("could not run `{PROGRAM}`: {error}")))?;
    Ok(Ran {
        good: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
