//! The use cases: what the product does, for whoever asks. The command line is one caller; a test or another program is another.
//!
//! Nothing here knows a terminal, an argument or an exit status, and nothing reads the clock: [`Run`] has the time and an
//! [`Observer`].

pub mod approved;
pub mod archive;
pub mod bundle;
pub mod cited;
pub mod coverage;
pub mod device;
mod error;
pub(crate) mod exceptions;
pub mod fail_on;
pub mod history;
pub mod iam;
pub mod iam_policy;
pub mod inputs;
pub mod integrity;
pub mod monthly;
mod observer;
pub mod posture;
pub(crate) mod previous;
pub mod principals;
pub mod printer;
pub mod report;
pub mod request;
pub mod respond;
pub mod scan;
pub mod search;
pub mod signed;
pub mod store;
pub mod trace;
mod unknown_name;
pub mod verify;
pub mod watch;
pub(crate) mod watched;

use chrono::{DateTime, SecondsFormat, Utc};

pub use archive::Archive;
pub use error::Error;
pub(crate) use error::store_error;
pub use observer::{Observer, Silent};
pub use unknown_name::UnknownName;

use crate::contract::Tool;
use crate::pipeline::{Progress, Scanned};
use crate::source::SourceError;
use crate::units;

/// This program, as its documents name it.
pub const THIS: Tool = Tool { version: env!("CARGO_PKG_VERSION") };

/// What every use case is given beside its request.
#[derive(Clone, Copy)]
pub struct Run<'r> {
    /// The time at which it is asked.
    pub now: DateTime<Utc>,
    /// Who watches.
    pub observer: &'r dyn Observer,
}

impl<'r> Run<'r> {
    /// A run that nobody watches.
    #[must_use]
    pub fn silent(now: DateTime<Utc>) -> Self {
        Self { now, observer: &Silent }
    }

    /// Does the work of a scan while the observer shows how far it is.
    pub(crate) fn scanning<R>(
        &self,
        progress: &Progress,
        work: impl FnOnce() -> Result<R, SourceError>,
    ) -> Result<R, Error> {
        let (mut work, mut result) = (Some(work), None);
        self.observer.scanning(progress, &mut || result = work.take().map(|work| work()));
        self.observer.scanned();
        result
            .ok_or_else(|| Error::Failed("the observer did not let the scan begin".to_owned()))?
            .map_err(Error::failed)
    }

    /// Takes a step that must not be cut short.
    pub(crate) fn uninterrupted<R>(&self, step: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
        let (mut step, mut result) = (Some(step), None);
        self.observer.uninterrupted(&mut || result = step.take().map(|step| step()));
        result.ok_or_else(|| Error::Failed("the observer did not let the result be written".to_owned()))?
    }
}

/// That a scan was told to stop: how far it came, and what became of it.
pub(crate) fn stopped(scanned: &Scanned, outcome: &str) -> Error {
    let coverage = &scanned.coverage;
    Error::Stopped(format!(
        "{} been read ({}), {} had failed; {outcome}",
        units::plural(coverage.objects_read, "object had", "objects had"),
        units::readable_size(coverage.bytes_compressed),
        coverage.objects_failed
    ))
}

/// A moment as errors and notices name it.
pub(crate) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
