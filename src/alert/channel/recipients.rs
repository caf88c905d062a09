//! One message for each of several recipients: who has it is written down in the reference, so that a bad address loses nobody, and
//! nobody gets it twice because of another.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::{Delivery, Outcome};
use crate::hash::{hex, sha256};

/// After so many recipients of whom nobody knows whether they have it, the others wait for the next attempt: the service does not
/// answer, and each costs a time-out.
const UNKNOWN: usize = 2;
/// How much of why a recipient was refused is written down, in characters.
const REASON: usize = 300;
/// How much of the SHA-256 of a recipient stands for it, in hexadecimal digits: the ledger holds no telephone numbers.
const MARK: usize = 16;

/// How far the delivery of one transition is, as a reference that comes back with the next attempt.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    /// Of which transition.
    partial: u64,
    /// By which the channel knew the incident before.
    before: Option<String>,
    /// By which the service knows the first message of this one.
    first: Option<String>,
    /// Who has it.
    have: Vec<String>,
    /// Who was refused for good, and why.
    refused: BTreeMap<String, String>,
}

impl Progress {
    fn of(delivery: &Delivery<'_>) -> Self {
        let earlier = delivery.reference.map(|text| (text, serde_json::from_str::<Self>(text).ok()));
        let partial = delivery.alert.sequence;
        match earlier {
            Some((_, Some(own))) if own.partial == partial => own,
            // That of a transition that was given up.
            Some((_, Some(other))) => Self { partial, before: other.before.or(other.first), ..Self::default() },
            Some((text, None)) => Self { partial, before: Some(text.to_owned()), ..Self::default() },
            None => Self { partial, ..Self::default() },
        }
    }
}

/// One attempt to tell everybody.
pub(super) struct Round {
    progress: Progress,
    /// Who has to be tried again, and why.
    reasons: Vec<String>,
    wait: Option<Duration>,
    unknown: usize,
    untried: usize,
    /// Whether it is of no use to try more now.
    ends: bool,
}

impl Round {
    pub(super) fn new(delivery: &Delivery<'_>) -> Self {
        Self { progress: Progress::of(delivery), reasons: Vec::new(), wait: None, unknown: 0, untried: 0, ends: false }
    }

    /// By which the channel knew the incident before this transition.
    pub(super) fn before(&self) -> Option<&str> {
        self.progress.before.as_deref()
    }

    /// Whether nothing is left to do for a recipient.
    pub(super) fn is_done(&self, recipient: &str) -> bool {
        let mark = mark(recipient);
        self.progress.have.contains(&mark) || self.progress.refused.contains_key(&mark)
    }

    /// Whether an earlier attempt came to an end for nobody.
    pub(super) fn is_first(&self) -> bool {
        self.progress.have.is_empty() && self.progress.refused.is_empty()
    }

    /// What came of one message to all of these.
    pub(super) fn all(&mut self, recipients: &[String], outcome: Outcome) {
        self.note(recipients, outcome, str::to_owned);
    }

    /// Sends to each who has it not yet. `send` gives [`Outcome::Delivered`] with the service's own reference of the message; `shown`
    /// names a recipient to the operator.
    pub(super) fn each(
        &mut self,
        recipients: &[String],
        shown: impl Fn(&str) -> String,
        mut send: impl FnMut(&str) -> Outcome,
    ) {
        for recipient in recipients {
            if self.is_done(recipient) {
                continue;
            }
            if self.ends {
                self.untried += 1;
                continue;
            }
            self.note(std::slice::from_ref(recipient), send(recipient), |reason| {
                format!("{}: {reason}", shown(recipient))
            });
        }
    }

    fn note(&mut self, recipients: &[String], outcome: Outcome, named: impl Fn(&str) -> String) {
        let marks = recipients.iter().map(|recipient| mark(recipient));
        match outcome {
            Outcome::Delivered { reference, .. } => {
                self.progress.first = self.progress.first.take().or(reference);
                self.progress.have.extend(marks);
            }
            Outcome::Permanent { reason } => {
                let reason: String = named(&reason).chars().take(REASON).collect();
                self.progress.refused.extend(marks.map(|mark| (mark, reason.clone())));
            }
            Outcome::RepeatAfter { wait, reason } => self.later(false, wait, named(&reason)),
            Outcome::Partial { unknown, wait, reason, .. } => self.later(unknown, wait, named(&reason)),
            Outcome::Unknown { wait, reason } => self.later(true, wait, named(&reason)),
        }
    }

    fn later(&mut self, unknown: bool, wait: Option<Duration>, reason: String) {
        self.wait = self.wait.max(wait);
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
        self.unknown += usize::from(unknown);
        // A connection or a limit, whatever it is, the next one meets it too.
        self.ends |= !unknown || self.unknown >= UNKNOWN;
    }

    /// What came of it. `note` is what the operator should know all the same.
    pub(super) fn outcome(self, note: Option<String>) -> Outcome {
        let Self { progress, reasons, wait, unknown, untried, .. } = self;
        let refused: BTreeSet<&str> = progress.refused.values().map(String::as_str).collect();
        let refused = refused.into_iter().collect::<Vec<_>>().join("; ");
        let nobody = progress.have.is_empty() && progress.refused.is_empty();
        let open = !reasons.is_empty();
        let waiting = (untried > 0).then(|| format!("{untried} not tried yet"));
        let reason = reasons.into_iter().chain(waiting).collect::<Vec<_>>().join("; ");
        let unknown = unknown > 0;
        match (open, progress.have.is_empty()) {
            (false, true) => Outcome::Permanent { reason: refused },
            (false, false) => {
                let without = (!refused.is_empty()).then(|| format!("not everybody was told: {refused}"));
                let notes: Vec<String> = without.into_iter().chain(note).collect();
                let note = (!notes.is_empty()).then(|| notes.join("; "));
                Outcome::Delivered { reference: progress.before.or(progress.first), note }
            }
            (true, _) if nobody && unknown => Outcome::Unknown { wait, reason },
            (true, _) if nobody => Outcome::RepeatAfter { wait, reason },
            (true, _) => match serde_json::to_string(&progress) {
                Ok(reference) => Outcome::Partial { reference, unknown, wait, reason },
                Err(error) => Outcome::Unknown { wait, reason: error.to_string() },
            },
        }
    }
}

/// What stands for a recipient.
fn mark(recipient: &str) -> String {
    hex(&sha256(recipient.as_bytes())).chars().take(MARK).collect()
}

/// Sends to each who has it not yet, as [`Round::each`].
pub(super) fn tell_each(
    delivery: &Delivery<'_>,
    recipients: &[String],
    shown: impl Fn(&str) -> String,
    send: impl FnMut(&str) -> Outcome,
) -> Outcome {
    let mut round = Round::new(delivery);
    round.each(recipients, shown, send);
    round.outcome(None)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::alert::channel::samples::{alert, delivery};

    const ALL: [&str; 4] = ["ann", "bob", "cyd", "dan"];

    fn later() -> Outcome {
        Outcome::RepeatAfter { wait: Some(Duration::from_secs(7)), reason: "429".to_owned() }
    }

    fn unknown() -> Outcome {
        Outcome::Unknown { wait: None, reason: "silence".to_owned() }
    }

    fn refused() -> Outcome {
        Outcome::Permanent { reason: "no such number".to_owned() }
    }

    fn done() -> Outcome {
        Outcome::Delivered { reference: Some("id".to_owned()), note: None }
    }

    /// Attempts until it is over, each recipient meeting one outcome after the other and then success; who was sent to, and the outcomes.
    fn attempts(script: &[(&str, Vec<Outcome>)], reference: Option<&str>) -> (Vec<String>, Vec<Outcome>) {
        let alert = alert();
        let recipients: Vec<String> = ALL.iter().map(ToString::to_string).collect();
        let script = RefCell::new(script.to_vec());
        let (sent, mut outcomes) = (RefCell::new(Vec::new()), Vec::new());
        let mut known = reference.map(str::to_owned);
        for _attempt in 0..9 {
            let delivery = Delivery { reference: known.as_deref(), ..delivery(&alert) };
            let outcome = tell_each(&delivery, &recipients, str::to_uppercase, |recipient| {
                sent.borrow_mut().push(recipient.to_owned());
                let mut script = script.borrow_mut();
                let own = script.iter_mut().find(|(name, outcomes)| *name == recipient && !outcomes.is_empty());
                own.map_or_else(done, |(_, outcomes)| outcomes.remove(0))
            });
            if let Outcome::Partial { reference, .. } = &outcome {
                assert!(!ALL.iter().any(|name| reference.contains(name)), "{reference}");
                known = Some(reference.clone());
            }
            outcomes.push(outcome);
            if matches!(outcomes.last(), Some(Outcome::Delivered { .. } | Outcome::Permanent { .. })) {
                break;
            }
        }
        (sent.into_inner(), outcomes)
    }

    #[test]
    fn everybody_gets_it_once_whatever_becomes_of_the_others() {
        let (sent, outcomes) = attempts(&[("bob", vec![later(), later()])], None);
        assert_eq!(sent, ["ann", "bob", "bob", "bob", "cyd", "dan"]);
        assert_eq!(outcomes.len(), 3);
        assert!(
            matches!(&outcomes[0], Outcome::Partial { unknown: false, wait: Some(wait), reason, .. }
            if wait.as_secs() == 7 && reason == "BOB: 429; 2 not tried yet"),
            "{:?}",
            outcomes[0]
        );
        assert_eq!(outcomes[2], done());

        let (sent, outcomes) = attempts(&[("ann", vec![refused()]), ("cyd", vec![unknown()])], None);
        assert_eq!(sent, ["ann", "bob", "cyd", "dan", "cyd"]);
        assert!(matches!(&outcomes[0], Outcome::Partial { unknown: true, .. }));
        assert!(
            matches!(&outcomes[1], Outcome::Delivered { reference: Some(id), note: Some(note) }
            if id == "id" && note == "not everybody was told: ANN: no such number"),
            "{:?}",
            outcomes[1]
        );

        let silent = ALL.map(|name| (name, vec![unknown()]));
        let (sent, outcomes) = attempts(&silent, None);
        assert_eq!(sent, ["ann", "bob", "ann", "bob", "cyd", "dan", "cyd", "dan"]);
        assert!(
            matches!(&outcomes[0], Outcome::Unknown { .. })
                && matches!(&outcomes[1], Outcome::Partial { unknown: true, .. })
        );

        let (sent, outcomes) = attempts(&ALL.map(|name| (name, vec![refused()])), None);
        assert_eq!((sent.len(), outcomes.len()), (4, 1));
        assert!(matches!(&outcomes[0], Outcome::Permanent { reason } if reason.matches("no such number").count() == 4));
        assert_eq!(
            attempts(&[("ann", vec![later()])], None).1[0],
            Outcome::RepeatAfter { wait: Some(Duration::from_secs(7)), reason: "ANN: 429; 3 not tried yet".to_owned() }
        );
    }

    #[test]
    fn what_was_known_before_comes_back_at_the_end() {
        let (_, outcomes) = attempts(&[("bob", vec![later()])], Some("before"));
        assert!(matches!(&outcomes[1], Outcome::Delivered { reference: Some(id), .. } if id == "before"));
        // The transition before was given up half-way.
        let half = r#"{"partial":7,"before":null,"first":"seven","have":["x"],"refused":{}}"#;
        let (sent, outcomes) = attempts(&[], Some(half));
        assert_eq!(sent, ALL);
        assert!(matches!(&outcomes[0], Outcome::Delivered { reference: Some(id), .. } if id == "seven"));
    }
}
