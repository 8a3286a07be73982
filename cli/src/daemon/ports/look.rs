//! Queues that others can change, looked at from time to time.

use std::time::{Duration, Instant};

use io_backends::queue::guard::Guard;

use super::{Device, PortLife};
use crate::daemon::Daemon;

/// The time between two looks.
const LOOK: Duration = Duration::from_secs(1);

impl PortLife {
    fn guard(&self) -> Option<&Guard> {
        match &self.device {
            Device::Open(open) => open.guard.as_ref(),
            Device::Lost(_) => None,
        }
    }
}

impl Daemon {
    /// When the open ports are to be looked at.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let guarded = self.lives.values().any(|life| life.guard().is_some());
        guarded.then(|| self.looked + LOOK)
    }

    /// Takes ports out of service whose queues others changed.
    pub(in crate::daemon) fn look(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let changed =
            |(name, life): (&String, &PortLife)| Some((name.clone(), life.guard()?.check().err()?));
        let changed: Vec<_> = self.lives.iter().filter_map(changed).collect();
        for (name, why) in changed {
            // Where the watch knows better why, it says so.
            self.follow_links();
            self.lose(&name, why);
        }
    }
}
