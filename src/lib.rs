//! Who was without MFA, from when to when, who did it, did anyone notice: from a CloudTrail archive and IAM.
//!
//! The product is the command line; this library is what it is made of. What is promised are `report.json`
//! ([`contract`]), the evidence store's columns and the exit statuses, not the signatures here. Whoever wants a report without a
//! terminal finds the use cases in [`app`]:
//!
#![doc = concat!("```no_run\n", include_str!("../examples/report.rs"), "```")]
//!
//! Bytes go one way: [`source`] lists and fetches objects, [`pipeline`] inflates and parses them on many threads, [`evidence`]
//! keeps what matters, [`exposure`] replays it into windows and figures, [`report`] renders these.

pub mod alert;
pub mod app;
pub mod arn;
pub mod aws;
pub mod bundle;
pub mod causes;
pub mod cli;
pub mod cloudtrail;
pub mod contract;
pub mod device;
pub mod digest;
pub mod disk;
pub mod escape;
pub mod evidence;
pub mod exposure;
pub mod hash;
pub mod http;
pub mod incident;
pub mod inflate;
pub mod inputs;
pub mod inventory;
pub mod lineage;
pub mod mfa;
pub mod names;
pub mod ocsf;
mod panics;
pub mod partition;
pub mod pdf;
pub mod pipeline;
pub mod posture;
pub mod queue;
pub mod report;
pub mod search;
pub mod signature;
pub mod source;
pub mod spill;
pub mod sql;
pub mod store;
pub mod table;
pub mod trace;
pub mod units;
