//! What was asked of S3: how often, how often again, and which objects took long.
//!
//! The SDK repeats requests by itself and tells nobody, so its attempts are counted from inside.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_sdk_s3::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{
            BeforeDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextRef,
            BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
        },
    },
    error::BoxError,
};
use aws_smithy_runtime_api::client::result::ConnectorError;

/// An object that takes longer is slow.
const SLOW: Duration = Duration::from_secs(5);
/// How many of the slowest are named.
const NAMED: usize = 5;

/// Counters; the caller may look at them from another thread.
#[derive(Default)]
pub struct Traffic {
    /// Calls, each counted once, however often it was repeated.
    calls: AtomicU64,
    /// Requests sent.
    requests: AtomicU64,
    /// Answers that ask for fewer requests, and requests without an answer in time.
    slowed: AtomicU64,
    /// The slowest of the objects that took long, the slowest first.
    slow: Mutex<Vec<(Duration, String)>>,
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traffic").field("calls", &self.calls).field("requests", &self.requests).finish_non_exhaustive()
    }
}

impl Traffic {
    /// Requests sent.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Requests that repeated one that had failed. Bodies that broke off are fetched by a new call, which is not among
    /// them.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.requests.load(Relaxed).saturating_sub(self.calls.load(Relaxed))
    }

    /// The slowest of the objects that took more than five seconds, the slowest first.
    #[must_use]
    pub fn slow(&self) -> Vec<(Duration, String)> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers that asked for fewer requests, and requests without an answer in time, so far.
    #[must_use]
    pub fn slowed(&self) -> u64 {
        self.slowed.load(Relaxed)
    }

    /// A request is sent without the SDK. If nothing comes of it, the SDK's call repeats it.
    pub(super) fn sent_directly(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// An object was got without the SDK.
    pub(super) fn got_directly(&self) {
        self.calls.fetch_add(1, Relaxed);
    }

    /// S3 asks for fewer requests, or does not answer.
    pub(super) fn note_slowed(&self) {
        self.slowed.fetch_add(1, Relaxed);
    }

    /// An object is there, all attempts at it included.
    pub(super) fn fetched(&self, key: &str, took: Duration) {
        if took < SLOW {
            return;
        }
        let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        slow.push((took, key.to_owned()));
        slow.sort_by(|a, b| b.cmp(a));
        slow.truncate(NAMED);
    }

    /// What counts for it inside a client.
    pub(super) fn counter(self: Arc<Self>) -> impl Intercept + 'static {
        Counter(self)
    }
}

#[derive(Debug)]
struct Counter(Arc<Traffic>);

impl Intercept for Counter {
    fn name(&self) -> &'static str {
        "traffic"
    }

    fn read_before_execution(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.calls.fetch_add(1, Relaxed);
        Ok(())
    }

    fn read_before_attempt(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.requests.fetch_add(1, Relaxed);
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.response().status().as_u16() == 503 {
            self.0.note_slowed();
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Err(error)) = context.output_or_error()
            && (error.is_timeout_error() || error.as_connector_error().is_some_and(ConnectorError::is_timeout))
        {
            self.0.note_slowed();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_are_named() {
        let traffic = Traffic::default();
        for seconds in [1, 6, 9, 7, 8, 4, 10, 5] {
            traffic.fetched(&seconds.to_string(), Duration::from_secs(seconds));
        }
        let named: Vec<String> = traffic.slow().into_iter().map(|(_, key)| key).collect();
        assert_eq!(named, ["10", "9", "8", "7", "6"]);
    }
}
