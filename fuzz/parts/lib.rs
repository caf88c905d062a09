//! The modules of mfatrail that read hostile bytes, and nothing else: what a fuzzer can build in a minute.

#![allow(dead_code, unused_imports, reason = "parts of modules whose users are not built here")]

#[path = "../../src/arn.rs"]
pub mod arn;
#[path = "../../src/bundle/mod.rs"]
pub mod bundle;
#[path = "../../src/cloudtrail/mod.rs"]
pub mod cloudtrail;
#[path = "../../src/contract/mod.rs"]
pub mod contract;
pub mod digest;
#[path = "../../src/disk.rs"]
pub mod disk;
#[path = "../../src/exposure/mod.rs"]
pub mod exposure;
#[path = "../../src/hash.rs"]
pub mod hash;
#[path = "../../src/inflate.rs"]
pub mod inflate;
#[path = "../../src/inputs/mod.rs"]
pub mod inputs;
pub mod inventory;
#[path = "../../src/mfa/mod.rs"]
pub mod mfa;
#[path = "../../src/names.rs"]
pub mod names;
#[path = "../../src/partition.rs"]
pub mod partition;
pub mod pipeline;
pub mod source;
#[path = "../../src/spill.rs"]
pub mod spill;
pub mod store;
#[path = "../../src/trace/mod.rs"]
pub mod trace;
#[path = "../../src/units.rs"]
pub mod units;
