//! One [`Report`] value, rendered to each format.

mod model;

pub use model::*;
