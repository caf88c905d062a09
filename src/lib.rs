//! mfatrail: who was without MFA, from when to when, from a CloudTrail archive.

#![forbid(unsafe_code)]

pub mod aws;
pub mod cli;
pub mod cloudtrail;
pub mod contract;
pub mod evidence;
pub mod exposure;
pub mod finds;
pub mod inflate;
pub mod inputs;
pub mod inventory;
pub mod mfa;
pub mod pipeline;
pub mod report;
pub mod source;
pub mod trace;
pub mod units;
