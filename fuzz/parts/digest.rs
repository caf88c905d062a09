//! Reading and judging digests, without the comparison with logs and without AWS.

#[path = "../../src/digest/chain.rs"]
mod chain;
#[path = "../../src/digest/file.rs"]
mod file;
#[path = "../../src/digest/finding.rs"]
mod finding;
#[path = "../../src/digest/gather.rs"]
mod gather;
#[path = "../../src/digest/hash.rs"]
mod hash;
#[path = "../../src/digest/keys.rs"]
mod keys;
#[path = "../../src/digest/lanes.rs"]
mod lanes;
#[path = "../../src/digest/named.rs"]
mod named;
#[path = "../../src/digest/sixteen.rs"]
mod sixteen;

pub use chain::{Bounds, Chain, Proof, Trust};
pub use file::{ChainId, Digest, Previous, string_to_sign};
pub use crate::contract::integrity::{
    Code, Finding, Hours, LogCounts, Severity, State, TrailSummary, Verification,
};
pub use gather::Gather;
pub use hash::{Hash, hex, sha256, unhex};
pub use keys::{KeysError, PublicKeys};
