//! What keys say, without the reading.

#[path = "../../src/source/key.rs"]
mod key;
#[path = "../../src/source/select.rs"]
mod select;

pub use key::{KeyInfo, Product};
pub use select::Selection;
