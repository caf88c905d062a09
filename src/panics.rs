//! Panics of libraries on input that they were not made for: contained, and without a message on standard error.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What the names of the threads begin with that polars spreads its work over. A panic there comes back to the thread that waits.
const WORKERS: &str = "polars-";

/// How many threads are containing panics.
static CONTAINING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, which may call a library that panics; `None` when it did. What `work` has changed by then is to be discarded.
///
/// Other threads keep their messages: the process has one panic hook, so that it is set once and decides by thread.
pub(crate) fn contain<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !is_contained() {
                usual(panic);
            }
        }));
    });
    let before = HERE.replace(true);
    CONTAINING.fetch_add(1, Ordering::Relaxed);
    let done = panic::catch_unwind(AssertUnwindSafe(work)).ok();
    CONTAINING.fetch_sub(1, Ordering::Relaxed);
    HERE.set(before);
    done
}

fn is_contained() -> bool {
    let is_worker = || thread::current().name().is_some_and(|name| name.starts_with(WORKERS));
    HERE.get() || (CONTAINING.load(Ordering::Relaxed) > 0 && is_worker())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_panics_of_the_work_are_contained() {
        assert_eq!(contain(|| 7), Some(7));
        assert_eq!(contain(|| contain(|| -> u8 { panic!("inner") })), Some(None));
        assert!(!is_contained());
        // A thread that contains its panics takes the message of no other.
        let elsewhere = contain(|| (is_contained(), thread::spawn(is_contained).join().unwrap()));
        assert_eq!(elsewhere, Some((true, false)));
        let worker = || thread::Builder::new().name(format!("{WORKERS}3")).spawn(is_contained).unwrap().join().unwrap();
        assert_eq!(contain(worker), Some(true));
    }
}
