//! One core's share of the switch: receive a burst, decide, transmit, to completion.
//!
//! A turn reads the newest tables once, asks the engine for a burst, works out
//! for all of it where the FDB will be read, then takes frame by frame through
//! [`forward`](crate::forward), and hands everything that goes out to the
//! engine in one queue, in order. It allocates nothing and takes no lock.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};

use crate::checksum;
use crate::counters::WorkerCounters;
use crate::drops::Drop;
use crate::forward::{self, Admitted, Handover, Homes, Target};
use crate::frame::Frame;
use crate::port::{BURST, Burst, Engine, PortId, SLOTS, Tx, TxError};
use crate::segment::Segmenter;
use crate::switch::{Crossing, Shared};
use crate::tables::{Class, PortTable, Tables, TagEdit};

/// Slots for copies of frames that leave in more than one form.
const COPIES: std::ops::Range<usize> = BURST..2 * BURST;
/// Slots for the segments of one super-frame at a time.
const SEGMENTS: std::ops::Range<usize> = 2 * BURST..SLOTS;
/// Copies one frame can need: three further tag forms, and a finished one of each of the four.
const COPIES_A_FRAME: usize = 7;
/// Tag forms a frame can leave in at most: as it came, untagged, with either TPID.
const FORMS: usize = 4;

const _: () = assert!(COPIES_A_FRAME <= BURST);

/// The switch on one core.
pub struct Worker {
    tables: Cache<Arc<ArcSwap<Tables>>, Arc<Tables>>,
    shared: Arc<Shared>,
    counters: Arc<WorkerCounters>,
    crossing: Arc<Crossing>,
    burst: Burst,
    admitted: Box<[Result<(Admitted, Homes), Drop>; BURST]>,
    out: Out,
    /// The FDB's clock, in seconds: see [`Worker::catch_up`].
    clock: Option<u32>,
}

/// What is on its way out.
struct Out {
    queue: Vec<Tx>,
    /// The next free slot of [`COPIES`].
    copy: usize,
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
            out: Out { queue: Vec::with_capacity(QUEUE), copy: COPIES.start },
            clock: None,
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
        let now = self.catch_up(now, received == 0);
        if received > 0 {
            self.forward(engine, now);
            self.counters.work.frames.add(received as u64);
            self.counters.work.bursts.add(1);
        }
        self.shared.fdb.age(now);
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

    /// After a long stop the frames that waited come first, and only then their
    /// senders' entries age (rule 3): while frames come in, the FDB's clock
    /// gains at most a second a turn on them.
    fn catch_up(&mut self, now: Duration, idle: bool) -> u32 {
        let now = now.as_secs() as u32;
        let clock = match self.clock {
            Some(clock) if !idle => now.min(clock + 1),
            _ => now,
        };
        self.clock = Some(clock);
        clock
    }

    fn forward<E: Engine>(&mut self, engine: &mut E, now: u32) {
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

        let mut delivery = Delivery { tables, counters, out, engine };
        delivery.out.copy = COPIES.start;
        for (slot, admitted) in admitted[..count].iter().enumerate() {
            // A port that was removed has no counters any more; neither have its last frames.
            let Some(ingress) = tables.port(burst.ingress(slot)) else { continue };
            let target = admitted.and_then(|(frame, homes)| {
                forward::learn(fdb, now, ingress, &frame, homes);
                let target = forward::resolve(tables, fdb, now, ingress, &frame, homes)?;
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

/// The longest the transmit queue grows before it is flushed.
const QUEUE: usize = 1024;

/// Takes decided frames to the engine.
struct Delivery<'w, E> {
    tables: &'w Tables,
    counters: &'w WorkerCounters,
    out: &'w mut Out,
    engine: &'w mut E,
}

impl<E: Engine> Delivery<'_, E> {
    /// A frame for one port is changed where it lies.
    #[inline]
    fn one(&mut self, burst: &mut Burst, slot: usize, frame: &Admitted, port: PortId) {
        let Some(port) = self.tables.port(port) else { return };
        let edit = forward::way_out(port, frame);
        edit_tag(&mut burst.frames_mut()[slot], edit);
        self.offer(burst, &mut Form { edit, slot, finished: None, alone: true }, port);
    }

    /// A frame for several ports is copied once for each further form it leaves in.
    fn flood(
        &mut self,
        burst: &mut Burst,
        slot: usize,
        ingress: &PortTable,
        frame: &Admitted,
        class: Class,
    ) {
        if self.out.copy + COPIES_A_FRAME > COPIES.end {
            self.flush(burst);
            self.out.copy = COPIES.start;
        }
        let tables = self.tables;
        let targets = || forward::flood_targets(tables, ingress, frame.vid, class);
        let mut forms = Forms::default();
        let mut copies: u64 = 0;
        for port in targets() {
            copies += 1;
            forms.add(forward::way_out(port, frame), slot);
        }
        if copies == 0 {
            self.counters.port(ingress.id).drop(Drop::NoTarget);
            return;
        }
        self.counters.work.flood_copies.add(copies - 1);
        self.make_forms(burst, &mut forms);
        for port in targets() {
            if let Some(form) = forms.of(forward::way_out(port, frame)) {
                self.offer(burst, form, port);
            }
        }
    }

    /// Makes a copy for every form but the first, which stays where the frame lies.
    fn make_forms(&mut self, burst: &mut Burst, forms: &mut Forms) {
        let mut forms = forms.used();
        let first = forms.next();
        for form in forms {
            form.slot = self.copy(burst, form.slot);
            edit_tag(&mut burst.frames_mut()[form.slot], form.edit);
        }
        if let Some(form) = first {
            edit_tag(&mut burst.frames_mut()[form.slot], form.edit);
        }
    }

    fn copy(&mut self, burst: &mut Burst, slot: usize) -> usize {
        let place = self.out.copy;
        self.out.copy += 1;
        let (sources, copies) = burst.frames_mut().split_at_mut(BURST.max(slot + 1));
        copies[place - BURST.max(slot + 1)].copy_from(&sources[slot]);
        place
    }

    /// Offers a frame in its final form to a port.
    #[inline]
    fn offer(&mut self, burst: &mut Burst, form: &mut Form, port: &PortTable) {
        let frame = &burst.frames()[form.slot];
        let offered =
            forward::check_egress(port, frame).and_then(|()| forward::hand_over(port, frame));
        match offered {
            Ok(Handover::Whole) => {
                let tx = Tx::new(port.id, form.slot, frame.len());
                self.enqueue(burst, Tx { last: form.alone, ..tx });
            }
            Ok(Handover::Finished) => self.finish(burst, form, port),
            Ok(Handover::Cut(segmenter)) => self.segment(burst, form.slot, port, segmenter),
            Err(reason) => self.counters.port(port.id).drop(reason),
        }
    }

    /// Finishes a frame's checksum, once for all ports that take this form of it.
    fn finish(&mut self, burst: &mut Burst, form: &mut Form, port: &PortTable) {
        let slot = match form.finished {
            Some(slot) => slot,
            None if form.alone => form.slot,
            None => self.copy(burst, form.slot),
        };
        form.finished = Some(slot);
        let frame = &mut burst.frames_mut()[slot];
        if checksum::finish(frame) {
            let tx = Tx::new(port.id, slot, frame.len());
            self.enqueue(burst, tx);
        } else {
            self.counters.port(port.id).drop(Drop::BadSegments);
        }
    }

    #[inline]
    fn enqueue(&mut self, burst: &mut Burst, tx: Tx) {
        if self.out.queue.len() == QUEUE {
            self.flush(burst);
        }
        self.out.queue.push(tx);
    }

    /// Cuts a super-frame for a port that takes none (rule 19), as many segments
    /// at a time as there are slots.
    #[cold]
    fn segment(
        &mut self,
        burst: &mut Burst,
        slot: usize,
        port: &PortTable,
        mut segmenter: Segmenter,
    ) {
        self.counters.work.made_frames.add(segmenter.count() as u64 - 1);
        let mut more = true;
        while more {
            self.flush(burst);
            for place in SEGMENTS {
                let (sources, segments) = burst.frames_mut().split_at_mut(SEGMENTS.start);
                let segment = &mut segments[place - SEGMENTS.start];
                more = segmenter.next(&sources[slot], segment);
                if !more {
                    break;
                }
                let tx = Tx::new(port.id, place, segment.len());
                self.out.queue.push(tx);
            }
        }
        self.flush(burst);
    }

    /// Hands the queue to the engine and counts what became of it.
    fn flush(&mut self, burst: &mut Burst) {
        if self.out.queue.is_empty() {
            return;
        }
        self.engine.transmit(burst.frames_mut(), &mut self.out.queue);
        for tx in &self.out.queue {
            let counts = self.counters.port(tx.port);
            match tx.result {
                Ok(()) => {
                    counts.tx_frames.add(1);
                    counts.tx_bytes.add(u64::from(tx.len));
                }
                Err(TxError::Full) => counts.drop(Drop::TxFull),
                Err(TxError::Down) => counts.drop(Drop::PortDown),
                Err(TxError::Refused) => counts.drop(Drop::TxError),
            }
        }
        self.out.queue.clear();
    }
}

/// One form that a frame leaves in.
struct Form {
    edit: TagEdit,
    /// Where it lies.
    slot: usize,
    /// Where it lies with its checksum finished, once a port needed that.
    finished: Option<usize>,
    /// No other port gets the frame.
    alone: bool,
}

/// The forms one frame leaves in.
#[derive(Default)]
struct Forms([Option<Form>; FORMS]);

impl Forms {
    /// Adds a form of the frame in `slot`, unless it is there already.
    fn add(&mut self, edit: TagEdit, slot: usize) {
        for place in &mut self.0 {
            match place {
                Some(form) if form.edit == edit => return,
                Some(_) => {}
                None => {
                    *place = Some(Form { edit, slot, finished: None, alone: false });
                    return;
                }
            }
        }
    }

    fn used(&mut self) -> impl Iterator<Item = &mut Form> {
        self.0.iter_mut().flatten()
    }

    fn of(&mut self, edit: TagEdit) -> Option<&mut Form> {
        self.used().find(|form| form.edit == edit)
    }
}

#[inline]
pub(crate) fn edit_tag(frame: &mut Frame, edit: TagEdit) {
    match edit {
        TagEdit::Keep => {}
        TagEdit::Pop => frame.pop_tag(),
        TagEdit::Push(tag) => frame.push_tag(tag.tpid.get(), tag.tci.0),
        TagEdit::Rewrite(tag) => frame.write_tag(tag.tpid.get(), tag.tci.0),
    }
}
