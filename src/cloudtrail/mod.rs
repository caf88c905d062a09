//! CloudTrail's own formats: the record, its envelope and its `userIdentity`. Nothing here knows of MFA.

mod address;
mod callers;
mod candidates;
mod container;
mod encoding;
mod envelope;
mod fields;
mod identity;
mod masks;
mod needles;
mod record;
mod structure;
mod walk;

pub use address::address;
pub use candidates::{Clue, Query, Wants, search};
pub use container::{ContainerError, Contents, Scratch, Visit, for_each_record, is_foreign};
pub use envelope::{CallerTag, Envelope, Take, same, skim};
pub use fields::{Cell, Path};
pub use identity::{Actor, ActorKind, Caller};
pub use needles::{Literals, Names};
pub use record::{Record, RecordError, Value, mfa_of};
pub use walk::Brief;
