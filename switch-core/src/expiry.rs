//! The second by which a worker's look-ups and its sweep take entries for expired.

use std::time::Duration;

/// A longer time between two turns is a pause.
const PAUSE: Duration = Duration::from_secs(1);
/// The most time for the frames that waited in a pause to be received before entries expire.
const GRACE: Duration = Duration::from_secs(1);

/// The second by which entries expire.
///
/// After a pause (the process was stopped, or slept because nothing came) the
/// frames that waited say who is still there, so they are received before
/// ageing runs (rule 3): until a turn finds none, expiry stands where it stood
/// before the pause.
#[derive(Default)]
pub(crate) struct ExpiryClock {
    last_turn: Option<Duration>,
    held: u32,
    held_until: Duration,
}

impl ExpiryClock {
    /// The second, at a turn that begins `now` and, when `idle`, found no frame.
    pub(crate) fn turn(&mut self, now: Duration, idle: bool) -> u32 {
        let last = self.last_turn.replace(now).unwrap_or(now);
        if now.saturating_sub(last) > PAUSE {
            self.held = last.as_secs() as u32;
            self.held_until = now + GRACE;
        }
        if idle {
            self.held_until = now;
        }
        if now < self.held_until { self.held } else { now.as_secs() as u32 }
    }
}
