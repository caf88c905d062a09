//! How many requests are in flight: as many as pay.
//!
//! With requests that wait for the network, twice as many get twice as much, until the network, a processor, or the service is
//! at its limit; from there on they cost memory and connections, and win nothing. So the number grows while throughput grows
//! (twofold at first while that gets much more, then by an eighth), steps back where it does not, and is halved where the service asks for fewer or falls
//! silent, as TCP does with its window.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// Where it begins.
const FIRST: usize = 64;
/// It never falls below.
const LEAST: usize = 8;
/// Where it ends by itself: each request has a connection, and each connection an open file.
const MOST: usize = 512;
/// Open files that are left to everything else.
const FILES: usize = 128;
/// A look at throughput takes so long at least,
const SHORTEST: Duration = Duration::from_millis(200);
/// or so long while the number still doubles: where that pays, it pays by far, and a short run is over before it is measured well,
const FIRST_LOOKS: Duration = Duration::from_millis(50);
/// and ends after so long even where few requests came back.
const LONGEST: Duration = Duration::from_secs(2);
/// So much more throughput is growth,
const GROWTH: f64 = 1.05;
/// and so much more is worth doubling again: of less, most is spent on connections.
const DOUBLED: f64 = 1.4;
/// So many looks pass before growth is tried again.
const PAUSE: u32 = 10;

/// The number of requests in flight, which finds its level.
#[derive(Debug)]
pub(super) struct Level {
    limit: AtomicUsize,
    most: usize,
    fixed: bool,
    in_flight: AtomicUsize,
    done: AtomicU64,
    waited: AtomicBool,
    freed: Notify,
    look: Mutex<Look>,
}

/// What was seen so far.
#[derive(Debug)]
struct Look {
    since: Instant,
    done: u64,
    slowed: u64,
    /// The last growth: the limit before it, and what it got per second.
    before: Option<(usize, f64)>,
    /// Whether it still doubles.
    doubles: bool,
    pause: u32,
}

/// One request in flight, until it is dropped.
#[derive(Debug)]
pub(super) struct Flight(Arc<Level>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
        self.0.done.fetch_add(1, Relaxed);
        self.0.freed.notify_one();
    }
}

impl Level {
    /// `requests` is the most that was asked for, and where it then begins; `files` is how many files may be open.
    pub(super) fn new(requests: Option<usize>, files: Option<usize>) -> Self {
        let most = requests.unwrap_or_else(|| files.map_or(MOST, |files| files.saturating_sub(FILES).min(MOST))).max(1);
        let look = Look { since: Instant::now(), done: 0, slowed: 0, before: None, doubles: true, pause: 0 };
        Self {
            limit: AtomicUsize::new(if requests.is_some() { most } else { most.min(FIRST) }),
            most,
            fixed: requests.is_some(),
            in_flight: AtomicUsize::new(0),
            done: AtomicU64::new(0),
            waited: AtomicBool::new(false),
            freed: Notify::new(),
            look: Mutex::new(look),
        }
    }

    /// Waits until one more may be in flight. One task alone asks. `slowed` is how often the service has asked for fewer so far.
    pub(super) async fn take_off(self: &Arc<Self>, slowed: u64) -> Flight {
        self.adjust(Instant::now(), slowed);
        while self.in_flight.load(Relaxed) >= self.limit.load(Relaxed) {
            self.waited.store(true, Relaxed);
            self.freed.notified().await;
        }
        self.in_flight.fetch_add(1, Relaxed);
        Flight(Arc::clone(self))
    }

    /// The number that may be in flight now.
    #[cfg(test)]
    fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    fn adjust(&self, now: Instant, slowed: u64) {
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = self.limit.load(Relaxed);
        let done = self.done.load(Relaxed);
        // A time in which nothing was asked tells nothing.
        if (done, slowed) == (look.done, look.slowed) && self.in_flight.load(Relaxed) == 0 {
            look.since = now;
        }
        let took = now.duration_since(look.since);
        let shortest = if look.doubles { FIRST_LOOKS } else { SHORTEST };
        let enough = took >= shortest && done - look.done >= 2 * limit as u64;
        if !enough && took < LONGEST {
            return;
        }
        let rate = (done - look.done) as f64 / took.as_secs_f64();
        let next = look.judge(limit, rate, slowed, self.waited.swap(false, Relaxed), self.fixed);
        let next = next.clamp(LEAST.min(self.most), self.most);
        if next != limit {
            tracing::debug!(requests = next, before = limit, objects_per_second = rate as u64, "requests in flight");
        }
        self.limit.store(next, Relaxed);
        (look.since, look.done, look.slowed) = (now, done, slowed);
    }
}

impl Look {
    /// The limit after a look, which may be more than there can be.
    fn judge(&mut self, limit: usize, rate: f64, slowed: u64, waited: bool, fixed: bool) -> usize {
        if slowed > self.slowed {
            (self.before, self.doubles, self.pause) = (None, false, PAUSE);
            return limit / 2;
        }
        // Where nobody waited, the limit was not what held it up.
        if !waited {
            return limit;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return limit;
        }
        match self.before {
            Some((before, then)) if rate < then * GROWTH && !fixed => {
                (self.before, self.doubles, self.pause) = (None, false, PAUSE);
                before
            }
            last => {
                self.doubles &= last.is_none_or(|(_, then)| rate >= then * DOUBLED);
                self.before = Some((limit, rate));
                if self.doubles { limit * 2 } else { limit + (limit / 8).max(4) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service with this latency that does no more than so many requests a second, and asks for fewer beyond that or not.
    struct Service {
        latency: f64,
        most: f64,
        refuses: bool,
    }

    impl Service {
        /// The limits that a level goes through in so many looks of a second.
        fn play(&self, level: &Level, looks: usize) -> Vec<usize> {
            let (mut now, mut slowed) = (level.look.lock().unwrap().since, 0);
            let mut limits = Vec::new();
            for _ in 0..looks {
                let asked = level.limit() as f64 / self.latency;
                slowed += u64::from(self.refuses && asked > self.most);
                level.done.fetch_add(asked.min(self.most) as u64, Relaxed);
                level.waited.store(true, Relaxed);
                now += Duration::from_secs(3);
                level.adjust(now, slowed);
                limits.push(level.limit());
            }
            limits
        }
    }

    #[test]
    fn it_finds_what_pays() {
        // Wherever the limit of the service lies, throughput ends within a tenth of it.
        for most in [500.0, 1_500.0, 4_000.0, 10_000.0, 1e9] {
            let service = Service { latency: 0.03, most, refuses: false };
            let level = Level::new(None, None);
            let limits = service.play(&level, 200);
            let last = limits.iter().rev().take(20);
            let least = last.map(|limit| *limit as f64 / service.latency).fold(f64::MAX, f64::min);
            let best = most.min(MOST as f64 / service.latency);
            assert!(least >= 0.9 * best, "{most}: {limits:?}");
        }
    }

    #[test]
    fn it_stops_growing_where_nothing_is_won() {
        let level = Level::new(None, None);
        let limits = Service { latency: 0.03, most: 1_500.0, refuses: false }.play(&level, 200);
        assert!(limits.iter().skip(3).all(|limit| *limit <= 128), "{limits:?}");
    }

    #[test]
    fn it_does_not_double_for_little() {
        let level = Level::new(None, None);
        // The second 64 get a sixth more.
        let limits = Service { latency: 0.03, most: 2_500.0, refuses: false }.play(&level, 200);
        assert!(limits.iter().all(|limit| (128..=144).contains(limit)), "{limits:?}");
    }

    #[test]
    fn what_is_not_asked_does_not_count() {
        let level = Level::new(None, None);
        let begun = level.look.lock().unwrap().since;
        level.adjust(begun + Duration::from_secs(60), 0);
        assert_eq!(level.look.lock().unwrap().since, begun + Duration::from_secs(60));
    }

    #[test]
    fn it_is_halved_where_the_service_asks_for_fewer_and_recovers() {
        let level = Level::new(None, None);
        assert_eq!(Service { latency: 0.03, most: 100.0, refuses: true }.play(&level, 6), [32, 16, 8, 8, 8, 8]);
        let limits = Service { latency: 0.03, most: 1e9, refuses: false }.play(&level, 200);
        assert!(limits.last().is_some_and(|last| *last * 10 >= MOST * 9), "{limits:?}");
    }

    #[test]
    fn what_was_asked_for_is_the_most() {
        let service = Service { latency: 0.03, most: 1e9, refuses: false };
        for asked in [1, 5, 64, 1_000] {
            let level = Level::new(Some(asked), None);
            assert!(service.play(&level, 20).iter().all(|limit| *limit == asked));
            let refused = Service { latency: 0.03, most: 0.0, refuses: true }.play(&level, 20);
            assert_eq!(refused.last(), Some(&asked.min(LEAST)));
            assert_eq!(service.play(&level, 300).last(), Some(&asked));
        }
    }

    #[test]
    fn open_files_are_left_to_others() {
        assert_eq!(
            Service { latency: 0.03, most: 1e9, refuses: false }.play(&Level::new(None, Some(256)), 50).last(),
            Some(&128)
        );
    }

    #[test]
    fn a_flight_that_ends_lets_another_begin() {
        crate::pipeline::list::current_thread().unwrap().block_on(async {
            let level = Arc::new(Level::new(Some(2), None));
            let (first, _second) = (level.take_off(0).await, level.take_off(0).await);
            let third = tokio::spawn({
                let level = Arc::clone(&level);
                async move { level.take_off(0).await }
            });
            tokio::task::yield_now().await;
            assert!(!third.is_finished());
            drop(first);
            let _third = third.await.unwrap();
            assert_eq!(level.in_flight.load(Relaxed), 2);
        });
    }
}
