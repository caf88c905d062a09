//! Whether a bundle or a report's folder is as it was made, and who signed it.

use std::path::{Path, PathBuf};

use super::bundle::check_members;
use super::{Error, Run};
use crate::disk;
use crate::report;
use crate::signature::{self, Signed, Trust, Verdict};
use crate::units::plural;

/// What is checked, and by what.
#[derive(Debug, Clone, Default)]
pub struct SignedRequest {
    /// A bundle, or the folder of a report.
    pub path: PathBuf,
    /// The signature; `None` for the one beside it, if there is one.
    pub signature: Option<PathBuf>,
    /// By what it is known whose a key is.
    pub trust: Trust,
}

/// What a check comes to: everything is as it is listed, and this is known of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Whether it is a bundle, or else a report's folder.
    pub is_bundle: bool,
    /// How many files are listed.
    pub files: usize,
    /// The signature's file, and what it is worth; `None` where there is none.
    pub signature: Option<(PathBuf, Verdict)>,
}

impl Checked {
    /// Whether somebody who is trusted has signed it.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        matches!(&self.signature, Some((_, Verdict::Good(signed))) if signed.by.is_some())
    }
}

/// Checks every file against the list, and the list's signature.
///
/// # Errors
/// [`Error::Input`] where it is neither, anything in it is not as listed, or the signature cannot be checked.
pub fn check_signed(request: &SignedRequest, run: Run<'_>) -> Result<Checked, Error> {
    let path = &request.path;
    let is_bundle = !path.is_dir();
    let (files, signed) = if is_bundle { (check_members(path, run)?, path.clone()) } else { folder(path)? };
    let open = |path: &Path| {
        disk::open(path).map_err(|error| {
            Error::Input(format!("could not read `{}`: {error}{}", path.display(), disk::hint(&error)))
        })
    };
    let beside = signature::ENDINGS.map(|ending| signature::beside(&signed, ending));
    let files_of_signatures = match &request.signature {
        Some(file) => vec![file.clone()],
        None => beside.into_iter().filter(|place| place.exists()).collect(),
    };
    let (mut signatures, mut failure) = (Vec::new(), None);
    for file in files_of_signatures {
        match signature::verify(open(&signed)?, &file, &request.trust) {
            Ok(verdict) => signatures.push((file, verdict)),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    let is_good = signatures.iter().any(|(_, verdict)| matches!(verdict, Verdict::Good(_)));
    if let Some(error) = failure.filter(|_| !is_good) {
        return Err(Error::input(error));
    }
    // Where there are two, one may be of an earlier report. The better one counts: what it proves does not hang on the other.
    let worth = |verdict: &Verdict| match verdict {
        Verdict::Good(Signed { by: Some(_), .. }) => 0,
        Verdict::Good(_) => 1,
        Verdict::Bad(_) => 2,
    };
    let signature = signatures.into_iter().min_by_key(|(_, verdict)| worth(verdict));
    Ok(Checked { is_bundle, files, signature })
}

/// The number of files that a report's manifest lists, and the manifest, where all are as listed.
fn folder(path: &Path) -> Result<(usize, PathBuf), Error> {
    let (files, differences) = report::differences(path).map_err(|error| match error {
        report::OutputError::NotAReport { .. } => Error::Input(format!(
            "`{}` is not the folder of a report\n  hint: name a bundle (`report --bundle FILE`) or a folder that `mfatrail report` wrote",
            path.display()
        )),
        error => Error::Input(error.to_string()),
    })?;
    if let [first, rest @ ..] = differences.as_slice() {
        let more = if rest.is_empty() {
            String::new()
        } else {
            format!(", and {} more", plural(rest.len(), "difference", "differences"))
        };
        return Err(Error::Input(format!(
            "`{}` is not as its manifest lists it: {first}{more}\n  hint: get the report again from whoever made it",
            path.display()
        )));
    }
    Ok((files, path.join(report::MANIFEST)))
}
