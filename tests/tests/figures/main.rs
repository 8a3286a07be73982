//! Figures: what a quiet machine shows and a busy one does not. `tests/run` runs
//! them last, alone, one after the other, built for release.
//!
//! A rate is compared with another of the same run. What a user is promised in
//! seconds is asserted here once; other tests wait longer for the same.

mod control;
mod moments;
mod rate;
mod reader;
mod stream;
mod usage;

use std::time::Duration;

/// The middle one of these.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
