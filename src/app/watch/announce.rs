//! Telling the channels of a configuration something that is no incident of the ledger: a run of the runbook, a month's report.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::{config, open_channels};
use crate::alert::channel::Channel;
use crate::alert::{Alert, Delivery, route};
use crate::app::Error;
use crate::aws::Connection;
use crate::incident::{Outcome, State, Transition};

/// The channels of a configuration, open.
pub struct Channels {
    config: config::Config,
    channels: Vec<Box<dyn Channel>>,
}

/// Why a channel was not told.
pub struct Untold {
    /// The reason.
    pub reason: String,
    /// Whether it may have got it all the same.
    pub may_have_arrived: bool,
}

impl Channels {
    /// Reads the configuration, and opens its channels.
    ///
    /// # Errors
    /// When it is wrong, or a secret is not there.
    pub fn open(path: &Path, aws: &Connection) -> Result<Self, Error> {
        let config = config::read(path)?;
        let channels = open_channels(&config.channels, aws)?;
        Ok(Self { config, channels })
    }

    /// The names of the channels whose routes take an alert.
    #[must_use]
    pub fn of(&self, alert: &Alert) -> Vec<String> {
        let names: Vec<&str> = self.config.channels.iter().map(|entry| entry.name.as_str()).collect();
        let told = route::channels(&self.config.routes, &names, alert);
        names.into_iter().filter(|name| told.contains(name)).map(str::to_owned).collect()
    }

    /// Tells one channel an alert and its end at once, so that nothing stays open in a channel that keeps incidents; gives why it was
    /// not told.
    pub fn tell(&mut self, name: &str, opened: &Alert, repetition: bool, now: DateTime<Utc>) -> Option<Untold> {
        let at = self.config.channels.iter().position(|entry| entry.name == name)?;
        let channel = self.channels.get_mut(at)?;
        let resolved =
            Alert { sequence: 2, transition: Transition::Resolved, state: State::Resolved, ..opened.clone() };
        let mut reference = None;
        for alert in [opened, &resolved] {
            let delivery = Delivery { alert, reference: reference.as_deref(), repetition, now };
            let (reason, may_have_arrived) = match channel.deliver(&delivery) {
                Outcome::Delivered { reference: given, .. } => {
                    reference = given.or(reference);
                    continue;
                }
                Outcome::RepeatAfter { reason, .. } | Outcome::Permanent { reason } => (reason, alert.sequence > 1),
                Outcome::Partial { reason, .. } | Outcome::Unknown { reason, .. } => (reason, true),
            };
            return Some(Untold { reason, may_have_arrived });
        }
        None
    }
}
