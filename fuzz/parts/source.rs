//! What keys say, without the reading.

#[path = "../../src/source/key.rs"]
mod key;
#[path = "../../src/source/object.rs"]
mod object;
#[path = "../../src/source/select.rs"]
mod select;

pub use key::{KeyInfo, Product};
pub(crate) use key::{minute, second};
pub use object::{Location, ObjectRef};
pub use select::Selection;
