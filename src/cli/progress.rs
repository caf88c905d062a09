//! Progress on a terminal.

use std::{
    io::IsTerminal,
    sync::{
        atomic::Ordering::Relaxed,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::pipeline::Progress;

/// Work that is done sooner is not worth a line.
const SILENCE: Duration = Duration::from_millis(500);

const STEP: Duration = Duration::from_millis(100);

/// Does the work, and meanwhile shows on standard error how far it is. Nothing is shown where standard error is no
/// terminal; the line is gone when the work is done.
pub(super) fn shown<R>(progress: &Progress, work: impl FnOnce() -> R) -> R {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    thread::scope(|scope| {
        let (done, ended) = mpsc::channel::<()>();
        scope.spawn(move || {
            if ended.recv_timeout(SILENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            // No colour; without a template the bar would show its own.
            bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_bad| ProgressStyle::default_bar()));
            let mut waited = SILENCE;
            while ended.recv_timeout(STEP) == Err(RecvTimeoutError::Timeout) {
                waited += STEP;
                bar.set_message(line(&State::of(progress), waited));
                bar.tick();
            }
            bar.finish_and_clear();
        });
        let result = work();
        drop(done);
        result
    })
}

/// The counters at one moment.
struct State {
    listed: u64,
    listed_bytes: u64,
    listing_done: bool,
    finished: u64,
    bytes: u64,
}

impl State {
    fn of(progress: &Progress) -> Self {
        Self {
            listed: progress.listed.load(Relaxed),
            listed_bytes: progress.listed_bytes.load(Relaxed),
            listing_done: progress.listing_done.load(Relaxed),
            finished: progress.finished.load(Relaxed),
            bytes: progress.bytes.load(Relaxed),
        }
    }
}

/// Objects, bytes and rate; while the listing goes on the total is marked as growing, and no time left is guessed.
fn line(state: &State, waited: Duration) -> String {
    let more = if state.listing_done { "" } else { "+" };
    let rate = state.bytes.saturating_mul(1000) / u64::try_from(waited.as_millis()).unwrap_or(u64::MAX).max(1);
    let (objects, all) = (HumanCount(state.finished), HumanCount(state.listed));
    let mut line = format!("{objects} of {all}{more} objects, {}", HumanBytes(state.bytes));
    // A listing of digests does not tell their sizes.
    let sized = state.listed_bytes >= state.bytes && (state.listed_bytes > 0 || state.listed == 0);
    if sized {
        line.push_str(&format!(" of {}{more}", HumanBytes(state.listed_bytes)));
    }
    line.push_str(&format!(", {}/s", HumanBytes(rate)));
    if state.listing_done && rate > 0 {
        let left = if sized {
            Duration::from_secs((state.listed_bytes - state.bytes) / rate)
        } else {
            let waited = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            let left = waited.saturating_mul(state.listed.saturating_sub(state.finished));
            Duration::from_secs(left / state.finished.max(1) / 1000)
        };
        line.push_str(&format!(", {} left", HumanDuration(left)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_what_is_known() {
        let state =
            State { listed: 12_000, listed_bytes: 4 << 20, listing_done: false, finished: 1500, bytes: 1 << 20 };
        let waited = Duration::from_secs(2);
        assert_eq!(line(&state, waited), "1,500 of 12,000+ objects, 1.00 MiB of 4.00 MiB+, 512.00 KiB/s");
        let state = State { listing_done: true, ..state };
        assert_eq!(line(&state, waited), "1,500 of 12,000 objects, 1.00 MiB of 4.00 MiB, 512.00 KiB/s, 6 seconds left");
        let digests = State { listed_bytes: 0, ..state };
        assert_eq!(line(&digests, waited), "1,500 of 12,000 objects, 1.00 MiB, 512.00 KiB/s, 14 seconds left");
        let nothing = State { listed: 0, listed_bytes: 0, listing_done: true, finished: 0, bytes: 0 };
        assert_eq!(line(&nothing, waited), "0 of 0 objects, 0 B of 0 B, 0 B/s");
    }

    #[test]
    fn the_work_is_done_where_nothing_is_shown() {
        assert_eq!(shown(&Progress::default(), || 7), 7);
    }
}
