//! MFA devices of IAM, and the runbook for a device that is lost, stolen, replaced or out of sync: the only part of this program that
//! changes anything in AWS.
//!
//! What is to be done is data first ([`call`]): a call names its user in its type, so that none can reach IAM without one (IAM would
//! take the caller). From what IAM says of a user ([`state`]) the runbook decides what to call, in which order, and what must then be
//! true ([`plan`]); pure functions. [`client`] is the only one who speaks to IAM, [`journal`] remembers on disk how far a run came,
//! [`secret`] holds seeds, codes and passwords, and writes each of them to one place at most.

pub mod call;
pub mod client;
pub mod journal;
pub mod plan;
pub mod secret;
pub mod state;
