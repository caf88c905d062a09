//! Which records count, and what they mean: the typed [`Event`].

mod event;

pub use event::{Action, Event, Failure, Target};
