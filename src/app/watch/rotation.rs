//! Secrets that are replaced while the watch runs. A channel that refuses for good may do so because its secret is not valid any more:
//! then its secrets are looked up again, and where they have changed it is opened anew and asked once more.
//!
//! A variable of the environment never changes while a process runs. A file is read whenever a channel refuses; AWS is asked once in a
//! while at most, for a channel that refuses everything would ask it with every alert.

use std::time::{Duration, Instant};

use super::config::Entry;
use super::open;
use crate::alert::channel::Channel;
use crate::alert::secret::{Place, Secret, Vault};
use crate::alert::vault::AwsVault;
use crate::aws::Connection;

/// How long AWS is not asked again for the secrets of a channel.
const REST: Duration = Duration::from_secs(120);

/// The secrets that a channel was opened with.
pub(super) struct Rotation<'r> {
    entry: &'r Entry,
    aws: Connection,
    secrets: Vec<Secret>,
    looked: Option<Instant>,
}

impl<'r> Rotation<'r> {
    /// Of a channel that is opened now, with a vault that may know its secrets already.
    ///
    /// # Errors
    /// When a secret cannot be had.
    pub(super) fn new(entry: &'r Entry, aws: &Connection, vault: &dyn Vault) -> Result<Self, String> {
        Ok(Self { entry, aws: aws.clone(), secrets: secrets(entry, vault)?, looked: None })
    }

    /// The channel, opened with other secrets than before; `None` where they are the same, or cannot be had now.
    pub(super) fn reopened(&mut self) -> Option<Box<dyn Channel>> {
        if !self.is_due() {
            return None;
        }
        let vault = AwsVault::new(self.aws.clone());
        let opened = secrets(self.entry, &vault).and_then(|secrets| {
            let changed = secrets != self.secrets;
            let channel = changed.then(|| open(self.entry, &vault, &self.aws)).transpose()?;
            self.secrets = secrets;
            Ok(channel)
        });
        let channel = self.entry.name.as_str();
        match opened {
            Ok(Some(opened)) => {
                tracing::warn!(channel, "its secrets have changed: it is opened anew with them, and asked again");
                Some(opened)
            }
            Ok(None) => None,
            Err(reason) => {
                tracing::warn!(channel, reason, "its secrets could not be read again");
                None
            }
        }
    }

    /// Whether something can have changed that may be looked up now.
    fn is_due(&mut self) -> bool {
        let places: Vec<Place> = self.entry.settings.secrets().into_iter().map(|secret| secret.place()).collect();
        let has = |place: Place| places.contains(&place);
        if has(Place::SecretsManager) || has(Place::ParameterStore) {
            let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= REST);
            if is_due {
                self.looked = Some(Instant::now());
            }
            return is_due;
        }
        has(Place::File)
    }
}

fn secrets(entry: &Entry, vault: &dyn Vault) -> Result<Vec<Secret>, String> {
    entry.settings.secrets().into_iter().map(|secret| secret.resolve(vault)).collect()
}
