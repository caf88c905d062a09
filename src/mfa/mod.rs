//! Which records count, and what they mean: the typed [`Event`].

mod event;
mod events;
mod extract;
mod fold;
mod refusal;
mod text;

pub use event::{Action, Dispute, Event, Failure, Lineage, ROOT_NAMES, ROOT_USER_NAME, Target};
pub use events::Events;
pub use extract::{EXTRACTED, extract, is_extracted, named_user, user_id, user_name};
pub use fold::{Conflict, LedgerEvent, Logged, Said, contest, fold};
pub use text::{Names, Text, Texts};
