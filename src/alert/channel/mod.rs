//! Where alerts go: each channel in a file of its own, behind one trait.

mod answer;
pub mod webhook;

use std::time::Duration;

use serde::Deserialize as _;

use super::{Delivery, Outcome};
use crate::http::Client;

/// The kinds of channels, as a configuration names them.
pub const KINDS: [&str; 1] = ["webhook"];

/// How long a channel may take to answer.
const DEADLINE: Duration = Duration::from_secs(20);

/// A place where people are told. It keeps nothing between two deliveries but its connections: what must be remembered is the
/// ledger's, and comes back in [`Delivery::reference`].
pub trait Channel: Send {
    /// Tells of one transition: creates, updates or resolves what the channel has of the incident. Where the channel can be asked,
    /// and an earlier attempt may have arrived, it is asked before anything is sent again.
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Outcome;

    /// Whether the channel itself can tell a repetition, by a key or by being asked. Where it cannot, what is sent again says that
    /// it may be a repetition.
    fn tells_repetitions(&self) -> bool;

    /// Looks whether the channel can be reached and its secrets are accepted, as far as that can be told without sending anything.
    ///
    /// # Errors
    /// What is wrong, and what to do, without secrets.
    fn check(&mut self) -> Result<(), String>;
}

/// How a channel is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settings {
    /// A webhook of one's own.
    Webhook(webhook::Settings),
}

impl Settings {
    /// Reads the settings of a kind.
    ///
    /// # Errors
    /// When a key is missing, unknown or wrong, or there is no such kind.
    pub fn read<'de, D: serde::Deserializer<'de>>(kind: &str, from: D) -> Result<Self, D::Error> {
        match kind {
            "webhook" => webhook::Settings::deserialize(from).map(Self::Webhook),
            other => Err(serde::de::Error::custom(format!("no channel is of the kind `{other}`"))),
        }
    }

    /// Makes the channel ready, with its secrets.
    ///
    /// # Errors
    /// When a secret is not there, or an address cannot be used.
    pub fn open(&self) -> Result<Box<dyn Channel>, String> {
        match self {
            Self::Webhook(settings) => Ok(Box::new(settings.open()?)),
        }
    }
}

fn client() -> Result<Client, String> {
    Client::new(DEADLINE).map_err(|error| format!("could not set up TLS: {error}"))
}

/// Refuses an address that would carry secrets or names in the clear, but for one on this machine.
fn address(url: &str) -> Result<(), String> {
    let uri: hyper::Uri = url.parse().map_err(|_bad| "its `url` is no address (hint: https://host/path)".to_owned())?;
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") if !host.is_empty() => Ok(()),
        Some("http") if local => Ok(()),
        _ => {
            Err("its `url` is not https (hint: alerts hold names and addresses; http is for this machine alone)"
                .to_owned())
        }
    }
}
