//! One core's share of the switch: receive a burst, decide, transmit, to completion.
//!
//! A turn reads the newest tables once, asks the engine for a burst, and takes
//! it through a `Pass` (`pass.rs`). It allocates nothing and takes no lock.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};

use crate::counters::WorkerCounters;
use crate::crossing::{Crossing, Shared};
use crate::expiry::ExpiryClock;
use crate::pass::{Desk, Pass};
use crate::port::Engine;
use crate::tables::Tables;

/// The switch on one core.
pub struct Worker {
    tables: Cache<Arc<ArcSwap<Tables>>, Arc<Tables>>,
    shared: Arc<Shared>,
    counters: Arc<WorkerCounters>,
    crossing: Arc<Crossing>,
    desk: Desk,
    /// For bursts received in the middle of long deliveries.
    second_desk: Desk,
    expiry: ExpiryClock,
}

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        counters: Arc<WorkerCounters>,
        crossing: Arc<Crossing>,
    ) -> Worker {
        Worker {
            tables: Cache::new(Arc::clone(&shared.tables)),
            shared,
            counters,
            crossing,
            desk: Desk::new(),
            second_desk: Desk::new(),
            expiry: ExpiryClock::default(),
        }
    }

    /// Takes the newest tables without receiving anything, as every turn does
    /// first. For a worker that has slept since a change.
    pub fn cross(&mut self) {
        let version = self.tables.load().version;
        self.crossing.report(version);
    }

    /// One turn at time `now` (since any fixed moment). Returns how many frames it received.
    pub fn turn<E: Engine>(&mut self, engine: &mut E, now: Duration) -> usize {
        self.cross();
        let Worker { tables, shared, counters, desk, second_desk, expiry, .. } = self;
        desk.burst.clear();
        engine.receive(&mut desk.burst);
        let received = desk.burst.len();
        let expiry = expiry.turn(now, received == 0);
        if received > 0 {
            let (tables, fdb): (&Tables, _) = (tables.load(), &shared.fdb);
            let pass = Pass { tables, fdb, counters, seen: now.as_secs() as u32, expiry };
            pass.run(desk, Some(second_desk), engine);
        }
        shared.fdb.age(expiry);
        received
    }

    /// What this worker counts.
    pub fn counters(&self) -> &WorkerCounters {
        &self.counters
    }

    /// When, on the clock that [`Worker::turn`] is given, an otherwise idle
    /// worker is needed to take expired entries out.
    pub fn next_age(&self) -> Option<Duration> {
        self.shared.fdb.next_age().map(|second| Duration::from_secs(second.into()))
    }
}
