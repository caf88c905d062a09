//! An evidence bundle: a zip file of a report and of everything that is needed to make it again, elsewhere and offline.
//!
//! `bundle.json` names every other member with its size and SHA-256, and says what the members are. A bundle comes from
//! strangers: it is checked whole before anything of it is used. A member that is not listed, listed and not there, there twice,
//! changed, or named like a path that leads out of a folder is an error, and so is one that inflates to more than is said, or a
//! bundle that inflates to far more than reports do. Members are only ever written below a folder that the caller made.
//!
//! The same contents give the same bytes: names are in order, and every member bears the same time.

mod archive;
mod error;
mod manifest;

pub use archive::{open, prepare, write};
pub use error::BundleError;
pub use manifest::{HEAD, Member, SCHEMA, is_safe, safe, sha256};
