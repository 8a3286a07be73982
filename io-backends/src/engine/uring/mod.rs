//! The engine on io_uring, which carries out many reads or writes in one system call, in order.
//!
//! A turn makes two system calls, however many frames and queues there are:
//! one for the reads of all ready queues, one for all writes. Each returns when
//! all its operations are done, so the kernel uses no buffer between two calls.
//! (Reads left pending complete in any order; see `docs/performance.md`.)
//!
//! A queue gets one read more than it had frames the last time, or twice as
//! many when it filled them all. A read that finds nothing costs a tenth of a
//! system call and shows that the queue is empty; the engine then asks the
//! ring to report once when the queue is readable. Such a watch is submitted
//! with the next call and reported by any, so it needs no call of its own, and
//! an empty queue costs nothing.
//!
//! A frame that arrives while a batch is carried out can be read by an
//! operation behind one that found nothing. Its buffer is swapped in front of
//! the empty one, so order is kept.
//!
//! A queue that moves bytes in its own way is watched in the same way, and
//! asked for frames and given them after the batch of its turn.
//!
//! Needs Linux 6.1 (deferred task running) and TAPs that can be told not to
//! wait (6.4); [`UringEngine::new`] says what is missing. After the ports are
//! added a turn allocates nothing and takes no lock.
#![expect(unsafe_code, reason = "the kernel reads and writes frames' buffers")]

mod ring;
mod trial;

use std::io::IoSliceMut;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, ReadWriteFlags, Result as SystemResult, preadv2};
use switch_core::frame::Frame;
use switch_core::port::{BURST, Burst, Engine, Port, PortId, Tx, TxError};

use crate::engine::QueueEngine;
use crate::engine::queues::{MIN_SHARE, QueueId, Queues, name};
use crate::engine::waker::Waker;
use crate::error::{Error, describe};
use crate::queue::Queue;
use crate::queue::tap::ReadFault;

use ring::{Event, Ring};
pub use trial::{Trial, trial};

/// How many reads a queue gets first.
const FIRST_READS: usize = 2;

/// The waker's watch; no queue has this tag, port numbers end below it.
const WAKER: u64 = (1 << 48) - 1;

/// An engine on io_uring, for the thread that made it.
pub struct UringEngine {
    ring: Ring,
    state: State,
    /// The results of a turn's reads, by slot.
    results: Box<[SystemResult<usize>; BURST]>,
    /// Which queues were read from, in the order of the slots.
    turns: Vec<Turn>,
    /// Queues that receive in their own way, and how many frames each may.
    others: Vec<Turn>,
}

/// What the engine knows beside the ring.
struct State {
    queues: Queues<Place>,
    waker: Waker,
    /// The waker is watched; when it is not, it was used.
    waker_watched: bool,
    woken: bool,
}

/// A queue's place in the ring.
struct Place {
    file: u32,
    watched: bool,
    /// Reads it gets at its next turn.
    reads: usize,
}

/// A queue's turn: how many reads, or frames, it gets.
#[derive(Clone, Copy)]
struct Turn {
    id: QueueId,
    reads: usize,
}

impl State {
    fn ready(&mut self, tag: u64, broken: bool) {
        if tag == WAKER {
            self.waker.clear();
            self.waker_watched = false;
            self.woken = true;
            return;
        }
        let id = QueueId::unpack(tag);
        if let Some(queue) = self.queues.find(id) {
            queue.own.watched = false;
            self.queues.line_up(id, broken);
        }
    }

    /// Takes what is no read or write.
    fn note(&mut self, event: &Event) {
        if let Event::Ready(tag, broken) = *event {
            self.ready(tag, broken);
        }
    }
}

/// Whether this process can have such an engine.
///
/// # Errors
/// What is missing.
pub fn probe() -> Result<(), Error> {
    let ring = ring::build().map_err(|error| missing(&error))?;
    drop(ring);
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // Without a TAP there is nothing to be said; opening one will tell why.
    let Ok(tap) = open("/dev/net/tun", flags, Mode::empty()) else { return Ok(()) };
    takes_nowait(&tap)
}

/// A descriptor without netdev refuses every read, but this flag first.
fn takes_nowait(tap: &OwnedFd) -> Result<(), Error> {
    let mut byte = [0];
    match preadv2(tap, &mut [IoSliceMut::new(&mut byte)], u64::MAX, ReadWriteFlags::NOWAIT) {
        Err(Errno::OPNOTSUPP) => {
            Err(Error::failed("io_uring", "TAPs of this kernel can't be used with it")
                .hint("it needs Linux 6.4; `engine = \"epoll\"` works everywhere"))
        }
        _ => Ok(()),
    }
}

fn missing(error: &std::io::Error) -> Error {
    let why = match Errno::from_io_error(error) {
        Some(Errno::INVAL) => "this kernel's lacks deferred task running (Linux 6.1)".into(),
        Some(Errno::NOSYS) => "this kernel has none".into(),
        Some(Errno::PERM | Errno::ACCESS) => {
            "forbidden by kernel.io_uring_disabled or a system call filter".into()
        }
        _ => describe(error),
    };
    Error::failed("io_uring", why).hint("`engine = \"epoll\"` works everywhere")
}

impl UringEngine {
    /// An engine without ports, for the calling thread.
    ///
    /// # Errors
    /// When the kernel has no io_uring that will do, or forbids it.
    pub fn new() -> Result<UringEngine, Error> {
        probe()?;
        let ring = Ring::new().map_err(|error| missing(&error))?;
        let waker = Waker::new().map_err(|errno| missing(&errno.into()))?;
        let queues = Queues::new();
        Ok(UringEngine {
            ring,
            state: State { queues, waker, waker_watched: false, woken: false },
            results: Box::new([Ok(0); BURST]),
            turns: Vec::with_capacity(BURST),
            others: Vec::with_capacity(BURST),
        })
    }

    fn insert(&mut self, id: PortId, queue: Queue) -> Result<QueueId, Error> {
        if let Some(old) = self.state.queues.displaced(id) {
            self.remove(old);
        }
        let file = self.ring.register(&queue).map_err(|errno| {
            Error::failed(name(id, &queue), format!("io_uring: {}", describe(&errno.into())))
        })?;
        let place = Place { file, watched: false, reads: FIRST_READS };
        self.state.queues.insert(id, queue, place).inspect_err(|_| self.ring.unregister(file))
    }

    /// Watches the waker again after it was used.
    fn watch_waker(&mut self) {
        if !std::mem::replace(&mut self.state.waker_watched, true) {
            self.ring.watch_descriptor(self.state.waker.as_fd(), WAKER);
        }
    }

    /// Receives from the queues in line; `turn` says how many frames one may give, or that it
    /// has to wait.
    fn serve(
        &mut self,
        burst: &mut Burst,
        turn: impl Fn(&mut Queues<Place>, QueueId, usize) -> Option<usize>,
    ) {
        self.read(burst.room(), turn);
        self.take(burst);
        self.take_others(burst);
    }

    /// Reads from the queues in line, an equal share of `room` each. Queues
    /// that receive in their own way only get their share of the room.
    fn read(
        &mut self,
        room: &mut [Frame],
        turn: impl Fn(&mut Queues<Place>, QueueId, usize) -> Option<usize>,
    ) {
        let UringEngine { ring, state, results, turns, others } = self;
        turns.clear();
        let ready = state.queues.waiting();
        let share = (BURST / ready.max(1)).max(MIN_SHARE);
        let mut batch = ring.batch();
        let mut left = room.len();
        let mut begun = 0;
        for _ in 0..ready {
            if left == 0 {
                break;
            }
            let Some(id) = state.queues.next() else { break };
            let Some(share) = turn(&mut state.queues, id, share) else { continue };
            let Some(served) = state.queues.find(id) else { continue };
            let Some(queue) = served.queue.descriptor_mut() else {
                others.push(Turn { id, reads: share.min(left) });
                left -= share.min(left);
                continue;
            };
            let reads = served.own.reads.min(share).min(left);
            turns.push(Turn { id, reads });
            queue.begin_reading();
            for (slot, frame) in room.iter_mut().enumerate().skip(begun).take(reads) {
                let buffer = frame.receive_buffer(queue.vnet_header_len());
                // SAFETY: `room` is borrowed until this function ends, and no
                // frame of it is touched before the batch is finished.
                unsafe { batch.read(served.own.file, buffer, slot) };
            }
            begun += reads;
            left -= reads;
        }
        batch.finish(|event| match event {
            Event::Moved(slot, result) => results[slot] = result,
            event => state.note(&event),
        });
    }

    /// Makes frames of what was read, and decides which queues stay in line.
    fn take(&mut self, burst: &mut Burst) {
        let (mut begin, mut end) = (0, 0);
        for number in 0..self.turns.len() {
            let Turn { id, reads } = self.turns[number];
            let results = begin..begin + reads;
            begin += reads;
            let Some(served) = self.state.queues.find(id) else { continue };
            let Some(queue) = served.queue.descriptor_mut() else { continue };
            let (mut filled, mut last) = (0, None);
            for slot in results {
                match self.results[slot] {
                    Ok(len) => {
                        // What goes behind instead is an empty buffer, or the frame itself.
                        burst.room().swap(slot - end, filled);
                        queue.finish_receive(&mut burst.room()[filled], len);
                        filled += 1;
                        last = None;
                    }
                    Err(errno) => last = Some(queue.receive_fault(errno)),
                }
            }
            burst.filled(id.port, filled);
            end += filled;
            queue.end_reading(filled);
            let is_empty = last == Some(ReadFault::Empty) && !queue.reads_on();
            // A watch would report an error with nothing behind it for ever.
            if last == Some(ReadFault::Gone) || (filled == 0 && served.broken) {
                self.state.queues.fail(id.port);
            } else {
                self.go_on(id, filled, is_empty);
            }
        }
    }

    /// Receives from the queues that do so in their own way.
    fn take_others(&mut self, burst: &mut Burst) {
        while let Some(Turn { id, reads: share }) = self.others.pop() {
            let Some(served) = self.state.queues.find(id) else { continue };
            match served.queue.receive(&mut burst.room()[..share]) {
                Ok(0) if served.broken => drop(self.state.queues.fail(id.port)),
                Err(_) => drop(self.state.queues.fail(id.port)),
                Ok(filled) => {
                    burst.filled(id.port, filled);
                    self.go_on(id, filled, filled < share);
                }
            }
        }
    }

    /// A queue that was found empty is watched, any other stays in line.
    fn go_on(&mut self, id: QueueId, filled: usize, empty: bool) {
        if !self.state.queues.serves(id.port) {
            return;
        }
        let Some(served) = self.state.queues.find(id) else { return };
        if empty {
            served.own.reads = (filled + 1).min(BURST);
            served.own.watched = true;
            self.ring.watch(served.own.file, id.pack());
        } else {
            served.own.reads = served.own.reads.max((2 * filled).min(BURST));
            self.state.queues.line_up(id, false);
        }
    }
}

impl State {
    /// Notes the result of a write.
    fn sent(&mut self, tx: &mut Tx, result: SystemResult<usize>) {
        if let Err(errno) = result {
            let served = self.queues.way_out(tx.port);
            let queue = served.and_then(|served| served.queue.descriptor_mut());
            tx.result = Err(queue.map_or(TxError::Down, |queue| queue.transmit_fault(errno)));
        }
    }

    /// Sends the frames of queues that do so in their own way.
    #[cold]
    fn send_others(&mut self, frames: &mut [Frame], queue: &mut [Tx]) {
        for tx in queue {
            let served = self.queues.way_out(tx.port);
            if served.is_some_and(|served| served.queue.descriptor().is_none()) {
                tx.result = self.queues.transmit(tx.port, &mut frames[usize::from(tx.slot)]);
            }
        }
        self.queues.flush();
    }
}

impl Engine for UringEngine {
    fn receive(&mut self, burst: &mut Burst) {
        self.watch_waker();
        if self.state.queues.waiting() == 0 && self.ring.has_news() {
            self.ring.look(|event| self.state.note(&event));
        }
        if self.state.queues.waiting() > 0 {
            self.state.queues.begin_round();
            self.serve(burst, Queues::turn);
        }
    }

    fn receive_light(&mut self, burst: &mut Burst, held: &[PortId]) {
        if self.ring.has_news() {
            self.ring.look(|event| self.state.note(&event));
        }
        if self.state.queues.waiting() > 0 {
            self.serve(burst, |queues, id, share| queues.light_turn(id, share, held));
        }
    }

    fn charge(&mut self, port: PortId, frames: usize, work: u32) {
        self.state.queues.charge(port, frames, work);
    }

    fn transmit(&mut self, frames: &mut [Frame], queue: &mut [Tx]) {
        let UringEngine { ring, state, .. } = self;
        let mut batch = ring.batch();
        let mut others = false;
        for number in 0..queue.len() {
            if batch.is_full() {
                batch.finish(|event| match event {
                    Event::Moved(number, result) => state.sent(&mut queue[number], result),
                    event => state.note(&event),
                });
            }
            let tx = &mut queue[number];
            let Some(way_out) = state.queues.way_out(tx.port) else {
                tx.result = Err(TxError::Down);
                continue;
            };
            let Some(descriptor) = way_out.queue.descriptor() else {
                others = true;
                continue;
            };
            tx.result = descriptor.begin_transmit(&mut frames[usize::from(tx.slot)]).map(|bytes| {
                // SAFETY: `frames` is borrowed until this function ends, and until the batch is
                // done only this loop changes them; a frame that goes to several ports gets the
                // same header each time.
                unsafe { batch.write(way_out.own.file, bytes, number) };
            });
        }
        batch.finish(|event| match event {
            Event::Moved(number, result) => state.sent(&mut queue[number], result),
            event => state.note(&event),
        });
        if others {
            state.send_others(frames, queue);
        }
    }
}

impl QueueEngine for UringEngine {
    fn add(&mut self, id: PortId, queue: Queue) -> Result<(), Error> {
        let id = self.insert(id, queue)?;
        self.go_on(id, FIRST_READS - 1, true);
        Ok(())
    }

    fn add_sender(&mut self, id: PortId, queue: Queue) -> Result<(), Error> {
        self.insert(id, queue).map(drop)
    }

    fn remove(&mut self, id: PortId) -> Vec<Queue> {
        let watched = |state: &State| -> Vec<QueueId> {
            state.queues.of(id).filter(|(_, served)| served.own.watched).map(|(id, _)| id).collect()
        };
        watched(&self.state).into_iter().for_each(|id| self.ring.unwatch(id.pack()));
        // The kernel would go on holding a file that it watches.
        while !watched(&self.state).is_empty() {
            self.ring.sleep(None, |event| self.state.note(&event));
        }
        let queues = self.state.queues.take(id).map(|member| member.queues).unwrap_or_default();
        queues.iter().for_each(|served| self.ring.unregister(served.own.file));
        queues.into_iter().map(|served| served.queue).collect()
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        if !self.state.queues.is_busy() && !self.state.woken {
            self.watch_waker();
            self.ring.sleep(timeout, |event| self.state.note(&event));
        }
    }

    fn take_woken(&mut self) -> bool {
        std::mem::take(&mut self.state.woken)
    }

    fn take_gone(&mut self) -> Option<PortId> {
        self.state.queues.take_gone()
    }

    fn waker(&self) -> Waker {
        self.state.waker.clone()
    }
}

impl Drop for UringEngine {
    /// The kernel closes a ring in its own time; the ports' files are let go of here and now.
    fn drop(&mut self) {
        for id in self.state.queues.ids() {
            self.remove(id);
        }
    }
}
