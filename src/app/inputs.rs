//! What a report is given beside the archive, as files: their hashes, and the months of a store.

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike, Months, NaiveTime, Utc};

use super::{Error, Run, store_error};
use crate::bundle::sha256;
use crate::contract::{InputFile, Period};
use crate::disk::{self, Folder, Kind};
use crate::exposure::{self, Month};
use crate::inputs::error::LARGEST;
use crate::inputs::{InputError, Sheet};
use crate::inventory::{IamState, snapshot};
use crate::source::Selection;
use crate::store::{Place, Store, StoreError};

/// How many columns that are not used are named, and how much of each name is shown.
const NAMED: usize = 10;
const WIDEST: usize = 40;

/// The hash of one file, under its own name.
pub(crate) fn file(kind: &'static str, path: &Path) -> Result<InputFile, Error> {
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    hashed(kind, path, name)
}

fn hashed(kind: &'static str, path: &Path, name: String) -> Result<InputFile, Error> {
    let bytes = disk::read(path, LARGEST).map_err(|error| unreadable(path, &error))?;
    Ok(InputFile { kind, path: name, sha256: sha256(&bytes) })
}

/// The hash of an IAM snapshot that was taken from a store.
pub(crate) fn stored(path: &Path, text: &str) -> InputFile {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    InputFile { kind: "iam", path: name, sha256: sha256(text.as_bytes()) }
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::Input(format!("could not read `{}`: {error}{}", path.display(), disk::hint(error)))
}

/// The hashes of IAM state: of a file, or of all files of a directory and of its account folders.
pub(crate) fn iam(path: &Path) -> Result<Vec<InputFile>, Error> {
    if !path.is_dir() {
        return Ok(vec![file("iam", path)?]);
    }
    let folder = Folder::open(path).map_err(|error| unreadable(path, &error))?;
    let mut files = Vec::new();
    for (name, kind) in list(&folder, path, Path::new(""))? {
        if kind != Kind::Folder {
            files.push(hashed_below(&folder, path, &name)?);
            continue;
        }
        for (inner, _) in list(&folder, path, &name)?.into_iter().filter(|(_, kind)| *kind == Kind::File) {
            files.push(hashed_below(&folder, path, &inner)?);
        }
    }
    Ok(files)
}

/// What is in a folder, by its name below the `home` of IAM state.
fn list(home: &Folder, path: &Path, relative: &Path) -> Result<Vec<(PathBuf, Kind)>, Error> {
    let entries = home.list(relative).map_err(|error| unreadable(&path.join(relative), &error))?;
    Ok(entries.into_iter().map(|(name, kind)| (relative.join(name), kind)).collect())
}

fn hashed_below(home: &Folder, path: &Path, relative: &Path) -> Result<InputFile, Error> {
    let bytes = home.read(relative, LARGEST).map_err(|error| unreadable(&path.join(relative), &error))?;
    Ok(InputFile { kind: "iam", path: relative.to_string_lossy().replace('\\', "/"), sha256: sha256(&bytes) })
}

/// The rows of a file of approvals or of detections, if one was given; columns that are not read are named.
pub(crate) fn rows<T>(
    path: Option<&Path>,
    read: impl Fn(&Path) -> Result<Sheet<T>, InputError>,
    run: Run<'_>,
) -> Result<Vec<T>, Error> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let Sheet { rows, ignored } = read(path).map_err(Error::input)?;
    let names: Vec<String> =
        ignored.iter().take(NAMED).map(|name| format!("`{}`", name.chars().take(WIDEST).collect::<String>())).collect();
    let more = ignored.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    if let [first, others @ ..] = names.as_slice() {
        let columns = if others.is_empty() {
            format!("column {first} is")
        } else {
            format!("columns {}{rest} are", names.join(", "))
        };
        run.observer.warn(&format!("`{}`: {columns} not used", path.display()));
    }
    Ok(rows)
}

/// The months of a report, and the IAM snapshots of the store that tell of their MFA coverage, with their times and hashes.
#[derive(Default)]
pub(crate) struct Trend {
    pub(crate) months: Vec<Month>,
    pub(crate) snapshots: Vec<(DateTime<Utc>, InputFile)>,
}

/// The months of `period`, with what the store knows of their MFA coverage by `as_of`. Without a store it knows nothing; where
/// the store is still to be made, too.
pub(crate) fn trend(
    period: Period,
    store: Option<&Place>,
    as_of: Option<DateTime<Utc>>,
    selection: &Selection,
) -> Result<Trend, Error> {
    let store = match store.map(Store::open) {
        None | Some(Err(StoreError::Absent(_))) => None,
        Some(store) => Some(store.map_err(store_error)?),
    };
    let mut all = Trend::default();
    for period in months(period) {
        let mut month = Month { period, mfa_coverage: None };
        let until = as_of.map_or(period.to, |as_of| period.to.min(as_of));
        let found =
            store.as_ref().map(|store| store.iam_within(period.from, until)).transpose().map_err(store_error)?;
        if let Some((path, text)) = found.flatten() {
            let iam = snapshot::from_text(&path.display().to_string(), &text).map_err(Error::input)?;
            all.snapshots.push((iam.taken_at, stored(&path, &text)));
            month.mfa_coverage = Some(exposure::mfa_coverage(&selected(iam, selection), 0));
        }
        all.months.push(month);
    }
    Ok(all)
}

/// IAM state of the accounts that were asked for: of the others nothing else is in the report.
pub(crate) fn selected(mut iam: IamState, selection: &Selection) -> IamState {
    iam.accounts.retain(|account, _| selection.has_account(account));
    iam.missing.retain(|missing| missing.account.as_ref().is_none_or(|account| selection.has_account(account)));
    iam
}

/// The calendar months of a period that consists of two or more whole ones; else none.
fn months(period: Period) -> Vec<Period> {
    let starts_month = |at: DateTime<Utc>| at.day() == 1 && at.time() == NaiveTime::MIN;
    if !starts_month(period.from) || !starts_month(period.to) {
        return Vec::new();
    }
    let mut months = Vec::new();
    let mut from = period.from;
    while from < period.to {
        let Some(to) = from.checked_add_months(Months::new(1)) else { break };
        months.push(Period { from, to });
        from = to;
    }
    if months.len() < 2 { Vec::new() } else { months }
}

/// How many bytes a secret must have at least.
const SHORTEST_KEY: usize = 16;
/// How many it may have.
const LONGEST_KEY: u64 = 1 << 20;

/// The secret that pseudonyms are made with.
pub(crate) fn redact_key(path: &Path) -> Result<Vec<u8>, Error> {
    let shown = path.display();
    // A pipe is fine: secrets often come that way.
    let key = disk::read_piped(path, LONGEST_KEY).map_err(|error| {
        Error::Input(format!(
            "`--redact-key`: could not read `{shown}`: {error}\n  hint: head -c 32 /dev/urandom > redact.key"
        ))
    })?;
    if key.len() < SHORTEST_KEY {
        return Err(Error::Input(format!(
            "`--redact-key`: `{shown}` has {} bytes; a secret needs at least {SHORTEST_KEY}\n  hint: head -c 32 /dev/urandom > {shown}",
            key.len()
        )));
    }
    Ok(key)
}
