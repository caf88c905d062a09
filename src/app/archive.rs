//! Where an archive is, and whether it has what was asked for.

use std::collections::BTreeSet;

use super::{Error, store_error};
use crate::escape::terminal as terminal_text;
use crate::names::near;
use crate::pipeline::{self, Options};
use crate::source::{Selection, Source};
use crate::store::{Place, Store, StoreError};

/// How many accounts, regions or profiles are named.
const NAMED: usize = 12;

/// Where the archive is, and how it is read.
#[derive(Debug, Clone, Default)]
pub struct Archive {
    /// Buckets, folders, files; none where a store has everything.
    pub sources: Vec<Source>,
    /// Threads, limits, and how S3 is reached.
    pub options: Options<'static>,
}

/// Refuses a choice of accounts and regions that the sources and the store do not have. Where records alone tell whose they
/// are, nothing is refused.
pub(crate) fn check_places(archive: &Archive, store: Option<&Place>, selection: &Selection) -> Result<(), Error> {
    let Archive { sources, options } = archive;
    if selection.accounts.is_empty() && selection.regions.is_empty() {
        return Ok(());
    }
    let mut places = pipeline::places(sources, selection, options).map_err(Error::failed)?;
    if let Some(dir) = store.filter(|_| !places.have(selection)) {
        match Store::open(dir) {
            // It is made by the scan.
            Err(StoreError::Absent(_)) if !sources.is_empty() => {}
            store => {
                let mut store = store.map_err(store_error)?;
                let known = store.consistently(|store| store.places()).map_err(store_error)?;
                places.accounts.extend(known.accounts);
                places.regions.extend(known.regions);
            }
        }
    }
    let place = if sources.is_empty() { "store" } else { "archive" };
    for (flag, what, wanted, known) in [
        ("--account", "account", &selection.accounts, &places.accounts),
        ("--region", "region", &selection.regions, &places.regions),
    ] {
        match wanted.iter().find(|wanted| !known.contains(*wanted)) {
            Some(value) if !places.open => return Err(absent(flag, what, value, known, place)),
            _ => {}
        }
    }
    Ok(())
}

/// That a store or an archive lacks an account or a region, and which it has.
pub(crate) fn absent(flag: &str, what: &str, value: &str, known: &BTreeSet<String>, place: &str) -> Error {
    let hint = alternatives(value, known, &format!("no {what} at all"));
    Error::Input(format!("`{flag}`: the {place} has no {what} `{value}`\n  hint: {hint}"))
}

/// What could have been meant by a value that is not known, and what is known; `none` where that is nothing.
pub(crate) fn alternatives(value: &str, known: &BTreeSet<String>, none: &str) -> String {
    let names = || known.iter().map(String::as_str);
    let meant = near(value, names()).first().map_or_else(String::new, |name| format!("did you mean {name}? "));
    let listed = names().take(NAMED).map(terminal_text).collect::<Vec<_>>().join(", ");
    let more = if known.len() > NAMED { format!(" and {} more", known.len() - NAMED) } else { String::new() };
    if known.is_empty() { format!("it has {none}") } else { format!("{meant}it has {listed}{more}") }
}
