//! The engine of readable descriptors: epoll says who has frames, one system call moves each.
//!
//! A turn serves one round of the ports that are ready, an equal share of the
//! burst each; who still has frames afterwards goes to the back of the line.
//! Every round begins by asking epoll who else became ready, so a port that
//! never runs dry keeps nobody waiting. epoll is level-triggered: a port that
//! was left with frames, for whatever reason, is reported again.
//!
//! While a queue does not run dry nobody has to watch it: its turn comes anyway.
//! Not watched, each of its frames costs the kernel a tenth less.
//!
//! After the ports are added a turn allocates nothing and takes no lock.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::{Errno, Result as SystemResult};
use switch_core::frame::Frame;
use switch_core::port::{BURST, Burst, Engine, Port, PortId, Tx, TxError};

use crate::engine::FdEngine;
use crate::engine::queues::{MIN_SHARE, Queue, QueueId, Queues, name};
use crate::engine::waker::Waker;
use crate::error::{Error, describe};
use crate::queue::tap::TapQueue;

/// Events taken from the kernel at once; further ones come with the next round.
const EVENTS: usize = 256;

/// Turns in a row that a queue is not emptied before it is not watched any more.
const BUSY: u32 = 8;

/// The longest single sleep. epoll before Linux 5.11 counts milliseconds in an int.
const MAX_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// What epoll says for the eventfd; no queue has it, a packed id has 48 bits.
const WAKER: u64 = u64::MAX;

/// An engine over TAP and macvtap descriptors, for one thread.
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

/// How epoll and a queue stand.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Watch {
    watched: bool,
    /// Turns in a row that did not empty it.
    busy: u32,
}

impl Watch {
    /// A queue that is not watched, or not yet.
    const NO: Watch = Watch { watched: false, busy: 0 };
}

impl EpollEngine {
    /// An engine without ports.
    ///
    /// # Errors
    /// When the process may open no more descriptors.
    pub fn new() -> Result<EpollEngine, Error> {
        let error = |errno: Errno| Error::failed("epoll", describe(&errno.into()));
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

    /// Gives a queue its turn.
    fn serve(&mut self, id: QueueId, burst: &mut Burst) {
        let Some(queue) = self.queues.find(id) else { return };
        let room = burst.room();
        let share = self.share.min(room.len());
        match queue.port.receive(&mut room[..share]) {
            // epoll would report an error with nothing behind it for ever.
            Ok(0) if queue.broken => self.fail(id.port),
            Err(_) => self.fail(id.port),
            Ok(filled) => {
                burst.filled(id.port, filled);
                if filled == share || !self.rest(id) {
                    self.go_on(id);
                }
            }
        }
    }

    /// Puts a queue that has frames left to the end of the line.
    fn go_on(&mut self, id: QueueId) {
        self.queues.line_up(id, false);
        let Some(queue) = self.queues.find(id) else { return };
        queue.own.busy += 1;
        if queue.own.busy == BUSY {
            unwatch(&self.epoll, queue);
        }
    }

    /// Leaves an empty queue to epoll; `false` when epoll has no room for it.
    fn rest(&mut self, id: QueueId) -> bool {
        let Some(queue) = self.queues.find(id) else { return true };
        queue.own.busy = 0;
        queue.own.watched || watch(&self.epoll, id, queue).is_ok()
    }

    fn fail(&mut self, id: PortId) {
        if let Some(member) = self.queues.fail(id) {
            member.queues.iter_mut().for_each(|queue| unwatch(&self.epoll, queue));
        }
    }
}

fn watch(epoll: &OwnedFd, id: QueueId, queue: &mut Queue<Watch>) -> SystemResult<()> {
    let data = EventData::new_u64(id.pack());
    epoll::add(epoll, &queue.port, data, EventFlags::IN)?;
    queue.own.watched = true;
    Ok(())
}

fn unwatch(epoll: &OwnedFd, queue: &mut Queue<Watch>) {
    if std::mem::replace(&mut queue.own.watched, false) {
        // Nothing can be done when this fails: closing it will do.
        let _ = epoll::delete(epoll, &queue.port);
    }
}

impl FdEngine for EpollEngine {
    fn add(&mut self, id: PortId, port: TapQueue) -> Result<(), Error> {
        if let Some(old) = self.queues.displaced(id) {
            self.remove(old);
        }
        let id = self.queues.insert(id, port, Watch::NO)?;
        let Some(queue) = self.queues.find(id) else { return Ok(()) };
        if let Err(errno) = watch(&self.epoll, id, queue) {
            let error = Error::failed(name(id.port, &queue.port), describe(&errno.into()));
            self.queues.take_last(id.port);
            return Err(error);
        }
        Ok(())
    }

    fn add_sender(&mut self, id: PortId, port: TapQueue) -> Result<(), Error> {
        if let Some(old) = self.queues.displaced(id) {
            self.remove(old);
        }
        self.queues.insert(id, port, Watch::NO).map(drop)
    }

    fn remove(&mut self, id: PortId) -> Vec<TapQueue> {
        let Some(mut member) = self.queues.take(id) else { return Vec::new() };
        member.queues.iter_mut().for_each(|queue| unwatch(&self.epoll, queue));
        member.queues.into_iter().map(|queue| queue.port).collect()
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
        if self.round == 0 || self.queues.waiting() == 0 {
            self.poll(Some(Duration::ZERO));
            self.round = self.queues.waiting();
            self.share = (BURST / self.round.max(1)).max(MIN_SHARE);
        }
        while self.round > 0 && !burst.room().is_empty() {
            let Some(id) = self.queues.next() else { return };
            self.round -= 1;
            self.serve(id, burst);
        }
    }

    fn transmit(&mut self, frames: &mut [Frame], queue: &mut [Tx]) {
        for tx in queue {
            tx.result = match self.queues.way_out(tx.port) {
                Some(queue) => queue.port.transmit(&mut frames[usize::from(tx.slot)]),
                None => Err(TxError::Down),
            };
        }
    }
}
