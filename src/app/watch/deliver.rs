//! One thread for each channel, so that none waits for another: takes from the outbox, sends, and records what came of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Request;
use super::metrics::Metrics;
use super::refusal::Refusal;
use super::rotation::Rotation;
use crate::alert::channel::Channel;
use crate::alert::{Alert, Delivery, Outcome};
use crate::app::Error;
use crate::incident::ledger::Ledger;
use crate::incident::ledger::outbox::Due;

/// How many are taken at once.
const TAKEN: usize = 8;
/// How often an empty outbox is looked at.
const IDLE: Duration = Duration::from_millis(100);

/// What a channel's thread needs.
pub(super) struct Sender<'s> {
    pub(super) name: &'s str,
    pub(super) channel: Box<dyn Channel>,
    /// By which it is opened again when its secrets are others.
    pub(super) rotation: Rotation<'s>,
    /// What the watch is asked, with the other channels.
    pub(super) request: &'s Request,
    pub(super) ledger: Ledger,
    pub(super) metrics: &'s Metrics,
    /// What time it is.
    pub(super) now: &'s (dyn Fn() -> DateTime<Utc> + Sync),
    /// That nothing more is put into the outbox: what is due is sent, and then it is over.
    pub(super) draining: &'s AtomicBool,
    /// How many senders have nothing to send, once nothing more comes: while one of them sends, it may have something for the others.
    pub(super) idle: &'s AtomicUsize,
    /// How many senders there are.
    pub(super) senders: usize,
    /// That it is to end now.
    pub(super) stopped: &'s (dyn Fn() -> bool + Sync),
}

impl Sender<'_> {
    /// Sends until it is stopped, or until nothing is due any more when no more comes.
    pub(super) fn run(mut self) -> Result<(), Error> {
        let mut idle = false;
        loop {
            // Looked at before the outbox: what was put there earlier is found.
            let last = self.draining.load(Ordering::Acquire);
            let over = last && self.idle.load(Ordering::Acquire) == self.senders;
            if (self.stopped)() {
                return Ok(());
            }
            let now = (self.now)();
            // To look costs no writer anything, to take does.
            let next = self.ledger.next_due(self.name).map_err(Error::failed)?;
            if next.is_none_or(|next| next > now) {
                // What waits for a second attempt is the next process's matter, where this one is to end.
                if over {
                    return Ok(());
                }
                if last && !idle {
                    self.idle.fetch_add(1, Ordering::AcqRel);
                    idle = true;
                }
                std::thread::sleep(IDLE);
                continue;
            }
            if idle {
                self.idle.fetch_sub(1, Ordering::AcqRel);
                idle = false;
            }
            let mut due = self.ledger.take(self.name, now, TAKEN).map_err(Error::failed)?.into_iter();
            while let Some(one) = due.next() {
                self.send(&one)?;
                if (self.stopped)() {
                    for rest in due.by_ref() {
                        self.ledger.give_back(self.name, &rest, (self.now)()).map_err(Error::failed)?;
                    }
                }
            }
        }
    }

    /// Sends, and once more with other secrets, where the channel refuses those that it was opened with.
    fn tell(&mut self, delivery: &Delivery<'_>) -> Outcome {
        let outcome = self.channel.deliver(delivery);
        let reopened = matches!(outcome, Outcome::Permanent { .. }).then(|| self.rotation.reopened()).flatten();
        match reopened {
            Some(channel) => {
                self.channel = channel;
                self.channel.deliver(delivery)
            }
            None => outcome,
        }
    }

    fn send(&mut self, due: &Due) -> Result<(), Error> {
        let now = (self.now)();
        let (outcome, alert) = match serde_json::from_str::<Alert>(&due.alert) {
            Ok(alert) => {
                let reference = due.reference.as_deref();
                let delivery = Delivery { alert: &alert, reference, repetition: due.repetition, now };
                (self.tell(&delivery), Some(alert))
            }
            Err(error) => (Outcome::Permanent { reason: format!("the ledger's alert cannot be read: {error}") }, None),
        };
        let done = (self.now)();
        let (word, reason) = match &outcome {
            Outcome::Delivered { note, .. } => ("delivered", note.as_deref()),
            Outcome::RepeatAfter { reason, .. } | Outcome::Partial { reason, unknown: false, .. } => {
                ("retried", Some(reason.as_str()))
            }
            Outcome::Unknown { reason, .. } | Outcome::Partial { reason, .. } => ("unknown", Some(reason.as_str())),
            Outcome::Permanent { reason } => ("refused", Some(reason.as_str())),
        };
        let lag = alert.as_ref().filter(|_| word == "delivered").map(|alert| done - alert.at);
        self.metrics.delivery(self.name, word, lag.map(seconds));
        if let Some(reason) = reason {
            tracing::warn!(
                channel = self.name,
                key = due.key,
                sequence = due.sequence,
                outcome = word,
                reason,
                "delivery"
            );
        }
        self.ledger
            .record(self.name, due, &outcome, done, u64::from(done.timestamp_subsec_nanos()))
            .map_err(Error::failed)?;
        match (&outcome, &alert) {
            (Outcome::Permanent { reason }, Some(alert)) => {
                let refusal = Refusal { channel: self.name, alert, reason };
                refusal.tell(&mut self.ledger, self.request, done)
            }
            _ => Ok(()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of years")]
fn seconds(span: TimeDelta) -> f64 {
    span.num_milliseconds().max(0) as f64 / 1000.0
}
