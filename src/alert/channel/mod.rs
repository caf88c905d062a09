//! Where alerts go: each channel in a file of its own, behind one trait.

use super::{Delivery, Outcome};

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
