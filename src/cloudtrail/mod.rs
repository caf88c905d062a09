//! CloudTrail's own formats: the record, its envelope and its `userIdentity`. Nothing here knows of MFA.

mod identity;
mod record;

pub use identity::{Actor, ActorKind};
pub use record::{Record, RecordError, Value};
