//! mfatrail: who was without MFA, from when to when, from a CloudTrail archive.

// Where it pays, one module says so and why.
#![deny(unsafe_code)]

pub mod answer;
pub mod aws;
pub mod bundle;
pub mod cli;
pub mod cloudtrail;
pub mod contract;
pub mod digest;
pub mod disk;
pub mod evidence;
pub mod exposure;
pub mod filter;
pub mod finds;
pub mod inflate;
pub mod inputs;
pub mod inventory;
pub mod mfa;
pub mod names;
pub mod partition;
pub mod pipeline;
pub mod report;
pub mod rows;
pub mod source;
pub mod sql;
pub mod store;
pub mod sweep;
pub mod trace;
pub mod units;
