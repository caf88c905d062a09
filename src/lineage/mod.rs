//! Who holds which credentials, and what came of them: from the calls that hand out sessions, keys, passwords, users and roles
//! ([`Link`]) to all credentials that belong together ([`Family`]), and what of it still stands ([`Standing`]).
//!
//! Pure: links in, a family out. One pass over an archive finds all links, for their names are few; whatever they lead to is then
//! known at once, however long the chain.

mod credential;
mod family;
mod grow;
mod holder;
mod index;
mod link;
mod standing;
mod thing;

pub use credential::{Credential, Person, Session};
pub use family::{Family, Member, Relation};
pub use grow::{Bounds, Seed};
pub use holder::Holder;
pub use link::Link;
pub use standing::{Ending, Endings, Standing};
pub use thing::{Action, NAMES, Thing, ThingKind};
