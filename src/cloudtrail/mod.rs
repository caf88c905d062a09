//! CloudTrail's own formats: the record, its envelope and its `userIdentity`. Nothing here knows of MFA.

mod address;
mod callers;
mod candidates;
mod container;
mod encoding;
mod envelope;
mod error;
mod exports;
mod fields;
mod form;
mod identity;
mod masks;
mod needles;
mod origin;
mod record;
mod scratch;
mod spans;
mod structure;
mod walk;

pub use address::address;
pub use candidates::{Clue, Query, Wants, search};
pub use container::{Contents, Visit, for_each_record, is_foreign};
pub use envelope::{CallerTag, Envelope, Take, same, skim};
pub use error::ContainerError;
pub use fields::{Cell, Path};
pub use form::Form;
pub use identity::{Actor, ActorKind, Caller};
pub use needles::{Literals, Names};
pub use record::{Record, RecordError, Value, mfa_of};
pub use scratch::Scratch;
pub use spans::Brief;
