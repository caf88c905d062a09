//! Where alerts go: each channel in a file of its own, behind one trait.

pub mod address;
mod answer;
pub mod aws;
mod document;
pub mod email;
pub mod jira;
mod line;
pub mod pagerduty;
pub mod permission;
mod recipients;
mod redaction;
#[cfg(test)]
pub(super) mod samples;
pub mod securityhub;
pub mod servicenow;
pub mod ses;
mod session;
pub mod slack;
pub mod sms;
pub mod sns;
pub mod teams;
mod ticket;
pub mod webhook;
pub mod zendesk;

use std::time::Duration;

use serde::Deserialize as _;

use self::aws::Access;
use super::secret::{SecretRef, Vault};
use super::{Delivery, Outcome};
use crate::aws::Connection;

/// The kinds of channels, as a configuration names them.
pub const KINDS: [&str; 12] = [
    "webhook",
    "pagerduty",
    "slack",
    "teams",
    "email",
    "servicenow",
    "zendesk",
    "jira",
    "sns",
    "sms",
    "ses",
    "securityhub",
];

/// What channels are opened with.
#[derive(Clone, Copy)]
pub struct Opening<'o> {
    /// How long a channel may take to answer.
    pub deadline: Duration,
    /// Where secrets are that are neither in the environment nor in a file.
    pub vault: &'o dyn Vault,
    /// How AWS is reached, where a channel says nothing else.
    pub aws: &'o Connection,
}

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
    /// PagerDuty.
    PagerDuty(pagerduty::Settings),
    /// Slack.
    Slack(slack::Settings),
    /// Microsoft Teams.
    Teams(teams::Settings),
    /// Mail by SMTP.
    Email(email::Settings),
    /// A topic of Amazon SNS.
    Sns(sns::Settings),
    /// Text messages by Amazon SNS.
    Sms(sms::Settings),
    /// Mail by Amazon SES.
    Ses(ses::Settings),
    /// AWS Security Hub.
    SecurityHub(securityhub::Settings),
    /// ServiceNow.
    ServiceNow(servicenow::Settings),
    /// Zendesk.
    Zendesk(zendesk::Settings),
    /// Jira Cloud.
    Jira(jira::Settings),
}

impl Settings {
    /// Reads the settings of a kind.
    ///
    /// # Errors
    /// When a key is missing, unknown or wrong, or there is no such kind.
    pub fn read<'de, D: serde::Deserializer<'de>>(kind: &str, from: D) -> Result<Self, D::Error> {
        match kind {
            "webhook" => webhook::Settings::deserialize(from).map(Self::Webhook),
            "pagerduty" => pagerduty::Settings::deserialize(from).map(Self::PagerDuty),
            "slack" => slack::Settings::deserialize(from).map(Self::Slack),
            "teams" => teams::Settings::deserialize(from).map(Self::Teams),
            "email" => email::Settings::deserialize(from).map(Self::Email),
            "sns" => sns::Settings::deserialize(from).map(Self::Sns),
            "sms" => sms::Settings::deserialize(from).map(Self::Sms),
            "ses" => ses::Settings::deserialize(from).map(Self::Ses),
            "securityhub" => securityhub::Settings::deserialize(from).map(Self::SecurityHub),
            "servicenow" => servicenow::Settings::deserialize(from).map(Self::ServiceNow),
            "zendesk" => zendesk::Settings::deserialize(from).map(Self::Zendesk),
            "jira" => jira::Settings::deserialize(from).map(Self::Jira),
            other => Err(serde::de::Error::custom(format!("unknown kind of channel `{other}`"))),
        }
    }

    /// Makes the channel ready, with its secrets.
    ///
    /// # Errors
    /// When a secret is not there, or an address cannot be used.
    pub fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Channel>, String> {
        match self {
            Self::Webhook(settings) => Ok(Box::new(settings.open(opening)?)),
            Self::PagerDuty(settings) => Ok(Box::new(settings.open(opening)?)),
            Self::Slack(settings) => settings.open(opening),
            Self::Teams(settings) => Ok(Box::new(settings.open(opening)?)),
            Self::Email(settings) => Ok(Box::new(settings.open(opening)?)),
            Self::Sns(settings) => Ok(Box::new(settings.open(opening)?)),
            Self::Sms(settings) => Ok(Box::new(settings.open(opening)?)),
            Self::Ses(settings) => Ok(Box::new(settings.open(opening)?)),
            Self::SecurityHub(settings) => Ok(Box::new(settings.open(opening)?)),
            Self::ServiceNow(settings) => settings.open(opening),
            Self::Zendesk(settings) => Ok(Box::new(settings.open(opening)?)),
            Self::Jira(settings) => Ok(Box::new(settings.open(opening)?)),
        }
    }

    /// Where its secrets are.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretRef> {
        match self {
            Self::Webhook(settings) => settings.secrets(),
            Self::PagerDuty(settings) => settings.secrets(),
            Self::Slack(settings) => settings.secrets(),
            Self::Teams(settings) => settings.secrets(),
            Self::Email(settings) => settings.secrets(),
            Self::Sns(_) | Self::Sms(_) | Self::Ses(_) | Self::SecurityHub(_) => Vec::new(),
            Self::ServiceNow(settings) => settings.secrets(),
            Self::Zendesk(settings) => settings.secrets(),
            Self::Jira(settings) => settings.secrets(),
        }
    }

    /// What speaks against how it signs in, and what to do.
    #[must_use]
    pub const fn caution(&self) -> Option<&'static str> {
        match self {
            Self::Zendesk(settings) => settings.caution(),
            _ => None,
        }
    }
}
