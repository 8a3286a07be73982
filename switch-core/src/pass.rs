//! A burst's pass through the switch: all its frames are admitted, the FDB's
//! memory is prefetched for all of them, then one after the other is decided
//! and delivered.
//!
//! A delivery that takes many writes (a super-frame cut, a flood to many ports)
//! waits until the rest of the burst is out, and so do the frames of its port
//! behind it, which must not overtake it. While it goes on, frames that arrive
//! meanwhile by other ports pass in between, on a second [`Desk`]: no frame
//! waits for more than a slice of another port's.

use std::ops::Range;

use crate::account::{FAIR, work_of};
use crate::counters::WorkerCounters;
use crate::delivery::{Delivery, Out};
use crate::drops::Drop;
use crate::fdb::{Fdb, Key, Sought};
use crate::forward::{self, Admitted, Now, Target};
use crate::frame::Frame;
use crate::mac::Class;
use crate::port::{BURST, Burst, Engine, PortId};
use crate::tables::{PortTable, Tables};

/// All that one burst at a time needs, made once.
pub(crate) struct Desk {
    pub(crate) burst: Burst,
    arrivals: Box<Arrivals>,
    out: Out,
    /// Decided frames that are delivered last.
    late: Vec<Late>,
    /// The ports they came in by.
    held: Vec<PortId>,
}

/// A decided frame that is delivered last.
#[derive(Clone, Copy)]
struct Late {
    ingress: PortId,
    slot: usize,
    target: LateTarget,
}

#[derive(Clone, Copy)]
enum LateTarget {
    One(PortId),
    Flood(Class),
}

impl Desk {
    pub(crate) fn new() -> Desk {
        Desk {
            burst: Burst::new(),
            arrivals: Box::default(),
            out: Out::new(),
            late: Vec::with_capacity(BURST),
            held: Vec::with_capacity(BURST),
        }
    }
}

/// What is known of a burst's frames before any of them is decided.
struct Arrivals {
    admitted: [Result<Admitted, Drop>; BURST],
    /// Source and destination. Those of a frame that was not admitted are some
    /// earlier frame's: the memory they lead to is prefetched for nothing.
    keys: [[Key; 2]; BURST],
    sought: [[Sought; 2]; BURST],
    /// Of each run.
    bytes: [u64; BURST],
    /// Of each run: all its frames are plain, so that none has to be cut.
    plain: [bool; BURST],
}

impl Arrivals {
    /// Asks the ingress filter about one port's frames. Returns their bytes, and whether all
    /// of them are plain.
    ///
    /// A function of its own in the program too: its loop needs most registers.
    #[inline(never)]
    fn admit(
        &mut self,
        tables: &Tables,
        ingress: &PortTable,
        slots: Range<usize>,
        frames: &[Frame],
    ) -> (u64, bool) {
        let (frames, keys) = (&frames[slots.clone()], &mut self.keys[slots.clone()]);
        let (mut bytes, mut plain) = (0, true);
        for ((frame, admitted), keys) in frames.iter().zip(&mut self.admitted[slots]).zip(keys) {
            bytes += frame.len() as u64;
            plain &= frame.offload.is_plain();
            *admitted = forward::admit(tables, ingress, frame).map(|(frame, addresses)| {
                *keys = addresses;
                frame
            });
        }
        (bytes, plain)
    }
}

impl Default for Arrivals {
    fn default() -> Arrivals {
        Arrivals {
            admitted: [Err(Drop::TooShort); BURST],
            keys: [[Key::default(); 2]; BURST],
            sought: [[Sought::default(); 2]; BURST],
            bytes: [0; BURST],
            plain: [true; BURST],
        }
    }
}

/// What a pass goes by.
pub(crate) struct Pass<'w> {
    pub(crate) tables: &'w Tables,
    pub(crate) fdb: &'w Fdb,
    pub(crate) counters: &'w WorkerCounters,
    /// The second at which sources are seen.
    pub(crate) seen: u32,
    /// The second by which entries have expired.
    pub(crate) expiry: u32,
}

impl Pass<'_> {
    /// Forwards the burst on `desk`. What arrives in the middle of long
    /// deliveries passes on the `second` desk.
    pub(crate) fn run<E: Engine>(
        &self,
        desk: &mut Desk,
        second: Option<&mut Desk>,
        engine: &mut E,
    ) {
        let &Pass { tables, fdb, counters, seen, expiry } = self;
        let Desk { burst, arrivals, out, late, held } = desk;
        let count = burst.len();
        let (runs, frames) = burst.runs_and_frames();

        for (number, run) in runs.iter().enumerate() {
            // A port that was removed has no counters any more; neither have its last frames.
            let Some(ingress) = tables.port(run.ingress) else { continue };
            let (bytes, plain) = arrivals.admit(tables, ingress, run.slots(), frames);
            counters.port(ingress.id).received(run.slots().len(), bytes);
            counters.work.bytes.add(bytes);
            (arrivals.bytes[number], arrivals.plain[number]) = (bytes, plain);
        }
        let Arrivals { admitted, keys, sought, bytes, plain } = &mut **arrivals;
        fdb.prefetch(keys[..count].as_flattened(), sought[..count].as_flattened_mut());

        let mut stations = Now { fdb, seen, expiry };
        let mut delivery = Delivery::new(tables, counters, out, engine, frames);
        for ((run, bytes), plain) in runs.iter().zip(&*bytes).zip(&*plain) {
            let Some(ingress) = tables.port(run.ingress) else { continue };
            let mut is_late = held.contains(&ingress.id);
            for slot in run.slots() {
                let decided = admitted[slot].as_ref().map_err(|reason| *reason).and_then(|frame| {
                    let addresses = &sought[slot];
                    let target =
                        forward::decide(tables, &mut stations, ingress, frame.vid, addresses)?;
                    Ok((frame, target))
                });
                let (frame, target) = match decided {
                    Ok(decided) => decided,
                    Err(reason) => {
                        counters.port(ingress.id).drop(reason);
                        continue;
                    }
                };
                // A frame for one port that has not to be cut, the usual one, is never long work.
                let is_usual = *plain && matches!(target, Target::One(_));
                is_late = is_late || (!is_usual && delivery.is_long(slot, frame.vid, &target));
                if is_late {
                    put_off(late, ingress, slot, &target);
                    continue;
                }
                match target {
                    Target::One(port) => delivery.one(slot, frame, port),
                    Target::Flood(class) => delivery.flood(slot, ingress, frame, class),
                }
            }
            if is_late && !held.contains(&ingress.id) {
                held.push(ingress.id);
            }
            let count = run.slots().len();
            let work = work_of(count, *bytes) + delivery.take_extra();
            if work > FAIR * count as u32 {
                delivery.charge(ingress.id, count, work);
            }
        }
        delivery.flush();
        counters.work.frames.add(count as u64);
        counters.work.bursts.add(1);
        if !late.is_empty() {
            self.run_late(desk, second, engine);
        }
    }

    /// Delivers what waited until the burst was out.
    #[cold]
    fn run_late<E: Engine>(&self, desk: &mut Desk, mut second: Option<&mut Desk>, engine: &mut E) {
        let Desk { burst, arrivals, out, late, held } = desk;
        let mut between = |engine: &mut E| {
            if let Some(second) = &mut second {
                second.burst.clear();
                engine.receive_light(&mut second.burst, held);
                if !second.burst.is_empty() {
                    self.run(second, None, engine);
                }
            }
        };
        let (_, frames) = burst.runs_and_frames();
        let delivery = Delivery::new(self.tables, self.counters, out, engine, frames);
        let mut delivery = delivery.pausing(&mut between);
        for Late { ingress, slot, target } in late.drain(..) {
            let (Some(port), Ok(frame)) = (self.tables.port(ingress), &arrivals.admitted[slot])
            else {
                continue;
            };
            match target {
                LateTarget::Flood(class) => delivery.flood(slot, port, frame, class),
                LateTarget::One(id) => {
                    if let Some(target) = self.tables.port(id) {
                        delivery.one(slot, frame, target);
                    }
                }
            }
            let work = 1 + delivery.take_extra();
            delivery.charge(ingress, 1, work);
        }
        delivery.flush();
        held.clear();
    }
}

/// Puts a decided frame's delivery off.
#[cold]
fn put_off(late: &mut Vec<Late>, ingress: &PortTable, slot: usize, target: &Target<'_>) {
    let target = match target {
        Target::One(port) => LateTarget::One(port.id),
        Target::Flood(class) => LateTarget::Flood(*class),
    };
    late.push(Late { ingress: ingress.id, slot, target });
}
