//! CloudTrail's own formats: the record, its envelope and its `userIdentity`. Nothing here knows of MFA.

mod candidates;
mod container;
mod identity;
mod record;
mod structure;

pub use candidates::{Names, search};
pub use container::{ContainerError, Contents, Scratch, Visit, for_each_record};
pub use identity::{Actor, ActorKind, Caller};
pub use record::{Record, RecordError, Value};
