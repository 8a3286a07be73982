//! Takes decided frames to the engine: tags changed, copies made, checksums
//! computed and segments cut for devices that do not, and everything counted.
//!
//! All that goes out stands in one queue, in order. Copies are made once for
//! each form a frame leaves in, not for each port, in slots of the burst.
//!
//! A [`Delivery::is_long`] delivery pauses after each [`SLICE`] frames sent, for
//! what its `between` does.

use crate::account::work_of;
use crate::counters::{PortCounters, WorkerCounters};
use crate::drops::Drop;
use crate::forward::{self, Admitted, Exit, Target};
use crate::frame::segment::Segmenter;
use crate::frame::{Frame, checksum};
use crate::mac::Class;
use crate::port::{BURST, Engine, PortId, SLOTS, Tx, TxError};
use crate::tables::{PortTable, Tables};
use crate::vlan::{TagEdit, Vid};

/// Slots for copies of frames that leave in more than one form.
const COPIES: std::ops::Range<usize> = BURST..2 * BURST;
/// Slots for the segments of one super-frame at a time.
const SEGMENTS: std::ops::Range<usize> = 2 * BURST..SLOTS;
/// Copies one frame can need: three further tag forms, and a one with its checksum computed of each of the four.
const COPIES_A_FRAME: usize = 7;
/// Tag forms a frame can leave in at most: as it came, untagged, with either TPID.
const FORMS: usize = 4;
/// The longest the transmit queue grows before it is flushed.
const QUEUE: usize = 1024;
/// Frames sent between two pauses of a long delivery. More make others wait longer.
const SLICE: usize = BURST;

const _: () = assert!(COPIES_A_FRAME <= BURST);

/// What is on its way out.
pub(crate) struct Out {
    /// The first `queued` are in use.
    queue: Box<[Tx; QUEUE]>,
    queued: usize,
    /// The next free slot of [`COPIES`].
    copy: usize,
}

impl Out {
    pub(crate) fn new() -> Out {
        let nothing = Tx::new(PortId { number: 0, generation: 0 }, 0, 0);
        Out { queue: Box::new([nothing; QUEUE]), queued: 0, copy: COPIES.start }
    }
}

/// Takes decided frames to the engine.
pub(crate) struct Delivery<'w, E> {
    tables: &'w Tables,
    counters: &'w WorkerCounters,
    out: &'w mut Out,
    engine: &'w mut E,
    frames: &'w mut [Frame],
    /// Units of work beyond a write a frame, since [`Delivery::take_extra`].
    extra: u32,
    between: Option<&'w mut dyn FnMut(&mut E)>,
}

impl<'w, E: Engine> Delivery<'w, E> {
    /// For one burst: `frames` are all its slots.
    pub(crate) fn new(
        tables: &'w Tables,
        counters: &'w WorkerCounters,
        out: &'w mut Out,
        engine: &'w mut E,
        frames: &'w mut [Frame],
    ) -> Delivery<'w, E> {
        out.copy = COPIES.start;
        Delivery { tables, counters, out, engine, frames, extra: 0, between: None }
    }

    /// Has long deliveries pause for `between`.
    pub(crate) fn pausing(self, between: &'w mut dyn FnMut(&mut E)) -> Delivery<'w, E> {
        Delivery { between: Some(between), ..self }
    }

    /// Whether sending the frame in `slot` means many writes: a super-frame to be
    /// cut, or a flood to many ports.
    #[inline]
    pub(crate) fn is_long(&self, slot: usize, vid: Vid, target: &Target<'_>) -> bool {
        let gso = self.frames[slot].offload.gso;
        match target {
            Target::One(port) => gso.is_some() && !port.takes(&self.frames[slot]),
            Target::Flood(class) => gso.is_some() || self.tables.floods_to(vid, *class) > SLICE,
        }
    }

    /// The units of work that frames sent since the last call cost beyond a write each: further
    /// copies and segments.
    #[inline]
    pub(crate) fn take_extra(&mut self) -> u32 {
        std::mem::take(&mut self.extra)
    }

    /// Charges a port for what its frames cost.
    #[cold]
    pub(crate) fn charge(&mut self, port: PortId, frames: usize, work: u32) {
        self.engine.charge(port, frames, work);
    }

    /// A frame for one port is changed where it lies.
    #[inline]
    pub(crate) fn one(&mut self, slot: usize, frame: &Admitted, port: &PortTable) {
        let edit = port.edit(frame.vid, frame.tag);
        let frame = &mut self.frames[slot];
        frame.edit_tag(edit);
        if forward::leaves_as_it_is(port, frame) {
            let len = frame.len();
            self.enqueue(Tx { last: true, ..Tx::new(port.id, slot, len) });
        } else {
            self.send(&mut Form { edit, slot, checksummed: None, alone: true }, port);
        }
    }

    /// A frame for several ports is copied once for each further form it leaves in.
    pub(crate) fn flood(
        &mut self,
        slot: usize,
        ingress: &PortTable,
        frame: &Admitted,
        class: Class,
    ) {
        if self.out.copy + COPIES_A_FRAME > COPIES.end {
            self.flush();
            self.out.copy = COPIES.start;
        }
        let tables = self.tables;
        let targets = || forward::flood_targets(tables, ingress, frame.vid, class);
        let mut forms = Forms::default();
        let mut copies: u64 = 0;
        for port in targets() {
            copies += 1;
            forms.add(port.edit(frame.vid, frame.tag), slot);
        }
        if copies == 0 {
            self.counters.port(ingress.id).drop(Drop::NoTarget);
            return;
        }
        self.counters.work.flood_copies.add(copies - 1);
        self.extra += (copies as u32 - 1) * work_of(1, self.frames[slot].len() as u64);
        self.make_forms(&mut forms);
        for port in targets() {
            if self.out.queued >= SLICE && self.between.is_some() {
                self.pause();
            }
            if let Some(form) = forms.of(port.edit(frame.vid, frame.tag)) {
                self.send(form, port);
            }
        }
    }

    /// Makes a copy for every form but the first, which stays where the frame lies.
    fn make_forms(&mut self, forms: &mut Forms) {
        let mut forms = forms.used();
        let first = forms.next();
        for form in forms {
            form.slot = self.copy(form.slot);
            self.frames[form.slot].edit_tag(form.edit);
        }
        if let Some(form) = first {
            self.frames[form.slot].edit_tag(form.edit);
        }
    }

    fn copy(&mut self, slot: usize) -> usize {
        let place = self.out.copy;
        self.out.copy += 1;
        let (sources, copies) = self.frames.split_at_mut(BURST.max(slot + 1));
        copies[place - BURST.max(slot + 1)].copy_from(&sources[slot]);
        place
    }

    /// Sends a frame by a port in this form of it.
    #[inline(never)]
    fn send(&mut self, form: &mut Form, port: &PortTable) {
        let frame = &self.frames[form.slot];
        match forward::leave(port, frame) {
            Ok(Exit::AsItIs) => {
                let len = frame.len();
                self.enqueue(Tx { last: form.alone, ..Tx::new(port.id, form.slot, len) });
            }
            Ok(Exit::Checksum) => self.send_checksummed(form, port),
            Ok(Exit::Cut(segmenter)) => self.send_segments(form.slot, port, segmenter),
            Err(reason) => self.counters.port(port.id).drop(reason),
        }
    }

    /// Sends a frame with its checksum computed, once for all ports that need this form so.
    #[cold]
    fn send_checksummed(&mut self, form: &mut Form, port: &PortTable) {
        let slot = match form.checksummed {
            Some(slot) => slot,
            None if form.alone => form.slot,
            None => self.copy(form.slot),
        };
        form.checksummed = Some(slot);
        let frame = &mut self.frames[slot];
        if checksum::finish(frame) {
            let tx = Tx::new(port.id, slot, frame.len());
            self.enqueue(tx);
        } else {
            self.counters.port(port.id).drop(Drop::BadSegments);
        }
    }

    #[inline]
    fn enqueue(&mut self, tx: Tx) {
        if self.out.queued >= QUEUE {
            self.flush();
        }
        self.out.queue[self.out.queued] = tx;
        self.out.queued += 1;
    }

    /// Cuts a super-frame for a port that takes none (rule 19), as many segments
    /// at a time as there are slots.
    #[cold]
    fn send_segments(&mut self, slot: usize, port: &PortTable, mut segmenter: Segmenter) {
        self.counters.work.made_frames.add(segmenter.count() as u64 - 1);
        self.extra += segmenter.count() as u32 - 1;
        let mut more = true;
        while more {
            self.pause();
            for place in SEGMENTS {
                let (sources, segments) = self.frames.split_at_mut(SEGMENTS.start);
                let segment = &mut segments[place - SEGMENTS.start];
                more = segmenter.next(&sources[slot], segment);
                if !more {
                    break;
                }
                let tx = Tx::new(port.id, place, segment.len());
                self.enqueue(tx);
            }
        }
        self.flush();
    }

    /// Sends what is queued, and lets happen what is to happen between.
    fn pause(&mut self) {
        self.flush();
        if let Some(between) = &mut self.between {
            between(self.engine);
        }
    }

    /// Hands the queue to the engine and counts what became of it.
    pub(crate) fn flush(&mut self) {
        let queue = &mut self.out.queue[..self.out.queued];
        if queue.is_empty() {
            return;
        }
        self.engine.transmit(self.frames, queue);
        for tx in queue {
            let counts = self.counters.port(tx.port);
            match tx.result {
                Ok(()) => counts.sent(tx.len),
                Err(error) => lost(counts, error),
            }
        }
        self.out.queued = 0;
    }
}

/// Counts a frame the engine could not send.
#[cold]
fn lost(counts: &PortCounters, error: TxError) {
    counts.drop(match error {
        TxError::Full => Drop::TxFull,
        TxError::Down => Drop::PortDown,
        TxError::Refused => Drop::TxError,
    });
}

/// One form that a frame leaves in.
struct Form {
    edit: TagEdit,
    /// Where it lies.
    slot: usize,
    /// Where it lies with its checksum computed, once a port needed that.
    checksummed: Option<usize>,
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
                    *place = Some(Form { edit, slot, checksummed: None, alone: false });
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
