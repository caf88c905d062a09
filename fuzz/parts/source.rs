//! What keys say, without the reading.

#[path = "../../src/source/folders.rs"]
mod folders;
#[path = "../../src/source/key.rs"]
mod key;
#[path = "../../src/source/object.rs"]
mod object;
#[path = "../../src/source/select.rs"]
mod select;

pub use folders::Earlier;
pub use key::{KeyInfo, Product};
pub(crate) use key::{is_region, minute, second};
pub use object::{Location, ObjectRef};
pub use select::Selection;
