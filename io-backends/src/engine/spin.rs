//! How long a worker polls before it sleeps.
//!
//! A worker that sleeps must be woken, and on a virtual machine waking an idle
//! CPU takes some 30 microseconds, more than everything else on a frame's way.
//! Where requests and answers alternate, the next frame comes so soon that
//! polling on is faster. Under bulk traffic the hosts on the machine need the
//! CPU more than the worker does, and frames gather while it sleeps.

use std::time::{Duration, Instant};

/// The shortest time: about what falling asleep and being woken costs the worker.
const SHORT: Duration = Duration::from_micros(20);
/// The longest: after a small stretch of frames that came this soon after the one before.
const LONG: Duration = Duration::from_micros(100);
/// A stretch of frames with more bytes than this is bulk traffic.
const BULK_BYTES: u64 = 8192;
/// So long after the last bulk traffic the longest time is allowed again.
const CALM: Duration = Duration::from_millis(2);

/// What decides how long a worker polls.
pub(crate) struct Patience {
    last_frame: Instant,
    last_bulk: Option<Instant>,
    /// All bytes received, and those when the present stretch of frames began.
    bytes: u64,
    bytes_before: u64,
    /// The last turn received frames.
    busy: bool,
    /// The present stretch, or the last, came soon after the one before.
    soon: bool,
    lasts: Duration,
}

impl Patience {
    pub(crate) fn new(now: Instant) -> Patience {
        Patience {
            last_frame: now,
            last_bulk: None,
            bytes: 0,
            bytes_before: 0,
            busy: false,
            soon: false,
            lasts: SHORT,
        }
    }

    /// A turn is over that began at `now`; `bytes` were received since the worker began.
    #[inline]
    pub(crate) fn turned(&mut self, now: Instant, bytes: u64) {
        if bytes != self.bytes {
            if !self.busy {
                self.soon = now - self.last_frame < LONG;
                self.bytes_before = self.bytes;
            }
            (self.busy, self.bytes, self.last_frame) = (true, bytes, now);
            if bytes - self.bytes_before > BULK_BYTES {
                self.last_bulk = Some(now);
            }
        } else if self.busy {
            self.busy = false;
            let calm = self.last_bulk.is_none_or(|then| now - then > CALM);
            self.lasts = if self.soon && calm { LONG } else { SHORT };
        }
    }

    /// Whether it is time to sleep.
    #[inline]
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now - self.last_frame >= self.lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICRO: Duration = Duration::from_micros(1);

    /// Stretches of so many bytes, each so long after the one before; how long
    /// it is awake after the last.
    fn awake_after(stretches: &[(u32, u64)]) -> Duration {
        let mut now = Instant::now();
        let mut patience = Patience::new(now);
        let mut all = 0;
        for &(gap, bytes) in stretches {
            now += gap * MICRO;
            all += bytes;
            patience.turned(now, all);
            now += MICRO;
            patience.turned(now, all);
        }
        let begun = now;
        while !patience.is_over(now) {
            now += MICRO;
            patience.turned(now, all);
        }
        now - begun + MICRO
    }

    #[test]
    fn longer_where_answers_come_soon() {
        assert_eq!(awake_after(&[(1000, 98)]), SHORT);
        assert_eq!(awake_after(&[(1000, 98), (50, 98)]), LONG);
        assert_eq!(awake_after(&[(1000, 98), (50, 98), (500, 98)]), SHORT);
    }

    #[test]
    fn not_under_bulk_traffic() {
        assert_eq!(awake_after(&[(1000, 98), (50, 60_000)]), SHORT);
        assert_eq!(awake_after(&[(1000, 60_000), (50, 98), (50, 98)]), SHORT);
        let calm_again: Vec<_> = [(1000, 60_000)].into_iter().chain([(90, 98); 30]).collect();
        assert_eq!(awake_after(&calm_again), LONG);
    }
}
