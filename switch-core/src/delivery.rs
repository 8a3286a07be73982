//! Takes decided frames to the engine: tags changed, copies made, what a device
//! does not take finished in software, and everything counted.
//!
//! All that goes out stands in one queue, in order. Copies are made once for
//! each form a frame leaves in, not for each port, in slots of the burst.

use crate::counters::{PortCounters, WorkerCounters};
use crate::drops::Drop;
use crate::forward::{self, Admitted, Finishing};
use crate::frame::Frame;
use crate::frame::checksum;
use crate::frame::segment::Segmenter;
use crate::port::{BURST, Engine, PortId, SLOTS, Tx, TxError};
use crate::tables::{Class, PortTable, Tables, TagEdit};

/// Slots for copies of frames that leave in more than one form.
const COPIES: std::ops::Range<usize> = BURST..2 * BURST;
/// Slots for the segments of one super-frame at a time.
const SEGMENTS: std::ops::Range<usize> = 2 * BURST..SLOTS;
/// Copies one frame can need: three further tag forms, and a finished one of each of the four.
const COPIES_A_FRAME: usize = 7;
/// Tag forms a frame can leave in at most: as it came, untagged, with either TPID.
const FORMS: usize = 4;
/// The longest the transmit queue grows before it is flushed.
const QUEUE: usize = 1024;

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
        Delivery { tables, counters, out, engine, frames }
    }

    /// A frame for one port is changed where it lies.
    #[inline]
    pub(crate) fn one(&mut self, slot: usize, frame: &Admitted, port: &PortTable) {
        let edit = forward::way_out(port, frame);
        edit_tag(&mut self.frames[slot], edit);
        if !self.offer(slot, port, true) {
            self.finish(&mut Form { edit, slot, finished: None, alone: true }, port);
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
            forms.add(forward::way_out(port, frame), slot);
        }
        if copies == 0 {
            self.counters.port(ingress.id).drop(Drop::NoTarget);
            return;
        }
        self.counters.work.flood_copies.add(copies - 1);
        self.make_forms(&mut forms);
        for port in targets() {
            if let Some(form) = forms.of(forward::way_out(port, frame))
                && !self.offer(form.slot, port, false)
            {
                self.finish(form, port);
            }
        }
    }

    /// Makes a copy for every form but the first, which stays where the frame lies.
    fn make_forms(&mut self, forms: &mut Forms) {
        let mut forms = forms.used();
        let first = forms.next();
        for form in forms {
            form.slot = self.copy(form.slot);
            edit_tag(&mut self.frames[form.slot], form.edit);
        }
        if let Some(form) = first {
            edit_tag(&mut self.frames[form.slot], form.edit);
        }
    }

    fn copy(&mut self, slot: usize) -> usize {
        let place = self.out.copy;
        self.out.copy += 1;
        let (sources, copies) = self.frames.split_at_mut(BURST.max(slot + 1));
        copies[place - BURST.max(slot + 1)].copy_from(&sources[slot]);
        place
    }

    /// Offers a frame to a port as it lies. `false` when the port would let it
    /// out, but its device does not take it so.
    #[inline]
    fn offer(&mut self, slot: usize, port: &PortTable, last: bool) -> bool {
        let frame = &self.frames[slot];
        match forward::check_egress(port, frame) {
            Ok(()) if forward::is_taken(port, frame) => {
                self.enqueue(Tx { last, ..Tx::new(port.id, slot, frame.len()) });
                true
            }
            Ok(()) => false,
            Err(reason) => {
                self.counters.port(port.id).drop(reason);
                true
            }
        }
    }

    /// Does in software what the port's device does not.
    #[inline(never)]
    fn finish(&mut self, form: &mut Form, port: &PortTable) {
        match forward::finishing(&self.frames[form.slot]) {
            Ok(Finishing::Checksum) => self.finish_checksum(form, port),
            Ok(Finishing::Cut(segmenter)) => self.segment(form.slot, port, segmenter),
            Err(reason) => self.counters.port(port.id).drop(reason),
        }
    }

    /// Finishes a frame's checksum, once for all ports that take this form of it.
    fn finish_checksum(&mut self, form: &mut Form, port: &PortTable) {
        let slot = match form.finished {
            Some(slot) => slot,
            None if form.alone => form.slot,
            None => self.copy(form.slot),
        };
        form.finished = Some(slot);
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
    fn segment(&mut self, slot: usize, port: &PortTable, mut segmenter: Segmenter) {
        self.counters.work.made_frames.add(segmenter.count() as u64 - 1);
        let mut more = true;
        while more {
            self.flush();
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
