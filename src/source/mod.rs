//! Where log objects come from, and what their keys say.

mod key;

pub use key::{KeyInfo, Product};
