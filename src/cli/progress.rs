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

use super::style;
use crate::escape::terminal as terminal_text;
use crate::pipeline::Progress;

/// Work that is done sooner is not worth a line.
const SILENCE: Duration = Duration::from_millis(500);

const STEP: Duration = Duration::from_millis(100);

/// Does the work, and meanwhile shows on standard error how far it is. Nothing is shown where standard error is no
/// terminal; the line is gone when the work is done.
pub(super) fn shown<R>(progress: &Progress, work: impl FnOnce() -> R) -> R {
    if style::is_quiet() || !std::io::stderr().is_terminal() {
        return work();
    }
    thread::scope(|scope| {
        let (done, ended) = mpsc::channel::<()>();
        scope.spawn(move || {
            if ended.recv_timeout(SILENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            // No color; without a template the bar would show its own.
            bar.set_style(
                ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_bad| ProgressStyle::default_bar()),
            );
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
    /// Folders that were begun, and that are known.
    folders: [u64; 2],
    folder: String,
}

impl State {
    fn of(progress: &Progress) -> Self {
        Self {
            listed: progress.listed.load(Relaxed),
            listed_bytes: progress.listed_bytes.load(Relaxed),
            listing_done: progress.listing_done.load(Relaxed),
            finished: progress.finished.load(Relaxed),
            bytes: progress.bytes.load(Relaxed),
            folders: progress.folders.counts(),
            folder: progress.folders.name(),
        }
    }
}

/// Objects, bytes and rate. While the listing goes on the total is marked as growing, the folder at hand is named, and the
/// time left is the least that it can be: every folder may lead to more.
fn line(state: &State, waited: Duration) -> String {
    let more = if state.listing_done { "" } else { "+" };
    let rate = state.bytes.saturating_mul(1000) / u64::try_from(waited.as_millis()).unwrap_or(u64::MAX).max(1);
    let (objects, all) = (HumanCount(state.finished), HumanCount(state.listed));
    let noun = if state.listed == 1 && state.listing_done { "object" } else { "objects" };
    let mut line = format!("{objects} of {all}{more} {noun}, {}", HumanBytes(state.bytes));
    // A listing of digests does not tell their sizes.
    let sized = state.listed_bytes >= state.bytes && (state.listed_bytes > 0 || state.listed == 0);
    if sized {
        line.push_str(&format!(" of {}{more}", HumanBytes(state.listed_bytes)));
    }
    line.push_str(&format!(", {}/s", HumanBytes(rate)));
    let reading = if sized {
        (rate > 0).then(|| Duration::from_secs((state.listed_bytes - state.bytes) / rate))
    } else {
        left(waited, state.finished, state.listed)
    };
    if state.listing_done {
        if let Some(left) = reading.filter(|_| rate > 0) {
            line.push_str(&format!(", {} left", HumanDuration(left)));
        }
        return line;
    }
    let [begun, known] = state.folders;
    if let Some(left) = left(waited, begun.saturating_sub(1), known).max(reading).filter(|_| begun > 1) {
        line.push_str(&format!(", at least {} left", HumanDuration(left)));
    }
    if begun > 0 {
        line.push_str(&format!("; listing folder {} of {}+: ", HumanCount(begun), HumanCount(known)));
        line.push_str(&terminal_text(&state.folder));
    }
    line
}

/// How long the rest takes, where so many took `waited`.
fn left(waited: Duration, done: u64, all: u64) -> Option<Duration> {
    let waited = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
    let left = waited.saturating_mul(all.saturating_sub(done));
    (done > 0).then(|| Duration::from_secs(left / done / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_what_is_known() {
        let folder = "AWSLogs/111122223333/CloudTrail/us-east-1/2026".to_owned();
        let state = State {
            listed: 12_000,
            listed_bytes: 4 << 20,
            listing_done: false,
            finished: 1500,
            bytes: 1 << 20,
            folders: [11, 40],
            folder,
        };
        let waited = Duration::from_secs(20);
        assert_eq!(
            line(&state, waited),
            "1,500 of 12,000+ objects, 1.00 MiB of 4.00 MiB+, 51.20 KiB/s, at least 60 seconds left; listing folder 11 of 40+: AWSLogs/111122223333/CloudTrail/us-east-1/2026"
        );
        let begun = State {
            folders: [1, 1],
            folder: "AWSLogs".to_owned(),
            listed: 0,
            listed_bytes: 0,
            bytes: 0,
            finished: 0,
            ..state
        };
        assert_eq!(line(&begun, waited), "0 of 0+ objects, 0 B of 0 B+, 0 B/s; listing folder 1 of 1+: AWSLogs");
        let state = State {
            listing_done: true,
            listed: 12_000,
            listed_bytes: 4 << 20,
            bytes: 1 << 20,
            finished: 1500,
            ..begun
        };
        let waited = Duration::from_secs(2);
        assert_eq!(line(&state, waited), "1,500 of 12,000 objects, 1.00 MiB of 4.00 MiB, 512.00 KiB/s, 6 seconds left");
        let digests = State { listed_bytes: 0, ..state };
        assert_eq!(line(&digests, waited), "1,500 of 12,000 objects, 1.00 MiB, 512.00 KiB/s, 14 seconds left");
        let one = State { listed: 1, listed_bytes: 1024, bytes: 0, finished: 0, ..digests };
        assert_eq!(line(&one, waited), "0 of 1 object, 0 B of 1.00 KiB, 0 B/s");
    }

    #[test]
    fn the_work_is_done_where_nothing_is_shown() {
        assert_eq!(shown(&Progress::default(), || 7), 7);
    }
}
