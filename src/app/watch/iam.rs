//! The IAM state that a watch goes by: a file of the configuration, which is read again at every pass, because the watch holds its store
//! and nobody else can put a snapshot there; without one, the store's latest snapshot.

use super::config::Config;
use crate::app::principals::tags;
use crate::app::{Error, store_error};
use crate::hash::sha256;
use crate::incident::derive::Tags;
use crate::inputs::read_text;
use crate::inventory::{self, IamState};
use crate::store::Store;

/// IAM state, and what rules want of it.
#[derive(Debug)]
pub(super) struct Iam {
    /// By which it is known whether there is another one.
    hash: [u8; 32],
    pub(super) state: IamState,
    pub(super) tags: Tags,
}

/// Where the latest state is, and what it says.
fn latest(config: &Config, store: Option<&Store>) -> Result<Option<(String, String)>, Error> {
    if let Some(file) = &config.iam {
        return read_text(file).map(Some).map_err(Error::input);
    }
    let Some(store) = store else { return Ok(None) };
    let stored = store.iam(None).map_err(store_error)?;
    Ok(stored.map(|(place, text)| (place.display().to_string(), text)))
}

/// The latest state, where it is another one than `known`.
///
/// # Errors
/// When it cannot be read, or says nothing of IAM.
pub(super) fn read(config: &Config, store: Option<&Store>, known: Option<&Iam>) -> Result<Option<Iam>, Error> {
    let Some((place, text)) = latest(config, store)? else { return Ok(None) };
    let hash = sha256(text.as_bytes());
    if known.is_some_and(|known| known.hash == hash) {
        return Ok(None);
    }
    let state = inventory::snapshot::from_text(&place, &text).map_err(Error::input)?;
    Ok(Some(Iam { hash, tags: tags(&state), state }))
}

/// Takes over the latest state, where there is another one, and says whether there is. Where a file cannot be used any more, that is logged,
/// and what it said before stands.
///
/// # Errors
/// When the store's cannot be read, or there is none before.
pub(super) fn renew(known: &mut Option<Iam>, config: &Config, store: &Store) -> Result<bool, Error> {
    match read(config, Some(store), known.as_ref()) {
        Ok(None) => Ok(false),
        Ok(other) => {
            *known = other;
            Ok(true)
        }
        Err(error) if config.iam.is_some() && known.is_some() => {
            tracing::warn!(reason = error.message(), "IAM state cannot be read; that of before stays in use");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
