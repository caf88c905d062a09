//! Ctrl-C, and the signal that asks a service to end.
//!
//! The first one asks the scan to stop: objects at hand are finished, temporary folders removed, and the command says how
//! far it came. What takes longer than [`GRACE`], and everything after a second signal, ends where it stands; what was
//! being made beside its place is removed, and a folder that is being put into its place is put there first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use super::say;
use crate::app::Error;
use crate::pipeline::Stop;

/// How long a scan may take to stop by itself.
const GRACE: Duration = Duration::from_millis(600);
/// The same in milliseconds, where a command needs another.
static PATIENCE: AtomicU64 = AtomicU64::new(0);

/// 128 and the signal's number, as shells have it.
static STATUS: AtomicU8 = AtomicU8::new(130);
static STOP: OnceLock<Arc<Stop>> = OnceLock::new();
/// What is to be removed; locked while something must not be cut short.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// What scans are told to stop by.
pub(super) fn stop() -> Arc<Stop> {
    Arc::clone(STOP.get_or_init(Arc::default))
}

/// Lets the command take so long to finish what is in hand.
pub(super) fn wait_up_to(patience: Duration) {
    PATIENCE.store(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// The exit status of a run that a signal ended.
pub(super) fn exit_status() -> u8 {
    STATUS.load(Ordering::Relaxed)
}

/// From here on signals are answered by this module.
pub(super) fn listen() -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Failed(format!("could not listen for signals: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let mut signals = {
        let _within = runtime.enter();
        Signals::new().map_err(failed)?
    };
    // Ends with the process.
    let listener = thread::Builder::new().name("signals".to_owned()).spawn(move || {
        STATUS.store(128 + runtime.block_on(signals.next()), Ordering::Relaxed);
        stop().ask();
        // Whichever comes first: another signal or the end of the grace. Neither is an error.
        let patience = Duration::from_millis(PATIENCE.load(Ordering::Relaxed)).max(GRACE);
        let _either = runtime.block_on(async { tokio::time::timeout(patience, signals.next()).await });
        leave()
    });
    listener.map(drop).map_err(failed)
}

/// Ends the process, and leaves nothing half done.
#[expect(clippy::exit, reason = "a signal ends the run, whatever the main thread is in")]
fn leave() -> ! {
    let unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    for path in unfinished.iter() {
        // It may be in its place already, and there is nobody to be told of a failure.
        let _best_effort = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
    say("interrupted: nothing more was written, and what was there before is unchanged");
    process::exit(i32::from(exit_status()))
}

/// A file or folder that has to go if the process ends before it is in its place.
pub(super) fn remove_at_exit(path: &Path) {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
}

/// As long as this lives no signal ends the process: for steps that have to be taken together.
pub(super) fn hold() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The signals that ask for an end.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The number of the next one.
    async fn next(&mut self) -> u8 {
        std::future::poll_fn(|context| {
            if self.interrupt.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(2);
            }
            self.terminate.poll_recv(context).map(|_signal| 15)
        })
        .await
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> u8 {
        // Where it cannot be listened for there is none.
        match tokio::signal::ctrl_c().await {
            Ok(()) => 2,
            Err(_unsupported) => std::future::pending().await,
        }
    }
}
