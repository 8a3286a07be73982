//! One worker's thread: turns while there is traffic, sleep when there is none.
//!
//! The control side sends orders through a bounded channel and wakes the
//! thread; orders are carried out between turns, never in one. The thread
//! reads the clock once a turn.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use switch_core::counters::WorkCounters;
use switch_core::{PortId, Worker};

use crate::engine::QueueEngine;
use crate::engine::share::Share;
use crate::engine::spin::Patience;
use crate::engine::waker::Waker;
use crate::error::{Error, describe};
use crate::queue::Queue;

/// Orders under way at once; the control side waits where more come.
const ORDERS: usize = 64;

/// How often a worker notes what it used of its CPU, at most.
const NOTE: Duration = Duration::from_millis(10);

/// What the control side tells a worker.
enum Order {
    Add(PortId, Share, Sender<Result<(), Error>>),
    Remove(PortId, Sender<Vec<Queue>>),
    Stop,
}

/// The control side's hold on a worker's thread.
pub struct Runner {
    orders: Sender<Order>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Runner {
    /// Starts the thread, on CPU `cpu` if one is given, and there the engine
    /// that `make` makes. `clock` is where the switch's time begins. `gone` is
    /// called on that thread for each port whose device went away.
    ///
    /// # Errors
    /// When the engine can't be made, or the process may make no more threads or not use that CPU.
    pub fn start<E: QueueEngine>(
        worker: Worker,
        make: impl FnOnce() -> Result<E, Error> + Send + 'static,
        cpu: Option<usize>,
        clock: Instant,
        gone: impl Fn(PortId) + Send + 'static,
    ) -> Result<Runner, Error> {
        let (orders, received) = bounded(ORDERS);
        let (started, start) = bounded(1);
        let thread = std::thread::Builder::new()
            .name("worker".into())
            .spawn(move || {
                let made = cpu.map_or(Ok(()), pin).and_then(|()| make());
                // The starter waits for this, so it is there to hear it.
                let _ = started.send(made.as_ref().map(QueueEngine::waker).map_err(Error::clone));
                if let Ok(engine) = made {
                    Loop { worker, engine, orders: received, clock, gone }.run();
                }
            })
            .map_err(|error| Error::io("worker thread", &error))?;
        let started = start.recv();
        let waker =
            started.unwrap_or_else(|_| Err(Error::failed("worker thread", "it ended at once")))?;
        Ok(Runner { orders, waker, thread: Some(thread) })
    }

    /// Gives the worker its share of a port and waits until it has it.
    ///
    /// # Errors
    /// When the kernel takes no more descriptors; the share is closed then.
    pub fn add(&self, id: PortId, share: Share) -> Result<(), Error> {
        let (reply, answer) = bounded(1);
        self.order(Order::Add(id, share, reply));
        answer.recv().unwrap_or_else(|_| Err(Error::failed("worker thread", "it has ended")))
    }

    /// Takes a port's queues back; none when the worker has no such port.
    pub fn remove(&self, id: PortId) -> Vec<Queue> {
        let (reply, answer) = bounded(1);
        self.order(Order::Remove(id, reply));
        answer.recv().unwrap_or_default()
    }

    /// Wakes the worker for a turn, so that it sees new tables.
    pub fn wake(&self) {
        self.waker.wake();
    }

    fn order(&self, order: Order) {
        // A worker that has ended has closed its ports too; there is nothing left to order.
        let _ = self.orders.send(order);
        self.waker.wake();
    }
}

impl Drop for Runner {
    /// Ends the thread and waits for it; its ports are closed then.
    fn drop(&mut self) {
        self.order(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported already.
            let _ = thread.join();
        }
    }
}

fn pin(cpu: usize) -> Result<(), Error> {
    let refused = |why: String| {
        Error::failed(format!("CPU {cpu}"), why).hint("`workers` takes CPUs this process may use")
    };
    if cpu >= CpuSet::MAX_CPU {
        return Err(refused("there is no such CPU".into()));
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|errno| refused(describe(&errno.into())))
}

/// How much of a CPU the calling thread used until when.
struct Usage {
    noted: Instant,
    used: Duration,
}

impl Usage {
    /// Counts what was used until `now`. Time in which the thread waited for a CPU is no use.
    fn note(&mut self, now: Instant, work: &WorkCounters) {
        let used = thread_time();
        work.busy.add((used - self.used).as_nanos() as u64);
        work.total.add((now - self.noted).as_nanos() as u64);
        *self = Usage { noted: now, used };
    }
}

/// The CPU time of the calling thread. A system call.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

struct Loop<E, G> {
    worker: Worker,
    engine: E,
    orders: Receiver<Order>,
    clock: Instant,
    gone: G,
}

impl<E: QueueEngine, G: Fn(PortId)> Loop<E, G> {
    fn run(&mut self) {
        let begin = Instant::now();
        let mut patience = Patience::new(begin);
        let mut usage = Usage { noted: begin, used: thread_time() };
        loop {
            let now = Instant::now();
            self.worker.turn(&mut self.engine, now - self.clock);
            patience.turned(now, self.worker.counters().work.bytes.get());
            if now - usage.noted >= NOTE {
                usage.note(now, &self.worker.counters().work);
            }
            if self.engine.take_woken() && !self.obey() {
                return;
            }
            while let Some(id) = self.engine.take_gone() {
                (self.gone)(id);
            }
            if patience.is_over(now) {
                self.sleep();
            }
        }
    }

    /// Sleeps until there is something to do.
    fn sleep(&mut self) {
        let since = self.clock.elapsed();
        let until = self.worker.next_age().map(|due| due.saturating_sub(since));
        self.engine.wait(until.map(|until| until.max(Duration::from_millis(1))));
    }

    fn add(&mut self, id: PortId, share: Share) -> Result<(), Error> {
        match share {
            Share::Queues(queues) => {
                queues.into_iter().try_for_each(|queue| self.engine.add(id, queue))
            }
            Share::Sender(sender) => self.engine.add_sender(id, sender),
        }
    }

    /// Carries out what was ordered; `false` ends the thread.
    fn obey(&mut self) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Add(id, share, reply)) => {
                    let added = self.add(id, share);
                    if added.is_err() {
                        self.engine.remove(id);
                    }
                    // An answer that nothing waits for any more is not needed.
                    let _ = reply.send(added);
                }
                Ok(Order::Remove(id, reply)) => {
                    let _ = reply.send(self.engine.remove(id));
                }
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::epoll::EpollEngine;
    use crossbeam::channel::unbounded;
    use switch_core::Switch;
    use switch_core::config::BridgeRules;
    use switch_core::fdb::Seed;

    #[test]
    fn time_without_a_cpu_is_no_use() {
        let work = WorkCounters::default();
        let mut usage = Usage { noted: Instant::now(), used: thread_time() };
        std::thread::sleep(Duration::from_millis(100));
        usage.note(Instant::now(), &work);
        let (busy, total) = (work.busy.get(), work.total.get());
        assert!(busy < total / 2, "{busy} ns of {total} while it slept");
        let begin = thread_time();
        while thread_time() - begin < Duration::from_millis(50) {}
        usage.note(Instant::now(), &work);
        let more = work.busy.get() - busy;
        assert!(more >= 50_000_000, "{more} ns of the 50 ms used");
    }

    #[test]
    fn an_idle_runner_sleeps_crosses_and_stops() {
        let (mut switch, mut workers) =
            Switch::new(BridgeRules::default(), 64, 1, Seed([1, 2, 3, 4]));
        let (gone, lost) = unbounded();
        let tell = move |id| gone.send(id).expect("the test still listens");
        let clock = Instant::now();
        let runner = Runner::start(workers.remove(0), EpollEngine::new, None, clock, tell).unwrap();
        switch.set_bridge(BridgeRules { ageing: 10, ..BridgeRules::default() });
        runner.wake();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !switch.crossed() {
            assert!(Instant::now() < deadline, "the worker never crossed");
            std::thread::yield_now();
        }
        drop(runner);
        assert!(lost.is_empty());
    }
}
