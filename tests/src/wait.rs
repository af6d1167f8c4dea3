//! Waiting: on a condition, with a deadline.

use std::time::{Duration, Instant};

/// How long a condition may take to come about.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// How long to rest between two looks.
const REST: Duration = Duration::from_millis(20);

/// Looks until something is there, and gives it. Panics with what was waited for after [`PATIENCE`].
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_every(REST, what, look)
}

/// As [`until`], looking so often: for moments that are to be met.
#[track_caller]
pub fn until_every<T>(rest: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {} s until {what}", PATIENCE.as_secs());
        std::thread::sleep(rest);
    }
}

/// Waits until something is so.
#[track_caller]
pub fn until_so(what: &str, mut so: impl FnMut() -> bool) {
    until(what, || so().then_some(()));
}
