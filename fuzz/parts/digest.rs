//! Reading and judging digests, without the comparison with logs and without AWS.

#[path = "../../src/digest/chain.rs"]
mod chain;
#[path = "../../src/digest/file.rs"]
mod file;
#[path = "../../src/digest/finding.rs"]
mod finding;
#[path = "../../src/digest/collect.rs"]
mod collect;
#[path = "../../src/digest/keys.rs"]
mod keys;
#[path = "../../src/digest/lanes.rs"]
mod lanes;
#[path = "../../src/digest/log_index.rs"]
mod log_index;
#[path = "../../src/digest/sha256x16.rs"]
mod sha256x16;

pub use chain::{Bounds, Chain, Proof, Trust};
pub use file::{ChainId, Digest, Previous, string_to_sign};
pub use crate::contract::integrity::{
    Code, Finding, Hours, LogCounts, Severity, State, TrailSummary, Verification,
};
pub use collect::DigestReader;
pub use keys::{KeysError, PublicKeys};
