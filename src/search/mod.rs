//! One search: which records it wants ([`filter`]), one pass over the archive ([`pass`]), and what that pass keeps ([`hits`]).

pub mod filter;
pub mod hits;
pub mod pass;
