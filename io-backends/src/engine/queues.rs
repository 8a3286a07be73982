//! The queues a worker holds, and whose turn it is: what both engines keep.
//!
//! A queue with frames stands in line once; engines serve the line from the
//! front and put one that still has frames to the back. A port whose frames made
//! much work owes for it ([`Account`]) and is passed over. After a queue is added,
//! nothing here allocates.

use std::collections::VecDeque;

use switch_core::account::Account;
use switch_core::frame::Frame;
use switch_core::port::{BURST, MAX_PORTS, Port, PortId, TxError};

use crate::error::Error;
use crate::queue::Queue;

/// The least a queue's share of a turn shrinks to when many are ready, frames:
/// less would spend more on turns than on frames.
pub(crate) const MIN_SHARE: usize = 8;

const _: () = assert!(MIN_SHARE <= BURST && MAX_PORTS < u16::MAX as usize);

/// One queue of one port, as a number the kernel keeps for the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct QueueId {
    pub(crate) port: PortId,
    pub(crate) queue: u16,
}

impl QueueId {
    /// 48 bits.
    pub(crate) fn pack(self) -> u64 {
        u64::from(self.port.number)
            | u64::from(self.port.generation) << 16
            | u64::from(self.queue) << 32
    }

    pub(crate) fn unpack(data: u64) -> QueueId {
        QueueId {
            port: PortId { number: data as u16, generation: (data >> 16) as u16 },
            queue: (data >> 32) as u16,
        }
    }
}

/// A queue, and what its engine keeps with it.
pub(crate) struct Served<X> {
    pub(crate) queue: Queue,
    pub(crate) own: X,
    /// It stands in the line.
    pub(crate) ready: bool,
    /// The kernel reported an error: the device is on its way out.
    pub(crate) broken: bool,
    /// It holds sent frames that its far end was not told of.
    unflushed: bool,
}

/// A port's queues. Frames to the port leave on the first.
pub(crate) struct PortQueues<X> {
    pub(crate) id: PortId,
    pub(crate) queues: Vec<Served<X>>,
    /// Its device is gone.
    pub(crate) gone: bool,
    account: Account,
}

/// All queues of one engine.
pub(crate) struct Queues<X> {
    /// By port number.
    ports: Vec<Option<PortQueues<X>>>,
    line: VecDeque<QueueId>,
    gone: VecDeque<PortId>,
    /// Ports whose first queue is to be flushed.
    unflushed: Vec<PortId>,
    /// Ports that owe for work, or did until lately.
    owing: Vec<PortId>,
}

impl<X> Queues<X> {
    pub(crate) fn new() -> Queues<X> {
        Queues {
            ports: Vec::new(),
            line: VecDeque::new(),
            gone: VecDeque::new(),
            unflushed: Vec::new(),
            owing: Vec::new(),
        }
    }

    /// Which port has to be removed before `id` can be added: another with its
    /// number, or itself when its device is gone.
    pub(crate) fn displaced(&self, id: PortId) -> Option<PortId> {
        let old = self.ports.get(id.index())?.as_ref()?;
        (old.id != id || old.gone).then_some(old.id)
    }

    /// Adds a queue.
    ///
    /// # Errors
    /// When the port's number is not below [`MAX_PORTS`].
    pub(crate) fn insert(&mut self, id: PortId, queue: Queue, own: X) -> Result<QueueId, Error> {
        if id.index() >= MAX_PORTS {
            let why = format!("a switch has at most {MAX_PORTS} ports");
            return Err(Error::failed(name(id, &queue), why));
        }
        if self.ports.len() <= id.index() {
            self.ports.resize_with(id.index() + 1, || None);
        }
        let new = PortQueues { id, queues: Vec::new(), gone: false, account: Account::default() };
        let member = self.ports[id.index()].get_or_insert(new);
        let number = member.queues.len() as u16;
        member.queues.push(Served { queue, own, ready: false, broken: false, unflushed: false });
        // Room for everybody now, so that no turn has to make any.
        let queues = self.ports.iter().flatten().map(|member| member.queues.len()).sum::<usize>();
        self.line.reserve(queues.saturating_sub(self.line.len()));
        self.gone.reserve(self.ports.len().saturating_sub(self.gone.len()));
        self.unflushed.reserve(self.ports.len());
        self.owing.reserve(self.ports.len());
        Ok(QueueId { port: id, queue: number })
    }

    /// Takes a port out.
    pub(crate) fn take(&mut self, id: PortId) -> Option<PortQueues<X>> {
        let place = self.ports.get_mut(id.index())?;
        let member = place.take_if(|member| member.id == id)?;
        self.line.retain(|queue| queue.port != id);
        self.gone.retain(|gone| *gone != id);
        self.unflushed.retain(|unflushed| *unflushed != id);
        self.owing.retain(|owing| *owing != id);
        Some(member)
    }

    /// Takes the queue added last out of its port again.
    pub(crate) fn take_last(&mut self, id: PortId) {
        let Some(place) = self.ports.get_mut(id.index()) else { return };
        if let Some(member) = place {
            member.queues.pop();
        }
        place.take_if(|member| member.queues.is_empty());
    }

    #[inline]
    pub(crate) fn find(&mut self, id: QueueId) -> Option<&mut Served<X>> {
        let member = self.ports.get_mut(id.port.index())?.as_mut()?;
        if member.id != id.port {
            return None;
        }
        member.queues.get_mut(usize::from(id.queue))
    }

    /// The queue that frames to this port leave on; `None` when it is unknown or gone.
    #[inline]
    pub(crate) fn way_out(&mut self, id: PortId) -> Option<&mut Served<X>> {
        let member = self.ports.get_mut(id.index())?.as_mut()?;
        if member.id != id || member.gone {
            return None;
        }
        member.queues.first_mut()
    }

    /// Sends a frame on a queue that moves bytes in its own way.
    pub(crate) fn transmit(&mut self, id: PortId, frame: &mut Frame) -> Result<(), TxError> {
        let served = self.way_out(id).ok_or(TxError::Down)?;
        served.queue.transmit(frame)?;
        if !std::mem::replace(&mut served.unflushed, true) {
            self.unflushed.push(id);
        }
        Ok(())
    }

    /// Has every queue that sent frames pass them on.
    pub(crate) fn flush(&mut self) {
        while let Some(id) = self.unflushed.pop() {
            if let Some(served) = self.way_out(id) {
                served.unflushed = false;
                served.queue.flush();
            }
        }
    }

    /// Every port.
    pub(crate) fn ids(&self) -> Vec<PortId> {
        self.ports.iter().flatten().map(|member| member.id).collect()
    }

    /// A port's queues.
    pub(crate) fn of(&self, id: PortId) -> impl Iterator<Item = (QueueId, &Served<X>)> {
        let place = self.ports.get(id.index()).and_then(Option::as_ref);
        let queues =
            place.filter(|member| member.id == id).map_or(&[][..], |member| &member.queues);
        (0..).map(move |queue| QueueId { port: id, queue }).zip(queues)
    }

    /// Whether the port is here and its device was not found gone.
    pub(crate) fn serves(&self, id: PortId) -> bool {
        let place = self.ports.get(id.index()).and_then(Option::as_ref);
        place.is_some_and(|member| member.id == id && !member.gone)
    }

    /// Puts a queue to the end of the line, unless it stands there already or its device is gone.
    pub(crate) fn line_up(&mut self, id: QueueId, broken: bool) {
        if !self.serves(id.port) {
            return;
        }
        let Some(queue) = self.find(id) else { return };
        queue.broken |= broken;
        if !std::mem::replace(&mut queue.ready, true) {
            self.line.push_back(id);
        }
    }

    /// Takes the queue at the front of the line.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<QueueId> {
        let id = self.line.pop_front()?;
        if let Some(queue) = self.find(id) {
            queue.ready = false;
        }
        Some(id)
    }

    /// Notes what a port's frames cost.
    pub(crate) fn charge(&mut self, id: PortId, frames: usize, work: u32) {
        let Some(account) = self.account_mut(id) else { return };
        account.charge(frames, work);
        if account.owed() > 0 && !self.owing.contains(&id) {
            self.owing.push(id);
        }
    }

    /// How many frames a queue whose turn has come gets, in a round of `share` frames each.
    /// `None`, and back at the end of the line, when its port owes more than that is worth.
    #[inline]
    pub(crate) fn turn(&mut self, id: QueueId, share: usize) -> Option<usize> {
        let turn = self.account_mut(id.port).map_or(Some(share), |account| account.turn(share));
        if turn.is_none() {
            self.line_up(id, false);
        }
        turn
    }

    /// The same in the middle of long work for the ports in `held`.
    pub(crate) fn light_turn(
        &mut self,
        id: QueueId,
        share: usize,
        held: &[PortId],
    ) -> Option<usize> {
        let account = self.account_mut(id.port).filter(|_| !held.contains(&id.port));
        let turn = account.and_then(|account| account.light_turn(share));
        if turn.is_none() {
            self.line_up(id, false);
        }
        turn
    }

    /// Begins a round: where all in line owe, none gains by waiting, so each is
    /// waived what the one that owes least owes.
    #[inline]
    pub(crate) fn begin_round(&mut self) {
        if !self.owing.is_empty() {
            self.waive();
        }
    }

    #[cold]
    fn waive(&mut self) {
        let least = self.line.iter().map(|queue| self.owed(queue.port)).min().unwrap_or(0);
        let mut owing = std::mem::take(&mut self.owing);
        owing.retain(|id| {
            let Some(account) = self.account_mut(*id) else { return false };
            account.waive(least);
            account.owed() > 0
        });
        self.owing = owing;
    }

    fn owed(&self, id: PortId) -> u32 {
        let place = self.ports.get(id.index()).and_then(Option::as_ref);
        place.filter(|member| member.id == id).map_or(0, |member| member.account.owed())
    }

    #[inline]
    fn account_mut(&mut self, id: PortId) -> Option<&mut Account> {
        let member = self.ports.get_mut(id.index())?.as_mut()?;
        (member.id == id).then_some(&mut member.account)
    }

    /// How many queues stand in line.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Whether a queue stands in line, or a port's loss was not told yet.
    pub(crate) fn is_busy(&self) -> bool {
        !self.line.is_empty() || !self.gone.is_empty()
    }

    /// Notes that a port's device is gone; its queues, the first time.
    pub(crate) fn fail(&mut self, id: PortId) -> Option<&mut PortQueues<X>> {
        let member = self.ports.get_mut(id.index())?.as_mut()?;
        if member.id != id || std::mem::replace(&mut member.gone, true) {
            return None;
        }
        self.line.retain(|queue| queue.port != id);
        self.gone.push_back(id);
        Some(member)
    }

    /// A port whose device is gone, each once.
    pub(crate) fn take_gone(&mut self) -> Option<PortId> {
        self.gone.pop_front()
    }
}

/// A port for a person: its netdev's name where there is one.
pub(crate) fn name(id: PortId, queue: &Queue) -> String {
    queue.netdev_name().unwrap_or_else(|| format!("port {}", id.number))
}
