//! Waiting for a condition, with a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Looks until `look` finds what it looks for, or `seconds` have passed; then
/// its last complaint.
///
/// # Errors
/// The last complaint.
pub fn within<T, E>(seconds: u64, mut look: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        match look() {
            Err(_) if Instant::now() < deadline => sleep(LOOK),
            last => return last,
        }
    }
}

/// Waits until `is_so`, at most `seconds`.
///
/// # Panics
/// When it takes longer.
pub fn eventually(what: &str, seconds: u64, mut is_so: impl FnMut() -> bool) {
    let seen = within(seconds, || if is_so() { Ok(()) } else { Err(()) });
    assert!(seen.is_ok(), "not within {seconds} s: {what}");
}
