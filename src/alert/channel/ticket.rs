//! What all ticket systems have in common: an incident is one ticket until it is over; what was created or written before is looked up
//! before it is done again; what is closed for good is followed by another ticket.

use super::line::complaint;
use crate::alert::{Alert, Delivery, Outcome, plain};
use crate::hash::{hex, sha256};

/// The longest key that every system takes: the field of ServiceNow.
const LONGEST: usize = 100;

/// How far a ticket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Somebody works on it, or will.
    Open,
    /// It is resolved, and can be opened again.
    Done,
    /// It cannot be changed any more.
    Closed,
}

/// A ticket, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticket {
    /// How the system knows it.
    pub(super) id: String,
    /// How people know it: `INC0010001`, `SEC-12`.
    pub(super) name: String,
    pub(super) stage: Stage,
    /// The number of the transition that was written last, where the ticket itself tells.
    pub(super) written: Option<u64>,
}

impl Ticket {
    /// As the ledger keeps it: `id/name`.
    fn reference(&self) -> String {
        format!("{}/{}", self.id, self.name)
    }
}

/// The id in a reference.
fn id(reference: &str) -> Option<&str> {
    let (id, _name) = reference.split_once('/')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (!id.is_empty() && id.bytes().all(plain)).then_some(id)
}

/// What a search gives.
pub(super) enum Found {
    /// The tickets of the incident, oldest first.
    Tickets(Vec<Ticket>),
    /// The answer cannot be trusted.
    NotKnown(String),
}

/// What a ticket system can do.
pub(super) trait Desk {
    /// A ticket by its id; `None` where it is gone.
    fn get(&mut self, delivery: &Delivery<'_>, id: &str) -> Result<Option<Ticket>, Outcome>;

    /// Looks for the tickets of an incident.
    fn find(&mut self, delivery: &Delivery<'_>) -> Result<Found, Outcome>;

    /// Creates a ticket that tells this transition; after another one that is closed. Where it may be a second one, it says so.
    fn create(&mut self, delivery: &Delivery<'_>, is_sure: bool, after: Option<&Ticket>) -> Result<Ticket, Outcome>;

    /// Brings a ticket that was created for what is over to its end, where that is a step of its own.
    fn finish(&mut self, _delivery: &Delivery<'_>, _ticket: &Ticket) -> Result<Option<String>, Outcome> {
        Ok(None)
    }

    /// Writes a transition into a ticket, unless it has it already, and changes its state as the incident's. Gives what has to be said
    /// although it was done.
    fn update(&mut self, delivery: &Delivery<'_>, ticket: &Ticket) -> Result<Option<String>, Outcome>;
}

/// Tells a ticket system of a transition.
pub(super) fn tell(desk: &mut impl Desk, delivery: &Delivery<'_>) -> Result<Outcome, Outcome> {
    let own = match delivery.reference.and_then(id) {
        Some(id) => desk.get(delivery, id)?,
        None => None,
    };
    let gone = delivery.reference.is_some() && own.is_none();
    let (ticket, note) = match own {
        Some(ticket) => (Some(ticket), None),
        // What is new needs no search.
        None if !delivery.repetition && !gone && delivery.alert.sequence == 1 => (None, None),
        None => match desk.find(delivery)? {
            Found::Tickets(tickets) => choose(tickets),
            Found::NotKnown(why) => {
                return create(desk, delivery, !delivery.repetition, None, Some(why));
            }
        },
    };
    let is_over = delivery.alert.state.is_ended();
    match ticket {
        None => {
            let gone = gone.then(|| "the earlier ticket is gone; a new one was created".to_owned());
            create(desk, delivery, true, None, gone)
        }
        Some(ticket) if ticket.stage == Stage::Closed && is_over => {
            let note = format!("not written: {} is closed, and the incident is over", ticket.name);
            Ok(delivered(&ticket, Some(note)))
        }
        Some(ticket) if ticket.stage == Stage::Closed => {
            let note = format!("{} is closed; a new ticket was created", ticket.name);
            create(desk, delivery, true, Some(&ticket), Some(note))
        }
        Some(ticket) => {
            let notes: Vec<String> = desk.update(delivery, &ticket)?.into_iter().chain(note).collect();
            Ok(delivered(&ticket, (!notes.is_empty()).then(|| notes.join("; "))))
        }
    }
}

fn create(
    desk: &mut impl Desk,
    delivery: &Delivery<'_>,
    is_sure: bool,
    after: Option<&Ticket>,
    note: Option<String>,
) -> Result<Outcome, Outcome> {
    let ticket = desk.create(delivery, is_sure, after)?;
    match desk.finish(delivery, &ticket) {
        Ok(more) => {
            let notes: Vec<String> = note.into_iter().chain(more).collect();
            Ok(delivered(&ticket, (!notes.is_empty()).then(|| notes.join("; "))))
        }
        // The ticket is there: the next attempt goes on with it.
        Err(Outcome::RepeatAfter { wait, reason } | Outcome::Unknown { wait, reason }) => {
            Ok(Outcome::Partial { reference: ticket.reference(), unknown: true, wait, reason })
        }
        Err(outcome) => Ok(delivered(&ticket, Some(complaint(outcome)))),
    }
}

/// The ticket that goes on: the oldest that is not closed, or else the latest.
fn choose(mut tickets: Vec<Ticket>) -> (Option<Ticket>, Option<String>) {
    let open: Vec<Ticket> = tickets.iter().filter(|ticket| ticket.stage != Stage::Closed).cloned().collect();
    let names: Vec<&str> = open.iter().skip(1).map(|ticket| ticket.name.as_str()).collect();
    let note =
        (!names.is_empty()).then(|| format!("more than one ticket is about this incident; also {}", names.join(", ")));
    (open.into_iter().next().or_else(|| tickets.pop()), note)
}

fn delivered(ticket: &Ticket, note: Option<String>) -> Outcome {
    Outcome::Delivered { reference: Some(ticket.reference()), note }
}

/// By which a system knows an incident: its key, or a digest of it where a stranger's event id could mean something in a query.
pub(super) fn key(alert: &Alert) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'.' | b'_');
    if alert.key.len() <= LONGEST && alert.key.bytes().all(plain) {
        return alert.key.clone();
    }
    format!("mfatrail:{}", hex(&sha256(alert.key.as_bytes())))
}

/// By which a transition is found in what was written: the last line of each text.
pub(super) fn mark(alert: &Alert) -> String {
    format!("mfatrail message {}/{}", key(alert), alert.sequence)
}

/// The text of a ticket or of a note in it, with the mark at its end, in no more than so many bytes.
pub(super) fn text(delivery: &Delivery<'_>, is_sure: bool, room: usize) -> String {
    let mark = mark(delivery.alert);
    let doubted = Delivery { repetition: !is_sure, ..*delivery };
    let body = plain::fitted(&doubted, room.saturating_sub(mark.len() + 2));
    format!("{body}\n\n{mark}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::samples::{alert, delivery, hostile};

    #[test]
    fn no_key_means_anything_in_a_query() {
        let mut alert = alert();
        assert_eq!(key(&alert), alert.key);
        for id in
            ["x^NQactive=true", "x\" OR project = \"HR", "a b", "x&sysparm_limit=1", &"x".repeat(200), "x\r\ny", "é"]
        {
            alert.key = format!("mfatrail:111122223333:{id}");
            let own = key(&alert);
            assert!(
                own.len() == 73
                    && own.starts_with("mfatrail:")
                    && own.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b':'),
                "{own}"
            );
        }
    }

    #[test]
    fn a_text_is_bounded_and_ends_in_its_mark() {
        for words in hostile() {
            let mut alert = alert();
            alert.text.summary.clone_from(&words);
            alert.text.next_step.clone_from(&words);
            alert.text.facts = (0..100).map(|_| crate::alert::channel::samples::fact(&words, &words)).collect();
            for room in [1000, 4000, 30_000] {
                let text = text(&delivery(&alert), true, room);
                assert!(text.len() <= room && text.ends_with(&mark(&alert)), "{} {room}", text.len());
                assert!(!text.contains("Possible repetition"));
            }
        }
    }

    #[test]
    fn a_reference_is_an_id_and_a_name() {
        for (reference, expected) in [
            ("9d385017c611228701d22104cc95c371/INC0010001", Some("9d385017c611228701d22104cc95c371")),
            ("35436/35436", Some("35436")),
            ("", None),
            ("35436", None),
            ("../x/y", None),
            ("a?b/c", None),
        ] {
            assert_eq!(id(reference), expected, "{reference}");
        }
    }
}
