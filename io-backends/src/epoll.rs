//! The engine of readable descriptors: epoll says who has frames, one system call moves each.
//!
//! A turn serves one round of the ports that are ready, an equal share of the
//! burst each; who still has frames afterwards goes to the back of the line.
//! Every round begins by asking epoll who else became ready, so a port that
//! never runs dry keeps nobody waiting. epoll is level-triggered: a port that
//! was left with frames, for whatever reason, is reported again.
//!
//! After the ports are added a turn allocates nothing and takes no lock.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::{Errno, read, write};
use switch_core::frame::Frame;
use switch_core::port::{BURST, Burst, Engine, MAX_PORTS, Port, PortId, Tx, TxError};

use crate::error::{Error, describe};
use crate::fd_port::FdPort;

/// Events taken from the kernel at once; further ones come with the next round.
const EVENTS: usize = 256;

/// The least a port's share shrinks to when many are ready, frames: less would
/// spend more on turns than on frames.
const MIN_SHARE: usize = 8;

/// The longest single sleep. epoll before Linux 5.11 counts milliseconds in an int.
const MAX_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// What epoll says for the eventfd; no port has it, numbers end below [`MAX_PORTS`].
const WAKER: u64 = u64::MAX;

const _: () = assert!(MIN_SHARE <= BURST && MAX_PORTS < u16::MAX as usize);

/// An [`Engine`] over TAP and macvtap descriptors, for one thread.
pub struct EpollEngine {
    epoll: OwnedFd,
    waker: Waker,
    woken: bool,
    /// By port number.
    ports: Vec<Option<Member>>,
    /// Who has frames, in the order of their turns; each queue at most once.
    ready: VecDeque<QueueId>,
    /// Queues still to be served before epoll is asked again.
    round: usize,
    /// Frames a queue may deliver in this round.
    share: usize,
    gone: VecDeque<PortId>,
}

struct Member {
    id: PortId,
    queues: Vec<Queue>,
    /// Its device is gone, and epoll does not watch it any more.
    gone: bool,
}

struct Queue {
    port: FdPort,
    /// It stands in the line of ready queues.
    ready: bool,
    /// epoll reported an error: the device is on its way out.
    broken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct QueueId {
    port: PortId,
    queue: u16,
}

impl QueueId {
    fn pack(self) -> u64 {
        u64::from(self.port.number)
            | u64::from(self.port.generation) << 16
            | u64::from(self.queue) << 32
    }

    fn unpack(data: u64) -> QueueId {
        QueueId {
            port: PortId { number: data as u16, generation: (data >> 16) as u16 },
            queue: (data >> 32) as u16,
        }
    }
}

/// Ends an engine's sleep from any thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Ends the engine's current sleep, or its next one when it is awake.
    pub fn wake(&self) {
        // The only failure is a counter that is full: the engine will wake anyway.
        let _ = write(&*self.0, &1u64.to_ne_bytes());
    }

    /// Takes back all calls of `wake` so far.
    fn clear(&self) {
        let _ = read(&*self.0, &mut [0; 8]);
    }
}

impl EpollEngine {
    /// An engine without ports.
    ///
    /// # Errors
    /// When the process may open no more descriptors.
    pub fn new() -> Result<EpollEngine, Error> {
        let error = |errno: Errno| Error::failed("epoll", describe(&errno.into()));
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(error)?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let waker = Waker(Arc::new(eventfd(0, flags).map_err(error)?));
        epoll::add(&epoll, &*waker.0, EventData::new_u64(WAKER), EventFlags::IN).map_err(error)?;
        Ok(EpollEngine {
            epoll,
            waker,
            woken: false,
            ports: Vec::new(),
            ready: VecDeque::new(),
            round: 0,
            share: 0,
            gone: VecDeque::new(),
        })
    }

    /// A handle that ends this engine's sleep.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Adds a port under its id, in place of another id that had its number.
    /// Called again with the same id it adds one more queue of that port; all
    /// frames to the port leave on its first.
    ///
    /// # Errors
    /// When the number is not below [`MAX_PORTS`], or the kernel watches no more descriptors.
    pub fn add(&mut self, id: PortId, port: FdPort) -> Result<(), Error> {
        let what = || port.netdev_name().unwrap_or_else(|| format!("port {}", id.number));
        if id.index() >= MAX_PORTS {
            return Err(Error::failed(what(), format!("a switch has at most {MAX_PORTS} ports")));
        }
        if self.ports.len() <= id.index() {
            self.ports.resize_with(id.index() + 1, || None);
        }
        let old = self.ports[id.index()].as_ref();
        if let Some(old) = old.filter(|old| old.id != id || old.gone).map(|old| old.id) {
            self.remove(old);
        }
        let member =
            self.ports[id.index()].get_or_insert(Member { id, queues: Vec::new(), gone: false });
        let queue = QueueId { port: id, queue: member.queues.len() as u16 };
        let data = EventData::new_u64(queue.pack());
        let added = epoll::add(&self.epoll, &port, data, EventFlags::IN)
            .map_err(|errno| Error::failed(what(), describe(&errno.into())));
        if added.is_ok() {
            member.queues.push(Queue { port, ready: false, broken: false });
        } else if member.queues.is_empty() {
            self.ports[id.index()] = None;
        }
        // Room for everybody now, so that no turn has to make any.
        let queues = self.ports.iter().flatten().map(|member| member.queues.len()).sum::<usize>();
        self.ready.reserve(queues.saturating_sub(self.ready.len()));
        self.gone.reserve(self.ports.len().saturating_sub(self.gone.len()));
        added
    }

    /// Takes a port out and hands back its queues, in the order they were
    /// added; none when the id is unknown.
    pub fn remove(&mut self, id: PortId) -> Vec<FdPort> {
        let place = self.ports.get_mut(id.index());
        let Some(member) = place.and_then(|place| place.take_if(|member| member.id == id)) else {
            return Vec::new();
        };
        if !member.gone {
            self.unwatch(&member);
        }
        self.ready.retain(|queue| queue.port != id);
        self.gone.retain(|gone| *gone != id);
        member.queues.into_iter().map(|queue| queue.port).collect()
    }

    /// Sleeps until a port has frames, a [`Waker`] is used, a device went away,
    /// or `timeout` is over; `None` waits for ever. Returns at once when one of
    /// them is so already. A signal may end it early.
    pub fn wait(&mut self, timeout: Option<Duration>) {
        if self.ready.is_empty() && self.gone.is_empty() && !self.woken {
            self.poll(timeout);
        }
    }

    /// Whether a [`Waker`] was used since the last call. Known after
    /// [`EpollEngine::wait`] and, while frames keep it busy, after [`Engine::receive`].
    pub fn take_woken(&mut self) -> bool {
        std::mem::take(&mut self.woken)
    }

    /// A port whose device went away, each once. It stays, refusing frames and
    /// costing nothing, until it is removed.
    pub fn take_gone(&mut self) -> Option<PortId> {
        self.gone.pop_front()
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
                self.line_up(QueueId::unpack(data), flags);
            }
        }
    }

    fn line_up(&mut self, id: QueueId, flags: EventFlags) {
        let Some(queue) = find(&mut self.ports, id) else { return };
        queue.broken |= flags.intersects(EventFlags::ERR | EventFlags::HUP);
        if !queue.ready {
            queue.ready = true;
            self.ready.push_back(id);
        }
    }

    /// Gives a queue its turn.
    fn serve(&mut self, id: QueueId, burst: &mut Burst) {
        let Some(queue) = find(&mut self.ports, id) else { return };
        let room = burst.room();
        let share = self.share.min(room.len());
        match queue.port.receive(&mut room[..share]) {
            // epoll would report an error with nothing behind it for ever.
            Ok(0) if queue.broken => self.fail(id.port),
            Err(_) => self.fail(id.port),
            Ok(filled) => {
                burst.filled(id.port, filled);
                queue.ready = filled == share;
                if queue.ready {
                    self.ready.push_back(id);
                }
            }
        }
    }

    fn fail(&mut self, id: PortId) {
        let Some(Some(member)) = self.ports.get_mut(id.index()) else { return };
        member.gone = true;
        for queue in &mut member.queues {
            queue.ready = false;
            // Nothing can be done when this fails: closing it will do.
            let _ = epoll::delete(&self.epoll, &queue.port);
        }
        self.ready.retain(|queue| queue.port != id);
        self.gone.push_back(id);
    }

    fn unwatch(&self, member: &Member) {
        for queue in &member.queues {
            let _ = epoll::delete(&self.epoll, &queue.port);
        }
    }
}

fn find(ports: &mut [Option<Member>], id: QueueId) -> Option<&mut Queue> {
    let member = ports.get_mut(id.port.index())?.as_mut()?;
    if member.id != id.port {
        return None;
    }
    member.queues.get_mut(usize::from(id.queue))
}

impl Engine for EpollEngine {
    fn receive(&mut self, burst: &mut Burst) {
        if self.round == 0 || self.ready.is_empty() {
            self.poll(Some(Duration::ZERO));
            self.round = self.ready.len();
            self.share = (BURST / self.round.max(1)).max(MIN_SHARE);
        }
        while self.round > 0 && !burst.room().is_empty() {
            let Some(id) = self.ready.pop_front() else { return };
            self.round -= 1;
            self.serve(id, burst);
        }
    }

    fn transmit(&mut self, frames: &mut [Frame], queue: &mut [Tx]) {
        for tx in queue {
            tx.result = match self.ports.get_mut(tx.port.index()) {
                Some(Some(member)) if member.id == tx.port && !member.gone => {
                    member.queues[0].port.transmit(&mut frames[usize::from(tx.slot)])
                }
                _ => Err(TxError::Down),
            };
        }
    }
}

#[cfg(test)]
mod tests;
