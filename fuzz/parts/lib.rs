//! The modules of mfatrail that read hostile bytes, and nothing else: what a fuzzer can build in a minute.

#![allow(dead_code, unused_imports, reason = "parts of modules whose users are not built here")]

#[path = "../../src/cloudtrail/mod.rs"]
pub mod cloudtrail;
#[path = "../../src/inflate.rs"]
pub mod inflate;
#[path = "../../src/inputs/mod.rs"]
pub mod inputs;
pub mod inventory;
#[path = "../../src/mfa/mod.rs"]
pub mod mfa;
pub mod source;
#[path = "../../src/units.rs"]
pub mod units;
