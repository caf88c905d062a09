//! What listers and requests hand to the workers.

use tokio::sync::OwnedSemaphorePermit;

use crate::source::{ObjectRef, s3::Fetched};

/// Objects or batches waiting for a worker, and listed objects waiting for a request.
pub(super) const QUEUE: usize = 256;

/// One step for a worker.
pub(super) enum Work {
    /// Objects that the worker reads itself.
    Read(Vec<ObjectRef>),
    /// A fetched object; the permit is for its bytes and ends with them.
    Fetched(ObjectRef, Fetched, OwnedSemaphorePermit),
    /// Small objects that came in together.
    Several(Vec<Work>),
    /// Something that could not be listed, and has a name only, or not be fetched; and why.
    Failed(Result<Box<ObjectRef>, String>, String),
}
