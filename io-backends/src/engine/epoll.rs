//! The engine on epoll: it tells which queues are ready, and one system call moves a frame.
//!
//! A turn serves one round of the ready queues, an equal share of the burst
//! each; a queue with frames left goes to the back of the line. Every round
//! begins by asking epoll which other queues became ready, so a queue that is
//! never empty does not starve the others. epoll is level-triggered: it reports
//! a queue again that was left with frames.
//!
//! A queue that was not empty for several turns is taken out of epoll: it stays
//! in line anyway, and the kernel spends a tenth less on each of its frames
//! when epoll does not watch it. Once it is empty it goes back.
//!
//! After the ports are added a turn allocates nothing and takes no lock.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::{Errno, Result as SystemResult};
use switch_core::frame::Frame;
use switch_core::port::{BURST, Burst, Engine, Port, PortId, Tx};

use crate::engine::QueueEngine;
use crate::engine::queues::{MIN_SHARE, QueueId, Queues, Served, name};
use crate::engine::waker::Waker;
use crate::error::Error;
use crate::queue::Queue;

/// Events taken from the kernel at once; further ones come with the next round.
const EVENTS: usize = 256;

/// After so many turns in a row that left frames in it, a queue is taken out of epoll.
const BUSY: u32 = 8;

/// The longest single sleep. epoll before Linux 5.11 counts milliseconds in an int.
const MAX_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// What epoll says for the eventfd; no queue has it, a packed id has 48 bits.
const WAKER: u64 = u64::MAX;

/// An engine on epoll, for one thread.
pub struct EpollEngine {
    epoll: OwnedFd,
    waker: Waker,
    woken: bool,
    queues: Queues<Watch>,
    /// Queues still to be served before epoll is asked again.
    round: usize,
    /// Frames a queue may deliver in this round.
    share: usize,
}

/// What the engine knows of a queue.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Watch {
    /// It is in epoll.
    watched: bool,
    /// Turns in a row that left frames in it.
    busy: u32,
}

impl Watch {
    /// Of a queue that is not in epoll.
    const NO: Watch = Watch { watched: false, busy: 0 };
}

impl EpollEngine {
    /// An engine without ports.
    ///
    /// # Errors
    /// When the process may open no more descriptors.
    pub fn new() -> Result<EpollEngine, Error> {
        let error = |errno: Errno| Error::io("epoll", &errno.into());
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(error)?;
        let waker = Waker::new().map_err(error)?;
        epoll::add(&epoll, &waker, EventData::new_u64(WAKER), EventFlags::IN).map_err(error)?;
        Ok(EpollEngine { epoll, waker, woken: false, queues: Queues::new(), round: 0, share: 0 })
    }

    fn poll(&mut self, timeout: Option<Duration>) {
        let timeout = timeout.map(|timeout| {
            let timeout = timeout.min(MAX_SLEEP);
            Timespec {
                tv_sec: timeout.as_secs() as i64,
                tv_nsec: i64::from(timeout.subsec_nanos()),
            }
        });
        let mut events = [MaybeUninit::<Event>::uninit(); EVENTS];
        let events = match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return,
            Err(errno) => unreachable!("epoll_wait on an epoll descriptor: {errno}"),
        };
        for event in events {
            let (data, flags) = (event.data.u64(), event.flags);
            if data == WAKER {
                self.waker.clear();
                self.woken = true;
            } else {
                let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
                self.queues.line_up(QueueId::unpack(data), broken);
            }
        }
    }

    /// Goes on with the round, or begins another one, for as long as there is room.
    fn go_round(&mut self, burst: &mut Burst) {
        if self.round == 0 || self.queues.waiting() == 0 {
            self.poll(Some(Duration::ZERO));
            self.round = self.queues.waiting();
            self.share = (BURST / self.round.max(1)).max(MIN_SHARE);
            self.queues.begin_round();
        }
        while self.round > 0 && !burst.room().is_empty() {
            let Some(id) = self.queues.next() else { return };
            self.round -= 1;
            if let Some(share) = self.queues.turn(id, self.share) {
                self.serve(id, share, burst);
            }
        }
    }

    /// Gives a queue its turn of at most `share` frames.
    fn serve(&mut self, id: QueueId, share: usize, burst: &mut Burst) {
        let Some(served) = self.queues.find(id) else { return };
        let room = burst.room();
        let share = share.min(room.len());
        match served.queue.receive(&mut room[..share]) {
            // epoll would report an error with nothing behind it for ever.
            Ok(0) if served.broken => self.fail(id.port),
            Err(_) => self.fail(id.port),
            Ok(filled) => {
                burst.filled(id.port, filled);
                if filled == share || served.queue.reads_on() || !self.rest(id) {
                    self.go_on(id);
                }
            }
        }
    }

    /// Puts a queue that has frames left to the end of the line.
    fn go_on(&mut self, id: QueueId) {
        self.queues.line_up(id, false);
        let Some(served) = self.queues.find(id) else { return };
        served.own.busy += 1;
        if served.own.busy == BUSY {
            unwatch(&self.epoll, served);
        }
    }

    /// Leaves an empty queue to epoll; `false` when epoll has no room for it.
    fn rest(&mut self, id: QueueId) -> bool {
        let Some(served) = self.queues.find(id) else { return true };
        served.own.busy = 0;
        served.own.watched || watch(&self.epoll, id, served).is_ok()
    }

    fn fail(&mut self, id: PortId) {
        if let Some(member) = self.queues.fail(id) {
            member.queues.iter_mut().for_each(|served| unwatch(&self.epoll, served));
        }
    }
}

fn watch(epoll: &OwnedFd, id: QueueId, served: &mut Served<Watch>) -> SystemResult<()> {
    let data = EventData::new_u64(id.pack());
    epoll::add(epoll, &served.queue, data, EventFlags::IN)?;
    served.own.watched = true;
    Ok(())
}

fn unwatch(epoll: &OwnedFd, served: &mut Served<Watch>) {
    if std::mem::replace(&mut served.own.watched, false) {
        // Nothing can be done when this fails: closing it will do.
        let _ = epoll::delete(epoll, &served.queue);
    }
}

impl QueueEngine for EpollEngine {
    fn add(&mut self, id: PortId, queue: Queue) -> Result<(), Error> {
        if let Some(old) = self.queues.displaced(id) {
            self.remove(old);
        }
        let id = self.queues.insert(id, queue, Watch::NO)?;
        let Some(served) = self.queues.find(id) else { return Ok(()) };
        if let Err(errno) = watch(&self.epoll, id, served) {
            let error = Error::io(name(id.port, &served.queue), &errno.into());
            self.queues.take_last(id.port);
            return Err(error);
        }
        Ok(())
    }

    fn add_sender(&mut self, id: PortId, queue: Queue) -> Result<(), Error> {
        if let Some(old) = self.queues.displaced(id) {
            self.remove(old);
        }
        self.queues.insert(id, queue, Watch::NO).map(drop)
    }

    fn remove(&mut self, id: PortId) -> Vec<Queue> {
        let Some(mut member) = self.queues.take(id) else { return Vec::new() };
        member.queues.iter_mut().for_each(|served| unwatch(&self.epoll, served));
        member.queues.into_iter().map(|served| served.queue).collect()
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        if !self.queues.is_busy() && !self.woken {
            self.poll(timeout);
        }
    }

    fn take_woken(&mut self) -> bool {
        std::mem::take(&mut self.woken)
    }

    fn take_gone(&mut self) -> Option<PortId> {
        self.queues.take_gone()
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }
}

impl Engine for EpollEngine {
    fn receive(&mut self, burst: &mut Burst) {
        self.go_round(burst);
        // The rest of that round may all have owed.
        if burst.is_empty() && self.queues.waiting() > 0 {
            self.go_round(burst);
        }
    }

    fn receive_light(&mut self, burst: &mut Burst, held: &[PortId]) {
        self.poll(Some(Duration::ZERO));
        let waiting = self.queues.waiting();
        let share = (BURST / waiting.max(1)).max(MIN_SHARE);
        for _ in 0..waiting {
            if burst.room().is_empty() {
                break;
            }
            let Some(id) = self.queues.next() else { break };
            if let Some(share) = self.queues.light_turn(id, share, held) {
                self.serve(id, share, burst);
            }
        }
        self.round = self.round.min(self.queues.waiting());
    }

    fn charge(&mut self, port: PortId, frames: usize, work: u32) {
        self.queues.charge(port, frames, work);
    }

    fn transmit(&mut self, frames: &mut [Frame], queue: &mut [Tx]) {
        for tx in queue {
            let frame = &mut frames[usize::from(tx.slot)];
            tx.result = match self.queues.way_out(tx.port).map(|served| &mut served.queue) {
                Some(Queue::Tap(queue)) => queue.transmit(frame),
                _ => self.queues.transmit(tx.port, frame),
            };
        }
        self.queues.flush();
    }
}
