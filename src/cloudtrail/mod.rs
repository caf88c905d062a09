//! CloudTrail's own formats: the record, its envelope and its `userIdentity`. Nothing here knows of MFA.

mod candidates;
mod container;
mod fields;
mod identity;
mod needles;
mod record;
mod structure;

pub use candidates::{Clue, Query, Wants, search};
pub use container::{ContainerError, Contents, Scratch, Visit, for_each_record};
pub use fields::{Cell, Path};
pub use identity::{Actor, ActorKind, Caller};
pub use needles::{Literals, Names};
pub use record::{Record, RecordError, Value};
