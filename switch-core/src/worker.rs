//! One core's share of the switch: receive a burst, decide, transmit, to completion.
//!
//! A turn reads the newest tables once, asks the engine for a burst, works out
//! for all of it where the FDB will be read, then takes frame by frame through
//! [`forward`](crate::forward) and delivers it. It allocates nothing and takes
//! no lock.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};

use crate::counters::WorkerCounters;
use crate::delivery::{Delivery, Out};
use crate::drops::Drop;
use crate::forward::{self, Admitted, Homes, Target};
use crate::port::{BURST, Burst, Engine};
use crate::switch::{Crossing, Shared};
use crate::tables::Tables;

/// The switch on one core.
pub struct Worker {
    tables: Cache<Arc<ArcSwap<Tables>>, Arc<Tables>>,
    shared: Arc<Shared>,
    counters: Arc<WorkerCounters>,
    crossing: Arc<Crossing>,
    burst: Burst,
    admitted: Box<[Result<(Admitted, Homes), Drop>; BURST]>,
    out: Out,
    expiry: ExpiryClock,
}

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
struct ExpiryClock {
    last_turn: Option<Duration>,
    held: u32,
    held_until: Duration,
}

impl ExpiryClock {
    fn turn(&mut self, now: Duration, idle: bool) -> u32 {
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
            burst: Burst::new(),
            admitted: Box::new([const { Err(Drop::TooShort) }; BURST]),
            out: Out::new(),
            expiry: ExpiryClock::default(),
        }
    }

    /// Takes the newest tables without receiving anything, as every turn does
    /// first. For a worker that has slept since a change.
    pub fn cross(&mut self) {
        let version = self.tables.load().version;
        self.crossing.crossed(version);
    }

    /// One turn at time `now` (since any fixed moment). Returns how many frames it received.
    pub fn turn<E: Engine>(&mut self, engine: &mut E, now: Duration) -> usize {
        self.cross();
        self.burst.clear();
        engine.receive(&mut self.burst);
        let received = self.burst.len();
        let expiry = self.expiry.turn(now, received == 0);
        if received > 0 {
            self.forward(engine, now.as_secs() as u32, expiry);
            self.counters.work.frames.add(received as u64);
            self.counters.work.bursts.add(1);
        }
        self.shared.fdb.age(expiry);
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

    /// Sources are seen `now`; destinations are looked up at the second `expiry`.
    fn forward<E: Engine>(&mut self, engine: &mut E, now: u32, expiry: u32) {
        let Worker { tables, shared, counters, burst, admitted, out, .. } = self;
        let tables: &Tables = tables.load();
        let fdb = &shared.fdb;
        let count = burst.len();
        let mut near = 0;
        for (slot, admitted) in admitted[..count].iter_mut().enumerate() {
            let Some(port) = tables.port(burst.ingress(slot)) else { continue };
            let frame = &burst.frames()[slot];
            let counts = counters.port(port.id);
            counts.rx_frames.add(1);
            counts.rx_bytes.add(frame.len() as u64);
            *admitted = forward::admit(tables, port, frame).map(|frame| {
                let homes = Homes::of(fdb, &frame);
                near ^= fdb.touch(homes.src) ^ fdb.touch(homes.dst);
                (frame, homes)
            });
        }
        std::hint::black_box(near);

        let mut delivery = Delivery::new(tables, counters, out, engine);
        for (slot, admitted) in admitted[..count].iter().enumerate() {
            // A port that was removed has no counters any more; neither have its last frames.
            let Some(ingress) = tables.port(burst.ingress(slot)) else { continue };
            let target = admitted.and_then(|(frame, homes)| {
                forward::learn(fdb, now, ingress, &frame, homes);
                let target = forward::resolve(tables, fdb, expiry, ingress, &frame, homes)?;
                Ok((frame, target))
            });
            match target {
                Ok((frame, Target::One(port))) => delivery.one(burst, slot, &frame, port),
                Ok((frame, Target::Flood(class))) => {
                    delivery.flood(burst, slot, ingress, &frame, class);
                }
                Err(reason) => counters.port(ingress.id).drop(reason),
            }
        }
        delivery.flush(burst);
    }
}
