//! Queues that tell what is new: what a message says ([`envelope`]), and how messages are had and given back ([`sqs`]).

pub mod envelope;
pub mod sqs;
