//! Waiting for a condition, with a deadline.

use std::fmt::Debug;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long what becomes true may take on a busy machine, in seconds. How long it
/// takes on a quiet one is asserted once, where figures are.
pub const SOON: u64 = 10;

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

/// Looks until what is seen `is_so`, at most [`SOON`], and returns it.
///
/// # Panics
/// When it takes longer; the message has what was seen last.
#[track_caller]
pub fn eventually<T: Debug>(
    what: &str,
    look: impl FnMut() -> T,
    is_so: impl FnMut(&T) -> bool,
) -> T {
    eventually_in(SOON, what, look, is_so)
}

/// The same with a deadline of its own, in seconds.
///
/// # Panics
/// When it takes longer; the message has what was seen last.
#[track_caller]
pub fn eventually_in<T: Debug>(
    seconds: u64,
    what: &str,
    mut look: impl FnMut() -> T,
    mut is_so: impl FnMut(&T) -> bool,
) -> T {
    let seen = within(seconds, || {
        let seen = look();
        if is_so(&seen) { Ok(seen) } else { Err(seen) }
    });
    seen.unwrap_or_else(|seen| panic!("not within {seconds} s: {what}; seen last: {seen:#?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_returned_and_what_does_not_is_told() {
        let mut looks = 0;
        let look = || {
            looks += 1;
            looks
        };
        assert_eq!(eventually("a third look", look, |looks| *looks == 3), 3);
        let failed = std::panic::catch_unwind(|| eventually_in(0, "it", || "red", |_| false));
        let message = *failed.expect_err("too late").downcast::<String>().expect("a text");
        assert_eq!(message, "not within 0 s: it; seen last: \"red\"");
    }
}
