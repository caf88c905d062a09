//! What CloudTrail's digests prove of an archive: that no log was changed, removed or added.
//!
//! CloudTrail writes a digest an hour for every trail and region, also in a quiet hour. It names the hour's logs with
//! the SHA-256 of their inflated bytes, and the digest before it with that one's hash and signature; its own signature,
//! RSA with a key that CloudTrail publishes, stands in the object's metadata. So a digest is proven by its signature,
//! which a copy on disk finds in the next digest, and everything that a proven digest names is proven by its hash.
//!
//! Two passes: [`DigestReader`] reads the digests, [`Proof::new`] judges them and keeps the hashes that they name; then
//! [`Checker`] hashes every log once, the very bytes that a parser is given, and compares. What was not named, what is
//! named and not there, and the hours without a digest are told by [`Checker::finish`]. Nothing but proven bytes is ever
//! called verified.
//!
//! What is proven are the inflated bytes: CloudTrail signs those, not the gzip around them. A changed bit that leaves
//! them as they are, such as gzip's time stamp, is no change of evidence.
//!
//! Memory: about 1 KiB for each digest in range and 64 bytes for each log that they name; for each worker, up to 96 MiB of
//! what is hashed side by side ([`Lanes`]).

mod chain;
mod check;
mod collect;
mod file;
mod finding;
mod gap_causes;
mod keys;
mod lanes;
mod live;
mod log_index;
mod outcome;
mod sha256x16;

pub use crate::contract::integrity::{Code, Finding, Hours, LogCounts, Severity, State, TrailSummary, Verification};
pub use chain::{Bounds, Chain, Proof, Trust};
pub use check::Checker;
pub use collect::DigestReader;
pub use file::{ChainId, Digest, Previous, string_to_sign};
pub use gap_causes::{About, CAUSES, Cause, Causes};
pub use keys::{KeysError, PublicKeys};
pub use lanes::{Hashed, Lanes};
pub use live::{LiveError, read_live};
pub use outcome::Horizon;
