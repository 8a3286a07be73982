//! Fair comparison on a noisy machine: short runs in turns, medians and spread.

use std::time::Duration;

/// A run that took longer than this many times the median was interrupted by
/// somebody else's work, and is left out of its round.
const INTERRUPTED: f64 = 4.0;

/// Nanoseconds a frame of one round: the mean over its runs, each given as a
/// duration and a number of frames.
///
/// # Panics
/// When there is no run, or one of no frames.
pub fn round(runs: &[(Duration, usize)]) -> f64 {
    let mut each: Vec<f64> =
        runs.iter().map(|(time, frames)| time.as_nanos() as f64 / *frames as f64).collect();
    each.sort_by(f64::total_cmp);
    let limit = INTERRUPTED * each[each.len() / 2];
    let counted: Vec<f64> = each.into_iter().take_while(|&nanos| nanos <= limit).collect();
    counted.iter().sum::<f64>() / counted.len() as f64
}

/// For criterion's `iter_custom`: the time of `iterations` runs, each of as
/// many `frames`, as if none had been interrupted.
pub fn iterations(iterations: u64, frames: usize, mut run: impl FnMut() -> Duration) -> Duration {
    let runs: Vec<_> = (0..iterations).map(|_| (run(), frames)).collect();
    Duration::from_nanos((round(&runs) * frames as f64 * iterations as f64) as u64)
}

/// The middle of several values, and how far they lie apart.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// The one in the middle.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of these values.
    ///
    /// # Panics
    /// When there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Spread { min: values[0], median: values[values.len() / 2], max: values[values.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:7.2} ({:.2}–{:.2})", self.median, self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_run_does_not_count() {
        let run = |micros| (Duration::from_micros(micros), 100);
        assert_eq!(round(&[run(10), run(12), run(11), run(4000)]), 110.0);
    }

    #[test]
    fn spread_takes_the_middle() {
        let spread = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.0, 3.0));
    }
}
