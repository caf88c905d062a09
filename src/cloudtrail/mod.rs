//! CloudTrail's own formats: the record, its envelope and its `userIdentity`. Nothing here knows of MFA.

mod candidates;
mod container;
mod envelope;
mod identity;
mod masks;
mod record;
mod structure;
mod walk;

pub use candidates::{Names, search};
pub use container::{ContainerError, Contents, Scratch, Visit, for_each_record};
pub use envelope::{Envelope, Take, same, skim};
pub use identity::{Actor, ActorKind, Caller};
pub use record::{Record, RecordError, Value};
