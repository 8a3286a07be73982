//! One core's share of the switch: receive a burst, decide, transmit, to completion.
//!
//! A turn reads the newest tables once, asks the engine for a burst, and takes
//! it through [`forward`] in three passes: all frames are admitted, the FDB's
//! memory is brought near for all of them, then one after the other is learned
//! from, resolved and delivered. It allocates nothing and takes no lock.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};

use crate::counters::WorkerCounters;
use crate::crossing::{Crossing, Shared};
use crate::delivery::{Delivery, Out};
use crate::drops::Drop;
use crate::fdb::{Key, Sought};
use crate::forward::{self, Admitted, Now, Target};
use crate::frame::Frame;
use crate::port::{BURST, Burst, Engine};
use crate::tables::{PortTable, Tables};

/// The switch on one core.
pub struct Worker {
    tables: Cache<Arc<ArcSwap<Tables>>, Arc<Tables>>,
    shared: Arc<Shared>,
    counters: Arc<WorkerCounters>,
    crossing: Arc<Crossing>,
    burst: Burst,
    arrivals: Box<Arrivals>,
    out: Out,
    expiry: ExpiryClock,
}

/// What is known of a burst's frames before any of them is decided.
struct Arrivals {
    admitted: [Result<Admitted, Drop>; BURST],
    /// Source and destination. Those of a frame that was not admitted are some
    /// earlier frame's: the memory they lead to is brought near for nothing.
    keys: [[Key; 2]; BURST],
    sought: [[Sought; 2]; BURST],
}

impl Arrivals {
    /// Asks the ingress filter about one port's frames. Returns their bytes.
    ///
    /// A function of its own in the program too: its loop needs most registers.
    #[inline(never)]
    fn admit(
        &mut self,
        tables: &Tables,
        ingress: &PortTable,
        slots: Range<usize>,
        frames: &[Frame],
    ) -> u64 {
        let (frames, keys) = (&frames[slots.clone()], &mut self.keys[slots.clone()]);
        let mut bytes = 0;
        for ((frame, admitted), keys) in frames.iter().zip(&mut self.admitted[slots]).zip(keys) {
            bytes += frame.len() as u64;
            *admitted = forward::admit(tables, ingress, frame).map(|(frame, addresses)| {
                *keys = addresses;
                frame
            });
        }
        bytes
    }
}

impl Default for Arrivals {
    fn default() -> Arrivals {
        Arrivals {
            admitted: [Err(Drop::TooShort); BURST],
            keys: [[Key::default(); 2]; BURST],
            sought: [[Sought::default(); 2]; BURST],
        }
    }
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
            arrivals: Box::default(),
            out: Out::new(),
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
        let Worker { tables, shared, counters, burst, arrivals, out, .. } = self;
        let tables: &Tables = tables.load();
        let fdb = &shared.fdb;
        let count = burst.len();
        let (runs, frames) = burst.runs_and_frames();

        for run in runs {
            // A port that was removed has no counters any more; neither have its last frames.
            let Some(ingress) = tables.port(run.ingress) else { continue };
            let bytes = arrivals.admit(tables, ingress, run.slots(), frames);
            counters.port(ingress.id).received(run.slots().len(), bytes);
            counters.work.bytes.add(bytes);
        }
        let Arrivals { admitted, keys, sought } = &mut **arrivals;
        fdb.approach(keys[..count].as_flattened(), sought[..count].as_flattened_mut());

        let mut stations = Now { fdb, seen: now, expiry };
        let mut delivery = Delivery::new(tables, counters, out, engine, frames);
        for run in runs {
            let Some(ingress) = tables.port(run.ingress) else { continue };
            for slot in run.slots() {
                let decided = admitted[slot].as_ref().map_err(|reason| *reason).and_then(|frame| {
                    let addresses = &sought[slot];
                    let target =
                        forward::decide(tables, &mut stations, ingress, frame.vid, addresses)?;
                    Ok((frame, target))
                });
                match decided {
                    Ok((frame, Target::One(port))) => delivery.one(slot, frame, port),
                    Ok((frame, Target::Flood(class))) => {
                        delivery.flood(slot, ingress, frame, class);
                    }
                    Err(reason) => counters.port(ingress.id).drop(reason),
                }
            }
        }
        delivery.flush();
    }
}
