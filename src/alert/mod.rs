//! What people are told, made once and dressed by each channel.
//!
//! An [`Alert`] is kept in the outbox as JSON, so that what is sent again is what was sent before, byte for byte.

mod advice;
pub mod ascii;
pub mod channel;
pub mod limit;
mod links;
pub mod mail;
pub mod markup;
pub mod plain;
pub mod route;
pub mod secret;
pub mod text;
pub mod vault;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use crate::incident::Outcome;
use crate::incident::{Kind, Severity, State, Transition};

/// The name and version of what a webhook gets.
pub const SCHEMA: &str = "mfatrail.alert/1";

/// One transition of one incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// `mfatrail:<account>:<opening event id>`.
    pub key: String,
    /// Which of the incident's transitions it is, from 1.
    pub sequence: u64,
    /// What changed.
    pub transition: Transition,
    /// How far the incident is with it. What changes of an incident that is over is an update in this state: it opens nothing
    /// anew.
    pub state: State,
    /// What it is about.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// When the transition happened, by the events.
    pub at: DateTime<Utc>,
    /// The account.
    pub account: String,
    /// The class of a window, as in `report.json`.
    pub class: Option<String>,
    /// Whom it is about: the principal's name, or the actor's for what is about an actor.
    pub subject: String,
    /// The principal's owner, where its tags tell: an e-mail address, as a rule.
    pub owner: Option<String>,
    /// What to say.
    pub text: Text,
    /// The window as in `report.json`.
    pub window: Option<serde_json::Value>,
    /// Keys of the incidents that a burst is made of.
    pub members: Option<Vec<String>>,
    /// Who looks after it.
    pub acknowledged_by: Option<String>,
    /// Whether it is only a test.
    pub test: bool,
}

/// What an alert says: plain text throughout, with names that strangers chose in it. Each channel escapes it by its own rules.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Text {
    /// One line for a list or a subject: who lost what, in which account.
    pub title: String,
    /// One or two sentences: what happened, by whom, what remains.
    pub summary: String,
    /// What there is to know, in the order in which it matters.
    pub facts: Vec<Fact>,
    /// What to do next; a command where there is one.
    pub next_step: String,
    /// Where to look.
    pub links: Vec<Link>,
}

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is: `Actor`, `Source IP`, `Remaining devices`.
    pub label: String,
    /// Its value; what is not known says so.
    pub value: String,
}

/// A place to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What is there.
    pub label: String,
    /// Its address: `https://…`.
    pub url: String,
}

/// One attempt to tell one channel of one transition.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'d> {
    /// What to tell.
    pub alert: &'d Alert,
    /// How the channel knows what it was told of this incident before: [`Outcome::Delivered`] or [`Outcome::Partial`] gave it.
    pub reference: Option<&'d str>,
    /// Whether an earlier attempt may have arrived.
    pub repetition: bool,
    /// The time at which it is sent.
    pub now: DateTime<Utc>,
}
