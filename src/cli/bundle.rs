//! `mfatrail bundle`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::exit::Status;
use super::{Printed, put_json, show};
use crate::app::signed::{Checked, SignedRequest, check_signed};
use crate::app::{Error, Run, THIS};
use crate::contract::Tool;
use crate::escape::terminal as terminal_text;
use crate::signature::{Signed, Trust, Verdict};
use crate::units;

/// Evidence bundles: check that one is as it was made, and who signed it
#[derive(Debug, Subcommand)]
pub(super) enum BundleCommand {
    Verify(Box<VerifyArgs>),
}

/// Check every file of a bundle or of a report's folder, and its signature
///
/// A bundle lists its members with their SHA-256, and a report's folder has MANIFEST.sha256. Whoever changes a file can change such a
/// list, too: only a signature of it proves who made it, and only if you know whose the key is. The signature is the file next to the
/// bundle or the manifest that ends in .sig (an SSH key) or .sig.json (a key in AWS KMS).
///
/// To make a bundle's report again and compare it, use `mfatrail report --from-bundle`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct VerifyArgs {
    /// A bundle, or the folder of a report
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,

    /// The signature [default: the file next to what is signed, with .sig or .sig.json added to its name]
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    signature: Option<PathBuf>,

    /// Whose SSH keys you trust, as `ssh-keygen -Y verify -f` reads it: lines of a name and a public key
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    allowed_signers: Option<PathBuf>,

    /// The public key in AWS KMS that you trust, PEM or DER
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    public_key: Option<PathBuf>,

    /// Text is a line for each result; JSON has all of it
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    format: Printed,
}

const HELP: &str = "\
Examples:
  mfatrail report s3://trail-bucket --month 2026-10 --bundle report.zip --sign-key ~/.ssh/id_ed25519
  mfatrail bundle verify report.zip --allowed-signers auditors
  mfatrail bundle verify mfatrail-report-2026-10 --public-key key.pem
  ssh-keygen -Y verify -f auditors -I ada@example.com -n mfatrail -s report.zip.sig < report.zip

Exit status, the first that applies: 2 wrong usage, or a file is not as listed; 4 the run failed; 3 all files are as listed, but
it is not proven who made the list: it is not signed, or not by a key that is trusted; 0 all files are as listed, and somebody
whom you trust has signed the list.";

/// `bundle verify --format json`.
#[derive(Serialize)]
struct Document {
    schema: &'static str,
    tool: Tool,
    kind: &'static str,
    files: usize,
    signature: Option<SignatureDocument>,
    proven: bool,
}

#[derive(Serialize)]
struct SignatureDocument {
    file: String,
    good: bool,
    key: Option<String>,
    signed_by: Option<String>,
    reason: Option<String>,
}

pub(super) fn run(command: &BundleCommand, run: Run<'_>) -> Result<Status, Error> {
    let BundleCommand::Verify(args) = command;
    let trust = Trust { allowed_signers: args.allowed_signers.clone(), public_key: args.public_key.clone() };
    let request = SignedRequest { path: args.path.clone(), signature: args.signature.clone(), trust };
    let checked = check_signed(&request, run)?;
    match args.format {
        Printed::Text => show(&text(&checked))?,
        Printed::Json => put_json(&document(&checked))?,
    }
    Ok(Status::of(checked.is_proven()))
}

/// What is not known comes before what reassures.
fn text(checked: &Checked) -> String {
    let signature = match &checked.signature {
        None => {
            "not signed: whoever changed a file could have changed the list, too (hint: `mfatrail report --sign-key`)"
                .to_owned()
        }
        Some((file, Verdict::Bad(why))) => {
            format!("NOT PROVEN: the signature `{}` is not good: {}", named(file), terminal_text(why))
        }
        Some((file, Verdict::Good(Signed { key, by: None }))) => format!(
            "signed by an unknown key, {} (`{}`)\n  hint: `--allowed-signers` or `--public-key` tells whose keys you trust",
            terminal_text(key),
            named(file)
        ),
        Some((file, Verdict::Good(Signed { key, by: Some(by) }))) => {
            format!("signed by {}, key {} (`{}`)", terminal_text(by), terminal_text(key), named(file))
        }
    };
    let (one, many) = if checked.is_bundle { ("member is", "members are") } else { ("file is", "files are") };
    format!("{signature}\n{} as listed", units::plural(checked.files, one, many))
}

/// The file's name: whoever made it named it.
fn named(file: &Path) -> String {
    terminal_text(&file.display().to_string())
}

fn document(checked: &Checked) -> Document {
    let signature = checked.signature.as_ref().map(|(file, verdict)| {
        let file = file.display().to_string();
        match verdict {
            Verdict::Bad(why) => {
                SignatureDocument { file, good: false, key: None, signed_by: None, reason: Some(why.clone()) }
            }
            Verdict::Good(Signed { key, by }) => {
                SignatureDocument { file, good: true, key: Some(key.clone()), signed_by: by.clone(), reason: None }
            }
        }
    });
    Document {
        schema: "mfatrail.bundle-verify/1",
        tool: THIS,
        kind: if checked.is_bundle { "bundle" } else { "report" },
        files: checked.files,
        signature,
        proven: checked.is_proven(),
    }
}
