//! The engine of many frames a system call: io_uring as a batcher that keeps order.
//!
//! A turn is two system calls, however many frames and ports: one carries the
//! reads of all ready queues, the next all writes in the order of the queue.
//! Both come back when all of them are done, so no buffer is ever the kernel's
//! between two calls. (Reads left pending complete in any order; see
//! `docs/performance.md`.)
//!
//! How many reads a queue gets follows what it gave: one more than last time,
//! or twice as many while it gives all. A read too many costs a tenth of a
//! system call and says that the queue is empty; a watch then tells when there
//! is more. Watches are handed over with the next call and told of by any, so
//! they cost none of their own, and a queue without frames costs nothing.
//!
//! A frame that arrives while a batch is being read can follow a read that
//! found none. The empty buffer is swapped behind, and order holds.
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
use switch_core::port::{BURST, Burst, Engine, PortId, Tx, TxError};

use crate::engine::FdEngine;
use crate::engine::queues::{MIN_SHARE, QueueId, Queues, name};
use crate::engine::waker::Waker;
use crate::error::{Error, describe};
use crate::queue::tap::{ReadFault, TapQueue};

use ring::{Event, Ring};
pub use trial::{Trial, trial};

/// Reads a queue gets at first.
const FIRST_READS: usize = 2;

/// The waker's watch; no queue has this tag, port numbers end below it.
const WAKER: u64 = (1 << 48) - 1;

/// An engine over TAP and macvtap descriptors, for the thread that made it.
pub struct UringEngine {
    ring: Ring,
    held: Held,
    /// What the reads of a turn brought, by slot.
    results: Box<[SystemResult<usize>; BURST]>,
    /// Whose reads they are.
    turns: Vec<Turn>,
}

/// What the engine holds beside the ring.
struct Held {
    queues: Queues<Place>,
    waker: Waker,
    /// The waker is watched; when it is not, it has been used.
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

/// Consecutive reads from one queue.
#[derive(Clone, Copy)]
struct Turn {
    id: QueueId,
    reads: usize,
}

impl Held {
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
            held: Held { queues, waker, waker_watched: false, woken: false },
            results: Box::new([Ok(0); BURST]),
            turns: Vec::with_capacity(BURST),
        })
    }

    fn insert(&mut self, id: PortId, port: TapQueue) -> Result<QueueId, Error> {
        if let Some(old) = self.held.queues.displaced(id) {
            self.remove(old);
        }
        let file = self.ring.register(&port).map_err(|errno| {
            Error::failed(name(id, &port), format!("io_uring: {}", describe(&errno.into())))
        })?;
        let place = Place { file, watched: false, reads: FIRST_READS };
        self.held.queues.insert(id, port, place).inspect_err(|_| self.ring.unregister(file))
    }

    /// Watches the waker again after it was used.
    fn watch_waker(&mut self) {
        if !std::mem::replace(&mut self.held.waker_watched, true) {
            self.ring.watch_descriptor(self.held.waker.as_fd(), WAKER);
        }
    }

    /// Reads from the queues in line, an equal share of `room` each.
    fn read(&mut self, room: &mut [Frame]) {
        let UringEngine { ring, held, results, turns } = self;
        turns.clear();
        let ready = held.queues.waiting();
        let share = (BURST / ready.max(1)).max(MIN_SHARE);
        let mut batch = ring.batch();
        let mut begun = 0;
        for _ in 0..ready {
            if begun == room.len() {
                break;
            }
            let Some(id) = held.queues.next() else { break };
            let Some(queue) = held.queues.find(id) else { continue };
            let reads = queue.own.reads.min(share).min(room.len() - begun);
            turns.push(Turn { id, reads });
            for (slot, frame) in room.iter_mut().enumerate().skip(begun).take(reads) {
                let buffer = frame.receive_buffer(queue.port.vnet_header_len());
                // SAFETY: `room` is borrowed until this function ends, and no
                // frame of it is touched before the batch is finished.
                unsafe { batch.read(queue.own.file, buffer, slot) };
            }
            begun += reads;
        }
        batch.finish(|event| match event {
            Event::Moved(slot, result) => results[slot] = result,
            event => held.note(&event),
        });
    }

    /// Makes frames of what was read, and says whose turn is next.
    fn take(&mut self, burst: &mut Burst) {
        let (mut begin, mut end) = (0, 0);
        for number in 0..self.turns.len() {
            let Turn { id, reads } = self.turns[number];
            let results = begin..begin + reads;
            begin += reads;
            let Some(queue) = self.held.queues.find(id) else { continue };
            let (mut filled, mut last) = (0, None);
            for slot in results {
                match self.results[slot] {
                    Ok(len) => {
                        // What goes behind instead is an empty buffer, or the frame itself.
                        burst.room().swap(slot - end, filled);
                        queue.port.finish_receive(&mut burst.room()[filled], len);
                        filled += 1;
                        last = None;
                    }
                    Err(errno) => last = Some(queue.port.receive_fault(errno)),
                }
            }
            burst.filled(id.port, filled);
            end += filled;
            // A watch would report an error with nothing behind it for ever.
            if last == Some(ReadFault::Gone) || (filled == 0 && queue.broken) {
                self.held.queues.fail(id.port);
            } else {
                self.go_on(id, filled, last == Some(ReadFault::Empty));
            }
        }
    }

    /// A queue that was found empty is watched, any other stays in line.
    fn go_on(&mut self, id: QueueId, filled: usize, empty: bool) {
        if !self.held.queues.serves(id.port) {
            return;
        }
        let Some(queue) = self.held.queues.find(id) else { return };
        if empty {
            queue.own.reads = (filled + 1).min(BURST);
            queue.own.watched = true;
            self.ring.watch(queue.own.file, id.pack());
        } else {
            queue.own.reads = queue.own.reads.max((2 * filled).min(BURST));
            self.held.queues.line_up(id, false);
        }
    }
}

impl Held {
    /// Notes a write that failed.
    fn sent(&mut self, tx: &mut Tx, result: SystemResult<usize>) {
        if let Err(errno) = result {
            let queue = self.queues.way_out(tx.port);
            tx.result = Err(queue.map_or(TxError::Down, |queue| queue.port.transmit_fault(errno)));
        }
    }
}

impl Engine for UringEngine {
    fn receive(&mut self, burst: &mut Burst) {
        self.watch_waker();
        if self.held.queues.waiting() == 0 && self.ring.has_news() {
            self.ring.look(|event| self.held.note(&event));
        }
        if self.held.queues.waiting() > 0 {
            self.read(burst.room());
            self.take(burst);
        }
    }

    fn transmit(&mut self, frames: &mut [Frame], queue: &mut [Tx]) {
        let UringEngine { ring, held, .. } = self;
        let mut batch = ring.batch();
        for number in 0..queue.len() {
            if batch.is_full() {
                batch.finish(|event| match event {
                    Event::Moved(number, result) => held.sent(&mut queue[number], result),
                    event => held.note(&event),
                });
            }
            let tx = &mut queue[number];
            let Some(way_out) = held.queues.way_out(tx.port) else {
                tx.result = Err(TxError::Down);
                continue;
            };
            tx.result =
                way_out.port.begin_transmit(&mut frames[usize::from(tx.slot)]).map(|bytes| {
                    // SAFETY: `frames` is borrowed until this function ends, by when the batch is
                    // done; a frame that goes to several ports gets the same header each time.
                    unsafe { batch.write(way_out.own.file, bytes, number) };
                });
        }
        batch.finish(|event| match event {
            Event::Moved(number, result) => held.sent(&mut queue[number], result),
            event => held.note(&event),
        });
    }
}

impl FdEngine for UringEngine {
    fn add(&mut self, id: PortId, port: TapQueue) -> Result<(), Error> {
        let id = self.insert(id, port)?;
        self.go_on(id, FIRST_READS - 1, true);
        Ok(())
    }

    fn add_sender(&mut self, id: PortId, port: TapQueue) -> Result<(), Error> {
        self.insert(id, port).map(drop)
    }

    fn remove(&mut self, id: PortId) -> Vec<TapQueue> {
        let watched = |held: &Held| -> Vec<QueueId> {
            held.queues.of(id).filter(|(_, queue)| queue.own.watched).map(|(id, _)| id).collect()
        };
        watched(&self.held).into_iter().for_each(|id| self.ring.unwatch(id.pack()));
        // The kernel would go on holding a file that it watches.
        while !watched(&self.held).is_empty() {
            self.ring.sleep(None, |event| self.held.note(&event));
        }
        let queues = self.held.queues.take(id).map(|member| member.queues).unwrap_or_default();
        queues.iter().for_each(|queue| self.ring.unregister(queue.own.file));
        queues.into_iter().map(|queue| queue.port).collect()
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        if !self.held.queues.is_busy() && !self.held.woken {
            self.watch_waker();
            self.ring.sleep(timeout, |event| self.held.note(&event));
        }
    }

    fn take_woken(&mut self) -> bool {
        std::mem::take(&mut self.held.woken)
    }

    fn take_gone(&mut self) -> Option<PortId> {
        self.held.queues.take_gone()
    }

    fn waker(&self) -> Waker {
        self.held.waker.clone()
    }
}

impl Drop for UringEngine {
    /// The kernel closes a ring in its own time; the ports' files are let go of here and now.
    fn drop(&mut self) {
        for id in self.held.queues.ids() {
            self.remove(id);
        }
    }
}
